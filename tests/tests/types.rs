//! Columns of every type that real writers give a Parquet file, read as the file means them. Files that a library would not write
//! are written by Parquet's own types.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Decimal128Array, Float32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    UInt8Array,
};
use influxdb_loader_tests::{Loader, Outcome, every_column_component, parquet};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, FixedLenByteArray, FixedLenByteArrayType, Int32Type};
use parquet::data_type::{Int64Type, Int96, Int96Type};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use tempfile::TempDir;

/// A file with a column `row` of numbers from 0 and one more, `c`.
fn file<T: DataType>(column: &str, values: &[T::T]) -> Vec<u8> {
    let schema = parse_message_type(&format!("message m {{ required int64 row; required {column}; }}")).unwrap();
    let properties = WriterProperties::builder().set_statistics_enabled(EnabledStatistics::None).build();
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, Arc::new(schema), Arc::new(properties)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let rows: Vec<i64> = (0..values.len()).map(|row| row as i64).collect();
    let mut chunk = group.next_column().unwrap().unwrap();
    chunk.typed::<Int64Type>().write_batch(&rows, None, None).unwrap();
    chunk.close().unwrap();
    let mut chunk = group.next_column().unwrap().unwrap();
    chunk.typed::<T>().write_batch(values, None, None).unwrap();
    chunk.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
    bytes
}

struct Converted {
    directory: TempDir,
    path: PathBuf,
}

impl Converted {
    fn new(bytes: &[u8]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.parquet");
        fs::write(&path, bytes).unwrap();
        fs::write(directory.path().join("every-column.wasm"), every_column_component()).unwrap();
        Self { directory, path }
    }

    fn run(&self) -> Outcome {
        let component = self.directory.path().join("every-column.wasm");
        let run = Loader::new(["convert", "--dataset", "every-column", "--converter"]).argument(component);
        run.argument(&self.path).run()
    }

    /// What the fields `c` and `c_text` of each row are, as they are written.
    fn fields(&self) -> Vec<String> {
        let lines = self.run().succeeded().stdout;
        let field = |line: &str| {
            let (_, fields) = line.split_once("i,").unwrap_or_default();
            spelled(fields.rsplit_once(' ').unwrap_or_default().0)
        };
        lines.lines().map(field).collect()
    }
}

fn read<T: DataType>(column: &str, values: &[T::T]) -> Vec<String> {
    Converted::new(&file::<T>(column, values)).fields()
}

fn bytes(values: &[&[u8]]) -> Vec<ByteArray> {
    values.iter().map(|value| ByteArray::from(value.to_vec())).collect()
}

#[test]
fn int96_keeps_its_nanoseconds_and_is_null_beyond_them() {
    let time = |day: u32, nanoseconds: u64| {
        let mut time = Int96::new();
        let [low, high] =
            [nanoseconds & u64::from(u32::MAX), nanoseconds >> 32].map(|half| u32::try_from(half).unwrap());
        time.set_data(low, high, day);
        time
    };
    // 2023-11-14T22:13:20.123456789, 9999-12-31, 1000-01-01.
    let times = [time(2_460_263, 80_000_123_456_789), time(5_373_484, 0), time(2_086_303, 0)];
    let text = "c=1700000000123456789i,c_text=\"2023-11-14T22:13:20.123456789Z\"";
    assert_eq!(read::<Int96Type>("int96 c", &times), [text, "", ""]);
}

#[test]
fn decimals_are_exact_as_text_and_the_nearest_float() {
    let text = read::<Int64Type>("int64 c (decimal(18, 0))", &[571_313_174_160_000_019, -1]);
    assert_eq!(text, ["c=571313174160000000,c_text=\"571313174160000019\"", "c=-1.0,c_text=\"-1\""].map(spelled));
    let text = read::<Int32Type>("int32 c (decimal(9, 2))", &[10, -12_345]);
    assert_eq!(text, ["c=0.1,c_text=\"0.10\"", "c=-123.45,c_text=\"-123.45\""]);
    let text = read::<ByteArrayType>("binary c (decimal(30, 1))", &bytes(&[&[0x01, 0, 0, 0, 0, 0, 0, 0, 0], &[0xff]]));
    assert_eq!(text, ["c=1844674407370955200,c_text=\"1844674407370955161.6\"", "c=-0.1,c_text=\"-0.1\""].map(spelled));
}

/// Fields with the first one spelled as Rust does it where it is a float.
fn spelled(fields: &str) -> String {
    let (first, rest) = fields.split_once(',').unwrap_or((fields, ""));
    match first.strip_prefix("c=").and_then(|float| float.parse::<f64>().ok()) {
        Some(float) => format!("c={float:?},{rest}"),
        None => fields.to_owned(),
    }
}

#[test]
fn json_enumerations_and_bytes_are_text() {
    for column in ["binary c (json)", "binary c (enum)", "binary c (string)", "binary c"] {
        let text = read::<ByteArrayType>(column, &bytes(&[b"{}", "São".as_bytes()]));
        assert_eq!(text, ["c=\"{}\",c_text=\"{}\"", "c=\"São\",c_text=\"São\""], "{column}");
    }
}

