//! The few types that columns have inside the loader, whatever the file holds.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Date32Type, Date64Type, Field, Schema, TimeUnit, TimestampNanosecondType};
use arrow::error::ArrowError;

use super::selection::RowNumbers;

/// Nanoseconds in a day.
const DAY: i64 = 86_400_000_000_000;
/// Nanoseconds in a millisecond.
const MILLISECOND: i64 = 1_000_000;

/// The type of a column after normalization. The counterpart of `column-type` in `wit/converter.wit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ColumnType {
    /// Arrow `Boolean`.
    Boolean,
    /// Signed integers of any width, as Arrow `Int64`.
    Integer,
    /// Unsigned integers of any width, as Arrow `UInt64`.
    Unsigned,
    /// Floats of any width and decimals, as Arrow `Float64`.
    Float,
    /// Strings of every kind, as Arrow `Dictionary(Int32, Utf8)`. Columns without a type, which hold only nulls, too.
    Text,
    /// Timestamps of any unit and zone and dates, as Arrow `Timestamp(Nanosecond, None)`, UTC.
    Timestamp,
    /// What converters cannot use: nested columns, raw bytes, intervals.
    Other,
}

impl ColumnType {
    /// The Arrow type of a normalized column; `None` for [`ColumnType::Other`], which is never decoded.
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

    /// The type that a column of the file is normalized to.
    fn of(source: &DataType) -> Self {
        match source {
            DataType::Boolean => Self::Boolean,
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => Self::Integer,
            DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => Self::Unsigned,
            DataType::Float16
            | DataType::Float32
            | DataType::Float64
            | DataType::Decimal32(..)
            | DataType::Decimal64(..)
            | DataType::Decimal128(..)
            | DataType::Decimal256(..) => Self::Float,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => Self::Text,
            DataType::Dictionary(_, values) => match Self::of(values) {
                Self::Text => Self::Text,
                _ => Self::Other,
            },
            DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => Self::Timestamp,
            DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_)
            | DataType::Time32(_)
            | DataType::Time64(_)
            | DataType::Duration(_)
            | DataType::Interval(_)
            | DataType::List(_)
            | DataType::LargeList(_)
            | DataType::ListView(_)
            | DataType::LargeListView(_)
            | DataType::FixedSizeList(..)
            | DataType::Struct(_)
            | DataType::Map(..)
            | DataType::Union(..)
            | DataType::RunEndEncoded(..) => Self::Other,
        }
    }
}

fn text_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

/// A column of an object, before anything of it is decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnSchema {
    /// The name in the file.
    pub name: String,
    /// The type after normalization.
    pub column_type: ColumnType,
    /// The type in the file, for messages.
    pub source_type: String,
    /// Whether a row may lack a value.
    pub nullable: bool,
}

/// Rows of one row group, in the order of their numbers, normalized.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The number of the row group in the object, from 0.
    pub row_group: u32,
    /// The rows' numbers in the object.
    pub rows: RowNumbers,
    /// Only the columns that were asked for, in the order in which they were asked for, in the types of
    /// [`ColumnType::arrow`].
    pub columns: RecordBatch,
}

/// The columns of a file, as converters are told them.
pub(super) fn describe(schema: &Schema) -> Vec<ColumnSchema> {
    schema
        .fields()
        .iter()
        .map(|field| ColumnSchema {
            name: field.name().clone(),
            column_type: ColumnType::of(field.data_type()),
            source_type: field.data_type().to_string(),
            nullable: field.is_nullable(),
        })
        .collect()
}

/// The schema to decode with: text becomes a dictionary, so that dictionary pages go straight through; the rest stays.
pub(super) fn decoded(schema: &Schema) -> Schema {
    let fields = schema.fields().iter().map(|field| match field.data_type() {
        DataType::Null => Arc::clone(field),
        data_type if ColumnType::of(data_type) == ColumnType::Text => {
            Arc::new(Field::new(field.name(), text_type(), field.is_nullable()))
        }
        _ => Arc::clone(field),
    });
    Schema::new(fields.collect::<Vec<_>>())
}

