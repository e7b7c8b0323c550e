//! A request, as the script of faults sees it.

use std::cell::{Cell, OnceCell};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read as _};

use flate2::bufread::MultiGzDecoder;

use super::log::Log;
use crate::Request;
use crate::http::Head;

/// The most that a body is decompressed to, whatever the limit of the engine.
const BODY_LIMIT: u64 = 256 * 1024 * 1024;

/// A request on its way in. Its body is read from the connection when it is first asked for: a fault in the middle of the
/// body is one for scripts that have not looked at it.
pub struct Arrival<'a> {
    head: &'a Head,
    write: Option<usize>,
    log: &'a Log,
    read: Cell<Option<Read<'a>>>,
    body: OnceCell<Option<Body>>,
}

/// Reads the body as it was sent.
type Read<'a> = Box<dyn FnOnce() -> io::Result<Vec<u8>> + 'a>;

/// A body that has arrived whole.
#[derive(Clone, Debug)]
pub(super) struct Body {
    /// Its size as it was sent.
    pub(super) sent_bytes: usize,
    /// A hash of the bytes as they were sent.
    pub(super) hash: u64,
    /// Decompressed, or what is wrong with it.
    pub(super) text: Result<String, BadBody>,
}

/// What is wrong with a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadBody {
    /// It is declared as compressed, and does not decompress, or not to the end.
    Gzip,
    /// It is not UTF-8.
    Text,
}

impl Body {
    /// A body that was sent without compression.
    pub(super) fn plain(text: &str) -> Self {
        Self { sent_bytes: text.len(), hash: 0, text: Ok(text.to_owned()) }
    }

    fn of(request: &Request, sent: Vec<u8>) -> Self {
        let mut hasher = DefaultHasher::new();
        sent.hash(&mut hasher);
        let (sent_bytes, hash) = (sent.len(), hasher.finish());
        let bytes = match request.headers.get("content-encoding").map(String::as_str) {
            Some("gzip") => {
                let mut bytes = Vec::with_capacity(8 * sent.len());
                // The checksum at the end of each member is checked by the decoder.
                let decoded = MultiGzDecoder::new(sent.as_slice()).take(BODY_LIMIT).read_to_end(&mut bytes);
                decoded.map(|_| bytes).map_err(|_| BadBody::Gzip)
            }
            _ => Ok(sent),
        };
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).map_err(|_| BadBody::Text));
        Self { sent_bytes, hash, text }
    }
}

impl<'a> Arrival<'a> {
    pub(super) fn new(
        head: &'a Head,
        write: Option<usize>,
        log: &'a Log,
        read: impl FnOnce() -> io::Result<Vec<u8>> + 'a,
    ) -> Self {
        Self { head, write, log, read: Cell::new(Some(Box::new(read))), body: OnceCell::new() }
    }

    /// The number of the write, from 0; none where it is another request.
    pub fn write(&self) -> Option<usize> {
        self.write
    }

    /// Whether it is a write whose number is within `numbers`.
    pub fn is_write_of(&self, numbers: impl std::ops::RangeBounds<usize>) -> bool {
        self.write.is_some_and(|number| numbers.contains(&number))
    }

    /// Method, target and headers; no body.
    pub fn request(&self) -> &Request {
        &self.head.request
    }

    /// The number of its connection, from 0.
    pub fn connection(&self) -> usize {
        self.head.connection
    }

    /// How many requests came before it on its connection.
    pub fn number_on_connection(&self) -> usize {
        self.head.number
    }

    /// Whether its connection has been used before.
    pub fn is_on_reused_connection(&self) -> bool {
        self.head.number > 0
    }

    /// The size of the body as it was sent; 0 where it did not arrive whole.
    pub fn sent_bytes(&self) -> usize {
        self.body().map_or(0, |body| body.sent_bytes)
    }

    /// The body, decompressed; empty where it is none.
    pub fn text(&self) -> &str {
        self.body().and_then(|body| body.text.as_deref().ok()).unwrap_or_default()
    }

    /// The lines of the body, comments and empty ones among them.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.text().lines()
    }

    /// Whether a write has this text in its body.
    pub fn has(&self, text: &str) -> bool {
        self.write.is_some() && self.text().contains(text)
    }

    /// How many requests with the same bytes came before it.
    pub fn attempt(&self) -> usize {
        self.body().map_or(0, |body| self.log.attempts(body.hash))
    }

    /// A number that depends on the bytes of the body and on nothing else.
    pub(super) fn hash(&self) -> u64 {
        self.body().map_or(0, |body| body.hash)
    }

    /// The body; none where the client went away in the middle of it.
    pub(super) fn body(&self) -> Option<&Body> {
        let body = self.body.get_or_init(|| {
            let read = self.read.take()?;
            Some(Body::of(&self.head.request, read().ok()?))
        });
        body.as_ref()
    }

    /// The body, where it has been asked for and has arrived whole.
    pub(super) fn into_body(self) -> Option<Body> {
        self.body.into_inner().flatten()
    }
}
