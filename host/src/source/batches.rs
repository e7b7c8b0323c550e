//! The batches of an object, one after the other.
//!
//! A batch has at most so many rows, and about so many bytes: how many rows that are is estimated from what the file's
//! metadata records of a row group. Where a batch would hold more texts than it may, it is read again with fewer rows.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use ::parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use ::parquet::arrow::{FieldLevels, ProjectionMask, parquet_to_arrow_field_levels};
use ::parquet::basic::Type;
use ::parquet::errors::ParquetError;
use ::parquet::file::reader::ChunkReader;
use arrow::array::{Array, RecordBatch};
use arrow::compute::take;
use arrow::datatypes::{Field, Schema};
use arrow::error::ArrowError;

use super::SourceError;
use super::caught::caught;
use super::columns::{Batch, Elements, InvalidText, Normalizer};
use super::error::Cause;
use super::file::LocalFile;
use super::nested::{self, Node, Parted};
use super::pages::{self, Group};
use super::parquet::ParquetObject;
use super::pool::Pool;
use super::selection::Part;
use super::types::Kind;
use super::windows::Windows;

/// By how much the rows of a batch that holds too much are divided.
const FEWER: usize = 4;
/// The most rows of a batch of selected ones: with them, rows between them are decoded.
const SELECTED_ROWS: usize = 1024;

/// What answers the decoder. Each reading has its own, so that readings of one object do not disturb each other.
pub(super) enum Bytes {
    File(LocalFile),
    S3(Windows),
}

impl Bytes {
    /// Begins to fetch column chunks that will be read soon, row group by row group.
    pub(super) fn expect(&self, chunks: Vec<Vec<Range<u64>>>) {
        match self {
            Self::File(_) => {}
            Self::S3(windows) => windows.expect(chunks),
        }
    }

    /// How many bytes should be expected now.
    fn wants(&self) -> u64 {
        match self {
            Self::File(_) => 0,
            Self::S3(windows) => windows.wants(),
        }
    }

    fn cost(&self, chunks: &[Range<u64>]) -> u64 {
        match self {
            Self::File(_) => 0,
            Self::S3(windows) => windows.cost(chunks),
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
        columns: &Columns,
        rows: usize,
        pool: &Arc<Pool>,
    ) -> Result<ParquetRecordBatchReader, ParquetError> {
        match self {
            Self::File(file) => decoder(file.clone(), object, part, columns, rows, pool),
            Self::S3(windows) => decoder(windows.clone(), object, part, columns, rows, pool),
        }
    }
}

/// Columns that are read, as the decoder wants them.
pub(super) struct Columns {
    /// In the order in which they are asked for.
    wanted: Vec<usize>,
    /// What is decoded for them, ascending.
    leaves: Vec<usize>,
    /// How many of them are of a list.
    lists: usize,
    levels: FieldLevels,
    roots: Vec<Node>,
}

impl Columns {
    pub(super) fn new(object: &ParquetObject, wanted: Vec<usize>) -> Result<Self, ParquetError> {
        let table = object.table();
        let lists = wanted.iter().filter_map(|column| table.columns.get(*column)?.list.as_ref());
        if !lists.clone().zip(lists.skip(1)).all(|(one, next)| one == next) {
            return Err(ParquetError::General("columns of several lists are read together".to_owned()));
        }
        let mut leaves: Vec<usize> = wanted.iter().filter_map(|column| table.leaves.get(*column)).copied().collect();
        leaves.sort_unstable();
        leaves.dedup();
        Self::of_leaves(object, wanted, leaves)
    }

    /// All of the file.
    pub(super) fn all(object: &ParquetObject) -> Result<Self, ParquetError> {
        let leaves = 0..object.file_schema().num_columns();
        Self::of_leaves(object, Vec::new(), leaves.collect())
    }

