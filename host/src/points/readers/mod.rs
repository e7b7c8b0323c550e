//! Readers of line protocol, independent of what writes it, for tests.
//!
//! [`v3`] is the parser of InfluxDB 3 itself. [`v1`] follows the code of 1.x and 2.x, and asks also whether the server
//! finds again what it keeps; the end-to-end tests hold it, as the encoder, against a running 1.x.

mod v1;

use influxdb_line_protocol::{FieldValue, ParsedLine, parse_lines};

pub(super) use v1::v1;

/// A point as a reader understands it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) measurement: String,
    pub(super) tags: Vec<(String, String)>,
    pub(super) fields: Vec<(String, Value)>,
    pub(super) time: i64,
}

/// A value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// The bits, so that no two floats are taken for the same.
    Float(u64),
    Integer(i64),
    Unsigned(u64),
    Boolean(bool),
    Text(String),
}

/// The points of a body as InfluxDB 3 reads them, or why it refuses a line.
pub(super) fn v3(body: &str) -> Vec<Result<Read, String>> {
    let read = |line: ParsedLine<'_>| {
        let tags = line.series.tag_set.iter().flatten();
        let value = |value: &FieldValue<'_>| match value {
            FieldValue::I64(value) => Value::Integer(*value),
            FieldValue::U64(value) => Value::Unsigned(*value),
            FieldValue::F64(value) => Value::Float(value.to_bits()),
            FieldValue::String(value) => Value::Text(value.to_string()),
            FieldValue::Boolean(value) => Value::Boolean(*value),
        };
        Ok(Read {
            measurement: line.series.measurement.to_string(),
            tags: tags.map(|(key, value)| (key.to_string(), value.to_string())).collect(),
            fields: line.field_set.iter().map(|(key, field)| (key.to_string(), value(field))).collect(),
            time: line.timestamp.ok_or("no time")?,
        })
    };
    parse_lines(body).map(|line| line.map_err(|error| error.to_string()).and_then(read)).collect()
}
