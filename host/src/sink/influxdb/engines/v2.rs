//! InfluxDB 2.x, Timestream for InfluxDB 2.7 among them.
//!
//! `POST /api/v2/write?org&bucket&precision`. A line that does not parse keeps all lines of its request out.

use std::time::Duration;

use reqwest::{Method, Url};
use serde_json::Value;

use super::{Bucket, Endpoint, Engine, Profile, Query, is_damaged};
use crate::config::{InfluxDbSettings, Token};
use crate::sink::influxdb::http::{self, Body, Credentials, Exchange, Failure, Scheme};

/// Its message, with 500, about bytes that were lost on the way (`http/points/points_parser.go`).
const DAMAGED: [&str; 2] = ["unable to read data: unexpected EOF", "unable to read data: gzip: invalid"];

/// Each request costs it an entry of the log, and waiting for the disk, for each shard: of points in its order, 2.7.12 takes requests
/// of 4,000 as quickly as larger ones, which take more memory here.
pub(super) const PROFILE: Profile =
    Profile { points: 4_000, bytes: 5 << 20, most_bytes: 50 << 20, first_requests: 4, requests: 4, shards: true };

/// Where points go.
pub(super) fn endpoint(base: &Url, settings: &InfluxDbSettings) -> Endpoint {
    let InfluxDbSettings { organization, bucket, .. } = settings;
    let mut url = http::join(base, &["api", "v2", "write"]);
    url.query_pairs_mut().append_pair("org", organization).append_pair("bucket", bucket).append_pair("precision", "ns");
    let token = |token: &Token| Credentials::token(token.clone(), Scheme::Token);
    Endpoint {
        engine: Engine::V2,
        url,
        target: format!("bucket `{bucket}` of organization `{organization}`"),
        credentials: settings.token.as_ref().map_or_else(Credentials::nobody, token),
        reader: settings.read_token.as_ref().map(token),
        judge,
    }
}

fn judge(exchange: Exchange) -> Result<Exchange, Failure> {
    match exchange.status.as_u16() {
        500 if is_damaged(&exchange, &DAMAGED) => Err(exchange.damaged()),
        _ => http::judge_write(exchange),
    }
}

pub(super) fn query(base: &Url, settings: &InfluxDbSettings, measurement: &str, time: u128) -> Query {
    let mut url = http::join(base, &["api", "v2", "query"]);
    url.query_pairs_mut().append_pair("org", &settings.organization);
    let bucket = settings.bucket.replace('\\', "\\\\").replace('"', "\\\"").replace("${", "\\${");
    let query = format!(
        "from(bucket: \"{bucket}\") |> range(start: time(v: {time}), stop: time(v: {})) |> \
         filter(fn: (r) => r._measurement == \"{measurement}\")",
        time + 1
    );
    let body = Body::text(query, "application/vnd.flux");
    Query { method: Method::POST, url, body: Some(body) }
}

/// It answers with CSV.
pub(super) fn holds_point(body: &[u8], measurement: &str) -> bool {
    String::from_utf8_lossy(body).lines().any(|line| line.contains(measurement))
}

/// A token that may not read the bucket gets an empty list.
pub(super) fn bucket_query(base: &Url, settings: &InfluxDbSettings) -> Query {
    let mut url = http::join(base, &["api", "v2", "buckets"]);
    url.query_pairs_mut().append_pair("org", &settings.organization).append_pair("name", &settings.bucket);
    Query { method: Method::GET, url, body: None }
}

pub(super) fn bucket(answer: &Value, settings: &InfluxDbSettings) -> Option<Bucket> {
    let bucket = answer["buckets"].as_array()?.iter().find(|bucket| bucket["name"] == settings.bucket)?;
    let id = bucket["id"].as_str()?;
    // A bucket without rules keeps points forever.
    let rule = bucket["retentionRules"].as_array()?.first();
    let seconds = |name: &str| rule.and_then(|rule| rule[name].as_u64()).filter(|seconds| *seconds > 0);
    Some(Bucket {
        retention: seconds("everySeconds").map(Duration::from_secs),
        shard: seconds("shardGroupDurationSeconds").map(Duration::from_secs),
        name: None,
        command: format!("influx bucket update --id {id} --shard-group-duration"),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_bucket_is_found_by_its_name() {
        let settings = InfluxDbSettings { bucket: "b".to_owned(), ..InfluxDbSettings::default() };
        let named = |name: &str, seconds: u64| {
            let rule = json!({ "type": "expire", "everySeconds": seconds, "shardGroupDurationSeconds": 86_400 });
            json!({ "id": "842b", "name": name, "retentionRules": [rule] })
        };
        let found = bucket(&json!({ "buckets": [named("a", 1), named("b", 3600)] }), &settings);
        let found = found.unwrap_or_else(|| unreachable!());
        assert_eq!(
            (found.retention, found.shard),
            (Some(Duration::from_secs(3600)), Some(Duration::from_secs(86_400)))
        );
        assert_eq!(found.command, "influx bucket update --id 842b --shard-group-duration");
        let unlimited = bucket(&json!({ "buckets": [named("b", 0)] }), &settings);
        assert_eq!(unlimited.map(|bucket| bucket.retention), Some(None));
        for answer in [json!({ "buckets": [] }), json!({ "buckets": [named("a", 1)] }), json!(null)] {
            assert_eq!(bucket(&answer, &settings), None);
        }
    }
}
