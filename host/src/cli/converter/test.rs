//! `converter test`: golden pairs.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::cli::component::Component;
use crate::cli::{CliError, print};
use crate::config::Config;
use crate::converter::Converter;
use crate::golden::{self, Difference, Pair, Runner, Verdict};
use crate::pipeline::{LoadError, Loader};
use crate::report::{Failure, FailureKind};

/// The component of a converter's directory, as `converter build` leaves it.
const COMPONENT: &str = "converter.wasm";

/// The directory of golden pairs in a converter's directory.
pub(super) const GOLDEN: &str = "golden";

/// The arguments of `converter test`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// A converter's directory, with `converter.wasm` and `golden` in it, or a component beside `golden`.
    #[arg(value_name = "DIRECTORY|FILE.wasm")]
    target: PathBuf,
    /// The component to test, instead of the directory's `converter.wasm`: a file, or a version of the registry.
    #[arg(long, value_name = "FILE.wasm|DATASET@VERSION|DATASET@CHANNEL")]
    component: Option<Component>,
    /// The directory of golden pairs, instead of `golden`.
    #[arg(long, value_name = "DIRECTORY")]
    golden: Option<PathBuf>,
    /// Make what the converter gives what is expected.
    #[arg(long)]
    update: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Arguments {
    /// To test a component on the pairs of a directory.
    pub(super) fn of(component: &Path, golden: PathBuf, json: bool) -> Self {
        Self { target: component.to_owned(), component: None, golden: Some(golden), update: false, json }
    }
}

/// What became of a pair.
pub(super) struct Tested {
    pair: Pair,
    result: Result<(Verdict, Vec<Difference>), Failure>,
    updated: bool,
}

impl Tested {
    fn status(&self) -> &'static str {
        match &self.result {
            Err(_) => "invalid",
            Ok((verdict, _)) if verdict.is_fault => "faulty",
            Ok((verdict, _)) if !verdict.broken.is_empty() => "broken",
            Ok((_, differences)) if differences.is_empty() => "passed",
            Ok(_) if self.updated => "updated",
            Ok(_) => "differs",
        }
    }

    fn is_good(&self) -> bool {
        matches!(self.status(), "passed" | "updated")
    }
}

/// Runs every golden pair. Returns whether all of them are as expected.
pub(super) async fn test(config: &Config, arguments: &Arguments) -> Result<bool, CliError> {
    let (facts, text, is_good) = tested(config, arguments).await?;
    print(&if arguments.json { format!("{facts}\n") } else { text })?;
    Ok(is_good)
}

/// What became of every golden pair, for programs and for people, and whether all of them are as expected.
pub(super) async fn tested(config: &Config, arguments: &Arguments) -> Result<(Value, String, bool), CliError> {
    let loader = Loader::new(config)?;
    let (converter, from) = converter(config, &loader, arguments).await?;
    let tested = run(config, &loader, &converter, &golden_directory(arguments), arguments.update).await?;
    let (facts, text) = (facts(&converter, &from, &tested), as_text(&converter, &from, &tested));
    Ok((facts, text, tested.iter().all(Tested::is_good)))
}

/// Runs the golden pairs of a directory, and makes what the converter gives what is expected where it is to.
pub(super) async fn run(
    config: &Config,
    loader: &Loader,
    converter: &Converter,
    golden: &Path,
    update: bool,
) -> Result<Vec<Tested>, CliError> {
    let dataset = converter.description().dataset.clone();
    loader.catalog().insert(dataset.clone(), converter.clone());
    let runner = Runner::new(loader, config, dataset)?;
    let mut tested = Vec::new();
    for pair in golden::find(golden)? {
        tested.push(test_pair(&runner, pair, update).await?);
    }
    Ok(tested)
}

async fn test_pair(runner: &Runner, pair: Pair, update: bool) -> Result<Tested, CliError> {
    let verdict = match runner.run(&pair).await {
        Ok(verdict) => verdict,
        // The other pairs are tested all the same.
        Err(error) => {
            let failure = Failure::new(FailureKind::Unexpected, &error);
            return Ok(Tested { pair, result: Err(failure), updated: false });
        }
    };
    let differences = pair.differences(&verdict.outcome)?;
    // What a broken converter gives is nothing to expect.
    let updated = update && !differences.is_empty() && verdict.broken.is_empty() && !verdict.is_fault;
    if updated {
        pair.expect(&verdict.outcome)?;
    }
    Ok(Tested { pair, result: Ok((verdict, differences)), updated })
}

/// The converter to test, and where it is from.
async fn converter(config: &Config, loader: &Loader, arguments: &Arguments) -> Result<(Converter, String), CliError> {
    let target = &arguments.target;
    let file = if target.is_dir() { target.join(COMPONENT) } else { target.clone() };
    if arguments.component.is_none() && target.is_dir() && !file.exists() {
        let name = built_in(loader, target).ok_or_else(|| CliError::NoComponent(target.display().to_string()))?;
        let converter = loader.catalog().converter(&name).map_err(LoadError::Converter)?;
        return Ok((converter, format!("built in, because there is no `{}`", file.display())));
    }
    let component = arguments.component.clone().unwrap_or(Component::File(file));
    Ok((component.converter(config, loader).await?, component.to_string()))
}

