//! A trial that a process follows: which objects it concerns, and what became of them.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use serde::Serialize;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::{sleep, timeout};

use super::counts::Counts;
use super::state::{Outcome, Place, Read, Verdict};
use super::terms::{Kind, Terms};
use crate::converter::Converter;
use crate::dataset::DatasetName;
use crate::registry::error::RegistryError;
use crate::registry::operations::Registry;
use crate::registry::pointers::Moment;

/// How often a process tries to add what it has counted to what others have. What it does not get in is added with its next
/// object.
const TRIES: u32 = 8;

/// The longest wait before a further try; the first one is a hundredth of it.
const LONGEST_WAIT: Duration = Duration::from_millis(400);

/// How long all of that may take, so that no load waits for long.
const PATIENCE: Duration = Duration::from_secs(5);

/// A trial that this process follows.
pub struct Running {
    /// On which terms.
    pub terms: Terms,
    pub(in crate::registry) place: Place,
    dataset: DatasetName,
    since: Moment,
    /// What the pointer names.
    before: Converter,
    candidate: Converter,
    /// What others have counted and this process too, as far as it knows.
    known: AsyncMutex<Option<Read>>,
    /// What is not written yet.
    pending: Mutex<Counts>,
    /// Once it has ended, it has: also where the state is gone.
    verdict: OnceLock<Verdict>,
    /// Whether it was logged that nothing can be counted.
    told: AtomicBool,
}

/// What became of an object in a trial.
#[derive(Debug)]
pub struct Observed<R> {
    /// What it adds.
    pub counts: Counts,
    /// Names the object and its version.
    pub id: String,
    /// What is kept of it.
    pub report: R,
}

impl Running {
    pub(in crate::registry) fn new(
        terms: Terms,
        place: Place,
        dataset: DatasetName,
        since: Moment,
        before: Converter,
        candidate: Converter,
    ) -> Self {
        Self {
            terms,
            place,
            dataset,
            since,
            before,
            candidate,
            known: AsyncMutex::default(),
            pending: Mutex::default(),
            verdict: OnceLock::new(),
            told: AtomicBool::new(false),
        }
    }

    /// What is tried.
    pub fn candidate(&self) -> &Converter {
        &self.candidate
    }

    /// What it is tried beside.
    pub fn before(&self) -> &Converter {
        &self.before
    }

    /// How it has ended, as far as this process knows.
    pub fn outcome(&self) -> Option<Outcome> {
        self.verdict.get().map(|verdict| verdict.outcome)
    }

    /// The promoted converter, as far as this process knows.
    pub fn in_service(&self) -> &Converter {
        if self.outcome() == Some(Outcome::Promoted) { &self.candidate } else { &self.before }
    }

    /// The converter whose points of an object are written.
    pub fn converter(&self, key: &str) -> &Converter {
        let is_tried = self.outcome().is_none() && self.terms.kind == Kind::Canary && self.terms.share.has(key);
        if is_tried { &self.candidate } else { self.in_service() }
    }

    /// Takes over how it has ended. Returns whether that is new to this process.
    fn adopt(&self, verdict: &Verdict) -> bool {
        self.verdict.set(verdict.clone()).is_ok()
    }

    pub(in crate::registry) fn knows(&self, read: Read) {
        if let Some(verdict) = &read.state.verdict
            && self.adopt(verdict)
        {
            self.tell(verdict, "the trial has ended");
        }
        // Whoever has the lock writes, and knows better soon.
        if let Ok(mut known) = self.known.try_lock() {
            *known = Some(read);
        }
    }

