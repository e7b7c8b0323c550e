//! A line as it is sent, taken apart: only lines that the encoder wrote, so that nothing is checked.

use crate::points::Dialect;
use crate::sink::kind::Kind;

/// Parts of a line, as they are written.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    /// The measurement with the tags.
    pub(crate) series: &'a [u8],
    /// Where the measurement ends.
    measurement: usize,
    /// The fields and what follows.
    rest: &'a [u8],
    escapes_backslash: bool,
}

impl<'a> Line<'a> {
    pub(crate) fn of(line: &'a [u8], dialect: Dialect) -> Self {
        let escapes_backslash = dialect == Dialect::V3;
        let measurement = end(line, b", ", escapes_backslash);
        let series = measurement + end(&line[measurement..], b" ", escapes_backslash);
        let rest = line.get(series + 1..).unwrap_or_default();
        Self { series: &line[..series], measurement, rest, escapes_backslash }
    }

    pub(crate) fn measurement(&self) -> &'a [u8] {
        &self.series[..self.measurement]
    }

    /// The keys and the values of the tags.
    pub(crate) fn tags(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let (mut rest, escapes) = (&self.series[self.measurement..], self.escapes_backslash);
        std::iter::from_fn(move || {
            let tag = rest.strip_prefix(b",")?;
            let key = end(tag, b"=", escapes);
            let value = end(&tag[key..], b",", escapes);
            rest = &tag[key + value..];
            Some((&tag[..key], tag.get(key + 1..key + value).unwrap_or_default()))
        })
    }

    /// Calls `each` with the key, the type and the value of each field, a text with its quotes. Returns the time.
    pub(crate) fn fields(&self, mut each: impl FnMut(&'a [u8], Kind, &'a [u8])) -> i64 {
        let mut rest = self.rest;
        loop {
            let key = end(rest, b"=", self.escapes_backslash);
            let value = rest.get(key + 1..).unwrap_or_default();
            let (length, kind) = match value {
                [b'"', text @ ..] => (2 + end_of_text(text), Kind::Text),
                _ => {
                    let length = value.iter().position(|byte| matches!(byte, b',' | b' ')).unwrap_or(value.len());
                    let kind = match (value.first(), value[..length].last()) {
                        (Some(b't' | b'f'), _) => Kind::Boolean,
                        (_, Some(b'i')) => Kind::Integer,
                        (_, Some(b'u')) => Kind::Unsigned,
                        _ => Kind::Float,
                    };
                    (length, kind)
                }
            };
            each(&rest[..key], kind, &value[..length.min(value.len())]);
            match value.get(length..) {
                Some([b',', next @ ..]) => rest = next,
                Some([_, time @ ..]) => {
                    let time = std::str::from_utf8(time).unwrap_or_default();
                    return time.trim_end().parse().unwrap_or_default();
                }
                _ => return 0,
            }
        }
    }
}

/// Where an element ends: at the first of these bytes that is not escaped. 1.x and 2.x look at the byte before alone.
fn end(text: &[u8], ends: &[u8], escapes_backslash: bool) -> usize {
    let mut escaped = false;
    for (place, byte) in text.iter().enumerate() {
        if !escaped && ends.contains(byte) {
            return place;
        }
        escaped = *byte == b'\\' && !(escapes_backslash && escaped);
    }
    text.len()
}

/// How long a quoted text is, without its quotes.
fn end_of_text(text: &[u8]) -> usize {
    let mut escaped = false;
    for (place, byte) in text.iter().enumerate() {
        match byte {
            b'"' if !escaped => return place,
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

/// A name as it is, of one that is written.
pub(crate) fn name(written: &[u8], dialect: Dialect) -> String {
    let mut name = Vec::with_capacity(written.len());
    let mut bytes = written.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        let is_escape = byte == b'\\'
            && bytes.peek().is_some_and(|next| match next {
                b',' | b'=' | b' ' => true,
                b'\\' => dialect == Dialect::V3,
                _ => false,
            });
        let byte = if is_escape { bytes.next().unwrap_or(byte) } else { byte };
        name.push(byte);
    }
    String::from_utf8_lossy(&name).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(line: &str, dialect: Dialect) -> (String, Vec<String>, Vec<(String, Kind)>, i64) {
        let line = Line::of(line.as_bytes(), dialect);
        let mut fields = Vec::new();
        let time = line.fields(|key, kind, _| fields.push((name(key, dialect), kind)));
        (name(line.measurement(), dialect), line.tags().map(|(key, _)| name(key, dialect)).collect(), fields, time)
    }

    #[test]
    fn a_line_is_taken_apart() {
        let (measurement, tags, fields, time) =
            parts("m,a=1,b=x\\ y f=1.5,i=2i,u=3u,t=true,s=\"a, b=\\\"c\\\\\" -5\n", Dialect::V2);
        assert_eq!((measurement.as_str(), time), ("m", -5));
        assert_eq!(tags, ["a", "b"]);
        let fields: Vec<(&str, Kind)> = fields.iter().map(|(key, kind)| (key.as_str(), *kind)).collect();
        assert_eq!(
            fields,
            [("f", Kind::Float), ("i", Kind::Integer), ("u", Kind::Unsigned), ("t", Kind::Boolean), ("s", Kind::Text)]
        );
    }

    #[test]
    fn names_are_read_as_their_engine_reads_them() {
        let of = |line, dialect| {
            let (measurement, tags, fields, _) = parts(line, dialect);
            (measurement, tags.join(" & "), fields.into_iter().map(|(key, _)| key).collect::<String>())
        };
        let owned = |one: &str, two: &str, three: &str| (one.to_owned(), two.to_owned(), three.to_owned());
        assert_eq!(of("a\\ b\\,c,k\\=1=v\\\\,l=w f\\ x=1 1\n", Dialect::V3), owned("a b,c", "k=1 & l", "f x"));
        assert_eq!(of("m,k=v\\\\,l\\=w,n=1 f=1 1\n", Dialect::V2), owned("m", "k & n", "f"));
        assert_eq!(of("m f\\\\x=1 1\n", Dialect::V3), owned("m", "", "f\\x"));
        assert_eq!(of("m f\\x=1 1\n", Dialect::V1), owned("m", "", "f\\x"));
    }
}
