//! What was found, for people and for programs.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Failed, Found, Version};
use crate::compare::{Both, Comparison, Counts, Difference, Kind};
use crate::logs::on_one_line;
use crate::report::Failure;

/// How many values of tags are named.
const MAXIMUM_TAGS: usize = 10;

/// Text with a newline at its end.
pub(super) fn as_text(found: &Found) -> String {
    let mut text = String::new();
    for (name, Version { path, converter }) in [("old", &found.versions.old), ("new", &found.versions.new)] {
        let description = converter.description();
        text.push_str(&format!("{name}  {} {} ({path})\n", description.name, description.version));
    }
    text.push_str(&compared(&found.comparison, found.objects));
    for Failed { object, failures: Both { old, new } } in &found.failed {
        for (name, failure) in [("old", old), ("new", new)] {
            if let Some(failure) = failure {
                text.push_str(&format!("`{object}` fails with the {name} version: {failure}\n"));
            }
        }
    }
    text.push_str(if found.is_same() { "they make the same\n" } else { "they differ\n" });
    text
}

/// What was compared, as text.
pub(super) fn compared(comparison: &Comparison, objects: usize) -> String {
    let Comparison { points, duplicates, same, differing, .. } = comparison;
    let mut text = format!(
        "objects  {objects}\npoints   {} by the old version, {} by the new: {same} the same, {}\n",
        points.old,
        points.new,
        counts(*differing)
    );
    if *duplicates != Both::default() {
        let Both { old, new } = duplicates;
        text.push_str(&format!(
            "written again for the same series and time: {old} by the old version, {new} by the new\n"
        ));
    }
    let names =
        |counts: &BTreeMap<String, Counts>| counts.iter().map(|(name, &counts)| (name.clone(), counts)).collect();
    let tags =
        top_tags(comparison).into_iter().map(|((key, value), counts)| (format!("{key}={value}"), counts)).collect();
    let parts: [(&str, Vec<(String, Counts)>); 3] = [
        ("points by measurement", names(&comparison.measurements)),
        ("points by tag", tags),
        ("fields by key", names(&comparison.fields)),
    ];
    for (title, rows) in parts.iter().filter(|(_, rows)| !rows.is_empty()) {
        text.push_str(&format!("\n{title}\n"));
        for (name, of) in rows {
            text.push_str(&format!("  {}: {}\n", on_one_line(name), counts(*of)));
        }
    }
    rejected(comparison, &mut text);
    if !comparison.differences.is_empty() {
        text.push('\n');
        let kept = comparison.differences.len() as u64;
        comparison.differences.iter().for_each(|difference| whole(difference, &mut text));
        if differing.total() > kept {
            text.push_str(&format!("and {} more\n", differing.total() - kept));
        }
        text.push('\n');
    }
    text
}

fn counts(Counts { added, removed, changed }: Counts) -> String {
    format!("{added} added, {removed} removed, {changed} changed")
}

/// The values of tags that most of the differences touch, those first.
fn top_tags(comparison: &Comparison) -> Vec<((String, String), Counts)> {
    let mut tags: Vec<_> = comparison.tags.iter().map(|(tag, &counts)| (tag.clone(), counts)).collect();
    // Stable: those that are touched as often stay in the order of their text.
    tags.sort_by_key(|(_, counts)| std::cmp::Reverse(counts.total()));
    tags.truncate(MAXIMUM_TAGS);
    tags
}

fn rejected(comparison: &Comparison, text: &mut String) {
    let Comparison { rejected, rejected_only, rejected_otherwise, .. } = comparison;
    let parts = [
        ("rejected by the old version", &rejected.old),
        ("rejected by the new version", &rejected.new),
        ("rejected by the old version only", &rejected_only.old),
        ("rejected by the new version only", &rejected_only.new),
    ];
    if parts.iter().any(|(_, codes)| !codes.is_empty()) {
        text.push_str("\nrows\n");
    }
    for (title, codes) in parts.iter().filter(|(_, codes)| !codes.is_empty()) {
        let codes: Vec<String> = codes.iter().map(|(code, rows)| format!("{rows} {}", on_one_line(code))).collect();
        text.push_str(&format!("  {title}: {}\n", codes.join(", ")));
    }
    if *rejected_otherwise > 0 {
        text.push_str(&format!("  rejected by both with different codes: {rejected_otherwise}\n"));
    }
}

