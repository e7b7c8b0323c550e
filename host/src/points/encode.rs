//! Batches → lines, row by row over columns that were bound beforehand.

use std::collections::HashMap;
use std::ops::{Range, RangeInclusive};

use arrow::array::{Array, Int64Array, StringArray};
use arrow::error::ArrowError;

use super::dialect::{Dialect, Engines};
use super::error::{EncodeError, LayoutError};
use super::fields::FieldSlot;
use super::inputs::{Choice, Inputs};
use super::kept::Kept;
use super::lanes::Lanes;
use super::layout::{self, PointLayout};
use super::line::OpenLine;
use super::line_end::{self, LineEnd};
use super::recent::PointKey;
use super::rejects::{RejectedRow, RowProblem};
use super::rules::Unwritable;
use super::series;
use super::tags::{self, TagSlot};
use super::text::Text;
use super::times::TimeText;
use super::translations::{Mapping, Translation};
use crate::converter::{Converted, Plan, Source};
use crate::source::Batch;

/// The most points that the elements of a row may give, and the most bytes of them: they stay together until they are sent.
const MAX_POINTS_A_ROW: usize = 65_536;
const MAX_BYTES_A_ROW: usize = 16 * 1024 * 1024;

/// What became of the rows of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoded {
    /// Rows that gave no point because the converter chose so.
    pub filtered: u64,
    /// Rows that were rejected, in ascending order.
    pub rejected: Vec<RejectedRow>,
}

/// Encodes the batches of one object, in any order.
#[derive(Debug)]
pub struct Encoder {
    plan: Plan,
    /// What [`Self::columns`] gives.
    columns: Vec<usize>,
    translations: Vec<Translation>,
    points: Vec<PointState>,
    keys: Vec<PointKey>,
}

#[derive(Debug)]
struct PointState {
    layout: PointLayout,
    when: Choice,
    times: Option<Int64Array>,
    allowed_times: RangeInclusive<i64>,
    /// How far back points are kept, where that is known.
    kept: Option<Kept>,
    /// Points before this are refused for sure.
    refused_before: i64,
    /// For each row, the sum of its tags' hashes; for tags whose order is settled.
    tags: Vec<u64>,
    /// The most that the engine takes of a series key together with a field's key.
    key_bytes: usize,
    /// Whether the tags of this batch may hide where their line ends.
    may_hide_ends: bool,
    /// Whether any line may have others after it, whoever sends it.
    is_text: bool,
    /// The longest key that a field has in this batch.
    longest_key: usize,
    /// The most that a line takes in this batch, in bytes.
    longest_line: usize,
    /// For points whose fields may collide: the last row, counted from 1, that wrote each key.
    written: Vec<usize>,
    /// The dictionaries of translated field keys, by field.
    key_dictionaries: HashMap<usize, StringArray>,
}

impl Encoder {
    /// Settles what of a plan does not depend on the data, for lines in `dialect`.
    ///
    /// # Errors
    ///
    /// When a measurement or a key of the plan cannot be written in line protocol.
    pub fn new(plan: &Plan, dialect: Dialect) -> Result<Self, LayoutError> {
        let tables = layout::tables(plan, dialect)?;
        let points = plan.points.iter().map(|point| {
            Ok(PointState {
                layout: PointLayout::new(point, plan, &tables, dialect)?,
                when: Choice::All,
                times: None,
                tags: Vec::new(),
                allowed_times: dialect.times(),
                kept: None,
                refused_before: i64::MIN,
                key_bytes: dialect.series_key_bytes().unwrap_or(usize::MAX),
                may_hide_ends: false,
                is_text: false,
                longest_key: 0,
                longest_line: 0,
                written: Vec::new(),
                key_dictionaries: HashMap::new(),
            })
        });
        Ok(Self {
            columns: layout::columns(plan),
            translations: (0..plan.translations.len()).map(Translation::new).collect(),
            points: points.collect::<Result<_, LayoutError>>()?,
            keys: Vec::new(),
            plan: plan.clone(),
        })
    }

    /// The same, which rejects what a bucket is known not to keep.
    #[must_use]
    pub fn keeping(mut self, kept: Option<Kept>) -> Self {
        for point in &mut self.points {
            point.kept = kept;
            point.refused_before = kept.map_or(i64::MIN, Kept::refused_before);
        }
        self
    }

