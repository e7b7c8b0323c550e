//! What 3 is asked of points, in SQL, and what its answers say: a list of rows, each an object without the columns that are null.

use std::borrow::Cow;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use reqwest::{Method, Url};
use serde_json::json;

use super::ask_influxql::{Unusable, value};
use super::json::{Cell, Json};
use super::stored::{Column, Point, Window};
use super::{Query, Unreadable};
use crate::config::InfluxDbSettings;
use crate::sink::influxdb::http::{self, Body};

fn query(base: &Url, settings: &InfluxDbSettings, statement: &str) -> Query {
    let url = http::join(base, &["api", "v3", "query_sql"]);
    let parameters = json!({ "db": settings.bucket, "q": statement, "format": "json" });
    Query { method: Method::POST, url, body: Some(Body::text(parameters.to_string(), "application/json")) }
}

pub(super) fn measurements_query(base: &Url, settings: &InfluxDbSettings) -> Query {
    query(base, settings, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'iox'")
}

pub(super) fn measurements(body: &[u8]) -> Result<Vec<String>, Unusable> {
    let mut names = Vec::new();
    rows(body, |cells| {
        names.extend(cells.drain(..).filter(|(key, _)| key == "table_name").filter_map(|(_, cell)| cell.text()));
        Ok(())
    })?;
    Ok(names.into_iter().map(Cow::into_owned).collect())
}

pub(super) fn points_query(base: &Url, settings: &InfluxDbSettings, measurement: &str, window: Window) -> Query {
    let Window { from, to } = window;
    let table = measurement.replace('"', "\"\"");
    let statement = format!(
        "SELECT * FROM \"{table}\" WHERE time >= to_timestamp_nanos({from}) AND time < to_timestamp_nanos({to})"
    );
    query(base, settings, &statement)
}

/// Calls `each` with every value; not before it is known that the answer is whole.
pub(super) fn points(body: &[u8], columns: &[Column], each: &mut dyn FnMut(Point<'_>)) -> Result<(), Unusable> {
    rows(body, |_| Ok(()))?;
    let mut series = 0;
    rows(body, |cells| {
        series += 1;
        let (mut time, mut tags, mut values) = (None, Vec::new(), Vec::new());
        for (key, cell) in &*cells {
            match (columns.iter().position(|column| column.name == *key), cell) {
                (_, Cell::Null) => {}
                (Some(column), cell) => values.push((column, value(cell, columns[column].kind)?)),
                (None, Cell::Text(text)) if key == "time" => time = nanoseconds(text),
                (None, Cell::Text(text)) => tags.push((key.as_str(), text.as_ref())),
                (None, Cell::Boolean(_) | Cell::Number(_)) => {
                    return Err(Unreadable(format!("a column `{key}` that was not there before")));
                }
            }
        }
        let time = time.ok_or_else(|| Unreadable("a row without a time".to_owned()))?;
        values.into_iter().for_each(|(column, value)| each(Point { tags: &tags, series, time, column, value }));
        Ok(())
    })
}

/// A time as it is written: without a zone, since all are UTC.
fn nanoseconds(text: &str) -> Option<i64> {
    let time: DateTime = text.trim_end_matches('Z').parse().ok()?;
    time.to_zoned(TimeZone::UTC).ok()?.timestamp().as_nanosecond().try_into().ok()
}

fn rows<'a>(
    body: &'a [u8],
    mut each: impl FnMut(&mut Vec<(String, Cell<'a>)>) -> Result<(), Unreadable>,
) -> Result<(), Unusable> {
    let (mut json, mut cells) = (Json::of(body)?, Vec::new());
    json.list(|row| {
        cells.clear();
        row.object(|key, value| value.cell().map(|cell| cells.push((key.to_owned(), cell))))?;
        each(&mut cells)
    })?;
    if !json.is_at_end() {
        return Err(Unreadable("more than a list of rows".to_owned()).into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::stored::{Value, series_name};
    use super::*;
    use crate::sink::kind::Kind;

    #[test]
    fn rows_of_3_are_read_as_it_has_answered_them() {
        // Recorded from 3.10.1.
        let body = br#"[{"f": 1.0, "t": "a", "time": "2023-11-14T22:13:20"}, {"f": 2.0, "time": "2023-11-14T22:13:20.000000001"}]"#;
        let columns = [Column { name: "f".to_owned(), kind: Kind::Float, values: Vec::new() }];
        let mut found = Vec::new();
        let read = points(body, &columns, &mut |point| {
            found.push((series_name(point.tags.iter().copied()), point.time, point.value));
        });
        assert!(read.is_ok());
        assert_eq!(
            found,
            [
                ("t=a".to_owned(), 1_700_000_000_000_000_000, Value::Float(1.0)),
                (String::new(), 1_700_000_000_000_000_001, Value::Float(2.0)),
            ]
        );
    }

    #[test]
    fn what_was_not_asked_for_is_an_error() {
        let columns = [Column { name: "f".to_owned(), kind: Kind::Float, values: Vec::new() }];
        for body in [
            &b"{}"[..],
            b"[{\"f\": 1}]",
            b"[{\"time\": \"yesterday\"}]",
            b"[] []",
            b"[{\"g\": 1, \"time\": \"2023-11-14T22:13:20\"}]",
        ] {
            assert!(points(body, &columns, &mut |_| {}).is_err(), "{}", String::from_utf8_lossy(body));
        }
    }
}
