//! One chunk: what is sent of it together, and which of its rows is to blame where the server does not take it.

mod lines;
mod portions;
mod quotes;
mod salvage;
mod same_points;
mod search;
mod size_limit;

use std::time::Instant;

use reqwest::{Method, Url};

pub(super) use size_limit::SizeLimit;

use super::engines::{self, Endpoint};
use super::http::{self, Body, Courier, Request, Sent, Tolerance};
use crate::sink::delivery::Delivery;
use crate::sink::error::SinkError;
use crate::sink::parcel::Parcel;
use lines::Lines;
use salvage::Salvage;

/// How many times over an answer may quote the lines that it refuses, with a reason for each.
const ECHO: usize = 3;

/// The most that is read of an answer, however much it quotes.
const LONGEST_ANSWER: usize = 16 << 20;

/// Where chunks are written, and by what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Writer<'a> {
    pub(super) courier: &'a Courier,
    /// The server's own URL.
    pub(super) base: &'a Url,
    pub(super) endpoint: &'a Endpoint,
    pub(super) size_limit: &'a SizeLimit,
    /// Whether requests are compressed.
    pub(super) compresses: bool,
    pub(super) deadline: Option<Instant>,
}

impl Writer<'_> {
    /// Writes the points of a parcel.
    ///
    /// # Errors
    /// What keeps the whole chunk from being written.
    pub(super) async fn write(self, parcel: &Parcel) -> Result<Delivery, SinkError> {
        Salvage::new(self, parcel).run().await
    }

    /// Sends text as lines, whatever it is; of the answers, 204, 400 and 422 are no errors.
    ///
    /// # Errors
    /// What keeps the server from saying what it thinks of them.
    pub(super) async fn send_text(&self, text: Vec<u8>) -> Result<Sent, SinkError> {
        self.send(&Lines::new(text, self.compresses), Tolerance::Full).await
    }

    /// Waits until the server answers anything.
    async fn ping(&self) -> Result<(), SinkError> {
        engines::ping(self.courier, self.base, None, Tolerance::Full, self.deadline).await.map(drop)
    }

    /// What is wrong where the server takes rows and then refuses them.
    fn inconsistent(&self) -> SinkError {
        SinkError::Inconsistent { url: http::shown(&self.endpoint.url) }
    }

    async fn send(&self, lines: &Lines, tolerance: Tolerance) -> Result<Sent, SinkError> {
        let request = Request {
            method: Method::POST,
            url: self.endpoint.url.clone(),
            body: Some(Body {
                bytes: lines.body.clone(),
                inflated: lines.bytes,
                content_type: "text/plain; charset=utf-8",
                gzip: lines.compressed,
            }),
            answer_limit: (lines.bytes * ECHO + http::BODY_LIMIT).min(LONGEST_ANSWER),
            credentials: Some(&self.endpoint.credentials),
            tolerance,
            target: &self.endpoint.target,
            judge: self.endpoint.judge,
        };
        self.courier.send(&request, self.deadline).await
    }
}
