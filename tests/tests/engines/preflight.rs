//! `preflight`: each problem of a file is found before its first point, and nothing is written.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, StringArray, TimestampMillisecondArray};
use arrow::record_batch::RecordBatch;
use influxdb_loader_tests::{Dialect, FaultServer, Loader, Rules, Settings};
use serde_json::{Value, json};

use super::refusals::{DAY, MINUTE, rows, write};
use super::{BUCKET, Server, on_both};

fn preflight(settings: Settings, file: &Path, arguments: &[&str]) -> (Option<i32>, Value) {
    let run = Loader::new(["preflight", "--json"]).argument(file).arguments(arguments).settings(settings).run();
    (run.code, run.json())
}

/// The problems of a kind: what each is about, how often, and whether something would be lost.
fn problems(found: &Value, kind: &str) -> Vec<(String, u64, bool)> {
    let problems = found["problems"].as_array().unwrap().iter().filter(|problem| problem["kind"] == kind);
    let told = problems.map(|problem| {
        let key = problem["key"].as_str().unwrap_or_default().to_owned();
        (key, problem["count"].as_u64().unwrap_or_default(), problem["lost"].as_bool().unwrap())
    });
    told.collect()
}

fn problem(key: &str, count: u64, lost: bool) -> Vec<(String, u64, bool)> {
    vec![(key.to_owned(), count, lost)]
}

/// Rows of which the first has no time, and the last two are the same point. The others lie 60 weeks apart from each other.
fn seeded(directory: &Path) -> PathBuf {
    let batch = rows(&[MINUTE, Duration::ZERO, 420 * DAY, 840 * DAY, 1260 * DAY, 1260 * DAY]);
    let times = batch["timestamp"].as_any().downcast_ref::<TimestampMillisecondArray>().unwrap();
    let last = times.value(5);
    let times = times.iter().enumerate().map(|(row, time)| match row {
        0 => None,
        4 => Some(last),
        _ => time,
    });
    let times = Arc::new(TimestampMillisecondArray::from_iter(times).with_timezone("UTC")) as ArrayRef;
    let schema = batch.schema();
    let columns = schema.fields().iter().map(|field| {
        let column =
            if field.name() == "timestamp" { Arc::clone(&times) } else { Arc::clone(&batch[field.name().as_str()]) };
        (field.name().clone(), column)
    });
    write(
        directory,
        &RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap(),
    )
}

#[test]
fn what_would_be_lost_is_found_and_nothing_is_written() {
    on_both(|server| {
        let directory = tempfile::tempdir().unwrap();
        let file = seeded(directory.path());
        // In another shard than any point of the file: the server would take the points, and queries would not find them.
        server
            .write(BUCKET, "consumption_data,region=seed,unit=MW power_mw=\"much\",consumer_type=\"home\" 5")
            .succeeded();
        let (code, found) = preflight(server.settings(BUCKET), &file, &["--rate", "2"]);
        assert_eq!(code, Some(1), "{found}");
        assert_eq!(problems(&found, "type-conflict"), problem("power_mw", 5, true), "{found}");
        assert_eq!(problems(&found, "duplicates"), problem("", 1, true), "{found}");
        assert_eq!(problems(&found, "rejected"), problem("", 1, true), "{found}");
        let mut both = problems(&found, "tag-and-field");
        both.sort();
        assert_eq!(both, [problem("consumer_type", 5, false), problem("unit", 5, false)].concat(), "{found}");
        let counts = ["rows", "points", "superseded", "requests", "shards"].map(|name| found[name].as_u64().unwrap());
        assert_eq!(counts[..3], [6, 5, 1]);
        assert!(counts[3] >= 1 && counts[4] == 4, "{found}");
        assert_eq!(found["series"], json!({ "count": 1, "standard_error": 0.0, "new": 1 }), "{found}");
        assert!(found["bytes"].as_u64().unwrap() > 0 && found["seconds"].as_f64().unwrap() >= 2.5, "{found}");
        assert_eq!(server.number(BUCKET, "count(power_mw)", "consumption_data"), 1.0);

        // The conflict is one: the load succeeds, and the field has two types.
        let looked = Loader::new(["load", "--preflight"]).argument(&file).settings(server.settings(BUCKET)).run();
        assert_eq!(looked.code, Some(1), "{looked}");
        assert!(looked.stdout.contains("type-conflict"), "{looked}");
        assert_eq!(server.number(BUCKET, "count(power_mw)", "consumption_data"), 1.0);
        Loader::new(["load"]).argument(&file).settings(server.settings(BUCKET)).run().succeeded();
        let types = server.query(BUCKET, "SHOW FIELD KEYS FROM consumption_data")[0]["values"].to_string();
        assert!(types.contains("float") && types.contains("string"), "{types}");
    });
}

#[test]
fn a_load_that_loses_nothing_is_told_so_and_goes_on() {
    on_both(|server| {
        let directory = tempfile::tempdir().unwrap();
        let ages: Vec<Duration> = (0..60).map(|week| 7 * DAY * week).collect();
        let file = write(directory.path(), &rows(&ages));
        let (code, found) = preflight(server.settings(BUCKET), &file, &[]);
        assert_eq!((code, &found["loses_nothing"]), (Some(0), &json!(true)), "{found}");
        assert_eq!(found["shards"], 60, "{found}");
        assert_eq!(problems(&found, "many-shards"), problem("", 0, false), "{found}");
        let loaded = Loader::new(["load", "--preflight", "--json"]).argument(&file).settings(server.settings(BUCKET));
        assert_eq!(loaded.run().succeeded().json()["status"], "succeeded");
        assert_eq!(server.number(BUCKET, "count(power_mw)", "consumption_data"), 60.0);
        let (_, found) = preflight(server.settings(BUCKET), &file, &[]);
        assert_eq!(found["series"]["new"], 0, "{found}");

        server.create_bucket("short", Some(3600));
        let (code, found) = preflight(server.settings("short"), &file, &[]);
        assert_eq!(code, Some(1), "{found}");
        let old: u64 = problems(&found, "outside-retention").iter().map(|(_, count, _)| count).sum();
        assert_eq!((old, found["bucket"]["retention_seconds"].as_u64()), (59, Some(3600)), "{found}");
    });
}

