//! What of a plan can be settled before the first row.

use super::escape::{self, Unwritable};
use super::fields::FieldSlot;
use super::tags::TagSlot;
use crate::converter::{Key, Plan, Point, Source};

/// Why a plan cannot be encoded at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {what} `{}` cannot be written", on_one_line(.name))]
pub struct LayoutError {
    /// What it names: `measurement`, `tag key` or `field key`.
    pub what: &'static str,
    /// The name.
    pub name: String,
    /// Why not.
    #[source]
    pub reason: Unwritable,
}

/// The name as it is, but for control characters, which are escaped as in Rust: a name must not forge a line of a log.
fn on_one_line(name: &str) -> String {
    let mut line = String::with_capacity(name.len());
    for character in name.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

/// A point of the plan with all that does not depend on the batch.
#[derive(Debug)]
pub(super) struct PointLayout {
    /// The measurement, escaped.
    pub(super) measurement: Vec<u8>,
    pub(super) time: Source,
    /// Sorted by key, those with the same key in the plan's order, those with translated keys last.
    pub(super) tags: Vec<TagSlot>,
    /// Whether each tag has a key of its own that is the same in every row, so that their order is settled.
    pub(super) tags_are_sorted: bool,
    /// In the plan's order.
    pub(super) fields: Vec<FieldSlot>,
    /// Whether two fields of a row may have the same key.
    pub(super) fields_may_collide: bool,
    pub(super) when: Option<usize>,
}

impl PointLayout {
    pub(super) fn new(point: &Point) -> Result<Self, LayoutError> {
        let mut measurement = Vec::new();
        escape::measurement(&point.measurement, &mut measurement).map_err(|reason| LayoutError {
            what: "measurement",
            name: point.measurement.clone(),
            reason,
        })?;
        let mut tags = point.tags.iter().map(TagSlot::new).collect::<Result<Vec<_>, _>>()?;
        tags.sort_by(|one, other| match (one.name(), other.name()) {
            (Some(one), Some(other)) => one.cmp(other),
            (one, other) => one.is_none().cmp(&other.is_none()),
        });
        let own_keys = |keys: &mut dyn Iterator<Item = &Key>| {
            let mut names = Vec::new();
            for key in keys {
                match key {
                    Key::Name(name) => names.push(name.as_str()),
                    Key::Translated(_) => return false,
                }
            }
            names.sort_unstable();
            names.windows(2).all(|pair| pair[0] != pair[1])
        };
        Ok(Self {
            measurement,
            time: point.time.clone(),
            tags,
            tags_are_sorted: own_keys(&mut point.tags.iter().map(|tag| &tag.key)),
            fields: point.fields.iter().map(FieldSlot::new).collect::<Result<_, _>>()?,
            fields_may_collide: !own_keys(&mut point.fields.iter().map(|field| &field.key)),
            when: point.when,
        })
    }
}

/// The columns that have to be decoded to execute a plan, each once, in the order of the file.
pub(super) fn columns(plan: &Plan) -> Vec<usize> {
    let direct = |source: &Source| match source {
        Source::Column(column) => Some(*column),
        Source::Translated(_) | Source::Computed(_) | Source::Constant(_) => None,
    };
    let mut columns: Vec<usize> = plan.reads.iter().chain(&plan.translations).copied().collect();
    for point in &plan.points {
        columns.extend(direct(&point.time));
        columns.extend(point.tags.iter().filter_map(|tag| direct(&tag.source)));
        columns.extend(point.fields.iter().filter_map(|field| direct(&field.source)));
    }
    columns.sort_unstable();
    columns.dedup();
    columns
}
