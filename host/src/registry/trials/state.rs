//! What is kept of a trial below `trials/`.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::counts::Counts;
use super::rule::Rule;
use super::terms::Terms;
use crate::control::CONTROL;
use crate::dataset::DatasetName;
use crate::registry::document::{Pointer, line, parse, render};
use crate::registry::error::RegistryError;
use crate::registry::names::Channel;
use crate::registry::operations::Registry;
use crate::registry::pointers::Moment;
use crate::registry::store::{Condition, Fetched};

/// What all trials lie below.
const TRIALS: &str = "trials";

/// The largest state, in bytes: a few numbers and a rule.
const MAX_STATE_BYTES: u64 = 16 * 1024;

/// How often a state is written again that others have changed meanwhile, by hand.
const TRIES: usize = 8;

/// Whether the registry uses the name for something else than a dataset. What the function's role may write to is never read
/// as a dataset's.
pub(in crate::registry) fn is_reserved(dataset: &DatasetName) -> bool {
    [CONTROL, TRIALS].contains(&dataset.as_str())
}

/// How a trial has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The candidate is promoted.
    Promoted,
    /// The version before stays promoted.
    RolledBack,
    /// The same, since somebody ended the trial.
    Ended,
}

/// How a trial has ended, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// How.
    pub outcome: Outcome,
    /// When.
    pub at: Moment,
    /// The rule that was true; none where somebody ended it.
    pub rule: Option<Rule>,
    /// Who ended it, in their own words; none where a rule did.
    pub by: Option<Line>,
}

/// Text that may be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Line(#[serde(deserialize_with = "line")] pub String);

/// What is known of a trial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// What was counted.
    pub counts: Counts,
    /// How it has ended; none while it runs.
    pub verdict: Option<Verdict>,
    /// When that was written.
    pub at: Moment,
    /// Whose write that was, so that a function whose answer was lost knows its own.
    pub writer: Line,
}

impl State {
    /// With more counts, and the verdict that follows from them. `since`: when the trial began.
    pub(super) fn and(&self, counts: Counts, terms: &Terms, since: Moment, writer: &str) -> Self {
        let at = Moment::now();
        let mut next = Self { at, writer: Line(writer.to_owned()), ..self.clone() };
        next.counts += counts;
        if next.verdict.is_none() {
            next.verdict = verdict(terms, &next.counts, since, at);
        }
        next
    }

    fn new() -> Self {
        Self { counts: Counts::default(), verdict: None, at: Moment::now(), writer: Line(String::new()) }
    }
}

/// What the rules decide. Rolling the candidate back goes first.
fn verdict(terms: &Terms, counts: &Counts, since: Moment, at: Moment) -> Option<Verdict> {
    let age = at.since(since);
    let is_true = |rule: &&Rule| rule.holds(counts, age);
    let of = |outcome, rule: &Rule| Verdict { outcome, at, rule: Some(rule.clone()), by: None };
    let taken_back = terms.unless.as_ref().filter(is_true).map(|rule| of(Outcome::RolledBack, rule));
    taken_back.or_else(|| terms.when.as_ref().filter(is_true).map(|rule| of(Outcome::Promoted, rule)))
}

/// Where what is known of a trial lies. Another pointer, or other terms, have another place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::registry) struct Place(String);

impl Place {
    pub(in crate::registry) fn of(
        dataset: &DatasetName,
        channel: &Channel,
        pointer: &Pointer,
        terms: &Terms,
    ) -> Result<Self, RegistryError> {
        let mut named = render(pointer)?;
        named.extend(render(terms)?);
        let digest: String = Sha256::digest(named).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Ok(Self(format!("{TRIALS}/{dataset}/{channel}/{:020}-{digest}/", pointer.sequence)))
    }

    fn state(&self) -> String {
        format!("{}state.json", self.0)
    }

    fn object(&self, id: &str) -> String {
        format!("{}objects/{id}.json", self.0)
    }
}

/// A state, as it was read.
pub(in crate::registry) struct Read {
    pub(in crate::registry) state: State,
    /// Its entity tag; none where there is none yet.
    pub(in crate::registry) etag: Option<String>,
}

impl Registry {
    /// What is known of a trial; none where that is what has the entity tag `known`.
    pub(in crate::registry) async fn trial_state(
        &self,
        place: &Place,
        known: Option<&str>,
    ) -> Result<Option<Read>, RegistryError> {
        let key = place.state();
        Ok(match self.store.document(&key, MAX_STATE_BYTES, known).await? {
            Fetched::Found { bytes, etag } => Some(Read { state: parse(&self.store.url(&key), &bytes)?, etag }),
            Fetched::NotModified => None,
            Fetched::Missing => Some(Read { state: State::new(), etag: None }),
        })
    }

