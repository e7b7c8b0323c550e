//! Invocations that ask for something other than a load. Requests ask for a health check by `GET …/health`, schedules by being
//! what they are.

use super::node::Node;
use super::{Asked, Broken, Caller, Form, Problem, Summarize, object};

/// A health check; deep, it also writes a point and reads it back. Or the sum of a backfill's report.
pub(super) const ACTION: Form = Form {
    name: "action",
    example: r#"{"action": "health"}, optionally with "deep": true; {"action": "summarize", "bucket": "…", "manifest": "…", "plan": "…"}"#,
    caller: |_| Caller::Direct,
    // A state machine that loads may have an action of its own.
    matches: |payload| {
        let loads = ["key", "prefix", "objects", "Items"];
        payload.contains_key("action") && !loads.iter().any(|name| payload.contains_key(*name))
    },
    read: action,
};

fn action(payload: &Node<'_>) -> Result<Asked, Broken> {
    let action = payload.member("action");
    match action.text()? {
        "health" => Ok(Asked::Health { deep: payload.member("deep").optional_boolean()? == Some(true) }),
        "summarize" => {
            let [manifest, plan] = ["manifest", "plan"].map(|name| payload.member(name));
            Ok(Asked::Summarize(Summarize {
                bucket: object::bucket(&payload.member("bucket"))?,
                manifest: object::key(&manifest, manifest.text()?)?,
                plan: object::key(&plan, plan.text()?)?,
            }))
        }
        other => Err(action.broken(Problem::Action(object::shorten(other)))),
    }
}
