//! What pages, batches and lines may take of an object's memory.
//!
//! ```text
//! OBJECT_MEMORY_MIB   3/4   pages and dictionaries of the columns, compressed and not; slices take a quarter at most
//!                     3/8   bytes fetched from S3 and not decoded
//!                     1/8   lines that are sorted for the server
//!                     1/16  batches between decoder and converters
//!                     1/32  a batch
//!                     1/8   lines in open chunks, 16 MiB at most
//!                     1/8   memory of chunks that are gone, kept for those to come, 16 MiB at most
//!                     1/16  chunks that wait to be written, 8 MiB at most
//! ```

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ::parquet::errors::ParquetError;

use super::SourceError;

/// The memory that one object may take, in bytes, and its shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory(usize);

const MIB: usize = 1024 * 1024;

impl Memory {
    /// So many MiB, as `OBJECT_MEMORY_MIB` has them.
    pub const fn mebibytes(mebibytes: usize) -> Self {
        Self(mebibytes.saturating_mul(MIB))
    }

    /// As [`Self::mebibytes`].
    pub fn in_mebibytes(self) -> usize {
        self.0 / MIB
    }

    /// What the decoder may hold of pages and dictionaries.
    pub(super) fn pages(self) -> usize {
        self.0 / 4 * 3
    }

    /// What slices of pages may hold, those of all columns together.
    pub(super) fn slices(self) -> usize {
        self.0 / 8
    }

    /// What is fetched ahead of the decoder, or has been fetched and not been decoded.
    pub(super) fn windows(self) -> usize {
        self.0 / 8 * 3
    }

    /// What a file's metadata may take before it is parsed.
    pub(super) fn metadata(self) -> usize {
        self.0 / 8
    }

    /// What a file's metadata may take when it has been parsed.
    pub(super) fn parsed(self) -> usize {
        self.0 / 2
    }

    /// What a single text may have.
    pub(super) fn text(self) -> usize {
        self.0 / 16
    }

    /// What is gathered of lines before they are sorted for the server, sorting included.
    pub fn sorting(self) -> usize {
        self.0 / 8
    }

    /// What one batch may hold.
    pub fn batch(self) -> usize {
        self.0 / 32
    }

    /// The batches that wait for threads that convert, beside one that is larger.
    pub fn ahead(self) -> usize {
        self.0 / 16
    }

    /// The lines that wait in open chunks after a batch. More would not make chunks larger.
    pub fn open_chunks(self) -> usize {
        (self.0 / 8).min(16 * MIB)
    }

    /// The chunks that are gone of which the memory is kept.
    pub fn kept_chunks(self) -> usize {
        (self.0 / 8).min(16 * MIB)
    }

    /// The chunks that wait to be written, beside those under way.
    pub fn waiting_chunks(self) -> usize {
        (self.0 / 16).min(8 * MIB)
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::mebibytes(128)
    }
}

/// Something of a file that has no room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TooLarge {
    /// Such as "a page of column `x` in row group 3".
    pub(super) what: String,
    pub(super) bytes: u64,
}

impl TooLarge {
    pub(super) fn error(self, object: String, memory: Memory) -> SourceError {
        let Self { what, bytes } = self;
        SourceError::TooLarge { object, what, bytes, mebibytes: memory.in_mebibytes() }
    }
}

/// What the pages of one reading hold together.
#[derive(Debug)]
pub(super) struct Pool {
    memory: Memory,
    held: AtomicUsize,
    /// The number of the batch that is decoded.
    batch: AtomicU64,
    /// What the batch holds of texts, and the most that it may hold.
    texts: AtomicUsize,
    most_texts: AtomicUsize,
    overflowed: AtomicBool,
    refused: Mutex<Option<TooLarge>>,
}

impl Pool {
    pub(super) fn new(memory: Memory) -> Arc<Self> {
        Arc::new(Self {
            memory,
            held: AtomicUsize::new(0),
            batch: AtomicU64::new(0),
            texts: AtomicUsize::new(0),
            most_texts: AtomicUsize::new(usize::MAX),
            overflowed: AtomicBool::new(false),
            refused: Mutex::new(None),
        })
    }

    pub(super) fn memory(&self) -> Memory {
        self.memory
    }

