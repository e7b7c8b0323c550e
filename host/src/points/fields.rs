//! The fields of a point.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, StringArray, UInt64Array};
use arrow::buffer::ScalarBuffer;
use arrow::error::ArrowError;

use super::dialect::{Dialect, Engines};
use super::error::LayoutError;
use super::escape;
use super::exact::{self, Exact};
use super::inputs::{Choice, Codes, Inputs, constant_text};
use super::line::{OpenLine, Pieces};
use super::numbers::{self, Scale};
use super::rejects::RowProblem;
use super::rules::{Element, Unwritable};
use super::series;
use super::tokens::Tokens;
use crate::converter::{Constant, Field, FieldType, Key, Missing, Source};

/// The values of a field in a batch.
#[derive(Debug)]
enum Cells {
    /// What is missing, or not exact, is not finite either.
    Floats(Exact<ScalarBuffer<f64>>, Option<Scale>),
    Integers(Exact<Int64Array>),
    Unsigneds(Exact<UInt64Array>),
    Booleans(BooleanArray),
    /// In the slot's tokens.
    Texts(Codes),
    /// The same in every row, as it is written; none: missing.
    Same(Result<Option<Pieces>, Unwritable>),
}

/// A field, bound to a batch.
#[derive(Debug)]
pub(super) struct FieldSlot {
    field: Field,
    dialect: Dialect,
    /// Names that the key of a row must not have: those of tags, where the engine forbids that.
    tags: Arc<BTreeSet<String>>,
    /// `,key=`, escaped; empty for a translated key.
    prefix: Pieces,
    cells: Cells,
    /// For text: `,key="value"`, or the value alone for a translated key.
    tokens: Tokens,
    /// For a translated key: `,key=`.
    keys: Tokens,
    key_codes: Codes,
    /// A hash of the key, or of each entry of the keys' dictionary.
    key_hashes: Vec<u64>,
    /// Distinguishes the field from others of its point, and, where all their keys are the same in every row, of its measurement.
    pub(super) bit: u32,
    /// Distinguish the keys of a point's fields: one for the key, or one for each entry of the keys' dictionary.
    pub(super) key_ids: Vec<usize>,
    when: Choice,
}

impl FieldSlot {
    pub(super) fn new(field: &Field, tags: &Arc<BTreeSet<String>>, dialect: Dialect) -> Result<Self, LayoutError> {
        let mut prefix = Vec::new();
        if let Key::Name(name) = &field.key {
            prefix.push(b',');
            escape::element(Element::FieldKey, name, dialect, &mut prefix)
                .map_err(|reason| LayoutError::new("field key", name, reason))?;
            prefix.push(b'=');
        }
        Ok(Self {
            field: field.clone(),
            dialect,
            tags: Arc::clone(tags),
            prefix: Pieces::from(&*prefix),
            cells: Cells::Same(Ok(None)),
            tokens: Tokens::default(),
            keys: Tokens::default(),
            key_codes: Codes::default(),
            key_hashes: vec![series::of_text(&prefix)],
            bit: 0,
            key_ids: Vec::new(),
            when: Choice::All,
        })
    }

    /// The key, where it is the same in every row.
    pub(super) fn name(&self) -> Option<&str> {
        self.field.key.name()
    }

    /// Takes the values of a batch. Returns the dictionary of the keys when it is another than before.
    pub(super) fn bind(&mut self, inputs: &mut Inputs<'_>) -> Result<Option<StringArray>, ArrowError> {
        let (dialect, tags, prefix) = (self.dialect, &self.tags, self.prefix.get(0).bytes());
        self.cells = match (&self.field.source, self.field.write_as) {
            (Source::Constant(constant), write_as) => Cells::Same(
                constant_token(constant, write_as, dialect).map(|token| token.map(|token| Pieces::from(&*token))),
            ),
            (source, FieldType::Text) => {
                let (codes, dictionary) = inputs.text(source)?;
                self.tokens.update(&dictionary, |value, line| {
                    line.extend_from_slice(prefix);
                    escape::field_text(value, dialect, line)
                });
                Cells::Texts(codes)
            }
            (source, FieldType::Float) => {
                let floats = exact::floats(&inputs.array(source)?)?;
                let scale = Scale::of(&floats.values);
                Cells::Floats(floats, scale)
            }
            (source, FieldType::Integer) => Cells::Integers(exact::integers(&inputs.array(source)?)?),
            (source, FieldType::Unsigned) => Cells::Unsigneds(exact::unsigneds(&inputs.array(source)?)?),
            (source, FieldType::Boolean) => Cells::Booleans(booleans(&inputs.array(source)?)?),
        };
        self.when = inputs.choice(self.field.when);
        let Some((codes, dictionary)) = inputs.key(&self.field.key)? else { return Ok(None) };
        self.key_codes = codes;
        let changed = self.keys.update(&dictionary, |key, line| {
            if tags.contains(key) {
                return Err(Unwritable::TagAndField(Engines::V3));
            }
            line.push(b',');
            escape::element(Element::FieldKey, key, dialect, line)?;
            line.push(b'=');
            Ok(())
        });
        if changed {
            self.key_hashes = self.keys.map(series::of_text);
        }
        Ok(changed.then_some(dictionary))
    }

