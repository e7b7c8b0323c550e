//! What each caller is answered on a success, a failure in part, and a failure as a whole.

use aws_lambda_events::event::alb::AlbTargetGroupResponse;
use aws_lambda_events::event::apigw::ApiGatewayProxyResponse;
use aws_lambda_events::event::sqs::SqsBatchResponse;
use serde_json::{Value, json};

use super::{failure, loaded, report};
use crate::event::{self, Asked, Caller, ObjectReference, Prefix, Target};
use crate::report::{
    Accounts, ErrorType, Failure, FailureKind, ItemReport, ObjectReport, Remaining, Report, Status, answer,
    answer_health,
};

const CALLERS: [Caller; 9] = [
    Caller::Direct,
    Caller::Asynchronous,
    Caller::Map,
    Caller::Queue,
    Caller::BatchOperations { schema: String::new(), invocation: String::new() },
    Caller::ApiGateway,
    Caller::FunctionUrl,
    Caller::LoadBalancer { multi_value_headers: false },
    Caller::LoadBalancer { multi_value_headers: true },
];

/// That of a converter.
const DIGEST: &str = "0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b";

fn object(key: &str) -> ObjectReference {
    ObjectReference::new("energy", key)
}

/// An object that was loaded.
fn good(key: &str) -> ObjectReport {
    let accounts = Accounts { rows: 2, written: 2, points: 2, ..Accounts::default() };
    ObjectReport { accounts, row_groups: Some(0..1), ..ObjectReport::of(&object(key)) }
}

/// An object that is no Parquet.
fn bad(key: &str) -> ObjectReport {
    let failure = Some(failure(FailureKind::Conversion, "it is no Parquet file"));
    ObjectReport { failure, ..ObjectReport::of(&object(key)) }
}

/// An object of which InfluxDB refuses every row.
fn refused(key: &str) -> ObjectReport {
    let mut accounts = Accounts { rows: 2, batches: 1, ..Accounts::default() };
    accounts.reject("outside-retention", 2);
    let failure = Some(failure(FailureKind::Rejected, "no row is written"));
    ObjectReport { accounts, failure, ..good(key) }
}

/// An object of which row groups 3 to 7 are left.
fn stopped(key: &str) -> ObjectReport {
    let remaining = Some(Remaining::of(&object(key), Some("d41d8cd9"), DIGEST, 3..7));
    ObjectReport { remaining, row_groups: Some(0..3), ..good(key) }
}

/// A report of items that name an object each, but for those that are broken, which name none.
fn items(objects: Vec<ObjectReport>, broken: usize) -> Report {
    let named = objects.iter().enumerate().map(|(place, object)| ItemReport {
        id: format!("item-{place}"),
        name: Some(object.object.clone()),
        objects: vec![place],
        ..ItemReport::default()
    });
    let broken = (0..broken).map(|number| ItemReport {
        id: format!("broken-{number}"),
        failure: Some(failure(FailureKind::BadEvent, "`body` is not JSON")),
        ..ItemReport::default()
    });
    Report { items: named.chain(broken).collect(), ..report(objects) }
}

/// Without accounts and timings, which say the same everywhere.
fn short(mut json: Value) -> Value {
    if let Value::Object(members) = &mut json {
        for name in ["totals", "accounts", "timings", "rejections", "dataset", "converter", "bucket", "key"] {
            members.remove(name);
        }
        if let Some(Value::Array(objects)) = members.get_mut("objects") {
            objects.iter_mut().for_each(|object| *object = short(object.take()));
        }
    }
    json
}

/// What every caller is answered. Those that have no items are told of objects alone.
fn answers(report: &Report) -> String {
    let tell = |caller: &Caller| {
        let has_items = matches!(caller, Caller::Map | Caller::Queue | Caller::BatchOperations { .. });
        let items = if has_items { report.items.clone() } else { Vec::new() };
        let report = Report { items, ..report.clone() };
        match answer(caller, &report) {
            Ok(mut payload) => {
                if let Some(Value::String(body)) = payload.get("body") {
                    assert_eq!(*body, json!(report).to_string());
                    payload["body"] = json!("the report");
                }
                format!("{caller:?}: {}\n", short(payload))
            }
            Err(error) => format!("{caller:?} fails: {}: {error}\n", error.error_type),
        }
    };
    CALLERS.iter().map(tell).collect()
}

