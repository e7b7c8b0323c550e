//! The caller's task: hands chunks to the sink, and counts what becomes of every row.

use std::time::Instant;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;

use super::convert::{Counted, Packed, Step};
use super::gate::Gate;
use super::record::Recording;
use super::row_groups::RowGroups;
use super::split_rows::SplitRows;
use super::waiting::Waiting;
use super::{LoadError, Progress};
use crate::points::ChunkRows;
use crate::rejects::Keeper;
use crate::report::{ObjectReport, RejectedRow};
use crate::sink::{Delivery, Sink, SinkError};

/// Where the points of one object go, and what counts and reports them.
pub(super) struct Writing<'a> {
    pub(super) sink: &'a Sink,
    /// When they may be sent.
    pub(super) gate: Gate<'a>,
    /// The most chunks under way.
    pub(super) concurrency: usize,
    /// The most bytes of chunks that wait meanwhile.
    pub(super) waiting_bytes: usize,
    /// When no further parcel is begun, and when nothing is waited for any more.
    pub(super) last_start: Option<Instant>,
    pub(super) end: Option<Instant>,
    pub(super) drop_invalid_records: bool,
    /// Rows of which some points are settled.
    pub(super) split_rows: SplitRows,
    pub(super) progress: &'a dyn Progress,
    pub(super) report: &'a mut ObjectReport,
    pub(super) row_groups: &'a mut RowGroups,
    /// What keeps the rejected rows.
    pub(super) keeper: Option<&'a Keeper>,
    /// What counts points for the ledger.
    pub(super) recording: Option<&'a mut Recording>,
}

impl Writing<'_> {
    /// Writes what comes out of the converting threads and counts it. After an error, chunks under way are given up. Returns
    /// whether it stopped before all was written, since time is short: then rows that wait count as not read.
    pub(super) async fn run(mut self, steps: mpsc::Receiver<Step>) -> Result<bool, LoadError> {
        let written = self.write(steps).await;
        self.gate.add_to(&mut self.report.timings);
        written
    }

    async fn write(&mut self, mut steps: mpsc::Receiver<Step>) -> Result<bool, LoadError> {
        let (sink, end, keeper) = (self.sink, self.end, self.keeper);
        let keep = |rows: &[RejectedRow]| {
            let kept = keeper.filter(|_| !rows.is_empty()).map(|keeper| (keeper, rows.to_vec()));
            kept.map(|(keeper, rows)| async move { keeper.push(rows).await })
        };
        let mut under_way = FuturesUnordered::new();
        // Rejected rows that wait to be kept. No step is taken meanwhile, but parcels under way continue.
        let mut keeping = FuturesUnordered::new();
        let (mut waiting, mut more) = (Waiting::new(self.concurrency, self.waiting_bytes), true);
        loop {
            let late = self.last_start.is_some_and(|last| last <= Instant::now());
            if late && under_way.is_empty() && keeping.is_empty() && !waiting.is_empty() {
                self.report.accounts.rows = self.report.accounts.accounted();
                return Ok(true);
            }
            while keeping.is_empty()
                && !late
                && let Some((turn, parcel)) = waiting.next_if(|points| self.gate.lets_through(points))
            {
                let rows = parcel.chunk().rows().clone();
                under_way.push(async move { (turn, rows, sink.write(parcel, end).await) });
            }
            tokio::select! {
                step = steps.recv(), if more && keeping.is_empty() && waiting.has_room() => match step {
                    None => more = false,
                    Some(step) => {
                        if let Some(counted) = step.counted {
                            if counted.touches_many_shards {
                                sink.touches_many_shards(end).await;
                            }
                            keeping.extend(keep(&counted.rejected));
                            self.encoded(counted);
                        }
                        for packed in step.parcels {
                            match packed {
                                Packed::Ready(turn, parcel) => waiting.add(turn, parcel),
                                Packed::Written(rows, outcome) => keeping.extend(keep(&self.settled(&rows, outcome)?)),
                            }
                        }
                    }
                },
                Some((turn, rows, outcome)) = under_way.next(), if !under_way.is_empty() => {
                    keeping.extend(keep(&self.settled(&rows, outcome)?));
                    waiting.settled(turn);
                }
                () = self.gate.opens(self.last_start), if !late && (more || !waiting.is_empty()) => {}
                Some(kept) = keeping.next(), if !keeping.is_empty() => if kept.is_err() {
                    // Whoever ends the keeping learns why.
                    return Ok(false);
                },
                else => return Ok(false),
            }
        }
    }

    /// Counts what the encoder made of a batch.
    fn encoded(&mut self, counted: Counted) {
        let Counted { row_group, rows, filtered, rejected, superseded, tally, touches_many_shards: _ } = counted;
        if let (Some(recording), Some(tally)) = (&mut self.recording, tally) {
            recording.add(row_group, tally, filtered, superseded, self.row_groups);
        }
        self.report.accounts.rows += rows;
        self.report.accounts.filtered += filtered;
        self.report.accounts.superseded += superseded;
        self.progress.advanced(filtered);
        self.row_groups.settle(row_group, filtered + rejected.len() as u64);
        rejected.into_iter().for_each(|row| self.reject(row));
    }

    /// Counts what became of a parcel with these rows. Returns those that the server refused.
    fn settled(
        &mut self,
        rows: &ChunkRows,
        outcome: Result<Delivery, SinkError>,
    ) -> Result<Vec<RejectedRow>, LoadError> {
        let accounts = &mut self.report.accounts;
        let delivery = outcome.inspect_err(|_| accounts.failed_batches += 1).map_err(LoadError::Sink)?;
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
        if let (false, Some(first)) = (self.drop_invalid_records, delivery.rejected.first()) {
            return Err(LoadError::rejected(first));
        }
        let settled = self.split_rows.settle(rows, delivery.rejected);
        rows.groups.iter().for_each(|group| self.row_groups.settle(group.row_group, group.whole));
        settled.done.iter().for_each(|row_group| self.row_groups.settle(*row_group, 1));
        // A row counts when all of its points are written; of a row that was refused before, nothing is written.
        let whole: u64 = rows.groups.iter().map(|group| group.whole).sum();
        let written = whole - settled.whole_rejected + settled.written;
        self.report.accounts.written += written;
        self.progress.advanced(written);
        settled.rejected.iter().for_each(|row| self.reject(row.clone()));
        Ok(settled.rejected)
    }

    fn reject(&mut self, row: RejectedRow) {
        self.report.accounts.reject(&row.code, 1);
        if let Some(recording) = &mut self.recording {
            recording.reject(row.row_group, &row.code);
        }
        self.progress.advanced(1);
        self.progress.rejected(&row);
        tracing::debug!(object = self.report.object, row = row.row, code = row.code, "{}", row.message);
        self.report.name_rejection(row);
    }
}
