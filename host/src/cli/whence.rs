//! `whence`: which objects can have written a point, and which of their rows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use super::{CliError, complain, print};
use crate::config::Config;
use crate::converter::identity;
use crate::event::ObjectReference;
use crate::ledger::{Converter, Document, LedgerError, Time};
use crate::logs::on_one_line;
use crate::pipeline::{LoadRequest, Loader, Location};
use crate::points::{Chunk, Dialect};
use crate::report::{ConverterId, Failure, FailureKind};
use crate::sink::survey::{Line, name};
use crate::sink::{InfluxDb, Sink, Watch, Watcher};

/// How many rows are named of an object: the last ones.
const ROWS: usize = 100;

/// The arguments of `whence`.
#[derive(Debug, clap::Args)]
pub(super) struct WhenceArguments {
    /// The measurement of the point.
    measurement: String,
    /// Its time: RFC 3339, such as 2024-03-01T12:00:00Z, or nanoseconds since 1970.
    #[arg(value_parser = time, allow_hyphen_values = true)]
    time: Time,
    /// Tags that it has, or other points at the same time have.
    #[arg(value_name = "TAG=VALUE", value_parser = tag)]
    tags: Vec<(String, String)>,
    /// Do not read the objects: name those that can have written it, and no rows.
    #[arg(long)]
    no_read: bool,
    /// Print JSON, a line for each object.
    #[arg(long)]
    json: bool,
}

fn time(text: &str) -> Result<Time, String> {
    Time::parse(text)
        .ok_or_else(|| "a time of RFC 3339, such as 2024-03-01T12:00:00Z, or nanoseconds since 1970".to_owned())
}

fn tag(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| "TAG=VALUE".to_owned())?;
    Ok((key.to_owned(), value.to_owned()))
}

/// What an object has of the point.
#[derive(Debug)]
enum Found {
    /// It was not read.
    Unread,
    /// It cannot be read any more as it was loaded.
    Unreadable(Failure),
    /// The rows that write it, each with its line.
    Rows(BTreeMap<u64, String>),
}

/// Names the objects. Returns whether all that can have written the point could be asked.
pub(super) async fn whence(config: &Config, arguments: &WhenceArguments) -> Result<bool, CliError> {
    let WhenceArguments { measurement, time, no_read, json, .. } = arguments;
    let mut quiet = config.clone();
    // What is read here is not loaded.
    (quiet.rejects, quiet.ledger, quiet.drop_invalid_records) = (None, None, true);
    let loader = Loader::new(config)?;
    let mut complete = true;
    let mut candidates = Vec::new();
    let is_wanted = |document: &Document| document.may_have_written(measurement, *time);
    for document in loader.ledger()?.all(is_wanted).await? {
        match document {
            Ok(document) => candidates.push(document),
            Err(error) => {
                complain(&Failure::new(FailureKind::Unexpected, &error), None);
                complete = false;
            }
        }
    }
    // The one that wins comes last.
    candidates.sort_by_key(|document| document.started_at);
    let (loader, mut told) = (loader.with_settings(&quiet), 0);
    for document in &candidates {
        let found = if *no_read { Found::Unread } else { read(config, &loader, document, arguments).await? };
        match &found {
            Found::Rows(rows) if rows.is_empty() => continue,
            Found::Unreadable(failure) => {
                complain(failure, Some(&document.object.to_string()));
                complete = false;
            }
            Found::Unread | Found::Rows(_) => {}
        }
        told += 1;
        print(&if *json { format!("{}\n", line(document, &found)) } else { text(document, &found) })?;
    }
    if told == 0 && !json {
        print("no object of the ledger can have written it\n")?;
    }
    Ok(complete)
}

