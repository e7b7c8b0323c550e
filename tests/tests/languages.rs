//! Converters in Python and JavaScript, built with the real toolchains.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit};
use influxdb_loader_tests::projects::{self, example, gives_the_points_of_the_cleaned_file};
use influxdb_loader_tests::{Loader, Settings, parquet, python, raw_file, shell};
use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// A function with as much memory as is usual for a small one, and with nothing compiled yet.
fn of_512_mib(cache: &Path) -> Settings {
    Settings::from([
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512".to_owned()),
        ("CONVERTER_CACHE_DIRECTORY", cache.to_str().unwrap().to_owned()),
    ])
}

#[test]
fn the_example_in_javascript_is_built_as_the_guide_says_and_gives_the_points_of_the_cleaned_file() {
    let project = example("ons-load-javascript");
    std::os::unix::fs::symlink(projects::npm_packages(), project.path().join("node_modules")).unwrap();
    fs::copy(raw_file(), project.path().join("sample.parquet")).unwrap();
    let guide = fs::read_to_string(root().join("docs/writing-converters.md")).unwrap();
    let commands = guide.split_once("<!-- run: javascript -->\n```sh\n").unwrap().1.split_once("```").unwrap().0;
    let settings = Settings::default().with("HOME", project.path().to_str().unwrap());
    for command in commands.lines() {
        shell(command, project.path(), &settings).succeeded();
    }
    let component = project.path().join("converter.wasm");
    gives_the_points_of_the_cleaned_file(&component);

    let inspected = Loader::new(["converter", "inspect", "--json"]).argument(&component).run().succeeded().json();
    let imports = inspected["imports"].as_array().unwrap().iter();
    let packages: BTreeSet<_> = imports.map(|import| import.as_str().unwrap().split('/').next().unwrap()).collect();
    let expected = ["influxdb-loader:converter", "wasi:cli", "wasi:clocks", "wasi:filesystem", "wasi:io"];
    assert_eq!(Vec::from_iter(packages), expected);

    let load = Loader::new(["load", "--to", "/dev/null", "--converter"]).argument(&component).argument(raw_file());
    load.settings(of_512_mib(&project.path().join("cache"))).run().succeeded();
}

#[test]
fn the_example_in_javascript_names_the_packages_that_the_tests_install() {
    let example = json(&root().join("guest-converters/examples/ons-load-javascript/package.json"));
    let installed = json(&root().join("tests/npm/package.json"));
    let name = "@bytecodealliance/componentize-js";
    assert_eq!(example["devDependencies"][name], installed["dependencies"][name]);
    assert_eq!(example["overrides"], installed["overrides"]);
}

/// A wheel in the project, as pip installs it: its files with what they hold.
fn wheel(project: &Path, name: &str, files: &[(&str, &str)]) {
    let script = "import json, sys, zipfile\n\
                  with zipfile.ZipFile(sys.argv[1], 'w') as wheel:\n    \
                      for name, text in json.loads(sys.argv[2]):\n        wheel.writestr(name, text)";
    let information = format!("{name}-1.0.dist-info");
    let described = [
        (format!("{information}/METADATA"), format!("Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")),
        (
            format!("{information}/WHEEL"),
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n".to_owned(),
        ),
    ];
    let mut files: Vec<_> = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    files.extend(described);
    let mut record: String = files.iter().map(|(path, _)| format!("{path},,\n")).collect();
    record.push_str(&format!("{information}/RECORD,,\n"));
    files.push((format!("{information}/RECORD"), record));
    let path = project.join(format!("{name}-1.0-py3-none-any.whl"));
    let arguments = ["-c", script, path.to_str().unwrap(), &serde_json::to_string(&files).unwrap()];
    python(arguments, &Settings::default()).succeeded();
}

