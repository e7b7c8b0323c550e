//! How a server is recognized, and what it is asked then.

use super::*;

fn pinged(reply: Reply) -> impl Future<Output = ScriptedServer> {
    ScriptedServer::start(move |_, request| match request.line.as_str() {
        "GET /ping" => reply.clone(),
        _ => Reply::status(204),
    })
}

fn version(version: &str) -> Reply {
    Reply::with(204, &[("X-Influxdb-Version", version)], "")
}

fn version_3() -> Reply {
    Reply::with(200, &[], r#"{"version":"3.4.1","revision":"x","process_id":"y"}"#)
}

async fn lines(reply: Reply) -> Vec<String> {
    let server = pinged(reply).await;
    let influxdb = client(&server, Api::Auto);
    let writes = join_all((0..3).map(|_| write(&influxdb))).await;
    assert!(writes.iter().all(Result::is_ok), "{writes:?}");
    server.received().into_iter().map(|request| request.line).collect()
}

#[tokio::test]
async fn the_engine_is_asked_for_once_and_without_credentials() {
    let server = pinged(version("v2.7.12")).await;
    let influxdb = client(&server, Api::Auto);
    let health = influxdb.reach(None).await.unwrap();
    assert_eq!((health.engine, health.version.as_deref(), health.status), (Some(Engine::V2), Some("v2.7.12"), 204));
    assert_eq!(health.url, format!("{}/ping", server.url));
    write(&influxdb).await.unwrap();
    write(&influxdb).await.unwrap();
    let received = server.received();
    let pings: Vec<_> = received.iter().filter(|request| request.line == "GET /ping").collect();
    assert_eq!((pings.len(), received.len()), (1, 3));
    assert_eq!(pings[0].header("authorization"), None);
}

#[tokio::test]
async fn an_engine_gets_its_own_protocol() {
    let answers = [
        (version("1.8.10"), "/write"),
        // As VictoriaMetrics answers.
        (Reply::status(204), "/write"),
        (version("v2.7.12"), "/api/v2/write"),
        (version("2.0.0-rc"), "/api/v2/write"),
        (version_3(), "/api/v3/write_lp"),
        // As 3 answers where even a ping needs a token.
        (Reply::with(401, &[("cluster-uuid", "0")], ""), "/api/v3/write_lp"),
    ];
    for (answer, path) in answers {
        let lines = lines(answer).await;
        assert_eq!(lines[0], "GET /ping");
        assert_eq!(lines.len(), 4);
        assert!(lines[1..].iter().all(|line| line.starts_with(&format!("POST {path}?"))), "{lines:?}");
    }
}

#[tokio::test]
async fn version_3_gets_every_parameter_and_a_bearer_of_a_token() {
    let server = ScriptedServer::replying([Reply::status(204)]).await;
    write(&client(&server, Api::V3)).await.unwrap();
    let received = server.received();
    let parameters = "db=energy_data&precision=nanosecond&accept_partial=false&no_sync=false";
    assert_eq!(received[0].line, format!("POST /api/v3/write_lp?{parameters}"));
    assert_eq!(received[0].header("authorization"), Some("Bearer token-of-the-test"));
}

#[tokio::test]
async fn version_3_is_not_written_to_as_if_it_were_older() {
    for api in [Api::V1, Api::V2] {
        let server = pinged(version_3()).await;
        let error = client(&server, api).reach(None).await.unwrap_err();
        assert_eq!((error.kind(), server.received().len()), (SinkErrorKind::Refused, 1));
        insta::allow_duplicates! {
            insta::assert_snapshot!(stable(&server, &error.to_string()), @r"
            `http://server/` is InfluxDB 3.4.1, which must not be written to by the API of older versions
            hint: set `INFLUXDB_API` to `v3` or `auto`
            ");
        }
    }
}

#[tokio::test]
async fn a_server_that_is_none_of_them_is_an_error_only_where_it_is_asked() {
    let server = pinged(Reply::with(404, &[], "not here")).await;
    let error = client(&server, Api::Auto).reach(None).await.unwrap_err();
    insta::assert_snapshot!(stable(&server, &error.to_string()), @r"
    `http://server/ping` answered 404, which does not identify the engine
    hint: check `INFLUXDB_URL` and the token, or set `INFLUXDB_API` to `v1`, `v2` or `v3`
    ");
    assert_eq!(error.kind(), SinkErrorKind::Refused);
    let health = client(&server, Api::V2).reach(None).await.unwrap();
    assert_eq!((health.engine, health.version, health.status), (None, None, 404));
}

#[tokio::test]
async fn a_server_that_tells_nobody_what_it_is_is_asked_with_the_token() {
    let server = ScriptedServer::start(|_, request| match request.header("authorization") {
        Some("Bearer token-of-the-test") => version_3(),
        _ => Reply::status(401),
    })
    .await;
    assert_eq!(client(&server, Api::Auto).reach(None).await.unwrap().engine, Some(Engine::V3));
    // What may be 3 is not written to by the API of older versions.
    for api in [Api::V1, Api::V2] {
        let error = client(&server, api).reach(None).await.unwrap_err();
        assert!(matches!(error, SinkError::WrongApi { .. }), "{error:?}");
        let closed = pinged(Reply::status(401)).await;
        let error = client(&closed, api).reach(None).await.unwrap_err();
        assert!(matches!(error, SinkError::UnknownEngine { status: 401, .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_ping_is_tried_again_like_a_write() {
    let server = ScriptedServer::replying([Reply::status(503), version("v2.7.12")]).await;
    assert_eq!(client(&server, Api::Auto).reach(None).await.unwrap().engine, Some(Engine::V2));
}
