//! Pages of texts in delta encodings, looked through and made plain.
//!
//! ```text
//! DELTA_LENGTH_BYTE_ARRAY   lengths · bytes
//! DELTA_BYTE_ARRAY          lengths that are shared with the text before · lengths of the rest · bytes
//! ```
//!
//! The decoder makes room for as many lengths as a page claims, and a page of some kilobytes can share a long text with all that follow.
//! Here lengths are read one by one and added up before there is room for a text. Only where that is little does the decoder get the page.
//! This reader is the stricter one: where it reads lengths to their end, the decoder finds the same ones.

use std::io;

use ::parquet::basic::{Encoding, Type};
use ::parquet::schema::types::ColumnDescriptor;
use bytes::Bytes;

use super::header::Kind;
use super::runs::{invalid, varint};
use super::slices::Failure;

/// The most bits of a length.
const MOST_BITS: u8 = 32;

/// Whether values of a page are such texts.
pub(super) fn is_of(encoding: Encoding) -> bool {
    matches!(encoding, Encoding::DELTA_LENGTH_BYTE_ARRAY | Encoding::DELTA_BYTE_ARRAY)
}

/// The texts of a page, which are all there, from the first to the last.
pub(super) struct Texts {
    levels: Bytes,
    /// What each text has of the one before it.
    shared: Option<Deltas>,
    /// What it has besides.
    own: Deltas,
    /// The bytes of the texts that are still to come.
    bytes: Bytes,
    before: Vec<u8>,
    /// Whether plain values have their length before them: those of a fixed length do not.
    has_lengths: bool,
    plain: usize,
}

impl Texts {
    pub(super) fn new(page: &Bytes, kind: &Kind, column: &ColumnDescriptor) -> io::Result<Self> {
        let (levels, most, encoding) = levels(page, kind, column)?;
        let rest = |bytes: &Bytes, from: usize| (from <= bytes.len()).then(|| bytes.slice(from..)).ok_or_else(cut_off);
        let mut values = rest(page, levels)?;
        let mut shared = None;
        if encoding == Encoding::DELTA_BYTE_ARRAY {
            let deltas = Deltas::new(values.clone())?;
            values = rest(&values, deltas.clone().end()?)?;
            shared = Some(deltas);
        }
        let own = Deltas::new(values.clone())?;
        if own.left > most as u64 || shared.as_ref().is_some_and(|shared| shared.left != own.left) {
            return Err(invalid("it claims other numbers of values"));
        }
        let has_lengths = column.physical_type() == Type::BYTE_ARRAY;
        let fixed = usize::try_from(column.type_length()).ok().filter(|_| !has_lengths);
        let levels = page.slice(..levels);
        let (bytes, before, plain) = (Bytes::new(), Vec::new(), levels.len());
        let mut texts = Self { levels, shared, own, bytes, before, has_lengths, plain };
        let (mut before, mut total) = (0, 0_usize);
        let (mut shared, mut own) = (texts.shared.clone(), texts.own.clone());
        while let Some((shared, own)) = lengths(&mut shared, &mut own)? {
            if shared > before {
                return Err(invalid("a text shares more than the text before it has"));
            }
            before = shared + own;
            if fixed.is_some_and(|fixed| fixed != before) {
                return Err(invalid("a value has another length than its column"));
            }
            total = total.saturating_add(own);
            let length = if has_lengths { size_of::<u32>() } else { 0 };
            texts.plain = texts.plain.saturating_add(length).saturating_add(before);
        }
        texts.bytes = rest(&values, own.at)?;
        if total > texts.bytes.len() {
            return Err(cut_off());
        }
        Ok(texts)
    }

    /// How many bytes the page has with plain texts.
    pub(super) fn plain_bytes(&self) -> usize {
        self.plain
    }

    /// The page with plain texts.
    pub(super) fn plain(mut self) -> io::Result<Vec<u8>> {
        let mut page = Vec::with_capacity(self.plain);
        page.extend_from_slice(&self.levels);
        while self.next(usize::MAX).map_err(|_| cut_off())? {
            if self.has_lengths {
                page.extend_from_slice(&self.length()?);
            }
            page.extend_from_slice(&self.before);
        }
        Ok(page)
    }

    /// Takes the next text, if there is one; fails where it is longer than `most`.
    pub(super) fn next(&mut self, most: usize) -> Result<bool, Failure> {
        let Some((shared, own)) = lengths(&mut self.shared, &mut self.own)? else { return Ok(false) };
        if shared + own > most {
            return Err(Failure::TooLong(shared + own));
        }
        if own > self.bytes.len() {
            return Err(cut_off().into());
        }
        self.before.truncate(shared);
        self.before.extend_from_slice(&self.bytes.split_to(own));
        Ok(true)
    }

