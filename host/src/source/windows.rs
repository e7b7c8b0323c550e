//! Bytes of an object in S3, fetched ahead of the decoder.
//!
//! The decoder asks for one page after the other of each column, all columns in step. So each column chunk has a window:
//! the bytes at hand, and the fetch of the bytes after them, under way. The first windows of a row group's chunks are
//! fetched together, neighbours in one request, while the row group before is still being decoded. What is held at one
//! time is at most three windows a column.

use std::collections::HashMap;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use ::parquet::errors::{ParquetError, Result as ParquetResult};
use ::parquet::file::reader::{ChunkReader, Length};
use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use tokio::runtime::Handle;

use super::SourceError;
use super::s3::S3Object;

/// The length of a window. S3 answers a request in some 20 ms and then sends about 90 MB/s, so that shorter ones cost
/// more in waiting than they save in memory.
const WINDOW_BYTES: u64 = 1024 * 1024;
/// Neighbouring windows are fetched in one request up to this length.
const REQUEST_BYTES: u64 = 8 * 1024 * 1024;
/// Bytes between two windows that are fetched in vain rather than in a request of their own.
const GAP_BYTES: u64 = 128 * 1024;

type Fetch = Shared<BoxFuture<'static, Result<Bytes, SourceError>>>;

/// Bytes that are at hand or on their way.
#[derive(Clone)]
struct Piece {
    /// Where they stand in the object.
    range: Range<u64>,
    /// Where the fetch that brings them begins.
    fetch_start: u64,
    fetch: Fetch,
}

/// The bytes of one column chunk that were asked for last, and those that are expected to be asked for next.
#[derive(Default)]
struct Window {
    current: Option<(u64, Bytes)>,
    next: Option<Piece>,
}

#[derive(Default)]
struct State {
    /// The column chunks that are read, by where they begin, in the order of the file.
    chunks: Vec<Range<u64>>,
    windows: HashMap<u64, Window>,
    /// Why the last fetch failed: the decoder makes text of the errors that pass through it.
    failure: Option<SourceError>,
}

/// A reader for the Parquet decoder, for threads that may block.
#[derive(Clone)]
pub(super) struct Windows {
    object: S3Object,
    runtime: Handle,
    state: Arc<Mutex<State>>,
}

impl Windows {
    /// Reads an object; `runtime` does the fetching.
    pub(super) fn new(object: S3Object, runtime: Handle) -> Self {
        Self { object, runtime, state: Arc::default() }
    }

    /// Begins to fetch column chunks that will be read soon.
    pub(super) fn expect(&self, mut chunks: Vec<Range<u64>>) {
        chunks.retain(|chunk| !chunk.is_empty());
        chunks.sort_by_key(|chunk| chunk.start);
        let firsts: Vec<_> =
            chunks.iter().map(|chunk| chunk.start..chunk.end.min(chunk.start + WINDOW_BYTES)).collect();
        let mut state = self.lock();
        for (request, windows) in coalesce(&firsts) {
            let fetch = self.fetch(request.clone());
            for range in windows {
                let piece = Piece { range: range.clone(), fetch_start: request.start, fetch: fetch.clone() };
                state.windows.insert(range.start, Window { current: None, next: Some(piece) });
            }
        }
        state.chunks.extend(chunks);
    }

    /// Forgets column chunks that have been read.
    pub(super) fn forget(&self, chunks: &[Range<u64>]) {
        let mut state = self.lock();
        for chunk in chunks {
            state.windows.remove(&chunk.start);
        }
        state.chunks.retain(|chunk| !chunks.contains(chunk));
    }

    /// Why the storage failed, if it was the storage that made the decoder fail.
    pub(super) fn failure(&self) -> Option<SourceError> {
        self.lock().failure.take()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // No code panics while it holds the lock; if some did, the state would still be a cache of true bytes.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fetch(&self, range: Range<u64>) -> Fetch {
        let object = self.object.clone();
        let task = self.runtime.spawn(async move { object.fetch(range).await });
        let name = self.object.name();
        async move {
            match task.await {
                Ok(fetched) => fetched,
                Err(stopped) => Err(SourceError::Read { object: name, cause: Arc::new(stopped) }),
            }
        }
        .boxed()
        .shared()
    }

    /// Moves the window of `chunk` on until it holds `wanted`, or as much as fits in it. Returns the bytes from
    /// `wanted.start` on that are at hand.
    fn advance(&self, chunk: &Range<u64>, wanted: u64) -> ParquetResult<Bytes> {
        let piece = {
            let mut state = self.lock();
            let window = state.windows.entry(chunk.start).or_default();
            if let Some((start, bytes)) = &window.current
                && let Some(offset) = wanted.checked_sub(*start).and_then(|offset| usize::try_from(offset).ok())
                && offset < bytes.len()
            {
                return Ok(bytes.slice(offset..));
            }
            match window.next.take() {
                Some(piece) if piece.range.contains(&wanted) => piece,
                _ => {
                    let range = wanted..chunk.end.min(wanted + WINDOW_BYTES);
                    Piece { fetch_start: range.start, fetch: self.fetch(range.clone()), range }
                }
            }
        };
        // The page reader calls from a thread that may block; the lock is not held.
        let fetched = self.runtime.block_on(piece.fetch).map_err(|error| {
            let text = error.to_string();
            self.lock().failure = Some(error);
            ParquetError::General(text)
        })?;
        let bytes = part(&fetched, piece.fetch_start, &piece.range)?;
        let following = piece.range.end..chunk.end.min(piece.range.end + WINDOW_BYTES);
        let next = (!following.is_empty()).then(|| Piece {
            fetch_start: following.start,
            fetch: self.fetch(following.clone()),
            range: following,
        });
        let rest = part(&bytes, piece.range.start, &(wanted..piece.range.end))?;
        self.lock().windows.insert(chunk.start, Window { current: Some((piece.range.start, bytes)), next });
        Ok(rest)
    }

