//! Rejected rows, kept with what they hold, so that they can be looked at and loaded again.
//!
//! There is one object of JSON lines for each source object, at a place that follows from its name ([`Place::of`]): in S3
//! or in a directory. It is written as a whole, or not at all, and replaced when the source is loaded again. While a
//! source is loaded, a [`Keeper`] takes the rows that are rejected. A line names the source of its row, why it was
//! rejected, and what is in it; [`Snapshot::lines`] reads it back.

mod content;
mod draft;
mod error;
mod find;
mod keeper;
mod line;
pub(crate) mod name;
mod origin;
mod parts;
mod pending;
mod place;
mod retry;
mod shown;
mod writer;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio::task::JoinError;

use crate::logs::on_a_thread;

pub use draft::Draft;
pub use error::RejectsError;
pub use find::find;
pub(crate) use find::{Depth, find_below};
pub use keeper::{Gone, Keeper};
pub use line::{ContentDigest, Line, LineProblem};
pub use origin::{Origin, Source};
pub use place::{Place, Snapshot, State};
pub use retry::Group;
pub use shown::{Shown, shown};
pub use writer::RejectWriter;

/// The longest line, in bytes, with its newline.
const LINE_BYTES: usize = 16 * 1024 * 1024;

/// The largest object with rejected rows in S3, in bytes: what it takes in one request.
const OBJECT_BYTES: u64 = 5 * 1024 * 1024 * 1024;

/// Does `work` where it may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RejectsError> + Send + 'static,
) -> Result<T, RejectsError> {
    on_a_thread(work).await.map_err(stopped)?
}

fn stopped(error: JoinError) -> RejectsError {
    RejectsError::Stopped(Arc::new(error))
}
