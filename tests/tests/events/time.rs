//! Deadlines: loads stop, report what is left, and are resumed.

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use influxdb_loader_tests::{InfluxDb2, Loader, Request, Responder, Response, Settings, request};
use serde_json::{Value, json};

use super::{BUCKET, DATABASE, Rows, Site, key, rows, rows_at};

/// How long the slow server takes for each write.
const DELAY: Duration = Duration::from_millis(150);

/// The server, behind something that takes one request at a time, and its time for writes.
pub(super) fn slow(influxdb: &InfluxDb2) -> Responder {
    delayed(influxdb, |_| DELAY)
}

/// The server, behind something that takes one request at a time, and for the body of a write so much more time.
fn delayed(influxdb: &InfluxDb2, delay: impl Fn(&[u8]) -> Duration + Send + Sync + 'static) -> Responder {
    let port = influxdb.port();
    let turn = Mutex::new(());
    Responder::start(move |received| {
        let _turn = turn.lock().unwrap();
        if is_write(received) {
            thread::sleep(delay(&received.body));
        }
        forwarded(port, received)
    })
}

fn is_write(received: &Request) -> bool {
    received.target.starts_with("/api/v2/write")
}

/// What the server on this port answers.
fn forwarded(port: u16, received: &Request) -> Response {
    let mut forwarded = received.clone();
    forwarded.headers.retain(|name, _| !["host", "content-length", "connection"].contains(&name.as_str()));
    let Response { status, body, mut headers } = request(port, &forwarded).unwrap();
    headers.retain(|name, _| name.starts_with("x-influxdb"));
    Response { status, headers, body }
}

/// Handles events one after the other, with five seconds for each, three of which are for stopping: first `event`, and then
/// what each answer has left, until nothing is. Returns the answers.
fn go_on_to_the_end(event: Value, settings: &Settings, directory: &Path) -> Vec<Value> {
    go_on_within("5", 19, event, settings, directory)
}

/// As [`go_on_to_the_end`], with so many seconds for each of at most so many events.
fn go_on_within(seconds: &str, most: usize, event: Value, settings: &Settings, directory: &Path) -> Vec<Value> {
    let (mut answers, mut event) = (Vec::new(), event);
    let path = directory.join("event.json");
    loop {
        fs::write(&path, event.to_string()).unwrap();
        let invoke = Loader::new(["invoke", "--timeout", seconds]).argument(&path).settings(settings.clone());
        let answer = invoke.run().succeeded().json();
        let rest = answer.get("remaining").cloned();
        answers.push(answer);
        assert!(answers.len() <= most, "there is no end: {}", answers.last().unwrap());
        match rest {
            Some(rest) => event = rest,
            None => return answers,
        }
    }
}

fn settings(site: &Site, server: &Responder) -> Settings {
    site.settings()
        .with("INFLUXDB_URL", server.url())
        .with("DEADLINE_MARGIN_SECONDS", "3")
        .with("MAX_BATCH_SIZE", "500")
        .with("ROWS_PER_BATCH", "500")
        .with("WRITE_CONCURRENCY", "2")
        .with("OBJECT_CONCURRENCY", "2")
}

/// The accounts of every object balance, whether it is done or not.
fn assert_balanced(answers: &[Value]) {
    for object in answers.iter().flat_map(|answer| answer["objects"].as_array().unwrap()) {
        let accounts = &object["accounts"];
        let rejected: u64 = accounts["rejected"].as_object().unwrap().values().map(|rows| rows.as_u64().unwrap()).sum();
        let [rows, written, filtered] = ["rows", "written", "filtered"].map(|name| accounts[name].as_u64().unwrap());
        assert_eq!(rows, written + rejected + filtered, "{object}");
    }
}

fn statuses(answers: &[Value]) -> Vec<&str> {
    answers.iter().map(|answer| answer["status"].as_str().unwrap()).collect()
}

