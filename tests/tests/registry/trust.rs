//! Whom the function trusts: pointers that are replayed, deleted and signed by the wrong key, keys that are rotated, and
//! versions that are taken out of use.

use super::*;

const POINTER: &str = "converters/consumption/channels/stable.json";

/// A key: its file, and what `CONVERTER_PUBLIC_KEYS` has of it.
pub(super) struct Key {
    pub(super) file: String,
    pub(super) public: String,
}

impl Key {
    pub(super) fn make(site: &Site, name: &str) -> Self {
        let file = site.directory.path().join(name).display().to_string();
        let made = site.converter(&["keygen", "--out", &file]).succeeded();
        let public = made.stdout.lines().find_map(|line| line.strip_prefix("public key  ")).unwrap().to_owned();
        Self { file, public }
    }
}

/// A site with a key, and two versions that are signed by it.
struct Signed {
    site: Site,
    key: Key,
}

impl Signed {
    fn start() -> Self {
        let site = Site::start();
        let key = Key::make(&site, "key.pem");
        for version in ["1.0.1", "1.0.2"] {
            site.publish(&component(version), &["--sign", &key.file]).succeeded();
        }
        Self { site, key }
    }

    fn trusting(&self, keys: &str) -> Settings {
        self.site.settings().with("CONVERTER_PUBLIC_KEYS", keys)
    }

    /// What takes signed pointers alone.
    fn strict(&self) -> Settings {
        measured(self.trusting(&self.key.public)).with("CONVERTER_REQUIRE_SIGNED_POINTERS", "true")
    }

    fn promote(&self, version: &str, more: &[&str]) -> Outcome {
        self.site.converter(&[&["promote", "consumption", version], more].concat())
    }

    fn promote_signed(&self, version: &str) {
        self.promote(version, &["--sign", &self.key.file]).succeeded();
    }
}

pub(super) fn measured(settings: Settings) -> Settings {
    settings.with("ENABLE_METRICS", "true").with("METRICS_BACKEND", "emf")
}

/// Whether the function has measured one of these.
fn metric(log: &str, name: &str) -> bool {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut values = lines.filter_map(|line| line[name].as_array().cloned()).flatten();
    values.any(|value| value.as_f64().is_some_and(|value| value > 0.0))
}

/// What the function reports as a metric of an object whose converter is not the one that the registry names: see
/// `ConverterFallbacks`.
fn stays_in_service(service: &Service, version: &str, words: &str) {
    assert_eq!(service.load(KEY), fallback(version));
    let log = service.function.log();
    assert!(log.contains(words), "{words}: {log}");
    assert!(log.contains("the converter before stays in use"), "{log}");
    assert!(metric(&log, "ConverterFallbacks"), "{log}");
}

/// A process that has served nothing yet has nothing else, least of all the built-in converter.
fn is_refused(settings: Settings, words: &str) {
    let fresh = Service::start(measured(settings));
    let message = fresh.fail(KEY);
    assert!(message.contains(words), "{message}");
    let log = fresh.function.log();
    assert!(log.contains("cannot be had from the registry"), "{log}");
    assert!(metric(&log, "ProcessingErrors"), "{log}");
}

#[test]
fn an_old_pointer_that_is_put_back_is_refused() {
    let signed = Signed::start();
    signed.promote_signed("1.0.1");
    let old = signed.site.s3.get_object(CONVERTERS, POINTER);
    let service = Service::start(signed.strict());
    assert_eq!(service.load(KEY), version("1.0.1"));
    signed.promote_signed("1.0.2");
    assert_eq!(service.load(KEY), version("1.0.2"));

    signed.site.s3.put_object(CONVERTERS, POINTER, old.to_vec());
    let words = "channels/stable.json` is an old pointer: its sequence is 1, 2 is known";
    stays_in_service(&service, "1.0.2", words);
    is_refused(signed.strict(), words);
    let verified = Loader::new(["converter", "verify", "consumption"]).settings(signed.strict()).run();
    assert!(verified.code == Some(1) && verified.stderr.contains(words), "{verified}");
    // Also where nothing has to be signed.
    is_refused(signed.site.settings(), words);

    signed.promote_signed("1.0.2");
    let pointer = signed.site.pointer();
    assert_eq!((&pointer["version"], &pointer["sequence"]), (&json!("1.0.2"), &json!(2)), "{pointer}");
    assert_eq!(Service::start(signed.strict()).load(KEY), version("1.0.2"));
}

#[test]
fn a_pointer_that_is_deleted_does_not_bring_the_built_in_converter_back() {
    let signed = Signed::start();
    signed.promote_signed("1.0.1");
    let service = Service::start(signed.strict());
    assert_eq!(service.load(KEY), version("1.0.1"));
    signed.site.s3.delete_object(CONVERTERS, POINTER);
    let words = "channels/stable.json` is gone, though the channel had a promoted version";
    stays_in_service(&service, "1.0.1", words);
    is_refused(signed.strict(), words);

    // Whoever has followed it takes the next one.
    signed.promote_signed("1.0.2");
    assert_eq!(signed.site.pointer()["sequence"], 2);
    assert_eq!(service.load(KEY), version("1.0.2"));
}

