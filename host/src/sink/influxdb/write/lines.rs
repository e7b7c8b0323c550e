//! The lines of a request.

use bytes::Bytes;

use crate::gzip::Gzip;
use crate::points::Token;

/// Lines that are sent in one request.
pub(super) struct Lines {
    /// Bytes before compression.
    pub(super) bytes: usize,
    /// What is sent.
    pub(super) body: Bytes,
    /// Whether that is compressed.
    pub(super) compressed: bool,
}

impl Lines {
    /// Lines with their tokens, as far as they are known.
    pub(super) fn new(text: Vec<u8>, tokens: &[Token], compressed: bool) -> Self {
        let bytes = text.len();
        let body = if compressed { Gzip::default().compress(&text, tokens) } else { text.into() };
        Self { bytes, body, compressed }
    }
}
