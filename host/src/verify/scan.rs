//! What would be sent, summed up by measurement, field and bucket of time.
//!
//! ```text
//! lines as they would be sent → series: were all points before this one, or all after?  → yes: it is a new point
//!                             → tallies                                                → no: its bucket is unsure
//! ```
//!
//! Of a point that comes twice the last one counts, which sums do not know. Points are not remembered: a series remembers the range of
//! its times, and a point within it may be one that came before. So a bucket is unsure where series are not in the order of
//! time, or where there are more of them than are remembered; it is compared point by point.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::floor;
use super::tally::{MOST_TEXTS, Tally};
use crate::points::{Chunk, Dialect};
use crate::sink::Watcher;
use crate::sink::reading::Value;
use crate::sink::survey::{Kind, Line, name};

/// The most series that are remembered, in some 20 MiB: each as often as it has 64 fields.
const MOST_SERIES: usize = 1 << 18;

/// The most tallies, in some 25 MiB.
pub(super) const MOST_TALLIES: usize = 1 << 18;

/// The longest text that is counted, in bytes.
const MOST_TEXT_BYTES: usize = 64;

/// How many fields a remembered series distinguishes.
const FIELDS: usize = 64;

/// What is expected of a measurement.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    pub(super) fields: BTreeMap<String, Field>,
    /// The first and the last time that is compared, where that is more than those of the fields.
    pub(super) range: Option<(i64, i64)>,
}

/// What is expected of a field.
#[derive(Clone, Debug, Default)]
pub(super) struct Field {
    pub(super) kinds: BTreeSet<Kind>,
    /// By the start of the bucket.
    pub(super) buckets: BTreeMap<i64, Tally>,
    /// The texts and booleans that are counted; none where there are too many.
    pub(super) values: Option<Vec<Value>>,
}

/// Which times an object has, from the first to the last.
pub(super) type Times = Option<(i64, i64)>;

/// Sums up what it is shown.
pub(super) struct Scan {
    /// In nanoseconds.
    width: i64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    tables: Vec<RawTable>,
    /// By measurement, as it is written.
    numbers: HashMap<Vec<u8>, usize>,
    last: usize,
    series: HashMap<u64, Remembered>,
    hasher: RandomState,
    tallies: usize,
    objects: Vec<Times>,
    dialect: Option<Dialect>,
}

/// A measurement, with names as they are written.
struct RawTable {
    measurement: Vec<u8>,
    fields: Vec<RawField>,
    numbers: HashMap<Vec<u8>, usize>,
}

struct RawField {
    key: Vec<u8>,
    kinds: BTreeSet<Kind>,
    /// Texts and booleans as they are written, each once; none where there are too many.
    values: Option<Vec<Vec<u8>>>,
    tallies: Vec<Tally>,
    buckets: HashMap<i64, usize>,
    last: (i64, usize),
}

/// What is remembered of a series, for 64 of its fields.
struct Remembered {
    first: i64,
    last: i64,
    /// The bucket of the last point, and which fields were seen.
    bucket: i64,
    seen: u64,
}

impl Scan {
    /// By buckets of so many nanoseconds.
    pub(super) fn new(width: i64) -> Self {
        Self { width, state: Mutex::default() }
    }

    /// What is shown from now on is of the next object.
    pub(super) fn begin(&self) {
        self.state().objects.push(None);
    }

    /// Whether there were more tallies than there is memory for.
    pub(super) fn is_full(&self) -> bool {
        self.state().tallies >= MOST_TALLIES
    }

