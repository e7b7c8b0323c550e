//! Rejected rows on their way to where they are kept.

use std::fmt;
use std::io::{BufWriter, Write};
use std::sync::Arc;

use tempfile::NamedTempFile;

use super::place::{Place, State};
use super::{OBJECT_BYTES, RejectsError};

/// What is to stand at a place: lines in a temporary file, which is made with the first of them. It gets there as a whole,
/// or not at all.
pub struct Draft {
    place: Place,
    file: Option<BufWriter<NamedTempFile>>,
    bytes: u64,
}

impl Draft {
    /// An empty draft.
    pub fn new(place: Place) -> Self {
        Self { place, file: None, bytes: 0 }
    }

    /// Whether it has no line.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Appends a line, or several, with the newline at its end. Blocks.
    ///
    /// # Errors
    ///
    /// [`RejectsError::Write`] when the disk does not take it, and [`RejectsError::TooLarge`] when S3 would not.
    pub fn append(&mut self, line: &[u8]) -> Result<(), RejectsError> {
        self.bytes += line.len() as u64;
        if matches!(self.place, Place::S3 { .. }) && self.bytes > OBJECT_BYTES {
            return Err(RejectsError::TooLarge { place: self.place.to_string(), limit: OBJECT_BYTES });
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(BufWriter::new(self.place.temporary()?)),
        };
        let path = |file: &BufWriter<NamedTempFile>| file.get_ref().path().display().to_string();
        file.write_all(line).map_err(|cause| RejectsError::Write { path: path(file), cause: Arc::new(cause) })
    }

    /// Puts it in its place, replacing what exists, or removes that if the draft has no line.
    /// With `expected`, only if what exists is still that.
    ///
    /// # Errors
    ///
    /// When the place does not take it, or when it has changed; then what exists stays.
    pub async fn publish(self, expected: Option<State>) -> Result<(), RejectsError> {
        let place = self.place.clone();
        self.publish_at(place, expected).await
    }

    /// As [`Self::publish`], at another place in the same bucket or file system.
    ///
    /// # Errors
    ///
    /// As [`Self::publish`].
    pub async fn publish_at(self, place: Place, expected: Option<State>) -> Result<(), RejectsError> {
        let Self { file, bytes, .. } = self;
        match file {
            None => place.remove(expected).await,
            Some(file) => {
                let path = file.get_ref().path().display().to_string();
                // The rest of the buffer is written here, a few kilobytes.
                let file = file.into_inner();
                let failed = |cause| RejectsError::Write { path, cause: Arc::new(cause) };
                let file = file.map_err(|error| failed(error.into_error()))?;
                place.replace(file, bytes, expected).await
            }
        }
    }
}

impl fmt::Debug for Draft {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Draft").field("place", &self.place).field("bytes", &self.bytes).finish_non_exhaustive()
    }
}
