//! A question to the server. Bounded: by the bytes that are read of its answer, and by a deadline.

use std::time::Instant;

use super::InfluxDb;
use super::engines::Query;
use super::http::{self, Exchange, Request, Tolerance};
use crate::sink::SinkError;

impl InfluxDb {
    /// Asks, as the one who reads. At most `bytes` of the answer are read: it is complete, or cut short.
    pub(super) async fn ask(
        &self,
        query: &Query,
        bytes: usize,
        tolerance: Tolerance,
        deadline: Option<Instant>,
    ) -> Result<Exchange, SinkError> {
        let endpoint = self.endpoint(deadline).await?;
        let request = Request {
            method: query.method.clone(),
            url: query.url.clone(),
            body: query.body.clone(),
            answer_limit: bytes,
            credentials: Some(endpoint.reader()),
            tolerance,
            target: &endpoint.target,
            judge: http::judge_query,
        };
        Ok(self.courier.send(&request, deadline).await?.exchange)
    }
}
