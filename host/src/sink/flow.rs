//! How a sink takes points.

use crate::points::{ChunkLimits, Dialect, Kept, Shards};

/// How a sink takes points: as the settings say, and where they say nothing, as suits it best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Whom the points are for: they keep to the rules of the engine, or of every engine where there is no server.
    pub dialect: Dialect,
    /// How large chunks are.
    pub chunks: ChunkLimits,
    /// The most chunks that are written at a time.
    pub requests: usize,
    /// In which order.
    pub order: Order,
    /// How the server parts time, where it has said so.
    pub shards: Option<Shards>,
    /// How far back the server keeps points, where it has said so.
    pub kept: Option<Kept>,
}

/// The order of points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// That of the file; where chunks are written side by side, in each of several groups of series.
    File,
    /// By shard, by series and by time.
    Shards(Shards),
    /// By series and by time.
    Series,
}
