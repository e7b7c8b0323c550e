//! What a row holds, as JSON.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, StringArray, UInt64Array};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type, TimestampNanosecondType, UInt64Type};
use jiff::Timestamp;

use crate::source::{Batch, ColumnSchema, ColumnType, InvalidText, decimal_text};

/// Cells that would make a row longer than this many bytes are omitted and named instead.
const ROW_BYTES: usize = 8 * 1024 * 1024;

/// Cells of text that are longer than this are omitted in any case.
const CELL_BYTES: usize = 1024 * 1024;

/// The columns of an object as members of a JSON object: `"columns":{…},"omitted":[…]`.
///
/// Integers and decimals are exact, timestamps are RFC 3339 with nanoseconds, and floats that JSON does not have are text. Omitted and
/// named are columns that cannot be read or are of a list, those that have the name of one before them, and cells that are too long or not UTF-8.
#[derive(Debug)]
pub(super) struct Contents {
    /// The columns that are read, by their index in the object, with their names as JSON.
    columns: Vec<(usize, String)>,
    /// The names of the others, as JSON.
    omitted: Vec<String>,
}

impl Contents {
    pub(super) fn new(schema: &[ColumnSchema]) -> Self {
        let mut names = std::collections::HashSet::new();
        let (mut columns, mut omitted) = (Vec::new(), Vec::new());
        for (index, column) in schema.iter().enumerate() {
            let name = serde_json::Value::from(column.name.as_str()).to_string();
            let is_readable = column.column_type != ColumnType::Other && column.list.is_none();
            if is_readable && names.insert(column.name.as_str()) {
                columns.push((index, name));
            } else {
                omitted.push(name);
            }
        }
        Self { columns, omitted }
    }

    /// The columns that batches must have, in this order.
    pub(super) fn columns(&self) -> Vec<usize> {
        self.columns.iter().map(|(index, _)| *index).collect()
    }

    /// A row of a batch that has [`Self::columns`], each cell as its JSON, null where it is omitted.
    pub(super) fn cells(&self, batch: &Cells, row: usize) -> Vec<String> {
        let cell = |(place, column): (usize, &Column)| {
            let mut text = Vec::new();
            let is_whole = batch.is_text(row, place) && column.write(row, &mut text);
            if is_whole { String::from_utf8(text).unwrap_or_default() } else { "null".to_owned() }
        };
        batch.columns.iter().enumerate().map(cell).collect()
    }

    /// Appends a row of a batch that has [`Self::columns`].
    pub(super) fn write(&self, batch: &Cells, row: usize, line: &mut Vec<u8>) {
        let start = line.len();
        let mut left_out = Vec::new();
        line.extend_from_slice(b"\"columns\":{");
        let mut separator = "";
        for (place, ((_, name), cells)) in self.columns.iter().zip(&batch.columns).enumerate() {
            let before = line.len();
            line.extend_from_slice(separator.as_bytes());
            line.extend_from_slice(name.as_bytes());
            line.push(b':');
            if batch.is_text(row, place) && cells.write(row, line) && line.len() - start <= ROW_BYTES {
                separator = ",";
            } else {
                line.truncate(before);
                left_out.push(name.as_str());
            }
        }
        line.extend_from_slice(b"},\"omitted\":[");
        let mut separator = "";
        for name in self.omitted.iter().map(String::as_str).chain(left_out) {
            line.extend_from_slice(separator.as_bytes());
            line.extend_from_slice(name.as_bytes());
            separator = ",";
        }
        line.push(b']');
    }
}

/// A batch whose columns are taken apart, once for all of its rows.
#[derive(Debug)]
pub(super) struct Cells {
    columns: Vec<Column>,
    invalid_texts: Vec<InvalidText>,
}

#[derive(Debug)]
enum Column {
    Booleans(BooleanArray),
    Integers(Int64Array),
    Unsigneds(UInt64Array),
    Floats(Float64Array),
    Decimals(ArrayRef),
    Texts {
        codes: ScalarBuffer<i32>,
        nulls: Option<NullBuffer>,
        dictionary: StringArray,
    },
    Timestamps {
        nanoseconds: ScalarBuffer<i64>,
        nulls: Option<NullBuffer>,
    },
    /// A type that normalized columns do not have.
    Nothing,
}

impl Cells {
    pub(super) fn new(batch: &Batch) -> Self {
        let columns = batch.columns.columns().iter().map(Column::new).collect();
        Self { columns, invalid_texts: batch.invalid_texts.clone() }
    }

