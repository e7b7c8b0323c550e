//! The points and the rejected rows of two versions of a converter → how they differ. No input or output.

pub(crate) mod lines;

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::Serialize;

use lines::Point;

/// How many differences are kept whole.
pub(crate) const MAXIMUM_DIFFERENCES: usize = 20;

/// How many different tags, measurements, fields and codes are told apart, each: what differs everywhere would name every value
/// of every tag.
const MAXIMUM_NAMES: usize = 100_000;

/// Something of the old version and of the new one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Both<T> {
    pub(crate) old: T,
    pub(crate) new: T,
}

/// How much differs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    pub(crate) added: u64,
    pub(crate) removed: u64,
    pub(crate) changed: u64,
}

impl Counts {
    pub(crate) fn total(self) -> u64 {
        self.added + self.removed + self.changed
    }

    fn add(&mut self, kind: Kind) {
        match kind {
            Kind::Added => self.added += 1,
            Kind::Removed => self.removed += 1,
            Kind::Changed => self.changed += 1,
        }
    }
}

/// In what way a point or a field differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Added,
    Removed,
    Changed,
}

/// A field that differs; its values as they are written in line protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct FieldDifference {
    pub(crate) key: String,
    pub(crate) old: Option<String>,
    pub(crate) new: Option<String>,
}

impl FieldDifference {
    fn kind(&self) -> Kind {
        match (&self.old, &self.new) {
            (None, _) => Kind::Added,
            (_, None) => Kind::Removed,
            _ => Kind::Changed,
        }
    }
}

/// A point that differs, with those of its fields that do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Difference {
    pub(crate) kind: Kind,
    /// The measurement and the tags, as they are written in line protocol.
    pub(crate) series: String,
    /// In nanoseconds since 1970.
    pub(crate) time: i64,
    pub(crate) fields: Vec<FieldDifference>,
}

/// How all that was compared differs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Comparison {
    /// Points, those with the same series and time counted once.
    pub(crate) points: Both<u64>,
    /// Points that have the series and the time of one before them.
    pub(crate) duplicates: Both<u64>,
    pub(crate) same: u64,
    pub(crate) differing: Counts,
    pub(crate) measurements: BTreeMap<String, Counts>,
    /// By key and value.
    pub(crate) tags: BTreeMap<(String, String), Counts>,
    pub(crate) fields: BTreeMap<String, Counts>,
    /// The first of the points that differ, by object, series and time.
    pub(crate) differences: Vec<Difference>,
    /// Rejected rows, by code.
    pub(crate) rejected: Both<BTreeMap<String, u64>>,
    /// Rows that only one version rejects, by code.
    pub(crate) rejected_only: Both<BTreeMap<String, u64>>,
    /// Rows that both versions reject, under different codes.
    pub(crate) rejected_otherwise: u64,
}

impl Comparison {
    /// Whether nothing differs.
    pub(crate) fn is_same(&self) -> bool {
        let Both { old, new } = &self.rejected_only;
        self.differing.total() == 0 && old.is_empty() && new.is_empty() && self.rejected_otherwise == 0
    }

