//! The cells of a column → an Arrow array.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Int64Array, ListArray, StringArray, new_null_array};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::{CastOptions, cast_with_options, kernels::cast_utils::string_to_datetime};
use arrow::datatypes::{DataType, FieldRef, TimeUnit};
use arrow::error::ArrowError;

use super::cell::{Cell, Value};
use super::{Place, TableError, TableProblem};

const SECOND: i128 = 1_000_000_000;

/// The array of a column that is declared at `place`.
pub(super) fn array(data_type: &DataType, cells: &[&Cell], place: Place) -> Result<ArrayRef, TableError> {
    let impossible =
        |cause: ArrowError| TableError { place, problem: TableProblem::Column(data_type.clone(), cause.to_string()) };
    match data_type {
        DataType::Null => match cells.iter().find(|cell| cell.value != Value::Null) {
            Some(cell) => Err(misfit(cell, data_type)),
            None => Ok(new_null_array(data_type, cells.len())),
        },
        DataType::Boolean => {
            let values = cells.iter().map(|cell| match bare(cell, data_type)? {
                None => Ok(None),
                Some("true") => Ok(Some(true)),
                Some("false") => Ok(Some(false)),
                Some(_) => Err(misfit(cell, data_type)),
            });
            Ok(Arc::new(values.collect::<Result<BooleanArray, _>>()?))
        }
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => {
            let step = nanoseconds_per_count(data_type);
            let counts = cells.iter().map(|cell| {
                let Some(text) = bare(cell, data_type)? else { return Ok(None) };
                count(text, step).map(Some).ok_or_else(|| misfit(cell, data_type))
            });
            let counts: ArrayRef = Arc::new(counts.collect::<Result<Int64Array, _>>()?);
            // Days are counted in 32 bits, everything else in 64.
            let counts = match data_type {
                DataType::Date32 => cast(&counts, &DataType::Int32).map_err(impossible)?,
                _ => counts,
            };
            checked(cast(&counts, data_type).map_err(impossible)?, cells, data_type)
        }
        DataType::List(item) => list(item, cells, data_type, place),
        text if is_text(text) => {
            let texts = cells.iter().map(|cell| match &cell.value {
                Value::Null => Ok(None),
                Value::Bare(text) | Value::Quoted(text) => Ok(Some(text)),
                Value::List(_) => Err(misfit(cell, data_type)),
            });
            let texts: ArrayRef = Arc::new(texts.collect::<Result<StringArray, _>>()?);
            checked(cast(&texts, data_type).map_err(impossible)?, cells, data_type)
        }
        _ => {
            let texts = cells.iter().map(|cell| match bare(cell, data_type)? {
                Some(text) if loses_digits(text, data_type) => Err(misfit(cell, data_type)),
                text => Ok(text),
            });
            let texts: ArrayRef = Arc::new(texts.collect::<Result<StringArray, _>>()?);
            let numbers = match data_type {
                DataType::Float16 => cast(&texts, &DataType::Float32),
                _ => Ok(texts),
            };
            checked(numbers.and_then(|numbers| cast(&numbers, data_type)).map_err(impossible)?, cells, data_type)
        }
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Utf8
            | DataType::LargeUtf8
            | DataType::Utf8View
            | DataType::Binary
            | DataType::LargeBinary
            | DataType::Dictionary(..)
    )
}

fn list(item: &FieldRef, cells: &[&Cell], data_type: &DataType, place: Place) -> Result<ArrayRef, TableError> {
    let mut items = Vec::new();
    let mut lengths = Vec::with_capacity(cells.len());
    for cell in cells {
        let before = items.len();
        match &cell.value {
            Value::Null => {}
            Value::List(cells) => items.extend(cells),
            Value::Bare(_) | Value::Quoted(_) => return Err(misfit(cell, data_type)),
        }
        lengths.push(items.len() - before);
    }
    let values = array(item.data_type(), &items, place)?;
    let nulls = NullBuffer::from_iter(cells.iter().map(|cell| cell.value != Value::Null));
    let list = ListArray::try_new(Arc::clone(item), OffsetBuffer::from_lengths(lengths), values, Some(nulls));
    list.map(|list| Arc::new(list) as ArrayRef)
        .map_err(|cause| TableError { place, problem: TableProblem::Column(data_type.clone(), cause.to_string()) })
}

/// The text of a cell that must not be quoted.
fn bare<'a>(cell: &'a Cell, data_type: &DataType) -> Result<Option<&'a str>, TableError> {
    match &cell.value {
        Value::Null => Ok(None),
        Value::Bare(text) => Ok(Some(text)),
        Value::Quoted(_) | Value::List(_) => Err(misfit(cell, data_type)),
    }
}

/// The array, unless a cell with a value has become null in it.
fn checked(array: ArrayRef, cells: &[&Cell], data_type: &DataType) -> Result<ArrayRef, TableError> {
    let lost = cells.iter().enumerate().find(|(row, cell)| cell.value != Value::Null && array.is_null(*row));
    lost.map_or(Ok(array), |(_, cell)| Err(misfit(cell, data_type)))
}

fn misfit(cell: &Cell, data_type: &DataType) -> TableError {
    let found = match &cell.value {
        Value::Null => "null".to_owned(),
        Value::Bare(text) => text.clone(),
        Value::Quoted(text) => format!("{text:?}"),
        Value::List(_) => "a list".to_owned(),
    };
    TableError { place: cell.place, problem: TableProblem::Misfit { found, data_type: data_type.clone() } }
}

fn cast(array: &ArrayRef, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    cast_with_options(array, data_type, &CastOptions { safe: true, ..CastOptions::default() })
}

/// Whether a decimal has more digits behind its point than its type keeps.
fn loses_digits(text: &str, data_type: &DataType) -> bool {
    let scale = match data_type {
        DataType::Decimal32(_, scale)
        | DataType::Decimal64(_, scale)
        | DataType::Decimal128(_, scale)
        | DataType::Decimal256(_, scale) => usize::try_from(*scale).unwrap_or(0),
        _ => return false,
    };
    text.split_once('.').is_some_and(|(_, fraction)| fraction.len() > scale)
}

fn nanoseconds_per_count(data_type: &DataType) -> i128 {
    match data_type {
        DataType::Date32 => 86_400 * SECOND,
        DataType::Timestamp(TimeUnit::Second, _) => SECOND,
        DataType::Timestamp(TimeUnit::Microsecond, _) => 1_000,
        DataType::Timestamp(TimeUnit::Nanosecond, _) => 1,
        // Timestamps in milliseconds, and `date64`, which counts them too.
        _ => 1_000_000,
    }
}

/// An instant, or a plain count, as a count. `None` for what is neither, and for an instant between two counts.
fn count(text: &str, step: i128) -> Option<i64> {
    if let Ok(count) = text.parse() {
        return Some(count);
    }
    let utc: arrow::array::timezone::Tz = "+00:00".parse().ok()?;
    let instant = string_to_datetime(&utc, text).ok()?;
    let nanoseconds = i128::from(instant.timestamp()) * SECOND + i128::from(instant.timestamp_subsec_nanos());
    if nanoseconds.rem_euclid(step) != 0 {
        return None;
    }
    i64::try_from(nanoseconds.div_euclid(step)).ok()
}
