//! CloudWatch: metrics in the namespace `ONS/InfluxDB`, sent once an invocation.
//!
//! What is measured follows from the report alone ([`data`]). A load never fails for its metrics: what CloudWatch does
//! not take is logged as a warning, and nothing waits for it longer than [`PATIENCE`].

mod data;

use std::time::Duration;

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::types::{Dimension, MetricDatum, StandardUnit};
use tokio::sync::OnceCell;

pub use data::{Datum, Metric, Unit, data};

use crate::aws;
use crate::report::{Failure, FailureKind, Report};

/// The namespace of all metrics.
pub const NAMESPACE: &str = "ONS/InfluxDB";

/// The value of the dimension `Function`.
pub const FUNCTION: &str = "InfluxDBLoader";

/// The most that CloudWatch takes in one request.
const DATA_PER_REQUEST: usize = 1000;

/// The most values of one metric that CloudWatch takes in one datum.
const VALUES_PER_DATUM: usize = 150;

/// The most bytes of a request, before compression. CloudWatch takes 1 MB.
const BYTES_PER_REQUEST: usize = 900_000;

/// What a datum and each of its values take at most in a request, in whichever of its encodings the SDK sends it.
const BYTES_PER_DATUM: usize = 1024;
const BYTES_PER_VALUE: usize = 128;

/// How long all requests of an invocation may take together.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends metrics, or none where they are turned off.
#[derive(Debug)]
pub struct Metrics {
    client: Option<OnceCell<Client>>,
}

impl Metrics {
    /// A sender of metrics; one that sends nothing unless `enabled`.
    pub fn new(enabled: bool) -> Self {
        Self { client: enabled.then(OnceCell::new) }
    }

    /// Sends the metrics of an invocation. What goes wrong is logged.
    pub async fn send(&self, report: &Report) {
        let Some(client) = &self.client else { return };
        let data: Vec<MetricDatum> = data(report).iter().flat_map(cloudwatch).collect();
        if data.is_empty() {
            return;
        }
        let client = client.get_or_init(aws::cloudwatch).await;
        let sending = async {
            for request in requests(data) {
                let count = request.len();
                let sent = client.put_metric_data().namespace(NAMESPACE).set_metric_data(Some(request)).send().await;
                if let Err(error) = sent {
                    let failure = Failure::new(FailureKind::Unexpected, &error);
                    tracing::warn!("{count} metrics are not sent: {}", failure.message());
                }
            }
        };
        if tokio::time::timeout(PATIENCE, sending).await.is_err() {
            tracing::warn!("not all metrics are sent: CloudWatch takes longer than {} s", PATIENCE.as_secs());
        }
    }
}

/// A datum as CloudWatch takes it: equal values once, with their number, and no more values than it takes in one.
fn cloudwatch(datum: &Datum) -> Vec<MetricDatum> {
    let dimension = |name: &str, value: &str| Dimension::builder().name(name).value(value).build();
    let mut dimensions = vec![dimension("DatasetType", &datum.dataset), dimension("Function", FUNCTION)];
    dimensions.extend(datum.detail.as_ref().map(|(name, value)| dimension(name, value)));
    let unit = match datum.metric.unit() {
        Unit::Count => StandardUnit::Count,
        Unit::Seconds => StandardUnit::Seconds,
        Unit::Percent => StandardUnit::Percent,
    };
    let mut values = datum.values.clone();
    values.sort_by(f64::total_cmp);
    let counted: Vec<&[f64]> = values.chunk_by(|left, right| left == right).collect();
    counted
        .chunks(VALUES_PER_DATUM)
        .map(|counted| {
            MetricDatum::builder()
                .metric_name(datum.metric.name())
                .unit(unit.clone())
                .set_dimensions(Some(dimensions.clone()))
                .set_values(Some(counted.iter().map(|equal| equal[0]).collect()))
                .set_counts(Some(counted.iter().map(|equal| equal.len() as f64).collect()))
                .build()
        })
        .collect()
}

