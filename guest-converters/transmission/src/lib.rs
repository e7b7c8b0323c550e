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
