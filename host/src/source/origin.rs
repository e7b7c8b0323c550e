//! Where an object is from, as converters see it.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// The most metadata that is kept, in bytes of names and values. S3 takes 2 KB.
const MAX_METADATA_BYTES: usize = 16 * 1024;

/// Where an object is from. The same whenever the same version of an object of S3 is opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The bucket; none for a file.
    pub bucket: Option<String>,
    /// The key, decoded, or the path of a file.
    pub key: String,
    /// When it was last modified, in nanoseconds since 1970-01-01T00:00:00Z; none where that is unknown.
    pub last_modified: Option<i64>,
    /// Metadata that its author gave it in S3, sorted by name; at most 16 KiB.
    pub metadata: Vec<(String, String)>,
}

impl Origin {
    /// What is after the last `/` of the key.
    pub fn file_name(&self) -> &str {
        self.key.rsplit_once('/').map_or(&self.key, |(_, name)| name)
    }
}

/// Nanoseconds since 1970; none for times that 64 bits do not hold.
pub(super) fn nanoseconds(time: SystemTime) -> Option<i64> {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_nanos()).ok(),
        Err(before) => i64::try_from(before.duration().as_nanos()).ok().map(|nanoseconds| -nanoseconds),
    }
}

/// Metadata sorted by name, as far as it is not too much.
pub(super) fn bounded(metadata: Option<&HashMap<String, String>>, object: &str) -> Vec<(String, String)> {
    let mut pairs: Vec<_> = metadata.into_iter().flatten().collect();
    pairs.sort_unstable();
    let mut bytes = 0;
    let fits = |(name, value): &(&String, &String)| {
        bytes += name.len() + value.len();
        bytes <= MAX_METADATA_BYTES
    };
    let kept: Vec<_> =
        pairs.iter().copied().take_while(fits).map(|(name, value)| (name.clone(), value.clone())).collect();
    if kept.len() < pairs.len() {
        let (found, kept) = (pairs.len(), kept.len());
        tracing::warn!(
            object,
            "the object has more than {MAX_METADATA_BYTES} bytes of metadata: converters see {kept} of its {found} entries"
        );
    }
    kept
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_name_of_a_file_is_what_is_after_the_last_slash() {
        let name = |key: &str| Origin { key: key.to_owned(), ..Origin::default() }.file_name().to_owned();
        assert_eq!(name("raw/dataset=load/part-0.parquet"), "part-0.parquet");
        assert_eq!(name("part-0.parquet"), "part-0.parquet");
        assert_eq!(name("raw/"), "");
    }

    #[test]
    fn times_before_1970_are_negative() {
        assert_eq!(nanoseconds(UNIX_EPOCH + Duration::from_millis(1500)), Some(1_500_000_000));
        assert_eq!(nanoseconds(UNIX_EPOCH - Duration::from_secs(1)), Some(-1_000_000_000));
        assert_eq!(nanoseconds(UNIX_EPOCH + Duration::from_secs(1 << 40)), None);
    }

    #[test]
    fn metadata_is_sorted_and_bounded() {
        let pairs = |pairs: &[(&str, String)]| -> HashMap<String, String> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
        };
        let found = pairs(&[("b", "2".to_owned()), ("a", "1".to_owned())]);
        let sorted = [("a", "1"), ("b", "2")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(bounded(Some(&found), "o"), sorted);
        let found = pairs(&[("a", "1".to_owned()), ("b", "x".repeat(MAX_METADATA_BYTES)), ("c", "3".to_owned())]);
        assert_eq!(bounded(Some(&found), "o"), sorted[..1]);
        assert_eq!(bounded(None, "o"), []);
    }
}
