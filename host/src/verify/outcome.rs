//! What a verification has found.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::tally::Aspect;
use crate::report::Failure;

/// What a verification has found.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Whether the database has what is expected, all of it, and nothing else unless that does not matter.
    pub clean: bool,
    /// What was read; empty where two databases are compared.
    pub objects: Vec<ObjectOutcome>,
    /// How long a bucket is, in seconds.
    pub bucket_seconds: i64,
    /// All measurements together.
    pub totals: Totals,
    /// By measurement.
    pub measurements: BTreeMap<String, MeasurementOutcome>,
    /// The first differences of each sort.
    pub differences: Vec<Difference>,
    /// How many differences are not among them.
    pub not_shown: u64,
    /// How often the source was read.
    pub passes: u64,
    /// How many questions the database was asked.
    pub questions: u64,
    /// How long it took.
    pub seconds: f64,
}

/// An object that was read.
#[derive(Clone, Debug, Serialize)]
pub struct ObjectOutcome {
    /// `s3://bucket/key`, or the path of a file.
    pub object: String,
    /// Its rows.
    pub rows: u64,
    /// Rows that a load rejects: they are not expected.
    pub rejected: u64,
    /// Rows that the converter filters.
    pub filtered: u64,
    /// Why it could not be read: nothing is known of its points then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// How many values there are. A point has a value for each of its fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Values that are expected.
    pub expected: u64,
    /// Values that the database has.
    pub found: u64,
    /// Values that are expected and do not exist.
    pub missing: u64,
    /// Values that exist and are not expected.
    pub extra: u64,
    /// Values that exist and are other than expected.
    pub different: u64,
    /// Buckets of time.
    pub buckets: u64,
    /// Buckets that differ.
    pub differing_buckets: u64,
}

/// How a measurement was compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Every value.
    Points,
    /// Count, minimum, maximum, sum, first and last time, and series of each bucket; every value of those that differ.
    Sums,
}

/// What was found of a measurement.
#[derive(Clone, Debug, Serialize)]
pub struct MeasurementOutcome {
    /// How it was compared.
    pub method: Method,
    /// Its fields.
    pub fields: Vec<String>,
    /// Fields that the database has in another type.
    pub types: Vec<TypeDifference>,
    /// Its buckets, in the order of time.
    pub buckets: Vec<BucketOutcome>,
}

/// A field that the database has in another type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TypeDifference {
    /// The field.
    pub field: String,
    /// The types that are expected.
    pub expected: BTreeSet<String>,
    /// The types that the database has.
    pub found: BTreeSet<String>,
}

/// What was found in a bucket of time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BucketOutcome {
    /// When it starts, in nanoseconds since 1970.
    pub start: i64,
    /// Values that are expected.
    pub expected: u64,
    /// Values that the database has.
    pub found: u64,
    /// Values that are expected and do not exist.
    pub missing: u64,
    /// Values that exist and are not expected.
    pub extra: u64,
    /// Values that exist and are other than expected.
    pub different: u64,
    /// What sums differ in, where the values were not compared one by one: there were too many.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub by: BTreeSet<Aspect>,
}

impl BucketOutcome {
    /// Whether it is not as expected.
    pub fn differs(&self) -> bool {
        self.missing + self.extra + self.different > 0 || !self.by.is_empty()
    }
}

/// How a value is not as expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It does not exist.
    Missing,
    /// It exists and is not expected.
    Extra,
    /// It is another one.
    Different,
}

/// A value that is not as expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// How.
    pub change: Change,
    /// Its measurement.
    pub measurement: String,
    /// The tags of its series, as `key=value,key=value`.
    pub series: String,
    /// Its field.
    pub field: String,
    /// In nanoseconds since 1970.
    pub time: i64,
    /// What is expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What the database has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// From which object it comes: its place among [`Outcome::objects`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<u32>,
    /// From which row of the object, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<u64>,
}
