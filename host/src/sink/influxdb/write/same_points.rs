//! Rows of a chunk that write the same points.

use std::collections::HashMap;

use crate::points::Chunk;

/// Whether two rows of a chunk have a point in common, so that a retry of the one must be followed by the other.
pub(super) fn rows_replace_each_other(chunk: &Chunk) -> bool {
    let mut writers: HashMap<u64, u64> = HashMap::with_capacity(chunk.points());
    chunk.lines().iter().any(|line| *writers.entry(line.point).or_insert(line.row) != line.row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_with_the_same_series_and_time_replace_each_other() {
        let replace = |lines: &str| rows_replace_each_other(&Chunk::of_lines(lines));
        assert!(!replace("a x=1 1\na x=1 2\nb x=1 1\n"));
        assert!(replace("a x=1 1\nb x=1 1\na y=1 1\n"));
    }
}
