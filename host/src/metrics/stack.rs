//! The same values once more, under the name of the stack.
//!
//! The metrics that the loader has always sent know nothing of stacks: production, staging and the loader before this one add to
//! the same. So each value is sent a second time with the dimension [`STACK`] beside its own. Those from which alarms compute how much
//! of the data is affected ([`STACK_TOTALS`]) are sent for all datasets together as well, under function and stack alone: an
//! alarm that computes a share takes plain metrics, and cannot add up an unknown number of them.

use std::collections::BTreeMap;

use super::data::{Datum, Dimensions, dimension};
use super::{FUNCTION, Metric};

/// The dimension.
pub const STACK: &str = "Stack";

/// What is sent for all datasets of a stack together.
pub const STACK_TOTALS: [Metric; 4] =
    [Metric::SourceRecords, Metric::ProcessingErrors, Metric::RowsRejected, Metric::ConverterFallbacks];

/// What is sent for a stack beside `data`.
pub fn of_stack(data: &[Datum], stack: &str) -> Vec<Datum> {
    let stack = dimension(stack);
    let copy = |datum: &Datum| {
        let mut dimensions = datum.dimensions.clone();
        dimensions.push((STACK, stack.clone()));
        dimensions.sort_by_key(|(name, _)| *name);
        Datum { dimensions, ..datum.clone() }
    };
    let mut totals = BTreeMap::new();
    for datum in data.iter().filter(|datum| STACK_TOTALS.contains(&datum.metric)) {
        let total: &mut f64 = totals.entry(datum.metric).or_default();
        *total += datum.values.iter().map(|(value, times)| value * *times as f64).sum::<f64>();
    }
    // Rows of which none was rejected count as 0 rejected: an alarm needs the value.
    if totals.contains_key(&Metric::SourceRecords) {
        totals.entry(Metric::RowsRejected).or_default();
    }
    let dimensions: Dimensions = vec![("Function", FUNCTION.to_owned()), (STACK, stack.clone())];
    let total = |(metric, value)| Datum { metric, dimensions: dimensions.clone(), values: vec![(value, 1)] };
    data.iter().map(copy).chain(totals.into_iter().map(total)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Known, Process, data};
    use crate::report::{Accounts, ObjectReport, Report};

    fn object(dataset: &str, rows: u64, rejected: u64) -> ObjectReport {
        let mut accounts = Accounts { rows, written: rows - rejected, ..Accounts::default() };
        if rejected > 0 {
            accounts.reject("invalid-value", rejected);
        }
        ObjectReport { dataset: Some(dataset.to_owned()), accounts, ..ObjectReport::default() }
    }

    fn shown(objects: Vec<ObjectReport>, wanted: &[Metric]) -> String {
        let mut known = Known::datasets(["consumption", "generation"]);
        let data = data(&Report { objects, ..Report::default() }, Process::default(), &mut known);
        let of_stack = of_stack(&data, "staging");
        assert!(of_stack.len() > data.len());
        of_stack.iter().filter(|datum| wanted.contains(&datum.metric)).map(|datum| format!("{datum}\n")).collect()
    }

    #[test]
    fn each_value_is_told_again_with_the_stack_and_some_for_all_datasets() {
        let objects = vec![object("generation", 7, 2), object("consumption", 5, 1)];
        insta::assert_snapshot!(shown(objects, &[Metric::SourceRecords, Metric::RowsRejected, Metric::BreakerOpen]), @"
        RowsRejected Code=invalid-value DatasetType=consumption Function=InfluxDBLoader Stack=staging Count 1
        RowsRejected Code=invalid-value DatasetType=generation Function=InfluxDBLoader Stack=staging Count 2
        SourceRecords DatasetType=consumption Function=InfluxDBLoader Stack=staging Count 5
        SourceRecords DatasetType=generation Function=InfluxDBLoader Stack=staging Count 7
        BreakerOpen Function=InfluxDBLoader Stack=staging Count 0
        SourceRecords Function=InfluxDBLoader Stack=staging Count 12
        RowsRejected Function=InfluxDBLoader Stack=staging Count 3
        ");
    }

    #[test]
    fn that_no_row_is_rejected_is_told_for_the_stack() {
        insta::assert_snapshot!(shown(vec![object("generation", 7, 0)], &[Metric::RowsRejected]), @"RowsRejected Function=InfluxDBLoader Stack=staging Count 0");
    }

    #[test]
    fn nothing_is_nothing() {
        assert!(of_stack(&[], "staging").is_empty());
    }
}
