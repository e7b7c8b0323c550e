//! When to try again: after which wait, and until when.
//!
//! A server that is unreachable, or reports that it is busy, is retried until the deadline, or for [`Patience::longest`] where
//! there is none: an outage of seconds or minutes is no reason to lose what was read and converted. What a server answers
//! otherwise (500, for instance) may be about the request, and is tried a few times. A user who sets a number of retries
//! bounds all of it.

use std::time::{Duration, Instant, SystemTime};

use crate::sink::error::Tries;

/// The longest that a server's `Retry-After` is obeyed. A server that is away for longer than this is met again by the
/// caller's own retry: waiting in a function costs money.
const RETRY_AFTER_CAP: Duration = Duration::from_secs(60);

/// Retries after failures that a server answered, and that need not be of the whole server, where no setting limits them.
const RETRIES_OF_ANSWERED: u32 = 5;

/// Retries of who asks whether the server is well, where no setting limits them.
const BRIEF_RETRIES: u32 = 3;

/// How long a server is waited for that this process has never reached: its name may be mistyped.
const UNREACHED: Duration = Duration::from_secs(30);

/// How long to wait between attempts: exponential, with full jitter, so that many writers which failed together do not
/// come back together.
#[derive(Clone, Copy, Debug)]
pub(in crate::sink::influxdb) struct Backoff {
    /// The longest first wait; it doubles with every further one.
    pub(in crate::sink::influxdb) base: Duration,
    /// The longest wait.
    pub(in crate::sink::influxdb) cap: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { base: Duration::from_millis(200), cap: Duration::from_secs(10) }
    }
}

impl Backoff {
    /// The wait after the failed attempt number `attempt`, from 1; `random` is from 0 to 1.
    fn wait(self, attempt: u32, random: f64) -> Duration {
        let doublings = attempt.saturating_sub(1);
        let longest = 2_u32.checked_pow(doublings).and_then(|factor| self.base.checked_mul(factor)).unwrap_or(self.cap);
        longest.min(self.cap).mul_f64(random)
    }
}

/// How long failures that may pass are waited for, as users set it.
#[derive(Clone, Copy, Debug)]
pub(in crate::sink::influxdb) struct Patience {
    /// Retries of any kind; none where they are bounded by time alone.
    pub(in crate::sink::influxdb) retries: Option<u32>,
    /// From the first attempt, where there is no deadline.
    pub(in crate::sink::influxdb) longest: Duration,
}

/// Which failures are left to the one who sends a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sink::influxdb) enum Tolerance {
    /// None that may pass.
    Full,
    /// Broken connections, after so many retries: the request itself may break them.
    Breaks(u32),
    /// All of them, after a few retries: who asks whether the server is well wants to know it now.
    Brief,
    /// All of them: it is sent once.
    Nothing,
}

/// A failure that may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sink::influxdb) enum Passing {
    /// The server is unreachable, or reports that it is busy: it could not do anything, whatever it was sent.
    Away,
    /// There was a connection, and it broke.
    Break,
    /// The server has answered that it failed.
    Answered,
}

/// The attempts of one request.
#[derive(Debug)]
pub(in crate::sink::influxdb) struct Course {
    backoff: Backoff,
    patience: Patience,
    tolerance: Tolerance,
    deadline: Option<Instant>,
    started: Instant,
    attempts: u32,
    retries: u32,
    breaks: u32,
    answered: u32,
}

/// What to do after an attempt that failed for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sink::influxdb) enum Next {
    /// Try again after this wait.
    Retry(Duration),
    /// It was tried for long enough.
    Exhausted,
    /// The deadline comes before the next attempt.
    Deadline,
}

impl Course {
    pub(in crate::sink::influxdb) fn start(
        backoff: Backoff,
        patience: Patience,
        tolerance: Tolerance,
        deadline: Option<Instant>,
    ) -> Self {
        let started = Instant::now();
        Self { backoff, patience, tolerance, deadline, started, attempts: 0, retries: 0, breaks: 0, answered: 0 }
    }

