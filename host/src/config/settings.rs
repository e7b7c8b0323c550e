//! The table of settings: every environment variable that the loader reads, once.

/// A setting: an environment variable of its own.
#[derive(Debug)]
pub struct Setting {
    /// The environment variable.
    pub name: &'static str,
    /// What is assumed where the variable is unset or empty; itself a value that [`Setting::kind`] allows.
    pub default: Option<&'static str>,
    /// What values are allowed.
    pub kind: Kind,
    /// What it does: Markdown, one line. `reference` adds an example and when to change it.
    pub meaning: &'static str,
}

/// What values a setting allows.
#[derive(Debug)]
pub enum Kind {
    /// A URL of an InfluxDB server.
    Url,
    /// A URL of a proxy, which may hold a user and a password.
    Proxy,
    /// Text without control characters.
    Text,
    /// Text that is never shown, and visible ASCII, because it is sent as an HTTP header.
    Token,
    /// Text without control characters that is never shown.
    Password,
    /// `true`, `false` and their usual other names.
    Boolean,
    /// A whole number between two, both allowed.
    Integer {
        /// The smallest.
        minimum: u64,
        /// The largest.
        maximum: u64,
    },
    /// A name: lower-case letters, digits, `-` and `_`.
    Name,
    /// The beginning of keys in a bucket: names between slashes.
    KeyPrefix,
    /// A prefix in a bucket, or a directory.
    RejectsUri,
    /// Patterns of buckets and prefixes, joined by commas.
    SourceBuckets,
    /// Ed25519 public keys in base64, joined by commas.
    PublicKeys,
    /// One of a few words, in any case.
    Choice(&'static [&'static str]),
}

impl Kind {
    /// What is allowed, for messages and documentation.
    pub fn allowed(&self) -> String {
        match self {
            Self::Url => {
                "a URL that starts with `http://` or `https://`, without user name, password, query and fragment"
                    .to_owned()
            }
            Self::Proxy => "`http://host:port` or `https://host:port`, also with `user:password@`".to_owned(),
            Self::Text | Self::Password => "text without control characters".to_owned(),
            Self::Token => "visible ASCII characters without spaces".to_owned(),
            Self::Boolean => "`true` or `false` (also `1`, `0`, `yes`, `no`, `on`, `off`)".to_owned(),
            Self::Integer { minimum, maximum } => format!("a whole number from {minimum} to {maximum}"),
            Self::Name => "1 to 64 lower-case letters, digits, `-` and `_`".to_owned(),
            Self::KeyPrefix => {
                "parts of visible ASCII characters joined by `/`, none of them empty, `.` or `..`, 512 bytes at most"
                    .to_owned()
            }
            Self::RejectsUri => "`s3://bucket`, `s3://bucket/prefix`, `file:///path`, or a path".to_owned(),
            Self::SourceBuckets => {
                "`bucket` or `bucket/prefix`, in which `*` stands for any characters, joined by `,`".to_owned()
            }
            Self::PublicKeys => "Ed25519 public keys, 32 bytes each, in base64, joined by `,`; `KEY@DATASETS` or `KEY@DATASETS/CHANNELS` limits one, names joined by `+`".to_owned(),
            Self::Choice(words) => {
                let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
                match words.split_last() {
                    Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
                    _ => words.concat(),
                }
            }
        }
    }
}

const MIB: u64 = 1024 * 1024;

/// Where InfluxDB is.
pub(super) const INFLUXDB_URL: Setting = Setting {
    name: "INFLUXDB_URL",
    default: None,
    kind: Kind::Url,
    meaning: "The address of InfluxDB, such as `https://example.timestream-influxdb.us-east-1.on.aws:8086`. Required to write to InfluxDB.",
};

/// Which API the server speaks.
pub(super) const INFLUXDB_API: Setting = Setting {
    name: "INFLUXDB_API",
    default: Some("auto"),
    kind: Kind::Choice(&["auto", "v1", "v2", "v3"]),
    meaning: "The write API. `auto` detects it from the server.",
};

/// The organization.
pub(super) const INFLUXDB_ORG: Setting =
    Setting { name: "INFLUXDB_ORG", default: Some("ons-energy"), kind: Kind::Text, meaning: "The organization (v2)." };

