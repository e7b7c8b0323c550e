//! How many requests in flight pay.
//!
//! A server that waits, as InfluxDB 3 does for the next tick of its log, answers twice as many requests a second when twice as
//! many are in flight; one that works all the time answers each of them later. So while all allowed requests are in flight
//! their number is doubled as long as that pays, and halved where half as many do as well; then it rests for a while.
//! How many requests are answered in a second follows from how many are in flight and how long each takes (Little's law).

use std::time::{Duration, Instant};

/// More in flight pay when so many times as many are answered.
const GAIN: f64 = 1.2;
/// Fewer do as well when so many times as many are answered.
const AS_WELL: f64 = 0.97;
/// The least answers that are measured.
const LEAST_ANSWERS: usize = 6;
/// So many are enough to see that more in flight do harm.
const ENOUGH_FOR_HARM: usize = 3;
/// How long a number that was found is kept.
const REST: Duration = Duration::from_secs(60);

/// Looks for the number of requests in flight.
#[derive(Debug)]
pub(super) struct Climb {
    most: usize,
    tried: usize,
    /// When that number was begun with: requests that were sent before belong to another.
    since: Option<Instant>,
    /// Answers that are skipped: at first not all requests are in flight together.
    skipped: usize,
    answers: usize,
    latencies: Duration,
    phase: Phase,
}

/// What is tried.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// A number to begin with.
    First,
    /// More than a number with so many answers a second; whether that was itself more than one before.
    More(usize, f64, bool),
    /// Fewer than such a number.
    Fewer(usize, f64),
    /// Nothing, until then.
    Rest(Instant),
}

impl Climb {
    /// Begins with a number, and never tries more than `most`.
    pub(super) fn new(first: usize, most: usize) -> Self {
        let most = most.max(1);
        let tried = first.clamp(1, most);
        let latencies = Duration::ZERO;
        Self { most, tried, since: None, skipped: tried, answers: 0, latencies, phase: Phase::First }
    }

    /// How many requests may be in flight.
    pub(super) fn allowed(&self) -> usize {
        self.tried
    }

    /// A request was answered at a time, while all that are allowed were in flight, or not.
    pub(super) fn answered(&mut self, now: Instant, latency: Duration, all_in_flight: bool) {
        if !all_in_flight || self.since.is_some_and(|since| now < since + latency) {
            return;
        }
        if self.skipped > 0 {
            self.skipped -= 1;
            return;
        }
        self.answers += 1;
        self.latencies += latency;
        let rate = (self.tried * self.answers) as f64 / self.latencies.as_secs_f64().max(1e-9);
        let harms = matches!(self.phase, Phase::More(_, before, _) if rate < before * AS_WELL);
        let enough = if harms { ENOUGH_FOR_HARM } else { self.tried.max(LEAST_ANSWERS) };
        if self.answers < enough {
            return;
        }
        (self.answers, self.latencies) = (0, Duration::ZERO);
        let (tried, most) = (self.tried, self.most);
        match self.phase {
            Phase::Rest(until) if now < until => {}
            Phase::First | Phase::Rest(_) => self.try_more(now, rate, false),
            Phase::More(_, before, _) if rate >= before * GAIN && tried < most => self.try_more(now, rate, true),
            Phase::More(_, before, _) if rate >= before * GAIN => self.rest(now, tried),
            Phase::More(fewer, before, false) if fewer > 1 => {
                self.try_number(now, fewer / 2, Phase::Fewer(fewer, before));
            }
            Phase::More(fewer, ..) => self.rest(now, fewer),
            Phase::Fewer(_, before) if rate >= before * AS_WELL && tried > 1 => {
                self.try_number(now, tried / 2, Phase::Fewer(tried, rate));
            }
            Phase::Fewer(_, before) if rate >= before * AS_WELL => self.rest(now, tried),
            Phase::Fewer(more, _) => self.rest(now, more),
        }
    }

    fn try_more(&mut self, now: Instant, rate: f64, paid: bool) {
        match self.tried {
            tried if tried < self.most => {
                self.try_number(now, (tried * 2).min(self.most), Phase::More(tried, rate, paid));
            }
            tried if tried > 1 && !paid => self.try_number(now, tried / 2, Phase::Fewer(tried, rate)),
            tried => self.rest(now, tried),
        }
    }

    fn rest(&mut self, now: Instant, number: usize) {
        self.try_number(now, number, Phase::Rest(now + REST));
    }

    fn try_number(&mut self, now: Instant, number: usize, phase: Phase) {
        if number != self.tried {
            self.since = Some(now);
        }
        (self.tried, self.phase) = (number, phase);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server, as when it answers a request that is sent at a time while others are in flight.
    type Server = fn(sent: Duration, in_flight: usize) -> Duration;

    /// InfluxDB 3: answers at its next tick.
    fn ticking(sent: Duration, _: usize) -> Duration {
        Duration::from_secs(sent.as_secs() + 1)
    }

    /// InfluxDB 2 on two processors: a request takes 50 ms of one of them, and a little more for each that stands in line.
    fn working(sent: Duration, in_flight: usize) -> Duration {
        sent + Duration::from_millis(50).mul_f64((in_flight as f64 / 2.0).max(1.0) * (1.0 + 0.01 * in_flight as f64))
    }

    /// A server that is the slower the more it is asked at a time.
    fn thrashing(sent: Duration, in_flight: usize) -> Duration {
        sent + Duration::from_millis(40) * u32::try_from(in_flight).unwrap_or(u32::MAX).pow(2)
    }

    /// Answers until a time, by a number that is fixed, or looked for between 4 and 32; and the number at the end.
    fn answers(server: Server, fixed: Option<usize>, until: Duration) -> (usize, usize) {
        let start = Instant::now();
        let mut climb = Climb::new(4, 32);
        let (mut now, mut in_flight, mut answers) = (Duration::ZERO, Vec::new(), 0);
        loop {
            let allowed = fixed.unwrap_or(climb.allowed());
            while in_flight.len() < allowed {
                in_flight.push((server(now, in_flight.len() + 1), now));
            }
            in_flight.sort_unstable();
            let (end, sent) = in_flight[0];
            if end > until {
                return (answers, allowed);
            }
            now = end;
            answers += 1;
            climb.answered(start + now, end - sent, in_flight.len() >= allowed);
            in_flight.remove(0);
        }
    }

    #[test]
    fn it_finds_what_suits_a_server_within_seconds_and_stays_there() {
        for (name, server) in [("ticking", ticking as Server), ("working", working), ("thrashing", thrashing)] {
            let minute = Duration::from_secs(60);
            let best = [1, 2, 4, 8, 16, 32].map(|fixed| answers(server, Some(fixed), minute).0);
            let best = best.into_iter().max().unwrap_or_default();
            let (found, number) = answers(server, None, minute);
            assert!(found * 10 >= best * 9, "{name}: {found} answers, {best} at best, {number} in flight at last");
        }
        assert_eq!(answers(ticking, None, Duration::from_secs(8)).1, 32);
    }

    #[test]
    fn a_server_that_is_not_kept_busy_teaches_nothing() {
        let mut climb = Climb::new(4, 32);
        for _ in 0..1_000 {
            climb.answered(Instant::now(), Duration::from_millis(5), false);
        }
        assert_eq!(climb.allowed(), 4);
    }
}
