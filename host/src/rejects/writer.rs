//! The lines of one object's rejected rows.

use serde::Serialize;

use super::content::{Cells, Contents, write_text};
use super::draft::Draft;
use super::pending::Pending;
use super::{LINE_BYTES, Origin, RejectsError};
use crate::report::RejectedRow;
use crate::source::{ParquetObject, Selection};

/// How many rows are read at a time: text may be long.
pub(super) const ROWS_PER_BATCH: usize = 1024;

/// Writes the rejected rows of one object into a [`Draft`], with what they hold.
///
/// Rows are taken in any order and remembered by their number; from time to time, and at the end, the object is asked for
/// what is in them: for all columns that can be read, not only for those that points are made of. So a load pays nothing
/// until a row is rejected, and what is in memory does not depend on how many are. Within each of these times the lines
/// are in the order of the rows. Everything here blocks.
pub struct RejectWriter {
    object: ParquetObject,
    contents: Contents,
    /// The row after the last of each row group.
    group_ends: Vec<u64>,
    /// What all lines begin with.
    head: Vec<u8>,
    pending: Pending,
    draft: Draft,
}

impl RejectWriter {
    /// Appends to a draft the rejected rows of an object.
    pub fn new(object: ParquetObject, origin: &Origin, draft: Draft) -> Self {
        let mut end = 0_u64;
        let groups = object.row_groups().into_iter();
        let group_ends = groups.map(|rows| {
            end = end.saturating_add(rows);
            end
        });
        Self {
            contents: Contents::new(object.columns()),
            group_ends: group_ends.collect(),
            head: head(origin),
            pending: Pending::default(),
            object,
            draft,
        }
    }

    /// Takes a rejected row.
    ///
    /// # Errors
    ///
    /// When the rows before it cannot be read or written. Nothing is to be expected of the writer then.
    pub fn push(&mut self, rejected: RejectedRow) -> Result<(), RejectsError> {
        self.pending.push(rejected);
        if self.pending.is_full() { self.flush() } else { Ok(()) }
    }

    /// Writes what is left, without rows from the number `end` on, and gives the draft back.
    ///
    /// # Errors
    ///
    /// As [`Self::push`].
    pub fn finish(mut self, end: Option<u64>) -> Result<Draft, RejectsError> {
        if let Some(end) = end {
            self.pending.leave_out_from(end);
        }
        self.flush()?;
        Ok(self.draft)
    }

    fn flush(&mut self) -> Result<(), RejectsError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let rejected = self.pending.take();
        let mut rows: Vec<u64> = rejected.iter().map(|(row, _)| *row).collect();
        // A row with several points may be rejected for more than one of them.
        rows.dedup();
        let selection = Selection::rows(rows);
        let mut rejected = rejected.into_iter().peekable();
        let mut line = Vec::new();
        let batches = self.object.read(self.contents.columns(), ROWS_PER_BATCH, &selection);
        for batch in batches.map_err(RejectsError::Content)? {
            let batch = batch.map_err(RejectsError::Content)?;
            let cells = Cells::new(&batch);
            for index in 0..batch.columns.num_rows() {
                let number = batch.rows.number(index);
                while let Some((row, reason)) = rejected.next_if(|(row, _)| *row == number) {
                    line.clear();
                    line.extend_from_slice(&self.head);
                    let group = self.group_ends.partition_point(|end| *end <= row);
                    line.extend_from_slice(format!("\"row_group\":{group},\"row\":{row},\"code\":").as_bytes());
                    write_text(&reason.code, &mut line);
                    line.extend_from_slice(b",\"message\":");
                    write_text(&reason.message, &mut line);
                    line.push(b',');
                    self.contents.write(&cells, index, &mut line);
                    line.extend_from_slice(b"}\n");
                    if line.len() > LINE_BYTES {
                        return Err(RejectsError::TooLong { row, limit: LINE_BYTES });
                    }
                    self.draft.append(&line)?;
                }
            }
        }
        Ok(())
    }
}

/// The origin as the first members of an object: without the brace at its end, with a comma.
fn head(origin: &Origin) -> Vec<u8> {
    let mut head = Vec::new();
    // Text can be written as JSON, and writing to a vector does not fail.
    _ = origin.serialize(&mut serde_json::Serializer::new(&mut head));
    head.pop();
    head.push(b',');
    head
}
