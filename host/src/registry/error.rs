//! Why a converter cannot be had from the registry, or not be put there.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::names::{Channel, Version};
use super::patterns::Pattern;
use super::pointers::Moment;
use super::schema::Refusals;
use crate::converter::{Contract, ConverterError};
use crate::dataset::DatasetName;

/// How much of a bad name is shown, in characters.
const SHOWN: usize = 100;

/// A cause that can be reported more than once.
pub(super) type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// Why a converter cannot be had from the registry, or not be put there.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RegistryError {
    /// The settings name no registry.
    #[error("there is no registry of converters\nhint: set `CONVERTER_BUCKET`")]
    NotConfigured,
    /// What stands for a name cannot be one.
    #[error("`{name}` is no {what}; allowed are {allowed}")]
    Name {
        /// What is named.
        what: &'static str,
        /// What was found.
        name: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// Nobody has a converter for the dataset.
    #[error(
        "no converter for dataset `{dataset}`: none is built in, and in `{registry}` its channel `{channel}` points at \
         none\nhint: `influxdb-loader converter publish FILE.wasm`, then `influxdb-loader converter promote {dataset} \
         VERSION --channel {channel}`"
    )]
    NoConverter {
        /// The dataset.
        dataset: DatasetName,
        /// The channel.
        channel: Channel,
        /// Where the registry is.
        registry: String,
    },
    /// The registry does not have it.
    #[error("`{object}` does not exist")]
    NotFound {
        /// The object, or the bucket.
        object: String,
    },
    /// S3 does not let the loader in.
    #[error(
        "`{object}` is forbidden\nhint: the loader needs `s3:GetObject`, and `s3:ListBucket` too, without which S3 calls \
         objects forbidden that do not exist; publishing and promoting need `s3:PutObject`"
    )]
    Forbidden {
        /// The object.
        object: String,
        /// S3's own error.
        #[source]
        cause: Cause,
    },
    /// S3 is not reached, or does not do it.
    #[error("`{object}` cannot be reached")]
    Unavailable {
        /// The object.
        object: String,
        /// Why.
        #[source]
        cause: Cause,
    },
    /// S3 takes too long.
    #[error("`{object}` is not answered for within {} s", limit.as_secs())]
    TimedOut {
        /// The object.
        object: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// It is larger than anything that belongs there.
    #[error("`{object}` is too large: more than {limit} bytes")]
    TooLarge {
        /// The object.
        object: String,
        /// The limit.
        limit: u64,
    },
    /// A document is not what it should be.
    #[error("`{object}` is malformed")]
    Malformed {
        /// The object.
        object: String,
        /// Why.
        #[source]
        cause: Arc<serde_json::Error>,
    },
    /// Two places contradict each other.
    #[error("`{object}` is not what it should be: its {item} is `{found}`, expected `{expected}`")]
    Mismatch {
        /// The object.
        object: String,
        /// What differs.
        item: &'static str,
        /// What it holds.
        found: String,
        /// What it should hold.
        expected: String,
    },
    /// It was built for another contract, of which this loader knows nothing.
    #[error(
        "`{object}` needs contract {found}, this loader speaks {}\nhint: update the loader, or promote a version that was \
         built for one of these",
        Contract::known()
    )]
    ContractVersion {
        /// The manifest.
        object: String,
        /// The version of the contract.
        found: String,
    },
    /// None of the keys in the settings has signed it.
    #[error(
        "`{object}` is not signed by a trusted key\nhint: publish with `--sign KEY-FILE`, or add a signature with \
         `influxdb-loader converter sign`, and have the public key in `CONVERTER_PUBLIC_KEYS`"
    )]
    Untrusted {
        /// The manifest.
        object: String,
    },
    /// None of the keys in the settings that may has signed the pointer.
    #[error(
        "`{object}` is not signed by a trusted key\nhint: promote with `--sign KEY-FILE`, and have the public key in \
         `CONVERTER_PUBLIC_KEYS`, for this dataset and channel"
    )]
    PointerUntrusted {
        /// The pointer.
        object: String,
    },
    /// It was put back to what it had been before.
    #[error(
        "`{object}` is an old pointer: its sequence is {found}, {known} is known\nhint: find out who wrote it; \
         `influxdb-loader converter history` shows what was promoted, `influxdb-loader converter promote` sets it right"
    )]
    PointerSuperseded {
        /// The pointer.
        object: String,
        /// Its sequence.
        found: u64,
        /// The highest one that is known.
        known: u64,
    },
    /// It has expired: nobody renewed it in time.
    #[error(
        "`{object}` has expired at {expired}\nhint: promote the version again with `--sign KEY-FILE --expires TIME`"
    )]
    PointerExpired {
        /// The pointer.
        object: String,
        /// Since when.
        expired: Moment,
    },
    /// It is gone, and the registry has served the dataset.
    #[error(
        "`{object}` is gone, though the channel had a promoted version\nhint: `influxdb-loader converter history` shows \
         what was promoted, `influxdb-loader converter promote` sets it right"
    )]
    PointerGone {
        /// The pointer.
        object: String,
    },
    /// A version is out of use.
    #[error("converter {version} of dataset `{dataset}` was taken out of use: {reason}\nhint: promote another version")]
    Yanked {
        /// The dataset.
        dataset: DatasetName,
        /// The version.
        version: Version,
        /// Why, in the words of who did it.
        reason: String,
    },
    /// A promoted version is not yanked.
    #[error(
        "channel `{channel}` points at converter {version} of dataset `{dataset}`\nhint: promote another version, or roll back, before this one is yanked"
    )]
    InService {
        /// The dataset.
        dataset: DatasetName,
        /// The version.
        version: Version,
        /// The channel.
        channel: Channel,
    },
    /// Versions do not change.
    #[error("`{object}` holds something else already\nhint: versions never change; give the converter another version")]
    Occupied {
        /// The object.
        object: String,
    },
    /// It is published, and not signed with this key.
    #[error(
        "`{object}` is published without a signature by key {key}\nhint: `influxdb-loader converter sign` adds one"
    )]
    NotSigned {
        /// The manifest.
        object: String,
        /// The key's id.
        key: String,
    },
    /// Someone else was faster.
    #[error("`{object}` was changed by someone else at the same time: {now}\nhint: look, and try again")]
    Conflict {
        /// The object.
        object: String,
        /// What it is now.
        now: String,
    },
    /// Two converters would serve the same datasets.
    #[error(
        "pattern `{pattern}` is served by converter `{other}` in channel `{channel}`, so `{name}` cannot serve it\nhint: promote a version of \
         `{other}` without it first, or publish `{name}` with another pattern: of several, the longest that matches a dataset counts"
    )]
    PatternTaken {
        /// The pattern.
        pattern: Pattern,
        /// The name that is promoted.
        name: DatasetName,
        /// The name that serves it.
        other: DatasetName,
        /// The channel.
        channel: Channel,
    },
    /// More than anybody looks through.
    #[error("{place} has too many patterns: more than {limit}")]
    TooManyPatterns {
        /// Where they are.
        place: String,
        /// The limit.
        limit: usize,
    },
    /// The converter whose pattern counts for a dataset cannot be had.
    #[error("dataset `{dataset}` is served by converter `{name}`, which cannot be used")]
    Serving {
        /// The dataset.
        dataset: DatasetName,
        /// The converter's name.
        name: DatasetName,
        /// Why.
        #[source]
        cause: Arc<RegistryError>,
    },
    /// There is nothing to go back to.
    #[error("channel `{channel}` of dataset `{dataset}` has no version before this one")]
    NoPrevious {
        /// The dataset.
        dataset: DatasetName,
        /// The channel.
        channel: Channel,
    },
    /// There is no promoted version beside which another could be tried.
    #[error(
        "channel `{channel}` of dataset `{dataset}` has no promoted version\nhint: promote one first; a trial compares with it"
    )]
    NothingInService {
        /// The dataset.
        dataset: DatasetName,
        /// The channel.
        channel: Channel,
    },
    /// Going back is ambiguous while a candidate is tried.
    #[error(
        "channel `{channel}` of dataset `{dataset}` tries converter {candidate}\nhint: `influxdb-loader converter trial {dataset} --end` ends \
         that, and the promoted version stays; then roll back, if that is to go as well"
    )]
    TrialRuns {
        /// The dataset.
        dataset: DatasetName,
        /// The channel.
        channel: Channel,
        /// What is tried.
        candidate: Version,
    },
    /// A trial cannot be as it is asked for.
    #[error("there can be no such trial: {reason}")]
    Trial {
        /// Why.
        reason: String,
    },
    /// The component does not do.
    #[error("converter {version} of dataset `{dataset}` cannot be used")]
    Converter {
        /// The dataset.
        dataset: DatasetName,
        /// The version.
        version: Version,
        /// Why.
        #[source]
        cause: Arc<ConverterError>,
    },
    /// A component from outside the registry does not do.
    #[error(transparent)]
    Component(Arc<ConverterError>),
    /// It does not describe itself as the registry, or the caller, names it.
    #[error("the converter is for dataset `{found}`, not `{expected}`")]
    OtherDataset {
        /// The dataset that it names.
        found: String,
        /// What was asked for.
        expected: String,
    },
    /// What should be a schema of parameters is none.
    #[error(
        "`{object}` is no schema of parameters: {reason}\nhint: schemas are JSON Type Definition, RFC 8927; see \"Parameters\" in docs/writing-converters.md"
    )]
    Schema {
        /// The schema.
        object: String,
        /// Why.
        reason: String,
    },
    /// Parameters do not match the schema of their version.
    #[error(
        "the parameters do not match their schema, `{schema}`:\n{refusals}hint: correct the document; a schema that refuses what is right needs a new version of the converter"
    )]
    ParametersRefused {
        /// The schema.
        schema: String,
        /// What it refuses.
        refusals: Refusals,
    },
    /// A signing key cannot be read, or made.
    #[error("the signing key is not usable: {reason}\nhint: `influxdb-loader converter keygen` makes one")]
    SigningKey {
        /// Why.
        reason: &'static str,
    },
    /// A thread of the loader stopped: a fault of the loader.
    #[error("a thread of the loader stopped")]
    Stopped(#[source] Arc<tokio::task::JoinError>),
}

