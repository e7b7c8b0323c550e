//! Parameters that are published beside a version, and replaced by a promotion without a rebuild.

use arrow::array::{ArrayRef, Float64Array, StringArray, TimestampNanosecondArray};
use influxdb_loader_tests::metrics_component;

use super::trust::Key;
use super::*;

/// Rows of three tables that are one object: each names its measurement.
pub(super) fn family() -> Vec<u8> {
    let texts = |values: [&str; 3]| Arc::new(StringArray::from_iter_values(values)) as ArrayRef;
    let times = TimestampNanosecondArray::from(vec![1, 2, 3]).with_timezone("UTC");
    let rows = RecordBatch::try_from_iter([
        ("time", Arc::new(times) as ArrayRef),
        ("measure_name", texts(["cpu", "memory", "disk"])),
        ("host_name", texts(["a", "b", "c"])),
        ("value", Arc::new(Float64Array::from(vec![0.5, 2.0, 3.0])) as ArrayRef),
    ]);
    parquet(&rows.unwrap())
}

/// The tag by which the points of all measurements distinguish hosts; none where they do not agree.
fn tag(influxdb: &InfluxDb2) -> Option<String> {
    let points = influxdb.points(DATABASE);
    let tags: BTreeSet<String> = points.iter().flat_map(|point| point.tags.keys().cloned()).collect();
    assert_eq!(points.iter().map(|point| point.measurement.as_str()).collect::<BTreeSet<_>>().len(), 3);
    let mut tags = tags.into_iter();
    tags.next().filter(|_| tags.next().is_none())
}

