//! What a column of a Parquet file is: the one table from Parquet's own types to those of the contract.
//!
//! The physical type and its annotation (the logical type, or the converted type of older files) decide. `ARROW:schema`,
//! which some writers embed, never does: it describes what the writer had in memory, such as categories, and other readers do
//! not know it. It only names the unit of durations, for which Parquet has no annotation.
//!
//! The decoder reads physical types: [`physical`] takes the annotations off the schema that it works with, so that what it
//! does not know, or would bend, is decided here and in `columns` alone.

use std::collections::HashSet;
use std::slice;
use std::sync::Arc;

use ::parquet::arrow::parquet_to_arrow_schema;
use ::parquet::basic::{ConvertedType, LogicalType, Repetition, TimeUnit as ParquetUnit, Type as Physical};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::KeyValue;
use ::parquet::schema::types::{SchemaDescriptor, Type};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};

use super::caught::caught;
use super::columns::{ColumnSchema, ColumnType, Meaning};
use super::nested::{self, Table};

/// Bytes of an INT96: nanoseconds of the day, and the Julian day.
pub(super) const INT96_BYTES: i32 = 12;
/// Bytes of a UUID.
const UUID_BYTES: i32 = 16;
/// Bytes of a half-precision float.
const HALF_BYTES: i32 = 2;
/// The most digits that 64 bits hold, whatever they are.
const DIGITS_64: i32 = 18;
/// The most digits that 128 and 256 bits hold for Arrow.
const DIGITS_128: i32 = 38;
const DIGITS_256: i32 = 76;

/// Which columns cross to converters in which types: contract 0.1 promises some that 0.2 improves on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edition {
    /// Contract 0.1.
    First,
    /// Contract 0.2: whole decimals of up to 18 digits are integers; times of day and durations are counted in nanoseconds;
    /// bytes can be read; and [`Meaning`] distinguishes what values stand for.
    Second,
}

/// A row of the table: what a column holds, and so how its physical values are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// BOOLEAN.
    Boolean,
    /// INT32 and INT64, signed, and what is counted in a unit: times of day, durations.
    Integer,
    /// INT32 and INT64 whose annotation makes them unsigned. Their bits are the value.
    Unsigned,
    /// FLOAT and DOUBLE. Every 32-bit float is a 64-bit float.
    Float,
    /// FIXED_LEN_BYTE_ARRAY(2), FLOAT16.
    Half,
    /// DECIMAL on any of its four physical types, of at most 38 or 76 digits.
    Decimal { wide: bool, scale: i8 },
    /// DECIMAL without digits after the point, of at most 18 digits. Of the second edition alone.
    Whole,
    /// Times of day and durations, counted in a unit. Of the second edition alone.
    Counted(TimeUnit),
    /// FIXED_LEN_BYTE_ARRAY, BSON and geometries. Of the second edition alone.
    Bytes,
    /// BYTE_ARRAY that is text by its annotation (STRING, JSON, ENUM) or has none: Impala, Hive and older writers do not
    /// annotate text. What is not UTF-8 is found when it is read.
    Text,
    /// FIXED_LEN_BYTE_ARRAY(16), UUID: its text with hyphens, as everywhere.
    Uuid,
    /// INT64, TIMESTAMP. Without a zone it is UTC.
    Timestamp(TimeUnit),
    /// INT96: always a time, of Impala, Hive, Spark and Timestream.
    Int96,
    /// INT32, DATE: midnight UTC.
    Date,
    /// UNKNOWN: every value is null, whatever the physical type.
    Null,
    /// No column, but the places of a list's elements. Of the second edition alone.
    Position,
    /// What converters cannot use.
    Other,
}

