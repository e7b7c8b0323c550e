//! Numbers as text.
//!
//! What is measured has few decimals, more often than not: a meter's reading of 170.736 was made from an integer and a
//! power of ten. Such a number is written from that integer, without a search for the shortest digits that are read back
//! as the same number, which is what takes the time with others; see [`Scale`] for why the digits are the same.

/// The most that a number takes: `-1.7976931348623157e+308`.
pub(super) const LONGEST: usize = 24;
/// Room for a number, and for what is written beyond its end.
pub(super) const ROOM: usize = 32;

/// Decimals that are looked for at most.
const MOST_DECIMALS: usize = 8;
/// Values that are looked at to find out how many decimals a column has.
const SAMPLE: usize = 32;
/// Powers of ten that are floats and integers alike.
const POWERS: [u32; MOST_DECIMALS + 1] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];
/// Eight digits.
const EIGHT_DIGITS: f64 = 1e8;
/// Every decimal of so many digits is a float of its own.
const FIFTEEN_DIGITS: f64 = 1e15;
/// What is smaller is written with an exponent.
const SMALLEST: f64 = 1e-5;
/// 2^52: the floats from here to 2^53 are the integers, whose last bits are the number itself.
const INTEGERS: f64 = 4_503_599_627_370_496.0;
/// The last bits of a float: those of its size within the next smaller power of two.
const MANTISSA: u64 = (1 << 52) - 1;

/// How many decimals the numbers of a column have.
///
/// A float x is the decimal m / 10^k, with the integer m < 10^15, where the division of m by 10^k gives x: both are floats
/// without error, so that their quotient is the float next to that decimal. No other decimal of at most 15 digits has the
/// same float next to it, so none that is shorter, and m / 10^k without zeros at its end is the shortest that is read back
/// as x.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    decimals: usize,
}

impl Scale {
    /// How many decimals suffice for the most of these numbers, by the look of a few of them; none, if they have too many.
    pub(super) fn of(numbers: &[f64]) -> Option<Self> {
        let step = (numbers.len() / SAMPLE).max(1);
        let (mut most, mut with, mut without) = (0, 0, 0);
        for number in numbers.iter().step_by(step).filter(|number| number.is_finite()) {
            match (0..=MOST_DECIMALS).find(|decimals| Self { decimals: *decimals }.integer(number.abs()).is_some()) {
                Some(decimals) => (most, with) = (most.max(decimals), with + 1),
                None => without += 1,
            }
        }
        (with > without).then_some(Self { decimals: most })
    }

    /// The integer of a number that is not negative, if it has no more decimals and is of a size that is written without
    /// an exponent.
    #[inline]
    fn integer(self, number: f64) -> Option<u64> {
        let power = f64::from(POWERS[self.decimals]);
        // The sum is rounded to an integer, the next one to the product, if that is not too large.
        let shifted = number * power + INTEGERS;
        let integer = shifted - INTEGERS;
        let fits = integer / power == number
            && integer < FIFTEEN_DIGITS
            && number < EIGHT_DIGITS
            && (number >= SMALLEST || number == 0.0);
        fits.then_some(shifted.to_bits() & MANTISSA)
    }

    /// Writes a number, if it has no more decimals. Returns its length.
    #[inline]
    pub(super) fn write(self, number: f64, text: &mut [u8; ROOM]) -> Option<usize> {
        let magnitude = number.abs();
        let integer = self.integer(magnitude)?;
        // It is less than 10^8.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "what is cut off are the decimals")]
        let whole = magnitude as u32;
        let power = POWERS[self.decimals];
        #[expect(clippy::cast_possible_truncation, reason = "less than the power")]
        let decimals = (integer - u64::from(whole) * u64::from(power)) as u32 * POWERS[MOST_DECIMALS - self.decimals];
        text[0] = b'-';
        let start = usize::from(number.is_sign_negative());
        let point = start + write_eight_digits(whole, &mut text[start..]);
        text[point] = b'.';
        let (digits, significant) = eight_digits(decimals);
        text[point + 1..][..8].copy_from_slice(&digits);
        // At least one, so that it stays a float to whoever reads it.
        let zeros = (significant | 1).leading_zeros() as usize / 8;
        Some(point + 1 + 8 - zeros)
    }
}

