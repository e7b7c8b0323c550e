//! `converter`: everything that an author or an operator of converters does, a file for each command.

mod bench;
mod build;
mod dev;
mod diff;
mod inspect;
mod new;
mod packages;
mod plan;
mod project;
mod test;
mod publish;
mod promote;
mod pull;
mod sign;
mod trial;
mod list;
mod verify;
mod keygen;

use std::path::PathBuf;

use clap::Subcommand;

pub(super) use dev::DevError;
pub(super) use diff::DiffError;
pub(super) use project::ProjectError;

use super::component::Component;
use super::{CliError, print};
use crate::config::Config;
use crate::dataset::DatasetName;
use crate::pipeline::Loader;
use crate::registry::{Registry, RegistryError, patterns};
use project::{Language, Speaks};

/// The commands below `converter`.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make the project of a converter, its mapping guessed from a sample.
    ///
    /// It builds and passes its tests as it stands, outside of any other repository. What is not used is reported with the reason.
    /// Where no column looks like a time, the project has a TODO in its place, and does not build before that is done.
    New {
        /// The converter's name and that of its dataset: words of lower case joined by `-`.
        name: String,
        /// A file like those that it will convert.
        #[arg(long, value_name = "SAMPLE.parquet")]
        from: PathBuf,
        /// What it is written in.
        #[arg(long, value_enum, default_value = "rust")]
        language: Language,
        /// The contract that it speaks.
        #[arg(long, value_enum, default_value = "0.2")]
        contract: Speaks,
        /// Where the project goes; a directory that is empty or not there yet [default: NAME].
        #[arg(long)]
        directory: Option<PathBuf>,
        #[command(flatten)]
        choices: new::Choices,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Build a project into a component, `converter.wasm` in its directory.
    ///
    /// Rust needs a toolchain for wasm32-unknown-unknown, Python an installed Python 3; what is missing is named.
    Build {
        /// The project.
        #[arg(default_value = ".")]
        directory: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Work on a project in the browser: rebuilt whenever it changes, with what it makes of a sample beside it.
    ///
    /// Serves one page on 127.0.0.1 and prints its address, with a token that nobody can guess. The page shows the sample (any Parquet
    /// file dropped on it), the plan level by level, every row with its points or the reason why it is rejected, rows that replace
    /// each other, the golden pairs, the difference to the promoted version, and what the converter costs. It publishes and
    /// promotes where a registry is configured.
    #[command(after_help = "Examples:
  influxdb-loader converter dev my-converter
  influxdb-loader converter dev my-converter --sample data/region=SE/2024.parquet
  CONVERTER_BUCKET=my-registry influxdb-loader converter dev my-converter --sign key.pem")]
    Dev(dev::Arguments),
    /// Show what a component is: its description, interfaces, digest, size and limits; and its plan for a file.
    Inspect {
        /// The component: a file, or a version of the registry.
        #[arg(value_name = "FILE.wasm|DATASET@VERSION|DATASET@CHANNEL")]
        component: Component,
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
    /// Publish a component in the registry, as the version that its description names.
    ///
    /// A version never changes: the same bytes again are fine, other bytes are refused.
    #[command(after_help = "Examples:
  influxdb-loader converter publish my-converter/converter.wasm --golden my-converter/golden
  influxdb-loader converter publish metrics/converter.wasm --parameters-schema schema.json --parameters renames.json
  influxdb-loader converter publish tables/converter.wasm --serves 'timestream-*,legacy-load'")]
    Publish {
        /// The component.
        #[arg(value_name = "FILE.wasm")]
        component: PathBuf,
        /// Publish only if the converter is for this dataset.
        #[arg(long, value_name = "NAME")]
        dataset: Option<String>,
        /// Sign it with the key in this file.
        #[arg(long, value_name = "KEY-FILE")]
        sign: Option<PathBuf>,
        /// Publish only if these golden pairs pass, as `converter test` runs them.
        #[arg(long, value_name = "DIRECTORY")]
        golden: Option<PathBuf>,
        /// Publish this JSON document beside the version: what its converter gets in `prepare`.
        #[arg(long, value_name = "FILE.json")]
        parameters: Option<PathBuf>,
        /// Publish this schema beside the version, in JSON Type Definition (RFC 8927). Whoever publishes or promotes parameters of
        /// the version is shown what does not match it, and nothing is changed. A version has one schema, which never changes.
        #[arg(long, value_name = "FILE.json")]
        parameters_schema: Option<PathBuf>,
        /// Serve these datasets too, as soon as the version is promoted: names, or beginnings of names and `*`, joined by commas. A
        /// dataset that has a converter of its own uses that; of several patterns, the longest that matches counts.
        #[arg(long, value_name = "PATTERNS")]
        serves: Option<String>,
        /// Print JSON, with `--golden` what became of the golden pairs in it.
        #[arg(long)]
        json: bool,
    },
    /// Promote a version, or try it beside the promoted one: functions that use the channel take it within
    /// CONVERTER_REFRESH_SECONDS.
    ///
    /// A shadow converts objects beside the promoted version; its points are compared and never written. A canary's points are
    /// written, for a share of the objects. Rules decide what becomes of either: a measure, a relation and a value, joined by `and`
    /// and `or`. Measures are objects, rows, rejected, failed, time and age; of a shadow also equal, added, removed, changed and
    /// uncompared. Values are numbers, percentages, times such as `12h`, and `before`: what the promoted version has of it.
    #[command(after_help = "Examples:
  influxdb-loader converter promote ons-load 1.2.0
  influxdb-loader converter promote ons-load 1.2.0 --parameters renames.json
  influxdb-loader converter promote ons-load --shadow 1.3.0 --when \"objects >= 100 and changed = 0 and rejected <= before\"
  influxdb-loader converter promote ons-load --canary 1.3.0 --share 5% --when \"objects >= 100 and age >= 1d\" \\
      --unless \"failed > 0 or objects >= 20 and rejected > before * 1.1\"")]
    Promote {
        /// The dataset.
        dataset: String,
        /// The version.
        #[arg(required_unless_present_any = ["shadow", "canary"])]
        version: Option<String>,
        #[command(flatten)]
        trial: promote::Trial,
        /// With these parameters: a JSON document, which is published with it, or the first digits of the digest of one that is
        /// published, or `none` [default: those that are published with the version, if they are one document].
        #[arg(long, value_name = "FILE.json|DIGEST|none")]
        parameters: Option<String>,
        /// The channel, instead of that of the settings.
        #[arg(long, value_name = "NAME")]
        channel: Option<String>,
        #[command(flatten)]
        terms: promote::Terms,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show how the trial of a candidate stands, as `promote --shadow` or `--canary` has begun it; or end it by hand.
    #[command(after_help = "Examples:
  influxdb-loader converter trial ons-load
  influxdb-loader converter trial ons-load --end --by Ana")]
    Trial {
        /// The dataset.
        dataset: String,
        /// The channel, instead of that of the settings.
        #[arg(long, value_name = "NAME")]
        channel: Option<String>,
        /// End it: the promoted version stays.
        #[arg(long)]
        end: bool,
        /// Who ends it [default: the user's name].
        #[arg(long, value_name = "NAME", requires = "end")]
        by: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Roll back to the version that was promoted before; once more undoes it.
    Rollback {
        /// The dataset.
        dataset: String,
        /// The channel, instead of that of the settings.
        #[arg(long, value_name = "NAME")]
        channel: Option<String>,
        #[command(flatten)]
        terms: promote::Terms,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Fetch a version of the registry into a file. Signature and digest are checked as the function does.
    ///
    /// Where a command takes a component's file, it takes such a name, too.
    #[command(after_help = "Examples:
  influxdb-loader converter pull ons-load@1.2.0
  influxdb-loader converter pull ons-load@stable --out in-service.wasm")]
    Pull {
        /// The version, or a channel that points at it.
        #[arg(value_name = "DATASET@VERSION|DATASET@CHANNEL")]
        component: Component,
        /// The new file [default: DATASET-VERSION.wasm].
        #[arg(long, value_name = "FILE.wasm")]
        out: Option<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Add a signature to a published version, so that keys can be rotated without another build.
    Sign {
        /// The dataset.
        dataset: String,
        /// The version.
        version: String,
        /// The file with the key.
        #[arg(long, value_name = "KEY-FILE")]
        key: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Take a version out of use: no function loads it any more. A version that a channel points at is refused.
    Yank {
        /// The dataset.
        dataset: String,
        /// The version.
        version: String,
        /// Why, for whoever finds it gone.
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Who does it [default: the user's name].
        #[arg(long, value_name = "NAME")]
        by: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show who promoted which version, and when; the latest first.
    History {
        /// The dataset.
        dataset: String,
        /// The channel, instead of that of the settings.
        #[arg(long, value_name = "NAME")]
        channel: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// List the versions in the registry, and which channels use them.
    List {
        /// The dataset; all of them without.
        dataset: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Look at a version as the function does: manifest, signature, digest, and whether it compiles.
    Verify {
        /// The dataset.
        dataset: String,
        /// The version; the promoted one without.
        version: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make a key to sign converters with, and print its public key.
    Keygen {
        /// The new file for the secret key.
        #[arg(long, value_name = "FILE", default_value = "converter-signing-key.pem")]
        out: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Measure a converter on a file: what its calls cost, and what share of the whole it has.
    ///
    /// Writes nothing anywhere. Works through the file at least once, on one thread.
    #[command(after_help = "Examples:
  influxdb-loader converter bench my-converter/converter.wasm file.parquet
  influxdb-loader converter bench converter.wasm file.parquet --seconds 10 --json")]
    Bench(bench::Arguments),
    /// Show how the points differ that two versions of a converter make of the same files.
    ///
    /// Points are the same where measurement, tags and time are; of those that a version makes twice, the last value of each
    /// field counts. The points that both versions make of one file are held in memory: at most 5,000,000 of each, some 300
    /// bytes for one. Exits with 0 when the points and the rejected rows are the same, and with 1 when they differ.
    #[command(after_help = "Examples:
  influxdb-loader converter diff old.wasm new.wasm data/
  influxdb-loader converter diff old.wasm new.wasm file.parquet --dataset generation --json")]
    Diff(diff::Arguments),
}

/// Runs a command. Returns whether it found everything as it should be.
pub(super) async fn run(config: &Config, command: Command) -> Result<bool, CliError> {
    match command {
        Command::New { name, from, language, contract, directory, choices, json } => {
            new::new(&name, language, contract.into(), &from, directory.as_deref(), &choices, json)
        }
        Command::Build { directory, json } => build::build(config, &directory, json),
        Command::Dev(arguments) => dev::dev(config, &arguments).await,
        Command::Inspect { component, schema, json } => {
            inspect::inspect(config, &component, schema.as_deref(), json).await
        }
        Command::Test(arguments) => test::test(config, &arguments).await,
        Command::Publish { component, dataset, sign, golden, parameters, parameters_schema, serves, json } => {
            // Read before anything is published.
            let serves = serves.as_deref().map(patterns).transpose()?;
            let mut tested = None;
            if let Some(golden) = golden {
                let (facts, text, is_good) =
                    test::tested(config, &test::Arguments::of(&component, golden, json)).await?;
                if !json {
                    print(&text)?;
                } else if !is_good {
                    print(&format!("{}\n", serde_json::json!({ "published": false, "golden": facts })))?;
                }
                if !is_good {
                    return Ok(false);
                }
                tested = Some(facts);
            }
            let what = publish::What {
                component: &component,
                dataset: dataset.as_deref(),
                key: sign.as_deref(),
                parameters: parameters.as_deref(),
                schema: parameters_schema.as_deref(),
                serves: serves.as_deref(),
            };
            publish::publish(config, &what, json, tested).await
        }
        Command::Promote { dataset, version, trial, parameters, channel, terms, json } => {
            let what = promote::What { version: version.as_deref(), trial: &trial, parameters: parameters.as_deref() };
            promote::promote(config, &dataset, &what, channel.as_deref(), &terms, json).await
        }
        Command::Trial { dataset, channel, end, by, json } => {
            let end = end.then(|| promote::who(by.as_deref()));
            trial::trial(config, &dataset, channel.as_deref(), end.as_deref(), json).await
        }
        Command::Rollback { dataset, channel, terms, json } => {
            promote::rollback(config, &dataset, channel.as_deref(), &terms, json).await
        }
        Command::Pull { component, out, json } => pull::pull(config, &component, out.as_deref(), json).await,
        Command::Sign { dataset, version, key, json } => sign::sign(config, &dataset, &version, &key, json).await,
        Command::Yank { dataset, version, reason, by, json } => {
            sign::yank(config, &dataset, &version, &reason, by.as_deref(), json).await
        }
        Command::History { dataset, channel, json } => sign::history(config, &dataset, channel.as_deref(), json).await,
        Command::List { dataset, json } => list::list(config, dataset.as_deref(), json).await,
        Command::Verify { dataset, version, json } => verify::verify(config, &dataset, version.as_deref(), json).await,
        Command::Keygen { out, json } => keygen::keygen(&out, json),
        Command::Bench(arguments) => bench::bench(config, &arguments).await,
        Command::Diff(arguments) => diff::diff(config, &arguments).await,
    }
}

/// What compiles converters, and the registry of the settings.
fn loader_and_registry(config: &Config) -> Result<(Loader, Registry), CliError> {
    let settings = config.registry.as_ref().ok_or(RegistryError::NotConfigured)?;
    let loader = Loader::new(config)?;
    let registry = Registry::new(settings, loader.catalog().engine().clone())?;
    Ok((loader, registry))
}

fn named(dataset: &str) -> Result<DatasetName, CliError> {
    Ok(dataset.parse()?)
}
