//! Sums up the report of a backfill: what its batches counted, and a plan of what failed.
//!
//! A Distributed Map of Step Functions writes its results into files of JSON, by how the child workflows ended, and a manifest
//! that names the files. Source: docs.aws.amazon.com, Step Functions Developer Guide, "ResultWriter". What children output, and
//! fail with, is the state machine's (`statemachine/backfill.py`):
//!
//! - A child that succeeded outputs counts.
//! - A child that failed has as its cause the counts of what was loaded all the same, and the items that failed by their place
//!   in its input. With any other cause, all of its items failed.
//!
//! Counts are added by their names, whatever these are. The report may have any size: files are read element by element.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::time::{Duration, Instant};

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use serde::de::{DeserializeSeed, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use tempfile::NamedTempFile;

use crate::aws;
use crate::aws::body;
use crate::event::{Summarize, is_listed};
use crate::pipeline::Deadline;

/// How long a summary may take where the caller sets no deadline.
const PATIENCE: Duration = Duration::from_secs(900);

/// The longest manifest, in bytes. Step Functions name a few files in it, each by its key.
const MANIFEST_BYTES: u64 = 1 << 20;

/// The longest file of results, in bytes: what S3 takes in one request. Step Functions begin another file before that.
const RESULTS_BYTES: u64 = 5 << 30;

/// What became of a backfill.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Summary {
    /// The manifest of the report.
    report: String,
    /// What the batches counted, and `failed`: the items that are not loaded, of which InfluxDB has `refused` some.
    counts: BTreeMap<String, u64>,
    /// The key of a plan of the items that are not loaded; none where all are.
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<String>,
}

/// Why a report cannot be summed up.
#[derive(Debug, thiserror::Error)]
pub(super) enum SummaryError {
    /// An object cannot be read.
    #[error("`{uri}` of the backfill's report cannot be read")]
    Read { uri: String, source: Box<dyn std::error::Error + Send + Sync> },
    /// An object is not what a Distributed Map writes.
    #[error("`{uri}` is no part of the report of a backfill")]
    Broken { uri: String, source: io::Error },
    /// The plan cannot be written.
    #[error("the plan of what failed cannot be written to `{uri}`")]
    Write { uri: String, source: Box<dyn std::error::Error + Send + Sync> },
    /// The time was over.
    #[error("the report of the backfill is not read to its end before the deadline")]
    Deadline,
}

/// Reads the report, writes the plan, and returns the sum.
pub(super) async fn summarize(asked: &Summarize, deadline: Option<Deadline>) -> Result<Summary, SummaryError> {
    let end = deadline.map_or_else(|| Instant::now() + PATIENCE, |deadline| deadline.end);
    tokio::time::timeout_at(end.into(), summarize_all(asked)).await.unwrap_or(Err(SummaryError::Deadline))
}

async fn summarize_all(asked: &Summarize) -> Result<Summary, SummaryError> {
    let client = aws::s3().await;
    let uri = |key: &str| format!("s3://{}/{key}", asked.bucket);
    let manifest = download(&client, &asked.bucket, &asked.manifest, MANIFEST_BYTES).await?;
    let manifest: Manifest = serde_json::from_reader(BufReader::new(manifest))
        .map_err(|error| SummaryError::Broken { uri: uri(&asked.manifest), source: error.into() })?;
    let unwritten =
        |source: Box<dyn std::error::Error + Send + Sync>| SummaryError::Write { uri: uri(&asked.plan), source };

    let plan = NamedTempFile::new().map_err(|error| unwritten(error.into()))?;
    let written = plan.reopen().map_err(|error| unwritten(error.into()))?;
    let mut sum = Sum {
        counts: ["objects", "failed", "refused"].map(|name| (name.to_owned(), 0)).into(),
        plan: BufWriter::new(written),
    };
    for ResultFile { key } in manifest.result_files.into_values().flatten() {
        let file = download(&client, &asked.bucket, &key, RESULTS_BYTES).await?;
        // Nothing else is done meanwhile: the invocation is this one file.
        let added = tokio::task::block_in_place(|| sum.add_file(file));
        added.map_err(|source| SummaryError::Broken { uri: uri(&key), source })?;
    }
    sum.plan.flush().map_err(|error| unwritten(error.into()))?;
    let failed = sum.counts.get("failed").is_some_and(|failed| *failed > 0);
    if failed {
        let body = ByteStream::from_path(plan.path()).await.map_err(|error| unwritten(error.into()))?;
        let put = client.put_object().bucket(&asked.bucket).key(&asked.plan).content_type("application/x-ndjson");
        put.body(body).send().await.map_err(|error| unwritten(aws::words(error).to_string().into()))?;
    }
    Ok(Summary { report: uri(&asked.manifest), counts: sum.counts, plan: failed.then(|| asked.plan.clone()) })
}