    /// The same, for a text that others part into requests: what hides the end of its line is rejected, since it cannot be the last
    /// of its request for certain.
    #[must_use]
    pub fn into_text(mut self, is_text: bool) -> Self {
        self.points.iter_mut().for_each(|point| point.is_text = is_text);
        self
    }

    /// The columns of the object that batches must have, in this order.
    pub fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// The points of the batch that was encoded last, in order. May be taken, the memory too.
    pub fn keys(&mut self) -> &mut Vec<PointKey> {
        &mut self.keys
    }

    /// Encodes a batch into `lanes`.
    ///
    /// # Errors
    ///
    /// When the converter fails; the batch's rows may then be in the lanes in part.
    pub fn encode<M: Mapping>(
        &mut self,
        batch: &Batch,
        mapping: &mut M,
        lanes: &mut Lanes,
    ) -> Result<Encoded, EncodeError<M::Error>> {
        let rows = batch.columns.num_rows();
        let converted = self.convert(batch, mapping)?;
        let mut inputs = Inputs::new(&self.columns, &self.plan.translations, batch, &converted);
        for (translation, column) in self.translations.iter_mut().zip(&self.plan.translations) {
            let coded = inputs.coded(&Source::Column(*column))?;
            inputs.add_translated(translation.translate(&coded, mapping).map_err(EncodeError::Mapping)?);
        }
        for point in &mut self.points {
            point.bind(rows, &mut inputs)?;
        }
        Ok(self.encode_rows(batch, &converted, lanes))
    }

    fn convert<M: Mapping>(&self, batch: &Batch, mapping: &mut M) -> Result<Converted, EncodeError<M::Error>> {
        if !self.plan.converts() {
            return Ok(Converted { computed: Vec::new(), masks: Vec::new(), rejected: Vec::new() });
        }
        let positions: Vec<usize> =
            self.plan.reads.iter().filter_map(|column| self.columns.binary_search(column).ok()).collect();
        mapping.convert(&batch.columns.project(&positions)?).map_err(EncodeError::Mapping)
    }

    fn encode_rows(&mut self, batch: &Batch, converted: &Converted, lanes: &mut Lanes) -> Encoded {
        let mut encoded = Encoded::default();
        let mut invalid_texts = batch.invalid_texts.iter().peekable();
        let mut rejections = converted.rejected.iter().peekable();
        self.keys.clear();
        for row in 0..batch.len() {
            let (number, places) = (batch.rows.number(row), batch.places(row));
            if let Some(text) = invalid_texts.next_if(|text| text.row < places.end) {
                while invalid_texts.next_if(|text| text.row < places.end).is_some() {}
                while rejections.next_if(|rejection| rejection.row < places.end).is_some() {}
                let schema = batch.columns.schema_ref();
                let column = schema.fields().get(text.column).map_or("", |field| field.name());
                let problem = RowProblem::invalid_text(column).of_element(batch, &places, text.row);
                encoded.rejected.push(problem.of_row(number, batch.row_group));
                continue;
            }
            if let Some(rejection) = rejections.next_if(|rejection| rejection.row < places.end) {
                while rejections.next_if(|rejection| rejection.row < places.end).is_some() {}
                let problem = RowProblem::rejection(rejection).of_element(batch, &places, rejection.row);
                encoded.rejected.push(problem.of_row(number, batch.row_group));
                continue;
            }
            let (mut end, keys) = (LineEnd::Newline, self.keys.len());
            let problem = if places.len().saturating_mul(self.points.len()) > MAX_POINTS_A_ROW {
                Some(RowProblem::too_many_points(places.len(), self.points.len(), MAX_POINTS_A_ROW))
            } else {
                self.add_row(batch, row, &places, lanes, &mut end)
            };
            if let Some(problem) = problem {
                lanes.discard_row();
                self.keys.truncate(keys);
                encoded.rejected.push(problem.of_row(number, batch.row_group));
            } else if lanes.end_row(number, batch.row_group) == 0 {
                encoded.filtered += 1;
            } else if end == LineEnd::Hidden {
                lanes.close();
            }
        }
        encoded
    }
}

