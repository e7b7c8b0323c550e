//! InfluxDB 2.x, Timestream for InfluxDB 2.7 among them.
//!
//! `POST /api/v2/write?org&bucket&precision`. A line that does not parse keeps all lines of its request out.

use reqwest::Url;

use super::credentials::{Credentials, Scheme};
use super::endpoint::{self, Endpoint};
use super::engine::Engine;
use crate::config::InfluxDbSettings;

/// Where points go.
pub(super) fn endpoint(base: &Url, settings: &InfluxDbSettings) -> Endpoint {
    let InfluxDbSettings { organization, bucket, .. } = settings;
    let mut url = endpoint::join(base, &["api", "v2", "write"]);
    url.query_pairs_mut().append_pair("org", organization).append_pair("bucket", bucket).append_pair("precision", "ns");
    let credentials = match &settings.token {
        Some(token) => Credentials::token(token.clone(), Scheme::Token),
        None => Credentials::nobody(),
    };
    Endpoint {
        engine: Engine::V2,
        url,
        target: format!("bucket `{bucket}` of organization `{organization}`"),
        credentials,
    }
}
