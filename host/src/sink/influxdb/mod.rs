//! Line protocol → InfluxDB by HTTP.
//!
//! What a status means to every engine, and when a request is tried again: [`http`]. What one engine answers, and where its points
//! go: [`engines`]. Which row is to blame: [`write`]. Each imports only what stands before it.
//!
//! One request writes one chunk. What may succeed later is tried again: the very same bytes, compressed once. Points carry
//! their time, so that writing them twice writes them once.

mod http;
mod engines;
mod write;
mod ask;
mod grant;
mod knowledge;
mod probe;
pub mod reading;
mod schema;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use reqwest::Url;
use tokio::sync::OnceCell;

pub use engines::{Bucket, Engine, Health, PastWrites, ServerTable};
pub use grant::{Grant, GrantError};
pub use probe::Probe;
pub use schema::SchemaError;

use super::flow::{By, Choice};
use super::rate::Rate;
use super::{Delivery, Flow, Order, Parcel, SinkError, Writing};
use crate::config::{Api, Compression, InfluxDbSettings, LoadOrder, WriteSettings};
use crate::points::{ChunkLimits, Dialect, MANY_SHARDS, Shards};
use engines::{Endpoint, Profile};
use http::{Backoff, Courier, Tolerance};
use knowledge::Knowledge;
use write::{SizeLimit, Writer};

/// What a shard is taken for where it is not known. Where shards are longer, requests that are of few days are of few shards.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// An InfluxDB server, for the life of the process: connections, engine, token, and what was learnt of how much it takes,
/// are kept between loads.
#[derive(Debug)]
pub struct InfluxDb {
    settings: InfluxDbSettings,
    url: Url,
    compresses: bool,
    /// Whether no setting limits the requests in flight.
    finds_concurrency: bool,
    rate: Option<Rate>,
    no_sync: bool,
    courier: Courier,
    endpoint: OnceCell<Endpoint>,
    size_limit: SizeLimit,
    knowledge: Knowledge,
}

impl InfluxDb {
    /// A client of the server that `settings` name. Sends nothing yet.
    ///
    /// # Errors
    /// [`SinkError::InvalidUrl`], [`SinkError::Trust`] and [`SinkError::Client`].
    pub fn new(settings: InfluxDbSettings, write: &WriteSettings) -> Result<Self, SinkError> {
        Self::with_backoff(settings, write, Backoff::default())
    }

    fn with_backoff(settings: InfluxDbSettings, write: &WriteSettings, backoff: Backoff) -> Result<Self, SinkError> {
        let url = http::parse(&settings.url)?;
        let ca_file = settings.ca_file.clone();
        Ok(Self {
            settings,
            compresses: match write.compression {
                Compression::Gzip => true,
                Compression::None => false,
                Compression::Auto => !http::is_this_machine(&url),
            },
            url,
            finds_concurrency: write.concurrency.is_none(),
            rate: write.rate.map(Rate::new),
            no_sync: write.no_sync,
            courier: Courier::new(write, ca_file.as_deref(), backoff)?,
            endpoint: OnceCell::new(),
            size_limit: SizeLimit::default(),
            knowledge: Knowledge::default(),
        })
    }

    /// What it was made of.
    pub(crate) fn settings(&self) -> &InfluxDbSettings {
        &self.settings
    }

    /// Whether requests are compressed.
    pub(super) fn compresses(&self) -> bool {
        self.compresses
    }

    /// How many points a second may be sent.
    pub(super) fn rate(&self) -> Option<&Rate> {
        self.rate.as_ref()
    }

    /// Writes the points of a parcel; see [`Sink::write`](super::Sink::write).
    pub(super) async fn write(&self, parcel: &Parcel, deadline: Option<Instant>) -> Result<Delivery, SinkError> {
        if parcel.chunk().points() == 0 {
            return Ok(Delivery::default());
        }
        let endpoint = self.endpoint(deadline).await?;
        self.writer(endpoint, deadline).write(parcel).await
    }

    fn writer<'a>(&'a self, endpoint: &'a Endpoint, deadline: Option<Instant>) -> Writer<'a> {
        Writer {
            courier: &self.courier,
            base: &self.url,
            endpoint,
            size_limit: &self.size_limit,
            compresses: self.compresses,
            deadline,
        }
    }

    /// Which engine the server is. Asks it, once, unless the settings name one.
    ///
    /// # Errors
    /// As [`Self::reach`].
    pub async fn engine(&self, deadline: Option<Instant>) -> Result<Engine, SinkError> {
        Ok(self.endpoint(deadline).await?.engine)
    }

    /// How the server is to be written to. Asks it, once, unless the settings name its engine.
    ///
    /// # Errors
    /// As [`Self::reach`].
    pub(super) async fn flow(&self, settings: &WriteSettings, deadline: Option<Instant>) -> Result<Flow, SinkError> {
        let engine = self.engine(deadline).await?;
        let writing = self.writing_to(engine, settings);
        let bucket = if engine.profile().shards { self.bucket(deadline).await? } else { None };
        let known = bucket.as_ref().and_then(Bucket::shards);
        Ok(Flow {
            dialect: match engine {
                Engine::V1 => Dialect::V1,
                Engine::V2 => Dialect::V2,
                Engine::V3 => Dialect::V3,
            },
            is_text: false,
            chunks: ChunkLimits { points: writing.points.value, bytes: writing.bytes.value },
            requests: writing.requests.value,
            order: order(engine, settings, known),
            shards: known,
            kept: bucket.and_then(|bucket| bucket.kept()),
        })
    }

