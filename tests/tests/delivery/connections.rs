//! Connections that break, before, during and after the body and the answer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use influxdb_loader_tests::{Cut, Dialect, Fault, FaultServer};

use super::rows::Rows;
use super::{DIALECTS, Load};

/// Three batches, one after the other, without a second try but that of a broken connection.
fn load() -> Load {
    Load::of(Rows::new(3000)).one_by_one().with("MAX_RETRIES", 0)
}

#[test]
fn a_connection_that_was_reset_while_it_was_idle_costs_one_request_at_once() {
    for dialect in DIALECTS {
        for fault in [Fault::CutAtHead(Cut::Reset), Fault::CutAtHead(Cut::Close), Fault::CutAfterBody(Cut::Reset)] {
            let first = AtomicBool::new(true);
            let server = FaultServer::start(dialect).failing({
                let fault = fault.clone();
                move |arrival| {
                    let is_reused = arrival.write().is_some() && arrival.is_on_reused_connection();
                    if is_reused && first.swap(false, Ordering::SeqCst) { fault.clone() } else { Fault::None }
                }
            });
            // Ten batches: now and then, a new connection is made before the one before is back in the pool.
            let load = Load::of(Rows::new(10_000)).one_by_one().with("MAX_RETRIES", 0);
            load.into(&server).succeeded().has_everything(&server);
            let requests = server.requests();
            let writes = requests.writes();
            assert_eq!(writes.len(), 11, "{dialect:?} {fault:?}");
            let cut = writes.iter().position(|entry| entry.status.is_none()).unwrap();
            let (cut, next) = (writes[cut], writes[cut + 1]);
            assert_eq!(next.number_on_connection, 0, "another idle connection may be as broken");
            let wait = next.arrived.duration_since(cut.ended.unwrap());
            assert!(wait < Duration::from_secs(1), "{dialect:?} {fault:?}: {wait:?}");
        }
    }
}

#[test]
fn connections_that_end_after_each_answer_cost_nothing() {
    for cut in [Cut::Close, Cut::Reset] {
        let server = FaultServer::start(Dialect::V2).failing(move |_| Fault::CutAfterwards(cut));
        load().into(&server).succeeded().has_everything(&server);
        let writes = server.requests().writes().len();
        assert_eq!(writes, 3, "{cut:?}");
    }
}

#[test]
fn a_connection_that_breaks_within_the_body_is_tried_again() {
    for cut in [Cut::Close, Cut::Reset] {
        let server = FaultServer::start(Dialect::V2)
            .failing(move |arrival| if arrival.is_write_of(1..=1) { Fault::CutInBody(100, cut) } else { Fault::None });
        load().with("MAX_RETRIES", 1).into(&server).succeeded().has_everything(&server);
        assert_eq!(server.requests().writes().len(), 4, "{cut:?}");
    }
}

#[test]
fn points_whose_answer_is_lost_are_written_again_as_they_were() {
    for dialect in DIALECTS {
        for bytes in [0, 9, 13] {
            let server = FaultServer::start(dialect).failing(move |arrival| match arrival.write() {
                Some(0 | 2) => Fault::CutAnswer(bytes, Cut::Reset),
                _ => Fault::None,
            });
            load().with("MAX_RETRIES", 3).into(&server).succeeded().has_everything(&server);
            let requests = server.requests();
            assert_eq!(requests.writes().len(), 5, "{dialect:?} {bytes}");
            assert!(requests.changed_attempts().is_empty());
        }
    }
}

#[test]
fn a_server_that_never_answers_is_given_its_time_and_asked_again() {
    for fault in [Fault::Silence, Fault::StallAnswer(0), Fault::StallAnswer(20)] {
        let server = FaultServer::start(Dialect::V1).failing({
            let fault = fault.clone();
            move |arrival| if arrival.is_write_of(1..=1) { fault.clone() } else { Fault::None }
        });
        let start = Instant::now();
        let load = load().with("REQUEST_TIMEOUT_SECONDS", 1).with("MAX_RETRIES", 1);
        load.into(&server).succeeded().has_everything(&server);
        assert!(start.elapsed() >= Duration::from_secs(1), "{fault:?}");
        assert_eq!(server.requests().writes().len(), 4, "{fault:?}");
    }
}

#[test]
fn a_row_that_kills_the_connection_is_found_and_the_others_are_written() {
    for cut in [Cut::Reset, Cut::Close] {
        let server = FaultServer::start(Dialect::V2)
            .failing(move |arrival| if arrival.has("region=poison") { Fault::CutAfterBody(cut) } else { Fault::None });
        let rows = Rows::new(10_000).with_region(&[4321], "poison");
        // In a lane with others: if nothing of a chunk is written, nothing shows that the row is the cause.
        let load = Load::of(rows).one_by_one();
        let loaded = load.into(&server).succeeded().has_all_but(&server, "connection-lost", &[4321]);
        // Of ten batches, one is halved ten times: each time, one half is tried three times and the other arrives.
        let writes = server.requests().writes().len();
        assert!(writes <= 60, "{cut:?}: {writes} writes");
        assert!(loaded.outcome.elapsed < Duration::from_secs(20), "{:?}", loaded.outcome.elapsed);
    }
}

#[test]
fn connections_that_always_break_are_no_fault_of_the_rows() {
    let server = FaultServer::start(Dialect::V2)
        .failing(|arrival| if arrival.write().is_some() { Fault::CutAfterBody(Cut::Reset) } else { Fault::None });
    let loaded = Load::of(Rows::new(2000)).with("MAX_RETRIES", 1).into(&server);
    let loaded = loaded.failed("InfluxDBConnectionError", &[]).has_no_more_than_it_says(&server);
    assert_eq!((loaded.count("written"), loaded.rejected().len()), (0, 0), "{}", loaded.report);
    let writes = server.requests().writes().len();
    assert!(writes <= 64, "{writes} writes to a server that is gone");
}

#[test]
fn a_server_that_goes_away_in_the_middle_fails_the_object_with_what_is_written_counted() {
    let server = FaultServer::start(Dialect::V2)
        .failing(|arrival| if arrival.is_write_of(3..) { Fault::CutAtHead(Cut::Reset) } else { Fault::None });
    let loaded = Load::of(Rows::new(10_000)).one_by_one().with("MAX_RETRIES", 1).into(&server);
    let loaded = loaded.failed("InfluxDBConnectionError", &[]).has_no_more_than_it_says(&server);
    assert_eq!(loaded.count("written"), 3000);
    assert_eq!(server.store().len(), 3000);
}

#[test]
fn a_server_that_is_not_there_is_told_before_anything_is_read() {
    let server = FaultServer::start(Dialect::V2);
    let load = Load::of(Rows::new(100)).with("MAX_RETRIES", 1).settings(server.settings());
    drop(server);
    load.refused_at_once(&["cannot be reached", "2 attempts"]);
}
