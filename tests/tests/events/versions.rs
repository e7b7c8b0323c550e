//! Versions of one object: whatever order events come in, the values of the newest stay.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Once, OnceLock};

use influxdb_loader_tests::{Function, Request, Responder, Response, Versitygw, request};
use serde_json::{Value, json};

use super::forms::{self, Told};
use super::{BUCKET, Site, key, rows};

/// An object with two versions, whose values are 1 and 2. Returns its key and the versions.
fn two_versions(s3: &Versitygw, name: &str) -> (String, [String; 2]) {
    let key = key(name);
    let versions = [1.0, 2.0].map(|value| s3.put_version(BUCKET, &key, rows(name, 3, value).parquet(3)));
    (key, versions)
}

#[test]
fn the_values_of_the_newest_version_stay_in_whatever_order_versions_are_told_of() {
    let (site, s3) = (Site::start(), Versitygw::start());
    s3.create_bucket(BUCKET);
    s3.keep_versions(BUCKET);
    let function = Function::start(site.settings().and(s3.settings()));
    let load = |event: &Value| {
        let loaded = function.invoke(event);
        assert!(!loaded.failed, "{}\n{}", loaded.answer, function.log());
        loaded.answer
    };
    let newest = (3.0, 6.0);

    // In one event, the newest first.
    let (key, [old, new]) = two_versions(&s3, "one-event");
    let states = [
        Told { key: &key, version: Some(&new), sequencer: "00B1" },
        Told { key: &key, version: Some(&old), sequencer: "00A1" },
    ];
    let answer = load(&forms::s3(&states));
    assert_eq!(site.points("one-event"), newest);
    // The newest is loaded, once for both.
    let versions: Vec<_> = answer["objects"].as_array().unwrap().iter().map(|object| &object["version_id"]).collect();
    assert_eq!(versions, [&new]);

    // In one batch of messages.
    let (key, [old, new]) = two_versions(&s3, "one-batch");
    let message =
        |version: &str, sequencer: &str| forms::event_bridge(&Told { key: &key, version: Some(version), sequencer });
    let answer = load(&forms::sqs(&[message(&new, "00B1"), message(&old, "00A1"), message(&new, "00B1")]));
    assert_eq!((site.points("one-batch"), answer), (newest, json!({ "batchItemFailures": [] })));

    // In two events, of which the one about the newest comes first: the older one loads the newest, too.
    let (key, [old, new]) = two_versions(&s3, "two-events");
    load(&forms::s3(&[Told { key: &key, version: Some(&new), sequencer: "00B1" }]));
    let answer = load(&forms::s3(&[Told { key: &key, version: Some(&old), sequencer: "00A1" }]));
    let versions: Vec<_> = answer["objects"].as_array().unwrap().iter().map(|object| &object["version_id"]).collect();
    assert_eq!(versions, [&new]);
    assert_eq!(site.points("two-events"), newest);

    // Whoever asks for a version gets that one.
    load(&json!({ "bucket": BUCKET, "key": key, "version_id": old }));
    assert_eq!(site.points("two-events"), (3.0, 3.0));
}

/// A server that replaces an object, once, when the first points of it arrive.
fn replacing(site: &Site, replace: impl Fn() + Send + Sync + 'static) -> Responder {
    let (port, once) = (site.influxdb.port(), Once::new());
    Responder::start(move |received| {
        if received.target.starts_with(WRITE) {
            once.call_once(&replace);
        }
        forwarded(port, received)
    })
}

/// What requests begin with that write points.
const WRITE: &str = "/api/v2/write";

/// What the server behind answers.
fn forwarded(port: u16, received: &Request) -> Response {
    let mut forwarded = received.clone();
    forwarded.headers.retain(|name, _| !["host", "content-length", "connection"].contains(&name.as_str()));
    let Response { status, body, mut headers } = request(port, &forwarded).unwrap();
    headers.retain(|name, _| name.starts_with("x-influxdb"));
    Response { status, headers, body }
}

