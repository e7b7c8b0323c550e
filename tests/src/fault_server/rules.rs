//! What an engine is and what it allows.

use std::time::Duration;

/// The generations of InfluxDB, which speak differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// InfluxDB 1.8.
    V1,
    /// InfluxDB 2.7.
    V2,
    /// InfluxDB 3 Core.
    V3,
}

/// What an engine allows. Everything may change while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Which engine it is.
    pub dialect: Dialect,
    /// Who has this token is let in; everyone where there is none.
    pub token: Option<String>,
    /// Whether who is let in may write.
    pub may_write: bool,
    /// The one organization.
    pub organization: String,
    /// The one bucket or database. InfluxDB 3 makes databases as they are written to: this one has all that it may have.
    pub bucket: String,
    /// Points before this time, in nanoseconds since the epoch, are beyond the retention of 1.x and 2.x. InfluxDB 3 Core
    /// takes points of any age, and does not show old ones.
    pub oldest: Option<i64>,
    /// For how long InfluxDB 3 shows points, as it reports it; `0s`: forever.
    pub retention: String,
    /// A line with this text is refused as one that does not parse, whatever it is.
    pub banned: Option<String>,
    /// The largest body, as it is sent and decompressed.
    pub bytes: usize,
    /// The most columns of a table, its time among them (InfluxDB 3).
    pub columns: usize,
    /// Whether InfluxDB 3 takes all lines or none, whatever it is asked.
    pub never_partial: bool,
    /// The version that it reports (InfluxDB 3).
    pub version: String,
    /// InfluxDB 3 acknowledges writes at its next tick of so long: a second, as it is installed. None: at once.
    pub tick: Option<Duration>,
    /// Whether even a ping needs a token (InfluxDB 3).
    pub pings_need_token: bool,
    /// Whether lines are read and become points. Else only their hashes are kept, and only [`Self::banned`] keeps one out.
    pub reads_lines: bool,
}

impl Rules {
    /// An engine as it is when it is installed, except for the tick of InfluxDB 3. The token is `token-of-the-test` where the engine asks
    /// for one.
    pub fn of(dialect: Dialect) -> Self {
        Self {
            dialect,
            token: (dialect != Dialect::V1).then(|| "token-of-the-test".to_owned()),
            may_write: true,
            organization: "ons-energy".to_owned(),
            bucket: "energy_data".to_owned(),
            oldest: None,
            retention: "0s".to_owned(),
            banned: None,
            bytes: match dialect {
                // Source: services/httpd/config.go, `DefaultMaxBodySize`.
                Dialect::V1 => 25_000_000,
                // 2.x takes what comes; it is proxies that do not.
                Dialect::V2 => usize::MAX,
                // `--max-http-request-size`
                Dialect::V3 => 10 * 1024 * 1024,
            },
            columns: 500,
            never_partial: false,
            version: "3.11.2".to_owned(),
            tick: None,
            pings_need_token: false,
            reads_lines: true,
        }
    }
}
