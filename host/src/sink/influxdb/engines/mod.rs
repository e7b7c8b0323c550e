//! All that differs between the engines: how one is recognized, where points go and by which right, how it describes lines that
//! it refuses, and how it is asked for what it holds. What they have in common is in [`super::http`].

mod ask_influxql;
mod ask_sql;
mod bucket;
mod influxql;
mod json;
mod past_writes;
mod reason;
mod recognize;
pub(super) mod stored;
mod v1;
mod v2;
mod v3;
mod verdict;

use std::collections::BTreeMap;

use reqwest::{Method, Url};
use serde_json::Value;

pub(super) use ask_influxql::Unusable;
pub use bucket::{Bucket, ServerTable};
pub use past_writes::PastWrites;
pub(super) use reason::Reason;
pub(super) use recognize::ping;
pub use recognize::{Engine, Health};
pub(super) use verdict::{Suspects, Verdict, read};

use super::http::{Body, Credentials, Exchange, Failure};
use crate::config::InfluxDbSettings;
use crate::sink::error::SinkError;
use stored::{Column, Point, Summary, Window};

/// How an engine is written to where the settings leave it open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Profile {
    /// Points in a request.
    pub(super) points: usize,
    /// Bytes of line protocol in a request.
    pub(super) bytes: usize,
    /// The most bytes of line protocol in a request that it takes as it comes, whatever the settings are.
    pub(super) most_bytes: usize,
    /// Requests in flight at first.
    pub(super) first_requests: usize,
    /// The most requests in flight that are tried.
    pub(super) requests: usize,
    /// Whether it keeps points by shard: then requests are to have points of few of them.
    pub(super) shards: bool,
}

/// Where points are written, and by which right.
#[derive(Debug)]
pub(super) struct Endpoint {
    /// Whose protocol it speaks.
    pub(super) engine: Engine,
    /// The URL of a write, its query included.
    pub(super) url: Url,
    /// What is written to, for messages.
    pub(super) target: String,
    /// Who writes.
    pub(super) credentials: Credentials,
    /// Who reads, where that is somebody else.
    pub(super) reader: Option<Credentials>,
    /// What the answer to a write means.
    pub(super) judge: fn(Exchange) -> Result<Exchange, Failure>,
}

impl Endpoint {
    /// Of a server whose version is `version`, where it is known. `no_sync` is for 3 alone.
    pub(super) fn new(
        engine: Engine,
        base: &Url,
        settings: &InfluxDbSettings,
        version: Option<&str>,
        no_sync: bool,
    ) -> Self {
        match engine {
            Engine::V1 => v1::endpoint(base, settings),
            Engine::V2 => v2::endpoint(base, settings),
            Engine::V3 => v3::endpoint(base, settings, version, no_sync),
        }
    }

    /// Who reads.
    pub(super) fn reader(&self) -> &Credentials {
        self.reader.as_ref().unwrap_or(&self.credentials)
    }
}

/// Why an answer has nothing about measurements.
#[derive(Debug)]
pub(super) struct Unreadable(pub(super) String);

/// A request for points.
pub(super) struct Query {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) body: Option<Body>,
}

impl Engine {
    /// A request for the field `value` of a measurement at a time, in nanoseconds.
    pub(super) fn query(self, base: &Url, settings: &InfluxDbSettings, measurement: &str, time: u128) -> Query {
        match self {
            Self::V1 => v1::query(base, settings, measurement, time),
            Self::V2 => v2::query(base, settings, measurement, time),
            Self::V3 => v3::query(base, settings, measurement, time),
        }
    }

    /// Whether the answer to it holds a point.
    pub(super) fn holds_point(self, body: &[u8], measurement: &str) -> bool {
        match self {
            Self::V1 => v1::holds_point(body),
            Self::V2 => v2::holds_point(body, measurement),
            Self::V3 => v3::holds_point(body),
        }
    }

    /// A request for what is known of the bucket.
    pub(super) fn bucket_query(self, base: &Url, settings: &InfluxDbSettings) -> Query {
        match self {
            Self::V1 => v1::bucket_query(base, settings),
            Self::V2 => v2::bucket_query(base, settings),
            Self::V3 => v3::bucket_query(base, settings),
        }
    }

    /// The meaning of the answer to it; none where it does not name the bucket.
    pub(super) fn bucket(self, answer: &Value, settings: &InfluxDbSettings) -> Option<Bucket> {
        match self {
            Self::V1 => v1::bucket(answer, settings),
            Self::V2 => v2::bucket(answer, settings),
            Self::V3 => v3::bucket(answer),
        }
    }

    /// A request for what there is of measurements.
    pub(super) fn schema_query(self, base: &Url, settings: &InfluxDbSettings, measurements: &[String]) -> Query {
        match self {
            Self::V1 | Self::V2 => influxql::schema_query(base, settings, measurements),
            Self::V3 => v3::schema_query(base, settings, measurements),
        }
    }

    /// The meaning of the answer to it.
    pub(super) fn schema(self, body: &[u8]) -> Result<BTreeMap<String, ServerTable>, Unreadable> {
        match self {
            Self::V1 | Self::V2 => influxql::schema(body),
            Self::V3 => v3::schema(body),
        }
    }

