//! What a channel stands for, and how that is changed: promoted, tried, rolled back.

use std::sync::Arc;

use super::document::{Manifest, Pointer, Release, render};
use super::error::RegistryError;
use super::names::{Channel, Version};
use super::operations::{Pointed, Registry, pointer_key};
use super::patterns::Pattern;
use super::pointers::{Details, Endorsement, Moment, Standing, Statement};
use super::store::Condition;
use super::trials::{Candidacy, Outcome, Place, State, Terms};
use crate::dataset::DatasetName;

/// How many sequences are passed over that somebody has spoken for who did not get to write the pointer.
const MAX_SPOKEN_FOR: usize = 16;

/// What promoting or rolling back did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promotion {
    /// What was promoted before.
    pub before: Option<Release>,
    /// What the channel points at now.
    pub pointer: Pointer,
    /// The digest of the parameters that its converter is given.
    pub parameters: Option<String>,
    /// What is tried beside it.
    pub trial: Option<Terms>,
    /// Which other datasets it serves.
    pub serves: Vec<Pattern>,
    /// Which it served before, and does not any more.
    pub dropped: Vec<Pattern>,
    /// Whether it was so before.
    pub already: bool,
}

/// What a channel stands for.
#[derive(Clone, Debug)]
pub struct InService {
    /// The channel.
    pub channel: Channel,
    /// What is promoted: what the channel points at, or the candidate that a rule has put in its place.
    pub release: Release,
    /// What was promoted before.
    pub previous: Option<Release>,
    /// What it points at.
    pub pointer: Pointer,
    /// What is or was tried beside that, since when, and how it stands.
    pub trial: Option<(Terms, Moment, State)>,
    /// Which other datasets it serves.
    pub serves: Vec<Pattern>,
    etag: Option<String>,
}

impl InService {
    /// What is tried and not decided.
    pub fn running(&self) -> Option<&Terms> {
        self.trial.as_ref().filter(|(_, _, state)| state.verdict.is_none()).map(|(terms, ..)| terms)
    }
}

impl Registry {
    /// Lets a channel point at a version, after it has proved to be usable. A trial ends with it.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Conflict`] where someone else was faster; [`RegistryError::ParametersRefused`]; what [`Registry::verify`]
    /// gives; and what S3 does.
    pub async fn promote(
        &self,
        dataset: &DatasetName,
        version: &Version,
        parameters: Option<String>,
        channel: &Channel,
        endorsement: &Endorsement<'_>,
    ) -> Result<Promotion, RegistryError> {
        // Read first, so that whatever happens while the version is looked at is noticed.
        let found = self.in_service(dataset, channel).await?;
        let manifest = self.manifest(dataset, version).await?;
        let serves = self.patterns_to_promote(dataset, version).await?;
        let release = Release { version: version.clone(), sha256: manifest.sha256.clone(), parameters };
        self.load_to_promote(dataset, &release, &manifest).await?;
        self.point(dataset, channel, found, release, None, serves, endorsement).await
    }

    /// Tries a candidate beside the promoted version. What was tried before is not tried any more.
    ///
    /// # Errors
    ///
    /// [`RegistryError::NothingInService`]; [`RegistryError::Trial`]; and as [`Registry::promote`].
    pub async fn try_candidate(
        &self,
        dataset: &DatasetName,
        candidacy: Candidacy,
        channel: &Channel,
        endorsement: &Endorsement<'_>,
    ) -> Result<Promotion, RegistryError> {
        let found = self.in_service(dataset, channel).await?;
        let in_service = found.as_ref().map(|found| (found.release.clone(), found.serves.clone()));
        let Some((in_service, serves)) = in_service else {
            return Err(RegistryError::NothingInService { dataset: dataset.clone(), channel: channel.clone() });
        };
        let manifest = self.manifest(dataset, &candidacy.version).await?;
        let terms = candidacy.of(manifest.sha256.clone());
        self.load_to_promote(dataset, &terms.candidate, &manifest).await?;
        if terms.candidate == in_service {
            let reason = format!("converter {} is promoted already", in_service.version);
            return Err(RegistryError::Trial { reason });
        }
        terms.check()?;
        // Both are compared by the objects of the same datasets.
        if self.patterns_to_promote(dataset, &terms.candidate.version).await? != serves {
            let (candidate, before) = (&terms.candidate.version, &in_service.version);
            let reason = format!(
                "converters {candidate} and {before} serve different patterns of datasets\nhint: publish a version that \
                serves those of {before}, or promote {candidate} without a trial"
            );
            return Err(RegistryError::Trial { reason });
        }
        self.point(dataset, channel, found, in_service, Some(terms), serves, endorsement).await
    }

    /// Loads what is to be promoted, or tried, and compares its parameters with their schema.
    async fn load_to_promote(
        &self,
        dataset: &DatasetName,
        release: &Release,
        manifest: &Manifest,
    ) -> Result<(), RegistryError> {
        let converter = self.load(dataset, release, None).await?;
        match converter.parameters() {
            Some(parameters) => self.match_schema(dataset, manifest, Arc::clone(parameters)).await,
            None => Ok(()),
        }
    }

