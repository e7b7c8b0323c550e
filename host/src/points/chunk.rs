//! Encoded points, ready to be sent.

/// One line of a [`Chunk`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Where the line ends in the body, its newline included, in bytes.
    pub end: usize,
    /// The row that it came from: its number in the object, from 0. The lines of one row stand together in one chunk.
    pub row: u64,
}

/// Points that are sent in one request: line protocol, every line ended by a newline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chunk {
    body: Vec<u8>,
    lines: Vec<Line>,
}

impl Chunk {
    /// The line protocol.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Where its lines end, in order.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// How many points it holds.
    pub fn points(&self) -> usize {
        self.lines.len()
    }

    /// The text of line `index`, with its newline.
    pub fn line(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.lines[index - 1].end };
        &self.body[start..self.lines[index].end]
    }
}
