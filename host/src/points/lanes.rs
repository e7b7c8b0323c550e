//! Rows → lanes → chunks.
//!
//! InfluxDB keeps the last value of a point that it is sent. So points of one series always take the same lane, and a lane is
//! written in order, one chunk after the other; different lanes are written at the same time.
//!
//! ```text
//! rows in the order of the file →  hash of the series  →  lane 0: [open chunk] → full chunk 1, chunk 0 →
//!                                                         lane 1: [open chunk] → full chunk 0 →
//! ```
//!
//! A chunk is full at so many points or bytes. It is sent before that when all open chunks together hold more than
//! [`LaneLimits::open_bytes`], or when rows that would fill every lane several times have passed it by: else the rows of a rare
//! series would keep their row group from being done until the object ends.
//!
//! Where lines are sorted for the server there is one lane, whose open chunk is what is sorted; see [`super::sorted`].

use std::collections::VecDeque;
use std::mem;

use super::chunk::ChunkLimits;
use super::full::{Full, FullChunks, Round, Turn};
use super::lane::Lane;
use super::pool::Pool;
use super::shards::Shards;
use super::sorted::{self, SortKey, Sorted};
use super::text::Text;

/// An open chunk is sent when it is not full after rows that would fill all lanes so many times.
const PATIENCE: u64 = 4;

/// What the pool of a single lane keeps, in bytes.
const SINGLE_POOL: usize = 16 << 20;

/// How many lanes there are, and how much they hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneLimits {
    /// How many lanes there are. Fixed for an object.
    pub lanes: usize,
    /// How large a chunk becomes.
    pub chunk: ChunkLimits,
    /// How many bytes of lines all open chunks hold together after a batch.
    pub open_bytes: usize,
    /// How lines are sorted for the server; none: they stay in file order.
    pub sorting: Option<Sorting>,
}

/// How lines are sorted for the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sorting {
    /// How the server parts time.
    pub shards: Shards,
    /// How many bytes are gathered before they are sorted, what sorting takes included.
    pub bytes: usize,
    /// Whether what fills a request is sent before another row group begins, so that row groups are done one by one.
    pub by_row_group: bool,
}

/// Gathers rows into chunks, by lane.
#[derive(Debug)]
pub struct Lanes {
    limits: LaneLimits,
    lanes: Vec<Lane>,
    /// The number of the next chunk of each lane.
    numbers: Vec<u64>,
    /// The lanes of the row that is being written, where there are several; the last of them has the line.
    row: Vec<usize>,
    current: usize,
    /// The series of the line that is being written, where lines are sorted.
    series: u64,
    /// Which times rows are kept of, both ends included; none: of all.
    times: Option<(i64, i64)>,
    /// Whether the row that is being written has another time.
    is_outside: bool,
    /// Rows that were encoded so far.
    rows: u64,
    /// The row group of the batch that began last.
    row_group: u32,
    pool: Pool,
}

impl Lanes {
    /// Lanes without rows, whose chunks take their memory from a pool and leave it there.
    pub fn new(limits: LaneLimits, pool: &Pool) -> Self {
        let lanes = match limits.sorting {
            None => (0..limits.lanes.max(1)).map(|_| Lane::new(limits.chunk, pool.clone())).collect(),
            // What is sorted is much larger than chunks are, and has a pool of its own: memory that grows anew each time would leave
            // holes in the heap.
            Some(Sorting { bytes, .. }) => {
                vec![Lane::new(ChunkLimits { points: usize::MAX, bytes: usize::MAX }, Pool::new(2 * bytes))]
            }
        };
        Self {
            limits,
            numbers: vec![0; lanes.len()],
            lanes,
            row: Vec::new(),
            current: 0,
            series: 0,
            times: None,
            is_outside: false,
            rows: 0,
            row_group: 0,
            pool: pool.clone(),
        }
    }

    /// Begins one of several passes over an object whose lines are sorted: rows of other times than these, both included, leave nothing.
    /// All points of a row have one time.
    pub fn begin_pass(&mut self, times: Option<(i64, i64)>) {
        self.times = times;
    }

    /// A single lane, with a pool of its own.
    pub fn single(chunk: ChunkLimits) -> Self {
        Self::new(LaneLimits { lanes: 1, chunk, open_bytes: usize::MAX, sorting: None }, &Pool::new(SINGLE_POOL))
    }

    /// The same lanes, without rows.
    #[must_use]
    pub fn like(&self) -> Self {
        Self { times: self.times, ..Self::new(self.limits, &self.pool) }
    }

