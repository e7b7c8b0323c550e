#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, ListArray, RecordBatch,
    StringArray, TimestampMicrosecondArray, UInt64Array,
};
use arrow::datatypes::{Field, Int32Type, Schema};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::config::RejectsUri;
use crate::report::{ConverterId, RejectedRow};
use crate::source::{Memory, ParquetObject};

/// A directory with an object, and a place for its rejected rows.
struct Bench {
    directory: TempDir,
    object: ParquetObject,
    source: Source,
}

impl Bench {
    fn new(rows: &RecordBatch, row_group: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("object.parquet");
        write(&path, rows, row_group);
        let source = Source::file(&path).unwrap();
        Self { object: ParquetObject::open_file(&path, Memory::default()).unwrap(), source, directory }
    }

    fn place(&self) -> Place {
        Place::File(self.directory.path().join("rejects/object.jsonl"))
    }

    fn origin(&self) -> Origin {
        let converter = ConverterId {
            name: "consumption".to_owned(),
            version: "1.2.0".to_owned(),
            digest: "0123abcd".to_owned(),
            parameters: None,
        };
        Origin { source: self.source.clone(), dataset: "consumption".to_owned(), converter }
    }

    /// The draft with these rows, rejected in this order.
    fn draft(&self, rows: impl IntoIterator<Item = RejectedRow>) -> Draft {
        let mut writer = RejectWriter::new(self.object.clone(), &self.origin(), Draft::new(self.place()));
        for row in rows {
            writer.push(row).unwrap();
        }
        writer.finish(None).unwrap()
    }

    /// The lines of the draft with these rows, without the path of the object.
    async fn lines(&self, rows: impl IntoIterator<Item = RejectedRow>) -> String {
        self.draft(rows).publish(None).await.unwrap();
        let text = fs::read_to_string(self.place().to_string()).unwrap();
        text.replace(&self.source.to_string(), "/data/object.parquet")
    }

    async fn snapshot(&self, lines: &str) -> Snapshot {
        let path = self.place().to_string();
        fs::create_dir_all(Path::new(&path).parent().unwrap()).unwrap();
        fs::write(&path, lines).unwrap();
        self.place().fetch().await.unwrap()
    }
}

fn write(path: &Path, rows: &RecordBatch, row_group: usize) {
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(row_group)).build();
    let file = fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, rows.schema(), Some(properties)).unwrap();
    writer.write(rows).unwrap();
    writer.close().unwrap();
}

fn rejected(row: u64, code: &str, message: &str) -> RejectedRow {
    RejectedRow { row, row_group: None, code: code.to_owned(), message: message.to_owned() }
}

/// Rows with their number.
fn numbered(rows: usize) -> RecordBatch {
    let numbers = Int64Array::from_iter_values(0..rows as i64);
    let texts = StringArray::from_iter_values((0..rows).map(|row| format!("row {row}")));
    RecordBatch::try_from_iter([("number", Arc::new(numbers) as ArrayRef), ("text", Arc::new(texts))]).unwrap()
}

