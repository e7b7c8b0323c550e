//! Lines that the server refuses: the others are written, and these are rejected with the server's reason.

use std::collections::BTreeMap;

use influxdb_loader_tests::{Dialect, Fault, FaultServer, Response, Rules};
use serde_json::json;

use super::rows::{Rows, seed, time_of};
use super::{DIALECTS, Load};

const ROWS: usize = 5000;
const CODE: &str = "refused";
const CONFLICT: &str = "type-conflict";
const OUTSIDE: &str = "outside-retention";

/// An engine to which lines of the region `bad` are no line protocol.
fn server_that_refuses(dialect: Dialect) -> FaultServer {
    FaultServer::with(Rules { banned: Some("region=bad".to_owned()), ..Rules::of(dialect) })
}

#[test]
fn one_bad_line_among_thousands_is_found_without_a_search() {
    for dialect in DIALECTS {
        let server = server_that_refuses(dialect);
        let rows = Rows::new(ROWS).with_region(&[1234], "bad");
        let loaded = Load::of(rows).in_one_batch().into(&server).succeeded().has_all_but(&server, CODE, &[1234]);
        let reason = if dialect == Dialect::V3 { "No fields were provided" } else { "invalid field format" };
        assert!(loaded.reasons()[0].contains(reason), "{:?}", loaded.reasons());
        // 2.x has kept nothing, and is sent the others again. 1.x and 3 have kept the others.
        let expected: &[_] = if dialect == Dialect::V2 { &[Some(400), Some(204)] } else { &[Some(400)] };
        assert_eq!(server.requests().statuses(), expected, "{dialect:?}");
    }
}

#[test]
fn every_bad_line_of_every_batch_is_found() {
    let bad = [0, 999, 1000, 2500, 2501, 4999];
    for dialect in DIALECTS {
        let server = server_that_refuses(dialect);
        let rows = Rows::new(ROWS).with_region(&bad, "bad");
        let load = Load::of(rows).one_by_one().with("LOAD_ORDER", "file");
        load.into(&server).succeeded().has_all_but(&server, CODE, &bad);
        let requests = server.requests();
        // Of five batches, four have bad lines.
        assert_eq!(requests.writes().len(), if dialect == Dialect::V2 { 9 } else { 5 }, "{dialect:?}");
    }
}

#[test]
fn a_batch_of_bad_lines_alone_is_rejected_as_a_whole() {
    for dialect in DIALECTS {
        let server = server_that_refuses(dialect);
        let all: Vec<usize> = (0..ROWS).collect();
        let rows = Rows::new(ROWS).with_region(&all, "bad");
        let loaded = Load::of(rows).in_one_batch().into(&server);
        loaded
            .rejected_as_a_whole(&["no row is written", "InfluxDB refuses 5000 of 5000 rows (5000 `refused`)"])
            .has_all_but(&server, CODE, &all);
        assert_eq!(server.requests().writes().len(), 1, "{dialect:?}");
    }
}

#[test]
fn rows_whose_field_has_another_type_are_found_by_the_name_of_the_field() {
    let bad: Vec<usize> = (0..10).map(|number| 17 + 400 * number).collect();
    for dialect in DIALECTS {
        let server = FaultServer::start(dialect);
        server.seed(&seed("energy_mwh=1i"));
        let rows = Rows::new(ROWS).with_unit(&bad, "MWh");
        let loaded = Load::of(rows).in_one_batch().into(&server).succeeded().has_all_but(&server, CONFLICT, &bad);
        let reason =
            if dialect == Dialect::V3 { "invalid column type for column 'energy_mwh'" } else { "field type conflict" };
        assert!(loaded.reasons()[0].contains(reason), "{:?}", loaded.reasons());
        let writes = server.requests().writes().len();
        // InfluxDB 3 numbers the lines. The others report how many they refuse: up to three writes, of all, the suspects, the others.
        assert!(writes <= if dialect == Dialect::V3 { 1 } else { 3 }, "{dialect:?}: {writes} writes");
    }
}

#[test]
fn where_every_row_has_another_type_one_request_tells() {
    for dialect in [Dialect::V1, Dialect::V2] {
        let server = FaultServer::start(dialect);
        server.seed(&seed("power_mw=1i"));
        let all: Vec<usize> = (0..200).collect();
        let loaded = Load::of(Rows::new(200)).in_one_batch().into(&server);
        loaded.rejected_as_a_whole(&["(200 `type-conflict`)"]).has_all_but(&server, CONFLICT, &all);
        assert_eq!(server.requests().writes().len(), 1, "{dialect:?}");
    }
}

