//! The answer of `prepare`.

use super::{Invalid, code, wit};
use crate::converter::contract::Contract;
use crate::converter::plan::{Constant, Field, FieldType, Input, Key, KeyPart, Missing, Plan, Point, Source, Tag};
use crate::converter::text::one_line;
use crate::source::{ColumnSchema, ColumnType, List};

/// How many points a row may give in contract 0.1: a wide table becomes some dozens.
const MAX_POINTS_0_1: usize = 64;

/// The same in contract 0.2: a point for each quarter of an hour of a week.
const MAX_POINTS: usize = 1024;

/// How many tags and fields all points may have together. Each is bound to every batch, and held for it.
const MAX_ITEMS: usize = 131_072;

/// How many tags a point may have: engines index each of them.
const MAX_TAGS: usize = 256;

/// How many fields a point may have: more than the 500 columns that InfluxDB 3 allows a table.
const MAX_FIELDS: usize = 1024;

/// How many translations, columns to read, computed columns and masks there may be, of each: one for each field.
const MAX_COLUMNS: usize = 1024;

/// The most parts of a key.
const MAX_PARTS: usize = 8;

/// The longest measurement or key, in bytes: InfluxDB 2 allows 65,535 for those of a series together.
const MAX_NAME_BYTES: usize = 4096;

/// Checks a plan for an input.
pub(in crate::converter) fn plan(plan: wit::Plan, input: &Input, contract: Contract) -> Result<Plan, Invalid> {
    let wit::Plan { each, points, translations, reads, computed, masks } = plan;
    let max_points = match contract {
        Contract::V0_1 => MAX_POINTS_0_1,
        Contract::V0_2 => MAX_POINTS,
    };
    count("points", points.len(), max_points)?;
    let items: usize = points.iter().map(|point| point.tags.len() + point.fields.len()).sum();
    if items > MAX_ITEMS {
        let reason = format!("have {items} tags and fields together, at most {MAX_ITEMS} are allowed");
        return Err(Invalid::new("points", reason));
    }
    count("translations", translations.len(), MAX_COLUMNS)?;
    count("reads", reads.len(), MAX_COLUMNS)?;
    count("computed", computed.len(), MAX_COLUMNS)?;
    let masks = masks as usize;
    count("masks", masks, MAX_COLUMNS)?;
    if points.is_empty() {
        return Err(Invalid::new("points", "is empty: a plan has at least one point"));
    }

    let each = each.map(|column| below("each", "column", column, input.columns.len())).transpose()?;
    let list = each.map(|each| input.columns[each].list.as_ref().ok_or_else(|| not_of_a_list(&input.columns[each])));
    let columns = Columns { columns: &input.columns, list: list.transpose()? };
    if let Some(each) = each {
        columns.usable("each", each)?;
    }
    let translations = columns.of("translations", translations)?;
    let reads = columns.of("reads", reads)?;
    for (index, column) in reads.iter().enumerate() {
        if reads[..index].contains(column) {
            return Err(Invalid::new(format!("reads[{index}]"), format!("names column {column} a second time")));
        }
    }
    let computed: Vec<ColumnType> = computed.into_iter().map(column_type).collect();
    if let Some(index) = computed.iter().position(|&computed| computed == ColumnType::Other) {
        return Err(Invalid::new(format!("computed[{index}]"), "is of type `other`, which cannot be computed"));
    }

    let names = Names { columns, translations: translations.len(), computed: &computed, masks };
    let points = self::items("points", points, |point| names.point(point))?;
    Ok(Plan { each, points, translations, reads, computed, masks })
}

/// What the items of a plan can name.
struct Names<'a> {
    columns: Columns<'a>,
    translations: usize,
    computed: &'a [ColumnType],
    masks: usize,
}

