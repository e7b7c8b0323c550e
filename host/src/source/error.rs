//! What can go wrong while an object is read.

use std::error::Error;
use std::sync::Arc;

/// What lies behind an error; shared, since one failed request can fail several columns.
pub type Cause = Arc<dyn Error + Send + Sync>;

/// Why an object could not be read. Each variant names the object.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// There is no such key, version or file, or no such bucket where S3 does not report which.
    #[error("`{object}` does not exist")]
    NotFound {
        /// The object, as `s3://bucket/key` or as a path.
        object: String,
    },
    /// There is no such bucket.
    #[error("the bucket of `{object}` does not exist")]
    NoBucket {
        /// The object.
        object: String,
    },
    /// The credentials do not allow reading it.
    #[error("no permission to read `{object}`")]
    Forbidden {
        /// The object.
        object: String,
        /// What refused it.
        #[source]
        cause: Cause,
    },
    /// The object was replaced after reading had begun, or is not the one that is known by its entity tag.
    #[error("`{object}` has been replaced by another object")]
    Replaced {
        /// The object.
        object: String,
    },
    /// The object's bytes could not be had.
    #[error("cannot read `{object}`")]
    Read {
        /// The object.
        object: String,
        /// What failed.
        #[source]
        cause: Cause,
    },
    /// The deadline passed while the object's bytes were waited for.
    #[error("the deadline passed while `{object}` was being read")]
    Deadline {
        /// The object.
        object: String,
    },
    /// The object is not a Parquet file.
    #[error("`{object}` is not a Parquet file: {reason}")]
    NotParquet {
        /// The object.
        object: String,
        /// What was found in its place.
        reason: String,
    },
    /// The object is a Parquet file whose metadata cannot be read.
    #[error("cannot read `{object}`: {reason}")]
    Metadata {
        /// The object.
        object: String,
        /// What the reader reports.
        reason: String,
    },
    /// Something in the object has no room in the memory that the object may take.
    #[error(
        "`{object}` does not fit in memory: {what} has {bytes} bytes, more than `OBJECT_MEMORY_MIB`={mebibytes} has room for\nhint: raise `OBJECT_MEMORY_MIB`, or write the file with smaller pages"
    )]
    TooLarge {
        /// The object.
        object: String,
        /// What is too large, and where it is.
        what: String,
        /// Its bytes.
        bytes: u64,
        /// The memory that an object may take.
        mebibytes: usize,
    },
    /// A listing has no room in memory.
    #[error(
        "the listing of `{prefix}` is too long: {objects} objects take the {limit} bytes that it may take\nhint: name longer \
         prefixes, one after the other"
    )]
    TooMany {
        /// What was listed.
        prefix: String,
        /// How many objects had room.
        objects: usize,
        /// The limit.
        limit: usize,
    },
    /// The object does not have the rows that are to be read.
    #[error("`{object}` does not have what is to be read: {reason}")]
    Selection {
        /// The object.
        object: String,
        /// What was asked for, and what there is.
        reason: String,
    },
    /// The object is a Parquet file that is damaged, or that uses what the reader does not know.
    #[error("cannot decode `{object}` at row {row}, in row group {row_group}{}", named(column.as_deref()))]
    Decode {
        /// The object.
        object: String,
        /// The row, from 0, at which the batch begins that could not be decoded.
        row: u64,
        /// The row group of that row.
        row_group: usize,
        /// The column, where it is known.
        column: Option<String>,
        /// What the decoder reports.
        #[source]
        cause: Cause,
    },
}

fn named(column: Option<&str>) -> String {
    column.map(|column| format!(", column `{column}`")).unwrap_or_default()
}

impl SourceError {
    /// The row, from 0, at which reading stopped, where it is known.
    pub fn row(&self) -> Option<u64> {
        match self {
            Self::Decode { row, .. } => Some(*row),
            Self::NotFound { .. }
            | Self::NoBucket { .. }
            | Self::Forbidden { .. }
            | Self::Replaced { .. }
            | Self::Read { .. }
            | Self::Deadline { .. }
            | Self::TooLarge { .. }
            | Self::TooMany { .. }
            | Self::NotParquet { .. }
            | Self::Metadata { .. }
            | Self::Selection { .. } => None,
        }
    }
}
