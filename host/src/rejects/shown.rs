//! What rows of a file hold, to be looked at.

use super::content::{Cells, Contents};
use super::writer::ROWS_PER_BATCH;
use crate::source::{ParquetObject, Selection, SourceError};

/// Rows with what they hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// The columns that can be read, by their index in the object.
    pub columns: Vec<usize>,
    /// The rows' numbers in the object, each with its cells as JSON, in the order of [`Self::columns`].
    pub rows: Vec<(u64, Vec<String>)>,
}

/// Reads the rows of these numbers, which must ascend, until `bytes` of them are read. Blocks.
///
/// # Errors
///
/// When the object cannot be read.
pub fn shown(
    object: &ParquetObject,
    numbers: impl IntoIterator<Item = u64>,
    bytes: usize,
) -> Result<Shown, SourceError> {
    let contents = Contents::new(object.columns());
    let mut shown = Shown { columns: contents.columns(), rows: Vec::new() };
    let mut read = 0;
    for batch in object.read(contents.columns(), ROWS_PER_BATCH, &Selection::rows(numbers))? {
        let batch = batch?;
        let cells = Cells::new(&batch);
        for row in 0..batch.columns.num_rows() {
            let row_cells = contents.cells(&cells, row);
            read += row_cells.iter().map(String::len).sum::<usize>();
            if read > bytes {
                return Ok(shown);
            }
            shown.rows.push((batch.rows.number(row), row_cells));
        }
    }
    Ok(shown)
}