#[test]
fn packages_of_pure_python_reach_the_component_and_native_code_is_refused() {
    let project = example("ons-load-python");
    let requirements = project.path().join("requirements.txt");
    let builds = fs::read_to_string(&requirements).unwrap();
    let require = |name: &str| fs::write(&requirements, format!("{builds}./{name}-1.0-py3-none-any.whl\n")).unwrap();
    let converter = r#"
import converter_sdk
import stations
from converter_sdk import ColumnType, Description, Point


class Converter(converter_sdk.Converter):
    def describe(self):
        return Description("grid", "1.0.0", "grid", "Names from a package")

    def plan(self, plan):
        point = Point("grid", plan.required("at", ColumnType.INTEGER))
        point.tag("station", plan.translate(plan.required("station", ColumnType.TEXT), stations.NAMES.get))
        point.field("mw", plan.required("mw", ColumnType.FLOAT))
        return [point]
"#;
    fs::write(project.path().join("src/converter.py"), converter).unwrap();
    let rows = RecordBatch::try_from_iter([
        ("at", Arc::new(Int64Array::from(vec![3])) as ArrayRef),
        ("station", Arc::new(StringArray::from(vec!["P"]))),
        ("mw", Arc::new(Float64Array::from(vec![2.5]))),
    ]);
    let file = project.path().join("rows.parquet");
    fs::write(&file, parquet(&rows.unwrap())).unwrap();

    // It reads a file of its own, which exists while the component is built.
    let module = "import csv, pathlib\n\
                  NAMES = dict(csv.reader((pathlib.Path(__file__).parent / 'names.csv').open()))\n";
    wheel(project.path(), "stations", &[("stations/__init__.py", module), ("stations/names.csv", "P,Pico\n")]);
    require("stations");
    let (lines, _) = projects::load(&file, Some(&projects::build(project.path())));
    assert_eq!(lines, ["grid,station=Pico mw=2.5 3"]);

    wheel(project.path(), "fast", &[("fast/__init__.py", ""), ("fast/_fast.abi3.so", "\u{7f}ELF")]);
    require("fast");
    let outcome = Loader::new(["converter", "build"]).argument(project.path()).build();
    assert_eq!(outcome.code, Some(1), "{outcome}");
    let message = "`fast 1.0` has native code, which does not run in WebAssembly: `fast/_fast.abi3.so`\nhint: ";
    assert!(outcome.stderr.contains(message), "{outcome}");

    // What is not required any more is not in the component any more.
    fs::write(&requirements, builds).unwrap();
    let outcome = Loader::new(["converter", "build"]).argument(project.path()).build();
    assert_eq!(outcome.code, Some(1), "{outcome}");
    assert!(outcome.stderr.contains("No module named 'stations'"), "{outcome}");
}

/// The reference of the Python SDK and its examples.
fn sdk() -> Value {
    let settings = Settings::default().with("PYTHONDONTWRITEBYTECODE", "1");
    python(["tests/python_sdk.py"], &settings).succeeded().json()
}

#[test]
fn the_reference_of_the_python_sdk_is_made_of_its_docstrings() {
    let path = root().join("docs/reference/sdk-python.md");
    let generated = sdk()["reference"].as_str().unwrap().to_owned();
    if std::env::var_os("UPDATE_DOCUMENTS").is_some() {
        fs::write(&path, &generated).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap();
    assert!(
        written == generated,
        "docs/reference/sdk-python.md differs from the docstrings; UPDATE_DOCUMENTS=1 writes it"
    );
}

/// The object that the examples of the SDK convert.
fn weather(columns: &Value) -> Vec<u8> {
    let column = |(name, rows): (&String, &Value)| -> (String, ArrayRef) {
        let rows = rows.as_array().unwrap();
        let texts = || StringArray::from(Vec::from_iter(rows.iter().map(Value::as_str)));
        let array: ArrayRef = match &rows[0] {
            Value::String(_) if name == "at" => {
                cast(&texts(), &DataType::Timestamp(TimeUnit::Nanosecond, None)).unwrap()
            }
            Value::String(_) => Arc::new(texts()),
            Value::Number(number) if number.is_f64() => {
                Arc::new(Float64Array::from(Vec::from_iter(rows.iter().map(Value::as_f64))))
            }
            _ => Arc::new(Int64Array::from(Vec::from_iter(rows.iter().map(Value::as_i64)))),
        };
        (name.clone(), array)
    };
    parquet(&RecordBatch::try_from_iter(columns.as_object().unwrap().iter().map(column)).unwrap())
}

#[test]
fn every_example_of_the_python_sdk_makes_what_the_reference_shows() {
    let sdk = sdk();
    let project = example("ons-load-python");
    fs::write(project.path().join("src/converter.py"), sdk["converter"].as_str().unwrap()).unwrap();
    fs::copy(root().join("wit/0.2/converter.wit"), project.path().join("wit/converter.wit")).unwrap();
    let component = projects::build(project.path());
    let settings =
        Settings::default().with("CONVERTER_CACHE_DIRECTORY", project.path().join("cache").to_str().unwrap());
    let mut wrong = String::new();
    for (number, example) in sdk["examples"].as_array().unwrap().iter().enumerate() {
        let directory = project.path().join(format!("example={number}/region=azores"));
        fs::create_dir_all(&directory).unwrap();
        let file = directory.join("weather.parquet");
        fs::write(&file, weather(&sdk["sample"])).unwrap();
        let convert = Loader::new(["convert", "--converter"]).argument(&component).argument(file);
        let outcome = convert.settings(settings.clone()).run();
        let messages = example["messages"].as_array().unwrap();
        let is_reported = messages.iter().all(|message| outcome.stderr.contains(message.as_str().unwrap()));
        if outcome.stdout != example["points"].as_str().unwrap() || !is_reported {
            wrong.push_str(&format!("{}: {outcome}\n", example["item"]));
        }
    }
    assert!(wrong.is_empty(), "these examples make something else:\n{wrong}");
}
