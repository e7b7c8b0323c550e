//! Rejected rows are kept with what they hold, shown, and loaded again once the cause is gone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use influxdb_loader_tests::{
    Function, InfluxDb2, Loader, Responder, Response, Settings, Site, consumption_file, parquet, small_consumption,
};
use insta::assert_snapshot;
use serde_json::{Value, json};

const DATABASE: &str = Site::DATABASE;
const DATA: &str = Site::DATA;
const REJECTS: &str = "energy-rejects";
const URI: &str = "s3://energy-rejects/kept";

/// Where rejected rows are kept on this machine.
struct Kept(tempfile::TempDir);

impl Kept {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn settings(&self) -> Settings {
        Settings::default().with("REJECTS_URI", self.path().to_str().unwrap())
    }

    /// Every file, also those that should not be there.
    fn files(&self) -> Vec<PathBuf> {
        fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { walk(&path, found) } else { found.push(path) }
            }
        }
        let mut found = Vec::new();
        walk(self.path(), &mut found);
        found
    }

    /// The one file.
    fn file(&self) -> PathBuf {
        let files = self.files();
        let [file] = &files[..] else { panic!("one file: {files:?}") };
        file.clone()
    }
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn write(directory: &Path, path: &str, bytes: impl AsRef<[u8]>) -> String {
    let path = directory.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The load of a substation, whose times are text. Every tenth is written as people in Brazil write it, and where `broken`
/// is true, the last one cannot be read at all.
fn substation(rows: usize, broken: bool) -> RecordBatch {
    let time = |row: usize| {
        let (day, hour) = (1 + row / 24 % 28, row % 24);
        match row {
            row if broken && row + 1 == rows => "sem medição".to_owned(),
            row if row % 10 == 9 => format!("{day:02}/01/2024 {hour:02}:00"),
            _ => format!("2024-01-{day:02} {hour:02}:00:00"),
        }
    };
    RecordBatch::try_from_iter([
        ("measured_at", Arc::new(StringArray::from_iter_values((0..rows).map(time))) as ArrayRef),
        ("substation", Arc::new(StringArray::from_iter_values((0..rows).map(|row| format!("SE {}", row / 672))))),
        ("load_mw", Arc::new(Float64Array::from_iter_values((0..rows).map(|row| row as f64 + 0.5)))),
    ])
    .unwrap()
}

/// Rows of the consumption dataset, none of which has a time, in row groups of a third of them.
fn without_time(rows: usize) -> Vec<u8> {
    let texts = |text: &str| Arc::new(StringArray::from(vec![text; rows])) as ArrayRef;
    let notes = StringArray::from_iter_values((0..rows).map(|row| format!("row {row} of a file without any time")));
    let batch = RecordBatch::try_from_iter([
        ("timestamp", texts("n/d")),
        ("region", texts("southeast")),
        ("value", Arc::new(Float64Array::from_iter_values((0..rows).map(|row| row as f64)))),
        ("unit", texts("MW")),
        ("consumer_type", texts("residential")),
        ("measurement_type", texts("load")),
        ("note", Arc::new(notes)),
    ])
    .unwrap();
    let properties = parquet::file::properties::WriterProperties::builder();
    let properties = properties.set_max_row_group_row_count(Some(rows.div_ceil(3))).build();
    let mut bytes = Vec::new();
    let mut writer = parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

#[test]
fn the_rows_without_a_time_are_kept_with_what_they_hold_and_shown() {
    let kept = Kept::new();
    let output = kept.path().join("points.lp");
    let load = || {
        let load = Loader::new(["load", "--json", "--to"]).argument(&output).argument(consumption_file());
        let settings = Settings::default().with("REJECTS_URI", format!("file://{}/rejects", kept.path().display()));
        load.settings(settings).run().succeeded().json()
    };
    let report = load();
    let place = report["objects"][0]["rejects"].as_str().unwrap();
    assert!(place.ends_with("/tests/data/dataset=consumption/sao-paulo-load-2018-2021.parquet.jsonl"), "{place}");
    let text = fs::read_to_string(place).unwrap();
    let rejected = lines(&text);
    assert_eq!(report["totals"]["rejected"], json!({ "invalid-timestamp": rejected.len() }));
    assert_eq!(rejected.len(), 13);
    for line in &rejected {
        assert_eq!(line["columns"]["timestamp"], Value::Null);
        assert_eq!(line["converter"], report["objects"][0]["converter"]);
    }
    let first = text.lines().next().unwrap();
    let digest = report["objects"][0]["converter"]["digest"].as_str().unwrap();
    assert_snapshot!(first.replace(consumption_file().to_str().unwrap(), "FILE").replace(digest, "DIGEST"), @r#"{"source":{"file":"FILE"},"dataset":"consumption","converter":{"name":"consumption","version":"1.0.0","digest":"DIGEST"},"row_group":0,"row":1151,"code":"invalid-timestamp","message":"the row has no time that can be read","columns":{"timestamp":null,"region":"sudeste","value":6671.790039,"unit":"MW","consumer_type":"distributor","measurement_type":"load","sector":"distribution","subsector":"CPFL PAULISTA"},"omitted":[]}"#);

    // The same load gives the same lines.
    load();
    assert_eq!(fs::read_to_string(place).unwrap(), text);

    let show = |arguments: &[&str]| {
        let directory = kept.path().join("rejects");
        Loader::new(["rejects", "show"]).arguments(arguments).argument(directory).run().succeeded().stdout
    };
    let table: String = show(&[]).replace(consumption_file().to_str().unwrap(), "FILE");
    let row = table.lines().find(|line| line.contains("invalid-timestamp")).unwrap();
    assert_snapshot!(row.split_whitespace().collect::<Vec<_>>().join(" "), @"13 invalid-timestamp 1151, 7368, 9887, … the row has no time that can be read FILE");
    assert_eq!(show(&["--json"]), text);
    assert_eq!(show(&["--json", "--limit", "2"]).lines().count(), 2);
    assert_eq!(show(&["--json", "--code", "invalid-value"]), "");
    assert_snapshot!(show(&["--code", "invalid-value"]), @"no rejected rows");
}

#[test]
fn the_summary_says_where_they_are() {
    let kept = Kept::new();
    let directory = tempfile::tempdir().unwrap();
    let file = write(directory.path(), "dataset=consumption/a.parquet", parquet(&small_consumption()));
    let load = Loader::new(["load", &file, "--to"]).argument(directory.path().join("points.lp"));
    let run = load.settings(kept.settings()).run().succeeded();
    let told = run.stdout.split_once("rejected from").unwrap().1;
    assert!(told.contains(kept.file().to_str().unwrap()), "{run}");
}

#[test]
fn the_function_keeps_them_in_s3_under_any_key_and_a_clean_load_removes_them() {
    let site = Site::start("REJECTS_URI", URI);
    let function = Function::start(site.settings());
    // `são paulo/+100%.parquet`, as it stands in a URL.
    let encoded = "dataset=consumption/s%C3%A3o%20paulo/%2B100%25.parquet";
    let key = "dataset=consumption/são paulo/+100%.parquet";
    let load = |batch: &RecordBatch| {
        site.s3.put_object(DATA, encoded, parquet(batch));
        let invocation = function.invoke(&json!({ "bucket": DATA, "key": key }));
        assert!(!invocation.failed, "{}\n{}", invocation.answer, function.log());
        invocation.answer["objects"][0].clone()
    };
    let object = load(&small_consumption());
    let expected = "kept/energy/dataset=consumption/são paulo/+100%25.parquet.jsonl";
    assert_eq!(object["rejects"], format!("s3://{REJECTS}/{expected}"));
    assert_eq!(site.kept(), [expected]);
    let shown = site.run(&["rejects", "show", URI, "--json"]).succeeded();
    let line = &lines(&shown.stdout)[0];
    assert_eq!((&line["source"]["bucket"], &line["source"]["key"]), (&json!(DATA), &json!(key)));
    assert!(line["source"]["etag"].as_str().is_some_and(|etag| !etag.contains('"')), "{line}");
    assert_eq!(line["columns"]["value"], 3.0);
    assert_eq!(line["row"], 2);

    let object = load(&small_consumption().slice(0, 2));
    assert_eq!((&object["rejects"], &object["failure"]), (&Value::Null, &Value::Null));
    assert_eq!(site.kept(), [""; 0]);
}

/// The project of a converter that reads times by `parse`, built.
fn converter(directory: &Path, sample: &str, parse: &str) -> String {
    let project = directory.join("substation-load");
    let (path, arguments) = (project.to_str().unwrap(), ["converter", "new", "substation-load", "--from", sample]);
    if !project.exists() {
        Loader::new(arguments).arguments(["--directory", path]).run().succeeded();
    }
    let source = project.join("src/lib.rs");
    let text = fs::read_to_string(&source).unwrap();
    let call = "map_distinct(parse::timestamp)";
    assert!(text.contains(call), "{text}");
    fs::write(&source, text.replace(call, &format!("map_distinct({parse})"))).unwrap();
    Loader::new(["converter", "build", path]).build().succeeded();
    project.join("converter.wasm").to_str().unwrap().to_owned()
}

#[test]
fn a_fixed_converter_loads_the_rejected_rows_and_what_it_rejects_too_stays() {
    let (site, directory) = (Site::start("REJECTS_URI", URI), tempfile::tempdir().unwrap());
    let sample = write(directory.path(), "sample.parquet", parquet(&substation(9, false)));
    // The guess knows ISO 8601.
    let first = directory.path().join("first.wasm");
    fs::copy(converter(directory.path(), &sample, "parse::timestamp"), &first).unwrap();
    let first = first.to_str().unwrap();
    for (key, broken) in [("2023.parquet", false), ("2024.parquet", true)] {
        site.s3.put_object(DATA, key, parquet(&substation(1_001, broken)));
    }
    let report = site.run(&["load", "s3://energy/", "--json", "--converter", first]).succeeded().json();
    assert_eq!(report["totals"]["rejected"], json!({ "invalid-timestamp": 201 }));
    assert_eq!(report["totals"]["written"], 1_801);
    // The hours of both objects are the same, so that their points are.
    assert_eq!(site.points("load_mw", "substation_load"), 901.0);

    // Nothing has changed, so that the same rows are rejected once more, and no others.
    let kept = ["kept/energy/2023.parquet.jsonl", "kept/energy/2024.parquet.jsonl"];
    let before = kept.map(|key| site.s3.get_object(REJECTS, key));
    let report = site.run(&["rejects", "retry", URI, "--json", "--converter", first]).succeeded().json();
    assert_eq!(report["totals"]["rejected"], json!({ "invalid-timestamp": 201 }));
    assert_eq!((&report["totals"]["rows"], &report["totals"]["written"]), (&json!(201), &json!(0)));
    assert!(kept.map(|key| site.s3.get_object(REJECTS, key)) == before, "the lines are the same");

    let fixed = converter(
        directory.path(),
        &sample,
        "|text| parse::timestamp(text).or_else(|| {
            let (day, rest) = text.split_once('/')?;
            let (month, rest) = rest.split_once('/')?;
            let (year, hour) = rest.split_once(' ')?;
            parse::timestamp(&format!(\"{year}-{month}-{day} {hour}:00\"))
        })",
    );
    // A look at what would be written changes nothing.
    let dry = ["rejects", "retry", URI, "--to", "-", "--converter", &fixed];
    let dry = site.run(&dry).succeeded();
    assert_eq!(dry.stdout.lines().count(), 200, "{dry}");
    assert!(kept.map(|key| site.s3.get_object(REJECTS, key)) == before, "{dry}");
    assert!(dry.stderr.contains("stay where they are"), "{dry}");

    let retried = site.run(&["rejects", "retry", URI, "--json", "--converter", &fixed]).succeeded();
    let report = retried.json();
    let totals = &report["totals"];
    assert_eq!((&totals["rows"], &totals["written"]), (&json!(201), &json!(200)), "{retried}");
    assert_eq!(totals["rejected"], json!({ "invalid-timestamp": 1 }));
    assert_eq!(site.points("load_mw", "substation_load"), 1_001.0);
    // Of one object nothing is left, of the other one row.
    assert_eq!(site.kept(), [kept[1]]);
    let rejects = |index: usize| report["objects"][index]["rejects"].clone();
    assert_eq!((rejects(0), rejects(1)), (Value::Null, json!(format!("s3://{REJECTS}/{}", kept[1]))));
    let left = lines(&String::from_utf8(site.s3.get_object(REJECTS, kept[1])).unwrap());
    assert_eq!((left.len(), &left[0]["row"]), (1, &json!(1_000)));
    assert_eq!(left[0]["columns"]["measured_at"], "sem medição");
    assert_ne!(left[0]["converter"]["digest"], lines(&String::from_utf8_lossy(&before[1]))[0]["converter"]["digest"]);
}

#[test]
fn an_object_that_was_replaced_is_refused_by_name_and_its_rows_stay() {
    let site = Site::start("REJECTS_URI", URI);
    let key = "dataset=consumption/a.parquet";
    site.s3.put_object(DATA, key, parquet(&small_consumption()));
    site.run(&["load", &format!("s3://{DATA}/{key}")]).succeeded();
    let before = site.s3.get_object(REJECTS, &format!("kept/energy/{key}.jsonl"));
    site.s3.put_object(DATA, key, parquet(&small_consumption().slice(1, 2)));
    let run = site.run(&["rejects", "retry", URI, "--json"]);
    assert_eq!(run.code, Some(1), "{run}");
    assert!(run.stderr.contains(&format!("`s3://{DATA}/{key}` has been replaced by another object")), "{run}");
    let object = &run.json()["objects"][0];
    assert_eq!(object["accounts"]["rows"], 0);
    assert_eq!(object["rejects"], format!("{URI}/energy/{key}.jsonl"));
    assert!(site.s3.get_object(REJECTS, &format!("kept/energy/{key}.jsonl")) == before);
}

#[test]
fn rows_of_a_file_that_hold_something_else_by_now_are_named_and_stay() {
    let (influxdb, kept, directory) = (InfluxDb2::start(DATABASE), Kept::new(), tempfile::tempdir().unwrap());
    let file = write(directory.path(), "dataset=consumption/a.parquet", without_time(30));
    let settings = influxdb.settings(DATABASE).and(kept.settings());
    Loader::new(["load", &file]).settings(settings.clone()).run().succeeded();
    // The same rows, except for the last ten, which are gone.
    write(directory.path(), "dataset=consumption/a.parquet", without_time(20));
    let retry = || Loader::new(["rejects", "retry", "--json"]).argument(kept.path()).settings(settings.clone()).run();
    let run = retry();
    assert_eq!(run.code, Some(1), "{run}");
    assert!(run.stderr.contains("10 of its rejected rows are gone"), "{run}");
    assert!(run.stderr.contains("rows 20, 21, 22, 23, 24, …"), "{run}");
    assert_eq!(run.json()["totals"]["rejected"], json!({ "invalid-timestamp": 20 }));
    let numbers = || -> Vec<u64> {
        let text = fs::read_to_string(kept.file()).unwrap();
        let mut numbers: Vec<u64> = lines(&text).iter().map(|line| line["row"].as_u64().unwrap()).collect();
        numbers.sort_unstable();
        numbers
    };
    assert_eq!(numbers(), Vec::from_iter(0..30));
    // Where none of them is as it was, nothing is loaded.
    write(directory.path(), "dataset=consumption/a.parquet", parquet(&small_consumption()));
    let run = retry();
    assert_eq!(run.code, Some(1), "{run}");
    assert_eq!(run.json()["totals"]["rows"], 0);
    assert_eq!(numbers(), Vec::from_iter(0..30));
}

#[test]
fn a_load_fails_whose_rejected_rows_cannot_be_kept() {
    let site = Site::start("REJECTS_URI", URI);
    let key = "dataset=consumption/a.parquet";
    site.s3.put_object(DATA, key, parquet(&small_consumption()));
    let temporary = tempfile::tempdir().unwrap();
    let load = |uri: &str| {
        let settings = site.settings().with("REJECTS_URI", uri).with("TMPDIR", temporary.path().to_str().unwrap());
        let url = format!("s3://{DATA}/{key}");
        let run = Loader::new(["load", "--json", &url]).settings(settings).run();
        assert_eq!(run.code, Some(1), "{run}");
        let object = &run.json()["objects"][0];
        // What could be written is written and counted.
        assert_eq!((&object["accounts"]["rows"], &object["accounts"]["written"]), (&json!(3), &json!(2)), "{run}");
        assert_eq!(object["rejects"], Value::Null);
        assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0, "nothing is left behind");
        object["failure"].clone()
    };
    let failure = load("s3://no-such-bucket/kept");
    assert_eq!(failure["error_type"], "UnexpectedError");
    assert_eq!(failure["kind"], "unexpected");
    assert!(failure["message"].as_str().unwrap().contains("s3://no-such-bucket/kept"), "{failure}");
    let failure = load("/dev/null/kept");
    assert_eq!(failure["kind"], "unexpected");
    assert!(failure["message"].as_str().unwrap().contains("/dev/null/kept"), "{failure}");
}

#[test]
fn a_load_that_fails_keeps_what_it_rejected_until_then() {
    let (kept, directory) = (Kept::new(), tempfile::tempdir().unwrap());
    let file = write(directory.path(), "dataset=consumption/a.parquet", parquet(&small_consumption()));
    let server = Responder::start(|request| match request.method.as_str() {
        "GET" => Response::new(204, ""),
        _ => Response::new(401, "no"),
    });
    let settings = kept.settings().with("INFLUXDB_API", "v1").with("INFLUXDB_URL", server.url());
    let run = Loader::new(["load", "--json", &file]).settings(settings).run();
    assert_eq!(run.code, Some(1), "{run}");
    let object = &run.json()["objects"][0];
    assert_eq!(object["failure"]["error_type"], "InfluxDBConnectionError");
    assert_eq!(object["rejects"], kept.file().to_str().unwrap());
    assert_eq!(fs::read_to_string(kept.file()).unwrap().lines().count(), 1);
}

#[test]
fn rows_that_the_server_refused_are_loaded_once_it_takes_them() {
    let (influxdb, kept, directory) = (InfluxDb2::start(DATABASE), Kept::new(), tempfile::tempdir().unwrap());
    let file = write(directory.path(), "dataset=consumption/a.parquet", parquet(&small_consumption()));
    let settings = influxdb.settings(DATABASE).and(kept.settings());
    // Somebody has written text where the loader writes a number.
    influxdb.write(DATABASE, "consumption_data,region=north power_mw=\"much\" 1514764800000000001").succeeded();
    let run = Loader::new(["load", "--json", &file]).settings(settings.clone()).run().succeeded();
    assert_eq!(run.json()["totals"]["written"], 1, "{run}");
    let rejected = lines(&fs::read_to_string(kept.file()).unwrap());
    let told: Vec<(u64, &str)> =
        rejected.iter().map(|line| (line["row"].as_u64().unwrap(), line["code"].as_str().unwrap())).collect();
    assert_eq!(told, [(0, "type-conflict"), (2, "invalid-timestamp")]);
    assert_eq!(rejected[0]["columns"]["value"], 1.5);

    influxdb.query(DATABASE, "DROP MEASUREMENT consumption_data");
    let retry = Loader::new(["rejects", "retry", "--json"]).argument(kept.path()).settings(settings).run().succeeded();
    assert_eq!(retry.json()["totals"]["written"], 1, "{retry}");
    assert_eq!(influxdb.number(DATABASE, "sum(power_mw)", "consumption_data"), 1.5);
    assert_eq!(fs::read_to_string(kept.file()).unwrap().lines().count(), 1);
}

#[test]
fn parts_of_an_object_keep_their_own_and_read_no_more_than_they_need() {
    const ROWS: usize = 300_000;
    let site = Site::start("REJECTS_URI", URI);
    let object = without_time(ROWS);
    let size = object.len() as u64;
    site.s3.put_object(DATA, "dataset=consumption/a.parquet", object);
    let event = tempfile::NamedTempFile::new().unwrap();
    for range in [[0, 1], [1, 3]] {
        let part = json!({ "bucket": DATA, "key": "dataset=consumption/a.parquet", "row_groups": range });
        fs::write(event.path(), part.to_string()).unwrap();
        let run = Loader::new(["invoke"]).argument(event.path()).settings(site.settings()).run().succeeded();
        let accounts = &run.json()["objects"][0]["accounts"];
        let groups = range[1] - range[0];
        assert_eq!(accounts["rejected"], json!({ "invalid-timestamp": groups * 100_000 }), "{run}");
        let read = accounts["bytes_read"].as_u64().unwrap();
        // Once for the points and once for the rejected rows, with a window of each column in vain.
        assert!(read < 2 * size * groups / 3, "{read} of {size} bytes");
    }
    let parts = ["0-1", "1-3"].map(|part| format!("kept/energy/dataset=consumption/a.parquet.row-groups-{part}.jsonl"));
    assert_eq!(site.kept(), parts);
    let shown = site.run(&["rejects", "show", URI, "--json", "--limit", "100001"]).succeeded();
    let rows: Vec<u64> = lines(&shown.stdout).iter().map(|line| line["row"].as_u64().unwrap()).collect();
    assert_eq!((rows[0], rows[99_999], rows[100_000]), (0, 99_999, 100_000));

    // The whole object takes their place.
    fs::write(event.path(), json!({ "bucket": DATA, "key": "dataset=consumption/a.parquet" }).to_string()).unwrap();
    Loader::new(["invoke"]).argument(event.path()).settings(site.settings()).run().succeeded();
    assert_eq!(site.kept(), ["kept/energy/dataset=consumption/a.parquet.jsonl"]);
}

#[test]
fn every_row_of_a_large_file_may_be_rejected() {
    const ROWS: usize = 300_000;
    let (influxdb, kept, directory) = (InfluxDb2::start(DATABASE), Kept::new(), tempfile::tempdir().unwrap());
    let file = write(directory.path(), "dataset=consumption/a.parquet", without_time(ROWS));
    let load = |arguments: &[&str], settings: Settings| {
        let settings = influxdb.settings(DATABASE).and(settings);
        let run = Loader::new(arguments).settings(settings).run().succeeded();
        let totals = run.json()["totals"].clone();
        assert_eq!((&totals["rows"], &totals["rejected"]["invalid-timestamp"]), (&json!(ROWS), &json!(ROWS)), "{run}");
        run.peak_memory_kib
    };
    let without = load(&["load", "--json", &file], Settings::default());
    let with = load(&["load", "--json", &file], kept.settings());
    let complete = || {
        let text = fs::read_to_string(kept.file()).unwrap();
        let mut seen = vec![false; ROWS];
        for line in text.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let row = line["row"].as_u64().unwrap();
            assert_eq!(line["row_group"], row / 100_000);
            assert_eq!(line["columns"]["note"], format!("row {row} of a file without any time"));
            seen[usize::try_from(row).unwrap()] = true;
        }
        assert_eq!(text.lines().count(), ROWS);
        assert!(seen.iter().all(|seen| *seen));
        text.len() / 1024
    };
    let kib = complete();
    // Far less than the lines take.
    assert!(with < without + 60 * 1024 && with - without < kib as u64 / 2, "{without} and {with} KiB for {kib} KiB");
    let again = load(&["rejects", "retry", "--json", kept.path().to_str().unwrap()], Settings::default());
    assert!(again < without + 80 * 1024, "{without} and {again} KiB");
    complete();
}

#[test]
fn what_is_no_rejected_row_is_refused_by_line_and_nothing_is_done() {
    let (influxdb, kept, directory) = (InfluxDb2::start(DATABASE), Kept::new(), tempfile::tempdir().unwrap());
    let file = write(directory.path(), "dataset=consumption/a.parquet", without_time(3));
    let settings = influxdb.settings(DATABASE).and(kept.settings());
    Loader::new(["load", &file]).settings(settings.clone()).run().succeeded();
    let path = kept.file();
    let good = fs::read_to_string(&path).unwrap();
    let damaged = good.replacen("\"row\":2", "\"row\":\"2\"", 1);
    assert_ne!(damaged, good);
    fs::write(&path, &damaged).unwrap();
    for command in [["rejects", "show"], ["rejects", "retry"]] {
        let run = Loader::new(command).argument(kept.path()).settings(settings.clone()).run();
        assert_eq!(run.code, Some(1), "{run}");
        let told = run.stderr.lines().next().unwrap().replace(path.to_str().unwrap(), "PATH");
        let expected =
            "error: `PATH`, line 3: it is no rejected row: invalid type: string \"2\", expected u64 at column ";
        assert!(told.starts_with(expected), "{run}");
        assert_eq!(fs::read_to_string(&path).unwrap(), damaged);
    }
    // Others are retried all the same.
    let other = path.with_file_name("other.jsonl");
    fs::write(&other, &good).unwrap();
    let run = Loader::new(["rejects", "retry", "--json"]).argument(kept.path()).settings(settings).run();
    assert_eq!(run.code, Some(1), "{run}");
    assert_eq!(run.json()["totals"]["rows"], 3, "{run}");
}

#[test]
fn lines_of_several_objects_may_stand_in_one_file() {
    let (influxdb, kept, directory) = (InfluxDb2::start(DATABASE), Kept::new(), tempfile::tempdir().unwrap());
    for name in ["a", "b"] {
        write(directory.path(), &format!("dataset=consumption/{name}.parquet"), without_time(4));
    }
    let settings = influxdb.settings(DATABASE).and(kept.settings());
    Loader::new(["load"]).argument(directory.path()).settings(settings.clone()).run().succeeded();
    let together: String = kept.files().iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let file = write(kept.path(), "together.jsonl", format!("{together}{together}"));
    // One of the objects is gone: of the other, nothing is taken out either.
    fs::remove_file(directory.path().join("dataset=consumption/b.parquet")).unwrap();
    let retry = || Loader::new(["rejects", "retry", "--json", &file]).settings(settings.clone()).run();
    let run = retry();
    assert_eq!(run.code, Some(1), "{run}");
    assert_eq!(run.json()["objects"].as_array().unwrap().len(), 2);
    assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 16);
    write(directory.path(), "dataset=consumption/b.parquet", without_time(4));
    retry().succeeded();
    let left = lines(&fs::read_to_string(&file).unwrap());
    assert_eq!(left.len(), 8, "each row once");
}

