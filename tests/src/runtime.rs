//! The function, run by a runtime interface of our own: unlike cargo-lambda's emulator, it gives the function so much time
//! and no more.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use crate::http::{Flow, Head, HttpServer, Wire};
use crate::lambda::start;
use crate::process::Process;
use crate::{Invocation, Response, Settings};

/// How often each side looks for what the other has left.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// How long an answer is waited for beyond the time that the function has.
const PATIENCE: Duration = Duration::from_secs(30);

/// The function, waiting for events.
#[derive(Debug)]
pub struct Runtime {
    exchange: Arc<Mutex<Exchange>>,
    function: Process,
    _server: HttpServer,
}

/// What passes between the test and the function.
#[derive(Debug, Default)]
struct Exchange {
    /// The event, and when the time for it is over, in milliseconds since the epoch.
    event: Option<(Value, u128)>,
    answer: Option<Invocation>,
}

impl Runtime {
    /// Starts the function with these settings.
    pub fn start(settings: Settings) -> Self {
        let exchange = Arc::new(Mutex::new(Exchange::default()));
        let server = HttpServer::start({
            let exchange = Arc::clone(&exchange);
            move |head, wire| serve(&exchange, head, wire)
        });
        let function = start(&server.url(), settings);
        Self { exchange, function, _server: server }
    }

    /// Hands the function an event, for which it has so much time, and waits for its answer.
    ///
    /// # Panics
    ///
    /// Where no answer comes, with the function's log.
    pub fn invoke(&self, event: &Value, time: Duration) -> Invocation {
        self.hand(event, time);
        let deadline = Instant::now() + time + PATIENCE;
        while Instant::now() < deadline {
            if let Some(answer) = self.exchange.lock().unwrap().answer.take() {
                return answer;
            }
            thread::sleep(POLL_INTERVAL);
        }
        panic!("no answer\n{}", self.log());
    }

    /// As [`Self::invoke`], for a function that may be killed or frozen: nothing where it ends, or where the time is over. Lambda
    /// ends such a function, as dropping this value does.
    pub fn try_invoke(&mut self, event: &Value, time: Duration) -> Option<Invocation> {
        self.hand(event, time);
        let deadline = Instant::now() + time;
        while Instant::now() < deadline && !self.function.has_ended() {
            if let Some(answer) = self.exchange.lock().unwrap().answer.take() {
                return Some(answer);
            }
            thread::sleep(POLL_INTERVAL);
        }
        None
    }

    fn hand(&self, event: &Value, time: Duration) {
        let end = (SystemTime::now() + time).duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
        self.exchange.lock().unwrap().event = Some((event.clone(), end));
    }

    /// The number by which the system knows the function, until this value is dropped.
    pub fn process_id(&self) -> u32 {
        self.function.id()
    }

    /// All that the function has logged.
    pub fn log(&self) -> String {
        self.function.log()
    }
}

/// The runtime interface: the next event, and the answer or the error that it came to.
fn serve(exchange: &Mutex<Exchange>, head: &Head, wire: &mut Wire<'_>) -> Flow {
    let path = head.request.path();
    if path.ends_with("/invocation/next") {
        loop {
            if let Some((event, end)) = exchange.lock().unwrap().event.take() {
                let response = Response::new(200, &event.to_string())
                    .header("lambda-runtime-aws-request-id", "00000000-0000-4000-8000-000000000000")
                    .header("lambda-runtime-deadline-ms", &end.to_string())
                    .header(
                        "lambda-runtime-invoked-function-arn",
                        "arn:aws:lambda:us-east-1:000000000000:function:loader",
                    );
                return wire.send(&response.encode());
            }
            if wire.is_stopped() {
                return Flow::End(crate::Cut::Close);
            }
            wire.wait(POLL_INTERVAL);
        }
    }
    let body = wire.read_body().unwrap_or_default();
    let answer = Invocation {
        failed: path.ends_with("/error"),
        answer: serde_json::from_slice(&body).unwrap_or_else(|error| panic!("not JSON: {error}")),
    };
    exchange.lock().unwrap().answer = Some(answer);
    wire.send(&Response::new(202, "").encode())
}
