//! The answers of contract 0.1 as those of 0.2. Lists move, nothing is copied.

use super::bindings::v0_1::influxdb_loader::converter::types as old;
use super::bindings::v0_2::influxdb_loader::converter::types as wit;

pub(super) fn description(description: old::Description) -> wit::Description {
    let old::Description { name, version, dataset, summary } = description;
    wit::Description { name, version, dataset, summary }
}

pub(super) fn problem(problem: old::Problem) -> wit::Problem {
    let old::Problem { code, message, column } = problem;
    wit::Problem { code, message, column }
}

pub(super) fn plan(plan: old::Plan) -> wit::Plan {
    let old::Plan { points, translations, reads, computed, masks } = plan;
    wit::Plan {
        each: None,
        points: points.into_iter().map(point).collect(),
        translations,
        reads,
        computed: computed.into_iter().map(column_type).collect(),
        masks,
    }
}

fn point(point: old::Point) -> wit::Point {
    let old::Point { measurement, time, tags, fields, when } = point;
    wit::Point {
        measurement: wit::Key::Name(measurement),
        time: source(time),
        tags: tags.into_iter().map(tag).collect(),
        fields: fields.into_iter().map(field).collect(),
        when,
    }
}

fn tag(tag: old::Tag) -> wit::Tag {
    let old::Tag { key, source, when, missing } = tag;
    wit::Tag { key: self::key(key), source: self::source(source), when, missing: self::missing(missing) }
}

fn field(field: old::Field) -> wit::Field {
    let old::Field { key, source, write_as, when, missing } = field;
    wit::Field {
        key: self::key(key),
        source: self::source(source),
        write_as: write_as.map(field_type),
        when,
        missing: self::missing(missing),
    }
}

fn key(key: old::Key) -> wit::Key {
    match key {
        old::Key::Name(name) => wit::Key::Name(name),
        old::Key::Translated(index) => wit::Key::Translated(index),
    }
}

fn source(source: old::Source) -> wit::Source {
    match source {
        old::Source::Column(index) => wit::Source::Column(index),
        old::Source::Translated(index) => wit::Source::Translated(index),
        old::Source::Computed(index) => wit::Source::Computed(index),
        old::Source::Constant(constant) => wit::Source::Constant(match constant {
            old::Constant::Boolean(value) => wit::Constant::Boolean(value),
            old::Constant::Integer(value) => wit::Constant::Integer(value),
            old::Constant::Unsigned(value) => wit::Constant::Unsigned(value),
            old::Constant::Float(value) => wit::Constant::Float(value),
            old::Constant::Text(value) => wit::Constant::Text(value),
        }),
    }
}

fn missing(missing: old::Missing) -> wit::Missing {
    match missing {
        old::Missing::Omit => wit::Missing::Omit,
        old::Missing::Reject(code) => wit::Missing::Reject(code),
    }
}

fn field_type(field_type: old::FieldType) -> wit::FieldType {
    match field_type {
        old::FieldType::Boolean => wit::FieldType::Boolean,
        old::FieldType::Integer => wit::FieldType::Integer,
        old::FieldType::Unsigned => wit::FieldType::Unsigned,
        old::FieldType::Float => wit::FieldType::Float,
        old::FieldType::Text => wit::FieldType::Text,
    }
}

fn column_type(column_type: old::ColumnType) -> wit::ColumnType {
    match column_type {
        old::ColumnType::Boolean => wit::ColumnType::Boolean,
        old::ColumnType::Integer => wit::ColumnType::Integer,
        old::ColumnType::Unsigned => wit::ColumnType::Unsigned,
        old::ColumnType::Float => wit::ColumnType::Float,
        old::ColumnType::Text => wit::ColumnType::Text,
        old::ColumnType::Timestamp => wit::ColumnType::Timestamp,
        old::ColumnType::Other => wit::ColumnType::Other,
    }
}

pub(super) fn strings(strings: old::StringsResult) -> wit::StringsResult {
    let old::StringsResult { offsets, data, validity } = strings;
    wit::StringsResult { offsets, data, validity }
}

pub(super) fn converted(converted: old::Converted) -> wit::Converted {
    let old::Converted { computed, masks, rejected } = converted;
    wit::Converted {
        computed: computed.into_iter().map(column).collect(),
        masks: masks.into_iter().map(mask).collect(),
        rejected: rejected.into_iter().map(rejection).collect(),
    }
}

fn column(column: old::ColumnResult) -> wit::ColumnResult {
    let old::ColumnResult { values, validity } = column;
    let values = match values {
        old::ValuesResult::Booleans(values) => wit::ValuesResult::Booleans(values),
        old::ValuesResult::Integers(values) => wit::ValuesResult::Integers(values),
        old::ValuesResult::Unsigneds(values) => wit::ValuesResult::Unsigneds(values),
        old::ValuesResult::Floats(values) => wit::ValuesResult::Floats(values),
        old::ValuesResult::Texts(old::TextResult { codes, dictionary }) => {
            wit::ValuesResult::Texts(wit::TextResult { codes, dictionary: strings(dictionary) })
        }
        old::ValuesResult::Timestamps(values) => wit::ValuesResult::Timestamps(values),
    };
    wit::ColumnResult { values, validity }
}

fn mask(mask: old::Mask) -> wit::Mask {
    match mask {
        old::Mask::All => wit::Mask::All,
        old::Mask::None => wit::Mask::None,
        old::Mask::Rows(rows) => wit::Mask::Rows(rows),
    }
}

fn rejection(rejection: old::Rejection) -> wit::Rejection {
    let old::Rejection { row, code, message } = rejection;
    wit::Rejection { row, code, message }
}
