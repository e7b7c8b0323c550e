//! The rejected rows of parts of an object. Those of the whole object take their place: without that, rows of a load that
//! stopped halfway, or of a plan, would be shown and loaded again beside the same rows of the whole.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use super::name::{EXTENSION, PART, is_number};
use super::{Place, RejectsError, blocking, find};
use crate::aws;
use crate::source::{self, Listed, OBJECT_LISTING_BYTES};

impl Place {
    /// Removes what is kept of parts of the object whose rejected rows are kept here as a whole.
    ///
    /// # Errors
    ///
    /// When they cannot be found or removed.
    pub async fn remove_parts(&self) -> Result<(), RejectsError> {
        for part in self.parts().await? {
            tracing::info!(%part, "the rejected rows of a part are removed: the whole object is loaded");
            part.remove(None).await?;
        }
        Ok(())
    }

    async fn parts(&self) -> Result<Vec<Self>, RejectsError> {
        match self {
            Self::S3 { bucket, key } => {
                let beginning = beginning(key);
                let keep =
                    |Listed { key, .. }| is_part_of(&key, &beginning).then(|| Self::S3 { bucket: bucket.clone(), key });
                let parts = source::list(&aws::s3().await, bucket, &beginning, OBJECT_LISTING_BYTES, keep).await;
                parts.map_err(|error| find::unlisted(&format!("s3://{bucket}/{beginning}"), error))
            }
            Self::File(path) => {
                let path = path.clone();
                blocking(move || parts_beside(&path)).await
            }
        }
    }
}

/// The parts that are kept beside a file.
fn parts_beside(path: &Path) -> Result<Vec<Place>, RejectsError> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else { return Ok(Vec::new()) };
    let beginning = beginning(&name.to_string_lossy());
    let unread = |cause| RejectsError::Read { path: directory.display().to_string(), cause: Arc::new(cause) };
    let entries = match fs::read_dir(directory) {
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(unread)?,
    };
    let mut parts = Vec::new();
    for entry in entries {
        let entry = entry.map_err(unread)?;
        if is_part_of(&entry.file_name().to_string_lossy(), &beginning) {
            parts.push(Place::File(entry.path()));
        }
    }
    Ok(parts)
}

/// What the names of all parts begin with.
fn beginning(whole: &str) -> String {
    format!("{}{PART}", whole.strip_suffix(EXTENSION).unwrap_or(whole))
}

fn is_part_of(name: &str, beginning: &str) -> bool {
    let numbers = name.strip_prefix(beginning).and_then(|rest| rest.strip_suffix(EXTENSION));
    numbers.and_then(|numbers| numbers.split_once('-')).is_some_and(|(start, end)| is_number(start) && is_number(end))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

    use super::*;

    #[tokio::test]
    async fn parts_in_a_directory_go_and_nothing_else_does() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        for name in ["a.jsonl", "a.row-groups-0-3.jsonl", "a.row-groups-3-5.jsonl", "ab.row-groups-0-3.jsonl"] {
            fs::write(path(name), "{}\n").unwrap();
        }
        Place::File(path("a.jsonl")).remove_parts().await.unwrap();
        Place::File(path("nowhere/a.jsonl")).remove_parts().await.unwrap();
        let mut left: Vec<_> =
            fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["a.jsonl", "ab.row-groups-0-3.jsonl"]);
    }

    #[test]
    fn parts_are_those_of_this_object_alone() {
        let beginning = beginning("energy/a.parquet.jsonl");
        let is_one = |name: &str| is_part_of(name, &beginning);
        assert!(is_one("energy/a.parquet.row-groups-0-3.jsonl"));
        for other in [
            "energy/a.parquet.jsonl",
            "energy/a.parquet.row-groups-0.jsonl",
            "energy/a.parquet.row-groups-0-3",
            "energy/a.parquet.row-groups-0-3.row-groups-0-3.jsonl",
            "energy/a.parquet.row-groups-/b.row-groups-0-3.jsonl",
            "energy/b.parquet.row-groups-0-3.jsonl",
        ] {
            assert!(!is_one(other), "{other}");
        }
    }
}
