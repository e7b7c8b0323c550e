//! InfluxDB 3 Core. Lines stand for themselves unless the request demands otherwise, and those that are refused are named by
//! number. Their text is printed back from what was read, and cut.
//! Source: influxdb3_server/src/http.rs, influxdb3_write/src/write_buffer/validator.rs.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Call, State, Unread, query};
use crate::Response;
use crate::fault_server::lines::{Line, Point, Record};

/// How much of a refused line is printed back, in characters.
const ECHOED_CHARACTERS: usize = 20;

pub(super) fn answer(call: &Call<'_>) -> Response {
    match call.route() {
        ("GET" | "HEAD", "/ping") if call.rules.pings_need_token && !call.is_let_in() => unauthorized(),
        ("GET" | "HEAD", "/ping") => ping(&call.rules.version),
        ("GET", "/health") if call.rules.pings_need_token && !call.is_let_in() => unauthorized(),
        ("GET", "/health") => Response::new(200, "OK"),
        ("POST", "/api/v3/write_lp") => write(call),
        ("POST", "/api/v2/write") => write_as_v2(call),
        ("GET" | "POST", "/api/v3/query_sql") => select(call),
        ("POST", "/api/v3/query_influxql") => policies(call),
        _ => Response::new(404, "not found"),
    }
}

fn ping(version: &str) -> Response {
    let body =
        json!({ "version": version, "revision": "0000000", "process_id": "00000000-0000-4000-8000-000000000000" });
    let response = Response::new(200, &body.to_string()).header("content-type", "application/json");
    response.header("x-influxdb-version", version).header("x-influxdb-build", "Core")
}

fn unauthorized() -> Response {
    Response::new(401, "").header("cluster-uuid", "00000000-0000-4000-8000-000000000001")
}

fn error(status: u16, message: &str) -> Response {
    Response::new(status, &json!({ "error": message }).to_string()).header("content-type", "application/json")
}

fn write(call: &Call<'_>) -> Response {
    if !call.is_let_in() {
        return unauthorized();
    }
    if !call.rules.may_write {
        return Response::new(403, "");
    }
    if call.parameter("db").is_empty() {
        return Response::new(400, "missing query parameter 'db'");
    }
    if call.parameter("db") != call.rules.bucket {
        return error(422, "Adding a new database would exceed limit of 5 databases");
    }
    let text = match call.text() {
        Ok("") => return Response::new(400, "incoming write was empty"),
        Ok(text) => text,
        Err(Unread::TooLarge) => {
            return Response::new(413, &format!("max request size ({} bytes) exceeded", call.rules.bytes));
        }
        Err(Unread::Gzip) => return Response::new(400, "error decoding gzip stream: corrupt deflate stream"),
        Err(Unread::Text) => return Response::new(400, "body content is not valid utf8"),
    };
    let Some(precision) = call.precision() else {
        return Response::new(400, "serde error: unknown variant");
    };
    let accepts_partial = call.parameter("accept_partial") != "false" && !call.rules.never_partial;
    let lines = call.lines(text, precision);
    let refused =
        if accepts_partial { keep_each(&mut call.state(), lines) } else { keep_all_or_none(&mut call.state(), lines) };
    let Some(first) = refused.first() else { return Response::new(204, "") };
    // The limits of the catalog make it another status.
    let limits = ["Update to schema would exceed", "Adding a new database"];
    let reaches_limit = |line: &Value| {
        line["error_message"].as_str().is_some_and(|message| limits.iter().any(|limit| message.starts_with(limit)))
    };
    let status = if refused.iter().any(reaches_limit) { 422 } else { 400 };
    let body = if accepts_partial {
        json!({ "error": "partial write of line protocol occurred", "data": refused })
    } else {
        json!({ "error": "line protocol parsing error", "data": first })
    };
    Response::new(status, &body.to_string()).header("content-type", "application/json")
}

/// Keeps every line that can be kept. Returns the others. Before 3.11.2 the tags of a line that is refused become tags of the next line that
/// is kept (influxdata/influxdb, release notes of 3.11.2, "Partial schema changes from a rejected line").
fn keep_each(state: &mut State, lines: Vec<Line<'_>>) -> Vec<Value> {
    let leaks = state.rules.version.split('.').map(|part| part.parse().unwrap_or(0)).lt([3_u32, 11, 2]);
    let mut leaked = BTreeMap::new();
    let mut refused = Vec::new();
    for (line, number) in lines.into_iter().zip(1..) {
        let tags = match &line.record {
            Ok(Record::Point(point)) if leaks => point.tags.clone(),
            _ => BTreeMap::new(),
        };
        match check(state, line) {
            Ok(Record::Point(mut point)) => {
                for (key, value) in std::mem::take(&mut leaked) {
                    point.tags.entry(key).or_insert(value);
                }
                state.keep(Record::Point(point));
            }
            Ok(record) => state.keep(record),
            Err(echo) => {
                leaked.extend(tags);
                refused.push(named(number, &echo));
            }
        }
    }
    refused
}

