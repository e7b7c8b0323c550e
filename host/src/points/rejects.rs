//! Rows that cannot become points.

use std::ops::Range;

use serde::Serialize;

use super::rules::Unwritable;
use crate::converter::Rejection;
use crate::source::Batch;

/// A row that was not written, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RejectedRow {
    /// Its number in the object, from 0.
    pub row: u64,
    /// The number of its row group in the object, from 0, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row_group: Option<u32>,
    /// What reports count by: lower case, words joined by `-`.
    pub code: String,
    /// For people.
    pub message: String,
}

/// The code of a row without a usable time.
const INVALID_TIMESTAMP: &str = "invalid-timestamp";
/// The code of a row whose measurement is to come from a translation that gives none.
const INVALID_MEASUREMENT: &str = "invalid-measurement";
/// The code of a row without a field.
const NO_FIELDS: &str = "no-fields";
/// The code of a row whose list has too many elements.
const TOO_MANY_POINTS: &str = "too-many-points";
/// The code of a row with bytes in place of text.
const INVALID_TEXT: &str = "invalid-text";
/// The code of a row with a tag or a key that line protocol cannot hold.
const UNWRITABLE: &str = "unwritable";

/// How the message of a row outside of the retention begins, whether the server or the loader rejects it.
pub const OUTSIDE_RETENTION: &str = "the point is outside the bucket's retention policy";

/// Why a server does not take a row that is a point: reported by the server, or foreseen in its stead. Reports
/// distinguish these codes from those whose reason is the data or the converter; see [`Self::is_told_by`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The point is older, or newer, than what the bucket keeps.
    OutsideRetention,
    /// A field has another type than in the points before.
    TypeConflict,
    /// A text or a series key is longer than the engine takes.
    TooLong,
    /// The row alone is larger than a request may be.
    TooLarge,
    /// The connection breaks whenever the row is sent.
    ConnectionLost,
    /// Everything else; the message has the server's words.
    Refused,
}

impl Refusal {
    /// Every one.
    pub const ALL: [Self; 6] = [
        Self::OutsideRetention,
        Self::TypeConflict,
        Self::TooLong,
        Self::TooLarge,
        Self::ConnectionLost,
        Self::Refused,
    ];

    /// The code of rows that are rejected for it.
    pub fn code(self) -> &'static str {
        match self {
            Self::OutsideRetention => "outside-retention",
            Self::TypeConflict => "type-conflict",
            Self::TooLong => "too-long",
            Self::TooLarge => "too-large",
            Self::ConnectionLost => "connection-lost",
            Self::Refused => "refused",
        }
    }

    /// Whether rows with this code are rejected for a reason of the server.
    pub fn is_told_by(code: &str) -> bool {
        Self::ALL.iter().any(|refusal| refusal.code() == code)
    }
}

/// Why a row cannot become points.
#[derive(Debug)]
pub(super) struct RowProblem {
    code: String,
    message: String,
}

impl RowProblem {
    /// The row with this number, of this row group, rejected for it.
    pub(super) fn of_row(self, row: u64, row_group: u32) -> RejectedRow {
        RejectedRow { row, row_group: Some(row_group), code: self.code, message: self.message }
    }

    /// The problem of a place of the batch, with the element that it is where rows have several.
    #[cold]
    pub(super) fn of_element(self, batch: &Batch, places: &Range<usize>, place: usize) -> Self {
        if batch.elements.is_none() {
            return self;
        }
        let message = format!("element {}: {}", place - places.start, self.message);
        Self { message, ..self }
    }

    /// As the converter rejected it.
    #[cold]
    pub(super) fn rejection(rejection: &Rejection) -> Self {
        Self { code: rejection.code.clone(), message: rejection.message.clone() }
    }

    #[cold]
    pub(super) fn too_many_points(elements: usize, points: usize, most: usize) -> Self {
        let message =
            format!("the list has {elements} elements, which give {points} points each; a row gives {most} at most");
        Self { code: TOO_MANY_POINTS.to_owned(), message }
    }

    #[cold]
    pub(super) fn too_many_bytes(elements: usize, most: usize) -> Self {
        let message = format!("the points of the list's {elements} elements have more than {most} bytes");
        Self { code: TOO_MANY_POINTS.to_owned(), message }
    }

    #[cold]
    pub(super) fn timestamp() -> Self {
        Self { code: INVALID_TIMESTAMP.to_owned(), message: "the row has no time that can be read".to_owned() }
    }

    #[cold]
    pub(super) fn measurement() -> Self {
        Self { code: INVALID_MEASUREMENT.to_owned(), message: "the row has no measurement".to_owned() }
    }

    #[cold]
    pub(super) fn timestamp_out_of_range() -> Self {
        let message = "the row's time is outside of the range that InfluxDB keeps".to_owned();
        Self { code: INVALID_TIMESTAMP.to_owned(), message }
    }

    /// The bound is in a server's words.
    #[cold]
    pub(super) fn outside_retention(bound: &str) -> Self {
        let message = format!("{OUTSIDE_RETENTION} of {bound}");
        Self { code: Refusal::OutsideRetention.code().to_owned(), message }
    }

    #[cold]
    pub(super) fn invalid_text(column: &str) -> Self {
        Self { code: INVALID_TEXT.to_owned(), message: format!("the column `{column}` holds bytes that are not UTF-8") }
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