#[test]
fn a_family_of_tables_has_a_column_renamed_in_service_without_a_rebuild() {
    let site = Site::start();
    let signing = Key::make(&site, "key.pem");
    let renames = |name: &str| {
        let document = json!({ "rename": { "host_name": name } }).to_string();
        site.file(&format!("{name}.json"), document.as_bytes()).display().to_string()
    };
    let (host, node) = (renames("host"), renames("node"));
    let component = site.file("metrics.wasm", metrics_component()).display().to_string();
    let published =
        site.converter(&["publish", &component, "--sign", &signing.file, "--parameters", &host]).succeeded();
    assert!(published.stdout.contains("published: parameters of metrics 0.1.0, sha256:"), "{published}");
    let promote = |more: &[&str]| {
        let common = ["promote", "metrics", "0.1.0", "--sign", &signing.file];
        site.converter(&[&common, more].concat())
    };
    // Those that are published with it.
    let promoted = promote(&[]).succeeded();
    assert!(promoted.stdout.contains("metrics stable: 0.1.0 with parameters "), "{promoted}");
    // For functions of the first edition the pointer is what it was.
    let pointer = site.s3.get_object(CONVERTERS, "converters/metrics/channels/stable.json");
    let pointer: Value = serde_json::from_slice(&pointer).unwrap();
    assert_eq!(pointer.as_object().unwrap().len(), 4);

    let settings = site
        .settings()
        .with("CONVERTER_PUBLIC_KEYS", &*signing.public)
        .with("CONVERTER_REQUIRE_SIGNED_POINTERS", "true");
    let loads = |settings: &Settings| {
        let influxdb = InfluxDb2::start(DATABASE);
        (Function::start(settings.clone().and(influxdb.settings(DATABASE))), influxdb)
    };
    let (function, influxdb) = loads(&settings);
    let key = "dataset=metrics/all.parquet";
    site.s3.put_object(DATA, key, family());
    let load = |function: &Function, more: Value| {
        let mut event = json!({ "bucket": DATA, "key": key });
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let invocation = function.invoke(&event);
        assert!(!invocation.failed, "{}\n{}", invocation.answer, function.log());
        invocation.answer["objects"][0].clone()
    };
    let first = load(&function, json!({}));
    assert_eq!(tag(&influxdb).as_deref(), Some("host"));
    // Another document, with the same component, in the same process.
    let promoted = promote(&["--parameters", &node]).succeeded();
    assert!(promoted.stdout.starts_with("metrics stable: 0.1.0 → 0.1.0 with parameters "), "{promoted}");
    let second = load(&function, json!({}));
    assert_eq!(second["converter"]["digest"], first["converter"]["digest"]);
    let parameters = |report: &Value| report["converter"]["parameters"].as_str().unwrap().to_owned();
    assert_ne!(parameters(&second), parameters(&first));
    let (fresh, fresh_influxdb) = loads(&settings);
    load(&fresh, json!({}));
    assert_eq!(tag(&fresh_influxdb).as_deref(), Some("node"));
    // Back, with the parameters of then.
    site.converter(&["rollback", "metrics", "--sign", &signing.file]).succeeded();
    assert_eq!(parameters(&load(&function, json!({}))), parameters(&first));
    let refused = site.converter(&["promote", "metrics", "0.1.0"]);
    assert!(refused.stderr.contains("which parameters of version 0.1.0?"), "{refused}");
    promote(&["--parameters", &parameters(&second)[..12]]).succeeded();
    assert_eq!(parameters(&load(&function, json!({}))), parameters(&second));

    // A document that was changed is not used: the one before it is. Nor is one that nobody has signed.
    let place = format!("converters/metrics/0.1.0/parameters/{}.json", parameters(&second));
    let good = site.s3.get_object(CONVERTERS, &place);
    site.s3.put_object(CONVERTERS, &place, b"{}".to_vec());
    let is_refused = |settings: &Settings, words: &str| {
        let (function, _influxdb) = loads(settings);
        let invocation = function.invoke(&json!({ "bucket": DATA, "key": key }));
        let message = invocation.answer["errorMessage"].as_str().unwrap_or_default().to_owned();
        assert!(invocation.failed && message.contains(words), "{}", invocation.answer);
    };
    let (function, _influxdb) = loads(&settings);
    let loaded = load(&function, json!({}));
    assert_eq!((&loaded["converter_fallback"], parameters(&loaded)), (&json!(true), parameters(&first)));
    assert!(function.log().contains("its digest is"), "{}", function.log());
    site.s3.put_object(CONVERTERS, &place, good);
    site.converter(&["promote", "metrics", "0.1.0", "--parameters", &host]).succeeded();
    is_refused(&settings, "not signed by a trusted key");
    is_refused(&settings.with("CONVERTER_REQUIRE_SIGNED_POINTERS", "false"), "not signed by a trusted key");
}

#[test]
fn parameters_that_no_converter_takes_are_not_published() {
    let site = Site::start();
    site.publish(metrics_component(), &[]).succeeded();
    let bad = site.file("bad.json", b"{ \"rename\": ").display().to_string();
    let refused = site.converter(&["promote", "metrics", "0.1.0", "--parameters", &bad]);
    assert!(refused.code == Some(1) && refused.stderr.contains("no JSON"), "{refused}");
    let good = site.file("good.json", b"{}").display().to_string();
    // Contract 0.1 has none.
    let refused = site.publish(&component("1.0.1"), &["--parameters", &good]);
    assert!(refused.code == Some(1) && refused.stderr.contains("parameters came with 0.2"), "{refused}");
    assert!(site.s3.keys(CONVERTERS, "converters/").iter().all(|key| !key.contains("/parameters/")));
}

/// The schema of the guide.
const SCHEMA: &str = r#"{
  "optionalProperties": {
    "rename": { "values": { "type": "string" } },
    "file_tag": { "type": "string" }
  }
}"#;

/// What is in the registry, with what is in it.
fn registry(site: &Site) -> BTreeMap<String, Vec<u8>> {
    let keys = site.s3.keys(CONVERTERS, "");
    keys.into_iter().map(|key| (key.clone(), site.s3.get_object(CONVERTERS, &key))).collect()
}

