//! The function: events through the Lambda emulator, objects from S3, points into InfluxDB, metrics into CloudWatch.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;

use influxdb_loader_tests::{
    CONSUMPTION_POINTS, CONSUMPTION_ROWS, CONSUMPTION_SUM, Function, InfluxDb2, Loader, Moto, Settings, Told,
    consumption_file, parquet, small_consumption,
};
use serde_json::{Value, json};

const BUCKET: &str = "energy";
const DATABASE: &str = "energy_data";
const KEY: &str = "dataset=consumption/small.parquet";

/// S3 with a small object, and InfluxDB.
struct Site {
    moto: Moto,
    influxdb: InfluxDb2,
}

impl Site {
    fn start() -> Self {
        let (moto, influxdb) = (Moto::start(), InfluxDb2::start(DATABASE));
        moto.create_bucket(BUCKET);
        moto.put_object(BUCKET, KEY, parquet(&small_consumption()));
        Self { moto, influxdb }
    }

    fn settings(&self) -> Settings {
        self.moto.settings().and(self.influxdb.settings(DATABASE)).with("ENABLE_METRICS", "false")
    }

    /// How many points InfluxDB has: every row of the objects has a unit, which is a field of its point.
    fn points(&self) -> f64 {
        self.influxdb.number(DATABASE, "count(unit)", "consumption_data")
    }
}

/// A notification of S3.
fn notification(keys: &[&str]) -> Value {
    let told: Vec<_> = keys.iter().map(|key| Told::new(key)).collect();
    influxdb_loader_tests::notification(BUCKET, &told)
}

/// A request as a REST API of API Gateway sends it.
fn rest_request(body: &str, is_base64_encoded: bool) -> Value {
    json!({
        "resource": "/load",
        "path": "/load",
        "httpMethod": "POST",
        "headers": { "Content-Type": "application/json" },
        "queryStringParameters": null,
        "pathParameters": null,
        "requestContext": { "resourcePath": "/load", "httpMethod": "POST", "requestId": "EXAMPLE", "stage": "prod" },
        "body": body,
        "isBase64Encoded": is_base64_encoded,
    })
}

#[test]
fn a_notification_of_s3_loads_every_object_that_it_names() {
    let site = Site::start();
    site.moto.put_object(BUCKET, "dataset=consumption/sao%20paulo.parquet", fs::read(consumption_file()).unwrap());
    let function = Function::start(site.settings());
    let invocation = function
        .invoke(&notification(&["dataset%3Dconsumption/small.parquet", "dataset%3Dconsumption/sao+paulo.parquet"]));
    assert!(!invocation.failed, "{}\n{}", invocation.answer, function.log());
    assert_eq!(invocation.answer["totals"]["rows"], CONSUMPTION_ROWS + 3);
    assert_eq!(invocation.answer["totals"]["points"], CONSUMPTION_POINTS + 2);
    assert_eq!(site.points(), (CONSUMPTION_POINTS + 2) as f64);
    let sum = site.influxdb.number(DATABASE, "sum(power_mw)", "consumption_data");
    assert!((sum - CONSUMPTION_SUM - 1.5).abs() <= 0.01, "{sum}");
}

#[test]
fn the_notification_that_s3_sends_as_a_test_is_acknowledged() {
    let site = Site::start();
    let function = Function::start(site.settings());
    let event =
        json!({ "Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": BUCKET, "Time": "2024-01-01T00:00:00Z" });
    let invocation = function.invoke(&event);
    assert!(!invocation.failed, "{}", invocation.answer);
}

#[test]
fn a_failed_object_fails_the_invocation_and_the_function_goes_on() {
    let site = Site::start();
    site.moto.put_object(BUCKET, "dataset=consumption/broken.parquet", b"not Parquet".to_vec());
    let function = Function::start(site.settings());
    let failed = function.invoke(&notification(&["dataset%3Dconsumption/broken.parquet", KEY]));
    assert!(failed.failed, "{}", failed.answer);
    assert_eq!(failed.answer["errorType"], "DataConversionError");
    // What is fine is loaded all the same, and what failed does no harm to the next event.
    assert_eq!(site.points(), 2.0);
    assert!(!function.invoke(&notification(&[KEY])).failed);
    assert_eq!(site.points(), 2.0);
}

#[test]
fn step_functions_get_the_report_or_the_type_of_the_error() {
    let site = Site::start();
    let function = Function::start(site.settings());
    let loaded = function.invoke(&json!({ "bucket": BUCKET, "key": KEY }));
    assert!(!loaded.failed, "{}", loaded.answer);
    assert_eq!(loaded.answer["status"], "succeeded");
    assert_eq!(loaded.answer["objects"][0]["accounts"]["written"], 2);
    assert_eq!(loaded.answer["objects"][0]["accounts"]["rejected"], json!({ "invalid-timestamp": 1 }));
    assert_eq!(site.points(), 2.0);

    let missing = function.invoke(&json!({ "bucket": BUCKET, "key": "dataset=consumption/missing.parquet" }));
    assert!(missing.failed);
    assert_eq!(missing.answer["errorType"], "UnexpectedError");
    let unknown = function.invoke(&json!({ "bucket": BUCKET, "key": "other/small.parquet" }));
    assert!(unknown.failed);
    assert_eq!(unknown.answer["errorType"], "DataConversionError");
}

