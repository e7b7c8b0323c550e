//! What a load leaves in the ledger.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Instant, UNIX_EPOCH};

use super::row_groups::RowGroups;
use super::{LoadError, Location};
use crate::config::RejectsUri;
use crate::converter;
use crate::ledger::{Converter, Document, Ledger, LedgerError, Rows, Subject, Target, Time};
use crate::points::Tally;
use crate::report::{Accounts, ObjectReport};
use crate::sink::Sink;
use crate::source::{ParquetObject, Selection};

/// Row groups that are counted one by one, before those that are done are added up.
const SINGLE: usize = 16;

/// A load, being recorded. What is counted is counted by row group, since a load that stops records those that are done.
pub(super) struct Recording {
    ledger: Ledger,
    subject: Subject,
    target: Target,
    /// The digest of the converter's parameters.
    parameters: Option<String>,
    started_at: Time,
    measurements: Arc<OnceLock<Option<Vec<String>>>>,
    groups: BTreeMap<u32, Counts>,
    /// Those that are done and were added up.
    done: Counts,
}

#[derive(Default)]
struct Counts {
    tally: Tally,
    /// Of these, what is known row by row: the rest is written.
    accounts: Accounts,
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.tally.add(other.tally);
        self.accounts.merge(&other.accounts);
    }
}

/// What is recorded of a load that is done, or stopped.
pub(super) struct Record {
    recording: Recording,
    row_groups: Range<usize>,
    of: usize,
}

impl Recording {
    /// Begins to record the load of an object that has been opened; `None` where it is not recorded: single rows, and points
    /// that go into a file.
    pub(super) async fn start(
        uri: Option<&RejectsUri>,
        location: &Location,
        object: &ParquetObject,
        selection: &Selection,
        converter: &converter::Converter,
        sink: &Sink,
        end: Option<Instant>,
    ) -> Result<Option<Self>, LoadError> {
        let (Some(uri), Sink::InfluxDb(influxdb)) = (uri, sink) else { return Ok(None) };
        if matches!(selection, Selection::Rows(_)) {
            return Ok(None);
        }
        let subject = match location {
            Location::S3(reference) => Subject {
                bucket: Some(reference.bucket.clone()),
                key: Some(reference.key.clone()),
                version_id: object.state().and_then(|state| state.version),
                file: None,
                etag: object.etag().unwrap_or("none").to_owned(),
            },
            Location::File(path) => file(path)?,
        };
        Ok(Some(Self {
            ledger: Ledger::new(uri.clone()),
            subject,
            target: Target::of(influxdb.settings()).with_engine(influxdb.engine(end).await?),
            parameters: converter.parameters_digest().map(str::to_owned),
            started_at: Time::now(),
            measurements: Arc::default(),
            groups: BTreeMap::new(),
            done: Counts::default(),
        }))
    }

    /// Where the measurements of the plan are noted.
    pub(super) fn measurements(&self) -> Arc<OnceLock<Option<Vec<String>>>> {
        Arc::clone(&self.measurements)
    }

    /// Counts the points of a batch, and what became of its rows before they were sent.
    pub(super) fn add(&mut self, row_group: u32, tally: Tally, filtered: u64, superseded: u64, row_groups: &RowGroups) {
        let accounts = Accounts { filtered, superseded, ..Accounts::default() };
        self.groups.entry(row_group).or_default().add(Counts { tally, accounts });
        if self.groups.len() > SINGLE {
            self.add_up(&row_groups.done());
        }
    }

    /// Counts a rejected row.
    pub(super) fn reject(&mut self, row_group: Option<u32>, code: &str) {
        let group = row_group.and_then(|row_group| self.groups.get_mut(&row_group));
        group.unwrap_or(&mut self.done).accounts.reject(code, 1);
    }

    fn add_up(&mut self, done: &Range<usize>) {
        let end = u32::try_from(done.end).unwrap_or(u32::MAX);
        let rest = self.groups.split_off(&end);
        for counts in std::mem::replace(&mut self.groups, rest).into_values() {
            self.done.add(counts);
        }
    }

    /// Ends it; `None` where no row group is done, except for an object that has none.
    pub(super) fn end(mut self, row_groups: &RowGroups) -> Option<Record> {
        let (done, of) = (row_groups.done(), row_groups.len());
        self.add_up(&done);
        (of == 0 || !done.is_empty()).then_some(Record { recording: self, row_groups: done, of })
    }
}

impl Record {
    /// Writes it, with an end in time.
    pub(super) async fn write(self, report: &ObjectReport, rows: u64, end: Option<Instant>) -> Result<(), LedgerError> {
        let Self {
            recording: Recording { ledger, subject, target, parameters, started_at, measurements, done, .. },
            ..
        } = self;
        let id = report.converter.clone();
        let Some(id) = id else { return Ok(()) };
        let Counts { tally, accounts } = done;
        let points = match report.remaining {
            None => report.accounts.points,
            // Others of row groups that are not done are among those.
            Some(_) => tally.buckets().map(|(_, bucket)| bucket.points).sum(),
        };
        let written = rows.saturating_sub(accounts.filtered + accounts.rejected_total());
        let document = Document {
            dataset: report.dataset.clone().unwrap_or_default(),
            converter: Converter { name: id.name, version: id.version, digest: id.digest, parameters },
            target,
            rows: Rows { written, filtered: accounts.filtered, rejected: accounts.rejected },
            points,
            superseded: accounts.superseded,
            started_at,
            finished_at: Time::now(),
            ..Document::new(subject, &self.row_groups, self.of).sent(&tally, measurements.get().cloned().flatten())
        };
        let record = ledger.record(&document);
        let recorded = match end {
            Some(end) => tokio::time::timeout_at(end.into(), record).await.unwrap_or(Err(LedgerError::NoTime)),
            None => record.await,
        };
        recorded.map(|place| tracing::debug!(%place, "the load is recorded"))
    }
}

/// A file, distinguished from its earlier versions by its length and when it was changed.
fn file(path: &Path) -> Result<Subject, LedgerError> {
    let refused = || LedgerError::NotUnicode { path: path.display().to_string() };
    let unread = |cause| LedgerError::File { path: path.display().to_string(), cause: Arc::new(cause) };
    let absolute = std::path::absolute(path).map_err(unread)?;
    let metadata = std::fs::metadata(path).map_err(unread)?;
    let changed = metadata.modified().map_err(unread)?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(Subject {
        bucket: None,
        key: None,
        version_id: None,
        file: Some(absolute.to_str().ok_or_else(refused)?.to_owned()),
        etag: format!("{}-{}", metadata.len(), changed.as_nanos()),
    })
}

impl Location {
    /// What the ledger knows it by: in which state it is now.
    pub(crate) async fn state(&self) -> Result<Option<Subject>, LedgerError> {
        match self {
            Self::File(path) => file(path).map(Some),
            Self::S3(reference) => {
                let client = crate::aws::s3().await;
                let current = crate::source::current(&client, &reference.bucket, &reference.key).await;
                match current.map_err(LedgerError::Source)? {
                    crate::source::Current::Is(state) => Ok(Some(Subject {
                        bucket: Some(reference.bucket.clone()),
                        key: Some(reference.key.clone()),
                        version_id: state.version,
                        file: None,
                        etag: state.etag,
                    })),
                    crate::source::Current::DeleteMarker | crate::source::Current::Gone => Ok(None),
                }
            }
        }
    }
}