    /// Lets a channel point at what it pointed at before. Doing so twice changes nothing.
    ///
    /// # Errors
    ///
    /// [`RegistryError::NoPrevious`]; [`RegistryError::TrialRuns`]; and as [`Registry::promote`].
    pub async fn rollback(
        &self,
        dataset: &DatasetName,
        channel: &Channel,
        endorsement: &Endorsement<'_>,
    ) -> Result<Promotion, RegistryError> {
        let found = self.in_service(dataset, channel).await?;
        if let Some(terms) = found.as_ref().and_then(InService::running) {
            let (dataset, channel, candidate) = (dataset.clone(), channel.clone(), terms.candidate.version.clone());
            return Err(RegistryError::TrialRuns { dataset, channel, candidate });
        }
        let previous = found.as_ref().and_then(|found| found.previous.clone());
        let Some(previous) = previous else {
            return Err(RegistryError::NoPrevious { dataset: dataset.clone(), channel: channel.clone() });
        };
        self.load(dataset, &previous, None).await?;
        let serves = self.patterns_to_promote(dataset, &previous.version).await?;
        self.point(dataset, channel, found, previous, None, serves, endorsement).await
    }

    /// What a channel stands for, whoever vouches for it; nothing where it points nowhere.
    ///
    /// # Errors
    ///
    /// What S3 does; and what is wrong with a document.
    pub async fn in_service(
        &self,
        dataset: &DatasetName,
        channel: &Channel,
    ) -> Result<Option<InService>, RegistryError> {
        let (pointer, etag) = match self.pointer(dataset, channel, None).await? {
            Pointed::At(pointer, etag) => (pointer, etag),
            Pointed::Nowhere(error, _) => return Err(error),
            Pointed::NotModified | Pointed::Missing => return Ok(None),
        };
        let stated = self.stated(dataset, channel, &pointer).await?;
        let stated = stated.iter().find(|statement| !statement.details().are_none());
        let details = stated.map(Statement::details).unwrap_or_default();
        let at = stated.map(|statement| statement.at);
        self.with_details(dataset, channel, pointer, etag, details, at).await.map(Some)
    }

    async fn with_details(
        &self,
        dataset: &DatasetName,
        channel: &Channel,
        pointer: Pointer,
        etag: Option<String>,
        details: Details,
        at: Option<Moment>,
    ) -> Result<InService, RegistryError> {
        let Details { parameters, previous_parameters, trial, serves } = details;
        let trial = match trial.zip(at) {
            Some((terms, since)) => {
                let place = Place::of(dataset, channel, &pointer, &terms)?;
                let state = self.trial_state(&place, None).await?.map(|read| read.state);
                state.map(|state| (terms, since, state))
            }
            None => None,
        };
        let outcome = trial.as_ref().and_then(|(_, _, state)| Some(state.verdict.as_ref()?.outcome));
        let pointed = pointer.release().with(parameters);
        let (release, previous) = match &trial {
            Some((terms, ..)) if outcome == Some(Outcome::Promoted) => (terms.candidate.clone(), Some(pointed)),
            Some(_) | None => (pointed, pointer.previous.clone().map(|release| release.with(previous_parameters))),
        };
        Ok(InService { channel: channel.clone(), release, previous, pointer, trial, serves, etag })
    }

    /// The version that a channel stands for, if a process that starts now would follow it.
    ///
    /// # Errors
    ///
    /// [`RegistryError::NotFound`] where it points at none; what speaks against the pointer; and what S3 does.
    pub async fn promoted(&self, dataset: &DatasetName, channel: &Channel) -> Result<Release, RegistryError> {
        let (pointer, etag) = match self.pointer(dataset, channel, None).await? {
            Pointed::At(pointer, etag) => (pointer, etag),
            Pointed::Nowhere(error, _) => return Err(error),
            Pointed::NotModified | Pointed::Missing => {
                return Err(RegistryError::NotFound { object: self.pointer_url(dataset, channel) });
            }
        };
        self.has_no_successor(dataset, channel, &pointer).await?;
        let Standing { details, at, .. } = self.standing(dataset, channel, &pointer).await?;
        Ok(self.with_details(dataset, channel, pointer, etag, details, at).await?.release)
    }

    /// All channels of a dataset, and what they stand for.
    pub(super) async fn pointing(&self, dataset: &DatasetName) -> Result<Vec<InService>, RegistryError> {
        let mut pointing = Vec::new();
        for name in self.store.names(&format!("{dataset}/channels/")).await? {
            let Some(Ok(channel)) = name.strip_suffix(".json").map(str::parse::<Channel>) else { continue };
            pointing.extend(self.in_service(dataset, &channel).await?);
        }
        Ok(pointing)
    }

