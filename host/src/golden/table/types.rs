//! The names of types in a header.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};

use super::cell::MAXIMUM_DEPTH;

/// The type of a name such as `timestamp(ms, UTC)`; `None` where there is no such type.
pub(super) fn parse(name: &str) -> Option<DataType> {
    nested(name, MAXIMUM_DEPTH)
}

fn nested(name: &str, depth: usize) -> Option<DataType> {
    let name = name.trim();
    Some(match name {
        "null" => DataType::Null,
        "bool" => DataType::Boolean,
        "int8" => DataType::Int8,
        "int16" => DataType::Int16,
        "int32" => DataType::Int32,
        "int64" => DataType::Int64,
        "uint8" => DataType::UInt8,
        "uint16" => DataType::UInt16,
        "uint32" => DataType::UInt32,
        "uint64" => DataType::UInt64,
        "float16" => DataType::Float16,
        "float32" => DataType::Float32,
        "float64" => DataType::Float64,
        "utf8" => DataType::Utf8,
        "large_utf8" => DataType::LargeUtf8,
        "utf8_view" => DataType::Utf8View,
        "binary" => DataType::Binary,
        "large_binary" => DataType::LargeBinary,
        "date32" => DataType::Date32,
        "date64" => DataType::Date64,
        _ => return with_arguments(name, depth),
    })
}

fn with_arguments(name: &str, depth: usize) -> Option<DataType> {
    if let Some(inside) = inside(name, "timestamp(", ')') {
        let (unit, zone) = inside.split_once(',').map_or((inside, None), |(unit, zone)| (unit, Some(zone.trim())));
        if zone == Some("") {
            return None;
        }
        return Some(DataType::Timestamp(time_unit(unit.trim())?, zone.map(Arc::from)));
    }
    if let Some(item) = inside(name, "list<", '>') {
        let item = nested(item, depth.checked_sub(1)?)?;
        return Some(DataType::List(Arc::new(Field::new_list_field(item, true))));
    }
    if let Some(inside) = inside(name, "dictionary<", '>') {
        let (keys, values) = inside.split_once(',')?;
        let (keys, values) = (nested(keys, 0)?, nested(values, 0)?);
        let is_text = matches!(values, DataType::Utf8 | DataType::LargeUtf8);
        return (keys.is_integer() && is_text).then(|| DataType::Dictionary(Box::new(keys), Box::new(values)));
    }
    let (kind, inside) = name.strip_suffix(')')?.split_once('(')?;
    let (precision, scale) = inside.split_once(',')?;
    let (precision, scale) = (precision.trim().parse().ok()?, scale.trim().parse().ok()?);
    Some(match kind {
        "decimal32" => DataType::Decimal32(precision, scale),
        "decimal64" => DataType::Decimal64(precision, scale),
        "decimal128" => DataType::Decimal128(precision, scale),
        "decimal256" => DataType::Decimal256(precision, scale),
        _ => return None,
    })
}

fn inside<'a>(name: &'a str, start: &str, end: char) -> Option<&'a str> {
    name.strip_prefix(start)?.strip_suffix(end)
}

fn time_unit(name: &str) -> Option<TimeUnit> {
    Some(match name {
        "s" => TimeUnit::Second,
        "ms" => TimeUnit::Millisecond,
        "us" => TimeUnit::Microsecond,
        "ns" => TimeUnit::Nanosecond,
        _ => return None,
    })
}