#[test]
fn a_large_object_is_loaded_in_as_many_invocations_as_it_takes() {
    let site = Site::start();
    let server = slow(&site.influxdb);
    // 20 row groups in 20 requests: three seconds in all, of which an invocation has two.
    let name = "large";
    site.moto.put_object(BUCKET, &key(name), rows(name, 10_000, 1.0).parquet(500));
    let directory = tempfile::tempdir().unwrap();
    let event = json!({ "bucket": BUCKET, "key": key(name) });
    let answers = go_on_to_the_end(event, &settings(&site, &server), directory.path());
    let (last, before) = statuses(&answers).split_last().map(|(last, before)| (*last, before.to_vec())).unwrap();
    assert_eq!(last, "succeeded");
    assert!(!before.is_empty() && before.iter().all(|status| *status == "partial"), "{before:?}");
    assert_balanced(&answers);
    // A load resumes with the same converter.
    let (converter, rest) = (&answers[0]["objects"][0]["converter"], &answers[0]["remaining"]["objects"][0]);
    assert_eq!((&rest["converter_digest"], rest["etag"].is_string()), (&converter["digest"], true), "{rest}");
    // What each has done follows on what the one before it has done, and all of it together is the object.
    let mut end = 0;
    for answer in &answers {
        let done = &answer["objects"][0]["row_groups"];
        assert_eq!(done[0], end, "{answer}");
        end = done[1].as_u64().unwrap();
    }
    assert_eq!(end, 20);
    assert_eq!(site.points(name), (10_000.0, 10_000.0));
    let written: u64 = answers.iter().map(|answer| answer["totals"]["written"].as_u64().unwrap()).sum();
    assert!(written >= 10_000, "{written} rows are written");
}

#[test]
fn daily_data_series_by_series_is_loaded_in_fewer_invocations_than_it_has_row_groups() {
    const SERIES: usize = 200;
    const DAYS: usize = 365;
    let site = Site::start();
    // 5,000 points a second.
    let lines = |body: &[u8]| u32::try_from(body.iter().filter(|byte| **byte == b'\n').count()).unwrap();
    let server = delayed(&site.influxdb, move |body| Duration::from_micros(200) * lines(body));
    // Shards exist already: to make 53 of them may take longer than an invocation has.
    let day = |day: usize| 1_514_764_800_000 + day as i64 * 86_400_000;
    let shards = (0..DAYS).map(|at| format!("consumption_data,region=seed power_mw=0 {}000000\n", day(at)));
    site.influxdb.write(DATABASE, &shards.collect::<String>()).succeeded();
    let name = |series: usize| format!("series-{series}");
    let series = |number: usize| rows_at(&name(number), number as f64, (0..DAYS).map(day));
    let daily: Vec<RecordBatch> = (0..SERIES).map(|number| series(number).0).collect();
    // A row group a series, of which each has a point in every shard. Nothing is set that orders rows or sizes requests.
    let daily = Rows(concat_batches(&daily[0].schema(), &daily).unwrap());
    site.moto.put_object(BUCKET, &key("daily"), daily.parquet(DAYS));
    let directory = tempfile::tempdir().unwrap();
    let event = json!({ "bucket": BUCKET, "key": key("daily") });
    let settings = site.settings().with("INFLUXDB_URL", server.url()).with("COMPRESSION", "none");
    // 15 seconds of work in parts of 9, and 3 for the request that was begun last.
    let settings = settings.with("DEADLINE_MARGIN_SECONDS", "9").with("WRITE_CONCURRENCY", "1");
    let answers = go_on_within("18", SERIES, event, &settings, directory.path());
    let (last, before) = statuses(&answers).split_last().map(|(last, before)| (*last, before.to_vec())).unwrap();
    assert_eq!(last, "succeeded");
    assert!(!before.is_empty() && before.iter().all(|status| *status == "partial"), "{before:?}");
    assert_balanced(&answers);
    // Each resumes where the one before it has stopped, and gets further.
    let mut end = 0;
    for answer in &answers {
        let done = &answer["objects"][0]["row_groups"];
        assert_eq!(done[0], end, "{answer}");
        assert!(done[1].as_u64().unwrap() > end, "it does not advance: {answer}");
        end = done[1].as_u64().unwrap();
    }
    assert_eq!(end, SERIES as u64);
    for number in 0..SERIES {
        assert_eq!(site.points(&name(number)), (DAYS as f64, (DAYS * number) as f64));
    }
}