impl Names<'_> {
    fn point(&self, point: wit::Point) -> Result<Point, Invalid> {
        let wit::Point { measurement, time, tags, fields, when } = point;
        let measurement = self.key("measurement", measurement)?;
        count("tags", tags.len(), MAX_TAGS)?;
        count("fields", fields.len(), MAX_FIELDS)?;
        if fields.is_empty() {
            return Err(Invalid::new("fields", "is empty: a point has at least one field"));
        }
        let (time, time_type) = self.source("time", time)?;
        match time_type {
            ColumnType::Timestamp | ColumnType::Integer | ColumnType::Unsigned | ColumnType::Float => {}
            _ if self.is_without_values(&time) => {}
            ColumnType::Boolean | ColumnType::Text | ColumnType::Other => {
                let reason = format!("is of type `{}`: a time is a timestamp or an integer", type_name(time_type));
                return Err(Invalid::new("time", reason));
            }
        }
        Ok(Point {
            measurement,
            time,
            tags: items("tags", tags, |tag| self.tag(tag))?,
            fields: items("fields", fields, |field| self.field(field))?,
            when: self.when(when)?,
        })
    }

    fn tag(&self, tag: wit::Tag) -> Result<Tag, Invalid> {
        Ok(Tag {
            key: self.key("key", tag.key)?,
            source: self.source("source", tag.source)?.0,
            when: self.when(tag.when)?,
            missing: missing(tag.missing)?,
        })
    }

    fn field(&self, field: wit::Field) -> Result<Field, Invalid> {
        let key = self.key("key", field.key)?;
        let (source, source_type) = self.source("source", field.source)?;
        let write_as = match field.write_as {
            Some(asked) if self.is_without_values(&source) => field_type(asked),
            asked => write_as(source_type, asked)?,
        };
        Ok(Field { key, source, write_as, when: self.when(field.when)?, missing: missing(field.missing)? })
    }

    fn key(&self, item: &str, key: wit::Key) -> Result<Key, Invalid> {
        Ok(match key {
            wit::Key::Name(key) => {
                name(item, &key)?;
                Key::Name(key)
            }
            wit::Key::Translated(index) => Key::Translated(below(item, "translation", index, self.translations)?),
            wit::Key::Joined(parts) => {
                let (found, wanted) = (parts.len(), 2..=MAX_PARTS);
                if !wanted.contains(&found) || !parts.iter().any(|part| matches!(part, wit::KeyPart::Translated(_))) {
                    let reason = format!(
                        "is joined of {found} parts: there are 2 to {MAX_PARTS}, at least one of them a translation"
                    );
                    return Err(Invalid::new(item, reason));
                }
                let part = |part| match part {
                    wit::KeyPart::Text(text) => {
                        name(item, &text)?;
                        Ok(KeyPart::Text(text))
                    }
                    wit::KeyPart::Translated(index) => {
                        Ok(KeyPart::Translated(below(item, "translation", index, self.translations)?))
                    }
                };
                Key::Joined(parts.into_iter().map(part).collect::<Result<_, Invalid>>()?)
            }
        })
    }

    fn source(&self, item: &str, source: wit::Source) -> Result<(Source, ColumnType), Invalid> {
        Ok(match source {
            wit::Source::Column(index) => {
                let index = below(item, "column", index, self.columns.columns.len())?;
                (Source::Column(index), self.columns.usable(item, index)?)
            }
            wit::Source::Translated(index) => {
                (Source::Translated(below(item, "translation", index, self.translations)?), ColumnType::Text)
            }
            wit::Source::Computed(index) => {
                let index = below(item, "computed column", index, self.computed.len())?;
                (Source::Computed(index), self.computed[index])
            }
            wit::Source::Constant(constant) => {
                let (constant, column_type) = match constant {
                    wit::Constant::Boolean(value) => (Constant::Boolean(value), ColumnType::Boolean),
                    wit::Constant::Integer(value) => (Constant::Integer(value), ColumnType::Integer),
                    wit::Constant::Unsigned(value) => (Constant::Unsigned(value), ColumnType::Unsigned),
                    wit::Constant::Float(value) if value.is_finite() => (Constant::Float(value), ColumnType::Float),
                    wit::Constant::Float(value) => {
                        return Err(Invalid::new(item, format!("is a constant that is not finite: {value}")));
                    }
                    wit::Constant::Text(value) => (Constant::Text(value), ColumnType::Text),
                };
                (Source::Constant(constant), column_type)
            }
            wit::Source::RowNumber => (Source::RowNumber, ColumnType::Integer),
        })
    }

    fn is_without_values(&self, source: &Source) -> bool {
        matches!(source, Source::Column(column) if self.columns.columns.get(*column).is_some_and(ColumnSchema::is_null))
    }

    fn when(&self, when: Option<u32>) -> Result<Option<usize>, Invalid> {
        when.map(|mask| below("when", "mask", mask, self.masks)).transpose()
    }
}

fn missing(missing: wit::Missing) -> Result<Missing, Invalid> {
    Ok(match missing {
        wit::Missing::Omit => Missing::Omit,
        wit::Missing::Reject(reject) => Missing::Reject(code(reject).map_err(|invalid| invalid.within("missing"))?),
    })
}

/// The type to write a field in: its own, unless the plan asks for one that it can be written as.
fn write_as(source: ColumnType, asked: Option<wit::FieldType>) -> Result<FieldType, Invalid> {
    let own = match source {
        ColumnType::Boolean => FieldType::Boolean,
        ColumnType::Integer | ColumnType::Timestamp => FieldType::Integer,
        ColumnType::Unsigned => FieldType::Unsigned,
        ColumnType::Float => FieldType::Float,
        ColumnType::Text => FieldType::Text,
        ColumnType::Other => return Err(Invalid::new("source", "is of type `other`, which cannot be used")),
    };
    let Some(asked) = asked.map(field_type) else { return Ok(own) };
    let is_number = matches!(source, ColumnType::Integer | ColumnType::Unsigned | ColumnType::Float);
    let to_number = matches!(asked, FieldType::Integer | FieldType::Unsigned | FieldType::Float);
    if asked == own || asked == FieldType::Text || (is_number && to_number) {
        return Ok(asked);
    }
    let asked = format!("{asked:?}").to_lowercase();
    Err(Invalid::new(
        "write-as",
        format!("is `{asked}`, as which a source of type `{}` cannot be written", type_name(source)),
    ))
}

