//! One request a connection, over plain TCP.

use std::io::{self, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use super::{Request, Response, read_head};

/// How long a server may stay silent.
const SILENCE_LIMIT: Duration = Duration::from_secs(120);

/// Sends a request to `port` of this machine and reads the answer.
///
/// # Errors
///
/// Where there is no connection, or it ends, or stays silent, before the answer is complete.
pub fn request(port: u16, request: &Request) -> io::Result<Response> {
    request_within(SILENCE_LIMIT, port, request)
}

/// As [`request`], of a server that may stay silent for so long.
///
/// # Errors
///
/// As [`request`].
pub(crate) fn request_within(limit: Duration, port: u16, request: &Request) -> io::Result<Response> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(limit))?;
    // HTTP/1.0, so that the answer ends where the connection does.
    let mut head = format!("{} {} HTTP/1.0\r\n", request.method, request.target);
    if !request.headers.contains_key("host") {
        head.push_str(&format!("host: 127.0.0.1:{port}\r\n"));
    }
    for (name, value) in &request.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", request.body.len()));
    stream.write_all(head.as_bytes())?;
    stream.write_all(&request.body)?;

    let mut reader = BufReader::new(stream);
    let (status_line, headers) = read_head(&mut reader)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    let status = status_line
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("not a status line: {status_line}")))?;
    let mut body = Vec::new();
    match headers.get("content-length").and_then(|length| length.parse::<usize>().ok()) {
        // The answer to HEAD announces the body of another answer.
        Some(_) if request.method == "HEAD" => {}
        Some(length) => {
            body.resize(length, 0);
            reader.read_exact(&mut body)?;
        }
        None => drop(reader.read_to_end(&mut body)?),
    }
    Ok(Response { status, headers, body })
}
