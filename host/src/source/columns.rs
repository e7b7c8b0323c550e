//! The few types that columns have inside the loader, whatever the file holds, and how its values become them.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, DictionaryArray, FixedSizeBinaryArray, Int64Array, PrimitiveArray,
    RecordBatch, StringArray, TimestampNanosecondArray, UInt64Array, new_null_array,
};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::compute::cast;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Decimal128Type, Decimal256Type, Float16Type, Float64Type, Int32Type, Int64Type,
    TimeUnit, TimestampNanosecondType, i256,
};
use arrow::error::ArrowError;

use super::decimals;
use super::selection::RowNumbers;
use super::types::Kind;

/// Nanoseconds in a day.
const DAY: i64 = 86_400_000_000_000;
/// The Julian day of 1970-01-01.
const EPOCH: i64 = 2_440_588;

/// The type of a column after normalization. The counterpart of `column-type` in `wit/converter.wit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ColumnType {
    /// Arrow `Boolean`.
    Boolean,
    /// Signed integers of any width, as Arrow `Int64`.
    Integer,
    /// Unsigned integers of any width, as Arrow `UInt64`.
    Unsigned,
    /// Floats of any width, as Arrow `Float64`, and decimals, as Arrow `Decimal128` or `Decimal256`, of which
    /// [`super::as_floats`] makes floats.
    Float,
    /// Strings of every kind and UUIDs, as Arrow `Dictionary(Int32, Utf8)`. Columns of nulls, too.
    Text,
    /// Timestamps of any unit and zone and dates, as Arrow `Timestamp(Nanosecond, None)`, UTC.
    Timestamp,
    /// What converters cannot use: nested columns, raw bytes, intervals.
    Other,
}

impl ColumnType {
    /// The Arrow type of a normalized column that is no decimal; `None` for [`ColumnType::Other`], which is never decoded.
    pub fn arrow(self) -> Option<DataType> {
        Some(match self {
            Self::Boolean => DataType::Boolean,
            Self::Integer => DataType::Int64,
            Self::Unsigned => DataType::UInt64,
            Self::Float => DataType::Float64,
            Self::Text => text_type(),
            Self::Timestamp => DataType::Timestamp(TimeUnit::Nanosecond, None),
            Self::Other => return None,
        })
    }
}

fn text_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

/// What the values of a column stand for beyond their type, where contract 0.2 defines it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Meaning {
    /// Nothing else.
    #[default]
    Plain,
    /// Of [`ColumnType::Integer`]: nanoseconds since midnight.
    TimeOfDay,
    /// Of [`ColumnType::Integer`]: nanoseconds.
    Duration,
    /// Of [`ColumnType::Text`]: a UUID.
    Uuid,
    /// Of [`ColumnType::Text`]: bytes, two lower-case hexadecimal digits each.
    Binary,
}

/// A column of an object, before anything of it is decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnSchema {
    /// The name in the file.
    pub name: String,
    /// The type after normalization.
    pub column_type: ColumnType,
    /// What its values stand for; plain in the first edition.
    pub meaning: Meaning,
    /// The type in the file, for messages.
    pub source_type: String,
    /// Whether a row, or an element of the list, may lack a value.
    pub nullable: bool,
    /// The list that it is part of, with a value for each element; only in the second edition.
    pub list: Option<List>,
}

/// A list, of which columns have a value for each element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// The path of the list.
    pub name: Arc<str>,
    /// Distinguishes it from other lists of the file, whatever their names: the number of its first leaf.
    pub first_leaf: usize,
}

impl ColumnSchema {
    /// The source type of a column whose values are all null: it can be used as every type.
    pub const NULL: &str = "Null";

    /// Whether the column has no values.
    pub fn is_null(&self) -> bool {
        self.source_type == Self::NULL
    }
}

/// A cell of a batch whose bytes are not the UTF-8 that its column promises. In the batch it is null.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct InvalidText {
    /// Where it is in the columns of the batch.
    pub row: usize,
    /// The column, by its place in the batch.
    pub column: usize,
}

/// Where the elements of the rows' lists begin, and where the last ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elements(Arc<[u32]>);