    /// Ends what is tried by hand: the version before stays promoted. Returns whether it had not ended before, and how the
    /// channel stands.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Trial`] where nothing is tried; [`RegistryError::Conflict`]; and what S3 does.
    pub async fn end(
        &self,
        dataset: &DatasetName,
        channel: &Channel,
        by: &str,
    ) -> Result<(bool, InService), RegistryError> {
        let nothing =
            || RegistryError::Trial { reason: format!("channel `{channel}` of dataset `{dataset}` tries nothing") };
        let mut found = self.in_service(dataset, channel).await?.ok_or_else(nothing)?;
        let (terms, since, _) = found.trial.take().ok_or_else(nothing)?;
        let place = Place::of(dataset, channel, &found.pointer, &terms)?;
        let ended = self.end_trial(&place, by).await?;
        let (is_new, state) = (ended.is_ok(), ended.unwrap_or_else(|state| state));
        found.trial = Some((terms, since, state));
        Ok((is_new, found))
    }

    #[expect(clippy::too_many_arguments, reason = "what is pointed at, and what it was")]
    async fn point(
        &self,
        dataset: &DatasetName,
        channel: &Channel,
        found: Option<InService>,
        release: Release,
        trial: Option<Terms>,
        serves: Vec<Pattern>,
        endorsement: &Endorsement<'_>,
    ) -> Result<Promotion, RegistryError> {
        self.claim(dataset, channel, &serves, &endorsement.by).await?;
        let served = found.iter().flat_map(|found| &found.serves);
        let dropped = served.filter(|pattern| !serves.contains(pattern)).cloned().collect();
        let place = pointer_key(dataset, channel);
        let parameters = release.parameters.clone();
        let details = |before: Option<&Release>| Details {
            parameters: parameters.clone(),
            previous_parameters: before.and_then(|before| before.parameters.clone()),
            trial: trial.clone(),
            serves: serves.clone(),
        };
        let (before, condition, sequence) = match found {
            // Once more: for a signature, or to end what was broken off. An expiry needs another sequence, and so does the end of a trial.
            Some(InService { release: current, previous, pointer, trial: tried, serves: served, .. })
                if current == release
                    && served == serves
                    && endorsement.expires.is_none()
                    && tried.as_ref().is_none_or(|(_, _, state)| state.verdict.is_none())
                    && tried.as_ref().map(|(terms, ..)| terms) == trial.as_ref() =>
            {
                let details = details(previous.as_ref());
                let record = self.endorse(dataset, channel, &pointer, &details, endorsement).await?;
                self.keep(dataset, channel, pointer.sequence, &record).await?;
                return Ok(Promotion {
                    before: Some(release),
                    pointer,
                    parameters,
                    trial,
                    serves,
                    dropped,
                    already: true,
                });
            }
            Some(InService { etag: None, .. }) => {
                let now = "S3 gives it no entity tag".to_owned();
                return Err(RegistryError::Conflict { object: self.store.url(&place), now });
            }
            Some(InService { release: current, previous, pointer, etag: Some(etag), .. }) => {
                let before = if current == release { previous } else { Some(current) };
                (before, Condition::Same(etag), pointer.sequence)
            }
            // It was deleted, if it was ever there: who has followed it follows no lower sequence.
            None => (None, Condition::New, self.last_sequence(dataset, channel).await?),
        };
        let details = details(before.as_ref());
        let Release { version, sha256, .. } = release;
        let previous = before.clone().map(|release| release.with(None));
        let pointer = Pointer { version, sha256, previous, sequence };
        let pointer = self.not_spoken_for(dataset, channel, pointer, &details).await?;
        let record = self.endorse(dataset, channel, &pointer, &details, endorsement).await?;
        if self.store.put(&place, render(&pointer)?, "application/json", condition).await? {
            self.keep(dataset, channel, pointer.sequence, &record).await?;
            // Of two promotions at once, one sees the other here.
            self.are_free(dataset, channel, &serves).await?;
            return Ok(Promotion { before, pointer, parameters, trial, serves, dropped, already: false });
        }
        // Where a request of ours was stored and its answer lost, the SDK's second try is refused.
        match self.in_service(dataset, channel).await? {
            Some(InService { pointer: now, .. }) if now == pointer => {
                self.keep(dataset, channel, pointer.sequence, &record).await?;
                self.are_free(dataset, channel, &serves).await?;
                Ok(Promotion { before, pointer, parameters, trial, serves, dropped, already: false })
            }
            now => {
                let now = match now {
                    Some(found) => format!("it points at {}", found.pointer.version),
                    None => "it is gone".to_owned(),
                };
                Err(RegistryError::Conflict { object: self.store.url(&place), now })
            }
        }
    }

    /// The pointer with the next sequence for which no other statement exists: a promotion that broke off before the pointer was
    /// written has left a statement.
    async fn not_spoken_for(
        &self,
        dataset: &DatasetName,
        channel: &Channel,
        mut pointer: Pointer,
        details: &Details,
    ) -> Result<Pointer, RegistryError> {
        for _ in 0..MAX_SPOKEN_FOR {
            pointer.sequence = pointer.sequence.saturating_add(1);
            let stated = self.stated(dataset, channel, &pointer).await?;
            if stated.iter().all(|statement| statement.details() == *details) {
                break;
            }
        }
        Ok(pointer)
    }
}
