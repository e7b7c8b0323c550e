//! Between the contracts' own types and those of this crate. Lists move, nothing is copied.

/// The exports of [`crate::Exported`] in one contract.
macro_rules! crossing {
    ($generated:ident, $input:expr, $measurement:expr, $row_number:expr) => {
        use crate::export::{Exported, prepared, with_mapping};
        use crate::log::log_panics;
        use crate::$generated::exports::influxdb_loader::converter::converter::Guest;
        use crate::$generated::influxdb_loader::converter::types as wit;
        use crate::*;

        impl<C: Converter> Guest for Exported<C> {
            fn describe() -> wit::Description {
                log_panics();
                let Description { name, version, dataset, summary } = C::describe();
                wit::Description { name, version, dataset, summary }
            }

            fn prepare(input: wit::Input) -> Result<wit::Plan, Vec<wit::Problem>> {
                log_panics();
                let lowered =
                    prepared::<C>(&$input(input)).and_then(|plan| lower(plan).map_err(|problem| vec![problem]));
                lowered.map_err(|problems| problems.into_iter().map(self::problem).collect())
            }

            fn translate(translation: u32, values: wit::Strings) -> Result<wit::Strings, wit::Problem> {
                let answer = with_mapping(|mapping| mapping.translate(translation, &strings(values)));
                answer.map(lower_strings).map_err(problem)
            }

            fn convert(batch: wit::Batch) -> Result<wit::Converted, wit::Problem> {
                let wit::Batch { rows, columns } = batch;
                let batch = Batch { rows, columns: columns.into_iter().map(column).collect() };
                let Converted { computed, masks, rejected } =
                    with_mapping(|mapping| mapping.convert(&batch)).map_err(problem)?;
                let rejection = |Rejection { row, code, message }: Rejection| wit::Rejection { row, code, message };
                Ok(wit::Converted {
                    computed: computed.into_iter().map(lower_column).collect(),
                    masks: masks.into_iter().map(mask).collect(),
                    rejected: rejected.into_iter().map(rejection).collect(),
                })
            }
        }

        fn schema(column: wit::ColumnSchema) -> ColumnSchema {
            let wit::ColumnSchema { name, column_type, source_type, nullable } = column;
            let column_type = lift_type(column_type);
            ColumnSchema { name, column_type, source_type, nullable }
        }

        fn strings(strings: wit::Strings) -> Strings {
            let wit::Strings { offsets, data, validity } = strings;
            Strings { offsets, data, validity }
        }

        fn column(column: wit::Column) -> Column {
            let wit::Column { values, validity } = column;
            let values = match values {
                wit::Values::Booleans(values) => Values::Booleans(values),
                wit::Values::Integers(values) => Values::Integers(values),
                wit::Values::Unsigneds(values) => Values::Unsigneds(values),
                wit::Values::Floats(values) => Values::Floats(values),
                wit::Values::Texts(wit::Text { codes, dictionary }) => {
                    Values::Texts(Text { codes, dictionary: strings(dictionary) })
                }
                wit::Values::Timestamps(values) => Values::Timestamps(values),
            };
            Column { values, validity }
        }

        fn lower_strings(strings: Strings) -> wit::Strings {
            let Strings { offsets, data, validity } = strings;
            wit::Strings { offsets, data, validity }
        }

        fn lower_column(column: Column) -> wit::Column {
            let Column { values, validity } = column;
            let values = match values {
                Values::Booleans(values) => wit::Values::Booleans(values),
                Values::Integers(values) => wit::Values::Integers(values),
                Values::Unsigneds(values) => wit::Values::Unsigneds(values),
                Values::Floats(values) => wit::Values::Floats(values),
                Values::Texts(Text { codes, dictionary }) => {
                    wit::Values::Texts(wit::Text { codes, dictionary: lower_strings(dictionary) })
                }
                Values::Timestamps(values) => wit::Values::Timestamps(values),
            };
            wit::Column { values, validity }
        }

        fn mask(mask: Mask) -> wit::Mask {
            match mask {
                Mask::All => wit::Mask::All,
                Mask::None => wit::Mask::None,
                Mask::Rows(rows) => wit::Mask::Rows(rows),
            }
        }

        fn problem(problem: Problem) -> wit::Problem {
            let Problem { code, message, column } = problem;
            wit::Problem { code, message, column }
        }

        fn lower(plan: Plan) -> Result<wit::Plan, Problem> {
            let Plan { points, translations, reads, computed, masks } = plan;
            Ok(wit::Plan {
                points: points.into_iter().map(point).collect::<Result<_, _>>()?,
                translations,
                reads,
                computed: computed.into_iter().map(column_type).collect(),
                masks,
            })
        }

        fn point(point: Point) -> Result<wit::Point, Problem> {
            let Point { measurement, time, tags, fields, when } = point;
            Ok(wit::Point {
                measurement: $measurement(measurement)?,
                time: source(time)?,
                tags: tags.into_iter().map(tag).collect::<Result<_, _>>()?,
                fields: fields.into_iter().map(field).collect::<Result<_, _>>()?,
                when,
            })
        }

        fn tag(tag: Tag) -> Result<wit::Tag, Problem> {
            let Tag { key, source, when, missing } = tag;
            Ok(wit::Tag { key: self::key(key)?, source: self::source(source)?, when, missing: self::missing(missing) })
        }

        fn field(field: Field) -> Result<wit::Field, Problem> {
            let Field { key, source, write_as, when, missing } = field;
            Ok(wit::Field {
                key: self::key(key)?,
                source: self::source(source)?,
                write_as: write_as.map(field_type),
                when,
                missing: self::missing(missing),
            })
        }

        fn source(source: Source) -> Result<wit::Source, Problem> {
            Ok(match source {
                Source::Column(index) => wit::Source::Column(index),
                Source::Translated(index) => wit::Source::Translated(index),
                Source::Computed(index) => wit::Source::Computed(index),
                Source::Constant(constant) => wit::Source::Constant(match constant {
                    Constant::Boolean(value) => wit::Constant::Boolean(value),
                    Constant::Integer(value) => wit::Constant::Integer(value),
                    Constant::Unsigned(value) => wit::Constant::Unsigned(value),
                    Constant::Float(value) => wit::Constant::Float(value),
                    Constant::Text(value) => wit::Constant::Text(value),
                }),
                Source::RowNumber => return $row_number,
            })
        }

        fn missing(missing: Missing) -> wit::Missing {
            match missing {
                Missing::Omit => wit::Missing::Omit,
                Missing::Reject(code) => wit::Missing::Reject(code),
            }
        }

        fn field_type(field_type: FieldType) -> wit::FieldType {
            match field_type {
                FieldType::Boolean => wit::FieldType::Boolean,
                FieldType::Integer => wit::FieldType::Integer,
                FieldType::Unsigned => wit::FieldType::Unsigned,
                FieldType::Float => wit::FieldType::Float,
                FieldType::Text => wit::FieldType::Text,
            }
        }
    };
}

