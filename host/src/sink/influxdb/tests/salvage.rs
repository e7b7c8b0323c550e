//! What becomes of a chunk that is refused, against servers that answer as the engines do.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use serde_json::json;

use super::*;
use crate::points::{Chunk, RejectedRow};

/// Lines that a server has kept.
type Kept = Arc<Mutex<BTreeSet<String>>>;

/// A server that keeps lines, but those that hold `bad`, as an engine does it.
async fn server(refuse: fn(&[String], &[usize]) -> (Reply, bool)) -> (ScriptedServer, Kept) {
    let kept = Kept::default();
    let store = Arc::clone(&kept);
    let server = ScriptedServer::start(move |_, request| {
        let lines: Vec<String> = request.text().lines().map(str::to_owned).collect();
        let bad: Vec<usize> = (0..lines.len()).filter(|line| lines[*line].contains("bad")).collect();
        let (reply, keeps) = if bad.is_empty() { (Reply::status(204), true) } else { refuse(&lines, &bad) };
        if keeps {
            store.lock().unwrap().extend(lines.into_iter().filter(|line| !line.contains("bad")));
        }
        reply
    })
    .await;
    (server, kept)
}

fn version_2(lines: &[String], bad: &[usize]) -> (Reply, bool) {
    let words: Vec<String> =
        bad.iter().map(|line| format!("unable to parse '{}': invalid number", lines[*line])).collect();
    (Reply::with(400, &[], &json!({ "code": "invalid", "message": words.join("\n") }).to_string()), false)
}

fn version_1(lines: &[String], bad: &[usize]) -> (Reply, bool) {
    let words: Vec<String> =
        bad.iter().map(|line| format!("unable to parse '{}': missing fields", lines[*line])).collect();
    (
        Reply::with(
            400,
            &[],
            &json!({ "error": format!("partial write: {} dropped=0", words.join("\n")) }).to_string(),
        ),
        true,
    )
}

fn version_3(lines: &[String], bad: &[usize]) -> (Reply, bool) {
    let data: Vec<_> = bad
        .iter()
        .map(|line| json!({ "line_number": line + 1, "original_line": lines[*line], "error_message": "No fields were provided" }))
        .collect();
    let body = json!({ "error": "partial write of line protocol occurred", "data": data });
    (Reply::with(400, &[], &body.to_string()), true)
}

fn version_3_one(lines: &[String], bad: &[usize]) -> (Reply, bool) {
    let line = bad[0];
    let data =
        json!({ "line_number": line + 1, "original_line": lines[line], "error_message": "No fields were provided" });
    (
        Reply::with(400, &[], &json!({ "error": "parsing failed for write_lp endpoint", "data": data }).to_string()),
        false,
    )
}

fn conflict(_: &[String], bad: &[usize]) -> (Reply, bool) {
    let words = format!(
        "partial write: field type conflict: input field \"x\" on measurement \"m\" is type float, already exists as type \
         integer dropped={}",
        bad.len()
    );
    let message = format!("failure writing points to database: {words} for database: 0 for retention policy: autogen");
    (Reply::with(422, &[], &json!({ "code": "unprocessable entity", "message": message }).to_string()), true)
}

