//! The tags of a point.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::error::ArrowError;

use super::dialect::{Dialect, Engines};
use super::error::LayoutError;
use super::escape;
use super::inputs::{Choice, Codes, Inputs};
use super::line::{OpenLine, Piece};
use super::rejects::RowProblem;
use super::rules::{Element, Unwritable};
use super::series;
use super::tokens::Tokens;
use crate::converter::{Key, Missing, Source, Tag};

/// A tag, bound to a batch.
#[derive(Debug)]
pub(super) struct TagSlot {
    tag: Tag,
    dialect: Dialect,
    /// Names that the key of a row must not have: those of fields, where the engine forbids that.
    fields: Arc<BTreeSet<String>>,
    /// `,key=`, escaped; empty for a translated key.
    prefix: Vec<u8>,
    /// The tag as it is written: `,key=value`, or the value alone for a translated key.
    tokens: Tokens,
    codes: Codes,
    /// For each token, the hash of the tag, or of the value alone for a translated key; 0 where there is no token.
    hashes: Vec<u64>,
    /// For a translated key: `,key=`.
    keys: Tokens,
    key_codes: Codes,
    key_hashes: Vec<u64>,
    /// For a translated key: the keys as they are, to sort by.
    key_names: Vec<String>,
    /// Whether the key, one of the values and one of the translated keys may hide the end of their line.
    hides: Hides,
    when: Choice,
}

/// What of a tag may hide the end of its line.
#[derive(Clone, Copy, Debug, Default)]
struct Hides {
    key: bool,
    values: bool,
    keys: bool,
}

/// A tag of a row.
pub(super) struct Written<'a> {
    /// To sort by.
    pub(super) name: &'a str,
    /// The key, where it is not written with the value.
    key: Option<Piece<'a>>,
    value: Piece<'a>,
    /// What it adds to the hash of its series.
    pub(super) hash: u64,
}

impl Written<'_> {
    /// Appends it.
    pub(super) fn write(&self, line: &mut OpenLine<'_>) {
        if let Some(key) = self.key {
            line.piece(key);
        }
        line.piece(self.value);
    }
}

impl TagSlot {
    pub(super) fn new(tag: &Tag, fields: &Arc<BTreeSet<String>>, dialect: Dialect) -> Result<Self, LayoutError> {
        let (mut prefix, mut hides) = (Vec::new(), Hides::default());
        if let Key::Name(name) = &tag.key {
            prefix.push(b',');
            hides.key = escape::element(Element::TagKey, name, dialect, &mut prefix)
                .map_err(|reason| LayoutError::new("tag key", name, reason))?;
            prefix.push(b'=');
        }
        Ok(Self {
            tag: tag.clone(),
            dialect,
            fields: Arc::clone(fields),
            prefix,
            tokens: Tokens::default(),
            codes: Codes::default(),
            hashes: Vec::new(),
            keys: Tokens::default(),
            key_codes: Codes::default(),
            key_hashes: Vec::new(),
            key_names: Vec::new(),
            hides,
            when: Choice::All,
        })
    }

    /// The key, where it is the same in every row.
    pub(super) fn name(&self) -> Option<&str> {
        self.tag.key.name()
    }

    /// What messages call it.
    fn title(&self) -> String {
        match (&self.tag.key, &self.tag.source) {
            (Key::Name(name), _) => format!("the tag `{name}`"),
            (
                Key::Translated(index),
                Source::Column(_) | Source::Computed(_) | Source::Constant(_) | Source::RowNumber,
            ) => {
                format!("the tag named by translation {index}")
            }
            (Key::Translated(index), Source::Translated(value)) => {
                format!("the tag named by translation {index} with the value of translation {value}")
            }
            (Key::Joined(_), _) => "the tag with a joined key".to_owned(),
        }
    }

    pub(super) fn bind(&mut self, inputs: &mut Inputs<'_>) -> Result<(), ArrowError> {
        let (codes, dictionary) = inputs.text(&self.tag.source)?;
        let (prefix, dialect, fields) = (&self.prefix, self.dialect, &self.fields);
        let hides = Cell::new(false);
        let changed = self.tokens.update(&dictionary, |value, line| {
            line.extend_from_slice(prefix);
            hides.set(escape::element(Element::TagValue, value, dialect, line)? || hides.get());
            Ok(())
        });
        if changed {
            self.hides.values = hides.take();
            let key = series::of_text(&self.prefix);
            let hash = |tag: &[u8]| match (tag, &*self.prefix) {
                ([], _) => 0,
                (value, []) => series::of_text(value),
                (tag, prefix) => series::of_tag(key, series::of_text(&tag[prefix.len()..])),
            };
            self.hashes = self.tokens.map(hash);
        }
        self.codes = codes;
        if let Some((codes, dictionary)) = inputs.key(&self.tag.key)? {
            let changed = self.keys.update(&dictionary, |key, line| {
                if fields.contains(key) {
                    return Err(Unwritable::TagAndField(Engines::V3));
                }
                line.push(b',');
                hides.set(escape::element(Element::TagKey, key, dialect, line)? || hides.get());
                line.push(b'=');
                Ok(())
            });
            if changed {
                self.hides.keys = hides.take();
                self.key_hashes = self.keys.map(series::of_text);
                self.key_names = dictionary.iter().map(|key| key.unwrap_or_default().to_owned()).collect();
            }
            self.key_codes = codes;
        }
        self.when = inputs.choice(self.tag.when);
        Ok(())
    }

