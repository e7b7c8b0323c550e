//! The calls into a guest, in the contract that it speaks. What goes in is lowered to what that contract knows; what comes
//! out is of the latest contract, in which every answer of an older one can be expressed.

use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre};

use super::bindings::v0_1::influxdb_loader::converter::types as old;
use super::bindings::v0_2::influxdb_loader::converter::types as wit;
use super::bindings::{v0_1, v0_2};
use super::columns::{Column, Strings, Values};
use super::contract::Contract;
use super::older;
use super::plan::Input;
use super::state::State;
use crate::source::{ColumnSchema, ColumnType, Meaning};

/// What a converter returns, or why it does not.
type Answer<T> = wasmtime::Result<Result<T, wit::Problem>>;

/// Where the exports of a component are.
#[derive(Clone)]
pub(super) enum Exports {
    V0_1(v0_1::ConverterWorldIndices),
    V0_2(v0_2::ConverterWorldIndices),
}

impl Exports {
    /// Those of a component that speaks `contract`.
    pub(super) fn new(contract: Contract, pre: &InstancePre<State>) -> wasmtime::Result<Self> {
        Ok(match contract {
            Contract::V0_1 => Self::V0_1(v0_1::ConverterWorldIndices::new(pre)?),
            Contract::V0_2 => Self::V0_2(v0_2::ConverterWorldIndices::new(pre)?),
        })
    }

    /// The contract in which they are called.
    pub(super) fn contract(&self) -> Contract {
        match self {
            Self::V0_1(_) => Contract::V0_1,
            Self::V0_2(_) => Contract::V0_2,
        }
    }

    /// Those of an instance.
    pub(super) fn load(&self, store: &mut Store<State>, instance: &Instance) -> wasmtime::Result<World> {
        Ok(match self {
            Self::V0_1(exports) => World::V0_1(exports.load(store, instance)?),
            Self::V0_2(exports) => World::V0_2(exports.load(store, instance)?),
        })
    }
}

/// An instance of a component, to be called.
pub(super) enum World {
    V0_1(v0_1::ConverterWorld),
    V0_2(v0_2::ConverterWorld),
}

impl World {
    pub(super) fn describe(&self, store: &mut Store<State>) -> wasmtime::Result<wit::Description> {
        match self {
            Self::V0_1(world) => {
                world.influxdb_loader_converter_converter().call_describe(store).map(older::description)
            }
            Self::V0_2(world) => world.influxdb_loader_converter_converter().call_describe(store),
        }
    }

    pub(super) fn prepare(
        &self,
        store: &mut Store<State>,
        input: &Input,
        parameters: Option<&str>,
    ) -> wasmtime::Result<Result<wit::Plan, Vec<wit::Problem>>> {
        let partitions = pairs(&input.partitions);
        match self {
            Self::V0_1(world) => {
                let columns = schema_v0_1(input);
                let lowered = old::Input {
                    dataset: &input.dataset,
                    columns: &columns,
                    partitions: &partitions,
                    strict: input.strict,
                };
                let answer = world.influxdb_loader_converter_converter().call_prepare(store, lowered)?;
                Ok(answer.map(older::plan).map_err(|problems| problems.into_iter().map(older::problem).collect()))
            }
            Self::V0_2(world) => {
                let columns = schema_v0_2(input);
                let origin = &input.origin;
                let metadata = pairs(&origin.metadata);
                let lowered = wit::Input {
                    dataset: &input.dataset,
                    object: wit::Object {
                        bucket: origin.bucket.as_deref(),
                        key: &origin.key,
                        file_name: origin.file_name(),
                        last_modified: origin.last_modified,
                        metadata: &metadata,
                    },
                    parameters,
                    columns: &columns,
                    partitions: &partitions,
                    strict: input.strict,
                };
                world.influxdb_loader_converter_converter().call_prepare(store, lowered)
            }
        }
    }

    pub(super) fn translate(
        &self,
        store: &mut Store<State>,
        translation: u32,
        values: &Strings,
    ) -> Answer<wit::StringsResult> {
        match self {
            Self::V0_1(world) => {
                let guest = world.influxdb_loader_converter_converter();
                let answer = guest.call_translate(store, translation, lower_v0_1::strings(values))?;
                Ok(answer.map(older::strings).map_err(older::problem))
            }
            Self::V0_2(world) => {
                let guest = world.influxdb_loader_converter_converter();
                guest.call_translate(store, translation, lower_v0_2::strings(values))
            }
        }
    }

