//! Encoded points, ready to be sent.

use std::mem;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use super::text::Text;

/// One line of a [`Chunk`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Where the line ends in the body, its newline included, in bytes.
    pub end: usize,
    /// The row that it came from: its number in the object, from 0. The lines of one row stand together in one chunk.
    pub row: u64,
}

/// Points that are sent in one request: line protocol, every line ended by a newline.
#[derive(Clone, Debug, Default)]
pub struct Chunk {
    text: Text,
    lines: Vec<Line>,
    rows: u64,
    spare: Spare,
}

/// The memory of chunks that are gone, for those to come: the kernel has to make memory that is new, and to clear it.
/// There is as much of it as chunks were alive at the same time.
#[derive(Clone, Debug, Default)]
struct Spare(Arc<Mutex<Vec<Memory>>>);

type Memory = (Text, Vec<Line>);

impl PartialEq for Chunk {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.lines == other.lines
    }
}

impl Eq for Chunk {}

impl Drop for Chunk {
    fn drop(&mut self) {
        let (mut text, mut lines) = (mem::take(&mut self.text), mem::take(&mut self.lines));
        text.truncate(0);
        lines.clear();
        // Whoever panics with the lock has not changed anything yet.
        self.spare.0.lock().unwrap_or_else(PoisonError::into_inner).push((text, lines));
    }
}

impl Chunk {
    /// Without lines, but with room for as many.
    fn empty_like(&self) -> Self {
        let spare = self.spare.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let (text, lines) = spare.unwrap_or_default();
        Self { text, lines, rows: 0, spare: self.spare.clone() }
    }

    /// A chunk of these lines, each of a row of its own, for tests of what takes chunks.
    #[cfg(test)]
    pub(crate) fn of_lines(body: &str) -> Self {
        let ends = body.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        let lines: Vec<_> = ends.zip(0..).map(|(end, row)| Line { end, row }).collect();
        Self { text: body.into(), rows: lines.len() as u64, lines, spare: Spare::default() }
    }

    /// The line protocol.
    pub fn body(&self) -> &[u8] {
        self.text.bytes()
    }

    /// Where its lines end, in order.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// How many points it holds.
    pub fn points(&self) -> usize {
        self.lines.len()
    }

    /// How many rows its points came from.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The lines of each row, as ranges of line numbers, in order.
    pub fn lines_by_row(&self) -> Vec<Range<usize>> {
        let mut end = 0;
        self.lines
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
        let end_of = |count: usize| if count == 0 { 0 } else { self.lines[count - 1].end };
        &self.text.bytes()[end_of(lines.start)..end_of(lines.end)]
    }

