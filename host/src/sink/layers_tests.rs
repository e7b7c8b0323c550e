//! The layers of the stage: each imports only what stands above it, so that a rule has one home.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};

/// From the first to the last, by how their modules' paths begin. What is in none of them is the face, and comes last.
const LAYERS: [&[&str]; 4] = [
    &["error", "delivery", "gzip", "kind", "parcel"],
    &["influxdb::http"],
    &["influxdb::engines"],
    &["influxdb::write"],
];

fn layer(module: &str) -> usize {
    let is_within = |layer: &&str| module == *layer || module.starts_with(&format!("{layer}::"));
    LAYERS.iter().position(|layers| layers.iter().any(is_within)).unwrap_or(LAYERS.len())
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The path of a file's module, below `sink`.
fn module_of(file: &str) -> String {
    let path = file.trim_end_matches(".rs");
    path.strip_suffix("/mod").or((path != "mod").then_some(path)).unwrap_or_default().replace('/', "::")
}

/// What a line of a module imports of the stage, by its path below `sink`; none where it imports something else.
fn imported(line: &str, module: &str) -> Option<String> {
    let path = line.split_once("use ").filter(|(before, _)| before.is_empty() || before.starts_with("pub"))?.1;
    let path = path.split([';', '{']).next().unwrap_or_default().trim_end_matches("::");
    if let Some(path) = path.strip_prefix("crate::sink") {
        return Some(path.trim_start_matches("::").to_owned());
    }
    let mut place: Vec<&str> = module.split("::").filter(|part| !part.is_empty()).collect();
    let mut path = path.strip_prefix("super")?;
    place.pop()?;
    while let Some(rest) = path.strip_prefix("::super") {
        path = rest;
        // Beyond `sink` lies the rest of the crate.
        place.pop()?;
    }
    place.extend(path.split("::").filter(|part| !part.is_empty()));
    Some(place.join("::"))
}

#[test]
fn nothing_imports_what_stands_below_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/sink");
    let mut looked_at = 0;
    for file in files(&root) {
        let name = file.strip_prefix(&root).unwrap().to_str().unwrap();
        if !name.ends_with(".rs") || name.contains("tests") {
            continue;
        }
        let module = module_of(name);
        let text = fs::read_to_string(&file).unwrap();
        for line in text.lines().take_while(|line| *line != "mod tests {") {
            if let Some(imported) = imported(line, &module) {
                looked_at += 1;
                assert!(layer(&imported) <= layer(&module), "sink/{name} imports from `{imported}`: {line}");
            }
        }
    }
    assert!(looked_at > 40, "only {looked_at} imports are looked at");
}

#[test]
fn an_upward_import_is_seen_however_it_is_written() {
    for (module, line, seen) in [
        ("influxdb::http::courier", "use crate::sink::influxdb::engines::Engine;", "influxdb::engines::Engine"),
        ("influxdb::http::courier", "use super::super::write::Writer;", "influxdb::write::Writer"),
        ("influxdb::http", "use super::write::Writer;", "influxdb::write::Writer"),
        ("influxdb::engines", "pub(super) use super::InfluxDb;", "influxdb::InfluxDb"),
        ("error", "use super::influxdb::TokenError;", "influxdb::TokenError"),
        ("influxdb::http::url", "use crate::sink::SinkError;", "SinkError"),
    ] {
        assert_eq!(imported(line, module).as_deref(), Some(seen));
        assert!(layer(seen) > layer(module), "{line}");
    }
    assert_eq!(imported("use super::super::points::Chunk;", "error"), None);
    assert_eq!(imported("use std::time::Instant;", "error"), None);
}
