//! Attacks on a loader that is a process of its own, as a user runs it.

use std::fs;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use influxdb_loader_tests::{Loader, Outcome, Settings, loader_program, parquet, small_consumption};
use tempfile::TempDir;

use super::{evil_component, nest};

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
    // What the host takes for a guest that takes nothing. It runs for a second, so that its peak is seen; an honest guest is done before.
    let idle = convert("endless-loop-in-convert", Settings::default().with("CONVERTER_TIME_SECONDS", "1"));
    assert!(failed(&idle).contains("exceeded its time limit in `convert`"), "{idle}");
    for (setting, limit) in [(None, 256 * 1024), (Some("64"), 64 * 1024)] {
        let settings = Settings::default();
        let settings = setting.map_or(settings.clone(), |mib| settings.with("CONVERTER_MEMORY_MIB", mib));
        let outcome = convert("memory-bomb", settings);
        let message = failed(&outcome);
        assert!(message.contains("ran out of memory in `convert`"), "{message}");
        let taken = outcome.peak_memory_kib - idle.peak_memory_kib;
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

/// What a process reports about a component that it has to compile, in a function of 128 MiB.
fn compiled_in_a_small_function(component: &[u8]) -> Outcome {
    let directory = files();
    let path = |name| directory.path().join(name).display().to_string();
    let (file, converter) = (path("small.parquet"), path("evil.wasm"));
    fs::write(&converter, component).unwrap();
    let settings = Settings::default().with("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128");
    Loader::new(["convert", &file, "--converter", &converter]).settings(settings).run()
}

/// Two functions in which 40,000 values are all needed until the end: a megabyte that takes the compiler 300.
fn many_live_values() -> Vec<u8> {
    let set: String = (0..40_000).map(|local| format!("(local.set {local} (call $value))")).collect();
    let sum: String = (0..40_000).map(|local| format!("(local.get {local}) i64.add ")).collect();
    let function = format!("(func (result i64) (local{}) {set} (i64.const 0) {sum})", " i64".repeat(40_000));
    wat::parse_str(format!(
        r#"(component
            (core module $m (func $value (result i64) (i64.const 1)) {function} {function})
            (core instance (instantiate $m))
            (instance $converter)
            (export "influxdb-loader:converter/converter@0.1.0" (instance $converter)))"#
    ))
    .unwrap()
}

#[test]
fn a_component_that_takes_too_much_memory_to_compile_is_told_and_the_loader_is_not_killed() {
    let component = many_live_values();
    let outcome = compiled_in_a_small_function(&component);
    let message = failed(&outcome);
    assert!(message.contains("does not compile: it takes more than 96 MiB of memory"), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
    assert!(outcome.peak_memory_kib < 128 * 1024, "the loader itself took {} KiB", outcome.peak_memory_kib);
}

/// The program as it starts itself: with the stack, the memory and the seconds that there are.
#[test]
fn the_system_ends_a_compiler_whose_time_is_over() {
    let mut command = Command::new(loader_program());
    command.args(["--compile-converter", "524288", "1073741824", "1"]);
    let mut compiler = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    compiler.stdin.take().unwrap().write_all(&many_live_values()).unwrap();
    // SIGXCPU.
    assert_eq!(compiler.wait().unwrap().signal(), Some(24));
}

#[test]
fn a_nest_of_instantiations_is_told_before_it_is_compiled() {
    let message = failed(&compiled_in_a_small_function(&wat::parse_str(nest()).unwrap()));
    assert!(message.contains("134217727 instances"), "{message}");
}
