//! Converters of both contracts in one process.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Decimal128Array, DurationMillisecondArray, FixedSizeBinaryArray, Float64Array, Int64Array,
    RecordBatch, StringArray, Time32MillisecondArray, Time64MicrosecondArray, TimestampNanosecondArray,
};
use influxdb_loader::config::{Compression, Config};
use influxdb_loader::converter::{Contract, Converter, ConverterError};
use influxdb_loader::pipeline::{LoadRequest, Loader, Location};
use influxdb_loader::report::ObjectReport;
use influxdb_loader::sink::{LineWriter, Sink};
use influxdb_loader_tests::{consumption_0_2_component, consumption_file, metrics_component, parquet};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// A loader, and the lines that it makes.
struct Process {
    runtime: Runtime,
    loader: Loader,
    directory: TempDir,
}

impl Process {
    fn new() -> Self {
        let loader = Loader::new(&Config::read(|_| None).unwrap()).unwrap();
        Self { runtime: Runtime::new().unwrap(), loader, directory: tempfile::tempdir().unwrap() }
    }

    fn compile(&self, component: &[u8]) -> Converter {
        self.loader.catalog().compile(component).unwrap()
    }

    /// Writes a file of the directory.
    fn file(&self, name: &str, batch: &RecordBatch) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::write(&path, parquet(batch)).unwrap();
        path
    }

    /// The lines that a converter makes of a file, in order, and what became of its rows.
    fn load(&self, converter: &Converter, file: &Path) -> (Vec<String>, ObjectReport) {
        let dataset = converter.description().dataset.clone();
        self.loader.catalog().insert(dataset.clone(), converter.clone());
        let lines = self.directory.path().join("lines");
        let sink: Sink = LineWriter::file(&lines, Compression::None).unwrap().into();
        let location = Location::File(file.to_owned());
        let request = LoadRequest::new(&location).as_dataset(Some(&dataset));
        let report = self.runtime.block_on(async {
            let report = self.loader.load(&request, &sink, None, &()).await;
            sink.finish().await.unwrap();
            report
        });
        assert!(report.accounts.balances(), "{:?}", report.accounts);
        (fs::read_to_string(lines).unwrap().lines().map(str::to_owned).collect(), report)
    }
}

#[test]
fn a_dataset_gives_the_same_points_by_a_component_of_each_contract() {
    let process = Process::new();
    // As it was built before there was another contract.
    let first = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/components-0.1/consumption.wasm");
    let first = process.compile(&fs::read(first).unwrap());
    let second = process.compile(consumption_0_2_component());
    assert_eq!((first.contract(), second.contract()), (Contract::V0_1, Contract::V0_2));
    let (lines, report) = process.load(&first, &consumption_file());
    assert!(report.failure.is_none() && lines.len() == 75_440, "{report:?}");
    let (again, report) = process.load(&second, &consumption_file());
    assert!(report.failure.is_none(), "{report:?}");
    assert!(lines == again, "the contracts differ");
    // And once more, so that none has taken the other's place.
    assert!(process.load(&first, &consumption_file()).0 == lines);
}

/// Two rows of a table of the family: the columns that all tables have, and one of its own.
fn table(name: &str, column: &str, values: ArrayRef) -> RecordBatch {
    let texts = |texts: [Option<&str>; 2]| Arc::new(StringArray::from_iter(texts)) as ArrayRef;
    RecordBatch::try_from_iter([
        ("time", Arc::new(TimestampNanosecondArray::from(vec![1_700_000_000_000_000_000; 2])) as ArrayRef),
        ("measure_name", texts([Some(name), Some(name)])),
        ("host_name", texts([Some("a"), Some("b c")])),
        (column, values),
    ])
    .unwrap()
}

