//! What a load leaves behind: a JSON document, described member by member in docs/ledger.md.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::time::Time;
use crate::config::{InfluxDbSettings, is_bucket};
use crate::dataset::DatasetName;
use crate::points::{MAXIMUM_BUCKETS, Tally};
use crate::rejects::Source;
use crate::sink::Engine;

/// The name of this form of documents, which each of them carries. A document of another form is not read.
const FORMAT: &str = "influxdb-loader-ledger/1";

/// The longest document, in bytes.
pub(super) const DOCUMENT_BYTES: u64 = 2 << 20;

/// The longest name, key, URL or entity tag, in bytes.
const TEXT_BYTES: usize = 4096;

/// The most measurements that a document names, and their bytes. Where there are more it names none.
const MEASUREMENTS: usize = 1000;
const MEASUREMENT_BYTES: usize = 64 << 10;

/// The most codes of rejections: a load has no more.
const CODES: usize = 101;

/// The most row groups that a document may speak of.
const ROW_GROUPS: u64 = 1 << 24;

/// The seconds of a day: buckets are that long, doubled a few times.
const DAY: u64 = 86_400;

/// What one load left in InfluxDB of one version of an object, or of a part of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Which form it has.
    pub format: String,
    /// What was loaded.
    pub object: Subject,
    /// As which dataset.
    pub dataset: String,
    /// By which converter.
    pub converter: Converter,
    /// Where to.
    pub target: Target,
    /// The row groups that were loaded, from the first to the one after the last.
    pub row_groups: [u64; 2],
    /// How many row groups the object has.
    pub of_row_groups: u64,
    /// What became of the rows of these row groups.
    pub rows: Rows,
    /// Points that InfluxDB has taken.
    pub points: u64,
    /// Rows among them that replace a row before them, as far as that was seen.
    pub superseded: u64,
    /// The measurements that the points may be of; none where that depends on the rows, or where there are too many.
    pub measurements: Option<Vec<String>>,
    /// The time of the first point and of the last one; none where there are no points.
    pub times: Option<[Time; 2]>,
    /// How long a bucket is.
    pub bucket_seconds: u64,
    /// The buckets of time that have points, in order.
    pub buckets: Vec<Bucket>,
    /// When the load began.
    pub started_at: Time,
    /// When it was done.
    pub finished_at: Time,
    /// The request of which it was a part.
    pub request: String,
    /// The version of the loader.
    pub loader: String,
}

/// A version of an object of S3, or a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// The bucket, of an object of S3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
    /// The plain key, of an object of S3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The version, in a bucket that keeps versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    /// The absolute path, of a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The entity tag without quotation marks; of a file its length, and when it was changed.
    pub etag: String,
}

/// A converter, as it was used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Converter {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The lower-case hexadecimal SHA-256 of the component.
    pub digest: String,
    /// The lower-case hexadecimal SHA-256 of its parameters; none where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<String>,
}

/// A bucket of an InfluxDB.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Which engine, such as `InfluxDB 2.x`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
    /// Its URL.
    pub url: String,
    /// The organization, where the engine has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// The bucket, or the database.
    pub bucket: String,
}

impl Target {
    /// What the settings name, of whatever engine.
    pub fn of(settings: &InfluxDbSettings) -> Self {
        let InfluxDbSettings { url, organization, bucket, .. } = settings.clone();
        Self { engine: None, url, organization: Some(organization), bucket }
    }

    /// The same, of a server whose engine is known.
    #[must_use]
    pub fn with_engine(self, engine: Engine) -> Self {
        let organization = self.organization.filter(|_| engine == Engine::V2);
        Self { engine: Some(engine.to_string()), organization, ..self }
    }

