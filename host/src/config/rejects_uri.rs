//! Where rejected rows are kept.

use std::fmt;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;

/// The longest prefix, in bytes: half of what a key of S3 may have, so that the other half is left for names.
const PREFIX_BYTES: usize = 512;

/// Where rejected rows are kept. Prints as it is written in the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RejectsUri {
    /// In S3, below a prefix.
    S3 {
        /// The bucket.
        bucket: String,
        /// What all keys begin with, without slashes around it; may be empty.
        prefix: String,
    },
    /// In a directory of this machine.
    Directory(PathBuf),
}

impl RejectsUri {
    /// Reads `s3://bucket/prefix`, `file:///path`, or a path; `None` where it is none of them.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.contains(char::is_control) {
            return None;
        }
        match text.split_once("://") {
            Some(("s3", rest)) => {
                let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
                let prefix = prefix.trim_end_matches('/');
                let part = |part: &str| !matches!(part, "" | "." | "..");
                let is_prefix = prefix.is_empty() || prefix.split('/').all(part);
                let valid = is_bucket(bucket) && is_prefix && prefix.len() <= PREFIX_BYTES;
                valid.then(|| Self::S3 { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
            }
            Some(("file", path)) => {
                let path = percent_decode_str(path).decode_utf8().ok()?;
                let valid = path.starts_with('/') && !path.contains(char::is_control);
                valid.then(|| Self::Directory(PathBuf::from(path.into_owned())))
            }
            Some(_) => None,
            // A path without two slashes after its scheme is more likely a slip than a directory.
            None if text.starts_with("s3:") || text.starts_with("file:") => None,
            None => Some(Self::Directory(PathBuf::from(text))),
        }
    }
}

/// Whether it can be the name of a bucket, or the alias of an access point.
pub(crate) fn is_bucket(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    (3..=255).contains(&name.len()) && name.bytes().all(allowed)
}

impl fmt::Display for RejectsUri {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::S3 { bucket, prefix } if prefix.is_empty() => write!(formatter, "s3://{bucket}"),
            Self::S3 { bucket, prefix } => write!(formatter, "s3://{bucket}/{prefix}"),
            Self::Directory(path) => path.display().fmt(formatter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_with_a_prefix_and_directories_are_places() {
        for (text, expected) in [
            ("s3://energy", "s3://energy"),
            ("s3://energy/", "s3://energy"),
            ("s3://energy/rejected rows/são-paulo//", "s3://energy/rejected rows/são-paulo"),
            ("file:///var/rejects", "/var/rejects"),
            ("file:///var/rejected%20rows", "/var/rejected rows"),
            ("/var/rejects", "/var/rejects"),
            ("rejects", "rejects"),
        ] {
            assert_eq!(RejectsUri::parse(text).map(|uri| uri.to_string()).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for text in [
            "s3://",
            "s3://e",
            "s3:///prefix",
            "s3://energy/../prefix",
            "s3://energy//prefix",
            "s3://user@energy/prefix",
            "s3:energy/prefix",
            "file://host/path",
            "file:/path",
            "file://",
            "file:///a%00b",
            "file:///%ff",
            "gs://energy/prefix",
            "https://energy.s3.amazonaws.com/prefix",
            "a\nb",
        ] {
            assert_eq!(RejectsUri::parse(text), None, "{text}");
        }
        assert_eq!(RejectsUri::parse(&format!("s3://energy/{}", "x".repeat(513))), None);
    }
}
