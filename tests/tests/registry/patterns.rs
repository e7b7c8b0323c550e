//! One converter that serves several datasets by patterns: which one counts, and whom the function trusts.

use influxdb_loader_tests::metrics_component;

use super::parameters::family;
use super::trust::{Key, measured};
use super::*;

const PATTERNS: &str = "consumption-*,legacy-load,gener*,metr*";

/// The converter of the generation dataset with another version.
fn generation(version: &str) -> Vec<u8> {
    patched(b"1.0.0", version.as_bytes(), converter_components::GENERATION)
}

fn publish(site: &Site, component: &[u8], serves: &str) {
    site.publish(component, &["--serves", serves]).succeeded();
}

/// The key of an object of a dataset, which is stored.
fn object(site: &Site, dataset: &str, bytes: Vec<u8>) -> String {
    let key = format!("dataset={dataset}/part.parquet");
    site.s3.put_object(DATA, &key, bytes);
    key
}

fn power(site: &Site, dataset: &str) -> String {
    object(site, dataset, parquet(&small_consumption()))
}

fn claim(pattern: &str, name: &str) -> String {
    format!("converters/.patterns/stable/{pattern}.{name}.json")
}

/// Which converter loads the objects of one event, each with its dataset: its name and version.
fn loaded(service: &Service, keys: &[&str]) -> Vec<(String, String)> {
    let objects: Vec<Value> = keys.iter().map(|key| json!({ "bucket": DATA, "key": key })).collect();
    let invocation = service.function.invoke(&json!({ "objects": objects }));
    assert!(!invocation.failed, "{}\n{}", invocation.answer, service.function.log());
    let reports = invocation.answer["objects"].as_array().unwrap();
    let text = |report: &Value, what: &str| report.pointer(what).unwrap().as_str().unwrap().to_owned();
    let converter =
        |report: &Value| format!("{}@{}", text(report, "/converter/name"), text(report, "/converter/version"));
    reports.iter().map(|report| (text(report, "/dataset"), converter(report))).collect()
}

fn expected(converters: &[(&str, &str)]) -> Vec<(String, String)> {
    converters.iter().map(|(dataset, converter)| ((*dataset).to_owned(), (*converter).to_owned())).collect()
}

