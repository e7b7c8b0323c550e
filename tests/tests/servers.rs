//! The servers that the other suites rely on: each starts, takes a point or an object, gives it back, and ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::net::{Ipv4Addr, TcpStream};

use influxdb_loader_tests::{InfluxDb, Moto, Request, Responder, Response, VictoriaMetrics, request};
use serde_json::json;

#[test]
fn influxdb_gives_back_the_points_that_it_took() {
    let influxdb = InfluxDb::start("energy_data");
    assert_eq!(influxdb.number("energy_data", "count(value)", "load"), 0.0);
    let answer = influxdb.write("energy_data", "load,region=north value=1.5 1\nload,region=north value=2 2\n");
    assert_eq!(answer.status, 204);
    assert_eq!(influxdb.number("energy_data", "count(value)", "load"), 2.0);
    assert_eq!(influxdb.number("energy_data", "sum(value)", "load"), 3.5);
}

#[test]
fn influxdb_with_authentication_lets_nobody_else_in() {
    let influxdb = InfluxDb::start_with_authentication("energy_data");
    assert_eq!(influxdb.write("energy_data", "load value=1 1").status, 204);
    let port = influxdb.url().rsplit(':').next().unwrap().parse().unwrap();
    let write = Request::new("POST", "/write?db=energy_data&u=admin&p=wrong").body("load value=1 1");
    assert_eq!(request(port, &write).unwrap().status, 401);
}

#[test]
fn victoria_metrics_gives_back_the_points_that_it_took() {
    let victoria_metrics = VictoriaMetrics::start();
    let lines = "load,region=north value=1.5 1514764800000000000\nload,region=north value=2 1514768400000000000\n";
    assert_eq!(victoria_metrics.write(lines).status, 204);
    let series = victoria_metrics.export("load_value");
    assert_eq!(series.len(), 1);
    assert_eq!(series[0].labels["region"], "north");
    assert_eq!(series[0].timestamps, [1_514_764_800_000, 1_514_768_400_000]);
    assert_eq!(series[0].values, [1.5, 2.0]);
}

#[test]
fn moto_keeps_objects_and_metrics() {
    let moto = Moto::start();
    moto.create_bucket("energy");
    moto.put_object("energy", "dataset=consumption/a.parquet", b"PAR1".to_vec());
    assert_eq!(moto.keys("energy", "dataset=consumption/"), ["dataset=consumption/a.parquet"]);
    assert_eq!(moto.get_object("energy", "dataset=consumption/a.parquet"), b"PAR1");
    moto.create_secret("influxdb-token", "secret");
    assert!(moto.metrics("ONS/InfluxDB").is_empty());
    assert_eq!(moto.metric_sum(&json!({ "Namespace": "ONS/InfluxDB", "MetricName": "M", "Dimensions": [] })), None);
}

#[test]
fn a_responder_remembers_what_it_was_asked() {
    let responder = Responder::always(Response::new(503, "busy"));
    let port = responder.url().rsplit(':').next().unwrap().parse().unwrap();
    let answer = request(port, &Request::new("POST", "/write").body("load value=1 1")).unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (503, "busy"));
    assert_eq!(responder.requests()[0].body, b"load value=1 1");
}

#[test]
fn a_server_ends_with_its_value() {
    let influxdb = InfluxDb::start("energy_data");
    let port: u16 = influxdb.url().rsplit(':').next().unwrap().parse().unwrap();
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
    drop(influxdb);
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
}
