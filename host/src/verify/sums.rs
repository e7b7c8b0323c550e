//! Sums of the database, bucket by bucket, held against what is expected.

use std::collections::{BTreeMap, BTreeSet};

use super::expected::halves;
use super::pass::Cell;
use super::scan::Table;
use super::tally::Aspect;
use super::{BucketOutcome, NANOSECONDS, Verification, VerifyError, floor};
use crate::sink::InfluxDb;
use crate::sink::reading::{Column, Summary, Window};

/// How many values are summed up for a question, as far as is known.
const VALUES_A_QUESTION: u64 = 4_000_000;

/// How many buckets of a field a question is about, and how many fields.
const BUCKETS_A_QUESTION: usize = 200;
const FIELDS_A_QUESTION: usize = 8;

/// How many first and last points are asked for at a time.
const ENDS_A_QUESTION: usize = 100;

/// The most values of buckets that differ for certain that are compared one by one.
const MOST_LOOKED_INTO: u64 = 5_000_000;

/// What a database has of a field in a bucket, with its first and its last time.
pub(super) type Found = BTreeMap<i64, (Summary, Option<(i64, i64)>)>;

/// Asks for the sums of fields, by field. Returns also how many questions that were.
pub(super) async fn ask(
    database: &InfluxDb,
    measurement: &str,
    columns: &[&Column],
    window: Window,
    verification: &Verification<'_>,
) -> Result<(Vec<Found>, u64), VerifyError> {
    let (end, width) = (verification.end, verification.width);
    let seconds = width / NANOSECONDS;
    let asked: Vec<Column> = columns.iter().map(|column| (*column).clone()).collect();
    let mut found: Vec<Found> = vec![Found::new(); columns.len()];
    let (mut windows, mut questions) = (vec![window], 0);
    while let Some(window) = windows.pop() {
        questions += 1;
        let summaries = match database.summaries(measurement, &asked, window, seconds, end).await {
            Err(error) if super::is_too_much(&error) => {
                // In the middle, where a bucket starts.
                let middle =
                    halves(window).map(|(first, _)| floor(first.to, width)).filter(|middle| *middle > window.from);
                let Some(middle) = middle else { return Err(error.into()) };
                windows.extend([Window { from: middle, ..window }, Window { to: middle, ..window }]);
                continue;
            }
            summaries => summaries?,
        };
        for (field, summaries) in summaries.into_iter().enumerate() {
            for (start, summary) in summaries {
                found[field].insert(floor(start, width), (summary, None));
            }
        }
    }
    for (field, buckets) in found.iter_mut().enumerate() {
        let starts: Vec<i64> = buckets.keys().copied().collect();
        for starts in starts.chunks(ENDS_A_QUESTION) {
            let windows = starts.iter().map(|start| Window { from: *start, to: start.saturating_add(width) });
            let asked: Vec<(&Column, Window)> = windows.map(|window| (columns[field], window)).collect();
            questions += 1;
            for (start, ends) in starts.iter().zip(database.ends(measurement, &asked, end).await?) {
                if let Some((_, place)) = buckets.get_mut(start) {
                    *place = ends;
                }
            }
        }
    }
    Ok((found, questions))
}

impl Verification<'_> {
    /// Compares sums. Returns the buckets that are to be compared point by point.
    pub(super) async fn differing_cells(
        &mut self,
        measurement: &str,
        table: &Table,
        columns: &[Column],
    ) -> Result<Vec<Cell>, VerifyError> {
        let mut differing = Differing::default();
        for columns in columns.chunks(FIELDS_A_QUESTION) {
            let columns: Vec<&Column> = columns.iter().collect();
            for window in self.pages(table) {
                let (found, questions) = ask(&self.server, measurement, &columns, window, self).await?;
                self.questions += questions;
                for (column, found) in columns.iter().zip(&found) {
                    self.hold(measurement, column, table, found, window, &mut differing);
                }
            }
        }
        Ok(self.cells(measurement, differing))
    }

    /// Windows that together are all times from the first bucket to the last one, and begin with buckets.
    fn pages(&self, table: &Table) -> Vec<Window> {
        let (mut pages, mut values, mut buckets) = (Vec::<Window>::new(), 0, 0);
        let cells = self.all_cells(table);
        for Cell { window, values: more } in cells {
            match pages.last_mut() {
                Some(page) if buckets < BUCKETS_A_QUESTION && values + more <= VALUES_A_QUESTION => page.to = window.to,
                _ => {
                    pages.push(window);
                    (values, buckets) = (0, 0);
                }
            }
            (values, buckets) = (values + more, buckets + 1);
        }
        pages
    }

    /// Holds what was found of a field in a window against what is expected.
    fn hold(
        &mut self,
        measurement: &str,
        column: &Column,
        table: &Table,
        found: &Found,
        window: Window,
        differing: &mut Differing,
    ) {
        let Some(compared) = self.measurements.get_mut(measurement) else { return };
        let expected = table.fields.get(&column.name).map(|field| &field.buckets);
        let expected = expected.into_iter().flat_map(|buckets| buckets.range(window.from..window.to));
        let nothing = (Summary::default(), None);
        let mut seen = BTreeSet::new();
        for (start, tally) in expected {
            seen.insert(*start);
            let (summary, ends) = found.get(start).unwrap_or(&nothing);
            let bucket = compared.buckets.entry(*start).or_default();
            (bucket.start, bucket.expected) = (*start, bucket.expected + tally.count);
            bucket.found += summary.count;
            let aspects = tally.compare(summary, *ends);
            if !aspects.is_empty() || tally.unsure {
                let place = differing.buckets.entry(*start).or_default();
                place.unsure |= tally.unsure;
                place.aspects.extend(aspects);
            }
        }
        if self.options.ignore_extra {
            return;
        }
        for (start, (summary, _)) in found.iter().filter(|(start, _)| !seen.contains(*start)) {
            let bucket = compared.buckets.entry(*start).or_default();
            bucket.start = *start;
            bucket.found += summary.count;
            differing.buckets.entry(*start).or_default().aspects.insert(Aspect::Count);
        }
    }

    /// Which of the buckets that differ are compared point by point: all that may be the same, and those that differ for certain as
    /// far as they are not too many.
    fn cells(&mut self, measurement: &str, differing: Differing) -> Vec<Cell> {
        let Some(compared) = self.measurements.get_mut(measurement) else { return Vec::new() };
        let (mut cells, mut looked_into) = (Vec::new(), 0);
        for (start, Differs { aspects, unsure }) in differing.buckets {
            let Some(bucket) = compared.buckets.get_mut(&start) else { continue };
            let values = bucket.expected.max(bucket.found);
            looked_into += values;
            if !unsure && looked_into > MOST_LOOKED_INTO {
                bucket.by = aspects;
                continue;
            }
            // Counted again, as the points are.
            *bucket = BucketOutcome { start, ..BucketOutcome::default() };
            cells.push(Cell { window: Window { from: start, to: start.saturating_add(self.width) }, values });
        }
        cells
    }
}

/// Buckets that differ, or may.
#[derive(Default)]
struct Differing {
    buckets: BTreeMap<i64, Differs>,
}

#[derive(Default)]
struct Differs {
    aspects: BTreeSet<Aspect>,
    unsure: bool,
}
