//! `ledger`: what of a prefix is loaded.

mod list;
mod show;

use clap::Subcommand;
use futures_util::{StreamExt, stream};

use super::CliError;
use crate::config::{Config, ConfigError};
use crate::ledger::{Document, Standing, Target};
use crate::pipeline::{LoadError, LoadRequest, Loader, Location};

/// How many objects are looked up at a time: a few small requests each.
const AT_A_TIME: usize = 16;

/// The commands below `ledger`.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List objects, and how far each is loaded.
    ///
    /// An object is `loaded` when all of its row groups are, in the version that it has now and by the promoted
    /// converter; `other-converter` when some of them were loaded by another one; `partly` when some are not loaded; `stale` when
    /// another version of it was loaded; `elsewhere` when it was loaded into another bucket of InfluxDB; else `missing`.
    #[command(after_help = "Examples:
  influxdb-loader ledger list s3://my-bucket/dataset=generation/
  influxdb-loader ledger list s3://my-bucket/dataset=generation/ --json | jq -c 'select(.standing == \"stale\")'")]
    List(list::Arguments),
    /// Show everything that is recorded of objects, as JSON.
    #[command(after_help = "Examples:
  influxdb-loader ledger show s3://my-bucket/dataset=generation/2024-03.parquet
  influxdb-loader ledger show s3://my-bucket/dataset=generation/ | jq '{object, rows, points, times}'")]
    Show(show::Arguments),
    /// List what is not loaded, or not as it would be now: all that `list` does not call `loaded`.
    ///
    /// Exits with 0 only when all is loaded; with --plan, when the plan is complete.
    #[command(after_help = "Examples:
  influxdb-loader ledger missing s3://my-bucket/dataset=generation/

To load what is missing by the backfill state machine of template.yaml:
  influxdb-loader ledger missing s3://my-bucket/dataset=generation/ --plan > rest.jsonl
  aws s3 cp rest.jsonl s3://OPERATIONS-BUCKET/plans/
  aws stepfunctions start-execution --state-machine-arn BACKFILL --input '{\"plan\": \"plans/rest.jsonl\"}'")]
    Missing(list::Missing),
}

/// Runs a command.
pub(super) async fn run(config: &Config, command: Command) -> Result<bool, CliError> {
    match command {
        Command::List(arguments) => list::list(config, &arguments).await,
        Command::Show(arguments) => show::show(config, &arguments).await,
        Command::Missing(arguments) => list::missing(config, &arguments).await,
    }
}

/// An object, and what is kept of what the ledger records of it.
pub(super) struct Entry<T> {
    pub(super) location: Location,
    pub(super) found: Result<T, LoadError>,
}

/// Looks objects up, in their order; of each, what `keep` makes of its documents is held. Without settings for InfluxDB it does not
/// matter into which bucket they were loaded.
pub(super) async fn look_up<T>(
    config: &Config,
    loader: &Loader,
    locations: Vec<Location>,
    dataset: Option<&str>,
    keep: impl Fn(Standing, Vec<Document>) -> T,
) -> Result<Vec<Entry<T>>, CliError> {
    loader.ledger()?;
    let target = match config.influxdb() {
        Ok(settings) => Some(Target::of(&settings)),
        Err(ConfigError::Missing { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let (target, keep) = (target.as_ref(), &keep);
    let entries = locations.into_iter().map(async |location| {
        let request = LoadRequest::new(&location).as_dataset(dataset);
        let found = loader.recorded(&request, target).await.map(|(standing, documents)| keep(standing, documents));
        Entry { location, found }
    });
    Ok(stream::iter(entries).buffered(AT_A_TIME).collect().await)
}