    fn of_leaves(object: &ParquetObject, wanted: Vec<usize>, leaves: Vec<usize>) -> Result<Self, ParquetError> {
        let schema = object.metadata().parquet_schema();
        let mask = ProjectionMask::leaves(schema, leaves.iter().copied());
        let levels = parquet_to_arrow_field_levels(schema, mask, Some(object.decoded_schema().fields()))?;
        let roots = Node::roots(schema, &leaves);
        let lists = leaves.iter().filter(|leaf| schema.column(**leaf).max_rep_level() > 0).count();
        Ok(Self { wanted, leaves, lists, levels, roots })
    }

    /// What is decoded, ascending.
    pub(super) fn leaves(&self) -> &[usize] {
        &self.leaves
    }
}

fn decoder<R: ChunkReader + 'static>(
    bytes: R,
    object: &ParquetObject,
    part: &Part,
    columns: &Columns,
    rows: usize,
    pool: &Arc<Pool>,
) -> Result<ParquetRecordBatchReader, ParquetError> {
    let group = Group {
        bytes: Arc::new(bytes),
        metadata: Arc::clone(object.metadata().metadata()),
        group: part.group,
        pool: Arc::clone(pool),
        columns: columns.leaves.len(),
        repeated: columns.wanted.len(),
        lists: columns.lists,
        rows,
    };
    ParquetRecordBatchReader::try_new_with_row_groups(&columns.levels, &group, rows, part.row_selection())
}

/// The batches of an object, in the order of its rows. After an error there are no more.
pub struct Batches {
    object: ParquetObject,
    bytes: Bytes,
    columns: Columns,
    pool: Arc<Pool>,
    /// The most rows of a batch.
    rows: usize,
    /// The most rows of a batch of the part that is read; where batches of more held too much, fewer.
    fitting: usize,
    parts: Vec<Part>,
    /// The part that is read, or will be.
    current: usize,
    /// The parts before this one have been expected.
    expected: usize,
    reader: Option<ParquetRecordBatchReader>,
    normalizer: Normalizer,
}

impl Batches {
    pub(super) fn new(
        object: &ParquetObject,
        columns: Vec<usize>,
        rows: usize,
        parts: Vec<Part>,
    ) -> Result<Self, SourceError> {
        let columns = Columns::new(object, columns).map_err(|cause| SourceError::Decode {
            object: object.name().to_owned(),
            row: 0,
            row_group: 0,
            column: None,
            cause: Arc::new(cause),
        })?;
        Ok(Self {
            object: object.clone(),
            bytes: object.bytes(columns.leaves.len()),
            columns,
            pool: Pool::new(object.memory()),
            rows: rows.max(1),
            fitting: usize::MAX,
            parts,
            current: 0,
            expected: 0,
            reader: None,
            normalizer: Normalizer::default(),
        })
    }

