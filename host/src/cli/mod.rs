//! The command line.

mod component;
mod converter;
mod demo;
mod estimate;
mod health;
mod inputs;
mod invoke;
mod ledger;
mod load;
mod migrate;
mod output;
mod plan;
mod preflight;
mod progress;
mod rejects;
mod shell;
mod summary;
mod timings;
mod token;
mod verify;
mod whence;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};
use tracing::level_filters::LevelFilter;

use component::Component;

use crate::config::{Config, ConfigError, LogFormat};
use crate::dataset::DatasetError;
use crate::golden::GoldenError;
use crate::ledger::LedgerError;
use crate::logs;
use crate::pipeline::{LimitBelowMargin, LoadError};
use crate::registry::{RegistryError, RuleError};
use crate::rejects::RejectsError;
use crate::report::{Failure, FailureKind};
use crate::sink::{Depth, SinkError};
use crate::source::SourceError;

/// Loads Parquet files into InfluxDB through sandboxed WebAssembly converters.
///
/// Settings come from the environment: INFLUXDB_URL, INFLUXDB_TOKEN, INFLUXDB_BUCKET and others, which
/// docs/reference/settings.md explains.
#[derive(Debug, Parser)]
#[command(name = "influxdb-loader", version, propagate_version = true, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Log what happens to standard error; twice for more.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Load four years of real data, which this program carries, into a local file.
    ///
    /// Needs no server, no settings and no network.
    #[command(after_help = "Examples:
  influxdb-loader demo
  influxdb-loader demo /tmp/demo && head /tmp/demo/points.lp")]
    Demo {
        /// Where the sample, its points and its rejected rows are stored.
        #[arg(default_value = "influxdb-loader-demo", value_name = "DIRECTORY")]
        directory: PathBuf,
    },
    /// Load files, directories or objects of S3 into InfluxDB, a file or standard output.
    ///
    /// Exits with 0 only if everything was loaded.
    #[command(after_help = "Examples:
  influxdb-loader load data/ --to points.lp
  influxdb-loader load s3://bucket/dataset=generation/2024/ --json
  LEDGER_URI=s3://bucket/ledger influxdb-loader load s3://bucket/dataset=generation/ --skip-loaded
  influxdb-loader load file.parquet --dataset generation --converter generation.wasm --to -")]
    Load(LoadArguments),
    /// Write a file's line protocol to standard output, and the summary to standard error.
    Convert(ConvertArguments),
    /// Handle an event as the Lambda function does, and print its answer.
    ///
    /// Exits with 1 when the invocation fails, and prints the error as Lambda does.
    #[command(after_help = "Examples:
  influxdb-loader invoke event.json
  echo '{\"bucket\": \"energy\", \"prefix\": \"dataset=generation/2024/\"}' | influxdb-loader invoke -

Stop at a deadline and resume, as the function does:
  influxdb-loader invoke event.json --timeout 30 > answer.json
  jq -e .remaining answer.json > rest.json && influxdb-loader invoke rest.json --timeout 30")]
    Invoke(InvokeArguments),
    /// Split large objects of S3 into events that load a part of them each.
    ///
    /// A large object may exceed the time limit of an invocation. Many invocations can load its row groups in parallel: each event
    /// is one JSON object and names the object version. The function, `influxdb-loader invoke` and the backfill state machine of
    /// template.yaml accept such events. Only the metadata at the end of each object is read. Small objects stay whole, and single
    /// row groups are never split.
    ///
    /// Exits with 0 only if every object could be opened; the others are reported and skipped.
    #[command(after_help = "Examples:
  influxdb-loader plan s3://bucket/dataset=generation/ > generation.jsonl
  influxdb-loader plan s3://bucket/large.parquet --rows 200000 --array

