//! Parquet objects, opened and read batch by batch.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use ::parquet::arrow::ProjectionMask;
use ::parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use ::parquet::file::reader::ChunkReader;
use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema};
use arrow::error::ArrowError;
use aws_sdk_s3::Client;
use bytes::Bytes;
use tokio::runtime::Handle;

use super::SourceError;
use super::columns::{self, Batch, ColumnSchema};
use super::error::Cause;
use super::file::LocalFile;
use super::s3::{S3Location, S3Object};
use super::windows::Windows;

/// Metadata beyond this is taken for an attack: a thousand row groups of a hundred columns need about 10 MiB.
const METADATA_BYTES: usize = 64 * 1024 * 1024;

/// Where the bytes come from.
#[derive(Clone)]
enum Storage {
    File(LocalFile),
    S3(S3Object, Windows),
}

/// A Parquet object whose metadata has been read.
#[derive(Clone)]
pub struct ParquetObject {
    name: String,
    storage: Storage,
    metadata: ArrowReaderMetadata,
    columns: Vec<ColumnSchema>,
}

impl ParquetObject {
    /// Opens an object in S3 with one request, or with two where the metadata is large.
    ///
    /// # Errors
    ///
    /// When the object does not exist, may not be read, does not answer, or is not Parquet.
    pub async fn open_s3(client: Client, location: S3Location) -> Result<Self, SourceError> {
        let (object, mut tail) = S3Object::open(client, location).await?;
        let name = object.name();
        let metadata = loop {
            match read_metadata(&name, &tail, object.bytes())? {
                Metadata::Read(metadata) => break metadata,
                Metadata::Needs(bytes) => tail = object.fetch(object.bytes() - bytes..object.bytes()).await?,
            }
        };
        let windows = Windows::new(object.clone(), Handle::current());
        Self::new(name, Storage::S3(object, windows), *metadata)
    }

    /// Opens a file. Blocks while its metadata is read.
    ///
    /// # Errors
    ///
    /// When the file does not exist, may not be read, or is not Parquet.
    pub fn open_file(path: &Path) -> Result<Self, SourceError> {
        use ::parquet::file::reader::Length;

        let file = LocalFile::open(path)?;
        let name = path.display().to_string();
        let size = file.len();
        let mut needed = size.min(8);
        let metadata = loop {
            let length = usize::try_from(needed).unwrap_or(usize::MAX);
            let tail = file
                .get_bytes(size - needed, length)
                .map_err(|cause| SourceError::Read { object: name.clone(), cause: Arc::new(cause) })?;
            match read_metadata(&name, &tail, size)? {
                Metadata::Read(metadata) => break metadata,
                Metadata::Needs(bytes) => needed = bytes,
            }
        };
        Self::new(name, Storage::File(file), *metadata)
    }

    fn new(name: String, storage: Storage, metadata: ParquetMetaData) -> Result<Self, SourceError> {
        let metadata = Arc::new(metadata);
        let undecodable =
            |cause: ParquetError| SourceError::NotParquet { object: name.clone(), reason: cause.to_string() };
        let own = ArrowReaderMetadata::try_new(Arc::clone(&metadata), options()).map_err(undecodable)?;
        let schema = Arc::new(columns::decoded(own.schema()));
        let decoded = ArrowReaderMetadata::try_new(metadata, options().with_schema(schema)).map_err(undecodable)?;
        Ok(Self { columns: columns::describe(own.schema()), name, storage, metadata: decoded })
    }

    /// The object's name, as `s3://bucket/key` or as a path.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The columns, in the order of the file.
    pub fn columns(&self) -> &[ColumnSchema] {
        &self.columns
    }

    /// How many rows each row group has.
    pub fn row_groups(&self) -> Vec<u64> {
        self.metadata.metadata().row_groups().iter().map(|group| u64::try_from(group.num_rows()).unwrap_or(0)).collect()
    }

    /// How many rows the object has.
    pub fn rows(&self) -> u64 {
        self.row_groups().iter().sum()
    }

