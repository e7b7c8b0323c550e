//! Why rejected rows cannot be kept, or not be had back.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::line::LineProblem;
use crate::source::{Cause, SourceError};

/// Why rejected rows cannot be kept, or not be had back. Each variant names what it is about.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RejectsError {
    /// The object cannot be read again for the content of its rejected rows.
    #[error("the content of rejected rows cannot be read")]
    Content(#[source] SourceError),
    /// A directory, a file or the disk does not take them.
    #[error("rejected rows cannot be written to `{path}`")]
    Write {
        /// The file, or the directory.
        path: String,
        /// Why.
        #[source]
        cause: Arc<io::Error>,
    },
    /// A file with rejected rows cannot be read.
    #[error("`{path}` cannot be read")]
    Read {
        /// The file.
        path: String,
        /// Why.
        #[source]
        cause: Arc<io::Error>,
    },
    /// There are no rejected rows there, or no bucket.
    #[error("`{place}` does not exist")]
    NotFound {
        /// Where they were looked for.
        place: String,
    },
    /// S3 does not let the loader in.
    #[error(
        "`{place}` is forbidden\nhint: rejected rows need `s3:PutObject` and `s3:DeleteObject` below `REJECTS_URI`; to \
         look at them takes `s3:GetObject` and `s3:ListBucket`"
    )]
    Forbidden {
        /// The object, or the prefix.
        place: String,
        /// The answer of S3.
        #[source]
        cause: Cause,
    },
    /// S3 is not reached, or does not do it.
    #[error("`{place}` cannot be reached")]
    Unavailable {
        /// The object, or the prefix.
        place: String,
        /// Why.
        #[source]
        cause: Cause,
    },
    /// What S3 answers does not keep to its bounds, or does not arrive.
    #[error("`{place}` cannot be fetched")]
    Fetch {
        /// The object.
        place: String,
        /// Why.
        #[source]
        cause: Cause,
    },
    /// There are more of them than have room in memory.
    #[error(transparent)]
    Listing(SourceError),
    /// They could not be kept before the deadline.
    #[error(
        "the deadline came before the rejected rows were kept\nhint: `DEADLINE_MARGIN_SECONDS` sets how long before its end \
         the function stops"
    )]
    NoTime,
    /// There are more of them than one object of S3 takes.
    #[error(
        "`{place}` would have more than {limit} bytes\nhint: rows that are rejected in such numbers most often have one \
         cause: look at the first of them in the report"
    )]
    TooLarge {
        /// The object.
        place: String,
        /// The limit.
        limit: u64,
    },
    /// A row cannot be written as one line.
    #[error("row {row} does not fit into a line of {limit} bytes")]
    TooLong {
        /// Its number in the object.
        row: u64,
        /// The limit.
        limit: usize,
    },
    /// The path of the object cannot be written down.
    #[error(
        "rejected rows of `{}` cannot be kept, because its path is not UTF-8\nhint: rename it, or load it without \
         `REJECTS_URI`",
        path.display()
    )]
    NotUnicode {
        /// The path.
        path: PathBuf,
    },
    /// Someone else has written it since it was read.
    #[error("`{place}` was changed by someone else at the same time, and is left as it is\nhint: look, and try again")]
    Changed {
        /// The object with rejected rows.
        place: String,
    },
    /// A line is none that the loader has written.
    #[error("`{place}`, line {line}: {problem}")]
    Line {
        /// The object with rejected rows.
        place: String,
        /// Its number, from 1.
        line: u64,
        /// What is wrong.
        problem: LineProblem,
    },
    /// A thread of the loader stopped: a fault of the loader.
    #[error("a thread of the loader stopped")]
    Stopped(#[source] Arc<tokio::task::JoinError>),
}
