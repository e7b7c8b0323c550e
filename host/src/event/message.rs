//! What a message of SNS or SQS carries: an event of another form, as text.

use super::direct::Defaults;
use super::node::Node;
use super::{Broken, Load, Problem, Target, direct, event_bridge, s3, sns};

/// How a message reads an event that it carries.
type Read = fn(&Node<'_>) -> Result<Load, Broken>;

/// What the text of a message asks for.
pub(super) fn load(text: &Node<'_>) -> Result<Load, Broken> {
    carried(&Node::new(&text.json()?, text.path()))
}

/// What a message asks for whose text has been read.
pub(super) fn carried(message: &Node<'_>) -> Result<Load, Broken> {
    // A dead letter of the function itself, sent back to the queue: Lambda keeps the event of an invocation that it gave up.
    let given_up = message.member("requestPayload");
    if given_up.members().is_some() && message.member("requestContext").members().is_some() {
        return event(&given_up);
    }
    event(message)
}

fn event(message: &Node<'_>) -> Result<Load, Broken> {
    let members = message.members().ok_or_else(|| message.broken(Problem::Message))?;
    let forms: [(&super::Form, Read); 6] = [
        (&s3::NOTIFICATION, s3::notification),
        (&s3::TEST, s3::test),
        (&event_bridge::OBJECT, event_bridge::object),
        (&sns::RECORDS, sns::records),
        (&direct::LIST, |message| direct::load(message, &Defaults::default())),
        (&direct::OBJECT, |message| direct::load(message, &Defaults::default())),
    ];
    let form = forms.iter().find(|(form, _)| (form.matches)(members));
    let (_, read) = form.ok_or_else(|| message.broken(Problem::Message))?;
    let load = read(message)?;
    // Nobody goes on where such a load stops: the message would come again and begin anew, until it is given up.
    if load.targets.iter().any(|target| matches!(target, Target::Prefix(_))) {
        return Err(message.broken(Problem::PrefixInMessage));
    }
    Ok(load)
}
