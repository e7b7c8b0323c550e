//! The function itself, without the runtime that calls it.

use std::collections::HashMap;
use std::ops::Range;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

use super::loading::{Loading, NotAllowed};
use super::{log, summary, verifying};
use crate::config::{Config, ConfigError, SourceBuckets, WriteSettings};
use crate::event::{self, Asked, Caller, Event, EventError, Item, Load, Problem, Summarize, Target, Verify};
use crate::metrics::{Known, Lines, Metrics};
use crate::pipeline::{Deadline, LimitBelowMargin, LoadError, Loader, sink_failure_kind};
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
    allowed: Option<SourceBuckets>,
    margin: Duration,
    concurrency: usize,
    write: WriteSettings,
    config: Config,
}

/// How long API Gateway waits: an HTTP API 30 seconds, and a REST API 29 unless its quota was raised. The shorter holds.
const API_GATEWAY: Duration = Duration::from_secs(29);

impl Function {
    /// Sets everything up, without a request to anybody.
    ///
    /// # Errors
    ///
    /// When a setting is missing or wrong, or when this machine lacks what the loader needs.
    pub fn new(config: &Config) -> Result<Self, StartError> {
        Self::with_metrics_to(Lines::Output, config)
    }

    /// As [`Function::new`], with metrics that are lines where they are wanted.
    ///
    /// # Errors
    ///
    /// As [`Function::new`].
    pub fn with_metrics_to(lines: Lines, config: &Config) -> Result<Self, StartError> {
        let sink = InfluxDb::new(config.influxdb()?, &config.write)?.into();
        let loader = Loader::new(config)?;
        let known = Known::datasets(loader.catalog().known());
        Ok(Self {
            loader,
            sink,
            metrics: Metrics::new(config.metrics, config.metrics_stack.clone(), known, lines),
            allowed: config.source_buckets.clone(),
            margin: config.deadline_margin,
            concurrency: config.memory.objects,
            write: config.write.clone(),
            config: config.clone(),
        })
    }

    /// Handles one event and answers its caller.
    ///
    /// # Errors
    ///
    /// When something failed and the caller is to learn of it by a failed invocation.
    pub async fn handle(&self, payload: &Value, deadline: Option<Deadline>) -> Answer {
        let event = event::read(payload);
        let enough = deadline.map_or(Ok(()), |deadline| {
            LimitBelowMargin::check(
                (deadline.stop + self.margin).saturating_duration_since(Instant::now()),
                self.margin,
            )
        });
        let deadline = match &event {
            Ok(Event { caller: Caller::ApiGateway, .. }) => Some(self.before_the_gateway_gives_up(payload, deadline)),
            Ok(_) | Err(_) => deadline,
        };
        let (caller, report) = match event {
            Ok(Event { caller, asked: Asked::Health { deep } }) => return self.health(&caller, deep, deadline).await,
            Ok(Event { caller, .. }) if let Err(error) = enough => {
                (caller, Report::failed(Failure::new(FailureKind::Unexpected, &error)))
            }
            Ok(Event { caller, asked: Asked::Summarize(asked) }) => {
                return self.summarized(&caller, &asked, deadline).await;
            }
            Ok(Event { caller, asked: Asked::Verify(asked) }) => {
                return self.verified(&caller, &asked, deadline).await;
            }
            Ok(Event { caller, asked: Asked::Load(Load { targets, skipped }) }) => {
                let (report, _) = self.load(&targets, deadline).await;
                (caller, Report { skipped: skipped + report.skipped, ..report })
            }
            Ok(Event { caller, asked: Asked::Each(items) }) => (caller, self.load_each(items, deadline).await),
            Err(error) => (error.caller(), Report::failed(Failure::new(kind(&error), &error))),
        };
        let openings = match &self.sink {
            Sink::InfluxDb(influxdb) => influxdb.breaker_openings(),
            Sink::Lines(_) | Sink::Survey(_) | Sink::Watch(_) => 0,
        };
        self.metrics.send(&report, openings, deadline.map(|deadline| deadline.metrics_end())).await;
        let answer = answer(&caller, &report);
        log::event(&report, &answer);
        answer
    }

