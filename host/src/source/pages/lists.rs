//! How many elements the rows of a list's column have: looked up in a page's repetition levels before the decoder is given the page,
//! since it reads rows as a whole, however long their lists are.

use std::io::{self, Cursor};

use ::parquet::basic::Encoding;

use super::header::Kind;
use super::runs::{Runs, invalid};

/// Counts the elements of rows, page by page.
#[derive(Debug, Default)]
pub(super) struct Lists {
    /// What the last row has so far: it may continue in the next page.
    row: u64,
}

/// What a page holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Measured {
    pub(super) values: u64,
    /// The elements of its longest row, with those that the row has in pages before.
    pub(super) longest: u64,
    /// At least as many elements as any `rows` rows of it have that follow each other, and at most twice as many.
    pub(super) batch: u64,
}

impl Lists {
    /// Measures a page, for batches of so many rows. `highest` is the highest repetition level of its column.
    pub(super) fn measure(&mut self, page: &[u8], kind: &Kind, highest: i16, rows: usize) -> io::Result<Measured> {
        let (values, levels) = levels(page, kind)?;
        let width = u8::try_from(u16::BITS - highest.unsigned_abs().leading_zeros()).map_err(io::Error::other)?;
        let mut runs = Runs::new(Cursor::new(levels), width)?;
        let (rows, mut left, mut measured) =
            (rows.max(1) as u64, values as u64, Measured { values: values as u64, ..Measured::default() });
        // Rows by blocks of as many as a batch has. Those of a batch are in two of them.
        let (mut in_block, mut block, mut before) = (0, 0_u64, 0_u64);
        while left > 0 {
            let (level, mut count) = runs.next_run(left)?;
            left -= count;
            if level > 0 {
                self.row += count;
                block += count;
                measured.longest = measured.longest.max(self.row);
                measured.batch = measured.batch.max(before + block);
                continue;
            }
            // Each of them begins a row.
            self.row = 1;
            measured.longest = measured.longest.max(1);
            while count > 0 {
                if in_block == rows {
                    // After two blocks of single values, all that follow are the same.
                    count = if before == rows && block == rows { count.min(rows + count % rows) } else { count };
                    (before, block, in_block) = (block, 0, 0);
                }
                let taken = count.min(rows - in_block);
                in_block += taken;
                block += taken;
                count -= taken;
                measured.batch = measured.batch.max(before + block);
            }
        }
        Ok(measured)
    }

    /// Notes that a page was skipped.
    pub(super) fn skip(&mut self) {
        self.row = 0;
    }
}

/// How many values a page has, and their repetition levels.
fn levels<'a>(page: &'a [u8], kind: &Kind) -> io::Result<(usize, &'a [u8])> {
    let cut_off = || invalid("its levels are longer than the page");
    match kind {
        Kind::Data { values, repetitions: Encoding::RLE, .. } => {
            let (length, rest) = page.split_first_chunk().ok_or_else(cut_off)?;
            Ok((*values, rest.get(..u32::from_le_bytes(*length) as usize).ok_or_else(cut_off)?))
        }
        Kind::DataV2 { values, levels: [repetitions, _], .. } => {
            Ok((*values, page.get(..*repetitions).ok_or_else(cut_off)?))
        }
        Kind::Data { .. } => Err(invalid("lists whose levels are packed without runs cannot be read")),
        Kind::Dictionary { .. } | Kind::Index => Err(invalid("it is not a page of data")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    /// A page of rows of so many elements, its levels as runs.
    fn page(rows: &[u64]) -> (Vec<u8>, Kind) {
        let mut levels = Vec::new();
        let mut run = |level: u8, mut count: u64| {
            count <<= 1;
            while count > 127 {
                levels.push(count.to_le_bytes()[0] | 128);
                count >>= 7;
            }
            levels.extend([count.to_le_bytes()[0], level]);
        };
        for rows in rows.chunk_by(|one, next| *one == 1 && *next == 1) {
            run(0, rows.len() as u64);
            if rows[0] > 1 {
                run(1, rows[0] - 1);
            }
        }
        let repetitions = levels.len();
        let values = usize::try_from(rows.iter().sum::<u64>()).unwrap();
        let levels_of = [repetitions, 0];
        let kind = Kind::DataV2 {
            values,
            nulls: 0,
            rows: rows.len(),
            encoding: Encoding::PLAIN,
            levels: levels_of,
            is_compressed: false,
        };
        (levels, kind)
    }

    fn measured(rows: &[u64], batch: usize) -> Measured {
        let (page, kind) = page(rows);
        Lists::default().measure(&page, &kind, 1, batch).unwrap()
    }

    #[test]
    fn the_longest_row_and_the_largest_batch_are_found() {
        assert_eq!(measured(&[1, 5, 2, 1], 2), Measured { values: 9, longest: 5, batch: 9 });
        assert_eq!(measured(&[1; 10], 3), Measured { values: 10, longest: 1, batch: 6 });
        assert_eq!(measured(&[1; 2], 3), Measured { values: 2, longest: 1, batch: 2 });
        assert_eq!(measured(&[1_000_000, 1], 4), Measured { values: 1_000_001, longest: 1_000_000, batch: 1_000_001 });
    }

    #[test]
    fn a_batch_is_never_larger_than_measured_and_half_of_that_at_least_where_blocks_end_with_it() {
        let rows: Vec<u64> = (0..500_u64).map(|row| 1 + row * row % 37).collect();
        for batch in [1, 2, 3, 7, 64, 499, 600] {
            let found = measured(&rows, batch).batch;
            let largest = rows.windows(batch.min(rows.len())).map(|rows| rows.iter().sum::<u64>()).max().unwrap();
            assert!(largest <= found && found <= 2 * largest, "{batch}: {largest} {found}");
        }
    }

    #[test]
    fn a_row_continues_in_the_next_page() {
        let mut lists = Lists::default();
        let (first, kind) = page(&[3]);
        assert_eq!(lists.measure(&first, &kind, 1, 8).unwrap().longest, 3);
        // Four values of the same row.
        let rest = [8, 1];
        let Kind::DataV2 { nulls, rows, encoding, is_compressed, .. } = kind else { unreachable!() };
        let kind = Kind::DataV2 { values: 4, nulls, rows, encoding, levels: [2, 0], is_compressed };
        assert_eq!(lists.measure(&rest, &kind, 1, 8).unwrap().longest, 7);
        lists.skip();
        assert_eq!(lists.measure(&rest, &kind, 1, 8).unwrap().longest, 4);
    }

    #[test]
    fn two_thousand_million_values_in_four_bytes_take_no_time() {
        let kind = Kind::DataV2 {
            values: i32::MAX as usize,
            nulls: 0,
            rows: 1,
            encoding: Encoding::PLAIN,
            levels: [6, 0],
            is_compressed: false,
        };
        let of = |level| [0xfe, 0xff, 0xff, 0xff, 0x0f, level];
        let mut lists = Lists::default();
        assert_eq!(lists.measure(&of(1), &kind, 1, 8).unwrap().longest, i32::MAX as u64);
        let singles = Lists::default().measure(&of(0), &kind, 1, 8).unwrap();
        assert_eq!((singles.longest, singles.batch), (1, 16));
    }

    #[test]
    fn levels_that_are_cut_off_are_an_error() {
        let (page, kind) = page(&[3, 4]);
        assert!(Lists::default().measure(&page[..2], &kind, 1, 8).is_err());
    }
}