#[test]
fn a_key_for_another_dataset_or_channel_signs_nothing_here() {
    let signed = Signed::start();
    let other = Key::make(&signed.site, "other.pem");
    signed.promote_signed("1.0.1");
    let words = "channels/stable.json` is not signed by a trusted key";
    for limits in ["generation", "consumption+generation/canary", "*/canary"] {
        let keys = format!("{},{}@{limits}", signed.key.public, other.public);
        let settings = measured(signed.trusting(&keys)).with("CONVERTER_REQUIRE_SIGNED_POINTERS", "true");
        signed.promote_signed("1.0.1");
        let service = Service::start(settings.clone());
        assert_eq!(service.load(KEY), version("1.0.1"));
        signed.promote("1.0.2", &["--sign", &other.file]).succeeded();
        stays_in_service(&service, "1.0.1", words);
        is_refused(settings, words);
    }
    let keys = format!("{},{}@consumption/stable+canary", signed.key.public, other.public);
    let settings = signed.trusting(&keys).with("CONVERTER_REQUIRE_SIGNED_POINTERS", "true");
    assert_eq!(Service::start(settings).load(KEY), version("1.0.2"));
}

#[test]
fn pointers_without_a_signature_are_taken_with_a_warning_until_they_are_not() {
    let signed = Signed::start();
    signed.promote("1.0.1", &[]).succeeded();
    let service = Service::start(signed.trusting(&signed.key.public));
    assert_eq!(service.load(KEY), version("1.0.1"));
    assert!(service.function.log().contains("the pointer is not signed by a trusted key, and followed all the same"));
    is_refused(signed.strict(), "channels/stable.json` is not signed by a trusted key");
    // The same version once more, for the signature.
    let again = signed.promote("1.0.1", &["--sign", &signed.key.file]).succeeded();
    assert!(again.stdout.contains("already 1.0.1, sequence 1"), "{again}");
    assert_eq!(Service::start(signed.strict()).load(KEY), version("1.0.1"));
    // What functions of the first edition read is as it was.
    let pointer = signed.site.pointer();
    let members: Vec<&String> = pointer.as_object().unwrap().keys().collect();
    assert_eq!(members, ["previous", "sequence", "sha256", "version"]);
}

#[test]
fn an_expired_pointer_is_not_begun_with() {
    let signed = Signed::start();
    signed.promote_signed("1.0.1");
    let service = Service::start(signed.strict());
    assert_eq!(service.load(KEY), version("1.0.1"));
    signed.promote("1.0.1", &["--sign", &signed.key.file, "--expires", "1s"]).succeeded();
    thread::sleep(Duration::from_millis(2100));
    stays_in_service(&service, "1.0.1", "channels/stable.json` has expired at");
    is_refused(signed.strict(), "channels/stable.json` has expired at");
    signed.promote("1.0.1", &["--sign", &signed.key.file, "--expires", "30d"]).succeeded();
    assert_eq!(service.load(KEY), version("1.0.1"));
    let unsigned = signed.promote("1.0.1", &["--expires", "30d"]);
    assert!(unsigned.code == Some(2) && unsigned.stderr.contains("--sign"), "{unsigned}");
}

#[test]
fn a_signature_is_added_to_a_version_that_is_published() {
    let site = Site::start();
    site.publish_and_promote("1.0.1");
    let key = Key::make(&site, "key.pem");
    let settings = site.settings().with("CONVERTER_PUBLIC_KEYS", &*key.public);
    let message = Service::start(settings.clone()).fail(KEY);
    assert!(message.contains("1.0.1/manifest.json` is not signed by a trusted key"), "{message}");
    let manifest = site.s3.get_object(CONVERTERS, "converters/consumption/1.0.1/manifest.json");
    let sign = || site.converter(&["sign", "consumption", "1.0.1", "--key", &key.file]).succeeded();
    assert!(sign().stdout.starts_with("signed: consumption 1.0.1 by key "));
    assert!(sign().stdout.starts_with("already signed: "));
    assert_eq!(Service::start(settings).load(KEY), version("1.0.1"));
    assert_eq!(site.s3.get_object(CONVERTERS, "converters/consumption/1.0.1/manifest.json"), manifest);
    let listed: Value = serde_json::from_str(&site.converter(&["list", "--json"]).succeeded().stdout).unwrap();
    assert_eq!(listed[0]["keys"].as_array().unwrap().len(), 1, "{listed}");
}

