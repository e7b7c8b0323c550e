//! Dependencies are compiled once, whatever is asked for.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The dependencies of a selection of packages, from registries, each with its features. The same package stands twice where
/// build scripts need others than programs do.
fn dependencies(selection: &[&str]) -> BTreeSet<String> {
    let mut tree = Command::new(env!("CARGO"));
    tree.args(["tree", "--locked", "--prefix", "none", "--format", "{p} {f}"]).args(selection).current_dir(workspace());
    let output = tree.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let own = |line: &&str| !line.is_empty() && !line.contains(&format!("({}", workspace().display()));
    lines.lines().filter(own).map(|line| line.replace(" (*)", "").replace(" (proc-macro)", "")).collect()
}

#[test]
fn every_selection_of_packages_is_built_of_the_same_dependencies() {
    let everything = dependencies(&["--workspace", "--edges", "normal,build,dev"]);
    let selections: [&[&str]; 5] = [
        &["--workspace", "--edges", "normal,build"],
        &["--package", "influxdb-loader", "--edges", "normal,build"],
        &["--package", "influxdb-loader", "--edges", "normal,build,dev"],
        &["--package", "influxdb-loader-tests", "--edges", "normal,build"],
        &["--package", "influxdb-loader-tests", "--edges", "normal,build,dev"],
    ];
    for selection in selections {
        let selected = dependencies(selection);
        assert!(selected.len() > 300, "{selection:?}: {}", selected.len());
        let others: Vec<_> = selected.difference(&everything).collect();
        assert!(
            others.is_empty(),
            "{selection:?} has these with features that the whole workspace does not give them, so that they and all that \
             depends on them are compiled again: {others:?}\nhint: name the feature in `host/Cargo.toml`"
        );
    }
}

/// Three versions of each cost four processor minutes.
#[test]
fn what_reads_and_writes_components_is_there_in_one_version() {
    let lock = fs::read_to_string(workspace().join("Cargo.lock")).unwrap();
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in lock.split("[[package]]\n").skip(1) {
        let value = |key: &str| {
            let line = package.lines().find(|line| line.starts_with(key)).unwrap();
            line.split('"').nth(1).unwrap()
        };
        versions.entry(value("name =")).or_default().push(value("version ="));
    }
    let names = ["wasmparser", "wasm-encoder", "wasm-metadata", "wit-component", "wit-parser", "wast", "wat"];
    for name in names.into_iter().chain(["wit-bindgen-core", "wit-bindgen-rust", "wasmtime", "arrow", "parquet"]) {
        assert_eq!(versions[name].len(), 1, "{name} {:?}", versions[name]);
    }
}
