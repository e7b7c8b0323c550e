//! Metrics sent to CloudWatch.

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::types::{Dimension, MetricDatum, StandardUnit};
use tokio::sync::OnceCell;

use super::{Datum, NAMESPACE};
use crate::aws;
use crate::report::{Failure, FailureKind};

/// The most that CloudWatch takes in one request.
const DATA_PER_REQUEST: usize = 1000;

/// The most values of one metric that CloudWatch takes in one datum.
const VALUES_PER_DATUM: usize = 150;

/// The most bytes of a request, before compression. CloudWatch takes 1 MB.
const BYTES_PER_REQUEST: usize = 900_000;

/// What a datum and each of its values take at most in a request, in whichever of its encodings the SDK sends it.
const BYTES_PER_DATUM: usize = 1024;
const BYTES_PER_VALUE: usize = 128;

/// Sends `data`, in as few requests as it takes. What goes wrong is logged.
pub(super) async fn send(client: &OnceCell<Client>, data: &[Datum]) {
    let client = client.get_or_init(aws::cloudwatch).await;
    for request in requests(data.iter().flat_map(cloudwatch).collect()) {
        let count = request.len();
        let sent = client.put_metric_data().namespace(NAMESPACE).set_metric_data(Some(request)).send().await;
        if let Err(error) = sent {
            let failure = Failure::new(FailureKind::Unexpected, &error);
            tracing::warn!("{count} metrics are not sent: {}", failure.message());
        }
    }
}

/// A datum as CloudWatch takes it: no more values than it takes in one.
fn cloudwatch(datum: &Datum) -> Vec<MetricDatum> {
    let dimension = |(name, value): &(&str, String)| Dimension::builder().name(*name).value(value).build();
    let dimensions: Vec<Dimension> = datum.dimensions.iter().map(dimension).collect();
    let unit = StandardUnit::from(datum.metric.unit().name());
    datum
        .values
        .chunks(VALUES_PER_DATUM)
        .map(|values| {
            MetricDatum::builder()
                .metric_name(datum.metric.name())
                .unit(unit.clone())
                .set_dimensions(Some(dimensions.clone()))
                .set_values(Some(values.iter().map(|(value, _)| *value).collect()))
                .set_counts(Some(values.iter().map(|(_, times)| *times as f64).collect()))
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
    use super::*;
    use crate::metrics::Metric;

    /// A datum with so many different values, each of them twice.
    fn datum(values: u32) -> Datum {
        let values = (0..values).map(|value| (f64::from(value), 2)).collect();
        Datum { metric: Metric::PointsWritten, dimensions: vec![("DatasetType", "d".to_owned())], values }
    }

    #[test]
    fn equal_values_are_sent_once_with_their_number() {
        let data = cloudwatch(&datum(3));
        assert_eq!(data.len(), 1);
        assert_eq!(data[0].values(), [0.0, 1.0, 2.0]);
        assert_eq!(data[0].counts(), [2.0, 2.0, 2.0]);
    }

    #[test]
    fn every_unit_is_one_of_cloudwatch() {
        for metric in Metric::ALL {
            assert!(StandardUnit::values().contains(&metric.unit().name()), "{metric:?}");
        }
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
