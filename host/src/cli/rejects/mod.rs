//! `rejects`: what an operator does with rows that were rejected.

mod retry;
mod show;

use clap::Subcommand;

use super::CliError;
use crate::config::Config;

/// The commands below `rejects`.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show which rows were rejected, and why.
    ///
    /// Rows of one object that were rejected under the same code share a line of the table. What they hold is shown by
    /// `--json`.
    #[command(after_help = "Examples:
  influxdb-loader rejects show s3://my-bucket/rejects/
  influxdb-loader rejects show rejects/ --json --code invalid-timestamp | jq .columns")]
    Show(show::Arguments),
    /// Load rejected rows again, with today's converter and settings.
    ///
    /// Of each object only the rejected rows are read. Rows that are still rejected replace what was kept; where
    /// nothing is left, the object with the rejected rows is removed. That happens only when all other rows were written
    /// to InfluxDB: else everything stays, and the same command can be given again, because writing a row twice writes the
    /// same points.
    ///
    /// An object of S3 that was replaced meanwhile is refused. A file has no entity tag: rows of it that hold something
    /// else than when they were rejected are named, and stay.
    ///
    /// Exits with 0 only when everything was loaded or rejected once more.
    #[command(after_help = "Examples:
  influxdb-loader rejects retry s3://my-bucket/rejects/energy/ --converter fixed.wasm --to -
  influxdb-loader rejects retry s3://my-bucket/rejects/energy/")]
    Retry(retry::Arguments),
}

/// Runs a command.
pub(super) async fn run(config: &Config, command: Command) -> Result<bool, CliError> {
    match command {
        Command::Show(arguments) => show::show(&arguments).await,
        Command::Retry(arguments) => retry::retry(config, &arguments).await,
    }
}