    /// Which key a row's field has, among those of [`Self::key_ids`].
    #[inline]
    pub(super) fn key_id(&self, row: usize) -> Option<usize> {
        match self.field.key {
            Key::Name(_) => self.key_ids.first().copied(),
            Key::Translated(_) | Key::Joined(_) => {
                usize::try_from(self.key_codes.get(row)).ok().and_then(|code| self.key_ids.get(code).copied())
            }
        }
    }

    /// A hash of the key that the field of a row has.
    pub(super) fn key_hash(&self, row: usize) -> u64 {
        let code = match self.field.key {
            Key::Name(_) => 0,
            Key::Translated(_) | Key::Joined(_) => self.key_codes.get(row),
        };
        usize::try_from(code).ok().and_then(|code| self.key_hashes.get(code)).copied().unwrap_or_default()
    }

    /// The length of the longest key that the field has in this batch, as it is written.
    pub(super) fn longest_key(&self) -> usize {
        self.prefix.get(0).bytes().len().max(self.keys.longest()).saturating_sub(2)
    }

    /// The key of a row that has the field, as it is written, with the `=` after it.
    pub(super) fn written_key(&self, row: usize) -> &[u8] {
        let key = match self.field.key {
            Key::Name(_) => self.prefix.get(0),
            Key::Translated(_) | Key::Joined(_) => self.keys.get(self.key_codes.get(row)),
        };
        key.bytes().get(1..).unwrap_or_default()
    }

    /// The most that the field of a row takes in this batch, in bytes.
    pub(super) fn longest(&self) -> usize {
        let value = match &self.cells {
            Cells::Floats(..) | Cells::Integers(_) | Cells::Unsigneds(_) | Cells::Booleans(_) => numbers::LONGEST + 1,
            Cells::Texts(_) => self.tokens.longest(),
            Cells::Same(token) => token.as_ref().ok().and_then(Option::as_ref).map_or(0, Pieces::longest),
        };
        self.prefix.longest() + self.keys.longest() + value
    }

    /// Appends the field of a row, if it has one, after a space where it is the `first` of its line. Returns whether it has.
    #[inline(always)]
    pub(super) fn write(&self, row: usize, first: bool, line: &mut OpenLine<'_>) -> Result<bool, RowProblem> {
        if !self.when.has(row) {
            return Ok(false);
        }
        let start = line.len();
        if let Key::Translated(_) | Key::Joined(_) = self.field.key {
            let code = self.key_codes.get(row);
            let key = self.keys.get(code);
            if key.is_empty() {
                return self.absent(row, self.keys.unwritable(code));
            }
            line.piece(key);
        }
        match self.write_value(row, line) {
            Ok(true) => {
                if first {
                    line.replace(start, b' ');
                }
                Ok(true)
            }
            Ok(false) => {
                line.truncate(start);
                self.missing(row)
            }
            Err(reason) => Err(RowProblem::unwritable(format!("the value of {}", self.title(row)), reason)),
        }
    }

