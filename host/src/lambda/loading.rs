//! What an event names, loaded: objects at the same time, as far as there is memory, and the versions of one object one after
//! the other.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use tokio::sync::Semaphore;
use tracing::Instrument;

use super::log;
use super::versions::{self, Asked, End, Newest, Next};
use crate::aws;
use crate::config::SourceBuckets;
use crate::event::{self, ObjectReference, Prefix, Target};
use crate::ledger::Standing;
use crate::pipeline::{Deadline, LoadError, LoadRequest, Loader, Location};
use crate::report::{Failure, FailureKind, ObjectReport, Remaining};
use crate::sink::Sink;
use crate::source::{self, Current, ObjectState, SourceError};

/// The most objects below prefixes that one invocation loads, so that its report is of a size that can be held and answered.
/// The caller resumes with what is left.
const MAXIMUM_LISTED: usize = 1000;

/// Why the objects below a prefix are not found.
#[derive(Debug, thiserror::Error)]
enum PrefixError {
    /// They cannot be listed.
    #[error(transparent)]
    List(#[from] SourceError),
    /// There are none.
    #[error("no Parquet files in `{0}`\nhint: names end in `.parquet` or have no ending, and hidden ones are skipped")]
    NothingFound(Prefix),
}

/// An event names what the settings do not allow it to name.
#[derive(Debug, thiserror::Error)]
#[error("`{named}` is not in `SOURCE_BUCKETS`, which allows `{allowed}`")]
pub(super) struct NotAllowed {
    named: String,
    allowed: SourceBuckets,
}

impl NotAllowed {
    /// Looks at what an event names: a key, or what keys begin with.
    pub(super) fn check(allowed: Option<&SourceBuckets>, bucket: &str, key: &str) -> Result<(), Self> {
        match allowed.filter(|allowed| !allowed.allow(bucket, key)) {
            None => Ok(()),
            Some(allowed) => Err(Self { named: format!("s3://{bucket}/{key}"), allowed: allowed.clone() }),
        }
    }
}

impl PrefixError {
    fn failure(self) -> Failure {
        match self {
            Self::List(error) => {
                let error = LoadError::Source(error);
                Failure::new(error.kind(), &error)
            }
            Self::NothingFound(_) => Failure::new(FailureKind::NotFound, &self),
        }
    }
}

/// An event being loaded.
pub(super) struct Loading<'a> {
    loader: &'a Loader,
    sink: &'a Sink,
    allowed: Option<&'a SourceBuckets>,
    deadline: Option<Deadline>,
    concurrency: usize,
    /// Objects that a notification names and that are gone.
    skipped: AtomicU64,
    /// One for each object that may be loaded at a time.
    permits: Semaphore,
    /// How many objects below prefixes may still be begun.
    listed: AtomicUsize,
}

/// What is loaded one after the other, by places in the list of targets.
#[derive(Debug, PartialEq, Eq)]
enum Group {
    /// What is asked for of one object, in the order of the event.
    States(Vec<usize>),
    /// What is below a prefix.
    Prefix(usize),
}

/// What became of a target: reports, each with the object that it is of, or with which it resumes.
type Outcome = Vec<(Remaining, ObjectReport)>;

impl<'a> Loading<'a> {
    /// At most `concurrency` objects at a time.
    pub(super) fn new(loader: &'a Loader, sink: &'a Sink, deadline: Option<Deadline>, concurrency: usize) -> Self {
        let (permits, listed) = (Semaphore::new(concurrency), AtomicUsize::new(MAXIMUM_LISTED));
        Self { loader, sink, allowed: None, deadline, concurrency, skipped: AtomicU64::new(0), permits, listed }
    }

    /// Only of these.
    pub(super) fn of(self, allowed: Option<&'a SourceBuckets>) -> Self {
        Self { allowed, ..self }
    }

    /// How many objects were skipped so far: a notification names them, and they are gone.
    pub(super) fn skipped(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }

    /// Loads everything. Returns what became of each target, in their order; an empty list for one that comes a second time.
    pub(super) async fn run(&self, targets: &[Target]) -> Vec<Vec<ObjectReport>> {
        let groups = stream::iter(groups(targets)).map(|group| self.group(targets, group));
        let done: Vec<_> = groups.buffer_unordered(self.concurrency).concat().await;
        let mut outcomes = vec![Outcome::new(); targets.len()];
        for (place, outcome) in done {
            outcomes[place] = outcome;
        }
        settle(&mut outcomes);
        outcomes.into_iter().map(|outcome| outcome.into_iter().map(|(_, report)| report).collect()).collect()
    }