    pub(super) fn convert(&self, store: &mut Store<State>, rows: u32, columns: &[Column]) -> Answer<wit::Converted> {
        match self {
            Self::V0_1(world) => {
                let columns: Vec<_> = columns.iter().map(lower_v0_1::column).collect();
                let batch = old::Batch { rows, columns: &columns };
                let answer = world.influxdb_loader_converter_converter().call_convert(store, batch)?;
                Ok(answer.map(older::converted).map_err(older::problem))
            }
            Self::V0_2(world) => {
                let columns: Vec<_> = columns.iter().map(lower_v0_2::column).collect();
                let batch = wit::Batch { rows, columns: &columns };
                world.influxdb_loader_converter_converter().call_convert(store, batch)
            }
        }
    }
}

fn pairs(pairs: &[(String, String)]) -> Vec<(&str, &str)> {
    pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// What crosses in the same form in every contract, in the types of one.
macro_rules! lowering {
    ($module:ident, $contract:ident) => {
        pub(super) mod $module {
            use super::super::bindings::$contract::influxdb_loader::converter::types as wit;
            use super::{Column, Strings, Values};

            pub(in crate::converter) fn column(column: &Column) -> wit::ColumnParam<'_> {
                let values = match column.values() {
                    Values::Booleans(bits) => wit::ValuesParam::Booleans(bits),
                    Values::Integers(values) => wit::ValuesParam::Integers(values),
                    Values::Unsigneds(values) => wit::ValuesParam::Unsigneds(values),
                    Values::Floats(values) => wit::ValuesParam::Floats(values),
                    Values::Texts { codes, dictionary } => {
                        wit::ValuesParam::Texts(wit::TextParam { codes, dictionary: strings(dictionary) })
                    }
                    Values::Timestamps(values) => wit::ValuesParam::Timestamps(values),
                };
                wit::ColumnParam { values, validity: column.validity() }
            }

            pub(in crate::converter) fn strings(strings: &Strings) -> wit::StringsParam<'_> {
                wit::StringsParam { offsets: strings.offsets(), data: strings.data(), validity: strings.validity() }
            }
        }
    };
}

lowering!(lower_v0_1, v0_1);
lowering!(lower_v0_2, v0_2);

fn schema_v0_1(input: &Input) -> Vec<old::ColumnSchema<'_>> {
    let columns = input.columns.iter().map(|column| old::ColumnSchema {
        name: &column.name,
        column_type: column_type_v0_1(column),
        source_type: &column.source_type,
        nullable: column.nullable,
    });
    columns.collect()
}

fn schema_v0_2(input: &Input) -> Vec<wit::ColumnSchema<'_>> {
    let columns = input.columns.iter().map(|column| wit::ColumnSchema {
        name: &column.name,
        column_type: column_type_v0_2(column),
        source_type: &column.source_type,
        nullable: column.nullable,
        in_list: column.list.as_ref().map(|list| &*list.name),
    });
    columns.collect()
}

fn column_type_v0_1(column: &ColumnSchema) -> old::ColumnType {
    match column.column_type {
        ColumnType::Boolean => old::ColumnType::Boolean,
        ColumnType::Integer => old::ColumnType::Integer,
        ColumnType::Unsigned => old::ColumnType::Unsigned,
        ColumnType::Float => old::ColumnType::Float,
        ColumnType::Text => old::ColumnType::Text,
        ColumnType::Timestamp => old::ColumnType::Timestamp,
        ColumnType::Other => old::ColumnType::Other,
    }
}

fn column_type_v0_2(column: &ColumnSchema) -> wit::ColumnType {
    match (column.meaning, column.column_type) {
        (Meaning::TimeOfDay, _) => wit::ColumnType::TimeOfDay,
        (Meaning::Duration, _) => wit::ColumnType::Duration,
        (Meaning::Uuid, _) => wit::ColumnType::Uuid,
        (Meaning::Binary, _) => wit::ColumnType::Binary,
        (Meaning::Plain, ColumnType::Boolean) => wit::ColumnType::Boolean,
        (Meaning::Plain, ColumnType::Integer) => wit::ColumnType::Integer,
        (Meaning::Plain, ColumnType::Unsigned) => wit::ColumnType::Unsigned,
        (Meaning::Plain, ColumnType::Float) => wit::ColumnType::Float,
        (Meaning::Plain, ColumnType::Text) => wit::ColumnType::Text,
        (Meaning::Plain, ColumnType::Timestamp) => wit::ColumnType::Timestamp,
        (Meaning::Plain, ColumnType::Other) => wit::ColumnType::Other,
    }
}
