#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails has to say so")]

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Asked, Caller, Event, EventError, MAXIMUM_PAYLOAD_BYTES, ObjectReference, parse, read};

/// The payloads of a folder of fixtures, by name.
fn payloads(folder: &str) -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/events").join(folder);
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.is_file())
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), std::fs::read(&path).unwrap()))
        .collect()
}

/// What is wrong and why, without the list of forms.
fn story(error: &EventError) -> String {
    let mut story = error.to_string().lines().next().unwrap().to_owned();
    let mut next = error.source();
    while let Some(error) = next {
        let _ = write!(story, ": {error}");
        next = error.source();
    }
    story
}

/// The objects that an event asks to be loaded.
fn objects(event: Event) -> Vec<ObjectReference> {
    match event.asked {
        Asked::Load { objects, .. } => objects,
        Asked::Health { .. } => panic!("a health check"),
    }
}

/// A notification of one created object with this key, as S3 would encode it.
fn notification(encoded_key: &str) -> Value {
    json!({"Records": [{
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": "ons-energy-data"}, "object": {"key": encoded_key}},
    }]})
}

#[test]
fn every_form_of_event_gives_its_objects_and_its_caller() {
    let mut table = String::new();
    for (name, payload) in payloads("") {
        let Event { caller, asked } = parse(&payload).unwrap_or_else(|error| panic!("{name}: {error}"));
        let (objects, skipped) = match asked {
            Asked::Load { objects, skipped } => (objects, skipped),
            Asked::Health { deep } => {
                let _ = writeln!(table, "{name}: {caller:?}, health, deep: {deep}");
                continue;
            }
        };
        let _ = writeln!(table, "{name}: {caller:?}, skipped {skipped}");
        for object in objects {
            let _ = write!(table, "  {object}");
            let details = [
                ("version", object.version_id),
                ("etag", object.etag),
                ("size", object.size.map(|size| size.to_string())),
                ("sequencer", object.sequencer),
                ("dataset", object.dataset),
                ("if-match", object.if_match),
                ("row-groups", object.row_groups.map(|range| format!("{range:?}"))),
            ];
            for (name, value) in details {
                let _ = value.map_or(Ok(()), |value| write!(table, " {name}={value}"));
            }
            table.push('\n');
        }
    }
    insta::assert_snapshot!(table, @"
    api-gateway-http: ApiGateway, skipped 0
      s3://ons-energy-data/dataset=generation/2024-03-01.parquet
    api-gateway-http-base64: ApiGateway, skipped 0
      s3://ons-energy-data/dataset=generation/2024-03-01.parquet
    api-gateway-rest: ApiGateway, skipped 0
      s3://ons-energy-data/dataset=generation/2024-03-01.parquet
    api-gateway-rest-base64: ApiGateway, skipped 0
      s3://ons-energy-data/dataset=generation/2024-03-01.parquet
    direct: Direct, skipped 0
      s3://ons-energy-data/dataset=generation/year=2024/load + losses 100%.parquet
    function-url: ApiGateway, skipped 0
      s3://ons-energy-data/dataset=generation/2024-03-01.parquet
    health: Direct, health, deep: false
    health-deep: Direct, health, deep: true
    s3-encoded-key: S3, skipped 0
      s3://ons-energy-data/dataset=consumption/region=São Paulo/load + losses 100%.parquet etag=d41d8cd98f00b204e9800998ecf8427e size=1840312 sequencer=0055AED6DCD90281E5
    s3-least: S3, skipped 0
      s3://ons-energy-data/generation/2024-03-01.parquet
    s3-many-records: S3, skipped 1
      s3://ons-energy-data/generation/2024-03-01.parquet etag=d41d8cd98f00b204e9800998ecf8427e size=1840312 sequencer=0055AED6DCD90281E5
      s3://ons-energy-data/generation/2024-03-02.parquet etag=d41d8cd98f00b204e9800998ecf8427e size=1840312 sequencer=0055AED6DCD90281E5
    s3-multipart-versioned: S3, skipped 0
      s3://ons-energy-data/transmission/lines-2024-03.parquet version=096fKKXTRTtl3on89fVO.nfljtsv6qko etag=8d8a1d3c7b0c6d52f0d8b1c0f4a3f6a1-9 size=73400320 sequencer=0055AED6DCD90281E5
    s3-put: S3, skipped 0
      s3://ons-energy-data/dataset=generation/year=2024/month=03/day=01/part-00000.parquet etag=d41d8cd98f00b204e9800998ecf8427e size=1840312 sequencer=0055AED6DCD90281E5
    s3-removals-alone: S3, skipped 1
    s3-test-event: S3, skipped 0
    step-functions: Direct, skipped 0
      s3://ons-energy-data/landing/2024-03-01.parquet version=096fKKXTRTtl3on89fVO.nfljtsv6qko dataset=generation
    step-functions-row-groups: Direct, skipped 0
      s3://ons-energy-data/landing/2024-03-01.parquet version=096fKKXTRTtl3on89fVO.nfljtsv6qko dataset=generation if-match=d41d8cd98f00b204e9800998ecf8427e row-groups=3..12
    ");
}

#[test]
fn a_broken_event_is_told_with_the_place() {
    let mut table = String::new();
    for (name, payload) in payloads("broken") {
        let error = parse(&payload).err().unwrap_or_else(|| panic!("{name} is read as if it were sound"));
        let _ = writeln!(table, "{name}: {:?}: {}", error.caller(), story(&error));
    }
    insta::assert_snapshot!(table, @r"
    action-unknown: Direct: the event is a broken action: `action` is no action: `dance`; known is `health`
    api-gateway-http-body-is-a-list: ApiGateway: the event is a broken API Gateway HTTP request: `body` is a list; expected an object
    api-gateway-http-body-not-base64: ApiGateway: the event is a broken API Gateway HTTP request: `body` is not base64, although `isBase64Encoded` is `true`: Invalid symbol 125, offset 76.
    api-gateway-http-body-not-json: ApiGateway: the event is a broken API Gateway HTTP request: `body` is not JSON: expected value at line 1 column 1
    api-gateway-http-body-without-key: ApiGateway: the event is a broken API Gateway HTTP request: `body.key` is missing
    api-gateway-rest-without-body: ApiGateway: the event is a broken API Gateway REST request: `body` is missing
    direct-bucket-is-a-url: Direct: the event is a broken direct invocation: `bucket` is no bucket's name: `s3://ons-energy-data`; allowed are 3 to 255 letters, digits, `.`, `-` and `_`
    direct-dataset-is-a-list: Direct: the event is a broken direct invocation: `dataset` is a list; expected a text
    direct-key-empty: Direct: the event is a broken direct invocation: `key` is empty
    direct-row-groups-empty: Direct: the event is a broken direct invocation: `row_groups` is no range of row groups; expected `[from, to]`, the first and the one after the last, such as `[0, 4]`
    direct-row-groups-negative: Direct: the event is a broken direct invocation: `row_groups[0]` is a number; expected a whole number from 0
    direct-row-groups-three: Direct: the event is a broken direct invocation: `row_groups` is no range of row groups; expected `[from, to]`, the first and the one after the last, such as `[0, 4]`
    direct-without-bucket: Direct: the event is a broken direct invocation: `bucket` is missing
    direct-without-key: Direct: the event is a broken direct invocation: `key` is missing
    s3-bucket-with-slash: S3: the event is a broken S3 notification: `Records[0].s3.bucket.name` is no bucket's name: `ons/../other\u{7}`; allowed are 3 to 255 letters, digits, `.`, `-` and `_`
    s3-is-a-list: S3: the event is a broken S3 notification: `Records[0].s3` is a list; expected an object
    s3-key-empty: S3: the event is a broken S3 notification: `Records[0].s3.object.key` is empty
    s3-key-is-a-number: S3: the event is a broken S3 notification: `Records[0].s3.object.key` is a number; expected a text
    s3-key-not-url-encoded: S3: the event is a broken S3 notification: `Records[0].s3.object.key` is not URL-encoded: the `%` at byte 8 is not followed by two hexadecimal digits
    s3-key-not-utf-8: S3: the event is a broken S3 notification: `Records[0].s3.object.key` does not decode to UTF-8: invalid utf-8 sequence of 1 bytes from index 4
    s3-key-too-long: S3: the event is a broken S3 notification: `Records[0].s3.object.key` is too long: 1026 bytes; at most 1024 are allowed
    s3-mixed-with-another-service: S3: the event is a broken S3 notification: `Records[1].eventSource` is another service than that of the first record; expected `aws:s3`
    s3-size-negative: S3: the event is a broken S3 notification: `Records[0].s3.object.size` is a number; expected a whole number from 0
    s3-third-record-without-key: S3: the event is a broken S3 notification: `Records[2].s3.object.key` is missing
    s3-version-with-newline: S3: the event is a broken S3 notification: `Records[0].s3.object.versionId` holds characters other than visible ASCII
    s3-without-event-name: S3: the event is a broken S3 notification: `Records[0].eventName` is missing
    unknown-load-balancer: Direct: the event has no known form; known are:
    unknown-no-records: Direct: the event has no known form; known are:
    unknown-nothing: Direct: the event has no known form; known are:
    unknown-scheduled: Direct: the event has no known form; known are:
    unknown-text: Direct: the event has no known form; known are:
    ");
}

#[test]
fn an_unknown_event_is_answered_with_the_known_forms() {
    insta::assert_snapshot!(read(&json!({"hello": "world"})).unwrap_err(), @r#"
    the event has no known form; known are:
      S3 notification: {"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": {…}}]}
      S3 test event: {"Service": "Amazon S3", "Event": "s3:TestEvent", …}
      API Gateway REST request: {"httpMethod": "POST", "requestContext": {…}, "body": "{\"bucket\": …, \"key\": …}"}
      API Gateway HTTP request: {"version": "2.0", "requestContext": {"http": {…}}, "body": "{\"bucket\": …, \"key\": …}"}
      action: {"action": "health"}, optionally with "deep": true
      direct invocation: {"bucket": "…", "key": "…"}, optionally with "version_id", "etag", "dataset" and "row_groups": [from, to]
    "#);
}

#[test]
fn bytes_that_are_not_json_are_refused() {
    insta::assert_snapshot!(story(&parse(b"{\"bucket\": ").unwrap_err()), @"the event is not JSON: EOF while parsing a value at line 1 column 11");
    insta::assert_snapshot!(story(&parse(b"\"\xff\"").unwrap_err()), @"the event is not JSON: invalid unicode code point at line 1 column 2");
}

#[test]
fn json_that_is_nested_without_end_is_refused() {
    insta::assert_snapshot!(story(&parse("[".repeat(MAXIMUM_PAYLOAD_BYTES).as_bytes()).unwrap_err()), @"the event is not JSON: recursion limit exceeded at line 1 column 128");
}

#[test]
fn a_payload_beyond_the_limit_of_lambda_is_refused_unread() {
    let error = parse(&vec![b' '; MAXIMUM_PAYLOAD_BYTES + 1]).unwrap_err();
    insta::assert_snapshot!(story(&error), @"the event is too large: 6291457 bytes; at most 6291456 are allowed");
}

#[test]
fn every_record_of_the_largest_notification_is_read() {
    let record = |number: usize| notification(&format!("{number:08}"))["Records"][0].clone();
    let count = (MAXIMUM_PAYLOAD_BYTES - 100) / (record(0).to_string().len() + 1);
    let payload = json!({"Records": (0..count).map(record).collect::<Vec<_>>()}).to_string();
    assert_eq!(objects(parse(payload.as_bytes()).unwrap()).len(), count);
}

#[test]
fn the_states_of_an_object_come_once_each_and_the_newest_last() {
    let record = |key: &str, sequencer: &str| {
        json!({
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:Put",
            "s3": {
                "bucket": {"name": "ons-energy-data"},
                "object": {"key": key, "sequencer": sequencer, "versionId": format!("of-{sequencer}")},
            },
        })
    };
    let records = [("b", "0B"), ("a", "0a5"), ("b", "0AF"), ("a", "0A4"), ("b", "0B"), ("a", "0A")];
    let records: Vec<Value> = records.iter().map(|(key, sequencer)| record(key, sequencer)).collect();
    let told: Vec<String> = objects(read(&json!({ "Records": records })).unwrap())
        .iter()
        .map(|object| format!("{} {}", object.key, object.sequencer.as_deref().unwrap()))
        .collect();
    assert_eq!(told, ["b 0AF", "b 0B", "a 0A", "a 0A4", "a 0a5"]);
}

#[test]
fn a_key_of_1024_bytes_is_taken_and_one_of_1025_is_not() {
    let longest = "k".repeat(1024);
    assert_eq!(objects(read(&notification(&longest)).unwrap())[0].key, longest);
    assert!(read(&notification(&format!("{longest}k"))).is_err());
}

#[test]
fn what_matches_no_form_counts_as_a_direct_invocation() {
    assert_eq!(read(&json!([])).unwrap_err().caller(), Caller::Direct);
}

proptest! {
    #[test]
    fn any_key_survives_the_encoding_of_a_notification(key in "\\PC{1,256}") {
        // As S3 encodes: a space as `+`, and everything but a few characters as escapes of UTF-8.
        let encoded: String = key.bytes().map(|byte| match byte {
            b' ' => "+".to_owned(),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' | b'/' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        }).collect();
        prop_assert_eq!(&objects(read(&notification(&encoded)).unwrap())[0].key, &key);
    }

    #[test]
    fn any_key_of_a_direct_invocation_is_taken_as_it_is(key in "\\PC{1,256}") {
        let event = read(&json!({"bucket": "ons-energy-data", "key": key})).unwrap();
        prop_assert_eq!(&objects(event)[0].key, &key);
    }

    #[test]
    fn a_request_is_read_alike_with_and_without_base64(key in "\\PC{1,256}") {
        use base64::Engine as _;
        let body = json!({"bucket": "ons-energy-data", "key": key}).to_string();
        let request = |body: String, encoded: bool| {
            read(&json!({"requestContext": {"http": {}}, "body": body, "isBase64Encoded": encoded})).unwrap()
        };
        let plain = request(body.clone(), false);
        prop_assert_eq!(&objects(plain.clone())[0].key, &key);
        prop_assert_eq!(plain, request(base64::prelude::BASE64_STANDARD.encode(body), true));
    }

    #[test]
    fn a_fixture_with_any_value_replaced_is_read_or_refused_but_never_panics(
        fixture in 0_usize..100,
        place in any::<prop::sample::Index>(),
        value in prop_oneof![
            Just(json!(null)), Just(json!(true)), Just(json!(-1)), Just(json!(1e300)), Just(json!([])), Just(json!({})),
            Just(json!("")), Just(json!("%")), Just(json!("%é")), Just(json!("\u{0}")), Just(json!([[{}]])),
        ],
    ) {
        let payloads: Vec<Vec<u8>> = payloads("").into_values().collect();
        let mut payload: Value = serde_json::from_slice(&payloads[fixture % payloads.len()]).unwrap();
        let mut pointers = Vec::new();
        pointers_of(&payload, String::new(), &mut pointers);
        *payload.pointer_mut(&pointers[place.index(pointers.len())]).unwrap() = value;
        if let Err(error) = read(&payload) {
            prop_assert!(!story(&error).is_empty());
        }
    }
}

/// The JSON pointer of every value, the payload itself among them.
fn pointers_of(value: &Value, pointer: String, pointers: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                pointers_of(value, format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1")), pointers);
            }
        }
        Value::Array(elements) => {
            for (index, value) in elements.iter().enumerate() {
                pointers_of(value, format!("{pointer}/{index}"), pointers);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    pointers.push(pointer);
}
