//! What is counted while a trial runs.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// What one of two versions has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Side {
    /// Objects, converted or failed. One that was converted in parts counts with its last part.
    pub objects: u64,
    /// Their rows.
    pub rows: u64,
    /// Rows among them that were rejected.
    pub rejected: u64,
    /// Objects that failed by the converter's fault.
    pub failed: u64,
    /// The time that converting took.
    pub nanoseconds: u64,
}

/// How the points of two versions compare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Points {
    /// Made alike by both.
    pub equal: u64,
    /// Made by the candidate alone.
    pub added: u64,
    /// Made by the promoted version alone.
    pub removed: u64,
    /// Made by both, with a field that differs.
    pub changed: u64,
}

/// What is counted of a trial.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// What the candidate has done.
    pub candidate: Side,
    /// What the promoted version has done: of the same objects beside a shadow, of all others beside a canary.
    pub before: Side,
    /// How their points compare; nothing beside a canary.
    pub points: Points,
    /// Objects that were not compared.
    pub uncompared: u64,
}

impl Points {
    /// All points that were compared.
    pub fn total(&self) -> u64 {
        [self.added, self.removed, self.changed].into_iter().fold(self.equal, u64::saturating_add)
    }
}

/// A sum stays at the most that can be counted: what is read of it was written by others.
impl AddAssign for Side {
    fn add_assign(&mut self, other: Self) {
        self.objects = self.objects.saturating_add(other.objects);
        self.rows = self.rows.saturating_add(other.rows);
        self.rejected = self.rejected.saturating_add(other.rejected);
        self.failed = self.failed.saturating_add(other.failed);
        self.nanoseconds = self.nanoseconds.saturating_add(other.nanoseconds);
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.candidate += other.candidate;
        self.before += other.before;
        self.points.equal = self.points.equal.saturating_add(other.points.equal);
        self.points.added = self.points.added.saturating_add(other.points.added);
        self.points.removed = self.points.removed.saturating_add(other.points.removed);
        self.points.changed = self.points.changed.saturating_add(other.points.changed);
        self.uncompared = self.uncompared.saturating_add(other.uncompared);
    }
}

impl Counts {
    /// Takes away what was added before.
    pub(super) fn subtract(&mut self, other: Self) {
        let less = |side: &mut Side, other: Side| {
            side.objects = side.objects.saturating_sub(other.objects);
            side.rows = side.rows.saturating_sub(other.rows);
            side.rejected = side.rejected.saturating_sub(other.rejected);
            side.failed = side.failed.saturating_sub(other.failed);
            side.nanoseconds = side.nanoseconds.saturating_sub(other.nanoseconds);
        };
        less(&mut self.candidate, other.candidate);
        less(&mut self.before, other.before);
        self.points.equal = self.points.equal.saturating_sub(other.points.equal);
        self.points.added = self.points.added.saturating_sub(other.points.added);
        self.points.removed = self.points.removed.saturating_sub(other.points.removed);
        self.points.changed = self.points.changed.saturating_sub(other.points.changed);
        self.uncompared = self.uncompared.saturating_sub(other.uncompared);
    }
}