/// The bucket.
pub(super) const INFLUXDB_BUCKET: Setting = Setting {
    name: "INFLUXDB_BUCKET",
    default: Some("energy_data"),
    kind: Kind::Text,
    meaning: "The bucket (v2) or the database (v1, v3).",
};

/// The token itself.
pub(super) const INFLUXDB_TOKEN: Setting = Setting {
    name: "INFLUXDB_TOKEN",
    default: None,
    kind: Kind::Token,
    meaning: "The API token. Prefer `INFLUXDB_TOKEN_SECRET_NAME`, which keeps it in Secrets Manager. If both are set, this one is used.",
};

/// The secret that holds the token.
pub(super) const INFLUXDB_TOKEN_SECRET_NAME: Setting = Setting {
    name: "INFLUXDB_TOKEN_SECRET_NAME",
    default: None,
    kind: Kind::Text,
    meaning: "The name or ARN of the Secrets Manager secret with the token: plain text, or JSON with `token`, the form that Timestream for InfluxDB 3 creates. For 1.x also JSON with `username` and `password`.",
};

/// The token of whoever reads.
pub(super) const INFLUXDB_READ_TOKEN: Setting = Setting {
    name: "INFLUXDB_READ_TOKEN",
    default: None,
    kind: Kind::Token,
    meaning: "A token with read access, for checks that read: deep health, the retention and shards of a bucket, and `preflight`. Unset: the write token. Checks without read access are skipped with a remark.",
};

/// The secret that holds it.
pub(super) const INFLUXDB_READ_TOKEN_SECRET_NAME: Setting = Setting {
    name: "INFLUXDB_READ_TOKEN_SECRET_NAME",
    default: None,
    kind: Kind::Text,
    meaning: "The name or ARN of the Secrets Manager secret with the read token: plain text, or JSON with `token`.",
};

/// The user of a 1.x server.
pub(super) const INFLUXDB_USERNAME: Setting = Setting {
    name: "INFLUXDB_USERNAME",
    default: None,
    kind: Kind::Text,
    meaning: "The user name for basic authentication (v1 only).",
};

/// The password of a 1.x server.
pub(super) const INFLUXDB_PASSWORD: Setting = Setting {
    name: "INFLUXDB_PASSWORD",
    default: None,
    kind: Kind::Password,
    meaning: "The password for basic authentication (v1 only).",
};

/// Whom to trust.
pub(super) const INFLUXDB_CA_FILE: Setting = Setting {
    name: "INFLUXDB_CA_FILE",
    default: None,
    kind: Kind::Text,
    meaning: "A PEM file with the certificates to trust for InfluxDB, instead of this machine's: of authorities, or of the server itself. A server certificate in the file is trusted as it is, even if self-signed.",
};

/// The proxy of requests by TLS.
pub(super) const HTTPS_PROXY: Setting = Setting {
    name: "HTTPS_PROXY",
    default: None,
    kind: Kind::Proxy,
    meaning: "The proxy for `https` URLs, of AWS and InfluxDB alike, such as `http://proxy:3128`. `HTTP_PROXY` is the proxy for `http` URLs.",
};

/// The same of requests without TLS.
pub(super) const HTTP_PROXY: Setting = Setting {
    name: "HTTP_PROXY",
    default: None,
    kind: Kind::Proxy,
    meaning: "The proxy for `http` URLs, of AWS and InfluxDB alike.",
};

/// What is reached without a proxy.
pub(super) const NO_PROXY: Setting = Setting {
    name: "NO_PROXY",
    default: None,
    kind: Kind::Text,
    meaning: "What is reached without a proxy, separated by `,`: hosts, domains including their subdomains, addresses, ranges such as `10.0.0.0/8`, or `*`. If credentials come from instance or container metadata, add `169.254.169.254,169.254.170.2`.",
};

/// Points in a request.
pub(super) const MAX_BATCH_SIZE: Setting = Setting {
    name: "MAX_BATCH_SIZE",
    default: None,
    kind: Kind::Integer { minimum: 1, maximum: 100_000 },
    meaning: "The most points in a write request. Unset: 4000, for InfluxDB 3 10000, in files 1000.",
};

