//! Lines → literals and matches, by their tokens.

use super::format::{LONGEST_MATCH, SHORTEST_MATCH, WINDOW};
use crate::points::{Identity, Token};

/// The shortest match that is taken. A shorter one costs about as many bits as its literals do.
const WORTHWHILE: usize = 5;

/// Places that a table remembers; more than the tokens that the window holds of usual lines.
const PLACES: usize = 4096;

/// Literals, and then a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sequence {
    /// How many literals.
    pub(super) literals: u32,
    /// The match's length, less 3.
    pub(super) length: u8,
    /// How far back it begins, less 1.
    pub(super) distance: u16,
}

/// Finds what repeats.
#[derive(Debug)]
pub(super) struct Matcher {
    /// Where a token followed by another stood last.
    pairs: Places<PLACES>,
    /// Where a token stood last.
    tokens: Places<PLACES>,
    /// Where any token of a place in the line stood last: it may begin in the same way.
    beginnings: Places<256>,
}

/// Where something stood last, by a number: one more than the position, or 0.
#[derive(Debug)]
struct Places<const N: usize>(Box<[u32; N]>);

impl<const N: usize> Places<N> {
    fn new() -> Self {
        Self(Box::new([0; N]))
    }

    /// Remembers a position, and returns the one before it.
    #[inline]
    fn replace(&mut self, number: usize, position: u32) -> u32 {
        std::mem::replace(&mut self.0[number % N], position)
    }
}

impl Default for Matcher {
    fn default() -> Self {
        Self { pairs: Places::new(), tokens: Places::new(), beginnings: Places::new() }
    }
}

impl Matcher {
    /// Parts a text into sequences; what they leave is literals.
    pub(super) fn part(&mut self, text: &[u8], tokens: &[Token], sequences: &mut Vec<Sequence>) {
        self.pairs.0.fill(0);
        self.tokens.0.fill(0);
        self.beginnings.0.fill(0);
        sequences.clear();
        // What is before this position is in sequences.
        let mut done = 0;
        let mut start = 0;
        let mut index = 0;
        while let Some(token) = tokens.get(index) {
            index += 1;
            // Tokens come from who wrote the text; but no hint may lead out of it.
            let end = (token.end as usize).clamp(start, text.len());
            if !token.identity.is_none() {
                let next = tokens.get(index).map_or(Identity::NONE, |token| token.identity);
                let candidates = self.remember(start, token.identity, next);
                if let Some((earlier, length)) = longest(text, start, end, candidates) {
                    push(sequences, start - done, length, start - earlier);
                    done = start + length;
                }
            }
            start = end;
            // Tokens within a match stand where they stood before, too: they are found by that place.
            while start < done
                && let Some(token) = tokens.get(index)
            {
                start = (token.end as usize).clamp(start, text.len());
                index += 1;
            }
        }
    }

    /// Remembers where a token is, and returns where the likeliest were before, one more than their positions: the best
    /// first, and 0 for none.
    #[inline]
    fn remember(&mut self, start: usize, token: Identity, next: Identity) -> [u32; 3] {
        #[expect(clippy::cast_possible_truncation, reason = "tokens end within 32 bits")]
        let position = start as u32 + 1;
        [
            self.pairs.replace(spread(token.number().wrapping_mul(31).wrapping_add(next.number())), position),
            self.tokens.replace(spread(token.number()), position),
            self.beginnings.replace(token.place(), position),
        ]
    }
}

/// A number that is evenly distributed in its upper bits, brought down.
#[inline]
fn spread(number: u32) -> usize {
    // 2^32 divided by the golden ratio (Knuth, The Art of Computer Programming, section 6.4).
    (number.wrapping_mul(0x9e37_79b1) >> 20) as usize
}

/// The longest match of what begins at `start`, as its position and length. A candidate with all of the token, which ends at
/// `end`, is as good as any.
#[inline]
fn longest(text: &[u8], start: usize, end: usize, candidates: [u32; 3]) -> Option<(usize, usize)> {
    let [pair, token, beginning] = candidates;
    let wanted = end - start;
    let length_at = |candidate: u32| {
        // None becomes the largest position of all.
        let earlier = (candidate as usize).wrapping_sub(1);
        if earlier >= start || start - earlier > WINDOW { 0 } else { common(text, earlier, start) }
    };
    let (mut best, mut length) = (pair, length_at(pair));
    for other in [token, beginning] {
        if length < wanted && other != pair {
            let found = length_at(other);
            if found > length {
                (best, length) = (other, found);
            }
        }
    }
    (length >= WORTHWHILE).then(|| (best as usize - 1, length))
}

/// Appends literals and a match of any length.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "tokens end within 32 bits, matches within the window")]
fn push(sequences: &mut Vec<Sequence>, literals: usize, length: usize, distance: usize) {
    let (mut literals, mut left) = (literals as u32, length);
    let distance = (distance - 1) as u16;
    while left > LONGEST_MATCH {
        // So that what is left is long enough.
        let part = LONGEST_MATCH.min(left - SHORTEST_MATCH);
        sequences.push(Sequence { literals, length: (part - SHORTEST_MATCH) as u8, distance });
        literals = 0;
        left -= part;
    }
    sequences.push(Sequence { literals, length: (left - SHORTEST_MATCH) as u8, distance });
}

/// How many bytes are the same from two positions on.
#[inline]
fn common(text: &[u8], earlier: usize, later: usize) -> usize {
    let word = |position: usize| text.get(position..)?.first_chunk().map(|bytes| u128::from_le_bytes(*bytes));
    let mut length = 0;
    while let (Some(one), Some(other)) = (word(earlier + length), word(later + length)) {
        let difference = one ^ other;
        if difference != 0 {
            return length + (difference.trailing_zeros() / 8) as usize;
        }
        length += 16;
    }
    let (earlier, later) = (&text[earlier + length..], &text[later + length..]);
    length + earlier.iter().zip(later).take_while(|(one, other)| one == other).count()
}
