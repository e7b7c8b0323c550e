//! Page headers, in Thrift's compact protocol: what a page is and how large it claims to be, before anything is set aside
//! for it.

use ::parquet::basic::Encoding;

/// What stands before a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PageHeader {
    /// The bytes of the header itself.
    pub(super) length: usize,
    pub(super) uncompressed: usize,
    pub(super) compressed: usize,
    pub(super) crc: Option<u32>,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Data {
        values: usize,
        encoding: Encoding,
        definitions: Encoding,
        repetitions: Encoding,
    },
    DataV2 {
        values: usize,
        nulls: usize,
        rows: usize,
        encoding: Encoding,
        levels: [usize; 2],
        is_compressed: bool,
    },
    Dictionary {
        values: usize,
        encoding: Encoding,
        is_sorted: bool,
    },
    /// Of no use to a reader.
    Index,
}

impl Kind {
    /// How the values of a page of data are written.
    pub(super) fn encoding(&self) -> Option<Encoding> {
        match *self {
            Self::Data { encoding, .. } | Self::DataV2 { encoding, .. } => Some(encoding),
            Self::Dictionary { .. } | Self::Index => None,
        }
    }
}

/// Why bytes are not a header.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// They end before it does.
    Short,
    Invalid(&'static str),
}

type Parsed<T> = Result<T, Problem>;

/// The fields of a struct that are numbers, by their ids, and of its structs one level down.
type Fields = [Option<i64>; 9];

/// Parses the header with which `bytes` begin.
pub(super) fn parse(bytes: &[u8]) -> Parsed<PageHeader> {
    let mut reader = Reader { bytes, position: 0 };
    let mut inner = [[None; 9]; 9];
    let outer = reader.fields(Some(&mut inner), 0)?;
    let [data, dictionary, data_v2] = [inner[5], inner[7], inner[8]];
    let kind = match outer[1] {
        Some(0) => Kind::Data {
            values: size(data[1])?,
            encoding: encoding(data[2])?,
            definitions: encoding(data[3])?,
            repetitions: encoding(data[4])?,
        },
        Some(1) => Kind::Index,
        Some(2) => Kind::Dictionary {
            values: size(dictionary[1])?,
            encoding: encoding(dictionary[2])?,
            is_sorted: dictionary[3] == Some(1),
        },
        Some(3) => Kind::DataV2 {
            values: size(data_v2[1])?,
            nulls: size(data_v2[2])?,
            rows: size(data_v2[3])?,
            encoding: encoding(data_v2[4])?,
            // Repetition levels come first.
            levels: [size(data_v2[6])?, size(data_v2[5])?],
            is_compressed: data_v2[7] != Some(0),
        },
        _ => return Err(Problem::Invalid("the page is of an unknown type")),
    };
    Ok(PageHeader {
        length: reader.position,
        uncompressed: size(outer[2])?,
        compressed: size(outer[3])?,
        // The checksum's bits, as a signed number.
        crc: outer[4].and_then(|crc| i32::try_from(crc).ok()).map(i32::cast_unsigned),
        kind,
    })
}

fn size(value: Option<i64>) -> Parsed<usize> {
    let value = value.and_then(|value| i32::try_from(value).ok()).and_then(|value| usize::try_from(value).ok());
    value.ok_or(Problem::Invalid("a size in the page's header is missing or negative"))
}

fn encoding(value: Option<i64>) -> Parsed<Encoding> {
    Ok(match value {
        Some(0) => Encoding::PLAIN,
        Some(2) => Encoding::PLAIN_DICTIONARY,
        Some(3) => Encoding::RLE,
        #[expect(deprecated, reason = "files have it")]
        Some(4) => Encoding::BIT_PACKED,
        Some(5) => Encoding::DELTA_BINARY_PACKED,
        Some(6) => Encoding::DELTA_LENGTH_BYTE_ARRAY,
        Some(7) => Encoding::DELTA_BYTE_ARRAY,
        Some(8) => Encoding::RLE_DICTIONARY,
        Some(9) => Encoding::BYTE_STREAM_SPLIT,
        _ => return Err(Problem::Invalid("the page is in an unknown encoding")),
    })
}

struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

/// No struct of Parquet is nested as deep.
const MAX_DEPTH: usize = 16;

