//! Rows that cannot become points.

/// A row that was rejected, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedRow {
    /// Its number in the object, from 0.
    pub row: u64,
    /// What reports count by: lower case, words joined by `-`.
    pub code: String,
    /// For people.
    pub message: String,
}

/// The code of a row without a usable time.
pub(super) const INVALID_TIMESTAMP: &str = "invalid-timestamp";
/// The code of a row without a field.
pub(super) const NO_FIELDS: &str = "no-fields";
/// The code of a row with a tag or a key that line protocol cannot hold.
pub(super) const UNWRITABLE: &str = "unwritable";
