//! The objects with rejected rows: where they stand, how they get there, and how they are read.

use std::fmt;
use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, ErrorKind, Read};
use std::ops::Range;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use tempfile::NamedTempFile;

use super::{OBJECT_BYTES, RejectsError, Source, blocking, name};
use crate::aws;
use crate::aws::body::{self, BodyError};
use crate::config::RejectsUri;

/// The time that S3 has to take an object, beside what its bytes take.
const UPLOAD_PATIENCE: Duration = Duration::from_secs(30);

/// S3 takes tens of megabytes a second; whoever takes less than this has given up.
const UPLOAD_BYTES_PER_SECOND: u64 = 1024 * 1024;

/// Where the rejected rows of one object are kept, or those of a part of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// An object of S3.
    S3 {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
    },
    /// A file.
    File(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::S3 { bucket, key } => write!(formatter, "s3://{bucket}/{key}"),
            Self::File(path) => path.display().fmt(formatter),
        }
    }
}

/// What changes when the contents change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing exists.
    Absent,
    /// Its entity tag, as S3 writes it.
    Object(String),
    /// The metadata of its file system.
    File {
        /// Which file it is.
        inode: u64,
        /// How long it is.
        bytes: u64,
        /// When it was written, in seconds and nanoseconds.
        modified: (i64, i64),
    },
}

impl State {
    fn of(metadata: &Metadata) -> Self {
        let modified = (metadata.mtime(), metadata.mtime_nsec());
        Self::File { inode: metadata.ino(), bytes: metadata.len(), modified }
    }
}

/// Rejected rows as they were when they were fetched.
#[derive(Debug)]
pub struct Snapshot {
    /// Where they stand.
    pub place: Place,
    /// What identifies them.
    pub state: Option<State>,
    pub(super) file: File,
}

impl Place {
    /// Where the rejected rows of a source are kept, or those of some of its row groups.
    pub fn of(uri: &RejectsUri, source: &Source, row_groups: Option<&Range<usize>>) -> Self {
        Self::below(uri, name::name(source, row_groups))
    }

    /// The place of a name: segments that can be those of a file, with slashes between them.
    pub(crate) fn below(uri: &RejectsUri, name: String) -> Self {
        match uri {
            RejectsUri::S3 { bucket, prefix } if prefix.is_empty() => Self::S3 { bucket: bucket.clone(), key: name },
            RejectsUri::S3 { bucket, prefix } => Self::S3 { bucket: bucket.clone(), key: format!("{prefix}/{name}") },
            RejectsUri::Directory(directory) => Self::File(directory.join(name)),
        }
    }

    /// A temporary file for what is to stand here: beside a file, which it can take the place of at once.
    pub(super) fn temporary(&self) -> Result<NamedTempFile, RejectsError> {
        let made = match self {
            Self::S3 { .. } => NamedTempFile::new(),
            Self::File(path) => {
                let directory = path.parent().unwrap_or(Path::new(""));
                fs::create_dir_all(directory).and_then(|()| {
                    let mut builder = tempfile::Builder::new();
                    // As any new file: the default of temporary files lets only their owner read them.
                    builder.prefix(".").suffix(".partial").permissions(Permissions::from_mode(0o666));
                    builder.tempfile_in(directory)
                })
            }
        };
        let directory = || match self {
            Self::S3 { .. } => std::env::temp_dir().display().to_string(),
            Self::File(path) => path.display().to_string(),
        };
        made.map_err(|cause| RejectsError::Write { path: directory(), cause: Arc::new(cause) })
    }

    /// Puts a file here.
    pub(super) async fn replace(
        self,
        file: NamedTempFile,
        bytes: u64,
        expected: Option<State>,
    ) -> Result<(), RejectsError> {
        match &self {
            Self::File(path) => {
                let path = path.clone();
                blocking(move || replace_file(&path, file, expected.as_ref())).await
            }
            Self::S3 { bucket, key } => {
                let body = ByteStream::from_path(file.path()).await;
                let body = body.map_err(|cause| self.unavailable(Arc::new(cause)))?;
                let time = UPLOAD_PATIENCE + Duration::from_secs(bytes / UPLOAD_BYTES_PER_SECOND);
                let timeouts = TimeoutConfig::builder().read_timeout(time).operation_attempt_timeout(time).build();
                let content = if key.ends_with(".json") { "application/json" } else { "application/x-ndjson" };
                let put = aws::s3().await.put_object().bucket(bucket).key(key).content_type(content);
                let none = (expected == Some(State::Absent)).then(|| "*".to_owned());
                let put = put.set_if_none_match(none).set_if_match(etag(expected)).body(body).customize();
                let put = put.config_override(aws_sdk_s3::config::Builder::new().timeout_config(timeouts));
                put.send().await.map_err(|error| self.failed(error))?;
                Ok(())
            }
        }
    }

    /// Removes what is here, if anything is.
    pub(super) async fn remove(self, expected: Option<State>) -> Result<(), RejectsError> {
        match &self {
            Self::File(path) => {
                let path = path.clone();
                blocking(move || remove_file(&path, expected.as_ref())).await
            }
            Self::S3 { bucket, key } => {
                let delete = aws::s3().await.delete_object().bucket(bucket).key(key);
                delete.set_if_match(etag(expected)).send().await.map_err(|error| self.failed(error))?;
                Ok(())
            }
        }
    }

