//! Encoded points, ready to be sent.

use std::mem;
use std::ops::Range;

use super::pool::{Memory, Pool};

/// One line of a [`Chunk`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Where the line ends in the body, its newline included, in bytes.
    pub end: usize,
    /// The row that it came from: its number in the object, from 0. The lines of one row stand together.
    pub row: u64,
    /// A hash of its series and time. Lines of the same point have the same.
    pub point: u64,
}

/// Points that are sent in one request: line protocol, every line ended by a newline, in the order of their rows.
#[derive(Debug, Default)]
pub struct Chunk {
    pub(super) memory: Memory,
    pub(super) rows: ChunkRows,
    /// Whether nothing may follow the last line in its request.
    pub(super) closed: bool,
    pub(super) pool: Pool,
}

/// Which rows the points of a chunk came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChunkRows {
    /// By row group, ascending.
    pub groups: Vec<GroupRows>,
    /// Rows that have points in other chunks as well, ascending.
    pub split: Vec<SplitRow>,
}

/// Rows of a chunk that are of one row group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupRows {
    /// The number of the row group, from 0.
    pub row_group: u32,
    /// The number of the first of them.
    pub first: u64,
    /// How many rows have all of their points in this chunk.
    pub whole: u64,
}

/// A row that has points in several chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SplitRow {
    /// Its number in the object.
    pub row: u64,
    /// The number of its row group.
    pub row_group: u32,
    /// In how many chunks it has points.
    pub parts: u32,
}

impl Drop for Chunk {
    fn drop(&mut self) {
        self.pool.give(mem::take(&mut self.memory));
    }
}

impl Chunk {
    pub(super) fn within(pool: &Pool) -> Self {
        Self { memory: pool.take(), rows: ChunkRows::default(), closed: false, pool: pool.clone() }
    }

    /// A chunk of these lines, each of a row of its own, for tests of what takes chunks. Lines that are the same except for
    /// their fields are the same point.
    #[cfg(test)]
    pub(crate) fn of_lines(body: &str) -> Self {
        use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

        let mut chunk = Self::default();
        for (row, line) in (0..).zip(body.split_inclusive('\n')) {
            chunk.memory.text.append(line.as_bytes());
            let mut parts = line.split(' ');
            let point = BuildHasherDefault::<DefaultHasher>::default().hash_one((parts.next(), parts.next_back()));
            chunk.memory.lines.push(Line { end: chunk.body().len(), row, point });
            chunk.rows.add(row, 0, 1);
        }
        chunk
    }

    /// The line protocol.
    pub fn body(&self) -> &[u8] {
        self.memory.text.bytes()
    }

    /// Where its lines end, in order.
    pub fn lines(&self) -> &[Line] {
        &self.memory.lines
    }

    /// How many points it holds.
    pub fn points(&self) -> usize {
        self.memory.lines.len()
    }

    /// Which rows its points came from.
    pub fn rows(&self) -> &ChunkRows {
        &self.rows
    }

    /// Takes out which rows its points came from, for whoever needs that when the lines are gone.
    pub(crate) fn take_rows(&mut self) -> ChunkRows {
        mem::take(&mut self.rows)
    }

    /// The lines of each row, as ranges of line numbers, in order.
    pub fn lines_by_row(&self) -> Vec<Range<usize>> {
        let mut end = 0;
        self.lines()
            .chunk_by(|one, next| one.row == next.row)
            .map(|lines| {
                let start = end;
                end += lines.len();
                start..end
            })
            .collect()
    }

    /// The text of some lines that follow each other, with their newlines.
    pub fn text(&self, lines: Range<usize>) -> &[u8] {
        let end_of = |count: usize| if count == 0 { 0 } else { self.lines()[count - 1].end };
        &self.body()[end_of(lines.start)..end_of(lines.end)]
    }

    /// The text of some lines after each other.
    pub fn extract(&self, parts: impl IntoIterator<Item = Range<usize>>) -> Vec<u8> {
        parts.into_iter().fold(Vec::new(), |mut text, lines| {
            text.extend_from_slice(self.text(lines));
            text
        })
    }