/// An object of at most `limit` bytes, as a file without a name.
async fn download(client: &Client, bucket: &str, key: &str, limit: u64) -> Result<File, SummaryError> {
    let failed = |source| SummaryError::Read { uri: format!("s3://{bucket}/{key}"), source };
    let answer = client.get_object().bucket(bucket).key(key).send().await;
    let answer = answer.map_err(|error| failed(aws::words(error).to_string().into()))?;
    body::file(answer, limit).await.map_err(|error| failed(error.into()))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Manifest {
    /// By how the children ended.
    result_files: BTreeMap<String, Vec<ResultFile>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ResultFile {
    key: String,
}

/// A child workflow. One that was not begun has neither output nor cause.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Child {
    input: String,
    status: String,
    output: Option<String>,
    cause: Option<String>,
}

/// What a child was given.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Batch {
    items: Vec<Value>,
    #[serde(default)]
    batch_input: Map<String, Value>,
}

impl Batch {
    /// Whether an item is one of a listing that is no data, which is not loaded.
    fn skips(&self, item: &Value) -> bool {
        let prefix = self.batch_input.get("prefix").and_then(Value::as_str).unwrap_or_default();
        let size = item.get("Size").and_then(Value::as_u64);
        item.get("Key").and_then(Value::as_str).is_some_and(|key| !is_listed(key, prefix, size))
    }
}

/// The cause of a child in which something failed.
#[derive(Deserialize)]
struct Cause {
    counts: BTreeMap<String, u64>,
    failed: Vec<FailedItem>,
}

#[derive(Deserialize)]
struct FailedItem {
    item: usize,
}

/// What is added up.
struct Sum<W> {
    counts: BTreeMap<String, u64>,
    plan: W,
}

impl<W: Write> Sum<W> {
    /// Adds a file of results.
    fn add_file(&mut self, file: impl Read) -> io::Result<()> {
        let mut json = serde_json::Deserializer::from_reader(BufReader::new(file));
        let mut failed = None;
        let children = Children(|child| self.add(&child).map_err(|error| failed = Some(error)).is_ok());
        let read = children.deserialize(&mut json).and_then(|()| json.end());
        failed.map_or_else(|| read.map_err(io::Error::from), Err)
    }

    fn add(&mut self, child: &Child) -> io::Result<()> {
        if let ("SUCCEEDED", Some(output)) = (child.status.as_str(), &child.output) {
            self.count(serde_json::from_str(output)?);
            return Ok(());
        }
        let batch: Batch = serde_json::from_str(&child.input)?;
        let cause = child.cause.as_ref().and_then(|cause| serde_json::from_str::<Cause>(cause).ok());
        let Some(Cause { counts, failed }) = cause else {
            return batch.items.iter().filter(|item| !batch.skips(item)).try_for_each(|item| self.fail(item, &batch));
        };
        self.count(counts);
        let missing = || io::Error::new(io::ErrorKind::InvalidData, "a cause names an item that the input has not");
        failed.iter().try_for_each(|failed| self.fail(batch.items.get(failed.item).ok_or_else(missing)?, &batch))
    }

    fn count(&mut self, counts: BTreeMap<String, u64>) {
        for (name, count) in counts {
            *self.counts.entry(name).or_default() += count;
        }
    }

    /// Counts an item that is not loaded, and puts it into the plan.
    fn fail(&mut self, item: &Value, batch: &Batch) -> io::Result<()> {
        *self.counts.entry("failed".to_owned()).or_default() += 1;
        serde_json::to_writer(&mut self.plan, &line(item, batch.batch_input.get("bucket")))?;
        self.plan.write_all(b"\n")
    }
}

/// The line of a plan that stands for an item: with its bucket, and without what a listing reports about an object.
fn line(item: &Value, bucket: Option<&Value>) -> Value {
    let mut line = match (item.get("Key"), item) {
        (Some(key), _) => Map::from_iter([("key".to_owned(), key.clone())]),
        (None, Value::Object(members)) => members.clone(),
        (None, other) => return other.clone(),
    };
    if let Some(Value::Array(objects)) = line.get_mut("objects") {
        objects.iter_mut().for_each(|object| *object = self::line(object, bucket));
    } else if let (None, Some(bucket)) = (line.get("bucket"), bucket) {
        line.insert("bucket".to_owned(), bucket.clone());
    }
    Value::Object(line)
}

/// The elements of a list of children, each handed on as it is read, until one is not taken.
struct Children<F>(F);

