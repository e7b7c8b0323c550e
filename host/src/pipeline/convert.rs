//! The threads that decode, convert and encode.

use std::sync::mpsc as thread_queue;
use std::time::{Duration, Instant};

use arrow::array::{RecordBatch, StringArray};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::deadline::Deadline;
use super::{LoadError, row_groups};
use crate::converter::{self, Converter, ConverterError, Input, Instance};
use crate::points::{Chunk, ChunkBuilder, ChunkLimits, Dialect, EncodeError, Encoder, Mapping};
use crate::report::RejectedRow;
use crate::source::{Batch, ParquetObject, Selection, SourceError};

/// Batches that are decoded ahead of the converter: one being taken, one ready.
const BATCHES_AHEAD: usize = 1;

/// What comes out of a conversion.
pub(super) enum Step {
    /// A batch has been encoded; its points are in chunks before this, but for those that wait for their chunk to fill.
    Counted {
        /// The rows before this one, its number in the object, are in chunks before this.
        handed_on: u64,
        /// Rows of the batch.
        rows: u64,
        /// Rows among them that gave no point.
        filtered: u64,
        /// Rows among them that cannot become points.
        rejected: Vec<RejectedRow>,
    },
    /// Points to write.
    Chunk(Chunk),
}

/// How a conversion ended.
pub(super) struct Converted {
    /// How long converting and encoding took.
    pub(super) busy: Duration,
    /// Whether it stopped before the last row, because its time was over.
    pub(super) stopped: bool,
}

/// An object and all that is needed to make points of it.
pub(super) struct Conversion {
    pub(super) object: ParquetObject,
    pub(super) selection: Selection,
    pub(super) deadline: Option<Deadline>,
    pub(super) converter: Converter,
    pub(super) input: Input,
    pub(super) rows_per_batch: usize,
    pub(super) chunks: ChunkLimits,
    pub(super) dialect: Dialect,
    pub(super) drop_invalid_records: bool,
    pub(super) runtime: Handle,
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
    /// Converts the object. Blocks. Ends early, without an error, when its time is over, or when nobody takes the steps
    /// any more.
    pub(super) fn run(self, steps: &mpsc::Sender<Step>) -> Result<Converted, LoadError> {
        let mut instance = self.converter.instantiate()?;
        let plan = instance.prepare(&self.input)?;
        let mut encoder = Encoder::new(&plan, self.dialect)?;
        let mut chunks = ChunkBuilder::new(self.chunks);
        let group_ends = row_groups::ends(&self.object);
        let batches = self.decode(encoder.columns().to_vec())?;
        let mut converted = Converted { busy: Duration::ZERO, stopped: false };
        let mut next_row = 0;
        for batch in batches {
            if self.deadline.is_some_and(|deadline| deadline.is_over()) {
                converted.stopped = true;
                break;
            }
            let batch = batch?;
            let started = Instant::now();
            let encoded = encoder.encode(&batch, &mut instance, &mut chunks).map_err(|error| match error {
                EncodeError::Mapping(error) => LoadError::Converter(error),
                EncodeError::Column(error) => LoadError::Column(error),
            })?;
            converted.busy += started.elapsed();
            if let (false, Some(first)) = (self.drop_invalid_records, encoded.rejected.first()) {
                return Err(LoadError::rejected(first));
            }
            let rows = batch.columns.num_rows();
            if rows > 0 {
                next_row = batch.rows.number(rows - 1) + 1;
            }
            let counted = Step::Counted {
                handed_on: chunks.first_waiting_row().unwrap_or(next_row),
                rows: rows as u64,
                filtered: encoded.filtered,
                rejected: encoded.rejected.into_iter().map(|row| row_groups::place(row, &group_ends)).collect(),
            };
            for step in chunks.take_full().map(Step::Chunk).chain([counted]) {
                if steps.blocking_send(step).is_err() {
                    return Ok(converted);
                }
            }
        }
        let rest = chunks.finish().map(Step::Chunk);
        let end = Step::Counted { handed_on: next_row, rows: 0, filtered: 0, rejected: Vec::new() };
        for step in rest.into_iter().chain([end]) {
            // When nobody takes it any more, whoever stopped taking knows why.
            drop(steps.blocking_send(step));
        }
        Ok(converted)
    }

    /// Decodes on a thread of its own. The queue ends with the object, after an error, or when it is dropped.
    fn decode(&self, columns: Vec<usize>) -> Result<thread_queue::IntoIter<Result<Batch, SourceError>>, SourceError> {
        let (decoded, queue) = thread_queue::sync_channel(BATCHES_AHEAD);
        let batches = self.object.read(columns, self.rows_per_batch, &self.selection)?;
        self.runtime.spawn_blocking(move || {
            for batch in batches {
                if decoded.send(batch).is_err() {
                    return;
                }
            }
        });
        Ok(queue.into_iter())
    }
}
