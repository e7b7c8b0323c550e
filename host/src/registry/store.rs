//! The objects of the registry: bounded reads and conditional writes.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use tokio::sync::OnceCell;

use super::error::RegistryError;
use crate::aws;
use crate::aws::body::{self, BodyError};

/// How long a document may take: S3 answers within a second, or has no time for us.
const DOCUMENT_PATIENCE: Duration = Duration::from_secs(10);

/// How long a component may take, and a listing.
const PATIENCE: Duration = Duration::from_secs(60);

/// The most names that a listing gives.
const MAX_NAMES: usize = 10_000;

/// What a read gave.
pub(super) enum Fetched {
    /// The object.
    Found { bytes: Vec<u8>, etag: Option<String> },
    /// It is as it was.
    NotModified,
    /// There is none.
    Missing,
}

/// What must be so for a write to happen.
pub(super) enum Condition {
    /// There is no such object.
    New,
    /// The object has this entity tag.
    Same(String),
}

/// A part of a bucket.
#[derive(Debug)]
pub(super) struct Store {
    client: OnceCell<Client>,
    bucket: String,
    prefix: String,
}

impl Store {
    pub(super) fn new(bucket: String, prefix: String) -> Self {
        Self { client: OnceCell::new(), bucket, prefix }
    }

    async fn client(&self) -> &Client {
        self.client.get_or_init(aws::s3).await
    }

    /// The object as people write it.
    pub(super) fn url(&self, key: &str) -> String {
        format!("s3://{}/{}/{key}", self.bucket, self.prefix)
    }

    fn key(&self, key: &str) -> String {
        format!("{}/{key}", self.prefix)
    }

    /// Reads a document of at most `limit` bytes, unless its entity tag is `known`.
    pub(super) async fn document(&self, key: &str, limit: u64, known: Option<&str>) -> Result<Fetched, RegistryError> {
        self.within(DOCUMENT_PATIENCE, key, self.get(key, limit, known)).await
    }

    /// Reads a component of at most `limit` bytes.
    pub(super) async fn component(&self, key: &str, limit: u64) -> Result<Fetched, RegistryError> {
        self.within(PATIENCE, key, self.get(key, limit, None)).await
    }

    async fn within<T>(
        &self,
        limit: Duration,
        key: &str,
        work: impl Future<Output = Result<T, RegistryError>>,
    ) -> Result<T, RegistryError> {
        let outcome = tokio::time::timeout(limit, work).await;
        outcome.unwrap_or_else(|_| Err(RegistryError::TimedOut { object: self.url(key), limit }))
    }

    async fn get(&self, key: &str, limit: u64, known: Option<&str>) -> Result<Fetched, RegistryError> {
        let request = self.client().await.get_object().bucket(&self.bucket).key(self.key(key));
        let answer = match request.set_if_none_match(known.map(str::to_owned)).send().await {
            Ok(answer) => answer,
            Err(error) if aws::status(&error) == Some(304) => return Ok(Fetched::NotModified),
            Err(error) if aws::status(&error) == Some(404) && error.code() != Some("NoSuchBucket") => {
                return Ok(Fetched::Missing);
            }
            Err(error) => return Err(self.failed(key, error)),
        };
        let etag = answer.e_tag().map(str::to_owned);
        let bytes = body::bytes(answer, limit).await.map_err(|error| match error {
            BodyError::TooLong { limit } => RegistryError::TooLarge { object: self.url(key), limit },
            cause => RegistryError::Unavailable { object: self.url(key), cause: Arc::new(cause) },
        })?;
        Ok(Fetched::Found { bytes, etag })
    }

    /// Writes an object if the condition holds. Returns whether it did.
    pub(super) async fn put(
        &self,
        key: &str,
        bytes: Vec<u8>,
        content_type: &str,
        condition: Condition,
    ) -> Result<bool, RegistryError> {
        self.write(key, bytes, content_type, condition).await.map(|written| written.is_some())
    }

    /// As [`Self::put`]. Returns the entity tag of what was written.
    pub(super) async fn write(
        &self,
        key: &str,
        bytes: Vec<u8>,
        content_type: &str,
        condition: Condition,
    ) -> Result<Option<Option<String>>, RegistryError> {
        let request = self.client().await.put_object().bucket(&self.bucket).key(self.key(key));
        let request = match condition {
            Condition::New => request.if_none_match("*"),
            Condition::Same(etag) => request.if_match(etag),
        };
        match request.content_type(content_type).body(ByteStream::from(bytes)).send().await {
            Ok(written) => Ok(Some(written.e_tag().map(str::to_owned))),
            // It is not so; someone else is about to write; or what was to be replaced is gone.
            Err(error) if matches!(aws::status(&error), Some(409 | 412)) => Ok(None),
            Err(error) if aws::status(&error) == Some(404) && error.code() != Some("NoSuchBucket") => Ok(None),
            Err(error) => Err(self.failed(key, error)),
        }
    }

    /// The names below a key: what stands before the next `/`, or before the end. `key` is empty or ends in `/`.
    pub(super) async fn names(&self, key: &str) -> Result<Vec<String>, RegistryError> {
        self.within(PATIENCE, key, self.list(key, None)).await
    }

    /// As [`Self::names`], only those that come after a name, in ascending order.
    pub(super) async fn names_after(&self, key: &str, after: Option<&str>) -> Result<Vec<String>, RegistryError> {
        let mut names = self.within(DOCUMENT_PATIENCE, key, self.list(key, after)).await?;
        names.sort_unstable();
        Ok(names)
    }

    async fn list(&self, key: &str, after: Option<&str>) -> Result<Vec<String>, RegistryError> {
        let prefix = self.key(key);
        let request = self.client().await.list_objects_v2().bucket(&self.bucket).prefix(&prefix).delimiter("/");
        let request = request.set_start_after(after.map(|after| format!("{prefix}{after}")));
        let mut pages = request.into_paginator().send();
        let mut names = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| self.failed(key, error))?;
            let folders = page.common_prefixes().iter().filter_map(|folder| folder.prefix());
            let found = folders.chain(page.contents().iter().filter_map(|entry| entry.key()));
            let found = found.filter_map(|name| Some(name.strip_prefix(&prefix)?.trim_end_matches('/').to_owned()));
            names.extend(found.filter(|name| !name.is_empty()));
            if names.len() >= MAX_NAMES {
                names.truncate(MAX_NAMES);
                break;
            }
        }
        Ok(names)
    }

    fn failed<E>(&self, key: &str, error: SdkError<E>) -> RegistryError
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let object = self.url(key);
        match aws::status(&error) {
            // The bucket, where it matters that it is missing.
            Some(404) => RegistryError::NotFound { object: format!("s3://{}", self.bucket) },
            Some(401 | 403) => RegistryError::Forbidden { object, cause: aws::words(error) },
            _ => RegistryError::Unavailable { object, cause: aws::words(error) },
        }
    }
}
