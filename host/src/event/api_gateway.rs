//! Requests by way of API Gateway: REST APIs (payload format 1.0) and HTTP APIs and function URLs (format 2.0). The body
//! is the same as that of a direct invocation.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use super::node::{Node, holds_object};
use super::{Asked, Broken, Caller, Form, Problem, direct};

/// A REST API, or an HTTP API with payload format 1.0. Load balancers send much the same, with `requestContext.elb`.
pub(super) const REST: Form = Form {
    name: "API Gateway REST request",
    example: r#"{"httpMethod": "POST", "requestContext": {…}, "body": "{\"bucket\": …, \"key\": …}"}"#,
    caller: Caller::ApiGateway,
    matches: |payload| {
        payload.contains_key("httpMethod")
            && payload.get("requestContext").is_some_and(Value::is_object)
            && !holds_object(payload, ["requestContext", "elb"])
    },
    read: request,
};

/// An HTTP API with payload format 2.0, or a function URL.
pub(super) const HTTP: Form = Form {
    name: "API Gateway HTTP request",
    example: r#"{"version": "2.0", "requestContext": {"http": {…}}, "body": "{\"bucket\": …, \"key\": …}"}"#,
    caller: Caller::ApiGateway,
    matches: |payload| holds_object(payload, ["requestContext", "http"]),
    read: request,
};

fn request(payload: &Node<'_>) -> Result<Asked, Broken> {
    let node = payload.member("body");
    let text = node.text()?;
    let json: Value = if payload.member("isBase64Encoded").optional_boolean()? == Some(true) {
        let bytes = BASE64_STANDARD.decode(text).map_err(|error| node.broken(Problem::NotBase64(error)))?;
        serde_json::from_slice(&bytes)
    } else {
        serde_json::from_str(text)
    }
    .map_err(|error| node.broken(Problem::NotJson(error)))?;
    let object = direct::reference(&Node::new(&json, "body").object()?)?;
    Ok(Asked::Load { objects: vec![object], skipped: 0 })
}