#[tokio::test]
async fn a_line_says_where_the_row_comes_from_why_it_was_rejected_and_what_it_holds() {
    let bench = Bench::new(&numbered(10), 4);
    let rows = [rejected(9, "b", "last"), rejected(0, "a", "a \"quoted\" word"), rejected(5, "b", "ação")];
    insta::assert_snapshot!(bench.lines(rows).await, @r#"
    {"source":{"file":"/data/object.parquet"},"dataset":"consumption","converter":{"name":"consumption","version":"1.2.0","digest":"0123abcd"},"row_group":0,"row":0,"code":"a","message":"a \"quoted\" word","columns":{"number":0,"text":"row 0"},"omitted":[]}
    {"source":{"file":"/data/object.parquet"},"dataset":"consumption","converter":{"name":"consumption","version":"1.2.0","digest":"0123abcd"},"row_group":1,"row":5,"code":"b","message":"ação","columns":{"number":5,"text":"row 5"},"omitted":[]}
    {"source":{"file":"/data/object.parquet"},"dataset":"consumption","converter":{"name":"consumption","version":"1.2.0","digest":"0123abcd"},"row_group":2,"row":9,"code":"b","message":"last","columns":{"number":9,"text":"row 9"},"omitted":[]}
    "#);
}

#[tokio::test]
async fn every_type_has_its_form_in_json() {
    let times = TimestampMicrosecondArray::from(vec![Some(1_514_764_800_123_456), Some(-1), None]);
    let decimals = Decimal128Array::from(vec![12_345, -1, 0]).with_precision_and_scale(10, 2).unwrap();
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(1)]), None, Some(vec![])]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("boolean", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None]))),
        ("integer", Arc::new(Int64Array::from(vec![Some(i64::MIN), Some(i64::MAX), None]))),
        ("unsigned", Arc::new(UInt64Array::from(vec![Some(u64::MAX), Some(0), None]))),
        ("float", Arc::new(Float64Array::from(vec![0.1, f64::NAN, f64::INFINITY]))),
        ("small", Arc::new(Float64Array::from(vec![1e300, -0.0, f64::NEG_INFINITY]))),
        ("decimal", Arc::new(decimals)),
        ("text", Arc::new(StringArray::from(vec![Some("São\u{1f}\"\\"), Some(""), None]))),
        ("time", Arc::new(times.with_timezone("America/Sao_Paulo"))),
        ("date", Arc::new(Date32Array::from(vec![Some(0), Some(-1), None]))),
        ("list \"a\"", Arc::new(lists)),
        ("text", Arc::new(StringArray::from(vec!["the", "second", "column"]))),
    ];
    let fields: Vec<Field> =
        columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    let rows = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap();
    let bench = Bench::new(&rows, 3);
    let lines = bench.lines((0..3).map(|row| rejected(row, "bad", ""))).await;
    let contents: Vec<&str> = lines.lines().map(|line| line.split_once("\"columns\":").unwrap().1).collect();
    insta::assert_snapshot!(contents.join("\n"), @r#"
    {"boolean":true,"integer":-9223372036854775808,"unsigned":18446744073709551615,"float":0.1,"small":1e+300,"decimal":123.45,"text":"São\u001f\"\\","time":"2018-01-01T00:00:00.123456000Z","date":"1970-01-01T00:00:00.000000000Z"},"omitted":["list \"a\"","text"]}
    {"boolean":false,"integer":9223372036854775807,"unsigned":0,"float":"NaN","small":-0.0,"decimal":-0.01,"text":"","time":"1969-12-31T23:59:59.999999000Z","date":"1969-12-31T00:00:00.000000000Z"},"omitted":["list \"a\"","text"]}
    {"boolean":null,"integer":null,"unsigned":null,"float":"Infinity","small":"-Infinity","decimal":0.00,"text":null,"time":null,"date":null},"omitted":["list \"a\"","text"]}
    "#);
}

