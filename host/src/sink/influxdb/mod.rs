//! Line protocol → InfluxDB by HTTP.
//!
//! One request writes one chunk. What may succeed later is tried again ([`attempts`], [`retry`]): the very same bytes,
//! compressed once, after the longer of our own wait and the server's `Retry-After`, and never past the caller's deadline.
//! Points carry their time, so that writing them twice writes them once. What the server refuses of a chunk is found and
//! rejected while the rest is written ([`salvage`], [`verdict`], [`reason`]). What will never succeed fails at once, with the server's
//! own words, but for what they quote of rows ([`quotes`]). A busy server gets fewer requests at a time ([`limiter`]), a
//! failing one none for a while ([`breaker`]).
//!
//! What differs between the engines has a file for each: where points go, and by which right ([`v1`], [`v2`], [`v3`]).
//! [`engine`] tells them apart.

mod attempts;
mod breaker;
mod credentials;
mod endpoint;
mod engine;
mod exchange;
mod limiter;
mod lines;
mod probe;
mod quotes;
mod reason;
mod retention;
mod retry;
mod salvage;
mod same_points;
mod size_limit;
#[cfg(test)]
mod tests;
mod v1;
mod v2;
mod v3;
mod verdict;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reqwest::{Method, Url};
use tokio::sync::OnceCell;

pub use credentials::TokenError;
pub use engine::{Engine, Health};
pub use probe::Probe;

use super::{Answer, Delivery, Parcel, SinkError};
use crate::aws;
use crate::config::{Api, Compression, InfluxDbSettings, WriteSettings};
use attempts::Sent;
use breaker::{Admission, Breaker};
use endpoint::Endpoint;
use exchange::{Body, Request};
use limiter::Limiter;
use lines::Lines;
use retry::Backoff;
use salvage::Salvage;
use size_limit::SizeLimit;

/// How long an idle connection is kept. Short, because a function that was frozen in between cannot know that the server,
/// or what stands before it, has let go of the connection; long enough for the pauses within a load.
const IDLE_CONNECTION: Duration = Duration::from_secs(20);

/// How many times over an answer may repeat the lines that it refuses, with a reason for each.
const ECHO: usize = 3;

/// The most that is read of an answer, however much it repeats.
const LONGEST_ANSWER: usize = 16 << 20;

/// An InfluxDB server, for the life of the process: connections, engine, token, and what was learnt of how much it takes,
/// are kept between loads.
#[derive(Debug)]
pub struct InfluxDb {
    client: reqwest::Client,
    /// Makes a connection for each request, for those that a kept connection has lost.
    unpooled: reqwest::Client,
    settings: InfluxDbSettings,
    url: Url,
    compresses: bool,
    request_timeout: Duration,
    max_retries: u32,
    backoff: Backoff,
    endpoint: OnceCell<Endpoint>,
    limiter: Limiter,
    breaker: Breaker,
    size_limit: SizeLimit,
    /// Whether any request was answered.
    answered: AtomicBool,
    /// Whether the server has taken any points.
    written: AtomicBool,
}

impl InfluxDb {
    /// A client of the server that `settings` name. Sends nothing yet.
    ///
    /// # Errors
    /// [`SinkError::InvalidUrl`] and [`SinkError::Client`].
    pub fn new(settings: InfluxDbSettings, write: &WriteSettings) -> Result<Self, SinkError> {
        Self::with_backoff(settings, write, Backoff::default())
    }

    fn with_backoff(settings: InfluxDbSettings, write: &WriteSettings, backoff: Backoff) -> Result<Self, SinkError> {
        aws::install_tls_provider();
        let url = endpoint::parse(&settings.url)?;
        let client = |connections: usize| {
            reqwest::Client::builder()
                .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(write.connect_timeout)
                .pool_idle_timeout(IDLE_CONNECTION)
                .pool_max_idle_per_host(connections)
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .build()
                .map_err(SinkError::Client)
        };
        Ok(Self {
            client: client(write.concurrency)?,
            unpooled: client(0)?,
            settings,
            compresses: match write.compression {
                Compression::Gzip => true,
                Compression::None => false,
                Compression::Auto => !endpoint::is_this_machine(&url),
            },
            url,
            request_timeout: write.request_timeout,
            max_retries: write.retries,
            backoff,
            endpoint: OnceCell::new(),
            limiter: Limiter::new(write.concurrency),
            breaker: Breaker::default(),
            size_limit: SizeLimit::default(),
            answered: AtomicBool::new(false),
            written: AtomicBool::new(false),
        })
    }

    /// Whether requests are compressed.
    pub(super) fn compresses(&self) -> bool {
        self.compresses
    }

