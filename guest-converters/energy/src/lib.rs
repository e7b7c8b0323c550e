//! The mapping rules that the three energy converters share. They differ in a table of constants, a [`Dataset`].
//!
//! On clean types (a time, a number, tags of text) nothing but distinct values enters the sandbox: the plan passes
//! columns through and translates tags and units. Only times and numbers that are text are read batch by batch, once for
//! each distinct value, and times that are integers, to warn of those that are likely of another unit.

use std::borrow::Cow;
use std::cell::Cell;

use converter_sdk::{
    Column, ColumnRef, ColumnType, Description, FieldType, Input, Key, Mapping, PlanBuilder, Point, Problem, Source,
    log, parse,
};

/// What sets one dataset apart from the others.
#[derive(Debug)]
pub struct Dataset {
    /// The dataset's name, and its converter's.
    pub name: &'static str,
    /// One line for people.
    pub summary: &'static str,
    /// The measurement that its points belong to.
    pub measurement: &'static str,
    /// Tags whose columns must be there when the schema is checked.
    pub required_tags: &'static [&'static str],
    /// Tags whose columns may be missing.
    pub optional_tags: &'static [&'static str],
}

/// The version of the three converters: a change of a rule is a change of them all.
const VERSION: &str = "1.0.0";

/// Float columns that each dataset may have, and the fields that they become.
const OPTIONAL_FLOATS: [&str; 5] = ["capacity_mw", "efficiency", "voltage_kv", "current_a", "frequency_hz"];

/// The types from which a number can be read.
const NUMBER: [ColumnType; 4] = [ColumnType::Float, ColumnType::Integer, ColumnType::Unsigned, ColumnType::Text];

/// The types from which a time can be read.
const TIME: [ColumnType; 4] = [ColumnType::Timestamp, ColumnType::Integer, ColumnType::Unsigned, ColumnType::Text];

/// The types that have a text, which is all that can be used.
const TEXT: [ColumnType; 6] = [
    ColumnType::Text,
    ColumnType::Boolean,
    ColumnType::Integer,
    ColumnType::Unsigned,
    ColumnType::Float,
    ColumnType::Timestamp,
];

impl Dataset {
    /// Describes the dataset's converter.
    pub fn describe(&self) -> Description {
        Description {
            name: self.name.to_owned(),
            version: VERSION.to_owned(),
            dataset: self.name.to_owned(),
            summary: self.summary.to_owned(),
        }
    }

    /// Plans an object of the dataset.
    ///
    /// # Errors
    ///
    /// Every required column that is missing and every column whose type cannot be used.
    pub fn prepare(&self, input: &Input) -> Result<Mapping, Vec<Problem>> {
        let mut plan = PlanBuilder::new(input);
        let time = plan.required("timestamp", &TIME);
        let time = time_source(&mut plan, time);
        let mut point = Point::new(self.measurement, time);

        for &name in self.required_tags {
            let column = plan.required_if_strict(name, &TEXT);
            add_tag(&mut plan, &mut point, name, column);
        }
        for &name in self.optional_tags {
            let column = plan.optional(name, &TEXT);
            add_tag(&mut plan, &mut point, name, column);
        }

        let value = plan.required("value", &NUMBER);
        let unit = plan.required_if_strict("unit", &TEXT);
        let key = unit.map_or(Key::from("value"), |unit| plan.translate(unit, field_key).into());
        // The value's own field comes first: of two fields with the same key, the first is written.
        let value = float_source(&mut plan, value);
        point.field(key, value).write_as(FieldType::Float).or_reject("invalid-value");
        if let Some(unit) = unit {
            point.field("unit", plan.translate(unit, trimmed));
        }
        for name in OPTIONAL_FLOATS {
            if let Some(column) = plan.optional(name, &NUMBER) {
                point.field(name, float_source(&mut plan, column)).write_as(FieldType::Float);
            }
        }
        plan.finish([point])
    }
}

fn add_tag(plan: &mut PlanBuilder<'_>, point: &mut Point, name: &str, column: Option<ColumnRef>) {
    if let Some(column) = column {
        point.tag(name, plan.translate(column, tag_value));
    }
}

/// Times and integers of nanoseconds pass through; unsigned ones that are too large, and text that reads as no time, are
/// missing, which rejects their rows.
fn time_source(plan: &mut PlanBuilder<'_>, column: ColumnRef) -> Source {
    match column.column_type() {
        ColumnType::Text => plan
            .compute(ColumnType::Timestamp, [column], |[column]| {
                Ok(Column::timestamps(column.texts()?.map_distinct(|text| parse::timestamp(text.trim()))))
            })
            .into(),
        ColumnType::Unsigned => plan
            .compute(ColumnType::Timestamp, [column], |[column]| {
                Ok(Column::timestamps(column.unsigneds()?.map(|time| i64::try_from(time?).ok())))
            })
            .into(),
        ColumnType::Integer => {
            let warned = Cell::new(false);
            plan.reject([column], move |[column]| {
                // Where they are none, the host rejects their rows.
                if !warned.get() && column.integers().is_ok_and(is_near_the_epoch) {
                    warned.set(true);
                    log::warn(EPOCH_WARNING);
                }
                Ok(Vec::new())
            });
            column.into()
        }
        _ => column.into(),
    }
}

/// Logged when integer times are likely in another unit.
const EPOCH_WARNING: &str = "all times are within weeks of 1970-01-01: integer times are nanoseconds since then, and these \
    look like seconds, milliseconds or microseconds";

/// Whether there are times, and all of them are so near to 1970 as those of today are when they are taken for nanoseconds.
fn is_near_the_epoch(times: impl Iterator<Item = Option<i64>>) -> bool {
    const NEAR: u64 = 100 * 86_400 * 1_000_000_000;
    let mut times = times.flatten().peekable();
    times.peek().is_some() && times.all(|time| time.unsigned_abs() < NEAR)
}

/// Numbers pass through; text that reads as no number is missing.
fn float_source(plan: &mut PlanBuilder<'_>, column: ColumnRef) -> Source {
    match column.column_type() {
        ColumnType::Text => plan
            .compute(ColumnType::Float, [column], |[column]| {
                Ok(Column::floats(column.texts()?.map_distinct(parse::float)))
            })
            .into(),
        _ => column.into(),
    }
}

/// The key of the field that a value in this unit becomes.
fn field_key(unit: Option<&str>) -> Option<Cow<'_, str>> {
    let key = match unit.map_or("", str::trim) {
        "MW" => "power_mw",
        "MWh" => "energy_mwh",
        "kV" => "voltage_kv",
        "A" => "current_a",
        "Hz" => "frequency_hz",
        "%" => "percentage",
        "ratio" => "ratio",
        _ => "value",
    };
    Some(key.into())
}

/// The text without space around it; empty text is no text.
fn trimmed(text: Option<&str>) -> Option<Cow<'_, str>> {
    text.map(str::trim).filter(|text| !text.is_empty()).map(Cow::from)
}

/// As [`trimmed`], where the words that other programs write for a missing value are none either.
fn tag_value(text: Option<&str>) -> Option<Cow<'_, str>> {
    trimmed(text).filter(|text| !["nan", "none", "null"].iter().any(|word| text.eq_ignore_ascii_case(word)))
}

#[cfg(test)]
mod tests;
