//! The servers that the other suites rely on: each starts, takes a point or an object, gives it back, and ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use influxdb_loader_tests::{
    InfluxDb, InfluxDb2, InfluxServer, LambdaEmulator, Moto, Request, Responder, Response, Settings, Stream, Toxic,
    Toxiproxy, Versitygw, request,
};
use serde_json::json;

const BUCKET: &str = "energy_data";

fn assert_gives_back_the_points_that_it_took(influxdb: &mut InfluxServer) {
    assert_eq!(influxdb.number(BUCKET, "count(value)", "load"), 0.0);
    let answer = influxdb.write(BUCKET, "load,region=north value=1.5 1\nload,region=north value=2 2\n");
    assert_eq!(answer.status, 204, "{}", answer.text());
    influxdb.restart();
    assert_eq!(influxdb.write(BUCKET, "load,region=south value=3 3\n").status, 204);
    influxdb.kill();
    influxdb.start_again();
    assert_eq!(influxdb.number(BUCKET, "count(value)", "load"), 3.0);
    assert_eq!(influxdb.number(BUCKET, "sum(value)", "load"), 6.5);
    let csv = influxdb.query_csv(BUCKET, "SELECT value FROM load WHERE region = 'south'");
    assert_eq!(csv, "name,tags,time,value\nload,,3,3\n");
}

#[test]
fn influxdb_1_gives_back_the_points_that_it_took() {
    assert_gives_back_the_points_that_it_took(&mut InfluxDb::start(BUCKET));
}

