//! The parts of keys: a name that is taken over from outside cannot lead elsewhere in the bucket.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::error::RegistryError;

/// The longest version, in bytes.
const MAX_VERSION_BYTES: usize = 128;

/// The longest name of a channel, in bytes.
const MAX_CHANNEL_BYTES: usize = 64;

/// The version of a converter: a semantic one, of at most 128 bytes. Ordered by precedence.
///
/// ```
/// use influxdb_loader::registry::Version;
///
/// let version = |text: &str| text.parse::<Version>().unwrap();
/// assert!(version("1.10.0") > version("1.9.0") && version("1.0.0-rc.1") < version("1.0.0"));
/// assert!("stable".parse::<Version>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(semver::Version);

impl FromStr for Version {
    type Err = RegistryError;

    fn from_str(text: &str) -> Result<Self, RegistryError> {
        let version = Some(text).filter(|text| text.len() <= MAX_VERSION_BYTES).and_then(|text| text.parse().ok());
        version.map(Self).ok_or_else(|| RegistryError::name("version", text, "semantic versions, such as `1.4.0`"))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The name of a channel, such as `stable`: 1 to 64 lower-case letters, digits, `-` and `_`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Channel(String);

impl FromStr for Channel {
    type Err = RegistryError;

    fn from_str(text: &str) -> Result<Self, RegistryError> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
        if (1..=MAX_CHANNEL_BYTES).contains(&text.len()) && text.bytes().all(allowed) {
            return Ok(Self(text.to_owned()));
        }
        Err(RegistryError::name("channel", text, "1 to 64 lower-case letters, digits, `-` and `_`"))
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Channel {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Channel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn versions_are_semantic_and_no_paths() {
        for good in ["0.1.0", "1.4.0-rc.1", "1.0.0+linux.2"] {
            assert_eq!(good.parse::<Version>().unwrap().to_string(), good);
        }
        let long = format!("1.0.0-{}", "a".repeat(MAX_VERSION_BYTES));
        for bad in
            ["", "1", "1.0", "v1.0.0", "01.0.0", "1.0.0-a..b", "../1.0.0", "1.0.0/..", "1.0.0 ", "1.0.0-é", &long]
        {
            assert!(bad.parse::<Version>().is_err(), "{bad}");
        }
    }

    #[test]
    fn versions_are_ordered_by_precedence() {
        let mut versions =
            ["1.10.0", "1.9.0", "1.10.0-rc.2", "1.10.0-rc.10"].map(|text| text.parse::<Version>().unwrap());
        versions.sort();
        assert_eq!(versions.map(|version| version.to_string()), ["1.9.0", "1.10.0-rc.2", "1.10.0-rc.10", "1.10.0"]);
    }

    #[test]
    fn channels_are_plain_names() {
        for good in ["stable", "canary-2", "a_b"] {
            assert_eq!(good.parse::<Channel>().unwrap().to_string(), good);
        }
        for bad in ["", ".", "..", "a/b", "Stable", "a b", "a.json", "é", &"a".repeat(65)] {
            assert!(bad.parse::<Channel>().is_err(), "{bad}");
        }
    }
}