#[test]
fn rows_beyond_the_retention_are_the_oldest() {
    let old: Vec<usize> = (0..20).collect();
    for dialect in [Dialect::V1, Dialect::V2] {
        let server = FaultServer::with(Rules { oldest: Some(time_of(20)), ..Rules::of(dialect) });
        let loaded = Load::of(Rows::new(ROWS)).in_one_batch().into(&server).succeeded();
        let loaded = loaded.has_all_but(&server, OUTSIDE, &old);
        assert!(loaded.reasons()[0].contains("retention policy"), "{:?}", loaded.reasons());
        let writes = server.requests().writes().len();
        assert!(writes <= 3, "{dialect:?}: {writes} writes");
    }
}

#[test]
fn of_two_reasons_the_server_tells_one_and_both_are_found() {
    let (old, conflicting) = ([0, 1, 2, 3, 4], [100, 2000, 4500]);
    for dialect in [Dialect::V1, Dialect::V2] {
        let server = FaultServer::start(dialect);
        server.seed(&seed("energy_mwh=1i"));
        server.change(|rules| rules.oldest = Some(time_of(5)));
        let rows = Rows::new(ROWS).with_unit(&conflicting, "MWh");
        let loaded = Load::of(rows).in_one_batch().into(&server).succeeded();
        loaded.has_all_but_those(&server, &[(OUTSIDE, &old), (CONFLICT, &conflicting)]);
        let writes = server.requests().writes().len();
        assert!(writes <= 8, "{dialect:?}: {writes} writes");
    }
}

#[test]
fn drops_in_several_shards_are_found_though_the_server_counts_those_of_one() {
    // Rows a week apart, so that each lies in a shard of its own.
    const WEEK: usize = 7 * 24 * 3600;
    let server = FaultServer::start(Dialect::V2);
    for week in 0..3 {
        let start = time_of(week * WEEK);
        server.seed(&format!("consumption_data,region=seed energy_mwh=1i {start}"));
    }
    let conflicting = [10, 25, 50];
    let rows = Rows::new(60).every(WEEK / 20).with_unit(&conflicting, "MWh");
    Load::of(rows).in_one_batch().into(&server).succeeded().has_all_but(&server, CONFLICT, &conflicting);
}

#[test]
fn a_limit_of_the_table_rejects_the_rows_that_would_break_it() {
    let bad = [7, 70, 700];
    // Three tags, two fields and the time.
    let server = FaultServer::with(Rules { columns: 6, ..Rules::of(Dialect::V3) });
    let rows = Rows::new(ROWS).with_unit(&bad, "MWh");
    let loaded = Load::of(rows).in_one_batch().into(&server).succeeded().has_all_but(&server, CODE, &bad);
    assert!(loaded.reasons()[0].contains("limit of 6 columns"), "{:?}", loaded.reasons());
    assert_eq!(server.requests().statuses(), [Some(422)]);
}

#[test]
fn a_limit_that_keeps_every_row_out_fails_the_object() {
    let server = FaultServer::start(Dialect::V3);
    let loaded = Load::of(Rows::new(3000)).one_by_one().with("INFLUXDB_BUCKET", "another").into(&server);
    let loaded = loaded.failed("InfluxDBWriteError", &["limit of 5 databases"]);
    assert_eq!((loaded.count("written"), loaded.rejected()), (0, BTreeMap::new()));
    assert!(server.store().is_empty());
}

#[test]
fn where_the_server_names_one_line_at_a_time_each_is_found_in_turn() {
    let bad = [3, 30, 299];
    let server = FaultServer::with(Rules {
        banned: Some("region=bad".to_owned()),
        never_partial: true,
        ..Rules::of(Dialect::V3)
    });
    let rows = Rows::new(300).with_region(&bad, "bad");
    Load::of(rows).in_one_batch().into(&server).succeeded().has_all_but(&server, CODE, &bad);
    assert_eq!(server.requests().statuses(), [Some(400), Some(400), Some(400), Some(204)]);
}

#[test]
fn words_that_nobody_knows_are_searched_for_their_row() {
    for dialect in DIALECTS {
        let server = FaultServer::start(dialect).failing(|arrival| {
            if arrival.has("region=poison") { Fault::answer(400, "the moon is full") } else { Fault::None }
        });
        let rows = Rows::new(1000).with_region(&[700], "poison");
        let loaded = Load::of(rows).in_one_batch().into(&server).succeeded().has_all_but(&server, CODE, &[700]);
        assert!(loaded.reasons()[0].contains("the moon is full"), "{:?}", loaded.reasons());
        let writes = server.requests().writes().len();
        // Halved ten times, and both halves are sent.
        assert!(writes <= 21, "{dialect:?}: {writes} writes");
    }
}

