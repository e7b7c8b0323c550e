//! What happened, exactly counted, and the answer for each kind of caller.

mod accounts;
mod answer;
mod failure;
mod item;
mod latencies;
mod remaining;
mod trial;

#[cfg(test)]
mod tests;

use std::ops::{AddAssign, Range};
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::event::{ObjectReference, Prefix};
use crate::sink::Writing;
use crate::source::ObjectState;

pub use accounts::Accounts;
pub use answer::{Answer, InvocationError, answer, answer_health, answer_summary};
pub use failure::{ErrorType, Failure, FailureKind};
pub use item::{ItemReport, Status};
pub use latencies::Latencies;
pub use remaining::Remaining;
pub use trial::TrialReport;

pub use crate::points::RejectedRow;

/// How many rejected rows of an object a report names. All are counted.
pub const MAXIMUM_REJECTIONS: usize = 10;

/// The longest message of a rejected row that a report holds, in bytes. The whole report has to fit into Lambda's 6 MiB.
const MAXIMUM_REJECTION_BYTES: usize = 512;

/// Which converter converted an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConverterId {
    /// The converter's own name.
    pub name: String,
    /// Its semantic version.
    pub version: String,
    /// The lower-case hexadecimal SHA-256 of the component.
    pub digest: String,
    /// That of its parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<String>,
}

/// How long the parts of a load took, over all threads. Serialized in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Timings {
    /// From start to end, by the clock on the wall.
    #[serde(rename = "total_seconds", serialize_with = "seconds")]
    pub total: Duration,
    /// Decoding, and waiting for the bytes to decode.
    #[serde(rename = "decode_seconds", serialize_with = "seconds")]
    pub decode: Duration,
    /// With decoded batches that no converter was free for.
    #[serde(rename = "decode_blocked_seconds", serialize_with = "seconds")]
    pub decode_blocked: Duration,
    /// In converters and the encoder.
    #[serde(rename = "convert_seconds", serialize_with = "seconds")]
    pub convert: Duration,
    /// Compressing.
    #[serde(rename = "compress_seconds", serialize_with = "seconds")]
    pub compress: Duration,
    /// Without a batch to convert.
    #[serde(rename = "convert_starved_seconds", serialize_with = "seconds")]
    pub convert_starved: Duration,
    /// With points that no request was free for.
    #[serde(rename = "convert_blocked_seconds", serialize_with = "seconds")]
    pub convert_blocked: Duration,
    /// From handing points to the sink until it had delivered them, added up over requests at a time.
    #[serde(rename = "write_seconds", serialize_with = "seconds")]
    pub write: Duration,
    /// With points that were held back because an operator had paused loads.
    #[serde(rename = "paused_seconds", serialize_with = "seconds", skip_serializing_if = "Duration::is_zero")]
    pub paused: Duration,
    /// With points that were held back by `WRITE_RATE_POINTS`.
    #[serde(rename = "rate_limited_seconds", serialize_with = "seconds", skip_serializing_if = "Duration::is_zero")]
    pub rate_limited: Duration,
}

impl AddAssign for Timings {
    fn add_assign(&mut self, other: Self) {
        self.total += other.total;
        self.decode += other.decode;
        self.decode_blocked += other.decode_blocked;
        self.convert += other.convert;
        self.compress += other.compress;
        self.convert_starved += other.convert_starved;
        self.convert_blocked += other.convert_blocked;
        self.write += other.write;
        self.paused += other.paused;
        self.rate_limited += other.rate_limited;
    }
}

/// Cuts a text that is longer than `limit` bytes.
fn shorten(text: &mut String, limit: usize) {
    if text.len() > limit {
        text.truncate(text.floor_char_boundary(limit));
        text.push('…');
    }
}

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

/// What became of one object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ObjectReport {
    /// `s3://bucket/key`, or the path of a file.
    pub object: String,
    /// The bucket, where it is an object of S3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
    /// The plain key, where it is an object of S3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Which version was read, or asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    /// Its dataset, as far as it was found out.
    pub dataset: Option<String>,
    /// Which converter converted it, as far as one was found.
    pub converter: Option<ConverterId>,
    /// Whether that is the previous version, because the promoted one is unusable.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub converter_fallback: bool,
    /// What it has to do with the trial of another converter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trial: Option<TrialReport>,
    /// What became of its rows.
    pub accounts: Accounts,
    /// How long it took.
    pub timings: Timings,
    /// How long its batches took.
    #[serde(skip)]
    pub latencies: Latencies,
    /// The first rejected rows, in ascending order; at most [`MAXIMUM_REJECTIONS`].
    pub rejections: Vec<RejectedRow>,
    /// The row groups that are done, from the first to the one after the last; none before the object was opened, and where
    /// single rows of it were loaded.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "remaining::optional_range")]
    pub row_groups: Option<Range<usize>>,
    /// Which version of the object was read; none before it was opened, and of a file.
    #[serde(skip)]
    pub state: Option<ObjectState>,
    /// What is left, where the load stopped ahead of its deadline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remaining: Option<Remaining>,
    /// Where all of its rejected rows are kept, with what they hold; none where none are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejects: Option<String>,
    /// Why it failed; none where it did not.
    pub failure: Option<Failure>,
}

