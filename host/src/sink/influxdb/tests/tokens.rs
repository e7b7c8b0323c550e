//! Tokens that are kept in Secrets Manager: a scripted one, spoken to by the SDK.

use aws_sdk_secretsmanager::config::{BehaviorVersion, Credentials as Keys, Region};

use super::*;

/// A Secrets Manager that holds these secrets, one after the other.
async fn secrets_manager(secrets: &[&str]) -> ScriptedServer {
    let replies: Vec<Reply> = secrets
        .iter()
        .map(|secret| Reply::with(200, &[], &serde_json::json!({ "SecretString": secret }).to_string()))
        .collect();
    ScriptedServer::replying(replies).await
}

fn with_secret(server: &ScriptedServer, secrets: &ScriptedServer) -> InfluxDb {
    let config = aws_sdk_secretsmanager::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Keys::new("key", "secret", None, None, "test"))
        .endpoint_url(&secrets.url)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    let influxdb = client(server, Api::V2);
    let endpoint = Endpoint::new(Engine::V2, &influxdb.url, &influxdb.settings, None, false);
    let credentials = http::Credentials::secret("the/secret", aws_sdk_secretsmanager::Client::from_conf(config));
    influxdb.endpoint.set(Endpoint { credentials, ..endpoint }).unwrap();
    influxdb
}

/// An InfluxDB that takes one token.
async fn taking(token: &'static str) -> ScriptedServer {
    ScriptedServer::start(move |_, request| {
        let right = request.header("authorization") == Some(&format!("Token {token}"));
        Reply::status(if right { 204 } else { 401 })
    })
    .await
}

#[tokio::test]
async fn a_secret_is_read_once() {
    for secret in ["one", " one\n", r#"{"token":"one","bucket":"b"}"#] {
        let (server, secrets) = (taking("one").await, secrets_manager(&[secret]).await);
        let influxdb = with_secret(&server, &secrets);
        write(&influxdb).await.unwrap();
        write(&influxdb).await.unwrap();
        assert_eq!((server.received().len(), secrets.received().len()), (2, 1), "{secret}");
        assert_eq!(secrets.received()[0].header("x-amz-target"), Some("secretsmanager.GetSecretValue"));
        assert_eq!(secrets.received()[0].text(), r#"{"SecretId":"the/secret"}"#);
    }
}

#[tokio::test]
async fn a_rotated_secret_is_read_again() {
    let (server, secrets) = (taking("two").await, secrets_manager(&["one", "two"]).await);
    let influxdb = with_secret(&server, &secrets);
    assert_eq!(write(&influxdb).await.unwrap().requests, 2);
    assert_eq!(write(&influxdb).await.unwrap().requests, 1);
    assert_eq!(secrets.received().len(), 2);
}

#[tokio::test]
async fn many_refused_writes_read_the_secret_once() {
    let (server, secrets) = (taking("two").await, secrets_manager(&["one", "two"]).await);
    let influxdb = with_secret(&server, &secrets);
    let writes = join_all((0..8).map(|_| write(&influxdb))).await;
    assert!(writes.iter().all(Result::is_ok), "{writes:?}");
    assert_eq!(secrets.received().len(), 2);
}

#[tokio::test]
async fn a_wrong_secret_is_read_again_once() {
    for (rotated, requests) in [("two", 2), ("one", 1)] {
        let (server, secrets) = (taking("three").await, secrets_manager(&["one", rotated]).await);
        let error = write(&with_secret(&server, &secrets)).await.unwrap_err();
        assert!(matches!(error, SinkError::Unauthorized(_)), "{error:?}");
        // The same token again need not be tried.
        assert_eq!((server.received().len(), secrets.received().len()), (requests, 2));
    }
}

async fn error_of(secret: &str) -> String {
    let (server, secrets) = (taking("one").await, secrets_manager(&[secret]).await);
    let error = write(&with_secret(&server, &secrets)).await.unwrap_err();
    assert_eq!((error.kind(), server.received().len()), (SinkErrorKind::Refused, 0));
    format!("{error}: {}", error.source().unwrap())
}

#[tokio::test]
async fn a_secret_without_a_token_is_named_and_not_shown() {
    insta::assert_snapshot!(error_of(r#"{"username":"admin","password":"hunter2"}"#).await, @r"
    InfluxDB's token cannot be had: the secret `the/secret` is JSON without the key `token`, a text that is not empty; its keys: password, username
    hint: from the secret that Timestream for InfluxDB 2 makes, which holds a user and a password, `influxdb-loader token the/secret` makes a token; for 1.x, `username` and `password` are read
    ");
    insta::assert_snapshot!(error_of(r#"{"token":{"value":"hunter2"}}"#).await, @r"
    InfluxDB's token cannot be had: the secret `the/secret` is JSON without the key `token`, a text that is not empty; its keys: token
    hint: from the secret that Timestream for InfluxDB 2 makes, which holds a user and a password, `influxdb-loader token the/secret` makes a token; for 1.x, `username` and `password` are read
    ");
    insta::assert_snapshot!(error_of(r#"{"token":"hunter2""#).await, @"InfluxDB's token cannot be had: the secret `the/secret` starts like JSON, and is none");
    insta::assert_snapshot!(error_of("hunter2 and more").await, @"InfluxDB's token cannot be had: the token from the secret `the/secret` is empty, or has characters that no token has");
    insta::assert_snapshot!(error_of("").await, @"InfluxDB's token cannot be had: the token from the secret `the/secret` is empty, or has characters that no token has");
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_says_why() {
    let denied = Reply::with(400, &[], r#"{"__type":"ResourceNotFoundException","message":"no such secret"}"#);
    let (server, secrets) = (taking("one").await, ScriptedServer::replying([denied]).await);
    let error = write(&with_secret(&server, &secrets)).await.unwrap_err();
    insta::assert_snapshot!(chain(&error), @r"
    InfluxDB's token cannot be had
    the secret `the/secret` cannot be read from Secrets Manager
    ResourceNotFoundException, no such secret
    ");
}

#[tokio::test]
async fn a_silent_secrets_manager_is_not_waited_for_past_the_deadline() {
    let (server, secrets) = (taking("one").await, ScriptedServer::replying([Reply::Silence]).await);
    let error = with_secret(&server, &secrets).write(&parcel(chunk()), soon(200)).await.unwrap_err();
    assert!(matches!(error, SinkError::DeadlineReached { .. }), "{error:?}");
}

#[tokio::test]
async fn what_is_secret_is_not_printed() {
    let server = taking(TOKEN).await;
    let influxdb = client(&server, Api::V2);
    write(&influxdb).await.unwrap();
    assert!(!format!("{influxdb:?}").contains(TOKEN), "{influxdb:?}");
}
