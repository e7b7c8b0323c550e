//! The ledger: loads leave records, which show what is loaded, what is not, and where a backfill that was killed resumes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use influxdb_loader_tests::{Function, InfluxDb2, Loader, Site, parquet, small_consumption};
use serde_json::{Value, json};

const DATABASE: &str = Site::DATABASE;
const DATA: &str = Site::DATA;
const LEDGER: &str = "energy-ledger";
const URI: &str = "s3://energy-ledger/loads";
const PREFIX: &str = "dataset=consumption/2024/";

fn put(site: &Site, name: &str, batch: &RecordBatch) {
    site.s3.put_object(DATA, &format!("{PREFIX}{name}.parquet"), parquet(batch));
}

/// How many objects of the prefix have each standing.
fn standings(site: &Site) -> BTreeMap<String, usize> {
    let listed = site.run(&["ledger", "list", &format!("s3://{DATA}/{PREFIX}"), "--json"]).succeeded();
    let mut counts = BTreeMap::new();
    for line in lines(&listed.stdout) {
        *counts.entry(line["standing"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    counts
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn counts<const N: usize>(expected: [(&str, usize); N]) -> BTreeMap<String, usize> {
    expected.map(|(name, count)| (name.to_owned(), count)).into()
}

/// Rows an hour apart, from this hour of 2024 on.
fn rows(hour: i64, count: i64, value: f64) -> RecordBatch {
    let texts = |text: &str| Arc::new(StringArray::from(vec![text; usize::try_from(count).unwrap()])) as ArrayRef;
    let times = (hour..hour + count).map(|hour| 1_704_067_200_000 + hour * 3_600_000);
    RecordBatch::try_from_iter([
        ("timestamp", Arc::new(TimestampMillisecondArray::from_iter_values(times)) as ArrayRef),
        ("region", texts("southeast")),
        ("value", Arc::new(Float64Array::from_iter_values((0..count).map(|_| value)))),
        ("unit", texts("MW")),
        ("consumer_type", texts("residential")),
        ("measurement_type", texts("load")),
    ])
    .unwrap()
}

/// The same, in row groups of one row each.
fn in_row_groups(batch: &RecordBatch) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = ::parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    for row in 0..batch.num_rows() {
        writer.write(&batch.slice(row, 1)).unwrap();
        writer.flush().unwrap();
    }
    writer.close().unwrap();
    bytes
}

#[test]
fn a_backfill_of_300_objects_that_is_killed_and_begun_again_loads_each_object_once() {
    const OBJECTS: usize = 300;
    let site = Site::start("LEDGER_URI", URI);
    for number in 0..OBJECTS {
        put(&site, &format!("{number:03}"), &rows(number as i64, 1, 1.5));
    }
    let url = format!("s3://{DATA}/{PREFIX}");
    let mut first = Loader::new(["load", &url, "--skip-loaded"]).settings(site.settings()).start();
    let begun = Instant::now();
    while site.kept().len() < OBJECTS / 3 {
        assert!(begun.elapsed() < Duration::from_secs(100), "{} are loaded", site.kept().len());
        std::thread::sleep(Duration::from_millis(5));
    }
    first.kill().unwrap();
    first.wait().unwrap();
    let done = site.kept().len();
    assert!((OBJECTS / 3..OBJECTS).contains(&done), "it was to be killed in the middle: {done}");
    assert_eq!(standings(&site), counts([("loaded", done), ("missing", OBJECTS - done)]));

    let report = site.run(&["load", &url, "--skip-loaded", "--json"]).succeeded().json();
    assert_eq!((&report["skipped"], report["objects"].as_array().unwrap().len()), (&json!(done), OBJECTS - done));
    assert_eq!(site.points("power_mw", "consumption_data"), OBJECTS as f64);

    // Each was loaded, and recorded, by one of the two.
    assert_eq!(standings(&site), counts([("loaded", OBJECTS)]));
    let mut by_request: BTreeMap<String, usize> = BTreeMap::new();
    for key in site.kept() {
        let document: Value = serde_json::from_slice(&site.s3.get_object(LEDGER, &key)).unwrap();
        assert_eq!((&document["points"], &document["rows"]["written"]), (&json!(1), &json!(1)), "{document}");
        *by_request.entry(document["request"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let mut shares: Vec<usize> = by_request.into_values().collect();
    shares.sort_unstable();
    let mut expected = vec![done, OBJECTS - done];
    expected.sort_unstable();
    assert_eq!(shares, expected);

    // Nothing is left for a third; an object that is replaced is stale, and is all that is left for a fourth.
    let third = site.run(&["load", &url, "--skip-loaded"]).succeeded();
    assert!(third.stdout.contains("300 objects are loaded already"), "{third}");
    put(&site, "007", &rows(7, 2, 2.5));
    assert_eq!(standings(&site), counts([("loaded", OBJECTS - 1), ("stale", 1)]));
    let missing = site.run(&["ledger", "missing", &url, "--json"]);
    assert_eq!(missing.code, Some(1), "{missing}");
    let stale = lines(&missing.stdout);
    assert_eq!((stale.len(), &stale[0]["object"]), (1, &json!(format!("{url}007.parquet"))));
    let plan = site.run(&["ledger", "missing", &url, "--plan"]).succeeded();
    assert_eq!(lines(&plan.stdout), [json!({ "bucket": DATA, "key": format!("{PREFIX}007.parquet") })]);
    let report = site.run(&["load", &url, "--skip-loaded", "--json"]).succeeded().json();
    assert_eq!((&report["skipped"], &report["totals"]["written"]), (&json!(OBJECTS - 1), &json!(2)));
    assert_eq!(standings(&site), counts([("loaded", OBJECTS)]));
    // Both versions are recorded.
    assert_eq!(site.kept().len(), OBJECTS + 1);
}

#[test]
fn a_record_says_what_was_loaded() {
    let site = Site::start("LEDGER_URI", URI);
    let key = format!("{PREFIX}a b.parquet");
    site.s3.put_object(DATA, &key.replace(' ', "%20"), parquet(&small_consumption()));
    let report = site.run(&["load", &format!("s3://{DATA}/{key}"), "--json"]).succeeded().json();
    let shown = site.run(&["ledger", "show", &format!("s3://{DATA}/{PREFIX}")]).succeeded().json();
    let converter = &report["objects"][0]["converter"];
    let expected = json!({
        "format": "influxdb-loader-ledger/1",
        "object": { "bucket": DATA, "key": key, "etag": shown["object"]["etag"] },
        "dataset": "consumption",
        "converter": converter,
        "target": { "engine": "InfluxDB 2.x", "url": site.influxdb.url(), "organization": shown["target"]["organization"], "bucket": DATABASE },
        "row_groups": [0, 1],
        "of_row_groups": 1,
        "rows": { "written": 2, "filtered": 0, "rejected": { "invalid-timestamp": 1 } },
        "points": 2,
        "superseded": 0,
        "measurements": ["consumption_data"],
        "times": ["2018-01-01T00:00:00Z", "2018-01-01T01:00:00Z"],
        "bucket_seconds": 86_400,
        "buckets": [{ "start": "2018-01-01T00:00:00Z", "points": 2, "digest": shown["buckets"][0]["digest"] }],
        "started_at": shown["started_at"],
        "finished_at": shown["finished_at"],
        "request": shown["request"],
        "loader": env!("CARGO_PKG_VERSION"),
    });
    assert_eq!(shown, expected);
    assert!(shown["started_at"].as_str() < shown["finished_at"].as_str(), "{shown}");
    // Loaded again, by however many threads, it is the same except for when and by whom.
    let settings = site.settings().with("CONVERTER_THREADS", "2").with("ROWS_PER_BATCH", "1");
    Loader::new(["load", &format!("s3://{DATA}/{key}")]).settings(settings).run().succeeded();
    let again = site.run(&["ledger", "show", &format!("s3://{DATA}/{PREFIX}a")]).succeeded().json();
    assert_eq!(again["buckets"], shown["buckets"]);
    assert_ne!(again["request"], shown["request"]);
    assert_eq!(site.kept().len(), 1);
}

#[test]
fn an_object_is_loaded_when_its_parts_are_and_by_the_converter_in_service() {
    let site = Site::start("LEDGER_URI", URI);
    site.s3.put_object(DATA, &format!("{PREFIX}large.parquet"), in_row_groups(&rows(0, 6, 1.0)));
    let plan = site.run(&["plan", &format!("s3://{DATA}/{PREFIX}"), "--rows", "2"]).succeeded();
    let parts = lines(&plan.stdout);
    assert_eq!(parts.len(), 3);
    let function = Function::start(site.settings());
    for (number, part) in [2, 0, 1].into_iter().enumerate() {
        assert_eq!(standings(&site), if number == 0 { counts([("missing", 1)]) } else { counts([("partly", 1)]) });
        let mut part = parts[part].clone();
        part["skip_loaded"] = json!(true);
        let loaded = function.invoke(&part);
        assert_eq!(loaded.answer["totals"]["written"], 2, "{loaded:?}");
        let again = function.invoke(&part);
        assert_eq!((&again.answer["skipped"], &again.answer["totals"]["written"]), (&json!(1), &json!(0)), "{again:?}");
    }
    assert_eq!(standings(&site), counts([("loaded", 1)]));
    let whole = json!({ "bucket": DATA, "prefix": PREFIX, "skip_loaded": true });
    assert_eq!(function.invoke(&whole).answer["skipped"], 1);
    assert_eq!(site.points("power_mw", "consumption_data"), 6.0);

    // The same converter, except for an empty custom section.
    let directory = tempfile::tempdir().unwrap();
    let component = directory.path().join("other.wasm");
    fs::write(&component, [converter_components::CONSUMPTION, &[0, 2, 1, b'x']].concat()).unwrap();
    let url = format!("s3://{DATA}/{PREFIX}");
    site.run(&["load", &url, "--converter", component.to_str().unwrap()]).succeeded();
    assert_eq!(standings(&site), counts([("other-converter", 1)]));
    // Another converter would make other rows: that one is not published.
    let whence = site.run(&["whence", "consumption_data", "2024-01-01T02:00:00Z", "--json"]);
    assert_eq!(whence.code, Some(1), "{whence}");
    let unreadable = lines(&whence.stdout).into_iter().filter(|line| line["rows"].is_null()).count();
    assert_eq!((unreadable, whence.stderr.contains("which loaded")), (1, true), "{whence}");
    let elsewhere = site.settings().with("INFLUXDB_BUCKET", "another");
    let listed = Loader::new(["ledger", "list", &url, "--json"]).settings(elsewhere).run().succeeded();
    assert_eq!(lines(&listed.stdout)[0]["standing"], "elsewhere");
}

#[test]
fn a_load_that_cannot_be_recorded_fails_though_its_points_are_written() {
    let site = Site::start("LEDGER_URI", URI);
    put(&site, "a", &rows(0, 3, 1.0));
    let settings = site.settings().with("LEDGER_URI", "s3://no-such-bucket/loads");
    let run = Loader::new(["load", &format!("s3://{DATA}/{PREFIX}a.parquet")]).settings(settings).run();
    assert_eq!(run.code, Some(1), "{run}");
    assert!(run.stderr.contains("the points are written, and the load cannot be recorded"), "{run}");
    assert_eq!(site.points("power_mw", "consumption_data"), 3.0);
}

#[test]
fn whatever_stands_at_the_place_of_a_record_the_object_is_loaded_and_recorded() {
    let site = Site::start("LEDGER_URI", URI);
    put(&site, "a", &rows(0, 3, 1.0));
    let url = format!("s3://{DATA}/{PREFIX}a.parquet");
    site.run(&["load", &url]).succeeded();
    let [key] = &site.kept()[..] else { panic!("one document: {:?}", site.kept()) };
    let document = || serde_json::from_slice::<Value>(&site.s3.get_object(LEDGER, key)).unwrap();
    let record = document();
    for (there, problem) in [
        (vec![b'['; 3 << 20], "is longer than the 2097152 bytes that a document of a ledger has at most"),
        (b"nonsense".to_vec(), "is no document of a ledger: expected ident"),
    ] {
        site.s3.put_object(LEDGER, key, there);
        let listed = site.run(&["ledger", "list", &url]);
        assert!(listed.code == Some(1) && listed.stderr.contains(problem), "{listed}");
        let loaded = site.run(&["load", &url, "--skip-loaded"]).succeeded();
        let told = format!("a damaged document of the ledger is replaced: `s3://{LEDGER}/{key}` {problem}");
        assert!(loaded.stderr.contains(&told), "{loaded}");
        assert_eq!(document()["buckets"], record["buckets"]);
        assert_eq!(standings(&site), counts([("loaded", 1)]));
    }
}

#[test]
fn files_are_recorded_in_a_directory_and_a_damaged_record_is_named_and_loaded_again() {
    let influxdb = InfluxDb2::start(DATABASE);
    let directory = tempfile::tempdir().unwrap();
    let (data, ledger) = (directory.path().join("dataset=consumption/a.parquet"), directory.path().join("ledger"));
    fs::create_dir_all(data.parent().unwrap()).unwrap();
    fs::write(&data, parquet(&rows(0, 3, 1.0))).unwrap();
    let settings = influxdb.settings(DATABASE).with("LEDGER_URI", ledger.to_str().unwrap());
    let run = |arguments: &[&str]| Loader::new(arguments).argument(&data).settings(settings.clone()).run();
    let skipped = || run(&["load", "--skip-loaded", "--json"]).succeeded().json()["skipped"].clone();
    assert_eq!((skipped(), skipped()), (json!(0), json!(1)));
    fs::write(&data, parquet(&rows(0, 4, 1.0))).unwrap();
    let listed = run(&["ledger", "list"]).succeeded();
    assert!(listed.stdout.contains("1 object: 1 stale"), "{listed}");
    assert_eq!((skipped(), skipped()), (json!(0), json!(1)));

    let shown = run(&["ledger", "show"]).succeeded();
    let documents: Vec<Value> =
        serde_json::Deserializer::from_str(&shown.stdout).into_iter().collect::<Result<_, _>>().unwrap();
    assert_eq!(documents.len(), 2, "{shown}");
    fn walk(directory: &std::path::Path, found: &mut Vec<std::path::PathBuf>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path, found) } else { found.push(path) }
        }
    }
    let mut files = Vec::new();
    walk(&ledger, &mut files);
    assert_eq!(files.len(), 2, "{files:?}");
    for file in files {
        fs::write(file, "{\"format\": \"influxdb-loader-ledger/2\"}").unwrap();
    }
    let damaged = run(&["ledger", "list"]);
    assert_eq!(damaged.code, Some(1), "{damaged}");
    let problem = "its format is `influxdb-loader-ledger/2`, and this loader reads `influxdb-loader-ledger/1`";
    assert!(damaged.stderr.contains(problem), "{damaged}");
    let missing = run(&["ledger", "missing"]);
    assert_eq!(missing.code, Some(1), "{missing}");
    assert_eq!((&*damaged.stdout, &*missing.stdout), ("", ""), "nothing is known of it");
    assert_eq!(skipped(), 0, "what cannot be read is loaded again");
}

#[test]
fn whence_names_the_objects_and_the_rows_that_write_a_point() {
    let site = Site::start("LEDGER_URI", URI);
    put(&site, "a", &rows(0, 3, 1.0));
    put(&site, "b", &rows(2, 3, 2.0));
    put(&site, "c", &rows(100, 3, 3.0));
    let url = format!("s3://{DATA}/{PREFIX}");
    site.run(&["load", &url]).succeeded();
    let asked = ["whence", "consumption_data", "2024-01-01T02:00:00Z"];
    let whence = |more: &[&str]| site.run(&[&asked[..], more].concat());
    let told = lines(&whence(&["region=southeast", "--json"]).succeeded().stdout);
    let named: Vec<(&Value, &Value)> =
        told.iter().map(|line| (&line["object"]["key"], &line["rows"][0]["row"])).collect();
    let key = |name: &str| json!(format!("{PREFIX}{name}.parquet"));
    assert_eq!(named, [(&key("a"), &json!(2)), (&key("b"), &json!(0))], "{told:?}");
    assert!(told[1]["rows"][0]["line"].as_str().unwrap().contains("power_mw=2"), "{told:?}");
    assert!(whence(&["region=north"]).succeeded().stdout.contains("no object of the ledger can have written it"));
    let unread = whence(&["--no-read"]).succeeded();
    assert_eq!(unread.stdout.matches("s3://").count(), 2, "{unread}");

    // What was replaced cannot be read as it was loaded.
    put(&site, "b", &rows(2, 4, 2.0));
    let replaced = whence(&[]);
    assert_eq!(replaced.code, Some(1), "{replaced}");
    assert!(replaced.stdout.contains("cannot be read any more as it was loaded"), "{replaced}");
    assert!(replaced.stdout.contains("row 2: consumption_data,"), "{replaced}");

    // An object that gets its first content back is loaded again: the second one has replaced its points.
    site.run(&["load", &url, "--skip-loaded"]).succeeded();
    assert_eq!(standings(&site), counts([("loaded", 3)]));
    put(&site, "b", &rows(2, 3, 2.0));
    assert_eq!(standings(&site), counts([("loaded", 2), ("stale", 1)]));
    let report = site.run(&["load", &url, "--skip-loaded", "--json"]).succeeded().json();
    assert_eq!((&report["skipped"], &report["totals"]["written"]), (&json!(2), &json!(3)));
    assert_eq!(standings(&site), counts([("loaded", 3)]));
}