    /// Whether the tag of a row has this key, which is `key=` as it is written.
    pub(super) fn has_key(&self, row: usize, key: &[u8]) -> bool {
        let written = match self.tag.key {
            Key::Name(_) => &self.prefix,
            Key::Translated(_) | Key::Joined(_) => self.keys.get(self.key_codes.get(row)).bytes(),
        };
        let has_value = || self.when.has(row) && !self.tokens.get(self.codes.get(row)).is_empty();
        written.get(1..) == Some(key) && has_value()
    }

    /// Appends the tag of a row, if it has one. For tags whose key is the same in every row.
    #[inline(always)]
    pub(super) fn write(&self, row: usize, line: &mut OpenLine<'_>) -> Result<(), RowProblem> {
        if self.when.has(row) {
            let code = self.codes.get(row);
            let token = self.tokens.get(code);
            if token.is_empty() {
                return self.absent(row);
            }
            line.piece(token);
        }
        Ok(())
    }

    /// Adds the hash of each row's tag to that of its series. For tags whose key is the same in every row.
    pub(super) fn add_to(&self, series: &mut [u64]) {
        match (&self.when, &self.codes) {
            (Choice::None, _) => {}
            (Choice::All, Codes::First) => {
                let hash = self.hash(0);
                series.iter_mut().for_each(|series| *series = series.wrapping_add(hash));
            }
            (Choice::All, Codes::Rows(codes)) => {
                for (series, code) in series.iter_mut().zip(codes) {
                    *series = series.wrapping_add(self.hash(*code));
                }
            }
            (Choice::Rows(rows), codes) => {
                for row in rows.set_indices() {
                    series[row] = series[row].wrapping_add(self.hash(codes.get(row)));
                }
            }
        }
    }

    #[inline]
    #[expect(clippy::cast_sign_loss, reason = "the codes of an Arrow dictionary are never negative")]
    fn hash(&self, code: i32) -> u64 {
        self.hashes[code as usize]
    }

    /// Whether a line of this batch may hide its end because of the tag.
    pub(super) fn may_hide_end(&self) -> bool {
        let Hides { key, values, keys } = self.hides;
        key || values || keys
    }

    /// The most that the tag of a row takes in this batch, in bytes.
    pub(super) fn longest(&self) -> usize {
        self.keys.longest() + self.tokens.longest()
    }

    /// The tag of a row, if it has one, before it is sorted into its place.
    pub(super) fn find(&self, row: usize) -> Result<Option<Written<'_>>, RowProblem> {
        if !self.when.has(row) {
            return Ok(None);
        }
        let code = self.codes.get(row);
        let value = self.tokens.get(code);
        if value.is_empty() {
            return self.absent(row).map(|()| None);
        }
        let hash = self.hash(code);
        match &self.tag.key {
            Key::Name(name) => Ok(Some(Written { name, key: None, value, hash })),
            Key::Translated(_) | Key::Joined(_) => {
                let code = self.key_codes.get(row);
                let key = self.keys.get(code);
                if let Some(reason) = self.keys.unwritable(code) {
                    return Err(RowProblem::unwritable(format!("the key of {}", self.title()), reason));
                }
                if key.is_empty() {
                    return self.missing().map(|()| None);
                }
                let name = usize::try_from(code).ok().and_then(|code| self.key_names.get(code));
                let name = name.map_or("", String::as_str);
                let key_hash = usize::try_from(code).ok().and_then(|code| self.key_hashes.get(code)).copied();
                let hash = series::of_tag(key_hash.unwrap_or_default(), hash);
                Ok(Some(Written { name, key: Some(key), value, hash }))
            }
        }
    }

    /// What becomes of a row that has no token.
    #[cold]
    fn absent(&self, row: usize) -> Result<(), RowProblem> {
        match self.tokens.unwritable(self.codes.get(row)) {
            Some(reason) => Err(RowProblem::unwritable(format!("the value of {}", self.title()), reason)),
            None => self.missing(),
        }
    }

    fn missing(&self) -> Result<(), RowProblem> {
        match &self.tag.missing {
            Missing::Omit => Ok(()),
            Missing::Reject(code) => Err(RowProblem::missing(code, &self.title())),
        }
    }
}