impl Kind {
    /// The type in which the column crosses to converters.
    pub(super) fn column_type(self) -> ColumnType {
        match self {
            Self::Boolean => ColumnType::Boolean,
            Self::Integer | Self::Whole | Self::Counted(_) | Self::Position => ColumnType::Integer,
            Self::Unsigned => ColumnType::Unsigned,
            // Contract 0.1 promises that decimals are floats, and published converters rely on it.
            Self::Float | Self::Half | Self::Decimal { .. } => ColumnType::Float,
            Self::Text | Self::Uuid | Self::Bytes | Self::Null => ColumnType::Text,
            Self::Timestamp(_) | Self::Int96 | Self::Date => ColumnType::Timestamp,
            Self::Other => ColumnType::Other,
        }
    }

    /// Whether values are decoded as a dictionary: the same texts occur many times, and a dictionary page then goes straight through.
    fn is_coded(self) -> bool {
        matches!(self, Self::Text | Self::Uuid | Self::Bytes)
    }
}

/// The units of times of day and durations.
const UNITS: [TimeUnit; 4] = [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond];

/// The duration that [`ColumnSchema::source_type`] names.
pub(super) fn duration(source_type: &str) -> Option<DataType> {
    UNITS.into_iter().map(DataType::Duration).find(|duration| duration.to_string() == source_type)
}

/// The columns as [`Edition::Second`] has them: the leaves of nested columns in place of these.
pub(super) fn second_edition(schema: &SchemaDescriptor, first: &Table) -> Table {
    let fields = schema.root_schema().get_fields();
    let names: HashSet<&str> = fields.iter().map(|field| field.name()).collect();
    let (mut table, mut leaf) = (Table::default(), 0);
    for (column, (schema, kind)) in fields.iter().zip(first.columns.iter().zip(&first.kinds)) {
        if is_flat(column) {
            let (kind, meaning) = improved(column, &schema.source_type).unwrap_or((*kind, schema.meaning));
            table.push(ColumnSchema { column_type: kind.column_type(), meaning, ..schema.clone() }, kind, leaf);
        } else if !nested::flatten(column, leaf, &names, &mut table) {
            table.push(schema.clone(), Kind::Other, leaf);
        }
        leaf += nested::leaf_count(column);
    }
    table
}

/// Whether a column of the file has one value a row.
fn is_flat(column: &Type) -> bool {
    let info = column.get_basic_info();
    column.is_primitive() && !(info.has_repetition() && info.repetition() == Repetition::REPEATED)
}

/// What a leaf holds in the second edition, wherever it is, and what messages call its type.
pub(super) fn leaf(leaf: &Type) -> (Kind, Meaning, String) {
    let (kind, source_type) = of(leaf);
    let (kind, meaning) = improved(leaf, &source_type).unwrap_or((kind, Meaning::Plain));
    (kind, meaning, source_type)
}

/// What a column holds in the second edition, where that is not what it holds in the first.
fn improved(column: &Type, source_type: &str) -> Option<(Kind, Meaning)> {
    let unit_of = |data_type: fn(TimeUnit) -> DataType| {
        UNITS.into_iter().find(|unit| source_type == data_type(*unit).to_string())
    };
    match of(column).0 {
        Kind::Decimal { .. } => {
            let (precision, scale) = digits(column)?;
            (scale <= 0 && precision <= DIGITS_64).then_some((Kind::Whole, Meaning::Plain))
        }
        Kind::Integer => {
            let time = unit_of(DataType::Time32).or_else(|| unit_of(DataType::Time64));
            let time = time.map(|unit| (Kind::Counted(unit), Meaning::TimeOfDay));
            time.or_else(|| Some((Kind::Counted(unit_of(DataType::Duration)?), Meaning::Duration)))
        }
        Kind::Uuid => Some((Kind::Uuid, Meaning::Uuid)),
        Kind::Other => {
            let info = column.get_basic_info();
            let has_length = matches!(column, Type::PrimitiveType { type_length: 1.., .. });
            let is_bytes = match column.get_physical_type() {
                Physical::FIXED_LEN_BYTE_ARRAY => has_length && info.converted_type() != ConvertedType::INTERVAL,
                Physical::BYTE_ARRAY => true,
                _ => false,
            };
            // What has too many digits is no bytes.
            (is_bytes && digits(column).is_none()).then_some((Kind::Bytes, Meaning::Binary))
        }
        _ => None,
    }
}

