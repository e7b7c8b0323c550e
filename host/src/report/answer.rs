//! The answer, as the caller wants it.

use serde::Serialize;
use serde_json::{Value, json};

use super::{ErrorType, Failure, Report};
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

/// Answers `caller`.
///
/// - [`Caller::ApiGateway`]: always a response, with a status, headers and the report as its JSON body.
/// - [`Caller::Direct`] and [`Caller::S3`]: the report; where anything failed, a failed invocation.
///
/// # Errors
/// [`InvocationError`] with the type of the first failure, and a message that names every object that failed.
pub fn answer(caller: Caller, report: &Report) -> Answer {
    match caller {
        Caller::ApiGateway => Ok(response(report)),
        Caller::Direct | Caller::S3 => match report.first_failure() {
            None => Ok(json!(report)),
            Some(first) => Err(InvocationError { error_type: first.error_type(), error_message: message(report) }),
        },
    }
}

/// A response for API Gateway, which REST APIs, HTTP APIs and function URLs take alike.
fn response(report: &Report) -> Value {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Response {
        status_code: u16,
        headers: Value,
        body: String,
        is_base64_encoded: bool,
    }
    json!(Response {
        status_code: report.first_failure().map_or(200, |failure| failure.kind().status()),
        headers: json!({ "content-type": "application/json" }),
        body: json!(report).to_string(),
        is_base64_encoded: false,
    })
}

/// What failed, a line an object.
fn message(report: &Report) -> String {
    let mut lines: Vec<String> = report.failure.iter().map(Failure::to_string).collect();
    let failed = report.objects.iter().filter_map(|object| Some((object, object.failure.as_ref()?)));
    lines.extend(failed.map(|(object, failure)| format!("`{}`: {}: {failure}", object.object, failure.error_type())));
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
