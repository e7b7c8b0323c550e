//! InfluxDB 2.7. One line that does not parse keeps all lines of its request out.
//! Source: http/write_handler.go, http/points/points_parser.go.

use jiff::Timestamp;
use serde_json::json;

use super::shards::{self, Dropped};
use super::{Call, Unread, parted, query, unable_to_parse};
use crate::Response;
use crate::fault_server::lines::Point;

const VERSION: &str = "v2.7.12";

pub(super) fn answer(call: &Call<'_>) -> Response {
    let response = match call.route() {
        ("GET" | "HEAD", "/ping") => Response::new(204, ""),
        ("GET", "/health") => {
            let health = json!({ "name": "influxdb", "message": "ready for queries and writes", "status": "pass", "checks": [], "version": VERSION });
            Response::new(200, &health.to_string()).header("content-type", "application/json; charset=utf-8")
        }
        ("POST", "/api/v2/write") => write(call),
        ("POST", "/api/v2/query") => select(call),
        _ => error(404, "not found", "path not found"),
    };
    response.header("x-influxdb-version", VERSION).header("x-influxdb-build", "OSS")
}

fn error(status: u16, code: &str, message: &str) -> Response {
    let body = json!({ "code": code, "message": message });
    Response::new(status, &body.to_string()).header("content-type", "application/json; charset=utf-8")
}

/// What keeps a caller from the organization.
fn refusal(call: &Call<'_>) -> Option<Response> {
    let organization = call.parameter("org");
    if !call.is_let_in() {
        Some(error(401, "unauthorized", "unauthorized access"))
    } else if organization != call.rules.organization {
        Some(error(404, "not found", &format!("organization name \"{organization}\" not found")))
    } else {
        None
    }
}

fn write(call: &Call<'_>) -> Response {
    if let Some(refused) = refusal(call) {
        return refused;
    }
    let bucket = call.parameter("bucket");
    let Some(precision) = call.precision() else {
        return error(400, "invalid", "invalid precision; valid precision units are ns, us, ms, and s");
    };
    if bucket != call.rules.bucket {
        return error(404, "not found", &format!("bucket \"{bucket}\" not found"));
    }
    if !call.rules.may_write {
        return error(403, "forbidden", "insufficient permissions for write");
    }
    let text = match call.text() {
        Ok("") => return error(400, "invalid", "writing requires points"),
        Ok(text) => text,
        Err(Unread::TooLarge) => {
            return error(413, "request too large", "unable to read data: points batch is too large");
        }
        Err(Unread::Gzip) => return error(400, "invalid", "unable to read data: gzip: invalid header"),
        Err(Unread::Text) => return error(400, "invalid", "unable to parse: invalid UTF-8"),
    };
    let (records, refused) = parted(call.lines(text, precision));
    if !refused.is_empty() {
        return error(400, "invalid", &unable_to_parse(&refused));
    }
    let reason = match shards::write(&mut call.state(), records) {
        None => return Response::new(204, ""),
        Some(Dropped::Refused { reason, count }) => format!("{reason} dropped={count}"),
        Some(Dropped::TooOld { points }) => too_old(&points, call.rules.oldest.unwrap_or_default()),
    };
    let message = format!("failure writing points to database: partial write: {reason}");
    error(422, "unprocessable entity", &message)
}

/// How 2.7 reports points beyond the retention: their number, the oldest and the newest of them, and the bound.
fn too_old(points: &[Point], bound: i64) -> String {
    let count = points.len();
    let shown = |which: &str, point: Option<&Point>| {
        let (series, time) = point.map_or_else(Default::default, |point| (point.series(), point.time));
        let (time, bound) = (date(time), date(bound));
        format!(
            "{which} point {series} at {time} dropped because it violates a Retention Policy Lower Bound at {bound}"
        )
    };
    let oldest = shown("oldest", points.iter().min_by_key(|point| point.time));
    let newest = shown("newest", points.iter().max_by_key(|point| point.time));
    format!(
        "dropped {count} points outside retention policy of duration 720h0m0s - {oldest}, {newest} dropped={count} for \
         database: 1c7a2f5b9d3e4806 for retention policy: autogen"
    )
}

fn date(nanoseconds: i64) -> String {
    Timestamp::from_nanosecond(nanoseconds.into()).unwrap().to_string()
}

fn select(call: &Call<'_>) -> Response {
    if let Some(refused) = refusal(call) {
        return refused;
    }
    // The query alone, or JSON that has it.
    let text = call.text().unwrap_or_default();
    let flux = serde_json::from_str::<serde_json::Value>(text).ok();
    let flux = flux.as_ref().and_then(|body| body["query"].as_str()).unwrap_or(text);
    let csv = query::flux(flux, &call.state().store);
    Response::new(200, &csv).header("content-type", "text/csv; charset=utf-8")
}
