//! The models of the engines against what the engines themselves answered: each recorded write is sent to the model, which
//! has to answer with the same status, and to store the same points. `tests/data/engines` documents where the records are from.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use influxdb_loader_tests::{Dialect, FaultServer, Point, Request, Value, flux_rows};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value as Json;

/// A point: its time and its columns, as text that is the same for the same value.
type Row = (i64, BTreeMap<String, String>);

/// What the model of an engine does not do as the engine does, and why that is left.
struct Unlike {
    probe: &'static str,
    #[allow(dead_code, reason = "it is for those who read it")]
    reason: &'static str,
}

fn records(file: &str) -> Json {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/engines").join(file);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn write_of(dialect: Dialect, lines: &str) -> Request {
    let target = match dialect {
        Dialect::V1 => "/write?db=energy_data&precision=ns",
        Dialect::V2 => "/api/v2/write?org=ons-energy&bucket=energy_data&precision=ns",
        Dialect::V3 => "/api/v3/write_lp?db=energy_data&precision=nanosecond&accept_partial=true",
    };
    Request::new("POST", target).header("authorization", "Bearer token-of-the-test").body(lines)
}

/// A number or a text, so that a float without a fraction is the same as an integer: 1.x writes both alike.
fn cell(value: &Json) -> String {
    match value.as_f64() {
        Some(number) if !value.is_i64() && !value.is_u64() => float(number),
        _ => value.as_str().map_or_else(|| value.to_string(), |text| format!("{text:?}")),
    }
}

fn float(number: f64) -> String {
    // Without the sign of zero, which 1.x does not keep.
    format!("{}", number + 0.0)
}

fn row_of(point: &Point) -> Row {
    let mut columns: BTreeMap<String, String> =
        point.tags.iter().map(|(key, value)| (key.clone(), format!("{value:?}"))).collect();
    for (key, value) in &point.fields {
        let text = match value {
            Value::Boolean(value) => value.to_string(),
            Value::Integer(value) => value.to_string(),
            Value::Unsigned(value) => value.to_string(),
            Value::Float(value) => float(*value),
            Value::Text(value) => format!("{value:?}"),
        };
        columns.insert(key.clone(), text);
    }
    (point.time, columns)
}

/// The rows of InfluxDB 3: an object each.
fn rows_of_v3(stored: &Json) -> Option<Vec<Row>> {
    let row = |row: &Json| {
        let mut columns: BTreeMap<String, String> = row
            .as_object()
            .unwrap()
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(k, v)| (k.clone(), cell(v)))
            .collect();
        columns.remove("time");
        let time: DateTime = row["time"].as_str().unwrap().parse().unwrap();
        let time = time.to_zoned(TimeZone::UTC).unwrap().timestamp().as_nanosecond();
        (i64::try_from(time).unwrap(), columns)
    };
    Some(stored.as_array()?.iter().map(row).collect())
}

/// The rows of 2.x: the answer to a query in Flux, which has a row for each field.
fn rows_of_v2(stored: &Json) -> Option<Vec<Row>> {
    let mut rows: BTreeMap<(i64, BTreeMap<String, String>), BTreeMap<String, String>> = BTreeMap::new();
    for mut row in flux_rows(stored.as_str()?) {
        let mut take = |column: &str| row.remove(column).unwrap();
        let (time, field, value, kind) = (take("_time"), take("_field"), take("_value"), take("#datatype"));
        for column in ["", "result", "table", "_measurement"] {
            take(column);
        }
        let time: Timestamp = time.parse().unwrap();
        let value = match kind.as_str() {
            "string" => format!("{value:?}"),
            "double" => float(value.parse().unwrap()),
            _ => value,
        };
        let tags = row.into_iter().map(|(key, value)| (key, format!("{value:?}"))).collect();
        rows.entry((i64::try_from(time.as_nanosecond()).unwrap(), tags)).or_default().insert(field, value);
    }
    Some(rows.into_iter().map(|((time, tags), fields)| (time, tags.into_iter().chain(fields).collect())).collect())
}

/// The rows of 1.x: series with their tags.
fn rows_of_v1(stored: &Json) -> Option<Vec<Row>> {
    let mut rows = Vec::new();
    for series in stored.as_array()? {
        let tags = series["tags"].as_object().into_iter().flatten();
        let tags = tags.filter(|(_, value)| value.as_str() != Some("")).map(|(key, value)| (key.clone(), cell(value)));
        let tags: BTreeMap<String, String> = tags.collect();
        for values in series["values"].as_array().unwrap() {
            let columns = series["columns"].as_array().unwrap().iter().zip(values.as_array().unwrap());
            let fields = columns.skip(1).filter(|(_, value)| !value.is_null());
            let fields = fields.map(|(name, value)| (name.as_str().unwrap().to_owned(), cell(value)));
            rows.push((values[0].as_i64().unwrap(), tags.clone().into_iter().chain(fields).collect()));
        }
    }
    Some(rows)
}

