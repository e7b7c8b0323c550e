//! Millions of rows through a server that fails one request in five: what arrives is what arrives without failures, every
//! other row is counted, and memory does not grow with the rows.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use influxdb_loader_tests::{Cut, Dialect, Fault, FaultServer, Loader, Mix, Outcome, Response, Rules, Settings};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use serde_json::json;

/// Rows of the file of the soak.
const ROWS: usize = 2_000_000;

/// Rows that are made, and then written, at a time: a row group.
const ROW_GROUP: usize = 100_000;

/// One row in so many has no time, one no value, and one is a plant that the server refuses.
const WITHOUT_TIME: usize = 50_021;
const WITHOUT_VALUE: usize = 40_009;
const REFUSED: usize = 20_011;

/// How many times the file is loaded.
const SEEDS: u64 = 10;

/// The most memory of the loader, in KiB.
const MEMORY_KIB: u64 = 200 * 1024;

/// So many rows of the generation dataset, from row `first` on.
fn generation(first: usize, rows: usize) -> RecordBatch {
    let rows = first..first + rows;
    let texts =
        |text: &dyn Fn(usize) -> String| Arc::new(StringArray::from_iter_values(rows.clone().map(text))) as ArrayRef;
    let times = rows
        .clone()
        .map(|row| (!row.is_multiple_of(WITHOUT_TIME)).then_some(1_600_000_000_000_000 + row as i64 * 1_000));
    let values = rows.clone().map(|row| (!row.is_multiple_of(WITHOUT_VALUE)).then_some(noise(row) / 7.0));
    RecordBatch::try_from_iter_with_nullable([
        ("timestamp", Arc::new(TimestampMicrosecondArray::from_iter(times)) as ArrayRef, true),
        ("region", texts(&|row| ["north", "northeast", "southeast", "south"][row % 4].to_owned()), true),
        ("value", Arc::new(Float64Array::from_iter(values)), true),
        ("unit", texts(&|row| ["MW", "MWh"][row / 3 % 2].to_owned()), true),
        ("energy_source", texts(&|row| ["hydro", "wind", "solar", "thermal", "nuclear"][row % 5].to_owned()), true),
        ("measurement_type", texts(&|_| "gross".to_owned()), true),
        ("plant_name", texts(&plant), true),
        ("operator", texts(&|row| format!("operator {}", row % 40)), true),
        ("capacity_mw", Arc::new(Float64Array::from_iter_values(rows.clone().map(|row| (row % 300) as f64))), true),
        ("efficiency", Arc::new(Float64Array::from_iter_values(rows.map(|row| noise(row + 1) / 1e6))), true),
    ])
    .unwrap()
}

fn plant(row: usize) -> String {
    if row.is_multiple_of(REFUSED) { "refused".to_owned() } else { format!("plant {}", row % 900) }
}

fn noise(row: usize) -> f64 {
    (row.wrapping_mul(2_654_435_761) % 1_000_003) as f64
}

/// Writes a file of so many rows, a row group at a time.
fn write_file(directory: &Path, rows: usize) -> PathBuf {
    let path = directory.join("dataset=generation/rows.parquet");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(ROW_GROUP))
        .build();
    let schema = generation(0, 1).schema();
    let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), schema, Some(properties)).unwrap();
    for first in (0..rows).step_by(ROW_GROUP) {
        writer.write(&generation(first, ROW_GROUP.min(rows - first))).unwrap();
    }
    writer.close().unwrap();
    path
}

/// Under which code a row is rejected, if it is: that of a row without a time first, since that is found first.
fn code(row: usize) -> Option<&'static str> {
    [(WITHOUT_TIME, "invalid-timestamp"), (WITHOUT_VALUE, "invalid-value"), (REFUSED, "refused")]
        .into_iter()
        .find_map(|(one_in, code)| row.is_multiple_of(one_in).then_some(code))
}

/// The rows of so many that are rejected, by code.
fn rejected(rows: usize) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for code in (0..rows).filter_map(code) {
        *counts.entry(code).or_default() += 1;
    }
    counts
}

/// Everything that may go wrong on the way to a server and back, and passes.
fn faults() -> Vec<Fault> {
    let busy = Response::new(429, "").header("retry-after", "0");
    let mut faults = vec![
        Fault::Delay(Duration::from_millis(50)),
        Fault::Answer(busy.clone()),
        Fault::AnswerHead(busy),
        Fault::answer(
            500,
            r#"{"code":"internal error","message":"unexpected error writing points to database: timeout"}"#,
        ),
        Fault::answer(502, "<html>Bad Gateway</html>"),
        Fault::answer(503, "<html>Service Unavailable</html>"),
        Fault::answer(504, ""),
        Fault::StallAnswer(0),
        Fault::StallAnswer(12),
    ];
    for cut in [Cut::Close, Cut::Reset] {
        faults.extend([
            Fault::CutAtHead(cut),
            Fault::CutInBody(1, cut),
            Fault::CutInBody(20_000, cut),
            Fault::CutAfterBody(cut),
            Fault::CutAnswer(0, cut),
            Fault::CutAnswer(12, cut),
            Fault::CutAfterwards(cut),
        ]);
    }
    faults
}

