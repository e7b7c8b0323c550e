//! Rows that replace a row before them.
//!
//! Most files are in the order of time. A point that is later than all before it replaces none, and one that is as late as the
//! latest can only replace one of the same time: a table is enough for these that is small and therefore near to the
//! processor. The points are kept, and looked up in a large table when the first comes that is earlier than the latest.

use std::collections::VecDeque;
use std::mem;

/// Sets of the large table: 512 KiB.
const SETS: usize = 1 << 13;

/// Sets of the small one: 32 KiB.
const NEAR_SETS: usize = 1 << 9;

/// Points of one time that the small table is trusted with: a quarter of its places, so that sets overflow next to never.
const NEAR_POINTS: u32 = 1 << 10;

/// A set has as many points as one cache line holds.
const WAYS: usize = 8;

/// At least so many points are kept.
const KEPT: usize = 1 << 15;

/// How many fields are distinguished.
pub(super) const FIELD_BITS: u32 = 24;

/// A point of a row: what it replaces, and what it is replaced by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PointKey {
    /// A hash of its series and time.
    pub(super) point: u64,
    /// In nanoseconds since 1970.
    pub(super) time: i64,
    /// A bit for each of its fields, among the first 24.
    pub(super) fields: u32,
    /// Distinguishes its row from those before and after it.
    pub(super) row: u32,
}

/// The points of an object that were seen last, to count the rows that replace one of them: the same series and time, and a
/// field of both. In the order of time, all are seen of up to a thousand points that share their time. Otherwise at least as many
/// points are remembered as a set has places, and, since sets are chosen by hash, nearly always the last 16,000 of an object; what
/// lies further apart may go unseen. What is seen depends on the order of rows alone.
#[derive(Debug)]
pub struct Recent {
    /// Points that are as late as the latest.
    near: Table,
    latest: i64,
    /// How many points there are of that time.
    of_latest: u32,
    /// Points that are in the large table.
    far: Table,
    kept: VecDeque<Kept>,
}

/// The points of a batch.
#[derive(Debug, Default)]
struct Kept {
    points: Vec<PointKey>,
    /// How many of them, from the first, are in the large table.
    known: usize,
}

impl Default for Recent {
    fn default() -> Self {
        Self {
            near: Table::new(NEAR_SETS),
            latest: i64::MIN,
            of_latest: 0,
            far: Table::new(SETS),
            kept: VecDeque::new(),
        }
    }
}

impl Recent {
    /// Takes the points of the next rows, in their order, and leaves memory for others. Returns how many of these rows replace
    /// one before them.
    pub fn replaced_by(&mut self, points: &mut Vec<PointKey>) -> u64 {
        let mut batch = Kept { points: mem::take(points), known: 0 };
        let (mut rows, mut start) = (0, 0);
        while let Some(first) = batch.points.get(start) {
            let is_alone = batch.points.get(start + 1).is_none_or(|next| next.row != first.row);
            if is_alone && self.is_in_order(first) {
                rows += u64::from(self.near.add(first));
                self.note_time(first);
                start += 1;
                continue;
            }
            let end = start + batch.points[start..].iter().take_while(|point| point.row == first.row).count();
            let replaces = if batch.points[start..end].iter().all(|point| self.is_in_order(point)) {
                self.near.replaces(&batch.points[start..end])
            } else {
                self.kept.iter_mut().for_each(|kept| self.far.learn(kept, usize::MAX));
                self.far.learn(&mut batch, start);
                batch.known = end;
                // They may be the latest as well.
                self.near.replaces(&batch.points[start..end]);
                self.far.replaces(&batch.points[start..end])
            };
            rows += u64::from(replaces);
            batch.points[start..end].iter().for_each(|point| self.note_time(point));
            start = end;
        }
        self.kept.push_back(batch);
        let mut count: usize = self.kept.iter().map(|kept| kept.points.len()).sum();
        while let Some(oldest) = self.kept.front()
            && count - oldest.points.len() >= KEPT
        {
            count -= oldest.points.len();
            if let Some(Kept { points: memory, .. }) = self.kept.pop_front() {
                *points = memory;
                points.clear();
            }
        }
        rows
    }

    /// Whether a point can only replace one that is in the small table.
    #[inline]
    fn is_in_order(&self, key: &PointKey) -> bool {
        key.time > self.latest || key.time == self.latest && self.of_latest < NEAR_POINTS
    }

