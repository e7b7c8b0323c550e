//! Reads settings, checks them against the table, and remembers every one that is bad.

use std::fmt;

use reqwest::Url;

use super::TrustedKey;
use super::rejects_uri::RejectsUri;
use super::secret::{REDACTED, Secret};
use super::settings::{Kind, Setting};
use super::source_buckets::SourceBuckets;

/// One bad setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadSetting {
    /// Its value is not allowed.
    Value {
        /// The environment variable.
        name: &'static str,
        /// What was found, fit to be shown.
        value: String,
        /// What is allowed.
        allowed: String,
    },
    /// It is unset, and another setting cannot do without it.
    Unset {
        /// The environment variable.
        name: &'static str,
        /// The environment variable that needs it.
        needed_by: &'static str,
    },
}

impl fmt::Display for BadSetting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value { name, value, allowed } => write!(formatter, "`{name}` is {value}; allowed: {allowed}"),
            Self::Unset { name, needed_by } => write!(formatter, "`{name}` is unset; `{needed_by}` needs it"),
        }
    }
}

/// Settings as they are read. What is bad is remembered and a stand-in returned, so that all that is bad is found.
pub(super) struct Reader<F> {
    lookup: F,
    bad: Vec<BadSetting>,
}

impl<F: Fn(&str) -> Option<String>> Reader<F> {
    pub(super) fn new(lookup: F) -> Self {
        Self { lookup, bad: Vec::new() }
    }

    /// Every setting that was bad, in the order of reading.
    pub(super) fn finish(self) -> Vec<BadSetting> {
        self.bad
    }

    pub(super) fn is_set(&self, setting: &Setting) -> bool {
        self.raw(setting).is_some()
    }

    /// Remembers that `setting` is unset where another setting asks for it.
    pub(super) fn lacks(&mut self, setting: &Setting, needed_by: &Setting) {
        self.bad.push(BadSetting::Unset { name: setting.name, needed_by: needed_by.name });
    }

