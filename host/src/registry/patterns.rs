//! Patterns: one converter serves several datasets.
//!
//! ```text
//! <name>/<version>/serves.json                  the patterns of a version, and who signed them; never changes
//! <name>/signatures/<channel>/…                 the same in the statement about a pointer, which counts (`pointers`)
//! .patterns/<channel>/<pattern>.<name>.json     that the name has promoted the pattern once; never changes or goes away
//! ```
//!
//! A converter is published and promoted under its own name, with everything that belongs to it. The objects below `.patterns/`
//! only show where to look: one listing shows all of them. Whether a name serves a pattern is what the signed statement about its
//! pointer states, so nothing is gained by adding such an object. No dataset's name begins with a dot, so that functions of the
//! first edition, which list the registry, find nothing new.
//!
//! A pattern is a name, or the beginning of one and `*`. Of two different ones that match a dataset one is always longer, and a
//! whole name goes first. The same one of two names is refused when the second is promoted.

use std::cmp::Reverse;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::json;

use super::document::{Manifest, Signature, parse, render};
use super::error::RegistryError;
use super::names::{Channel, Version};
use super::operations::Registry;
use super::pointers::Moment;
use super::signature::{SigningKey, text_signer};
use super::store::{Condition, Fetched};
use crate::dataset::DatasetName;

/// How many patterns a version has at most.
const MAX_PATTERNS: usize = 50;

/// The largest `serves.json`, in bytes: the patterns, and a hundred for each signature.
const MAX_BYTES: u64 = 16 * 1024;

/// How many patterns the names of a channel have promoted at most, now or before.
const MAX_CLAIMS: usize = 5_000;

/// What a signature of a version's patterns begins with, so that it can stand for nothing else.
const PURPOSE: &str = "influxdb-loader patterns 1\n";

/// Names of datasets: one, or all that begin in the same way. `timestream-*`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pattern(String);

impl Pattern {
    /// Whether a dataset is one of them.
    pub fn matches(&self, dataset: &DatasetName) -> bool {
        match self.0.strip_suffix('*') {
            Some(beginning) => dataset.as_str().starts_with(beginning),
            None => dataset.as_str() == self.0,
        }
    }

    /// The dataset, if it is the name of one.
    pub fn name(&self) -> Option<DatasetName> {
        self.0.parse().ok()
    }

    /// The pattern itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Sorts those that match the same dataset: the one that counts comes first.
    fn rank(&self) -> (bool, Reverse<usize>) {
        (self.0.ends_with('*'), Reverse(self.0.len()))
    }
}

impl FromStr for Pattern {
    type Err = RegistryError;

    fn from_str(text: &str) -> Result<Self, RegistryError> {
        let beginning = text.strip_suffix('*').unwrap_or(text);
        let name = beginning.parse::<DatasetName>().ok().filter(|name| name.as_str() == beginning);
        let allowed = "a dataset's name, or the beginning of one and `*`, such as `timestream-*`; `*` alone is none, \
                       since it would convert what is misspelt";
        name.map(|_| Self(text.to_owned())).ok_or_else(|| RegistryError::name("pattern", text, allowed))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The patterns of a list such as `timestream-*,legacy-load`, each once, in alphabetical order.
///
/// # Errors
///
/// [`RegistryError::Name`]; [`RegistryError::TooManyPatterns`].
pub fn patterns(text: &str) -> Result<Vec<Pattern>, RegistryError> {
    let mut patterns = text.split(',').map(|pattern| pattern.trim().parse()).collect::<Result<Vec<Pattern>, _>>()?;
    patterns.sort();
    patterns.dedup();
    if patterns.len() > MAX_PATTERNS {
        return Err(RegistryError::TooManyPatterns { place: "`--serves`".to_owned(), limit: MAX_PATTERNS });
    }
    Ok(patterns)
}

/// The patterns of a version.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Serves {
    serves: Vec<Pattern>,
    signatures: Vec<Signature>,
}

/// That a name has promoted a pattern.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Claim {
    pub(super) pattern: Pattern,
    pub(super) name: DatasetName,
}

impl Claim {
    /// What an object below `.patterns/<channel>/` is about; none where it is something else.
    fn of(object: &str) -> Option<Self> {
        let (pattern, name) = object.strip_suffix(".json")?.split_once('.')?;
        let name = name.parse::<DatasetName>().ok().filter(|parsed| parsed.as_str() == name)?;
        Some(Self { pattern: pattern.parse().ok()?, name })
    }
}

