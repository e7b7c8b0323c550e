//! In how many passes an object is read.
//!
//! Rows are sorted for the server as far as memory holds them. Of a file that has one series after the other, every buffer then has
//! points of all times, and each of its requests touches many shards. To read and convert such a file again costs less than a
//! hundredth of what that costs the server. So it is read several times, and each pass sends the rows of another range of time:
//!
//! ```text
//! file:    series A, 2020 … 2024 │ series B, 2020 … 2024 │ …
//! pass 1:  A 2020  B 2020  …       pass 2:  A 2021  B 2021  …
//! ```
//!
//! All points of a row have the same time, or there is one pass. So each row is sent in one pass, as a whole, and rows that write
//! the same point are sent in the same pass, in the order of the file. Rows are counted, and rejected ones reported, in the first pass.

use std::collections::{BTreeMap, HashSet};

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Int64Type, TimestampNanosecondType};

use super::convert::Conversion;
use crate::converter::{Plan, Source};
use crate::points::{Shards, Sorting};
use crate::source::{ParquetObject, Selection};

/// The most passes.
const MOST_PASSES: usize = 16;

/// What a point is assumed to take in the buffer, what sorting takes included.
const BYTES_A_POINT: usize = 200;

/// An order is bad when its buffers touch so many times as many shards as they would if rows came in the order of time.
const BAD: usize = 2;

/// The most shards that are distinguished. With more, the object is read once.
const MOST_SHARDS: usize = 1 << 16;

/// An object that may be read in several passes.
pub(super) struct Passes {
    object: ParquetObject,
    selection: Selection,
    rows_per_batch: usize,
    /// The column with the time of every point.
    column: usize,
    /// How many rows are sorted together.
    buffered: usize,
    shards: Shards,
}

impl Passes {
    /// None where it is read once, whatever its order is.
    pub(super) fn of(conversion: &Conversion, plan: &Plan) -> Option<Self> {
        let Conversion { object, selection, rows_per_batch, deadline, lanes, .. } = conversion;
        let Sorting { shards, bytes, .. } = lanes.sorting.filter(|_| deadline.is_none())?;
        // Without shards, the order of time is no better than another.
        let shards = Some(shards).filter(|shards| *shards != Shards::ONE)?;
        let Source::Column(column) = plan.points.first()?.time else { return None };
        // Elements of one row may have several times.
        if plan.each.is_some() || plan.points.iter().any(|point| point.time != Source::Column(column)) {
            return None;
        }
        let buffered = (bytes / (BYTES_A_POINT * plan.points.len())).max(1);
        let rows = object.selected_rows(selection).ok()?;
        (rows > buffered as u64).then(|| Self {
            object: object.clone(),
            selection: selection.clone(),
            rows_per_batch: *rows_per_batch,
            column,
            buffered,
            shards,
        })
    }

    /// Reads the times, and returns of which times each pass sends the rows; of all, where there is one.
    pub(super) fn find(self) -> Vec<Option<(i64, i64)>> {
        let mut seen = Seen::new(self.buffered, self.shards);
        let Ok(batches) = self.object.read(vec![self.column], self.rows_per_batch, &self.selection) else {
            return vec![None];
        };
        for batch in batches {
            // What cannot be read is reported when it is read to be sent.
            let Ok(batch) = batch else { return vec![None] };
            let times = batch.columns.column(0);
            let taken = match times.data_type() {
                DataType::Timestamp(..) => seen.add(times.as_primitive::<TimestampNanosecondType>().iter()),
                DataType::Int64 => seen.add(times.as_primitive::<Int64Type>().iter()),
                _ => false,
            };
            if !taken {
                return vec![None];
            }
        }
        let passes = seen.passes();
        if passes.len() > 1 {
            tracing::info!(passes = passes.len(), "the file is not in the order of time: it is read in several passes");
        }
        passes
    }
}

/// The times of an object's rows.
struct Seen {
    buffered: usize,
    parted: Shards,
    /// How many rows a shard has, and the first of their times.
    shards: BTreeMap<i64, (u64, i64)>,
    /// The shards of the buffer that is being filled, and its rows.
    buffer: HashSet<i64>,
    rows: usize,
    /// How many buffers there are, and how many shards all of them touch, one by one.
    buffers: usize,
    touched: usize,
}