    /// Appends the value of a row, after the key where that is the same in every row. Returns whether there is one; where
    /// there is none, the key may stand in the line.
    #[inline(always)]
    fn write_value(&self, row: usize, line: &mut OpenLine<'_>) -> Result<bool, Unwritable> {
        match &self.cells {
            Cells::Floats(values, scale) => {
                let value = values.values[row];
                if !value.is_finite() {
                    return if values.is_lost(row) { Err(Unwritable::Inexact("float")) } else { Ok(false) };
                }
                self.write_prefix(line);
                line.float(value, *scale);
            }
            Cells::Integers(values) => {
                if values.values.is_null(row) {
                    return if values.is_lost(row) { Err(Unwritable::Inexact("integer")) } else { Ok(false) };
                }
                self.write_prefix(line);
                line.integer(values.values.values()[row], b'i');
            }
            Cells::Unsigneds(values) => {
                if values.values.is_null(row) {
                    return if values.is_lost(row) { Err(Unwritable::Inexact("unsigned")) } else { Ok(false) };
                }
                self.write_prefix(line);
                let value = values.values.values()[row];
                line.unsigned(value, unsigned_suffix(value, self.dialect)?);
            }
            Cells::Booleans(values) => {
                if values.is_null(row) {
                    return Ok(false);
                }
                self.write_prefix(line);
                line.boolean(values.value(row));
            }
            Cells::Texts(codes) => {
                let code = codes.get(row);
                let token = self.tokens.get(code);
                if token.is_empty() {
                    return self.tokens.unwritable(code).map_or(Ok(false), Err);
                }
                line.piece(token);
            }
            Cells::Same(Ok(Some(token))) => {
                self.write_prefix(line);
                line.piece(token.get(0));
            }
            Cells::Same(Ok(None)) => return Ok(false),
            Cells::Same(Err(reason)) => return Err(*reason),
        }
        Ok(true)
    }

    /// Appends the key, where it is the same in every row.
    #[inline(always)]
    fn write_prefix(&self, line: &mut OpenLine<'_>) {
        let prefix = self.prefix.get(0);
        if !prefix.is_empty() {
            line.piece(prefix);
        }
    }

    /// What messages call the field of a row.
    pub(super) fn title(&self, row: usize) -> String {
        match &self.field.key {
            Key::Name(name) => format!("the field `{name}`"),
            key => match (self.keys.get(self.key_codes.get(row)).bytes(), key) {
                ([b',', key @ .., b'='], _) => format!("the field `{}`", String::from_utf8_lossy(key)),
                (_, Key::Translated(index)) => format!("the field named by translation {index}"),
                (_, Key::Name(_) | Key::Joined(_)) => "the field with a joined key".to_owned(),
            },
        }
    }

    /// What becomes of a row that has no key.
    #[cold]
    fn absent(&self, row: usize, unwritable: Option<Unwritable>) -> Result<bool, RowProblem> {
        unwritable.map_or_else(|| self.missing(row), |reason| Err(RowProblem::unwritable(self.title(row), reason)))
    }

    #[cold]
    fn missing(&self, row: usize) -> Result<bool, RowProblem> {
        match &self.field.missing {
            Missing::Omit => Ok(false),
            Missing::Reject(code) => Err(RowProblem::missing(code, &self.title(row))),
        }
    }
}

fn booleans(array: &ArrayRef) -> Result<BooleanArray, ArrowError> {
    match array.as_boolean_opt() {
        Some(booleans) => Ok(booleans.clone()),
        None if array.null_count() == array.len() => Ok(BooleanArray::new_null(array.len())),
        None => Err(ArrowError::CastError(format!("{} is not written as booleans", array.data_type()))),
    }
}

/// What is written after an unsigned integer, if the engine has one that large.
#[inline]
fn unsigned_suffix(value: u64, dialect: Dialect) -> Result<u8, Unwritable> {
    let (most, suffix) = dialect.unsigned();
    if value > most { Err(Unwritable::TooLarge(Engines::V1)) } else { Ok(suffix) }
}

/// A constant as it is written, or none where it is missing: not finite.
fn constant_token(constant: &Constant, write_as: FieldType, dialect: Dialect) -> Result<Option<Vec<u8>>, Unwritable> {
    let mut token = Vec::new();
    match (constant, write_as) {
        (constant, FieldType::Text) => match constant_text(constant) {
            Some(text) => escape::field_text(&text, dialect, &mut token)?,
            None => return Ok(None),
        },
        (Constant::Float(value), _) => {
            if !value.is_finite() {
                return Ok(None);
            }
            token.extend_from_slice(zmij::Buffer::new().format_finite(*value).as_bytes());
        }
        (Constant::Integer(value), FieldType::Float) => token.extend_from_slice(value.to_string().as_bytes()),
        (Constant::Unsigned(value), FieldType::Float) => token.extend_from_slice(value.to_string().as_bytes()),
        (Constant::Integer(value), _) => token.extend_from_slice(format!("{value}i").as_bytes()),
        (Constant::Unsigned(value), _) => {
            token.extend_from_slice(value.to_string().as_bytes());
            token.push(unsigned_suffix(*value, dialect)?);
        }
        (Constant::Boolean(value), _) => token.extend_from_slice(value.to_string().as_bytes()),
        (Constant::Text(text), _) => escape::field_text(text, dialect, &mut token)?,
    }
    Ok(Some(token))
}
