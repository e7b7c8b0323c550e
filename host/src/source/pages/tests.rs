//! Pages in slices against the parquet crate's own reading of the same file.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use ::parquet::basic::{Compression, Encoding};
use ::parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use arrow::array::{
    ArrayRef, AsArray, BooleanArray, Float64Array, Int32Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Schema};
use bytes::Bytes;
use proptest::prelude::*;
use tempfile::NamedTempFile;

use crate::source::{Memory, ParquetObject, Selection, SourceError};

const ROWS: usize = 100_000;

/// Columns of every kind of value that pages hold, with nulls in all but the first.
fn rows(count: usize) -> RecordBatch {
    let present = |row: usize, of: usize| !(row / 100 % of == 1 || row % of == 2);
    let texts = |of: usize, text: fn(usize) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter((0..count).map(|row| present(row, of).then(|| text(row)))))
    };
    let times = (0..count).map(|row| 1_600_000_000_000_000 + row as i64 * 1_000_003);
    RecordBatch::try_from_iter([
        ("time", Arc::new(TimestampMicrosecondArray::from_iter_values(times)) as ArrayRef),
        ("float", Arc::new(Float64Array::from_iter((0..count).map(|row| present(row, 5).then_some(row as f64 / 7.0))))),
        (
            "integer",
            Arc::new(Int32Array::from_iter(
                (0..count).map(|row| present(row, 4).then_some(i32::try_from(row % 9).unwrap())),
            )),
        ),
        ("boolean", Arc::new(BooleanArray::from_iter((0..count).map(|row| present(row, 3).then_some(row % 7 < 3))))),
        ("few", texts(6, |row| format!("text {}", row % 11))),
        ("many", texts(7, |row| format!("text, no {row}"))),
        ("long", texts(8, |row| format!("{row} ").repeat(row % 20))),
    ])
    .unwrap()
}

fn written(batch: &RecordBatch, properties: WriterProperties) -> Bytes {
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    bytes.into()
}

/// Every column in its plain type.
fn plain(batch: &RecordBatch) -> RecordBatch {
    let columns: Vec<(&str, ArrayRef)> = batch
        .schema_ref()
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, column)| {
            let target = match column.data_type() {
                DataType::Dictionary(..) => DataType::Utf8,
                DataType::Int32 => DataType::Int64,
                DataType::Timestamp(..) => DataType::Timestamp(arrow::datatypes::TimeUnit::Nanosecond, None),
                other => other.clone(),
            };
            (field.name().as_str(), cast(column, &target).unwrap())
        })
        .collect();
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap()
}

fn joined(batches: &[RecordBatch]) -> RecordBatch {
    let schema = batches.first().map_or_else(|| Arc::new(Schema::empty()), RecordBatch::schema);
    concat_batches(&schema, batches).unwrap()
}

/// What is read with so much memory, and the crate's own reading of it.
fn read(bytes: &Bytes, memory: Memory, selection: &Selection) -> (RecordBatch, RecordBatch) {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let object = ParquetObject::open_file(file.path(), memory).unwrap();
    let columns = (0..object.columns().len()).collect();
    let batches = object.read(columns, 8192, selection).unwrap();
    let ours: Vec<_> = batches.map(|batch| plain(&batch.unwrap().columns)).collect();
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes.clone()).unwrap().build().unwrap();
    let theirs: Vec<_> = reader.map(|batch| plain(&batch.unwrap())).collect();
    (joined(&ours), joined(&theirs))
}

fn properties(compression: Compression, version: WriterVersion, dictionary: bool) -> WriterProperties {
    WriterProperties::builder()
        .set_compression(compression)
        .set_writer_version(version)
        .set_dictionary_enabled(dictionary)
        // One page a column, as far as the writer goes along.
        .set_data_page_size_limit(1 << 30)
        .set_data_page_row_count_limit(1 << 30)
        .set_write_batch_size(1 << 20)
        .set_dictionary_page_size_limit(1 << 30)
        .build()
}

