//! One object from its key to its points: the one place that names every stage.
//!
//! Four stages overlap, joined by short queues: a thread decodes, threads run the converter, encode and compress, tasks
//! write, and the caller's task counts. A stage that fails drops its end of the queue, and the others stop at their next step;
//! what was written until then is counted. Nothing is read ahead of a slow server but what the queues hold, so memory
//! does not depend on the size of the object.

mod ahead;
mod convert;
mod deadline;
mod error;
mod gate;
mod lanes;
mod loaded;
mod nothing_written;
mod order;
mod passes;
mod record;
mod reject;
mod row_groups;
mod shadow;
mod split_rows;
mod trial;
mod waiting;
mod write;

use std::num::NonZero;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future;
use tokio::sync::mpsc;
use tracing::{Instrument, Span};

pub use deadline::{Deadline, LimitBelowMargin};
pub use error::{LoadError, sink_failure_kind};

use crate::aws;
use crate::config::{Config, RejectsUri, WriteSettings};
use crate::control::Pause;
use crate::converter::{Catalog, CompileCache, Converter, Engine, Input, Limits, Warnings};
use crate::dataset::{self, DatasetError, DatasetName};
use crate::event::ObjectReference;
use crate::logs::on_a_thread;
use crate::registry::{Resolution, Resolver};
use crate::rejects::Draft;
use crate::report::{Accounts, ConverterId, Failure, ObjectReport, RejectedRow, Remaining, Timings};
use crate::sink::{Sink, SinkError};
use crate::source::{Memory, ParquetObject, S3Location, Selection};
use convert::Conversion;
use gate::Gate;
use nothing_written::NothingWritten;
use record::{Record, Recording};
use reject::{Keep, Rejects};
use row_groups::RowGroups;
use split_rows::SplitRows;
use trial::Part;
use write::Writing;

/// Where an object is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "there is one for an object, and most objects are in S3")]
pub enum Location {
    /// In S3.
    S3(ObjectReference),
    /// A file of this machine.
    File(PathBuf),
}

impl Location {
    /// A report about it that knows nothing yet.
    pub(crate) fn report(&self) -> ObjectReport {
        match self {
            Self::S3(object) => ObjectReport::of(object),
            Self::File(path) => ObjectReport::of_file(path.display().to_string()),
        }
    }

    /// Opens it.
    pub(crate) async fn open(&self, memory: Memory) -> Result<ParquetObject, LoadError> {
        Ok(match self {
            Self::S3(object) => {
                let location = S3Location {
                    bucket: object.bucket.clone(),
                    key: object.key.clone(),
                    version: object.version_id.clone(),
                    etag: object.if_match.clone(),
                };
                ParquetObject::open_s3(aws::s3().await, location, memory).await?
            }
            Self::File(path) => {
                let path = path.clone();
                blocking(move || ParquetObject::open_file(&path, memory)).await??
            }
        })
    }

    /// What datasets and partitions are read from.
    fn key(&self) -> std::borrow::Cow<'_, str> {
        match self {
            Self::S3(object) => (&object.key).into(),
            Self::File(path) => path.to_string_lossy(),
        }
    }
}

/// What to load.
#[derive(Clone, Debug)]
pub struct LoadRequest<'a> {
    /// Where the object is.
    pub location: &'a Location,
    /// Its dataset, where its key does not matter.
    pub dataset: Option<&'a str>,
    /// Which of its rows.
    pub selection: Selection,
}

impl<'a> LoadRequest<'a> {
    /// A whole object, or the row groups of it that the event asks for, as the dataset that it names.
    pub fn new(location: &'a Location) -> Self {
        let selection = match location {
            Location::S3(ObjectReference { row_groups: Some(row_groups), .. }) => {
                Selection::RowGroups(row_groups.clone())
            }
            Location::S3(_) | Location::File(_) => Selection::All,
        };
        Self { location, dataset: None, selection }
    }

    /// The same as another dataset, if one is given.
    #[must_use]
    pub fn as_dataset(self, dataset: Option<&'a str>) -> Self {
        Self { dataset, ..self }
    }
}

/// Receives the progress of a load, from any thread.
pub trait Progress: Send + Sync {
    /// The object has so many rows.
    fn opened(&self, rows: u64);
    /// So many rows more are done: written, rejected or filtered.
    fn advanced(&self, rows: u64);
    /// A row is rejected. Rows come in any order, and all of them, however many the report names.
    fn rejected(&self, _row: &RejectedRow) {}
}

