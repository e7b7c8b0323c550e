//! Line protocol, as the loader writes it, read back into points.
//!
//! A point borrows the text that it was read from. What other programs write (comments, blank lines, points without a
//! time) is refused.

use std::borrow::Cow;

/// A text is not the line protocol that the loader writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no point of line protocol begins at byte {0}")]
pub(crate) struct NotAPoint(usize);

/// A point, its parts as they are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Point<'a> {
    /// The measurement and the tags, these in the order of their text.
    pub(crate) series: Cow<'a, str>,
    /// In nanoseconds since 1970.
    pub(crate) time: i64,
    /// The fields, in the order in which they are written.
    pub(crate) fields: &'a str,
}

/// The points of a text, in its order.
pub(crate) fn points(text: &str) -> Result<Vec<Point<'_>>, NotAPoint> {
    let mut points = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (point, after) = point(rest).ok_or(NotAPoint(text.len() - rest.len()))?;
        points.push(point);
        rest = after;
    }
    Ok(points)
}

/// The point that a text begins with, and what follows its line.
fn point(text: &str) -> Option<(Point<'_>, &str)> {
    let (series, rest) = split(text, b' ')?;
    let end = fields_end(rest)?;
    let (fields, rest) = (rest.get(..end)?, rest.get(end + 1..)?);
    let (time, rest) = rest.split_once('\n')?;
    Some((Point { series: sorted(series), time: time.parse().ok()?, fields }, rest))
}

/// The series with its tags in the order of their text: it is the same series in any order.
fn sorted(series: &str) -> Cow<'_, str> {
    let mut parts = parts(series);
    let Some((_, tags)) = parts.split_first_mut() else { return series.into() };
    if tags.is_sorted() {
        return series.into();
    }
    tags.sort_unstable();
    parts.join(",").into()
}

/// The measurement and each tag of a series, as they are written.
fn parts(series: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = series;
    while let Some((part, after)) = split(rest, b',') {
        parts.push(part);
        rest = after;
    }
    parts.push(rest);
    parts
}

/// The measurement of a series, as text.
pub(crate) fn measurement(series: &str) -> String {
    unescaped(parts(series).first().copied().unwrap_or_default(), ", ")
}

/// The keys and values of a series' tags, as text.
pub(crate) fn tags(series: &str) -> Vec<(String, String)> {
    let tags = parts(series).into_iter().skip(1).filter_map(|tag| split(tag, b'='));
    tags.map(|(key, value)| (unescaped(key, ",= "), unescaped(value, ",= "))).collect()
}

/// The keys of fields, as text, and their values, as they are written.
pub(crate) fn fields(text: &str) -> Vec<(String, &str)> {
    let mut fields = Vec::new();
    let mut rest = text;
    while let Some((key, after)) = split(rest, b'=') {
        let end = value_end(after).unwrap_or(after.len());
        let (value, after) = after.split_at(end);
        fields.push((unescaped(key, ",= "), value));
        rest = after.strip_prefix(',').unwrap_or(after);
    }
    fields
}

/// A text before and after the first `delimiter` that is not escaped. It is escaped by the backslash before it, whatever
/// stands before that: a backslash escapes no backslash here, and nothing ends in one.
fn split(text: &str, delimiter: u8) -> Option<(&str, &str)> {
    let bytes = text.as_bytes();
    let is_end = |&place: &usize| {
        bytes.get(place) == Some(&delimiter)
            && place.checked_sub(1).and_then(|before| bytes.get(before)) != Some(&b'\\')
    };
    let place = (0..bytes.len()).find(is_end)?;
    Some((text.get(..place)?, text.get(place + 1..)?))
}

/// Where the space after a point's fields is.
fn fields_end(text: &str) -> Option<usize> {
    let mut rest = text;
    loop {
        let (_, value) = split(rest, b'=')?;
        let end = value_end(value)?;
        rest = value.get(end..)?;
        if rest.starts_with(' ') {
            return Some(text.len() - rest.len());
        }
        rest = rest.strip_prefix(',')?;
    }
}

/// Where a field's value ends: after its closing quote, or before a comma or a space. Nothing where it does not end.
fn value_end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    if bytes.first() != Some(&b'"') {
        return bytes.iter().position(|byte| matches!(byte, b',' | b' '));
    }
    let mut place = 1;
    loop {
        match bytes.get(place)? {
            b'\\' => place += 2,
            b'"' => return Some(place + 1),
            _ => place += 1,
        }
    }
}

/// A text without the backslashes before what is `reserved` in it.
fn unescaped(text: &str, reserved: &str) -> String {
    let mut characters = text.chars().peekable();
    let mut unescaped = String::with_capacity(text.len());
    while let Some(character) = characters.next() {
        let is_escape = character == '\\' && characters.peek().is_some_and(|&next| reserved.contains(next));
        if !is_escape {
            unescaped.push(character);
        }
    }
    unescaped
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_point_is_its_series_its_time_and_its_fields() {
        let points = points("load,region=south power=1.5,unit=\"MW\" 12\nload power=2 -3\n").unwrap();
        assert_eq!(
            points,
            [
                Point { series: "load,region=south".into(), time: 12, fields: "power=1.5,unit=\"MW\"" },
                Point { series: "load".into(), time: -3, fields: "power=2" },
            ]
        );
        assert_eq!(fields(points[0].fields), [("power".to_owned(), "1.5"), ("unit".to_owned(), "\"MW\"")]);
    }

    #[test]
    fn escapes_are_read_as_the_server_reads_them() {
        // Of `\\ ` only the second backslash is an escape, and the first stands for itself.
        let text = "a\\ b\\,c=d,k\\=1=v\\\\ w,z=\"q f\\ g=1i 1\n";
        let points = points(text).unwrap();
        assert_eq!(measurement(&points[0].series), "a b,c=d");
        let tags: Vec<String> = tags(&points[0].series).iter().map(|(key, value)| format!("{key}|{value}")).collect();
        assert_eq!(tags, ["k=1|v\\ w", "z|\"q"]);
        assert_eq!(fields(points[0].fields), [("f g".to_owned(), "1i")]);
    }

    #[test]
    fn quotes_hold_newlines_spaces_commas_and_escaped_quotes() {
        let text = "a t=\"one\ntwo, x=3 \\\"4\\\\\",u=\"\" 1\nb x=1 2\n";
        let points = points(text).unwrap();
        assert_eq!(points.len(), 2);
        assert_eq!(
            fields(points[0].fields),
            [("t".to_owned(), "\"one\ntwo, x=3 \\\"4\\\\\""), ("u".to_owned(), "\"\"")]
        );
        assert_eq!(points[1].series, "b");
    }

    #[test]
    fn the_order_of_tags_does_not_matter() {
        let points = points("a,y=2,x=1 f=1 1\na,x=1,y=2 f=1 1\n").unwrap();
        assert_eq!(points[0], points[1]);
    }

    #[test]
    fn what_is_no_point_is_refused_where_it_begins() {
        for bad in ["a", "a x=1", "a x=1 1", "a x=1 one\n", "a x 1\n", "a x=\"1 1\n", "\n", "# comment\n", "a x=1, 1\n"]
        {
            assert_eq!(points(&format!("a x=1 1\n{bad}")), Err(NotAPoint(8)), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[ab\\\\,= \"\n1é]{0,40}") {
            if let Ok(points) = points(&text) {
                for point in points {
                    fields(point.fields);
                    tags(&point.series);
                }
            }
        }
    }
}
