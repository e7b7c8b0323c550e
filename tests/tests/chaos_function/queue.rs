//! A queue as SQS is one: messages are handed out, hidden for a while, and deleted by who has them, or handed out again; after
//! so many times they go to the dead-letter queue.

use std::mem;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How often a message is handed out before it goes to the dead-letter queue.
const MAXIMUM_RECEIVES: u32 = 4;

#[derive(Debug, Default)]
pub(crate) struct Queue(Mutex<Messages>);

#[derive(Debug, Default)]
struct Messages {
    sent: usize,
    waiting: Vec<Message>,
    dead: Vec<Message>,
}

/// A message; its receipt is how often it was handed out, and only the last one deletes it.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    id: usize,
    receives: u32,
    visible: Instant,
    /// Of which object it is, for who looks on.
    pub(crate) object: usize,
    body: Value,
}

impl Queue {
    /// Sends a message about an object, which arrives so much later.
    pub(crate) fn send(&self, object: usize, body: Value, delay: Duration) {
        let mut messages = self.0.lock().unwrap();
        let id = messages.sent;
        messages.sent += 1;
        messages.waiting.push(Message { id, receives: 0, visible: Instant::now() + delay, object, body });
    }

    /// At most so many messages that are visible, which are hidden for so long from now on.
    pub(crate) fn receive(&self, most: usize, hidden: Duration) -> Vec<Message> {
        let mut messages = self.0.lock().unwrap();
        let now = Instant::now();
        let worn_out = |message: &mut Message| message.visible <= now && message.receives >= MAXIMUM_RECEIVES;
        let dead: Vec<Message> = messages.waiting.extract_if(.., worn_out).collect();
        messages.dead.extend(dead);
        let visible = messages.waiting.iter_mut().filter(|message| message.visible <= now);
        let received = visible.take(most).map(|message| {
            (message.receives, message.visible) = (message.receives + 1, now + hidden);
            message.clone()
        });
        received.collect()
    }

    /// Deletes a message, unless it was handed out again since.
    pub(crate) fn delete(&self, received: &Message) {
        let mut messages = self.0.lock().unwrap();
        messages.waiting.retain(|message| (message.id, message.receives) != (received.id, received.receives));
    }

    /// Hands a message out again, after so much time.
    pub(crate) fn release(&self, received: &Message, after: Duration) {
        let mut messages = self.0.lock().unwrap();
        let is_it = |message: &&mut Message| (message.id, message.receives) == (received.id, received.receives);
        if let Some(message) = messages.waiting.iter_mut().find(is_it) {
            message.visible = Instant::now() + after;
        }
    }

    /// Whether nothing waits, visible or not.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().unwrap().waiting.is_empty()
    }

    /// Redrives all messages of the dead-letter queue. Returns how many there were.
    pub(crate) fn redrive(&self) -> usize {
        let dead = mem::take(&mut self.0.lock().unwrap().dead);
        dead.iter().for_each(|message| self.send(message.object, message.body.clone(), Duration::ZERO));
        dead.len()
    }

    /// The objects of the messages in the dead-letter queue.
    pub(crate) fn dead(&self) -> Vec<usize> {
        self.0.lock().unwrap().dead.iter().map(|message| message.object).collect()
    }

    /// The messages that wait, for a failure's message.
    pub(crate) fn waiting(&self) -> String {
        format!("{:?}", self.0.lock().unwrap().waiting)
    }
}

impl Message {
    /// By what an answer names it.
    pub(crate) fn name(&self) -> String {
        format!("message-{}", self.id)
    }
}

/// A batch as Lambda hands it to a function.
pub(crate) fn event(messages: &[Message]) -> Value {
    let record = |message: &Message| {
        json!({
            "messageId": message.name(),
            "receiptHandle": message.receives.to_string(),
            "body": message.body.to_string(),
            "attributes": { "ApproximateReceiveCount": message.receives.to_string() },
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:parquet",
            "awsRegion": "us-east-1",
        })
    };
    json!({ "Records": messages.iter().map(record).collect::<Vec<_>>() })
}
