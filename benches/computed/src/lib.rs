//! A converter of the same columns as `generation`, that computes one of them: the cheapest use of the contract's third
//! level, for benchmarks of what that level costs. Everything else passes through.

use converter_sdk::{Column, ColumnType, Converter, Description, Input, Mapping, PlanBuilder, Point, Problem};

const TAGS: [&str; 7] =
    ["region", "quality_flag", "unit", "energy_source", "measurement_type", "plant_name", "operator"];

/// The converter.
#[derive(Debug)]
pub struct Computed;

impl Converter for Computed {
    fn describe() -> Description {
        Description {
            name: "computed".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            dataset: "computed".into(),
            summary: env!("CARGO_PKG_DESCRIPTION").into(),
        }
    }

    fn prepare(input: &Input) -> Result<Mapping, Vec<Problem>> {
        let mut plan = PlanBuilder::new(input);
        let mut point = Point::new("computed", plan.required("timestamp", &[ColumnType::Timestamp]));
        for name in TAGS {
            point.tag(name, plan.required(name, &[ColumnType::Text]));
        }
        let value = plan.required("value", &[ColumnType::Float]);
        let scaled = plan.compute(ColumnType::Float, [value], |[value]| {
            Ok(Column::floats(value.floats()?.map(|value| value.map(|value| value * 0.001))))
        });
        point.field("value", scaled);
        for name in ["capacity_mw", "efficiency"] {
            point.field(name, plan.required(name, &[ColumnType::Float]));
        }
        plan.finish([point])
    }
}

converter_sdk::export!(Computed);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failure is a test's to report")]

    use converter_sdk::testing::Table;

    use super::*;

    #[test]
    fn the_value_is_scaled_and_everything_else_passes_through() {
        let table = Table::new("computed").timestamps("timestamp", [7]);
        let table = TAGS.iter().fold(table, |table, name| table.texts(name, ["a"]));
        let table = table.floats("value", [1_500.0]).floats("capacity_mw", [2.5]).floats("efficiency", [0.5]);
        let tags = TAGS.map(|name| format!("{name}=a")).join(",");
        let expected = format!("computed,{tags} value=1.5,capacity_mw=2.5,efficiency=0.5 7");
        assert_eq!(table.convert::<Computed>().unwrap(), [expected]);
    }
}