    /// Takes out the last row, which has all of its lines here.
    pub(super) fn split_off_last_row(&mut self) -> Self {
        let mut last = Self::default();
        let Some(Line { row, .. }) = self.lines().last().copied() else { return last };
        let first = self.lines().partition_point(|line| line.row < row);
        let start = if first == 0 { 0 } else { self.lines()[first - 1].end };
        last.memory.text.append(&self.body()[start..]);
        let lines = self.memory.lines.drain(first..);
        last.memory.lines.extend(lines.map(|line| Line { end: line.end - start, ..line }));
        let keys = first.min(self.memory.keys.len());
        last.memory.keys.extend(self.memory.keys.drain(keys..));
        self.memory.text.truncate(start);
        last.rows.add(row, self.rows.row_group(row).unwrap_or_default(), 1);
        if let Some(group) = self.rows.groups.last_mut() {
            group.whole -= 1;
        }
        self.rows.groups.pop_if(|group| group.whole == 0);
        last
    }

    /// Appends the rows of another chunk, which come after those of this one, and leaves it empty.
    pub(super) fn append(&mut self, other: &mut Self) {
        let start = self.body().len();
        self.memory.text.append(other.body());
        let moved = other.memory.lines.drain(..).map(|line| Line { end: start + line.end, ..line });
        self.memory.lines.extend(moved);
        self.memory.keys.append(&mut other.memory.keys);
        other.memory.text.truncate(0);
        let ChunkRows { groups, split } = other.take_rows();
        let mut groups = groups.into_iter().peekable();
        if let Some(last) = self.rows.groups.last_mut()
            && let Some(next) = groups.next_if(|next| next.row_group == last.row_group)
        {
            last.whole += next.whole;
        }
        self.rows.groups.extend(groups);
        self.rows.split.extend(split);
        self.closed = mem::take(&mut other.closed);
    }
}

impl ChunkRows {
    /// How many rows there are.
    pub fn len(&self) -> u64 {
        self.groups.iter().map(|group| group.whole).sum::<u64>() + self.split.len() as u64
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// The row group of a row of the chunk.
    pub(crate) fn row_group(&self, row: u64) -> Option<u32> {
        let after = self.groups.partition_point(|group| group.first <= row);
        self.groups.get(after.checked_sub(1)?).map(|group| group.row_group)
    }

    /// Adds the next row, which has points in so many chunks.
    #[inline]
    pub(super) fn add(&mut self, row: u64, row_group: u32, parts: u32) {
        let whole = u64::from(parts == 1);
        match self.groups.last_mut() {
            Some(last) if last.row_group == row_group => last.whole += whole,
            _ => self.groups.push(GroupRows { row_group, first: row, whole }),
        }
        if parts > 1 {
            self.split.push(SplitRow { row, row_group, parts });
        }
    }
}

/// How large chunks become. A chunk holds at least one row, however large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkLimits {
    /// Points in a chunk.
    pub points: usize,
    /// Bytes of line protocol in a chunk.
    pub bytes: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_by_row_group() {
        let mut rows = ChunkRows::default();
        for row in 0..25 {
            rows.add(row, if row < 10 { 0 } else { 3 }, 1 + u32::from(row == 12));
        }
        let groups =
            [GroupRows { row_group: 0, first: 0, whole: 10 }, GroupRows { row_group: 3, first: 10, whole: 14 }];
        assert_eq!((rows.groups.as_slice(), rows.len()), (&groups[..], 25));
        assert_eq!(rows.split, [SplitRow { row: 12, row_group: 3, parts: 2 }]);
        assert_eq!([0, 9, 10, 24].map(|row| rows.row_group(row)), [Some(0), Some(0), Some(3), Some(3)]);
    }

    #[test]
    fn a_chunk_takes_the_rows_of_another() {
        let mut chunk = Chunk::of_lines("a x=1 1\nb x=2 2\n");
        let mut next = Chunk::of_lines("c x=3 3\n");
        chunk.append(&mut next);
        assert_eq!((next.points(), next.body(), next.rows().is_empty()), (0, &b""[..], true));
        assert_eq!(chunk.body(), b"a x=1 1\nb x=2 2\nc x=3 3\n");
        assert_eq!((chunk.text(2..3), chunk.rows().len()), (&b"c x=3 3\n"[..], 3));
        assert_eq!(chunk.extract([0..1, 2..3]), b"a x=1 1\nc x=3 3\n");
    }
}
