//! Which of two releases is served while one is tried beside the other.

use std::sync::Arc;

use super::{Remote, Resolution, Slot, State, announce, log};
use crate::converter::Converter;
use crate::dataset::DatasetName;
use crate::registry::error::RegistryError;
use crate::registry::trials::{Kind, Outcome, Place, Running};

/// What is tried beside the version that a pointer names.
enum Tried {
    Nothing,
    Follow(Arc<Running>),
    /// The candidate cannot be used. Whether its points were to be written.
    Unusable {
        writes: bool,
    },
}

impl Remote {
    /// Serves the version that the pointer names, or the candidate that is tried beside it, as far as that has come.
    pub(super) async fn settle(
        &self,
        dataset: &DatasetName,
        slot: &Slot,
        state: &mut State,
        converter: Converter,
        fallback: bool,
    ) -> Result<Resolution, RegistryError> {
        state.pointed = Some(converter.clone());
        let serves = state.details.serves.as_slice().into();
        let mut resolution = Resolution { serves, ..Resolution::alone(converter, fallback) };
        match self.trial(dataset, state, &resolution.converter).await {
            Ok(Tried::Nothing) => state.trial = None,
            // Objects are still loaded, though perhaps by another version than the terms name.
            Ok(Tried::Unusable { writes }) => (state.trial, resolution.fallback) = (None, fallback || writes),
            Ok(Tried::Follow(trial)) => {
                state.trial = Some(Arc::clone(&trial));
                match trial.outcome() {
                    None => resolution.trial = Some(trial),
                    Some(Outcome::Promoted) => resolution.converter = trial.candidate().clone(),
                    Some(Outcome::RolledBack | Outcome::Ended) => {}
                }
            }
            Err(error) => {
                log(&error, &format!("how the trial of dataset `{dataset}` stands cannot be read"));
                let is_passing = !error.is_permanent() && !matches!(error, RegistryError::Forbidden { .. });
                match slot.served().filter(|_| state.trial.is_some()) {
                    // Objects keep their sides.
                    Some(served) if is_passing => return Ok(slot.serve(Resolution { fallback: true, ..served })),
                    // It is not known which of the two is promoted.
                    None if is_passing => {
                        (state.etag, state.pointed) = (None, None);
                        return Err(error);
                    }
                    Some(_) | None => (state.trial, resolution.fallback) = (None, true),
                }
            }
        }
        announce(dataset, &resolution.converter, slot.served().as_ref());
        Ok(slot.serve(resolution))
    }

    /// The trial of the pointer that is followed, as it stands now.
    async fn trial(
        &self,
        dataset: &DatasetName,
        state: &mut State,
        before: &Converter,
    ) -> Result<Tried, RegistryError> {
        let (Some(terms), Some(since), Some(pointer)) = (state.details.trial.clone(), state.since, &state.seen) else {
            return Ok(Tried::Nothing);
        };
        let place = Place::of(dataset, self.registry.channel(), pointer, &terms)?;
        let followed = state.trial.clone().filter(|trial| trial.place == place);
        if let Some(trial) = followed.clone().filter(|trial| trial.outcome().is_some()) {
            return Ok(Tried::Follow(trial));
        }
        let Some(read) = self.registry.trial_state(&place, None).await? else { return Ok(Tried::Nothing) };
        let outcome = read.state.verdict.as_ref().map(|verdict| verdict.outcome);
        let trial = match followed {
            Some(trial) => trial,
            None if matches!(outcome, Some(Outcome::RolledBack | Outcome::Ended)) => return Ok(Tried::Nothing),
            None => match self.load(dataset, &terms.candidate, state).await {
                Ok(candidate) => {
                    Arc::new(Running::new(terms, place, dataset.clone(), since, before.clone(), candidate))
                }
                Err(error) => {
                    log(&error, &format!("the candidate that dataset `{dataset}` tries cannot be used"));
                    return Ok(Tried::Unusable { writes: outcome.is_some() || terms.kind == Kind::Canary });
                }
            },
        };
        trial.knows(read);
        Ok(Tried::Follow(trial))
    }
}
