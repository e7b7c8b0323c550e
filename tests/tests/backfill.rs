//! The state machine of backfills, run here against the function: every object of a prefix or a plan is loaded, and those
//! that cannot be are named.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use influxdb_loader_tests::{Function, InfluxDb2, Loader, Moto, Responder, Response, parquet, python};
use serde_json::{Value, json};

const DATA: &str = "energy";
const OPERATIONS: &str = "operations";
const DATABASE: &str = "energy_data";
const PREFIX: &str = "dataset=consumption/2024/";

/// S3, InfluxDB, and the function between them.
struct Site {
    moto: Moto,
    influxdb: InfluxDb2,
    function: Function,
}

impl Site {
    fn start() -> Self {
        let (moto, influxdb) = (Moto::start(), InfluxDb2::start(DATABASE));
        moto.create_bucket(DATA);
        moto.create_bucket(OPERATIONS);
        let settings = moto.settings().and(influxdb.settings(DATABASE)).with("METRICS_BACKEND", "none");
        let function = Function::start(settings);
        Self { moto, influxdb, function }
    }

    fn run(&self, input: &Value, batch: u32, tolerated: u32) -> Value {
        run(&self.moto, &self.function.url(), input, batch, tolerated)
    }

    /// The objects that a report names as failed, and their errors.
    fn failed(&self) -> BTreeSet<(String, String)> {
        let report = self.moto.get_object(OPERATIONS, "backfill/1/FAILED_0.json");
        let children: Vec<Value> = serde_json::from_slice(&report).unwrap();
        let causes = children.iter().map(|child| serde_json::from_str(child["Cause"].as_str().unwrap()).unwrap());
        let failed = causes.flat_map(|cause: Value| cause.as_array().unwrap().clone());
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        failed.map(|failed| (text(&failed["key"]), text(&failed["error"]))).collect()
    }

    fn points(&self) -> f64 {
        self.influxdb.number(DATABASE, "count(power_mw)", "consumption_data")
    }
}

/// Runs the state machine with a function: what became of it.
fn run(moto: &Moto, function: &str, input: &Value, batch: u32, tolerated: u32) -> Value {
    let arguments = [
        "tests/states.py".to_owned(),
        "statemachine/backfill.asl.json".to_owned(),
        input.to_string(),
        function.to_owned(),
        "Function=the-function".to_owned(),
        format!("DataBucket={DATA}"),
        format!("ReportBucket={OPERATIONS}"),
        "ReportPrefix=backfill".to_owned(),
        format!("BatchSize={batch}"),
        "MaxConcurrency=4".to_owned(),
        format!("ToleratedFailurePercentage={tolerated}"),
    ];
    let settings = moto.settings().with("AWS_DEFAULT_REGION", "us-east-1");
    python(arguments, &settings).succeeded().json()
}

/// A row, at a time of its own.
fn row(number: i64) -> RecordBatch {
    let text = |value: &str| Arc::new(StringArray::from(vec![value])) as ArrayRef;
    let time = TimestampMillisecondArray::from(vec![1_704_067_200_000 + number * 3_600_000]);
    RecordBatch::try_from_iter([
        ("timestamp", Arc::new(time) as ArrayRef),
        ("region", text("southeast")),
        ("value", Arc::new(Float64Array::from(vec![1.5]))),
        ("unit", text("MW")),
        ("consumer_type", text("residential")),
        ("measurement_type", text("load")),
    ])
    .unwrap()
}

#[test]
fn of_300_objects_with_5_bad_ones_295_are_loaded_and_5_are_named() {
    let site = Site::start();
    let bad = [7, 60, 61, 150, 299].map(|number| format!("{PREFIX}{number:03}.parquet"));
    for number in 0..300 {
        let key = format!("{PREFIX}{number:03}.parquet");
        let body = if bad.contains(&key) { b"not Parquet".to_vec() } else { parquet(&row(number)) };
        site.moto.put_object(DATA, &key, body);
    }
    // What tools leave beside data is no object to load.
    for name in ["_SUCCESS", "_temporary.parquet", ".part.crc"] {
        site.moto.put_object(DATA, &format!("{PREFIX}{name}"), b"-".to_vec());
    }
    let outcome = site.run(&json!({ "prefix": PREFIX }), 5, 20);
    assert_eq!(outcome["status"], "FAILED", "{outcome}");
    assert_eq!(outcome["error"], "ObjectsFailed", "{outcome}");
    assert!(outcome["cause"].as_str().unwrap().contains("s3://operations/backfill/1/FAILED_0.json"), "{outcome}");
    assert_eq!((&outcome["items"], &outcome["children"]), (&json!(303), &json!(61)), "{outcome}");
    assert_eq!(site.points(), 295.0);
    assert_eq!(site.failed(), bad.map(|key| (key, "DataConversionError".to_owned())).into());
    // What cannot pass is not repeated.
    assert_eq!(outcome["retries"], 0, "{outcome}");
}

#[test]
fn a_backfill_of_which_too_much_fails_says_so() {
    let site = Site::start();
    for number in 0..4 {
        site.moto.put_object(DATA, &format!("{PREFIX}{number}.parquet"), b"not Parquet".to_vec());
    }
    let outcome = site.run(&json!({ "prefix": PREFIX }), 1, 20);
    assert_eq!(outcome["error"], "States.ExceedToleratedFailureThreshold", "{outcome}");
    assert_eq!(site.run(&json!({ "bucket": DATA }), 1, 20)["error"], "BadInput");
}

