//! The health check, as the command line and the function report it.

use std::time::{Duration, Instant};

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::{Health, Probe, Sink, SinkError};

/// How much a health check asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// That the server answers and reports that it is healthy.
    Shallow,
    /// Also that a point can be written; it is read back where the credentials allow it.
    Write,
    /// Also that the point can be read back.
    Read,
}

/// What a health check has found. Serializes as facts; the problem apart.
#[derive(Debug, Default)]
pub struct HealthCheck {
    /// The server's own report; none where it does not answer, or where there is no server.
    pub health: Option<Health>,
    /// The point that was written, if that was asked for and done.
    pub probe: Option<Probe>,
    /// Why the server is not well.
    pub problem: Option<SinkError>,
}

impl HealthCheck {
    /// Checks the server behind `sink`.
    pub async fn run(sink: &Sink, depth: Depth, deadline: Option<Instant>) -> Self {
        let mut check = Self::default();
        let Sink::InfluxDb(influxdb) = sink else { return check };
        match influxdb.health(deadline).await {
            Ok(health) => check.health = Some(health),
            Err(problem) => return Self { problem: Some(problem), ..check },
        }
        if depth >= Depth::Write {
            match influxdb.probe(deadline).await {
                Ok(Probe { read: Err(unreadable), .. }) if depth == Depth::Read => check.problem = Some(unreadable),
                Ok(probe) => check.probe = Some(probe),
                Err(problem) => check.problem = Some(problem),
            }
        }
        check
    }

    /// What is no problem, but worth knowing.
    pub fn remark(&self) -> Option<String> {
        let unreadable = self.probe.as_ref()?.read.as_ref().err()?.to_string();
        // What follows is what to do about it where it is a problem.
        Some(unreadable.lines().next().unwrap_or_default().to_owned())
    }
}

impl Serialize for HealthCheck {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let milliseconds = |duration: Duration| duration.as_secs_f64() * 1000.0;
        let mut facts = serializer.serialize_map(None)?;
        if let Some(Health { engine, version, url, status, latency }) = &self.health {
            facts.serialize_entry("url", url)?;
            facts.serialize_entry("status", status)?;
            facts.serialize_entry("engine", &engine.map(|engine| engine.to_string()))?;
            facts.serialize_entry("version", version)?;
            facts.serialize_entry("latency_ms", &milliseconds(*latency))?;
        }
        if let Some(Probe { write, read }) = &self.probe {
            facts.serialize_entry("write_ms", &milliseconds(*write))?;
            if let Ok(read) = read {
                facts.serialize_entry("read_ms", &milliseconds(*read))?;
            }
        }
        if let Some(remark) = self.remark() {
            facts.serialize_entry("remark", &remark)?;
        }
        facts.end()
    }
}