/// The columns of a file, with what they hold, as [`Edition::First`] has them.
pub(super) fn columns(schema: &SchemaDescriptor, metadata: Option<&Vec<KeyValue>>) -> Table {
    // For words only: where it cannot be read, a nested column is called a group and a duration an integer.
    let nested = caught(|| parquet_to_arrow_schema(schema, None)).ok().and_then(Result::ok);
    let embedded = caught(|| parquet_to_arrow_schema(schema, metadata)).ok().and_then(Result::ok);
    let (mut table, mut leaf) = (Table::default(), 0);
    for (index, column) in schema.root_schema().get_fields().iter().enumerate() {
        let info = column.get_basic_info();
        let (kind, mut name) = if is_flat(column) {
            of(column)
        } else {
            let name = nested.as_ref().map(|schema| schema.field(index).data_type().to_string());
            (Kind::Other, name.unwrap_or_else(|| "group".to_owned()))
        };
        if kind == Kind::Integer
            && let Some(schema) = &embedded
            && let Some(duration @ DataType::Duration(_)) = schema.fields().get(index).map(|field| field.data_type())
        {
            name = duration.to_string();
        }
        let nullable = !info.has_repetition() || info.repetition() != Repetition::REQUIRED;
        let schema = ColumnSchema {
            name: column.name().to_owned(),
            column_type: kind.column_type(),
            meaning: Meaning::Plain,
            source_type: name,
            nullable,
            list: None,
        };
        table.push(schema, kind, leaf);
        leaf += nested::leaf_count(column);
    }
    table
}

