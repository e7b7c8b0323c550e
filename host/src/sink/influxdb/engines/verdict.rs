//! A server's answer about lines that it refuses, in the words of each engine.
//!
//! | engine | status | words | the other lines |
//! |---|---|---|---|
//! | 1.x | 400 | `partial write: unable to parse '<line>': <reason> dropped=0`, a line for each | kept |
//! | 1.x | 400 | `unable to parse '<line>': <reason>`, where no line parses | there are none |
//! | 1.x | 400 | `partial write: field type conflict: … dropped=N`, `points beyond retention policy dropped=N` | kept |
//! | 2.x | 400 | `unable to parse '<line>': <reason>`, a line for each | not kept |
//! | 2.x | 422 | `failure writing points to database: partial write: … dropped=N …` | kept |
//! | 3 | 400, 422 | `partial write of line protocol occurred`, `data[]` with line numbers | kept |
//! | 3 | 400, 422 | `data` as one object | not kept |
//!
//! N counts one group of shards only and the words name one reason of several, so N means something where it is all lines
//! of the request, and nothing where it is less. What a server names is held against what was sent to it: who names a
//! line that it did not get is not believed at all, and the lines are found by sending fewer of them.
//!
//! Source: `services/httpd/handler.go` and `tsdb/shard.go` (1.x), `http/write_handler.go`, `models/points.go` and
//! `v1/coordinator/points_writer.go` (2.x), `influxdb3_server/src/http.rs` and the documentation of `/api/v3/write_lp` (3).

use std::collections::HashMap;

use serde_json::Value;

use super::reason::Reason;
use crate::points::Refusal;
use crate::sink::error::clean;

/// What comes before each refused line in the words of 1.x and 2.x, and after it.
const BEFORE_LINE: &str = "unable to parse '";
const AFTER_LINE: &str = "': ";

/// The meaning of a refusal of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sink::influxdb) enum Verdict {
    /// These lines, by their number in the request from 0, are refused for these reasons, and the server is believed.
    Named {
        /// In ascending order, each once.
        lines: Vec<(usize, Reason)>,
        /// Whether the server has kept all the others.
        others_kept: bool,
    },
    /// So many lines are refused, at least, and the others are kept; which ones is unknown.
    Dropped {
        /// How many.
        count: usize,
        /// Why, of some of them.
        reason: Reason,
        /// Which ones to suspect.
        suspects: Suspects,
    },
    /// A refusal that names no reason.
    Unknown {
        /// Its message.
        reason: String,
    },
}

/// Which lines a reason is likely to be about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::sink::influxdb) enum Suspects {
    /// Those of a measurement that have a field of this key; both as they are, not escaped.
    Field { measurement: String, field: String },
    /// The oldest.
    Oldest,
    /// Those of some series.
    Series,
    /// Any.
    Any,
}

/// Reads the body of a refusal of `lines`, which are without their newlines. A body that broke off (`complete` is false)
/// may name fewer lines than the server refuses.
pub(in crate::sink::influxdb) fn read(body: &[u8], complete: bool, lines: &[&[u8]]) -> Verdict {
    let Ok(json) = serde_json::from_slice::<Value>(body) else {
        return Verdict::Unknown { reason: clean(&String::from_utf8_lossy(body)) };
    };
    let text = json.get("message").or_else(|| json.get("error")).and_then(Value::as_str).unwrap_or_default();
    let named = match json.get("data") {
        Some(Value::Array(items)) => {
            named_by_number(items, lines).map(|lines| (lines, complete && text.starts_with("partial write")))
        }
        Some(item @ Value::Object(_)) => named_by_number(std::slice::from_ref(item), lines).map(|lines| (lines, false)),
        _ => named_by_echo(text, lines).map(|lines| (lines, complete && text.starts_with("partial write: "))),
    };
    if let Some((lines, others_kept)) = named {
        return Verdict::Named { lines, others_kept };
    }
    let reason = Reason::of(text);
    let is_about_points = reason.refusal != Refusal::Refused || text.contains("partial write");
    match dropped(text) {
        Some(count) => Verdict::Dropped { count, suspects: suspects(text, &reason), reason },
        None if json.get("data").is_none() && is_about_points => {
            Verdict::Dropped { count: 0, suspects: suspects(text, &reason), reason }
        }
        None => Verdict::Unknown { reason: clean(text) },
    }
}

/// The lines that 3 names. None where one of them was not sent.
fn named_by_number(items: &[Value], lines: &[&[u8]]) -> Option<Vec<(usize, Reason)>> {
    let mut named = Vec::with_capacity(items.len().min(lines.len()));
    for item in items {
        let number = usize::try_from(item.get("line_number")?.as_u64()?).ok()?.checked_sub(1)?;
        let line = lines.get(number)?;
        if let Some(original) = item.get("original_line").and_then(Value::as_str)
            && !is_rendering(original, line)
        {
            return None;
        }
        named.push((number, Reason::of(item.get("error_message")?.as_str()?)));
    }
    in_order(named)
}

