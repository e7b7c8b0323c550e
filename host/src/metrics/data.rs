//! A report → values of metrics. Pure.

use std::collections::BTreeMap;
use std::fmt;

use super::{FUNCTION, Known, Metric};
use crate::registry::Outcome;
use crate::report::{Accounts, Failure, ObjectReport, Report, TrialReport};

/// The value of a dimension that was not found out, such as the dataset of an object.
const UNKNOWN: &str = "unknown";

/// The longest value of a dimension that is sent, in bytes. CloudWatch takes 1024.
const DIMENSION_LIMIT: usize = 255;

/// What is known of the process beside the report of an invocation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// How often the circuit breaker opened since the invocation before.
    pub breaker_openings: u64,
    /// Whether this is the first invocation.
    pub cold_start: bool,
}

/// Names and values, in alphabetical order of the names.
pub type Dimensions = Vec<(&'static str, String)>;

/// Different values, and how often each was measured.
pub type Values = Vec<(f64, u64)>;

/// The values of a metric with the same dimensions.
#[derive(Clone, Debug, PartialEq)]
pub struct Datum {
    /// What is measured.
    pub metric: Metric,
    /// As CloudWatch takes them.
    pub dimensions: Dimensions,
    /// Finite, in ascending order.
    pub values: Values,
}

impl fmt::Display for Datum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.metric.name())?;
        for (name, value) in &self.dimensions {
            write!(f, " {name}={value}")?;
        }
        write!(f, " {}", self.metric.unit().name())?;
        self.values.iter().try_for_each(|(value, times)| match times {
            1 => write!(f, " {value}"),
            times => write!(f, " {value}x{times}"),
        })
    }
}

/// Values by their metric and dimensions.
#[derive(Debug, Default)]
struct Collection(BTreeMap<(Dimensions, Metric), Values>);

impl Collection {
    /// Adds a value. Of the dimensions, the dataset is needed by all metrics but those of the process, and the detail by
    /// those that have a further dimension.
    fn add(&mut self, metric: Metric, dataset: &str, detail: &str, value: f64, times: u64) {
        let value_of = |name: &'static str| match name {
            "Function" => FUNCTION.to_owned(),
            "DatasetType" => dimension(dataset),
            _ => dimension(detail),
        };
        let dimensions = metric.dimensions().iter().map(|name| (*name, value_of(name))).collect();
        self.0.entry((dimensions, metric)).or_default().push((value, times));
    }

    fn into_data(self) -> Vec<Datum> {
        let datum = |((dimensions, metric), mut values): (_, Values)| {
            values.sort_by(|(left, _), (right, _)| left.total_cmp(right));
            values.dedup_by(|(value, times), (kept, total)| {
                let equal = value == kept;
                *total += if equal { *times } else { 0 };
                equal
            });
            Datum { metric, dimensions, values }
        };
        self.0.into_iter().map(datum).collect()
    }
}

/// The metrics of an invocation. Nothing where nothing was asked to be loaded.
pub fn data(report: &Report, process: Process, known: &mut Known) -> Vec<Datum> {
    let mut collection = Collection::default();
    for object in report.objects.iter().filter(|object| object.is_begun()) {
        let dataset = known.dataset(object);
        for (metric, value) in measures(object) {
            collection.add(metric, dataset, "", value, 1);
        }
        for (code, rows) in &object.accounts.rejected {
            collection.add(Metric::RowsRejected, dataset, known.code(dataset, code), count(*rows), 1);
        }
        for (milliseconds, times) in object.latencies.values() {
            collection.add(Metric::WriteLatency, dataset, "", milliseconds, times);
        }
        if let Some(converter) = &object.converter {
            collection.add(Metric::ConverterVersion, dataset, &converter.version, 1.0, 1);
        }
        for (metric, value) in object.trial.iter().flat_map(trial) {
            collection.add(metric, dataset, "", value, 1);
        }
        if let Some(failure) = &object.failure {
            collection.add(Metric::ProcessingErrors, dataset, error_type(failure), 1.0, 1);
        }
    }
    for failure in report.failure.iter().chain(report.items.iter().filter_map(|item| item.failure.as_ref())) {
        collection.add(Metric::ProcessingErrors, "", error_type(failure), 1.0, 1);
    }
    if !collection.0.is_empty() {
        collection.add(Metric::BreakerOpen, "", "", count(process.breaker_openings), 1);
        if process.cold_start {
            collection.add(Metric::ColdStart, "", "", 1.0, 1);
        }
    }
    collection.into_data()
}

/// The dimension of a failure.
fn error_type(failure: &Failure) -> &'static str {
    failure.error_type().name()
}

