//! Which values dimensions may have, so that there are few different metrics: CloudWatch charges for each.
//!
//! Keys of objects name datasets, and converters make up codes; both come from outside. So a dataset has its name once
//! there is a converter for it, and `unknown` before; and of each dataset so many codes are kept apart over the life of the
//! process.

use std::collections::{BTreeMap, BTreeSet};

use crate::report::ObjectReport;

/// How many codes of a dataset are kept apart.
const MAXIMUM_CODES: usize = 100;

/// The code of rows with further codes.
const OTHER_CODES: &str = "other";

/// How many datasets are kept apart: one converter may serve any number of them.
const MAXIMUM_DATASETS: usize = 500;

/// What is known of datasets: the codes of each so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known(BTreeMap<String, BTreeSet<String>>);

impl Known {
    /// These datasets have converters.
    pub fn datasets<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Self {
        Self(names.into_iter().map(|name| (name.into(), BTreeSet::new())).collect())
    }

    /// The dataset of an object, or nothing where it has no converter, as far as is known.
    pub(super) fn dataset<'a>(&mut self, object: &'a ObjectReport) -> &'a str {
        let Some(name) = object.dataset.as_deref() else { return "" };
        if object.converter.is_some() && self.0.len() < MAXIMUM_DATASETS {
            self.0.entry(name.to_owned()).or_default();
        }
        if self.0.contains_key(name) { name } else { "" }
    }

    /// The code under which rows of a dataset are counted.
    pub(super) fn code<'a>(&mut self, dataset: &str, code: &'a str) -> &'a str {
        let Some(codes) = self.0.get_mut(dataset) else { return OTHER_CODES };
        if !codes.contains(code) {
            if codes.len() >= MAXIMUM_CODES {
                return OTHER_CODES;
            }
            codes.insert(code.to_owned());
        }
        code
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::ObjectReference;
    use crate::metrics::{Datum, Process, data};
    use crate::report::{ConverterId, Failure, FailureKind, Report};

    fn object(dataset: &str) -> ObjectReport {
        let failure = Failure::new(FailureKind::UnknownDataset, &std::io::Error::other("no converter"));
        let reference = ObjectReference::new("energy", format!("dataset={dataset}/part.parquet"));
        ObjectReport { dataset: Some(dataset.to_owned()), failure: Some(failure), ..ObjectReport::of(&reference) }
    }

    fn converted(dataset: &str, code: &str) -> ObjectReport {
        let id = ConverterId {
            name: dataset.to_owned(),
            version: "1.0.0".to_owned(),
            digest: "0a".to_owned(),
            parameters: None,
        };
        let mut object = ObjectReport { converter: Some(id), failure: None, ..object(dataset) };
        object.accounts.reject(code, 1);
        object
    }

    /// The different metrics of several invocations.
    fn metrics(known: &mut Known, invocations: impl IntoIterator<Item = Vec<ObjectReport>>) -> BTreeSet<String> {
        let metrics = |objects| data(&Report { objects, ..Report::default() }, Process::default(), known);
        let name = |datum: Datum| format!("{:?} {:?}", datum.metric, datum.dimensions);
        invocations.into_iter().flat_map(metrics).map(name).collect()
    }

    #[test]
    fn keys_that_go_astray_make_no_metrics_of_their_own() {
        let stray = (0..300).map(|number| vec![object(&format!("stray-{number}"))]);
        let metrics = metrics(&mut Known::datasets(["generation"]), stray);
        assert!(metrics.len() < 20, "{} metrics", metrics.len());
        assert!(metrics.iter().all(|metric| !metric.contains("stray")), "{metrics:?}");
    }

    #[test]
    fn a_dataset_is_told_by_its_name_once_it_has_a_converter() {
        let mut known = Known::default();
        let count =
            |metrics: &BTreeSet<String>, name: &str| metrics.iter().filter(|metric| metric.contains(name)).count();
        let before = metrics(&mut known, [vec![object("weather")]]);
        assert_eq!(count(&before, "weather"), 0);
        let after = metrics(&mut known, [vec![converted("weather", "too-cold")], vec![object("weather")]]);
        assert!(
            after.iter().any(|metric| metric.contains("ProcessingErrors") && metric.contains("weather")),
            "{after:?}"
        );
    }

    #[test]
    fn a_pattern_that_serves_any_dataset_makes_so_many_metrics_in_the_life_of_a_process() {
        let mut known = Known::datasets(["generation"]);
        let served = |number: usize| vec![converted(&format!("table-{number}"), "too-cold")];
        let metrics = metrics(&mut known, (0..2 * MAXIMUM_DATASETS).map(served));
        let is_of = |number: usize| metrics.iter().any(|metric| metric.contains(&format!("\"table-{number}\"")));
        assert!(is_of(0) && is_of(MAXIMUM_DATASETS - 2));
        assert!(!is_of(MAXIMUM_DATASETS - 1) && !is_of(2 * MAXIMUM_DATASETS - 1));
        assert_eq!(known.0.len(), MAXIMUM_DATASETS);
    }

    #[test]
    fn a_converter_that_makes_up_codes_makes_so_many_metrics_in_the_life_of_a_process() {
        let invocations = (0..30).map(|invocation| {
            (0..100).map(|number| converted("generation", &format!("code-{invocation}-{number}"))).collect()
        });
        let metrics = metrics(&mut Known::default(), invocations);
        let codes = metrics.iter().filter(|metric| metric.contains("Code")).count();
        assert_eq!(codes, 101);
    }
}
