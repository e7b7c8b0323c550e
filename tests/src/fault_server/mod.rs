//! A server that speaks as InfluxDB does, and fails as a script decides.
//!
//! Behind it is a model of each engine ([`engine`]): it reads every line, keeps the points ([`store`]), and refuses what
//! the engine would refuse, in the engine's words. A script sees each request as it arrives ([`arrival`]) and decides what
//! goes wrong with it ([`fault`]). Everything is written down ([`log`]). Afterwards, a test holds the points against those of
//! a server on which nothing went wrong, and the requests against what it takes to write them.

mod arrival;
mod engine;
mod fault;
mod lines;
mod log;
mod rules;
mod serve;
mod store;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Instant;

pub use arrival::Arrival;
pub use fault::{Cut, Fault, Lie, Mix};
pub use lines::{Point, Value};
pub use log::{Entry, Requests};
pub use rules::{Dialect, Rules};
pub use store::{LineSet, Store};

use crate::http::HttpServer;
use crate::{Request, Response, Settings, request};
use engine::Engine;
use fault::Script;
use log::Log;

/// A running server. Its connections and threads end when it is dropped.
pub struct FaultServer {
    shared: Arc<Shared>,
    server: HttpServer,
}

/// What the threads of a server share.
struct Shared {
    started: Instant,
    engine: Engine,
    log: Log,
    script: Mutex<Script>,
}

impl FaultServer {
    /// Starts an engine on which nothing goes wrong.
    pub fn start(dialect: Dialect) -> Self {
        Self::with(Rules::of(dialect))
    }

    /// Starts an engine of which a test wants something else than usual.
    pub fn with(rules: Rules) -> Self {
        let script: Script = Arc::new(|_| Fault::None);
        let (started, engine) = (Instant::now(), Engine::new(rules));
        let shared = Arc::new(Shared { started, engine, log: Log::default(), script: Mutex::new(script) });
        let server = HttpServer::start({
            let shared = Arc::clone(&shared);
            move |head, wire| shared.serve(head, wire)
        });
        Self { shared, server }
    }

    /// From now on, `script` decides what goes wrong with each request; with pings and queries too.
    #[must_use]
    pub fn failing(self, script: impl Fn(&Arrival<'_>) -> Fault + Send + Sync + 'static) -> Self {
        *self.shared.script.lock().unwrap() = Arc::new(script);
        self
    }

    /// From now on, nothing goes wrong.
    pub fn recover(&self) {
        *self.shared.script.lock().unwrap() = Arc::new(|_| Fault::None);
    }

    /// Changes what the engine allows, such as its token.
    pub fn change(&self, change: impl FnOnce(&mut Rules)) {
        change(&mut self.shared.engine.state().rules);
    }

    /// Such as `http://127.0.0.1:8086`.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The settings with which the loader writes to it: compressed, as to a server elsewhere, and a thousand points a request, so
    /// that small loads have several. It finds out by itself which engine it is, except for 1.x, which the settings have to name for a
    /// loader without a token.
    pub fn settings(&self) -> Settings {
        let rules = self.shared.engine.state().rules.clone();
        let settings = Settings::default()
            .with("INFLUXDB_URL", self.url())
            .with("COMPRESSION", "gzip")
            .with("MAX_BATCH_SIZE", "1000")
            .with("INFLUXDB_ORG", rules.organization)
            .with("INFLUXDB_BUCKET", rules.bucket);
        match rules.token {
            Some(token) => settings.with("INFLUXDB_TOKEN", token),
            None if rules.dialect == Dialect::V1 => settings.with("INFLUXDB_API", "v1"),
            None => settings,
        }
    }

    /// Keeps points without a request, such as those that give a field its type.
    ///
    /// # Panics
    ///
    /// Where the engine does not take them.
    pub fn seed(&self, lines: &str) {
        let rules = self.shared.engine.state().rules.clone();
        let Rules { bucket, organization, token, .. } = rules;
        let target = match rules.dialect {
            Dialect::V1 => format!("/write?db={bucket}&precision=ns"),
            Dialect::V2 => format!("/api/v2/write?org={organization}&bucket={bucket}&precision=ns"),
            Dialect::V3 => format!("/api/v3/write_lp?db={bucket}&precision=nanosecond"),
        };
        let authorization = format!("Token {}", token.unwrap_or_default());
        let write = Request::new("POST", &target).header("authorization", &authorization);
        let answer = self.shared.engine.answer(&write, &arrival::Body::plain(lines));
        assert_eq!(answer.status, 204, "{}", answer.text());
    }

    /// Sends it a request, as any client does.
    ///
    /// # Errors
    ///
    /// Where there is no answer.
    pub fn request(&self, asked: &Request) -> std::io::Result<Response> {
        request(self.server.port(), asked)
    }

    /// What it keeps.
    pub fn store(&self) -> Store {
        self.shared.engine.state().store.clone()
    }

    /// What it keeps where it does not read lines.
    pub fn line_set(&self) -> LineSet {
        self.shared.engine.state().lines.clone()
    }

    /// What it was asked so far.
    pub fn requests(&self) -> Requests {
        self.shared.log.requests()
    }

    /// In how many of its ticks writes were acknowledged.
    ///
    /// # Panics
    ///
    /// Where it has no ticks.
    pub fn ticks(&self) -> usize {
        let tick = self.shared.engine.state().rules.tick.unwrap();
        let requests = self.requests();
        let ended = requests.writes().into_iter().filter_map(|write| write.ended);
        let ticks: BTreeSet<u128> =
            ended.map(|ended| (ended - self.shared.started).as_nanos() / tick.as_nanos()).collect();
        ticks.len()
    }

    /// From now on, it does not keep bodies in its log.
    #[must_use]
    pub fn forgetting_bodies(self) -> Self {
        self.shared.log.forget_bodies();
        self
    }
}
