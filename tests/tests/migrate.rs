//! Tables that Timestream for LiveAnalytics has unloaded are migrated by one command, exactly, and verified.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use influxdb_loader_tests::{Function, InfluxDb2, Loader, Outcome, Point, Request, Settings, Value, Versitygw};
use serde_json::{Value as Json, json};

const DATABASE: &str = "factory";
const DATA: &str = "energy";
const URL: &str = "s3://energy/exports/";

/// S3 with the two tables of `tests/data/unload`, and InfluxDB.
struct Site {
    s3: Versitygw,
    influxdb: InfluxDb2,
}

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/unload")
}

/// The files below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// A key as a URL has it.
fn encoded(key: &str) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(byte);
    key.as_bytes()
        .iter()
        .map(|byte| if is_plain(byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

impl Site {
    fn start() -> Self {
        let (s3, influxdb) = (Versitygw::start(), InfluxDb2::start(DATABASE));
        s3.create_bucket(DATA);
        let site = Self { s3, influxdb };
        // Into another bucket than the manifests name.
        for file in files(&data().join("factory")) {
            let key = format!("exports/{}", file.strip_prefix(data()).unwrap().to_str().unwrap());
            site.s3.put_object(DATA, &encoded(&key), fs::read(file).unwrap());
        }
        site
    }

    fn settings(&self) -> Settings {
        self.s3.settings().and(self.influxdb.settings(DATABASE)).with("ENABLE_METRICS", "false")
    }

    fn migrate(&self, arguments: &[&str]) -> Outcome {
        Loader::new(["migrate", "timestream", URL]).arguments(arguments).settings(self.settings()).run()
    }

    /// Every point, by what distinguishes it from others.
    fn points(&self) -> BTreeMap<String, BTreeMap<String, Value>> {
        self.influxdb.points(DATABASE).into_iter().map(|point| (name(&point), point.fields)).collect()
    }

    /// InfluxDB has the points that were unloaded, exactly, and no others.
    #[track_caller]
    fn has_all(&self) {
        let (found, expected) = (self.points(), expected());
        assert_eq!(found.len(), expected.len());
        for (name, fields) in &expected {
            assert_eq!(found.get(name), Some(fields), "{name}");
        }
    }
}

fn name(point: &Point) -> String {
    let tags: Vec<String> = point.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    format!("{} {} {}", point.measurement, tags.join(","), point.time)
}

/// The points that `make.py` has listed. Rows of one series and time are one point.
fn expected() -> BTreeMap<String, BTreeMap<String, Value>> {
    let mut points: BTreeMap<String, BTreeMap<String, Value>> = BTreeMap::new();
    for line in fs::read_to_string(data().join("points.jsonl")).unwrap().lines() {
        let told: Json = serde_json::from_str(line).unwrap();
        let tags = told["tags"].as_object().unwrap().iter();
        let value = |told: &Json| match told[0].as_str().unwrap() {
            "float" => Value::Float(told[1].as_str().unwrap().parse().unwrap()),
            "integer" => Value::Integer(told[1].as_i64().unwrap()),
            "boolean" => Value::Boolean(told[1].as_bool().unwrap()),
            _ => Value::Text(told[1].as_str().unwrap().to_owned()),
        };
        let point = Point {
            measurement: told["measurement"].as_str().unwrap().to_owned(),
            tags: tags.map(|(key, tag)| (key.clone(), tag.as_str().unwrap().to_owned())).collect(),
            fields: told["fields"].as_object().unwrap().iter().map(|(key, told)| (key.clone(), value(told))).collect(),
            time: told["time"].as_i64().unwrap(),
        };
        points.entry(name(&point)).or_default().extend(point.fields);
    }
    points
}

#[test]
fn two_unloaded_tables_are_migrated_and_verified_by_one_command_to_the_nanosecond() {
    let site = Site::start();
    let run = site.migrate(&["--json"]).succeeded();
    let told = run.json();
    let tables: Vec<Json> = ["measurement", "tags", "fields", "rows", "files"]
        .map(|member| json!([told["tables"][0][member], told["tables"][1][member]]))
        .into();
    let measures = ["double", "bigint", "varchar", "boolean", "timestamp"].map(|kind| format!("measure_value::{kind}"));
    assert_eq!(
        tables,
        [
            json!(["sensors", "telemetry"]),
            json!([["site", "machine", "measure_name"], ["device", "measure_name", "zone"]]),
            json!([measures, ["cpu_usage", "requests", "healthy", "last_seen"]]),
            json!([600, 300]),
            json!([2, 2]),
        ]
    );
    assert_eq!((&told["load"]["totals"]["written"], &told["verify"]["clean"]), (&json!(900), &json!(true)), "{told}");
    assert!(run.stderr.contains("1 results are skipped"), "what a failed query left is no result: {run}");
    site.has_all();
    let expected = expected();

    // A point that is lost is found.
    let settings = site.influxdb.settings(DATABASE);
    let organization = settings.get("INFLUXDB_ORG");
    let lost = json!({
        "start": "2025-04-17T16:43:54.702394002Z", "stop": "2025-04-17T16:43:54.702394003Z",
        "predicate": "_measurement=\"telemetry\"",
    });
    let delete = Request::new("POST", &format!("/api/v2/delete?org={organization}&bucket={DATABASE}"));
    let token = format!("Token {}", settings.get("INFLUXDB_TOKEN"));
    let delete = delete.header("authorization", &token).header("content-type", "application/json");
    influxdb_loader_tests::request(site.influxdb.port(), &delete.body(lost.to_string())).unwrap().succeeded();
    assert_eq!(site.points().len(), expected.len() - 1);
    let verified = site.migrate(&["--verify-only", "--json"]);
    assert_eq!(verified.code, Some(1), "{verified}");
    let differences = verified.json()["verify"]["differences"].clone();
    assert!(differences.to_string().contains("telemetry"), "{differences}");
    assert!(!differences.to_string().contains("sensors"), "{differences}");

    // With a ledger, a migration that was stopped resumes: what is loaded already is skipped.
    let ledger = site.settings().with("LEDGER_URI", "s3://energy/ledger");
    let again =
        || Loader::new(["migrate", "timestream", URL, "--json"]).settings(ledger.clone()).run().succeeded().json();
    let (first, second) = (again(), again());
    assert_eq!((&first["load"]["skipped"], &second["load"]["skipped"]), (&json!(0), &json!(4)));
    assert_eq!(second["verify"]["clean"], true);
    site.has_all();

    // What was loaded before is held against its manifest, too.
    let manifest = site.s3.keys(DATA, "exports/").into_iter().find(|key| key.ends_with("_manifest.json")).unwrap();
    let mut told: Json = serde_json::from_slice(&site.s3.get_object(DATA, &manifest)).unwrap();
    for count in ["/result_files/0/file_metadata/row_count", "/query_metadata/total_row_count"] {
        let count = told.pointer_mut(count).unwrap();
        *count = json!(count.as_u64().unwrap() + 1);
    }
    site.s3.put_object(DATA, &encoded(&manifest), told.to_string().into_bytes());
    for arguments in [["--json", "--no-preflight"], ["--json", "--verify-only"]] {
        let run = Loader::new(["migrate", "timestream", URL]).arguments(arguments).settings(ledger.clone()).run();
        assert_eq!((run.code, &run.json()["complete"]), (Some(1), &json!(false)), "{run}");
        assert!(run.stderr.contains("rows, and") && run.stderr.contains("in its manifest"), "{run}");
    }
}

#[test]
fn a_table_is_mapped_as_the_options_say() {
    let site = Site::start();
    let options =
        ["--measurement", "telemetry=hosts", "--field", "zone", "--drop", "last_seen", "--measure-name", "key"];
    let run = site.migrate(&options).succeeded();
    assert!(
        run.stdout.contains("measurement hosts\n  tags device\n  fields cpu_usage, requests, healthy, zone"),
        "{run}"
    );
    let points = site.points();
    let [first, second] = ["hosts device=d0", "sensors machine=press 0,site=são paulo"].map(|series| {
        points.get(&format!("{series} 1744908174702394001")).unwrap_or_else(|| panic!("{series}: {:?}", points.keys()))
    });
    let text = |text: &str| Value::Text(text.to_owned());
    let (cpu, zone, healthy) = (Value::Float(0.0), text("z0"), Value::Boolean(true));
    assert_eq!(
        *first,
        [("cpu_usage", cpu), ("healthy", healthy), ("zone", zone)].map(|(k, v)| (k.to_owned(), v)).into()
    );
    assert_eq!(second["temperature"], Value::Float(20.25));
    assert_eq!(second["state"], text("state \"0\", running"));
    assert_eq!(second["serviced"], Value::Integer(1_744_908_174_702_394_001));
}

#[test]
fn what_cannot_be_migrated_as_it_lies_is_named_and_nothing_is_written() {
    let site = Site::start();
    let key =
        "exports/factory/telemetry/unload-20250417/results/AEDQCANKRX7M3R2HQZL4_0341598655_0000000000000001.parquet";
    site.s3.delete_object(DATA, key);
    let run = site.migrate(&[]);
    assert_eq!(run.code, Some(1), "{run}");
    assert!(run.stderr.contains("is in its manifest, and does not exist"), "{run}");
    assert_eq!(site.points().len(), 0);
    let run = Loader::new(["migrate", "timestream", "s3://energy/nothing/"]).settings(site.settings()).run();
    assert!(run.stderr.contains("there is no manifest"), "{run}");
}

#[test]
fn the_function_takes_the_events_of_a_plan() {
    let site = Site::start();
    let plan = site.migrate(&["--plan", "-"]).succeeded();
    let events: Vec<Json> = plan.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.len(), 4, "{plan}");
    let function = Function::start(site.settings());
    let answer = function.invoke(&json!({ "Items": events, "BatchInput": { "bucket": DATA } })).answer;
    assert!(answer["items"].as_array().unwrap().iter().all(|item| item["status"] == "succeeded"), "{answer}");
    site.migrate(&["--verify-only"]).succeeded();
    site.has_all();
}
