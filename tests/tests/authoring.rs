//! What an author of converters does, from a sample to points, with the real toolchains.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use arrow::array::{
    ArrayRef, Decimal128Array, DurationMillisecondArray, FixedSizeBinaryArray, Float64Array, Int64Array, RecordBatch,
    StringArray, Time32MillisecondArray, TimestampMicrosecondArray,
};
use influxdb_loader_tests::projects::{example, load};
use influxdb_loader_tests::{
    CONSUMPTION_POINTS, CONSUMPTION_ROWS, InfluxDb2, Loader, Settings, Versitygw, consumption_file, parquet, raw_file,
    small_consumption,
};
use serde_json::{Value, json};

/// A command that runs cargo or pip. Returns what it prints.
fn build(arguments: &[&str]) -> String {
    Loader::new(["converter"]).arguments(arguments).build().succeeded().stdout
}

/// The example in Rust, built once. Not in a copy: its package is one of the workspace.
fn rust_example() -> &'static Path {
    static COMPONENT: OnceLock<PathBuf> = OnceLock::new();
    COMPONENT.get_or_init(|| {
        let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-converters/examples/ons-load-rust");
        build(&["build", project.to_str().unwrap()]);
        project.join("converter.wasm")
    })
}

/// Holds an example's points against those that the consumption converter gives for the same data, cleaned.
fn gives_the_points_of_the_cleaned_file(component: &Path) {
    let (mut expected, cleaned) = load(&consumption_file(), None);
    let (mut lines, raw) = load(&raw_file(), Some(component));
    expected.sort();
    lines.sort();
    assert_eq!(lines.len() as u64, CONSUMPTION_POINTS);
    assert!(lines == expected, "the points differ");
    // 9 hours are ambiguous and 4 do not exist. Those 4 are also the 4 rows that have no value.
    let rejected = |report: &Value| report["objects"][0]["accounts"]["rejected"].clone();
    assert_eq!(rejected(&raw), rejected(&cleaned), "{raw}");
    assert_eq!(rejected(&raw)["invalid-timestamp"], CONSUMPTION_ROWS - CONSUMPTION_POINTS);
}

#[test]
fn the_example_in_rust_gives_the_points_of_the_cleaned_file() {
    gives_the_points_of_the_cleaned_file(rust_example());
}

#[test]
fn the_example_in_python_gives_the_points_of_the_cleaned_file() {
    let project = example("ons-load-python");
    build(&["build", project.path().to_str().unwrap()]);
    let component = project.path().join("converter.wasm");
    gives_the_points_of_the_cleaned_file(&component);
    // A function of 512 MiB has the memory to compile it.
    let cache = tempfile::tempdir().unwrap();
    let settings = Settings::from([
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512".to_owned()),
        ("CONVERTER_CACHE_DIRECTORY", cache.path().to_str().unwrap().to_owned()),
    ]);
    let load = Loader::new(["load", "--to", "/dev/null", "--converter"]).argument(&component).argument(raw_file());
    load.settings(settings).run().succeeded();
}

