//! Bytes of an object in S3, fetched ahead of the decoder.
//!
//! The decoder asks for one page after the other of each column, all columns in step. So each column chunk has a window:
//! the bytes at hand, and the fetch of the bytes after them, under way. The first windows of chunks are fetched together,
//! neighbours in one request, across as many row groups as there is memory for: small row groups take one request for
//! hundreds of them. What is held at one time depends on the memory that there is, not on columns and row groups.
//! The same is true of the number of requests in flight: each has a connection, and a connection has a buffer.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use ::parquet::errors::{ParquetError, Result as ParquetResult};
use ::parquet::file::reader::{ChunkReader, Length};
use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::SourceError;
use super::s3::S3Object;

/// The longest window. S3 answers a request in some 20 ms and then sends about 90 MB/s, so that shorter ones cost more in
/// waiting than they save in memory.
const LONGEST: u64 = 1024 * 1024;
/// The shortest window, however many columns there are.
const SHORTEST: u64 = 16 * 1024;
/// Neighbouring windows are fetched in one request up to this length.
const REQUEST_BYTES: u64 = 8 * 1024 * 1024;
/// Bytes between two windows that are fetched in vain rather than in a request of their own.
const GAP_BYTES: u64 = 128 * 1024;
/// What a request in flight takes besides the bytes that it fetches: the HTTP client reads up to 400 KiB ahead of us into
/// the buffer of its connection, and keeps the buffer for the next request.
const CONNECTION_BYTES: u64 = 512 * 1024;
/// The most requests in flight: as S3 takes some 20 ms to answer, this many of the shortest keep 25 MB/s coming.
const MOST_REQUESTS: u64 = 32;

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

/// A column chunk that is read, or will be: the bytes that were asked for last, and those that are expected to be asked for
/// next.
struct Window {
    chunk: Range<u64>,
    current: Option<(u64, Bytes)>,
    next: Option<Piece>,
}

#[derive(Default)]
struct State {
    /// The column chunks by where they begin.
    windows: BTreeMap<u64, Window>,
    /// The first windows of these chunks, in bytes.
    ahead: u64,
    /// Why the last fetch failed: the decoder makes text of the errors that pass through it.
    failure: Option<SourceError>,
}

/// A reader for the Parquet decoder, for threads that may block.
#[derive(Clone)]
pub(super) struct Windows {
    object: S3Object,
    runtime: Handle,
    /// The length of a window.
    length: u64,
    /// What may be held, in bytes.
    memory: u64,
    /// A permit for each request in flight.
    requests: Arc<Semaphore>,
    end: Option<Instant>,
    state: Arc<Mutex<State>>,
}

impl Windows {
    /// Reads so many columns of an object, and holds so many bytes; `runtime` does the fetching.
    pub(super) fn new(object: S3Object, runtime: Handle, memory: usize, columns: usize) -> Self {
        let memory = memory as u64;
        // One that is read and one that is fetched, for each column.
        let length = (memory / (2 * columns.max(1) as u64)).clamp(SHORTEST, LONGEST);
        let requests = Arc::new(Semaphore::new(most_requests(memory)));
        Self { object, runtime, length, memory, requests, end: None, state: Arc::default() }
    }

    /// Stops waiting for bytes at `end`.
    pub(super) fn until(&mut self, end: Option<Instant>) {
        self.end = end;
    }

    /// How many bytes should be expected now. None as long as half of what may be is on its way or at hand, so that
    /// requests are long.
    pub(super) fn wants(&self) -> u64 {
        let (ahead, most) = (self.lock().ahead, self.memory / 2);
        if ahead > most / 2 { 0 } else { most - ahead }
    }

    /// What expecting these chunks takes of [`Self::wants`].
    pub(super) fn cost(&self, chunks: &[Range<u64>]) -> u64 {
        chunks.iter().map(|chunk| (chunk.end - chunk.start).min(self.length)).sum()
    }

    /// Begins to fetch column chunks that will be read soon, of one row group after the other.
    pub(super) fn expect(&self, groups: Vec<Vec<Range<u64>>>) {
        let mut chunks: Vec<Range<u64>> = groups.into_iter().flatten().filter(|chunk| !chunk.is_empty()).collect();
        chunks.sort_by_key(|chunk| chunk.start);
        let firsts: Vec<_> = chunks.iter().map(|chunk| chunk.start..chunk.end.min(chunk.start + self.length)).collect();
        let mut state = self.lock();
        state.ahead += self.cost(&chunks);
        let mut chunks = chunks.into_iter();
        for (request, windows) in coalesce(&firsts) {
            let fetch = self.fetch(request.clone());
            let nexts = windows.iter().skip(1).map(|next| next.start).chain([request.end]);
            for (chunk, next) in chunks.by_ref().take(windows.len()).zip(nexts) {
                // What lies between this window and the next is fetched anyhow.
                let range = chunk.start..chunk.end.min(next);
                let piece = Piece { range, fetch_start: request.start, fetch: fetch.clone() };
                state.windows.insert(chunk.start, Window { chunk, current: None, next: Some(piece) });
            }
        }
    }

    /// Forgets column chunks that have been read.
    pub(super) fn forget(&self, chunks: &[Range<u64>]) {
        let mut state = self.lock();
        for chunk in chunks {
            if state.windows.remove(&chunk.start).is_some() {
                state.ahead = state.ahead.saturating_sub(self.cost(std::slice::from_ref(chunk)));
            }
        }
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
        let requests = Arc::clone(&self.requests);
        // First come, first served: what is waited for now was asked for before what is fetched ahead of it.
        let mut task = Task(self.runtime.spawn(async move {
            // Nobody closes it.
            let _permit = requests.acquire().await;
            // What a request takes is not set aside while it waits for its turn.
            Box::pin(object.fetch(range)).await
        }));
        let name = self.object.name();
        async move {
            match (&mut task.0).await {
                Ok(fetched) => fetched,
                Err(stopped) => Err(SourceError::Read { object: name, cause: Arc::new(stopped) }),
            }
        }
        .boxed()
        .shared()
    }

