//! Where to go on, when a load stopped ahead of its deadline.

use std::ops::Range;

use serde::{Serialize, Serializer};

use crate::event::ObjectReference;

/// An event that loads what a load has left: the same object, in the state in which it was read, from the first row group
/// that is not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Remaining {
    /// The bucket.
    pub bucket: String,
    /// The plain key.
    pub key: String,
    /// Which version, where one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    /// The entity tag of what was read, without quotation marks: an object that was replaced is not gone on with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// The dataset, where the event named it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
    /// The row groups, from the first to the one after the last.
    #[serde(serialize_with = "range")]
    pub row_groups: Range<usize>,
}

impl Remaining {
    /// These row groups of `object`, which was read with this entity tag.
    pub fn of(object: &ObjectReference, etag: Option<&str>, row_groups: Range<usize>) -> Self {
        Self {
            bucket: object.bucket.clone(),
            key: object.key.clone(),
            version_id: object.version_id.clone(),
            etag: etag.map(str::to_owned),
            dataset: object.dataset.clone(),
            row_groups,
        }
    }
}

/// A range as events have it: `[from, to]`.
fn range<S: Serializer>(range: &Range<usize>, serializer: S) -> Result<S::Ok, S::Error> {
    [range.start, range.end].serialize(serializer)
}

/// The same, where there may be none.
pub(super) fn optional_range<S: Serializer>(range: &Option<Range<usize>>, serializer: S) -> Result<S::Ok, S::Error> {
    range.as_ref().map(|range| [range.start, range.end]).serialize(serializer)
}
