//! Which rows of an object are read, and what their numbers in the object are.

use std::iter;
use std::ops::Range;
use std::sync::Arc;

use ::parquet::arrow::arrow_reader::RowSelection;

/// Which rows of an object are read. Row groups without a selected row are not touched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Selection {
    /// All of them.
    #[default]
    All,
    /// Those of consecutive row groups, which are numbered from 0.
    RowGroups(Range<usize>),
    /// Those in ranges of row numbers, which count from 0 in the object. The ranges ascend, do not overlap, and none of
    /// them is empty.
    Rows(Vec<Range<u64>>),
}

impl Selection {
    /// The rows of these numbers, which must ascend. Neighbours share a range, so that many rows take little memory.
    pub fn rows(numbers: impl IntoIterator<Item = u64>) -> Self {
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for number in numbers {
            match ranges.last_mut() {
                Some(last) if last.end == number => last.end += 1,
                _ => ranges.push(number..number.saturating_add(1)),
            }
        }
        Self::Rows(ranges)
    }
}

/// The numbers in the object of the rows of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowNumbers(Numbers);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Numbers {
    /// This one and those that follow it.
    From(u64),
    /// One a row.
    Listed(Arc<[u64]>),
}

impl RowNumbers {
    /// Consecutive numbers.
    pub fn starting_at(first: u64) -> Self {
        Self(Numbers::From(first))
    }

    /// The number of the batch's row `index`, which must be one of its rows.
    #[inline]
    pub fn number(&self, index: usize) -> u64 {
        match &self.0 {
            Numbers::From(first) => first + index as u64,
            Numbers::Listed(numbers) => numbers[index],
        }
    }
}

/// The selected rows of one row group, and how many of them have been read.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// The row group's number.
    pub(super) group: usize,
    /// Its rows' numbers in the object.
    rows: Range<u64>,
    chosen: Chosen,
    /// Selected rows that have not been read.
    left: u64,
}

#[derive(Clone, Debug)]
enum Chosen {
    All,
    /// Ranges of row numbers, ascending, within the row group. The first of those from `next` on that has been read in
    /// part begins with its first row that has not.
    Ranges {
        ranges: Vec<Range<u64>>,
        next: usize,
    },
}

impl Part {
    fn whole(group: usize, rows: Range<u64>) -> Self {
        Self { group, left: rows.end - rows.start, rows, chosen: Chosen::All }
    }

    fn of(group: usize, rows: Range<u64>, ranges: Vec<Range<u64>>) -> Self {
        let left = ranges.iter().map(|range| range.end - range.start).sum();
        Self { group, rows, chosen: Chosen::Ranges { ranges, next: 0 }, left }
    }

    /// How many selected rows have not been read.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// Which rows a decoder of the row group has to read that have not been read; `None`: all of the row group's.
    pub(super) fn row_selection(&self) -> Option<RowSelection> {
        let index = |number: u64| usize::try_from(number - self.rows.start).unwrap_or(usize::MAX);
        let ranges: Vec<Range<u64>> = match &self.chosen {
            Chosen::All if self.left == self.rows.end - self.rows.start => return None,
            Chosen::All => iter::once(self.rows.end - self.left..self.rows.end).collect(),
            Chosen::Ranges { ranges, next } => ranges[*next..].to_vec(),
        };
        // They ascend and do not overlap, without which this would panic: `check` has seen to it.
        let ranges = ranges.iter().map(|range| index(range.start)..index(range.end));
        Some(RowSelection::from_consecutive_ranges(ranges, index(self.rows.end)))
    }

    /// The number of the next row to be read; after the last one, that of the row after the row group.
    pub(super) fn next_number(&self) -> u64 {
        match &self.chosen {
            Chosen::All => self.rows.end - self.left,
            Chosen::Ranges { ranges, next } => ranges.get(*next).map_or(self.rows.end, |range| range.start),
        }
    }

    /// Notes that `count` rows have been read, and returns which; `None` where there are not so many left.
    pub(super) fn take(&mut self, count: usize) -> Option<RowNumbers> {
        let left = self.left.checked_sub(count as u64)?;
        let numbers = match &mut self.chosen {
            Chosen::All => RowNumbers::starting_at(self.rows.end - self.left),
            Chosen::Ranges { ranges, next } => {
                let mut numbers = Vec::with_capacity(count);
                while numbers.len() < count {
                    let range = ranges.get_mut(*next)?;
                    let missing = (count - numbers.len()) as u64;
                    let end = range.end.min(range.start.saturating_add(missing));
                    numbers.extend(range.start..end);
                    range.start = end;
                    if range.is_empty() {
                        *next += 1;
                    }
                }
                RowNumbers(Numbers::Listed(numbers.into()))
            }
        };
        self.left = left;
        Some(numbers)
    }
}

