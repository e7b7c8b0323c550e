#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed test must panic")]

mod answers;

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    Accounts, ConverterId, ErrorType, Failure, FailureKind, MAXIMUM_REJECTIONS, ObjectReport, RejectedRow, Report,
    Timings, answer,
};
use crate::event::{self, Caller, ObjectReference};

/// An error with a source and hints.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Told {
    message: String,
    source: Option<Box<Told>>,
}

fn told(message: &str, source: Option<Told>) -> Told {
    Told { message: message.to_owned(), source: source.map(Box::new) }
}

fn failure(kind: FailureKind, message: &str) -> Failure {
    Failure::new(kind, &told(message, None))
}

fn rejected(row: u64, code: &str) -> RejectedRow {
    RejectedRow { row, row_group: Some(0), code: code.to_owned(), message: format!("row {row} is bad") }
}

/// The report of an object that was loaded, all but two rows.
fn loaded() -> ObjectReport {
    let mut report = ObjectReport::of(&ObjectReference::new("ons-energy-data", "dataset=generation/a.parquet"));
    report.dataset = Some("generation".to_owned());
    report.converter = Some(ConverterId {
        name: "generation".to_owned(),
        version: "1.0.0".to_owned(),
        digest: "0a1b".to_owned(),
        parameters: None,
    });
    report.accounts = Accounts { rows: 100, written: 97, filtered: 1, points: 97, batches: 1, ..Accounts::default() };
    report.accounts.reject("invalid-value", 1);
    report.accounts.reject("invalid-timestamp", 1);
    report.timings = Timings {
        total: Duration::from_millis(1500),
        decode: Duration::from_millis(125),
        convert: Duration::from_millis(250),
        ..Timings::default()
    };
    report.name_rejection(rejected(41, "invalid-value"));
    report.name_rejection(rejected(7, "invalid-timestamp"));
    report
}

fn failed(object: &str, kind: FailureKind, message: &str) -> ObjectReport {
    ObjectReport { failure: Some(failure(kind, message)), ..ObjectReport::of_file(object) }
}

fn report(objects: Vec<ObjectReport>) -> Report {
    Report { objects, ..Report::default() }
}

