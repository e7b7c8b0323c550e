//! How many points there are in each bucket of time, and a digest of them that does not depend on their order.
//!
//! The digest of a bucket is the sum of a hash of each of its points: of series and time, which the encoder has computed to
//! see which rows replace each other. Two loads that send the same points have the same digests, in whatever order, by however
//! many threads, and in however many parts. Values are not part of it.
//!
//! Buckets are a day long. Where a tally would have more than [`MAXIMUM_BUCKETS`], they become twice as long until it has not,
//! so that neither memory nor documents grow with the time that an object spans. How long they become depends on the points
//! alone.

use std::collections::BTreeMap;

use super::lanes::mixed;
use super::recent::PointKey;

/// The most buckets of a tally.
pub const MAXIMUM_BUCKETS: usize = 4096;

/// A day, in nanoseconds.
const DAY: i64 = 86_400 * 1_000_000_000;

/// The points of one bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// How many there are. A point that was sent twice counts twice.
    pub points: u64,
    /// The sum of their hashes.
    pub digest: u64,
}

/// Points, counted by buckets of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// By the number of the bucket: 0 begins with 1970.
    buckets: BTreeMap<i64, Bucket>,
    /// How often a day is doubled.
    doublings: u32,
    /// The first and the last time.
    times: Option<(i64, i64)>,
}

impl Tally {
    /// The tally of some points.
    pub fn of(points: &[PointKey]) -> Self {
        let mut tally = Self::default();
        let mut points = points.iter().peekable();
        while let Some(first) = points.peek() {
            // Points that follow each other are of one bucket, as a rule.
            let number = first.time.div_euclid(DAY);
            let start = number.saturating_mul(DAY);
            let (mut bucket, mut earliest, mut latest) = (Bucket::default(), first.time, first.time);
            while let Some(point) = points.next_if(|point| (0..DAY).contains(&point.time.saturating_sub(start))) {
                bucket.points += 1;
                bucket.digest = bucket.digest.wrapping_add(mixed(point.point));
                (earliest, latest) = (earliest.min(point.time), latest.max(point.time));
            }
            tally.put(number, bucket);
            tally.note(earliest, latest);
        }
        tally.widen();
        tally
    }

    /// Adds the points of another tally.
    pub fn add(&mut self, mut other: Self) {
        while self.doublings < other.doublings {
            self.double();
        }
        while other.doublings < self.doublings {
            other.double();
        }
        if let Some((first, last)) = other.times {
            self.note(first, last);
        }
        other.buckets.into_iter().for_each(|(number, bucket)| self.put(number, bucket));
        self.widen();
    }

    /// How long a bucket is, in seconds.
    pub fn bucket_seconds(&self) -> u64 {
        86_400 << self.doublings
    }

    /// The first and the last time of all points, in nanoseconds since 1970; none where there are no points.
    pub fn times(&self) -> Option<(i64, i64)> {
        self.times
    }

    /// The buckets that have points, in the order of time, each with its beginning in seconds since 1970.
    pub fn buckets(&self) -> impl Iterator<Item = (i64, Bucket)> + '_ {
        let seconds = i64::try_from(self.bucket_seconds()).unwrap_or(i64::MAX);
        self.buckets.iter().map(move |(number, bucket)| (number.saturating_mul(seconds), *bucket))
    }

    fn note(&mut self, first: i64, last: i64) {
        let (earliest, latest) = self.times.unwrap_or((first, last));
        self.times = Some((earliest.min(first), latest.max(last)));
    }

    fn put(&mut self, number: i64, Bucket { points, digest }: Bucket) {
        let bucket = self.buckets.entry(number).or_default();
        bucket.points += points;
        bucket.digest = bucket.digest.wrapping_add(digest);
    }

    fn widen(&mut self) {
        while self.buckets.len() > MAXIMUM_BUCKETS {
            self.double();
        }
    }

    fn double(&mut self) {
        self.doublings += 1;
        for (number, bucket) in std::mem::take(&mut self.buckets) {
            self.put(number.div_euclid(2), bucket);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys(points: &[(u64, i64)]) -> Vec<PointKey> {
        let key = |(row, (point, time)): (usize, &(u64, i64))| PointKey {
            point: *point,
            time: *time,
            fields: 1,
            row: u32::try_from(row).unwrap_or_default(),
        };
        points.iter().enumerate().map(key).collect()
    }

    #[test]
    fn points_are_counted_by_day() {
        let tally = Tally::of(&keys(&[(1, 0), (2, DAY - 1), (3, DAY), (4, -1)]));
        let counts: Vec<_> = tally.buckets().map(|(start, bucket)| (start, bucket.points)).collect();
        assert_eq!(counts, [(-86_400, 1), (0, 2), (86_400, 1)]);
        assert_eq!((tally.times(), tally.bucket_seconds()), (Some((-1, DAY)), 86_400));
        assert_eq!(Tally::of(&[]), Tally::default());
    }

    #[test]
    fn buckets_of_a_century_become_longer_instead_of_many() {
        let days: Vec<_> = (0..36_525).map(|day| (1, day * DAY)).collect();
        let tally = Tally::of(&keys(&days));
        assert_eq!(tally.bucket_seconds(), 16 * 86_400);
        assert_eq!(tally.buckets().map(|(_, bucket)| bucket.points).sum::<u64>(), 36_525);
        let ends = Tally::of(&keys(&[(1, i64::MIN), (2, i64::MAX)]));
        assert_eq!((ends.buckets().count(), ends.times()), (2, Some((i64::MIN, i64::MAX))));
    }

    proptest! {
        #[test]
        fn order_and_parts_make_no_difference_and_another_point_does(
            points in prop::collection::vec((any::<u64>(), prop_oneof![any::<i64>(), 0..DAY * 3]), 1..60),
            parts in 1_usize..8,
            seed in any::<usize>(),
        ) {
            let whole = Tally::of(&keys(&points));
            let mut turned = points.clone();
            turned.rotate_left(seed % points.len());
            turned.reverse();
            let mut summed = Tally::default();
            for part in turned.chunks(turned.len().div_ceil(parts)) {
                summed.add(Tally::of(&keys(part)));
            }
            prop_assert_eq!(&summed, &whole);
            let mut other = points;
            other[0].0 ^= 1;
            prop_assert_ne!(Tally::of(&keys(&other)), whole);
        }
    }
}
