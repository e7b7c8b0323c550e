//! `verify`: an untouched database is clean, and each point that was deleted, changed or added is named, with the row it came from.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, UInt64Array};
use influxdb_loader_tests::{
    CONSUMPTION_POINTS, Dialect, FaultServer, InfluxDb2, Loader, Outcome, Responder, Response, Settings,
    consumption_file, every_column_component, parquet,
};
use serde_json::{Value, json};

use super::{BUCKET, Server, on_both};

/// What verifying the consumption file may take of memory, in KiB.
const MEMORY_KIB: u64 = 100 * 1024;

fn verify(settings: Settings, input: &Path, arguments: &[&str]) -> Outcome {
    Loader::new(["verify", "--json"]).argument(input).arguments(arguments).settings(settings).run()
}

/// What was found, of a database that differs.
fn differing(settings: Settings, input: &Path, arguments: &[&str]) -> Value {
    let run = verify(settings, input, arguments);
    assert_eq!(run.code, Some(1), "{run}");
    run.json()
}

/// What is not as expected of a field: how, at which time, and both values.
fn differences(found: &Value, field: &str) -> Vec<(String, i64, Value, Value)> {
    let differences = found["differences"].as_array().unwrap().iter().filter(|difference| difference["field"] == field);
    let mut named: Vec<_> = differences
        .map(|difference| {
            let change = difference["change"].as_str().unwrap().to_owned();
            let [expected, found] = ["expected", "found"].map(|name| difference[name].clone());
            (change, difference["time"].as_i64().unwrap(), expected, found)
        })
        .collect();
    named.sort_by_key(|(change, time, ..)| (change.clone(), *time));
    named
}

/// What picks a series in InfluxQL, of its key in line protocol.
fn conditions(key: &str) -> String {
    let tags = key.split(',').skip(1).map(|tag| {
        let (key, value) = tag.split_once('=').unwrap();
        format!("\"{key}\" = '{}'", value.replace("\\ ", " "))
    });
    tags.collect::<Vec<_>>().join(" AND ")
}

/// A point of the consumption file as it is in the database, of one of its three longest series: the key of the series, the time and
/// the value.
fn point(server: &Server, number: usize) -> (String, i64, f64) {
    let key = server.query(BUCKET, "SHOW SERIES FROM consumption_data")[0]["values"][number % 3][0].clone();
    let key = key.as_str().unwrap().to_owned();
    let statement = format!("SELECT power_mw FROM consumption_data WHERE {} LIMIT 1 OFFSET {number}", conditions(&key));
    let row = server.query(BUCKET, &statement)[0]["values"][0].clone();
    (key, row[0].as_i64().unwrap(), row[1].as_f64().unwrap())
}

