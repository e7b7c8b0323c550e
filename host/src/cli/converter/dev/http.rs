//! As much of HTTP/1.1 as one page of one author needs: a request a connection, every size and every time bounded.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout, timeout_at};

use super::guard::{Asker, Guard, Refused};

/// The most that a request has before its body.
const HEAD_BYTES: usize = 16 * 1024;
const HEADERS: usize = 64;
/// The largest body: a sample.
pub(super) const BODY_BYTES: usize = 64 * 1024 * 1024;
/// Connections at a time; those beyond wait to be accepted.
const CONNECTIONS: usize = 32;

/// How long what happens on a connection may take.
#[derive(Clone, Copy, Debug)]
struct Times {
    /// Until a request has come as a whole.
    read: Duration,
    /// Until an answer has gone.
    write: Duration,
    /// After which a stream of events ends; browsers open it again by themselves.
    stream: Duration,
    /// How often a stream sends a sign of life, so that one whose reader is gone is found.
    alive: Duration,
    /// For how long a refused body is read: a connection that is closed before may take the answer along.
    linger: Duration,
}

const TIMES: Times = Times {
    read: Duration::from_secs(30),
    write: Duration::from_secs(30),
    stream: Duration::from_secs(600),
    alive: Duration::from_secs(15),
    linger: Duration::from_secs(2),
};

/// What the page may do: nothing from elsewhere, no frames, no inline scripts.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      form-action 'none'; frame-ancestors 'none'; base-uri 'none'";

/// A request that the guard let through.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) changes: bool,
    /// Below the token.
    pub(super) path: String,
    /// After the question mark.
    pub(super) query: String,
    pub(super) body: Vec<u8>,
}

/// What is answered.
pub(super) enum Answer {
    /// As a whole.
    Whole { status: &'static str, kind: &'static str, body: Vec<u8> },
    /// A number whenever it changes, as server-sent events.
    Events(watch::Receiver<u64>),
}

impl Answer {
    pub(super) fn text(status: &'static str, text: impl Into<String>) -> Self {
        Self::Whole { status, kind: "text/plain; charset=utf-8", body: text.into().into_bytes() }
    }

    pub(super) fn ok(kind: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self::Whole { status: "200 OK", kind, body: body.into() }
    }
}

/// Answers requests until the listener fails, which it does not while the process runs.
pub(super) async fn serve<F>(
    listener: TcpListener,
    guard: Arc<Guard>,
    respond: impl Fn(Request) -> F + Clone + Send + Sync + 'static,
) where
    F: Future<Output = Answer> + Send,
{
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors: those that are open are closed in time.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (guard, respond) = (Arc::clone(&guard), respond.clone());
        tokio::spawn(async move {
            // A connection that breaks is its browser's business.
            drop(converse(stream, &guard, TIMES, respond).await);
            drop(place);
        });
    }
}

/// Why there is no request.
enum Unread {
    /// It is not HTTP, too large, or not what is served.
    Bad(&'static str, &'static str),
    /// Whoever asks may not.
    Refused(Refused),
    /// The connection broke.
    Broken(io::Error),
}

