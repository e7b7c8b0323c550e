//! Lines of rejected rows, read back. They may come from anywhere, so that nothing of them is trusted.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek};
use std::ops::ControlFlow;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::place::Snapshot;
use super::{LINE_BYTES, RejectsError, Source};
use crate::dataset::DatasetName;

/// The longest key, version and entity tag of S3, in bytes.
const NAME_BYTES: usize = 1024;

/// What is wrong with a line.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LineProblem {
    /// It is longer than any that the loader writes.
    #[error("it is longer than {LINE_BYTES} bytes")]
    TooLong,
    /// It is no rejected row.
    #[error("it is no rejected row: {0}")]
    NotARow(String),
    /// It names a thing by what cannot be its name.
    #[error("its `{member}` cannot be one")]
    Name {
        /// The member that names it.
        member: &'static str,
    },
    /// It does not name the object of the row.
    #[error("its `source` is neither an object of S3, with `bucket` and `key`, nor a `file`")]
    Source,
}

/// The contents of a rejected row, as a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ContentDigest([u8; 16]);

impl ContentDigest {
    /// The digest of the members `columns` and `omitted`, however they are written down.
    fn new(columns: &Map<String, Value>, omitted: &[String]) -> Self {
        // The members of `Map` are ordered by name.
        let digest = Sha256::new_with_prefix(serde_json::json!([columns, omitted]).to_string()).finalize();
        let mut first = [0; 16];
        first.copy_from_slice(&digest[..16]);
        Self(first)
    }

    /// The digest of an object with these members; `None` where it is none.
    pub(super) fn of(object: &[u8]) -> Option<Self> {
        let Content { columns, omitted } = serde_json::from_slice(object).ok()?;
        Some(Self::new(&columns, &omitted))
    }
}

/// A rejected row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The object that it comes from.
    pub source: Source,
    /// The dataset that it was loaded as.
    pub dataset: DatasetName,
    /// Its number in the object.
    pub row: u64,
    /// What reports count by.
    pub code: String,
    /// Why it was rejected.
    pub message: String,
    /// What it holds.
    pub content: ContentDigest,
}

/// A line as it is written. Members that are not known are those of later versions.
#[derive(Deserialize)]
struct Written {
    source: WrittenSource,
    dataset: String,
    #[serde(rename = "converter")]
    _converter: IgnoredAny,
    #[serde(rename = "row_group")]
    _row_group: u64,
    row: u64,
    code: String,
    message: String,
    columns: Map<String, Value>,
    omitted: Vec<String>,
}

/// What of a line is the content of the row.
#[derive(Deserialize)]
struct Content {
    columns: Map<String, Value>,
    omitted: Vec<String>,
}

#[derive(Deserialize)]
struct WrittenSource {
    bucket: Option<String>,
    key: Option<String>,
    version_id: Option<String>,
    etag: Option<String>,
    file: Option<String>,
}

impl Line {
    fn parse(text: &[u8]) -> Result<Self, LineProblem> {
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        let written: Written = serde_json::from_slice(text).map_err(|error| LineProblem::NotARow(told(&error)))?;
        let Written { source, dataset, row, code, message, columns, omitted, .. } = written;
        let dataset = dataset.parse().map_err(|_| LineProblem::Name { member: "dataset" })?;
        // The number after it is asked for as the end of a range.
        let row = Some(row).filter(|row| *row < u64::MAX).ok_or(LineProblem::Name { member: "row" })?;
        let content = ContentDigest::new(&columns, &omitted);
        Ok(Self { source: source.check()?, dataset, row, code, message, content })
    }
}

impl WrittenSource {
    fn check(self) -> Result<Source, LineProblem> {
        let check = |valid: bool, member| if valid { Ok(()) } else { Err(LineProblem::Name { member }) };
        let is_token = |token: &Option<String>| {
            token.as_ref().is_none_or(|token| {
                (1..=NAME_BYTES).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic())
            })
        };
        match self {
            Self { bucket: Some(bucket), key: Some(key), version_id, etag, file: None } => {
                check(crate::config::is_bucket(&bucket), "bucket")?;
                check((1..=NAME_BYTES).contains(&key.len()), "key")?;
                check(is_token(&version_id), "version_id")?;
                check(is_token(&etag), "etag")?;
                Ok(Source::S3 { bucket, key, version_id, etag })
            }
            Self { bucket: None, key: None, version_id: None, etag: None, file: Some(file) } => {
                check(file.starts_with('/') && !file.contains('\0'), "file")?;
                Ok(Source::File { file })
            }
            _ => Err(LineProblem::Source),
        }
    }
}

impl Snapshot {
    /// Gives line by line to `take`, with its bytes, which end in a newline, until `take` breaks off. Blocks.
    ///
    /// # Errors
    ///
    /// [`RejectsError::Line`] at the first line that is no rejected row, [`RejectsError::Read`], and what `take` returns.
    pub fn lines<E: From<RejectsError>>(
        &mut self,
        mut take: impl FnMut(Line, &[u8]) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), E> {
        let place = self.place.to_string();
        let unreadable = |cause| RejectsError::Read { path: place.clone(), cause: Arc::new(cause) };
        self.file.rewind().map_err(unreadable)?;
        let mut reader = BufReader::new(&self.file);
        let mut text = Vec::new();
        for line in 1.. {
            text.clear();
            let bytes = next_line(&mut reader, &mut text).map_err(unreadable)?;
            if bytes == 0 {
                break;
            }
            let problem = |problem| RejectsError::Line { place: place.clone(), line, problem };
            if bytes > LINE_BYTES {
                return Err(problem(LineProblem::TooLong).into());
            }
            if !text.ends_with(b"\n") {
                text.push(b'\n');
            }
            if take(Line::parse(&text).map_err(problem)?, &text)?.is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// What is wrong with JSON, without the number of the line, which is always the first.
fn told(error: &serde_json::Error) -> String {
    /// Texts of the line may be in it.
    const BYTES: usize = 200;
    let mut text = error.to_string().replace(" at line 1 column ", " at column ");
    if text.len() > BYTES {
        text.truncate(text.floor_char_boundary(BYTES));
        text.push('…');
    }
    text
}

/// Reads a line, or so much of it that it is known to be too long.
fn next_line(reader: &mut BufReader<&File>, text: &mut Vec<u8>) -> std::io::Result<usize> {
    reader.by_ref().take(LINE_BYTES as u64 + 1).read_until(b'\n', text)
}