impl Elements {
    /// One more than there are rows; ascending from 0.
    pub fn new(starts: Vec<u32>) -> Self {
        Self(starts.into())
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.0.len().saturating_sub(1)
    }

    /// The elements of a row, which must be one of them.
    pub fn of(&self, row: usize) -> Range<usize> {
        self.0[row] as usize..self.0[row + 1] as usize
    }
}

/// Rows of one row group, in the order of their numbers, normalized.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The number of the row group in the object, from 0.
    pub row_group: u32,
    /// The rows' numbers in the object.
    pub rows: RowNumbers,
    /// Where columns of a list are read, the elements of each row: `columns` has one of them in each place, and what is not in the
    /// list is copied. None: `columns` has a row in each place.
    pub elements: Option<Elements>,
    /// Only the columns that were asked for, in the order in which they were asked for, in the types of
    /// [`ColumnType::arrow`].
    pub columns: RecordBatch,
    /// Cells that are not text, in ascending order of rows.
    pub invalid_texts: Vec<InvalidText>,
}

impl Batch {
    /// How many rows of the object it has.
    pub fn len(&self) -> usize {
        self.elements.as_ref().map_or(self.columns.num_rows(), Elements::rows)
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The places in [`Self::columns`] of a row, which must be one of them.
    #[inline]
    pub fn places(&self, row: usize) -> Range<usize> {
        match &self.elements {
            None => row..row + 1,
            Some(elements) => elements.of(row),
        }
    }
}

/// A dictionary as text, made once for all batches that have it.
#[derive(Debug)]
struct Words {
    /// What it was made from. Alive, so that the same place in memory means the same values.
    source: ArrayRef,
    words: StringArray,
    /// Which of them are not text; none: all are.
    invalid: Option<BooleanBuffer>,
}

/// Makes the columns of one reading normal.
#[derive(Debug, Default)]
pub(super) struct Normalizer {
    /// By place in the batch.
    words: Vec<Option<Words>>,
}

impl Normalizer {
    /// The decoded column at this place of the batch in the type of [`ColumnType::arrow`]. What nanoseconds since 1970 in
    /// 64 bits cannot hold (years before 1677 and after 2262) becomes null; so does what is not text, which is noted.
    pub(super) fn normalize(
        &mut self,
        place: usize,
        kind: Kind,
        column: &ArrayRef,
        invalid: &mut Vec<InvalidText>,
    ) -> Result<ArrayRef, ArrowError> {
        Ok(match kind {
            Kind::Boolean => Arc::clone(column),
            Kind::Integer => cast(column, &DataType::Int64)?,
            Kind::Whole => whole(column)?,
            Kind::Unsigned => Arc::new(unsigned(column)?),
            Kind::Float => cast(column, &DataType::Float64)?,
            Kind::Half => Arc::new(halves(bytes(column)?)),
            Kind::Decimal { wide: false, scale } => decimal_128(column, DataType::Decimal128(38, scale))?,
            Kind::Decimal { wide: true, scale } => decimal_256(column, DataType::Decimal256(76, scale))?,
            Kind::Text | Kind::Uuid | Kind::Bytes => self.text(place, kind, column, invalid)?,
            Kind::Counted(unit) => {
                let counts = cast(column, &DataType::Int64)?;
                let times = nanoseconds(integers(&counts)?, factor(unit));
                Arc::new(times.as_primitive::<TimestampNanosecondType>().reinterpret_cast::<Int64Type>())
            }
            Kind::Timestamp(unit) => nanoseconds(integers(column)?, factor(unit)),
            Kind::Int96 => int96_times(column)?,
            Kind::Date => {
                let days = cast(column, &DataType::Int64)?;
                nanoseconds(integers(&days)?, DAY)
            }
            Kind::Null => new_null_array(&text_type(), column.len()),
            // Not what the column holds, but where its elements are: `nested::positions`.
            Kind::Position | Kind::Other => {
                return Err(ArrowError::CastError(format!("columns of type {} cannot be read", column.data_type())));
            }
        })
    }

