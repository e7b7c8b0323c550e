//! Line protocol → InfluxDB by HTTP.
//!
//! One request writes one chunk. What may succeed later is tried again ([`retry`]): the very same bytes, compressed once,
//! after the longer of our own wait and the server's `Retry-After`, and never past the caller's deadline. Points carry
//! their time, so that writing them twice writes them once. What will never succeed fails at once, with the server's own
//! words.
//!
//! What differs between the engines has a file for each: where points go, and by which right ([`v1`], [`v2`]).
//! [`engine`] tells them apart.

mod credentials;
mod v1;
mod v2;
mod engine;
mod endpoint;
mod exchange;
mod retry;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::time::{Duration, Instant};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::{Method, Url};
use tokio::sync::OnceCell;

pub use credentials::TokenError;
pub use engine::{Engine, Health};

use super::{Delivery, SinkError};
use crate::aws;
use crate::config::{InfluxDbSettings, WriteSettings};
use crate::points::Chunk;
use endpoint::Endpoint;
use exchange::{Exchange, Failure, Request};
use retry::{Backoff, Course, Next};

/// How long an idle connection is kept. Short, because a function that was frozen in between cannot know that the server,
/// or what stands before it, has let go of the connection; long enough for the pauses within a load.
const IDLE_CONNECTION: Duration = Duration::from_secs(20);