/// Those that match a dataset, the one that counts first.
pub(super) fn matching<'a>(claims: impl IntoIterator<Item = &'a Claim>, dataset: &DatasetName) -> Vec<Claim> {
    let mut matching: Vec<Claim> = claims.into_iter().filter(|claim| claim.pattern.matches(dataset)).cloned().collect();
    matching.sort_by_cached_key(|claim| (claim.pattern.rank(), claim.name.clone()));
    matching
}

impl Registry {
    /// Lets a version serve patterns, as soon as it is promoted. Returns whether it did so before.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Occupied`] where it has others; and what S3 does.
    pub async fn publish_patterns(
        &self,
        name: &DatasetName,
        version: &Version,
        patterns: &[Pattern],
        key: Option<&SigningKey>,
    ) -> Result<bool, RegistryError> {
        let manifest = self.manifest(name, version).await?;
        let signature = key.map(|key| key.sign_text(&to_sign(&manifest, patterns)));
        let serves = Serves { serves: patterns.to_vec(), signatures: signature.into_iter().collect() };
        let place = place(name, version);
        if self.store.put(&place, render(&serves)?, "application/json", Condition::New).await? {
            return Ok(false);
        }
        let object = self.store.url(&place);
        let found =
            self.serves(name, version).await?.ok_or_else(|| RegistryError::NotFound { object: object.clone() })?;
        if found.serves != patterns {
            return Err(RegistryError::Occupied { object });
        }
        match key {
            Some(key) if !found.signatures.iter().any(|signature| signature.key == key.id()) => {
                Err(RegistryError::NotSigned { object, key: key.id() })
            }
            Some(_) | None => Ok(true),
        }
    }

    /// The patterns of a version, whoever has signed them.
    ///
    /// # Errors
    ///
    /// What is wrong with their document; and what S3 does.
    pub(super) async fn published_patterns(
        &self,
        name: &DatasetName,
        version: &Version,
    ) -> Result<Vec<Pattern>, RegistryError> {
        Ok(self.serves(name, version).await?.map(|serves| serves.serves).unwrap_or_default())
    }

    /// The patterns of a version that is to be promoted.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Untrusted`] where keys are trusted and none of them has signed the patterns; and what S3 does.
    pub(super) async fn patterns_to_promote(
        &self,
        name: &DatasetName,
        version: &Version,
    ) -> Result<Vec<Pattern>, RegistryError> {
        let Some(Serves { serves, signatures }) = self.serves(name, version).await? else { return Ok(Vec::new()) };
        let text = to_sign(&self.manifest(name, version).await?, &serves);
        if self.has_keys() && text_signer(&text, &signatures, &self.keys(name, None)).is_none() {
            return Err(RegistryError::Untrusted { object: self.store.url(&place(name, version)) });
        }
        Ok(serves)
    }

    async fn serves(&self, name: &DatasetName, version: &Version) -> Result<Option<Serves>, RegistryError> {
        let place = place(name, version);
        match self.store.document(&place, MAX_BYTES, None).await? {
            Fetched::Found { bytes, .. } => parse(&self.store.url(&place), &bytes).map(Some),
            Fetched::NotModified | Fetched::Missing => Ok(None),
        }
    }

    /// Which patterns the names of a channel have promoted, now or before.
    ///
    /// # Errors
    ///
    /// [`RegistryError::TooManyPatterns`]; and what S3 does.
    pub(super) async fn claims(&self, channel: &Channel) -> Result<Vec<Claim>, RegistryError> {
        let place = claims_place(channel);
        let names = self.store.names(&place).await?;
        if names.len() > MAX_CLAIMS {
            let place = format!("`{}`", self.store.url(&place));
            return Err(RegistryError::TooManyPatterns { place, limit: MAX_CLAIMS });
        }
        Ok(names.iter().filter_map(|name| Claim::of(name)).collect())
    }

    /// Writes down that a name promotes patterns, before it does.
    ///
    /// # Errors
    ///
    /// As [`Self::are_free`].
    pub(super) async fn claim(
        &self,
        name: &DatasetName,
        channel: &Channel,
        patterns: &[Pattern],
        by: &str,
    ) -> Result<(), RegistryError> {
        self.are_free(name, channel, patterns).await?;
        for pattern in patterns {
            let place = format!("{}{pattern}.{name}.json", claims_place(channel));
            let document = json!({ "pattern": pattern, "converter": name.as_str(), "at": Moment::now(), "by": by });
            self.store.put(&place, render(&document)?, "application/json", Condition::New).await?;
        }
        Ok(())
    }

