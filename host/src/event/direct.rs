//! Invocations by Step Functions, the command line or any other program, which ask for what they want in our own words.
//!
//! Members beside those that are known are ignored, because a state machine passes on what it has. What is left of a load
//! (`remaining`) is such an event.

use serde_json::{Map, Value};

use super::node::Node;
use super::{Asked, Broken, Caller, Form, Load, ObjectReference, Prefix, Target, action, object};

/// One object. The key is plain.
pub(super) const OBJECT: Form = Form {
    name: "direct invocation",
    example: r#"{"bucket": "…", "key": "…"}, optionally with "version_id", "etag", "dataset", "row_groups": [from, to] and "skip_loaded""#,
    caller: |_| Caller::Direct,
    matches: |payload| payload.contains_key("bucket") || payload.contains_key("key"),
    read: |payload| load(payload, &Defaults::default()).map(Asked::Load),
};

/// Every Parquet file below a prefix.
pub(super) const PREFIX: Form = Form {
    name: "direct invocation for a prefix",
    example: r#"{"bucket": "…", "prefix": "…"}, optionally with "start_after", "dataset" and "skip_loaded""#,
    matches: names_prefix,
    ..OBJECT
};

/// Objects and prefixes.
pub(super) const LIST: Form = Form {
    name: "direct invocation for a list",
    example: r#"{"objects": [{"bucket": "…", "key": "…"}, …]}"#,
    matches: names_list,
    ..OBJECT
};

/// What the body of a request asks for: whatever a direct invocation may.
pub(super) fn request(body: &Node<'_>) -> Result<Asked, Broken> {
    match body.members() {
        Some(members) if (action::ACTION.matches)(members) => (action::ACTION.read)(body),
        Some(_) | None => load(body, &Defaults::default()).map(Asked::Load),
    }
}

/// What is to be loaded: a list, or one target.
pub(super) fn load(node: &Node<'_>, defaults: &Defaults) -> Result<Load, Broken> {
    if !node.members().is_some_and(names_list) {
        return Ok(Load::of(vec![target(node, defaults)?]));
    }
    let objects = node.member("objects").elements()?;
    Ok(Load::of(objects.map(|object| target(&object.object()?, defaults)).collect::<Result<_, _>>()?))
}

/// What holds for every target that does not set it itself.
#[derive(Debug, Default)]
pub(super) struct Defaults {
    pub(super) bucket: Option<String>,
    pub(super) dataset: Option<String>,
    pub(super) skip_loaded: bool,
}

/// The object or the prefix that the members of `node` name.
pub(super) fn target(node: &Node<'_>, defaults: &Defaults) -> Result<Target, Broken> {
    let named = node.member("bucket");
    let bucket = match &defaults.bucket {
        Some(bucket) if named.is_absent() => bucket.clone(),
        Some(_) | None => object::bucket(&named)?,
    };
    let dataset = node.member("dataset").optional_text()?.map(str::to_owned).or_else(|| defaults.dataset.clone());
    let skip_loaded = node.member("skip_loaded").optional_boolean()?.unwrap_or(defaults.skip_loaded);
    if node.members().is_some_and(names_prefix) {
        let start_after = node.member("start_after");
        return Ok(Target::Prefix(Prefix {
            bucket,
            prefix: object::prefix(&node.member("prefix"))?,
            start_after: if start_after.is_absent() { None } else { Some(object::prefix(&start_after)?) },
            dataset,
            skip_loaded,
        }));
    }
    let key = node.member("key");
    Ok(Target::Object(ObjectReference {
        version_id: object::token(&node.member("version_id"))?,
        if_match: object::entity_tag(&node.member("etag"))?,
        converter_digest: object::digest(&node.member("converter_digest"))?,
        row_groups: object::row_groups(&node.member("row_groups"))?,
        dataset,
        skip_loaded,
        ..ObjectReference::new(bucket, object::key(&key, key.text()?)?)
    }))
}

/// A key is more specific than a list or a prefix, which a state machine may have passed on.
fn names_list(members: &Map<String, Value>) -> bool {
    members.contains_key("objects") && !members.contains_key("key")
}

fn names_prefix(members: &Map<String, Value>) -> bool {
    members.contains_key("prefix") && !members.contains_key("key")
}
