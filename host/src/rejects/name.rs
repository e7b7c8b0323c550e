//! Where the rejected rows of an object stand below the prefix: a name that shows the object, and that no other object has.
//!
//! `<bucket>/<key>.jsonl`, or `file/<path>.jsonl`. What cannot stand in a name of a file or is risky in one is
//! percent-encoded, byte by byte, and `%` itself is too. So a name identifies its object exactly, except names that are too
//! long, which end in the digest of what they stand for.

use std::fmt::Write;
use std::ops::Range;

use sha2::{Digest, Sha256};

use super::Source;

/// The ending of objects with rejected rows.
pub(super) const EXTENSION: &str = ".jsonl";

/// What stands before the numbers of row groups, in the name of a part.
pub(super) const PART: &str = ".row-groups-";

/// Names between slashes have at most so many bytes, so that with the longest ending they are not longer than the 255
/// that file systems take.
const SEGMENT_BYTES: usize = 180;

/// So much of a name that is too long stays.
const HEAD_BYTES: usize = 100;

/// The longest whole name, in bytes, with its ending: what a key of S3 takes beside the longest prefix.
const NAME_BYTES: usize = 511;

/// The longest ending: row groups are numbered by 64 bits.
const ENDING_BYTES: usize = 60;

/// Where the names of files begin. A bucket of this name is encoded.
const FILES: &str = "file";

/// Stands for an empty name. No other name has a `%` that is not before the digits of a byte.
const EMPTY: &str = "%";

/// Stands before a digest, for the same reason.
const DIGEST: &str = "%~";

/// The name of the object with the rejected rows of a source, or of some row groups of it.
pub(super) fn name(source: &Source, row_groups: Option<&Range<usize>>) -> String {
    let ending = row_groups.map_or_else(String::new, |Range { start, end }| format!("{PART}{start}-{end}"));
    let misleads = |segment: &str, is_last| if is_last { is_part(segment) } else { segment.ends_with(EXTENSION) };
    format!("{}{ending}{EXTENSION}", path_name(source, ENDING_BYTES, misleads))
}

/// The name of a directory for a source, that no other source has, and in which files may end in `extension`.
pub(crate) fn directory(source: &Source, extension: &str) -> String {
    path_name(source, SEGMENT_BYTES + ENDING_BYTES, |segment, _| segment.ends_with(extension))
}

/// A name that shows a source, with room behind it for so many bytes. `misleads` tells of a segment, and whether it is the last one, that it has to be another.
fn path_name(source: &Source, room: usize, misleads: impl Fn(&str, bool) -> bool) -> String {
    let (place, path) = match source {
        Source::S3 { bucket, key, .. } if bucket == FILES => ("%66ile".to_owned(), key.as_str()),
        Source::S3 { bucket, key, .. } => (bucket.clone(), key.as_str()),
        Source::File { file: path } => (FILES.to_owned(), path.strip_prefix('/').unwrap_or(path)),
    };
    let segments: Vec<&str> = path.split('/').collect();
    let last = segments.len() - 1;
    let encoded = segments.iter().enumerate().map(|(index, text)| segment(text, misleads(text, index == last)));
    let mut name = encoded.collect::<Vec<_>>().join("/");
    if place.len() + 1 + name.len() + room > NAME_BYTES {
        name = digest(path);
    }
    format!("{place}/{name}")
}

/// A name for one segment of a path, that no other segment has; another one than what it is where that would mislead.
pub(crate) fn segment(text: &str, misleads: bool) -> String {
    shorten(encode(text, misleads), text)
}

/// A segment that is no name for a file becomes one that no other segment becomes.
fn encode(segment: &str, misleads: bool) -> String {
    if segment.is_empty() {
        return EMPTY.to_owned();
    }
    // The last point of a directory that would have the name of a file, or of a file that would have that of a part.
    let last_point = segment.rfind('.').filter(|_| misleads);
    let mut encoded = String::with_capacity(segment.len());
    for (index, character) in segment.char_indices() {
        // S3 lists keys as XML, which does not have the last two.
        let unfit = character.is_control() || matches!(character, '%' | '\u{fffe}' | '\u{ffff}');
        if unfit || matches!(segment, "." | "..") || last_point == Some(index) {
            percent(character, &mut encoded);
        } else {
            encoded.push(character);
        }
    }
    encoded
}

fn percent(character: char, encoded: &mut String) {
    for byte in character.encode_utf8(&mut [0; 4]).bytes() {
        // Writing to a string does not fail.
        _ = write!(encoded, "%{byte:02X}");
    }
}

/// Whether it ends as the name of a part of an object does, before the extension.
fn is_part(segment: &str) -> bool {
    let numbers = segment.rsplit_once(PART).and_then(|(_, numbers)| numbers.split_once('-'));
    numbers.is_some_and(|(start, end)| is_number(start) && is_number(end))
}