/// What one object adds under no other dimension than its dataset.
fn measures(object: &ObjectReport) -> impl Iterator<Item = (Metric, f64)> {
    let Accounts {
        rows,
        written,
        points,
        batches,
        failed_batches,
        filtered,
        superseded,
        retries,
        bytes_read,
        bytes_written,
        ..
    } = object.accounts;
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
        (Metric::RowsSuperseded, Some(count(superseded))),
        (Metric::Retries, Some(count(retries))),
        (Metric::BytesRead, Some(count(bytes_read))),
        (Metric::BytesWritten, Some(count(bytes_written))),
        (Metric::ConvertTime, Some(object.timings.convert.as_secs_f64())),
        (Metric::ConverterFallbacks, Some(count(u64::from(object.converter_fallback)))),
        (Metric::ObjectsRejected, Some(count(u64::from(object.is_rejected())))),
    ]
    .into_iter()
    .filter_map(|(metric, value)| Some((metric, value?)))
}

/// What an object of a trial adds. Nothing is measured while nothing is tried.
fn trial(trial: &TrialReport) -> impl Iterator<Item = (Metric, f64)> {
    let differences = trial.points.map(|points| points.total() - points.equal);
    let ended = |outcome| Some(count(u64::from(trial.outcome == Some(outcome))));
    [
        (Metric::ShadowDifferences, differences.map(count)),
        (Metric::TrialPromotions, ended(Outcome::Promoted)),
        (Metric::TrialRollbacks, ended(Outcome::RolledBack)),
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

/// Text as CloudWatch takes it as a dimension: printable ASCII, not beginning with a colon, neither blank nor long. One
/// value that it does not take would lose all metrics of its request, and names come from keys of objects and converters.
pub(super) fn dimension(text: &str) -> String {
    let ascii = |character: char| if matches!(character, ' '..='~') { character } else { '_' };
    let value: String = text.trim_start_matches(':').chars().map(ascii).take(DIMENSION_LIMIT).collect();
    if value.trim().is_empty() { UNKNOWN.to_owned() } else { value }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::registry::{Kind, Points};
    use crate::report::{FailureKind, ItemReport, Remaining, Timings};

    fn shown(report: &Report) -> String {
        let mut known = Known::datasets(["consumption", "generation"]);
        data(report, Process::default(), &mut known).iter().map(|datum| format!("{datum}\n")).collect()
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
        RowsRejected Code=invalid-value DatasetType=generation Function=InfluxDBLoader Count 10
        PointsWritten DatasetType=consumption Function=InfluxDBLoader Count 1
        BatchesProcessed DatasetType=consumption Function=InfluxDBLoader Count 1
        ProcessingTime DatasetType=consumption Function=InfluxDBLoader Seconds 1.5
        SourceRecords DatasetType=consumption Function=InfluxDBLoader Count 1
        ConversionRate DatasetType=consumption Function=InfluxDBLoader Percent 100
        BatchSuccessRate DatasetType=consumption Function=InfluxDBLoader Percent 100
        FailedBatches DatasetType=consumption Function=InfluxDBLoader Count 0
        RowsWritten DatasetType=consumption Function=InfluxDBLoader Count 1
        RowsFiltered DatasetType=consumption Function=InfluxDBLoader Count 0
        RowsSuperseded DatasetType=consumption Function=InfluxDBLoader Count 0
        Retries DatasetType=consumption Function=InfluxDBLoader Count 0
        BytesRead DatasetType=consumption Function=InfluxDBLoader Bytes 0
        BytesWritten DatasetType=consumption Function=InfluxDBLoader Bytes 0
        ConvertTime DatasetType=consumption Function=InfluxDBLoader Seconds 0
        ConverterFallbacks DatasetType=consumption Function=InfluxDBLoader Count 0
        ObjectsRejected DatasetType=consumption Function=InfluxDBLoader Count 0
        ProcessingErrors DatasetType=generation ErrorType=InfluxDBWriteError Function=InfluxDBLoader Count 1
        PointsWritten DatasetType=generation Function=InfluxDBLoader Count 25 360
        BatchesProcessed DatasetType=generation Function=InfluxDBLoader Count 2 3
        ProcessingTime DatasetType=generation Function=InfluxDBLoader Seconds 1.5x2
        SourceRecords DatasetType=generation Function=InfluxDBLoader Count 50 200
        ConversionRate DatasetType=generation Function=InfluxDBLoader Percent 90 100
        BatchSuccessRate DatasetType=generation Function=InfluxDBLoader Percent 50 100
        FailedBatches DatasetType=generation Function=InfluxDBLoader Count 0 1
        RowsWritten DatasetType=generation Function=InfluxDBLoader Count 25 180
        RowsFiltered DatasetType=generation Function=InfluxDBLoader Count 0 10
        RowsSuperseded DatasetType=generation Function=InfluxDBLoader Count 0x2
        Retries DatasetType=generation Function=InfluxDBLoader Count 0x2
        BytesRead DatasetType=generation Function=InfluxDBLoader Bytes 0x2
        BytesWritten DatasetType=generation Function=InfluxDBLoader Bytes 0x2
        ConvertTime DatasetType=generation Function=InfluxDBLoader Seconds 0x2
        ConverterFallbacks DatasetType=generation Function=InfluxDBLoader Count 0x2
        ObjectsRejected DatasetType=generation Function=InfluxDBLoader Count 0x2
        BreakerOpen Function=InfluxDBLoader Count 0
        ");
    }

    #[test]
    fn a_rejected_object_is_counted_as_one_and_as_an_error() {
        let rejected =
            ObjectReport { failure: Some(failure(FailureKind::Rejected)), ..object("generation", Accounts::default()) };
        let shown = shown(&Report { objects: vec![rejected], ..Report::default() });
        for line in [
            "ObjectsRejected DatasetType=generation Function=InfluxDBLoader Count 1\n",
            "ProcessingErrors DatasetType=generation ErrorType=InfluxDBWriteError Function=InfluxDBLoader Count 1\n",
        ] {
            assert!(shown.contains(line), "{line} is not in\n{shown}");
        }
    }

    #[test]
    fn trials_are_measured_by_the_objects_that_belong_to_one() {
        let trial = TrialReport {
            points: Some(Points { equal: 7, added: 1, removed: 0, changed: 2 }),
            outcome: Some(Outcome::RolledBack),
            ..TrialReport::of(Kind::Shadow, "1.0.1")
        };
        let tried = ObjectReport { trial: Some(trial), ..object("generation", Accounts::default()) };
        let report = Report { objects: vec![tried, object("generation", Accounts::default())], ..Report::default() };
        let shown: Vec<String> = shown(&report)
            .lines()
            .filter(|line| line.starts_with("Shadow") || line.starts_with("Trial"))
            .map(str::to_owned)
            .collect();
        insta::assert_snapshot!(shown.join("\n"), @"
        ShadowDifferences DatasetType=generation Function=InfluxDBLoader Count 3
        TrialPromotions DatasetType=generation Function=InfluxDBLoader Count 0
        TrialRollbacks DatasetType=generation Function=InfluxDBLoader Count 1
        ");
    }

    #[test]
    fn of_nothing_there_is_no_rate() {
        let report = Report { objects: vec![object("generation", Accounts::default())], ..Report::default() };
        insta::assert_snapshot!(shown(&report), @"
        PointsWritten DatasetType=generation Function=InfluxDBLoader Count 0
        BatchesProcessed DatasetType=generation Function=InfluxDBLoader Count 0
        ProcessingTime DatasetType=generation Function=InfluxDBLoader Seconds 1.5
        SourceRecords DatasetType=generation Function=InfluxDBLoader Count 0
        FailedBatches DatasetType=generation Function=InfluxDBLoader Count 0
        RowsWritten DatasetType=generation Function=InfluxDBLoader Count 0
        RowsFiltered DatasetType=generation Function=InfluxDBLoader Count 0
        RowsSuperseded DatasetType=generation Function=InfluxDBLoader Count 0
        Retries DatasetType=generation Function=InfluxDBLoader Count 0
        BytesRead DatasetType=generation Function=InfluxDBLoader Bytes 0
        BytesWritten DatasetType=generation Function=InfluxDBLoader Bytes 0
        ConvertTime DatasetType=generation Function=InfluxDBLoader Seconds 0
        ConverterFallbacks DatasetType=generation Function=InfluxDBLoader Count 0
        ObjectsRejected DatasetType=generation Function=InfluxDBLoader Count 0
        BreakerOpen Function=InfluxDBLoader Count 0
        ");
    }

    #[test]
    fn failures_without_a_dataset_are_counted_too() {
        let object = ObjectReport { failure: Some(failure(FailureKind::UnknownDataset)), ..ObjectReport::default() };
        let mut report = Report::failed(failure(FailureKind::BadEvent));
        report.objects = vec![object.clone(), object];
        let errors: String =
            shown(&report).lines().filter(|line| line.contains("Errors")).collect::<Vec<_>>().join("\n");
        insta::assert_snapshot!(errors, @"
        ProcessingErrors DatasetType=unknown ErrorType=DataConversionError Function=InfluxDBLoader Count 1x2
        ProcessingErrors DatasetType=unknown ErrorType=UnexpectedError Function=InfluxDBLoader Count 1
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
        insta::assert_snapshot!(shown(&report), @"
        ProcessingErrors DatasetType=unknown ErrorType=UnexpectedError Function=InfluxDBLoader Count 1
        BreakerOpen Function=InfluxDBLoader Count 0
        ");
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