/// Whether `original`, as 3 renders a line, can be `line`. Only the series is compared: numbers and text are rendered in
/// another form than they were sent in, escapes are removed, and what is long is cut off.
fn is_rendering(original: &str, line: &[u8]) -> bool {
    let series = |line: &[u8]| -> Vec<u8> {
        let end = end_of_series(line);
        line[..end].iter().copied().filter(|byte| *byte != b'\\').collect()
    };
    let (rendered, sent): (Vec<u8>, _) = (original.bytes().filter(|byte| *byte != b'\\').collect(), series(line));
    let compared = rendered.len().min(sent.len());
    // What is cut off ends in dots.
    let compared = if rendered.len() < sent.len() { compared.saturating_sub(3) } else { compared };
    rendered[..compared] == sent[..compared] && !rendered.is_empty()
}

/// Where the series of a line ends: at the first space that is not escaped.
fn end_of_series(line: &[u8]) -> usize {
    let mut escaped = false;
    for (at, byte) in line.iter().enumerate() {
        match byte {
            b' ' if !escaped => return at,
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    line.len()
}

/// The lines that 1.x and 2.x echo. None where there are none, or where one of them was not sent.
fn named_by_echo(text: &str, lines: &[&[u8]]) -> Option<Vec<(usize, Reason)>> {
    let mut by_text: HashMap<&[u8], Vec<usize>> = HashMap::new();
    let mut lengths: Vec<usize> = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        by_text.entry(line).or_default().push(number);
        lengths.push(line.len());
    }
    lengths.sort_unstable();
    lengths.dedup();
    let bytes = text.as_bytes();
    let mut named = Vec::new();
    let mut rest = text.find(BEFORE_LINE)?;
    loop {
        let start = rest + BEFORE_LINE.len();
        // A line may hold the very words around it: where it ends follows from what was sent.
        let numbers_and_end = lengths.iter().find_map(|length| {
            let end = start + length;
            let line = bytes.get(start..end)?;
            bytes[end..].starts_with(AFTER_LINE.as_bytes()).then(|| Some((by_text.get(line)?, end)))?
        });
        let (numbers, end) = numbers_and_end?;
        let reason_start = end + AFTER_LINE.len();
        let next = text.get(reason_start..)?.find(BEFORE_LINE).map(|at| reason_start + at);
        let reason = text.get(reason_start..next.unwrap_or(text.len()))?;
        let reason = reason.split_once(" dropped=").map_or(reason, |(reason, _)| reason);
        let reason = Reason::of(reason);
        named.extend(numbers.iter().map(|number| (*number, reason.clone())));
        match next {
            Some(next) => rest = next,
            None => return in_order(named),
        }
    }
}

/// In ascending order, each line once; none where there is no line.
fn in_order(mut named: Vec<(usize, Reason)>) -> Option<Vec<(usize, Reason)>> {
    named.sort_by_key(|(number, _)| *number);
    named.dedup_by_key(|(number, _)| *number);
    (!named.is_empty()).then_some(named)
}

/// The number after the last `dropped=`.
fn dropped(text: &str) -> Option<usize> {
    let (_, number) = text.rsplit_once("dropped=")?;
    let digits = number.bytes().take_while(u8::is_ascii_digit).count();
    number[..digits].parse().ok()
}

fn suspects(text: &str, reason: &Reason) -> Suspects {
    let quoted = |before: &str| {
        let (_, rest) = text.split_once(before)?;
        Some(rest.split_once('"')?.0.to_owned())
    };
    match (quoted("on measurement \""), quoted("input field \"")) {
        (Some(measurement), Some(field)) => Suspects::Field { measurement, field },
        _ if reason.refusal == Refusal::OutsideRetention => Suspects::Oldest,
        _ if text.contains("limit exceeded") => Suspects::Series,
        _ => Suspects::Any,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const LINES: [&[u8]; 3] = [b"m,a=1 x=1 1", b"m,a=2 x=2 2", b"m,a=3 x=\"two\nlines\" 3"];

    fn named(lines: &[(usize, &str)], others_kept: bool) -> Verdict {
        let lines = lines.iter().map(|(number, reason)| (*number, Reason::of(reason))).collect();
        Verdict::Named { lines, others_kept }
    }

    fn verdict(body: &Value) -> Verdict {
        read(body.to_string().as_bytes(), true, &LINES)
    }

    #[test]
    fn version_2_echoes_the_lines_that_do_not_parse_and_keeps_none() {
        let body = json!({ "code": "invalid", "message":
            "unable to parse 'm,a=2 x=2 2': invalid number\nunable to parse 'm,a=3 x=\"two\nlines\" 3': missing fields" });
        assert_eq!(verdict(&body), named(&[(1, "invalid number"), (2, "missing fields")], false));
    }

    #[test]
    fn version_1_keeps_the_others_where_it_says_so() {
        let words = "unable to parse 'm,a=2 x=2 2': bad timestamp dropped=0";
        let partial = json!({ "error": format!("partial write: {words}") });
        assert_eq!(verdict(&partial), named(&[(1, "bad timestamp")], true));
        assert_eq!(verdict(&json!({ "error": words })), named(&[(1, "bad timestamp")], false));
        let broken_off = read(partial.to_string().as_bytes(), false, &LINES);
        assert_eq!(broken_off, named(&[(1, "bad timestamp")], false));
    }

    #[test]
    fn the_same_line_twice_is_refused_twice() {
        let body = json!({ "message": "unable to parse 'm x=1 1': no" }).to_string();
        let verdict = read(body.as_bytes(), true, &[b"m x=1 1", b"m x=2 1", b"m x=1 1"]);
        assert_eq!(verdict, named(&[(0, "no"), (2, "no")], false));
    }

    #[test]
    fn version_3_gives_numbers_from_1_and_its_own_rendering() {
        let item =
            |number: u64, line: &str| json!({ "line_number": number, "original_line": line, "error_message": "no" });
        let partial = |items: Value| json!({ "error": "partial write of line protocol occurred", "data": items });
        assert_eq!(verdict(&partial(json!([item(3, "m,a=3 x=two\nlines 3")]))), named(&[(2, "no")], true));
        assert_eq!(verdict(&partial(item(1, "m,a=1 x=1"))), named(&[(0, "no")], false));
        let other_words = json!({ "error": "line protocol parsing error", "data": [item(2, "m,a=2 x=2 2")] });
        assert_eq!(verdict(&other_words), named(&[(1, "no")], false));
    }

    #[test]
    fn who_names_a_line_that_was_not_sent_is_not_believed() {
        let item =
            |number: u64, line: &str| json!({ "line_number": number, "original_line": line, "error_message": "no" });
        let bodies = [
            json!({ "message": "unable to parse 'm,a=9 x=2 2': no" }),
            json!({ "message": "unable to parse 'm,a=2 x=2 2': no\nunable to parse 'other': no" }),
            json!({ "error": "partial write of line protocol occurred", "data": [item(9, "m,a=1 x=1 1")] }),
            json!({ "error": "partial write of line protocol occurred", "data": [item(0, "m,a=1 x=1 1")] }),
            json!({ "error": "partial write of line protocol occurred", "data": [item(1, "m,a=2 x=2 2")] }),
            json!({ "error": "partial write of line protocol occurred", "data": [] }),
            json!({ "error": "something else" }),
            json!(["a", "list"]),
        ];
        for body in bodies {
            assert!(matches!(verdict(&body), Verdict::Unknown { .. }), "{body}");
        }
        assert!(matches!(read(b"<html>", true, &LINES), Verdict::Unknown { reason } if reason == "<html>"));
    }

    #[test]
    fn a_number_of_dropped_points_comes_with_suspects() {
        let conflict = "failure writing points to database: partial write: field type conflict: input field \"x\" on \
            measurement \"m\" is type float, already exists as type integer dropped=7 for database: 0 for retention policy: \
            autogen";
        let Verdict::Dropped { count, suspects, .. } = verdict(&json!({ "message": conflict })) else { unreachable!() };
        assert_eq!(count, 7);
        assert_eq!(suspects, Suspects::Field { measurement: "m".to_owned(), field: "x".to_owned() });
        let retention = json!({ "error": "partial write: points beyond retention policy dropped=2" });
        assert!(matches!(verdict(&retention), Verdict::Dropped { count: 2, suspects: Suspects::Oldest, .. }));
        let limit = json!({ "error": "partial write: max-series-per-database limit exceeded: (10) dropped=2" });
        assert!(matches!(verdict(&limit), Verdict::Dropped { count: 2, suspects: Suspects::Series, .. }));
    }

    proptest! {
        #[test]
        fn whatever_a_server_says_only_lines_that_were_sent_are_named(body in any::<Vec<u8>>(), text in ".*", number in any::<u64>()) {
            let json = json!({ "message": format!("unable to parse '{text}': {text}"),
                "data": [{ "line_number": number, "error_message": text }] }).to_string();
            let echo = json!({ "error": format!("unable to parse '{text}': unable to parse '{text}") }).to_string();
            for body in [body.as_slice(), json.as_bytes(), echo.as_bytes()] {
                if let Verdict::Named { lines, .. } = read(body, true, &LINES) {
                    prop_assert!(!lines.is_empty() && lines.iter().all(|(number, _)| *number < LINES.len()));
                }
            }
        }
    }
}
