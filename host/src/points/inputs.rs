//! What a batch and its converter offer to tags, fields and times.

use std::collections::HashMap;
use std::iter::repeat_n;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, StringArray};
use arrow::buffer::{BooleanBuffer, ScalarBuffer};
use arrow::error::ArrowError;

use super::coded::Coded;
use super::exact;
use crate::converter::{Constant, Converted, Key, KeyPart, Mask, Source};
use crate::source::Batch;

/// The entry of a dictionary that each row of a batch has.
#[derive(Clone, Debug, Default)]
pub(super) enum Codes {
    /// The first entry in all rows.
    #[default]
    First,
    Rows(ScalarBuffer<i32>),
}

impl Codes {
    #[inline]
    pub(super) fn get(&self, row: usize) -> i32 {
        match self {
            Self::First => 0,
            Self::Rows(codes) => codes[row],
        }
    }
}

/// Which rows of a batch have something.
#[derive(Clone, Debug)]
pub(super) enum Choice {
    All,
    None,
    Rows(BooleanBuffer),
}

impl Choice {
    #[inline]
    pub(super) fn has(&self, row: usize) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Rows(rows) => rows.value(row),
        }
    }
}

/// What a batch and its converter offer to bind tags and fields to.
pub(super) struct Inputs<'a> {
    columns: &'a [usize],
    translated_columns: &'a [usize],
    batch: &'a Batch,
    converted: &'a Converted,
    /// Columns that were needed as text, by their index in the object.
    coded: HashMap<usize, Coded>,
    /// One dictionary for each translation.
    translated: Vec<StringArray>,
}

impl<'a> Inputs<'a> {
    /// What `columns` of the object have in a batch, of which some are translated, and what a converter made of it.
    pub(super) fn new(
        columns: &'a [usize],
        translated_columns: &'a [usize],
        batch: &'a Batch,
        converted: &'a Converted,
    ) -> Self {
        Self { columns, translated_columns, batch, converted, coded: HashMap::new(), translated: Vec::new() }
    }

    /// Adds the dictionary of the next translation.
    pub(super) fn add_translated(&mut self, dictionary: StringArray) {
        self.translated.push(dictionary);
    }

    /// The column of a source that is not translated and not constant.
    pub(super) fn array(&self, source: &Source) -> Result<ArrayRef, ArrowError> {
        let array = match source {
            Source::Column(column) => {
                self.columns.binary_search(column).ok().and_then(|position| self.batch.columns.columns().get(position))
            }
            Source::Computed(index) => self.converted.computed.get(*index),
            Source::RowNumber => return Ok(self.row_numbers()),
            Source::Translated(_) | Source::Constant(_) => None,
        };
        array.map(Arc::clone).ok_or_else(|| ArrowError::SchemaError(format!("the batch has no {source:?}")))
    }

    fn row_numbers(&self) -> ArrayRef {
        let number = |row| i64::try_from(self.batch.rows.number(row)).ok();
        let rows = (0..self.batch.len()).flat_map(|row| repeat_n(number(row), self.batch.places(row).len()));
        Arc::new(rows.collect::<Int64Array>())
    }

    /// The key of each row and the dictionary; none where it is the same in every row.
    pub(super) fn key(&mut self, key: &Key) -> Result<Option<(Codes, StringArray)>, ArrowError> {
        match key {
            Key::Name(_) => Ok(None),
            Key::Translated(index) => self.text(&Source::Translated(*index)).map(Some),
            Key::Joined(parts) => self.joined(parts).map(Some),
        }
    }

    /// A key that is joined: each combination once that rows of the batch have.
    fn joined(&mut self, parts: &[KeyPart]) -> Result<(Codes, StringArray), ArrowError> {
        let rows = self.batch.columns.num_rows();
        let (mut codes, mut texts) = (vec![0; rows], vec![Some(String::new())]);
        for part in parts {
            match part {
                KeyPart::Text(text) => texts.iter_mut().flatten().for_each(|before| before.push_str(text)),
                KeyPart::Translated(index) => {
                    let (answers, dictionary) = self.text(&Source::Translated(*index))?;
                    (codes, texts) = combined(&codes, &texts, &answers, &dictionary)?;
                }
            }
        }
        Ok((Codes::Rows(codes.into()), StringArray::from(texts)))
    }