#[test]
fn what_was_deleted_changed_and_added_after_a_load_is_named_and_nothing_else() {
    on_both(|mut server| {
        let file = consumption_file();
        let loaded = Loader::new(["load"]).argument(&file).settings(server.settings(BUCKET)).run().succeeded();
        // 1.6.7 may lose sight of points in memory that were queried while they were written.
        server.restart();
        // A power and a unit each.
        let values = 2 * CONSUMPTION_POINTS;
        for arguments in [&[][..], &["--every", "26w"], &["--exact"]] {
            let run = verify(server.settings(BUCKET), &file, arguments).succeeded();
            let found = run.json();
            assert_eq!(found["clean"], true, "{found}");
            assert_eq!([&found["totals"]["expected"], &found["totals"]["found"]], [values, values], "{found}");
            let by_sums = found["measurements"]["consumption_data"]["method"] == "sums";
            assert_eq!(by_sums, arguments.contains(&"--every"), "{found}");
            assert!(run.peak_memory_kib < MEMORY_KIB, "{} KiB\n{run}", run.peak_memory_kib);
            println!(
                "loaded in {:?}, verified {arguments:?} in {:?} by {} questions with {} KiB",
                loaded.elapsed, run.elapsed, found["questions"], run.peak_memory_kib
            );
        }

        let points = [100, 5_001, 9_002, 11_004, 14_003].map(|number| point(&server, number));
        let [
            (deleted, deleted_at, was),
            (changed, changed_at, before),
            (bent, bent_at, exact),
            (renamed, renamed_at, _),
            (other, other_at, _),
        ] = points;
        let of_series = conditions(&deleted);
        server.query(BUCKET, &format!("DELETE FROM consumption_data WHERE {of_series} AND time = {deleted_at}"));
        let (more, next) = (before + 1.0, f64::from_bits(exact.to_bits() + 1));
        let added_at = other_at + 60_000_000_000;
        let lines = format!(
            "{changed} power_mw={more} {changed_at}\n{bent} power_mw={next} {bent_at}\n{renamed} unit=\"kW\" {renamed_at}\n\
             {other} power_mw=7 {added_at}\nconsumption_data,region=elsewhere power_mw=8 {other_at}\n"
        );
        server.write(BUCKET, &lines).succeeded();

        let found = differing(server.settings(BUCKET), &file, &[]);
        let shown = |value: f64| json!(format!("{value:?}"));
        let expected = [
            ("different", changed_at, shown(before), shown(more)),
            ("different", bent_at, shown(exact), shown(next)),
            ("extra", other_at, Value::Null, shown(8.0)),
            ("extra", added_at, Value::Null, shown(7.0)),
            ("missing", deleted_at, shown(was), Value::Null),
        ]
        .map(|(change, time, expected, found)| (change.to_owned(), time, expected, found));
        assert_eq!(differences(&found, "power_mw"), expected, "{found:#}");
        let units =
            [("different", renamed_at, "\"MW\"", json!("\"kW\"")), ("missing", deleted_at, "\"MW\"", Value::Null)];
        let units = units.map(|(change, time, expected, found)| (change.to_owned(), time, json!(expected), found));
        assert_eq!(differences(&found, "unit"), units, "{found:#}");
        let totals = &found["totals"];
        let counts = ["missing", "extra", "different", "differing_buckets"].map(|name| totals[name].as_u64().unwrap());
        assert_eq!(counts, [2, 2, 3, 5], "{totals}");
        let differences_of_rows = found["differences"].as_array().unwrap().iter();
        for difference in differences_of_rows.filter(|difference| difference["change"] != "extra") {
            assert!(difference["object"] == 0 && difference["row"].is_u64(), "{difference}");
        }
        // Sums show all of it except a last bit, which the sum of floats may lose on its way.
        let sums = differing(server.settings(BUCKET), &file, &["--every", "4w"]);
        assert_eq!(sums["measurements"]["consumption_data"]["method"], "sums");
        let without_the_bit: Vec<_> = expected.iter().filter(|(_, time, ..)| *time != bent_at).cloned().collect();
        assert_eq!(differences(&sums, "power_mw"), without_the_bit, "{sums:#}");
        assert_eq!(differences(&sums, "unit"), units, "{sums:#}");
        // With `--ignore-extra`, points beside those of the inputs are ignored.
        let found = differing(server.settings(BUCKET), &file, &["--ignore-extra"]);
        assert!(found["differences"].as_array().unwrap().iter().all(|difference| difference["change"] != "extra"));

        let directory = tempfile::tempdir().unwrap();
        let page = directory.path().join("report.html");
        let run = Loader::new(["verify"]).argument(&file).argument("--html").argument(&page);
        let run = run.settings(server.settings(BUCKET)).run();
        assert_eq!(run.code, Some(1), "{run}");
        assert!(run.stdout.contains("The database differs") && run.stdout.matches('✗').count() == 5, "{run}");
        assert!(run.stdout.contains(&format!("missing: `{}` `power_mw`", deleted.replace("\\ ", " "))), "{run}");
        let page = fs::read_to_string(page).unwrap();
        assert!(page.contains("<svg") && page.matches("fill=\"#d00000\"").count() == 5);
    });
}

