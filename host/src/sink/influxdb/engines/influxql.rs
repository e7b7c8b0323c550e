//! What 1.x and 2.x are asked of measurements, in InfluxQL, which 2.x understands for clients of 1.x.

use std::collections::BTreeMap;

use reqwest::{Method, Url};
use serde_json::Value;

use super::v1::{identifier, place};
use super::{Query, ServerTable, Unreadable};
use crate::config::InfluxDbSettings;
use crate::sink::influxdb::http::{self, Body};

pub(super) fn schema_query(base: &Url, settings: &InfluxDbSettings, measurements: &[String]) -> Query {
    let from: Vec<String> = measurements.iter().map(|measurement| source(settings, measurement)).collect();
    let from = from.join(",");
    query(base, settings, &format!("SHOW FIELD KEYS FROM {from}; SHOW TAG KEYS FROM {from}"))
}

pub(super) fn schema(body: &[u8]) -> Result<BTreeMap<String, ServerTable>, Unreadable> {
    let answer = read(body)?;
    let mut tables: BTreeMap<String, ServerTable> = BTreeMap::new();
    for (result, series) in results(&answer).flat_map(|(result, series)| series.map(move |series| (result, series))) {
        let table = tables.entry(series["name"].as_str().unwrap_or_default().to_owned()).or_default();
        for row in series["values"].as_array().into_iter().flatten() {
            let cell = |column: usize| row[column].as_str().unwrap_or_default().to_owned();
            if result == 0 {
                table.fields.entry(cell(0)).or_default().insert(cell(1));
            } else {
                table.tags.insert(cell(0));
            }
        }
    }
    Ok(tables)
}

pub(super) fn series_query(base: &Url, settings: &InfluxDbSettings, measurement: &str, most: usize) -> Query {
    query(base, settings, &format!("SHOW SERIES FROM {} LIMIT {most}", source(settings, measurement)))
}

pub(super) fn series(body: &[u8]) -> Result<Vec<String>, Unreadable> {
    let answer = read(body)?;
    let rows = results(&answer)
        .flat_map(|(_, series)| series)
        .flat_map(|series| series["values"].as_array().into_iter().flatten());
    Ok(rows.filter_map(|row| row[0].as_str().map(str::to_owned)).collect())
}

/// In the body, as measurements may be many.
pub(super) fn query(base: &Url, settings: &InfluxDbSettings, statements: &str) -> Query {
    let (database, policy) = place(settings);
    let mut url = http::join(base, &["query"]);
    url.query_pairs_mut().append_pair("db", database).append_pair("epoch", "ns");
    if let Some(policy) = policy {
        url.query_pairs_mut().append_pair("rp", policy);
    }
    let mut form = base.clone();
    form.query_pairs_mut().clear().append_pair("q", statements);
    let body = form.query().unwrap_or_default().to_owned();
    Query { method: Method::POST, url, body: Some(Body::text(body, "application/x-www-form-urlencoded")) }
}

pub(super) fn source(settings: &InfluxDbSettings, measurement: &str) -> String {
    match place(settings).1 {
        Some(policy) => format!("{}.{}", identifier(policy), identifier(measurement)),
        None => identifier(measurement),
    }
}

fn read(body: &[u8]) -> Result<Value, Unreadable> {
    let answer: Value = serde_json::from_slice(body).map_err(|_| Unreadable("the answer is not JSON".to_owned()))?;
    let results = answer["results"].as_array().into_iter().flatten();
    let error = results.chain([&answer]).find_map(|result| result["error"].as_str()).map(str::to_owned);
    error.map_or(Ok(answer), |error| Err(Unreadable(error)))
}

/// The series of each result, with its number.
fn results(answer: &Value) -> impl Iterator<Item = (usize, std::slice::Iter<'_, Value>)> {
    let results = answer["results"].as_array().map_or([].as_slice(), Vec::as_slice);
    results
        .iter()
        .enumerate()
        .map(|(number, result)| (number, result["series"].as_array().map_or([].as_slice(), Vec::as_slice).iter()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_may_have_several_types() {
        let answer = json!({ "results": [
            { "statement_id": 0, "series": [{ "name": "m", "columns": ["fieldKey", "fieldType"],
                "values": [["s", "string"], ["v", "float"], ["v", "integer"]] }] },
            { "statement_id": 1, "series": [{ "name": "m", "columns": ["tagKey"], "values": [["t"]] }] },
        ] });
        let tables = schema(answer.to_string().as_bytes()).unwrap_or_else(|_| unreachable!());
        let table = &tables["m"];
        assert_eq!(table.fields["v"].iter().collect::<Vec<_>>(), ["float", "integer"]);
        assert_eq!(table.tags.iter().collect::<Vec<_>>(), ["t"]);
    }

    #[test]
    fn what_may_not_be_read_is_no_empty_schema() {
        let denied = json!({ "results": [{ "statement_id": 0, "error": "database not found: b" }] });
        assert!(schema(denied.to_string().as_bytes()).is_err());
        assert!(schema(b"<html>").is_err());
        let nothing = json!({ "results": [{ "statement_id": 0 }, { "statement_id": 1 }] });
        assert!(schema(nothing.to_string().as_bytes()).is_ok_and(|tables| tables.is_empty()));
    }

    #[test]
    fn names_are_quoted_and_the_policy_stands_before_them() {
        let settings = InfluxDbSettings { bucket: "d/p".to_owned(), ..InfluxDbSettings::default() };
        assert_eq!(source(&settings, "a\"b"), "\"p\".\"a\\\"b\"");
    }
}
