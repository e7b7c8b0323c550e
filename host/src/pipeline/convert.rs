//! The threads that decode, convert, encode and compress.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use arrow::array::{RecordBatch, StringArray};
use tokio::sync::mpsc;

use super::ahead::{self, Giver, Taker};
use super::deadline::Deadline;
use super::order::{Turns, Watch};
use super::passes::Passes;
use super::{LoadError, blocking};
use crate::converter::{self, Converter, ConverterError, Input, Instance, Plan, Warnings};
use crate::logs::on_a_thread;
use crate::points::{
    ChunkRows, Dialect, EncodeError, Encoder, Full, FullChunks, Kept, LaneLimits, Lanes, Mapping, Pool, Recent, Shards,
    Tally, Touched, Turn,
};
use crate::report::{RejectedRow, Timings};
use crate::sink::{Delivery, LineWriter, Packer, Parcel, SinkError};
use crate::source::{self, Batch, Memory, ParquetObject, Selection, SourceError};

/// Batches that make a further thread worth its while.
const BATCHES_A_THREAD: u64 = 4;

/// The most parcels of a step.
const PARCELS_A_STEP: usize = 4;

/// What comes out of a conversion.
pub(super) struct Step {
    /// A batch that has been encoded; its points are in this step, and in those before and after it.
    pub(super) counted: Option<Counted>,
    /// A few parcels.
    pub(super) parcels: Vec<Packed>,
}

/// How far a parcel is.
pub(super) enum Packed {
    /// To be written in its turn.
    Ready(Turn, Parcel),
    /// Written in its turn, or not, with the rows that it had.
    Written(ChunkRows, Result<Delivery, SinkError>),
}

/// What became of the rows of a batch.
pub(super) struct Counted {
    /// The number of its row group.
    pub(super) row_group: u32,
    /// Rows of the batch.
    pub(super) rows: u64,
    /// Rows among them that gave no point.
    pub(super) filtered: u64,
    /// Rows among them that cannot become points.
    pub(super) rejected: Vec<RejectedRow>,
    /// Rows among them that replace a row before them, as far as that is seen.
    pub(super) superseded: u64,
    /// Whether with this batch the object has points in many shards.
    pub(super) touches_many_shards: bool,
    /// Its points by buckets of time, where the load is recorded.
    pub(super) tally: Option<Tally>,
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
    /// What the converter's instances have warned of.
    pub(super) warnings: Warnings,
    pub(super) rows_per_batch: usize,
    pub(super) lanes: LaneLimits,
    pub(super) dialect: Dialect,
    /// Whether they become one text.
    pub(super) is_text: bool,
    /// How far back points are kept, where that is known.
    pub(super) kept: Option<Kept>,
    /// How the server parts time, where that is known.
    pub(super) shards: Option<Shards>,
    pub(super) drop_invalid_records: bool,
    /// Whether the sink compresses.
    pub(super) compresses: bool,
    /// What parcels are written with on the spot.
    pub(super) lines: Option<LineWriter>,
    /// The most parcels that are written at a time.
    pub(super) requests: usize,
    /// How many threads convert, each with an instance of its own.
    pub(super) threads: usize,
    /// Which measurements the points are of, once there is a plan; none: the load is not recorded.
    pub(super) measurements: Option<Arc<OnceLock<Option<Vec<String>>>>>,
}

/// A batch that is decoded, or why it could not be.
type Decoded = Result<Batch, SourceError>;

/// What comes together in the order of the file.
struct Ordered {
    /// Of batches, to get into the lanes.
    batches: Turns,
    /// Of chunks that are written on the spot.
    chunks: Turns,
    state: Arc<Mutex<State>>,
}

struct State {
    lanes: Lanes,
    recent: Recent,
    touched: Option<Touched>,
}

