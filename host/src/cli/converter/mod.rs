//! `converter`: everything that an author or an operator of converters does, a file for each command.

mod build;
mod inspect;
mod new;
mod plan;
mod project;
mod test;

use std::path::PathBuf;

use clap::Subcommand;

pub(super) use project::ProjectError;

use super::CliError;
use crate::config::Config;
use project::Language;

/// The commands below `converter`.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make the project of a converter, its mapping guessed from a sample.
    ///
    /// It builds and passes its tests as it stands, outside of any other repository.
    New {
        /// The converter's name and that of its dataset: words of lower case joined by `-`.
        name: String,
        /// A file like those that it will convert.
        #[arg(long, value_name = "SAMPLE.parquet")]
        from: PathBuf,
        /// What it is written in.
        #[arg(long, value_enum, default_value = "rust")]
        language: Language,
        /// Where the project goes; a directory that is empty or not there yet [default: NAME].
        #[arg(long)]
        directory: Option<PathBuf>,
    },
    /// Build a project into a component, `converter.wasm` in its directory.
    ///
    /// Rust needs a toolchain for wasm32-unknown-unknown, Python an installed Python 3; what is missing is named.
    Build {
        /// The project.
        #[arg(default_value = ".")]
        directory: PathBuf,
    },
    /// Show what a component is: its description, interfaces, digest, size and limits; and its plan for a file.
    Inspect {
        /// The component.
        #[arg(value_name = "FILE.wasm")]
        component: PathBuf,
        /// Show how it plans the columns of this file.
        #[arg(long, value_name = "FILE.parquet")]
        schema: Option<PathBuf>,
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
        Command::New { name, from, language, directory } => new::new(&name, language, &from, directory.as_deref()),
        Command::Build { directory } => build::build(config, &directory),
        Command::Inspect { component, schema, json } => inspect::inspect(config, &component, schema.as_deref(), json),
        Command::Test(arguments) => test::test(config, &arguments).await,
    }
}