    #[inline]
    fn note_time(&mut self, key: &PointKey) {
        if key.time > self.latest {
            (self.latest, self.of_latest) = (key.time, 1);
        } else if key.time == self.latest {
            self.of_latest += 1;
        }
    }
}

/// Points, in sets that are chosen by hash.
#[derive(Debug)]
struct Table {
    sets: Vec<Set>,
    /// The place of each set that is the next to be overwritten: that of the oldest entry.
    oldest: Vec<u8>,
}

/// Points whose hashes end alike. Nearly every point is new, which a look at the tags shows: these are compared all at once.
#[derive(Clone, Debug, Default)]
#[repr(align(64))]
struct Set {
    /// The upper half of each point's hash.
    tags: [u32; WAYS],
    /// A bit for each of its fields, above eight further bits of its hash. Without fields: nothing is remembered here.
    fields: [u32; WAYS],
}

impl Table {
    /// A table of so many sets, a power of two.
    fn new(sets: usize) -> Self {
        Self { sets: vec![Set::default(); sets], oldest: vec![0; sets] }
    }

    /// Adds the points of a row, which complete each other. Returns whether they replace points that it held before.
    #[inline]
    fn replaces(&mut self, row: &[PointKey]) -> bool {
        if let [point] = row {
            return self.add(point);
        }
        let replaces = row.iter().any(|point| self.has(point));
        row.iter().for_each(|point| _ = self.add(point));
        replaces
    }

    /// Adds the points of a batch that are not known, before the one with this number.
    #[cold]
    fn learn(&mut self, batch: &mut Kept, end: usize) {
        let end = end.min(batch.points.len());
        batch.points[batch.known.min(end)..end].iter().for_each(|point| _ = self.add(point));
        batch.known = batch.known.max(end);
    }

    #[inline]
    fn set(&self, key: &PointKey) -> usize {
        #[expect(clippy::cast_possible_truncation, reason = "the lowest bits are taken")]
        let set = key.point as usize & (self.sets.len() - 1);
        set
    }

    #[inline]
    fn has(&self, key: &PointKey) -> bool {
        let set = &self.sets[self.set(key)];
        set.may_have(key.tag()) && set.find(key).is_some_and(|place| set.fields[place] & key.field_bits() != 0)
    }

    /// Returns whether it shares a field with the same point before.
    #[inline]
    fn add(&mut self, key: &PointKey) -> bool {
        let number = self.set(key);
        let set = &mut self.sets[number];
        if set.may_have(key.tag())
            && let Some(place) = set.find(key)
        {
            let shares = set.fields[place] & key.field_bits() != 0;
            set.fields[place] |= key.field_bits();
            return shares;
        }
        let oldest = &mut self.oldest[number];
        let place = usize::from(*oldest) % WAYS;
        (set.tags[place], set.fields[place]) = (key.tag(), key.field_bits() | key.further_bits());
        *oldest = oldest.wrapping_add(1);
        false
    }
}

impl Set {
    /// Whether a point with this tag may be here.
    #[inline]
    fn may_have(&self, tag: u32) -> bool {
        self.tags.iter().fold(false, |found, other| found | (*other == tag))
    }

    /// The place of a point.
    #[cold]
    fn find(&self, key: &PointKey) -> Option<usize> {
        let is_here = |(tag, fields): (&u32, &u32)| {
            *tag == key.tag() && *fields >> u8::BITS != 0 && fields & 0xff == key.further_bits()
        };
        self.tags.iter().zip(&self.fields).position(is_here)
    }
}

impl PointKey {
    /// What two rows share that write the same point: its series and its time, as a hash, and the time.
    pub fn point(&self) -> (u64, i64) {
        (self.point, self.time)
    }

    /// The row that writes it, by its place in the batch.
    pub fn row(&self) -> usize {
        self.row as usize
    }

    /// Whether a field of it is one of the other's: then the later of the two replaces the earlier.
    pub fn shares_a_field_with(&self, other: &Self) -> bool {
        self.fields & other.fields != 0
    }
}

#[expect(clippy::cast_possible_truncation, reason = "parts of a hash")]
impl PointKey {
    #[inline]
    fn tag(&self) -> u32 {
        (self.point >> u32::BITS) as u32
    }

    /// Bits of the hash that are not in the tag, nor in the number of the set.
    #[inline]
    fn further_bits(&self) -> u32 {
        (self.point >> FIELD_BITS) as u32 & 0xff
    }

