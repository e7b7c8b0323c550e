//! The answer, as the caller wants it.

use std::ops::Range;

use serde::Serialize;
use serde_json::{Value, json};

use super::{ErrorType, Failure, FailureKind, Remaining, Report};
use crate::event::Caller;

/// The longest message of a failed invocation, in bytes; the objects beyond it are counted. Step Functions takes 32 KiB.
const MAXIMUM_MESSAGE_BYTES: usize = 16 * 1024;

/// What the function returns: a payload, or a failed invocation.
pub type Answer = Result<Value, InvocationError>;

/// A failed invocation: Lambda answers with the error type and the message, and tries again where nobody waits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error_message}")]
pub struct InvocationError {
    /// `errorType`.
    pub error_type: ErrorType,
    /// `errorMessage`.
    pub error_message: String,
}

/// Answers `caller` with the report of what its event asked to be loaded.
///
/// - [`Caller::ApiGateway`]: always a response, with a status, headers and the report as its JSON body.
/// - [`Caller::Direct`]: the report; where anything failed, a failed invocation. A load that stopped ahead of its deadline
///   has not failed: its report is `partial`, and holds events to go on with.
/// - [`Caller::S3`]: the same, but nobody reads the report: what is left in part is a failure, too.
///
/// # Errors
/// [`InvocationError`] with the type of the first failure, and a message that names every object that failed.
pub fn answer(caller: Caller, report: &Report) -> Answer {
    let failed = match report.first_failure() {
        Some(failure) => Some(failure.kind()),
        None if report.is_partial() && caller != Caller::Direct => Some(FailureKind::Deadline),
        None => None,
    };
    answer_with(caller, json!(report), failed, || message(report))
}

/// Answers `caller` with what a health check has found: facts, and why it is not well if it is not.
///
/// # Errors
/// As [`answer`].
pub fn answer_health(caller: Caller, facts: Value, failure: Option<&Failure>) -> Answer {
    let status = if failure.is_some() { "unhealthy" } else { "healthy" };
    let mut body = json!({ "status": status, "influxdb": facts });
    if let Some(failure) = failure {
        body["failure"] = json!(failure);
    }
    answer_with(caller, body, failure.map(Failure::kind), || failure.map(Failure::to_string).unwrap_or_default())
}

fn answer_with(caller: Caller, body: Value, failed: Option<FailureKind>, message: impl FnOnce() -> String) -> Answer {
    match (caller, failed) {
        (Caller::ApiGateway, failed) => Ok(response(failed.map_or(200, FailureKind::status), &body)),
        (Caller::Direct | Caller::S3, None) => Ok(body),
        (Caller::Direct | Caller::S3, Some(kind)) => {
            Err(InvocationError { error_type: kind.error_type(), error_message: message() })
        }
    }
}

/// A response for API Gateway, which REST APIs, HTTP APIs and function URLs take alike.
fn response(status_code: u16, body: &Value) -> Value {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Response {
        status_code: u16,
        headers: Value,
        body: String,
        is_base64_encoded: bool,
    }
    json!(Response {
        status_code,
        headers: json!({ "content-type": "application/json" }),
        body: body.to_string(),
        is_base64_encoded: false,
    })
}

/// What failed, a line an object.
fn message(report: &Report) -> String {
    let mut lines: Vec<String> = report.failure.iter().map(Failure::to_string).collect();
    let failed = report.objects.iter().filter_map(|object| Some((object, object.failure.as_ref()?)));
    lines.extend(failed.map(|(object, failure)| format!("`{}`: {}: {failure}", object.object, failure.error_type())));
    let left = report.objects.iter().filter_map(|object| Some((object, object.remaining.as_ref()?)));
    lines.extend(left.map(|(object, Remaining { row_groups: Range { start, end }, .. })| {
        format!("`{}`: the time was over; row groups [{start}, {end}] are left", object.object)
    }));
    let mut message = String::new();
    for (told, line) in lines.iter().enumerate() {
        if message.len() + line.len() > MAXIMUM_MESSAGE_BYTES && told > 0 {
            message.push_str(&format!("\nand {} more", lines.len() - told));
            break;
        }
        if told > 0 {
            message.push('\n');
        }
        message.push_str(line);
    }
    message
}
