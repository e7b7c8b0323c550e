//! What can go wrong on the way to a sink, and what kind of problem each of it is.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why something was not delivered. Names the URL, the answer, after how many attempts and how long; never a
/// token or a password.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// `INFLUXDB_URL` is not a URL that requests can be sent to.
    #[error("InfluxDB's URL cannot be used, {problem}: `{url}`")]
    InvalidUrl {
        /// The URL, without its credentials where it has some.
        url: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The HTTP client cannot be set up: no certificates on this machine, for instance.
    #[error("the HTTP client for InfluxDB cannot be set up")]
    Client(#[source] reqwest::Error),
    /// The certificates that are to be trusted cannot be had.
    #[error("`INFLUXDB_CA_FILE` cannot be used")]
    Trust(#[from] TrustError),
    /// The server shows a certificate that is not trusted. No attempt changes that.
    #[error(
        "the certificate of `{url}` is not trusted\nhint: set `INFLUXDB_CA_FILE` to a file in PEM with the certificate that has signed it, or with its own if it is self-signed"
    )]
    Untrusted {
        /// Where the request went.
        url: String,
        /// What is wrong with the certificate.
        source: reqwest::Error,
    },
    /// No connection.
    #[error("`{url}` cannot be reached ({tries}){}", hint_where_never_reached(*.reached))]
    Unreachable {
        /// Where the request went.
        url: String,
        /// How often and how long it was tried.
        tries: Tries,
        /// Whether this process has ever reached the server.
        reached: bool,
        /// What the last attempt met.
        source: reqwest::Error,
    },
    /// A connection, but one that broke before the answer.
    #[error("the connection to `{url}` broke ({tries})")]
    ConnectionLost {
        /// Where the request went.
        url: String,
        /// How often and how long it was tried.
        tries: Tries,
        /// What the last attempt met.
        source: reqwest::Error,
    },
    /// The server has read other bytes than were sent, as after a connection that broke behind a proxy.
    #[error("the request was damaged on its way: {0}")]
    Damaged(Answer),
    /// The server has failed so often in a row that the circuit breaker is open.
    #[error("circuit breaker open: `{url}` keeps failing")]
    BreakerOpen {
        /// Where the request would have gone.
        url: String,
    },
    /// A connection, but no answer in the time that one attempt may take.
    #[error("`{url}` did not answer in time ({tries})")]
    TimedOut {
        /// Where the request went.
        url: String,
        /// How often and how long it was tried.
        tries: Tries,
        /// What the last attempt met.
        source: reqwest::Error,
    },
    /// 401: no or wrong credentials.
    #[error(
        "the credentials are refused: {0}\nhint: check `INFLUXDB_TOKEN`, the secret that `INFLUXDB_TOKEN_SECRET_NAME` names, or for 1.x `INFLUXDB_USERNAME` and `INFLUXDB_PASSWORD`"
    )]
    Unauthorized(Answer),
    /// 403: known credentials that do not allow this.
    #[error(
        "the credentials do not grant access to {target}: {answer}\nhint: give the token, or for 1.x the user, the right to"
    )]
    Forbidden {
        /// The bucket and organization, or the database.
        target: String,
        /// The server's answer.
        answer: Answer,
    },
    /// 404: no such organization, bucket or database.
    #[error("{target} does not exist: {answer}")]
    NotFound {
        /// The bucket and organization, or the database.
        target: String,
        /// The server's answer.
        answer: Answer,
    },
    /// 400, 422 and every other answer by which this request will never be accepted.
    #[error("the points are refused: {0}")]
    Refused(Answer),
    /// The same rows are taken and refused by turns.
    #[error("`{url}` refuses rows that it has taken before")]
    Inconsistent {
        /// Where they are written.
        url: String,
    },
    /// 413: the request is larger than the server, or a proxy before it, allows.
    #[error("the request of {bytes} bytes is too large: {answer}\nhint: lower `MAX_BATCH_SIZE` or `MAX_BATCH_BYTES`")]
    TooLarge {
        /// The size of the body as sent, in bytes.
        bytes: usize,
        /// The server's answer.
        answer: Answer,
    },
    /// 408, 429, 500, 502, 503 or 504 until no attempt was left.
    #[error("InfluxDB is failing or too busy: {0}")]
    ServerFailing(Answer),
    /// 3xx. Redirects are not followed: credentials go to the configured server alone.
    #[error(
        "`{url}` redirects to `{location}` with status {status}\nhint: redirects are not followed; if that is the server, set `INFLUXDB_URL` to it"
    )]
    Redirected {
        /// Where the request went.
        url: String,
        /// The status.
        status: u16,
        /// Where the server points to.
        location: String,
    },
    /// An answer that InfluxDB does not give. A write is done when it is answered by 204 and by nothing else.
    #[error("this is not an answer of InfluxDB: {0}\nhint: check `INFLUXDB_URL` and `INFLUXDB_API`")]
    Unexpected(Answer),
    /// `INFLUXDB_API=auto`, and the answer to `/ping` does not identify the engine.
    #[error(
        "`{url}` answered {status}, which does not identify the engine\nhint: check `INFLUXDB_URL` and the token, or set `INFLUXDB_API` to `v1`, `v2` or `v3`"
    )]
    UnknownEngine {
        /// What was asked.
        url: String,
        /// The status of the answer.
        status: u16,
    },
    /// `INFLUXDB_API` names an API that the server has for compatibility only: 3 answers there as if points were at fault
    /// when it is the server that fails.
    #[error(
        "`{url}` is InfluxDB {version}, which must not be written to by the API of older versions\nhint: set `INFLUXDB_API` to `v3` or `auto`"
    )]
    WrongApi {
        /// The server.
        url: String,
        /// What it is.
        version: String,
    },
    /// The server reports that it cannot work.
    #[error("InfluxDB is not well: {0}")]
    Unwell(Answer),
    /// A point that was written may not be read.
    #[error(
        "a point is written, but the credentials do not grant read access to {target}: {answer}\nhint: the loader only writes; to read the point back, grant the token, or for 1.x the user, read access"
    )]
    Unreadable {
        /// The bucket and organization, or the database.
        target: String,
        /// The server's answer.
        answer: Answer,
    },
    /// A point that was written is not found when it is read.
    #[error("`{url}` does not give back a point that it has taken")]
    NotReadBack {
        /// Where it was asked for.
        url: String,
    },
    /// The time that the caller gave is over. The points may have been written by an attempt under way.
    #[error("no time is left for `{destination}` ({tries})")]
    DeadlineReached {
        /// The URL, the file, or the secret.
        destination: String,
        /// How often and how long it was tried.
        tries: Tries,
        /// What the last attempt met, if there was one.
        source: Option<Box<SinkError>>,
    },
    /// The token cannot be had.
    #[error("InfluxDB's token cannot be had")]
    Token(#[from] TokenError),
    /// The file of lines cannot be written.
    #[error("`{}` cannot be written", path.display())]
    File {
        /// The file that was asked for.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Standard output cannot be written to.
    #[error("standard output cannot be written to")]
    Output(#[source] io::Error),
    /// The reader of standard output has gone: nobody wants more lines.
    #[error("the reader of standard output has gone")]
    Closed,
}

fn hint_where_never_reached(reached: bool) -> &'static str {
    if reached {
        ""
    } else {
        "\nhint: check `INFLUXDB_URL`, and `HTTPS_PROXY` and `NO_PROXY` where there is a proxy; in a VPC, whether the function's subnets and security groups let it reach the server"
    }
}

/// Why there are no certificates to trust.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The file cannot be read, or is none in PEM.
    #[error("`{}` is no readable file of certificates in PEM", path.display())]
    NotRead {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls::pki_types::pem::Error,
    },
    /// The file has no certificate.
    #[error("`{}` has no certificate that can be used\nhint: a certificate begins with `-----BEGIN CERTIFICATE-----`", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Unusable(#[source] rustls::Error),
}

