//! HTTP/1.1 as a server: a thread for each connection, which is kept for the next request.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::{Request, read_head};

/// How long a connection that ends in order is read, so that the client can send what it has begun to send: with bytes
/// that nobody has read, the system would reset the connection.
const DRAIN_LIMIT: Duration = Duration::from_secs(1);

/// How a connection ends that the client did not end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// In order, by a FIN.
    Close,
    /// By a RST: what is on its way is lost.
    Reset,
}

/// What becomes of a connection after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// It waits for the next request, unless the client wants it to end.
    Keep,
    /// It ends.
    End(Cut),
}

/// A request without its body, and where it came from.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) request: Request,
    /// The number of the connection, from 0.
    pub(crate) connection: usize,
    /// The number of the request on its connection, from 0.
    pub(crate) number: usize,
    /// When the head had arrived.
    pub(crate) arrived: Instant,
}

/// The connection, as far as one request goes.
pub(crate) struct Wire<'a> {
    stream: &'a TcpStream,
    reader: &'a mut (dyn BufRead + 'a),
    stop: &'a Stop,
    /// Bytes of the body that are not read yet.
    unread: usize,
}

impl Wire<'_> {
    /// Reads what is left of the body.
    pub(crate) fn read_body(&mut self) -> io::Result<Vec<u8>> {
        self.read_of_body(usize::MAX)
    }

    /// Reads so many bytes of the body, or all that are left.
    pub(crate) fn read_of_body(&mut self, bytes: usize) -> io::Result<Vec<u8>> {
        let mut body = vec![0; self.unread.min(bytes)];
        self.reader.read_exact(&mut body)?;
        self.unread -= body.len();
        Ok(body)
    }

    /// Sends bytes. A client that has gone away is no problem of the server's.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Flow {
        let mut stream = self.stream;
        if stream.write_all(bytes).is_ok() { Flow::Keep } else { Flow::End(Cut::Close) }
    }

    /// Lets time pass.
    pub(crate) fn wait(&self, time: Duration) {
        self.stop.wait(time);
    }

    /// Whether the server is to end.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.is_set()
    }

    /// Sends nothing for as long as the client listens.
    pub(crate) fn wait_for_the_client_to_go(&mut self) {
        while let Ok(read @ [_, ..]) = self.reader.fill_buf() {
            let bytes = read.len();
            self.reader.consume(bytes);
        }
    }
}

/// Whether a server is to end, which all of its threads look at.
#[derive(Debug, Default)]
struct Stop {
    stopped: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    fn is_set(&self) -> bool {
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self) {
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Returns after `time`, or when the server is to end.
    fn wait(&self, time: Duration) {
        let stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.changed.wait_timeout_while(stopped, time, |stopped| !*stopped));
    }
}

/// A connection. Its thread alone holds the stream: one that is still held elsewhere cannot be reset.
#[derive(Debug)]
struct Connection {
    stream: Weak<TcpStream>,
    thread: JoinHandle<()>,
}

/// The connections of a server that may still be there.
#[derive(Debug, Default)]
struct Connections {
    open: Vec<Connection>,
    /// Whether the thread of one that is gone has panicked.
    panicked: bool,
}

impl Connections {
    fn add(&mut self, connection: Connection) {
        let (ended, open) = self.open.drain(..).partition(|connection| connection.thread.is_finished());
        self.open = open;
        self.join(ended);
        self.open.push(connection);
    }

    fn end(mut self) -> bool {
        for connection in &self.open {
            if let Some(stream) = connection.stream.upgrade() {
                // Fails where the client has gone.
                drop(stream.shutdown(Shutdown::Both));
            }
        }
        let open = std::mem::take(&mut self.open);
        self.join(open);
        self.panicked
    }

    fn join(&mut self, connections: Vec<Connection>) {
        for connection in connections {
            self.panicked |= connection.thread.join().is_err();
        }
    }
}

/// A server on a free port of the loopback interface. Dropping it ends its connections and threads.
#[derive(Debug)]
pub(crate) struct HttpServer {
    address: SocketAddr,
    stop: Arc<Stop>,
    acceptor: Option<JoinHandle<Connections>>,
}

impl HttpServer {
    /// Does with every request what `serve` does, many at once.
    pub(crate) fn start(serve: impl Fn(&Head, &mut Wire<'_>) -> Flow + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Arc::new(Stop::default());
        let acceptor = thread::spawn({
            let stop = Arc::clone(&stop);
            move || accept(&listener, &stop, &Arc::new(serve))
        });
        Self { address, stop, acceptor: Some(acceptor) }
    }

    /// Such as `http://127.0.0.1:1234`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The port alone.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.stop.set();
        // Wakes the thread that accepts connections, which then sees that it is to end.
        drop(TcpStream::connect(self.address));
        let connections = self.acceptor.take().and_then(|acceptor| acceptor.join().ok()).unwrap_or_default();
        let panicked = connections.end();
        assert!(!panicked || thread::panicking(), "a thread of the server has panicked");
    }
}

/// Accepts connections until the server is to end.
fn accept<S>(listener: &TcpListener, stop: &Arc<Stop>, serve: &Arc<S>) -> Connections
where
    S: Fn(&Head, &mut Wire<'_>) -> Flow + Send + Sync + 'static,
{
    let mut connections = Connections::default();
    for (number, stream) in listener.incoming().enumerate() {
        if stop.is_set() {
            break;
        }
        let Ok(stream) = stream.map(Arc::new) else { continue };
        let weak = Arc::downgrade(&stream);
        let thread = thread::spawn({
            let (stop, serve) = (Arc::clone(stop), Arc::clone(serve));
            move || converse(&stream, number, &stop, &*serve)
        });
        connections.add(Connection { stream: weak, thread });
    }
    connections
}

/// Serves the requests of a connection, until either side ends it.
fn converse(stream: &TcpStream, connection: usize, stop: &Stop, serve: &impl Fn(&Head, &mut Wire<'_>) -> Flow) {
    let mut reader = BufReader::new(stream);
    for number in 0.. {
        // A client may go away at any time; that is its business.
        let Ok(Some((request_line, headers))) = read_head(&mut reader) else { return };
        let mut words = request_line.split(' ');
        let mut request = Request::new(words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let is_old = words.next() == Some("HTTP/1.0");
        let wants_end = is_old || headers.get("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let unread = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        request.headers = headers;
        let head = Head { request, connection, number, arrived: Instant::now() };
        let mut wire = Wire { stream, reader: &mut reader, stop, unread };
        match serve(&head, &mut wire) {
            Flow::Keep if !wants_end && wire.unread == 0 => {}
            Flow::Keep | Flow::End(Cut::Close) => return close(stream),
            Flow::End(Cut::Reset) => {
                // Without a wait for what is on its way, the system resets the connection when it is closed, which it is
                // as soon as this thread lets go of it.
                drop(SockRef::from(stream).set_linger(Some(Duration::ZERO)));
                return;
            }
        }
    }
}

/// Ends a connection in order.
fn close(mut stream: &TcpStream) {
    if stream.shutdown(Shutdown::Write).is_err() || stream.set_read_timeout(Some(DRAIN_LIMIT)).is_err() {
        return;
    }
    let deadline = Instant::now() + DRAIN_LIMIT;
    let mut rest = [0; 4096];
    while Instant::now() < deadline && matches!(stream.read(&mut rest), Ok(1..)) {}
}