/// A decoded column in the type of [`ColumnType::arrow`]. What nanoseconds since 1970 in 64 bits cannot hold (years
/// before 1677 and after 2262) becomes null.
pub(super) fn normalize(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let Some(target) = ColumnType::of(column.data_type()).arrow() else {
        return Err(ArrowError::CastError(format!("columns of type {} cannot be read", column.data_type())));
    };
    match column.data_type() {
        same if *same == target => Ok(Arc::clone(column)),
        DataType::Null => Ok(new_null_array(&target, column.len())),
        DataType::Date32 => {
            let days = column.as_primitive::<Date32Type>();
            Ok(Arc::new(days.unary_opt::<_, TimestampNanosecondType>(|days| i64::from(days).checked_mul(DAY))))
        }
        DataType::Date64 => {
            let milliseconds = column.as_primitive::<Date64Type>();
            Ok(Arc::new(milliseconds.unary_opt::<_, TimestampNanosecondType>(|value| value.checked_mul(MILLISECOND))))
        }
        _ => cast_with_options(column, &target, &CastOptions { safe: true, ..CastOptions::default() }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use arrow::array::{
        BooleanArray, Date32Array, Date64Array, Decimal128Array, Float32Array, Int8Array, LargeStringArray, NullArray,
        TimestampMillisecondArray, TimestampSecondArray, UInt16Array,
    };

    use super::*;

    fn nanoseconds(column: impl Array + 'static) -> Vec<Option<i64>> {
        let normalized = normalize(&(Arc::new(column) as ArrayRef)).unwrap();
        normalized.as_primitive::<TimestampNanosecondType>().iter().collect()
    }

    #[test]
    fn every_kind_of_column_has_one_of_seven_types() {
        let list = DataType::new_list(DataType::Int32, true);
        let dictionary = DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::LargeUtf8));
        for (source, expected) in [
            (DataType::Boolean, ColumnType::Boolean),
            (DataType::Int16, ColumnType::Integer),
            (DataType::UInt8, ColumnType::Unsigned),
            (DataType::Decimal128(10, 2), ColumnType::Float),
            (DataType::Float16, ColumnType::Float),
            (DataType::Utf8View, ColumnType::Text),
            (dictionary, ColumnType::Text),
            (DataType::Null, ColumnType::Text),
            (DataType::Date32, ColumnType::Timestamp),
            (DataType::Timestamp(TimeUnit::Second, Some("America/Sao_Paulo".into())), ColumnType::Timestamp),
            (DataType::Binary, ColumnType::Other),
            (list, ColumnType::Other),
        ] {
            assert_eq!(ColumnType::of(&source), expected, "{source}");
        }
    }

    #[test]
    fn timestamps_of_every_unit_become_nanoseconds_and_keep_their_instant() {
        let zoned = TimestampMillisecondArray::from(vec![1_500]).with_timezone("America/Sao_Paulo");
        assert_eq!(nanoseconds(zoned), [Some(1_500_000_000)]);
        assert_eq!(nanoseconds(TimestampSecondArray::from(vec![Some(-2), None])), [Some(-2_000_000_000), None]);
    }

    #[test]
    fn dates_become_midnight_utc() {
        assert_eq!(nanoseconds(Date32Array::from(vec![1, -1])), [Some(DAY), Some(-DAY)]);
        assert_eq!(nanoseconds(Date64Array::from(vec![86_400_000])), [Some(DAY)]);
    }

    #[test]
    fn instants_that_nanoseconds_cannot_hold_become_null() {
        assert_eq!(nanoseconds(TimestampSecondArray::from(vec![i64::MAX])), [None]);
        assert_eq!(nanoseconds(Date32Array::from(vec![i32::MAX])), [None]);
        assert_eq!(nanoseconds(Date64Array::from(vec![i64::MIN])), [None]);
    }

    #[test]
    fn numbers_and_text_widen_without_changing_their_value() {
        let decimal = Decimal128Array::from(vec![12_345]).with_precision_and_scale(10, 2).unwrap();
        for (column, expected) in [
            (Arc::new(Int8Array::from(vec![-7])) as ArrayRef, "-7"),
            (Arc::new(UInt16Array::from(vec![65_535])), "65535"),
            (Arc::new(Float32Array::from(vec![0.5])), "0.5"),
            (Arc::new(decimal), "123.45"),
            (Arc::new(LargeStringArray::from(vec!["São Paulo"])), "São Paulo"),
            (Arc::new(BooleanArray::from(vec![true])), "true"),
            (Arc::new(NullArray::new(1)), ""),
        ] {
            let normalized = normalize(&column).unwrap();
            assert_eq!(Some(normalized.data_type().clone()), ColumnType::of(column.data_type()).arrow());
            let shown = arrow::util::display::array_value_to_string(&normalized, 0).unwrap();
            assert_eq!(shown, expected);
        }
    }
}
