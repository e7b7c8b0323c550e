//! A project in Rust.

use super::guess::{Guess, Unit};
use super::{Names, fill};
use crate::source::{ColumnSchema, ColumnType};

/// What ends the build until the author has named the time.
const TODO: &str =
    "        // TODO: no column of the sample is a time. Name it, or compute it with `plan.compute`; then delete this.
        compile_error!(\"TODO: name the time in src/lib.rs, `prepare`\");
";

/// The files that are the author's own.
pub(super) fn files(names: &Names, guess: &Guess) -> Vec<(&'static str, String)> {
    let placeholders: [(&str, &str); 9] = [
        ("name", names.name.as_str()),
        ("package", &names.package),
        ("struct", &names.structure),
        ("measurement", &names.measurement),
        ("imports", imports(guess)),
        ("time", &time(guess)),
        ("bindings", &bindings(guess)),
        ("columns", &columns(guess)),
        ("expected", &format!("{:?}", expected(names, guess))),
    ];
    let source = fill(include_str!("templates/lib.rs.txt"), &placeholders);
    vec![
        ("Cargo.toml", fill(include_str!("templates/Cargo.toml.txt"), &placeholders)),
        ("src/lib.rs", source),
        (".gitignore", "/target/\n/converter.wasm\n".to_owned()),
    ]
}

fn imports(guess: &Guess) -> &'static str {
    match guess.time.column_type {
        ColumnType::Text => {
            "Column, ColumnType, Converter, Description, Input, Mapping, PlanBuilder, Point, Problem, parse,"
        }
        _ if guess.unit != Unit::Nanoseconds => {
            "Column, ColumnType, Converter, Description, Input, Mapping, PlanBuilder, Point, Problem,"
        }
        _ => "ColumnType, Converter, Description, Input, Mapping, PlanBuilder, Point, Problem,",
    }
}

/// The variant of the SDK's `ColumnType`.
fn variant(column_type: ColumnType) -> String {
    // Both enumerations are the contract's.
    format!("ColumnType::{column_type:?}")
}

fn required(column: &ColumnSchema) -> String {
    format!("plan.required({:?}, &[{}])", column.name, variant(column.column_type))
}

fn time(guess: &Guess) -> String {
    let column = &guess.time;
    let mut time = if guess.has_time { String::new() } else { TODO.to_owned() };
    time.push_str(&format!("        let time = {};", required(column)));
    if column.column_type == ColumnType::Text {
        time.push_str(
            "
        // Each distinct text is read once a batch; text without an offset is UTC.
        let time = plan.compute(ColumnType::Timestamp, [time], |[time]| {
            Ok(Column::timestamps(time.texts()?.map_distinct(parse::timestamp)))
        });",
        );
    }
    if guess.unit != Unit::Nanoseconds {
        time.push_str(&format!(
            "
        // In the sample these are {}; the time of a point is in nanoseconds.
        let time = plan.compute(ColumnType::Timestamp, [time], |[time]| {{
            Ok(Column::timestamps(time.integers()?.map(|time| time?.checked_mul({}))))
        }});",
            guess.unit.name(),
            guess.unit.nanoseconds(),
        ));
    }
    time
}

fn bindings(guess: &Guess) -> String {
    let bind = |kind, column: &ColumnSchema| format!("        point.{kind}({:?}, {});", column.name, required(column));
    let partitions =
        guess.partitions.iter().map(|name| format!("        point.tag({name:?}, plan.partition({name:?}));"));
    let tags = partitions.chain(guess.tags.iter().map(|column| bind("tag", column)));
    let fields = guess.fields.iter().map(|column| bind("field", column));
    let unused =
        guess.unused.iter().map(|(column, reason)| format!("        // Not used: {:?}: {reason}.", column.name));
    tags.chain(fields).chain(unused).collect::<Vec<_>>().join("\n")
}

/// One row, and what a test expects of it.
fn columns(guess: &Guess) -> String {
    let partitions = guess.partitions.iter().map(|name| format!("            .partition({name:?}, \"a\")"));
    let columns = [&guess.time].into_iter().chain(&guess.tags).chain(&guess.fields);
    let column = |column: &ColumnSchema| {
        let is_time = *column == guess.time;
        let (method, value) = match column.column_type {
            ColumnType::Boolean => ("booleans", "true"),
            ColumnType::Integer => ("integers", "2"),
            ColumnType::Unsigned => ("unsigneds", "3"),
            ColumnType::Float => ("floats", "1.5"),
            ColumnType::Text if is_time => ("texts", "\"1970-01-01T00:00:00.000000002Z\""),
            ColumnType::Text => ("texts", "\"a\""),
            ColumnType::Timestamp => ("timestamps", "2"),
            // Never guessed to be of use.
            ColumnType::Other => ("other", ""),
        };
        format!("            .{method}({:?}, [{value}])", column.name)
    };
    partitions.chain(columns.map(column)).collect::<Vec<_>>().join("\n")
}

/// The point of that row, as the SDK's tests write it.
fn expected(names: &Names, guess: &Guess) -> String {
    let tag = |column: &ColumnSchema| {
        let value = match column.column_type {
            ColumnType::Boolean => "true",
            ColumnType::Integer => "2",
            ColumnType::Unsigned => "3",
            ColumnType::Float | ColumnType::Other => "1.5",
            ColumnType::Text => "a",
            ColumnType::Timestamp => "1970-01-01T00:00:00.000000002Z",
        };
        format!(",{}={value}", column.name)
    };
    let partitions = guess.partitions.iter().map(|name| format!(",{name}=a"));
    let tags: String = partitions.chain(guess.tags.iter().map(tag)).collect();
    let field = |column: &ColumnSchema| {
        let value = match column.column_type {
            ColumnType::Boolean => "true",
            ColumnType::Integer => "2i",
            ColumnType::Unsigned => "3u",
            ColumnType::Float | ColumnType::Other => "1.5",
            ColumnType::Text => "\"a\"",
            // A timestamp is written as an integer.
            ColumnType::Timestamp => "2i",
        };
        format!("{}={value}", column.name)
    };
    let fields: Vec<_> = guess.fields.iter().map(field).collect();
    let zeros = guess.unit.nanoseconds().replace('_', "").split_off(1);
    format!("{}{tags} {} 2{zeros}", names.measurement, fields.join(","))
}
