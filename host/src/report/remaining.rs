//! The event that resumes a load which stopped ahead of its deadline.

use std::ops::Range;

use serde::{Serialize, Serializer};

use crate::event::{ObjectReference, Prefix, Target};

/// What a load has left: serialized, it is an event that loads just that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Remaining(Target);

impl Remaining {
    /// These row groups of `object`, in the state in which it was read with this entity tag, for the converter with this digest:
    /// no object is half one state and half another, nor half one converter's and half another's.
    pub fn of(object: &ObjectReference, etag: Option<&str>, converter_digest: &str, row_groups: Range<usize>) -> Self {
        let (if_match, converter_digest) = (etag.map(str::to_owned), Some(converter_digest.to_owned()));
        let row_groups = Some(row_groups);
        Self(Target::Object(ObjectReference { if_match, converter_digest, row_groups, ..object.clone() }))
    }

    /// All that `object` stands for: nothing of it is done.
    pub fn whole(object: &ObjectReference) -> Self {
        Self(Target::Object(object.clone()))
    }

    /// The objects below `prefix` whose keys come after `start_after`.
    pub fn rest(prefix: &Prefix, start_after: Option<String>) -> Self {
        Self(Target::Prefix(Prefix { start_after, ..prefix.clone() }))
    }

    /// What it is, in words.
    pub(super) fn story(&self) -> String {
        match &self.0 {
            Target::Object(ObjectReference { row_groups: Some(Range { start, end }), .. }) => {
                format!("row groups [{start}, {end}] are left")
            }
            Target::Object(_) => "it is left".to_owned(),
            Target::Prefix(Prefix { start_after: Some(key), .. }) => format!("what comes after `{key}` is left"),
            Target::Prefix(_) => "all of it is left".to_owned(),
        }
    }
}

/// A range as events have it: `[from, to]`; none where there is none.
pub(super) fn optional_range<S: Serializer>(range: &Option<Range<usize>>, serializer: S) -> Result<S::Ok, S::Error> {
    range.as_ref().map(|range| [range.start, range.end]).serialize(serializer)
}
