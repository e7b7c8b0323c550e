//! A converter for the judges in `tests/judges`: it has no mapping, but shows what the loader reads. The column `row`, of
//! integers, is the time and the field `row`; every other column that can be read becomes two fields, one in the type in
//! which it crosses, under its name, and one as text, under its name and `_text`.

use converter_sdk::{ColumnType, Converter, Description, FieldType, Input, Mapping, PlanBuilder, Point, Problem};

const READABLE: [ColumnType; 6] = [
    ColumnType::Boolean,
    ColumnType::Integer,
    ColumnType::Unsigned,
    ColumnType::Float,
    ColumnType::Text,
    ColumnType::Timestamp,
];

/// The converter.
#[derive(Debug)]
pub struct EveryColumn;

impl Converter for EveryColumn {
    fn describe() -> Description {
        Description {
            name: "every-column".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            dataset: "every-column".into(),
            summary: env!("CARGO_PKG_DESCRIPTION").into(),
        }
    }

    fn prepare(input: &Input) -> Result<Mapping, Vec<Problem>> {
        let mut plan = PlanBuilder::new(input);
        let row = plan.required("row", &[ColumnType::Integer]);
        let mut point = Point::new("rows", row);
        point.field("row", row);
        let others = input.columns.iter().filter(|column| column.name != "row");
        for column in others.filter(|column| READABLE.contains(&column.column_type)) {
            if let Some(source) = plan.optional(&column.name, &READABLE) {
                point.field(column.name.as_str(), source);
                point.field(format!("{}_text", column.name), source).write_as(FieldType::Text);
            }
        }
        plan.finish([point])
    }
}

converter_sdk::export!(EveryColumn);
