//! Keeps an answer to the size that its caller takes.
//!
//! A report that is too large is shortened step by step, and what matters least goes first. What a caller needs to resume is
//! never dropped silently: items keep their places, and what is left is in the answer, or has failed.

use serde_json::{Value, json};

use crate::report::{Failure, FailureKind, Report, shorten};

/// The most bytes of an answer. Step Functions takes 256 KiB, some of which the Lambda integration adds; a load balancer takes
/// 1 MB, API Gateway and Lambda more.
pub(super) const MAXIMUM_BYTES: usize = 240 * 1024;

/// What a response over HTTP has beside the text of its body, in bytes: status and headers.
const ENVELOPE_BYTES: usize = 512;

/// The longest cause of a failed item, in bytes, in an answer that is too large; then half of it, and so on.
const CAUSE_BYTES: usize = 1024;

/// The shortest cause.
const SHORTEST_CAUSE_BYTES: usize = 8;

/// How a report is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// As it is.
    Plain,
    /// As text in a response, in which quotation marks and backslashes take two bytes.
    Body,
}

/// A report does not fit into an answer, however short it is made.
#[derive(Debug, thiserror::Error)]
#[error("the answer is larger than the {} KiB that callers take\nhint: name fewer objects in an event", MAXIMUM_BYTES / 1024)]
pub(super) struct TooLarge;

/// An item was not finished, and the event that resumes it has no room in the answer.
#[derive(Debug, thiserror::Error)]
#[error("the deadline passed")]
struct NoRoom;

/// The report as JSON. Where it is too large, these go, in this order, until it fits:
///
/// - the rejected rows by name;
/// - the objects that loaded without incident, and then those at the end of the event: `omitted`
///   counts them, and the totals count everything;
/// - where there are items, each of which names what remains: what all of them have left together;
/// - hints, and the ends of the causes of items;
/// - the names of items and their counts of nothing;
/// - what the last items have left: these have failed, so that they are loaded again.
///
/// # Errors
///
/// [`TooLarge`] where it then is still too large.
pub(super) fn bounded(report: &Report, shape: Shape) -> Result<Value, TooLarge> {
    let mut json = json!(report);
    if shape.fits(&json) {
        return Ok(json);
    }
    shorten_objects(&mut json, shape);
    if !items(&mut json).is_empty() && !shape.fits(&json) {
        remove(&mut json, "remaining");
    }
    let mut longest = CAUSE_BYTES;
    while !shape.fits(&json) && longest >= SHORTEST_CAUSE_BYTES {
        items(&mut json).iter_mut().for_each(|item| shorten_cause(item, longest));
        if longest < CAUSE_BYTES / 8 && !shape.fits(&json) {
            items(&mut json).iter_mut().for_each(shorten_item);
        }
        longest /= 2;
    }
    fail_the_last(&mut json, shape);
    if shape.fits(&json) { Ok(json) } else { Err(TooLarge) }
}

/// In place of a report that is too large: why there is none.
pub(super) fn instead(report: &Report, error: &TooLarge) -> Report {
    Report { skipped: report.skipped, ..Report::failed(Failure::new(FailureKind::Deadline, error)) }
}

impl Shape {
    fn fits(self, json: &Value) -> bool {
        self.bytes(json) <= self.limit()
    }

    fn limit(self) -> usize {
        match self {
            Self::Plain => MAXIMUM_BYTES,
            Self::Body => MAXIMUM_BYTES - ENVELOPE_BYTES,
        }
    }

    /// How long a value is as text.
    fn bytes(self, value: &Value) -> usize {
        let text = value.to_string();
        match self {
            Self::Plain => text.len(),
            Self::Body => text.len() + text.bytes().filter(|byte| matches!(byte, b'"' | b'\\')).count(),
        }
    }
}

/// Drops rejected rows, and then objects.
fn shorten_objects(json: &mut Value, shape: Shape) {
    let Some(objects) = json["objects"].as_array_mut() else { return };
    let mut objects = std::mem::take(objects);
    for object in &mut objects {
        object["rejections"] = json!([]);
    }
    // With the comma after it.
    let bytes = |object: &Value| shape.bytes(object) + 1;
    // Room for `omitted`, too.
    let mut room = shape.limit().saturating_sub(shape.bytes(json) + 64);
    let total = objects.len();
    if objects.iter().map(bytes).sum::<usize>() > room {
        objects.retain(|object| !object["failure"].is_null() || object.get("remaining").is_some());
        let fitting = objects.iter().take_while(|object| {
            let bytes = bytes(object);
            let fits = bytes <= room;
            room = room.saturating_sub(bytes);
            fits
        });
        let fitting = fitting.count();
        objects.truncate(fitting);
    }
    if objects.len() < total {
        json["omitted"] = json!(total - objects.len());
    }
    json["objects"] = Value::Array(objects);
}

fn items(json: &mut Value) -> &mut [Value] {
    json.get_mut("items").and_then(Value::as_array_mut).map_or(&mut [], Vec::as_mut_slice)
}

fn remove(json: &mut Value, name: &str) {
    if let Some(members) = json.as_object_mut() {
        members.remove(name);
    }
}

fn shorten_cause(item: &mut Value, longest: usize) {
    let Some(failure) = item.get_mut("failure") else { return };
    remove(failure, "hint");
    if let Some(Value::String(message)) = failure.get_mut("message") {
        shorten(message, longest);
    }
}

fn shorten_item(item: &mut Value) {
    if let Some(members) = item.as_object_mut() {
        members.remove("name");
        members.retain(|_, value| *value != json!(0));
    }
}

/// Items at the end that are left in part have failed, as many of them as it takes.
fn fail_the_last(json: &mut Value, shape: Shape) {
    let mut excess = shape.bytes(json).saturating_sub(shape.limit());
    let failure = json!(Failure::new(FailureKind::Deadline, &NoRoom));
    let mut failed = false;
    for item in items(json).iter_mut().rev().filter(|item| item.get("remaining").is_some()) {
        if excess == 0 {
            break;
        }
        let before = shape.bytes(item);
        remove(item, "remaining");
        item["status"] = json!("failed");
        if item.get("failure").is_none() {
            item["failure"] = failure.clone();
        }
        excess = excess.saturating_sub(before.saturating_sub(shape.bytes(item)));
        failed = true;
    }
    if failed {
        json["status"] = json!("failed");
    }
}
