//! The rejected rows of a snapshot, by the object that they come from.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::content::{Cells, Contents};
use super::draft::Draft;
use super::line::{ContentDigest, Line};
use super::place::Snapshot;
use super::writer::ROWS_PER_BATCH;
use super::{RejectsError, Source, blocking};
use crate::dataset::DatasetName;
use crate::source::{Edition, ParquetObject, Selection};

/// The rejected rows of one object. It holds 24 bytes a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The object.
    pub source: Source,
    /// The dataset that it was loaded as.
    pub dataset: DatasetName,
    /// Ascending, each once.
    rows: Rows,
}

/// Numbers of rows, with what they held.
type Rows = Vec<(u64, ContentDigest)>;

impl Snapshot {
    /// The rejected rows, by their objects. All lines are read and checked.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::lines`].
    pub async fn groups(mut self) -> Result<(Self, Vec<Group>), RejectsError> {
        blocking(move || {
            let mut groups: BTreeMap<(Source, DatasetName), Vec<(u64, ContentDigest)>> = BTreeMap::new();
            self.lines::<RejectsError>(|line, _| {
                groups.entry((line.source, line.dataset)).or_default().push((line.row, line.content));
                Ok(ControlFlow::Continue(()))
            })?;
            let group = |((source, dataset), mut rows): (_, Vec<_>)| {
                rows.sort_unstable();
                rows.dedup_by_key(|(row, _)| *row);
                Group { source, dataset, rows }
            };
            Ok((self, groups.into_iter().map(group).collect()))
        })
        .await
    }

    /// Copies the lines about the rows of a group into a draft.
    ///
    /// # Errors
    ///
    /// As [`Self::lines`] and [`Draft::append`].
    pub async fn copy(mut self, group: Group, mut draft: Draft) -> Result<(Self, Draft), RejectsError> {
        blocking(move || {
            self.lines::<RejectsError>(|line, text| {
                if group.has(&line) {
                    draft.append(text)?;
                }
                Ok(ControlFlow::Continue(()))
            })?;
            Ok((self, draft))
        })
        .await
    }
}

impl Group {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.rows.len() as u64
    }

    /// The rows, to be read from the object.
    pub fn selection(&self) -> Selection {
        Selection::rows(self.rows.iter().map(|(row, _)| *row))
    }

    /// Whether a line is about one of the rows.
    fn has(&self, line: &Line) -> bool {
        line.source == self.source
            && line.dataset == self.dataset
            && self.rows.binary_search_by_key(&line.row, |(row, _)| *row).is_ok()
    }

    /// Parts it: the rows that hold what they held when they were rejected, and those that hold something else or that the
    /// object does not have any more.
    ///
    /// # Errors
    ///
    /// [`RejectsError::Content`] when the object cannot be read.
    pub async fn part(self, object: ParquetObject) -> Result<(Self, Self), RejectsError> {
        blocking(move || {
            let end = self.rows.partition_point(|(row, _)| *row < object.rows());
            let (mut rows, gone) = (self.rows[..end].to_vec(), &self.rows[end..]);
            let mut same = Vec::with_capacity(end);
            // Rows were kept as the contract of their converter has them.
            for edition in [Edition::First, Edition::Second] {
                if !rows.is_empty() {
                    let (found, left) = same_rows(&object.clone().in_types_of(edition), rows)?;
                    same.extend(found);
                    rows = left;
                }
            }
            same.sort_unstable_by_key(|(row, _)| *row);
            rows.extend_from_slice(gone);
            let of = |rows| Self { source: self.source.clone(), dataset: self.dataset.clone(), rows };
            Ok((of(same), of(rows)))
        })
        .await
    }

    /// The numbers of the first rows, at most `limit`.
    pub fn first(&self, limit: usize) -> Vec<u64> {
        self.rows.iter().take(limit).map(|(row, _)| *row).collect()
    }
}

/// The rows that hold what they held, and the others. All of them must be rows of the object, ascending.
fn same_rows(object: &ParquetObject, rows: Rows) -> Result<(Rows, Rows), RejectsError> {
    let contents = Contents::new(object.columns());
    let (mut same, mut changed, mut text) = (Vec::with_capacity(rows.len()), Vec::new(), Vec::new());
    let selection = Selection::rows(rows.iter().map(|(row, _)| *row));
    let mut rows = rows.into_iter();
    for batch in object.read(contents.columns(), ROWS_PER_BATCH, &selection).map_err(RejectsError::Content)? {
        let batch = batch.map_err(RejectsError::Content)?;
        let cells = Cells::new(&batch);
        for (index, row) in rows.by_ref().take(batch.len()).enumerate() {
            text.clear();
            text.push(b'{');
            contents.write(&cells, index, &mut text);
            text.push(b'}');
            if ContentDigest::of(&text) == Some(row.1) { &mut same } else { &mut changed }.push(row);
        }
    }
    changed.extend(rows);
    Ok((same, changed))
}
