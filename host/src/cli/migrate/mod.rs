//! `migrate`: the history of another database, in one command.

mod manifest;
mod plan;
mod timestream;

use clap::Subcommand;

pub(super) use timestream::MigrateError;

use super::CliError;
use crate::config::Config;

/// The commands below `migrate`.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Migrate tables that Timestream for LiveAnalytics has unloaded to S3.
    ///
    /// Takes what UNLOAD leaves, as it lies: the results that a manifest names, partitions that are only in keys, times to the
    /// nanosecond. Finds everything below the prefix, holds it against its manifests, looks at what a load would lose, loads it, and
    /// verifies that all of it is in InfluxDB. With LEDGER_URI, a migration that was stopped resumes.
    ///
    /// A table becomes a measurement, dimensions and `measure_name` become tags, measures become fields. Files do not mark which columns
    /// of text are dimensions: they become tags, unless --field names them.
    ///
    /// Exits with 0 only when everything was migrated and verified.
    #[command(after_help = "Examples:
  influxdb-loader migrate timestream s3://my-bucket/unload/
  influxdb-loader migrate timestream s3://my-bucket/unload/ --field note --measurement cpu=load
  influxdb-loader migrate timestream s3://my-bucket/unload/ --verify-only

How to unload a table:
  UNLOAD (SELECT * FROM \"db\".\"table\") TO 's3://my-bucket/unload/db/table'
      WITH (format = 'PARQUET', compression = 'GZIP')

To load large tables by the backfill state machine of template.yaml, and verify afterwards:
  influxdb-loader migrate timestream s3://my-bucket/unload/ --plan migration.jsonl
  aws s3 cp migration.jsonl s3://OPERATIONS-BUCKET/plans/
  aws stepfunctions start-execution --state-machine-arn BACKFILL --input '{\"plan\": \"plans/migration.jsonl\"}'
  influxdb-loader migrate timestream s3://my-bucket/unload/ --verify-only")]
    Timestream(timestream::Arguments),
}

/// Runs a command.
pub(super) async fn run(config: &Config, command: Command) -> Result<bool, CliError> {
    match command {
        Command::Timestream(arguments) => timestream::migrate(config, &arguments).await,
    }
}
