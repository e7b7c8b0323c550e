//! Rows of a chunk that write the same points.

use std::collections::HashMap;
use std::ops::Range;

use crate::points::Chunk;

/// Groups of rows: two rows that write a point in common are in one group.
#[derive(Debug)]
pub(super) struct SamePoints {
    /// For each row, one that is nearer to the first of its group, or that itself.
    towards: Vec<usize>,
}

impl SamePoints {
    /// Those of the rows of a chunk, whose lines are given; none where each point is of one row alone.
    pub(super) fn of(chunk: &Chunk, rows: &[Range<usize>]) -> Option<Self> {
        let mut found = Self { towards: (0..rows.len()).collect() };
        let mut writers: HashMap<u64, usize> = HashMap::with_capacity(rows.len());
        let mut any = false;
        for (row, lines) in rows.iter().enumerate() {
            for line in &chunk.lines()[lines.clone()] {
                let writer = *writers.entry(line.point).or_insert(row);
                if writer != row {
                    any = true;
                    let (one, other) = (found.group(writer), found.group(row));
                    found.towards[one.max(other)] = one.min(other);
                }
            }
            // Paths stay short, since those of earlier rows are.
            found.towards[row] = found.group(row);
        }
        any.then_some(found)
    }

    /// The first row of the group of a row.
    pub(super) fn group(&self, mut row: usize) -> usize {
        while self.towards[row] != row {
            row = self.towards[row];
        }
        row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(lines: &str) -> Option<Vec<usize>> {
        let chunk = Chunk::of_lines(lines);
        let rows = chunk.lines_by_row();
        SamePoints::of(&chunk, &rows).map(|found| (0..rows.len()).map(|row| found.group(row)).collect())
    }

    #[test]
    fn rows_of_one_point_are_a_group() {
        assert_eq!(groups("a x=1 1\na x=1 2\nb x=1 1\n"), None);
        assert_eq!(groups("a x=1 1\nb x=1 1\na y=1 1\na x=1 2\na x=2 1\n"), Some(vec![0, 1, 0, 3, 0]));
    }
}
