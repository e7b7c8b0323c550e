//! Results of the tasks of S3 Batch Operations.

use serde_json::{Value, json};

use super::size::MAXIMUM_BYTES;
use crate::report::{FailureKind, ItemReport, Report, Status, shorten};

/// The longest words about a task, in bytes; shorter ones where the results of all tasks would be too large.
const RESULT_BYTES: [usize; 4] = [100, 50, 25, 0];

/// A result for each task. A job sends 1,000 tasks at most.
pub(super) fn answer(schema: &str, invocation: &str, report: &Report) -> Value {
    let mut answers = RESULT_BYTES.iter().map(|longest| answer_with(schema, invocation, report, *longest));
    answers
        .find(|answer| answer.to_string().len() <= MAXIMUM_BYTES)
        .unwrap_or_else(|| answer_with(schema, invocation, report, 0))
}

fn answer_with(schema: &str, invocation: &str, report: &Report, longest: usize) -> Value {
    let result = |item: &ItemReport| {
        let (code, mut words) = result(report, item);
        shorten(&mut words, longest);
        json!({ "taskId": item.id, "resultCode": code, "resultString": words })
    };
    json!({
        "invocationSchemaVersion": schema,
        "invocationId": invocation,
        // A task without a result was not loaded.
        "treatMissingKeysAs": "TemporaryFailure",
        "results": report.items.iter().map(result).collect::<Vec<_>>(),
    })
}

/// What S3 makes of a task, and the words in the job's report.
fn result(report: &Report, item: &ItemReport) -> (&'static str, String) {
    match (report.status_of(item), report.failure_of(item)) {
        (Status::Partial, _) => {
            ("TemporaryFailure", "the deadline passed before all of the object was loaded".to_owned())
        }
        (_, Some(failure)) => {
            let code = if is_passing(failure.kind()) { "TemporaryFailure" } else { "PermanentFailure" };
            (code, format!("{}: {failure}", failure.error_type()))
        }
        (status, None) => ("Succeeded", status.name().to_owned()),
    }
}

/// Whether loading the object again may end otherwise.
fn is_passing(kind: FailureKind) -> bool {
    match kind {
        FailureKind::Source
        | FailureKind::Connection
        | FailureKind::Refused
        | FailureKind::Write
        | FailureKind::Deadline
        | FailureKind::Forbidden
        | FailureKind::Unexpected => true,
        FailureKind::BadEvent
        | FailureKind::Method
        | FailureKind::NotAllowed
        | FailureKind::NotFound
        | FailureKind::UnknownDataset
        | FailureKind::TooLarge
        | FailureKind::Conversion
        | FailureKind::Converter
        | FailureKind::Rejected => false,
    }
}
