//! A file of generation data, the same in every run, like those of `benches/generate.py`: 500 plants have a row an hour
//! each, tags are drawn anew for each row, and floats have 3, 1 and 16 decimals.

use std::fs::File;
use std::iter;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampNanosecondArray};
use fastrand::Rng;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

const SEED: u64 = 7;
const PLANTS: usize = 500;
const START: i64 = 1_700_000_000 * 1_000_000_000;
const HOUR: i64 = 3_600 * 1_000_000_000;

/// Writes so many rows.
pub(crate) fn write(path: &Path, rows: usize) {
    let rows = table(rows);
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let file = File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, rows.schema(), Some(properties)).unwrap();
    writer.write(&rows).unwrap();
    writer.close().unwrap();
}

fn table(rows: usize) -> RecordBatch {
    let mut random = Rng::with_seed(SEED);
    let operators: Vec<_> = (0..50).map(|number| format!("Operator, {number}")).collect();
    let operators: Vec<_> = operators.iter().map(String::as_str).collect();
    let times = (0..rows).map(|row| START + i64::try_from(row / PLANTS).unwrap() * HOUR);
    let plants = (0..rows).map(|row| Some(format!("UHE Plant {:04}", row % PLANTS)));
    let columns: [(&str, ArrayRef); 11] = [
        ("timestamp", Arc::new(TimestampNanosecondArray::from_iter_values(times).with_timezone("UTC"))),
        ("region", pick(&mut random, rows, &["norte", "nordeste", "sudeste", "sul", "centro_oeste"])),
        ("value", floats(&mut random, rows, |random| rounded(power(random), 1_000.0))),
        ("quality_flag", pick(&mut random, rows, &["good", "estimated", "suspect"])),
        ("unit", pick(&mut random, rows, &["MW"])),
        ("energy_source", pick(&mut random, rows, &["hidraulica", "eolica", "solar", "termica", "nuclear"])),
        ("measurement_type", pick(&mut random, rows, &["geracao_verificada", "geracao_programada", "disponibilidade"])),
        ("plant_name", Arc::new(StringArray::from_iter(plants))),
        ("operator", pick(&mut random, rows, &operators)),
        ("capacity_mw", floats(&mut random, rows, |random| rounded(10.0 + 13_990.0 * random.f64(), 10.0))),
        ("efficiency", floats(&mut random, rows, |random| 0.2 + 0.79 * random.f64())),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

/// One of the values for each row.
fn pick(random: &mut Rng, rows: usize, values: &[&str]) -> ArrayRef {
    let picked = iter::repeat_with(|| Some(values[random.usize(..values.len())])).take(rows);
    Arc::new(picked.collect::<StringArray>())
}

fn floats(random: &mut Rng, rows: usize, draw: impl Fn(&mut Rng) -> f64) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(iter::repeat_with(|| draw(random)).take(rows)))
}

/// Gamma-distributed, of shape 2 and scale 150: the sum of two that are distributed exponentially.
fn power(random: &mut Rng) -> f64 {
    -150.0 * ((1.0 - random.f64()) * (1.0 - random.f64())).ln()
}

fn rounded(value: f64, parts: f64) -> f64 {
    (value * parts).round() / parts
}