#[test]
fn one_converter_serves_two_datasets_beside_a_third_and_is_swapped_and_rolled_back() {
    let site = Site::start();
    publish(&site, &component("1.0.1"), PATTERNS);
    publish(&site, &component("1.0.2"), PATTERNS);
    publish(&site, &component("1.0.3"), "consumption-*");
    site.publish(metrics_component(), &["--serves", "consumption-live-*"]).succeeded();
    site.converter(&["promote", "metrics", "0.1.0"]).succeeded();
    let promote = |version: &str| site.converter(&["promote", "consumption", version]).succeeded();
    let promoted = promote("1.0.1").stdout;
    assert!(promoted.ends_with("\nserves consumption-*, gener*, legacy-load, metr*\n"), "{promoted}");
    // For functions of the first edition, the manifest and the pointer are what they were.
    assert_eq!(site.pointer().as_object().unwrap().len(), 4);
    let manifest = site.s3.get_object(CONVERTERS, "converters/consumption/1.0.1/manifest.json");
    assert_eq!(serde_json::from_slice::<Value>(&manifest).unwrap().as_object().unwrap().len(), 8);

    let (north, legacy) = (power(&site, "consumption-north"), power(&site, "legacy-load"));
    let (exact, live) = (object(&site, "metrics", family()), object(&site, "consumption-live-7", family()));
    let own = power(&site, "consumption");
    let service = Service::start(measured(site.settings()));
    let all = [&*north, &*legacy, &*exact, &*live, &*own];
    let by = |version: &str| {
        let consumption = format!("consumption@{version}");
        expected(&[
            ("consumption-north", &consumption),
            ("legacy-load", &consumption),
            // A dataset's own converter goes before patterns, and the longest pattern before others.
            ("metrics", "metrics@0.1.0"),
            ("consumption-live-7", "metrics@0.1.0"),
            ("consumption", &consumption),
        ])
    };
    assert_eq!(loaded(&service, &all), by("1.0.1"));
    // So does one that is built in, which rejects what is no generation.
    let built_in = service.function.invoke(&json!({ "bucket": DATA, "key": power(&site, "generation") }));
    assert!(built_in.failed, "{}", built_in.answer);
    assert!(service.fail(&power(&site, "weather")).contains("no converter for dataset `weather`"));
    // What is measured has the dataset of the object.
    assert!(service.function.log().contains(r#""DatasetType":"legacy-load""#), "{}", service.function.log());

    promote("1.0.2");
    assert_eq!(loaded(&service, &all), by("1.0.2"));
    site.converter(&["rollback", "consumption"]).succeeded();
    assert_eq!(loaded(&service, &all), by("1.0.1"));
    // A version that serves less.
    let promoted = promote("1.0.3").stdout;
    assert!(promoted.ends_with("\nserves consumption-*\nno longer serves gener*, legacy-load, metr*\n"), "{promoted}");
    assert_eq!(service.load(&north), version("1.0.3"));
    assert!(service.fail(&legacy).contains("no converter for dataset `legacy-load`"));
    site.converter(&["rollback", "consumption"]).succeeded();
    assert_eq!(service.load(&legacy), version("1.0.1"));

    // Without a segment in the key, a whole name counts as one of a promoted dataset does.
    site.s3.put_object(DATA, "landing/legacy-load/2024.parquet", parquet(&small_consumption()));
    let guessed = loaded(&service, &["landing/legacy-load/2024.parquet"]);
    assert_eq!(guessed, expected(&[("legacy-load", "consumption@1.0.1")]));

    // An object continues with the version that it was begun with.
    let three = object(&site, "consumption-three", in_three_row_groups(&small_consumption().slice(0, 2)));
    let digest = site.pointer()["sha256"].clone();
    promote("1.0.2");
    let event = json!({ "bucket": DATA, "key": three, "row_groups": [1, 3], "converter_digest": digest });
    for function in [&service.function, &Service::start(site.settings()).function] {
        let rest = function.invoke(&event);
        assert_eq!(rest.answer["objects"][0]["converter"]["version"], "1.0.1", "{}", rest.answer);
    }
}

#[test]
fn patterns_are_shown_and_name_versions_and_conflicts_are_refused() {
    let site = Site::start();
    let bad = site.publish(&component("1.0.1"), &["--serves", "*"]);
    assert!(bad.code == Some(1) && bad.stderr.contains("`*` is no pattern"), "{bad}");
    assert!(site.s3.keys(CONVERTERS, "").is_empty());
    publish(&site, &component("1.0.1"), PATTERNS);
    let other = site.publish(&component("1.0.1"), &["--serves", "consumption-*"]);
    assert!(other.stderr.contains("1.0.1/serves.json` holds something else already"), "{other}");
    publish(&site, &component("1.0.2"), "consumption-*");
    publish(&site, &generation("1.0.1"), "wind-*,consumption-*");
    site.converter(&["promote", "consumption", "1.0.1"]).succeeded();

    let refused = site.converter(&["promote", "generation", "1.0.1"]);
    let words = "pattern `consumption-*` is served by converter `consumption` in channel `stable`";
    assert!(refused.code == Some(1) && refused.stderr.contains(words), "{refused}");
    assert!(refused.stderr.contains("\nhint: promote a version of `consumption` without it first"), "{refused}");
    let channels = site.s3.keys(CONVERTERS, "converters/generation/channels/");
    assert!(channels.is_empty(), "{channels:?}");
    // In another channel nothing is taken.
    site.converter(&["promote", "generation", "1.0.1", "--channel", "canary"]).succeeded();
    // A trial compares on the objects of the same datasets.
    let refused = site.converter(&["promote", "consumption", "--shadow", "1.0.2"]);
    assert!(refused.stderr.contains("converters 1.0.2 and 1.0.1 serve different patterns"), "{refused}");

    let serves = json!(["consumption-*", "gener*", "legacy-load", "metr*"]);
    let listed = site.converter(&["list", "consumption", "--json"]).succeeded().json();
    assert_eq!((&listed[1]["serves"], &listed[0]["serves"]), (&serves, &json!(["consumption-*"])));
    let history = site.converter(&["history", "consumption", "--json"]).succeeded().json();
    assert_eq!(history[0]["promoted"]["serves"], serves);
    for shown in [["list", "consumption"], ["history", "consumption"]] {
        let shown = site.converter(&shown).succeeded().stdout;
        assert!(shown.contains("consumption-* gener* legacy-load metr*"), "{shown}");
    }
    let sample = site.file("small.parquet", &parquet(&small_consumption())).display().to_string();
    let diff = ["diff", "legacy-load@stable", "consumption@1.0.2", &sample, "--dataset", "legacy-load"];
    site.converter(&diff).succeeded();
    let load = ["load", &*sample, "--converter", "consumption-x@stable", "--dataset", "consumption-x", "--to", "-"];
    let lines = Loader::new(load).settings(site.settings()).run().succeeded().stdout;
    assert!(lines.contains("power_mw=1.5"), "{lines}");
    let load = ["load", &*sample, "--dataset", "legacy-load", "--to", "-"];
    assert_eq!(Loader::new(load).settings(site.settings()).run().succeeded().stdout, lines);
}

#[test]
fn an_object_costs_no_request_to_find_the_pattern() {
    let site = Site::start();
    publish(&site, &component("1.0.1"), PATTERNS);
    site.converter(&["promote", "consumption", "1.0.1"]).succeeded();
    let port: u16 = site.s3.url().rsplit(':').next().unwrap().parse().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let proxy = Responder::start({
        let asked = Arc::clone(&asked);
        move |of: &Request| {
            // Whether loads are paused is asked for again.
            if of.target.starts_with(&format!("/{CONVERTERS}")) && !of.target.contains("/control/") {
                asked.fetch_add(1, Ordering::SeqCst);
            }
            let mut answer = request(port, &Request { headers: headers(&of.headers), ..of.clone() }).unwrap();
            answer.headers = headers(&answer.headers);
            answer
        }
    });
    let settings = site.settings().with("AWS_ENDPOINT_URL_S3", proxy.url()).with("CONVERTER_REFRESH_SECONDS", "3600");
    let service = Service::start(settings);
    let keys = ["consumption-a", "consumption-b", "legacy-load"].map(|dataset| power(&site, dataset));
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    loaded(&service, &keys);
    let first = asked.load(Ordering::SeqCst);
    for _ in 0..5 {
        loaded(&service, &keys);
    }
    assert_eq!(asked.load(Ordering::SeqCst), first);
    // A pointer and its history for each dataset, the patterns, and what belongs to the converter.
    assert!(first <= 20, "{first} requests");
}

#[test]
fn a_pattern_is_trusted_as_a_pointer_is() {
    let site = Site::start();
    let (key, limited) = (Key::make(&site, "key.pem"), Key::make(&site, "limited.pem"));
    let publish = |component: &[u8], serves: &str, key: &Key| {
        site.publish(component, &["--sign", &key.file, "--serves", serves]).succeeded();
    };
    let promote = |name: &str, version: &str, key: &Key| {
        site.converter(&["promote", name, version, "--sign", &key.file]).succeeded();
    };
    publish(&component("1.0.1"), "legacy-load", &key);
    publish(&component("1.0.2"), "consumption-*", &key);
    // A shorter pattern, which must not take the place of the longer one.
    publish(&generation("1.0.1"), "cons*", &key);
    promote("generation", "1.0.1", &key);
    promote("consumption", "1.0.1", &key);
    let old = site.s3.get_object(CONVERTERS, "converters/consumption/channels/stable.json");
    promote("consumption", "1.0.2", &key);
    let trusting = |keys: &str| {
        let settings = measured(site.settings()).with("CONVERTER_PUBLIC_KEYS", keys);
        settings.with("CONVERTER_REQUIRE_SIGNED_POINTERS", "true")
    };
    let strict = || trusting(&key.public);
    let north = power(&site, "consumption-north");
    let service = Service::start(strict());
    assert_eq!(service.load(&north), version("1.0.2"));
    let is_refused = |words: &str| {
        let message = Service::start(strict()).fail(&north);
        let named = "dataset `consumption-north` is served by converter `consumption`, which cannot be used";
        assert!(message.contains(named) && message.contains(words), "{message}");
    };

    // Replayed, to a version that serves other datasets.
    let pointer = "converters/consumption/channels/stable.json";
    let good = site.s3.get_object(CONVERTERS, pointer);
    site.s3.put_object(CONVERTERS, pointer, old);
    assert_eq!(service.load(&north), fallback("1.0.2"));
    is_refused("is an old pointer: its sequence is 1, 2 is known");
    // Deleted.
    site.s3.delete_object(CONVERTERS, pointer);
    assert_eq!(service.load(&north), fallback("1.0.2"));
    is_refused("is gone, though the channel had a promoted version");
    site.s3.put_object(CONVERTERS, pointer, good);
    assert_eq!(service.load(&north), version("1.0.2"));
    // A process that has seen the pattern listed remembers it.
    let listed = claim("consumption-*", "consumption");
    let document = site.s3.get_object(CONVERTERS, &listed);
    site.s3.delete_object(CONVERTERS, &listed);
    assert_eq!(service.load(&north), version("1.0.2"));
    assert!(service.function.log().contains("the registry does not list the pattern any more"));
    site.s3.put_object(CONVERTERS, &listed, document);

    // Listed for a name whose signed pointer does not name it.
    site.s3.put_object(CONVERTERS, &claim("consumption-north", "generation"), b"{}".to_vec());
    assert_eq!(Service::start(strict()).load(&north), version("1.0.2"));
    // Signed by a key for other datasets: it serves what is its own, and nothing else.
    publish(&generation("1.0.2"), "consumption-no*,gen-*", &limited);
    promote("generation", "1.0.2", &limited);
    let keys = format!("{},{}@generation+gen-*", key.public, limited.public);
    let service = Service::start(trusting(&keys));
    assert_eq!(service.load(&north), version("1.0.2"));
    let log = service.function.log();
    assert!(log.contains("the pattern is not signed by a key that may sign for it"), "{log}");
    assert!(log.contains("\"pattern\":\"consumption-no*\"") && !log.contains("\"pattern\":\"gen-*\""), "{log}");
    // A key for the pattern's own datasets may.
    publish(&component("1.0.3"), "consumption-no*", &limited);
    let keys = format!("{},{}@consumption*", key.public, limited.public);
    site.converter(&["promote", "generation", "1.0.1", "--sign", &key.file]).succeeded();
    promote("consumption", "1.0.3", &limited);
    assert_eq!(Service::start(trusting(&keys)).load(&north), version("1.0.3"));

    // Patterns need a signature where keys are trusted, whatever else does.
    site.publish(&component("1.0.4"), &["--sign", &key.file, "--serves", "consumption-*"]).succeeded();
    site.converter(&["promote", "consumption", "1.0.4"]).succeeded();
    let lenient = measured(site.settings()).with("CONVERTER_PUBLIC_KEYS", &*key.public);
    let message = Service::start(lenient).fail(&north);
    assert!(message.contains("channels/stable.json` is not signed by a trusted key"), "{message}");
}
