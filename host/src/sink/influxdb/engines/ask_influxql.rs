//! What 1.x and 2.x are asked of points, in InfluxQL, and what their answers say.
//!
//! ```text
//! summaries   SELECT count, min, max, sum … GROUP BY time     a row a bucket
//!             SELECT count(…) FROM (… GROUP BY time, *)       how many series
//!             SELECT … ORDER BY time LIMIT 1                  the first and the last point
//! points      SELECT … GROUP BY *                             a row a point, below the tags of its series
//! ```

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;

use jiff::Timestamp;
use reqwest::Url;

use super::influxql::{query, source};
use super::json::{Cell, Json};
use super::stored::{Column, Point, Summary, Value, Window};
use super::v1::identifier;
use super::{Query, Unreadable};
use crate::config::InfluxDbSettings;
use crate::sink::kind::Kind;

/// A series of an answer.
struct Series<'a> {
    /// Of which statement, from 0.
    statement: usize,
    tags: Vec<(String, Cow<'a, str>)>,
    columns: Vec<Cow<'a, str>>,
    rows: Option<Json<'a>>,
}

impl Series<'_> {
    /// Calls `each` with the cells of every row, which are as many as there are columns.
    fn rows(&self, mut each: impl FnMut(&[Cell<'_>]) -> Result<(), Unreadable>) -> Result<(), Unreadable> {
        let Some(mut rows) = self.rows else { return Ok(()) };
        let mut cells = Vec::with_capacity(self.columns.len());
        rows.list(|row| {
            cells.clear();
            row.list(|cell| cell.cell().map(|cell| cells.push(cell)))?;
            if cells.len() != self.columns.len() {
                let (cells, columns) = (cells.len(), self.columns.len());
                return Err(Unreadable(format!("a row of {cells} values below {columns} columns")));
            }
            each(&cells)
        })
    }
}

/// Why an answer is of no use.
pub(in crate::sink::influxdb) enum Unusable {
    /// The server has left some of it out.
    Partial,
    Unreadable(Unreadable),
}

impl From<Unreadable> for Unusable {
    fn from(unreadable: Unreadable) -> Self {
        Self::Unreadable(unreadable)
    }
}

/// Calls `each` with the series of an answer.
fn read<'a>(body: &'a [u8], mut each: impl FnMut(&Series<'a>) -> Result<(), Unreadable>) -> Result<(), Unusable> {
    let (mut partial, mut error, mut answered) = (false, None, false);
    let mut json = Json::of(body)?;
    json.object(|key, value| match key {
        "results" => {
            answered = true;
            let mut statement = 0;
            value.list(|result| {
                result.object(|key, value| match key {
                    "series" => value.list(|value| {
                        let (series, cut) = series(statement, value)?;
                        partial |= cut;
                        each(&series)
                    }),
                    "partial" => value.cell().map(|cell| partial |= cell == Cell::Boolean(true)),
                    "error" => value.cell().map(|cell| error = cell.text()),
                    _ => value.skip().map(drop),
                })?;
                statement += 1;
                Ok(())
            })
        }
        "error" => value.cell().map(|cell| error = cell.text()),
        _ => value.skip().map(drop),
    })?;
    match error {
        Some(error) => Err(Unreadable(error.into_owned()).into()),
        None if !answered || !json.is_at_end() => {
            Err(Unreadable("the answer has no results, or more after them".to_owned()).into())
        }
        None if partial => Err(Unusable::Partial),
        None => Ok(()),
    }
}

/// A series, and whether it is cut short.
fn series<'a>(statement: usize, json: &mut Json<'a>) -> Result<(Series<'a>, bool), Unreadable> {
    let mut series = Series { statement, tags: Vec::new(), columns: Vec::new(), rows: None };
    let mut partial = false;
    json.object(|key, value| match key {
        "tags" => value.object(|key, value| {
            let value = value.cell()?.text().unwrap_or_default();
            series.tags.push((key.to_owned(), value));
            Ok(())
        }),
        "columns" => {
            value.list(|column| column.cell().map(|cell| series.columns.push(cell.text().unwrap_or_default())))
        }
        "values" => value.skip().map(|rows| series.rows = Some(rows)),
        "partial" => value.cell().map(|cell| partial |= cell == Cell::Boolean(true)),
        _ => value.skip().map(drop),
    })?;
    Ok((series, partial))
}