/// What a column that is not nested holds, and what messages call its type.
fn of(column: &Type) -> (Kind, String) {
    let info = column.get_basic_info();
    let (logical, converted) = (info.logical_type_ref(), info.converted_type());
    let length = match column {
        Type::PrimitiveType { type_length, .. } => *type_length,
        Type::GroupType { .. } => -1,
    };
    let arrow = |kind, data_type: DataType| (kind, data_type.to_string());
    let named = |kind, name: &str| (kind, name.to_owned());
    if let Some(LogicalType::Unknown) = logical {
        return named(Kind::Null, ColumnSchema::NULL);
    }
    if let Some((kind, name)) = decimal(column, length) {
        return (kind, name);
    }
    match (column.get_physical_type(), logical, converted) {
        (Physical::BOOLEAN, ..) => arrow(Kind::Boolean, DataType::Boolean),
        (Physical::FLOAT, ..) => arrow(Kind::Float, DataType::Float32),
        (Physical::DOUBLE, ..) => arrow(Kind::Float, DataType::Float64),
        (Physical::INT96, ..) => named(Kind::Int96, "Int96"),

        (Physical::INT32, Some(LogicalType::Date), _) | (Physical::INT32, None, ConvertedType::DATE) => {
            arrow(Kind::Date, DataType::Date32)
        }
        (Physical::INT32, Some(LogicalType::Time(_)), _) | (Physical::INT32, None, ConvertedType::TIME_MILLIS) => {
            arrow(Kind::Integer, DataType::Time32(TimeUnit::Millisecond))
        }
        (Physical::INT64, Some(LogicalType::Time(time)), _) => arrow(Kind::Integer, DataType::Time64(unit(&time.unit))),
        (Physical::INT64, None, ConvertedType::TIME_MICROS) => {
            arrow(Kind::Integer, DataType::Time64(TimeUnit::Microsecond))
        }
        (Physical::INT64, Some(LogicalType::Timestamp(timestamp)), _) => {
            let (unit, utc) = (unit(&timestamp.unit), timestamp.is_adjusted_to_u_t_c);
            arrow(Kind::Timestamp(unit), DataType::Timestamp(unit, utc.then(|| "UTC".into())))
        }
        (Physical::INT64, None, ConvertedType::TIMESTAMP_MILLIS) => arrow(
            Kind::Timestamp(TimeUnit::Millisecond),
            DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
        ),
        (Physical::INT64, None, ConvertedType::TIMESTAMP_MICROS) => arrow(
            Kind::Timestamp(TimeUnit::Microsecond),
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        ),
        // An annotation that does not belong to the physical type is no annotation, as the format has it for those that a
        // reader does not know.
        (physical @ (Physical::INT32 | Physical::INT64), logical, converted) => integer(physical, logical, converted),

        (Physical::BYTE_ARRAY, Some(LogicalType::String), _) | (Physical::BYTE_ARRAY, None, ConvertedType::UTF8) => {
            arrow(Kind::Text, DataType::Utf8)
        }
        (Physical::BYTE_ARRAY, Some(LogicalType::Json), _) | (Physical::BYTE_ARRAY, None, ConvertedType::JSON) => {
            named(Kind::Text, "Json")
        }
        (Physical::BYTE_ARRAY, Some(LogicalType::Enum), _) | (Physical::BYTE_ARRAY, None, ConvertedType::ENUM) => {
            named(Kind::Text, "Enum")
        }
        // Their annotations mark these as not text.
        (Physical::BYTE_ARRAY, Some(LogicalType::Bson), _) | (Physical::BYTE_ARRAY, None, ConvertedType::BSON) => {
            named(Kind::Other, "Bson")
        }
        (Physical::BYTE_ARRAY, Some(LogicalType::Geometry { .. } | LogicalType::Geography { .. }), _) => {
            named(Kind::Other, "Geometry")
        }
        (Physical::BYTE_ARRAY, ..) => arrow(Kind::Text, DataType::Binary),

        (Physical::FIXED_LEN_BYTE_ARRAY, Some(LogicalType::Uuid), _) if length == UUID_BYTES => {
            named(Kind::Uuid, "Uuid")
        }
        (Physical::FIXED_LEN_BYTE_ARRAY, Some(LogicalType::Float16), _) if length == HALF_BYTES => {
            arrow(Kind::Half, DataType::Float16)
        }
        (Physical::FIXED_LEN_BYTE_ARRAY, None, ConvertedType::INTERVAL) => named(Kind::Other, "Interval"),
        // Nobody writes text of a fixed length, and hashes and keys are bytes.
        (Physical::FIXED_LEN_BYTE_ARRAY, ..) => arrow(Kind::Other, DataType::FixedSizeBinary(length)),
    }
}

fn integer(physical: Physical, logical: Option<&LogicalType>, converted: ConvertedType) -> (Kind, String) {
    let (bits, signed) = match (logical, converted) {
        (Some(LogicalType::Integer(integer)), _) => (integer.bit_width, integer.is_signed),
        (None, ConvertedType::INT_8) => (8, true),
        (None, ConvertedType::INT_16) => (16, true),
        (None, ConvertedType::UINT_8) => (8, false),
        (None, ConvertedType::UINT_16) => (16, false),
        (None, ConvertedType::UINT_32) => (32, false),
        (None, ConvertedType::UINT_64) => (64, false),
        _ => (if physical == Physical::INT32 { 32 } else { 64 }, true),
    };
    if signed { (Kind::Integer, format!("Int{bits}")) } else { (Kind::Unsigned, format!("UInt{bits}")) }
}

