//! Points one by one: those of some windows of time, as expected, held against what the database has.
//!
//! ```text
//! expected → values, in the order in which they would be written → sorted, the last of each point kept
//! database → values, in any order → found, and the same → found, and another value → not expected
//! ```
//!
//! What is expected is held in bounded memory: a pass that does not fit is parted, and the source read again for each part.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::outcome::{Change, Difference};
use crate::points::{Chunk, Dialect};
use crate::sink::Watcher;
use crate::sink::reading::{Column, Point, Value, Window, series_name};
use crate::sink::survey::{Kind, Line, name};

/// The most values of a pass, in some 20 MiB.
pub(super) const MOST_VALUES: u64 = 1 << 18;

/// The most bytes of texts and names of series of a pass.
const MOST_BYTES: usize = 8 << 20;

/// What a name of a series takes beside its bytes.
const NAME_BYTES: usize = 96;

/// Windows of a measurement.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) measurement: String,
    pub(super) columns: Vec<Column>,
    /// In the order of time, none of which touch.
    pub(super) cells: Vec<Cell>,
}

/// A window, and how many values are expected in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell {
    pub(super) window: Window,
    pub(super) values: u64,
}

/// A value that is expected.
#[derive(Clone, Copy, Debug)]
struct Entry {
    target: u32,
    series: u32,
    column: u32,
    kind: Kind,
    found: bool,
    time: i64,
    /// The value, or where its text is.
    bits: u64,
    row: u64,
    object: u32,
    sequence: u32,
}

impl Entry {
    fn key(&self) -> (u32, u32, u32, i64) {
        (self.target, self.series, self.column, self.time)
    }
}

/// Collects what is expected.
pub(super) struct Pass {
    targets: Vec<Target>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    entries: Vec<Entry>,
    texts: Vec<Box<str>>,
    /// By target and name.
    series: Vec<HashMap<String, u32>>,
    names: Vec<Box<str>>,
    bytes: usize,
    object: u32,
    full: bool,
    known: Known,
}

/// What is known of names as they are written.
#[derive(Default)]
struct Known {
    targets: HashMap<Vec<u8>, Option<u32>>,
    columns: Vec<HashMap<Vec<u8>, Option<u32>>>,
    series: HashMap<Vec<u8>, u32>,
}

impl Pass {
    pub(super) fn new(targets: Vec<Target>) -> Self {
        let series = targets.iter().map(|_| HashMap::new()).collect();
        let columns = targets.iter().map(|_| HashMap::new()).collect();
        let known = Known { columns, ..Known::default() };
        Self { targets, state: Mutex::new(State { series, known, ..State::default() }) }
    }

    /// What is shown from now on is of this object.
    pub(super) fn begin(&self, object: usize) {
        self.state().object = u32::try_from(object).unwrap_or(u32::MAX);
    }

    /// Whether there was more than there is memory for: then nothing can be concluded.
    pub(super) fn is_full(&self) -> bool {
        self.state().full
    }

    pub(super) fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// The time that has as many values before it as after it, of those that were added.
    pub(super) fn middle(&self) -> Option<i64> {
        let mut times: Vec<i64> = self.state().entries.iter().map(|entry| entry.time).collect();
        let middle = times.len() / 2;
        (!times.is_empty()).then(|| *times.select_nth_unstable(middle).1)
    }

    /// Adds a value of a database, which has each point once.
    pub(super) fn add(&self, target: usize, point: &Point<'_>) {
        let state = &mut *self.state();
        let (kind, bits) = state.bits(&point.value);
        let target = index(target);
        let series = state.series_of(target, || series_name(point.tags.iter().copied()));
        state.push(Entry {
            target,
            series,
            column: index(point.column),
            kind,
            found: false,
            time: point.time,
            bits,
            row: 0,
            object: u32::MAX,
            sequence: 0,
        });
    }

