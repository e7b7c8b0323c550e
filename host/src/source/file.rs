//! Objects that are files of this machine.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ::parquet::errors::Result as ParquetResult;
use ::parquet::file::reader::{ChunkReader, Length};
use bytes::Bytes;

use super::SourceError;
use super::origin;

/// A page header takes a few dozen bytes; more is read in vain.
const HEADER_BYTES: usize = 256;

/// A file, read by position, so that readers do not disturb each other.
#[derive(Clone, Debug)]
pub(super) struct LocalFile {
    file: Arc<File>,
    bytes: u64,
    /// In nanoseconds since 1970.
    last_modified: Option<i64>,
    read: Arc<AtomicU64>,
}

impl LocalFile {
    /// Opens a file for reading.
    pub(super) fn open(path: &Path) -> Result<Self, SourceError> {
        let object = path.display().to_string();
        let failed = |cause: io::Error| match cause.kind() {
            io::ErrorKind::NotFound => SourceError::NotFound { object: object.clone() },
            io::ErrorKind::PermissionDenied => {
                SourceError::Forbidden { object: object.clone(), cause: Arc::new(cause) }
            }
            _ => SourceError::Read { object: object.clone(), cause: Arc::new(cause) },
        };
        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            let reason = "it is not a regular file".to_owned();
            return Err(SourceError::NotParquet { object, reason });
        }
        // A file system without times returns an error.
        let last_modified = metadata.modified().ok().and_then(origin::nanoseconds);
        Ok(Self { file: Arc::new(file), bytes: metadata.len(), last_modified, read: Arc::default() })
    }

    /// When it was last modified, in nanoseconds since 1970.
    pub(super) fn last_modified(&self) -> Option<i64> {
        self.last_modified
    }

    /// Bytes read so far.
    pub(super) fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }
}

impl Length for LocalFile {
    fn len(&self) -> u64 {
        self.bytes
    }
}

impl ChunkReader for LocalFile {
    type T = BufReader<FileCursor>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        let cursor = FileCursor { file: self.clone(), position: start };
        Ok(BufReader::with_capacity(HEADER_BYTES, cursor))
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        // The length comes from the file's own metadata: it is held against the file before memory is set aside for it.
        if start.checked_add(length as u64).is_none_or(|end| end > self.bytes) {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let mut buffer = vec![0; length];
        self.file.read_exact_at(&mut buffer, start)?;
        self.read.fetch_add(length as u64, Ordering::Relaxed);
        Ok(buffer.into())
    }
}

/// A place in a file.
pub(super) struct FileCursor {
    file: LocalFile,
    position: u64,
}

impl Read for FileCursor {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.file.read_at(buffer, self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}
