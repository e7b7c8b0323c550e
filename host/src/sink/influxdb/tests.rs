//! Against a server that answers as told: what is sent, how often, after which waits, and which error comes of it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod engines;
mod health;
mod salvage;
mod tokens;

use std::error::Error;
use std::time::Duration;

use futures_util::future::join_all;

use super::super::scripted_server::{Reply, ScriptedServer};
use super::super::{Answer, SinkErrorKind};
use super::*;
use crate::config::{Compression, Login, Secret, Token};
use crate::points::Chunk;
use crate::sink::Packer;

const TOKEN: &str = "token-of-the-test";
const BACKOFF: Backoff = Backoff { base: Duration::from_millis(2), cap: Duration::from_millis(10) };

fn settings(server: &ScriptedServer, api: Api) -> InfluxDbSettings {
    InfluxDbSettings {
        url: server.url.clone(),
        api,
        organization: "ons & energy".to_owned(),
        bucket: "energy_data".to_owned(),
        token: Some(Token::Value(Secret::new(TOKEN))),
        read_token: None,
        login: None,
        ca_file: None,
    }
}

fn write_settings() -> WriteSettings {
    WriteSettings {
        batch_points: Some(1000),
        batch_bytes: Some(1_000_000),
        order: LoadOrder::File,
        compression: Compression::Gzip,
        concurrency: Some(4),
        rate: None,
        no_sync: false,
        retries: Some(3),
        patience: Duration::from_secs(300),
        request_timeout: Duration::from_secs(10),
        connect_timeout: Duration::from_secs(3),
    }
}

fn client(server: &ScriptedServer, api: Api) -> InfluxDb {
    InfluxDb::with_backoff(settings(server, api), &write_settings(), BACKOFF).unwrap()
}

fn parcel(chunk: Chunk) -> Parcel {
    Packer::new(true).pack(chunk)
}

fn chunk() -> Chunk {
    Chunk::of_lines("power,region=N mw=1 1\npower,region=S mw=2 2\n")
}

async fn write(influxdb: &InfluxDb) -> Result<Delivery, SinkError> {
    influxdb.write(&parcel(chunk()), None).await
}

fn soon(milliseconds: u64) -> Option<Instant> {
    Some(Instant::now() + Duration::from_millis(milliseconds))
}

/// The error of a write, with what changes from run to run taken out.
async fn refused(reply: Reply) -> (String, SinkError, usize) {
    let server = ScriptedServer::replying([reply]).await;
    let error = write(&client(&server, Api::V2)).await.unwrap_err();
    let text = stable(&server, &error.to_string());
    assert!(!format!("{error} {error:?}").contains(TOKEN));
    (text, error, server.received().len())
}

fn stable(server: &ScriptedServer, text: &str) -> String {
    let mut text = text.replace(&server.url, "http://server");
    while let Some(start) = text.find(" in ").filter(|start| text[*start..].contains("s)")) {
        let end = start + text[start..].find(')').unwrap();
        text.replace_range(start..end, "");
    }
    text
}

/// An error and its causes, a line each.
fn chain(error: &dyn Error) -> String {
    let mut chain = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        chain = format!("{chain}\n{cause}");
        source = cause.source();
    }
    chain
}

#[tokio::test]
async fn a_chunk_is_one_compressed_request_of_the_v2_api() {
    let server = ScriptedServer::replying([Reply::status(204)]).await;
    let delivery = write(&client(&server, Api::V2)).await.unwrap();
    let received = server.received();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].line, "POST /api/v2/write?org=ons+%26+energy&bucket=energy_data&precision=ns");
    assert_eq!(received[0].header("authorization"), Some("Token token-of-the-test"));
    assert_eq!(received[0].header("content-encoding"), Some("gzip"));
    assert_eq!(received[0].header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(received[0].text().as_bytes(), chunk().body());
    assert_eq!((delivery.rows, delivery.points, delivery.requests, delivery.retries), (2, 2, 1, 0));
    assert_eq!(delivery.bytes_written, received[0].body.len() as u64);
}

