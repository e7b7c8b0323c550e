//! Versions of the registry, named where a component's file can be.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;

use influxdb_loader_tests::{Loader, Outcome, parquet, small_consumption};
use serde_json::Value;

use super::{Site, component, patched};

/// A site with two versions, the first of which is promoted, and a sample.
fn site() -> (Site, String) {
    let site = Site::start();
    site.publish_and_promote("1.0.1");
    site.publish(&patched(b"power_mw", b"power_mx", &component("1.0.2")), &[]).succeeded();
    let sample = site.file("small.parquet", &parquet(&small_consumption()));
    (site, sample.to_str().unwrap().to_owned())
}

fn json(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.stdout).unwrap()
}

fn load(site: &Site, arguments: &[&str]) -> Outcome {
    Loader::new(arguments).settings(site.settings()).run()
}

#[test]
fn a_version_of_the_registry_is_named_wherever_a_file_is() {
    let (site, sample) = site();
    let sample = sample.as_str();
    let version = |outcome: Outcome| json(&outcome.succeeded())["version"].clone();
    assert_eq!(version(site.converter(&["inspect", "consumption@1.0.2", "--json"])), "1.0.2");
    assert_eq!(version(site.converter(&["inspect", "consumption@stable", "--json"])), "1.0.1");

    let bench = json(&site.converter(&["bench", "consumption@1.0.2", sample, "--seconds", "1", "--json"]).succeeded());
    assert_eq!(bench["converter"]["version"], "1.0.2");
    let golden = ["test", "guest-converters/consumption", "--component", "consumption@1.0.1"];
    let tested = site.converter(&golden).succeeded().stdout;
    assert!(tested.starts_with("converter consumption 1.0.1 (consumption@1.0.1)\n"), "{tested}");
    let diff = site.converter(&["diff", "consumption@stable", "consumption@1.0.2", sample, "--json"]);
    assert_eq!((diff.code, &json(&diff)["points"]["changed"]), (Some(1), &Value::from(1)));

    let loaded = load(&site, &["load", sample, "--converter", "consumption@1.0.2", "--to", "-"]).succeeded().stdout;
    assert!(loaded.contains("power_mx=1.5") && !loaded.contains("power_mw"), "{loaded}");
}

#[test]
fn pull_fetches_a_version_into_a_new_file() {
    let (site, _) = site();
    let pull = |arguments: &[&str]| {
        let loader = Loader::new([&["converter", "pull"], arguments].concat()).settings(site.settings());
        loader.within(site.directory.path()).run()
    };
    let pulled = pull(&["consumption@stable"]).succeeded();
    assert!(pulled.stdout.starts_with("consumption-1.0.1.wasm: consumption 1.0.1, "), "{pulled}");
    assert_eq!(fs::read(site.directory.path().join("consumption-1.0.1.wasm")).unwrap(), component("1.0.1"));
    let pulled = json(&pull(&["consumption@1.0.2", "--out", "new.wasm", "--json"]).succeeded());
    assert_eq!((&pulled["file"], &pulled["manifest"]["version"]), (&"new.wasm".into(), &"1.0.2".into()));

    let refused = |arguments: &[&str], why: &str| {
        let outcome = pull(arguments);
        assert!(outcome.code.is_some_and(|code| code > 0), "{outcome}");
        assert!(outcome.stderr.contains(why), "{outcome}");
    };
    refused(&["consumption@stable"], "cannot write `consumption-1.0.1.wasm`");
    refused(&["new.wasm"], "`new.wasm` names no version of the registry");
    refused(&["consumption@canary"], "converters/consumption/channels/canary.json` does not exist");
    refused(&["consumption@1.0.3"], "converters/consumption/1.0.3/manifest.json` does not exist");
    refused(&["consumption@1.0"], "`1.0` is no version; allowed are semantic versions");
    site.s3.put_object(super::CONVERTERS, "converters/consumption/1.0.2/converter.wasm", component("1.0.2"));
    refused(&["consumption@1.0.2", "--out", "other.wasm"], "its digest is `");
    assert!(!site.directory.path().join("other.wasm").exists());
}

#[test]
fn what_one_command_has_compiled_no_other_compiles_again() {
    let (site, sample) = (Site::start(), small_consumption());
    let sample = site.file("small.parquet", &parquet(&sample));
    let (sample, bytes) = (sample.to_str().unwrap(), component("1.0.1"));
    let path = site.file("component.wasm", &bytes);
    let path = path.to_str().unwrap();
    // A file that is made anew is another one.
    let cached = || -> BTreeMap<_, _> {
        let entries = fs::read_dir(site.directory.path().join("cache")).unwrap().map(Result::unwrap);
        entries.map(|entry| (entry.file_name(), entry.metadata().unwrap().ino())).collect()
    };
    site.converter(&["inspect", path]).succeeded();
    let before = cached();
    assert_eq!(before.len(), 1, "{before:?}");
    site.converter(&["test", "guest-converters/consumption", "--component", path]).succeeded();
    site.converter(&["diff", path, path, sample]).succeeded();
    load(&site, &["load", sample, "--converter", path, "--to", "-"]).succeeded();
    site.converter(&["publish", path, "--golden", "guest-converters/consumption/golden"]).succeeded();
    let bench = json(&site.converter(&["bench", path, sample, "--seconds", "1", "--json"]).succeeded());
    assert_eq!(bench["compile_seconds"], Value::Null, "{bench}");
    assert!(bench["cache_seconds"].as_f64().unwrap() > 0.0, "{bench}");
    assert_eq!(cached(), before);
}

