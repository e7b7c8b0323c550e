//! Nested columns: structs whose leaves are columns, and lists of which each element gives points. The judge is `tests/judges/nested.py`:
//! pyarrow writes random tables, and the points are computed from what was written.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use influxdb_loader_tests::{Loader, every_column_component, judge, stations_component};

/// Runs the judge with the example in Rust.
fn judged(arguments: &[&str]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let component = directory.path().join("stations.wasm");
    fs::write(&component, stations_component()).unwrap();
    judge("nested.py", &component, arguments).succeeded().stdout
}

#[test]
fn each_element_of_a_list_of_structs_gives_the_points_that_its_row_says() {
    assert_eq!(judged(&["stations", "150", "1"]), "150 tables of stations give the points of their elements\n");
}

#[test]
fn a_list_that_is_too_long_rejects_its_row_or_is_refused_by_name_before_it_takes_memory() {
    assert_eq!(judged(&["limits"]), "lists that are too long are refused by name\n");
}

#[test]
fn a_converter_in_python_gives_a_point_for_each_value_of_a_list_at_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let project = directory.path().join("quarters");
    copy(&examples().join("quarters-python"), &project);
    Loader::new(["converter", "build"]).argument(&project).build().succeeded();
    let found = judge("nested.py", &project.join("converter.wasm"), &["quarters", "40", "1"]).succeeded().stdout;
    assert_eq!(found, "40 tables of quarters give the points of their elements\n");
}

#[test]
fn a_converter_of_contract_0_1_sees_nested_columns_as_it_saw_them() {
    let directory = tempfile::tempdir().unwrap();
    let (file, component) = (directory.path().join("a.parquet"), directory.path().join("every-column.wasm"));
    fs::write(&component, every_column_component()).unwrap();
    let sample = directory.path().join("nested.py");
    fs::write(
        &sample,
        "import sys, pyarrow as pa, pyarrow.parquet as pq\n\
        pq.write_table(pa.table({'row': [1], 'station': [{'name': 'Oslo'}], 'values': [[1.5]]}), sys.argv[3])\n",
    )
    .unwrap();
    judge(sample.to_str().unwrap(), &component, &[file.to_str().unwrap()]).succeeded();
    let inspect = Loader::new(["converter", "inspect"]).argument(&component).argument("--schema").argument(&file);
    let shown = inspect.run().succeeded().stdout;
    assert!(shown.contains("not used: `station`, `values`"), "{shown}");
}

#[test]
fn inspect_shows_the_leaves_and_the_list_whose_elements_give_the_points() {
    let directory = tempfile::tempdir().unwrap();
    let (file, component) = (directory.path().join("a.parquet"), directory.path().join("stations.wasm"));
    fs::write(&component, stations_component()).unwrap();
    let sample = directory.path().join("nested.py");
    fs::write(
        &sample,
        "import sys, pyarrow as pa, pyarrow.parquet as pq\n\
        station = {'name': 'Oslo', 'position': {'latitude': 59.9, 'longitude': 10.7}}\n\
        readings = [{'at': pa.scalar(0, pa.timestamp('us')).as_py(), 'celsius': 1.5, 'notes': ['a']}]\n\
        pq.write_table(pa.table({'station': [station], 'readings': [readings]}), sys.argv[3])\n",
    )
    .unwrap();
    judge(sample.to_str().unwrap(), &component, &[file.to_str().unwrap()]).succeeded();
    let inspect = |json: &[&str]| {
        let inspect = Loader::new(["converter", "inspect"]).argument(&component).argument("--schema").argument(&file);
        inspect.arguments(json).run().succeeded()
    };
    let shown = inspect(&[]).stdout;
    assert!(shown.contains("\neach element of the list `readings` gives the points\n"), "{shown}");
    assert!(
        shown.contains("from `station.position.latitude`") || shown.contains("`station.position.latitude`"),
        "{shown}"
    );
    assert!(shown.contains("not used: `station.position.longitude`, `readings.notes`"), "{shown}");
    assert_eq!(inspect(&["--json"]).json()["plan"]["each"], "readings");
}

/// The blocks of code of the guide's section about nested columns are parts of the examples, which are built and tested.
#[test]
fn the_guide_shows_what_the_examples_have() {
    let guide = fs::read_to_string(examples().join("../../docs/writing-converters.md")).unwrap();
    let (_, section) = guide.split_once("\n### Nested columns\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let sources = [("rust", "stations-rust/src/lib.rs"), ("python", "quarters-python/src/converter.py")];
    for (language, source) in sources {
        let code = fs::read_to_string(examples().join(source)).unwrap();
        let code: Vec<&str> = code.lines().map(str::trim).collect();
        let blocks: Vec<_> = section.split(&format!("```{language}\n")).skip(1).collect();
        assert!(!blocks.is_empty(), "{language}");
        for line in blocks.iter().flat_map(|block| block.split("```").next().unwrap().lines()) {
            assert!(line.trim().is_empty() || code.contains(&line.trim()), "{source} has no `{line}`");
        }
    }
}

fn examples() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-converters/examples")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        match path.is_dir() {
            true => copy(&path, &target),
            false => _ = fs::copy(&path, &target).unwrap(),
        }
    }
}