/// One point of several in a row is dropped, and which one is unknown.
fn few_words(_: &[String], _: &[usize]) -> (Reply, bool) {
    (Reply::with(400, &[], r#"{"error":"partial write: max-values-per-tag limit exceeded dropped=1"}"#), true)
}

fn blank(_: &[String], _: &[usize]) -> (Reply, bool) {
    (Reply::with(400, &[], r#"{"error":"no"}"#), false)
}

/// A chunk of so many lines, a row each, of which some are bad.
fn lines(count: usize, bad: &[usize]) -> Chunk {
    let line = |number: usize| match bad.contains(&number) {
        true => format!("m,a={number} bad=1,x=1 {number}\n"),
        false => format!("m,a={number} y=1 {number}\n"),
    };
    Chunk::of_lines(&(0..count).map(line).collect::<String>())
}

/// Delivers, and checks that what is kept and what is rejected is the chunk.
async fn deliver(refuse: fn(&[String], &[usize]) -> (Reply, bool), count: usize, bad: &[usize]) -> (Delivery, usize) {
    let (server, kept) = server(refuse).await;
    let api = if refuse as *const () == version_1 as *const () { Api::V1 } else { Api::V2 };
    let chunk = lines(count, bad);
    let delivery = client(&server, api).write(&parcel(chunk), None).await.unwrap();
    let rejected: Vec<u64> = delivery.rejected.iter().map(|row| row.row).collect();
    assert_eq!(rejected, bad.iter().map(|row| *row as u64).collect::<Vec<_>>());
    assert_eq!(delivery.rows, (count - rejected.len()) as u64);
    assert_eq!(kept.lock().unwrap().len(), count - bad.len());
    let requests = server.received().len();
    assert_eq!(delivery.requests, requests as u64);
    (delivery, requests)
}

fn reasons(delivery: &Delivery) -> Vec<String> {
    let mut reasons: Vec<String> =
        delivery.rejected.iter().map(|RejectedRow { code, message, .. }| format!("{code}: {message}")).collect();
    reasons.dedup();
    reasons
}

#[tokio::test]
async fn lines_that_are_named_are_rejected_and_the_others_written() {
    let (delivery, requests) = deliver(version_2, 5000, &[1234]).await;
    assert_eq!((reasons(&delivery), requests), (vec!["refused: invalid number".to_owned()], 2));
    let (delivery, requests) = deliver(version_1, 5000, &[1234]).await;
    assert_eq!((reasons(&delivery), requests), (vec!["refused: missing fields".to_owned()], 1));
    let (delivery, requests) = deliver(version_3, 5000, &[1234, 4000]).await;
    assert_eq!((reasons(&delivery), requests), (vec!["refused: No fields were provided".to_owned()], 1));
    let (_, requests) = deliver(version_3_one, 100, &[7, 8]).await;
    assert_eq!(requests, 3);
}

#[tokio::test]
async fn a_chunk_of_bad_lines_alone_is_rejected_as_a_whole() {
    let all: Vec<usize> = (0..50).collect();
    assert_eq!(deliver(version_2, 50, &all).await.1, 1);
    assert_eq!(deliver(version_1, 50, &all).await.1, 1);
    assert_eq!(deliver(version_3, 50, &all).await.1, 1);
    assert_eq!(deliver(conflict, 50, &all).await.1, 1);
}

#[tokio::test]
async fn lines_with_the_field_in_conflict_are_sent_apart() {
    let bad: Vec<usize> = (0..1000).filter(|row| row % 3 == 0).collect();
    let (delivery, requests) = deliver(conflict, 1000, &bad).await;
    assert_eq!(requests, 3);
    assert!(
        reasons(&delivery)[0]
            .starts_with("type-conflict: failure writing points to database: partial write: field type")
    );
}

#[tokio::test]
async fn lines_that_nobody_names_are_found_by_halving() {
    let (_, requests) = deliver(few_words, 1000, &[777]).await;
    assert!(requests <= 21, "{requests} requests");
    let (delivery, requests) = deliver(blank, 64, &[0, 63]).await;
    assert_eq!(reasons(&delivery), ["refused: no"]);
    assert!(requests <= 25, "{requests} requests");
}

#[tokio::test]
async fn a_refusal_of_everything_that_says_nothing_of_points_fails() {
    for count in [1, 2, 1000] {
        let (server, _) = server(blank).await;
        let bad: Vec<usize> = (0..count).collect();
        let error = client(&server, Api::V2).write(&parcel(lines(count, &bad)), None).await.unwrap_err();
        assert!(
            matches!(&error, SinkError::Refused(Answer { status: 400, message, .. }) if message == "no"),
            "{error:?}"
        );
        assert!(server.received().len() < 25, "{} requests", server.received().len());
    }
}

#[tokio::test]
async fn a_server_that_names_other_lines_is_not_believed() {
    let lying: fn(&[String], &[usize]) -> (Reply, bool) =
        |_, _| (Reply::with(400, &[], r#"{"message":"unable to parse 'm,a=0 y=1 0x': no"}"#), false);
    let (_, requests) = deliver(lying, 16, &[5]).await;
    assert!(requests <= 9, "{requests} requests");
    let truncated: fn(&[String], &[usize]) -> (Reply, bool) =
        |_, _| (Reply::with(400, &[], r#"{"message":"unable to"#), false);
    deliver(truncated, 16, &[5]).await;
}

/// A server that takes bodies of so many bytes of line protocol.
async fn taking(bytes: usize) -> ScriptedServer {
    ScriptedServer::start(move |_, request| Reply::status(if request.text().len() > bytes { 413 } else { 204 })).await
}

#[tokio::test]
async fn what_is_too_large_is_halved_and_the_size_remembered() {
    let server = taking(70_000).await;
    let influxdb = client(&server, Api::V2);
    let chunk = parcel(lines(10_000, &[]));
    let first = influxdb.write(&chunk, None).await.unwrap();
    assert_eq!(first.rows, 10_000);
    let second = influxdb.write(&chunk, None).await.unwrap();
    assert!(second.requests < first.requests, "{} requests, then {}", first.requests, second.requests);
    let received = server.received();
    let later = received.iter().zip(0..).filter(|(_, number)| *number >= first.requests);
    assert!(later.clone().all(|(request, _)| request.text().len() <= 70_000), "what was too large is retried");
    assert_eq!(later.count() as u64, second.requests);
}

#[tokio::test]
async fn a_row_that_is_too_large_alone_is_rejected() {
    let server = taking(70_000).await;
    let mut text: String = (0..100).map(|number| format!("m,a={number} x=1 {number}\n")).collect();
    text.push_str(&format!("m x=\"{}\" 1\n", "long ".repeat(20_000)));
    let delivery = client(&server, Api::V2).write(&parcel(Chunk::of_lines(&text)), None).await.unwrap();
    assert_eq!(
        (delivery.rows, reasons(&delivery)),
        (100, vec!["too-large: the row's 100009 bytes are more than the server takes".to_owned()])
    );
}

#[tokio::test]
async fn a_server_that_finds_everything_too_large_fails() {
    let (text, error, requests) = refused(Reply::with(413, &[], "<html>")).await;
    insta::assert_snapshot!(text, @"
    the request of 51 bytes is too large: `http://server/api/v2/write` answered 413, <html> (4 attempts)
    hint: lower `MAX_BATCH_SIZE` or `MAX_BATCH_BYTES`
    ");
    assert_eq!((error.kind(), requests), (SinkErrorKind::Write, 4));
}

#[tokio::test]
async fn the_row_that_breaks_the_connection_is_found() {
    let server = ScriptedServer::start(|_, request| match request.text().contains("bad") {
        true => Reply::Break,
        false => Reply::status(204),
    })
    .await;
    let delivery = client(&server, Api::V2).write(&parcel(lines(1000, &[613])), None).await.unwrap();
    assert_eq!(
        (delivery.rows, reasons(&delivery)),
        (999, vec!["connection-lost: the connection breaks whenever the row is sent".to_owned()])
    );
    assert_eq!(delivery.rejected[0].row, 613);
}

#[tokio::test]
async fn a_server_that_breaks_every_connection_is_not_searched_for_rows() {
    let server = ScriptedServer::start(|_, request| match request.line.as_str() {
        "GET /ping" => Reply::status(204),
        _ => Reply::Break,
    })
    .await;
    let error = client(&server, Api::V2).write(&parcel(lines(1000, &[])), None).await.unwrap_err();
    assert!(matches!(error, SinkError::ConnectionLost { .. }), "{error:?}");
    assert!(server.received().len() < 40, "{} requests", server.received().len());
}

#[tokio::test]
async fn a_connection_that_was_kept_and_is_gone_is_replaced_at_once() {
    let server = ScriptedServer::replying([Reply::status(204), Reply::Break, Reply::status(204)]).await;
    let slow = Backoff { base: Duration::from_secs(60), cap: Duration::from_secs(60) };
    let influxdb = InfluxDb::with_backoff(settings(&server, Api::V2), &write_settings(), slow).unwrap();
    write(&influxdb).await.unwrap();
    let delivery = write(&influxdb).await.unwrap();
    assert_eq!((delivery.requests, delivery.retries), (2, 0));
    assert!(delivery.latency < Duration::from_secs(1));
}

#[tokio::test]
async fn points_beyond_retention_are_the_oldest() {
    let kept = Kept::default();
    let store = Arc::clone(&kept);
    let server = ScriptedServer::start(move |_, request| {
        let text = request.text();
        let time = |line: &str| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap();
        let (old, new): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| time(line) < 300);
        store.lock().unwrap().extend(new.into_iter().map(str::to_owned));
        match old.len() {
            0 => Reply::status(204),
            count => Reply::with(
                400,
                &[],
                &json!({ "error": format!("partial write: points beyond retention policy dropped={count}") })
                    .to_string(),
            ),
        }
    })
    .await;
    // The newest first.
    let text: String = (0..1000).rev().map(|time| format!("m x=1 {time}\n")).collect();
    let delivery = client(&server, Api::V1).write(&parcel(Chunk::of_lines(&text)), None).await.unwrap();
    assert_eq!((delivery.rows, delivery.rejected.len(), delivery.requests), (700, 300, 3));
    assert!(delivery.rejected.iter().all(|row| row.row >= 700));
    assert_eq!(kept.lock().unwrap().len(), 700);
}
