//! Objects of which the server takes no row, and rows that it refuses: each under the code of its reason, and a rejected
//! object is a success for nobody.

#[path = "../events/forms.rs"]
#[allow(dead_code, reason = "some forms are enough here")]
mod forms;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use influxdb_loader_tests::{
    CONSUMPTION_POINTS, CONSUMPTION_ROWS, Function, InfluxDb2, Invocation, Loader, Moto, Outcome, consumption_file,
    parquet,
};
use serde_json::{Value, json};

use super::{Server, on_both};

/// The bucket of S3.
const BUCKET: &str = "energy";

/// A bucket of InfluxDB that keeps points for an hour.
const SHORT: &str = "short";

/// Rows of the consumption dataset, each so old.
pub(super) fn rows(ages: &[Duration]) -> RecordBatch {
    let text = |value: &str| Arc::new(StringArray::from_iter_values(vec![value; ages.len()])) as ArrayRef;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let times = ages.iter().map(|age| i64::try_from((now - *age).as_millis()).unwrap());
    let columns = [
        ("timestamp", Arc::new(TimestampMillisecondArray::from_iter_values(times).with_timezone("UTC")) as ArrayRef),
        ("region", text("north")),
        ("value", Arc::new(Float64Array::from_iter_values((0..ages.len()).map(|row| row as f64)))),
        ("unit", text("MW")),
        ("consumer_type", text("residential")),
        ("measurement_type", text("load")),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

pub(super) const DAY: Duration = Duration::from_secs(24 * 3600);
pub(super) const MINUTE: Duration = Duration::from_secs(60);

pub(super) fn write(directory: &Path, batch: &RecordBatch) -> PathBuf {
    let file = directory.join("dataset=consumption.parquet");
    fs::write(&file, parquet(batch)).unwrap();
    file
}

fn load(server: &Server, bucket: &str, file: &Path, rejects: &Path, arguments: &[&str]) -> Outcome {
    let settings = server.settings(bucket).with("REJECTS_URI", rejects.to_str().unwrap());
    Loader::new(["load"]).argument(file).arguments(arguments).settings(settings).run()
}

/// The codes of the rows that are kept below a directory, each once, and how many rows there are.
fn kept(directory: &Path) -> (Vec<String>, usize) {
    let shown = Loader::new(["rejects", "show", "--json", "--limit", "1000000"]).argument(directory).run().succeeded();
    let lines = shown.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut codes: Vec<String> = lines.map(|line| line["code"].as_str().unwrap().to_owned()).collect();
    let rows = codes.len();
    codes.sort_unstable();
    codes.dedup();
    (codes, rows)
}

#[test]
fn an_object_that_lies_outside_the_retention_is_rejected_with_the_bound() {
    on_both(|server| {
        server.create_bucket(SHORT, Some(3600));
        let directory = tempfile::tempdir().unwrap();
        let rejected = load(&server, SHORT, &consumption_file(), directory.path(), &["--json"]);
        assert_eq!(rejected.code, Some(1), "{rejected}");
        let report = rejected.json();
        assert_eq!(report["status"], "rejected", "{report}");
        let object = &report["objects"][0];
        let codes = json!({
            "invalid-timestamp": CONSUMPTION_ROWS - CONSUMPTION_POINTS, "outside-retention": CONSUMPTION_POINTS,
        });
        assert_eq!((&object["accounts"]["rejected"], &object["accounts"]["written"]), (&codes, &json!(0)), "{object}");
        let failure = &object["failure"];
        assert_eq!((&failure["kind"], &failure["error_type"]), (&json!("rejected"), &json!("InfluxDBWriteError")));
        let bound = match server {
            Server::V1(_) => "the retention policy `kept` of database `short` keeps 1h0m0s",
            Server::V2(_) => "the bucket's retention policy of 1h0m0s: Retention Policy Lower Bound at 20",
        };
        assert!(failure["message"].as_str().unwrap().contains(bound), "{failure}");
        assert!(failure["hint"].as_str().unwrap().contains("retention"), "{failure}");
        let (codes, rows) = kept(directory.path());
        assert_eq!(
            (codes, rows as u64),
            (vec!["invalid-timestamp".to_owned(), "outside-retention".to_owned()], CONSUMPTION_ROWS)
        );
        assert!(server.query(SHORT, "SELECT * FROM consumption_data LIMIT 1").is_empty());

        let shown = load(&server, SHORT, &consumption_file(), directory.path(), &[]);
        assert_eq!(shown.code, Some(1), "{shown}");
        assert!(shown.stdout.contains("(rejected)"), "{shown}");
        assert!(shown.stderr.contains("no row is written"), "{shown}");
    });
}

#[test]
fn an_object_of_which_some_rows_are_kept_is_loaded() {
    on_both(|server| {
        server.create_bucket(SHORT, Some(3600));
        let directory = tempfile::tempdir().unwrap();
        let file = write(directory.path(), &rows(&[400 * DAY, 2 * MINUTE, 30 * DAY, MINUTE]));
        let kept_below = directory.path().join("kept");
        let report = load(&server, SHORT, &file, &kept_below, &["--json"]).succeeded().json();
        assert_eq!(report["status"], "succeeded", "{report}");
        let object = &report["objects"][0];
        assert_eq!(object["accounts"]["rejected"], json!({ "outside-retention": 2 }), "{object}");
        let of = |index: usize| object["rejections"][index]["row"].as_u64().unwrap();
        assert_eq!([of(0), of(1)], [0, 2]);
        assert_eq!(server.number(SHORT, "count(power_mw)", "consumption_data"), 2.0);
        assert_eq!(kept(&kept_below), (vec!["outside-retention".to_owned()], 2));
    });
}

#[test]
fn fields_of_another_type_are_a_code_of_their_own_and_may_reject_the_object() {
    on_both(|server| {
        server.create_bucket("types", None);
        let directory = tempfile::tempdir().unwrap();
        // A seed for each time: they may lie in two shards.
        let batch = rows(&[2 * MINUTE, MINUTE]);
        let file = write(directory.path(), &batch);
        let times: Vec<i64> = batch["timestamp"]
            .as_any()
            .downcast_ref::<TimestampMillisecondArray>()
            .unwrap()
            .values()
            .iter()
            .map(|time| time * 1_000_000)
            .collect();
        for time in &times {
            server.write("types", &format!("consumption_data,region=seed power_mw=\"much\" {time}")).succeeded();
        }
        let rejected = load(&server, "types", &file, directory.path(), &["--json"]);
        assert_eq!(rejected.code, Some(1), "{rejected}");
        let object = &rejected.json()["objects"][0];
        assert_eq!(object["accounts"]["rejected"], json!({ "type-conflict": 2 }), "{object}");
        assert!(
            object["failure"]["message"].as_str().unwrap().contains("InfluxDB refuses 2 of 2 rows (2 `type-conflict`)"),
            "{object}"
        );
        let reason = object["rejections"][0]["message"].as_str().unwrap();
        assert!(reason.contains("input field \"power_mw\" on measurement \"consumption_data\""), "{reason}");
    });
}

#[test]
fn a_week_of_thirty_six_with_another_type_is_found_by_fewer_than_a_hundred_requests() {
    const ROWS: u32 = 6_000;
    const WEEKS: u32 = 36;
    let influxdb = InfluxDb2::start(super::BUCKET);
    let directory = tempfile::tempdir().unwrap();
    // In no order.
    let mut ages: Vec<Duration> = (1..=ROWS).map(|row| 7 * DAY * WEEKS * row / ROWS).collect();
    fastrand::Rng::with_seed(36).shuffle(&mut ages);
    let batch = rows(&ages);
    let file = write(directory.path(), &batch);
    let times = batch["timestamp"].as_any().downcast_ref::<TimestampMillisecondArray>().unwrap();
    let mut times: Vec<i64> = times.values().iter().map(|time| time * 1_000_000).collect();
    times.sort_unstable();
    let seed = times[times.len() / 2];
    influxdb.write(super::BUCKET, &format!("consumption_data,region=seed power_mw=\"much\" {seed}")).succeeded();

    let kept_below = directory.path().join("kept");
    let settings = influxdb
        .settings(super::BUCKET)
        .with("REJECTS_URI", kept_below.to_str().unwrap())
        .with("MAX_BATCH_SIZE", ROWS.to_string());
    let report = Loader::new(["load", "--json"]).argument(&file).settings(settings).run().succeeded().json();
    let requests = report["totals"]["requests"].as_u64().unwrap();
    assert!(requests < 100, "{requests} requests");

    // What is not stored is rejected, and is a week: nothing lies in between.
    let series = influxdb.query(super::BUCKET, "SELECT power_mw FROM consumption_data WHERE region = 'north'");
    let stored: BTreeSet<i64> =
        series[0]["values"].as_array().unwrap().iter().map(|row| row[0].as_i64().unwrap()).collect();
    let missing: Vec<i64> = times.iter().copied().filter(|time| !stored.contains(time)).collect();
    assert_eq!(kept(&kept_below), (vec!["type-conflict".to_owned()], missing.len()));
    assert!((100..=200).contains(&missing.len()), "{} rows", missing.len());
    let (first, last) = (missing[0], missing[missing.len() - 1]);
    assert!((first..=last).contains(&seed), "{seed} is not from {first} to {last}");
    assert_eq!(stored.range(first..=last).count(), 0);
}

#[test]
fn who_can_do_something_about_a_rejected_object_sees_a_failure_and_nobody_tries_it_again() {
    let (moto, influxdb) = (Moto::start(), InfluxDb2::start(super::BUCKET));
    influxdb.create_bucket(SHORT, Some(3600), None);
    moto.create_bucket(BUCKET);
    let put = |name: &str, ages: &[Duration]| {
        let key = format!("dataset=consumption/{name}.parquet");
        moto.put_object(BUCKET, &key, parquet(&rows(ages)));
        key
    };
    let [old, older, new] = [put("old", &[DAY]), put("older", &[30 * DAY, DAY]), put("new", &[MINUTE])];
    let kept_below = tempfile::tempdir().unwrap();
    let settings = moto.settings().and(influxdb.settings(SHORT)).with("METRICS_BACKEND", "emf");
    let function = Function::start(settings.with("REJECTS_URI", kept_below.path().to_str().unwrap()));
    let statuses = |invocation: &Invocation| -> Vec<Value> {
        invocation.answer["items"].as_array().unwrap().iter().map(|item| item["status"].clone()).collect()
    };

    // Direct callers.
    let failed = function.invoke(&forms::direct(&old));
    assert!(failed.failed, "{failed:?}");
    assert_eq!(failed.answer["errorType"], "InfluxDBWriteError", "{failed:?}");
    let message = failed.answer["errorMessage"].as_str().unwrap();
    assert!(message.contains("old.parquet") && message.contains("Lower Bound at 20"), "{message}");
    assert_eq!(kept(kept_below.path()), (vec!["outside-retention".to_owned()], 1));
    // Notifications: they would be tried again in vain.
    let succeeded = function.invoke(&forms::s3(&[forms::Told::new(&old), forms::Told::new(&new)]));
    assert!(!succeeded.failed, "{succeeded:?}");
    assert_eq!(succeeded.answer["status"], "rejected", "{succeeded:?}");
    // Messages, of which the one behind it in the queue is not held up.
    let answered = function.invoke(&forms::sqs(&[forms::direct(&old), forms::direct(&new), json!("no JSON")]));
    assert_eq!(answered.answer, json!({ "batchItemFailures": [{ "itemIdentifier": "message-2" }] }));
    // Items of a state machine.
    let mixed = function.invoke(&forms::map_of_objects(&[&old, &new]));
    assert!(!mixed.failed, "{mixed:?}");
    assert_eq!(mixed.answer["status"], "rejected", "{mixed:?}");
    assert_eq!(statuses(&mixed), ["rejected", "succeeded"]);
    assert_eq!(mixed.answer["items"][0]["failure"]["kind"], "rejected");
    let all = function.invoke(&forms::map_of_objects(&[&old, &older]));
    assert!(!all.failed, "{all:?}");
    assert_eq!(statuses(&all), ["rejected", "rejected"]);
    // HTTP.
    for way in forms::Way::ALL {
        let (status, body) = way.response(&function.invoke(&way.post(&forms::direct(&old))));
        assert_eq!((status, &body["status"]), (422, &json!("rejected")), "{way:?}: {body}");
    }

    let metrics: Vec<Value> = function.log().lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let sum = |metric: &str| {
        let values = metrics.iter().filter_map(|line| line[metric].as_array());
        values.flatten().map(|value| value.as_f64().unwrap()).sum::<f64>()
    };
    let rejected = 4 + 2 + forms::Way::ALL.len();
    assert_eq!(sum("ObjectsRejected"), rejected as f64, "{}", function.log());
    assert_eq!(influxdb.number(SHORT, "count(power_mw)", "consumption_data"), 1.0);
}
