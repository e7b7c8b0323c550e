//! Every form of event through the Lambda emulator, objects in S3 and a real InfluxDB: what is loaded, and what the caller
//! is answered on a success, on a failure in part and on a failure as a whole.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod answers;
mod concurrency;
mod emulator;
mod forms;
mod health;
mod incoming;
mod invocation;
mod time;
mod versions;

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use influxdb_loader_tests::{InfluxDb2, Moto, Settings};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

const BUCKET: &str = "energy";
const DATABASE: &str = "energy_data";

/// S3 with a bucket, and InfluxDB.
struct Site {
    moto: Moto,
    influxdb: InfluxDb2,
}

impl Site {
    fn start() -> Self {
        Self::of(Moto::start())
    }

    fn of(moto: Moto) -> Self {
        moto.create_bucket(BUCKET);
        Self { moto, influxdb: InfluxDb2::start(DATABASE) }
    }

    fn settings(&self) -> Settings {
        self.moto.settings().and(self.influxdb.settings(DATABASE)).with("ENABLE_METRICS", "false")
    }

    /// Stores an object of a few rows, whose region is its name. Returns its key.
    fn put(&self, name: &str) -> String {
        let key = key(name);
        self.moto.put_object(BUCKET, &key, rows(name, 3, 1.0).parquet(3));
        key
    }

    /// Stores an object that is no Parquet file. Returns its key.
    fn put_broken(&self, name: &str) -> String {
        let key = key(name);
        self.moto.put_object(BUCKET, &key, b"not Parquet".to_vec());
        key
    }

    /// How many points InfluxDB has of a region, and the sum of their values.
    fn points(&self, region: &str) -> (f64, f64) {
        let of = |function: &str| {
            let measurement = format!("consumption_data WHERE region = '{region}'");
            self.influxdb.number(DATABASE, &format!("{function}(power_mw)"), &measurement)
        };
        (of("count"), of("sum"))
    }
}

fn key(name: &str) -> String {
    format!("dataset=consumption/{name}.parquet")
}

/// Rows of the consumption dataset, an hour apart, all with one value.
struct Rows(RecordBatch);

fn rows(region: &str, count: usize, value: f64) -> Rows {
    rows_at(region, value, (0..count as i64).map(|hour| 1_514_764_800_000 + hour * 3_600_000))
}

/// Rows of the consumption dataset at these milliseconds, all with one value.
fn rows_at(region: &str, value: f64, times: impl Iterator<Item = i64>) -> Rows {
    let times = TimestampMillisecondArray::from_iter_values(times).with_timezone("UTC");
    let count = times.len();
    let text = |value: &str| Arc::new(StringArray::from_iter_values(std::iter::repeat_n(value, count))) as ArrayRef;
    let columns = [
        ("timestamp", Arc::new(times) as ArrayRef),
        ("region", text(region)),
        ("value", Arc::new(Float64Array::from(vec![value; count]))),
        ("unit", text("MW")),
        ("consumer_type", text("residential")),
        ("measurement_type", text("load")),
    ];
    Rows(RecordBatch::try_from_iter(columns).unwrap())
}

impl Rows {
    /// A file with so many rows in each row group.
    fn parquet(&self, rows_in_group: usize) -> Vec<u8> {
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(rows_in_group)).build();
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, self.0.schema(), Some(properties)).unwrap();
        writer.write(&self.0).unwrap();
        writer.close().unwrap();
        bytes
    }
}