    /// Writes what is known of a trial, unless another has written since. Returns the new entity tag.
    pub(super) async fn put_trial_state(
        &self,
        place: &Place,
        state: &State,
        etag: Option<&str>,
    ) -> Result<Option<Option<String>>, RegistryError> {
        let condition = etag.map_or(Condition::New, |etag| Condition::Same(etag.to_owned()));
        self.store.write(&place.state(), render(state)?, "application/json", condition).await
    }

    /// Keeps what became of an object. Returns whether it is the first time.
    pub(super) async fn put_trial_report(
        &self,
        place: &Place,
        id: &str,
        report: &impl Serialize,
    ) -> Result<bool, RegistryError> {
        self.store.put(&place.object(id), render(report)?, "application/json", Condition::New).await
    }

    /// The trial's state, as people write its object.
    pub(in crate::registry) fn trial_url(&self, place: &Place) -> String {
        self.store.url(&place.state())
    }

    /// Ends a trial by hand: the version before stays promoted. Returns how it had ended already, if it had.
    pub(in crate::registry) async fn end_trial(
        &self,
        place: &Place,
        by: &str,
    ) -> Result<Result<State, State>, RegistryError> {
        for _ in 0..TRIES {
            let Some(Read { state, etag }) = self.trial_state(place, None).await? else { break };
            if state.verdict.is_some() {
                return Ok(Err(state));
            }
            let (at, by) = (Moment::now(), Line(by.to_owned()));
            let verdict = Verdict { outcome: Outcome::Ended, at, rule: None, by: Some(by.clone()) };
            let ended = State { verdict: Some(verdict), at, writer: by, ..state };
            if self.put_trial_state(place, &ended, etag.as_deref()).await?.is_some() {
                return Ok(Ok(ended));
            }
        }
        let now = "functions count objects".to_owned();
        Err(RegistryError::Conflict { object: self.trial_url(place), now })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::super::counts::{Points, Side};
    use super::super::terms::{Kind, Share};
    use super::*;
    use crate::registry::document::Release;

    fn terms(when: &str, unless: &str) -> Terms {
        let rule = |text: &str| Some(text.parse().unwrap());
        let candidate = Release { version: "1.0.1".parse().unwrap(), sha256: "0f".repeat(32), parameters: None };
        Terms { kind: Kind::Shadow, candidate, share: Share::ALL, when: rule(when), unless: rule(unless) }
    }

    fn one(changed: u64) -> Counts {
        let side = Side { objects: 1, rows: 10, ..Side::default() };
        Counts {
            candidate: side,
            before: side,
            points: Points { equal: 9, changed, ..Points::default() },
            uncompared: 0,
        }
    }

    #[test]
    fn a_rule_decides_once_and_taking_back_goes_first() {
        let (since, terms) = (Moment::now(), terms("objects >= 2", "changed > 0"));
        let first = State::new().and(one(0), &terms, since, "a");
        assert_eq!(first.verdict, None);
        let outcome = |state: &State| state.verdict.as_ref().map(|verdict| verdict.outcome);
        let promoted = first.and(one(0), &terms, since, "a");
        assert_eq!((outcome(&promoted), promoted.counts.candidate.objects), (Some(Outcome::Promoted), 2));
        assert_eq!(outcome(&first.and(one(1), &terms, since, "a")), Some(Outcome::RolledBack));
        // What is counted later does not change it.
        assert_eq!(outcome(&promoted.and(one(1), &terms, since, "b")), Some(Outcome::Promoted));
    }

    #[test]
    fn a_state_is_read_as_it_was_written_and_has_nothing_more() {
        let state = State::new().and(one(1), &terms("objects >= 2", "changed > 0"), Moment::now(), "a");
        let bytes = render(&state).unwrap();
        assert_eq!(parse::<State>("s", &bytes).unwrap(), state);
        let mut more = serde_json::to_value(&state).unwrap();
        more["counts"]["candidate"]["more"] = 1.into();
        assert!(parse::<State>("s", more.to_string().as_bytes()).is_err());
        let mut escape = serde_json::to_value(&state).unwrap();
        escape["writer"] = "\u{1b}[31m".into();
        assert!(parse::<State>("s", escape.to_string().as_bytes()).is_err());
    }
}
