//! Events as AWS sends them, for any objects.

pub(crate) use influxdb_loader_tests::Told;
use influxdb_loader_tests::{Invocation, notification};
use serde_json::{Value, json};

use super::BUCKET;

/// A notification of S3.
pub(crate) fn s3(objects: &[Told<'_>]) -> Value {
    notification(BUCKET, objects)
}

/// S3's event on the bus of EventBridge.
pub(crate) fn event_bridge(object: &Told<'_>) -> Value {
    json!({
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": "123456789012",
        "time": "2024-01-01T00:00:00Z",
        "region": "us-east-1",
        "resources": [format!("arn:aws:s3:::{BUCKET}")],
        "detail": {
            "version": "0",
            "bucket": { "name": BUCKET },
            "object": {
                "key": object.key, "version-id": object.version, "size": 1024, "sequencer": object.sequencer,
            },
            "reason": "PutObject",
        },
    })
}

/// What SNS sends to a function.
pub(crate) fn sns(message: &Value) -> Value {
    let topic = "arn:aws:sns:us-east-1:123456789012:parquet";
    json!({ "Records": [{
        "EventVersion": "1.0",
        "EventSource": "aws:sns",
        "EventSubscriptionArn": format!("{topic}:1c3b8f0e"),
        "Sns": { "Type": "Notification", "MessageId": "m", "TopicArn": topic, "Message": message.to_string() },
    }] })
}

/// What SNS puts into a queue.
pub(crate) fn envelope(message: &Value) -> Value {
    json!({ "Type": "Notification", "MessageId": "m", "TopicArn": "arn:aws:sns:x", "Message": message.to_string() })
}

/// A batch of messages, whose identifiers are `message-0` and so on.
pub(crate) fn sqs(bodies: &[Value]) -> Value {
    let record = |(number, body): (usize, &Value)| {
        json!({
            "messageId": format!("message-{number}"),
            "receiptHandle": "AQEB",
            // A text stands for itself: a body that is no JSON.
            "body": body.as_str().map_or_else(|| body.to_string(), str::to_owned),
            "attributes": { "ApproximateReceiveCount": "1" },
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:parquet",
            "awsRegion": "us-east-1",
        })
    };
    json!({ "Records": bodies.iter().enumerate().map(record).collect::<Vec<_>>() })
}

/// What a pipe of EventBridge sends of a queue, and what one sends whose transformer takes out the messages.
pub(crate) fn pipe(records: &Value) -> Value {
    records.get("Records").unwrap_or(records).clone()
}

/// The invocation of a job of S3 Batch Operations.
pub(crate) fn batch_operations(keys: &[&str]) -> Value {
    let task = |(number, key): (usize, &&str)| {
        json!({
            "taskId": format!("task-{number}"), "s3Key": key.replace('=', "%3D"), "s3VersionId": null,
            "s3BucketName": BUCKET,
        })
    };
    json!({
        "invocationSchemaVersion": "2.0", "invocationId": "YXNk", "job": { "id": "f3cc4f60" },
        "tasks": keys.iter().enumerate().map(task).collect::<Vec<_>>(),
    })
}

/// What Lambda keeps of an event that it gave up.
pub(crate) fn dead_letter(event: &Value) -> Value {
    json!({
        "version": "1.0", "timestamp": "2024-01-01T00:00:00.000Z",
        "requestContext": { "requestId": "r", "condition": "RetriesExhausted", "approximateInvokeCount": 3 },
        "requestPayload": event,
        "responseContext": { "statusCode": 200, "functionError": "Unhandled" },
        "responsePayload": { "errorType": "InfluxDBConnectionError", "errorMessage": "down" },
    })
}

/// One object, as programs ask for it.
pub(crate) fn direct(key: &str) -> Value {
    json!({ "bucket": BUCKET, "key": key })
}

/// Several objects.
pub(crate) fn list(keys: &[&str]) -> Value {
    json!({ "objects": keys.iter().map(|key| direct(key)).collect::<Vec<_>>() })
}

/// A batch of a Distributed Map over a listing of S3.
pub(crate) fn map_of_listing(keys: &[&str]) -> Value {
    let item = |key: &&str| json!({ "Etag": "\"d41d8cd9\"", "Key": key, "LastModified": 1, "Size": 1024, "StorageClass": "STANDARD" });
    json!({ "BatchInput": { "bucket": BUCKET }, "Items": keys.iter().map(item).collect::<Vec<_>>() })
}

/// A batch of a Distributed Map over objects.
pub(crate) fn map_of_objects(keys: &[&str]) -> Value {
    json!({ "Items": list(keys)["objects"] })
}

/// Ways of HTTP to the function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    RestApi,
    HttpApi,
    FunctionUrl,
    LoadBalancer { multi_value_headers: bool },
}