#[test]
fn four_datasets_in_python_fit_into_a_function_of_512_mib() {
    let project = example("ons-load-python");
    build(&["build", project.path().to_str().unwrap()]);
    let component = fs::read(project.path().join("converter.wasm")).unwrap();
    let (s3, server) = (Versitygw::start(), InfluxDb2::start("energy_data"));
    s3.create_bucket("converters");
    s3.create_bucket("data");
    let cache = tempfile::tempdir().unwrap();
    let registry = s3.registry_settings("converters", cache.path());
    let mut objects = Vec::new();
    for letter in ["a", "b", "c", "d"] {
        let dataset = format!("ons-load-ra{letter}");
        let path = project.path().join(&dataset);
        fs::write(&path, replaced(&component, b"ons-load-raw", dataset.as_bytes())).unwrap();
        let converter = |arguments: &[&str]| {
            let converter = Loader::new(["converter"]).arguments(arguments).settings(registry.clone());
            converter.run().succeeded();
        };
        converter(&["publish", path.to_str().unwrap()]);
        converter(&["promote", &dataset, "0.1.0"]);
        let key = format!("dataset={dataset}/load.parquet");
        s3.put_object("data", &key, fs::read(raw_file()).unwrap());
        objects.push(json!({ "bucket": "data", "key": key }));
    }
    // Without what publishing compiled.
    let registry = registry.with("CONVERTER_CACHE_DIRECTORY", project.path().join("cache").to_str().unwrap());
    let event = project.path().join("event.json");
    fs::write(&event, json!({ "objects": objects }).to_string()).unwrap();
    for round in ["cold", "warm"] {
        let settings = server.settings("energy_data").and(registry.clone());
        let settings = settings.with("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512").with("METRICS_BACKEND", "none");
        let run = Loader::new(["invoke"]).argument(&event).settings(settings).build().succeeded();
        let answer = run.json();
        for object in answer["objects"].as_array().unwrap() {
            assert_eq!(object["accounts"]["written"], CONSUMPTION_POINTS, "{round}: {answer}");
        }
        assert!(run.peak_memory_of_all_kib < 512 * 1024, "{round}: {} KiB", run.peak_memory_of_all_kib);
    }
    assert_eq!(server.number("energy_data", "count(power_mw)", "consumption_data"), CONSUMPTION_POINTS as f64);
}

/// These bytes with one text for another of the same length.
fn replaced(bytes: &[u8], text: &[u8], with: &[u8]) -> Vec<u8> {
    assert_eq!(text.len(), with.len());
    let (mut bytes, mut at) = (bytes.to_vec(), 0);
    while let Some(found) = bytes[at..].windows(text.len()).position(|window| window == text) {
        at += found;
        bytes[at..at + with.len()].copy_from_slice(with);
    }
    assert!(at > 0, "the text is not among the bytes");
    bytes
}

#[test]
fn a_new_project_in_rust_builds_passes_its_test_and_converts_its_sample() {
    let directory = tempfile::tempdir().unwrap();
    let project = directory.path().join("grid");
    let (project, sample) = (project.to_str().unwrap(), consumption_file());
    let said = build(&["new", "grid-load", "--from", sample.to_str().unwrap(), "--directory", project]);
    assert!(said.contains("time    timestamp\ntags    region, unit, consumer_type,"), "{said}");

    passes_its_own_test(project);

    build(&["build", project]);
    build(&["test", project, "--update"]);
    assert!(Path::new(project).join("golden/sample.lp").is_file());
    build(&["test", project]);
    let (lines, _) =
        load(&Path::new(project).join("golden/sample.parquet"), Some(&Path::new(project).join("converter.wasm")));
    assert_eq!(lines.len(), 20);
    assert_eq!(
        lines[0],
        "grid_load,consumer_type=distributor,measurement_type=load,region=sudeste,sector=distribution,\
         subsector=CPFL\\ PAULISTA,unit=MW value=2569.709961 1514772000000000000"
    );

    // Nothing is overwritten.
    let again = ["converter", "new", "grid-load", "--from", sample.to_str().unwrap(), "--directory", project];
    let again = Loader::new(again).run();
    assert_eq!(again.code, Some(1));
    assert!(again.stderr.contains("is not empty"), "{again}");
}

/// Runs `cargo test` in a project, which builds there: what a test runs must not be built again by another project meanwhile.
fn passes_its_own_test(project: &str) {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["test", "--quiet"]).current_dir(project).env_remove("CARGO_TARGET_DIR");
    let tested = cargo.output().unwrap();
    assert!(tested.status.success(), "{}", String::from_utf8_lossy(&tested.stderr));
    assert!(String::from_utf8_lossy(&tested.stdout).contains("1 passed"));
}

