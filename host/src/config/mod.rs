//! Every environment variable that the loader reads: read once, checked, and turned into types.
//!
//! [`SETTINGS`] is the one table of names, defaults, allowed values and meanings; the documentation is rendered from it.
//! A bad setting stops the start, with one message that names every bad setting. What only writing to InfluxDB needs is
//! asked for by [`Config::influxdb`], because the command line can write to a file.

mod memory;
mod secret;
mod reader;
mod reference;
mod rejects_uri;
mod settings;
mod source_buckets;
mod unknown;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing::level_filters::LevelFilter;

pub use memory::MemorySettings;
pub use reader::BadSetting;
pub use reference::markdown;
pub use rejects_uri::RejectsUri;
pub(crate) use rejects_uri::is_bucket;
pub use secret::Secret;
pub use settings::{Kind, SETTINGS, Setting};
pub use source_buckets::SourceBuckets;
pub use unknown::{UnknownSetting, unknown};

use memory::Asked;
use reader::Reader;

/// The settings of the environment, checked.
///
/// ```
/// use influxdb_loader::config::Config;
///
/// let config = Config::read(|_| None).unwrap();
/// assert!(config.influxdb().is_err(), "a file of line protocol needs neither URL nor token");
///
/// let error = Config::read(|name| (name == "CONVERTER_THREADS").then(|| "many".to_owned())).unwrap_err();
/// assert!(error.to_string().contains("CONVERTER_THREADS"));
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    influxdb: InfluxDb,
    /// How points are written.
    pub write: WriteSettings,
    /// What converters may use.
    pub converter: ConverterSettings,
    /// Where converters come from beside those that are built in; none: from nowhere else.
    pub registry: Option<RegistrySettings>,
    /// Rows decoded and converted at a time; at least 1.
    pub rows_per_batch: usize,
    /// Threads that convert an object, at least 1; none: as many as there are processors.
    pub threads: Option<usize>,
    /// How memory is shared between objects and converters.
    pub memory: MemorySettings,
    /// Whether an object must have every column that its dataset requires.
    pub validate_schema: bool,
    /// Whether a key that does not name its dataset clearly is an error.
    pub strict_guess: bool,
    /// Whether rejected rows are skipped and counted; otherwise the first one fails the object.
    pub drop_invalid_records: bool,
    /// Which objects events may name; none: any.
    pub source_buckets: Option<SourceBuckets>,
    /// Where rejected rows are kept; none: nowhere.
    pub rejects: Option<RejectsUri>,
    /// Where loads are recorded; none: nowhere.
    pub ledger: Option<RejectsUri>,
    /// How metrics reach CloudWatch.
    pub metrics: MetricsBackend,
    /// The value of the dimension `Stack`; none: metrics do not have it.
    pub metrics_stack: Option<String>,
    /// How long before the deadline the loader stops.
    pub deadline_margin: Duration,
    /// The least level that is logged.
    pub log_level: LevelFilter,
    /// How a log line is written.
    pub log_format: LogFormat,
}

/// What is known of InfluxDB, needed or not.
#[derive(Clone, Debug)]
struct InfluxDb {
    url: Option<String>,
    api: Api,
    organization: String,
    bucket: String,
    token: Option<Token>,
    read_token: Option<Token>,
    login: Option<Login>,
    ca_file: Option<PathBuf>,
}

/// Where InfluxDB is and who writes.
#[derive(Clone, Debug, Default)]
pub struct InfluxDbSettings {
    /// `http` or `https`, host, and perhaps port and path, without a trailing slash.
    pub url: String,
    /// Which API it speaks.
    pub api: Api,
    /// The organization (v2).
    pub organization: String,
    /// The bucket (v2) or the database (v1, v3); for v1 also `database/retention-policy`.
    pub bucket: String,
    /// There is one, except where [`InfluxDbSettings::api`] is v1, or is `auto` and there is a login.
    pub token: Option<Token>,
    /// Who reads, for checks; whoever writes where there is none.
    pub read_token: Option<Token>,
    /// For v1 alone.
    pub login: Option<Login>,
    /// A file with the certificates that are trusted; none: those that this machine trusts.
    pub ca_file: Option<PathBuf>,
}