    /// Compares the points that two versions make of one object, each in the order in which they are written.
    pub(crate) fn add_points(&mut self, old: Vec<Point<'_>>, new: Vec<Point<'_>>) {
        let (old, new) = (in_order(old), in_order(new));
        let (mut old, mut new) = (groups(&old).peekable(), groups(&new).peekable());
        loop {
            let order = match (old.peek(), new.peek()) {
                (None, None) => return,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(old), Some(new)) => identity(old).cmp(&identity(new)),
            };
            let old = old.next_if(|_| order.is_le()).unwrap_or_default();
            let new = new.next_if(|_| order.is_ge()).unwrap_or_default();
            self.add_pair(old, new);
        }
    }

    /// Compares what the versions write for one series and time.
    fn add_pair(&mut self, old: &[Point<'_>], new: &[Point<'_>]) {
        for (points, count, duplicates) in [
            (old, &mut self.points.old, &mut self.duplicates.old),
            (new, &mut self.points.new, &mut self.duplicates.new),
        ] {
            *count += u64::from(!points.is_empty());
            *duplicates += points.len().saturating_sub(1) as u64;
        }
        let is_same_text = matches!((old, new), ([old], [new]) if old.fields == new.fields);
        let fields = if is_same_text { Vec::new() } else { fields(old, new) };
        let Some(point) = old.first().or(new.first()).filter(|_| !fields.is_empty()) else {
            self.same += 1;
            return;
        };
        let kind = match (old, new) {
            ([], _) => Kind::Added,
            (_, []) => Kind::Removed,
            _ => Kind::Changed,
        };
        self.differing.add(kind);
        add(&mut self.measurements, lines::measurement(&point.series), kind);
        for tag in lines::tags(&point.series) {
            add(&mut self.tags, tag, kind);
        }
        for field in &fields {
            add(&mut self.fields, field.key.clone(), field.kind());
        }
        if self.differences.len() < MAXIMUM_DIFFERENCES {
            let series = point.series.clone().into_owned();
            self.differences.push(Difference { kind, series, time: point.time, fields });
        }
    }

    /// Compares the rows that two versions reject of one object: the code of each.
    pub(crate) fn add_rejected(&mut self, old: &BTreeMap<u64, String>, new: &BTreeMap<u64, String>) {
        let count = |counts: &mut BTreeMap<String, u64>, code: &String| *counts.entry(code.clone()).or_default() += 1;
        for (row, code) in old {
            count(&mut self.rejected.old, code);
            match new.get(row) {
                None => count(&mut self.rejected_only.old, code),
                Some(other) => self.rejected_otherwise += u64::from(other != code),
            }
        }
        for (row, code) in new {
            count(&mut self.rejected.new, code);
            if !old.contains_key(row) {
                count(&mut self.rejected_only.new, code);
            }
        }
    }
}

/// Counts a difference under a name, unless there are too many others.
fn add<K: Ord>(names: &mut BTreeMap<K, Counts>, name: K, kind: Kind) {
    if names.len() < MAXIMUM_NAMES || names.contains_key(&name) {
        names.entry(name).or_default().add(kind);
    }
}

/// What makes two points the same one to InfluxDB.
fn identity<'a>(points: &'a [Point<'_>]) -> Option<(&'a str, i64)> {
    points.first().map(|point| (&*point.series, point.time))
}

/// Points by series and time, those with the same in the order in which they are written.
fn in_order(mut points: Vec<Point<'_>>) -> Vec<Point<'_>> {
    points.sort_by(|one, other| (&one.series, one.time).cmp(&(&other.series, other.time)));
    points
}

/// Points with the same series and time.
fn groups<'a, 'b>(points: &'a [Point<'b>]) -> impl Iterator<Item = &'a [Point<'b>]> {
    points.chunk_by(|one, other| (&one.series, one.time) == (&other.series, other.time))
}

/// The fields that differ, by key.
fn fields(old: &[Point<'_>], new: &[Point<'_>]) -> Vec<FieldDifference> {
    let (mut old, mut new) = (merged(old), merged(new));
    let mut differences = Vec::new();
    for (key, old) in std::mem::take(&mut old) {
        let new = new.remove(&key);
        if new != Some(old) {
            differences.push(FieldDifference { key, old: Some(old.to_owned()), new: new.map(str::to_owned) });
        }
    }
    let added = new.into_iter().map(|(key, new)| FieldDifference { key, old: None, new: Some(new.to_owned()) });
    differences.extend(added);
    differences.sort_by(|one, other| one.key.cmp(&other.key));
    differences
}

