//! The dialects.

use insta::assert_snapshot;
use serde_json::json;

use super::*;

const LINES: &str = "load,region=N mw=1 1\nload,region=S mw= 2\nload,region=E mw=3 3\n";

fn times(server: &FaultServer) -> Vec<i64> {
    let mut times: Vec<i64> = server.store().points().map(|point| point.time).collect();
    times.sort_unstable();
    times
}

#[test]
fn each_says_which_engine_it_is() {
    let ping = |dialect| {
        let server = FaultServer::start(dialect);
        let response = server.request(&Request::new("GET", "/ping")).unwrap();
        format!("{} {} {}", response.status, response.headers["x-influxdb-version"], response.text())
    };
    assert_snapshot!(ping(Dialect::V1), @"204 1.8.10 ");
    assert_snapshot!(ping(Dialect::V2), @"204 v2.7.12 ");
    assert_snapshot!(ping(Dialect::V3), @r#"200 3.11.2 {"process_id":"00000000-0000-4000-8000-000000000000","revision":"0000000","version":"3.11.2"}"#);

    let server = FaultServer::with(Rules { pings_need_token: true, ..Rules::of(Dialect::V3) });
    let response = server.request(&Request::new("GET", "/ping")).unwrap();
    assert_eq!(response.status, 401);
    assert!(response.headers.contains_key("cluster-uuid"));
}

#[test]
fn what_is_written_is_kept() {
    for dialect in [Dialect::V1, Dialect::V2, Dialect::V3] {
        let server = FaultServer::start(dialect);
        // 1.x has no unsigned integers.
        let unsigned = if dialect == Dialect::V1 { "3i" } else { "3u" };
        let lines = format!("load,b=2,a=1 t=\"x\",f=1.5,i=-2i,u={unsigned},ok=t 7\n# nothing\n\nload,a=1,b=2 g=1 7");
        assert_eq!(written(&server, dialect, &lines).0, 204);
        let store = server.store();
        let point = store.points().next().unwrap();
        assert_eq!(store.len(), 1, "one series and one time, in whatever order the tags are");
        assert_eq!(point.series(), "load,a=1,b=2");
        assert_eq!(point.fields.len(), 6);
        assert_eq!(point.fields["i"], Value::Integer(-2));
    }
}

#[test]
fn times_are_in_the_unit_that_the_request_names() {
    let server = FaultServer::start(Dialect::V3);
    let lines = |time: i64| format!("load mw=1 {time}");
    for (precision, time) in [("&precision=second", 1), ("&precision=microsecond", 2_000_000), ("", 3)] {
        let write =
            Request { target: format!("/api/v3/write_lp?db=energy_data{precision}"), ..write_of(Dialect::V3, "") };
        assert_eq!(server.request(&write.body(lines(time))).unwrap().status, 204);
    }
    assert_eq!(times(&server), [1_000_000_000, 2_000_000_000, 3_000_000_000], "without one, InfluxDB 3 guesses");
}

#[test]
fn of_lines_that_do_not_parse_v1_keeps_the_others() {
    let server = FaultServer::start(Dialect::V1);
    let (status, body) = written(&server, Dialect::V1, LINES);
    assert_snapshot!(format!("{status} {body}"), @r#"400 {"error":"partial write: unable to parse 'load,region=S mw= 2': invalid field format dropped=0"}"#);
    assert_eq!(times(&server), [1, 3]);

    let (status, body) = written(&server, Dialect::V1, "load\nload,region=S mw= 2");
    assert_snapshot!(format!("{status} {body}"), @r#"400 {"error":"unable to parse 'load': missing fields\nunable to parse 'load,region=S mw= 2': invalid field format"}"#);
}

#[test]
fn of_lines_that_do_not_parse_v2_keeps_nothing() {
    let server = FaultServer::start(Dialect::V2);
    let (status, body) = written(&server, Dialect::V2, LINES);
    assert_snapshot!(format!("{status} {body}"), @r#"400 {"code":"invalid","message":"unable to parse 'load,region=S mw= 2': invalid field format"}"#);
    assert!(server.store().is_empty());
    assert_eq!(
        written(&server, Dialect::V2, "load,a=1,a=2 mw=1 1").1["message"],
        "unable to parse 'load,a=1,a=2 mw=1 1': duplicate tags"
    );
}

#[test]
fn of_lines_that_do_not_parse_v3_names_each_by_number() {
    let server = FaultServer::start(Dialect::V3);
    let (status, body) = written(&server, Dialect::V3, &format!("# a comment\n\n{LINES}"));
    assert_snapshot!(format!("{status} {body}"), @r#"400 {"data":[{"error_message":"No fields were provided","line_number":2,"original_line":"load,region=S mw= 2"}],"error":"partial write of line protocol occurred"}"#);
    assert_eq!(times(&server), [1, 3]);

    let server = FaultServer::start(Dialect::V3);
    let write = write_of(Dialect::V3, LINES);
    let whole = Request { target: write.target.replace("accept_partial=true", "accept_partial=false"), ..write };
    let response = server.request(&whole).unwrap();
    assert_snapshot!(format!("{} {}", response.status, response.text()), @r#"400 {"data":{"error_message":"No fields were provided","line_number":2,"original_line":"load,region=S mw= 2"},"error":"line protocol parsing error"}"#);
    assert!(server.store().is_empty());

    let server = FaultServer::with(Rules { never_partial: true, ..Rules::of(Dialect::V3) });
    assert!(written(&server, Dialect::V3, LINES).1["data"].is_object());
}

#[test]
fn before_3_11_2_a_refused_line_leaves_its_tags_on_the_next_one() {
    let lines = "load,site=A mw=true 1\nload mw=2 2\nload mw=3 3";
    for (version, tags) in [("3.11.1", ["site=A", ""]), ("3.11.2", ["", ""]), ("3.12.0", ["", ""])] {
        let server = FaultServer::with(Rules { version: version.to_owned(), ..Rules::of(Dialect::V3) });
        server.seed("load mw=0 0");
        assert_eq!(written(&server, Dialect::V3, lines).1["data"][0]["line_number"], 1);
        let kept = |time| {
            let store = server.store();
            let point = store.points().find(|point| point.time == time).unwrap();
            point.tags.iter().map(|(key, value)| format!("{key}={value}")).collect::<String>()
        };
        assert_eq!([kept(2), kept(3)], tags.map(str::to_owned), "{version}");
    }
}

#[test]
fn a_field_keeps_its_type() {
    let lines = "load mw=1i 1\nload mw=\"much\" 2\nload mw=3 3";
    let answer = |dialect| {
        let server = FaultServer::start(dialect);
        server.seed("load mw=0 0");
        let (status, body) = written(&server, dialect, lines);
        assert_eq!(times(&server), [0, 3]);
        format!("{status} {body}")
    };
    assert_snapshot!(answer(Dialect::V1), @r#"400 {"error":"partial write: field type conflict: input field \"mw\" on measurement \"load\" is type integer, already exists as type float dropped=2"}"#);
    assert_snapshot!(answer(Dialect::V2), @r#"422 {"code":"unprocessable entity","message":"failure writing points to database: partial write: field type conflict: input field \"mw\" on measurement \"load\" is type integer, already exists as type float dropped=2"}"#);
    assert_snapshot!(answer(Dialect::V3), @r#"400 {"data":[{"error_message":"invalid column type for column 'mw', expected iox::column_type::field::float, got iox::column_type::field::integer","line_number":1,"original_line":"load mw=1i 1"},{"error_message":"invalid column type for column 'mw', expected iox::column_type::field::float, got iox::column_type::field::string","line_number":2,"original_line":"load mw=much 2"}],"error":"partial write of line protocol occurred"}"#);
}

#[test]
fn shards_tell_of_one_of_them_alone() {
    const WEEK: i64 = 7 * 24 * 3600 * 1_000_000_000;
    let server = FaultServer::start(Dialect::V2);
    server.seed(&format!("load mw=0 0\nload mw=0 {WEEK}"));
    let lines = format!("load mw=1i 1\nload mw=1i {}\nload mw=1i {}\nload mw=1i {}", WEEK + 1, WEEK + 2, 2 * WEEK);
    let (_, body) = written(&server, Dialect::V2, &lines);
    assert!(body["message"].as_str().unwrap().ends_with(" dropped=1"), "three are dropped: {body}");
    assert_eq!(times(&server), [0, WEEK, 2 * WEEK], "in a week without the field it may have any type");
}

#[test]
fn old_points_are_beyond_the_retention() {
    let answer = |dialect| {
        let server = FaultServer::with(Rules { oldest: Some(1_000_000_000), ..Rules::of(dialect) });
        let (status, body) = written(&server, dialect, "load mw=1 5\nload mw=2 6\nload mw=3 1000000000");
        assert_eq!(times(&server), [1_000_000_000]);
        format!("{status} {body}")
    };
    assert_snapshot!(answer(Dialect::V1), @r#"400 {"error":"partial write: points beyond retention policy dropped=2"}"#);
    assert_snapshot!(answer(Dialect::V2), @r#"422 {"code":"unprocessable entity","message":"failure writing points to database: partial write: dropped 2 points outside retention policy of duration 720h0m0s - oldest point load at 1970-01-01T00:00:00.000000005Z dropped because it violates a Retention Policy Lower Bound at 1970-01-01T00:00:01Z, newest point load at 1970-01-01T00:00:00.000000006Z dropped because it violates a Retention Policy Lower Bound at 1970-01-01T00:00:01Z dropped=2 for database: 1c7a2f5b9d3e4806 for retention policy: autogen"}"#);
}

#[test]
fn a_table_of_v3_has_so_many_columns() {
    let server = FaultServer::with(Rules { columns: 3, ..Rules::of(Dialect::V3) });
    let (status, body) = written(&server, Dialect::V3, "load,region=N mw=1 1\nload,region=N mw=1,price=2 2");
    assert_snapshot!(format!("{status} {body}"), @r#"422 {"data":[{"error_message":"Update to schema would exceed number of columns per table limit of 3 columns","line_number":2,"original_line":"load,region=N mw=1,p"}],"error":"partial write of line protocol occurred"}"#);
    let write = Request { target: "/api/v3/write_lp?db=another".to_owned(), ..write_of(Dialect::V3, "load mw=1 1") };
    let response = server.request(&write).unwrap();
    assert_snapshot!(format!("{} {}", response.status, response.text()), @r#"422 {"error":"Adding a new database would exceed limit of 5 databases"}"#);
}

#[test]
fn a_banned_line_is_said_not_to_parse() {
    for (dialect, kept) in [(Dialect::V1, 2), (Dialect::V2, 0), (Dialect::V3, 2)] {
        let server = FaultServer::with(Rules { banned: Some("region=S".to_owned()), ..Rules::of(dialect) });
        let lines = "load,region=N mw=1 1\nload,region=S mw=2 2\nload,region=E mw=3 3";
        assert_eq!(written(&server, dialect, lines).0, 400);
        assert_eq!(server.store().len(), kept);
    }
}

#[test]
fn only_who_has_the_token_and_may_write_is_let_in() {
    for (dialect, missing) in [(Dialect::V1, 404), (Dialect::V2, 404), (Dialect::V3, 422)] {
        let server = FaultServer::with(Rules { token: Some("new".to_owned()), ..Rules::of(dialect) });
        let status = || written(&server, dialect, "load mw=1 1").0;
        assert_eq!(status(), 401);
        server.change(|rules| rules.token = Some("token-of-the-test".to_owned()));
        assert_eq!(status(), 204);
        server.change(|rules| rules.may_write = false);
        assert_eq!(status(), 403);
        server.change(|rules| (rules.may_write, rules.bucket) = (true, "other".to_owned()));
        assert_eq!(status(), missing);
    }
}

#[test]
fn bodies_are_decompressed_checked_and_bounded() {
    for dialect in [Dialect::V1, Dialect::V2, Dialect::V3] {
        let server = FaultServer::with(Rules { bytes: 80, ..Rules::of(dialect) });
        let status = |body: Vec<u8>| {
            let write = write_of(dialect, "").header("content-encoding", "gzip").body(body);
            server.request(&write).unwrap().status
        };
        let good = gzip(b"load mw=1 1\n");
        let two_members = [good.clone(), gzip(b"load mw=2 2\n")].concat();
        let mut broken = good.clone();
        broken[good.len() / 2] ^= 0xff;
        assert_eq!(status(two_members), 204);
        assert_eq!(status(broken), 400);
        assert_eq!(status(good[..good.len() - 4].to_vec()), 400);
        assert_eq!(status(gzip("load mw=1 1\n".repeat(7).as_bytes())), 413);
        assert_eq!(server.store().len(), 2);
    }
}

#[test]
fn points_are_read_back() {
    let lines = "influxdb_loader_probe,run=a ok=t 1\ninfluxdb_loader_probe,run=b ok=t,text=\"c,d\" 2\nload ok=t 3";
    let asked = |dialect, query: Request| {
        let server = FaultServer::start(dialect);
        server.seed(lines);
        server.request(&query.header("authorization", "Token token-of-the-test")).unwrap().succeeded().text()
    };
    let statement = "SELECT+ok+FROM+%22influxdb_loader_probe%22+WHERE+time+%3E+0+AND+%22run%22+%3D+%27b%27";
    let v1 = asked(Dialect::V1, Request::new("GET", &format!("/query?db=energy_data&epoch=ns&q={statement}")));
    assert_snapshot!(v1, @r#"{"results":[{"series":[{"columns":["time","ok","run","text"],"name":"influxdb_loader_probe","values":[[2,true,"b","c,d"]]}],"statement_id":0}]}"#);
    let form = Request::new("POST", "/query?db=energy_data").body(format!("q={statement}").replace("probe", "nothing"));
    assert_snapshot!(asked(Dialect::V1, form), @r#"{"results":[{"statement_id":0}]}"#);

    let flux = r#"from(bucket: "energy_data") |> range(start: 0) |> filter(fn: (r) => r._measurement == "influxdb_loader_probe" and r["run"] == "b" and r._field == "ok")"#;
    let body = json!({ "query": flux, "type": "flux" }).to_string();
    assert_snapshot!(asked(Dialect::V2, Request::new("POST", "/api/v2/query?org=ons-energy").body(body)), @r#"
    #datatype,string,long,dateTime:RFC3339,boolean,string,string,string
    #group,false,false,false,false,true,true,true
    #default,_result,,,,,,
    ,result,table,_time,_value,_field,_measurement,run
    ,,0,1970-01-01T00:00:00.000000002Z,true,ok,influxdb_loader_probe,b

    #datatype,string,long,dateTime:RFC3339,string,string,string,string
    #group,false,false,false,false,true,true,true
    #default,_result,,,,,,
    ,result,table,_time,_value,_field,_measurement,run
    ,,1,1970-01-01T00:00:00.000000002Z,"c,d",text,influxdb_loader_probe,b
    "#);

    let sql = json!({ "db": "energy_data", "q": "select ok from influxdb_loader_probe where run = 'b' limit 1" });
    let v3 = asked(Dialect::V3, Request::new("POST", "/api/v3/query_sql").body(sql.to_string()));
    assert_snapshot!(v3, @r#"[{"ok":true,"run":"b","text":"c,d","time":"1970-01-01T00:00:00.000000002"}]"#);
}

#[test]
fn points_are_found_by_their_time() {
    for (dialect, at_1, at_3) in [
        (Dialect::V1, "SELECT mw FROM load WHERE time = 1", "SELECT mw FROM load WHERE time = 3"),
        (
            Dialect::V2,
            r#"from(bucket: "b") |> range(start: time(v: 1), stop: time(v: 2)) |> filter(fn: (r) => r._measurement == "load")"#,
            r#"from(bucket: "b") |> range(start: time(v: 3), stop: time(v: 4)) |> filter(fn: (r) => r._measurement == "load")"#,
        ),
        (
            Dialect::V3,
            "SELECT mw FROM load WHERE time = to_timestamp_nanos(1)",
            "SELECT mw FROM load WHERE time = to_timestamp_nanos(3)",
        ),
    ] {
        let server = FaultServer::start(dialect);
        server.seed("load mw=11 1\nload mw=22 2");
        let asked = |query: &str| {
            let request = match dialect {
                Dialect::V1 => Request::new("POST", "/query?db=energy_data").body(format!("q={query}")),
                Dialect::V2 => Request::new("POST", "/api/v2/query?org=ons-energy").body(query),
                Dialect::V3 => Request::new("POST", "/api/v3/query_sql")
                    .body(json!({ "db": "energy_data", "q": query }).to_string()),
            };
            let request = request.header("authorization", "Token token-of-the-test");
            server.request(&request).unwrap().succeeded().text()
        };
        assert!(asked(at_1).contains("11") && !asked(at_1).contains("22"), "{}", asked(at_1));
        assert!(!asked(at_3).contains("11"), "{}", asked(at_3));
    }
}

#[test]
fn v3_calls_a_passing_fault_a_bad_request_where_it_speaks_as_v2() {
    let server = FaultServer::start(Dialect::V3);
    let (status, body) = written(&server, Dialect::V2, "load mw=1 1");
    assert_eq!((status, &body["code"]), (400, &json!("invalid")));
    assert!(server.store().is_empty());
}
