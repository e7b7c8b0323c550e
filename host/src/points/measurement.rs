//! The measurement of a point: the same in every row, or the translation of a row's value.

use arrow::array::StringArray;
use arrow::error::ArrowError;

use super::dialect::Dialect;
use super::error::LayoutError;
use super::escape;
use super::inputs::{Codes, Inputs};
use super::line::OpenLine;
use super::rejects::RowProblem;
use super::rules::Element;
use super::series;
use super::tokens::Tokens;
use crate::converter::Key;

/// A measurement, bound to a batch.
#[derive(Debug)]
pub(super) struct MeasurementSlot {
    key: Key,
    dialect: Dialect,
    tokens: Tokens,
    codes: Codes,
    /// For each token, its hash.
    hashes: Vec<u64>,
}

impl MeasurementSlot {
    pub(super) fn new(key: &Key, dialect: Dialect) -> Result<Self, LayoutError> {
        let (tokens, codes) = (Tokens::default(), Codes::default());
        let mut slot = Self { key: key.clone(), dialect, tokens, codes, hashes: Vec::new() };
        if let Key::Name(name) = key {
            escape::element(Element::Measurement, name, dialect, &mut Vec::new())
                .map_err(|reason| LayoutError::new("measurement", name, reason))?;
            slot.update(&StringArray::from(vec![name.as_str()]));
        }
        Ok(slot)
    }

    pub(super) fn bind(&mut self, inputs: &mut Inputs<'_>) -> Result<(), ArrowError> {
        if let Some((codes, dictionary)) = inputs.key(&self.key)? {
            self.update(&dictionary);
            self.codes = codes;
        }
        Ok(())
    }

    fn update(&mut self, dictionary: &StringArray) {
        let dialect = self.dialect;
        let write = |name: &str, line: &mut Vec<u8>| escape::element(Element::Measurement, name, dialect, line);
        if self.tokens.update(dictionary, |name, line| write(name, line).map(drop)) {
            self.hashes = self.tokens.map(series::of_text);
        }
    }

    /// The most that it takes in this batch, in bytes.
    pub(super) fn longest(&self) -> usize {
        self.tokens.longest()
    }

    /// The hash of a row's measurement.
    #[inline]
    #[expect(clippy::cast_sign_loss, reason = "the codes of an Arrow dictionary are never negative")]
    pub(super) fn hash(&self, row: usize) -> u64 {
        self.hashes[self.codes.get(row) as usize]
    }

    /// Appends the measurement of a row.
    #[inline]
    pub(super) fn write(&self, row: usize, line: &mut OpenLine<'_>) -> Result<(), RowProblem> {
        let token = self.tokens.get(self.codes.get(row));
        if token.is_empty() {
            return Err(self.problem(row));
        }
        line.piece(token);
        Ok(())
    }

    #[cold]
    fn problem(&self, row: usize) -> RowProblem {
        match self.tokens.unwritable(self.codes.get(row)) {
            Some(reason) => RowProblem::unwritable("the measurement".to_owned(), reason),
            None => RowProblem::measurement(),
        }
    }
}