/// What a column holds whose annotation is DECIMAL.
fn decimal(column: &Type, length: i32) -> Option<(Kind, String)> {
    let (precision, scale) = digits(column)?;
    // What is written without a scale has the scale 0.
    let scale = scale.max(0);
    let wide = match column.get_physical_type() {
        Physical::INT32 | Physical::INT64 => scale > DIGITS_128,
        Physical::FIXED_LEN_BYTE_ARRAY => length > 16 || scale > DIGITS_128,
        Physical::BYTE_ARRAY => precision > DIGITS_128 || scale > DIGITS_128,
        // DECIMAL does not belong there.
        Physical::BOOLEAN | Physical::INT96 | Physical::FLOAT | Physical::DOUBLE => return None,
    };
    let name = format!("Decimal{}({precision}, {scale})", if wide { 256 } else { 128 });
    match i8::try_from(scale) {
        Ok(small) if scale <= DIGITS_256 && precision <= DIGITS_256 && length <= 32 => {
            Some((Kind::Decimal { wide, scale: small }, name))
        }
        _ => Some((Kind::Other, name)),
    }
}

/// How many digits the values of a DECIMAL have, and how many of them after the point.
fn digits(column: &Type) -> Option<(i32, i32)> {
    let info = column.get_basic_info();
    match (info.logical_type_ref(), info.converted_type(), column) {
        (Some(LogicalType::Decimal(decimal)), ..) => Some((decimal.precision, decimal.scale)),
        (None, ConvertedType::DECIMAL, Type::PrimitiveType { precision, scale, .. }) => Some((*precision, *scale)),
        _ => None,
    }
}

fn unit(unit: &ParquetUnit) -> TimeUnit {
    match unit {
        ParquetUnit::MILLIS => TimeUnit::Millisecond,
        ParquetUnit::MICROS => TimeUnit::Microsecond,
        ParquetUnit::NANOS => TimeUnit::Nanosecond,
    }
}

/// The schema for the decoder: of the same columns, without annotations, and INT96 as the 12 bytes that it is, since the
/// decoder's own reading of it wraps around. Not so where fastparquet wrote it: its pages are longer than their values, which
/// the decoder takes from INT96 alone, and it has only times that nanoseconds in 64 bits hold.
pub(super) fn physical(schema: &SchemaDescriptor, created_by: Option<&str>) -> Result<SchemaDescriptor, ParquetError> {
    let root = schema.root_schema();
    let keeps_int96 = created_by.is_some_and(|writer| writer.starts_with("fastparquet"));
    let fields = root.get_fields().iter().map(|field| bare(field, keeps_int96)).collect::<Result<_, _>>()?;
    Ok(SchemaDescriptor::new(Arc::new(Type::group_type_builder(root.name()).with_fields(fields).build()?)))
}

fn bare(column: &Type, keeps_int96: bool) -> Result<Arc<Type>, ParquetError> {
    let repetition = column.get_basic_info().repetition();
    let bare = match column {
        Type::PrimitiveType { physical_type, type_length, .. } => {
            let (physical, length) = match physical_type {
                Physical::INT96 if !keeps_int96 => (Physical::FIXED_LEN_BYTE_ARRAY, INT96_BYTES),
                other => (*other, *type_length),
            };
            Type::primitive_type_builder(column.name(), physical)
                .with_length(length)
                .with_repetition(repetition)
                .build()?
        }
        Type::GroupType { fields, .. } => {
            let fields = fields.iter().map(|field| bare(field, keeps_int96)).collect::<Result<_, _>>()?;
            Type::group_type_builder(column.name()).with_repetition(repetition).with_fields(fields).build()?
        }
    };
    Ok(Arc::new(bare))
}

/// The schema of a copy of a file: its own, with times of nanoseconds in 64 bits where it has INT96.
pub(super) fn writable(schema: &SchemaDescriptor) -> Result<SchemaDescriptor, ParquetError> {
    let root = schema.root_schema();
    let time = |column: &Arc<Type>| -> Result<Arc<Type>, ParquetError> {
        if !column.is_primitive() || column.get_physical_type() != Physical::INT96 {
            return Ok(Arc::clone(column));
        }
        let builder = Type::primitive_type_builder(column.name(), Physical::INT64)
            .with_repetition(column.get_basic_info().repetition())
            .with_logical_type(Some(LogicalType::timestamp(false, ParquetUnit::NANOS)));
        Ok(Arc::new(builder.build()?))
    };
    let fields = root.get_fields().iter().map(time).collect::<Result<_, _>>()?;
    Ok(SchemaDescriptor::new(Arc::new(Type::group_type_builder(root.name()).with_fields(fields).build()?)))
}

