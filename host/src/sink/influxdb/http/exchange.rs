//! One request and its answer, and what the answer means.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use reqwest::header::{self, HeaderMap};
use reqwest::{Client, Method, Response, StatusCode, Url};

use super::credentials::{Authorization, Credentials};
use super::retry::{self, Passing, Tolerance};
use super::trust;
use crate::sink::error::{Answer, SinkError, Tries, clean};

/// The most that is read of an answer's body, beside what it may quote of the request. Error messages are short.
pub(in crate::sink::influxdb) const BODY_LIMIT: usize = 64 * 1024;

/// How long a body is waited for once the head of its answer is here: the status has most of the meaning.
pub(in crate::sink::influxdb) const BODY_PATIENCE: Duration = Duration::from_secs(5);

/// A request of fewer bytes is not too large.
pub(in crate::sink::influxdb) const SMALL: usize = 64 * 1024;

/// A request, to be sent as often as it takes.
#[derive(Debug)]
pub(in crate::sink::influxdb) struct Request<'a> {
    pub(in crate::sink::influxdb) method: Method,
    pub(in crate::sink::influxdb) url: Url,
    pub(in crate::sink::influxdb) body: Option<Body>,
    /// The most that is read of the answer's body, in bytes.
    pub(in crate::sink::influxdb) answer_limit: usize,
    /// Who sends it; `None` where nobody is asked for.
    pub(in crate::sink::influxdb) credentials: Option<&'a Credentials>,
    /// Which failures are left to the one who sends it.
    pub(in crate::sink::influxdb) tolerance: Tolerance,
    /// What is written to or read, for messages.
    pub(in crate::sink::influxdb) target: &'a str,
    /// What its answer means.
    pub(in crate::sink::influxdb) judge: fn(Exchange) -> Result<Exchange, Failure>,
}

/// What a request carries.
#[derive(Clone, Debug)]
pub(in crate::sink::influxdb) struct Body {
    pub(in crate::sink::influxdb) bytes: Bytes,
    /// Its size before compression.
    pub(in crate::sink::influxdb) inflated: usize,
    pub(in crate::sink::influxdb) content_type: &'static str,
    /// Whether the bytes are compressed.
    pub(in crate::sink::influxdb) gzip: bool,
}

impl Body {
    /// A query, for instance.
    pub(in crate::sink::influxdb) fn text(text: String, content_type: &'static str) -> Self {
        Self { inflated: text.len(), bytes: text.into(), content_type, gzip: false }
    }
}

/// An answer, read as far as it is of use.
#[derive(Debug)]
pub(in crate::sink::influxdb) struct Exchange {
    pub(in crate::sink::influxdb) status: StatusCode,
    pub(in crate::sink::influxdb) headers: HeaderMap,
    pub(in crate::sink::influxdb) body: Vec<u8>,
    /// Whether the body was read to its end.
    pub(in crate::sink::influxdb) complete: bool,
    /// From the start of the request to the end of the answer.
    pub(in crate::sink::influxdb) latency: Duration,
}

/// Why an attempt failed.
#[derive(Debug)]
pub(in crate::sink::influxdb) enum Failure {
    /// There was no connection.
    Unreachable(reqwest::Error),
    /// There was no connection: the server's certificate is not trusted.
    Untrusted(reqwest::Error),
    /// There was a connection, and it broke before the answer.
    ConnectionLost(reqwest::Error),
    /// The server has read other bytes than were sent: the connection broke, behind a proxy for instance.
    Damaged(Message),
    /// There was no answer in time.
    TimedOut(reqwest::Error),
    /// The request cannot be sent by any attempt.
    Unsendable(reqwest::Error),
    /// 408, 429, 500, 502, 503, 504.
    Busy { message: Message, retry_after: Option<Duration> },
    /// 401.
    Unauthorized(Message),
    /// 403.
    Forbidden(Message),
    /// 404, of what is written to.
    NotFound(Message),
    /// 413.
    TooLarge(Message),
    /// Any other 4xx or 5xx.
    Refused(Message),
    /// 3xx.
    Redirected { status: StatusCode, location: String },
    /// What is no answer to this request.
    Unexpected(Message),
}

/// A status and the words with it.
#[derive(Debug)]
pub(in crate::sink::influxdb) struct Message {
    status: StatusCode,
    text: String,
}