    /// Counts an attempt, and returns how long it may take: `longest`, or what is left until the deadline. `None` where
    /// nothing is left.
    pub(in crate::sink::influxdb) fn attempt(&mut self, longest: Duration) -> Option<Duration> {
        let time = match self.deadline {
            None => longest,
            Some(deadline) => longest.min(deadline.saturating_duration_since(Instant::now())),
        };
        if time.is_zero() {
            return None;
        }
        self.attempts += 1;
        Some(time)
    }

    /// What comes after an attempt that failed for now. `reached`: whether the server was ever reached, `retry_after` what
    /// it asks to wait.
    pub(in crate::sink::influxdb) fn next(
        &mut self,
        passing: Passing,
        reached: bool,
        retry_after: Option<Duration>,
    ) -> Next {
        if self.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Next::Deadline;
        }
        let (breaks, retries) = match self.tolerance {
            Tolerance::Full => (None, self.patience.retries),
            Tolerance::Breaks(breaks) => (Some(breaks), self.patience.retries),
            Tolerance::Brief => (None, Some(self.patience.retries.unwrap_or(BRIEF_RETRIES))),
            Tolerance::Nothing => (None, Some(0)),
        };
        let exhausted = retries.is_some_and(|retries| self.retries >= retries)
            || passing == Passing::Break && breaks.is_some_and(|breaks| self.breaks >= breaks)
            || passing == Passing::Answered && retries.is_none() && self.answered >= RETRIES_OF_ANSWERED
            || !reached && self.started.elapsed() >= UNREACHED;
        if exhausted {
            return Next::Exhausted;
        }
        self.retries += 1;
        self.breaks += u32::from(passing == Passing::Break);
        self.answered += u32::from(passing == Passing::Answered);
        let wait = self.backoff.wait(self.retries, fastrand::f64()).max(retry_after.unwrap_or_default());
        self.may_wait(wait)
    }

    /// Whether there is time to wait for so long.
    pub(in crate::sink::influxdb) fn may_wait(&self, wait: Duration) -> Next {
        match self.deadline {
            Some(deadline) if deadline <= Instant::now() + wait => Next::Deadline,
            None if self.patience.longest <= self.started.elapsed() + wait => Next::Exhausted,
            Some(_) | None => Next::Retry(wait),
        }
    }

    /// Attempts that followed a failure that may pass.
    pub(in crate::sink::influxdb) fn retries(&self) -> u32 {
        self.retries
    }

    pub(in crate::sink::influxdb) fn tries(&self) -> Tries {
        Tries { attempts: self.attempts, elapsed: self.started.elapsed() }
    }
}