    /// The text, without its length.
    pub(super) fn text(&self) -> &[u8] {
        &self.before
    }

    /// The length of the text as it stands before plain ones.
    pub(super) fn length(&self) -> io::Result<[u8; 4]> {
        Ok(u32::try_from(self.before.len()).map_err(io::Error::other)?.to_le_bytes())
    }
}

fn cut_off() -> io::Error {
    invalid("its values are cut off")
}

/// The lengths of the next text, in both parts.
fn lengths(shared: &mut Option<Deltas>, own: &mut Deltas) -> io::Result<Option<(usize, usize)>> {
    let Some(own) = own.next()? else { return Ok(None) };
    match shared {
        None => Ok(Some((0, own))),
        Some(shared) => Ok(shared.next()?.map(|shared| (shared, own))),
    }
}

/// How long the levels of a page are, how many values it may have, and their encoding.
fn levels(page: &[u8], kind: &Kind, column: &ColumnDescriptor) -> io::Result<(usize, usize, Encoding)> {
    match *kind {
        Kind::DataV2 { values, encoding, levels: [repetitions, definitions], .. } => {
            Ok((repetitions.saturating_add(definitions), values, encoding))
        }
        Kind::Data { values, encoding, definitions, repetitions } => {
            let mut end = 0_usize;
            let each = [(column.max_rep_level(), repetitions), (column.max_def_level(), definitions)];
            for (_, encoding) in each.into_iter().filter(|(highest, _)| *highest > 0) {
                if encoding != Encoding::RLE {
                    return Err(invalid(
                        "levels that are packed without runs cannot be read before texts in delta encodings",
                    ));
                }
                let length = page.get(end..).and_then(<[u8]>::first_chunk);
                let length = length.ok_or_else(|| invalid("its levels are longer than the page"))?;
                end = end.saturating_add(size_of::<u32>()).saturating_add(u32::from_le_bytes(*length) as usize);
            }
            Ok((end, values, encoding))
        }
        Kind::Dictionary { .. } | Kind::Index => Err(invalid("it is not a page of data")),
    }
}

/// Lengths as `DELTA_BINARY_PACKED` has them: blocks of small blocks of differences, in as many bits as the largest one needs.
#[derive(Clone)]
struct Deltas {
    bytes: Bytes,
    /// Where the next small block, or block, begins.
    at: usize,
    /// How many small blocks a block has.
    in_block: usize,
    /// How many differences a small block has.
    in_small: usize,
    /// Numbers that are still to come.
    left: u64,
    first: Option<i64>,
    value: i64,
    least: i64,
    /// The bits of the small blocks that are still to come in this block.
    widths: Bytes,
    /// The small block: its bits each, where the next difference begins, in bits, and how many are left.
    width: u8,
    bit: usize,
    left_in_small: usize,
}

impl Deltas {
    fn new(bytes: Bytes) -> io::Result<Self> {
        let mut rest = &bytes[..];
        let mut number = || usize::try_from(unsigned(&mut rest)?).map_err(io::Error::other);
        let (block, in_block, left) = (number()?, number()?, number()? as u64);
        let first = zigzag(&mut rest)?;
        let in_small = block.checked_div(in_block).filter(|small| small % 32 == 0 && small * in_block == block);
        let in_small =
            in_small.filter(|small| *small > 0).ok_or_else(|| invalid("its blocks have no whole small blocks"))?;
        let at = bytes.len() - rest.len();
        let first = (left > 0).then_some(first);
        let (value, least, widths, width, bit, left_in_small) = (0, 0, Bytes::new(), 0, 0, 0);
        Ok(Self { bytes, at, in_block, in_small, left, first, value, least, widths, width, bit, left_in_small })
    }