#[test]
fn what_the_server_has_written_shows_how_long_a_load_takes() {
    on_both(|server| {
        let directory = tempfile::tempdir().unwrap();
        let ages: Vec<Duration> = (1..=20_000).map(|age| MINUTE * age).collect();
        let file = write(directory.path(), &rows(&ages));
        server.write(BUCKET, "other value=1 5").succeeded();
        let (_, found) = preflight(server.settings(BUCKET), &file, &[]);
        assert_eq!((&found["rate"], &found["rate_by"]), (&json!(null), &json!(null)), "{found}");

        Loader::new(["load"]).argument(&file).settings(server.settings(BUCKET)).run().succeeded();
        let (_, found) = preflight(server.settings(BUCKET), &file, &[]);
        assert_eq!(found["rate_by"], "server", "{found}");
        let (rate, seconds) = (found["rate"].as_f64().unwrap(), found["seconds"].as_f64().unwrap());
        assert!((100.0..100_000_000.0).contains(&rate) && seconds >= 19_900.0 / rate, "{found}");
        let shown = Loader::new(["preflight"]).argument(&file).settings(server.settings(BUCKET)).run();
        assert!(shown.stdout.contains("with one request in flight"), "{shown}");

        let (_, found) = preflight(server.settings(BUCKET), &file, &["--rate", "1000"]);
        assert_eq!((&found["rate"], &found["rate_by"]), (&json!(1000), &json!("setting")), "{found}");
    });
}

#[test]
fn who_may_only_write_learns_that_fields_are_not_compared() {
    on_both(|server| {
        let Server::V2(server) = &server else { return };
        let directory = tempfile::tempdir().unwrap();
        let file = write(directory.path(), &rows(&[MINUTE]));
        let (_, writer) = server.authorize(&[], &[BUCKET]);
        let (code, found) = preflight(server.settings_with(BUCKET, &writer), &file, &[]);
        assert_eq!(code, Some(0), "{found}");
        assert!(found["fields_unknown"].as_str().is_some() && found["bucket"].is_null(), "{found}");
    });
}

#[test]
fn what_3_would_refuse_or_hide_is_found() {
    let server = FaultServer::with(Rules { retention: "24h0m0s".to_owned(), ..Rules::of(Dialect::V3) });
    let columns: Vec<String> = (0..496).map(|number| format!("c{number}=1")).collect();
    server.seed(&format!("consumption_data,region=seed power_mw=1i,consumer_type=\"home\",{} 5\n", columns.join(",")));
    let directory = tempfile::tempdir().unwrap();
    let file = write(directory.path(), &rows(&[MINUTE, 2 * MINUTE, 30 * DAY]));
    let (code, found) = preflight(server.settings(), &file, &[]);
    assert_eq!(code, Some(1), "{found}");
    assert_eq!(problems(&found, "type-conflict"), problem("power_mw", 3, true), "{found}");
    assert_eq!(problems(&found, "tag-and-field"), problem("consumer_type", 3, true), "{found}");
    assert_eq!(problems(&found, "too-many-columns"), problem("", 0, true), "{found}");
    assert_eq!(problems(&found, "outside-retention"), problem("", 0, true), "{found}");
    assert!(server.requests().writes().is_empty());
}

#[test]
fn a_file_of_lines_is_for_whom_it_says() {
    let directory = tempfile::tempdir().unwrap();
    // Text of more than 64 KiB, which 3 does not take.
    let batch = rows(&[MINUTE]);
    let long = Arc::new(StringArray::from_iter_values(["x".repeat(70_000)])) as ArrayRef;
    let schema = batch.schema();
    let columns = schema.fields().iter().map(|field| {
        let column = if field.name() == "unit" { Arc::clone(&long) } else { Arc::clone(&batch[field.name().as_str()]) };
        (field.name().clone(), column)
    });
    let file = write(directory.path(), &RecordBatch::try_from_iter(columns.collect::<Vec<_>>()).unwrap());
    let rejected = |arguments: &[&str], settings: Settings| {
        let to = directory.path().join("points.lp");
        let run = Loader::new(["load", "--json", "--to"]).argument(&to).argument(&file).arguments(arguments);
        run.settings(settings).run().succeeded().json()["objects"][0]["accounts"]["rejected"].clone()
    };
    let api = |name: &str| Settings::default().with("INFLUXDB_API", name);
    for (arguments, settings, codes) in [
        (&[][..], Settings::default(), json!({ "unwritable": 1 })),
        (&["--for", "v3"][..], Settings::default(), json!({ "unwritable": 1 })),
        (&["--for", "v2"][..], Settings::default(), json!({})),
        (&["--for", "v1"][..], api("v3"), json!({})),
        (&[][..], api("v2"), json!({})),
        (&[][..], api("v3"), json!({ "unwritable": 1 })),
    ] {
        assert_eq!(rejected(arguments, settings), codes, "{arguments:?}");
    }
}
