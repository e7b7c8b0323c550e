//! The workbench `converter dev`, in a browser and as others ask it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use influxdb_loader_tests::{Loader, Moto, Request, Workbench, browse, parquet, raw_file, request};
use serde_json::{Value, json};

/// A project for the load of the grid operator, as `new` makes it of a sample.
fn project(directory: &Path) -> std::path::PathBuf {
    let project = directory.join("ons-load");
    let new = ["converter", "new", "ons-load", "--from"];
    Loader::new(new).argument(raw_file()).argument("--directory").argument(&project).run().succeeded();
    project
}

/// A file of the grid operator in which one time cannot be read, and one row stands twice with another value.
fn dropped() -> Vec<u8> {
    let column = |values: &[&str]| -> ArrayRef { Arc::new(StringArray::from(values.to_vec())) };
    let columns = [
        ("nom_seriehistorica", column(&["SP-ENEL", "SP-ENEL", "SP-ENEL"])),
        ("din_ocorrencia", column(&["2019-01-01 00:00:00", "midnight", "2019-01-01 00:00:00"])),
        ("val_itemserieoriginal", Arc::new(Float64Array::from(vec![1.5, 2.5, 3.5])) as ArrayRef),
    ];
    parquet(&RecordBatch::try_from_iter(columns).unwrap())
}

#[test]
fn an_author_goes_from_a_sample_to_a_promoted_converter_in_the_browser() {
    let (moto, directory) = (Moto::start(), tempfile::tempdir().unwrap());
    moto.create_bucket("energy-converters");
    let settings = moto.registry_settings("energy-converters", &directory.path().join("cache"));
    let project = project(directory.path());
    let file = directory.path().join("dropped.parquet");
    fs::write(&file, dropped()).unwrap();
    let mut workbench = Workbench::start(&project, &settings, &["--serves", "legacy-load,ons-old-*"]);
    let seen = browse(
        "workbench.js",
        json!({ "url": workbench.url(), "project": project, "dropped": file, "golden": "golden/sample.parquet" }),
    );
    let log = workbench.log();
    workbench.stop();

    assert_eq!(seen["name"], "ons-load 0.1.0");
    let plan = seen["plan"].as_array().unwrap();
    let level = |place: usize| plan[place].as_str().unwrap();
    assert!(level(0).contains("tag nom_seriehistorica ← nom_seriehistorica"), "{seen}");
    assert!(level(1).contains("nothing"), "{seen}");
    assert!(level(2).contains("time ← computed column 0") && level(2).contains("sees din_ocorrencia"), "{seen}");
    let line = "ons_load,nom_seriehistorica=SP-CPFL\\ PAULISTA val_itemserieoriginal=2569.709961 1514764800000000000";
    assert_eq!(seen["line"], line);
    assert!(seen["row"].as_str().unwrap().contains("val_itemserieoriginal 2569.709961"), "{seen}");
    assert_eq!(seen["columns"].as_array().unwrap().len(), 3, "{seen}");
    assert!(seen["cost"].as_str().unwrap().ends_with(" ns a row"), "{seen}");

    // What was seen before the error stays, and is not published.
    assert_eq!((&seen["lines beside the error"], &seen["published beside the error"]), (&json!(20), &json!(0)));
    let rejected = seen["rejected"][0].as_str().unwrap();
    assert!(rejected.contains("midnight") && rejected.contains("invalid-timestamp"), "{seen}");
    let replaced = seen["replaced"].as_str().unwrap();
    assert!(replaced.starts_with('0') && replaced.contains("1.5") && replaced.contains("3.5"), "{seen}");
    assert!(
        seen["refused"].as_str().unwrap().starts_with("that is no sample: `notes.parquet` is not a Parquet file"),
        "{seen}"
    );

    // The promoted version is what was built at the time, which another loader fetches.
    let list = Loader::new(["converter", "list", "ons-load", "--json"]).settings(settings.clone()).run().succeeded();
    assert!(list.stdout.contains("0.1.0") && list.stdout.contains("stable"), "{list}");
    assert_eq!(list.json()[0]["serves"], json!(["legacy-load", "ons-old-*"]), "{list}");
    assert!(
        seen["publish question"]
            .as_str()
            .unwrap()
            .ends_with("It serves legacy-load, ons-old-* as soon as it is promoted.")
    );
    let points = directory.path().join("points.lp");
    let load = ["load", "--converter", "ons-load@stable", "--dataset", "ons-load", "--to", points.to_str().unwrap()];
    let sample = project.join("golden/sample.parquet");
    Loader::new(load).argument(sample).settings(settings).run().succeeded();
    assert!(fs::read_to_string(points).unwrap().starts_with(line));
    assert_eq!(seen["difference"], "added", "{seen}");

    assert_eq!(seen["dark"], "rgb(14, 17, 22)");
    assert_eq!((&seen["first reached"], &seen["nameless"]), (&json!("Skip to the results"), &json!(0)));
    assert_eq!(seen["errors"], json!([]));
    assert_eq!(seen["hosts"].as_array().unwrap().len(), 1, "{seen}");
    assert_eq!(seen["foreign"], json!({ "posted": ["TypeError", "TypeError"], "read": "TypeError" }));
    // Neither command was begun: the last one is the author's.
    assert_eq!(seen["command afterwards"], "influxdb-loader converter promote ons-load 0.1.0");

    let unwatched = "the project has more than 10000 files and directories: changes in some of them are not noticed";
    assert_eq!(seen["unwatched before"], false);
    assert!(seen["unwatched"].as_str().unwrap().starts_with(unwatched), "{seen}");
    assert_eq!(log.matches(unwatched).count(), 1, "{log}");
}