#[test]
fn a_converter_that_fails_by_its_own_fault_is_never_as_expected_and_is_not_published() {
    let site = Site::start();
    let component = site.file("evil.wasm", influxdb_loader_tests::evil_component());
    let golden = site.directory.path().join("golden");
    let pair = golden.join("attack=forge_a_file_descriptor");
    fs::create_dir_all(&pair).unwrap();
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/../guest-converters/consumption/golden/clean.table");
    fs::copy(sample, pair.join("clean.table")).unwrap();
    let (component, golden) = (component.to_str().unwrap(), golden.to_str().unwrap());
    let test = ["test", component, "--golden", golden];

    let updated = site.converter(&[&test[..], &["--update"]].concat());
    assert_eq!(updated.code, Some(1), "{updated}");
    assert!(updated.stdout.contains("clean  faulty   the converter fails\n"), "{updated}");
    assert!(updated.stdout.contains("trapped in `prepare`: unknown handle index"), "{updated}");
    assert!(!pair.join("clean.failure").exists());

    // Even where somebody has written down that it is expected.
    let told = json(&site.converter(&[&test[..], &["--json"]].concat()));
    let failure = format!("{}\n", told["golden"][0]["error"].as_str().unwrap());
    fs::write(pair.join("clean.failure"), failure).unwrap();
    assert_eq!(site.converter(&test).code, Some(1));
    let published = site.converter(&["publish", component, "--golden", golden]);
    assert_eq!(published.code, Some(1), "{published}");
    assert!(site.s3.keys(super::CONVERTERS, "").is_empty());
}

#[test]
fn what_keeps_s3_from_answering_is_a_sentence() {
    let site = Site::start();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let settings = site.settings().with("AWS_ENDPOINT_URL_S3", format!("http://127.0.0.1:{port}"));
    let pull = |settings| Loader::new(["converter", "pull", "consumption@stable"]).settings(settings).run();
    let unreached = pull(settings);
    assert_eq!(unreached.code, Some(1), "{unreached}");
    assert!(unreached.stderr.contains("channels/stable.json` cannot be reached: no connection: "), "{unreached}");

    let none = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
    let anonymous = none.into_iter().fold(site.settings(), |settings, name| settings.without(name));
    let anonymous = pull(anonymous);
    assert!(anonymous.stderr.contains("there are no credentials: "), "{anonymous}");
    assert!(anonymous.stderr.contains("\nhint: set `AWS_PROFILE`, or "), "{anonymous}");
    // Nothing of how the SDK keeps its errors.
    for outcome in [unreached, anonymous] {
        assert!(!outcome.stderr.contains("DispatchFailure") && !outcome.stderr.contains(" { "), "{outcome}");
    }
}

#[test]
fn every_command_prints_json() {
    let site = Site::start();
    let told = |arguments: &[&str]| json(&site.converter(&[arguments, &["--json"]].concat()).succeeded());
    let key = site.directory.path().join("key.pem");
    let key = key.to_str().unwrap();
    let made = told(&["keygen", "--out", key]);
    assert_eq!(made["secret_key"], key);
    let path = site.file("component.wasm", &component("1.0.1"));
    let path = path.to_str().unwrap();
    let published = told(&["publish", path, "--golden", "guest-converters/consumption/golden"]);
    assert_eq!((&published["golden"]["passed"], &published["already"]), (&true.into(), &false.into()));
    assert_eq!(published["manifest"]["version"], "1.0.1");
    site.publish(&component("1.0.2"), &[]).succeeded();

    let signed = told(&["sign", "consumption", "1.0.1", "--key", key]);
    assert_eq!((&signed["key"], &signed["already"]), (&made["key"], &false.into()));
    assert_eq!(told(&["verify", "consumption", "1.0.1"])["manifest"], published["manifest"]);
    assert_eq!(told(&["promote", "consumption", "1.0.2"])["pointer"]["version"], "1.0.2");
    let promoted = told(&["promote", "consumption", "1.0.1"]);
    assert_eq!((&promoted["before"]["version"], &promoted["channel"]), (&"1.0.2".into(), &"stable".into()));
    assert_eq!(told(&["rollback", "consumption"])["pointer"]["version"], "1.0.2");
    assert_eq!(told(&["history", "consumption"]).as_array().unwrap().len(), 3);
    assert_eq!(told(&["yank", "consumption", "1.0.1", "--reason", "wrong"])["yanked"]["reason"], "wrong");
    assert_eq!(told(&["list"])[1]["yanked"], true);
}

#[test]
fn the_hint_of_a_failure_is_in_what_programs_read() {
    let (site, sample) = site();
    let diff = ["converter", "diff", "consumption@1.0.1", "consumption@1.0.2", &*sample, "--json"];
    let strict = site.settings().with("DROP_INVALID_RECORDS", "false");
    let told = json(&Loader::new(diff).settings(strict).run());
    let failed = &told["failed"][0];
    for version in ["old", "new"] {
        assert!(failed[version].as_str().unwrap().contains("is rejected as `"), "{told}");
        let hint = failed[format!("{version}_hint")].as_str().unwrap();
        assert!(hint.starts_with("with `LOG_LEVEL=debug` the log shows why"), "{told}");
    }
}
