//! A reader of JSON that keeps numbers as they are written: every float comes back bit by bit, and integers of 64 bits whole.
//!
//! Nothing is built of what is skipped, so that an answer costs the memory of its text and of one row.

use std::borrow::Cow;

use super::Unreadable;

/// The deepest that values are nested.
const DEEPEST: u32 = 32;

/// A value that is neither a list nor an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sink::influxdb) enum Cell<'a> {
    Null,
    Boolean(bool),
    /// As it is written.
    Number(&'a str),
    Text(Cow<'a, str>),
}

impl<'a> Cell<'a> {
    /// The text.
    pub(super) fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) => Some(text),
            Self::Null | Self::Boolean(_) | Self::Number(_) => None,
        }
    }
}

/// A place in a text of JSON.
#[derive(Clone, Copy, Debug)]
pub(super) struct Json<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Json<'a> {
    /// The start of an answer.
    pub(super) fn of(answer: &'a [u8]) -> Result<Self, Unreadable> {
        let text = std::str::from_utf8(answer).map_err(|_| Unreadable("the answer is no text".to_owned()))?;
        Ok(Self { text, at: 0 })
    }

    /// Whether nothing follows but blanks.
    pub(super) fn is_at_end(&mut self) -> bool {
        self.peek().is_none()
    }

    /// Calls `each` with every key of an object, at its value, which it has to read.
    pub(super) fn object(
        &mut self,
        mut each: impl FnMut(&str, &mut Self) -> Result<(), Unreadable>,
    ) -> Result<(), Unreadable> {
        self.expect(b'{')?;
        if self.takes(b'}') {
            return Ok(());
        }
        loop {
            let key = self.string()?;
            self.expect(b':')?;
            each(&key, self)?;
            if !self.takes(b',') {
                return self.expect(b'}');
            }
        }
    }

    /// Calls `each` at every element of a list, which it has to read.
    pub(super) fn list(&mut self, mut each: impl FnMut(&mut Self) -> Result<(), Unreadable>) -> Result<(), Unreadable> {
        self.expect(b'[')?;
        if self.takes(b']') {
            return Ok(());
        }
        loop {
            each(self)?;
            if !self.takes(b',') {
                return self.expect(b']');
            }
        }
    }

    /// A value that is neither a list nor an object.
    pub(super) fn cell(&mut self) -> Result<Cell<'a>, Unreadable> {
        match self.peek() {
            Some(b'"') => self.string().map(Cell::Text),
            Some(b'-' | b'0'..=b'9') => {
                let rest = &self.text[self.at..];
                let is_part = |byte: u8| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
                let length = rest.bytes().position(|byte| !is_part(byte)).unwrap_or(rest.len());
                self.at += length;
                Ok(Cell::Number(&rest[..length]))
            }
            Some(b't') => self.word("true").map(|()| Cell::Boolean(true)),
            Some(b'f') => self.word("false").map(|()| Cell::Boolean(false)),
            Some(b'n') => self.word("null").map(|()| Cell::Null),
            _ => Err(self.unexpected()),
        }
    }

    /// Passes over a value. Returns where it begins.
    pub(super) fn skip(&mut self) -> Result<Self, Unreadable> {
        self.peek();
        let start = *self;
        self.skip_nested(0)?;
        Ok(start)
    }

    fn skip_nested(&mut self, depth: u32) -> Result<(), Unreadable> {
        if depth > DEEPEST {
            return Err(Unreadable("the answer is nested too deeply".to_owned()));
        }
        match self.peek() {
            Some(b'{') => self.object(|_, value| value.skip_nested(depth + 1)),
            Some(b'[') => self.list(|value| value.skip_nested(depth + 1)),
            _ => self.cell().map(drop),
        }
    }

    fn string(&mut self) -> Result<Cow<'a, str>, Unreadable> {
        self.expect(b'"')?;
        let rest = &self.text[self.at..];
        let Some(length) = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\')) else {
            return Err(self.unexpected());
        };
        if rest.as_bytes()[length] == b'"' {
            self.at += length + 1;
            return Ok(Cow::Borrowed(&rest[..length]));
        }
        let mut text = rest[..length].to_owned();
        self.at += length;
        loop {
            let rest = &self.text[self.at..];
            let Some(length) = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\')) else {
                return Err(self.unexpected());
            };
            text.push_str(&rest[..length]);
            self.at += length + 1;
            if rest.as_bytes()[length] == b'"' {
                return Ok(Cow::Owned(text));
            }
            text.push(self.escaped()?);
        }
    }

    /// What stands after a backslash.
    fn escaped(&mut self) -> Result<char, Unreadable> {
        let byte = self.text.as_bytes().get(self.at).copied();
        self.at += 1;
        Ok(match byte {
            Some(plain @ (b'"' | b'\\' | b'/')) => plain.into(),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let high = self.unit()?;
                let is_pair = (0xd800..0xdc00).contains(&high) && self.text[self.at..].starts_with("\\u");
                let code = if is_pair {
                    self.at += 2;
                    let low = self.unit()?.wrapping_sub(0xdc00) & 0x3ff;
                    0x1_0000 + ((high - 0xd800) << 10) + low
                } else {
                    high
                };
                char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            _ => {
                self.at -= 1;
                return Err(self.unexpected());
            }
        })
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Result<u32, Unreadable> {
        let digits =
            self.text.get(self.at..self.at + 4).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let unit = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).ok_or_else(|| self.unexpected())?;
        self.at += 4;
        Ok(unit)
    }

    fn word(&mut self, word: &str) -> Result<(), Unreadable> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.unexpected());
        }
        self.at += word.len();
        Ok(())
    }

    /// The next byte that is not blank.
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while matches!(bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    fn takes(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, byte: u8) -> Result<(), Unreadable> {
        if self.takes(byte) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn unexpected(&self) -> Unreadable {
        Unreadable(format!("the answer is not the JSON that was expected, at byte {}", self.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(text: &str) -> Option<Cell<'_>> {
        let mut json = Json::of(text.as_bytes()).ok()?;
        json.cell().ok().filter(|_| json.is_at_end())
    }

    #[test]
    fn numbers_stay_as_they_are_written() {
        for number in ["0.1", "-0", "9007199254740993", "18446744073709551615", "1e+21", "-4.9E-324"] {
            assert_eq!(cell(number), Some(Cell::Number(number)));
        }
    }

    #[test]
    fn texts_lose_nothing() {
        for text in ["", "plain", "a\"b\\c/", "line\r\nand\ttab", "<&>", "\u{2028}", "北 \u{1f600}", "\u{8}\u{c}\0"] {
            let written = serde_json::to_string(text).unwrap_or_default();
            assert_eq!(cell(&written), Some(Cell::Text(text.into())), "{written}");
        }
        assert_eq!(cell(r#""\u003c\u2028\ud83d\ude00\/""#), Some(Cell::Text("<\u{2028}\u{1f600}/".into())));
        // Half a pair is no character.
        assert_eq!(cell(r#""\ud83dx""#), Some(Cell::Text("\u{fffd}x".into())));
    }

    #[test]
    fn what_is_no_json_is_an_error_and_no_panic() {
        let nested = "[".repeat(100);
        for text in ["", "<html>", "{", "{\"a\"}", "[1,", "\"a", "\"\\", "\"\\u12", "\"\\x\"", "tru", nested.as_str()] {
            let mut json = Json::of(text.as_bytes()).unwrap_or_else(|_| unreachable!());
            assert!(json.skip().is_err(), "{text}");
        }
        assert!(Json::of(b"\xff").is_err());
    }

    #[test]
    fn a_place_can_be_read_again() {
        let mut json =
            Json::of(br#"{"values": [[1, null], [true, "x"]], "name": "m"}"#).unwrap_or_else(|_| unreachable!());
        let (mut values, mut name) = (None, None);
        let read = json.object(|key, value| {
            match key {
                "values" => values = Some(value.skip()?),
                _ => name = value.cell()?.text(),
            }
            Ok(())
        });
        assert!(read.is_ok() && name.as_deref() == Some("m"));
        let mut cells = Vec::new();
        let read = values.unwrap_or(json).list(|row| row.list(|cell| cell.cell().map(|cell| cells.push(cell))));
        assert!(read.is_ok());
        assert_eq!(cells, [Cell::Number("1"), Cell::Null, Cell::Boolean(true), Cell::Text("x".into())]);
    }
}
