//! Whole small files as they are, for the samples that converters are tested with.

use ::parquet::arrow::ArrowWriter;
use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::error::ArrowError;
use bytes::Bytes;

/// Rows as the bytes of a Parquet file that keeps their Arrow types.
///
/// # Errors
///
/// When Parquet does not hold one of the types.
pub fn encode_sample(rows: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, rows.schema(), None)?;
    writer.write(rows)?;
    writer.close()?;
    Ok(bytes)
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
