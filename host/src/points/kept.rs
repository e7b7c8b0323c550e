//! How far back a bucket keeps points: what is older is rejected before it is sent.

use std::time::Duration;

use jiff::Timestamp;

use super::go_duration;
use super::rejects::RowProblem;

/// Clocks differ, and the bound moves while points are on their way: within this of it the server decides.
const MARGIN: Duration = Duration::from_secs(3600);

/// How far back a bucket keeps points, at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// For how long points are kept.
    retention: Duration,
    /// Since when points are kept, in nanoseconds since 1970.
    bound: i64,
    /// Points before this are refused for sure.
    refused: i64,
}

impl Kept {
    /// What is kept at a time in nanoseconds since 1970, where it is kept for so long, in shards of this length.
    ///
    /// A point that is too old is nevertheless kept where another point of its request lies in the same shard and is not too
    /// old: so only what lies more than a shard before the bound is refused for sure.
    ///
    /// Source: `MapShards` in `coordinator/points_writer.go` (1.x) and `v1/coordinator/points_writer.go` (2.x).
    pub fn at(now: i64, retention: Duration, shard: Duration) -> Self {
        let nanoseconds = |duration: Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
        let bound = now.saturating_sub(nanoseconds(retention));
        Self { retention, bound, refused: bound.saturating_sub(nanoseconds(shard.saturating_add(MARGIN))) }
    }

    /// Since when points are kept, in nanoseconds since 1970.
    pub fn bound(self) -> i64 {
        self.bound
    }

    /// The time before which points are refused for sure.
    pub(super) fn refused_before(self) -> i64 {
        self.refused
    }

    /// In the words of a server.
    #[cold]
    pub(super) fn problem(self) -> RowProblem {
        let duration = go_duration::of(self.retention);
        // Every time of 64 bits is one.
        let bound = Timestamp::from_nanosecond(self.bound.into()).unwrap_or_default();
        RowProblem::outside_retention(&format!("{duration}: Retention Policy Lower Bound at {bound}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_less_than_a_shard_and_an_hour_before_the_bound_is_left_to_the_server() {
        let hours = |hours: u64| Duration::from_secs(3600 * hours);
        let nanoseconds = |hours: i64| hours * 3600 * 1_000_000_000;
        let kept = Kept::at(nanoseconds(1_000), hours(100), hours(24));
        assert_eq!((kept.bound(), kept.refused_before()), (nanoseconds(900), nanoseconds(875)));
        assert_eq!(Kept::at(0, Duration::MAX, Duration::MAX).refused_before(), i64::MIN);
    }
}
