//! Reads lines as 1.x and 2.x do: the same scans, in the same order, with the same oversights.
//!
//! Source: `models/points.go` and `pkg/escape/bytes.go`.

use super::{Read, Value};

/// The points of a body as 1.x and 2.x keep them, or why they refuse a line or do not find it again.
pub(in crate::points) fn v1(body: &str) -> Vec<Result<Read, String>> {
    let body = body.as_bytes();
    let mut points = Vec::new();
    let mut position = 0;
    while position < body.len() {
        let end = scan_line(body, position).min(body.len());
        // What the last line hides its newline in is cut off.
        let line = body[position..end].strip_suffix(b"\n").unwrap_or(&body[position..end]);
        position = end + 1;
        let start = skip_blank(line, 0);
        if start < line.len() && line[start] != b'#' {
            points.push(parse_point(&line[start..]));
        }
    }
    points
}

/// Where the line ends that begins at `i`: `scanLine`.
fn scan_line(body: &[u8], mut i: usize) -> usize {
    let (mut quoted, mut fields, mut equals, mut commas) = (false, false, 0, 0);
    while i < body.len() {
        let byte = body[i];
        if byte == b'\\' {
            i += 2;
            continue;
        }
        fields |= byte == b' ';
        if fields && !quoted && byte == b'=' {
            equals += 1;
        } else if fields && !quoted && byte == b',' {
            commas += 1;
        } else if fields && byte == b'"' && equals > commas {
            quoted = !quoted;
        } else if byte == b'\n' && !quoted {
            break;
        }
        i += 1;
    }
    i
}

/// `skipWhitespace`.
fn skip_blank(bytes: &[u8], start: usize) -> usize {
    start + bytes[start..].iter().take_while(|byte| matches!(byte, b' ' | b'\t' | 0)).count()
}

/// The first place from `from` on of one of `stops` that has no backslash before it: `scanTo` and its like.
fn scan_to(bytes: &[u8], from: usize, stops: &[u8]) -> usize {
    let is_stop = |at: &usize| stops.contains(&bytes[*at]) && (*at == from || bytes[at - 1] != b'\\');
    (from..bytes.len()).find(is_stop).unwrap_or(bytes.len())
}

