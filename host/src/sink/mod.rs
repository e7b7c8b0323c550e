//! Line protocol → InfluxDB, a file or standard output.
//!
//! A [`Sink`] takes [`Parcel`]s, one request each as a rule, from any number of tasks at once. What it takes it has delivered when
//! [`Sink::write`] answers; nothing is queued behind the caller's back, so that a caller who counts answers counts
//! exactly what is written.

mod delivery;
mod health;
mod error;
mod flow;
mod gzip;
mod influxdb;
mod kind;
mod lines;
mod parcel;
mod rate;
pub mod survey;
mod watch;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod layers_tests;
#[cfg(test)]
pub(crate) mod scripted_server;

use std::time::Instant;

pub use delivery::Delivery;
pub use error::{Answer, SinkError, SinkErrorKind, TokenError, Tries, TrustError};
pub use flow::{By, Choice, Flow, Order, Writing};
pub use gzip::Gzip;
pub use health::{Depth, HealthCheck};
pub use influxdb::reading::{self, ReadError};
pub use influxdb::{Bucket, Engine, Grant, GrantError, Health, InfluxDb, PastWrites, Probe, SchemaError, ServerTable};
pub use lines::LineWriter;
pub use parcel::{Packer, Parcel};
pub use rate::Rate;
use survey::Survey;
pub use watch::{Watch, Watcher};

use crate::config::WriteSettings;
use crate::points::ChunkLimits;

/// How large chunks of a file are, and how many of them are made at a time, where no setting decides.
const FILE_POINTS: usize = 1_000;
const FILE_BYTES: usize = 5 << 20;
const FILE_WRITERS: usize = 4;

/// Where points go.
#[derive(Debug)]
pub enum Sink {
    /// To InfluxDB, by HTTP.
    InfluxDb(Box<InfluxDb>),
    /// To a file or standard output, as text.
    Lines(LineWriter),
    /// Nowhere: they are looked at.
    Survey(Survey),
    /// Nowhere: they are shown.
    Watch(Watch),
}

impl From<Watch> for Sink {
    fn from(watch: Watch) -> Self {
        Self::Watch(watch)
    }
}

impl From<InfluxDb> for Sink {
    fn from(influxdb: InfluxDb) -> Self {
        Self::InfluxDb(Box::new(influxdb))
    }
}

impl From<Survey> for Sink {
    fn from(survey: Survey) -> Self {
        Self::Survey(survey)
    }
}

impl From<LineWriter> for Sink {
    fn from(lines: LineWriter) -> Self {
        Self::Lines(lines)
    }
}

impl Sink {
    /// What makes parcels for it; one for each thread.
    pub fn packer(&self) -> Packer {
        Packer::new(self.compresses())
    }

    /// Whether its parcels are compressed.
    pub(crate) fn compresses(&self) -> bool {
        match self {
            Self::InfluxDb(influxdb) => influxdb.compresses(),
            Self::Lines(lines) => lines.compresses(),
            Self::Survey(survey) => survey.server().compresses(),
            Self::Watch(_) => false,
        }
    }

    /// Delivers a parcel, with as many attempts as the settings allow and the deadline leaves time for.
    ///
    /// May be called from many tasks at once. Dropping the future gives the parcel up: it may be written or not.
    /// Writing the same parcel again writes the same points.
    ///
    /// # Errors
    /// See [`SinkError`]; the chunk counts as not written, though after a timeout InfluxDB may have written it.
    pub async fn write(&self, parcel: Parcel, deadline: Option<Instant>) -> Result<Delivery, SinkError> {
        match self {
            Self::InfluxDb(influxdb) => influxdb.write(&parcel, deadline).await,
            Self::Lines(lines) => lines.write(parcel, deadline).await,
            Self::Survey(survey) => Ok(survey.look(&parcel)),
            Self::Watch(watch) => Ok(watch.look(&parcel)),
        }
    }

