//! What rejected rows come from.

use std::fmt;
use std::path::Path;

use serde::Serialize;

use super::RejectsError;
use crate::report::ConverterId;

/// The object that rows come from. Prints as people write it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(untagged)]
pub enum Source {
    /// An object of S3.
    S3 {
        /// The bucket.
        bucket: String,
        /// The plain key.
        key: String,
        /// The version, where one was asked for.
        version_id: Option<String>,
        /// The entity tag, without quotation marks, of what was read.
        etag: Option<String>,
    },
    /// A file.
    File {
        /// Its absolute path.
        file: String,
    },
}

impl Source {
    /// A file of this machine.
    ///
    /// # Errors
    ///
    /// [`RejectsError::NotUnicode`] when its path is none that can be written down, or the working directory is gone.
    pub fn file(path: &Path) -> Result<Self, RejectsError> {
        let refused = || RejectsError::NotUnicode { path: path.to_owned() };
        let absolute = std::path::absolute(path).map_err(|_| refused())?;
        Ok(Self::File { file: absolute.to_str().ok_or_else(refused)?.to_owned() })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::S3 { bucket, key, .. } => write!(formatter, "s3://{bucket}/{key}"),
            Self::File { file } => formatter.write_str(file),
        }
    }
}

/// What is the same for all rejected rows of a load.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// The object.
    pub source: Source,
    /// Its dataset.
    pub dataset: String,
    /// The converter that it was loaded with.
    pub converter: ConverterId,
}
