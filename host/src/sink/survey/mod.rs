//! A sink that sends nothing: it looks at what would be sent.
//!
//! ```text
//! parcels as the server would get them → lines → tables: types of fields, tags, series, shards, times
//! ```

mod line;
mod series;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

pub use super::kind::Kind;
pub(crate) use line::{Line, name};
pub use series::{ERROR, EXACT, Series};

use super::{Delivery, Flow, InfluxDb, Parcel, SinkError};
use crate::config::WriteSettings;
use crate::points::{Dialect, Kept, Shards};

/// Looks at points on their way to a server.
#[derive(Debug)]
pub struct Survey {
    server: Box<InfluxDb>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    dialect: Option<Dialect>,
    shards: Option<Shards>,
    kept: Option<Kept>,
    /// By measurement, as it is written.
    tables: HashMap<Vec<u8>, RawTable>,
    touched: BTreeSet<i64>,
    last_shard: Option<i64>,
    too_old: u64,
    times: Option<(i64, i64)>,
}

/// A measurement, with names as they are written.
#[derive(Debug, Default)]
struct RawTable {
    fields: HashMap<Vec<u8>, BTreeMap<Kind, u64>>,
    tags: HashMap<Vec<u8>, u64>,
    series: Series,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// By measurement.
    pub tables: BTreeMap<String, Table>,
    /// How many series there are.
    pub series: Series,
    /// In how many shards points lie, where the server has reported how long they are.
    pub shards: Option<u64>,
    /// The first and the last time, in nanoseconds since 1970.
    pub times: Option<(i64, i64)>,
    /// Points that are too old for the bucket, and not so old that they are not sent.
    pub too_old: u64,
}

/// What was found of a measurement.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// How many points have each field, by type.
    pub fields: BTreeMap<String, BTreeMap<Kind, u64>>,
    /// How many points have each tag.
    pub tags: BTreeMap<String, u64>,
    /// Its series.
    pub series: Series,
}

impl Survey {
    /// Of what would be sent to a server.
    pub fn of(server: InfluxDb) -> Self {
        Self { server: Box::new(server), state: Mutex::default() }
    }

    /// The server.
    pub fn server(&self) -> &InfluxDb {
        &self.server
    }

    pub(super) async fn flow(&self, settings: &WriteSettings, deadline: Option<Instant>) -> Result<Flow, SinkError> {
        let flow = self.server.flow(settings, deadline).await?;
        let mut state = self.state();
        (state.dialect, state.shards, state.kept) = (Some(flow.dialect), flow.shards, flow.kept);
        Ok(flow)
    }

    /// Looks at a parcel, which counts as written.
    pub(super) fn look(&self, parcel: &Parcel) -> Delivery {
        let chunk = parcel.chunk();
        let state = &mut *self.state();
        let dialect = state.dialect.unwrap_or(Dialect::Any);
        for number in 0..chunk.points() {
            state.add(&Line::of(chunk.text(number..number + 1), dialect));
        }
        Delivery {
            rows: chunk.rows().len(),
            points: chunk.points() as u64,
            line_protocol_bytes: chunk.body().len() as u64,
            bytes_written: parcel.body().len() as u64,
            requests: u64::from(chunk.points() > 0),
            ..Delivery::default()
        }
    }

    /// What was found so far.
    pub fn findings(&self) -> Findings {
        let state = self.state();
        let dialect = state.dialect.unwrap_or(Dialect::Any);
        let name = |written: &Vec<u8>| line::name(written, dialect);
        let mut series = Series::default();
        let tables = state.tables.iter().map(|(measurement, table)| {
            series.merge(&table.series);
            let fields = table.fields.iter().map(|(key, kinds)| (name(key), kinds.clone())).collect();
            let tags = table.tags.iter().map(|(key, points)| (name(key), *points)).collect();
            (name(measurement), Table { fields, tags, series: table.series.clone() })
        });
        Findings {
            tables: tables.collect(),
            series,
            shards: state.shards.map(|_| state.touched.len() as u64),
            times: state.times,
            too_old: state.too_old,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn add(&mut self, line: &Line<'_>) {
        let time = change(&mut self.tables, line.measurement(), |table| {
            table.series.add(line.series);
            for (tag, _) in line.tags() {
                change(&mut table.tags, tag, |points| *points += 1);
            }
            line.fields(|key, kind, _| change(&mut table.fields, key, |kinds| *kinds.entry(kind).or_default() += 1))
        });
        let (first, last) = self.times.get_or_insert((time, time));
        (*first, *last) = ((*first).min(time), (*last).max(time));
        self.too_old += u64::from(self.kept.is_some_and(|kept| time < kept.bound()));
        if let Some(shards) = self.shards {
            let shard = shards.shard(time);
            if self.last_shard.replace(shard) != Some(shard) {
                self.touched.insert(shard);
            }
        }
    }
}

/// Changes the value of a key, which is copied the first time alone.
fn change<V: Default, R>(map: &mut HashMap<Vec<u8>, V>, key: &[u8], change: impl FnOnce(&mut V) -> R) -> R {
    match map.get_mut(key) {
        Some(value) => change(value),
        None => change(map.entry(key.to_owned()).or_default()),
    }
}