    /// A source that is not translated and not constant, as codes into a dictionary.
    pub(super) fn coded(&mut self, source: &Source) -> Result<Coded, ArrowError> {
        match source {
            Source::Column(column) => {
                if let Some(coded) = self.coded.get(column) {
                    return Ok(coded.clone());
                }
                let coded = Coded::new(&self.array(source)?)?;
                self.coded.insert(*column, coded.clone());
                Ok(coded)
            }
            _ => Coded::new(&self.array(source)?),
        }
    }

    /// A source as text: the code of each row and the dictionary.
    pub(super) fn text(&mut self, source: &Source) -> Result<(Codes, StringArray), ArrowError> {
        match source {
            Source::Constant(constant) => Ok((Codes::First, StringArray::from(vec![constant_text(constant)]))),
            Source::Translated(index) => {
                let missing = || ArrowError::SchemaError(format!("the batch has no {source:?}"));
                let column = *self.translated_columns.get(*index).ok_or_else(missing)?;
                let dictionary = self.translated.get(*index).ok_or_else(missing)?.clone();
                Ok((Codes::Rows(self.coded(&Source::Column(column))?.codes), dictionary))
            }
            Source::Column(_) | Source::Computed(_) | Source::RowNumber => {
                let coded = self.coded(source)?;
                Ok((Codes::Rows(coded.codes), coded.dictionary))
            }
        }
    }

    /// A source as nanoseconds since the epoch.
    pub(super) fn times(&self, source: &Source) -> Result<Int64Array, ArrowError> {
        if let Source::Constant(Constant::Integer(time)) = source {
            return Ok(Int64Array::from_value(*time, self.batch.columns.num_rows()));
        }
        let array = self.array(source)?;
        // What is too large for a time is none.
        Ok(exact::integers(&array)?.values)
    }

    /// The rows that a mask chooses.
    pub(super) fn choice(&self, mask: Option<usize>) -> Choice {
        match mask.map(|mask| self.converted.masks.get(mask)) {
            None | Some(Some(Mask::All)) => Choice::All,
            Some(None | Some(Mask::None)) => Choice::None,
            Some(Some(Mask::Rows(rows))) => Choice::Rows(rows.values().clone()),
        }
    }
}

/// The combinations of what rows have so far and of a dictionary's entries: their codes, and each text once. None where one
/// of the two is missing.
fn combined(
    codes: &[i32],
    texts: &[Option<String>],
    answers: &Codes,
    dictionary: &StringArray,
) -> Result<(Vec<i32>, Vec<Option<String>>), ArrowError> {
    let entry = |code: i32| usize::try_from(code).ok();
    let mut known: HashMap<(i32, i32), i32> = HashMap::new();
    let mut found: Vec<Option<String>> = Vec::new();
    let code = |(row, code): (usize, &i32)| {
        let pair = (*code, answers.get(row));
        if let Some(code) = known.get(&pair) {
            return Ok(*code);
        }
        let before = entry(pair.0).and_then(|place| texts.get(place)?.as_deref());
        // The entry after the last stands for rows without a value; an empty answer is none.
        let place = entry(pair.1).filter(|place| *place < dictionary.len() && dictionary.is_valid(*place));
        let after = place.map(|place| dictionary.value(place)).filter(|answer| !answer.is_empty());
        let next = i32::try_from(found.len()).map_err(|_| ArrowError::DictionaryKeyOverflowError)?;
        found.push(before.zip(after).map(|(before, after)| format!("{before}{after}")));
        known.insert(pair, next);
        Ok(next)
    };
    let codes = codes.iter().enumerate().map(code).collect::<Result<_, ArrowError>>()?;
    Ok((codes, found))
}

/// A constant as text, or none where it is missing: not finite.
pub(super) fn constant_text(constant: &Constant) -> Option<String> {
    match constant {
        Constant::Boolean(value) => Some(value.to_string()),
        Constant::Integer(value) => Some(value.to_string()),
        Constant::Unsigned(value) => Some(value.to_string()),
        Constant::Float(value) => value.is_finite().then(|| zmij::Buffer::new().format_finite(*value).to_owned()),
        Constant::Text(text) => Some(text.clone()),
    }
}