fn rules(dialect: Dialect) -> Rules {
    Rules { banned: Some("plant_name=refused".to_owned()), ..Rules::of(dialect) }
}

fn load(file: &Path, settings: Settings, batch: usize) -> Outcome {
    let settings = settings
        .with("MAX_BATCH_SIZE", batch.to_string())
        .with("MAX_RETRIES", "20")
        .with("REQUEST_TIMEOUT_SECONDS", "1")
        .with("LOG_LEVEL", "error");
    Loader::new(["load", "--json"]).argument(file).settings(settings).run().succeeded()
}

/// Checks that every row is accounted for.
#[track_caller]
fn assert_accounts(outcome: &Outcome, rows: usize) {
    let accounts = outcome.json()["objects"][0]["accounts"].clone();
    let rejected = rejected(rows);
    let written = rows - rejected.values().sum::<usize>();
    assert_eq!(accounts["rows"], rows, "{accounts}");
    assert_eq!(accounts["written"], written, "{accounts}");
    assert_eq!(accounts["points"], written, "{accounts}");
    assert_eq!(accounts["filtered"], 0, "{accounts}");
    assert_eq!(accounts["failed_batches"], 0, "{accounts}");
    assert_eq!(accounts["rejected"], json!(rejected), "{accounts}");
}

/// Checks that every rejected row is kept, once, under its code.
#[track_caller]
fn assert_kept(outcome: &Outcome, rows: usize) {
    let uri = outcome.json()["objects"][0]["rejects"].as_str().expect("no rejected rows are kept").to_owned();
    let kept = fs::read_to_string(uri.strip_prefix("file://").unwrap_or(&uri)).unwrap();
    let mut found: Vec<(usize, String)> = kept
        .lines()
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            (usize::try_from(line["row"].as_u64().unwrap()).unwrap(), line["code"].as_str().unwrap().to_owned())
        })
        .collect();
    found.sort_unstable();
    let expected = (0..rows).filter_map(|row| Some((row, code(row)?.to_owned())));
    assert!(found.into_iter().eq(expected), "the rows that are kept are not those that are rejected");
}

#[test]
fn two_million_rows_arrive_whatever_goes_wrong_on_the_way() {
    let directory = tempfile::tempdir().unwrap();
    let file = write_file(directory.path(), ROWS);
    // Lines are kept by their hash, which is as good as keeping them, and faster than the loader.
    let server = || FaultServer::with(Rules { reads_lines: false, ..rules(Dialect::V2) }).forgetting_bodies();
    let clean = server();
    assert_accounts(&load(&file, clean.settings(), 5000), ROWS);
    for seed in 0..SEEDS {
        let mix = Mix::new(seed, 5, faults());
        let server = server().failing(move |arrival| mix.fault(arrival));
        let rejects = tempfile::tempdir().unwrap();
        let outcome = load(&file, server.settings().with("REJECTS_URI", rejects.path().to_str().unwrap()), 5000);
        assert_accounts(&outcome, ROWS);
        assert_kept(&outcome, ROWS);
        assert_eq!(server.line_set().difference(&clean.line_set()), (0, 0), "seed {seed}");
        assert!(outcome.peak_memory_kib < MEMORY_KIB, "seed {seed}: {} KiB", outcome.peak_memory_kib);
        let statuses = server.requests().statuses();
        let failed = statuses.iter().filter(|status| !matches!(status, Some(204 | 400))).count();
        assert!(failed * 10 > statuses.len(), "{failed} of {} writes have failed", statuses.len());
    }
}

#[test]
fn every_engine_has_the_same_points_whatever_goes_wrong_on_the_way() {
    const ROWS: usize = 60_000;
    let directory = tempfile::tempdir().unwrap();
    let file = write_file(directory.path(), ROWS);
    for dialect in [Dialect::V1, Dialect::V2, Dialect::V3] {
        let clean = FaultServer::with(rules(dialect));
        assert_accounts(&load(&file, clean.settings(), 500), ROWS);
        let expected = clean.store();
        for seed in 0..3 {
            let mix = Mix::new(seed, 5, faults());
            let server = FaultServer::with(rules(dialect)).failing(move |arrival| mix.fault(arrival));
            assert_accounts(&load(&file, server.settings(), 500), ROWS);
            let found = server.store();
            assert_eq!(found.difference(&expected), "", "{dialect:?}, seed {seed}");
            assert!(found.written_otherwise().is_empty(), "{dialect:?}, seed {seed}");
            assert!(server.requests().changed_attempts().is_empty(), "{dialect:?}, seed {seed}");
        }
    }
}