    #[inline]
    fn field_bits(&self) -> u32 {
        self.fields << u8::BITS
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::points::lanes::mixed;
    use crate::points::series;

    /// A point by the number of its series, as far apart as hashes are.
    fn key(row: u32, series: u64, time: i64, fields: u32) -> PointKey {
        PointKey { point: series::point(mixed(series + 1), time), time, fields, row }
    }

    /// What is seen in batches of so many rows.
    fn seen(points: &[PointKey], batch: usize) -> u64 {
        let (mut recent, mut memory) = (Recent::default(), Vec::new());
        let rows: Vec<_> = points.chunk_by(|one, next| one.row == next.row).collect();
        let batches = rows.chunks(batch).map(|batch| {
            memory.extend(batch.iter().copied().flatten());
            let rows = recent.replaced_by(&mut memory);
            assert!(memory.is_empty());
            rows
        });
        batches.sum()
    }

    #[test]
    fn a_row_replaces_one_of_the_same_point_that_shares_a_field() {
        let points = [key(0, 7, 1, 0b01), key(1, 8, 1, 0b01), key(2, 7, 1, 0b10), key(3, 7, 2, 0b01)];
        assert_eq!(seen(&points, 2), 0);
        let more = [key(4, 7, 1, 0b10), key(5, 7, 1, 0b01), key(6, 8, 1, 0b11), key(7, 9, 1, 0b11)];
        assert_eq!(seen(&[points, more].concat(), 3), 3);
    }

    #[test]
    fn points_of_one_row_do_not_replace_each_other() {
        let points = [key(0, 7, 5, 1), key(0, 7, 5, 1), key(0, 8, 5, 1)];
        assert_eq!(seen(&points, 9), 0);
        assert_eq!(seen(&[points, [key(1, 9, 5, 1), key(1, 7, 5, 1), key(1, 8, 5, 1)]].concat(), 9), 1);
    }

    #[test]
    fn rows_are_seen_in_whatever_order_their_times_are() {
        type Time = fn(u32) -> i64;
        let times: [(&str, Time); 5] = [
            ("by time, hundreds of one time", |row| i64::from(row / 300)),
            ("by time, thousands of one time", |row| i64::from(row / 5_000)),
            ("by series", |row| i64::from(row % 1_000)),
            ("backwards", |row| -i64::from(row / 300)),
            ("in any order", |row| (mixed(row.into()) % 2_000).cast_signed()),
        ];
        for (order, time) in times {
            let points: Vec<_> = (0..12_000)
                .flat_map(|row| {
                    let point = move |part: u32| {
                        key(row, mixed(u64::from(row + part)) % 100, time(row + part), 1 << (mixed(row.into()) >> 62))
                    };
                    (0..=row % 2).map(point)
                })
                .collect();
            let mut fields: HashMap<u64, u32> = HashMap::new();
            let mut replace = 0;
            for row in points.chunk_by(|one, next| one.row == next.row) {
                let shares = |point: &PointKey| fields.get(&point.point).is_some_and(|other| other & point.fields != 0);
                replace += u64::from(row.iter().any(shares));
                row.iter().for_each(|point| *fields.entry(point.point).or_default() |= point.fields);
            }
            assert!(replace > 100, "{order}: {replace}");
            for batch in [700, 50_000] {
                assert_eq!(seen(&points, batch), replace, "{order}, in batches of {batch}");
            }
        }
    }

    #[test]
    fn rows_are_seen_that_lie_sixteen_thousand_apart_and_the_tables_do_not_grow() {
        for apart in [1, 8_192, 16_384] {
            let rows: Vec<_> = (0..100_000).map(|row| key(row, 0, i64::from(row % apart), 1)).collect();
            let (seen, repeated) = (seen(&rows, 8_192), u64::from(100_000 - apart));
            assert!(seen <= repeated && seen > repeated - repeated / 100, "{seen} of {repeated}, {apart} apart");
        }
        assert_eq!(seen(&(0..1_000_000).map(|row| key(row, 0, -i64::from(row), 1)).collect::<Vec<_>>(), 8_192), 0);
        let mut recent = Recent::default();
        for batch in 0..100 {
            let rows = (0..8_192).map(|row| key(row, 0, i64::from(batch * 8_192 + row), 1));
            recent.replaced_by(&mut rows.collect());
            assert!(recent.kept.iter().map(|kept| kept.points.len()).sum::<usize>() < KEPT + 8_192);
        }
        assert_eq!((size_of_val(&*recent.near.sets), size_of_val(&*recent.far.sets)), (32 << 10, 512 << 10));
    }
}
