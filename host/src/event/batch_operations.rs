//! Jobs of S3 Batch Operations, which invoke the function for each object of a manifest.

use super::node::Node;
use super::{Asked, Broken, Caller, Form, Item, Load, ObjectReference, Target, object, s3};

/// An invocation of a job. Keys are URL-encoded, as they are in manifests.
pub(super) const TASKS: Form = Form {
    name: "S3 Batch Operations job",
    example: r#"{"invocationSchemaVersion": "2.0", "invocationId": "…", "job": {…}, "tasks": [{"taskId": "…", "s3Key": "…", …}]}"#,
    caller: |payload| {
        let text = |name: &str| payload[name].as_str().unwrap_or_default().to_owned();
        Caller::BatchOperations { schema: text("invocationSchemaVersion"), invocation: text("invocationId") }
    },
    matches: |payload| payload.contains_key("invocationSchemaVersion") && payload.contains_key("tasks"),
    read: |payload| {
        // Without it no result is taken.
        payload.member("invocationId").text()?;
        let arguments = payload.member("job").member("userArguments");
        let dataset = arguments.member("dataset").optional_text()?;
        let tasks = payload.member("tasks").elements()?.map(|task| item(&task.object()?, dataset));
        tasks.collect::<Result<_, _>>().map(Asked::Each)
    },
};

/// A task. Fails where it cannot be named in the answer.
fn item(task: &Node<'_>, dataset: Option<&str>) -> Result<Item, Broken> {
    Ok(Item { id: task.member("taskId").text()?.to_owned(), group: None, load: load(task, dataset) })
}

fn load(task: &Node<'_>, dataset: Option<&str>) -> Result<Load, Broken> {
    let key = s3::encoded_key(&task.member("s3Key"))?;
    Ok(Load::of(vec![Target::Object(ObjectReference {
        version_id: object::token(&task.member("s3VersionId"))?,
        dataset: dataset.map(str::to_owned),
        ..ObjectReference::new(bucket(task)?, key)
    })]))
}

/// The bucket, which the first version of the schema names by its ARN.
fn bucket(task: &Node<'_>) -> Result<String, Broken> {
    let arn = task.member("s3BucketArn");
    match arn.optional_text()? {
        Some(text) => object::bucket_name(&arn, text.rsplit(':').next().unwrap_or(text)),
        None => object::bucket(&task.member("s3BucketName")),
    }
}