    /// What is here, and what identifies it; no bytes where there are more than `limit`.
    ///
    /// # Errors
    ///
    /// When there is nothing, or it cannot be had.
    pub(crate) async fn read(self, limit: u64) -> Result<(Option<Vec<u8>>, Option<State>), RejectsError> {
        match &self {
            Self::File(path) => {
                let path = path.clone();
                blocking(move || {
                    let Snapshot { file, state, .. } = open(&path)?;
                    let mut bytes = Vec::new();
                    let read = file.take(limit + 1).read_to_end(&mut bytes);
                    read.map_err(|cause| unread(&path, cause))?;
                    Ok(((bytes.len() as u64 <= limit).then_some(bytes), state))
                })
                .await
            }
            Self::S3 { bucket, key } => {
                let (answer, state) = self.get(bucket, key).await?;
                match body::bytes(answer, limit).await {
                    Ok(bytes) => Ok((Some(bytes), state)),
                    Err(BodyError::TooLong { .. }) => Ok((None, state)),
                    Err(cause) => Err(RejectsError::Fetch { place: self.to_string(), cause: Arc::new(cause) }),
                }
            }
        }
    }

    /// Fetches what is here.
    ///
    /// # Errors
    ///
    /// When there is nothing, it cannot be had, or it is longer than anything that is kept.
    pub async fn fetch(self) -> Result<Snapshot, RejectsError> {
        match &self {
            Self::File(path) => {
                let path = path.clone();
                blocking(move || open(&path)).await
            }
            Self::S3 { bucket, key } => {
                let (answer, state) = self.get(bucket, key).await?;
                match body::file(answer, OBJECT_BYTES).await {
                    Ok(file) => Ok(Snapshot { place: self, state, file }),
                    Err(cause) => Err(RejectsError::Fetch { place: self.to_string(), cause: Arc::new(cause) }),
                }
            }
        }
    }

    /// The answer of S3.
    async fn get(&self, bucket: &str, key: &str) -> Result<(GetObjectOutput, Option<State>), RejectsError> {
        let answer = aws::s3().await.get_object().bucket(bucket).key(key).send().await;
        let answer = answer.map_err(|error| self.failed(error))?;
        let state = answer.e_tag().map(|etag| State::Object(etag.to_owned()));
        Ok((answer, state))
    }

    fn unavailable(&self, cause: crate::source::Cause) -> RejectsError {
        RejectsError::Unavailable { place: self.to_string(), cause }
    }

    fn failed<E>(&self, error: SdkError<E>) -> RejectsError
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let place = self.to_string();
        match aws::status(&error) {
            Some(404) => RejectsError::NotFound { place },
            Some(401 | 403) => RejectsError::Forbidden { place, cause: aws::words(error) },
            Some(409 | 412) => RejectsError::Changed { place },
            _ => RejectsError::Unavailable { place, cause: aws::words(error) },
        }
    }
}

fn etag(state: Option<State>) -> Option<String> {
    match state {
        Some(State::Object(etag)) => Some(etag),
        Some(State::File { .. } | State::Absent) | None => None,
    }
}

fn open(path: &Path) -> Result<Snapshot, RejectsError> {
    let file = File::open(path).map_err(|cause| unread(path, cause))?;
    let state = State::of(&file.metadata().map_err(|cause| unread(path, cause))?);
    Ok(Snapshot { place: Place::File(path.to_owned()), state: Some(state), file })
}

fn unread(path: &Path, cause: io::Error) -> RejectsError {
    let path = path.display().to_string();
    match cause.kind() {
        ErrorKind::NotFound => RejectsError::NotFound { place: path },
        _ => RejectsError::Read { path, cause: Arc::new(cause) },
    }
}

/// Whether a file is what it was, as far as its file system records it.
fn check(path: &Path, expected: Option<&State>) -> Result<(), RejectsError> {
    let Some(expected) = expected else { return Ok(()) };
    match fs::metadata(path) {
        Err(error) if *expected == State::Absent && error.kind() == ErrorKind::NotFound => Ok(()),
        Ok(metadata) if State::of(&metadata) == *expected => Ok(()),
        _ => Err(RejectsError::Changed { place: path.display().to_string() }),
    }
}

fn replace_file(path: &Path, file: NamedTempFile, expected: Option<&State>) -> Result<(), RejectsError> {
    let failed = |cause: io::Error| RejectsError::Write { path: path.display().to_string(), cause: Arc::new(cause) };
    // On the disk before it has its name, so that a machine that stops leaves no empty file behind.
    file.as_file().sync_all().map_err(failed)?;
    check(path, expected)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

fn remove_file(path: &Path, expected: Option<&State>) -> Result<(), RejectsError> {
    check(path, expected)?;
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != ErrorKind::NotFound => {
            Err(RejectsError::Write { path: path.display().to_string(), cause: Arc::new(cause) })
        }
        _ => Ok(()),
    }
}