impl Seen {
    fn new(buffered: usize, parted: Shards) -> Self {
        let (shards, buffer) = (BTreeMap::new(), HashSet::new());
        Self { buffered, parted, shards, buffer, rows: 0, buffers: 0, touched: 0 }
    }

    /// Adds the times of rows; those without are rejected. Returns whether there are not too many shards.
    fn add(&mut self, times: impl Iterator<Item = Option<i64>>) -> bool {
        for time in times.flatten() {
            let shard = self.parted.shard(time);
            let (rows, first) = self.shards.entry(shard).or_insert((0, time));
            *rows += 1;
            *first = time.min(*first);
            self.buffer.insert(shard);
            self.rows += 1;
            if self.rows == self.buffered {
                self.end_buffer();
            }
        }
        self.shards.len() <= MOST_SHARDS
    }

    fn end_buffer(&mut self) {
        self.buffers += 1;
        self.touched += self.buffer.len();
        self.buffer.clear();
        self.rows = 0;
    }

    /// Ranges of time with about as many rows each, which end where shards do and together are all times.
    fn passes(mut self) -> Vec<Option<(i64, i64)>> {
        if self.rows > 0 {
            self.end_buffer();
        }
        let in_order = self.shards.len() + self.buffers;
        let count = self.buffers.min(MOST_PASSES).min(self.shards.len()) as u64;
        if self.touched < BAD * in_order || count < 2 {
            return vec![None];
        }
        let all: u64 = self.shards.values().map(|(rows, _)| rows).sum();
        let (mut passes, mut first, mut rows) = (Vec::new(), i64::MIN, 0);
        for (rows_of_shard, start) in self.shards.values() {
            // Another pass begins with this shard, where those before it have their share.
            if rows * count >= all * (passes.len() as u64 + 1) {
                passes.push(Some((first, start - 1)));
                first = *start;
            }
            rows += rows_of_shard;
        }
        passes.push(Some((first, i64::MAX)));
        passes
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn shards(nanoseconds: u64) -> Shards {
        Shards::of(Duration::from_nanos(nanoseconds))
    }

    fn passes(buffered: usize, shard: u64, times: impl Iterator<Item = i64>) -> Vec<Option<(i64, i64)>> {
        let mut seen = Seen::new(buffered, shards(shard));
        assert!(seen.add(times.map(Some)));
        seen.passes()
    }

    #[test]
    fn a_file_in_the_order_of_time_is_read_once_also_where_many_buffers_are_of_one_shard() {
        assert_eq!(passes(100, 10, 0..10_000), [None]);
        assert_eq!(passes(100, 1_000_000, 0..10_000), [None]);
    }

    #[test]
    fn a_file_with_one_series_after_the_other_is_read_by_ranges_of_time_that_end_with_shards() {
        let series_by_series = (0..50).flat_map(|_| 0..1_000);
        let found = passes(10_000, 10, series_by_series);
        let ends = [(i64::MIN, 199), (200, 399), (400, 599), (600, 799), (800, i64::MAX)];
        assert_eq!(found, ends.map(Some));
    }

    #[test]
    fn passes_are_bounded_and_so_are_the_shards_that_are_told_apart() {
        assert_eq!(passes(1_000, 1, (0..500).flat_map(|_| 0..1_000)).len(), MOST_PASSES);
        assert!(!Seen::new(10, shards(1)).add((0..).take(MOST_SHARDS + 1).map(Some)));
    }

    proptest! {
        #[test]
        fn every_time_is_of_one_pass(times in proptest::collection::vec(any::<i64>(), 1..300), shard: u64, asked: i64) {
            let found = passes(7, shard, times.iter().copied());
            let of = |time: i64| {
                let ranges = found.iter().map(|pass| pass.unwrap_or((i64::MIN, i64::MAX)));
                ranges.filter(|(first, last)| (*first..=*last).contains(&time)).count()
            };
            for time in times.into_iter().chain([asked, i64::MIN, i64::MAX, 0]) {
                prop_assert_eq!(of(time), 1);
            }
        }
    }
}
