//! `--for`: an engine returns exactly what the lines for it contain. 1.x and 2.x are real servers, to which a plain
//! client writes the lines; 3 is the model of the fault server, which reads lines by 3's own parser.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, UInt64Array};
use influxdb_loader::golden::Table;
use influxdb_loader::source::encode_sample;
use influxdb_loader_tests::{
    Dialect, FaultServer, InfluxDb, InfluxDb2, Loader, Point, Settings, Value, every_column_component, parquet,
};
use serde_json::json;

use super::{BUCKET, Server};

const DATASETS: [&str; 3] = ["generation", "consumption", "transmission"];

/// How many tables are converted at the same time.
const THREADS: usize = 4;

/// An engine that lines can be for.
#[expect(clippy::large_enum_variant, reason = "there are three of them")]
enum Engine {
    Real(Server),
    Model,
}

impl Engine {
    fn name(&self) -> &'static str {
        match self {
            Self::Real(Server::V1(_)) => "v1",
            Self::Real(Server::V2(_)) => "v2",
            Self::Model => "v3",
        }
    }

    /// What the engine gives back of lines that are all that a new bucket of this name gets.
    fn given_back(&self, bucket: &str, lines: &str) -> Vec<Point> {
        match self {
            Self::Real(server) if !lines.is_empty() => {
                server.create_bucket(bucket, None);
                let answer = server.write(bucket, lines);
                assert_eq!(answer.status, 204, "{bucket}: {}", answer.text());
                server.points(bucket)
            }
            _ => points_of_model(lines),
        }
    }
}

/// What the model of InfluxDB 3 keeps of lines.
fn points_of_model(lines: &str) -> Vec<Point> {
    let model = FaultServer::start(Dialect::V3);
    if !lines.is_empty() {
        model.seed(lines);
    }
    model.store().points().cloned().collect()
}

/// A point with every value to the last bit: zero has a sign.
fn shown(point: &Point) -> String {
    let fields: Vec<String> = point.fields.iter().map(|(key, value)| format!("{key:?}={value}")).collect();
    format!("{:?} {:?} {} {}", point.measurement, point.tags, fields.join(","), point.time)
}

/// A table of a golden pair.
struct Sample {
    dataset: &'static str,
    path: PathBuf,
}

impl Sample {
    fn all() -> Vec<Self> {
        let of = |dataset: &'static str| {
            let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-converters").join(dataset).join("golden");
            let paths = fs::read_dir(golden).unwrap().map(|entry| entry.unwrap().path());
            let tables = paths.filter(|path| path.extension().is_some_and(|ending| ending == "table"));
            tables.map(move |path| Self { dataset, path })
        };
        DATASETS.into_iter().flat_map(of).collect()
    }

    /// Converts the table for an engine and holds what that gives back against the golden lines, which mean the same to every
    /// engine. Returns the points that only this engine can hold, and how many there are besides.
    fn check(&self, engine: &Engine, bucket: &str) -> (BTreeSet<String>, usize) {
        let directory = tempfile::tempdir().unwrap();
        let table = Table::parse(&fs::read_to_string(&self.path).unwrap()).unwrap();
        let mut folder = directory.path().to_owned();
        folder.extend(&table.settings.partitions);
        fs::create_dir_all(&folder).unwrap();
        let (file, to) = (folder.join("sample.parquet"), directory.path().join("points.lp"));
        fs::write(&file, encode_sample(&table.rows).unwrap()).unwrap();
        let settings = Settings::default()
            .with("VALIDATE_SCHEMA", table.settings.strict.to_string())
            .with("DROP_INVALID_RECORDS", table.settings.drop_invalid_records.to_string());
        let load = Loader::new(["load", "--json", "--dataset", self.dataset, "--for", engine.name(), "--to"]);
        let run = load.argument(&to).argument(&file).settings(settings).run();
        let Ok(golden) = fs::read_to_string(self.path.with_extension("lp")) else {
            assert_eq!(run.code, Some(1), "{}: {run}", self.path.display());
            return (BTreeSet::new(), 0);
        };
        let accounts = &run.succeeded().json()["objects"][0]["accounts"];
        let found = engine.given_back(bucket, &fs::read_to_string(&to).unwrap());
        let found: BTreeSet<String> = found.iter().map(shown).collect();
        let [points, superseded] = ["points", "superseded"].map(|name| accounts[name].as_u64().unwrap());
        assert_eq!(found.len() as u64, points - superseded, "{}: {accounts}", self.path.display());
        let common: BTreeSet<String> = points_of_model(&golden).iter().map(shown).collect();
        let lost: Vec<&String> = common.difference(&found).collect();
        assert!(lost.is_empty(), "{}: {lost:?} is missing in {found:?}", self.path.display());
        (found.difference(&common).cloned().collect(), common.len())
    }
}

