//! What is measured: a report → values of metrics. Pure.

use std::collections::BTreeMap;
use std::fmt;

use crate::report::{Accounts, Failure, ObjectReport, Report};

/// The value of the dimension `DatasetType` of objects whose dataset was not found out.
const UNKNOWN_DATASET: &str = "unknown";

/// The longest value of a dimension that is sent, in bytes. CloudWatch takes 1024.
const DIMENSION_LIMIT: usize = 255;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// Points that InfluxDB has.
    PointsWritten,
    /// Requests, written or given up.
    BatchesProcessed,
    /// Seconds that an object took.
    ProcessingTime,
    /// Rows read.
    SourceRecords,
    /// The share of the rows read of which points were made, in percent. Absent where no row was read.
    ConversionRate,
    /// The share of requests that wrote their points, in percent. Absent where there was no request.
    BatchSuccessRate,
    /// Requests given up.
    FailedBatches,
    /// Objects that failed, by the type of their error.
    ProcessingErrors,
    /// Rows of which every point is written. With those rejected and filtered, all that were read.
    RowsWritten,
    /// Rows rejected, by code.
    RowsRejected,
    /// Rows of which the converter chose to make no point.
    RowsFiltered,
}

/// The units of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A number of things.
    Count,
    /// Time.
    Seconds,
    /// A share, from 0 to 100.
    Percent,
}

impl Metric {
    /// The name in CloudWatch.
    pub fn name(self) -> &'static str {
        match self {
            Self::PointsWritten => "PointsWritten",
            Self::BatchesProcessed => "BatchesProcessed",
            Self::ProcessingTime => "ProcessingTime",
            Self::SourceRecords => "SourceRecords",
            Self::ConversionRate => "ConversionRate",
            Self::BatchSuccessRate => "BatchSuccessRate",
            Self::FailedBatches => "FailedBatches",
            Self::ProcessingErrors => "ProcessingErrors",
            Self::RowsWritten => "RowsWritten",
            Self::RowsRejected => "RowsRejected",
            Self::RowsFiltered => "RowsFiltered",
        }
    }

    /// The unit.
    pub fn unit(self) -> Unit {
        match self {
            Self::PointsWritten
            | Self::BatchesProcessed
            | Self::SourceRecords
            | Self::FailedBatches
            | Self::ProcessingErrors
            | Self::RowsWritten
            | Self::RowsRejected
            | Self::RowsFiltered => Unit::Count,
            Self::ProcessingTime => Unit::Seconds,
            Self::ConversionRate | Self::BatchSuccessRate => Unit::Percent,
        }
    }
}

/// The values of a metric for a dataset: one for each object.
#[derive(Clone, Debug, PartialEq)]
pub struct Datum {
    /// What is measured.
    pub metric: Metric,
    /// The dimension `DatasetType`, as CloudWatch takes it.
    pub dataset: String,
    /// A dimension of its own, name and value: `ErrorType` of [`Metric::ProcessingErrors`], `Code` of
    /// [`Metric::RowsRejected`].
    pub detail: Option<(&'static str, String)>,
    /// In the order of the objects; finite.
    pub values: Vec<f64>,
}

impl fmt::Display for Datum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} DatasetType={}", self.metric.name(), self.dataset)?;
        if let Some((name, value)) = &self.detail {
            write!(f, " {name}={value}")?;
        }
        write!(f, " {:?} {:?}", self.metric.unit(), self.values)
    }
}

