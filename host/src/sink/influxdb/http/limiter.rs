//! How many requests are in flight at a time: fewer when the server reports that it is busy, more again while it keeps up, at most
//! as many as pay; see [`super::climb`].
//!
//! Additive increase, multiplicative decrease, as TCP does it: every few rounds of answers allow one more request, and a
//! busy server halves the number at once. Of the requests that were in flight together only the first one that meets a busy
//! server counts, since all of them were sent by the same decision.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::climb::Climb;

/// Rounds of answers that allow one more request. A server that takes fewer than are allowed refuses one request whenever
/// it is tried with more: seldom enough that retries are not used up.
const ROUNDS: f64 = 8.0;

/// The limit on requests in flight to a server.
#[derive(Debug)]
pub(in crate::sink::influxdb) struct Limiter {
    state: Mutex<State>,
    freed: Notify,
}

#[derive(Debug)]
struct State {
    /// From 1 to the most; its whole part is what is allowed.
    limit: f64,
    /// The most, as long as the server is not busy.
    most: f64,
    /// What looks for the most, where it is not set.
    climb: Option<Climb>,
    in_flight: usize,
    lowered: Option<Instant>,
}

/// The right to have a request in flight, until it is dropped.
#[derive(Debug)]
pub(in crate::sink::influxdb) struct Permit<'a> {
    limiter: &'a Limiter,
}

impl Limiter {
    /// At most `most` requests at a time, and so many at first; at least 1.
    pub(in crate::sink::influxdb) fn new(most: usize) -> Self {
        let most = most.clamp(1, 1024) as f64;
        let state = State { limit: most, most, climb: None, in_flight: 0, lowered: None };
        Self { state: Mutex::new(state), freed: Notify::new() }
    }

    /// Looks for the number that pays, from `first` up to `most`.
    pub(in crate::sink::influxdb) fn climb(&self, first: usize, most: usize) {
        let climb = Climb::new(first, most);
        let allowed = climb.allowed() as f64;
        {
            let mut state = self.state();
            (state.limit, state.most, state.climb) = (allowed, allowed, Some(climb));
        }
        self.freed.notify_one();
    }

    /// How many requests may be in flight now.
    pub(in crate::sink::influxdb) fn allowed(&self) -> usize {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 1 to 1024")]
        let allowed = self.state().limit as usize;
        allowed
    }

    /// Waits for the right to have a request in flight.
    pub(in crate::sink::influxdb) async fn acquire(&self) -> Permit<'_> {
        while !self.take() {
            self.freed.notified().await;
        }
        // Of what was freed meanwhile only one is remembered: whoever gets it passes it on while there is room.
        self.freed.notify_one();
        Permit { limiter: self }
    }

    /// Takes a place, if there is one.
    fn take(&self) -> bool {
        let mut state = self.state();
        let free = (state.in_flight as f64) < state.limit.floor();
        state.in_flight += usize::from(free);
        free
    }

    /// A request was answered as it should be, after so long.
    pub(in crate::sink::influxdb) fn kept_up(&self, latency: Duration) {
        {
            let mut state = self.state();
            let State { limit, most, in_flight, .. } = *state;
            if let Some(climb) = &mut state.climb {
                climb.answered(Instant::now(), latency, limit >= most && in_flight as f64 >= limit);
                let allowed = climb.allowed() as f64;
                // What a busy server has lowered rises step by step.
                if limit >= most {
                    state.limit = allowed;
                }
                state.most = allowed;
            }
            state.limit = (state.limit + 1.0 / (ROUNDS * state.limit)).min(state.most);
        }
        self.freed.notify_one();
    }

    /// A request that was sent at `sent` met a busy server.
    pub(in crate::sink::influxdb) fn busy(&self, sent: Instant) {
        let mut state = self.state();
        if state.lowered.is_none_or(|lowered| lowered < sent) {
            state.limit = (state.limit / 2.0).max(1.0);
            state.lowered = Some(Instant::now());
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // Nothing panics while it holds the lock, and if it did, the state would still be whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.limiter.state().in_flight -= 1;
        self.limiter.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    /// How many requests are let through at once.
    fn allowed(limiter: &Limiter) -> usize {
        std::iter::from_fn(|| limiter.acquire().now_or_never()).take(100).collect::<Vec<_>>().len()
    }

    #[test]
    fn a_busy_server_gets_half_as_many_requests_and_slowly_more_again() {
        let limiter = Limiter::new(8);
        assert_eq!(allowed(&limiter), 8);
        limiter.busy(Instant::now());
        assert_eq!(allowed(&limiter), 4);
        for _ in 0..30 {
            limiter.kept_up(Duration::ZERO);
        }
        assert_eq!(allowed(&limiter), 4);
        for _ in 0..10 {
            limiter.kept_up(Duration::ZERO);
        }
        assert_eq!(allowed(&limiter), 5);
        for _ in 0..1000 {
            limiter.kept_up(Duration::ZERO);
        }
        assert_eq!(allowed(&limiter), 8);
    }

    #[test]
    fn requests_that_were_in_flight_together_count_once_and_one_is_always_allowed() {
        let limiter = Limiter::new(8);
        let sent = Instant::now();
        for _ in 0..8 {
            limiter.busy(sent);
        }
        assert_eq!(allowed(&limiter), 4);
        for _ in 0..8 {
            limiter.busy(Instant::now() + Duration::from_secs(1));
        }
        assert_eq!(allowed(&limiter), 1);
    }

    #[tokio::test]
    async fn who_waits_gets_the_right_of_who_is_done() {
        let limiter = Limiter::new(1);
        let first = limiter.acquire().await;
        assert!(limiter.acquire().now_or_never().is_none());
        let (_second, ()) = tokio::join!(limiter.acquire(), async { drop(first) });
    }
}