impl Encoder {
    /// Adds the points of a row, up to one that cannot be written.
    #[inline]
    fn add_row(
        &mut self,
        batch: &Batch,
        row: usize,
        places: &Range<usize>,
        lanes: &mut Lanes,
        end: &mut LineEnd,
    ) -> Option<RowProblem> {
        let number = batch.rows.number(row);
        // Known beforehand of most rows.
        let longest = || self.points.iter().map(|point| point.longest_line).sum::<usize>();
        let may_be_large = places.len() > 1 && places.len().saturating_mul(longest()) > MAX_BYTES_A_ROW;
        for place in places.clone() {
            if may_be_large && lanes.row_bytes() > MAX_BYTES_A_ROW {
                return Some(RowProblem::too_many_bytes(places.len(), MAX_BYTES_A_ROW));
            }
            for point in &mut self.points {
                if point.when.has(place) {
                    match point.add((row, place), number, *end, lanes, &mut self.keys) {
                        Ok(found) => *end = found,
                        Err(problem) => return Some(problem.of_element(batch, places, place)),
                    }
                }
            }
        }
        None
    }
}

impl PointState {
    fn bind(&mut self, rows: usize, inputs: &mut Inputs<'_>) -> Result<(), ArrowError> {
        self.when = inputs.choice(self.layout.when);
        self.times = Some(inputs.times(&self.layout.time)?);
        self.layout.measurement.bind(inputs)?;
        for tag in &mut self.layout.tags {
            tag.bind(inputs)?;
        }
        self.tags.clear();
        self.tags.resize(rows, 0);
        if self.layout.tags_are_settled {
            self.layout.tags.iter().for_each(|tag| tag.add_to(&mut self.tags));
        }
        let mut keys_changed = self.written.is_empty();
        for (index, field) in self.layout.fields.iter_mut().enumerate() {
            if let Some(dictionary) = field.bind(inputs)? {
                self.key_dictionaries.insert(index, dictionary);
                keys_changed = true;
            }
        }
        self.may_hide_ends = self.layout.tags.iter().any(TagSlot::may_hide_end);
        self.longest_key = self.layout.fields.iter().map(FieldSlot::longest_key).max().unwrap_or_default();
        self.longest_line = self.layout.measurement.longest()
            + self.layout.tags.iter().map(TagSlot::longest).sum::<usize>()
            + self.layout.fields.iter().map(FieldSlot::longest).sum::<usize>()
            + TimeText::LONGEST;
        if self.layout.fields_may_collide && keys_changed {
            self.number_keys();
        }
        // Rows are counted from the start of each batch.
        self.written.fill(0);
        Ok(())
    }

    /// Gives each key that a field may have in this batch a number, the same for the same key.
    fn number_keys(&mut self) {
        let mut numbers: HashMap<&str, usize> = HashMap::new();
        let mut number = |key| {
            let next = numbers.len();
            *numbers.entry(key).or_insert(next)
        };
        let mut ids: Vec<Vec<usize>> = Vec::with_capacity(self.layout.fields.len());
        for (index, field) in self.layout.fields.iter().enumerate() {
            ids.push(match (field.name(), self.key_dictionaries.get(&index)) {
                (Some(name), _) => vec![number(name)],
                (None, Some(dictionary)) => dictionary.iter().map(|key| number(key.unwrap_or_default())).collect(),
                (None, None) => Vec::new(),
            });
        }
        let count = numbers.len();
        for (field, ids) in self.layout.fields.iter_mut().zip(ids) {
            field.key_ids = ids;
        }
        self.written = vec![0; count];
    }

    /// Adds the point that a place of the batch gives, after one of the same row that ends `before`. Returns how its line ends.
    #[inline]
    fn add(
        &mut self,
        (batch_row, row): (usize, usize),
        number: u64,
        before: LineEnd,
        lanes: &mut Lanes,
        keys: &mut Vec<PointKey>,
    ) -> Result<LineEnd, RowProblem> {
        let time = match &self.times {
            Some(times) if times.is_valid(row) => times.values()[row],
            _ => return Err(RowProblem::timestamp()),
        };
        if !self.allowed_times.contains(&time) {
            return Err(RowProblem::timestamp_out_of_range());
        }
        if time < self.refused_before
            && let Some(kept) = self.kept
        {
            return Err(kept.problem());
        }
        let tags = if self.layout.tags_are_settled { self.tags[row] } else { self.tags_in_order(row)? };
        let measurement = self.layout.measurement.hash(row);
        // By the tags alone, so that points of a row that differ in their measurement are sent together.
        lanes.begin_line(if tags == 0 { measurement } else { tags });
        let fields = self.write(row, time, lanes.text())?;
        let end = self.end(before, lanes)?;
        let point = series::point(tags.wrapping_add(measurement), time);
        #[expect(clippy::cast_possible_truncation, reason = "distinguishes rows that follow each other")]
        let row_number = batch_row as u32;
        if self.layout.fields_by_key {
            // Rows replace each other that have the same keys.
            let written = self.layout.fields.iter().filter(|field| fields & field.bit != 0);
            let point = written.fold(point, |point, field| point.wrapping_add(field.key_hash(row)));
            keys.push(PointKey { point, time, fields: u32::MAX, row: row_number });
        } else {
            keys.push(PointKey { point, time, fields, row: row_number });
        }
        lanes.end_line(number, point, time);
        Ok(end)
    }

