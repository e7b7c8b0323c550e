//! As much of InfluxQL, SQL and Flux as reads a point back: one measurement, one time, and tags that have a value.
//!
//! What is asked is found by its words: `FROM "load"`, `time = 5` and `"host" = 'a'`, or `r._measurement == "load"`,
//! `time(v: 5)` and `r.host == "a"`. Everything else of a statement is passed over.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Map, Value as Json, json};

use crate::fault_server::lines::{Point, Value};
use crate::fault_server::store::Store;

/// What InfluxQL answers: the measurement, the columns, and the rows.
pub(super) fn select(statement: &str, store: &Store) -> Option<(String, Vec<String>, Vec<Vec<Json>>)> {
    let points = found(&Condition::of_select(statement)?, store);
    let measurement = points.first()?.measurement.clone();
    let mut columns = vec!["time".to_owned()];
    columns.extend(points.iter().flat_map(|point| keys(point)).collect::<BTreeSet<_>>());
    let row = |point: &&Point| {
        let cells = columns[1..].iter().map(|key| cell(point, key));
        std::iter::once(json!(point.time)).chain(cells).collect()
    };
    let rows = points.iter().map(row).collect();
    Some((measurement, columns, rows))
}

/// What SQL answers: an object for each row.
pub(super) fn sql(statement: &str, store: &Store) -> Vec<Json> {
    let points = Condition::of_select(statement).map(|condition| found(&condition, store)).unwrap_or_default();
    let row = |point: &Point| {
        let mut row: Map<String, Json> = keys(point).into_iter().map(|key| (key.clone(), cell(point, &key))).collect();
        // Without the zone, as InfluxDB 3 prints it.
        row.insert("time".to_owned(), json!(date(point.time).trim_end_matches('Z')));
        Json::from(row)
    };
    points.into_iter().map(row).collect()
}

/// What Flux answers: annotated CSV, a table for each field of each series.
pub(super) fn flux(query: &str, store: &Store) -> String {
    let points = Condition::of_flux(query).map(|condition| found(&condition, store)).unwrap_or_default();
    let mut csv = String::new();
    for (table, (point, (field, value))) in
        points.iter().flat_map(|point| point.fields.iter().map(move |field| (point, field))).enumerate()
    {
        let (kind, text) = match value {
            Value::Boolean(value) => ("boolean", value.to_string()),
            Value::Integer(value) => ("long", value.to_string()),
            Value::Unsigned(value) => ("unsignedLong", value.to_string()),
            Value::Float(value) => ("double", value.to_string()),
            Value::Text(value) => ("string", quoted(value)),
        };
        let tags: String = point.tags.keys().map(|key| format!(",{}", quoted(key))).collect();
        let values: String = point.tags.values().map(|value| format!(",{}", quoted(value))).collect();
        let (types, groups) = (",string".repeat(point.tags.len()), ",true".repeat(point.tags.len()));
        let (field, measurement, time) = (quoted(field), quoted(&point.measurement), date(point.time));
        csv.push_str(&format!(
            "#datatype,string,long,dateTime:RFC3339,{kind},string,string{types}\r\n\
             #group,false,false,false,false,true,true{groups}\r\n\
             #default,_result,,,,,{}\r\n\
             ,result,table,_time,_value,_field,_measurement{tags}\r\n\
             ,,{table},{time},{text},{field},{measurement}{values}\r\n\r\n",
            ",".repeat(point.tags.len())
        ));
    }
    csv
}

/// Which points are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Condition {
    measurement: String,
    /// Nanoseconds since the epoch; any time where there is none.
    time: Option<i64>,
    /// The first time and the one after the last, where SQL has both.
    range: Option<(i64, i64)>,
    tags: Vec<(String, String)>,
}

impl Condition {
    fn of_select(statement: &str) -> Option<Self> {
        let (_, rest) = split_at_word(statement, "from")?;
        let measurement = name(rest.trim_start())?;
        let mut tags = Vec::new();
        // `"key" = 'value'`: what stands before and after each `=`.
        let parts: Vec<&str> = rest.split('=').collect();
        for sides in parts.windows(2) {
            let key = sides[0].trim_end().trim_end_matches('"').rsplit(['"', ' ', '(']).next();
            let value = sides[1].trim_start().strip_prefix('\'').and_then(|rest| rest.split('\'').next());
            if let (Some(key), Some(value)) = (key, value) {
                tags.push((key.to_owned(), value.to_owned()));
            }
        }
        let time = ["time = to_timestamp_nanos(", "time = "].iter().find_map(|words| number_after(rest, words));
        let [from, to] = [">=", "<"].map(|sign| number_after(rest, &format!("time {sign} to_timestamp_nanos(")));
        Some(Self { measurement, time, range: from.zip(to), tags })
    }

    fn of_flux(query: &str) -> Option<Self> {
        let mut tags = Vec::new();
        for (before, after) in query.match_indices("==").map(|(place, _)| query.split_at(place)) {
            let key = before.trim_end().trim_end_matches("\"]").rsplit(['.', '"']).next();
            let value = after[2..].trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next());
            if let (Some(key), Some(value)) = (key, value) {
                tags.push((key.to_owned(), value.to_owned()));
            }
        }
        let place = tags.iter().position(|(key, _)| key == "_measurement")?;
        let (_, measurement) = tags.remove(place);
        tags.retain(|(key, _)| key != "_field");
        // A range of a nanosecond, which its start identifies.
        Some(Self { measurement, time: number_after(query, "time(v: "), range: None, tags })
    }
}

fn found<'a>(condition: &Condition, store: &'a Store) -> Vec<&'a Point> {
    let Condition { measurement, time, range, tags } = condition;
    let is_found = |point: &&Point| {
        point.measurement == *measurement
            && time.is_none_or(|time| point.time == time)
            && range.is_none_or(|(from, to)| (from..to).contains(&point.time))
            && tags.iter().all(|(key, value)| point.tags.get(key) == Some(value))
    };
    store.points().filter(is_found).collect()
}

/// The number that follows these words.
fn number_after(text: &str, words: &str) -> Option<i64> {
    let (_, rest) = text.split_once(words)?;
    rest[..rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len())].parse().ok()
}

fn keys(point: &Point) -> Vec<String> {
    point.tags.keys().chain(point.fields.keys()).cloned().collect()
}

fn cell(point: &Point, key: &str) -> Json {
    match (point.fields.get(key), point.tags.get(key)) {
        (Some(Value::Boolean(value)), _) => json!(value),
        (Some(Value::Integer(value)), _) => json!(value),
        (Some(Value::Unsigned(value)), _) => json!(value),
        (Some(Value::Float(value)), _) => json!(value),
        (Some(Value::Text(value)), _) => json!(value),
        (None, tag) => json!(tag),
    }
}

fn date(nanoseconds: i64) -> String {
    Timestamp::from_nanosecond(nanoseconds.into()).unwrap().to_string()
}

/// Splits a statement at a word of any case.
fn split_at_word<'a>(statement: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    let place = statement.to_ascii_lowercase().find(&format!(" {word} "))?;
    Some((&statement[..place], &statement[place + word.len() + 2..]))
}

/// A name at the start of a text, quoted or not.
fn name(text: &str) -> Option<String> {
    let name = match text.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next()?,
        None => text.split([' ', ';']).next()?,
    };
    Some(name.to_owned())
}

/// A text as a cell of CSV.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}
