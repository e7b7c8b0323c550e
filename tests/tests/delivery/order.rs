//! Rows of one file that write the same points: the last one wins, field by field, whatever threads, writers, the server and the
//! network do.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use fastrand::Rng;
use influxdb_loader_tests::{
    Arrival, Cut, Dialect, Fault, FaultServer, Loader, Mix, Outcome, Response, Settings, Value,
};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

use super::DIALECTS;

/// How many loads run at a time: they wait more than they work.
const AT_A_TIME: u64 = 4;

/// The units of rows, each of which is a field of its own.
const FIELDS: [(&str, &str); 3] = [("MW", "power_mw"), ("MWh", "energy_mwh"), ("GW", "value")];

struct Row {
    region: usize,
    second: i64,
    unit: usize,
    value: f64,
}

/// The fields of each region and second.
type Points = BTreeMap<(String, i64), BTreeMap<String, f64>>;

/// What the rows come to when one is written after the other.
fn last_values(rows: &[Row]) -> Points {
    let mut points = Points::new();
    for row in rows {
        let point = points.entry((format!("R{}", row.region), row.second)).or_default();
        point.insert(FIELDS[row.unit].1.to_owned(), row.value);
    }
    points
}

fn write_file(rows: &[Row], rows_a_group: usize, directory: &Path) -> PathBuf {
    let text = |of: &dyn Fn(&Row) -> String| Arc::new(StringArray::from_iter_values(rows.iter().map(of))) as ArrayRef;
    let times = TimestampMillisecondArray::from_iter_values(rows.iter().map(|row| row.second * 1_000));
    let columns = RecordBatch::try_from_iter([
        ("timestamp", Arc::new(times.with_timezone("UTC")) as ArrayRef),
        ("region", text(&|row| format!("R{}", row.region))),
        ("value", Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.value)))),
        ("unit", text(&|row| FIELDS[row.unit].0.to_owned())),
        ("consumer_type", text(&|_| "residential".to_owned())),
        ("measurement_type", text(&|_| "load".to_owned())),
    ]);
    let columns = columns.unwrap();
    let path = directory.join("dataset=consumption.parquet");
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(rows_a_group)).build();
    let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), columns.schema(), Some(properties)).unwrap();
    writer.write(&columns).unwrap();
    writer.close().unwrap();
    path
}

/// Points as a server has them.
fn stored(server: &FaultServer) -> Points {
    let mut points = Points::new();
    for point in server.store().points() {
        let fields = point.fields.iter().filter_map(|(key, value)| match value {
            Value::Float(value) => Some((key.clone(), *value)),
            _ => None,
        });
        points.insert((point.tags["region"].clone(), point.time / 1_000_000_000), fields.collect());
    }
    points
}

/// Points as lines write them, one after the other.
fn written(lines: &str) -> Points {
    let mut points = Points::new();
    for line in lines.lines() {
        let [series, fields, time] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let region = series.split(',').find_map(|tag| tag.strip_prefix("region=")).unwrap();
        let second = time.parse::<i64>().unwrap() / 1_000_000_000;
        let point = points.entry((region.to_owned(), second)).or_default();
        for (key, value) in fields.split(',').filter_map(|field| field.split_once('=')) {
            if let Ok(value) = value.parse() {
                point.insert(key.to_owned(), value);
            }
        }
    }
    points
}

fn assert_same(found: &Points, expected: &Points, how: &str) {
    let wrong = expected.iter().filter(|(key, fields)| found.get(*key) != Some(fields));
    let shown: Vec<_> = wrong.clone().take(3).map(|(key, fields)| (key, fields, found.get(key))).collect();
    assert_eq!(wrong.count(), 0, "{how}: {shown:?}");
    assert_eq!(found.len(), expected.len(), "{how}");
}

/// Checks that the rows that replace others are counted: a table of fixed size remembers nearly all that can be replaced.
fn assert_seen(accounts: &serde_json::Value, replacing: usize, how: &str) {
    let superseded = usize::try_from(accounts["superseded"].as_u64().unwrap()).unwrap();
    assert!((replacing * 99 / 100..=replacing).contains(&superseded), "{how}: {superseded} of {replacing}");
}

/// Settings by chance: 1 to 8 threads, 1 to 16 writers, batches of any size.
fn settings(random: &mut Rng, points: &[usize]) -> Settings {
    Settings::default()
        .with("CONVERTER_THREADS", random.usize(1..=8).to_string())
        .with("WRITE_CONCURRENCY", random.usize(1..=16).to_string())
        .with("MAX_BATCH_SIZE", random.choice(points).unwrap().to_string())
        .with("ROWS_PER_BATCH", random.choice([512, 1024, 8192]).unwrap().to_string())
        .with("COMPRESSION", (*random.choice(["gzip", "none"].iter()).unwrap()).to_owned())
        .with("MAX_RETRIES", "8")
}

