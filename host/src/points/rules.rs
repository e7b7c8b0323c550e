//! What the text of a line must not hold, by engine.
//!
//! Line protocol has an escape, but no engine undoes it everywhere where it has to be done. What an engine would read as
//! something else, drop without a word, or keep under a key under which it does not find it again, cannot be written.

use super::dialect::{Dialect, Engines, SERIES_AND_FIELD};

/// Why something cannot stand where it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unwritable {
    /// A newline ends the line, escaped or not.
    #[error("it holds a line break")]
    LineBreak,
    /// It would escape the character after it.
    #[error("it ends in a backslash")]
    TrailingBackslash,
    /// A backslash would be taken for the escape of the character after it, or hide that this is escaped.
    #[error("it holds a backslash before `{0}`, which {1} would read as an escape")]
    Backslash(char, Engines),
    /// `#` at the start of a line makes it a comment, which every engine drops without a word.
    #[error("it begins with `#`")]
    Comment,
    /// Blank characters at the start of a line, or of its fields, are skipped.
    #[error("it begins with a tab or a NUL, which {0} would drop")]
    LeadingBlank(Engines),
    /// The character ends the name.
    #[error("it holds a tab, which ends a name in {0}")]
    Tab(Engines),
    /// The character ends the name.
    #[error("it holds a NUL, which ends a name in {0}")]
    Nul(Engines),
    /// It would be found as the end of the series when the files are read again.
    #[error("its `#!~` is the end of a series in the files of {0}")]
    SeriesEnd(Engines),
    /// The engine keeps this key for itself, and drops or refuses it.
    #[error("the key is reserved in {0}")]
    ReservedKey(Engines),
    /// Nothing to write.
    #[error("it is empty")]
    Empty,
    /// Longer than the engine takes.
    #[error("it is longer than {0} bytes, the limit of {1}")]
    TooLong(usize, Engines),
    /// The series key and a field's key are kept as one, which is longer than the engine takes.
    #[error("its key and the key of its series are longer than {0} bytes, the limit of {1}")]
    SeriesTooLong(usize, Engines),
    /// More columns than the engine gives a table.
    #[error("it has {0} columns with the time, more than {1}, the limit of {2}")]
    TooManyColumns(usize, usize, Engines),
    /// A newline in the text of a field would end the line, or another line of the row would become a part of it.
    #[error("a backslash before a space in its tags keeps {0} from finding the end of its line")]
    HiddenEnd(Engines),
    /// An unsigned integer that does not fit into an integer, for an engine that has only those.
    #[error("{0} has no integers above 9223372036854775807")]
    TooLarge(Engines),
    /// A number that the field's type does not hold.
    #[error("its number cannot be written as `{0}` without changing it")]
    Inexact(&'static str),
    /// A column is either a tag or a field.
    #[error("{0} cannot hold a tag and a field of the same name")]
    TagAndField(Engines),
}

/// A part of a line that is not quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    Measurement,
    TagKey,
    TagValue,
    FieldKey,
}

