//! What a candidate would make of an object: both versions convert its batches one after the other, and their points are
//! compared and forgotten.
//!
//! ```text
//! batch ─┬→ promoted version → lines ─┬→ comparison → counts
//!        └→ candidate        → lines ─┘
//! ```
//!
//! An object is read once more for it, twice where the two versions speak different contracts, on one thread, when it is loaded
//! and its memory is free again. What is held is a batch and its lines. Nothing waits for memory, and everything ends with the
//! budget: an object that was not compared to its end counts as not compared.
//!
//! Points with the same series and time are compared batch by batch: where a later batch replaces a point in both versions
//! alike, it counts as changed all the same if it was. So versions that make the same differ nowhere, and what differs may
//! be more than what InfluxDB would have in the end.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::LoadError;
use crate::compare::{Comparison, lines};
use crate::converter::{Converter, ConverterError, Input, Instance, Warnings};
use crate::points::{ChunkLimits, Dialect, EncodeError, Encoder, Lanes};
use crate::source::{Batch, InvalidText, ParquetObject, Selection, SourceError};

/// The most bytes of lines of a batch and a version.
const MAXIMUM_BYTES: usize = 16 << 20;

/// The chunks that lines are made in.
const CHUNKS: ChunkLimits = ChunkLimits { points: 10_000, bytes: 5 << 20 };

/// An object, and the two versions that convert it.
pub(super) struct Shadow {
    /// As it was opened, in the types of the first contract.
    pub(super) object: ParquetObject,
    pub(super) selection: Selection,
    pub(super) rows_per_batch: usize,
    pub(super) dataset: String,
    pub(super) strict: bool,
    /// What the promoted version has warned of when the object was loaded.
    pub(super) warnings: Warnings,
    pub(super) before: Converter,
    pub(super) candidate: Converter,
    /// When the budget is used up.
    pub(super) until: Instant,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Compared {
    pub(super) comparison: Comparison,
    pub(super) rows: u64,
    pub(super) before: Duration,
    pub(super) candidate: Duration,
}

/// Why there is no comparison.
#[derive(Debug)]
pub(super) enum Incomparable {
    /// The candidate fails where the promoted version does not.
    Failed(LoadError),
    /// It is not known what the candidate would have done.
    NotCompared(String),
}

/// A version at work.
struct Version {
    /// In the types of its contract.
    object: ParquetObject,
    instance: Instance,
    encoder: Encoder,
    /// Where its columns are among those that are read.
    places: Vec<usize>,
    lanes: Lanes,
    time: Duration,
}

/// What it makes of a batch.
struct Made {
    lines: String,
    rejected: BTreeMap<u64, String>,
}

impl Shadow {
    /// Blocks, until the budget is used up at the latest.
    pub(super) fn run(self) -> Result<Compared, Incomparable> {
        let mut before =
            self.version(&self.before, &self.warnings).map_err(|error| self.unable("the promoted version", &error))?;
        let mut candidate = self.version(&self.candidate, &Warnings::default()).map_err(|error| self.failed(error))?;
        let mut columns = [before.encoder.columns(), candidate.encoder.columns()].concat();
        columns.sort_unstable();
        columns.dedup();
        for version in [&mut before, &mut candidate] {
            let place = |column: &usize| columns.binary_search(column).ok();
            version.places = version.encoder.columns().iter().filter_map(place).collect();
        }
        let unreadable = |error| match error {
            SourceError::Deadline { .. } => used_up(),
            error => self.unable("the object", &error.into()),
        };
        let read = |version: &Version| {
            let batches = version.object.read(columns.clone(), self.rows_per_batch, &self.selection);
            batches.map(|batches| batches.until(Some(self.until))).map_err(unreadable)
        };
        // Contracts have other types for some columns: then the object is read for each.
        let is_same = self.before.contract() == self.candidate.contract();
        let mut others = if is_same { None } else { Some(read(&candidate)?) };
        let mut compared = Compared::default();
        for batch in read(&before)? {
            let batch = batch.map_err(unreadable)?;
            let other = match &mut others {
                Some(others) => Some(others.next().transpose().map_err(unreadable)?),
                None => None,
            };
            let other = match &other {
                None => &batch,
                Some(Some(other)) if other.columns.num_rows() == batch.columns.num_rows() => other,
                Some(_) => {
                    let reason = "the two contracts part its rows into other batches".to_owned();
                    return Err(Incomparable::NotCompared(reason));
                }
            };
            compared.rows += batch.columns.num_rows() as u64;
            let old = before.convert(&batch).map_err(|error| self.unable("the promoted version", &error))?;
            let new = candidate.convert(other).map_err(|error| self.failed(error))?;
            for made in [&old, &new] {
                if made.lines.len() > MAXIMUM_BYTES {
                    let reason = format!("a batch gives more than {MAXIMUM_BYTES} bytes of points");
                    return Err(Incomparable::NotCompared(reason));
                }
            }
            let points = |made| {
                lines::points(made)
                    .map_err(|error| Incomparable::NotCompared(format!("points cannot be read back: {error}")))
            };
            compared.comparison.add_points(points(&old.lines)?, points(&new.lines)?);
            compared.comparison.add_rejected(&old.rejected, &new.rejected);
            if self.until <= Instant::now() {
                return Err(used_up());
            }
        }
        (compared.before, compared.candidate) = (before.time, candidate.time);
        Ok(compared)
    }

