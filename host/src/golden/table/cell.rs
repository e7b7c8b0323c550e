//! The cells of a line.

use std::iter::Peekable;
use std::str::Chars;

use super::{Place, TableError, TableProblem};

/// How deep lists may stand in lists.
pub(super) const MAXIMUM_DEPTH: usize = 8;

/// A cell, and where it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// The value of a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// `null`.
    Null,
    /// Text without quotes, without the space around it.
    Bare(String),
    /// Text in quotes, as it is.
    Quoted(String),
    /// `[1, 2]`.
    List(Vec<Cell>),
}

/// Reads the cells of a line, which stand between `|`.
pub(super) fn cells(line: usize, text: &str) -> Result<Vec<Cell>, TableError> {
    let mut scanner = Scanner::new(line, text);
    let mut cells = Vec::new();
    loop {
        cells.push(scanner.cell(&['|'], 0)?);
        match scanner.next() {
            None => return Ok(cells),
            Some('|') => {}
            // A cell ends at one of its ends, or at the end of the line.
            Some(found) => return Err(scanner.before(TableProblem::Unexpected(found))),
        }
    }
}

/// Reads the columns of a header: a name, which may be quoted, then `:`, then a type.
pub(super) fn header(line: usize, text: &str) -> Result<Vec<(String, Place, String)>, TableError> {
    let mut scanner = Scanner::new(line, text);
    let mut columns = Vec::new();
    loop {
        let name = scanner.cell(&[':', '|'], MAXIMUM_DEPTH)?;
        let (Value::Bare(name_text) | Value::Quoted(name_text)) = name.value else {
            return Err(TableError { place: name.place, problem: TableProblem::Name });
        };
        if scanner.next() != Some(':') {
            return Err(TableError { place: name.place, problem: TableProblem::NoType(name_text) });
        }
        scanner.skip_space();
        let place = scanner.place;
        let data_type = scanner.take_until(&['|']);
        columns.push((name_text, place, data_type.trim_end().to_owned()));
        if scanner.next().is_none() {
            return Ok(columns);
        }
    }
}

struct Scanner<'a> {
    rest: Peekable<Chars<'a>>,
    place: Place,
}

impl<'a> Scanner<'a> {
    fn new(line: usize, text: &'a str) -> Self {
        Self { rest: text.chars().peekable(), place: Place { line, column: 1 } }
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest.next()?;
        self.place.column += 1;
        Some(next)
    }

    /// A problem with the character that was taken last.
    fn before(&self, problem: TableProblem) -> TableError {
        let place = Place { line: self.place.line, column: self.place.column.saturating_sub(1).max(1) };
        TableError { place, problem }
    }

    fn skip_space(&mut self) {
        while self.rest.peek().is_some_and(|next| next.is_whitespace()) {
            self.next();
        }
    }

    fn take_until(&mut self, ends: &[char]) -> String {
        let mut text = String::new();
        while let Some(next) = self.rest.peek().copied().filter(|next| !ends.contains(next)) {
            text.push(next);
            self.next();
        }
        text
    }

    /// Takes a cell and the space around it, up to one of the `ends`, which stays.
    fn cell(&mut self, ends: &[char], depth: usize) -> Result<Cell, TableError> {
        self.skip_space();
        let place = self.place;
        let value = match self.rest.peek() {
            Some('"') => Value::Quoted(self.quoted()?),
            Some('[') if depth < MAXIMUM_DEPTH => Value::List(self.list(depth)?),
            _ => {
                let text = self.take_until(ends);
                let text = text.trim_end();
                if text.contains(['"', '\\', '[', ']']) {
                    return Err(TableError { place, problem: TableProblem::Unquoted(text.to_owned()) });
                }
                match text {
                    "" => return Err(TableError { place, problem: TableProblem::Empty }),
                    "null" => Value::Null,
                    text => Value::Bare(text.to_owned()),
                }
            }
        };
        self.skip_space();
        match self.rest.peek() {
            Some(found) if !ends.contains(found) => {
                Err(TableError { place: self.place, problem: TableProblem::Unexpected(*found) })
            }
            _ => Ok(Cell { place, value }),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Cell>, TableError> {
        let start = self.place;
        self.next();
        self.skip_space();
        let mut items = Vec::new();
        if self.rest.peek() == Some(&']') {
            self.next();
            return Ok(items);
        }
        loop {
            items.push(self.cell(&[',', ']'], depth + 1)?);
            match self.next() {
                Some(',') => {}
                Some(_) => return Ok(items),
                None => return Err(TableError { place: start, problem: TableProblem::Unclosed('[') }),
            }
        }
    }

    fn quoted(&mut self) -> Result<String, TableError> {
        let start = self.place;
        self.next();
        let mut text = String::new();
        loop {
            match self.next() {
                Some('"') => return Ok(text),
                Some('\\') => text.push(self.escaped()?),
                Some(other) => text.push(other),
                None => return Err(TableError { place: start, problem: TableProblem::Unclosed('"') }),
            }
        }
    }

    /// Takes what stands behind a backslash.
    fn escaped(&mut self) -> Result<char, TableError> {
        match self.next() {
            Some(same @ ('"' | '\\')) => Ok(same),
            Some('n') => Ok('\n'),
            Some('r') => Ok('\r'),
            Some('t') => Ok('\t'),
            Some('u') => {
                let code = (self.next() == Some('{')).then(|| self.take_until(&['}']));
                self.next();
                let code = code.and_then(|digits| u32::from_str_radix(&digits, 16).ok());
                code.and_then(char::from_u32).ok_or_else(|| self.before(TableProblem::Escape))
            }
            _ => Err(self.before(TableProblem::Escape)),
        }
    }
}
