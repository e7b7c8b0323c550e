//! What became of a chunk that was delivered.

use std::time::Duration;

use crate::points::RejectedRow;

/// A chunk delivered: `rows + rejected.len()` is the number of its rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Rows of which every point is written.
    pub rows: u64,
    /// Points of these rows.
    pub points: u64,
    /// Bytes of line protocol of these points.
    pub line_protocol_bytes: u64,
    /// Bytes of the bodies that were accepted, compressed where they were sent compressed. Attempts that failed are not
    /// counted.
    pub bytes_written: u64,
    /// Requests made, at least 1; 0 for a chunk without points.
    pub requests: u64,
    /// Retries among them, after a transient failure.
    pub retries: u64,
    /// From the call to the answer, waits included.
    pub latency: Duration,
    /// The rows that the server refused while it took the others, in ascending order.
    pub rejected: Vec<RejectedRow>,
}
