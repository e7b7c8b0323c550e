//! The answer, as the caller wants it.

mod http;
mod size;
mod tasks;

use serde_json::{Value, json};

use size::Shape;

use super::{ErrorType, Failure, FailureKind, Remaining, Report, Status, shorten};
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
/// - [`Caller::Direct`]: the report; where anything failed, a failed invocation. A load that stopped ahead of its deadline
///   has not failed: its report is `partial`, and `remaining` is the event that resumes it.
/// - [`Caller::Map`]: the report with a result for each item. The invocation fails only where every item has failed: a
///   Distributed Map counts all items of a failed child workflow as failed, and a child that is to be tried again when
///   InfluxDB is away needs the type of the error. Rejected items are reported as such.
/// - [`Caller::Queue`]: the messages to redeliver: those that failed or are partial. The others are deleted,
///   also those of which every row is refused: they would be refused again. Lambda takes 6 MB of these, more than the 10,000
///   messages of the largest batch need, and a message that is not named is deleted: so this answer is never shortened.
/// - [`Caller::BatchOperations`]: a result for each task. What is worth another try, or is left in part, is a temporary failure,
///   which S3 tries again; what would fail in the same way is a permanent one.
/// - [`Caller::ApiGateway`], [`Caller::FunctionUrl`] and [`Caller::LoadBalancer`]: always a response, with a status, headers and the report as its
///   JSON body.
/// - [`Caller::Asynchronous`]: as for [`Caller::Direct`], but the report is ignored: what remains is a failure, too, and
///   what is rejected is none, since Lambda would try it again.
///
/// # Errors
/// [`InvocationError`] with the type of the first failure, and a message that names every object that failed.
pub fn answer(caller: &Caller, report: &Report) -> Answer {
    let failed = report.first_failure().map(Failure::kind);
    let worth_trying = failed.filter(|kind| *kind != FailureKind::Rejected);
    match caller {
        Caller::Direct => succeed_unless(failed, report),
        Caller::Asynchronous => {
            let left = report.has_left().then_some(FailureKind::Deadline);
            succeed_unless(worth_trying.or(left), report)
        }
        Caller::Map => {
            let all = report.items.iter().all(|item| report.status_of(item) == Status::Failed);
            succeed_unless(failed.filter(|_| all), report)
        }
        // An event without any identifiable message fails as a whole.
        Caller::Queue if report.items.is_empty() => succeed_unless(failed, report),
        Caller::Queue => {
            let undone = report.undone_items().map(|item| json!({ "itemIdentifier": item.id }));
            Ok(json!({ "batchItemFailures": undone.collect::<Vec<_>>() }))
        }
        Caller::BatchOperations { schema, invocation } if !report.items.is_empty() => {
            Ok(tasks::answer(schema, invocation, report))
        }
        Caller::BatchOperations { .. } => succeed_unless(failed, report),
        Caller::ApiGateway | Caller::FunctionUrl | Caller::LoadBalancer { .. } => {
            Ok(match size::bounded(report, Shape::Body) {
                Ok(body) => http::response(caller, failed.map_or(200, FailureKind::status), &body),
                Err(error) => {
                    let instead = size::instead(report, &error);
                    http::response(caller, FailureKind::Deadline.status(), &json!(instead))
                }
            })
        }
    }
}

/// Answers `caller` with what a health check has found: facts, and why it is not well if it is not. Over HTTP a server that
/// is not well is a 503, whatever is wrong with it: that is what monitors and load balancers look at.
///
/// # Errors
/// As [`answer`].
pub fn answer_health(caller: &Caller, facts: &Value, failure: Option<&Failure>) -> Answer {
    let status = if failure.is_some() { "unhealthy" } else { "healthy" };
    let mut body = json!({ "status": status, "influxdb": facts });
    if let Some(failure) = failure {
        body["failure"] = json!(failure);
    }
    match (caller, failure) {
        (caller, failure) if is_http(caller) => {
            Ok(http::response(caller, if failure.is_some() { 503 } else { 200 }, &body))
        }
        (_, None) => Ok(body),
        (_, Some(failure)) => {
            Err(InvocationError { error_type: failure.error_type(), error_message: failure.to_string() })
        }
    }
}

/// Answers `caller` with the sum of a backfill's report.
///
/// # Errors
/// Never; what keeps a report from being summed up is answered by [`answer`].
pub fn answer_summary(caller: &Caller, summary: &Value) -> Answer {
    Ok(if is_http(caller) { http::response(caller, 200, summary) } else { summary.clone() })
}

/// Whether a caller wants a status and a body.
fn is_http(caller: &Caller) -> bool {
    match caller {
        Caller::ApiGateway | Caller::FunctionUrl | Caller::LoadBalancer { .. } => true,
        Caller::Direct | Caller::Map | Caller::Queue | Caller::Asynchronous | Caller::BatchOperations { .. } => false,
    }
}

fn succeed_unless(failed: Option<FailureKind>, report: &Report) -> Answer {
    match failed {
        None => size::bounded(report, Shape::Plain).map_err(|error| {
            let failure = Failure::new(FailureKind::Deadline, &error);
            InvocationError { error_type: failure.error_type(), error_message: failure.to_string() }
        }),
        Some(kind) => Err(InvocationError { error_type: kind.error_type(), error_message: message(report) }),
    }
}

/// What failed, a line each.
fn message(report: &Report) -> String {
    let mut lines: Vec<String> = report.failure.iter().map(Failure::to_string).collect();
    let line = |name: &str, failure: &Failure| format!("`{name}`: {}: {failure}", failure.error_type());
    let objects = report.objects.iter();
    lines.extend(objects.clone().filter_map(|object| Some(line(&object.object, object.failure.as_ref()?))));
    lines.extend(report.items.iter().filter_map(|item| Some(line(&item.id, item.failure.as_ref()?))));
    lines.extend(objects.filter_map(|object| {
        let left = object.remaining.as_ref().map(Remaining::story)?;
        Some(format!("`{}`: the time was over; {left}", object.object))
    }));
    // Callers choose the names of items.
    lines.iter_mut().for_each(|line| shorten(line, MAXIMUM_MESSAGE_BYTES));
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
