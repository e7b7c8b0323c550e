//! How many lanes an object has, and which of their parcels is written next.

use std::collections::{BTreeMap, VecDeque};

use crate::points::{ChunkLimits, LaneLimits};
use crate::sink::{Parcel, Sink};
use crate::source::Memory;

/// Lanes for each request at a time: series are not spread evenly, and while the fullest lane waits for its answer others are
/// to have something to send.
const LANES_A_REQUEST: usize = 4;

/// The most lanes of an object.
const MOST_LANES: usize = 64;

/// How many parcels wait for each that may be under way: when a load stops, they are still written.
const WAITING_A_REQUEST: usize = 4;

/// The lanes of an object of so many rows. One is enough where one parcel is written after the other, and for an object that does
/// not fill more: each would end with a request of a few points.
pub(super) fn limits(sink: &Sink, chunk: ChunkLimits, requests: usize, rows: u64, memory: Memory) -> LaneLimits {
    let filled = usize::try_from(rows / chunk.points.max(1) as u64).unwrap_or(usize::MAX);
    let lanes = match sink {
        Sink::Lines(_) => 1,
        Sink::InfluxDb(_) if requests == 1 => 1,
        Sink::InfluxDb(_) => (LANES_A_REQUEST * requests).min(MOST_LANES).min(filled).max(1),
    };
    LaneLimits { lanes, chunk, open_bytes: memory.open_chunks() }
}

/// The parcels of each lane that wait to be written, one after the other.
#[derive(Debug)]
pub(super) struct Waiting {
    /// The most parcels under way. What tunes that while an object is loaded changes this number.
    allowed: usize,
    /// The most bytes of parcels that wait, beside as many parcels as are written at a time.
    most_bytes: usize,
    under_way: usize,
    lanes: Vec<Lane>,
    /// Lanes of which the next parcel may be sent, in the order in which they came to that.
    ready: VecDeque<usize>,
    parcels: usize,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Lane {
    under_way: bool,
    /// The number of the parcel that is sent next.
    next: u64,
    /// By their numbers. Threads that pack may overtake each other.
    parcels: BTreeMap<u64, Parcel>,
}

impl Lane {
    fn is_ready(&self) -> bool {
        !self.under_way && self.parcels.contains_key(&self.next)
    }
}

impl Waiting {
    /// Nothing yet, of which so many parcels are written at a time, while so many bytes may wait.
    pub(super) fn new(allowed: usize, most_bytes: usize) -> Self {
        Self { allowed, most_bytes, under_way: 0, lanes: Vec::new(), ready: VecDeque::new(), parcels: 0, bytes: 0 }
    }

    /// Adds a parcel: that of its lane with this number.
    pub(super) fn add(&mut self, lane: usize, number: u64, parcel: Parcel) {
        if self.lanes.len() <= lane {
            self.lanes.resize_with(lane + 1, Lane::default);
        }
        self.parcels += 1;
        self.bytes += parcel.bytes();
        self.lanes[lane].parcels.insert(number, parcel);
        if number == self.lanes[lane].next && self.lanes[lane].is_ready() {
            self.ready.push_back(lane);
        }
    }

    /// The next parcel to be sent, with its lane, if one may be. When it is settled, [`Self::settled`] is to be called.
    pub(super) fn next(&mut self) -> Option<(usize, Parcel)> {
        if self.under_way >= self.allowed {
            return None;
        }
        let number = self.ready.pop_front()?;
        let lane = &mut self.lanes[number];
        let parcel = lane.parcels.remove(&lane.next)?;
        lane.next += 1;
        lane.under_way = true;
        self.under_way += 1;
        self.parcels -= 1;
        self.bytes -= parcel.bytes();
        Some((number, parcel))
    }

    /// The parcel of a lane that was under way is written, or what of it is not is rejected.
    pub(super) fn settled(&mut self, lane: usize) {
        self.under_way -= 1;
        self.lanes[lane].under_way = false;
        if self.lanes[lane].is_ready() {
            self.ready.push_back(lane);
        }
    }

    /// Whether no parcel waits.
    pub(super) fn is_empty(&self) -> bool {
        self.parcels == 0
    }

    /// Whether further parcels are to be taken. Always so where nothing is under way: what is waited for may be among them.
    pub(super) fn has_room(&self) -> bool {
        self.under_way == 0
            || self.parcels < self.allowed
            || self.parcels < WAITING_A_REQUEST * self.allowed && self.bytes < self.most_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::points::Chunk;
    use crate::sink::Packer;

    fn parcel(text: &str) -> Parcel {
        Packer::new(false).pack(Chunk::of_lines(&format!("{text} x=1 1\n")))
    }

    fn next(waiting: &mut Waiting) -> Option<String> {
        let (_, parcel) = waiting.next()?;
        String::from_utf8_lossy(parcel.chunk().body()).split(' ').next().map(str::to_owned)
    }

    #[test]
    fn a_lane_sends_one_parcel_after_the_other_and_lanes_send_side_by_side() {
        let mut waiting = Waiting::new(2, 1000);
        waiting.add(0, 1, parcel("second"));
        assert_eq!(next(&mut waiting), None, "the first is not there yet");
        waiting.add(0, 0, parcel("first"));
        waiting.add(5, 0, parcel("other"));
        waiting.add(6, 0, parcel("third lane"));
        assert_eq!([next(&mut waiting), next(&mut waiting)].map(Option::unwrap_or_default), ["first", "other"]);
        assert_eq!(next(&mut waiting), None, "two are under way");
        waiting.settled(5);
        assert_eq!(next(&mut waiting).as_deref(), Some("third"));
        waiting.settled(6);
        assert_eq!(next(&mut waiting), None, "the first of the lane is not settled");
        waiting.settled(0);
        assert_eq!(next(&mut waiting).as_deref(), Some("second"));
    }

    #[test]
    fn what_waits_is_bounded_unless_what_is_waited_for_is_yet_to_come() {
        let mut waiting = Waiting::new(2, 1000);
        let large = "x".repeat(500);
        waiting.add(0, 0, parcel("a"));
        assert_eq!(next(&mut waiting).as_deref(), Some("a"));
        (1..4).for_each(|number| waiting.add(0, number, parcel(&large)));
        assert!(!waiting.has_room());
        waiting.settled(0);
        assert!(waiting.has_room());
    }
}