To load a plan by the state machine, put it below plans/ of the stack's OperationsBucket, and start an execution:
  aws s3 cp generation.jsonl s3://OPERATIONS-BUCKET/plans/
  aws stepfunctions start-execution --state-machine-arn BACKFILL \
      --input '{\"plan\": \"plans/generation.jsonl\"}'")]
    Plan(PlanArguments),
    /// Show what a load would do and lose, without sending a point.
    ///
    /// Converts the input as a load does, and compares it with InfluxDB: rows that would be rejected or replaced, fields of another
    /// type, points beyond the retention, series, shards, requests, bytes, duration and price.
    ///
    /// Exits with 0 only if nothing would be lost.
    #[command(after_help = "Examples:
  influxdb-loader preflight data/
  influxdb-loader preflight s3://bucket/dataset=generation/2024/ --rate 100000 --json | jq .problems
  influxdb-loader load data/ --preflight")]
    Preflight(PreflightArguments),
    /// Hold what is in InfluxDB against what was loaded.
    ///
    /// Reads what is named again through its converter, and asks InfluxDB, by day: does it have as many points of each field, with the
    /// same least and greatest value, sum, first and last time, and as many series? Where that differs, where a day has few points,
    /// and for texts and booleans, every point is compared: floats bit by bit. Of a point that comes twice the last one counts.
    ///
    /// Needs a token that may read. Exits with 0 only when the database has all of it, and nothing else.
    #[command(after_help = "Examples:
  influxdb-loader verify data/
  influxdb-loader verify s3://bucket/dataset=generation/2024/ --exact --html report.html
  influxdb-loader verify one-of-many.parquet --ignore-extra --json | jq .differences
  influxdb-loader verify --against old_bucket")]
    Verify(verify::VerifyArguments),
    /// Estimate what loading costs in AWS Lambda.
    ///
    /// Converts the input several times, as the function does, and discards the points. From the processor time on this machine it
    /// computes duration and cost of a million rows for each memory size of the function. A processor of Lambda may be slower or
    /// faster than one of this machine.
    #[command(after_help = "Examples:
  influxdb-loader estimate sample.parquet
  influxdb-loader estimate sample.parquet --server 200000

With --server, the duration is at least what InfluxDB needs for the rows. InfluxDB is usually the slower one, and then a function
with little memory costs least.")]
    Estimate(EstimateArguments),
    /// Write, test, publish and promote converters.
    #[command(subcommand)]
    Converter(converter::Command),
    /// Show rejected rows, and retry them.
    ///
    /// With the setting REJECTS_URI, each load keeps its rejected rows there, with their contents.
    #[command(subcommand)]
    Rejects(rejects::Command),
    /// Look at what was loaded, and what was not.
    ///
    /// With the setting LEDGER_URI, every load into InfluxDB leaves a record there of what it wrote.
    #[command(subcommand)]
    Ledger(ledger::Command),
    /// Name the objects that can have written a point, and their rows that do.
    ///
    /// Looks through the ledger (LEDGER_URI) for loads that wrote the measurement at that time, and reads their objects again, in the
    /// version that was loaded and by the converter that it was loaded by. The object that is named last was loaded last.
    #[command(after_help = "Examples:
  influxdb-loader whence consumption_data 2024-03-01T12:00:00Z
  influxdb-loader whence consumption_data 1709294400000000000 region=southeast consumer_type=residential
  influxdb-loader whence consumption_data 2024-03-01T12:00:00Z --no-read --json")]
    Whence(whence::WhenceArguments),
    /// Migrate the history of another database, and verify that all of it arrived.
    #[command(subcommand)]
    Migrate(migrate::Command),
    /// Create a token that can write to one bucket of InfluxDB 2 and nothing else.
    ///
    /// Timestream for InfluxDB creates a secret itself, with organization, bucket, user and password. That user has full access; the
    /// function only needs to write. Prints the token, or stores it in the form that INFLUXDB_TOKEN_SECRET_NAME reads.
    #[command(after_help = "Examples:
  influxdb-loader token READONLY-InfluxDB-auth-parameters-abcdefghij --store energy/influxdb-token
  INFLUXDB_TOKEN=$(influxdb-loader token READONLY-InfluxDB-auth-parameters-abcdefghij) influxdb-loader health

