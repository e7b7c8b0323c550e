//! Bad input is normal: every failure ends with an exit status, an error type and a message for people, never a panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, ListArray, RecordBatch};
use arrow::datatypes::Float64Type;
use influxdb_loader_tests::{
    Dialect, Fault, FaultServer, InfluxDb, Loader, Moto, Outcome, Settings, consumption_file, parquet,
    small_consumption,
};
use insta::assert_snapshot;

/// A directory with a file at `dataset=consumption/a.parquet`.
struct Input(tempfile::TempDir);

impl Input {
    fn new(bytes: impl AsRef<[u8]>) -> Self {
        Self::at("dataset=consumption/a.parquet", bytes)
    }

    fn at(path: &str, bytes: impl AsRef<[u8]>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        Self(directory)
    }

    fn of(batch: &RecordBatch) -> Self {
        Self::new(parquet(batch))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// The error of a load to standard output.
    fn error(&self) -> String {
        error(&Loader::new(["load", "--to", "-"]).argument(self.path()).run(), &[self.name()])
    }

    /// Loads into the server of these settings, without a second try.
    fn load_into(&self, settings: Settings) -> Outcome {
        Loader::new(["load"]).argument(self.path()).settings(settings.with("MAX_RETRIES", "0")).run()
    }

    /// The error of a load into the server at `url`, without a second try.
    fn error_into(&self, url: &str, settings: Settings) -> String {
        let run = self.load_into(settings.with("INFLUXDB_URL", url));
        for secret in ["very-secret", "wrong-horse"] {
            assert!(!run.stderr.contains(secret), "{run}");
        }
        error(&run, &[self.name(), (url, "URL")])
    }

    /// What stands for the directory's name, which is another one at every run.
    fn name(&self) -> (&str, &str) {
        (self.path().to_str().unwrap(), "DIRECTORY")
    }
}

/// The error that a failed run reports, with what differs from run to run replaced.
#[track_caller]
fn error(run: &Outcome, replaced: &[(&str, &str)]) -> String {
    assert_eq!(run.code, Some(1), "{run}");
    for word in ["panicked", "backtrace", "RUST_BACKTRACE"] {
        assert!(!run.stderr.contains(word), "{run}");
    }
    let error = run.stderr.find("error: ").unwrap_or_else(|| panic!("no error: {run}"));
    // The summary, a table, may follow.
    let told: Vec<&str> = run.stderr[error..].lines().take_while(|line| !line.starts_with('─')).collect();
    let told = replaced.iter().fold(told.join("\n"), |text, (from, to)| text.replace(from, to));
    without_times(&told)
}

/// Replaces the number in every ` in 12 ms`, and what a slow machine makes of it, as in ` in 1.2 s`.
fn without_times(text: &str) -> String {
    let mut parts = text.split(" in ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let rest = part.trim_start_matches(|character: char| character.is_ascii_digit() || character == '.');
        let after_unit = rest.strip_prefix(" ms").or_else(|| rest.strip_prefix(" s"));
        match after_unit {
            Some(after_unit) if rest.len() < part.len() => format!("{text} in N ms{after_unit}"),
            _ => format!("{text} in {part}"),
        }
    })
}

/// The small file with its column `value` replaced.
fn with_values(values: &ArrayRef) -> RecordBatch {
    let batch = small_consumption();
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns()).map(|(field, column)| {
        let column = if field.name() == "value" { values } else { column };
        (field.name().clone(), Arc::clone(column))
    });
    RecordBatch::try_from_iter(columns).unwrap()
}

#[test]
fn a_file_that_is_not_parquet() {
    let input = Input::new("timestamp,region,value\n");
    assert_snapshot!(input.error(), @"error: `DIRECTORY/dataset=consumption/a.parquet` is not a Parquet file: Parquet error: Invalid Parquet file. Corrupt footer");
}

#[test]
fn an_empty_file() {
    let input = Input::new("");
    assert_snapshot!(input.error(), @"error: `DIRECTORY/dataset=consumption/a.parquet` is not a Parquet file: it is empty");
}

#[test]
fn a_file_of_which_the_end_is_missing() {
    let bytes = fs::read(consumption_file()).unwrap();
    let input = Input::new(&bytes[..bytes.len() / 2]);
    assert_snapshot!(input.error(), @"error: `DIRECTORY/dataset=consumption/a.parquet` is not a Parquet file: Parquet error: Invalid Parquet file. Corrupt footer");
}

#[test]
fn a_file_with_damaged_pages() {
    let mut bytes = fs::read(consumption_file()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4096].fill(0xA5);
    let input = Input::new(bytes);
    assert_snapshot!(input.error(), @"error: cannot decode `DIRECTORY/dataset=consumption/a.parquet` at row 32768, in row group 2, column `timestamp`: Parquet argument error: Parquet error: a page of column `timestamp` in row group 2 cannot be read: snappy: corrupt input (expected literal read of length 3; remaining src: 4674; remaining dst: 2)");
}

