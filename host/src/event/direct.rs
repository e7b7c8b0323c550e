//! Invocations by Step Functions, the command line or any other program, which name one object.

use serde_json::{Map, Value};

use super::node::Node;
use super::{Broken, Caller, Form, Found, ObjectReference, object};

/// One object. The key is plain. Members beside these four are ignored, because a state machine passes on what it has.
pub(super) const OBJECT: Form = Form {
    name: "direct invocation",
    example: r#"{"bucket": "…", "key": "…"}, optionally with "version_id" and "dataset""#,
    caller: Caller::Direct,
    matches: names_object,
    read: |payload| reference(payload).map(|object| Found { objects: vec![object], skipped: 0 }),
};

fn names_object(payload: &Map<String, Value>) -> bool {
    payload.contains_key("bucket") || payload.contains_key("key")
}

/// The object that the members of `node` name.
pub(super) fn reference(node: &Node<'_>) -> Result<ObjectReference, Broken> {
    let key = node.member("key");
    Ok(ObjectReference {
        bucket: object::bucket(&node.member("bucket"))?,
        key: object::key(&key, key.text()?)?,
        version_id: object::token(&node.member("version_id"))?,
        etag: None,
        size: None,
        sequencer: None,
        dataset: node.member("dataset").optional_text()?.map(str::to_owned),
    })
}
