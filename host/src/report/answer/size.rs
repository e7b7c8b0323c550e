//! Keeps an answer to the size that its caller takes.

use serde_json::{Value, json};

use crate::report::Report;

/// The most bytes of a report in an answer. Step Functions takes 256 KiB, some of which the Lambda integration adds; a load
/// balancer takes 1 MB, API Gateway and Lambda more.
const MAXIMUM_BYTES: usize = 240 * 1024;

/// The report as JSON. Where it is too large, it lacks first the rejected rows by name, then the objects of which there is
/// nothing to say but that they are loaded, and then those at the end of the event: `omitted` counts them. The totals count
/// everything, and what is left is always told.
pub(super) fn bounded(report: &Report) -> Value {
    let mut json = json!(report);
    if bytes(&json) <= MAXIMUM_BYTES {
        return json;
    }
    let Some(objects) = json["objects"].as_array_mut() else { return json };
    let mut objects = std::mem::take(objects);
    for object in &mut objects {
        object["rejections"] = json!([]);
    }
    let mut room = MAXIMUM_BYTES.saturating_sub(bytes(&json));
    let total = objects.len();
    if objects.iter().map(bytes).sum::<usize>() > room {
        objects.retain(|object| !object["failure"].is_null() || object.get("remaining").is_some());
        let fitting = objects.iter().take_while(|object| {
            let object = bytes(object);
            let fits = object <= room;
            room = room.saturating_sub(object);
            fits
        });
        let fitting = fitting.count();
        objects.truncate(fitting);
    }
    if objects.len() < total {
        json["omitted"] = json!(total - objects.len());
    }
    json["objects"] = Value::Array(objects);
    json
}

/// How long a value is as text, with the comma after it.
fn bytes(value: &Value) -> usize {
    value.to_string().len() + 1
}
