//! What belongs to one instance on the side of the host: the memory that it has, its log, and its WASI, if it uses any.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use wasmtime::ResourceLimiter;
use wasmtime_wasi::{WasiCtxView, WasiView};

use super::limits::Limits;
use super::log::{Level, Log};
use super::room::{Room, Share};
use super::wasi::Wasi;

/// How many core instances, and how many tables and memories, a component may have: Python's have some forty.
const MAX_ITEMS: usize = 500;

/// The size of an element of a table, in bytes, as the engine has it.
const TABLE_ELEMENT_BYTES: usize = 16;

/// The state of a store.
pub(super) struct State {
    log: Arc<Mutex<Log>>,
    memory: Memory,
    wasi: Option<Wasi>,
}

impl State {
    /// An instance that is `aside` takes what memory the others leave.
    pub(super) fn new(log: Log, limits: &Limits, room: &Arc<Room>, aside: bool) -> Self {
        let share = if aside { Share::left_over(room) } else { Share::of(room) };
        let memory = Memory { limit: limits.memory_bytes, share, refused: None };
        Self { log: Arc::new(Mutex::new(log)), memory, wasi: None }
    }

    /// Forgets what the call before left behind for errors.
    pub(super) fn begin(&mut self) {
        self.log().begin();
        self.memory.refused = None;
    }

    pub(super) fn log(&self) -> MutexGuard<'_, Log> {
        lock(&self.log)
    }

    /// What the guest would have had in all, in bytes, had it not been refused since the call began.
    pub(super) fn refused_memory(&self) -> Option<usize> {
        self.memory.refused
    }

    /// What the guest was granted in all, in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.memory.share.held()
    }

    /// How long the guest has waited for memory since this was asked last.
    pub(super) fn waited(&mut self) -> Duration {
        self.memory.share.waited()
    }

    pub(super) fn limiter(&mut self) -> &mut dyn ResourceLimiter {
        &mut self.memory
    }
}

/// A log is whole at every moment, so that a panic of who held it is of no concern.
pub(super) fn lock(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a contract lets its converters import.
macro_rules! imports {
    ($contract:ident) => {
        const _: () = {
            use super::bindings::$contract::influxdb_loader::converter::{host, types};

            impl host::Host for State {
                fn log(&mut self, level: host::Level, message: String) {
                    let level = match level {
                        host::Level::Debug => Level::Debug,
                        host::Level::Info => Level::Info,
                        host::Level::Warn => Level::Warn,
                        host::Level::Error => Level::Error,
                    };
                    State::log(self).message(level, &message);
                }
            }

            impl types::Host for State {}
        };
    };
}

imports!(v0_1);
imports!(v0_2);

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        // Only here, as few guests use it.
        self.wasi.get_or_insert_with(|| Wasi::new(&self.log)).view()
    }
}

/// The memory of an instance: that of all its linear memories and tables.
struct Memory {
    limit: usize,
    /// What was granted. It stays granted if the system then has no memory to give.
    share: Share,
    refused: Option<usize>,
}

impl Memory {
    fn grow(&mut self, by: usize) -> bool {
        let asked = self.share.held().saturating_add(by);
        if asked > self.limit || !self.share.grow(by) {
            self.refused = Some(asked);
            return false;
        }
        true
    }
}

/// A refused growth is seen by the guest, as WebAssembly has it, so that interpreters can collect their garbage. Guests that
/// cannot do with less fail, and the error then shows why.
impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        // What a memory cannot have by its own type is not granted, and nothing has to be returned.
        Ok(maximum.is_none_or(|maximum| desired <= maximum) && self.grow(desired.saturating_sub(current)))
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let by = desired.saturating_sub(current).saturating_mul(TABLE_ELEMENT_BYTES);
        Ok(maximum.is_none_or(|maximum| desired <= maximum) && self.grow(by))
    }

    fn instances(&self) -> usize {
        MAX_ITEMS
    }

    fn tables(&self) -> usize {
        MAX_ITEMS
    }

    fn memories(&self) -> usize {
        MAX_ITEMS
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const PAGE: usize = 65_536;

    fn memory(limit: usize) -> Memory {
        Memory { limit, share: Share::of(&Room::new(usize::MAX)), refused: None }
    }

    #[test]
    fn the_limit_is_on_the_sum_of_all_memories_and_tables() {
        let mut memory = memory(4 * PAGE);
        assert!(memory.memory_growing(0, 2 * PAGE, None).unwrap());
        assert!(memory.memory_growing(0, PAGE, None).unwrap());
        assert!(!memory.memory_growing(PAGE, 3 * PAGE, None).unwrap());
        assert_eq!(memory.refused, Some(5 * PAGE));
        assert!(memory.table_growing(0, PAGE / TABLE_ELEMENT_BYTES, None).unwrap());
        assert!(!memory.table_growing(1, 2, None).unwrap());
    }

    #[test]
    fn a_memory_that_reached_its_own_maximum_takes_nothing() {
        let mut memory = memory(4 * PAGE);
        assert!(memory.memory_growing(0, PAGE, Some(2 * PAGE)).unwrap());
        assert!(!memory.memory_growing(PAGE, 3 * PAGE, Some(2 * PAGE)).unwrap());
        assert_eq!((memory.share.held(), memory.refused), (PAGE, None));
    }

    #[test]
    fn a_growth_that_fails_gives_nothing_back() {
        let mut memory = memory(2 * PAGE);
        for _ in 0..2 {
            assert!(memory.memory_growing(0, PAGE, None).unwrap());
            // The engine reports so also growths that it never asked for.
            memory.memory_grow_failed(wasmtime::Error::msg("beyond the type's limits")).unwrap();
        }
        assert!(!memory.memory_growing(0, PAGE, None).unwrap());
    }

    #[test]
    fn the_largest_request_does_not_overflow() {
        let mut memory = memory(4 * PAGE);
        assert!(memory.memory_growing(0, PAGE, None).unwrap());
        assert!(!memory.memory_growing(0, usize::MAX - PAGE + 1, None).unwrap());
        assert!(!memory.table_growing(0, usize::MAX, None).unwrap());
    }
}
