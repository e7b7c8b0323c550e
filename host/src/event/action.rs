//! Invocations that ask for something other than a load. Requests ask for a health check by `GET …/health`, schedules by being
//! what they are.

use super::node::Node;
use super::{Asked, Broken, Caller, Form, Problem, Summarize, Verify, direct, object};

/// A hundred years, in seconds.
const LONGEST_BUCKET: u64 = 100 * 366 * 24 * 3600;

/// A health check; deep, it also writes a point and reads it back. Or the sum of a backfill's report, or a verification.
pub(super) const ACTION: Form = Form {
    name: "action",
    example: r#"{"action": "health"}, optionally with "deep": true; {"action": "summarize", "bucket": "…", "manifest": "…", "plan": "…"}; {"action": "verify", "bucket": "…", "prefix": "…"}, or any other object or list, optionally with "exact", "ignore_extra" and "bucket_seconds""#,
    caller: |_| Caller::Direct,
    // A state machine that loads may have an action of its own.
    matches: |payload| {
        let loads = ["key", "prefix", "objects", "Items"];
        let verifies = payload.get("action").is_some_and(|action| action == "verify");
        verifies || (payload.contains_key("action") && !loads.iter().any(|name| payload.contains_key(*name)))
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
        "verify" => {
            let seconds = payload.member("bucket_seconds");
            let bucket_seconds = match seconds.optional_unsigned()? {
                None => None,
                Some(number @ 1..=LONGEST_BUCKET) => i64::try_from(number).ok(),
                Some(_) => return Err(seconds.broken(Problem::BucketSeconds)),
            };
            Ok(Asked::Verify(Verify {
                load: direct::load(payload, &direct::Defaults::default())?,
                exact: payload.member("exact").optional_boolean()? == Some(true),
                ignore_extra: payload.member("ignore_extra").optional_boolean()? == Some(true),
                bucket_seconds,
            }))
        }
        other => Err(action.broken(Problem::Action(object::shorten(other)))),
    }
}
