//! Which row groups of an object are done: of which every row is written, rejected or filtered.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::points;
use crate::report::RejectedRow;
use crate::source::{ParquetObject, Selection};

/// The row groups of a load, and how far they are done.
///
/// Rows are converted in their order, and written in any. So a row is done when it has been converted, is not waiting for
/// its chunk to fill, and is in no chunk under way; the first that is not ends what is done.
#[derive(Debug)]
pub(super) struct RowGroups {
    /// The row after the last of each row group of the object.
    ends: Vec<u64>,
    /// Those that are loaded.
    selected: Range<usize>,
    /// The rows before this one have been converted, and are in chunks that were handed on.
    converted: u64,
    /// The first rows of the chunks under way.
    under_way: BTreeSet<u64>,
}

impl RowGroups {
    /// The row groups of `object` that `selection` selects; all of them, where it selects by rows.
    pub(super) fn new(object: &ParquetObject, selection: &Selection) -> Self {
        let ends = ends(object);
        let selected = match selection {
            Selection::RowGroups(range) => range.clone(),
            Selection::All | Selection::Rows(_) => 0..ends.len(),
        };
        Self { ends, selected, converted: 0, under_way: BTreeSet::new() }
    }

    /// The rows before `row` have been converted, and are in chunks that were handed on.
    pub(super) fn converted(&mut self, row: u64) {
        self.converted = self.converted.max(row);
    }

    /// A chunk that begins with `row` is under way.
    pub(super) fn sent(&mut self, row: u64) {
        self.under_way.insert(row);
    }

    /// The chunk that begins with `row` is written.
    pub(super) fn delivered(&mut self, row: u64) {
        self.under_way.remove(&row);
    }

    /// Those that are done.
    pub(super) fn done(&self) -> Range<usize> {
        let row = self.under_way.first().map_or(self.converted, |first| self.converted.min(*first));
        let done = self.ends.partition_point(|end| *end <= row);
        self.selected.start..done.clamp(self.selected.start, self.selected.end)
    }

    /// Those that are not.
    pub(super) fn remaining(&self) -> Range<usize> {
        self.done().end..self.selected.end
    }
}

/// A rejected row with its row group, of those that end at `ends`.
pub(super) fn place(row: points::RejectedRow, ends: &[u64]) -> RejectedRow {
    RejectedRow {
        row_group: u32::try_from(ends.partition_point(|end| *end <= row.row)).ok(),
        row: row.row,
        code: row.code,
        message: row.message,
    }
}

/// The row after the last of each row group.
pub(super) fn ends(object: &ParquetObject) -> Vec<u64> {
    let mut end = 0;
    let rows = object.row_groups().into_iter();
    rows.map(|rows| {
        end += rows;
        end
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(selected: Range<usize>) -> RowGroups {
        RowGroups { ends: vec![10, 20, 30], selected, converted: 0, under_way: BTreeSet::new() }
    }

    #[test]
    fn a_row_group_is_done_when_every_chunk_with_a_row_of_it_is_written() {
        let mut groups = groups(0..3);
        assert_eq!((groups.done(), groups.remaining()), (0..0, 0..3));
        groups.sent(0);
        groups.sent(8);
        groups.converted(25);
        assert_eq!(groups.done(), 0..0);
        groups.delivered(0);
        assert_eq!(groups.done(), 0..0, "rows from 8 on are under way");
        groups.delivered(8);
        assert_eq!((groups.done(), groups.remaining()), (0..2, 2..3));
        groups.converted(30);
        assert_eq!((groups.done(), groups.remaining()), (0..3, 3..3));
    }

    #[test]
    fn chunks_may_be_written_in_any_order() {
        let mut groups = groups(0..3);
        groups.sent(0);
        groups.sent(10);
        groups.converted(20);
        groups.delivered(10);
        assert_eq!(groups.done(), 0..0);
        groups.delivered(0);
        assert_eq!(groups.done(), 0..2);
    }

    #[test]
    fn only_selected_row_groups_count() {
        let mut groups = groups(1..2);
        assert_eq!((groups.done(), groups.remaining()), (1..1, 1..2));
        groups.converted(20);
        assert_eq!((groups.done(), groups.remaining()), (1..2, 2..2));
        groups.converted(30);
        assert_eq!(groups.done(), 1..2);
    }
}
