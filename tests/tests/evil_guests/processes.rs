//! Attacks on a loader that is a process of its own, as a user runs it.

use std::fs;

use influxdb_loader_tests::{Loader, Outcome, Settings, parquet, small_consumption};
use tempfile::TempDir;

use super::evil_component;

/// Runs `influxdb-loader convert` on a small file with the evil component.
fn convert(attack: &str, settings: Settings) -> Outcome {
    let directory = files();
    let path = |name| directory.path().join(name).display().to_string();
    let (file, converter) = (path("small.parquet"), path("evil.wasm"));
    let arguments = ["convert", &file, "--converter", &converter, "--dataset", attack];
    Loader::new(arguments).settings(settings).run()
}

fn files() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("small.parquet"), parquet(&small_consumption())).unwrap();
    fs::write(directory.path().join("evil.wasm"), evil_component()).unwrap();
    directory
}

fn failed(outcome: &Outcome) -> String {
    assert_eq!(outcome.code, Some(1), "{outcome}");
    assert_eq!(outcome.stdout, "");
    assert!(!outcome.stderr.contains("panicked at"), "{outcome}");
    outcome.stderr.clone()
}

#[test]
fn a_memory_bomb_takes_no_more_memory_than_a_converter_may_have() {
    let honest = convert("evil", Settings::default()).succeeded().peak_memory_kib;
    for (setting, limit) in [(None, 256 * 1024), (Some("64"), 64 * 1024)] {
        let settings = Settings::default();
        let settings = setting.map_or(settings.clone(), |mib| settings.with("CONVERTER_MEMORY_MIB", mib));
        let outcome = convert("memory-bomb", settings);
        let message = failed(&outcome);
        assert!(message.contains("ran out of memory in `convert`"), "{message}");
        let taken = outcome.peak_memory_kib - honest;
        // Half of it shows that it was measured; 8 MiB are for what differs from run to run in the host itself.
        assert!((limit / 2..limit + 8 * 1024).contains(&taken), "it took {taken} KiB of {limit}");
    }
}

#[test]
fn a_flood_of_logs_is_cut_off() {
    for attack in ["flood-of-debug-logs", "flood-of-error-logs", "flood-of-output", "panic-with-a-huge-message"] {
        let outcome = convert(attack, Settings::default().with("LOG_LEVEL", "DEBUG"));
        // 64 KiB of messages, and for each of them as much again about who sent it and when.
        assert!(outcome.stderr.len() < 128 * 1024, "{attack}: {} bytes", outcome.stderr.len());
    }
}

#[test]
fn a_component_that_is_no_converter_is_told_in_one_line() {
    let directory = files();
    let path = |name| directory.path().join(name).display().to_string();
    let (file, converter) = (path("small.parquet"), path("evil.wasm"));
    let half = evil_component().len() / 2;
    fs::write(&converter, &evil_component()[..half]).unwrap();
    let message = failed(&Loader::new(["convert", &file, "--converter", &converter]).run());
    assert!(message.contains("does not compile"), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
}
