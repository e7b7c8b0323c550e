//! InfluxDB 3, Timestream for InfluxDB 3 among them.
//!
//! `POST /api/v3/write_lp?db&precision&accept_partial&no_sync`. A refused line keeps none of the others out, and is named
//! by its number. An answer means that the points are in the write-ahead log. The endpoints that 3 has for clients of 1.x
//! and 2.x are not used: they answer 400 where the server fails and not the points.

use reqwest::{Method, Url};
use serde_json::{Value, json};

use super::{Endpoint, Engine, Profile, Query, is_damaged};
use crate::config::{InfluxDbSettings, Token};
use crate::sink::influxdb::http::{self, Body, Credentials, Exchange, Failure, Scheme};

/// What it says of bytes that were lost on the way (`influxdb3_server/src/http.rs`).
const DAMAGED: [&str; 1] = ["error decoding gzip stream"];

/// What it says of a request that is too large. Up to 3.9 it does so with 500.
const TOO_LARGE: &str = "max request size";

/// It acknowledges requests at the next tick of a second, whatever their size: what counts is how much is in flight. Half of
/// what it takes in a request by default is 5 MiB; of 32 requests that would be too much to hold.
pub(super) const PROFILE: Profile = Profile { points: 10_000, bytes: 1 << 20, requests: 32, shards: false };

/// Where points go: the bucket of the settings is the database.
pub(super) fn endpoint(base: &Url, settings: &InfluxDbSettings) -> Endpoint {
    let mut url = http::join(base, &["api", "v3", "write_lp"]);
    url.query_pairs_mut()
        .append_pair("db", &settings.bucket)
        // Without it the server guesses by the size of each number.
        .append_pair("precision", "nanosecond")
        .append_pair("accept_partial", "true")
        .append_pair("no_sync", "false");
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