    /// Begins a line of a point of this series.
    #[inline]
    pub(super) fn begin_line(&mut self, series: u64) {
        if let [_] = &*self.lanes {
            self.series = series;
            return;
        }
        // The upper half of a product spreads over all lanes, however many there are.
        let (hash, lanes) = (u128::from(mixed(series)), self.lanes.len() as u128);
        #[expect(clippy::cast_possible_truncation, reason = "less than the number of lanes")]
        let lane = ((hash * lanes) >> 64) as usize;
        self.current = lane;
        if !self.row.contains(&lane) {
            self.row.push(lane);
        }
    }

    /// Where the line that is being written goes: append to it, its newline included, then call [`Self::end_line`].
    #[inline]
    pub(super) fn text(&mut self) -> &mut Text {
        self.lanes[self.current].text()
    }

    /// The line that is written, before it is ended.
    pub(super) fn line(&self) -> &[u8] {
        self.lanes[self.current].line()
    }

    #[inline]
    pub(super) fn end_line(&mut self, row: u64, point: u64, time: i64) {
        let lane = &mut self.lanes[self.current];
        lane.end_line(row, point);
        if self.limits.sorting.is_some() {
            lane.add_key(SortKey { series: self.series, time });
            self.is_outside |= self.times.is_some_and(|(first, last)| time < first || last < time);
        }
    }

    /// Discards every line of the row that is being written.
    pub(super) fn discard_row(&mut self) {
        self.is_outside = false;
        if let [lane] = &mut *self.lanes {
            lane.discard_row();
        }
        for lane in self.row.drain(..) {
            self.lanes[lane].discard_row();
        }
    }

    /// Ends the row. Returns how many points it gave, also where it is left to another pass.
    #[inline]
    pub(super) fn end_row(&mut self, row: u64, row_group: u32) -> usize {
        if let [lane] = &mut *self.lanes {
            if mem::take(&mut self.is_outside) {
                return lane.discard_row();
            }
            return lane.end_row(row, row_group, 1);
        }
        let parts = u32::try_from(self.row.len()).unwrap_or(u32::MAX);
        let lanes = &mut self.lanes;
        self.row.drain(..).map(|lane| lanes[lane].end_row(row, row_group, parts)).sum()
    }

    /// Lets nothing follow the last line in its chunk.
    pub(super) fn close(&mut self) {
        self.lanes[self.current].close();
    }

    /// Takes over the rows of other lanes, of the same number, which come after all that are in these.
    pub fn append(&mut self, other: &mut Self) {
        self.lanes.iter_mut().zip(&mut other.lanes).for_each(|(lane, other)| lane.append(other));
    }

    /// Begins a batch, of a row group.
    pub fn begin_batch(&mut self, row_group: u32) {
        let begins = mem::replace(&mut self.row_group, row_group) != row_group;
        if let (Some(Sorting { by_row_group: true, .. }), [lane]) = (self.limits.sorting, &mut *self.lanes)
            && begins
            && (lane.open_points() >= self.limits.chunk.points || lane.open_bytes() >= self.limits.chunk.bytes)
        {
            lane.seal();
        }
    }

    /// Ends a batch of so many rows: takes chunks for full that are to wait no longer.
    pub fn end_batch(&mut self, rows: u64) {
        self.rows += rows;
        if let [lane] = &mut *self.lanes {
            if let Some(Sorting { bytes, .. }) = self.limits.sorting
                && lane.open_bytes() + lane.open_points() * sorted::BYTES_A_LINE >= bytes
            {
                lane.seal();
            }
            return;
        }
        let patience = PATIENCE * (self.lanes.len() as u64).saturating_mul(self.limits.chunk.points as u64);
        for lane in &mut self.lanes {
            if lane.age(self.rows) > patience {
                lane.seal();
            }
        }
        let mut open: usize = self.lanes.iter().map(Lane::open_bytes).sum();
        while open > self.limits.open_bytes
            && let Some(lane) = self.lanes.iter_mut().max_by_key(|lane| lane.open_bytes())
        {
            open -= lane.open_bytes();
            lane.seal();
        }
    }

    /// The chunks that are full, with those that are left where there will be no more rows.
    pub fn finish(mut self) -> FullChunks {
        self.take_rest()
    }

    /// The same, of lanes that may be asked afterwards how many there were.
    pub fn take_rest(&mut self) -> FullChunks {
        self.lanes.iter_mut().for_each(Lane::seal);
        self.take_full()
    }

