//! When points may be sent: not while an operator has paused loads, and no faster than the rate limit allows.

use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{self, BoxFuture};

use crate::control::Pause;
use crate::report::Timings;
use crate::sink::Rate;

/// Holds the parcels of a load back. Those under way are completed.
pub(super) struct Gate<'a> {
    rate: Option<&'a Rate>,
    pause: Option<&'a Pause>,
    /// Since when loads are paused.
    paused: Option<Instant>,
    /// Ends when they are paused, or not paused any more.
    turns: BoxFuture<'a, ()>,
    /// Since when a parcel waits for the rate, and until when it does.
    limited: Option<(Instant, Instant)>,
    held: Held,
}

/// For how long parcels were held back.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    paused: Duration,
    limited: Duration,
}

impl<'a> Gate<'a> {
    /// A gate that starts paused if `paused` is true. Without a `pause` it is never paused.
    pub(super) fn new(rate: Option<&'a Rate>, pause: Option<&'a Pause>, paused: bool) -> Self {
        let turns = future::pending().boxed();
        let mut gate = Self { rate, pause, paused: None, turns, limited: None, held: Held::default() };
        gate.turn(paused);
        gate
    }

    /// Whether parcels are held back by whoever has paused loads.
    pub(super) fn is_paused(&self) -> bool {
        self.paused.is_some()
    }

    /// Whether a parcel of so many points may be sent now. Then it counts as sent.
    pub(super) fn lets_through(&mut self, points: usize) -> bool {
        let now = Instant::now();
        if self.is_paused() {
            return false;
        }
        let since = self.limited.map_or(now, |(since, _)| since);
        match self.rate.map_or(Ok(()), |rate| rate.take(points, now)) {
            Ok(()) => {
                self.held.limited += now - since;
                self.limited = None;
                true
            }
            Err(until) => {
                self.limited = Some((since, until));
                false
            }
        }
    }

    /// Whether it holds a parcel back.
    pub(super) fn is_closed(&self) -> bool {
        self.is_paused() || self.limited.is_some()
    }

    /// Waits until a parcel that was held back may get through, no longer than until `end` where it is closed.
    pub(super) async fn opens(&mut self, end: Option<Instant>) {
        let limited = self.limited.map(|(_, until)| until).filter(|_| self.paused.is_none());
        let end = end.filter(|_| self.is_closed());
        let wake = limited.into_iter().chain(end).min();
        let timer = async {
            match wake {
                Some(wake) => tokio::time::sleep_until(wake.into()).await,
                None => future::pending().await,
            }
        };
        tokio::select! {
            () = &mut self.turns => self.turn(self.paused.is_none()),
            () = timer => {}
        }
    }

    fn turn(&mut self, paused: bool) {
        let Some(pause) = self.pause else { return };
        match (self.paused.take(), paused) {
            (None, true) => tracing::warn!("paused: `{}` exists", pause.object()),
            (Some(since), false) => {
                self.held.paused += since.elapsed();
                tracing::warn!(seconds = since.elapsed().as_secs(), "resumed: `{}` does not exist", pause.object());
            }
            (None, false) | (Some(_), true) => {}
        }
        self.paused = paused.then(Instant::now);
        self.turns = pause.changes(paused).boxed();
    }

    /// Adds for how long it held parcels back.
    pub(super) fn add_to(&self, timings: &mut Timings) {
        timings.paused += self.held.paused + self.paused.map_or(Duration::ZERO, |since| since.elapsed());
        timings.rate_limited += self.held.limited + self.limited.map_or(Duration::ZERO, |(since, _)| since.elapsed());
    }
}
