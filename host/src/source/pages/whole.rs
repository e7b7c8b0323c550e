//! Pages uncompressed as a whole. No codec gives more than the page's header declares.

use std::io::{self, BufRead, Read};

use ::parquet::basic::Compression;
use bytes::Bytes;

use super::runs::invalid;
use super::unpack;

/// Uncompresses pages, with what codecs keep between them.
#[derive(Default)]
pub(super) struct Unpacker {
    snappy: Option<snap::raw::Decoder>,
    zstd: Option<zstd::bulk::Decompressor<'static>>,
}

impl Unpacker {
    /// A page of `length` bytes, of which the first `plain` are not compressed.
    pub(super) fn unpack(
        &mut self,
        compression: Compression,
        packed: Bytes,
        plain: usize,
        length: usize,
    ) -> io::Result<Bytes> {
        if compression == Compression::UNCOMPRESSED {
            return match packed.len() == length {
                true => Ok(packed),
                false => Err(differs(length, packed.len())),
            };
        }
        if plain > length || plain > packed.len() {
            return Err(invalid("its levels are longer than the page"));
        }
        let mut bytes = vec![0; length];
        let (levels, values) = bytes.split_at_mut(plain);
        levels.copy_from_slice(&packed[..plain]);
        let packed = &packed[plain..];
        // Nothing is compressed where all values are null.
        if !values.is_empty() {
            let count = self.unpack_into(compression, packed, values)?;
            if count != length - plain {
                return Err(differs(length, count + plain));
            }
        }
        Ok(bytes.into())
    }

    fn unpack_into(&mut self, compression: Compression, packed: &[u8], values: &mut [u8]) -> io::Result<usize> {
        match compression {
            Compression::SNAPPY => {
                let decoder = self.snappy.get_or_insert_with(snap::raw::Decoder::new);
                decoder.decompress(packed, values).map_err(io::Error::other)
            }
            Compression::ZSTD(_) => {
                let decoder = match &mut self.zstd {
                    Some(decoder) => decoder,
                    none => none.insert(zstd::bulk::Decompressor::new()?),
                };
                decoder.decompress_to_buffer(packed, values)
            }
            Compression::LZ4_RAW => lz4(packed, values),
            Compression::LZ4 => {
                hadoop(packed, values).or_else(|_| frame(packed, values)).or_else(|_| lz4(packed, values))
            }
            Compression::GZIP(_) | Compression::BROTLI(_) => fill(unpack::stream(compression, packed)?, values),
            Compression::UNCOMPRESSED | Compression::LZO => Err(invalid("pages of this codec cannot be read")),
        }
    }
}

/// A page that is not held compressed.
pub(super) fn unpack_stream<R: BufRead + Send>(
    compression: Compression,
    packed: R,
    length: usize,
) -> io::Result<Bytes> {
    let mut bytes = vec![0; length];
    match fill(unpack::stream(compression, packed)?, &mut bytes)? {
        count if count == length => Ok(bytes.into()),
        count => Err(differs(length, count)),
    }
}

fn lz4(packed: &[u8], values: &mut [u8]) -> io::Result<usize> {
    lz4_flex::block::decompress_into(packed, values).map_err(io::Error::other)
}

/// As early versions of the parquet crate wrote it.
fn frame(packed: &[u8], values: &mut [u8]) -> io::Result<usize> {
    fill(lz4_flex::frame::FrameDecoder::new(packed), values)
}

/// As Hadoop writes it: blocks with their lengths, uncompressed and compressed, in front.
fn hadoop(mut packed: &[u8], values: &mut [u8]) -> io::Result<usize> {
    let mut count = 0;
    while let Some((lengths, rest)) = packed.split_first_chunk::<8>() {
        let [a, b, c, d, e, f, g, h] = *lengths;
        let (unpacked, length) = (u32::from_be_bytes([a, b, c, d]) as usize, u32::from_be_bytes([e, f, g, h]) as usize);
        let (block, after) = rest.split_at_checked(length).ok_or_else(|| invalid("a block is cut off"))?;
        let room = values.get_mut(count..).and_then(|room| room.get_mut(..unpacked));
        let room = room.ok_or_else(|| invalid("a block is longer than its page"))?;
        if lz4(block, room)? != unpacked {
            return Err(invalid("a block is shorter than it declares"));
        }
        count += unpacked;
        packed = after;
    }
    if packed.is_empty() { Ok(count) } else { Err(invalid("a block is cut off")) }
}

/// Fills `values`, and looks whether there is more.
fn fill(mut stream: impl Read, values: &mut [u8]) -> io::Result<usize> {
    let mut count = 0;
    while count < values.len() {
        match stream.read(&mut values[count..])? {
            0 => return Ok(count),
            more => count += more,
        }
    }
    match stream.read(&mut [0])? {
        0 => Ok(count),
        _ => Err(invalid("it is longer than its header declares")),
    }
}

fn differs(declared: usize, found: usize) -> io::Error {
    invalid(&format!("its header declares {declared} bytes, but it has {found}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    /// A megabyte of zeros in every codec.
    fn packed() -> [(Compression, Vec<u8>); 5] {
        use std::io::Write;
        let zeros = vec![0; 1 << 20];
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&zeros).unwrap();
        let mut brotli = Vec::new();
        brotli::CompressorWriter::new(&mut brotli, 4096, 3, 20).write_all(&zeros).unwrap();
        [
            (Compression::SNAPPY, snap::raw::Encoder::new().compress_vec(&zeros).unwrap()),
            (Compression::LZ4_RAW, lz4_flex::block::compress(&zeros)),
            (Compression::GZIP(Default::default()), gzip.finish().unwrap()),
            (Compression::ZSTD(Default::default()), zstd::bulk::compress(&zeros, 3).unwrap()),
            (Compression::BROTLI(Default::default()), brotli),
        ]
    }

    #[test]
    fn a_page_that_is_longer_or_shorter_than_it_declares_is_an_error_in_every_codec() {
        let mut unpacker = Unpacker::default();
        for (compression, bytes) in packed() {
            let mut unpack = |length| unpacker.unpack(compression, bytes.clone().into(), 0, length);
            assert_eq!(unpack(1 << 20).unwrap(), vec![0; 1 << 20], "{compression}");
            for length in [1, 1_000, (1 << 20) - 1, (1 << 20) + 1] {
                assert!(unpack(length).is_err(), "{compression}: {length}");
            }
        }
    }
}
