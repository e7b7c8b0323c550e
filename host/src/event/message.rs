//! What a message of SNS or SQS carries: an event of another form, as text.

use serde_json::{Map, Value};

use super::direct::Defaults;
use super::node::Node;
use super::{Broken, Form, Load, Problem, Target, dead_letter, direct, event_bridge, s3, sns};

/// How a message reads an event that it carries.
type Read = fn(&Node<'_>) -> Result<Load, Broken>;

/// What the text of a message asks for.
pub(super) fn load(text: &Node<'_>) -> Result<Load, Broken> {
    carried(&Node::new(&text.json()?, text.path()))
}

/// What a message asks for whose text has been read.
pub(super) fn carried(message: &Node<'_>) -> Result<Load, Broken> {
    // A dead-letter message of the function itself, sent back to the queue: Lambda keeps the event of an invocation that it gave up.
    if message.members().is_some_and(dead_letter::is_dead_letter) {
        return event(&message.member("requestPayload"));
    }
    event(message)
}

const FORMS: [(&Form, Read); 6] = [
    (&s3::NOTIFICATION, s3::notification),
    (&s3::TEST, s3::test),
    (&event_bridge::OBJECT, event_bridge::object),
    (&sns::RECORDS, sns::records),
    (&direct::LIST, |message| direct::load(message, &Defaults::default())),
    (&direct::OBJECT, |message| direct::load(message, &Defaults::default())),
];

/// Whether this is an event that a message may carry, or a dead-letter message of one.
pub(super) fn is_event(members: &Map<String, Value>) -> bool {
    dead_letter::is_dead_letter(members) || FORMS.iter().any(|(form, _)| (form.matches)(members))
}

fn event(message: &Node<'_>) -> Result<Load, Broken> {
    let members = message.members().ok_or_else(|| message.broken(Problem::Message))?;
    let form = FORMS.iter().find(|(form, _)| (form.matches)(members));
    let (_, read) = form.ok_or_else(|| message.broken(Problem::Message))?;
    let load = read(message)?;
    // Nothing resumes where such a load stops: the message would be redelivered and begin anew, until it is given up.
    if load.targets.iter().any(|target| matches!(target, Target::Prefix(_))) {
        return Err(message.broken(Problem::PrefixInMessage));
    }
    Ok(load)
}