The secret for InfluxDB 3 holds a token: INFLUXDB_TOKEN_SECRET_NAME takes its name.")]
    Token(TokenArguments),
    /// Check that InfluxDB is reachable and healthy, and show its engine.
    ///
    /// Exits with 0 only if it is.
    #[command(after_help = "Examples:
  influxdb-loader health
  influxdb-loader health --deep --json
  influxdb-loader health --deep --read")]
    Health {
        /// Also write a point, of the measurement influxdb_loader_probe, and read it back. The point stays.
        ///
        /// A token without read access passes, with a remark.
        #[arg(long)]
        deep: bool,
        /// As --deep, but a token without read access fails.
        #[arg(long)]
        read: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the script that completes arguments in a shell.
    #[command(after_help = "Examples:
  influxdb-loader completions bash > ~/.local/share/bash-completion/completions/influxdb-loader
  influxdb-loader completions zsh > ~/.zfunc/_influxdb-loader
  influxdb-loader completions fish > ~/.config/fish/completions/influxdb-loader.fish")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write man pages, one for each command.
    #[command(after_help = "Examples:
  influxdb-loader man ~/.local/share/man/man1 && man influxdb-loader-converter-new")]
    Man {
        /// Where they go.
        directory: PathBuf,
    },
}

#[derive(Debug, Args)]
struct LoadArguments {
    /// Files, directories (every *.parquet below them), s3://bucket/key, or s3://bucket/prefix/.
    #[arg(required = true, value_name = "FILE|DIRECTORY|S3-URL")]
    inputs: Vec<String>,
    #[command(flatten)]
    conversion: ConversionArguments,
    /// Where the points go: `influxdb`, a file of line protocol, or `-` for standard output.
    #[arg(long, default_value = "influxdb", value_name = "influxdb|PATH|-")]
    to: String,
    #[command(flatten)]
    lines: LinesArguments,
    /// Check first, as `preflight` does, and write nothing if something would be lost.
    #[arg(long)]
    preflight: bool,
    /// Skip objects that the ledger (LEDGER_URI) records as loaded: in the version that they have now, by the promoted converter,
    /// and into this bucket. A load that was stopped resumes where it was.
    #[arg(long)]
    skip_loaded: bool,
    /// Print the summary as JSON.
    #[arg(long)]
    json: bool,
    /// Also show how long each stage worked, and what it waited for. The summary as JSON always contains it.
    #[arg(long)]
    timings: bool,
}

#[derive(Debug, Args)]
struct PreflightArguments {
    /// Files, directories (every *.parquet below them), s3://bucket/key, or s3://bucket/prefix/.
    #[arg(required = true, value_name = "FILE|DIRECTORY|S3-URL")]
    inputs: Vec<String>,
    #[command(flatten)]
    conversion: ConversionArguments,
    /// How many rows a second InfluxDB accepts.
    ///
    /// Without it, it is what the server's own statistics show (1.x and 2.x), for one request in flight, where it has written points in
    /// large requests since it was started; else seconds are those of the loader alone.
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct InvokeArguments {
    /// A file with the event, in any form that the function takes; `-` for standard input.
    event: PathBuf,
    /// Set the deadline to so many seconds from now.
    ///
    /// The load stops DEADLINE_MARGIN_SECONDS (10) before it. Requests in flight are completed, the answer has the status `partial`,
    /// and its `remaining` is an event that resumes the load. Without it there is no deadline.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    timeout: Option<u32>,
}

#[derive(Debug, Args)]
struct TokenArguments {
    /// The name or the ARN of the secret with user and password.
    #[arg(value_name = "SECRET")]
    secret: String,
    /// The secret to store the token in, as JSON with `token`; it is made where there is none.
    #[arg(long, value_name = "SECRET")]
    store: Option<String>,
    /// The organization, instead of that of the secret.
    #[arg(long, value_name = "NAME")]
    organization: Option<String>,
    /// The bucket, instead of that of the secret.
    #[arg(long, value_name = "NAME")]
    bucket: Option<String>,
}

#[derive(Debug, Args)]
struct ConvertArguments {
    /// A file, or s3://bucket/key.
    #[arg(value_name = "FILE|S3-URL")]
    input: String,
    #[command(flatten)]
    conversion: ConversionArguments,
    #[command(flatten)]
    lines: LinesArguments,
    /// Print the summary as JSON.
    #[arg(long)]
    json: bool,
    /// Also show how long each stage worked, and what it waited for. The summary as JSON always contains it.
    #[arg(long)]
    timings: bool,
}

#[derive(Debug, Args)]
struct LinesArguments {
    /// Write lines for this InfluxDB alone: its limits, and its integers, apply. Without it, and without INFLUXDB_API, lines mean the
    /// same to all of them, and a row that one of them cannot hold is rejected.
    #[arg(long = "for", value_name = "v1|v2|v3", value_enum)]
    reader: Option<Reader>,
}

/// Whom a file of line protocol is for.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Reader {
    V1,
    V2,
    V3,
}