impl From<io::Error> for Unread {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

/// Reads a request from a connection, and writes the answer.
async fn converse<F: Future<Output = Answer>>(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    guard: &Guard,
    times: Times,
    respond: impl Fn(Request) -> F,
) -> io::Result<()> {
    let read = timeout(times.read, read(&mut stream, guard)).await;
    let (answer, is_read) = match read {
        Ok(Ok(request)) => (respond(request).await, true),
        Ok(Err(Unread::Bad(status, message))) => (Answer::text(status, message), false),
        Ok(Err(Unread::Refused(refused))) => (Answer::text("403 Forbidden", refused.message()), false),
        Ok(Err(Unread::Broken(error))) => return Err(error),
        Err(_) => (Answer::text("408 Request Timeout", "the request did not come to its end"), false),
    };
    match answer {
        Answer::Whole { status, kind, body } => timeout(times.write, write(&mut stream, status, kind, &body)).await??,
        Answer::Events(numbers) => return write_events(&mut stream, numbers, times).await,
    }
    if !is_read {
        let mut rest = (&mut stream).take(BODY_BYTES as u64);
        drop(timeout(times.linger, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await);
    }
    Ok(())
}

async fn read(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), guard: &Guard) -> Result<Request, Unread> {
    const TOO_LARGE: &str = "431 Request Header Fields Too Large";
    let mut bytes = Vec::with_capacity(2048);
    loop {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut head = httparse::Request::new(&mut headers);
        let parsed = head.parse(&bytes).map_err(|error| match error {
            httparse::Error::TooManyHeaders => Unread::Bad(TOO_LARGE, "the request has too many headers"),
            _ => Unread::Bad("400 Bad Request", "this is no request of HTTP"),
        })?;
        if let httparse::Status::Complete(end) = parsed {
            let asked = ask(&head, guard)?;
            let body = body(stream, bytes.split_off(end), &asked).await?;
            return Ok(Request { changes: asked.changes, path: asked.path, query: asked.query, body });
        }
        if bytes.len() >= HEAD_BYTES {
            return Err(Unread::Bad(TOO_LARGE, "the request is too long"));
        }
        if (&mut *stream).take((HEAD_BYTES - bytes.len()) as u64).read_buf(&mut bytes).await? == 0 {
            return Err(Unread::Broken(io::ErrorKind::UnexpectedEof.into()));
        }
    }
}

/// The head of a request.
struct Asked {
    changes: bool,
    path: String,
    query: String,
    body_bytes: usize,
    waits: bool,
}

/// What a request asks for, if it may.
fn ask(head: &httparse::Request<'_, '_>, guard: &Guard) -> Result<Asked, Unread> {
    // A header that occurs twice can be read in two ways.
    let header = |name: &str| -> Result<Option<&str>, Unread> {
        let mut found = head.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
        let value = found.next().map(|header| std::str::from_utf8(header.value)).transpose();
        match (value, found.next()) {
            (Ok(value), None) => Ok(value.map(str::trim)),
            _ => Err(Unread::Bad("400 Bad Request", "a header is not text, or there twice")),
        }
    };
    let changes = match head.method {
        Some("GET") => false,
        Some("POST") => true,
        _ => return Err(Unread::Bad("405 Method Not Allowed", "GET and POST are understood")),
    };
    let target = head.path.unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let asker = Asker { host: header("host")?, origin: header("origin")? };
    let path = guard.check(asker, changes, path).map_err(Unread::Refused)?;
    if header("transfer-encoding")?.is_some() {
        return Err(Unread::Bad("411 Length Required", "the body's length must be sent before it"));
    }
    let length = header("content-length")?.map_or(Ok(0), |length| {
        let is_number = length.bytes().all(|byte| byte.is_ascii_digit());
        if is_number { length.parse::<u64>().map_err(drop) } else { Err(()) }
    });
    let length = length.map_err(|()| Unread::Bad("400 Bad Request", "the body's length is no number"))?;
    let body_bytes = usize::try_from(length).ok().filter(|bytes| *bytes <= BODY_BYTES);
    let body_bytes =
        body_bytes.ok_or(Unread::Bad("413 Content Too Large", "a sample may have 64 MiB\nhint: drop a part of it"))?;
    let waits = header("expect")?.is_some_and(|value| value.eq_ignore_ascii_case("100-continue"));
    Ok(Asked { changes, path: path.to_owned(), query: query.to_owned(), body_bytes, waits })
}

async fn body(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    mut bytes: Vec<u8>,
    asked: &Asked,
) -> Result<Vec<u8>, Unread> {
    if asked.waits && bytes.len() < asked.body_bytes {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    bytes.truncate(asked.body_bytes);
    let missing = asked.body_bytes - bytes.len();
    // It grows with what has come, not with the length in the header.
    if stream.take(missing as u64).read_to_end(&mut bytes).await? < missing {
        return Err(Unread::Broken(io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(bytes)
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), status: &str, kind: &str, body: &[u8]) -> io::Result<()> {
    stream.write_all(head(status, kind, Some(body.len())).as_bytes()).await?;
    stream.write_all(body).await?;
    stream.shutdown().await
}

/// The head of an answer, with an end that is known or that of the connection.
fn head(status: &str, kind: &str, length: Option<usize>) -> String {
    let length = length.map_or_else(String::new, |length| format!("content-length: {length}\r\n"));
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\n{length}connection: close\r\ncache-control: no-store\r\n\
         content-security-policy: {POLICY}\r\nx-content-type-options: nosniff\r\nreferrer-policy: no-referrer\r\n\
         cross-origin-resource-policy: same-origin\r\ncross-origin-opener-policy: same-origin\r\n\r\n"
    )
}

async fn write_events(
    stream: &mut (impl AsyncWrite + Unpin),
    mut numbers: watch::Receiver<u64>,
    times: Times,
) -> io::Result<()> {
    let end = Instant::now() + times.stream;
    let mut event = head("200 OK", "text/event-stream", None) + "retry: 1000\n\n";
    loop {
        timeout(times.write, stream.write_all(event.as_bytes())).await??;
        event = match timeout_at(end.min(Instant::now() + times.alive), numbers.changed()).await {
            Ok(Ok(())) => format!("data: {}\n\n", *numbers.borrow_and_update()),
            Ok(Err(_)) => return Ok(()),
            Err(_) if Instant::now() >= end => return Ok(()),
            Err(_) => ": alive\n\n".to_owned(),
        };
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn guard() -> Guard {
        Guard::new(([127, 0, 0, 1], 4000).into()).unwrap()
    }

    /// What a request is answered, whose path is below the token.
    async fn answer(guard: &Guard, method: &str, headers: &str, body: &str) -> String {
        let path = guard.url().split_off("http://127.0.0.1:4000".len());
        exchange(guard, &format!("{method} {path}echo?name=a HTTP/1.1\r\nHost: 127.0.0.1:4000\r\n{headers}\r\n{body}"))
            .await
    }

    async fn exchange(guard: &Guard, request: &str) -> String {
        let (mut client, server) = tokio::io::duplex(1024);
        let echo = |request: Request| async move {
            Answer::text("200 OK", format!("{} {} {}", request.path, request.query, request.body.len()))
        };
        let ask = async {
            // A server that has its answer may not read to the end.
            drop(client.write_all(request.as_bytes()).await);
            drop(client.shutdown().await);
            let mut text = String::new();
            drop(client.read_to_string(&mut text).await);
            text
        };
        let (_, text) = tokio::join!(converse(server, guard, TIMES, echo), ask);
        text
    }

    const OWN: &str = "Origin: http://127.0.0.1:4000\r\n";

    #[tokio::test]
    async fn a_request_is_answered_and_the_connection_closed() {
        let guard = guard();
        let answered = answer(&guard, "GET", "", "").await;
        assert!(answered.starts_with("HTTP/1.1 200 OK\r\n"), "{answered}");
        assert!(answered.ends_with("\r\n\r\necho name=a 0"), "{answered}");
        assert!(answered.contains("\r\nconnection: close\r\n"), "{answered}");
        let posted = answer(&guard, "POST", &format!("{OWN}Content-Length: 5\r\n"), "12345").await;
        assert!(posted.ends_with("\r\n\r\necho name=a 5"), "{posted}");
    }

    #[tokio::test]
    async fn what_may_not_be_asked_is_refused_before_its_body_is_read() {
        let guard = guard();
        let other = answer(&guard, "POST", "Origin: http://evil.example\r\nContent-Length: 5\r\n", "12345").await;
        assert!(other.starts_with("HTTP/1.1 403 "), "{other}");
        let unsaid = answer(&guard, "POST", "Content-Length: 5\r\n", "12345").await;
        assert!(unsaid.starts_with("HTTP/1.1 403 "), "{unsaid}");
        let unknown = exchange(&guard, "GET /0123/api/state HTTP/1.1\r\nHost: 127.0.0.1:4000\r\n\r\n").await;
        assert!(unknown.starts_with("HTTP/1.1 403 "), "{unknown}");
        let rebound = exchange(&guard, "GET / HTTP/1.1\r\nHost: evil.example:4000\r\n\r\n").await;
        assert!(rebound.starts_with("HTTP/1.1 403 "), "{rebound}");
    }

    #[tokio::test]
    async fn sizes_are_bounded() {
        let guard = guard();
        let large = answer(&guard, "POST", &format!("{OWN}Content-Length: {}\r\n", BODY_BYTES + 1), "").await;
        assert!(large.starts_with("HTTP/1.1 413 "), "{large}");
        let long = answer(&guard, "GET", &format!("X: {}\r\n", "x".repeat(HEAD_BYTES)), "").await;
        assert!(long.starts_with("HTTP/1.1 431 "), "{long}");
        let many = answer(&guard, "GET", &"X: x\r\n".repeat(HEADERS + 1), "").await;
        assert!(many.starts_with("HTTP/1.1 431 "), "{many}");
    }

    #[tokio::test]
    async fn what_could_be_read_in_two_ways_is_refused() {
        let guard = guard();
        for headers in [
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            "Content-Length: +5\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            "Host: 127.0.0.1:4000\r\n",
        ] {
            let answered = answer(&guard, "POST", &format!("{OWN}{headers}"), "12345").await;
            assert!(answered.starts_with("HTTP/1.1 4"), "{headers}: {answered}");
        }
        assert!(answer(&guard, "DELETE", OWN, "").await.starts_with("HTTP/1.1 405 "));
        assert!(exchange(&guard, "\x16\x03\x01 nonsense\r\n\r\n").await.starts_with("HTTP/1.1 400 "));
    }

    #[tokio::test]
    async fn a_request_that_does_not_end_is_given_up() {
        let guard = guard();
        let (mut client, server) = tokio::io::duplex(1024);
        client.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        let times = Times { read: Duration::from_millis(20), linger: Duration::ZERO, ..TIMES };
        let never = |_| async { Answer::text("200 OK", "") };
        let mut text = String::new();
        let (_, read) = tokio::join!(converse(server, &guard, times, never), client.read_to_string(&mut text));
        read.unwrap();
        assert!(text.starts_with("HTTP/1.1 408 "), "{text}");
    }

    #[tokio::test]
    async fn events_are_told_until_their_stream_ends() {
        let (mut client, mut server) = tokio::io::duplex(1 << 20);
        let (sender, receiver) = watch::channel(0);
        sender.send_replace(7);
        let times = Times { stream: Duration::from_millis(200), alive: Duration::from_millis(10), ..TIMES };
        write_events(&mut server, receiver, times).await.unwrap();
        drop(server);
        let mut text = String::new();
        client.read_to_string(&mut text).await.unwrap();
        let events = text.split_once("\r\n\r\n").unwrap().1;
        assert!(events.starts_with("retry: 1000\n\ndata: 7\n\n"), "{events}");
    }
}