/// Which API InfluxDB speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Api {
    /// The server is asked.
    #[default]
    Auto,
    /// `POST /write`.
    V1,
    /// `POST /api/v2/write`.
    V2,
    /// `POST /api/v3/write_lp`.
    V3,
}

/// Where the token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// Here.
    Value(Secret),
    /// In the Secrets Manager secret of this name or ARN.
    SecretName(String),
}

/// A user of a 1.x server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The user name.
    pub username: String,
    /// The password.
    pub password: Secret,
}

/// Whether lines are compressed on their way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// By where they go.
    #[default]
    Auto,
    /// As gzip.
    Gzip,
    /// Not at all.
    None,
}

/// In which order the points of an object are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoadOrder {
    /// In that in which the server has the least work.
    #[default]
    Server,
    /// In that of the file.
    File,
}

/// How points are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteSettings {
    /// The most points in a request, at least 1; none: as the engine takes them best.
    pub batch_points: Option<usize>,
    /// The most bytes of line protocol in a request, before compression; none: as the engine takes them best.
    pub batch_bytes: Option<usize>,
    /// In which order points are sent.
    pub order: LoadOrder,
    /// Whether requests, and files, are compressed.
    pub compression: Compression,
    /// The most requests in flight, at least 1; none: as many as pay.
    pub concurrency: Option<usize>,
    /// The most points a second, at least 1; none: as many as the server takes.
    pub rate: Option<u32>,
    /// Whether InfluxDB 3 may acknowledge points before they are in its write-ahead log.
    pub no_sync: bool,
    /// Attempts beyond the first, of a request that failed for whatever passing reason. None: a server that is away or busy is
    /// waited for as long as there is time.
    pub retries: Option<u32>,
    /// How long a server that is away is waited for where there is no deadline.
    pub patience: Duration,
    /// The time that a request may take.
    pub request_timeout: Duration,
    /// The time that connecting may take.
    pub connect_timeout: Duration,
}

/// What converters may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConverterSettings {
    /// Time for one call.
    pub time: Duration,
    /// Bytes that one call may return.
    pub result_bytes: usize,
    /// Bytes that an instance may log.
    pub log_bytes: usize,
    /// How much longer an object may take for the shadow of a candidate, in percent.
    pub shadow_percent: u32,
    /// Where compiled converters are kept.
    pub cache_directory: PathBuf,
}

/// Where converters come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrySettings {
    /// The bucket.
    pub bucket: String,
    /// What all keys begin with, without slashes around it.
    pub prefix: String,
    /// Which channel's converters are used.
    pub channel: String,
    /// How long a converter is used before the registry is asked again.
    pub refresh: Duration,
    /// Ed25519 public keys, of which one must have signed a converter. None: signatures are not looked at.
    pub public_keys: Vec<TrustedKey>,
    /// Whether a pointer that none of the keys has signed is refused.
    pub require_signed_pointers: bool,
}

/// A key that may sign converters, and pointers at them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedKey {
    /// The Ed25519 public key.
    pub key: [u8; 32],
    /// The datasets that it may sign for; all of them without.
    pub datasets: Option<Vec<String>>,
    /// The channels whose pointers it may sign; all of them without.
    pub channels: Option<Vec<String>>,
}

impl TrustedKey {
    /// Reads `KEY`, `KEY@DATASETS` or `KEY@DATASETS/CHANNELS`; names are joined by `+`, and `*` is all of them, or all that
    /// begin with what stands before it.
    fn read(text: &str) -> Option<Self> {
        use base64::Engine;
        let (key, limits) =
            text.trim().split_once('@').map_or((text.trim(), None), |(key, limits)| (key, Some(limits)));
        let key = <[u8; 32]>::try_from(base64::prelude::BASE64_STANDARD.decode(key).ok()?).ok()?;
        let (datasets, channels) = match limits {
            None => (None, None),
            Some(limits) => {
                let (datasets, channels) = limits.split_once('/').unwrap_or((limits, "*"));
                (Self::names(datasets)?, Self::names(channels)?)
            }
        };
        Some(Self { key, datasets, channels })
    }

