//! What the command line names → the objects to load.

use std::fs;
use std::path::{Path, PathBuf};

use super::CliError;
use crate::aws;
use crate::event::{self, ObjectReference};
use crate::pipeline::Location;
use crate::source::{self, LISTING_BYTES, Listed, SourceError};

/// Every object that `inputs` name, directories and prefixes in alphabetical order.
pub(super) async fn find(inputs: &[String]) -> Result<Vec<Location>, CliError> {
    let mut found = Vec::new();
    for input in inputs {
        let before = found.len();
        match input.strip_prefix("s3://") {
            Some(rest) => in_s3(input, rest, &mut found).await?,
            None => in_files(Path::new(input), &mut found)?,
        }
        if found.len() == before {
            return Err(CliError::NothingFound(input.clone()));
        }
    }
    Ok(found)
}

fn in_files(path: &Path, found: &mut Vec<Location>) -> Result<(), CliError> {
    let unreadable = |cause: std::io::Error| {
        let path = path.display().to_string();
        match cause.kind() {
            std::io::ErrorKind::NotFound => SourceError::NotFound { object: path }.into(),
            _ => CliError::Read { path, cause },
        }
    };
    // Checked here: a missing file whose name has no dataset would otherwise be reported as an unknown dataset.
    if !fs::metadata(path).map_err(unreadable)?.is_dir() {
        found.push(Location::File(path.to_owned()));
        return Ok(());
    }
    let entries = fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(unreadable)?;
    let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        // Links to directories are not followed: they may lead back here.
        if event::is_hidden(&name) || (path.is_dir() && path.is_symlink()) {
            continue;
        }
        if path.is_dir() {
            in_files(&path, found)?;
        } else if event::is_parquet(&name) {
            found.push(Location::File(path));
        }
    }
    Ok(())
}

async fn in_s3(url: &str, rest: &str, found: &mut Vec<Location>) -> Result<(), CliError> {
    let (bucket, key) = rest.split_once('/').ok_or_else(|| CliError::S3Url(url.to_owned()))?;
    if bucket.is_empty() {
        return Err(CliError::S3Url(url.to_owned()));
    }
    let client = aws::s3().await;
    // The name of one object, whatever its ending: it needs no permission to list the bucket.
    let is_folder = key.is_empty() || key.ends_with('/');
    if event::is_parquet(key) || (!is_folder && source::exists(&client, bucket, key).await?) {
        found.push(Location::S3(ObjectReference::new(bucket, key)));
        return Ok(());
    }
    let keep = |listed: Listed| {
        let is_data = event::is_listed(&listed.key, key, listed.size);
        is_data.then(|| Location::S3(ObjectReference::new(bucket, listed.key)))
    };
    found.extend(source::list(&client, bucket, key, LISTING_BYTES, keep).await?);
    Ok(())
}