pub(super) fn measurements_query(base: &Url, settings: &InfluxDbSettings) -> Query {
    query(base, settings, "SHOW MEASUREMENTS")
}

pub(super) fn measurements(body: &[u8]) -> Result<Vec<String>, Unusable> {
    let mut names = Vec::new();
    read(body, |series| {
        series.rows(|cells| {
            names.extend(cells[0].clone().text().map(Cow::into_owned));
            Ok(())
        })
    })?;
    Ok(names)
}

/// What a condition on time says; nothing of an end that no point lies beyond, since engines refuse to read it.
fn condition(window: Window) -> String {
    let literal = |time: i64| Timestamp::from_nanosecond(time.into()).unwrap_or_default();
    let mut conditions = Vec::new();
    if window.from > i64::MIN + 3 {
        conditions.push(format!("time >= '{}'", literal(window.from)));
    }
    if window.to < i64::MAX - 1 {
        conditions.push(format!("time < '{}'", literal(window.to)));
    }
    if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) }
}

/// The functions that a field is summed up by.
fn functions(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Float | Kind::Integer | Kind::Unsigned => &["count", "min", "max", "sum"],
        Kind::Boolean | Kind::Text => &["count"],
    }
}

pub(super) fn summaries_query(
    base: &Url,
    settings: &InfluxDbSettings,
    measurement: &str,
    columns: &[Column],
    window: Window,
    seconds: i64,
) -> Query {
    let (from, range) = (source(settings, measurement), condition(window));
    let mut calls = Vec::new();
    for (number, column) in columns.iter().enumerate() {
        let field = identifier(&column.name);
        calls
            .extend(functions(column.kind).iter().map(|function| format!("{function}({field}) AS {function}{number}")));
    }
    let group = format!("GROUP BY time({seconds}s)");
    let mut statements = format!("SELECT {} FROM {from}{range} {group} fill(none)", calls.join(", "));
    for column in columns {
        let field = identifier(&column.name);
        // Writing to a string does not fail.
        _ = write!(
            statements,
            "; SELECT count(points) AS number FROM (SELECT count({field}) AS points FROM {from}{range} {group}, * fill(none)){range} {group} fill(none)"
        );
    }
    for (column, value) in columns.iter().flat_map(|column| column.values.iter().map(move |value| (column, value))) {
        let (field, and) = (identifier(&column.name), if range.is_empty() { " WHERE" } else { " AND" });
        let value = match value {
            Value::Text(text) => format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")),
            other => other.to_string(),
        };
        _ = write!(
            statements,
            "; SELECT count({field}) AS number FROM {from}{range}{and} {field} = {value} {group} fill(none)"
        );
    }
    query(base, settings, &statements)
}

/// By field and the start of the bucket.
pub(super) fn summaries(body: &[u8], columns: &[Column]) -> Result<Vec<BTreeMap<i64, Summary>>, Unusable> {
    let mut found: Vec<BTreeMap<i64, Summary>> = vec![BTreeMap::new(); columns.len()];
    let values: Vec<(usize, usize)> = columns
        .iter()
        .enumerate()
        .flat_map(|(column, asked)| (0..asked.values.len()).map(move |value| (column, value)))
        .collect();
    read(body, |series| {
        if let Some(number) = series.statement.checked_sub(1 + columns.len()) {
            let (column, value) = *values.get(number).ok_or_else(unasked)?;
            return series.rows(|cells| {
                let counts = &mut found[column].entry(time(cells.first())?).or_default().values;
                counts.resize(columns[column].values.len(), 0);
                counts[value] = count(cells.get(1))?;
                Ok(())
            });
        }
        if let Some(column) = series.statement.checked_sub(1) {
            return series.rows(|cells| {
                found[column].entry(time(cells.first())?).or_default().series = Some(count(cells.get(1))?);
                Ok(())
            });
        }
        let mut calls = Vec::new();
        for (number, column) in columns.iter().enumerate() {
            calls.extend(functions(column.kind).iter().map(|function| (*function, number, column.kind)));
        }
        series.rows(|cells| {
            let start = time(cells.first())?;
            for ((function, number, kind), cell) in calls.iter().zip(&cells[1..]) {
                if matches!(cell, Cell::Null) {
                    continue;
                }
                let summary = found[*number].entry(start).or_default();
                match *function {
                    "count" => summary.count = count(Some(cell))?,
                    "min" => summary.least = Some(value(cell, *kind)?),
                    "max" => summary.greatest = Some(value(cell, *kind)?),
                    _ => summary.sum = Some(value(cell, *kind)?),
                }
            }
            Ok(())
        })
    })?;
    for buckets in &mut found {
        // Fields of the same row that have no point there.
        buckets.retain(|_, summary| summary.count > 0);
    }
    Ok(found)
}

