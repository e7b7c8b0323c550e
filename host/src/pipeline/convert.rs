//! The threads that decode, convert and encode.

use std::sync::mpsc as thread_queue;
use std::time::{Duration, Instant};

use arrow::array::{RecordBatch, StringArray};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::LoadError;
use crate::converter::{Converted, Converter, ConverterError, Input, Instance};
use crate::points::{Chunk, ChunkBuilder, ChunkLimits, EncodeError, Encoder, Mapping};
use crate::report::RejectedRow;
use crate::source::{Batch, ParquetObject, Selection, SourceError};

/// Batches that are decoded ahead of the converter: one being taken, one ready.
const BATCHES_AHEAD: usize = 1;

/// What comes out of a conversion.
pub(super) enum Step {
    /// A batch has been encoded; its points are in chunks before or after this.
    Counted {
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

/// An object and all that is needed to make points of it.
pub(super) struct Conversion {
    pub(super) object: ParquetObject,
    pub(super) converter: Converter,
    pub(super) input: Input,
    pub(super) rows_per_batch: usize,
    pub(super) chunks: ChunkLimits,
    pub(super) drop_invalid_records: bool,
    pub(super) runtime: Handle,
}

impl Mapping for Instance {
    type Error = ConverterError;

    fn translate(&mut self, translation: usize, values: &StringArray) -> Result<StringArray, ConverterError> {
        Instance::translate(self, translation, values)
    }

    fn convert(&mut self, columns: &RecordBatch) -> Result<Converted, ConverterError> {
        Instance::convert(self, columns)
    }
}

impl Conversion {
    /// Converts the object, and says how long converting and encoding took. Blocks. Ends early, without an error, when
    /// nobody takes the steps any more.
    pub(super) fn run(self, steps: &mpsc::Sender<Step>) -> Result<Duration, LoadError> {
        let mut instance = self.converter.instantiate()?;
        let plan = instance.prepare(&self.input)?;
        let mut encoder = Encoder::new(&plan)?;
        let mut chunks = ChunkBuilder::new(self.chunks);
        let group_ends = group_ends(&self.object);
        let batches = self.decode(encoder.columns().to_vec())?;
        let mut busy = Duration::ZERO;
        for batch in batches {
            let batch = batch?;
            let started = Instant::now();
            let encoded = encoder.encode(&batch, &mut instance, &mut chunks).map_err(|error| match error {
                EncodeError::Mapping(error) => LoadError::Converter(error),
                EncodeError::Column(error) => LoadError::Column(error),
            })?;
            busy += started.elapsed();
            if let (false, Some(first)) = (self.drop_invalid_records, encoded.rejected.first()) {
                return Err(LoadError::RejectedRow {
                    row: first.row,
                    code: first.code.clone(),
                    message: first.message.clone(),
                });
            }
            let rejected = encoded.rejected.into_iter().map(|row| RejectedRow {
                row_group: u32::try_from(group_ends.partition_point(|end| *end <= row.row)).ok(),
                row: row.row,
                code: row.code,
                message: row.message,
            });
            let rows = batch.columns.num_rows() as u64;
            let counted = Step::Counted { rows, filtered: encoded.filtered, rejected: rejected.collect() };
            for step in std::iter::once(counted).chain(chunks.take_full().map(Step::Chunk)) {
                if steps.blocking_send(step).is_err() {
                    return Ok(busy);
                }
            }
        }
        if let Some(chunk) = chunks.finish() {
            // When nobody takes it any more, whoever stopped taking knows why.
            drop(steps.blocking_send(Step::Chunk(chunk)));
        }
        Ok(busy)
    }

    /// Decodes on a thread of its own. The queue ends with the object, after an error, or when it is dropped.
    fn decode(&self, columns: Vec<usize>) -> Result<thread_queue::IntoIter<Result<Batch, SourceError>>, SourceError> {
        let (decoded, queue) = thread_queue::sync_channel(BATCHES_AHEAD);
        let batches = self.object.read(columns, self.rows_per_batch, &Selection::All)?;
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

/// The row after the last of each row group.
fn group_ends(object: &ParquetObject) -> Vec<u64> {
    let mut end = 0;
    let rows = object.row_groups().into_iter();
    rows.map(|rows| {
        end += rows;
        end
    })
    .collect()
}
