//! What the server reports about the bucket before the first point: how long it keeps points, and how long its shards are.
//!
//! ```text
//! unlimited retention   known for the life of the process: where it is shortened, the server refuses what is too old
//! limited retention     asked again after 10 s: an object that is loaded again after it was lengthened must not be rejected
//! not to be had         asked again after 5 min; logged once
//! ```
//!
//! Nobody has to be able to read the bucket: what is not known is left to the server.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::time::timeout;

use super::InfluxDb;
use super::engines::{Bucket, Endpoint};
use super::http::{self, Tolerance};
use crate::points::go_duration;
use crate::sink::SinkError;

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// For how long an answer is believed that may make rows be rejected.
const LIMITED_FOR: Duration = Duration::from_secs(10);

/// How long a server that has not answered is not asked.
const UNKNOWN_FOR: Duration = Duration::from_secs(300);

/// What is known of the bucket.
#[derive(Debug, Default)]
pub(super) struct Knowledge {
    /// Since when, and what.
    known: Mutex<Option<(Instant, Option<Bucket>)>>,
    /// Whether it was logged that the server does not answer.
    unanswered: AtomicBool,
    /// Whether it was logged that there are many shards.
    many_shards: AtomicBool,
}

/// Whether what was answered so long ago is still believed.
fn is_fresh(age: Duration, answer: Option<&Bucket>) -> bool {
    match answer {
        None => age < UNKNOWN_FOR,
        Some(Bucket { retention: Some(_), .. }) => age < LIMITED_FOR,
        Some(Bucket { retention: None, .. }) => true,
    }
}

/// Why nothing is known.
#[derive(Debug, thiserror::Error)]
enum Unknown {
    #[error(transparent)]
    Sink(#[from] SinkError),
    #[error("no answer within {} s", PATIENCE.as_secs())]
    TooLate,
    #[error("the answer does not name it: the token may not read it")]
    NotNamed,
}

impl InfluxDb {
    /// What the server reports about the bucket; none where it does not. Takes [`PATIENCE`] at most.
    ///
    /// # Errors
    /// What keeps the engine from being known.
    pub async fn bucket(&self, deadline: Option<Instant>) -> Result<Option<Bucket>, SinkError> {
        let endpoint = self.endpoint(deadline).await?;
        let mut known = self.knowledge.known.lock().await;
        if let Some((since, bucket)) = &*known
            && is_fresh(since.elapsed(), bucket.as_ref())
        {
            return Ok(bucket.clone());
        }
        let asked = timeout(PATIENCE, self.ask_bucket(endpoint, deadline)).await.unwrap_or(Err(Unknown::TooLate));
        let bucket = asked.inspect_err(|error| self.say_unanswered(endpoint, error)).ok();
        *known = Some((Instant::now(), bucket.clone()));
        Ok(bucket)
    }

    async fn ask_bucket(&self, endpoint: &Endpoint, deadline: Option<Instant>) -> Result<Bucket, Unknown> {
        let query = endpoint.engine.bucket_query(&self.url, &self.settings);
        let answer = self.ask(&query, http::BODY_LIMIT, Tolerance::Nothing, deadline).await?;
        let answer = serde_json::from_slice(&answer.body).unwrap_or_default();
        endpoint.engine.bucket(&answer, &self.settings).ok_or(Unknown::NotNamed)
    }

    fn say_unanswered(&self, endpoint: &Endpoint, error: &Unknown) {
        if !self.knowledge.unanswered.swap(true, Ordering::Relaxed) {
            let target = &endpoint.target;
            tracing::info!("the retention and the shards of {target} are not known, which is no problem: {error}");
        }
    }

    /// Logs, once a process, that an object has points in many shards, where they can be longer.
    pub(in crate::sink) fn say_many_shards(&self, bucket: &Bucket, many: usize) {
        let Some((shard, command)) = bucket.shard.zip(bucket.lengthening()) else { return };
        if !self.knowledge.many_shards.swap(true, Ordering::Relaxed) {
            let shard = go_duration::of(shard);
            tracing::warn!(
                "the object has points in more than {many} shards of {shard}, each of which costs InfluxDB open files, memory \
                 and time\nhint: before a backfill, make those longer that are yet to be made: `{command}`"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_by_which_rows_are_rejected_is_believed_for_seconds() {
        let seconds = Duration::from_secs;
        let bucket = |retention| Bucket { retention, shard: None, name: None, command: String::new() };
        let (limited, unlimited) = (bucket(Some(seconds(3600))), bucket(None));
        assert!(is_fresh(seconds(9), Some(&limited)) && !is_fresh(seconds(11), Some(&limited)));
        assert!(is_fresh(seconds(1_000_000), Some(&unlimited)));
        assert!(is_fresh(seconds(299), None) && !is_fresh(seconds(301), None));
    }
}
