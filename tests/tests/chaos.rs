//! Chaos: between the loader and InfluxDB stands a proxy whose toxics come, go and mix while a file is loaded, and the
//! server is stopped, killed and started. Afterwards the database has the file, or the load has failed; no row is blamed.
//!
//! A seed decides what happens, in which order and how long after each other:
//!
//! ```sh
//! cargo test --release --workspace --test chaos -- --nocapture
//! CHAOS_SEEDS=100 cargo test --release --workspace --test chaos -- --nocapture
//! CHAOS_SEED=17 cargo test --release --workspace --test chaos -- --nocapture
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "what the seeds came to is what one wants to know of a run by hand")]

use std::collections::BTreeMap;
use std::env;
use std::fmt;
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use fastrand::Rng;
use influxdb_loader_tests::{InfluxDb2, InfluxServer, Loader, Outcome, Settings, Stream, Toxic, Toxiproxy, parquet};
use serde_json::{Value, json};

const BUCKET: &str = "energy_data";

/// How many seeds run by default.
const SEEDS: u64 = 8;

/// How many of them run at a time: they wait more than they work.
const AT_A_TIME: usize = 4;

const ROWS: usize = 20_000;

/// How many things happen to a load, unless it ends before.
const EVENTS: usize = 14;

/// A point: its time in nanoseconds, its region and its value.
type Points = BTreeMap<i64, (String, f64)>;

/// The points of the file, a minute apart.
fn points() -> Points {
    let point = |row: usize| {
        let time = 1_514_764_800_000_000_000 + row as i64 * 60_000_000_000;
        (time, (format!("region {}", row % 50), row as f64 + 0.25))
    };
    (0..ROWS).map(point).collect()
}

fn write_file(points: &Points, directory: &Path) -> String {
    let text = |of: &dyn Fn(&(String, f64)) -> String| {
        Arc::new(StringArray::from_iter_values(points.values().map(of))) as ArrayRef
    };
    let times = TimestampMillisecondArray::from_iter_values(points.keys().map(|time| time / 1_000_000));
    let columns = RecordBatch::try_from_iter([
        ("timestamp", Arc::new(times.with_timezone("UTC")) as ArrayRef),
        ("region", text(&|(region, _)| region.clone())),
        ("value", Arc::new(Float64Array::from_iter_values(points.values().map(|(_, value)| *value)))),
        ("unit", text(&|_| "MW".to_owned())),
        ("consumer_type", text(&|_| "residential".to_owned())),
        ("measurement_type", text(&|_| "load".to_owned())),
    ]);
    let path = directory.join("dataset=consumption.parquet");
    fs::write(&path, parquet(&columns.unwrap())).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The points that the server has.
fn stored(influxdb: &InfluxServer) -> Points {
    let series = influxdb.query(BUCKET, "SELECT region, power_mw FROM consumption_data");
    let rows = series.iter().flat_map(|series| series["values"].as_array().unwrap());
    let point =
        |row: &Value| (row[0].as_i64().unwrap(), (row[1].as_str().unwrap().to_owned(), row[2].as_f64().unwrap()));
    rows.map(point).collect()
}

/// What happened under a seed.
#[derive(Default)]
struct Story {
    toxics: usize,
    outages: usize,
    stops: usize,
    kills: usize,
    proxies: usize,
    retries: u64,
    loaded: bool,
    seconds: f64,
}

impl fmt::Display for Story {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { toxics, outages, stops, kills, proxies, retries, seconds, .. } = self;
        let end = if self.loaded { "loaded" } else { "failed" };
        write!(
            formatter,
            "{end} after {toxics} toxics, {outages} outages, {stops} stops, {kills} kills, {proxies} proxies and {retries} \
             retries in {seconds:.1} s"
        )
    }
}

fn milliseconds(random: &mut Rng, range: std::ops::Range<u64>) -> Duration {
    Duration::from_millis(random.u64(range))
}

fn toxic(random: &mut Rng) -> Toxic {
    match random.usize(..6) {
        0 => Toxic::Latency { delay: random.u32(50..800), jitter: random.u32(0..200) },
        1 => Toxic::Bandwidth(random.u32(5..200)),
        2 => Toxic::ResetPeer(random.u32(0..300)),
        3 => Toxic::LimitData(random.u64(1..30_000)),
        4 => Toxic::Slicer { size: random.u32(10..2_000), pause: random.u32(0..2_000) },
        _ => Toxic::Timeout(random.u32(0..1_500)),
    }
}