fn parse_point(line: &[u8]) -> Result<Read, String> {
    let end = scan_key(line)?;
    let key = &line[..end];
    let start = skip_blank(line, end);
    let end = scan_fields(line, start)?;
    let mut fields = Vec::new();
    let mut rest = &line[start..end];
    while !rest.is_empty() {
        let equals = scan_to(rest, 0, b"=");
        let name = &rest[..equals];
        // `seriesKeySize`.
        let size = key.len() + 4 + name.len();
        if size > 65_535 {
            return Err(format!("max key length exceeded: {size} > 65535"));
        }
        rest = rest.get(equals + 1..).ok_or("missing field value")?;
        let end = scan_field_value(rest);
        fields.push((unescape(&text(name)?), field_value(&text(&rest[..end])?)?));
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    // `CheckTime`.
    let time = text(&line[skip_blank(line, end)..])?.parse().map_err(|_| "bad timestamp")?;
    if !(i64::MIN + 2..=i64::MAX - 1).contains(&time) {
        return Err("time outside range".to_owned());
    }
    // `validateSeriesAndFields`.
    fields.retain(|(name, _)| name != "time");
    let (measurement, tags) = parse_key(key)?;
    if tags.iter().any(|(name, _)| name == "time") {
        return Err("input tag \"time\" is invalid".to_owned());
    }
    if make_key(&measurement, &tags).as_bytes() != key {
        return Err("it is kept under a key by which it is not found".to_owned());
    }
    // `SeriesAndFieldFromCompositeKey`.
    let composite = [key, b"#!~#"].concat();
    if composite.windows(4).position(|part| part == b"#!~#") != Some(key.len()) {
        return Err("it is of another series after a restart".to_owned());
    }
    Ok(Read { measurement, tags, fields, time })
}

/// Where the series ends: `scanKey`.
fn scan_key(line: &[u8]) -> Result<usize, String> {
    let mut end = scan_to(line, 0, b", ");
    while line.get(end) == Some(&b',') {
        let key = end + 1;
        let equals = scan_to(line, key, b"=, ");
        if equals == key || line.get(equals) != Some(&b'=') {
            return Err("missing tag key or value".to_owned());
        }
        end = scan_to(line, equals + 1, b"=, ");
        if end == equals + 1 || line.get(end) == Some(&b'=') {
            return Err("missing tag value or invalid tag format".to_owned());
        }
    }
    if end == 0 || end >= line.len() { Err("missing measurement or fields".to_owned()) } else { Ok(end) }
}

/// Where the fields end: `scanFields`.
fn scan_fields(line: &[u8], start: usize) -> Result<usize, String> {
    let (mut i, mut quoted, mut equals, mut commas) = (start, false, 0, 0);
    while i < line.len() {
        match line[i] {
            b'\\' if i + 1 < line.len() => i += 1,
            b'"' if equals > commas => quoted = !quoted,
            b'=' if !quoted => equals += 1,
            b',' if !quoted => commas += 1,
            b' ' if !quoted => break,
            _ => {}
        }
        i += 1;
    }
    if quoted {
        return Err("unbalanced quotes".to_owned());
    }
    if equals == 0 || commas != equals - 1 { Err("invalid field format".to_owned()) } else { Ok(i) }
}

/// `scanFieldValue`.
fn scan_field_value(bytes: &[u8]) -> usize {
    let (mut i, mut quoted) = (0, false);
    while i < bytes.len() {
        match bytes[i] {
            b'\\' if matches!(bytes.get(i + 1), Some(b'"' | b'\\')) => i += 1,
            b'"' => quoted = !quoted,
            b',' if !quoted => break,
            _ => {}
        }
        i += 1;
    }
    i.min(bytes.len())
}

fn field_value(value: &str) -> Result<Value, String> {
    let invalid = || format!("invalid value `{value}`");
    if let Some(rest) = value.strip_prefix('"') {
        return rest.strip_suffix('"').map(|text| Value::Text(unescape_text(text))).ok_or_else(invalid);
    }
    match (value, value.strip_suffix('i'), value.strip_suffix('u')) {
        ("true", ..) => Ok(Value::Boolean(true)),
        ("false", ..) => Ok(Value::Boolean(false)),
        (_, Some(digits), _) => digits.parse().map(Value::Integer).map_err(|_| invalid()),
        (_, _, Some(digits)) => digits.parse().map(Value::Unsigned).map_err(|_| invalid()),
        // What else Rust reads as a float begins with a letter or a plus.
        _ if value.starts_with(|first: char| first.is_ascii_digit() || first == '-') => {
            value.parse().map(|float: f64| Value::Float(float.to_bits())).map_err(|_| invalid())
        }
        _ => Err(invalid()),
    }
}

/// The measurement and the tags of a series: `Name` and `walkTags`.
fn parse_key(key: &[u8]) -> Result<(String, Vec<(String, String)>), String> {
    let mut position = scan_to(key, 0, b",");
    let measurement = unescape(&text(&key[..position])?);
    let mut tags = Vec::new();
    while position < key.len() {
        let equals = scan_to(key, position + 1, b"=");
        let end = scan_to(key, equals + 1, b",");
        tags.push((unescape_tag(&text(&key[position + 1..equals])?), unescape_tag(&text(&key[equals + 1..end])?)));
        position = end;
    }
    Ok((measurement, tags))
}

/// The key by which a query looks for a series: `MakeKey`.
fn make_key(measurement: &str, tags: &[(String, String)]) -> String {
    // It removes escapes first, though the measurement has none.
    let measurement = measurement.replace("\\,", ",").replace("\\ ", " ");
    let mut key = measurement.replace(',', "\\,").replace(' ', "\\ ");
    for (name, value) in tags {
        let escape = |text: &str| text.replace(',', "\\,").replace(' ', "\\ ").replace('=', "\\=");
        key += &format!(",{}={}", escape(name), escape(value));
    }
    key
}

/// `Unescape` and `AppendUnescaped`, for measurements and field keys.
fn unescape(escaped: &str) -> String {
    let mut text = String::new();
    let mut rest = escaped.chars().peekable();
    while let Some(character) = rest.next() {
        match rest.peek() {
            Some(',' | '"' | ' ' | '=') if character == '\\' => text.extend(rest.next()),
            _ => text.push(character),
        }
    }
    text
}

/// `unescapeTag`, which removes one escape after the other; 1.x in any order.
fn unescape_tag(escaped: &str) -> String {
    escaped.replace("\\,", ",").replace("\\ ", " ").replace("\\=", "=")
}

/// `unescapeStringField`.
fn unescape_text(escaped: &str) -> String {
    let mut text = String::new();
    let mut rest = escaped.chars().peekable();
    while let Some(character) = rest.next() {
        match rest.peek() {
            Some('"' | '\\') if character == '\\' => text.extend(rest.next()),
            _ => text.push(character),
        }
    }
    text
}

fn text(bytes: &[u8]) -> Result<String, String> {
    String::from_utf8(bytes.to_vec()).map_err(|error| error.to_string())
}
