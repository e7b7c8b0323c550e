//! What a converter makes of a sample, row by row: points, rejected rows, rows that replace each other, and what they cost.
//!
//! The sample is worked through once as a load does it, in order and for a bounded time. What is shown of it is read again:
//! the first rows, those that were rejected, and those that replace each other.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::bench::{self, Compile, Figures, Onlooker, Subject};
use crate::cli::CliError;
use crate::config::Config;
use crate::converter::{Converter, Input};
use crate::points::{Chunk, Encoded, PointKey};
use crate::rejects;
use crate::report::RejectedRow;
use crate::source::{Batch, Memory, ParquetObject, Selection};

/// Rows that are worked through at most, and for how long: more rows would add little.
const ROWS: u64 = 200_000;
const TIME: Duration = Duration::from_secs(10);
/// For how long what it costs is measured, after the first pass.
const MEASURED: Duration = Duration::from_millis(300);
/// Rows that are shown of each kind, and the points of them.
const SHOWN: usize = 100;
const POINTS: usize = 1_000;
/// The longest line and the longest cell that are shown as a whole, in bytes.
const LINE_BYTES: usize = 4 * 1024;
const CELL_BYTES: usize = 256;
/// All cells that are read to be shown.
const CELLS_BYTES: usize = 4 * 1024 * 1024;

/// A sample's columns and its first rows.
pub(super) fn sample(file: &Path) -> Result<Value, CliError> {
    let object = ParquetObject::open_file(file, Memory::default())?;
    let columns = object.columns().iter().map(|column| {
        json!({
            "name": column.name, "type": format!("{:?}", column.column_type).to_lowercase(),
            "source_type": column.source_type, "nullable": column.nullable,
        })
    });
    let first = 0..object.rows().min(SHOWN as u64);
    let mut facts = rows(&object, first)?;
    facts["columns"] = columns.collect();
    facts["total"] = json!(object.rows());
    Ok(facts)
}

/// What rows hold: `read`, the columns that can be read, and `rows`, each a number and its cells as text.
fn rows(object: &ParquetObject, numbers: impl IntoIterator<Item = u64>) -> Result<Value, CliError> {
    let shown = rejects::shown(object, numbers, CELLS_BYTES)?;
    let rows = shown.rows.into_iter().map(|(row, cells)| {
        let cells = cells.into_iter().map(cell).collect::<Vec<_>>();
        json!({ "row": row, "cells": cells })
    });
    Ok(json!({ "read": shown.columns, "rows": rows.collect::<Vec<_>>() }))
}

/// A cell as people read it; nothing where it has no value. Numbers stay the digits that they are.
fn cell(json: String) -> Option<String> {
    let text = if json.starts_with('"') { serde_json::from_str(&json).unwrap_or(json) } else { json };
    (text != "null").then(|| shortened(text, CELL_BYTES))
}

fn shortened(mut text: String, bytes: usize) -> String {
    if text.len() > bytes {
        text.truncate(text.floor_char_boundary(bytes));
        text.push('…');
    }
    text
}

/// What a converter makes of a file, and what that costs.
pub(super) struct Looked {
    /// Points, rejected rows and rows that are replaced.
    pub(super) points: Value,
    /// What `converter bench` measures.
    pub(super) cost: Value,
}

/// Works through a file. Blocks.
pub(super) fn look(
    config: &Config,
    converter: &Converter,
    component_bytes: usize,
    compile: Compile,
    memory_limit: usize,
    file: &Path,
) -> Result<Looked, CliError> {
    // Shown as every converter may see them, and converted in the types of the converter's contract.
    let plain = ParquetObject::open_file(file, Memory::default())?;
    let object = plain.clone().in_types_of(converter.contract().edition());
    let input = || Input::new(&converter.description().dataset, &object, config.validate_schema);
    let of = |selection| Subject { config, converter, object: &object, input: input(), selection };
    let subject = of(Selection::All);
    let mut all = All::new();
    let mut passes = bench::measure(&subject, Duration::ZERO, &mut all)?;
    if all.started.elapsed() < TIME / 4 {
        // The first pass is slower than those that follow.
        passes = bench::measure(&subject, MEASURED, &mut Bounded { rows: 0, started: Instant::now() })?;
    }
    let figures = Figures::of(&subject, &passes, component_bytes, compile, memory_limit);
    let first = 0..object.rows().min(SHOWN as u64);
    let replaced = all.replaced.iter().flat_map(|pair| [pair.row, pair.by]);
    let numbers: BTreeSet<u64> = first.chain(replaced).chain(all.rejected.iter().map(|row| row.row)).collect();
    let mut lines = Lines::default();
    bench::measure(&of(Selection::rows(numbers.iter().copied())), Duration::ZERO, &mut lines)?;
    let mut facts = rows(&plain, numbers)?;
    facts["looked_at"] = json!(all.rows);
    facts["total"] = json!(object.rows());
    facts["points"] = json!(all.points);
    facts["filtered"] = json!(all.filtered);
    facts["rejected_total"] = json!(all.codes);
    facts["replaced_total"] = json!(all.replaced_total);
    facts["lines"] = lines.0.into_iter().map(|(row, line)| json!({ "row": row, "line": line })).collect();
    facts["rejected"] = all
        .rejected
        .iter()
        .map(|row| json!({ "row": row.row, "code": row.code, "message": shortened(row.message.clone(), LINE_BYTES) }))
        .collect();
    facts["replaced"] = all.replaced.iter().map(|pair| json!({ "row": pair.row, "by": pair.by })).collect();
    Ok(Looked { points: facts, cost: figures.json() })
}

