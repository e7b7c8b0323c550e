//! How objects of S3 are read: in few requests, none of them in vain, and not beyond the deadline.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use influxdb_loader_tests::{InfluxDb2, Loader, Moto, Responder, Response, Settings, every_column_component, request};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use serde_json::json;

const BUCKET: &str = "energy";
const DATABASE: &str = "energy_data";

/// Rows of the consumption dataset, each with a text that no codec makes shorter.
fn consumption(rows: usize, noise: usize) -> RecordBatch {
    let text = |text: &'static str| Arc::new(StringArray::from_iter_values((0..rows).map(|_| text))) as ArrayRef;
    let times = (0..rows).map(|row| 1_514_764_800_000 + row as i64 * 3_600_000);
    let mut state = 1_u64;
    let mut noise = |_| -> String {
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"[(state >> 58) as usize])
        };
        (0..noise).map(|_| next()).collect()
    };
    RecordBatch::try_from_iter([
        ("timestamp", Arc::new(TimestampMillisecondArray::from_iter_values(times).with_timezone("UTC")) as ArrayRef),
        ("region", text("southeast")),
        ("value", Arc::new(Float64Array::from_iter_values((0..rows).map(|row| row as f64 / 7.0)))),
        ("unit", text("MW")),
        ("consumer_type", text("industrial")),
        ("measurement_type", text("load")),
        ("sector", Arc::new(StringArray::from_iter_values((0..rows).map(&mut noise)))),
    ])
    .unwrap()
}

fn written(batch: &RecordBatch, row_group: usize) -> Vec<u8> {
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(row_group)).build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    bytes
}

/// What stands between the loader and S3, and what it has seen.
struct Between {
    proxy: Responder,
    requests: Arc<AtomicUsize>,
    /// The most requests at one time.
    most: Arc<AtomicUsize>,
    bytes: Arc<AtomicUsize>,
}

impl Between {
    /// Answers each request so much later, until it has passed on so many bytes: from then on never.
    fn start(moto: &Moto, delay: Duration, until: usize) -> Self {
        let port: u16 = moto.url().rsplit(':').next().unwrap().parse().unwrap();
        let [requests, most, bytes] = [(); 3].map(|()| Arc::<AtomicUsize>::default());
        let counts = (Arc::clone(&requests), Arc::clone(&bytes));
        let (now, highest) = (AtomicUsize::new(0), Arc::clone(&most));
        let proxy = Responder::start(move |received| {
            counts.0.fetch_add(1, Ordering::Relaxed);
            highest.fetch_max(now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            thread::sleep(delay);
            if counts.1.load(Ordering::Relaxed) >= until {
                thread::sleep(Duration::from_secs(60));
            }
            let mut forwarded = received.clone();
            forwarded.headers.retain(|name, _| !["host", "content-length", "connection"].contains(&name.as_str()));
            // moto may be gone when those who were silent wake up.
            let Ok(Response { status, body, mut headers }) = request(port, &forwarded) else {
                return Response::new(503, "");
            };
            counts.1.fetch_add(body.len(), Ordering::Relaxed);
            now.fetch_sub(1, Ordering::Relaxed);
            headers.retain(|name, _| !["content-length", "connection", "transfer-encoding"].contains(&name.as_str()));
            Response { status, headers, body }
        });
        Self { proxy, requests, most, bytes }
    }

    fn settings(&self, moto: &Moto) -> Settings {
        moto.settings().with("AWS_ENDPOINT_URL_S3", self.proxy.url()).with("ENABLE_METRICS", "false")
    }
}

#[test]
fn two_thousand_row_groups_take_few_requests_and_little_time() {
    let moto = Moto::start();
    moto.create_bucket(BUCKET);
    let object = written(&consumption(20_000, 160), 10);
    let size = object.len();
    assert!((4_000_000..9_000_000).contains(&size), "{size}");
    moto.put_object(BUCKET, "dataset=consumption/many.parquet", object);
    let between = Between::start(&moto, Duration::from_millis(20), usize::MAX);
    let started = Instant::now();
    let load = Loader::new(["load", "--to", "/dev/null", "--json"])
        .argument(format!("s3://{BUCKET}/dataset=consumption/many.parquet"))
        .settings(between.settings(&moto));
    let report = load.run().succeeded().json();
    assert_eq!(report["totals"]["written"], 20_000, "{report}");
    let requests = between.requests.load(Ordering::Relaxed);
    assert!(requests < 60, "{requests} requests");
    // A request for each row group took more than a minute. Three seconds are enough on a machine that does nothing else.
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    let bytes = between.bytes.load(Ordering::Relaxed);
    assert!(bytes <= size, "{bytes} bytes are read of {size}");
}

#[test]
fn what_the_first_request_brought_is_not_fetched_again() {
    let moto = Moto::start();
    moto.create_bucket(BUCKET);
    for (rows, most) in [(50, 1), (350, 2)] {
        let object = written(&consumption(rows, 200), 1_000);
        let size = object.len();
        moto.put_object(BUCKET, "dataset=consumption/small.parquet", object);
        let between = Between::start(&moto, Duration::ZERO, usize::MAX);
        let load = Loader::new(["load", "--to", "/dev/null"])
            .argument(format!("s3://{BUCKET}/dataset=consumption/small.parquet"))
            .settings(between.settings(&moto));
        load.run().succeeded();
        let (requests, bytes) = (between.requests.load(Ordering::Relaxed), between.bytes.load(Ordering::Relaxed));
        assert!(requests <= most && bytes <= size, "{rows} rows: {requests} requests, {bytes} of {size} bytes");
    }
}

#[test]
fn many_columns_take_no_more_requests_at_a_time_than_there_is_memory_for() {
    const COLUMNS: usize = 100;
    let rows = Int64Array::from_iter_values(0..30_000);
    let numbers = |column: usize| {
        let numbers = rows.iter().flatten().map(move |row| (row as f64 + 0.5) / (column + 1) as f64);
        Arc::new(Float64Array::from_iter_values(numbers)) as ArrayRef
    };
    let columns = (0..COLUMNS).map(|column| (format!("f{column}"), numbers(column)));
    let batch =
        RecordBatch::try_from_iter([("row".to_owned(), Arc::new(rows.clone()) as ArrayRef)].into_iter().chain(columns));
    let properties = WriterProperties::builder().set_dictionary_enabled(false).build();
    let mut bytes = Vec::new();
    let batch = batch.unwrap();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();

    let size = bytes.len();
    let moto = Moto::start();
    moto.create_bucket(BUCKET);
    moto.put_object(BUCKET, "wide.parquet", bytes);
    let directory = tempfile::tempdir().unwrap();
    let component = directory.path().join("every-column.wasm");
    std::fs::write(&component, every_column_component()).unwrap();
    let between = Between::start(&moto, Duration::from_millis(10), usize::MAX);
    let load = Loader::new(["load", "--to", "/dev/null", "--dataset", "every-column", "--converter"])
        .argument(&component)
        .argument(format!("s3://{BUCKET}/wide.parquet"))
        .settings(between.settings(&moto).with("OBJECT_MEMORY_MIB", "32"));
    load.run().succeeded();
    let [requests, most] = [&between.requests, &between.most].map(|count| count.load(Ordering::Relaxed));
    // The windows of so many columns are shorter than their chunks, so that each column has requests of its own.
    assert!(requests > COLUMNS, "{requests} requests");
    assert!(most <= 6, "{most} requests at a time");
    let bytes = between.bytes.load(Ordering::Relaxed);
    assert!(bytes <= size, "{bytes} bytes are read of {size}");
}

/// What `invoke --timeout 20` answers, and how long it takes.
fn invoked(event: &serde_json::Value, settings: Settings) -> (serde_json::Value, Duration) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("event.json");
    std::fs::write(&path, event.to_string()).unwrap();
    let started = Instant::now();
    let outcome = Loader::new(["invoke", "--timeout", "20"]).argument(&path).settings(settings).run();
    let took = started.elapsed();
    (outcome.succeeded().json(), took)
}

