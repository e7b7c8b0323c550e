//! When to try again: after which wait, and until when.

use std::time::{Duration, Instant, SystemTime};

use super::super::Tries;

/// The longest that a server's `Retry-After` is obeyed. A server that is away for longer than this is met again by the
/// caller's own retry: waiting in a function costs money.
const RETRY_AFTER_CAP: Duration = Duration::from_secs(60);

/// How long to wait between attempts: exponential, with full jitter, so that many writers which failed together do not
/// come back together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    /// The longest first wait; it doubles with every further one.
    pub(super) base: Duration,
    /// The longest wait.
    pub(super) cap: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { base: Duration::from_millis(200), cap: Duration::from_secs(20) }
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

/// The attempts of one request.
#[derive(Debug)]
pub(super) struct Course {
    backoff: Backoff,
    max_retries: u32,
    deadline: Option<Instant>,
    started: Instant,
    attempts: u32,
    retries: u32,
}

/// What to do after an attempt that failed for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Try again after this wait.
    Retry(Duration),
    /// No retry is left.
    Exhausted,
    /// The deadline comes before the next attempt.
    Deadline,
}

impl Course {
    pub(super) fn start(backoff: Backoff, max_retries: u32, deadline: Option<Instant>) -> Self {
        Self { backoff, max_retries, deadline, started: Instant::now(), attempts: 0, retries: 0 }
    }

    /// Counts an attempt, and says how long it may take: `longest`, or what is left until the deadline. `None` where
    /// nothing is left.
    pub(super) fn attempt(&mut self, longest: Duration) -> Option<Duration> {
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

    /// What comes after an attempt that failed for now; `retry_after` is what the server asks to wait.
    pub(super) fn next(&mut self, retry_after: Option<Duration>) -> Next {
        if self.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Next::Deadline;
        }
        if self.retries >= self.max_retries {
            return Next::Exhausted;
        }
        self.retries += 1;
        let wait = self.backoff.wait(self.retries, fastrand::f64()).max(retry_after.unwrap_or_default());
        match self.deadline {
            Some(deadline) if deadline <= Instant::now() + wait => Next::Deadline,
            _ => Next::Retry(wait),
        }
    }

    /// Attempts that followed a failure that may pass.
    pub(super) fn retries(&self) -> u32 {
        self.retries
    }

    pub(super) fn tries(&self) -> Tries {
        Tries { attempts: self.attempts, elapsed: self.started.elapsed() }
    }
}

/// The wait that a `Retry-After` header asks for: seconds, or an HTTP date; at most [`RETRY_AFTER_CAP`]. `None` where it
/// is neither.
pub(super) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
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

    fn course(max_retries: u32, deadline: Option<Instant>) -> Course {
        Course::start(Backoff::default(), max_retries, deadline)
    }

    proptest! {
        #[test]
        fn a_wait_is_within_its_doubled_and_capped_bound(attempt in 1_u32.., random in 0.0..1.0_f64) {
            let backoff = Backoff::default();
            let bound = 0.2 * 2.0_f64.powi(i32::try_from(attempt - 1).unwrap_or(i32::MAX));
            let wait = backoff.wait(attempt, random);
            prop_assert!(wait.as_secs_f64() <= bound.min(20.0) + 1e-9);
            prop_assert!((wait.as_secs_f64() - bound.min(20.0) * random).abs() < 1e-6);
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
        let Next::Retry(wait) = course(1, None).next(Some(Duration::from_secs(30))) else { panic!("no retry") };
        assert_eq!(wait, Duration::from_secs(30));
    }

    #[test]
    fn retries_end_after_the_last_one() {
        let mut course = course(2, None);
        assert!(matches!(course.next(None), Next::Retry(_)));
        assert!(matches!(course.next(None), Next::Retry(_)));
        assert_eq!(course.next(None), Next::Exhausted);
    }

    #[test]
    fn no_wait_goes_past_the_deadline() {
        let mut course = course(9, Some(Instant::now() + Duration::from_secs(5)));
        assert_eq!(course.next(Some(Duration::from_secs(6))), Next::Deadline);
        assert!(matches!(course.next(Some(Duration::from_secs(1))), Next::Retry(_)));
    }

    #[test]
    fn an_attempt_takes_no_longer_than_the_deadline_leaves() {
        let mut course = course(9, Some(Instant::now() + Duration::from_secs(5)));
        assert!(course.attempt(HOUR).unwrap() <= Duration::from_secs(5));
        assert_eq!(course.attempt(Duration::from_secs(1)), Some(Duration::from_secs(1)));
        assert_eq!(course.tries().attempts, 2);
    }

    #[test]
    fn after_the_deadline_there_is_no_attempt() {
        let mut course = course(9, Some(Instant::now()));
        assert_eq!(course.attempt(HOUR), None);
        assert_eq!(course.tries().attempts, 0);
    }
}
