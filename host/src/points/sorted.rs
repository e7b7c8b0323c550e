//! Lines in the order that the server likes.
//!
//! InfluxDB 1.x and 2.x keep points by shard, and each request costs them an entry of the log, and waiting for the disk, in every
//! shard that it touches. So rows are gathered, and cut into chunks by shard, then by series, then by time:
//!
//! ```text
//! rows in file order → buffer → round 0: chunk 0 (shard 1)  chunk 1 (shard 2, some series)  chunk 2 (shard 2, others) …
//!                               round 1: …
//! ```
//!
//! The lines of one point are never parted between the chunks of a round, and within a chunk lines are in file order. So chunks of
//! a round may be written side by side, in any order, and the last row of the file wins where rounds follow each other.

use std::collections::HashMap;

use super::chunk::{Chunk, ChunkLimits, Line};
use super::pool::Pool;
use super::shards::Shards;

/// What a line is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SortKey {
    /// A hash of its series.
    pub(super) series: u64,
    /// In nanoseconds since 1970.
    pub(super) time: i64,
}

/// What a line takes beside its text while lines are sorted, in bytes.
pub(super) const BYTES_A_LINE: usize = size_of::<Line>() + size_of::<SortKey>() + size_of::<Place>();

/// Where a line comes in the order of the server: its shard, its series, its time, and its number in the file's order.
type Place = (i64, u64, i64, u32);

/// The chunks of a round, made one by one.
#[derive(Debug)]
pub(super) struct Sorted {
    buffer: Chunk,
    /// Numbers of lines; those of each chunk together, in file order.
    lines: Vec<u32>,
    /// Where the chunks that are yet to come end among these numbers.
    ends: std::vec::IntoIter<usize>,
    start: usize,
    /// In how many chunks a row has lines, where it is more than one.
    parts: HashMap<u64, u32>,
    pool: Pool,
}

impl Sorted {
    /// Cuts the lines of a buffer into chunks, in one round; in two, where nothing may follow the last of its rows in a request.
    pub(super) fn rounds(mut buffer: Chunk, shards: Shards, limits: ChunkLimits, pool: &Pool) -> Vec<Self> {
        let closing = buffer.closed.then(|| buffer.split_off_last_row());
        let rounds = [Some(buffer), closing].into_iter().flatten().filter(|buffer| buffer.points() > 0);
        rounds.map(|buffer| Self::new(buffer, shards, limits, pool)).collect()
    }

    fn new(buffer: Chunk, shards: Shards, limits: ChunkLimits, pool: &Pool) -> Self {
        let mut places: Vec<Place> = (0..)
            .zip(&buffer.memory.keys)
            .map(|(line, key): (u32, _)| (shards.shard(key.time), key.series, key.time, line))
            .collect();
        places.sort_unstable();
        let ends = cut(&places, &buffer, limits);
        let mut lines: Vec<u32> = places.into_iter().map(|(.., line)| line).collect();
        let mut start = 0;
        for end in &ends {
            lines[start..*end].sort_unstable();
            start = *end;
        }
        let parts = parts(&buffer, &lines, &ends);
        Self { buffer, lines, ends: ends.into_iter(), start: 0, parts, pool: pool.clone() }
    }

    /// How many chunks are yet to come.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }
}

impl Iterator for Sorted {
    type Item = Chunk;

    fn next(&mut self) -> Option<Chunk> {
        let end = self.ends.next()?;
        let mut chunk = Chunk::within(&self.pool);
        let mut last = None;
        for number in &self.lines[self.start..end] {
            let number = *number as usize;
            let line = self.buffer.lines()[number];
            chunk.memory.text.append(self.buffer.text(number..number + 1));
            chunk.memory.lines.push(Line { end: chunk.memory.text.len(), ..line });
            if last.replace(line.row) != Some(line.row) {
                let row_group = self.buffer.rows.row_group(line.row).unwrap_or_default();
                chunk.rows.add(line.row, row_group, self.parts.get(&line.row).copied().unwrap_or(1));
            }
        }
        self.start = end;
        Some(chunk)
    }
}

/// Where chunks end among sorted lines: between two points, and rather between two shards.
fn cut(places: &[Place], buffer: &Chunk, limits: ChunkLimits) -> Vec<usize> {
    let (mut ends, mut start, mut bytes) = (Vec::new(), 0, 0);
    let mut place = 0;
    for shard in places.chunk_by(|one, next| one.0 == next.0) {
        let size: usize = shard.iter().map(|place| length(buffer, place)).sum();
        let fits = place - start + shard.len() <= limits.points && bytes + size <= limits.bytes;
        let half_full = (place - start) * 2 >= limits.points || bytes * 2 >= limits.bytes;
        if !fits && half_full && place > start {
            ends.push(place);
            (start, bytes) = (place, 0);
        }
        for point in shard.chunk_by(|one, next| (one.1, one.2) == (next.1, next.2)) {
            let size: usize = point.iter().map(|place| length(buffer, place)).sum();
            let fits = place - start + point.len() <= limits.points && bytes + size <= limits.bytes;
            if !fits && place > start {
                ends.push(place);
                (start, bytes) = (place, 0);
            }
            place += point.len();
            bytes += size;
        }
    }
    if place > start {
        ends.push(place);
    }
    ends
}

