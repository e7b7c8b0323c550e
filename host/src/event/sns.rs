//! Notifications of SNS: S3's notifications, or EventBridge's events, by way of a topic.

use serde_json::{Map, Value};

use super::node::Node;
use super::{Asked, Broken, Caller, Form, Load, Problem, message};

/// SNS to the function. There is one record in each event, according to AWS.
pub(super) const RECORDS: Form = Form {
    name: "SNS notification",
    example: r#"{"Records": [{"EventSource": "aws:sns", "Sns": {"Message": "{\"Records\": …}", …}}]}"#,
    caller: |_| Caller::Asynchronous,
    matches: |payload| {
        let first = payload.get("Records").and_then(|records| records.get(0));
        first.is_some_and(|record| record.get("EventSource").and_then(Value::as_str) == Some(SOURCE))
    },
    read: |payload| records(payload).map(Asked::Load),
};

const SOURCE: &str = "aws:sns";

/// What the records ask for.
pub(super) fn records(payload: &Node<'_>) -> Result<Load, Broken> {
    let mut load = Load::default();
    for record in payload.member("Records").elements()? {
        let record = record.object()?;
        let source = record.member("EventSource");
        if source.text()? != SOURCE {
            return Err(source.broken(Problem::Source { expected: SOURCE }));
        }
        load.add(message::load(&record.member("Sns").object()?.member("Message"))?);
    }
    Ok(load)
}

/// Whether a message of SQS is a notification of SNS, in which the message proper is. With raw message delivery it is not.
pub(super) fn is_envelope(message: &Map<String, Value>) -> bool {
    message.get("Type").and_then(Value::as_str) == Some("Notification") && message.contains_key("Message")
}