    /// What was found, by measurement, and of which times each object is.
    pub(super) fn take(&self) -> (BTreeMap<String, Table>, Vec<Times>) {
        let state = std::mem::take(&mut *self.state());
        let dialect = state.dialect.unwrap_or(Dialect::Any);
        let mut tables: BTreeMap<String, Table> = BTreeMap::new();
        for table in state.tables {
            let fields = &mut tables.entry(name(&table.measurement, dialect)).or_default().fields;
            for RawField { key, kinds, values, tallies, buckets, .. } in table.fields {
                let mut tallies: Vec<Option<Tally>> = tallies.into_iter().map(Some).collect();
                let buckets = buckets.into_iter().filter_map(|(start, number)| Some((start, tallies[number].take()?)));
                let kind = kinds.first().copied().unwrap_or(Kind::Float);
                let values =
                    values.map(|values| values.iter().filter_map(|written| super::value(kind, written)).collect());
                fields.insert(name(&key, dialect), Field { kinds, buckets: buckets.collect(), values });
            }
        }
        (tables, state.objects)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watcher for Scan {
    fn look(&self, chunk: &Chunk, dialect: Dialect) {
        let state = &mut *self.state();
        state.dialect = Some(dialect);
        for number in 0..chunk.points() {
            state.add(&Line::of(chunk.text(number..number + 1), dialect), self.width);
        }
    }
}

impl State {
    fn add(&mut self, line: &Line<'_>, width: i64) {
        if self.tallies >= MOST_TALLIES {
            return;
        }
        let measurement = line.measurement();
        if self.tables.get(self.last).is_none_or(|table| table.measurement != measurement) {
            self.last = self.table(measurement);
        }
        let time = line.fields(|_, _, _| {});
        let bucket = floor(time, width);
        if let Some(times) = self.objects.last_mut() {
            let (first, last) = times.get_or_insert((time, time));
            (*first, *last) = ((*first).min(time), (*last).max(time));
        }
        let hash = self.hasher.hash_one(line.series);
        let Self { tables, last, series, tallies, .. } = self;
        let table = &mut tables[*last];
        let (mut expected, mut block, mut order) = (0, None, Order::default());
        line.fields(|key, kind, value| {
            // As a rule fields come in the same order.
            let number = match table.fields.get(expected) {
                Some(field) if field.key == key => expected,
                _ => table.field(key),
            };
            expected = number + 1;
            if block != Some(number / FIELDS) {
                block = Some(number / FIELDS);
                order = Order::of(series, hash.wrapping_add((number / FIELDS) as u64), time, bucket, width);
            }
            let field = &mut table.fields[number];
            if field.kinds.insert(kind) && field.kinds.len() > 1 {
                order.unsure = true;
            }
            let text = field.text(kind, value);
            let tally = field.tally(bucket, tallies);
            tally.add(time, kind, value, text);
            tally.unsure |= order.unsure;
            tally.series += u64::from(order.is_new(series, number % FIELDS));
        });
    }

    fn table(&mut self, measurement: &[u8]) -> usize {
        if let Some(number) = self.numbers.get(measurement) {
            return *number;
        }
        let number = self.tables.len();
        self.numbers.insert(measurement.to_owned(), number);
        self.tables.push(RawTable { measurement: measurement.to_owned(), fields: Vec::new(), numbers: HashMap::new() });
        number
    }
}

/// What a series shows about a point.
#[derive(Default)]
struct Order {
    unsure: bool,
    /// The series, where it is remembered.
    key: Option<u64>,
}

impl Order {
    fn of(series: &mut HashMap<u64, Remembered>, key: u64, time: i64, bucket: i64, width: i64) -> Self {
        let is_full = series.len() >= MOST_SERIES;
        let Some(remembered) = series.get_mut(&key) else {
            if is_full {
                return Self { unsure: true, key: None };
            }
            series.insert(key, Remembered { first: time, last: time, bucket, seen: 0 });
            return Self { unsure: false, key: Some(key) };
        };
        let mut unsure = (remembered.first..=remembered.last).contains(&time);
        if remembered.bucket != bucket {
            // A bucket that the series has left may be one whose fields were counted.
            unsure |= (floor(remembered.first, width)..=floor(remembered.last, width)).contains(&bucket);
            (remembered.bucket, remembered.seen) = (bucket, 0);
        }
        (remembered.first, remembered.last) = (remembered.first.min(time), remembered.last.max(time));
        Self { unsure, key: Some(key) }
    }

    /// Whether the field is the first of its series in the bucket.
    fn is_new(&self, series: &mut HashMap<u64, Remembered>, field: usize) -> bool {
        let Some(remembered) = self.key.and_then(|key| series.get_mut(&key)) else { return false };
        let bit = 1 << field;
        let is_new = remembered.seen & bit == 0;
        remembered.seen |= bit;
        is_new
    }
}

impl RawTable {
    fn field(&mut self, key: &[u8]) -> usize {
        if let Some(number) = self.numbers.get(key) {
            return *number;
        }
        let number = self.fields.len();
        self.numbers.insert(key.to_owned(), number);
        self.fields.push(RawField {
            key: key.to_owned(),
            kinds: BTreeSet::new(),
            values: Some(Vec::new()),
            tallies: Vec::new(),
            buckets: HashMap::new(),
            last: (0, usize::MAX),
        });
        number
    }
}

impl RawField {
    /// The number of a text or a boolean, where there are few of them.
    fn text(&mut self, kind: Kind, value: &[u8]) -> Option<usize> {
        if !matches!(kind, Kind::Text | Kind::Boolean) {
            return None;
        }
        let values = self.values.as_mut()?;
        if let Some(number) = values.iter().position(|known| known == value) {
            return Some(number);
        }
        // In a question, anything else would have to be escaped in a way of its own.
        let is_plain = value.len() <= MOST_TEXT_BYTES && !value.iter().any(u8::is_ascii_control);
        if values.len() == MOST_TEXTS || !is_plain {
            self.values = None;
            return None;
        }
        values.push(value.to_owned());
        Some(values.len() - 1)
    }

    fn tally(&mut self, bucket: i64, tallies: &mut usize) -> &mut Tally {
        if self.last.0 != bucket || self.last.1 == usize::MAX {
            let next = self.tallies.len();
            let number = *self.buckets.entry(bucket).or_insert(next);
            if number == next {
                self.tallies.push(Tally::default());
                *tallies += 1;
            }
            self.last = (bucket, number);
        }
        &mut self.tallies[self.last.1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scanned(lines: &str) -> BTreeMap<String, Table> {
        let scan = Scan::new(10);
        scan.begin();
        scan.look(&Chunk::of_lines(lines), Dialect::V2);
        scan.take().0
    }

    /// Count, series and whether it is unsure, by the start of the bucket.
    fn buckets(tables: &BTreeMap<String, Table>, measurement: &str, field: &str) -> Vec<(i64, u64, u64, bool)> {
        let tallies = tables[measurement].fields[field].buckets.iter();
        tallies.map(|(start, tally)| (*start, tally.count, tally.series, tally.unsure)).collect()
    }

    #[test]
    fn points_in_the_order_of_time_are_counted_for_sure() {
        let found = scanned("m,a=1 f=1,g=2i 1\nm,a=2 f=1 1\nm,a=1 f=1 2\nm,a=1 f=2 11\nm,a=2 f=1 -3\n");
        assert_eq!(buckets(&found, "m", "f"), [(-10, 1, 1, false), (0, 3, 2, false), (10, 1, 1, false)]);
        assert_eq!(buckets(&found, "m", "g"), [(0, 1, 1, false)]);
        let backwards = scanned("m f=1 21\nm f=1 20\nm f=1 11\nm f=1 3\n");
        assert_eq!(buckets(&backwards, "m", "f"), [(0, 1, 1, false), (10, 1, 1, false), (20, 2, 1, false)]);
    }

    #[test]
    fn a_point_that_may_have_been_there_makes_its_bucket_unsure() {
        let found = scanned("m f=1 1\nm f=1 2\nm f=1 15\nm f=2 15\nm f=1 21\n");
        let unsure: Vec<(i64, bool)> =
            buckets(&found, "m", "f").into_iter().map(|(start, .., unsure)| (start, unsure)).collect();
        assert_eq!(unsure, [(0, false), (10, true), (20, false)]);
        // Not within the times of the series, but in a bucket that it has left.
        let found = scanned("m f=1 5\nm f=1 15\nm f=1 3\n");
        assert!(buckets(&found, "m", "f")[0].3);
    }

    #[test]
    fn fields_beyond_those_of_one_word_are_counted_by_series_too() {
        let fields: Vec<String> = (0..130).map(|number| format!("f{number}=1")).collect();
        let fields = fields.join(",");
        let found = scanned(&format!("m,a=1 {fields} 1\nm,a=2 {fields} 1\nm,a=1 {fields} 2\n"));
        for field in ["f0", "f63", "f64", "f129"] {
            assert_eq!(buckets(&found, "m", field), [(0, 3, 2, false)], "{field}");
        }
    }
}