/// Ends where enough rows were seen.
struct Bounded {
    rows: u64,
    started: Instant,
}

impl Onlooker for Bounded {
    fn begin(&mut self) {
        self.rows = 0;
    }

    fn batch(&mut self, batch: &Batch, _encoded: &Encoded, _keys: &[PointKey]) {
        self.rows += batch.columns.num_rows() as u64;
    }

    fn is_enough(&self) -> bool {
        self.rows >= ROWS || self.started.elapsed() >= TIME
    }
}

/// A row of which a later one replaces a point.
struct Replaced {
    row: u64,
    by: u64,
}

/// Counts everything, and remembers which rows are worth being shown.
struct All {
    started: Instant,
    rows: u64,
    points: u64,
    filtered: u64,
    codes: BTreeMap<String, u64>,
    rejected: Vec<RejectedRow>,
    replaced: Vec<Replaced>,
    replaced_total: u64,
    /// The row that wrote each point last, with its key.
    written: HashMap<(u64, i64), (u64, PointKey)>,
}

impl All {
    fn new() -> Self {
        Self {
            started: Instant::now(),
            rows: 0,
            points: 0,
            filtered: 0,
            codes: BTreeMap::new(),
            rejected: Vec::new(),
            replaced: Vec::new(),
            replaced_total: 0,
            written: HashMap::new(),
        }
    }
}

impl Onlooker for All {
    fn batch(&mut self, batch: &Batch, encoded: &Encoded, keys: &[PointKey]) {
        self.rows += batch.columns.num_rows() as u64;
        self.filtered += encoded.filtered;
        for row in &encoded.rejected {
            *self.codes.entry(row.code.clone()).or_default() += 1;
            if self.rejected.len() < SHOWN {
                self.rejected.push(row.clone());
            }
        }
        let mut last = None;
        for key in keys {
            let row = batch.rows.number(key.row());
            let Some((before, other)) = self.written.insert(key.point(), (row, *key)) else { continue };
            // A row counts once, as in the report of a load.
            if before != row && key.shares_a_field_with(&other) && last != Some(row) {
                last = Some(row);
                self.replaced_total += 1;
                if self.replaced.len() < SHOWN {
                    self.replaced.push(Replaced { row: before, by: row });
                }
            }
        }
    }

    fn points(&mut self, chunk: &Chunk) {
        self.points += chunk.points() as u64;
    }

    fn is_enough(&self) -> bool {
        self.rows >= ROWS || self.started.elapsed() >= TIME
    }
}

/// The points themselves, each with its row.
#[derive(Default)]
struct Lines(Vec<(u64, String)>);

impl Onlooker for Lines {
    fn points(&mut self, chunk: &Chunk) {
        for (place, line) in chunk.lines().iter().enumerate().take(POINTS.saturating_sub(self.0.len())) {
            let text = String::from_utf8_lossy(chunk.text(place..place + 1));
            self.0.push((line.row, shortened(text.trim_end_matches('\n').to_owned(), LINE_BYTES)));
        }
    }

    fn is_enough(&self) -> bool {
        self.0.len() >= POINTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_what_people_read() {
        assert_eq!(cell("null".to_owned()), None);
        assert_eq!(cell("9007199254740993".to_owned()).as_deref(), Some("9007199254740993"));
        assert_eq!(cell(r#""a\nb""#.to_owned()).as_deref(), Some("a\nb"));
        assert_eq!(
            cell(format!("\"{}\"", "ü".repeat(CELL_BYTES))).map(|text| text.len()),
            Some(CELL_BYTES + "…".len())
        );
    }
}
