//! The converter of the `transmission` dataset.

use converter_sdk::{Converter, Description, Input, Mapping, Problem};
use energy::Dataset;

const DATASET: Dataset = Dataset {
    name: "transmission",
    summary: "What transmission lines carry",
    measurement: "transmission_data",
    required_tags: &["region", "line_id", "measurement_type"],
    optional_tags: &["quality_flag", "line_type", "operator"],
};

/// The converter.
#[derive(Debug)]
pub struct Transmission;

impl Converter for Transmission {
    fn describe() -> Description {
        DATASET.describe()
    }

    fn prepare(input: &Input) -> Result<Mapping, Vec<Problem>> {
        DATASET.prepare(input)
    }
}

converter_sdk::export!(Transmission);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failure is a test's to report")]

    use converter_sdk::testing::Table;

    use super::*;

    #[test]
    fn every_column_of_the_dataset_is_written() {
        let table = Table::new("transmission")
            .timestamps("timestamp", [7])
            .texts("region", ["SE"])
            .texts("line_id", ["L-42"])
            .texts("measurement_type", ["flow"])
            .texts("quality_flag", ["ok"])
            .texts("line_type", ["overhead"])
            .texts("operator", ["ONS"])
            .floats("value", [12.5])
            .texts("unit", ["MW"])
            .floats("capacity_mw", [700.0])
            .floats("efficiency", [0.5])
            .floats("voltage_kv", [500.0])
            .floats("current_a", [80.0])
            .floats("frequency_hz", [60.0]);
        let tags = "region=SE,line_id=L-42,measurement_type=flow,quality_flag=ok,line_type=overhead,operator=ONS";
        let fields =
            "power_mw=12.5,unit=\"MW\",capacity_mw=700,efficiency=0.5,voltage_kv=500,current_a=80,frequency_hz=60";
        assert_eq!(table.convert::<Transmission>().unwrap(), [format!("transmission_data,{tags} {fields} 7")]);
    }

    #[test]
    fn these_columns_are_required() {
        let problems = Transmission::prepare(Table::new("transmission").input()).unwrap_err();
        let columns: Vec<_> = problems.iter().filter_map(|problem| problem.column.as_deref()).collect();
        assert_eq!(columns, ["timestamp", "region", "line_id", "measurement_type", "value", "unit"]);
    }

    #[test]
    fn it_describes_itself() {
        let Description { name, version, dataset, summary } = Transmission::describe();
        assert_eq!([name, version, dataset], ["transmission", "1.0.0", "transmission"]);
        assert!(!summary.is_empty());
    }
}
