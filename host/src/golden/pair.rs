//! Golden pairs as files of a directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use arrow::error::ArrowError;
use similar::TextDiff;

use super::table::{TableError, is_partition};
use crate::sink::SinkError;

/// The endings of samples.
const TABLE: &str = "table";
const PARQUET: &str = "parquet";

/// The endings of what is expected, in the order of [`Outcome`].
const LINES: &str = "lp";
const REJECTS: &str = "rejects";
const FAILURE: &str = "failure";
const SUPERSEDED: &str = "superseded";

/// Why golden pairs cannot be run, which is another thing than that they differ.
#[derive(Debug, thiserror::Error)]
pub enum GoldenError {
    /// A file or directory cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// There are no samples.
    #[error(
        "no golden pairs in `{}`\nhint: write a sample such as `first.table`, then run `converter test` with `--update`",
        .0.display()
    )]
    NothingFound(PathBuf),
    /// Two samples have the same name.
    #[error("two samples have the name `{0}`: `{0}.{TABLE}` and `{0}.{PARQUET}`")]
    Ambiguous(String),
    /// What is expected of a sample that there is not.
    #[error("`{}` belongs to a sample that does not exist", .0.display())]
    Stray(PathBuf),
    /// A text is no table.
    #[error("`{}` is not a table", path.display())]
    Table {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: TableError,
    },
    /// Parquet cannot store a value of the sample.
    #[error("`{}` cannot be a Parquet file", path.display())]
    Parquet {
        /// The sample.
        path: PathBuf,
        /// Why.
        #[source]
        cause: ArrowError,
    },
    /// There is no temporary file to write to.
    #[error("cannot write to a temporary directory")]
    Temporary(#[source] io::Error),
    /// The line protocol cannot be written to a temporary file.
    #[error(transparent)]
    Sink(#[from] SinkError),
}

/// What becomes of a sample, each part as the text of its file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The line protocol of an object that is loaded, empty where it gives no point.
    pub lines: Option<String>,
    /// The rejected rows, where there are any.
    pub rejects: Option<String>,
    /// Why the object fails, where it does.
    pub failure: Option<String>,
    /// How many rows replace a row before them, where some do.
    pub superseded: Option<String>,
}

/// A part of an outcome that is not what is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The file that expects another thing.
    pub file: PathBuf,
    /// From what is expected (`-`) to what is found (`+`), with the lines around it.
    pub text: String,
}

/// A sample and what is expected of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    name: String,
    sample: PathBuf,
    partitions: Vec<String>,
}

/// The golden pairs of a directory, and of directories below it that are partitions, in the order of their names.
///
/// # Errors
///
/// When there are none, when two have the same name, when a sample is missing, or when a directory cannot be read.
pub fn find(directory: &Path) -> Result<Vec<Pair>, GoldenError> {
    let mut samples = BTreeMap::new();
    let mut expected = Vec::new();
    let mut directories = vec![(directory.to_owned(), Vec::<String>::new())];
    while let Some((directory, partitions)) = directories.pop() {
        let unreadable = |cause| GoldenError::Read { path: directory.clone(), cause };
        let entries = fs::read_dir(&directory).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(unreadable)?;
        for path in entries.into_iter().map(|entry| entry.path()) {
            let segment = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && is_partition(&segment) {
                let partitions = partitions.iter().cloned().chain([segment]).collect();
                directories.push((path, partitions));
                continue;
            }
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let name = partitions.iter().cloned().chain([stem]).collect::<Vec<_>>().join("/");
            match path.extension().and_then(|ending| ending.to_str()) {
                Some(TABLE | PARQUET) => {
                    let partitions = partitions.clone();
                    let other = samples.insert(name.clone(), Pair { name: name.clone(), sample: path, partitions });
                    if other.is_some() {
                        return Err(GoldenError::Ambiguous(name));
                    }
                }
                Some(LINES | REJECTS | FAILURE | SUPERSEDED) => expected.push((name, path)),
                _ => {}
            }
        }
    }
    expected.sort();
    if let Some((_, path)) = expected.into_iter().find(|(name, _)| !samples.contains_key(name)) {
        return Err(GoldenError::Stray(path));
    }
    if samples.is_empty() {
        return Err(GoldenError::NothingFound(directory.to_owned()));
    }
    Ok(samples.into_values().collect())
}

impl Pair {
    /// The name, without any ending, after the partitions.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The partitions of the sample's key: the directories between that of the pairs and the sample.
    pub(super) fn partitions(&self) -> &[String] {
        &self.partitions
    }

    /// The file of the sample.
    pub fn sample(&self) -> &Path {
        &self.sample
    }

    /// Whether the sample is a table; else it is Parquet.
    pub(super) fn is_table(&self) -> bool {
        self.sample.extension().is_some_and(|ending| ending == TABLE)
    }

    /// In what an outcome is not what is expected; nothing where it is.
    ///
    /// # Errors
    ///
    /// When a file cannot be read.
    pub fn differences(&self, outcome: &Outcome) -> Result<Vec<Difference>, GoldenError> {
        let mut differences = Vec::new();
        for (file, found) in self.parts(outcome) {
            let expected = match fs::read_to_string(&file) {
                Ok(text) => Some(text),
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => None,
                Err(cause) => return Err(GoldenError::Read { path: file, cause }),
            };
            if expected.as_ref() != found {
                let text = match (&expected, found) {
                    (None, Some(found)) if found.is_empty() => "the file is missing; it is to be empty\n".to_owned(),
                    (Some(expected), None) if expected.is_empty() => "the file must not be there\n".to_owned(),
                    _ => difference(expected.as_deref().unwrap_or_default(), found.map_or("", String::as_str)),
                };
                differences.push(Difference { file, text });
            }
        }
        Ok(differences)
    }

    /// Makes an outcome what is expected.
    ///
    /// # Errors
    ///
    /// When a file cannot be written.
    pub fn expect(&self, outcome: &Outcome) -> Result<(), GoldenError> {
        for (file, found) in self.parts(outcome) {
            let written = match found {
                Some(text) => fs::write(&file, text),
                None => fs::remove_file(&file).or_else(|cause| match cause.kind() {
                    io::ErrorKind::NotFound => Ok(()),
                    _ => Err(cause),
                }),
            };
            written.map_err(|cause| GoldenError::Write { path: file, cause })?;
        }
        Ok(())
    }

    fn parts<'a>(&self, outcome: &'a Outcome) -> [(PathBuf, Option<&'a String>); 4] {
        let Outcome { lines, rejects, failure, superseded } = outcome;
        [(LINES, lines), (REJECTS, rejects), (FAILURE, failure), (SUPERSEDED, superseded)]
            .map(|(ending, text)| (self.sample.with_extension(ending), text.as_ref()))
    }
}

/// The lines that differ, with three lines around each.
pub(super) fn difference(expected: &str, found: &str) -> String {
    TextDiff::from_lines(expected, found).unified_diff().to_string()
}
