//! How many lanes an object has, and what they hold.

use crate::points::{LaneLimits, Shards, Sorting};
use crate::sink::{Flow, Order, Sink};
use crate::source::Memory;

/// Lanes for each request at a time: series are not spread evenly, and while the fullest lane waits for its answer others are
/// to have something to send.
const LANES_A_REQUEST: usize = 4;

/// The most lanes of an object.
const MOST_LANES: usize = 64;

/// The lanes of an object of so many rows. One is enough where one parcel is written after the other, and for an object that does
/// not fill more: each would end with a request of a few points.
pub(super) fn limits(sink: &Sink, flow: &Flow, rows: u64, memory: Memory, by_row_group: bool) -> LaneLimits {
    let Flow { chunks: chunk, requests, order, .. } = *flow;
    let filled = usize::try_from(rows / chunk.points.max(1) as u64).unwrap_or(usize::MAX);
    let lanes = if requests == 1 || matches!(sink, Sink::Lines(_)) {
        1
    } else {
        (LANES_A_REQUEST * requests).min(MOST_LANES).min(filled).max(1)
    };
    let sorted = |shards: Shards| Sorting { shards, bytes: memory.sorting(), by_row_group };
    // InfluxDB 3 takes a round a tick, however large it is: half as much again makes as many requests as it takes well.
    let larger = |sorting: Sorting| Sorting { bytes: sorting.bytes + sorting.bytes / 2, ..sorting };
    let sorting = match order {
        Order::File => None,
        Order::Shards(shards) => Some(sorted(shards)),
        Order::Series => Some(larger(sorted(Shards::ONE))),
    };
    LaneLimits { lanes, chunk, open_bytes: memory.open_chunks(), sorting }
}