/// Makes one attempt, which takes at most `time`, and [`BODY_PATIENCE`] for the body.
pub(in crate::sink::influxdb) async fn exchange(
    client: &Client,
    request: &Request<'_>,
    authorization: Option<&Authorization>,
    time: Duration,
) -> Result<Exchange, Failure> {
    let started = std::time::Instant::now();
    let mut builder = client.request(request.method.clone(), request.url.clone()).timeout(time);
    if let Some(Body { bytes, content_type, gzip, .. }) = &request.body {
        builder = builder.header(header::CONTENT_TYPE, *content_type).body(bytes.clone());
        if *gzip {
            builder = builder.header(header::CONTENT_ENCODING, "gzip");
        }
    }
    if let Some(authorization) = authorization {
        builder = builder.header(header::AUTHORIZATION, authorization.header());
    }
    let mut response = builder.send().await.map_err(|error| {
        let error = error.without_url();
        if error.is_builder() {
            Failure::Unsendable(error)
        } else if trust::is_untrusted(&error) {
            Failure::Untrusted(error)
        } else if error.is_connect() {
            Failure::Unreachable(error)
        } else if error.is_timeout() {
            Failure::TimedOut(error)
        } else {
            Failure::ConnectionLost(error)
        }
    })?;
    let (body, complete) = read_body(&mut response, request.answer_limit).await;
    Ok(Exchange {
        status: response.status(),
        headers: std::mem::take(response.headers_mut()),
        body,
        complete,
        latency: started.elapsed(),
    })
}

/// As much of the body as is of use and comes in time, and whether that is all of it. One that breaks off counts as it
/// is: the status is known.
async fn read_body(response: &mut Response, limit: usize) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    let read = async {
        loop {
            match response.chunk().await {
                Ok(None) => return true,
                Ok(Some(bytes)) if bytes.len() <= limit - body.len() => body.extend_from_slice(&bytes),
                Ok(Some(bytes)) => {
                    body.extend_from_slice(&bytes[..limit - body.len()]);
                    return false;
                }
                Err(_) => return false,
            }
        }
    };
    let complete = tokio::time::timeout(BODY_PATIENCE, read).await.unwrap_or(false);
    (body, complete)
}

/// What the answer to a write means. Only 204 means that the points are written: any other success comes from something
/// that is not InfluxDB, a sign-in page for instance. 400 and 422 are about the points; the engines interpret them.
pub(in crate::sink::influxdb) fn judge_write(exchange: Exchange) -> Result<Exchange, Failure> {
    match exchange.status.as_u16() {
        204 | 400 | 422 => Ok(exchange),
        401 => Err(Failure::Unauthorized(exchange.message())),
        403 => Err(Failure::Forbidden(exchange.message())),
        // Without InfluxDB's own words it is the path that does not exist: another server, or another engine.
        404 if exchange.words().is_some() => Err(Failure::NotFound(exchange.message())),
        404 => Err(Failure::Unexpected(exchange.message())),
        413 => Err(Failure::TooLarge(exchange.message())),
        _ => Err(exchange.other_failure()),
    }
}

/// What the answer to a query means.
pub(in crate::sink::influxdb) fn judge_query(exchange: Exchange) -> Result<Exchange, Failure> {
    match exchange.status.as_u16() {
        200 => Ok(exchange),
        401 => Err(Failure::Unauthorized(exchange.message())),
        403 => Err(Failure::Forbidden(exchange.message())),
        404 if exchange.words().is_some() => Err(Failure::NotFound(exchange.message())),
        404 => Err(Failure::Unexpected(exchange.message())),
        _ => Err(exchange.other_failure()),
    }
}

/// What the answer to `/health` means: a server that reports that it is not healthy has answered.
pub(in crate::sink::influxdb) fn judge_health(exchange: Exchange) -> Result<Exchange, Failure> {
    match exchange.status.as_u16() {
        // 503 with words is InfluxDB's own; without, it comes from a proxy, and may pass.
        503 if exchange.words().is_some() => Ok(exchange),
        _ => judge_query(exchange),
    }
}

/// What the answer to a ping means: any answer proves that the server is reachable, and shows which engine it is.
pub(in crate::sink::influxdb) fn judge_ping(exchange: Exchange) -> Result<Exchange, Failure> {
    match exchange.status.as_u16() {
        200..=299 | 401 | 403 | 404 => Ok(exchange),
        _ => Err(exchange.other_failure()),
    }
}

impl Exchange {
    /// A header as text.
    pub(in crate::sink::influxdb) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The answer as errors have it.
    pub(in crate::sink::influxdb) fn answer(&self, url: String, tries: Tries) -> Answer {
        let Message { status, text } = self.message();
        Answer { url, status: status.as_u16(), message: text, tries }
    }

    /// What statuses mean that mean the same for every request.
    fn other_failure(self) -> Failure {
        match self.status.as_u16() {
            408 | 429 | 500 | 502 | 503 | 504 => Failure::Busy {
                retry_after: self
                    .header(header::RETRY_AFTER.as_str())
                    .and_then(|value| retry::retry_after(value, SystemTime::now())),
                message: self.message(),
            },
            300..=399 => Failure::Redirected {
                status: self.status,
                location: clean(self.header(header::LOCATION.as_str()).unwrap_or_default()),
            },
            400..=599 => Failure::Refused(self.message()),
            _ => Failure::Unexpected(self.message()),
        }
    }

    /// The status, and the words with it: InfluxDB's own, else the text.
    fn message(&self) -> Message {
        let text = self.words().unwrap_or_else(|| String::from_utf8_lossy(&self.body).into_owned());
        Message { status: self.status, text: clean(&text) }
    }

