//! The registry: converters published, promoted, rolled back, tampered with and swapped, while the function runs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod named;
mod parameters;
mod patterns;
mod trials;
mod trust;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use influxdb_loader_tests::{
    Function, InfluxDb2, Loader, Outcome, Request, Responder, Response, Settings, Versitygw, parquet, request,
    small_consumption,
};
use serde_json::{Value, json};
use tempfile::TempDir;

const DATA: &str = "energy";
const CONVERTERS: &str = "energy-converters";
const DATABASE: &str = "energy_data";
const KEY: &str = "dataset=consumption/small.parquet";

/// The converter of the consumption dataset with another version, of as many characters, in its data.
fn component(version: &str) -> Vec<u8> {
    patched(b"1.0.0", version.as_bytes(), converter_components::CONSUMPTION)
}

/// The one place that reads `from`, replaced.
fn patched(from: &[u8], to: &[u8], bytes: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let places: Vec<usize> =
        bytes.windows(from.len()).enumerate().filter(|(_, window)| *window == from).map(|(place, _)| place).collect();
    let [place] = places[..] else { panic!("not in one place: {places:?}") };
    let mut patched = bytes.to_vec();
    patched[place..place + to.len()].copy_from_slice(to);
    patched
}

/// S3 with a bucket of data and one of converters, and a directory.
struct Site {
    s3: Versitygw,
    directory: TempDir,
}

impl Site {
    fn start() -> Self {
        let s3 = Versitygw::start();
        s3.create_bucket(DATA);
        s3.create_bucket(CONVERTERS);
        s3.put_object(DATA, KEY, parquet(&small_consumption()));
        Self { s3, directory: tempfile::tempdir().unwrap() }
    }

    fn settings(&self) -> Settings {
        self.s3.registry_settings(CONVERTERS, &self.directory.path().join("cache"))
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Runs `influxdb-loader converter`.
    fn converter(&self, arguments: &[&str]) -> Outcome {
        Loader::new([&["converter"], arguments].concat()).settings(self.settings()).run()
    }

    fn publish(&self, component: &[u8], more: &[&str]) -> Outcome {
        let path = self.file("component.wasm", component);
        self.converter(&[&["publish", path.to_str().unwrap()], more].concat())
    }

    fn publish_and_promote(&self, version: &str) {
        self.publish(&component(version), &[]).succeeded();
        self.converter(&["promote", "consumption", version]).succeeded();
    }

    fn pointer(&self) -> Value {
        let bytes = self.s3.get_object(CONVERTERS, "converters/consumption/channels/stable.json");
        serde_json::from_slice(&bytes).unwrap()
    }

    fn point(&self, version: &str, sha256: &str) {
        let mut pointer = self.pointer();
        pointer["previous"] = json!({ "version": pointer["version"], "sha256": pointer["sha256"] });
        pointer["version"] = version.into();
        pointer["sha256"] = sha256.into();
        pointer["sequence"] = (pointer["sequence"].as_u64().unwrap() + 1).into();
        self.s3.put_object(CONVERTERS, "converters/consumption/channels/stable.json", pointer.to_string().into());
    }
}

/// The function over a site, and what it writes to.
struct Service {
    function: Function,
    _influxdb: InfluxDb2,
}

impl Service {
    fn start(settings: Settings) -> Self {
        let influxdb = InfluxDb2::start(DATABASE);
        Self { function: Function::start(settings.and(influxdb.settings(DATABASE))), _influxdb: influxdb }
    }

    /// Loads an object. Returns the version that converted it, and whether that was a fallback.
    fn load(&self, key: &str) -> (String, bool) {
        let invocation = self.function.invoke(&json!({ "bucket": DATA, "key": key }));
        assert!(!invocation.failed, "{}\n{}", invocation.answer, self.function.log());
        let object = &invocation.answer["objects"][0];
        (object["converter"]["version"].as_str().unwrap().to_owned(), object["converter_fallback"] == true)
    }

