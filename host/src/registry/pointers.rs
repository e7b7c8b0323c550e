//! What vouches for a pointer: signatures that cover all of it, and the history of its channel.
//!
//! A pointer alone names only the version that was chosen, and whoever may write to the bucket can put an old one back.
//! So each promotion writes two documents beside it:
//!
//! ```text
//! signatures/<channel>/<sequence>-<digest>-<key>.json    one key's signature of the pointer; written before the pointer
//!                                          -unsigned.json the statement alone, where it holds more than the pointer
//! history/<channel>/<sequence>.json                      the same, or the statement alone; written after the pointer
//! ```
//!
//! A process that has followed a pointer refuses every one of a lower sequence. One that has just started refuses one of
//! which the history knows a successor. What nobody can know: a pointer that was put back together with all of its history.
//! An expiry bounds for how long that works.
//!
//! The statement is signed as the text that it is, so that members can be added to it later.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::document::{Pointer, Release, Signature, line, optional_digest, parse, render};
use super::error::RegistryError;
use super::names::{Channel, Version};
use super::operations::Registry;
use super::patterns::Pattern;
use super::signature::{self, SigningKey, key_id};
use super::store::{Condition, Fetched};
use super::trials::Terms;
use crate::dataset::DatasetName;

/// The largest record, in bytes: a statement, and a hundred bytes for each signature.
const MAX_RECORD_BYTES: u64 = 16 * 1024;

/// How many records of later pointers are looked at, the latest first.
const MAX_LATER: usize = 16;

/// What a signature of a pointer begins with, so that it can stand for nothing else.
const PURPOSE: &str = "influxdb-loader pointer 1\n";

/// A moment, as RFC 3339 writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Timestamp);

impl Moment {
    /// The present, in whole seconds.
    pub fn now() -> Self {
        // A clock before 1970 is wrong anyway, and jiff reaches to the year 9999.
        let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        Self(Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX))
    }

    /// How long ago another was; nothing where that is later.
    pub fn since(self, other: Self) -> Duration {
        Duration::try_from(self.0.duration_since(other.0)).unwrap_or_default()
    }

    /// So much later; none beyond the year 9999.
    pub fn after(self, time: Duration) -> Option<Self> {
        self.0.checked_add(time).ok().map(Self)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl FromStr for Moment {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, jiff::Error> {
        text.parse().map(Self)
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What somebody pointed a channel at, by promoting or rolling back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// The dataset.
    #[serde(deserialize_with = "line")]
    pub dataset: String,
    /// The channel.
    pub channel: Channel,
    /// The pointer.
    pub pointer: Pointer,
    /// When.
    pub at: Moment,
    /// Who, in their own words.
    #[serde(deserialize_with = "line")]
    pub by: String,
    /// Until when a process may begin to use it.
    pub expires: Option<Moment>,
    /// The digest of the version's parameters.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "optional_digest")]
    pub parameters: Option<String>,
    /// Those of the version before.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "optional_digest")]
    pub previous_parameters: Option<String>,
    /// What is tried beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial: Option<Terms>,
    /// Which other datasets it serves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub serves: Vec<Pattern>,
}

/// What a statement holds and a pointer does not, since the first edition refuses members that it does not know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Details {
    pub(super) parameters: Option<String>,
    pub(super) previous_parameters: Option<String>,
    pub(super) trial: Option<Terms>,
    pub(super) serves: Vec<Pattern>,
}

impl Details {
    /// Whether there is none of them.
    pub(super) fn are_none(&self) -> bool {
        *self == Self::default()
    }

    /// Whether they name parameters or patterns, which nothing but a signature vouches for.
    fn need_a_signature(&self) -> bool {
        let tried = self.trial.as_ref().and_then(|terms| terms.candidate.parameters.as_ref());
        !self.serves.is_empty() || self.parameters.as_ref().or(self.previous_parameters.as_ref()).or(tried).is_some()
    }
}

impl Statement {
    /// What the pointer does not hold.
    pub(super) fn details(&self) -> Details {
        let (parameters, previous_parameters) = (self.parameters.clone(), self.previous_parameters.clone());
        Details { parameters, previous_parameters, trial: self.trial.clone(), serves: self.serves.clone() }
    }

    fn is_of(&self, dataset: &DatasetName, channel: &Channel, pointer: &Pointer) -> bool {
        self.dataset == dataset.as_str() && self.channel == *channel && self.pointer == *pointer
    }
}

/// A statement, and who signed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    /// A [`Statement`], as the text that is signed.
    statement: String,
    signatures: Vec<Signature>,
}

