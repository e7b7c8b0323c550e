//! Line protocol → points, as the engines read it.
//!
//! The parser is InfluxDB 3's own, and a port of that of 1.x and 2.x. Where it lets more through than theirs (the same tag
//! twice in a line), the lines are refused here. The reasons that are given are theirs for each engine.
//! Source: models/points.go.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;

use influxdb_line_protocol::{Error, FieldValue, ParsedLine, parse_lines, split_lines};

use super::rules::{Dialect, Rules};
use super::store::LineSet;

/// A point.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Its measurement.
    pub measurement: String,
    /// Its tags by key.
    pub tags: BTreeMap<String, String>,
    /// Its fields by key.
    pub fields: BTreeMap<String, Value>,
    /// Nanoseconds since the epoch.
    pub time: i64,
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `t`
    Boolean(bool),
    /// `1i`
    Integer(i64),
    /// `1u`
    Unsigned(u64),
    /// `1`
    Float(f64),
    /// `"text"`
    Text(String),
}

impl Value {
    /// The type, as all engines call it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Boolean(_) => "boolean",
            Self::Integer(_) => "integer",
            Self::Unsigned(_) => "unsigned",
            Self::Float(_) => "float",
            Self::Text(_) => "string",
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}i"),
            Self::Unsigned(value) => write!(f, "{value}u"),
            Self::Float(value) => write!(f, "{value}"),
            Self::Text(value) => write!(f, "{value:?}"),
        }
    }
}

impl Point {
    /// Measurement and tags, as 1.x and 2.x name a series.
    pub fn series(&self) -> String {
        let escape = |text: &str, special: &[char]| {
            text.chars().fold(String::new(), |mut escaped, character| {
                if special.contains(&character) {
                    escaped.push('\\');
                }
                escaped.push(character);
                escaped
            })
        };
        let mut series = escape(&self.measurement, &[',', ' ']);
        for (key, value) in &self.tags {
            for (before, text) in [(',', key), ('=', value)] {
                series.push(before);
                series.push_str(&escape(text, &[',', '=', ' ']));
            }
        }
        series
    }
}

/// A line that is neither empty nor a comment.
#[derive(Debug)]
pub(super) struct Line<'a> {
    /// As it was sent.
    pub(super) text: &'a str,
    /// As InfluxDB 3 prints it back: the text itself where it does not parse.
    pub(super) rendered: String,
    /// What is kept of it, or why nothing is.
    pub(super) record: Result<Record, String>,
}

/// What is kept of a line.
#[derive(Debug)]
pub(super) enum Record {
    Point(Point),
    Hash(u128),
}

/// Reads the lines of a body. `now` is the time of those that have none.
pub(super) fn read<'a>(body: &'a str, rules: &Rules, precision: Precision, now: i64) -> Vec<Line<'a>> {
    if rules.reads_lines {
        split_lines(body).filter_map(|text| read_line(text, rules, precision, now)).collect()
    } else {
        let has_banned = rules.banned.as_ref().is_some_and(|banned| body.contains(banned));
        body.lines().map(|text| hash_line(text, rules, has_banned)).collect()
    }
}

fn read_line<'a>(text: &'a str, rules: &Rules, precision: Precision, now: i64) -> Option<Line<'a>> {
    let parsed = parse_lines(text).next()?;
    let refused = |error| Some(Line { text, rendered: text.to_owned(), record: Err(reason(error, rules.dialect)) });
    match &parsed {
        Err(error) => refused(error),
        Ok(_) if is_banned(text, rules) => refused(&Error::FieldSetMissing),
        Ok(parsed) => {
            let record = point(parsed, precision, now, rules.dialect).map(Record::Point);
            Some(Line { text, rendered: parsed.to_string(), record })
        }
    }
}

fn hash_line<'a>(text: &'a str, rules: &Rules, has_banned: bool) -> Line<'a> {
    let record = if has_banned && is_banned(text, rules) {
        Err(reason(&Error::FieldSetMissing, rules.dialect))
    } else {
        Ok(Record::Hash(LineSet::hash(text)))
    };
    Line { text, rendered: String::new(), record }
}

fn is_banned(text: &str, rules: &Rules) -> bool {
    rules.banned.as_ref().is_some_and(|banned| text.contains(banned))
}

