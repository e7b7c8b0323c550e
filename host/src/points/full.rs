//! Chunks that are ready to be sent, and when each of them is.

use std::collections::VecDeque;

use super::chunk::Chunk;
use super::sorted::Sorted;

/// A chunk that is ready to be sent.
#[derive(Debug)]
pub struct Full {
    /// When it is sent.
    pub turn: Turn,
    /// Its points.
    pub chunk: Chunk,
}

/// When a chunk is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// After the one of its lane with the number before.
    Lane {
        /// The number of its lane.
        lane: usize,
        /// Its number in the lane, from 0.
        number: u64,
    },
    /// After all chunks of the round before.
    Round {
        /// The number of its round, from 0.
        round: u64,
        /// How many chunks the round has.
        of: usize,
    },
}

/// Chunks that are full. In rounds, they are made when they are asked for.
#[derive(Debug)]
pub enum FullChunks {
    /// Of lanes.
    InLanes(std::vec::IntoIter<Full>),
    /// Of lines that are sorted.
    InRounds(VecDeque<Round>),
}

/// The chunks of a round that are yet to be made.
#[derive(Debug)]
pub struct Round {
    /// Its number, from 0.
    pub(super) number: u64,
    /// How many chunks it has in all.
    pub(super) of: usize,
    /// The chunks.
    pub(super) lines: Sorted,
}

impl Iterator for FullChunks {
    type Item = Full;

    fn next(&mut self) -> Option<Full> {
        match self {
            Self::InLanes(full) => full.next(),
            Self::InRounds(rounds) => loop {
                let Round { number, of, lines } = rounds.front_mut()?;
                if let Some(chunk) = lines.next() {
                    return Some(Full { turn: Turn::Round { round: *number, of: *of }, chunk });
                }
                rounds.pop_front();
            },
        }
    }
}
