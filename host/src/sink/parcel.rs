//! Points on their way to a sink.

use bytes::Bytes;

use super::Gzip;
use crate::points::Chunk;

/// A chunk, with its text as its sink wants it: compressed, where the sink compresses. Made by a [`Packer`] of that sink.
#[derive(Debug)]
pub struct Parcel {
    chunk: Chunk,
    gzip: Option<Bytes>,
}

impl Parcel {
    /// The points.
    pub fn chunk(&self) -> &Chunk {
        &self.chunk
    }

    /// The points, where the text is not needed any more.
    pub(crate) fn chunk_mut(&mut self) -> &mut Chunk {
        &mut self.chunk
    }

    /// The compressed text, if it is compressed.
    pub(super) fn gzip(&self) -> Option<&Bytes> {
        self.gzip.as_ref()
    }

    /// What is sent of it.
    pub(super) fn body(&self) -> &[u8] {
        self.gzip.as_deref().unwrap_or(self.chunk.body())
    }

    /// How much memory it holds, about, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.chunk.body().len() + self.gzip.as_ref().map_or(0, Bytes::len)
    }
}

/// Makes parcels for a sink. Threads that make chunks pack them, too: they have them at hand, while a sink would have to read
/// them once more, on a task that others wait for.
#[derive(Debug)]
pub struct Packer {
    gzip: Option<Gzip>,
}

impl Packer {
    pub(crate) fn new(compresses: bool) -> Self {
        Self { gzip: compresses.then(Gzip::default) }
    }

    /// A chunk, ready to be sent.
    pub fn pack(&mut self, chunk: Chunk) -> Parcel {
        let gzip = self.gzip.as_mut().filter(|_| chunk.points() > 0).map(|gzip| gzip.compress(chunk.body()));
        Parcel { chunk, gzip }
    }
}