/// Writes what was written to the engine to its model. Returns how they differ, if they do, and `None` where the record is
/// not complete.
fn difference(dialect: Dialect, probe: &Json, rows: fn(&Json) -> Option<Vec<Row>>) -> Option<Result<(), String>> {
    let answers = probe["answers"].as_array().unwrap();
    if answers.iter().any(|answer| answer["lines"].as_str().unwrap().ends_with(" bytes")) {
        return None;
    }
    let server = FaultServer::start(dialect);
    let mut has_own_time = true;
    for answer in answers {
        let lines = answer["lines"].as_str().unwrap();
        has_own_time &= lines != "p49,t=a f=1";
        let response = server.request(&write_of(dialect, lines)).unwrap();
        if response.status != answer["status"] {
            return Some(Err(format!(
                "status {} instead of {}: {}",
                response.status,
                answer["status"],
                response.text()
            )));
        }
        if dialect == Dialect::V3 && response.status >= 400 {
            let numbers = |body: &Json| -> Vec<Json> {
                body["data"].as_array().unwrap().iter().map(|line| line["line_number"].clone()).collect()
            };
            let recorded: Json = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
            if numbers(&response.json()) != numbers(&recorded) {
                return Some(Err(format!("it names other lines than {recorded}: {}", response.text())));
            }
        }
    }
    let mut kept: Vec<Row> = server.store().points().map(row_of).collect();
    let mut recorded: Vec<Row> = Vec::new();
    for stored in probe["stored"].as_object().unwrap().values() {
        // A table that does not exist, or that the engine cannot read any more.
        match rows(stored) {
            Some(rows) => recorded.extend(rows),
            None if stored["status"].as_u64().is_some_and(|status| status >= 400) => {}
            None => panic!("not rows: {stored}"),
        }
    }
    if !has_own_time {
        for (time, _) in kept.iter_mut().chain(&mut recorded) {
            *time = 0;
        }
    }
    kept.sort();
    recorded.sort();
    Some(if kept == recorded { Ok(()) } else { Err(format!("it keeps {kept:?} instead of {recorded:?}")) })
}

#[track_caller]
fn assert_alike(dialect: Dialect, file: &str, rows: fn(&Json) -> Option<Vec<Row>>, cut: &[&str], unlike: &[Unlike]) {
    let records = records(file);
    let (mut incomplete, mut wrong) = (BTreeSet::new(), BTreeMap::new());
    for (name, probe) in records["probes"].as_object().unwrap() {
        match difference(dialect, probe, rows) {
            None => drop(incomplete.insert(name.as_str())),
            Some(Ok(())) => {}
            Some(Err(difference)) => drop(wrong.insert(name.as_str(), difference)),
        }
    }
    assert_eq!(incomplete, cut.iter().copied().collect(), "what is not recorded in full");
    let known: BTreeSet<&str> = unlike.iter().map(|unlike| unlike.probe).collect();
    let told: Vec<String> =
        wrong.iter().filter(|(name, _)| !known.contains(*name)).map(|(name, told)| format!("{name}: {told}")).collect();
    assert!(told.is_empty(), "{}", told.join("\n"));
    let mended: Vec<_> = known.iter().filter(|name| !wrong.contains_key(*name)).collect();
    assert!(mended.is_empty(), "no difference any more: {mended:?}");
}

/// Bodies that are too long to be kept.
const CUT: &[&str] =
    &["text-64k", "text-1m", "tag-64k", "series-key-65535", "600-fields", "100-bad-of-1000", "100-conflicts-of-1000"];

/// The model reads lines by the parser of InfluxDB 3, whose escapes and blanks are others.
const PARSER: &str = "text of every kind goes to the server itself, in line_protocol.rs";

#[test]
fn the_model_of_influxdb_3_answers_and_keeps_what_influxdb_3_does() {
    let unlike = [Unlike {
        probe: "tag-twice",
        reason: "the line is taken and spoils the table; the model refuses it, so that a loader that wrote it would be found",
    }];
    assert_alike(Dialect::V3, "influxdb3-3.10.1.json", rows_of_v3, CUT, &unlike);
}

#[test]
fn the_model_of_2_answers_and_keeps_what_2_does() {
    let unlike = [
        ("conflict-in-another-shard", "Flux shows the values of the first shard's type alone, InfluxQL all of them"),
        ("tag-carriage-return", "Flux drops the carriage return from its answer"),
        ("time-max", "no range of Flux has it"),
        ("time-min", "the range of the recorded query does not have it"),
        ("tag-backslash-comma", PARSER),
        ("tag-backslash-space", PARSER),
        ("tag-tab", PARSER),
        ("tag-two-backslashes", PARSER),
    ]
    .map(|(probe, reason)| Unlike { probe, reason });
    assert_alike(Dialect::V2, "influxdb-2.7.12.json", rows_of_v2, CUT, &unlike);
}

#[test]
fn the_model_of_1_answers_and_keeps_what_1_does() {
    let unlike = ["tag-backslash-comma", "tag-backslash-space", "tag-tab", "tag-two-backslashes"]
        .map(|probe| Unlike { probe, reason: PARSER });
    assert_alike(Dialect::V1, "influxdb-1.6.7.json", rows_of_v1, CUT, &unlike);
}
