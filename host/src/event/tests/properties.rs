//! What holds for any event.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{notification, objects, payloads, story};
use crate::event::{Asked, Item, Load, ObjectReference, Prefix, Target, data_file, read};

proptest! {
    #[test]
    fn any_key_survives_the_encoding_of_a_notification(key in "\\PC{1,256}") {
        prop_assume!(!data_file::is_hidden_object(&key, "", None));
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
        let plain = objects(request(body.clone(), false));
        prop_assert_eq!(&plain[0].key, &key);
        prop_assert_eq!(plain, objects(request(base64::prelude::BASE64_STANDARD.encode(body), true)));
    }

    /// What is left of a load is an event, so that what is written is read as what it was.
    #[test]
    fn what_is_to_be_loaded_survives_being_written_and_read(targets in prop::collection::vec(target(), 0..4)) {
        let list = json!({ "objects": targets });
        prop_assert_eq!(&asked(&list), &targets);
        if let [target] = &targets[..] {
            prop_assert_eq!(&asked(&json!(target)), &targets);
        }
    }

    #[test]
    fn a_message_asks_for_the_same_with_and_without_the_envelope_of_sns(key in "\\PC{1,256}") {
        let plain = json!({ "bucket": "ons-energy-data", "key": key }).to_string();
        let envelope = json!({ "Type": "Notification", "Message": plain }).to_string();
        let record = |body: String| json!({ "eventSource": "aws:sqs", "messageId": "m", "body": body });
        let queue = json!({ "Records": [record(plain), record(envelope)] });
        let Asked::Each(items) = read(&queue).unwrap().asked else { panic!("no items") };
        let expected = Load { targets: vec![Target::Object(ObjectReference::new("ons-energy-data", key))], skipped: 0 };
        prop_assert_eq!(items.len(), 2);
        for Item { load, .. } in items {
            prop_assert_eq!(load.unwrap(), expected.clone());
        }
    }

    #[test]
    fn a_fixture_with_any_value_replaced_is_read_or_refused_but_never_panics(
        fixture in 0_usize..100,
        place in any::<prop::sample::Index>(),
        value in value(),
    ) {
        let payloads: Vec<Vec<u8>> = payloads("").into_values().collect();
        let mut payload: Value = serde_json::from_slice(&payloads[fixture % payloads.len()]).unwrap();
        replace(&mut payload, place, value);
        match read(&payload).map(|event| event.asked) {
            Err(error) => prop_assert!(!story(&error).is_empty()),
            Ok(Asked::Each(items)) => {
                for broken in items.iter().filter_map(|item| item.load.as_ref().err()) {
                    prop_assert!(!story(broken).is_empty());
                }
            }
            Ok(Asked::Load(_) | Asked::Health { .. } | Asked::Summarize(_) | Asked::Verify(_)) => {}
        }
    }

    /// The texts in which messages carry events are replaced as well as values.
    #[test]
    fn a_message_with_any_value_replaced_is_read_or_refused_but_never_panics(
        fixture in 0_usize..100,
        place in any::<prop::sample::Index>(),
        value in value(),
    ) {
        let carried: Vec<Value> = payloads("").into_values().map(|payload| serde_json::from_slice(&payload).unwrap()).collect();
        let mut carried = carried[fixture % carried.len()].clone();
        replace(&mut carried, place, value);
        let in_sns = json!({ "Type": "Notification", "Message": carried.to_string() });
        let record = |body: &Value| json!({ "eventSource": "aws:sqs", "messageId": "m", "body": body.to_string() });
        let queue = json!({ "Records": [record(&carried), record(&in_sns)] });
        let Asked::Each(items) = read(&queue).unwrap().asked else { panic!("no items") };
        prop_assert_eq!(items.len(), 2);
        let topic = json!({ "Records": [{ "EventSource": "aws:sns", "Sns": { "Message": carried.to_string() } }] });
        if let Err(error) = read(&topic) {
            prop_assert!(!story(&error).is_empty());
        }
    }
}

/// What stands in the place of a value.
fn value() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!(null),
        json!(true),
        json!(-1),
        json!(1e300),
        json!([]),
        json!({}),
        json!(""),
        json!("%"),
        json!("%é"),
        json!("\u{0}"),
        json!("{}"),
        json!([[{}]]),
    ])
}

fn replace(payload: &mut Value, place: prop::sample::Index, value: Value) {
    let mut pointers = Vec::new();
    pointers_of(payload, String::new(), &mut pointers);
    *payload.pointer_mut(&pointers[place.index(pointers.len())]).unwrap() = value;
}

/// Anything that may be asked for in our own words.
fn target() -> impl Strategy<Value = Target> {
    let text = || prop::option::of("[!-~]{1,20}");
    let (digest, groups) = (prop::option::of("[0-9a-f]{64}"), prop::option::of((0..9_usize, 1..9_usize)));
    let object = ("[a-z0-9.-]{3,63}", "\\PC{1,64}", text(), text(), text(), digest, groups, any::<bool>());
    let object = object.prop_map(|(bucket, key, version_id, tag, dataset, converter_digest, groups, skip_loaded)| {
        Target::Object(ObjectReference {
            version_id,
            if_match: tag.map(|tag| tag.replace('"', "-")),
            converter_digest,
            dataset,
            skip_loaded,
            row_groups: groups.map(|(from, count)| from..from + count),
            ..ObjectReference::new(bucket, key)
        })
    });
    let prefix = ("[a-z0-9.-]{3,63}", "\\PC{0,64}", prop::option::of("\\PC{0,64}"), text(), any::<bool>());
    let prefix = prefix.prop_map(|(bucket, prefix, start_after, dataset, skip_loaded)| {
        Target::Prefix(Prefix { bucket, prefix, start_after, dataset, skip_loaded })
    });
    prop_oneof![object, prefix]
}

/// What an event asks to be loaded.
fn asked(event: &Value) -> Vec<Target> {
    match read(event).unwrap().asked {
        Asked::Load(load) => load.targets,
        other => panic!("not one load: {other:?}"),
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
