//! References to objects, checked.

use std::fmt;
use std::ops::Range;

use super::node::Node;
use super::{Broken, Problem};

/// The longest key that S3 takes, in bytes of UTF-8.
const MAXIMUM_KEY_BYTES: usize = 1024;

/// The shortest and the longest name of a bucket: 255 as the oldest ones may have; newer ones end at 63.
const BUCKET_NAME_BYTES: std::ops::RangeInclusive<usize> = 3..=255;

/// The longest version, tag or sequencer that is taken. According to S3, a version has at most 1,024 bytes.
const MAXIMUM_TOKEN_BYTES: usize = 1024;

/// The digits of a SHA-256.
const DIGEST_DIGITS: usize = 64;

/// An object that is to be loaded. Prints as `s3://bucket/key`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ObjectReference {
    /// 3 to 255 letters, digits, `.`, `-` and `_`.
    pub bucket: String,
    /// The plain key, not encoded; 1 to 1,024 bytes.
    pub key: String,
    /// Which version; none: the latest one. Visible ASCII.
    pub version_id: Option<String>,
    /// The entity tag without quotation marks, as the event has it. Visible ASCII.
    pub etag: Option<String>,
    /// The size in bytes, as the event has it.
    pub size: Option<u64>,
    /// The entity tag without quotation marks that the object must have. Visible ASCII.
    pub if_match: Option<String>,
    /// The digest of the converter that the rows before these were loaded with; none: whichever is current.
    pub converter_digest: Option<String>,
    /// Which of its row groups, from the first to the one after the last; none: all of them.
    pub row_groups: Option<Range<usize>>,
    /// What orders the events of one key. Visible ASCII.
    pub sequencer: Option<String>,
    /// The dataset, where the caller names it. Not checked: [`crate::dataset::DatasetName`] is.
    pub dataset: Option<String>,
    /// Whether a notification names it, which reports what has happened. Any other caller asks for what it names.
    pub notified: bool,
    /// Whether it is skipped where the ledger shows that it is loaded.
    pub skip_loaded: bool,
}

impl ObjectReference {
    /// The latest version of an object, all of it.
    pub fn new(bucket: impl Into<String>, key: impl Into<String>) -> Self {
        Self {
            bucket: bucket.into(),
            key: key.into(),
            version_id: None,
            etag: None,
            size: None,
            if_match: None,
            converter_digest: None,
            row_groups: None,
            sequencer: None,
            dataset: None,
            notified: false,
            skip_loaded: false,
        }
    }
}

impl fmt::Display for ObjectReference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "s3://{}/{}", self.bucket, self.key)
    }
}

/// The name of a bucket: letters, digits, `.`, `-` and `_`, which the names of old buckets and the aliases of access
/// points keep to as well. Whether S3 has such a bucket is not checked here.
pub(super) fn bucket(node: &Node<'_>) -> Result<String, Broken> {
    bucket_name(node, node.text()?)
}

/// As [`bucket`], where the value of the node has more than the name.
pub(super) fn bucket_name(node: &Node<'_>, name: &str) -> Result<String, Broken> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let valid = BUCKET_NAME_BYTES.contains(&name.len()) && name.bytes().all(allowed);
    if valid { Ok(name.to_owned()) } else { Err(node.broken(Problem::Bucket(shorten(name)))) }
}

/// A plain key, found at `node`.
pub(super) fn key(node: &Node<'_>, key: &str) -> Result<String, Broken> {
    match key.len() {
        0 => Err(node.broken(Problem::Empty)),
        1..=MAXIMUM_KEY_BYTES => Ok(key.to_owned()),
        bytes => Err(node.broken(Problem::TooLong { bytes, limit: MAXIMUM_KEY_BYTES })),
    }
}

/// The beginning of keys, all of them where it is empty, or a key after which to resume.
pub(super) fn prefix(node: &Node<'_>) -> Result<String, Broken> {
    let prefix = node.text()?;
    if prefix.len() > MAXIMUM_KEY_BYTES {
        return Err(node.broken(Problem::TooLong { bytes: prefix.len(), limit: MAXIMUM_KEY_BYTES }));
    }
    Ok(prefix.to_owned())
}

/// An entity tag without its quotation marks.
pub(super) fn entity_tag(node: &Node<'_>) -> Result<Option<String>, Broken> {
    Ok(token(node)?.map(|tag| tag.trim_matches('"').to_owned()))
}

/// A version, an entity tag or a sequencer: opaque, sent back in a query or a header.
pub(super) fn token(node: &Node<'_>) -> Result<Option<String>, Broken> {
    let Some(token) = node.optional_text()? else { return Ok(None) };
    if token.len() > MAXIMUM_TOKEN_BYTES {
        return Err(node.broken(Problem::TooLong { bytes: token.len(), limit: MAXIMUM_TOKEN_BYTES }));
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(node.broken(Problem::Token));
    }
    Ok(Some(token.to_owned()))
}

/// The lower-case hexadecimal SHA-256 of a converter.
pub(super) fn digest(node: &Node<'_>) -> Result<Option<String>, Broken> {
    let Some(digest) = node.optional_text()? else { return Ok(None) };
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let valid = digest.len() == DIGEST_DIGITS && digest.bytes().all(digit);
    if valid { Ok(Some(digest.to_owned())) } else { Err(node.broken(Problem::Digest)) }
}

/// `[from, to]`: row groups from the first to the one after the last, at least one.
pub(super) fn row_groups(node: &Node<'_>) -> Result<Option<Range<usize>>, Broken> {
    if node.is_absent() {
        return Ok(None);
    }
    let numbers = node.elements()?.map(|element| element.unsigned()).collect::<Result<Vec<u64>, _>>()?;
    match numbers[..].try_into().map(|numbers: [u64; 2]| numbers.map(usize::try_from)) {
        Ok([Ok(from), Ok(to)]) if from < to => Ok(Some(from..to)),
        _ => Err(node.broken(Problem::RowGroups)),
    }
}

/// Enough of a hostile value to recognize it by.
pub(super) fn shorten(value: &str) -> String {
    value.chars().take(80).flat_map(char::escape_debug).collect()
}
