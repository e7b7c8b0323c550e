//! A project in Python.

use serde_json::json;

use super::guess::{Guess, Unit};
use super::{Names, fill};
use crate::source::{ColumnSchema, ColumnType};

/// What makes components of Python, at the version that the SDK is tested with.
const REQUIREMENTS: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../guest-converters/examples/ons-load-python/requirements.txt"));

/// What ends the build until the author has named the time.
const TODO: &str = "
# TODO: no column of the sample is a time. Name it in `plan`, or compute it with `plan.compute`; then delete this.
raise NotImplementedError(\"TODO: name the time in src/converter.py, `plan`\")

";

/// The files that are the author's own.
pub(super) fn files(names: &Names, guess: &Guess) -> Vec<(&'static str, String)> {
    let placeholders: [(&str, &str); 6] = [
        ("name", names.name.as_str()),
        ("measurement", &names.measurement),
        ("imports", if guess.time.column_type == ColumnType::Text { ", timestamp" } else { "" }),
        ("todo", if guess.has_time { "" } else { TODO }),
        ("time", &time(guess)),
        ("bindings", &bindings(guess)),
    ];
    vec![
        ("src/converter.py", fill(include_str!("templates/converter.py.txt"), &placeholders)),
        ("requirements.txt", REQUIREMENTS.to_owned()),
        (".gitignore", "/.venv/\n/converter.wasm\n__pycache__/\n".to_owned()),
    ]
}

/// A string as Python writes it: JSON's escapes are among Python's.
fn quoted(text: &str) -> String {
    json!(text).to_string()
}

fn required(column: &ColumnSchema) -> String {
    let column_type = format!("{:?}", column.column_type).to_uppercase();
    format!("plan.required({}, ColumnType.{column_type})", quoted(&column.name))
}

fn time(guess: &Guess) -> String {
    let column = &guess.time;
    let mut time = format!("        time = {}", required(column));
    if column.column_type == ColumnType::Text {
        time.push_str(
            "
        # Text without an offset is UTC.
        time = plan.compute(ColumnType.TIMESTAMP, [time], lambda rows: [timestamp(text) for text in rows])",
        );
    }
    if guess.unit != Unit::Nanoseconds {
        time.push_str(&format!(
            "
        # In the sample these are {}; the time of a point is in nanoseconds.
        nanoseconds = lambda rows: [None if count is None else count * {} for count in rows]
        time = plan.compute(ColumnType.TIMESTAMP, [time], nanoseconds)",
            guess.unit.name(),
            guess.unit.nanoseconds(),
        ));
    }
    time
}

fn bindings(guess: &Guess) -> String {
    let bind =
        |kind, column: &ColumnSchema| format!("        point.{kind}({}, {})", quoted(&column.name), required(column));
    let partition = |name| format!("        point.tag({name}, plan.partition({name}))");
    let partitions = guess.partitions.iter().map(|name| partition(quoted(name)));
    let tags = partitions.chain(guess.tags.iter().map(|column| bind("tag", column)));
    let fields = guess.fields.iter().map(|column| bind("field", column));
    let unused =
        guess.unused.iter().map(|(column, reason)| format!("        # Not used: {}: {reason}.", quoted(&column.name)));
    tags.chain(fields).chain(unused).collect::<Vec<_>>().join("\n")
}