/// Nobody watches.
impl Progress for () {
    fn opened(&self, _rows: u64) {}
    fn advanced(&self, _rows: u64) {}
}

/// Steps whose parcels wait to be written, beside the one whose parcels are.
const STEPS_AHEAD: usize = 2;
/// Steps whose parcels are written and wait to be counted: they are small, and threads continue while another is woken.
const STEPS_BEHIND: usize = 32;

/// How objects are loaded.
#[derive(Clone, Debug)]
struct Options {
    memory: Memory,
    rows_per_batch: usize,
    write: WriteSettings,
    threads: usize,
    strict: bool,
    strict_guess: bool,
    drop_invalid_records: bool,
    rejects: Option<RejectsUri>,
    ledger: Option<RejectsUri>,
    /// How much longer an object may take for its shadow, in percent.
    shadow_percent: u32,
}

impl Options {
    fn of(config: &Config) -> Self {
        Self {
            memory: Memory::mebibytes(config.memory.object_mib),
            rows_per_batch: config.rows_per_batch,
            write: config.write.clone(),
            threads: config.threads.unwrap_or_else(processors),
            strict: config.validate_schema,
            strict_guess: config.strict_guess,
            drop_invalid_records: config.drop_invalid_records,
            rejects: config.rejects.clone(),
            ledger: config.ledger.clone(),
            shadow_percent: config.converter.shadow_percent,
        }
    }
}

/// How many processors this process may use.
fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// Loads objects; one for the life of a process.
pub struct Loader {
    catalog: Arc<Catalog>,
    resolver: Arc<Resolver>,
    /// What pauses loads; none without a bucket of converters.
    pause: Option<Arc<Pause>>,
    options: Options,
}

impl Loader {
    /// A loader with the converters that are built in, and those of the registry if the settings name one.
    ///
    /// # Errors
    ///
    /// When the engine that runs converters does not start on this machine.
    pub fn new(config: &Config) -> Result<Self, LoadError> {
        let settings = &config.converter;
        let limits = Limits {
            memory_bytes: config.memory.instance_bytes,
            process_bytes: config.memory.instances_bytes,
            compile_bytes: config.memory.compile_bytes,
            code_bytes: config.memory.code_bytes,
            call_time: settings.time,
            prepare_time: settings.time,
            result_bytes: settings.result_bytes,
            log_bytes: settings.log_bytes,
            ..Limits::default()
        };
        let engine = Engine::new(limits).map_err(LoadError::Converter)?;
        let cache = CompileCache::open(&settings.cache_directory).inspect_err(|error| {
            let directory = settings.cache_directory.display();
            tracing::warn!(%directory, "compiled converters are not cached: {error}");
        });
        let catalog = Arc::new(Catalog::built_in(engine, cache.ok().map(Arc::new)));
        let resolver = Arc::new(Resolver::new(Arc::clone(&catalog), config.registry.as_ref())?);
        let pause = config.registry.as_ref().map(Pause::new).map(Arc::new);
        Ok(Self { catalog, resolver, pause, options: Options::of(config) })
    }

    /// A loader with the same converters, also with those that either of the two gets later, and with other settings for
    /// all but the limits of converters, and where they come from.
    pub fn with_settings(&self, config: &Config) -> Self {
        let (catalog, resolver) = (Arc::clone(&self.catalog), Arc::clone(&self.resolver));
        Self { catalog, resolver, pause: self.pause.clone(), options: Options::of(config) }
    }

    /// The converters that objects are loaded with.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Loads an object, or the rows of it that are wanted, into a sink. Never fails as a whole: the report shows what became
    /// of every row, and why the rest was not loaded.
    pub async fn load(
        &self,
        request: &LoadRequest<'_>,
        sink: &Sink,
        deadline: Option<Deadline>,
        progress: &dyn Progress,
    ) -> ObjectReport {
        let keep = self.options.rejects.as_ref().map_or(Keep::Nowhere, Keep::Below);
        self.carry_out(request, keep, sink, deadline, progress).await.0
    }

    /// Loads rows of an object again that were rejected, and writes those that are rejected once more into the draft.
    /// Returns the draft when all others were written.
    pub async fn retry(
        &self,
        request: &LoadRequest<'_>,
        draft: Option<Draft>,
        sink: &Sink,
        progress: &dyn Progress,
    ) -> (ObjectReport, Option<Draft>) {
        self.carry_out(request, draft.map_or(Keep::Nowhere, Keep::Draft), sink, None, progress).await
    }