    /// Writes the points of a parcel; see [`Sink::write`](super::Sink::write).
    pub(super) async fn write(&self, parcel: &Parcel, deadline: Option<Instant>) -> Result<Delivery, SinkError> {
        if parcel.chunk().points() == 0 {
            return Ok(Delivery::default());
        }
        let endpoint = self.endpoint(deadline).await?;
        Salvage::new(self, endpoint, parcel, deadline).run().await
    }

    /// Which engine the server is. Asks it, once, unless the settings name one.
    ///
    /// # Errors
    /// As [`Self::reach`].
    pub async fn engine(&self, deadline: Option<Instant>) -> Result<Engine, SinkError> {
        Ok(self.endpoint(deadline).await?.engine)
    }

    /// Asks `/ping`, which needs no credentials: is the server there, and can it be written to as the settings say? Fails at
    /// once while the server is left alone because it kept failing.
    ///
    /// # Errors
    /// What keeps the server from answering, [`SinkError::BreakerOpen`], [`SinkError::UnknownEngine`] and
    /// [`SinkError::WrongApi`].
    pub async fn reach(&self, deadline: Option<Instant>) -> Result<Health, SinkError> {
        if let Admission::Wait(_) = self.breaker.look() {
            return Err(SinkError::BreakerOpen { url: endpoint::shown(&self.url) });
        }
        let health = self.ping(deadline).await?;
        if let (Api::V1 | Api::V2, Some(Engine::V3)) = (self.settings.api, health.engine) {
            let version = health.version.unwrap_or_else(|| "3".to_owned());
            return Err(SinkError::WrongApi { url: endpoint::shown(&self.url), version });
        }
        // What is learnt here the first write need not ask again.
        self.endpoint
            .get_or_try_init(async || match Engine::named_by(self.settings.api) {
                Some(engine) => Ok(self.endpoint_of(engine)),
                None => self.recognized_endpoint(&health),
            })
            .await?;
        Ok(health)
    }

    /// How often the server was left alone because it kept failing, in the life of the process.
    pub fn breaker_openings(&self) -> u64 {
        self.breaker.openings()
    }

    async fn endpoint(&self, deadline: Option<Instant>) -> Result<&Endpoint, SinkError> {
        self.endpoint
            .get_or_try_init(async || match Engine::named_by(self.settings.api) {
                Some(engine) => Ok(self.endpoint_of(engine)),
                None => self.recognized_endpoint(&self.ping(deadline).await?),
            })
            .await
    }

    fn recognized_endpoint(&self, health: &Health) -> Result<Endpoint, SinkError> {
        match health.engine {
            Some(engine) => Ok(self.endpoint_of(engine)),
            None => Err(SinkError::UnknownEngine { url: health.url.clone(), status: health.status }),
        }
    }

    fn endpoint_of(&self, engine: Engine) -> Endpoint {
        match engine {
            Engine::V1 => v1::endpoint(&self.url, &self.settings),
            Engine::V2 => v2::endpoint(&self.url, &self.settings),
            Engine::V3 => v3::endpoint(&self.url, &self.settings),
        }
    }

    async fn ping(&self, deadline: Option<Instant>) -> Result<Health, SinkError> {
        let url = endpoint::join(&self.url, &["ping"]);
        let shown = endpoint::shown(&url);
        let request = Request {
            method: Method::GET,
            url,
            body: None,
            answer_limit: exchange::BODY_LIMIT,
            credentials: None,
            judge: exchange::judge_ping,
        };
        let sent = self.send(&request, "`/ping`", self.max_retries, deadline).await?;
        Ok(engine::health(&sent.exchange, shown))
    }

    /// Sends lines; of the answers, 204, 400 and 422 are no errors.
    async fn send_lines(
        &self,
        endpoint: &Endpoint,
        lines: &Lines,
        retries: u32,
        deadline: Option<Instant>,
    ) -> Result<Sent, SinkError> {
        let request = Request {
            method: Method::POST,
            url: endpoint.url.clone(),
            body: Some(Body {
                bytes: lines.body.clone(),
                content_type: "text/plain; charset=utf-8",
                gzip: lines.compressed,
            }),
            answer_limit: (lines.bytes * ECHO + exchange::BODY_LIMIT).min(LONGEST_ANSWER),
            credentials: Some(&endpoint.credentials),
            judge: exchange::judge_write,
        };
        self.send(&request, &endpoint.target, retries, deadline).await
    }

    fn note_answered(&self) {
        self.answered.store(true, Ordering::Relaxed);
    }

    /// Whether there may be connections that are kept from requests before.
    fn was_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    fn note_written(&self) {
        self.written.store(true, Ordering::Relaxed);
    }

    fn has_written(&self) -> bool {
        self.written.load(Ordering::Relaxed)
    }
}
