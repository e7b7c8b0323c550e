//! Lines that are being written, and where the pieces of them are that other lines have, too.

use std::ops::Range;

/// A piece of a text that other lines are likely to have, too: a tag with its value, the key of a field, a time. Whoever
/// compresses lines finds by them what repeats, without searching every byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Token {
    /// Where it ends in the text, in bytes. It begins where the one before it ends.
    pub end: u32,
    /// What it is. Tokens of the same identity have, as a rule, the same text.
    pub identity: Identity,
}

/// What a token is: a place in a line, and which of the texts that this place has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identity(u32);

/// Bits that tell the texts of a place apart.
const TEXT_BITS: u32 = 24;

impl Identity {
    /// What hardly repeats: a number.
    pub const NONE: Self = Self(0);

    /// The first text of the place with this number. There are 255 places; those beyond share them.
    pub(crate) fn of_place(place: usize) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "a remainder of 255 fits")]
        Self((1 + (place % 255) as u32) << TEXT_BITS)
    }

    /// The text with this number of the same place, as far as the bits reach.
    #[inline]
    #[expect(clippy::cast_sign_loss, reason = "any bits tell texts apart")]
    pub(crate) fn text(self, text: i32) -> Self {
        const TEXT: u32 = (1 << TEXT_BITS) - 1;
        Self(self.0 & !TEXT | text as u32 & TEXT)
    }

    /// Whether it hardly repeats.
    #[inline]
    pub fn is_none(self) -> bool {
        self == Self::NONE
    }

    /// The number of its place, from 1 to 255; 0 for what hardly repeats.
    #[inline]
    pub fn place(self) -> usize {
        (self.0 >> TEXT_BITS) as usize
    }

    /// All of it in one number, 0 for what hardly repeats.
    #[inline]
    pub fn number(self) -> u32 {
        self.0
    }
}

/// How much of a text is copied at a time: few tokens are longer.
const BLOCK: usize = 32;

/// A text within memory that goes on after it, so that blocks can be copied.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    from: &'a [u8],
    length: usize,
}

impl<'a> Piece<'a> {
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

impl From<&[u8]> for Pieces {
    fn from(text: &[u8]) -> Self {
        let mut pieces = Self::default();
        pieces.push(text);
        pieces
    }
}

/// Texts after each other, as [`Piece`]s.
#[derive(Clone, Debug, Default)]
pub(super) struct Pieces {
    /// Followed by a block of zeros.
    bytes: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<usize>,
}

impl Pieces {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Appends a text.
    pub(super) fn push(&mut self, text: &[u8]) {
        self.bytes.truncate(self.ends.last().copied().unwrap_or_default());
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len());
        self.bytes.resize(self.bytes.len() + BLOCK, 0);
    }

    /// The text with this number.
    #[inline]
    pub(super) fn get(&self, number: usize) -> Piece<'_> {
        let start = if number == 0 { 0 } else { self.ends[number - 1] };
        Piece { from: &self.bytes[start..], length: self.ends[number] - start }
    }
}

/// Lines and their tokens. After a token that ends beyond 4 GiB there are no more tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) bytes: Vec<u8>,
    pub(super) tokens: Vec<Token>,
    /// Whether tokens are kept.
    pub(super) marked: bool,
}

impl Text {
    /// Appends text that other lines have, too.
    #[inline]
    pub(super) fn token(&mut self, piece: Piece<'_>, identity: Identity) {
        let start = self.bytes.len();
        match piece.from.first_chunk::<BLOCK>() {
            // A copy of fixed length, of which too much is taken back, is some moves; one of any length is a call.
            Some(block) if piece.length <= BLOCK => {
                self.bytes.extend_from_slice(block);
                self.bytes.truncate(start + piece.length);
            }
            Some(_) | None => self.bytes.extend_from_slice(piece.bytes()),
        }
        self.end_token(identity);
    }

    /// Ends a token here.
    #[inline]
    pub(super) fn end_token(&mut self, identity: Identity) {
        if self.marked
            && let Ok(end) = u32::try_from(self.bytes.len())
        {
            self.tokens.push(Token { end, identity });
        }
    }

    /// Appends text that hardly repeats.
    #[inline]
    pub(super) fn number(&mut self, text: &str) {
        let text = text.as_bytes();
        match text.len() {
            16..=32 => self.overlap::<16>(text),
            8..=15 => self.overlap::<8>(text),
            4..=7 => self.overlap::<4>(text),
            _ => self.bytes.extend_from_slice(text),
        }
        self.end_token(Identity::NONE);
    }

    /// Appends a text of N to 2 N bytes as its first N and its last N, which may overlap: two copies of fixed length.
    #[inline]
    fn overlap<const N: usize>(&mut self, text: &[u8]) {
        if let (Some(first), Some(last)) = (text.first_chunk::<N>(), text.last_chunk::<N>()) {
            let start = self.bytes.len();
            self.bytes.extend_from_slice(first);
            self.bytes.truncate(start + text.len() - N);
            self.bytes.extend_from_slice(last);
        }
    }

    /// Without bytes, but with room for as many.
    pub(super) fn empty_like(&self) -> Self {
        Self {
            bytes: Vec::with_capacity(self.bytes.len()),
            tokens: Vec::with_capacity(self.tokens.len()),
            marked: self.marked,
        }
    }

    /// Takes away what is after so many bytes, which must be the end of a token.
    pub(super) fn split_off(&mut self, length: usize) -> Self {
        let kept = self.tokens.partition_point(|token| token.end as usize <= length);
        let mut tokens = self.tokens.split_off(kept);
        for token in &mut tokens {
            // They end after `length`, which therefore fits into 32 bits.
            #[expect(clippy::cast_possible_truncation, reason = "less than a number of 32 bits")]
            {
                token.end -= length as u32;
            }
        }
        Self { bytes: self.bytes.split_off(length), tokens, marked: self.marked }
    }