/// Bytes in a request.
pub(super) const MAX_BATCH_BYTES: Setting = Setting {
    name: "MAX_BATCH_BYTES",
    default: None,
    kind: Kind::Integer { minimum: 1024, maximum: 50 * MIB },
    meaning: "The most bytes of line protocol in a write request, before compression. The engine's own limit applies too: 25000000 for 1.x, 10485760 for 3. Unset: 5242880, and 1048576 for InfluxDB 3, which gets more requests in parallel.",
};

/// The order of points.
pub(super) const LOAD_ORDER: Setting = Setting {
    name: "LOAD_ORDER",
    default: Some("server"),
    kind: Kind::Choice(&["server", "file"]),
    meaning: "The order in which the points of an object are sent. `server`: rows are buffered in memory, within `OBJECT_MEMORY_MIB`, so that each request touches few shards and series; this costs the server least. `file`: the order of the file. In both, the last row of a point wins.",
};

/// Whether lines are compressed.
pub(super) const COMPRESSION: Setting = Setting {
    name: "COMPRESSION",
    default: Some("auto"),
    kind: Kind::Choice(&["auto", "gzip", "none"]),
    meaning: "Gzip for write requests and files. `auto`: requests are compressed unless the server is on this machine; files are compressed if their name ends in `.gz`.",
};

/// Requests at a time.
pub(super) const WRITE_CONCURRENCY: Setting = Setting {
    name: "WRITE_CONCURRENCY",
    default: None,
    kind: Kind::Integer { minimum: 1, maximum: 64 },
    meaning: "The most write requests in flight. Unset: 4 at first, then fewer if fewer do as well. InfluxDB 3 acknowledges once a second, so it gets 16 at first and up to 32 while more pay off.",
};

/// Points a second.
pub(super) const WRITE_RATE_POINTS: Setting = Setting {
    name: "WRITE_RATE_POINTS",
    default: None,
    kind: Kind::Integer { minimum: 1, maximum: 10_000_000 },
    meaning: "The most points per second that this process sends to InfluxDB, on average. Each process has its own limit: ten instances of the function send up to ten times as many. A request holds at most one second's points. Unset: no limit.",
};

/// Whether to wait for the write-ahead log.
pub(super) const WRITE_NO_SYNC: Setting = Setting {
    name: "WRITE_NO_SYNC",
    default: Some("false"),
    kind: Kind::Boolean,
    meaning: "InfluxDB 3 only. `true`: the server acknowledges points at once, before they are in its write-ahead log. If the server dies within the next second, it loses points that the report counts as written.",
};

/// Attempts beyond the first.
pub(super) const MAX_RETRIES: Setting = Setting {
    name: "MAX_RETRIES",
    default: None,
    kind: Kind::Integer { minimum: 0, maximum: 20 },
    meaning: "The most retries of a write request, for any transient failure. Unset: a server that is unreachable or busy (no connection, a broken connection, a timeout, 429, 502 to 504) is retried until the deadline or for `RETRY_SECONDS`; other transient failures (408, 500) are retried five times.",
};

/// How long a server is waited for where there is no deadline.
pub(super) const RETRY_SECONDS: Setting = Setting {
    name: "RETRY_SECONDS",
    default: Some("300"),
    kind: Kind::Integer { minimum: 0, maximum: 86_400 },
    meaning: "How long one request is retried while the server is unreachable or busy, if there is no deadline (on the command line). A server that was never reached is given up after 30 seconds.",
};

/// The time that a request may take.
pub(super) const REQUEST_TIMEOUT_SECONDS: Setting = Setting {
    name: "REQUEST_TIMEOUT_SECONDS",
    default: Some("30"),
    kind: Kind::Integer { minimum: 1, maximum: 900 },
    meaning: "The timeout of one write request.",
};

/// The time that a connection may take.
pub(super) const CONNECT_TIMEOUT_SECONDS: Setting = Setting {
    name: "CONNECT_TIMEOUT_SECONDS",
    default: Some("5"),
    kind: Kind::Integer { minimum: 1, maximum: 60 },
    meaning: "The timeout for connecting to InfluxDB.",
};

