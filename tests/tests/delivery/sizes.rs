//! Requests that are too large: smaller ones are sent, down to one row.

use influxdb_loader_tests::{Cut, Dialect, Fault, FaultServer, Response, Rules};

use super::rows::Rows;
use super::{DIALECTS, Load};

/// The statuses that were answered, of which so many are 413.
fn too_large(server: &FaultServer) -> usize {
    server.requests().statuses().iter().filter(|status| **status == Some(413)).count()
}

#[test]
fn batches_are_halved_until_they_fit_and_the_size_is_remembered() {
    for dialect in DIALECTS {
        // About 120 bytes a row: 5,000, 2,500 and 1,250 rows are too many, and 625 are not.
        let server = FaultServer::with(Rules { bytes: 100_000, ..Rules::of(dialect) });
        let load = Load::of(Rows::new(20_000)).one_by_one().with("MAX_BATCH_SIZE", 5000);
        load.into(&server).succeeded().has_everything(&server);
        assert_eq!(too_large(&server), 3, "{dialect:?}");
        // Each batch is filled up to the size that is left, and has a rest.
        let writes = server.requests().writes().len();
        assert!(writes <= 3 + 20_000 / 625 + 8, "{dialect:?}: {writes} writes");
        // The size that was found stays: what is left of a chunk that was cut to it does not change it.
        let largest = server.requests().writes().iter().rev().take(9).map(|write| write.request.body.len()).max();
        assert!(largest > Some(70_000), "{dialect:?}: {largest:?} bytes");
    }
}

#[test]
fn writes_at_once_learn_the_size_together() {
    let server = FaultServer::with(Rules { bytes: 100_000, ..Rules::of(Dialect::V2) });
    // Too few for the limit to rise again.
    let load = Load::of(Rows::new(25_000)).with("MAX_BATCH_SIZE", 5000).with("WRITE_CONCURRENCY", 4);
    load.into(&server).succeeded().has_everything(&server);
    // Each of the four may meet each of the three sizes once.
    assert!(too_large(&server) <= 12, "{}", too_large(&server));
}

#[test]
fn a_row_of_less_than_64_kib_is_not_blamed_for_its_size() {
    for dialect in DIALECTS {
        let server = FaultServer::with(Rules { bytes: 20_000, ..Rules::of(dialect) });
        let rows = Rows::new(1000).with_region(&[321], &"x".repeat(30_000));
        let loaded = Load::of(rows).in_one_batch().with("MAX_RETRIES", 1).into(&server);
        let loaded = loaded.failed("InfluxDBWriteError", &["is too large"]).has_no_more_than_it_says(&server);
        assert!(loaded.rejected().is_empty(), "{:?}", loaded.rejected());
    }
}

#[test]
fn a_proxy_that_answers_before_it_has_read_the_body_is_understood() {
    // Bodies that do not fit into the buffers of a connection, so that the client is still sending when it is answered.
    let server = FaultServer::start(Dialect::V2).failing(|arrival| {
        let length = arrival.request().headers.get("content-length").and_then(|length| length.parse().ok());
        match length {
            Some(400_000..) => Fault::AnswerHead(Response::new(413, "<html>Request Entity Too Large</html>")),
            _ => Fault::None,
        }
    });
    let rows = Rows::new(60_000);
    let load = Load::of(rows).with("MAX_BATCH_SIZE", 60_000).with("MAX_BATCH_BYTES", 50 * 1024 * 1024);
    load.into(&server).succeeded().has_everything(&server);
}

#[test]
fn a_proxy_that_hangs_up_on_large_bodies_is_met_with_smaller_ones() {
    let server = FaultServer::start(Dialect::V2).failing(|arrival| {
        let length = arrival.request().headers.get("content-length").and_then(|length| length.parse().ok());
        match length {
            Some(8_000_usize..) => Fault::CutInBody(1_000, Cut::Reset),
            _ => Fault::None,
        }
    });
    let load = Load::of(Rows::new(2000)).in_one_batch().with("MAX_RETRIES", 0);
    load.into(&server).succeeded().has_everything(&server);
}
