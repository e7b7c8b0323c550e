//! The fields of a point.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, StringArray, UInt64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, UInt64Type};
use arrow::error::ArrowError;

use super::encode::{Choice, Codes, Inputs, RowProblem};
use super::escape;
use super::layout::LayoutError;
use super::tokens::Tokens;
use crate::converter::{Constant, Field, FieldType, Key, Missing, Source};

/// The values of a field in a batch.
#[derive(Debug)]
enum Cells {
    Floats(Float64Array),
    Integers(Int64Array),
    Unsigneds(UInt64Array),
    Booleans(BooleanArray),
    /// In the slot's tokens.
    Texts(Codes),
    /// The same in every row, as it is written; none: missing.
    Same(Option<Vec<u8>>),
}

/// A field, bound to a batch.
#[derive(Debug)]
pub(super) struct FieldSlot {
    field: Field,
    /// `key=`, escaped; empty for a translated key.
    prefix: Vec<u8>,
    cells: Cells,
    /// For text: `"value"`.
    tokens: Tokens,
    /// For a translated key: `key=`.
    keys: Tokens,
    key_codes: Codes,
    /// Tells the keys of a point's fields apart: one for the key, or one for each entry of the keys' dictionary.
    pub(super) key_ids: Vec<usize>,
    when: Choice,
}

impl FieldSlot {
    pub(super) fn new(field: &Field) -> Result<Self, LayoutError> {
        let mut prefix = Vec::new();
        if let Key::Name(name) = &field.key {
            escape::field_key(name, &mut prefix).map_err(|reason| LayoutError {
                what: "field key",
                name: name.clone(),
                reason,
            })?;
            prefix.push(b'=');
        }
        Ok(Self {
            field: field.clone(),
            prefix,
            cells: Cells::Same(None),
            tokens: Tokens::default(),
            keys: Tokens::default(),
            key_codes: Codes::default(),
            key_ids: Vec::new(),
            when: Choice::All,
        })
    }

    /// The key, where it is the same in every row.
    pub(super) fn name(&self) -> Option<&str> {
        match &self.field.key {
            Key::Name(name) => Some(name),
            Key::Translated(_) => None,
        }
    }

    /// Takes the values of a batch. Returns the dictionary of the keys when it is another than before.
    pub(super) fn bind(&mut self, inputs: &mut Inputs<'_>) -> Result<Option<StringArray>, ArrowError> {
        self.cells = match (&self.field.source, self.field.write_as) {
            (Source::Constant(constant), write_as) => Cells::Same(constant_token(constant, write_as)),
            (source, FieldType::Text) => {
                let (codes, dictionary) = inputs.text(source)?;
                self.tokens.update(&dictionary, |value, line| {
                    escape::field_text(value, line);
                    Ok(())
                });
                Cells::Texts(codes)
            }
            (source, FieldType::Float) => {
                let floats = cast_if_needed(&inputs.array(source)?, &DataType::Float64)?;
                Cells::Floats(floats.as_primitive::<Float64Type>().clone())
            }
            (source, FieldType::Integer) => {
                let integers = cast_if_needed(&inputs.array(source)?, &DataType::Int64)?;
                Cells::Integers(integers.as_primitive::<Int64Type>().clone())
            }
            (source, FieldType::Unsigned) => {
                let unsigneds = cast_if_needed(&inputs.array(source)?, &DataType::UInt64)?;
                Cells::Unsigneds(unsigneds.as_primitive::<UInt64Type>().clone())
            }
            (source, FieldType::Boolean) => {
                let booleans = cast_if_needed(&inputs.array(source)?, &DataType::Boolean)?;
                Cells::Booleans(booleans.as_boolean().clone())
            }
        };
        self.when = inputs.choice(self.field.when);
        let Key::Translated(translation) = self.field.key else { return Ok(None) };
        let (codes, dictionary) = inputs.text(&Source::Translated(translation))?;
        self.key_codes = codes;
        let changed = self.keys.update(&dictionary, |key, line| {
            escape::field_key(key, line)?;
            line.push(b'=');
            Ok(())
        });
        Ok(changed.then_some(dictionary))
    }

    /// Which key a row's field has, among those of [`Self::key_ids`].
    #[inline]
    pub(super) fn key_id(&self, row: usize) -> Option<usize> {
        match self.field.key {
            Key::Name(_) => self.key_ids.first().copied(),
            Key::Translated(_) => {
                usize::try_from(self.key_codes.get(row)).ok().and_then(|code| self.key_ids.get(code).copied())
            }
        }
    }

