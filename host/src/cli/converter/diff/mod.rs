//! `converter diff`: what two versions of a converter make differently from the same files.

mod show;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::cli::component::Component;
use crate::cli::{CliError, inputs, print};
use crate::compare::{Both, Comparison, lines};
use crate::config::{Compression, Config};
use crate::converter::Converter;
use crate::pipeline::{LoadRequest, Loader, Location, Progress};
use crate::report::{Failure, RejectedRow};
use crate::sink::{LineWriter, Sink};

/// The most points of one version and one object, and the most rejected rows: all of them are in memory at once.
const MAXIMUM_POINTS: usize = 5_000_000;

/// The arguments of `converter diff`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// The component to compare with: a file, or a version of the registry, `DATASET@VERSION` or `DATASET@CHANNEL`.
    #[arg(value_name = "OLD")]
    old: Component,
    /// The component to compare.
    #[arg(value_name = "NEW")]
    new: Component,
    /// Files, directories (every *.parquet below them), s3://bucket/key, or s3://bucket/prefix/.
    #[arg(required = true, value_name = "FILE|DIRECTORY|S3-URL")]
    inputs: Vec<String>,
    /// The dataset of the files, instead of the one that the old component names.
    #[arg(long, value_name = "NAME")]
    dataset: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Why versions cannot be compared, which is another thing than that they differ.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum DiffError {
    /// There is no place for temporary files.
    #[error("cannot keep points in a temporary file")]
    Temporary(#[source] io::Error),
    /// Comparing takes more memory than it should.
    #[error("`{object}` gives too much to compare: more than {MAXIMUM_POINTS} {what}\nhint: compare a part of it")]
    TooMuch {
        /// The object.
        object: String,
        /// Points or rejected rows.
        what: &'static str,
    },
    /// What was written cannot be read back.
    #[error("cannot read back the points of `{object}`")]
    Lines {
        /// The object.
        object: String,
        /// Why.
        #[source]
        cause: lines::NotAPoint,
    },
}

/// A version of a converter.
struct Version {
    path: String,
    converter: Converter,
}

/// What a version makes of an object.
struct Made {
    object: String,
    /// Line protocol in the order of rows; empty when the object fails.
    lines: String,
    /// The codes of the rejected rows.
    rejected: BTreeMap<u64, String>,
    failure: Option<Failure>,
}

/// An object that fails with a version, or with both.
struct Failed {
    object: String,
    failures: Both<Option<Failure>>,
}

/// What was found.
struct Found {
    dataset: String,
    versions: Both<Version>,
    objects: usize,
    comparison: Comparison,
    /// Objects of which the points cannot be compared.
    failed: Vec<Failed>,
}

impl Found {
    fn is_same(&self) -> bool {
        self.comparison.is_same() && self.failed.is_empty()
    }
}

/// Compares two versions. Returns whether they make the same of every object.
pub(super) async fn diff(config: &Config, arguments: &Arguments) -> Result<bool, CliError> {
    let config = in_order(config);
    let loader = Loader::new(&config)?;
    let versions = Both {
        old: version(&config, &loader, &arguments.old).await?,
        new: version(&config, &loader, &arguments.new).await?,
    };
    let dataset = arguments.dataset.clone().unwrap_or_else(|| versions.old.converter.description().dataset.clone());
    let locations = inputs::find(&arguments.inputs).await?;
    let found = differences(&loader, versions, dataset, &locations).await?;
    print(&if arguments.json { format!("{}\n", show::facts(&found)) } else { show::as_text(&found) })?;
    Ok(found.is_same())
}

/// How a converter differs from another one in what it makes of a file, for programs.
pub(super) async fn with(
    config: &Config,
    old: &Component,
    new: (&str, Converter),
    file: &Path,
) -> Result<Value, CliError> {
    let config = in_order(config);
    let loader = Loader::new(&config)?;
    let (path, converter) = (new.0.to_owned(), new.1);
    let dataset = converter.description().dataset.clone();
    let versions = Both { old: version(&config, &loader, old).await?, new: Version { path, converter } };
    Ok(show::facts(&differences(&loader, versions, dataset, &[Location::File(file.to_owned())]).await?))
}

fn in_order(config: &Config) -> Config {
    let mut config = config.clone();
    // One request after the other, so that points come in the order of rows and the last of two is the last.
    config.write.concurrency = Some(1);
    // What is rejected here is compared, and not to be loaded again.
    config.rejects = None;
    config
}

async fn differences(
    loader: &Loader,
    versions: Both<Version>,
    dataset: String,
    locations: &[Location],
) -> Result<Found, CliError> {
    let (mut comparison, mut failed) = (Comparison::default(), Vec::new());
    for location in locations {
        let old = make(loader, &versions.old, &dataset, location).await?;
        let new = make(loader, &versions.new, &dataset, location).await?;
        if old.failure.is_some() || new.failure.is_some() {
            failed.push(Failed { object: old.object, failures: Both { old: old.failure, new: new.failure } });
            continue;
        }
        comparison.add_points(points(&old)?, points(&new)?);
        comparison.add_rejected(&old.rejected, &new.rejected);
    }
    Ok(Found { dataset, versions, objects: locations.len(), comparison, failed })
}

async fn version(config: &Config, loader: &Loader, component: &Component) -> Result<Version, CliError> {
    Ok(Version { path: component.to_string(), converter: component.converter(config, loader).await? })
}

/// Converts an object as the function does, into a temporary file.
async fn make(loader: &Loader, version: &Version, dataset: &str, location: &Location) -> Result<Made, CliError> {
    let directory = tempfile::tempdir().map_err(DiffError::Temporary)?;
    let file = directory.path().join("points.lp");
    let sink = Sink::from(LineWriter::file(&file, Compression::None)?);
    let rejected = Rejected::default();
    loader.catalog().insert(dataset.to_owned(), version.converter.clone());
    let report = loader.load(&LoadRequest::new(location).as_dataset(Some(dataset)), &sink, None, &rejected).await;
    let rejected = rejected.0.into_inner().unwrap_or_else(PoisonError::into_inner);
    for (number, what) in [(report.accounts.points, "points"), (rejected.len() as u64, "rejected rows")] {
        if number > MAXIMUM_POINTS as u64 {
            return Err(DiffError::TooMuch { object: report.object, what }.into());
        }
    }
    let lines = if report.failure.is_some() {
        sink.abandon().await;
        String::new()
    } else {
        sink.finish().await?;
        fs::read_to_string(&file).map_err(DiffError::Temporary)?
    };
    Ok(Made { object: report.object, lines, rejected, failure: report.failure })
}

fn points(made: &Made) -> Result<Vec<lines::Point<'_>>, DiffError> {
    lines::points(&made.lines).map_err(|cause| DiffError::Lines { object: made.object.clone(), cause })
}

/// Collects the rejected rows, up to one more than may be compared.
#[derive(Default)]
struct Rejected(Mutex<BTreeMap<u64, String>>);

impl Progress for Rejected {
    fn opened(&self, _rows: u64) {}

    fn advanced(&self, _rows: u64) {}

    fn rejected(&self, row: &RejectedRow) {
        let mut rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if rows.len() <= MAXIMUM_POINTS {
            rows.insert(row.row, row.code.clone());
        }
    }
}