#[test]
fn a_success_is_answered() {
    insta::assert_snapshot!(answers(&items(vec![good("a"), good("b")], 0)), @r#"
    Direct: {"objects":[{"failure":null,"object":"s3://energy/a","row_groups":[0,1]},{"failure":null,"object":"s3://energy/b","row_groups":[0,1]}],"skipped":0,"status":"succeeded"}
    Asynchronous: {"objects":[{"failure":null,"object":"s3://energy/a","row_groups":[0,1]},{"failure":null,"object":"s3://energy/b","row_groups":[0,1]}],"skipped":0,"status":"succeeded"}
    Map: {"items":[{"filtered":0,"item":"item-0","name":"s3://energy/a","objects":1,"points":2,"rejected":0,"rows":2,"status":"succeeded","written":2},{"filtered":0,"item":"item-1","name":"s3://energy/b","objects":1,"points":2,"rejected":0,"rows":2,"status":"succeeded","written":2}],"objects":[{"failure":null,"object":"s3://energy/a","row_groups":[0,1]},{"failure":null,"object":"s3://energy/b","row_groups":[0,1]}],"skipped":0,"status":"succeeded"}
    Queue: {"batchItemFailures":[]}
    BatchOperations { schema: "", invocation: "" }: {"invocationId":"","invocationSchemaVersion":"","results":[{"resultCode":"Succeeded","resultString":"succeeded","taskId":"item-0"},{"resultCode":"Succeeded","resultString":"succeeded","taskId":"item-1"}],"treatMissingKeysAs":"TemporaryFailure"}
    ApiGateway: {"body":"the report","headers":{"content-type":"application/json"},"isBase64Encoded":false,"statusCode":200}
    FunctionUrl: {"body":"the report","headers":{"content-type":"application/json"},"isBase64Encoded":false,"statusCode":200}
    LoadBalancer { multi_value_headers: false }: {"body":"the report","headers":{"content-type":"application/json"},"isBase64Encoded":false,"statusCode":200,"statusDescription":"200 OK"}
    LoadBalancer { multi_value_headers: true }: {"body":"the report","isBase64Encoded":false,"multiValueHeaders":{"content-type":["application/json"]},"statusCode":200,"statusDescription":"200 OK"}
    "#);
}

#[test]
fn a_failure_in_part_is_answered() {
    insta::assert_snapshot!(answers(&items(vec![good("a"), bad("b")], 1)), @r#"
    Direct fails: DataConversionError: `s3://energy/b`: DataConversionError: it is no Parquet file
    Asynchronous fails: DataConversionError: `s3://energy/b`: DataConversionError: it is no Parquet file
    Map: {"items":[{"filtered":0,"item":"item-0","name":"s3://energy/a","objects":1,"points":2,"rejected":0,"rows":2,"status":"succeeded","written":2},{"failure":{"error_type":"DataConversionError","kind":"conversion","message":"it is no Parquet file"},"filtered":0,"item":"item-1","name":"s3://energy/b","objects":0,"points":0,"rejected":0,"rows":0,"status":"failed","written":0},{"failure":{"error_type":"UnexpectedError","kind":"bad_event","message":"`body` is not JSON"},"item":"broken-0","status":"failed"}],"objects":[{"failure":null,"object":"s3://energy/a","row_groups":[0,1]},{"failure":{"error_type":"DataConversionError","kind":"conversion","message":"it is no Parquet file"},"object":"s3://energy/b"}],"skipped":0,"status":"failed"}
    Queue: {"batchItemFailures":[{"itemIdentifier":"item-1"},{"itemIdentifier":"broken-0"}]}
    BatchOperations { schema: "", invocation: "" }: {"invocationId":"","invocationSchemaVersion":"","results":[{"resultCode":"Succeeded","resultString":"succeeded","taskId":"item-0"},{"resultCode":"PermanentFailure","resultString":"DataConversionError: it is no Parquet file","taskId":"item-1"},{"resultCode":"PermanentFailure","resultString":"UnexpectedError: `body` is not JSON","taskId":"broken-0"}],"treatMissingKeysAs":"TemporaryFailure"}
    ApiGateway: {"body":"the report","headers":{"content-type":"application/json"},"isBase64Encoded":false,"statusCode":400}
    FunctionUrl: {"body":"the report","headers":{"content-type":"application/json"},"isBase64Encoded":false,"statusCode":400}
    LoadBalancer { multi_value_headers: false }: {"body":"the report","headers":{"content-type":"application/json"},"isBase64Encoded":false,"statusCode":400,"statusDescription":"400 Bad Request"}
    LoadBalancer { multi_value_headers: true }: {"body":"the report","isBase64Encoded":false,"multiValueHeaders":{"content-type":["application/json"]},"statusCode":400,"statusDescription":"400 Bad Request"}
    "#);
}

#[test]
fn a_failure_as_a_whole_is_answered() {
    insta::assert_snapshot!(answers(&items(vec![bad("a")], 1)), @r#"
    Direct fails: DataConversionError: `s3://energy/a`: DataConversionError: it is no Parquet file
    Asynchronous fails: DataConversionError: `s3://energy/a`: DataConversionError: it is no Parquet file
    Map fails: DataConversionError: `s3://energy/a`: DataConversionError: it is no Parquet file
    `broken-0`: UnexpectedError: `body` is not JSON
    Queue: {"batchItemFailures":[{"itemIdentifier":"item-0"},{"itemIdentifier":"broken-0"}]}
    BatchOperations { schema: "", invocation: "" }: {"invocationId":"","invocationSchemaVersion":"","results":[{"resultCode":"PermanentFailure","resultString":"DataConversionError: it is no Parquet file","taskId":"item-0"},{"resultCode":"PermanentFailure","resultString":"UnexpectedError: `body` is not JSON","taskId":"broken-0"}],"treatMissingKeysAs":"TemporaryFailure"}
    ApiGateway: {"body":"the report","headers":{"content-type":"application/json"},"isBase64Encoded":false,"statusCode":400}
    FunctionUrl: {"body":"the report","headers":{"content-type":"application/json"},"isBase64Encoded":false,"statusCode":400}
    LoadBalancer { multi_value_headers: false }: {"body":"the report","headers":{"content-type":"application/json"},"isBase64Encoded":false,"statusCode":400,"statusDescription":"400 Bad Request"}
    LoadBalancer { multi_value_headers: true }: {"body":"the report","isBase64Encoded":false,"multiValueHeaders":{"content-type":["application/json"]},"statusCode":400,"statusDescription":"400 Bad Request"}
    "#);
}

#[test]
fn a_rejected_object_is_a_failure_to_those_who_wait_and_is_not_tried_again() {
    insta::assert_snapshot!(answers(&items(vec![good("a"), refused("b")], 0)), @r#"
    Direct fails: InfluxDBWriteError: `s3://energy/b`: InfluxDBWriteError: no row is written
    Asynchronous: {"objects":[{"failure":null,"object":"s3://energy/a","row_groups":[0,1]},{"failure":{"error_type":"InfluxDBWriteError","kind":"rejected","message":"no row is written"},"object":"s3://energy/b","row_groups":[0,1]}],"skipped":0,"status":"rejected"}
    Map: {"items":[{"filtered":0,"item":"item-0","name":"s3://energy/a","objects":1,"points":2,"rejected":0,"rows":2,"status":"succeeded","written":2},{"failure":{"error_type":"InfluxDBWriteError","kind":"rejected","message":"no row is written"},"filtered":0,"item":"item-1","name":"s3://energy/b","objects":0,"points":0,"rejected":2,"rows":2,"status":"rejected","written":0}],"objects":[{"failure":null,"object":"s3://energy/a","row_groups":[0,1]},{"failure":{"error_type":"InfluxDBWriteError","kind":"rejected","message":"no row is written"},"object":"s3://energy/b","row_groups":[0,1]}],"skipped":0,"status":"rejected"}
    Queue: {"batchItemFailures":[]}
    BatchOperations { schema: "", invocation: "" }: {"invocationId":"","invocationSchemaVersion":"","results":[{"resultCode":"Succeeded","resultString":"succeeded","taskId":"item-0"},{"resultCode":"PermanentFailure","resultString":"InfluxDBWriteError: no row is written","taskId":"item-1"}],"treatMissingKeysAs":"TemporaryFailure"}
    ApiGateway: {"body":"the report","headers":{"content-type":"application/json"},"isBase64Encoded":false,"statusCode":422}
    FunctionUrl: {"body":"the report","headers":{"content-type":"application/json"},"isBase64Encoded":false,"statusCode":422}
    LoadBalancer { multi_value_headers: false }: {"body":"the report","headers":{"content-type":"application/json"},"isBase64Encoded":false,"statusCode":422,"statusDescription":"422 Unprocessable Content"}
    LoadBalancer { multi_value_headers: true }: {"body":"the report","isBase64Encoded":false,"multiValueHeaders":{"content-type":["application/json"]},"statusCode":422,"statusDescription":"422 Unprocessable Content"}
    "#);
    let all = items(vec![refused("a"), refused("b")], 0);
    assert_eq!(answer(&Caller::Direct, &all).unwrap_err().error_type, ErrorType::InfluxDBWriteError);
    // A batch is told which of its items are rejected, even if all of them are: nothing is to be retried.
    assert_eq!(answer(&Caller::Map, &all).unwrap()["items"][1]["status"], "rejected");
}

#[test]
fn of_a_rejected_object_and_one_that_failed_the_failure_is_told_and_tried_again() {
    let report = items(vec![refused("a"), bad("b"), stopped("c")], 0);
    assert_eq!(report.status(), Status::Failed);
    for caller in [Caller::Direct, Caller::Asynchronous] {
        let error = answer(&caller, &report).unwrap_err();
        assert_eq!(error.error_type, ErrorType::DataConversionError, "{caller:?}");
        for line in
            ["`s3://energy/a`: InfluxDBWriteError", "`s3://energy/b`: DataConversionError", "`s3://energy/c`: the time"]
        {
            assert!(error.error_message.contains(line), "{caller:?}: {error}");
        }
    }
    assert_eq!(answer(&Caller::ApiGateway, &report).unwrap()["statusCode"], 400);
    let undone = json!({ "batchItemFailures": [{ "itemIdentifier": "item-1" }, { "itemIdentifier": "item-2" }] });
    assert_eq!(answer(&Caller::Queue, &report).unwrap(), undone);
    // Of what is left nobody but the notification's invocation can tell.
    let report = items(vec![refused("a"), stopped("b")], 0);
    assert_eq!(report.status(), Status::Rejected);
    assert_eq!(answer(&Caller::Asynchronous, &report).unwrap_err().error_type, ErrorType::UnexpectedError);
    // One message that names both.
    let mut report = items(vec![refused("a"), stopped("b")], 0);
    report.items = vec![ItemReport { id: "m".to_owned(), objects: vec![0, 1], ..ItemReport::default() }];
    insta::assert_snapshot!(answer(&Caller::Queue, &report).unwrap(), @r#"{"batchItemFailures":[{"itemIdentifier":"m"}]}"#);
    assert_eq!(report.status_of(&report.items[0]), Status::Rejected);
}

#[test]
fn what_could_not_be_begun_is_answered() {
    let unreachable = failure(FailureKind::Connection, "InfluxDB is not reached");
    let report = Report { items: items(vec![good("a"), good("b")], 0).items, ..Report::failed(unreachable) };
    insta::assert_snapshot!(answers(&report), @r#"
    Direct fails: InfluxDBConnectionError: InfluxDB is not reached
    Asynchronous fails: InfluxDBConnectionError: InfluxDB is not reached
    Map fails: InfluxDBConnectionError: InfluxDB is not reached
    Queue: {"batchItemFailures":[{"itemIdentifier":"item-0"},{"itemIdentifier":"item-1"}]}
    BatchOperations { schema: "", invocation: "" }: {"invocationId":"","invocationSchemaVersion":"","results":[{"resultCode":"TemporaryFailure","resultString":"InfluxDBConnectionError: InfluxDB is not reached","taskId":"item-0"},{"resultCode":"TemporaryFailure","resultString":"InfluxDBConnectionError: InfluxDB is not reached","taskId":"item-1"}],"treatMissingKeysAs":"TemporaryFailure"}
    ApiGateway: {"body":"the report","headers":{"content-type":"application/json"},"isBase64Encoded":false,"statusCode":503}
    FunctionUrl: {"body":"the report","headers":{"content-type":"application/json"},"isBase64Encoded":false,"statusCode":503}
    LoadBalancer { multi_value_headers: false }: {"body":"the report","headers":{"content-type":"application/json"},"isBase64Encoded":false,"statusCode":503,"statusDescription":"503 Service Unavailable"}
    LoadBalancer { multi_value_headers: true }: {"body":"the report","isBase64Encoded":false,"multiValueHeaders":{"content-type":["application/json"]},"statusCode":503,"statusDescription":"503 Service Unavailable"}
    "#);
}

#[test]
fn what_was_stopped_ahead_of_the_deadline_is_answered() {
    insta::assert_snapshot!(answers(&items(vec![good("a"), stopped("b")], 0)), @r#"
    Direct: {"objects":[{"failure":null,"object":"s3://energy/a","row_groups":[0,1]},{"failure":null,"object":"s3://energy/b","remaining":{"bucket":"energy","converter_digest":"0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b","etag":"d41d8cd9","key":"b","row_groups":[3,7]},"row_groups":[0,3]}],"remaining":{"objects":[{"bucket":"energy","converter_digest":"0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b","etag":"d41d8cd9","key":"b","row_groups":[3,7]}]},"skipped":0,"status":"partial"}
    Asynchronous fails: UnexpectedError: `s3://energy/b`: the time was over; row groups [3, 7] are left
    Map: {"items":[{"filtered":0,"item":"item-0","name":"s3://energy/a","objects":1,"points":2,"rejected":0,"rows":2,"status":"succeeded","written":2},{"filtered":0,"item":"item-1","name":"s3://energy/b","objects":0,"points":2,"rejected":0,"remaining":{"objects":[{"bucket":"energy","converter_digest":"0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b","etag":"d41d8cd9","key":"b","row_groups":[3,7]}]},"rows":2,"status":"partial","written":2}],"objects":[{"failure":null,"object":"s3://energy/a","row_groups":[0,1]},{"failure":null,"object":"s3://energy/b","remaining":{"bucket":"energy","converter_digest":"0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b","etag":"d41d8cd9","key":"b","row_groups":[3,7]},"row_groups":[0,3]}],"remaining":{"objects":[{"bucket":"energy","converter_digest":"0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b","etag":"d41d8cd9","key":"b","row_groups":[3,7]}]},"skipped":0,"status":"partial"}
    Queue: {"batchItemFailures":[{"itemIdentifier":"item-1"}]}
    BatchOperations { schema: "", invocation: "" }: {"invocationId":"","invocationSchemaVersion":"","results":[{"resultCode":"Succeeded","resultString":"succeeded","taskId":"item-0"},{"resultCode":"TemporaryFailure","resultString":"the deadline passed before all of the object was loaded","taskId":"item-1"}],"treatMissingKeysAs":"TemporaryFailure"}
    ApiGateway: {"body":"the report","headers":{"content-type":"application/json"},"isBase64Encoded":false,"statusCode":200}
    FunctionUrl: {"body":"the report","headers":{"content-type":"application/json"},"isBase64Encoded":false,"statusCode":200}
    LoadBalancer { multi_value_headers: false }: {"body":"the report","headers":{"content-type":"application/json"},"isBase64Encoded":false,"statusCode":200,"statusDescription":"200 OK"}
    LoadBalancer { multi_value_headers: true }: {"body":"the report","isBase64Encoded":false,"multiValueHeaders":{"content-type":["application/json"]},"statusCode":200,"statusDescription":"200 OK"}
    "#);
}

#[test]
fn a_health_check_is_answered() {
    let health = |failure: Option<&Failure>| -> String {
        let tell = |caller: &Caller| match answer_health(caller, &json!({ "engine": "2.x" }), failure) {
            Ok(payload) => format!("{caller:?}: {payload}\n"),
            Err(error) => format!("{caller:?} fails: {}: {error}\n", error.error_type),
        };
        CALLERS.iter().map(tell).collect()
    };
    insta::assert_snapshot!(health(None), @r#"
    Direct: {"influxdb":{"engine":"2.x"},"status":"healthy"}
    Asynchronous: {"influxdb":{"engine":"2.x"},"status":"healthy"}
    Map: {"influxdb":{"engine":"2.x"},"status":"healthy"}
    Queue: {"influxdb":{"engine":"2.x"},"status":"healthy"}
    BatchOperations { schema: "", invocation: "" }: {"influxdb":{"engine":"2.x"},"status":"healthy"}
    ApiGateway: {"body":"{\"influxdb\":{\"engine\":\"2.x\"},\"status\":\"healthy\"}","headers":{"content-type":"application/json"},"isBase64Encoded":false,"statusCode":200}
    FunctionUrl: {"body":"{\"influxdb\":{\"engine\":\"2.x\"},\"status\":\"healthy\"}","headers":{"content-type":"application/json"},"isBase64Encoded":false,"statusCode":200}
    LoadBalancer { multi_value_headers: false }: {"body":"{\"influxdb\":{\"engine\":\"2.x\"},\"status\":\"healthy\"}","headers":{"content-type":"application/json"},"isBase64Encoded":false,"statusCode":200,"statusDescription":"200 OK"}
    LoadBalancer { multi_value_headers: true }: {"body":"{\"influxdb\":{\"engine\":\"2.x\"},\"status\":\"healthy\"}","isBase64Encoded":false,"multiValueHeaders":{"content-type":["application/json"]},"statusCode":200,"statusDescription":"200 OK"}
    "#);
    insta::assert_snapshot!(health(Some(&failure(FailureKind::Refused, "the token is refused"))), @r#"
    Direct fails: InfluxDBConnectionError: the token is refused
    Asynchronous fails: InfluxDBConnectionError: the token is refused
    Map fails: InfluxDBConnectionError: the token is refused
    Queue fails: InfluxDBConnectionError: the token is refused
    BatchOperations { schema: "", invocation: "" } fails: InfluxDBConnectionError: the token is refused
    ApiGateway: {"body":"{\"failure\":{\"error_type\":\"InfluxDBConnectionError\",\"kind\":\"refused\",\"message\":\"the token is refused\"},\"influxdb\":{\"engine\":\"2.x\"},\"status\":\"unhealthy\"}","headers":{"content-type":"application/json"},"isBase64Encoded":false,"statusCode":503}
    FunctionUrl: {"body":"{\"failure\":{\"error_type\":\"InfluxDBConnectionError\",\"kind\":\"refused\",\"message\":\"the token is refused\"},\"influxdb\":{\"engine\":\"2.x\"},\"status\":\"unhealthy\"}","headers":{"content-type":"application/json"},"isBase64Encoded":false,"statusCode":503}
    LoadBalancer { multi_value_headers: false }: {"body":"{\"failure\":{\"error_type\":\"InfluxDBConnectionError\",\"kind\":\"refused\",\"message\":\"the token is refused\"},\"influxdb\":{\"engine\":\"2.x\"},\"status\":\"unhealthy\"}","headers":{"content-type":"application/json"},"isBase64Encoded":false,"statusCode":503,"statusDescription":"503 Service Unavailable"}
    LoadBalancer { multi_value_headers: true }: {"body":"{\"failure\":{\"error_type\":\"InfluxDBConnectionError\",\"kind\":\"refused\",\"message\":\"the token is refused\"},\"influxdb\":{\"engine\":\"2.x\"},\"status\":\"unhealthy\"}","isBase64Encoded":false,"multiValueHeaders":{"content-type":["application/json"]},"statusCode":503,"statusDescription":"503 Service Unavailable"}
    "#);
}

#[test]
fn an_event_without_a_message_that_can_be_named_fails_as_a_whole() {
    let report = Report::failed(failure(FailureKind::BadEvent, "`Records[0].messageId` is missing"));
    insta::assert_snapshot!(answer(&Caller::Queue, &report).unwrap_err(), @"`Records[0].messageId` is missing");
}

#[test]
fn an_item_without_anything_to_load_is_skipped_and_no_failure() {
    let mut report = items(vec![good("a")], 0);
    report.items.push(ItemReport { id: "Items[1]".to_owned(), ..ItemReport::default() });
    report.skipped = 1;
    insta::assert_snapshot!(answer(&Caller::Map, &report).unwrap()["items"], @r#"[{"filtered":0,"item":"item-0","name":"s3://energy/a","objects":1,"points":2,"rejected":0,"rows":2,"status":"succeeded","written":2},{"item":"Items[1]","status":"skipped"}]"#);
    insta::assert_snapshot!(answer(&Caller::Queue, &report).unwrap(), @r#"{"batchItemFailures":[]}"#);
}

#[test]
fn messages_behind_one_of_their_group_come_again_with_it() {
    let mut report = items(vec![good("a"), bad("b"), good("c"), good("d"), stopped("e")], 0);
    for (item, group) in report.items.iter_mut().zip(["x", "y", "x", "y", "x"]) {
        item.group = Some(group.to_owned());
    }
    insta::assert_snapshot!(
        answer(&Caller::Queue, &report).unwrap(),
        @r#"{"batchItemFailures":[{"itemIdentifier":"item-1"},{"itemIdentifier":"item-3"},{"itemIdentifier":"item-4"}]}"#
    );
}

#[test]
fn an_item_that_names_several_objects_fails_with_one_of_them() {
    let mut report = items(vec![good("a"), bad("b")], 0);
    report.items = vec![ItemReport { id: "m".to_owned(), objects: vec![0, 1], ..ItemReport::default() }];
    insta::assert_snapshot!(answer(&Caller::Queue, &report).unwrap(), @r#"{"batchItemFailures":[{"itemIdentifier":"m"}]}"#);
}

#[test]
fn what_is_left_is_an_event() {
    let prefix = Prefix {
        bucket: "energy".to_owned(),
        prefix: "generation/".to_owned(),
        start_after: None,
        dataset: Some("generation".to_owned()),
        skip_loaded: false,
    };
    let rest = Remaining::rest(&prefix, Some("generation/b.parquet".to_owned()));
    let rest = ObjectReport { remaining: Some(rest), ..ObjectReport::of_prefix(&prefix) };
    let answer = answer(&Caller::Direct, &report(vec![good("a"), stopped("b"), rest])).unwrap();
    insta::assert_snapshot!(answer["remaining"], @r#"{"objects":[{"bucket":"energy","converter_digest":"0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b","etag":"d41d8cd9","key":"b","row_groups":[3,7]},{"bucket":"energy","dataset":"generation","prefix":"generation/","start_after":"generation/b.parquet"}]}"#);
    let Asked::Load(load) = event::read(&answer["remaining"]).unwrap().asked else { panic!("no load") };
    let expected = [
        Target::Object(ObjectReference {
            if_match: Some("d41d8cd9".to_owned()),
            converter_digest: Some(DIGEST.to_owned()),
            row_groups: Some(3..7),
            ..object("b")
        }),
        Target::Prefix(Prefix { start_after: Some("generation/b.parquet".to_owned()), ..prefix }),
    ];
    assert_eq!(load.targets, expected);
}

#[test]
fn an_answer_is_no_larger_than_step_functions_takes() {
    let bytes = |answer: &Value| answer.to_string().len();
    let many = |count: usize, object: &dyn Fn(String) -> ObjectReport| {
        report((0..count).map(|number| object(format!("{number:0>200}"))).collect())
    };
    // Rejected rows go first.
    let detailed = |key: String| ObjectReport { rejections: loaded().rejections, ..good(&key) };
    let answered = answer(&Caller::Direct, &many(250, &detailed)).unwrap();
    assert!(bytes(&answered) < 256 * 1024, "{} bytes", bytes(&answered));
    assert_eq!((&answered["objects"][0]["rejections"], answered.get("omitted")), (&json!([]), None));
    // Then what is loaded, and at last what does not fit; the totals still count everything.
    let mut report = many(2000, &|key| good(&key));
    report.objects.push(stopped("left"));
    let answered = answer(&Caller::Direct, &report).unwrap();
    assert!(bytes(&answered) < 256 * 1024, "{} bytes", bytes(&answered));
    assert_eq!((&answered["omitted"], &answered["totals"]["rows"]), (&json!(2000), &json!(4002)));
    assert_eq!(answered["objects"][0]["object"], "s3://energy/left");
    let answered = answer(&Caller::ApiGateway, &many(2000, &|key| bad(&key))).unwrap();
    assert!(bytes(&answered) < 1_000_000, "{} bytes", bytes(&answered));
}

/// What Step Functions takes, less what its Lambda integration adds.
const LIMIT: usize = 240 * 1024;

/// An object whose failure has a long cause, with a hint.
fn badly(key: &str) -> ObjectReport {
    let message = format!("{}\nhint: {}", "the reason is \"long\"; ".repeat(200), "do this ".repeat(500));
    let failure = Some(failure(FailureKind::Conversion, &message));
    ObjectReport { failure, ..ObjectReport::of(&object(key)) }
}

fn many(count: usize, object: &dyn Fn(usize, &str) -> ObjectReport) -> Report {
    let key = |number| format!("dataset=generation/year=2024/month=01/part-{number:0>200}.parquet");
    items((0..count).map(|number| object(number, &key(number))).collect(), 0)
}

#[test]
fn an_answer_of_any_shape_to_any_number_of_items_keeps_its_size_and_their_places() {
    let mixed = |number: usize, key: &str| match number % 4 {
        0 => badly(key),
        1 => refused(key),
        _ => good(key),
    };
    for report in [many(1201, &mixed), many(1201, &|_, key| good(key)), many(2000, &mixed)] {
        for caller in &CALLERS {
            let bytes = match answer(caller, &report) {
                Ok(answer) => answer.to_string().len(),
                Err(error) => error.error_message.len(),
            };
            assert!(bytes <= LIMIT, "{caller:?}: {bytes} bytes for {} items", report.items.len());
        }
        let answered = answer(&Caller::Map, &report).unwrap();
        let items = answered["items"].as_array().unwrap();
        assert_eq!(items.len(), report.items.len());
        for (item, expected) in items.iter().zip(&report.items) {
            assert_eq!((&item["item"], &item["status"]), (&json!(expected.id), &json!(report.status_of(expected))));
            let failure = report.failure_of(expected);
            assert_eq!(item["failure"]["error_type"].as_str(), failure.map(|failure| failure.error_type().name()));
            let written = report.objects[expected.objects[0]].accounts.written;
            assert_eq!(item.get("written").map_or(0, |written| written.as_u64().unwrap()), written);
        }
        assert_eq!(answered["totals"]["rows"], json!(report.totals().rows));
    }
}

#[test]
fn causes_are_as_long_as_there_is_room_for_them() {
    let few = answer(&Caller::Map, &many(40, &|number, key| if number == 0 { good(key) } else { badly(key) })).unwrap();
    let cause = few["items"][1]["failure"]["message"].as_str().unwrap().len();
    assert!(few.to_string().len() <= LIMIT && cause > 500, "{cause} bytes");
}

#[test]
fn what_items_have_left_is_in_the_answer_or_has_failed() {
    let report = many(1201, &|_, key| stopped(key));
    let answered = answer(&Caller::Map, &report).unwrap();
    assert!(answered.to_string().len() <= LIMIT);
    let items = answered["items"].as_array().unwrap();
    let (left, failed): (Vec<&Value>, Vec<&Value>) = items.iter().partition(|item| item.get("remaining").is_some());
    assert_eq!((items.len(), &answered["status"]), (1201, &json!("failed")));
    assert!(left.len() > 100 && left.iter().all(|item| item["status"] == "partial"));
    assert!(!failed.is_empty());
    for item in failed {
        assert_eq!((&item["status"], &item["failure"]["kind"]), (&json!("failed"), &json!("deadline")));
    }
}

#[test]
fn what_has_no_room_in_any_answer_is_a_failure() {
    let objects = || (0..3000).map(|number| stopped(&format!("{number:0>200}"))).collect();
    let error = answer(&Caller::Direct, &report(objects())).unwrap_err();
    insta::assert_snapshot!(error, @"
    the answer is larger than the 240 KiB that callers take
    hint: name fewer objects in an event
    ");
    let response = answer(&Caller::FunctionUrl, &report(objects())).unwrap();
    assert_eq!(response["statusCode"], 503);
    assert!(response["body"].as_str().unwrap().contains("name fewer objects"), "{response}");
}

#[test]
fn answers_to_services_are_what_these_take() {
    let report = items(vec![good("a"), bad("b")], 0);
    let answered = |caller: Caller| answer(&caller, &report).unwrap();
    let queue: SqsBatchResponse = serde_json::from_value(answered(Caller::Queue)).unwrap();
    assert_eq!(queue.batch_item_failures[0].item_identifier, "item-1");
    let rest: ApiGatewayProxyResponse = serde_json::from_value(answered(Caller::ApiGateway)).unwrap();
    assert_eq!((rest.status_code, rest.headers["content-type"].as_bytes()), (400, &b"application/json"[..]));
    for multi_value_headers in [false, true] {
        let caller = Caller::LoadBalancer { multi_value_headers };
        let load_balancer: AlbTargetGroupResponse = serde_json::from_value(answered(caller)).unwrap();
        assert_eq!(load_balancer.status_description.as_deref(), Some("400 Bad Request"));
        assert_eq!(load_balancer.headers.is_empty(), multi_value_headers);
        assert_eq!(load_balancer.multi_value_headers.is_empty(), !multi_value_headers);
    }
}