#[derive(Debug, Args)]
struct EstimateArguments {
    /// Files, directories (every *.parquet below them), s3://bucket/key, or s3://bucket/prefix/.
    #[arg(required = true, value_name = "FILE|DIRECTORY|S3-URL")]
    inputs: Vec<String>,
    #[command(flatten)]
    conversion: ConversionArguments,
    /// The number of measurements, after a first one that does not count.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=100))]
    rounds: u8,
    /// How many rows a second InfluxDB takes.
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u32).range(1..))]
    server: Option<u32>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct PlanArguments {
    /// s3://bucket/key, or s3://bucket/prefix/.
    #[arg(required = true, value_name = "S3-URL")]
    inputs: Vec<String>,
    /// How many rows an event loads at most, as far as row groups allow.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    rows: u64,
    /// Print one JSON array instead of one JSON object a line.
    #[arg(long)]
    array: bool,
}

#[derive(Debug, Args)]
struct ConversionArguments {
    /// The dataset, instead of the one that the path names (`dataset=NAME/…`, or a known name in it).
    #[arg(long, value_name = "NAME")]
    dataset: Option<String>,
    /// A component to convert with, instead of the converter of the dataset: a file, or a version of the registry.
    #[arg(long, value_name = "FILE.wasm|DATASET@VERSION|DATASET@CHANNEL")]
    converter: Option<Component>,
}

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
enum CliError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Sink(#[from] SinkError),
    #[error(transparent)]
    Verify(#[from] crate::verify::VerifyError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Start(#[from] crate::lambda::StartError),
    #[error(transparent)]
    Limit(#[from] LimitBelowMargin),
    #[error(transparent)]
    Token(#[from] token::TokenCommandError),
    #[error(transparent)]
    Golden(#[from] GoldenError),
    #[error(
        "no component in `{0}`\nhint: make it with `influxdb-loader converter build`, or name it with `--component`"
    )]
    NoComponent(String),
    #[error(transparent)]
    Project(#[from] converter::ProjectError),
    #[error(transparent)]
    Diff(#[from] converter::DiffError),
    #[error(transparent)]
    Dev(#[from] converter::DevError),
    #[error("`{0}` names no version of the registry: it is neither DATASET@VERSION nor DATASET@CHANNEL")]
    NoRelease(String),
    #[error("`{0}` is no URL of an object in S3: it is not s3://bucket/key")]
    S3Url(String),
    #[error("no Parquet files in `{0}`\nhint: files are found by their ending, `.parquet`")]
    NothingFound(String),
    #[error("cannot read `{path}`")]
    Read {
        path: String,
        #[source]
        cause: io::Error,
    },
    #[error("cannot write `{path}`")]
    Write {
        path: String,
        #[source]
        cause: io::Error,
    },
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error("which parameters of version {version}? There are {known}\nhint: name them with `--parameters`")]
    Parameters { version: String, known: String },
    #[error(transparent)]
    Rule(#[from] RuleError),
    #[error(transparent)]
    Rejects(#[from] RejectsError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Migrate(#[from] migrate::MigrateError),
    #[error(
        "`--skip-loaded` asks the ledger what InfluxDB has: `{to}` is a file\nhint: leave `--skip-loaded` or `--to` out"
    )]
    SkipLoadedToFile { to: String },
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    #[error("the event is not JSON")]
    EventNotJson(#[source] serde_json::Error),
    #[error(
        "`--for` is about lines in a file: `{to}` is written in its own form\nhint: leave it out, or write to a file with `--to`"
    )]
    ForInfluxDb { to: String },
    #[error("`--preflight` looks at InfluxDB: `{to}` is a file\nhint: leave `--preflight` or `--to` out")]
    PreflightOfFile { to: String },
    #[error("there are no rows to measure by")]
    NoRows,
    #[error("cannot write to standard output")]
    Print(#[source] io::Error),
}

/// Runs the command that the process was started with. It makes its own runtime, so that everything is compiled with the
/// library: what is asynchronous is compiled where it is waited for.
#[tokio::main]
pub async fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let result = async {
        let config = Config::from_environment()?;
        let level = match arguments.verbose {
            0 => config.log_level.min(LevelFilter::WARN),
            1 => LevelFilter::INFO,
            _ => LevelFilter::DEBUG,
        };
        logs::start(level, LogFormat::Text);
        match arguments.command {
            Command::Demo { directory } => demo::demo(&config, &directory).await,
            Command::Load(arguments) => load::load(&config, &arguments).await,
            Command::Convert(arguments) => load::convert(&config, arguments).await,
            Command::Verify(arguments) => verify::verify(&config, &arguments).await,
            Command::Preflight(arguments) => preflight::preflight(&config, &arguments).await,
            Command::Invoke(arguments) => invoke::invoke(&config, &arguments).await,
            Command::Plan(arguments) => plan::plan(&arguments).await,
            Command::Token(arguments) => token::token(&config, &arguments).await,
            Command::Estimate(arguments) => estimate::estimate(&config, &arguments).await,
            Command::Converter(command) => converter::run(&config, command).await,
            Command::Rejects(command) => rejects::run(&config, command).await,
            Command::Ledger(command) => ledger::run(&config, command).await,
            Command::Whence(arguments) => whence::whence(&config, &arguments).await,
            Command::Migrate(command) => migrate::run(&config, command).await,
            Command::Completions { shell } => shell::completions(Arguments::command(), shell),
            Command::Man { directory } => shell::man(Arguments::command(), &directory),
            Command::Health { deep, read, json } => {
                let depth = match (deep, read) {
                    (_, true) => Depth::Read,
                    (true, false) => Depth::Write,
                    (false, false) => Depth::Shallow,
                };
                health::health(&config, depth, json).await
            }
        }
    };
    match result.await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        // Whoever reads the output has seen enough.
        Err(CliError::Print(cause)) if cause.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            complain(&Failure::new(FailureKind::Unexpected, &error), None);
            ExitCode::FAILURE
        }
    }
}

/// Prints an error: what failed, and perhaps a hint.
fn complain(failure: &Failure, object: Option<&str>) {
    let mut text = String::from("error: ");
    if let Some(object) = object.filter(|object| !failure.message().contains(*object)) {
        text.push_str(&format!("`{object}`: "));
    }
    text.push_str(&format!("{failure}\n"));
    // When standard error is closed, there is no reader.
    drop(io::stderr().write_all(text.as_bytes()));
}

fn print(text: &str) -> Result<(), CliError> {
    io::stdout().write_all(text.as_bytes()).map_err(CliError::Print)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn the_reference_of_the_commands_is_that_of_the_code() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference/commands.md");
        let generated = shell::reference(Arguments::command());
        if std::env::var_os("UPDATE_DOCUMENTS").is_some() {
            std::fs::write(path, &generated).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap();
        assert!(written == generated, "docs/reference/commands.md differs from the code; UPDATE_DOCUMENTS=1 writes it");
    }
}
