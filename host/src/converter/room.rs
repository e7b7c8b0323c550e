//! The memory of all instances of a process. One that finds no room waits until others are gone.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What all instances may have together.
#[derive(Debug)]
pub(super) struct Room {
    bytes: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    held: usize,
    /// Instances that hold memory.
    holders: usize,
    /// Those among them that wait for more.
    waiting: usize,
}

impl Room {
    pub(super) fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self { bytes, state: Mutex::default(), changed: Condvar::new() })
    }
}

/// What one instance has. Given back when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    room: Arc<Room>,
    held: usize,
    waited: Duration,
    /// Whether it waits for others. One that does not takes what is left over and never keeps another from continuing.
    waits: bool,
}

impl Share {
    /// Nothing yet.
    pub(super) fn of(room: &Arc<Room>) -> Self {
        Self::new(room, true)
    }

    /// The same, which is refused what is not left over.
    pub(super) fn left_over(room: &Arc<Room>) -> Self {
        Self::new(room, false)
    }

    fn new(room: &Arc<Room>, waits: bool) -> Self {
        Self { room: Arc::clone(room), held: 0, waited: Duration::ZERO, waits }
    }

    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// How long it has waited since this was asked last.
    pub(super) fn waited(&mut self) -> Duration {
        std::mem::take(&mut self.waited)
    }

    /// Takes so many bytes more, as soon as there is room. Returns whether there will ever be: if all others that hold
    /// memory wait for more themselves, none of them will give any back.
    pub(super) fn grow(&mut self, by: usize) -> bool {
        let Room { bytes, state, changed } = &*self.room;
        // Nothing panics while it has the lock.
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_holder = usize::from(self.held > 0);
        if state.held.saturating_add(by) > *bytes {
            if !self.waits {
                return false;
            }
            let started = Instant::now();
            state.waiting += is_holder;
            while state.held.saturating_add(by) > *bytes {
                if state.waiting >= state.holders {
                    state.waiting -= is_holder;
                    return false;
                }
                state = changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            state.waiting -= is_holder;
            self.waited += started.elapsed();
        }
        state.held += by;
        if self.held == 0 && by > 0 {
            state.holders += 1;
        }
        self.held += by;
        true
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if self.held > 0 {
            let mut state = self.room.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.held -= self.held;
            state.holders -= 1;
            self.room.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::thread;

    use super::*;

    #[test]
    fn an_instance_waits_until_another_is_gone() {
        let room = Room::new(100);
        let mut first = Share::of(&room);
        assert!(first.grow(80));
        let waiting = thread::spawn({
            let room = Arc::clone(&room);
            move || {
                let mut second = Share::of(&room);
                (second.grow(50), second.held(), second.waited())
            }
        });
        thread::sleep(Duration::from_millis(50));
        assert!(!waiting.is_finished());
        drop(first);
        let (grew, held, waited) = waiting.join().unwrap();
        assert!(grew && held == 50 && waited > Duration::ZERO);
    }

    #[test]
    fn instances_that_would_wait_for_each_other_are_not_left_to() {
        let room = Room::new(100);
        let (mut first, mut second) = (Share::of(&room), Share::of(&room));
        assert!(first.grow(50) && second.grow(50));
        let waiting = thread::spawn(move || first.grow(10));
        while room.state.lock().unwrap().waiting == 0 {
            thread::yield_now();
        }
        assert!(!second.grow(10));
        drop(second);
        assert!(waiting.join().unwrap());
    }

    #[test]
    fn what_takes_only_what_is_left_over_waits_for_nobody_and_fails_nobody() {
        let room = Room::new(100);
        let (mut first, mut aside) = (Share::of(&room), Share::left_over(&room));
        assert!(first.grow(50) && aside.grow(50) && !aside.grow(1));
        let waiting = thread::spawn(move || first.grow(50));
        while room.state.lock().unwrap().waiting == 0 {
            thread::yield_now();
        }
        assert!(!aside.grow(1));
        drop(aside);
        assert!(waiting.join().unwrap());
    }

    #[test]
    fn what_never_fits_is_refused() {
        let room = Room::new(100);
        assert!(!Share::of(&room).grow(101));
        let mut all = Share::of(&room);
        assert!(all.grow(100) && !all.grow(1));
    }
}
