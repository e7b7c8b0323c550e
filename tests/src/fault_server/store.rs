//! What an engine has kept.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::lines::{Point, Value};

/// How many differences are shown.
const TOLD_DIFFERENCES: usize = 10;

/// The points that an engine has kept: of each series and time one, with the last value of each field.
#[derive(Clone, Debug, Default)]
pub struct Store {
    points: BTreeMap<(String, i64), Point>,
    written_otherwise: Vec<String>,
}

impl Store {
    /// Takes a point, as all engines do: the fields that it has get the new value, others stay.
    pub(super) fn insert(&mut self, point: Point) {
        let series = point.series();
        let time = point.time;
        let Some(before) = self.points.get_mut(&(series.clone(), time)) else {
            self.points.insert((series, time), point);
            return;
        };
        for (field, value) in point.fields {
            let old = before.fields.insert(field.clone(), value);
            let new = &before.fields[&field];
            if let Some(old) = old.filter(|old| old != new) {
                self.written_otherwise.push(format!("{series} {time}: {field} was {old}, then {new}"));
            }
        }
    }

    /// How many points there are.
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// The points, by series and time.
    pub fn points(&self) -> impl Iterator<Item = &Point> {
        self.points.values()
    }

    /// The points for which `keep` is true.
    #[must_use]
    pub fn filtered(mut self, keep: impl Fn(&Point) -> bool) -> Self {
        self.points.retain(|_, point| keep(point));
        self
    }

    /// The fields that were ever written with another value than before, each with its series, its time and both values.
    pub fn written_otherwise(&self) -> &[String] {
        &self.written_otherwise
    }

    /// What is missing, superfluous, or not the same, a line each; empty where nothing is.
    pub fn difference(&self, expected: &Self) -> String {
        let mut differences = Vec::new();
        for (key, point) in &expected.points {
            match self.points.get(key) {
                None => differences.push(format!("missing: {}", shown(point))),
                Some(found) if found != point => {
                    differences.push(format!("expected: {}\n   found: {}", shown(point), shown(found)));
                }
                Some(_) => {}
            }
        }
        for (key, point) in &self.points {
            if !expected.points.contains_key(key) {
                differences.push(format!("too much: {}", shown(point)));
            }
        }
        told(&differences)
    }
}

fn shown(point: &Point) -> String {
    let fields: Vec<String> = point.fields.iter().map(|(key, value): (_, &Value)| format!("{key}={value}")).collect();
    format!("{} {} {}", point.series(), fields.join(","), point.time)
}

fn told(differences: &[String]) -> String {
    let mut told = differences.iter().take(TOLD_DIFFERENCES).cloned().collect::<Vec<_>>();
    if let Some(more @ 1..) = differences.len().checked_sub(TOLD_DIFFERENCES) {
        told.push(format!("and {more} more"));
    }
    told.join("\n")
}

/// Lines that an engine has kept without reading them: a hash of each. For loads of millions of lines, of which it is
/// enough to know whether they are the lines of another load.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineSet(HashSet<u128>);

impl LineSet {
    /// The hash of a line.
    pub(super) fn hash(line: &str) -> u128 {
        let half = |seed: u8| {
            let mut hasher = DefaultHasher::new();
            hasher.write_u8(seed);
            line.hash(&mut hasher);
            u128::from(hasher.finish())
        };
        half(0) << 64 | half(1)
    }

    pub(super) fn insert(&mut self, hash: u128) {
        self.0.insert(hash);
    }

    /// How many different lines there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many lines of `expected` are missing here, and how many lines are here that `expected` lacks.
    pub fn difference(&self, expected: &Self) -> (usize, usize) {
        (expected.0.difference(&self.0).count(), self.0.difference(&expected.0).count())
    }
}