    async fn carry_out(
        &self,
        request: &LoadRequest<'_>,
        keep: Keep<'_>,
        sink: &Sink,
        deadline: Option<Deadline>,
        progress: &dyn Progress,
    ) -> (ObjectReport, Option<Draft>) {
        let started = Instant::now();
        let (mut report, mut part) = (request.location.report(), None);
        let outcome = self.run(request, keep, sink, deadline, progress, &mut report, &mut part).await;
        let (draft, error) = match outcome {
            // Its rejected rows are kept, as those of any object that is done.
            Ok((draft, record)) => match NothingWritten::by(sink, &report, deadline).await {
                Some(error) => (draft, Some(LoadError::from(error))),
                // The last of all, so that what is recorded is done.
                None => (draft, recorded(record, &report, deadline).await.err()),
            },
            Err(error) => (None, Some(error)),
        };
        report.timings.total = started.elapsed();
        if let Some(error) = error {
            let details = error.detail();
            if !details.is_empty() {
                tracing::error!(object = report.object, "where the converter failed:\n{}", details.join("\n"));
            }
            report.failure = Some(Failure::new(error.kind(), &error));
        }
        if let Some(part) = part {
            part.end(&self.resolver, &self.options, deadline, &mut report).await;
        }
        (report, draft)
    }