impl ObjectReport {
    /// The report of an object of S3 of which nothing is known yet.
    pub fn of(object: &ObjectReference) -> Self {
        Self {
            object: object.to_string(),
            bucket: Some(object.bucket.clone()),
            key: Some(object.key.clone()),
            version_id: object.version_id.clone(),
            dataset: object.dataset.clone(),
            ..Self::default()
        }
    }

    /// The report of a prefix of which nothing is known yet.
    pub fn of_prefix(prefix: &Prefix) -> Self {
        Self {
            object: prefix.to_string(),
            bucket: Some(prefix.bucket.clone()),
            dataset: prefix.dataset.clone(),
            ..Self::default()
        }
    }

    /// Whether it failed, other than by InfluxDB's refusing every row.
    pub fn has_failed(&self) -> bool {
        self.failure.as_ref().is_some_and(|failure| !failure.is_rejection())
    }

    /// Whether InfluxDB has refused every row.
    pub fn is_rejected(&self) -> bool {
        self.failure.as_ref().is_some_and(Failure::is_rejection)
    }

    /// Whether anything was done about it, if only in vain: what the time did not suffice for is left as a whole.
    pub fn is_begun(&self) -> bool {
        self.remaining.is_none() || self.row_groups.is_some()
    }

    /// The report of a file of which nothing is known yet.
    pub fn of_file(path: impl Into<String>) -> Self {
        Self { object: path.into(), ..Self::default() }
    }

    /// Names a rejected row, unless enough rows before it are named. Rows may come in any order. Counting them is the
    /// matter of [`Accounts::reject`].
    pub fn name_rejection(&mut self, mut rejected: RejectedRow) {
        let place = self.rejections.partition_point(|named| named.row <= rejected.row);
        if place < MAXIMUM_REJECTIONS {
            shorten(&mut rejected.message, MAXIMUM_REJECTION_BYTES);
            self.rejections.insert(place, rejected);
            self.rejections.truncate(MAXIMUM_REJECTIONS);
        }
    }
}

/// What became of everything that an event named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The objects, in the order of the event.
    pub objects: Vec<ObjectReport>,
    /// The items of the event, in its order, where they are answered each for itself.
    pub items: Vec<ItemReport>,
    /// Records of the event that named no object to load.
    pub skipped: u64,
    /// Why nothing could be begun: a bad event, or what every object needs is missing.
    pub failure: Option<Failure>,
    /// How points were written; none where the server was not reached, and to a file.
    pub writing: Option<Writing>,
}

impl Report {
    /// The report of an event of which nothing could be begun.
    pub fn failed(failure: Failure) -> Self {
        Self { failure: Some(failure), ..Self::default() }
    }

    /// The accounts of all objects together.
    pub fn totals(&self) -> Accounts {
        totals(self.objects.iter())
    }

    /// How it has ended.
    pub fn status(&self) -> Status {
        match self.first_failure() {
            Some(failure) => Status::of(failure),
            None if self.has_left() => Status::Partial,
            None => Status::Succeeded,
        }
    }

    /// Whether something is left because the time was over.
    pub fn has_left(&self) -> bool {
        self.objects.iter().any(|object| object.remaining.is_some())
    }

    /// Why it failed: what kept it from beginning, else the failure of the first object that failed, else that of the first
    /// item that could not be read; where nothing but rejected objects is wrong, why the first of them is.
    pub fn first_failure(&self) -> Option<&Failure> {
        let objects = self.objects.iter().filter_map(|object| object.failure.as_ref());
        let items = self.items.iter().filter_map(|item| item.failure.as_ref());
        item::worst(self.failure.iter().chain(objects).chain(items))
    }
}

/// What the objects of an event, or of an item of it, have left: serialized, it is an event that loads just that.
#[derive(Serialize)]
struct Left<'a> {
    objects: Vec<&'a Remaining>,
}

impl<'a> Left<'a> {
    /// None where nothing is left.
    fn of(objects: impl Iterator<Item = &'a ObjectReport>) -> Option<Self> {
        let objects: Vec<&Remaining> = objects.filter_map(|object| object.remaining.as_ref()).collect();
        Some(Self { objects }).filter(|left| !left.objects.is_empty())
    }
}

/// The accounts of objects together.
fn totals<'a>(objects: impl Iterator<Item = &'a ObjectReport>) -> Accounts {
    objects.fold(Accounts::default(), |mut totals, object| {
        totals.merge(&object.accounts);
        totals
    })
}

/// The report with the totals of its objects, and the event that loads what they have left. Members only ever get added.
impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shape<'a> {
            status: Status,
            totals: Accounts,
            skipped: u64,
            #[serde(skip_serializing_if = "Option::is_none")]
            writing: &'a Option<Writing>,
            #[serde(skip_serializing_if = "Option::is_none")]
            failure: &'a Option<Failure>,
            #[serde(skip_serializing_if = "Option::is_none")]
            remaining: Option<Left<'a>>,
            #[serde(skip_serializing_if = "Vec::is_empty")]
            items: Vec<item::Told<'a>>,
            objects: &'a [ObjectReport],
        }
        Shape {
            status: self.status(),
            totals: self.totals(),
            skipped: self.skipped,
            writing: &self.writing,
            failure: &self.failure,
            remaining: Left::of(self.objects.iter()),
            items: self.items.iter().map(|item| item::Told(self, item)).collect(),
            objects: &self.objects,
        }
        .serialize(serializer)
    }
}
