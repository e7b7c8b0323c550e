//! The answers of a converter, one for each distinct value, remembered.

use std::collections::HashMap;

use arrow::array::builder::StringBuilder;
use arrow::array::{Array, RecordBatch, StringArray};

use super::coded::{Coded, same};
use crate::converter::Converted;

/// Values that one call translates at most, and their bytes, so that a call's time and memory do not depend on the data.
const VALUES_A_CALL: usize = 16 * 1024;
const BYTES_A_CALL: usize = 1024 * 1024;
/// Bytes of values and answers that are remembered at most for each translation: enough for the tags of a large grid.
const REMEMBERED: usize = 8 * 1024 * 1024;
/// What remembering a value takes beside its text and that of its answer.
const ENTRY: usize = 48;

/// What executes a plan's translations and conversions: a converter's instance.
pub trait Mapping {
    /// Why it could not.
    type Error;

    /// Answers values of a translated column, one for each, as `translate` in `wit/converter.wit` defines it.
    ///
    /// # Errors
    ///
    /// When the converter fails.
    fn translate(&mut self, translation: usize, values: &StringArray) -> Result<StringArray, Self::Error>;

    /// Converts the columns that the plan reads, as `convert` in `wit/converter.wit` defines it.
    ///
    /// # Errors
    ///
    /// When the converter fails.
    fn convert(&mut self, columns: &RecordBatch) -> Result<Converted, Self::Error>;
}

/// One of a plan's translations.
#[derive(Debug, Default)]
pub(super) struct Translation {
    index: usize,
    answers: HashMap<Box<str>, Option<Box<str>>>,
    /// What they take, in bytes.
    remembered: usize,
    /// The answer for rows without a value, once there was one.
    none: Option<Option<Box<str>>>,
    /// The dictionary that was translated last, and its translation.
    last: Option<(StringArray, StringArray)>,
}

impl Translation {
    pub(super) fn new(index: usize) -> Self {
        Self { index, ..Self::default() }
    }

    /// The column's codes with the translated dictionary, which has one entry more than the column's own: the answer for
    /// rows without a value.
    pub(super) fn translate<M: Mapping>(&mut self, column: &Coded, mapping: &mut M) -> Result<StringArray, M::Error> {
        let asks_for_none = column.has_nulls && self.none.is_none();
        if let Some((source, translated)) = &self.last
            && same(source, &column.dictionary)
            && !asks_for_none
        {
            return Ok(translated.clone());
        }
        self.ask(&column.dictionary, asks_for_none, mapping)?;
        let dictionary = &column.dictionary;
        let mut translated = StringBuilder::with_capacity(dictionary.len() + 1, dictionary.value_data().len());
        let none = self.none.as_ref().and_then(Option::as_deref);
        for value in dictionary {
            match value {
                Some(value) => translated.append_option(self.answers.get(value).and_then(Option::as_deref)),
                None => translated.append_option(none),
            }
        }
        translated.append_option(none);
        let translated = translated.finish();
        self.last = Some((dictionary.clone(), translated.clone()));
        Ok(translated)
    }

    /// Asks the converter for what it has not answered yet.
    fn ask<M: Mapping>(&mut self, dictionary: &StringArray, none: bool, mapping: &mut M) -> Result<(), M::Error> {
        if self.remembered > REMEMBERED {
            self.forget();
        }
        let mut unknown: Vec<Option<&str>> = Vec::new();
        for value in dictionary.iter().flatten() {
            if !self.answers.contains_key(value) {
                unknown.push(Some(value));
                // Keeps a value that occurs twice from being asked for twice; the answer replaces it.
                self.answers.insert(value.into(), None);
            }
        }
        let none = none || (dictionary.null_count() > 0 && self.none.is_none());
        unknown.extend(none.then_some(None));
        let mut left = &unknown[..];
        while !left.is_empty() {
            let (values, rest) = left.split_at(fitting(left));
            left = rest;
            let answers = match mapping.translate(self.index, &StringArray::from(values.to_vec())) {
                Ok(answers) => answers,
                Err(error) => {
                    // Nothing that was not answered may be taken for an answer.
                    self.forget();
                    return Err(error);
                }
            };
            for (value, answer) in values.iter().zip(&answers) {
                match value {
                    Some(value) => {
                        self.remembered += ENTRY + value.len() + answer.map_or(0, str::len);
                        self.answers.insert((*value).into(), answer.map(Into::into));
                    }
                    None => self.none = Some(answer.map(Into::into)),
                }
            }
        }
        Ok(())
    }

    fn forget(&mut self) {
        self.answers = HashMap::new();
        self.remembered = 0;
    }
}

/// How many of the values one call translates: one at least.
fn fitting(values: &[Option<&str>]) -> usize {
    let mut bytes = 0;
    let fits = |value: &&Option<&str>| {
        bytes += value.map_or(0, str::len);
        bytes <= BYTES_A_CALL
    };
    values.iter().take(VALUES_A_CALL).take_while(fits).count().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_takes_so_many_values_and_so_many_bytes() {
        let long = "x".repeat(300_000);
        assert_eq!(fitting(&[Some(long.as_str()); 10]), 3);
        assert_eq!(fitting(&[Some(""); 20_000]), VALUES_A_CALL);
        assert_eq!(fitting(&[None; 3]), 3);
        let longest = "x".repeat(2_000_000);
        assert_eq!(fitting(&[Some(&longest), Some("x")]), 1);
    }
}