/// Contract 0.1. What only 0.2 can express is a problem of the object.
#[cfg(not(all(target_arch = "wasm32", feature = "contract-0-2")))]
mod v0_1 {
    crossing!(generated, input, measurement, Err(beyond("row numbers")));

    fn input(input: wit::Input) -> Input {
        let wit::Input { dataset, columns, partitions, strict } = input;
        let columns = columns.into_iter().map(schema).collect();
        Input { dataset, columns, partitions, strict, ..Input::default() }
    }

    fn measurement(measurement: Key) -> Result<String, Problem> {
        match measurement {
            Key::Name(name) => Ok(name),
            Key::Translated(_) | Key::Joined(_) => Err(beyond("a measurement from a translation")),
        }
    }

    fn key(key: Key) -> Result<wit::Key, Problem> {
        match key {
            Key::Name(name) => Ok(wit::Key::Name(name)),
            Key::Translated(index) => Ok(wit::Key::Translated(index)),
            Key::Joined(_) => Err(beyond("a joined key")),
        }
    }

    fn lift_type(column_type: wit::ColumnType) -> ColumnType {
        match column_type {
            wit::ColumnType::Boolean => ColumnType::Boolean,
            wit::ColumnType::Integer => ColumnType::Integer,
            wit::ColumnType::Unsigned => ColumnType::Unsigned,
            wit::ColumnType::Float => ColumnType::Float,
            wit::ColumnType::Text => ColumnType::Text,
            wit::ColumnType::Timestamp => ColumnType::Timestamp,
            wit::ColumnType::Other => ColumnType::Other,
        }
    }