/// S3 with an object of several batches, whose values are 1. Returns it, the key and the version.
fn long_object(name: &str) -> (Versitygw, String, String) {
    let s3 = Versitygw::start();
    s3.create_bucket(BUCKET);
    s3.keep_versions(BUCKET);
    let key = key(name);
    let version = s3.put_version(BUCKET, &key, rows(name, BATCHES, 1.0).parquet(1));
    (s3, key, version)
}

/// The batches of that object, of a row each.
const BATCHES: usize = 6;

/// What there is of an object in InfluxDB when all of its values are 2.
const ALL_NEW: (f64, f64) = (BATCHES as f64, 2.0 * BATCHES as f64);

fn replace(s3: &Versitygw, key: &str, name: &str) -> String {
    s3.put_version(BUCKET, key, rows(name, BATCHES, 2.0).parquet(1))
}

fn told(key: &str, version: &str, sequencer: &str) -> Value {
    forms::s3(&[Told { key, version: Some(version), sequencer }])
}

#[test]
fn an_old_version_that_failed_in_the_middle_and_is_redelivered_leaves_no_old_value() {
    let site = Site::start();
    let (s3, key, old) = long_object("redelivered");
    let (port, writes) = (site.influxdb.port(), Arc::new(AtomicUsize::new(0)));
    // In its first load, the third batch and those after it are refused, as by a token that is no longer valid.
    let server = Responder::start({
        let writes = Arc::clone(&writes);
        move |received| {
            let write = received.target.starts_with(WRITE).then(|| writes.fetch_add(1, Ordering::SeqCst));
            match write {
                Some(2..) if writes.load(Ordering::SeqCst) < FORWARD => Response::new(403, "{}"),
                _ => forwarded(port, received),
            }
        }
    });
    let settings = site.settings().and(s3.settings()).with("MAX_BATCH_SIZE", "1").with("WRITE_CONCURRENCY", "1");
    let function = Function::start(settings.with("INFLUXDB_URL", server.url()));
    assert!(function.invoke(&told(&key, &old, "00A1")).failed, "{}", function.log());
    assert_eq!(site.points("redelivered"), (2.0, 2.0), "the first two batches of the old version");
    writes.store(FORWARD, Ordering::SeqCst);

    let new = replace(&s3, &key, "redelivered");
    let loaded = function.invoke(&told(&key, &new, "00B1"));
    assert!(!loaded.failed, "{}\n{}", loaded.answer, function.log());
    assert_eq!(site.points("redelivered"), ALL_NEW);

    let redelivered = function.invoke(&told(&key, &old, "00A1"));
    assert!(!redelivered.failed, "{}\n{}", redelivered.answer, function.log());
    assert_eq!(redelivered.answer["objects"][0]["version_id"], new, "{}", redelivered.answer);
    assert_eq!(site.points("redelivered"), ALL_NEW);
}

/// So many writes stand for all of them: from here on nothing is refused.
const FORWARD: usize = 1_000_000;

#[test]
fn of_two_processes_at_one_object_the_slower_one_ends_with_the_newest_version() {
    let site = Site::start();
    let (s3, key, old) = long_object("raced");
    let port = site.influxdb.port();
    let settings = site.settings().and(s3.settings()).with("MAX_BATCH_SIZE", "1").with("WRITE_CONCURRENCY", "1");
    let quick = Function::start(settings.clone());
    // Before the third batch of the slow process is written, another process loads another version to its end.
    let (writes, other) = (AtomicUsize::new(0), Arc::new(OnceLock::new()));
    let server = Responder::start({
        let (key, other) = (key.clone(), Arc::clone(&other));
        move |received| {
            if received.target.starts_with(WRITE) && writes.fetch_add(1, Ordering::SeqCst) == 2 {
                let new = replace(&s3, &key, "raced");
                other.set(quick.invoke(&told(&key, &new, "00B1"))).unwrap();
            }
            forwarded(port, received)
        }
    });
    // However long the other one takes on a busy machine, the write that waits for it is not given up.
    let settings = settings.with("REQUEST_TIMEOUT_SECONDS", "300");
    let slow = Function::start(settings.with("INFLUXDB_URL", server.url()));
    let loaded = slow.invoke(&told(&key, &old, "00A1"));
    assert!(!loaded.failed, "{}\n{}", loaded.answer, slow.log());
    assert!(slow.log().contains("replaced meanwhile"), "{}", slow.log());
    let other = other.get().unwrap();
    assert!(!other.failed, "{}", other.answer);
    assert_eq!(site.points("raced"), ALL_NEW);
}

