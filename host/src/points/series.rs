//! Which series a point is of, and which point of it: as hashes, the same in every batch and every load.

use std::hash::{DefaultHasher, Hasher};

use super::lanes::mixed;

/// A hash of a text.
pub(super) fn of_text(text: &[u8]) -> u64 {
    // Of the same keys every time.
    let mut hasher = DefaultHasher::new();
    hasher.write(text);
    hasher.finish()
}

/// A hash of a tag, by those of its key and its value. Those of all tags of a point are added up, in any order.
pub(super) fn of_tag(key: u64, value: u64) -> u64 {
    mixed(mixed(key).wrapping_add(value))
}

/// A hash of the point of a series at a time.
#[inline]
pub(super) fn point(series: u64, time: i64) -> u64 {
    let (series, time) = (series ^ 0x243f_6a88_85a3_08d3, time.cast_unsigned() ^ 0x1319_8a2e_0370_7344);
    let product = u128::from(series) * u128::from(time);
    #[expect(clippy::cast_possible_truncation, reason = "both halves are taken")]
    let folded = (product >> 64) as u64 ^ product as u64;
    folded
}
