//! Where the points of a command go, and how its outcome is shown.

use std::io::Write;
use std::path::Path;

use serde_json::json;

use super::{CliError, Reader, print, summary, timings};
use crate::config::{Api, Config};
use crate::points::Dialect;
use crate::report::Report;
use crate::sink::{InfluxDb, LineWriter, Sink, SinkError};

/// The target that `--to` names, and the form of the summary.
pub(super) struct Output {
    pub(super) sink: Sink,
    to: String,
    json: bool,
    timings: bool,
}

impl Output {
    /// Opens the target; a server must be reachable. Lines are for `reader`, else for the engine that the settings name.
    pub(super) async fn open(config: &Config, to: &str, reader: Option<Reader>, json: bool) -> Result<Self, CliError> {
        if to == "influxdb" && reader.is_some() {
            return Err(CliError::ForInfluxDb { to: to.to_owned() });
        }
        let compression = config.write.compression;
        let dialect = dialect(config, reader);
        let sink: Sink = match to {
            "influxdb" => InfluxDb::new(config.influxdb()?, &config.write)?.into(),
            "-" => LineWriter::stdout(compression).speaking(dialect).into(),
            path => LineWriter::file(Path::new(path), compression)?.speaking(dialect).into(),
        };
        sink.reach(None).await?;
        Ok(Self { sink, to: to.to_owned(), json, timings: false })
    }

    /// The same, which also shows the time of each stage.
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

fn dialect(config: &Config, reader: Option<Reader>) -> Dialect {
    match (reader, config.api()) {
        (Some(Reader::V1), _) | (None, Api::V1) => Dialect::V1,
        (Some(Reader::V2), _) | (None, Api::V2) => Dialect::V2,
        (Some(Reader::V3), _) | (None, Api::V3) => Dialect::V3,
        (None, Api::Auto) => Dialect::Any,
    }
}