#[test]
fn a_row_whose_text_is_not_utf_8_is_rejected_where_the_column_is_used() {
    for column in ["binary c (json)", "binary c (enum)", "binary c (string)", "binary c"] {
        let converted = Converted::new(&file::<ByteArrayType>(column, &bytes(&[b"a", b"S\xe3o", b"a"])));
        assert_eq!(converted.fields().len(), 2, "{column}");
        let said = converted.run().stderr;
        assert!(said.contains("invalid-text"), "{said}");
        assert!(said.contains("the column `c` holds bytes that are not UTF-8"), "{said}");
    }
}

#[test]
fn a_uuid_is_text_with_hyphens() {
    let value = FixedLenByteArray::from((0..16).map(|byte| byte * 17).collect::<Vec<u8>>());
    let text = read::<FixedLenByteArrayType>("fixed_len_byte_array(16) c (uuid)", &[value]);
    let uuid = "00112233-4455-6677-8899-aabbccddeeff";
    assert_eq!(text, [format!("c=\"{uuid}\",c_text=\"{uuid}\"")]);
}

#[test]
fn times_of_day_are_integers() {
    assert_eq!(read::<Int32Type>("int32 c (time_millis)", &[86_399_999]), ["c=86399999i,c_text=\"86399999\""]);
    assert_eq!(read::<Int64Type>("int64 c (time_micros)", &[1]), ["c=1i,c_text=\"1\""]);
}

#[test]
fn a_decimal_without_a_scale_has_none() {
    // The element of the schema without its scale, in the protocol of the footer: DECIMAL, scale 0, precision 18.
    let with = file::<Int64Type>("int64 c (decimal(18, 0))", &[42]);
    let scale = [0x25, 0x0a, 0x15, 0x00, 0x15, 0x24];
    let place = with.windows(scale.len()).position(|window| window == scale).unwrap();
    let without = [&with[..place], &[0x25, 0x0a, 0x25, 0x24], &with[place + scale.len()..]].concat();
    let length = without.len() - 8;
    let metadata = u32::from_le_bytes(without[length..length + 4].try_into().unwrap()) - 2;
    let without = [&without[..length], &metadata.to_le_bytes(), b"PAR1"].concat();
    assert_eq!(Converted::new(&without).fields(), ["c=42.0,c_text=\"42\""]);
}

#[test]
fn a_file_whose_metadata_is_damaged_is_said_to_be_one_that_cannot_be_read() {
    let mut bytes = file::<Int64Type>("int64 c", &[1]);
    let end = bytes.len() - 8;
    let length = u32::from_le_bytes(bytes[end..end + 4].try_into().unwrap());
    bytes[end - length as usize..end].fill(0xa5);
    let said = Converted::new(&bytes).run().stderr;
    assert!(said.starts_with("error: cannot read `"), "{said}");
}

/// The rows of the consumption dataset with a column of values.
fn consumption(value: &ArrayRef) -> RecordBatch {
    let texts = |text: &str| Arc::new(StringArray::from(vec![text; value.len()])) as ArrayRef;
    let times =
        TimestampMicrosecondArray::from_iter_values((0..value.len()).map(|row| 1_700_000_000_000_000 + row as i64));
    RecordBatch::try_from_iter([
        ("timestamp", Arc::new(times.with_timezone("UTC")) as ArrayRef),
        ("region", texts(" north ")),
        ("value", Arc::clone(value)),
        ("unit", texts("MW")),
        ("consumer_type", texts("residential")),
        ("measurement_type", texts("net")),
    ])
    .unwrap()
}

#[test]
fn a_component_that_was_built_before_gives_the_points_that_it_gave() {
    let decimals = Decimal128Array::from(vec![1_050, 571_313_174_160_000_019]).with_precision_and_scale(18, 2).unwrap();
    let component = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/components-0.1/consumption.wasm");
    let values: [(ArrayRef, [&str; 2]); 4] = [
        (Arc::new(decimals), ["10.5", "5713131741600000.0"]),
        (Arc::new(UInt8Array::from(vec![0, 255])), ["0.0", "255.0"]),
        (Arc::new(Int64Array::from(vec![-1, 1 << 53])), ["-1.0", "9007199254740992.0"]),
        (Arc::new(Float32Array::from(vec![0.5, 0.1])), ["0.5", "0.10000000149011612"]),
    ];
    for (value, numbers) in values {
        let data_type = value.data_type().clone();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.parquet");
        fs::write(&path, parquet(&consumption(&value))).unwrap();
        let run = Loader::new(["convert", "--dataset", "consumption", "--converter"]).argument(&component);
        let lines = run.argument(&path).run().succeeded().stdout;
        // As it was written then.
        let wanted: Vec<String> = (0..)
            .zip(numbers)
            .map(|(row, number)| {
                format!(
                    "consumption_data,consumer_type=residential,measurement_type=net,region=north \
                     power_mw={number},unit=\"MW\" {}",
                    1_700_000_000_000_000_000_i64 + row * 1_000
                )
            })
            .collect();
        assert_eq!(lines.lines().collect::<Vec<_>>(), wanted, "{data_type}");
    }
}