    fn column_type(column_type: ColumnType) -> wit::ColumnType {
        match column_type {
            ColumnType::Boolean => wit::ColumnType::Boolean,
            ColumnType::Integer | ColumnType::TimeOfDay | ColumnType::Duration => wit::ColumnType::Integer,
            ColumnType::Unsigned => wit::ColumnType::Unsigned,
            ColumnType::Float => wit::ColumnType::Float,
            ColumnType::Text | ColumnType::Uuid | ColumnType::Binary => wit::ColumnType::Text,
            ColumnType::Timestamp => wit::ColumnType::Timestamp,
            ColumnType::Other => wit::ColumnType::Other,
        }
    }

    fn beyond(what: &str) -> Problem {
        let message = format!(
            "the plan has {what}, which contract 0.1 does not have: build the converter with the feature `contract-0-2` of \
             `converter-sdk`"
        );
        Problem::new("needs-contract-0-2", message)
    }
}

/// Contract 0.2.
#[cfg(any(not(target_arch = "wasm32"), feature = "contract-0-2"))]
mod v0_2 {
    crossing!(generated_0_2, input, key, Ok(wit::Source::RowNumber));

    fn key(key: Key) -> Result<wit::Key, Problem> {
        let part = |part| match part {
            KeyPart::Text(text) => wit::KeyPart::Text(text),
            KeyPart::Translated(index) => wit::KeyPart::Translated(index),
        };
        Ok(match key {
            Key::Name(name) => wit::Key::Name(name),
            Key::Translated(index) => wit::Key::Translated(index),
            Key::Joined(parts) => wit::Key::Joined(parts.into_iter().map(part).collect()),
        })
    }

    fn input(input: wit::Input) -> Input {
        let wit::Input { dataset, object, parameters, columns, partitions, strict } = input;
        let wit::Object { bucket, key, file_name, last_modified, metadata } = object;
        let object = Object { bucket, key, file_name, last_modified, metadata };
        Input { dataset, object, parameters, columns: columns.into_iter().map(schema).collect(), partitions, strict }
    }

    fn lift_type(column_type: wit::ColumnType) -> ColumnType {
        match column_type {
            wit::ColumnType::Boolean => ColumnType::Boolean,
            wit::ColumnType::Integer => ColumnType::Integer,
            wit::ColumnType::Unsigned => ColumnType::Unsigned,
            wit::ColumnType::Float => ColumnType::Float,
            wit::ColumnType::Text => ColumnType::Text,
            wit::ColumnType::Timestamp => ColumnType::Timestamp,
            wit::ColumnType::TimeOfDay => ColumnType::TimeOfDay,
            wit::ColumnType::Duration => ColumnType::Duration,
            wit::ColumnType::Uuid => ColumnType::Uuid,
            wit::ColumnType::Binary => ColumnType::Binary,
            wit::ColumnType::Other => ColumnType::Other,
        }
    }

    fn column_type(column_type: ColumnType) -> wit::ColumnType {
        match column_type {
            ColumnType::Boolean => wit::ColumnType::Boolean,
            ColumnType::Integer => wit::ColumnType::Integer,
            ColumnType::Unsigned => wit::ColumnType::Unsigned,
            ColumnType::Float => wit::ColumnType::Float,
            ColumnType::Text => wit::ColumnType::Text,
            ColumnType::Timestamp => wit::ColumnType::Timestamp,
            ColumnType::TimeOfDay => wit::ColumnType::TimeOfDay,
            ColumnType::Duration => wit::ColumnType::Duration,
            ColumnType::Uuid => wit::ColumnType::Uuid,
            ColumnType::Binary => wit::ColumnType::Binary,
            ColumnType::Other => wit::ColumnType::Other,
        }
    }
}