    fn version(&self, converter: &Converter, warnings: &Warnings) -> Result<Version, LoadError> {
        let started = Instant::now();
        let object = self.object.clone().in_types_of(converter.contract().edition());
        let mut instance = converter.instantiate_aside(warnings, self.until)?;
        let plan = instance.prepare(&Input::new(&self.dataset, &object, self.strict))?;
        let encoder = Encoder::new(&plan, Dialect::Any)?;
        let (lanes, time) = (Lanes::single(CHUNKS), started.elapsed());
        Ok(Version { object, instance, encoder, places: Vec::new(), lanes, time })
    }

    /// The candidate fails, unless it was kept from working.
    fn failed(&self, error: LoadError) -> Incomparable {
        match self.kept_from_working(&error) {
            Some(reason) => Incomparable::NotCompared(reason),
            None => Incomparable::Failed(error),
        }
    }

    fn unable(&self, what: &str, error: &LoadError) -> Incomparable {
        let reason = self.kept_from_working(error).unwrap_or_else(|| format!("{what} fails: {error}"));
        Incomparable::NotCompared(reason)
    }

    fn kept_from_working(&self, error: &LoadError) -> Option<String> {
        match error {
            LoadError::Converter(ConverterError::RanOutOfTime { .. }) if self.until <= Instant::now() => {
                Some(OUT_OF_TIME.to_owned())
            }
            LoadError::Converter(error @ ConverterError::RanOutOfMemory { asked, .. }) => {
                let own = self.candidate.memory_limit();
                (*asked <= own).then(|| format!("there is no memory for it beside others: {error}"))
            }
            LoadError::Converter(ConverterError::Engine { .. }) => Some(error.to_string()),
            _ => None,
        }
    }
}

/// The reason that is reported when the budget is used up.
const OUT_OF_TIME: &str = "its time was over; `CONVERTER_SHADOW_PERCENT` bounds it";

fn used_up() -> Incomparable {
    Incomparable::NotCompared(OUT_OF_TIME.to_owned())
}

impl Version {
    fn convert(&mut self, batch: &Batch) -> Result<Made, LoadError> {
        let started = Instant::now();
        let own = self.own(batch)?;
        let encoded = self.encoder.encode(&own, &mut self.instance, &mut self.lanes).map_err(|error| match error {
            EncodeError::Mapping(error) => LoadError::Converter(error),
            EncodeError::Column(error) => LoadError::Column(error),
        })?;
        let mut lines = Vec::new();
        for full in self.lanes.take_rest() {
            lines.extend_from_slice(full.chunk.body());
        }
        self.time += started.elapsed();
        let rejected = encoded.rejected.into_iter().map(|row| (row.row, row.code)).collect();
        // Text that was checked, and is not changed if it was.
        Ok(Made { lines: String::from_utf8_lossy(&lines).into_owned(), rejected })
    }

