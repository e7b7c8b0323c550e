//! Events of EventBridge: what S3 sends by way of its default bus, and what a schedule sends.

use serde_json::{Map, Value};

use super::node::Node;
use super::{Asked, Broken, Caller, Form, Load, ObjectReference, object};

/// S3's events. Keys are plain. Whatever is not the creation of an object is skipped.
pub(super) const OBJECT: Form = Form {
    name: "S3 event of EventBridge",
    example: r#"{"source": "aws.s3", "detail-type": "Object Created", "detail": {"bucket": {…}, "object": {…}}}"#,
    caller: |_| Caller::Asynchronous,
    matches: |payload| is_of(payload, &["aws.s3"]),
    read: |payload| object(payload).map(Asked::Load),
};

/// What a rule with a schedule, or EventBridge Scheduler, sends: a health check at regular times.
pub(super) const SCHEDULE: Form = Form {
    name: "schedule of EventBridge",
    example: r#"{"source": "aws.events", "detail-type": "Scheduled Event", …}, which is a health check"#,
    caller: |_| Caller::Asynchronous,
    matches: |payload| {
        is_of(payload, &["aws.events", "aws.scheduler"])
            && payload.get("detail-type").and_then(Value::as_str) == Some("Scheduled Event")
    },
    read: |_| Ok(Asked::Health { deep: false }),
};

fn is_of(payload: &Map<String, Value>, sources: &[&str]) -> bool {
    let source = payload.get("source").and_then(Value::as_str);
    payload.contains_key("detail-type") && source.is_some_and(|source| sources.contains(&source))
}

pub(super) fn object(payload: &Node<'_>) -> Result<Load, Broken> {
    if payload.member("detail-type").text()? != "Object Created" {
        return Ok(Load { targets: Vec::new(), skipped: 1 });
    }
    let detail = payload.member("detail").object()?;
    let object = detail.member("object").object()?;
    let key = object.member("key");
    let bucket = object::bucket(&detail.member("bucket").object()?.member("name"))?;
    let created = ObjectReference {
        version_id: object::token(&object.member("version-id"))?,
        etag: object::entity_tag(&object.member("etag"))?,
        size: object.member("size").optional_unsigned()?,
        sequencer: object::token(&object.member("sequencer"))?,
        ..ObjectReference::new(bucket, object::key(&key, key.text()?)?)
    };
    Ok(Load::notified(created))
}
