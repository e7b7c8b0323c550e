//! Whether a database has what was loaded: the source is read again, and held against what the database answers.
//!
//! ```text
//! objects → converter → lines as they would be sent ┐
//! another database ─────────────────────────────────┴→ sums of each bucket = sums of the database? → yes: next bucket
//!                                                                                                   → no:  its points, one by one
//! ```
//!
//! Sums are asked for where a bucket has many points: count, minimum, maximum, sum, first and last time, and the number of series of
//! each field; of texts and booleans, how often each comes where there are no more than eight. Where a bucket has few points, they cost
//! no more than sums and show more. Such measurements, and those with many texts, are compared point by point, all of
//! them, as everything is with [`Options::exact`].
//!
//! The last row of a point counts, field by field, in the order of the inputs and of their rows, as in a load.

mod error;
mod expected;
mod outcome;
mod pass;
mod passes;
mod scan;
mod sums;
mod tally;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use tokio::time::timeout_at;

pub use error::VerifyError;
pub use outcome::{
    BucketOutcome, Change, Difference, MeasurementOutcome, Method, ObjectOutcome, Outcome, Totals, TypeDifference,
};
pub use tally::Aspect;

use crate::config::Config;
use crate::pipeline::{self, Deadline, Loader, Location};
use crate::sink::InfluxDb;
use crate::sink::reading::{Column, ReadError, Value, Window};
use crate::sink::survey::Kind;
use expected::Source;
use pass::{Cell, Target};
use scan::Table;

/// How many points a field has to have in a bucket, on average, for sums to cost less than points.
const POINTS_WORTH_SUMS: u64 = 500;

const NANOSECONDS: i64 = 1_000_000_000;

/// A hundred years, in seconds.
const LONGEST_SECONDS: i64 = 100 * 366 * 24 * 3600;

/// An object to read again.
#[derive(Clone, Debug)]
pub struct Input {
    /// Where it is.
    pub location: Location,
    /// Its dataset, where its key does not matter.
    pub dataset: Option<String>,
}

/// How a database is verified.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long a bucket is, in seconds, up to a hundred years. Buckets begin at 1970.
    pub bucket_seconds: i64,
    /// Whether every point is compared.
    pub exact: bool,
    /// Whether the database may have points that are not expected.
    pub ignore_extra: bool,
    /// The most differences of each sort that are named.
    pub shown: usize,
    /// When it has to be done.
    pub deadline: Option<Deadline>,
}

impl Default for Options {
    fn default() -> Self {
        Self { bucket_seconds: 24 * 3600, exact: false, ignore_extra: false, shown: 20, deadline: None }
    }
}

/// Is informed of the progress of a verification.
pub trait Progress: pipeline::Progress {
    /// What it does from now on.
    fn stage(&self, _stage: Stage) {}
}

/// What a verification does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It reads the source.
    Reading,
    /// It asks for sums, of so many measurements.
    Summing(usize),
    /// It compares points, so many values at most.
    Comparing(u64),
}

impl Progress for () {}