    /// The message of the failure to load an object.
    fn fail(&self, key: &str) -> String {
        let invocation = self.function.invoke(&json!({ "bucket": DATA, "key": key }));
        assert!(invocation.failed, "{}", invocation.answer);
        invocation.answer["errorMessage"].as_str().unwrap().to_owned()
    }
}

fn version(version: &str) -> (String, bool) {
    (version.to_owned(), false)
}

fn fallback(version: &str) -> (String, bool) {
    (version.to_owned(), true)
}

#[test]
fn a_version_is_published_once_and_never_changes() {
    let site = Site::start();
    let first = site.publish(&component("1.0.1"), &[]).succeeded();
    assert!(first.stdout.starts_with("published: consumption 1.0.1, sha256:"), "{first}");
    let again = site.publish(&component("1.0.1"), &["--dataset", "consumption"]).succeeded();
    assert!(again.stdout.starts_with("already published: consumption 1.0.1"), "{again}");

    let other = patched(b"What consumers use", b"What consumers eat", &component("1.0.1"));
    let refused = site.publish(&other, &[]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("holds something else already"), "{refused}");
    assert!(site.s3.get_object(CONVERTERS, "converters/consumption/1.0.1/converter.wasm") == component("1.0.1"));

    let listed = site.converter(&["list", "--json"]).succeeded().json();
    assert_eq!(listed[0]["manifest"]["version"], "1.0.1");
    assert_eq!(listed[0]["manifest"]["description"], "What consumers use");
    assert_eq!(listed[0]["channels"], json!([]));
}

#[test]
fn what_would_not_run_is_not_published() {
    let site = Site::start();
    let for_another = site.publish(&component("1.0.1"), &["--dataset", "generation"]);
    assert!(for_another.stderr.contains("is for dataset `consumption`, not `generation`"), "{for_another}");
    let text = site.publish(b"not wasm", &[]);
    assert!(text.stderr.contains("not a WebAssembly component"), "{text}");
    let broken = site.publish(&component("1.0.1")[..1000], &[]);
    assert!(broken.stderr.contains("does not compile"), "{broken}");
    let golden = site.publish(&component("1.0.1"), &["--golden", "guest-converters/generation/golden"]);
    for outcome in [for_another, text, broken, golden] {
        assert_eq!(outcome.code, Some(1));
    }
    assert!(site.s3.keys(CONVERTERS, "").is_empty());
    site.publish(&component("1.0.1"), &["--golden", "guest-converters/consumption/golden"]).succeeded();
    let nowhere = Loader::new(["converter", "list"]).run();
    assert!(nowhere.stderr.contains("CONVERTER_BUCKET"), "{nowhere}");
}

#[test]
fn channels_are_promoted_and_rolled_back() {
    let site = Site::start();
    let nothing = site.converter(&["promote", "consumption", "1.0.1"]);
    assert!(nothing.stderr.contains("1.0.1/manifest.json` does not exist"), "{nothing}");
    site.publish_and_promote("1.0.1");
    let none = site.converter(&["rollback", "consumption"]);
    assert!(none.stderr.contains("no version before"), "{none}");
    site.publish_and_promote("1.0.2");
    assert_eq!((&site.pointer()["version"], &site.pointer()["sequence"]), (&json!("1.0.2"), &json!(2)));
    let back = site.converter(&["rollback", "consumption"]).succeeded();
    assert_eq!(back.stdout, "consumption stable: 1.0.2 → 1.0.1, sequence 3\n");
    assert_eq!(site.pointer()["previous"]["version"], "1.0.2");
    let again = site.converter(&["promote", "consumption", "1.0.1"]).succeeded();
    assert_eq!(again.stdout, "consumption stable: already 1.0.1, sequence 3\n");
    site.converter(&["promote", "consumption", "1.0.2", "--channel", "canary"]).succeeded();
    let listed = site.converter(&["list", "consumption", "--json"]).succeeded().json();
    let channels = |index: usize| (listed[index]["manifest"]["version"].clone(), listed[index]["channels"].clone());
    assert_eq!(channels(0), (json!("1.0.2"), json!(["canary"])));
    assert_eq!(channels(1), (json!("1.0.1"), json!(["stable"])));
    let table = site.converter(&["list"]).succeeded().stdout;
    assert!(table.contains("canary") && table.contains("What consumers use"), "{table}");
    let verified = site.converter(&["verify", "consumption"]).succeeded();
    assert!(verified.stdout.starts_with("consumption 1.0.1 can be used"), "{verified}");
}

#[test]
fn of_two_promotions_at_once_one_wins_and_the_other_is_told() {
    let site = Arc::new(Site::start());
    site.publish_and_promote("1.0.1");
    for candidate in ["1.0.2", "1.0.3"] {
        site.publish(&component(candidate), &[]).succeeded();
    }
    // Whether two commands overlap is chance: they are tried until they do.
    for _ in 0..20 {
        let sequence = site.pointer()["sequence"].as_u64().unwrap();
        let current = site.pointer()["version"].as_str().unwrap().to_owned();
        let candidates: Vec<&str> = ["1.0.1", "1.0.2", "1.0.3"].into_iter().filter(|v| *v != current).collect();
        let barrier = Arc::new(Barrier::new(2));
        let promotions: Vec<_> = candidates
            .iter()
            .map(|candidate| {
                let (site, barrier, candidate) = (Arc::clone(&site), Arc::clone(&barrier), (*candidate).to_owned());
                thread::spawn(move || {
                    barrier.wait();
                    (site.converter(&["promote", "consumption", &candidate]), candidate)
                })
            })
            .collect();
        let outcomes: Vec<_> = promotions.into_iter().map(|promotion| promotion.join().unwrap()).collect();
        let won: Vec<_> = outcomes.iter().filter(|(outcome, _)| outcome.code == Some(0)).collect();
        let now = site.pointer();
        assert_eq!(now["sequence"], sequence + won.len() as u64, "each success is one change");
        if let [(_, winner)] = won[..] {
            assert_eq!(now["version"], winner.as_str());
            let (told, _) = outcomes.iter().find(|(outcome, _)| outcome.code != Some(0)).unwrap();
            assert!(told.stderr.contains("changed by someone else"), "{told}");
            return;
        }
        assert_eq!(won.len(), 2, "none won: {outcomes:?}");
    }
    panic!("no two promotions have overlapped");
}

#[test]
fn signatures_are_required_where_keys_are_trusted() {
    let site = Site::start();
    let [trusted, other] = ["trusted.pem", "other.pem"].map(|name| {
        let path = site.directory.path().join(name).display().to_string();
        let made = site.converter(&["keygen", "--out", &path]).succeeded();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(site.converter(&["keygen", "--out", &path]).code == Some(1), "a key is never overwritten");
        (path, made.stdout.lines().find_map(|line| line.strip_prefix("public key  ")).unwrap().to_owned())
    });
    site.publish(&component("1.0.1"), &["--sign", &trusted.0]).succeeded();
    site.publish(&component("1.0.2"), &["--sign", &other.0]).succeeded();
    site.publish(&component("1.0.3"), &[]).succeeded();
    let unsigned = site.publish(&component("1.0.3"), &["--sign", &trusted.0]);
    assert!(unsigned.stderr.contains("without a signature by key"), "{unsigned}");

    let strict = site.settings().with("CONVERTER_PUBLIC_KEYS", &*trusted.1);
    let verify =
        |version: &str| Loader::new(["converter", "verify", "consumption", version]).settings(strict.clone()).run();
    assert!(verify("1.0.1").succeeded().stdout.contains("which is trusted"));
    for untrusted in ["1.0.2", "1.0.3"] {
        assert!(verify(untrusted).stderr.contains("not signed by a trusted key"));
    }

    site.converter(&["promote", "consumption", "1.0.1"]).succeeded();
    let service = Service::start(strict);
    assert_eq!(service.load(KEY), version("1.0.1"));
    // Whoever promotes does not know the function's keys.
    site.converter(&["promote", "consumption", "1.0.2"]).succeeded();
    assert_eq!(service.load(KEY), fallback("1.0.1"));
    assert!(service.function.log().contains("not signed by a trusted key"));
}

#[test]
fn a_bad_version_leaves_the_one_before_in_service() {
    let site = Site::start();
    site.publish_and_promote("1.0.1");
    let service = Service::start(site.settings());
    assert_eq!(service.load(KEY), version("1.0.1"));

    // A component that was changed after it was published.
    site.publish(&component("1.0.2"), &[]).succeeded();
    let place = "converters/consumption/1.0.2/converter.wasm";
    site.s3.put_object(CONVERTERS, place, component("1.0.9"));
    let manifest = site.s3.get_object(CONVERTERS, "converters/consumption/1.0.2/manifest.json");
    let sha256 = serde_json::from_slice::<Value>(&manifest).unwrap()["sha256"].as_str().unwrap().to_owned();
    assert!(site.converter(&["promote", "consumption", "1.0.2"]).stderr.contains("its digest is"));
    site.point("1.0.2", &sha256);
    assert_eq!(service.load(KEY), fallback("1.0.1"));
    assert!(service.function.log().contains("its digest is"));

    // It is not read again until the pointer changes: mending it is not noticed.
    site.s3.put_object(CONVERTERS, place, component("1.0.2"));
    assert_eq!(service.load(KEY), fallback("1.0.1"));
    site.point("1.0.2", &sha256);
    assert_eq!(service.load(KEY), version("1.0.2"));

    // A version that does not exist, one that has another digest, and what is no pointer.
    site.point("7.0.0", &"0".repeat(64));
    assert_eq!(service.load(KEY), fallback("1.0.2"));
    site.point("1.0.1", &"0".repeat(64));
    assert_eq!(service.load(KEY), fallback("1.0.2"));
    site.s3.put_object(CONVERTERS, "converters/consumption/channels/stable.json", b"{}".to_vec());
    assert_eq!(service.load(KEY), fallback("1.0.2"));

    // A function that starts now has nothing to fall back to.
    let fresh = Service::start(site.settings());
    assert!(fresh.fail(KEY).contains("channels/stable.json` is malformed"));
}

#[test]
fn a_function_that_starts_with_a_bad_version_uses_the_one_before() {
    let site = Site::start();
    site.publish_and_promote("1.0.1");
    site.point("7.0.0", &"0".repeat(64));
    assert_eq!(Service::start(site.settings()).load(KEY), fallback("1.0.1"));
}

#[test]
fn an_outage_of_the_registry_is_bridged() {
    let site = Site::start();
    site.publish_and_promote("1.0.1");
    // S3, whose bucket of converters can be turned off.
    let off = Arc::new(AtomicBool::new(false));
    let port: u16 = site.s3.url().rsplit(':').next().unwrap().parse().unwrap();
    let proxy = Responder::start({
        let off = Arc::clone(&off);
        move |asked| {
            if off.load(Ordering::SeqCst) && asked.target.starts_with(&format!("/{CONVERTERS}")) {
                return Response::new(503, "");
            }
            let mut answer = request(port, &Request { headers: headers(&asked.headers), ..asked.clone() }).unwrap();
            answer.headers = headers(&answer.headers);
            answer
        }
    });
    let service = Service::start(site.settings().with("AWS_ENDPOINT_URL_S3", proxy.url()));
    assert_eq!(service.load(KEY), version("1.0.1"));
    off.store(true, Ordering::SeqCst);
    assert_eq!(service.load(KEY), fallback("1.0.1"));
    assert!(service.function.log().contains("cannot be had from the registry"));
    let fresh = Service::start(site.settings().with("AWS_ENDPOINT_URL_S3", proxy.url()));
    assert!(fresh.fail(KEY).contains("channels/stable.json` cannot be reached"), "nothing is guessed");
    off.store(false, Ordering::SeqCst);
    assert_eq!(service.load(KEY), version("1.0.1"));
    assert_eq!(fresh.load(KEY), version("1.0.1"));
}

/// An object with these rows in each of three row groups.
fn in_three_row_groups(rows: &RecordBatch) -> Vec<u8> {
    let properties = ::parquet::file::properties::WriterProperties::builder()
        .set_max_row_group_row_count(Some(rows.num_rows()))
        .build();
    let mut bytes = Vec::new();
    let mut writer = ::parquet::arrow::ArrowWriter::try_new(&mut bytes, rows.schema(), Some(properties)).unwrap();
    (0..3).for_each(|_| writer.write(rows).unwrap());
    writer.close().unwrap();
    bytes
}

#[test]
fn an_object_goes_on_with_the_converter_that_it_was_begun_with_or_starts_over() {
    let site = Site::start();
    let key = "dataset=consumption/three.parquet";
    site.s3.put_object(DATA, key, in_three_row_groups(&small_consumption().slice(0, 2)));
    site.publish_and_promote("1.0.1");
    let digest = site.pointer()["sha256"].clone();
    site.publish_and_promote("1.0.2");
    let service = Service::start(site.settings());
    let load = |function: &Function, digest: Option<&Value>| -> (String, Value, Value) {
        let mut event = json!({ "bucket": DATA, "key": key, "row_groups": [1, 3] });
        if let Some(digest) = digest {
            event["converter_digest"] = digest.clone();
        }
        let invocation = function.invoke(&event);
        assert!(!invocation.failed, "{}\n{}", invocation.answer, function.log());
        let object = &invocation.answer["objects"][0];
        let version = object["converter"]["version"].as_str().unwrap().to_owned();
        (version, object["row_groups"].clone(), object["accounts"]["rows"].clone())
    };
    // The promoted version, and the one before it.
    assert_eq!(load(&service.function, None), ("1.0.2".to_owned(), json!([1, 3]), json!(4)));
    assert_eq!(load(&service.function, Some(&digest)), ("1.0.1".to_owned(), json!([1, 3]), json!(4)));
    // All others still get the promoted version.
    assert_eq!(service.load(KEY), version("1.0.2"));
    // The built-in one is no version of the registry.
    let built_in = Loader::new(["load", "--json", "--to", "-"])
        .argument(site.file("dataset=consumption.parquet", &parquet(&small_consumption())));
    let built_in = built_in.argument("--dataset").argument("consumption").run().succeeded();
    let report: Value = serde_json::from_str(&built_in.stderr).unwrap();
    let built_in = report["objects"][0]["converter"]["digest"].clone();
    assert_eq!(load(&service.function, Some(&built_in)), ("1.0.0".to_owned(), json!([1, 3]), json!(4)));

    // Gone: nothing of the object stays half one's and half the other's.
    site.s3.delete_object(CONVERTERS, "converters/consumption/1.0.1/manifest.json");
    let fresh = Service::start(site.settings());
    assert_eq!(load(&fresh.function, Some(&digest)), ("1.0.2".to_owned(), json!([0, 3]), json!(6)));
    assert!(fresh.function.log().contains("starts over"));
    let refused = fresh.function.invoke(&json!({ "bucket": DATA, "key": key, "converter_digest": "1.0.1" }));
    assert!(
        refused.answer["errorMessage"].as_str().unwrap().contains("`converter_digest` is no digest"),
        "{refused:?}"
    );
}

/// The site's S3 behind something that sees each request for the registry's pointer, and may answer it.
fn watched(site: &Site, watch: impl Fn() -> Option<Response> + Send + Sync + 'static) -> Responder {
    let port: u16 = site.s3.url().rsplit(':').next().unwrap().parse().unwrap();
    Responder::start(move |asked| {
        if asked.target.contains("/channels/")
            && let Some(answer) = watch()
        {
            return answer;
        }
        let mut answer = request(port, &Request { headers: headers(&asked.headers), ..asked.clone() }).unwrap();
        answer.headers = headers(&answer.headers);
        answer
    })
}

#[test]
fn objects_do_not_wait_while_the_registry_is_asked_again() {
    let site = Site::start();
    site.publish_and_promote("1.0.1");
    let slow = Arc::new(AtomicBool::new(false));
    let proxy = watched(&site, {
        let slow = Arc::clone(&slow);
        move || {
            if slow.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_secs(4));
            }
            None
        }
    });
    let settings = site.settings().with("AWS_ENDPOINT_URL_S3", proxy.url()).with("CONVERTER_REFRESH_SECONDS", "1");
    let service = Service::start(settings);
    assert_eq!(service.load(KEY), version("1.0.1"));
    site.publish_and_promote("1.0.2");
    slow.store(true, Ordering::SeqCst);
    thread::sleep(Duration::from_millis(1100));
    let started = Instant::now();
    assert_eq!(service.load(KEY), version("1.0.1"));
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    // The answer applies to the objects after it.
    let until = Instant::now() + Duration::from_secs(30);
    while service.load(KEY) != version("1.0.2") {
        assert!(Instant::now() < until, "{}", service.function.log());
        thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn a_registry_that_fails_is_asked_once_for_all_who_wait() {
    let site = Site::start();
    site.publish_and_promote("1.0.1");
    let (asked, off) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(true)));
    let proxy = watched(&site, {
        let (asked, off) = (Arc::clone(&asked), Arc::clone(&off));
        move || {
            asked.fetch_add(1, Ordering::SeqCst);
            off.load(Ordering::SeqCst).then(|| Response::new(503, ""))
        }
    });
    let settings = site.settings().with("AWS_ENDPOINT_URL_S3", proxy.url()).with("CONVERTER_REFRESH_SECONDS", "60");
    let service = Service::start(settings.with("OBJECT_CONCURRENCY", "4"));
    let names: Vec<String> = (0..12).map(|number| format!("dataset=consumption/{number}.parquet")).collect();
    names.iter().for_each(|key| site.s3.put_object(DATA, key, parquet(&small_consumption())));
    let objects: Vec<Value> = names.iter().map(|key| json!({ "bucket": DATA, "key": key })).collect();
    let event = json!({ "objects": objects });
    let failed = service.function.invoke(&event);
    assert!(failed.failed, "{}", failed.answer);
    // The SDK makes three attempts.
    assert!(asked.load(Ordering::SeqCst) <= 3, "{asked:?} requests");
    // Some seconds later it is asked again.
    off.store(false, Ordering::SeqCst);
    thread::sleep(Duration::from_secs(6));
    let loaded = service.function.invoke(&event);
    assert!(!loaded.failed, "{}", loaded.answer);
}