impl<'de, F: FnMut(Child) -> bool> DeserializeSeed<'de> for Children<F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, F: FnMut(Child) -> bool> Visitor<'de> for Children<F> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of child workflows")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut sequence: A) -> Result<(), A::Error> {
        while let Some(child) = sequence.next_element()? {
            if !(self.0)(child) {
                return Err(serde::de::Error::custom("a child workflow is not what it should be"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

    use serde_json::json;

    use super::*;

    fn sum(children: &Value) -> io::Result<(Value, Vec<Value>)> {
        let mut sum = Sum { counts: BTreeMap::new(), plan: Vec::new() };
        sum.add_file(children.to_string().as_bytes())?;
        let plan = String::from_utf8(sum.plan).unwrap();
        Ok((json!(sum.counts), plan.lines().map(|line| serde_json::from_str(line).unwrap()).collect()))
    }

    fn succeeded(counts: &Value) -> Value {
        json!({ "Status": "SUCCEEDED", "Input": "{}", "Output": counts.to_string(), "Name": "any" })
    }

    fn failed(items: &Value, cause: &str) -> Value {
        let input = json!({ "Items": items, "BatchInput": { "bucket": "energy", "prefix": "" } });
        json!({ "Status": "FAILED", "Input": input.to_string(), "Error": "any", "Cause": cause })
    }

    #[test]
    fn counts_are_added_whatever_their_names_are() {
        let children =
            [succeeded(&json!({ "objects": 2, "rows": 5 })), succeeded(&json!({ "objects": 1, "superseded": 1 }))];
        let (counts, plan) = sum(&json!(children)).unwrap();
        assert_eq!(counts, json!({ "objects": 3, "rows": 5, "superseded": 1 }));
        assert!(plan.is_empty());
    }

    #[test]
    fn of_a_batch_that_failed_in_part_the_rest_counts_and_the_part_is_planned() {
        let items = json!([{ "Key": "a", "Size": 1, "Etag": "\"1\"" }, { "Key": "b", "Size": 1 }]);
        let cause = json!({ "counts": { "objects": 1 }, "failed": [{ "item": 1, "error": "any", "cause": "any" }] });
        let (counts, plan) = sum(&json!([failed(&items, &cause.to_string())])).unwrap();
        assert_eq!(counts, json!({ "objects": 1, "failed": 1 }));
        assert_eq!(plan, [json!({ "bucket": "energy", "key": "b" })]);
    }

    #[test]
    fn lines_of_a_plan_are_planned_again_as_they_were_with_their_bucket() {
        let items = json!([
            { "bucket": "other", "key": "a", "row_groups": [0, 4] },
            { "prefix": "p/" },
            { "objects": [{ "key": "b" }, { "bucket": "other", "key": "c" }] },
            "nonsense",
        ]);
        let (counts, plan) = sum(&json!([failed(&items, "a crash of the state machine")])).unwrap();
        assert_eq!(counts, json!({ "failed": 4 }));
        let expected = [
            json!({ "bucket": "other", "key": "a", "row_groups": [0, 4] }),
            json!({ "bucket": "energy", "prefix": "p/" }),
            json!({ "objects": [{ "bucket": "energy", "key": "b" }, { "bucket": "other", "key": "c" }] }),
            json!("nonsense"),
        ];
        assert_eq!(plan, expected);
    }

    #[test]
    fn what_is_no_data_has_not_failed() {
        let (counts, plan) =
            sum(&json!([failed(&json!([{ "Key": "_SUCCESS" }, { "Key": "a.parquet" }]), "a crash")])).unwrap();
        assert_eq!(counts, json!({ "failed": 1 }));
        assert_eq!(plan, [json!({ "bucket": "energy", "key": "a.parquet" })]);
    }

    #[test]
    fn what_was_not_begun_has_failed() {
        let pending =
            json!({ "Status": "PENDING", "Input": json!({ "Items": [{ "bucket": "b", "key": "a" }] }).to_string() });
        assert_eq!(sum(&json!([pending])).unwrap().0, json!({ "failed": 1 }));
    }

    #[test]
    fn what_is_no_report_is_refused() {
        for text in [
            json!({}),
            json!([{ "Status": "SUCCEEDED" }]),
            json!([succeeded(&json!("text"))]),
            json!([failed(&json!(1), "")]),
        ] {
            assert!(sum(&text).is_err(), "{text}");
        }
        let beyond = json!({ "counts": {}, "failed": [{ "item": 7 }] });
        assert!(sum(&json!([failed(&json!([]), &beyond.to_string())])).is_err());
    }
}