/// Which columns of the file are times of INT96.
pub(super) fn int96_columns(schema: &SchemaDescriptor) -> Vec<bool> {
    let fields = schema.root_schema().get_fields().iter();
    fields.map(|column| is_flat(column) && of(column).0 == Kind::Int96).collect()
}

/// The Arrow types to decode with, for a schema of [`physical`] types whose leaves are those of `file`.
pub(super) fn decoded(schema: &Schema, file: &SchemaDescriptor) -> Schema {
    let kinds: Vec<Kind> = file.columns().iter().map(|column| leaf(column.self_type()).0).collect();
    let mut kinds = kinds.iter();
    Schema::new(schema.fields().iter().map(|field| coded(field, &mut kinds)).collect::<Vec<_>>())
}

/// A field whose leaves are of the next kinds.
fn coded(field: &Arc<Field>, kinds: &mut slice::Iter<'_, Kind>) -> Arc<Field> {
    let data_type = match field.data_type() {
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(|field| coded(field, kinds)).collect()),
        DataType::List(element) => DataType::List(coded(element, kinds)),
        values => match kinds.next() {
            Some(kind) if kind.is_coded() => DataType::Dictionary(Box::new(DataType::Int32), Box::new(values.clone())),
            _ => return Arc::clone(field),
        },
    };
    Arc::new(field.as_ref().clone().with_data_type(data_type))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use ::parquet::schema::parser::parse_message_type;

    use super::*;

    #[test]
    fn the_second_edition_says_more_of_some_columns_and_the_same_of_all_others() {
        let message = "message schema {
            required int32 whole (decimal(9, 0));
            required int64 cents (decimal(18, 2));
            required binary long (decimal(19, 0));
            required fixed_len_byte_array(16) wide (decimal(18, 0));
            required int32 morning (time(millis, true));
            required int64 evening (time(nanos, false));
            required fixed_len_byte_array(16) id (uuid);
            required fixed_len_byte_array(5) hash;
            required fixed_len_byte_array(12) months (interval);
            required binary document (bson);
            required binary unnamed;
            required int64 count;
            repeated fixed_len_byte_array(5) hashes;
            required group nested { required int32 whole (decimal(9, 0)); }
        }";
        let schema = SchemaDescriptor::new(Arc::new(parse_message_type(message).unwrap()));
        let first = columns(&schema, None);
        let second = second_edition(&schema, &first);
        let columns = second.columns.iter().zip(&second.kinds);
        let shown: Vec<String> = columns
            .filter_map(|(column, kind)| {
                assert_eq!(column.column_type, kind.column_type());
                let before = first.columns.iter().position(|before| before.name == column.name)?;
                let before = (first.kinds[before], &first.columns[before]);
                let is_same = before.0 == *kind && before.1.meaning == column.meaning;
                (!is_same).then(|| format!("{}: {:?} → {kind:?} {:?}", column.name, before.0, column.meaning))
            })
            .collect();
        insta::assert_snapshot!(shown.join("\n"), @"
        whole: Decimal { wide: false, scale: 0 } → Whole Plain
        wide: Decimal { wide: false, scale: 0 } → Whole Plain
        morning: Integer → Counted(Millisecond) TimeOfDay
        evening: Integer → Counted(Nanosecond) TimeOfDay
        id: Uuid → Uuid Uuid
        hash: Other → Bytes Binary
        document: Other → Bytes Binary
        hashes: Other → Bytes Binary
        ");
        assert!(first.columns.iter().all(|column| column.meaning == Meaning::Plain));
    }
}
