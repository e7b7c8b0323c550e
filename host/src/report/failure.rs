//! Why something failed, classified once: the one place where a failure gets its error type and its status.

use std::error::Error;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::shorten;
use crate::logs::on_one_line;

/// The longest message of a failure, in bytes. Step Functions and the logs of Lambda cut longer ones.
const MAXIMUM_MESSAGE_BYTES: usize = 4096;

/// The line of an error's message that advises what to do.
const HINT: &str = "\nhint: ";

/// The types of errors that callers know by name, such as in `Retry` and `Catch` of a state machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ErrorType {
    /// The object, or its converter, does not give points.
    DataConversionError,
    /// InfluxDB is not reached, is busy, or does not let the loader in.
    InfluxDBConnectionError,
    /// InfluxDB refuses what is written.
    InfluxDBWriteError,
    /// Everything else: the event, S3, the loader itself.
    UnexpectedError,
}

impl ErrorType {
    /// Every type.
    pub const ALL: [Self; 4] =
        [Self::DataConversionError, Self::InfluxDBConnectionError, Self::InfluxDBWriteError, Self::UnexpectedError];

    /// The name by which callers know it.
    pub fn name(self) -> &'static str {
        match self {
            Self::DataConversionError => "DataConversionError",
            Self::InfluxDBConnectionError => "InfluxDBConnectionError",
            Self::InfluxDBWriteError => "InfluxDBWriteError",
            Self::UnexpectedError => "UnexpectedError",
        }
    }
}

impl fmt::Display for ErrorType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// What kind of failure it is, as the stages distinguish failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The event cannot be read.
    BadEvent,
    /// The method of a request is none by which objects are loaded.
    Method,
    /// The event names what the settings do not allow it to name.
    NotAllowed,
    /// The bucket, the object or the version does not exist.
    NotFound,
    /// The key names no dataset, or one that has no converter.
    UnknownDataset,
    /// The event or the object is larger than the loader takes.
    TooLarge,
    /// S3 does not let the loader read the object.
    Forbidden,
    /// S3 is not reached, or gives up in the middle.
    Source,
    /// The object is not readable Parquet, does not fit its dataset, or has a row that must not be rejected.
    Conversion,
    /// The converter breaks its contract: it traps, exceeds a limit, or answers nonsense.
    Converter,
    /// InfluxDB is not reached, or is busy for longer than there is time.
    Connection,
    /// InfluxDB does not let the loader write: a bad token, or no such organization or bucket.
    Refused,
    /// InfluxDB refuses points, or a request fails for good.
    Write,
    /// InfluxDB refuses every row: none is written, and loading the object again ends in the same way.
    Rejected,
    /// There is no time left before the deadline.
    Deadline,
    /// What should not happen: a fault of the loader or of its installation.
    Unexpected,
}

impl FailureKind {
    /// Every kind.
    pub const ALL: [Self; 16] = [
        Self::BadEvent,
        Self::Method,
        Self::NotAllowed,
        Self::NotFound,
        Self::UnknownDataset,
        Self::TooLarge,
        Self::Forbidden,
        Self::Source,
        Self::Conversion,
        Self::Converter,
        Self::Connection,
        Self::Refused,
        Self::Write,
        Self::Rejected,
        Self::Deadline,
        Self::Unexpected,
    ];

    /// The error type for callers.
    pub fn error_type(self) -> ErrorType {
        self.mapped().0
    }

    /// The HTTP status for callers by way of API Gateway.
    pub fn status(self) -> u16 {
        self.mapped().1
    }

    /// 400, 404 and 422 mean that a retry will fail; 503 means that it may succeed later.
    fn mapped(self) -> (ErrorType, u16) {
        match self {
            Self::BadEvent => (ErrorType::UnexpectedError, 400),
            Self::Method => (ErrorType::UnexpectedError, 405),
            Self::NotAllowed => (ErrorType::UnexpectedError, 403),
            Self::NotFound => (ErrorType::UnexpectedError, 404),
            Self::UnknownDataset => (ErrorType::DataConversionError, 404),
            Self::TooLarge => (ErrorType::DataConversionError, 413),
            Self::Forbidden => (ErrorType::UnexpectedError, 500),
            Self::Source => (ErrorType::UnexpectedError, 503),
            Self::Conversion => (ErrorType::DataConversionError, 400),
            Self::Converter => (ErrorType::DataConversionError, 500),
            Self::Connection => (ErrorType::InfluxDBConnectionError, 503),
            Self::Refused => (ErrorType::InfluxDBConnectionError, 500),
            Self::Write => (ErrorType::InfluxDBWriteError, 500),
            Self::Rejected => (ErrorType::InfluxDBWriteError, 422),
            Self::Deadline => (ErrorType::UnexpectedError, 503),
            Self::Unexpected => (ErrorType::UnexpectedError, 500),
        }
    }
}

/// Why an object, or a whole event, failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// What callers know it by; follows from [`Failure::kind`].
    error_type: ErrorType,
    /// What kind it is.
    kind: FailureKind,
    /// What failed and why.
    message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl Failure {
    /// A failure of `kind`, described by `error` and its sources: their messages joined by `: `, and their `hint:` lines apart.
    /// Control characters are escaped, except ends of lines: keys, names and servers' answers must not control a terminal.
    pub fn new(kind: FailureKind, error: &(dyn Error + 'static)) -> Self {
        let mut messages = Vec::new();
        let mut hints = Vec::new();
        let mut next = Some(error);
        while let Some(error) = next {
            next = error.source();
            let text = error.to_string();
            let (message, hint) =
                text.split_once(HINT).map_or((text.as_str(), None), |(message, hint)| (message, Some(hint)));
            messages.push(message.to_owned());
            hints.extend(hint.map(str::to_owned));
        }
        let [mut message, mut hint] = [messages.join(": "), hints.join("\n")].map(|text| without_commands(&text));
        shorten(&mut message, MAXIMUM_MESSAGE_BYTES);
        shorten(&mut hint, MAXIMUM_MESSAGE_BYTES);
        Self { error_type: kind.error_type(), kind, message, hint: Some(hint).filter(|hint| !hint.is_empty()) }
    }

    /// What kind it is.
    pub fn kind(&self) -> FailureKind {
        self.kind
    }

    /// Whether all that is wrong is that InfluxDB has refused every row: to load them again changes nothing.
    pub fn is_rejection(&self) -> bool {
        self.kind == FailureKind::Rejected
    }

    /// What callers know it by.
    pub fn error_type(&self) -> ErrorType {
        self.error_type
    }

    /// What failed and why; one or more lines, at most 4 KiB.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

/// A text without control characters, except ends of lines.
fn without_commands(text: &str) -> String {
    text.split('\n').map(on_one_line).collect::<Vec<_>>().join("\n")
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(formatter, "{HINT}{hint}"))
    }
}