#[tokio::test]
async fn the_v1_api_gets_the_database_and_the_login() {
    let server = ScriptedServer::replying([Reply::status(204)]).await;
    let login = Login { username: "loader".to_owned(), password: Secret::new("p:w") };
    let settings = InfluxDbSettings { login: Some(login), ..settings(&server, Api::V1) };
    write(&InfluxDb::new(settings, &write_settings()).unwrap()).await.unwrap();
    let received = server.received();
    assert_eq!(received[0].line, "POST /write?db=energy_data&precision=ns");
    assert_eq!(received[0].header("authorization"), Some("Basic bG9hZGVyOnA6dw=="));
}

#[tokio::test]
async fn without_credentials_none_are_sent() {
    let server = ScriptedServer::replying([Reply::status(204)]).await;
    let settings = InfluxDbSettings { token: None, ..settings(&server, Api::V1) };
    write(&InfluxDb::new(settings, &write_settings()).unwrap()).await.unwrap();
    assert_eq!(server.received()[0].header("authorization"), None);
}

#[tokio::test]
async fn every_transient_status_is_tried_again_with_the_same_bytes() {
    for status in [408, 429, 500, 502, 503, 504] {
        let server = ScriptedServer::replying([Reply::status(status), Reply::status(status), Reply::status(204)]).await;
        let delivery = write(&client(&server, Api::V2)).await.unwrap();
        let received = server.received();
        assert_eq!((delivery.requests, delivery.retries, received.len()), (3, 2, 3), "status {status}");
        assert!(received.iter().all(|request| request.body == received[0].body), "status {status}");
    }
}

#[tokio::test]
async fn a_broken_connection_is_tried_again() {
    let server = ScriptedServer::replying([Reply::Break, Reply::status(204)]).await;
    assert_eq!(write(&client(&server, Api::V2)).await.unwrap().requests, 2);
}

#[tokio::test]
async fn a_silent_server_is_tried_again_after_the_request_timeout() {
    let server = ScriptedServer::replying([Reply::Silence, Reply::status(204)]).await;
    let write_settings = WriteSettings { request_timeout: Duration::from_millis(100), ..write_settings() };
    let influxdb = InfluxDb::with_backoff(settings(&server, Api::V2), &write_settings, BACKOFF).unwrap();
    let delivery = write(&influxdb).await.unwrap();
    assert_eq!(delivery.requests, 2);
    assert!(delivery.latency >= Duration::from_millis(100));
}

