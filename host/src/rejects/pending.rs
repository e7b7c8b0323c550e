//! Rows that are rejected and not yet written down, in little memory.

use std::collections::HashMap;
use std::sync::Arc;

use crate::report::RejectedRow;

/// After so many rows they are written down. Their content is read from the beginning of their row group on, since Parquet
/// can be entered nowhere else, so that fewer would mean to read row groups more often.
const ROWS: usize = 250_000;

/// After so many bytes of reasons they are written down. Most rows share a few reasons.
const REASON_BYTES: usize = 16 * 1024 * 1024;

/// What each reason takes beside its text.
const REASON_OVERHEAD: usize = 96;

/// Why a row is rejected.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Reason {
    pub(super) code: String,
    pub(super) message: String,
}

/// Rejected rows, in any order.
#[derive(Debug, Default)]
pub(super) struct Pending {
    rows: Vec<(u64, u32)>,
    numbers: HashMap<Arc<Reason>, u32>,
    reasons: Vec<Arc<Reason>>,
    reason_bytes: usize,
}

impl Pending {
    pub(super) fn push(&mut self, rejected: RejectedRow) {
        let reason = Reason { code: rejected.code, message: rejected.message };
        let number = match self.numbers.get(&reason) {
            Some(number) => *number,
            None => {
                // There are not more reasons than rows, of which there are at most 250,000.
                let number = u32::try_from(self.reasons.len()).unwrap_or(u32::MAX);
                self.reason_bytes += reason.code.len() + reason.message.len() + REASON_OVERHEAD;
                let reason = Arc::new(reason);
                self.reasons.push(Arc::clone(&reason));
                self.numbers.insert(reason, number);
                number
            }
        };
        self.rows.push((rejected.row, number));
    }

    /// Whether it is time to write them down.
    pub(super) fn is_full(&self) -> bool {
        self.rows.len() >= ROWS || self.reason_bytes >= REASON_BYTES
    }

    /// Forgets the rows from a number on.
    pub(super) fn leave_out_from(&mut self, end: u64) {
        self.rows.retain(|(row, _)| *row < end);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// All rows in ascending order, with their reasons. None are pending after it.
    pub(super) fn take(&mut self) -> Vec<(u64, Arc<Reason>)> {
        let Self { mut rows, reasons, .. } = std::mem::take(self);
        rows.sort_unstable();
        rows.into_iter().map(|(row, reason)| (row, Arc::clone(&reasons[reason as usize]))).collect()
    }
}
