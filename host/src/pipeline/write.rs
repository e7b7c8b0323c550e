//! The caller's task: hands chunks to the sink, and counts what becomes of every row.

use std::time::Instant;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;

use super::convert::{Counted, Packed, Step};
use super::row_groups::{self, RowGroups};
use super::{LoadError, Progress};
use crate::rejects::Keeper;
use crate::report::{ObjectReport, RejectedRow};
use crate::sink::{Delivery, Sink};

/// Where the points of one object go, and who is told.
pub(super) struct Writing<'a> {
    pub(super) sink: &'a Sink,
    /// The most chunks under way.
    pub(super) concurrency: usize,
    /// When nothing is waited for any more.
    pub(super) end: Option<Instant>,
    pub(super) drop_invalid_records: bool,
    /// The row after the last of each row group.
    pub(super) group_ends: Vec<u64>,
    pub(super) progress: &'a dyn Progress,
    pub(super) report: &'a mut ObjectReport,
    pub(super) row_groups: &'a mut RowGroups,
    /// What keeps the rejected rows.
    pub(super) keeper: Option<&'a Keeper>,
}

impl Writing<'_> {
    /// Writes what comes out of the converting threads and counts it. After an error, chunks under way are given up.
    pub(super) async fn run(mut self, mut steps: mpsc::Receiver<Step>) -> Result<(), LoadError> {
        let (sink, end, keeper) = (self.sink, self.end, self.keeper);
        let keep = |rows: &[RejectedRow]| {
            let kept = keeper.filter(|_| !rows.is_empty()).map(|keeper| (keeper, rows.to_vec()));
            kept.map(|(keeper, rows)| async move { keeper.push(rows).await })
        };
        let mut under_way = FuturesUnordered::new();
        // Rejected rows that wait to be kept. No step is taken meanwhile, but chunks under way go on.
        let mut waiting = FuturesUnordered::new();
        let (mut parcels, mut more) = (vec![].into_iter(), true);
        loop {
            while waiting.is_empty()
                && under_way.len() < self.concurrency
                && let Some((rows, packed)) = parcels.next()
            {
                under_way.push(async move {
                    let outcome = match packed {
                        Packed::Ready(parcel) => sink.write(parcel, end).await,
                        Packed::Written(outcome) => outcome,
                    };
                    (rows, outcome)
                });
            }
            tokio::select! {
                step = steps.recv(), if more && waiting.is_empty() && under_way.len() < self.concurrency => match step {
                    None => more = false,
                    Some(step) => {
                        parcels = step.parcels.into_iter();
                        if let Some(Counted { row, rows, filtered, rejected }) = step.counted {
                            self.report.accounts.rows += rows;
                            self.report.accounts.filtered += filtered;
                            self.progress.advanced(filtered);
                            self.row_groups.settle(row, filtered + rejected.len() as u64);
                            waiting.extend(keep(&rejected));
                            rejected.into_iter().for_each(|row| self.reject(row));
                        }
                    }
                },
                Some((rows, outcome)) = under_way.next(), if !under_way.is_empty() => match outcome {
                    Ok(delivery) => {
                        rows.into_iter().for_each(|(row, rows)| self.row_groups.settle(row, rows));
                        waiting.extend(keep(&self.delivered(delivery)?));
                    }
                    Err(error) => {
                        self.report.accounts.failed_batches += 1;
                        return Err(LoadError::Sink(error));
                    }
                },
                Some(kept) = waiting.next(), if !waiting.is_empty() => if kept.is_err() {
                    // Whoever ends the keeping learns why.
                    return Ok(());
                },
                else => return Ok(()),
            }
        }
    }

    /// Counts a delivery. Returns the rows of it that the server refused.
    fn delivered(&mut self, delivery: Delivery) -> Result<Vec<RejectedRow>, LoadError> {
        let accounts = &mut self.report.accounts;
        accounts.written += delivery.rows;
        accounts.points += delivery.points;
        accounts.batches += 1;
        accounts.requests += delivery.requests;
        accounts.retries += delivery.retries;
        accounts.line_protocol_bytes += delivery.line_protocol_bytes;
        accounts.bytes_written += delivery.bytes_written;
        if delivery.requests > 0 {
            self.report.latencies.add(delivery.latency);
            self.report.timings.write += delivery.latency;
        }
        self.progress.advanced(delivery.rows);
        if let (false, Some(first)) = (self.drop_invalid_records, delivery.rejected.first()) {
            return Err(LoadError::rejected(first));
        }
        let rejected = delivery.rejected.into_iter().map(|row| row_groups::place(row, &self.group_ends));
        let rejected: Vec<RejectedRow> = rejected.collect();
        rejected.iter().for_each(|row| self.reject(row.clone()));
        Ok(rejected)
    }

    fn reject(&mut self, row: RejectedRow) {
        self.report.accounts.reject(&row.code, 1);
        self.progress.advanced(1);
        self.progress.rejected(&row);
        tracing::debug!(object = self.report.object, row = row.row, code = row.code, "{}", row.message);
        self.report.name_rejection(row);
    }
}
