//! Notifications as S3 sends them.

use serde_json::{Value, json};

/// An object that an event names.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// As it is, or as S3 encodes it.
    pub key: &'a str,
    /// None in a bucket without versions.
    pub version: Option<&'a str>,
    /// Greater in later events of the same key.
    pub sequencer: &'a str,
}

impl<'a> Told<'a> {
    /// An object without versions.
    pub fn new(key: &'a str) -> Self {
        Self { key, version: None, sequencer: "0A1B2C3D4E5F678901" }
    }
}

/// The notification that objects were made. Keys are encoded as S3 does.
pub fn notification(bucket: &str, objects: &[Told<'_>]) -> Value {
    let record = |object: &Told<'_>| {
        json!({
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": "us-east-1",
            "eventTime": "2024-01-01T00:00:00.000Z",
            "eventName": "ObjectCreated:Put",
            "userIdentity": { "principalId": "EXAMPLE" },
            "requestParameters": { "sourceIPAddress": "127.0.0.1" },
            "responseElements": { "x-amz-request-id": "EXAMPLE123456789", "x-amz-id-2": "EXAMPLE123" },
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": "load",
                "bucket": {
                    "name": bucket,
                    "ownerIdentity": { "principalId": "EXAMPLE" },
                    "arn": format!("arn:aws:s3:::{bucket}"),
                },
                "object": {
                    "key": object.key.replace('=', "%3D"),
                    "versionId": object.version,
                    "size": 1024,
                    "sequencer": object.sequencer,
                },
            },
        })
    };
    json!({ "Records": objects.iter().map(record).collect::<Vec<_>>() })
}
