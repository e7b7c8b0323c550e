//! What a server quotes of the lines that it refuses, taken out of its words: they get into logs and answers, and what rows
//! hold does not belong there.

use std::collections::HashSet;

/// Stands for what is taken out.
const WITHHELD: &str = "…";

/// A number of more digits is withheld whatever it is, since servers render values in ways of their own; shorter ones reveal
/// of limits.
const LIMIT_DIGITS: usize = 3;

/// The words of a server about these lines, without those that are values of tags or fields, or that look like it. Names
/// stay: of measurements, tags and fields.
pub(super) fn without_values(words: &str, lines: &[&[u8]]) -> String {
    let lines: Vec<_> = lines.iter().map(|line| String::from_utf8_lossy(line)).collect();
    let values: HashSet<&str> = lines.iter().flat_map(|line| values(line)).flat_map(parts).collect();
    let mut told = String::with_capacity(words.len());
    let mut rest = words;
    while let Some(start) = rest.find(char::is_alphanumeric) {
        let (between, word) = rest.split_at(start);
        let (word, after) = word.split_at(word.find(|next: char| !next.is_alphanumeric()).unwrap_or(word.len()));
        told.push_str(between);
        let looks_like_it = word.len() > LIMIT_DIGITS && word.starts_with(char::is_numeric);
        let withheld = looks_like_it || values.contains(word);
        told.push_str(if withheld { WITHHELD } else { word });
        rest = after;
    }
    told + rest
}

/// The words of a text.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// What stands in a line besides its measurement, and the keys of its tags and fields.
fn values(line: &str) -> Vec<&str> {
    let mut values = Vec::new();
    let mut start = end_of(line, &[',', ' ']);
    while let Some(item) = line.get(start + 1..).filter(|item| !item.is_empty()) {
        let key = end_of(item, &['=', ',', ' ']);
        // Without a key it is the time.
        let value = if item[key..].starts_with('=') { key + 1 } else { 0 };
        let end = match item[value..].strip_prefix('"') {
            Some(text) => value + 1 + end_of(text, &['"']),
            None => value,
        };
        let end = end + end_of(&item[end..], &[',', ' ']);
        values.push(&item[value..end]);
        start += 1 + end;
    }
    values
}

/// Where the first of these characters stands that is not escaped; where there is none, the end.
fn end_of(text: &str, characters: &[char]) -> usize {
    let mut escaped = false;
    let found = text.char_indices().find(|(_, character)| {
        let ends = !escaped && characters.contains(character);
        escaped = !escaped && *character == '\\';
        ends
    });
    found.map_or(text.len(), |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"power,region=São\ Paulo,unit=MW,a\=b=c\,d power_mw=6671.79,note="load, \"shed=off\" now",count=3i 1514764800000000000"#;

    #[test]
    fn values_are_told_from_names() {
        assert_eq!(
            values(LINE),
            ["São\\ Paulo", "MW", "c\\,d", "6671.79", r#""load, \"shed=off\" now""#, "3i", "1514764800000000000"]
        );
        assert_eq!(values("m v=\"without end"), ["\"without end"]);
        assert!(values("").is_empty() && values("m").is_empty() && values("m ").is_empty());
        assert_eq!(values("m,a= v"), ["", "v"]);
    }

    #[test]
    fn what_is_quoted_is_withheld_and_what_it_is_about_is_told() {
        let told = |words: &str| without_values(words, &[LINE.as_bytes()]);
        assert_eq!(told(LINE), r#"power,region=…\ …,unit=…,a\=b=…\,… power_mw=….…,note="…, \"…=…\" …",count=… …"#);
        assert_eq!(
            told("field power_mw of power in \"São Paulo\" is 6.67179e3"),
            "field power_mw of power in \"… …\" is 6.…"
        );
        assert_eq!(told("there would be more than 5 databases"), "there would be more than 5 databases");
        assert_eq!(without_values("it is 1234, not ação", &[]), "it is …, not ação");
    }
}
