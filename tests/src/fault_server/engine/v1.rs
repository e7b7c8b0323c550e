//! InfluxDB 1.8. Lines stand for themselves: one that does not parse keeps none of the others out.
//! Source: services/httpd/handler.go.

use serde_json::json;

use super::shards::{self, Dropped};
use super::{Call, Unread, parted, query, unable_to_parse};
use crate::Response;
use crate::http::form_parameter;

const VERSION: &str = "1.8.10";

/// How much of an error stands in a header too.
const HEADER_BYTES: usize = 1024;

pub(super) fn answer(call: &Call<'_>) -> Response {
    let response = match call.route() {
        ("GET" | "HEAD", "/ping") => Response::new(204, ""),
        ("POST", "/write") => write(call),
        ("GET" | "POST", "/query") => select(call),
        _ => Response::new(404, "404 page not found\n"),
    };
    response.header("x-influxdb-version", VERSION).header("x-influxdb-build", "OSS")
}

fn error(status: u16, message: &str) -> Response {
    let response = Response::new(status, &format!("{}\n", json!({ "error": message })));
    let in_header = message[..message.floor_char_boundary(HEADER_BYTES)].replace('\n', " ");
    response.header("content-type", "application/json").header("x-influxdb-error", &in_header)
}

/// What keeps a caller from the database.
fn refusal(call: &Call<'_>) -> Option<Response> {
    if !call.is_let_in() {
        let refused = error(401, "authorization failed");
        return Some(refused.header("www-authenticate", "Basic realm=\"InfluxDB\""));
    }
    match call.parameter("db") {
        none if none.is_empty() => Some(error(400, "database is required")),
        database if database != call.rules.bucket => Some(error(404, &format!("database not found: \"{database}\""))),
        _ => None,
    }
}

fn write(call: &Call<'_>) -> Response {
    if let Some(refused) = refusal(call) {
        return refused;
    }
    if !call.rules.may_write {
        let database = call.parameter("db");
        return error(403, &format!("\"loader\" user is not authorized to write to database \"{database}\""));
    }
    let text = match call.text() {
        Ok(text) => text,
        Err(Unread::TooLarge) => return error(413, "http: request body too large"),
        Err(Unread::Gzip) => return error(400, "gzip: invalid header"),
        Err(Unread::Text) => return error(400, "invalid UTF-8"),
    };
    // A precision that 1.x does not know is taken for nanoseconds.
    let precision = call.precision().unwrap_or(crate::fault_server::lines::Precision::Unit(1));
    let (records, refused) = parted(call.lines(text, precision));
    if records.is_empty() && !refused.is_empty() {
        return error(400, &unable_to_parse(&refused));
    }
    // Where points are dropped, lines that do not parse are not reported.
    match shards::write(&mut call.state(), records) {
        Some(Dropped::Refused { reason, count }) => error(400, &format!("partial write: {reason} dropped={count}")),
        Some(Dropped::TooOld { points }) => {
            error(400, &format!("partial write: points beyond retention policy dropped={}", points.len()))
        }
        None if !refused.is_empty() => error(400, &format!("partial write: {} dropped=0", unable_to_parse(&refused))),
        None => Response::new(204, ""),
    }
}

fn select(call: &Call<'_>) -> Response {
    if let Some(refused) = refusal(call) {
        return refused;
    }
    let in_body = call.text().ok().and_then(|form| form_parameter(form, "q"));
    let Some(statement) = in_body.or_else(|| call.request.parameter("q")) else {
        return error(400, "missing required parameter \"q\"");
    };
    let rows = query::select(&statement, &call.state().store);
    let mut result = json!({ "statement_id": 0 });
    if let Some((measurement, columns, values)) = rows {
        result["series"] = json!([{ "name": measurement, "columns": columns, "values": values }]);
    }
    let answer = json!({ "results": [result] });
    Response::new(200, &format!("{answer}\n")).header("content-type", "application/json")
}