/// Why there is no token. Names the secret, never what is in it.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Secrets Manager does not hand the secret out.
    #[error("the secret `{name}` cannot be read from Secrets Manager")]
    NotRead {
        /// The secret.
        name: String,
        /// Why: what Secrets Manager answered, or what kept it from answering.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The secret holds bytes, not text.
    #[error("the secret `{name}` holds no text\nhint: store the token as text, or as JSON with the key `token`")]
    NotText {
        /// The secret.
        name: String,
    },
    /// The secret is JSON and has no token.
    #[error(
        "the secret `{name}` is JSON without the key `token`, a text that is not empty; its keys: {keys}\nhint: from the secret that Timestream for InfluxDB 2 makes, which holds a user and a password, `influxdb-loader token {name}` makes a token; for 1.x, `username` and `password` are read"
    )]
    NoToken {
        /// The secret.
        name: String,
        /// The keys that it has.
        keys: String,
    },
    /// The secret starts as JSON does and is none.
    #[error("the secret `{name}` starts like JSON, and is none")]
    NotJson {
        /// The secret.
        name: String,
        /// Where it ends to be JSON.
        source: serde_json::Error,
    },
    /// A token holds what no token holds: white space within, control characters, or nothing at all.
    #[error("the token from {origin} is empty, or has characters that no token has")]
    Unusable {
        /// Where it comes from.
        origin: String,
    },
}

