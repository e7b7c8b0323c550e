//! Accounts: what became of every row.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::points::Refusal;

/// How many codes of rejections are kept apart. Codes come from converters, which could make up one a row.
const MAXIMUM_CODES: usize = 100;

/// The code under which the rows of further codes are counted.
const OTHER_CODES: &str = "other";

/// What became of the rows of one object. `rows = written + rejected + filtered` once the object is done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Accounts {
    /// Rows read from the source.
    pub rows: u64,
    /// Rows of which every point is written.
    pub written: u64,
    /// Rows rejected, by code.
    pub rejected: BTreeMap<String, u64>,
    /// Rows that the converter chose not to make points of.
    pub filtered: u64,
    /// Rows that replace a row before them, of the same series and time and with a field of it, as far as that is seen: rows that
    /// lie more than about 16,000 points apart may go unseen. They are among the others.
    pub superseded: u64,
    /// Points written.
    pub points: u64,
    /// Batches that were delivered: every row of them written, or rejected by the server.
    pub batches: u64,
    /// Batches given up.
    pub failed_batches: u64,
    /// Requests by which batches were delivered; more than one each where the server refused something, or failed.
    pub requests: u64,
    /// Retries among them.
    pub retries: u64,
    /// Bytes read from the source.
    pub bytes_read: u64,
    /// Bytes of line protocol written, before compression.
    pub line_protocol_bytes: u64,
    /// Bytes sent, after compression.
    pub bytes_written: u64,
}

impl Accounts {
    /// Whether every row is accounted for. Only a load that failed may return false.
    pub fn balances(&self) -> bool {
        self.rows == self.accounted()
    }

    /// The rows of which it is known what became of them.
    pub fn accounted(&self) -> u64 {
        self.written + self.rejected_total() + self.filtered
    }

    /// Rows rejected, under whatever code.
    pub fn rejected_total(&self) -> u64 {
        self.rejected.values().sum()
    }

    /// Rows rejected under the codes by which a server refuses rows, whoever found that it does.
    pub fn refused(&self) -> u64 {
        self.rejected.iter().filter(|(code, _)| Refusal::is_told_by(code)).map(|(_, rows)| rows).sum()
    }

    /// Counts `rows` rejected rows under `code`; under `other` once there are 100 codes.
    pub fn reject(&mut self, code: &str, rows: u64) {
        if let Some(count) = self.rejected.get_mut(code) {
            *count += rows;
        } else {
            let code = if self.rejected.len() < MAXIMUM_CODES { code } else { OTHER_CODES };
            *self.rejected.entry(code.to_owned()).or_default() += rows;
        }
    }

    /// Adds everything that `other` counts.
    pub fn merge(&mut self, other: &Self) {
        // Taken apart, so that a count that is added to the type is not forgotten here.
        let Self {
            rows,
            written,
            rejected,
            filtered,
            superseded,
            points,
            batches,
            failed_batches,
            requests,
            retries,
            bytes_read,
            line_protocol_bytes,
            bytes_written,
        } = other;
        self.rows += rows;
        self.written += written;
        for (code, rows) in rejected {
            self.reject(code, *rows);
        }
        self.filtered += filtered;
        self.superseded += superseded;
        self.points += points;
        self.batches += batches;
        self.failed_batches += failed_batches;
        self.requests += requests;
        self.retries += retries;
        self.bytes_read += bytes_read;
        self.line_protocol_bytes += line_protocol_bytes;
        self.bytes_written += bytes_written;
    }
}