#[test]
fn a_nested_column_where_a_number_is_needed() {
    let lists = ListArray::from_iter_primitive::<Float64Type, _, _>([Some([Some(1.0)]), None, Some([Some(2.0)])]);
    let input = Input::of(&with_values(&(Arc::new(lists) as ArrayRef)));
    assert_snapshot!(input.error(), @"error: `DIRECTORY/dataset=consumption/a.parquet`: converter `consumption` 1.0.0 rejected the input: the column `value` must be float, integer, unsigned or text: `List(Float64)` (invalid-column-type)");
}

#[test]
fn a_file_without_columns_that_its_dataset_requires() {
    let values = Arc::new(Float64Array::from(vec![1.0])) as ArrayRef;
    let input = Input::of(&RecordBatch::try_from_iter([("value", values)]).unwrap());
    assert_snapshot!(input.error(), @"error: `DIRECTORY/dataset=consumption/a.parquet`: converter `consumption` 1.0.0 rejected the input: the dataset `consumption` requires the column `timestamp` (missing-column); the dataset `consumption` requires the column `region` (missing-column); the dataset `consumption` requires the column `consumer_type` (missing-column); the dataset `consumption` requires the column `measurement_type` (missing-column); the dataset `consumption` requires the column `unit` (missing-column)");
}