/// What InfluxDB keeps of points with the same series and time: every field, and of each the last value.
fn merged<'a>(points: &[Point<'a>]) -> BTreeMap<String, &'a str> {
    points.iter().flat_map(|point| lines::fields(point.fields)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::lines::points;
    use super::*;

    fn compared(old: &str, new: &str) -> Comparison {
        let mut comparison = Comparison::default();
        comparison.add_points(points(old).unwrap(), points(new).unwrap());
        comparison
    }

    #[test]
    fn points_are_added_removed_and_changed_by_series_and_time() {
        let comparison = compared(
            "a,t=x f=1,g=2i,s=\"o\" 1\na,t=x f=1 2\na,t=y f=1 1\n",
            "b f=1 1\na,t=x f=1 2\na,t=x g=2i,f=1.5,u=true 1\n",
        );
        assert_eq!((comparison.same, comparison.points.old, comparison.points.new), (1, 3, 3));
        let differences: Vec<String> =
            comparison.differences.iter().map(|difference| serde_json::to_string(difference).unwrap()).collect();
        insta::assert_snapshot!(differences.join("\n"), @r#"
        {"kind":"changed","series":"a,t=x","time":1,"fields":[{"key":"f","old":"1","new":"1.5"},{"key":"s","old":"\"o\"","new":null},{"key":"u","old":null,"new":"true"}]}
        {"kind":"removed","series":"a,t=y","time":1,"fields":[{"key":"f","old":"1","new":null}]}
        {"kind":"added","series":"b","time":1,"fields":[{"key":"f","old":null,"new":"1"}]}
        "#);
        insta::assert_compact_debug_snapshot!(comparison.measurements, @r#"{"a": Counts { added: 0, removed: 1, changed: 1 }, "b": Counts { added: 1, removed: 0, changed: 0 }}"#);
        insta::assert_compact_debug_snapshot!(comparison.tags, @r#"{("t", "x"): Counts { added: 0, removed: 0, changed: 1 }, ("t", "y"): Counts { added: 0, removed: 1, changed: 0 }}"#);
        insta::assert_compact_debug_snapshot!(comparison.fields, @r#"{"f": Counts { added: 1, removed: 1, changed: 1 }, "s": Counts { added: 0, removed: 1, changed: 0 }, "u": Counts { added: 1, removed: 0, changed: 0 }}"#);
        assert!(!comparison.is_same());
    }

    #[test]
    fn the_order_of_points_tags_and_fields_does_not_matter() {
        let comparison = compared("a,t=x,u=y f=1,g=2 1\nb f=1 1\n", "b f=1 1\na,u=y,t=x g=2,f=1 1\n");
        assert!(comparison.is_same(), "{comparison:?}");
        assert_eq!(comparison.same, 2);
    }

    #[test]
    fn of_points_with_the_same_series_and_time_the_last_value_of_each_field_is_kept() {
        let comparison = compared("a f=1,g=1 1\na f=2 1\na f=3 1\n", "a f=3,g=1 1\n");
        assert!(comparison.is_same(), "{comparison:?}");
        assert_eq!(comparison.duplicates, Both { old: 2, new: 0 });
        assert_eq!(comparison.points, Both { old: 1, new: 1 });
        // Not by the order of their text.
        assert!(!compared("a f=1 1\na f=2 1\n", "a f=2 1\na f=1 1\n").is_same());
    }

    #[test]
    fn only_the_first_differences_are_kept_and_all_are_counted() {
        let lines: String = (0..50).map(|time| format!("a f=1 {time}\n")).collect();
        let comparison = compared(&lines, "");
        assert_eq!(comparison.differing, Counts { removed: 50, ..Counts::default() });
        assert_eq!(comparison.differences.len(), MAXIMUM_DIFFERENCES);
    }

    #[test]
    fn rejected_rows_are_compared_by_row_and_code() {
        let rows = |rows: &[(u64, &str)]| rows.iter().map(|&(row, code)| (row, code.to_owned())).collect();
        let mut comparison = Comparison::default();
        comparison.add_rejected(&rows(&[(1, "late"), (2, "late")]), &rows(&[(1, "late"), (2, "late")]));
        assert!(comparison.is_same());
        comparison.add_rejected(&rows(&[(1, "late"), (2, "late")]), &rows(&[(2, "bad"), (3, "bad")]));
        assert!(!comparison.is_same());
        insta::assert_compact_debug_snapshot!(
            (&comparison.rejected, &comparison.rejected_only, comparison.rejected_otherwise),
            @r#"(Both { old: {"late": 4}, new: {"bad": 2, "late": 2} }, Both { old: {"late": 1}, new: {"bad": 1} }, 1)"#);
    }
}