/// A file of columns for which no guess is right.
fn odd_sample(directory: &Path) -> PathBuf {
    let file = directory.join("odd.parquet");
    let columns: [(&str, ArrayRef); 5] = [
        ("read", Arc::new(Int64Array::from(vec![1_700_000_000_000]))),
        ("meter", Arc::new(Int64Array::from(vec![7]))),
        ("note", Arc::new(StringArray::from(vec!["ok"]))),
        ("value", Arc::new(Float64Array::from(vec![2.5]))),
        ("billed", Arc::new(TimestampMicrosecondArray::from(vec![3]))),
    ];
    fs::write(&file, parquet(&RecordBatch::try_from_iter(columns).unwrap())).unwrap();
    file
}

#[test]
fn a_new_project_does_what_its_author_says_and_tells_what_it_does_not_use() {
    let directory = tempfile::tempdir().unwrap();
    let (project, sample) = (directory.path().join("odd"), odd_sample(directory.path()));
    let (project, sample) = (project.to_str().unwrap(), sample.to_str().unwrap());
    let new = ["new", "odd", "--from", sample, "--directory", project, "--time", "read", "--measurement", "grid.load"];
    let said = build(&[&new[..], &["--tag", "meter", "--field", "note"]].concat());
    let facts = "point   grid.load\ntime    read (milliseconds since 1970)\ntags    meter\nfields  note, value\n\
                 unused  billed (Timestamp(µs)): a point has one time\n";
    assert!(said.contains(facts), "{said}");
    passes_its_own_test(project);
    build(&["build", project]);
    let (lines, _) = load(Path::new(sample), Some(&Path::new(project).join("converter.wasm")));
    assert_eq!(lines, ["grid.load,meter=7 note=\"ok\",value=2.5 1700000000000000000"]);

    let other = directory.path().join("other");
    let new = ["new", "other", "--from", sample, "--json", "--field", "billed", "--directory", other.to_str().unwrap()];
    let facts: Value = serde_json::from_str(&build(&[&new[..], &["--time", "read"]].concat())).unwrap();
    assert_eq!((&facts["time"], &facts["unit"]), (&"read".into(), &"milliseconds".into()));
    assert_eq!(facts["fields"], serde_json::json!(["meter", "value", "billed"]));
    assert_eq!((&facts["tags"], &facts["unused"]), (&serde_json::json!(["note"]), &serde_json::json!([])));
    passes_its_own_test(other.to_str().unwrap());

    let mistyped = Loader::new(["converter", "new", "third", "--from", sample, "--time", "raed"]).run();
    assert_eq!(mistyped.code, Some(1));
    assert!(mistyped.stderr.contains("has no column `raed`: `read` Int64, `meter` Int64, "), "{mistyped}");
}

/// A file with a column of each type that the contracts see differently.
fn shifts(directory: &Path) -> PathBuf {
    let file = directory.join("shifts.parquet");
    let meters = Decimal128Array::from(vec![7]).with_precision_and_scale(18, 0).unwrap();
    let badges = FixedSizeBinaryArray::try_from_iter([[0, 0x7f, 0xff]].into_iter()).unwrap();
    let columns: [(&str, ArrayRef); 5] = [
        ("at", Arc::new(TimestampMicrosecondArray::from(vec![3]))),
        ("meter", Arc::new(meters)),
        ("begins", Arc::new(Time32MillisecondArray::from(vec![28_800_000]))),
        ("takes", Arc::new(DurationMillisecondArray::from(vec![-1_500]))),
        ("badge", Arc::new(badges)),
    ];
    fs::write(&file, parquet(&RecordBatch::try_from_iter(columns).unwrap())).unwrap();
    file
}

