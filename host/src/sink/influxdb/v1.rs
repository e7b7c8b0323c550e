//! InfluxDB 1.x, and what speaks its protocol: VictoriaMetrics and others.
//!
//! `POST /write?db&precision`. Lines of one request stand for themselves: a refused one keeps none of the others out.
//! VictoriaMetrics refuses none: it answers 204 whatever the lines are, and counts those that it drops in its own metrics.

use reqwest::Url;

use super::credentials::{Credentials, Scheme};
use super::endpoint::{self, Endpoint};
use super::engine::Engine;
use crate::config::InfluxDbSettings;

/// Where points go: the bucket of the settings is the database.
pub(super) fn endpoint(base: &Url, settings: &InfluxDbSettings) -> Endpoint {
    let mut url = endpoint::join(base, &["write"]);
    url.query_pairs_mut().append_pair("db", &settings.bucket).append_pair("precision", "ns");
    let credentials = match (&settings.login, &settings.token) {
        (Some(login), _) => Credentials::login(login.clone()),
        (None, Some(token)) => Credentials::token(token.clone(), Scheme::Token),
        (None, None) => Credentials::nobody(),
    };
    Endpoint { engine: Engine::V1, url, target: format!("database `{}`", settings.bucket), credentials }
}
