//! What a server can do beside answering: whether it says that it is well, and a point that is written and read back.

use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use reqwest::{Method, StatusCode, Url};
use serde_json::{Value, json};

use super::super::SinkError;
use super::InfluxDb;
use super::endpoint;
use super::engine::{Engine, Health};
use super::exchange::{self, Body, Request};
use super::lines::Lines;

/// The measurement of the points that are written to be read back.
const MEASUREMENT: &str = "influxdb_loader_probe";

/// How often a point is looked for, and how long is waited after the first time; the wait doubles. What was written need
/// not be visible to queries at once.
const LOOKS: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// A point that was written, and read back where that is allowed.
#[derive(Debug)]
pub struct Probe {
    /// How long writing it took, retries included.
    pub write: Duration,
    /// From the answer to the write until it was read; [`SinkError::Unreadable`] where the credentials do not allow it.
    pub read: Result<Duration, SinkError>,
}

impl InfluxDb {
    /// Asks `/ping`, and where the engine has it (2.x and 3) `/health`: is the server there, and is it well?
    ///
    /// # Errors
    /// As [`Self::reach`], and [`SinkError::Unwell`].
    pub async fn health(&self, deadline: Option<Instant>) -> Result<Health, SinkError> {
        let health = self.reach(deadline).await?;
        let endpoint = self.endpoint(deadline).await?;
        match endpoint.engine {
            Engine::V1 => {}
            Engine::V2 | Engine::V3 => {
                let request = Request {
                    method: Method::GET,
                    url: endpoint::join(&self.url, &["health"]),
                    body: None,
                    answer_limit: exchange::BODY_LIMIT,
                    credentials: Some(&endpoint.credentials),
                    judge: exchange::judge_health,
                };
                let sent = self.send(&request, "`/health`", self.max_retries, deadline).await?;
                if sent.exchange.status == StatusCode::SERVICE_UNAVAILABLE {
                    return Err(SinkError::Unwell(sent.answer(&request.url)));
                }
            }
        }
        Ok(health)
    }

    /// Writes a point, with the time of now, and reads it back. The point stays: no engine lets every token delete. That the
    /// credentials do not allow to read is no error: the loader does not read.
    ///
    /// # Errors
    /// What else keeps it from being written or read; [`SinkError::NotReadBack`] where it is not found.
    pub async fn probe(&self, deadline: Option<Instant>) -> Result<Probe, SinkError> {
        let endpoint = self.endpoint(deadline).await?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
        let lines = Lines::new(self, format!("{MEASUREMENT} value=1i {now}\n").into_bytes());
        let started = Instant::now();
        let sent = self.send_lines(endpoint, &lines, self.max_retries, deadline).await?;
        if sent.exchange.status != StatusCode::NO_CONTENT {
            return Err(SinkError::Refused(sent.answer(&endpoint.url)));
        }
        let write = started.elapsed();
        let (url, body) = self.query(endpoint.engine, now);
        let request = Request {
            method: if body.is_some() { Method::POST } else { Method::GET },
            url,
            body,
            answer_limit: exchange::BODY_LIMIT,
            credentials: Some(&endpoint.credentials),
            judge: exchange::judge_query,
        };
        let (started, mut wait) = (Instant::now(), FIRST_WAIT);
        for look in 1..=LOOKS {
            let answer = match self.send(&request, &endpoint.target, self.max_retries, deadline).await {
                Ok(answer) => answer,
                Err(error) => {
                    let unreadable = unreadable(endpoint.engine, error)?;
                    return Ok(Probe { write, read: Err(unreadable) });
                }
            };
            if holds_point(endpoint.engine, &answer.exchange.body) {
                return Ok(Probe { write, read: Ok(started.elapsed()) });
            }
            if look < LOOKS && deadline.is_none_or(|deadline| Instant::now() + wait < deadline) {
                tokio::time::sleep(wait).await;
                wait *= 2;
            }
        }
        Err(SinkError::NotReadBack { url: endpoint::shown(&request.url) })
    }

    /// A request for the point with the time `now`, in nanoseconds.
    fn query(&self, engine: Engine, now: u128) -> (Url, Option<Body>) {
        let (organization, bucket) = (&self.settings.organization, &self.settings.bucket);
        let body = |text: String, content_type| Some(Body { bytes: Bytes::from(text), content_type, gzip: false });
        match engine {
            Engine::V1 => {
                let mut url = endpoint::join(&self.url, &["query"]);
                let query = format!("SELECT value FROM {MEASUREMENT} WHERE time = {now}");
                url.query_pairs_mut().append_pair("db", bucket).append_pair("epoch", "ns").append_pair("q", &query);
                (url, None)
            }
            Engine::V2 => {
                let mut url = endpoint::join(&self.url, &["api", "v2", "query"]);
                url.query_pairs_mut().append_pair("org", organization);
                let bucket = bucket.replace('\\', "\\\\").replace('"', "\\\"").replace("${", "\\${");
                let query = format!(
                    "from(bucket: \"{bucket}\") |> range(start: time(v: {now}), stop: time(v: {})) |> \
                     filter(fn: (r) => r._measurement == \"{MEASUREMENT}\")",
                    now + 1
                );
                (url, body(query, "application/vnd.flux"))
            }
            Engine::V3 => {
                let url = endpoint::join(&self.url, &["api", "v3", "query_sql"]);
                let query = format!("SELECT value FROM {MEASUREMENT} WHERE time = to_timestamp_nanos({now})");
                let parameters = json!({ "db": bucket, "q": query, "format": "json" });
                (url, body(parameters.to_string(), "application/json"))
            }
        }
    }
}

/// What it means that a bucket which has just been written to cannot be queried: that it may not be read, where 1.x and 3
/// answer 403, and 2.x 404, as if it were not there. Any other error is what it was.
fn unreadable(engine: Engine, error: SinkError) -> Result<SinkError, SinkError> {
    match error {
        SinkError::Forbidden { target, answer } => Ok(SinkError::Unreadable { target, answer }),
        SinkError::NotFound { target, answer } if engine == Engine::V2 => Ok(SinkError::Unreadable { target, answer }),
        other => Err(other),
    }
}

/// Whether the answer to a query holds a point: 1.x and 3 answer with JSON, 2.x with CSV.
fn holds_point(engine: Engine, body: &[u8]) -> bool {
    let json = || serde_json::from_slice::<Value>(body).unwrap_or_default();
    match engine {
        Engine::V1 => json().pointer("/results/0/series/0/values/0").is_some(),
        Engine::V2 => String::from_utf8_lossy(body).lines().any(|line| line.contains(MEASUREMENT)),
        Engine::V3 => json().get(0).is_some(),
    }
}
