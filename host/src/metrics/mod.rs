//! Metrics in the namespace `ONS/InfluxDB`, once an invocation: to CloudWatch, or as lines of its Embedded Metric Format.
//!
//! What is measured follows from the report and little else ([`data`]). Where the stack has a name, every value is sent a second
//! time with it ([`of_stack`]). A load never fails for its metrics: what is not
//! taken is logged as a warning, and nothing waits for CloudWatch longer than [`PATIENCE`], or than there is time.

mod cloudwatch;
mod data;
mod emf;
mod known;
mod metric;
mod stack;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use aws_sdk_cloudwatch::Client;
use tokio::sync::OnceCell;

pub use data::{Datum, Dimensions, Process, Values, data};
pub use known::Known;
pub use metric::{Metric, Unit};
pub use stack::{STACK, STACK_TOTALS, of_stack};

use crate::config::MetricsBackend;
use crate::report::Report;

/// The namespace of all metrics.
pub const NAMESPACE: &str = "ONS/InfluxDB";

/// The value of the dimension `Function`.
pub const FUNCTION: &str = "InfluxDBLoader";

/// How long all requests of an invocation may take together.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends metrics, or none where they are turned off.
#[derive(Debug)]
pub struct Metrics {
    backend: Backend,
    /// The stack, where its metrics have a dimension of their own.
    stack: Option<String>,
    /// How often the breaker had opened at the last report.
    openings: AtomicU64,
    /// Whether nothing has been sent yet.
    cold: AtomicBool,
    /// What dimensions may be.
    known: Mutex<Known>,
}

/// Where lines of the Embedded Metric Format go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// To standard output, as Lambda has them.
    Output,
    /// To standard error, where standard output is for an answer.
    Error,
}

#[derive(Debug)]
enum Backend {
    /// Its client is made at first use.
    CloudWatch(OnceCell<Client>),
    Emf(Lines),
    None,
}

impl Metrics {
    /// A sender of metrics; without any request.
    pub fn new(backend: MetricsBackend, stack: Option<String>, known: Known, lines: Lines) -> Self {
        let backend = match backend {
            MetricsBackend::CloudWatch => Backend::CloudWatch(OnceCell::new()),
            MetricsBackend::Emf => Backend::Emf(lines),
            MetricsBackend::None => Backend::None,
        };
        let (openings, cold) = (AtomicU64::new(0), AtomicBool::new(true));
        Self { backend, stack, openings, cold, known: Mutex::new(known) }
    }

    /// Sends the metrics of an invocation, and how often the breaker has opened in the life of the process, until a moment
    /// at most. What goes wrong is logged.
    pub async fn send(&self, report: &Report, breaker_openings: u64, until: Option<Instant>) {
        if matches!(self.backend, Backend::None) {
            return;
        }
        let data = self.values(report, self.process(breaker_openings));
        match &self.backend {
            Backend::CloudWatch(client) if !data.is_empty() => {
                let left = until.map_or(PATIENCE, |until| until.saturating_duration_since(Instant::now()));
                if tokio::time::timeout(left.min(PATIENCE), cloudwatch::send(client, &data)).await.is_err() {
                    tracing::warn!("not all metrics are sent: CloudWatch takes longer than there is time");
                }
            }
            Backend::Emf(lines) => {
                let time = SystemTime::now();
                let written = match lines {
                    Lines::Output => emf::write(&data, time, io::stdout().lock()),
                    Lines::Error => emf::write(&data, time, io::stderr().lock()),
                };
                if let Err(error) = written {
                    tracing::warn!("not all metrics are written: {error}");
                }
            }
            Backend::CloudWatch(_) | Backend::None => {}
        }
    }

