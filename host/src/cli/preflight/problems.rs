//! What would be lost, or is worth knowing, of points that meet what the server has.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::points::{Dialect, go_duration};
use crate::report::Accounts;
use crate::sink::survey::{Findings, Table};
use crate::sink::{Bucket, Engine, ServerTable};

/// The most shards that a load touches without a remark.
const MANY_SHARDS: u64 = crate::points::MANY_SHARDS as u64;

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Problem {
    /// What kind it is of, for scripts.
    pub(super) kind: &'static str,
    /// Of which measurement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) measurement: Option<String>,
    /// Of which field or tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<String>,
    /// How many rows it is about, or points where it has a measurement, where they can be counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) count: Option<u64>,
    /// Whether something would be lost: refused, replaced, or kept where queries do not find it.
    pub(super) lost: bool,
    /// For people.
    pub(super) message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hint: Option<String>,
}

impl Problem {
    pub(super) fn new(kind: &'static str, lost: bool, message: impl Into<String>) -> Self {
        Self { kind, measurement: None, key: None, count: None, lost, message: message.into(), hint: None }
    }

    fn of(self, measurement: &str, key: &str, count: u64) -> Self {
        Self { measurement: Some(measurement.to_owned()), key: Some(key.to_owned()), count: Some(count), ..self }
    }

    fn rows(self, count: u64) -> Self {
        Self { count: Some(count), ..self }
    }
}

/// Of rows: those that are rejected, and those that are replaced.
pub(super) fn of_rows(accounts: &Accounts) -> Vec<Problem> {
    let rejected = accounts.rejected.iter().map(|(code, rows)| {
        let message = if code == "outside-retention" {
            "rows are older than what the bucket keeps: lengthen its retention first".to_owned()
        } else {
            format!("rows are rejected as `{code}`: `REJECTS_URI` keeps them")
        };
        Problem::new(if code == "outside-retention" { "outside-retention" } else { "rejected" }, true, message)
            .rows(*rows)
    });
    let mut problems: Vec<Problem> = rejected.collect();
    if accounts.superseded > 0 {
        let message =
            "rows replace a row before them, of the same series and time: is a column missing among the tags?";
        problems.push(Problem::new("duplicates", true, message).rows(accounts.superseded));
    }
    problems
}

/// Of time: points near the end of the retention, and shards.
pub(super) fn of_time(findings: &Findings, bucket: Option<&Bucket>, now: i64) -> Vec<Problem> {
    let mut problems = Vec::new();
    let Some(bucket) = bucket else { return problems };
    if findings.too_old > 0 {
        let message = "points lie before the bound of the retention, near it: the server may refuse them";
        problems.push(Problem::new("outside-retention", true, message).rows(findings.too_old));
    }
    if let (None, Some(retention), Some((first, _))) = (bucket.shard, bucket.retention, findings.times) {
        let bound = now.saturating_sub(i64::try_from(retention.as_nanos()).unwrap_or(i64::MAX));
        if first < bound {
            let duration = go_duration::of(retention);
            let message = format!(
                "points are older than the {duration} that are kept: InfluxDB 3 takes them, and no query shows them"
            );
            problems.push(Problem::new("outside-retention", true, message));
        }
    }
    if let (Some(shards), Some(shard), Some(command)) = (findings.shards, bucket.shard, bucket.lengthening())
        && shards > MANY_SHARDS
    {
        let duration = go_duration::of(shard);
        let message = format!(
            "points lie in {shards} shards of {duration}, each of which costs the server open files, memory and time; before the load, \
             make those longer that are yet to be made: `{command}`"
        );
        problems.push(Problem::new("many-shards", false, message));
    }
    problems
}

/// Of measurements, beside what the server has of them.
pub(super) fn of_tables(findings: &Findings, there: &BTreeMap<String, ServerTable>, engine: Engine) -> Vec<Problem> {
    let nothing = ServerTable::default();
    let mut problems = Vec::new();
    for (measurement, table) in &findings.tables {
        let there = there.get(measurement).unwrap_or(&nothing);
        types(measurement, table, there, engine, &mut problems);
        tags(measurement, table, there, engine, &mut problems);
        columns(measurement, table, there, engine, &mut problems);
    }
    problems
}

fn types(measurement: &str, table: &Table, there: &ServerTable, engine: Engine, problems: &mut Vec<Problem>) {
    for (field, kinds) in &table.fields {
        let none = BTreeSet::new();
        let known = there.fields.get(field).unwrap_or(&none);
        for (kind, points) in kinds {
            if known.iter().any(|known| known != kind.name()) {
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                let consequence = match engine {
                    Engine::V1 | Engine::V2 => {
                        "the server refuses the points in shards of the other type, and takes them in others, where queries do not \
                         find them"
                    }
                    Engine::V3 => "the server refuses them",
                };
                let message =
                    format!("{} in the input, {} in the server: {consequence}", kind.name(), known.join(" and "));
                problems.push(Problem::new("type-conflict", true, message).of(measurement, field, *points));
            }
        }
        if kinds.len() > 1 {
            let names: Vec<&str> = kinds.keys().map(|kind| kind.name()).collect();
            let rarer = kinds.values().sum::<u64>() - kinds.values().max().copied().unwrap_or_default();
            let message = format!("the input itself has {}: only one of them is kept", names.join(" and "));
            problems.push(Problem::new("type-conflict", true, message).of(measurement, field, rarer));
        }
    }
}