    /// A request for the series of a measurement; none where the engine knows none.
    pub(super) fn series_query(
        self,
        base: &Url,
        settings: &InfluxDbSettings,
        measurement: &str,
        most: usize,
    ) -> Option<Query> {
        match self {
            Self::V1 | Self::V2 => Some(influxql::series_query(base, settings, measurement, most)),
            Self::V3 => None,
        }
    }

    /// The keys in the answer to it.
    pub(super) fn series(self, body: &[u8]) -> Result<Vec<String>, Unreadable> {
        match self {
            Self::V1 | Self::V2 => influxql::series(body),
            Self::V3 => Ok(Vec::new()),
        }
    }

    /// A request for the server's statistics; none where the engine does not count points and the time of requests.
    pub(super) fn past_writes_query(self, base: &Url) -> Option<Query> {
        match self {
            Self::V1 => Some(past_writes::variables_query(base)),
            Self::V2 => Some(past_writes::metrics_query(base)),
            Self::V3 => None,
        }
    }

    /// What is counted in the answer to it; none where it does not have it.
    pub(super) fn past_writes(self, body: &[u8]) -> Option<PastWrites> {
        match self {
            Self::V1 => PastWrites::of_variables(body),
            Self::V2 => PastWrites::of_metrics(body),
            Self::V3 => None,
        }
    }

    /// A request for the names of all measurements.
    pub(super) fn measurements_query(self, base: &Url, settings: &InfluxDbSettings) -> Query {
        match self {
            Self::V1 | Self::V2 => ask_influxql::measurements_query(base, settings),
            Self::V3 => ask_sql::measurements_query(base, settings),
        }
    }

    /// The names in the answer to it.
    pub(super) fn measurements(self, body: &[u8]) -> Result<Vec<String>, Unusable> {
        match self {
            Self::V1 | Self::V2 => ask_influxql::measurements(body),
            Self::V3 => ask_sql::measurements(body),
        }
    }

    /// Whether it is asked for sums. 3 is asked for points: it has no series, and a row of a table is a point of one.
    pub fn sums_up(self) -> bool {
        self != Self::V3
    }

    /// A request for what fields have in each bucket of so many seconds; of an engine that [sums up](Self::sums_up).
    pub(super) fn summaries_query(
        self,
        base: &Url,
        settings: &InfluxDbSettings,
        measurement: &str,
        columns: &[Column],
        window: Window,
        seconds: i64,
    ) -> Query {
        ask_influxql::summaries_query(base, settings, measurement, columns, window, seconds)
    }

    /// The meaning of the answer to it, by field and the start of the bucket.
    pub(super) fn summaries(self, body: &[u8], columns: &[Column]) -> Result<Vec<BTreeMap<i64, Summary>>, Unusable> {
        ask_influxql::summaries(body, columns)
    }

    /// A request for the first and the last time of fields; of an engine that [sums up](Self::sums_up).
    pub(super) fn ends_query(
        self,
        base: &Url,
        settings: &InfluxDbSettings,
        measurement: &str,
        asked: &[(&Column, Window)],
    ) -> Query {
        ask_influxql::ends_query(base, settings, measurement, asked)
    }

    /// The times in the answer to it.
    pub(super) fn ends(self, body: &[u8], asked: usize) -> Result<Vec<Option<(i64, i64)>>, Unusable> {
        ask_influxql::ends(body, asked)
    }

    /// A request for the points in a window.
    pub(super) fn points_query(
        self,
        base: &Url,
        settings: &InfluxDbSettings,
        measurement: &str,
        columns: &[Column],
        window: Window,
    ) -> Query {
        match self {
            Self::V1 | Self::V2 => ask_influxql::points_query(base, settings, measurement, columns, window),
            Self::V3 => ask_sql::points_query(base, settings, measurement, window),
        }
    }

    /// Calls `each` with every value in the answer to it.
    pub(super) fn points(
        self,
        body: &[u8],
        columns: &[Column],
        each: &mut dyn FnMut(Point<'_>),
    ) -> Result<(), Unusable> {
        match self {
            Self::V1 | Self::V2 => ask_influxql::points(body, columns, each),
            Self::V3 => ask_sql::points(body, columns, each),
        }
    }

    /// What it means that a bucket which has just been written to cannot be queried: that it may not be read, where 1.x and 3
    /// answer 403, and 2.x 404, as if it did not exist. Any other error is what it was.
    pub(super) fn unreadable(self, error: SinkError) -> Result<SinkError, SinkError> {
        match error {
            SinkError::Forbidden { target, answer } => Ok(SinkError::Unreadable { target, answer }),
            SinkError::NotFound { target, answer } if self == Self::V2 => Ok(SinkError::Unreadable { target, answer }),
            other => Err(other),
        }
    }

    /// How it is written to.
    pub(super) fn profile(self) -> Profile {
        match self {
            Self::V1 => v1::PROFILE,
            Self::V2 => v2::PROFILE,
            Self::V3 => v3::PROFILE,
        }
    }

    /// Whether it has `/health`.
    pub(super) fn has_health(self) -> bool {
        self != Self::V1
    }
}

/// Whether an answer is about bytes that were lost or bent between here and the server, and not about what was sent.
fn is_damaged(exchange: &Exchange, words: &[&str]) -> bool {
    let text = exchange.text();
    words.iter().any(|words| text.contains(words))
}
