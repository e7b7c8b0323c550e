//! Which parcel is written next.

use std::collections::{BTreeMap, VecDeque};

use crate::points::Turn;
use crate::sink::Parcel;

/// How many parcels wait for each that may be under way: when a load stops, they are still written.
const WAITING_A_REQUEST: usize = 4;

/// The parcels that wait to be written.
#[derive(Debug)]
pub(super) struct Waiting {
    /// The most parcels under way. The sink may hold some of them back.
    allowed: usize,
    /// The most bytes of parcels that wait.
    most_bytes: usize,
    under_way: usize,
    lanes: Vec<Lane>,
    rounds: Rounds,
    /// Parcels that may be sent, in the order in which they came to that.
    ready: VecDeque<(Turn, Parcel)>,
    parcels: usize,
    bytes: usize,
}

/// Parcels that are written one after the other.
#[derive(Debug, Default)]
struct Lane {
    /// Whether one of them is ready or under way.
    busy: bool,
    /// The number of the parcel that is sent next.
    next: u64,
    /// By their numbers. Threads that pack may overtake each other.
    parcels: BTreeMap<u64, Parcel>,
}

/// Parcels that are written when those of the round before are settled.
#[derive(Debug, Default)]
struct Rounds {
    /// The number of the round whose parcels are written.
    current: u64,
    settled: usize,
    /// Those of later rounds.
    later: BTreeMap<u64, Vec<(Turn, Parcel)>>,
}

impl Waiting {
    /// Nothing yet, of which so many parcels are written at a time, while so many bytes may wait.
    pub(super) fn new(allowed: usize, most_bytes: usize) -> Self {
        let (lanes, rounds, ready) = (Vec::new(), Rounds::default(), VecDeque::new());
        Self { allowed, most_bytes, under_way: 0, lanes, rounds, ready, parcels: 0, bytes: 0 }
    }

    /// Adds a parcel.
    pub(super) fn add(&mut self, turn: Turn, parcel: Parcel) {
        self.parcels += 1;
        self.bytes += parcel.bytes();
        match turn {
            Turn::Lane { lane, number } => {
                if self.lanes.len() <= lane {
                    self.lanes.resize_with(lane + 1, Lane::default);
                }
                self.lanes[lane].parcels.insert(number, parcel);
                self.ready.extend(self.lanes[lane].take_next(lane));
            }
            Turn::Round { round, .. } if round == self.rounds.current => self.ready.push_back((turn, parcel)),
            Turn::Round { round, .. } => self.rounds.later.entry(round).or_default().push((turn, parcel)),
        }
    }

    /// The next parcel to be sent, with its turn, if one may be and `may` returns true for its points. When it is settled,
    /// [`Self::settled`] is to be called.
    pub(super) fn next_if(&mut self, may: impl FnOnce(usize) -> bool) -> Option<(Turn, Parcel)> {
        if self.under_way >= self.allowed || !may(self.ready.front()?.1.chunk().points()) {
            return None;
        }
        let (turn, parcel) = self.ready.pop_front()?;
        self.under_way += 1;
        self.parcels -= 1;
        self.bytes -= parcel.bytes();
        Some((turn, parcel))
    }

    /// The parcel that was under way is written, or what of it is not is rejected.
    pub(super) fn settled(&mut self, turn: Turn) {
        self.under_way -= 1;
        match turn {
            Turn::Lane { lane, .. } => {
                self.lanes[lane].busy = false;
                self.ready.extend(self.lanes[lane].take_next(lane));
            }
            Turn::Round { of, .. } => self.ready.extend(self.rounds.settled(of)),
        }
    }

    /// Whether no parcel waits.
    pub(super) fn is_empty(&self) -> bool {
        self.parcels == 0
    }

    /// Whether further parcels are to be taken. Always so where nothing is under way or ready: what is waited for may be among
    /// them.
    pub(super) fn has_room(&self) -> bool {
        self.under_way == 0 && self.ready.is_empty()
            || self.parcels < self.allowed.min(WAITING_A_REQUEST)
            || self.parcels < WAITING_A_REQUEST * self.allowed && self.bytes < self.most_bytes
    }
}

impl Lane {
    /// The parcel that may be sent, if there is one.
    fn take_next(&mut self, lane: usize) -> Option<(Turn, Parcel)> {
        let number = self.next;
        let parcel = if self.busy { None } else { self.parcels.remove(&number) }?;
        (self.next, self.busy) = (number + 1, true);
        Some((Turn::Lane { lane, number }, parcel))
    }
}

