//! What a message of SNS or SQS carries: an event of another form, as text.

use super::node::Node;
use super::{Broken, Load, Problem, Target, direct, event_bridge, s3};

/// How a message reads an event that it carries.
type Read = fn(&Node<'_>) -> Result<Load, Broken>;

/// What the text of a message asks for.
pub(super) fn load(text: &Node<'_>) -> Result<Load, Broken> {
    carried(&Node::new(&text.json()?, text.path()))
}

/// What a message asks for whose text has been read.
pub(super) fn carried(message: &Node<'_>) -> Result<Load, Broken> {
    let members = message.members().ok_or_else(|| message.broken(Problem::Message))?;
    let forms: [(&super::Form, Read); 5] = [
        (&s3::NOTIFICATION, s3::notification),
        (&s3::TEST, s3::test),
        (&event_bridge::OBJECT, event_bridge::object),
        (&direct::LIST, direct::load),
        (&direct::OBJECT, direct::load),
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
