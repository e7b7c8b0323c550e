//! Whole small files as they are, for the samples that converters are tested with.

use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Schema, TimeUnit};
use arrow::error::ArrowError;
use bytes::Bytes;

/// Rows as the bytes of a Parquet file that keeps their Arrow types, except for those that Parquet does not have: times of
/// seconds become times of milliseconds, and dates of milliseconds dates of days, as other writers do it.
///
/// # Errors
///
/// When Parquet does not hold one of the types.
pub fn encode_sample(rows: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
    let rows = storable(rows)?;
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, rows.schema(), None)?;
    writer.write(&rows)?;
    writer.close()?;
    Ok(bytes)
}

fn storable(rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    for (field, column) in rows.schema_ref().fields().iter().zip(rows.columns()) {
        let stored = match field.data_type() {
            DataType::Timestamp(TimeUnit::Second, zone) => DataType::Timestamp(TimeUnit::Millisecond, zone.clone()),
            DataType::Date64 => DataType::Date32,
            other => other.clone(),
        };
        columns.push(if stored == *field.data_type() { Arc::clone(column) } else { cast(column, &stored)? });
        // What milliseconds cannot hold becomes null.
        let nullable = field.is_nullable() || stored != *field.data_type();
        fields.push(field.as_ref().clone().with_data_type(stored).with_nullable(nullable));
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
}

/// All rows of a Parquet file, in the file's own types, in one batch.
///
/// # Errors
///
/// When the bytes are not Parquet.
pub fn decode_sample(bytes: Bytes) -> Result<RecordBatch, ArrowError> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes)?.build()?;
    let schema = arrow::array::RecordBatchReader::schema(&reader);
    concat_batches(&schema, &reader.collect::<Result<Vec<_>, _>>()?)
}
