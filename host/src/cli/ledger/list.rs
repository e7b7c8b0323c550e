//! `ledger list` and `ledger missing`.

use std::collections::BTreeMap;

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, Table};
use serde_json::{Value, json};

use super::{Entry, look_up};
use crate::cli::summary::grouped;
use crate::cli::{CliError, complain, inputs, print};
use crate::config::Config;
use crate::ledger::{Converter, Document, Rows, Standing, Subject, Time};
use crate::logs::on_one_line;
use crate::pipeline::{Loader, Location};
use crate::report::Failure;

/// The arguments of `ledger list`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    of: Of,
    /// Print JSON, a line for each object.
    #[arg(long)]
    json: bool,
}

/// The arguments of `ledger missing`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Missing {
    #[command(flatten)]
    of: Of,
    /// Print JSON, a line for each object.
    #[arg(long)]
    json: bool,
    /// Print the events that load it, a line each, as `plan` does.
    #[arg(long, conflicts_with = "json")]
    plan: bool,
}

/// Of which objects.
#[derive(Debug, clap::Args)]
struct Of {
    /// s3://bucket/prefix/, s3://bucket/key, files, or directories.
    #[arg(required = true, value_name = "S3-URL|FILE|DIRECTORY")]
    inputs: Vec<String>,
    /// The dataset, instead of the one that the path names (`dataset=NAME/…`, or a known name in it).
    #[arg(long, value_name = "NAME")]
    dataset: Option<String>,
}

/// What the ledger shows of an object: far less than its documents.
struct Known {
    standing: Standing,
    /// How many documents there are.
    documents: usize,
    /// The load that began last.
    latest: Option<Latest>,
}

/// What is shown of a load.
struct Latest {
    loaded_at: Time,
    etag: String,
    converter: Converter,
    request: String,
    rows: Rows,
    points: u64,
}

impl Known {
    fn of(standing: Standing, documents: Vec<Document>) -> Self {
        let count = documents.len();
        let latest = documents.into_iter().max_by_key(|document| document.started_at).map(|document| {
            let Document { finished_at, object: Subject { etag, .. }, converter, request, rows, points, .. } = document;
            Latest { loaded_at: finished_at, etag, converter, request, rows, points }
        });
        Self { standing, documents: count, latest }
    }
}

/// Looks up all that inputs name.
async fn look_up_all(config: &Config, of: &Of) -> Result<Vec<Entry<Known>>, CliError> {
    let loader = Loader::new(config)?;
    loader.ledger()?;
    look_up(config, &loader, inputs::find(&of.inputs).await?, of.dataset.as_deref(), Known::of).await
}

/// Lists objects. Returns whether each could be looked up.
pub(super) async fn list(config: &Config, Arguments { of, json }: &Arguments) -> Result<bool, CliError> {
    let entries = look_up_all(config, of).await?;
    show(&entries, *json)
}

/// Lists those that are not loaded. Returns whether there are none, or they are planned.
pub(super) async fn missing(config: &Config, Missing { of, json, plan }: &Missing) -> Result<bool, CliError> {
    let mut entries = look_up_all(config, of).await?;
    entries.retain(|entry| !matches!(entry.found, Ok(Known { standing: Standing::Loaded, .. })));
    if !plan {
        return Ok(show(&entries, *json)? && entries.is_empty());
    }
    let mut complete = true;
    for Entry { location, found } in &entries {
        match (location, found) {
            (_, Err(error)) => {
                complain(&Failure::new(error.kind(), error), Some(&name(location)));
                complete = false;
            }
            (Location::S3(object), Ok(_)) => {
                let mut event = json!({ "bucket": object.bucket, "key": object.key });
                if let Some(dataset) = &of.dataset {
                    event["dataset"] = json!(dataset);
                }
                print(&format!("{event}\n"))?;
            }
            (Location::File(path), Ok(_)) => return Err(CliError::S3Url(path.display().to_string())),
        }
    }
    Ok(complete)
}

fn show(entries: &[Entry<Known>], json: bool) -> Result<bool, CliError> {
    for Entry { location, found } in entries {
        if let Err(error) = found {
            complain(&Failure::new(error.kind(), error), Some(&name(location)));
        }
    }
    let told: Vec<(String, &Known)> = entries
        .iter()
        .filter_map(|Entry { location, found }| found.as_ref().ok().map(|known| (name(location), known)))
        .collect();
    if json {
        let lines = told.iter().map(|(name, known)| format!("{}\n", line(name, known)));
        print(&lines.collect::<String>())?;
    } else if entries.is_empty() {
        print("all is loaded\n")?;
    } else if !told.is_empty() {
        print(&table(&told))?;
    }
    Ok(told.len() == entries.len())
}

fn name(location: &Location) -> String {
    match location {
        Location::S3(object) => object.to_string(),
        Location::File(path) => path.display().to_string(),
    }
}

fn line(name: &str, Known { standing, documents, latest }: &Known) -> Value {
    let mut line = json!(standing);
    line["object"] = json!(name);
    if let Some(latest) = latest {
        line["loaded_at"] = json!(latest.loaded_at);
        line["etag"] = json!(latest.etag);
        line["converter"] = json!(latest.converter);
        line["request"] = json!(latest.request);
        line["rows"] = json!(latest.rows);
        line["points"] = json!(latest.points);
    }
    line["documents"] = json!(documents);
    line
}

fn table(told: &[(String, &Known)]) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY);
    table.set_header(["standing", "rows", "points", "loaded at (UTC)", "converter", "object"]);
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for (name, Known { standing, latest, .. }) in told {
        *counts.entry(standing.name()).or_default() += 1;
        let shown = match standing {
            Standing::Partly { row_groups, of } => format!("partly: {row_groups} of {of} row groups"),
            standing => standing.name().to_owned(),
        };
        let of_latest = |tell: fn(&Latest) -> String| latest.as_ref().map(tell).unwrap_or_default();
        table.add_row([
            shown,
            of_latest(|latest| grouped(latest.rows.read())),
            of_latest(|latest| grouped(latest.points)),
            of_latest(|latest| latest.loaded_at.to_the_second()),
            of_latest(|latest| on_one_line(&format!("{} {}", latest.converter.name, latest.converter.version))),
            on_one_line(name),
        ]);
    }
    for column in table.column_iter_mut().skip(1).take(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let counts: Vec<String> = counts.into_iter().map(|(name, count)| format!("{} {name}", grouped(count))).collect();
    let objects = if told.len() == 1 { "object" } else { "objects" };
    format!("{table}\n{} {objects}: {}\n", grouped(told.len() as u64), counts.join(", "))
}