/// The parts of a selection, or why it does not fit row groups of these many rows.
pub(super) fn parts(selection: &Selection, group_rows: &[u64]) -> Result<Vec<Part>, String> {
    let mut end = 0_u64;
    let groups: Vec<Range<u64>> = group_rows
        .iter()
        .map(|rows| {
            let start = end;
            end = end.saturating_add(*rows);
            start..end
        })
        .collect();
    match selection {
        Selection::All => Ok(whole(&groups, 0..groups.len())),
        Selection::RowGroups(wanted) => {
            if wanted.start > wanted.end || wanted.end > groups.len() {
                let Range { start, end } = wanted;
                return Err(format!("row groups {start} to {end} of {} are asked for", groups.len()));
            }
            Ok(whole(&groups, wanted.clone()))
        }
        Selection::Rows(ranges) => {
            check(ranges, end)?;
            let mut parts = Vec::new();
            for (group, rows) in groups.into_iter().enumerate() {
                let first = ranges.partition_point(|range| range.end <= rows.start);
                let within = ranges[first..].iter().take_while(|range| range.start < rows.end);
                let within: Vec<Range<u64>> =
                    within.map(|range| range.start.max(rows.start)..range.end.min(rows.end)).collect();
                if !within.is_empty() {
                    parts.push(Part::of(group, rows, within));
                }
            }
            Ok(parts)
        }
    }
}

fn whole(groups: &[Range<u64>], wanted: Range<usize>) -> Vec<Part> {
    wanted.map(|group| Part::whole(group, groups[group].clone())).collect()
}

/// Whether the ranges ascend, hold rows, and end within an object of so many rows.
fn check(ranges: &[Range<u64>], rows: u64) -> Result<(), String> {
    let mut free = 0;
    for Range { start, end } in ranges {
        if start >= end {
            return Err(format!("rows {start} to {end} are none"));
        }
        if *start < free {
            return Err(format!("row {start} is asked for after row {}", free - 1));
        }
        if *end > rows {
            return Err(format!("row {} of {rows} is asked for", end - 1));
        }
        free = *end;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::single_range_in_vec_init, reason = "a test fails by panicking")]

    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;

    use super::*;

    fn refused(selection: &Selection) -> String {
        parts(selection, &[10, 0, 20]).unwrap_err()
    }

    #[test]
    fn neighbouring_rows_share_a_range() {
        assert_eq!(Selection::rows([1, 2, 3, 7, 9, 10]), Selection::Rows(vec![1..4, 7..8, 9..11]));
        assert_eq!(Selection::rows([]), Selection::Rows(Vec::new()));
    }

    #[test]
    fn what_does_not_fit_the_object_is_refused() {
        insta::assert_snapshot!(refused(&Selection::RowGroups(1..4)), @"row groups 1 to 4 of 3 are asked for");
        #[expect(clippy::reversed_empty_ranges, reason = "that is what is tested")]
        let reversed = Selection::RowGroups(2..1);
        insta::assert_snapshot!(refused(&reversed), @"row groups 2 to 1 of 3 are asked for");
        insta::assert_snapshot!(refused(&Selection::rows([5, 30])), @"row 30 of 30 is asked for");
        insta::assert_snapshot!(refused(&Selection::rows([5, 4])), @"row 4 is asked for after row 5");
        insta::assert_snapshot!(refused(&Selection::rows([5, 5])), @"row 5 is asked for after row 5");
        insta::assert_snapshot!(refused(&Selection::Rows(vec![3..3])), @"rows 3 to 3 are none");
        insta::assert_snapshot!(refused(&Selection::Rows(vec![0..u64::MAX])), @"row 18446744073709551614 of 30 is asked for");
    }

    #[test]
    fn row_groups_without_a_selected_row_have_no_part() {
        let groups = |selection| -> Vec<usize> {
            parts(&selection, &[10, 10, 10, 10]).unwrap().iter().map(|part| part.group).collect()
        };
        assert_eq!(groups(Selection::All), [0, 1, 2, 3]);
        assert_eq!(groups(Selection::RowGroups(1..3)), [1, 2]);
        assert_eq!(groups(Selection::RowGroups(4..4)), [0; 0]);
        assert_eq!(groups(Selection::rows([9, 30])), [0, 3]);
        assert_eq!(groups(Selection::Rows(vec![19..31])), [1, 2, 3]);
    }

    proptest! {
        #[test]
        fn the_parts_have_the_selected_rows_under_their_numbers(
            group_rows in vec(0_u64..20, 0..6),
            wanted in btree_set(0_u64..120, 0..60),
            size in 1_usize..9,
        ) {
            let rows: u64 = group_rows.iter().sum();
            let wanted: Vec<u64> = wanted.into_iter().filter(|number| *number < rows).collect();
            let mut found = Vec::new();
            for mut part in parts(&Selection::rows(wanted.iter().copied()), &group_rows).unwrap() {
                let selected = part.row_selection().unwrap();
                prop_assert_eq!(selected.row_count() as u64, part.left());
                while part.left() > 0 {
                    let count = size.min(usize::try_from(part.left()).unwrap());
                    let next = part.next_number();
                    let numbers = part.take(count).unwrap();
                    prop_assert_eq!(numbers.number(0), next);
                    found.extend((0..count).map(|row| numbers.number(row)));
                }
                let end: u64 = group_rows[..=part.group].iter().sum();
                prop_assert_eq!(part.next_number(), end);
                prop_assert_eq!(part.take(1), None);
            }
            prop_assert_eq!(found, wanted);
        }
    }
}
