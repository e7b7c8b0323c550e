//! The function's own dead-letter messages: what Lambda keeps of an asynchronous invocation that it gave up, in the form of its
//! destinations. Whatever was asked for is asked for again.

use serde_json::{Map, Value};

use super::node::{Node, holds_object};
use super::{Asked, Broken, Caller, Form, Problem, form_of};

/// A dead-letter message by itself, as a destination that is a function gets it, or wrapped by a bus of EventBridge.
pub(super) const DEAD_LETTER: Form = Form {
    name: "invocation record of the function",
    example: r#"{"requestContext": {"condition": "RetriesExhausted", …}, "requestPayload": {…}}"#,
    caller: |_| Caller::Asynchronous,
    matches: |payload| is_dead_letter(payload) || holds_object(payload, ["detail", "requestPayload"]),
    read: |payload| {
        let detail = payload.member("detail");
        again(&if detail.members().is_some_and(is_dead_letter) { detail } else { payload.clone() })
    },
};

/// Whether this is a dead-letter message.
pub(super) fn is_dead_letter(payload: &Map<String, Value>) -> bool {
    payload.get("requestPayload").is_some_and(|given_up| given_up.is_object() || given_up.is_array())
        && payload.get("requestContext").is_some_and(Value::is_object)
}

/// What the invocation asked for that was given up.
fn again(letter: &Node<'_>) -> Result<Asked, Broken> {
    let given_up = letter.member("requestPayload");
    let form = given_up.value().and_then(form_of).ok_or_else(|| given_up.broken(Problem::Request))?;
    (form.read)(&given_up)
}
