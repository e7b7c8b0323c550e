//! An HTTP/1.1 server on a free port of this machine that answers as a test defines, and remembers what it was sent.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::Read;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use flate2::read::GzDecoder;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A request that arrived.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) at: Instant,
    /// `POST /write?db=x`.
    pub(crate) line: String,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body, decompressed where its header declares that it is compressed.
    pub(crate) fn text(&self) -> String {
        match self.header("content-encoding") {
            Some("gzip") => {
                let mut text = String::new();
                GzDecoder::new(self.body.as_slice()).read_to_string(&mut text).unwrap();
                text
            }
            _ => String::from_utf8(self.body.clone()).unwrap(),
        }
    }
}

/// What the server does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Answer {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: String,
    },
    /// A status, and then a body without end.
    Endless(u16),
    /// A status and half of a body, and then nothing.
    Stuck(u16),
    /// Nothing, ever.
    Silence,
    /// The connection breaks.
    Break,
}

impl Reply {
    pub(crate) fn status(status: u16) -> Self {
        Self::with(status, &[], "")
    }

    pub(crate) fn with(status: u16, headers: &[(&'static str, &str)], body: &str) -> Self {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Self::Answer { status, headers, body: body.to_owned() }
    }
}

/// The server; it stops when it is dropped.
pub(crate) struct ScriptedServer {
    pub(crate) url: String,
    received: Arc<Mutex<Vec<Received>>>,
    task: JoinHandle<()>,
}

impl ScriptedServer {
    /// A server that does with the n-th request, from 0, what `script` returns.
    pub(crate) async fn start(script: impl Fn(usize, &Received) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let received = Arc::new(Mutex::new(Vec::new()));
        let script = Arc::new(script);
        let log = Arc::clone(&received);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, Arc::clone(&script), Arc::clone(&log)));
            }
        });
        Self { url, received, task }
    }

    /// A server that gives these replies in order, and the last of them forever.
    pub(crate) async fn replying(replies: impl Into<Vec<Reply>>) -> Self {
        let replies = replies.into();
        Self::start(move |index, _| replies[index.min(replies.len() - 1)].clone()).await
    }

    /// What has arrived so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves the requests of one connection, until a reply or the client ends it.
async fn serve(
    stream: TcpStream,
    script: Arc<impl Fn(usize, &Received) -> Reply>,
    log: Arc<Mutex<Vec<Received>>>,
) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let received = receive(&mut stream).await?;
        let reply = {
            let mut log = log.lock().unwrap();
            log.push(received.clone());
            script(log.len() - 1, &received)
        };
        match reply {
            Reply::Answer { status, headers, body } => {
                let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
                // 204 has no body, and no length of one.
                let length = if status == 204 { String::new() } else { format!("content-length: {}\r\n", body.len()) };
                let answer = format!("HTTP/1.1 {status} x\r\n{headers}{length}\r\n{body}");
                stream.write_all(answer.as_bytes()).await.ok()?;
            }
            Reply::Endless(status) => {
                stream.write_all(format!("HTTP/1.1 {status} x\r\n\r\n").as_bytes()).await.ok()?;
                loop {
                    stream.write_all(&[b'x'; 4096]).await.ok()?;
                }
            }
            Reply::Stuck(status) => {
                let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 100\r\n\r\nhalf");
                stream.write_all(answer.as_bytes()).await.ok()?;
                std::future::pending().await
            }
            Reply::Silence => std::future::pending().await,
            Reply::Break => return None,
        }
    }
}

async fn receive(stream: &mut BufReader<TcpStream>) -> Option<Received> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        match line.trim_end() {
            "" if lines.is_empty() => return None,
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let line = lines.remove(0).trim_end_matches(" HTTP/1.1").to_owned();
    let headers: Vec<(String, String)> = lines
        .iter()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length =
        headers.iter().find(|(name, _)| name == "content-length").map_or(0, |(_, value)| value.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Received { at: Instant::now(), line, headers, body })
}
