//! One object from its key to its points: the one place that names every stage.
//!
//! Four stages overlap, joined by short queues: a thread decodes, a thread runs the converter and encodes, tasks write,
//! and the caller's task counts. A stage that fails drops its end of the queue, and the others stop at their next step;
//! what was written until then is counted. Nothing is read ahead of a slow server but what the queues hold, so memory
//! does not depend on the size of the object.

mod error;
mod convert;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use futures_util::{StreamExt, stream};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

pub use error::{LoadError, sink_failure_kind};

use crate::config::Config;
use crate::converter::{Catalog, Engine, Input, Limits};
use crate::dataset::{self, DatasetError, DatasetName};
use crate::event::ObjectReference;
use crate::points::{Chunk, ChunkLimits};
use crate::registry::{Resolution, Resolver};
use crate::report::{Accounts, ConverterId, Failure, ObjectReport, RejectedRow};
use crate::sink::{Delivery, Sink, SinkError};
use crate::source::{ParquetObject, S3Location};
use crate::{aws, report};
use convert::{Conversion, Step};

/// Where an object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// In S3.
    S3(ObjectReference),
    /// A file of this machine.
    File(PathBuf),
}

impl Location {
    /// A report about it that knows nothing yet.
    fn report(&self) -> ObjectReport {
        match self {
            Self::S3(object) => ObjectReport::of(object),
            Self::File(path) => ObjectReport::of_file(path.display().to_string()),
        }
    }

    /// What datasets and partitions are read from.
    fn key(&self) -> std::borrow::Cow<'_, str> {
        match self {
            Self::S3(object) => (&object.key).into(),
            Self::File(path) => path.to_string_lossy(),
        }
    }
}

/// Is told how a load gets on, from any thread.
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

/// How objects are loaded.
#[derive(Clone, Debug)]
struct Options {
    rows_per_batch: usize,
    chunks: ChunkLimits,
    concurrency: usize,
    strict: bool,
    drop_invalid_records: bool,
}

impl Options {
    fn of(config: &Config) -> Self {
        Self {
            rows_per_batch: config.rows_per_batch,
            chunks: ChunkLimits { points: config.write.batch_points, bytes: config.write.batch_bytes },
            concurrency: config.write.concurrency,
            strict: config.validate_schema,
            drop_invalid_records: config.drop_invalid_records,
        }
    }
}