/// What tells one datum from another: the dataset, the metric, and a dimension of its own.
type Key = (String, Metric, Option<(&'static str, String)>);

/// The metrics of an invocation, by dataset and metric.
pub fn data(report: &Report) -> Vec<Datum> {
    let mut values: BTreeMap<Key, Vec<f64>> = BTreeMap::new();
    for object in report.objects.iter().filter(|object| object.is_begun()) {
        let dataset = dimension(object.dataset.as_deref().unwrap_or_default());
        for (metric, value) in measures(object) {
            values.entry((dataset.clone(), metric, None)).or_default().push(value);
        }
        for (code, rows) in &object.accounts.rejected {
            let key = (dataset.clone(), Metric::RowsRejected, Some(("Code", dimension(code))));
            values.entry(key).or_default().push(count(*rows));
        }
        if let Some(failure) = &object.failure {
            let key = (dataset, Metric::ProcessingErrors, error_type(failure));
            values.entry(key).or_default().push(1.0);
        }
    }
    for failure in report.failure.iter().chain(report.items.iter().filter_map(|item| item.failure.as_ref())) {
        let key = (UNKNOWN_DATASET.to_owned(), Metric::ProcessingErrors, error_type(failure));
        values.entry(key).or_default().push(1.0);
    }
    values.into_iter().map(|((dataset, metric, detail), values)| Datum { metric, dataset, detail, values }).collect()
}

/// The dimension of a failure.
fn error_type(failure: &Failure) -> Option<(&'static str, String)> {
    Some(("ErrorType", failure.error_type().name().to_owned()))
}

/// What one object adds, its failure apart.
fn measures(object: &ObjectReport) -> impl Iterator<Item = (Metric, f64)> {
    let Accounts { rows, written, points, batches, failed_batches, filtered, .. } = object.accounts;
    let requests = batches + failed_batches;
    let converted = rows.saturating_sub(object.accounts.rejected_total()).saturating_sub(filtered);
    [
        (Metric::PointsWritten, Some(count(points))),
        (Metric::BatchesProcessed, Some(count(requests))),
        (Metric::ProcessingTime, Some(object.timings.total.as_secs_f64())),
        (Metric::SourceRecords, Some(count(rows))),
        (Metric::ConversionRate, percent(converted, rows)),
        (Metric::BatchSuccessRate, percent(batches, requests)),
        (Metric::FailedBatches, Some(count(failed_batches))),
        (Metric::RowsWritten, Some(count(written))),
        (Metric::RowsFiltered, Some(count(filtered))),
    ]
    .into_iter()
    .filter_map(|(metric, value)| Some((metric, value?)))
}

/// CloudWatch counts in floats; above 2^53, of which no load comes near, they are rounded.
fn count(number: u64) -> f64 {
    number as f64
}

/// The share of `part` in `whole`; of nothing there is none.
fn percent(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| 100.0 * count(part) / count(whole))
}

/// A dataset's name as CloudWatch takes it as a dimension: printable ASCII, not beginning with a colon, neither blank nor
/// long. One value that it does not take would lose all metrics of its request, and names come from keys of objects.
fn dimension(dataset: &str) -> String {
    let ascii = |character: char| if matches!(character, ' '..='~') { character } else { '_' };
    let value: String = dataset.trim_start_matches(':').chars().map(ascii).take(DIMENSION_LIMIT).collect();
    if value.trim().is_empty() { UNKNOWN_DATASET.to_owned() } else { value }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::report::{FailureKind, ItemReport, Remaining, Timings};

    fn shown(report: &Report) -> String {
        data(report).iter().map(|datum| format!("{datum}\n")).collect()
    }

    fn failure(kind: FailureKind) -> Failure {
        Failure::new(kind, &std::io::Error::other("it failed"))
    }

    fn object(dataset: &str, accounts: Accounts) -> ObjectReport {
        let timings = Timings { total: Duration::from_millis(1500), ..Timings::default() };
        ObjectReport { dataset: Some(dataset.to_owned()), accounts, timings, ..ObjectReport::default() }
    }

    #[test]
    fn every_object_is_a_value_of_its_dataset() {
        let mut accounts =
            Accounts { rows: 200, written: 180, filtered: 10, points: 360, batches: 3, ..Accounts::default() };
        accounts.reject("invalid-value", 10);
        let good = object("generation", accounts);
        let failing = ObjectReport {
            failure: Some(failure(FailureKind::Write)),
            ..object(
                "generation",
                Accounts { rows: 50, written: 25, points: 25, batches: 1, failed_batches: 1, ..Accounts::default() },
            )
        };
        let other =
            object("consumption", Accounts { rows: 1, written: 1, points: 1, batches: 1, ..Accounts::default() });
        let report = Report { objects: vec![good, failing, other], ..Report::default() };
        insta::assert_snapshot!(shown(&report), @"
        PointsWritten DatasetType=consumption Count [1.0]
        BatchesProcessed DatasetType=consumption Count [1.0]
        ProcessingTime DatasetType=consumption Seconds [1.5]
        SourceRecords DatasetType=consumption Count [1.0]
        ConversionRate DatasetType=consumption Percent [100.0]
        BatchSuccessRate DatasetType=consumption Percent [100.0]
        FailedBatches DatasetType=consumption Count [0.0]
        RowsWritten DatasetType=consumption Count [1.0]
        RowsFiltered DatasetType=consumption Count [0.0]
        PointsWritten DatasetType=generation Count [360.0, 25.0]
        BatchesProcessed DatasetType=generation Count [3.0, 2.0]
        ProcessingTime DatasetType=generation Seconds [1.5, 1.5]
        SourceRecords DatasetType=generation Count [200.0, 50.0]
        ConversionRate DatasetType=generation Percent [90.0, 100.0]
        BatchSuccessRate DatasetType=generation Percent [100.0, 50.0]
        FailedBatches DatasetType=generation Count [0.0, 1.0]
        ProcessingErrors DatasetType=generation ErrorType=InfluxDBWriteError Count [1.0]
        RowsWritten DatasetType=generation Count [180.0, 25.0]
        RowsRejected DatasetType=generation Code=invalid-value Count [10.0]
        RowsFiltered DatasetType=generation Count [10.0, 0.0]
        ");
    }

    #[test]
    fn of_nothing_there_is_no_rate() {
        let report = Report { objects: vec![object("generation", Accounts::default())], ..Report::default() };
        insta::assert_snapshot!(shown(&report), @"
        PointsWritten DatasetType=generation Count [0.0]
        BatchesProcessed DatasetType=generation Count [0.0]
        ProcessingTime DatasetType=generation Seconds [1.5]
        SourceRecords DatasetType=generation Count [0.0]
        FailedBatches DatasetType=generation Count [0.0]
        RowsWritten DatasetType=generation Count [0.0]
        RowsFiltered DatasetType=generation Count [0.0]
        ");
    }

    #[test]
    fn failures_without_a_dataset_are_counted_too() {
        let object = ObjectReport { failure: Some(failure(FailureKind::UnknownDataset)), ..ObjectReport::default() };
        let mut report = Report::failed(failure(FailureKind::BadEvent));
        report.objects = vec![object.clone(), object];
        let errors: String =
            shown(&report).lines().filter(|line| line.contains("Errors")).collect::<Vec<_>>().join("\n");
        insta::assert_snapshot!(errors, @r"
        ProcessingErrors DatasetType=unknown ErrorType=DataConversionError Count [1.0, 1.0]
        ProcessingErrors DatasetType=unknown ErrorType=UnexpectedError Count [1.0]
        ");
    }

    #[test]
    fn a_name_that_cloudwatch_does_not_take_is_bent() {
        assert_eq!(dimension("::geração\n"), "gera__o_");
        assert_eq!(dimension(" : "), " : ");
        assert_eq!(dimension(":"), "unknown");
        assert_eq!(dimension(" \t"), " _");
        assert_eq!(dimension(&"x".repeat(5000)).len(), 255);
    }

    #[test]
    fn items_that_cannot_be_read_count_as_errors_and_objects_that_were_not_begun_do_not_count() {
        let reference = crate::event::ObjectReference::new("energy", "a.parquet");
        let left = ObjectReport { remaining: Some(Remaining::whole(&reference)), ..ObjectReport::of(&reference) };
        let broken = ItemReport { failure: Some(failure(FailureKind::BadEvent)), ..ItemReport::default() };
        let report = Report { objects: vec![left], items: vec![broken, ItemReport::default()], ..Report::default() };
        assert_eq!(shown(&report), "ProcessingErrors DatasetType=unknown ErrorType=UnexpectedError Count [1.0]\n");
    }

    proptest! {
        #[test]
        fn every_dimension_is_one_that_cloudwatch_takes(name in any::<String>()) {
            let value = dimension(&name);
            prop_assert!(!value.trim().is_empty() && value.len() <= 255 && !value.starts_with(':'));
            prop_assert!(value.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        }
    }
}
