//! Why an object was not loaded, classified once.

use arrow::error::ArrowError;

use super::nothing_written::NothingWritten;
use crate::converter::ConverterError;
use crate::dataset::DatasetError;
use crate::ledger::LedgerError;
use crate::points::{LayoutError, RejectedRow};
use crate::registry::RegistryError;
use crate::rejects::RejectsError;
use crate::report::FailureKind;
use crate::sink::{SinkError, SinkErrorKind};
use crate::source::SourceError;

/// Why an object was not loaded, or not as a whole.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The key does not show which dataset it is.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// There is no converter, or it failed.
    #[error(transparent)]
    Converter(#[from] ConverterError),
    /// The converter cannot be had.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The object cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The converter's plan cannot be written as line protocol.
    #[error("the converter's plan cannot be followed")]
    Layout(#[from] LayoutError),
    /// A column does not hold what its schema declares.
    #[error("a column cannot be converted")]
    Column(#[source] ArrowError),
    /// DROP_INVALID_RECORDS is false and a row was rejected.
    #[error(
        "row {row} is rejected as `{code}`\nhint: with `LOG_LEVEL=debug` the log shows why; with `DROP_INVALID_RECORDS=true` such rows are dropped and counted"
    )]
    RejectedRow {
        /// Its number in the object, from 0.
        row: u64,
        /// What reports count by.
        code: String,
    },
    /// The points cannot be written.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// Not one row is written, and InfluxDB refuses some of them: the object is rejected.
    #[error(transparent)]
    NothingWritten(#[from] NothingWritten),
    /// The rejected rows cannot be kept.
    #[error(transparent)]
    Rejects(#[from] RejectsError),
    /// The load cannot be recorded. Its points are written.
    #[error("the points are written, and the load cannot be recorded")]
    Ledger(#[from] LedgerError),
    /// Rows are lost or counted twice: a fault of the loader.
    #[error(
        "the accounts do not balance: of {expected} rows {read} were read, {written} written, {rejected} rejected, {filtered} filtered"
    )]
    Unbalanced {
        /// Rows of the object.
        expected: u64,
        /// Rows that were decoded.
        read: u64,
        /// Rows of which every point is written.
        written: u64,
        /// Rows rejected.
        rejected: u64,
        /// Rows that gave no point.
        filtered: u64,
    },
    /// Two instances of the converter plan the same object in different ways: one row must not depend on who converts it.
    #[error("two instances of the converter make different plans of the same object")]
    Unsteady,
    /// The deadline passed before a single row group was done: resuming would stall at the same point.
    #[error(
        "the time was over before a row group was done\nhint: give the function more time or memory, or write the object in smaller row groups; where `WRITE_RATE_POINTS` is set, raise it"
    )]
    NoTime,
    /// A thread of the loader stopped: a fault of the loader.
    #[error("a thread of the loader stopped")]
    Stopped(#[source] tokio::task::JoinError),
}

impl LoadError {
    /// The failure of an object of which no row may be rejected. The reason may quote what the row holds: it is logged
    /// at `debug` alone, and never reported.
    pub(super) fn rejected(rejected: &RejectedRow) -> Self {
        let RejectedRow { row, code, message, .. } = rejected;
        tracing::debug!(row, code, "{message}");
        Self::RejectedRow { row: *row, code: code.clone() }
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Dataset(_) => FailureKind::UnknownDataset,
            Self::Converter(error) => converter(error),
            Self::Registry(error) => registry(error),
            Self::Source(error) => source(error),
            Self::Layout(_) | Self::Unsteady => FailureKind::Converter,
            Self::Column(_) | Self::RejectedRow { .. } => FailureKind::Conversion,
            Self::Sink(error) => sink_failure_kind(error),
            Self::NothingWritten(_) => FailureKind::Rejected,
            Self::Rejects(error) => rejects(error),
            Self::Ledger(error) => ledger(error),
            Self::NoTime => FailureKind::Deadline,
            Self::Unbalanced { .. } | Self::Stopped(_) => FailureKind::Unexpected,
        }
    }

    /// What the converter wrote before it failed, and its stack, a line each.
    pub fn detail(&self) -> &[String] {
        match self {
            Self::Converter(error) => error.detail(),
            Self::Registry(RegistryError::Component(error) | RegistryError::Converter { cause: error, .. }) => {
                error.detail()
            }
            Self::Dataset(_)
            | Self::Registry(_)
            | Self::Source(_)
            | Self::Layout(_)
            | Self::Column(_)
            | Self::RejectedRow { .. }
            | Self::Sink(_)
            | Self::NothingWritten(_)
            | Self::Rejects(_)
            | Self::Ledger(_)
            | Self::Unbalanced { .. }
            | Self::Unsteady
            | Self::NoTime
            | Self::Stopped(_) => &[],
        }
    }
}

fn converter(error: &ConverterError) -> FailureKind {
    match error {
        ConverterError::Rejected { .. } => FailureKind::Conversion,
        ConverterError::UnknownDataset { .. } => FailureKind::UnknownDataset,
        ConverterError::Engine { .. } => FailureKind::Unexpected,
        ConverterError::Trapped { .. }
        | ConverterError::RanOutOfTime { .. }
        | ConverterError::RanOutOfMemory { .. }
        | ConverterError::InvalidResult { .. }
        | ConverterError::Spent { .. }
        | ConverterError::NotAComponent { .. }
        | ConverterError::NotAConverter { .. }
        | ConverterError::UnsupportedImports { .. }
        | ConverterError::ContractVersion { .. }
        | ConverterError::Parameters { .. }
        | ConverterError::Compile { .. } => FailureKind::Converter,
    }
}

