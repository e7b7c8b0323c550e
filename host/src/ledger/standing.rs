//! What the documents of an object show about the version that it has now. Does no input or output.

use std::ops::Range;

use serde::Serialize;

use super::document::{Document, Target};

/// What is asked of an object.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// The entity tag that it has now.
    pub etag: &'a str,
    /// Where it is to be; none: anywhere.
    pub target: Option<&'a Target>,
    /// The digest of the current converter, and that of its parameters; none: any will do.
    pub converter: Option<(&'a str, Option<&'a str>)>,
    /// The dataset that it is loaded as: a converter may make other points of another one. None: any will do.
    pub dataset: Option<&'a str>,
    /// Which of its row groups; none: all of them.
    pub row_groups: Option<Range<u64>>,
}

/// How far an object is loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "standing")]
pub enum Standing {
    /// All of it, by the current converter.
    Loaded,
    /// All of it, some by another converter, with other parameters, or as another dataset.
    OtherConverter,
    /// Some of its row groups.
    Partly {
        /// How many.
        row_groups: u64,
        /// Of how many.
        of: u64,
    },
    /// Another version of it: it was replaced since.
    Stale,
    /// Into another bucket alone.
    Elsewhere,
    /// Not at all.
    Missing,
}

impl Standing {
    /// The word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Loaded => "loaded",
            Self::OtherConverter => "other-converter",
            Self::Partly { .. } => "partly",
            Self::Stale => "stale",
            Self::Elsewhere => "elsewhere",
            Self::Missing => "missing",
        }
    }
}

/// How far an object is loaded, by its documents in any order.
///
/// For each row group the load that began last counts: its points have replaced those before. What was loaded of another version
/// has replaced points, too: of the current version only loads count that began after all loads of other versions had ended. So
/// an object that gets an earlier content again is loaded again.
pub fn standing(documents: &[Document], wanted: Wanted<'_>) -> Standing {
    let Wanted { etag, target, converter, dataset, row_groups } = wanted;
    let is_there = |document: &Document| target.is_none_or(|target| document.target.is(target));
    let is_current = |document: &Document| document.object.etag == etag;
    let others = documents.iter().filter(|document| is_there(document) && !is_current(document));
    let replaced = others.map(|document| document.finished_at).max();
    let mut current: Vec<&Document> = documents
        .iter()
        .filter(|document| is_there(document) && is_current(document))
        .filter(|document| replaced.is_none_or(|replaced| document.started_at >= replaced))
        .collect();
    current.sort_by_key(|document| (document.started_at, document.finished_at));
    let Some(latest) = current.last() else {
        return if documents.iter().any(is_there) {
            Standing::Stale
        } else if documents.is_empty() {
            Standing::Missing
        } else {
            Standing::Elsewhere
        };
    };
    let of = latest.of_row_groups;
    // What is loaded, each range by one load; none of them overlap.
    let mut covered: Vec<(Range<u64>, bool)> = Vec::new();
    for document in current.into_iter().filter(|document| document.of_row_groups == of) {
        let is_wanted = converter
            .is_none_or(|wanted| wanted == (&*document.converter.digest, document.converter.parameters.as_deref()))
            && dataset.is_none_or(|dataset| dataset == document.dataset);
        let range = document.range();
        covered = covered.into_iter().flat_map(|(before, wanted)| without(before, &range, wanted)).collect();
        covered.push((range, is_wanted));
    }
    let asked = row_groups.unwrap_or(0..of);
    let within = |range: &Range<u64>| {
        let range = range.start.max(asked.start)..range.end.min(asked.end);
        range.end.saturating_sub(range.start)
    };
    let done: u64 = covered.iter().map(|(range, _)| within(range)).sum();
    if done < asked.end.saturating_sub(asked.start) {
        Standing::Partly { row_groups: done, of }
    } else if covered.iter().all(|(range, is_wanted)| *is_wanted || within(range) == 0) {
        Standing::Loaded
    } else {
        Standing::OtherConverter
    }
}