    #[expect(clippy::too_many_arguments, reason = "what is asked for, and what becomes of it")]
    async fn run(
        &self,
        request: &LoadRequest<'_>,
        keep: Keep<'_>,
        sink: &Sink,
        deadline: Option<Deadline>,
        progress: &dyn Progress,
        report: &mut ObjectReport,
        part: &mut Option<Part>,
    ) -> Result<(Option<Draft>, Option<(Record, u64)>), LoadError> {
        if deadline.is_some_and(|deadline| deadline.is_over()) {
            return Err(LoadError::NoTime);
        }
        let LoadRequest { location, selection, .. } = request;
        let dataset = Deadline::within(deadline, self.dataset(request)).await.ok_or(LoadError::NoTime)??;
        report.dataset = Some(dataset.as_str().to_owned());
        // For all that is logged from here on, by the converter too.
        let span = Span::current();
        span.record("dataset", dataset.as_str());
        let resolved = Deadline::within(deadline, self.converter(&dataset, location)).await;
        let (Resolution { converter, fallback, trial, .. }, from_the_start) = resolved.ok_or(LoadError::NoTime)??;
        // Files are not written for anybody to look at, and rows that are loaded again were counted.
        let counts = matches!(sink, Sink::InfluxDb(_)) && !matches!(selection, Selection::Rows(_));
        *part = trial.filter(|_| counts).and_then(|trial| Part::of(trial, &converter, location));
        let selection = if from_the_start { &Selection::All } else { selection };
        report.converter_fallback = fallback;
        let description = converter.description();
        let id = ConverterId {
            name: description.name.clone(),
            version: description.version.clone(),
            digest: converter.digest().to_owned(),
            parameters: converter.parameters_digest().map(str::to_owned),
        };
        span.record("converter", &id.name).record("converter_version", &id.version);
        span.record("converter_digest", &id.digest);
        report.converter = Some(id.clone());
        // A file is written whether or not InfluxDB is to be spared.
        let pause = self.pause.as_deref().filter(|_| matches!(sink, Sink::InfluxDb(_)));
        let paused = async { if let Some(pause) = pause { pause.is_set().await } else { false } };
        let opened = future::join(location.open(self.options.memory), paused);
        let (object, paused) = Deadline::within(deadline, opened).await.ok_or(LoadError::NoTime)?;
        let (opened, warnings) = (object?, Warnings::default());
        if let Some(part) = part {
            part.opened(&opened, &warnings);
        }
        let object = opened.in_types_of(converter.contract().edition());
        report.state = object.state();
        if let Some(version) = report.state.as_ref().and_then(|state| state.version.clone()) {
            report.version_id = Some(version);
        }
        let rows = object.selected_rows(selection)?;
        progress.opened(rows);
        let flow = sink.flow(&self.options.write, deadline.map(|deadline| deadline.end)).await?;
        let mut row_groups = RowGroups::new(&object, selection);
        let digest = converter.identity();
        let rejects = keep.start(location, &object, dataset.as_str(), id)?;
        let (ledger, end) = (self.options.ledger.as_ref(), deadline.map(|deadline| deadline.end));
        let mut recording = Recording::start(ledger, location, &object, selection, &converter, sink, end).await?;
        let conversion = Conversion {
            input: Input::new(dataset.as_str(), &object, self.options.strict),
            object: object.clone(),
            selection: selection.clone(),
            deadline,
            converter,
            memory: self.options.memory,
            warnings,
            rows_per_batch: self.options.rows_per_batch,
            lanes: lanes::limits(sink, &flow, rows, self.options.memory, deadline.is_some()),
            dialect: flow.dialect,
            is_text: flow.is_text,
            kept: flow.kept,
            shards: flow.shards,
            drop_invalid_records: self.options.drop_invalid_records,
            compresses: sink.compresses(),
            lines: sink.lines().cloned(),
            requests: flow.requests,
            threads: self.options.threads,
            measurements: recording.as_ref().map(Recording::measurements),
        };
        let writing = Writing {
            sink,
            gate: Gate::new(sink.rate(), pause, paused),
            concurrency: flow.requests,
            waiting_bytes: self.options.memory.waiting_chunks(),
            last_start: deadline.map(|deadline| deadline.last_start()),
            end: deadline.map(|deadline| deadline.end),
            drop_invalid_records: self.options.drop_invalid_records,
            split_rows: SplitRows::default(),
            progress,
            report,
            row_groups: &mut row_groups,
            keeper: rejects.as_ref().map(Rejects::keeper),
            recording: recording.as_mut(),
        };
        let outcome = transfer(conversion, writing).await.map(|(stopped, timings)| {
            report.timings += timings;
            stopped
        });
        let outcome = match outcome {
            // Of what was under way, nothing is known: its rows are in row groups that remain.
            Err(LoadError::Sink(error)) if is_cut_off(&error, &row_groups) => {
                tracing::warn!(object = report.object, "{}", Failure::new(sink_failure_kind(&error), &error));
                report.accounts.rows = report.accounts.accounted();
                Ok(true)
            }
            other => other,
        };
        if !matches!(selection, Selection::Rows(_)) {
            report.row_groups = Some(row_groups.done());
        }
        let loaded = outcome.and_then(|stopped| {
            let remaining = row_groups.remaining();
            match stopped {
                true if report.row_groups.as_ref().is_none_or(Range::is_empty) && !remaining.is_empty() => {
                    Err(LoadError::NoTime)
                }
                true if !remaining.is_empty() => {
                    report.remaining = match location {
                        Location::S3(reference) => Some(Remaining::of(reference, object.etag(), &digest, remaining)),
                        // Whoever loads files has no deadline.
                        Location::File(_) => None,
                    };
                    balance(&report.accounts, report.accounts.rows)
                }
                true | false => balance(&report.accounts, rows),
            }
        });
        let kept = match rejects {
            Some(rejects) => {
                let end = deadline.map(|deadline| deadline.rejects_end());
                rejects.finish_before(end, loaded.is_ok(), &row_groups, report).await
            }
            None => Ok(None),
        };
        report.accounts.bytes_read = object.bytes_read();
        match (loaded, kept) {
            (Ok(()), Ok(draft)) => {
                let record = recording.and_then(|recording| recording.end(&row_groups));
                Ok((draft, record.map(|record| (record, row_groups.done_of_selected()))))
            }
            (Ok(()), Err(error)) => Err(error.into()),
            (Err(error), Ok(_)) => Err(error),
            (Err(other), Err(error)) => {
                // Loading stopped because of it, or failed as well; one of them is reported.
                tracing::error!(object = report.object, "{}", Failure::new(other.kind(), &other));
                Err(error.into())
            }
        }
    }

    /// The dataset of an object: as the request names it, or its event, or its key.
    pub(crate) async fn dataset(&self, request: &LoadRequest<'_>) -> Result<DatasetName, LoadError> {
        let named = match request.location {
            Location::S3(object) => object.dataset.as_deref(),
            Location::File(_) => None,
        };
        let key = request.location.key();
        match request.dataset.or(named) {
            Some(name) => Ok(name.parse::<DatasetName>()?),
            // The registry is listed only if the key does not name the dataset.
            None => match dataset::name::<&str>(&key, &[]) {
                Err(DatasetError::Unnamed { .. }) => self.guess(&key).await,
                named => Ok(named?),
            },
        }
    }

