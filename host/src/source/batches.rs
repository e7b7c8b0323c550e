//! The batches of an object, one after the other.

use std::ops::Range;
use std::sync::Arc;

use ::parquet::arrow::ProjectionMask;
use ::parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelectionPolicy};
use ::parquet::errors::ParquetError;
use ::parquet::file::reader::ChunkReader;
use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema};
use arrow::error::ArrowError;

use super::SourceError;
use super::caught::caught;
use super::columns::{Batch, InvalidText, Normalizer};
use super::error::Cause;
use super::file::LocalFile;
use super::parquet::ParquetObject;
use super::selection::Part;
use super::types::Kind;
use super::windows::Windows;

/// How many row groups are expected at a time: the one that is read, and the one after it.
const EXPECTED_GROUPS: usize = 2;

/// What answers the decoder. Each reading has its own, so that readings of one object do not disturb each other.
pub(super) enum Bytes {
    File(LocalFile),
    S3(Windows),
}

impl Bytes {
    /// Begins to fetch column chunks that will be read soon.
    pub(super) fn expect(&self, chunks: Vec<Range<u64>>) {
        match self {
            Self::File(_) => {}
            Self::S3(windows) => windows.expect(chunks),
        }
    }

    fn forget(&self, chunks: &[Range<u64>]) {
        match self {
            Self::File(_) => {}
            Self::S3(windows) => windows.forget(chunks),
        }
    }

    /// Why the storage failed, if it was the storage that made the decoder fail.
    fn failure(&self) -> Option<SourceError> {
        match self {
            Self::File(_) => None,
            Self::S3(windows) => windows.failure(),
        }
    }

    /// A decoder of columns of a part of the object.
    pub(super) fn decoder(
        &self,
        object: &ParquetObject,
        part: &Part,
        columns: &[usize],
        rows: usize,
    ) -> Result<ParquetRecordBatchReader, ParquetError> {
        match self {
            Self::File(file) => decoder(file.clone(), object, part, columns, rows),
            Self::S3(windows) => decoder(windows.clone(), object, part, columns, rows),
        }
    }
}

fn decoder<R: ChunkReader + 'static>(
    bytes: R,
    object: &ParquetObject,
    part: &Part,
    columns: &[usize],
    rows: usize,
) -> Result<ParquetRecordBatchReader, ParquetError> {
    let metadata = object.metadata();
    let mask = ProjectionMask::roots(metadata.parquet_schema(), columns.iter().copied());
    let mut builder = ParquetRecordBatchReaderBuilder::new_with_metadata(bytes, metadata.clone())
        .with_row_groups(vec![part.group])
        .with_projection(mask)
        .with_batch_size(rows);
    if let Some(selection) = part.row_selection() {
        // The other policies decode the rows between the selected ones, too, and hold them until the batch is full.
        builder = builder.with_row_selection_policy(RowSelectionPolicy::Selectors).with_row_selection(selection);
    }
    builder.build()
}

/// The batches of an object, in the order of its rows. After an error there are no more.
pub struct Batches {
    object: ParquetObject,
    bytes: Bytes,
    columns: Vec<usize>,
    rows: usize,
    parts: Vec<Part>,
    /// The part that is read, or will be.
    current: usize,
    /// The parts before this one have been expected.
    expected: usize,
    reader: Option<ParquetRecordBatchReader>,
    normalizer: Normalizer,
}

impl Batches {
    pub(super) fn new(object: &ParquetObject, columns: Vec<usize>, rows: usize, parts: Vec<Part>) -> Self {
        Self {
            object: object.clone(),
            bytes: object.bytes(),
            columns,
            rows: rows.max(1),
            parts,
            current: 0,
            expected: 0,
            reader: None,
            normalizer: Normalizer::default(),
        }
    }

