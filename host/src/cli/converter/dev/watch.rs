//! Whether a project has changed: its files' times and sizes, looked at again and again.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::super::project::COMPONENT;
use super::super::test::GOLDEN;

/// How often the project is looked at. A change counts when it is the same at two looks, so that an editor that writes several
/// files causes one build.
pub(super) const INTERVAL: Duration = Duration::from_millis(300);

/// Files that are looked at at most, and directories below each other.
const FILES: usize = 10_000;
const DEPTH: usize = 16;

/// Directories and files that builds write, or that are nobody's source.
const OTHERS: [&str; 6] = ["target", ".venv", ".git", "__pycache__", COMPONENT, "Cargo.lock"];

/// The files of a project, apart: what is built, and what the component is held against.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Files {
    pub(super) sources: Vec<File>,
    pub(super) golden: Vec<File>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct File {
    /// Below the project.
    pub(super) path: String,
    pub(super) bytes: u64,
    changed: Option<SystemTime>,
}

impl Files {
    /// The files that a project has now. What cannot be read is skipped. Links are not followed.
    pub(super) fn of(project: &Path) -> Self {
        let mut files = Self::default();
        let mut directories = vec![(project.to_owned(), String::new(), 0)];
        let mut count = 0;
        while let Some((directory, prefix, depth)) = directories.pop() {
            for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
                let Ok(name) = entry.file_name().into_string() else { continue };
                count += 1;
                if OTHERS.contains(&name.as_str()) || count > FILES {
                    continue;
                }
                let path = format!("{prefix}{name}");
                match entry.metadata() {
                    Ok(metadata) if metadata.is_dir() && depth < DEPTH => {
                        directories.push((entry.path(), path + "/", depth + 1));
                    }
                    Ok(metadata) if metadata.is_file() => {
                        let is_golden = path.split('/').next() == Some(GOLDEN);
                        let changed = metadata.modified().ok();
                        let file = File { path, bytes: metadata.len(), changed };
                        if is_golden { &mut files.golden } else { &mut files.sources }.push(file);
                    }
                    _ => {}
                }
            }
        }
        files.sources.sort();
        files.golden.sort();
        files
    }

    /// Whether what is built is the same.
    pub(super) fn builds_as(&self, other: &Self) -> bool {
        // Samples beside the sources are none of them.
        let built = |files: &Self| -> Vec<File> {
            files.sources.iter().filter(|file| !file.path.ends_with(".parquet")).cloned().collect()
        };
        built(self) == built(other)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn what_a_build_writes_is_no_change() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("src/lib.rs", "a");
        write("golden/sample.lp", "a");
        let before = Files::of(directory.path());
        let paths = |files: &[File]| files.iter().map(|file| file.path.clone()).collect::<Vec<_>>();
        assert_eq!(
            (paths(&before.sources), paths(&before.golden)),
            (vec!["src/lib.rs".into()], vec!["golden/sample.lp".into()])
        );
        for built in ["converter.wasm", "target/release/x", "Cargo.lock", ".venv/bin/python3", "src/__pycache__/x"] {
            write(built, "b");
        }
        assert_eq!(Files::of(directory.path()), before);
        write("golden/sample.lp", "ab");
        assert!(Files::of(directory.path()) != before && Files::of(directory.path()).builds_as(&before));
        write("more.parquet", "ab");
        assert!(Files::of(directory.path()).builds_as(&before));
        write("src/lib.rs", "ab");
        assert!(!Files::of(directory.path()).builds_as(&before));
    }
}
