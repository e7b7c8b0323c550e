//! The function itself, without the runtime that calls it.

use std::collections::HashMap;
use std::ops::Range;

use serde_json::{Value, json};

use super::loading::Loading;
use super::{log, summary};
use crate::config::{Config, ConfigError};
use crate::event::{self, Asked, Caller, Event, EventError, Item, Load, Summarize, Target};
use crate::metrics::Metrics;
use crate::pipeline::{Deadline, LoadError, Loader, sink_failure_kind};
use crate::report::{
    Answer, Failure, FailureKind, ItemReport, ObjectReport, Report, answer, answer_health, answer_summary,
};
use crate::sink::{Depth, HealthCheck, InfluxDb, Sink, SinkError};

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
    concurrency: usize,
}

impl Function {
    /// Sets everything up, without a request to anybody.
    ///
    /// # Errors
    ///
    /// When a setting is missing or wrong, or when this machine lacks what the loader needs.
    pub fn new(config: &Config) -> Result<Self, StartError> {
        let sink = InfluxDb::new(config.influxdb()?, &config.write)?.into();
        Ok(Self {
            loader: Loader::new(config)?,
            sink,
            metrics: Metrics::new(config.metrics, config.metrics_stack.clone()),
            concurrency: config.memory.objects,
        })
    }

    /// Handles one event and answers its caller.
    ///
    /// # Errors
    ///
    /// When something failed and the caller is to learn of it by a failed invocation.
    pub async fn handle(&self, payload: &Value, deadline: Option<Deadline>) -> Answer {
        let (caller, report) = match event::read(payload) {
            Ok(Event { caller, asked: Asked::Health { deep } }) => return self.health(caller, deep, deadline).await,
            Ok(Event { caller, asked: Asked::Summarize(asked) }) => return summarized(caller, &asked, deadline).await,
            Ok(Event { caller, asked: Asked::Load(Load { targets, skipped }) }) => {
                (caller, Report { skipped, ..self.load(&targets, deadline).await.0 })
            }
            Ok(Event { caller, asked: Asked::Each(items) }) => (caller, self.load_each(items, deadline).await),
            Err(error) => (error.caller(), Report::failed(Failure::new(kind(&error), &error))),
        };
        let openings = match &self.sink {
            Sink::InfluxDb(influxdb) => influxdb.breaker_openings(),
            Sink::Lines(_) => 0,
        };
        self.metrics.send(&report, openings, deadline.map(|deadline| deadline.metrics_end())).await;
        let answer = answer(caller, &report);
        log::event(&report, &answer);
        answer
    }

    async fn health(&self, caller: Caller, deep: bool, deadline: Option<Deadline>) -> Answer {
        let depth = if deep { Depth::Write } else { Depth::Shallow };
        let check = HealthCheck::run(&self.sink, depth, deadline.map(|deadline| deadline.end)).await;
        let failure = check.problem.as_ref().map(|error| Failure::new(sink_failure_kind(error), error));
        if let Some(failure) = &failure {
            tracing::error!(error_type = failure.error_type().name(), "{failure}");
        }
        if let Some(remark) = check.remark() {
            tracing::info!("{remark}");
        }
        answer_health(caller, &json!(check), failure.as_ref())
    }

    /// Loads targets. Returns the report, and which of its objects each target stands for; those of one that comes a second
    /// time are those of the first.
    async fn load(&self, targets: &[Target], deadline: Option<Deadline>) -> (Report, Vec<Range<usize>>) {
        if targets.is_empty() {
            return Default::default();
        }
        // Before anything is read: without a server every object would fail, each after all of its retries.
        if let Err(error) = self.sink.reach(deadline.map(|deadline| deadline.end)).await {
            return (Report::failed(Failure::new(sink_failure_kind(&error), &error)), vec![0..0; targets.len()]);
        }
        let loading = Loading::new(&self.loader, &self.sink, deadline, self.concurrency);
        let mut objects: Vec<ObjectReport> = Vec::with_capacity(targets.len());
        let mut places: HashMap<&Target, Range<usize>> = HashMap::new();
        let mut ranges = Vec::with_capacity(targets.len());
        for (target, reports) in targets.iter().zip(loading.run(targets).await) {
            let start = objects.len();
            objects.extend(reports);
            ranges.push(places.entry(target).or_insert(start..objects.len()).clone());
        }
        (Report { objects, ..Report::default() }, ranges)
    }

    /// Loads what each item names, as far as it can be read.
    async fn load_each(&self, items: Vec<Item>, deadline: Option<Deadline>) -> Report {
        let mut targets = Vec::new();
        let mut asked = Vec::with_capacity(items.len());
        let mut skipped = 0;
        for Item { id, group, load } in items {
            let (start, mut item) = (targets.len(), ItemReport { id, group, ..ItemReport::default() });
            match load {
                Ok(load) => {
                    item.name = load.targets.first().map(ToString::to_string);
                    targets.extend(load.targets);
                    skipped += load.skipped;
                }
                Err(broken) => item.failure = Some(Failure::new(FailureKind::BadEvent, &broken)),
            }
            asked.push((item, start..targets.len()));
        }
        let (report, objects) = self.load(&targets, deadline).await;
        let items = asked.into_iter().map(|(item, targets)| ItemReport {
            objects: objects[targets].iter().cloned().flatten().collect(),
            ..item
        });
        Report { items: items.collect(), skipped, ..report }
    }
}

/// Sums up the report of a backfill.
async fn summarized(caller: Caller, asked: &Summarize, deadline: Option<Deadline>) -> Answer {
    match summary::summarize(asked, deadline).await {
        Ok(summary) => answer_summary(caller, &json!(summary)),
        Err(error) => {
            let report = Report::failed(Failure::new(FailureKind::Source, &error));
            let answer = answer(caller, &report);
            log::event(&report, &answer);
            answer
        }
    }
}

fn kind(error: &EventError) -> FailureKind {
    match error {
        EventError::TooLarge { .. } => FailureKind::TooLarge,
        EventError::NotJson(_) | EventError::Unknown | EventError::Broken { .. } => FailureKind::BadEvent,
    }
}