fn registry(error: &RegistryError) -> FailureKind {
    match error {
        RegistryError::NoConverter { .. } => FailureKind::UnknownDataset,
        RegistryError::Converter { cause, .. } | RegistryError::Component(cause) => converter(cause),
        RegistryError::Serving { cause, .. } => registry(cause),
        RegistryError::Unavailable { .. } | RegistryError::TimedOut { .. } => FailureKind::Source,
        RegistryError::Forbidden { .. } => FailureKind::Forbidden,
        RegistryError::NotFound { .. }
        | RegistryError::TooLarge { .. }
        | RegistryError::Malformed { .. }
        | RegistryError::Mismatch { .. }
        | RegistryError::ContractVersion { .. }
        | RegistryError::Untrusted { .. }
        | RegistryError::PointerUntrusted { .. }
        | RegistryError::PointerSuperseded { .. }
        | RegistryError::PointerExpired { .. }
        | RegistryError::PointerGone { .. }
        | RegistryError::TooManyPatterns { .. }
        | RegistryError::PatternTaken { .. }
        | RegistryError::Yanked { .. } => FailureKind::Converter,
        RegistryError::NotConfigured
        | RegistryError::Name { .. }
        | RegistryError::Occupied { .. }
        | RegistryError::NotSigned { .. }
        | RegistryError::Conflict { .. }
        | RegistryError::NoPrevious { .. }
        | RegistryError::NothingInService { .. }
        | RegistryError::TrialRuns { .. }
        | RegistryError::Trial { .. }
        | RegistryError::InService { .. }
        | RegistryError::OtherDataset { .. }
        | RegistryError::Schema { .. }
        | RegistryError::ParametersRefused { .. }
        | RegistryError::SigningKey { .. }
        | RegistryError::Stopped(_) => FailureKind::Unexpected,
    }
}

fn source(error: &SourceError) -> FailureKind {
    match error {
        SourceError::NotFound { .. } | SourceError::NoBucket { .. } => FailureKind::NotFound,
        SourceError::Forbidden { .. } => FailureKind::Forbidden,
        SourceError::Replaced { .. } | SourceError::Read { .. } => FailureKind::Source,
        SourceError::Deadline { .. } => FailureKind::Deadline,
        SourceError::Selection { .. } => FailureKind::BadEvent,
        SourceError::TooMany { .. } => FailureKind::TooLarge,
        SourceError::NotParquet { .. }
        | SourceError::Metadata { .. }
        | SourceError::TooLarge { .. }
        | SourceError::Decode { .. } => FailureKind::Conversion,
    }
}

fn rejects(error: &RejectsError) -> FailureKind {
    match error {
        RejectsError::Content(error) | RejectsError::Listing(error) => source(error),
        RejectsError::Forbidden { .. } => FailureKind::Forbidden,
        RejectsError::Unavailable { .. } | RejectsError::Fetch { .. } | RejectsError::Changed { .. } => {
            FailureKind::Source
        }
        RejectsError::NoTime => FailureKind::Deadline,
        RejectsError::TooLarge { .. } | RejectsError::TooLong { .. } => FailureKind::TooLarge,
        // Nobody asked for the place of rejected rows: that it does not exist is a fault of the settings.
        RejectsError::NotFound { .. }
        | RejectsError::Write { .. }
        | RejectsError::Read { .. }
        | RejectsError::NotUnicode { .. }
        | RejectsError::Line { .. }
        | RejectsError::Stopped(_) => FailureKind::Unexpected,
    }
}

fn ledger(error: &LedgerError) -> FailureKind {
    match error {
        LedgerError::Forbidden { .. } => FailureKind::Forbidden,
        LedgerError::Unavailable { .. } | LedgerError::Contended { .. } => FailureKind::Source,
        LedgerError::Source(error) | LedgerError::Listing(error) => source(error),
        LedgerError::NoTime => FailureKind::Deadline,
        LedgerError::Gone(_) => FailureKind::NotFound,
        // Nobody asked for the place of a ledger: that it does not exist is a fault of the settings.
        LedgerError::NotFound { .. }
        | LedgerError::File { .. }
        | LedgerError::Malformed { .. }
        | LedgerError::TooLarge { .. }
        | LedgerError::TooMany { .. }
        | LedgerError::NotUnicode { .. }
        | LedgerError::NotConfigured
        | LedgerError::Stopped(_) => FailureKind::Unexpected,
    }
}

/// The kind of a failure to write, or of a health check.
pub fn sink_failure_kind(error: &SinkError) -> FailureKind {
    match error.kind() {
        SinkErrorKind::Connection => FailureKind::Connection,
        SinkErrorKind::Refused => FailureKind::Refused,
        // A reader of standard output that has gone is nothing that a report is made of.
        SinkErrorKind::Write | SinkErrorKind::Closed => FailureKind::Write,
        SinkErrorKind::Deadline => FailureKind::Deadline,
    }
}
