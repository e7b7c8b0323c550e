//! A converter from its first line to service and back, under a function that keeps running.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use influxdb_loader_tests::{CONSUMPTION_ROWS, Function, InfluxDb2, Loader, Moto, raw_file};
use serde_json::{Value, json};

const DATA: &str = "energy";
const CONVERTERS: &str = "energy-converters";
const DATABASE: &str = "energy_data";
const DATASET: &str = "ons-load";

/// Rows of the raw load that have a value; the others have no field, and are rejected.
const POINTS: u64 = CONSUMPTION_ROWS - 4;

/// Loads an object by the running function: the version and digest of the converter.
fn load(function: &Function, moto: &Moto, key: &str) -> (String, String) {
    moto.put_object(DATA, key, fs::read(raw_file()).unwrap());
    let invocation = function.invoke(&json!({ "bucket": DATA, "key": key }));
    assert!(!invocation.failed, "{}\n{}", invocation.answer, function.log());
    let object = &invocation.answer["objects"][0];
    let accounts = &object["accounts"];
    assert_eq!(accounts["rows"], CONSUMPTION_ROWS, "{accounts}");
    assert_eq!(accounts["written"], POINTS, "{accounts}");
    assert_eq!(accounts["rejected"], json!({ "no-fields": 4 }), "{accounts}");
    let text = |member: &str| object["converter"][member].as_str().unwrap().to_owned();
    (text("version"), text("digest"))
}

#[test]
fn a_converter_is_written_published_promoted_changed_and_rolled_back_under_a_running_function() {
    let (moto, directory) = (Moto::start(), tempfile::tempdir().unwrap());
    moto.create_bucket(DATA);
    moto.create_bucket(CONVERTERS);
    let settings = moto.registry_settings(CONVERTERS, &directory.path().join("cache"));
    let influxdb = InfluxDb2::start(DATABASE);
    let function = Function::start(settings.clone().and(influxdb.settings(DATABASE)));
    let count = |field: &str| influxdb.number(DATABASE, &format!("count({field})"), "ons_load");

    // Nobody knows the dataset yet.
    moto.put_object(DATA, "dataset=ons-load/0.parquet", fs::read(raw_file()).unwrap());
    let invocation = function.invoke(&json!({ "bucket": DATA, "key": "dataset=ons-load/0.parquet" }));
    assert!(invocation.failed);
    assert_eq!(invocation.answer["errorType"], "DataConversionError");
    let message = invocation.answer["errorMessage"].as_str().unwrap();
    for word in [CONVERTERS, DATASET, "stable"] {
        assert!(message.contains(word), "{message}");
    }

    let project = directory.path().join(DATASET);
    let component = project.join("converter.wasm");
    let (project, component) = (project.to_str().unwrap(), component.to_str().unwrap());
    let converter = |arguments: &[&str]| {
        let loader = Loader::new([&["converter"], arguments].concat());
        loader.settings(settings.clone()).build()
    };
    let digest = || {
        let facts: Value = converter(&["inspect", component, "--json"]).succeeded().json();
        facts["digest"].as_str().unwrap().to_owned()
    };

    converter(&["new", DATASET, "--from", raw_file().to_str().unwrap(), "--directory", project]).succeeded();
    converter(&["build", project]).succeeded();
    converter(&["test", project, "--update"]).succeeded();
    converter(&["test", project]).succeeded();
    converter(&["publish", component, "--dataset", DATASET, "--golden", &format!("{project}/golden")]).succeeded();
    converter(&["promote", DATASET, "0.1.0"]).succeeded();
    let first = digest();
    assert_eq!(load(&function, &moto, "dataset=ons-load/1.parquet"), ("0.1.0".to_owned(), first.clone()));
    assert_eq!(count("val_itemserieoriginal"), POINTS as f64);

    // A second version, with another name for the field.
    let old = directory.path().join("old.wasm");
    fs::copy(component, &old).unwrap();
    change(&Path::new(project).join("src/lib.rs"), "field(\"val_itemserieoriginal\"", "field(\"power_mw\"");
    change(&Path::new(project).join("Cargo.toml"), "version = \"0.1.0\"", "version = \"0.2.0\"");
    converter(&["build", project]).succeeded();
    assert_eq!(converter(&["test", project]).code, Some(1), "the golden pair shows the change");
    converter(&["test", project, "--update"]).succeeded();
    converter(&["publish", component, "--dataset", DATASET, "--golden", &format!("{project}/golden")]).succeeded();
    let sample = format!("{project}/golden/sample.parquet");
    let difference = converter(&["diff", old.to_str().unwrap(), component, &sample]);
    assert_eq!(difference.code, Some(1), "{difference}");
    for word in ["val_itemserieoriginal", "power_mw"] {
        assert!(difference.stdout.contains(word), "{difference}");
    }
    // What is published is not yet promoted.
    assert_eq!(load(&function, &moto, "dataset=ons-load/2.parquet"), ("0.1.0".to_owned(), first.clone()));
    assert_eq!(count("val_itemserieoriginal"), POINTS as f64, "a replay writes the same points");

    converter(&["promote", DATASET, "0.2.0"]).succeeded();
    assert_eq!(load(&function, &moto, "dataset=ons-load/3.parquet"), ("0.2.0".to_owned(), digest()));
    assert_eq!(count("power_mw"), POINTS as f64);

    converter(&["rollback", DATASET]).succeeded();
    assert_eq!(load(&function, &moto, "dataset=ons-load/4.parquet"), ("0.1.0".to_owned(), first));
    assert_eq!((count("val_itemserieoriginal"), count("power_mw")), (POINTS as f64, POINTS as f64));
}

fn change(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replace(from, to)).unwrap();
}