#[test]
fn what_is_left_of_an_object_that_was_replaced_is_loaded_as_the_newest_version() {
    let site = Site::start();
    let (s3, key, _) = long_object("left");
    let etag = |s3: &Versitygw| {
        let headers = s3.send(Request::new("GET", &format!("/{BUCKET}/{key}"))).headers;
        headers["etag"].trim_matches('"').to_owned()
    };
    let rest = |etag: &str| json!({ "bucket": BUCKET, "key": key, "etag": etag, "row_groups": [3, BATCHES] });
    let old = etag(&s3);
    let s3 = Arc::new(s3);
    // While the rest of the old version is loaded, the object is replaced; what another process makes of that does not matter.
    let server = replacing(&site, {
        let (s3, key) = (Arc::clone(&s3), key.clone());
        move || drop(replace(&s3, &key, "left"))
    });
    let function = Function::start(site.settings().and(s3.settings()).with("INFLUXDB_URL", server.url()));
    let loaded = function.invoke(&rest(&old));
    assert!(!loaded.failed, "{}\n{}", loaded.answer, function.log());
    assert_eq!(site.points("left"), ALL_NEW);

    // What is left of a version that is no longer the newest.
    let loaded = function.invoke(&rest(&old));
    assert!(!loaded.failed, "{}\n{}", loaded.answer, function.log());
    assert_eq!((loaded.answer["totals"]["points"].as_u64(), site.points("left")), (Some(BATCHES as u64), ALL_NEW));
    // Of the newest one, exactly what is left is loaded.
    let loaded = function.invoke(&rest(&etag(&s3)));
    assert_eq!(loaded.answer["totals"]["points"], BATCHES - 3, "{}", loaded.answer);
}

#[test]
fn a_version_that_comes_while_another_is_loaded_has_the_last_word() {
    let (site, s3) = (Site::start(), Arc::new(Versitygw::start()));
    s3.create_bucket(BUCKET);
    s3.keep_versions(BUCKET);
    let key = key("meanwhile");
    let old = s3.put_version(BUCKET, &key, rows("meanwhile", 3, 1.0).parquet(3));
    let server = replacing(&site, {
        let (s3, key) = (Arc::clone(&s3), key.clone());
        move || drop(s3.put_version(BUCKET, &key, rows("meanwhile", 3, 2.0).parquet(3)))
    });
    let function = Function::start(site.settings().and(s3.settings()).with("INFLUXDB_URL", server.url()));
    let told = [Told { key: &key, version: Some(&old), sequencer: "00A1" }];
    let loaded = function.invoke(&forms::s3(&told));
    assert!(!loaded.failed, "{}\n{}", loaded.answer, function.log());
    assert_eq!(site.points("meanwhile"), (3.0, 6.0), "{}", function.log());

    // Deleted: there is nothing to load, and nothing to try again.
    s3.delete_object(BUCKET, &key);
    let skipped = function.invoke(&forms::s3(&told));
    assert_eq!((skipped.failed, &skipped.answer["skipped"]), (false, &json!(1)), "{}", skipped.answer);
    let log = function.log();
    assert!(log.contains("the notification is skipped"), "{log}");
}

#[test]
fn an_object_without_versions_that_is_replaced_while_it_is_loaded_is_loaded_again() {
    let site = Site::start();
    let key = site.put("replaced");
    let s3 = *site.moto;
    let server = replacing(&site, {
        let key = key.clone();
        move || s3.put_object(BUCKET, &key, rows("replaced", 3, 2.0).parquet(3))
    });
    let function = Function::start(site.settings().with("INFLUXDB_URL", server.url()));
    for event in [forms::s3(&[Told::new(&key)]), forms::direct(&key)] {
        let loaded = function.invoke(&event);
        assert!(!loaded.failed, "{}\n{}", loaded.answer, function.log());
        assert_eq!(site.points("replaced"), (3.0, 6.0), "{}", function.log());
    }
}
