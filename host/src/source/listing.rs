//! What lies below a prefix of a bucket, page by page, or all of it as far as it has room.

use aws_sdk_s3::Client;

use super::SourceError;
use super::s3::words;
use crate::aws;

/// What a listing for a command may take, in bytes: a million and a half of objects take as much.
pub const LISTING_BYTES: usize = 512 << 20;

/// What a listing about a single object may take, in bytes.
pub const OBJECT_LISTING_BYTES: usize = 16 << 20;

/// An object that was listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: String,
    /// Its size in bytes.
    pub size: Option<u64>,
    /// Its entity tag without quotation marks.
    pub etag: Option<String>,
}

/// Some of the objects below a prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// In S3's order.
    pub objects: Vec<Listed>,
    /// The key after which the next page begins; none where this is the last.
    pub next: Option<String>,
}

/// The first keys that begin with `prefix` and come after `start_after`; a thousand at most.
///
/// # Errors
///
/// When the bucket does not exist, may not be listed, or does not answer.
pub async fn list_page(
    client: &Client,
    bucket: &str,
    prefix: &str,
    start_after: Option<&str>,
) -> Result<Page, SourceError> {
    let request = client.list_objects_v2().bucket(bucket).prefix(prefix);
    let page = request.set_start_after(start_after.map(str::to_owned)).send().await.map_err(|error| {
        let object = format!("s3://{bucket}/{prefix}");
        match aws::status(&error) {
            Some(404) => SourceError::NotFound { object },
            Some(401 | 403) => SourceError::Forbidden { object, cause: aws::words(error) },
            _ => SourceError::Read { object, cause: aws::words(error) },
        }
    })?;
    let size = |bytes: i64| u64::try_from(bytes).ok();
    let listed = |entry: &aws_sdk_s3::types::Object| {
        let etag = entry.e_tag().map(|etag| etag.trim_matches('"').to_owned());
        Some(Listed { key: entry.key()?.to_owned(), size: entry.size().and_then(size), etag })
    };
    let objects: Vec<Listed> = page.contents().iter().filter_map(listed).collect();
    let next = match (page.is_truncated(), objects.last()) {
        (Some(true), Some(last)) if start_after.is_none_or(|start| *last.key > *start) => Some(last.key.clone()),
        // Whoever asks for the next page would ask forever.
        (Some(true), _) => {
            let cause = words("the listing does not end, and the next page would begin where this one does");
            return Err(SourceError::Read { object: format!("s3://{bucket}/{prefix}"), cause });
        }
        (Some(false) | None, _) => None,
    };
    Ok(Page { objects, next })
}

/// The objects whose keys begin with `prefix`, in S3's order, as far as `keep` makes something of them. What is kept takes no more
/// than `limit` bytes.
///
/// # Errors
///
/// As [`list_page`], and [`SourceError::TooMany`].
pub async fn list<T>(
    client: &Client,
    bucket: &str,
    prefix: &str,
    limit: usize,
    mut keep: impl FnMut(Listed) -> Option<T>,
) -> Result<Vec<T>, SourceError> {
    let (mut found, mut after) = (Kept { kept: Vec::new(), bytes: 0, limit }, None);
    loop {
        let page = list_page(client, bucket, prefix, after.as_deref()).await?;
        for listed in page.objects {
            let takes = size_of::<T>() + listed.key.len() + listed.etag.as_ref().map_or(0, String::len);
            let is_kept = keep(listed).is_none_or(|one| found.keep(one, takes));
            if !is_kept {
                let prefix = format!("s3://{bucket}/{prefix}");
                return Err(SourceError::TooMany { prefix, objects: found.kept.len(), limit });
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(found.kept);
        }
    }
}

/// What is kept of a listing.
struct Kept<T> {
    kept: Vec<T>,
    bytes: usize,
    limit: usize,
}

impl<T> Kept<T> {
    /// Returns whether there is room for one more that takes so many bytes.
    fn keep(&mut self, one: T, bytes: usize) -> bool {
        self.bytes = self.bytes.saturating_add(bytes);
        let has_room = self.bytes <= self.limit;
        if has_room {
            self.kept.push(one);
        }
        has_room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_takes_no_more_than_its_bytes() {
        let mut found = Kept { kept: Vec::new(), bytes: 0, limit: 10 };
        assert!(found.keep("a", 4) && found.keep("b", 6) && !found.keep("c", 1) && !found.keep("d", usize::MAX));
        assert_eq!(found.kept, ["a", "b"]);
    }
}
