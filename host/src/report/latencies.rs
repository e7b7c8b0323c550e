//! How long batches took, as a histogram of a few hundred buckets, whatever their number.

use std::collections::BTreeMap;
use std::time::Duration;

/// Each doubling of the time is so many buckets: a value is off by a sixteenth at most.
const BUCKETS_PER_DOUBLING: u64 = 1 << BITS;
const BITS: u32 = 3;

/// The longest time that is distinguished from longer ones, in microseconds: about an hour, which no request takes.
const LONGEST: u64 = (1 << 32) - 1;

/// How long batches took. Two of them are merged exactly.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latencies {
    /// How many, by bucket.
    counts: BTreeMap<u16, u64>,
}

impl Latencies {
    /// Counts a batch.
    pub fn add(&mut self, latency: Duration) {
        *self.counts.entry(bucket(latency)).or_default() += 1;
    }

    /// Adds everything that `other` counts.
    pub fn merge(&mut self, other: &Self) {
        for (bucket, count) in &other.counts {
            *self.counts.entry(*bucket).or_default() += count;
        }
    }

    /// The middle of each bucket in milliseconds, ascending, and how many batches are in it.
    pub fn values(&self) -> impl Iterator<Item = (f64, u64)> {
        self.counts.iter().map(|(bucket, count)| (milliseconds(*bucket), *count))
    }
}

/// The number of the bucket. Below 2^BITS microseconds each has its own; above, the leading bits decide.
fn bucket(latency: Duration) -> u16 {
    let microseconds = u64::try_from(latency.as_micros()).unwrap_or(LONGEST).min(LONGEST);
    let doubling = microseconds.checked_ilog2().unwrap_or(0).saturating_sub(BITS);
    // At most 28 doublings of 8 buckets, and 16 more.
    u16::try_from(u64::from(doubling) * BUCKETS_PER_DOUBLING + (microseconds >> doubling)).unwrap_or(u16::MAX)
}

/// The middle of a bucket.
fn milliseconds(bucket: u16) -> f64 {
    let bucket = u64::from(bucket);
    let doubling = (bucket / BUCKETS_PER_DOUBLING).saturating_sub(1);
    let first = (bucket - doubling * BUCKETS_PER_DOUBLING) << doubling;
    let width = (1_u64 << doubling) as f64;
    (first as f64 + (width - 1.0) / 2.0) / 1000.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn batches_are_counted_by_how_long_they_took() {
        let mut latencies = Latencies::default();
        for milliseconds in [1, 1, 20, 400] {
            latencies.add(Duration::from_millis(milliseconds));
        }
        let values: Vec<_> = latencies.values().collect();
        assert_eq!(values.iter().map(|(_, count)| *count).collect::<Vec<_>>(), [2, 1, 1]);
        insta::assert_debug_snapshot!(values.iter().map(|(value, _)| *value).collect::<Vec<_>>(), @r"
        [
            0.9915,
            19.4555,
            409.5995,
        ]
        ");
    }

    #[test]
    fn times_without_end_share_a_bucket() {
        let mut latencies = Latencies::default();
        latencies.add(Duration::MAX);
        latencies.add(Duration::from_secs(100_000));
        assert_eq!(latencies.values().count(), 1);
        assert!(bucket(Duration::MAX) < 300);
    }

    proptest! {
        #[test]
        fn a_value_is_off_by_a_sixteenth_at_most(microseconds in 0..LONGEST) {
            let value = milliseconds(bucket(Duration::from_micros(microseconds))) * 1000.0;
            prop_assert!((value - microseconds as f64).abs() <= microseconds as f64 / 16.0 + 1e-6, "{value}");
        }

        #[test]
        fn to_merge_is_to_count_all(left: Vec<u32>, right: Vec<u32>) {
            let count = |all: &[u32]| {
                let mut latencies = Latencies::default();
                all.iter().for_each(|microseconds| latencies.add(Duration::from_micros((*microseconds).into())));
                latencies
            };
            let mut merged = count(&left);
            merged.merge(&count(&right));
            prop_assert_eq!(merged, count(&[left, right].concat()));
        }
    }
}