impl RegistryError {
    pub(super) fn name(what: &'static str, name: &str, allowed: &'static str) -> Self {
        Self::Name { what, name: name.chars().take(SHOWN).flat_map(char::escape_debug).collect(), allowed }
    }

    pub(super) fn mismatch(
        object: &str,
        item: &'static str,
        found: &dyn fmt::Display,
        expected: &dyn fmt::Display,
    ) -> Self {
        let (found, expected) = (found.to_string(), expected.to_string());
        Self::Mismatch { object: object.to_owned(), item, found, expected }
    }

    /// Whether the same objects of the registry give the same error again, so that there is no use in reading them again
    /// before a pointer changes.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Name { .. }
            | Self::TooLarge { .. }
            | Self::Malformed { .. }
            | Self::Mismatch { .. }
            | Self::ContractVersion { .. }
            | Self::Untrusted { .. }
            | Self::PointerSuperseded { .. }
            | Self::PointerExpired { .. }
            | Self::Yanked { .. }
            | Self::InService { .. }
            | Self::Occupied { .. }
            | Self::NotSigned { .. }
            | Self::PatternTaken { .. }
            | Self::TooManyPatterns { .. }
            | Self::NoPrevious { .. }
            | Self::NothingInService { .. }
            | Self::TrialRuns { .. }
            | Self::Trial { .. }
            | Self::OtherDataset { .. }
            | Self::Schema { .. }
            | Self::ParametersRefused { .. }
            | Self::SigningKey { .. } => true,
            Self::Converter { cause, .. } | Self::Component(cause) => !cause.is_passing(),
            Self::Serving { cause, .. } => cause.is_permanent(),
            Self::NotConfigured
            | Self::NoConverter { .. }
            | Self::NotFound { .. }
            | Self::Forbidden { .. }
            | Self::Unavailable { .. }
            | Self::TimedOut { .. }
            | Self::Conflict { .. }
            | Self::PointerUntrusted { .. }
            | Self::PointerGone { .. }
            | Self::Stopped(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

    use super::*;

    #[test]
    fn a_cause_that_may_pass_does_not_condemn_a_version() {
        let condemns = |cause: ConverterError| {
            let (dataset, version) = ("weather".parse().unwrap(), "1.0.0".parse().unwrap());
            RegistryError::Converter { dataset, version, cause: Arc::new(cause) }.is_permanent()
        };
        assert!(!condemns(ConverterError::Engine { reason: "no room".to_owned() }));
        assert!(condemns(ConverterError::UnknownDataset { dataset: "weather".to_owned(), known: Vec::new() }));
    }
}
