//! The function under AWS's own emulator: how it starts, what it is sent, and what becomes of it when it does not answer.

use std::thread;
use std::time::{Duration, Instant};

use influxdb_loader_tests::{
    LambdaEmulator, Loader, Stream, Toxic, Toxiproxy, evil_component, parquet, small_consumption,
};
use serde_json::{Value, json};

use super::answers::{LOADED, MAPS, MESSAGES, SINGLE, WHOLE};
use super::forms::{self, Way};
use super::{BUCKET, Site, key};

const TIMEOUT: Duration = Duration::from_secs(30);

/// How often the emulator has started the function.
fn starts(emulator: &LambdaEmulator) -> usize {
    emulator.log().matches("INIT START").count()
}

#[test]
fn the_function_starts_once_and_then_loads_every_form_of_event() {
    let site = Site::start();
    let emulator = LambdaEmulator::start(site.settings(), TIMEOUT);
    let succeed = |form: &str, event: &Value| {
        let loaded = emulator.invoke(event);
        assert!(!loaded.failed, "{form}: {}\n{}", loaded.answer, emulator.log());
        loaded
    };
    for (form, event) in WHOLE.iter().chain(&MAPS) {
        succeed(form, &event(&[&site.put(form)]));
        assert_eq!(site.points(form), LOADED, "{form}");
    }
    for (form, event) in SINGLE {
        succeed(form, &event(&site.put(form)));
        assert_eq!(site.points(form), LOADED, "{form}");
    }
    for (form, event) in MESSAGES {
        let loaded = succeed(form, &forms::sqs(&[event(&site.put(form)), json!("not JSON")]));
        assert_eq!(loaded.answer, json!({ "batchItemFailures": [{ "itemIdentifier": "message-1" }] }), "{form}");
        assert_eq!(site.points(form), LOADED, "{form}");
    }
    for way in Way::ALL {
        let name = format!("{way:?}");
        let (status, body) = way.response(&emulator.invoke(&way.post(&forms::direct(&site.put(&name)))));
        assert_eq!((status, &body["status"]), (200, &json!("succeeded")), "{body}");
        assert_eq!(site.points(&name), LOADED, "{name}");
        assert_eq!(way.response(&emulator.invoke(&way.health(true))).0, 200, "{name}");
    }
    succeed("health", &json!({ "source": "aws.scheduler", "detail-type": "Scheduled Event", "detail": {} }));

    let failed = emulator.invoke(&forms::direct(&site.put_broken("broken")));
    assert!(failed.failed);
    assert_eq!(failed.answer["errorType"], "DataConversionError");
    assert_eq!(starts(&emulator), 1, "{}", emulator.log());
}

#[test]
fn a_function_that_cannot_start_says_why_with_every_event() {
    let site = Site::start();
    let emulator = LambdaEmulator::start(site.settings().with("MAX_RETRIES", "many"), TIMEOUT);
    for _ in 0..2 {
        assert_eq!(emulator.send(&forms::direct("any")).status, 502, "{}", emulator.log());
    }
    assert!(emulator.log().contains("`MAX_RETRIES` is `many`"), "{}", emulator.log());
    assert!(emulator.log().contains("Runtime exited with error: exit status 1"), "{}", emulator.log());
}

/// A site whose InfluxDB is behind a proxy, through which nothing passes for now.
fn stuck() -> (Site, Toxiproxy, String) {
    let site = Site::start();
    let proxy = Toxiproxy::start(site.influxdb.port());
    proxy.add("stuck", Toxic::Timeout(0), Stream::Downstream, 1.0);
    let key = site.put("stuck");
    (site, proxy, key)
}

#[test]
fn a_function_whose_server_does_not_answer_stops_ahead_of_the_deadline() {
    let (site, mut proxy, key) = stuck();
    let settings = site.settings().with("INFLUXDB_URL", proxy.url()).with("DEADLINE_MARGIN_SECONDS", "2");
    let emulator = LambdaEmulator::start(settings, Duration::from_secs(6));
    let start = Instant::now();
    let failed = emulator.invoke(&forms::direct(&key));
    assert!(failed.failed, "{}", failed.answer);
    assert_eq!(failed.answer["errorType"], "InfluxDBConnectionError");
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
    proxy.start_anew();
    assert!(!emulator.invoke(&forms::direct(&key)).failed);
    assert_eq!((site.points("stuck"), starts(&emulator)), (LOADED, 1), "{}", emulator.log());
}