const CODECS: [fn() -> Compression; 7] = [
    || Compression::UNCOMPRESSED,
    || Compression::SNAPPY,
    || Compression::GZIP(Default::default()),
    || Compression::ZSTD(Default::default()),
    || Compression::LZ4,
    || Compression::LZ4_RAW,
    || Compression::BROTLI(Default::default()),
];

#[test]
fn one_page_a_column_reads_as_it_was_written_in_every_codec_version_and_encoding() {
    let rows = rows(ROWS);
    for compression in CODECS {
        for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
            for dictionary in [true, false] {
                let bytes = written(&rows, properties(compression(), version, dictionary));
                let (ours, theirs) = read(&bytes, Memory::mebibytes(48), &Selection::All);
                assert!(ours == theirs, "{} {version:?} {dictionary}", compression());
            }
        }
    }
}

#[test]
fn texts_in_delta_encodings_read_as_they_were_written() {
    for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
        for encoding in [Encoding::DELTA_LENGTH_BYTE_ARRAY, Encoding::DELTA_BYTE_ARRAY] {
            let mut properties = properties(Compression::SNAPPY, version, false).into_builder();
            for column in ["few", "many", "long"] {
                properties = properties.set_column_encoding(column.into(), encoding);
            }
            let bytes = written(&rows(ROWS), properties.build());
            let (ours, theirs) = read(&bytes, Memory::mebibytes(48), &Selection::All);
            assert!(ours == theirs, "{encoding} {version:?}");
        }
    }
}

/// A file of one column, in which bytes that occur once are others.
fn changed(column: ArrayRef, properties: WriterProperties, from: &[u8], to: &[u8]) -> Bytes {
    let bytes = written(&RecordBatch::try_from_iter([("x", column)]).unwrap(), properties);
    let places: Vec<usize> =
        bytes.windows(from.len()).enumerate().filter(|(_, at)| *at == from).map(|(at, _)| at).collect();
    assert_eq!((places.len(), from.len()), (1, to.len()), "{places:?} {bytes:x?}");
    let mut bytes = bytes.to_vec();
    bytes[places[0]..places[0] + to.len()].copy_from_slice(to);
    bytes.into()
}

fn refusal(bytes: &Bytes) -> String {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let object = ParquetObject::open_file(file.path(), Memory::mebibytes(16)).unwrap();
    let mut batches = object.read(vec![0], 8192, &Selection::All).unwrap();
    let error = batches.find_map(Result::err).unwrap();
    std::error::Error::source(&error).unwrap().to_string()
}

#[test]
fn values_that_a_page_claims_and_does_not_have_are_an_error_before_there_is_room_for_them() {
    let builder = || WriterProperties::builder().set_statistics_enabled(EnabledStatistics::None);
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values((0..5_000).map(|row| format!("{row:05}"))));
    // Blocks of 128, 4 small blocks, 5,000 values, and another number of as many bytes.
    for encoding in [Encoding::DELTA_LENGTH_BYTE_ARRAY, Encoding::DELTA_BYTE_ARRAY] {
        let properties = builder().set_dictionary_enabled(false).set_encoding(encoding).build();
        let (from, to) = ([0x80, 0x01, 0x04, 0x88, 0x27, 0x0a], [0x80, 0x01, 0x04, 0xff, 0x7f, 0x0a]);
        let refused = refusal(&changed(Arc::clone(&texts), properties, &from, &to));
        assert!(refused.contains("it claims other numbers of values") || refused.contains("cut off"), "{refused}");
    }
    // A dictionary of 3 values, by its page's header; and of 63.
    let codes: ArrayRef = Arc::new(Int32Array::from_iter_values((0..100).map(|row| row % 3 + 1_000)));
    let refused = refusal(&changed(codes, builder().build(), &[0x4c, 0x15, 0x06], &[0x4c, 0x15, 0x7e]));
    assert!(refused.contains("a dictionary is cut off"), "{refused}");
}

