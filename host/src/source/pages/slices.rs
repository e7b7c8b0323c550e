//! A page in slices: pages of their own, of as many rows as fit.

use std::io::{self, BufRead, BufReader, Read};
use std::ops::Range;
use std::sync::Arc;

use ::parquet::basic::{Compression, Encoding, Type};
use ::parquet::column::page::Page;
use ::parquet::file::reader::ChunkReader;
use ::parquet::schema::types::ColumnDescPtr;
use bytes::Bytes;

use super::BLOCK_BYTES;
use super::deltas;
use super::header::{Kind, PageHeader};
use super::runs::{Runs, invalid, pack, packed_bits, repeat};
use super::unpack;

/// The most rows of a slice.
const MOST_ROWS: usize = 64 * 1024;

/// What the values of a page are.
pub(super) enum Values {
    /// Of so many bytes each.
    Fixed(usize),
    /// Each with its length in front.
    Texts,
    /// Codes of a dictionary that the decoder has.
    Codes(Encoding),
    /// Codes of one that it does not have.
    TextsOfCodes(Arc<Texts>),
    /// In a delta encoding.
    Deltas(Box<deltas::Texts>),
}

/// Bytes of a value of a type without lengths.
pub(super) fn width(physical: Type, length: i32) -> usize {
    match physical {
        Type::INT32 | Type::FLOAT => 4,
        Type::INT64 | Type::DOUBLE => 8,
        Type::INT96 => 12,
        Type::FIXED_LEN_BYTE_ARRAY => usize::try_from(length).unwrap_or(0),
        // Neither is asked for: booleans have no whole bytes, texts have lengths.
        Type::BOOLEAN | Type::BYTE_ARRAY => 0,
    }
}

/// A dictionary of texts.
pub(super) struct Texts {
    bytes: Bytes,
    /// Where each begins, its length in front.
    starts: Vec<u32>,
}

impl Texts {
    pub(super) fn new(bytes: Bytes, count: usize) -> io::Result<Self> {
        let mut starts = Vec::with_capacity(count.min(bytes.len() / 4));
        walk(&bytes, count, |start, _| {
            starts.push(u32::try_from(start).map_err(io::Error::other)?);
            Ok(())
        })?;
        Ok(Self { bytes, starts })
    }

    /// A text with its length in front.
    fn get(&self, code: u32) -> io::Result<&[u8]> {
        let start = self.starts.get(code as usize).ok_or_else(|| invalid("a code is not in the dictionary"))?;
        let bytes = &self.bytes[*start as usize..];
        Ok(&bytes[..4 + length(bytes)?])
    }
}

/// The length of the longest of so many texts.
pub(super) fn longest(bytes: &[u8], count: usize) -> io::Result<usize> {
    let mut longest = 0;
    walk(bytes, count, |_, length| {
        longest = longest.max(length);
        Ok(())
    })?;
    Ok(longest)
}

fn length(bytes: &[u8]) -> io::Result<usize> {
    let prefix = bytes.first_chunk().ok_or_else(|| invalid("a dictionary is cut off"))?;
    Ok(u32::from_le_bytes(*prefix) as usize)
}

fn walk(bytes: &[u8], count: usize, mut each: impl FnMut(usize, usize) -> io::Result<()>) -> io::Result<()> {
    let mut start = 0;
    for _ in 0..count {
        let length = length(&bytes[start..])?;
        let end = start.saturating_add(4).saturating_add(length);
        if end > bytes.len() {
            return Err(invalid("a dictionary is cut off"));
        }
        each(start, length)?;
        start = end;
    }
    Ok(())
}

/// Why there is no next slice.
pub(super) enum Failure {
    Damaged(io::Error),
    /// A single text has so many bytes.
    TooLong(usize),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Damaged(error)
    }
}

type Stream = io::Take<Box<dyn Read + Send>>;

/// A page that is being given in slices.
pub(super) struct Slices {
    source: Source,
    levels: Option<Runs<io::Cursor<Vec<u8>>>>,
    /// Rows that have not been given.
    left: usize,
}

enum Source {
    Fixed(Stream, usize),
    Texts(Stream),
    Codes(Runs<BufReader<Stream>>, u8, Encoding),
    TextsOfCodes(Runs<BufReader<Stream>>, Arc<Texts>),
    Deltas(Box<deltas::Texts>),
    /// No value is left, and nothing is left to be looked after.
    Nothing,
}

