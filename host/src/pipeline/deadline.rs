//! The deadline of a load: when it stops, and when it ends.

use std::time::{Duration, Instant};

/// Of the time before the very end, how much is left for writes that are under way when the load stops: six tenths; the
/// rest is for keeping the rejected rows, sending metrics, and answering.
const FOR_WRITES: (u32, u32) = (6, 10);

/// The time limit leaves no time to load anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the time limit, {limit} s, is not longer than `DEADLINE_MARGIN_SECONDS`, {margin} s\nhint: raise the time limit, or lower \
     `DEADLINE_MARGIN_SECONDS`"
)]
pub struct LimitBelowMargin {
    limit: u64,
    margin: u64,
}

impl LimitBelowMargin {
    /// Holds the time that is left at the start against the margin.
    ///
    /// # Errors
    ///
    /// When a load would have to stop before it begins.
    pub fn check(limit: Duration, margin: Duration) -> Result<(), Self> {
        if limit > margin || margin.is_zero() {
            return Ok(());
        }
        // The start itself has used up some of it.
        let limit = limit.as_secs() + u64::from(limit.subsec_nanos() > 0);
        Err(Self { limit, margin: margin.as_secs() })
    }
}

/// When a load stops converting, and when it stops waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// From then on no further rows are converted.
    pub stop: Instant,
    /// From then on nothing is waited for.
    pub end: Instant,
}

impl Deadline {
    /// The deadline of a process that is ended at `end`: the load stops `margin` before.
    pub fn ahead_of(end: Instant, margin: Duration) -> Self {
        let (share, whole) = FOR_WRITES;
        let stop = end.checked_sub(margin).unwrap_or(end);
        Self { stop, end: stop + margin * share / whole }
    }

    /// The earlier of this deadline and that of a caller who waits until `end` and no longer. `margin` is shortened to a
    /// third of what the caller gives, so that there is time to load.
    pub fn no_later_than(self, end: Instant, given: Duration, margin: Duration) -> Self {
        let caller = Self::ahead_of(end, margin.min(given / 3));
        if caller.stop < self.stop { caller } else { self }
    }

    /// From then on no further write is begun: those under way have the other half of the time until [`Self::end`].
    pub fn last_start(&self) -> Instant {
        self.stop + self.end.saturating_duration_since(self.stop) / 2
    }

    /// From then on rejected rows are not waited for either: of the time that is left after [`Self::end`], a quarter remains
    /// for metrics and the answer.
    pub fn rejects_end(&self) -> Instant {
        self.end + self.end.saturating_duration_since(self.stop) / 2
    }

    /// From then on metrics are not waited for either; the rest is for the answer.
    pub fn metrics_end(&self) -> Instant {
        self.end + self.end.saturating_duration_since(self.stop) * 7 / 12
    }

    /// Whether the load has to stop.
    pub fn is_over(&self) -> bool {
        self.stop <= Instant::now()
    }

    /// What `work` returns, or `None` if it is not done when nothing is waited for any more.
    pub async fn before_the_end<T>(deadline: Option<Self>, work: impl Future<Output = T>) -> Option<T> {
        match deadline {
            None => Some(work.await),
            Some(deadline) => tokio::time::timeout_at(deadline.end.into(), work).await.ok(),
        }
    }

    /// What `work` returns, or `None` if it is not done when the load has to stop. Without a deadline it takes its time.
    pub async fn within<T>(deadline: Option<Self>, work: impl Future<Output = T>) -> Option<T> {
        match deadline {
            None => Some(work.await),
            Some(deadline) => tokio::time::timeout_at(deadline.stop.into(), work).await.ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

    use super::*;

    #[test]
    fn a_load_stops_before_its_writes_end_and_these_before_the_process() {
        let (now, margin) = (Instant::now(), Duration::from_secs(10));
        let deadline = Deadline::ahead_of(now + Duration::from_secs(60), margin);
        assert_eq!(deadline.stop, now + Duration::from_secs(50));
        assert_eq!(deadline.end, now + Duration::from_secs(56));
        assert_eq!(deadline.rejects_end(), now + Duration::from_secs(59));
        assert_eq!(deadline.metrics_end(), now + Duration::from_millis(59_500));
        assert!(!deadline.is_over());
        assert!(Deadline::ahead_of(now + Duration::from_secs(5), margin).is_over());
    }

    #[test]
    fn a_time_limit_that_is_not_longer_than_the_margin_is_an_error_that_names_both() {
        let (second, margin) = (Duration::from_secs(1), Duration::from_secs(10));
        assert_eq!(LimitBelowMargin::check(11 * second, margin), Ok(()));
        assert_eq!(LimitBelowMargin::check(Duration::ZERO, Duration::ZERO), Ok(()));
        assert!(LimitBelowMargin::check(margin, margin).is_err());
        insta::assert_snapshot!(LimitBelowMargin::check(Duration::from_millis(2990), margin).unwrap_err(), @"
        the time limit, 3 s, is not longer than `DEADLINE_MARGIN_SECONDS`, 10 s
        hint: raise the time limit, or lower `DEADLINE_MARGIN_SECONDS`
        ");
    }
}
