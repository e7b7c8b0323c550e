//! Rows that cannot become points.

use super::rules::Unwritable;

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
const INVALID_TIMESTAMP: &str = "invalid-timestamp";
/// The code of a row without a field.
const NO_FIELDS: &str = "no-fields";
/// The code of a row with a tag or a key that line protocol cannot hold.
const UNWRITABLE: &str = "unwritable";

/// Why a row cannot become points.
#[derive(Debug)]
pub(super) struct RowProblem {
    code: String,
    message: String,
}

impl RowProblem {
    /// The row with this number, rejected for it.
    pub(super) fn of_row(self, row: u64) -> RejectedRow {
        RejectedRow { row, code: self.code, message: self.message }
    }

    #[cold]
    pub(super) fn timestamp() -> Self {
        Self { code: INVALID_TIMESTAMP.to_owned(), message: "the row has no time that can be read".to_owned() }
    }

    #[cold]
    pub(super) fn timestamp_out_of_range() -> Self {
        let message = "the row's time is outside of the range that InfluxDB keeps".to_owned();
        Self { code: INVALID_TIMESTAMP.to_owned(), message }
    }

    #[cold]
    pub(super) fn no_fields() -> Self {
        Self { code: NO_FIELDS.to_owned(), message: "the row has no field".to_owned() }
    }

    #[cold]
    pub(super) fn missing(code: &str, what: &str) -> Self {
        Self { code: code.to_owned(), message: format!("{what} is missing or not finite") }
    }

    #[cold]
    #[expect(clippy::needless_pass_by_value, reason = "made for this message alone")]
    pub(super) fn unwritable(what: String, reason: Unwritable) -> Self {
        Self { code: UNWRITABLE.to_owned(), message: format!("{what} cannot be written: {reason}") }
    }
}
