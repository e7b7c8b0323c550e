//! `ledger list` and `ledger missing`.

use std::collections::BTreeMap;

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, Table};
use serde_json::{Value, json};

use super::{Entry, look_up_all};
use crate::cli::summary::grouped;
use crate::cli::{CliError, complain, print};
use crate::config::Config;
use crate::ledger::{Document, Standing};
use crate::logs::on_one_line;
use crate::pipeline::Location;
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

/// Lists objects. Returns whether each could be looked up.
pub(super) async fn list(config: &Config, Arguments { of, json }: &Arguments) -> Result<bool, CliError> {
    let entries = look_up_all(config, &of.inputs, of.dataset.as_deref()).await?;
    show(&entries, *json)
}

/// Lists those that are not loaded. Returns whether there are none, or they are planned.
pub(super) async fn missing(config: &Config, Missing { of, json, plan }: &Missing) -> Result<bool, CliError> {
    let mut entries = look_up_all(config, &of.inputs, of.dataset.as_deref()).await?;
    entries.retain(|entry| !matches!(entry.found, Ok((Standing::Loaded, _))));
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

fn show(entries: &[Entry], json: bool) -> Result<bool, CliError> {
    for Entry { location, found } in entries {
        if let Err(error) = found {
            complain(&Failure::new(error.kind(), error), Some(&name(location)));
        }
    }
    let told: Vec<(String, &Standing, &[Document])> = entries
        .iter()
        .filter_map(|Entry { location, found }| {
            found.as_ref().ok().map(|(standing, documents)| (name(location), standing, &documents[..]))
        })
        .collect();
    if json {
        let lines = told.iter().map(|(name, standing, documents)| format!("{}\n", line(name, standing, documents)));
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

/// The load that began last.
fn latest(documents: &[Document]) -> Option<&Document> {
    documents.iter().max_by_key(|document| document.started_at)
}

fn line(name: &str, standing: &Standing, documents: &[Document]) -> Value {
    let mut line = json!(standing);
    line["object"] = json!(name);
    if let Some(latest) = latest(documents) {
        line["loaded_at"] = json!(latest.finished_at);
        line["etag"] = json!(latest.object.etag);
        line["converter"] = json!(latest.converter);
        line["request"] = json!(latest.request);
        line["rows"] = json!(latest.rows);
        line["points"] = json!(latest.points);
    }
    line["documents"] = json!(documents.len());
    line
}

fn table(told: &[(String, &Standing, &[Document])]) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY);
    table.set_header(["standing", "rows", "points", "loaded at (UTC)", "converter", "object"]);
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for (name, standing, documents) in told {
        *counts.entry(standing.name()).or_default() += 1;
        let shown = match standing {
            Standing::Partly { row_groups, of } => format!("partly: {row_groups} of {of} row groups"),
            standing => standing.name().to_owned(),
        };
        let of_latest = |tell: fn(&Document) -> String| latest(documents).map(tell).unwrap_or_default();
        table.add_row([
            shown,
            of_latest(|document| grouped(document.rows.read())),
            of_latest(|document| grouped(document.points)),
            of_latest(|document| document.finished_at.to_the_second()),
            of_latest(|document| on_one_line(&format!("{} {}", document.converter.name, document.converter.version))),
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
