//! Any payload → the objects that it names, and who asks.
//!
//! Each form of event has a file and an entry in [`FORMS`]: how it is recognized, and how it is read. What matches no
//! form is refused with the forms that are known; what matches a form and is broken is refused with the place. Nothing
//! that an event holds is trusted: names, keys and tokens are checked here, once.

mod node;
mod object;
mod target;
mod data_file;
mod message;
mod s3;
mod event_bridge;
mod sns;
mod sqs;
mod direct;
mod map;
mod batch_operations;
mod pipe;
mod dead_letter;
mod action;
mod http;

#[cfg(test)]
mod tests;

use std::error::Error;
use std::fmt;
use std::str::Utf8Error;

use serde_json::{Map, Value};

pub use data_file::{is_hidden, is_listed, is_parquet};
use node::Node;
pub use object::ObjectReference;
pub use target::{Prefix, Target};

/// The largest payload that Lambda delivers, in bytes. It bounds how many objects an event can name.
pub const MAXIMUM_PAYLOAD_BYTES: usize = 6 * 1024 * 1024;

/// An event, read.
#[derive(Debug)]
pub struct Event {
    /// Who asks.
    pub caller: Caller,
    /// What for.
    pub asked: Asked,
}

/// What an event asks for.
#[derive(Debug)]
pub enum Asked {
    /// To load objects, all of them or the event has failed.
    Load(Load),
    /// To load what each of its items names. An item that fails is not the failure of the others.
    Each(Vec<Item>),
    /// To see whether InfluxDB is reachable and well.
    Health {
        /// Also to write a point and read it back.
        deep: bool,
    },
    /// To sum up the report of a backfill.
    Summarize(Summarize),
    /// To hold objects against the database.
    Verify(Verify),
}

/// What is to be held against the database, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verify {
    /// The objects.
    pub load: Load,
    /// Whether every point is compared.
    pub exact: bool,
    /// Whether the database may have points beside those of the objects.
    pub ignore_extra: bool,
    /// How long a bucket of time is, in seconds; none: a day.
    pub bucket_seconds: Option<i64>,
}

/// The report of a backfill, which a Distributed Map has written into a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summarize {
    /// The bucket of the report and the plan.
    pub bucket: String,
    /// The key of the report's manifest.
    pub manifest: String,
    /// The key that a plan of what failed is to get.
    pub plan: String,
}

/// What is to be loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// What is named, in the order of the event; nothing for a test event, or where every record is skipped.
    pub targets: Vec<Target>,
    /// Records that report something other than the creation of an object, and objects that are hidden.
    pub skipped: u64,
}

impl Load {
    fn of(targets: Vec<Target>) -> Self {
        Self { targets, skipped: 0 }
    }

    /// What a notification reports: an object, unless it is hidden.
    fn notified(object: ObjectReference) -> Self {
        if data_file::is_hidden_object(&object.key, "", object.size) {
            return Self { targets: Vec::new(), skipped: 1 };
        }
        Self::of(vec![Target::Object(ObjectReference { notified: true, ..object })])
    }

    /// Adds what another record names.
    fn add(&mut self, other: Self) {
        self.targets.extend(other.targets);
        self.skipped += other.skipped;
    }
}

/// A part of an event that is answered for itself.
#[derive(Debug)]
pub struct Item {
    /// By what its caller knows it: the identifier of a message, or its place in the event.
    pub id: String,
    /// The group whose messages are handled in order, in a FIFO queue.
    pub group: Option<String>,
    /// What it asks for, or what is wrong with it.
    pub load: Result<Load, Broken>,
}

