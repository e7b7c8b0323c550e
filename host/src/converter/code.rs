//! The compiled code of converters: mapped while it is used, and released when others need the room.
//!
//! ```text
//! converter  ->  code  ->  file of the cache           always
//!                      ->  mapped and linked           while it is among the latest used of the process
//! ```
//!
//! What is released is mapped again, in milliseconds, when it is used next. Instances keep the code that they run.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use wasmtime::component::{Component, InstancePre};

use super::cache::Stored;
use super::error::ConverterError;
use super::state::State;
use super::world::Exports;

/// What instances are made of. Cheap to clone.
#[derive(Clone)]
pub(super) struct Linked {
    pub(super) pre: InstancePre<State>,
    pub(super) exports: Exports,
}

/// The code of one converter.
pub(super) struct Code {
    /// Where it is mapped from; none where there is no cache, and the code stays in memory.
    stored: Option<Stored>,
    bytes: usize,
    linked: Mutex<Option<Linked>>,
}

impl Code {
    /// Code that has just been linked.
    pub(super) fn new(component: &Component, stored: Option<Stored>, linked: Linked) -> Arc<Self> {
        let image = component.image_range();
        let bytes = image.end.addr().saturating_sub(image.start.addr());
        Arc::new(Self { stored, bytes, linked: Mutex::new(Some(linked)) })
    }

    /// Whether it can be released and mapped again.
    pub(super) fn is_stored(&self) -> bool {
        self.stored.is_some()
    }

    /// What is linked; where it was released, `link` makes it anew of the mapped component.
    pub(super) fn linked(
        &self,
        link: impl FnOnce(&Stored) -> Result<Linked, ConverterError>,
    ) -> Result<Linked, ConverterError> {
        let mut linked = self.lock();
        if let Some(linked) = &*linked {
            return Ok(linked.clone());
        }
        // Only what is stored is ever released.
        let gone = || ConverterError::Engine { reason: "code that is not stored was released".to_owned() };
        let stored = self.stored.as_ref().ok_or_else(gone)?;
        Ok(linked.insert(link(stored)?).clone())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Linked>> {
        // What is in it is whole at every moment.
        self.linked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The code of all converters of a process: what was used last stays mapped.
#[derive(Debug)]
pub(super) struct Shelf {
    /// How much stays mapped, in bytes. What was used last does, whatever its size.
    limit: usize,
    /// The latest used at the end.
    codes: Mutex<Vec<Weak<Code>>>,
}

impl std::fmt::Debug for Code {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Code").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl Shelf {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, codes: Mutex::default() }
    }

    /// Marks the code as used now, and releases what was not used for longest, as far as room is needed. The caller must
    /// not be within [`Code::linked`].
    pub(super) fn used(&self, code: &Arc<Code>) {
        let mut codes = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
        let this = Arc::downgrade(code);
        codes.retain(|other| other.strong_count() > 0 && !other.ptr_eq(&this));
        let others: Vec<Arc<Code>> = codes.iter().filter_map(Weak::upgrade).collect();
        let mut held = code.bytes + others.iter().map(|other| other.held()).sum::<usize>();
        for other in others.iter().filter(|other| other.is_stored()) {
            if held <= self.limit {
                break;
            }
            held -= other.release();
        }
        codes.push(this);
    }
}

impl Code {
    /// What it has mapped, in bytes.
    pub(super) fn held(&self) -> usize {
        self.lock().as_ref().map_or(0, |_| self.bytes)
    }

    /// Returns what was mapped, in bytes.
    fn release(&self) -> usize {
        self.lock().take().map_or(0, |_| self.bytes)
    }
}
