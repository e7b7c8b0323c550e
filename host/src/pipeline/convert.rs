//! The threads that decode, convert, encode and compress.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use arrow::array::{RecordBatch, StringArray};
use tokio::sync::mpsc;

use super::ahead::{self, Giver, Taker};
use super::deadline::Deadline;
use super::{LoadError, blocking, row_groups};
use crate::converter::{self, Converter, ConverterError, Input, Instance, Plan};
use crate::gzip::Gzip;
use crate::logs::on_a_thread;
use crate::points::{Chunk, ChunkBuilder, ChunkLimits, Dialect, EncodeError, Encoder, Mapping};
use crate::report::{RejectedRow, Timings};
use crate::sink::{Delivery, LineWriter, Parcel, SinkError};
use crate::source::{self, Batch, Memory, ParquetObject, Selection, SourceError};

/// Batches that make a further thread worth its while.
const BATCHES_A_THREAD: u64 = 4;

/// What comes out of a conversion.
pub(super) struct Step {
    /// A batch that has been encoded; its points are in this step, and in those before and after it.
    pub(super) counted: Option<Counted>,
    /// As many parcels as are written at a time, at most, with how many rows of which row groups each has.
    pub(super) parcels: Vec<(Vec<(u64, u64)>, Packed)>,
}

/// How far a parcel is.
pub(super) enum Packed {
    Ready(Parcel),
    Written(Result<Delivery, SinkError>),
}

/// What became of the rows of a batch.
pub(super) struct Counted {
    /// The number in the object of one of its rows, all of which are in one row group.
    pub(super) row: u64,
    /// Rows of the batch.
    pub(super) rows: u64,
    /// Rows among them that gave no point.
    pub(super) filtered: u64,
    /// Rows among them that cannot become points.
    pub(super) rejected: Vec<RejectedRow>,
}

/// How a conversion ended.
#[derive(Debug, Default)]
pub(super) struct Converted {
    /// How long the threads worked and waited.
    pub(super) timings: Timings,
    /// Whether it stopped before the last row, because its time was over.
    pub(super) stopped: bool,
}

/// An object and all that is needed to make points of it.
#[derive(Clone)]
pub(super) struct Conversion {
    pub(super) object: ParquetObject,
    pub(super) selection: Selection,
    pub(super) deadline: Option<Deadline>,
    pub(super) converter: Converter,
    pub(super) input: Input,
    /// What the object may take.
    pub(super) memory: Memory,
    pub(super) rows_per_batch: usize,
    pub(super) chunks: ChunkLimits,
    pub(super) dialect: Dialect,
    pub(super) drop_invalid_records: bool,
    /// Whether the sink compresses.
    pub(super) compresses: bool,
    /// What parcels are written with on the spot.
    pub(super) lines: Option<LineWriter>,
    /// The most parcels of a step.
    pub(super) parcels: usize,
    /// How many threads convert, each with an instance of its own.
    pub(super) threads: usize,
}

/// A batch that is decoded, or why it could not be.
type Decoded = Result<Batch, SourceError>;

/// An instance and the plan that it made.
struct Planned {
    instance: Instance,
    plan: Plan,
}

/// Why a thread ended, and the number of the row by which it did.
struct Stopped {
    row: u64,
    error: LoadError,
}

impl Mapping for Instance {
    type Error = ConverterError;

    fn translate(&mut self, translation: usize, values: &StringArray) -> Result<StringArray, ConverterError> {
        Instance::translate(self, translation, values)
    }

    fn convert(&mut self, columns: &RecordBatch) -> Result<converter::Converted, ConverterError> {
        Instance::convert(self, columns)
    }
}