/// Who asks, and so how the answer has to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// S3, SNS or EventBridge, asynchronously: the answer is ignored, and a failed invocation is retried.
    Asynchronous,
    /// SQS, which expects a partial batch response: which of its messages have failed.
    Queue,
    /// Step Functions or another program, which reads the result or the type of the error.
    Direct,
    /// A Distributed Map of Step Functions, which reads a result for each item of its batch.
    Map,
    /// A job of S3 Batch Operations, which wants a result for each of its tasks.
    BatchOperations {
        /// The version of the schema, which is answered as it was sent.
        schema: String,
        /// The invocation, which is answered as it was sent.
        invocation: String,
    },
    /// API Gateway, which wants a status and a body, and waits for at most 30 seconds.
    ApiGateway,
    /// A function URL, which wants the same and waits for as long as the function may take.
    FunctionUrl,
    /// An application load balancer, which wants the status in words, too.
    LoadBalancer {
        /// Whether its target group has multi-value headers turned on.
        multi_value_headers: bool,
    },
}

/// Why a payload is not taken.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// It is larger than any that Lambda delivers.
    #[error("the event is too large: {bytes} bytes; at most {MAXIMUM_PAYLOAD_BYTES} are allowed")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// It is not JSON.
    #[error("the event is not JSON")]
    NotJson(#[source] serde_json::Error),
    /// It matches no form of event.
    #[error("the event has no known form; known are:{}", known_forms())]
    Unknown,
    /// It matches a form of event and breaks its rules.
    #[error("the event is a broken {form}")]
    Broken {
        /// The name of the form.
        form: &'static str,
        /// Who asks.
        caller: Box<Caller>,
        /// What is wrong with it, and where.
        #[source]
        broken: Broken,
    },
}

impl EventError {
    /// Who asks, as far as that is known. What matches no form counts as [`Caller::Direct`].
    pub fn caller(&self) -> Caller {
        match self {
            Self::TooLarge { .. } | Self::NotJson(_) | Self::Unknown => Caller::Direct,
            Self::Broken { caller, .. } => caller.as_ref().clone(),
        }
    }
}

/// What is wrong with an event, and where.
#[derive(Debug)]
pub struct Broken {
    /// The path, such as `Records[2].s3.object.key`.
    pub at: String,
    /// What is wrong there.
    pub problem: Problem,
}

impl fmt::Display for Broken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` {}", self.at, self.problem)
    }
}

impl Error for Broken {
    /// The message includes the problem already, so the source is the problem's own source.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.problem.source()
    }
}

/// What is wrong with a value of an event.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// There is none, or it is null.
    #[error("is missing")]
    Missing,
    /// It has another type.
    #[error("is {found}; expected {expected}")]
    Type {
        /// What would be right.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// It is empty.
    #[error("is empty")]
    Empty,
    /// It has too many bytes.
    #[error("is too long: {bytes} bytes; at most {limit} are allowed")]
    TooLong {
        /// How many it has.
        bytes: usize,
        /// How many it may have.
        limit: usize,
    },
    /// It cannot be the name of a bucket.
    #[error("is no bucket's name: `{0}`; allowed are 3 to 255 letters, digits, `.`, `-` and `_`")]
    Bucket(String),
    /// It holds something other than visible ASCII.
    #[error("holds characters other than visible ASCII")]
    Token,
    /// It is no digest.
    #[error("is no digest; expected the 64 lower-case hexadecimal digits of a SHA-256")]
    Digest,
    /// The record comes from another service than the first one.
    #[error("is another service than that of the first record; expected `{expected}`")]
    Source {
        /// The service of the form.
        expected: &'static str,
    },
    /// It is not URL-encoded.
    #[error("is not URL-encoded: the `%` at byte {position} is not followed by two hexadecimal digits")]
    NotUrlEncoded {
        /// Where the `%` stands.
        position: usize,
    },
    /// It decodes to bytes that are not UTF-8.
    #[error("does not decode to UTF-8")]
    NotUtf8(#[source] Utf8Error),
    /// It is not base64.
    #[error("is not base64, although `isBase64Encoded` is `true`")]
    NotBase64(#[source] base64::DecodeError),
    /// It is not JSON.
    #[error("is not JSON")]
    NotJson(#[source] serde_json::Error),
    /// It names no row groups.
    #[error("is no range of row groups; expected `[from, to]`, the first and the one after the last, such as `[0, 4]`")]
    RowGroups,
    /// It is a parameter that is either true or false.
    #[error("is neither `true` nor `false`")]
    Boolean,
    /// It is a message that carries none of the events that messages carry.
    #[error(
        "is no event that a message may carry: an S3 notification, an S3 event of EventBridge, \
         or `{{\"bucket\": \"…\", \"key\": \"…\"}}`"
    )]
    Message,
    /// It is a message that names a prefix.
    #[error("names a prefix, which a message must not: nothing would resume such a load")]
    PrefixInMessage,
    /// It is the event of a dead-letter message, and none that is known.
    #[error("is no event of a known form")]
    Request,
    /// It is the method of a request that neither loads nor asks for a health check.
    #[error("is `{0}`; objects are loaded by `POST`, and `GET …/health` is a health check")]
    Method(String),
    /// It is no action.
    #[error("is no action: `{0}`; known are `health`, `summarize` and `verify`")]
    Action(String),
    /// It is no length of a bucket of time.
    #[error("is no number of seconds from 1 to those of a hundred years")]
    BucketSeconds,
}