    fn group<'b>(&'b self, targets: &'b [Target], group: Group) -> BoxFuture<'b, Vec<(usize, Outcome)>> {
        async move {
            match group {
                Group::States(places) => self.states(targets, &places).await,
                Group::Prefix(place) => match &targets[place] {
                    Target::Prefix(prefix) => vec![(place, self.prefix(prefix).await)],
                    Target::Object(_) => Vec::new(),
                },
            }
        }
        .boxed()
    }

    /// Loads what is asked for of one object, in the order of the event.
    async fn states(&self, targets: &[Target], places: &[usize]) -> Vec<(usize, Outcome)> {
        let mut outcomes: Vec<(usize, Outcome)> = Vec::with_capacity(places.len());
        for place in places {
            let Target::Object(object) = &targets[*place] else { continue };
            let outcome = match NotAllowed::check(self.allowed, &object.bucket, &object.key) {
                Ok(()) => self.newest(object).await.into_iter().collect(),
                Err(error) => {
                    let failure = Failure::new(FailureKind::NotAllowed, &error);
                    tracing::error!(%object, error_type = failure.error_type().name(), "{failure}");
                    let failed = ObjectReport { failure: Some(failure), ..ObjectReport::of(object) };
                    vec![(Remaining::whole(object), failed)]
                }
            };
            outcomes.push((*place, outcome));
        }
        outcomes
    }