/// Those that go from one connection to the next; with the host, which is signed.
fn headers(headers: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let hops = ["connection", "content-length", "transfer-encoding", "keep-alive"];
    headers.iter().filter(|(name, _)| !hops.contains(&name.as_str())).map(|(n, v)| (n.clone(), v.clone())).collect()
}

#[test]
fn the_built_in_converter_serves_where_the_registry_has_none() {
    let site = Site::start();
    let service = Service::start(site.settings());
    assert_eq!(service.load(KEY), version("1.0.0"));
    let key = "dataset=heat-demand/small.parquet";
    site.s3.put_object(DATA, key, parquet(&small_consumption()));
    let message = service.fail(key);
    for part in ["no converter for dataset `heat-demand`", "s3://energy-converters/converters/", "`stable`"] {
        assert!(message.contains(part), "{message}");
    }

    // A new dataset needs a converter in the registry and nothing else.
    let heat = patched(b"consumptionWhat", b"heat-demandWhat", converter_components::CONSUMPTION);
    site.publish(&heat, &[]).succeeded();
    site.converter(&["promote", "heat-demand", "1.0.0"]).succeeded();
    assert_eq!(service.load(key), version("1.0.0"));
    let named_by_the_registry = "landing/HEAT-DEMAND-2024.parquet";
    site.s3.put_object(DATA, named_by_the_registry, parquet(&small_consumption()));
    assert_eq!(service.load(named_by_the_registry), version("1.0.0"));
}

