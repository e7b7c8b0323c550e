//! Who may ask: whoever knows the token, by the address that the workbench listens at, and from its own page.
//!
//! A web page that the author has open besides can send requests to loopback, and can give its own name the address of loopback
//! (DNS rebinding). So the name in `Host` must be one of loopback, a request that changes something must declare in `Origin` that
//! it comes from the workbench's page, and everything lies below a path that nobody can guess.

use std::net::SocketAddr;

use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

use super::DevError;

/// Bytes of the token: it is tried over the network, at most a few thousand times a second.
const TOKEN_BYTES: usize = 24;

/// The names that browsers have for the address that it listens at.
const NAMES: [&str; 2] = ["127.0.0.1", "localhost"];

/// The port that an address without one has.
const HTTP_PORT: &str = ":80";

/// What is asked of every request.
pub(super) struct Guard {
    token: String,
    /// Compares without telling by its time how much is the same: what is compared are two digests with this key.
    key: hmac::Key,
    expected: hmac::Tag,
    /// The port that it listens at, as it stands after a name.
    port: String,
}

/// What identifies the sender of a request.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asker<'a> {
    pub(super) host: Option<&'a str>,
    pub(super) origin: Option<&'a str>,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It is for another name than that of loopback.
    Host,
    /// It comes from another page, or does not name its page.
    Origin,
    /// It does not know the token.
    Token,
}

impl Refused {
    /// For whoever asked.
    pub(super) fn message(self) -> &'static str {
        match self {
            Self::Host => "the workbench answers to 127.0.0.1 and localhost only",
            Self::Origin => "requests that change something are taken from the workbench's own page only",
            Self::Token => {
                "the address lacks the workbench's token\nhint: open the address that `converter dev` printed"
            }
        }
    }
}

impl Guard {
    /// A guard with a new token, for a server at this address.
    pub(super) fn new(address: SocketAddr) -> Result<Self, DevError> {
        let random = SystemRandom::new();
        let mut bytes = [0; TOKEN_BYTES];
        random.fill(&mut bytes).map_err(|_| DevError::Random)?;
        let token: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &random).map_err(|_| DevError::Random)?;
        let expected = hmac::sign(&key, token.as_bytes());
        Ok(Self { token, key, expected, port: format!(":{}", address.port()) })
    }

    /// The address of the page.
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1{}/{}/", self.port, self.token)
    }

    /// The name of loopback in a `Host`, or in an `Origin` after its scheme, if it has the port that this listens at. Browsers omit
    /// the port of HTTP.
    fn name(&self, host: &str) -> Option<&'static str> {
        let name = host.strip_suffix(&self.port).or_else(|| (self.port == HTTP_PORT).then_some(host))?;
        NAMES.into_iter().find(|known| *known == name)
    }

    /// What a path asks for, below the token: `index` for `/TOKEN/index`.
    pub(super) fn check<'a>(&self, asker: Asker<'_>, changes: bool, path: &'a str) -> Result<&'a str, Refused> {
        let host = asker.host.and_then(|host| self.name(host)).ok_or(Refused::Host)?;
        let page = asker.origin.map(|origin| origin.strip_prefix("http://").and_then(|page| self.name(page)));
        match page {
            Some(page) if page != Some(host) => return Err(Refused::Origin),
            None if changes => return Err(Refused::Origin),
            _ => {}
        }
        let (token, rest) = path.strip_prefix('/').and_then(|path| path.split_once('/')).ok_or(Refused::Token)?;
        hmac::verify(&self.key, token.as_bytes(), self.expected.as_ref()).map_err(|_| Refused::Token)?;
        Ok(rest)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn guard() -> Guard {
        Guard::new(([127, 0, 0, 1], 4000).into()).unwrap()
    }

    fn from<'a>(host: &'a str, origin: Option<&'a str>) -> Asker<'a> {
        Asker { host: Some(host), origin }
    }

    #[test]
    fn the_page_is_served_to_whoever_knows_the_token() {
        let guard = guard();
        let path = guard.url().strip_prefix("http://127.0.0.1:4000").unwrap().to_owned();
        assert_eq!(path.len(), TOKEN_BYTES * 2 + 2);
        assert_eq!(guard.check(from("127.0.0.1:4000", None), false, &path), Ok(""));
        assert_eq!(guard.check(from("localhost:4000", None), false, &format!("{path}api/state")), Ok("api/state"));
        let (mistyped, short) = (path.replacen(|c: char| c.is_ascii_hexdigit(), "g", 1), &path[..path.len() - 2]);
        for other in ["/", "", "//", "/api/state", &mistyped, &format!("{short}/"), &format!("/{path}")] {
            assert_eq!(guard.check(from("127.0.0.1:4000", None), false, other), Err(Refused::Token), "{other}");
        }
        assert_ne!(guard.url(), super::tests::guard().url());
    }

    #[test]
    fn a_name_that_was_given_the_address_of_loopback_is_refused() {
        let guard = guard();
        let path = guard.url().split_off("http://127.0.0.1:4000".len());
        for host in ["evil.example:4000", "127.0.0.1", "127.0.0.1:4001", "localhost.:4000", ""] {
            assert_eq!(guard.check(from(host, None), false, &path), Err(Refused::Host), "{host}");
        }
        assert_eq!(guard.check(Asker::default(), false, &path), Err(Refused::Host));
    }

    #[test]
    fn at_the_port_of_http_browsers_send_none() {
        let guard = Guard::new(([127, 0, 0, 1], 80).into()).unwrap();
        let path = guard.url().split_off("http://127.0.0.1:80".len());
        for (host, origin) in [
            ("127.0.0.1", "http://127.0.0.1"),
            ("localhost", "http://localhost"),
            ("127.0.0.1:80", "http://127.0.0.1:80"),
            ("127.0.0.1:80", "http://127.0.0.1"),
        ] {
            assert_eq!(guard.check(from(host, Some(origin)), true, &path), Ok(""), "{host} {origin}");
        }
        for host in ["127.0.0.1:81", "127.0.0.1:", "127.0.0.1:+80", "127.0.0.1:080", "evil.example", "127.0.0.1:80:80"]
        {
            assert_eq!(guard.check(from(host, None), false, &path), Err(Refused::Host), "{host}");
        }
        for origin in ["http://localhost", "http://127.0.0.1:81", "https://127.0.0.1", "http://evil.example", "null"] {
            let asker = from("127.0.0.1", Some(origin));
            assert_eq!(guard.check(asker, true, &path), Err(Refused::Origin), "{origin}");
        }
    }

    #[test]
    fn what_changes_something_comes_from_the_page_itself() {
        let guard = guard();
        let path = guard.url().split_off("http://127.0.0.1:4000".len());
        let own = from("127.0.0.1:4000", Some("http://127.0.0.1:4000"));
        assert_eq!(guard.check(own, true, &path), Ok(""));
        for origin in
            ["http://evil.example", "null", "http://localhost:4000", "https://127.0.0.1:4000", "http://127.0.0.1"]
        {
            for changes in [true, false] {
                let asker = from("127.0.0.1:4000", Some(origin));
                assert_eq!(guard.check(asker, changes, &path), Err(Refused::Origin), "{origin}");
            }
        }
        assert_eq!(guard.check(from("127.0.0.1:4000", None), true, &path), Err(Refused::Origin));
    }
}
