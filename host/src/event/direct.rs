//! Invocations by Step Functions, the command line or any other program, which name one object.

use serde_json::{Map, Value};

use super::node::Node;
use super::{Asked, Broken, Caller, Form, ObjectReference, object};

/// One object. The key is plain. Members beside these are ignored, because a state machine passes on what it has. A
/// `remaining` of an answer is such an event.
pub(super) const OBJECT: Form = Form {
    name: "direct invocation",
    example: r#"{"bucket": "…", "key": "…"}, optionally with "version_id", "etag", "dataset" and "row_groups": [from, to]"#,
    caller: Caller::Direct,
    matches: names_object,
    read: |payload| reference(payload).map(|object| Asked::Load { objects: vec![object], skipped: 0 }),
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
        if_match: object::token(&node.member("etag"))?.map(|tag| tag.trim_matches('"').to_owned()),
        row_groups: object::row_groups(&node.member("row_groups"))?,
        sequencer: None,
        dataset: node.member("dataset").optional_text()?.map(str::to_owned),
    })
}
