//! The function itself, without the runtime that calls it.

use std::time::Instant;

use serde_json::Value;

use crate::config::{Config, ConfigError};
use crate::event::{self, Event, EventError};
use crate::metrics::Metrics;
use crate::pipeline::{LoadError, Loader, Location, sink_failure_kind};
use crate::report::{Answer, Failure, FailureKind, Report, answer};
use crate::sink::{InfluxDb, Sink, SinkError};

/// Why the function cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting is missing or wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// InfluxDB's client cannot be set up.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The engine of converters does not start.
    #[error(transparent)]
    Engine(#[from] LoadError),
}

/// What lives as long as the process: compiled converters, connections, the token.
pub struct Function {
    loader: Loader,
    sink: Sink,
    metrics: Metrics,
}

impl Function {
    /// Sets everything up, without a request to anybody.
    ///
    /// # Errors
    ///
    /// When a setting is missing or wrong, or when this machine lacks what the loader needs.
    pub fn new(config: &Config) -> Result<Self, StartError> {
        let sink = InfluxDb::new(config.influxdb()?, &config.write)?.into();
        Ok(Self { loader: Loader::new(config)?, sink, metrics: Metrics::new(config.enable_metrics) })
    }

    /// Handles one event and answers its caller.
    ///
    /// # Errors
    ///
    /// When something failed and the caller is to learn of it by a failed invocation.
    pub async fn handle(&self, payload: &Value, deadline: Option<Instant>) -> Answer {
        let (caller, report) = match event::read(payload) {
            Ok(event) => (event.caller, self.load(&event, deadline).await),
            Err(error) => (error.caller(), Report::failed(Failure::new(kind(&error), &error))),
        };
        self.metrics.send(&report).await;
        log(&report);
        answer(caller, &report)
    }

    async fn load(&self, event: &Event, deadline: Option<Instant>) -> Report {
        if event.objects.is_empty() {
            return Report { skipped: event.skipped, ..Report::default() };
        }
        // Before anything is read: without a server every object would fail, each after all of its retries.
        if let Err(error) = self.sink.health(deadline).await {
            return Report::failed(Failure::new(sink_failure_kind(&error), &error));
        }
        let mut objects = Vec::with_capacity(event.objects.len());
        for object in &event.objects {
            let location = Location::S3(object.clone());
            objects.push(self.loader.load(&location, None, &self.sink, deadline, &()).await);
        }
        Report { objects, skipped: event.skipped, failure: None }
    }
}

fn kind(error: &EventError) -> FailureKind {
    match error {
        EventError::TooLarge { .. } => FailureKind::TooLarge,
        EventError::NotJson(_) | EventError::Unknown | EventError::Broken { .. } => FailureKind::BadEvent,
    }
}

/// One line an object, and one for what kept the invocation from beginning.
fn log(report: &Report) {
    if let Some(failure) = &report.failure {
        tracing::error!(error_type = failure.error_type().name(), "{failure}");
    }
    for object in &report.objects {
        let accounts = &object.accounts;
        let converter = object.converter.as_ref();
        let fields = tracing::info_span!(
            "object",
            object = object.object,
            bucket = object.bucket,
            key = object.key,
            dataset = object.dataset,
            converter_version = converter.map(|converter| converter.version.as_str()),
            converter_digest = converter.map(|converter| converter.digest.as_str()),
            rows = accounts.rows,
            written = accounts.written,
            rejected = accounts.rejected_total(),
            filtered = accounts.filtered,
            seconds = object.timings.total.as_secs_f64(),
        );
        fields.in_scope(|| match &object.failure {
            None => tracing::info!("loaded"),
            Some(failure) => tracing::error!(error_type = failure.error_type().name(), "{failure}"),
        });
        for row in &object.rejections {
            tracing::warn!(object = object.object, row = row.row, code = row.code, "rejected row: {}", row.message);
        }
    }
}