    /// Appends the line of a row. Returns the bits of its fields.
    #[inline]
    fn write(&mut self, row: usize, time: i64, text: &mut Text) -> Result<u32, RowProblem> {
        let mut line = text.line(self.longest_line);
        self.layout.measurement.write(row, &mut line)?;
        if self.layout.tags_are_settled {
            for tag in &self.layout.tags {
                tag.write(row, &mut line)?;
            }
        } else {
            line = self.write_tags_in_order(row, line)?;
        }
        // What is left of the limit for the key of a field. Only where the longest key does not fit is each looked at.
        let room = self.key_bytes.saturating_sub(line.len());
        let looks_at_keys = self.longest_key > room || self.layout.tags_may_be_fields;
        let (mut first, mut fields) = (true, 0);
        for field in &self.layout.fields {
            let slot = if self.layout.fields_may_collide { field.key_id(row) } else { None };
            if slot.is_some_and(|slot| self.written[slot] == row + 1) {
                continue;
            }
            if field.write(row, first, &mut line)? {
                if looks_at_keys {
                    self.check_key(row, field, room)?;
                }
                first = false;
                fields |= field.bit;
                if let Some(slot) = slot {
                    self.written[slot] = row + 1;
                }
            }
        }
        if first {
            return Err(RowProblem::no_fields());
        }
        self.layout.time_text.write(time, &mut line);
        line.end();
        Ok(fields)
    }

    /// How the line ends that was written after one of the same row that ends `before`.
    #[inline]
    fn end(&self, before: LineEnd, lanes: &Lanes) -> Result<LineEnd, RowProblem> {
        let end = if self.may_hide_ends { line_end::find(lanes.line()) } else { LineEnd::Newline };
        match (before, end) {
            (LineEnd::Newline, LineEnd::Newline) => Ok(end),
            (LineEnd::Newline, LineEnd::Hidden) if !self.is_text => Ok(end),
            (LineEnd::Hidden | LineEnd::Early, _) | (_, LineEnd::Hidden | LineEnd::Early) => {
                Err(RowProblem::unwritable("the row".to_owned(), Unwritable::HiddenEnd(Engines::V1AndV2)))
            }
        }
    }

    /// Holds the key of a field against the series key, and the keys of the tags, of its row.
    #[cold]
    fn check_key(&self, row: usize, field: &FieldSlot, room: usize) -> Result<(), RowProblem> {
        let key = field.written_key(row);
        let reason = if key.len() - 1 > room {
            Unwritable::SeriesTooLong(self.key_bytes, Engines::V1AndV2)
        } else if self.layout.tags_may_be_fields && self.layout.tags.iter().any(|tag| tag.has_key(row, key)) {
            Unwritable::TagAndField(Engines::V3)
        } else {
            return Ok(());
        };
        Err(RowProblem::unwritable(field.title(row), reason))
    }

    /// Tags whose keys are known only with the row, or of which several may have the same.
    fn sorted_tags(&self, row: usize) -> Result<Vec<tags::Written<'_>>, RowProblem> {
        let mut tags = Vec::with_capacity(self.layout.tags.len());
        for tag in &self.layout.tags {
            tags.extend(tag.find(row)?);
        }
        // A stable sort leaves those of the same key in the plan's order, of which the first is written.
        tags.sort_by_key(|tag| tag.name);
        tags.dedup_by_key(|tag| tag.name);
        Ok(tags)
    }

    #[inline(never)]
    fn tags_in_order(&self, row: usize) -> Result<u64, RowProblem> {
        Ok(self.sorted_tags(row)?.iter().fold(0, |sum, tag| sum.wrapping_add(tag.hash)))
    }

    #[inline(never)]
    fn write_tags_in_order<'a>(&self, row: usize, mut line: OpenLine<'a>) -> Result<OpenLine<'a>, RowProblem> {
        for tag in self.sorted_tags(row)? {
            tag.write(&mut line);
        }
        Ok(line)
    }
}