    fn text(
        &mut self,
        place: usize,
        kind: Kind,
        column: &ArrayRef,
        invalid: &mut Vec<InvalidText>,
    ) -> Result<ArrayRef, ArrowError> {
        let coded = column.as_dictionary_opt::<Int32Type>().ok_or_else(|| unexpected(column))?;
        if self.words.len() <= place {
            self.words.resize_with(place + 1, || None);
        }
        let known = self.words[place].take().filter(|words| same(&words.source, coded.values()));
        let words = match known {
            Some(words) => words,
            None => Words::new(coded.values(), kind)?,
        };
        let text = match &words.invalid {
            // Has as many entries as before, so that no code need be looked at.
            None => coded.with_values(Arc::new(words.words.clone())),
            Some(wrong) => {
                let keys = coded.keys();
                let is_wrong = |row: usize| {
                    keys.is_valid(row) && usize::try_from(keys.value(row)).is_ok_and(|code| wrong.value(code))
                };
                let wrong = BooleanBuffer::collect_bool(keys.len(), is_wrong);
                invalid.extend(wrong.set_indices().map(|row| InvalidText { row, column: place }));
                let nulls = NullBuffer::union(keys.nulls(), Some(&NullBuffer::new(!&wrong)));
                let keys = PrimitiveArray::new(keys.values().clone(), nulls);
                DictionaryArray::<Int32Type>::try_new(keys, Arc::new(words.words.clone()))?
            }
        };
        self.words[place] = Some(words);
        Ok(Arc::new(text))
    }
}

impl Words {
    fn new(source: &ArrayRef, kind: Kind) -> Result<Self, ArrowError> {
        let (words, invalid) = if kind == Kind::Uuid {
            (bytes(source)?.iter().map(|uuid| uuid.map(uuid_text)).collect(), None)
        } else if kind == Kind::Bytes {
            let words = match source.as_binary_opt::<i32>() {
                Some(values) => values.iter().map(|value| value.map(hexadecimal)).collect(),
                None => bytes(source)?.iter().map(|value| value.map(hexadecimal)).collect(),
            };
            (words, None)
        } else {
            let values = source.as_binary_opt::<i32>().ok_or_else(|| unexpected(source))?;
            let (offsets, data, nulls) = values.clone().into_parts();
            // Takes the memory as it is, where all of it is text.
            match StringArray::try_new(offsets, data, nulls) {
                Ok(words) => (words, None),
                Err(_) => checked(values),
            }
        };
        Ok(Self { source: Arc::clone(source), words, invalid })
    }
}

/// The values that are text, and which are not.
fn checked(values: &BinaryArray) -> (StringArray, Option<BooleanBuffer>) {
    let text = |value: &[u8]| std::str::from_utf8(value).map(str::to_owned);
    let invalid =
        BooleanBuffer::collect_bool(values.len(), |index| values.is_valid(index) && text(values.value(index)).is_err());
    let words = values.iter().map(|value| value.map(|value| text(value).unwrap_or_default())).collect();
    (words, Some(invalid))
}

fn same(one: &ArrayRef, other: &ArrayRef) -> bool {
    one.to_data().ptr_eq(&other.to_data())
}

fn uuid_text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        push_hexadecimal(*byte, &mut text);
    }
    text
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    bytes.iter().for_each(|byte| push_hexadecimal(*byte, &mut text));
    text
}

fn push_hexadecimal(byte: u8, text: &mut String) {
    for digit in [byte >> 4, byte & 15] {
        // Both are below 16.
        text.push(char::from_digit(digit.into(), 16).unwrap_or_default());
    }
}

fn unexpected(column: &ArrayRef) -> ArrowError {
    ArrowError::CastError(format!("the decoder returned {}", column.data_type()))
}

fn integers(column: &ArrayRef) -> Result<&Int64Array, ArrowError> {
    column.as_primitive_opt::<Int64Type>().ok_or_else(|| unexpected(column))
}

fn bytes(column: &ArrayRef) -> Result<&FixedSizeBinaryArray, ArrowError> {
    column.as_fixed_size_binary_opt().ok_or_else(|| unexpected(column))
}

/// How many nanoseconds a unit has.
fn factor(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    }
}

