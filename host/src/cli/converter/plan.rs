//! A plan, for people and for programs.

use std::fmt::Write;

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde_json::{Value, json};

use crate::converter::{Constant, FieldType, Key, KeyPart, Missing, Plan, Point, Source};
use crate::source::ColumnSchema;

/// A plan and the columns that it is for.
pub(super) struct Planned {
    pub(super) plan: Plan,
    pub(super) columns: Vec<ColumnSchema>,
}

/// A tag or a field, in words.
struct Item {
    kind: &'static str,
    key: String,
    source: String,
    level: &'static str,
    written_as: &'static str,
    missing: String,
    when: Option<usize>,
}

impl Planned {
    /// A table for each point, and what happens to the columns.
    pub(super) fn table(&self) -> String {
        let mut text = String::new();
        for (index, point) in self.plan.points.iter().enumerate() {
            let (time, level) = self.source(&point.time);
            // Writing to a string does not fail.
            _ = write!(text, "\npoint {}: {}, time from {time} ({level})", index + 1, self.key(&point.measurement));
            if let Some(mask) = point.when {
                _ = write!(text, ", in the rows of mask {mask}");
            }
            let mut table = Table::new();
            table.load_style(NOTHING);
            table.set_header(["", "key", "from", "level", "as", "when missing", "in rows of"]);
            for item in self.items(point) {
                let rows = item.when.map_or_else(|| "all".to_owned(), |mask| format!("mask {mask}"));
                let Item { kind, key, source, level, written_as, missing, .. } = item;
                table.add_row([kind.to_owned(), key, source, level.to_owned(), written_as.to_owned(), missing, rows]);
            }
            _ = write!(text, "\n{}\n", table.trim_fmt());
        }
        _ = writeln!(text, "translated, once a distinct value: {}", self.list(&self.plan.translations));
        _ = writeln!(text, "pushed into the sandbox, row by row: {}", self.list(&self.plan.reads));
        _ = writeln!(text, "not used: {}", self.list(&self.unused()));
        text
    }

    /// The same for programs.
    pub(super) fn json(&self) -> Value {
        let points = self.plan.points.iter().map(|point| {
            let items = self.items(point).into_iter().map(|item| {
                let Item { kind, key, source, level, written_as, missing, when } = item;
                json!({ "kind": kind, "key": key, "from": source, "level": level, "as": written_as, "missing": missing, "mask": when })
            });
            let (time, level) = self.source(&point.time);
            json!({
                "measurement": self.key(&point.measurement), "time": { "from": time, "level": level }, "mask": point.when,
                "items": items.collect::<Vec<_>>(),
            })
        });
        let names =
            |columns: &[usize]| columns.iter().map(|&column| self.columns[column].name.clone()).collect::<Vec<_>>();
        json!({
            "points": points.collect::<Vec<_>>(), "translated": names(&self.plan.translations),
            "read": names(&self.plan.reads), "unused": names(&self.unused()),
        })
    }

    fn items(&self, point: &Point) -> Vec<Item> {
        let item = |kind, key: &Key, source: &Source, written_as, missing: &Missing, when| {
            let (source, level) = self.source(source);
            let missing = match missing {
                Missing::Omit => "omitted".to_owned(),
                Missing::Reject(code) => format!("rejected: {code}"),
            };
            Item { kind, key: self.key(key), source, level, written_as, missing, when }
        };
        let tags = point.tags.iter().map(|tag| item("tag", &tag.key, &tag.source, "text", &tag.missing, tag.when));
        let fields = point.fields.iter().map(|field| {
            item("field", &field.key, &field.source, field_type(field.write_as), &field.missing, field.when)
        });
        tags.chain(fields).collect()
    }

    fn key(&self, key: &Key) -> String {
        match key {
            Key::Name(name) => name.clone(),
            Key::Translated(translation) => format!("by `{}`", self.columns[self.plan.translations[*translation]].name),
            Key::Joined(parts) => {
                let part = |part: &KeyPart| match part {
                    KeyPart::Text(text) => format!("{text:?}"),
                    KeyPart::Translated(translation) => {
                        format!("`{}`", self.columns[self.plan.translations[*translation]].name)
                    }
                };
                format!("by {}", parts.iter().map(part).collect::<Vec<_>>().join(" + "))
            }
        }
    }

    /// Where a value comes from, and the level of the contract at which it is made.
    fn source(&self, source: &Source) -> (String, &'static str) {
        match source {
            Source::Column(column) => (format!("`{}`", self.columns[*column].name), "plan"),
            Source::Translated(translation) => {
                (format!("`{}`", self.columns[self.plan.translations[*translation]].name), "translate")
            }
            Source::Computed(computed) => (format!("computed column {computed}"), "convert"),
            Source::Constant(constant) => (value(constant), "plan"),
            Source::RowNumber => ("the row number".to_owned(), "plan"),
        }
    }

    /// The columns that nothing comes from.
    fn unused(&self) -> Vec<usize> {
        let Plan { points, translations, reads, .. } = &self.plan;
        let sources = points.iter().flat_map(|point| {
            let items = point.tags.iter().map(|tag| &tag.source).chain(point.fields.iter().map(|field| &field.source));
            items.chain([&point.time])
        });
        let sources: Vec<&Source> = sources.collect();
        let is_used = |column: &usize| {
            translations.contains(column) || reads.contains(column) || sources.contains(&&Source::Column(*column))
        };
        (0..self.columns.len()).filter(|column| !is_used(column)).collect()
    }

    fn list(&self, columns: &[usize]) -> String {
        if columns.is_empty() {
            return "none".to_owned();
        }
        columns.iter().map(|&column| format!("`{}`", self.columns[column].name)).collect::<Vec<_>>().join(", ")
    }
}

fn field_type(field_type: FieldType) -> &'static str {
    match field_type {
        FieldType::Boolean => "boolean",
        FieldType::Integer => "integer",
        FieldType::Unsigned => "unsigned",
        FieldType::Float => "float",
        FieldType::Text => "text",
    }
}

fn value(constant: &Constant) -> String {
    match constant {
        Constant::Boolean(value) => value.to_string(),
        Constant::Integer(value) => value.to_string(),
        Constant::Unsigned(value) => value.to_string(),
        Constant::Float(value) => value.to_string(),
        Constant::Text(value) => format!("{value:?}"),
    }
}