    fn next(&mut self) -> io::Result<Option<usize>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        self.value = match self.first.take() {
            Some(first) => first,
            None => {
                if self.left_in_small == 0 {
                    self.begin_small_block()?;
                }
                self.left_in_small -= 1;
                let difference = self.bits();
                self.bit += usize::from(self.width);
                self.value.wrapping_add(self.least).wrapping_add(difference)
            }
        };
        // As lengths are in the format: not negative, and of 31 bits.
        let length = i32::try_from(self.value).ok().and_then(|length| usize::try_from(length).ok());
        length.map(Some).ok_or_else(|| invalid("a length is none"))
    }

    fn begin_small_block(&mut self) -> io::Result<()> {
        let cut_off = || invalid("its lengths are cut off");
        if self.widths.is_empty() {
            let mut rest = self.bytes.get(self.at..).ok_or_else(cut_off)?;
            self.least = zigzag(&mut rest)?;
            let widths = self.bytes.len() - rest.len();
            self.at = widths.checked_add(self.in_block).filter(|end| *end <= self.bytes.len()).ok_or_else(cut_off)?;
            self.widths = self.bytes.slice(widths..self.at);
        }
        let width = self.widths.split_to(1)[0];
        if width > MOST_BITS {
            return Err(invalid("a length has more than 32 bits"));
        }
        (self.width, self.left_in_small) = (width, self.in_small);
        self.bit = self.at.checked_mul(8).ok_or_else(cut_off)?;
        let bytes = (self.in_small / 8).checked_mul(usize::from(width)).and_then(|bytes| self.at.checked_add(bytes));
        self.at = bytes.filter(|end| *end <= self.bytes.len()).ok_or_else(cut_off)?;
        Ok(())
    }

    /// The next difference, which is within the small block.
    fn bits(&self) -> i64 {
        let mut eight = [0; 8];
        let bytes = self.bytes.get(self.bit / 8..).unwrap_or_default();
        let length = bytes.len().min(8);
        eight[..length].copy_from_slice(&bytes[..length]);
        let bits = u64::from_le_bytes(eight) >> (self.bit % 8);
        (bits & ((1 << self.width) - 1)).cast_signed()
    }

    /// Where the last of its blocks ends.
    fn end(mut self) -> io::Result<usize> {
        while self.next()?.is_some() {}
        Ok(self.at)
    }
}

fn unsigned(bytes: &mut &[u8]) -> io::Result<u64> {
    varint(bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => invalid("its lengths are cut off"),
        _ => error,
    })
}

