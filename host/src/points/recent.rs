//! Rows that replace a row before them.

use super::lanes::mixed;

/// Points that are remembered, in sets of a cache line each: 2 MiB.
const SETS: usize = 1 << 15;
const WAYS: usize = 4;

/// A point of a row: what it replaces, and what it is replaced by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PointKey {
    /// A hash of its series and time.
    pub(super) point: u64,
    /// A bit for each of its fields.
    pub(super) fields: u64,
    /// The number of its row.
    pub(super) row: u64,
}

/// The points of an object that were seen last, to count the rows that replace one of them: the same series and time, and a
/// field of both. At least as many points are remembered as a set has places, and, since sets are chosen by hash, nearly always the
/// last 16,000 of an object; what lies further apart may go unseen. What is seen depends on the order of rows alone.
#[derive(Debug)]
pub struct Recent {
    /// The latest of a set comes first.
    sets: Vec<[Entry; WAYS]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    point: u64,
    fields: u64,
}

impl Default for Recent {
    fn default() -> Self {
        Self { sets: vec![[Entry::default(); WAYS]; SETS] }
    }
}

impl Recent {
    /// Takes the points of the next rows, in their order. Returns how many of these rows replace one before them.
    pub fn replaced_by(&mut self, points: &[PointKey]) -> u64 {
        let mut rows = 0;
        for row in points.chunk_by(|one, next| one.row == next.row) {
            // Points of one row complete each other.
            let replaces = row.iter().fold(false, |found, point| found | self.has(point));
            rows += u64::from(replaces);
            row.iter().for_each(|point| self.add(point));
        }
        rows
    }

    #[inline]
    fn set(&mut self, point: u64) -> &mut [Entry; WAYS] {
        #[expect(clippy::cast_possible_truncation, reason = "taken modulo the number of sets")]
        let set = mixed(point) as usize % SETS;
        &mut self.sets[set]
    }

    #[inline]
    fn has(&mut self, key: &PointKey) -> bool {
        self.set(key.point).iter().any(|entry| entry.point == key.point && entry.fields & key.fields != 0)
    }

    #[inline]
    fn add(&mut self, key: &PointKey) {
        let set = self.set(key.point);
        let found = set.iter().position(|entry| entry.point == key.point && entry.fields != 0);
        let fields = key.fields | found.map_or(0, |place| set[place].fields);
        set[..=found.unwrap_or(WAYS - 1)].rotate_right(1);
        set[0] = Entry { point: key.point, fields };
    }
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
        assert_eq!(size_of_val(recent.sets.as_slice()), 2 << 20);
    }
}
