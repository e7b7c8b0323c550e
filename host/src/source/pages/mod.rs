//! The pages of column chunks, in pieces that fit in memory.
//!
//! The parquet crate takes a page as a whole: the bytes that its header declares, compressed, and again uncompressed. Some
//! writers make one page of a column chunk, and headers lie. So pages are read here, and the decoder is given slices:
//!
//! ```text
//! header ─ fits? ──────────────────────────→ uncompressed as a whole → decoder
//!    │  └─ is longer than its share ─ stream → uncompressed in slices → decoder, a slice at a time
//!    └─ has no room ───────────────────────→ refused, before anything is allocated
//! ```
//!
//! A dictionary of texts that is large, or whose texts are long, stays here too: its pages become slices of plain text, so
//! that a batch holds the texts of its own rows and not those of the row group.

mod deltas;
mod header;
mod lists;
mod runs;
mod slices;
mod unpack;
mod whole;

use std::ops::Range;
use std::sync::Arc;

use ::parquet::arrow::arrow_reader::RowGroups;
use ::parquet::basic::{Compression, Encoding, Type};
use ::parquet::column::page::{Page, PageIterator, PageMetadata, PageReader};
use ::parquet::errors::{ParquetError, Result};
use ::parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use ::parquet::file::reader::ChunkReader;
use ::parquet::schema::types::ColumnDescPtr;
use bytes::Bytes;

use super::pool::{Held, Pool};
use header::{Kind, PageHeader, Problem};
use lists::Lists;
use slices::{Slices, Texts, Values};
use whole::Unpacker;

/// The largest slice, and dictionary of texts that the decoder is given.
const MOST_SHARE: usize = 1024 * 1024;
/// The smallest: below, a slice costs more than what it holds.
const LEAST_SHARE: usize = 16 * 1024;
/// What is read at a time of a page that is streamed.
const BLOCK_BYTES: usize = 16 * 1024;
/// How many batches' memory a column may take if each of its rows had the longest text of the dictionary.
const MOST_REPEATED: usize = 4;
/// What an element of a list takes in each column.
pub(super) const ELEMENT_BYTES: usize = 8;
/// What is read of a header at first. Most have some dozens of bytes.
const HEADER_BYTES: usize = 128;
/// Statistics make headers long; none is longer than this.
const MOST_HEADER_BYTES: usize = 16 * 1024 * 1024;

/// A row group, as the decoder sees it.
pub(super) struct Group<R> {
    pub(super) bytes: Arc<R>,
    pub(super) metadata: Arc<ParquetMetaData>,
    pub(super) group: usize,
    pub(super) pool: Arc<Pool>,
    /// How many columns are read.
    pub(super) columns: usize,
    /// How many are copied for each element of a list.
    pub(super) repeated: usize,
    /// How many are of the list.
    pub(super) lists: usize,
    /// The most rows of a batch.
    pub(super) rows: usize,
}

impl<R> Group<R> {
    fn row_group(&self) -> &RowGroupMetaData {
        self.metadata.row_group(self.group)
    }
}

impl<R: ChunkReader + 'static> RowGroups for Group<R> {
    fn num_rows(&self) -> usize {
        usize::try_from(self.row_group().num_rows()).unwrap_or(0)
    }

    fn column_chunks(&self, column: usize) -> Result<Box<dyn PageIterator>> {
        let chunk = self.row_group().column(column);
        let (start, length) = chunk.byte_range();
        let share = self.pool.memory().slices() / self.columns.max(1);
        let pages = Pages {
            bytes: Arc::clone(&self.bytes),
            rest: start..start.saturating_add(length),
            compression: chunk.compression(),
            unpacker: Unpacker::default(),
            column: chunk.column_descr_ptr(),
            group: self.group,
            pool: Arc::clone(&self.pool),
            share: share.clamp(LEAST_SHARE, MOST_SHARE),
            rows: self.rows,
            header: None,
            dictionary: None,
            slices: None,
            ready: None,
            held: None,
            dictionary_held: None,
            dictionary_bytes: 0,
            given: (0, 0),
            lists: Lists::default(),
            element_bytes: ELEMENT_BYTES * (self.repeated + 1),
            list_columns: self.lists.max(1),
        };
        Ok(Box::new(Only(Some(Box::new(pages)))))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(std::iter::once(self.row_group()))
    }

    fn metadata(&self) -> &ParquetMetaData {
        &self.metadata
    }
}

