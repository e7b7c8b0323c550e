//! InfluxDB 3: acknowledgements come at a tick, versions differ in what they keep of a request, tables are made by their first line.

use std::time::Duration;

use influxdb_loader_tests::{Dialect, FaultServer, Loader, Rules};

use super::Load;
use super::rows::Rows;

fn parameters(server: &FaultServer, name: &str) -> Vec<String> {
    let requests = server.requests();
    let mut values: Vec<_> = requests.writes().iter().filter_map(|write| write.request.parameter(name)).collect();
    values.sort();
    values.dedup();
    values
}

#[test]
fn with_no_setting_touched_many_requests_wait_for_a_tick_together() {
    const ROWS: usize = 300_000;
    let tick = Some(Duration::from_secs(1));
    let server = FaultServer::with(Rules { reads_lines: false, tick, ..Rules::of(Dialect::V3) }).forgetting_bodies();
    let directory = tempfile::tempdir().unwrap();
    let settings = server.settings().without("MAX_BATCH_SIZE").without("COMPRESSION");
    let loaded =
        Loader::new(["load", "--json"]).argument(Rows::new(ROWS).write_to(directory.path())).settings(settings).run();
    loaded.succeeded();
    assert_eq!(server.line_set().len(), ROWS);
    let (requests, ticks) = (server.requests(), server.ticks());
    let (writes, at_once) = (requests.writes().len(), requests.highest_concurrency());
    assert!(at_once >= 8, "{at_once} of {writes} requests are in flight at once");
    assert!(ticks < writes / 2, "{ticks} ticks for {writes} requests");
}

#[test]
fn no_sync_is_asked_for_where_a_setting_says_so() {
    for (setting, expected) in [("", "false"), ("false", "false"), ("true", "true")] {
        let server = FaultServer::start(Dialect::V3);
        let load = Load::of(Rows::new(100)).with("WRITE_NO_SYNC", setting);
        load.into(&server).succeeded().has_everything(&server);
        assert_eq!(parameters(&server, "no_sync"), [expected]);
    }
}

#[test]
fn partial_writes_are_left_to_versions_that_keep_them_right() {
    let bad = [7, 100, 101, 499];
    for (version, api, expected) in [
        ("3.11.2", "auto", "true"),
        ("3.12.0", "auto", "true"),
        ("3.10.1", "auto", "false"),
        ("3.12.0", "v3", "true"),
        ("dev", "v3", "false"),
    ] {
        let rules =
            Rules { version: version.to_owned(), banned: Some("region=bad".to_owned()), ..Rules::of(Dialect::V3) };
        let server = FaultServer::with(rules);
        let load = Load::of(Rows::new(500).with_region(&bad, "bad")).with("INFLUXDB_API", api);
        load.into(&server).succeeded().has_all_but(&server, "refused", &bad);
        assert_eq!(parameters(&server, "accept_partial"), [expected], "{version} as {api}");
    }
}

#[test]
fn an_older_version_has_no_chance_to_leave_the_tags_of_a_refused_line_on_the_next_one() {
    let bad = [7, 100, 101, 499];
    // Three tags, two fields and the time.
    let rules = Rules { version: "3.11.1".to_owned(), columns: 6, ..Rules::of(Dialect::V3) };
    let server = FaultServer::with(rules);
    let load = Load::of(Rows::new(500).with_unit(&bad, "MWh").with_region(&[8, 102], ""))
        .in_one_batch()
        .with("LOAD_ORDER", "file");
    load.into(&server).succeeded().has_all_but(&server, "refused", &bad);
}

#[test]
fn the_first_line_of_a_table_has_its_tags_in_the_order_of_the_plan() {
    let first = |dialect| {
        let server = FaultServer::start(dialect);
        Load::of(Rows::new(10)).into(&server).succeeded().has_everything(&server);
        let requests = server.requests();
        let line = requests.writes()[0].lines().next().unwrap().to_owned();
        let series = line.split(' ').next().unwrap().split(',').skip(1);
        series.map(|tag| tag.split('=').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(first(Dialect::V3), ["region", "consumer_type", "measurement_type"]);
    assert_eq!(first(Dialect::V2), ["consumer_type", "measurement_type", "region"]);
}