fn zigzag(bytes: &mut &[u8]) -> io::Result<i64> {
    let value = unsigned(bytes)?;
    Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::sync::Arc;

    use ::parquet::schema::parser::parse_message_type;
    use ::parquet::schema::types::SchemaDescriptor;

    use super::*;

    fn column(definition: &str) -> Arc<ColumnDescriptor> {
        let schema = parse_message_type(&format!("message schema {{ required {definition} x; }}")).unwrap();
        SchemaDescriptor::new(Arc::new(schema)).column(0)
    }

    fn page(values: usize, encoding: Encoding) -> Kind {
        Kind::Data { values, encoding, definitions: Encoding::RLE, repetitions: Encoding::RLE }
    }

    fn plain(bytes: &[u8], values: usize, encoding: Encoding, definition: &str) -> Result<Vec<u8>, String> {
        let column = column(definition);
        let bytes = Bytes::copy_from_slice(bytes);
        let texts = Texts::new(&bytes, &page(values, encoding), &column).map_err(|error| error.to_string())?;
        let length = texts.plain_bytes();
        let plain = texts.plain().map_err(|error| error.to_string())?;
        assert_eq!(plain.len(), length);
        Ok(plain)
    }

    /// Lengths in blocks of 128, four small blocks each, and as many bits as each small block needs.
    fn encoded(lengths: &[i64]) -> Vec<u8> {
        let mut bytes = vec![0x80, 0x01, 0x04];
        number(lengths.len() as u64, &mut bytes);
        number(lengths.first().map_or(0, |first| first.cast_unsigned() << 1), &mut bytes);
        let differences: Vec<i64> = lengths.windows(2).map(|pair| pair[1] - pair[0]).collect();
        for block in differences.chunks(128) {
            let least = *block.iter().min().unwrap();
            number((least << 1 ^ least >> 63).cast_unsigned(), &mut bytes);
            let small: Vec<Vec<u64>> = block
                .chunks(32)
                .map(|small| small.iter().map(|each| (each - least).cast_unsigned()).collect())
                .collect();
            let width = |small: &[u64]| 64 - small.iter().max().unwrap().leading_zeros();
            let widths: Vec<u8> = small.iter().map(|small| u8::try_from(width(small)).unwrap()).collect();
            bytes.extend(&widths);
            bytes.resize(bytes.len() + 4 - widths.len(), 0);
            for small in &small {
                let mut bits = vec![0_u8; width(small) as usize * 4];
                for (place, value) in small.iter().enumerate() {
                    for bit in (0..width(small) as usize).filter(|bit| value >> bit & 1 == 1) {
                        let bit = place * width(small) as usize + bit;
                        bits[bit / 8] |= 1 << (bit % 8);
                    }
                }
                bytes.extend(bits);
            }
        }
        bytes
    }

    fn number(mut rest: u64, bytes: &mut Vec<u8>) {
        while rest >= 0x80 {
            bytes.push(rest.to_le_bytes()[0] | 0x80);
            rest >>= 7;
        }
        bytes.push(rest.to_le_bytes()[0]);
    }

    #[test]
    fn any_lengths_are_read_as_they_are_written() {
        for count in [0, 1, 2, 33, 129, 300, 1_000] {
            let lengths: Vec<i64> =
                (0..count).map(|each| each * 7_919 % 1_003 * (each % 5) * (each % 300 / 100)).collect();
            let bytes = [encoded(&lengths), vec![0xff; 9]].concat();
            let mut deltas = Deltas::new(bytes.clone().into()).unwrap();
            for length in &lengths {
                assert_eq!(deltas.next().unwrap(), usize::try_from(*length).ok(), "{count}");
            }
            assert_eq!(deltas.next().unwrap(), None);
            assert_eq!(deltas.end().unwrap(), bytes.len() - 9, "{count}");
        }
    }

    #[test]
    fn texts_with_lengths_are_plain_afterwards() {
        let bytes = [encoded(&[1, 2, 3]), b"abbccc".to_vec()].concat();
        let expected = b"\x01\0\0\0a\x02\0\0\0bb\x03\0\0\0ccc".to_vec();
        assert_eq!(plain(&bytes, 3, Encoding::DELTA_LENGTH_BYTE_ARRAY, "binary"), Ok(expected));
        assert_eq!(plain(&encoded(&[]), 3, Encoding::DELTA_LENGTH_BYTE_ARRAY, "binary"), Ok(Vec::new()));
    }

    #[test]
    fn texts_that_begin_as_the_one_before_are_plain_afterwards() {
        let bytes = [encoded(&[0, 1, 2]), encoded(&[1, 1, 1]), b"xyz".to_vec()].concat();
        let expected = b"\x01\0\0\0x\x02\0\0\0xy\x03\0\0\0xyz".to_vec();
        assert_eq!(plain(&bytes, 4, Encoding::DELTA_BYTE_ARRAY, "binary"), Ok(expected));
        let fixed = |own: &[i64]| [encoded(&[0, 1]), encoded(own), b"xyz".to_vec()].concat();
        let read = |bytes: &[u8]| plain(bytes, 2, Encoding::DELTA_BYTE_ARRAY, "fixed_len_byte_array(2)");
        assert_eq!(read(&fixed(&[2, 1])), Ok(b"xyxz".to_vec()));
        assert_eq!(read(&fixed(&[2, 0])), Err("a value has another length than its column".to_owned()));
    }

    #[test]
    fn what_a_page_claims_takes_no_memory() {
        let mut claim = vec![0x80, 0x01, 0x04];
        number(1 << 39, &mut claim);
        claim.extend([0; 100]);
        let refused = |encoding| plain(&claim, 1_000, encoding, "binary").unwrap_err();
        assert_eq!(refused(Encoding::DELTA_LENGTH_BYTE_ARRAY), "it claims other numbers of values");
        assert_eq!(refused(Encoding::DELTA_BYTE_ARRAY), "its lengths are cut off");
        // A hundred thousand texts, each of which is the one before it.
        let mut lengths = [vec![0], vec![1_000_000; 99_999]].concat();
        let shared = encoded(&lengths);
        lengths.fill(0);
        lengths[0] = 1_000_000;
        let bytes = [shared, encoded(&lengths), vec![b'x'; 1_000_000]].concat();
        assert!(bytes.len() < 1_010_000, "{}", bytes.len());
        let column = column("binary");
        let texts = Texts::new(&bytes.into(), &page(100_000, Encoding::DELTA_BYTE_ARRAY), &column).unwrap();
        assert_eq!(texts.plain_bytes(), 1_000_004 * 100_000);
    }

    #[test]
    fn damaged_lengths_are_errors() {
        let refused = |bytes: &[u8], encoding| plain(bytes, 300, encoding, "binary").unwrap_err();
        let length = Encoding::DELTA_LENGTH_BYTE_ARRAY;
        assert_eq!(refused(&encoded(&[1, 2, 3]), length), "its values are cut off");
        assert_eq!(refused(&encoded(&[1; 200])[..11], length), "its lengths are cut off");
        for blocks in [&[0x80, 0x01, 0x03, 0x02, 0x00][..], &[0x00, 0x04, 0x02, 0x00], &[0x80, 0x01, 0x00, 0x02, 0x00]]
        {
            assert_eq!(refused(blocks, length), "its blocks have no whole small blocks");
        }
        // A difference of minus 2, and small blocks of 33 bits.
        assert_eq!(refused(&[0x80, 0x01, 0x04, 0x02, 0x02, 0x03, 0, 0, 0, 0], length), "a length is none");
        let wide = [0x80, 0x01, 0x04, 0x02, 0x02, 0x00, 33, 0, 0, 0];
        assert_eq!(refused(&wide, length), "a length has more than 32 bits");
        let shares = [encoded(&[1, 1]), encoded(&[1, 1]), b"ab".to_vec()].concat();
        assert_eq!(refused(&shares, Encoding::DELTA_BYTE_ARRAY), "a text shares more than the text before it has");
        assert!(refused(&[0xff; 20], length).contains("does not end"));
    }
}