/// The kinds of problems that callers distinguish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinkErrorKind {
    /// The server is not reached, or is failing or busy for longer than it was waited for. Later it may do.
    Connection,
    /// The server does not let the loader write, whatever the points are: wrong URL, token, organization or bucket.
    Refused,
    /// The server refuses these points, or the file cannot be written.
    Write,
    /// The time that the caller gave is over.
    Deadline,
    /// Nobody wants more: a reason to stop, not a failure.
    Closed,
}

impl SinkError {
    /// What kind of problem this is.
    pub fn kind(&self) -> SinkErrorKind {
        match self {
            Self::Unreachable { .. }
            | Self::ConnectionLost { .. }
            | Self::Damaged(_)
            | Self::Inconsistent { .. }
            | Self::TimedOut { .. }
            | Self::ServerFailing(_)
            | Self::Unwell(_)
            | Self::BreakerOpen { .. } => SinkErrorKind::Connection,
            Self::InvalidUrl { .. }
            | Self::Client(_)
            | Self::Trust(_)
            | Self::Untrusted { .. }
            | Self::Unauthorized(_)
            | Self::Forbidden { .. }
            | Self::NotFound { .. }
            | Self::Unreadable { .. }
            | Self::Redirected { .. }
            | Self::Unexpected(_)
            | Self::UnknownEngine { .. }
            | Self::WrongApi { .. }
            | Self::Token(_) => SinkErrorKind::Refused,
            Self::Refused(_)
            | Self::TooLarge { .. }
            | Self::NotReadBack { .. }
            | Self::File { .. }
            | Self::Output(_) => SinkErrorKind::Write,
            // If only the server used up the time, the problem is the server's.
            Self::DeadlineReached { source: Some(source), .. } => source.kind(),
            Self::DeadlineReached { source: None, .. } => SinkErrorKind::Deadline,
            Self::Closed => SinkErrorKind::Closed,
        }
    }
}

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Where the request went, without its query.
    pub url: String,
    /// The status.
    pub status: u16,
    /// The server's own words, shortened and without control characters; empty where there were none.
    pub message: String,
    /// How often and how long it was tried.
    pub tries: Tries,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, status, message, tries } = self;
        match message.as_str() {
            "" => write!(f, "`{url}` answered {status} ({tries})"),
            message => write!(f, "`{url}` answered {status}, {message} ({tries})"),
        }
    }
}

/// How often and how long something was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tries {
    /// Requests made.
    pub attempts: u32,
    /// From the start of the first to the end of the last, waits included.
    pub elapsed: Duration,
}

impl fmt::Display for Tries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.attempts == 1 { "" } else { "s" };
        write!(f, "{} attempt{plural} in ", self.attempts)?;
        match self.elapsed {
            short if short < Duration::from_secs(1) => write!(f, "{} ms", short.as_millis()),
            long => write!(f, "{:.1} s", long.as_secs_f64()),
        }
    }
}

/// The most that is shown of a message, in characters.
const MESSAGE_LIMIT: usize = 600;

/// Text from a server, fit for one line of a log: at most [`MESSAGE_LIMIT`] characters, control characters as spaces.
pub(super) fn clean(text: &str) -> String {
    let mut characters = text.trim().chars().map(|character| if character.is_control() { ' ' } else { character });
    let mut clean: String = characters.by_ref().take(MESSAGE_LIMIT).collect();
    if characters.next().is_some() {
        clean.push('…');
    }
    clean
}