    /// Loads an object until what was read is its newest version, by the rules of [`versions`]. Nothing where it is skipped.
    async fn newest(&self, object: &ObjectReference) -> Option<(Remaining, ObjectReport)> {
        if object.skip_loaded && self.is_loaded(object).await {
            self.skipped.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        let mut object = Cow::Borrowed(object);
        for loads in 1.. {
            let asked = asked(&object);
            let (whole, report) = self.object(&object).await;
            let end = end(&report);
            let mut untold = None;
            let newest = if versions::looks(asked, &end) {
                let current = async { source::current(&aws::s3().await, &object.bucket, &object.key).await };
                match Deadline::before_the_end(self.deadline, current).await {
                    Some(Ok(Current::Is(state))) => Newest::Is(state),
                    Some(Ok(Current::DeleteMarker)) => Newest::DeleteMarker,
                    Some(Ok(Current::Gone)) => Newest::Gone,
                    Some(Err(error)) => {
                        untold = Some(error);
                        Newest::Unknown
                    }
                    // It is left: whoever resumes it loads the newest version.
                    None => return Some((whole.clone(), ObjectReport { remaining: Some(whole), ..report })),
                }
            } else {
                Newest::Unknown
            };
            match versions::next(asked, loads, &end, &newest) {
                Next::Done => return Some((whole, report)),
                Next::Load => {
                    tracing::warn!(%object, "the object was replaced meanwhile: its newest version is loaded");
                    if asked == Asked::Part {
                        object =
                            Cow::Owned(ObjectReference { if_match: None, row_groups: None, ..object.into_owned() });
                    }
                }
                Next::Skip => {
                    let what = if newest == Newest::Gone { "does not exist any more" } else { "is deleted" };
                    tracing::warn!(%object, "the object {what}: the notification is skipped");
                    if matches!(end, End::Loaded(_)) {
                        return Some((whole, report));
                    }
                    self.skipped.fetch_add(1, Ordering::Relaxed);
                    return None;
                }
                Next::Fail if report.failure.is_some() => {
                    if is_missing(&object, &report) {
                        log::object(&log::span(&object), &report);
                    }
                    return Some((whole, report));
                }
                Next::Fail => {
                    let error = NewestError { object: object.to_string(), loads, cause: untold };
                    let failure = Failure::new(FailureKind::Source, &error);
                    tracing::error!(%object, error_type = failure.error_type().name(), "{failure}");
                    return Some((whole, ObjectReport { failure: Some(failure), ..report }));
                }
            }
        }
        None
    }

    /// Whether the ledger shows that the newest version of an object is loaded. If it does not, the object is loaded: to load one
    /// twice is slower than to skip it, and nothing worse.
    async fn is_loaded(&self, object: &ObjectReference) -> bool {
        let location = Location::S3(object.clone());
        let request = LoadRequest::new(&location);
        let standing = Box::pin(self.loader.standing(&request, self.sink));
        match Deadline::within(self.deadline, standing).await {
            Some(Ok(standing)) => {
                tracing::debug!(%object, standing = standing.name(), "the ledger was asked");
                standing == Standing::Loaded
            }
            Some(Err(error)) => {
                let failure = Failure::new(error.kind(), &error);
                tracing::warn!(%object, "the ledger does not show whether the object is loaded: {failure}");
                false
            }
            None => false,
        }
    }

    /// Loads one object, or leaves it where the time is over.
    async fn object(&self, object: &ObjectReference) -> (Remaining, ObjectReport) {
        // The semaphore is never closed; without a permit there would be more at a time, and nothing worse.
        let _permit = self.permits.acquire().await.ok();
        let whole = Remaining::whole(object);
        if self.is_over() {
            return (whole.clone(), ObjectReport { remaining: Some(whole), ..ObjectReport::of(object) });
        }
        let location = Location::S3(object.clone());
        let (request, span) = (LoadRequest::new(&location), log::span(object));
        // Boxed, because the future of a load is large, and most of the objects of an event wait for their turn.
        let load = Box::pin(self.loader.load(&request, self.sink, self.deadline, &()));
        let report = load.instrument(span.clone()).await;
        // Whether that is a failure is known when the newest version has been looked at.
        if !is_missing(object, &report) {
            log::object(&span, &report);
        }
        (whole, report)
    }

    /// Loads what is below a prefix, page by page, until the time is over or enough is loaded.
    async fn prefix(&self, prefix: &Prefix) -> Outcome {
        let (mut outcome, mut after) = (Outcome::new(), prefix.start_after.clone());
        let mut found_any = prefix.start_after.is_some();
        if let Err(error) = NotAllowed::check(self.allowed, &prefix.bucket, &prefix.prefix) {
            return vec![failed(prefix, Failure::new(FailureKind::NotAllowed, &error))];
        }
        let rest = loop {
            if self.is_over() {
                break Ok(Some(after));
            }
            let start = after.as_deref();
            let listed = async { source::list_page(&aws::s3().await, &prefix.bucket, &prefix.prefix, start).await };
            let page = match Deadline::within(self.deadline, listed).await {
                Some(Ok(page)) => page,
                Some(Err(error)) => break Err(PrefixError::from(error)),
                None => break Ok(Some(after)),
            };
            let data =
                page.objects.into_iter().filter(|found| event::is_listed(&found.key, &prefix.prefix, found.size));
            let keys: Vec<String> = data.map(|found| found.key).collect();
            found_any |= !keys.is_empty();
            if let Some(rest) = self.page(prefix, keys, after, &mut outcome).await {
                break Ok(Some(rest));
            }
            after = page.next;
            if after.is_none() {
                break Ok(None);
            }
        };
        match rest {
            Ok(None) if !found_any => {
                let failure = PrefixError::NothingFound(prefix.clone()).failure();
                outcome.push(failed(prefix, failure));
            }
            Ok(None) => {}
            Ok(Some(after)) => {
                let rest = Remaining::rest(prefix, after);
                outcome.push((rest.clone(), ObjectReport { remaining: Some(rest), ..ObjectReport::of_prefix(prefix) }));
            }
            Err(error) => outcome.push(failed(prefix, error.failure())),
        }
        outcome
    }

    /// Loads the objects of a page. Returns after which key to resume, where it did not begin all of them.
    async fn page(
        &self,
        prefix: &Prefix,
        mut keys: Vec<String>,
        after: Option<String>,
        outcome: &mut Outcome,
    ) -> Option<Option<String>> {
        let taken = self.take(keys.len());
        let cut = taken < keys.len();
        keys.truncate(taken);
        let loads: Vec<_> = keys.iter().map(|key| self.listed(prefix, key)).collect();
        let loaded: Vec<_> = stream::iter(loads).buffered(self.concurrency).collect().await;
        let is_left =
            |loaded: &Option<(Remaining, ObjectReport)>| loaded.as_ref().is_some_and(|(_, report)| !report.is_begun());
        let begun = loaded.iter().position(is_left).unwrap_or(loaded.len());
        let rest = (cut || begun < loaded.len())
            .then(|| begun.checked_sub(1).and_then(|last| keys.get(last)).cloned().or(after));
        outcome.extend(loaded.into_iter().flatten().filter(|(_, report)| report.is_begun()));
        rest
    }

    /// Nothing where it is skipped.
    fn listed<'b>(&'b self, prefix: &Prefix, key: &str) -> BoxFuture<'b, Option<(Remaining, ObjectReport)>> {
        let (dataset, skip_loaded) = (prefix.dataset.clone(), prefix.skip_loaded);
        let object = ObjectReference { dataset, skip_loaded, ..ObjectReference::new(&prefix.bucket, key) };
        async move { self.newest(&object).await }.boxed()
    }

    /// How many of so many listed objects may be begun.
    fn take(&self, wanted: usize) -> usize {
        let take = |left: usize| Some(left.saturating_sub(wanted));
        self.listed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).map_or(0, |left| left.min(wanted))
    }

    fn is_over(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline.is_over())
    }
}