impl Slices {
    /// Begins a page whose bytes, as they are in the file, are `bytes`.
    pub(super) fn start<R: BufRead + Send + 'static>(
        header: &PageHeader,
        mut bytes: R,
        compression: Compression,
        values: Values,
        column: &ColumnDescPtr,
    ) -> io::Result<Self> {
        let has_levels = column.max_def_level() > 0;
        let (rows, levels, mut stream) = match header.kind {
            Kind::Data { values, .. } => {
                let mut stream = unpack::stream(compression, bytes)?.take(header.uncompressed as u64);
                let mut levels = None;
                if has_levels {
                    let mut length = [0; 4];
                    stream.read_exact(&mut length)?;
                    levels = Some(read_levels(&mut stream, u32::from_le_bytes(length) as usize, values)?);
                }
                (values, levels, stream)
            }
            Kind::DataV2 { values, levels: [repetitions, definitions], is_compressed, .. } => {
                let plain = repetitions.saturating_add(definitions);
                let length = header.uncompressed.checked_sub(plain);
                let length = length.ok_or_else(|| invalid("its levels are longer than the page"))?;
                io::copy(&mut (&mut bytes).take(repetitions as u64), &mut io::sink())?;
                let levels = read_levels(&mut bytes, definitions, values)?;
                let compression = if is_compressed { compression } else { Compression::UNCOMPRESSED };
                // Nothing is compressed where all values are null.
                let stream: Box<dyn Read + Send> =
                    if length == 0 { Box::new(io::empty()) } else { unpack::stream(compression, bytes)? };
                (values, has_levels.then_some(levels), stream.take(length as u64))
            }
            Kind::Dictionary { .. } | Kind::Index => return Err(invalid("it is not a page of data")),
        };
        let levels = levels.map(|levels| Runs::new(io::Cursor::new(levels), 1)).transpose()?;
        let source = match values {
            Values::Fixed(width) => Source::Fixed(stream, width),
            Values::Texts => Source::Texts(stream),
            Values::Deltas(texts) => Source::Deltas(texts),
            // A page whose values are all null may lack even the codes' width.
            Values::Codes(_) | Values::TextsOfCodes(_) if stream.limit() == 0 => Source::Nothing,
            Values::Codes(encoding) => {
                let width = read_byte(&mut stream)?;
                Source::Codes(Runs::new(buffered(stream), width)?, width, encoding)
            }
            Values::TextsOfCodes(texts) => {
                let width = read_byte(&mut stream)?;
                Source::TextsOfCodes(Runs::new(buffered(stream), width)?, texts)
            }
        };
        Ok(Self { source, levels, left: rows })
    }

    /// The next slice, of about `share` bytes, or more where a single text has them, up to `most`. `None` after the last.
    pub(super) fn next(&mut self, share: usize, most: usize) -> Result<Option<Page>, Failure> {
        if self.left == 0 {
            return Ok(None);
        }
        let (mut rows, mut defined, mut bits) = (0_usize, 0_usize, Vec::new());
        let (mut values, mut codes, mut fixed) = (Vec::new(), Vec::new(), 0_usize);
        let limit = self.left.min(MOST_ROWS);
        while rows < limit && values.len() < share && fixed < share {
            let is_defined = match &mut self.levels {
                None => true,
                Some(levels) => levels.next()? == 1,
            };
            if rows % 8 == 0 {
                bits.push(0_u8);
            }
            if is_defined {
                bits[rows / 8] |= 1 << (rows % 8);
                defined += 1;
                match &mut self.source {
                    // All at once, below.
                    Source::Fixed(_, width) => fixed += *width,
                    Source::Texts(stream) => {
                        let mut prefix = [0; 4];
                        stream.read_exact(&mut prefix)?;
                        let length = u32::from_le_bytes(prefix) as usize;
                        if length as u64 > stream.limit() {
                            return Err(invalid("a text is longer than its page").into());
                        }
                        if length > most {
                            return Err(Failure::TooLong(length));
                        }
                        values.extend_from_slice(&prefix);
                        read_text(stream, length, &mut values)?;
                    }
                    Source::Codes(runs, ..) => codes.push(runs.next()?),
                    Source::TextsOfCodes(runs, texts) => values.extend_from_slice(texts.get(runs.next()?)?),
                    Source::Deltas(texts) => {
                        if !texts.next(most)? {
                            return Err(invalid("values are missing").into());
                        }
                        values.extend_from_slice(&texts.length()?);
                        values.extend_from_slice(texts.text());
                    }
                    Source::Nothing => return Err(invalid("values are missing").into()),
                }
            }
            rows += 1;
        }
        if let Source::Fixed(stream, _) = &mut self.source {
            values.resize(fixed, 0);
            stream.read_exact(&mut values)?;
        }
        self.left -= rows;
        let mut encoding = Encoding::PLAIN;
        if let Source::Codes(_, width, as_before) = &self.source {
            encoding = *as_before;
            values.push(*width);
            pack(&codes, *width, &mut values);
        }
        if self.left == 0 {
            self.finish()?;
        }
        let buf = match self.levels {
            None => values,
            Some(_) => with_levels(rows, defined, &bits, &values),
        };
        Ok(Some(Page::DataPage {
            buf: buf.into(),
            num_values: u32::try_from(rows).map_err(io::Error::other)?,
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        }))
    }

    /// Holds the page against what its header declares.
    fn finish(&mut self) -> io::Result<()> {
        let mut stream = match std::mem::replace(&mut self.source, Source::Nothing) {
            Source::Fixed(stream, _) | Source::Texts(stream) => stream,
            Source::Codes(runs, ..) | Source::TextsOfCodes(runs, _) => runs.into_inner().into_inner(),
            // Those in a delta encoding were held against it before the first.
            Source::Deltas(_) | Source::Nothing => return Ok(()),
        };
        io::copy(&mut stream, &mut io::sink())?;
        if stream.limit() > 0 {
            return Err(invalid(&format!("its header declares {} bytes more than it has", stream.limit())));
        }
        match stream.into_inner().read(&mut [0])? {
            0 => Ok(()),
            _ => Err(invalid("it is longer than its header declares")),
        }
    }
}

