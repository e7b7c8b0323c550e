//! What an engine reports about the place of points.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use crate::points::{Kept, Shards};

/// The longest shards that are proposed, in weeks.
const LONGEST_SHARDS: u64 = 52;

const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

/// What a server reports about a bucket, or of a retention policy of 1.x.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// For how long points are kept; none: forever.
    pub retention: Option<Duration>,
    /// How long a shard is, where the engine has shards.
    pub shard: Option<Duration>,
    /// What keeps the points, in words, where it is not the bucket itself.
    pub(in crate::sink::influxdb) name: Option<String>,
    /// The command that sets the length of shards, without the length.
    pub(in crate::sink::influxdb) command: String,
}

/// What a server has of a measurement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerTable {
    /// The types of each field, as [`Kind`](crate::sink::kind::Kind) names them, else in the server's words.
    pub fields: BTreeMap<String, BTreeSet<String>>,
    /// The keys of its tags.
    pub tags: BTreeSet<String>,
}

impl Bucket {
    /// How the bucket parts time.
    pub fn shards(&self) -> Option<Shards> {
        self.shard.map(Shards::of)
    }

    /// How far back it keeps points now. None where it keeps all, or where the engine refuses none.
    pub fn kept(&self) -> Option<Kept> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(now.as_nanos()).unwrap_or(i64::MAX);
        Some(Kept::at(now, self.retention?, self.shard?))
    }

    /// The command that makes shards longer that are made from then on, as far as the retention allows. None where they are as
    /// long as they may be.
    pub fn lengthening(&self) -> Option<String> {
        let retention = self.retention.unwrap_or(Duration::MAX);
        let weeks = (retention.as_secs() / WEEK.as_secs()).min(LONGEST_SHARDS);
        let longer = u32::try_from(weeks).is_ok_and(|weeks| self.shard.is_some_and(|shard| WEEK * weeks > shard));
        longer.then(|| format!("{} {weeks}w", self.command))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(retention_days: Option<u32>, shard_days: Option<u32>) -> Bucket {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        Bucket {
            retention: retention_days.map(|days| DAY * days),
            shard: shard_days.map(|days| DAY * days),
            name: None,
            command: "lengthen".to_owned(),
        }
    }

    #[test]
    fn longer_shards_are_proposed_as_far_as_the_retention_allows() {
        let proposed = |retention, shard| bucket(retention, shard).lengthening();
        assert_eq!(proposed(None, Some(7)).as_deref(), Some("lengthen 52w"));
        assert_eq!(proposed(Some(90), Some(1)).as_deref(), Some("lengthen 12w"));
        for (retention, shard) in [(None, Some(364)), (Some(90), Some(84)), (Some(6), Some(1)), (None, None)] {
            assert_eq!(proposed(retention, shard), None, "{retention:?} {shard:?}");
        }
    }

    #[test]
    fn points_are_refused_by_engines_with_shards_alone() {
        assert!(bucket(Some(1), Some(1)).kept().is_some());
        assert!(bucket(Some(1), None).kept().is_none() && bucket(None, Some(1)).kept().is_none());
    }
}
