//! Samples → what becomes of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use arrow::array::RecordBatch;
use tempfile::TempDir;

use super::pair::{GoldenError, Outcome, Pair};
use super::properties::{self, Broken};
use super::table::{Settings, Table};
use crate::config::{Compression, Config};
use crate::pipeline::{LoadRequest, Loader, Location, Progress};
use crate::report::{Accounts, ConverterId, Failure, FailureKind, RejectedRow};
use crate::sink::{LineWriter, Sink};
use crate::source;

/// Loads samples.
pub struct Runner {
    loader: Loader,
    config: Config,
    dataset: String,
    directory: TempDir,
}

/// What became of a sample.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// To hold against what is expected.
    pub outcome: Outcome,
    /// What became of its rows.
    pub accounts: Accounts,
    /// The properties that it shows to be broken.
    pub broken: Vec<Broken>,
    /// Whether the object fails for another reason than what it holds: the converter traps, exceeds a limit or breaks its
    /// contract, or the machine is at fault. That is never what is expected.
    pub is_fault: bool,
}

/// How the work on a sample is cut up. It must not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) rows_per_batch: usize,
    pub(super) points_per_request: usize,
    pub(super) concurrency: usize,
}

impl Cut {
    /// As the function does it, but one request after the other, so that lines come in the order of rows.
    pub(super) const IN_ORDER: Self = Self { rows_per_batch: 8192, points_per_request: 1000, concurrency: 1 };
}

/// What one load of a sample gave.
#[derive(Clone, Debug)]
pub(super) struct Loaded {
    pub(super) lines: String,
    /// In the order of rows.
    pub(super) rejected: Vec<RejectedRow>,
    pub(super) failure: Option<Failure>,
    pub(super) accounts: Accounts,
    converter: Option<ConverterId>,
}

/// A sample as a file of Parquet.
pub(super) struct Sample {
    pub(super) settings: Settings,
    /// Where it stands while it is run.
    pub(super) file: PathBuf,
}

/// Collects every rejected row.
#[derive(Default)]
struct Rejected(Mutex<Vec<RejectedRow>>);

impl Progress for Rejected {
    fn opened(&self, _rows: u64) {}

    fn advanced(&self, _rows: u64) {}

    fn rejected(&self, row: &RejectedRow) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(row.clone());
    }
}

impl Runner {
    /// A runner for the converter that `loader` has for `dataset`. Of the settings, only the limits of converters matter,
    /// so that golden pairs mean the same on every machine.
    ///
    /// # Errors
    ///
    /// [`GoldenError::Temporary`] when there is no place for temporary files.
    pub fn new(loader: &Loader, config: &Config, dataset: impl Into<String>) -> Result<Self, GoldenError> {
        let directory = tempfile::tempdir().map_err(GoldenError::Temporary)?;
        Ok(Self { loader: loader.with_settings(config), config: config.clone(), dataset: dataset.into(), directory })
    }

    /// Loads a sample, several times in several ways.
    ///
    /// # Errors
    ///
    /// When the sample cannot be read, or there is no place for temporary files. That the object fails is no error: it is
    /// its outcome.
    pub async fn run(&self, pair: &Pair) -> Result<Verdict, GoldenError> {
        let sample = self.sample(pair)?;
        let loaded = self.load(&sample, Cut::IN_ORDER).await?;
        let broken = properties::check(self, pair, &sample, &loaded).await?;
        let outcome = outcome(&loaded, &sample.file, pair.sample());
        let is_fault = loaded
            .failure
            .as_ref()
            .is_some_and(|failure| !matches!(failure.kind(), FailureKind::Conversion | FailureKind::TooLarge));
        Ok(Verdict { outcome, accounts: loaded.accounts, broken, is_fault })
    }

    /// Makes the Parquet file of a sample, under a key that has the sample's partitions.
    fn sample(&self, pair: &Pair) -> Result<Sample, GoldenError> {
        let path = pair.sample();
        let bytes = fs::read(path).map_err(|cause| GoldenError::Read { path: path.to_owned(), cause })?;
        let (mut settings, bytes) = if pair.is_table() {
            let not_text = |cause| std::io::Error::new(std::io::ErrorKind::InvalidData, cause);
            let text = String::from_utf8(bytes)
                .map_err(|cause| GoldenError::Read { path: path.to_owned(), cause: not_text(cause) })?;
            let table = Table::parse(&text).map_err(|cause| GoldenError::Table { path: path.to_owned(), cause })?;
            (table.settings, encode(path, &table.rows)?)
        } else {
            (Settings::default(), bytes)
        };
        settings.partitions.splice(0..0, pair.partitions().iter().cloned());
        self.write(settings, &bytes)
    }

