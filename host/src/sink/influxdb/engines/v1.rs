//! InfluxDB 1.x, and what speaks its protocol: VictoriaMetrics and others.
//!
//! `POST /write?db&rp&precision`. Lines of one request stand for themselves: a refused one keeps none of the others out.
//! VictoriaMetrics refuses none: it answers 204 whatever the lines are, and counts those that it drops in its own metrics.

use reqwest::{Method, Url};
use serde_json::Value;

use super::{Bucket, Endpoint, Engine, Profile, Query, is_damaged};
use crate::config::{InfluxDbSettings, Token};
use crate::points::go_duration;
use crate::sink::influxdb::http::{self, Credentials, Exchange, Failure, Scheme};

/// Its message about bytes that were lost on the way (`services/httpd/handler.go`, by `compress/gzip`).
const DAMAGED: [&str; 3] = ["unexpected EOF", "gzip: invalid header", "gzip: invalid checksum"];

/// Each request costs it an entry of the log for each shard, and looking up each of its series: of points in its order, 1.6.7 takes
/// requests of 4,000 as quickly as larger ones, which take more memory here.
pub(super) const PROFILE: Profile =
    Profile { points: 4_000, bytes: 5 << 20, most_bytes: 25_000_000, first_requests: 4, requests: 4, shards: true };

/// Where points go: the bucket of the settings is the database, or the database and its retention policy, as in
/// `energy/autogen`.
pub(super) fn endpoint(base: &Url, settings: &InfluxDbSettings) -> Endpoint {
    let (database, policy) = place(settings);
    let mut url = http::join(base, &["write"]);
    url.query_pairs_mut().append_pair("db", database).append_pair("precision", "ns");
    if let Some(policy) = policy {
        url.query_pairs_mut().append_pair("rp", policy);
    }
    let token = |token: &Token| Credentials::token(token.clone(), Scheme::TokenOrLogin);
    Endpoint {
        engine: Engine::V1,
        url,
        target: match policy {
            Some(policy) => format!("retention policy `{policy}` of database `{database}`"),
            None => format!("database `{database}`"),
        },
        credentials: match (&settings.login, &settings.token) {
            (Some(login), _) => Credentials::login(login.clone()),
            (None, Some(writer)) => token(writer),
            (None, None) => Credentials::nobody(),
        },
        reader: settings.read_token.as_ref().map(token),
        judge,
    }
}

/// The database, and the retention policy where one is named.
pub(super) fn place(settings: &InfluxDbSettings) -> (&str, Option<&str>) {
    match settings.bucket.split_once('/') {
        Some((database, policy)) if !policy.is_empty() => (database, Some(policy)),
        Some((database, _)) => (database, None),
        None => (&settings.bucket, None),
    }
}

fn judge(exchange: Exchange) -> Result<Exchange, Failure> {
    match exchange.status.as_u16() {
        400 if is_damaged(&exchange, &DAMAGED) => Err(exchange.damaged()),
        _ => http::judge_write(exchange),
    }
}

pub(super) fn query(base: &Url, settings: &InfluxDbSettings, measurement: &str, time: u128) -> Query {
    let (database, policy) = place(settings);
    let mut url = http::join(base, &["query"]);
    let query = format!("SELECT value FROM {measurement} WHERE time = {time}");
    url.query_pairs_mut().append_pair("db", database).append_pair("epoch", "ns").append_pair("q", &query);
    if let Some(policy) = policy {
        url.query_pairs_mut().append_pair("rp", policy);
    }
    Query { method: Method::GET, url, body: None }
}

pub(super) fn holds_point(body: &[u8]) -> bool {
    serde_json::from_slice::<Value>(body).is_ok_and(|json| json.pointer("/results/0/series/0/values/0").is_some())
}

pub(super) fn bucket_query(base: &Url, settings: &InfluxDbSettings) -> Query {
    let mut url = http::join(base, &["query"]);
    url.query_pairs_mut().append_pair("q", &format!("SHOW RETENTION POLICIES ON {}", identifier(place(settings).0)));
    Query { method: Method::GET, url, body: None }
}

/// A name in InfluxQL.
pub(super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The description of the policy that is written to: the one that the settings name, else the default one.
pub(super) fn bucket(answer: &Value, settings: &InfluxDbSettings) -> Option<Bucket> {
    let (database, named) = place(settings);
    let series = answer.pointer("/results/0/series/0")?;
    let column = |name: &str| series["columns"].as_array()?.iter().position(|column| column == name);
    let (name, retention, default) = (column("name")?, column("duration")?, column("default")?);
    let shard = column("shardGroupDuration")?;
    let mut policies = series["values"].as_array()?.iter();
    let policy = policies.find(|policy| match named {
        Some(named) => policy[name] == named,
        None => policy[default] == Value::Bool(true),
    })?;
    let duration = |column: usize| go_duration::read(policy[column].as_str()?);
    let name = policy[name].as_str()?;
    Some(Bucket {
        retention: Some(duration(retention)?).filter(|retention| !retention.is_zero()),
        shard: Some(duration(shard)?),
        name: Some(format!("the retention policy `{name}`")),
        command: format!("ALTER RETENTION POLICY {} ON {} SHARD DURATION", identifier(name), identifier(database)),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn settings(bucket: &str) -> InfluxDbSettings {
        InfluxDbSettings { bucket: bucket.to_owned(), ..InfluxDbSettings::default() }
    }

    #[test]
    fn the_policy_that_is_written_to_is_the_named_or_the_default_one() {
        let answer = json!({ "results": [{ "statement_id": 0, "series": [{
            "columns": ["name", "duration", "shardGroupDuration", "replicaN", "default"],
            "values": [["autogen", "0s", "168h0m0s", 1, false], ["short", "1h0m0s", "1h0m0s", 1, true]],
        }] }] });
        let policy = |answer: &Value, name| bucket(answer, &settings(name));
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        let short = policy(&answer, "d\"").unwrap_or_else(|| unreachable!());
        assert_eq!((short.retention, short.shard), (Some(hours(1)), Some(hours(1))));
        assert_eq!(short.command, "ALTER RETENTION POLICY \"short\" ON \"d\\\"\" SHARD DURATION");
        let autogen = policy(&answer, "d/autogen").unwrap_or_else(|| unreachable!());
        assert_eq!((autogen.retention, autogen.shard), (None, Some(hours(168))));
        assert_eq!(policy(&answer, "d/other"), None);
        assert_eq!(policy(&json!({ "results": [{ "error": "database not found: \"d\"" }] }), "d"), None);
        assert_eq!(policy(&json!([]), "d"), None);
    }

    #[test]
    fn a_bucket_may_name_a_retention_policy_as_the_newer_api_of_1_8_has_it() {
        let url = |bucket: &str| {
            Url::parse("http://h").map(|base| endpoint(&base, &settings(bucket)).url.to_string()).unwrap_or_default()
        };
        assert_eq!(url("d"), "http://h/write?db=d&precision=ns");
        assert_eq!(url("d/"), "http://h/write?db=d&precision=ns");
        assert_eq!(url("d/one year"), "http://h/write?db=d&precision=ns&rp=one+year");
    }
}
