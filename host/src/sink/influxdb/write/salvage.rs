//! Every row of a chunk gets where it belongs: into InfluxDB, or among the rejected ones with the server's reason.
//!
//! [`search`](super::search) decides what is sent next, and [`engines`] what an answer means: here it is sent.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use tokio::time::{sleep, sleep_until};

use super::lines::Lines;
use super::portions::{ChunkRows, Rows};
use super::same_points::rows_replace_each_other;
use super::search::{Fate, Outcome, Portion, Purpose, Search, Step};
use super::size_limit::FLOOR;
use super::{Writer, quotes};
use crate::points::RejectedRow;
use crate::sink::delivery::Delivery;
use crate::sink::error::{Answer, SinkError, Tries};
use crate::sink::influxdb::engines::{self, Verdict};
use crate::sink::influxdb::http::{Sent, Tolerance};
use crate::sink::parcel::Parcel;

/// Retries after a broken connection: of a whole chunk, and of what is sent to find the row that breaks it.
const RETRIES_OF_CHUNKS: u32 = 2;
const RETRIES_OF_SUSPECTS: u32 = 1;

/// The first and the longest wait before it is tried again whether a server takes anything; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// A chunk on its way.
pub(super) struct Salvage<'a> {
    writer: Writer<'a>,
    parcel: &'a Parcel,
    rows: ChunkRows<'a>,
    search: Search,
    delivery: Delivery,
    /// What the last request that was not taken met.
    problem: Option<SinkError>,
}

impl<'a> Salvage<'a> {
    pub(super) fn new(writer: Writer<'a>, parcel: &'a Parcel) -> Self {
        let rows = ChunkRows::new(parcel.chunk());
        let search = Search::new(rows.len());
        Self { writer, parcel, rows, search, delivery: Delivery::default(), problem: None }
    }

    /// Delivers the chunk.
    pub(super) async fn run(mut self) -> Result<Delivery, SinkError> {
        let started = Instant::now();
        loop {
            match self.search.next() {
                Step::Send(portion) => {
                    let portion = self.cut_to_size(portion);
                    let outcome = self.send(&portion).await?;
                    if outcome != Outcome::Written {
                        self.search.is_parted(|| rows_replace_each_other(self.parcel.chunk()));
                    }
                    self.search.answered(portion, outcome, &self.rows);
                }
                // A server that is away, or that lets nobody in, breaks every connection.
                Step::Ping => {
                    if let Err(error) = self.writer.ping().await {
                        return Err(self.problem.unwrap_or(error));
                    }
                }
                Step::Done => break,
                Step::Fail => return Err(self.problem.unwrap_or_else(|| self.writer.inconsistent())),
            }
        }
        self.delivery.latency = started.elapsed();
        self.count();
        Ok(self.delivery)
    }

    async fn send(&mut self, portion: &Portion) -> Result<Outcome, SinkError> {
        let tolerance = match portion.purpose {
            Purpose::First => Tolerance::Breaks(RETRIES_OF_CHUNKS),
            Purpose::Control(0) | Purpose::Last => Tolerance::Full,
            Purpose::Control(in_vain) => {
                self.wait(in_vain).await;
                Tolerance::Full
            }
            Purpose::Search | Purpose::CountedAsWritten | Purpose::CountedAsRefused(_) | Purpose::Suspect => {
                Tolerance::Breaks(RETRIES_OF_SUSPECTS)
            }
        };
        let lines = self.lines(portion);
        let error = match self.writer.send(&lines, tolerance).await {
            Ok(sent) => {
                self.count_requests(sent.requests, sent.retries);
                return Ok(self.understood(portion, &sent, &lines));
            }
            Err(error) => error,
        };
        let outcome = match &error {
            SinkError::TooLarge { answer, .. } if lines.bytes >= FLOOR => {
                self.count_failed(answer.tries);
                Outcome::TooLarge { message: format!("the row's {} bytes are more than the server takes", lines.bytes) }
            }
            SinkError::ConnectionLost { tries, .. } | SinkError::Damaged(Answer { tries, .. }) => {
                self.count_failed(*tries);
                Outcome::Broke
            }
            _ => return Err(error),
        };
        self.problem = Some(error);
        Ok(outcome)
    }

