//! On which terms a candidate is tried. They are part of what is signed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::rule::Rule;
use crate::registry::document::Release;
use crate::registry::error::RegistryError;
use crate::registry::names::Version;

/// How a candidate is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It converts beside the promoted version; its points are compared and never written.
    Shadow,
    /// It converts instead of the promoted version; its points are written.
    Canary,
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Shadow => "shadow",
            Self::Canary => "canary",
        })
    }
}

/// A share of all objects, in hundredths of a percent: 1 to 10,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share(u16);

impl Share {
    /// All objects.
    pub const ALL: Self = Self(10_000);

    /// Whether an object belongs to the share. The first 8 bytes of the key's SHA-256, as a number, decide: the same key is
    /// always on the same side, and what belongs to a share belongs to every larger one.
    pub fn has(self, key: &str) -> bool {
        let digest = Sha256::digest(key);
        let number = digest.iter().take(8).fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
        (number * 10_000) >> 64 < u128::from(self.0)
    }
}

impl FromStr for Share {
    type Err = RegistryError;

    fn from_str(text: &str) -> Result<Self, RegistryError> {
        let parsed = text.strip_suffix('%').and_then(|number| {
            let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
            let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            if !digits(whole) || !digits(fraction) || fraction.len() > 2 {
                return None;
            }
            let (whole, fraction): (u16, u16) = (whole.parse().ok()?, format!("{fraction:0<2}").parse().ok()?);
            whole.checked_mul(100)?.checked_add(fraction)
        });
        let allowed = "0.01% to 100%, with at most two digits after the point";
        parsed
            .filter(|share| (1..=10_000).contains(share))
            .map(Self)
            .ok_or_else(|| RegistryError::name("share", text, allowed))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 100, self.0 % 100) {
            (whole, 0) => write!(formatter, "{whole}%"),
            (whole, fraction) if fraction % 10 == 0 => write!(formatter, "{whole}.{}%", fraction / 10),
            (whole, fraction) => write!(formatter, "{whole}.{fraction:02}%"),
        }
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What is tried beside the promoted version, and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// How.
    pub kind: Kind,
    /// What.
    pub candidate: Release,
    /// On which objects.
    pub share: Share,
    /// When the candidate is promoted; never by itself without a rule.
    pub when: Option<Rule>,
    /// When the trial ends without it, which is looked at first; never by itself without a rule.
    pub unless: Option<Rule>,
}

/// What is asked for: the terms of a version whose digest is not known yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidacy {
    /// How it is tried.
    pub kind: Kind,
    /// What is tried.
    pub version: Version,
    /// The digest of its parameters.
    pub parameters: Option<String>,
    /// On which objects.
    pub share: Share,
    /// When it is promoted.
    pub when: Option<Rule>,
    /// When the trial ends without it.
    pub unless: Option<Rule>,
}

impl Candidacy {
    /// The terms of the version, which has this digest.
    pub(in crate::registry) fn of(self, sha256: String) -> Terms {
        let Self { kind, version, parameters, share, when, unless } = self;
        Terms { kind, candidate: Release { version, sha256, parameters }, share, when, unless }
    }
}

impl Terms {
    /// Refuses rules about what a trial of this kind does not measure.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Trial`].
    pub fn check(&self) -> Result<(), RegistryError> {
        let foreign = self.when.iter().chain(&self.unless).find_map(|rule| rule.foreign(self.kind));
        match foreign {
            None => Ok(()),
            Some(measure) => Err(RegistryError::Trial {
                reason: format!("a canary does not measure `{measure}`, since nothing is compared; a shadow does"),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shares_are_percentages() {
        for (text, shown) in
            [("5%", "5%"), ("0.01%", "0.01%"), ("12.5%", "12.5%"), ("100.00%", "100%"), ("3.05%", "3.05%")]
        {
            assert_eq!(text.parse::<Share>().unwrap().to_string(), shown);
        }
        for bad in ["", "5", "0%", "0.001%", "100.01%", "-1%", "+5%", "5 %", "1e1%", ".5%", "5.%", "66000%"] {
            assert!(bad.parse::<Share>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_is_on_the_side_that_the_guide_computes() {
        // printf %s KEY | sha256sum | cut -c1-16, divided by 2^64.
        let share = |text: &str| text.parse::<Share>().unwrap();
        let key = "hello";
        let digest: String = Sha256::digest(key).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digest, "2cf24dba5fb0a30e");
        assert!(share("17.56%").has(key) && !share("17.55%").has(key));
    }

    proptest! {
        #[test]
        fn larger_shares_have_what_smaller_ones_have(key in ".{0,40}", small in 1..=10_000_u16, more in 0..10_000_u16) {
            let large = Share(small.saturating_add(more).min(10_000));
            prop_assert!(!Share(small).has(&key) || large.has(&key));
            prop_assert!(Share::ALL.has(&key));
            prop_assert_eq!(large.to_string().parse::<Share>().unwrap(), large);
        }
    }

    #[test]
    fn a_share_has_about_so_many_objects() {
        let share: Share = "5%".parse().unwrap();
        let number = (0..20_000).filter(|number| share.has(&format!("dataset=load/{number}.parquet"))).count();
        assert!((900..1_100).contains(&number), "{number}");
    }
}