    fn pending(&self) -> Counts {
        *self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, Verdict { outcome, rule, .. }: &Verdict, what: &str) {
        let (dataset, rule) = (&self.dataset, rule.as_ref().map(ToString::to_string));
        let [before, candidate] = [&self.before, &self.candidate].map(|it| it.description().version.as_str());
        match outcome {
            Outcome::Promoted => {
                tracing::info!(%dataset, before, candidate, rule, "{what}: the candidate is promoted")
            }
            Outcome::RolledBack => {
                tracing::warn!(%dataset, before, candidate, rule, "{what}: the candidate is rolled back");
            }
            Outcome::Ended => tracing::info!(%dataset, before, candidate, "{what}: it was ended by hand"),
        }
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Running")
            .field("terms", &self.terms)
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

impl Registry {
    /// Counts an object, and decides where a rule is true with it. Returns how the trial has ended if this very object ended it.
    /// What keeps it from being counted is logged, and fails nothing.
    pub async fn count<R: Serialize>(&self, trial: &Running, observed: Observed<R>) -> Option<Outcome> {
        let problem = match timeout(PATIENCE, self.try_to_count(trial, observed)).await {
            Ok(Ok(outcome)) => return outcome,
            Ok(Err(error)) => error,
            Err(_) => RegistryError::TimedOut { object: self.trial_url(&trial.place), limit: PATIENCE },
        };
        // Once: it is so for every object.
        if !trial.told.swap(true, Ordering::Relaxed) {
            let causes = std::error::Error::source(&problem).map(|cause| format!(": {cause}")).unwrap_or_default();
            tracing::warn!(dataset = %trial.dataset, "objects of the trial are not counted: {problem}{causes}");
        }
        None
    }

    async fn try_to_count<R: Serialize>(
        &self,
        trial: &Running,
        Observed { counts, id, report }: Observed<R>,
    ) -> Result<Option<Outcome>, RegistryError> {
        if trial.outcome().is_some() {
            return Ok(None);
        }
        // One that is delivered again counts once.
        if !self.put_trial_report(&trial.place, &id, &report).await? {
            return Ok(None);
        }
        *trial.pending.lock().unwrap_or_else(PoisonError::into_inner) += counts;
        let mut known = trial.known.lock().await;
        for attempt in 0..TRIES {
            let pending = trial.pending();
            if pending == Counts::default() || trial.outcome().is_some() {
                return Ok(None);
            }
            let Read { state, etag } = match known.take() {
                Some(known) => known,
                None => self.trial_state(&trial.place, None).await?.ok_or_else(|| self.unreadable(trial))?,
            };
            if let Some(verdict) = &state.verdict {
                if trial.adopt(verdict) {
                    trial.tell(verdict, "the trial has ended");
                }
                return Ok(None);
            }
            let writer = random()?;
            let next = state.and(pending, &trial.terms, trial.since, &writer);
            let written = match self.put_trial_state(&trial.place, &next, etag.as_deref()).await? {
                Some(etag) => Some(Read { state: next, etag }),
                // Another was faster, or it was written and the answer lost.
                None => {
                    let found = self.trial_state(&trial.place, None).await?.ok_or_else(|| self.unreadable(trial))?;
                    if found.state.writer == next.writer {
                        Some(found)
                    } else {
                        *known = Some(found);
                        None
                    }
                }
            };
            if let Some(written) = written {
                trial.pending.lock().unwrap_or_else(PoisonError::into_inner).subtract(pending);
                let verdict = written.state.verdict.clone();
                *known = Some(written);
                return Ok(verdict.map(|verdict| {
                    if trial.adopt(&verdict) {
                        trial.tell(&verdict, "a rule of the trial is true");
                    }
                    verdict.outcome
                }));
            }
            sleep(wait(attempt)).await;
        }
        Ok(None)
    }

    fn unreadable(&self, trial: &Running) -> RegistryError {
        RegistryError::NotFound { object: self.trial_url(&trial.place) }
    }
}

/// How long to wait before the next try: longer each time, and not as long as others.
fn wait(attempt: u32) -> Duration {
    let mut bytes = [128_u8];
    // Without random numbers, all wait as long.
    _ = SystemRandom::new().fill(&mut bytes);
    let longest = (LONGEST_WAIT / 100 * 2_u32.pow(attempt)).min(LONGEST_WAIT);
    longest / 256 * u32::from(bytes[0])
}

fn random() -> Result<String, RegistryError> {
    let mut bytes = [0_u8; 8];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| RegistryError::Trial { reason: "the system has no random numbers".to_owned() })?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