/// The wait that a `Retry-After` header asks for: seconds, or an HTTP date; at most [`RETRY_AFTER_CAP`]. `None` where it
/// is neither.
pub(in crate::sink::influxdb) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    let wait = match value.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        // A date that is past asks for no wait.
        Err(_) => httpdate::parse_http_date(value).ok()?.duration_since(now).unwrap_or_default(),
    };
    Some(wait.min(RETRY_AFTER_CAP))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

    use proptest::prelude::*;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn course(retries: Option<u32>, deadline: Option<Instant>) -> Course {
        let patience = Patience { retries, longest: Duration::from_secs(300) };
        Course::start(Backoff::default(), patience, Tolerance::Full, deadline)
    }

    impl Course {
        fn away(&mut self, retry_after: Option<u64>) -> Next {
            self.next(Passing::Away, true, retry_after.map(Duration::from_secs))
        }
    }

    proptest! {
        #[test]
        fn a_wait_is_within_its_doubled_and_capped_bound(attempt in 1_u32.., random in 0.0..1.0_f64) {
            let backoff = Backoff::default();
            let bound = 0.2 * 2.0_f64.powi(i32::try_from(attempt - 1).unwrap_or(i32::MAX));
            let wait = backoff.wait(attempt, random);
            prop_assert!(wait.as_secs_f64() <= bound.min(10.0) + 1e-9);
            prop_assert!((wait.as_secs_f64() - bound.min(10.0) * random).abs() < 1e-6);
        }

        #[test]
        fn any_retry_after_gives_at_most_a_minute_or_nothing(value in ".*") {
            prop_assert!(retry_after(&value, SystemTime::now()).unwrap_or_default() <= RETRY_AFTER_CAP);
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + HOUR;
        let seconds = |value| retry_after(value, now).map(|wait| wait.as_secs());
        assert_eq!(seconds(" 7 "), Some(7));
        assert_eq!(seconds("Thu, 01 Jan 1970 01:00:09 GMT"), Some(9));
        assert_eq!(seconds("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(seconds("86400"), Some(60));
        assert_eq!(seconds("Fri, 01 Jan 2100 00:00:00 GMT"), Some(60));
        assert_eq!(seconds("soon"), None);
        assert_eq!(seconds("-1"), None);
        assert_eq!(seconds(""), None);
    }

    #[test]
    fn the_server_is_waited_for_as_long_as_it_asks() {
        let Next::Retry(wait) = course(Some(1), None).away(Some(30)) else { panic!("no retry") };
        assert_eq!(wait, Duration::from_secs(30));
    }

    #[test]
    fn retries_that_are_counted_end_after_the_last_one_of_any_kind() {
        let mut course = course(Some(3), None);
        for passing in [Passing::Away, Passing::Break, Passing::Answered] {
            assert!(matches!(course.next(passing, true, None), Next::Retry(_)));
        }
        assert_eq!(course.away(None), Next::Exhausted);
    }

    #[test]
    fn where_no_retries_are_counted_a_server_that_is_away_is_waited_for_and_one_that_fails_a_few_times() {
        let mut course = course(None, Some(Instant::now() + HOUR));
        for _ in 0..50 {
            assert!(matches!(course.away(None), Next::Retry(_)));
            assert!(matches!(course.next(Passing::Break, true, None), Next::Retry(_)));
        }
        for _ in 0..RETRIES_OF_ANSWERED {
            assert!(matches!(course.next(Passing::Answered, true, None), Next::Retry(_)));
        }
        assert_eq!(course.next(Passing::Answered, true, None), Next::Exhausted);
    }

    #[test]
    fn without_a_deadline_waiting_ends_by_patience_and_sooner_where_the_server_was_never_there() {
        let mut course = course(None, None);
        assert_eq!(course.away(Some(400)), Next::Exhausted);
        assert!(matches!(course.next(Passing::Away, false, None), Next::Retry(_)));
        course.started -= UNREACHED;
        assert!(matches!(course.away(None), Next::Retry(_)));
        assert_eq!(course.next(Passing::Away, false, None), Next::Exhausted);
        course.started -= Duration::from_secs(300);
        assert_eq!(course.away(None), Next::Exhausted);
    }

    #[test]
    fn broken_connections_are_left_to_the_one_who_asks_for_them() {
        let patience = Patience { retries: None, longest: HOUR };
        let mut course = Course::start(Backoff::default(), patience, Tolerance::Breaks(1), None);
        assert!(matches!(course.next(Passing::Break, true, None), Next::Retry(_)));
        assert!(matches!(course.away(None), Next::Retry(_)));
        assert_eq!(course.next(Passing::Break, true, None), Next::Exhausted);
        let mut course = Course::start(Backoff::default(), patience, Tolerance::Nothing, None);
        assert_eq!(course.away(None), Next::Exhausted);
    }

    #[test]
    fn no_wait_goes_past_the_deadline() {
        let mut course = course(Some(9), Some(Instant::now() + Duration::from_secs(5)));
        assert_eq!(course.away(Some(6)), Next::Deadline);
        assert!(matches!(course.away(Some(1)), Next::Retry(_)));
    }

    #[test]
    fn an_attempt_takes_no_longer_than_the_deadline_leaves() {
        let mut course = course(None, Some(Instant::now() + Duration::from_secs(5)));
        assert!(course.attempt(HOUR).unwrap() <= Duration::from_secs(5));
        assert_eq!(course.attempt(Duration::from_secs(1)), Some(Duration::from_secs(1)));
        assert_eq!(course.tries().attempts, 2);
    }

    #[test]
    fn after_the_deadline_there_is_no_attempt() {
        let mut course = course(None, Some(Instant::now()));
        assert_eq!(course.attempt(HOUR), None);
        assert_eq!(course.tries().attempts, 0);
        assert_eq!(course.away(None), Next::Deadline);
    }
}
