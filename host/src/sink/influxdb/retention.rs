//! What 1.x keeps: it refuses points that are older without telling how old they may be.

use std::time::Instant;

use reqwest::Method;
use serde_json::Value;

use super::InfluxDb;
use super::endpoint;
use super::engine::Engine;
use super::exchange::{self, Request};

impl InfluxDb {
    /// The retention policy that points are written to, in words. None where the engine tells it with each point that it
    /// refuses, or where the user may not ask for it: this is asked once, for a message, and fails nothing.
    pub(in crate::sink) async fn retention(&self, deadline: Option<Instant>) -> Option<String> {
        let endpoint = self.endpoint(deadline).await.ok().filter(|endpoint| endpoint.engine == Engine::V1)?;
        let database = &self.settings.bucket;
        let mut url = endpoint::join(&self.url, &["query"]);
        let identifier = database.replace('\\', "\\\\").replace('"', "\\\"");
        url.query_pairs_mut().append_pair("q", &format!("SHOW RETENTION POLICIES ON \"{identifier}\""));
        let request = Request {
            method: Method::GET,
            url,
            body: None,
            answer_limit: exchange::BODY_LIMIT,
            credentials: Some(&endpoint.credentials),
            judge: exchange::judge_query,
        };
        let answer = self.send(&request, &endpoint.target, 0, deadline).await;
        let answer = answer.inspect_err(|error| tracing::debug!("the retention cannot be asked for: {error}")).ok()?;
        let (name, duration) = default_policy(&serde_json::from_slice(&answer.exchange.body).ok()?)?;
        Some(format!("the retention policy `{name}` of {} keeps {duration}", endpoint.target))
    }
}

/// The name and the duration of the policy that is written to where none is named.
fn default_policy(answer: &Value) -> Option<(String, String)> {
    let series = answer.pointer("/results/0/series/0")?;
    let place = |name: &str| series["columns"].as_array()?.iter().position(|column| column == name);
    let (name, duration, default) = (place("name")?, place("duration")?, place("default")?);
    let mut policies = series["values"].as_array()?.iter();
    let policy = policies.find(|policy| policy[default] == Value::Bool(true))?;
    Some((policy[name].as_str()?.to_owned(), policy[duration].as_str()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_policy_that_is_written_to_is_the_default_one() {
        let answer = json!({ "results": [{ "statement_id": 0, "series": [{
            "columns": ["name", "duration", "shardGroupDuration", "replicaN", "default"],
            "values": [["autogen", "0s", "168h0m0s", 1, false], ["short", "1h0m0s", "1h0m0s", 1, true]],
        }] }] });
        assert_eq!(default_policy(&answer), Some(("short".to_owned(), "1h0m0s".to_owned())));
        assert_eq!(default_policy(&json!({ "results": [{ "error": "database not found: \"d\"" }] })), None);
        assert_eq!(default_policy(&json!([])), None);
    }
}
