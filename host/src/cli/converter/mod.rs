//! `converter`: everything that an author or an operator of converters does, a file for each command.

mod inspect;
mod test;

use std::path::PathBuf;

use clap::Subcommand;

use super::CliError;
use crate::config::Config;

/// The commands below `converter`.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show what a component is: its description, its digest and its size.
    Inspect {
        /// The component.
        #[arg(value_name = "FILE.wasm")]
        component: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Run a converter on its golden pairs: samples, and what it must make of them.
    ///
    /// Exits with 0 only when everything is as expected. Settings of the environment do not matter, except the limits of
    /// converters.
    #[command(after_help = "Examples:
  influxdb-loader converter test my-converter
  influxdb-loader converter test my-converter --update")]
    Test(test::Arguments),
}

/// Runs a command. Returns whether it found everything as it should be.
pub(super) async fn run(config: &Config, command: Command) -> Result<bool, CliError> {
    match command {
        Command::Inspect { component, json } => inspect::inspect(config, &component, json),
        Command::Test(arguments) => test::test(config, &arguments).await,
    }
}