    /// The tokens of a part of the text, which must begin and end with a token, and where that part begins.
    pub(super) fn tokens_within(&self, part: Range<usize>) -> (&[Token], usize) {
        let after = |end: usize| self.tokens.partition_point(|token| token.end as usize <= end);
        (&self.tokens[after(part.start)..after(part.end)], part.start)
    }

    /// Appends a part of another text, with the tokens of it as [`Self::tokens_within`] gives them.
    pub(super) fn append(&mut self, text: &[u8], (tokens, start): (&[Token], usize)) {
        let offset = self.bytes.len();
        let moved = tokens.iter().map_while(|token| {
            let end = u32::try_from(token.end as usize - start + offset).ok()?;
            Some(Token { end, identity: token.identity })
        });
        self.tokens.extend(moved);
        self.bytes.extend_from_slice(text);
    }

    /// Takes back what is after so many bytes, which must be the end of a token.
    #[cold]
    pub(super) fn truncate(&mut self, length: usize) {
        self.bytes.truncate(length);
        while self.tokens.pop_if(|token| token.end as usize > length).is_some() {}
    }
}

/// A time as it ends a line: ` 1700000000000000000` and the newline. Lines that follow each other often have the same.
#[derive(Debug)]
pub(super) struct TimeText {
    time: Option<i64>,
    /// Up to the seconds, and from the nanoseconds on, which are zeros more often than not.
    parts: Pieces,
    identities: [Identity; 2],
}

/// Decimal digits of the nanoseconds of a second.
const NANOSECOND_DIGITS: usize = 9;

impl TimeText {
    /// With two places of its own.
    pub(super) fn new(seconds: Identity, nanoseconds: Identity) -> Self {
        Self { time: None, parts: Pieces::default(), identities: [seconds, nanoseconds] }
    }

    /// Appends a time, in nanoseconds since the epoch, and the newline.
    #[inline]
    pub(super) fn write(&mut self, time: i64, line: &mut Text) {
        if self.time != Some(time) {
            self.format(time);
        }
        line.token(self.parts.get(0), self.identities[0]);
        line.token(self.parts.get(1), self.identities[1]);
    }

    fn format(&mut self, time: i64) {
        let mut buffer = itoa::Buffer::new();
        let digits = buffer.format(time).as_bytes();
        let (seconds, nanoseconds) = digits.split_at(digits.len().saturating_sub(NANOSECOND_DIGITS));
        self.parts.clear();
        for part in [[b" ", seconds], [nanoseconds, b"\n"]] {
            self.parts.push(&part.concat());
        }
        let second = 10_i64.pow(9);
        #[expect(clippy::cast_possible_truncation, reason = "any bits tell texts apart")]
        {
            self.identities[0] = self.identities[0].text((time / second) as i32);
            self.identities[1] = self.identities[1].text((time % second) as i32);
        }
        self.time = Some(time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked() -> Text {
        Text { marked: true, ..Text::default() }
    }

    /// The tokens of a text, each with its identity's number.
    fn tokens(text: &Text) -> Vec<(&str, u32)> {
        let mut start = 0;
        let token = |token: &Token| {
            let part = start..token.end as usize;
            start = part.end;
            (std::str::from_utf8(&text.bytes[part]).unwrap_or_default(), token.identity.number())
        };
        text.tokens.iter().map(token).collect()
    }

    #[test]
    fn texts_of_any_length_are_copied_whole() {
        for length in 0..100 {
            let token = "abcdefghij".repeat(10)[..length].to_owned();
            let mut text = marked();
            text.token(Pieces::from(token.as_bytes()).get(0), Identity::of_place(0));
            text.number(&token);
            text.number("7");
            let first = Identity::of_place(0).number();
            assert_eq!(tokens(&text), [(token.as_str(), first), (&token, 0), ("7", 0)]);
        }
    }

    #[test]
    fn a_time_is_parted_before_its_nanoseconds() {
        let parts = |time: i64| {
            let mut text = marked();
            TimeText::new(Identity::of_place(0), Identity::of_place(1)).write(time, &mut text);
            tokens(&text).into_iter().map(|(part, _)| part.to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(parts(1_700_000_000_000_000_000), [" 1700000000", "000000000\n"]);
        assert_eq!(parts(0), [" ", "0\n"]);
        assert_eq!(parts(-1), [" ", "-1\n"]);
        assert_eq!(parts(i64::MIN), [" -9223372036", "854775808\n"]);
    }

    #[test]
    fn the_same_time_has_the_same_identities_and_another_one_has_others() {
        let mut text = marked();
        let mut time = TimeText::new(Identity::of_place(0), Identity::of_place(1));
        for second in [1, 1, 2] {
            time.write(second * 1_000_000_000, &mut text);
        }
        let found = tokens(&text);
        assert_eq!((found[0], found[1]), (found[2], found[3]));
        assert_ne!(found[0].1, found[4].1);
        assert_eq!(found[1].1, found[5].1);
    }

    #[test]
    fn what_is_taken_back_takes_its_tokens_with_it() {
        let mut text = marked();
        text.number("first");
        text.number("second");
        text.truncate("first".len());
        assert_eq!(tokens(&text), [("first", 0)]);
        text.number("third");
        let rest = text.split_off("first".len());
        assert_eq!((tokens(&text), tokens(&rest)), (vec![("first", 0)], vec![("third", 0)]));
    }

    #[test]
    fn without_marks_there_are_no_tokens() {
        let mut text = Text::default();
        text.number("17");
        assert_eq!((text.bytes.as_slice(), text.tokens.len()), (&b"17"[..], 0));
    }
}
