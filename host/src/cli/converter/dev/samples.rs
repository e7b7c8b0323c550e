//! The samples that can be looked at: the project's, and those that were dropped on the page.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::super::project::ProjectError;
use super::DevError;
use super::watch::Files;
use crate::cli::CliError;
use crate::cli::component::read;
use crate::golden::{GoldenError, Table};
use crate::report::{Failure, FailureKind};
use crate::source::{self, Memory, ParquetObject};

/// Samples that are listed at most.
const SAMPLES: usize = 200;

/// Samples that were dropped, at most: the oldest makes room.
const DROPPED: usize = 8;

/// The largest table.
const TABLE_BYTES: u64 = 1 << 20;

/// A sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    /// What the page calls it.
    pub(super) name: String,
    file: PathBuf,
    bytes: u64,
}

impl Sample {
    /// A file anywhere.
    pub(super) fn file(file: &Path) -> Result<Self, CliError> {
        let bytes = fs::metadata(file).map_err(ProjectError::file(file))?.len();
        Ok(Self { name: file.display().to_string(), file: file.to_owned(), bytes })
    }

    /// For the page.
    pub(super) fn facts(&self) -> Value {
        json!({ "name": self.name, "bytes": self.bytes })
    }

    /// The sample as a file of Parquet; a table becomes one in `directory`.
    pub(super) fn parquet(&self, directory: &Path) -> Result<PathBuf, CliError> {
        if self.file.extension().is_none_or(|ending| ending != "table") {
            return Ok(self.file.clone());
        }
        let path = || self.file.clone();
        let text = String::from_utf8(read(&self.file, TABLE_BYTES)?).map_err(|cause| GoldenError::Read {
            path: path(),
            cause: io::Error::new(io::ErrorKind::InvalidData, cause),
        })?;
        let table = Table::parse(&text).map_err(|cause| GoldenError::Table { path: path(), cause })?;
        let bytes = source::encode_sample(&table.rows).map_err(|cause| GoldenError::Parquet { path: path(), cause })?;
        let mut directory = directory.join("table");
        directory.extend(partitions(&self.file));
        directory.extend(&table.settings.partitions);
        fs::create_dir_all(&directory).map_err(DevError::Temporary)?;
        let file = directory.join("sample.parquet");
        fs::write(&file, bytes).map_err(DevError::Temporary)?;
        Ok(file)
    }
}

/// The directories of a file that are partitions.
fn partitions(file: &Path) -> impl Iterator<Item = &std::ffi::OsStr> {
    let directories = file.parent().into_iter().flat_map(Path::components).map(std::path::Component::as_os_str);
    directories.filter(|directory| directory.to_string_lossy().contains('='))
}

/// The samples of a project: golden pairs first.
pub(super) fn of_project(project: &Path, files: &Files) -> Vec<Sample> {
    let is_sample = |path: &str| path.ends_with(".parquet") || path.ends_with(".table");
    let all = files.golden.iter().chain(files.sources.iter().filter(|file| file.path.ends_with(".parquet")));
    let samples = all.filter(|file| is_sample(&file.path)).take(SAMPLES);
    samples.map(|file| Sample { name: file.path.clone(), file: project.join(&file.path), bytes: file.bytes }).collect()
}

/// The samples that were dropped, the latest last.
pub(super) fn dropped(directory: &Path) -> Vec<Sample> {
    let mut samples: Vec<_> = fs::read_dir(directory.join("dropped"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let metadata = entry.metadata().ok()?;
            let name = format!("dropped/{}", entry.file_name().to_str()?);
            Some((metadata.modified().ok()?, Sample { name, file: entry.path(), bytes: metadata.len() }))
        })
        .collect();
    samples.sort_by_key(|(time, _)| *time);
    samples.into_iter().map(|(_, sample)| sample).collect()
}

/// Keeps a sample that was dropped, if it is a Parquet file. Blocks.
pub(super) fn keep(directory: &Path, name: &str, bytes: &[u8]) -> Result<Sample, CliError> {
    let place = directory.join("dropped");
    fs::create_dir_all(&place).map_err(DevError::Temporary)?;
    // Looked at before it stands where it is listed.
    let mut file = tempfile::NamedTempFile::new_in(directory).map_err(DevError::Temporary)?;
    io::Write::write_all(&mut file, bytes).map_err(DevError::Temporary)?;
    if let Err(error) = ParquetObject::open_file(file.path(), Memory::default()) {
        let failure = Failure::new(FailureKind::Unexpected, &error);
        // The author knows the file by another name.
        let reason = failure.message().replace(&*file.path().to_string_lossy(), &safe(name));
        return Err(DevError::NotASample { reason }.into());
    }
    let before = dropped(directory);
    for sample in before.iter().take((before.len() + 1).saturating_sub(DROPPED)) {
        fs::remove_file(&sample.file).map_err(DevError::Temporary)?;
    }
    let name = safe(name);
    let path = place.join(&name);
    file.persist(&path).map_err(|error| DevError::Temporary(error.error))?;
    Ok(Sample { name: format!("dropped/{name}"), file: path, bytes: bytes.len() as u64 })
}

/// A file's name made of what a browser sends: no directory, no name that means something else.
fn safe(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-=".contains(c);
    let name: String = name.chars().take(100).map(|c| if is_plain(c) { c } else { '_' }).collect();
    let name = name.trim_start_matches('.');
    let name = name.strip_suffix(".parquet").unwrap_or(name);
    format!("{}.parquet", if name.is_empty() { "sample" } else { name })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_name_from_the_page_stays_in_its_directory() {
        for (name, kept) in [
            ("load 2024.parquet", "load_2024.parquet"),
            ("../../etc/passwd", "_.._etc_passwd.parquet"),
            ("..", "sample.parquet"),
            ("", "sample.parquet"),
            ("a\0b.parquet", "a_b.parquet"),
        ] {
            assert_eq!(safe(name), kept, "{name:?}");
        }
    }

    #[test]
    fn what_is_no_parquet_is_not_kept_and_old_samples_make_room() {
        let directory = tempfile::tempdir().unwrap();
        let error = keep(directory.path(), "a.parquet", b"PK, and not even half of it").unwrap_err();
        assert!(error.to_string().starts_with("that is no sample: "), "{error}");
        assert!(dropped(directory.path()).is_empty());
        let rows = Table::parse("a: int64\n1\n").map(|table| source::encode_sample(&table.rows).unwrap());
        let bytes = rows.unwrap();
        for number in 0..DROPPED + 2 {
            keep(directory.path(), &format!("{number}.parquet"), &bytes).unwrap();
        }
        assert_eq!(dropped(directory.path()).len(), DROPPED);
    }
}