/// A form of event.
struct Form {
    /// What it is called in messages.
    name: &'static str,
    /// What it looks like, for who sent something else.
    example: &'static str,
    /// Who sends it.
    caller: fn(&Value) -> Caller,
    /// Whether a payload is meant to be of this form.
    matches: fn(&Map<String, Value>) -> bool,
    /// Reads it.
    read: fn(&Node<'_>) -> Result<Asked, Broken>,
}

/// Every form that is an object. The first one that matches is taken, so the least specific stand last.
const FORMS: [Form; 16] = [
    s3::NOTIFICATION,
    s3::TEST,
    event_bridge::OBJECT,
    event_bridge::SCHEDULE,
    sns::RECORDS,
    sqs::MESSAGES,
    batch_operations::TASKS,
    dead_letter::DEAD_LETTER,
    http::REST,
    http::HTTP,
    http::LOAD_BALANCER,
    action::ACTION,
    map::BATCH,
    direct::LIST,
    direct::PREFIX,
    direct::OBJECT,
];

fn known_forms() -> String {
    FORMS.iter().chain([&pipe::BATCH]).map(|form| format!("\n  {}: {}", form.name, form.example)).collect()
}

/// Reads an event from its bytes.
///
/// ```
/// use influxdb_loader::event::{Asked, Caller, Target, parse};
///
/// let event = parse(br#"{"bucket": "energy", "key": "dataset=generation/2024.parquet"}"#).unwrap();
/// assert_eq!(event.caller, Caller::Direct);
/// let Asked::Load(load) = event.asked else { panic!("it asks for a load") };
/// assert!(matches!(&load.targets[..], [Target::Object(object)] if object.bucket == "energy"));
/// ```
///
/// # Errors
/// [`EventError`] where the payload is too large, not JSON, of no known form, or broken.
pub fn parse(payload: &[u8]) -> Result<Event, EventError> {
    if payload.len() > MAXIMUM_PAYLOAD_BYTES {
        return Err(EventError::TooLarge { bytes: payload.len() });
    }
    read(&serde_json::from_slice(payload).map_err(EventError::NotJson)?)
}

/// Reads an event.
///
/// # Errors
/// [`EventError::Unknown`] or [`EventError::Broken`].
pub fn read(payload: &Value) -> Result<Event, EventError> {
    let form = form_of(payload).ok_or(EventError::Unknown)?;
    let caller = (form.caller)(payload);
    match (form.read)(&Node::new(payload, "")) {
        Ok(asked) => Ok(Event { caller, asked }),
        Err(broken) => Err(EventError::Broken { form: form.name, caller: Box::new(caller), broken }),
    }
}

/// The form that a payload is meant to be of.
fn form_of(payload: &Value) -> Option<&'static Form> {
    match payload {
        Value::Object(members) => FORMS.iter().find(|form| (form.matches)(members)),
        Value::Array(records) => {
            let first = records.first().and_then(Value::as_object);
            Some(&pipe::BATCH).filter(|form| first.is_some_and(form.matches))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}
