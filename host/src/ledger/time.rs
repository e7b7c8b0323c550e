//! A moment, as documents have it.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Nanoseconds since 1970. Written as RFC 3339, with as many digits as it needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub i64);

impl Time {
    /// That of this moment.
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
    }

    /// So many seconds since 1970.
    pub fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000_000))
    }

    /// Reads RFC 3339, or a number of nanoseconds since 1970; `None` where it is neither, or beyond 64 bits.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(nanoseconds) = text.parse() {
            return Some(Self(nanoseconds));
        }
        let time: Timestamp = text.parse().ok()?;
        i64::try_from(time.as_nanosecond()).ok().map(Self)
    }

    /// As people read it in a table, to the second.
    pub fn to_the_second(self) -> String {
        let time = Timestamp::from_nanosecond(self.0.into()).unwrap_or_default();
        time.strftime("%Y-%m-%d %H:%M:%S").to_string()
    }
}

impl fmt::Display for Time {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // 64 bits of nanoseconds do not leave the years that it knows.
        Timestamp::from_nanosecond(self.0.into()).unwrap_or_default().fmt(formatter)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let is_number = text.parse::<i64>().is_ok();
        let time = Self::parse(&text).filter(|_| !is_number);
        time.ok_or_else(|| D::Error::custom("it is no time of RFC 3339 between 1677 and 2262"))
    }
}
