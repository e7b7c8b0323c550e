//! Every point of a bucket, exactly.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::{InfluxServer, form_encode};
use crate::{Point, Request, Value};

/// The types of the fields come first: numbers alone do not distinguish an integer from a float.
const STATEMENTS: &str = "SHOW FIELD KEYS; SELECT *::field FROM /.*/ GROUP BY *";

impl InfluxServer {
    /// Every point of a bucket whose measurements have no field of two types.
    ///
    /// # Panics
    ///
    /// Where the server reports an error.
    pub fn points(&self, bucket: &str) -> Vec<Point> {
        let target = format!("/query?db={bucket}&epoch=ns&q={}", form_encode(STATEMENTS));
        let text = self.send(Request::new("GET", &target)).succeeded().text();
        let answer: Json = serde_json::from_str(&with_quoted_numbers(&text)).unwrap();
        let [keys, selected] = [0, 1].map(|statement| {
            let result = &answer["results"][statement];
            assert!(result["error"].is_null(), "{result}");
            result["series"].as_array().cloned().unwrap_or_default()
        });
        let types: BTreeMap<(&str, &str), &str> = keys.iter().flat_map(types).collect();
        selected.iter().flat_map(|series| points(series, &types)).collect()
    }
}

fn text(value: &Json) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not text: {value}"))
}

/// The types of a measurement's fields.
fn types(series: &Json) -> impl Iterator<Item = ((&str, &str), &str)> {
    let rows = series["values"].as_array().unwrap().iter();
    rows.map(|row| ((text(&series["name"]), text(&row[0])), text(&row[1])))
}

fn points(series: &Json, types: &BTreeMap<(&str, &str), &str>) -> Vec<Point> {
    let measurement = text(&series["name"]);
    let tags =
        series["tags"].as_object().into_iter().flatten().map(|(key, value)| (key.clone(), text(value).to_owned()));
    let tags: BTreeMap<String, String> = tags.filter(|(_, value)| !value.is_empty()).collect();
    let columns: Vec<&str> = series["columns"].as_array().unwrap().iter().map(text).collect();
    let point = |row: &Json| {
        let mut cells = columns.iter().zip(row.as_array().unwrap());
        let (_, time) = cells.next().unwrap();
        let fields = cells.filter(|(_, cell)| !cell.is_null());
        let fields = fields.map(|(key, cell)| ((*key).to_owned(), value(types[&(measurement, *key)], cell))).collect();
        Point { measurement: measurement.to_owned(), tags: tags.clone(), fields, time: text(time).parse().unwrap() }
    };
    series["values"].as_array().unwrap().iter().map(point).collect()
}

fn value(kind: &str, cell: &Json) -> Value {
    match kind {
        "boolean" => Value::Boolean(cell.as_bool().unwrap()),
        "integer" => Value::Integer(text(cell).parse().unwrap()),
        "unsigned" => Value::Unsigned(text(cell).parse().unwrap()),
        "float" => Value::Float(text(cell).parse().unwrap()),
        "string" => Value::Text(text(cell).to_owned()),
        other => panic!("no such type: {other}"),
    }
}

/// JSON with its numbers as texts: as numbers, they would be rounded when they are read.
fn with_quoted_numbers(json: &str) -> String {
    let (mut quoted, mut rest) = (String::with_capacity(json.len() * 2), json);
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '"' => {
                let mut is_escaped = false;
                let closes = |next: char| {
                    let closes = next == '"' && !is_escaped;
                    is_escaped = next == '\\' && !is_escaped;
                    closes
                };
                rest[1..].find(closes).unwrap() + 2
            }
            '-' | '0'..='9' => rest.find(|next| !matches!(next, '-' | '+' | '.' | 'e' | 'E' | '0'..='9')).unwrap(),
            other => other.len_utf8(),
        };
        let (token, after) = rest.split_at(end);
        if matches!(first, '-' | '0'..='9') {
            quoted.push_str(&format!("\"{token}\""));
        } else {
            quoted.push_str(token);
        }
        rest = after;
    }
    quoted
}