    /// Sets bytes aside, until the answer is dropped. Where there are not so many, the error names `what`.
    pub(super) fn hold(self: &Arc<Self>, bytes: usize, what: impl FnOnce() -> String) -> Result<Held, ParquetError> {
        let held = self.held.fetch_add(bytes, Ordering::Relaxed);
        let held_now = Held { pool: Arc::clone(self), bytes };
        if held.saturating_add(bytes) <= self.memory.pages() {
            return Ok(held_now);
        }
        Err(self.refuse(what(), bytes))
    }

    /// Notes what has no room. Returns the error for the decoder.
    pub(super) fn refuse(&self, what: String, bytes: usize) -> ParquetError {
        let error = ParquetError::General(format!("{what} has {bytes} bytes"));
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(TooLarge { what, bytes: bytes as u64 });
        error
    }

    /// Why something was refused, if it was that which made the decoder fail.
    pub(super) fn refused(&self) -> Option<TooLarge> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Begins a batch. A batch of a single row may hold what it must.
    pub(super) fn begin_batch(&self, rows: usize) {
        self.batch.fetch_add(1, Ordering::Relaxed);
        self.texts.store(0, Ordering::Relaxed);
        let most = if rows > 1 { self.memory.batch() } else { usize::MAX };
        self.most_texts.store(most, Ordering::Relaxed);
    }

    pub(super) fn batch(&self) -> u64 {
        self.batch.load(Ordering::Relaxed)
    }

    /// Counts texts of the batch. Fails where they are more than it may hold.
    pub(super) fn count(&self, bytes: usize) -> Result<(), ParquetError> {
        let texts = self.texts.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if texts <= self.most_texts.load(Ordering::Relaxed) {
            return Ok(());
        }
        Err(self.overflow())
    }

    /// Fails where the batch may not hold so many bytes.
    pub(super) fn fits(&self, bytes: usize) -> Result<(), ParquetError> {
        if bytes <= self.most_texts.load(Ordering::Relaxed) { Ok(()) } else { Err(self.overflow()) }
    }

    /// Notes that the batch would be too large. Returns the error for the decoder.
    fn overflow(&self) -> ParquetError {
        self.overflowed.store(true, Ordering::Relaxed);
        ParquetError::General("a batch of so many rows would hold too many bytes".to_owned())
    }

    /// Whether the last batch failed because it would have been too large.
    pub(super) fn overflowed(&self) -> bool {
        self.overflowed.swap(false, Ordering::Relaxed)
    }
}

/// Bytes that are set aside.
#[derive(Debug)]
pub(super) struct Held {
    pool: Arc<Pool>,
    bytes: usize,
}

impl Held {
    /// Gives back all but so many.
    pub(super) fn shrink(&mut self, bytes: usize) {
        let over = self.bytes.saturating_sub(bytes);
        self.pool.held.fetch_sub(over, Ordering::Relaxed);
        self.bytes -= over;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.pool.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn what_has_no_room_is_refused_and_named_and_what_is_given_back_has_room_again() {
        let pool = Pool::new(Memory::mebibytes(4));
        let mut first = pool.hold(2 * MIB, || "one".to_owned()).unwrap();
        assert!(pool.hold(2 * MIB, || "two".to_owned()).is_err());
        assert_eq!(pool.refused(), Some(TooLarge { what: "two".to_owned(), bytes: 2 * MIB as u64 }));
        first.shrink(MIB);
        let second = pool.hold(2 * MIB, || "three".to_owned()).unwrap();
        drop((first, second));
        assert!(pool.hold(3 * MIB, || "four".to_owned()).is_ok());
        assert_eq!(pool.refused(), None);
    }

    #[test]
    fn lines_take_less_where_the_object_has_less_and_no_more_where_it_has_more() {
        let shares = |memory: Memory| [memory.open_chunks(), memory.kept_chunks(), memory.waiting_chunks()];
        assert_eq!(shares(Memory::mebibytes(16)), [2 * MIB, 2 * MIB, MIB]);
        assert_eq!(shares(Memory::default()), [16 * MIB, 16 * MIB, 8 * MIB]);
        assert_eq!(shares(Memory::mebibytes(10_240)), shares(Memory::default()));
    }

    #[test]
    fn a_batch_holds_so_much_text_and_a_single_row_what_it_must() {
        let pool = Pool::new(Memory::mebibytes(32));
        pool.begin_batch(2);
        assert!(pool.count(MIB).is_ok());
        assert!(pool.count(1).is_err());
        assert!(pool.overflowed());
        assert!(!pool.overflowed());
        pool.begin_batch(1);
        assert!(pool.count(100 * MIB).is_ok());
    }
}
