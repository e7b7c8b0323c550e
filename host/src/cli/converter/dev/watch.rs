//! Whether a project has changed: its files' times and sizes, looked at again and again.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::super::project::COMPONENT;
use super::super::test::GOLDEN;

/// How often the project is looked at. A change counts when it is the same at two looks, so that an editor that writes several
/// files causes one build.
pub(super) const INTERVAL: Duration = Duration::from_millis(300);

/// Files and directories that are looked at at most, and directories below each other.
const FILES: usize = 10_000;
const DEPTH: usize = 16;

/// Directories and files that builds write, or that are nobody's source.
const OTHERS: [&str; 6] = ["target", ".venv", ".git", "__pycache__", COMPONENT, "Cargo.lock"];

/// The files of a project, apart: what is built, and what the component is held against.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Files {
    pub(super) sources: Vec<File>,
    pub(super) golden: Vec<File>,
    /// Why and where others of the project are not looked at.
    beyond: Option<Beyond>,
}

/// What is not looked at because of a limit, for example this file or directory below the project.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Beyond {
    Files(String),
    Depth(String),
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
        Self::up_to(FILES, project)
    }

    fn up_to(limit: usize, project: &Path) -> Self {
        let mut files = Self::default();
        let mut directories = vec![(project.to_owned(), String::new(), 0)];
        let mut count = 0;
        'all: while let Some((directory, prefix, depth)) = directories.pop() {
            for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
                let Ok(name) = entry.file_name().into_string() else { continue };
                if OTHERS.contains(&name.as_str()) {
                    continue;
                }
                let path = format!("{prefix}{name}");
                count += 1;
                if count > limit {
                    files.beyond = Some(Beyond::Files(path));
                    break 'all;
                }
                match entry.metadata() {
                    Ok(metadata) if metadata.is_dir() && depth == DEPTH => files.beyond = Some(Beyond::Depth(path)),
                    Ok(metadata) if metadata.is_dir() => directories.push((entry.path(), path + "/", depth + 1)),
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

    /// What the author must know where not all of the project is looked at.
    pub(super) fn notice(&self) -> Option<String> {
        let (limit, path) = match self.beyond.as_ref()? {
            Beyond::Files(path) => (format!("more than {FILES} files and directories"), path),
            Beyond::Depth(path) => (format!("more than {DEPTH} directories below each other"), path),
        };
        Some(format!(
            "the project has {limit}: changes in some of them are not noticed, for example in `{}`\nhint: move what is no \
             source out of the project; `--sample` opens a sample from anywhere",
            path.escape_debug()
        ))
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
    fn a_project_that_is_too_large_to_be_watched_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        fs::create_dir(&data).unwrap();
        let add = |number: u32| fs::write(data.join(number.to_string()), "").unwrap();
        (0..9).for_each(add);
        // What builds write does not count.
        fs::create_dir(directory.path().join("target")).unwrap();
        assert_eq!(Files::up_to(10, directory.path()).notice(), None);
        add(9);
        let files = Files::up_to(10, directory.path());
        let notice = files.notice().unwrap();
        assert!(
            notice.contains("files and directories: changes in some of them") && notice.contains("`data/"),
            "{notice}"
        );
        assert_eq!(files.sources.len(), 9);
    }

    #[test]
    fn a_project_that_is_too_deep_to_be_watched_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let deepest = (0..DEPTH).fold(directory.path().to_owned(), |path, _| path.join("d"));
        fs::create_dir_all(&deepest).unwrap();
        fs::write(deepest.join("source"), "").unwrap();
        let files = Files::of(directory.path());
        assert_eq!((files.sources.len(), files.notice()), (1, None));
        fs::create_dir(deepest.join("below")).unwrap();
        let notice = Files::of(directory.path()).notice().unwrap();
        assert!(
            notice.contains("more than 16 directories below each other") && notice.contains("d/below`"),
            "{notice}"
        );
    }

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
