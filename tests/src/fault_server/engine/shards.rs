//! How 1.x and 2.x keep points: in shards of a week, each with its own types of fields.
//!
//! A point that its shard does not take is dropped, and the others are kept. Of all that is dropped the client learns
//! little: the number in one shard, and the reason for one point of it. Where points are beyond the retention as well, the
//! client learns nothing of them.
//! Source: coordinator/points_writer.go, tsdb/shard.go.

use std::collections::BTreeMap;

use super::State;
use crate::fault_server::lines::{Point, Record};

/// What a client learns of points that were dropped.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Dropped {
    /// So many points of one shard, one of them for this reason.
    Refused { reason: String, count: usize },
    /// These points are beyond the retention, and nothing else was dropped.
    TooOld { points: Vec<Point> },
}

const NANOSECONDS_OF_A_WEEK: i64 = 7 * 24 * 3600 * 1_000_000_000;

/// Weeks begin on Mondays, as the first day of the year 1 did. The epoch was a Thursday.
const NANOSECONDS_FROM_MONDAY_TO_THE_EPOCH: i64 = 3 * 24 * 3600 * 1_000_000_000;

/// Keeps what can be kept. Returns what the client learns of the rest; `None` where there is none.
pub(super) fn write(state: &mut State, records: Vec<Record>) -> Option<Dropped> {
    let oldest = state.rules.oldest.unwrap_or(i64::MIN);
    let mut too_old = Vec::new();
    let mut shards: BTreeMap<i64, Vec<Point>> = BTreeMap::new();
    for record in records {
        match record {
            Record::Point(point) if point.time < oldest => too_old.push(point),
            Record::Point(point) => shards.entry(shard(point.time)).or_default().push(point),
            hash @ Record::Hash(_) => state.keep(hash),
        }
    }
    // Real engines write all shards at once and report the first that fails; here, that is the earliest.
    let mut dropped = None;
    for (shard, points) in shards {
        let of_shard = write_shard(state, shard, points);
        dropped = dropped.or(of_shard);
    }
    dropped.or_else(|| (!too_old.is_empty()).then_some(Dropped::TooOld { points: too_old }))
}

fn shard(time: i64) -> i64 {
    time.saturating_add(NANOSECONDS_FROM_MONDAY_TO_THE_EPOCH).div_euclid(NANOSECONDS_OF_A_WEEK)
}

fn write_shard(state: &mut State, shard: i64, points: Vec<Point>) -> Option<Dropped> {
    let mut first_reason = None;
    let mut count = 0;
    for mut point in points {
        match refusal(state, shard, &mut point) {
            None => state.keep(Record::Point(point)),
            Some(reason) => {
                count += 1;
                first_reason.get_or_insert(reason);
            }
        }
    }
    first_reason.map(|reason| Dropped::Refused { reason, count })
}

/// Why the shard does not take a point. A field named `time` is silently dropped.
fn refusal(state: &mut State, shard: i64, point: &mut Point) -> Option<String> {
    let measurement = point.measurement.clone();
    if point.tags.contains_key("time") {
        return Some(format!("invalid tag key: input tag \"time\" on measurement \"{measurement}\" is invalid"));
    }
    if point.fields.remove("time").is_some() && point.fields.is_empty() {
        return Some(format!("invalid field name: input field \"time\" on measurement \"{measurement}\" is invalid"));
    }
    for (field, value) in &point.fields {
        let known = state.types.get(&(shard, measurement.clone(), field.clone()));
        if let Some(known) = known.filter(|known| **known != value.kind()) {
            let kind = value.kind();
            return Some(format!(
                "field type conflict: input field \"{field}\" on measurement \"{measurement}\" is type {kind}, already \
                 exists as type {known}"
            ));
        }
    }
    for (field, value) in &point.fields {
        state.types.insert((shard, measurement.clone(), field.clone()), value.kind());
    }
    None
}
