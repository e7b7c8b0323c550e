//! How text is written in line protocol, and what cannot be written.
//!
//! Source: the line protocol of InfluxDB 2 (`models/points.go`), which 1.x and 3 read alike for what is written here. A
//! backslash is an escape only before the few characters that an element reserves; elsewhere it stands for itself. So a
//! backslash at the end of a measurement, a key or a tag value cannot be written: it would escape what follows.

/// Why a text cannot stand where it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unwritable {
    /// A newline ends the line, escaped or not.
    #[error("it holds a line break")]
    LineBreak,
    /// It would escape the character after it.
    #[error("it ends in a backslash")]
    TrailingBackslash,
    /// `#` at the start of a line makes it a comment, which the server drops without a word.
    #[error("it begins with `#`")]
    Comment,
    /// The server keeps these keys for itself, and drops or refuses them.
    #[error("the server keeps this key for itself")]
    ReservedKey,
    /// Nothing to write.
    #[error("it is empty")]
    Empty,
    /// Longer than the server takes.
    #[error("it is longer than {0} bytes")]
    TooLong(usize),
}

/// The longest text of a measurement, key or tag value: 2.x holds a whole series key in 16 bits.
pub(super) const SERIES_KEY_BYTES: usize = 65_535;

/// Appends a measurement.
pub(super) fn measurement(text: &str, line: &mut Vec<u8>) -> Result<(), Unwritable> {
    if text.starts_with('#') {
        return Err(Unwritable::Comment);
    }
    element(text, b", ", line)
}

/// Appends a tag's key.
pub(super) fn tag_key(text: &str, line: &mut Vec<u8>) -> Result<(), Unwritable> {
    if matches!(text, "time" | "_field" | "_measurement") {
        return Err(Unwritable::ReservedKey);
    }
    element(text, b",= ", line)
}

/// Appends a tag's value.
pub(super) fn tag_value(text: &str, line: &mut Vec<u8>) -> Result<(), Unwritable> {
    element(text, b",= ", line)
}

/// Appends a field's key.
pub(super) fn field_key(text: &str, line: &mut Vec<u8>) -> Result<(), Unwritable> {
    if text == "time" {
        return Err(Unwritable::ReservedKey);
    }
    element(text, b",= ", line)
}

/// Appends a field's text, quoted. Every text can be written: a line break inside of quotes does not end the line.
pub(super) fn field_text(text: &str, line: &mut Vec<u8>) {
    line.push(b'"');
    escape(text, br#""\"#, line);
    line.push(b'"');
}

fn element(text: &str, reserved: &[u8], line: &mut Vec<u8>) -> Result<(), Unwritable> {
    match text.as_bytes() {
        [] => Err(Unwritable::Empty),
        [.., b'\\'] => Err(Unwritable::TrailingBackslash),
        bytes if bytes.iter().any(|byte| matches!(byte, b'\n' | b'\r')) => Err(Unwritable::LineBreak),
        bytes if bytes.len() > SERIES_KEY_BYTES => Err(Unwritable::TooLong(SERIES_KEY_BYTES)),
        _ => {
            escape(text, reserved, line);
            Ok(())
        }
    }
}

fn escape(text: &str, reserved: &[u8], line: &mut Vec<u8>) {
    for byte in text.bytes() {
        if reserved.contains(&byte) {
            line.push(b'\\');
        }
        line.push(byte);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn written(write: impl Fn(&str, &mut Vec<u8>) -> Result<(), Unwritable>, text: &str) -> Result<String, Unwritable> {
        let mut line = Vec::new();
        write(text, &mut line).map(|()| String::from_utf8(line).unwrap())
    }

    #[test]
    fn each_element_escapes_what_it_reserves() {
        assert_eq!(written(measurement, "a b,c=d").unwrap(), r"a\ b\,c=d");
        assert_eq!(written(tag_key, "a b,c=d").unwrap(), r"a\ b\,c\=d");
        assert_eq!(written(tag_value, r#"São "Paulo" \o/"#).unwrap(), r#"São\ "Paulo"\ \o/"#);
        assert_eq!(written(field_key, "a b").unwrap(), r"a\ b");
        let mut text = Vec::new();
        field_text("say \"\\\" =,\n", &mut text);
        assert_eq!(text, b"\"say \\\"\\\\\\\" =,\n\"");
    }

    #[test]
    fn what_cannot_be_written_exactly_is_refused() {
        assert_eq!(written(measurement, "#total"), Err(Unwritable::Comment));
        assert_eq!(written(tag_value, "two\nlines"), Err(Unwritable::LineBreak));
        assert_eq!(written(tag_value, r"C:\"), Err(Unwritable::TrailingBackslash));
        assert_eq!(written(tag_value, ""), Err(Unwritable::Empty));
        assert_eq!(written(tag_value, &"x".repeat(65_536)), Err(Unwritable::TooLong(65_535)));
        for key in ["time", "_field", "_measurement"] {
            assert_eq!(written(tag_key, key), Err(Unwritable::ReservedKey));
        }
        assert_eq!(written(field_key, "time"), Err(Unwritable::ReservedKey));
        assert_eq!(written(field_key, "_field").unwrap(), "_field");
    }
}
