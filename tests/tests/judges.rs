//! What the loader reads, judged by those who share no code with it: pyarrow reads the same random files, and the writers that
//! are in use write the same table. The judges are in `tests/judges`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;

use influxdb_loader_tests::{every_column_component, judge};

/// Random tables of each run. Their seeds count on from the first one, so that a failure is reproducible.
const TABLES: &str = "300";
const FIRST_SEED: &str = "1";

/// Runs a judge with what the loader needs to show what it reads.
fn judged(script: &str, arguments: &[&str]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let component = directory.path().join("every-column.wasm");
    fs::write(&component, every_column_component()).unwrap();
    judge(script, &component, arguments).succeeded().stdout
}

#[test]
fn random_tables_are_read_as_pyarrow_reads_them() {
    assert_eq!(judged("differential.py", &[TABLES, FIRST_SEED]), "300 tables are read as pyarrow reads them\n");
}

#[test]
fn a_table_is_read_as_every_writer_means_it() {
    let read = judged("writers.py", &[]);
    assert_eq!(read, "the tables of pyarrow, pandas, DuckDB, Polars and fastparquet are read as they were meant\n");
}

#[test]
fn a_page_whose_checksum_is_wrong_is_not_loaded() {
    assert_eq!(judged("checksums.py", &[]), "a page with a wrong checksum is refused\n");
}
