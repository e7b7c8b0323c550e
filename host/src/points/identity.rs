//! What repeats in lines.

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