    /// What writes text, where threads that make parcels can write them on the spot: handing them to others takes longer.
    pub(crate) fn lines(&self) -> Option<&LineWriter> {
        match self {
            Self::InfluxDb(_) | Self::Survey(_) | Self::Watch(_) => None,
            Self::Lines(lines) => Some(lines),
        }
    }

    /// How many points a second may be sent; none where nothing bounds it.
    pub(crate) fn rate(&self) -> Option<&Rate> {
        match self {
            Self::InfluxDb(influxdb) => influxdb.rate(),
            Self::Lines(_) | Self::Survey(_) | Self::Watch(_) => None,
        }
    }

    /// Checks that the server, if there is one, is reachable.
    ///
    /// # Errors
    /// See [`InfluxDb::reach`].
    pub async fn reach(&self, deadline: Option<Instant>) -> Result<(), SinkError> {
        match self {
            Self::InfluxDb(influxdb) => influxdb.reach(deadline).await.map(drop),
            Self::Survey(survey) => survey.server().reach(deadline).await.map(drop),
            Self::Watch(watch) => watch.server().reach(deadline).await.map(drop),
            Self::Lines(_) => Ok(()),
        }
    }

    /// What the bucket keeps, in words, where the server has to be asked for it: 2.x reports it with each point that it refuses.
    pub async fn retention(&self, deadline: Option<Instant>) -> Option<String> {
        match self {
            Self::InfluxDb(influxdb) => influxdb.retention(deadline).await,
            Self::Lines(_) | Self::Survey(_) | Self::Watch(_) => None,
        }
    }

    /// Logs that an object has points in many shards of the server, if that was not logged before.
    pub(crate) async fn touches_many_shards(&self, deadline: Option<Instant>) {
        match self {
            Self::InfluxDb(influxdb) => influxdb.touches_many_shards(deadline).await,
            Self::Lines(_) | Self::Survey(_) | Self::Watch(_) => {}
        }
    }

    /// How it takes points.
    ///
    /// # Errors
    /// See [`InfluxDb::engine`].
    pub(crate) async fn flow(&self, settings: &WriteSettings, deadline: Option<Instant>) -> Result<Flow, SinkError> {
        match self {
            Self::InfluxDb(influxdb) => influxdb.flow(settings, deadline).await,
            Self::Survey(survey) => survey.flow(settings, deadline).await,
            Self::Watch(watch) => watch.flow(settings, deadline).await,
            Self::Lines(lines) => Ok(Flow {
                dialect: lines.dialect(),
                is_text: true,
                chunks: ChunkLimits {
                    points: settings.batch_points.unwrap_or(FILE_POINTS),
                    bytes: settings.batch_bytes.unwrap_or(FILE_BYTES),
                },
                requests: settings.concurrency.unwrap_or(FILE_WRITERS),
                order: Order::File,
                shards: None,
                kept: None,
            }),
        }
    }

    /// How an InfluxDB was written to, once it is known which one it is.
    pub(crate) fn writing(&self, settings: &WriteSettings) -> Option<Writing> {
        match self {
            Self::InfluxDb(influxdb) => influxdb.writing(settings),
            Self::Lines(_) | Self::Survey(_) | Self::Watch(_) => None,
        }
    }

    /// Completes what was written: a file gets its name. Nothing can be written to a file after it.
    ///
    /// # Errors
    /// [`SinkError::File`] where the file cannot be completed; it is removed then.
    pub async fn finish(&self) -> Result<(), SinkError> {
        match self {
            Self::InfluxDb(_) | Self::Survey(_) | Self::Watch(_) => Ok(()),
            Self::Lines(lines) => lines.finish().await,
        }
    }

    /// Gives up: an unfinished file is removed. What InfluxDB has, it keeps.
    pub async fn abandon(&self) {
        match self {
            Self::InfluxDb(_) | Self::Survey(_) | Self::Watch(_) => {}
            Self::Lines(lines) => lines.abandon().await,
        }
    }
}