/// Parts `data` into requests of the size that CloudWatch takes.
fn requests(data: Vec<MetricDatum>) -> Vec<Vec<MetricDatum>> {
    let mut requests: Vec<Vec<MetricDatum>> = Vec::new();
    let mut bytes = 0;
    for datum in data {
        let size = BYTES_PER_DATUM + BYTES_PER_VALUE * datum.values().len();
        match requests.last_mut() {
            Some(request) if request.len() < DATA_PER_REQUEST && bytes + size <= BYTES_PER_REQUEST => {
                bytes += size;
                request.push(datum);
            }
            Some(_) | None => {
                bytes = size;
                requests.push(vec![datum]);
            }
        }
    }
    requests
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use aws_sdk_cloudwatch::config::retry::RetryConfig;
    use aws_sdk_cloudwatch::config::{BehaviorVersion, Credentials, Region};

    use super::*;
    use crate::report::{Accounts, ObjectReport};
    use crate::sink::scripted_server::{Reply, ScriptedServer};

    fn metrics(server: &ScriptedServer) -> Metrics {
        let config = aws_sdk_cloudwatch::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("key", "secret", None, None, "test"))
            .retry_config(RetryConfig::disabled())
            .endpoint_url(&server.url)
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        Metrics { client: Some(OnceCell::new_with(Some(Client::from_conf(config)))) }
    }

    fn report(datasets: usize) -> Report {
        let object = |number: usize| ObjectReport {
            dataset: Some(format!("dataset-{number}")),
            accounts: Accounts { rows: 7, written: 7, points: 7, batches: 1, ..Accounts::default() },
            ..ObjectReport::default()
        };
        Report { objects: (0..datasets).map(object).collect(), ..Report::default() }
    }

    /// A datum with so many different values, each of them twice.
    fn datum(values: u32) -> Datum {
        let values: Vec<f64> = (0..values).map(f64::from).collect();
        Datum { metric: Metric::PointsWritten, dataset: "d".to_owned(), detail: None, values: values.repeat(2) }
    }

    #[tokio::test]
    async fn every_metric_arrives() {
        let server = ScriptedServer::replying([Reply::status(200)]).await;
        metrics(&server).send(&report(1)).await;
        let received = server.received();
        assert_eq!(received.len(), 1);
        // CBOR holds text as it is.
        let body = String::from_utf8_lossy(&received[0].body);
        for word in [NAMESPACE, "DatasetType", "dataset-0", "Function", FUNCTION] {
            assert!(body.contains(word), "{word} is not in {body}");
        }
        for datum in data(&report(1)) {
            assert!(body.contains(datum.metric.name()), "{datum} is not in {body}");
        }
    }

    #[tokio::test]
    async fn metrics_that_are_turned_off_or_of_nothing_are_not_sent() {
        let server = ScriptedServer::replying([Reply::status(200)]).await;
        metrics(&server).send(&Report::default()).await;
        Metrics::new(false).send(&report(1)).await;
        assert_eq!(server.received().len(), 0);
    }

    #[tokio::test]
    async fn a_request_that_fails_keeps_no_other_from_being_sent() {
        let server = ScriptedServer::replying([Reply::status(400)]).await;
        metrics(&server).send(&report(400)).await;
        assert_eq!(server.received().len(), 5);
    }

    #[test]
    fn equal_values_are_sent_once_with_their_number() {
        let data = cloudwatch(&datum(3));
        assert_eq!(data.len(), 1);
        assert_eq!(data[0].values(), [0.0, 1.0, 2.0]);
        assert_eq!(data[0].counts(), [2.0, 2.0, 2.0]);
    }

    #[test]
    fn no_datum_and_no_request_is_larger_than_cloudwatch_takes() {
        let data: Vec<MetricDatum> = (0..1500).flat_map(|number| cloudwatch(&datum(number % 400 + 1))).collect();
        assert!(data.iter().all(|datum| datum.values().len() <= 150));
        let (count, values): (usize, usize) = (data.len(), data.iter().map(|datum| datum.values().len()).sum());
        let requests = requests(data);
        assert!(requests.len() > 2);
        assert!(requests.iter().all(|request| request.len() <= 1000));
        assert_eq!(requests.iter().map(Vec::len).sum::<usize>(), count);
        assert_eq!(requests.iter().flatten().map(|datum| datum.values().len()).sum::<usize>(), values);
    }
}
