//! Samples as text: a table that becomes a Parquet file of exactly the types that it names.
//!
//! ```text
//! # Rows before the metering began have no value.
//! # strict: false
//! timestamp: timestamp(ms, UTC) | region: dictionary<int32, utf8> | value: float64
//! 2024-01-01T00:00:00Z          | southeast                       | 1.5
//! 2024-01-01T01:00:00Z          | " south \"1\"\n"                | null
//! ```
//!
//! The first line that is neither empty nor a comment is the header: a name and a type for each column, with `|` in
//! between. Every further line is a row. Cells are trimmed; `null` is a null; text in quotes stands for itself, with the
//! escapes `\"`, `\\`, `\n`, `\r`, `\t` and `\u{1f600}`; it needs quotes where it holds a `|`, a quote, a backslash or a
//! bracket, has space around it, is empty, or would be `null` or a comment. A list is written `[1, 2]`.
//!
//! Types: `bool`, `int8` to `int64`, `uint8` to `uint64`, `float16`, `float32`, `float64`, `decimal32(PRECISION, SCALE)`
//! to `decimal256(PRECISION, SCALE)`, `utf8`, `large_utf8`, `utf8_view`, `dictionary<KEYS, utf8>`, `binary`,
//! `large_binary`, `date32`, `date64`, `timestamp(UNIT)` and `timestamp(UNIT, ZONE)` with a unit of `s`, `ms`, `us` or
//! `ns`, `null`, and `list<TYPE>`. Instants are written in RFC 3339, dates as `2024-01-31`, and both as a plain number of
//! the type's own units where the calendar cannot express it.
//!
//! A comment before the header that begins with one word and a colon is a setting: see [`Settings`].

mod types;
mod cell;
mod array;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use ::arrow::array::{RecordBatch, RecordBatchOptions};
use ::arrow::datatypes::{DataType, Field, Schema};

use cell::Cell;

/// A sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// How it is loaded.
    pub settings: Settings,
    /// Its rows.
    pub rows: RecordBatch,
}

/// How a sample is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `strict`: whether every required column must exist, as with the setting VALIDATE_SCHEMA; true by default.
    pub strict: bool,
    /// `drop_invalid_records`: as the setting DROP_INVALID_RECORDS; true by default.
    pub drop_invalid_records: bool,
    /// `partitions`: the partitions of the object's key, such as `year=2024/month=01`.
    pub partitions: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { strict: true, drop_invalid_records: true, partitions: Vec::new() }
    }
}

/// A place in a table; both are counted from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The character in it.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}, column {}", self.line, self.column)
    }
}

/// Why a text is no table, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct TableError {
    /// Where.
    pub place: Place,
    /// Why.
    pub problem: TableProblem,
}

/// Why a text is no table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableProblem {
    /// There is no header.
    #[error("a table begins with a header, such as `timestamp: timestamp(ms, UTC) | value: float64`")]
    NoHeader,
    /// A column's name is `null` or a list.
    #[error("a column needs a name; `null` and names with brackets are written in quotes")]
    Name,
    /// A column has no type.
    #[error("the column `{0}` needs a type: `{0}: utf8`")]
    NoType(String),
    /// There is no such type.
    #[error("no such type: `{0}`")]
    Type(String),
    /// Nothing stands in a cell.
    #[error("the cell is empty: write `null`, or `\"\"` for an empty text")]
    Empty,
    /// Text that needs quotes.
    #[error("text with quotes, backslashes or brackets is written in quotes: `{0}`")]
    Unquoted(String),
    /// A quote or a bracket that is never closed.
    #[error("`{0}` is not closed on its line")]
    Unclosed(char),
    /// An escape that means nothing.
    #[error("no such escape; there are `\\\"`, `\\\\`, `\\n`, `\\r`, `\\t` and `\\u{{…}}`")]
    Escape,
    /// Something stands between a cell and its end.
    #[error("unexpected `{0}` behind the cell")]
    Unexpected(char),
    /// A row has more or fewer cells than the header has columns.
    #[error("the row has {found} cells, the header {expected} columns")]
    Cells {
        /// Cells of the row.
        found: usize,
        /// Columns of the header.
        expected: usize,
    },
    /// A cell does not have a value of its column's type.
    #[error("no value of the type {data_type}: `{found}`")]
    Misfit {
        /// The cell.
        found: String,
        /// The column's type.
        data_type: DataType,
    },
    /// The type cannot be made of cells.
    #[error("no column of the type {0} can be made: {1}")]
    Column(DataType, String),
    /// A setting that there is not.
    #[error("no such setting: `{0}`; there are `strict`, `drop_invalid_records` and `partitions`")]
    Setting(String),
    /// A setting has a value that it cannot have.
    #[error("`{name}` must be {allowed}: `{found}`")]
    SettingValue {
        /// The setting.
        name: &'static str,
        /// What it can be.
        allowed: &'static str,
        /// What it is.
        found: String,
    },
}

