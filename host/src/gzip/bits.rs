//! Bits → bytes, the least significant first (RFC 1951, section 3.1.1).

/// Bytes that a flush touches.
const WORD: usize = 8;

/// Writes bits into memory that is kept from one output to the next.
#[derive(Debug, Default)]
pub(super) struct BitWriter {
    /// Longer than what is written, so that whole words can be stored.
    bytes: Vec<u8>,
    state: State,
}

/// How far it is.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// Complete bytes.
    length: usize,
    /// Bits that wait for their byte to be complete.
    waiting: u64,
    /// How many they are.
    count: u32,
}

/// A part of the output, of a length that is known to be enough. It has the state for itself, in registers.
///
/// At most 57 bits may be put between two flushes.
#[derive(Debug)]
pub(super) struct Section<'a> {
    bytes: &'a mut [u8],
    state: State,
    back: &'a mut State,
}

impl BitWriter {
    /// Begins anew.
    pub(super) fn restart(&mut self) {
        self.state = State::default();
    }

    /// A part that takes at most so many bytes.
    #[inline]
    pub(super) fn section(&mut self, bytes: usize) -> Section<'_> {
        let needed = self.state.length + bytes + 2 * WORD;
        if self.bytes.len() < needed {
            self.bytes.resize(needed.max(2 * self.bytes.len()), 0);
        }
        Section { bytes: &mut self.bytes, state: self.state, back: &mut self.state }
    }

    /// Fills the last byte with zeros.
    pub(super) fn align(&mut self) {
        let mut section = self.section(WORD);
        section.state.count = section.state.count.next_multiple_of(8);
        section.flush();
        section.end();
    }

    /// Appends bytes. The writer must be aligned.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        debug_assert_eq!(self.state.count, 0, "bytes begin at a byte");
        let section = self.section(bytes.len());
        let start = section.state.length;
        section.bytes[start..start + bytes.len()].copy_from_slice(bytes);
        self.state.length += bytes.len();
    }

    /// What is written, as far as bytes are complete.
    pub(super) fn written(&self) -> &[u8] {
        &self.bytes[..self.state.length]
    }
}

impl Section<'_> {
    /// Puts the lowest `count` bits of `bits`; those above them must be zero.
    #[inline]
    pub(super) fn put(&mut self, bits: u64, count: u32) {
        debug_assert!(self.state.count + count <= u64::BITS, "bits were put without flushing");
        self.state.waiting |= bits << self.state.count;
        self.state.count += count;
    }

    /// Completes the bytes that can be completed.
    #[inline]
    pub(super) fn flush(&mut self) {
        let State { length, waiting, count } = &mut self.state;
        self.bytes[*length..*length + WORD].copy_from_slice(&waiting.to_le_bytes());
        *length += (*count >> 3) as usize;
        *waiting >>= *count & !7;
        *count &= 7;
    }

    /// Hands the state back.
    #[inline]
    pub(super) fn end(self) {
        *self.back = self.state;
    }
}