/// When to stop before the deadline.
pub(super) const DEADLINE_MARGIN_SECONDS: Setting = Setting {
    name: "DEADLINE_MARGIN_SECONDS",
    default: Some("10"),
    kind: Kind::Integer { minimum: 0, maximum: 300 },
    meaning: "How long before the function's deadline the loader stops and answers.",
};

/// Rows decoded at a time.
pub(super) const ROWS_PER_BATCH: Setting = Setting {
    name: "ROWS_PER_BATCH",
    default: Some("8192"),
    kind: Kind::Integer { minimum: 1, maximum: 1_048_576 },
    meaning: "The rows that are decoded and converted at a time.",
};

/// Threads that convert.
pub(super) const CONVERTER_THREADS: Setting = Setting {
    name: "CONVERTER_THREADS",
    default: None,
    kind: Kind::Integer { minimum: 1, maximum: 64 },
    meaning: "The threads that convert an object, each with its own instance of the converter. Unset: one per processor.",
};

/// Objects of an event loaded at a time.
pub(super) const OBJECT_CONCURRENCY: Setting = Setting {
    name: "OBJECT_CONCURRENCY",
    default: None,
    kind: Kind::Integer { minimum: 1, maximum: 8 },
    meaning: "The most objects of an event that load in parallel. Unset: as many as fit into the function's memory at `OBJECT_MEMORY_MIB` each, at most 8.",
};

/// Memory of an object.
pub(super) const OBJECT_MEMORY_MIB: Setting = Setting {
    name: "OBJECT_MEMORY_MIB",
    default: None,
    kind: Kind::Integer { minimum: 16, maximum: 10_240 },
    meaning: "The most memory in MiB for one object: pages, prefetched bytes, batches, buffered lines. An object with a page or a value that does not fit fails with a message that names it. Unset: 128, or less in a function that has less.",
};

/// Whether required columns are required.
pub(super) const VALIDATE_SCHEMA: Setting = Setting {
    name: "VALIDATE_SCHEMA",
    default: Some("true"),
    kind: Kind::Boolean,
    meaning: "`true`: an object that lacks a required column of its dataset fails before anything is written. `false`: only the columns that a point needs are required.",
};

/// What rejected rows do.
pub(super) const DROP_INVALID_RECORDS: Setting = Setting {
    name: "DROP_INVALID_RECORDS",
    default: Some("true"),
    kind: Kind::Boolean,
    meaning: "`true`: rejected rows are skipped and counted. `false`: the first rejected row fails the object.",
};

/// What events may name.
pub(super) const SOURCE_BUCKETS: Setting = Setting {
    name: "SOURCE_BUCKETS",
    default: None,
    kind: Kind::SourceBuckets,
    meaning: "Which objects an event may name, such as `energy-data,archive-*/landing/`: patterns of buckets, or of a bucket and a key prefix. Unset: any object that the credentials grant access to.",
};

/// Where rejected rows are kept.
pub(super) const REJECTS_URI: Setting = Setting {
    name: "REJECTS_URI",
    default: None,
    kind: Kind::RejectsUri,
    meaning: "Where rejected rows are kept, so that `influxdb-loader rejects` can show and retry them. Unset: they are counted, and the first ten of an object are in the report and the log.",
};

/// Where loads are recorded.
pub(super) const LEDGER_URI: Setting = Setting {
    name: "LEDGER_URI",
    default: None,
    kind: Kind::RejectsUri,
    meaning: "Where each load into InfluxDB leaves a record of what it wrote, for `load --skip-loaded`, `influxdb-loader ledger` and `influxdb-loader whence`. One ledger is of one bucket of InfluxDB. An object whose record cannot be written fails, though its points are written.",
};

/// Whether metrics are sent.
pub(super) const ENABLE_METRICS: Setting = Setting {
    name: "ENABLE_METRICS",
    default: Some("true"),
    kind: Kind::Boolean,
    meaning: "Whether metrics are recorded.",
};

/// How metrics reach CloudWatch.
pub(super) const METRICS_BACKEND: Setting = Setting {
    name: "METRICS_BACKEND",
    default: Some("cloudwatch"),
    kind: Kind::Choice(&["cloudwatch", "emf", "none"]),
    meaning: "How metrics reach CloudWatch. `cloudwatch`: by API calls. `emf`: as lines of the Embedded Metric Format on standard output, which CloudWatch extracts from the function's log. `none`: not at all, as with `ENABLE_METRICS=false`.",
};