    fn next_batch(&mut self) -> Result<Option<Batch>, SourceError> {
        loop {
            let Some(reader) = &mut self.reader else {
                if self.current == self.parts.len() {
                    return Ok(None);
                }
                self.open()?;
                continue;
            };
            let part = &mut self.parts[self.current];
            let next = part.next_number();
            match decoded(|| reader.next()) {
                Some(Ok(batch)) => {
                    let Some(rows) = part.take(batch.num_rows()) else {
                        let excess = format!("row group {} has more rows than the file says", part.group);
                        return Err(self.undecodable(next, None, Arc::new(ParquetError::General(excess))));
                    };
                    let (columns, invalid_texts) = normalize(&mut self.normalizer, &self.columns, &self.object, &batch)
                        .map_err(|(column, cause)| self.undecodable(next, column, Arc::new(cause)))?;
                    return Ok(Some(Batch { rows, columns, invalid_texts }));
                }
                Some(Err(cause)) => {
                    let part = part.clone();
                    return Err(self.undecodable(next, self.culprit(&part), Arc::new(cause)));
                }
                None => {
                    let (group, left) = (part.group, part.left());
                    self.bytes.forget(&self.object.chunks(group, &self.columns));
                    self.reader = None;
                    self.current += 1;
                    if left > 0 {
                        let cause = ParquetError::EOF(format!("row group {group} has fewer rows than the file says"));
                        return Err(self.undecodable(next, None, Arc::new(cause)));
                    }
                }
            }
        }
    }

    fn open(&mut self) -> Result<(), SourceError> {
        let wanted = (self.current + EXPECTED_GROUPS).min(self.parts.len());
        for part in &self.parts[self.expected.max(self.current)..wanted] {
            self.bytes.expect(self.object.chunks(part.group, &self.columns));
        }
        self.expected = wanted;
        let part = &self.parts[self.current];
        let opened =
            decoded(|| Some(self.bytes.decoder(&self.object, part, &self.columns, self.rows).map_err(Into::into)));
        self.reader =
            opened.transpose().map_err(|cause| self.undecodable(part.next_number(), None, Arc::new(cause)))?;
        Ok(())
    }

    /// The error of the storage, where it was the storage that failed; else one that says where decoding stopped.
    fn undecodable(&self, row: u64, column: Option<String>, cause: Cause) -> SourceError {
        let row_group = self.parts.get(self.current).map_or(0, |part| part.group);
        let decode = || SourceError::Decode { object: self.object.name().to_owned(), row, row_group, column, cause };
        self.bytes.failure().unwrap_or_else(decode)
    }

    /// The first column that cannot be decoded by itself, of the rows of a part that are left: the decoder does not say which
    /// it was.
    fn culprit(&self, part: &Part) -> Option<String> {
        if self.bytes.failure().is_some() {
            return None;
        }
        let fails = |column: &&usize| {
            let open = || Some(self.bytes.decoder(&self.object, part, &[**column], self.rows).map_err(Into::into));
            let Some(Ok(mut reader)) = decoded(open) else { return true };
            std::iter::from_fn(|| decoded(|| reader.next())).any(|batch| batch.is_err())
        };
        let column = self.columns.iter().find(fails)?;
        self.object.columns().get(*column).map(|column| column.name.clone())
    }
}

impl Iterator for Batches {
    type Item = Result<Batch, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.next_batch().transpose();
        if matches!(next, Some(Err(_))) {
            self.current = self.parts.len();
            self.reader = None;
        }
        next
    }
}

/// What the decoder returns; a panic of it is an error.
fn decoded<T>(decode: impl FnOnce() -> Option<Result<T, ArrowError>>) -> Option<Result<T, ArrowError>> {
    caught(decode).unwrap_or_else(|reason| Some(Err(ArrowError::ParquetError(reason))))
}

