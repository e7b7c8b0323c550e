//! What became of a chunk that was delivered.

use std::time::Duration;

/// A chunk delivered: `points + rejected.len()` is the number of its lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Points written.
    pub points: u64,
    /// Bytes of the body that was accepted, compressed where it was sent compressed. Earlier attempts are not counted.
    pub bytes_written: u64,
    /// Requests made, at least 1; 0 for a chunk without points.
    pub attempts: u32,
    /// From the call to the answer, waits included.
    pub latency: Duration,
    /// The lines that the server refused while it took the others. Empty as long as one refused line fails its chunk.
    pub rejected: Vec<RejectedLine>,
}

/// A line that the server refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedLine {
    /// Its number in the chunk, from 0.
    pub line: usize,
    /// Why, as a code of the same kind as those of converters.
    pub code: String,
    /// The server's own words, shortened.
    pub message: String,
}