    /// The value or the default. Surrounding white space, which copying leaves behind, is no part of a value.
    fn raw(&self, setting: &Setting) -> Option<String> {
        (self.lookup)(setting.name)
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty())
            .or_else(|| setting.default.map(str::to_owned))
    }

    /// The value read by `parse`; `None` where there is none or it is bad.
    fn parsed<T>(&mut self, setting: &Setting, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let value = self.raw(setting)?;
        let parsed = parse(&value);
        if parsed.is_none() {
            let (value, allowed) = (shown(&setting.kind, &value), setting.kind.allowed());
            self.bad.push(BadSetting::Value { name: setting.name, value, allowed });
        }
        parsed
    }

    pub(super) fn text(&mut self, setting: &Setting) -> Option<String> {
        self.parsed(setting, |value| is_clean(value).then(|| value.to_owned()))
    }

    pub(super) fn token(&mut self, setting: &Setting) -> Option<Secret> {
        let visible = |value: &str| value.bytes().all(|byte| byte.is_ascii_graphic());
        self.parsed(setting, |value| visible(value).then(|| Secret::new(value)))
    }

    pub(super) fn password(&mut self, setting: &Setting) -> Option<Secret> {
        self.parsed(setting, |value| is_clean(value).then(|| Secret::new(value)))
    }

    /// The URL without its trailing slashes.
    pub(super) fn url(&mut self, setting: &Setting) -> Option<String> {
        self.parsed(setting, |value| {
            let url = Url::parse(value).ok()?;
            let plain = matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
                && url.fragment().is_none();
            plain.then(|| url.as_str().trim_end_matches('/').to_owned())
        })
    }

    /// Holds the URL of a proxy against what HTTP clients take, which ignore any other.
    pub(super) fn check_proxy(&mut self, setting: &Setting) {
        self.parsed(setting, |value| {
            let whole = if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
            let url = Url::parse(&whole).ok()?;
            (matches!(url.scheme(), "http" | "https") && url.has_host()).then_some(())
        });
    }

    pub(super) fn boolean(&mut self, setting: &Setting) -> bool {
        self.parsed(setting, |value| match value.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Some(true),
            "false" | "0" | "no" | "off" => Some(false),
            _ => None,
        })
        .unwrap_or_default()
    }

    /// The number; 0 where it is bad.
    pub(super) fn integer<N: TryFrom<u64> + Default>(&mut self, setting: &Setting) -> N {
        self.optional_integer(setting).unwrap_or_default()
    }

    /// The number; none where it is unset without a default, or bad.
    pub(super) fn optional_integer<N: TryFrom<u64>>(&mut self, setting: &Setting) -> Option<N> {
        let Kind::Integer { minimum, maximum } = setting.kind else { return None };
        self.parsed(setting, |value| {
            let number = value.parse().ok().filter(|number| (minimum..=maximum).contains(number))?;
            N::try_from(number).ok()
        })
    }

    pub(super) fn name(&mut self, setting: &Setting) -> Option<String> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
        self.parsed(setting, |value| (value.len() <= 64 && value.bytes().all(allowed)).then(|| value.to_owned()))
    }

    /// The prefix without slashes around it.
    pub(super) fn key_prefix(&mut self, setting: &Setting) -> Option<String> {
        self.parsed(setting, |value| {
            let prefix = value.trim_matches('/');
            let part =
                |part: &str| !matches!(part, "" | "." | "..") && part.bytes().all(|byte| byte.is_ascii_graphic());
            (prefix.len() <= 512 && prefix.split('/').all(part)).then(|| prefix.to_owned())
        })
    }

    pub(super) fn rejects_uri(&mut self, setting: &Setting) -> Option<RejectsUri> {
        self.parsed(setting, |value| RejectsUri::parse(value).filter(|_| is_clean(value)))
    }

    pub(super) fn source_buckets(&mut self, setting: &Setting) -> Option<SourceBuckets> {
        self.parsed(setting, |value| SourceBuckets::parse(value).filter(|_| is_clean(value)))
    }

    pub(super) fn public_keys(&mut self, setting: &Setting) -> Vec<TrustedKey> {
        self.parsed(setting, |value| value.split(',').map(TrustedKey::read).collect()).unwrap_or_default()
    }

    /// What `choose` makes of the word, in lower case.
    pub(super) fn choice<T>(&mut self, setting: &Setting, choose: impl Fn(&str) -> Option<T>) -> Option<T> {
        self.parsed(setting, |value| choose(&value.to_ascii_lowercase()))
    }
}

/// Whether there is no control character, and no U+FFFD, which stands where the environment held no UTF-8.
fn is_clean(value: &str) -> bool {
    !value.contains(|character: char| character.is_control() || character == '\u{fffd}')
}

/// A bad value as a message may show it: nothing of a secret, no user name, password or query of a URL, no control
/// characters, and not without end.
fn shown(kind: &Kind, value: &str) -> String {
    /// Enough to recognize a value by.
    const LIMIT: usize = 100;
    let text = match kind {
        Kind::Token | Kind::Password => return REDACTED.to_owned(),
        Kind::Url | Kind::Proxy => {
            let (address, query) = value.split_once(['?', '#']).map_or((value, ""), |(address, _)| (address, "?"));
            let address = match address.rsplit_once('@') {
                Some((_, host)) => format!("{REDACTED}@{host}"),
                None => address.to_owned(),
            };
            if query.is_empty() { address } else { format!("{address}?{REDACTED}") }
        }
        Kind::Text
        | Kind::Boolean
        | Kind::Integer { .. }
        | Kind::Name
        | Kind::KeyPrefix
        | Kind::RejectsUri
        | Kind::SourceBuckets
        | Kind::PublicKeys
        | Kind::Choice(_) => value.to_owned(),
    };
    let mut shown: String = text.chars().take(LIMIT).flat_map(char::escape_debug).collect();
    if text.chars().nth(LIMIT).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}