    /// What is expected, once everything was added: of each point the last value.
    pub(super) fn into_expected(self) -> Expected {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        let State { mut entries, texts, series, names, .. } = state;
        entries.sort_unstable_by_key(|entry| (entry.key(), std::cmp::Reverse(entry.sequence)));
        entries.dedup_by_key(|entry| entry.key());
        Expected { targets: self.targets, entries, texts, series, names, last: None }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watcher for Pass {
    fn look(&self, chunk: &Chunk, dialect: Dialect) {
        let state = &mut *self.state();
        for (number, place) in chunk.lines().iter().enumerate() {
            let line = Line::of(chunk.text(number..number + 1), dialect);
            state.add(&self.targets, &line, place.row, dialect);
        }
    }
}

impl State {
    fn add(&mut self, targets: &[Target], line: &Line<'_>, row: u64, dialect: Dialect) {
        let Some(target) = self.target(targets, line.measurement(), dialect) else { return };
        let wanted = &targets[target as usize];
        let time = line.fields(|_, _, _| {});
        let before = wanted.cells.partition_point(|cell| cell.window.from <= time);
        if before.checked_sub(1).is_none_or(|cell| time >= wanted.cells[cell].window.to) {
            return;
        }
        let series = match self.known.series.get(line.series) {
            Some(series) => *series,
            None => {
                let series = self.series_of(target, || {
                    let tags: Vec<_> =
                        line.tags().map(|(key, value)| (name(key, dialect), name(value, dialect))).collect();
                    series_name(tags.iter().map(|(key, value)| (key.as_str(), value.as_str())))
                });
                self.bytes += line.series.len() + NAME_BYTES;
                self.known.series.insert(line.series.to_owned(), series);
                series
            }
        };
        line.fields(|key, kind, value| {
            let known = &mut self.known.columns[target as usize];
            let column = match known.get(key) {
                Some(column) => *column,
                None => {
                    let name = name(key, dialect);
                    let column = wanted.columns.iter().position(|column| column.name == name).map(index);
                    known.insert(key.to_owned(), column);
                    column
                }
            };
            let (Some(column), Some(value)) = (column, super::value(kind, value)) else { return };
            let (kind, bits) = self.bits(&value);
            let object = self.object;
            self.push(Entry { target, series, column, kind, found: false, time, bits, row, object, sequence: 0 });
        });
    }

    fn target(&mut self, targets: &[Target], measurement: &[u8], dialect: Dialect) -> Option<u32> {
        if let Some(target) = self.known.targets.get(measurement) {
            return *target;
        }
        let name = name(measurement, dialect);
        let target = targets.iter().position(|target| target.measurement == name).map(index);
        self.known.targets.insert(measurement.to_owned(), target);
        target
    }

    fn series_of(&mut self, target: u32, name: impl FnOnce() -> String) -> u32 {
        let name = name();
        if let Some(series) = self.series[target as usize].get(&name) {
            return *series;
        }
        let series = index(self.names.len());
        self.bytes += 2 * name.len() + NAME_BYTES;
        self.names.push(name.as_str().into());
        self.series[target as usize].insert(name, series);
        series
    }

    fn bits(&mut self, value: &Value) -> (Kind, u64) {
        match value {
            Value::Float(value) => (Kind::Float, value.to_bits()),
            Value::Integer(value) => (Kind::Integer, value.cast_unsigned()),
            Value::Unsigned(value) => (Kind::Unsigned, *value),
            Value::Boolean(value) => (Kind::Boolean, u64::from(*value)),
            Value::Text(text) => {
                let place = self.texts.len() as u64;
                if !self.full {
                    self.bytes += text.len() + size_of::<Box<str>>();
                    self.texts.push(text.as_str().into());
                }
                (Kind::Text, place)
            }
        }
    }

    fn push(&mut self, entry: Entry) {
        self.full |= self.entries.len() as u64 >= MOST_VALUES || self.bytes >= MOST_BYTES;
        if !self.full {
            let sequence = index(self.entries.len());
            self.entries.push(Entry { sequence, ..entry });
        }
    }
}

/// What is expected of the points of a pass.
pub(super) struct Expected {
    targets: Vec<Target>,
    entries: Vec<Entry>,
    texts: Vec<Box<str>>,
    series: Vec<HashMap<String, u32>>,
    names: Vec<Box<str>>,
    /// The series of the answer that was looked up last.
    last: Option<(usize, Option<u32>)>,
}

impl Expected {
    pub(super) fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// Calls `each` with the target and the time of every value.
    pub(super) fn times(&self, mut each: impl FnMut(usize, i64)) {
        self.entries.iter().for_each(|entry| each(entry.target as usize, entry.time));
    }

    /// Before the points of another answer.
    pub(super) fn begin_answer(&mut self) {
        self.last = None;
    }

    /// Holds a value of the database against what is expected. Zeros are the same whatever their signs where the engine keeps none.
    pub(super) fn hold(&mut self, target: usize, point: &Point<'_>, signs_of_zeros: bool) -> Option<Difference> {
        let series = match self.last {
            Some((number, series)) if number == point.series => series,
            _ => {
                let series = self.series[target].get(&series_name(point.tags.iter().copied())).copied();
                self.last = Some((point.series, series));
                series
            }
        };
        let key = |series| (index(target), series, index(point.column), point.time);
        let place = series.and_then(|series| self.entries.binary_search_by_key(&key(series), Entry::key).ok());
        let Some(place) = place else {
            return Some(Difference {
                change: Change::Extra,
                series: series_name(point.tags.iter().copied()),
                expected: None,
                found: Some(point.value.to_string()),
                object: None,
                row: None,
                ..self.difference(target, point.column, point.time)
            });
        };
        self.entries[place].found = true;
        let entry = &self.entries[place];
        let expected = self.value(entry);
        let same = match (&expected, &point.value) {
            (Value::Float(one), Value::Float(other)) => {
                one.to_bits() == other.to_bits() || (!signs_of_zeros && *one == 0.0 && *other == 0.0)
            }
            (one, other) => one == other,
        };
        (!same).then(|| Difference {
            change: Change::Different,
            expected: Some(expected.to_string()),
            found: Some(point.value.to_string()),
            ..self.of_entry(entry)
        })
    }

    /// What was expected and not found.
    pub(super) fn missing(&self) -> impl Iterator<Item = Difference> {
        let missing = self.entries.iter().filter(|entry| !entry.found);
        missing.map(|entry| {
            let expected = Some(self.value(entry).to_string());
            Difference { change: Change::Missing, expected, found: None, ..self.of_entry(entry) }
        })
    }

    fn value(&self, entry: &Entry) -> Value {
        match entry.kind {
            Kind::Float => Value::Float(f64::from_bits(entry.bits)),
            Kind::Integer => Value::Integer(entry.bits.cast_signed()),
            Kind::Unsigned => Value::Unsigned(entry.bits),
            Kind::Boolean => Value::Boolean(entry.bits == 1),
            Kind::Text => {
                let place = usize::try_from(entry.bits).unwrap_or(usize::MAX);
                Value::Text(self.texts.get(place).map(|text| text.as_ref().to_owned()).unwrap_or_default())
            }
        }
    }

    fn of_entry(&self, entry: &Entry) -> Difference {
        let from_object = entry.object != u32::MAX;
        Difference {
            series: self.names[entry.series as usize].as_ref().to_owned(),
            object: from_object.then_some(entry.object),
            row: from_object.then_some(entry.row),
            ..self.difference(entry.target as usize, entry.column as usize, entry.time)
        }
    }

    fn difference(&self, target: usize, column: usize, time: i64) -> Difference {
        let Target { measurement, columns, .. } = &self.targets[target];
        Difference {
            change: Change::Missing,
            measurement: measurement.clone(),
            series: String::new(),
            field: columns[column].name.clone(),
            time,
            expected: None,
            found: None,
            object: None,
            row: None,
        }
    }
}

/// A number of something of which there are fewer than 2³².
fn index(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass() -> Pass {
        let column = |name: &str, kind| Column { name: name.to_owned(), kind, values: Vec::new() };
        Pass::new(vec![Target {
            measurement: "m m".to_owned(),
            columns: vec![column("f", Kind::Float), column("s", Kind::Text), column("i", Kind::Integer)],
            cells: vec![
                Cell { window: Window { from: 0, to: 10 }, values: 4 },
                Cell { window: Window { from: 20, to: 30 }, values: 1 },
            ],
        }])
    }

    fn point<'a>(tags: &'a [(&'a str, &'a str)], series: usize, time: i64, column: usize, value: Value) -> Point<'a> {
        Point { tags, series, time, column, value }
    }

