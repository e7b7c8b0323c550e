//! What an operator sets from outside, for every process of a stack: the object `control/pause` below `CONVERTER_PREFIX` pauses
//! loads for as long as it exists.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use tokio::sync::{Mutex, OnceCell};
use tokio::time::{Instant, sleep_until, timeout};

use crate::aws;
use crate::config::RegistrySettings;

/// Where the object is below the prefix of the registry, and the part of it that is therefore no dataset's name there.
const PAUSE: &str = "control/pause";
pub(crate) const CONTROL: &str = "control";

/// How often it is looked for: as often as the registry is asked, within these bounds.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);

/// How long a look may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether loads are paused, for the life of the process. One look serves all loads of an interval.
#[derive(Debug)]
pub struct Pause {
    client: OnceCell<Client>,
    bucket: String,
    key: String,
    interval: Duration,
    seen: Mutex<Seen>,
}

/// What the last look has shown.
#[derive(Debug, Default)]
struct Seen {
    at: Option<Instant>,
    paused: bool,
    /// Whether it is logged that the object cannot be looked for.
    told: bool,
}

impl Pause {
    /// That of the registry's bucket. Looks for nothing yet.
    pub fn new(settings: &RegistrySettings) -> Self {
        Self {
            client: OnceCell::new(),
            bucket: settings.bucket.clone(),
            key: format!("{}/{PAUSE}", settings.prefix),
            interval: settings.refresh.clamp(SHORTEST, LONGEST),
            seen: Mutex::default(),
        }
    }

    /// The object, as people write it.
    pub fn object(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.key)
    }

    /// Whether loads are paused, by a look that is not older than the interval. Where it cannot be looked for, it is as it was;
    /// without the permission to look, and before the first look that succeeds, loads are not paused.
    pub async fn is_set(&self) -> bool {
        let mut seen = self.seen.lock().await;
        if seen.at.is_some_and(|at| at.elapsed() < self.interval) {
            return seen.paused;
        }
        let problem = match timeout(PATIENCE, self.exists()).await {
            Ok(Ok(exists)) => {
                (seen.paused, seen.told) = (exists, false);
                None
            }
            Ok(Err(Unknown::Forbidden(cause))) => {
                seen.paused = false;
                Some(format!("the credentials do not grant access to it ({cause}), so that loads cannot be paused"))
            }
            Ok(Err(Unknown::Unavailable(cause))) => Some(cause),
            Err(_) => Some(format!("there was no answer within {} s", PATIENCE.as_secs())),
        };
        if let Some(problem) = problem.filter(|_| !seen.told) {
            tracing::warn!("cannot look for `{}`: {problem}", self.object());
            seen.told = true;
        }
        seen.at = Some(Instant::now());
        seen.paused
    }

    /// Returns when it is another than `known`.
    pub async fn changes(&self, known: bool) {
        loop {
            let next = self.seen.lock().await.at.map(|at| at + self.interval);
            if let Some(next) = next {
                sleep_until(next).await;
            }
            if self.is_set().await != known {
                return;
            }
        }
    }

    async fn exists(&self) -> Result<bool, Unknown> {
        let client = self.client.get_or_init(aws::s3).await;
        match client.head_object().bucket(&self.bucket).key(&self.key).send().await {
            Ok(_) => Ok(true),
            Err(error) => match aws::status(&error) {
                Some(404) => Ok(false),
                // S3 answers 404 for an object that does not exist only if the credentials may list every key.
                Some(403) => self.is_listed(client).await,
                _ => Err(Unknown::of(error)),
            },
        }
    }

    async fn is_listed(&self, client: &Client) -> Result<bool, Unknown> {
        let listing = client.list_objects_v2().bucket(&self.bucket).prefix(&self.key).max_keys(1).send().await;
        let listing = listing.map_err(Unknown::of)?;
        Ok(listing.contents().iter().any(|object| object.key() == Some(&self.key)))
    }
}

/// Why it is unknown whether the object exists.
enum Unknown {
    /// For want of permission.
    Forbidden(aws::Cause),
    /// For another reason, which may pass.
    Unavailable(String),
}

impl Unknown {
    fn of<E>(error: SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        match aws::status(&error) {
            Some(401 | 403) => Self::Forbidden(aws::words(error)),
            _ => Self::Unavailable(aws::words(error).to_string()),
        }
    }
}