/// Checks every golden table. Returns the points of one dataset that this engine holds and others do not.
fn check_every_table(engine: &Engine) -> Vec<String> {
    let (samples, next) = (Sample::all(), AtomicUsize::new(0));
    let work = || {
        let mut done = Vec::new();
        while let Some(number) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|number| *number < samples.len()) {
            let (own, common) = samples[number].check(engine, &format!("table{number}"));
            done.push((samples[number].dataset, own, common));
        }
        done
    };
    let done: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let common: usize = done.iter().map(|(.., common)| common).sum();
    assert!(done.len() > 150 && common > 300, "{} tables, {common} points", done.len());
    let own = done.into_iter().filter(|(dataset, ..)| *dataset == "consumption");
    let mut own: Vec<String> = own.flat_map(|(_, own, _)| own).collect();
    own.sort();
    own
}

/// The points of the golden tables that only lines for one engine hold exactly: every engine can have the first two, but from
/// different lines or not among others, and InfluxDB 3 cannot have the last.
const OWN: [&str; 3] = [
    r#""consumption_data" {"region": "two\rlines"} "value"=1.5 1704074400000000000"#,
    r#""consumption_data" {"region": "x\\,y"} "value"=1.5 1704088800000000000"#,
    r#""consumption_data" {"region": "x\ty"} "value"=1.5 1704092400000000000"#,
];

#[test]
fn every_golden_table_is_exact_in_influxdb_1() {
    assert_eq!(check_every_table(&Engine::Real(Server::V1(InfluxDb::start(BUCKET)))), OWN);
}

#[test]
fn every_golden_table_is_exact_in_influxdb_2() {
    assert_eq!(check_every_table(&Engine::Real(Server::V2(InfluxDb2::start(BUCKET)))), OWN);
}

#[test]
fn every_golden_table_is_exact_in_the_model_of_influxdb_3() {
    assert_eq!(check_every_table(&Engine::Model), OWN[..2]);
}

/// Rows with the limits of every type that a field can have.
struct Limits {
    booleans: Vec<bool>,
    integers: Vec<i64>,
    unsigned: Vec<u64>,
    floats: Vec<f64>,
    texts: Vec<String>,
}

impl Limits {
    fn new() -> Self {
        let texts = ["plain", "a\"b\\,=\\\" \\\\", "two\nlines\tand\ra tab", "北 😀", ""];
        let long = "x".repeat(70_000);
        Self {
            booleans: vec![true, false, true, false, true, false],
            integers: vec![i64::MIN, i64::MAX, 0, -1, (1 << 53) + 1, 1],
            unsigned: vec![0, i64::MAX.unsigned_abs(), (1 << 53) + 1, u64::MAX, 1, 2],
            floats: vec![f64::MIN, f64::MAX, 5e-324, -0.0, 0.1, 1.0 / 3.0],
            texts: texts.into_iter().chain([long.as_str()]).map(str::to_owned).collect(),
        }
    }

    fn parquet(&self) -> Vec<u8> {
        let rows = RecordBatch::try_from_iter([
            ("row", Arc::new(Int64Array::from_iter_values(0..6)) as ArrayRef),
            ("boolean", Arc::new(BooleanArray::from(self.booleans.clone()))),
            ("integer", Arc::new(Int64Array::from(self.integers.clone()))),
            ("unsigned", Arc::new(UInt64Array::from(self.unsigned.clone()))),
            ("float", Arc::new(Float64Array::from(self.floats.clone()))),
            ("text", Arc::new(StringArray::from(self.texts.clone()))),
        ]);
        parquet(&rows.unwrap())
    }

