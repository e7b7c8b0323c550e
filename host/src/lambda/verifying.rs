//! A verification that an event asks for: what it names is compared with the database, and the answer reports what differs.

use serde_json::{Value, json};

use super::loading::NotAllowed;
use crate::aws;
use crate::config::{Config, SourceBuckets};
use crate::event::{self, Load, Target, Verify};
use crate::pipeline::{Deadline, LoadError, Loader, Location, sink_failure_kind};
use crate::report::{Failure, FailureKind};
use crate::sink::{InfluxDb, ReadError, SchemaError};
use crate::source;
use crate::verify::{self, Input, Options, Outcome, VerifyError};

/// The most of an answer, in bytes: Step Functions keep 256 KiB of a state.
const MOST_BYTES: usize = 200_000;

/// The most objects of one event.
const MOST_OBJECTS: usize = 100_000;

/// The most of a list in an answer.
const MOST_LISTED: usize = 50;

/// Holds what is named against the database. Returns what was found, in brief.
pub(super) async fn verify(
    loader: &Loader,
    config: &Config,
    asked: &Verify,
    allowed: Option<&SourceBuckets>,
    deadline: Option<Deadline>,
) -> Result<Value, Failure> {
    let inputs = Deadline::within(deadline, inputs(&asked.load, allowed)).await;
    let inputs = inputs.unwrap_or_else(|| Err(failure(&VerifyError::NoTime)))?;
    let settings = config.influxdb().map_err(|error| Failure::new(FailureKind::Unexpected, &error))?;
    let server = InfluxDb::new(settings, &config.write).map_err(|error| failure(&error.into()))?;
    let options = Options {
        exact: asked.exact,
        ignore_extra: asked.ignore_extra,
        bucket_seconds: asked.bucket_seconds.unwrap_or(Options::default().bucket_seconds),
        deadline,
        ..Options::default()
    };
    let outcome = verify::objects(loader, config, &inputs, server, &options, &()).await;
    Ok(brief(outcome.map_err(|error| failure(&error))?))
}

async fn inputs(load: &Load, allowed: Option<&SourceBuckets>) -> Result<Vec<Input>, Failure> {
    let mut inputs = Vec::new();
    let not_allowed = |error: NotAllowed| Failure::new(FailureKind::NotAllowed, &error);
    for target in &load.targets {
        match target {
            Target::Object(object) => {
                NotAllowed::check(allowed, &object.bucket, &object.key).map_err(not_allowed)?;
                inputs.push(Input { location: Location::S3(object.clone()), dataset: object.dataset.clone() });
            }
            Target::Prefix(prefix) => {
                NotAllowed::check(allowed, &prefix.bucket, &prefix.prefix).map_err(not_allowed)?;
                let (client, mut after) = (aws::s3().await, prefix.start_after.clone());
                loop {
                    let page = source::list_page(&client, &prefix.bucket, &prefix.prefix, after.as_deref()).await;
                    let page = page.map_err(|error| failure(&VerifyError::Load(LoadError::Source(error))))?;
                    let is_data = |found: &source::Listed| event::is_listed(&found.key, &prefix.prefix, found.size);
                    inputs.extend(page.objects.into_iter().filter(is_data).map(|found| Input {
                        location: Location::S3(event::ObjectReference::new(prefix.bucket.as_str(), found.key)),
                        dataset: prefix.dataset.clone(),
                    }));
                    after = page.next;
                    // One more than is verified shows that there are too many.
                    if after.is_none() || inputs.len() > MOST_OBJECTS {
                        break;
                    }
                }
            }
        }
    }
    match inputs.len() {
        1..=MOST_OBJECTS => Ok(inputs),
        objects => {
            let error = NotVerified { objects };
            Err(Failure::new(if objects == 0 { FailureKind::NotFound } else { FailureKind::TooLarge }, &error))
        }
    }
}

/// What is named are no objects, or too many.
#[derive(Debug, thiserror::Error)]
#[error("{objects} Parquet files are named; an event verifies 1 to {MOST_OBJECTS}")]
struct NotVerified {
    objects: usize,
}

fn failure(error: &VerifyError) -> Failure {
    let kind = match error {
        VerifyError::Sink(error)
        | VerifyError::Schema(SchemaError::Sink(error))
        | VerifyError::Read(ReadError::Sink(error)) => sink_failure_kind(error),
        VerifyError::Schema(_) | VerifyError::Read(_) => FailureKind::Connection,
        VerifyError::Load(error) => error.kind(),
        VerifyError::NotReadAgain { failure, .. } => failure.kind(),
        VerifyError::NoTime => FailureKind::Deadline,
        VerifyError::Changed { .. } => FailureKind::Source,
        VerifyError::TooManyBuckets(_) | VerifyError::TooDense { .. } | VerifyError::NotBetween => {
            FailureKind::Unexpected
        }
    };
    Failure::new(kind, error)
}

/// What was found, without the buckets that are as expected, and no larger than a state may be.
fn brief(mut outcome: Outcome) -> Value {
    let mut measurements = serde_json::Map::new();
    for (name, measurement) in &outcome.measurements {
        let differing: Vec<_> =
            measurement.buckets.iter().filter(|bucket| bucket.differs()).take(MOST_LISTED).collect();
        let (method, types) = (measurement.method, &measurement.types);
        measurements.insert(name.clone(), json!({ "method": method, "types": types, "differing": differing }));
    }
    let mut failed: Vec<_> = outcome.objects.iter().filter(|object| object.failure.is_some()).collect();
    failed.truncate(MOST_LISTED);
    let mut answer = json!({
        "clean": outcome.clean,
        "objects": outcome.objects.len(),
        "failed": failed,
        "totals": outcome.totals,
        "bucket_seconds": outcome.bucket_seconds,
        "measurements": measurements,
        "seconds": outcome.seconds,
    });
    let mut bytes = answer.to_string().len();
    if bytes > MOST_BYTES {
        // The totals report it all the same.
        (answer["measurements"], answer["failed"]) = (json!({}), json!([]));
        bytes = answer.to_string().len();
    }
    let mut differences = Vec::new();
    for difference in std::mem::take(&mut outcome.differences) {
        let object = difference.object.and_then(|object| outcome.objects.get(object as usize));
        let mut value = json!(difference);
        value["object"] = json!(object.map(|object| object.object.as_str()));
        bytes += value.to_string().len() + 1;
        if bytes > MOST_BYTES {
            outcome.not_shown += 1;
        } else {
            differences.push(value);
        }
    }
    answer["differences"] = json!(differences);
    answer["not_shown"] = json!(outcome.not_shown);
    answer
}