#[test]
fn the_workbench_answers_its_own_page_alone() {
    let directory = tempfile::tempdir().unwrap();
    let mut workbench = Workbench::start(&project(directory.path()), &Default::default(), &[]);
    let (port, path) = workbench.place();
    let asked = |method: &str, path: &str, headers: &[(&str, &str)]| {
        let request_of =
            headers.iter().fold(Request::new(method, path), |request, (name, value)| request.header(name, value));
        request(port, &request_of).unwrap().status
    };
    let own = format!("http://127.0.0.1:{port}");
    assert_eq!(asked("GET", &path, &[]), 200);
    assert_eq!(asked("GET", &format!("{path}api/state"), &[]), 200);
    assert_eq!(asked("GET", &format!("{path}etc/passwd"), &[]), 404);
    for stranger in ["/", "/api/state", &path.replace(|c: char| c.is_ascii_hexdigit(), "0")] {
        assert_eq!(asked("GET", stranger, &[]), 403, "{stranger}");
    }
    let choose = format!("{path}api/choose?name=golden/sample.parquet");
    assert_eq!(asked("POST", &choose, &[("Origin", "http://evil.example")]), 403);
    assert_eq!(asked("POST", &choose, &[("Origin", "null")]), 403);
    assert_eq!(asked("POST", &choose, &[]), 403);
    assert_eq!(asked("POST", &format!("{path}api/choose?name=/etc/passwd"), &[("Origin", &own)]), 404);
    // Nothing is released that the page did not show.
    assert_eq!(asked("POST", &format!("{path}api/publish?digest=0"), &[("Origin", &own)]), 409);
    // It has looked at the project by now, or soon will have.
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let state: Value = request(port, &Request::new("GET", &format!("{path}api/state"))).unwrap().json();
        if state["samples"][0]["name"] == "golden/sample.parquet" {
            break;
        }
        assert!(Instant::now() < deadline, "{state}");
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(asked("POST", &choose, &[("Origin", &own)]), 202);
    workbench.stop();
}

#[test]
fn a_directory_that_is_no_project_is_refused_with_a_hint() {
    let directory = tempfile::tempdir().unwrap();
    let outcome = Loader::new(["converter", "dev"]).argument(directory.path()).run();
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.contains("hint: `influxdb-loader converter new` makes one"), "{outcome}");
}