impl Reader<'_> {
    fn byte(&mut self) -> Parsed<u8> {
        let byte = *self.bytes.get(self.position).ok_or(Problem::Short)?;
        self.position += 1;
        Ok(byte)
    }

    fn varint(&mut self) -> Parsed<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Problem::Invalid("a number in the page's header does not end"))
    }

    fn zigzag(&mut self) -> Parsed<i64> {
        let value = self.varint()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    /// Reads a struct. Keeps its numbers, and those of its structs where the caller wants them.
    fn fields(&mut self, mut inner: Option<&mut [Fields; 9]>, depth: usize) -> Parsed<Fields> {
        if depth > MAX_DEPTH {
            return Err(Problem::Invalid("the page's header is nested too deep"));
        }
        let mut fields = [None; 9];
        let mut id = 0_i64;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Ok(fields);
            }
            id = match head >> 4 {
                0 => self.zigzag()?,
                delta => id + i64::from(delta),
            };
            let place = usize::try_from(id).ok().filter(|place| *place < fields.len());
            let number = match head & 0x0f {
                1 => Some(1),
                2 => Some(0),
                3 => Some(i64::from(self.byte()?)),
                4..=6 => Some(self.zigzag()?),
                12 => {
                    let read = self.fields(None, depth + 1)?;
                    if let (Some(inner), Some(place)) = (inner.as_deref_mut(), place) {
                        inner[place] = read;
                    }
                    None
                }
                kind => {
                    self.skip(kind, depth)?;
                    None
                }
            };
            if let Some(place) = place {
                fields[place] = number;
            }
        }
    }

    fn skip(&mut self, kind: u8, depth: usize) -> Parsed<()> {
        let length = match kind {
            7 => 8,
            8 => usize::try_from(self.varint()?).map_err(|_| Problem::Short)?,
            _ => return self.skip_list(kind, depth),
        };
        let end = self.position.checked_add(length).filter(|end| *end <= self.bytes.len());
        self.position = end.ok_or(Problem::Short)?;
        Ok(())
    }

    fn skip_list(&mut self, kind: u8, depth: usize) -> Parsed<()> {
        if !matches!(kind, 9 | 10) || depth > MAX_DEPTH {
            return Err(Problem::Invalid("a field of the page's header is of an unknown type"));
        }
        let head = self.byte()?;
        let length = match head >> 4 {
            15 => self.varint()?,
            length => u64::from(length),
        };
        for _ in 0..length {
            match head & 0x0f {
                1..=3 => _ = self.byte()?,
                4..=6 => _ = self.varint()?,
                12 => _ = self.fields(None, depth + 1)?,
                element => self.skip(element, depth + 1)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A data page of 9 values in plain encoding, 100 bytes that unpack to 2 GiB.
    const LYING: [u8; 20] = [
        0x15, 0x00, 0x15, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0x15, 0xc8, 0x01, 0x2c, 0x15, 0x12, 0x15, 0x00, 0x15, 0x06,
        0x15, 0x06,
    ];

    fn lying() -> Vec<u8> {
        [&LYING[..], &[0x00, 0x00]].concat()
    }

    #[test]
    fn a_header_says_how_large_its_page_claims_to_be() {
        let header = parse(&lying());
        let kind =
            Kind::Data { values: 9, encoding: Encoding::PLAIN, definitions: Encoding::RLE, repetitions: Encoding::RLE };
        let expected = PageHeader { length: 22, uncompressed: 0x7fff_ffff, compressed: 100, crc: None, kind };
        assert_eq!(header, Ok(expected));
    }

    #[test]
    fn a_header_that_is_cut_off_is_short_at_every_byte() {
        let whole = lying();
        for end in 0..whole.len() {
            assert_eq!(parse(&whole[..end]), Err(Problem::Short), "{end}");
        }
    }

    #[test]
    fn negative_sizes_are_invalid() {
        let mut header = lying();
        header[9..11].copy_from_slice(&[0x81, 0x00]);
        assert!(matches!(parse(&header), Err(Problem::Invalid(_))));
    }

    #[test]
    fn bytes_that_nest_without_end_do_not_overflow_the_stack() {
        assert!(matches!(parse(&[0x1c; 100_000]), Err(Problem::Invalid(_))));
        assert!(parse(&[0x19, 0xf9, 0xff, 0xff, 0xff, 0x0f, 0x19, 0x19, 0x19]).is_err());
    }
}
