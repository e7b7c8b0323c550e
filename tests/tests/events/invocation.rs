//! What an invocation leaves in the log, and what it tells AWS of where it comes from.

use influxdb_loader_tests::{Function, Responder, Response, Settings};
use serde_json::{Value, json};

use super::forms::{self, Told};
use super::{BUCKET, Site, key};

/// The lines of a log: every one of them is a JSON object.
fn lines(log: &str) -> Vec<Value> {
    log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

#[test]
fn every_line_of_the_log_tells_of_what_it_is() {
    let site = Site::start();
    let secret = "correct-horse-battery-staple";
    let function = Function::start(site.settings().with("INFLUXDB_TOKEN", secret));
    let (good, broken) = (site.put("good"), site.put_broken("broken"));
    assert!(function.invoke(&forms::s3(&[Told::new(&good), Told::new(&broken)])).failed);
    function.invoke(&forms::sqs(&[json!("not JSON")]));
    let log = function.log();
    let lines = lines(&log);
    let line = |message: &str, key: &Value| {
        let is_it = |line: &&Value| line["message"].as_str().unwrap().contains(message) && line["key"] == *key;
        lines.iter().find(is_it).unwrap_or_else(|| panic!("no line `{message}` of {key} in\n{log}"))
    };
    for (line, level) in [
        (line("loaded", &json!(good)), "INFO"),
        (line("not a Parquet file", &json!(broken)), "ERROR"),
        (line("done", &Value::Null), "INFO"),
    ] {
        assert_eq!(line["level"], level, "{line}");
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
        assert!(line["request_id"].as_str().is_some_and(|id| !id.is_empty()), "{line}");
        assert!(line["trace_id"].as_str().is_some_and(|id| id.starts_with("Root=1-")), "{line}");
    }
    // A failure is told once.
    let errors: Vec<_> = lines.iter().filter(|line| line["level"] == "ERROR").collect();
    assert_eq!(errors.len(), 2, "{log}");
    let loaded = line("loaded", &json!(good));
    assert_eq!(
        (&loaded["bucket"], &loaded["dataset"], &loaded["rows"]),
        (&json!(BUCKET), &json!("consumption"), &json!(3))
    );
    assert!(loaded["converter_version"].as_str().unwrap().split('.').count() == 3, "{loaded}");
    assert_eq!(line("`Records[0].body` is not JSON", &Value::Null)["item"], "message-0");
    assert!(!log.contains(secret) && !log.contains("X-Amz-Signature"), "{log}");
}

#[test]
fn requests_to_aws_carry_on_the_trace_of_their_invocation() {
    let s3 = Responder::always(Response::new(404, "<Error><Code>NoSuchKey</Code></Error>"));
    let server = Responder::always(Response::new(204, ""));
    let settings = Settings::from([
        ("AWS_ENDPOINT_URL", s3.url()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "key".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "secret".to_owned()),
        ("INFLUXDB_API", "v1".to_owned()),
        ("INFLUXDB_URL", server.url()),
        ("ENABLE_METRICS", "false".to_owned()),
    ]);
    let function = Function::start(settings);
    for number in ["1", "2"] {
        assert!(function.invoke(&forms::direct(&key(number))).failed);
    }
    let log = function.log();
    let traces: Vec<Value> =
        lines(&log).iter().filter(|line| line["message"] != "done").map(|line| line["trace_id"].clone()).collect();
    let sent: Vec<Value> = s3.requests().iter().map(|request| json!(request.headers["x-amzn-trace-id"])).collect();
    assert_eq!(sent.len(), 2, "{log}");
    assert_ne!(sent[0], sent[1]);
    for trace in sent {
        assert!(traces.contains(&trace), "{trace} is not in\n{log}");
    }
}
