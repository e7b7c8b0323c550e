//! A model of each engine: what it keeps of a write, and what it answers.

mod query;
mod shards;
mod v1;
mod v2;
mod v3;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::SystemTime;

use super::arrival::{BadBody, Body};
use super::lines::{self, Line, Precision, Record};
use super::rules::{Dialect, Rules};
use super::store::{LineSet, Store};
use crate::{Request, Response};

/// An engine with what it keeps.
#[derive(Debug)]
pub(super) struct Engine {
    state: Mutex<State>,
}

/// What an engine has to remember.
#[derive(Debug)]
pub(super) struct State {
    pub(super) rules: Rules,
    pub(super) store: Store,
    pub(super) lines: LineSet,
    /// The types of columns: by shard (1.x and 2.x; 0 in InfluxDB 3), measurement and key.
    types: HashMap<(i64, String, String), &'static str>,
}

impl State {
    fn keep(&mut self, record: Record) {
        match record {
            Record::Point(point) => self.store.insert(point),
            Record::Hash(hash) => self.lines.insert(hash),
        }
    }
}

impl Engine {
    pub(super) fn new(rules: Rules) -> Self {
        let (store, lines, types) = (Store::default(), LineSet::default(), HashMap::new());
        Self { state: Mutex::new(State { rules, store, lines, types }) }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Whether a request is a write, on whatever engine.
    pub(super) fn is_write(request: &Request) -> bool {
        request.method == "POST" && ["/write", "/api/v2/write", "/api/v3/write_lp"].contains(&request.path())
    }

    /// Does what a request asks for, and answers.
    pub(super) fn answer(&self, request: &Request, body: &Body) -> Response {
        // A copy, so that lines are read while others are kept.
        let rules = self.state().rules.clone();
        let call = Call { request, body, rules: &rules, engine: self };
        match rules.dialect {
            Dialect::V1 => v1::answer(&call),
            Dialect::V2 => v2::answer(&call),
            Dialect::V3 => v3::answer(&call),
        }
    }
}

/// A request to an engine.
struct Call<'a> {
    request: &'a Request,
    body: &'a Body,
    rules: &'a Rules,
    engine: &'a Engine,
}

/// Why a body is not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unread {
    TooLarge,
    Gzip,
    Text,
}

impl<'a> Call<'a> {
    /// The method and the path.
    fn route(&self) -> (&str, &str) {
        (&self.request.method, self.request.path())
    }

    /// A parameter of the query; empty where it is missing.
    fn parameter(&self, name: &str) -> String {
        self.request.parameter(name).unwrap_or_default()
    }

    /// Whether the caller has shown the token.
    fn is_let_in(&self) -> bool {
        let Some(token) = &self.rules.token else { return true };
        let shown = self.request.headers.get("authorization").and_then(|value| value.split_once(' '));
        shown.is_some_and(|(scheme, shown)| ["Token", "Bearer"].contains(&scheme) && shown == token)
    }

    fn text(&self) -> Result<&'a str, Unread> {
        match &self.body.text {
            _ if self.body.sent_bytes > self.rules.bytes => Err(Unread::TooLarge),
            Err(BadBody::Gzip) => Err(Unread::Gzip),
            Err(BadBody::Text) => Err(Unread::Text),
            Ok(text) if text.len() > self.rules.bytes => Err(Unread::TooLarge),
            Ok(text) => Ok(text),
        }
    }

    /// The precision that the request names; `None` where the engine does not know it.
    fn precision(&self) -> Option<Precision> {
        Precision::named(self.request.parameter("precision").as_deref(), self.rules.dialect)
    }

    fn lines(&self, text: &'a str, precision: Precision) -> Vec<Line<'a>> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos();
        lines::read(text, self.rules, precision, i64::try_from(now).unwrap())
    }

    fn state(&self) -> MutexGuard<'a, State> {
        self.engine.state()
    }
}

/// Parts lines into what can be kept, and those that do not parse with the reason.
fn parted<'a>(lines: Vec<Line<'a>>) -> (Vec<Record>, Vec<(&'a str, String)>) {
    let (mut records, mut refused) = (Vec::with_capacity(lines.len()), Vec::new());
    for line in lines {
        match line.record {
            Ok(record) => records.push(record),
            Err(reason) => refused.push((line.text, reason)),
        }
    }
    (records, refused)
}

/// How 1.x and 2.x report lines that do not parse. Source: models/points.go.
fn unable_to_parse(refused: &[(&str, String)]) -> String {
    let told: Vec<String> =
        refused.iter().map(|(text, reason)| format!("unable to parse '{text}': {reason}")).collect();
    told.join("\n")
}