/// Rows of every type, of which some are the same point: the last one counts.
fn every_type(directory: &Path) -> std::path::PathBuf {
    let columns: [(&str, ArrayRef); 6] = [
        ("row", Arc::new(Int64Array::from(vec![5, 6, 7, 5, 8, 6]))),
        ("f", Arc::new(Float64Array::from(vec![Some(0.1), Some(-0.0), None, Some(0.3), Some(5e-324), Some(1e300)]))),
        ("i", Arc::new(Int64Array::from(vec![Some(i64::MIN), Some(1), Some(2), None, Some(i64::MAX), Some(3)]))),
        ("u", Arc::new(UInt64Array::from(vec![1, 2, 3, 4, (1 << 63) - 1, 6]))),
        ("b", Arc::new(BooleanArray::from(vec![true, false, true, false, true, false]))),
        ("s", Arc::new(StringArray::from(vec!["a", "b\\\"c\\", "line\r\nbreak", "<&>\u{2028}", "", "北 \u{1f600}"]))),
    ];
    let file = directory.join("a.parquet");
    fs::write(
        &file,
        parquet(&RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()),
    )
    .unwrap();
    fs::write(directory.join("every-column.wasm"), every_column_component()).unwrap();
    file
}

#[test]
fn values_of_every_type_are_compared_exactly_and_of_a_point_the_last_row_counts() {
    on_both(|server| {
        let directory = tempfile::tempdir().unwrap();
        let file = every_type(directory.path());
        let converter = directory.path().join("every-column.wasm");
        let arguments = ["--dataset", "every-column", "--converter", converter.to_str().unwrap()];
        let load = Loader::new(["load"]).argument(&file).arguments(arguments).settings(server.settings(BUCKET));
        load.run().succeeded();
        let found = verify(server.settings(BUCKET), &file, &arguments).succeeded().json();
        assert_eq!(found["clean"], true, "{found:#}");
        assert!(found["totals"]["expected"].as_u64().unwrap() >= 4 * 6, "{found:#}");

        let changes = "rows b=true,s=\"line\nbreak\",i=9223372036854775806i 8\nrows f=0.30000000000000004 5\n";
        server.write(BUCKET, changes).succeeded();
        let found = differing(server.settings(BUCKET), &file, &arguments);
        let differences = found["differences"].as_array().unwrap();
        let named: Vec<(&str, i64, u64)> = differences
            .iter()
            .map(|one| (one["field"].as_str().unwrap(), one["time"].as_i64().unwrap(), one["row"].as_u64().unwrap()))
            .collect();
        assert_eq!(named, [("f", 5, 3), ("i", 8, 4), ("s", 8, 4)], "{found:#}");
        // A field that only the database has.
        server.write(BUCKET, "rows added=1i 6\n").succeeded();
        let found = differing(server.settings(BUCKET), &file, &arguments);
        assert_eq!(found["totals"]["extra"], 1, "{found:#}");
        // A field that the database has in another type as well.
        server.write(BUCKET, "rows f=\"text\" 604800000000000000\n").succeeded();
        let found = differing(server.settings(BUCKET), &file, &arguments);
        assert_eq!(found["measurements"]["rows"]["types"][0]["found"], json!(["float", "string"]), "{found:#}");
    });
}

#[test]
fn influxdb_3_is_asked_for_points_in_sql() {
    let server = FaultServer::start(Dialect::V3);
    let directory = tempfile::tempdir().unwrap();
    let file = every_type(directory.path());
    let converter = directory.path().join("every-column.wasm");
    let arguments = ["--dataset", "every-column", "--converter", converter.to_str().unwrap()];
    Loader::new(["load"]).argument(&file).arguments(arguments).settings(server.settings()).run().succeeded();
    let found = verify(server.settings(), &file, &arguments).succeeded().json();
    assert_eq!(
        (&found["clean"], &found["measurements"]["rows"]["method"]),
        (&json!(true), &json!("points")),
        "{found:#}"
    );
    server.seed("rows f=9 5\nrows b=true 9\n");
    let found = differing(server.settings(), &file, &arguments);
    let shown = |value: f64| json!(format!("{value:?}"));
    assert_eq!(differences(&found, "f"), [("different".to_owned(), 5, shown(0.3), shown(9.0))], "{found:#}");
    let extra = &found["totals"]["extra"];
    assert_eq!((extra, found["totals"]["differing_buckets"].as_u64()), (&json!(1), Some(1)), "{found:#}");

    // Some thousand points, by several questions, each of another range of time.
    let server = FaultServer::start(Dialect::V3);
    let file = consumption_file();
    Loader::new(["load"]).argument(&file).settings(server.settings()).run().succeeded();
    let found = verify(server.settings(), &file, &[]).succeeded().json();
    assert_eq!(found["totals"]["found"], 2 * CONSUMPTION_POINTS, "{found}");
}