fn point(line: &ParsedLine<'_>, precision: Precision, now: i64, dialect: Dialect) -> Result<Point, String> {
    let mut tags = BTreeMap::new();
    for (key, value) in line.series.tag_set.iter().flatten() {
        if dialect == Dialect::V2 && ["time", "_field", "_measurement"].contains(&key.as_str()) {
            return Err(format!("cannot use reserved tag key \"{key}\""));
        }
        if tags.insert(key.to_string(), value.to_string()).is_some() {
            return Err(reason(&Error::DuplicateTag { tag_key: key.to_string() }, dialect));
        }
    }
    let mut fields = BTreeMap::new();
    for (key, value) in &line.field_set {
        let Some(value) = field(value, dialect)? else { continue };
        if fields.insert(key.to_string(), value).is_some() && dialect == Dialect::V3 {
            return Err(format!("invalid line protocol - multiple instances of '{key}' field found"));
        }
    }
    let time = line.timestamp.map_or(now, |time| precision.nanoseconds(time));
    if dialect != Dialect::V3 && !TIMES.contains(&time) {
        return Err(format!("time outside range {} - {}", TIMES.start(), TIMES.end()));
    }
    Ok(Point { measurement: line.series.measurement.to_string(), tags, fields, time })
}

/// What 1.x and 2.x take for a time.
const TIMES: RangeInclusive<i64> = i64::MIN + 2..=i64::MAX - 1;

/// The value of a field; none where an engine keeps none.
fn field(value: &FieldValue<'_>, dialect: Dialect) -> Result<Option<Value>, String> {
    Ok(Some(match value {
        FieldValue::I64(value) => Value::Integer(*value),
        FieldValue::U64(_) if dialect == Dialect::V1 => return Err("invalid number".to_owned()),
        FieldValue::U64(value) => Value::Unsigned(*value),
        // Larger than any that can be kept. InfluxDB 3 takes it, and keeps a point without it.
        FieldValue::F64(value) if value.is_infinite() && dialect == Dialect::V3 => return Ok(None),
        FieldValue::F64(value) if value.is_infinite() => return Err("invalid float".to_owned()),
        FieldValue::F64(value) => Value::Float(*value),
        FieldValue::String(value) => Value::Text(value.to_string()),
        FieldValue::Boolean(value) => Value::Boolean(*value),
    }))
}

/// Why a line does not parse, in an engine's words. The parsers of 1.x and 2.x distinguish more reasons than this.
fn reason(error: &Error, dialect: Dialect) -> String {
    if dialect == Dialect::V3 {
        return error.to_string();
    }
    match error {
        Error::DuplicateTag { .. } => "duplicate tags",
        Error::MeasurementValueInvalid => "missing measurement",
        Error::FieldSetMissing => "invalid field format",
        Error::IntegerValueInvalid { .. } | Error::UIntegerValueInvalid { .. } => "invalid number",
        Error::FloatValueInvalid { .. } => "invalid float",
        Error::TimestampValueInvalid { .. } => "bad timestamp",
        Error::TagSetMalformed => "missing tag value",
        Error::GenericParsingError { .. } => "missing fields",
        _ => "point is invalid",
    }
    .to_owned()
}

/// The unit of the times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Precision {
    /// So many nanoseconds.
    Unit(i64),
    /// InfluxDB 3 guesses by the size of the number where the request names no unit.
    Guessed,
}

impl Precision {
    /// The precision of this name in a request; `None` where no engine knows the name.
    pub(super) fn named(name: Option<&str>, dialect: Dialect) -> Option<Self> {
        let nanoseconds = match name {
            None | Some("auto") if dialect == Dialect::V3 => return Some(Self::Guessed),
            None | Some("n" | "ns" | "nanosecond") => 1,
            Some("u" | "us" | "microsecond") => 1_000,
            Some("ms" | "millisecond") => 1_000_000,
            Some("s" | "second") => 1_000_000_000,
            Some(_) => return None,
        };
        Some(Self::Unit(nanoseconds))
    }

    fn nanoseconds(self, time: i64) -> i64 {
        match self {
            Self::Unit(nanoseconds) => time.saturating_mul(nanoseconds),
            // Source: influxdb3_write/src/write_buffer/validator.rs, `guess_precision`.
            Self::Guessed => {
                let units =
                    [(5_000_000_000, 1_000_000_000), (5_000_000_000_000, 1_000_000), (5_000_000_000_000_000, 1_000)];
                let unit = units.iter().find(|(bound, _)| time.unsigned_abs() < *bound);
                time * unit.map_or(1, |(_, nanoseconds)| *nanoseconds)
            }
        }
    }
}