#[tokio::test]
async fn the_server_is_left_alone_for_as_long_as_it_asks() {
    let busy = Reply::with(503, &[("retry-after", "1")], "");
    let server = ScriptedServer::replying([busy, Reply::status(204)]).await;
    write(&client(&server, Api::V2)).await.unwrap();
    let received = server.received();
    assert!(received[1].at - received[0].at >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_failing_server_is_given_up_after_the_last_retry() {
    let (text, error, requests) = refused(Reply::with(503, &[], r#"{"code":"unavailable","message":"busy"}"#)).await;
    insta::assert_snapshot!(text, @"InfluxDB is failing or too busy: `http://server/api/v2/write` answered 503, busy (4 attempts)");
    assert_eq!((error.kind(), requests), (SinkErrorKind::Connection, 4));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    let server = ScriptedServer::replying([Reply::status(204)]).await;
    let influxdb = client(&server, Api::V2);
    let url = server.url.clone();
    drop(server);
    tokio::task::yield_now().await;
    let error = write(&influxdb).await.unwrap_err();
    assert!(
        error.to_string().starts_with(&format!("`{url}/api/v2/write` cannot be reached (4 attempts in ")),
        "{error}"
    );
    assert_eq!(error.kind(), SinkErrorKind::Connection);
    assert!(chain(&error).contains("Connection refused"), "{error:?}");
}

#[tokio::test]
async fn no_wait_and_no_attempt_goes_past_the_deadline() {
    let busy = Reply::with(503, &[("retry-after", "30")], "");
    let server = ScriptedServer::replying([busy]).await;
    let error = client(&server, Api::V2).write(&parcel(chunk()), soon(5_000)).await.unwrap_err();
    let SinkError::DeadlineReached { tries, source: Some(source), .. } = &error else { panic!("{error:?}") };
    assert_eq!(tries.attempts, 1);
    assert!(tries.elapsed < Duration::from_secs(4), "it waited for nothing");
    assert!(matches!(**source, SinkError::ServerFailing(_)));

    let server = ScriptedServer::replying([Reply::Silence]).await;
    let started = Instant::now();
    let error = client(&server, Api::V2).write(&parcel(chunk()), soon(200)).await.unwrap_err();
    assert!(matches!(error, SinkError::DeadlineReached { source: Some(_), .. }), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn credentials_that_are_refused_fail_at_once() {
    let (text, error, requests) =
        refused(Reply::with(401, &[], r#"{"code":"unauthorized","message":"unauthorized access"}"#)).await;
    insta::assert_snapshot!(text, @r"
    the credentials are refused: `http://server/api/v2/write` answered 401, unauthorized access (1 attempt)
    hint: check `INFLUXDB_TOKEN`, the secret that `INFLUXDB_TOKEN_SECRET_NAME` names, or for 1.x `INFLUXDB_USERNAME` and `INFLUXDB_PASSWORD`
    ");
    assert_eq!((error.kind(), requests), (SinkErrorKind::Refused, 1));
    let (text, error, requests) =
        refused(Reply::with(403, &[], r#"{"code":"forbidden","message":"insufficient permissions"}"#)).await;
    insta::assert_snapshot!(text, @r"
    the credentials do not grant access to bucket `energy_data` of organization `ons & energy`: `http://server/api/v2/write` answered 403, insufficient permissions (1 attempt)
    hint: give the token, or for 1.x the user, the right to
    ");
    assert_eq!((error.kind(), requests), (SinkErrorKind::Refused, 1));
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_named() {
    let (text, error, requests) =
        refused(Reply::with(404, &[], r#"{"code":"not found","message":"bucket \"energy_data\" not found"}"#)).await;
    insta::assert_snapshot!(text, @r#"bucket `energy_data` of organization `ons & energy` does not exist: `http://server/api/v2/write` answered 404, bucket "energy_data" not found (1 attempt)"#);
    assert_eq!((error.kind(), requests), (SinkErrorKind::Refused, 1));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = ScriptedServer::replying([Reply::status(204)]).await;
    let location = format!("{}/api/v2/write", elsewhere.url);
    let server = ScriptedServer::replying([Reply::with(307, &[("location", &location)], "")]).await;
    let error = write(&client(&server, Api::V2)).await.unwrap_err();
    assert!(matches!(&error, SinkError::Redirected { status: 307, location: to, .. } if *to == location), "{error:?}");
    assert_eq!(elsewhere.received().len(), 0);
}

#[tokio::test]
async fn only_204_says_that_points_are_written() {
    let (text, error, requests) = refused(Reply::with(200, &[], "<html>")).await;
    insta::assert_snapshot!(text, @r"
    this is not an answer of InfluxDB: `http://server/api/v2/write` answered 200, <html> (1 attempt)
    hint: check `INFLUXDB_URL` and `INFLUXDB_API`
    ");
    assert_eq!((error.kind(), requests), (SinkErrorKind::Refused, 1));
}

#[tokio::test]
async fn a_path_that_is_not_there_is_told_from_a_bucket() {
    let (text, ..) = refused(Reply::with(404, &[], "404 page not found\n")).await;
    insta::assert_snapshot!(text, @r"
    this is not an answer of InfluxDB: `http://server/api/v2/write` answered 404, 404 page not found (1 attempt)
    hint: check `INFLUXDB_URL` and `INFLUXDB_API`
    ");
}

#[tokio::test]
async fn a_body_without_end_is_cut_off() {
    let started = Instant::now();
    let (text, error, _) = refused(Reply::Endless(400)).await;
    assert!(started.elapsed() < http::BODY_PATIENCE / 2, "it was cut off by time, not by size");
    assert!(matches!(error, SinkError::Refused(Answer { status: 400, .. })), "{error:?}");
    assert!(text.len() < 1000);
}

#[tokio::test]
async fn a_body_that_does_not_come_says_what_it_said() {
    let server = ScriptedServer::replying([Reply::Stuck(400)]).await;
    let write_settings = WriteSettings { request_timeout: Duration::from_millis(200), ..write_settings() };
    let error = write(&InfluxDb::new(settings(&server, Api::V2), &write_settings).unwrap()).await.unwrap_err();
    assert!(matches!(&error, SinkError::Refused(answer) if answer.message == "half"), "{error:?}");
}
