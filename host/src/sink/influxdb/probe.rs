//! What a server can do beside taking points: whether it reports that it is healthy, a point that is written and read back, and how
//! long points are kept.

use std::time::{Duration, Instant, SystemTime};

use reqwest::{Method, StatusCode};

use super::InfluxDb;
use super::engines::{Bucket, Health};
use super::http::{self, Request, Tolerance};
use crate::points::go_duration;
use crate::sink::SinkError;

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
        let health = self.reach_with(Tolerance::Brief, deadline).await?;
        let endpoint = self.endpoint(deadline).await?;
        if endpoint.engine.has_health() {
            let request = Request {
                method: Method::GET,
                url: http::join(&self.url, &["health"]),
                body: None,
                answer_limit: http::BODY_LIMIT,
                credentials: Some(&endpoint.credentials),
                tolerance: Tolerance::Brief,
                target: "`/health`",
                judge: http::judge_health,
            };
            let sent = self.courier.send(&request, deadline).await?;
            if sent.exchange.status == StatusCode::SERVICE_UNAVAILABLE {
                return Err(SinkError::Unwell(sent.answer(&request.url)));
            }
        }
        Ok(health)
    }

    /// Writes a point, with the time of now, and reads it back. The point stays: no engine lets every token delete. That the
    /// credentials do not grant read access is no error: the loader does not read.
    ///
    /// # Errors
    /// What else keeps it from being written or read; [`SinkError::NotReadBack`] where it is not found.
    pub async fn probe(&self, deadline: Option<Instant>) -> Result<Probe, SinkError> {
        let endpoint = self.endpoint(deadline).await?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
        let started = Instant::now();
        let line = format!("{MEASUREMENT} value=1i {now}\n");
        let sent = self.writer(endpoint, deadline).send_text(line.into_bytes()).await?;
        if sent.exchange.status != StatusCode::NO_CONTENT {
            return Err(SinkError::Refused(sent.answer(&endpoint.url)));
        }
        let write = started.elapsed();
        let query = endpoint.engine.query(&self.url, &self.settings, MEASUREMENT, now);
        let (started, mut wait) = (Instant::now(), FIRST_WAIT);
        for look in 1..=LOOKS {
            let answer = match self.ask(&query, http::BODY_LIMIT, Tolerance::Brief, deadline).await {
                Ok(answer) => answer,
                Err(error) => {
                    let unreadable = endpoint.engine.unreadable(error)?;
                    return Ok(Probe { write, read: Err(unreadable) });
                }
            };
            if endpoint.engine.holds_point(&answer.body, MEASUREMENT) {
                return Ok(Probe { write, read: Ok(started.elapsed()) });
            }
            if look < LOOKS && deadline.is_none_or(|deadline| Instant::now() + wait < deadline) {
                tokio::time::sleep(wait).await;
                wait *= 2;
            }
        }
        Err(SinkError::NotReadBack { url: http::shown(&query.url) })
    }

    /// The retention policy that points are written to, in words. None where the engine reports it with each point that it
    /// refuses, or where the user may not ask for it.
    pub(in crate::sink) async fn retention(&self, deadline: Option<Instant>) -> Option<String> {
        let target = &self.endpoint(deadline).await.ok()?.target;
        let Bucket { retention: Some(retention), name: Some(name), .. } = self.bucket(deadline).await.ok()?? else {
            return None;
        };
        Some(format!("{name} of {target} keeps {}", go_duration::of(retention)))
    }
}
