//! `influxdb-loader load` and `convert`: real data into real servers, files and standard output.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use influxdb_loader_tests::{
    CONSUMPTION_POINTS, CONSUMPTION_ROWS, CONSUMPTION_SUM, InfluxDb, InfluxDb2, InfluxServer, Loader, Moto, Settings,
    consumption_file, parquet, small_consumption,
};
use insta::assert_snapshot;
use serde_json::{Value, json};

const DATABASE: &str = "energy_data";

/// The accounts of the real data: every row is written or rejected.
#[track_caller]
fn assert_accounts_of_consumption(accounts: &Value) {
    assert_eq!(accounts["rows"], CONSUMPTION_ROWS, "{accounts}");
    assert_eq!(accounts["written"], CONSUMPTION_POINTS, "{accounts}");
    assert_eq!(accounts["points"], CONSUMPTION_POINTS, "{accounts}");
    assert_eq!(accounts["rejected"], json!({ "invalid-timestamp": CONSUMPTION_ROWS - CONSUMPTION_POINTS }));
    assert_eq!(accounts["filtered"], 0, "{accounts}");
}

#[track_caller]
fn assert_sum_of_consumption(sum: f64) {
    assert!((sum - CONSUMPTION_SUM).abs() <= 0.01, "{sum} is not {CONSUMPTION_SUM}");
}

/// Writes the small file to `path` under `directory`.
fn write_small(directory: &Path, path: &str) -> String {
    let path = directory.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, parquet(&small_consumption())).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The field `power_mw` of every line that has one.
fn power(lines: &str) -> impl Iterator<Item = f64> {
    lines.lines().filter_map(|line| {
        let (_, value) = line.split_once("power_mw=")?;
        Some(value[..value.find([',', ' ']).unwrap()].parse::<f64>().unwrap())
    })
}

/// Loads the real data twice and looks at what the server has afterwards.
fn assert_every_valid_row_arrives_and_a_replay_changes_nothing(influxdb: &InfluxServer) {
    for _ in 0..2 {
        let run = Loader::new(["load", "--json"])
            .argument(consumption_file())
            .settings(influxdb.settings(DATABASE))
            .run()
            .succeeded();
        let report = run.json();
        assert_eq!(report["status"], "succeeded");
        assert_eq!(report["objects"][0]["dataset"], "consumption");
        assert_eq!(report["objects"][0]["converter"]["name"], "consumption");
        assert_accounts_of_consumption(&report["objects"][0]["accounts"]);
        assert_eq!(influxdb.number(DATABASE, "count(power_mw)", "consumption_data"), CONSUMPTION_POINTS as f64);
        assert_sum_of_consumption(influxdb.number(DATABASE, "sum(power_mw)", "consumption_data"));
    }
    let first = &influxdb.query(DATABASE, "SELECT * FROM consumption_data ORDER BY time LIMIT 1")[0];
    let columns =
        json!(["time", "consumer_type", "measurement_type", "power_mw", "region", "sector", "subsector", "unit"]);
    let values = json!([
        1_514_772_000_000_000_000_i64,
        "distributor",
        "load",
        2569.709961,
        "sudeste",
        "distribution",
        "CPFL PAULISTA",
        "MW"
    ]);
    assert_eq!((&first["columns"], &first["values"][0]), (&columns, &values));
}

#[test]
fn every_valid_row_arrives_in_influxdb_and_a_replay_changes_nothing() {
    let influxdb = InfluxDb2::start(DATABASE);
    assert_every_valid_row_arrives_and_a_replay_changes_nothing(&influxdb);
    let regions = influxdb.flux(
        r#"from(bucket: "energy_data") |> range(start: 0) |> filter(fn: (r) => r._field == "power_mw")
            |> keep(columns: ["region", "_value"]) |> group(columns: ["region"]) |> count()"#,
    );
    assert!(regions.contains(&format!("sudeste,{CONSUMPTION_POINTS}")), "{regions}");
}

#[test]
fn every_valid_row_arrives_in_influxdb_1_and_a_replay_changes_nothing() {
    assert_every_valid_row_arrives_and_a_replay_changes_nothing(&InfluxDb::start(DATABASE));
}

#[test]
fn a_user_with_a_password_gets_in() {
    let influxdb = InfluxDb::start_with_authentication(DATABASE);
    let directory = tempfile::tempdir().unwrap();
    let file = write_small(directory.path(), "dataset=consumption/a.parquet");
    Loader::new(["load", &file]).settings(influxdb.settings(DATABASE)).run().succeeded();
    assert_eq!(influxdb.number(DATABASE, "count(power_mw)", "consumption_data"), 1.0);
}

#[test]
fn a_file_of_line_protocol_holds_every_valid_row() {
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("points.lp");
    let run = Loader::new(["load", "--to"])
        .argument(&output)
        .argument("--json")
        .argument(consumption_file())
        .run()
        .succeeded();
    assert_accounts_of_consumption(&run.json()["objects"][0]["accounts"]);
    let lines = fs::read_to_string(output).unwrap();
    assert_eq!(power(&lines).count() as u64, CONSUMPTION_POINTS);
    assert_sum_of_consumption(power(&lines).sum());
}