#[test]
fn api_gateway_gets_a_response_for_bodies_plain_and_in_base64() {
    let site = Site::start();
    let function = Function::start(site.settings());
    let ask = |event: &Value| {
        let invocation = function.invoke(event);
        assert!(!invocation.failed, "{}", invocation.answer);
        let body: Value = serde_json::from_str(invocation.answer["body"].as_str().unwrap()).unwrap();
        (invocation.answer["statusCode"].as_u64().unwrap(), body)
    };
    let (status, body) = ask(&rest_request(&json!({ "bucket": BUCKET, "key": KEY }).to_string(), false));
    assert_eq!((status, &body["totals"]["points"]), (200, &json!(2)));
    // {"bucket":"energy","key":"dataset=consumption/small.parquet"}
    let encoded = "eyJidWNrZXQiOiJlbmVyZ3kiLCJrZXkiOiJkYXRhc2V0PWNvbnN1bXB0aW9uL3NtYWxsLnBhcnF1ZXQifQ==";
    let (status, body) = ask(&rest_request(encoded, true));
    assert_eq!((status, &body["totals"]["points"]), (200, &json!(2)));
    let (status, body) = ask(&rest_request("{}", false));
    assert_eq!((status, &body["status"]), (400, &json!("failed")));
    let (status, _) =
        ask(&rest_request(&json!({ "bucket": BUCKET, "key": "dataset=consumption/no" }).to_string(), false));
    assert_eq!(status, 404);
}

#[test]
fn the_token_comes_from_secrets_manager_and_is_read_again_when_it_is_refused() {
    let site = Site::start();
    let (id, token) = site.influxdb.authorize(&[], &[DATABASE]);
    site.moto.create_secret("influxdb-token", &json!({ "token": token }).to_string());
    let settings = site.settings().with("INFLUXDB_TOKEN_SECRET_NAME", "influxdb-token");
    let function = Function::start(settings.without("INFLUXDB_TOKEN"));
    let load = || function.invoke(&json!({ "bucket": BUCKET, "key": KEY }));
    let loaded = load();
    assert!(!loaded.failed, "{}", loaded.answer);

    site.influxdb.delete_authorization(&id);
    let refused = load();
    assert!(refused.failed);
    assert_eq!(refused.answer["errorType"], "InfluxDBConnectionError");

    let (_, token) = site.influxdb.authorize(&[], &[DATABASE]);
    site.moto.put_secret("influxdb-token", &token);
    let key = "dataset=consumption/other.parquet";
    site.moto.put_object(BUCKET, key, fs::read(consumption_file()).unwrap());
    let loaded = function.invoke(&json!({ "bucket": BUCKET, "key": key }));
    assert!(!loaded.failed, "{}", loaded.answer);
    assert_eq!(site.points(), (CONSUMPTION_POINTS + 2) as f64);
}

#[test]
fn metrics_arrive_in_cloudwatch() {
    let site = Site::start();
    let function = Function::start(site.settings().with("ENABLE_METRICS", "true"));
    assert!(!function.invoke(&json!({ "bucket": BUCKET, "key": KEY })).failed, "{}", function.log());
    let metrics = site.moto.metrics("ONS/InfluxDB");
    let mut sums = BTreeMap::new();
    for metric in &metrics {
        let dimensions = metric["Dimensions"].as_array().unwrap();
        let dimension = |name: &str| {
            let found = dimensions.iter().find(|dimension| dimension["Name"] == name);
            found.unwrap_or_else(|| panic!("no dimension `{name}`: {metric}"))["Value"].clone()
        };
        assert_eq!(dimension("Function"), "InfluxDBLoader");
        let name = metric["MetricName"].as_str().unwrap().to_owned();
        if !["BreakerOpen", "ColdStart"].contains(&name.as_str()) {
            assert_eq!(dimension("DatasetType"), "consumption");
        }
        sums.insert(name, site.moto.metric_sum(metric).unwrap());
    }
    assert_eq!(sums["PointsWritten"], 2.0, "{sums:?}");
    assert_eq!(sums["SourceRecords"], 3.0, "{sums:?}");
    assert_eq!(sums["BatchesProcessed"], 1.0, "{sums:?}");
    assert_eq!(sums["FailedBatches"], 0.0, "{sums:?}");
    assert_eq!(sums["BatchSuccessRate"], 100.0, "{sums:?}");
    assert!((sums["ConversionRate"] - 200.0 / 3.0).abs() < 0.01, "{sums:?}");
    assert!(sums["ProcessingTime"] > 0.0, "{sums:?}");
    assert!(sums["WriteLatency"] > 0.0 && sums["BytesRead"] > 0.0 && sums["BytesWritten"] > 0.0, "{sums:?}");
    assert_eq!((sums["ColdStart"], sums["BreakerOpen"], sums["ConverterVersion"]), (1.0, 0.0, 1.0), "{sums:?}");
}

#[test]
fn the_command_line_answers_an_event_as_the_function_does() {
    let site = Site::start();
    let directory = tempfile::tempdir().unwrap();
    let invoke = |event: &Value| {
        let path = directory.path().join("event.json");
        fs::write(&path, event.to_string()).unwrap();
        Loader::new(["invoke"]).argument(path).settings(site.settings()).run()
    };
    let loaded = invoke(&notification(&[KEY])).succeeded();
    assert_eq!(loaded.json()["totals"]["points"], 2);
    let failed = invoke(&json!({ "bucket": BUCKET, "key": "dataset=consumption/missing.parquet" }));
    assert_eq!(failed.code, Some(1), "{failed}");
    assert_eq!(failed.json()["errorType"], "UnexpectedError");
}

#[test]
fn a_bad_setting_stops_the_start() {
    let mut function = Function::start(Settings::default().with("MAX_RETRIES", "many"));
    let (code, log) = function.wait();
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("`MAX_RETRIES` is `many`"), "{log}");
}