#[test]
fn a_new_project_speaks_the_latest_contract_or_the_first_where_its_author_asks_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let sample = shifts(directory.path());
    let of = |contract: &[&str], expected: &str, line: &str| {
        let project = directory.path().join(expected);
        let path = project.to_str().unwrap();
        let new = ["new", "shifts", "--from", sample.to_str().unwrap(), "--json", "--directory", path];
        let facts: Value = serde_json::from_str(&build(&[&new[..], contract].concat())).unwrap();
        assert_eq!(facts["contract"], expected);
        passes_its_own_test(path);
        build(&["build", path]);
        // Of the golden sample, which has the types of the file that it is the head of.
        build(&["test", path, "--update"]);
        assert_eq!(fs::read_to_string(project.join("golden/sample.lp")).unwrap(), format!("{line}\n"));
        let component = project.join("converter.wasm");
        let inspected = Loader::new(["converter", "inspect", "--json"]).argument(component).run().succeeded().json();
        assert_eq!(inspected["contract"], expected);
        facts
    };
    let facts =
        of(&["--tag", "badge"], "0.2.0", "shifts,badge=007fff meter=7i,begins=28800000000000i,takes=-1500000000i 3000");
    assert_eq!(facts["fields"], serde_json::json!(["meter", "begins", "takes"]));
    let facts = of(&["--contract", "0.1"], "0.1.0", "shifts meter=7i,begins=28800000i,takes=-1500i 3000");
    assert_eq!(facts["unused"][0]["reason"], "converters cannot read this type");
}

#[test]
fn a_project_without_a_time_is_made_and_its_build_says_what_is_left_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let sample = odd_sample(directory.path());
    for (language, file) in [("rust", "src/lib.rs"), ("python", "src/converter.py")] {
        let project = directory.path().join(language);
        let project = project.to_str().unwrap();
        // The only time is made a tag.
        let new = ["new", "odd", "--tag", "billed", "--language", language, "--directory", project, "--from"];
        let said = build(&[&new[..], &[sample.to_str().unwrap()]].concat());
        assert!(said.contains("time    TODO: no column looks like one\ntags    note, billed\n"), "{said}");
        let outcome = Loader::new(["converter", "build", project]).build();
        assert_eq!(outcome.code, Some(1), "{outcome}");
        assert!(outcome.stderr.contains(&format!("TODO: name the time in {file}, ")), "{outcome}");
    }
}

#[test]
fn a_new_project_in_python_builds_and_converts_its_sample() {
    let directory = tempfile::tempdir().unwrap();
    let project = directory.path().join("load");
    let (project, sample) = (project.to_str().unwrap(), partitioned(&raw_file(), directory.path()));
    build(&["new", "load", "--language", "python", "--from", sample.to_str().unwrap(), "--directory", project]);
    let built: Value = serde_json::from_str(&build(&["build", project, "--json"])).unwrap();
    assert_eq!(built["dataset"], "load");
    let project = Path::new(project);
    let component = project.join("converter.wasm");
    let inspected = Loader::new(["converter", "inspect", "--json"]).argument(component).run().succeeded().json();
    assert_eq!(inspected["contract"], "0.2.0");
    let (lines, _) = load(&project.join("golden/grid=north/sample.parquet"), Some(&project.join("converter.wasm")));
    assert_eq!(lines.len(), 20);
    assert_eq!(
        lines[0],
        "load,grid=north,nom_seriehistorica=SP-CPFL\\ PAULISTA val_itemserieoriginal=2569.709961 1514764800000000000"
    );
}