#[test]
fn a_request_that_is_not_answered_by_the_deadline_takes_nothing_from_the_row_groups_before_it() {
    let site = Site::start();
    let (port, writes) = (site.influxdb.port(), AtomicUsize::new(0));
    // Ten requests are answered at once, and the next one not within the time of an invocation.
    let server = Responder::start(move |received| {
        if is_write(received) && writes.fetch_add(1, Ordering::Relaxed) == 10 {
            thread::sleep(Duration::from_secs(7));
        }
        forwarded(port, received)
    });
    let name = "unanswered";
    site.moto.put_object(BUCKET, &key(name), rows(name, 10_000, 1.0).parquet(500));
    let directory = tempfile::tempdir().unwrap();
    let event = json!({ "bucket": BUCKET, "key": key(name) });
    let answers = go_on_to_the_end(event, &settings(&site, &server), directory.path());
    assert_eq!(
        (answers[0]["status"].as_str(), answers.last().unwrap()["status"].as_str()),
        (Some("partial"), Some("succeeded"))
    );
    assert!(answers[0]["objects"][0]["row_groups"][1].as_u64().unwrap() > 0, "{}", answers[0]);
    assert_balanced(&answers);
    assert_eq!(site.points(name), (10_000.0, 10_000.0));
}

#[test]
fn many_objects_are_loaded_in_as_many_invocations_as_it_takes() {
    let site = Site::start();
    let server = slow(&site.influxdb);
    let names: Vec<String> = (10..30).map(|number| format!("below/{number}")).collect();
    let keys: Vec<String> = names.iter().map(|name| site.put(name)).collect();
    let directory = tempfile::tempdir().unwrap();
    let prefix = json!({ "bucket": BUCKET, "prefix": "dataset=consumption/below/", "dataset": "consumption" });
    let answers = go_on_to_the_end(prefix, &settings(&site, &server), directory.path());
    assert!(answers.len() > 1, "{answers:?}");
    assert_balanced(&answers);
    assert!(names.iter().all(|name| site.points(name) == (3.0, 3.0)));
    // Whoever resumes does not read again what is done.
    let begun: Vec<_> = answers.iter().flat_map(|answer| answer["objects"].as_array().unwrap()).collect();
    let done =
        |key: &String| begun.iter().filter(|object| object["key"] == **key && object["remaining"].is_null()).count();
    assert!(keys.iter().all(|key| done(key) == 1), "{answers:?}");
    // What is left of a prefix is a prefix.
    let rest = answers[0]["remaining"]["objects"].as_array().unwrap().last().unwrap();
    assert!(rest["start_after"].as_str().unwrap().starts_with("dataset=consumption/below/"), "{rest}");

    // The same as a list.
    let list = json!({ "objects": keys.iter().map(|key| json!({ "bucket": BUCKET, "key": key })).collect::<Vec<_>>() });
    let answers = go_on_to_the_end(list, &settings(&site, &server), directory.path());
    assert!(answers.len() > 1, "{answers:?}");
    assert_balanced(&answers);
    let objects = answers[0]["objects"].as_array().unwrap();
    assert_eq!(objects.iter().map(|object| object["key"].as_str().unwrap()).collect::<Vec<_>>(), keys);
}

