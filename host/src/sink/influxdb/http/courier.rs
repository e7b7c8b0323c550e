//! Sends requests, each until it is answered or until there is no use in trying again.
//!
//! What is learnt of the server lives here, for the life of the process: connections, how many requests it takes at a time,
//! whether the circuit breaker is open, and whether the server was ever reached.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::time::timeout_at;

use super::breaker::{Admission, Breaker};
use super::exchange::{self, Exchange, Failure, Request};
use super::limiter::Limiter;
use super::retry::{Backoff, Course, Next, Patience, Tolerance};
use super::trust;
use super::url::shown;
use crate::aws;
use crate::config::WriteSettings;
use crate::sink::error::{Answer, SinkError, Tries};

/// How long an idle connection is kept. Short, because a function that was frozen in between cannot know that the server,
/// or what stands before it, has let go of the connection; long enough for the pauses within a load.
const IDLE_CONNECTION: Duration = Duration::from_secs(20);

/// How many requests are in flight until it is known which engine the server is, where no setting does, and how many connections are kept at most.
const FIRST_REQUESTS: usize = 4;
const MOST_CONNECTIONS: usize = 64;

/// What brings requests to a server.
#[derive(Debug)]
pub(in crate::sink::influxdb) struct Courier {
    client: reqwest::Client,
    /// Makes a connection for each request, for those that a kept connection has lost.
    unpooled: reqwest::Client,
    request_timeout: Duration,
    patience: Patience,
    backoff: Backoff,
    limiter: Limiter,
    breaker: Breaker,
    /// Whether there ever was a connection.
    reached: AtomicBool,
    /// Whether any request was answered.
    answered: AtomicBool,
}

/// A request that was answered.
#[derive(Debug)]
pub(in crate::sink::influxdb) struct Sent {
    pub(in crate::sink::influxdb) exchange: Exchange,
    /// Attempts made, this one included.
    pub(in crate::sink::influxdb) requests: u32,
    /// Attempts among them that followed a failure that may pass.
    pub(in crate::sink::influxdb) retries: u32,
    /// How often and how long it was tried.
    tries: Tries,
}

impl Sent {
    /// The answer, for an error.
    pub(in crate::sink::influxdb) fn answer(&self, url: &reqwest::Url) -> Answer {
        self.exchange.answer(shown(url), self.tries)
    }
}

/// A client that keeps so many connections.
///
/// # Errors
/// [`SinkError::Client`] and [`SinkError::Trust`].
pub(in crate::sink::influxdb) fn client(
    settings: &WriteSettings,
    ca_file: Option<&Path>,
    connections: usize,
) -> Result<reqwest::Client, SinkError> {
    aws::install_tls_provider();
    let builder = match ca_file.map(trust::configuration).transpose()? {
        Some(tls) => reqwest::Client::builder().tls_backend_preconfigured(tls),
        None => reqwest::Client::builder(),
    };
    builder
        .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(settings.connect_timeout)
        .pool_idle_timeout(IDLE_CONNECTION)
        .pool_max_idle_per_host(connections)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .build()
        .map_err(SinkError::Client)
}

impl Courier {
    /// Sends nothing yet.
    ///
    /// # Errors
    /// [`SinkError::Client`] and [`SinkError::Trust`].
    pub(in crate::sink::influxdb) fn new(
        settings: &WriteSettings,
        ca_file: Option<&Path>,
        backoff: Backoff,
    ) -> Result<Self, SinkError> {
        Ok(Self {
            client: client(settings, ca_file, settings.concurrency.unwrap_or(MOST_CONNECTIONS))?,
            unpooled: client(settings, ca_file, 0)?,
            request_timeout: settings.request_timeout,
            patience: Patience { retries: settings.retries, longest: settings.patience },
            backoff,
            limiter: Limiter::new(settings.concurrency.unwrap_or(FIRST_REQUESTS)),
            breaker: Breaker::default(),
            reached: AtomicBool::new(false),
            answered: AtomicBool::new(false),
        })
    }

    /// Looks for how many requests in flight pay, from `first` up to `most`.
    pub(in crate::sink::influxdb) fn climb(&self, first: usize, most: usize) {
        self.limiter.climb(first, most);
    }