/// The dimension that separates the metrics of stacks.
pub(super) const METRICS_STACK: Setting = Setting {
    name: "METRICS_STACK",
    default: None,
    kind: Kind::Text,
    meaning: "The name of the stack. If set, each value is sent a second time with the dimension `Stack`, which separates several stacks in one account.",
};

/// What is logged.
pub(super) const LOG_LEVEL: Setting = Setting {
    name: "LOG_LEVEL",
    default: Some("info"),
    kind: Kind::Choice(&["off", "error", "warn", "info", "debug", "trace"]),
    meaning: "The lowest level that is logged.",
};

/// How it is logged.
pub(super) const LOG_FORMAT: Setting = Setting {
    name: "LOG_FORMAT",
    default: Some("json"),
    kind: Kind::Choice(&["json", "text"]),
    meaning: "The format of a log line.",
};

/// Memory of a converter.
pub(super) const CONVERTER_MEMORY_MIB: Setting = Setting {
    name: "CONVERTER_MEMORY_MIB",
    default: None,
    // A 32-bit memory cannot be larger.
    kind: Kind::Integer { minimum: 1, maximum: 4096 },
    meaning: "The most memory of one converter instance, in MiB. Unset: 256, or less in a function that has less. All instances share a quarter of the function's memory, or this value if it is more; an instance waits until there is room.",
};

/// Time of a converter.
pub(super) const CONVERTER_TIME_SECONDS: Setting = Setting {
    name: "CONVERTER_TIME_SECONDS",
    default: Some("10"),
    kind: Kind::Integer { minimum: 1, maximum: 900 },
    meaning: "The time limit of one call into a converter: to start it, to plan an object, or to convert a batch.",
};

/// Bytes that a converter returns.
pub(super) const CONVERTER_RESULT_MIB: Setting = Setting {
    name: "CONVERTER_RESULT_MIB",
    default: Some("64"),
    kind: Kind::Integer { minimum: 1, maximum: 1024 },
    meaning: "The most that one call into a converter may return, in MiB.",
};

/// Bytes that a converter logs.
pub(super) const CONVERTER_LOG_KIB: Setting = Setting {
    name: "CONVERTER_LOG_KIB",
    default: Some("64"),
    kind: Kind::Integer { minimum: 0, maximum: 4096 },
    meaning: "The most that one converter instance may log, in KiB. The rest is dropped and counted.",
};

/// The registry's bucket.
pub(super) const CONVERTER_BUCKET: Setting = Setting {
    name: "CONVERTER_BUCKET",
    default: None,
    kind: Kind::Text,
    meaning: "The bucket with the converter registry. Unset: only the built-in converters are used.",
};

/// The registry's place in its bucket.
pub(super) const CONVERTER_PREFIX: Setting = Setting {
    name: "CONVERTER_PREFIX",
    default: Some("converters"),
    kind: Kind::KeyPrefix,
    meaning: "The key prefix of the registry.",
};

/// The channel.
pub(super) const CONVERTER_CHANNEL: Setting = Setting {
    name: "CONVERTER_CHANNEL",
    default: Some("stable"),
    kind: Kind::Name,
    meaning: "The channel whose converters are used.",
};

/// How often the registry is asked.
pub(super) const CONVERTER_REFRESH_SECONDS: Setting = Setting {
    name: "CONVERTER_REFRESH_SECONDS",
    default: Some("30"),
    kind: Kind::Integer { minimum: 0, maximum: 86_400 },
    meaning: "How long a converter is used before the registry is checked for another version. Objects keep using the current one during the check. `0`: the registry is checked before every object, which waits for the answer.",
};

/// What trials may cost.
pub(super) const CONVERTER_SHADOW_PERCENT: Setting = Setting {
    name: "CONVERTER_SHADOW_PERCENT",
    default: Some("25"),
    kind: Kind::Integer { minimum: 0, maximum: 1000 },
    meaning: "How much longer an object may take for the shadow of a candidate (`converter promote --shadow`), in percent of the time of its load, but at least a second. What takes longer is not compared. `0`: nothing is compared.",
};