impl Element {
    /// What ends it, unless it is escaped.
    pub(super) fn reserved(self) -> &'static [u8] {
        match self {
            Self::Measurement => b", ",
            Self::TagKey | Self::TagValue | Self::FieldKey => b",= ",
        }
    }

    /// Whether 1.x and 2.x lose one of so many backslashes in a row before a character, or take the character for what it
    /// is when it is not escaped.
    ///
    /// They unescape measurements and field keys with a function that knows more escapes than these have. Measurements
    /// have been unescaped once before. The fields of a line are found by a function that skips the
    /// character after a backslash, whatever it is: of an odd number of backslashes and the one that escapes the character,
    /// none is left for it. Tags are split and unescaped exactly.
    ///
    /// Source: `Unescape` in `pkg/escape`, `MakeKey`, `scanFields` and `unescapeTag` in `models/points.go`.
    fn loses_backslash(self, backslashes: usize, next: u8) -> bool {
        match (self, next) {
            (Self::Measurement, b',' | b'=' | b' ' | b'"') | (Self::FieldKey, b'"') => true,
            (Self::FieldKey, b',' | b'=' | b' ') => !backslashes.is_multiple_of(2),
            (Self::Measurement | Self::FieldKey | Self::TagKey | Self::TagValue, _) => false,
        }
    }

    /// Whether the element can hold a text. Every element is checked once a dictionary, in one pass. Returns whether it may
    /// hide the end of its line: see [`super::line_end`].
    pub(super) fn check(self, text: &str, dialect: Dialect) -> Result<bool, Unwritable> {
        let bytes = text.as_bytes();
        let mut may_hide_end = false;
        match bytes {
            [] => return Err(Unwritable::Empty),
            [.., b'\\'] => return Err(Unwritable::TrailingBackslash),
            [b'#', ..] if self == Self::Measurement => return Err(Unwritable::Comment),
            // Source: `skipWhitespace` in `models/points.go`.
            [b'\t' | 0, ..] if matches!(self, Self::Measurement | Self::FieldKey) && dialect.suits_v1_or_v2() => {
                return Err(Unwritable::LeadingBlank(Engines::V1AndV2));
            }
            _ => {}
        }
        let limit = dialect.name_bytes();
        if bytes.len() > limit.most {
            return Err(Unwritable::TooLong(limit.most, limit.of));
        }
        self.check_key(text, dialect)?;
        for (index, byte) in bytes.iter().enumerate() {
            let rest = &bytes[index..];
            match byte {
                b'\n' => return Err(Unwritable::LineBreak),
                // Engines read on, but readers of files do not.
                b'\r' if dialect == Dialect::Any => return Err(Unwritable::LineBreak),
                // Source: `is_whitespace_boundary_char` and `is_null_char` in `influxdb_line_protocol`.
                b'\t' if dialect.suits_v3() => return Err(Unwritable::Tab(Engines::V3)),
                0 if dialect.suits_v3() && self == Self::Measurement => return Err(Unwritable::Nul(Engines::V3)),
                b'\\' if !bytes[..index].ends_with(b"\\") => {
                    may_hide_end |= self.check_backslashes(rest, dialect)? == Some(b' ') && dialect.suits_v1_or_v2();
                }
                b'#' if dialect.suits_v1_or_v2() && self.ends_series(rest) => {
                    return Err(Unwritable::SeriesEnd(Engines::V1AndV2));
                }
                _ => {}
            }
        }
        Ok(may_hide_end)
    }

    /// Keys that an engine keeps for itself.
    ///
    /// A field `time` is dropped without a word by 1.x and 2.x where the point has others; 3 has a column of this name.
    ///
    /// Source: `validateSeriesAndFields` in `tsdb/shard.go`, `reservedTagKeys` in `models/points.go` of 2.x, and
    /// `column_or_create` in `influxdb3_catalog`.
    fn check_key(self, text: &str, dialect: Dialect) -> Result<(), Unwritable> {
        match (self, text) {
            (Self::TagKey | Self::FieldKey, "time") => Err(Unwritable::ReservedKey(Engines::Every)),
            (Self::TagKey, "_field" | "_measurement" | "\0") if dialect.suits_v2() => {
                Err(Unwritable::ReservedKey(Engines::V2))
            }
            _ => Ok(()),
        }
    }

    /// Whether the backslashes at the start of `rest` stay what they are. 3 has an escape for the backslash itself; where
    /// both have to read a line, one may only stand before what neither has an escape for. Returns what they stand before.
    fn check_backslashes(self, rest: &[u8], dialect: Dialect) -> Result<Option<u8>, Unwritable> {
        let backslashes = rest.iter().take_while(|byte| **byte == b'\\').count();
        let Some(next) = rest.get(backslashes).copied() else { return Ok(None) };
        if dialect.suits_v1_or_v2() && self.loses_backslash(backslashes, next) {
            return Err(Unwritable::Backslash(next.into(), Engines::V1AndV2));
        }
        if dialect == Dialect::Any && backslashes > 1 {
            return Err(Unwritable::Backslash('\\', Engines::V3));
        }
        if dialect == Dialect::Any && self.reserved().contains(&next) {
            return Err(Unwritable::Backslash(next.into(), Engines::V3));
        }
        Ok(Some(next))
    }

    /// Whether the `#` at the start of `rest` begins what 1.x and 2.x keep between series and field. They look for its
    /// first place when they start, and for a series that ends in three of its four characters, that is too early.
    ///
    /// Source: `SeriesAndFieldFromCompositeKey` in `tsdb/engine/tsm1/engine.go`.
    fn ends_series(self, rest: &[u8]) -> bool {
        match self {
            Self::Measurement | Self::TagValue => rest.starts_with(SERIES_AND_FIELD) || rest == b"#!~",
            Self::TagKey => rest.starts_with(SERIES_AND_FIELD),
            Self::FieldKey => false,
        }
    }
}