#[test]
fn a_function_that_runs_out_of_time_is_started_again_for_the_next_event() {
    let site = Site::start();
    let key = site.put("late");
    let settings = site.settings().with("DEADLINE_MARGIN_SECONDS", "1");
    let emulator = LambdaEmulator::start(settings, Duration::from_secs(3));
    assert!(!emulator.invoke(&forms::direct(&key)).failed);
    emulator.freeze_function();
    let late = emulator.send(&forms::direct(&key));
    assert_eq!((late.status, late.text().as_str()), (200, "Task timed out after 3.00 seconds"));
    let loaded = emulator.invoke(&forms::direct(&key));
    assert!(!loaded.failed, "{}\n{}", loaded.answer, emulator.log());
    assert_eq!((site.points("late"), starts(&emulator)), (LOADED, 2), "{}", emulator.log());
}

#[test]
fn a_function_that_is_killed_in_the_middle_of_an_event_loads_it_when_it_comes_again() {
    let (site, mut proxy, key) = stuck();
    let emulator = LambdaEmulator::start(site.settings().with("INFLUXDB_URL", proxy.url()), TIMEOUT);
    let answer = thread::scope(|scope| {
        let invocation = scope.spawn(|| emulator.send(&forms::direct(&key)));
        let deadline = Instant::now() + TIMEOUT;
        while !emulator.log().contains("INVOKE START") {
            assert!(Instant::now() < deadline, "{}", emulator.log());
            thread::sleep(Duration::from_millis(20));
        }
        emulator.kill_function();
        invocation.join().unwrap()
    });
    assert_eq!(answer.status, 502, "{}", answer.text());
    assert!(answer.text().contains("signal: killed"), "{}", answer.text());
    proxy.start_anew();
    assert!(!emulator.invoke(&forms::direct(&key)).failed);
    assert_eq!(site.points("stuck"), LOADED);
}

#[test]
fn a_converter_that_panics_fails_its_object_and_the_function_runs_on() {
    let site = Site::start();
    let directory = tempfile::tempdir().unwrap();
    let component = directory.path().join("evil.wasm");
    std::fs::write(&component, evil_component()).unwrap();
    site.moto.create_bucket("converters");
    let settings = site.settings().and(site.moto.registry_settings("converters", &directory.path().join("cache")));
    for command in [&["publish", component.to_str().unwrap()][..], &["promote", "evil", "6.6.6"]] {
        Loader::new(["converter"]).arguments(command).settings(settings.clone()).run().succeeded();
    }
    let evil = "dataset=evil/attack=panic-with-a-huge-message/a.parquet";
    site.moto.put_object(BUCKET, evil, parquet(&small_consumption()));

    let emulator = LambdaEmulator::start(settings, TIMEOUT);
    let failed = emulator.invoke(&forms::direct(evil));
    assert!(failed.failed, "{}", failed.answer);
    assert_eq!(failed.answer["errorType"], "DataConversionError", "{}", failed.answer);
    assert!(!emulator.invoke(&forms::direct(&site.put("good"))).failed);
    assert_eq!((site.points("good"), starts(&emulator)), (LOADED, 1), "{}", emulator.log());
}

#[test]
fn an_answer_that_would_be_too_large_arrives_without_what_matters_least() {
    let site = Site::start();
    // Time for all of them, also before the gateway gives up on a busy machine: what is left is always reported in whole.
    let emulator = LambdaEmulator::start(site.settings(), Duration::from_secs(120));
    // Objects that do not exist, under the longest keys: each failure names its key more than once.
    let keys: Vec<String> = (0..600).map(|number| key(&format!("{number}-{}", "x".repeat(900)))).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let (status, body) = Way::HttpApi.response(&emulator.invoke(&Way::HttpApi.post(&forms::list(&keys))));
    assert_eq!((status, &body["remaining"]), (404, &serde_json::Value::Null), "{}", body["failure"]);
    assert!(body.to_string().len() < 250_000, "{} bytes", body.to_string().len());
    assert!(body["omitted"].as_u64().unwrap() > 400, "{}", body["omitted"]);
    let failed = emulator.invoke(&forms::list(&keys));
    assert!(failed.failed && failed.answer.to_string().len() < 20_000, "{} bytes", failed.answer.to_string().len());
    assert_eq!(starts(&emulator), 1);
}
