//! Why points cannot be made of a plan, or of a batch.

use arrow::error::ArrowError;

use super::rules::Unwritable;

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

/// The name as it is, but for control characters, which are escaped as in Rust: a name must not forge a line of a log.
pub(super) fn on_one_line(name: &str) -> String {
    let mut line = String::with_capacity(name.len());
    for character in name.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

/// Why a batch could not be encoded.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError<E> {
    /// The converter failed.
    #[error(transparent)]
    Mapping(E),
    /// A column is not what the plan takes it for.
    #[error("a column of the batch cannot be used as the plan says")]
    Column(#[from] ArrowError),
}