    /// Bytes read so far, by this object and its clones.
    pub fn bytes_read(&self) -> u64 {
        match &self.storage {
            Storage::File(file) => file.bytes_read(),
            Storage::S3(object, _) => object.bytes_read(),
        }
    }

    /// Reads columns, given as indexes into [`Self::columns`], in batches of at most `rows` rows that do not cross row
    /// groups. The iterator blocks: it is for threads that may.
    pub fn read(&self, columns: Vec<usize>, rows: usize) -> Batches {
        Batches {
            groups: 0..self.metadata.metadata().num_row_groups(),
            expected: 0,
            reader: None,
            group_end: 0,
            next_row: 0,
            object: self.clone(),
            columns,
            rows: rows.max(1),
        }
    }

    /// Where the chunks of columns stand in the object.
    fn chunks(&self, group: usize, columns: &[usize]) -> Vec<Range<u64>> {
        let parquet = self.metadata.parquet_schema();
        let Some(group) = self.metadata.metadata().row_groups().get(group) else { return Vec::new() };
        group
            .columns()
            .iter()
            .enumerate()
            .filter(|(leaf, _)| columns.contains(&parquet.get_column_root_idx(*leaf)))
            .map(|(_, chunk)| chunk.byte_range())
            .map(|(start, length)| start..start.saturating_add(length).min(self.bytes()))
            .collect()
    }

    fn bytes(&self) -> u64 {
        use ::parquet::file::reader::Length;

        match &self.storage {
            Storage::File(file) => file.len(),
            Storage::S3(object, _) => object.bytes(),
        }
    }

    /// The schema in which batches are decoded, before they are normalized.
    pub(super) fn decoded_schema(&self) -> Arc<Schema> {
        Arc::clone(self.metadata.schema())
    }

    pub(super) fn open_group(
        &self,
        group: usize,
        columns: &[usize],
        rows: usize,
    ) -> Result<ParquetRecordBatchReader, ParquetError> {
        let mask = ProjectionMask::roots(self.metadata.parquet_schema(), columns.iter().copied());
        fn reader<R: ChunkReader + 'static>(
            storage: R,
            metadata: &ArrowReaderMetadata,
            group: usize,
            mask: ProjectionMask,
            rows: usize,
        ) -> Result<ParquetRecordBatchReader, ParquetError> {
            ParquetRecordBatchReaderBuilder::new_with_metadata(storage, metadata.clone())
                .with_row_groups(vec![group])
                .with_projection(mask)
                .with_batch_size(rows)
                .build()
        }
        match &self.storage {
            Storage::File(file) => reader(file.clone(), &self.metadata, group, mask, rows),
            Storage::S3(_, windows) => reader(windows.clone(), &self.metadata, group, mask, rows),
        }
    }
}

/// The batches of an object, in the order of its rows. After an error there are no more.
pub struct Batches {
    object: ParquetObject,
    columns: Vec<usize>,
    rows: usize,
    groups: Range<usize>,
    /// The row groups before this one have been expected.
    expected: usize,
    reader: Option<(usize, ParquetRecordBatchReader)>,
    /// The row after the last of the row group that is being read.
    group_end: u64,
    next_row: u64,
}

impl Batches {
    fn next_batch(&mut self) -> Result<Option<Batch>, SourceError> {
        loop {
            let Some((group, reader)) = &mut self.reader else {
                let Some(group) = self.groups.next() else { return Ok(None) };
                self.open(group)?;
                continue;
            };
            match reader.next() {
                Some(Ok(batch)) => {
                    let first_row = self.next_row;
                    self.next_row += batch.num_rows() as u64;
                    let columns = normalize(&self.columns, &self.object.columns, &batch)
                        .map_err(|cause| self.undecodable(first_row, Arc::new(cause)))?;
                    return Ok(Some(Batch { first_row, columns }));
                }
                Some(Err(cause)) => return Err(self.undecodable(self.next_row, Arc::new(cause))),
                None => {
                    if let Storage::S3(_, windows) = &self.object.storage {
                        windows.forget(&self.object.chunks(*group, &self.columns));
                    }
                    self.reader = None;
                    if self.next_row != self.group_end {
                        let cause = ParquetError::EOF(format!("the row group ends before row {}", self.group_end));
                        return Err(self.undecodable(self.next_row, Arc::new(cause)));
                    }
                }
            }
        }
    }

