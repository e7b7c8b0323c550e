//! Compressed pages as streams. A stream holds no more than what its format may refer back to, however long the page is,
//! and never gives more bytes than the page's header declares.

use std::io::{self, BufRead, Read};

use ::parquet::basic::Compression;

use super::runs::{invalid, varint};

/// How far back Snappy's references reach: encoders work in blocks of this size. LZ4's offsets have 16 bits.
const REACH: usize = 64 * 1024;

/// The largest window of Zstandard that is streamed, as a power of two: 8 MiB, which level 19 uses.
const ZSTD_WINDOW_LOG: u32 = 23;

/// What a stream of a codec holds, in bytes; `None` where its pages cannot be streamed.
pub(super) fn held(compression: Compression) -> Option<usize> {
    match compression {
        Compression::UNCOMPRESSED => Some(0),
        Compression::SNAPPY | Compression::LZ4_RAW => Some(3 * REACH),
        Compression::GZIP(_) => Some(64 * 1024),
        // As far as the writers of Parquet go by default; more is refused by `ZSTD_WINDOW_LOG`.
        Compression::ZSTD(_) => Some(2 * 1024 * 1024),
        Compression::BROTLI(_) => Some(4 * 1024 * 1024),
        // Written by Hadoop in a frame of its own, and superseded by LZ4_RAW.
        Compression::LZ4 | Compression::LZO => None,
    }
}

/// The uncompressed bytes of a page.
pub(super) fn stream<'a, R: BufRead + Send + 'a>(
    compression: Compression,
    bytes: R,
) -> io::Result<Box<dyn Read + Send + 'a>> {
    Ok(match compression {
        Compression::UNCOMPRESSED => Box::new(bytes),
        Compression::SNAPPY => Box::new(Referring::new(Snappy::start(bytes)?)),
        Compression::LZ4_RAW => Box::new(Referring::new(Lz4 { bytes, copy: 0 })),
        Compression::GZIP(_) => Box::new(flate2::bufread::MultiGzDecoder::new(bytes)),
        Compression::ZSTD(_) => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(bytes)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG)?;
            Box::new(decoder)
        }
        Compression::BROTLI(_) => Box::new(brotli::Decompressor::new(bytes, 4096)),
        Compression::LZ4 | Compression::LZO => return Err(invalid("pages of this codec cannot be streamed")),
    })
}

/// What an element of a block format stands for.
enum Element {
    /// So many bytes follow.
    Literal(usize),
    /// So many bytes as they stood so far back.
    Copy {
        length: usize,
        back: usize,
    },
    End,
}

trait Elements: Send {
    fn element(&mut self) -> io::Result<Element>;
    fn bytes(&mut self) -> &mut (dyn Read + Send);
}

/// The bytes of a format that refers back to what it has given.
struct Referring<E> {
    elements: E,
    /// What was given last, as far as references reach, and what has not been given yet.
    history: Vec<u8>,
    given: usize,
    /// What is left of the current element.
    literal: usize,
    copy: (usize, usize),
    is_over: bool,
}

impl<E: Elements> Referring<E> {
    fn new(elements: E) -> Self {
        Self { elements, history: Vec::with_capacity(2 * REACH), given: 0, literal: 0, copy: (0, 0), is_over: false }
    }

    /// Fills the history up to its capacity, or to the end.
    fn fill(&mut self) -> io::Result<()> {
        if self.history.len() > REACH {
            self.history.drain(..self.history.len() - REACH);
            self.given = self.history.len();
        }
        while self.history.len() < 2 * REACH {
            let room = 2 * REACH - self.history.len();
            if self.literal > 0 {
                let (start, count) = (self.history.len(), room.min(self.literal));
                self.history.resize(start + count, 0);
                self.elements.bytes().read_exact(&mut self.history[start..])?;
                self.literal -= count;
            } else if self.copy.0 > 0 {
                let (length, back) = self.copy;
                // Where it reaches into itself, what was copied is copied again.
                let (start, count) = (self.history.len() - back, room.min(length).min(back));
                self.history.extend_from_within(start..start + count);
                self.copy.0 -= count;
            } else {
                match self.elements.element()? {
                    Element::Literal(length) => self.literal = length,
                    Element::Copy { length, back } if back > 0 && back <= self.history.len().min(REACH) => {
                        self.copy = (length, back);
                    }
                    Element::Copy { .. } => return Err(invalid("a page refers back beyond its start")),
                    Element::End => {
                        self.is_over = true;
                        break;
                    }
                }
            }
        }
        Ok(())
    }
}

