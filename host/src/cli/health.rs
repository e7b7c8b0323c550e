//! `health`: what the health check sees.

use std::fmt::Write;

use serde_json::json;

use super::{CliError, print};
use crate::config::Config;
use crate::sink::{Depth, Health, HealthCheck, InfluxDb, Probe};

/// Prints what InfluxDB answers. Returns true: a server that is not well is an error, after what is known of it.
pub(super) async fn health(config: &Config, depth: Depth, as_json: bool) -> Result<bool, CliError> {
    let sink = InfluxDb::new(config.influxdb()?, &config.write)?.into();
    let check = HealthCheck::run(&sink, depth, None).await;
    if check.health.is_some() {
        print(&if as_json { format!("{}\n", json!(check)) } else { text(&check) })?;
    }
    check.problem.map_or(Ok(true), |problem| Err(problem.into()))
}

fn text(check: &HealthCheck) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        // Writing to a string does not fail.
        _ = writeln!(text, "{name:<9}{value}");
    };
    let milliseconds = |duration: std::time::Duration| format!("{:.1} ms", duration.as_secs_f64() * 1000.0);
    if let Some(Health { engine, version, url, status, latency }) = &check.health {
        line("url", url);
        line("status", &status.to_string());
        line("engine", &engine.map_or_else(|| "not reported".to_owned(), |engine| engine.to_string()));
        line("version", version.as_deref().unwrap_or("not reported"));
        line("latency", &milliseconds(*latency));
    }
    if let Some(Probe { write, read }) = &check.probe {
        line("write", &milliseconds(*write));
        line("read", &read.as_ref().map_or_else(|_| "not allowed".to_owned(), |read| milliseconds(*read)));
    }
    if let Some(remark) = check.remark() {
        line("remark", &remark);
    }
    text
}