/// Loads objects; one for the life of a process.
pub struct Loader {
    catalog: Arc<Catalog>,
    resolver: Arc<Resolver>,
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
            memory_bytes: settings.memory_bytes,
            call_time: settings.time,
            prepare_time: settings.time,
            result_bytes: settings.result_bytes,
            log_bytes: settings.log_bytes,
            ..Limits::default()
        };
        let engine = Engine::new(limits).map_err(LoadError::Converter)?;
        let catalog = Arc::new(Catalog::built_in(engine));
        let resolver = Arc::new(Resolver::new(Arc::clone(&catalog), config.registry.as_ref())?);
        Ok(Self { catalog, resolver, options: Options::of(config) })
    }

    /// A loader with the same converters, also with those that either of the two gets later, and with other settings for
    /// all but the limits of converters, and where they come from.
    pub fn with_settings(&self, config: &Config) -> Self {
        let (catalog, resolver) = (Arc::clone(&self.catalog), Arc::clone(&self.resolver));
        Self { catalog, resolver, options: Options::of(config) }
    }

    /// The converters that objects are loaded with.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Loads an object into a sink. `dataset` names its dataset where its key does not matter. Never fails as a whole: the
    /// report says what became of every row, and why the rest was not loaded.
    pub async fn load(
        &self,
        location: &Location,
        dataset: Option<&str>,
        sink: &Sink,
        deadline: Option<Instant>,
        progress: &dyn Progress,
    ) -> ObjectReport {
        let started = Instant::now();
        let mut report = location.report();
        let outcome = self.run(location, dataset, sink, deadline, progress, &mut report).await;
        report.timings.total = started.elapsed();
        if let Err(error) = outcome {
            let details = error.detail();
            if !details.is_empty() {
                tracing::error!(object = report.object, "where the converter failed:\n{}", details.join("\n"));
            }
            report.failure = Some(Failure::new(error.kind(), &error));
        }
        report
    }

    async fn run(
        &self,
        location: &Location,
        dataset: Option<&str>,
        sink: &Sink,
        deadline: Option<Instant>,
        progress: &dyn Progress,
        report: &mut ObjectReport,
    ) -> Result<(), LoadError> {
        let key = location.key();
        let dataset = match dataset.or(report.dataset.as_deref()) {
            Some(name) => name.parse::<DatasetName>()?,
            // Only where the key does not say so is the registry listed.
            None => match dataset::name::<&str>(&key, &[]) {
                Err(DatasetError::Unnamed { .. }) => dataset::name(&key, &self.resolver.known().await)?,
                named => named?,
            },
        };
        report.dataset = Some(dataset.as_str().to_owned());
        let Resolution { converter, fallback } = self.resolver.converter(&dataset).await?;
        report.converter_fallback = fallback;
        let description = converter.description();
        report.converter = Some(ConverterId {
            name: description.name.clone(),
            version: description.version.clone(),
            digest: converter.digest().to_owned(),
        });
        let object = open(location).await?;
        progress.opened(object.rows());
        let input = Input {
            dataset: dataset.as_str().to_owned(),
            columns: object.columns().to_vec(),
            partitions: dataset::partitions(&key),
            strict: self.options.strict,
        };
        let (steps, received) = mpsc::channel(self.options.concurrency);
        let conversion = Conversion {
            object: object.clone(),
            converter,
            input,
            rows_per_batch: self.options.rows_per_batch,
            chunks: self.options.chunks,
            drop_invalid_records: self.options.drop_invalid_records,
            runtime: Handle::current(),
        };
        let converting = tokio::task::spawn_blocking(move || conversion.run(&steps));
        let written = self.write(received, sink, deadline, progress, report).await;
        // The queue's end is dropped by now, so that the thread stops at its next step.
        let converted = converting.await.map_err(LoadError::Stopped)?;
        report.accounts.bytes_read = object.bytes_read();
        // Where writing failed, converting stopped for that reason.
        written?;
        report.timings.convert = converted?;
        balance(&report.accounts, object.rows())
    }

    /// Writes what comes out of the converting thread and counts it.
    async fn write(
        &self,
        steps: mpsc::Receiver<Step>,
        sink: &Sink,
        deadline: Option<Instant>,
        progress: &dyn Progress,
        report: &mut ObjectReport,
    ) -> Result<(), LoadError> {
        let outcomes = stream::unfold(steps, async |mut steps| Some((steps.recv().await?, steps)))
            .map(|step| async move {
                match step {
                    Step::Counted { rows, filtered, rejected } => Outcome::Counted { rows, filtered, rejected },
                    Step::Chunk(chunk) => {
                        let sizes = Sizes::of(&chunk);
                        Outcome::Written(sizes, sink.write(chunk, deadline).await)
                    }
                }
            })
            .buffer_unordered(self.options.concurrency);
        let mut outcomes = std::pin::pin!(outcomes);
        let mut result = Ok(());
        while let Some(outcome) = outcomes.next().await {
            match outcome {
                Outcome::Counted { rows, filtered, rejected } => {
                    progress.advanced(filtered + rejected.len() as u64);
                    report.accounts.rows += rows;
                    report.accounts.filtered += filtered;
                    for row in rejected {
                        report.accounts.reject(&row.code, 1);
                        progress.rejected(&row);
                        tracing::debug!(object = report.object, row = row.row, code = row.code, "{}", row.message);
                        report.name_rejection(row);
                    }
                }
                Outcome::Written(sizes, Ok(delivery)) => {
                    progress.advanced(sizes.rows);
                    count(&mut report.accounts, &sizes, &delivery);
                }
                Outcome::Written(_, Err(error)) => {
                    report.accounts.failed_batches += 1;
                    result = Err(LoadError::Sink(error));
                    break;
                }
            }
        }
        result
    }
}

/// What became of a step.
enum Outcome {
    Counted { rows: u64, filtered: u64, rejected: Vec<report::RejectedRow> },
    Written(Sizes, Result<Delivery, SinkError>),
}

/// What a chunk held.
struct Sizes {
    rows: u64,
    bytes: u64,
}

impl Sizes {
    fn of(chunk: &Chunk) -> Self {
        Self { rows: chunk.rows(), bytes: chunk.body().len() as u64 }
    }
}

fn count(accounts: &mut Accounts, sizes: &Sizes, delivery: &Delivery) {
    accounts.written += sizes.rows;
    accounts.points += delivery.points;
    accounts.batches += 1;
    accounts.retries += u64::from(delivery.attempts.saturating_sub(1));
    accounts.line_protocol_bytes += sizes.bytes;
    accounts.bytes_written += delivery.bytes_written;
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

async fn open(location: &Location) -> Result<ParquetObject, LoadError> {
    Ok(match location {
        Location::S3(object) => {
            let location = S3Location {
                bucket: object.bucket.clone(),
                key: object.key.clone(),
                version: object.version_id.clone(),
                etag: None,
            };
            ParquetObject::open_s3(aws::s3().await, location).await?
        }
        Location::File(path) => {
            let path = path.clone();
            blocking(move || ParquetObject::open_file(&path)).await??
        }
    })
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, LoadError> {
    tokio::task::spawn_blocking(work).await.map_err(LoadError::Stopped)
}
