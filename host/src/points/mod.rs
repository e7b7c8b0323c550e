//! Plan + batch → line protocol, with validation and rejects. Does no input or output.

mod chunk;

pub use chunk::{Chunk, Line};
