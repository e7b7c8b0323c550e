//! A server that has too much to do: it is asked again, later and less.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use influxdb_loader_tests::{Arrival, Dialect, Fault, FaultServer, Response};

use super::rows::Rows;
use super::{DIALECTS, Load};

/// A server whose write number 1 fails.
fn failing_once(dialect: Dialect, fault: Fault) -> FaultServer {
    FaultServer::start(dialect)
        .failing(move |arrival| if arrival.is_write_of(1..=1) { fault.clone() } else { Fault::None })
}

/// Loads three batches, one after the other, of which the second fails once. Returns how long the loader waited before it
/// sent it again.
fn wait_after(server: &FaultServer) -> Duration {
    let loaded = Load::of(Rows::new(3000)).one_by_one().into(server).succeeded().has_everything(server);
    assert_eq!(loaded.count("retries"), 1, "{}", loaded.accounts());
    let requests = server.requests();
    assert_eq!(requests.writes().len(), 4);
    assert!(requests.changed_attempts().is_empty(), "the same points were sent in other bytes");
    let waits = requests.waits();
    assert_eq!(waits.len(), 1);
    waits[0]
}

#[test]
fn passing_statuses_are_tried_again_soon() {
    for dialect in DIALECTS {
        for status in [408, 429, 500, 502, 503, 504] {
            let wait = wait_after(&failing_once(dialect, Fault::answer(status, "<html>please wait</html>")));
            assert!(wait < Duration::from_secs(2), "{dialect:?}: {wait:?} after {status}");
        }
    }
}

#[test]
fn the_engines_own_words_for_being_busy_are_tried_again() {
    let failure = |dialect, message: &str| match dialect {
        Dialect::V1 => Fault::answer(500, &format!(r#"{{"error":"{message}"}}"#)),
        _ => Fault::answer(
            500,
            &format!(
                r#"{{"code":"internal error","message":"unexpected error writing points to database: {message}"}}"#
            ),
        ),
    };
    for dialect in [Dialect::V1, Dialect::V2] {
        for message in ["timeout", "engine: cache-max-memory-size exceeded: (1073741824/1073741824)"] {
            wait_after(&failing_once(dialect, failure(dialect, message)));
        }
    }
}

#[test]
fn the_server_is_left_alone_for_the_seconds_that_it_asks_for() {
    for status in [429, 503] {
        let busy = Response::new(status, "").header("retry-after", "2");
        let wait = wait_after(&failing_once(Dialect::V2, Fault::Answer(busy)));
        assert!((Duration::from_secs(2)..Duration::from_secs(6)).contains(&wait), "{wait:?}");
    }
}

#[test]
fn the_server_is_left_alone_until_the_date_that_it_asks_for() {
    let server = FaultServer::start(Dialect::V3).failing(|arrival| {
        if !arrival.is_write_of(1..=1) {
            return Fault::None;
        }
        let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(3));
        Fault::Answer(Response::new(503, "").header("retry-after", &date))
    });
    // A date is as exact as a second.
    let wait = wait_after(&server);
    assert!((Duration::from_millis(1900)..Duration::from_secs(8)).contains(&wait), "{wait:?}");
}

#[test]
fn attempts_come_to_an_end_and_the_object_fails() {
    let server = FaultServer::start(Dialect::V2).failing(|arrival| match arrival.write() {
        Some(2..) => Fault::answer(503, "busy"),
        _ => Fault::None,
    });
    let loaded = Load::of(Rows::new(5000)).one_by_one().with("MAX_RETRIES", 2).into(&server);
    let loaded = loaded.failed("InfluxDBConnectionError", &["503"]).has_no_more_than_it_says(&server);
    assert_eq!(loaded.count("written"), 2000);
    assert_eq!(server.store().len(), 2000);
    assert_eq!(server.requests().writes().len(), 2 + 3);
}

#[test]
fn a_server_that_takes_two_at_a_time_gets_few_more() {
    let under_way = AtomicUsize::new(0);
    let server = FaultServer::start(Dialect::V2).failing(move |arrival| {
        if arrival.write().is_none() {
            return Fault::None;
        }
        arrival.text();
        let before = under_way.fetch_add(1, Ordering::SeqCst);
        thread::sleep(Duration::from_millis(20));
        under_way.fetch_sub(1, Ordering::SeqCst);
        if before > 1 { Fault::answer(429, "two at a time") } else { Fault::None }
    });
    let load = Load::of(Rows::new(60_000)).with("WRITE_CONCURRENCY", 16).with("MAX_RETRIES", 10);
    load.into(&server).succeeded().has_everything(&server);
    let refused = server.requests().statuses().iter().filter(|status| **status == Some(429)).count();
    // Of 60 batches, fewer are refused than are let in.
    assert!(refused < 60, "{refused} refused");
}

/// Fails every write until some time after the first one.
fn out_for(time: Duration) -> impl Fn(&Arrival<'_>) -> Fault {
    let first = OnceLock::new();
    move |arrival| {
        let is_out = arrival.write().is_some() && first.get_or_init(Instant::now).elapsed() < time;
        if is_out { Fault::answer(503, "out of order") } else { Fault::None }
    }
}

#[test]
fn a_server_that_is_out_of_order_is_asked_now_and_then_until_it_is_back() {
    let server = FaultServer::start(Dialect::V2).failing(out_for(Duration::from_secs(4)));
    let load = Load::of(Rows::new(30_000)).with("WRITE_CONCURRENCY", 16).with("MAX_RETRIES", 20);
    load.into(&server).succeeded().has_everything(&server);
    let refused = server.requests().statuses().iter().filter(|status| **status == Some(503)).count();
    // Sixteen at once, and then probes, each after twice as long a pause.
    assert!(refused <= 16 + 6, "{refused} requests in four seconds");
}