/// An InfluxDB server, for the life of the process: connections, engine and token are kept between loads.
#[derive(Debug)]
pub struct InfluxDb {
    client: reqwest::Client,
    settings: InfluxDbSettings,
    url: Url,
    request_timeout: Duration,
    max_retries: u32,
    backoff: Backoff,
    endpoint: OnceCell<Endpoint>,
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
        let client = reqwest::Client::builder()
            .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(write.connect_timeout)
            .pool_idle_timeout(IDLE_CONNECTION)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .build()
            .map_err(SinkError::Client)?;
        let WriteSettings { request_timeout, retries: max_retries, .. } = *write;
        Ok(Self { client, settings, url, request_timeout, max_retries, backoff, endpoint: OnceCell::new() })
    }

    /// Writes the points of `chunk`; see [`Sink::write`](super::Sink::write).
    pub(super) async fn write(&self, chunk: &Chunk, deadline: Option<Instant>) -> Result<Delivery, SinkError> {
        if chunk.points() == 0 {
            return Ok(Delivery::default());
        }
        let started = Instant::now();
        let endpoint = self.endpoint.get_or_try_init(|| self.find_endpoint(deadline)).await?;
        let body = gzip(chunk.body());
        let bytes_written = body.len() as u64;
        let request = Request {
            method: Method::POST,
            url: endpoint.url.clone(),
            body: Some(body),
            credentials: Some(&endpoint.credentials),
            judge: exchange::judge_write,
        };
        let sent = self.send(&request, &endpoint.target, deadline).await?;
        Ok(Delivery {
            points: chunk.points() as u64,
            bytes_written,
            attempts: sent.attempts,
            latency: started.elapsed(),
            rejected: Vec::new(),
        })
    }

    /// Asks `/ping`, which needs no credentials: is the server there, and can it be written to?
    ///
    /// # Errors
    /// What keeps the server from answering, [`SinkError::UnknownEngine`] and [`SinkError::UnsupportedEngine`].
    pub async fn health(&self, deadline: Option<Instant>) -> Result<Health, SinkError> {
        let health = self.ping(deadline).await?;
        // What is learnt here the first write need not ask again.
        self.endpoint
            .get_or_try_init(async || match Engine::named_by(self.settings.api) {
                Some(engine) => self.endpoint_of(engine, None),
                None => self.recognized_endpoint(&health),
            })
            .await?;
        Ok(health)
    }

    async fn find_endpoint(&self, deadline: Option<Instant>) -> Result<Endpoint, SinkError> {
        match Engine::named_by(self.settings.api) {
            Some(engine) => self.endpoint_of(engine, None),
            None => self.recognized_endpoint(&self.ping(deadline).await?),
        }
    }

    fn recognized_endpoint(&self, health: &Health) -> Result<Endpoint, SinkError> {
        let Some(engine) = health.engine else {
            return Err(SinkError::UnknownEngine { url: health.url.clone(), status: health.status });
        };
        self.endpoint_of(engine, health.version.as_deref())
    }

    fn endpoint_of(&self, engine: Engine, version: Option<&str>) -> Result<Endpoint, SinkError> {
        match engine {
            Engine::V1 => Ok(v1::endpoint(&self.url, &self.settings)),
            Engine::V2 => Ok(v2::endpoint(&self.url, &self.settings)),
            Engine::V3 => Err(SinkError::UnsupportedEngine {
                url: endpoint::shown(&self.url),
                version: version.unwrap_or("3").to_owned(),
            }),
        }
    }

    async fn ping(&self, deadline: Option<Instant>) -> Result<Health, SinkError> {
        let url = endpoint::join(&self.url, &["ping"]);
        let shown = endpoint::shown(&url);
        let request = Request { method: Method::GET, url, body: None, credentials: None, judge: exchange::judge_ping };
        let sent = self.send(&request, "`/ping`", deadline).await?;
        Ok(engine::health(&sent.exchange, shown))
    }

    /// Sends `request` until it is answered as it should be, or until there is no use in trying again.
    async fn send(&self, request: &Request<'_>, target: &str, deadline: Option<Instant>) -> Result<Sent, SinkError> {
        let mut course = Course::start(self.backoff, self.max_retries, deadline);
        let url = endpoint::shown(&request.url);
        let no_time = |course: &Course, source: Option<SinkError>| SinkError::DeadlineReached {
            destination: url.clone(),
            tries: course.tries(),
            source: source.map(Box::new),
        };
        let mut authorization = match request.credentials {
            Some(credentials) => credentials.current(deadline).await?,
            None => None,
        };
        let mut refreshed = false;
        loop {
            let Some(time) = course.attempt(self.request_timeout) else { return Err(no_time(&course, None)) };
            let answered = exchange::exchange(&self.client, request, authorization.as_ref(), time).await;
            let failure = match answered.and_then(request.judge) {
                Ok(exchange) => return Ok(Sent { exchange, attempts: course.tries().attempts }),
                Err(failure) => failure,
            };
            if let (Failure::Unauthorized(_), Some(credentials), false) = (&failure, request.credentials, refreshed) {
                // The secret may have been rotated since it was read: once more with what it says now.
                if let Some(fresh) = credentials.refresh(authorization.as_ref(), deadline).await? {
                    authorization = Some(fresh);
                    refreshed = true;
                    continue;
                }
            }
            let retry_after = failure.retry_after();
            let transient = failure.is_transient();
            let error = |course: &Course| failure.into_error(url.clone(), target, request, course.tries());
            if !transient {
                return Err(error(&course));
            }
            match course.next(retry_after) {
                Next::Exhausted => return Err(error(&course)),
                Next::Deadline => return Err(no_time(&course, Some(error(&course)))),
                Next::Retry(wait) => {
                    let reason = error(&course);
                    tracing::warn!(wait_ms = wait.as_millis(), "trying again: {reason}");
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }
}

/// A request that was answered as it should be.
struct Sent {
    exchange: Exchange,
    attempts: u32,
}

/// Compresses line protocol at the fastest level, which makes a quarter of it even where the values are random, at 350 to
/// 480 MB/s: half a millisecond for 1,000 points, so that no thread of its own is worth its while.
fn gzip(lines: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(lines.len() / 4), Compression::fast());
    #[expect(clippy::expect_used, reason = "writing to memory does not fail")]
    let compressed = encoder.write_all(lines).and_then(|()| encoder.finish()).expect("memory takes what it is given");
    compressed.into()
}
