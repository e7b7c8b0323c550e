//! Rows with points in several chunks: they count once, when the last of their points is settled.

use std::collections::HashMap;

use crate::points::{ChunkRows, RejectedRow};

/// Rows of which some points are settled, and others on their way.
#[derive(Debug, Default)]
pub(super) struct SplitRows {
    rows: HashMap<u64, Row>,
}

#[derive(Debug)]
struct Row {
    /// Chunks that are not settled.
    left: u32,
    rejected: bool,
}

/// What is settled with a chunk.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Settled {
    /// Rejected rows that have all of their points in the chunk.
    pub(super) whole_rejected: u64,
    /// Rows in several chunks of which all points are written.
    pub(super) written: u64,
    /// The row groups of rows in several chunks of which all points are settled.
    pub(super) done: Vec<u32>,
    /// Rejected rows that were not rejected before.
    pub(super) rejected: Vec<RejectedRow>,
}

impl SplitRows {
    /// A chunk with these rows is delivered, of which some were rejected, in ascending order.
    pub(super) fn settle(&mut self, rows: &ChunkRows, rejected: Vec<RejectedRow>) -> Settled {
        let mut settled = Settled::default();
        if rows.split.is_empty() {
            return Settled { whole_rejected: rejected.len() as u64, rejected, ..settled };
        }
        let mut refused = rejected.into_iter().peekable();
        for split in &rows.split {
            while let Some(whole) = refused.next_if(|row| row.row < split.row) {
                settled.whole_rejected += 1;
                settled.rejected.push(whole);
            }
            let row = self.rows.entry(split.row).or_insert(Row { left: split.parts, rejected: false });
            row.left -= 1;
            if let Some(refused) = refused.next_if(|row| row.row == split.row)
                && !std::mem::replace(&mut row.rejected, true)
            {
                settled.rejected.push(refused);
            }
            if row.left == 0 {
                settled.written += u64::from(!row.rejected);
                settled.done.push(split.row_group);
                self.rows.remove(&split.row);
            }
        }
        settled.whole_rejected += refused.len() as u64;
        settled.rejected.extend(refused);
        settled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::points::{GroupRows, SplitRow};

    fn rows(whole: u64, split: &[u64]) -> ChunkRows {
        let split = split.iter().map(|row| SplitRow { row: *row, row_group: 3, parts: 2 }).collect();
        ChunkRows { groups: vec![GroupRows { row_group: 3, first: 0, whole }], split }
    }

    fn rejected(rows: &[u64]) -> Vec<RejectedRow> {
        let row = |row: &u64| RejectedRow {
            row: *row,
            row_group: Some(3),
            code: "refused".to_owned(),
            message: String::new(),
        };
        rows.iter().map(row).collect()
    }

    #[test]
    fn a_row_is_written_when_its_last_point_is() {
        let mut split_rows = SplitRows::default();
        assert_eq!(split_rows.settle(&rows(4, &[5, 6]), Vec::new()), Settled::default());
        let settled = split_rows.settle(&rows(0, &[6]), Vec::new());
        assert_eq!(settled, Settled { written: 1, done: vec![3], ..Settled::default() });
        let settled = split_rows.settle(&rows(0, &[5]), Vec::new());
        assert_eq!((settled.written, split_rows.rows.len()), (1, 0));
    }

    #[test]
    fn a_row_of_which_points_are_refused_is_rejected_once() {
        let mut split_rows = SplitRows::default();
        let settled = split_rows.settle(&rows(3, &[5, 6]), rejected(&[2, 5, 9]));
        assert_eq!(settled, Settled { whole_rejected: 2, rejected: rejected(&[2, 5, 9]), ..Settled::default() });
        let settled = split_rows.settle(&rows(0, &[5, 6]), rejected(&[5]));
        assert_eq!(settled, Settled { written: 1, done: vec![3, 3], ..Settled::default() });
    }
}