    /// Names that are limited to; none where all are meant. Nothing where it is not understood.
    fn names(text: &str) -> Option<Option<Vec<String>>> {
        if text == "*" {
            return Some(None);
        }
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
        let name = |name: &str| {
            let beginning = name.strip_suffix('*').unwrap_or(name);
            (!beginning.is_empty() && beginning.bytes().all(allowed)).then(|| name.to_owned())
        };
        text.split('+').map(name).collect::<Option<Vec<_>>>().map(Some)
    }

    /// Whether it may sign for the dataset, or all datasets of the pattern, and for the pointer of the channel where one is asked
    /// for.
    pub fn covers(&self, dataset: &str, channel: Option<&str>) -> bool {
        // `a-*` covers `a-b` and `a-b*`, and `a-b` neither `a-b*` nor `a-*`.
        let is = |limit: &String, name: &str| match limit.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => limit == name,
        };
        let has = |limits: &Option<Vec<String>>, name: &str| {
            limits.as_ref().is_none_or(|limits| limits.iter().any(|limit| is(limit, name)))
        };
        has(&self.datasets, dataset) && channel.is_none_or(|channel| has(&self.channels, channel))
    }
}

/// How metrics reach CloudWatch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MetricsBackend {
    /// They are sent.
    #[default]
    CloudWatch,
    /// They are written to standard output, in the Embedded Metric Format.
    Emf,
    /// There are none.
    None,
}

/// How a log line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object.
    #[default]
    Json,
    /// For people.
    Text,
}

/// Why the loader cannot start, or cannot write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Settings have values that are not allowed. Every one of them is named.
    #[error("{}", bad_settings(.0))]
    Bad(Vec<BadSetting>),
    /// Settings are missing without which InfluxDB cannot be written to.
    #[error("InfluxDB cannot be written to without {}", missing_settings(*.url, *.token, *.api))]
    Missing {
        /// Whether the URL is missing.
        url: bool,
        /// Whether what authorizes the loader is missing.
        token: bool,
        /// Which API is to be spoken.
        api: Api,
    },
}

fn bad_settings(bad: &[BadSetting]) -> String {
    match bad {
        [one] => format!("bad setting: {one}"),
        many => {
            let lines: String = many.iter().map(|bad| format!("\n  {bad}")).collect();
            format!("{} bad settings:{lines}", many.len())
        }
    }
}

fn missing_settings(url: bool, token: bool, api: Api) -> String {
    let mut missing = Vec::new();
    missing.extend(url.then_some("`INFLUXDB_URL`"));
    missing.extend(token.then_some("`INFLUXDB_TOKEN` or `INFLUXDB_TOKEN_SECRET_NAME`"));
    let mut message = missing.join(", and without ");
    if token && api == Api::Auto {
        message.push_str("\nhint: for a 1.x server without authentication, set `INFLUXDB_API=v1`");
    }
    message
}

