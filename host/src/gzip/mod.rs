//! Chunks → gzip, faster than a compressor can that knows nothing of line protocol.
//!
//! A compressor spends its time on the search for what stood there before. Whoever wrote the lines knows: a tag with its
//! value, a key, a time are tokens that other lines have, too, and chunks say where theirs are ([`Token`]). So [`matches`]
//! looks at the places where a token begins, and compares text only with the last places where the same tokens stood;
//! [`block`] writes what it finds with codes made for the chunk ([`huffman`]). What is between tokens, mostly the digits of
//! numbers, is coded byte by byte.
//!
//! Tokens are hints. Text is compared before a match is taken, so that wrong hints cost size and never correctness.
//!
//! Sources: RFC 1951 (DEFLATE), RFC 1952 (gzip).

mod bits;
mod block;
mod format;
mod huffman;
mod matches;
#[cfg(test)]
mod tests;

use bytes::Bytes;

use crate::points::Token;
use bits::BitWriter;
use matches::{Matcher, Sequence};

/// A member's header: DEFLATE, no name, no time, fast, of no system (RFC 1952, section 2.3).
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255];

/// Compresses texts, one after the other. What it works with is kept from one to the next: one for each thread.
#[derive(Debug, Default)]
pub struct Gzip {
    matcher: Matcher,
    sequences: Vec<Sequence>,
    bits: BitWriter,
}

impl Gzip {
    /// Compresses a text into a gzip member. `tokens` are those of the text, in order; without them, and where they are not
    /// what they say, the member is larger.
    pub fn compress(&mut self, text: &[u8], tokens: &[Token]) -> Bytes {
        self.bits.restart();
        self.bits.bytes(&HEADER);
        self.matcher.part(text, tokens, &mut self.sequences);
        block::write(text, &self.sequences, &mut self.bits);
        self.bits.align();
        self.bits.bytes(&crc32fast::hash(text).to_le_bytes());
        #[expect(clippy::cast_possible_truncation, reason = "the format has the length modulo 2^32")]
        self.bits.bytes(&(text.len() as u32).to_le_bytes());
        Bytes::copy_from_slice(self.bits.written())
    }
}
