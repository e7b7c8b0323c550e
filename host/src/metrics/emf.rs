//! Metrics as lines of the Embedded Metric Format, which CloudWatch takes out of the log.
//!
//! Source: docs.aws.amazon.com, CloudWatch User Guide, "Specification: Embedded metric format". A line is one JSON object.
//! Its member `_aws` names the metrics and their dimensions; these are members of the same object, so that metrics share a
//! line only where they share all dimensions.

use std::io::{self, Write};
use std::time::SystemTime;

use serde::Serialize;
use serde_json::{Map, Number, Value, json};

use super::{Datum, NAMESPACE};

/// The most metrics of a line, and the most values of a metric in it.
const LIMIT: usize = 100;

/// The most values of a metric in an invocation. Values are written as often as they were measured; of more, so many are
/// chosen evenly, which keeps their percentiles.
const VALUES: usize = 1000;

/// The member `_aws` of a line.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive<'a> {
    namespace: &'a str,
    dimensions: [Vec<&'a str>; 1],
    metrics: Vec<Definition>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Definition {
    name: &'static str,
    unit: &'static str,
}

/// Writes `data`, measured at `time`.
pub(super) fn write(data: &[Datum], time: SystemTime, mut output: impl Write) -> io::Result<()> {
    let time = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
    let mut text = String::new();
    for alike in data.chunk_by(|left, right| left.dimensions == right.dimensions) {
        let values: Vec<(&Datum, Vec<f64>)> = alike.iter().map(|datum| (datum, spread(&datum.values))).collect();
        // A metric with more values than a line takes continues in the next one.
        let rounds = values.iter().map(|(_, values)| values.len().div_ceil(LIMIT)).max().unwrap_or(0);
        for round in 0..rounds {
            let chunk = |(datum, values): &(&Datum, Vec<f64>)| {
                let chunk = values.chunks(LIMIT).nth(round)?;
                Some((datum.metric, chunk.iter().copied().filter_map(Number::from_f64).collect::<Vec<_>>()))
            };
            for metrics in values.iter().filter_map(chunk).collect::<Vec<_>>().chunks(LIMIT) {
                let mut line = Map::new();
                let directive = Directive {
                    namespace: NAMESPACE,
                    dimensions: [alike[0].dimensions.iter().map(|(name, _)| *name).collect()],
                    metrics: metrics
                        .iter()
                        .map(|(metric, _)| Definition { name: metric.name(), unit: metric.unit().name() })
                        .collect(),
                };
                line.insert("_aws".to_owned(), json!({ "Timestamp": time, "CloudWatchMetrics": [directive] }));
                line.extend(alike[0].dimensions.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
                line.extend(metrics.iter().map(|(metric, values)| (metric.name().to_owned(), json!(values))));
                text.push_str(&Value::Object(line).to_string());
                text.push('\n');
            }
        }
    }
    // At once, so that no other line comes between.
    output.write_all(text.as_bytes())?;
    output.flush()
}

/// Each value as often as it was measured; of too many, some in their place.
fn spread(values: &[(f64, u64)]) -> Vec<f64> {
    let total: u64 = values.iter().map(|(_, times)| times).sum();
    let wanted = total.min(VALUES as u64);
    let mut spread = Vec::with_capacity(values.len());
    let mut before = 0;
    for (value, times) in values {
        // How many of the wanted ones lie below the end of these, if all are evenly far apart.
        let until = before + times;
        let below = |end: u64| u128::from(end) * u128::from(wanted) / u128::from(total);
        spread.extend((below(before)..below(until)).map(|_| *value));
        before = until;
    }
    spread
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

    use std::time::Duration;

    use super::*;
    use crate::metrics::{Known, Metric, Process};
    use crate::report::{Accounts, ConverterId, ObjectReport, Report};

    fn lines(data: &[Datum]) -> Vec<Value> {
        let mut output = Vec::new();
        write(data, SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000), &mut output).unwrap();
        let text = String::from_utf8(output).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'));
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        lines.iter().for_each(assert_specification);
        lines
    }

    /// Holds a line against the specification's schema and limits.
    #[track_caller]
    fn assert_specification(line: &Value) {
        let text = |value: &Value| !value.as_str().unwrap().trim().is_empty() && value.as_str().unwrap().len() <= 1024;
        assert!(line.to_string().len() <= 1_000_000, "a log event is longer");
        assert!(line["_aws"]["Timestamp"].is_u64());
        let directives = line["_aws"]["CloudWatchMetrics"].as_array().unwrap();
        assert!(!directives.is_empty());
        for directive in directives {
            assert!(text(&directive["Namespace"]));
            for set in directive["Dimensions"].as_array().unwrap() {
                let set = set.as_array().unwrap();
                assert!((1..=30).contains(&set.len()));
                for name in set {
                    assert!(name.as_str().unwrap().len() <= 250 && text(&line[name.as_str().unwrap()]), "{name}");
                }
            }
            let metrics = directive["Metrics"].as_array().unwrap();
            assert!((1..=100).contains(&metrics.len()));
            for metric in metrics {
                let values = line[metric["Name"].as_str().unwrap()].as_array().unwrap();
                assert!((1..=100).contains(&values.len()) && values.iter().all(Value::is_number), "{metric}");
                assert!(Metric::ALL.iter().any(|known| known.unit().name() == metric["Unit"]), "{metric}");
            }
        }
    }

    fn report() -> Report {
        let mut object = ObjectReport {
            dataset: Some("generation".to_owned()),
            converter: Some(ConverterId {
                name: "generation".to_owned(),
                version: "0.1.0".to_owned(),
                digest: "ab".repeat(32),
                parameters: None,
            }),
            accounts: Accounts { rows: 9, written: 7, filtered: 1, points: 7, batches: 1, ..Accounts::default() },
            ..ObjectReport::default()
        };
        object.accounts.reject("invalid-value", 1);
        Report { objects: vec![object], ..Report::default() }
    }

    #[test]
    fn metrics_with_the_same_dimensions_share_a_line() {
        let process = Process { breaker_openings: 1, cold_start: true };
        let lines = lines(&crate::metrics::data(&report(), process, &mut Known::default()));
        let shown: String = lines[1..].iter().map(|line| format!("{line}\n")).collect();
        insta::assert_snapshot!(shown, @r#"
        {"BatchSuccessRate":[100.0],"BatchesProcessed":[1.0],"BytesRead":[0.0],"BytesWritten":[0.0],"ConversionRate":[77.77777777777777],"ConvertTime":[0.0],"ConverterFallbacks":[0.0],"DatasetType":"generation","FailedBatches":[0.0],"Function":"InfluxDBLoader","ObjectsRejected":[0.0],"PointsWritten":[7.0],"ProcessingTime":[0.0],"Retries":[0.0],"RowsFiltered":[1.0],"RowsSuperseded":[0.0],"RowsWritten":[7.0],"SourceRecords":[9.0],"_aws":{"CloudWatchMetrics":[{"Dimensions":[["DatasetType","Function"]],"Metrics":[{"Name":"PointsWritten","Unit":"Count"},{"Name":"BatchesProcessed","Unit":"Count"},{"Name":"ProcessingTime","Unit":"Seconds"},{"Name":"SourceRecords","Unit":"Count"},{"Name":"ConversionRate","Unit":"Percent"},{"Name":"BatchSuccessRate","Unit":"Percent"},{"Name":"FailedBatches","Unit":"Count"},{"Name":"RowsWritten","Unit":"Count"},{"Name":"RowsFiltered","Unit":"Count"},{"Name":"RowsSuperseded","Unit":"Count"},{"Name":"Retries","Unit":"Count"},{"Name":"BytesRead","Unit":"Bytes"},{"Name":"BytesWritten","Unit":"Bytes"},{"Name":"ConvertTime","Unit":"Seconds"},{"Name":"ConverterFallbacks","Unit":"Count"},{"Name":"ObjectsRejected","Unit":"Count"}],"Namespace":"ONS/InfluxDB"}],"Timestamp":1700000000000}}
        {"ConverterVersion":[1.0],"DatasetType":"generation","Function":"InfluxDBLoader","Version":"0.1.0","_aws":{"CloudWatchMetrics":[{"Dimensions":[["DatasetType","Function","Version"]],"Metrics":[{"Name":"ConverterVersion","Unit":"Count"}],"Namespace":"ONS/InfluxDB"}],"Timestamp":1700000000000}}
        {"BreakerOpen":[1.0],"ColdStart":[1.0],"Function":"InfluxDBLoader","_aws":{"CloudWatchMetrics":[{"Dimensions":[["Function"]],"Metrics":[{"Name":"BreakerOpen","Unit":"Count"},{"Name":"ColdStart","Unit":"Count"}],"Namespace":"ONS/InfluxDB"}],"Timestamp":1700000000000}}
        "#);
        assert_eq!(lines[0]["Code"], "invalid-value");
    }

    #[test]
    fn many_values_take_many_lines() {
        let datum = |metric, times| Datum {
            metric,
            dimensions: vec![("Function", "f".to_owned())],
            values: (0..150_u32).map(|value| (f64::from(value), times)).collect(),
        };
        let count = |lines: &[Value], name: &str| -> usize {
            lines.iter().filter_map(|line| Some(line[name].as_array()?.len())).sum()
        };
        let some = lines(&[datum(Metric::PointsWritten, 1), datum(Metric::WriteLatency, 2)]);
        assert_eq!((some.len(), count(&some, "PointsWritten"), count(&some, "WriteLatency")), (3, 150, 300));
        let too_many = lines(&[datum(Metric::WriteLatency, 1_000_000)]);
        assert_eq!((too_many.len(), count(&too_many, "WriteLatency")), (10, 1000));
        assert_eq!(lines(&[]).len(), 0);
    }

    #[test]
    fn of_too_many_values_the_percentiles_are_kept() {
        let spread = spread(&[(1.0, 5_000_000), (2.0, 4_900_000), (3.0, 100_000)]);
        assert_eq!([spread[499], spread[500], spread[989], spread[990], spread[999]], [1.0, 2.0, 2.0, 3.0, 3.0]);
    }
}
