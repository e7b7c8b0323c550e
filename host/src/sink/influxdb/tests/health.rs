//! Whether a server is well, and a point that is written and read back.

use super::*;

/// A server of an engine: `ping` is its answer to that, `health` to `/health`, `query` to queries.
async fn server(ping: Reply, health: Reply, query: Reply) -> ScriptedServer {
    ScriptedServer::start(move |_, request| match request.line.split(['?', ' ']).nth(1) {
        Some("/ping") => ping.clone(),
        Some("/health") => health.clone(),
        Some("/query" | "/api/v2/query" | "/api/v3/query_sql") => query.clone(),
        _ => Reply::status(204),
    })
    .await
}

fn version_2() -> Reply {
    Reply::with(204, &[("X-Influxdb-Version", "v2.7.12")], "")
}

fn well() -> Reply {
    Reply::with(200, &[], r#"{"name":"influxdb","message":"ready for queries and writes","status":"pass"}"#)
}

#[tokio::test]
async fn version_2_is_asked_whether_it_is_well() {
    let server = server(version_2(), well(), Reply::status(200)).await;
    let health = client(&server, Api::Auto).health(None).await.unwrap();
    assert_eq!(health.engine, Some(Engine::V2));
    let lines: Vec<String> = server.received().into_iter().map(|request| request.line).collect();
    assert_eq!(lines, ["GET /ping", "GET /health"]);
}

#[tokio::test]
async fn a_server_that_says_that_it_is_not_well_is_not() {
    let unwell = Reply::with(503, &[], r#"{"name":"influxdb","message":"the disk is full","status":"fail"}"#);
    let server = server(version_2(), unwell, Reply::status(200)).await;
    let error = client(&server, Api::Auto).health(None).await.unwrap_err();
    insta::assert_snapshot!(stable(&server, &error.to_string()), @"InfluxDB is not well: `http://server/health` answered 503, the disk is full (1 attempt)");
    assert_eq!(error.kind(), SinkErrorKind::Connection);
}

#[tokio::test]
async fn a_point_is_written_and_read_back_from_every_engine() {
    let csv =
        ",result,table,_start,_stop,_time,_value,_field,_measurement\n,_result,0,a,b,c,1,value,influxdb_loader_probe\n";
    let json = r#"{"results":[{"statement_id":0,"series":[{"name":"influxdb_loader_probe","columns":["time","value"],"values":[[1,1]]}]}]}"#;
    for (api, answer, query) in [
        (Api::V1, json, "GET /query?db=energy_data&epoch=ns&q=SELECT+value+FROM+influxdb_loader_probe+WHERE+time+%3D+"),
        (Api::V2, csv, "POST /api/v2/query?org=ons+%26+energy"),
        (Api::V3, r#"[{"value":1}]"#, "POST /api/v3/query_sql"),
    ] {
        let server = server(Reply::status(204), well(), Reply::with(200, &[], answer)).await;
        client(&server, api).probe(None).await.unwrap();
        let received = server.received();
        assert_eq!(received.len(), 2);
        let (line, time) =
            received[0].text().trim_end().rsplit_once(' ').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        assert_eq!(line, "influxdb_loader_probe value=1i");
        assert!(received[1].line.starts_with(query), "{}", received[1].line);
        assert!(format!("{}{}", received[1].line, received[1].text()).contains(&time));
        assert!(received[1].header("authorization").is_some());
    }
}

#[tokio::test]
async fn a_point_that_is_not_there_is_looked_for_a_few_times() {
    let server = server(Reply::status(204), well(), Reply::with(200, &[], "[]")).await;
    let error = client(&server, Api::V3).probe(None).await.unwrap_err();
    insta::assert_snapshot!(stable(&server, &error.to_string()), @"`http://server/api/v3/query_sql` does not give back a point that it has taken");
    assert_eq!((error.kind(), server.received().len()), (SinkErrorKind::Write, 6));
}

#[tokio::test]
async fn a_token_that_may_not_read_is_said_to_be_so() {
    let forbidden = Reply::with(403, &[], r#"{"code":"forbidden","message":"insufficient permissions for read"}"#);
    // As 2.7 answers.
    let hidden =
        r#"{"code":"not found","message":"failed to initialize execute state: could not find bucket \"energy_data\""}"#;
    for (api, answer) in [
        (Api::V1, forbidden.clone()),
        (Api::V2, forbidden.clone()),
        (Api::V2, Reply::with(404, &[], hidden)),
        (Api::V3, forbidden),
    ] {
        let server = server(Reply::status(204), well(), answer).await;
        let Probe { read, .. } = client(&server, api).probe(None).await.unwrap();
        let error = read.unwrap_err();
        assert!(matches!(error, SinkError::Unreadable { .. }), "{api:?}: {error}");
        assert_eq!(error.kind(), SinkErrorKind::Refused);
    }
}

#[tokio::test]
async fn a_database_that_is_gone_is_not_one_that_may_not_be_read() {
    for api in [Api::V1, Api::V3] {
        let gone = Reply::with(404, &[], r#"{"error":"database not found: \"energy_data\""}"#);
        let server = server(Reply::status(204), well(), gone).await;
        let error = client(&server, api).probe(None).await.unwrap_err();
        assert!(matches!(error, SinkError::NotFound { .. }), "{api:?}: {error}");
    }
}
