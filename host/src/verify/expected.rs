//! Where what is expected comes from: objects, which are converted again, or another database.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::outcome::ObjectOutcome;
use super::pass::Pass;
use super::scan::{Field, MOST_TALLIES, Scan, Table, Times};
use super::sums::{Found, ask, ask_ends};
use super::tally::Tally;
use super::{Input, Verification, VerifyError, floor};
use crate::converter::identity;
use crate::pipeline::{LoadRequest, Loader, Location};
use crate::report::{ConverterId, ObjectReport};
use crate::sink::reading::{Column, Window};
use crate::sink::survey::Kind;
use crate::sink::{InfluxDb, Sink, Watch, Watcher};

/// Where what is expected comes from.
pub(super) enum Source<'a> {
    Objects(Box<Objects<'a>>),
    Database(Box<InfluxDb>),
}

/// Objects that are converted again.
pub(super) struct Objects<'a> {
    loader: Loader,
    inputs: &'a [Input],
    server: Arc<InfluxDb>,
    /// What is read again: the objects in the state in which they were first seen.
    locations: Vec<Location>,
    /// What each was converted by, and the state of each file.
    converted: Vec<(Option<ConverterId>, Option<String>)>,
    times: Vec<Times>,
    outcome: Vec<ObjectOutcome>,
}

impl<'a> Source<'a> {
    pub(super) fn objects(loader: Loader, inputs: &'a [Input], server: &Arc<InfluxDb>) -> Self {
        let server = Arc::clone(server);
        let (locations, converted, times, outcome) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self::Objects(Box::new(Objects { loader, inputs, server, locations, converted, times, outcome }))
    }

    pub(super) fn into_outcome(self) -> Vec<ObjectOutcome> {
        match self {
            Self::Objects(objects) => objects.outcome,
            Self::Database(_) => Vec::new(),
        }
    }
}