    /// The text of some lines after each other.
    pub fn extract(&self, parts: impl IntoIterator<Item = Range<usize>>) -> Vec<u8> {
        parts.into_iter().fold(Vec::new(), |mut text, lines| {
            text.extend_from_slice(self.text(lines));
            text
        })
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

/// Gathers rows into chunks.
#[derive(Debug)]
pub struct ChunkBuilder {
    limits: ChunkLimits,
    chunk: Chunk,
    full: Vec<Chunk>,
    /// The lines before this one belong to rows that are complete.
    complete: usize,
}

impl ChunkBuilder {
    /// A builder without rows.
    pub fn new(limits: ChunkLimits) -> Self {
        Self { limits, chunk: Chunk::default(), full: Vec::new(), complete: 0 }
    }

    /// Where the line that is being written goes: append to it, its newline included, then call [`Self::end_line`].
    pub(super) fn text(&mut self) -> &mut Text {
        &mut self.chunk.text
    }

    /// The line that is written, before it is ended.
    pub(super) fn line(&self) -> &[u8] {
        &self.chunk.text.bytes()[self.start_of_line()..]
    }

    fn start_of_line(&self) -> usize {
        self.chunk.lines.last().map_or(0, |line| line.end)
    }

    pub(super) fn end_line(&mut self, row: u64) {
        self.chunk.lines.push(Line { end: self.chunk.text.len(), row });
    }

    /// Takes back the line that is being written, but not the lines that ended before it.
    pub(super) fn discard_line(&mut self) {
        self.chunk.text.truncate(self.start_of_line());
    }

    /// Takes back every line of the row that is being written.
    pub(super) fn discard_row(&mut self) {
        self.chunk.lines.truncate(self.complete);
        self.discard_line();
    }

    /// Ends the row. Returns how many points it gave.
    pub(super) fn end_row(&mut self) -> usize {
        let points = self.chunk.lines.len() - self.complete;
        let over = self.chunk.lines.len() > self.limits.points || self.chunk.text.len() > self.limits.bytes;
        if over && self.complete > 0 {
            let rest = self.split_off();
            self.full.push(mem::replace(&mut self.chunk, rest));
        }
        self.chunk.rows += u64::from(points > 0);
        self.complete = self.chunk.lines.len();
        if self.complete >= self.limits.points || self.chunk.text.len() >= self.limits.bytes {
            self.fill();
        }
        points
    }

    /// Takes the chunk for full, so that nothing follows the last row in it.
    pub(super) fn fill(&mut self) {
        if self.complete > 0 {
            self.complete = 0;
            let next = self.chunk.empty_like();
            self.full.push(mem::replace(&mut self.chunk, next));
        }
    }

    /// The lines of the last row, which the chunk has no room for.
    fn split_off(&mut self) -> Chunk {
        let start = self.chunk.lines[self.complete - 1].end;
        let lines = self.chunk.lines.split_off(self.complete);
        let lines = lines.into_iter().map(|line| Line { end: line.end - start, row: line.row }).collect();
        let mut rest = self.chunk.empty_like();
        rest.text.append(&self.chunk.text.bytes()[start..]);
        rest.lines = lines;
        self.chunk.text.truncate(start);
        rest
    }

    /// The chunks that are full.
    pub fn take_full(&mut self) -> impl Iterator<Item = Chunk> + '_ {
        self.full.drain(..)
    }

    /// The rows that are left, if there are any.
    pub fn finish(mut self) -> Option<Chunk> {
        self.chunk.lines.truncate(self.complete);
        (!self.chunk.lines.is_empty()).then_some(self.chunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::points::line::Pieces;

    fn append(builder: &mut ChunkBuilder, text: &str) {
        let mut line = builder.text().line(text.len());
        line.piece(Pieces::from(text.as_bytes()).get(0));
        line.end();
    }

    /// Writes rows of so many lines each; every line is its row's number.
    fn chunks(limits: ChunkLimits, rows: &[usize]) -> Vec<String> {
        let mut builder = ChunkBuilder::new(limits);
        for (row, points) in rows.iter().enumerate() {
            for _ in 0..*points {
                append(&mut builder, &format!("{row}\n"));
                builder.end_line(row as u64);
            }
            assert_eq!(builder.end_row(), *points);
        }
        let mut chunks: Vec<_> = builder.take_full().collect();
        chunks.extend(builder.finish());
        for chunk in &chunks {
            assert_eq!(chunk.lines().last().map(|line| line.end), Some(chunk.body().len()));
            assert_eq!(chunk.text(0..1), format!("{}\n", chunk.lines()[0].row).as_bytes());
            assert_eq!(chunk.extract(chunk.lines_by_row()), chunk.body());
            let texts = chunk.lines_by_row().into_iter().map(|lines| chunk.text(lines)).collect::<Vec<_>>();
            assert_eq!((texts.len() as u64, texts.concat().as_slice()), (chunk.rows(), chunk.body()));
        }
        chunks.iter().map(|chunk| String::from_utf8_lossy(chunk.body()).replace('\n', " ")).collect()
    }

    #[test]
    fn a_chunk_is_full_at_so_many_points() {
        assert_eq!(chunks(ChunkLimits { points: 2, bytes: 100 }, &[1, 1, 1]), ["0 1 ", "2 "]);
    }

    #[test]
    fn a_chunk_is_full_at_so_many_bytes() {
        assert_eq!(chunks(ChunkLimits { points: 100, bytes: 5 }, &[1, 1, 1, 1]), ["0 1 ", "2 3 "]);
    }

    #[test]
    fn the_points_of_a_row_stay_together() {
        assert_eq!(chunks(ChunkLimits { points: 3, bytes: 100 }, &[2, 2, 5, 1]), ["0 0 ", "1 1 ", "2 2 2 2 2 ", "3 "]);
    }

    #[test]
    fn nothing_follows_the_last_row_of_a_chunk_that_is_taken_for_full() {
        let mut builder = ChunkBuilder::new(ChunkLimits { points: 2, bytes: 100 });
        builder.fill();
        for row in 0..3 {
            append(&mut builder, &format!("{row}\n"));
            builder.end_line(row);
            builder.end_row();
            if row != 2 {
                builder.fill();
            }
        }
        let full: Vec<_> = builder.take_full().map(|chunk| (chunk.rows(), chunk.body().to_vec())).collect();
        assert_eq!(full, [(1, b"0\n".to_vec()), (1, b"1\n".to_vec())]);
        assert_eq!(builder.finish().as_ref().map(Chunk::body), Some(&b"2\n"[..]));
    }

    #[test]
    fn rows_without_points_leave_no_trace() {
        assert_eq!(chunks(ChunkLimits { points: 2, bytes: 100 }, &[0, 1, 0]), ["1 "]);
        assert_eq!(chunks(ChunkLimits { points: 2, bytes: 100 }, &[0]), Vec::<String>::new());
    }

    #[test]
    fn a_discarded_row_takes_its_lines_with_it() {
        let mut builder = ChunkBuilder::new(ChunkLimits { points: 10, bytes: 100 });
        append(&mut builder, "kept\n");
        builder.end_line(0);
        builder.end_row();
        append(&mut builder, "gone\n");
        builder.end_line(1);
        append(&mut builder, "half");
        builder.discard_row();
        builder.end_row();
        assert_eq!(builder.finish().as_ref().map(Chunk::body), Some(&b"kept\n"[..]));
    }

    #[test]
    fn the_memory_of_chunks_that_are_gone_is_used_again() {
        let mut builder = ChunkBuilder::new(ChunkLimits { points: 1, bytes: 100 });
        let mut places = Vec::new();
        for row in 0..5 {
            append(&mut builder, &format!("{row}\n"));
            builder.end_line(row);
            builder.end_row();
            let chunk = builder.take_full().next();
            assert_eq!(chunk.as_ref().map(Chunk::body), Some(format!("{row}\n").as_bytes()));
            assert_eq!(chunk.as_ref().map(Chunk::points), Some(1));
            places.extend(chunk.map(|chunk| chunk.body().as_ptr()));
        }
        // One is written while the one before it is there.
        assert_eq!((places[0], places[1]), (places[2], places[3]));
    }
}