    /// What a fetch brings, unless the time is over first.
    fn wait(&self, fetch: Fetch) -> Result<Bytes, SourceError> {
        // The page reader calls from a thread that may block; the lock is not held.
        self.runtime.block_on(async {
            match self.end {
                None => fetch.await,
                Some(end) => tokio::time::timeout_at(end.into(), fetch)
                    .await
                    .unwrap_or_else(|_| Err(SourceError::Deadline { object: self.object.name() })),
            }
        })
    }

    /// Moves the window of the chunk with `wanted` on until it holds `wanted`. Returns the bytes from there on that are at
    /// hand, and where the chunk ends.
    fn advance(&self, wanted: u64) -> ParquetResult<(Bytes, u64)> {
        let (chunk, piece) = {
            let mut state = self.lock();
            let window = state.windows.range_mut(..=wanted).next_back().map(|(_, window)| window);
            let window = window.filter(|window| window.chunk.contains(&wanted)).ok_or_else(|| {
                ParquetError::General(format!("byte {wanted} is not in a column chunk that is being read"))
            })?;
            let chunk = window.chunk.clone();
            if let Some((start, bytes)) = &window.current
                && let Some(offset) = wanted.checked_sub(*start).and_then(|offset| usize::try_from(offset).ok())
                && offset < bytes.len()
            {
                return Ok((bytes.slice(offset..), chunk.end));
            }
            // What was read is let go of before what comes next is waited for.
            window.current = None;
            let piece = match window.next.take() {
                Some(piece) if piece.range.contains(&wanted) => piece,
                _ => {
                    let range = wanted..chunk.end.min(wanted + self.length);
                    Piece { fetch_start: range.start, fetch: self.fetch(range.clone()), range }
                }
            };
            (chunk, piece)
        };
        let fetched = self.wait(piece.fetch).map_err(|error| {
            let text = error.to_string();
            self.lock().failure = Some(error);
            ParquetError::General(text)
        })?;
        let bytes = part(&fetched, piece.fetch_start, &piece.range)?;
        let following = piece.range.end..chunk.end.min(piece.range.end + self.length);
        let next = (!following.is_empty()).then(|| Piece {
            fetch_start: following.start,
            fetch: self.fetch(following.clone()),
            range: following,
        });
        let rest = part(&bytes, piece.range.start, &(wanted..piece.range.end))?;
        if let Some(window) = self.lock().windows.get_mut(&chunk.start) {
            (window.current, window.next) = (Some((piece.range.start, bytes)), next);
        }
        Ok((rest, chunk.end))
    }
}

/// A fetch that nobody waits for any more is given up.
struct Task(JoinHandle<Result<Bytes, SourceError>>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
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
        let (at_hand, end) = self.advance(start)?;
        Ok(WindowCursor { windows: self.clone(), end, position: start, at_hand })
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        if length == 0 {
            return Ok(Bytes::new());
        }
        let (first, end) = self.advance(start)?;
        // The length comes from the file: it is held against the chunk before memory is set aside for it.
        if start.checked_add(length as u64).is_none_or(|page_end| page_end > end) {
            return Err(ParquetError::EOF(format!(
                "a page of {length} bytes at byte {start} ends beyond its column chunk"
            )));
        }
        if first.len() >= length {
            return Ok(first.slice(..length));
        }
        let mut whole = BytesMut::with_capacity(length);
        whole.extend_from_slice(&first);
        while whole.len() < length {
            let (more, _) = self.advance(start + whole.len() as u64)?;
            whole.extend_from_slice(&more[..more.len().min(length - whole.len())]);
        }
        Ok(whole.freeze())
    }
}

/// A place in a column chunk.
pub(super) struct WindowCursor {
    windows: Windows,
    /// Where the chunk ends.
    end: u64,
    position: u64,
    at_hand: Bytes,
}

impl Read for WindowCursor {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at_hand.is_empty() && self.position < self.end {
            (self.at_hand, _) = self.windows.advance(self.position).map_err(io::Error::other)?;
        }
        let count = buffer.len().min(self.at_hand.len());
        buffer[..count].copy_from_slice(&self.at_hand.split_to(count));
        self.position += count as u64;
        Ok(count)
    }
}

/// How many requests may be in flight where so many bytes may be held: their connections take a quarter of that.
fn most_requests(memory: u64) -> usize {
    usize::try_from((memory / 4 / CONNECTION_BYTES).clamp(2, MOST_REQUESTS)).unwrap_or(2)
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
        let windows: Vec<_> = (0..20).map(|index| index * LONGEST..(index + 1) * LONGEST).collect();
        let requests = coalesce(&windows);
        assert_eq!(requests.len(), 3);
        assert!(requests.iter().all(|(request, _)| request.end - request.start <= REQUEST_BYTES));
    }

    #[test]
    fn the_buffers_of_connections_take_a_quarter_of_the_memory_or_those_of_two() {
        const MIB: u64 = 1024 * 1024;
        assert_eq!([1, 6, 12, 48, 3840].map(|mebibytes| most_requests(mebibytes * MIB)), [2, 3, 6, 24, 32]);
    }

    #[test]
    fn no_windows_need_no_request() {
        assert_eq!(coalesce(&[]), []);
    }
}