    /// Logs, once a process, that an object has points in many shards.
    pub(super) async fn touches_many_shards(&self, deadline: Option<Instant>) {
        if let Ok(Some(bucket)) = self.bucket(deadline).await {
            self.say_many_shards(&bucket, MANY_SHARDS);
        }
    }

    /// How the server was written to; none where it is not known which engine it is.
    pub(super) fn writing(&self, settings: &WriteSettings) -> Option<Writing> {
        self.endpoint.get().map(|endpoint| self.writing_to(endpoint.engine, settings))
    }

    fn writing_to(&self, engine: Engine, settings: &WriteSettings) -> Writing {
        let Profile { points, bytes, most_bytes, requests, .. } = engine.profile();
        let points = Choice::of(settings.batch_points, points);
        let order = Choice {
            value: order(engine, settings, None).name(),
            by: if settings.order == LoadOrder::File { By::Setting } else { By::Profile },
        };
        Writing {
            engine: engine.to_string(),
            // The points of a second, so that a rate limit makes no pauses of minutes between large requests.
            points: points.within(self.rate().map(Rate::points), By::Rate),
            bytes: Choice::of(settings.batch_bytes, bytes).within(Some(most_bytes), By::Limit),
            requests: Choice::of(settings.concurrency, requests),
            requests_at_last: self.courier.requests_allowed(),
            order,
        }
    }

    /// Asks `/ping`: is the server reachable, and can it be written to as the settings define?
    ///
    /// # Errors
    /// What keeps the server from answering, [`SinkError::UnknownEngine`] and [`SinkError::WrongApi`].
    pub async fn reach(&self, deadline: Option<Instant>) -> Result<Health, SinkError> {
        self.reach_with(Tolerance::Full, deadline).await
    }

    async fn reach_with(&self, tolerance: Tolerance, deadline: Option<Instant>) -> Result<Health, SinkError> {
        let health = self.ping(tolerance, deadline).await?;
        if let (Api::V1 | Api::V2, Some(Engine::V3)) = (self.settings.api, health.engine) {
            let version = health.version.unwrap_or_else(|| "3".to_owned());
            return Err(SinkError::WrongApi { url: http::shown(&self.url), version });
        }
        // It may be 3, of which nothing but 401 is known.
        if matches!(self.settings.api, Api::V1 | Api::V2) && health.is_withheld() {
            return Err(SinkError::UnknownEngine { url: health.url, status: health.status });
        }
        // What is learnt here the first write need not ask again.
        self.endpoint
            .get_or_try_init(async || match Engine::named_by(self.settings.api) {
                Some(engine) => Ok(self.endpoint_of(engine, health.version_of(engine))),
                None => self.recognized_endpoint(&health),
            })
            .await?;
        Ok(health)
    }

    /// How often the circuit breaker opened in the life of the process.
    pub fn breaker_openings(&self) -> u64 {
        self.courier.breaker_openings()
    }

    async fn endpoint(&self, deadline: Option<Instant>) -> Result<&Endpoint, SinkError> {
        self.endpoint
            .get_or_try_init(async || match Engine::named_by(self.settings.api) {
                Some(engine) => Ok(self.endpoint_of(engine, None)),
                None => self.recognized_endpoint(&self.ping(Tolerance::Full, deadline).await?),
            })
            .await
    }

    fn recognized_endpoint(&self, health: &Health) -> Result<Endpoint, SinkError> {
        match health.engine {
            Some(engine) => Ok(self.endpoint_of(engine, health.version_of(engine))),
            None => Err(SinkError::UnknownEngine { url: health.url.clone(), status: health.status }),
        }
    }

    fn endpoint_of(&self, engine: Engine, version: Option<&str>) -> Endpoint {
        if self.finds_concurrency {
            let Profile { first_requests, requests, .. } = engine.profile();
            self.courier.climb(first_requests, requests);
        }
        Endpoint::new(engine, &self.url, &self.settings, version, self.no_sync)
    }

    async fn ping(&self, tolerance: Tolerance, deadline: Option<Instant>) -> Result<Health, SinkError> {
        engines::ping(&self.courier, &self.url, self.settings.token.as_ref(), tolerance, deadline).await
    }
}

/// In which order an engine is sent points, in shards as far as they are known.
fn order(engine: Engine, settings: &WriteSettings, shards: Option<Shards>) -> Order {
    match (settings.order, engine.profile().shards) {
        (LoadOrder::File, _) => Order::File,
        (LoadOrder::Server, true) => Order::Shards(shards.unwrap_or(Shards::of(DAY))),
        (LoadOrder::Server, false) => Order::Series,
    }
}
