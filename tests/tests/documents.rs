//! The documents' commands, run to the letter.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use influxdb_loader_tests::{Loader, Moto, raw_file, shell};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The lines of a document's blocks of commands that are marked with a word.
fn commands(document: &str, mark: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(document)).unwrap();
    let start = format!("<!-- {mark} -->\n```sh\n");
    let blocks = text.split(&start).skip(1).map(|block| block.split_once("```").unwrap().0);
    let commands: Vec<_> = blocks.flat_map(str::lines).map(str::to_owned).collect();
    assert!(!commands.is_empty(), "{document} has no commands marked `{mark}`");
    commands
}

#[test]
fn the_commands_of_the_readme_run() {
    let directory = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(root().join("tests"), directory.path().join("tests")).unwrap();
    for command in commands("README.md", "run") {
        shell(&command, directory.path()).succeeded();
    }
    assert_eq!(fs::read_to_string(directory.path().join("points.lp")).unwrap().lines().count(), 75_440);
}

/// Follows the guide to writing converters, in a directory that has the sample.
fn follow_the_guide(mark: &str) {
    let (moto, directory) = (Moto::start(), tempfile::tempdir().unwrap());
    moto.create_bucket("energy-converters");
    let settings = moto.registry_settings("energy-converters", &directory.path().join("cache"));
    fs::copy(raw_file(), directory.path().join("sample.parquet")).unwrap();
    for command in commands("docs/writing-converters.md", mark) {
        let arguments = command.strip_prefix("influxdb-loader ").expect(&command).split_whitespace();
        Loader::new(arguments).settings(settings.clone()).within(directory.path()).build().succeeded();
    }
}

#[test]
fn the_guide_leads_to_a_promoted_converter_in_rust() {
    follow_the_guide("run: rust");
}

#[test]
fn the_guide_leads_to_a_converter_in_python() {
    follow_the_guide("run: python");
}
