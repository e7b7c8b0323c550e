//! What an object has to do with the trial of a candidate: who converts it is decided when it is begun, what is counted when
//! it has ended.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::shadow::{Compared, Incomparable, Shadow};
use super::{Deadline, Location, Options};
use crate::compare::{self, Comparison};
use crate::converter::{Converter, Warnings};
use crate::logs::{on_a_thread, on_one_line};
use crate::registry::{Counts, Kind, Observed, Points, Resolver, Running, Side};
use crate::report::{Failure, FailureKind, ObjectReport, TrialReport};
use crate::source::{ParquetObject, Selection};

/// What a shadow may take, however fast its object was loaded.
const LEAST: Duration = Duration::from_secs(1);

/// How many measurements, and how many fields, the report of an object names, and how much of a name, in characters.
const MAXIMUM_NAMES: usize = 50;
const MAXIMUM_NAME: usize = 200;

/// The longest reason in a report, in characters.
const MAXIMUM_REASON: usize = 500;

/// An object of a trial.
pub(super) struct Part {
    trial: Arc<Running>,
    role: Role,
    /// The object, as soon as it is open, and what its converter warns of.
    opened: Option<(ParquetObject, Warnings)>,
}

/// What is done with the object.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// The promoted version converts it, and the candidate beside it.
    Shadowed,
    /// The candidate converts it.
    Tried,
    /// The promoted version converts it, which the candidate is compared with.
    Before,
}

/// What is kept of an object. Nothing of what its rows hold: `converter diff` shows that.
#[derive(Serialize)]
struct Kept<'a> {
    object: &'a str,
    version_id: Option<&'a str>,
    kind: Kind,
    before: &'a str,
    candidate: &'a str,
    counts: &'a Counts,
    /// Why it was not compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_compared: Option<String>,
    /// Why the candidate failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
    /// What differs, by measurement and by key of the field.
    measurements: BTreeMap<String, compare::Counts>,
    fields: BTreeMap<String, compare::Counts>,
    /// Rows that only one version rejects, by code.
    rejected_by_candidate_only: BTreeMap<String, u64>,
    rejected_before_only: BTreeMap<String, u64>,
    /// What a candidate's version and the promoted one make differently, in detail.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl Part {
    /// What there is to do about an object that this converter converts; nothing where it does not belong to the trial.
    pub(super) fn of(trial: Arc<Running>, converter: &Converter, location: &Location) -> Option<Self> {
        let Location::S3(object) = location else { return None };
        if trial.outcome().is_some() {
            return None;
        }
        let is = |other: &Converter| converter.identity() == other.identity();
        let role = match trial.terms.kind {
            // One that was begun with something else is neither.
            Kind::Shadow => (is(trial.before()) && trial.terms.share.has(&object.key)).then_some(Role::Shadowed),
            Kind::Canary if is(trial.candidate()) => Some(Role::Tried),
            Kind::Canary => is(trial.before()).then_some(Role::Before),
        }?;
        Some(Self { trial, role, opened: None })
    }

    /// The object, before it is in the types of a contract.
    pub(super) fn opened(&mut self, object: &ParquetObject, warnings: &Warnings) {
        self.opened = Some((object.clone(), warnings.clone()));
    }

    /// Counts what became of the object, and runs its shadow.
    pub(super) async fn end(
        self,
        resolver: &Resolver,
        options: &Options,
        deadline: Option<Deadline>,
        report: &mut ObjectReport,
    ) {
        let has_failed = match report.failure.as_ref().map(Failure::kind) {
            None => false,
            Some(FailureKind::Conversion | FailureKind::Converter | FailureKind::Rejected) => true,
            // The object is retried, and neither converter is to blame.
            Some(_) => return,
        };
        let [before, candidate] =
            [self.trial.before(), self.trial.candidate()].map(|converter| converter.description().version.clone());
        let mut told = TrialReport::of(self.trial.terms.kind, candidate.as_str());
        // One that is loaded in parts is one with its last part.
        let objects = u64::from(report.remaining.is_none());
        let mut counts = Counts::default();
        let mut comparison = Comparison::default();
        match self.role {
            Role::Shadowed if has_failed => return,
            Role::Shadowed => match self.shadow(options, deadline, report).await {
                Ok(compared) => {
                    counts = counted(&compared, objects);
                    told.points = Some(counts.points);
                    comparison = compared.comparison;
                }
                Err(Incomparable::Failed(error)) => {
                    let one = Side { objects: 1, ..Side::default() };
                    (counts.before, counts.candidate) = (one, Side { failed: 1, ..one });
                    told.failure = Some(short(Failure::new(error.kind(), &error).message()));
                }
                Err(Incomparable::NotCompared(reason)) => {
                    counts.uncompared = 1;
                    told.not_compared = Some(short(&reason));
                }
            },
            Role::Tried | Role::Before => {
                let side = Side {
                    objects: if has_failed { 1 } else { objects },
                    rows: report.accounts.rows,
                    rejected: report.accounts.rejected_total(),
                    failed: u64::from(has_failed),
                    nanoseconds: nanoseconds(report.timings.convert),
                };
                if self.role == Role::Tried {
                    counts.candidate = side;
                    told.converted = true;
                    told.failure = report.failure.as_ref().map(|failure| short(failure.message()));
                } else {
                    counts.before = side;
                }
            }
        }
        let kept = Kept {
            object: &report.object,
            version_id: report.version_id.as_deref(),
            kind: told.kind,
            before: &before,
            candidate: &candidate,
            counts: &counts,
            not_compared: told.not_compared.clone(),
            failure: told.failure.clone(),
            measurements: named(&comparison.measurements),
            fields: named(&comparison.fields),
            rejected_by_candidate_only: named(&comparison.rejected_only.new),
            rejected_before_only: named(&comparison.rejected_only.old),
            hint: (!comparison.is_same()).then(|| {
                let dataset = report.dataset.as_deref().unwrap_or_default();
                // A converter that serves patterns has another name.
                let name = &self.trial.before().description().dataset;
                let object = on_one_line(&report.object);
                let hint = format!("influxdb-loader converter diff {name}@{before} {name}@{candidate} {object}");
                if name == dataset { hint } else { format!("{hint} --dataset {dataset}") }
            }),
        };
        let observed = Observed { counts, id: id(report), report: kept };
        let counting = resolver.count(&self.trial, observed);
        told.outcome = Deadline::before_the_end(deadline, counting).await.flatten();
        report.trial = Some(told);
    }

    async fn shadow(
        &self,
        options: &Options,
        deadline: Option<Deadline>,
        report: &ObjectReport,
    ) -> Result<Compared, Incomparable> {
        let not = |reason: &str| Incomparable::NotCompared(reason.to_owned());
        let (object, warnings) = self.opened.clone().ok_or_else(|| not("it was not opened"))?;
        let row_groups = report.row_groups.clone().ok_or_else(|| not("it is not known how far it was loaded"))?;
        if options.shadow_percent == 0 {
            return Err(not("`CONVERTER_SHADOW_PERCENT` is 0"));
        }
        let until = Instant::now() + (report.timings.total / 100).saturating_mul(options.shadow_percent).max(LEAST);
        let shadow = Shadow {
            object,
            selection: Selection::RowGroups(row_groups),
            rows_per_batch: options.rows_per_batch,
            dataset: report.dataset.clone().unwrap_or_default(),
            strict: options.strict,
            warnings,
            before: self.trial.before().clone(),
            candidate: self.trial.candidate().clone(),
            until: deadline.map_or(until, |deadline| until.min(deadline.stop)),
        };
        let compared = on_a_thread(move || shadow.run()).await;
        compared.unwrap_or_else(|_| Err(not("a thread of the loader stopped")))
    }
}