/// Keeps all lines, or none. Returns the first that cannot be kept.
fn keep_all_or_none(state: &mut State, lines: Vec<Line<'_>>) -> Vec<Value> {
    let types = state.types.clone();
    let mut records = Vec::with_capacity(lines.len());
    for (line, number) in lines.into_iter().zip(1..) {
        match check(state, line) {
            Ok(record) => records.push(record),
            Err(echo) => {
                state.types = types;
                return vec![named(number, &echo)];
            }
        }
    }
    records.into_iter().for_each(|record| state.keep(record));
    Vec::new()
}

/// A line that is refused, as it is printed back, and why.
struct Echo {
    line: String,
    reason: String,
}

/// Numbers are those of the lines that are neither empty nor comments, from 1.
fn named(number: usize, Echo { line, reason }: &Echo) -> Value {
    let line: String = line.chars().take(ECHOED_CHARACTERS).collect();
    json!({ "original_line": line, "line_number": number, "error_message": reason })
}

/// Holds a line against its table, which gets the columns that are new.
fn check(state: &mut State, line: Line<'_>) -> Result<Record, Echo> {
    let checked = line.record.and_then(|record| match record {
        Record::Point(point) => check_point(state, &point).map(|()| Record::Point(point)),
        hash @ Record::Hash(_) => Ok(hash),
    });
    checked.map_err(|reason| Echo { line: line.rendered, reason })
}

fn check_point(state: &mut State, point: &Point) -> Result<(), String> {
    let tags = point.tags.keys().map(|key| (key, "tag"));
    let fields = point.fields.iter().map(|(key, value)| (key, value.kind()));
    let mut new = Vec::new();
    for (key, kind) in tags.chain(fields) {
        let column = (0, point.measurement.clone(), key.clone());
        match state.types.get(&column) {
            _ if key == "time" => return Err("'time' is a reserved column".to_owned()),
            Some(known) if *known != kind => {
                let [known, kind] = [known, kind].map(|kind| match kind {
                    "tag" => "tag".to_owned(),
                    field => format!("field::{field}"),
                });
                return Err(format!(
                    "invalid column type for column '{key}', expected iox::column_type::{known}, got \
                     iox::column_type::{kind}"
                ));
            }
            Some(_) => {}
            None => new.push((column, kind)),
        }
    }
    let known = state.types.keys().filter(|(_, table, _)| *table == point.measurement).count();
    let limit = state.rules.columns;
    // With the time.
    if !new.is_empty() && known + new.len() + 1 > limit {
        return Err(format!("Update to schema would exceed number of columns per table limit of {limit} columns"));
    }
    state.types.extend(new);
    Ok(())
}

/// The endpoint for clients of 2.x, which calls what goes wrong in the engine, passing or not, a bad request.
fn write_as_v2(call: &Call<'_>) -> Response {
    let error = |status, code, message: &str| {
        let body = json!({ "code": code, "message": message });
        Response::new(status, &body.to_string()).header("content-type", "application/json")
    };
    if !call.is_let_in() {
        return error(401, "unauthorized", "unauthorized access");
    }
    error(400, "invalid", "write buffer error: the write-ahead log is being rotated")
}

/// The retention of the database, which is the one thing that it reports in InfluxQL.
fn policies(call: &Call<'_>) -> Response {
    if !call.is_let_in() {
        return unauthorized();
    }
    let rules = call.rules;
    let policy = json!([{ "iox::database": rules.bucket, "name": "autogen", "duration": rules.retention }]);
    Response::new(200, &policy.to_string()).header("content-type", "application/json")
}

/// The columns of all tables, which are more than those that are asked for.
fn columns(state: &State) -> Value {
    let column = |((_, table, column), kind): (&(i64, String, String), &&str)| {
        let kind = match *kind {
            "tag" => "Dictionary(Int32, Utf8)",
            "float" => "Float64",
            "integer" => "Int64",
            "unsigned" => "UInt64",
            "boolean" => "Boolean",
            _ => "Utf8",
        };
        json!({ "table_name": table, "column_name": column, "data_type": kind })
    };
    state.types.iter().map(column).collect()
}

fn select(call: &Call<'_>) -> Response {
    if !call.is_let_in() {
        return unauthorized();
    }
    let body = serde_json::from_str::<Value>(call.text().unwrap_or_default()).unwrap_or_default();
    let parameter = |name: &str| body[name].as_str().map_or_else(|| call.parameter(name), str::to_owned);
    if parameter("db") != call.rules.bucket {
        return error(404, &format!("query error: database not found: {}", parameter("db")));
    }
    let statement = parameter("q");
    if statement.contains("information_schema.columns") {
        return Response::new(200, &columns(&call.state()).to_string()).header("content-type", "application/json");
    }
    let rows = query::sql(&statement, &call.state().store);
    Response::new(200, &Value::from(rows).to_string()).header("content-type", "application/json")
}