    /// The function's deadline, or that of API Gateway where it is earlier: who waits gets what is done by then, and what is
    /// left. The time of the request counts, since a function that starts with it has used up some of it.
    fn before_the_gateway_gives_up(&self, payload: &Value, deadline: Option<Deadline>) -> Deadline {
        let end = Instant::now() + API_GATEWAY.saturating_sub(age(&payload["requestContext"], SystemTime::now()));
        let gateway = Deadline::ahead_of(end, self.margin.min(API_GATEWAY / 3));
        deadline.map_or(gateway, |deadline| deadline.no_later_than(end, API_GATEWAY, self.margin))
    }

    async fn health(&self, caller: &Caller, deep: bool, deadline: Option<Deadline>) -> Answer {
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
        let targets: Vec<Target> = targets.iter().map(Target::newest).collect();
        let targets = targets.as_slice();
        // Before anything is read: without a server every object would fail, each after all of its retries.
        if let Err(error) = self.sink.reach(deadline.map(|deadline| deadline.end)).await {
            return (Report::failed(Failure::new(sink_failure_kind(&error), &error)), vec![0..0; targets.len()]);
        }
        let loading = Loading::new(&self.loader, &self.sink, deadline, self.concurrency).of(self.allowed.as_ref());
        let mut objects: Vec<ObjectReport> = Vec::with_capacity(targets.len());
        let mut places: HashMap<&Target, Range<usize>> = HashMap::new();
        let mut ranges = Vec::with_capacity(targets.len());
        for (target, reports) in targets.iter().zip(loading.run(targets).await) {
            let start = objects.len();
            objects.extend(reports);
            ranges.push(places.entry(target).or_insert(start..objects.len()).clone());
        }
        let writing = self.sink.writing(&self.write);
        (Report { objects, skipped: loading.skipped(), writing, ..Report::default() }, ranges)
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
        Report { items: items.collect(), skipped: skipped + report.skipped, ..report }
    }

    /// Compares objects with the database. A difference is no failure: the answer reports it.
    async fn verified(&self, caller: &Caller, asked: &Verify, deadline: Option<Deadline>) -> Answer {
        let verified = verifying::verify(&self.loader, &self.config, asked, self.allowed.as_ref(), deadline).await;
        match verified {
            Ok(found) => answer_summary(caller, &found),
            Err(failure) => {
                let report = Report::failed(failure);
                let answer = answer(caller, &report);
                log::event(&report, &answer);
                answer
            }
        }
    }

    /// Sums up the report of a backfill.
    async fn summarized(&self, caller: &Caller, asked: &Summarize, deadline: Option<Deadline>) -> Answer {
        let allowed = [&asked.manifest, &asked.plan]
            .into_iter()
            .try_for_each(|key| NotAllowed::check(self.allowed.as_ref(), &asked.bucket, key));
        let failure = match allowed {
            Err(error) => Failure::new(FailureKind::NotAllowed, &error),
            Ok(()) => match summary::summarize(asked, deadline).await {
                Ok(summary) => return answer_summary(caller, &json!(summary)),
                Err(error) => Failure::new(FailureKind::Source, &error),
            },
        };
        let report = Report::failed(failure);
        let answer = answer(caller, &report);
        log::event(&report, &answer);
        answer
    }
}

/// How long ago a request came, by its context; nothing where that cannot be, as for a request that was written down.
fn age(context: &Value, now: SystemTime) -> Duration {
    let came = context["timeEpoch"].as_u64().or_else(|| context["requestTimeEpoch"].as_u64());
    let came = came.and_then(|came| SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(came)));
    let age = came.and_then(|came| now.duration_since(came).ok());
    age.filter(|age| *age < API_GATEWAY).unwrap_or_default()
}

fn kind(error: &EventError) -> FailureKind {
    match error {
        EventError::TooLarge { .. } => FailureKind::TooLarge,
        EventError::Broken { broken, .. } if matches!(broken.problem, Problem::Method(_)) => FailureKind::Method,
        EventError::NotJson(_) | EventError::Unknown | EventError::Broken { .. } => FailureKind::BadEvent,
    }
}