/// Writes a finite number. Returns its length.
#[inline]
pub(super) fn write_float(number: f64, scale: Option<Scale>, text: &mut [u8; ROOM]) -> usize {
    match scale.and_then(|scale| scale.write(number, text)) {
        Some(length) => length,
        None => copy(zmij::Buffer::new().format_finite(number), text),
    }
}

/// Writes an integer. Returns its length.
#[inline]
pub(super) fn write_integer(number: i64, text: &mut [u8; ROOM]) -> usize {
    text[0] = b'-';
    let start = usize::from(number < 0);
    match u32::try_from(number.unsigned_abs()) {
        Ok(number) if number < POWERS[MOST_DECIMALS] => start + write_eight_digits(number, &mut text[start..]),
        _ => copy(itoa::Buffer::new().format(number), text),
    }
}

/// Writes an integer without a sign. Returns its length.
#[inline]
pub(super) fn write_unsigned(number: u64, text: &mut [u8; ROOM]) -> usize {
    match u32::try_from(number) {
        Ok(number) if number < POWERS[MOST_DECIMALS] => write_eight_digits(number, text),
        _ => copy(itoa::Buffer::new().format(number), text),
    }
}

/// Copies a text of at most [`LONGEST`] bytes. Returns its length.
#[inline]
fn copy(from: &str, text: &mut [u8; ROOM]) -> usize {
    let from = from.as_bytes();
    // Its first bytes and its last, which may overlap: two copies of fixed length are some moves, one of any is a call.
    match (from.first_chunk::<16>(), from.last_chunk::<16>()) {
        (Some(first), Some(last)) => {
            text[..16].copy_from_slice(first);
            text[from.len() - 16..from.len()].copy_from_slice(last);
        }
        _ => text[..from.len()].copy_from_slice(from),
    }
    from.len()
}

/// Writes a number below 10^8, and zeros after it, eight bytes in all. Returns its length.
#[inline]
fn write_eight_digits(number: u32, text: &mut [u8]) -> usize {
    let (digits, significant) = eight_digits(number);
    // At least one.
    let zeros = (significant | 1 << 56).trailing_zeros() / 8;
    let digits = u64::from_le_bytes(digits) >> (8 * zeros);
    text[..8].copy_from_slice(&digits.to_le_bytes());
    8 - zeros as usize
}

