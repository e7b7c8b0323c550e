//! A sink that sends nothing: it shows each chunk to somebody, in an order in which the last line of a point is the one that counts.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use super::{Delivery, Flow, InfluxDb, Order, Parcel, SinkError};
use crate::config::WriteSettings;
use crate::points::{Chunk, Dialect};

/// Is shown points on their way to a server.
pub trait Watcher: Send + Sync {
    /// A chunk as the server would get it, in lines of its dialect. Lines of the same point come in the order of their rows.
    fn look(&self, chunk: &Chunk, dialect: Dialect);
}

/// Shows points, as they would be sent to a server.
pub struct Watch {
    server: Arc<InfluxDb>,
    dialect: OnceLock<Dialect>,
    watcher: Arc<dyn Watcher>,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Watch {
    /// Shows `watcher` what `server` would be sent.
    pub fn new(server: Arc<InfluxDb>, watcher: Arc<dyn Watcher>) -> Self {
        Self { server, dialect: OnceLock::new(), watcher }
    }

    /// The server.
    pub fn server(&self) -> &InfluxDb {
        &self.server
    }

    /// One chunk after the other, in the order of the file: sorting would be for a server.
    pub(super) async fn flow(&self, settings: &WriteSettings, deadline: Option<Instant>) -> Result<Flow, SinkError> {
        let flow = self.server.flow(settings, deadline).await?;
        self.dialect.get_or_init(|| flow.dialect);
        Ok(Flow { order: Order::File, requests: 1, shards: None, ..flow })
    }

    /// Shows a parcel, which counts as written.
    pub(super) fn look(&self, parcel: &Parcel) -> Delivery {
        let chunk = parcel.chunk();
        self.watcher.look(chunk, *self.dialect.get_or_init(|| Dialect::Any));
        Delivery {
            rows: chunk.rows().len(),
            points: chunk.points() as u64,
            line_protocol_bytes: chunk.body().len() as u64,
            ..Delivery::default()
        }
    }
}