/// Times of a unit that has so many nanoseconds.
fn nanoseconds(values: &Int64Array, factor: i64) -> ArrayRef {
    if factor == 1 {
        return Arc::new(values.reinterpret_cast::<TimestampNanosecondType>());
    }
    Arc::new(values.unary_opt::<_, TimestampNanosecondType>(|value| value.checked_mul(factor)))
}

fn int96(values: &FixedSizeBinaryArray) -> TimestampNanosecondArray {
    let time = |bytes: &[u8]| {
        let (nanoseconds, day) = bytes.split_first_chunk::<8>()?;
        let day = i64::from(u32::from_le_bytes(day.try_into().ok()?)) - EPOCH;
        // In 128 bits, since a day before the first one that fits may have enough nanoseconds to come into it.
        let time = i128::from(day) * i128::from(DAY) + i128::from(i64::from_le_bytes(*nanoseconds));
        i64::try_from(time).ok()
    };
    values.iter().map(|value| value.and_then(time)).collect()
}

/// A decoded column of INT96 as times.
pub(super) fn int96_times(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    // As the decoder reads it, for writers that `types::physical` names.
    if matches!(column.data_type(), DataType::Timestamp(..)) {
        return Ok(Arc::clone(column));
    }
    Ok(Arc::new(int96(bytes(column)?)))
}

fn halves(values: &FixedSizeBinaryArray) -> PrimitiveArray<Float64Type> {
    let half = |bytes: &[u8]| Some(<Float16Type as ArrowPrimitiveType>::Native::from_le_bytes(bytes.try_into().ok()?));
    values.iter().map(|value| value.and_then(half).map(f64::from)).collect()
}

/// Their bits without a sign.
fn unsigned(column: &ArrayRef) -> Result<UInt64Array, ArrowError> {
    if let Some(values) = column.as_primitive_opt::<Int32Type>() {
        return Ok(values.unary(|value| u64::from(value.cast_unsigned())));
    }
    Ok(integers(column)?.unary(i64::cast_unsigned))
}

fn decimal_128(column: &ArrayRef, data_type: DataType) -> Result<ArrayRef, ArrowError> {
    let decimals: PrimitiveArray<Decimal128Type> = match column.data_type() {
        DataType::Int32 => column.as_primitive::<Int32Type>().unary(i128::from),
        DataType::Int64 => column.as_primitive::<Int64Type>().unary(i128::from),
        DataType::Binary => {
            let values = column.as_binary::<i32>().iter();
            return decimals::from_bytes::<Decimal128Type>(values, data_type, decimals::small);
        }
        _ => return decimals::from_bytes::<Decimal128Type>(bytes(column)?.iter(), data_type, decimals::small),
    };
    Ok(Arc::new(decimals.with_data_type(data_type)))
}

/// Decimals without digits after the point.
fn whole(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let small = |bytes: &[u8]| decimals::small(bytes).and_then(|value| i64::try_from(value).ok());
    match column.data_type() {
        DataType::Int32 | DataType::Int64 => cast(column, &DataType::Int64),
        DataType::Binary => decimals::from_bytes::<Int64Type>(column.as_binary::<i32>().iter(), DataType::Int64, small),
        _ => decimals::from_bytes::<Int64Type>(bytes(column)?.iter(), DataType::Int64, small),
    }
}

fn decimal_256(column: &ArrayRef, data_type: DataType) -> Result<ArrayRef, ArrowError> {
    let wide = |value: i128| i256::from_i128(value);
    let decimals: PrimitiveArray<Decimal256Type> = match column.data_type() {
        DataType::Int32 => column.as_primitive::<Int32Type>().unary(|value| wide(value.into())),
        DataType::Int64 => column.as_primitive::<Int64Type>().unary(|value| wide(value.into())),
        DataType::Binary => {
            let values = column.as_binary::<i32>().iter();
            return decimals::from_bytes::<Decimal256Type>(values, data_type, decimals::large);
        }
        _ => return decimals::from_bytes::<Decimal256Type>(bytes(column)?.iter(), data_type, decimals::large),
    };
    Ok(Arc::new(decimals.with_data_type(data_type)))
}

#[cfg(test)]
#[path = "columns_tests.rs"]
mod tests;