impl Config {
    /// Reads the settings of this process.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn from_environment() -> Result<Self, ConfigError> {
        Self::read(|name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    /// Reads the settings, each from `lookup`. A value that is empty or white space is as good as none.
    ///
    /// # Errors
    /// [`ConfigError::Bad`], which names every bad setting at once.
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(lookup);
        // HTTP clients take them from the environment.
        reader.check_proxy(&settings::HTTPS_PROXY);
        reader.check_proxy(&settings::HTTP_PROXY);
        reader.text(&settings::NO_PROXY);
        let config = Self {
            influxdb: InfluxDb::read(&mut reader),
            write: WriteSettings {
                batch_points: reader.optional_integer(&settings::MAX_BATCH_SIZE),
                batch_bytes: reader.optional_integer(&settings::MAX_BATCH_BYTES),
                order: reader.choice(&settings::LOAD_ORDER, LoadOrder::parse).unwrap_or_default(),
                compression: reader.choice(&settings::COMPRESSION, Compression::parse).unwrap_or_default(),
                concurrency: reader.optional_integer(&settings::WRITE_CONCURRENCY),
                rate: reader.optional_integer(&settings::WRITE_RATE_POINTS),
                no_sync: reader.boolean(&settings::WRITE_NO_SYNC),
                retries: reader.optional_integer(&settings::MAX_RETRIES),
                patience: Duration::from_secs(reader.integer(&settings::RETRY_SECONDS)),
                request_timeout: Duration::from_secs(reader.integer(&settings::REQUEST_TIMEOUT_SECONDS)),
                connect_timeout: Duration::from_secs(reader.integer(&settings::CONNECT_TIMEOUT_SECONDS)),
            },
            deadline_margin: Duration::from_secs(reader.integer(&settings::DEADLINE_MARGIN_SECONDS)),
            rows_per_batch: reader.integer(&settings::ROWS_PER_BATCH),
            threads: reader.optional_integer(&settings::CONVERTER_THREADS),
            memory: MemorySettings::share(
                MemorySettings::of_function(),
                Asked {
                    object: reader.optional_integer(&settings::OBJECT_MEMORY_MIB),
                    objects: reader.optional_integer(&settings::OBJECT_CONCURRENCY),
                    instance: reader.optional_integer(&settings::CONVERTER_MEMORY_MIB),
                },
            ),
            strict_guess: reader
                .choice(&settings::DATASET_GUESS, |word| match word {
                    "last" => Some(false),
                    "strict" => Some(true),
                    _ => None,
                })
                .unwrap_or_default(),
            validate_schema: reader.boolean(&settings::VALIDATE_SCHEMA),
            drop_invalid_records: reader.boolean(&settings::DROP_INVALID_RECORDS),
            source_buckets: reader.source_buckets(&settings::SOURCE_BUCKETS),
            rejects: reader.rejects_uri(&settings::REJECTS_URI),
            ledger: reader.rejects_uri(&settings::LEDGER_URI),
            metrics: MetricsBackend::read(&mut reader),
            metrics_stack: reader.text(&settings::METRICS_STACK),
            log_level: reader.choice(&settings::LOG_LEVEL, |word| word.parse().ok()).unwrap_or(LevelFilter::INFO),
            log_format: reader.choice(&settings::LOG_FORMAT, LogFormat::parse).unwrap_or_default(),
            converter: ConverterSettings {
                time: Duration::from_secs(reader.integer(&settings::CONVERTER_TIME_SECONDS)),
                result_bytes: reader.integer::<usize>(&settings::CONVERTER_RESULT_MIB) << 20,
                log_bytes: reader.integer::<usize>(&settings::CONVERTER_LOG_KIB) << 10,
                shadow_percent: reader.integer(&settings::CONVERTER_SHADOW_PERCENT),
                cache_directory: reader.text(&settings::CONVERTER_CACHE_DIRECTORY).unwrap_or_default().into(),
            },
            registry: RegistrySettings::read(&mut reader),
        };
        let bad = reader.finish();
        if bad.is_empty() { Ok(config) } else { Err(ConfigError::Bad(bad)) }
    }

    /// The API that the settings name.
    pub fn api(&self) -> Api {
        self.influxdb.api
    }

    /// Where InfluxDB is, whoever writes, and the certificates that are trusted.
    ///
    /// # Errors
    /// [`ConfigError::Missing`].
    pub fn server(&self) -> Result<(&str, Option<&Path>), ConfigError> {
        let InfluxDb { url, api, ca_file, .. } = &self.influxdb;
        let missing = || ConfigError::Missing { url: true, token: false, api: *api };
        Ok((url.as_deref().ok_or_else(missing)?, ca_file.as_deref()))
    }

    /// Where InfluxDB is and who writes.
    ///
    /// # Errors
    /// [`ConfigError::Missing`], which names every setting without which InfluxDB cannot be written to.
    pub fn influxdb(&self) -> Result<InfluxDbSettings, ConfigError> {
        let InfluxDb { url, api, organization, bucket, token, read_token, login, ca_file } = self.influxdb.clone();
        let authorized = match api {
            Api::Auto => token.is_some() || login.is_some(),
            Api::V1 => true,
            Api::V2 | Api::V3 => token.is_some(),
        };
        match url {
            Some(url) if authorized => {
                Ok(InfluxDbSettings { url, api, organization, bucket, token, read_token, login, ca_file })
            }
            url => Err(ConfigError::Missing { url: url.is_none(), token: !authorized, api }),
        }
    }
}