    fn open(&mut self, group: usize) -> Result<(), SourceError> {
        if let Storage::S3(_, windows) = &self.object.storage {
            let wanted = (group + 2).min(self.groups.end);
            for ahead in self.expected.max(group)..wanted {
                windows.expect(self.object.chunks(ahead, &self.columns));
            }
            self.expected = wanted;
        }
        let rows = self.object.row_groups().get(group).copied().unwrap_or(0);
        self.group_end = self.next_row + rows;
        let reader = self
            .object
            .open_group(group, &self.columns, self.rows)
            .map_err(|cause| self.undecodable(self.next_row, Arc::new(cause)))?;
        self.reader = Some((group, reader));
        Ok(())
    }

    /// The error of the storage, where it was the storage that failed; else one that says where decoding stopped.
    fn undecodable(&self, row: u64, cause: Cause) -> SourceError {
        let storage = match &self.object.storage {
            Storage::File(_) => None,
            Storage::S3(_, windows) => windows.failure(),
        };
        storage.unwrap_or_else(|| SourceError::Decode { object: self.object.name.clone(), row, cause })
    }
}

impl Iterator for Batches {
    type Item = Result<Batch, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.next_batch().transpose();
        if matches!(next, Some(Err(_))) {
            self.groups = 0..0;
            self.reader = None;
        }
        next
    }
}

/// What a look at the end of a file gives.
enum Metadata {
    Read(Box<ParquetMetaData>),
    /// So many of the last bytes are needed.
    Needs(u64),
}

fn read_metadata(object: &str, tail: &Bytes, size: u64) -> Result<Metadata, SourceError> {
    let not_parquet = |reason: String| SourceError::NotParquet { object: object.to_owned(), reason };
    if size == 0 {
        return Err(not_parquet("it is empty".to_owned()));
    }
    let mut reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Skip);
    match reader.try_parse_sized(tail, size) {
        Ok(()) => match reader.finish() {
            Ok(metadata) => Ok(Metadata::Read(Box::new(metadata))),
            Err(cause) => Err(not_parquet(cause.to_string())),
        },
        Err(ParquetError::NeedMoreData(needed)) => {
            if needed > METADATA_BYTES {
                return Err(not_parquet(format!("its metadata claims {needed} bytes, more than {METADATA_BYTES}")));
            }
            if needed as u64 > size || needed <= tail.len() {
                return Err(not_parquet(format!("its metadata claims {needed} bytes, but it is {size} bytes long")));
            }
            Ok(Metadata::Needs(needed as u64))
        }
        Err(cause) => Err(not_parquet(cause.to_string())),
    }
}

fn options() -> ArrowReaderOptions {
    ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Skip)
}

/// Puts the decoded columns into the order in which they were asked for, in normalized types.
fn normalize(wanted: &[usize], all: &[ColumnSchema], batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    // The decoder returns the columns in the order of the file.
    let mut in_file_order = wanted.to_vec();
    in_file_order.sort_unstable();
    in_file_order.dedup();
    let mut fields = Vec::with_capacity(wanted.len());
    let mut arrays = Vec::with_capacity(wanted.len());
    for column in wanted {
        let position = in_file_order.binary_search(column).unwrap_or(usize::MAX);
        let decoded = batch
            .columns()
            .get(position)
            .ok_or_else(|| ArrowError::SchemaError(format!("the decoder returned {} columns", batch.num_columns())))?;
        let array = columns::normalize(decoded)?;
        let name = all.get(*column).map_or("", |schema| schema.name.as_str());
        fields.push(Field::new(name, array.data_type().clone(), true));
        arrays.push(array);
    }
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
}
