//! Versions of one object: whatever order events come in, the values of the newest stay.

use std::sync::{Arc, Once};

use influxdb_loader_tests::{Function, Responder, Response, Versitygw, request};
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
        if received.target.starts_with("/api/v2/write") {
            once.call_once(&replace);
        }
        let mut forwarded = received.clone();
        forwarded.headers.retain(|name, _| !["host", "content-length", "connection"].contains(&name.as_str()));
        let Response { status, body, mut headers } = request(port, &forwarded).unwrap();
        headers.retain(|name, _| name.starts_with("x-influxdb"));
        Response { status, headers, body }
    })
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
