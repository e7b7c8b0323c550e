//! What of a plan can be settled before the first row.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::dialect::{Dialect, Engines};
use super::error::LayoutError;
use super::fields::FieldSlot;
use super::measurement::MeasurementSlot;
use super::recent::FIELD_BITS;
use super::rules::Unwritable;
use super::tags::TagSlot;
use super::times::TimeText;
use crate::converter::{Key, Plan, Point, Source};

/// The names that a plan gives to tags and fields of a measurement.
#[derive(Debug, Default)]
pub(super) struct Columns {
    tags: Arc<BTreeSet<String>>,
    fields: Arc<BTreeSet<String>>,
}

/// The columns of each measurement of a plan, where the engine has rules for them; nothing, where it has none.
pub(super) fn tables(plan: &Plan, dialect: Dialect) -> Result<BTreeMap<&Key, Columns>, LayoutError> {
    let Some(most) = dialect.columns() else { return Ok(BTreeMap::new()) };
    let name = |key: &Key| match key {
        Key::Name(name) => Some(name.clone()),
        Key::Translated(_) | Key::Joined(_) => None,
    };
    let mut names: BTreeMap<&Key, (BTreeSet<String>, BTreeSet<String>)> = BTreeMap::new();
    for point in &plan.points {
        let (tags, fields) = names.entry(&point.measurement).or_default();
        tags.extend(point.tags.iter().filter_map(|tag| name(&tag.key)));
        fields.extend(point.fields.iter().filter_map(|field| name(&field.key)));
    }
    let table = |(measurement, (tags, fields)): (_, (BTreeSet<String>, BTreeSet<String>))| {
        if let Some(name) = tags.intersection(&fields).next() {
            return Err(LayoutError::new("field key", name, Unwritable::TagAndField(Engines::V3)));
        }
        let columns = tags.len() + fields.len() + 1;
        if columns > most {
            let reason = Unwritable::TooManyColumns(columns, most, Engines::V3);
            let measurement = Key::name(measurement).unwrap_or("of a translation");
            return Err(LayoutError::new("measurement", measurement, reason));
        }
        Ok((measurement, Columns { tags: Arc::new(tags), fields: Arc::new(fields) }))
    };
    names.into_iter().map(table).collect()
}

/// A point of the plan with all that does not depend on the batch.
#[derive(Debug)]
pub(super) struct PointLayout {
    pub(super) measurement: MeasurementSlot,
    pub(super) time: Source,
    pub(super) time_text: TimeText,
    /// Sorted by key where the engine has less work with that, else in the plan's order, in which those with the same key are;
    /// those with translated keys last.
    pub(super) tags: Vec<TagSlot>,
    /// Whether each tag has a key of its own that is the same in every row, so that their order is settled.
    pub(super) tags_are_settled: bool,
    /// In the plan's order.
    pub(super) fields: Vec<FieldSlot>,
    /// Whether fields of the measurement, in whichever point, are distinguished by their keys, since some keys are known only with
    /// the row.
    pub(super) fields_by_key: bool,
    /// Whether two fields of a row may have the same key.
    pub(super) fields_may_collide: bool,
    /// Whether a tag and a field of a row may have the same key where that is forbidden.
    pub(super) tags_may_be_fields: bool,
    pub(super) when: Option<usize>,
}

impl PointLayout {
    pub(super) fn new(
        point: &Point,
        plan: &Plan,
        tables: &BTreeMap<&Key, Columns>,
        dialect: Dialect,
    ) -> Result<Self, LayoutError> {
        let nothing = Columns::default();
        let columns = tables.get(&point.measurement).unwrap_or(&nothing);
        let tags = point.tags.iter().map(|tag| TagSlot::new(tag, &columns.fields, dialect));
        let mut tags = tags.collect::<Result<Vec<_>, _>>()?;
        let fields = point.fields.iter().map(|field| FieldSlot::new(field, &columns.tags, dialect));
        let mut fields = fields.collect::<Result<Vec<_>, _>>()?;
        let beside = || plan.points.iter().filter(|beside| may_be_one(&beside.measurement, &point.measurement));
        let keys = || beside().flat_map(|point| &point.fields).map(|field| &field.key);
        let fields_by_key = keys().any(|key| key.name().is_none());
        let mut names: Vec<_> = keys().filter_map(Key::name).collect();
        names.sort_unstable();
        names.dedup();
        for (index, (slot, field)) in fields.iter_mut().zip(&point.fields).enumerate() {
            let place = field.key.name().and_then(|name| names.binary_search(&name).ok());
            let number = place.filter(|_| !fields_by_key).unwrap_or(index);
            // Fields beyond these have no bit: what they replace is not seen.
            slot.bit = u32::try_from(number).ok().filter(|number| *number < FIELD_BITS).map_or(0, |number| 1 << number);
        }
        let tags_may_be_fields = dialect.suits_v3()
            && tags.iter().any(|tag| tag.name().is_none())
            && fields.iter().any(|field| field.name().is_none());
        tags.sort_by(|one, other| match (one.name(), other.name()) {
            (Some(one), Some(other)) if dialect.sorts_tags() => one.cmp(other),
            (one, other) => one.is_none().cmp(&other.is_none()),
        });
        let own_keys = |keys: &mut dyn Iterator<Item = &Key>| {
            let mut names = Vec::new();
            for key in keys {
                match key {
                    Key::Name(name) => names.push(name.as_str()),
                    Key::Translated(_) | Key::Joined(_) => return false,
                }
            }
            names.sort_unstable();
            names.windows(2).all(|pair| pair[0] != pair[1])
        };
        Ok(Self {
            measurement: MeasurementSlot::new(&point.measurement, dialect)?,
            time: point.time.clone(),
            time_text: TimeText::default(),
            tags,
            tags_are_settled: own_keys(&mut point.tags.iter().map(|tag| &tag.key)),
            fields,
            fields_by_key,
            fields_may_collide: !own_keys(&mut point.fields.iter().map(|field| &field.key)),
            tags_may_be_fields,
            when: point.when,
        })
    }
}

/// Whether points of two measurements may be of the same.
fn may_be_one(one: &Key, other: &Key) -> bool {
    match (one, other) {
        (Key::Name(one), Key::Name(other)) => one == other,
        (Key::Translated(_) | Key::Joined(_), _) | (_, Key::Translated(_) | Key::Joined(_)) => true,
    }
}

/// The columns that have to be decoded to execute a plan, each once, in the order of the file.
pub(super) fn columns(plan: &Plan) -> Vec<usize> {
    let direct = |source: &Source| match source {
        Source::Column(column) => Some(*column),
        Source::Translated(_) | Source::Computed(_) | Source::Constant(_) | Source::RowNumber => None,
    };
    let mut columns: Vec<usize> = plan.reads.iter().chain(&plan.translations).chain(&plan.each).copied().collect();
    for point in &plan.points {
        columns.extend(direct(&point.time));
        columns.extend(point.tags.iter().filter_map(|tag| direct(&tag.source)));
        columns.extend(point.fields.iter().filter_map(|field| direct(&field.source)));
    }
    columns.sort_unstable();
    columns.dedup();
    columns
}