#[test]
fn a_version_that_is_yanked_is_not_loaded_any_more() {
    let site = Site::start();
    site.publish_and_promote("1.0.1");
    let yank =
        |version: &str| site.converter(&["yank", "consumption", version, "--reason", "wrong unit", "--by", "Ana"]);
    let refused = yank("1.0.1");
    assert!(refused.stderr.contains("channel `stable` points at converter 1.0.1"), "{refused}");
    site.publish_and_promote("1.0.2");
    let service = Service::start(site.settings());
    assert_eq!(service.load(KEY), version("1.0.2"));
    assert_eq!(yank("1.0.1").succeeded().stdout, "out of use: consumption 1.0.1\n");
    assert_eq!(yank("1.0.1").succeeded().stdout, "already out of use: consumption 1.0.1\n");
    for arguments in [&["promote", "consumption", "1.0.1"][..], &["rollback", "consumption"]] {
        let refused = site.converter(arguments);
        assert!(refused.code == Some(1) && refused.stderr.contains("was taken out of use: wrong unit"), "{refused}");
    }
    let listed = site.converter(&["list"]).succeeded().stdout;
    assert!(listed.lines().any(|line| line.contains("1.0.1") && line.contains("yanked")), "{listed}");
    // Nor where a pointer falls back to it.
    site.point("7.0.0", &"0".repeat(64));
    let mut pointer = site.pointer();
    pointer["previous"]["version"] = "1.0.1".into();
    site.s3.put_object(CONVERTERS, POINTER, pointer.to_string().into());
    assert_eq!(service.load(KEY), fallback("1.0.2"));
    assert!(Service::start(site.settings()).fail(KEY).contains("7.0.0/manifest.json` does not exist"));
}

#[test]
fn the_history_says_who_promoted_what_and_when() {
    let signed = Signed::start();
    signed.promote("1.0.1", &["--by", "Ana"]).succeeded();
    signed.promote("1.0.2", &["--by", "Rui\u{1b}[31m", "--sign", &signed.key.file]).succeeded();
    signed.site.converter(&["rollback", "consumption", "--by", "Eva"]).succeeded();
    let history = signed.site.converter(&["history", "consumption", "--json"]).succeeded().stdout;
    let history: Value = serde_json::from_str(&history).unwrap();
    let line = |index: usize| {
        let promoted = &history[index]["promoted"];
        (
            promoted["by"].as_str().unwrap(),
            promoted["pointer"]["version"].as_str().unwrap(),
            promoted["pointer"]["sequence"].as_u64().unwrap(),
            history[index]["keys"].as_array().unwrap().len(),
        )
    };
    assert_eq!(
        [line(0), line(1), line(2)],
        [("Eva", "1.0.1", 3, 0), ("Rui [31m", "1.0.2", 2, 1), ("Ana", "1.0.1", 1, 0)]
    );
    assert!(history[0]["promoted"]["at"].as_str().unwrap().ends_with('Z'), "{history}");
    let table = signed.site.converter(&["history", "consumption"]).succeeded().stdout;
    assert_eq!(table.lines().count(), 4, "{table}");
    let empty = signed.site.converter(&["history", "consumption", "--channel", "canary"]).succeeded().stdout;
    assert!(empty.starts_with("nothing was promoted"), "{empty}");
}

#[test]
fn only_datasets_in_service_are_guessed_and_doubts_are_told_or_refused() {
    let site = Site::start();
    // Published, and not promoted.
    let heat = patched(b"consumptionWhat", b"heat-demandWhat", converter_components::CONSUMPTION);
    site.publish(&heat, &[]).succeeded();
    let service = Service::start(site.settings());
    let load = |service: &Service, key: &str| {
        site.s3.put_object(DATA, key, parquet(&small_consumption()));
        let invocation = service.function.invoke(&json!({ "bucket": DATA, "key": key }));
        match invocation.failed {
            true => Err(invocation.answer["errorMessage"].as_str().unwrap().to_owned()),
            false => Ok(invocation.answer["objects"][0]["dataset"].as_str().unwrap().to_owned()),
        }
    };
    assert_eq!(load(&service, "consumption/heat-demand.parquet"), Ok("consumption".to_owned()));
    assert!(!service.function.log().contains("is guessed from the key"));
    site.converter(&["promote", "heat-demand", "1.0.0"]).succeeded();
    assert_eq!(load(&service, "consumption/heat-demand.parquet"), Ok("heat-demand".to_owned()));
    assert!(service.function.log().contains("the dataset is guessed from the key, which also contains `consumption`"));
    assert_eq!(load(&service, "heat-demands/1.parquet"), Ok("heat-demand".to_owned()));
    assert!(service.function.log().contains("which stands there as a part of a word"));

    let strict = Service::start(site.settings().with("DATASET_GUESS", "strict"));
    let refused = load(&strict, "consumption/heat-demand.parquet").unwrap_err();
    assert!(refused.contains("`heat-demand` would be used, which also contains `consumption`"), "{refused}");
    assert!(load(&strict, "heat-demands/1.parquet").is_err());
    assert_eq!(load(&strict, "landing/heat-demand-2024.parquet"), Ok("heat-demand".to_owned()));
    assert_eq!(load(&strict, "consumption/dataset=heat-demand/1.parquet"), Ok("heat-demand".to_owned()));
}
