//! The few types that columns have inside the loader, whatever the file holds.

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, TimeUnit};

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
    /// Strings of every kind, as Arrow `Dictionary(Int32, Utf8)`.
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
            Self::Text => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
            Self::Timestamp => DataType::Timestamp(TimeUnit::Nanosecond, None),
            Self::Other => return None,
        })
    }
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

/// Consecutive rows of one row group, normalized.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The first row's number in the object, from 0.
    pub first_row: u64,
    /// Only the columns that were asked for, in the order in which they were asked for, in the types of
    /// [`ColumnType::arrow`].
    pub columns: RecordBatch,
}