    /// What is sent: the values, and where the stack has a name, the same with it.
    fn values(&self, report: &Report, process: Process) -> Vec<Datum> {
        let mut data = data(report, process, &mut self.known.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(stack) = &self.stack {
            data.extend(of_stack(&data, stack));
        }
        data
    }

    /// What has happened to the process since it was asked last.
    fn process(&self, breaker_openings: u64) -> Process {
        let before = self.openings.swap(breaker_openings, Ordering::Relaxed);
        Process {
            breaker_openings: breaker_openings.saturating_sub(before),
            cold_start: self.cold.swap(false, Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use aws_sdk_cloudwatch::Client;
    use aws_sdk_cloudwatch::config::retry::RetryConfig;
    use aws_sdk_cloudwatch::config::{BehaviorVersion, Credentials, Region};

    use super::*;
    use crate::report::{Accounts, Failure, FailureKind, ObjectReport};
    use crate::sink::scripted_server::{Reply, ScriptedServer};

    fn known() -> Known {
        Known::datasets((0..400).map(|number| format!("dataset-{number}")))
    }

    fn sending(backend: MetricsBackend, stack: Option<&str>) -> Metrics {
        Metrics::new(backend, stack.map(str::to_owned), known(), Lines::Output)
    }

    fn metrics(server: &ScriptedServer) -> Metrics {
        let config = aws_sdk_cloudwatch::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("key", "secret", None, None, "test"))
            .retry_config(RetryConfig::disabled())
            .endpoint_url(&server.url)
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        let client = OnceCell::new_with(Some(Client::from_conf(config)));
        Metrics { backend: Backend::CloudWatch(client), ..sending(MetricsBackend::None, None) }
    }

    fn report(datasets: usize) -> Report {
        let object = |number: usize| ObjectReport {
            dataset: Some(format!("dataset-{number}")),
            accounts: Accounts { rows: 7, written: 7, points: 7, batches: 1, ..Accounts::default() },
            ..ObjectReport::default()
        };
        Report { objects: (0..datasets).map(object).collect(), ..Report::default() }
    }

    #[test]
    fn the_reference_of_the_metrics_names_each_with_its_unit() {
        let text = include_str!("../../../docs/reference/metrics.md");
        for metric in Metric::ALL {
            let named = |line: &&str| {
                line.split('|').nth(1).is_some_and(|it| it.split(',').any(|it| it.trim() == metric.name()))
            };
            let row = text.lines().find(named).unwrap_or_default();
            assert!(row.contains(&format!("| {} |", metric.unit().name())), "{}: {row}", metric.name());
        }
    }

    #[tokio::test]
    async fn every_metric_arrives() {
        let server = ScriptedServer::replying([Reply::status(200)]).await;
        metrics(&server).send(&report(1), 0, None).await;
        let received = server.received();
        assert_eq!(received.len(), 1);
        // CBOR holds text as it is.
        let body = String::from_utf8_lossy(&received[0].body);
        for word in [NAMESPACE, "DatasetType", "dataset-0", "Function", FUNCTION] {
            assert!(body.contains(word), "{word} is not in {body}");
        }
        for datum in data(&report(1), Process { breaker_openings: 0, cold_start: true }, &mut known()) {
            assert!(body.contains(datum.metric.name()), "{datum} is not in {body}");
        }
    }

    /// What the loader before this one sends, whose dashboards and alarms keep working.
    const OLD: [(Metric, &[&str], &str); 8] = [
        (Metric::PointsWritten, &["DatasetType", "Function"], "PointsWritten Count"),
        (Metric::BatchesProcessed, &["DatasetType", "Function"], "BatchesProcessed Count"),
        (Metric::ProcessingTime, &["DatasetType", "Function"], "ProcessingTime Seconds"),
        (Metric::SourceRecords, &["DatasetType", "Function"], "SourceRecords Count"),
        (Metric::ConversionRate, &["DatasetType", "Function"], "ConversionRate Percent"),
        (Metric::BatchSuccessRate, &["DatasetType", "Function"], "BatchSuccessRate Percent"),
        (Metric::FailedBatches, &["DatasetType", "Function"], "FailedBatches Count"),
        (Metric::ProcessingErrors, &["DatasetType", "ErrorType", "Function"], "ProcessingErrors Count"),
    ];

    #[test]
    fn the_old_metrics_are_sent_unchanged_beside_those_of_the_stack() {
        let mut failing = report(1);
        failing.objects[0].failure = Some(Failure::new(FailureKind::Write, &std::io::Error::other("it failed")));
        let sender = sending(MetricsBackend::Emf, Some("staging"));
        let sent = sender.values(&failing, Process::default());
        for (metric, dimensions, shown) in OLD {
            let of = |stack: bool| {
                sent.iter().filter(move |datum| {
                    let named = datum.dimensions.iter().any(|(name, _)| *name == STACK);
                    datum.metric == metric && named == stack
                })
            };
            let old: Vec<&Datum> = of(false).collect();
            assert_eq!(old.len(), 1, "{shown}");
            let names: Vec<&str> = old[0].dimensions.iter().map(|(name, _)| *name).collect();
            assert_eq!(
                (names.as_slice(), format!("{} {}", metric.name(), metric.unit().name())),
                (dimensions, shown.to_owned())
            );
            assert!(of(true).any(|datum| datum.values == old[0].values), "{shown} of the stack");
        }
        let alone = sending(MetricsBackend::Emf, None).values(&failing, Process::default());
        assert_eq!(alone, sent[..alone.len()]);
    }

    #[tokio::test]
    async fn metrics_that_are_turned_off_or_of_nothing_are_not_sent() {
        let server = ScriptedServer::replying([Reply::status(200)]).await;
        metrics(&server).send(&Report::default(), 0, None).await;
        sending(MetricsBackend::None, None).send(&report(1), 0, None).await;
        assert_eq!(server.received().len(), 0);
    }

    #[tokio::test]
    async fn a_request_that_fails_keeps_no_other_from_being_sent() {
        let server = ScriptedServer::replying([Reply::status(400)]).await;
        metrics(&server).send(&report(400), 0, None).await;
        assert_eq!(server.received().len(), 9);
    }

    #[tokio::test]
    async fn nothing_is_waited_for_longer_than_there_is_time() {
        let server = ScriptedServer::replying([Reply::Silence]).await;
        let started = Instant::now();
        metrics(&server).send(&report(1), 0, Some(started + Duration::from_millis(50))).await;
        metrics(&server).send(&report(1), 0, Some(started)).await;
        assert!(started.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn the_process_is_told_of_once() {
        let metrics = sending(MetricsBackend::Emf, None);
        assert_eq!(metrics.process(3), Process { breaker_openings: 3, cold_start: true });
        assert_eq!(metrics.process(3), Process { breaker_openings: 0, cold_start: false });
        assert_eq!(metrics.process(5), Process { breaker_openings: 2, cold_start: false });
    }
}
