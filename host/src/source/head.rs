//! The first rows of an object, as an object of their own.

use std::sync::Arc;

use ::parquet::arrow::arrow_writer::ArrowWriterOptions;
use ::parquet::arrow::{ARROW_SCHEMA_META_KEY, ArrowWriter, encode_arrow_schema};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::properties::WriterProperties;
use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};

use super::SourceError;
use super::batches::Columns;
use super::caught::caught;
use super::columns;
use super::error::Cause;
use super::parquet::ParquetObject;
use super::pool::Pool;
use super::selection::{Part, Selection};
use super::types;

/// What times of INT96 are copied as, which nobody should write any more.
const TIME: DataType = DataType::Timestamp(TimeUnit::Nanosecond, None);

impl ParquetObject {
    /// The first `rows` rows, all their columns, as a Parquet file that converters see as they see this one. Blocks.
    ///
    /// # Errors
    ///
    /// When a row cannot be read, or a type cannot be written.
    pub fn head(&self, rows: usize) -> Result<Vec<u8>, SourceError> {
        let failed = |cause: Cause| SourceError::Decode {
            object: self.name().to_owned(),
            row: 0,
            row_group: 0,
            column: None,
            cause,
        };
        let parts = self.parts(&Selection::All)?;
        let copied = caught(|| self.copy_head(rows, parts)).unwrap_or_else(|reason| Err(ParquetError::General(reason)));
        copied.map_err(|cause| failed(Arc::new(cause)))
    }

    fn copy_head(&self, rows: usize, parts: Vec<Part>) -> Result<Vec<u8>, ParquetError> {
        // The file's own types, over what was decoded. Arrow would derive other types from that than the file has.
        let options = ArrowWriterOptions::new().with_skip_arrow_metadata(true);
        let options = options.with_parquet_schema(types::writable(self.file_schema())?);
        let times = types::int96_columns(self.file_schema());
        let decoded = self.decoded_schema();
        let field = |(field, is_time): (&Arc<Field>, &bool)| match is_time {
            true => Arc::new(Field::new(field.name(), TIME, field.is_nullable())),
            false => Arc::clone(field),
        };
        let schema = Arc::new(Schema::new(decoded.fields().iter().zip(&times).map(field).collect::<Vec<_>>()));
        let options = options.with_properties(self.durations(&schema));
        let mut writer = ArrowWriter::try_new_with_options(Vec::new(), Arc::clone(&schema), options)?;
        let names = Columns::all(self)?;
        let (bytes, pool) = (self.bytes(names.leaves().len()), Pool::new(self.memory()));
        let mut left = rows;
        for part in parts {
            if left == 0 {
                break;
            }
            bytes.expect(vec![self.chunks(part.group, names.leaves())]);
            for batch in bytes.decoder(self, &part, &names, left, &pool)? {
                let batch = batch?;
                let taken = batch.num_rows().min(left);
                let column = |(column, is_time): (&ArrayRef, &bool)| match is_time {
                    true => columns::int96_times(column),
                    false => Ok(Arc::clone(column)),
                };
                let columns = batch.columns().iter().zip(&times).map(column).collect::<Result<Vec<_>, _>>()?;
                let rows = RecordBatch::try_new(Arc::clone(&schema), columns)?;
                writer.write(&rows.slice(0, taken))?;
                left -= taken;
                if left == 0 {
                    break;
                }
            }
        }
        writer.into_inner()
    }

    /// Parquet has no type for durations: Arrow's schema in the metadata of the file distinguishes them from integers.
    fn durations(&self, schema: &Schema) -> WriterProperties {
        let durations: Vec<_> = self.columns().iter().map(|column| types::duration(&column.source_type)).collect();
        if durations.iter().all(Option::is_none) {
            return WriterProperties::default();
        }
        let field = |(field, duration): (&Arc<Field>, Option<DataType>)| match duration {
            Some(duration) => Arc::new(Field::clone(field).with_data_type(duration)),
            None => Arc::clone(field),
        };
        let fields: Vec<_> = schema.fields().iter().zip(durations).map(field).collect();
        let entry = KeyValue::new(ARROW_SCHEMA_META_KEY.to_owned(), encode_arrow_schema(&Schema::new(fields)));
        WriterProperties::builder().set_key_value_metadata(Some(vec![entry])).build()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failure is a test's to report")]

    use std::path::Path;

    use arrow::array::{DurationMillisecondArray, Int64Array};

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

    #[test]
    fn durations_stay_durations_beside_integers() {
        let columns: [(&str, ArrayRef); 2] = [
            ("takes", Arc::new(DurationMillisecondArray::from(vec![-1_500, 7]))),
            ("count", Arc::new(Int64Array::from(vec![1, 2]))),
        ];
        let rows = RecordBatch::try_from_iter(columns).unwrap();
        let mut writer = ArrowWriter::try_new(Vec::new(), rows.schema(), None).unwrap();
        writer.write(&rows).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), writer.into_inner().unwrap()).unwrap();
        let object = ParquetObject::open_file(file.path(), Memory::default()).unwrap();
        let head = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(head.path(), object.head(1).unwrap()).unwrap();
        let head = ParquetObject::open_file(head.path(), Memory::default()).unwrap();
        assert_eq!(head.columns(), object.columns());
        let names: Vec<_> = head.columns().iter().map(|column| &*column.source_type).collect();
        assert_eq!(names, ["Duration(ms)", "Int64"]);
    }
}
