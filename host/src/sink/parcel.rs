//! Points on their way to a sink.

use bytes::Bytes;

use super::Gzip;
use crate::points::Chunk;

/// A chunk, with its text compressed where that was done ahead: threads that make chunks have them at hand, while a sink
/// would have to read them once more, on a task that others wait for.
#[derive(Debug)]
pub struct Parcel {
    pub(super) chunk: Chunk,
    pub(super) gzip: Option<Bytes>,
}

impl From<Chunk> for Parcel {
    fn from(chunk: Chunk) -> Self {
        Self { chunk, gzip: None }
    }
}

impl Parcel {
    /// A chunk, compressed.
    pub fn compressed(chunk: Chunk, gzip: &mut Gzip) -> Self {
        Self { gzip: Some(gzip.compress(chunk.body())), chunk }
    }

    /// The points.
    pub fn chunk(&self) -> &Chunk {
        &self.chunk
    }
}