    /// The dataset that the path of a key names, of those that have a converter.
    async fn guess(&self, key: &str) -> Result<DatasetName, LoadError> {
        let known = self.resolver.known().await;
        let mut in_service = Vec::new();
        for name in dataset::contained(key, &known) {
            if self.resolver.is_in_service(&name).await? {
                in_service.push(name);
            }
        }
        // Without one, the error lists all that are known.
        let Some(guess) = dataset::guess(key, &in_service) else {
            return Err(DatasetError::Unnamed { key: key.to_owned(), known }.into());
        };
        match guess.doubt() {
            Some(doubt) if self.options.strict_guess => {
                Err(DatasetError::Doubtful { key: key.to_owned(), name: guess.name, doubt }.into())
            }
            Some(doubt) => {
                tracing::warn!(dataset = %guess.name, "the dataset is guessed from the key, {doubt}");
                Ok(guess.name)
            }
            None => Ok(guess.name),
        }
    }

    /// The current converter of a dataset: the promoted version, or the one that the resolver uses in its place.
    pub(crate) async fn converter_in_service(&self, dataset: &DatasetName) -> Result<Converter, LoadError> {
        Ok(self.resolver.converter(dataset).await?.converter)
    }

    /// The converter that an object is begun with: of a canary, on its side.
    async fn resolution(&self, dataset: &DatasetName, location: &Location) -> Result<Resolution, LoadError> {
        let mut resolution = self.resolver.converter(dataset).await?;
        if let Some(trial) = &resolution.trial {
            resolution.converter = match location {
                Location::S3(object) => trial.converter(&object.key).clone(),
                // A file of this machine is in no share of the objects.
                Location::File(_) => trial.in_service().clone(),
            };
        }
        Ok(resolution)
    }

    /// The converter of an object, and whether the object starts over with it: where it was begun with another one, which is
    /// gone.
    async fn converter(&self, dataset: &DatasetName, location: &Location) -> Result<(Resolution, bool), LoadError> {
        let resolution = self.resolution(dataset, location).await?;
        let begun_with = match location {
            Location::S3(object) => object.converter_digest.as_deref(),
            Location::File(_) => None,
        };
        let Some(digest) = begun_with.filter(|digest| *digest != resolution.converter.identity()) else {
            return Ok((resolution, false));
        };
        if let Some(converter) = self.resolver.of_digest(dataset, digest).await? {
            return Ok((Resolution { converter, fallback: false, ..resolution }, false));
        }
        tracing::warn!(digest, "the converter that the object was begun with is gone: the object starts over");
        Ok((resolution, true))
    }
}

/// Writes what is recorded of a load, with the number of rows that it is about.
async fn recorded(
    record: Option<(Record, u64)>,
    report: &ObjectReport,
    deadline: Option<Deadline>,
) -> Result<(), LoadError> {
    let Some((record, rows)) = record else { return Ok(()) };
    Ok(record.write(report, rows, deadline.map(|deadline| deadline.rejects_end())).await?)
}

/// Converts and writes. Returns whether it stopped ahead of the deadline, and the timings of converting where that was completed.
async fn transfer(conversion: Conversion, writing: Writing<'_>) -> Result<(bool, Timings), LoadError> {
    let steps = if conversion.lines.is_some() { STEPS_BEHIND } else { STEPS_AHEAD };
    let (steps, received) = mpsc::channel(steps);
    // On a task of its own: it continues, to its next step, when the writing has failed.
    let converting = tokio::spawn(conversion.run(steps).in_current_span());
    let written = writing.run(received).await;
    // The queue's end is dropped by now, so that the threads stop at their next step.
    let converted = converting.await.map_err(LoadError::Stopped)?;
    // Where writing failed or stopped, converting stopped for that reason.
    if written? {
        return Ok((true, Timings::default()));
    }
    let converted = converted?;
    Ok((converted.stopped, converted.timings))
}

/// Whether the deadline came while requests were under way, and row groups before them are done: the object is resumed there.
fn is_cut_off(error: &SinkError, row_groups: &RowGroups) -> bool {
    matches!(error, SinkError::DeadlineReached { .. }) && !row_groups.done().is_empty()
}

/// Holds the accounts against the object: every row is accounted for, once.
fn balance(accounts: &Accounts, rows: u64) -> Result<(), LoadError> {
    if accounts.balances() && accounts.rows == rows {
        return Ok(());
    }
    Err(LoadError::Unbalanced {
        expected: rows,
        read: accounts.rows,
        written: accounts.written,
        rejected: accounts.rejected_total(),
        filtered: accounts.filtered,
    })
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, LoadError> {
    on_a_thread(work).await.map_err(LoadError::Stopped)
}
