//! What an event names: an object, or every object below a prefix. Both are written as they are read, so that what is left
//! of a load is an event.

use std::fmt;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::ObjectReference;

/// What is to be loaded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// One object.
    Object(ObjectReference),
    /// Every Parquet file below a prefix.
    Prefix(Prefix),
}

impl Target {
    /// What is read for it: whatever version a notification reports, the newest one.
    #[must_use]
    pub fn newest(&self) -> Self {
        match self {
            Self::Object(object) if object.notified => {
                let ObjectReference { bucket, key, .. } = object;
                Self::Object(ObjectReference { notified: true, ..ObjectReference::new(bucket, key) })
            }
            Self::Object(_) | Self::Prefix(_) => self.clone(),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object(object) => object.fmt(formatter),
            Self::Prefix(prefix) => prefix.fmt(formatter),
        }
    }
}

/// Every Parquet file whose key begins with a prefix, in the order of keys. Prints as `s3://bucket/prefix`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Prefix {
    /// The bucket.
    pub bucket: String,
    /// What keys begin with; may be empty.
    pub prefix: String,
    /// The key after which the first one comes; none: all of them.
    pub start_after: Option<String>,
    /// The dataset, where the caller names it.
    pub dataset: Option<String>,
    /// Whether objects are skipped that the ledger shows as loaded.
    pub skip_loaded: bool,
}

impl fmt::Display for Prefix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "s3://{}/{}", self.bucket, self.prefix)
    }
}

/// As a direct invocation has it. What only describes the event (size, entity tag, sequencer) is omitted.
impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        let mut texts = |pairs: &[(&'static str, Option<&String>)]| {
            pairs
                .iter()
                .filter_map(|(name, value)| Some((name, (*value)?)))
                .try_for_each(|(name, value)| members.serialize_entry(name, value))
        };
        match self {
            Self::Object(object) => {
                texts(&[
                    ("bucket", Some(&object.bucket)),
                    ("key", Some(&object.key)),
                    ("version_id", object.version_id.as_ref()),
                    ("etag", object.if_match.as_ref()),
                    ("converter_digest", object.converter_digest.as_ref()),
                    ("dataset", object.dataset.as_ref()),
                ])?;
                if let Some(row_groups) = &object.row_groups {
                    members.serialize_entry("row_groups", &[row_groups.start, row_groups.end])?;
                }
            }
            Self::Prefix(prefix) => texts(&[
                ("bucket", Some(&prefix.bucket)),
                ("prefix", Some(&prefix.prefix)),
                ("start_after", prefix.start_after.as_ref()),
                ("dataset", prefix.dataset.as_ref()),
            ])?,
        }
        if let Self::Object(ObjectReference { skip_loaded: true, .. })
        | Self::Prefix(Prefix { skip_loaded: true, .. }) = self
        {
            members.serialize_entry("skip_loaded", &true)?;
        }
        members.end()
    }
}
