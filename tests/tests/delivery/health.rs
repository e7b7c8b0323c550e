//! What a health check sees of each engine.

use std::time::Duration;

use influxdb_loader_tests::{Dialect, Fault, FaultServer, Loader, Outcome, Rules};

use super::rows::Rows;
use super::{DIALECTS, Load};

fn health(server: &FaultServer, deep: bool) -> Outcome {
    let arguments: &[&str] = if deep { &["health", "--json", "--deep"] } else { &["health", "--json"] };
    Loader::new(arguments).settings(server.settings()).run()
}

#[test]
fn a_point_is_written_and_read_back_from_every_engine() {
    for (dialect, version) in [(Dialect::V1, "1.8.10"), (Dialect::V2, "v2.7.12"), (Dialect::V3, "3.11.2")] {
        let server = FaultServer::start(dialect);
        let shallow = health(&server, false).succeeded().json();
        assert_eq!(shallow["version"], version, "{shallow}");
        assert!(server.store().is_empty());
        health(&server, true).succeeded();
        assert_eq!(server.store().points().next().unwrap().measurement, "influxdb_loader_probe", "{dialect:?}");
    }
}

#[test]
fn a_point_that_becomes_visible_late_is_waited_for_and_one_that_never_does_is_told() {
    for dialect in DIALECTS {
        let looks = std::sync::atomic::AtomicUsize::new(0);
        let empty = |arrival: &influxdb_loader_tests::Arrival<'_>| arrival.request().path().contains("query");
        let server = FaultServer::start(dialect).failing(move |arrival| {
            let hides = empty(arrival) && looks.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < 2;
            if hides { Fault::answer(200, "[]") } else { Fault::None }
        });
        health(&server, true).succeeded();

        let server = FaultServer::start(dialect)
            .failing(move |arrival| if empty(arrival) { Fault::answer(200, "[]") } else { Fault::None });
        let outcome = health(&server, true);
        assert_eq!(outcome.code, Some(1), "{outcome}");
        assert!(outcome.elapsed < Duration::from_secs(10), "{outcome}");
    }
}

#[test]
fn a_server_whose_pings_need_a_token_is_recognized() {
    let server = FaultServer::with(Rules { pings_need_token: true, ..Rules::of(Dialect::V3) });
    health(&server, false).succeeded();
    Load::of(Rows::new(100)).into(&server).succeeded().has_everything(&server);
}