/// A difference: a point that one version makes as its line, one that both make with the fields that differ.
fn whole(Difference { kind, series, time, fields }: &Difference, text: &mut String) {
    let series = on_one_line(series);
    let absent = || "none".to_owned();
    match kind {
        Kind::Added | Kind::Removed => {
            let sign = if *kind == Kind::Added { '+' } else { '-' };
            let fields: Vec<String> = fields
                .iter()
                .filter_map(|field| Some((&field.key, field.new.as_ref().or(field.old.as_ref())?)))
                .map(|(key, value)| format!("{}={}", on_one_line(key), on_one_line(value)))
                .collect();
            text.push_str(&format!("{sign} {series} {} {time}\n", fields.join(",")));
        }
        Kind::Changed => {
            text.push_str(&format!("~ {series} {time}\n"));
            for field in fields {
                let [old, new] =
                    [&field.old, &field.new].map(|value| value.as_deref().map_or_else(absent, on_one_line));
                text.push_str(&format!("    {}: {old} → {new}\n", on_one_line(&field.key)));
            }
        }
    }
}

/// The same for programs.
pub(super) fn facts(found: &Found) -> Value {
    let Comparison { points, duplicates, same, differing, .. } = &found.comparison;
    let comparison = &found.comparison;
    let version = |Version { path, converter }: &Version| {
        let description = converter.description();
        json!({
            "component": path, "name": description.name, "version": description.version, "digest": converter.digest(),
        })
    };
    let named = |key: &str, counts: &BTreeMap<String, Counts>| -> Vec<Value> {
        counts.iter().map(|(name, counts)| with_counts(json!({ key: name }), *counts)).collect()
    };
    let tags: Vec<Value> = top_tags(comparison)
        .into_iter()
        .map(|((key, value), counts)| with_counts(json!({ "key": key, "value": value }), counts))
        .collect();
    let message = |failure: &Option<Failure>| failure.as_ref().map(|failure| failure.message().to_owned());
    let failed: Vec<Value> = found
        .failed
        .iter()
        .map(|Failed { object, failures }| {
            let mut failed = json!({ "object": object, "old": message(&failures.old), "new": message(&failures.new) });
            for (member, failure) in [("old_hint", &failures.old), ("new_hint", &failures.new)] {
                if let Some(hint) = failure.as_ref().and_then(Failure::hint) {
                    failed[member] = json!(hint);
                }
            }
            failed
        })
        .collect();
    json!({
        "same": found.is_same(),
        "dataset": found.dataset,
        "old": version(&found.versions.old),
        "new": version(&found.versions.new),
        "objects": found.objects,
        "points": with_counts(json!({ "old": points.old, "new": points.new, "same": same }), *differing),
        "duplicates": duplicates,
        "measurements": named("measurement", &comparison.measurements),
        "tags": tags,
        "fields": named("key", &comparison.fields),
        "rejected": comparison.rejected,
        "rejected_only": comparison.rejected_only,
        "rejected_otherwise": comparison.rejected_otherwise,
        "differences": comparison.differences,
        "failed": failed,
    })
}

fn with_counts(mut facts: Value, counts: Counts) -> Value {
    facts["added"] = json!(counts.added);
    facts["removed"] = json!(counts.removed);
    facts["changed"] = json!(counts.changed);
    facts
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::compare::lines::points;

    #[test]
    fn differences_are_told_by_measurement_tag_field_and_whole() {
        let mut comparison = Comparison::default();
        let old = "a,t=x f=1,g=2i,s=\"one\ntwo\" 1\na,t=x f=1 2\na,t=y f=1 1\na,t=y f=1 1\n";
        let new = "b,t=x f=1 1\na,t=x f=1 2\na,t=x f=1.5,g=2i,u=true 1\n";
        comparison.add_points(points(old).unwrap(), points(new).unwrap());
        let rows = |rows: &[(u64, &str)]| rows.iter().map(|&(row, code)| (row, code.to_owned())).collect();
        comparison.add_rejected(&rows(&[(1, "late"), (2, "late")]), &rows(&[(2, "bad"), (3, "bad")]));
        insta::assert_snapshot!(compared(&comparison, 1), @r#"
        objects  1
        points   3 by the old version, 3 by the new: 1 the same, 1 added, 1 removed, 1 changed
        written again for the same series and time: 1 by the old version, 0 by the new

        points by measurement
          a: 0 added, 1 removed, 1 changed
          b: 1 added, 0 removed, 0 changed

        points by tag
          t=x: 1 added, 0 removed, 1 changed
          t=y: 0 added, 1 removed, 0 changed

        fields by key
          f: 1 added, 1 removed, 1 changed
          s: 0 added, 1 removed, 0 changed
          u: 1 added, 0 removed, 0 changed

        rows
          rejected by the old version: 2 late
          rejected by the new version: 2 bad
          rejected by the old version only: 1 late
          rejected by the new version only: 1 bad
          rejected by both with different codes: 1

        ~ a,t=x 1
            f: 1 → 1.5
            s: "one\ntwo" → none
            u: none → true
        - a,t=y f=1 1
        + b,t=x f=1 1
        "#);
    }
}