#[test]
fn a_damaged_cache_file_is_made_anew() {
    let site = Site::start();
    site.publish_and_promote("1.0.1");
    assert_eq!(Service::start(site.settings()).load(KEY), version("1.0.1"));
    let files = fs::read_dir(site.directory.path().join("cache")).unwrap();
    let files: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).collect();
    let [file] = &files[..] else { panic!("one compiled converter: {files:?}") };
    let good = fs::read(file).unwrap();
    let mut damaged = good.clone();
    damaged[good.len() / 2] ^= 0xff;
    fs::write(file, damaged).unwrap();
    let service = Service::start(site.settings());
    assert_eq!(service.load(KEY), version("1.0.1"));
    assert!(service.function.log().contains("a compiled converter in the cache is not used"));
    assert!(fs::read(file).unwrap() == good);
    assert_eq!(Service::start(site.settings()).load(KEY), version("1.0.1"));
}

/// Ends what runs beside a test, also when the test fails, so that no server outlives it.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn versions_are_swapped_under_load() {
    let site = Site::start();
    site.publish_and_promote("1.0.1");
    site.publish(&component("1.0.2"), &[]).succeeded();
    let service = Service::start(site.settings());
    let is_done = AtomicBool::new(false);
    let (versions, swaps) = thread::scope(|scope| {
        let done = Done(&is_done);
        let swapping = scope.spawn(|| {
            let mut swaps = 0;
            while !is_done.load(Ordering::SeqCst) {
                site.converter(&["promote", "consumption", ["1.0.2", "1.0.1"][swaps % 2]]).succeeded();
                swaps += 1;
                thread::sleep(Duration::from_millis(500));
            }
            swaps
        });
        let mut versions = Vec::new();
        let start = Instant::now();
        // 200 objects, and more until there have been some swaps.
        while versions.len() < 200 || start.elapsed() < Duration::from_secs(8) {
            let (version, fallback) = service.load(KEY);
            assert!(!fallback, "{}", service.function.log());
            versions.push(version);
        }
        drop(done);
        (versions, swapping.join().unwrap())
    });
    let distinct: BTreeSet<&str> = versions.iter().map(String::as_str).collect();
    assert_eq!(distinct, BTreeSet::from(["1.0.1", "1.0.2"]), "{swaps} swaps");
    let changes = versions.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!((2..=swaps).contains(&changes), "{changes} changes in {swaps} swaps");
}
