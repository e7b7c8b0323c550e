//! The golden pairs of the three energy converters: every rule has one, every one holds, and InfluxDB takes its points.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use influxdb_loader_tests::{InfluxDb, InfluxDb2, InfluxServer, Loader, Outcome, Settings};
use tempfile::TempDir;

const DATASETS: [&str; 3] = ["generation", "consumption", "transmission"];

/// A rule, and the samples that show it.
const RULES: [(&str, &[&str]); 24] = [
    ("the required columns in their usual types", &["clean", "columns-in-any-order"]),
    ("optional tags", &["optional-tags"]),
    ("the unit names the field, and is a field", &["units", "units-quoted", "units-null", "units-numbers"]),
    ("timestamps of every unit", &["times-s", "times-ms", "times-us", "times-ns"]),
    (
        "timestamps of every kind of zone",
        &["times-zone-name", "times-zone-offset", "times-zone-seconds", "times-zone-nanoseconds"],
    ),
    ("dates", &["times-date32", "times-date64"]),
    ("integers as times", &["times-integers", "times-small-integers", "times-unsigned"]),
    ("text as times", &["times-text", "times-text-unreadable"]),
    ("missing times", &["times-missing", "times-null"]),
    ("times out of range", &["times-range", "times-out-of-range", "times-out-of-range-dates"]),
    ("numbers of every type as values", &["values-integers", "values-small-integers", "values-unsigned"]),
    ("floats of every width as values", &["values-float16", "values-float32", "values-float64"]),
    ("decimals as values", &["values-decimals", "values-large-decimals"]),
    ("text as values", &["values-text", "values-text-unreadable"]),
    ("missing values", &["values-missing", "values-null"]),
    ("tags are trimmed, and words for nothing are none", &["tags-trimmed", "tags-null"]),
    ("tags are escaped, or rejected where that cannot be", &["tags-escaped", "tags-unwritable"]),
    ("numbers, booleans and times as tags", &["tags-numbers", "tags-decimals-and-times"]),
    ("optional floats", &["optional-floats", "optional-floats-text", "optional-floats-integers"]),
    ("the value goes before an optional float", &["value-before-optional-float"]),
    (
        "missing columns, checked and not",
        &["schema-missing", "schema-missing-some", "schema-missing-lenient", "schema-lenient"],
    ),
    ("columns of wrong types", &["schema-wrong-types", "schema-wrong-types-lenient", "schema-nested-required"]),
    ("other columns are ignored", &["ignored-columns"]),
    (
        "nothing to write, and what must not be rejected",
        &["no-rows", "no-row-left", "first-reject-fails", "no-reject-to-fail"],
    ),
];

fn golden(dataset: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-converters").join(dataset).join("golden")
}