/// Holds a database against objects, as they would be loaded with these settings.
///
/// # Errors
///
/// The cause, if it cannot be determined whether the database has what is expected. An object that cannot be read is no error: it is in the
/// outcome, which is not clean then.
pub async fn objects(
    loader: &Loader,
    config: &Config,
    inputs: &[Input],
    server: InfluxDb,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Outcome, VerifyError> {
    let server = Arc::new(server);
    server.reach(options.deadline.map(|deadline| deadline.end)).await?;
    let mut config = config.clone();
    config.rejects = None;
    config.drop_invalid_records = true;
    let loader = loader.with_settings(&config);
    let source = Source::objects(loader, inputs, &server);
    Verification::new(source, server, options, progress).run().await
}

/// Holds a database against another one, which has what is expected.
///
/// # Errors
///
/// The cause, if it cannot be determined whether the database has what the other one has.
pub async fn databases(
    expected: InfluxDb,
    server: InfluxDb,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Outcome, VerifyError> {
    let end = options.deadline.map(|deadline| deadline.end);
    for database in [&expected, &server] {
        database.reach(end).await?;
        if !database.engine(end).await?.sums_up() {
            return Err(VerifyError::NotBetween);
        }
    }
    Verification::new(Source::Database(Box::new(expected)), Arc::new(server), options, progress).run().await
}

/// A verification that is under way.
struct Verification<'a> {
    source: Source<'a>,
    server: Arc<InfluxDb>,
    options: &'a Options,
    progress: &'a dyn Progress,
    /// In nanoseconds.
    width: i64,
    end: Option<Instant>,
    measurements: BTreeMap<String, Compared>,
    differences: BTreeMap<Change, Vec<Difference>>,
    changes: u64,
    passes: u64,
    questions: u64,
}

/// A measurement that is being compared.
struct Compared {
    method: Method,
    columns: Vec<Column>,
    types: Vec<TypeDifference>,
    /// By start.
    buckets: BTreeMap<i64, BucketOutcome>,
}

impl<'a> Verification<'a> {
    fn new(source: Source<'a>, server: Arc<InfluxDb>, options: &'a Options, progress: &'a dyn Progress) -> Self {
        Self {
            source,
            server,
            options,
            progress,
            width: options.bucket_seconds.clamp(1, LONGEST_SECONDS) * NANOSECONDS,
            end: options.deadline.map(|deadline| deadline.end),
            measurements: BTreeMap::new(),
            differences: BTreeMap::new(),
            changes: 0,
            passes: 0,
            questions: 0,
        }
    }

    async fn run(mut self) -> Result<Outcome, VerifyError> {
        let started = Instant::now();
        self.progress.stage(Stage::Reading);
        let tables = self.expect().await?;
        self.progress.stage(Stage::Summing(tables.len()));
        let mut targets = Vec::new();
        for (measurement, table) in tables {
            targets.extend(self.measurement(measurement, &table).await?);
        }
        self.compare_points(targets).await?;
        Ok(self.outcome(started))
    }

    /// Compares the sums of a measurement. Returns what of it has to be compared point by point.
    async fn measurement(&mut self, measurement: String, table: &Table) -> Result<Option<Target>, VerifyError> {
        self.questions += 1;
        let names = [measurement.clone()];
        let there = within(self.end, self.server.schema(&names)).await??.remove(&measurement).unwrap_or_default();
        let mut columns: Vec<Column> = Vec::new();
        let mut types = Vec::new();
        for (name, field) in &table.fields {
            let expected: BTreeSet<String> = field.kinds.iter().map(|kind| kind.name().to_owned()).collect();
            if let Some(found) = there.fields.get(name).filter(|found| **found != expected) {
                types.push(TypeDifference { field: name.clone(), expected, found: found.clone() });
            }
            // One with several types has the first, in which values are read as far as they can be.
            columns.extend(field.kinds.first().map(|kind| Column {
                name: name.clone(),
                kind: *kind,
                values: field.values.clone().unwrap_or_default(),
            }));
        }
        if !self.options.ignore_extra {
            for (name, kinds) in there.fields.iter().filter(|(name, _)| !table.fields.contains_key(*name)) {
                let kind = kinds.iter().find_map(|kind| Kind::named(kind)).unwrap_or(Kind::Float);
                columns.push(Column { name: name.clone(), kind, values: Vec::new() });
            }
        }
        let method = self.method(table).await?;
        self.measurements.insert(
            measurement.clone(),
            Compared { method, columns: columns.clone(), types, buckets: BTreeMap::new() },
        );
        let cells = match method {
            Method::Points => self.all_cells(table),
            Method::Sums => self.differing_cells(&measurement, table, &columns).await?,
        };
        Ok((!cells.is_empty()).then_some(Target { measurement, columns, cells }))
    }

    async fn method(&self, table: &Table) -> Result<Method, VerifyError> {
        let sums_up = self.server.engine(self.end).await?.sums_up();
        let is_number = |kind: &Kind| !matches!(kind, Kind::Boolean | Kind::Text);
        let numbers = table.fields.values().all(|field| field.values.is_some() || field.kinds.iter().all(is_number));
        let tallies = || table.fields.values().flat_map(|field| field.buckets.values());
        let (count, points) = tallies().fold((0, 0), |(count, points), tally| (count + 1, points + tally.count));
        let one_type = table.fields.values().all(|field| field.kinds.len() == 1);
        let summable = sums_up && numbers && one_type && tallies().all(|tally| tally.has_a_sum());
        Ok(if summable && self.pays(points, count) { Method::Sums } else { Method::Points })
    }

    /// Whether it pays to ask for the sums of so many points in so many buckets.
    fn pays(&self, points: u64, buckets: u64) -> bool {
        points >= POINTS_WORTH_SUMS * buckets && !self.options.exact
    }

    /// Windows that together are all times from the first bucket to the last one.
    fn all_cells(&self, table: &Table) -> Vec<Cell> {
        let mut values: BTreeMap<i64, u64> = BTreeMap::new();
        for (start, tally) in table.fields.values().flat_map(|field| &field.buckets) {
            *values.entry(*start).or_default() += tally.count;
        }
        for time in table.range.into_iter().flat_map(|(first, last)| [first, last]) {
            values.entry(floor(time, self.width)).or_default();
        }
        let starts: Vec<i64> = values.keys().copied().collect();
        let cells = values.into_iter().enumerate().map(|(number, (start, values))| {
            // Up to the next one, since what lies between is not expected, unless that does not matter.
            let next = starts.get(number + 1).copied().filter(|_| !self.options.ignore_extra);
            let to = next.unwrap_or_else(|| start.saturating_add(self.width));
            Cell { window: Window { from: start, to }, values }
        });
        cells.collect()
    }

    /// Counts a difference, and names it where not too many are.
    fn differs(&mut self, difference: Difference) {
        let start = floor(difference.time, self.width);
        if let Some(compared) = self.measurements.get_mut(&difference.measurement) {
            let bucket = compared.buckets.entry(start).or_default();
            bucket.start = start;
            *match difference.change {
                Change::Missing => &mut bucket.missing,
                Change::Extra => &mut bucket.extra,
                Change::Different => &mut bucket.different,
            } += 1;
        }
        if difference.change == Change::Extra && self.options.ignore_extra {
            return;
        }
        self.changes += 1;
        let named = self.differences.entry(difference.change).or_default();
        if named.len() < self.options.shown {
            named.push(difference);
        }
    }

    fn outcome(self, started: Instant) -> Outcome {
        let Self { source, options, measurements, differences, changes, passes, questions, .. } = self;
        let mut totals = Totals::default();
        let mut clean = true;
        let measurements = measurements.into_iter().map(|(name, compared)| {
            let Compared { method, columns, types, buckets } = compared;
            let mut buckets: Vec<BucketOutcome> = buckets.into_values().collect();
            for bucket in &mut buckets {
                totals.expected += bucket.expected;
                totals.found += bucket.found;
                totals.missing += bucket.missing;
                totals.different += bucket.different;
                totals.extra += bucket.extra;
                if options.ignore_extra {
                    bucket.extra = 0;
                }
                totals.buckets += 1;
                totals.differing_buckets += u64::from(bucket.differs());
            }
            clean &= types.is_empty();
            let fields = columns.into_iter().map(|column| column.name).collect();
            (name, MeasurementOutcome { method, fields, types, buckets })
        });
        let measurements: BTreeMap<String, MeasurementOutcome> = measurements.collect();
        let objects = source.into_outcome();
        let differences: Vec<Difference> = differences.into_values().flatten().collect();
        Outcome {
            clean: clean && totals.differing_buckets == 0 && objects.iter().all(|object| object.failure.is_none()),
            objects,
            bucket_seconds: options.bucket_seconds,
            totals,
            measurements,
            not_shown: changes - differences.len() as u64,
            differences,
            passes,
            questions,
            seconds: started.elapsed().as_secs_f64(),
        }
    }
}

/// The start of the bucket of a time.
fn floor(time: i64, width: i64) -> i64 {
    time.saturating_sub(time.rem_euclid(width))
}

/// What is done before the end that was given, where one was.
async fn within<T>(end: Option<Instant>, work: impl Future<Output = T>) -> Result<T, VerifyError> {
    match end {
        Some(end) => timeout_at(end.into(), work).await.map_err(|_| VerifyError::NoTime),
        None => Ok(work.await),
    }
}

/// Whether less may be asked for instead.
fn is_too_much(error: &ReadError) -> bool {
    matches!(error, ReadError::TooLarge { .. } | ReadError::TooLate { .. })
}

/// A value of a line, as it is written.
fn value(kind: Kind, written: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(written).ok()?;
    match kind {
        Kind::Float => text.parse().ok().map(Value::Float),
        Kind::Integer => text.strip_suffix('i')?.parse().ok().map(Value::Integer),
        Kind::Unsigned => text.strip_suffix('u')?.parse().ok().map(Value::Unsigned),
        Kind::Boolean => Some(Value::Boolean(text.starts_with(['t', 'T']))),
        Kind::Text => {
            let quoted = text.strip_prefix('"')?.strip_suffix('"')?;
            let mut plain = String::with_capacity(quoted.len());
            let mut characters = quoted.chars().peekable();
            while let Some(character) = characters.next() {
                let escaped =
                    (character == '\\').then(|| characters.next_if(|next| matches!(next, '"' | '\\'))).flatten();
                plain.push(escaped.unwrap_or(character));
            }
            Some(Value::Text(plain))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_begin_at_1970_and_go_both_ways() {
        assert_eq!([-11, -10, -1, 0, 9, 10].map(|time| floor(time, 10)), [-20, -10, -10, 0, 0, 10]);
        assert_eq!(floor(i64::MIN + 2, NANOSECONDS * 86_400), i64::MIN);
    }

    #[test]
    fn values_are_read_as_they_are_written() {
        assert_eq!(value(Kind::Float, b"-0"), Some(Value::Float(-0.0)));
        assert_eq!(value(Kind::Integer, b"-9223372036854775808i"), Some(Value::Integer(i64::MIN)));
        assert_eq!(value(Kind::Unsigned, b"18446744073709551615u"), Some(Value::Unsigned(u64::MAX)));
        assert_eq!(value(Kind::Boolean, b"true"), Some(Value::Boolean(true)));
        assert_eq!(value(Kind::Text, br#""a\\\"b\c\\""#), Some(Value::Text("a\\\"b\\c\\".to_owned())));
        assert_eq!(value(Kind::Text, b"\"line\nbreak\r\""), Some(Value::Text("line\nbreak\r".to_owned())));
    }
}
