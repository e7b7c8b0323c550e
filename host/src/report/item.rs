//! What became of the items of an event that are answered each for itself.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::{Failure, Left, ObjectReport, Report, totals};

/// What became of one item: a message of SQS, or an item of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ItemReport {
    /// By what the caller knows it.
    pub id: String,
    /// The group whose messages are handled in order, in a FIFO queue.
    pub group: Option<String>,
    /// What it names, such as `s3://bucket/key`; the first where it names several.
    pub name: Option<String>,
    /// The places of its objects in [`Report::objects`].
    pub objects: Vec<usize>,
    /// Why it could not be read.
    pub failure: Option<Failure>,
}

/// How an item, or a whole event, has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// All that it names is loaded.
    Succeeded,
    /// Nothing has failed, but something is left because the time was over.
    Partial,
    /// Nothing has failed, but InfluxDB has refused every row of an object.
    Rejected,
    /// Something has failed.
    Failed,
    /// It names nothing to load.
    Skipped,
}

impl Status {
    /// How ends what has this failure.
    pub(super) fn of(failure: &Failure) -> Self {
        if failure.is_rejection() { Self::Rejected } else { Self::Failed }
    }

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Partial => "partial",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl Report {
    /// The objects of an item.
    fn objects_of(&self, item: &ItemReport) -> impl Iterator<Item = &ObjectReport> {
        item.objects.iter().filter_map(|place| self.objects.get(*place))
    }

    /// Why an item failed: what is wrong with it, what kept the event from beginning, or the failure of its first object
    /// that failed; where nothing but rejected objects is wrong, why the first of them is.
    pub fn failure_of<'a>(&'a self, item: &'a ItemReport) -> Option<&'a Failure> {
        let begun = item.failure.as_ref().or(self.failure.as_ref());
        begun.or_else(|| worst(self.objects_of(item).filter_map(|object| object.failure.as_ref())))
    }

    /// How an item has ended.
    pub fn status_of(&self, item: &ItemReport) -> Status {
        match self.failure_of(item) {
            Some(failure) => Status::of(failure),
            None if self.has_left_of(item) => Status::Partial,
            None if item.objects.is_empty() => Status::Skipped,
            None => Status::Succeeded,
        }
    }

    fn has_left_of(&self, item: &ItemReport) -> bool {
        self.objects_of(item).any(|object| object.remaining.is_some())
    }

    /// The items that are worth another try, and, of a group whose messages are handled in order, those after one of them:
    /// loaded before it, they would be overtaken by it. What is rejected is done: it would be rejected again.
    pub(super) fn undone_items(&self) -> impl Iterator<Item = &ItemReport> {
        let mut stuck = Vec::new();
        self.items.iter().filter(move |item| {
            let behind = item.group.as_ref().is_some_and(|group| stuck.contains(&group));
            let undone = behind || self.status_of(item) == Status::Failed || self.has_left_of(item);
            if let (true, Some(group)) = (undone, &item.group) {
                stuck.push(group);
            }
            undone
        })
    }
}

/// The first of several failures, before which come those that are more than a rejection.
pub(super) fn worst<'a>(failures: impl Iterator<Item = &'a Failure>) -> Option<&'a Failure> {
    let mut rejection = None;
    for failure in failures {
        if !failure.is_rejection() {
            return Some(failure);
        }
        rejection = rejection.or(Some(failure));
    }
    rejection
}

/// An item as the caller reads it, in a list in the order of the event: how many objects of it are loaded, what became of the
/// rows of all of them, and the event that resumes it where it is `partial`.
pub(super) struct Told<'a>(pub(super) &'a Report, pub(super) &'a ItemReport);

impl Serialize for Told<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(report, item) = self;
        let mut members = serializer.serialize_map(None)?;
        members.serialize_entry("item", &item.id)?;
        members.serialize_entry("status", &report.status_of(item))?;
        if let Some(name) = &item.name {
            members.serialize_entry("name", name)?;
        }
        if !item.objects.is_empty() {
            let loaded = |object: &&ObjectReport| object.failure.is_none() && object.remaining.is_none();
            members.serialize_entry("objects", &report.objects_of(item).filter(loaded).count())?;
            let accounts = totals(report.objects_of(item));
            members.serialize_entry("rows", &accounts.rows)?;
            members.serialize_entry("written", &accounts.written)?;
            members.serialize_entry("rejected", &accounts.rejected_total())?;
            members.serialize_entry("filtered", &accounts.filtered)?;
            members.serialize_entry("points", &accounts.points)?;
        }
        if let Some(failure) = report.failure_of(item) {
            members.serialize_entry("failure", failure)?;
        }
        if let Some(left) = Left::of(report.objects_of(item)) {
            members.serialize_entry("remaining", &left)?;
        }
        members.end()
    }
}