#[test]
fn what_is_not_there_is_an_error_and_what_is_empty_is_none() {
    let directory = tempfile::tempdir().unwrap();
    let nowhere = Loader::new(["rejects", "show", "/nowhere"]).run();
    assert_eq!((nowhere.code, nowhere.stderr.as_str()), (Some(1), "error: `/nowhere` does not exist\n"));
    let empty = Loader::new(["rejects", "show"]).argument(directory.path()).run().succeeded();
    assert_eq!(empty.stdout, "no rejected rows\n");
    let site = Site::start("REJECTS_URI", URI);
    assert_eq!(site.run(&["rejects", "show", URI]).succeeded().stdout, "no rejected rows\n");
    let missing = site.run(&["rejects", "show", "s3://energy-rejects/a.jsonl"]);
    assert_eq!(missing.stderr, "error: `s3://energy-rejects/a.jsonl` does not exist\n");
}

/// Answers each request with this head, and then with this text for as long as it is taken. The end of the process ends it.
fn pouring(head: &'static str, text: &'static str) -> Settings {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let request = BufReader::new(&connection).lines().map_while(Result::ok);
            request.take_while(|line| !line.is_empty()).for_each(drop);
            drop(connection.write_all(head.as_bytes()));
            while connection.write_all(text.as_bytes()).is_ok() {}
        }
    });
    let settings = Settings::default().with("AWS_ENDPOINT_URL", url).with("AWS_REGION", "us-east-1");
    settings.with("AWS_ACCESS_KEY_ID", "key").with("AWS_SECRET_ACCESS_KEY", "secret")
}

#[test]
fn an_answer_that_is_too_long_or_does_not_say_how_long_it_is_fills_no_disk() {
    let announced = pouring("HTTP/1.1 200 OK\r\nContent-Length: 6000000000\r\n\r\n", "{}\n");
    let endless = pouring("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "3\r\n{}\n\r\n");
    for (settings, cause) in [
        (announced, "it has more than 5368709120 bytes"),
        (endless, "the answer does not announce how many bytes it has"),
    ] {
        let run = Loader::new(["rejects", "show", "s3://energy-rejects/a.jsonl"]).settings(settings).run();
        assert_eq!(run.code, Some(1), "{run}");
        let told = format!("error: `s3://energy-rejects/a.jsonl` cannot be fetched: {cause}\n");
        assert_eq!(run.stderr, told, "{run}");
    }
}
