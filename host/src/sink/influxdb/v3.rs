//! InfluxDB 3, Timestream for InfluxDB 3 among them.
//!
//! `POST /api/v3/write_lp?db&precision&accept_partial&no_sync`. A refused line keeps none of the others out, and is named
//! by its number. An answer means that the points are in the write-ahead log. The endpoints that 3 has for clients of 1.x
//! and 2.x are not used: they answer 400 where the server fails and not the points.

use reqwest::Url;

use super::credentials::{Credentials, Scheme};
use super::endpoint::{self, Endpoint};
use super::engine::Engine;
use crate::config::InfluxDbSettings;

/// Where points go: the bucket of the settings is the database.
pub(super) fn endpoint(base: &Url, settings: &InfluxDbSettings) -> Endpoint {
    let mut url = endpoint::join(base, &["api", "v3", "write_lp"]);
    url.query_pairs_mut()
        .append_pair("db", &settings.bucket)
        // Without it the server guesses by the size of each number.
        .append_pair("precision", "nanosecond")
        .append_pair("accept_partial", "true")
        .append_pair("no_sync", "false");
    let credentials = match &settings.token {
        Some(token) => Credentials::token(token.clone(), Scheme::Bearer),
        None => Credentials::nobody(),
    };
    Endpoint { engine: Engine::V3, url, target: format!("database `{}`", settings.bucket), credentials }
}