pub(super) fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn shorten(encoded: String, segment: &str) -> String {
    if encoded.len() <= SEGMENT_BYTES {
        return encoded;
    }
    format!("{}{}", &encoded[..encoded.floor_char_boundary(HEAD_BYTES)], digest(segment))
}

fn digest(text: &str) -> String {
    Sha256::digest(text).iter().fold(DIGEST.to_owned(), |mut name, byte| {
        _ = write!(name, "{byte:02x}");
        name
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn s3(bucket: &str, key: &str) -> Source {
        Source::S3 { bucket: bucket.to_owned(), key: key.to_owned(), version_id: None, etag: None }
    }

    fn file(path: &str) -> Source {
        Source::File { file: path.to_owned() }
    }

    #[test]
    fn a_name_shows_the_object() {
        let key = "dataset=consumption/2021/são paulo.parquet";
        insta::assert_snapshot!(name(&s3("energy", key), None), @"energy/dataset=consumption/2021/são paulo.parquet.jsonl");
        insta::assert_snapshot!(name(&s3("energy", key), Some(&(3..8))), @"energy/dataset=consumption/2021/são paulo.parquet.row-groups-3-8.jsonl");
        insta::assert_snapshot!(name(&file("/data/a.parquet"), None), @"file/data/a.parquet.jsonl");
    }

    #[test]
    fn a_name_leads_nowhere_else() {
        for (key, expected) in [
            ("../../etc/passwd", "energy/%2E%2E/%2E%2E/etc/passwd.jsonl"),
            ("/a//b/", "energy/%/a/%/b/%.jsonl"),
            ("./a", "energy/%2E/a.jsonl"),
            ("a\u{0}\n\u{85}b", "energy/a%00%0A%C2%85b.jsonl"),
            ("100%/a%2Fb", "energy/100%25/a%252Fb.jsonl"),
            (".hidden/...", "energy/.hidden/....jsonl"),
        ] {
            assert_eq!(name(&s3("energy", key), None), expected);
        }
    }

    #[test]
    fn a_file_and_a_directory_never_have_the_same_name() {
        assert_eq!(name(&s3("energy", "a"), None), "energy/a.jsonl");
        assert_eq!(name(&s3("energy", "a.jsonl/b"), None), "energy/a%2Ejsonl/b.jsonl");
    }

    #[test]
    fn an_object_that_is_called_as_a_part_of_another_is_not_taken_for_it() {
        assert_eq!(name(&s3("energy", "a"), Some(&(0..3))), "energy/a.row-groups-0-3.jsonl");
        assert_eq!(name(&s3("energy", "a.row-groups-0-3"), None), "energy/a%2Erow-groups-0-3.jsonl");
    }

    #[test]
    fn a_bucket_that_is_called_file_is_not_taken_for_this_machine() {
        assert_eq!(name(&s3("file", "data/a"), None), "%66ile/data/a.jsonl");
        assert_eq!(name(&file("/data/a"), None), "file/data/a.jsonl");
    }

    #[test]
    fn a_name_without_end_keeps_its_beginning_and_gets_a_digest() {
        let long = format!("dataset=consumption/{}", "ã".repeat(200));
        insta::assert_snapshot!(name(&s3("energy", &long), None), @"energy/dataset=consumption/ãããããããããããããããããããããããããããããããããããããããããããããããããã%~60fa65c8fc8ed6ff4ecfe29372a3b74e117c1cbf5c13d7a7886dcef10c0d7c8a.jsonl");
        let deep = "segment/".repeat(120);
        insta::assert_snapshot!(name(&s3("energy", &deep), None), @"energy/%~5a8b781f3832ae1e8e9d7edbf475cadf98f477f0790f1b00726ca87d4f99eca5.jsonl");
    }

    /// Keys of the characters that matter, so that they collide where they can.
    const KEYS: &str = "([./%-~]|[0a2E]|\\.\\.|file|\\.jsonl|\\.row-groups-0-3|%2E|\u{0}|\u{7f}|\u{fffe}|é|aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa){1,24}";

    proptest! {
        #[test]
        fn no_two_objects_have_the_same_name(
            objects in proptest::collection::hash_set(("(bucket|file)", KEYS, proptest::option::of((0_usize..4, 0_usize..4))), 1..40),
        ) {
            let mut names = HashMap::new();
            for (bucket, key, part) in objects {
                let part = part.map(|(start, end)| start..end);
                let name = name(&s3(&bucket, &key), part.as_ref());
                prop_assert!(name.len() <= NAME_BYTES);
                prop_assert!(name.split('/').all(|segment| (1..=255).contains(&segment.len()) && !matches!(segment, "." | "..")));
                prop_assert!(!name.contains(char::is_control));
                let other = names.insert(name.clone(), (bucket.clone(), key.clone(), part.clone()));
                prop_assert_eq!(other, None, "{}", name);
            }
            for name in names.keys() {
                let within = format!("{name}/");
                prop_assert!(!names.keys().any(|other| other.starts_with(&within)), "{} is a directory, too", name);
            }
        }
    }
}
