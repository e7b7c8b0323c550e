//! What one thread makes ahead of others, bounded by its size.
//!
//! Work comes in bursts: the first batch of a row group takes the decoder as long as many others, since all pages begin
//! with it. Threads that convert continue meanwhile with what was decoded before. How much that may be is counted in bytes:
//! a batch of a wide table is a thousand times one of a narrow one.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// A queue of things of at most `most` bytes together, or of a single one that is larger.
pub(super) fn queue<T>(most: usize) -> (Giver<T>, Taker<T>) {
    let state = State { things: VecDeque::new(), size: 0, taken: 0, given: false, takers: 1 };
    let shared = Arc::new(Shared { most, state: Mutex::new(state), changed: Condvar::new() });
    (Giver(Arc::clone(&shared)), Taker(shared))
}

/// The end that things are put into.
pub(super) struct Giver<T>(Arc<Shared<T>>);

/// An end that things are taken from; each is taken once.
pub(super) struct Taker<T>(Arc<Shared<T>>);

struct Shared<T> {
    most: usize,
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    /// With their sizes.
    things: VecDeque<(T, usize)>,
    size: usize,
    /// How many were taken.
    taken: u64,
    /// Whether there will be no more.
    given: bool,
    takers: usize,
}

impl<T> Shared<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        // Nothing panics while it has the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Blocks until `while_so` returns false. Returns the state.
    fn wait(&self, while_so: impl FnMut(&mut State<T>) -> bool) -> MutexGuard<'_, State<T>> {
        self.changed.wait_while(self.state(), while_so).unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Giver<T> {
    /// Puts a thing of so many bytes into the queue, when there is room. Returns whether anybody will take it.
    pub(super) fn give(&self, thing: T, size: usize) -> bool {
        let Shared { most, changed, .. } = &*self.0;
        let is_full =
            |state: &mut State<T>| state.takers > 0 && state.size > 0 && state.size.saturating_add(size) > *most;
        let mut state = self.0.wait(is_full);
        state.size = state.size.saturating_add(size);
        state.things.push_back((thing, size));
        changed.notify_all();
        state.takers > 0
    }
}

impl<T> Taker<T> {
    /// The next thing with its number, from 0, when there is one; `None` when there will be no more.
    pub(super) fn take(&self) -> Option<(u64, T)> {
        let mut state = self.0.wait(|state| state.things.is_empty() && !state.given);
        let (thing, size) = state.things.pop_front()?;
        state.size = state.size.saturating_sub(size);
        let number = state.taken;
        state.taken += 1;
        self.0.changed.notify_all();
        Some((number, thing))
    }
}

impl<T> Clone for Taker<T> {
    fn clone(&self) -> Self {
        self.0.state().takers += 1;
        Self(Arc::clone(&self.0))
    }
}

impl<T> Drop for Giver<T> {
    fn drop(&mut self) {
        self.0.state().given = true;
        self.0.changed.notify_all();
    }
}

impl<T> Drop for Taker<T> {
    fn drop(&mut self) {
        self.0.state().takers -= 1;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_given_is_taken_once_and_in_order() {
        let (giver, taker) = queue(1_000);
        let takers = [taker.clone(), taker];
        let takers = takers.map(|taker| thread::spawn(move || std::iter::from_fn(|| taker.take()).collect::<Vec<_>>()));
        assert!((0..10_000).all(|number| giver.give(number, 10)));
        drop(giver);
        let taken = takers.map(|taker| taker.join().unwrap());
        assert!(taken.iter().all(|numbers| numbers.is_sorted()));
        let mut all = taken.concat();
        all.sort_unstable();
        assert!(all.into_iter().eq((0..10_000).map(|number| (number, number))));
    }

    /// How many things of such a size are given while nobody takes any.
    fn given_ahead(most: usize, size: usize) -> usize {
        let (giver, taker) = queue(most);
        let (tell, told) = mpsc::channel();
        let giving = thread::spawn(move || {
            (0..10).take_while(|number| giver.give(*number, size)).for_each(|number| tell.send(number).unwrap());
        });
        let given = std::iter::from_fn(|| told.recv_timeout(Duration::from_millis(200)).ok()).count();
        drop(taker);
        giving.join().unwrap();
        given
    }

    #[test]
    fn as_much_is_given_ahead_as_fits() {
        assert_eq!(given_ahead(100, 30), 3);
        assert_eq!(given_ahead(100, 50), 2);
        assert_eq!(given_ahead(100, 1_000), 1);
        assert_eq!(given_ahead(0, 0), 10);
    }

    #[test]
    fn nobody_gives_to_takers_that_are_gone() {
        let (giver, taker) = queue(10);
        let other = taker.clone();
        drop(taker);
        assert!(giver.give("taken", 1));
        assert_eq!(other.take(), Some((0, "taken")));
        drop(other);
        assert!(!giver.give("left", 1));
    }

    #[test]
    fn what_was_given_is_taken_when_the_giver_is_gone() {
        let (giver, taker) = queue(10);
        giver.give(1, 1);
        drop(giver);
        assert_eq!((taker.take(), taker.take()), (Some((0, 1)), None));
    }
}