fn length(buffer: &Chunk, place: &Place) -> usize {
    let line = place.3 as usize;
    buffer.text(line..line + 1).len()
}

/// In how many chunks each row has lines that has them in several.
fn parts(buffer: &Chunk, lines: &[u32], ends: &[usize]) -> HashMap<u64, u32> {
    let mut parts = HashMap::new();
    let row = |line: u32| buffer.lines()[line as usize].row;
    // Rows of a single line are the rule.
    if !buffer.lines().windows(2).any(|lines| lines[0].row == lines[1].row) {
        return parts;
    }
    let mut start = 0;
    for end in ends {
        for lines in lines[start..*end].chunk_by(|one, next| row(*one) == row(*next)) {
            *parts.entry(row(lines[0])).or_default() += 1;
        }
        start = *end;
    }
    parts.retain(|_, parts| *parts > 1);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::points::lane::Lane;

    const LIMITS: ChunkLimits = ChunkLimits { points: 4, bytes: 1_000 };

    /// The bodies of the chunks of lines, each given as its row, its series and its time.
    fn sorted(lines: &[(u64, u64, i64)], limits: ChunkLimits) -> Vec<Chunk> {
        let mut lane = Lane::new(ChunkLimits { points: usize::MAX, bytes: usize::MAX }, Pool::default());
        for lines in lines.chunk_by(|one, next| one.0 == next.0) {
            for (row, series, time) in lines {
                lane.text().append(format!("{row}:{series}@{time}\n").as_bytes());
                lane.end_line(*row, 0);
                lane.add_key(SortKey { series: *series, time: *time });
            }
            lane.end_row(lines[0].0, 3, 1);
        }
        lane.seal();
        let buffer: Chunk = lane.take_full().next().unwrap_or_default();
        let chunks = Sorted::new(buffer, Shards::of(std::time::Duration::from_nanos(10)), limits, &Pool::default());
        let count = chunks.len();
        let chunks: Vec<Chunk> = chunks.collect();
        assert_eq!(chunks.len(), count);
        chunks
    }

    fn bodies(chunks: &[Chunk]) -> Vec<String> {
        chunks.iter().map(|chunk| String::from_utf8_lossy(chunk.body()).trim_end().replace('\n', " ")).collect()
    }

    #[test]
    fn chunks_are_cut_by_shard_then_by_series_and_keep_file_order() {
        let daily: Vec<_> = (0..12_u64).map(|row| (row, row % 2, (row / 2 * 4).cast_signed())).collect();
        let chunks = sorted(&daily, LIMITS);
        assert_eq!(
            bodies(&chunks),
            ["0:0@0 1:1@0 2:0@4 4:0@8", "3:1@4 5:1@8", "6:0@12 7:1@12 8:0@16 9:1@16", "10:0@20 11:1@20"]
        );
        assert!(chunks.iter().all(|chunk| chunk.rows().split.is_empty() && chunk.rows().groups[0].row_group == 3));
        assert_eq!(chunks.iter().map(|chunk| chunk.rows().len()).sum::<u64>(), 12);
    }

    #[test]
    fn a_shard_that_fits_is_not_parted_once_the_chunk_is_half_full() {
        let rows = [(0, 0, 1), (1, 0, 2), (2, 0, 3), (3, 0, 11), (4, 0, 12)];
        assert_eq!(bodies(&sorted(&rows, LIMITS)), ["0:0@1 1:0@2 2:0@3", "3:0@11 4:0@12"]);
    }

    #[test]
    fn the_lines_of_one_point_stay_in_one_chunk_in_file_order() {
        let rows: Vec<_> = (0..40).map(|row| (row, row % 5, 3)).collect();
        let chunks = sorted(&rows, LIMITS);
        assert_eq!(chunks.len(), 5);
        for (series, chunk) in chunks.iter().enumerate() {
            let expected: Vec<_> = (0..8).map(|round| (series + 5 * round) as u64).collect();
            assert_eq!(chunk.lines().iter().map(|line| line.row).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn rows_with_points_in_several_chunks_say_in_how_many() {
        let rows: Vec<_> =
            (0..6_u64).flat_map(|row| (0..3).map(move |series| (row, series, row.cast_signed()))).collect();
        let chunks = sorted(&rows, ChunkLimits { points: 9, bytes: 1_000 });
        assert_eq!(chunks.len(), 2);
        let split = |chunk: &Chunk| chunk.rows().split.iter().map(|row| (row.row, row.parts)).collect::<Vec<_>>();
        assert_eq!(split(&chunks[0]), (0..6).map(|row| (row, 2)).collect::<Vec<_>>());
        assert_eq!(split(&chunks[0]), split(&chunks[1]));
        assert_eq!(chunks[0].lines_by_row().iter().map(std::ops::Range::len).collect::<Vec<_>>(), [2, 2, 2, 1, 1, 1]);
    }

    #[test]
    fn a_line_that_is_larger_than_a_chunk_has_one_of_its_own() {
        let rows = [(0, 0, 1), (1, 1, 1), (2, 2, 1)];
        assert_eq!(bodies(&sorted(&rows, ChunkLimits { points: 9, bytes: 3 })), ["0:0@1", "1:1@1", "2:2@1"]);
        assert!(sorted(&[], LIMITS).is_empty());
    }
}
