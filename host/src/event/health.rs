//! Invocations that ask whether InfluxDB is there. Requests do so by `GET …/health`, schedules by being what they are.

use super::node::Node;
use super::{Asked, Broken, Caller, Form, Problem, object};

/// A health check; deep, it also writes a point and reads it back.
pub(super) const ACTION: Form = Form {
    name: "action",
    example: r#"{"action": "health"}, optionally with "deep": true"#,
    caller: |_| Caller::Direct,
    // A state machine that loads may have an action of its own.
    matches: |payload| {
        let loads = ["bucket", "key", "objects", "Items"];
        payload.contains_key("action") && !loads.iter().any(|name| payload.contains_key(*name))
    },
    read: action,
};

fn action(payload: &Node<'_>) -> Result<Asked, Broken> {
    let action = payload.member("action");
    match action.text()? {
        "health" => Ok(Asked::Health { deep: payload.member("deep").optional_boolean()? == Some(true) }),
        other => Err(action.broken(Problem::Action(object::shorten(other)))),
    }
}