#[test]
fn a_dictionary_that_is_given_up_reads_as_it_was_written() {
    let rows = rows(ROWS);
    for limit in [1_000, 100_000, 400_000] {
        let properties = WriterProperties::builder()
            .set_dictionary_page_size_limit(limit)
            .set_data_page_size_limit(20_000)
            .set_write_batch_size(100)
            .build();
        let (ours, theirs) = read(&written(&rows, properties), Memory::mebibytes(16), &Selection::All);
        assert!(ours == theirs, "{limit}");
    }
}

#[test]
fn texts_that_grow_are_read_in_batches_of_fewer_rows() {
    let long = |row: usize| if row < 20_000 { "x".to_owned() } else { "y".repeat(20_000) };
    let texts = StringArray::from_iter_values((0..20_500).map(long));
    let rows = RecordBatch::try_from_iter([("text", Arc::new(texts) as ArrayRef)]).unwrap();
    for dictionary in [true, false] {
        let bytes = written(&rows, properties(Compression::SNAPPY, WriterVersion::PARQUET_1_0, dictionary));
        let file = NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &bytes).unwrap();
        let memory = Memory::mebibytes(32);
        let object = ParquetObject::open_file(file.path(), memory).unwrap();
        let mut count = 0;
        for batch in object.read(vec![0], 8192, &Selection::All).unwrap() {
            let batch = plain(&batch.unwrap().columns);
            count += batch.num_rows();
            let bytes = batch.column(0).as_string::<i32>().value_data().len();
            assert!(bytes <= 4 * memory.batch(), "{bytes}");
        }
        assert_eq!(count, 20_500);
        let (ours, theirs) = read(&bytes, memory, &Selection::All);
        assert!(ours == theirs);
    }
}

#[test]
fn a_text_that_has_no_room_is_refused_and_named() {
    let texts = StringArray::from_iter_values(["short".to_owned(), "x".repeat(20 << 20)]);
    let rows = RecordBatch::try_from_iter([("text", Arc::new(texts) as ArrayRef)]).unwrap();
    let bytes = written(&rows, properties(Compression::SNAPPY, WriterVersion::PARQUET_1_0, false));
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let object = ParquetObject::open_file(file.path(), Memory::mebibytes(16)).unwrap();
    let error = object.read(vec![0], 8192, &Selection::All).unwrap().find_map(Result::err).unwrap();
    assert!(matches!(error, SourceError::TooLarge { .. }), "{error:?}");
    let name = file.path().display().to_string();
    insta::assert_snapshot!(error.to_string().replace(&name, "FILE"), @r"
    `FILE` does not fit in memory: a text of column `text` in row group 0 has 20971520 bytes, more than `OBJECT_MEMORY_MIB`=16 has room for
    hint: raise `OBJECT_MEMORY_MIB`, or write the file with smaller pages
    ");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_rows_of_long_pages_read_as_they_were_written(
        codec in 0..CODECS.len(),
        two in any::<bool>(),
        dictionary in any::<bool>(),
        wanted in proptest::collection::btree_set(0..20_000_u64, 0..60),
        run in 1..3_000_u64,
    ) {
        let version = if two { WriterVersion::PARQUET_2_0 } else { WriterVersion::PARQUET_1_0 };
        let bytes = written(&rows(20_000), properties(CODECS[codec](), version, dictionary));
        let numbers: std::collections::BTreeSet<u64> =
            wanted.iter().flat_map(|start| *start..(start + run).min(20_000)).collect();
        let (ours, theirs) = read(&bytes, Memory::mebibytes(16), &Selection::rows(numbers.iter().copied()));
        let indices = arrow::array::UInt64Array::from_iter_values(numbers.iter().copied());
        let expected = arrow::compute::take_record_batch(&theirs, &indices).unwrap();
        prop_assert!(numbers.is_empty() || ours == expected);
    }
}