    fn chunk_of(&self, position: u64) -> ParquetResult<Range<u64>> {
        let state = self.lock();
        state.chunks.iter().find(|chunk| chunk.contains(&position)).cloned().ok_or_else(|| {
            ParquetError::General(format!("byte {position} is not in a column chunk that is being read"))
        })
    }
}

impl Length for Windows {
    fn len(&self) -> u64 {
        self.object.bytes()
    }
}

impl ChunkReader for Windows {
    type T = WindowCursor;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(WindowCursor { windows: self.clone(), chunk: self.chunk_of(start)?, position: start, at_hand: Bytes::new() })
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        if length == 0 {
            return Ok(Bytes::new());
        }
        let chunk = self.chunk_of(start)?;
        // The length comes from the file: it is held against the chunk before memory is set aside for it.
        if start.checked_add(length as u64).is_none_or(|end| end > chunk.end) {
            return Err(ParquetError::EOF(format!(
                "a page of {length} bytes at byte {start} ends beyond its column chunk"
            )));
        }
        let first = self.advance(&chunk, start)?;
        if first.len() >= length {
            return Ok(first.slice(..length));
        }
        let mut whole = BytesMut::with_capacity(length);
        whole.extend_from_slice(&first);
        while whole.len() < length {
            let more = self.advance(&chunk, start + whole.len() as u64)?;
            whole.extend_from_slice(&more[..more.len().min(length - whole.len())]);
        }
        Ok(whole.freeze())
    }
}

/// A place in a column chunk.
pub(super) struct WindowCursor {
    windows: Windows,
    chunk: Range<u64>,
    position: u64,
    at_hand: Bytes,
}

impl Read for WindowCursor {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at_hand.is_empty() && self.position < self.chunk.end {
            self.at_hand = self.windows.advance(&self.chunk, self.position).map_err(io::Error::other)?;
        }
        let count = buffer.len().min(self.at_hand.len());
        buffer[..count].copy_from_slice(&self.at_hand.split_to(count));
        self.position += count as u64;
        Ok(count)
    }
}

/// Joins neighbouring windows into requests.
fn coalesce(windows: &[Range<u64>]) -> Vec<(Range<u64>, &[Range<u64>])> {
    let mut requests = Vec::new();
    let mut first = 0;
    for next in 1..=windows.len() {
        let joins = windows.get(next).is_some_and(|window| {
            window.start.saturating_sub(windows[next - 1].end) <= GAP_BYTES
                && window.end - windows[first].start <= REQUEST_BYTES
        });
        if !joins {
            let end = windows[first..next].iter().map(|window| window.end).max().unwrap_or(windows[first].end);
            requests.push((windows[first].start..end, &windows[first..next]));
            first = next;
        }
    }
    requests
}

/// `range` of the object, out of bytes that begin at `start`.
fn part(bytes: &Bytes, start: u64, range: &Range<u64>) -> ParquetResult<Bytes> {
    let offset = |position: u64| position.checked_sub(start).and_then(|offset| usize::try_from(offset).ok());
    match (offset(range.start), offset(range.end)) {
        (Some(from), Some(to)) if from <= to && to <= bytes.len() => Ok(bytes.slice(from..to)),
        _ => Err(ParquetError::EOF(format!("bytes {} to {} are not in the answer", range.start, range.end))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_windows_are_fetched_in_one_request() {
        let windows = [0..1_000, 1_000..5_000, 5_100..6_000];
        assert_eq!(coalesce(&windows), [(0..6_000, &windows[..])]);
    }

    #[test]
    fn windows_far_from_each_other_have_their_own_requests() {
        let windows = [0..1_000, 10_000_000..10_001_000];
        assert_eq!(coalesce(&windows), [(0..1_000, &windows[..1]), (10_000_000..10_001_000, &windows[1..])]);
    }

    #[test]
    fn a_request_is_never_longer_than_its_bound() {
        let windows: Vec<_> = (0..20).map(|index| index * WINDOW_BYTES..(index + 1) * WINDOW_BYTES).collect();
        let requests = coalesce(&windows);
        assert_eq!(requests.len(), 3);
        assert!(requests.iter().all(|(request, _)| request.end - request.start <= REQUEST_BYTES));
    }

    #[test]
    fn no_windows_need_no_request() {
        assert_eq!(coalesce(&[]), []);
    }
}
