//! Responses to requests, in the shape that each way to the function wants.

use serde_json::{Value, json};

use crate::event::Caller;

const CONTENT_TYPE: &str = "application/json";

/// A response with a JSON body.
///
/// API Gateway takes the same from functions behind REST APIs and HTTP APIs, and so do function URLs. A load balancer wants
/// the status in words as well, and takes headers only in the form in which it sends them.
pub(super) fn response(caller: &Caller, status: u16, body: &Value) -> Value {
    let mut response = json!({
        "statusCode": status,
        "headers": { "content-type": CONTENT_TYPE },
        "body": body.to_string(),
        "isBase64Encoded": false,
    });
    if let Caller::LoadBalancer { multi_value_headers } = caller {
        response["statusDescription"] = json!(format!("{status} {}", reason(status)));
        if *multi_value_headers {
            response["headers"] = Value::Null;
            response["multiValueHeaders"] = json!({ "content-type": [CONTENT_TYPE] });
        }
    }
    if let Some(members) = response.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    response
}

/// What a status is called (RFC 9110, section 15).
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        405 => "Method Not Allowed",
        404 => "Not Found",
        413 => "Content Too Large",
        422 => "Unprocessable Content",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    }
}
