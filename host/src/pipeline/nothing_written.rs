//! An object of which InfluxDB has taken nothing.
//!
//! A row that is rejected is no failure. But where not one row is written, and InfluxDB refuses some of them, something is
//! wrong with the object as a whole: its time lies outside of the retention, or a field has another type there. Whoever
//! loaded it wants to know, and to load it again is of no use. Rows that the data or the converter are to blame for do not
//! count: that an object holds nothing to be written may be what is right.

use std::fmt::Write;

use super::Deadline;
use crate::points::Refusal;
use crate::report::ObjectReport;
use crate::sink::Sink;

/// InfluxDB refuses every row that it could have been given.
#[derive(Debug, thiserror::Error)]
#[error("no row is written: InfluxDB refuses {refused} of {rows} rows ({codes}){retention}\nhint: {hint}")]
pub struct NothingWritten {
    rows: u64,
    refused: u64,
    /// How many rows by code, in words.
    codes: String,
    /// What the bucket keeps, in words, where that is the reason.
    retention: String,
    hint: &'static str,
}

impl NothingWritten {
    /// What is wrong with an object of which not one row is written because the server refuses them; none where some are
    /// written or left, or where nothing is refused.
    pub(super) async fn by(sink: &Sink, report: &ObjectReport, deadline: Option<Deadline>) -> Option<Self> {
        let accounts = &report.accounts;
        let is_rejected = accounts.written == 0 && accounts.refused() > 0 && report.remaining.is_none();
        // Files take every row; converters may have codes of the same names.
        if !is_rejected || !matches!(sink, Sink::InfluxDb(_)) {
            return None;
        }
        let rows_of = |refusal: Refusal| accounts.rejected.get(refusal.code()).copied().filter(|rows| *rows > 0);
        let codes = Refusal::ALL.into_iter().filter_map(|refusal| {
            let rows = rows_of(refusal)?;
            Some(format!("{rows} `{}`", refusal.code()))
        });
        let codes = codes.collect::<Vec<_>>().join(", ");
        let mut retention = String::new();
        if rows_of(Refusal::OutsideRetention).is_some() {
            let first = report.rejections.iter().find(|row| row.code == Refusal::OutsideRetention.code());
            if let Some(row) = first {
                // Writing to a string does not fail.
                _ = write!(retention, "; {}", row.message);
            }
            if let Some(kept) = sink.retention(deadline.map(|deadline| deadline.end)).await {
                _ = write!(retention, "; {kept}");
            }
        }
        let hint = if rows_of(Refusal::OutsideRetention).is_some() {
            "lengthen the bucket's retention and load the object again, or leave it"
        } else if rows_of(Refusal::TypeConflict).is_some() {
            "the type of a field cannot be changed in a shard: write it under another name, or into another bucket"
        } else {
            "the rejected rows have InfluxDB's reasons: set `REJECTS_URI` to keep them"
        };
        Some(Self { rows: accounts.rows, refused: accounts.refused(), codes, retention, hint })
    }
}
