//! Why points cannot be made of a plan, or of a batch.

use arrow::error::ArrowError;

use super::rules::Unwritable;
use crate::logs::on_one_line;

/// Why a plan cannot be encoded at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {what} `{}` cannot be written", on_one_line(.name))]
pub struct LayoutError {
    /// What it names: `measurement`, `tag key` or `field key`.
    pub what: &'static str,
    /// The name.
    pub name: String,
    /// Why not.
    #[source]
    pub reason: Unwritable,
}

impl LayoutError {
    pub(super) fn new(what: &'static str, name: &str, reason: Unwritable) -> Self {
        Self { what, name: name.to_owned(), reason }
    }
}

/// Why a batch could not be encoded.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError<E> {
    /// The converter failed.
    #[error(transparent)]
    Mapping(E),
    /// A column is not what the plan takes it for.
    #[error("a column of the batch does not fit the plan")]
    Column(#[from] ArrowError),
}
