//! The mappings of converters without a sandbox: what the sandbox is held against.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch, StringArray};
use arrow::datatypes::Float64Type;
use converter_sdk::{ColumnSchema, ColumnType, Converter, Problem, Strings};
use generation::Generation;
use influxdb_loader::converter::{Converted, Input};
use influxdb_loader::points::Mapping;
use influxdb_loader::source;

/// The converter of generation data as it is, compiled into this program.
pub(crate) struct NativeGeneration(converter_sdk::Mapping);

impl NativeGeneration {
    pub(crate) fn prepare(input: &Input) -> Self {
        let columns = input.columns.iter().map(|column| ColumnSchema {
            name: column.name.clone(),
            column_type: column_type(column.column_type),
            source_type: column.source_type.clone(),
            nullable: column.nullable,
            list: None,
        });
        let input = converter_sdk::Input {
            dataset: input.dataset.clone(),
            columns: columns.collect(),
            partitions: input.partitions.clone(),
            strict: input.strict,
            ..converter_sdk::Input::default()
        };
        Self(Generation::prepare(&input).unwrap())
    }
}

impl Mapping for NativeGeneration {
    type Error = Problem;

    fn translate(&mut self, translation: usize, values: &StringArray) -> Result<StringArray, Problem> {
        let values: Strings = values.iter().collect();
        let answers = self.0.translate(u32::try_from(translation).unwrap(), &values)?;
        Ok(answers.iter()?.collect())
    }

    fn convert(&mut self, _: &RecordBatch) -> Result<Converted, Problem> {
        unreachable!("the plan for clean data computes nothing")
    }
}

/// What `benches/computed` computes, by a loop over Arrow's own column: nothing is copied on the way in or out.
pub(crate) struct NativeComputed;

impl Mapping for NativeComputed {
    type Error = Problem;

    fn translate(&mut self, _: usize, _: &StringArray) -> Result<StringArray, Problem> {
        unreachable!("the plan translates nothing")
    }

    fn convert(&mut self, columns: &RecordBatch) -> Result<Converted, Problem> {
        let scaled = columns.column(0).as_primitive::<Float64Type>().unary::<_, Float64Type>(|value| value * 0.001);
        Ok(Converted { computed: vec![Arc::new(scaled)], masks: Vec::new(), rejected: Vec::new() })
    }
}

fn column_type(column_type: source::ColumnType) -> ColumnType {
    match column_type {
        source::ColumnType::Boolean => ColumnType::Boolean,
        source::ColumnType::Integer => ColumnType::Integer,
        source::ColumnType::Unsigned => ColumnType::Unsigned,
        source::ColumnType::Float => ColumnType::Float,
        source::ColumnType::Text => ColumnType::Text,
        source::ColumnType::Timestamp => ColumnType::Timestamp,
        source::ColumnType::Other => ColumnType::Other,
    }
}