    /// The point of a row. 1.x has no unsigned integers.
    fn point(&self, row: usize, engine: &Engine) -> Option<Point> {
        let unsigned = match engine.name() {
            "v1" => Value::Integer(i64::try_from(self.unsigned[row]).ok()?),
            _ => Value::Unsigned(self.unsigned[row]),
        };
        if engine.name() == "v3" && self.texts[row].len() > 64 * 1024 {
            return None;
        }
        let fields = [
            ("row", Value::Integer(row as i64)),
            ("boolean", Value::Boolean(self.booleans[row])),
            ("integer", Value::Integer(self.integers[row])),
            ("unsigned", unsigned),
            ("float", Value::Float(self.floats[row])),
            ("text", Value::Text(self.texts[row].clone())),
        ];
        let fields = fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        Some(Point { measurement: "rows".to_owned(), tags: [].into(), fields, time: row as i64 })
    }
}

#[test]
fn the_limits_of_every_type_are_exact_in_every_engine_that_has_them() {
    let (limits, directory) = (Limits::new(), tempfile::tempdir().unwrap());
    let [component, file] = ["every-column.wasm", "a.parquet"].map(|name| directory.path().join(name));
    fs::write(&component, every_column_component()).unwrap();
    fs::write(&file, limits.parquet()).unwrap();
    let (v1, v2) = (Server::V1(InfluxDb::start(BUCKET)), Server::V2(InfluxDb2::start(BUCKET)));
    for (engine, rejected) in [(Engine::Real(v1), 1), (Engine::Real(v2), 0), (Engine::Model, 1)] {
        let convert = Loader::new(["convert", "--dataset", "every-column", "--for", engine.name(), "--converter"]);
        let lines = convert.argument(&component).argument(&file).run().succeeded().stdout;
        let mut found = engine.given_back("limits", &lines);
        // Beside each field stands its text.
        found.iter_mut().for_each(|point| point.fields.retain(|key, _| !key.ends_with("_text")));
        let found: BTreeSet<String> = found.iter().map(shown).collect();
        let wanted: BTreeSet<String> =
            (0..6).filter_map(|row| limits.point(row, &engine)).map(|it| shown(&it)).collect();
        assert_eq!(wanted.len(), 6 - rejected);
        let missing: Vec<_> = wanted.symmetric_difference(&found).collect();
        assert!(missing.is_empty(), "{}: {missing:?}", engine.name());
    }
}

#[test]
fn what_hides_the_end_of_its_line_is_rejected_in_a_file_and_the_lines_after_it_are_whole() {
    let directory = tempfile::tempdir().unwrap();
    let (file, to) = (directory.path().join("a.parquet"), directory.path().join("points.lp"));
    let table = r#"
        timestamp: timestamp(ms, UTC) | consumer_type: utf8 | region: utf8 | value: float64
        2024-01-01T00:00:00Z          | plain               | first        | 1.5
        2024-01-01T01:00:00Z          | "a\\ b"             | "x\\=\"c"    | 2.5
        2024-01-01T02:00:00Z          | plain               | last         | 3.5
    "#;
    fs::write(&file, encode_sample(&Table::parse(table).unwrap().rows).unwrap()).unwrap();
    for server in [Server::V1(InfluxDb::start(BUCKET)), Server::V2(InfluxDb2::start(BUCKET))] {
        let settings = server.settings(BUCKET).with("VALIDATE_SCHEMA", "false");
        let engine = Engine::Real(server);
        let load = Loader::new(["load", "--json", "--dataset", "consumption", "--for", engine.name(), "--to"]);
        let report = load.argument(&to).argument(&file).settings(settings.clone()).run().succeeded().json();
        assert_eq!(report["totals"]["rejected"], json!({ "unwritable": 1 }), "{report}");
        let found = engine.given_back("file", &fs::read_to_string(&to).unwrap());
        let regions =
            |points: &[Point]| points.iter().map(|point| point.tags["region"].clone()).collect::<BTreeSet<_>>();
        assert_eq!(regions(&found), ["first", "last"].map(str::to_owned).into());

        // In a request of the loader, nothing follows it.
        let load = Loader::new(["load", "--dataset", "consumption"]).argument(&file).settings(settings);
        load.run().succeeded();
        let Engine::Real(server) = &engine else { unreachable!() };
        assert_eq!(regions(&server.points(BUCKET)), ["first", "last", "x\\=\"c"].map(str::to_owned).into());
    }
}
