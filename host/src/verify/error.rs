//! Why it cannot be determined whether a database has what is expected.

use crate::pipeline::LoadError;
use crate::report::Failure;
use crate::sink::{ReadError, SchemaError, SinkError};

/// Why it cannot be determined whether a database has what is expected.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The server does not answer, or refuses.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The server does not report which fields exist.
    #[error("the fields of the database cannot be read")]
    Schema(#[from] SchemaError),
    /// The server does not report which points exist.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The objects cannot be read at all.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// An object that was read before cannot be read again.
    #[error("`{object}` cannot be read again: {failure}")]
    NotReadAgain {
        /// The object.
        object: String,
        /// Why.
        failure: Failure,
    },
    /// An object that was read before is not what it was.
    #[error("`{object}` has changed since it was read, or has another converter\nhint: verify again")]
    Changed {
        /// The object.
        object: String,
    },
    /// More buckets than are held in memory.
    #[error(
        "there are more than {0} fields and buckets of time to sum up\nhint: choose longer buckets with `--every`, or verify fewer objects at a time"
    )]
    TooManyBuckets(usize),
    /// More points at a time than are held in memory.
    #[error("`{measurement}` has more values at {time} ns than can be compared")]
    TooDense {
        /// The measurement.
        measurement: String,
        /// In nanoseconds since 1970.
        time: i64,
    },
    /// An engine that has no sums to ask for.
    #[error(
        "two databases are compared where both are InfluxDB 1.x or 2.x\nhint: verify InfluxDB 3 against the objects"
    )]
    NotBetween,
    /// The time that was given is over.
    #[error(
        "no time is left to verify what was asked for\nhint: verify fewer objects at a time, or run `influxdb-loader verify`, which has no time limit"
    )]
    NoTime,
}