    /// The batch with the version's own columns.
    fn own(&self, batch: &Batch) -> Result<Batch, LoadError> {
        let columns = batch.columns.project(&self.places).map_err(LoadError::Column)?;
        let text = |text: &InvalidText| {
            let column = self.places.iter().position(|place| *place == text.column)?;
            Some(InvalidText { column, ..*text })
        };
        let invalid_texts = batch.invalid_texts.iter().filter_map(text).collect();
        Ok(Batch { columns, invalid_texts, rows: batch.rows.clone(), row_group: batch.row_group })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot continue has failed")]

    use std::fs::File;
    use std::sync::Arc;

    use ::parquet::arrow::ArrowWriter;
    use ::parquet::file::properties::WriterProperties;
    use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampNanosecondArray};

    use super::*;
    use crate::converter::{Engine, Limits};
    use crate::source::Memory;

    /// Rows in two row groups: one without a time, two that are the same point.
    fn object() -> ParquetObject {
        let text = |value: &str| Arc::new(StringArray::from_iter_values([value; 4])) as ArrayRef;
        let times = TimestampNanosecondArray::from(vec![Some(1), Some(2), None, Some(2)]).with_timezone("UTC");
        let rows = RecordBatch::try_from_iter([
            ("timestamp", Arc::new(times) as ArrayRef),
            ("region", text("south")),
            ("consumer_type", text("residential")),
            ("measurement_type", text("load")),
            ("unit", text("MW")),
            ("value", Arc::new(Float64Array::from(vec![1.0, 2.0, 3.0, 4.0])) as ArrayRef),
        ])
        .unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("object.parquet");
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(2)).build();
        let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), rows.schema(), Some(properties)).unwrap();
        writer.write(&rows).unwrap();
        writer.close().unwrap();
        // It stays open.
        ParquetObject::open_file(&path, Memory::mebibytes(16)).unwrap()
    }

    /// The converter of the dataset, with some of its bytes replaced.
    fn converter(engine: &Engine, replaced: &[(&[u8], &[u8])]) -> Converter {
        let mut bytes = converter_components::CONSUMPTION.to_vec();
        for (from, to) in replaced {
            let place = bytes.windows(from.len()).position(|window| window == *from).unwrap();
            bytes[place..place + to.len()].copy_from_slice(to);
        }
        engine.compile(&bytes).unwrap()
    }

    fn compared(candidate: &[(&[u8], &[u8])], until: Instant, limits: Limits) -> Result<Compared, Incomparable> {
        let (engine, object, dataset) = (Engine::new(limits).unwrap(), object(), "consumption".to_owned());
        let (before, candidate) = (converter(&engine, &[]), converter(&engine, candidate));
        let (selection, warnings) = (Selection::All, Warnings::default());
        let (rows_per_batch, strict) = (8192, true);
        Shadow { object, selection, rows_per_batch, dataset, strict, warnings, before, candidate, until }.run()
    }

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(600)
    }

    #[test]
    fn points_are_compared_and_rejected_rows_too() {
        let same = compared(&[], later(), Limits::default()).unwrap();
        assert!(same.comparison.is_same() && same.before > Duration::ZERO && same.candidate > Duration::ZERO);
        assert_eq!((same.rows, same.comparison.same), (4, 3));
        assert_eq!(same.comparison.rejected.new.values().sum::<u64>(), 1);

        let other = compared(&[(b"power_mw", b"power_mx")], later(), Limits::default()).unwrap();
        let compare = &other.comparison.differing;
        assert_eq!((compare.added, compare.removed, compare.changed, other.comparison.same), (0, 0, 3, 0));
    }

    #[test]
    fn a_candidate_fails_for_itself_and_what_is_not_known_is_not_compared() {
        let failed = compared(&[(b"consumer_type", b"consumer_typx")], later(), Limits::default());
        assert!(matches!(failed, Err(Incomparable::Failed(LoadError::Converter(ConverterError::Rejected { .. })))));

        let Err(Incomparable::NotCompared(reason)) = compared(&[], Instant::now(), Limits::default()) else {
            panic!("there was no time")
        };
        assert_eq!(reason, OUT_OF_TIME);
        // Two instances do not fit, one of them does.
        let (process_bytes, memory_bytes) = (2 << 20, 2 << 20);
        let limits = Limits { process_bytes, memory_bytes, ..Limits::default() };
        let Err(Incomparable::NotCompared(reason)) = compared(&[], later(), limits) else {
            panic!("there was no memory")
        };
        assert!(reason.contains("no memory for it beside others"), "{reason}");
    }
}