    /// Looks whether another name serves one of the patterns, or would with the candidate that it tries.
    ///
    /// # Errors
    ///
    /// [`RegistryError::PatternTaken`]; and what S3 does.
    pub(super) async fn are_free(
        &self,
        name: &DatasetName,
        channel: &Channel,
        patterns: &[Pattern],
    ) -> Result<(), RegistryError> {
        if patterns.is_empty() {
            return Ok(());
        }
        for Claim { pattern, name: other } in self.claims(channel).await? {
            if other == *name || !patterns.contains(&pattern) {
                continue;
            }
            let serving = self.in_service(&other, channel).await?.map(|found| found.serves).unwrap_or_default();
            if serving.contains(&pattern) {
                let (name, channel) = (name.clone(), channel.clone());
                return Err(RegistryError::PatternTaken { pattern, name, other, channel });
            }
        }
        Ok(())
    }

    /// The converter whose promoted pattern counts for a dataset that has none of its own; none where there is none.
    ///
    /// # Errors
    ///
    /// What speaks against a pointer that has to be asked; and what S3 does.
    pub async fn serving(
        &self,
        dataset: &DatasetName,
        channel: &Channel,
    ) -> Result<Option<(DatasetName, Version)>, RegistryError> {
        for Claim { pattern, name } in matching(&self.claims(channel).await?, dataset) {
            let Some(found) = self.in_service(&name, channel).await? else { continue };
            if found.serves.contains(&pattern) {
                let release = self.promoted(&name, channel).await?;
                return Ok(Some((name, release.version)));
            }
        }
        Ok(None)
    }
}

fn place(name: &DatasetName, version: &Version) -> String {
    format!("{name}/{version}/serves.json")
}

fn claims_place(channel: &Channel) -> String {
    format!(".patterns/{channel}/")
}

/// None of the parts has a line break or a comma: they are checked names and a digest.
fn to_sign(Manifest { dataset, version, sha256, .. }: &Manifest, patterns: &[Pattern]) -> String {
    let serves: Vec<&str> = patterns.iter().map(Pattern::as_str).collect();
    format!("{PURPOSE}dataset {dataset}\nversion {version}\nsha256 {sha256}\nserves {}\n", serves.join(","))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_pattern_is_a_name_or_the_beginning_of_one() {
        let listed = patterns("timestream-*, legacy-load,timestream-*").unwrap();
        assert_eq!(listed.iter().map(Pattern::as_str).collect::<Vec<_>>(), ["legacy-load", "timestream-*"]);
        let long = format!("{}*", "a".repeat(65));
        for bad in ["", "*", "a*b", "*-load", "A*", "a**", "a/b", "a.b*", ".*", "a,,b", &long] {
            assert!(patterns(bad).is_err(), "{bad}");
        }
        assert!(patterns(&(0..=MAX_PATTERNS).map(|n| format!("a{n}")).collect::<Vec<_>>().join(",")).is_err());
    }

    #[test]
    fn the_whole_name_counts_and_then_the_longest_pattern() {
        let claims = ["a*.one", "a-b*.two", "a-b.three", "a-b-*.four", "a-*.five", "b*.six"];
        let claims: Vec<Claim> = claims.iter().map(|claim| Claim::of(&format!("{claim}.json")).unwrap()).collect();
        let names = |dataset: &str| -> Vec<String> {
            matching(&claims, &dataset.parse().unwrap()).iter().map(|claim| claim.name.to_string()).collect()
        };
        assert_eq!(names("a-b"), ["three", "two", "five", "one"]);
        assert_eq!(names("a-b-c"), ["four", "two", "five", "one"]);
        assert_eq!(names("c"), Vec::<String>::new());
        for other in ["a*.one", "a*.json", "one.json", "a*.One.json", "a*.one.two.json", ".one.json"] {
            assert_eq!(Claim::of(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn of_two_patterns_that_match_a_dataset_one_counts(
            name in "[ab]{1,6}", left in "[ab]{1,6}[*]?", right in "[ab]{1,6}[*]?",
        ) {
            let (left, right): (Pattern, Pattern) = (left.parse().unwrap(), right.parse().unwrap());
            let dataset: DatasetName = name.parse().unwrap();
            if left != right && left.matches(&dataset) && right.matches(&dataset) {
                prop_assert_ne!(left.rank(), right.rank());
            }
        }
    }
}