fn field_type(field_type: wit::FieldType) -> FieldType {
    match field_type {
        wit::FieldType::Boolean => FieldType::Boolean,
        wit::FieldType::Integer => FieldType::Integer,
        wit::FieldType::Unsigned => FieldType::Unsigned,
        wit::FieldType::Float => FieldType::Float,
        wit::FieldType::Text => FieldType::Text,
    }
}

fn column_type(column_type: wit::ColumnType) -> ColumnType {
    match column_type {
        wit::ColumnType::Boolean => ColumnType::Boolean,
        wit::ColumnType::Integer | wit::ColumnType::TimeOfDay | wit::ColumnType::Duration => ColumnType::Integer,
        wit::ColumnType::Unsigned => ColumnType::Unsigned,
        wit::ColumnType::Float => ColumnType::Float,
        wit::ColumnType::Text | wit::ColumnType::Uuid | wit::ColumnType::Binary => ColumnType::Text,
        wit::ColumnType::Timestamp => ColumnType::Timestamp,
        wit::ColumnType::Other => ColumnType::Other,
    }
}

/// The name that the contract has for a type.
pub(super) fn type_name(column_type: ColumnType) -> &'static str {
    match column_type {
        ColumnType::Boolean => "boolean",
        ColumnType::Integer => "integer",
        ColumnType::Unsigned => "unsigned",
        ColumnType::Float => "float",
        ColumnType::Text => "text",
        ColumnType::Timestamp => "timestamp",
        ColumnType::Other => "other",
    }
}

/// Each item checked; what is wrong with one is reported with its place in the list.
fn items<T, U>(list: &str, items: Vec<T>, check: impl Fn(T) -> Result<U, Invalid>) -> Result<Vec<U>, Invalid> {
    let checked = items.into_iter().enumerate();
    checked.map(|(index, item)| check(item).map_err(|invalid| invalid.within(format!("{list}[{index}]")))).collect()
}

/// The columns of an object, and of which list they can be used.
#[derive(Clone, Copy)]
struct Columns<'a> {
    columns: &'a [ColumnSchema],
    list: Option<&'a List>,
}

impl Columns<'_> {
    /// Indexes of columns that can be used.
    fn of(&self, list: &str, indexes: Vec<u32>) -> Result<Vec<usize>, Invalid> {
        let checked = indexes.into_iter().enumerate();
        checked
            .map(|(place, index)| {
                let item = format!("{list}[{place}]");
                let index = below(&item, "column", index, self.columns.len())?;
                self.usable(&item, index)?;
                Ok(index)
            })
            .collect()
    }

    /// The type of a column that is in range, if it can be used.
    fn usable(&self, item: &str, index: usize) -> Result<ColumnType, Invalid> {
        let ColumnSchema { name, column_type, list, .. } = &self.columns[index];
        if *column_type == ColumnType::Other {
            return Err(Invalid::new(item, format!("names column {index} of type `other`, which cannot be used")));
        }
        let (name, known) = (one_line(name, MAX_NAME_BYTES), |list: &List| one_line(&list.name, MAX_NAME_BYTES));
        match (list, self.list) {
            (Some(list), None) => {
                let list = known(list);
                let reason =
                    format!("names `{name}` of the list `{list}`, and `each` does not name a column of this list");
                Err(Invalid::new(item, reason))
            }
            (Some(list), Some(each)) if list != each => {
                let (list, each) = (known(list), known(each));
                let reason =
                    format!("names `{name}` of the list `{list}`, but the points are of the elements of `{each}`");
                Err(Invalid::new(item, reason))
            }
            _ => Ok(*column_type),
        }
    }
}

fn not_of_a_list(column: &ColumnSchema) -> Invalid {
    Invalid::new("each", format!("names `{}`, which is not of a list", one_line(&column.name, MAX_NAME_BYTES)))
}

fn below(item: &str, what: &str, index: u32, count: usize) -> Result<usize, Invalid> {
    let index = index as usize;
    if index >= count {
        return Err(Invalid::new(item, format!("names {what} {index}, there are {count}")));
    }
    Ok(index)
}

fn count(item: &str, count: usize, max: usize) -> Result<(), Invalid> {
    if count > max {
        return Err(Invalid::new(item, format!("has {count} items, at most {max} are allowed")));
    }
    Ok(())
}

fn name(item: &str, name: &str) -> Result<(), Invalid> {
    if name.is_empty() {
        return Err(Invalid::new(item, "is empty"));
    }
    if name.len() > MAX_NAME_BYTES {
        return Err(Invalid::new(item, format!("has {} bytes, at most {MAX_NAME_BYTES} are allowed", name.len())));
    }
    Ok(())
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
