//! `rejects show`.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, Table};

use crate::cli::summary::grouped;
use crate::cli::{CliError, complain, print};
use crate::logs::on_one_line;
use crate::rejects::{self, Line, RejectsError, Snapshot};
use crate::report::{Failure, FailureKind};

/// The arguments of `rejects show`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Objects with rejected rows (*.jsonl), or what is above them: s3://bucket/prefix/, or a directory.
    #[arg(required = true, value_name = "S3-URL|PATH")]
    inputs: Vec<String>,
    /// Only rows that were rejected under this code.
    #[arg(long)]
    code: Option<String>,
    /// With `--json`, the most rows that are printed in all; else the most that are named in a line of the table.
    #[arg(long, value_name = "NUMBER")]
    limit: Option<usize>,
    /// Print the rows as JSON, a line each, with what they hold.
    #[arg(long)]
    json: bool,
}

/// How many rows a line of the table names.
const NAMED_ROWS: usize = 3;

/// Rows of one object that were rejected under one code.
#[derive(Debug, Default)]
struct Entry {
    count: u64,
    /// The first ones, in the order of the lines.
    rows: Vec<u64>,
    /// Why the first one was rejected.
    message: String,
}

/// By code and object.
type Entries = BTreeMap<(String, String), Entry>;

/// Shows rejected rows. Returns whether all of them could be read.
pub(super) async fn show(arguments: &Arguments) -> Result<bool, CliError> {
    let (mut entries, mut printed, mut complete) = (Entries::new(), 0, true);
    for input in &arguments.inputs {
        for place in rejects::find(input).await? {
            let shown = match place.fetch().await {
                Ok(mut snapshot) if arguments.json => print_lines(&mut snapshot, arguments, &mut printed),
                Ok(mut snapshot) => collect(&mut snapshot, arguments, &mut entries),
                Err(error) => Err(error.into()),
            };
            match shown {
                // One that is damaged does not hide the others.
                Err(CliError::Rejects(error)) => {
                    complain(&Failure::new(FailureKind::Unexpected, &error), None);
                    complete = false;
                }
                shown => shown?,
            }
        }
    }
    if !arguments.json {
        print(&table(&entries))?;
    }
    Ok(complete)
}

fn is_wanted(line: &Line, arguments: &Arguments) -> bool {
    arguments.code.as_ref().is_none_or(|code| line.code == *code)
}

fn print_lines(snapshot: &mut Snapshot, arguments: &Arguments, printed: &mut usize) -> Result<(), CliError> {
    let limit = arguments.limit.unwrap_or(usize::MAX);
    snapshot.lines(|line, text| {
        if *printed == limit {
            return Ok(ControlFlow::Break(()));
        }
        if is_wanted(&line, arguments) {
            // It has been read as JSON, which is UTF-8.
            print(&String::from_utf8_lossy(text))?;
            *printed += 1;
        }
        Ok(ControlFlow::Continue(()))
    })
}

fn collect(snapshot: &mut Snapshot, arguments: &Arguments, entries: &mut Entries) -> Result<(), CliError> {
    let limit = arguments.limit.unwrap_or(NAMED_ROWS);
    snapshot.lines::<RejectsError>(|line, _| {
        if is_wanted(&line, arguments) {
            let Line { source, row, code, message, .. } = line;
            let entry = entries.entry((code, source.to_string())).or_default();
            if entry.count == 0 {
                entry.message = message;
            }
            entry.count += 1;
            if entry.rows.len() < limit {
                entry.rows.push(row);
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(())
}

fn table(entries: &Entries) -> String {
    if entries.is_empty() {
        return "no rejected rows\n".to_owned();
    }
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY);
    table.set_header(["rows", "code", "first rows", "first message", "object"]);
    for ((code, object), Entry { count, rows, message }) in entries {
        let mut named: Vec<String> = rows.iter().map(u64::to_string).collect();
        if (rows.len() as u64) < *count {
            named.push("…".to_owned());
        }
        table.add_row([
            grouped(*count),
            on_one_line(code),
            named.join(", "),
            on_one_line(message),
            on_one_line(object),
        ]);
    }
    if entries.len() > 1 {
        let total = entries.values().map(|entry| entry.count).sum();
        table.add_row([grouped(total), "total".to_owned(), String::new(), String::new(), String::new()]);
    }
    if let Some(column) = table.column_mut(0) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    format!("{table}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_shown_by_code_and_object() {
        let entry =
            |count, rows: &[u64], message: &str| Entry { count, rows: rows.to_vec(), message: message.to_owned() };
        let key = |code: &str, object: &str| (code.to_owned(), object.to_owned());
        let entries = Entries::from([
            (key("invalid-timestamp", "s3://energy/a.parquet"), entry(1_013, &[7, 70, 700], "no time")),
            (key("invalid-value", "s3://energy/a.parquet"), entry(1, &[8], "it is `\u{1b}[2J`")),
        ]);
        insta::assert_snapshot!(table(&entries), @r"
        ───────────────────────────────────────────────────────────────────────────────────────
          rows   code                first rows      first message       object                
        ═══════════════════════════════════════════════════════════════════════════════════════
         1,013   invalid-timestamp   7, 70, 700, …   no time             s3://energy/a.parquet 
        ───────────────────────────────────────────────────────────────────────────────────────
             1   invalid-value       8               it is `\u{1b}[2J`   s3://energy/a.parquet 
        ───────────────────────────────────────────────────────────────────────────────────────
         1,014   total                                                                         
        ───────────────────────────────────────────────────────────────────────────────────────
        ");
        insta::assert_snapshot!(table(&Entries::new()), @"no rejected rows");
    }
}
