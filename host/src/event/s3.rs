//! S3's own notifications, sent straight to the function.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::node::Node;
use super::{Asked, Broken, Caller, Form, ObjectReference, Problem, object};

/// The notification of one or more changes. Keys are URL-encoded, a space as `+`.
pub(super) const NOTIFICATION: Form = Form {
    name: "S3 notification",
    example: r#"{"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": {…}}]}"#,
    caller: Caller::S3,
    matches: is_notification,
    read: notification,
};

/// What S3 sends when notifications are set up.
pub(super) const TEST: Form = Form {
    name: "S3 test event",
    example: r#"{"Service": "Amazon S3", "Event": "s3:TestEvent", …}"#,
    caller: Caller::S3,
    matches: |payload| payload.get("Event").and_then(Value::as_str) == Some("s3:TestEvent"),
    read: |_| Ok(Asked::Load { objects: Vec::new(), skipped: 0 }),
};

const SOURCE: &str = "aws:s3";

/// The first record decides: lists of records also come from other services.
fn is_notification(payload: &Map<String, Value>) -> bool {
    let first = payload.get("Records").and_then(|records| records.get(0));
    first.is_some_and(|record| {
        record.get("eventSource").and_then(Value::as_str) == Some(SOURCE) || record.get("s3").is_some()
    })
}

fn notification(payload: &Node<'_>) -> Result<Asked, Broken> {
    let (mut objects, mut skipped) = (Vec::new(), 0);
    for record in payload.member("Records").elements()? {
        let record = record.object()?;
        let source = record.member("eventSource");
        if source.optional_text()?.is_some_and(|source| source != SOURCE) {
            return Err(source.broken(Problem::Source { expected: SOURCE }));
        }
        // Older forms of the event have the name with the prefix.
        let name = record.member("eventName").text()?;
        if name.strip_prefix("s3:").unwrap_or(name).starts_with("ObjectCreated:") {
            objects.push(created(&record.member("s3").object()?)?);
        } else {
            skipped += 1;
        }
    }
    Ok(Asked::Load { objects: in_order(objects), skipped })
}

/// Each state of an object once, and those of one key in the order in which they came to be, so that the newest is the last
/// to be written: S3 may tell of them twice, and in any order. Keys stay in the order of the event.
///
/// Sequencers of one key are hexadecimal numbers of which the shorter is padded with zeros on its right.
fn in_order(objects: Vec<ObjectReference>) -> Vec<ObjectReference> {
    let mut by_key: Vec<Vec<ObjectReference>> = Vec::new();
    let mut places: HashMap<(String, String), usize> = HashMap::new();
    let mut seen = HashSet::new();
    for object in objects {
        if !seen.insert(object.clone()) {
            continue;
        }
        let place = *places.entry((object.bucket.clone(), object.key.clone())).or_insert(by_key.len());
        match by_key.get_mut(place) {
            Some(objects) => objects.push(object),
            None => by_key.push(vec![object]),
        }
    }
    for objects in &mut by_key {
        let length = |object: &ObjectReference| object.sequencer.as_deref().map_or(0, str::len);
        let longest = objects.iter().map(length).max().unwrap_or(0);
        objects.sort_by_cached_key(|object| {
            format!("{:0<longest$}", object.sequencer.as_deref().unwrap_or_default().to_ascii_lowercase())
        });
    }
    by_key.into_iter().flatten().collect()
}

/// The object of a record, from its member `s3`.
fn created(s3: &Node<'_>) -> Result<ObjectReference, Broken> {
    let bucket = s3.member("bucket").object()?;
    let object = s3.member("object").object()?;
    let encoded = object.member("key");
    let key = decode(encoded.text()?).map_err(|problem| encoded.broken(problem))?;
    Ok(ObjectReference {
        bucket: object::bucket(&bucket.member("name"))?,
        key: object::key(&encoded, &key)?,
        version_id: object::token(&object.member("versionId"))?,
        etag: object::token(&object.member("eTag"))?.map(|tag| tag.trim_matches('"').to_owned()),
        size: object.member("size").optional_unsigned()?,
        if_match: None,
        row_groups: None,
        sequencer: object::token(&object.member("sequencer"))?,
        dataset: None,
    })
}

/// Undoes URL encoding. A `%` that starts no escape is refused: it would name another object than S3 meant.
fn decode(encoded: &str) -> Result<String, Problem> {
    let is_escape =
        |escape: Option<&str>| escape.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    for (position, _) in encoded.match_indices('%') {
        if !is_escape(encoded.get(position + 1..position + 3)) {
            return Err(Problem::NotUrlEncoded { position });
        }
    }
    let spaced: Cow<'_, str> = if encoded.contains('+') { encoded.replace('+', " ").into() } else { encoded.into() };
    let decoded = percent_encoding::percent_decode_str(&spaced).decode_utf8().map_err(Problem::NotUtf8)?;
    Ok(decoded.into_owned())
}