    /// The chunks that are full.
    pub fn take_full(&mut self) -> FullChunks {
        let Some(sorting) = self.limits.sorting else {
            let mut full = Vec::new();
            for (lane, (rows, next)) in self.lanes.iter_mut().zip(&mut self.numbers).enumerate() {
                full.extend(rows.take_full().map(|chunk| {
                    let number = *next;
                    *next += 1;
                    Full { turn: Turn::Lane { lane, number }, chunk }
                }));
            }
            return FullChunks::InLanes(full.into_iter());
        };
        let mut rounds = VecDeque::new();
        for (lane, next) in self.lanes.iter_mut().zip(&mut self.numbers) {
            for buffer in lane.take_full() {
                for lines in Sorted::rounds(buffer, sorting.shards, self.limits.chunk, &self.pool) {
                    rounds.push_back(Round { number: *next, of: lines.len(), lines });
                    *next += 1;
                }
            }
        }
        FullChunks::InRounds(rounds)
    }
}

/// A hash whose bits all depend on all bits of `hash`.
#[inline]
pub(super) fn mixed(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash ^ (hash >> 29)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, reason = "a test that cannot continue has failed")]

    use super::*;
    use crate::points::chunk::Chunk;
    use crate::points::line::Pieces;

    fn append(lanes: &mut Lanes, series: u64, row: u64, text: &str) {
        lanes.begin_line(series);
        let mut line = lanes.text().line(text.len());
        line.piece(Pieces::from(text.as_bytes()).get(0));
        line.end();
        lanes.end_line(row, 0, 0);
    }

    fn limits(points: usize, bytes: usize) -> ChunkLimits {
        ChunkLimits { points, bytes }
    }

    fn bodies(full: FullChunks) -> Vec<String> {
        full.map(|full| body(&full.chunk)).collect()
    }

    fn body(chunk: &Chunk) -> String {
        String::from_utf8_lossy(chunk.body()).replace('\n', " ")
    }

    /// Writes rows of so many lines each; every line is its row's number.
    fn chunks(limits: ChunkLimits, rows: &[usize]) -> Vec<String> {
        let mut lanes = Lanes::single(limits);
        for (row, points) in (0..).zip(rows) {
            for _ in 0..*points {
                append(&mut lanes, 0, row, &format!("{row}\n"));
            }
            assert_eq!(lanes.end_row(row, 0), *points);
        }
        let full: Vec<Full> = lanes.finish().collect();
        for Full { chunk, .. } in &full {
            assert_eq!(chunk.lines().last().map(|line| line.end), Some(chunk.body().len()));
            assert_eq!(chunk.text(0..1), format!("{}\n", chunk.lines()[0].row).as_bytes());
            assert_eq!(chunk.extract(chunk.lines_by_row()), chunk.body());
            assert_eq!(chunk.lines_by_row().len() as u64, chunk.rows().len());
        }
        full.iter().map(|full| body(&full.chunk)).collect()
    }

    #[test]
    fn a_chunk_is_full_at_so_many_points() {
        assert_eq!(chunks(limits(2, 100), &[1, 1, 1]), ["0 1 ", "2 "]);
    }

    #[test]
    fn a_chunk_is_full_at_so_many_bytes() {
        assert_eq!(chunks(limits(100, 5), &[1, 1, 1, 1]), ["0 1 ", "2 3 "]);
    }

    #[test]
    fn the_points_of_a_row_stay_together_in_their_lane() {
        assert_eq!(chunks(limits(3, 100), &[2, 2, 5, 1]), ["0 0 ", "1 1 ", "2 2 2 2 2 ", "3 "]);
    }

    #[test]
    fn rows_without_points_leave_no_trace() {
        assert_eq!(chunks(limits(2, 100), &[0, 1, 0]), ["1 "]);
        assert_eq!(chunks(limits(2, 100), &[0]), Vec::<String>::new());
    }

    #[test]
    fn nothing_follows_the_last_row_of_a_chunk_that_is_closed() {
        let mut lanes = Lanes::single(limits(2, 100));
        lanes.close();
        for row in 0..3 {
            append(&mut lanes, 0, row, &format!("{row}\n"));
            lanes.end_row(row, 0);
            if row != 2 {
                lanes.close();
            }
        }
        assert_eq!(bodies(lanes.finish()), ["0 ", "1 ", "2 "]);
    }

    #[test]
    fn a_discarded_row_takes_its_lines_with_it_from_every_lane() {
        let limits = LaneLimits { lanes: 8, chunk: limits(10, 100), open_bytes: 1_000, sorting: None };
        let mut lanes = Lanes::new(limits, &Pool::default());
        append(&mut lanes, 0, 0, "kept\n");
        lanes.end_row(0, 0);
        (0..20).for_each(|series| append(&mut lanes, series, 1, "gone\n"));
        lanes.begin_line(3);
        lanes.text().append(b"half");
        lanes.discard_row();
        assert_eq!(lanes.end_row(1, 0), 0);
        append(&mut lanes, 0, 2, "too\n");
        lanes.end_row(2, 0);
        assert_eq!(bodies(lanes.finish()), ["kept too "]);
    }

    /// Rows of a hundred series in lanes, encoded in batches by one after the other or beside each other: by lane, the lines.
    fn by_lane(count: usize, beside: bool) -> Vec<String> {
        let limits = LaneLimits { lanes: count, chunk: limits(7, 1_000), open_bytes: usize::MAX, sorting: None };
        let mut lanes = Lanes::new(limits, &Pool::new(10_000));
        let mut other = lanes.like();
        for batch in 0..20 {
            let target = if beside { &mut other } else { &mut lanes };
            for row in batch * 50..(batch + 1) * 50 {
                let series = row * 7919 % 100;
                append(target, series, row, &format!("{series}={row}\n"));
                target.end_row(row, 0);
                if row % 90 == 0 {
                    target.close();
                }
            }
            if beside {
                lanes.append(&mut other);
            }
            lanes.end_batch(50);
        }
        let mut found = vec![String::new(); count];
        let mut next = vec![0; count];
        for Full { turn, chunk } in lanes.finish() {
            let Turn::Lane { lane, number } = turn else { panic!("lines are sorted") };
            assert_eq!((number, chunk.rows().len()), (next[lane], chunk.points() as u64));
            assert!(chunk.points() <= 7);
            next[lane] += 1;
            let after_close = chunk.lines().iter().rev().skip(1).find(|line| line.row % 90 == 0);
            assert_eq!(after_close, None, "something follows a line that closes its chunk");
            found[lane].push_str(&String::from_utf8_lossy(chunk.body()));
        }
        found
    }

    #[test]
    fn a_series_has_one_lane_that_keeps_the_order_of_its_rows() {
        for count in [1, 2, 5, 16] {
            let lanes = by_lane(count, false);
            assert_eq!(lanes, by_lane(count, true));
            assert_eq!(lanes.iter().map(|lane| lane.lines().count()).sum::<usize>(), 1_000);
            for series in 0..100 {
                let key = format!("{series}=");
                let with: Vec<_> =
                    lanes.iter().filter(|lane| lane.lines().any(|line| line.starts_with(&key))).collect();
                assert_eq!(with.len(), 1);
                let rows = with[0].lines().filter_map(|line| line.strip_prefix(&key)?.parse::<u64>().ok());
                assert!(rows.is_sorted());
            }
            assert!(lanes.iter().filter(|lane| !lane.is_empty()).count() * 2 > count, "the lanes are uneven");
        }
    }

    #[test]
    fn rows_in_several_lanes_are_told_by_every_part() {
        let limits = LaneLimits { lanes: 4, chunk: limits(10, 1_000), open_bytes: usize::MAX, sorting: None };
        let mut lanes = Lanes::new(limits, &Pool::default());
        (0..100).for_each(|series| append(&mut lanes, series, 5, "x\n"));
        lanes.end_row(5, 2);
        let full: Vec<Full> = lanes.finish().collect();
        let split =
            |full: &Full| full.chunk.rows().split.iter().map(|row| (row.row, row.row_group, row.parts)).collect();
        assert_eq!(full.iter().map(split).collect::<Vec<Vec<_>>>(), vec![vec![(5, 2, 4)]; 4]);
        assert!(full.iter().all(|full| full.chunk.rows().groups[0].whole == 0));
    }

    #[test]
    fn open_chunks_are_bounded_together_and_none_waits_for_ever() {
        let limits = LaneLimits { lanes: 8, chunk: limits(10, 100_000), open_bytes: 100, sorting: None };
        let mut lanes = Lanes::new(limits, &Pool::default());
        append(&mut lanes, 0, 0, &"x".repeat(60));
        lanes.end_row(0, 0);
        lanes.end_batch(1);
        assert!(lanes.take_full().next().is_none());
        append(&mut lanes, 1, 1, &"y".repeat(70));
        lanes.end_row(1, 0);
        lanes.end_batch(1);
        assert_eq!(bodies(lanes.take_full()), ["y".repeat(70)], "the largest is sent");
        lanes.end_batch(8 * 10 * PATIENCE);
        assert_eq!(bodies(lanes.take_full()), ["x".repeat(60)], "a chunk that stays open for long is sent");
    }

    #[test]
    fn memory_of_chunks_is_used_again_and_none_is_lost_where_rows_are_split_off() {
        let pool = Pool::new(1_000);
        let limits = LaneLimits { lanes: 1, chunk: limits(2, 10_000), open_bytes: usize::MAX, sorting: None };
        let mut lanes = Lanes::new(limits, &pool);
        for row in 0..10_000 {
            for _ in 0..3 {
                append(&mut lanes, 0, row, "abcdefgh\n");
            }
            lanes.end_row(row, 0);
            drop(lanes.take_full());
            assert!(pool.bytes() <= 1_000);
        }
        assert!(pool.bytes() > 0);
    }
    fn sorting(bytes: usize, by_row_group: bool) -> Lanes {
        let sorting = Some(Sorting { shards: Shards::of(std::time::Duration::from_nanos(10)), bytes, by_row_group });
        let limits = LaneLimits { lanes: 8, chunk: limits(2, 1_000), open_bytes: 1_000, sorting };
        Lanes::new(limits, &Pool::new(10_000))
    }

    /// Appends a batch of rows, each of one series and time, beside others or not. Returns the chunks that are full by then.
    fn add_batch(lanes: &mut Lanes, beside: bool, row_group: u32, rows: &[(u64, u64, i64)]) -> Vec<(Turn, String)> {
        lanes.begin_batch(row_group);
        let mut own = lanes.like();
        let target = if beside { &mut own } else { &mut *lanes };
        for (row, series, time) in rows {
            target.begin_line(*series);
            target.text().append(format!("{row}\n").as_bytes());
            target.end_line(*row, 0, *time);
            target.end_row(*row, row_group);
        }
        if beside {
            lanes.append(&mut own);
        }
        lanes.end_batch(rows.len() as u64);
        lanes.take_full().map(|full| (full.turn, body(&full.chunk))).collect()
    }

    #[test]
    fn lines_are_sorted_when_enough_of_them_are_gathered_in_round_after_round() {
        for beside in [false, true] {
            let mut lanes = sorting(3 * (sorted::BYTES_A_LINE + 2), false);
            assert_eq!(add_batch(&mut lanes, beside, 0, &[(0, 1, 5), (1, 2, 15)]), []);
            let round = |round, of, text: &str| (Turn::Round { round, of }, text.to_owned());
            let first = add_batch(&mut lanes, beside, 1, &[(2, 2, 5), (3, 2, 16)]);
            assert_eq!(first, [round(0, 2, "0 2 "), round(0, 2, "1 3 ")]);
            assert_eq!(add_batch(&mut lanes, beside, 1, &[(4, 1, 5)]), []);
            let rest: Vec<_> = lanes.finish().map(|full| (full.turn, body(&full.chunk))).collect();
            assert_eq!(rest, [round(1, 1, "4 ")]);
        }
    }

    #[test]
    fn what_fills_a_request_is_sent_before_another_row_group_begins_where_row_groups_matter() {
        for (by_row_group, chunks) in [(false, 0), (true, 1)] {
            let mut lanes = sorting(1_000_000, by_row_group);
            assert_eq!(add_batch(&mut lanes, false, 0, &[(0, 1, 5)]), []);
            assert_eq!(add_batch(&mut lanes, false, 1, &[(1, 1, 5)]), [], "too few for a request");
            assert_eq!(add_batch(&mut lanes, false, 2, &[(2, 1, 5)]).len(), chunks);
        }
    }

    #[test]
    fn nothing_is_sent_beside_a_line_that_lets_nothing_follow_it() {
        let mut lanes = sorting(1_000_000, false);
        for (row, time) in [(0, 15), (1, 5), (2, 15)] {
            lanes.begin_line(row);
            lanes.text().append(format!("{row}\n").as_bytes());
            lanes.end_line(row, 0, time);
            lanes.end_row(row, 0);
            if row == 1 {
                lanes.close();
            }
        }
        let chunks: Vec<_> = lanes.finish().map(|full| (full.turn, body(&full.chunk))).collect();
        let round = |round, text: &str| (Turn::Round { round, of: 1 }, text.to_owned());
        assert_eq!(chunks, [round(0, "0 "), round(1, "1 "), round(2, "2 ")]);
    }
}