/// Reads an object in the version that was loaded, through the converter that it was loaded by.
async fn read(
    config: &Config,
    loader: &Loader,
    document: &Document,
    arguments: &WhenceArguments,
) -> Result<Found, CliError> {
    let location = match (&document.object.bucket, &document.object.key, &document.object.file) {
        (Some(bucket), Some(key), _) => Location::S3(ObjectReference {
            version_id: document.object.version_id.clone(),
            if_match: Some(document.object.etag.clone()),
            converter_digest: Some(identity(&document.converter.digest, document.converter.parameters.as_deref())),
            row_groups: part(document),
            ..ObjectReference::new(bucket, key)
        }),
        (_, _, Some(file)) => Location::File(file.into()),
        _ => return Ok(Found::Unread),
    };
    if let Location::File(_) = location {
        let now = location.state().await.map(|state| state.is_some_and(|state| state.etag == document.object.etag));
        if !now.unwrap_or(false) {
            let gone = LedgerError::Gone(format!("{} as it was loaded", document.object));
            return Ok(Found::Unreadable(Failure::new(FailureKind::NotFound, &gone)));
        }
    }
    let server = Arc::new(InfluxDb::new(config.influxdb()?, &config.write)?);
    let search = Arc::new(Search {
        measurement: arguments.measurement.clone(),
        ending: format!(" {}\n", arguments.time.0).into_bytes(),
        tags: arguments.tags.iter().cloned().collect(),
        rows: Mutex::default(),
    });
    let watcher: Arc<dyn Watcher> = search.clone();
    let sink = Sink::from(Watch::new(server, watcher));
    let request = LoadRequest::new(&location).as_dataset(Some(&document.dataset));
    let report = loader.load(&request, &sink, None, &()).await;
    let is_as_loaded = |converter: &ConverterId| {
        (&converter.digest, &converter.parameters) == (&document.converter.digest, &document.converter.parameters)
    };
    Ok(match report.failure {
        Some(failure) => Found::Unreadable(failure),
        None if !report.converter.as_ref().is_some_and(is_as_loaded) => {
            let Converter { name, version, .. } = &document.converter;
            let gone = LedgerError::Gone(format!("converter {name} {version}, which loaded {}", document.object));
            Found::Unreadable(Failure::new(FailureKind::NotFound, &gone))
        }
        None => Found::Rows(search.rows.lock().unwrap_or_else(PoisonError::into_inner).clone()),
    })
}

fn part(document: &Document) -> Option<std::ops::Range<usize>> {
    let range = document.range();
    let numbers = [range.start, range.end].map(|number| usize::try_from(number).unwrap_or(usize::MAX));
    (!document.is_whole()).then(|| numbers[0]..numbers[1])
}

/// Looks for the point.
struct Search {
    measurement: String,
    /// What its line ends in.
    ending: Vec<u8>,
    tags: BTreeSet<(String, String)>,
    rows: Mutex<BTreeMap<u64, String>>,
}

impl Watcher for Search {
    fn look(&self, chunk: &Chunk, dialect: Dialect) {
        let mut start = 0;
        for line in chunk.lines() {
            let text = &chunk.body()[start..line.end];
            start = line.end;
            if text.ends_with(&self.ending) && self.is_point(text, dialect) {
                let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
                rows.insert(line.row, String::from_utf8_lossy(text).trim_end().to_owned());
                if rows.len() > ROWS {
                    // The last row counts.
                    rows.pop_first();
                }
            }
        }
    }
}

impl Search {
    fn is_point(&self, line: &[u8], dialect: Dialect) -> bool {
        let line = Line::of(line, dialect);
        if name(line.measurement(), dialect) != self.measurement {
            return false;
        }
        let tags: BTreeSet<(String, String)> =
            line.tags().map(|(key, value)| (name(key, dialect), name(value, dialect))).collect();
        self.tags.is_subset(&tags)
    }
}

fn line(document: &Document, found: &Found) -> Value {
    let mut line = json!({
        "object": document.object,
        "loaded_at": document.finished_at,
        "request": document.request,
        "converter": document.converter,
    });
    match found {
        Found::Unread => {}
        Found::Unreadable(failure) => line["failure"] = json!(failure),
        Found::Rows(rows) => {
            line["rows"] = rows.iter().map(|(row, text)| json!({ "row": row, "line": text })).collect();
        }
    }
    line
}

fn text(document: &Document, found: &Found) -> String {
    let Document { object, converter, finished_at, request, .. } = document;
    let version = object.version_id.as_ref().map_or_else(String::new, |version| format!(", version {version}"));
    let mut text = format!(
        "{}{version}\n  loaded {} UTC by {} {}, request {request}\n",
        on_one_line(&object.to_string()),
        finished_at.to_the_second(),
        converter.name,
        converter.version
    );
    match found {
        Found::Unread => {}
        Found::Unreadable(_) => text.push_str("  cannot be read any more as it was loaded\n"),
        Found::Rows(rows) => {
            for (row, line) in rows {
                text.push_str(&format!("  row {row}: {}\n", on_one_line(line)));
            }
        }
    }
    text
}
