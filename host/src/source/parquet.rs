//! Parquet objects, opened and read batch by batch.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use ::parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::{
    ColumnChunkMetaData, FileMetaData, PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader,
};
use ::parquet::file::reader::{ChunkReader, Length};
use ::parquet::schema::types::{SchemaDescPtr, SchemaDescriptor};
use arrow::datatypes::Schema;
use aws_sdk_s3::Client;
use bytes::Bytes;
use tokio::runtime::Handle;

use super::SourceError;
use super::batches::{self, Batches};
use super::caught::caught;
use super::columns::ColumnSchema;
use super::file::LocalFile;
use super::footer;
use super::nested::Table;
use super::origin::Origin;
use super::outline::{self, Refused};
use super::pool::{Memory, TooLarge};
use super::s3::{S3Location, S3Object};
use super::selection::{self, Part, Selection};
use super::types::{self, Edition};
use super::windows::Windows;

/// What a Parquet file ends with, and the length of that together with the length of its metadata.
const MAGIC: &[u8] = b"PAR1";
const FOOTER_END: usize = 8;

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
    /// The columns, as an edition has them.
    table: Arc<Table>,
    /// The same as the second edition has them.
    second: Arc<Table>,
    /// With the types of the file; that of `metadata` has only what is decoded.
    schema: SchemaDescPtr,
    memory: Memory,
}

impl ParquetObject {
    /// Opens an object in S3 with one request, or with two where the metadata is large.
    ///
    /// # Errors
    ///
    /// When the object does not exist, may not be read, does not answer, is not Parquet, or has another entity tag than
    /// the location names.
    pub async fn open_s3(client: Client, location: S3Location, memory: Memory) -> Result<Self, SourceError> {
        let (object, mut tail) = S3Object::open(client, location).await?;
        let name = object.name();
        let metadata = loop {
            match read_metadata(&name, &tail, object.bytes(), memory)? {
                Metadata::Read(metadata) => break metadata,
                Metadata::Needs(bytes) => tail = object.fetch(object.bytes() - bytes..object.bytes()).await?,
            }
        };
        Self::new(name, Storage::S3(object, Handle::current()), *metadata, memory)
    }

    /// Opens a file. Blocks while its metadata is read.
    ///
    /// # Errors
    ///
    /// When the file does not exist, may not be read, or is not Parquet.
    pub fn open_file(path: &Path, memory: Memory) -> Result<Self, SourceError> {
        let file = LocalFile::open(path)?;
        let name = path.display().to_string();
        let size = file.len();
        let mut needed = size.min(8);
        let metadata = loop {
            let length = usize::try_from(needed).unwrap_or(usize::MAX);
            let tail = file
                .get_bytes(size - needed, length)
                .map_err(|cause| SourceError::Read { object: name.clone(), cause: Arc::new(cause) })?;
            match read_metadata(&name, &tail, size, memory)? {
                Metadata::Read(metadata) => break metadata,
                Metadata::Needs(bytes) => needed = bytes,
            }
        };
        Self::new(name, Storage::File(file), *metadata, memory)
    }

    fn new(name: String, storage: Storage, metadata: ParquetMetaData, memory: Memory) -> Result<Self, SourceError> {
        if let Some(reason) = misplaced(&metadata) {
            return Err(SourceError::Metadata { object: name, reason });
        }
        let file = metadata.file_metadata();
        let (schema, key_values) = (file.schema_descr_ptr(), file.key_value_metadata());
        let table = Arc::new(types::columns(&schema, key_values));
        let second = Arc::new(types::second_edition(&schema, &table));
        let made = caught(|| decoder_metadata(metadata, &schema));
        match made.unwrap_or_else(|reason| Err(ParquetError::General(reason))) {
            Ok(metadata) => Ok(Self { name, storage, metadata, table, second, schema, memory }),
            Err(cause) => Err(SourceError::Metadata { object: name, reason: cause.to_string() }),
        }
    }

    /// The object's name, as `s3://bucket/key` or as a path.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same with its columns and their types as an edition of the contract has them; without this, as the first has them.
    #[must_use]
    pub fn in_types_of(mut self, edition: Edition) -> Self {
        if edition == Edition::Second {
            self.table = Arc::clone(&self.second);
        }
        self
    }

    /// Where it is from.
    pub fn origin(&self) -> Origin {
        match &self.storage {
            Storage::File(file) => {
                let (key, last_modified) = (self.name.clone(), file.last_modified());
                Origin { key, last_modified, ..Origin::default() }
            }
            Storage::S3(object, _) => object.origin(),
        }
    }

    /// The columns, in the order of the file.
    pub fn columns(&self) -> &[ColumnSchema] {
        &self.table.columns
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

    /// What distinguishes it from other versions of the object in S3; none for a file.
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
        Batches::new(self, columns, rows, self.parts(selection)?)
    }

    pub(super) fn parts(&self, selection: &Selection) -> Result<Vec<Part>, SourceError> {
        selection::parts(selection, &self.row_groups())
            .map_err(|reason| SourceError::Selection { object: self.name.clone(), reason })
    }

    /// Where the chunks of leaves stand in the object.
    pub(super) fn chunks(&self, group: usize, leaves: &[usize]) -> Vec<Range<u64>> {
        self.leaves(group, leaves)
            .map(ColumnChunkMetaData::byte_range)
            .map(|(start, length)| start..start.saturating_add(length).min(self.size()))
            .collect()
    }

