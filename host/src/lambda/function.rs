//! The function itself, without the runtime that calls it.

use serde_json::{Value, json};

use crate::aws;
use crate::config::{Config, ConfigError};
use crate::event::{self, Asked, Caller, Event, EventError, ObjectReference};
use crate::metrics::Metrics;
use crate::pipeline::{Deadline, LoadError, LoadRequest, Loader, Location, sink_failure_kind};
use crate::report::{Answer, Failure, FailureKind, ObjectReport, Report, answer, answer_health};
use crate::sink::{HealthCheck, InfluxDb, Sink, SinkError};
use crate::source;

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
    pub async fn handle(&self, payload: &Value, deadline: Option<Deadline>) -> Answer {
        let (caller, report) = match event::read(payload) {
            Ok(Event { caller, asked: Asked::Health { deep } }) => return self.health(caller, deep, deadline).await,
            Ok(Event { caller, asked: Asked::Load { objects, skipped } }) => {
                (caller, Report { skipped, ..self.load(caller, &objects, deadline).await })
            }
            Err(error) => (error.caller(), Report::failed(Failure::new(kind(&error), &error))),
        };
        self.metrics.send(&report).await;
        log(&report);
        answer(caller, &report)
    }

    async fn health(&self, caller: Caller, deep: bool, deadline: Option<Deadline>) -> Answer {
        let check = HealthCheck::run(&self.sink, deep, deadline.map(|deadline| deadline.end)).await;
        let failure = check.problem.as_ref().map(|error| Failure::new(sink_failure_kind(error), error));
        if let Some(failure) = &failure {
            tracing::error!(error_type = failure.error_type().name(), "{failure}");
        }
        answer_health(caller, json!(check), failure.as_ref())
    }

    async fn load(&self, caller: Caller, objects: &[ObjectReference], deadline: Option<Deadline>) -> Report {
        if objects.is_empty() {
            return Report::default();
        }
        // Before anything is read: without a server every object would fail, each after all of its retries.
        if let Err(error) = self.sink.reach(deadline.map(|deadline| deadline.end)).await {
            return Report::failed(Failure::new(sink_failure_kind(&error), &error));
        }
        let mut reports = Vec::with_capacity(objects.len());
        for object in objects {
            let location = Location::S3(object.clone());
            let report = self.loader.load(&LoadRequest::new(&location), &self.sink, deadline, &()).await;
            let loaded = report.failure.is_none();
            reports.push(report);
            if loaded && caller == Caller::S3 {
                reports.extend(self.load_newer(object, deadline).await);
            }
        }
        Report { objects: reports, ..Report::default() }
    }

    /// Loads the newest version of an object of which an older one has just been loaded: S3 tells of versions in any order,
    /// and of the points that both have, those of the newest have to stay.
    async fn load_newer(&self, object: &ObjectReference, deadline: Option<Deadline>) -> Option<ObjectReport> {
        let version = object.version_id.as_ref()?;
        let newest = source::newest_version(&aws::s3().await, &object.bucket, &object.key).await;
        let newest = match newest {
            Ok(newest) => newest.filter(|newest| newest != version)?,
            Err(error) => {
                tracing::warn!(object = %object, "cannot tell whether there is a newer version: {error}");
                return None;
            }
        };
        tracing::info!(object = %object, version, newest, "there is a newer version, which is loaded again");
        let newer = ObjectReference { version_id: Some(newest), etag: None, size: None, ..object.clone() };
        let location = Location::S3(newer);
        Some(self.loader.load(&LoadRequest::new(&location), &self.sink, deadline, &()).await)
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
            rejects = object.rejects,
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