#[test]
fn two_databases_are_compared_each_way() {
    on_both(|server| {
        let file = consumption_file();
        server.create_bucket("old", None);
        for bucket in [BUCKET, "old"] {
            Loader::new(["load"]).argument(&file).settings(server.settings(bucket)).run().succeeded();
        }
        let against = |arguments: &[&str]| {
            let arguments = ["verify", "--against", "old", "--json"].iter().chain(arguments);
            Loader::new(arguments).settings(server.settings(BUCKET)).run()
        };
        for arguments in [&[][..], &["--every", "26w"]] {
            let found = against(arguments).succeeded().json();
            assert_eq!(found["totals"]["found"], 2 * CONSUMPTION_POINTS, "{found}");
        }
        let (series, time, value) = point(&server, 777);
        server.write(BUCKET, &format!("{series} power_mw={} {time}\n", value + 2.0)).succeeded();
        server.write("old", &format!("{series} power_mw=1 {}\n", time + 1)).succeeded();
        server.write(BUCKET, "new_measurement value=1 5\n").succeeded();
        for arguments in [&[][..], &["--every", "4w"]] {
            let run = against(arguments);
            let found = run.json();
            let changes: Vec<String> = ["power_mw", "value"]
                .iter()
                .flat_map(|field| differences(&found, field))
                .map(|(change, ..)| change)
                .collect();
            assert_eq!((run.code, changes.join(" ").as_str()), (Some(1), "different missing extra"), "{found:#}");
        }
    });
}

#[test]
fn a_token_that_may_only_read_suffices_and_one_that_may_not_is_told() {
    let server = InfluxDb2::start(BUCKET);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("dataset=consumption.parquet");
    fs::write(&file, parquet(&influxdb_loader_tests::small_consumption())).unwrap();
    Loader::new(["load"]).argument(&file).settings(server.settings(BUCKET)).run().succeeded();
    let (_, reader) = server.authorize(&[BUCKET], &[]);
    let (_, writer) = server.authorize(&[], &[BUCKET]);
    let found = verify(server.settings_with(BUCKET, &reader), &file, &[]).succeeded().json();
    assert_eq!(found["clean"], true, "{found}");
    let refused = verify(server.settings_with(BUCKET, &writer), &file, &[]);
    assert!(refused.code == Some(1) && refused.stdout.is_empty() && refused.stderr.contains("error: "), "{refused}");
}

#[test]
fn a_server_that_answers_something_else_is_an_error_and_never_clean() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("dataset=consumption.parquet");
    fs::write(&file, parquet(&influxdb_loader_tests::small_consumption())).unwrap();
    let fields =
        json!({ "results": [{ "series": [{ "name": "consumption_data", "values": [["power_mw", "float"]] }] }, {}] });
    for nonsense in [
        "<html>sign in</html>".to_owned(),
        json!({ "results": [{ "error": "not executed" }] }).to_string(),
        json!({ "results": [{ "series": [{ "columns": ["time", "power_mw"], "values": [["yesterday", 1]] }] }] })
            .to_string(),
        json!({ "results": [{ "series": [{ "columns": ["time"], "values": [[1, 1, 1]] }] }] }).to_string(),
        // A time that was not asked for.
        json!({ "results": [{ "series": [{ "columns": ["time", "power_mw", "unit"], "values": [[1, 1.5, "MW"]] }] }] })
            .to_string(),
        "{\"results\": [".to_owned() + &"[".repeat(100_000),
    ] {
        let fields = fields.to_string();
        let server = Responder::start(move |request| {
            let is_schema = String::from_utf8_lossy(&request.body).contains("SHOW");
            Response::new(200, if is_schema { &fields } else { &nonsense })
        });
        let settings = Settings::from([
            ("INFLUXDB_API", "v1".to_owned()),
            ("INFLUXDB_URL", server.url()),
            ("INFLUXDB_BUCKET", BUCKET.to_owned()),
        ]);
        let run = verify(settings, &file, &[]);
        assert_eq!(run.code, Some(1), "{run}");
        assert!(run.stdout.is_empty() && run.stderr.contains("does not answer what it was asked"), "{run}");
    }
}
