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