#[test]
fn python_reads_times_by_strptime_and_says_which_exception_ended_it() {
    let converter = r#"
from datetime import datetime, timezone

import converter_sdk
from converter_sdk import ColumnType, Description, PlanBuilder, Point


def utc(text):
    time = datetime.strptime(text, "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=timezone.utc)
    return int(time.timestamp()) * 10**9


class Converter(converter_sdk.Converter):
    def describe(self):
        return Description("grid", "1.0.0", "grid", "Times by strptime")

    def plan(self, plan: PlanBuilder):
        if plan.input.dataset == "broken":
            raise ValueError("no grid has this name")
        time = plan.compute(ColumnType.TIMESTAMP, [plan.required("at", ColumnType.TEXT)],
                            lambda rows: [utc(row) for row in rows])
        point = Point("grid", time)
        point.field("mw", plan.required("mw", ColumnType.FLOAT))
        return [point]
"#;
    let project = example("ons-load-python");
    fs::write(project.path().join("src/converter.py"), converter).unwrap();
    build(&["build", project.path().to_str().unwrap()]);
    let component = project.path().join("converter.wasm");
    let rows = RecordBatch::try_from_iter([
        ("at", Arc::new(StringArray::from(vec!["2018-01-01 00:00:00.000"])) as ArrayRef),
        ("mw", Arc::new(Float64Array::from(vec![2.5]))),
    ]);
    let file = project.path().join("rows.parquet");
    fs::write(&file, parquet(&rows.unwrap())).unwrap();
    let convert = |dataset| {
        let loader = Loader::new(["convert", "--dataset", dataset, "--converter"]);
        loader.argument(&component).argument(&file).run()
    };
    assert_eq!(convert("grid").succeeded().stdout, "grid mw=2.5 1514764800000000000\n");
    let outcome = convert("broken");
    assert_eq!(outcome.code, Some(1), "{outcome}");
    let message = "converter `grid` 1.0.0 trapped in `prepare`: ValueError: no grid has this name";
    assert!(outcome.stderr.contains(message), "{outcome}");
}

/// Texts, and their nanoseconds since 1970 where they are times.
fn times() -> (PathBuf, Vec<(String, Option<i64>)>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/times.jsonl");
    let row = |line: &str| {
        let (text, nanoseconds, _): (String, Option<i64>, String) = serde_json::from_str(line).unwrap();
        (text, nanoseconds)
    };
    let table: Vec<_> = fs::read_to_string(&path).unwrap().lines().map(row).collect();
    assert!(table.len() > 100);
    (path, table)
}

#[test]
fn projects_in_rust_and_python_read_every_text_of_the_table_of_times_alike() {
    let (directory, (path, table)) = (tempfile::tempdir().unwrap(), times());
    let file = directory.path().join("times.parquet");
    let rows: Vec<_> = (0..).take(table.len()).collect();
    let columns: [(&str, ArrayRef); 3] = [
        ("at", Arc::new(StringArray::from_iter_values(table.iter().map(|(text, _)| text)))),
        ("row", Arc::new(Int64Array::from(rows))),
        ("value", Arc::new(Float64Array::from(vec![1.5; table.len()]))),
    ];
    fs::write(&file, parquet(&RecordBatch::try_from_iter(columns).unwrap())).unwrap();
    // InfluxDB has no times at the ends of 64 bits.
    let writable = i64::MIN + 2..=i64::MAX - 1;
    let times = table.iter().enumerate().filter_map(|(row, (_, time))| Some((row, (*time)?)));
    let lines = times.filter(|(_, time)| writable.contains(time));
    let mut expected: Vec<_> = lines.map(|(row, time)| format!("times,row={row} value=1.5 {time}")).collect();
    expected.sort();
    for language in ["rust", "python"] {
        let project = directory.path().join(language);
        let new = ["new", "times", "--language", language, "--time", "at", "--tag", "row", "--directory"];
        build(&[&new[..], &[project.to_str().unwrap(), "--from", file.to_str().unwrap()]].concat());
        build(&["build", project.to_str().unwrap()]);
        let (mut lines, report) = load(&file, Some(&project.join("converter.wasm")));
        lines.sort();
        assert_eq!(lines, expected, "{language}");
        let rejected = report["objects"][0]["accounts"]["rejected"].as_object().unwrap().values();
        let rejected: u64 = rejected.map(|rows| rows.as_u64().unwrap()).sum();
        assert_eq!(rejected, (table.len() - lines.len()) as u64, "{language}: {report}");
    }

    // The module of the SDK, in the Python of this machine, whose `datetime` is that of another version.
    let project = directory.path().join("python");
    let run = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(project.join(".venv/bin").join(program));
        let output =
            command.args(arguments).current_dir(&project).env("PYTHONPATH", "bindings:vendor").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    run("componentize-py", &["--wit-path", "wit", "--world", "converter-world", "bindings", "bindings"]);
    let script = "import json, sys; from converter_sdk import timestamp; \
                  print(json.dumps([timestamp(json.loads(line)[0]) for line in open(sys.argv[1])]))";
    let answers: Vec<Option<i64>> =
        serde_json::from_slice(&run("python3", &["-c", script, path.to_str().unwrap()])).unwrap();
    let differing: Vec<_> = table.iter().zip(answers).filter(|((_, expected), answer)| expected != answer).collect();
    assert!(differing.is_empty(), "{differing:?}");
}

/// A copy of a file under a key with a partition whose value is in no column, and one that dates the rows.
fn partitioned(file: &Path, directory: &Path) -> PathBuf {
    let directory = directory.join("grid=north/year=2018");
    fs::create_dir_all(&directory).unwrap();
    let copy = directory.join("sample.parquet");
    fs::copy(file, &copy).unwrap();
    copy
}

#[test]
fn a_partition_of_the_samples_key_becomes_a_tag_and_a_key_without_it_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (project, file) = (directory.path().join("hive"), raw_file());
    let sample = partitioned(&file, directory.path());
    let (project, sample) = (project.to_str().unwrap(), sample.to_str().unwrap());
    let said = build(&["new", "hive", "--from", sample, "--directory", project]);
    assert!(said.contains("\ntags    grid (of the key), nom_seriehistorica\n"), "{said}");
    build(&["build", project]);
    build(&["test", project, "--update"]);
    let lines = fs::read_to_string(Path::new(project).join("golden/grid=north/sample.lp")).unwrap();
    assert!(lines.starts_with("hive,grid=north,nom_seriehistorica=SP-CPFL\\ PAULISTA "), "{lines}");
    build(&["test", project]);

    let component = Path::new(project).join("converter.wasm");
    let loader = Loader::new(["convert", "--converter"]).argument(&component).argument(&file);
    let outcome = loader.run();
    assert_eq!(outcome.code, Some(1), "{outcome}");
    assert!(outcome.stderr.contains("the dataset `hive` requires the partition `grid`"), "{outcome}");
}

