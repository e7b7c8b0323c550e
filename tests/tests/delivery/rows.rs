//! Rows of the consumption dataset, of which each gives one point.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampNanosecondArray};
use influxdb_loader_tests::{Dialect, FaultServer, Loader, Point, Store, Value, parquet};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

/// The time of row 0: a Monday, on which a shard begins, in nanoseconds since the epoch.
const START: i64 = 1_704_067_200_000_000_000;

const SECOND: i64 = 1_000_000_000;

/// The region of points that are no rows'.
const SEED: &str = "seed";

/// Row n is n seconds after the first, and its value is n more than that of the first, which has the value 0.
#[derive(Clone)]
pub(crate) struct Rows {
    first_value: usize,
    first_second: usize,
    seconds: usize,
    regions: Vec<String>,
    units: Vec<&'static str>,
}

impl Rows {
    pub(crate) fn new(count: usize) -> Self {
        let regions = (0..count).map(|row| ["north", "south", "east"][row % 3].to_owned()).collect();
        Self { first_value: 0, first_second: 0, seconds: 1, regions, units: vec!["MW"; count] }
    }

    /// With another value in the first row.
    pub(crate) fn valued_from(mut self, value: usize) -> Self {
        self.first_value = value;
        self
    }

    /// With the first row so many seconds later.
    pub(crate) fn later(mut self, seconds: usize) -> Self {
        self.first_second = seconds;
        self
    }

    /// With so many seconds from row to row.
    pub(crate) fn every(mut self, seconds: usize) -> Self {
        self.seconds = seconds;
        self
    }

    /// With these rows in another region.
    pub(crate) fn with_region(mut self, rows: &[usize], region: &str) -> Self {
        for &row in rows {
            region.clone_into(&mut self.regions[row]);
        }
        self
    }

    /// With these rows in another unit, which is another field.
    pub(crate) fn with_unit(mut self, rows: &[usize], unit: &'static str) -> Self {
        for &row in rows {
            self.units[row] = unit;
        }
        self
    }

    pub(crate) fn len(&self) -> usize {
        self.regions.len()
    }

    pub(crate) fn parquet(&self) -> Vec<u8> {
        parquet(&self.batch())
    }

    pub(crate) fn parquet_in_row_groups_of(&self, rows: usize) -> Vec<u8> {
        let batch = self.batch();
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(rows)).build();
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        bytes
    }

    fn batch(&self) -> RecordBatch {
        let count = self.len();
        let text = |value: &str| Arc::new(StringArray::from(vec![value; count])) as ArrayRef;
        let times = (0..count).map(|row| time_of(self.first_second + row * self.seconds));
        let values = (0..count).map(|row| (self.first_value + row) as f64);
        let columns = [
            ("timestamp", Arc::new(TimestampNanosecondArray::from_iter_values(times).with_timezone("UTC")) as ArrayRef),
            ("region", Arc::new(StringArray::from_iter_values(&self.regions))),
            ("value", Arc::new(Float64Array::from_iter_values(values))),
            ("unit", Arc::new(StringArray::from_iter_values(&self.units))),
            ("consumer_type", text("residential")),
            ("measurement_type", text("load")),
        ];
        RecordBatch::try_from_iter(columns).unwrap()
    }

    /// Writes the file, and returns where it is.
    pub(crate) fn write_to(&self, directory: &Path) -> PathBuf {
        let path = directory.join("dataset=consumption/rows.parquet");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, self.parquet()).unwrap();
        path
    }

    /// What a server has of them on which nothing goes wrong.
    pub(crate) fn store(&self) -> Store {
        let server = FaultServer::start(Dialect::V1);
        let directory = tempfile::tempdir().unwrap();
        let settings = server.settings().with("MAX_BATCH_SIZE", "100000");
        Loader::new(["load"]).argument(self.write_to(directory.path())).settings(settings).run().succeeded();
        let store = server.store();
        assert_eq!(store.len(), self.len());
        store
    }
}

/// So many seconds after the start, in nanoseconds since the epoch.
pub(crate) fn time_of(seconds: usize) -> i64 {
    START + i64::try_from(seconds).unwrap() * SECOND
}

/// The row that gave a point, by its value.
#[expect(clippy::cast_possible_truncation, reason = "the values of rows are whole numbers, and small")]
pub(crate) fn row_of(point: &Point) -> usize {
    let value = point.fields.values().find_map(|value| match value {
        Value::Float(value) => Some(*value),
        _ => None,
    });
    value.unwrap() as usize
}

/// A line of no row, that gives a field its type.
pub(crate) fn seed(field: &str) -> String {
    format!("consumption_data,region={SEED} {field} {START}")
}

pub(crate) fn is_seed(point: &Point) -> bool {
    point.tags.get("region").is_some_and(|region| region == SEED)
}
