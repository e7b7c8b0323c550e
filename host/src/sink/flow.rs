//! How a sink takes points.

use serde::Serialize;

use crate::points::{ChunkLimits, Dialect, Kept, Shards};

/// How a sink takes points: as the settings define, and where they define nothing, as suits it best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Whom the points are for: they keep to the rules of the engine, or of every engine where there is no server.
    pub dialect: Dialect,
    /// Whether chunks become one text: no line of it stands at the end of a request for certain.
    pub is_text: bool,
    /// How large chunks are.
    pub chunks: ChunkLimits,
    /// The most chunks that are written at a time.
    pub requests: usize,
    /// In which order.
    pub order: Order,
    /// How the server divides time, where it has reported it.
    pub shards: Option<Shards>,
    /// How far back the server keeps points, where it has reported it.
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

/// How points are written, and what decides it, for reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Writing {
    /// The engine.
    pub engine: String,
    /// The most points in a request.
    pub points: Choice<usize>,
    /// The most bytes of line protocol in a request.
    pub bytes: Choice<usize>,
    /// The most requests in flight.
    pub requests: Choice<usize>,
    /// How many requests were allowed in flight at last: as many as were found to pay.
    pub requests_at_last: usize,
    /// The order of points.
    pub order: Choice<&'static str>,
}

/// A value, and what decides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Choice<T> {
    /// The value.
    pub value: T,
    /// What decides it.
    pub by: By,
}

/// What decides how points are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// What is known of the engine.
    Profile,
    /// A setting.
    Setting,
    /// What the engine takes at most.
    Limit,
    /// `WRITE_RATE_POINTS`.
    Rate,
}

impl By {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Profile => "profile",
            Self::Setting => "setting",
            Self::Limit => "limit of the engine",
            Self::Rate => "`WRITE_RATE_POINTS`",
        }
    }
}

impl<T> Choice<T> {
    /// The setting's value where there is one, else the profile's.
    pub(super) fn of(setting: Option<T>, profile: T) -> Self {
        match setting {
            Some(value) => Self { value, by: By::Setting },
            None => Self { value: profile, by: By::Profile },
        }
    }

    /// No more than `most`.
    pub(super) fn within(self, most: Option<T>, by: By) -> Self
    where
        T: PartialOrd,
    {
        match most {
            Some(most) if most < self.value => Self { value: most, by },
            Some(_) | None => self,
        }
    }
}

impl Order {
    /// In words.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::File => "the order of the file",
            Self::Shards(_) => "by shard, series and time",
            Self::Series => "by series and time",
        }
    }
}