/// A line of a channel's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promoted {
    /// What was promoted.
    pub statement: Statement,
    /// The keys that are named as having signed it.
    pub keys: Vec<String>,
}

/// Who promotes a version, and on which terms.
#[derive(Debug, Default)]
pub struct Endorsement<'a> {
    /// Signs the pointer.
    pub key: Option<&'a SigningKey>,
    /// Who does it; a line.
    pub by: String,
    /// For how long processes may begin to use it.
    pub expires: Option<Duration>,
}

/// What vouches for a pointer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// Whether a trusted key does.
    pub(super) is_signed: bool,
    /// Until when a process may begin to use it.
    pub(super) expires: Option<Moment>,
    /// What the pointer does not hold.
    pub(super) details: Details,
    /// When it was written, where that is known.
    pub(super) at: Option<Moment>,
}

/// What the signature of nobody is called.
const UNSIGNED: &str = "unsigned";

impl Registry {
    /// What vouches for the pointer.
    ///
    /// # Errors
    ///
    /// [`RegistryError::PointerUntrusted`] where no key does that must; [`RegistryError::PointerExpired`]; what S3 does.
    pub(super) async fn standing(
        &self,
        dataset: &DatasetName,
        channel: &Channel,
        pointer: &Pointer,
    ) -> Result<Standing, RegistryError> {
        let untrusted = || RegistryError::PointerUntrusted { object: self.pointer_url(dataset, channel) };
        let mut found: Option<Standing> = None;
        let mut vouched = Vec::new();
        for key in self.keys(dataset, Some(channel)) {
            if found.as_ref().is_some_and(|found| found.details.serves.len() == vouched.len()) {
                break;
            }
            let place = signature_place(dataset, channel, pointer, &key_id(&key));
            let Some(record) = self.record(&place).await? else { continue };
            // It has this key's name, and is not what the key signed.
            let statement = self.signed(&record, &[key]).filter(|statement| statement.is_of(dataset, channel, pointer));
            let statement = match (statement, &found) {
                (Some(statement), _) => statement,
                (None, None) => return Err(untrusted()),
                (None, Some(_)) => continue,
            };
            if let Some(expired) = statement.expires.filter(|expires| *expires <= Moment::now()) {
                match found {
                    Some(_) => continue,
                    None => {
                        let object = self.pointer_url(dataset, channel);
                        return Err(RegistryError::PointerExpired { object, expired });
                    }
                }
            }
            let (expires, details, at) = (statement.expires, statement.details(), Some(statement.at));
            let found = found.get_or_insert(Standing { is_signed: true, expires, details, at });
            // Whoever may sign for some datasets cannot have others served.
            let may = |pattern: &&Pattern| {
                statement.serves.contains(pattern)
                    && !vouched.contains(*pattern)
                    && self.may_serve(&key, channel, pattern)
            };
            let more: Vec<Pattern> = found.details.serves.iter().filter(may).cloned().collect();
            vouched.extend(more);
        }
        if let Some(mut found) = found {
            for pattern in found.details.serves.iter().filter(|pattern| !vouched.contains(pattern)) {
                tracing::warn!(%dataset, %channel, %pattern, "the pattern is not signed by a key that may sign for it, and ignored");
            }
            vouched.sort();
            found.details.serves = vouched;
            return Ok(found);
        }
        if self.requires_signed_pointers() {
            return Err(untrusted());
        }
        let place = signature_place(dataset, channel, pointer, UNSIGNED);
        let record = self.record(&place).await?;
        let statement = record.and_then(|record| serde_json::from_str::<Statement>(&record.statement).ok());
        let statement = statement.filter(|statement| statement.is_of(dataset, channel, pointer));
        let details = statement.as_ref().map(Statement::details).unwrap_or_default();
        // A component is signed by itself, parameters and patterns by the pointer alone.
        if self.has_keys() && details.need_a_signature() {
            return Err(untrusted());
        }
        Ok(Standing { is_signed: false, expires: None, details, at: statement.map(|statement| statement.at) })
    }

