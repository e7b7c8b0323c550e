//! The converter of the `consumption` dataset.

use converter_sdk::{Converter, Description, Input, Mapping, Problem};
use energy::Dataset;

const DATASET: Dataset = Dataset {
    name: "consumption",
    summary: "What consumers use",
    measurement: "consumption_data",
    required_tags: &["region", "consumer_type", "measurement_type"],
    optional_tags: &["quality_flag", "sector", "subsector", "tariff_type"],
};

/// The converter.
#[derive(Debug)]
pub struct Consumption;

impl Converter for Consumption {
    fn describe() -> Description {
        DATASET.describe()
    }

    fn prepare(input: &Input) -> Result<Mapping, Vec<Problem>> {
        DATASET.prepare(input)
    }
}

converter_sdk::export!(Consumption);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failure is a test's to report")]

    use converter_sdk::testing::Table;

    use super::*;

    #[test]
    fn every_column_of_the_dataset_is_written() {
        let table = Table::new("consumption")
            .timestamps("timestamp", [7])
            .texts("region", ["SE"])
            .texts("consumer_type", ["industrial"])
            .texts("measurement_type", ["net"])
            .texts("quality_flag", ["ok"])
            .texts("sector", ["steel"])
            .texts("subsector", ["rolling"])
            .texts("tariff_type", ["green"])
            .floats("value", [12.5])
            .texts("unit", ["MW"])
            .floats("capacity_mw", [700.0])
            .floats("efficiency", [0.5])
            .floats("voltage_kv", [500.0])
            .floats("current_a", [80.0])
            .floats("frequency_hz", [60.0]);
        let tags = "region=SE,consumer_type=industrial,measurement_type=net,quality_flag=ok,sector=steel,subsector=rolling,tariff_type=green";
        let fields =
            "power_mw=12.5,unit=\"MW\",capacity_mw=700,efficiency=0.5,voltage_kv=500,current_a=80,frequency_hz=60";
        assert_eq!(table.convert::<Consumption>().unwrap(), [format!("consumption_data,{tags} {fields} 7")]);
    }

    #[test]
    fn these_columns_are_required() {
        let problems = Consumption::prepare(Table::new("consumption").input()).unwrap_err();
        let columns: Vec<_> = problems.iter().filter_map(|problem| problem.column.as_deref()).collect();
        assert_eq!(columns, ["timestamp", "region", "consumer_type", "measurement_type", "value", "unit"]);
    }

    #[test]
    fn it_describes_itself() {
        let Description { name, version, dataset, summary } = Consumption::describe();
        assert_eq!([name, version, dataset], ["consumption", "1.0.0", "consumption"]);
        assert!(!summary.is_empty());
    }
}