#[test]
fn standard_output_gets_the_points_and_standard_error_the_summary() {
    let directory = tempfile::tempdir().unwrap();
    let file = write_small(directory.path(), "dataset=consumption/a.parquet");
    let loaded = Loader::new(["load", "--to", "-", &file]).run().succeeded();
    assert_snapshot!(loaded.stdout, @r#"
    consumption_data,consumer_type=residential,measurement_type=load,region=southeast power_mw=1.5,unit="MW" 1514764800000000000
    consumption_data,consumer_type=industrial,measurement_type=load,region=southeast energy_mwh=2.25,unit="MWh" 1514768400000000000
    "#);
    let converted = Loader::new(["convert", &file]).run().succeeded();
    assert_eq!(converted.stdout, loaded.stdout);
    for run in [loaded, converted] {
        assert!(run.stderr.contains("invalid-timestamp"), "{run}");
    }
}

#[test]
fn a_file_outside_of_any_dataset_is_loaded_as_the_dataset_that_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = write_small(directory.path(), "upload.parquet");
    let run = Loader::new(["convert", &file, "--dataset", "consumption"]).run().succeeded();
    assert_eq!(run.stdout.lines().count(), 2);
}

#[test]
fn every_parquet_file_of_a_directory_is_loaded() {
    let directory = tempfile::tempdir().unwrap();
    write_small(directory.path(), "dataset=consumption/year=2018/a.parquet");
    write_small(directory.path(), "dataset=consumption/year=2019/b.parquet");
    fs::write(directory.path().join("dataset=consumption/_SUCCESS"), "").unwrap();
    let run = Loader::new(["load", "--to", "-"]).argument(directory.path()).run().succeeded();
    assert_eq!(run.stdout.lines().count(), 4);
}

#[test]
fn what_is_wrong_with_one_file_does_not_keep_the_others() {
    let influxdb = InfluxDb2::start(DATABASE);
    let directory = tempfile::tempdir().unwrap();
    write_small(directory.path(), "dataset=consumption/b.parquet");
    fs::write(directory.path().join("dataset=consumption/a.parquet"), "not Parquet").unwrap();
    let run = Loader::new(["load", "--json"]).argument(directory.path()).settings(influxdb.settings(DATABASE)).run();
    assert_eq!(run.code, Some(1), "{run}");
    let report = run.json();
    assert_eq!(report["status"], "failed");
    assert_eq!(report["objects"][0]["failure"]["error_type"], "DataConversionError");
    assert_eq!(report["objects"][1]["failure"], Value::Null);
    assert_eq!(report["totals"]["points"], 2);
    assert_eq!(influxdb.number(DATABASE, "count(unit)", "consumption_data"), 2.0);
}

#[test]
fn a_file_of_line_protocol_appears_only_when_it_is_complete() {
    let directory = tempfile::tempdir().unwrap();
    let good = write_small(directory.path(), "dataset=consumption/b.parquet");
    let bad = directory.path().join("dataset=consumption/a.parquet");
    fs::write(&bad, "not Parquet").unwrap();
    let output = directory.path().join("points.lp");
    let run = Loader::new(["load", &good, "--to"]).argument(&output).argument(bad).run();
    assert_eq!(run.code, Some(1), "{run}");
    assert!(!output.exists());
    let left: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["dataset=consumption"]);
}

#[test]
fn objects_of_s3_are_loaded_by_key_and_by_prefix() {
    let moto = Moto::start();
    moto.create_bucket("energy");
    for key in ["a/dataset=consumption/1.parquet", "a/dataset=consumption/2.parquet", "b/dataset=consumption/3.parquet"]
    {
        moto.put_object("energy", key, parquet(&small_consumption()));
    }
    let lines = |location: &str| {
        let run = Loader::new(["load", location, "--to", "-"]).settings(moto.settings()).run().succeeded();
        run.stdout.lines().count()
    };
    assert_eq!(lines("s3://energy/b/dataset=consumption/3.parquet"), 2);
    assert_eq!(lines("s3://energy/a/"), 4);
}

#[test]
fn a_file_that_rejects_rows_can_be_made_to_fail() {
    let directory = tempfile::tempdir().unwrap();
    let file = write_small(directory.path(), "dataset=consumption/a.parquet");
    let strict = Settings::default().with("DROP_INVALID_RECORDS", "false");
    let run = Loader::new(["load", &file, "--to", "-", "--json"]).settings(strict).run();
    assert_eq!(run.code, Some(1), "{run}");
}

#[test]
fn health_asks_the_server() {
    let influxdb = InfluxDb2::start(DATABASE);
    let healthy = Loader::new(["health", "--json"]).settings(influxdb.settings(DATABASE)).run().succeeded();
    assert_eq!(healthy.json()["engine"], "InfluxDB 2.x", "{healthy}");
    let deep = Loader::new(["health", "--deep", "--json"]).settings(influxdb.settings(DATABASE)).run().succeeded();
    assert!(deep.json()["read_ms"].as_f64().is_some_and(|time| time > 0.0), "{deep}");
    assert_eq!(influxdb.number(DATABASE, "count(value)", "influxdb_loader_probe"), 1.0);
    let settings = influxdb.settings(DATABASE);
    drop(influxdb);
    let unhealthy = Loader::new(["health"]).settings(settings).run();
    assert_eq!(unhealthy.code, Some(1), "{unhealthy}");
}
