//! A file with one series after the other: read in several passes by time, with the outcome of one.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampNanosecondArray};
use influxdb_loader_tests::{Dialect, FaultServer, Loader, Rules, parquet};
use serde_json::Value;

const DAY: i64 = 86_400_000_000_000;
const REGIONS: i64 = 40;
const DAYS: i64 = 1_500;
/// Rows at the end that write points of the first regions again.
const AGAIN: i64 = 2_500;

/// Region by region, each of the same days; some rows have no time, and some are refused; at the end come points again, with
/// other values.
fn file(directory: &Path) -> PathBuf {
    let first = (0..REGIONS * DAYS).map(|row| (row / DAYS, row % DAYS));
    let again = (0..AGAIN).map(|row| (row / DAYS, row % DAYS));
    let points: Vec<(i64, i64)> = first.chain(again).collect();
    let (mut times, mut regions, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for (row, (region, day)) in points.iter().enumerate() {
        times.push((row % 997 != 5).then_some((19_000 + day) * DAY));
        regions.push(if row % 1_009 == 7 { "bad".to_owned() } else { format!("r{region}") });
        values.push(row as f64);
    }
    let text = |value: &str| Arc::new(StringArray::from(vec![value; points.len()])) as ArrayRef;
    let columns = [
        ("timestamp", Arc::new(TimestampNanosecondArray::from(times).with_timezone("UTC")) as ArrayRef),
        ("region", Arc::new(StringArray::from(regions))),
        ("value", Arc::new(Float64Array::from(values))),
        ("unit", text("MW")),
        ("consumer_type", text("residential")),
        ("measurement_type", text("load")),
    ];
    let path = directory.join("dataset=consumption/series.parquet");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, parquet(&RecordBatch::try_from_iter(columns).unwrap())).unwrap();
    path
}

/// Loads it, and returns the server and what became of its rows.
fn load(file: &Path, dialect: Dialect, settings: &[(&str, &str)]) -> (FaultServer, Value, String) {
    let server = FaultServer::with(Rules { banned: Some("region=bad".to_owned()), ..Rules::of(dialect) });
    // What is sorted together is a sixth of the file.
    let mut all = server.settings().with("OBJECT_MEMORY_MIB", "16");
    for (name, value) in settings {
        all = all.with(name, *value);
    }
    let loaded = Loader::new(["load", "--json", "-v"]).argument(file).settings(all).run().succeeded();
    let mut accounts = loaded.json()["objects"][0]["accounts"].clone();
    for of_requests in ["batches", "requests", "retries", "bytes_read", "bytes_written", "line_protocol_bytes"] {
        accounts.as_object_mut().unwrap().remove(of_requests);
    }
    (server, accounts, loaded.stderr)
}

/// In how many days each request has points, added up.
fn touched(server: &FaultServer) -> usize {
    let day = |line: &str| line.rsplit(' ').next().unwrap().parse::<i64>().unwrap() / DAY;
    server.requests().writes().iter().map(|write| write.lines().map(day).collect::<HashSet<_>>().len()).sum()
}

#[test]
fn several_passes_by_time_have_the_outcome_of_one_and_touch_fewer_shards() {
    let directory = tempfile::tempdir().unwrap();
    let file = file(directory.path());
    let (once, expected, _) = load(&file, Dialect::V2, &[("LOAD_ORDER", "file")]);
    assert!(
        expected["superseded"].as_u64().is_some() && expected["rejected"]["refused"].as_u64() > Some(50),
        "{expected}"
    );
    for (dialect, threads) in [(Dialect::V2, "1"), (Dialect::V2, "3"), (Dialect::V1, "2")] {
        let (server, accounts, log) = load(&file, dialect, &[("CONVERTER_THREADS", threads)]);
        assert!(log.contains("it is read in several passes"), "{log}");
        assert_eq!(accounts, expected, "{dialect:?}, {threads} threads");
        assert_eq!(server.store().difference(&once.store()), "", "{dialect:?}, {threads} threads");
        assert!(touched(&server) * 4 < touched(&once), "{} days, {} in one pass", touched(&server), touched(&once));
    }
}

#[test]
fn a_file_for_version_3_is_read_once() {
    let directory = tempfile::tempdir().unwrap();
    let file = file(directory.path());
    let (_, _, log) = load(&file, Dialect::V3, &[]);
    assert!(!log.contains("several passes"), "{log}");
}
