//! Objects in S3, read by ranges.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::{GetObjectError, GetObjectOutput};
use bytes::{Bytes, BytesMut};

use super::SourceError;
use super::error::Cause;
use super::origin::{self, Origin};
use crate::aws;
use crate::aws::body;

/// What the first request of an object fetches: its end, where Parquet keeps the footer. The metadata of most files fits,
/// so that one request is enough.
const TAIL_BYTES: u64 = 64 * 1024;
/// A request for a range is tried again when its body breaks off, at most so often in all. (The SDK itself retries
/// requests that fail before the body begins.)
const BODY_ATTEMPTS: usize = 3;

/// Where an object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Location {
    /// The bucket's name.
    pub bucket: String,
    /// The key, decoded.
    pub key: String,
    /// A version of it; the current one without.
    pub version: Option<String>,
    /// The entity tag, with or without quotation marks, that it must have; any without.
    pub etag: Option<String>,
}

impl std::fmt::Display for S3Location {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "s3://{}/{}", self.bucket, self.key)
    }
}

/// An object, held to the state in which it was first seen.
#[derive(Clone, Debug)]
pub(super) struct S3Object {
    client: Client,
    location: Arc<S3Location>,
    /// As S3 writes it, in quotation marks.
    etag: Option<String>,
    /// The version that was opened, in a bucket that keeps versions.
    version: Option<String>,
    /// When it was last modified, in nanoseconds since 1970.
    last_modified: Option<i64>,
    metadata: Arc<[(String, String)]>,
    bytes: u64,
    read: Arc<AtomicU64>,
    /// What the first request brought: the object's last bytes.
    tail: Bytes,
}

impl S3Object {
    /// Opens an object with one request, and returns its last bytes with it.
    pub(super) async fn open(client: Client, location: S3Location) -> Result<(Self, Bytes), SourceError> {
        let etag = location.etag.as_deref().map(quoted);
        let mut object = Self {
            client,
            location: Arc::new(location),
            etag,
            version: None,
            last_modified: None,
            metadata: Arc::default(),
            bytes: 0,
            read: Arc::default(),
            tail: Bytes::new(),
        };
        let answer = match object.request(format!("bytes=-{TAIL_BYTES}")).await {
            Ok(answer) => answer,
            // S3 knows no range of an object without bytes.
            Err(error) if aws::status(&error) == Some(416) => {
                let reason = "it is empty".to_owned();
                return Err(SourceError::NotParquet { object: object.location.to_string(), reason });
            }
            Err(error) => return Err(object.failed(error)),
        };
        object.bytes = total_bytes(&answer).ok_or_else(|| SourceError::Read {
            object: object.location.to_string(),
            cause: words("the answer lacks the length of the object"),
        })?;
        object.etag = answer.e_tag().map(quoted).or(object.etag);
        object.version = answer.version_id().map(str::to_owned);
        object.last_modified = answer.last_modified().and_then(|time| i64::try_from(time.as_nanos()).ok());
        object.metadata = origin::bounded(answer.metadata(), &object.name()).into();
        let expected = object.bytes.min(TAIL_BYTES);
        let tail = match object.body(answer, expected).await {
            Ok(tail) => tail,
            Err(_) => object.fetch(object.bytes - expected..object.bytes).await?,
        };
        object.tail = tail.clone();
        Ok((object, tail))
    }

    /// The object's length.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes read so far.
    pub(super) fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// The entity tag without quotation marks.
    pub(super) fn etag(&self) -> Option<&str> {
        self.etag.as_deref().map(|etag| etag.trim_matches('"'))
    }

    /// What distinguishes it from other versions of the object; none where S3 reports no entity tag.
    pub(super) fn state(&self) -> Option<ObjectState> {
        ObjectState::of(self.version.as_deref(), self.etag.as_deref())
    }

    /// Where it is from.
    pub(super) fn origin(&self) -> Origin {
        Origin {
            bucket: Some(self.location.bucket.clone()),
            key: self.location.key.clone(),
            last_modified: self.last_modified,
            metadata: self.metadata.to_vec(),
        }
    }

    /// Its name, for messages.
    pub(super) fn name(&self) -> String {
        self.location.to_string()
    }

    /// A range, which must not be empty: fetched, except for what the first request brought.
    pub(super) async fn fetch(&self, range: Range<u64>) -> Result<Bytes, SourceError> {
        let at_hand = self.bytes - self.tail.len() as u64;
        let from_tail = |position: u64| usize::try_from(position - at_hand).unwrap_or(usize::MAX);
        if range.end <= at_hand {
            return self.fetch_all(range).await;
        }
        if range.start >= at_hand {
            return Ok(self.tail.slice(from_tail(range.start)..from_tail(range.end)));
        }
        let before = self.fetch_all(range.start..at_hand).await?;
        Ok([&before[..], &self.tail[..from_tail(range.end)]].concat().into())
    }

    async fn fetch_all(&self, range: Range<u64>) -> Result<Bytes, SourceError> {
        let header = format!("bytes={}-{}", range.start, range.end - 1);
        let mut attempt = 1;
        loop {
            let answer = self.request(header.clone()).await.map_err(|error| self.failed(error))?;
            match self.body(answer, range.end - range.start).await {
                Ok(body) => return Ok(body),
                Err(cause) if attempt == BODY_ATTEMPTS => {
                    return Err(SourceError::Read { object: self.name(), cause });
                }
                Err(cause) => {
                    tracing::debug!(object = %self.location, %cause, attempt, "the body broke off, asking again");
                    attempt += 1;
                }
            }
        }
    }