    fn is_text(&self, row: usize, column: usize) -> bool {
        self.invalid_texts.binary_search(&InvalidText { row, column }).is_err()
    }
}

impl Column {
    fn new(array: &ArrayRef) -> Self {
        match array.data_type() {
            DataType::Boolean => Self::Booleans(array.as_boolean().clone()),
            DataType::Int64 => Self::Integers(array.as_primitive::<Int64Type>().clone()),
            DataType::UInt64 => Self::Unsigneds(array.as_primitive::<UInt64Type>().clone()),
            DataType::Float64 => Self::Floats(array.as_primitive::<Float64Type>().clone()),
            DataType::Decimal128(..) | DataType::Decimal256(..) => Self::Decimals(Arc::clone(array)),
            DataType::Timestamp(..) => {
                let times = array.as_primitive::<TimestampNanosecondType>();
                Self::Timestamps { nanoseconds: times.values().clone(), nulls: times.nulls().cloned() }
            }
            DataType::Dictionary(..) => {
                let text = array.as_dictionary::<Int32Type>();
                Self::Texts {
                    codes: text.keys().values().clone(),
                    nulls: text.keys().nulls().cloned(),
                    dictionary: text.values().as_string::<i32>().clone(),
                }
            }
            _ => Self::Nothing,
        }
    }

    /// Appends a cell; false if it is too long.
    fn write(&self, row: usize, line: &mut Vec<u8>) -> bool {
        match self {
            Self::Booleans(values) if values.is_valid(row) => {
                line.extend_from_slice(if values.value(row) { b"true" } else { b"false" });
            }
            Self::Integers(values) if values.is_valid(row) => {
                line.extend_from_slice(itoa::Buffer::new().format(values.value(row)).as_bytes());
            }
            Self::Unsigneds(values) if values.is_valid(row) => {
                line.extend_from_slice(itoa::Buffer::new().format(values.value(row)).as_bytes());
            }
            Self::Floats(values) if values.is_valid(row) => write_float(values.value(row), line),
            Self::Decimals(values) if values.is_valid(row) => {
                let mut text = String::new();
                // A decimal has a text.
                _ = decimal_text(values, row, &mut text);
                line.extend_from_slice(text.as_bytes());
            }
            Self::Timestamps { nanoseconds, nulls } if is_valid(nulls.as_ref(), row) => {
                write_timestamp(nanoseconds[row], line);
            }
            Self::Texts { codes, nulls, dictionary } if is_valid(nulls.as_ref(), row) => {
                let text = usize::try_from(codes[row]).ok().filter(|code| *code < dictionary.len());
                match text.filter(|code| dictionary.is_valid(*code)).map(|code| dictionary.value(code)) {
                    Some(text) if text.len() > CELL_BYTES => return false,
                    Some(text) => write_text(text, line),
                    None => line.extend_from_slice(b"null"),
                }
            }
            Self::Booleans(_)
            | Self::Integers(_)
            | Self::Unsigneds(_)
            | Self::Floats(_)
            | Self::Decimals(_)
            | Self::Timestamps { .. }
            | Self::Texts { .. }
            | Self::Nothing => line.extend_from_slice(b"null"),
        }
        true
    }
}

fn is_valid(nulls: Option<&NullBuffer>, row: usize) -> bool {
    nulls.is_none_or(|nulls| nulls.is_valid(row))
}

fn write_float(value: f64, line: &mut Vec<u8>) {
    if value.is_finite() {
        line.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
    } else {
        let name = if value.is_nan() {
            "\"NaN\""
        } else if value > 0.0 {
            "\"Infinity\""
        } else {
            "\"-Infinity\""
        };
        line.extend_from_slice(name.as_bytes());
    }
}

fn write_timestamp(nanoseconds: i64, line: &mut Vec<u8>) {
    use std::io::Write;

    match Timestamp::from_nanosecond(nanoseconds.into()) {
        // Writing to a vector does not fail.
        Ok(time) => _ = write!(line, "\"{time:.9}\""),
        // 64 bits of nanoseconds do not leave the years that it knows.
        Err(_) => line.extend_from_slice(b"null"),
    }
}

/// Appends a text as JSON.
pub(super) fn write_text(text: &str, line: &mut Vec<u8>) {
    // Text can be written as JSON, and writing to a vector does not fail.
    _ = serde_json::to_writer(line, text);
}
