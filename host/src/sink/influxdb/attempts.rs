//! One request, sent until it is answered or until there is no use in trying again.

use std::time::Instant;

use tokio::time::timeout_at;

use super::super::SinkError;
use super::breaker::Admission;
use super::endpoint;
use super::exchange::{self, Exchange, Failure, Request};
use super::retry::{Course, Next};
use super::{Answer, InfluxDb};

/// A request that was answered.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) exchange: Exchange,
    /// Attempts made, this one included.
    pub(super) requests: u32,
    /// Attempts among them that followed a failure that may pass.
    pub(super) retries: u32,
    /// How often and how long it was tried.
    tries: super::super::Tries,
}

impl Sent {
    /// The answer, for an error.
    pub(super) fn answer(&self, url: &reqwest::Url) -> Answer {
        self.exchange.answer(endpoint::shown(url), self.tries)
    }
}

impl InfluxDb {
    /// Sends `request`, with at most `retries` attempts after the first, each after the longer of our own wait and the
    /// server's, none of them past the deadline.
    pub(super) async fn send(
        &self,
        request: &Request<'_>,
        target: &str,
        retries: u32,
        deadline: Option<Instant>,
    ) -> Result<Sent, SinkError> {
        let mut course = Course::start(self.backoff, retries, deadline);
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
                if deadline.is_some_and(|deadline| deadline <= Instant::now() + wait) {
                    return Err(no_time(&course, Some(SinkError::BreakerOpen { url: url.clone() })));
                }
                tokio::time::sleep(wait).await;
                continue;
            }
            let failure = loop {
                let Some(time) = course.attempt(self.request_timeout) else { return Err(no_time(&course, None)) };
                let sent = Instant::now();
                // What breaks on a connection that was kept is tried at once on a new one.
                let client = if reconnected { &self.unpooled } else { &self.client };
                let answered = exchange::exchange(client, request, authorization.as_ref(), time).await;
                let failure = match answered.and_then(request.judge) {
                    Ok(exchange) => {
                        self.breaker.succeeded();
                        self.limiter.kept_up();
                        self.note_answered();
                        let (tries, retries) = (course.tries(), course.retries());
                        return Ok(Sent { exchange, requests: tries.attempts, retries, tries });
                    }
                    Err(failure) => failure,
                };
                if let (Failure::ConnectionLost(_), false) = (&failure, reconnected)
                    && self.was_answered()
                {
                    tracing::debug!("the connection was gone, on another one at once");
                    reconnected = true;
                    continue;
                }
                if let (Failure::Unauthorized(_), Some(credentials), false) = (&failure, request.credentials, refreshed)
                {
                    // The secret may have been rotated since it was read: once more with what it says now.
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
