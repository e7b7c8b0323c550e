//! What the server has: measurements, the types of their fields, their tags, and their series; and what it has taken until now.
//!
//! 1.x and 2.x keep a type of a field for each shard, so that a field may have several.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::timeout;

use super::InfluxDb;
use super::engines::{Engine, PastWrites, Query, ServerTable, Unreadable};
use super::http::Tolerance;
use crate::sink::SinkError;

/// How long the server may take for an answer: it looks into every shard.
const PATIENCE: Duration = Duration::from_secs(60);

/// The most that is read of an answer, in bytes.
const ANSWER_BYTES: usize = 64 << 20;

/// Why nothing is known of measurements.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// The server does not answer, or refuses.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// It answers with a reason.
    #[error("{0}")]
    Answered(String),
    /// It takes too long.
    #[error("no answer within {} s", PATIENCE.as_secs())]
    TooLate,
}

impl From<Unreadable> for SchemaError {
    fn from(Unreadable(reason): Unreadable) -> Self {
        Self::Answered(crate::sink::error::clean(&reason))
    }
}

impl InfluxDb {
    /// What the server has of these measurements, by name. One that does not exist is not in the answer.
    ///
    /// # Errors
    /// What keeps it from being known; never for want of measurements.
    pub async fn schema(&self, measurements: &[String]) -> Result<BTreeMap<String, ServerTable>, SchemaError> {
        let engine = self.engine(None).await?;
        let query = engine.schema_query(&self.url, &self.settings, measurements);
        let answer = match self.answer(query).await {
            // A database of 3 is made with its first point.
            Err(SchemaError::Sink(SinkError::NotFound { .. })) if engine == Engine::V3 => return Ok(BTreeMap::new()),
            answer => answer?,
        };
        Ok(engine.schema(&answer)?)
    }

    /// The keys of the series that the server has of a measurement, as they are written, `most` at most. None where the engine
    /// knows no series.
    ///
    /// # Errors
    /// As [`Self::schema`].
    pub async fn series(&self, measurement: &str, most: usize) -> Result<Option<Vec<String>>, SchemaError> {
        let engine = self.engine(None).await?;
        let Some(query) = engine.series_query(&self.url, &self.settings, measurement, most) else { return Ok(None) };
        Ok(Some(engine.series(&self.answer(query).await?)?))
    }

    /// What the server has taken since it was started. None where it does not report that.
    ///
    /// # Errors
    /// As [`Self::schema`].
    pub async fn past_writes(&self) -> Result<Option<PastWrites>, SchemaError> {
        let engine = self.engine(None).await?;
        let Some(query) = engine.past_writes_query(&self.url) else { return Ok(None) };
        Ok(engine.past_writes(&self.answer(query).await?))
    }

    async fn answer(&self, query: Query) -> Result<Vec<u8>, SchemaError> {
        let asked = timeout(PATIENCE, self.ask(&query, ANSWER_BYTES, Tolerance::Brief, None)).await;
        let answer = asked.map_err(|_| SchemaError::TooLate)??;
        if !answer.complete {
            return Err(SchemaError::Answered("the answer is too large".to_owned()));
        }
        Ok(answer.body)
    }
}