fn counted(compared: &Compared, objects: u64) -> Counts {
    let Compared { comparison, rows, before, candidate } = compared;
    let side = |rejected: &BTreeMap<String, u64>, time: Duration| Side {
        objects,
        rows: *rows,
        rejected: rejected.values().sum(),
        failed: 0,
        nanoseconds: nanoseconds(time),
    };
    let compare::Counts { added, removed, changed } = comparison.differing;
    Counts {
        candidate: side(&comparison.rejected.new, *candidate),
        before: side(&comparison.rejected.old, *before),
        points: Points { equal: comparison.same, added, removed, changed },
        uncompared: 0,
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The first names, on one line each.
fn named<T: Copy>(names: &BTreeMap<String, T>) -> BTreeMap<String, T> {
    let short = |name: &String| on_one_line(&name.chars().take(MAXIMUM_NAME).collect::<String>());
    names.iter().take(MAXIMUM_NAMES).map(|(name, value)| (short(name), *value)).collect()
}

fn short(reason: &str) -> String {
    on_one_line(&reason.chars().take(MAXIMUM_REASON).collect::<String>())
}

/// The same for the same rows of the same version of an object.
fn id(report: &ObjectReport) -> String {
    let state = report.state.as_ref();
    let state = state.map(|state| (state.version.as_deref().unwrap_or_default(), state.etag.as_str()));
    let digest = Sha256::digest(format!("{} {state:?} {:?}", report.object, report.row_groups));
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