#[test]
fn a_plan_loads_large_objects_by_their_row_groups() {
    let site = Site::start();
    let rows: Vec<RecordBatch> = (0..10).map(row).collect();
    let mut bytes = Vec::new();
    let mut writer = ::parquet::arrow::ArrowWriter::try_new(&mut bytes, rows[0].schema(), None).unwrap();
    for row in &rows {
        writer.write(row).unwrap();
        writer.flush().unwrap();
    }
    writer.close().unwrap();
    site.moto.put_object(DATA, &format!("{PREFIX}large.parquet"), bytes);
    site.moto.put_object(DATA, &format!("{PREFIX}small.parquet"), parquet(&row(100)));
    let plan = |url: &str, arguments: &[&str]| {
        let command = Loader::new(["plan", url]).arguments(arguments).settings(site.moto.settings());
        command.run().succeeded()
    };
    let lines = plan(&format!("s3://{DATA}/{PREFIX}"), &["--rows", "4"]);
    assert!(lines.stderr.contains("2 objects, 11 rows: 4 items of at most 4 rows"), "{lines}");
    let items: Vec<Value> = lines.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let row_groups: Vec<&Value> = items.iter().map(|item| &item["row_groups"]).collect();
    assert_eq!(row_groups, [&json!([0, 4]), &json!([4, 8]), &json!([8, 10]), &Value::Null]);
    assert!(items.iter().all(|item| item["bucket"] == DATA && item["etag"].is_string()), "{lines}");
    let array = plan(&format!("s3://{DATA}/{PREFIX}"), &["--rows", "4", "--array"]);
    assert_eq!(array.json(), json!(items));

    site.moto.put_object(OPERATIONS, "plans/consumption.jsonl", lines.stdout.into_bytes());
    let outcome = site.run(&json!({ "plan": "plans/consumption.jsonl" }), 1, 0);
    assert_eq!(outcome["status"], "SUCCEEDED", "{outcome}");
    assert_eq!(outcome["output"]["report"], "s3://operations/backfill/1/manifest.json");
    assert_eq!(site.points(), 11.0);
    let report = site.moto.get_object(OPERATIONS, "backfill/1/SUCCEEDED_0.json");
    let children: Vec<Value> = serde_json::from_slice(&report).unwrap();
    let outputs = children.iter().map(|child| serde_json::from_str(child["Output"].as_str().unwrap()).unwrap());
    assert_eq!(outputs.map(|output: Value| output["rows"].as_u64().unwrap()).sum::<u64>(), 11);
}

#[test]
fn what_may_pass_is_repeated_and_what_is_left_is_gone_on_with() {
    let moto = Moto::start();
    moto.create_bucket(DATA);
    moto.create_bucket(OPERATIONS);
    moto.put_object(DATA, "a.parquet", b"-".to_vec());
    moto.put_object(DATA, "b.parquet", b"-".to_vec());
    let left = json!({ "bucket": DATA, "key": "a.parquet", "etag": "1", "row_groups": [1, 2] });
    let answer = |status: &str, rows: u32, remaining: Option<&Value>| {
        let mut object = json!({ "key": "a.parquet", "failure": null });
        if let Some(remaining) = remaining {
            object["remaining"] = remaining.clone();
        }
        json!({ "status": status, "totals": { "written": rows, "points": rows }, "objects": [object] }).to_string()
    };
    let (partial, rest) = (answer("partial", 3, Some(&left)), answer("succeeded", 2, None));
    let calls = AtomicUsize::new(0);
    let function = Responder::start(move |_| match calls.fetch_add(1, Ordering::Relaxed) {
        0 => Response::new(500, r#"{"errorType":"InfluxDBConnectionError","errorMessage":"away"}"#),
        1 => Response::new(200, &partial),
        _ => Response::new(200, &rest),
    });
    let outcome = run(&moto, &function.url(), &json!({ "prefix": "" }), 5, 0);
    assert_eq!(outcome["status"], "SUCCEEDED", "{outcome}");
    assert_eq!(outcome["retries"], 1, "{outcome}");
    let asked: Vec<Value> =
        function.requests().iter().map(|request| serde_json::from_slice(&request.body).unwrap()).collect();
    let both = json!({ "Items": [{ "bucket": DATA, "key": "a.parquet" }, { "bucket": DATA, "key": "b.parquet" }] });
    assert_eq!(asked, [both.clone(), both, json!({ "Items": [left] })]);
    let report = moto.get_object(OPERATIONS, "backfill/1/SUCCEEDED_0.json");
    let children: Vec<Value> = serde_json::from_slice(&report).unwrap();
    assert_eq!(children[0]["Output"], r#"{"rows": 5, "points": 5}"#);
}

#[test]
fn an_object_that_cannot_be_opened_keeps_no_other_from_being_planned() {
    let moto = Moto::start();
    moto.create_bucket(DATA);
    moto.put_object(DATA, "a.parquet", b"not Parquet".to_vec());
    moto.put_object(DATA, "b.parquet", parquet(&row(0)));
    let run = Loader::new(["plan", "s3://energy/"]).settings(moto.settings()).run();
    assert_eq!(run.code, Some(1), "{run}");
    assert_eq!(run.stdout.lines().count(), 1, "{run}");
    assert!(run.stderr.contains("s3://energy/a.parquet"), "{run}");
}