#[test]
fn inspect_shows_what_a_component_is_and_how_it_plans_a_file() {
    let component = rust_example();
    let inspect =
        || Loader::new(["converter", "inspect"]).argument(component).argument("--schema").argument(raw_file());
    let text = inspect().run().succeeded().stdout;
    let plan = text.split_once("\npoint ").expect("a plan").1;
    insta::assert_snapshot!(plan, @r#"
    1: consumption_data, time from computed column 0 (convert)
            key               from                     level      as     when missing             in rows of
     tag    region            "sudeste"                plan       text   omitted                  all
     tag    consumer_type     "distributor"            plan       text   omitted                  all
     tag    measurement_type  "load"                   plan       text   omitted                  all
     tag    sector            "distribution"           plan       text   omitted                  all
     tag    subsector         `nom_seriehistorica`     translate  text   omitted                  all
     field  power_mw          `val_itemserieoriginal`  plan       float  rejected: invalid-value  all
     field  unit              "MW"                     plan       text   omitted                  all
    translated, once a distinct value: `nom_seriehistorica`
    pushed into the sandbox, row by row: `din_ocorrencia`
    not used: none
    "#);

    let facts: Value = serde_json::from_str(&inspect().argument("--json").run().succeeded().stdout).unwrap();
    assert_eq!(facts["contract"], "0.1.0");
    assert_eq!(facts["plan"]["points"][0]["time"]["level"], "convert");
    assert_eq!(facts["plan"]["read"], serde_json::json!(["din_ocorrencia"]));
    for import in facts["imports"].as_array().unwrap() {
        assert!(import.as_str().unwrap().starts_with("influxdb-loader:converter/"), "{import}");
    }
}

#[test]
fn bench_measures_each_level_of_a_converter_on_a_real_file() {
    let directory = tempfile::tempdir().unwrap();
    let component = directory.path().join("consumption.wasm");
    fs::write(&component, converter_components::CONSUMPTION).unwrap();
    let bench = Loader::new(["converter", "bench", "--seconds", "1", "--json"]);
    let measured = bench.argument(&component).argument(consumption_file()).run().succeeded().stdout;
    let facts: Value = serde_json::from_str(&measured).unwrap();
    assert_eq!(facts["dataset"], "consumption");
    assert_eq!(facts["rows"], CONSUMPTION_ROWS);
    assert_eq!(facts["points"], CONSUMPTION_POINTS);
    assert_eq!(facts["rejected"], CONSUMPTION_ROWS - CONSUMPTION_POINTS);
    assert_eq!(facts["converter"]["bytes"], converter_components::CONSUMPTION.len());
    // The file's types are clean, so that no row goes into the sandbox.
    assert_eq!(facts["levels"]["convert"]["calls"], 0);
    let translate = &facts["levels"]["translate"];
    for count in [&translate["calls"], &translate["values"], &translate["bytes_in"], &translate["bytes_out"]] {
        assert!(count.as_u64().unwrap() > 0, "{facts}");
    }
    let (peak, limit) = (facts["memory_bytes"].as_u64().unwrap(), facts["memory_limit_bytes"].as_u64().unwrap());
    assert!(0 < peak && peak <= limit, "{facts}");
    for stage in ["decode", "converter", "encode"] {
        assert!(facts["stages"][stage]["rows_per_second"].as_u64().unwrap() > 0, "{facts}");
    }
}

#[test]
fn what_is_no_project_is_refused_with_a_hint() {
    let directory = tempfile::tempdir().unwrap();
    let outcome = Loader::new(["converter", "build"]).argument(directory.path()).run();
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.contains("has neither `Cargo.toml` nor `src/converter.py`\nhint: "), "{}", outcome.stderr);
}