/// The header of a page whose bytes are unpacked.
fn unpacked(header: &PageHeader, bytes: &Bytes) -> PageHeader {
    let mut header = PageHeader { uncompressed: bytes.len(), compressed: bytes.len(), ..header.clone() };
    if let Kind::DataV2 { is_compressed, .. } = &mut header.kind {
        *is_compressed = false;
    }
    header
}

/// The one chunk of a column in a row group.
struct Only(Option<Box<dyn PageReader>>);

impl Iterator for Only {
    type Item = Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.take().map(Ok)
    }
}

impl PageIterator for Only {}

/// The pages of a column chunk.
struct Pages<R> {
    bytes: Arc<R>,
    /// What has not been read of the chunk.
    rest: Range<u64>,
    compression: Compression,
    unpacker: Unpacker,
    column: ColumnDescPtr,
    group: usize,
    pool: Arc<Pool>,
    /// What a page may hold before it is given in slices.
    share: usize,
    rows: usize,
    /// A header that has been read; the page follows.
    header: Option<PageHeader>,
    /// A dictionary of texts that the decoder is not given.
    dictionary: Option<Arc<Texts>>,
    /// The page that is being given in slices.
    slices: Option<Slices>,
    /// A page that was looked at before it is asked for.
    ready: Option<Page>,
    /// For the page that the decoder has.
    held: Option<Held>,
    dictionary_held: Option<Held>,
    /// What the decoder's dictionary takes.
    dictionary_bytes: usize,
    /// What was given last of texts and elements, in bytes, and for which batch.
    given: (u64, usize),
    lists: Lists,
    /// What an element of a list takes, with what is copied for it.
    element_bytes: usize,
    /// By how many columns its bytes are counted.
    list_columns: usize,
}

