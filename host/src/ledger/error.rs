//! Why a load cannot be recorded, or a record not be had back.

use std::io;
use std::sync::Arc;

use crate::rejects::RejectsError;
use crate::source::{Cause, SourceError};

/// Why a load cannot be recorded, or a record not be had back.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The ledger does not let the loader in.
    #[error(
        "the ledger at `{place}` is forbidden\nhint: a load needs `s3:PutObject` and `s3:GetObject` below `LEDGER_URI`; to look \
         at a ledger takes `s3:GetObject` and `s3:ListBucket`"
    )]
    Forbidden {
        /// The document, or what is above it.
        place: String,
        /// S3's own error.
        #[source]
        cause: Cause,
    },
    /// S3 is not reached, or does not do it.
    #[error("the ledger at `{place}` cannot be reached")]
    Unavailable {
        /// The document, or what is above it.
        place: String,
        /// Why.
        #[source]
        cause: Cause,
    },
    /// There is no such bucket, directory or document.
    #[error("`{place}` does not exist in the ledger")]
    NotFound {
        /// What was looked for.
        place: String,
    },
    /// A directory, a file or the disk does not take it, or cannot be read.
    #[error("the ledger's file `{path}` cannot be written or read")]
    File {
        /// The file, or the directory.
        path: String,
        /// Why.
        #[source]
        cause: Arc<io::Error>,
    },
    /// Others wrote it again and again.
    #[error(
        "`{place}` is written by others again and again\nhint: the points are in InfluxDB; load the object again when nobody else does"
    )]
    Contended {
        /// The document.
        place: String,
    },
    /// A document is none that this loader reads.
    #[error("`{place}` is no document of a ledger: {problem}")]
    Malformed {
        /// The document.
        place: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A document is longer than any that the loader writes.
    #[error("`{place}` is longer than the {limit} bytes that a document of a ledger has at most")]
    TooLarge {
        /// The document.
        place: String,
        /// The limit.
        limit: u64,
    },
    /// More documents are needed at once than have room in memory.
    #[error(
        "the documents of the ledger that are needed at once have more than {limit} bytes\nhint: remove those of versions of objects \
         that do not exist any more, such as by a lifecycle rule"
    )]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// The names of documents have no room in memory.
    #[error(transparent)]
    Listing(SourceError),
    /// The load could not be recorded before the deadline.
    #[error(
        "there was no time left to record the load in the ledger\nhint: `DEADLINE_MARGIN_SECONDS` sets how long before its end the \
         function stops"
    )]
    NoTime,
    /// The path of the object cannot be written down.
    #[error(
        "`{path}` cannot be recorded, because its path is not UTF-8\nhint: rename it, or load it without `LEDGER_URI`"
    )]
    NotUnicode {
        /// The path.
        path: String,
    },
    /// There is no ledger.
    #[error("there is no ledger\nhint: set `LEDGER_URI` to where loads are recorded, such as `s3://bucket/ledger`")]
    NotConfigured,
    /// The newest version of an object cannot be determined.
    #[error("the newest version of an object cannot be determined")]
    Source(#[source] SourceError),
    /// An object was listed, and is gone.
    #[error("`{0}` does not exist any more")]
    Gone(String),
    /// A thread of the loader stopped.
    #[error("a thread of the loader stopped: {0}")]
    Stopped(String),
}

impl From<RejectsError> for LedgerError {
    /// The places of a ledger are those of rejected rows.
    fn from(error: RejectsError) -> Self {
        match error {
            RejectsError::Forbidden { place, cause } => Self::Forbidden { place, cause },
            RejectsError::Unavailable { place, cause } | RejectsError::Fetch { place, cause } => {
                Self::Unavailable { place, cause }
            }
            RejectsError::NotFound { place } => Self::NotFound { place },
            RejectsError::Write { path, cause } | RejectsError::Read { path, cause } => Self::File { path, cause },
            RejectsError::Changed { place } => Self::Contended { place },
            RejectsError::TooLarge { place, limit } => Self::TooLarge { place, limit },
            RejectsError::Listing(error) => Self::Listing(error),
            RejectsError::NoTime => Self::NoTime,
            RejectsError::NotUnicode { path } => Self::NotUnicode { path: path.display().to_string() },
            RejectsError::Content(_)
            | RejectsError::TooLong { .. }
            | RejectsError::Line { .. }
            | RejectsError::Stopped(_) => Self::Stopped(error.to_string()),
        }
    }
}
