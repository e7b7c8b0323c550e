//! Damaged files: whatever their bytes are, they are an error or other rows, in bounded memory, and the process continues.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::{Compression, Encoding};
use ::parquet::file::properties::{WriterProperties, WriterVersion};
use arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Decimal128Array, FixedSizeBinaryArray, Float64Array, Int32Array,
    ListArray, RecordBatch, StringArray, StructArray, TimestampMicrosecondArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::Field;
use tempfile::NamedTempFile;

use super::types::Edition;
use super::{Memory, ParquetObject, Selection, SourceError};

const ROWS: usize = 200;
/// How many damaged files are read: the same in each run.
const FILES: u64 = 6_000;

/// Numbers that are the same in each run: splitmix64.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).unwrap()
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }
}

/// Columns of every kind that pages hold, flat and nested.
fn rows() -> RecordBatch {
    let present = |row: &usize, of: usize| row % of != 2;
    let texts = |of: usize| {
        Arc::new(StringArray::from_iter((0..ROWS).map(|row| present(&row, of).then(|| format!("text {}", row % 23)))))
    };
    let times = TimestampMicrosecondArray::from_iter_values((0..ROWS).map(|row| 1_600_000_000_000_000 + row as i64));
    let numbers =
        Int32Array::from_iter((0..ROWS).map(|row| present(&row, 5).then(|| i32::try_from(row % 40).unwrap())));
    let decimals = Decimal128Array::from_iter_values((0..ROWS).map(|row| row as i128)).with_precision_and_scale(20, 2);
    let fixed = FixedSizeBinaryArray::try_from_iter((0..ROWS).map(|row| [u8::try_from(row % 7).unwrap(); 6])).unwrap();
    let items = Arc::new(StringArray::from_iter_values((0..ROWS * 2).map(|item| format!("item {}", item % 9))));
    let item = Arc::new(Field::new("element", items.data_type().clone(), true));
    let lists = ListArray::new(item, OffsetBuffer::from_lengths(vec![2; ROWS]), items, None);
    let name: ArrayRef = texts(4);
    let inner = Arc::new(Field::new("name", name.data_type().clone(), true));
    let columns: [(&str, ArrayRef); 10] = [
        ("time", Arc::new(times)),
        ("float", Arc::new(Float64Array::from_iter_values((0..ROWS).map(|row| row as f64 / 3.0)))),
        ("number", Arc::new(numbers)),
        ("flag", Arc::new(BooleanArray::from_iter((0..ROWS).map(|row| present(&row, 3).then_some(row % 7 < 3))))),
        ("text", texts(6)),
        ("bytes", Arc::new(BinaryArray::from_iter_values((0..ROWS).map(|row| row.to_le_bytes())))),
        ("decimal", Arc::new(decimals.unwrap())),
        ("fixed", Arc::new(fixed)),
        ("list", Arc::new(lists)),
        ("struct", Arc::new(StructArray::from(vec![(inner, name)]))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
}

/// Whole files of these rows, in all codecs and encodings.
fn files() -> Vec<Vec<u8>> {
    let rows = rows();
    let codecs = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(Default::default()),
        Compression::ZSTD(Default::default()),
        Compression::LZ4_RAW,
        Compression::BROTLI(Default::default()),
    ];
    let mut all = Vec::new();
    for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
        // Most are not packed: a change of a packed byte seldom reaches what is in it.
        let with = [None, Some(Encoding::DELTA_LENGTH_BYTE_ARRAY), Some(Encoding::DELTA_BYTE_ARRAY)];
        let plain = with.map(|encoding| (Compression::UNCOMPRESSED, encoding));
        for (codec, encoding) in codecs.map(|codec| (codec, None)).into_iter().chain(plain) {
            for dictionary in [true, false] {
                let mut properties = WriterProperties::builder()
                    .set_compression(codec)
                    .set_writer_version(version)
                    .set_dictionary_enabled(dictionary)
                    .set_max_row_group_row_count(Some(ROWS / 2));
                if let Some(encoding) = encoding.filter(|_| !dictionary) {
                    for column in ["text", "list.list.element", "struct.name"] {
                        properties = properties.set_column_encoding(column.into(), encoding);
                    }
                }
                let mut bytes = Vec::new();
                let mut writer = ArrowWriter::try_new(&mut bytes, rows.schema(), Some(properties.build())).unwrap();
                writer.write(&rows).unwrap();
                writer.close().unwrap();
                all.push(bytes);
            }
        }
    }
    all
}

/// Changes some bytes: one, or those of a number as large as it can be, or those of another place, in the footer or before it.
fn damage(file: &mut [u8], numbers: &mut Numbers) {
    let end = file.len() - 8;
    let footer = u32::from_le_bytes(*file[end..].first_chunk().unwrap()) as usize;
    let start = if numbers.below(3) == 0 { end - footer } else { 4 };
    for _ in 0..[1, 1, 2, 3, 8][numbers.below(5)] {
        let place = start + numbers.below(end - start);
        match numbers.below(10) {
            0..4 => file[place] = [0, 1, 0x7f, 0x80, 0xff, 0xfe, 0x0c, 0x19, 0xfc, 0x15][numbers.below(10)],
            4..7 => file[place] = numbers.byte(),
            7 => file[place] ^= 1 << numbers.below(8),
            8 => {
                let length = numbers.below(12).min(end - place);
                let from = start + numbers.below(end - length - start);
                file.copy_within(from..from + length, place);
            }
            _ => {
                for (byte, large) in file[place..end].iter_mut().zip([0xff, 0xff, 0xff, 0xff, 0x0f]) {
                    *byte = large;
                }
            }
        }
    }
}

/// How many rows are read before the first error.
fn read(file: &[u8]) -> (usize, Option<SourceError>) {
    let path = NamedTempFile::new().unwrap();
    std::fs::write(path.path(), file).unwrap();
    let mut rows = 0;
    let object = match ParquetObject::open_file(path.path(), Memory::mebibytes(16)) {
        Ok(object) => object.in_types_of(Edition::Second),
        Err(error) => return (rows, Some(error)),
    };
    // The elements of one list alone are read together.
    let columns = (0..object.columns().len()).filter(|column| !object.columns()[*column].name.ends_with('#')).collect();
    let batches = match object.read(columns, 64, &Selection::All) {
        Ok(batches) => batches,
        Err(error) => return (rows, Some(error)),
    };
    for batch in batches {
        match batch {
            Ok(batch) => rows += batch.columns.num_rows(),
            Err(error) => return (rows, Some(error)),
        }
    }
    (rows, None)
}

#[test]
fn a_damaged_file_is_an_error_or_other_rows() {
    let files = files();
    for file in &files {
        let (rows, error) = read(file);
        assert!(rows > 0 && error.is_none(), "{error:?}");
    }
    let (mut errors, mut whole) = (0, 0);
    for number in 0..FILES {
        let mut numbers = Numbers(number);
        let mut file = files[numbers.below(files.len())].clone();
        damage(&mut file, &mut numbers);
        // An allocation that fails or a stack that ends would end this process, too.
        match read(&file) {
            (_, None) => whole += 1,
            (_, Some(_)) => errors += 1,
        }
    }
    assert!(errors > FILES / 10 && whole > FILES / 10, "{errors} and {whole}");
}
