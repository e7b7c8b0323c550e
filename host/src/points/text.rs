//! Lines after each other, and where the pieces of them are that other lines have, too.

use std::ops::Range;

use super::identity::Token;
use super::line::{self, OpenLine};

/// Lines and their tokens. After a token that ends beyond 4 GiB there are no more tokens.
#[derive(Clone, Debug, Default)]
pub(super) struct Text {
    /// The text, and memory beyond it for the lines to come.
    memory: Vec<u8>,
    length: usize,
    tokens: Vec<Token>,
    /// Whether tokens are kept.
    marked: bool,
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes() && self.tokens == other.tokens
    }
}

impl Eq for Text {}

impl From<&str> for Text {
    /// Without tokens.
    fn from(text: &str) -> Self {
        Self { memory: text.into(), length: text.len(), ..Self::default() }
    }
}

impl Text {
    /// No text yet, of which tokens are kept or not.
    pub(super) fn marked(marked: bool) -> Self {
        Self { marked, ..Self::default() }
    }

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

    /// Its tokens, in order, as far as they are kept.
    pub(super) fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// The text and its tokens.
    pub(super) fn into_parts(mut self) -> (Vec<u8>, Vec<Token>) {
        self.memory.truncate(self.length);
        (self.memory, self.tokens)
    }

    /// A line to be written after the text, of at most so many bytes.
    #[inline]
    pub(super) fn line(&mut self, longest: usize) -> OpenLine<'_> {
        let end = self.length + longest + line::BEYOND;
        if self.memory.len() < end {
            self.grow(end);
        }
        let memory = &mut self.memory[self.length..];
        OpenLine::new(memory, &mut self.length, self.marked.then_some(&mut self.tokens))
    }

    #[cold]
    fn grow(&mut self, least: usize) {
        self.memory.resize(least + least / 2, 0);
    }

    /// Without bytes, but with room for as many.
    pub(super) fn empty_like(&self) -> Self {
        let tokens = Vec::with_capacity(self.tokens.len());
        Self { memory: vec![0; self.memory.len()], length: 0, tokens, marked: self.marked }
    }

    /// Takes all of it away, and leaves the room.
    pub(super) fn clear(&mut self) {
        self.length = 0;
        self.tokens.clear();
    }

    /// Takes away what is after so many bytes, which must be the end of a token.
    pub(super) fn split_off(&mut self, length: usize) -> Self {
        let mut rest = self.empty_like();
        rest.append(&self.bytes()[length..], self.tokens_within(length..self.length));
        self.truncate(length);
        rest
    }

    /// The tokens of a part of the text, which must begin and end with a token, and where that part begins.
    pub(super) fn tokens_within(&self, part: Range<usize>) -> (&[Token], usize) {
        let after = |end: usize| self.tokens.partition_point(|token| token.end as usize <= end);
        (&self.tokens[after(part.start)..after(part.end)], part.start)
    }

    /// Appends a part of another text, with the tokens of it as [`Self::tokens_within`] gives them.
    pub(super) fn append(&mut self, text: &[u8], (tokens, start): (&[Token], usize)) {
        let offset = self.length;
        let moved = tokens.iter().map_while(|token| {
            let end = u32::try_from(token.end as usize - start + offset).ok()?;
            Some(Token { end, identity: token.identity })
        });
        self.tokens.extend(moved);
        self.length += text.len();
        if self.memory.len() < self.length {
            self.memory.resize(self.length, 0);
        }
        self.memory[offset..self.length].copy_from_slice(text);
    }

    /// Takes back what is after so many bytes, which must be the end of a token.
    pub(super) fn truncate(&mut self, length: usize) {
        self.length = length;
        while self.tokens.pop_if(|token| token.end as usize > length).is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::points::identity::Identity;
    use crate::points::line::Pieces;

    /// Appends a line of texts, each a token.
    fn append(text: &mut Text, tokens: &[&str]) {
        let mut line = text.line(tokens.concat().len());
        for (place, token) in tokens.iter().enumerate() {
            line.token(Pieces::from(token.as_bytes()).get(0), Identity::of_place(place));
        }
        line.end();
    }

    /// The tokens of a text, each with the number of its place.
    fn tokens(text: &Text) -> Vec<(&str, usize)> {
        let mut start = 0;
        let token = |token: &Token| {
            let part = start..token.end as usize;
            start = part.end;
            (std::str::from_utf8(&text.bytes()[part]).unwrap_or_default(), token.identity.place())
        };
        text.tokens().iter().map(token).collect()
    }

    #[test]
    fn texts_of_any_length_are_copied_whole() {
        for length in 0..200 {
            let token = "abcdefghij".repeat(20)[..length].to_owned();
            let mut text = Text::marked(true);
            append(&mut text, &[&token, "7"]);
            append(&mut text, &["", &token]);
            assert_eq!(tokens(&text), [(token.as_str(), 1), ("7", 2), ("", 1), (&token, 2)]);
        }
    }

    #[test]
    fn what_is_taken_back_takes_its_tokens_with_it() {
        let mut text = Text::marked(true);
        append(&mut text, &["first", "second"]);
        text.truncate("first".len());
        assert_eq!(tokens(&text), [("first", 1)]);
        append(&mut text, &["third"]);
        let rest = text.split_off("first".len());
        assert_eq!((tokens(&text), tokens(&rest)), (vec![("first", 1)], vec![("third", 1)]));
    }

    #[test]
    fn a_line_that_is_not_ended_is_not_there() {
        let mut text = Text::marked(true);
        append(&mut text, &["kept"]);
        text.line(10).float(1.5, None);
        text.truncate("kept".len());
        assert_eq!((text.bytes(), tokens(&text)), (&b"kept"[..], vec![("kept", 1)]));
    }

    #[test]
    fn a_line_takes_back_what_is_not_to_be_in_it() {
        let mut text = Text::marked(true);
        append(&mut text, &["kept"]);
        let mut line = text.line(100);
        line.integer(-17, b'i');
        line.unsigned(42, b'u');
        line.truncate("-17i".len());
        line.float(1.0, None);
        line.end();
        assert_eq!(tokens(&text), [("kept", 1), ("-17i", 0), ("1.0", 0)]);
    }

    #[test]
    fn a_text_that_is_emptied_is_like_a_new_one() {
        let mut text = Text::marked(true);
        append(&mut text, &["something", "else"]);
        text.clear();
        assert_eq!(text, Text::default());
        append(&mut text, &["new"]);
        assert_eq!((text.len(), tokens(&text)), (3, vec![("new", 1)]));
    }

    #[test]
    fn without_marks_there_are_no_tokens() {
        let mut text = Text::default();
        append(&mut text, &["17"]);
        assert_eq!(text.into_parts(), (b"17".to_vec(), vec![]));
    }
}