/// Whom to trust.
pub(super) const CONVERTER_PUBLIC_KEYS: Setting = Setting {
    name: "CONVERTER_PUBLIC_KEYS",
    default: None,
    kind: Kind::PublicKeys,
    meaning: "If set, only registry converters that one of these keys has signed are used. `influxdb-loader converter keygen` creates a key. `KEY@ons-load+timestream-*` signs for these datasets alone.",
};

/// Whether pointers must be signed.
pub(super) const CONVERTER_REQUIRE_SIGNED_POINTERS: Setting = Setting {
    name: "CONVERTER_REQUIRE_SIGNED_POINTERS",
    default: Some("false"),
    kind: Kind::Boolean,
    meaning: "`true`: a version is used only if one of `CONVERTER_PUBLIC_KEYS` has signed its promotion (`promote --sign`). `false`: an unsigned pointer is followed with a warning.",
};

/// What is made of a key that names its dataset in its path alone.
pub(super) const DATASET_GUESS: Setting = Setting {
    name: "DATASET_GUESS",
    default: Some("last"),
    kind: Kind::Choice(&["last", "strict"]),
    meaning: "What happens if a key has no `dataset=NAME/` segment and its path contains the names of several datasets, or one as a part of a word. `last`: the last one is used, with a warning. `strict`: the object fails. Only datasets with a built-in or promoted converter count, and those that a promoted converter serves by their whole name.",
};

/// Where compiled converters are kept.
pub(super) const CONVERTER_CACHE_DIRECTORY: Setting = Setting {
    name: "CONVERTER_CACHE_DIRECTORY",
    default: Some("/tmp/influxdb-loader"),
    kind: Kind::Text,
    meaning: "Where compiled converters are cached between processes. It is created if it does not exist, and must belong to the loader alone.",
};

/// Every setting, in the order of the documentation.
pub const SETTINGS: &[&Setting] = &[
    &INFLUXDB_URL,
    &INFLUXDB_API,
    &INFLUXDB_ORG,
    &INFLUXDB_BUCKET,
    &INFLUXDB_TOKEN,
    &INFLUXDB_TOKEN_SECRET_NAME,
    &INFLUXDB_READ_TOKEN,
    &INFLUXDB_READ_TOKEN_SECRET_NAME,
    &INFLUXDB_USERNAME,
    &INFLUXDB_PASSWORD,
    &INFLUXDB_CA_FILE,
    &HTTPS_PROXY,
    &HTTP_PROXY,
    &NO_PROXY,
    &MAX_BATCH_SIZE,
    &MAX_BATCH_BYTES,
    &LOAD_ORDER,
    &COMPRESSION,
    &WRITE_CONCURRENCY,
    &WRITE_RATE_POINTS,
    &WRITE_NO_SYNC,
    &MAX_RETRIES,
    &RETRY_SECONDS,
    &REQUEST_TIMEOUT_SECONDS,
    &CONNECT_TIMEOUT_SECONDS,
    &DEADLINE_MARGIN_SECONDS,
    &ROWS_PER_BATCH,
    &CONVERTER_THREADS,
    &OBJECT_CONCURRENCY,
    &OBJECT_MEMORY_MIB,
    &VALIDATE_SCHEMA,
    &DROP_INVALID_RECORDS,
    &SOURCE_BUCKETS,
    &REJECTS_URI,
    &LEDGER_URI,
    &ENABLE_METRICS,
    &METRICS_BACKEND,
    &METRICS_STACK,
    &LOG_LEVEL,
    &LOG_FORMAT,
    &CONVERTER_MEMORY_MIB,
    &CONVERTER_TIME_SECONDS,
    &CONVERTER_RESULT_MIB,
    &CONVERTER_LOG_KIB,
    &CONVERTER_BUCKET,
    &CONVERTER_PREFIX,
    &CONVERTER_CHANNEL,
    &CONVERTER_REFRESH_SECONDS,
    &CONVERTER_SHADOW_PERCENT,
    &CONVERTER_PUBLIC_KEYS,
    &CONVERTER_REQUIRE_SIGNED_POINTERS,
    &DATASET_GUESS,
    &CONVERTER_CACHE_DIRECTORY,
];
