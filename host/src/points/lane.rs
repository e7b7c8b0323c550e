//! One lane: rows → chunks, in order.

use std::mem;

use super::chunk::{Chunk, ChunkLimits, Line};
use super::pool::Pool;
use super::sorted::SortKey;
use super::text::Text;

/// The rows of a lane, being gathered into chunks.
#[derive(Debug)]
pub(super) struct Lane {
    limits: ChunkLimits,
    open: Chunk,
    /// In order.
    full: Vec<Chunk>,
    /// The lines before this one belong to rows that are complete.
    complete: usize,
    pool: Pool,
    /// How many rows had been encoded when the open chunk was first looked at with rows in it.
    since: Option<u64>,
}

impl Lane {
    pub(super) fn new(limits: ChunkLimits, pool: Pool) -> Self {
        Self { limits, open: Chunk::within(&pool), full: Vec::new(), complete: 0, pool, since: None }
    }

    /// Where the line that is being written goes: append to it, its newline included, then call [`Self::end_line`].
    #[inline]
    pub(super) fn text(&mut self) -> &mut Text {
        &mut self.open.memory.text
    }

    /// The line that is written, before it is ended.
    pub(super) fn line(&self) -> &[u8] {
        &self.open.body()[self.start_of_line()..]
    }

    fn start_of_line(&self) -> usize {
        self.open.lines().last().map_or(0, |line| line.end)
    }

    #[inline]
    pub(super) fn end_line(&mut self, row: u64, point: u64) {
        let end = self.open.memory.text.len();
        self.open.memory.lines.push(Line { end, row, point });
    }

    /// Notes what the line that was ended last is sorted by. Either every line has that, or none.
    #[inline]
    pub(super) fn add_key(&mut self, key: SortKey) {
        self.open.memory.keys.push(key);
    }

    /// Discards every line of the row that is being written. Returns how many there were.
    pub(super) fn discard_row(&mut self) -> usize {
        let lines = self.open.points() - self.complete;
        self.open.memory.lines.truncate(self.complete);
        self.open.memory.keys.truncate(self.complete);
        let start = self.start_of_line();
        self.open.memory.text.truncate(start);
        lines
    }

    /// Bytes of the row that is being written.
    pub(super) fn row_bytes(&self) -> usize {
        let before = self.complete.checked_sub(1).map_or(0, |last| self.open.lines()[last].end);
        self.open.body().len() - before
    }

    /// Ends the row, which has points in so many lanes. Returns how many it has in this one.
    #[inline]
    pub(super) fn end_row(&mut self, row: u64, row_group: u32, parts: u32) -> usize {
        let points = self.open.points() - self.complete;
        if points == 0 {
            return 0;
        }
        let over = self.open.points() > self.limits.points || self.open.body().len() > self.limits.bytes;
        if over && self.complete > 0 {
            let rest = self.split_off();
            self.full.push(mem::replace(&mut self.open, rest));
        }
        self.open.rows.add(row, row_group, parts);
        self.complete = self.open.points();
        self.seal_if_full();
        points
    }

    /// Takes the open chunk for full, so that nothing follows the last row in it.
    pub(super) fn close(&mut self) {
        self.open.closed = true;
        self.seal();
    }

    fn seal_if_full(&mut self) {
        if self.open.points() >= self.limits.points || self.open.body().len() >= self.limits.bytes {
            self.seal();
        }
    }

    /// Takes the open chunk for full.
    pub(super) fn seal(&mut self) {
        if self.complete > 0 {
            (self.complete, self.since) = (0, None);
            let next = Chunk::within(&self.pool);
            self.full.push(mem::replace(&mut self.open, next));
        }
    }

    /// The lines of the last row, which the chunk has no room for.
    fn split_off(&mut self) -> Chunk {
        let mut rest = Chunk::within(&self.pool);
        let start = self.open.lines()[self.complete - 1].end;
        rest.memory.text.append(&self.open.body()[start..]);
        let lines = self.open.memory.lines.drain(self.complete..);
        rest.memory.lines.extend(lines.map(|line| Line { end: line.end - start, ..line }));
        if !self.open.memory.keys.is_empty() {
            rest.memory.keys.extend(self.open.memory.keys.drain(self.complete..));
        }
        self.open.memory.text.truncate(start);
        rest
    }

    /// Takes over the rows of another lane, which come after those of this one.
    pub(super) fn append(&mut self, other: &mut Self) {
        for mut chunk in other.full.drain(..) {
            self.append_chunk(&mut chunk);
        }
        self.append_chunk(&mut other.open);
        other.complete = 0;
    }

    /// A chunk that is large enough to be sent as it is is not copied.
    fn append_chunk(&mut self, chunk: &mut Chunk) {
        if chunk.points() == 0 {
            return;
        }
        let ChunkLimits { points, bytes } = self.limits;
        let fits =
            self.open.points() + chunk.points() <= points && self.open.body().len() + chunk.body().len() <= bytes;
        if !fits {
            self.seal();
        }
        if self.complete == 0 && (chunk.points() * 2 >= points || chunk.body().len() * 2 >= bytes) {
            mem::swap(&mut self.open, chunk);
        } else {
            self.open.append(chunk);
        }
        self.complete = self.open.points();
        if self.open.closed {
            self.seal();
        }
        self.seal_if_full();
    }

    /// How many points the open chunk has.
    pub(super) fn open_points(&self) -> usize {
        self.complete
    }

    /// Bytes of lines in the open chunk.
    pub(super) fn open_bytes(&self) -> usize {
        self.open.body().len()
    }

    /// How many rows were encoded while the open chunk was not filled; `rows` are encoded by now.
    pub(super) fn age(&mut self, rows: u64) -> u64 {
        if self.complete == 0 {
            return 0;
        }
        rows - *self.since.get_or_insert(rows)
    }

    /// The chunks that are full.
    pub(super) fn take_full(&mut self) -> impl Iterator<Item = Chunk> + '_ {
        self.full.drain(..)
    }
}