    /// What the server has answered to a portion.
    fn understood(&mut self, portion: &Portion, sent: &Sent, lines: &Lines) -> Outcome {
        if sent.exchange.status == StatusCode::NO_CONTENT {
            if portion.was_too_large {
                self.writer.size_limit.learn(lines.bytes);
            }
            self.writer.size_limit.taken(lines.bytes);
            self.delivery.bytes_written += lines.body.len() as u64;
            return Outcome::Written;
        }
        let chunk = self.parcel.chunk();
        let texts: Vec<&[u8]> = portion
            .rows
            .iter()
            .flat_map(|row| self.rows.lines(*row).map(|line| chunk.text(line..line + 1)))
            .map(|line| line.strip_suffix(b"\n").unwrap_or(line))
            .collect();
        match engines::read(&sent.exchange.body, sent.exchange.complete, &texts) {
            Verdict::Named { lines: named, others_kept } => {
                // Lines are counted in the order of the portion's rows, so that both run along.
                let mut named = named.into_iter().peekable();
                let mut refused = Vec::new();
                let mut end = 0;
                for row in &portion.rows {
                    end += self.rows.points(*row);
                    let mut reason = None;
                    while let Some((_, found)) = named.next_if(|(line, _)| *line < end) {
                        reason.get_or_insert(found);
                    }
                    refused.extend(reason.map(|reason| (*row, reason)));
                }
                if others_kept && refused.len() < portion.rows.len() {
                    self.delivery.bytes_written += lines.body.len() as u64;
                }
                Outcome::Named { refused, others_kept }
            }
            Verdict::Dropped { count, reason, suspects } => Outcome::Dropped { points: count, reason, suspects },
            Verdict::Unknown { reason: message } => {
                let answer = sent.answer(&self.writer.endpoint.url);
                tracing::debug!("the points are refused: {answer}");
                let told = quotes::without_values(&answer.message, &texts);
                self.problem = Some(SinkError::Refused(Answer { message: told, ..answer }));
                Outcome::Refused { message }
            }
        }
    }

    /// As many rows of a portion, one at least, as the server is believed to take. The others come next.
    fn cut_to_size(&mut self, mut portion: Portion) -> Portion {
        let limit = self.writer.size_limit.get();
        let mut bytes = 0;
        let fitting = portion.rows.iter().take_while(|row| {
            bytes += self.rows.bytes(**row);
            bytes <= limit
        });
        let fitting = fitting.count().max(1);
        if portion.purpose == Purpose::First && fitting < portion.rows.len() {
            // What is cut here proves nothing new about the size, and a rest of one row least of all.
            portion.was_too_large = false;
            self.search.put_back(portion.rows.split_off(fitting), false);
        }
        portion
    }

    /// Waits longer each time, and no longer than there is time.
    async fn wait(&self, times: u32) {
        let wait = FIRST_WAIT.saturating_mul(1 << times.min(8)).min(LONGEST_WAIT);
        match self.writer.deadline {
            Some(deadline) if deadline < Instant::now() + wait => sleep_until(deadline.into()).await,
            Some(_) | None => sleep(wait).await,
        }
    }

    /// What became of the rows.
    fn count(&mut self) {
        for (row, fate) in self.search.fates().iter().enumerate() {
            match fate {
                Fate::Written => {
                    self.delivery.rows += 1;
                    self.delivery.points += self.rows.points(row) as u64;
                    self.delivery.line_protocol_bytes += self.rows.bytes(row) as u64;
                }
                Fate::Rejected(reason) => self.delivery.rejected.push(RejectedRow {
                    row: self.rows.number(row),
                    row_group: self.parcel.chunk().rows().row_group(self.rows.number(row)),
                    code: reason.refusal.code().to_owned(),
                    message: reason.message.clone(),
                }),
                // The search is done when there is none.
                Fate::Open => {}
            }
        }
    }

    fn count_requests(&mut self, requests: u32, retries: u32) {
        self.delivery.requests += u64::from(requests);
        self.delivery.retries += u64::from(retries);
    }

    fn count_failed(&mut self, tries: Tries) {
        self.count_requests(tries.attempts, tries.attempts.saturating_sub(1));
    }

    fn lines(&self, portion: &Portion) -> Lines {
        if portion.rows.len() == self.rows.len() && portion.rows.is_sorted() {
            return Lines::of(self.parcel);
        }
        let text = self.parcel.chunk().extract(portion.rows.iter().map(|row| self.rows.lines(*row)));
        Lines::new(text, self.writer.compresses)
    }
}
