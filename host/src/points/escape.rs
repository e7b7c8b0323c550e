//! How text is written in line protocol.
//!
//! A backslash is an escape only before the few characters that an element reserves; elsewhere it stands for itself. 3 also
//! knows an escape of the backslash, which 1.x and 2.x read as two.
//!
//! Source: `models/points.go` of 1.x and 2.x, `influxdb_line_protocol` of 3.

use super::dialect::Dialect;
use super::rules::{Element, Unwritable};

/// Appends an element that is not quoted. Returns whether it may hide the end of its line.
pub(super) fn element(element: Element, text: &str, dialect: Dialect, line: &mut Vec<u8>) -> Result<bool, Unwritable> {
    let may_hide_end = element.check(text, dialect)?;
    let escapes_backslash = dialect == Dialect::V3;
    for byte in text.bytes() {
        if element.reserved().contains(&byte) || (escapes_backslash && byte == b'\\') {
            line.push(b'\\');
        }
        line.push(byte);
    }
    Ok(may_hide_end)
}

/// Appends a field's text, quoted. All characters can be written: a line break inside of quotes does not end the line.
pub(super) fn field_text(text: &str, dialect: Dialect, line: &mut Vec<u8>) -> Result<(), Unwritable> {
    let limit = dialect.text_bytes();
    if text.len() > limit.most {
        return Err(Unwritable::TooLong(limit.most, limit.of));
    }
    line.push(b'"');
    for byte in text.bytes() {
        if matches!(byte, b'"' | b'\\') {
            line.push(b'\\');
        }
        line.push(byte);
    }
    line.push(b'"');
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::logs::on_one_line;
    use crate::points::rules::Element::{FieldKey, Measurement, TagKey, TagValue};

    const DIALECTS: [Dialect; 4] = [Dialect::V1, Dialect::V2, Dialect::V3, Dialect::Any];

    /// What becomes of each text, with the dialects that agree in it.
    fn written(texts: &[&str], write: impl Fn(&str, Dialect, &mut Vec<u8>) -> Result<(), Unwritable>) -> String {
        let mut shown = String::new();
        for text in texts {
            let mut outcomes: Vec<(String, Vec<Dialect>)> = Vec::new();
            for dialect in DIALECTS {
                let mut line = Vec::new();
                let outcome = match write(text, dialect, &mut line) {
                    Ok(()) => format!("`{}`", String::from_utf8(line).unwrap()),
                    Err(reason) => reason.to_string(),
                };
                match outcomes.iter_mut().find(|(known, _)| *known == outcome) {
                    Some((_, dialects)) => dialects.push(dialect),
                    None => outcomes.push((outcome, vec![dialect])),
                }
            }
            shown += &format!("{text:?}\n");
            for (outcome, dialects) in outcomes {
                let who = if dialects.len() == DIALECTS.len() { "all".to_owned() } else { format!("{dialects:?}") };
                shown += &format!("    {who}: {}\n", on_one_line(&outcome));
            }
        }
        shown
    }

    fn elements(kind: Element, texts: &[&str]) -> String {
        written(texts, |text, dialect, line| element(kind, text, dialect, line).map(drop))
    }

    #[test]
    fn each_element_escapes_what_it_reserves() {
        let texts = ["a b,c=d", "São \"Paulo\" \\o/", "北\u{85}#"];
        insta::assert_snapshot!(elements(Measurement, &texts), @r#"
        "a b,c=d"
            all: `a\ b\,c=d`
        "São \"Paulo\" \\o/"
            [V1, V2, Any]: `São\ "Paulo"\ \o/`
            [V3]: `São\ "Paulo"\ \\o/`
        "北\u{85}#"
            all: `北\u{85}#`
        "#);
        insta::assert_snapshot!(elements(TagKey, &texts), @r#"
        "a b,c=d"
            all: `a\ b\,c\=d`
        "São \"Paulo\" \\o/"
            [V1, V2, Any]: `São\ "Paulo"\ \o/`
            [V3]: `São\ "Paulo"\ \\o/`
        "北\u{85}#"
            all: `北\u{85}#`
        "#);
        assert_eq!(elements(TagKey, &texts), elements(TagValue, &texts));
        assert_eq!(elements(TagKey, &texts), elements(FieldKey, &texts));
    }

    #[test]
    fn a_backslash_is_written_where_the_engine_gives_it_back() {
        let texts = [r"a\b", r"a\\b", r"a\,b", r"a\=b", r"a\ b", r#"a\"b"#, r"a\"];
        insta::assert_snapshot!(elements(Measurement, &texts), @r#"
        "a\\b"
            [V1, V2, Any]: `a\b`
            [V3]: `a\\b`
        "a\\\\b"
            [V1, V2]: `a\\b`
            [V3]: `a\\\\b`
            [Any]: it holds a backslash before `\`, which InfluxDB 3 would read as an escape
        "a\\,b"
            [V1, V2, Any]: it holds a backslash before `,`, which InfluxDB 1.x and 2.x would read as an escape
            [V3]: `a\\\,b`
        "a\\=b"
            [V1, V2, Any]: it holds a backslash before `=`, which InfluxDB 1.x and 2.x would read as an escape
            [V3]: `a\\=b`
        "a\\ b"
            [V1, V2, Any]: it holds a backslash before ` `, which InfluxDB 1.x and 2.x would read as an escape
            [V3]: `a\\\ b`
        "a\\\"b"
            [V1, V2, Any]: it holds a backslash before `"`, which InfluxDB 1.x and 2.x would read as an escape
            [V3]: `a\\"b`
        "a\\"
            all: it ends in a backslash
        "#);
        insta::assert_snapshot!(elements(TagValue, &texts), @r#"
        "a\\b"
            [V1, V2, Any]: `a\b`
            [V3]: `a\\b`
        "a\\\\b"
            [V1, V2]: `a\\b`
            [V3]: `a\\\\b`
            [Any]: it holds a backslash before `\`, which InfluxDB 3 would read as an escape
        "a\\,b"
            [V1, V2]: `a\\,b`
            [V3]: `a\\\,b`
            [Any]: it holds a backslash before `,`, which InfluxDB 3 would read as an escape
        "a\\=b"
            [V1, V2]: `a\\=b`
            [V3]: `a\\\=b`
            [Any]: it holds a backslash before `=`, which InfluxDB 3 would read as an escape
        "a\\ b"
            [V1, V2]: `a\\ b`
            [V3]: `a\\\ b`
            [Any]: it holds a backslash before ` `, which InfluxDB 3 would read as an escape
        "a\\\"b"
            [V1, V2, Any]: `a\"b`
            [V3]: `a\\"b`
        "a\\"
            all: it ends in a backslash
        "#);
        insta::assert_snapshot!(elements(FieldKey, &texts), @r#"
        "a\\b"
            [V1, V2, Any]: `a\b`
            [V3]: `a\\b`
        "a\\\\b"
            [V1, V2]: `a\\b`
            [V3]: `a\\\\b`
            [Any]: it holds a backslash before `\`, which InfluxDB 3 would read as an escape
        "a\\,b"
            [V1, V2, Any]: it holds a backslash before `,`, which InfluxDB 1.x and 2.x would read as an escape
            [V3]: `a\\\,b`
        "a\\=b"
            [V1, V2, Any]: it holds a backslash before `=`, which InfluxDB 1.x and 2.x would read as an escape
            [V3]: `a\\\=b`
        "a\\ b"
            [V1, V2, Any]: it holds a backslash before ` `, which InfluxDB 1.x and 2.x would read as an escape
            [V3]: `a\\\ b`
        "a\\\"b"
            [V1, V2, Any]: it holds a backslash before `"`, which InfluxDB 1.x and 2.x would read as an escape
            [V3]: `a\\"b`
        "a\\"
            all: it ends in a backslash
        "#);
        assert_eq!(elements(TagKey, &texts), elements(TagValue, &texts));
    }

    #[test]
    fn a_measurement_must_not_be_a_comment() {
        insta::assert_snapshot!(elements(Measurement, &["#total", "a#", " #total"]), @r##"
        "#total"
            all: it begins with `#`
        "a#"
            all: `a#`
        " #total"
            all: `\ #total`
        "##);
        insta::assert_snapshot!(elements(TagValue, &["#total"]), @r##"
        "#total"
            all: `#total`
        "##);
    }

    #[test]
    fn a_line_break_is_never_written_outside_of_quotes() {
        for kind in [Measurement, TagKey, TagValue, FieldKey] {
            assert_eq!(elements(kind, &["a\nb"]), "\"a\\nb\"\n    all: it holds a line break\n");
        }
        insta::assert_snapshot!(elements(TagValue, &["a\rb"]), @r#"
        "a\rb"
            [V1, V2, V3]: `a\rb`
            [Any]: it holds a line break
        "#);
    }

    #[test]
    fn blank_characters_are_written_where_the_engine_keeps_them() {
        let texts = ["\ta", "a\tb", "\0a", "a\0b"];
        insta::assert_snapshot!(elements(Measurement, &texts), @r#"
        "\ta"
            [V1, V2, Any]: it begins with a tab or a NUL, which InfluxDB 1.x and 2.x would drop
            [V3]: it holds a tab, which ends a name in InfluxDB 3
        "a\tb"
            [V1, V2]: `a\tb`
            [V3, Any]: it holds a tab, which ends a name in InfluxDB 3
        "\0a"
            [V1, V2, Any]: it begins with a tab or a NUL, which InfluxDB 1.x and 2.x would drop
            [V3]: it holds a NUL, which ends a name in InfluxDB 3
        "a\0b"
            [V1, V2]: `a\u{0}b`
            [V3, Any]: it holds a NUL, which ends a name in InfluxDB 3
        "#);
        insta::assert_snapshot!(elements(TagValue, &texts), @r#"
        "\ta"
            [V1, V2]: `\ta`
            [V3, Any]: it holds a tab, which ends a name in InfluxDB 3
        "a\tb"
            [V1, V2]: `a\tb`
            [V3, Any]: it holds a tab, which ends a name in InfluxDB 3
        "\0a"
            all: `\u{0}a`
        "a\0b"
            all: `a\u{0}b`
        "#);
        insta::assert_snapshot!(elements(FieldKey, &texts), @r#"
        "\ta"
            [V1, V2, Any]: it begins with a tab or a NUL, which InfluxDB 1.x and 2.x would drop
            [V3]: it holds a tab, which ends a name in InfluxDB 3
        "a\tb"
            [V1, V2]: `a\tb`
            [V3, Any]: it holds a tab, which ends a name in InfluxDB 3
        "\0a"
            [V1, V2, Any]: it begins with a tab or a NUL, which InfluxDB 1.x and 2.x would drop
            [V3]: `\u{0}a`
        "a\0b"
            all: `a\u{0}b`
        "#);
    }

    #[test]
    fn what_parts_series_from_fields_in_files_is_not_part_of_a_series() {
        let texts = ["a#!~#b", "a#!~", "a#!~b", "#!"];
        insta::assert_snapshot!(elements(TagValue, &texts), @r##"
        "a#!~#b"
            [V1, V2, Any]: its `#!~` is the end of a series in the files of InfluxDB 1.x and 2.x
            [V3]: `a#!~#b`
        "a#!~"
            [V1, V2, Any]: its `#!~` is the end of a series in the files of InfluxDB 1.x and 2.x
            [V3]: `a#!~`
        "a#!~b"
            all: `a#!~b`
        "#!"
            all: `#!`
        "##);
        insta::assert_snapshot!(elements(TagKey, &texts), @r##"
        "a#!~#b"
            [V1, V2, Any]: its `#!~` is the end of a series in the files of InfluxDB 1.x and 2.x
            [V3]: `a#!~#b`
        "a#!~"
            all: `a#!~`
        "a#!~b"
            all: `a#!~b`
        "#!"
            all: `#!`
        "##);
        insta::assert_snapshot!(elements(FieldKey, &texts), @r##"
        "a#!~#b"
            all: `a#!~#b`
        "a#!~"
            all: `a#!~`
        "a#!~b"
            all: `a#!~b`
        "#!"
            all: `#!`
        "##);
    }

    #[test]
    fn reserved_keys_are_refused_by_the_engines_that_reserve_them() {
        let texts = ["time", "Time", "_field", "_measurement", "_time", "\0"];
        insta::assert_snapshot!(elements(TagKey, &texts), @r#"
        "time"
            all: the key is reserved in every InfluxDB
        "Time"
            all: `Time`
        "_field"
            [V1, V3]: `_field`
            [V2, Any]: the key is reserved in InfluxDB 2.x
        "_measurement"
            [V1, V3]: `_measurement`
            [V2, Any]: the key is reserved in InfluxDB 2.x
        "_time"
            all: `_time`
        "\0"
            [V1, V3]: `\u{0}`
            [V2, Any]: the key is reserved in InfluxDB 2.x
        "#);
        insta::assert_snapshot!(elements(FieldKey, &texts), @r#"
        "time"
            all: the key is reserved in every InfluxDB
        "Time"
            all: `Time`
        "_field"
            all: `_field`
        "_measurement"
            all: `_measurement`
        "_time"
            all: `_time`
        "\0"
            [V1, V2, Any]: it begins with a tab or a NUL, which InfluxDB 1.x and 2.x would drop
            [V3]: `\u{0}`
        "#);
        insta::assert_snapshot!(elements(Measurement, &["time", "_field"]), @r#"
        "time"
            all: `time`
        "_field"
            all: `_field`
        "#);
    }

    #[test]
    fn nothing_can_be_empty_but_the_text_of_a_field() {
        for kind in [Measurement, TagKey, TagValue, FieldKey] {
            assert_eq!(elements(kind, &[""]), "\"\"\n    all: it is empty\n");
        }
        insta::assert_snapshot!(written(&["", "say \"\\\" =,\t\r\n"], field_text), @r#"
        ""
            all: `""`
        "say \"\\\" =,\t\r\n"
            all: `"say \"\\\" =,\t\r\n"`
        "#);
    }

    #[test]
    fn texts_are_as_long_as_the_engine_takes_them() {
        type Write = fn(&str, Dialect) -> Result<(), Unwritable>;
        let longest = |write: Write, dialect| {
            let lengths = [65_535, 65_536, 1024 * 1024];
            let longest = lengths.into_iter().rfind(|length| write(&"x".repeat(*length), dialect).is_ok()).unwrap();
            let reason = write(&"x".repeat(longest + 1), dialect).unwrap_err();
            assert!(matches!(reason, Unwritable::TooLong(most, _) if most == longest), "{reason}");
            longest
        };
        let name: Write = |text, dialect| element(TagValue, text, dialect, &mut Vec::new()).map(drop);
        let text: Write = |text, dialect| field_text(text, dialect, &mut Vec::new());
        assert_eq!(DIALECTS.map(|dialect| longest(name, dialect)), [65_535, 65_535, 65_536, 65_535]);
        assert_eq!(DIALECTS.map(|dialect| longest(text, dialect)), [1024 * 1024, 1024 * 1024, 65_536, 65_536]);
    }
}
