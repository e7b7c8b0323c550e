//! The state machine of backfills, executed by LocalStack's interpreter against the function: every object of a prefix or a plan
//! is loaded and counted, and those that cannot be are named.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use influxdb_loader_tests::{Function, InfluxDb2, Invocation, Loader, Moto, Responder, Response, parquet, python};
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

    /// Stores a plan, and returns the input that names it.
    fn plan(&self, lines: impl Into<String>) -> Value {
        self.moto.put_object(OPERATIONS, "plans/consumption.jsonl", lines.into().into_bytes());
        json!({ "plan": "plans/consumption.jsonl" })
    }

    fn points(&self) -> f64 {
        self.influxdb.number(DATABASE, "count(power_mw)", "consumption_data")
    }
}

/// Runs the state machine with a function: what became of it.
fn run(moto: &Moto, function: &str, input: &Value, batch: u32, tolerated: u32) -> Value {
    moto.run_function("loader", function);
    let arguments = [
        "tests/states.py".to_owned(),
        "statemachine/backfill.asl.json".to_owned(),
        input.to_string(),
        "Partition=aws".to_owned(),
        "Function=arn:aws:lambda:us-east-1:123456789012:function:loader:live".to_owned(),
        "FunctionTimeout=300".to_owned(),
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

/// The cause of a backfill that failed, as an operator reads it.
#[track_caller]
fn cause(outcome: &Value) -> Value {
    assert_eq!((&outcome["status"], &outcome["error"]), (&json!("FAILED"), &json!("ObjectsFailed")), "{outcome}");
    serde_json::from_str(outcome["cause"].as_str().unwrap()).unwrap_or_else(|error| panic!("{error}: {outcome}"))
}

/// A file of a report: what its batches output, or failed with.
fn report(moto: &Moto, summary: &Value, file: &str) -> Vec<Value> {
    let manifest = summary["report"].as_str().unwrap().strip_prefix("s3://operations/").unwrap();
    let file = moto.get_object(OPERATIONS, &manifest.replace("manifest.json", file));
    let children: Vec<Value> = serde_json::from_slice(&file).unwrap();
    let texts = children.iter().map(|child| child.get("Output").unwrap_or(&child["Cause"]).as_str().unwrap());
    texts.map(|text| serde_json::from_str(text).unwrap()).collect()
}

/// The items that a report names as failed, and their errors.
fn failed(moto: &Moto, summary: &Value) -> BTreeSet<(String, String)> {
    let causes = report(moto, summary, "FAILED_0.json");
    let failed = causes.iter().flat_map(|cause| cause["failed"].as_array().unwrap());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    failed.map(|failed| (text(&failed["name"]), text(&failed["error"]))).collect()
}

/// The lines of the plan of what failed.
fn again(moto: &Moto, summary: &Value) -> Vec<Value> {
    let lines = moto.get_object(OPERATIONS, summary["plan"].as_str().unwrap());
    String::from_utf8(lines).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A function that answers as a test decides, but sums up reports itself.
fn loader_behind(moto: &Moto, answer: impl Fn(&Value) -> Response + Send + Sync + 'static) -> Responder {
    let settings = moto.settings().with("INFLUXDB_URL", "http://127.0.0.1:9").with("INFLUXDB_TOKEN", "any");
    let function = Function::start(settings.with("METRICS_BACKEND", "none"));
    Responder::start(move |request| {
        let event: Value = serde_json::from_slice(&request.body).unwrap();
        if event["action"].is_null() { answer(&event) } else { response(&function.invoke(&event)) }
    })
}

/// As Lambda's emulator answers.
fn response(Invocation { failed, answer }: &Invocation) -> Response {
    Response::new(if *failed { 500 } else { 200 }, &answer.to_string())
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
    assert_eq!((&outcome["items"], &outcome["children"]), (&json!(303), &json!(61)), "{outcome}");
    let cause = cause(&outcome);
    let counts = json!({
        "objects": 295, "skipped": 3, "failed": 5, "refused": 0, "rows": 295, "written": 295, "rejected": 0, "filtered": 0, "points": 295,
    });
    assert_eq!(cause["counts"], counts, "{cause}");
    assert_eq!(site.points(), 295.0);
    let named = bad.clone().map(|key| (format!("s3://{DATA}/{key}"), "DataConversionError".to_owned()));
    assert_eq!(failed(&site.moto, &cause), named.into());
    // What cannot pass is not retried.
    assert_eq!(outcome["retries"], 0, "{outcome}");

    // Once the objects are repaired, the plan of those that failed loads them, and nothing else.
    assert_eq!(again(&site.moto, &cause), bad.clone().map(|key| json!({ "bucket": DATA, "key": key })));
    for (number, key) in (1000..).zip(&bad) {
        site.moto.put_object(DATA, key, parquet(&row(number)));
    }
    let outcome = site.run(&json!({ "plan": cause["plan"] }), 5, 20);
    assert_eq!(outcome["status"], "SUCCEEDED", "{outcome}");
    assert_eq!((&outcome["output"]["counts"]["objects"], &outcome["items"]), (&json!(5), &json!(5)), "{outcome}");
    assert_eq!(site.points(), 300.0);
}

#[test]
fn a_backfill_that_is_asked_to_verifies_what_it_has_loaded() {
    let site = Site::start();
    for number in 0..4 {
        site.moto.put_object(DATA, &format!("{PREFIX}{number}.parquet"), parquet(&row(number)));
    }
    let input = json!({ "prefix": PREFIX, "verify": true });
    let outcome = site.run(&input, 5, 20);
    assert_eq!(outcome["status"], "SUCCEEDED", "{outcome}");
    let output = &outcome["output"];
    assert_eq!((&output["counts"]["points"], &output["verified"]["clean"]), (&json!(4), &json!(true)), "{outcome}");
    assert_eq!(output["verified"]["objects"], 4, "{outcome}");
    // A backfill repairs what was lost, and leaves what nobody has loaded.
    site.influxdb.write(DATABASE, "consumption_data,region=elsewhere power_mw=1 1704067200000000001").succeeded();
    let outcome = site.run(&input, 5, 20);
    assert_eq!((&outcome["status"], &outcome["error"]), (&json!("FAILED"), &json!("DatabaseDiffers")), "{outcome}");
    let cause: Value = serde_json::from_str(outcome["cause"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&cause["totals"]["extra"], &cause["differences"][0]["change"]),
        (&json!(1), &json!("extra")),
        "{cause}"
    );
    let plan = json!({ "plan": "plans/consumption.jsonl", "verify": true });
    assert_eq!(site.run(&plan, 5, 20)["error"], "BadInput");
}

#[test]
fn a_backfill_of_which_too_much_fails_says_so() {
    let site = Site::start();
    for number in 0..4 {
        site.moto.put_object(DATA, &format!("{PREFIX}{number}.parquet"), b"not Parquet".to_vec());
    }
    let outcome = site.run(&json!({ "prefix": PREFIX }), 1, 20);
    assert_eq!(outcome["error"], "States.ExceedToleratedFailureThreshold", "{outcome}");
}

#[test]
fn a_backfill_that_finds_nothing_fails() {
    let site = Site::start();
    site.moto.put_object(DATA, &format!("{PREFIX}_SUCCESS"), b"-".to_vec());
    for input in [json!({ "prefix": "dataset=consumtion/" }), json!({ "prefix": PREFIX }), site.plan("")] {
        assert_eq!(site.run(&input, 5, 20)["error"], "NothingToLoad", "{input}");
    }
    assert_eq!(site.run(&json!({ "plan": "plans/lost.jsonl" }), 5, 20)["error"], "States.ItemReaderFailed");
    assert_eq!(site.run(&json!({ "bucket": DATA }), 5, 20)["error"], "BadInput");
}

#[test]
fn a_backfill_that_is_begun_again_skips_what_is_loaded() {
    let (moto, influxdb) = (Moto::start(), InfluxDb2::start(DATABASE));
    moto.create_bucket(DATA);
    moto.create_bucket(OPERATIONS);
    let settings = moto.settings().and(influxdb.settings(DATABASE)).with("METRICS_BACKEND", "none");
    let function = Function::start(settings.with("LEDGER_URI", "s3://operations/ledger"));
    let put = |number: i64| moto.put_object(DATA, &format!("{PREFIX}{number}.parquet"), parquet(&row(number)));
    let run = |skip_loaded: bool| {
        let input = json!({ "prefix": PREFIX, "skip_loaded": skip_loaded });
        let outcome = run(&moto, &function.url(), &input, 2, 0);
        assert_eq!(outcome["status"], "SUCCEEDED", "{outcome}");
        let counts = &outcome["output"]["counts"];
        (counts["objects"].clone(), counts["skipped"].clone())
    };
    (0..3).for_each(put);
    assert_eq!(run(false), (json!(3), json!(0)));
    put(3);
    moto.put_object(DATA, &format!("{PREFIX}1.parquet"), parquet(&row(100)));
    assert_eq!(run(true), (json!(2), json!(2)));
    assert_eq!(run(true), (json!(0), json!(4)));
    assert_eq!(run(false), (json!(4), json!(0)));
    assert_eq!(influxdb.number(DATABASE, "count(power_mw)", "consumption_data"), 5.0);
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

    let outcome = site.run(&site.plan(lines.stdout), 1, 0);
    assert_eq!(outcome["status"], "SUCCEEDED", "{outcome}");
    assert_eq!(site.points(), 11.0);
    let outputs = report(&site.moto, &outcome["output"], "SUCCEEDED_0.json");
    assert_eq!(outputs.iter().map(|output| output["rows"].as_u64().unwrap()).sum::<u64>(), 11);
    assert_eq!((&outcome["output"]["counts"]["rows"], outputs.len()), (&json!(11), 4), "{outcome}");
}

#[test]
fn a_plan_means_what_it_says() {
    let site = Site::start();
    let keys =
        ["landing/without-an-ending", "landing/_hidden.parquet", "below/a.parquet", "below/b.parquet", "c.parquet"];
    for (number, key) in (0..).zip(keys) {
        site.moto.put_object(DATA, key, parquet(&row(number)));
    }
    site.moto.put_object(DATA, "below/_SUCCESS", b"-".to_vec());
    let object = |key: &str| json!({ "bucket": DATA, "key": key, "dataset": "consumption" });
    let lines = [
        object(keys[0]),
        // Who names a key means it, whatever it is called. Without a bucket it is one of the stack's.
        json!({ "key": keys[1], "dataset": "consumption" }),
        json!({ "prefix": "below/", "dataset": "consumption" }),
        json!({ "objects": [{ "key": keys[4], "dataset": "consumption" }, object("lost.parquet")] }),
        json!("nonsense"),
    ];
    let outcome = site.run(&site.plan(lines.iter().map(|line| format!("{line}\n")).collect::<String>()), 5, 100);
    let cause = cause(&outcome);
    assert_eq!(site.points(), 5.0, "{cause}");
    let counts = &cause["counts"];
    assert_eq!((&counts["objects"], &counts["failed"], &counts["rows"]), (&json!(4), &json!(2), &json!(4)), "{cause}");
    let list = json!({ "objects": [object(keys[4]), object("lost.parquet")] });
    assert_eq!(again(&site.moto, &cause), [list, json!("nonsense")]);
}

#[test]
fn after_a_crash_each_object_is_loaded_alone() {
    let Site { moto, influxdb, function } = Site::start();
    for number in 0..5 {
        moto.put_object(DATA, &format!("{PREFIX}{number}.parquet"), parquet(&row(number)));
    }
    // Whatever holds the third object kills the process, as Lambda reports it.
    let crashes = Responder::start(move |request| {
        let event: Value = serde_json::from_slice(&request.body).unwrap();
        if event["Items"].to_string().contains("2.parquet") {
            return Response::new(500, r#"{"errorType":"Runtime.ExitError","errorMessage":"signal: killed"}"#);
        }
        response(&function.invoke(&event))
    });
    let outcome = run(&moto, &crashes.url(), &json!({ "prefix": PREFIX }), 5, 100);
    let cause = cause(&outcome);
    assert_eq!((&cause["counts"]["objects"], &cause["counts"]["failed"]), (&json!(4), &json!(1)), "{cause}");
    let name = format!("s3://{DATA}/{PREFIX}2.parquet");
    assert_eq!(failed(&moto, &cause), [(name, "Runtime.ExitError".to_owned())].into());
    // Alone, it had two more tries.
    assert_eq!(outcome["retries"], 2, "{outcome}");
    assert_eq!(influxdb.number(DATABASE, "count(power_mw)", "consumption_data"), 4.0);
}

#[test]
fn of_many_long_causes_each_is_shortened_and_none_is_left_out() {
    let moto = Moto::start();
    moto.create_bucket(DATA);
    moto.create_bucket(OPERATIONS);
    let keys: Vec<String> = (10..35).map(|number| format!("{number}{}.parquet", "k".repeat(500))).collect();
    keys.iter().for_each(|key| moto.put_object(DATA, key, b"-".to_vec()));
    let message = "\"quoted\"\n".repeat(2000);
    let refusal = json!({ "errorType": "DataConversionError", "errorMessage": message }).to_string();
    let function = loader_behind(&moto, move |_| Response::new(500, &refusal));
    let outcome = run(&moto, &function.url(), &json!({ "prefix": "" }), 25, 100);
    let cause = cause(&outcome);
    assert_eq!(cause["counts"]["failed"], 25, "{cause}");
    let lines: Vec<Value> = keys.iter().map(|key| json!({ "bucket": DATA, "key": key })).collect();
    assert_eq!(again(&moto, &cause), lines);
    let told = &report(&moto, &cause, "FAILED_0.json")[0]["failed"];
    assert!(told.as_array().unwrap().iter().all(|failed| failed["cause"].as_str().unwrap().len() > 100), "{told}");
}

#[test]
fn what_influxdb_refuses_is_counted_apart_and_not_retried() {
    let moto = Moto::start();
    moto.create_bucket(DATA);
    moto.create_bucket(OPERATIONS);
    moto.put_object(DATA, "old.parquet", b"-".to_vec());
    let rejected = json!({
        "status": "rejected", "objects": 0, "rows": 2, "written": 0, "rejected": 2, "filtered": 0, "points": 0,
        "failure": { "error_type": "InfluxDBWriteError", "kind": "rejected", "message": "no row is written" },
    });
    let answer = json!({ "status": "rejected", "skipped": 0, "items": [rejected], "objects": [] }).to_string();
    let function = loader_behind(&moto, move |_| Response::new(200, &answer));
    let outcome = run(&moto, &function.url(), &json!({ "prefix": "" }), 5, 100);
    let cause = cause(&outcome);
    assert_eq!((&cause["counts"]["failed"], &cause["counts"]["refused"]), (&json!(1), &json!(1)), "{cause}");
    assert_eq!(failed(&moto, &cause), [("s3://energy/old.parquet".to_owned(), "ObjectRejected".to_owned())].into());
    assert_eq!(outcome["retries"], 0, "{outcome}");
}

#[test]
fn what_may_pass_is_repeated_and_what_is_left_is_resumed() {
    let moto = Moto::start();
    moto.create_bucket(DATA);
    moto.create_bucket(OPERATIONS);
    moto.put_object(DATA, "a.parquet", b"-".to_vec());
    moto.put_object(DATA, "b.parquet", b"-".to_vec());
    let left = json!({ "objects": [{ "bucket": DATA, "key": "a.parquet", "etag": "1", "row_groups": [1, 2] }] });
    let loaded = |rows: u32| {
        json!({
            "status": "succeeded", "objects": 1, "rows": rows, "written": rows, "rejected": 0, "filtered": 0, "points": rows,
        })
    };
    let mut stopped = loaded(3);
    stopped["status"] = json!("partial");
    stopped["objects"] = json!(0);
    stopped["remaining"] = left.clone();
    let answer = |items: &[Value]| json!({ "status": "any", "skipped": 0, "items": items, "objects": [] }).to_string();
    let (partial, rest) = (answer(&[stopped, loaded(7)]), answer(&[loaded(2)]));
    let (calls, asked) = (AtomicUsize::new(0), Arc::new(Mutex::new(Vec::new())));
    let seen = asked.clone();
    let function = loader_behind(&moto, move |event| {
        seen.lock().unwrap().push(event.clone());
        match calls.fetch_add(1, Ordering::Relaxed) {
            0 => Response::new(500, r#"{"errorType":"InfluxDBConnectionError","errorMessage":"away"}"#),
            1 => Response::new(200, &partial),
            _ => Response::new(200, &rest),
        }
    });
    let outcome = run(&moto, &function.url(), &json!({ "prefix": "" }), 5, 0);
    assert_eq!(outcome["status"], "SUCCEEDED", "{outcome}");
    assert_eq!(outcome["retries"], 1, "{outcome}");
    let counts = &outcome["output"]["counts"];
    assert_eq!(
        (&counts["objects"], &counts["rows"], &counts["points"]),
        (&json!(2), &json!(12), &json!(12)),
        "{counts}"
    );
    let asked = asked.lock().unwrap();
    let keys = |event: &Value| -> Vec<Value> {
        event["Items"].as_array().unwrap().iter().map(|item| item["Key"].clone()).collect()
    };
    assert_eq!(asked.len(), 3);
    assert_eq!(keys(&asked[0]), ["a.parquet", "b.parquet"]);
    assert_eq!(asked[0], asked[1]);
    assert_eq!(asked[2]["Items"], json!([left]));
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