#[test]
fn a_path_that_names_no_dataset() {
    let input = Input::at("upload/a.parquet", parquet(&small_consumption()));
    assert_snapshot!(input.error(), @r"
    error: the key names no dataset: `DIRECTORY/upload/a.parquet`; known datasets: `consumption`, `generation`, `transmission`
    hint: put a `dataset=NAME/` segment into the key, or name the dataset in the event or by `--dataset`
    ");
}

#[test]
fn a_dataset_that_has_no_converter() {
    let input = Input::at("dataset=weather/a.parquet", parquet(&small_consumption()));
    assert_snapshot!(input.error(), @"error: `DIRECTORY/dataset=weather/a.parquet`: no converter for dataset `weather`, known: `consumption`, `generation`, `transmission`");
}

#[test]
fn a_file_that_does_not_exist() {
    let run = Loader::new(["load", "--to", "-", "/nonexistent/dataset=consumption/a.parquet"]).run();
    assert_snapshot!(error(&run, &[]), @"error: `/nonexistent/dataset=consumption/a.parquet` does not exist");
}

#[test]
fn a_converter_that_is_no_component() {
    let input = Input::of(&small_consumption());
    let converter = input.path().join("converter.wasm");
    fs::write(&converter, "(module)").unwrap();
    let run = Loader::new(["load", "--to", "-", "--converter"]).argument(converter).argument(input.path()).run();
    assert_snapshot!(error(&run, &[input.name()]), @"error: component `sha256:1885772b94ca` is not a WebAssembly component: it is WebAssembly text, not binary");
}

#[test]
fn an_object_and_a_bucket_that_do_not_exist() {
    let moto = Moto::start();
    moto.create_bucket("energy");
    let load = |location| Loader::new(["load", "--to", "-", location]).settings(moto.settings()).run();
    assert_snapshot!(error(&load("s3://energy/dataset=consumption/missing.parquet"), &[]), @"error: `s3://energy/dataset=consumption/missing.parquet` does not exist");
    assert_snapshot!(error(&load("s3://nothing/dataset=consumption/a.parquet"), &[]), @"error: the bucket of `s3://nothing/dataset=consumption/a.parquet` does not exist");
}

#[test]
fn an_object_that_may_not_be_read() {
    let moto = Moto::start();
    moto.create_bucket("energy");
    moto.put_object("energy", "dataset=consumption/a.parquet", parquet(&small_consumption()));
    let settings = moto.settings_without_permissions();
    let run = Loader::new(["load", "--to", "-", "s3://energy/dataset=consumption/a.parquet"]).settings(settings).run();
    assert_snapshot!(error(&run, &[]), @"error: no permission to read `s3://energy/dataset=consumption/a.parquet`: AccessDenied: Access Denied");
}

#[test]
fn a_secret_that_does_not_exist() {
    let (moto, server) = (Moto::start(), FaultServer::start(Dialect::V2));
    let settings = moto.settings().with("INFLUXDB_API", "v2").with("INFLUXDB_TOKEN_SECRET_NAME", "missing");
    let error = Input::of(&small_consumption()).error_into(&server.url(), settings);
    assert_snapshot!(error, @"error: `DIRECTORY/dataset=consumption/a.parquet`: InfluxDB's token cannot be had: the secret `missing` cannot be read from Secrets Manager: ResourceNotFoundException, Secrets Manager can't find the specified secret.");
    assert!(server.requests().writes().is_empty(), "nothing is written without a token");
}

#[test]
fn a_wrong_token() {
    let server = FaultServer::start(Dialect::V2);
    let settings = Settings::default().with("INFLUXDB_API", "v2").with("INFLUXDB_TOKEN", "very-secret");
    let error = Input::of(&small_consumption()).error_into(&server.url(), settings);
    assert_snapshot!(error, @"
    error: `DIRECTORY/dataset=consumption/a.parquet`: the credentials are refused: `URL/api/v2/write` answered 401, unauthorized access (1 attempt in N ms)
    hint: check `INFLUXDB_TOKEN`, the secret that `INFLUXDB_TOKEN_SECRET_NAME` names, or for 1.x `INFLUXDB_USERNAME` and `INFLUXDB_PASSWORD`
    ");
}

#[test]
fn a_wrong_password() {
    let influxdb = InfluxDb::start_with_authentication("energy_data");
    let settings = influxdb.settings("energy_data").with("INFLUXDB_PASSWORD", "wrong-horse");
    let error = Input::of(&small_consumption()).error_into(&influxdb.url(), settings);
    assert_snapshot!(error, @"
    error: `DIRECTORY/dataset=consumption/a.parquet`: the credentials are refused: `URL/write` answered 401, authorization failed (1 attempt in N ms)
    hint: check `INFLUXDB_TOKEN`, the secret that `INFLUXDB_TOKEN_SECRET_NAME` names, or for 1.x `INFLUXDB_USERNAME` and `INFLUXDB_PASSWORD`
    ");
}

#[test]
fn a_database_that_does_not_exist() {
    let influxdb = InfluxDb::start("energy_data");
    let error = Input::of(&small_consumption()).error_into(&influxdb.url(), influxdb.settings("other"));
    assert_snapshot!(error, @r#"error: `DIRECTORY/dataset=consumption/a.parquet`: database `other` does not exist: `URL/write` answered 404, database not found: "other" (1 attempt in N ms)"#);
}

#[test]
fn a_server_that_is_not_there() {
    let server = FaultServer::start(Dialect::V1);
    let url = server.url();
    drop(server);
    let settings = Settings::default().with("INFLUXDB_API", "v1");
    let error = Input::of(&small_consumption()).error_into(&url, settings);
    assert_snapshot!(error, @r"
    error: `URL/ping` cannot be reached (1 attempt in N ms): error sending request: client error (Connect): tcp connect error: Connection refused (os error 111)
    hint: check `INFLUXDB_URL`, and `HTTPS_PROXY` and `NO_PROXY` where there is a proxy; in a VPC, whether the function's subnets and security groups let it reach the server
    ");
}

#[test]
fn a_server_that_stays_busy() {
    let server = FaultServer::start(Dialect::V1).failing(|_| Fault::answer(503, "busy"));
    let settings = Settings::default().with("INFLUXDB_API", "v1");
    let error = Input::of(&small_consumption()).error_into(&server.url(), settings);
    assert_snapshot!(error, @"error: InfluxDB is failing or too busy: `URL/ping` answered 503, busy (1 attempt in N ms)");
}

#[test]
fn settings_that_are_not_allowed() {
    let settings = Settings::default().with("MAX_BATCH_SIZE", "0").with("INFLUXDB_API", "v4");
    let run = Input::of(&small_consumption()).load_into(settings);
    assert_snapshot!(error(&run, &[]), @"
    error: 2 bad settings:
      `INFLUXDB_API` is `v4`; allowed: `auto`, `v1`, `v2` or `v3`
      `MAX_BATCH_SIZE` is `0`; allowed: a whole number from 1 to 100000
    ");
}

#[test]
fn no_settings_at_all() {
    let run = Input::of(&small_consumption()).load_into(Settings::default());
    assert_snapshot!(error(&run, &[]), @"
    error: InfluxDB cannot be written to without `INFLUXDB_URL`, and without `INFLUXDB_TOKEN` or `INFLUXDB_TOKEN_SECRET_NAME`
    hint: for a 1.x server without authentication, set `INFLUXDB_API=v1`
    ");
}

#[test]
fn an_event_that_is_not_json_or_of_no_known_form() {
    let settings = Settings::default()
        .with("INFLUXDB_API", "v1")
        .with("INFLUXDB_URL", "http://127.0.0.1:9")
        .with("ENABLE_METRICS", "false");
    let invoke = |event: &str| {
        let input = Input::at("event.json", event);
        Loader::new(["invoke"]).argument(input.path().join("event.json")).settings(settings.clone()).run()
    };
    assert_snapshot!(error(&invoke("hello"), &[]), @"error: the event is not JSON: expected value at line 1 column 1");
    let unknown = invoke(r#"{"hello": "world"}"#);
    assert_eq!(unknown.code, Some(1), "{unknown}");
    assert_eq!(unknown.json()["errorType"], "UnexpectedError");
    assert_snapshot!(unknown.json()["errorMessage"].as_str().unwrap().lines().next().unwrap(), @"the event has no known form; known are:");
}