/// Runs are read byte by byte.
fn buffered(stream: Stream) -> BufReader<Stream> {
    BufReader::with_capacity(1024, stream)
}

fn read_byte(stream: &mut impl Read) -> io::Result<u8> {
    let mut byte = [0];
    stream.read_exact(&mut byte)?;
    Ok(byte[0])
}

/// Reads a text, whose memory grows with what is read, not with what it claims.
fn read_text(stream: &mut impl Read, length: usize, into: &mut Vec<u8>) -> io::Result<()> {
    match stream.take(length as u64).read_to_end(into)? {
        read if read == length => Ok(()),
        _ => Err(invalid("a text is cut off")),
    }
}

/// Definition levels of so many rows, which take a bit each and what runs take besides.
fn read_levels(stream: &mut impl Read, length: usize, rows: usize) -> io::Result<Vec<u8>> {
    if length > rows.saturating_mul(2).saturating_add(1024) {
        return Err(invalid("its levels are longer than those of its rows"));
    }
    let mut levels = Vec::new();
    read_text(stream, length, &mut levels)?;
    Ok(levels)
}

/// A page of the first version: the length of the levels, the levels, the values.
fn with_levels(rows: usize, defined: usize, bits: &[u8], values: &[u8]) -> Vec<u8> {
    let mut levels = Vec::with_capacity(bits.len() + 8);
    match defined {
        0 => repeat(0, rows, &mut levels),
        defined if defined == rows => repeat(1, rows, &mut levels),
        _ => packed_bits(bits, &mut levels),
    }
    let mut page = Vec::with_capacity(4 + levels.len() + values.len());
    // A slice has some thousand rows.
    page.extend_from_slice(&u32::try_from(levels.len()).unwrap_or(u32::MAX).to_le_bytes());
    page.extend_from_slice(&levels);
    page.extend_from_slice(values);
    page
}

/// A page's bytes as they are in the file, read a block at a time and held against their checksum.
pub(super) struct Blocks<R> {
    bytes: Arc<R>,
    rest: Range<u64>,
    block: Bytes,
    crc: Option<(u32, crc32fast::Hasher)>,
}

impl<R: ChunkReader> Blocks<R> {
    pub(super) fn new(bytes: Arc<R>, page: Range<u64>, crc: Option<u32>) -> Self {
        Self { bytes, rest: page, block: Bytes::new(), crc: crc.map(|crc| (crc, crc32fast::Hasher::new())) }
    }
}

impl<R: ChunkReader> BufRead for Blocks<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.block.is_empty() && !self.rest.is_empty() {
            let length =
                usize::try_from(self.rest.end - self.rest.start).map_or(BLOCK_BYTES, |rest| rest.min(BLOCK_BYTES));
            self.block = self.bytes.get_bytes(self.rest.start, length).map_err(io::Error::other)?;
            self.rest.start += length as u64;
            if let Some((expected, hasher)) = &mut self.crc {
                hasher.update(&self.block);
                if self.rest.is_empty() && hasher.clone().finalize() != *expected {
                    return Err(invalid("its checksum does not match"));
                }
            }
        }
        Ok(&self.block)
    }

    fn consume(&mut self, count: usize) {
        self.block = self.block.slice(count..);
    }
}

impl<R: ChunkReader> Read for Blocks<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let block = self.fill_buf()?;
        let count = buffer.len().min(block.len());
        buffer[..count].copy_from_slice(&block[..count]);
        self.consume(count);
        Ok(count)
    }
}
