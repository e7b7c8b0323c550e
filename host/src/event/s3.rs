//! S3's own notifications, sent straight to the function.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::node::Node;
use super::{Asked, Broken, Caller, Form, Load, ObjectReference, Problem, object};

/// The notification of one or more changes. Keys are URL-encoded, a space as `+`.
pub(super) const NOTIFICATION: Form = Form {
    name: "S3 notification",
    example: r#"{"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": {…}}]}"#,
    caller: |_| Caller::Asynchronous,
    matches: is_notification,
    read: |payload| notification(payload).map(Asked::Load),
};

/// What S3 sends when notifications are set up.
pub(super) const TEST: Form = Form {
    name: "S3 test event",
    example: r#"{"Service": "Amazon S3", "Event": "s3:TestEvent", …}"#,
    caller: |_| Caller::Asynchronous,
    matches: |payload| payload.get("Event").and_then(Value::as_str) == Some("s3:TestEvent"),
    read: |payload| test(payload).map(Asked::Load),
};

const SOURCE: &str = "aws:s3";

/// The first record decides: lists of records also come from other services.
fn is_notification(payload: &Map<String, Value>) -> bool {
    let first = payload.get("Records").and_then(|records| records.get(0));
    first.is_some_and(|record| {
        record.get("eventSource").and_then(Value::as_str) == Some(SOURCE) || record.get("s3").is_some()
    })
}

/// Names nothing, and is no error.
pub(super) fn test(_: &Node<'_>) -> Result<Load, Broken> {
    Ok(Load::default())
}

pub(super) fn notification(payload: &Node<'_>) -> Result<Load, Broken> {
    let mut load = Load::default();
    for record in payload.member("Records").elements()? {
        let record = record.object()?;
        let source = record.member("eventSource");
        if source.optional_text()?.is_some_and(|source| source != SOURCE) {
            return Err(source.broken(Problem::Source { expected: SOURCE }));
        }
        // Older forms of the event have the name with the prefix.
        let name = record.member("eventName").text()?;
        if name.strip_prefix("s3:").unwrap_or(name).starts_with("ObjectCreated:") {
            load.add(Load::notified(created(&record.member("s3").object()?)?));
        } else {
            load.skipped += 1;
        }
    }
    Ok(load)
}

/// The object of a record, from its member `s3`.
fn created(s3: &Node<'_>) -> Result<ObjectReference, Broken> {
    let bucket = s3.member("bucket").object()?;
    let object = s3.member("object").object()?;
    let bucket = object::bucket(&bucket.member("name"))?;
    Ok(ObjectReference {
        version_id: object::token(&object.member("versionId"))?,
        etag: object::entity_tag(&object.member("eTag"))?,
        size: object.member("size").optional_unsigned()?,
        sequencer: object::token(&object.member("sequencer"))?,
        ..ObjectReference::new(bucket, encoded_key(&object.member("key"))?)
    })
}

/// A key that is URL-encoded.
pub(super) fn encoded_key(node: &Node<'_>) -> Result<String, Broken> {
    let key = decode(node.text()?).map_err(|problem| node.broken(problem))?;
    object::key(node, &key)
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