impl State {
    fn new(conversion: &Conversion) -> Self {
        let Conversion { lanes, memory, shards, .. } = *conversion;
        let lanes = Lanes::new(lanes, &Pool::new(memory.kept_chunks()));
        Self { lanes, recent: Recent::default(), touched: shards.map(Touched::new) }
    }
}

impl Ordered {
    /// Memory of the lanes is used again by every pass.
    fn new(state: &Arc<Mutex<State>>, pass: Pass) -> Self {
        let ordered = Self { batches: Turns::default(), chunks: Turns::default(), state: Arc::clone(state) };
        {
            let state = &mut *ordered.state();
            state.lanes.begin_pass(pass.times);
            state.recent = Recent::default();
            if !pass.counts {
                // The first pass sees all points.
                state.touched = None;
            }
        }
        ordered
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // After a panic, which gives all turns up, nobody takes chunks out of it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of the times that an object is read.
#[derive(Clone, Copy)]
struct Pass {
    /// Of which times rows are sent, both ends included; none: of all.
    times: Option<(i64, i64)>,
    /// Whether rows are counted, and rejected ones reported.
    counts: bool,
}

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
    /// Converts the object on as many threads as it is worth, in as many passes as its order asks for. Ends early, without an error,
    /// when its time is over, or when nobody takes the steps any more.
    pub(super) async fn run(self, steps: mpsc::Sender<Step>) -> Result<Converted, LoadError> {
        let first = blocking({
            let this = self.clone();
            move || this.plan()
        })
        .await??;
        if let Some(measurements) = &self.measurements {
            // None where one depends on the rows.
            let names = first.plan.points.iter().map(|point| point.measurement.name().map(str::to_owned));
            let names: Option<BTreeSet<String>> = names.collect();
            measurements.get_or_init(|| names.map(Vec::from_iter));
        }
        let passes = Passes::of(&self, &first.plan);
        let passes = match passes {
            Some(passes) => blocking(move || passes.find()).await?,
            None => vec![None],
        };
        let plan = first.plan.clone();
        let state = Arc::new(Mutex::new(State::new(&self)));
        let (mut first, mut converted) = (Some(first), Converted::default());
        for (number, times) in passes.into_iter().enumerate() {
            // Every pass sees all rows; the first one counts them.
            let pass = Pass { times, counts: number == 0 };
            let ordered = Ordered::new(&state, pass);
            let (Converted { timings, stopped }, taken) = self.pass(pass, ordered, &plan, first.take(), &steps).await?;
            converted.timings += timings;
            converted.stopped |= stopped;
            if stopped || !taken {
                break;
            }
        }
        Ok(converted)
    }

    /// Converts the object once. Returns as well whether the steps are still taken.
    async fn pass(
        &self,
        pass: Pass,
        ordered: Ordered,
        plan: &Plan,
        mut first: Option<Planned>,
        steps: &mpsc::Sender<Step>,
    ) -> Result<(Converted, bool), LoadError> {
        let columns = Encoder::new(plan, self.dialect)?.columns().to_vec();
        let batches = self.object.read(columns, self.rows_per_batch, &self.selection)?;
        let batches = batches.until(self.deadline.map(|deadline| deadline.stop));
        let rows = self.object.selected_rows(&self.selection)?;
        // A thread that would get a few batches is not worth its instance.
        let threads = (rows / (BATCHES_A_THREAD * self.rows_per_batch as u64)).clamp(1, self.threads as u64);
        // One thread alone finds its batch in the memory next to its processor.
        let (decoded, queue) = ahead::queue(if threads > 1 { self.memory.ahead() } else { 0 });
        let decoding = on_a_thread(move || decode(batches, &decoded));
        let ordered = Arc::new(ordered);
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                let (this, plan, first, steps) = (self.clone(), plan.clone(), first.take(), steps.clone());
                let (queue, ordered) = (queue.clone(), Arc::clone(&ordered));
                let own_lanes = (threads > 1).then(|| ordered.state().lanes.like());
                on_a_thread(move || {
                    let watch = Watch::over([&ordered.batches, &ordered.chunks]);
                    let (ordered, steps, timings) = (&*ordered, &steps, Timings::default());
                    let worker = Worker { conversion: &this, ordered, steps, counts: pass.counts, timings };
                    let converted = worker.run(first, &plan, &queue, own_lanes);
                    if matches!(converted, Ok(Some(_))) {
                        watch.done();
                    }
                    converted.map(Option::unwrap_or_default)
                })
            })
            .collect();
        drop(queue);
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
        if let Some(stopped) = stopped {
            return Err(stopped.error);
        }
        if ordered.batches.are_given_up() {
            return Ok((converted, false));
        }
        let (this, steps) = (self.clone(), steps.clone());
        let (timings, taken) = on_a_thread(move || this.flush(&ordered, &steps)).await.map_err(LoadError::Stopped)?;
        converted.timings += timings;
        Ok((converted, taken))
    }

    /// Hands on what is left in the lanes. Returns as well whether it was taken: whoever stopped taking knows why it was not.
    fn flush(&self, ordered: &Ordered, steps: &mpsc::Sender<Step>) -> (Timings, bool) {
        let full = ordered.state().lanes.take_rest();
        let mut worker = Worker { conversion: self, ordered, steps, counts: false, timings: Timings::default() };
        let taken = worker.send(None, full, &mut Packer::new(self.compresses));
        (worker.timings, taken)
    }

    fn plan(&self) -> Result<Planned, LoadError> {
        let mut instance = self.converter.instantiate_beside(&self.warnings)?;
        let plan = instance.prepare(&self.input)?;
        Ok(Planned { instance, plan })
    }
}