    /// Stops waiting for bytes at `end`.
    #[must_use]
    pub fn until(mut self, end: Option<Instant>) -> Self {
        if let Bytes::S3(windows) = &mut self.bytes {
            windows.until(end);
        }
        self
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
            self.pool.begin_batch(self.fitting);
            let row_group = u32::try_from(part.group).unwrap_or(u32::MAX);
            match decoded(|| reader.next()) {
                Some(Ok(batch)) => {
                    let Some(rows) = part.take(batch.num_rows()) else {
                        let excess = format!("row group {} has more rows than the file declares", part.group);
                        return Err(self.undecodable(next, None, Arc::new(ParquetError::General(excess))));
                    };
                    let normal = normalize(&mut self.normalizer, &self.columns, &self.object, &batch)
                        .map_err(|(column, cause)| self.undecodable(next, column, Arc::new(cause)))?;
                    let Normal { columns, elements, invalid_texts } = normal;
                    return Ok(Some(Batch { row_group, rows, elements, columns, invalid_texts }));
                }
                Some(Err(_)) if self.pool.overflowed() => {
                    self.fitting = (self.fitting / FEWER).max(1);
                    self.reader = None;
                    self.decode()?;
                }
                Some(Err(cause)) => {
                    if let Some(known) = self.known_failure() {
                        return Err(known);
                    }
                    let part = self.parts[self.current].clone();
                    return Err(self.undecodable(next, self.culprit(&part), Arc::new(cause)));
                }
                None => {
                    let (group, left) = (part.group, part.left());
                    self.bytes.forget(&self.object.chunks(group, &self.columns.leaves));
                    self.reader = None;
                    self.current += 1;
                    if left > 0 {
                        let cause =
                            ParquetError::EOF(format!("row group {group} has fewer rows than the file declares"));
                        return Err(self.undecodable(next, None, Arc::new(cause)));
                    }
                }
            }
        }
    }

    /// Begins the next part.
    fn open(&mut self) -> Result<(), SourceError> {
        let mut wanted = self.bytes.wants();
        let mut ahead = Vec::new();
        self.expected = self.expected.max(self.current);
        while let Some(part) = self.parts.get(self.expected)
            && (wanted > 0 || self.expected == self.current)
        {
            let chunks = self.object.chunks(part.group, &self.columns.leaves);
            wanted = wanted.saturating_sub(self.bytes.cost(&chunks));
            ahead.push(chunks);
            self.expected += 1;
        }
        self.bytes.expect(ahead);
        // Fewer than were estimated may have fitted in the part before.
        self.fitting = self.estimate(self.parts[self.current].group).min(self.fitting.saturating_mul(2));
        self.decode()
    }

    fn decode(&mut self) -> Result<(), SourceError> {
        let part = &self.parts[self.current];
        let rows = if part.row_selection().is_some() { self.fitting.min(SELECTED_ROWS) } else { self.fitting };
        let open = || self.bytes.decoder(&self.object, part, &self.columns, rows, &self.pool);
        let opened = decoded(|| Some(open().map_err(Into::into))).transpose();
        self.reader = opened.map_err(|cause| self.undecodable(part.next_number(), None, Arc::new(cause)))?;
        Ok(())
    }

    /// How many rows of a row group a batch has room for.
    fn estimate(&self, group: usize) -> usize {
        let leaves = || self.object.leaves(group, &self.columns.leaves);
        // As many as a list has on average: everything is copied for each of its elements.
        let group_rows = self.object.row_groups().get(group).copied().unwrap_or(0).max(1);
        let lists = leaves().filter(|chunk| chunk.column_descr().max_rep_level() > 0);
        let elements = lists.map(|chunk| u64::try_from(chunk.num_values()).unwrap_or(0).div_ceil(group_rows));
        let elements = elements.max();
        let (has_lists, elements) = (elements.is_some(), elements.unwrap_or(1).max(1));
        let bytes: u64 = leaves()
            .map(|chunk| match chunk.column_type() {
                Type::BYTE_ARRAY | Type::FIXED_LEN_BYTE_ARRAY => {
                    let bytes = u64::try_from(chunk.uncompressed_size()).unwrap_or(0);
                    // A code, and the text.
                    4 + bytes / u64::try_from(chunk.num_values()).unwrap_or(0).max(1)
                }
                Type::BOOLEAN => 1,
                // In the widest type that they are normalized to.
                Type::INT32 | Type::INT64 | Type::INT96 | Type::FLOAT | Type::DOUBLE => 8,
            })
            .sum();
        // As much as is assumed of an element where pages are looked at, which may take it twice.
        let element = 2 * pages::ELEMENT_BYTES * (self.columns.wanted.len() + 1);
        let bytes = if has_lists { bytes.max(element as u64) } else { bytes };
        let rows = (self.pool.memory().batch() as u64 / bytes.max(1)).min(self.rows as u64) / elements;
        usize::try_from(rows).unwrap_or(usize::MAX).clamp(1, self.rows)
    }

    /// Why decoding stopped: what has no room, or what the storage failed with, or what the decoder reports.
    fn undecodable(&self, row: u64, column: Option<String>, cause: Cause) -> SourceError {
        let row_group = self.parts.get(self.current).map_or(0, |part| part.group);
        let object = self.object.name().to_owned();
        self.known_failure().unwrap_or(SourceError::Decode { object, row, row_group, column, cause })
    }

    /// What has no room, or what the storage failed with; returned once.
    fn known_failure(&self) -> Option<SourceError> {
        let refused = self.pool.refused();
        let refused = refused.map(|refused| refused.error(self.object.name().to_owned(), self.pool.memory()));
        refused.or_else(|| self.bytes.failure())
    }

    /// The first column that cannot be decoded by itself, of the rows of a part that are left: the decoder does not report
    /// which it was.
    fn culprit(&self, part: &Part) -> Option<String> {
        let fails = |column: &&usize| {
            let Ok(only) = Columns::new(&self.object, vec![**column]) else { return true };
            let open = || self.bytes.decoder(&self.object, part, &only, self.fitting, &self.pool);
            let Some(Ok(mut reader)) = decoded(|| Some(open().map_err(Into::into))) else { return true };
            std::iter::from_fn(|| decoded(|| reader.next())).any(|batch| batch.is_err())
        };
        let column = self.columns.wanted.iter().find(fails)?;
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

/// Decoded columns, normalized.
struct Normal {
    columns: RecordBatch,
    elements: Option<Elements>,
    /// Which cells are not text.
    invalid_texts: Vec<InvalidText>,
}

/// Puts the decoded columns into the order in which they were asked for, in normalized types. Where some are of a list, the
/// others are copied for each of its elements.
fn normalize(
    normalizer: &mut Normalizer,
    columns: &Columns,
    object: &ParquetObject,
    batch: &RecordBatch,
) -> Result<Normal, (Option<String>, ArrowError)> {
    let Parted { elements, leaves } = Parted::of(&columns.roots, batch.columns()).map_err(|cause| (None, cause))?;
    let table = object.table();
    let repeated = elements.as_ref().map(nested::rows);
    let mut invalid_texts = Vec::new();
    let mut fields = Vec::with_capacity(columns.wanted.len());
    let mut arrays = Vec::with_capacity(columns.wanted.len());
    for (place, column) in columns.wanted.iter().enumerate() {
        let (schema, kind) = (table.columns.get(*column), table.kinds.get(*column).copied().unwrap_or(Kind::Other));
        let name = schema.map_or("", |schema| schema.name.as_str());
        let leaf = table.leaves.get(*column).copied().unwrap_or(usize::MAX);
        let before = invalid_texts.len();
        let mut normalized = || match (kind, &elements, &repeated) {
            (Kind::Position, Some(elements), _) => Ok(nested::positions(elements)),
            (_, Some(elements), Some(repeated)) if schema.is_some_and(|schema| schema.list.is_none()) => {
                let array = leaves.get(leaf)?;
                let array = normalizer.normalize(place, kind, array, &mut invalid_texts)?;
                // A row is rejected once. One without elements is not looked at.
                let rows = invalid_texts.drain(before..).collect::<Vec<_>>();
                let rows = rows.into_iter().map(|text| (elements.of(text.row), text.column));
                let first = rows.filter(|(elements, _)| !elements.is_empty());
                invalid_texts.extend(first.map(|(elements, column)| InvalidText { row: elements.start, column }));
                take(&array, repeated, None)
            }
            _ => normalizer.normalize(place, kind, leaves.get(leaf)?, &mut invalid_texts),
        };
        let array = normalized().map_err(|cause| (Some(name.to_owned()), cause))?;
        fields.push(Field::new(name, array.data_type().clone(), true));
        arrays.push(array);
    }
    let rows = repeated.map_or(batch.num_rows(), |rows| rows.len());
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows));
    invalid_texts.sort_unstable();
    let batch = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options);
    let columns = batch.map_err(|cause| (None, cause))?;
    Ok(Normal { columns, elements, invalid_texts })
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
    use crate::source::{Memory, Selection};

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
        (ParquetObject::open_file(file.path(), Memory::default()).unwrap(), file)
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