/// The names of the samples of a dataset, in order.
fn samples(dataset: &str) -> Vec<String> {
    let paths = fs::read_dir(golden(dataset)).unwrap().map(|entry| entry.unwrap().path());
    let tables = paths.filter(|path| path.extension().is_some_and(|ending| ending == "table"));
    let mut names: Vec<_> = tables.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

fn test(dataset: &str) -> Loader {
    Loader::new(["converter", "test", &format!("guest-converters/{dataset}")])
}

/// A copy of some golden pairs of the consumption dataset.
fn copy(files: &[&str]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for file in files {
        fs::copy(golden("consumption").join(file), directory.path().join(file)).unwrap();
    }
    directory
}

fn test_in(directory: &TempDir) -> Loader {
    test("consumption").argument("--golden").argument(directory.path())
}

fn holds(outcome: Outcome, dataset: &str) {
    let outcome = outcome.succeeded();
    let report = outcome.json();
    assert_eq!(report["converter"]["name"], dataset);
    let golden = report["golden"].as_array().unwrap();
    let names: Vec<_> = golden.iter().map(|pair| pair["name"].as_str().unwrap()).collect();
    assert_eq!(names, samples(dataset));
    assert!(golden.iter().all(|pair| pair["status"] == "passed"), "{outcome}");
}

#[test]
fn every_golden_pair_holds() {
    for dataset in DATASETS {
        holds(test(dataset).argument("--json").run(), dataset);
    }
}

#[test]
fn settings_of_the_environment_do_not_matter() {
    let settings = [("VALIDATE_SCHEMA", "false"), ("DROP_INVALID_RECORDS", "false"), ("MAX_BATCH_SIZE", "2")];
    let settings = Settings::from(settings.map(|(name, value)| (name, value.to_owned())));
    holds(test("consumption").argument("--json").settings(settings).run(), "consumption");
}

#[test]
fn every_rule_has_its_golden_pairs_in_every_dataset() {
    let mut expected: Vec<_> = RULES.iter().flat_map(|(_, samples)| *samples).map(|name| (*name).to_owned()).collect();
    expected.sort();
    for dataset in DATASETS {
        assert_eq!(samples(dataset), expected, "{dataset}");
    }
}

#[test]
fn influxdb_takes_every_point_of_the_golden_pairs() {
    assert_takes_every_point_of_the_golden_pairs(&InfluxDb2::start("golden"));
    assert_takes_every_point_of_the_golden_pairs(&InfluxDb::start("golden"));
}

fn assert_takes_every_point_of_the_golden_pairs(influxdb: &InfluxServer) {
    for dataset in DATASETS {
        for name in samples(dataset) {
            let Ok(lines) = fs::read_to_string(golden(dataset).join(&name).with_extension("lp")) else { continue };
            let answer = influxdb.write("golden", &lines);
            assert_eq!(answer.status, 204, "{dataset}/{name}: {}", answer.text());
        }
    }
}

#[test]
fn a_difference_is_shown_line_by_line_and_can_be_accepted() {
    let directory = copy(&["times-missing.table", "times-missing.lp", "times-missing.rejects"]);
    let lines = directory.path().join("times-missing.lp");
    let right = fs::read_to_string(&lines).unwrap();
    let wrong = right.replace("value=2.5", "value=25");
    fs::write(&lines, &wrong).unwrap();

    let differs = test_in(&directory).run();
    assert_eq!(differs.code, Some(1), "{differs}");
    assert!(differs.stdout.contains(&format!("-{wrong}")), "{differs}");
    assert!(differs.stdout.contains(&format!("+{right}")), "{differs}");
    assert!(differs.stdout.contains("--update"), "{differs}");

    test_in(&directory).argument("--update").run().succeeded();
    assert_eq!(fs::read_to_string(&lines).unwrap(), right);
    test_in(&directory).run().succeeded();
}

#[test]
fn an_outcome_of_another_kind_is_a_difference() {
    let directory = copy(&["schema-missing.table"]);
    fs::write(directory.path().join("schema-missing.lp"), "").unwrap();
    let outcome = test_in(&directory).run();
    assert_eq!(outcome.code, Some(1), "{outcome}");
    test_in(&directory).argument("--update").run().succeeded();
    assert!(!directory.path().join("schema-missing.lp").exists());
    assert!(directory.path().join("schema-missing.failure").exists());
}

#[test]
fn a_broken_sample_is_told_with_its_place_and_the_others_are_tested() {
    let directory = copy(&["no-rows.table", "no-rows.lp"]);
    fs::write(directory.path().join("bad.table"), "timestamp: timestamp(ms)\ntoday\n").unwrap();
    let outcome = test_in(&directory).run();
    assert_eq!(outcome.code, Some(1), "{outcome}");
    assert!(outcome.stdout.contains("line 2, column 1: no value of the type Timestamp(ms): `today`"), "{outcome}");
    assert!(outcome.stdout.contains("no-rows  passed"), "{outcome}");
}

#[test]
fn parquet_files_are_samples_too() {
    let directory = tempfile::tempdir().unwrap();
    let rows = influxdb_loader_tests::small_consumption();
    fs::write(directory.path().join("small.parquet"), influxdb_loader_tests::parquet(&rows)).unwrap();
    test_in(&directory).argument("--update").run().succeeded();
    let lines = fs::read_to_string(directory.path().join("small.lp")).unwrap();
    assert_eq!(lines.lines().count(), 2, "{lines}");
    let rejects = fs::read_to_string(directory.path().join("small.rejects")).unwrap();
    assert!(rejects.starts_with("2 invalid-timestamp: "), "{rejects}");
    test_in(&directory).run().succeeded();
}

#[test]
fn what_belongs_to_no_sample_is_an_error() {
    let directory = copy(&["no-rows.table", "no-rows.lp", "clean.lp"]);
    let outcome = test_in(&directory).run();
    assert_eq!(outcome.code, Some(1), "{outcome}");
    assert!(outcome.stderr.contains("clean.lp` belongs to a sample that does not exist"), "{outcome}");
    let empty = tempfile::tempdir().unwrap();
    assert!(test_in(&empty).run().stderr.contains("no golden pairs in"));
}

#[test]
fn rows_that_replace_each_other_are_counted_and_have_to_be_accepted() {
    let directory = copy(&["clean.table", "clean.lp"]);
    let table = directory.path().join("clean.table");
    let text = fs::read_to_string(&table).unwrap();
    let last = text.trim_end().lines().last().unwrap();
    fs::write(&table, format!("{}\n{last}\n", text.trim_end())).unwrap();

    let differs = test_in(&directory).run();
    assert_eq!(differs.code, Some(1), "{differs}");
    assert!(differs.stdout.contains("4 rows: 4 points, 0 rejected, 0 filtered, 1 superseded"), "{differs}");
    assert!(
        differs.stdout.contains("hint: where points replace each other, make what distinguishes them a tag"),
        "{differs}"
    );
    test_in(&directory).argument("--update").run().succeeded();
    let superseded = fs::read_to_string(directory.path().join("clean.superseded")).unwrap();
    assert!(superseded.starts_with("1 row supersedes an earlier row"), "{superseded}");
    test_in(&directory).run().succeeded();
}