impl<R: ChunkReader + 'static> Pages<R> {
    fn is_text(&self) -> bool {
        self.column.physical_type() == Type::BYTE_ARRAY
    }

    fn named(&self, what: &str) -> String {
        format!("{what} of column `{}` in row group {}", self.column.path().string(), self.group)
    }

    /// The header of the next page, which stays where it is.
    fn header(&mut self) -> Result<Option<&PageHeader>> {
        while self.header.is_none() && !self.rest.is_empty() {
            let header = self.read_header()?;
            self.rest.start += header.length as u64;
            if header.compressed as u64 > self.rest.end - self.rest.start {
                let error = format!("{} ends beyond its column chunk", self.named("a page"));
                return Err(ParquetError::EOF(error));
            }
            match header.kind {
                Kind::Index => self.rest.start += header.compressed as u64,
                _ => self.header = Some(header),
            }
        }
        Ok(self.header.as_ref())
    }

    fn read_header(&self) -> Result<PageHeader> {
        let left = usize::try_from(self.rest.end - self.rest.start).unwrap_or(usize::MAX);
        let mut length = HEADER_BYTES.min(left);
        loop {
            let bytes = self.bytes.get_bytes(self.rest.start, length)?;
            match header::parse(&bytes) {
                Ok(header) => return Ok(header),
                Err(Problem::Short) if length < left.min(MOST_HEADER_BYTES) => length = (length * 4).min(left),
                Err(problem) => {
                    let reason = match problem {
                        Problem::Short => "its header does not end",
                        Problem::Invalid(reason) => reason,
                    };
                    return Err(ParquetError::General(format!("{} cannot be read: {reason}", self.named("a page"))));
                }
            }
        }
    }

    /// The page after `header`, which was taken.
    fn body(&mut self, header: &PageHeader) -> Range<u64> {
        let body = self.rest.start..self.rest.start + header.compressed as u64;
        self.rest.start = body.end;
        body
    }

    /// Prepares the next page: what the decoder gets, or a dictionary that stays here, or slices.
    fn advance(&mut self) -> Result<bool> {
        if self.header()?.is_none() {
            return Ok(false);
        }
        let Some(header) = self.header.take() else { return Ok(false) };
        let body = self.body(&header);
        // What the decoder has made of a dictionary it holds alone.
        if let (None, Some(held)) = (&self.dictionary, &mut self.dictionary_held) {
            held.shrink(self.dictionary_bytes);
        }
        match header.kind {
            Kind::Dictionary { values, encoding, is_sorted } => {
                // What stays here is held once, with where its texts begin; else the decoder copies what it is given.
                let copy = if self.is_kept_by_length(&header) { values.saturating_mul(4) } else { header.uncompressed };
                let bytes = self.whole(&header, body, "the dictionary", Some(copy))?;
                self.has_values(&bytes, values)?;
                if self.keeps(&bytes, values)? {
                    let texts = Texts::new(bytes, values).map_err(|error| self.damaged(&error))?;
                    self.dictionary = Some(Arc::new(texts));
                } else {
                    let values = u32::try_from(values)?;
                    self.dictionary_bytes = bytes.len();
                    self.ready = Some(Page::DictionaryPage { buf: bytes, num_values: values, encoding, is_sorted });
                }
            }
            _ if header.kind.encoding().is_some_and(deltas::is_of) => self.deltas(&header, body)?,
            _ => match self.slices(&header, &body)? {
                Some(slices) => self.slices = Some(slices),
                None => self.ready = Some(self.page(&header, body)?),
            },
        }
        Ok(true)
    }

    /// Whether columns like this one may be given in slices: those of structs and lists never are.
    fn is_flat(&self) -> bool {
        self.column.max_rep_level() == 0 && self.column.max_def_level() <= 1
    }

    fn is_kept_by_length(&self, header: &PageHeader) -> bool {
        self.is_text() && self.is_flat() && header.uncompressed > self.share
    }

    /// Holds a dictionary against the values that it claims, for which the decoder makes room.
    fn has_values(&self, bytes: &Bytes, values: usize) -> Result<()> {
        let most = match self.column.physical_type() {
            // Their lengths are looked at when it is known whether they stay.
            Type::BYTE_ARRAY => bytes.len() / 4,
            Type::BOOLEAN => bytes.len().saturating_mul(8),
            physical => bytes.len() / slices::width(physical, self.column.type_length()).max(1),
        };
        if values > most {
            return Err(self.damaged(&runs::invalid("a dictionary is cut off")));
        }
        Ok(())
    }

    /// Whether a dictionary stays here.
    fn keeps(&self, bytes: &Bytes, values: usize) -> Result<bool> {
        if !self.is_text() || !self.is_flat() {
            return Ok(false);
        }
        if bytes.len() > self.share {
            return Ok(true);
        }
        let longest = slices::longest(bytes, values).map_err(|error| self.damaged(&error))?;
        Ok(longest.saturating_mul(self.rows) > MOST_REPEATED * self.pool.memory().batch())
    }

    /// A page, uncompressed, with what it takes set aside; of a dictionary with what is made of it besides.
    fn whole(&mut self, header: &PageHeader, body: Range<u64>, what: &str, dictionary: Option<usize>) -> Result<Bytes> {
        let held = header.uncompressed.saturating_add(dictionary.unwrap_or(0));
        *self.place(dictionary) = None;
        // Where it is long, it is not held compressed besides.
        let is_long = header.compressed > self.share && !matches!(header.kind, Kind::DataV2 { .. });
        let streamed = unpack::held(self.compression).filter(|holds| is_long && *holds > 0);
        let packed = streamed.unwrap_or(header.compressed);
        let mut set_aside = self.pool.hold(held.saturating_add(packed), || self.named(what))?;
        if streamed.is_some() {
            let blocks = slices::Blocks::new(Arc::clone(&self.bytes), body, header.crc);
            let bytes = whole::unpack_stream(self.compression, blocks, header.uncompressed);
            let bytes = bytes.map_err(|error| self.damaged(&error))?;
            set_aside.shrink(held);
            *self.place(dictionary) = Some(set_aside);
            return Ok(bytes);
        }
        let packed = self.bytes.get_bytes(body.start, header.compressed)?;
        if header.crc.is_some_and(|crc| crc != crc32fast::hash(&packed)) {
            return Err(ParquetError::General(format!("the checksum of {} does not match", self.named(what))));
        }
        let levels = match header.kind {
            Kind::DataV2 { levels: [repetitions, definitions], .. } => repetitions.saturating_add(definitions),
            Kind::Data { .. } | Kind::Dictionary { .. } | Kind::Index => 0,
        };
        let is_compressed = !matches!(header.kind, Kind::DataV2 { is_compressed: false, .. });
        let compression = if is_compressed { self.compression } else { Compression::UNCOMPRESSED };
        let bytes = self.unpacker.unpack(compression, packed, levels, header.uncompressed);
        let bytes = bytes.map_err(|error| self.damaged(&error))?;
        set_aside.shrink(held);
        *self.place(dictionary) = Some(set_aside);
        Ok(bytes)
    }

    /// Where it is noted what is set aside for a page, or for a dictionary.
    fn place(&mut self, dictionary: Option<usize>) -> &mut Option<Held> {
        if dictionary.is_some() { &mut self.dictionary_held } else { &mut self.held }
    }

    fn damaged(&self, error: &std::io::Error) -> ParquetError {
        ParquetError::General(format!("{} cannot be read: {error}", self.named("a page")))
    }

    /// A page of texts in a delta encoding: as it is where plain texts would not be long either, else in slices, or with plain texts.
    fn deltas(&mut self, header: &PageHeader, body: Range<u64>) -> Result<()> {
        let bytes = self.whole(header, body, "a page", None)?;
        let texts = deltas::Texts::new(&bytes, &header.kind, &self.column).map_err(|error| self.damaged(&error))?;
        let plain_bytes = texts.plain_bytes();
        if plain_bytes <= self.share {
            self.ready = Some(self.page_of(header, bytes, plain_bytes)?);
            return Ok(());
        }
        if self.is_text() && self.is_flat() {
            self.slices = Some(self.slices_of(&unpacked(header, &bytes), bytes, Values::Deltas(Box::new(texts)))?);
            return Ok(());
        }
        let held = self.pool.hold(plain_bytes, || self.named("the texts of a page"))?;
        let plain = Bytes::from(texts.plain().map_err(|error| self.damaged(&error))?);
        self.held = Some(held);
        let mut header = unpacked(header, &plain);
        if let Kind::Data { encoding, .. } | Kind::DataV2 { encoding, .. } = &mut header.kind {
            *encoding = Encoding::PLAIN;
        }
        self.ready = Some(self.page_of(&header, plain, plain_bytes)?);
        Ok(())
    }

    /// A page of data as a whole.
    fn page(&mut self, header: &PageHeader, body: Range<u64>) -> Result<Page> {
        let buf = self.whole(header, body, "a page", None)?;
        let bytes = buf.len();
        self.page_of(header, buf, bytes)
    }

    /// A page of data, which is unpacked, and has so many bytes with plain texts.
    fn page_of(&mut self, header: &PageHeader, buf: Bytes, plain_bytes: usize) -> Result<Page> {
        let elements = self.elements(&buf, header)?;
        match header.kind {
            Kind::DataV2 { values, nulls, rows, encoding, levels: [repetitions, definitions], .. } => {
                self.count(encoding, plain_bytes, elements)?;
                Ok(Page::DataPageV2 {
                    buf,
                    num_values: u32::try_from(values)?,
                    encoding,
                    num_nulls: u32::try_from(nulls)?,
                    num_rows: u32::try_from(rows)?,
                    def_levels_byte_len: u32::try_from(definitions)?,
                    rep_levels_byte_len: u32::try_from(repetitions)?,
                    is_compressed: false,
                    statistics: None,
                })
            }
            Kind::Data { values, encoding, definitions, repetitions } => {
                self.count(encoding, plain_bytes, elements)?;
                Ok(Page::DataPage {
                    buf,
                    num_values: u32::try_from(values)?,
                    encoding,
                    def_level_encoding: definitions,
                    rep_level_encoding: repetitions,
                    statistics: None,
                })
            }
            Kind::Dictionary { .. } | Kind::Index => Err(ParquetError::General("a page is not of data".to_owned())),
        }
    }

    /// The page in slices, where it is to be given so.
    fn slices(&mut self, header: &PageHeader, body: &Range<u64>) -> Result<Option<Slices>> {
        let Some(encoding) = header.kind.encoding() else { return Ok(None) };
        let codes = matches!(encoding, Encoding::PLAIN_DICTIONARY | Encoding::RLE_DICTIONARY);
        let kept = self.dictionary.clone().filter(|_| codes);
        let Some(stream_holds) = unpack::held(self.compression).filter(|_| self.can_slice(header)) else {
            return match kept {
                // What was kept must be used.
                Some(_) => self.slices_of_whole(header, body.clone(), kept).map(Some),
                None => Ok(None),
            };
        };
        let stream_holds = stream_holds.min(header.uncompressed) + BLOCK_BYTES;
        if header.uncompressed.max(header.compressed) <= self.share.max(stream_holds) {
            return match kept {
                Some(_) => self.slices_of_whole(header, body.clone(), kept).map(Some),
                None => Ok(None),
            };
        }
        self.held = None;
        self.held = Some(self.pool.hold(stream_holds.saturating_add(self.share), || self.named("a page"))?);
        let blocks = slices::Blocks::new(Arc::clone(&self.bytes), body.clone(), header.crc);
        let slices = Slices::start(header, blocks, self.compression, self.values(encoding, kept), &self.column);
        slices.map(Some).map_err(|error| self.damaged(&error))
    }

    /// A small page of codes of a dictionary that was kept.
    fn slices_of_whole(&mut self, header: &PageHeader, body: Range<u64>, kept: Option<Arc<Texts>>) -> Result<Slices> {
        let bytes = self.whole(header, body, "a page", None)?;
        let Some(encoding) = header.kind.encoding() else {
            return Err(ParquetError::General("a page is not of data".to_owned()));
        };
        self.slices_of(&unpacked(header, &bytes), bytes, self.values(encoding, kept))
    }

    fn slices_of(&self, header: &PageHeader, bytes: Bytes, values: Values) -> Result<Slices> {
        let bytes = std::io::Cursor::new(bytes);
        let slices = Slices::start(header, bytes, Compression::UNCOMPRESSED, values, &self.column);
        slices.map_err(|error| self.damaged(&error))
    }

    fn values(&self, encoding: Encoding, kept: Option<Arc<Texts>>) -> Values {
        match (kept, encoding, self.column.physical_type()) {
            (Some(texts), ..) => Values::TextsOfCodes(texts),
            (None, Encoding::PLAIN, Type::BYTE_ARRAY) => Values::Texts,
            (None, Encoding::PLAIN, physical) => Values::Fixed(slices::width(physical, self.column.type_length())),
            (None, ..) => Values::Codes(encoding),
        }
    }

    /// Whether pages of this column in this encoding can be given in slices.
    fn can_slice(&self, header: &PageHeader) -> bool {
        let (encoding, definitions) = match header.kind {
            Kind::Data { encoding, definitions, .. } => (encoding, definitions),
            Kind::DataV2 { encoding, .. } => (encoding, Encoding::RLE),
            Kind::Dictionary { .. } | Kind::Index => return false,
        };
        let is_known = match encoding {
            Encoding::PLAIN => self.column.physical_type() != Type::BOOLEAN,
            Encoding::PLAIN_DICTIONARY | Encoding::RLE_DICTIONARY => true,
            _ => false,
        };
        self.is_flat() && is_known && definitions == Encoding::RLE
    }

    /// What a page of a list's column takes by its elements, in bytes. Lists that have no room are refused, and batches that would
    /// hold too much are begun again with fewer rows.
    fn elements(&mut self, page: &[u8], header: &PageHeader) -> Result<usize> {
        let highest = self.column.max_rep_level();
        if highest == 0 {
            return Ok(0);
        }
        let measured = self.lists.measure(page, &header.kind, highest, self.rows);
        let measured = measured.map_err(|error| self.damaged(&error))?;
        let bytes = |elements: u64| usize::try_from(elements).unwrap_or(usize::MAX).saturating_mul(self.element_bytes);
        if bytes(measured.longest) > self.pool.memory().text() {
            let what = format!("{}, of at least {} elements,", self.named("a list"), measured.longest);
            return Err(self.pool.refuse(what, bytes(measured.longest)));
        }
        self.pool.fits(bytes(measured.batch))?;
        Ok(bytes(measured.values) / self.list_columns)
    }

    /// Counts texts, and elements of lists, that the decoder is given. What it was given before for the same batch is in the batch.
    fn count(&mut self, encoding: Encoding, bytes: usize, elements: usize) -> Result<()> {
        let is_coded = matches!(encoding, Encoding::PLAIN_DICTIONARY | Encoding::RLE_DICTIONARY);
        let bytes = elements.saturating_add(if self.is_text() && !is_coded { bytes } else { 0 });
        if bytes == 0 {
            return Ok(());
        }
        let batch = self.pool.batch();
        if self.given.0 == batch {
            self.pool.count(self.given.1)?;
        }
        self.given = (batch, bytes);
        Ok(())
    }

    /// Makes the next page ready, if there is one.
    fn prepare(&mut self) -> Result<bool> {
        loop {
            if self.ready.is_some() {
                return Ok(true);
            }
            if let Some(slices) = &mut self.slices {
                let most = self.pool.memory().text();
                if let Some(page) = slices.next(self.share, most).map_err(|error| match error {
                    slices::Failure::Damaged(error) => {
                        ParquetError::General(format!("a page of column `{}`: {error}", self.column.path().string()))
                    }
                    slices::Failure::TooLong(bytes) => {
                        let column = self.column.path().string();
                        self.pool.refuse(format!("a text of column `{column}` in row group {}", self.group), bytes)
                    }
                })? {
                    self.count(page.encoding(), page.buffer().len(), 0)?;
                    self.ready = Some(page);
                    return Ok(true);
                }
                self.slices = None;
            }
            if !self.advance()? {
                return Ok(false);
            }
        }
    }
}