#[test]
fn an_s3_that_falls_silent_does_not_hold_an_invocation_beyond_its_deadline() {
    let (moto, influxdb) = (Moto::start(), InfluxDb2::start(DATABASE));
    moto.create_bucket(BUCKET);
    // In the middle of an object, which is much larger than what is read ahead.
    moto.put_object(BUCKET, "dataset=consumption/large.parquet", written(&consumption(1_200, 40_000), 20));
    let between = Between::start(&moto, Duration::ZERO, 16_000_000);
    let settings =
        |between: &Between| influxdb.settings(DATABASE).and(between.settings(&moto)).with("OBJECT_MEMORY_MIB", "32");
    let (answer, took) =
        invoked(&json!({ "bucket": BUCKET, "key": "dataset=consumption/large.parquet" }), settings(&between));
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert_eq!(answer["status"], "partial", "{answer}");
    let done = answer["objects"][0]["row_groups"][1].as_u64().unwrap();
    assert!(done > 0 && done < 60, "{answer}");
    assert!(!answer["remaining"].is_null(), "{answer}");

    // Before an object is opened, after another one is done.
    let small = written(&consumption(10, 10), 1_000);
    let size = small.len();
    for key in ["one", "two"] {
        moto.put_object(BUCKET, &format!("dataset=consumption/{key}.parquet"), small.clone());
    }
    let between = Between::start(&moto, Duration::ZERO, size);
    let objects: Vec<_> = ["one", "two"]
        .map(|key| json!({ "bucket": BUCKET, "key": format!("dataset=consumption/{key}.parquet") }))
        .into();
    let (answer, took) = invoked(&json!({ "objects": objects }), settings(&between).with("OBJECT_CONCURRENCY", "1"));
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert_eq!(answer["status"], "partial", "{answer}");
    assert!(!answer["remaining"].is_null(), "{answer}");

    // While the rest of a prefix is listed: that nothing was begun is a failure, in time.
    let between = Between::start(&moto, Duration::ZERO, 0);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("event.json");
    std::fs::write(&path, json!({ "bucket": BUCKET, "prefix": "dataset=consumption/" }).to_string()).unwrap();
    let started = Instant::now();
    let outcome = Loader::new(["invoke", "--timeout", "20"]).argument(&path).settings(settings(&between)).run();
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    assert!(outcome.stdout.contains("Deadline") || outcome.stdout.contains("time"), "{}", outcome.stdout);
}