#[tokio::test]
async fn cells_that_are_too_long_are_left_out_and_named() {
    let long = ["x".repeat(1024 * 1024), "y".repeat(1024 * 1024 + 1)];
    let columns: Vec<(String, ArrayRef)> = (0..10)
        .map(|column| (format!("c{column}"), Arc::new(StringArray::from(vec![long[column % 2].as_str()])) as ArrayRef))
        // As bytes, a control character takes six times its length in JSON.
        .chain((0..2).map(|column| {
            (format!("wide{column}"), Arc::new(StringArray::from(vec!["\u{1}".repeat(1024 * 1024)])) as ArrayRef)
        }))
        .collect();
    let bench = Bench::new(&RecordBatch::try_from_iter(columns).unwrap(), 1);
    let lines = bench.lines([rejected(0, "bad", "")]).await;
    assert!(lines.len() < LINE_BYTES / 2, "{}", lines.len());
    insta::assert_snapshot!(lines.split_once("\"omitted\":").unwrap().1, @r#"["c1","c3","c5","c7","c9","wide0","wide1"]}"#);
    let (_, groups) = bench.place().fetch().await.unwrap().groups().await.unwrap();
    assert_eq!(groups[0].len(), 1);
}

#[tokio::test]
async fn nothing_is_made_while_nothing_is_rejected() {
    let bench = Bench::new(&numbered(10), 4);
    let before = bench.object.bytes_read();
    bench.draft([]).publish(None).await.unwrap();
    assert_eq!(bench.object.bytes_read(), before);
    assert!(!bench.directory.path().join("rejects").exists());
}

#[tokio::test]
async fn rejecting_nothing_removes_what_was_there() {
    let bench = Bench::new(&numbered(10), 4);
    bench.lines([rejected(1, "bad", "")]).await;
    bench.draft([]).publish(None).await.unwrap();
    assert_eq!(fs::read_dir(bench.directory.path().join("rejects")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_row_that_the_object_does_not_have_is_an_error() {
    let bench = Bench::new(&numbered(10), 4);
    let mut writer = RejectWriter::new(bench.object.clone(), &bench.origin(), Draft::new(bench.place()));
    writer.push(rejected(10, "bad", "")).unwrap();
    assert!(matches!(writer.finish(None), Err(RejectsError::Content(_))));
    assert!(!bench.directory.path().join("rejects").exists());
}

#[tokio::test]
async fn a_draft_that_is_dropped_leaves_nothing_behind() {
    let bench = Bench::new(&numbered(10), 4);
    drop(bench.draft([rejected(1, "bad", "")]));
    assert_eq!(fs::read_dir(bench.directory.path().join("rejects")).unwrap().count(), 0);
}

#[tokio::test]
async fn what_changed_in_the_meantime_is_neither_replaced_nor_removed() {
    let bench = Bench::new(&numbered(10), 4);
    let mut stale = bench.snapshot("{}\n").await.state;
    let lines = bench.lines([rejected(1, "bad", "")]).await;
    for draft in [bench.draft([rejected(2, "bad", "")]), bench.draft([])] {
        let error = draft.publish(stale.clone()).await.unwrap_err();
        assert!(matches!(error, RejectsError::Changed { .. }), "{error}");
        assert_eq!(fs::read_to_string(bench.place().to_string()).unwrap().lines().count(), lines.lines().count());
    }
    stale = bench.place().fetch().await.unwrap().state;
    bench.draft([]).publish(stale).await.unwrap();
    assert!(matches!(bench.place().fetch().await, Err(RejectsError::NotFound { .. })));
}

#[tokio::test]
async fn a_place_that_cannot_be_written_is_an_error() {
    let bench = Bench::new(&numbered(10), 4);
    fs::write(bench.directory.path().join("rejects"), "a file, no directory").unwrap();
    let mut writer = RejectWriter::new(bench.object.clone(), &bench.origin(), Draft::new(bench.place()));
    writer.push(rejected(1, "bad", "")).unwrap();
    let error = writer.finish(None).unwrap_err();
    let directory = bench.directory.path().display().to_string();
    insta::assert_snapshot!(error.to_string().replace(&directory, "/data"), @"rejected rows cannot be written to `/data/rejects/object.jsonl`");
}

#[tokio::test]
async fn all_rows_of_a_large_object_are_kept_in_little_memory_and_in_order() {
    const ROWS: u64 = 300_000;
    let bench = Bench::new(&numbered(300_000), 100_000);
    // From the last to the first, each for a reason of its own in the second half.
    let rows = (0..ROWS).rev().map(|row| match row {
        0..150_000 => rejected(row, "bad", "they are all alike"),
        _ => rejected(row, "bad", &format!("{row} is bad")),
    });
    bench.draft(rows).publish(None).await.unwrap();
    let mut seen = vec![0_u8; 300_000];
    let (mut before, mut descents) = (0, 0);
    let mut snapshot = bench.place().fetch().await.unwrap();
    snapshot
        .lines::<RejectsError>(|line, text| {
            let content = format!("\"columns\":{{\"number\":{0},\"text\":\"row {0}\"}},\"omitted\":[]}}\n", line.row);
            assert!(String::from_utf8_lossy(text).ends_with(&content));
            seen[usize::try_from(line.row).unwrap()] += 1;
            descents += u32::from(line.row < before);
            before = line.row;
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
    assert!(seen.iter().all(|times| *times == 1));
    assert_eq!(descents, 1, "they are written down once in between");
}

/// The error for a line after a good one.
async fn refused(line: &str) -> String {
    let bench = Bench::new(&numbered(3), 3);
    let good = bench.lines([rejected(1, "bad", "")]).await;
    let mut snapshot = bench.snapshot(&format!("{good}{line}\n{good}")).await;
    let mut lines = 0;
    let taken = snapshot.lines::<RejectsError>(|_, _| {
        lines += 1;
        Ok(ControlFlow::Continue(()))
    });
    assert_eq!(lines, 1);
    taken.unwrap_err().to_string().replace(&bench.place().to_string(), "PLACE")
}

/// A line with something else in the place of a part of it.
fn changed(from: &str, to: &str) -> String {
    let line = r#"{"source":{"bucket":"energy","key":"a.parquet","version_id":null,"etag":"0a"},"dataset":"consumption","converter":{"name":"consumption","version":"1.2.0","digest":"00"},"row_group":0,"row":1,"code":"bad","message":"","columns":{"number":1},"omitted":[]}"#;
    assert!(line.contains(from));
    line.replace(from, to)
}

#[tokio::test]
async fn lines_that_are_damaged_or_foreign_are_refused_by_number() {
    insta::assert_snapshot!(refused("").await, @"`PLACE`, line 2: it is no rejected row: EOF while parsing a value at column 0");
    insta::assert_snapshot!(refused("not JSON").await, @"`PLACE`, line 2: it is no rejected row: expected ident at column 2");
    insta::assert_snapshot!(refused(r#"{"level":"info","message":"loaded"}"#).await, @"`PLACE`, line 2: it is no rejected row: missing field `source` at column 35");
    insta::assert_snapshot!(refused(&changed(r#","omitted":[]}"#, "")).await, @"`PLACE`, line 2: it is no rejected row: EOF while parsing an object at column 239");
    insta::assert_snapshot!(refused(&changed(r#""row":1"#, r#""row":-1"#)).await, @"`PLACE`, line 2: it is no rejected row: invalid value: integer `-1`, expected u64 at column 191");
    insta::assert_snapshot!(refused(&changed(r#""row":1"#, r#""row":1,"row":2"#)).await, @"`PLACE`, line 2: it is no rejected row: duplicate field `row` at column 196");
    insta::assert_snapshot!(refused(&changed(r#""row":1"#, r#""row":18446744073709551615"#)).await, @"`PLACE`, line 2: its `row` cannot be one");
}

#[tokio::test]
async fn lines_that_lead_elsewhere_are_refused_by_number() {
    insta::assert_snapshot!(refused(&changed(r#""bucket":"energy""#, r#""bucket":"a/../b""#)).await, @"`PLACE`, line 2: its `bucket` cannot be one");
    insta::assert_snapshot!(refused(&changed(r#""key":"a.parquet""#, r#""key":"""#)).await, @"`PLACE`, line 2: its `key` cannot be one");
    insta::assert_snapshot!(refused(&changed(r#""etag":"0a""#, r#""etag":"0a\r\nx-amz-acl: public-read""#)).await, @"`PLACE`, line 2: its `etag` cannot be one");
    insta::assert_snapshot!(refused(&changed(r#""etag":"0a""#, r#""etag":"0a","file":"/etc/passwd""#)).await, @"`PLACE`, line 2: its `source` is neither an object of S3, with `bucket` and `key`, nor a `file`");
    insta::assert_snapshot!(refused(&changed(r#""bucket":"energy","key":"a.parquet","version_id":null,"etag":"0a""#, r#""file":"a.parquet""#)).await, @"`PLACE`, line 2: its `file` cannot be one");
    insta::assert_snapshot!(refused(&changed(r#""dataset":"consumption""#, r#""dataset":"../consumption""#)).await, @"`PLACE`, line 2: its `dataset` cannot be one");
}

#[tokio::test]
async fn lines_without_end_and_depth_without_bottom_are_refused() {
    let long = "x".repeat(LINE_BYTES);
    insta::assert_snapshot!(refused(&long).await, @"`PLACE`, line 2: it is longer than 16777216 bytes");
    let deep = changed(r#""number":1"#, &format!("\"number\":{}", "[".repeat(100_000)));
    insta::assert_snapshot!(refused(&deep).await, @"`PLACE`, line 2: it is no rejected row: recursion limit exceeded at column 363");
}

#[tokio::test]
async fn rows_are_grouped_by_object_once_and_in_order() {
    let bench = Bench::new(&numbered(3), 3);
    let lines = [
        changed(r#""row":1"#, r#""row":7"#),
        changed(r#""row":1"#, r#""row":3"#),
        changed(r#""row":1"#, r#""row":7"#),
        changed(r#""key":"a.parquet""#, r#""key":"b.parquet""#),
        // The same object after it was replaced.
        changed(r#""etag":"0a""#, r#""etag":"0b""#),
    ];
    let (_, groups) = bench.snapshot(&lines.join("\n")).await.groups().await.unwrap();
    let told: Vec<String> = groups.iter().map(|group| format!("{} {:?}", group.source, group.selection())).collect();
    insta::assert_snapshot!(told.join("\n"), @"
    s3://energy/a.parquet Rows([3..4, 7..8])
    s3://energy/a.parquet Rows([1..2])
    s3://energy/b.parquet Rows([1..2])
    ");
}

#[tokio::test]
async fn rows_that_hold_something_else_by_now_are_told_from_those_that_do_not() {
    let bench = Bench::new(&numbered(10), 4);
    bench.draft([1, 5, 8, 9].map(|row| rejected(row, "bad", ""))).publish(None).await.unwrap();
    let (snapshot, mut groups) = bench.place().fetch().await.unwrap().groups().await.unwrap();
    // One row has another text, and the last one is gone.
    let numbers: Vec<i64> = (0..9).collect();
    let texts = (0..9).map(|row| if row == 5 { "changed".to_owned() } else { format!("row {row}") });
    let columns: [(&str, ArrayRef); 2] =
        [("number", Arc::new(Int64Array::from(numbers))), ("text", Arc::new(StringArray::from_iter_values(texts)))];
    let Source::File { file } = &bench.source else { unreachable!() };
    write(Path::new(file), &RecordBatch::try_from_iter(columns).unwrap(), 3);
    let object = ParquetObject::open_file(Path::new(file), Memory::default()).unwrap();
    let (same, changed) = groups.remove(0).part(object).await.unwrap();
    assert_eq!((same.first(9), changed.first(9)), (vec![1, 8], vec![5, 9]));
    // The lines of the others are copied as they are.
    let (_, draft) = snapshot.copy(changed, Draft::new(bench.place())).await.unwrap();
    draft.publish(None).await.unwrap();
    let (_, groups) = bench.place().fetch().await.unwrap().groups().await.unwrap();
    assert_eq!(groups[0].first(9), [5, 9]);
}

#[tokio::test]
async fn places_are_found_below_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["b/c.jsonl", "a.jsonl", "b/.x.jsonl.partial", "b/readme"] {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    std::os::unix::fs::symlink(directory.path(), directory.path().join("again")).unwrap();
    let root = directory.path().display().to_string();
    let found = find(&root).await.unwrap();
    assert_eq!(found, ["a.jsonl", "b/c.jsonl"].map(|name| Place::File(directory.path().join(name))));
    assert_eq!(find(&format!("file://{root}/a.jsonl")).await.unwrap(), found[..1]);
    assert!(matches!(find("/nowhere").await, Err(RejectsError::NotFound { .. })));
    assert!(matches!(find("gs://bucket/prefix").await, Err(RejectsError::NotFound { .. })));
}

#[test]
fn a_file_whose_path_is_no_text_is_refused_by_name() {
    use std::os::unix::ffi::OsStrExt;

    let path = Path::new(std::ffi::OsStr::from_bytes(b"/data/\xff.parquet"));
    insta::assert_snapshot!(Source::file(path).unwrap_err(), @"
    rejected rows of `/data/�.parquet` cannot be kept, because its path is not UTF-8
    hint: rename it, or load it without `REJECTS_URI`
    ");
    let relative = Source::file(Path::new("a.parquet")).unwrap().to_string();
    assert!(relative.starts_with('/') && relative.ends_with("/a.parquet"), "{relative}");
}

#[test]
fn the_place_follows_from_the_setting_and_the_source() {
    let source = Source::S3 { bucket: "energy".into(), key: "a.parquet".into(), version_id: None, etag: None };
    let place = |text| Place::of(&RejectsUri::parse(text).unwrap(), &source, None).to_string();
    assert_eq!(place("s3://rejects"), "s3://rejects/energy/a.parquet.jsonl");
    assert_eq!(place("s3://rejects/prefix/"), "s3://rejects/prefix/energy/a.parquet.jsonl");
    assert_eq!(place("/var/rejects"), "/var/rejects/energy/a.parquet.jsonl");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_text_comes_back_as_it_was(texts in proptest::collection::vec(proptest::option::of(".{0,20}"), 1..20)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let column: ArrayRef = Arc::new(StringArray::from(texts.clone()));
        let bench = Bench::new(&RecordBatch::try_from_iter([("t", column)]).unwrap(), 7);
        let rows = (0..texts.len() as u64).map(|row| rejected(row, "bad", "x"));
        let lines = runtime.block_on(bench.lines(rows));
        let read: Vec<Option<String>> = lines
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["columns"]["t"].as_str().map(str::to_owned))
            .collect();
        prop_assert_eq!(read, texts);
        let (_, mut groups) = runtime.block_on(async { bench.place().fetch().await.unwrap().groups().await.unwrap() });
        let (_, changed) = runtime.block_on(groups.remove(0).part(bench.object)).unwrap();
        prop_assert!(changed.is_empty());
    }
}

#[tokio::test]
async fn rows_that_were_kept_as_contract_0_2_has_them_are_told_to_be_the_same() {
    // A struct, whose leaves are columns there, and a time of day, which is counted in nanoseconds there.
    let name = Arc::new(StringArray::from_iter_values((0..5).map(|row| format!("station {row}")))) as ArrayRef;
    let station = arrow::array::StructArray::from(vec![(
        Arc::new(arrow::datatypes::Field::new("name", name.data_type().clone(), false)),
        name,
    )]);
    let morning = arrow::array::Time32MillisecondArray::from_iter_values(0..5);
    let columns: [(&str, ArrayRef); 2] = [("station", Arc::new(station)), ("morning", Arc::new(morning))];
    let mut bench = Bench::new(&RecordBatch::try_from_iter(columns).unwrap(), 4);
    let as_first = bench.object.clone();
    bench.object = bench.object.in_types_of(crate::source::Edition::Second);
    bench.draft([1, 3].map(|row| rejected(row, "bad", ""))).publish(None).await.unwrap();
    let kept = fs::read_to_string(bench.place().to_string()).unwrap();
    assert!(kept.contains(r#""columns":{"station.name":"station 1","morning":1000000},"omitted":[]"#), "{kept}");
    let (_, mut groups) = bench.place().fetch().await.unwrap().groups().await.unwrap();
    let (same, changed) = groups.remove(0).part(as_first).await.unwrap();
    assert_eq!((same.first(9), changed.first(9)), (vec![1, 3], vec![]));
}
