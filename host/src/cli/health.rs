//! `health`: what the health check sees.

use serde_json::json;

use super::{CliError, print};
use crate::config::Config;
use crate::sink::InfluxDb;

/// Prints what InfluxDB answers. Returns true: a server that does not answer is an error.
pub(super) async fn health(config: &Config, as_json: bool) -> Result<bool, CliError> {
    let settings = config.influxdb()?;
    let health = InfluxDb::new(settings, &config.write)?.health(None).await?;
    let engine = health.engine.map_or_else(|| "not told".to_owned(), |engine| engine.to_string());
    let version = health.version.as_deref().unwrap_or("not told");
    let milliseconds = health.latency.as_secs_f64() * 1000.0;
    let text = if as_json {
        let engine = health.engine.map(|engine| engine.to_string());
        let facts = json!({
            "url": health.url, "status": health.status, "engine": engine, "version": health.version,
            "latency_ms": milliseconds,
        });
        format!("{facts}\n")
    } else {
        format!(
            "url      {}\nstatus   {}\nengine   {engine}\nversion  {version}\nlatency  {milliseconds:.1} ms\n",
            health.url, health.status
        )
    };
    print(&text)?;
    Ok(true)
}
