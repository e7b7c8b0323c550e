//! URLs: the server's own, and those of its requests.

use std::net::IpAddr;

use reqwest::Url;

use crate::sink::error::SinkError;

/// Reads the URL of a server.
pub(in crate::sink::influxdb) fn parse(text: &str) -> Result<Url, SinkError> {
    let invalid = |url: String, problem| Err(SinkError::InvalidUrl { url, problem });
    let Ok(url) = Url::parse(text) else {
        // What cannot be read cannot be freed of a password either.
        let fit_to_show = if text.contains('@') { "[redacted]" } else { text };
        return invalid(fit_to_show.to_owned(), "it is not a URL");
    };
    if !matches!(url.scheme(), "http" | "https") {
        return invalid(shown(&url), "it starts with neither `http://` nor `https://`");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return invalid(shown(&url), "a user and a password do not belong in it");
    }
    Ok(url)
}

/// `base` with further path segments; a path that `base` has, of a proxy for instance, stays before them.
pub(in crate::sink::influxdb) fn join(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    url.set_query(None);
    url.set_fragment(None);
    // Only URLs without a host have no segments, and `parse` lets none of them in.
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

/// Whether a server is on this machine, by its URL: then compressing what it is sent saves nothing.
pub(in crate::sink::influxdb) fn is_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A URL as messages name it: without credentials and query.
pub(in crate::sink::influxdb) fn shown(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

    use super::*;

    #[test]
    fn requests_go_below_the_path_of_the_url() {
        let joined = |base| join(&parse(base).unwrap(), &["api", "v2", "write"]).to_string();
        assert_eq!(joined("http://localhost:8086"), "http://localhost:8086/api/v2/write");
        assert_eq!(joined("https://proxy/influx/"), "https://proxy/influx/api/v2/write");
        assert_eq!(joined("https://proxy/influx?a=b#c"), "https://proxy/influx/api/v2/write");
    }

    #[test]
    fn a_url_that_cannot_be_used_is_named_without_its_password() {
        let error = |url| parse(url).unwrap_err().to_string();
        insta::assert_snapshot!(error("localhost"), @"InfluxDB's URL cannot be used, it is not a URL: `localhost`");
        insta::assert_snapshot!(error("ftp://host/"), @"InfluxDB's URL cannot be used, it starts with neither `http://` nor `https://`: `ftp://host/`");
        insta::assert_snapshot!(error("https://me:hunter2@host:8086/x"), @"InfluxDB's URL cannot be used, a user and a password do not belong in it: `https://host:8086/x`");
        insta::assert_snapshot!(error("https://me:hunter2@:x"), @"InfluxDB's URL cannot be used, it is not a URL: `[redacted]`");
    }
}
