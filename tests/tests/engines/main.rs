//! What real engines make of what the loader sends them: InfluxDB 1.x and 2.x, each as it comes.
#![allow(clippy::print_stdout, reason = "how many texts were tried is what one wants to know of a run by hand")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod asked;
mod dialects;
mod escapes;
mod health;
mod preflight;
mod passes;
mod refusals;
mod verify;

use influxdb_loader_tests::{InfluxDb, InfluxDb2};

const BUCKET: &str = "energy_data";

/// Runs a check against both engines, each with an empty bucket.
fn on_both(check: impl Fn(Server)) {
    check(Server::V1(InfluxDb::start(BUCKET)));
    check(Server::V2(InfluxDb2::start(BUCKET)));
}

/// A running server.
#[derive(Debug)]
enum Server {
    V1(InfluxDb),
    V2(InfluxDb2),
}

impl Server {
    /// Makes a further bucket, which keeps points for so long.
    fn create_bucket(&self, name: &str, retention_seconds: Option<u64>) {
        match self {
            Self::V1(server) => {
                let duration = retention_seconds.map_or_else(|| "INF".to_owned(), |seconds| format!("{seconds}s"));
                server.query("", &format!("CREATE DATABASE {name} WITH DURATION {duration} NAME kept"));
            }
            Self::V2(server) => server.create_bucket(name, retention_seconds, None),
        }
    }

    /// Stops the server and starts it again, with an index that is made anew from its data files. That of 1.x, which is in
    /// memory, always is.
    fn restart_with_rebuilt_index(&mut self) {
        match self {
            Self::V1(server) => server.restart(),
            Self::V2(server) => server.restart_with_rebuilt_index(),
        }
    }
}

impl std::ops::Deref for Server {
    type Target = influxdb_loader_tests::InfluxServer;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::V1(server) => server,
            Self::V2(server) => server,
        }
    }
}

impl std::ops::DerefMut for Server {
    fn deref_mut(&mut self) -> &mut Self::Target {
        match self {
            Self::V1(server) => server,
            Self::V2(server) => server,
        }
    }
}
