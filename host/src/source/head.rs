//! The first rows of an object, as an object of their own.

use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::arrow::arrow_writer::ArrowWriterOptions;
use ::parquet::errors::ParquetError;

use super::SourceError;
use super::batches::Columns;
use super::error::Cause;
use super::parquet::ParquetObject;
use super::pool::Pool;
use super::selection::{Part, Selection};

impl ParquetObject {
    /// The first `rows` rows, all their columns, as a Parquet file that converters see as they see this one. Blocks.
    ///
    /// # Errors
    ///
    /// When a row cannot be read, or a type cannot be written.
    pub fn head(&self, rows: usize) -> Result<Vec<u8>, SourceError> {
        let failed = |cause: Cause| SourceError::Decode { object: self.name().to_owned(), row: 0, cause };
        let parts = self.parts(&Selection::All)?;
        self.copy_head(rows, parts).map_err(|cause| failed(Arc::new(cause)))
    }

    fn copy_head(&self, rows: usize, parts: Vec<Part>) -> Result<Vec<u8>, ParquetError> {
        let columns: Vec<usize> = (0..self.columns().len()).collect();
        // What is decoded as a dictionary is text in the file: its own types say that, Arrow's would not.
        let options = ArrowWriterOptions::new().with_skip_arrow_metadata(true);
        let mut writer = ArrowWriter::try_new_with_options(Vec::new(), self.decoded_schema(), options)?;
        let names = Columns::new(self, columns.clone())?;
        let (bytes, pool) = (self.bytes(columns.len()), Pool::new(self.memory()));
        let mut left = rows;
        for part in parts {
            if left == 0 {
                break;
            }
            bytes.expect(vec![self.chunks(part.group, &columns)]);
            for batch in bytes.decoder(self, &part, &names, left, &pool)? {
                let batch = batch?;
                let taken = batch.num_rows().min(left);
                writer.write(&batch.slice(0, taken))?;
                left -= taken;
                if left == 0 {
                    break;
                }
            }
        }
        writer.into_inner()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failure is a test's to report")]

    use std::path::Path;

    use super::*;
    use crate::source::Memory;

    #[test]
    fn the_first_rows_are_the_same_in_a_file_of_their_own() {
        let path = "../tests/data/dataset=consumption/sao-paulo-load-2018-2021.parquet";
        let object =
            ParquetObject::open_file(&Path::new(env!("CARGO_MANIFEST_DIR")).join(path), Memory::default()).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), object.head(20).unwrap()).unwrap();
        let head = ParquetObject::open_file(file.path(), Memory::default()).unwrap();
        assert_eq!(head.rows(), 20);
        let types = |object: &ParquetObject| -> Vec<_> {
            object.columns().iter().map(|column| (column.name.clone(), column.column_type)).collect()
        };
        assert_eq!(types(&head), types(&object));
        let rows = |object: &ParquetObject| {
            let columns = (0..object.columns().len()).collect();
            object.read(columns, 20, &Selection::All).unwrap().next().unwrap().unwrap().columns
        };
        for (copy, original) in rows(&head).columns().iter().zip(rows(&object).columns()) {
            let text = |array: &arrow::array::ArrayRef| {
                let row = |row| arrow::util::display::array_value_to_string(array, row).unwrap();
                (0..20).map(row).collect::<Vec<_>>()
            };
            assert_eq!(text(copy), text(original));
        }
    }
}
