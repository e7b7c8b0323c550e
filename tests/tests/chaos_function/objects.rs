//! The objects of a seed: their versions, and what of each row is to become.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use fastrand::Rng;
use influxdb_loader_tests::parquet;

/// The time of the first row, in milliseconds.
const START: i64 = 1_704_067_200_000;

/// Rows that InfluxDB refuses lie so much later, in a shard in which the field has another type.
pub(crate) const CONFLICT: i64 = START + 364 * 24 * 3_600_000;

/// A version of an object.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    /// What S3 calls it.
    pub(crate) id: String,
    /// What each of its values encodes: `number` and the row.
    pub(crate) number: u32,
    pub(crate) rows: usize,
    /// Rows without a time.
    pub(crate) timeless: BTreeSet<usize>,
    /// Rows that InfluxDB refuses, at the end.
    pub(crate) conflicting: usize,
    /// Whether it is no Parquet file at all.
    pub(crate) broken: bool,
}

impl Version {
    pub(crate) fn random(random: &mut Rng, number: u32, rows: usize) -> Self {
        let timeless = (0..random.usize(0..4)).map(|_| random.usize(..rows)).collect();
        let conflicting = random.usize(0..4);
        let broken = random.u32(..20) == 0;
        Self { id: String::new(), number, rows, timeless, conflicting, broken }
    }

    fn is_conflicting(&self, row: usize) -> bool {
        row >= self.rows - self.conflicting
    }

    fn time(&self, row: usize) -> i64 {
        let start = if self.is_conflicting(row) { CONFLICT } else { START };
        start + row as i64 * 60_000
    }

    fn value(&self, row: usize) -> f64 {
        f64::from(self.number) * 10_000.0 + row as f64
    }

    pub(crate) fn bytes(&self, region: &str) -> Vec<u8> {
        if self.broken {
            return format!("not Parquet, {}", self.number).into_bytes();
        }
        let text =
            |value: &str| Arc::new(StringArray::from_iter_values(std::iter::repeat_n(value, self.rows))) as ArrayRef;
        let times = (0..self.rows).map(|row| (!self.timeless.contains(&row)).then(|| self.time(row)));
        let batch = RecordBatch::try_from_iter_with_nullable([
            (
                "timestamp",
                Arc::new(times.collect::<TimestampMillisecondArray>().with_timezone("UTC")) as ArrayRef,
                true,
            ),
            ("region", text(region), false),
            ("value", Arc::new(Float64Array::from_iter_values((0..self.rows).map(|row| self.value(row)))), false),
            ("unit", text("MW"), false),
            ("consumer_type", text("residential"), false),
            ("measurement_type", text("load"), false),
        ]);
        parquet(&batch.unwrap())
    }

    /// The points that InfluxDB has to have, by their time in nanoseconds.
    pub(crate) fn points(&self) -> BTreeMap<i64, f64> {
        let stored = (0..self.rows).filter(|row| !self.timeless.contains(row) && !self.is_conflicting(*row));
        stored.map(|row| (self.time(row) * 1_000_000, self.value(row))).collect()
    }

    /// The rows that have to be among the rejects.
    pub(crate) fn rejected(&self) -> BTreeSet<u64> {
        let rejected = (0..self.rows).filter(|row| self.timeless.contains(row) || self.is_conflicting(*row));
        rejected.map(|row| row as u64).collect()
    }
}
