//! Files to load: the real data of the project, and Parquet files made by a test.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use parquet::arrow::ArrowWriter;

/// The rows of [`consumption_file`].
pub const CONSUMPTION_ROWS: u64 = 75_453;

/// The points that they give: 13 rows have no time.
pub const CONSUMPTION_POINTS: u64 = 75_440;

/// The sum of the points' `power_mw`, within 0.01.
pub const CONSUMPTION_SUM: f64 = 212_736_758.893;

/// Hourly load of five distributors over four years; `tests/data/README.md` names its source.
pub fn consumption_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/dataset=consumption/sao-paulo-load-2018-2021.parquet")
}

/// The same load as the grid operator publishes it: local times as text, and four rows without a value.
pub fn raw_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/dataset=ons-load-raw/sao-paulo-load-2018-2021.parquet")
}

/// A batch as the bytes of a Parquet file.
pub fn parquet(batch: &RecordBatch) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    bytes
}

/// Three rows of the consumption dataset: two in different units, and one that has no time.
pub fn small_consumption() -> RecordBatch {
    let texts = |values: [&str; 3]| Arc::new(StringArray::from_iter_values(values)) as ArrayRef;
    let times = TimestampMillisecondArray::from(vec![Some(1_514_764_800_000), Some(1_514_768_400_000), None]);
    RecordBatch::try_from_iter([
        ("timestamp", Arc::new(times.with_timezone("UTC")) as ArrayRef),
        ("region", texts(["southeast", "southeast", "south"])),
        ("value", Arc::new(Float64Array::from(vec![1.5, 2.25, 3.0]))),
        ("unit", texts(["MW", "MWh", "MW"])),
        ("consumer_type", texts(["residential", "industrial", "residential"])),
        ("measurement_type", texts(["load", "load", "load"])),
    ])
    .unwrap()
}
