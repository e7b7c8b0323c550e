//! `rejects retry`.

use std::io::Write;

use crate::cli::component::Component;
use crate::cli::load;
use crate::cli::output::Output;
use crate::cli::progress::Bar;
use crate::cli::{CliError, ConversionArguments, complain};
use crate::config::Config;
use crate::event::ObjectReference;
use crate::pipeline::{LoadError, LoadRequest, Loader, Location};
use crate::rejects::{self, Draft, Group, Place, RejectsError, Snapshot, Source};
use crate::report::{Failure, FailureKind, ObjectReport, Report};
use crate::source::Memory;

/// How many rows a message names.
const NAMED_ROWS: usize = 5;

/// The arguments of `rejects retry`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Objects with rejected rows (*.jsonl), or what is above them: s3://bucket/prefix/, or a directory.
    #[arg(required = true, value_name = "S3-URL|PATH")]
    inputs: Vec<String>,
    /// The dataset, instead of the one that the rows were loaded as.
    #[arg(long, value_name = "NAME")]
    dataset: Option<String>,
    /// A component to convert the rows of its dataset with, instead of the promoted one.
    #[arg(long, value_name = "FILE.wasm|DATASET@VERSION|DATASET@CHANNEL")]
    converter: Option<Component>,
    /// Where the points go: `influxdb`, a file of line protocol, or `-` for standard output. Only what goes to InfluxDB is
    /// taken out of the rejected rows.
    #[arg(long, default_value = "influxdb", value_name = "influxdb|PATH|-")]
    to: String,
    /// Print the summary as JSON.
    #[arg(long)]
    json: bool,
}

/// Why rows were not loaded again.
#[derive(Debug, thiserror::Error)]
#[error(
    "{count} of its rejected rows are gone, or hold something else than when they were rejected, and stay in `{place}`: \
     rows {rows}\nhint: load the file as a whole if it was replaced"
)]
struct Changed {
    count: u64,
    rows: String,
    place: Place,
}

/// What became of the rejected rows of one object.
struct Retried {
    report: ObjectReport,
    /// Whether all of its rows have been written, or rejected a second time, except those that have changed.
    loaded: bool,
    /// Whether some of its rows are among the rejected ones still.
    rest: bool,
}

/// What the rejected rows of all objects have in common.
struct Retries<'a> {
    loader: Loader,
    dataset: Option<&'a str>,
    output: Output,
    bar: Bar,
}

/// Loads rejected rows again. Returns whether all of them were loaded or rejected once more.
pub(super) async fn retry(config: &Config, arguments: &Arguments) -> Result<bool, CliError> {
    let Arguments { inputs, dataset, converter, to, json } = arguments;
    let loader = Loader::new(config)?;
    // It is the converter of its dataset. Rows of other datasets, which may be there as well, have theirs.
    let conversion = ConversionArguments { dataset: dataset.clone(), converter: converter.clone() };
    load::dataset(config, &loader, &conversion).await?;
    let mut places = Vec::new();
    for input in inputs {
        places.extend(rejects::find(input).await?);
    }
    let output = Output::open(config, to, None, *json).await?;
    let retries = Retries { loader, dataset: dataset.as_deref(), output, bar: Bar::new(places.len()) };
    let mut report = Report::default();
    for place in places {
        for object in retries.place(place).await {
            if let Some(failure) = &object.failure {
                if retries.output.is_closed().await {
                    return Ok(true);
                }
                retries.bar.suspend(|| complain(failure, Some(&object.object)));
            }
            report.objects.push(object);
        }
        retries.bar.finished_object();
    }
    retries.bar.clear();
    if !retries.output.is_influxdb() && !report.objects.is_empty() {
        let text = "the rejected rows stay where they are, because their points did not go to InfluxDB\n";
        drop(std::io::stderr().write_all(text.as_bytes()));
    }
    retries.output.finish(&report).await
}