impl Rounds {
    /// One of so many parcels of the round is settled. Returns those that may be sent now.
    fn settled(&mut self, of: usize) -> Vec<(Turn, Parcel)> {
        self.settled += 1;
        if self.settled < of {
            return Vec::new();
        }
        (self.current, self.settled) = (self.current + 1, 0);
        self.later.remove(&self.current).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::points::Chunk;
    use crate::sink::Packer;

    const WAITING_BYTES: usize = 8 << 20;

    fn parcel(text: &str) -> Parcel {
        Packer::new(false).pack(Chunk::of_lines(&format!("{text} x=1 1\n")))
    }

    fn lane(lane: usize, number: u64) -> Turn {
        Turn::Lane { lane, number }
    }

    fn next(waiting: &mut Waiting) -> Option<String> {
        let (_, parcel) = waiting.next_if(|_| true)?;
        String::from_utf8_lossy(parcel.chunk().body()).split(' ').next().map(str::to_owned)
    }

    #[test]
    fn a_lane_sends_one_parcel_after_the_other_and_lanes_send_side_by_side() {
        let mut waiting = Waiting::new(2, WAITING_BYTES);
        waiting.add(lane(0, 1), parcel("second"));
        assert_eq!(next(&mut waiting), None, "the first has not arrived yet");
        waiting.add(lane(0, 0), parcel("first"));
        waiting.add(lane(5, 0), parcel("other"));
        waiting.add(lane(6, 0), parcel("third lane"));
        assert_eq!([next(&mut waiting), next(&mut waiting)].map(Option::unwrap_or_default), ["first", "other"]);
        assert_eq!(next(&mut waiting), None, "two are under way");
        waiting.settled(lane(5, 0));
        assert_eq!(next(&mut waiting).as_deref(), Some("third"));
        waiting.settled(lane(6, 0));
        assert_eq!(next(&mut waiting), None, "the first of the lane is not settled");
        waiting.settled(lane(0, 0));
        assert_eq!(next(&mut waiting).as_deref(), Some("second"));
    }

    #[test]
    fn what_waits_is_bounded_unless_what_is_waited_for_is_yet_to_come() {
        let mut waiting = Waiting::new(2, WAITING_BYTES);
        let large = "x".repeat(WAITING_BYTES / 2);
        waiting.add(lane(0, 0), parcel("a"));
        assert_eq!(next(&mut waiting).as_deref(), Some("a"));
        (2..5).for_each(|number| waiting.add(lane(0, number), parcel(&large)));
        assert!(!waiting.has_room());
        waiting.settled(lane(0, 0));
        assert!(waiting.has_room());
    }

    #[test]
    fn what_is_held_back_stays_the_next_and_what_waits_behind_it_is_bounded() {
        let mut waiting = Waiting::new(2, WAITING_BYTES);
        let large = "x".repeat(WAITING_BYTES);
        waiting.add(lane(0, 0), parcel("a"));
        assert!(waiting.next_if(|points| points > 1).is_none());
        assert!(waiting.has_room());
        (1..4).for_each(|number| waiting.add(lane(0, number), parcel(&large)));
        assert!(!waiting.has_room());
        assert_eq!(next(&mut waiting).as_deref(), Some("a"));
    }

    #[test]
    fn parcels_of_a_round_are_sent_side_by_side_and_those_of_the_next_when_all_are_settled() {
        let mut waiting = Waiting::new(2, WAITING_BYTES);
        let (first, second) = (Turn::Round { round: 0, of: 3 }, Turn::Round { round: 1, of: 1 });
        waiting.add(second, parcel("second"));
        assert_eq!(next(&mut waiting), None, "a round has not arrived yet");
        ["a", "b", "c"].into_iter().for_each(|text| waiting.add(first, parcel(text)));
        assert_eq!([next(&mut waiting), next(&mut waiting)].map(Option::unwrap_or_default), ["a", "b"]);
        assert_eq!(next(&mut waiting), None, "two are under way");
        waiting.settled(first);
        waiting.settled(first);
        assert_eq!(next(&mut waiting).as_deref(), Some("c"));
        assert_eq!(next(&mut waiting), None, "the first round is not settled");
        waiting.settled(first);
        assert_eq!(next(&mut waiting).as_deref(), Some("second"));
        waiting.settled(second);
        assert!(waiting.is_empty());
    }
}