#[test]
fn influxdb_2_gives_back_the_points_that_it_took() {
    let mut influxdb = InfluxDb2::start(BUCKET);
    assert_gives_back_the_points_that_it_took(&mut influxdb);
    influxdb.restart_with_rebuilt_index();
    assert_eq!(influxdb.number(BUCKET, "count(value)", "load"), 3.0);
    let rows =
        influxdb.flux(r#"from(bucket: "energy_data") |> range(start: 0) |> filter(fn: (r) => r.region == "south")"#);
    assert!(rows.contains(",1970-01-01T00:00:00.000000003Z,3,value,load,south"), "{rows}");
}

#[test]
fn influxdb_says_its_version_as_it_is_released() {
    let influxdb = InfluxDb2::start(BUCKET);
    let ping = request(influxdb.port(), &Request::new("GET", "/ping")).unwrap();
    assert_eq!(ping.headers["x-influxdb-version"], "v2.7.12");
    let health = request(influxdb.port(), &Request::new("GET", "/health")).unwrap().succeeded().json();
    assert_eq!(health["version"], "v2.7.12");
}

#[test]
fn influxdb_2_lets_a_token_do_what_it_was_made_for_until_it_is_deleted() {
    let influxdb = InfluxDb2::start(BUCKET);
    influxdb.create_bucket("other", None, Some(52 * 7 * 86_400));
    let write = |bucket: &str, token: &str| {
        let target = format!("/api/v2/write?org=ons-energy&bucket={bucket}");
        let call = Request::new("POST", &target).header("authorization", &format!("Token {token}"));
        request(influxdb.port(), &call.body("load value=1 1")).unwrap().status
    };
    let (id, writer) = influxdb.authorize(&[], &["other"]);
    let (_, reader) = influxdb.authorize(&["other"], &[]);
    assert_eq!(write("other", &writer), 204);
    assert_eq!([write(BUCKET, &writer), write("other", &reader), write("other", "none")], [403, 403, 401]);
    influxdb.delete_authorization(&id);
    assert_eq!(write("other", &writer), 401);
    influxdb.delete_bucket("other");
    assert_eq!(influxdb.write("other", "load value=1 1").status, 404);
}

#[test]
fn influxdb_2_refuses_what_is_older_than_a_bucket_keeps() {
    let influxdb = InfluxDb2::start(BUCKET);
    influxdb.create_bucket("recent", Some(86_400), None);
    let answer = influxdb.write("recent", "load value=1 1");
    assert_eq!(answer.status, 422);
    assert!(answer.text().contains("retention policy"), "{}", answer.text());
}

#[test]
fn influxdb_with_authentication_lets_nobody_else_in() {
    let influxdb = InfluxDb::start_with_authentication(BUCKET);
    assert_eq!(influxdb.write(BUCKET, "load value=1 1").status, 204);
    let port = influxdb.url().rsplit(':').next().unwrap().parse().unwrap();
    let write = Request::new("POST", "/write?db=energy_data&u=admin&p=wrong").body("load value=1 1");
    assert_eq!(request(port, &write).unwrap().status, 401);
}

#[test]
fn versitygw_keeps_versions_and_holds_writers_to_their_conditions() {
    let versitygw = Versitygw::start();
    versitygw.create_bucket("energy");
    versitygw.keep_versions("energy");
    let key = "dataset=consumption/a.parquet";
    let first = versitygw.put_version("energy", key, b"first".to_vec());
    let second = versitygw.put_version("energy", key, b"second".to_vec());
    assert_eq!(versitygw.get_object("energy", key), b"second");
    let of = |version: &str| versitygw.get_object("energy", &format!("{key}?versionId={version}"));
    assert_eq!((of(&first), of(&second)), (b"first".to_vec(), b"second".to_vec()));
    assert_eq!(versitygw.keys("energy", "dataset=consumption/"), ["dataset=consumption/a.parquet"]);

    let put = |name: &str, value: &str| {
        versitygw.send(Request::new("PUT", &format!("/energy/{key}")).header(name, value).body("third"))
    };
    let etag = versitygw.send(Request::new("GET", &format!("/energy/{key}"))).headers["etag"].clone();
    assert_eq!(put("if-none-match", "*").status, 412);
    assert_eq!(put("if-match", &etag).status, 200);
    assert_eq!(put("if-match", &etag).status, 412);
    versitygw.delete_object("energy", key);
    assert_eq!(versitygw.keys("energy", ""), Vec::<String>::new());
    assert_eq!(of(&first), b"first");
}

#[test]
fn toxiproxy_does_to_connections_what_it_is_told() {
    let responder = Responder::always(Response::new(200, &"x".repeat(100_000)));
    let mut proxy = Toxiproxy::start(responder.url().rsplit(':').next().unwrap().parse().unwrap());
    let port = proxy.port();
    let get = || request(port, &Request::new("GET", "/"));
    assert_eq!(get().unwrap().body.len(), 100_000);

    proxy.add("slow", Toxic::Latency { delay: 300, jitter: 0 }, Stream::Downstream, 1.0);
    let start = Instant::now();
    assert_eq!(get().unwrap().status, 200);
    assert!(start.elapsed() >= Duration::from_millis(300), "{:?}", start.elapsed());
    assert!(proxy.remove("slow"));

    proxy.add("narrow", Toxic::Bandwidth(200), Stream::Downstream, 1.0);
    proxy.add("sliced", Toxic::Slicer { size: 10_000, pause: 1_000 }, Stream::Downstream, 1.0);
    let start = Instant::now();
    assert_eq!(get().unwrap().body.len(), 100_000);
    assert!(start.elapsed() >= Duration::from_millis(300), "{:?}", start.elapsed());
    proxy.start_anew();

    for toxic in [Toxic::LimitData(50_000), Toxic::ResetPeer(0), Toxic::Timeout(100)] {
        proxy.add("cut", toxic, Stream::Downstream, 1.0);
        assert!(get().is_err(), "{toxic:?}");
        assert!(proxy.remove("cut"));
        assert_eq!(get().unwrap().status, 200, "{toxic:?}");
    }

    proxy.disable();
    assert!(get().is_err());
    proxy.enable();
    assert_eq!(get().unwrap().status, 200);
}

#[test]
fn the_emulator_starts_the_function_with_the_first_event() {
    let settings = Settings::default().with("INFLUXDB_URL", "http://127.0.0.1:1").with("INFLUXDB_API", "v1");
    let emulator = LambdaEmulator::start(settings.with("ENABLE_METRICS", "false"), Duration::from_secs(20));
    assert!(!emulator.log().contains("START RequestId"), "{}", emulator.log());
    let answer = emulator.invoke(&json!({ "Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "energy" }));
    assert!(!answer.failed, "{}", answer.answer);
    assert!(emulator.log().contains("Init Duration"), "{}", emulator.log());
}

#[test]
fn moto_keeps_objects_and_metrics() {
    let moto = Moto::start();
    moto.create_bucket("energy");
    moto.put_object("energy", "dataset=consumption/a.parquet", b"PAR1".to_vec());
    assert_eq!(moto.keys("energy", "dataset=consumption/"), ["dataset=consumption/a.parquet"]);
    assert_eq!(moto.get_object("energy", "dataset=consumption/a.parquet"), b"PAR1");
    moto.create_secret("influxdb-token", "secret");
    assert!(moto.metrics("ONS/InfluxDB").is_empty());
    assert_eq!(moto.metric_sum(&json!({ "Namespace": "ONS/InfluxDB", "MetricName": "M", "Dimensions": [] })), None);
}

#[test]
fn a_responder_remembers_what_it_was_asked() {
    let responder = Responder::always(Response::new(503, "busy"));
    let port = responder.url().rsplit(':').next().unwrap().parse().unwrap();
    let answer = request(port, &Request::new("POST", "/write").body("load value=1 1")).unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (503, "busy"));
    assert_eq!(responder.requests()[0].body, b"load value=1 1");
}

#[test]
fn a_server_ends_with_its_value() {
    let influxdb = InfluxDb::start(BUCKET);
    let port: u16 = influxdb.url().rsplit(':').next().unwrap().parse().unwrap();
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
    drop(influxdb);
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
}
