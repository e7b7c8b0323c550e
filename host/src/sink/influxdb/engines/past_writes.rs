//! How quickly a server has taken points since it was started, by its own statistics.

use reqwest::{Method, Url};
use serde_json::Value;

use super::Query;
use crate::sink::influxdb::http;

/// Requests of fewer points cost a server little else than the request: what they took does not show what a load takes.
const LARGE: f64 = 1_000.0;

/// What a server has taken since it was started.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PastWrites {
    /// Points that were written.
    pub points: f64,
    /// Requests that wrote them.
    pub requests: f64,
    /// How long these took the server, one after the other, in seconds.
    pub seconds: f64,
}

impl PastWrites {
    /// Points a second of one request in flight. None where requests were too small to show it.
    pub fn points_a_second(&self) -> Option<f64> {
        (self.points >= self.requests.max(1.0) * LARGE && self.seconds > 0.0).then(|| self.points / self.seconds)
    }

    /// By 1.x: `/debug/vars` (`services/httpd/service.go`, `Statistics`). There is one object for each address that it listens on.
    pub(super) fn of_variables(body: &[u8]) -> Option<Self> {
        let variables: serde_json::Map<String, Value> = serde_json::from_slice(body).ok()?;
        let of_service = variables.values().filter(|value| value["name"] == "httpd").map(|value| &value["values"]);
        of_service.fold(None, |sum: Option<Self>, values| {
            let (number, sum) = (|name: &str| values[name].as_f64(), sum.unwrap_or_default());
            Some(Self {
                points: sum.points + number("pointsWrittenOK")?,
                requests: sum.requests + number("writeReq")?,
                seconds: sum.seconds + number("writeReqDurationNs")? / 1e9,
            })
        })
    }

    /// By 2.x: `/metrics`, in the text format of Prometheus (`kit/prom/middleware.go`, `v1/coordinator/points_writer.go`).
    pub(super) fn of_metrics(body: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        let mut found = Self::default();
        for (name, labels, value) in text.lines().filter_map(sample) {
            // A quotation mark in a label is escaped: nobody's user agent passes for a path.
            let of_write = || {
                [r#"path="/api/v2/write""#, r#"path="/write""#].iter().any(|path| labels.contains(path))
                    && labels.contains(r#"status="2XX""#)
            };
            match name {
                "storage_writer_ok_points_sum" => found.points += value,
                "http_api_request_duration_seconds_count" if of_write() => found.requests += value,
                "http_api_request_duration_seconds_sum" if of_write() => found.seconds += value,
                _ => {}
            }
        }
        Some(found)
    }
}

/// A line of the text format: the name, the labels, and the value. None where it is something else.
fn sample(line: &str) -> Option<(&str, &str, f64)> {
    let (of, value) = line.rsplit_once(' ')?;
    let (name, labels) = of.split_once('{').unwrap_or((of, ""));
    Some((name, labels, value.parse().ok()?))
}

pub(super) fn variables_query(base: &Url) -> Query {
    Query { method: Method::GET, url: http::join(base, &["debug", "vars"]), body: None }
}

pub(super) fn metrics_query(base: &Url) -> Query {
    Query { method: Method::GET, url: http::join(base, &["metrics"]), body: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_requests_do_not_show_what_a_load_takes() {
        let rate = |points, requests, seconds| PastWrites { points, requests, seconds }.points_a_second();
        assert_eq!(rate(40_000.0, 10.0, 2.0), Some(20_000.0));
        for (points, requests, seconds) in
            [(9_999.0, 10.0, 1.0), (0.0, 0.0, 0.0), (1e6, 0.0, 0.0), (f64::NAN, 1.0, 1.0)]
        {
            assert_eq!(rate(points, requests, seconds), None, "{points} {requests} {seconds}");
        }
    }

    #[test]
    fn what_is_no_statistic_is_none() {
        for body in ["", "[]", "{}", "<html>", r#"{"httpd::8086":{"name":"httpd","values":{}}}"#] {
            assert_eq!(PastWrites::of_variables(body.as_bytes()), None, "{body}");
        }
        assert_eq!(PastWrites::of_metrics(b"\xff"), None);
        let escaped = r#"http_api_request_duration_seconds_sum{status="2XX",user_agent="path=\"/write\""} 3"#;
        for body in ["", "<html>", "name", "storage_writer_ok_points_sum much", escaped] {
            assert_eq!(PastWrites::of_metrics(body.as_bytes()), Some(PastWrites::default()), "{body}");
        }
    }
}
