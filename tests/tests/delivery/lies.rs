//! Answers that are not true, not whole or not InfluxDB's: no row is taken for written that is not, and none for bad that
//! the server has not named.

use influxdb_loader_tests::{Cut, Dialect, Fault, FaultServer, Response, Rules};
use serde_json::{Value, json};

use super::rows::Rows;
use super::{DIALECTS, Load};

const ROWS: usize = 512;
const BAD: usize = 200;

/// An engine that refuses row 200, and whose first answer is the one that `lie` makes of it.
fn server_that_lies(dialect: Dialect, lie: impl Fn(Response) -> Response + Send + Sync + 'static) -> FaultServer {
    let lie = Fault::lie(lie);
    FaultServer::with(Rules { banned: Some("region=bad".to_owned()), ..Rules::of(dialect) })
        .failing(move |arrival| if arrival.is_write_of(..1) { lie.clone() } else { Fault::None })
}

fn rows() -> Rows {
    Rows::new(ROWS).with_region(&[BAD], "bad")
}

/// The answer with other data about the lines.
fn with_data(answer: &Response, change: impl Fn(&mut Value)) -> Response {
    let mut body = answer.json();
    change(&mut body["data"]);
    Response { body: body.to_string().into_bytes(), ..answer.clone() }
}

#[test]
fn line_numbers_that_are_out_of_range_name_no_line() {
    for number in [json!(0), json!(ROWS + 1), json!(u64::MAX), json!(-1), json!("one"), json!(1.5), json!(null)] {
        let told = number.clone();
        let server = server_that_lies(Dialect::V3, move |answer| {
            with_data(&answer, |data| data[0]["line_number"] = number.clone())
        });
        let loaded = Load::of(rows()).in_one_batch().into(&server).succeeded();
        loaded.has_all_but(&server, "refused", &[BAD]);
        let writes = server.requests().writes().len();
        assert!(writes <= 25, "{told}: {writes} writes");
    }
}

#[test]
fn data_that_is_not_there_or_of_another_form_names_no_line() {
    for data in [json!(null), json!([]), json!("?"), json!({}), json!([[1, 2]]), json!([null])] {
        let server = server_that_lies(Dialect::V3, move |answer| with_data(&answer, |found| *found = data.clone()));
        let loaded = Load::of(rows()).in_one_batch().into(&server).succeeded();
        loaded.has_all_but(&server, "refused", &[BAD]);
    }
}

#[test]
fn a_line_that_was_not_sent_names_no_line() {
    let other = r#"consumption_data,region=west power_mw=1,unit="MW" 1"#;
    for dialect in [Dialect::V1, Dialect::V2] {
        let message = format!("unable to parse '{other}': invalid field format");
        let body = match dialect {
            Dialect::V1 => json!({ "error": format!("partial write: {message} dropped=0") }),
            _ => json!({ "code": "invalid", "message": message }),
        };
        let server =
            server_that_lies(dialect, move |answer| Response { body: body.to_string().into_bytes(), ..answer });
        let loaded = Load::of(rows()).in_one_batch().into(&server).succeeded();
        loaded.has_all_but(&server, "refused", &[BAD]);
    }
}

#[test]
fn an_answer_that_breaks_off_is_no_answer() {
    // Within the status, the headers and the body.
    for bytes in [5, 12, 40, 150, 260] {
        for dialect in DIALECTS {
            let server = FaultServer::with(Rules { banned: Some("region=bad".to_owned()), ..Rules::of(dialect) })
                .failing(
                    move |arrival| {
                        if arrival.is_write_of(..1) { Fault::CutAnswer(bytes, Cut::Close) } else { Fault::None }
                    },
                );
            let loaded = Load::of(rows()).in_one_batch().into(&server).succeeded();
            loaded.has_all_but(&server, "refused", &[BAD]);
        }
    }
}

#[test]
fn an_answer_without_an_end_is_read_to_some_end() {
    let server = FaultServer::start(Dialect::V2).failing(|arrival| match arrival.write() {
        Some(0) => Fault::Answer(Response::new(503, &"busy ".repeat(4_000_000))),
        _ => Fault::None,
    });
    let loaded = Load::of(Rows::new(ROWS)).into(&server).succeeded().has_everything(&server);
    assert!(loaded.outcome.peak_memory_kib < 200 * 1024, "{} KiB", loaded.outcome.peak_memory_kib);
}

#[test]
fn only_204_says_that_points_are_written() {
    let page = Response::new(200, "<html>Welcome to the hotel</html>").header("content-type", "text/html");
    for answer in
        [page, Response::new(200, ""), Response::new(202, "{}"), Response::new(302, "").header("location", "/login")]
    {
        let server = FaultServer::start(Dialect::V2).failing(move |arrival| {
            if arrival.write().is_some() { Fault::Answer(answer.clone()) } else { Fault::None }
        });
        let loaded = Load::of(Rows::new(ROWS)).with("MAX_RETRIES", 1).into(&server);
        assert_eq!(loaded.outcome.code, Some(1), "{}", loaded.outcome);
        assert_eq!((loaded.count("written"), loaded.count("points")), (0, 0), "{}", loaded.report);
        assert!(server.store().is_empty());
    }
}

#[test]
fn a_body_that_204_must_not_have_does_not_spoil_the_next_answer() {
    let server = FaultServer::start(Dialect::V2).failing(|arrival| {
        if arrival.write().is_some() {
            Fault::lie(|answer| Response { body: b"HTTP/1.1 400 -\r\ncontent-length: 0\r\n\r\n".to_vec(), ..answer })
        } else {
            Fault::None
        }
    });
    let loaded = Load::of(Rows::new(5000)).one_by_one().into(&server);
    loaded.succeeded().has_everything(&server);
}

#[test]
fn dropped_points_that_are_miscounted_are_found_all_the_same() {
    use super::rows::seed;
    for dropped in ["0", "1", "7", "511", "99999999999999999999", "-1", "many", ""] {
        let server = FaultServer::start(Dialect::V2);
        server.seed(&seed("energy_mwh=1i"));
        let lie = Fault::lie(move |answer| {
            let text = answer.text().replace("dropped=3", &format!("dropped={dropped}"));
            Response { body: text.into_bytes(), ..answer }
        });
        let server = server.failing(move |arrival| if arrival.is_write_of(..1) { lie.clone() } else { Fault::None });
        let conflicting = [1, 100, 500];
        let rows = Rows::new(ROWS).with_unit(&conflicting, "MWh");
        let loaded = Load::of(rows).in_one_batch().into(&server).succeeded();
        loaded.has_all_but(&server, "type-conflict", &conflicting);
    }
}
