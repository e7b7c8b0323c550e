//! Text → values, strictly: what does not read exactly is no value.

use jiff::civil::DateTime;
use jiff::tz::Offset;

/// Reads a time as nanoseconds since 1970-01-01T00:00:00Z.
///
/// Two forms are read: RFC 3339, such as `2024-03-01T12:30:00.25-03:00`, with a space or a lower-case `t` or `z` as it
/// allows; and the same without an offset, which means UTC. A fraction has one to nine digits. Everything else gives
/// `None`: other forms, surrounding space, a date alone, days that the calendar does not have, leap seconds, and times
/// outside of 1677-09-21 to 2262-04-11, which 64 bits of nanoseconds cannot hold.
///
/// ```
/// use converter_sdk::parse::timestamp;
///
/// assert_eq!(timestamp("1970-01-01T00:00:01Z"), Some(1_000_000_000));
/// assert_eq!(timestamp("1970-01-01 00:00:00.000000007"), Some(7));
/// assert_eq!(timestamp("1970-01-01"), None);
/// ```
pub fn timestamp(text: &str) -> Option<i64> {
    let mut text = Cursor(text.as_bytes());
    let year = text.digits(4)?;
    text.one_of(b"-")?;
    let month = text.digits(2)?;
    text.one_of(b"-")?;
    let day = text.digits(2)?;
    text.one_of(b"Tt ")?;
    let hour = text.digits(2)?;
    text.one_of(b":")?;
    let minute = text.digits(2)?;
    text.one_of(b":")?;
    let second = text.digits(2)?;
    let nanosecond = text.fraction()?;
    let offset = text.offset()?;
    let date_time = DateTime::new(year, month, day, hour, minute, second, nanosecond).ok()?;
    let timestamp = offset.to_timestamp(date_time).ok()?;
    i64::try_from(timestamp.as_nanosecond()).ok()
}

/// What is left to read.
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    /// Takes one of these bytes.
    fn one_of(&mut self, bytes: &[u8]) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        bytes.contains(&first).then_some(first)
    }

    /// Takes a number of exactly so many digits.
    fn digits<T: TryFrom<u32>>(&mut self, count: usize) -> Option<T> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        let number = digits
            .iter()
            .try_fold(0, |number: u32, &digit| digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0')))?;
        number.try_into().ok()
    }

    /// Takes a fraction of a second, if there is one, as nanoseconds.
    fn fraction(&mut self) -> Option<i32> {
        if self.0.first() != Some(&b'.') {
            return Some(0);
        }
        self.0 = &self.0[1..];
        let count = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        // 10^9 fits, so that no number of up to nine digits overflows.
        let scale = 9_u32.checked_sub(u32::try_from(count).ok()?).filter(|_| count > 0)?;
        Some(self.digits::<i32>(count)? * 10_i32.pow(scale))
    }

    /// Takes an offset from UTC, or the end of the text, which means UTC.
    fn offset(&mut self) -> Option<Offset> {
        if self.0.is_empty() {
            return Some(Offset::UTC);
        }
        let sign = match self.one_of(b"Zz+-")? {
            b'+' => 1,
            b'-' => -1,
            _ => return self.0.is_empty().then_some(Offset::UTC),
        };
        let hours: i32 = self.digits(2)?;
        self.one_of(b":")?;
        let minutes: i32 = self.digits(2)?;
        let is_valid = hours < 24 && minutes < 60 && self.0.is_empty();
        Offset::from_seconds(sign * (hours * 60 + minutes) * 60).ok().filter(|_| is_valid)
    }
}

/// Reads a number, as Rust and JSON write it: `12`, `-0.5`, `1.5e3`, with surrounding space. A comma is no decimal
/// point, since `1,234` would have two meanings. `nan` and `inf` read as what they say, and too large a number reads as
/// infinite; the loader takes neither for a value.
///
/// ```
/// use converter_sdk::parse::float;
///
/// assert_eq!(float(" 12.5 "), Some(12.5));
/// assert_eq!(float("12,5"), None);
/// ```
pub fn float(text: &str) -> Option<f64> {
    text.trim().parse().ok()
}