pub(super) fn ends_query(
    base: &Url,
    settings: &InfluxDbSettings,
    measurement: &str,
    ends: &[(&Column, Window)],
) -> Query {
    let from = source(settings, measurement);
    let statements = ends.iter().flat_map(|(column, window)| {
        let (field, range) = (identifier(&column.name), condition(*window));
        ["ASC", "DESC"].map(|order| format!("SELECT {field} FROM {from}{range} ORDER BY time {order} LIMIT 1"))
    });
    query(base, settings, &statements.collect::<Vec<_>>().join("; "))
}

/// The first and the last time of each; none where there is no point.
pub(super) fn ends(body: &[u8], asked: usize) -> Result<Vec<Option<(i64, i64)>>, Unusable> {
    let mut times = vec![None; 2 * asked];
    read(body, |series| {
        let place = times.get_mut(series.statement).ok_or_else(unasked)?;
        series.rows(|cells| time(cells.first()).map(|time| *place = Some(time)))
    })?;
    Ok(times.chunks(2).map(|pair| pair[0].zip(pair[1])).collect())
}

pub(super) fn points_query(
    base: &Url,
    settings: &InfluxDbSettings,
    measurement: &str,
    columns: &[Column],
    window: Window,
) -> Query {
    let fields: Vec<String> = columns.iter().map(|column| identifier(&column.name)).collect();
    let (from, range) = (source(settings, measurement), condition(window));
    query(base, settings, &format!("SELECT {} FROM {from}{range} GROUP BY *", fields.join(", ")))
}

/// Calls `each` with every value; not before it is known that the answer is whole.
pub(super) fn points(body: &[u8], columns: &[Column], each: &mut dyn FnMut(Point<'_>)) -> Result<(), Unusable> {
    read(body, |_| Ok(()))?;
    let mut number = 0;
    read(body, |series| {
        number += 1;
        if series.columns.len() != columns.len() + 1 {
            return Err(Unreadable(format!(
                "{} columns where {} were asked for",
                series.columns.len(),
                columns.len() + 1
            )));
        }
        let tags: Vec<(&str, &str)> = series.tags.iter().map(|(key, value)| (key.as_str(), value.as_ref())).collect();
        series.rows(|cells| {
            let time = time(cells.first())?;
            for (column, cell) in cells[1..].iter().enumerate().filter(|(_, cell)| !matches!(cell, Cell::Null)) {
                let value = value(cell, columns[column].kind)?;
                each(Point { tags: &tags, series: number, time, column, value });
            }
            Ok(())
        })
    })
}

fn unasked() -> Unreadable {
    Unreadable("the answer has more results than there were questions".to_owned())
}

fn time(cell: Option<&Cell<'_>>) -> Result<i64, Unreadable> {
    match cell {
        Some(Cell::Number(number)) => number.parse().ok(),
        _ => None,
    }
    .ok_or_else(|| Unreadable("a time that is no number of nanoseconds".to_owned()))
}

fn count(cell: Option<&Cell<'_>>) -> Result<u64, Unreadable> {
    match cell {
        Some(Cell::Number(number)) => number.parse().ok(),
        _ => None,
    }
    .ok_or_else(|| Unreadable("a count that is no whole number".to_owned()))
}

/// A value, of a field of this type as far as it can be. One of another type stays what it is.
pub(in crate::sink::influxdb) fn value(cell: &Cell<'_>, kind: Kind) -> Result<Value, Unreadable> {
    let value = match cell {
        Cell::Boolean(value) => Some(Value::Boolean(*value)),
        Cell::Text(text) => Some(Value::Text(text.as_ref().to_owned())),
        Cell::Number(number) => match kind {
            Kind::Integer => number.parse().map(Value::Integer).ok(),
            Kind::Unsigned => number.parse().map(Value::Unsigned).ok(),
            Kind::Float | Kind::Boolean | Kind::Text => None,
        }
        .or_else(|| number.parse().map(Value::Float).ok()),
        Cell::Null => None,
    };
    value.ok_or_else(|| Unreadable("a value that is none".to_owned()))
}
