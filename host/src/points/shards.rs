//! Time as InfluxDB 1.x and 2.x part it: in shards of equal length.
//!
//! The first of them begins with the year 1, as Go's `Truncate` has it, so that weeks begin on Mondays.
//!
//! Source: `CreateShardGroup` in `services/meta/data.go` (1.x) and `v1/services/meta/data.go` (2.x).

use std::time::Duration;

use super::recent::PointKey;

/// From the start of the year 1 to that of 1970, in nanoseconds.
const YEAR_1: i128 = 62_135_596_800 * 1_000_000_000;

/// The most shards that are counted: of more it is enough to know that there are more.
pub const MANY_SHARDS: usize = 50;

/// How time is parted into shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shards {
    /// How long each is, in nanoseconds; at least 1.
    length: i64,
    /// How far 1970 begins within one, in nanoseconds.
    phase: i64,
}

impl Shards {
    /// All of time in one.
    pub const ONE: Self = Self { length: i64::MAX, phase: 0 };

    /// Shards of this length, at least a nanosecond.
    pub fn of(length: Duration) -> Self {
        let length = i64::try_from(length.as_nanos()).unwrap_or(i64::MAX).max(1);
        // Less than the length, which is 64 bits.
        let phase = i64::try_from(YEAR_1.rem_euclid(length.into())).unwrap_or_default();
        Self { length, phase }
    }

    /// How long a shard is.
    pub fn length(self) -> Duration {
        Duration::from_nanos(self.length.unsigned_abs())
    }

    /// The number of the shard that a time lies in, in nanoseconds since 1970. Greater times have no smaller numbers.
    #[inline]
    pub fn shard(self, time: i64) -> i64 {
        time.saturating_add(self.phase).div_euclid(self.length)
    }
}

/// Counts the shards that points lie in, until they are many.
#[derive(Debug)]
pub struct Touched {
    shards: Shards,
    /// Their numbers, in order.
    numbers: Vec<i64>,
}

impl Touched {
    /// None so far.
    pub fn new(shards: Shards) -> Self {
        Self { shards, numbers: Vec::with_capacity(MANY_SHARDS) }
    }

    /// Adds the shards of some points. Returns whether there are more than [`MANY_SHARDS`] with them, and were not before.
    pub fn add(&mut self, points: &[PointKey]) -> bool {
        let mut last = None;
        for point in points {
            if self.numbers.len() > MANY_SHARDS {
                return false;
            }
            let number = self.shards.shard(point.time);
            if last.replace(number) != Some(number)
                && let Err(place) = self.numbers.binary_search(&number)
            {
                self.numbers.insert(place, number);
                if self.numbers.len() > MANY_SHARDS {
                    return true;
                }
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3600 * 1_000_000_000;

    fn point(time: i64) -> PointKey {
        PointKey { point: 0, time, fields: 0, row: 0 }
    }

    #[test]
    fn weeks_begin_on_mondays_and_days_at_midnight() {
        let weeks = Shards::of(Duration::from_secs(7 * 24 * 3600));
        // Monday, 5 January 1970.
        let monday = 4 * 24 * HOUR;
        assert_eq!(weeks.shard(monday), weeks.shard(monday - 1) + 1);
        assert_eq!(weeks.shard(monday), weeks.shard(monday + 7 * 24 * HOUR - 1));
        let days = Shards::of(Duration::from_secs(24 * 3600));
        assert_eq!((days.shard(-1), days.shard(0), days.shard(24 * HOUR)), (-1, 0, 1));
    }

    #[test]
    fn the_ends_of_time_have_shards_too() {
        for shards in
            [Shards::ONE, Shards::of(Duration::ZERO), Shards::of(Duration::from_secs(3600)), Shards::of(Duration::MAX)]
        {
            assert!(shards.shard(i64::MIN) <= shards.shard(0) && shards.shard(0) <= shards.shard(i64::MAX));
        }
    }

    #[test]
    fn that_there_are_many_shards_is_told_once() {
        let mut touched = Touched::new(Shards::of(Duration::from_secs(3600)));
        let hours = |hours: std::ops::Range<i64>| hours.map(|hour| point(hour * HOUR)).collect::<Vec<_>>();
        assert!(!touched.add(&hours(0..50)));
        assert!(!touched.add(&hours(0..50)));
        assert!(touched.add(&hours(49..60)));
        assert!(!touched.add(&hours(0..1_000)));
    }
}