#[test]
fn a_success_is_told_as_json_to_who_invoked_directly_and_to_nobody() {
    let report = report(vec![loaded()]);
    insta::assert_snapshot!(serde_json::to_string_pretty(&answer(&Caller::Direct, &report).unwrap()).unwrap(), @r#"
    {
      "objects": [
        {
          "accounts": {
            "batches": 1,
            "bytes_read": 0,
            "bytes_written": 0,
            "failed_batches": 0,
            "filtered": 1,
            "line_protocol_bytes": 0,
            "points": 97,
            "rejected": {
              "invalid-timestamp": 1,
              "invalid-value": 1
            },
            "requests": 0,
            "retries": 0,
            "rows": 100,
            "superseded": 0,
            "written": 97
          },
          "bucket": "ons-energy-data",
          "converter": {
            "digest": "0a1b",
            "name": "generation",
            "version": "1.0.0"
          },
          "dataset": "generation",
          "failure": null,
          "key": "dataset=generation/a.parquet",
          "object": "s3://ons-energy-data/dataset=generation/a.parquet",
          "rejections": [
            {
              "code": "invalid-timestamp",
              "message": "row 7 is bad",
              "row": 7,
              "row_group": 0
            },
            {
              "code": "invalid-value",
              "message": "row 41 is bad",
              "row": 41,
              "row_group": 0
            }
          ],
          "timings": {
            "compress_seconds": 0.0,
            "convert_blocked_seconds": 0.0,
            "convert_seconds": 0.25,
            "convert_starved_seconds": 0.0,
            "decode_blocked_seconds": 0.0,
            "decode_seconds": 0.125,
            "total_seconds": 1.5,
            "write_seconds": 0.0
          }
        }
      ],
      "skipped": 0,
      "status": "succeeded",
      "totals": {
        "batches": 1,
        "bytes_read": 0,
        "bytes_written": 0,
        "failed_batches": 0,
        "filtered": 1,
        "line_protocol_bytes": 0,
        "points": 97,
        "rejected": {
          "invalid-timestamp": 1,
          "invalid-value": 1
        },
        "requests": 0,
        "retries": 0,
        "rows": 100,
        "superseded": 0,
        "written": 97
      }
    }
    "#);
    assert_eq!(answer(&Caller::Asynchronous, &report), answer(&Caller::Direct, &report));
}

#[test]
fn rejected_rows_alone_are_no_failure() {
    assert_eq!(answer(&Caller::Direct, &report(vec![loaded()])).unwrap()["status"], "succeeded");
}

#[test]
fn an_event_without_objects_is_a_success() {
    let answer = answer(&Caller::Asynchronous, &Report { skipped: 1, ..Report::default() }).unwrap();
    assert_eq!(
        (&answer["status"], &answer["skipped"], &answer["objects"]),
        (&json!("succeeded"), &json!(1), &json!([]))
    );
}

#[test]
fn a_failed_object_fails_the_invocation_with_the_first_type_and_every_object() {
    let report = report(vec![
        loaded(),
        failed("s3://b/two", FailureKind::Connection, "InfluxDB does not answer\nhint: look at the security group"),
        failed("s3://b/three", FailureKind::Conversion, "the column `value` is missing"),
    ]);
    let error = answer(&Caller::Direct, &report).unwrap_err();
    assert_eq!(error.error_type, ErrorType::InfluxDBConnectionError);
    insta::assert_snapshot!(error, @"
    `s3://b/two`: InfluxDBConnectionError: InfluxDB does not answer
    hint: look at the security group
    `s3://b/three`: DataConversionError: the column `value` is missing
    ");
    assert_eq!(answer(&Caller::Asynchronous, &report), Err(error));
}

#[test]
fn a_message_that_would_have_no_end_counts_the_rest() {
    let objects = (0..1000).map(|number| failed(&format!("s3://b/{number}"), FailureKind::Write, &"x".repeat(5000)));
    let message = answer(&Caller::Direct, &report(objects.collect())).unwrap_err().error_message;
    assert!(message.len() < 17 * 1024, "{} bytes", message.len());
    assert!(message.ends_with("\nand 997 more"), "{}", &message[message.len() - 40..]);
}

#[test]
fn a_request_is_answered_with_a_status_headers_and_the_report() {
    let mut answer = answer(&Caller::ApiGateway, &report(vec![loaded()])).unwrap();
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    assert_eq!(body, json!(report(vec![loaded()])));
    answer["body"] = json!("…");
    insta::assert_snapshot!(answer, @r#"{"body":"…","headers":{"content-type":"application/json"},"isBase64Encoded":false,"statusCode":200}"#);
}

#[test]
fn a_request_that_fails_is_answered_not_failed() {
    for kind in FailureKind::ALL {
        let answer = answer(&Caller::ApiGateway, &report(vec![failed("s3://b/k", kind, "no")])).unwrap();
        assert_eq!(answer["statusCode"], kind.status());
    }
}

#[test]
fn a_bad_event_is_answered_as_its_caller_wants_it() {
    let answered = |payload: Value| {
        let error = event::read(&payload).unwrap_err();
        answer(&error.caller(), &Report::failed(Failure::new(FailureKind::BadEvent, &error)))
    };
    insta::assert_snapshot!(
        answered(json!({"requestContext": {"http": {}}, "body": "{\"bucket\": \"ons-energy-data\"}"})).unwrap(),
        @r#"{"body":"{\"failure\":{\"error_type\":\"UnexpectedError\",\"kind\":\"bad_event\",\"message\":\"the event is a broken API Gateway HTTP request: `body.key` is missing\"},\"objects\":[],\"skipped\":0,\"status\":\"failed\",\"totals\":{\"batches\":0,\"bytes_read\":0,\"bytes_written\":0,\"failed_batches\":0,\"filtered\":0,\"line_protocol_bytes\":0,\"points\":0,\"rejected\":{},\"requests\":0,\"retries\":0,\"rows\":0,\"superseded\":0,\"written\":0}}","headers":{"content-type":"application/json"},"isBase64Encoded":false,"statusCode":400}"#
    );
    let error = answered(json!({"bucket": "ons-energy-data"})).unwrap_err();
    insta::assert_snapshot!(format!("{}: {error}", error.error_type), @"UnexpectedError: the event is a broken direct invocation: `key` is missing");
}

#[test]
fn every_kind_of_failure_has_an_error_type_and_a_status() {
    let table: Vec<String> = FailureKind::ALL
        .iter()
        .map(|kind| format!("{} {} {}", json!(kind), kind.error_type(), kind.status()))
        .collect();
    insta::assert_snapshot!(table.join("\n"), @r#"
    "bad_event" UnexpectedError 400
    "method" UnexpectedError 405
    "not_allowed" UnexpectedError 403
    "not_found" UnexpectedError 404
    "unknown_dataset" DataConversionError 404
    "too_large" DataConversionError 413
    "forbidden" UnexpectedError 500
    "source" UnexpectedError 503
    "conversion" DataConversionError 400
    "converter" DataConversionError 500
    "connection" InfluxDBConnectionError 503
    "refused" InfluxDBConnectionError 500
    "write" InfluxDBWriteError 500
    "rejected" InfluxDBWriteError 422
    "deadline" UnexpectedError 503
    "unexpected" UnexpectedError 500
    "#);
}

#[test]
fn error_types_are_serialized_by_the_name_that_callers_know() {
    for error_type in ErrorType::ALL {
        assert_eq!(json!(error_type), json!(error_type.name()));
        assert_eq!(serde_json::from_value::<ErrorType>(json!(error_type.name())).unwrap(), error_type);
    }
}

#[test]
fn a_failure_tells_its_causes_in_a_line_and_the_hints_apart() {
    let cause = told("permission denied\nhint: allow `s3:GetObject`", None);
    let middle = told("the footer cannot be read", Some(cause));
    let failure =
        Failure::new(FailureKind::Forbidden, &told("`s3://b/k` cannot be opened\nhint: look again", Some(middle)));
    assert_eq!(failure.message(), "`s3://b/k` cannot be opened: the footer cannot be read: permission denied");
    assert_eq!(failure.hint(), Some("look again\nallow `s3:GetObject`"));
    insta::assert_snapshot!(failure, @"
    `s3://b/k` cannot be opened: the footer cannot be read: permission denied
    hint: look again
    allow `s3:GetObject`
    ");
}

#[test]
fn what_a_failure_names_does_not_control_a_terminal() {
    let named = told("`s3://b/\u{1b}[2Jk\r` has no time\nhint: rename `\u{7}`", None);
    let failure = Failure::new(FailureKind::Conversion, &told("first line\nsecond line", Some(named)));
    assert_eq!(failure.message(), "first line\nsecond line: `s3://b/\\u{1b}[2Jk\\r` has no time");
    assert_eq!(failure.hint(), Some("rename `\\u{7}`"));
}

#[test]
fn a_message_without_end_is_cut_between_characters() {
    let failure = failure(FailureKind::Write, &"é".repeat(100_000));
    assert_eq!(failure.message(), "é".repeat(2048) + "…");
}

#[test]
fn codes_beyond_the_hundredth_are_counted_together() {
    let mut accounts = Accounts::default();
    for code in 0..1000 {
        accounts.reject(&format!("code-{code}"), 2);
    }
    accounts.reject("code-7", 1);
    assert_eq!(accounts.rejected.len(), 101);
    assert_eq!((accounts.rejected["code-7"], accounts.rejected["other"]), (3, 1800));
    assert_eq!(accounts.rejected_total(), 2001);
}

#[test]
fn a_load_that_lost_a_row_does_not_balance() {
    let mut accounts = loaded().accounts;
    assert!(accounts.balances());
    accounts.rows += 1;
    assert!(!accounts.balances());
}

#[test]
fn the_message_of_a_rejected_row_is_bounded() {
    let mut report = ObjectReport::default();
    report.name_rejection(RejectedRow { message: "x".repeat(100_000), ..rejected(0, "invalid-value") });
    assert_eq!(report.rejections[0].message, "x".repeat(512) + "…");
}

/// Accounts with counts of any size, and few codes so that they meet.
fn accounts() -> impl Strategy<Value = Accounts> {
    let codes = prop::collection::btree_map("[abc]", 0..1000_u64, 0..3);
    (prop::array::uniform12(0..1000_u64), codes).prop_map(|(counts, rejected)| {
        let [
            rows,
            written,
            filtered,
            superseded,
            points,
            batches,
            failed_batches,
            requests,
            retries,
            bytes_read,
            line_protocol_bytes,
            bytes_written,
        ] = counts;
        Accounts {
            rows,
            written,
            rejected,
            filtered,
            superseded,
            points,
            batches,
            failed_batches,
            requests,
            retries,
            bytes_read,
            line_protocol_bytes,
            bytes_written,
        }
    })
}

/// Accounts as JSON, where each count is added to its namesake: what merging has to come to.
fn sum(one: &Value, other: &Value) -> Value {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let names: std::collections::BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            let zero = json!(0);
            let of = |members: &serde_json::Map<String, Value>, name: &str| members.get(name).unwrap_or(&zero).clone();
            names.into_iter().map(|name| (name.clone(), sum(&of(one, name), &of(other, name)))).collect()
        }
        (one, other) => json!(one.as_u64().unwrap() + other.as_u64().unwrap()),
    }
}

proptest! {
    #[test]
    fn merging_adds_every_count(one in accounts(), other in accounts()) {
        let mut merged = one.clone();
        merged.merge(&other);
        prop_assert_eq!(json!(merged), sum(&json!(one), &json!(other)));
    }

    #[test]
    fn accounts_that_balance_still_do_when_merged(pairs in prop::collection::vec(accounts(), 0..4)) {
        let balanced = pairs.into_iter().map(|accounts| Accounts {
            rows: accounts.written + accounts.rejected_total() + accounts.filtered,
            ..accounts
        });
        let report = report(balanced.map(|accounts| ObjectReport { accounts, ..ObjectReport::default() }).collect());
        prop_assert!(report.totals().balances());
    }

    #[test]
    fn the_first_rows_are_named_in_whatever_order_they_come(
        rows in Just((0..30_u64).collect::<Vec<_>>()).prop_shuffle(),
        count in 0..30_usize,
    ) {
        let mut report = ObjectReport::default();
        for row in &rows[..count] {
            report.name_rejection(rejected(*row, "invalid-value"));
        }
        let mut expected = rows[..count].to_vec();
        expected.sort_unstable();
        expected.truncate(MAXIMUM_REJECTIONS);
        prop_assert_eq!(report.rejections.iter().map(|rejected| rejected.row).collect::<Vec<_>>(), expected);
    }
}