/// Puts the decoded columns into the order in which they were asked for, in normalized types. Says which cells are not text.
fn normalize(
    normalizer: &mut Normalizer,
    wanted: &[usize],
    object: &ParquetObject,
    batch: &RecordBatch,
) -> Result<(RecordBatch, Vec<InvalidText>), (Option<String>, ArrowError)> {
    let mut invalid_texts = Vec::new();
    // The decoder returns the columns in the order of the file.
    let mut in_file_order = wanted.to_vec();
    in_file_order.sort_unstable();
    in_file_order.dedup();
    let mut fields = Vec::with_capacity(wanted.len());
    let mut arrays = Vec::with_capacity(wanted.len());
    for (place, column) in wanted.iter().enumerate() {
        let position = in_file_order.binary_search(column).unwrap_or(usize::MAX);
        let decoded = batch
            .columns()
            .get(position)
            .ok_or_else(|| ArrowError::SchemaError(format!("the decoder returned {} columns", batch.num_columns())))
            .map_err(|cause| (None, cause))?;
        let kind = object.kinds().get(*column).copied().unwrap_or(Kind::Other);
        let name = object.columns().get(*column).map_or("", |schema| schema.name.as_str());
        let array = normalizer
            .normalize(place, kind, decoded, &mut invalid_texts)
            .map_err(|cause| (Some(name.to_owned()), cause))?;
        fields.push(Field::new(name, array.data_type().clone(), true));
        arrays.push(array);
    }
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    invalid_texts.sort_unstable();
    let batch = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options);
    let batch = batch.map_err(|cause| (None, cause))?;
    Ok((batch, invalid_texts))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
    use parquet::arrow::ArrowWriter;
    use parquet::file::properties::WriterProperties;
    use proptest::collection::btree_set;
    use proptest::prelude::*;
    use tempfile::NamedTempFile;

    use super::*;
    use crate::source::Selection;

    const ROWS: usize = 1_000;

    /// Rows with their number in every column, in four row groups of many small pages.
    fn object() -> (ParquetObject, NamedTempFile) {
        let numbers = 0..ROWS;
        let columns = RecordBatch::try_from_iter([
            ("number", Arc::new(Int64Array::from_iter_values(numbers.clone().map(|row| row as i64))) as ArrayRef),
            ("text", Arc::new(StringArray::from_iter_values(numbers.clone().map(|row| format!("row {row}"))))),
            ("float", Arc::new(Float64Array::from_iter(numbers.map(|row| (row % 3 > 0).then_some(row as f64))))),
        ])
        .unwrap();
        let properties =
            WriterProperties::builder().set_max_row_group_row_count(Some(300)).set_data_page_row_count_limit(17);
        let properties = properties.set_write_batch_size(17).build();
        let file = NamedTempFile::new().unwrap();
        let mut writer = ArrowWriter::try_new(file.reopen().unwrap(), columns.schema(), Some(properties)).unwrap();
        writer.write(&columns).unwrap();
        writer.close().unwrap();
        (ParquetObject::open_file(file.path()).unwrap(), file)
    }

    /// The numbers of the rows and what they hold, checked against each other.
    fn read(object: &ParquetObject, selection: &Selection, rows: usize) -> Vec<u64> {
        let mut read = Vec::new();
        for batch in object.read(vec![1, 0], rows, selection).unwrap() {
            let batch = batch.unwrap();
            assert!(batch.columns.num_rows() <= rows);
            for index in 0..batch.columns.num_rows() {
                let cell =
                    |column| arrow::util::display::array_value_to_string(batch.columns.column(column), index).unwrap();
                let number = batch.rows.number(index);
                assert_eq!((cell(0), cell(1)), (format!("row {number}"), number.to_string()));
                read.push(number);
            }
        }
        assert_eq!(object.selected_rows(selection).unwrap(), read.len() as u64);
        read
    }

    #[test]
    fn all_rows_are_read_under_their_numbers() {
        let (object, _file) = object();
        let all: Vec<u64> = (0..ROWS as u64).collect();
        assert_eq!(read(&object, &Selection::All, 64), all);
        assert_eq!(read(&object, &Selection::RowGroups(1..3), 64), all[300..900]);
        assert_eq!(read(&object, &Selection::RowGroups(4..4), 64), [0; 0]);
        assert_eq!(read(&object, &Selection::Rows(vec![299..301, 650..651, 899..1000]), 64).len(), 104);
    }

    #[test]
    fn what_the_object_does_not_have_is_not_read() {
        let (object, file) = object();
        let error = object.read(vec![0], 10, &Selection::rows([1_000])).err().unwrap().to_string();
        let name = file.path().display().to_string();
        insta::assert_snapshot!(error.replace(&name, "FILE"), @"`FILE` does not have what is to be read: row 1000 of 1000 is asked for");
    }

    #[test]
    fn few_rows_take_few_bytes() {
        let (whole, _file) = object();
        read(&whole, &Selection::All, 64);
        let (few, _file) = object();
        read(&few, &Selection::rows([350, 355]), 64);
        assert!(few.bytes_read() < whole.bytes_read() / 2, "{} of {}", few.bytes_read(), whole.bytes_read());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_rows_are_read_as_they_are_in_the_whole_object(
            wanted in btree_set(0..ROWS as u64, 0..400),
            rows in 1_usize..200,
        ) {
            let (object, _file) = object();
            let wanted: Vec<u64> = wanted.into_iter().collect();
            prop_assert_eq!(read(&object, &Selection::rows(wanted.iter().copied()), rows), wanted);
        }
    }
}