    /// The answer's text.
    pub(in crate::sink::influxdb) fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }

    /// An answer that is about bytes which were lost or bent on their way.
    pub(in crate::sink::influxdb) fn damaged(&self) -> Failure {
        Failure::Damaged(self.message())
    }

    /// An answer that means 413.
    pub(in crate::sink::influxdb) fn too_large(&self) -> Failure {
        Failure::TooLarge(self.message())
    }

    /// InfluxDB's own words: JSON's `message` (2.x) or `error` (1.x, 3).
    fn words(&self) -> Option<String> {
        let json: serde_json::Value = serde_json::from_slice(&self.body).ok()?;
        json.get("message").or_else(|| json.get("error"))?.as_str().map(str::to_owned)
    }
}

impl Failure {
    /// How it may pass, where another attempt of the request may succeed. No server finds a small request too large: whoever
    /// declares that will stop it.
    pub(in crate::sink::influxdb) fn passes(&self, request: &Request<'_>) -> Option<Passing> {
        match self {
            Self::TooLarge(_) if request.body.as_ref().is_some_and(|body| body.inflated < SMALL) => {
                Some(Passing::Answered)
            }
            Self::Unreachable(_) | Self::TimedOut(_) => Some(Passing::Away),
            Self::ConnectionLost(_) | Self::Damaged(_) => Some(Passing::Break),
            Self::Busy { message, .. } if matches!(message.status.as_u16(), 429 | 502..=504) => Some(Passing::Away),
            Self::Busy { .. } => Some(Passing::Answered),
            Self::Unsendable(_)
            | Self::Untrusted(_)
            | Self::Unauthorized(_)
            | Self::Forbidden(_)
            | Self::NotFound(_)
            | Self::TooLarge(_)
            | Self::Refused(_)
            | Self::Redirected { .. }
            | Self::Unexpected(_) => None,
        }
    }

    /// Whether the server has more to do than it can: 408, 429 and 5xx, or no answer in time.
    pub(in crate::sink::influxdb) fn is_busy(&self) -> bool {
        match self {
            Self::TimedOut(_) | Self::Busy { .. } => true,
            Self::Unreachable(_)
            | Self::ConnectionLost(_)
            | Self::Damaged(_)
            | Self::Unsendable(_)
            | Self::Untrusted(_)
            | Self::Unauthorized(_)
            | Self::Forbidden(_)
            | Self::NotFound(_)
            | Self::TooLarge(_)
            | Self::Refused(_)
            | Self::Redirected { .. }
            | Self::Unexpected(_) => false,
        }
    }

    /// Whether the server is failing or unreachable: transient failures, except 429, by which a healthy server defends
    /// itself.
    pub(in crate::sink::influxdb) fn is_of_the_server(&self) -> bool {
        match self {
            Self::Busy { message, .. } => message.status != StatusCode::TOO_MANY_REQUESTS,
            Self::Unreachable(_) | Self::ConnectionLost(_) | Self::Damaged(_) | Self::TimedOut(_) => true,
            _ => false,
        }
    }

    /// How long the server asks not to get requests (`Retry-After`).
    pub(in crate::sink::influxdb) fn retry_after(&self) -> Option<Duration> {
        if let Self::Busy { retry_after, .. } = self { *retry_after } else { None }
    }

    /// The failure of the last attempt, as the caller gets it; `reached`: whether the server was ever reached.
    pub(in crate::sink::influxdb) fn into_error(
        self,
        url: String,
        request: &Request<'_>,
        tries: Tries,
        reached: bool,
    ) -> SinkError {
        let target = request.target.to_owned();
        let answer = |url, Message { status, text }| Answer { url, status: status.as_u16(), message: text, tries };
        match self {
            Self::Unreachable(source) => SinkError::Unreachable { url, tries, reached, source },
            Self::Untrusted(source) => SinkError::Untrusted { url, source },
            Self::ConnectionLost(source) => SinkError::ConnectionLost { url, tries, source },
            Self::Damaged(message) => SinkError::Damaged(answer(url, message)),
            Self::TimedOut(source) => SinkError::TimedOut { url, tries, source },
            Self::Unsendable(source) => SinkError::Client(source),
            Self::Busy { message, .. } => SinkError::ServerFailing(answer(url, message)),
            Self::Unauthorized(message) => SinkError::Unauthorized(answer(url, message)),
            Self::Forbidden(message) => SinkError::Forbidden { target, answer: answer(url, message) },
            Self::NotFound(message) => SinkError::NotFound { target, answer: answer(url, message) },
            Self::TooLarge(message) => {
                let bytes = request.body.as_ref().map_or(0, |body| body.bytes.len());
                SinkError::TooLarge { bytes, answer: answer(url, message) }
            }
            Self::Refused(message) => SinkError::Refused(answer(url, message)),
            Self::Redirected { status, location } => SinkError::Redirected { url, status: status.as_u16(), location },
            Self::Unexpected(message) => SinkError::Unexpected(answer(url, message)),
        }
    }
}
