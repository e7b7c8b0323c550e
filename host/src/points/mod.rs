//! Plan + batch → line protocol, with validation and rejects. Does no input or output.
//!
//! An [`Encoder`] serves one object. What occurs many times is made once: text is escaped once a dictionary, with its key before
//! it, and copied row by row from there; a converter is asked once a distinct value. Rows that cannot become points are
//! rejected with a reason and leave nothing in the output.

mod chunk;
mod coded;
mod dialect;
mod encode;
mod error;
mod escape;
mod exact;
mod fields;
mod full;
pub mod go_duration;
mod inputs;
mod kept;
mod lane;
mod lanes;
mod layout;
mod line;
mod line_end;
mod measurement;
mod numbers;
mod pool;
mod recent;
mod rejects;
mod rules;
mod series;
mod shards;
mod sorted;
mod tags;
mod tally;
mod text;
mod times;
mod tokens;
mod translations;

pub use chunk::{Chunk, ChunkLimits, ChunkRows, GroupRows, Line, SplitRow};
pub use dialect::{Dialect, Engines};
pub use encode::{Encoded, Encoder};
pub use error::{EncodeError, LayoutError};
pub use full::{Full, FullChunks, Turn};
pub use kept::Kept;
pub use lanes::{LaneLimits, Lanes, Sorting};
pub use pool::Pool;
pub use recent::{PointKey, Recent};
pub use rejects::{OUTSIDE_RETENTION, Refusal, RejectedRow};
pub use rules::Unwritable;
pub use shards::{MANY_SHARDS, Shards, Touched};
pub use tally::{Bucket as TallyBucket, MAXIMUM_BUCKETS, Tally};
pub use translations::Mapping;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod dialect_tests;
#[cfg(test)]
mod readers;
#[cfg(test)]
mod round_trip_tests;
