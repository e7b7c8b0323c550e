//! The memory of chunks that are gone, for those to come.
//!
//! The kernel has to find memory that is new, and to clear it. A pool belongs to one object and is shared by its threads. What it
//! keeps is bounded in bytes: memory that would exceed the bound is freed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::chunk::Line;
use super::sorted::SortKey;
use super::text::Text;

/// Where chunks take their memory from and leave it.
#[derive(Clone, Debug)]
pub struct Pool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    most: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    memory: Vec<Memory>,
    bytes: usize,
}

/// What a chunk is written into.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) text: Text,
    pub(super) lines: Vec<Line>,
    /// What the lines are sorted by, where they are.
    pub(super) keys: Vec<SortKey>,
}

impl Memory {
    fn bytes(&self) -> usize {
        self.text.capacity() + self.lines.capacity() * size_of::<Line>() + self.keys.capacity() * size_of::<SortKey>()
    }
}

impl Default for Pool {
    /// A pool that keeps nothing.
    fn default() -> Self {
        Self::new(0)
    }
}

impl Pool {
    /// A pool that keeps so many bytes, at most.
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Shared { most, kept: Mutex::default() }))
    }

    /// How many bytes it keeps.
    pub fn bytes(&self) -> usize {
        self.kept().bytes
    }

    pub(super) fn take(&self) -> Memory {
        let mut kept = self.kept();
        let memory = kept.memory.pop().unwrap_or_default();
        kept.bytes -= memory.bytes();
        memory
    }

    pub(super) fn give(&self, mut memory: Memory) {
        memory.text.truncate(0);
        memory.lines.clear();
        memory.keys.clear();
        let bytes = memory.bytes();
        if bytes == 0 {
            return;
        }
        let mut kept = self.kept();
        if kept.bytes + bytes <= self.0.most {
            kept.bytes += bytes;
            kept.memory.push(memory);
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Nothing panics while it has the lock.
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(bytes: usize) -> Memory {
        let mut text = Text::default();
        text.append(&vec![b'x'; bytes]);
        Memory { text, ..Memory::default() }
    }

    #[test]
    fn memory_comes_back_empty() {
        let pool = Pool::new(10_000);
        pool.give(memory(100));
        assert!(pool.bytes() >= 100);
        let memory = pool.take();
        assert_eq!((memory.text.len(), pool.bytes()), (0, 0));
        assert!(memory.text.capacity() >= 100);
    }

    #[test]
    fn what_exceeds_the_bound_is_freed() {
        let pool = Pool::new(10_000);
        for _ in 0..100 {
            pool.give(memory(1_000));
            assert!(pool.bytes() <= 10_000);
        }
        assert!(pool.bytes() > 7_000);
        pool.give(memory(100_000));
        assert!(pool.bytes() <= 10_000);
    }
}