impl Verification<'_> {
    /// What is expected, by measurement.
    pub(super) async fn expect(&mut self) -> Result<BTreeMap<String, Table>, VerifyError> {
        match &self.source {
            Source::Objects(_) => self.expect_of_objects().await,
            Source::Database(_) => self.expect_of_database().await,
        }
    }

    async fn expect_of_objects(&mut self) -> Result<BTreeMap<String, Table>, VerifyError> {
        self.passes += 1;
        let (options, progress) = (self.options, self.progress);
        let Source::Objects(objects) = &mut self.source else { return Ok(BTreeMap::new()) };
        let scan = Arc::new(Scan::new(self.width));
        let sink = objects.watched_by(Arc::clone(&scan) as Arc<dyn Watcher>);
        for input in objects.inputs {
            scan.begin();
            let state = file_state(&input.location).await;
            let request = LoadRequest::new(&input.location).as_dataset(input.dataset.as_deref());
            let report = objects.loader.load(&request, &sink, options.deadline, progress).await;
            if report.remaining.is_some() || options.deadline.is_some_and(|deadline| deadline.is_over()) {
                return Err(VerifyError::NoTime);
            }
            if scan.is_full() {
                return Err(VerifyError::TooManyBuckets(MOST_TALLIES));
            }
            objects.locations.push(as_it_was(&input.location, &report));
            objects.converted.push((report.converter, state));
            objects.outcome.push(ObjectOutcome {
                rows: report.accounts.rows,
                rejected: report.accounts.rejected_total(),
                filtered: report.accounts.filtered,
                object: report.object,
                failure: report.failure,
            });
        }
        let (tables, times) = scan.take();
        objects.times = times;
        Ok(tables)
    }

    /// Shows a pass what is expected of it.
    pub(super) async fn show(&mut self, pass: &Arc<Pass>) -> Result<(), VerifyError> {
        self.passes += 1;
        if let Source::Objects(objects) = &self.source {
            return objects.show(pass, self).await;
        }
        for (number, target) in pass.targets().iter().enumerate() {
            for cell in &target.cells {
                self.show_of_database(pass, number, cell.window).await?;
                if pass.is_full() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    async fn show_of_database(&mut self, pass: &Pass, number: usize, window: Window) -> Result<(), VerifyError> {
        let target = &pass.targets()[number];
        let mut windows = vec![window];
        while let Some(window) = windows.pop() {
            let Source::Database(database) = &self.source else { return Ok(()) };
            self.questions += 1;
            let mut add = |point: crate::sink::reading::Point<'_>| pass.add(number, &point);
            match database.points(&target.measurement, &target.columns, window, self.end, &mut add).await {
                Err(error) if super::is_too_much(&error) => match halves(window) {
                    Some((first, second)) => windows.extend([second, first]),
                    None => return Err(error.into()),
                },
                read => read?,
            }
        }
        Ok(())
    }

    async fn expect_of_database(&mut self) -> Result<BTreeMap<String, Table>, VerifyError> {
        let Source::Database(database) = &self.source else { return Ok(BTreeMap::new()) };
        let mut names = database.measurements(self.end).await?;
        names.extend(self.server.measurements(self.end).await?);
        names.sort_unstable();
        names.dedup();
        self.questions += 2;
        let mut tables = BTreeMap::new();
        for name in names {
            let table = self.expect_of_measurement(&name).await?;
            tables.insert(name, table);
        }
        Ok(tables)
    }

    async fn expect_of_measurement(&mut self, measurement: &str) -> Result<Table, VerifyError> {
        let Source::Database(database) = &self.source else { return Ok(Table::default()) };
        let mut table = Table::default();
        let all = Window { from: i64::MIN, to: i64::MAX };
        for (side, is_expected) in [(&**database, true), (&*self.server, false)] {
            let names = [measurement.to_owned()];
            let there = super::within(self.end, side.schema(&names)).await??.remove(measurement).unwrap_or_default();
            for (name, kinds) in there.fields {
                let kinds: std::collections::BTreeSet<Kind> =
                    kinds.iter().filter_map(|kind| Kind::named(kind)).collect();
                let Some(kind) = kinds.first().copied() else { continue };
                let column = Column { name: name.clone(), kind, values: Vec::new() };
                let ends = side.ends(measurement, &[(&column, all)], self.end).await?;
                let Some((first, last)) = ends.into_iter().flatten().next() else { continue };
                let (from, to) = table.range.get_or_insert((first, last));
                (*from, *to) = ((*from).min(first), (*to).max(last));
                if is_expected {
                    table.fields.insert(name, Field { kinds, buckets: BTreeMap::new(), values: None });
                }
            }
        }
        let Some((from, to)) = table.range else { return Ok(table) };
        let window = Window { from: floor(from, self.width), to: floor(to, self.width).saturating_add(self.width) };
        let columns = table.fields.iter().map(|(name, field)| Column {
            name: name.clone(),
            kind: field.kinds.first().copied().unwrap_or(Kind::Float),
            values: Vec::new(),
        });
        let (columns, mut found): (Vec<Column>, Vec<Found>) = (columns.collect(), Vec::new());
        let (mut buckets, mut points) = (0, 0);
        for column in &columns {
            let (of_field, questions) = ask(database, measurement, &[column], window, self).await?;
            self.questions += questions;
            for (summary, _) in of_field.iter().flat_map(Found::values) {
                (buckets, points) = (buckets + 1, points + summary.count);
            }
            if buckets >= MOST_TALLIES as u64 {
                return Err(VerifyError::TooManyBuckets(MOST_TALLIES));
            }
            found.extend(of_field);
        }
        let Source::Database(database) = &self.source else { return Ok(table) };
        if self.pays(points, buckets) {
            let columns: Vec<&Column> = columns.iter().collect();
            self.questions += ask_ends(database, measurement, &columns, &mut found, self).await?;
        }
        for (field, found) in table.fields.values_mut().zip(found) {
            let tallies = found.into_iter().map(|(start, (summary, ends))| (start, Tally::of(&summary, ends)));
            field.buckets = tallies.collect();
        }
        Ok(table)
    }
}

impl Objects<'_> {
    fn watched_by(&self, watcher: Arc<dyn Watcher>) -> Sink {
        Watch::new(Arc::clone(&self.server), watcher).into()
    }

    /// Shows a pass those of the objects that have points in its windows.
    async fn show(&self, pass: &Arc<Pass>, verification: &Verification<'_>) -> Result<(), VerifyError> {
        let sink = self.watched_by(Arc::clone(pass) as Arc<dyn Watcher>);
        let windows = || pass.targets().iter().flat_map(|target| &target.cells).map(|cell| cell.window);
        let from = windows().map(|window| window.from).min().unwrap_or(i64::MAX);
        let to = windows().map(|window| window.to).max().unwrap_or(i64::MIN);
        for (number, input) in self.inputs.iter().enumerate() {
            let is_within = self.times[number].is_some_and(|(first, last)| first < to && last >= from);
            if !is_within || self.outcome[number].failure.is_some() {
                continue;
            }
            pass.begin(number);
            let state = file_state(&input.location).await;
            let request = LoadRequest::new(&self.locations[number]).as_dataset(input.dataset.as_deref());
            let deadline = verification.options.deadline;
            let report = self.loader.load(&request, &sink, deadline, verification.progress).await;
            if report.remaining.is_some() || deadline.is_some_and(|deadline| deadline.is_over()) {
                return Err(VerifyError::NoTime);
            }
            if let Some(failure) = report.failure {
                return Err(VerifyError::NotReadAgain { object: report.object, failure });
            }
            if (report.converter, state) != self.converted[number] {
                return Err(VerifyError::Changed { object: report.object });
            }
            if pass.is_full() {
                break;
            }
        }
        Ok(())
    }
}

/// The object in the state in which it was read, for the converter by which it was: another one may be promoted meanwhile.
fn as_it_was(location: &Location, report: &ObjectReport) -> Location {
    match (location, &report.state) {
        (Location::S3(object), Some(state)) => {
            let mut object = object.clone();
            object.if_match = Some(state.etag.clone());
            let converter = report.converter.as_ref();
            object.converter_digest = converter.map(|it| identity(&it.digest, it.parameters.as_deref()));
            Location::S3(object)
        }
        _ => location.clone(),
    }
}

/// What shows whether a file has changed; none for an object of S3, whose entity tag is asked for.
async fn file_state(location: &Location) -> Option<String> {
    match location {
        Location::File(_) => location.state().await.ok().flatten().map(|state| state.etag),
        Location::S3(_) => None,
    }
}

/// A window in two; none where it is a single nanosecond.
pub(super) fn halves(window: Window) -> Option<(Window, Window)> {
    let middle = window.from.midpoint(window.to);
    (middle > window.from && middle < window.to)
        .then_some((Window { from: window.from, to: middle }, Window { from: middle, to: window.to }))
}