    /// The statements about a pointer, whoever made them: for a caller that promotes and has no keys to trust.
    pub(super) async fn stated(
        &self,
        dataset: &DatasetName,
        channel: &Channel,
        pointer: &Pointer,
    ) -> Result<Vec<Statement>, RegistryError> {
        let place = signature_place(dataset, channel, pointer, "");
        let Some((directory, named)) = place.rsplit_once('/') else { return Ok(Vec::new()) };
        let (directory, named) = (format!("{directory}/"), named.trim_end_matches(".json"));
        let names = self.store.names_after(&directory, Some(&format!("{:020}", pointer.sequence))).await?;
        let mut statements = Vec::new();
        for name in names.iter().filter(|name| name.starts_with(named)).take(MAX_LATER) {
            let Some(record) = self.record(&format!("{directory}{name}")).await? else { continue };
            let Ok(statement) = serde_json::from_str::<Statement>(&record.statement) else { continue };
            if statement.is_of(dataset, channel, pointer) {
                statements.push(statement);
            }
        }
        Ok(statements)
    }

    /// Looks for a successor of the pointer in the history.
    ///
    /// # Errors
    ///
    /// [`RegistryError::PointerSuperseded`] where there is one, or another pointer of the same sequence; what S3 does.
    pub(super) async fn has_no_successor(
        &self,
        dataset: &DatasetName,
        channel: &Channel,
        pointer: &Pointer,
    ) -> Result<(), RegistryError> {
        // That of this sequence comes right after its number.
        let names = self.later(dataset, channel, Some(pointer.sequence)).await?;
        for name in names.iter().rev().take(MAX_LATER) {
            let Some(record) = self.record(&format!("{}{name}", history_place(dataset, channel))).await? else {
                continue;
            };
            let Some(statement) = self.vouched(&record, dataset, channel) else {
                tracing::warn!(%dataset, %channel, name, "a record of the history is not signed by a trusted key, and ignored");
                continue;
            };
            let later = &statement.pointer;
            if later.sequence > pointer.sequence || (later.sequence == pointer.sequence && later != pointer) {
                let object = self.pointer_url(dataset, channel);
                let (found, known) = (pointer.sequence, later.sequence);
                return Err(RegistryError::PointerSuperseded { object, found, known });
            }
        }
        Ok(())
    }

    /// Whether the channel pointed somewhere once, according to its history. False, where the history may not be read.
    pub(super) async fn was_promoted(&self, dataset: &DatasetName, channel: &Channel) -> Result<bool, RegistryError> {
        Ok(!self.later(dataset, channel, None).await?.is_empty())
    }

    /// The names of the records from a sequence on, in ascending order.
    async fn later(
        &self,
        dataset: &DatasetName,
        channel: &Channel,
        from: Option<u64>,
    ) -> Result<Vec<String>, RegistryError> {
        let after = from.map(|sequence| format!("{sequence:020}"));
        match self.store.names_after(&history_place(dataset, channel), after.as_deref()).await {
            Err(RegistryError::Forbidden { object, .. }) => {
                tracing::warn!(
                    object,
                    "the registry may not be listed: an old pointer that is put back is not noticed"
                );
                Ok(Vec::new())
            }
            names => names,
        }
    }

    /// What was promoted, the latest first, at most `most`.
    ///
    /// # Errors
    ///
    /// What S3 does; and what is wrong with a document.
    pub async fn history(
        &self,
        dataset: &DatasetName,
        channel: &Channel,
        most: usize,
    ) -> Result<Vec<Promoted>, RegistryError> {
        let place = history_place(dataset, channel);
        let names = self.store.names_after(&place, None).await?;
        let mut lines = Vec::new();
        for name in names.iter().rev().take(most) {
            let place = format!("{place}{name}");
            let Some(record) = self.record(&place).await? else { continue };
            let statement = parse(&self.store.url(&place), record.statement.as_bytes())?;
            let keys = record.signatures.into_iter().map(|signature| signature.key).collect();
            lines.push(Promoted { statement, keys });
        }
        Ok(lines)
    }

    /// The highest sequence that the history knows.
    pub(super) async fn last_sequence(&self, dataset: &DatasetName, channel: &Channel) -> Result<u64, RegistryError> {
        let names = self.later(dataset, channel, None).await?;
        let sequence = |name: &String| name.strip_suffix(".json")?.parse().ok();
        Ok(names.iter().filter_map(sequence).max().unwrap_or(0))
    }

