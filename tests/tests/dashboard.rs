//! Metrics in the Embedded Metric Format, from the function's output to the dashboard: `docs/dashboard.png` is drawn of this
//! run by `UPDATE_DASHBOARD=1 cargo test --release --package influxdb-loader-tests --test dashboard`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use influxdb_loader_tests::{Function, Moto, Responder, Response, Settings, parquet, python};
use serde_json::{Value, json};

const BUCKET: &str = "energy";

/// As `scripts/dashboard.py` names the stack.
const STACK: &str = "AWS::StackName";

/// Objects that are loaded, one an invocation and one of each dataset at a time; on the dashboard, times are five minutes
/// apart.
const OBJECTS: u32 = 60;
const INTERVAL: u64 = 300_000;

/// The moment of the first invocation, in milliseconds.
const BEGIN: u64 = 1_735_689_600_000;

/// An object of a dataset. Some rows have no time, some no value.
fn object(dataset: &str, rows: u32, number: u32) -> Vec<u8> {
    let text = |value: &str| Arc::new(StringArray::from_iter_values((0..rows).map(|_| value))) as ArrayRef;
    let times = (0..rows).map(|row| (row % 97 != number % 7).then_some(1_704_067_200_000 + i64::from(row) * 60_000));
    let values = (0..rows).map(|row| (row % 53 != 5).then_some(f64::from(row % 1000)));
    let own = match dataset {
        "generation" => "energy_source",
        "consumption" => "consumer_type",
        _ => "line_id",
    };
    let batch = RecordBatch::try_from_iter([
        ("timestamp", Arc::new(times.collect::<TimestampMillisecondArray>()) as ArrayRef),
        ("region", text("southeast")),
        ("value", Arc::new(values.collect::<Float64Array>())),
        ("unit", text("MW")),
        (own, text("a")),
        ("measurement_type", text("b")),
    ]);
    parquet(&batch.unwrap())
}

/// A line as the loader writes them, of a metric that AWS measures.
fn line_of_aws(namespace: &str, name: &str, dimensions: &[(&str, &str)], value: f64, time: u64) -> Value {
    let names: Vec<&str> = dimensions.iter().map(|(name, _)| *name).collect();
    let metrics = json!([{ "Name": name, "Unit": "None" }]);
    let directive = json!({ "Namespace": namespace, "Dimensions": [names], "Metrics": metrics });
    let mut line = json!({ "_aws": { "Timestamp": time, "CloudWatchMetrics": [directive] }, name: value });
    for (name, value) in dimensions {
        line[*name] = json!(value);
    }
    line
}

/// The lines of metrics among what the function has printed so far.
fn metrics_of(log: &str) -> Vec<Value> {
    let lines = log.lines().filter(|line| line.contains("\"_aws\":"));
    lines.map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

#[test]
fn the_dashboard_shows_what_a_run_has_measured() {
    let moto = Moto::start();
    moto.create_bucket(BUCKET);
    let requests = AtomicU32::new(0);
    let server = Responder::start(move |request| {
        let number = requests.fetch_add(1, Ordering::Relaxed);
        thread::sleep(Duration::from_millis(u64::from(number * 7 % 13) + request.body.len() as u64 / 4000));
        // Now and then it is busy.
        if number % 41 == 40 { Response::new(503, "busy") } else { Response::new(204, "") }
    });
    let settings = moto
        .settings()
        .with("INFLUXDB_API", "v2")
        .with("INFLUXDB_URL", server.url())
        .with("INFLUXDB_TOKEN", "any")
        .with("METRICS_BACKEND", "emf")
        .with("METRICS_STACK", STACK);
    let function = Function::start(settings);
    let (mut lines, mut seen) = (Vec::new(), 0);
    for number in 0..OBJECTS {
        let time = BEGIN + u64::from(number / 3) * INTERVAL;
        let dataset = ["generation", "consumption", "transmission"][number as usize % 3];
        let key = format!("dataset={dataset}/{number}.parquet");
        let bad = number % 17 == 11;
        let rows = 3000 + number * 7919 % 9000;
        moto.put_object(BUCKET, &key, if bad { b"not Parquet".to_vec() } else { object(dataset, rows, number) });
        let started = Instant::now();
        let invocation = function.invoke(&json!({ "bucket": BUCKET, "key": key }));
        let duration = started.elapsed().as_secs_f64() * 1000.0;
        assert_eq!(invocation.failed, bad, "{}", invocation.answer);
        let metrics = metrics_of(&function.log());
        assert!(metrics.len() > seen, "an invocation without metrics");
        lines.extend(metrics[seen..].iter().cloned().map(|mut line| {
            line["_aws"]["Timestamp"] = json!(time);
            line
        }));
        seen = metrics.len();
        let function = [("FunctionName", "Function")];
        let mut of_aws = |namespace, name, dimensions: &[(&str, &str)], value| {
            lines.push(line_of_aws(namespace, name, dimensions, value, time));
        };
        of_aws("AWS/Lambda", "Invocations", &function, 1.0);
        of_aws("AWS/Lambda", "Duration", &function, duration);
        of_aws("AWS/Lambda", "Errors", &function, f64::from(u8::from(bad)));
        of_aws("AWS/Lambda", "Throttles", &function, 0.0);
        of_aws("AWS/Lambda", "ConcurrentExecutions", &function, 1.0);
        of_aws("AWS/Lambda", "Errors", &[("FunctionName", "Function"), ("Resource", "Function:health")], 0.0);
        let (waiting, dead) = (f64::from(OBJECTS - 1 - number), f64::from((number + 6) / 17));
        of_aws("AWS/SQS", "ApproximateNumberOfMessagesVisible", &[("QueueName", "Queue")], waiting);
        of_aws("AWS/SQS", "ApproximateNumberOfMessagesVisible", &[("QueueName", "DeadLetters")], dead);
        of_aws("AWS/SQS", "ApproximateAgeOfOldestMessage", &[("QueueName", "Queue")], f64::from(number / 3) * 300.0);
    }

    let directory = tempfile::tempdir().unwrap();
    let [metrics, mut picture] = ["metrics.jsonl", "dashboard.png"].map(|name| directory.path().join(name));
    let text = lines.iter().fold(String::new(), |mut text, line| {
        writeln!(text, "{line}").unwrap();
        text
    });
    fs::write(&metrics, text).unwrap();
    // Each alarm is on what was emitted here, or on what AWS emits, and fires when it should.
    let region = Settings::default().with("AWS_DEFAULT_REGION", "us-east-1");
    let alarms = python(["tests/alarms.py", metrics.to_str().unwrap(), STACK], &region).succeeded().json();
    assert_eq!(alarms.as_array().unwrap().len(), 15, "{alarms}");
    if std::env::var_os("UPDATE_DASHBOARD").is_some() {
        picture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/dashboard.png");
    }
    // Where matplotlib keeps its caches.
    let settings = Settings::default().with("MPLCONFIGDIR", directory.path().to_str().unwrap());
    let arguments = ["scripts/dashboard.py", metrics.to_str().unwrap(), picture.to_str().unwrap()];
    let drawn = python(arguments, &settings).succeeded();
    assert_eq!(drawn.stdout.lines().count(), 13, "{drawn}");
    assert!(drawn.stdout.lines().all(|line| !line.starts_with("0 ")), "{drawn}");
    assert!(fs::read(picture).unwrap().starts_with(b"\x89PNG"));
}
