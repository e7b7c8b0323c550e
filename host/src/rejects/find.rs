//! What people name → the objects with rejected rows.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::name::EXTENSION;
use super::place::Place;
use super::{RejectsError, blocking};
use crate::aws;
use crate::config::RejectsUri;
use crate::source::{self, LISTING_BYTES, Listed, OBJECT_LISTING_BYTES, SourceError};

/// The objects with rejected rows at a URL of S3 or a path: that one, or all below it, in alphabetical order.
///
/// # Errors
///
/// When it does not exist, or may not be listed.
pub async fn find(uri: &str) -> Result<Vec<Place>, RejectsError> {
    if let Some(rest) = uri.strip_prefix("s3://") {
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        let place = |key: String| Place::S3 { bucket: bucket.to_owned(), key };
        // The name of one object: it needs no right to list the bucket.
        if key.ends_with(EXTENSION) {
            return Ok(vec![place(key.to_owned())]);
        }
        let keep = |found: Listed| found.key.ends_with(EXTENSION).then(|| place(found.key));
        let found = source::list(&aws::s3().await, bucket, key, LISTING_BYTES, keep).await;
        return found.map_err(|error| unlisted(uri, error));
    }
    let Some(RejectsUri::Directory(path)) = RejectsUri::parse(uri) else {
        return Err(RejectsError::NotFound { place: uri.to_owned() });
    };
    blocking(move || {
        let mut found = Vec::new();
        walk(&path, EXTENSION, Depth::All, &mut found)?;
        Ok(found)
    })
    .await
}

/// How deep is looked below a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// At what stands in it: that is about a single object.
    Own,
    /// At everything below it.
    All,
}

/// The objects below a place whose names begin with `beginning` and end in `extension`, in alphabetical order.
///
/// # Errors
///
/// As [`find`].
pub(crate) async fn find_below(
    uri: &RejectsUri,
    beginning: &str,
    extension: &str,
    depth: Depth,
) -> Result<Vec<Place>, RejectsError> {
    match Place::below(uri, beginning.to_owned()) {
        Place::S3 { bucket, key } => {
            let is_deeper = |found: &str| found.strip_prefix(&*key).is_some_and(|rest| rest.contains('/'));
            let is_one = |found: &str| found.ends_with(extension) && (depth == Depth::All || !is_deeper(found));
            let keep = |Listed { key, .. }| is_one(&key).then(|| Place::S3 { bucket: bucket.clone(), key });
            let limit = if depth == Depth::All { LISTING_BYTES } else { OBJECT_LISTING_BYTES };
            let found = source::list(&aws::s3().await, &bucket, &key, limit, keep).await;
            found.map_err(|error| unlisted(&format!("s3://{bucket}/{key}"), error))
        }
        Place::File(path) => {
            let (extension, is_whole) = (extension.to_owned(), beginning.is_empty() || beginning.ends_with('/'));
            blocking(move || {
                let directory = if is_whole { Some(&*path) } else { path.parent() };
                let mut found = Vec::new();
                walk(directory.unwrap_or(Path::new(".")), &extension, depth, &mut found)?;
                let begins = |place: &Place| match place {
                    Place::File(file) => file.as_os_str().as_bytes().starts_with(path.as_os_str().as_bytes()),
                    Place::S3 { .. } => false,
                };
                found.retain(|place| is_whole || begins(place));
                Ok(found)
            })
            .await
        }
    }
}

pub(super) fn unlisted(uri: &str, error: SourceError) -> RejectsError {
    let place = uri.to_owned();
    match error {
        SourceError::NotFound { .. } => RejectsError::NotFound { place },
        SourceError::Forbidden { cause, .. } => RejectsError::Forbidden { place, cause },
        error @ SourceError::TooMany { .. } => RejectsError::Listing(error),
        other => RejectsError::Unavailable { place, cause: Arc::new(other) },
    }
}

fn walk(path: &Path, extension: &str, depth: Depth, found: &mut Vec<Place>) -> Result<(), RejectsError> {
    let unreadable = |cause: io::Error| {
        let path = path.display().to_string();
        match cause.kind() {
            io::ErrorKind::NotFound => RejectsError::NotFound { place: path },
            _ => RejectsError::Read { path, cause: Arc::new(cause) },
        }
    };
    if !fs::metadata(path).map_err(unreadable)?.is_dir() {
        found.push(Place::File(path.to_owned()));
        return Ok(());
    }
    let entries = fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(unreadable)?;
    let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        // Links to directories are not followed: they may lead back here.
        if path.is_dir() {
            if depth == Depth::All && !path.is_symlink() {
                walk(&path, extension, depth, found)?;
            }
        } else if path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(extension)) {
            found.push(Place::File(path));
        }
    }
    Ok(())
}
