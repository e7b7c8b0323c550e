//! `converter sign`, `converter yank` and `converter history`: what is recorded of versions that are published.

use std::path::Path;

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::json;

use super::promote::{chosen, on_a_line, who};
use super::publish::signing_key;
use super::{loader_and_registry, named};
use crate::cli::{CliError, print};
use crate::config::Config;
use crate::registry::{Moment, Pattern, Promoted, Yanked};

/// How many promotions `history` shows.
const MOST: usize = 100;

/// Adds a signature to a version. Returns true: what cannot be signed is an error.
pub(super) async fn sign(
    config: &Config,
    dataset: &str,
    version: &str,
    key: &Path,
    as_json: bool,
) -> Result<bool, CliError> {
    let (_loader, registry) = loader_and_registry(config)?;
    let key = signing_key(key)?;
    let is_new = registry.sign(&named(dataset)?, &version.parse()?, &key).await?;
    let what = if is_new { "signed" } else { "already signed" };
    print(&if as_json {
        let facts = json!({ "dataset": dataset, "version": version, "key": key.id(), "already": !is_new });
        format!("{facts}\n")
    } else {
        format!("{what}: {dataset} {version} by key {}\n", key.id())
    })?;
    Ok(true)
}

/// Takes a version out of use. Returns true: what cannot be is an error.
pub(super) async fn yank(
    config: &Config,
    dataset: &str,
    version: &str,
    reason: &str,
    by: Option<&str>,
    as_json: bool,
) -> Result<bool, CliError> {
    let (_loader, registry) = loader_and_registry(config)?;
    let yanked = Yanked { at: Moment::now(), by: who(by), reason: on_a_line(reason) };
    let is_new = registry.yank(&named(dataset)?, &version.parse()?, &yanked).await?;
    let what = if is_new { "out of use" } else { "already out of use" };
    print(&if as_json {
        format!("{}\n", json!({ "dataset": dataset, "version": version, "yanked": yanked, "already": !is_new }))
    } else {
        format!("{what}: {dataset} {version}\n")
    })?;
    Ok(true)
}

/// Prints who promoted which version, the latest first. Returns true.
pub(super) async fn history(
    config: &Config,
    dataset: &str,
    channel: Option<&str>,
    as_json: bool,
) -> Result<bool, CliError> {
    let (_loader, registry) = loader_and_registry(config)?;
    let channel = chosen(&registry, channel)?;
    let lines = registry.history(&named(dataset)?, &channel, MOST).await?;
    let text = if as_json {
        let line = |line: &Promoted| json!({ "promoted": line.statement, "keys": line.keys });
        format!("{:#}\n", lines.iter().map(line).collect::<serde_json::Value>())
    } else {
        table(&lines)
    };
    print(&text)?;
    Ok(true)
}

fn table(lines: &[Promoted]) -> String {
    if lines.is_empty() {
        return "nothing was promoted, or only by a loader that keeps no history\n".to_owned();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["sequence", "at", "version", "before", "serves", "by", "signed by", "expires"]);
    for Promoted { statement, keys } in lines {
        let pointer = &statement.pointer;
        table.add_row([
            pointer.sequence.to_string(),
            statement.at.to_string(),
            match &statement.trial {
                Some(terms) => format!("{} ({} {})", pointer.version, terms.kind, terms.candidate.version),
                None => pointer.version.to_string(),
            },
            pointer.previous.as_ref().map_or_else(String::new, |before| before.version.to_string()),
            statement.serves.iter().map(Pattern::as_str).collect::<Vec<_>>().join(" "),
            statement.by.clone(),
            keys.join(" "),
            statement.expires.map_or_else(String::new, |expires| expires.to_string()),
        ]);
    }
    format!("{}\n", table.trim_fmt())
}
