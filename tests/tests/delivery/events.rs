//! Events that come twice, late or in another order, objects that change while they are read, and time that runs out.

use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use influxdb_loader_tests::{Cut, Dialect, Fault, FaultServer, Function, Moto, Runtime, Settings};
use serde_json::{Value, json};

use super::rows::Rows;
use super::stored;

const BUCKET: &str = "energy";
const KEY: &str = "dataset=consumption/rows.parquet";

fn site(rows: &Rows) -> Moto {
    let moto = Moto::start();
    moto.create_bucket(BUCKET);
    moto.put_object(BUCKET, KEY, rows.parquet());
    moto
}

fn settings(moto: &Moto, server: &FaultServer) -> Settings {
    moto.settings().and(server.settings()).with("ENABLE_METRICS", "false")
}

fn event(key: &str) -> Value {
    json!({ "bucket": BUCKET, "key": key })
}

#[test]
fn events_that_come_twice_and_in_any_order_leave_the_same_points() {
    let (first, second) = (Rows::new(2000), Rows::new(3000).later(10_000));
    let moto = site(&first);
    let other = "dataset=consumption/other.parquet";
    moto.put_object(BUCKET, other, second.parquet());
    let stores = [[KEY, other, KEY, KEY], [other, other, KEY, KEY]].map(|keys| {
        let server = FaultServer::start(Dialect::V2);
        let function = Function::start(settings(&moto, &server));
        for key in keys {
            let invocation = function.invoke(&event(key));
            assert!(!invocation.failed, "{}\n{}", invocation.answer, function.log());
        }
        server.store()
    });
    assert_eq!(stores[0].difference(&stores[1]), "");
    assert_eq!(stores[0].len(), 5000);
    assert!(stores.iter().all(|store| store.written_otherwise().is_empty()));
}

#[test]
fn the_same_object_at_once_leaves_the_same_points() {
    let rows = Rows::new(5000);
    let moto = site(&rows);
    let server = FaultServer::start(Dialect::V2).failing(|_| Fault::Delay(Duration::from_millis(20)));
    let functions = [Function::start(settings(&moto, &server)), Function::start(settings(&moto, &server))];
    std::thread::scope(|scope| {
        for function in &functions {
            scope.spawn(|| {
                let invocation = function.invoke(&event(KEY));
                assert!(!invocation.failed, "{}\n{}", invocation.answer, function.log());
            });
        }
    });
    assert_eq!(stored(&server).difference(&rows.store()), "");
    assert!(server.store().written_otherwise().is_empty());
}

#[test]
fn an_object_that_is_replaced_while_it_is_read_is_loaded_again_as_the_new_one() {
    // Several mebibytes, and a thread that decodes little ahead, so that most of it is not read when the first points are
    // written.
    let (rows, replacement) = (Rows::new(400_000), Rows::new(400_000).valued_from(1_000_000));
    let moto = Arc::new(site(&rows));
    let replace = Once::new();
    let server = FaultServer::start(Dialect::V2).failing({
        let (moto, new) = (Arc::clone(&moto), replacement.parquet());
        move |arrival| {
            if arrival.write().is_some() {
                replace.call_once(|| moto.put_object(BUCKET, KEY, new.clone()));
                return Fault::Delay(Duration::from_millis(50));
            }
            Fault::None
        }
    });
    let function = Function::start(settings(&moto, &server).with("CONVERTER_THREADS", "1"));
    let invocation = function.invoke(&event(KEY));
    assert!(!invocation.failed, "{}\n{}", invocation.answer, function.log());
    assert!(function.log().contains("replaced meanwhile"), "{}", function.log());
    // What of the old object was written before is written over; nothing of it comes after the new one.
    assert_eq!(stored(&server).difference(&replacement.store()), "");
}

#[test]
fn a_server_that_is_away_for_longer_than_there_is_time_is_not_waited_for() {
    let rows = Rows::new(10_000);
    let moto = site(&rows);
    let server = FaultServer::start(Dialect::V2)
        .failing(|arrival| if arrival.is_write_of(2..) { Fault::CutAtHead(Cut::Reset) } else { Fault::None });
    let settings = settings(&moto, &server)
        .with("DEADLINE_MARGIN_SECONDS", "5")
        .with("MAX_RETRIES", "20")
        .with("WRITE_CONCURRENCY", "1");
    let runtime = Runtime::start(settings);
    let start = Instant::now();
    let invocation = runtime.invoke(&event(KEY), Duration::from_secs(10));
    let elapsed = start.elapsed();
    assert!(invocation.failed, "{}", invocation.answer);
    assert!(elapsed < Duration::from_secs(10), "the answer came after {elapsed:?}");
    assert_eq!(stored(&server).len(), 2000);
    // Back again, the same event finishes what was begun.
    server.recover();
    let invocation = runtime.invoke(&event(KEY), Duration::from_secs(60));
    assert!(!invocation.failed, "{}\n{}", invocation.answer, runtime.log());
    assert_eq!(stored(&server).difference(&rows.store()), "");
    assert!(server.store().written_otherwise().is_empty());
}

#[test]
fn a_slow_server_stops_the_load_before_the_time_is_over_and_the_answer_is_the_event_to_go_on_with() {
    const TIME: Duration = Duration::from_secs(7);
    let rows = Rows::new(60_000);
    let moto = site(&rows);
    moto.put_object(BUCKET, KEY, rows.parquet_in_row_groups_of(5_000));
    // Sixty batches, of which ten are written in a second.
    let server = FaultServer::start(Dialect::V3).failing(|arrival| match arrival.write() {
        Some(_) => Fault::Delay(Duration::from_millis(200)),
        None => Fault::None,
    });
    let settings = settings(&moto, &server).with("DEADLINE_MARGIN_SECONDS", "4").with("WRITE_CONCURRENCY", "2");
    let runtime = Runtime::start(settings);
    let mut next = event(KEY);
    let mut partial = 0;
    loop {
        let start = Instant::now();
        let invocation = runtime.invoke(&next, TIME);
        assert!(start.elapsed() < TIME, "the answer came after {:?}", start.elapsed());
        assert!(!invocation.failed, "{}\n{}", invocation.answer, runtime.log());
        if invocation.answer["status"] == "succeeded" {
            break;
        }
        assert_eq!(invocation.answer["status"], "partial", "{}", invocation.answer);
        let remaining = invocation.answer["objects"][0]["remaining"].clone();
        assert_ne!(remaining, next, "nothing was done");
        next = remaining;
        partial += 1;
    }
    assert!((1..=5).contains(&partial), "{partial} times");
    assert_eq!(stored(&server).difference(&rows.store()), "");
    assert!(server.store().written_otherwise().is_empty());
}
