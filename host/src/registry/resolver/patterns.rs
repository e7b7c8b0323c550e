//! Datasets that have no converter of their own, and are served by one whose promoted pattern matches.
//!
//! An object costs no request for this: which patterns there are is listed as often as a pointer is read, and the name that is found
//! is resolved as any dataset. What this process has once seen listed it remembers, so that nothing changes where such an
//! object is deleted.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::Mutex as AsyncMutex;
use tracing::Instrument;

use super::{FAILED, Remote, Resolution, Resolver, log};
use crate::dataset::DatasetName;
use crate::registry::error::RegistryError;
use crate::registry::patterns::{Claim, matching};

/// How many patterns that match one dataset are looked at: each has another name to ask.
const MAX_MATCHING: usize = 16;

/// What is known of the patterns of the channel.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    known: Mutex<Option<Arc<BTreeSet<Claim>>>>,
    /// Locked while they are listed.
    asked: Arc<AsyncMutex<Asked>>,
}

/// When they were listed last, and when in vain with nothing known.
#[derive(Debug, Default)]
struct Asked {
    at: Option<Instant>,
    failed: Option<(Instant, RegistryError)>,
}

impl Patterns {
    fn known(&self) -> Option<Arc<BTreeSet<Claim>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Resolver {
    /// The converter that serves the dataset by a pattern; none where there is none.
    pub(super) async fn by_pattern(
        &self,
        remote: &Arc<Remote>,
        dataset: &DatasetName,
    ) -> Result<Option<Resolution>, RegistryError> {
        let mut found: Option<(Claim, Resolution)> = None;
        for claim in remote.matching(dataset).await? {
            if found.as_ref().is_some_and(|(found, _)| found.pattern != claim.pattern) {
                break;
            }
            let resolution = match self.own(&claim.name).await {
                Ok(resolution) => resolution,
                // It was about to be promoted.
                Err(RegistryError::NoConverter { .. }) => continue,
                // A shorter pattern does not take its place.
                Err(error) => {
                    let (dataset, name, cause) = (dataset.clone(), claim.name, Arc::new(error));
                    return Err(RegistryError::Serving { dataset, name, cause });
                }
            };
            if !resolution.serves.contains(&claim.pattern) {
                continue;
            }
            if let Some((Claim { name: other, pattern }, _)) = found {
                let (name, channel) = (claim.name, remote.registry.channel().clone());
                return Err(RegistryError::PatternTaken { pattern, name, other, channel });
            }
            found = Some((claim, resolution));
        }
        Ok(found.map(|(_, resolution)| resolution))
    }
}

impl Remote {
    /// The patterns that match the dataset, the one that counts first.
    pub(super) async fn matching(self: &Arc<Self>, dataset: &DatasetName) -> Result<Vec<Claim>, RegistryError> {
        let matching = matching(&*self.claims().await?, dataset);
        if matching.len() > MAX_MATCHING {
            let place = format!("dataset `{dataset}`");
            return Err(RegistryError::TooManyPatterns { place, limit: MAX_MATCHING });
        }
        Ok(matching)
    }

    /// The datasets that are served by their whole name.
    pub(super) async fn named(self: &Arc<Self>) -> Vec<String> {
        let Ok(claims) = self.claims().await else { return Vec::new() };
        claims.iter().filter_map(|claim| claim.pattern.name()).map(|name| name.to_string()).collect()
    }

    /// All that this process knows of. Nobody waits while they are listed again, unless every object asks.
    async fn claims(self: &Arc<Self>) -> Result<Arc<BTreeSet<Claim>>, RegistryError> {
        if let (Some(known), false) = (self.patterns.known(), self.refresh.is_zero()) {
            if let Ok(mut asked) = Arc::clone(&self.patterns.asked).try_lock_owned()
                && asked.at.is_none_or(|at| at.elapsed() >= self.refresh)
            {
                let remote = Arc::clone(self);
                let list = async move { drop(remote.list_claims(&mut asked).await) };
                drop(tokio::spawn(list.in_current_span()));
            }
            return Ok(known);
        }
        let arrived = Instant::now();
        let mut asked = self.patterns.asked.lock().await;
        if let Some((failed, error)) = &asked.failed
            && (*failed >= arrived || failed.elapsed() < FAILED.min(self.refresh))
        {
            return Err(error.clone());
        }
        match (asked.at, self.patterns.known()) {
            (Some(at), Some(known)) if at >= arrived || at.elapsed() < self.refresh => Ok(known),
            _ => self.list_claims(&mut asked).await,
        }
    }

    async fn list_claims(&self, asked: &mut Asked) -> Result<Arc<BTreeSet<Claim>>, RegistryError> {
        let known = self.patterns.known();
        let claims = match (self.registry.claims(self.registry.channel()).await, known) {
            (Ok(found), known) => {
                let found: BTreeSet<Claim> = found.into_iter().collect();
                let gone: Vec<&Claim> = known.iter().flat_map(|known| known.difference(&found)).collect();
                for Claim { pattern, name } in &gone {
                    tracing::warn!(%pattern, converter = %name, "the registry does not list the pattern any more: it is still looked at");
                }
                let all = found.iter().chain(gone).cloned().collect();
                Arc::new(all)
            }
            (Err(error), Some(known)) => {
                log(&error, "the patterns of the registry cannot be listed");
                known
            }
            (Err(error), None) => {
                asked.failed = Some((Instant::now(), error.clone()));
                return Err(error);
            }
        };
        (asked.at, asked.failed) = (Some(Instant::now()), None);
        *self.patterns.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&claims));
        Ok(claims)
    }
}
