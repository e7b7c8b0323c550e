//! Parquet's hybrid of run lengths and packed bits, read as a stream and written for slices of pages.

use std::io::{self, Read};

/// Numbers of up to 32 bits from a stream.
pub(super) struct Runs<R> {
    bytes: R,
    width: u32,
    /// Values left of the current run.
    left: u64,
    /// The one value of the whole run; `None`: the values are packed.
    repeated: Option<u32>,
    /// Packed bits that have been read and not used.
    bits: u64,
    bits_left: u32,
}

impl<R: Read> Runs<R> {
    pub(super) fn new(bytes: R, width: u8) -> io::Result<Self> {
        if width > 32 {
            return Err(invalid("numbers of more than 32 bits"));
        }
        Ok(Self { bytes, width: u32::from(width), left: 0, repeated: None, bits: 0, bits_left: 0 })
    }

    pub(super) fn next(&mut self) -> io::Result<u32> {
        while self.left == 0 {
            self.run()?;
        }
        self.left -= 1;
        if let Some(value) = self.repeated {
            return Ok(value);
        }
        while self.bits_left < self.width {
            let mut byte = [0];
            self.bytes.read_exact(&mut byte)?;
            self.bits |= u64::from(byte[0]) << self.bits_left;
            self.bits_left += 8;
        }
        let value = self.bits & ((1_u64 << self.width) - 1);
        self.bits >>= self.width;
        self.bits_left -= self.width;
        u32::try_from(value).map_err(io::Error::other)
    }

    /// The next value, and how often it is known to follow: at most `most` times.
    pub(super) fn next_run(&mut self, most: u64) -> io::Result<(u32, u64)> {
        while self.left == 0 {
            self.run()?;
        }
        match self.repeated {
            Some(value) => {
                let count = self.left.min(most);
                self.left -= count;
                Ok((value, count))
            }
            None => Ok((self.next()?, 1)),
        }
    }

    pub(super) fn into_inner(self) -> R {
        self.bytes
    }

    fn run(&mut self) -> io::Result<()> {
        let head = varint(&mut self.bytes)?;
        (self.bits, self.bits_left) = (0, 0);
        if head & 1 == 1 {
            self.left = (head >> 1).saturating_mul(8);
            self.repeated = None;
        } else {
            self.left = head >> 1;
            let mut value = [0; 4];
            self.bytes.read_exact(&mut value[..self.width.div_ceil(8) as usize])?;
            self.repeated = Some(u32::from_le_bytes(value));
        }
        Ok(())
    }
}

/// Writes values of so many bits each, packed.
pub(super) fn pack(values: &[u32], width: u8, into: &mut Vec<u8>) {
    put_varint(((values.len() as u64).div_ceil(8) << 1) | 1, into);
    let end = into.len() + values.len().div_ceil(8) * usize::from(width);
    let (mut bits, mut count) = (0_u64, 0_u32);
    for value in values {
        bits |= u64::from(*value) << count;
        count += u32::from(width);
        while count >= 8 {
            into.push(bits.to_le_bytes()[0]);
            bits >>= 8;
            count -= 8;
        }
    }
    if count > 0 {
        into.push(bits.to_le_bytes()[0]);
    }
    into.resize(end, 0);
}

/// Writes values of a bit each, which are packed already.
pub(super) fn packed_bits(bits: &[u8], into: &mut Vec<u8>) {
    put_varint(((bits.len() as u64) << 1) | 1, into);
    into.extend_from_slice(bits);
}

/// Writes a run of one value, which has 8 bits at most.
pub(super) fn repeat(value: u8, count: usize, into: &mut Vec<u8>) {
    put_varint((count as u64) << 1, into);
    into.push(value);
}

pub(super) fn varint(bytes: &mut impl Read) -> io::Result<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let mut byte = [0];
        bytes.read_exact(&mut byte)?;
        value |= u64::from(byte[0] & 0x7f) << shift;
        if byte[0] & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(invalid("a number that does not end"))
}

fn put_varint(mut value: u64, into: &mut Vec<u8>) {
    while value >= 0x80 {
        into.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    into.push(value.to_le_bytes()[0]);
}

pub(super) fn invalid(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn runs_and_packed_bits_are_read_in_their_order() {
        // Five times 3, then 0 to 7 in three bits, as the format's own example has them.
        let bytes = [0x0a, 0x03, 0x03, 0x88, 0xc6, 0xfa];
        let mut runs = Runs::new(&bytes[..], 3).unwrap();
        let read: Vec<u32> = (0..13).map(|_| runs.next().unwrap()).collect();
        assert_eq!(read, [3, 3, 3, 3, 3, 0, 1, 2, 3, 4, 5, 6, 7]);
        assert!(runs.next().is_err());
    }

    proptest! {
        #[test]
        fn what_is_packed_is_read_again(width in 0_u8..=32, values in proptest::collection::vec(any::<u32>(), 0..100)) {
            let mask = u32::try_from((1_u64 << width) - 1).unwrap();
            let values: Vec<u32> = values.into_iter().map(|value| value & mask).collect();
            let mut bytes = Vec::new();
            pack(&values, width, &mut bytes);
            let mut runs = Runs::new(&bytes[..], width).unwrap();
            for value in values {
                prop_assert_eq!(runs.next().unwrap(), value);
            }
        }
    }
}