    #[test]
    fn the_last_row_counts_field_by_field_and_other_times_are_left_out() {
        let pass = pass();
        pass.begin(3);
        let lines = "m\\ m,b=2,a=1 f=1.5,i=1i 5\nm\\ m,a=1,b=2 f=2.5 5\nm\\ m f=1 15\nother f=1 5\nm\\ m f=1 20\n";
        pass.look(&Chunk::of_lines(lines), Dialect::V2);
        let mut expected = pass.into_expected();
        let tags = [("a", "1"), ("b", "2")];
        assert!(expected.hold(0, &point(&tags, 0, 5, 0, Value::Float(2.5)), true).is_none());
        let different = expected.hold(0, &point(&tags, 0, 5, 2, Value::Integer(2)), true);
        let different = different.unwrap_or_else(|| unreachable!());
        assert_eq!((different.change, different.object, different.row), (Change::Different, Some(3), Some(0)));
        assert_eq!((different.expected.as_deref(), different.found.as_deref()), (Some("1i"), Some("2i")));
        let missing: Vec<_> = expected.missing().map(|missing| (missing.time, missing.series, missing.row)).collect();
        assert_eq!(missing, [(20, String::new(), Some(4))]);
        let extra = expected.hold(0, &point(&[("a", "1")], 1, 5, 0, Value::Float(2.5)), true);
        assert_eq!(extra.map(|extra| (extra.change, extra.series)), Some((Change::Extra, "a=1".to_owned())));
    }

    #[test]
    fn floats_are_compared_bit_by_bit_and_texts_whole() {
        let pass = pass();
        pass.look(&Chunk::of_lines("m\\ m f=0.1,s=\"a \\\"b\\\\ c\\r\" 1\nm\\ m f=-0 2\n"), Dialect::V2);
        let mut expected = pass.into_expected();
        let next = f64::from_bits(0.1_f64.to_bits() + 1);
        assert!(expected.hold(0, &point(&[], 0, 1, 0, Value::Float(next)), true).is_some());
        assert!(expected.hold(0, &point(&[], 0, 1, 1, Value::Text("a \"b\\ c\\r".to_owned())), true).is_none());
        assert!(expected.hold(0, &point(&[], 0, 2, 0, Value::Float(0.0)), true).is_some());
        assert!(expected.hold(0, &point(&[], 0, 2, 0, Value::Float(0.0)), false).is_none());
    }
}