    /// How many requests may be in flight now.
    pub(in crate::sink::influxdb) fn requests_allowed(&self) -> usize {
        self.limiter.allowed()
    }

    /// How often the circuit breaker opened in the life of the process.
    pub(in crate::sink::influxdb) fn breaker_openings(&self) -> u64 {
        self.breaker.openings()
    }

    /// Sends `request` until it is answered: again after the longer of our own wait and the server's, no longer than the
    /// request tolerates, and never past the deadline.
    ///
    /// # Errors
    /// Any of a server; see [`Failure`].
    pub(in crate::sink::influxdb) async fn send(
        &self,
        request: &Request<'_>,
        deadline: Option<Instant>,
    ) -> Result<Sent, SinkError> {
        let mut course = Course::start(self.backoff, self.patience, request.tolerance, deadline);
        let url = shown(&request.url);
        let no_time = |course: &Course, source: Option<SinkError>| SinkError::DeadlineReached {
            destination: url.clone(),
            tries: course.tries(),
            source: source.map(Box::new),
        };
        let mut authorization = match request.credentials {
            Some(credentials) => credentials.current(deadline).await?,
            None => None,
        };
        let (mut refreshed, mut reconnected) = (false, false);
        loop {
            let permit = match deadline {
                None => self.limiter.acquire().await,
                Some(deadline) => match timeout_at(deadline.into(), self.limiter.acquire()).await {
                    Ok(permit) => permit,
                    Err(_) => return Err(no_time(&course, None)),
                },
            };
            if let Admission::Wait(wait) = self.breaker.admit(self.request_timeout) {
                drop(permit);
                let left_alone = SinkError::BreakerOpen { url: url.clone() };
                if matches!(request.tolerance, Tolerance::Brief | Tolerance::Nothing) {
                    return Err(left_alone);
                }
                match course.may_wait(wait) {
                    Next::Retry(wait) => tokio::time::sleep(wait).await,
                    Next::Deadline => return Err(no_time(&course, Some(left_alone))),
                    Next::Exhausted => return Err(left_alone),
                }
                continue;
            }
            let failure = loop {
                let Some(time) = course.attempt(self.request_timeout) else { return Err(no_time(&course, None)) };
                let sent = Instant::now();
                // What breaks on a connection that was kept is tried at once on a new one.
                let client = if reconnected { &self.unpooled } else { &self.client };
                let answered = exchange::exchange(client, request, authorization.as_ref(), time).await;
                if !matches!(answered, Err(Failure::Unreachable(_) | Failure::Untrusted(_))) {
                    self.reached.store(true, Ordering::Relaxed);
                }
                let failure = match answered.and_then(request.judge) {
                    Ok(exchange) => {
                        self.breaker.succeeded();
                        self.limiter.kept_up(exchange.latency);
                        self.answered.store(true, Ordering::Relaxed);
                        let (tries, retries) = (course.tries(), course.retries());
                        return Ok(Sent { exchange, requests: tries.attempts, retries, tries });
                    }
                    Err(failure) => failure,
                };
                // There may be connections that are kept from requests before.
                if let (Failure::ConnectionLost(_), false) = (&failure, reconnected)
                    && self.answered.load(Ordering::Relaxed)
                {
                    tracing::debug!("the connection was gone, on another one at once");
                    reconnected = true;
                    continue;
                }
                if let (Failure::Unauthorized(_), Some(credentials), false) = (&failure, request.credentials, refreshed)
                {
                    // The secret may have been rotated since it was read: a retry with the secret as it is now.
                    refreshed = true;
                    if let Some(fresh) = credentials.refresh(authorization.as_ref(), deadline).await? {
                        authorization = Some(fresh);
                        continue;
                    }
                }
                if failure.is_busy() {
                    self.limiter.busy(sent);
                }
                if failure.is_of_the_server() {
                    self.breaker.failed();
                } else {
                    self.breaker.succeeded();
                }
                break failure;
            };
            drop(permit);
            let retry_after = failure.retry_after();
            let passing = failure.passes(request);
            let reached = self.reached.load(Ordering::Relaxed);
            let error = |course: &Course| failure.into_error(url.clone(), request, course.tries(), reached);
            let Some(passing) = passing else { return Err(error(&course)) };
            match course.next(passing, reached, retry_after) {
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
