//! That the server speaks as the engines do, fails as its script decides, and remembers.

mod engines;
mod faults;
mod store;

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value as Json;

use super::*;

/// The write of `lines`, as a client of the dialect sends it.
fn write_of(dialect: Dialect, lines: &str) -> Request {
    let target = match dialect {
        Dialect::V1 => "/write?db=energy_data&precision=ns",
        Dialect::V2 => "/api/v2/write?org=ons-energy&bucket=energy_data&precision=ns",
        Dialect::V3 => "/api/v3/write_lp?db=energy_data&precision=nanosecond&accept_partial=true",
    };
    let scheme = if dialect == Dialect::V3 { "Bearer" } else { "Token" };
    Request::new("POST", target).header("authorization", &format!("{scheme} token-of-the-test")).body(lines)
}

/// What the engine answers to lines: the status, and the JSON of the body.
fn written(server: &FaultServer, dialect: Dialect, lines: &str) -> (u16, Json) {
    let response = server.request(&write_of(dialect, lines)).unwrap();
    (response.status, serde_json::from_slice(&response.body).unwrap_or_default())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A connection that is kept for several requests.
struct Connection(TcpStream);

impl Connection {
    fn to(server: &FaultServer) -> Self {
        let stream = TcpStream::connect(server.url().trim_start_matches("http://")).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        Self(stream)
    }

    fn send(&mut self, request: &Request) -> io::Result<()> {
        let mut bytes = format!("{} {} HTTP/1.1\r\nhost: server\r\n", request.method, request.target).into_bytes();
        for (name, value) in &request.headers {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", request.body.len()).as_bytes());
        bytes.extend_from_slice(&request.body);
        self.0.write_all(&bytes)
    }

    /// The next bytes that come; none at the end of the connection.
    fn receive(&mut self) -> io::Result<String> {
        let mut bytes = [0; 4096];
        let read = self.0.read(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes[..read]).into_owned())
    }

    fn exchange(&mut self, request: &Request) -> io::Result<String> {
        self.send(request)?;
        self.receive()
    }
}

/// Waits until the server has written down the end of `count` requests that nobody was answered on.
fn wait_for_ends(server: &FaultServer, count: usize) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while server.requests().all().iter().filter(|entry| entry.ended.is_some()).count() < count {
        assert!(Instant::now() < deadline, "{:?}", server.requests());
        std::thread::sleep(Duration::from_millis(5));
    }
}
