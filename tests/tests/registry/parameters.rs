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
