//! Lines after each other.

use super::line::{self, OpenLine};

/// Lines, and memory beyond them for the lines to come.
#[derive(Clone, Debug, Default)]
pub(super) struct Text {
    memory: Vec<u8>,
    length: usize,
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for Text {}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self { memory: text.into(), length: text.len() }
    }
}

impl Text {
    /// The text itself.
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.memory[..self.length]
    }

    /// How many bytes it has.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// How many bytes of memory it holds.
    pub(super) fn capacity(&self) -> usize {
        self.memory.capacity()
    }

    /// A line to be written after the text, of at most so many bytes.
    #[inline]
    pub(super) fn line(&mut self, longest: usize) -> OpenLine<'_> {
        let end = self.length + longest + line::BEYOND;
        if self.memory.len() < end {
            self.grow(end);
        }
        let memory = &mut self.memory[self.length..];
        OpenLine::new(memory, &mut self.length)
    }

    /// Appends lines that are written.
    pub(super) fn append(&mut self, text: &[u8]) {
        let end = self.length + text.len();
        if self.memory.len() < end {
            self.grow(end);
        }
        self.memory[self.length..end].copy_from_slice(text);
        self.length = end;
    }

    #[cold]
    fn grow(&mut self, least: usize) {
        self.memory.resize(least + least / 2, 0);
    }

    /// Keeps so many bytes, and removes the rest. The memory stays.
    pub(super) fn truncate(&mut self, length: usize) {
        self.length = length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::points::line::Pieces;

    /// Appends a line of pieces.
    fn append(text: &mut Text, pieces: &[&str]) {
        let mut line = text.line(pieces.concat().len());
        for piece in pieces {
            line.piece(Pieces::from(piece.as_bytes()).get(0));
        }
        line.end();
    }

    #[test]
    fn pieces_of_any_length_are_copied_whole() {
        for length in 0..200 {
            let piece = "abcdefghij".repeat(20)[..length].to_owned();
            let mut text = Text::default();
            append(&mut text, &[&piece, "7"]);
            append(&mut text, &["", &piece]);
            text.append(piece.as_bytes());
            assert_eq!(text, Text::from([&*piece, "7", &piece, &piece].concat().as_str()));
        }
    }

    #[test]
    fn a_line_that_is_not_ended_is_not_there() {
        let mut text = Text::default();
        append(&mut text, &["kept"]);
        text.line(10).float(1.5, None);
        assert_eq!(text.bytes(), b"kept");
    }

    #[test]
    fn a_line_takes_back_what_is_not_to_be_in_it() {
        let mut text = Text::default();
        append(&mut text, &["kept"]);
        let mut line = text.line(100);
        line.integer(-17, b'i');
        line.unsigned(42, b'u');
        line.truncate("-17i".len());
        line.float(1.0, None);
        line.end();
        assert_eq!(text.bytes(), b"kept-17i1.0");
    }
}