    /// The chunks of leaves in a row group.
    pub(super) fn leaves(&self, group: usize, leaves: &[usize]) -> impl Iterator<Item = &ColumnChunkMetaData> {
        let chunks = self.metadata.metadata().row_groups().get(group).map_or(&[][..], |group| group.columns());
        leaves.iter().filter_map(|leaf| chunks.get(*leaf))
    }

    fn size(&self) -> u64 {
        match &self.storage {
            Storage::File(file) => file.len(),
            Storage::S3(object, _) => object.bytes(),
        }
    }

    /// Its bytes, for one reading of so many columns.
    pub(super) fn bytes(&self, columns: usize) -> batches::Bytes {
        match &self.storage {
            Storage::File(file) => batches::Bytes::File(file.clone()),
            Storage::S3(object, runtime) => {
                batches::Bytes::S3(Windows::new(object.clone(), runtime.clone(), self.memory.windows(), columns))
            }
        }
    }

    /// The memory that its reading may take.
    pub(super) fn memory(&self) -> Memory {
        self.memory
    }

    pub(super) fn metadata(&self) -> &ArrowReaderMetadata {
        &self.metadata
    }

    /// What each column holds, and where.
    pub(super) fn table(&self) -> &Table {
        &self.table
    }

    /// The schema of the file, in Parquet's own types.
    pub(super) fn file_schema(&self) -> &SchemaDescriptor {
        &self.schema
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

fn read_metadata(object: &str, tail: &Bytes, size: u64, memory: Memory) -> Result<Metadata, SourceError> {
    let not_parquet = |reason: String| SourceError::NotParquet { object: object.to_owned(), reason };
    if size == 0 {
        return Err(not_parquet("it is empty".to_owned()));
    }
    if let Some(footer) = footer_of(tail).filter(|_| tail.ends_with(MAGIC)) {
        outline::check(footer, memory).map_err(|refused| match refused {
            Refused::Damaged(reason) => SourceError::Metadata { object: object.to_owned(), reason },
            Refused::TooLarge(refused) => refused.error(object.to_owned(), memory),
        })?;
    }
    let parse = || {
        let mut reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Skip);
        reader.try_parse_sized(tail, size)?;
        reader.finish()
    };
    match caught(parse).unwrap_or_else(|reason| Err(ParquetError::General(reason))) {
        Ok(metadata) => Ok(Metadata::Read(Box::new(metadata))),
        Err(ParquetError::NeedMoreData(needed)) => {
            if needed as u64 > size || needed <= tail.len() {
                return Err(not_parquet(format!("its metadata claims {needed} bytes, but it is {size} bytes long")));
            }
            if needed > memory.metadata() {
                let refused = TooLarge { what: "its metadata".to_owned(), bytes: needed as u64 };
                return Err(refused.error(object.to_owned(), memory));
            }
            Ok(Metadata::Needs(needed as u64))
        }
        // A file that does not end as Parquet files do.
        Err(cause) if !tail.ends_with(MAGIC) => Err(not_parquet(cause.to_string())),
        Err(cause) => match mended(tail) {
            Some(metadata) => Ok(Metadata::Read(Box::new(metadata))),
            None => Err(SourceError::Metadata { object: object.to_owned(), reason: cause.to_string() }),
        },
    }
}

/// The metadata at the end of a file whose footer the parser refuses, where that can be mended.
fn mended(tail: &[u8]) -> Option<ParquetMetaData> {
    let footer = footer::mended(footer_of(tail)?)?;
    caught(|| ParquetMetaDataReader::decode_metadata(&footer)).ok()?.ok()
}

/// The footer, if all of it has been read.
fn footer_of(tail: &[u8]) -> Option<&[u8]> {
    let (rest, end) = tail.split_last_chunk::<FOOTER_END>()?;
    let (length, _) = end.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    rest.get(rest.len().checked_sub(length)?..)
}

/// What is wrong with the places of column chunks: the parser takes negative numbers, and the decoder panics at them.
fn misplaced(metadata: &ParquetMetaData) -> Option<String> {
    let groups = metadata.row_groups().iter().enumerate();
    let mut chunks = groups.flat_map(|(number, group)| group.columns().iter().map(move |chunk| (number, chunk)));
    let is_misplaced = |chunk: &ColumnChunkMetaData| {
        let start = chunk.dictionary_page_offset().unwrap_or_else(|| chunk.data_page_offset());
        start < 0 || chunk.compressed_size() < 0
    };
    let (number, chunk) = chunks.find(|(_, chunk)| is_misplaced(chunk))?;
    Some(format!("the chunk of column `{}` in row group {number} has a negative place", chunk.column_path().string()))
}

/// The metadata for the decoder, which sees the physical types alone.
fn decoder_metadata(metadata: ParquetMetaData, schema: &SchemaDescriptor) -> Result<ArrowReaderMetadata, ParquetError> {
    let file = metadata.file_metadata();
    let physical = Arc::new(types::physical(schema, file.created_by())?);
    let created_by = file.created_by().map(str::to_owned);
    let file = FileMetaData::new(file.version(), file.num_rows(), created_by, None, physical, None);
    let row_groups = metadata.into_builder().take_row_groups();
    let metadata = Arc::new(ParquetMetaData::new(file, row_groups));
    let options = || ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Skip);
    let own = ArrowReaderMetadata::try_new(Arc::clone(&metadata), options())?;
    let decoded = Arc::new(types::decoded(own.schema(), schema));
    ArrowReaderMetadata::try_new(metadata, options().with_schema(decoded))
}