/// The server, the proxy in front of it, and its toxics by name.
struct Site {
    influxdb: InfluxDb2,
    proxy: Toxiproxy,
    toxics: Vec<String>,
}

impl Site {
    /// Does something to the connections or the server.
    fn disturb(&mut self, random: &mut Rng, story: &mut Story) {
        match random.usize(..10) {
            0 => {
                story.outages += 1;
                self.proxy.disable();
                thread::sleep(milliseconds(random, 50..1_000));
                self.proxy.enable();
            }
            1 => {
                story.kills += 1;
                self.influxdb.kill();
                thread::sleep(milliseconds(random, 0..1_000));
                self.influxdb.start_again();
            }
            2 => {
                story.stops += 1;
                self.influxdb.stop();
                thread::sleep(milliseconds(random, 0..1_000));
                self.influxdb.start_again();
            }
            3..=5 if !self.toxics.is_empty() => {
                let name = self.toxics.swap_remove(random.usize(..self.toxics.len()));
                if !self.proxy.remove(&name) {
                    self.replace_proxy(story);
                }
            }
            6 => self.replace_proxy(story),
            _ => {
                story.toxics += 1;
                let name = format!("toxic-{}", story.toxics);
                let stream = if random.bool() { Stream::Upstream } else { Stream::Downstream };
                self.proxy.add(&name, toxic(random), stream, [0.3, 0.7, 1.0][random.usize(..3)]);
                self.toxics.push(name);
            }
        }
    }

    fn replace_proxy(&mut self, story: &mut Story) {
        story.proxies += 1;
        self.proxy.start_anew();
        self.toxics.clear();
    }
}

fn settings(random: &mut Rng, influxdb: &InfluxServer, proxy: &Toxiproxy) -> Settings {
    let mut choose = |values: &[&str]| values[random.usize(..values.len())].to_owned();
    influxdb
        .settings(BUCKET)
        .with("INFLUXDB_URL", proxy.url())
        .with("INFLUXDB_API", choose(&["auto", "v2"]))
        .with("MAX_BATCH_SIZE", choose(&["50", "100", "200"]))
        .with("WRITE_CONCURRENCY", choose(&["1", "2", "4"]))
        .with("COMPRESSION", choose(&["gzip", "none"]))
        .with("REQUEST_TIMEOUT_SECONDS", "2")
        .with("CONNECT_TIMEOUT_SECONDS", "1")
}

/// Loads the file while things happen, and holds what the server has against what the loader reports.
fn live_through(seed: u64) -> Story {
    let (mut random, mut story) = (Rng::with_seed(seed), Story::default());
    let (directory, points) = (tempfile::tempdir().unwrap(), points());
    let file = write_file(&points, directory.path());
    let influxdb = InfluxDb2::start(BUCKET);
    let proxy = Toxiproxy::start(influxdb.port());
    let loader = Loader::new(["load", "--json", &file]).settings(settings(&mut random, &influxdb, &proxy));
    let mut site = Site { influxdb, proxy, toxics: Vec::new() };

    // So that a load is not over before anything happens.
    site.proxy.add("always", Toxic::Latency { delay: random.u32(20..60), jitter: 10 }, Stream::Downstream, 1.0);
    site.disturb(&mut random, &mut story);
    let outcome = thread::scope(|scope| {
        let load = scope.spawn(|| loader.run());
        for _ in 1..EVENTS {
            thread::sleep(milliseconds(&mut random, 20..400));
            if load.is_finished() {
                break;
            }
            site.disturb(&mut random, &mut story);
        }
        site.proxy.start_anew();
        load.join().unwrap()
    });
    assert_honest(&outcome, &points, &stored(&site.influxdb), &mut story);
    story
}