fn tags(measurement: &str, table: &Table, there: &ServerTable, engine: Engine, problems: &mut Vec<Problem>) {
    let refused = engine == Engine::V3;
    let consequence = if refused { "the server refuses the points" } else { "queries must distinguish them" };
    for (tag, points) in &table.tags {
        if there.fields.contains_key(tag) {
            let message = format!("a tag in the input, a field in the server: {consequence}");
            problems.push(Problem::new("tag-and-field", refused, message).of(measurement, tag, *points));
        }
        if let Some(kinds) = table.fields.get(tag) {
            let message = format!("a tag and a field in the input: {consequence}");
            problems.push(Problem::new("tag-and-field", refused, message).of(measurement, tag, kinds.values().sum()));
        }
    }
    for (field, kinds) in &table.fields {
        if there.tags.contains(field) {
            let message = format!("a field in the input, a tag in the server: {consequence}");
            problems.push(Problem::new("tag-and-field", refused, message).of(measurement, field, kinds.values().sum()));
        }
    }
}

fn columns(measurement: &str, table: &Table, there: &ServerTable, engine: Engine, problems: &mut Vec<Problem>) {
    let most = match engine {
        Engine::V1 | Engine::V2 => return,
        Engine::V3 => Dialect::V3.columns().unwrap_or(usize::MAX),
    };
    let names = table.fields.keys().chain(table.tags.keys()).chain(there.fields.keys()).chain(&there.tags);
    // With the time.
    let columns = names.collect::<BTreeSet<_>>().len() + 1;
    if columns > most {
        let message = format!("the table would have {columns} columns with the existing ones, and may have {most}");
        let problem = Problem::new("too-many-columns", true, message);
        problems.push(Problem { measurement: Some(measurement.to_owned()), ..problem });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::survey::Kind;

    fn input(fields: &[(&str, Kind, u64)], tags: &[&str]) -> Findings {
        let mut table = Table::default();
        for (field, kind, points) in fields {
            table.fields.entry((*field).to_owned()).or_default().insert(*kind, *points);
        }
        table.tags = tags.iter().map(|tag| ((*tag).to_owned(), 1)).collect();
        Findings { tables: BTreeMap::from([("m".to_owned(), table)]), ..Findings::default() }
    }

    fn server(fields: &[(&str, &[&str])], tags: &[&str]) -> BTreeMap<String, ServerTable> {
        let fields = fields
            .iter()
            .map(|(field, types)| ((*field).to_owned(), types.iter().map(|name| (*name).to_owned()).collect()));
        let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        BTreeMap::from([("m".to_owned(), ServerTable { fields: fields.collect(), tags })])
    }

    fn found(
        findings: &Findings,
        there: &BTreeMap<String, ServerTable>,
        engine: Engine,
    ) -> Vec<(String, String, u64, bool)> {
        let problems = of_tables(findings, there, engine);
        let told = problems.into_iter().map(|problem| {
            (problem.kind.to_owned(), problem.key.unwrap_or_default(), problem.count.unwrap_or_default(), problem.lost)
        });
        told.collect()
    }

    fn told(kind: &str, key: &str, count: u64, lost: bool) -> (String, String, u64, bool) {
        (kind.to_owned(), key.to_owned(), count, lost)
    }

    #[test]
    fn a_field_of_another_type_is_a_conflict_also_where_the_server_has_both() {
        let findings =
            input(&[("a", Kind::Float, 3), ("b", Kind::Float, 4), ("c", Kind::Text, 5), ("d", Kind::Float, 6)], &[]);
        let there = server(&[("a", &["float"]), ("b", &["integer"]), ("c", &["boolean", "string"])], &[]);
        for engine in [Engine::V1, Engine::V2, Engine::V3] {
            let expected = [told("type-conflict", "b", 4, true), told("type-conflict", "c", 5, true)];
            assert_eq!(found(&findings, &there, engine), expected);
        }
    }

    #[test]
    fn an_input_may_be_in_conflict_with_itself() {
        let findings = input(&[("a", Kind::Float, 3), ("a", Kind::Text, 9)], &[]);
        assert_eq!(found(&findings, &BTreeMap::new(), Engine::V2), [told("type-conflict", "a", 3, true)]);
    }

    #[test]
    fn tags_that_are_fields_there_are_refused_by_3_alone() {
        let findings = input(&[("f", Kind::Float, 2)], &["t"]);
        let there = server(&[("t", &["string"])], &["f"]);
        for (engine, lost) in [(Engine::V1, false), (Engine::V2, false), (Engine::V3, true)] {
            let expected = [told("tag-and-field", "t", 1, lost), told("tag-and-field", "f", 2, lost)];
            assert_eq!(found(&findings, &there, engine), expected);
        }
    }

    #[test]
    fn columns_count_with_those_that_are_there() {
        let names: Vec<String> = (0..498).map(|number| format!("c{number}")).collect();
        let there: Vec<(&str, &[&str])> = names.iter().map(|name| (name.as_str(), ["float"].as_slice())).collect();
        let there = server(&there, &[]);
        assert_eq!(found(&input(&[("c1", Kind::Float, 1), ("x", Kind::Float, 1)], &[]), &there, Engine::V3), []);
        let findings = input(&[("x", Kind::Float, 1), ("y", Kind::Float, 1)], &[]);
        assert_eq!(found(&findings, &there, Engine::V3), [told("too-many-columns", "", 0, true)]);
        assert_eq!(found(&findings, &there, Engine::V2), []);
    }
}