    /// Appends `separator` and the field of a row, if it has one. Returns whether it has.
    #[inline]
    pub(super) fn write(&self, row: usize, separator: u8, line: &mut Vec<u8>) -> Result<bool, RowProblem> {
        if !self.when.has(row) {
            return Ok(false);
        }
        let start = line.len();
        line.push(separator);
        match self.field.key {
            Key::Name(_) => line.extend_from_slice(&self.prefix),
            Key::Translated(_) => {
                let code = self.key_codes.get(row);
                let key = self.keys.get(code);
                if key.is_empty() {
                    line.truncate(start);
                    if let Some(reason) = self.keys.unwritable(code) {
                        return Err(RowProblem::unwritable(self.title(row), reason));
                    }
                    return self.missing(row);
                }
                line.extend_from_slice(key);
            }
        }
        if self.write_value(row, line) {
            return Ok(true);
        }
        line.truncate(start);
        self.missing(row)
    }

    #[inline]
    fn write_value(&self, row: usize, line: &mut Vec<u8>) -> bool {
        match &self.cells {
            Cells::Floats(values) => {
                let value = values.values()[row];
                if !value.is_finite() || values.is_null(row) {
                    return false;
                }
                line.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
            }
            Cells::Integers(values) => {
                if values.is_null(row) {
                    return false;
                }
                line.extend_from_slice(itoa::Buffer::new().format(values.values()[row]).as_bytes());
                line.push(b'i');
            }
            Cells::Unsigneds(values) => {
                if values.is_null(row) {
                    return false;
                }
                line.extend_from_slice(itoa::Buffer::new().format(values.values()[row]).as_bytes());
                line.push(b'u');
            }
            Cells::Booleans(values) => {
                if values.is_null(row) {
                    return false;
                }
                line.extend_from_slice(if values.value(row) { b"true" } else { b"false" });
            }
            Cells::Texts(codes) => {
                let token = self.tokens.get(codes.get(row));
                if token.is_empty() {
                    return false;
                }
                line.extend_from_slice(token);
            }
            Cells::Same(Some(token)) => line.extend_from_slice(token),
            Cells::Same(None) => return false,
        }
        true
    }

    /// What messages call the field of a row.
    fn title(&self, row: usize) -> String {
        match &self.field.key {
            Key::Name(name) => format!("the field `{name}`"),
            Key::Translated(index) => match self.keys.get(self.key_codes.get(row)) {
                [key @ .., b'='] => format!("the field `{}`", String::from_utf8_lossy(key)),
                _ => format!("the field named by translation {index}"),
            },
        }
    }

    #[cold]
    fn missing(&self, row: usize) -> Result<bool, RowProblem> {
        match &self.field.missing {
            Missing::Omit => Ok(false),
            Missing::Reject(code) => Err(RowProblem::missing(code, &self.title(row))),
        }
    }
}

fn cast_if_needed(array: &ArrayRef, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    if array.data_type() == data_type { Ok(array.clone()) } else { cast(array, data_type) }
}

/// A constant as it is written, or none where it is missing: not finite.
fn constant_token(constant: &Constant, write_as: FieldType) -> Option<Vec<u8>> {
    let mut token = Vec::new();
    match (constant, write_as) {
        (constant, FieldType::Text) => escape::field_text(&constant_text(constant)?, &mut token),
        (Constant::Float(value), _) => {
            if !value.is_finite() {
                return None;
            }
            token.extend_from_slice(zmij::Buffer::new().format_finite(*value).as_bytes());
        }
        (Constant::Integer(value), FieldType::Float) => token.extend_from_slice(value.to_string().as_bytes()),
        (Constant::Unsigned(value), FieldType::Float) => token.extend_from_slice(value.to_string().as_bytes()),
        (Constant::Integer(value), _) => token.extend_from_slice(format!("{value}i").as_bytes()),
        (Constant::Unsigned(value), _) => token.extend_from_slice(format!("{value}u").as_bytes()),
        (Constant::Boolean(value), _) => token.extend_from_slice(value.to_string().as_bytes()),
        (Constant::Text(text), _) => escape::field_text(text, &mut token),
    }
    Some(token)
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