#[test]
fn a_family_of_tables_is_loaded_by_one_converter_whose_parameters_rename_a_column() {
    let process = Process::new();
    let plain = process.compile(metrics_component());
    let renaming = plain.with_parameters(r#"{ "rename": { "host_name": "host", "busy": "load" } }"#.into()).unwrap();
    let bytes = Decimal128Array::from(vec![1 << 53, (1 << 53) + 1]).with_precision_and_scale(18, 0).unwrap();
    let tables = [
        table("cpu", "busy", Arc::new(Float64Array::from(vec![0.5, 0.25]))),
        table("memory", "bytes", Arc::new(bytes)),
        table("disk usage", "full", Arc::new(BooleanArray::from(vec![true, false]))),
    ];
    let files: Vec<_> = tables.iter().map(|table| process.file("table.parquet", table)).collect();
    let mut found = Vec::new();
    for (table, file) in tables.iter().zip(&files) {
        fs::write(file, parquet(table)).unwrap();
        let (lines, report) = process.load(&renaming, file);
        assert!(report.failure.is_none(), "{report:?}");
        found.extend(lines);
    }
    insta::assert_snapshot!(found.join("\n"), @r"
    cpu,host=a load=0.5 1700000000000000000
    cpu,host=b\ c load=0.25 1700000000000000000
    memory,host=a bytes=9007199254740992i 1700000000000000000
    memory,host=b\ c bytes=9007199254740993i 1700000000000000000
    disk\ usage,host=a full=true 1700000000000000000
    disk\ usage,host=b\ c full=false 1700000000000000000
    ");
    // The same converter without them, in the same process: nothing is left of the parameters.
    fs::write(&files[0], parquet(&tables[0])).unwrap();
    let (lines, _) = process.load(&plain, &files[0]);
    insta::assert_snapshot!(lines.join("\n"), @r"
    cpu,host_name=a busy=0.5 1700000000000000000
    cpu,host_name=b\ c busy=0.25 1700000000000000000
    ");
}

#[test]
fn times_of_day_durations_and_bytes_have_types_of_their_own() {
    let process = Process::new();
    let bytes = FixedSizeBinaryArray::try_from_iter([[0, 0x7f, 0xff], [1, 2, 3]].into_iter()).unwrap();
    let rows = RecordBatch::try_from_iter([
        ("time", Arc::new(TimestampNanosecondArray::from(vec![1, 2])) as ArrayRef),
        ("measure_name", Arc::new(StringArray::from(vec!["shift"; 2]))),
        ("begins", Arc::new(Time32MillisecondArray::from(vec![Some(28_800_000), None]))),
        ("ends", Arc::new(Time64MicrosecondArray::from(vec![57_600_000_000, 86_399_999_999]))),
        ("takes", Arc::new(DurationMillisecondArray::from(vec![-1_500, i64::MAX]))),
        ("badge", Arc::new(bytes)),
    ])
    .unwrap();
    let file = process.file("shifts.parquet", &rows);
    let converter = process.compile(metrics_component());
    let converter = converter.with_parameters(r#"{ "file_tag": "file" }"#.into()).unwrap();
    let (lines, report) = process.load(&converter, &file);
    assert!(report.failure.is_none(), "{report:?}");
    insta::assert_snapshot!(lines.join("\n"), @r"
    shift,badge=007fff,file=shifts.parquet begins=28800000000000i,ends=57600000000000i,takes=-1500000000i 1
    shift,badge=010203,file=shifts.parquet ends=86399999999000i 2
    ");
}

#[test]
fn a_row_whose_measurement_is_missing_or_cannot_be_written_is_rejected() {
    let process = Process::new();
    let names = [Some("cpu"), None, Some(""), Some("two\nlines"), Some("#comment"), Some("a,b c")];
    let rows = RecordBatch::try_from_iter([
        ("time", Arc::new(TimestampNanosecondArray::from_iter_values(1..=6)) as ArrayRef),
        ("measure_name", Arc::new(StringArray::from_iter(names))),
        ("value", Arc::new(Int64Array::from_iter_values(1..=6))),
    ])
    .unwrap();
    let file = process.file("rows.parquet", &rows);
    let (lines, report) = process.load(&process.compile(metrics_component()), &file);
    insta::assert_snapshot!(lines.join("\n"), @r"
    cpu value=1i 1
    a\,b\ c value=6i 6
    ");
    let rejected: Vec<_> = report.accounts.rejected.iter().map(|(code, rows)| format!("{code} {rows}")).collect();
    insta::assert_snapshot!(rejected.join("\n"), @"
    invalid-measurement 2
    unwritable 2
    ");
}

#[test]
fn parameters_are_json_of_a_bounded_size_and_no_part_of_contract_0_1() {
    let process = Process::new();
    let second = process.compile(metrics_component());
    let refused = |converter: &Converter, parameters: &str| match converter.with_parameters(parameters.into()) {
        Err(error @ ConverterError::Parameters { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    };
    insta::assert_snapshot!(refused(&second, "{ rename: 7 }"), @"converter `metrics` 0.1.0 cannot be given its parameters: they are no JSON: key must be a string at line 1 column 3");
    insta::assert_snapshot!(refused(&second, &format!("\"{}\"", "x".repeat(1024 * 1024))), @"converter `metrics` 0.1.0 cannot be given its parameters: they have 1048578 bytes, at most 1048576 are allowed");
    let first = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/components-0.1/consumption.wasm");
    let first = process.compile(&fs::read(first).unwrap());
    insta::assert_snapshot!(refused(&first, "{}"), @"converter `consumption` 1.0.0 cannot be given its parameters: it speaks contract 0.1.0, parameters came with 0.2.0");
}
