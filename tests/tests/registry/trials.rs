//! Candidates that are tried beside the promoted version: shadows, canaries, and the rules that decide about them.

use std::sync::Mutex;

use arrow::array::StringArray;
use ring::digest;

use super::trust::{Key, measured};
use super::*;

/// The version of which a field's key is another one.
const CHANGED: &str = "1.0.2";
/// The one that makes what the first one makes.
const MENDED: &str = "1.0.3";
/// The one that gives a field a key that cannot be written, so that rows are rejected.
const REJECTING: &str = "1.0.4";
/// The one that needs a column that no object has.
const FAILING: &str = "1.0.5";

fn candidate(version: &str) -> Vec<u8> {
    match version {
        CHANGED => patched(b"power_mw", b"power_mx", &component(version)),
        REJECTING => patched(b"power_mw", b"power_m\n", &component(version)),
        FAILING => patched(b"consumer_type", b"consumer_typx", &component(version)),
        _ => component(version),
    }
}

/// Three rows of an object: its number is their region. One has no time.
fn rows(number: usize) -> RecordBatch {
    let region =
        Arc::new(StringArray::from_iter_values([format!("r{number}"), format!("r{number}"), format!("r{number}")]));
    let rows = small_consumption();
    let (schema, mut columns) = (rows.schema(), rows.columns().to_vec());
    columns[schema.index_of("region").unwrap()] = region;
    RecordBatch::try_new(schema, columns).unwrap()
}

fn key(number: usize) -> String {
    format!("dataset=consumption/tried-{number}.parquet")
}

/// As docs/writing-converters.md defines it: the first 8 bytes of the key's SHA-256 decide.
fn is_in_half(key: &str) -> bool {
    digest::digest(&digest::SHA256, key.as_bytes()).as_ref()[0] < 0x80
}

/// What became of an object.
struct Loaded {
    number: usize,
    version: String,
    trial: Value,
}

/// Some functions that share a registry and an InfluxDB.
struct Fleet {
    functions: Vec<Function>,
    influxdb: InfluxDb2,
    next: AtomicUsize,
    loaded: Mutex<Vec<Loaded>>,
}

impl Fleet {
    fn start(settings: &Settings, functions: usize) -> Self {
        let influxdb = InfluxDb2::start(DATABASE);
        let settings = settings.clone().and(influxdb.settings(DATABASE));
        let functions = (0..functions).map(|_| Function::start(settings.clone())).collect();
        Self { functions, influxdb, next: AtomicUsize::new(0), loaded: Mutex::default() }
    }

    /// Loads some new objects by one of the functions. No load fails, whatever is tried.
    fn load(&self, site: &Site, function: &Function, objects: usize) {
        let numbers: Vec<usize> = (0..objects).map(|_| self.next.fetch_add(1, Ordering::SeqCst)).collect();
        numbers.iter().for_each(|number| site.s3.put_object(DATA, &key(*number), parquet(&rows(*number))));
        let event: Vec<Value> = numbers.iter().map(|number| json!({ "bucket": DATA, "key": key(*number) })).collect();
        let invocation = function.invoke(&json!({ "objects": event }));
        assert!(!invocation.failed, "{}\n{}", invocation.answer, function.log());
        let reports = invocation.answer["objects"].as_array().unwrap();
        assert_eq!(reports.len(), objects, "{}", invocation.answer);
        for (number, report) in numbers.into_iter().zip(reports) {
            assert_eq!(report["key"], key(number).as_str());
            assert!(report["failure"].is_null() && report["converter_fallback"].is_null(), "{report}");
            let version = report["converter"]["version"].as_str().unwrap().to_owned();
            self.loaded.lock().unwrap().push(Loaded { number, version, trial: report["trial"].clone() });
        }
    }

    fn logs(&self) -> String {
        self.functions.iter().map(Function::log).collect()
    }

    /// The sum of a metric over all functions and invocations.
    fn sum(&self, metric: &str) -> f64 {
        let logs = self.logs();
        let lines = logs.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter_map(|line| line[metric].as_array().cloned()).flatten().filter_map(|value| value.as_f64()).sum()
    }
}

fn trial(site: &Site) -> Value {
    serde_json::from_str(&site.converter(&["trial", "consumption", "--json"]).succeeded().stdout).unwrap()
}

