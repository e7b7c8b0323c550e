//! Which engine a server is, by its answer to `/ping`.
//!
//! | engine | status | shows |
//! |---|---|---|
//! | 1.x | 204 | `X-Influxdb-Version: 1.8.10` |
//! | what speaks the protocol of 1.x, such as VictoriaMetrics | 204 | that it claims no other version |
//! | 2.x | 204 | `X-Influxdb-Version: v2.7.12` |
//! | 3 | 200, or 401 where even a ping needs a token | JSON with `version`, or the header `cluster-uuid` |

use std::fmt;
use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode, Url};

use crate::config::{Api, Token};
use crate::sink::error::SinkError;
use crate::sink::influxdb::http::{self, Courier, Credentials, Exchange, Request, Scheme, Tolerance};

/// The generations of InfluxDB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// InfluxDB 1.x, or a server that speaks its protocol.
    V1,
    /// InfluxDB 2.x.
    V2,
    /// InfluxDB 3.
    V3,
}

impl Engine {
    /// The engine that a setting names; `None` where the server is asked.
    pub(in crate::sink::influxdb) fn named_by(api: Api) -> Option<Self> {
        match api {
            Api::Auto => None,
            Api::V1 => Some(Self::V1),
            Api::V2 => Some(Self::V2),
            Api::V3 => Some(Self::V3),
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1 => "InfluxDB 1.x",
            Self::V2 => "InfluxDB 2.x",
            Self::V3 => "InfluxDB 3",
        })
    }
}

/// A server that answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// The engine; `None` where the answer does not identify it, which is an error only where `INFLUXDB_API` is `auto`.
    pub engine: Option<Engine>,
    /// The version, as the server gives it.
    pub version: Option<String>,
    /// What was asked.
    pub url: String,
    /// The status of the answer.
    pub status: u16,
    /// How long the answer took.
    pub latency: Duration,
}

impl Health {
    /// The version, where the server is of this engine.
    pub(in crate::sink::influxdb) fn version_of(&self, engine: Engine) -> Option<&str> {
        self.version.as_deref().filter(|_| self.engine == Some(engine))
    }

    /// Whether the server does not identify itself, for want of credentials: it may be any engine.
    pub(in crate::sink::influxdb) fn is_withheld(&self) -> bool {
        self.engine.is_none() && matches!(self.status, 401 | 403)
    }
}

/// Asks `/ping`, without credentials: most servers answer anyone. One that does not, as 3.0 to 3.6 with nothing but 401, is asked again
/// with the token.
///
/// # Errors
/// What keeps the server from answering.
pub(in crate::sink::influxdb) async fn ping(
    courier: &Courier,
    base: &Url,
    token: Option<&Token>,
    tolerance: Tolerance,
    deadline: Option<Instant>,
) -> Result<Health, SinkError> {
    let health = ping_as(courier, base, None, tolerance, deadline).await?;
    match token {
        Some(token) if health.is_withheld() => {
            let credentials = Credentials::token(token.clone(), Scheme::Bearer);
            ping_as(courier, base, Some(&credentials), tolerance, deadline).await
        }
        Some(_) | None => Ok(health),
    }
}

async fn ping_as(
    courier: &Courier,
    base: &Url,
    credentials: Option<&Credentials>,
    tolerance: Tolerance,
    deadline: Option<Instant>,
) -> Result<Health, SinkError> {
    let request = Request {
        method: Method::GET,
        url: http::join(base, &["ping"]),
        body: None,
        answer_limit: http::BODY_LIMIT,
        credentials,
        tolerance,
        target: "`/ping`",
        judge: http::judge_ping,
    };
    let sent = courier.send(&request, deadline).await?;
    Ok(health(&sent.exchange, http::shown(&request.url)))
}

/// What the answer to a ping shows.
fn health(exchange: &Exchange, url: String) -> Health {
    let version = exchange.header("x-influxdb-version").map(str::to_owned).or_else(|| version_in(&exchange.body));
    let version =
        version.map(|version| version.chars().filter(|character| !character.is_control()).take(40).collect::<String>());
    let generation = version.as_deref().map(|version| version.trim_start_matches('v').split('.').next());
    let engine = match generation {
        Some(Some("1")) => Some(Engine::V1),
        Some(Some("2")) => Some(Engine::V2),
        Some(Some("3")) => Some(Engine::V3),
        Some(_) => None,
        None if exchange.headers.contains_key("cluster-uuid") => Some(Engine::V3),
        None => (exchange.status == StatusCode::NO_CONTENT).then_some(Engine::V1),
    };
    Health { engine, version, url, status: exchange.status.as_u16(), latency: exchange.latency }
}

/// The version in the JSON that InfluxDB 3 answers with.
fn version_in(body: &[u8]) -> Option<String> {
    let json: serde_json::Value = serde_json::from_slice(body).ok()?;
    json.get("version")?.as_str().map(str::to_owned)
}