#[test]
fn diff_shows_which_points_two_versions_make_differently() {
    let (old_key, new_key) = (b"power_mw", b"power_mx");
    let old_bytes = converter_components::CONSUMPTION;
    let places: Vec<usize> = (0..old_bytes.len()).filter(|&place| old_bytes[place..].starts_with(old_key)).collect();
    let [place] = places[..] else { panic!("not in one place: {places:?}") };
    let mut new_bytes = old_bytes.to_vec();
    new_bytes[place..place + new_key.len()].copy_from_slice(new_key);

    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = directory.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let (old, new) = (file("old.wasm", old_bytes), file("new.wasm", &new_bytes));
    let small = file("small.parquet", &parquet(&small_consumption()));
    let diff = |new: &Path| {
        let settings = Settings::default().with("DROP_INVALID_RECORDS", "true");
        Loader::new(["converter", "diff"]).argument(&old).argument(new).argument(&small).settings(settings)
    };

    let same = diff(&old).run().succeeded().stdout;
    assert!(same.ends_with("they make the same\n"), "{same}");

    let outcome = diff(&new).run();
    assert_eq!(outcome.code, Some(1), "{outcome}");
    let text = outcome.stdout.split_once("objects  1\n").expect("what was compared").1;
    insta::assert_snapshot!(text, @"
    points   2 by the old version, 2 by the new: 1 the same, 0 added, 0 removed, 1 changed

    points by measurement
      consumption_data: 0 added, 0 removed, 1 changed

    points by tag
      consumer_type=residential: 0 added, 0 removed, 1 changed
      measurement_type=load: 0 added, 0 removed, 1 changed
      region=southeast: 0 added, 0 removed, 1 changed

    fields by key
      power_mw: 0 added, 1 removed, 0 changed
      power_mx: 1 added, 0 removed, 0 changed

    rows
      rejected by the old version: 1 invalid-timestamp
      rejected by the new version: 1 invalid-timestamp

    ~ consumption_data,consumer_type=residential,measurement_type=load,region=southeast 1514764800000000000
        power_mw: 1.5 → none
        power_mx: none → 1.5

    they differ
    ");

    let facts: Value = serde_json::from_str(&diff(&new).argument("--json").run().stdout).unwrap();
    assert_eq!(facts["same"], false);
    assert_eq!(facts["points"]["changed"], 1);
    assert_eq!(facts["fields"][0], serde_json::json!({ "key": "power_mw", "added": 0, "removed": 1, "changed": 0 }));
    assert_eq!(facts["rejected"]["old"], facts["rejected"]["new"]);
}
