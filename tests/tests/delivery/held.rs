//! Loads beside production: an operator pauses them, and a rate limits them.

use std::thread;
use std::time::{Duration, Instant};

use influxdb_loader_tests::{Dialect, FaultServer, Function, Moto, Responder, Response, Settings};
use serde_json::json;

use super::Load;
use super::rows::Rows;

const DATA: &str = "energy";
const CONVERTERS: &str = "energy-converters";
const PAUSE: &str = "converters/control/pause";

/// How long is waited for a loader to begin.
const LIMIT: Duration = Duration::from_secs(60);

fn seconds(loaded: &super::Loaded, of: &str) -> f64 {
    loaded.report["objects"][0]["timings"][of].as_f64().unwrap()
}

#[test]
fn a_load_waits_for_as_long_as_the_pause_object_exists() {
    let (moto, server, cache) = (Moto::start(), FaultServer::start(Dialect::V2), tempfile::tempdir().unwrap());
    let (rows, key) = (Rows::new(3_000), "dataset=consumption/rows.parquet");
    moto.create_bucket(DATA);
    moto.put_object(DATA, key, rows.parquet());
    moto.create_bucket(CONVERTERS);
    moto.put_object(CONVERTERS, PAUSE, Vec::new());
    let registry = moto.registry_settings(CONVERTERS, cache.path());
    let function = Function::start(moto.settings().and(registry).and(server.settings()));
    let object = format!("`s3://{CONVERTERS}/{PAUSE}`");
    let invocation = thread::scope(|scope| {
        let invocation = scope.spawn(|| function.invoke(&json!({ "bucket": DATA, "key": key })));
        let begun = Instant::now();
        while !function.log().contains(&format!("paused: {object} exists")) {
            assert!(begun.elapsed() < LIMIT && !invocation.is_finished(), "there is no pause: {}", function.log());
            thread::sleep(Duration::from_millis(20));
        }
        thread::sleep(Duration::from_secs(1));
        assert_eq!(server.requests().writes().len(), 0, "points are sent in the pause");
        moto.delete_object(CONVERTERS, PAUSE);
        invocation.join().unwrap()
    });
    assert!(!invocation.failed, "{}", invocation.answer);
    assert!(
        invocation.answer["objects"][0]["timings"]["paused_seconds"].as_f64() >= Some(1.0),
        "{}",
        invocation.answer
    );
    let log = function.log();
    assert!(log.contains(&format!("resumed: {object} does not exist")), "{log}");
    assert_eq!(super::stored(&server).difference(&rows.store()), "");
}

#[test]
fn who_may_not_look_for_the_pause_object_is_told_once_and_loads() {
    let server = FaultServer::start(Dialect::V2);
    let s3 = Responder::start(|request| {
        let (status, code) = match &request.target {
            control if control.contains("control") => (403, "AccessDenied"),
            // Nothing was ever published.
            list if list.contains("list-type=2") => return Response::new(200, "<ListBucketResult/>"),
            _ => (404, "NoSuchKey"),
        };
        // The answer to a HEAD has no body.
        let body = if request.method == "HEAD" { String::new() } else { format!("<Error><Code>{code}</Code></Error>") };
        Response::new(status, &body)
    });
    let cache = tempfile::tempdir().unwrap();
    let settings = Settings::from([
        ("AWS_ENDPOINT_URL_S3", s3.url()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "any".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "any".to_owned()),
        ("CONVERTER_BUCKET", CONVERTERS.to_owned()),
        ("CONVERTER_REFRESH_SECONDS", "1".to_owned()),
        ("CONVERTER_CACHE_DIRECTORY", cache.path().to_str().unwrap().to_owned()),
    ]);
    // For so long that it is looked for several times.
    let load = Load::of(Rows::new(600)).settings(settings).with("WRITE_RATE_POINTS", 100);
    let loaded = load.into(&server).succeeded().has_everything(&server);
    let looks = s3.requests().iter().filter(|request| request.method == "HEAD").count();
    assert!(looks > 1, "{looks} looks");
    let told = &loaded.outcome.stderr;
    assert_eq!(told.matches("do not grant access to it").count(), 1, "{told}");
}

#[test]
fn a_rate_bounds_the_points_a_second() {
    let server = FaultServer::start(Dialect::V2);
    let loaded = Load::of(Rows::new(3_000)).with("WRITE_RATE_POINTS", 1_000).into(&server);
    assert!(seconds(&loaded, "total_seconds") >= 2.0, "{}", loaded.report);
    assert!(server.requests().writes().len() >= 3);
    loaded.succeeded().has_everything(&server);
}

#[test]
fn a_request_has_at_most_the_points_of_a_second() {
    let server = FaultServer::start(Dialect::V2);
    let loaded = Load::of(Rows::new(1_000)).in_one_batch().with("WRITE_RATE_POINTS", 250).into(&server);
    let most = server.requests().writes().iter().map(|write| write.lines().count()).max();
    assert!(most.is_some_and(|most| (1..=250).contains(&most)), "{most:?} lines");
    loaded.succeeded().has_everything(&server);
}