/// Delays most requests, and has one in so many fail: before or after the engine has kept the points.
fn unreliable(seed: u64, one_in: u64) -> impl Fn(&Arrival<'_>) -> Fault + Send + Sync + 'static {
    let faults = [
        Fault::lose_answer(),
        Fault::CutAfterBody(Cut::Reset),
        Fault::CutInBody(100, Cut::Reset),
        Fault::answer(503, "busy"),
        Fault::AnswerHead(Response::new(413, "<html>Request Entity Too Large</html>")),
    ];
    let failing = Mix::new(seed, one_in, faults);
    let delays = [1, 2, 5, 20].map(|delay| Fault::Delay(Duration::from_millis(delay)));
    let slow = Mix::new(!seed, 1, delays);
    move |arrival| {
        let length = arrival.request().headers.get("content-length").and_then(|length| length.parse().ok());
        match failing.fault(arrival) {
            Fault::None => slow.fault(arrival),
            // A row that is too large alone is rejected, which is another test's matter.
            Fault::AnswerHead(_) if length.is_none_or(|length: usize| length < 20_000) => slow.fault(arrival),
            fault => fault,
        }
    }
}

fn load(path: &Path, server: &FaultServer, settings: Settings) -> Outcome {
    Loader::new(["load", "--json"]).argument(path).settings(server.settings().and(settings)).run()
}

/// Does something once for each seed, some at a time.
fn each(seeds: u64, of: impl Fn(u64) + Sync) {
    let next = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let seed = next.fetch_add(1, Ordering::Relaxed)
                    && seed < seeds
                {
                    of(seed);
                }
            });
        }
    });
}

#[test]
fn corrections_win_in_every_load() {
    const POINTS: usize = 81_920;
    const LATER: usize = 8_192;
    const REGIONS: usize = 64;
    let row = |point: usize, corrected: bool| Row {
        region: point % REGIONS,
        second: 1_700_000_000 + (point / REGIONS) as i64,
        unit: 0,
        value: point as f64 + if corrected { 0.5 } else { 0.0 },
    };
    // Each point is corrected 8,192 rows later.
    let rows: Vec<Row> = (0..POINTS / LATER)
        .flat_map(|block| [false, true].map(|corrected| (block, corrected)))
        .flat_map(|(block, corrected)| (0..LATER).map(move |point| (block * LATER + point, corrected)))
        .map(|(point, corrected)| row(point, corrected))
        .collect();
    let expected = last_values(&rows);
    let directory = tempfile::tempdir().unwrap();
    let path = write_file(&rows, 30_000, directory.path());
    each(50, |seed| {
        let mut random = Rng::with_seed(seed);
        let chosen = settings(&mut random, &[500, 1_000, 5_000]);
        let how = format!("seed {seed}, {chosen:?}");
        let converted = Loader::new(["convert"]).argument(&path).settings(chosen.clone().with("COMPRESSION", "none"));
        assert_same(&written(&converted.run().succeeded().stdout), &expected, &format!("to a file, {how}"));
        let server = FaultServer::start(Dialect::V2).forgetting_bodies().failing(unreliable(seed, 100));
        let outcome = load(&path, &server, chosen);
        assert_eq!(outcome.code, Some(0), "{how}: {outcome}");
        assert_same(&stored(&server), &expected, &how);
        let accounts = outcome.json()["objects"][0]["accounts"].clone();
        assert_eq!(accounts["written"], rows.len(), "{how}: {accounts}");
        assert_seen(&accounts, POINTS, &how);
    });
}

#[test]
fn any_rows_come_to_what_they_come_to_one_by_one() {
    each(24, |seed| {
        let mut random = Rng::with_seed(seed);
        let (regions, seconds) = (random.usize(1..40), random.i64(1..200));
        let rows: Vec<Row> = (0..random.usize(100..6_000))
            .map(|value| Row {
                region: random.usize(..regions),
                second: 1_700_000_000 + random.i64(0..seconds),
                unit: random.usize(..FIELDS.len()),
                value: value as f64,
            })
            .collect();
        let directory = tempfile::tempdir().unwrap();
        let path = write_file(&rows, random.usize(50..5_000), directory.path());
        let chosen = settings(&mut random, &[10, 50, 300]);
        let dialect = DIALECTS[random.usize(..DIALECTS.len())];
        let how = format!("seed {seed}, {dialect:?}, {chosen:?}");
        let server = FaultServer::start(dialect).failing(unreliable(seed, 20));
        let outcome = load(&path, &server, chosen);
        assert_eq!(outcome.code, Some(0), "{how}: {outcome}");
        assert_same(&stored(&server), &last_values(&rows), &how);
        let accounts = outcome.json()["objects"][0]["accounts"].clone();
        assert_eq!((&accounts["rows"], &accounts["written"]), (&rows.len().into(), &rows.len().into()), "{how}");
        let fields: usize = last_values(&rows).values().map(BTreeMap::len).sum();
        assert_seen(&accounts, rows.len() - fields, &how);
    });
}
