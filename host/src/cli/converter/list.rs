//! `converter list`.

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::json;

use super::{loader_and_registry, named};
use crate::cli::{CliError, print};
use crate::config::Config;
use crate::registry::{Entry, Pattern};

/// Prints the versions of one dataset, or of all. Returns true.
pub(super) async fn list(config: &Config, dataset: Option<&str>, as_json: bool) -> Result<bool, CliError> {
    let (_loader, registry) = loader_and_registry(config)?;
    let datasets = match dataset {
        Some(dataset) => vec![named(dataset)?],
        None => registry.datasets().await?,
    };
    let mut entries = Vec::new();
    for dataset in &datasets {
        entries.extend(registry.entries(dataset).await?);
    }
    let text = if as_json { format!("{:#}\n", json(&entries)) } else { table(&entries) };
    print(&text)?;
    Ok(true)
}

fn channels(entry: &Entry) -> Vec<String> {
    entry.channels.iter().map(ToString::to_string).collect()
}

fn trials(entry: &Entry) -> Vec<String> {
    entry.trials.iter().map(|(channel, kind)| format!("{channel} ({kind})")).collect()
}

fn json(entries: &[Entry]) -> serde_json::Value {
    let entry = |entry: &Entry| json!({ "manifest": entry.manifest, "channels": channels(entry), "trials": trials(entry), "parameters": entry.parameters, "parameters_schema": entry.parameters_schema, "serves": entry.serves, "keys": entry.keys, "yanked": entry.is_yanked });
    entries.iter().map(entry).collect()
}

fn table(entries: &[Entry]) -> String {
    if entries.is_empty() {
        return "nothing is published\n".to_owned();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["dataset", "version", "channels", "serves", "digest", "bytes", "signed by", "description"]);
    for entry in entries {
        let manifest = &entry.manifest;
        table.add_row([
            manifest.dataset.clone(),
            manifest.version.to_string(),
            if entry.is_yanked { "yanked".to_owned() } else { [channels(entry), trials(entry)].concat().join(" ") },
            entry.serves.iter().map(Pattern::as_str).collect::<Vec<_>>().join(" "),
            manifest.sha256.chars().take(12).collect(),
            manifest.size.to_string(),
            entry.keys.join(" "),
            manifest.description.clone(),
        ]);
    }
    format!("{}\n", table.trim_fmt())
}