impl InfluxDb {
    fn read(reader: &mut Reader<impl Fn(&str) -> Option<String>>) -> Self {
        let url = reader.url(&settings::INFLUXDB_URL);
        let api = reader.choice(&settings::INFLUXDB_API, Api::parse).unwrap_or_default();
        let organization = reader.text(&settings::INFLUXDB_ORG).unwrap_or_default();
        let bucket = reader.text(&settings::INFLUXDB_BUCKET).unwrap_or_default();
        let token = reader.token(&settings::INFLUXDB_TOKEN);
        let secret_name = reader.text(&settings::INFLUXDB_TOKEN_SECRET_NAME);
        let read_token = reader.token(&settings::INFLUXDB_READ_TOKEN);
        let read_secret_name = reader.text(&settings::INFLUXDB_READ_TOKEN_SECRET_NAME);
        let login = Login::read(reader);
        Self {
            url,
            api,
            organization,
            bucket,
            token: token.map(Token::Value).or_else(|| secret_name.map(Token::SecretName)),
            read_token: read_token.map(Token::Value).or_else(|| read_secret_name.map(Token::SecretName)),
            login,
            ca_file: reader.text(&settings::INFLUXDB_CA_FILE).map(PathBuf::from),
        }
    }
}

impl RegistrySettings {
    fn read(reader: &mut Reader<impl Fn(&str) -> Option<String>>) -> Option<Self> {
        let bucket = reader.text(&settings::CONVERTER_BUCKET);
        // Read without a bucket too, so that what is bad is found.
        let settings = Self {
            bucket: String::new(),
            prefix: reader.key_prefix(&settings::CONVERTER_PREFIX).unwrap_or_default(),
            channel: reader.name(&settings::CONVERTER_CHANNEL).unwrap_or_default(),
            refresh: Duration::from_secs(reader.integer(&settings::CONVERTER_REFRESH_SECONDS)),
            public_keys: reader.public_keys(&settings::CONVERTER_PUBLIC_KEYS),
            require_signed_pointers: reader.boolean(&settings::CONVERTER_REQUIRE_SIGNED_POINTERS),
        };
        if settings.require_signed_pointers && settings.public_keys.is_empty() {
            reader.lacks(&settings::CONVERTER_PUBLIC_KEYS, &settings::CONVERTER_REQUIRE_SIGNED_POINTERS);
        }
        bucket.map(|bucket| Self { bucket, ..settings })
    }
}

impl Login {
    fn read(reader: &mut Reader<impl Fn(&str) -> Option<String>>) -> Option<Self> {
        let (name, secret) = (&settings::INFLUXDB_USERNAME, &settings::INFLUXDB_PASSWORD);
        match (reader.is_set(name), reader.is_set(secret)) {
            (true, false) => reader.lacks(secret, name),
            (false, true) => reader.lacks(name, secret),
            (true, true) | (false, false) => {}
        }
        let (username, password) = (reader.text(name), reader.password(secret));
        username.zip(password).map(|(username, password)| Self { username, password })
    }
}

impl Api {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "auto" => Self::Auto,
            "v1" => Self::V1,
            "v2" => Self::V2,
            "v3" => Self::V3,
            _ => return None,
        })
    }
}

impl LoadOrder {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "server" => Self::Server,
            "file" => Self::File,
            _ => return None,
        })
    }
}

impl Compression {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "auto" => Self::Auto,
            "gzip" => Self::Gzip,
            "none" => Self::None,
            _ => return None,
        })
    }
}

impl MetricsBackend {
    fn read(reader: &mut Reader<impl Fn(&str) -> Option<String>>) -> Self {
        let enabled = reader.boolean(&settings::ENABLE_METRICS);
        let backend = reader.choice(&settings::METRICS_BACKEND, Self::parse).unwrap_or_default();
        if enabled { backend } else { Self::None }
    }

    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "cloudwatch" => Self::CloudWatch,
            "emf" => Self::Emf,
            "none" => Self::None,
            _ => return None,
        })
    }
}

impl LogFormat {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "json" => Self::Json,
            "text" => Self::Text,
            _ => return None,
        })
    }
}
