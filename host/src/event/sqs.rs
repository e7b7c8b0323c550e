//! Messages of SQS: what S3, EventBridge, SNS or a program has put into a queue.

use serde_json::{Map, Value};

use super::node::Node;
use super::{Asked, Broken, Caller, Form, Item, Load, Problem, message, sns};

/// A batch of messages. Each of them is answered for itself, so that a broken one is not the failure of the others.
pub(super) const MESSAGES: Form = Form {
    name: "SQS batch",
    example: r#"{"Records": [{"eventSource": "aws:sqs", "messageId": "…", "body": "{\"Records\": …}", …}]}"#,
    caller: |_| Caller::Queue,
    matches: |payload| {
        let first = payload.get("Records").and_then(|records| records.get(0));
        first.and_then(Value::as_object).is_some_and(is_message)
    },
    read: |payload| {
        let messages = payload.member("Records").elements()?.map(|record| item(&record.object()?));
        messages.collect::<Result<_, _>>().map(Asked::Each)
    },
};

const SOURCE: &str = "aws:sqs";

/// Whether this is a message of a batch.
pub(super) fn is_message(record: &Map<String, Value>) -> bool {
    record.get("eventSource").and_then(Value::as_str) == Some(SOURCE)
}

/// A message. Fails where it cannot be named in the answer.
pub(super) fn item(record: &Node<'_>) -> Result<Item, Broken> {
    let source = record.member("eventSource");
    if source.text()? != SOURCE {
        return Err(source.broken(Problem::Source { expected: SOURCE }));
    }
    let id = record.member("messageId");
    if id.text()?.is_empty() {
        return Err(id.broken(Problem::Empty));
    }
    Ok(Item {
        id: id.text()?.to_owned(),
        group: record.member("attributes").member("MessageGroupId").optional_text()?.map(str::to_owned),
        load: body(&record.member("body")),
    })
}

fn body(text: &Node<'_>) -> Result<Load, Broken> {
    let json = text.json()?;
    let body = Node::new(&json, text.path());
    if body.members().is_some_and(sns::is_envelope) {
        message::load(&body.member("Message"))
    } else {
        message::carried(&body)
    }
}