/// How the trial has ended, when it has.
fn verdict(site: &Site) -> Value {
    let until = Instant::now() + Duration::from_secs(120);
    loop {
        let trial = trial(site);
        if !trial["state"]["verdict"].is_null() {
            return trial;
        }
        assert!(Instant::now() < until, "it is not decided: {trial}");
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_shadow_is_refused_another_promoted_and_a_canary_rolled_back_by_their_rules_under_load() {
    let site = Site::start();
    let signing = Key::make(&site, "key.pem");
    for version in ["1.0.1", CHANGED, MENDED, REJECTING] {
        site.publish(&candidate(version), &["--sign", &signing.file]).succeeded();
    }
    let promote = |more: &[&str]| {
        site.converter(&[&["promote", "consumption", "--sign", &signing.file], more].concat()).succeeded()
    };
    promote(&["1.0.1"]);
    let settings = measured(site.settings())
        .with("CONVERTER_PUBLIC_KEYS", &*signing.public)
        .with("CONVERTER_REQUIRE_SIGNED_POINTERS", "true");
    let fleet = Fleet::start(&settings, 2);
    let is_done = AtomicBool::new(false);
    let (shadow, mended, canary) = thread::scope(|scope| {
        let done = Done(&is_done);
        for function in &fleet.functions {
            scope.spawn(|| {
                while !is_done.load(Ordering::SeqCst) {
                    fleet.load(&site, function, 4);
                }
            });
        }
        let begun = promote(&[
            "--shadow",
            CHANGED,
            "--when",
            "objects >= 10 and changed = 0 and rejected <= before",
            "--unless",
            "objects >= 10 and changed > 0",
        ]);
        assert!(
            begun.stdout.starts_with("consumption stable: 1.0.1, with shadow 1.0.2 on 100% of the objects"),
            "{begun}"
        );
        let shadow = verdict(&site);
        promote(&[
            "--shadow",
            MENDED,
            "--when",
            "objects >= 10 and equal = 100% and rejected <= before and failed = 0",
        ]);
        let mended = verdict(&site);
        promote(&["--canary", REJECTING, "--share", "50%", "--unless", "objects >= 5 and rejected > before"]);
        let canary = verdict(&site);
        drop(done);
        (shadow, mended, canary)
    });
    // After everything, both functions serve what was promoted.
    fleet.functions.iter().for_each(|function| fleet.load(&site, function, 4));

    let outcome = |trial: &Value| trial["state"]["verdict"]["outcome"].as_str().unwrap().to_owned();
    assert_eq!([&shadow, &mended, &canary].map(outcome), ["rolled_back", "promoted", "rolled_back"]);
    assert_eq!(shadow["state"]["verdict"]["rule"], "objects >= 10 and changed > 0");
    let counts = |trial: &Value, what: &str| trial["state"]["counts"].pointer(what).unwrap().as_u64().unwrap();
    // Of each object one point differs and another does not.
    let objects = counts(&shadow, "/candidate/objects");
    assert!(objects >= 10, "{shadow}");
    assert_eq!([counts(&shadow, "/points/changed"), counts(&shadow, "/points/equal")], [objects; 2]);
    assert_eq!([counts(&shadow, "/candidate/rejected"), counts(&shadow, "/before/rejected")], [objects; 2]);
    assert_eq!([counts(&mended, "/points/changed"), counts(&mended, "/points/added")], [0, 0]);
    assert_eq!(shadow["in_service"]["version"], "1.0.1");
    assert_eq!([&mended, &canary].map(|trial| trial["in_service"]["version"].clone()), [MENDED, MENDED]);
    assert!(counts(&canary, "/candidate/rejected") > counts(&canary, "/candidate/objects"), "{canary}");

    // What differs is kept, by name, for each object, and nothing of what the rows hold.
    let reports = site.s3.keys(CONVERTERS, "converters/trials/consumption/stable/");
    let reports = reports.iter().filter(|key| key.contains("/objects/"));
    let reports: Vec<Value> = reports
        .map(|key| serde_json::from_slice(&site.s3.get_object(CONVERTERS, key)).unwrap())
        .filter(|report: &Value| report["candidate"] == CHANGED)
        .collect();
    assert!(reports.len() as u64 >= objects, "{}", reports.len());
    assert_eq!(reports[0]["fields"]["power_mx"], json!({ "added": 1, "removed": 0, "changed": 0 }));
    assert!(
        reports[0]["hint"]
            .as_str()
            .unwrap()
            .starts_with("influxdb-loader converter diff consumption@1.0.1 consumption@1.0.2 s3://energy/")
    );

    // All functions together decide once, with a line and a metric.
    let logs = fleet.logs();
    for (words, times) in [
        ("a rule of the trial is true: the candidate is rolled back", 2),
        ("a rule of the trial is true: the candidate is promoted", 1),
    ] {
        assert_eq!(logs.matches(words).count(), times, "{words}");
    }
    assert_eq!((fleet.sum("TrialRollbacks"), fleet.sum("TrialPromotions")), (2.0, 1.0));
    assert!(fleet.sum("ShadowDifferences") >= 10.0);

    // Each object was converted by one version, on its side of the share, and its points are those of this version.
    let field = |field: &str| -> BTreeSet<String> {
        let points = fleet.influxdb.points(DATABASE);
        points
            .iter()
            .filter(|point| point.fields.contains_key(field))
            .map(|point| point.tags["region"].clone())
            .collect()
    };
    assert!(field("power_mx").is_empty(), "a shadow was written");
    let (power, energy) = (field("power_mw"), field("energy_mwh"));
    let loaded = fleet.loaded.lock().unwrap();
    assert_eq!(loaded.len(), fleet.next.load(Ordering::SeqCst));
    for Loaded { number, version, trial } in &*loaded {
        let region = format!("r{number}");
        let is_tried = version == REJECTING;
        assert!(energy.contains(&region) && power.contains(&region) != is_tried, "{version}: {region}");
        assert!(!is_tried || is_in_half(&key(*number)), "{number}");
        // One that was begun before the end of a trial may know of it when it is counted.
        assert!(trial.is_null() || (trial["converted"] == true) == is_tried, "{trial}");
    }
    assert!(loaded.iter().filter(|loaded| loaded.version == REJECTING).count() >= 5);
    assert!(loaded.iter().rev().take(8).all(|loaded| loaded.version == MENDED));
    let versions: BTreeSet<&str> = loaded.iter().map(|loaded| loaded.version.as_str()).collect();
    assert_eq!(versions, BTreeSet::from(["1.0.1", MENDED, REJECTING]));

    // What was begun with the canary continues with it.
    let three = "dataset=consumption/three.parquet";
    site.s3.put_object(DATA, three, in_three_row_groups(&rows(999_999)));
    let digest = canary["terms"]["candidate"]["sha256"].clone();
    let event = json!({ "bucket": DATA, "key": three, "row_groups": [1, 3], "converter_digest": digest });
    let rest = fleet.functions[0].invoke(&event);
    assert_eq!(rest.answer["objects"][0]["converter"]["version"], REJECTING, "{}", rest.answer);
}

fn row(name: &str, before: u64, candidate: u64) -> Vec<String> {
    vec![name.to_owned(), before.to_string(), candidate.to_string()]
}

#[test]
fn trials_are_begun_shown_and_ended_by_hand() {
    let site = Site::start();
    for version in ["1.0.1", CHANGED] {
        site.publish(&candidate(version), &[]).succeeded();
    }
    let promote = |more: &[&str]| site.converter(&[&["promote", "consumption"], more].concat());
    let refused = |more: &[&str], words: &str| {
        let outcome = promote(more);
        assert!(outcome.code != Some(0) && outcome.stderr.contains(words), "{outcome}");
    };
    refused(&["--shadow", CHANGED], "has no promoted version");
    promote(&["1.0.1"]).succeeded();
    assert_eq!(site.converter(&["trial", "consumption"]).succeeded().stdout, "consumption stable: nothing is tried\n");
    refused(&["--shadow", "1.0.1"], "converter 1.0.1 is promoted already");
    refused(&["--canary", CHANGED], "--share");
    refused(&["--canary", CHANGED, "--share", "5"], "`5` is no share; allowed are 0.01% to 100%");
    refused(&["--canary", CHANGED, "--share", "5%", "--when", "changed = 0"], "a canary does not measure `changed`");
    refused(&["--shadow", CHANGED, "--when", "objekts > 1"], "found `objekts`, at character 1\n  objekts > 1\n  ^");
    refused(&["1.0.1", "--share", "5%"], "cannot be used with");

    let begun = promote(&["--canary", CHANGED, "--share", "100%", "--by", "Ana"]).succeeded();
    assert!(begun.stdout.starts_with("consumption stable: 1.0.1, with canary 1.0.2 on 100% of the objects"), "{begun}");
    // For functions of the first edition the pointer is what it was.
    assert_eq!(site.pointer().as_object().unwrap().len(), 4);
    assert_eq!(site.pointer()["version"], "1.0.1");
    let again = promote(&["--canary", CHANGED, "--share", "100%"]).succeeded();
    assert!(again.stdout.contains("already with canary"), "{again}");
    let service = Service::start(site.settings());
    assert_eq!(service.load(KEY), version(CHANGED));
    let shown = site.converter(&["trial", "consumption"]).succeeded().stdout;
    for part in ["canary 1.0.2 beside 1.0.1, on 100%", "rolled back when: failed > 0", "it runs"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let line = |name: &str| -> Vec<String> {
        let line = shown.lines().find(|line| line.trim_start().starts_with(name)).expect(&shown);
        line.split_whitespace().map(str::to_owned).collect()
    };
    assert_eq!((line("objects"), line("rows")), (row("objects", 0, 1), row("rows", 0, 3)));
    let listed = site.converter(&["list"]).succeeded().stdout;
    assert!(listed.contains("stable (canary)"), "{listed}");
    let history = site.converter(&["history", "consumption"]).succeeded().stdout;
    assert!(history.contains("1.0.1 (canary 1.0.2)") && history.contains("Ana"), "{history}");
    // What is tried is in use.
    let yank = site.converter(&["yank", "consumption", CHANGED, "--reason", "wrong key"]);
    assert!(yank.stderr.contains("channel `stable` points at"), "{yank}");
    let back = site.converter(&["rollback", "consumption"]);
    assert!(
        back.stderr.contains("tries converter 1.0.2\nhint: `influxdb-loader converter trial consumption --end`"),
        "{back}"
    );

    let ended = site.converter(&["trial", "consumption", "--end", "--by", "Rui"]).succeeded().stdout;
    assert!(ended.contains("ended by hand at ") && ended.contains(" by Rui\n"), "{ended}");
    let again = site.converter(&["trial", "consumption", "--end"]).succeeded().stdout;
    assert!(again.contains("it had ended before") && again.contains("by Rui"), "{again}");
    assert_eq!(service.load(KEY), version("1.0.1"));
    // The same once more is another trial, and a version that is promoted ends it.
    promote(&["--canary", CHANGED, "--share", "100%"]).succeeded();
    assert_eq!(service.load(KEY), version(CHANGED));
    promote(&["1.0.1"]).succeeded();
    assert_eq!(service.load(KEY), version("1.0.1"));
    assert_eq!(Service::start(site.settings()).load(KEY), version("1.0.1"));
}

#[test]
fn a_shadow_that_fails_or_has_no_time_fails_no_object_and_is_never_equal() {
    let site = Site::start();
    site.publish_and_promote("1.0.1");
    site.publish(&candidate(FAILING), &[]).succeeded();
    let shadow = |version: &str| {
        site.converter(&["promote", "consumption", "--shadow", version, "--when", "equal > 0 and failed = 0"])
            .succeeded()
    };
    shadow(FAILING);
    let service = Service::start(site.settings());
    let load = |service: &Service| {
        let invocation = service.function.invoke(&json!({ "bucket": DATA, "key": KEY }));
        assert!(!invocation.failed, "{}", invocation.answer);
        invocation.answer["objects"][0].clone()
    };
    let report = load(&service);
    assert_eq!(report["converter"]["version"], "1.0.1");
    assert!(report["trial"]["failure"].as_str().unwrap().contains("consumer_typx"), "{report}");
    // The same version of the object counts once.
    load(&service);
    let counts = trial(&site)["state"]["counts"].clone();
    assert_eq!((&counts["candidate"]["objects"], &counts["candidate"]["failed"]), (&json!(1), &json!(1)), "{counts}");

    site.publish(&candidate(MENDED), &[]).succeeded();
    shadow(MENDED);
    let report = load(&Service::start(site.settings().with("CONVERTER_SHADOW_PERCENT", "0")));
    assert_eq!(report["trial"]["not_compared"], "`CONVERTER_SHADOW_PERCENT` is 0");
    let state = trial(&site)["state"].clone();
    assert_eq!(
        (&state["counts"]["uncompared"], &state["counts"]["points"]["equal"]),
        (&json!(1), &json!(0)),
        "{state}"
    );
    assert!(state["verdict"].is_null(), "{state}");
}

#[test]
fn a_function_that_may_not_count_or_use_the_candidate_loads_all_the_same() {
    let site = Site::start();
    site.publish_and_promote("1.0.1");
    site.publish(&candidate(MENDED), &[]).succeeded();
    site.converter(&["promote", "consumption", "--shadow", MENDED, "--when", "objects > 0"]).succeeded();
    let port: u16 = site.s3.url().rsplit(':').next().unwrap().parse().unwrap();
    let proxy = Responder::start(move |asked| {
        if asked.method == "PUT" && asked.target.contains("/trials/") {
            return Response::new(403, "");
        }
        let mut answer = request(port, &Request { headers: headers(&asked.headers), ..asked.clone() }).unwrap();
        answer.headers = headers(&answer.headers);
        answer
    });
    let service = Service::start(site.settings().with("AWS_ENDPOINT_URL_S3", proxy.url()));
    for _ in 0..2 {
        assert_eq!(service.load(KEY), version("1.0.1"));
    }
    assert_eq!(service.function.log().matches("objects of the trial are not counted").count(), 1);

    // A canary whose component is gone: its share is loaded by the promoted version, as a fallback.
    site.converter(&["promote", "consumption", "--canary", MENDED, "--share", "100%"]).succeeded();
    site.s3.delete_object(CONVERTERS, "converters/consumption/1.0.3/manifest.json");
    let fresh = Service::start(site.settings());
    assert_eq!(fresh.load(KEY), fallback("1.0.1"));
    assert!(fresh.function.log().contains("the candidate that dataset `consumption` tries cannot be used"));
}

/// An object in each half of the keys: the candidate's, and the other.
fn one_in_each_half(site: &Site) -> [String; 2] {
    let keys = [true, false].map(|half| (0..).map(key).find(|key| is_in_half(key) == half).unwrap());
    for (number, key) in keys.iter().enumerate() {
        site.s3.put_object(DATA, key, parquet(&rows(number)));
    }
    keys
}

#[test]
fn an_object_that_is_delivered_again_counts_once_on_either_side_of_a_canary() {
    let site = Site::start();
    site.publish_and_promote("1.0.1");
    site.publish(&candidate(MENDED), &[]).succeeded();
    let canary = ["promote", "consumption", "--canary", MENDED, "--share", "50%", "--when", "objects >= 1000"];
    site.converter(&canary).succeeded();
    let keys = one_in_each_half(&site);
    for _ in 0..2 {
        // Another process, as after a failed invocation.
        let service = Service::start(site.settings());
        assert_eq!(keys.each_ref().map(|key| service.load(key)), [version(MENDED), version("1.0.1")]);
    }
    let counts = trial(&site)["state"]["counts"].clone();
    assert_eq!((&counts["candidate"]["objects"], &counts["before"]["objects"]), (&json!(1), &json!(1)), "{counts}");
    // Another version of the object is another one.
    site.s3.put_object(DATA, &keys[1], parquet(&rows(7)));
    Service::start(site.settings()).load(&keys[1]);
    assert_eq!(trial(&site)["state"]["counts"]["before"]["objects"], 2);
}

#[test]
fn what_is_loaded_is_skipped_on_either_side_of_a_canary() {
    let site = Site::start();
    site.publish_and_promote("1.0.1");
    site.publish(&candidate(MENDED), &[]).succeeded();
    site.converter(&["promote", "consumption", "--canary", MENDED, "--share", "50%"]).succeeded();
    let keys = one_in_each_half(&site);
    let service = Service::start(site.settings().with("LEDGER_URI", format!("s3://{DATA}/ledger")));
    let load = || {
        let objects: Vec<Value> =
            keys.iter().map(|key| json!({ "bucket": DATA, "key": key, "skip_loaded": true })).collect();
        let invocation = service.function.invoke(&json!({ "objects": objects }));
        assert!(!invocation.failed, "{}\n{}", invocation.answer, service.function.log());
        invocation.answer["skipped"].clone()
    };
    assert_eq!((load(), load()), (json!(0), json!(2)));
    // As soon as the trial has ended, the candidate's objects are of another version.
    site.converter(&["trial", "consumption", "--end"]).succeeded();
    assert_eq!(load(), 1);
}
