//! `converter trial`: how a candidate stands beside the promoted version.

use std::time::Duration;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde_json::json;

use super::promote::chosen;
use super::{loader_and_registry, named};
use crate::cli::{CliError, print};
use crate::config::Config;
use crate::registry::{Counts, InService, Kind, Outcome, Points, Side, State, Terms, Verdict};

/// Prints how a trial stands, or ends it. Returns true.
pub(super) async fn trial(
    config: &Config,
    dataset: &str,
    channel: Option<&str>,
    end: Option<&str>,
    as_json: bool,
) -> Result<bool, CliError> {
    let (_loader, registry) = loader_and_registry(config)?;
    let (name, channel) = (named(dataset)?, chosen(&registry, channel)?);
    let (already, found) = match end {
        Some(by) => {
            let (is_new, found) = registry.end(&name, &channel, by).await?;
            (!is_new, Some(found))
        }
        None => (false, registry.in_service(&name, &channel).await?),
    };
    let trial = found.as_ref().and_then(|found| Some((found, found.trial.as_ref()?)));
    let text = match trial {
        _ if as_json => {
            let facts = json!({
                "dataset": dataset,
                "channel": channel,
                "in_service": found.as_ref().map(|found| &found.release),
                "terms": trial.map(|(_, (terms, ..))| terms),
                "since": trial.map(|(_, (_, since, _))| since),
                "state": trial.map(|(_, (.., state))| state),
                "already": already,
            });
            format!("{facts}\n")
        }
        None => format!("{dataset} {channel}: nothing is tried\n"),
        Some((found, (terms, since, state))) => {
            let ended_before = if already { "it had ended before\n" } else { "" };
            let head = format!("{dataset} {channel}: {}, since {since}\n", headline(found, terms));
            format!("{head}{}{ended_before}{}", rules(terms, state), table(found, terms, state))
        }
    };
    print(&text)?;
    Ok(true)
}

fn headline(found: &InService, Terms { kind, candidate, share, .. }: &Terms) -> String {
    format!("{kind} {} beside {}, on {share} of the objects", candidate.version, found.pointer.version)
}

fn rules(terms: &Terms, state: &State) -> String {
    let mut text = String::new();
    for (what, rule) in [("promoted when", &terms.when), ("rolled back when", &terms.unless)] {
        if let Some(rule) = rule {
            text.push_str(&format!("{what}: {rule}\n"));
        }
    }
    text.push_str(&match &state.verdict {
        None => "it runs\n".to_owned(),
        Some(Verdict { outcome, at, rule, by }) => {
            let what = match outcome {
                Outcome::Promoted => "promoted",
                Outcome::RolledBack => "rolled back",
                Outcome::Ended => "ended by hand",
            };
            let rule = rule.as_ref().map(|rule| format!(" by `{rule}`")).unwrap_or_default();
            let by = by.as_ref().map(|by| format!(" by {}", by.0)).unwrap_or_default();
            format!("{what} at {at}{rule}{by}\n")
        }
    });
    text
}

fn table(found: &InService, terms: &Terms, State { counts, .. }: &State) -> String {
    let Counts { candidate, before, points, uncompared } = counts;
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    let [old, new] = [&found.pointer.version, &terms.candidate.version].map(ToString::to_string);
    table.set_header([String::new(), old, new]);
    let numbers = |side: &Side| [side.objects, side.failed, side.rows, side.rejected].map(|number| number.to_string());
    for ((name, old), new) in
        ["objects", "failed", "rows", "rejected"].into_iter().zip(numbers(before)).zip(numbers(candidate))
    {
        table.add_row([name.to_owned(), old, new]);
    }
    let seconds = |side: &Side| format!("{:.3} s", Duration::from_nanos(side.nanoseconds).as_secs_f64());
    table.add_row(["time".to_owned(), seconds(before), seconds(candidate)]);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut text = format!("{}\n", table.trim_fmt());
    if terms.kind == Kind::Shadow {
        let Points { equal, added, removed, changed } = points;
        text.push_str(&format!(
            "points: {equal} equal, {added} added, {removed} removed, {changed} changed\nobjects not compared: {uncompared}\n"
        ));
    }
    text
}