/// What of a range is not in another one.
fn without(range: Range<u64>, other: &Range<u64>, mark: bool) -> impl Iterator<Item = (Range<u64>, bool)> {
    let before = range.start..range.end.min(other.start);
    let after = range.start.max(other.end)..range.end;
    [before, after].into_iter().filter(|range| !range.is_empty()).map(move |range| (range, mark))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Subject, Time};

    fn target(bucket: &str) -> Target {
        Target { engine: None, url: "http://i".into(), organization: None, bucket: bucket.into() }
    }

    /// What a load left that began at a second.
    fn load(second: i64, etag: &str, row_groups: Range<usize>, of: usize, converter: &str) -> Document {
        let object = Subject {
            bucket: Some("b".into()),
            key: Some("k".into()),
            version_id: None,
            file: None,
            etag: etag.into(),
        };
        let mut document = Document::new(object, &row_groups, of);
        document.target = target("energy");
        document.converter.digest = converter.into();
        document.dataset = "d".into();
        (document.started_at, document.finished_at) = (Time(second), Time(second));
        document
    }

    fn of(documents: &[Document]) -> Standing {
        standing(documents, wanted(&target("energy"), None))
    }

    fn wanted(target: &Target, row_groups: Option<Range<u64>>) -> Wanted<'_> {
        Wanted { etag: "new", target: Some(target), converter: Some(("c", None)), dataset: Some("d"), row_groups }
    }

    #[test]
    fn an_object_is_loaded_when_all_of_its_version_is() {
        assert_eq!(of(&[]), Standing::Missing);
        assert_eq!(of(&[load(0, "new", 0..3, 3, "c")]), Standing::Loaded);
        assert_eq!(of(&[load(0, "old", 0..3, 3, "c")]), Standing::Stale);
        assert_eq!(of(&[load(0, "new", 0..0, 0, "c")]), Standing::Loaded, "an object without rows");
    }

    #[test]
    fn parts_make_a_whole_in_any_order_and_not_before() {
        let parts = [load(2, "new", 4..6, 6, "c"), load(1, "new", 0..2, 6, "c"), load(3, "new", 2..4, 6, "c")];
        assert_eq!(of(&parts), Standing::Loaded);
        assert_eq!(of(&parts[..2]), Standing::Partly { row_groups: 4, of: 6 });
        let overlapping = [load(1, "new", 0..4, 6, "c"), load(2, "new", 2..5, 6, "c")];
        assert_eq!(of(&overlapping), Standing::Partly { row_groups: 5, of: 6 });
        let of_another_version = [load(1, "old", 0..4, 6, "c"), load(2, "new", 4..6, 6, "c")];
        assert_eq!(of(&of_another_version), Standing::Partly { row_groups: 2, of: 6 });
    }

    #[test]
    fn a_part_is_loaded_when_it_is_whatever_is_not() {
        let part = |row_groups| {
            let documents = [load(1, "new", 0..4, 6, "other"), load(2, "new", 1..3, 6, "c")];
            standing(&documents, wanted(&target("energy"), Some(row_groups)))
        };
        assert_eq!(part(1..3), Standing::Loaded);
        assert_eq!(part(0..3), Standing::OtherConverter);
        assert_eq!(part(2..5), Standing::Partly { row_groups: 2, of: 6 });
    }

    #[test]
    fn the_load_that_began_last_says_by_which_converter_a_row_group_is_loaded() {
        assert_eq!(of(&[load(1, "new", 0..6, 6, "other")]), Standing::OtherConverter);
        let again_in_part = [load(1, "new", 0..6, 6, "other"), load(2, "new", 0..3, 6, "c")];
        assert_eq!(of(&again_in_part), Standing::OtherConverter);
        let again = [load(2, "new", 3..6, 6, "c"), load(1, "new", 0..6, 6, "other"), load(3, "new", 0..3, 6, "c")];
        assert_eq!(of(&again), Standing::Loaded);
        let and_back = [load(1, "new", 0..6, 6, "c"), load(2, "new", 2..3, 6, "other")];
        assert_eq!(of(&and_back), Standing::OtherConverter);
    }

    #[test]
    fn a_version_that_comes_back_is_not_loaded_since_another_one_has_replaced_its_points() {
        let and_back = [load(1, "new", 0..3, 3, "c"), load(2, "old", 0..3, 3, "c")];
        assert_eq!(of(&and_back), Standing::Stale);
        let in_part = [load(1, "new", 0..3, 3, "c"), load(2, "old", 0..1, 3, "c"), load(3, "new", 0..2, 3, "c")];
        assert_eq!(of(&in_part), Standing::Partly { row_groups: 2, of: 3 });
        let again = [load(1, "new", 0..3, 3, "c"), load(2, "old", 0..3, 3, "c"), load(3, "new", 0..3, 3, "c")];
        assert_eq!(of(&again), Standing::Loaded);
        // A load of another version that has ended later may have replaced points.
        let mut slow = load(1, "old", 0..3, 3, "c");
        slow.finished_at = Time(4);
        assert_eq!(of(&[slow.clone(), load(2, "new", 0..3, 3, "c")]), Standing::Stale);
        assert_eq!(of(&[slow.clone(), load(2, "new", 0..3, 3, "c"), load(4, "new", 0..3, 3, "c")]), Standing::Loaded);
        // In another bucket, it has replaced nothing.
        slow.target = target("test");
        assert_eq!(of(&[slow, load(2, "new", 0..3, 3, "c")]), Standing::Loaded);
    }

    #[test]
    fn what_was_loaded_as_another_dataset_is_not_loaded_as_this_one() {
        let mut other = load(1, "new", 0..3, 3, "c");
        other.dataset = "e".into();
        assert_eq!(of(&[other]), Standing::OtherConverter);
    }

    #[test]
    fn what_was_loaded_into_another_bucket_is_not_loaded_into_this_one() {
        let mut elsewhere = load(0, "new", 0..3, 3, "c");
        elsewhere.target = target("test");
        assert_eq!(of(&[elsewhere]), Standing::Elsewhere);
    }
}
