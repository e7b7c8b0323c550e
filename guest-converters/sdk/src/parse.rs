//! Text → values, strictly: what does not read exactly is no value.
//!
//! ```
//! use converter_sdk::parse;
//!
//! assert_eq!((parse::float("12.5"), parse::float("12.5 MW")), (Some(12.5), None));
//! ```

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
/// point, since `1,234` would have two meanings. `nan` and `inf` read as what they name, and too large a number reads as
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failure is a test's to report")]

    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_time_of_the_table_that_the_sdks_share_is_read_as_it_stands_there() {
        let table = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/times.jsonl");
        let table = std::fs::read_to_string(table).unwrap();
        let mut rows = 0;
        for line in table.lines() {
            let (text, expected, why): (String, Option<i64>, String) = serde_json::from_str(line).unwrap();
            assert_eq!(timestamp(&text), expected, "{text:?}: {why}");
            rows += 1;
        }
        assert!(rows > 100, "{rows}");
    }

    #[test]
    fn a_float_is_read_without_the_space_around_it() {
        assert_eq!(float(" 12.5\t"), Some(12.5));
        assert_eq!(float("-1.5e3"), Some(-1500.0));
        assert_eq!(float("+7"), Some(7.0));
        assert_eq!(float("1e999"), Some(f64::INFINITY));
        assert!(float("NaN").is_some_and(f64::is_nan));
    }

    #[test]
    fn nothing_else_is_a_float() {
        for text in ["", " ", "12,5", "1,234.5", "1 234", "12 MW", "0x10", "1_000", "--1", "1e"] {
            assert_eq!(float(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_jiff_prints_is_read_back(nanoseconds: i64, seconds in -86_340..86_340_i32) {
            let time = Timestamp::from_nanosecond(nanoseconds.into()).unwrap();
            prop_assert_eq!(timestamp(&time.to_string()), Some(nanoseconds));
            let offset = Offset::from_seconds(seconds / 60 * 60).unwrap();
            prop_assert_eq!(timestamp(&time.display_with_offset(offset).to_string()), Some(nanoseconds));
        }

        #[test]
        fn what_has_the_form_of_a_time_is_read_as_jiff_reads_it(
            text in r"[0-9]{4}-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-5][0-9](\.[0-9]{0,10})?",
            offset in "([Zz]|[+-]([01][0-9]|2[0-3]):[0-6][0-9])?",
        ) {
            let zone = if offset.is_empty() { "Z" } else { &offset };
            let expected = format!("{text}{zone}").parse::<Timestamp>().ok();
            let expected = expected.and_then(|time| i64::try_from(time.as_nanosecond()).ok());
            prop_assert_eq!(timestamp(&format!("{text}{offset}")), expected);
        }

        #[test]
        fn no_text_does_harm(text in r"[0-9TZ:.+ -]{0,40}|\PC*") {
            timestamp(&text);
            float(&text);
        }

        #[test]
        fn what_rust_prints_is_read_back(number: f64) {
            prop_assert_eq!(float(&number.to_string()).map(f64::to_bits), Some(number.to_bits()));
        }
    }
}
