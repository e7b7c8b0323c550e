//! Files to load: the real data of the project, and Parquet files made by a test.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray, TimestampNanosecondArray,
};
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

/// A file of 32,500 rows of consumption: 20 regions one after the other, each of the same 1,500 days. Some rows have no time, and some
/// have the region `bad`; at the end come points again, with other values. With it comes what a server then has: by region and time, the
/// value of the last row.
pub fn series_by_series(directory: &Path) -> (PathBuf, BTreeMap<(String, i64), f64>) {
    const DAY: i64 = 86_400_000_000_000;
    const REGIONS: i64 = 20;
    const DAYS: i64 = 1_500;
    // Rows at the end that write points of the first regions again.
    const AGAIN: i64 = 2_500;
    let first = (0..REGIONS * DAYS).map(|row| (row / DAYS, row % DAYS));
    let again = (0..AGAIN).map(|row| (row / DAYS, row % DAYS));
    let points: Vec<(i64, i64)> = first.chain(again).collect();
    let (mut times, mut regions, mut values) = (Vec::new(), Vec::new(), Vec::new());
    let mut expected = BTreeMap::new();
    for (row, (region, day)) in points.iter().enumerate() {
        let time = (row % 997 != 5).then_some((19_000 + day) * DAY);
        let region = if row % 1_009 == 7 { "bad".to_owned() } else { format!("r{region}") };
        let value = row as f64;
        if let Some(time) = time {
            expected.insert((region.clone(), time), value);
        }
        times.push(time);
        regions.push(region);
        values.push(value);
    }
    let text = |value: &str| Arc::new(StringArray::from(vec![value; points.len()])) as ArrayRef;
    let columns = [
        ("timestamp", Arc::new(TimestampNanosecondArray::from(times).with_timezone("UTC")) as ArrayRef),
        ("region", Arc::new(StringArray::from(regions))),
        ("value", Arc::new(Float64Array::from(values))),
        ("unit", text("MW")),
        ("consumer_type", text("residential")),
        ("measurement_type", text("load")),
    ];
    let path = directory.join("dataset=consumption/series.parquet");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, parquet(&RecordBatch::try_from_iter(columns).unwrap())).unwrap();
    (path, expected)
}
