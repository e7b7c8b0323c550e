//! Rows that replace a row before them.

use super::lanes::mixed;

/// Points that are remembered, in sets of a cache line each: 512 KiB, which fit into a processor's own cache.
const SETS: usize = 1 << 13;
const WAYS: usize = 8;

/// Bits of an entry that tell fields; the others tell points.
pub(super) const FIELD_BITS: u32 = 24;
const FIELDS: u64 = (1 << FIELD_BITS) - 1;

/// A point of a row: what it replaces, and what it is replaced by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PointKey {
    /// A hash of its series and time.
    pub(super) point: u64,
    /// A bit for each of its fields, among the first 24.
    pub(super) fields: u64,
    /// The number of its row.
    pub(super) row: u64,
}

/// The points of an object that were seen last, to count the rows that replace one of them: the same series and time, and a
/// field of both. At least as many points are remembered as a set has places, and, since sets are chosen by hash, nearly always the
/// last 16,000 of an object; what lies further apart may go unseen. What is seen depends on the order of rows alone.
#[derive(Debug)]
pub struct Recent {
    /// Each entry has the upper bits of a point's hash, and a bit for each of its fields.
    sets: Vec<[u64; WAYS]>,
    /// The place of each set that is the next to be overwritten: that of the oldest entry.
    oldest: Vec<u8>,
}

impl Default for Recent {
    fn default() -> Self {
        Self { sets: vec![[0; WAYS]; SETS], oldest: vec![0; SETS] }
    }
}

impl Recent {
    /// Takes the points of the next rows, in their order. Returns how many of these rows replace one before them.
    pub fn replaced_by(&mut self, points: &[PointKey]) -> u64 {
        let mut rows = 0;
        for row in points.chunk_by(|one, next| one.row == next.row) {
            if let [point] = row {
                rows += u64::from(self.has(point));
                self.add(point);
                continue;
            }
            // Points of one row complete each other.
            let replaces = row.iter().fold(false, |found, point| found | self.has(point));
            rows += u64::from(replaces);
            row.iter().for_each(|point| self.add(point));
        }
        rows
    }

    /// The number of a point's set.
    #[inline]
    fn set(key: &PointKey) -> usize {
        #[expect(clippy::cast_possible_truncation, reason = "taken modulo the number of sets")]
        let set = mixed(key.point) as usize % SETS;
        set
    }

    #[inline]
    fn has(&self, key: &PointKey) -> bool {
        let entry = key.entry();
        self.sets[Self::set(key)]
            .iter()
            .fold(false, |found, other| found | (same_point(*other, entry) & (other & entry & FIELDS != 0)))
    }

    #[inline]
    fn add(&mut self, key: &PointKey) {
        let (number, entry) = (Self::set(key), key.entry());
        let set = &mut self.sets[number];
        if let Some(other) = set.iter_mut().find(|other| same_point(**other, entry) && **other & FIELDS != 0) {
            *other |= entry;
            return;
        }
        let oldest = &mut self.oldest[number];
        set[usize::from(*oldest) % WAYS] = entry;
        *oldest = oldest.wrapping_add(1);
    }
}

impl PointKey {
    #[inline]
    fn entry(&self) -> u64 {
        (self.point & !FIELDS) | (self.fields & FIELDS)
    }
}

#[inline]
fn same_point(one: u64, other: u64) -> bool {
    (one ^ other) >> FIELD_BITS == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A point by its number, as far apart as hashes are.
    fn key(row: u64, point: u64, fields: u64) -> PointKey {
        PointKey { point: mixed(point + 1), fields, row }
    }

    #[test]
    fn a_row_replaces_one_of_the_same_point_that_shares_a_field() {
        let mut recent = Recent::default();
        assert_eq!(recent.replaced_by(&[key(0, 7, 0b01), key(1, 8, 0b01), key(2, 7, 0b10)]), 0);
        assert_eq!(recent.replaced_by(&[key(3, 7, 0b10), key(4, 7, 0b01), key(5, 8, 0b11), key(6, 9, 0b11)]), 3);
    }

    #[test]
    fn points_of_one_row_do_not_replace_each_other() {
        let mut recent = Recent::default();
        assert_eq!(recent.replaced_by(&[key(0, 7, 1), key(0, 7, 1), key(0, 8, 1)]), 0);
        assert_eq!(recent.replaced_by(&[key(1, 9, 1), key(1, 7, 1), key(1, 8, 1)]), 1);
    }

    #[test]
    fn rows_are_seen_that_lie_sixteen_thousand_apart_and_the_table_does_not_grow() {
        let mut recent = Recent::default();
        for apart in [1, 8_192, 16_384] {
            let rows: Vec<_> = (0..100_000).map(|row| key(row, row % apart, 1)).collect();
            let (seen, repeated) = (recent.replaced_by(&rows), 100_000 - apart);
            assert!(seen <= repeated && seen > repeated - repeated / 100, "{seen} of {repeated}, {apart} apart");
            recent = Recent::default();
        }
        assert_eq!(recent.replaced_by(&(0..1_000_000).map(|row| key(row, row, 1)).collect::<Vec<_>>()), 0);
        assert_eq!(size_of_val(recent.sets.as_slice()), 512 << 10);
    }
}