#[test]
fn words_that_nobody_knows_fail_the_object_where_they_keep_every_row_out() {
    let server = FaultServer::start(Dialect::V2).failing(|arrival| {
        if arrival.write().is_some() { Fault::answer(400, "the moon is full") } else { Fault::None }
    });
    let loaded = Load::of(Rows::new(200)).in_one_batch().into(&server);
    let loaded = loaded.failed("InfluxDBWriteError", &["the moon is full"]).has_no_more_than_it_says(&server);
    assert_eq!((loaded.count("written"), loaded.rejected()), (0, BTreeMap::new()));
    let writes = server.requests().writes().len();
    assert!(writes <= 2 * 200, "{writes} writes");
}

#[test]
fn bad_rows_everywhere_cost_three_requests_a_row_at_most() {
    let server = FaultServer::start(Dialect::V2).failing(|arrival| {
        if arrival.has("region=poison") { Fault::answer(400, "the moon is full") } else { Fault::None }
    });
    let bad: Vec<usize> = (0..64).step_by(2).collect();
    let rows = Rows::new(64).with_region(&bad, "poison");
    Load::of(rows).in_one_batch().into(&server).succeeded().has_all_but(&server, CODE, &bad);
    let writes = server.requests().writes().len();
    assert!(writes <= 3 * 64, "{writes} writes");
}

#[test]
fn the_endpoint_of_v3_that_speaks_as_v2_is_never_asked() {
    let server = FaultServer::start(Dialect::V3);
    Load::of(Rows::new(100)).into(&server).succeeded().has_everything(&server);
    assert!(server.requests().all().iter().all(|entry| entry.request.path() != "/api/v2/write"));

    for api in ["v1", "v2"] {
        let server = FaultServer::start(Dialect::V3);
        let load = Load::of(Rows::new(100)).settings(server.settings()).with("INFLUXDB_API", api);
        load.refused_at_once(&["InfluxDB 3.11.2", "hint: set `INFLUXDB_API` to `v3` or `auto`"]);
        assert!(server.requests().writes().is_empty(), "{:?}", server.requests());
    }
}

#[test]
fn a_row_that_is_rejected_fails_the_object_where_none_may_be() {
    let server = server_that_refuses(Dialect::V2);
    let rows = Rows::new(100).with_region(&[50], "bad");
    let loaded = Load::of(rows).with("DROP_INVALID_RECORDS", "false").into(&server);
    let loaded = loaded.failed("DataConversionError", &["row 50", CODE]).has_no_more_than_it_says(&server);
    assert!(!loaded.report.to_string().contains("invalid field format"), "{}", loaded.report);
}

#[test]
fn the_words_of_servers_may_stand_in_the_lines() {
    let texts = ["unable to parse 'x': y", "partial write: dropped=3", "bad': unable to parse 'bad", "São João: 'bad'"];
    let bad: Vec<usize> = (0..texts.len()).map(|number| 50 + 100 * number).collect();
    for dialect in DIALECTS {
        let server = FaultServer::start(dialect);
        server.change(|rules| rules.banned = Some("energy_mwh".to_owned()));
        let mut rows = Rows::new(500).with_unit(&bad, "MWh");
        for (text, row) in texts.iter().zip(&bad) {
            rows = rows.with_region(&[*row - 1, *row, *row + 1], text);
        }
        Load::of(rows).in_one_batch().into(&server).succeeded().has_all_but(&server, CODE, &bad);
        assert!(server.requests().writes().len() <= 2, "{dialect:?}");
    }
}

#[test]
fn a_broken_answer_to_bad_lines_costs_requests_and_no_row() {
    for dialect in DIALECTS {
        let answer = Response::new(400, &json!({ "error": ["what", "is"], "data": { "this": null } }).to_string());
        let server = server_that_refuses(dialect);
        let server =
            server.failing(
                move |arrival| {
                    if arrival.has("region=bad") { Fault::Answer(answer.clone()) } else { Fault::None }
                },
            );
        let rows = Rows::new(256).with_region(&[100], "bad");
        Load::of(rows).in_one_batch().into(&server).succeeded().has_all_but(&server, CODE, &[100]);
    }
}
