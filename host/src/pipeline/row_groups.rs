//! Which row groups of an object are done: of which every row is written, rejected or filtered.

use std::ops::Range;

use crate::source::{ParquetObject, Selection};

/// The row groups of a load, and how many rows of each are done.
#[derive(Debug)]
pub(super) struct RowGroups {
    /// The row after the last of each row group of the object.
    ends: Vec<u64>,
    /// Those that are loaded.
    selected: Range<usize>,
    /// Rows of each that are done.
    done: Vec<u64>,
}

impl RowGroups {
    /// The row groups of `object` that `selection` selects; all of them, where it selects by rows.
    pub(super) fn new(object: &ParquetObject, selection: &Selection) -> Self {
        let ends = ends(object);
        let selected = match selection {
            Selection::RowGroups(range) => range.clone(),
            Selection::All | Selection::Rows(_) => 0..ends.len(),
        };
        Self { done: vec![0; ends.len()], ends, selected }
    }

    /// So many rows are done of a row group.
    pub(super) fn settle(&mut self, row_group: u32, rows: u64) {
        if let Some(done) = usize::try_from(row_group).ok().and_then(|index| self.done.get_mut(index)) {
            *done += rows;
        }
    }

    /// Those that are done, from the first that is loaded to the one before the first that is not done.
    pub(super) fn done(&self) -> Range<usize> {
        let size = |index: usize| self.ends[index] - index.checked_sub(1).map_or(0, |before| self.ends[before]);
        let done = self.selected.clone().take_while(|index| self.done[*index] == size(*index)).count();
        self.selected.start..self.selected.start + done
    }

    /// The rows before this one, its number in the object, are in row groups that are done or not loaded.
    pub(super) fn done_rows(&self) -> u64 {
        self.done().end.checked_sub(1).and_then(|last| self.ends.get(last)).copied().unwrap_or_default()
    }

    /// How many the object has.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// How many rows are in those that are done.
    pub(super) fn done_of_selected(&self) -> u64 {
        let end = |index: usize| index.checked_sub(1).and_then(|last| self.ends.get(last)).copied().unwrap_or_default();
        let done = self.done();
        end(done.end) - end(done.start)
    }

    /// Those that are loaded, where that are not all.
    pub(super) fn part(&self) -> Option<Range<usize>> {
        Some(self.selected.clone()).filter(|selected| *selected != (0..self.ends.len()))
    }

    /// Those that are not.
    pub(super) fn remaining(&self) -> Range<usize> {
        self.done().end..self.selected.end
    }
}

/// The row after the last of each row group.
fn ends(object: &ParquetObject) -> Vec<u64> {
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
        RowGroups { ends: vec![10, 20, 30], selected, done: vec![0; 3] }
    }

    #[test]
    fn a_row_group_is_done_when_every_row_of_it_is() {
        let mut groups = groups(0..3);
        assert_eq!((groups.done(), groups.remaining()), (0..0, 0..3));
        groups.settle(0, 9);
        groups.settle(1, 10);
        assert_eq!((groups.done(), groups.remaining()), (0..0, 0..3), "the first goes before the second");
        groups.settle(0, 1);
        assert_eq!((groups.done(), groups.remaining()), (0..2, 2..3));
        assert_eq!(groups.done_rows(), 20);
        groups.settle(2, 10);
        assert_eq!((groups.done(), groups.remaining()), (0..3, 3..3));
    }

    #[test]
    fn only_selected_row_groups_count() {
        assert_eq!((groups(0..3).part(), groups(1..2).part()), (None, Some(1..2)));
        let mut groups = groups(1..2);
        assert_eq!((groups.done(), groups.remaining()), (1..1, 1..2));
        groups.settle(1, 10);
        groups.settle(2, 10);
        assert_eq!((groups.done(), groups.remaining()), (1..2, 2..2));
    }
}
