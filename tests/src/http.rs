//! The little of HTTP that tests need: one request a connection, over plain TCP to this machine.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How long a connection may stay silent.
const SILENCE_LIMIT: Duration = Duration::from_secs(120);

/// A request, as it is sent or as a [`Responder`] got it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Such as `GET`.
    pub method: String,
    /// The path and the query.
    pub target: String,
    /// By lower-case name.
    pub headers: BTreeMap<String, String>,
    /// May be empty.
    pub body: Vec<u8>,
}

impl Request {
    /// A request without headers and body.
    pub fn new(method: &str, target: &str) -> Self {
        Self { method: method.to_owned(), target: target.to_owned(), ..Self::default() }
    }

    /// Adds a header; `name` in lower case.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// Such as 204.
    pub status: u16,
    /// By lower-case name.
    pub headers: BTreeMap<String, String>,
    /// May be empty.
    pub body: Vec<u8>,
}

impl Response {
    /// An answer without headers.
    pub fn new(status: u16, body: &str) -> Self {
        Self { status, headers: BTreeMap::new(), body: body.as_bytes().to_vec() }
    }

    /// The body as text; what is not UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    ///
    /// Where it is not.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("not JSON: {error}; status {}: {}", self.status, self.text()))
    }

    /// Itself, where the status is 2xx.
    ///
    /// # Panics
    ///
    /// Where it is not, with the body.
    pub fn succeeded(self) -> Self {
        assert!((200..300).contains(&self.status), "status {}: {}", self.status, self.text());
        self
    }
}

/// Sends a request to `port` of this machine and reads the answer.
///
/// # Errors
///
/// Where there is no connection, or it ends, or stays silent, before the answer is complete.
pub fn request(port: u16, request: &Request) -> io::Result<Response> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(SILENCE_LIMIT))?;
    // HTTP/1.0, so that the answer ends where the connection does.
    let mut head = format!("{} {} HTTP/1.0\r\nhost: 127.0.0.1:{port}\r\n", request.method, request.target);
    for (name, value) in &request.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", request.body.len()));
    stream.write_all(head.as_bytes())?;
    stream.write_all(&request.body)?;

    let mut reader = BufReader::new(stream);
    let (status_line, headers) = read_head(&mut reader)?;
    let status = status_line
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("not a status line: {status_line}")))?;
    let mut body = Vec::new();
    match headers.get("content-length").and_then(|length| length.parse::<usize>().ok()) {
        Some(length) => {
            body.resize(length, 0);
            reader.read_exact(&mut body)?;
        }
        None => drop(reader.read_to_end(&mut body)?),
    }
    Ok(Response { status, headers, body })
}

fn read_head(reader: &mut impl BufRead) -> io::Result<(String, BTreeMap<String, String>)> {
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    Ok((first.trim_end().to_owned(), headers))
}

/// A server that answers as the test says: for answers that a real server gives only on a bad day.
#[derive(Debug)]
pub struct Responder {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Responder {
    /// Answers every request with what `answer` returns for it, one request after the other.
    pub fn start(answer: impl Fn(&Request) -> Response + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let stopped = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let (requests, stopped) = (Arc::clone(&requests), Arc::clone(&stopped));
            move || {
                for stream in listener.incoming() {
                    if stopped.load(Ordering::SeqCst) {
                        break;
                    }
                    // A client may go away at any time; that is its business.
                    drop(stream.and_then(|stream| respond(&stream, &answer, &requests)));
                }
            }
        });
        Self { address, requests, stopped, thread: Some(thread) }
    }

    /// Answers every request with the same.
    pub fn always(response: Response) -> Self {
        Self::start(move |_| response.clone())
    }

    /// Such as `http://127.0.0.1:1234`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests so far, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread, which then sees that it is stopped.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn respond(
    mut stream: &TcpStream,
    answer: &impl Fn(&Request) -> Response,
    requests: &Mutex<Vec<Request>>,
) -> io::Result<()> {
    stream.set_read_timeout(Some(SILENCE_LIMIT))?;
    let mut reader = BufReader::new(stream);
    let (request_line, headers) = read_head(&mut reader)?;
    let mut words = request_line.split(' ');
    let mut request = Request::new(words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    request.headers = headers;
    request.body.resize(length, 0);
    reader.read_exact(&mut request.body)?;

    let response = answer(&request);
    requests.lock().unwrap().push(request);
    let mut head = format!("HTTP/1.1 {} -\r\nconnection: close\r\n", response.status);
    for (name, value) in &response.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", response.body.len()));
    stream.write_all(head.as_bytes())?;
    stream.write_all(&response.body)
}
