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