#[test]
fn parameters_that_do_not_match_their_schema_are_neither_published_nor_promoted() {
    let site = Site::start();
    let file = |name: &str, text: &str| site.file(name, text.as_bytes()).display().to_string();
    let component = site.file("metrics.wasm", metrics_component()).display().to_string();
    let schema = file("schema.json", SCHEMA);
    let good = file("good.json", r#"{ "rename": { "host_name": "host" } }"#);
    let bad = file("bad.json", r#"{ "rename": { "host_name": 7 }, "file-tag": "file" }"#);
    let publish = |more: &[&str]| site.converter(&[&["publish", &component], more].concat());
    let promote = |more: &[&str]| site.converter(&[&["promote", "metrics"], more].concat());
    let is_refused = |outcome: &Outcome, schema: &str| {
        let words = format!(
            "the parameters do not match their schema, `{schema}`:\n  `/rename/host_name`: expected `string`, found 7 (schema: \
             `/optionalProperties/rename/values/type`)\n  `/file-tag`: no such name is allowed; allowed are `file_tag`, `rename` \
             (schema: the whole)\nhint: correct the document"
        );
        assert!(outcome.code == Some(1) && outcome.stderr.contains(&words), "{outcome}");
    };

    // Nothing is published, not even the component. The guide shows the schema and what is printed.
    let refused = publish(&["--parameters-schema", &schema, "--parameters", &bad]);
    is_refused(&refused, &schema);
    let guide = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/writing-converters.md")).unwrap();
    let shown = refused.stderr.replace(&schema, "schema.json");
    let (_, shown) = shown.split_once("error: ").unwrap();
    assert!(guide.contains(SCHEMA) && guide.contains(shown.trim_end()), "{shown}");
    let no_schema = file("no-schema.json", r#"{ "properties": { "rename": { "type": "text" } } }"#);
    let refused = publish(&["--parameters-schema", &no_schema]);
    let words = "no-schema.json` is no schema of parameters: ";
    assert!(refused.code == Some(1) && refused.stderr.contains(words), "{refused}");
    assert_eq!(registry(&site), BTreeMap::new());

    // A document that is older than the schema, so that it could be published.
    let early = file("early.json", r#"{ "rename": ["host_name"] }"#);
    publish(&["--parameters", &early]).succeeded();
    let published = publish(&["--parameters-schema", &schema, "--parameters", &good]).succeeded();
    for line in ["already published: metrics 0.1.0", "\npublished: schema of the parameters of metrics 0.1.0, sha256:"]
    {
        assert!(published.stdout.contains(line), "{published}");
    }
    // The same again changes nothing, and another one is refused.
    let published = registry(&site);
    let again = publish(&["--parameters-schema", &schema, "--json"]).succeeded().json();
    assert_eq!(again["parameters_schema"]["already"], true);
    let listed = site.converter(&["list", "metrics", "--json"]).succeeded().json();
    assert_eq!(listed[0]["parameters_schema"], again["parameters_schema"]["sha256"]);
    let refused = publish(&["--parameters-schema", &file("other.json", "{}")]);
    assert!(refused.stderr.contains("0.1.0/parameters-schema.json` holds something else already"), "{refused}");

    let place = format!("s3://{CONVERTERS}/converters/metrics/0.1.0/parameters-schema.json");
    is_refused(&publish(&["--parameters", &bad, "--serves", "metr*"]), &place);
    is_refused(&promote(&["0.1.0", "--parameters", &bad]), &place);
    let of = |file: &str| {
        let content = fs::read(file).unwrap();
        let (key, _) = published.iter().find(|(_, found)| **found == content).unwrap();
        key.rsplit('/').next().unwrap().strip_suffix(".json").unwrap().to_owned()
    };
    let refused = promote(&["0.1.0", "--parameters", &of(&early)]);
    assert!(refused.stderr.contains("`/rename`: expected an object, found an array"), "{refused}");
    assert_eq!(registry(&site), published);

    promote(&["0.1.0", "--parameters", &of(&good)]).succeeded();
    let promoted = registry(&site);
    is_refused(&promote(&["0.1.0", "--parameters", &bad]), &place);
    is_refused(&promote(&["--shadow", "0.1.0", "--parameters", &bad]), &place);
    let refused = promote(&["--shadow", "0.1.0", "--parameters", &of(&early)]);
    assert!(refused.stderr.contains("`/rename`: expected an object, found an array"), "{refused}");
    assert_eq!(registry(&site), promoted);

    // Functions read the parameters, and no schema: this one is broken.
    site.s3.put_object(CONVERTERS, "converters/metrics/0.1.0/parameters-schema.json", b"{}".to_vec());
    site.s3.put_object(DATA, "dataset=metrics/all.parquet", family());
    let influxdb = InfluxDb2::start(DATABASE);
    let function = Function::start(site.settings().and(influxdb.settings(DATABASE)));
    let invocation = function.invoke(&json!({ "bucket": DATA, "key": "dataset=metrics/all.parquet" }));
    assert!(!invocation.failed, "{}", invocation.answer);
    assert_eq!(tag(&influxdb).as_deref(), Some("host"));
    let refused = promote(&["0.1.0", "--parameters", &good]);
    assert!(refused.stderr.contains("parameters-schema.json` is malformed"), "{refused}");
}

#[test]
fn a_schema_counts_only_with_the_signature_of_a_trusted_key() {
    let site = Site::start();
    let (key, other) = (Key::make(&site, "key.pem"), Key::make(&site, "other.pem"));
    let file = |name: &str, text: &str| site.file(name, text.as_bytes()).display().to_string();
    let component = site.file("metrics.wasm", metrics_component()).display().to_string();
    let schema = file("schema.json", SCHEMA);
    let (good, bad) = (file("good.json", r#"{ "rename": {} }"#), file("bad.json", r#"{ "rename": 1 }"#));
    let trusting = |arguments: &[&str]| {
        let settings = site.settings().with("CONVERTER_PUBLIC_KEYS", &*key.public);
        Loader::new([&["converter"], arguments].concat()).settings(settings).run()
    };
    let publish = ["publish", &component, "--sign", &key.file, "--parameters-schema", &schema, "--parameters", &good];
    trusting(&publish).succeeded();
    let promote =
        |parameters: &str| trusting(&["promote", "metrics", "0.1.0", "--sign", &key.file, "--parameters", parameters]);
    promote(&good).succeeded();
    let before = registry(&site);
    let refused = promote(&bad);
    assert!(refused.stderr.contains("`/rename`: expected an object, found 1"), "{refused}");

    let place = "converters/metrics/0.1.0/parameters-schema.json";
    let is_untrusted = |document: &[u8]| {
        site.s3.put_object(CONVERTERS, place, document.to_vec());
        for document in [&good, &bad] {
            let refused = promote(document);
            let words = format!("{place}` is not signed by a trusted key");
            assert!(refused.code == Some(1) && refused.stderr.contains(&words), "{refused}");
        }
        site.s3.put_object(CONVERTERS, place, before[place].clone());
        assert_eq!(registry(&site), before);
    };
    // One that allows everything, with the signature of the one before.
    let mut forged: Value = serde_json::from_slice(&before[place]).unwrap();
    assert_eq!((forged["schema"].as_str(), forged["signatures"].as_array().unwrap().len()), (Some(SCHEMA), 1));
    forged["schema"] = json!("{}");
    is_untrusted(forged.to_string().as_bytes());
    // The same, signed by another key; and by none.
    let elsewhere = Site::start();
    let sign = ["publish", &component, "--sign", &other.file, "--parameters-schema", &schema];
    elsewhere.converter(&sign).succeeded();
    is_untrusted(&elsewhere.s3.get_object(CONVERTERS, place));
    let mut unsigned: Value = serde_json::from_slice(&before[place]).unwrap();
    unsigned["signatures"] = json!([]);
    is_untrusted(unsigned.to_string().as_bytes());
}