fn failed(prefix: &Prefix, failure: Failure) -> (Remaining, ObjectReport) {
    tracing::error!(object = %prefix, error_type = failure.error_type().name(), "{failure}");
    let whole = Remaining::rest(prefix, prefix.start_after.clone());
    (whole, ObjectReport { failure: Some(failure), ..ObjectReport::of_prefix(prefix) })
}

/// Parts targets into what can be loaded at the same time, in their order. An object version that is named a second time is
/// skipped: S3 may report one twice.
fn groups(targets: &[Target]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut places: HashMap<(&str, &str), usize> = HashMap::new();
    let mut seen = HashSet::new();
    for (place, target) in targets.iter().enumerate() {
        if !seen.insert(target) {
            continue;
        }
        let Target::Object(object) = target else {
            groups.push(Group::Prefix(place));
            continue;
        };
        let group = *places.entry((&object.bucket, &object.key)).or_insert(groups.len());
        match groups.get_mut(group) {
            Some(Group::States(states)) => states.push(place),
            Some(Group::Prefix(_)) | None => groups.push(Group::States(vec![place])),
        }
    }
    // Parts of one object in the order of its rows, of which the last of a point has to stay.
    let first_row_group = |place: &usize| match &targets[*place] {
        Target::Object(object) => object.row_groups.as_ref().map(|row_groups| row_groups.start),
        Target::Prefix(_) => None,
    };
    for group in &mut groups {
        if let Group::States(states) = group {
            states.sort_by_key(first_row_group);
        }
    }
    groups
}

/// What an event asks for that names `object`.
fn asked(object: &ObjectReference) -> Asked {
    match object {
        ObjectReference { notified: true, .. } => Asked::Reported,
        ObjectReference { version_id: Some(_), .. } => Asked::Exactly,
        ObjectReference { if_match: None, row_groups: None, .. } => Asked::Newest,
        ObjectReference { .. } => Asked::Part,
    }
}

/// Whether a notification names what was not found.
fn is_missing(object: &ObjectReference, report: &ObjectReport) -> bool {
    object.notified && report.failure.as_ref().is_some_and(|failure| failure.kind() == FailureKind::NotFound)
}

/// How the load ended that has this report.
fn end(report: &ObjectReport) -> End<ObjectState> {
    match (&report.failure, &report.state) {
        _ if report.remaining.is_some() => End::Stopped,
        (Some(failure), _) if failure.kind() == FailureKind::Deadline => End::Stopped,
        // If InfluxDB refuses every row, it is this version that failed.
        (Some(_), state) => End::Failed(state.clone()),
        (None, Some(state)) => End::Loaded(state.clone()),
        (None, None) => End::Failed(None),
    }
}

/// It is unknown whether what was loaded is the newest version.
#[derive(Debug, thiserror::Error)]
#[error("it is unknown whether the newest version of `{object}` is loaded, after {loads} loads")]
struct NewestError {
    object: String,
    loads: u8,
    #[source]
    cause: Option<SourceError>,
}

/// Separates what the deadline cut off from what will never be done in time.
///
/// If the event made progress, resuming the rest leads to its end, and what was not finished is left; so too if an operator has
/// paused it. Otherwise resuming would stall at the same point, and everything has failed.
fn settle(outcomes: &mut [Outcome]) {
    let ran_out = |report: &ObjectReport| {
        !report.is_begun() || report.failure.as_ref().is_some_and(|failure| failure.kind() == FailureKind::Deadline)
    };
    let got_on = outcomes.iter().flatten().any(|(_, report)| !ran_out(report) || !report.timings.paused.is_zero());
    for (whole, report) in outcomes.iter_mut().flatten().filter(|(_, report)| ran_out(report)) {
        if got_on {
            (report.failure, report.remaining) = (None, Some(whole.clone()));
            // Rows whose writing was given up are read again with what is left.
            report.accounts.rows = report.accounts.accounted();
        } else if report.failure.is_none() {
            let error = LoadError::NoTime;
            (report.failure, report.remaining) = (Some(Failure::new(error.kind(), &error)), None);
        }
    }
}

#[cfg(test)]
#[path = "loading_tests.rs"]
mod tests;
