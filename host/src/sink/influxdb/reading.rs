//! What the server has of points: summed up by buckets of time, or one by one.
//!
//! Every question is bounded: by a range of time, by the bytes of its answer and by a deadline. Asking for too much is an error,
//! and asks for less.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::InfluxDb;
pub use super::engines::stored::{Column, Point, Summary, Value, Window, series_name};

use super::engines::{Query, Unreadable, Unusable};
use super::http::{self, Tolerance};
use crate::sink::SinkError;

/// How long the server may take for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The most that is read of an answer, in bytes.
const ANSWER_BYTES: usize = 2 << 20;

/// Why nothing is known of points.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The server does not answer, or refuses.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// It answers something else than what was asked.
    #[error(
        "`{url}` does not answer what it was asked: {reason}\nhint: check `INFLUXDB_URL`, and that the token may read the bucket"
    )]
    Unreadable {
        /// The server.
        url: String,
        /// What is wrong with the answer.
        reason: String,
    },
    /// It takes too long.
    #[error("`{url}` does not answer a question within {} s", PATIENCE.as_secs())]
    TooLate {
        /// The server.
        url: String,
    },
    /// The answer is larger than what is read of one, or the server has cut it short.
    #[error("the answer of `{url}` is larger than {ANSWER_BYTES} bytes, or cut short")]
    TooLarge {
        /// The server.
        url: String,
    },
}

impl InfluxDb {
    /// The measurements that the server has.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn measurements(&self, deadline: Option<Instant>) -> Result<Vec<String>, ReadError> {
        let engine = self.engine(deadline).await?;
        let answer = self.read_answer(engine.measurements_query(&self.url, &self.settings), deadline).await?;
        engine.measurements(&answer).map_err(|unusable| self.read_error(unusable))
    }

    /// Sums up fields of a measurement by buckets of so many seconds, from 1970 on: for each field, by the start of the bucket, those
    /// with points.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn summaries(
        &self,
        measurement: &str,
        columns: &[Column],
        window: Window,
        seconds: i64,
        deadline: Option<Instant>,
    ) -> Result<Vec<BTreeMap<i64, Summary>>, ReadError> {
        let engine = self.engine(deadline).await?;
        let query = engine.summaries_query(&self.url, &self.settings, measurement, columns, window, seconds);
        let answer = self.read_answer(query, deadline).await?;
        engine.summaries(&answer, columns).map_err(|unusable| self.read_error(unusable))
    }

    /// The first and the last time that a field has in a window, for each of several; none where it has no point.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn ends(
        &self,
        measurement: &str,
        asked: &[(&Column, Window)],
        deadline: Option<Instant>,
    ) -> Result<Vec<Option<(i64, i64)>>, ReadError> {
        let engine = self.engine(deadline).await?;
        let query = engine.ends_query(&self.url, &self.settings, measurement, asked);
        let answer = self.read_answer(query, deadline).await?;
        engine.ends(&answer, asked.len()).map_err(|unusable| self.read_error(unusable))
    }

    /// Calls `each` with every value of these fields in a window, in any order.
    ///
    /// # Errors
    /// See [`ReadError`]. After [`ReadError::TooLarge`] nothing was called.
    pub async fn points(
        &self,
        measurement: &str,
        columns: &[Column],
        window: Window,
        deadline: Option<Instant>,
        each: &mut (dyn FnMut(Point<'_>) + Send),
    ) -> Result<(), ReadError> {
        let engine = self.engine(deadline).await?;
        let query = engine.points_query(&self.url, &self.settings, measurement, columns, window);
        let answer = self.read_answer(query, deadline).await?;
        let mut outside = false;
        let mut within = |point: Point<'_>| match (window.from..window.to).contains(&point.time) {
            true => each(point),
            false => outside = true,
        };
        engine.points(&answer, columns, &mut within).map_err(|unusable| self.read_error(unusable))?;
        if outside {
            let reason = "a point outside of the range of time".to_owned();
            return Err(self.read_error(Unusable::Unreadable(Unreadable(reason))));
        }
        Ok(())
    }

    async fn read_answer(&self, query: Query, deadline: Option<Instant>) -> Result<Vec<u8>, ReadError> {
        let asked = timeout(PATIENCE, self.ask(&query, ANSWER_BYTES, Tolerance::Brief, deadline)).await;
        let answer = asked.map_err(|_| ReadError::TooLate { url: http::shown(&self.url) })??;
        if !answer.complete {
            return Err(ReadError::TooLarge { url: http::shown(&self.url) });
        }
        Ok(answer.body)
    }

    fn read_error(&self, unusable: Unusable) -> ReadError {
        let url = http::shown(&self.url);
        match unusable {
            Unusable::Partial => ReadError::TooLarge { url },
            Unusable::Unreadable(Unreadable(reason)) => {
                ReadError::Unreadable { url, reason: crate::sink::error::clean(&reason) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_named_alike_whatever_the_order_of_their_tags() {
        assert_eq!(series_name([("b", "2"), ("a", "x y"), ("c", "")]), "a=x y,b=2");
        assert_eq!(series_name([]), "");
        assert_ne!(series_name([("a", "1,b=2")]), series_name([("a", "1"), ("b", "2")]));
        assert_ne!(series_name([("a", "1\\")]), series_name([("a", "1\\\\")]));
        assert_ne!(series_name([("a", "\n")]), series_name([("a", "\\n")]));
    }

    #[test]
    fn floats_are_shown_so_that_they_differ_where_their_bits_do() {
        assert_ne!(Value::Float(0.1 + 0.2).to_string(), Value::Float(0.3).to_string());
        assert_ne!(Value::Float(0.0).to_string(), Value::Float(-0.0).to_string());
        assert_ne!(Value::Float(1.0).to_string(), Value::Integer(1).to_string());
    }
}