impl Retries<'_> {
    /// Loads the rejected rows of one place, and reports on each object that they come from.
    async fn place(&self, place: Place) -> Vec<ObjectReport> {
        let (name, mut retried) = (place.to_string(), Vec::new());
        let published = self.groups(place, &mut retried).await;
        let stays = published != Ok(true);
        let mut reports: Vec<ObjectReport> = retried
            .into_iter()
            .map(|Retried { report, rest, .. }| ObjectReport {
                rejects: Some(name.clone()).filter(|_| rest || stays),
                ..report
            })
            .collect();
        if let Err(failure) = published {
            // What is wrong is wrong with the rejected rows, not with an object that they come from.
            reports.push(ObjectReport { failure: Some(failure), ..ObjectReport::of_file(name) });
        }
        reports
    }

    /// Loads the rejected rows of one place. Returns whether those that remain replaced what was kept.
    async fn groups(&self, place: Place, retried: &mut Vec<Retried>) -> Result<bool, Failure> {
        let (mut snapshot, groups) = match place.fetch().await {
            Ok(snapshot) => snapshot.groups().await.map_err(failure)?,
            Err(error) => return Err(failure(error)),
        };
        let state = snapshot.state.clone();
        let mut draft = self.output.is_influxdb().then(|| Draft::new(snapshot.place.clone()));
        for group in groups {
            let location = location(&group.source);
            let done;
            (snapshot, draft, done) = self.group(group, &location, snapshot, draft).await?;
            // Of an object that failed nothing may be taken out: everything stays as it is.
            draft = draft.filter(|_| done.loaded);
            retried.push(done);
        }
        match draft {
            Some(draft) => draft.publish(state).await.map(|()| true).map_err(failure),
            None => Ok(false),
        }
    }

    /// Loads the rejected rows of one object.
    async fn group(
        &self,
        group: Group,
        location: &Location,
        mut snapshot: Snapshot,
        mut draft: Option<Draft>,
    ) -> Result<(Snapshot, Option<Draft>, Retried), Failure> {
        let dataset = group.dataset.clone();
        let dataset = self.dataset.unwrap_or(dataset.as_str());
        let (group, changed) = match part(group, location).await {
            Ok(parts) => parts,
            Err(error) => {
                let report = ObjectReport { failure: Some(Failure::new(error.kind(), &error)), ..location.report() };
                return Ok((snapshot, draft, Retried { report, loaded: false, rest: true }));
            }
        };
        let mut report = location.report();
        if !group.is_empty() {
            let request = LoadRequest { location, dataset: Some(dataset), selection: group.selection() };
            (report, draft) = self.loader.retry(&request, draft, &self.output.sink, &self.bar).await;
        }
        let loaded = !report.has_failed();
        if let (Some(changed), true) = (&changed, loaded) {
            let error = Changed { count: changed.len(), rows: named(changed), place: snapshot.place.clone() };
            report.failure = Some(Failure::new(FailureKind::Conversion, &error));
        }
        let rest = changed.is_some() || report.accounts.rejected_total() > 0;
        if let Some(changed) = changed
            && let Some(kept) = draft.take()
        {
            let (copied, kept) = snapshot.copy(changed, kept).await.map_err(failure)?;
            (snapshot, draft) = (copied, Some(kept));
        }
        Ok((snapshot, draft, Retried { report, loaded, rest }))
    }
}

/// The rows that can be loaded again, and those that are not what they were. S3 is asked for the object as it was, so that
/// all of its rows are.
async fn part(group: Group, location: &Location) -> Result<(Group, Option<Group>), LoadError> {
    if matches!(&group.source, Source::S3 { etag: Some(_), .. }) {
        return Ok((group, None));
    }
    let object = location.open(Memory::default()).await?;
    let (same, changed) = group.part(object).await?;
    Ok((same, Some(changed).filter(|changed| !changed.is_empty())))
}

fn location(source: &Source) -> Location {
    match source.clone() {
        Source::File { file } => Location::File(file.into()),
        Source::S3 { bucket, key, version_id, etag } => {
            Location::S3(ObjectReference { version_id, if_match: etag, ..ObjectReference::new(bucket, key) })
        }
    }
}

fn named(rows: &Group) -> String {
    let mut named: Vec<String> = rows.first(NAMED_ROWS).iter().map(u64::to_string).collect();
    if rows.len() > NAMED_ROWS as u64 {
        named.push("…".to_owned());
    }
    named.join(", ")
}

fn failure(error: RejectsError) -> Failure {
    let error = LoadError::Rejects(error);
    Failure::new(error.kind(), &error)
}