#[test]
fn what_is_paused_until_the_deadline_is_left_as_a_whole_and_loaded_afterwards() {
    let site = Site::start();
    let (name, cache) = ("paused", tempfile::tempdir().unwrap());
    let object = site.put(name);
    site.moto.create_bucket("energy-converters");
    site.moto.put_object("energy-converters", "converters/control/pause", Vec::new());
    let registry = site.moto.registry_settings("energy-converters", cache.path());
    let settings = site.settings().and(registry).with("DEADLINE_MARGIN_SECONDS", "3");
    let path = cache.path().join("event.json");
    let invoke = |event: &Value| {
        fs::write(&path, event.to_string()).unwrap();
        let invoke = Loader::new(["invoke", "--timeout", "15"]).argument(&path).settings(settings.clone());
        invoke.run().succeeded().json()
    };
    let answer = invoke(&json!({ "bucket": BUCKET, "key": object }));
    assert_eq!((&answer["status"], &answer["totals"]["written"]), (&json!("partial"), &json!(0)), "{answer}");
    assert!(answer["objects"][0]["timings"]["paused_seconds"].as_f64() > Some(0.0), "{answer}");
    assert_balanced(std::slice::from_ref(&answer));
    site.moto.delete_object("energy-converters", "converters/control/pause");
    let answer = invoke(&answer["remaining"]);
    assert_eq!(answer["status"], "succeeded", "{answer}");
    assert_eq!(site.points(name), (3.0, 3.0));
}

#[test]
fn a_rate_lets_an_object_get_on_until_the_deadline_and_what_waits_is_left() {
    let site = Site::start();
    let name = "limited";
    site.moto.put_object(BUCKET, &key(name), rows(name, 600, 1.0).parquet(100));
    let directory = tempfile::tempdir().unwrap();
    // Six seconds in all, of which an invocation has two.
    let settings = site.settings().with("DEADLINE_MARGIN_SECONDS", "3").with("WRITE_RATE_POINTS", "100");
    let answers = go_on_to_the_end(json!({ "bucket": BUCKET, "key": key(name) }), &settings, directory.path());
    let (last, before) = statuses(&answers).split_last().map(|(last, before)| (*last, before.to_vec())).unwrap();
    assert_eq!(last, "succeeded");
    assert!(!before.is_empty() && before.iter().all(|status| *status == "partial"), "{before:?}");
    assert_balanced(&answers);
    assert!(answers[0]["objects"][0]["timings"]["rate_limited_seconds"].as_f64() > Some(0.0), "{}", answers[0]);
    assert_eq!(site.points(name), (600.0, 600.0));
}

#[test]
fn a_time_limit_below_the_margin_is_an_error_at_the_start_that_names_both() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("event.json");
    fs::write(&path, json!({ "bucket": BUCKET, "key": "dataset=consumption/a.parquet" }).to_string()).unwrap();
    // Nothing is asked of anybody: there is no server at all.
    let settings = Settings::default().with("INFLUXDB_URL", "http://127.0.0.1:1").with("DEADLINE_MARGIN_SECONDS", "10");
    let invoke = Loader::new(["invoke", "--timeout", "5"]).argument(&path).settings(settings).run();
    assert_eq!((invoke.code, invoke.stdout.as_str()), (Some(1), ""), "{invoke}");
    assert!(
        invoke.stderr.contains("the time limit, 5 s, is not longer than `DEADLINE_MARGIN_SECONDS`, 10 s"),
        "{invoke}"
    );
}

#[test]
fn messages_that_the_time_did_not_suffice_for_come_again() {
    let site = Site::start();
    let server = slow(&site.influxdb);
    let bodies: Vec<Value> =
        (10..30).map(|number| json!({ "bucket": BUCKET, "key": site.put(&format!("message-{number}")) })).collect();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("event.json");
    fs::write(&path, super::forms::sqs(&bodies).to_string()).unwrap();
    let invoke = Loader::new(["invoke", "--timeout", "5"]).argument(&path).settings(settings(&site, &server));
    let answer = invoke.run().succeeded().json();
    let failures = answer["batchItemFailures"].as_array().unwrap();
    assert!((1..20).contains(&failures.len()), "{answer}");
    // Those that are not redelivered are loaded.
    for number in 0..20 {
        if !failures.contains(&json!({ "itemIdentifier": format!("message-{number}") })) {
            assert_eq!(site.points(&format!("message-{}", number + 10)), (3.0, 3.0));
        }
    }
    assert!(site.influxdb.number(DATABASE, "count(power_mw)", "consumption_data") > 0.0);
}