impl Table {
    /// Reads a table.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with it, and where.
    pub fn parse(text: &str) -> Result<Self, TableError> {
        let mut settings = Settings::default();
        let mut header = None;
        let mut rows: Vec<Vec<Cell>> = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let trimmed = line.trim();
            if trimmed.is_empty() {
                continue;
            }
            if let Some(comment) = trimmed.strip_prefix('#') {
                if header.is_none() {
                    settings.read(comment).map_err(|problem| {
                        let column = line.chars().take_while(|character| *character != '#').count() + 1;
                        TableError { place: Place { line: number, column }, problem }
                    })?;
                }
                continue;
            }
            let Some(columns) = &header else {
                header = Some(columns(number, line)?);
                continue;
            };
            let cells = cell::cells(number, line)?;
            if cells.len() != columns.len() {
                let problem = TableProblem::Cells { found: cells.len(), expected: columns.len() };
                return Err(TableError { place: Place { line: number, column: 1 }, problem });
            }
            rows.push(cells);
        }
        let place = Place { line: text.lines().count().max(1), column: 1 };
        let columns = header.ok_or(TableError { place, problem: TableProblem::NoHeader })?;
        Ok(Self { settings, rows: record_batch(&columns, &rows)? })
    }
}

/// A column of the header.
struct Column {
    name: String,
    /// Where its type stands.
    place: Place,
    data_type: DataType,
}

fn columns(number: usize, line: &str) -> Result<Vec<Column>, TableError> {
    let columns = cell::header(number, line)?.into_iter().map(|(name, place, type_name)| {
        let unknown = || TableError { place, problem: TableProblem::Type(type_name.clone()) };
        let data_type = types::parse(&type_name).ok_or_else(unknown)?;
        Ok(Column { name, place, data_type })
    });
    columns.collect()
}

fn record_batch(columns: &[Column], rows: &[Vec<Cell>]) -> Result<RecordBatch, TableError> {
    let mut fields = Vec::with_capacity(columns.len());
    let mut arrays = Vec::with_capacity(columns.len());
    for (index, column) in columns.iter().enumerate() {
        // Every row has as many cells as there are columns.
        let cells: Vec<&Cell> = rows.iter().filter_map(|row| row.get(index)).collect();
        fields.push(Field::new(&column.name, column.data_type.clone(), true));
        arrays.push(array::array(&column.data_type, &cells, column.place)?);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options).map_err(|cause| {
        // There is at least one column: a header has a cell.
        let (place, data_type) = columns
            .first()
            .map_or((Place { line: 1, column: 1 }, DataType::Null), |column| (column.place, column.data_type.clone()));
        TableError { place, problem: TableProblem::Column(data_type, cause.to_string()) }
    })
}

impl Settings {
    /// Reads a comment, if it is a setting.
    fn read(&mut self, comment: &str) -> Result<(), TableProblem> {
        let Some((name, value)) = comment.split_once(':') else { return Ok(()) };
        let (name, value) = (name.trim(), value.trim());
        let is_word = |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        match name {
            "strict" => self.strict = boolean("strict", value)?,
            "drop_invalid_records" => self.drop_invalid_records = boolean("drop_invalid_records", value)?,
            "partitions" => self.partitions = partitions(value)?,
            // A misspelt setting must not pass for a comment.
            word if is_word(word) => return Err(TableProblem::Setting(word.to_owned())),
            _ => {}
        }
        Ok(())
    }
}

fn boolean(name: &'static str, value: &str) -> Result<bool, TableProblem> {
    let bad = || TableProblem::SettingValue { name, allowed: "`true` or `false`", found: value.to_owned() };
    value.parse().map_err(|_| bad())
}

/// Partitions become directories, so that none may lead elsewhere.
fn partitions(value: &str) -> Result<Vec<String>, TableProblem> {
    if value.split('/').all(is_partition) && !value.contains(['\\', '\0']) {
        return Ok(value.split('/').map(str::to_owned).collect());
    }
    let (name, allowed) = ("partitions", "`name=value` segments with `/` in between");
    Err(TableProblem::SettingValue { name, allowed, found: value.to_owned() })
}

/// Whether a directory of a key is a partition.
pub(super) fn is_partition(segment: &str) -> bool {
    segment.split_once('=').is_some_and(|(name, _)| !name.is_empty())
}
