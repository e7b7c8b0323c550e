//! Batches of EventBridge Pipes: a list of what the source of the pipe has, each after the pipe's transformer.

use super::node::Node;
use super::{Asked, Broken, Caller, Form, Item, Load, message, sqs};

/// A batch of a pipe: messages of SQS, which are answered each for itself, or events that a transformer has taken out of
/// its source's records, of which one that fails fails the batch.
pub(super) const BATCH: Form = Form {
    name: "EventBridge Pipes batch",
    example: r#"[{"eventSource": "aws:sqs", "messageId": "…", "body": "{\"Records\": …}", …}, …]"#,
    caller: |payload| match payload.get(0).and_then(|first| first.as_object()) {
        Some(first) if sqs::is_message(first) => Caller::Queue,
        Some(_) | None => Caller::Asynchronous,
    },
    matches: |first| sqs::is_message(first) || message::is_event(first),
    read: batch,
};

fn batch(payload: &Node<'_>) -> Result<Asked, Broken> {
    let mut records = payload.elements()?.peekable();
    if records.peek().and_then(Node::members).is_some_and(sqs::is_message) {
        return records.map(|record| sqs::item(&record.object()?)).collect::<Result<Vec<Item>, _>>().map(Asked::Each);
    }
    let mut load = Load::default();
    for record in records {
        load.add(message::carried(&record)?);
    }
    Ok(Asked::Load(load))
}
