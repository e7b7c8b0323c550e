//! How many points a second are sent, where a setting bounds it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A limit on the points a second of a process. What is taken is paid for afterwards: the next request waits until the points of
/// the one before it are within the rate.
#[derive(Debug)]
pub struct Rate {
    points: u32,
    /// When the next request may be sent.
    next: Mutex<Option<Instant>>,
}

impl Rate {
    /// So many points a second, at least 1.
    pub(super) fn new(points: u32) -> Self {
        Self { points: points.max(1), next: Mutex::new(None) }
    }

    /// Points a second.
    pub(super) fn points(&self) -> usize {
        usize::try_from(self.points).unwrap_or(usize::MAX)
    }

    /// Takes so many points, to be sent at once.
    ///
    /// # Errors
    /// When to ask again, where they may not be sent yet.
    pub(crate) fn take(&self, points: usize, now: Instant) -> Result<(), Instant> {
        // Nothing panics while it holds the lock, and if it did, the time would still be whole.
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(next) = next.filter(|next| *next > now) {
            return Err(next);
        }
        *next = Some(now + Duration::from_secs_f64(points as f64 / f64::from(self.points)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_sent_at_the_rate_however_many_ask_and_time_that_passed_idle_is_not_made_up_for() {
        let (rate, start) = (Rate::new(1_000), Instant::now());
        let (mut now, mut sent) = (start, 0);
        while now < start + Duration::from_secs(10) {
            match rate.take(250, now) {
                Ok(()) => sent += 250,
                Err(next) => now = next,
            }
        }
        assert_eq!(sent, 10_000);
        now += Duration::from_secs(60);
        assert_eq!(rate.take(500, now), Ok(()));
        assert_eq!(rate.take(1, now), Err(now + Duration::from_millis(500)));
    }
}