/// Loads the file with no setting touched, except for requests that are small enough to be caught in the middle; the server is
/// away for so long.
fn live_through_an_outage(seed: u64, outage: Duration) {
    let (mut random, mut story) = (Rng::with_seed(seed), Story::default());
    let (directory, points) = (tempfile::tempdir().unwrap(), points());
    let file = write_file(&points, directory.path());
    let influxdb = InfluxDb2::start(BUCKET);
    let proxy = Toxiproxy::start(influxdb.port());
    let settings = influxdb.settings(BUCKET).with("INFLUXDB_URL", proxy.url()).with("MAX_BATCH_SIZE", "100");
    proxy.add("always", Toxic::Latency { delay: 40, jitter: 10 }, Stream::Downstream, 1.0);
    let loader = Loader::new(["load", "--json", &file]).settings(settings);
    let outcome = thread::scope(|scope| {
        let load = scope.spawn(|| loader.run());
        let some_arrived = || {
            thread::sleep(Duration::from_millis(50));
            !stored(&influxdb).is_empty() || load.is_finished()
        };
        assert!((0..600).any(|_| some_arrived()), "nothing arrived within 30 s");
        thread::sleep(milliseconds(&mut random, 0..400));
        assert!(!load.is_finished(), "the load was over before the outage");
        proxy.disable();
        thread::sleep(outage);
        proxy.enable();
        load.join().unwrap()
    });
    assert_honest(&outcome, &points, &stored(&influxdb), &mut story);
    assert!(story.loaded && story.retries > 0, "seed {seed}, away for {outage:?}: {outcome}");
}

#[test]
fn an_outage_is_waited_for_with_no_setting_touched() {
    let mut random = Rng::with_seed(7);
    let short = (1..=12).map(|seed| (seed, milliseconds(&mut random, 1_000..3_000)));
    let outages: Vec<(u64, Duration)> = [(0, Duration::from_secs(20))].into_iter().chain(short).collect();
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some((seed, outage)) = outages.get(next.fetch_add(1, Ordering::SeqCst)) {
                    live_through_an_outage(*seed, *outage);
                }
            });
        }
    });
}

/// Whatever the loader reports is true.
fn assert_honest(outcome: &Outcome, points: &Points, stored: &Points, story: &mut Story) {
    let report = outcome.json();
    let totals = &report["totals"];
    assert_eq!(totals["rejected"], json!({}), "a row is blamed: {outcome}");
    let written = usize::try_from(totals["written"].as_u64().unwrap()).unwrap();
    assert!(stored.len() >= written, "{} points are stored: {outcome}", stored.len());
    let wrong = stored.iter().find(|(time, point)| points.get(time) != Some(point));
    assert!(wrong.is_none(), "{wrong:?} is not in the file: {outcome}");
    match outcome.code {
        Some(0) => assert_eq!((written, stored.len()), (ROWS, ROWS), "{outcome}"),
        Some(1) => assert_ne!(report["status"], "succeeded", "{outcome}"),
        _ => panic!("{outcome}"),
    }
    story.loaded = outcome.code == Some(0);
    story.retries = totals["retries"].as_u64().unwrap();
    story.seconds = outcome.elapsed.as_secs_f64();
}

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|error| panic!("`{variable}` is `{text}`: {error}")))
}

#[test]
fn whatever_happens_the_database_has_the_file_or_the_load_fails_and_no_row_is_blamed() {
    let seeds: Vec<u64> = match number("CHAOS_SEED") {
        Some(seed) => vec![seed],
        None => (1..=number("CHAOS_SEEDS").unwrap_or(SEEDS)).collect(),
    };
    let (next, [loaded, failed]) = (AtomicUsize::new(0), [AtomicU64::new(0), AtomicU64::new(0)]);
    let wrong: Vec<u64> = thread::scope(|scope| {
        let work = || {
            let mut wrong = Vec::new();
            while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::SeqCst)) {
                match panic::catch_unwind(AssertUnwindSafe(|| live_through(*seed))) {
                    Ok(story) => {
                        eprintln!("seed {seed}: {story}");
                        if story.loaded { &loaded } else { &failed }.fetch_add(1, Ordering::SeqCst);
                    }
                    Err(_) => wrong.push(*seed),
                }
            }
            wrong
        };
        let workers: Vec<_> = (0..AT_A_TIME).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    eprintln!("{loaded:?} seeds loaded the file, {failed:?} failed honestly, {} were wrong", wrong.len());
    assert!(wrong.is_empty(), "replay with CHAOS_SEED: {wrong:?}");
    let (loaded, failed) = (loaded.into_inner(), failed.into_inner());
    assert!(seeds.len() == 1 || loaded >= failed, "most loads do not come through: {failed} of {}", seeds.len());
}
