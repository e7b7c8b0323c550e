//! A line while it is written, and the pieces that it is written from.
//!
//! A line is written into memory that is allocated already, with one place to continue from, so that neither is looked after
//! with each piece: what makes up a line is known beforehand to be no longer than that memory.

use super::numbers::{self, Scale};

/// How much of a piece is copied at a time: a copy of fixed length is some moves, one of any length is a call. Few pieces
/// are longer.
pub(super) const BLOCK: usize = 32;

/// What a line needs beyond its longest, since it is written in blocks.
pub(super) const BEYOND: usize = BLOCK;

/// A text within memory that continues after it, so that blocks can be copied.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    from: &'a [u8],
    length: usize,
}

impl<'a> Piece<'a> {
    /// The first bytes of some blocks.
    #[inline]
    pub(super) fn new(from: &'a [u8], length: usize) -> Self {
        Self { from, length }
    }

    /// The text itself.
    #[inline]
    pub(super) fn bytes(self) -> &'a [u8] {
        &self.from[..self.length]
    }

    #[inline]
    pub(super) fn is_empty(self) -> bool {
        self.length == 0
    }
}

/// Texts after each other, as [`Piece`]s.
#[derive(Clone, Debug, Default)]
pub(super) struct Pieces {
    /// Followed by a block of zeros.
    bytes: Vec<u8>,
    /// Where each of them starts, and its length.
    places: Vec<(usize, usize)>,
    longest: usize,
}

impl From<&[u8]> for Pieces {
    fn from(text: &[u8]) -> Self {
        let mut pieces = Self::default();
        pieces.push(text);
        pieces
    }
}

impl Pieces {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.places.clear();
        self.longest = 0;
    }

    /// Appends a text.
    pub(super) fn push(&mut self, text: &[u8]) {
        let start = self.places.last().map_or(0, |(start, length)| start + length);
        self.bytes.truncate(start);
        self.bytes.extend_from_slice(text);
        self.bytes.resize(self.bytes.len() + BLOCK, 0);
        self.places.push((start, text.len()));
        self.longest = self.longest.max(text.len());
    }

    /// The text with this number.
    #[inline]
    pub(super) fn get(&self, number: usize) -> Piece<'_> {
        let (start, length) = self.places[number];
        Piece { from: &self.bytes[start..], length }
    }

    /// All of them, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Piece<'_>> {
        (0..self.places.len()).map(|number| self.get(number))
    }

    /// The length of the longest.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }
}

/// A line that is being written after others; [`Self::end`] makes it part of the text.
#[derive(Debug)]
pub(super) struct OpenLine<'a> {
    /// The memory that is left.
    memory: &'a mut [u8],
    /// How much of it is written.
    length: usize,
    /// How long the text before the line is; the line is added to it at its end.
    text: &'a mut usize,
}

impl<'a> OpenLine<'a> {
    /// A line in `memory`, after a text of so many bytes.
    #[inline]
    pub(super) fn new(memory: &'a mut [u8], text: &'a mut usize) -> Self {
        Self { memory, length: 0, text }
    }

    /// How much is written.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// Appends a text.
    #[inline(always)]
    pub(super) fn piece(&mut self, piece: Piece<'_>) {
        let (blocks, memory) = (piece.from.as_chunks::<BLOCK>().0, &mut self.memory[self.length..]);
        let targets = memory.as_chunks_mut::<BLOCK>().0;
        targets[0] = blocks[0];
        if piece.length > BLOCK {
            let more = 1..piece.length.div_ceil(BLOCK);
            targets[more.clone()].copy_from_slice(&blocks[more]);
        }
        self.length += piece.length;
    }

    /// Appends a finite number, of a column with this scale.
    #[inline(always)]
    pub(super) fn float(&mut self, number: f64, scale: Option<Scale>) {
        self.length += numbers::write_float(number, scale, self.room());
    }

    /// Appends a number.
    #[inline(always)]
    pub(super) fn integer(&mut self, number: i64, suffix: u8) {
        self.length += numbers::write_integer(number, self.room());
        self.suffix(suffix);
    }

    /// Appends a number.
    #[inline(always)]
    pub(super) fn unsigned(&mut self, number: u64, suffix: u8) {
        self.length += numbers::write_unsigned(number, self.room());
        self.suffix(suffix);
    }

    /// Appends `true` or `false`.
    #[inline(always)]
    pub(super) fn boolean(&mut self, value: bool) {
        let text = if value { "true" } else { "false" };
        self.memory[self.length..][..text.len()].copy_from_slice(text.as_bytes());
        self.length += text.len();
    }

    #[inline(always)]
    fn suffix(&mut self, suffix: u8) {
        self.memory[self.length] = suffix;
        self.length += 1;
    }

    #[inline(always)]
    fn room(&mut self) -> &mut [u8; numbers::ROOM] {
        &mut self.memory[self.length..].as_chunks_mut().0[0]
    }

    /// Puts another byte in a place of the line that is written.
    #[inline(always)]
    pub(super) fn replace(&mut self, place: usize, byte: u8) {
        self.memory[place] = byte;
    }

    /// Keeps so many bytes of the line, and removes the rest.
    #[inline]
    pub(super) fn truncate(&mut self, length: usize) {
        self.length = length;
    }

    /// Adds the line to the text.
    #[inline]
    pub(super) fn end(self) {
        *self.text += self.length;
    }
}
