//! What threads do beside each other, put into the order of the file again.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Things that have a turn each, by number, from 0.
#[derive(Debug, Default)]
pub(super) struct Turns {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    /// Whether a turn will never come.
    given_up: bool,
}

impl Turns {
    /// Waits until all things before this one have had their turns; `false`: that will not be.
    pub(super) fn wait(&self, number: u64) -> bool {
        let waiting = |state: &mut State| state.next < number && !state.given_up;
        let state = self.changed.wait_while(self.state(), waiting).unwrap_or_else(PoisonError::into_inner);
        !state.given_up
    }

    /// Ends the turn of the thing that has it, and takes those of so many.
    pub(super) fn end(&self, things: u64) {
        self.state().next += things;
        self.changed.notify_all();
    }

    /// Lets nobody wait any more: some thing will not have its turn.
    pub(super) fn give_up(&self) {
        self.state().given_up = true;
        self.changed.notify_all();
    }

    /// Whether somebody has given up.
    pub(super) fn are_given_up(&self) -> bool {
        self.state().given_up
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it has the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives turns up when it is dropped, unless [`Self::done()`] was called: then they all have been, or will be, had.
pub(super) struct Watch<'a> {
    turns: [&'a Turns; 2],
    done: bool,
}

impl<'a> Watch<'a> {
    pub(super) fn over(turns: [&'a Turns; 2]) -> Self {
        Self { turns, done: false }
    }

    pub(super) fn done(mut self) {
        self.done = true;
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.turns.iter().for_each(|turns| turns.give_up());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn threads_have_their_turns_in_order() {
        let (turns, had) = (Turns::default(), Mutex::new(Vec::new()));
        thread::scope(|scope| {
            for thread in 0..4 {
                let (turns, had) = (&turns, &had);
                scope.spawn(move || {
                    for number in (thread..1_000).step_by(4) {
                        assert!(turns.wait(number));
                        had.lock().unwrap_or_else(PoisonError::into_inner).push(number);
                        turns.end(1);
                    }
                });
            }
        });
        assert!(had.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().eq(0..1_000));
    }

    #[test]
    fn nobody_waits_for_a_thread_that_is_gone() {
        let turns = Turns::default();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| turns.wait(1));
            drop(Watch::over([&turns, &turns]));
            assert_eq!(waiting.join().ok(), Some(false));
        });
        assert!(turns.are_given_up());
        let turns = Turns::default();
        Watch::over([&turns, &turns]).done();
        assert!(!turns.are_given_up());
    }
}