impl<R: ChunkReader + 'static> Iterator for Pages<R> {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl<R: ChunkReader + 'static> PageReader for Pages<R> {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        self.prepare()?;
        Ok(self.ready.take())
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        if self.ready.is_none() && self.slices.is_none() {
            // Not unpacked as long as it may be skipped.
            match self.header()?.map(|header| &header.kind) {
                None => return Ok(None),
                Some(Kind::Data { values, .. }) => {
                    let num_levels = Some(*values);
                    return Ok(Some(PageMetadata { num_rows: None, num_levels, is_dict: false }));
                }
                Some(Kind::DataV2 { values, rows, .. }) => {
                    let (num_rows, num_levels) = (Some(*rows), Some(*values));
                    return Ok(Some(PageMetadata { num_rows, num_levels, is_dict: false }));
                }
                Some(Kind::Dictionary { .. } | Kind::Index) => {}
            }
            self.advance()?;
            if self.ready.is_none() && self.slices.is_none() {
                return self.peek_next_page();
            }
        }
        if !self.prepare()? {
            return Ok(None);
        }
        Ok(self.ready.as_ref().map(|page| PageMetadata {
            num_rows: None,
            num_levels: Some(page.num_values() as usize),
            is_dict: page.is_dictionary_page(),
        }))
    }

    fn skip_next_page(&mut self) -> Result<()> {
        if self.ready.take().is_some() {
            return Ok(());
        }
        if self.slices.is_some() {
            self.prepare()?;
            self.ready = None;
            return Ok(());
        }
        if self.header()?.is_some()
            && let Some(header) = self.header.take()
        {
            self.body(&header);
            self.lists.skip();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