/// A thread that converts.
struct Worker<'a> {
    conversion: &'a Conversion,
    ordered: &'a Ordered,
    steps: &'a mpsc::Sender<Step>,
    /// Whether rows are counted, and rejected ones reported.
    counts: bool,
    timings: Timings,
}

impl Worker<'_> {
    /// Converts batches until there are no more; `None` where it ended before, since others did. With lanes of its own it
    /// encodes while others do, and otherwise right into those that are sent.
    fn run(
        mut self,
        planned: Option<Planned>,
        plan: &Plan,
        batches: &Taker<Decoded>,
        mut own_lanes: Option<Lanes>,
    ) -> Result<Option<Converted>, Stopped> {
        let (conversion, ordered) = (self.conversion, self.ordered);
        let at = |row| move |error: LoadError| Stopped { row, error };
        let Planned { mut instance, plan: own } = planned.map_or_else(|| conversion.plan(), Ok).map_err(at(0))?;
        // By what they show, since a float that is no number is not equal to itself.
        if format!("{own:?}") != format!("{plan:?}") {
            return Err(at(0)(LoadError::Unsteady));
        }
        let mut encoder = Encoder::new(plan, conversion.dialect)
            .map_err(|error| at(0)(error.into()))?
            .keeping(conversion.kept)
            .into_text(conversion.is_text);
        let mut packer = Packer::new(conversion.compresses);
        loop {
            if conversion.deadline.is_some_and(|deadline| deadline.is_over()) {
                return Ok(Some(Converted { timings: self.timings, stopped: true }));
            }
            if ordered.batches.are_given_up() {
                return Ok(None);
            }
            let waiting = Instant::now();
            let batch = batches.take();
            self.timings.convert_starved += waiting.elapsed();
            let (number, batch) = match batch {
                None => return Ok(Some(Converted { timings: self.timings, stopped: false })),
                Some((_, Err(SourceError::Deadline { .. }))) => {
                    return Ok(Some(Converted { timings: self.timings, stopped: true }));
                }
                Some(batch) => batch,
            };
            let batch = batch.map_err(|error| at(error.row().unwrap_or(u64::MAX))(error.into()))?;
            let rows = batch.len() as u64;
            let row = if rows == 0 { 0 } else { batch.rows.number(0) };
            let started = Instant::now();
            let encoded = match &mut own_lanes {
                Some(lanes) => encoder.encode(&batch, &mut instance, lanes),
                None => {
                    let lanes = &mut ordered.state().lanes;
                    lanes.begin_batch(batch.row_group);
                    encoder.encode(&batch, &mut instance, lanes)
                }
            };
            let encoded = encoded.map_err(|error| match error {
                EncodeError::Mapping(error) => at(row)(LoadError::Converter(error)),
                EncodeError::Column(error) => at(row)(LoadError::Column(error)),
            })?;
            if let (false, Some(first)) = (conversion.drop_invalid_records, encoded.rejected.first()) {
                return Err(at(first.row)(LoadError::rejected(first)));
            }
            let tally = (self.counts && conversion.measurements.is_some()).then(|| Tally::of(encoder.keys()));
            self.timings.convert += started.elapsed();
            let waiting = Instant::now();
            if !ordered.batches.wait(number) {
                return Ok(None);
            }
            self.timings.convert_blocked += waiting.elapsed();
            let started = Instant::now();
            let (touches_many_shards, superseded, full) = {
                let State { lanes, recent, touched } = &mut *ordered.state();
                if let Some(own_lanes) = &mut own_lanes {
                    lanes.begin_batch(batch.row_group);
                    lanes.append(own_lanes);
                }
                lanes.end_batch(rows);
                let many = touched.as_mut().is_some_and(|touched| touched.add(encoder.keys()));
                (many, recent.replaced_by(encoder.keys()), lanes.take_full())
            };
            // Lines that are sorted take much memory: no more are gathered before they are handed on.
            let sorts = conversion.lanes.sorting.is_some();
            if !sorts {
                ordered.batches.end(1);
            }
            self.timings.convert += started.elapsed();
            let (row_group, filtered, rejected) = (batch.row_group, encoded.filtered, encoded.rejected);
            let counted = Counted { row_group, rows, filtered, rejected, superseded, touches_many_shards, tally };
            if !self.send(self.counts.then_some(counted), full, &mut packer) {
                return Ok(None);
            }
            if sorts {
                ordered.batches.end(1);
            }
        }
    }

    /// Hands on what became of a batch, and chunks that are full. Returns whether anybody takes it.
    fn send(&mut self, mut counted: Option<Counted>, full: FullChunks, packer: &mut Packer) -> bool {
        let mut full = full.peekable();
        while counted.is_some() || full.peek().is_some() {
            let mut parcels = Vec::new();
            for chunk in full.by_ref().take(self.conversion.requests.min(PARCELS_A_STEP)) {
                let Some(packed) = self.pack(chunk, packer) else { return false };
                parcels.push(packed);
            }
            let started = Instant::now();
            let sent = self.steps.blocking_send(Step { counted: counted.take(), parcels }).is_ok();
            self.timings.convert_blocked += started.elapsed();
            if !sent {
                return false;
            }
        }
        true
    }

    /// Makes a chunk ready for the sink, and writes it where that can be done on the spot; `None` where its turn never comes.
    fn pack(&mut self, full: Full, packer: &mut Packer) -> Option<Packed> {
        let Full { turn, chunk } = full;
        let started = Instant::now();
        let mut parcel = packer.pack(chunk);
        self.timings.compress += started.elapsed();
        let (Some(lines), Turn::Lane { number, .. }) = (&self.conversion.lines, turn) else {
            return Some(Packed::Ready(turn, parcel));
        };
        let waiting = Instant::now();
        if !self.ordered.chunks.wait(number) {
            return None;
        }
        self.timings.convert_blocked += waiting.elapsed();
        let written = lines.write_here(&parcel, self.conversion.deadline.map(|deadline| deadline.end));
        self.ordered.chunks.end(1);
        Some(Packed::Written(parcel.chunk_mut().take_rows(), written))
    }
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
