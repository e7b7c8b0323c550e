//! Parquet objects, opened and read batch by batch.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use ::parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use ::parquet::file::reader::{ChunkReader, Length};
use arrow::datatypes::Schema;
use aws_sdk_s3::Client;
use bytes::Bytes;
use tokio::runtime::Handle;

use super::SourceError;
use super::batches::{self, Batches};
use super::columns::{self, ColumnSchema};
use super::file::LocalFile;
use super::s3::{S3Location, S3Object};
use super::selection::{self, Part, Selection};
use super::windows::Windows;

/// Metadata beyond this is taken for an attack: a thousand row groups of a hundred columns need about 10 MiB.
const METADATA_BYTES: usize = 64 * 1024 * 1024;

/// Where the bytes come from.
#[derive(Clone)]
enum Storage {
    File(LocalFile),
    /// With what does the fetching.
    S3(S3Object, Handle),
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
    /// When the object does not exist, may not be read, does not answer, is not Parquet, or has another entity tag than
    /// the location says.
    pub async fn open_s3(client: Client, location: S3Location) -> Result<Self, SourceError> {
        let (object, mut tail) = S3Object::open(client, location).await?;
        let name = object.name();
        let metadata = loop {
            match read_metadata(&name, &tail, object.bytes())? {
                Metadata::Read(metadata) => break metadata,
                Metadata::Needs(bytes) => tail = object.fetch(object.bytes() - bytes..object.bytes()).await?,
            }
        };
        Self::new(name, Storage::S3(object, Handle::current()), *metadata)
    }

    /// Opens a file. Blocks while its metadata is read.
    ///
    /// # Errors
    ///
    /// When the file does not exist, may not be read, or is not Parquet.
    pub fn open_file(path: &Path) -> Result<Self, SourceError> {
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

    /// What tells it from other states of the object in S3; none for a file.
    pub fn state(&self) -> Option<super::ObjectState> {
        match &self.storage {
            Storage::File(..) => None,
            Storage::S3(object, _) => object.state(),
        }
    }

    /// The entity tag, without quotation marks, of an object of S3: the state in which it is read.
    pub fn etag(&self) -> Option<&str> {
        match &self.storage {
            Storage::File(_) => None,
            Storage::S3(object, _) => object.etag(),
        }
    }

    /// How many rows a selection has.
    ///
    /// # Errors
    ///
    /// [`SourceError::Selection`] when it does not fit the object.
    pub fn selected_rows(&self, selection: &Selection) -> Result<u64, SourceError> {
        Ok(self.parts(selection)?.iter().map(Part::left).sum())
    }

    /// Reads columns, given as indexes into [`Self::columns`], of the selected rows, in batches of at most `rows` rows
    /// that do not cross row groups. The iterator blocks: it is for threads that may. Readings of one object do not
    /// disturb each other.
    ///
    /// # Errors
    ///
    /// [`SourceError::Selection`] when the selection does not fit the object.
    pub fn read(&self, columns: Vec<usize>, rows: usize, selection: &Selection) -> Result<Batches, SourceError> {
        Ok(Batches::new(self, columns, rows, self.parts(selection)?))
    }

    pub(super) fn parts(&self, selection: &Selection) -> Result<Vec<Part>, SourceError> {
        selection::parts(selection, &self.row_groups())
            .map_err(|reason| SourceError::Selection { object: self.name.clone(), reason })
    }

    /// Where the chunks of columns stand in the object.
    pub(super) fn chunks(&self, group: usize, columns: &[usize]) -> Vec<Range<u64>> {
        let parquet = self.metadata.parquet_schema();
        let Some(group) = self.metadata.metadata().row_groups().get(group) else { return Vec::new() };
        group
            .columns()
            .iter()
            .enumerate()
            .filter(|(leaf, _)| columns.contains(&parquet.get_column_root_idx(*leaf)))
            .map(|(_, chunk)| chunk.byte_range())
            .map(|(start, length)| start..start.saturating_add(length).min(self.size()))
            .collect()
    }

    fn size(&self) -> u64 {
        match &self.storage {
            Storage::File(file) => file.len(),
            Storage::S3(object, _) => object.bytes(),
        }
    }

    /// Its bytes, for one reading.
    pub(super) fn bytes(&self) -> batches::Bytes {
        match &self.storage {
            Storage::File(file) => batches::Bytes::File(file.clone()),
            Storage::S3(object, runtime) => batches::Bytes::S3(Windows::new(object.clone(), runtime.clone())),
        }
    }

    pub(super) fn metadata(&self) -> &ArrowReaderMetadata {
        &self.metadata
    }

    /// The schema in which batches are decoded, before they are normalized.
    pub(super) fn decoded_schema(&self) -> Arc<Schema> {
        Arc::clone(self.metadata.schema())
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
