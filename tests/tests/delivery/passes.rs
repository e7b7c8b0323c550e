//! A file with one series after the other: read in several passes by time, with the outcome of one.

use std::collections::HashSet;
use std::path::Path;

use influxdb_loader_tests::{Dialect, FaultServer, Loader, Rules, series_by_series};
use serde_json::Value;

const DAY: i64 = 86_400_000_000_000;

/// Loads it, and returns the server and what became of its rows.
fn load(file: &Path, dialect: Dialect, settings: &[(&str, &str)]) -> (FaultServer, Value, String) {
    let server = FaultServer::with(Rules { banned: Some("region=bad".to_owned()), ..Rules::of(dialect) });
    // What is sorted together is a third of the file.
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
    let (file, _) = series_by_series(directory.path());
    let (once, expected, _) = load(&file, Dialect::V2, &[("LOAD_ORDER", "file")]);
    assert!(
        expected["superseded"].as_u64().is_some() && expected["rejected"]["refused"].as_u64() > Some(20),
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
    let (file, _) = series_by_series(directory.path());
    let (_, _, log) = load(&file, Dialect::V3, &[]);
    assert!(!log.contains("several passes"), "{log}");
}
