//! The converter of the `generation` dataset.

use converter_sdk::{Converter, Description, Input, Mapping, Problem};
use energy::Dataset;

const DATASET: Dataset = Dataset {
    name: "generation",
    summary: "What power plants generate",
    measurement: "generation_data",
    required_tags: &["region", "energy_source", "measurement_type"],
    optional_tags: &["quality_flag", "plant_name", "operator"],
};

/// The converter.
#[derive(Debug)]
pub struct Generation;

impl Converter for Generation {
    fn describe() -> Description {
        DATASET.describe()
    }

    fn prepare(input: &Input) -> Result<Mapping, Vec<Problem>> {
        DATASET.prepare(input)
    }
}

converter_sdk::export!(Generation);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failure is a test's to report")]

    use converter_sdk::testing::Table;

    use super::*;

    #[test]
    fn every_column_of_the_dataset_is_written() {
        let table = Table::new("generation")
            .timestamps("timestamp", [7])
            .texts("region", ["SE"])
            .texts("energy_source", ["hydro"])
            .texts("measurement_type", ["gross"])
            .texts("quality_flag", ["ok"])
            .texts("plant_name", ["Itaipu"])
            .texts("operator", ["ONS"])
            .floats("value", [12.5])
            .texts("unit", ["MW"])
            .floats("capacity_mw", [700.0])
            .floats("efficiency", [0.5])
            .floats("voltage_kv", [500.0])
            .floats("current_a", [80.0])
            .floats("frequency_hz", [60.0]);
        let tags =
            "region=SE,energy_source=hydro,measurement_type=gross,quality_flag=ok,plant_name=Itaipu,operator=ONS";
        let fields =
            "power_mw=12.5,unit=\"MW\",capacity_mw=700,efficiency=0.5,voltage_kv=500,current_a=80,frequency_hz=60";
        assert_eq!(table.convert::<Generation>().unwrap(), [format!("generation_data,{tags} {fields} 7")]);
    }

    #[test]
    fn these_columns_are_required() {
        let problems = Generation::prepare(Table::new("generation").input()).unwrap_err();
        let columns: Vec<_> = problems.iter().filter_map(|problem| problem.column.as_deref()).collect();
        assert_eq!(columns, ["timestamp", "region", "energy_source", "measurement_type", "value", "unit"]);
    }

    #[test]
    fn it_describes_itself() {
        let Description { name, version, dataset, summary } = Generation::describe();
        assert_eq!([name, version, dataset], ["generation", "1.0.0", "generation"]);
        assert!(!summary.is_empty());
    }
}
