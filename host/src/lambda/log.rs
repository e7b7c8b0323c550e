//! What is logged about an invocation: a line when an object is done, and one at the end. Nothing of what rows hold.

use tracing::Span;
use tracing::field::Empty;

use crate::event::ObjectReference;
use crate::report::{Answer, FailureKind, ObjectReport, Report};

/// What every line about an object holds; what is found out on the way is added by the pipeline.
pub(super) fn span(object: &ObjectReference) -> Span {
    tracing::info_span!(
        "object",
        bucket = object.bucket,
        key = object.key,
        version_id = object.version_id,
        dataset = object.dataset,
        converter = Empty,
        converter_version = Empty,
        converter_digest = Empty,
    )
}

/// What became of an object.
pub(super) fn object(span: &Span, report: &ObjectReport) {
    let _entered = span.enter();
    for (code, rows) in &report.accounts.rejected {
        let first = report.rejections.iter().find(|rejected| rejected.code == *code).map(|rejected| rejected.row);
        tracing::warn!(code, rows, first, "rows are rejected");
    }
    let accounts = &report.accounts;
    if accounts.superseded > 0 {
        tracing::warn!(rows = accounts.superseded, "rows supersede an earlier row of the same series and time");
    }
    let figures = tracing::info_span!(
        "figures",
        rows = accounts.rows,
        written = accounts.written,
        rejected = accounts.rejected_total(),
        filtered = accounts.filtered,
        superseded = accounts.superseded,
        points = accounts.points,
        retries = accounts.retries,
        rejects = report.rejects,
        seconds = report.timings.total.as_secs_f64(),
    );
    let _entered = figures.enter();
    match &report.failure {
        None if report.remaining.is_some() => tracing::warn!("stopped ahead of the deadline"),
        None => tracing::info!("loaded"),
        // Whether that is a failure is seen when the others are done.
        Some(failure) if failure.kind() == FailureKind::Deadline => tracing::warn!("{failure}"),
        Some(failure) => tracing::error!(error_type = failure.error_type().name(), "{failure}"),
    }
}

/// What became of an event: what no object's line shows, and figures. An alarm on errors hears of each failure once.
pub(super) fn event(report: &Report, answer: &Answer) {
    if let Some(failure) = &report.failure {
        tracing::error!(error_type = failure.error_type().name(), "{failure}");
    }
    for item in &report.items {
        if let Some(failure) = &item.failure {
            tracing::error!(item = item.id, error_type = failure.error_type().name(), "{failure}");
        }
    }
    for object in &report.objects {
        if let Some(failure) = object.failure.as_ref().filter(|failure| failure.kind() == FailureKind::Deadline) {
            tracing::error!(object = object.object, error_type = failure.error_type().name(), "{failure}");
        }
    }
    // What is left is a failure to those who cannot resume it.
    let failed = report.first_failure().is_some_and(|failure| !failure.is_rejection());
    if let (Err(error), true, false) = (answer, report.has_left(), failed) {
        tracing::error!(error_type = error.error_type.name(), "{error}");
    }
    let count = |wanted: fn(&&ObjectReport) -> bool| report.objects.iter().filter(wanted).count();
    let totals = report.totals();
    tracing::info!(
        status = report.status().name(),
        objects = report.objects.len(),
        failed = count(|object| object.has_failed()),
        refused = count(|object| object.is_rejected()),
        left = count(|object| object.remaining.is_some()),
        skipped = report.skipped,
        rows = totals.rows,
        written = totals.written,
        rejected = totals.rejected_total(),
        filtered = totals.filtered,
        superseded = totals.superseded,
        points = totals.points,
        "done",
    );
}
