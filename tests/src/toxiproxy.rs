//! Toxiproxy, which stands between a client and a server and treats what passes badly.

use std::io::ErrorKind;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::http::request_within;
use crate::process::{Process, free_port};
use crate::programs::{Program, program};
use crate::{Request, request};

/// How long an order may take.
const ORDER_LIMIT: Duration = Duration::from_secs(30);

/// How long a toxic may take to be removed: where connections are open, Toxiproxy may wait for itself forever.
const REMOVAL_LIMIT: Duration = Duration::from_secs(2);

/// A proxy in front of a server.
#[derive(Debug)]
pub struct Toxiproxy {
    process: Process,
    /// Where it takes orders.
    api_port: u16,
    /// Where clients connect.
    port: u16,
    /// Where the server listens.
    upstream: u16,
}

/// What is done to connections, to those that are open as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Toxic {
    /// Every piece of data comes so much later, give or take the jitter, in milliseconds.
    Latency {
        /// Milliseconds.
        delay: u32,
        /// Milliseconds.
        jitter: u32,
    },
    /// So many kilobytes a second pass.
    Bandwidth(u32),
    /// The connection is reset after so many milliseconds.
    ResetPeer(u32),
    /// The connection is closed after so many bytes.
    LimitData(u64),
    /// Data comes in slices of so many bytes, with so many microseconds between them.
    Slicer {
        /// Bytes.
        size: u32,
        /// Microseconds.
        pause: u32,
    },
    /// Nothing passes, and the connection is closed after so many milliseconds, or never for 0.
    Timeout(u32),
}

/// Which of a connection's two streams is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// What the client sends.
    Upstream,
    /// What the server answers.
    Downstream,
}

impl Toxiproxy {
    /// Starts a proxy in front of the server that listens on `upstream`. Nothing is toxic yet.
    pub fn start(upstream: u16) -> Self {
        let (api_port, port) = (free_port(), free_port());
        let process = Process::start("toxiproxy", |_| {
            let mut command = Command::new(program(Program::Toxiproxy));
            command.args(["-host", "127.0.0.1", "-port", &api_port.to_string()]).env_clear();
            command
        })
        .wait_until(|| is_ready(api_port));
        let proxy = Self { process, api_port, port, upstream };
        proxy.create();
        proxy
    }

    fn create(&self) {
        let (listen, upstream) = (format!("127.0.0.1:{}", self.port), format!("127.0.0.1:{}", self.upstream));
        let proxy = json!({ "name": "server", "listen": listen, "upstream": upstream, "enabled": true });
        self.order("POST", "/proxies", &proxy);
    }

    /// Kills the proxy and starts it again at the same address, without any toxic.
    pub fn start_anew(&mut self) {
        let port = self.api_port;
        self.process.kill();
        self.process.start_again(|| is_ready(port));
        self.create();
    }

    /// Where clients connect, such as `http://127.0.0.1:8666`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Where clients connect.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Adds a toxic under a name that no other has. It treats a share of the connections, from 0.0 to 1.0.
    pub fn add(&self, name: &str, toxic: Toxic, stream: Stream, share: f64) {
        let stream = match stream {
            Stream::Upstream => "upstream",
            Stream::Downstream => "downstream",
        };
        let (kind, attributes) = toxic.attributes();
        let order =
            json!({ "name": name, "type": kind, "stream": stream, "toxicity": share, "attributes": attributes });
        self.order("POST", "/proxies/server/toxics", &order);
    }

    /// Removes a toxic. Returns whether that was possible: if not, the proxy takes no orders any more, and only
    /// [`Self::start_anew`] helps.
    #[must_use]
    pub fn remove(&self, name: &str) -> bool {
        self.try_order(REMOVAL_LIMIT, "DELETE", &format!("/proxies/server/toxics/{name}"), &Value::Null)
    }

    /// Closes all connections and refuses others.
    pub fn disable(&self) {
        self.order("POST", "/proxies/server", &json!({ "enabled": false }));
    }

    /// Takes connections again after [`Self::disable`]. Toxics are as they were.
    pub fn enable(&self) {
        self.order("POST", "/proxies/server", &json!({ "enabled": true }));
    }

    fn order(&self, method: &str, target: &str, body: &Value) {
        assert!(
            self.try_order(ORDER_LIMIT, method, target, body),
            "{method} {target} takes too long\n{}",
            self.process.log_tail()
        );
    }

    /// Gives an order. Returns whether it was followed in time.
    fn try_order(&self, limit: Duration, method: &str, target: &str, body: &Value) -> bool {
        let call = Request::new(method, target);
        let call = if body.is_null() { call } else { call.body(body.to_string()) };
        match request_within(limit, self.api_port, &call) {
            Ok(answer) => {
                answer.succeeded();
                true
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => false,
            Err(error) => panic!("{method} {target}: {error}\n{}", self.process.log_tail()),
        }
    }
}

fn is_ready(api_port: u16) -> bool {
    request(api_port, &Request::new("GET", "/version")).is_ok_and(|response| response.status == 200)
}

impl Toxic {
    /// What Toxiproxy calls it, and its attributes.
    fn attributes(self) -> (&'static str, Value) {
        match self {
            Self::Latency { delay, jitter } => ("latency", json!({ "latency": delay, "jitter": jitter })),
            Self::Bandwidth(rate) => ("bandwidth", json!({ "rate": rate })),
            Self::ResetPeer(timeout) => ("reset_peer", json!({ "timeout": timeout })),
            Self::LimitData(bytes) => ("limit_data", json!({ "bytes": bytes })),
            Self::Slicer { size, pause } => {
                ("slicer", json!({ "average_size": size, "size_variation": size / 2, "delay": pause }))
            }
            Self::Timeout(timeout) => ("timeout", json!({ "timeout": timeout })),
        }
    }
}
