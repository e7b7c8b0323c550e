//! What happened, exactly accounted.

use std::collections::BTreeMap;
use std::time::Duration;

/// What became of the rows of one object. `rows = written + rejected + filtered` once the object is done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accounts {
    /// Rows read from the source.
    pub rows: u64,
    /// Rows of which every point is written.
    pub written: u64,
    /// Rows rejected, by code.
    pub rejected: BTreeMap<String, u64>,
    /// Rows that the converter chose not to make points of.
    pub filtered: u64,
    /// Points written.
    pub points: u64,
    /// Requests that wrote their points.
    pub batches: u64,
    /// Requests given up.
    pub failed_batches: u64,
    /// Attempts beyond the first.
    pub retries: u64,
    /// Bytes read from the source.
    pub bytes_read: u64,
    /// Bytes of line protocol written, before compression.
    pub line_protocol_bytes: u64,
    /// Bytes sent, after compression.
    pub bytes_written: u64,
}

/// Which converter converted an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConverterId {
    /// The converter's own name.
    pub name: String,
    /// Its semantic version.
    pub version: String,
    /// The lower-case hexadecimal SHA-256 of the component.
    pub digest: String,
}

/// How long the parts of a load took, over all threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// From start to end, by the clock on the wall.
    pub total: Duration,
    /// In converters and the encoder.
    pub convert: Duration,
}