    /// A sample of some rows, which come from `pair`.
    pub(super) fn sample_of(&self, pair: &Pair, settings: Settings, rows: &RecordBatch) -> Result<Sample, GoldenError> {
        self.write(settings, &encode(pair.sample(), rows)?)
    }

    fn write(&self, settings: Settings, bytes: &[u8]) -> Result<Sample, GoldenError> {
        let mut directory = self.temporary()?;
        directory.extend(&settings.partitions);
        fs::create_dir_all(&directory).map_err(GoldenError::Temporary)?;
        let file = directory.join("sample.parquet");
        fs::write(&file, bytes).map_err(GoldenError::Temporary)?;
        Ok(Sample { settings, file })
    }

    /// A directory of its own, which goes away with the runner.
    fn temporary(&self) -> Result<PathBuf, GoldenError> {
        tempfile::tempdir_in(&self.directory).map(TempDir::keep).map_err(GoldenError::Temporary)
    }

    /// Loads a sample once.
    pub(super) async fn load(&self, sample: &Sample, cut: Cut) -> Result<Loaded, GoldenError> {
        let mut config = self.config.clone();
        config.validate_schema = sample.settings.strict;
        config.drop_invalid_records = sample.settings.drop_invalid_records;
        config.rows_per_batch = cut.rows_per_batch;
        config.write.batch_points = Some(cut.points_per_request);
        config.write.concurrency = Some(cut.concurrency);
        config.threads = Some(cut.concurrency);
        // What is rejected here is rejected as a test.
        config.rejects = None;
        let loader = self.loader.with_settings(&config);
        let output = self.temporary()?.join("points.lp");
        let sink = Sink::from(LineWriter::file(&output, Compression::None)?);
        let rejected = Rejected::default();
        let location = Location::File(sample.file.clone());
        let report =
            loader.load(&LoadRequest::new(&location).as_dataset(Some(&self.dataset)), &sink, None, &rejected).await;
        let lines = if report.failure.is_some() {
            sink.abandon().await;
            String::new()
        } else {
            sink.finish().await?;
            fs::read_to_string(&output).map_err(|cause| GoldenError::Read { path: output, cause })?
        };
        let mut rejected = rejected.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        rejected.sort_by_key(|row| row.row);
        Ok(Loaded { lines, rejected, failure: report.failure, accounts: report.accounts, converter: report.converter })
    }
}

fn encode(path: &Path, rows: &RecordBatch) -> Result<Vec<u8>, GoldenError> {
    source::encode_sample(rows).map_err(|cause| GoldenError::Parquet { path: path.to_owned(), cause })
}

/// What one load gave, as the text of files.
fn outcome(loaded: &Loaded, file: &Path, sample: &Path) -> Outcome {
    let failure = loaded.failure.as_ref().map(|failure| {
        let mut text = failure.to_string().replace(&*file.to_string_lossy(), &name(sample));
        if let Some(ConverterId { name, version, .. }) = &loaded.converter {
            // So that a new version need not touch what it does not change.
            text = text.replace(&format!("`{name}` {version}"), &format!("`{name}`"));
        }
        format!("{}: {text}\n", failure.error_type())
    });
    let mut rejects = String::new();
    for RejectedRow { row, code, message, .. } in &loaded.rejected {
        rejects.push_str(&format!("{row} {code}: {}\n", message.replace('\n', "\\n")));
    }
    Outcome {
        lines: failure.is_none().then(|| loaded.lines.clone()),
        rejects: (failure.is_none() && !rejects.is_empty()).then_some(rejects),
        superseded: (failure.is_none() && loaded.accounts.superseded > 0)
            .then(|| superseded(loaded.accounts.superseded)),
        failure,
    }
}

fn superseded(rows: u64) -> String {
    format!(
        "{rows} {} an earlier row of the same series and time: InfluxDB keeps the last value of each field\n",
        if rows == 1 { "row supersedes" } else { "rows supersede" }
    )
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