impl Conversion {
    /// Converts the object on as many threads as it is worth. Ends early, without an error, when its time is over, or when
    /// nobody takes the steps any more.
    pub(super) async fn run(self, steps: mpsc::Sender<Step>) -> Result<Converted, LoadError> {
        let first = blocking({
            let this = self.clone();
            move || this.plan()
        })
        .await??;
        let columns = Encoder::new(&first.plan, self.dialect)?.columns().to_vec();
        let batches = self.object.read(columns, self.rows_per_batch, &self.selection)?;
        let batches = batches.until(self.deadline.map(|deadline| deadline.stop));
        let rows = self.object.selected_rows(&self.selection)?;
        // A thread that would get a few batches is not worth its instance.
        let threads = (rows / (BATCHES_A_THREAD * self.rows_per_batch as u64)).clamp(1, self.threads as u64);
        // One thread alone finds its batch in the memory next to its processor.
        let (decoded, queue) = ahead::queue(if threads > 1 { self.memory.ahead() } else { 0 });
        let decoding = on_a_thread(move || decode(batches, &decoded));
        let failed = Arc::new(AtomicBool::new(false));
        let plan = first.plan.clone();
        let mut first = Some(first);
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                let (this, plan, first, steps) = (self.clone(), plan.clone(), first.take(), steps.clone());
                let (queue, failed) = (queue.clone(), Arc::clone(&failed));
                on_a_thread(move || {
                    let outcome = this.work(first, &plan, &queue, &failed, &steps);
                    if outcome.is_err() {
                        failed.store(true, Ordering::Relaxed);
                    }
                    outcome
                })
            })
            .collect();
        drop((steps, queue));
        let mut converted = Converted::default();
        let mut stopped: Option<Stopped> = None;
        for worker in workers {
            match worker.await.map_err(LoadError::Stopped)? {
                Ok(Converted { timings, stopped }) => {
                    converted.timings += timings;
                    converted.stopped |= stopped;
                }
                // Batches are handed out in order, so that the error of the lowest row is the first of the object.
                Err(error) if stopped.as_ref().is_none_or(|first| error.row < first.row) => stopped = Some(error),
                Err(_) => {}
            }
        }
        converted.timings += decoding.await.map_err(LoadError::Stopped)?;
        stopped.map_or(Ok(converted), |stopped| Err(stopped.error))
    }

    fn plan(&self) -> Result<Planned, LoadError> {
        let mut instance = self.converter.instantiate()?;
        let plan = instance.prepare(&self.input)?;
        Ok(Planned { instance, plan })
    }

    /// Converts batches until there are no more.
    fn work(
        &self,
        planned: Option<Planned>,
        plan: &Plan,
        batches: &Taker<Decoded>,
        failed: &AtomicBool,
        steps: &mpsc::Sender<Step>,
    ) -> Result<Converted, Stopped> {
        let at = |row| move |error: LoadError| Stopped { row, error };
        let Planned { mut instance, plan: own } = planned.map_or_else(|| self.plan(), Ok).map_err(at(0))?;
        // By what they show, since a float that is no number is not equal to itself.
        if format!("{own:?}") != format!("{plan:?}") {
            return Err(at(0)(LoadError::Unsteady));
        }
        let mut encoder = Encoder::new(plan, self.dialect).map_err(|error| at(0)(error.into()))?;
        let mut chunks = ChunkBuilder::new(self.chunks).with_tokens(self.compresses);
        let mut gzip = self.compresses.then(Gzip::default);
        let group_ends = row_groups::ends(&self.object);
        let mut converted = Converted::default();
        loop {
            if self.deadline.is_some_and(|deadline| deadline.is_over()) {
                converted.stopped = true;
                break;
            }
            if failed.load(Ordering::Relaxed) {
                return Ok(converted);
            }
            let waiting = Instant::now();
            let batch = batches.take();
            converted.timings.convert_starved += waiting.elapsed();
            let batch = match batch {
                None => break,
                Some(Err(SourceError::Deadline { .. })) => {
                    converted.stopped = true;
                    break;
                }
                Some(batch) => batch,
            };
            let batch = batch.map_err(|error| at(error.row().unwrap_or(u64::MAX))(error.into()))?;
            let rows = batch.columns.num_rows();
            if rows == 0 {
                continue;
            }
            let row = batch.rows.number(0);
            let started = Instant::now();
            let encoded = encoder.encode(&batch, &mut instance, &mut chunks).map_err(|error| match error {
                EncodeError::Mapping(error) => at(row)(LoadError::Converter(error)),
                EncodeError::Column(error) => at(row)(LoadError::Column(error)),
            })?;
            converted.timings.convert += started.elapsed();
            if let (false, Some(first)) = (self.drop_invalid_records, encoded.rejected.first()) {
                return Err(at(first.row)(LoadError::rejected(first)));
            }
            let rejected = encoded.rejected.into_iter().map(|row| row_groups::place(row, &group_ends)).collect();
            let mut counted = Some(Counted { row, rows: rows as u64, filtered: encoded.filtered, rejected });
            let mut full = chunks.take_full().peekable();
            while counted.is_some() || full.peek().is_some() {
                let parcels = full.by_ref().take(self.parcels);
                let parcels = parcels.map(|chunk| self.pack(chunk, &group_ends, gzip.as_mut(), &mut converted.timings));
                let parcels = parcels.collect();
                if !send(Step { counted: counted.take(), parcels }, steps, &mut converted.timings) {
                    return Ok(converted);
                }
            }
        }
        if let Some(chunk) = chunks.finish() {
            let parcel = self.pack(chunk, &group_ends, gzip.as_mut(), &mut converted.timings);
            // When nobody takes it any more, whoever stopped taking knows why.
            send(Step { counted: None, parcels: vec![parcel] }, steps, &mut converted.timings);
        }
        Ok(converted)
    }

    /// Makes a chunk ready for the sink, compressed where that compresses, and writes it where that can be done on the spot.
    fn pack(
        &self,
        chunk: Chunk,
        group_ends: &[u64],
        gzip: Option<&mut Gzip>,
        timings: &mut Timings,
    ) -> (Vec<(u64, u64)>, Packed) {
        let rows = row_groups::rows_of(&chunk, group_ends);
        let started = Instant::now();
        let parcel = match gzip {
            Some(gzip) => Parcel::compressed(chunk, gzip),
            None => chunk.into(),
        };
        timings.compress += started.elapsed();
        let packed = match &self.lines {
            Some(lines) => Packed::Written(lines.write_here(&parcel, self.deadline.map(|deadline| deadline.end))),
            None => Packed::Ready(parcel),
        };
        (rows, packed)
    }
}

/// Hands a step on. Returns whether anybody takes it.
fn send(step: Step, steps: &mpsc::Sender<Step>, timings: &mut Timings) -> bool {
    let started = Instant::now();
    let sent = steps.blocking_send(step).is_ok();
    timings.convert_blocked += started.elapsed();
    sent
}

/// Decodes until there is nothing left, after an error, or until nobody takes the batches any more. Returns how long it
/// worked and waited.
fn decode(mut batches: source::Batches, decoded: &Giver<Decoded>) -> Timings {
    let mut timings = Timings::default();
    loop {
        let started = Instant::now();
        let batch = batches.next();
        timings.decode += started.elapsed();
        let Some(batch) = batch else { return timings };
        let waiting = Instant::now();
        let size = batch.as_ref().map_or(0, |batch| batch.columns.get_array_memory_size());
        let taken = decoded.give(batch, size);
        timings.decode_blocked += waiting.elapsed();
        if !taken {
            return timings;
        }
    }
}