    /// Whether both are the same bucket, as far as both identify it.
    pub fn is(&self, other: &Self) -> bool {
        let organization = self.organization.as_ref().zip(other.organization.as_ref());
        (&self.url, &self.bucket) == (&other.url, &other.bucket) && organization.is_none_or(|(one, other)| one == other)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` of {}", self.bucket, self.url)
    }
}

/// What became of rows: those read are those written, filtered and rejected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rows {
    /// Rows of which every point was taken.
    pub written: u64,
    /// Rows that the converter chose not to make points of.
    pub filtered: u64,
    /// Rows that were rejected, by code.
    pub rejected: BTreeMap<String, u64>,
}

impl Rows {
    /// All of them.
    pub fn read(&self) -> u64 {
        self.rejected.values().fold(self.written.saturating_add(self.filtered), |sum, rows| sum.saturating_add(*rows))
    }
}

/// The points of some time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bucket {
    /// When it begins.
    pub start: Time,
    /// How many points were sent, those included that InfluxDB refused.
    pub points: u64,
    /// 16 hexadecimal digits: a sum over the points that does not depend on their order.
    pub digest: String,
}

impl Subject {
    /// What it is, without which version.
    pub fn source(&self) -> Source {
        match self {
            Self { bucket: Some(bucket), key: Some(key), version_id, etag, .. } => Source::S3 {
                bucket: bucket.clone(),
                key: key.clone(),
                version_id: version_id.clone(),
                etag: Some(etag.clone()),
            },
            Self { file, .. } => Source::File { file: file.clone().unwrap_or_default() },
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source().fmt(formatter)
    }
}

impl Document {
    /// A document of the load of some row groups, of which nothing is known yet.
    pub fn new(object: Subject, row_groups: &Range<usize>, of: usize) -> Self {
        let now = Time::now();
        Self {
            format: FORMAT.to_owned(),
            object,
            dataset: String::new(),
            converter: Converter {
                name: String::new(),
                version: String::new(),
                digest: String::new(),
                parameters: None,
            },
            target: Target { engine: None, url: String::new(), organization: None, bucket: String::new() },
            row_groups: [row_groups.start as u64, row_groups.end as u64],
            of_row_groups: of as u64,
            rows: Rows::default(),
            points: 0,
            superseded: 0,
            measurements: None,
            times: None,
            bucket_seconds: DAY,
            buckets: Vec::new(),
            started_at: now,
            finished_at: now,
            request: super::request(),
            loader: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// With what was sent.
    #[must_use]
    pub fn sent(mut self, tally: &Tally, measurements: Option<Vec<String>>) -> Self {
        let bucket = |(start, bucket): (i64, crate::points::TallyBucket)| Bucket {
            start: Time::from_seconds(start),
            points: bucket.points,
            digest: format!("{:016x}", bucket.digest),
        };
        self.times = tally.times().map(|(first, last)| [Time(first), Time(last)]);
        self.bucket_seconds = tally.bucket_seconds();
        self.buckets = tally.buckets().map(bucket).collect();
        self.measurements = measurements.filter(|names| fits(names));
        self
    }

    /// Which row groups it is about.
    pub fn range(&self) -> Range<u64> {
        self.row_groups[0]..self.row_groups[1]
    }

    /// Whether it is about all row groups.
    pub fn is_whole(&self) -> bool {
        self.range() == (0..self.of_row_groups)
    }

    /// Whether the load may have written a point of this measurement at this time.
    pub fn may_have_written(&self, measurement: &str, time: Time) -> bool {
        let is_named = self.measurements.as_ref().is_none_or(|names| names.iter().any(|name| name == measurement));
        let is_within = self.times.is_some_and(|[first, last]| first <= time && time <= last);
        let after = self.buckets.partition_point(|bucket| bucket.start <= time);
        let bucket = after.checked_sub(1).and_then(|last| self.buckets.get(last));
        let length = i64::try_from(self.bucket_seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000_000);
        let is_in_bucket = bucket.is_some_and(|bucket| time.0.saturating_sub(bucket.start.0) < length);
        is_named && is_within && is_in_bucket
    }

    /// As it is written.
    pub fn to_json(&self) -> Vec<u8> {
        // What it is made of can be written as JSON.
        let mut text = serde_json::to_vec_pretty(self).unwrap_or_default();
        text.push(b'\n');
        text
    }

    /// Reads a document, which may come from anywhere.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Format {
            format: String,
        }
        let Format { format } = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        if format != FORMAT {
            return Err(format!("its format is `{}`, and this loader reads `{FORMAT}`", short(&format)));
        }
        let document: Self = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        match document.check() {
            Ok(()) => Ok(document),
            Err(member) => Err(format!("its `{member}` cannot be one")),
        }
    }

    /// The member that cannot be what it is.
    fn check(&self) -> Result<(), &'static str> {
        let Subject { bucket, key, version_id, file, etag } = &self.object;
        let token = |text: &str| (1..=1024).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        let is_object = match (bucket, key, file) {
            (Some(bucket), Some(key), None) => is_bucket(bucket) && (1..=1024).contains(&key.len()),
            (None, None, Some(file)) => file.starts_with('/') && file.len() <= TEXT_BYTES && version_id.is_none(),
            _ => false,
        };
        let is_digest = |text: &str, digits: usize| {
            text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        };
        let texts = [&self.converter.name, &self.converter.version, &self.target.url];
        let texts = texts.into_iter().chain([&self.target.bucket, &self.request, &self.loader]);
        let texts = texts.chain(&self.target.organization).chain(&self.target.engine).chain(self.rows.rejected.keys());
        let are_texts = texts.into_iter().all(|text| text.len() <= TEXT_BYTES && !text.contains(char::is_control));
        let [from, to] = self.row_groups;
        let counts = [self.points, self.superseded, self.rows.written, self.rows.filtered];
        let counts = counts.into_iter().chain(self.rows.rejected.values().copied());
        let is_ascending = |buckets: &[Bucket]| buckets.windows(2).all(|pair| pair[0].start < pair[1].start);
        let buckets_are = self.buckets.len() <= MAXIMUM_BUCKETS
            && is_ascending(&self.buckets)
            && self.buckets.iter().all(|bucket| is_digest(&bucket.digest, 16) && bucket.points < 1 << 53);
        let checks = [
            ("object", is_object && token(etag) && version_id.as_deref().is_none_or(token)),
            ("dataset", self.dataset.parse::<DatasetName>().is_ok()),
            (
                "converter",
                is_digest(&self.converter.digest, 64)
                    && self.converter.parameters.as_ref().is_none_or(|it| is_digest(it, 64)),
            ),
            ("request", are_texts),
            ("row_groups", from <= to && to <= self.of_row_groups && self.of_row_groups <= ROW_GROUPS),
            ("rows", self.rows.rejected.len() <= CODES && counts.into_iter().all(|count| count < 1 << 53)),
            ("measurements", self.measurements.as_ref().is_none_or(|names| fits(names))),
            ("times", self.times.is_none_or(|[first, last]| first <= last)),
            ("bucket_seconds", is_length(self.bucket_seconds)),
            ("buckets", buckets_are),
        ];
        checks.into_iter().find(|(_, holds)| !holds).map_or(Ok(()), |(member, _)| Err(member))
    }
}

/// Whether it is a day, doubled up to 16 times.
fn is_length(seconds: u64) -> bool {
    seconds.is_multiple_of(DAY) && (seconds / DAY).is_power_of_two() && seconds / DAY <= 1 << 16
}

fn fits(measurements: &[String]) -> bool {
    measurements.len() <= MEASUREMENTS && measurements.iter().map(String::len).sum::<usize>() <= MEASUREMENT_BYTES
}

/// Enough of a text to recognize it by.
fn short(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}
