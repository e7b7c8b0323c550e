//! Objects of one event, loaded at the same time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use influxdb_loader_tests::{Function, Responder, Response};

use super::Site;
use super::forms;

/// How long a write waits for the others before it fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// Whether a request writes points.
fn writes(target: &str) -> bool {
    target.starts_with("/api/v2/write")
}

/// Stores objects, each of which is one write. Returns their keys.
fn put(site: &Site, count: usize) -> Vec<String> {
    (0..count).map(|number| site.put(&format!("object-{number}"))).collect()
}

#[test]
fn objects_of_an_event_are_loaded_at_the_same_time() {
    const OBJECTS: usize = 3;
    let site = Site::start();
    let keys = put(&site, OBJECTS);
    // No write is answered before the last one has arrived, so that objects that waited for each other would fail.
    let arrived = Arc::new((Mutex::new(0), Condvar::new()));
    let server = Responder::start(move |request| {
        if !writes(&request.target) {
            return Response::new(204, "");
        }
        let (count, changed) = &*arrived;
        let mut count = count.lock().unwrap();
        *count += 1;
        changed.notify_all();
        let (_count, waited) = changed.wait_timeout_while(count, PATIENCE, |count| *count < OBJECTS).unwrap();
        Response::new(if waited.timed_out() { 500 } else { 204 }, "")
    });
    let settings = site.settings().with("INFLUXDB_URL", server.url()).with("MAX_RETRIES", "0");
    let function = Function::start(settings.with("OBJECT_CONCURRENCY", OBJECTS.to_string()));
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let loaded = function.invoke(&forms::list(&keys));
    assert!(!loaded.failed, "{}\n{}", loaded.answer, function.log());
}

#[test]
fn no_more_objects_are_loaded_at_a_time_than_the_setting_says() {
    let site = Site::start();
    let keys = put(&site, 6);
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let server = Responder::start({
        let most = Arc::clone(&most);
        move |request| {
            if writes(&request.target) {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                thread::sleep(Duration::from_millis(50));
                now.fetch_sub(1, Ordering::SeqCst);
            }
            Response::new(204, "")
        }
    });
    let settings = site.settings().with("INFLUXDB_URL", server.url()).with("OBJECT_CONCURRENCY", "2");
    let function = Function::start(settings);
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let loaded = function.invoke(&forms::list(&keys));
    assert!(!loaded.failed, "{}\n{}", loaded.answer, function.log());
    assert!((1..=2).contains(&most.load(Ordering::SeqCst)), "{most:?} at a time");
}