impl<E: Elements> Read for Referring<E> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given == self.history.len() && !self.is_over {
            self.fill()?;
        }
        let count = buffer.len().min(self.history.len() - self.given);
        buffer[..count].copy_from_slice(&self.history[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}

/// Snappy's block format.
struct Snappy<R> {
    bytes: R,
    /// What is still to come of the length with which the block begins.
    left: u64,
}

impl<R: BufRead + Send> Snappy<R> {
    fn start(mut bytes: R) -> io::Result<Self> {
        let left = varint(&mut bytes)?;
        Ok(Self { bytes, left })
    }

    fn number(&mut self, count: usize) -> io::Result<usize> {
        let mut number = [0; 8];
        self.bytes.read_exact(&mut number[..count])?;
        usize::try_from(u64::from_le_bytes(number)).map_err(io::Error::other)
    }
}

impl<R: BufRead + Send> Elements for Snappy<R> {
    fn element(&mut self) -> io::Result<Element> {
        if self.left == 0 {
            return match self.bytes.fill_buf()?.is_empty() {
                true => Ok(Element::End),
                false => Err(invalid("a page continues after its end")),
            };
        }
        let tag = self.number(1)?;
        let element = match tag & 3 {
            0 => match tag >> 2 {
                length @ 0..60 => Element::Literal(length + 1),
                length => Element::Literal(self.number(length - 59)? + 1),
            },
            1 => Element::Copy { length: 4 + (tag >> 2 & 7), back: (tag >> 5 << 8) | self.number(1)? },
            2 => Element::Copy { length: 1 + (tag >> 2), back: self.number(2)? },
            _ => Element::Copy { length: 1 + (tag >> 2), back: self.number(4)? },
        };
        let (Element::Literal(length) | Element::Copy { length, .. }) = element else { return Ok(element) };
        let left = self.left.checked_sub(length as u64);
        self.left = left.ok_or_else(|| invalid("a page is longer than it declares"))?;
        Ok(element)
    }

    fn bytes(&mut self) -> &mut (dyn Read + Send) {
        &mut self.bytes
    }
}

/// LZ4's block format.
struct Lz4<R> {
    bytes: R,
    /// The length of the copy that follows on a literal, as its token has it, plus one; 0 where a token comes next.
    copy: usize,
}

impl<R: BufRead + Send> Lz4<R> {
    /// A length that continues in further bytes.
    fn length(&mut self, first: usize) -> io::Result<usize> {
        let mut length = first;
        if first == 15 {
            loop {
                let mut byte = [0];
                self.bytes.read_exact(&mut byte)?;
                length = length.checked_add(usize::from(byte[0])).ok_or_else(|| invalid("a length without end"))?;
                if byte[0] < 255 {
                    break;
                }
            }
        }
        Ok(length)
    }
}

impl<R: BufRead + Send> Elements for Lz4<R> {
    fn element(&mut self) -> io::Result<Element> {
        // The last sequence has no copy.
        if self.bytes.fill_buf()?.is_empty() {
            return Ok(Element::End);
        }
        if self.copy > 0 {
            let mut back = [0; 2];
            self.bytes.read_exact(&mut back)?;
            let length = self.length(self.copy - 1)? + 4;
            self.copy = 0;
            return Ok(Element::Copy { length, back: usize::from(u16::from_le_bytes(back)) });
        }
        let mut token = [0];
        self.bytes.read_exact(&mut token)?;
        let literal = self.length(usize::from(token[0] >> 4))?;
        self.copy = usize::from(token[0] & 15) + 1;
        Ok(Element::Literal(literal))
    }

    fn bytes(&mut self) -> &mut (dyn Read + Send) {
        &mut self.bytes
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::*;

    fn unpacked(compression: Compression, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        stream(compression, bytes)?.read_to_end(&mut all)?;
        Ok(all)
    }

    fn packed(bytes: &[u8]) -> [(Compression, Vec<u8>); 5] {
        use std::io::Write;
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(bytes).unwrap();
        let mut brotli = Vec::new();
        brotli::CompressorWriter::new(&mut brotli, 4096, 3, 20).write_all(bytes).unwrap();
        [
            (Compression::SNAPPY, snap::raw::Encoder::new().compress_vec(bytes).unwrap()),
            (Compression::LZ4_RAW, lz4_flex::block::compress(bytes)),
            (Compression::GZIP(Default::default()), gzip.finish().unwrap()),
            (Compression::ZSTD(Default::default()), zstd::bulk::compress(bytes, 3).unwrap()),
            (Compression::BROTLI(Default::default()), brotli),
        ]
    }

    #[test]
    fn long_pages_of_every_codec_are_what_they_were() {
        let numbers = (0..200_000_u32).flat_map(|number| (number.wrapping_mul(2_654_435_761) % 5_000).to_le_bytes());
        let zeros = vec![0; 1_000_000];
        for bytes in [numbers.collect::<Vec<u8>>(), zeros, Vec::new()] {
            for (compression, packed) in packed(&bytes) {
                assert!(unpacked(compression, &packed).unwrap() == bytes, "{compression}, {} bytes", bytes.len());
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_what_they_were(pieces in proptest::collection::vec((any::<u8>(), 1..300_usize), 0..300)) {
            let bytes: Vec<u8> = pieces.iter().flat_map(|(byte, count)| (0..*count).map(|at| byte.wrapping_mul(u8::try_from(at % 7).unwrap()))).collect();
            for (compression, packed) in packed(&bytes) {
                prop_assert!(unpacked(compression, &packed).unwrap() == bytes, "{}", compression);
            }
        }

        #[test]
        fn damaged_bytes_are_an_error_or_other_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
            for compression in [Compression::SNAPPY, Compression::LZ4_RAW] {
                let mut stream = match stream(compression, &bytes[..]) {
                    Ok(stream) => stream.take(1 << 20),
                    Err(_) => continue,
                };
                let _ = io::copy(&mut stream, &mut io::sink());
            }
        }
    }
}
