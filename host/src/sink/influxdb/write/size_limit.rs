//! How large a request may be, as far as the server has let it be known.

use std::sync::{Mutex, PoisonError};

use crate::sink::influxdb::http::SMALL;

/// No server is believed to take less.
pub(super) const FLOOR: usize = SMALL;

/// After so many requests of the size that is believed to be the largest, a larger one is tried: what stood between may be
/// gone.
const TRIES: u32 = 50;

/// Bytes of line protocol that the server is believed to take in one request. It is learnt where more was refused and less of
/// the same rows was taken, and rises again.
#[derive(Debug)]
pub(in crate::sink::influxdb) struct SizeLimit(Mutex<Belief>);

#[derive(Debug)]
struct Belief {
    bytes: usize,
    taken: u32,
}

impl Default for SizeLimit {
    fn default() -> Self {
        Self(Mutex::new(Belief { bytes: usize::MAX, taken: 0 }))
    }
}

impl SizeLimit {
    pub(super) fn get(&self) -> usize {
        self.belief().bytes
    }

    /// So many bytes were taken, after more with the same rows had been refused.
    pub(super) fn learn(&self, bytes: usize) {
        let mut belief = self.belief();
        let limit = bytes.max(FLOOR);
        if limit < belief.bytes {
            *belief = Belief { bytes: limit, taken: 0 };
            tracing::warn!(
                bytes = limit,
                "InfluxDB takes no requests of the size that they had; hint: lower `MAX_BATCH_BYTES`"
            );
        }
    }

    /// So many bytes were taken.
    pub(super) fn taken(&self, bytes: usize) {
        let mut belief = self.belief();
        if belief.bytes == usize::MAX || bytes < belief.bytes / 2 {
            return;
        }
        belief.taken += 1;
        if belief.taken >= TRIES {
            *belief = Belief { bytes: belief.bytes.saturating_mul(2), taken: 0 };
        }
    }

    fn belief(&self) -> std::sync::MutexGuard<'_, Belief> {
        // Nothing panics while it holds the lock, and if it did, the belief would still be whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_has_a_floor_and_rises_again() {
        let limit = SizeLimit::default();
        limit.taken(10);
        assert_eq!(limit.get(), usize::MAX);
        limit.learn(400_000);
        limit.learn(500_000);
        assert_eq!(limit.get(), 400_000);
        for _ in 0..TRIES {
            limit.taken(10);
        }
        assert_eq!(limit.get(), 400_000);
        for _ in 0..TRIES {
            limit.taken(350_000);
        }
        assert_eq!(limit.get(), 800_000);
        limit.learn(1);
        assert_eq!(limit.get(), FLOOR);
    }
}