/// The built-in dataset that has the name of a directory.
fn built_in(loader: &Loader, directory: &Path) -> Option<String> {
    let directory = directory.canonicalize().ok()?;
    let name = directory.file_name()?.to_str()?;
    loader.catalog().known().into_iter().find(|known| known == name)
}

fn golden_directory(arguments: &Arguments) -> PathBuf {
    match &arguments.golden {
        Some(directory) => directory.clone(),
        None if arguments.target.is_dir() => arguments.target.join(GOLDEN),
        None => arguments.target.with_file_name(GOLDEN),
    }
}

fn as_text(converter: &Converter, from: &str, tested: &[Tested]) -> String {
    let description = converter.description();
    let mut text = format!("converter {} {} ({from})\n", description.name, description.version);
    let width = tested.iter().map(|tested| tested.pair.name().chars().count()).max().unwrap_or(0);
    for tested in tested {
        let told = match &tested.result {
            Err(failure) => format!("\n{}", indented(&failure.to_string())),
            Ok((verdict, differences)) => told(verdict, differences, tested.updated),
        };
        text.push_str(&format!("  {:width$}  {:7}  {}\n", tested.pair.name(), tested.status(), told.trim_end()));
    }
    let good = tested.iter().filter(|tested| tested.is_good()).count();
    let bad = tested.len() - good;
    text.push_str(&match bad {
        0 => format!("{good} golden pairs are as expected\n"),
        _ => format!("{bad} of {} golden pairs are not as expected\n", tested.len()),
    });
    let replaces = |difference: &Difference| difference.file.extension().is_some_and(|ending| ending == "superseded");
    let replaces = |tested: &Tested| tested.result.as_ref().is_ok_and(|(_, found)| found.iter().any(replaces));
    if tested.iter().any(|tested| !tested.updated && replaces(tested)) {
        text.push_str(
            "hint: where points replace each other, make what distinguishes them a tag; `--update` accepts it\n",
        );
    }
    if tested.iter().any(|tested| tested.status() == "faulty") {
        text.push_str(
            "hint: a converter that traps or exceeds a limit is never as expected, and cannot be published\n",
        );
    }
    if tested.iter().any(|tested| tested.status() == "differs") {
        text.push_str("hint: where what it gives now is right, run again with `--update`\n");
    }
    text
}

fn told(verdict: &Verdict, differences: &[Difference], updated: bool) -> String {
    let accounts = &verdict.accounts;
    let mut told = match &verdict.outcome.failure {
        // It is not held against what is expected.
        Some(failure) if verdict.is_fault => return format!("the converter fails\n{}", indented(failure)),
        Some(_) => "the object fails".to_owned(),
        None => format!(
            "{} rows: {} points, {} rejected, {} filtered, {} superseded",
            accounts.rows,
            accounts.points,
            accounts.rejected_total(),
            accounts.filtered,
            accounts.superseded
        ),
    };
    for broken in &verdict.broken {
        told.push_str(&format!(
            "\n    property `{}` does not hold, {}",
            broken.property,
            indented(&broken.message).trim()
        ));
    }
    if !updated {
        for Difference { file, text } in differences {
            told.push_str(&format!("\n    {}\n{}", file.display(), indented(text)));
        }
    }
    told
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}

/// What became of the pairs, for programs.
pub(super) fn facts(converter: &Converter, from: &str, tested: &[Tested]) -> Value {
    let description = converter.description();
    let goldens: Vec<Value> = tested
        .iter()
        .map(|tested| {
            let mut golden = json!({
                "name": tested.pair.name(),
                "sample": tested.pair.sample().display().to_string(),
                "status": tested.status(),
            });
            match &tested.result {
                Err(failure) => {
                    golden["error"] = json!(failure.message());
                    golden["hint"] = json!(failure.hint());
                }
                Ok((verdict, differences)) => {
                    golden["accounts"] = json!(verdict.accounts);
                    if verdict.is_fault {
                        golden["error"] = json!(verdict.outcome.failure.as_deref().map(str::trim_end));
                    }
                    golden["broken"] = verdict
                        .broken
                        .iter()
                        .map(|broken| json!({ "property": broken.property.to_string(), "message": broken.message }))
                        .collect();
                    golden["differences"] = differences
                        .iter()
                        .map(|Difference { file, text }| json!({ "file": file.display().to_string(), "text": text }))
                        .collect();
                }
            }
            golden
        })
        .collect();
    json!({
        "converter": { "name": description.name, "version": description.version, "digest": converter.digest() },
        "component": from,
        "passed": tested.iter().all(Tested::is_good),
        "golden": goldens,
    })
}