    async fn request(&self, range: String) -> Result<GetObjectOutput, SdkError<GetObjectError>> {
        self.client
            .get_object()
            .bucket(&self.location.bucket)
            .key(&self.location.key)
            .set_version_id(self.location.version.clone())
            .set_if_match(self.etag.clone())
            .range(range)
            .send()
            .await
    }

    async fn body(&self, answer: GetObjectOutput, expected: u64) -> Result<Bytes, Cause> {
        // Callers ask for no more than they have room for, whatever the answer holds.
        let expected = usize::try_from(expected).map_err(|error| Arc::new(error) as Cause)?;
        let (mut stream, mut body) = (answer.body, BytesMut::with_capacity(expected));
        while let Some(part) = stream.next().await {
            let part = part.map_err(|broken| Arc::new(broken) as Cause)?;
            self.read.fetch_add(part.len() as u64, Ordering::Relaxed);
            if part.len() > expected - body.len() {
                return Err(words(&format!("the answer has more than the {expected} bytes that were asked for")));
            }
            body.extend_from_slice(&part);
        }
        if body.len() == expected {
            Ok(body.freeze())
        } else {
            Err(words(&format!("the answer has {} bytes where {expected} were asked for", body.len())))
        }
    }

    fn failed(&self, error: SdkError<GetObjectError>) -> SourceError {
        let object = self.name();
        match aws::status(&error) {
            Some(404) if error.code() == Some("NoSuchBucket") => SourceError::NoBucket { object },
            Some(404) => SourceError::NotFound { object },
            Some(401 | 403) => SourceError::Forbidden { object, cause: aws::words(error) },
            Some(412) => SourceError::Replaced { object },
            _ => SourceError::Read { object, cause: aws::words(error) },
        }
    }
}

/// Whether there is an object of this very key. What may not be looked at counts as none.
///
/// # Errors
///
/// When S3 does not report whether it exists.
pub async fn exists(client: &Client, bucket: &str, key: &str) -> Result<bool, SourceError> {
    match client.head_object().bucket(bucket).key(key).send().await {
        Ok(_) => Ok(true),
        Err(error) => match aws::status(&error) {
            Some(401 | 403 | 404 | 405) => Ok(false),
            _ => Err(SourceError::Read { object: format!("s3://{bucket}/{key}"), cause: aws::words(error) }),
        },
    }
}

/// All of an object that has no more than so many bytes.
///
/// # Errors
///
/// When it is longer, does not exist, may not be read, or does not answer.
pub async fn read_small(client: &Client, bucket: &str, key: &str, limit: u64) -> Result<Vec<u8>, SourceError> {
    let object = || format!("s3://{bucket}/{key}");
    let unread = |cause| SourceError::Read { object: object(), cause };
    let answer =
        client.get_object().bucket(bucket).key(key).send().await.map_err(|error| match aws::status(&error) {
            Some(404) => SourceError::NotFound { object: object() },
            Some(401 | 403) => SourceError::Forbidden { object: object(), cause: aws::words(error) },
            _ => unread(aws::words(error)),
        })?;
    body::bytes(answer, limit).await.map_err(|cause| unread(Arc::new(cause)))
}

/// What distinguishes one object version from another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ObjectState {
    /// The version, in a bucket that keeps versions.
    pub version: Option<String>,
    /// The entity tag without quotation marks.
    pub etag: String,
}

impl ObjectState {
    fn of(version: Option<&str>, etag: Option<&str>) -> Option<Self> {
        let version = version.filter(|version| *version != "null").map(str::to_owned);
        Some(Self { version, etag: etag?.trim_matches('"').to_owned() })
    }
}

/// What the newest version of an object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Current {
    /// This state.
    Is(ObjectState),
    /// A delete marker.
    DeleteMarker,
    /// There is no object of this key.
    Gone,
}

/// The newest version of an object.
///
/// # Errors
///
/// When S3 does not report it, or there is no such bucket.
pub async fn current(client: &Client, bucket: &str, key: &str) -> Result<Current, SourceError> {
    let object = || format!("s3://{bucket}/{key}");
    let unread = |cause| SourceError::Read { object: object(), cause };
    let error = match client.head_object().bucket(bucket).key(key).send().await {
        Ok(head) => {
            let state = ObjectState::of(head.version_id(), head.e_tag());
            return state.map(Current::Is).ok_or_else(|| unread(words("S3 gives it no entity tag")));
        }
        Err(error) => error,
    };
    let is_marker =
        |headers: &aws_sdk_s3::config::http::HttpResponse| headers.headers().get("x-amz-delete-marker") == Some("true");
    match aws::status(&error) {
        Some(404 | 405) if error.raw_response().is_some_and(is_marker) => Ok(Current::DeleteMarker),
        // The answer to such a request has no body that names what does not exist.
        Some(404) => match client.head_bucket().bucket(bucket).send().await {
            Err(error) if aws::status(&error) == Some(404) => Err(SourceError::NoBucket { object: object() }),
            Ok(_) | Err(_) => Ok(Current::Gone),
        },
        Some(401 | 403) => Err(SourceError::Forbidden { object: object(), cause: aws::words(error) }),
        _ => Err(unread(aws::words(error))),
    }
}

/// An entity tag as it stands in a header.
fn quoted(etag: &str) -> String {
    if etag.ends_with('"') { etag.to_owned() } else { format!("\"{etag}\"") }
}

pub(super) fn words(words: &str) -> Cause {
    Cause::from(Box::<dyn std::error::Error + Send + Sync>::from(words))
}

/// The length of the whole object, of which the answer holds a part.
fn total_bytes(answer: &GetObjectOutput) -> Option<u64> {
    match answer.content_range() {
        Some(range) => range.rsplit_once('/')?.1.parse().ok(),
        None => answer.content_length().and_then(|length| u64::try_from(length).ok()),
    }
}
