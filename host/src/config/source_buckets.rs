//! Which objects an event may name.

use std::fmt;

/// Patterns, of which an object has to match one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceBuckets(Vec<Pattern>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    bucket: String,
    /// What keys begin with.
    prefix: String,
}

impl SourceBuckets {
    /// `bucket` or `bucket/prefix`, joined by commas; at least one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let patterns = text.split(',').map(|pattern| {
            let pattern = pattern.trim();
            let (bucket, prefix) = pattern.split_once('/').unwrap_or((pattern, ""));
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'*');
            let valid = !bucket.is_empty() && bucket.bytes().all(is_name);
            valid.then(|| Pattern { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
        });
        patterns.collect::<Option<_>>().map(Self)
    }

    /// Whether an event may name the object at `key`, or every object whose key begins with it.
    pub fn allow(&self, bucket: &str, key: &str) -> bool {
        let any_end = |pattern: &Pattern| format!("{}*", pattern.prefix);
        self.0.iter().any(|pattern| matches(&pattern.bucket, bucket) && matches(&any_end(pattern), key))
    }
}

/// As the setting has them.
impl fmt::Display for SourceBuckets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, Pattern { bucket, prefix }) in self.0.iter().enumerate() {
            let (comma, slash) = (if place > 0 { "," } else { "" }, if prefix.is_empty() { "" } else { "/" });
            write!(formatter, "{comma}{bucket}{slash}{prefix}")?;
        }
        Ok(())
    }
}

/// Whether `text` matches `pattern`, in which `*` stands for any characters. Takes time in proportion to both.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(place) = rest.find(part) else { return false };
        rest = &rest[place + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use super::*;

    fn allowed(patterns: &str, bucket: &str, key: &str) -> bool {
        SourceBuckets::parse(patterns).unwrap().allow(bucket, key)
    }

    #[test]
    fn a_bucket_alone_allows_all_of_it_and_nothing_of_another() {
        assert!(allowed("energy", "energy", "any/key"));
        assert!(!allowed("energy", "energy-2", "any/key"));
        assert!(!allowed("energy", "other", "energy"));
    }

    #[test]
    fn a_prefix_allows_what_begins_with_it() {
        assert!(allowed("energy/landing/", "energy", "landing/a.parquet"));
        assert!(!allowed("energy/landing/", "energy", "landing"), "a prefix above it has more below it");
        assert!(!allowed("energy/landing/", "energy", "other/landing/a.parquet"));
    }

    #[test]
    fn stars_stand_for_any_characters_and_one_of_several_patterns_is_enough() {
        let patterns = "energy-*/dataset=*/2024/, archive";
        assert!(allowed(patterns, "energy-eu", "dataset=load/2024/a.parquet"));
        assert!(!allowed(patterns, "energy-eu", "dataset=load/2023/a.parquet"));
        assert!(allowed(patterns, "archive", "a"));
        assert!(allowed("*", "any", "key"));
        assert!(!allowed("a*b*a", "aba-not", ""));
        assert!(allowed("a*b*a", "aba", ""));
        assert!(!allowed("ab*ba", "aba", ""), "one character does not stand for two");
    }

    #[test]
    fn what_names_no_bucket_is_none() {
        for text in ["", ",", "/prefix", "s3://energy", "energy,"] {
            assert_eq!(SourceBuckets::parse(text), None, "{text}");
        }
        assert_eq!(SourceBuckets::parse("a-*/b/ , c").unwrap().to_string(), "a-*/b/,c");
    }
}