impl Way {
    pub(crate) const ALL: [Self; 5] = [
        Self::RestApi,
        Self::HttpApi,
        Self::FunctionUrl,
        Self::LoadBalancer { multi_value_headers: false },
        Self::LoadBalancer { multi_value_headers: true },
    ];

    /// A request with a body.
    pub(crate) fn post(self, body: &Value) -> Value {
        self.request("POST", "/load", None, &body.to_string())
    }

    /// A request for a health check.
    pub(crate) fn health(self, deep: bool) -> Value {
        self.request("GET", "/health", deep.then_some("true"), "")
    }

    /// A request by another method.
    pub(crate) fn by(self, method: &str, body: &Value) -> Value {
        self.request(method, "/load", None, &body.to_string())
    }

    fn request(self, method: &str, path: &str, deep: Option<&str>, body: &str) -> Value {
        let query = deep.map(|deep| json!({ "deep": deep }));
        match self {
            Self::RestApi => json!({
                "resource": path, "path": path, "httpMethod": method, "headers": {}, "multiValueHeaders": {},
                "queryStringParameters": query, "requestContext": { "stage": "prod", "requestId": "r" },
                "body": body, "isBase64Encoded": false,
            }),
            Self::HttpApi | Self::FunctionUrl => {
                let domain = if self == Self::HttpApi { "execute-api" } else { "lambda-url" };
                let domain = format!("abcdef.{domain}.us-east-1.example.com");
                let path = if self == Self::HttpApi { format!("/prod{path}") } else { path.to_owned() };
                json!({
                    "version": "2.0", "routeKey": "$default", "rawPath": path, "headers": {},
                    "queryStringParameters": query,
                    "requestContext": {
                        "http": { "method": method, "path": path }, "stage": "prod", "domainName": domain,
                    },
                    "body": body, "isBase64Encoded": false,
                })
            }
            Self::LoadBalancer { multi_value_headers } => {
                let (headers, parameters, query) = if multi_value_headers {
                    let query = deep.map(|deep| json!({ "deep": [deep] }));
                    ("multiValueHeaders", "multiValueQueryStringParameters", query)
                } else {
                    ("headers", "queryStringParameters", query)
                };
                json!({
                    "requestContext": { "elb": { "targetGroupArn": "arn:aws:elasticloadbalancing:x" } },
                    "httpMethod": method, "path": path, headers: {}, parameters: query.unwrap_or(json!({})),
                    "body": body, "isBase64Encoded": false,
                })
            }
        }
    }

    /// The status and the body of a response, which has the shape that this way wants.
    pub(crate) fn response(self, invocation: &Invocation) -> (u64, Value) {
        let Invocation { failed, answer } = invocation;
        assert!(!failed, "{answer}");
        let mut members: Vec<&str> = answer.as_object().unwrap().keys().map(String::as_str).collect();
        members.sort_unstable();
        let plain = ["body", "headers", "isBase64Encoded", "statusCode"];
        match self {
            Self::RestApi | Self::HttpApi | Self::FunctionUrl => assert_eq!(members, plain),
            Self::LoadBalancer { multi_value_headers: false } => {
                assert_eq!(members, ["body", "headers", "isBase64Encoded", "statusCode", "statusDescription"]);
            }
            Self::LoadBalancer { multi_value_headers: true } => {
                assert_eq!(
                    members,
                    ["body", "isBase64Encoded", "multiValueHeaders", "statusCode", "statusDescription"]
                );
                assert_eq!(answer["multiValueHeaders"]["content-type"], json!(["application/json"]));
            }
        }
        let body = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        (answer["statusCode"].as_u64().unwrap(), body)
    }
}
