//! Versions of one object: whatever order events come in, the values of the newest stay.

use influxdb_loader_tests::{Function, Versitygw};
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
    // Told in the order of the event, and each of them once.
    let versions: Vec<_> = answer["objects"].as_array().unwrap().iter().map(|object| &object["version_id"]).collect();
    assert_eq!(versions, [&new, &old]);

    // In one batch of messages.
    let (key, [old, new]) = two_versions(&s3, "one-batch");
    let message =
        |version: &str, sequencer: &str| forms::event_bridge(&Told { key: &key, version: Some(version), sequencer });
    let answer = load(&forms::sqs(&[message(&new, "00B1"), message(&old, "00A1"), message(&new, "00B1")]));
    assert_eq!((site.points("one-batch"), answer), (newest, json!({ "batchItemFailures": [] })));

    // In two events, of which the one about the newest comes first: the older one loads it once more.
    let (key, [old, new]) = two_versions(&s3, "two-events");
    load(&forms::s3(&[Told { key: &key, version: Some(&new), sequencer: "00B1" }]));
    let answer = load(&forms::s3(&[Told { key: &key, version: Some(&old), sequencer: "00A1" }]));
    let versions: Vec<_> = answer["objects"].as_array().unwrap().iter().map(|object| &object["version_id"]).collect();
    assert_eq!(versions, [&old, &new]);
    assert_eq!(site.points("two-events"), newest);

    // Whoever asks for a version gets that one.
    load(&json!({ "bucket": BUCKET, "key": key, "version_id": old }));
    assert_eq!(site.points("two-events"), (3.0, 3.0));
}
