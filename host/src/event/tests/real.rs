//! The fixtures are what AWS sends: AWS's own types read them.

use aws_lambda_events::event::alb::AlbTargetGroupRequest;
use aws_lambda_events::event::apigw::{ApiGatewayProxyRequest, ApiGatewayV2httpRequest};
use aws_lambda_events::event::eventbridge::EventBridgeEvent;
use aws_lambda_events::event::lambda_function_urls::LambdaFunctionUrlRequest;
use aws_lambda_events::event::s3::S3Event;
use aws_lambda_events::event::s3::batch_job::S3BatchJobEvent;
use aws_lambda_events::event::sns::SnsEvent;
use aws_lambda_events::event::sqs::SqsEvent;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::payloads;

fn is_a<T: DeserializeOwned>(payload: &[u8]) -> Option<serde_json::Error> {
    serde_json::from_slice::<T>(payload).err()
}

/// How AWS's types read the events of a service, by the beginning of a fixture's name.
type Reads = fn(&[u8]) -> Option<serde_json::Error>;

const SERVICES: [(&str, Reads); 9] = [
    ("s3-batch-operations", is_a::<S3BatchJobEvent>),
    ("s3-", is_a::<S3Event>),
    ("sns-", is_a::<SnsEvent>),
    ("sqs-", is_a::<SqsEvent>),
    ("event-bridge-", is_a::<EventBridgeEvent<Value>>),
    ("api-gateway-rest", is_a::<ApiGatewayProxyRequest>),
    ("api-gateway-http", is_a::<ApiGatewayV2httpRequest>),
    ("function-url", is_a::<LambdaFunctionUrlRequest>),
    ("load-balancer", is_a::<AlbTargetGroupRequest>),
];

/// Fixtures that are of no service's own form, or that AWS's types do not know.
const OTHERS: [&str; 14] = [
    "api-gateway-http-v1",
    "dead-letter",
    "direct",
    "distributed-map",
    "health",
    "pipe",
    "s3-least",
    "s3-test-event",
    "sqs-broken-messages",
    "sns-s3-test-event",
    "step-functions",
    "event-bridge-scheduler",
    "summarize",
    "verify",
];

#[test]
fn the_fixtures_are_what_aws_sends() {
    for (name, payload) in payloads("") {
        if OTHERS.iter().any(|other| name.starts_with(other)) {
            continue;
        }
        let (_, reads) = SERVICES.iter().find(|(start, _)| name.starts_with(start)).unwrap_or_else(|| panic!("{name}"));
        if let Some(error) = reads(&payload) {
            panic!("{name}: {error}");
        }
    }
}
