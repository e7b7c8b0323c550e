//! Where the points of a command go, and how its outcome is told.

use std::io::Write;
use std::path::Path;

use serde_json::json;

use super::{CliError, print, summary, timings};
use crate::config::Config;
use crate::report::Report;
use crate::sink::{InfluxDb, LineWriter, Sink, SinkError};

/// What `--to` says, and `--json`.
pub(super) struct Output {
    pub(super) sink: Sink,
    to: String,
    json: bool,
    timings: bool,
}

impl Output {
    /// Opens it, and asks the server, if it is one, whether it is there.
    pub(super) async fn open(config: &Config, to: &str, json: bool) -> Result<Self, CliError> {
        let compression = config.write.compression;
        let sink: Sink = match to {
            "influxdb" => InfluxDb::new(config.influxdb()?, &config.write)?.into(),
            "-" => LineWriter::stdout(compression).into(),
            path => LineWriter::file(Path::new(path), compression)?.into(),
        };
        sink.reach(None).await?;
        Ok(Self { sink, to: to.to_owned(), json, timings: false })
    }

    /// The same, which also tells where the time went.
    pub(super) fn with_timings(self, timings: bool) -> Self {
        Self { timings, ..self }
    }

    /// Whether it goes to InfluxDB.
    pub(super) fn is_influxdb(&self) -> bool {
        self.to == "influxdb"
    }

    /// Whether whoever reads the lines has seen enough, as `head` has.
    pub(super) async fn is_closed(&self) -> bool {
        self.to == "-" && matches!(self.sink.finish().await, Err(SinkError::Closed))
    }

    /// Completes it where everything was loaded, and prints the summary. Returns whether everything was loaded.
    pub(super) async fn finish(self, report: &Report) -> Result<bool, CliError> {
        let complete = report.first_failure().is_none();
        if complete {
            self.sink.finish().await?;
        } else {
            self.sink.abandon().await;
        }
        let mut text = if self.json { format!("{}\n", json!(report)) } else { summary::text(report) };
        if self.timings && !self.json {
            text.push_str(&timings::text(report));
        }
        if self.to == "-" {
            // Standard output is for the lines.
            drop(std::io::stderr().write_all(text.as_bytes()));
        } else {
            print(&text)?;
            if !complete && !self.is_influxdb() {
                let to = &self.to;
                drop(writeln!(std::io::stderr(), "`{to}` is not written, because not everything was loaded"));
            }
        }
        Ok(complete)
    }
}