/// The eight digits of a number below 10^8 as text, and as numbers: the first in the lowest byte.
///
/// All are made at once: halves of four digits next to each other, then quarters of two, then the digits. A multiplication
/// and a shift divide all parts, each with room for its product.
#[inline]
fn eight_digits(number: u32) -> ([u8; 8], u64) {
    /// 2^20 / 100, rounded up: exact for four digits.
    const HUNDREDTH: u64 = 10_486;
    /// 2^10 / 10, rounded up: exact for two digits.
    const TENTH: u64 = 103;
    let halves = u64::from(number / 10_000) | u64::from(number % 10_000) << 32;
    let hundreds = (halves * HUNDREDTH) >> 20 & 0x0000_007f_0000_007f;
    let quarters = hundreds | (halves - hundreds * 100) << 16;
    let tens = (quarters * TENTH) >> 10 & 0x000f_000f_000f_000f;
    let digits = tens | (quarters - tens * 10) << 8;
    ((digits | 0x3030_3030_3030_3030).to_le_bytes(), digits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn float(number: f64, scale: Option<Scale>) -> String {
        let mut text = [b'?'; ROOM];
        let length = write_float(number, scale, &mut text);
        String::from_utf8_lossy(&text[..length]).into_owned()
    }

    /// How others write the shortest digits.
    fn shortest(number: f64) -> String {
        zmij::Buffer::new().format_finite(number).to_owned()
    }

    /// Whether the number is written from an integer.
    fn is_short(number: f64, decimals: usize) -> bool {
        Scale { decimals }.write(number, &mut [0; ROOM]).is_some()
    }

    #[test]
    fn numbers_are_written_with_their_decimals() {
        let write = |number| float(number, Some(Scale { decimals: 3 }));
        assert_eq!(
            [0.0, -0.0, 1.0, 170.736, -8580.8, 0.001, 99_999_999.999].map(write),
            ["0.0", "-0.0", "1.0", "170.736", "-8580.8", "0.001", "99999999.999"]
        );
    }

    #[test]
    fn what_has_more_decimals_or_is_too_large_or_too_small_is_written_all_the_same() {
        for number in [0.392_430_729_604_505_77, 1.0001, 1e8, 1e22, f64::MAX, f64::MIN_POSITIVE, 1e-6, 5e-324] {
            assert!(!is_short(number, 3), "{number}");
            assert_eq!(float(number, Some(Scale { decimals: 3 })), shortest(number));
            assert_eq!(float(-number, None), shortest(-number));
        }
    }

    #[test]
    fn the_longest_number_fits() {
        assert_eq!(shortest(f64::MIN).len(), LONGEST);
    }

    #[test]
    fn a_column_has_the_decimals_of_the_most_of_its_numbers() {
        let decimals = |numbers: &[f64]| Scale::of(numbers).map(|scale| scale.decimals);
        assert_eq!(decimals(&[]), None);
        assert_eq!(decimals(&[f64::NAN, 1.0, 2.0]), Some(0));
        assert_eq!(decimals(&[1.0, 2.25, 3.5]), Some(2));
        assert_eq!(decimals(&[1.0, 2.25, 0.1 + 0.2]), Some(2));
        assert_eq!(decimals(&[1.5, 0.1 + 0.2]), None);
        assert_eq!(decimals(&[1e8, 1e9, 1.0]), None);
    }

    #[test]
    fn a_few_numbers_of_a_long_column_are_looked_at() {
        let numbers: Vec<f64> = (0..10_000).map(|number| f64::from(number) / 100.0).collect();
        assert_eq!(Scale::of(&numbers), Some(Scale { decimals: 2 }));
    }

    #[test]
    fn all_digits_of_all_parts_are_right() {
        for number in (0..10_000).flat_map(|part| [part, part * 10_000, part * 10_001]) {
            assert_eq!(eight_digits(number).0, *format!("{number:08}").as_bytes());
        }
    }

    #[test]
    fn integers_are_written_whole() {
        let mut text = [0; ROOM];
        for number in [0, 7, 10, 99_999_999, 100_000_000, u64::MAX] {
            let length = write_unsigned(number, &mut text);
            assert_eq!(text[..length], *number.to_string().as_bytes());
        }
        for number in [0, -1, 42, -99_999_999, 100_000_000, i64::MIN, i64::MAX] {
            let length = write_integer(number, &mut text);
            assert_eq!(text[..length], *number.to_string().as_bytes());
        }
    }

    proptest! {
        #[test]
        fn decimals_are_written_as_others_write_them(
            integer in -200_000_000_000_i64..200_000_000_000, decimals in 0..=MOST_DECIMALS, scale in 0..=MOST_DECIMALS,
        ) {
            #[expect(clippy::cast_precision_loss, reason = "it is less than 2^53")]
            let number = integer as f64 / f64::from(POWERS[decimals]);
            prop_assert_eq!(float(number, Some(Scale { decimals: scale })), shortest(number));
            prop_assert_eq!(float(number, Scale::of(&[number])), shortest(number));
        }

        #[test]
        fn any_number_is_written_as_others_write_it(
            bits: u64, near in 0_u32..1_000_000_000, away in -2_i64..=2, scale in 0..=MOST_DECIMALS,
        ) {
            // The floats around a decimal are not that decimal.
            let near = f64::from(near) / f64::from(POWERS[scale]);
            let beside = f64::from_bits(near.to_bits().saturating_add_signed(away));
            for number in [f64::from_bits(bits), beside, -beside].into_iter().filter(|number| number.is_finite()) {
                prop_assert_eq!(float(number, Some(Scale { decimals: scale })), shortest(number));
            }
        }

        #[test]
        fn any_integer_is_written_whole(number: i64, shift in 0..64_u32) {
            let number = number >> shift;
            let mut text = [0; ROOM];
            let length = write_integer(number, &mut text);
            prop_assert_eq!(String::from_utf8_lossy(&text[..length]), number.to_string());
            let length = write_unsigned(number.unsigned_abs(), &mut text);
            prop_assert_eq!(String::from_utf8_lossy(&text[..length]), number.unsigned_abs().to_string());
        }
    }
}
