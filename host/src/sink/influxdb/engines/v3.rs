//! InfluxDB 3, Timestream for InfluxDB 3 among them.
//!
//! `POST /api/v3/write_lp?db&precision&accept_partial&no_sync`. A refused line is named by its number, and keeps none of the others out
//! from 3.11.2 on; before, all of them are. An answer means that the points are in the write-ahead log, unless `no_sync` is asked for: then
//! it comes before, and a server that dies within its next tick has lost them. A table is sorted by its tags, in the order in which
//! they came first: in that of the plan. The endpoints that 3 has for clients of 1.x
//! and 2.x are not used: they answer 400 where the server fails and not the points.

use std::collections::BTreeMap;

use reqwest::{Method, Url};
use serde_json::{Value, json};

use super::{Bucket, Endpoint, Engine, Profile, Query, ServerTable, Unreadable, is_damaged};
use crate::config::{InfluxDbSettings, Token};
use crate::points::go_duration;
use crate::sink::influxdb::http::{self, Body, Credentials, Exchange, Failure, Scheme};

/// Its message about bytes that were lost on the way (`influxdb3_server/src/http.rs`).
const DAMAGED: [&str; 1] = ["error decoding gzip stream"];

/// Its message about a request that is too large. Up to 3.9 it does so with 500.
const TOO_LARGE: &str = "max request size";

/// It acknowledges requests at the next tick of a second, whatever their size: what counts is how much is in flight, from
/// the start. Half of what it takes in a request by default is 5 MiB; of 32 requests that would be too much to hold.
pub(super) const PROFILE: Profile =
    Profile { points: 10_000, bytes: 1 << 20, most_bytes: 10 << 20, first_requests: 16, requests: 32, shards: false };

/// The first version that keeps the other lines of a request as they were sent. Before, a line that is refused could leave its
/// tags to the next one.
const PARTIAL: [u32; 3] = [3, 11, 2];

/// Where points go: the bucket of the settings is the database.
pub(super) fn endpoint(base: &Url, settings: &InfluxDbSettings, version: Option<&str>, no_sync: bool) -> Endpoint {
    let mut url = http::join(base, &["api", "v3", "write_lp"]);
    url.query_pairs_mut()
        .append_pair("db", &settings.bucket)
        // Without it the server guesses by the size of each number.
        .append_pair("precision", "nanosecond")
        .append_pair("accept_partial", if keeps_others(version) { "true" } else { "false" })
        .append_pair("no_sync", if no_sync { "true" } else { "false" });
    let token = |token: &Token| Credentials::token(token.clone(), Scheme::Bearer);
    Endpoint {
        engine: Engine::V3,
        url,
        target: format!("database `{}`", settings.bucket),
        credentials: settings.token.as_ref().map_or_else(Credentials::nobody, token),
        reader: settings.read_token.as_ref().map(token),
        judge,
    }
}

/// Whether a server keeps the lines beside those that it refuses, as far as its version is known. Where it does not, the lines at fault
/// are found by sending fewer of them.
fn keeps_others(version: Option<&str>) -> bool {
    let number = |part: &str| {
        part.bytes()
            .take_while(u8::is_ascii_digit)
            .fold(0_u32, |number, digit| number.saturating_mul(10).saturating_add(u32::from(digit - b'0')))
    };
    let mut parts = version.unwrap_or_default().trim_start_matches('v').splitn(3, '.').map(number);
    let version: [u32; 3] = std::array::from_fn(|_| parts.next().unwrap_or_default());
    version >= PARTIAL
}

fn judge(exchange: Exchange) -> Result<Exchange, Failure> {
    match exchange.status.as_u16() {
        400 if is_damaged(&exchange, &DAMAGED) => Err(exchange.damaged()),
        500 if exchange.text().contains(TOO_LARGE) => Err(exchange.too_large()),
        _ => http::judge_write(exchange),
    }
}

pub(super) fn query(base: &Url, settings: &InfluxDbSettings, measurement: &str, time: u128) -> Query {
    let url = http::join(base, &["api", "v3", "query_sql"]);
    let query = format!("SELECT value FROM {measurement} WHERE time = to_timestamp_nanos({time})");
    let parameters = json!({ "db": settings.bucket, "q": query, "format": "json" });
    let body = Body::text(parameters.to_string(), "application/json");
    Query { method: Method::POST, url, body: Some(body) }
}

pub(super) fn holds_point(body: &[u8]) -> bool {
    serde_json::from_slice::<Value>(body).is_ok_and(|json| json.get(0).is_some())
}

/// It takes points of any age, and does not show old ones.
pub(super) fn bucket_query(base: &Url, settings: &InfluxDbSettings) -> Query {
    let url = http::join(base, &["api", "v3", "query_influxql"]);
    let parameters = json!({ "db": settings.bucket, "q": "SHOW RETENTION POLICIES", "format": "json" });
    let body = Body::text(parameters.to_string(), "application/json");
    Query { method: Method::POST, url, body: Some(body) }
}

pub(super) fn bucket(answer: &Value) -> Option<Bucket> {
    let retention = go_duration::read(answer[0]["duration"].as_str()?)?;
    let retention = Some(retention).filter(|retention| !retention.is_zero());
    Some(Bucket { retention, shard: None, name: None, command: String::new() })
}

pub(super) fn schema_query(base: &Url, settings: &InfluxDbSettings, measurements: &[String]) -> Query {
    let url = http::join(base, &["api", "v3", "query_sql"]);
    let names: Vec<String> = measurements.iter().map(|name| format!("'{}'", name.replace('\'', "''"))).collect();
    let query = format!(
        "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'iox' AND table_name IN ({})",
        names.join(", ")
    );
    let parameters = json!({ "db": settings.bucket, "q": query, "format": "json" });
    Query { method: Method::POST, url, body: Some(Body::text(parameters.to_string(), "application/json")) }
}

pub(super) fn schema(body: &[u8]) -> Result<BTreeMap<String, ServerTable>, Unreadable> {
    let rows: Vec<Value> =
        serde_json::from_slice(body).map_err(|_| Unreadable("the answer is no list of columns".to_owned()))?;
    let mut tables: BTreeMap<String, ServerTable> = BTreeMap::new();
    for row in rows {
        let cell = |column: &str| row[column].as_str().unwrap_or_default().to_owned();
        let table = tables.entry(cell("table_name")).or_default();
        let kind = match cell("data_type") {
            tag if tag.starts_with("Dictionary") => {
                table.tags.insert(cell("column_name"));
                continue;
            }
            time if time.starts_with("Timestamp") => continue,
            other => match other.as_str() {
                "Float64" => "float".to_owned(),
                "Int64" => "integer".to_owned(),
                "UInt64" => "unsigned".to_owned(),
                "Boolean" => "boolean".to_owned(),
                "Utf8" => "string".to_owned(),
                _ => other,
            },
        };
        table.fields.entry(cell("column_name")).or_default().insert(kind);
    }
    Ok(tables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partial_writes_are_asked_for_where_the_version_is_known_to_keep_them_right() {
        for version in ["3.11.2", "v3.11.2", "3.11.10", "3.12.0", "3.12.0-beta.1", "4.0"] {
            assert!(keeps_others(Some(version)), "{version}");
        }
        for version in ["3.11.1", "3.9.12", "3.0", "3", "", "dev", "3.x.99"] {
            assert!(!keeps_others(Some(version)), "{version}");
        }
        assert!(!keeps_others(None));
    }
}
