//! Requests by way of API Gateway, a function URL or a load balancer. The body is the same as that of a direct invocation,
//! and `GET …/health` asks for a health check, with `?deep=true` for a deep one.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use super::node::{Node, holds_object};
use super::{Asked, Broken, Caller, Form, Problem, direct, object};

/// A REST API, or an HTTP API with payload format 1.0.
pub(super) const REST: Form = Form {
    name: "API Gateway REST request",
    example: r#"{"httpMethod": "POST", "requestContext": {…}, "body": "{\"bucket\": …, \"key\": …}"}"#,
    caller: |_| Caller::ApiGateway,
    matches: |payload| {
        payload.contains_key("httpMethod")
            && payload.get("requestContext").is_some_and(Value::is_object)
            && !holds_object(payload, ["requestContext", "elb"])
    },
    read: |payload| request(payload, &payload.member("httpMethod"), &payload.member("path")),
};

/// An HTTP API with payload format 2.0, or a function URL, which the domain distinguishes.
pub(super) const HTTP: Form = Form {
    name: "API Gateway HTTP request",
    example: r#"{"version": "2.0", "requestContext": {"http": {…}}, "body": "{\"bucket\": …, \"key\": …}"}"#,
    caller: |payload| {
        let domain = payload["requestContext"]["domainName"].as_str().unwrap_or_default();
        if domain.contains(".lambda-url.") { Caller::FunctionUrl } else { Caller::ApiGateway }
    },
    matches: |payload| holds_object(payload, ["requestContext", "http"]),
    read: |payload| {
        let http = payload.member("requestContext").member("http");
        request(payload, &http.member("method"), &http.member("path"))
    },
};

/// A target group of an application load balancer. Where it has multi-value headers turned on, the event has them in place
/// of plain ones, and so must the answer.
pub(super) const LOAD_BALANCER: Form = Form {
    name: "load balancer request",
    example: r#"{"httpMethod": "POST", "requestContext": {"elb": {…}}, "body": "{\"bucket\": …, \"key\": …}"}"#,
    caller: |payload| Caller::LoadBalancer {
        multi_value_headers: payload.get("multiValueHeaders").is_some_and(Value::is_object),
    },
    matches: |payload| holds_object(payload, ["requestContext", "elb"]),
    ..REST
};

fn request(payload: &Node<'_>, method: &Node<'_>, path: &Node<'_>) -> Result<Asked, Broken> {
    let verb = method.optional_text()?.unwrap_or("POST");
    // Before `health` there may be the name of a stage, or what a custom domain maps to the API.
    let last = path.optional_text()?.and_then(|path| path.trim_end_matches('/').rsplit('/').next());
    if verb == "GET" && last == Some("health") {
        return Ok(Asked::Health { deep: is_deep(payload)? });
    }
    // What a browser, a crawler or a cache sends by itself changes nothing.
    if verb != "POST" {
        return Err(method.broken(Problem::Method(object::shorten(verb))));
    }
    let node = payload.member("body");
    let text = node.text()?;
    let json: Value = if payload.member("isBase64Encoded").optional_boolean()? == Some(true) {
        let bytes = BASE64_STANDARD.decode(text).map_err(|error| node.broken(Problem::NotBase64(error)))?;
        serde_json::from_slice(&bytes)
    } else {
        serde_json::from_str(text)
    }
    .map_err(|error| node.broken(Problem::NotJson(error)))?;
    direct::request(&Node::new(&json, "body").object()?)
}

/// The parameter `deep` of the query. With multi-value headers, a load balancer sends parameters as lists.
fn is_deep(payload: &Node<'_>) -> Result<bool, Broken> {
    let mut parameter = payload.member("queryStringParameters").member("deep");
    let list = payload.member("multiValueQueryStringParameters").member("deep");
    if parameter.is_absent() && !list.is_absent() {
        // The last one counts, as it does where parameters are no lists.
        parameter = list.elements()?.last().unwrap_or(list);
    }
    match parameter.optional_text()? {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(parameter.broken(Problem::Boolean)),
    }
}
