//! The circuit breaker: while it is open, a server that keeps failing gets no requests; then a single one probes it.
//!
//! closed → open after [`FAILURES`] failures in a row, of whichever requests → half open once the cool-down is over: one
//! request goes, the others wait for what becomes of it → closed again, or open for twice as long.
//!
//! It is shared by all requests to a server and outlives the load, so that the next invocation of a function that was
//! kept warm does not begin with a round of retries against a server that is known to be away.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Failures in a row that open the breaker. More than one request fails with all its retries, so that a single bad
/// request does not stop the others, and fewer than a round of concurrent writers would make.
pub(in crate::sink::influxdb) const FAILURES: u32 = 10;

/// How long the breaker is open at first. Restarts and failovers take longer, hiccups shorter.
const FIRST_COOL_DOWN: Duration = Duration::from_secs(1);

/// How long it is open at most.
const LONGEST_COOL_DOWN: Duration = Duration::from_secs(30);

/// Whether a request may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sink::influxdb) enum Admission {
    /// It may.
    Go,
    /// It must not before this time is over; then it has to ask again.
    Wait(Duration),
}

/// The breaker of a server.
#[derive(Debug, Default)]
pub(in crate::sink::influxdb) struct Breaker {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// Since when and for how long it is open; none while it is closed.
    open: Option<Open>,
    /// How often it went from closed to open.
    openings: u64,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    until: Instant,
    cool_down: Duration,
    /// A request is under way to see whether the server is back; taken for lost when its time is over.
    probing: bool,
}

impl Breaker {
    /// Whether a request may go now. One that may, and does not have to wait for it, has to end in [`Self::succeeded`] or
    /// [`Self::failed`]; one that is given up in between is replaced after `patience`.
    pub(in crate::sink::influxdb) fn admit(&self, patience: Duration) -> Admission {
        let now = Instant::now();
        let mut state = self.state();
        let Some(open) = &mut state.open else { return Admission::Go };
        if now < open.until {
            // While another request is under way, its outcome is looked for more often than when it is given up.
            let wait = open.until - now;
            return Admission::Wait(if open.probing { wait.min(FIRST_COOL_DOWN) } else { wait });
        }
        open.probing = true;
        open.until = now + patience;
        Admission::Go
    }

    /// The server has answered, whatever the answer means for the request.
    pub(in crate::sink::influxdb) fn succeeded(&self) {
        let mut state = self.state();
        state.failures = 0;
        if state.open.take().is_some() {
            tracing::info!("InfluxDB is back");
        }
    }

    /// The server has failed, or has not answered.
    pub(in crate::sink::influxdb) fn failed(&self) {
        let mut state = self.state();
        let State { failures, open, openings } = &mut *state;
        *failures = failures.saturating_add(1);
        let now = Instant::now();
        match open {
            // Requests that were under way when it opened prove nothing new.
            Some(open) if !open.probing => {}
            Some(open) => {
                let cool_down = (open.cool_down * 2).min(LONGEST_COOL_DOWN);
                *open = Open { until: now + cool_down, cool_down, probing: false };
            }
            None if *failures >= FAILURES => {
                *open = Some(Open { until: now + FIRST_COOL_DOWN, cool_down: FIRST_COOL_DOWN, probing: false });
                *openings += 1;
                tracing::warn!(failures, "circuit breaker open: InfluxDB keeps failing");
            }
            None => {}
        }
    }

    /// How often it has opened in the life of the process.
    pub(in crate::sink::influxdb) fn openings(&self) -> u64 {
        self.state().openings
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // Nothing panics while it holds the lock, and if it did, the state would still be whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn opened() -> Breaker {
        let breaker = Breaker::default();
        for _ in 0..FAILURES {
            assert_eq!(breaker.admit(PATIENCE), Admission::Go);
            breaker.failed();
        }
        breaker
    }

    /// Lets the cool-down be over.
    fn cool(breaker: &Breaker) {
        if let Some(open) = &mut breaker.state().open {
            open.until = Instant::now();
        }
    }

    #[test]
    fn it_opens_after_so_many_failures_in_a_row() {
        let breaker = Breaker::default();
        for _ in 0..3 {
            for _ in 1..FAILURES {
                breaker.failed();
            }
            assert_eq!(breaker.admit(PATIENCE), Admission::Go);
            breaker.succeeded();
        }
        assert_eq!(breaker.openings(), 0);
        let Admission::Wait(wait) = opened().admit(PATIENCE) else { unreachable!("it is open") };
        assert!(wait <= FIRST_COOL_DOWN);
    }

    #[test]
    fn one_request_alone_finds_out_whether_the_server_is_back() {
        let breaker = opened();
        cool(&breaker);
        assert_eq!(breaker.admit(PATIENCE), Admission::Go);
        assert!(matches!(breaker.admit(PATIENCE), Admission::Wait(_)));
        breaker.succeeded();
        assert_eq!([(); 3].map(|()| breaker.admit(PATIENCE)), [Admission::Go; 3]);
        assert_eq!(breaker.openings(), 1);
    }

    #[test]
    fn it_stays_open_for_twice_as_long_when_the_server_is_not_back() {
        let breaker = opened();
        for seconds in [2, 4, 8, 16, 30, 30] {
            cool(&breaker);
            assert_eq!(breaker.admit(PATIENCE), Admission::Go);
            breaker.failed();
            let Admission::Wait(wait) = breaker.admit(PATIENCE) else { unreachable!("it is open") };
            assert!(wait <= Duration::from_secs(seconds) && wait > Duration::from_secs(seconds) - PATIENCE / 60);
        }
        assert_eq!(breaker.openings(), 1);
    }

    #[test]
    fn failures_of_requests_that_were_under_way_do_not_lengthen_it() {
        let breaker = opened();
        for _ in 0..100 {
            breaker.failed();
        }
        let Admission::Wait(wait) = breaker.admit(PATIENCE) else { unreachable!("it is open") };
        assert!(wait <= FIRST_COOL_DOWN);
    }

    #[test]
    fn a_request_that_is_given_up_is_replaced() {
        let breaker = opened();
        cool(&breaker);
        assert_eq!(breaker.admit(Duration::ZERO), Admission::Go);
        assert_eq!(breaker.admit(PATIENCE), Admission::Go);
    }
}
