//! What a server was asked, and what it answered.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::arrival::Body;
use crate::Request;
use crate::http::Head;

/// A request and its answer.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The number of the write, from 0; none where it is another request.
    pub write: Option<usize>,
    /// The number of its connection, from 0.
    pub connection: usize,
    /// How many requests came before it on its connection.
    pub number_on_connection: usize,
    /// The request; its body is decompressed, and empty where it did not arrive whole or the server does not keep bodies.
    pub request: Request,
    /// The size of the body as it was sent; 0 where it did not arrive whole.
    pub sent_bytes: usize,
    /// A hash of the body as it was sent; none where it did not arrive whole.
    pub hash: Option<u64>,
    /// When its head had arrived.
    pub arrived: Instant,
    /// When it was answered, or its connection was cut; none while it is under way.
    pub ended: Option<Instant>,
    /// The status of the answer; none where there was none.
    pub status: Option<u16>,
}

impl Entry {
    /// The lines of the body.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        str::from_utf8(&self.request.body).unwrap_or_default().lines()
    }
}

/// The log that the threads of a server write.
#[derive(Debug, Default)]
pub(super) struct Log {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    entries: Vec<Entry>,
    writes: usize,
    attempts: HashMap<u64, usize>,
    without_bodies: bool,
}

impl Log {
    /// Begins an entry. Returns its place, and the number of the write where it is one.
    pub(super) fn begin(&self, head: &Head, is_write: bool) -> (usize, Option<usize>) {
        let mut state = self.state.lock().unwrap();
        let write = is_write.then_some(state.writes);
        state.writes += usize::from(is_write);
        state.entries.push(Entry {
            write,
            connection: head.connection,
            number_on_connection: head.number,
            request: head.request.clone(),
            sent_bytes: 0,
            hash: None,
            arrived: head.arrived,
            ended: None,
            status: None,
        });
        (state.entries.len() - 1, write)
    }

    /// Adds the body, once it has arrived.
    pub(super) fn add_body(&self, place: usize, body: &Body) {
        let mut state = self.state.lock().unwrap();
        *state.attempts.entry(body.hash).or_default() += 1;
        let keeps_body = !state.without_bodies;
        let entry = &mut state.entries[place];
        entry.sent_bytes = body.sent_bytes;
        entry.hash = Some(body.hash);
        if let (true, Ok(text)) = (keeps_body, &body.text) {
            entry.request.body = text.clone().into_bytes();
        }
    }

    /// Ends an entry. Before the client can know, so that a test that has waited for the client finds it ended.
    pub(super) fn end(&self, place: usize, status: Option<u16>) {
        let entry = &mut self.state.lock().unwrap().entries[place];
        entry.ended = Some(Instant::now());
        entry.status = status;
    }

    /// How many bodies of this hash have arrived.
    pub(super) fn attempts(&self, hash: u64) -> usize {
        self.state.lock().unwrap().attempts.get(&hash).copied().unwrap_or_default()
    }

    /// From now on, bodies are not kept.
    pub(super) fn forget_bodies(&self) {
        self.state.lock().unwrap().without_bodies = true;
    }

    /// What was asked so far.
    pub(super) fn requests(&self) -> Requests {
        Requests(self.state.lock().unwrap().entries.clone())
    }
}

/// What a server was asked so far, in the order in which it arrived.
#[derive(Clone, Debug)]
pub struct Requests(Vec<Entry>);

impl Requests {
    /// All of them.
    pub fn all(&self) -> &[Entry] {
        &self.0
    }

    /// The writes among them.
    pub fn writes(&self) -> Vec<&Entry> {
        self.0.iter().filter(|entry| entry.write.is_some()).collect()
    }

    /// The statuses that the writes were answered with; none where there was no answer.
    pub fn statuses(&self) -> Vec<Option<u16>> {
        self.writes().iter().map(|entry| entry.status).collect()
    }

    /// How long the client waited after each attempt at a body before the next one at the same.
    pub fn waits(&self) -> Vec<Duration> {
        let mut last: HashMap<u64, &Entry> = HashMap::new();
        let mut waits = Vec::new();
        for entry in self.writes() {
            let Some(hash) = entry.hash else { continue };
            if let Some(ended) = last.insert(hash, entry).and_then(|before| before.ended) {
                waits.push(entry.arrived.saturating_duration_since(ended));
            }
        }
        waits
    }

    /// How many writes were under way at once, at most.
    pub fn highest_concurrency(&self) -> usize {
        let mut changes: Vec<(Instant, isize)> = Vec::new();
        for entry in self.writes() {
            changes.push((entry.arrived, 1));
            changes.extend(entry.ended.map(|ended| (ended, -1)));
        }
        // What ends at an instant is over before what begins at it.
        changes.sort_unstable();
        let mut now = 0;
        changes.into_iter().fold(0, |highest, (_, change)| {
            now += change;
            highest.max(now)
        }) as usize
    }

    /// The writes that have the lines of one before them in other bytes.
    pub fn changed_attempts(&self) -> Vec<&Entry> {
        let mut sent: BTreeMap<&[u8], u64> = BTreeMap::new();
        let mut changed = self.writes();
        changed
            .retain(|&entry| entry.hash.is_some_and(|hash| *sent.entry(&entry.request.body).or_insert(hash) != hash));
        changed
    }
}