    /// Writes the signature of a pointer that is about to be written, or exists already, and what the pointer does not hold. Returns
    /// what the history keeps.
    pub(super) async fn endorse(
        &self,
        dataset: &DatasetName,
        channel: &Channel,
        pointer: &Pointer,
        details: &Details,
        endorsement: &Endorsement<'_>,
    ) -> Result<Record, RegistryError> {
        let at = Moment::now();
        let statement = Statement {
            dataset: dataset.to_string(),
            channel: channel.clone(),
            pointer: pointer.clone(),
            at,
            by: endorsement.by.clone(),
            expires: endorsement.expires.and_then(|time| at.after(time)),
            parameters: details.parameters.clone(),
            previous_parameters: details.previous_parameters.clone(),
            trial: details.trial.clone(),
            serves: details.serves.clone(),
        };
        let statement = String::from_utf8_lossy(&render(&statement)?).into_owned();
        let signatures = endorsement.key.map(|key| key.sign_text(&to_sign(&statement)));
        let record = Record { signatures: signatures.into_iter().collect(), statement };
        let key = match endorsement.key {
            Some(key) => key.id(),
            None if !details.are_none() => UNSIGNED.to_owned(),
            None => return Ok(record),
        };
        let place = signature_place(dataset, channel, pointer, &key);
        if self.store.put(&place, render(&record)?, "application/json", Condition::New).await? {
            return Ok(record);
        }
        // An earlier try got as far as this.
        Ok(self.record(&place).await?.unwrap_or(record))
    }

    /// Keeps the statement about a pointer that has been written. What is kept of its sequence already stays.
    pub(super) async fn keep(
        &self,
        dataset: &DatasetName,
        channel: &Channel,
        sequence: u64,
        record: &Record,
    ) -> Result<(), RegistryError> {
        let place = format!("{}{sequence:020}.json", history_place(dataset, channel));
        self.store.put(&place, render(record)?, "application/json", Condition::New).await.map(drop)
    }

    async fn record(&self, place: &str) -> Result<Option<Record>, RegistryError> {
        match self.store.document(place, MAX_RECORD_BYTES, None).await? {
            Fetched::Found { bytes, .. } => parse(&self.store.url(place), &bytes).map(Some),
            Fetched::NotModified | Fetched::Missing => Ok(None),
        }
    }

    /// The statement, if one of the keys has signed it.
    fn signed(&self, record: &Record, keys: &[[u8; 32]]) -> Option<Statement> {
        signature::text_signer(&to_sign(&record.statement), &record.signatures, keys)?;
        serde_json::from_str(&record.statement).ok()
    }

    /// The statement of a record that counts: signed by a key that may, or by nobody where that is enough.
    fn vouched(&self, record: &Record, dataset: &DatasetName, channel: &Channel) -> Option<Statement> {
        let statement = if self.requires_signed_pointers() || !record.signatures.is_empty() && self.has_keys() {
            self.signed(record, &self.keys(dataset, Some(channel)))
        } else {
            serde_json::from_str(&record.statement).ok()
        };
        statement.filter(|statement| statement.dataset == dataset.as_str() && statement.channel == *channel)
    }
}

fn to_sign(statement: &str) -> String {
    format!("{PURPOSE}{statement}")
}

fn history_place(dataset: &DatasetName, channel: &Channel) -> String {
    format!("{dataset}/history/{channel}/")
}

/// Where a key's signature of the pointer is: another pointer of the same sequence has another place.
fn signature_place(dataset: &DatasetName, channel: &Channel, pointer: &Pointer, key: &str) -> String {
    let Pointer { version, sha256, previous, sequence } = pointer;
    let before =
        previous.as_ref().map_or_else(String::new, |Release { version, sha256, .. }| format!("{version} {sha256}"));
    let digest = Sha256::digest(format!("{version} {sha256}\n{before}"));
    let digest: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{dataset}/signatures/{channel}/{sequence:020}-{digest}-{key}.json")
}

impl Promoted {
    /// The version that was promoted.
    pub fn version(&self) -> &Version {
        &self.statement.pointer.version
    }
}
