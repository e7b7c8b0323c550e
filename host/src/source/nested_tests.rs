#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use ::parquet::arrow::ArrowWriter;
use ::parquet::file::properties::WriterProperties;
use ::parquet::schema::parser::parse_message_type;
use arrow::array::{Float64Array, Int32Array, ListArray, RecordBatch, StringArray, StructArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::Field;
use arrow::util::display::array_value_to_string;

use super::*;
use crate::source::types::{columns, second_edition};
use crate::source::{Edition, Memory, ParquetObject, Selection, SourceError};

fn shown(message: &str) -> String {
    let schema = SchemaDescriptor::new(Arc::new(parse_message_type(message).unwrap()));
    let first = columns(&schema, None);
    let table = second_edition(&schema, &first);
    let column = |(column, leaf): (&ColumnSchema, &usize)| {
        let list = column.list.as_ref().map_or(String::new(), |list| format!(" of {}", list.name));
        let null = if column.nullable { "?" } else { "" };
        let (name, column_type) = (&column.name, column.column_type);
        format!("{name}: {column_type:?}{null} {leaf} {}{list}", column.source_type)
    };
    table.columns.iter().zip(&table.leaves).map(column).collect::<Vec<_>>().join("\n")
}

#[test]
fn leaves_have_the_names_of_their_paths() {
    let message = "message schema {
        required int64 time (timestamp(millis, true));
        optional group station {
            required binary name (string);
            required group position { optional double lat; required double lon; }
        }
        optional double station_height;
        optional group readings (list) {
            repeated group list { optional group element { required int64 at (timestamp(nanos, true)); required double value; } }
        }
        required group values (list) { repeated group list { optional double element; } }
        optional group old (list) { repeated int32 array; }
        optional group older (list) { repeated group array { required int32 x; } }
        repeated int32 bare;
        repeated group pairs { required int32 one; optional int32 other; }
        optional group labels (map) { repeated group key_value { required binary key (string); optional binary value (string); } }
        optional group deep (list) { repeated group list { optional group element (list) { repeated group list { optional int32 element; } } } }
    }";
    insta::assert_snapshot!(shown(message), @r#"
    time: Timestamp 0 Timestamp(ms, "UTC")
    station.name: Text? 1 Utf8
    station.position.lat: Float? 2 Float64
    station.position.lon: Float? 3 Float64
    station_height: Float? 4 Float64
    readings.at: Timestamp? 5 Timestamp(ns, "UTC") of readings
    readings.#: Integer 5 Position of readings
    readings.value: Float? 6 Float64 of readings
    values: Float? 7 Float64 of values
    values.#: Integer 7 Position of values
    old: Integer 8 Int32 of old
    old.#: Integer 8 Position of old
    older.x: Integer 9 Int32 of older
    older.#: Integer 9 Position of older
    bare: Integer 10 Int32 of bare
    bare.#: Integer 10 Position of bare
    pairs.one: Integer 11 Int32 of pairs
    pairs.#: Integer 11 Position of pairs
    pairs.other: Integer? 12 Int32 of pairs
    labels.key: Text 13 Utf8 of labels
    labels.#: Integer 13 Position of labels
    labels.value: Text? 14 Utf8 of labels
    deep: Other? 15 Int32 in a list of lists
    "#);
}

#[test]
fn a_column_of_the_file_keeps_its_name_and_a_path_that_would_have_it_is_quoted() {
    let message = "message schema {
        required binary station.name (string);
        optional group station { required binary name (string); required group a.b { required int32 c; } }
    }";
    insta::assert_snapshot!(shown(message), @"
    station.name: Text 0 Utf8
    `station`.`name`: Text? 1 Utf8
    station.`a.b`.c: Integer? 2 Int32
    ");
}

#[test]
fn a_column_beyond_the_bounds_is_not_flattened() {
    let deep = |depth: usize| {
        let (open, close) = ("required group g { ".repeat(depth), "} ".repeat(depth));
        format!("message schema {{ {open} required int32 x; {close} }}")
    };
    assert!(shown(&deep(MAX_NAMES - 1)).ends_with("g.x: Integer 0 Int32"));
    assert!(shown(&deep(MAX_NAMES)).starts_with("g: Other 0 Struct"));
    let wide = |leaves: usize| {
        let leaves: String = (0..leaves).map(|leaf| format!("required int32 x{leaf}; ")).collect();
        format!("message schema {{ required group g {{ {leaves} }} required int32 y; }}")
    };
    assert_eq!(shown(&wide(MAX_LEAVES)).lines().count(), MAX_LEAVES + 1);
    let beyond = shown(&wide(MAX_LEAVES + 1));
    assert_eq!((beyond.lines().count(), beyond.lines().last()), (2, Some("y: Integer 4097 Int32")));
    let long = format!("message schema {{ required group {} {{ required int32 x; }} }}", "n".repeat(MAX_PATH_BYTES));
    assert!(shown(&long).contains("n: Other 0 Struct"));
}

/// A list array of elements, with nulls.
fn list(elements: ArrayRef, lengths: &[usize], nulls: Option<Vec<bool>>) -> ArrayRef {
    let field = Arc::new(Field::new("element", elements.data_type().clone(), true));
    let offsets = OffsetBuffer::from_lengths(lengths.iter().copied());
    Arc::new(ListArray::new(field, offsets, elements, nulls.map(NullBuffer::from)))
}

fn structure(fields: Vec<(&str, ArrayRef)>, valid: Option<Vec<bool>>) -> ArrayRef {
    let (names, arrays): (Vec<_>, Vec<_>) = fields.into_iter().unzip();
    let fields = names.iter().zip(&arrays).map(|(name, array)| Field::new(*name, array.data_type().clone(), true));
    Arc::new(StructArray::new(fields.collect(), arrays, valid.map(NullBuffer::from)))
}

fn object(columns: Vec<(&str, ArrayRef)>, group: usize, memory: Memory) -> (ParquetObject, tempfile::NamedTempFile) {
    let rows = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)));
    let rows = rows.unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(group)).build();
    let mut writer = ArrowWriter::try_new(file.reopen().unwrap(), rows.schema(), Some(properties)).unwrap();
    writer.write(&rows).unwrap();
    writer.close().unwrap();
    (ParquetObject::open_file(file.path(), memory).unwrap().in_types_of(Edition::Second), file)
}

/// The columns of these names, each row as text, with its number in the object.
fn read(object: &ParquetObject, names: &[&str], selection: &Selection) -> Vec<String> {
    let place = |name: &&str| object.columns().iter().position(|column| column.name == *name).unwrap();
    let mut read = Vec::new();
    for batch in object.read(names.iter().map(place).collect(), 2, selection).unwrap() {
        let batch = batch.unwrap();
        for row in 0..batch.len() {
            let rows = batch.places(row).map(|place| {
                let cell = |column: &ArrayRef| match column.is_null(place) {
                    true => "-".to_owned(),
                    false => array_value_to_string(column, place).unwrap(),
                };
                batch.columns.columns().iter().map(cell).collect::<Vec<_>>().join(" ")
            });
            read.push(format!("{}: {}", batch.rows.number(row), rows.collect::<Vec<_>>().join(", ")));
        }
    }
    read
}

/// Five rows in two row groups: nulls on every level, and an empty list.
fn nested() -> Vec<(&'static str, ArrayRef)> {
    let names = StringArray::from(vec![Some("a"), None, Some("c"), Some("lost"), Some("a")]);
    let numbers = Int32Array::from(vec![Some(1), Some(2), None, Some(4), Some(5)]);
    let inner = structure(vec![("number", Arc::new(numbers))], Some(vec![true, true, true, true, false]));
    let station =
        structure(vec![("name", Arc::new(names)), ("inner", inner)], Some(vec![true, true, true, false, true]));
    let texts = StringArray::from(vec![Some("x"), None, Some("z"), Some("lost"), Some("v")]);
    let values = Float64Array::from(vec![Some(0.5), Some(1.5), None, Some(3.5), Some(4.5)]);
    let elements =
        structure(vec![("t", Arc::new(texts)), ("v", Arc::new(values))], Some(vec![true, true, true, false, true]));
    let readings = list(elements, &[2, 0, 0, 1, 2], Some(vec![true, true, false, true, true]));
    vec![("station", station), ("readings", readings), ("row", Arc::new(Int32Array::from_iter_values(0..5)))]
}

#[test]
fn leaves_are_null_where_what_they_are_part_of_is() {
    let (object, _file) = object(nested(), 3, Memory::default());
    let rows = read(&object, &["row", "station.inner.number", "station.name"], &Selection::All);
    assert_eq!(rows, ["0: 0 1 a", "1: 1 2 -", "2: 2 - c", "3: 3 - -", "4: 4 - a"]);
}

#[test]
fn each_element_has_its_values_its_place_and_what_its_row_has() {
    let (object, _file) = object(nested(), 3, Memory::default());
    let columns = ["readings.#", "readings.v", "station.name", "readings.t"];
    let all = ["0: 0 0.5 a x, 1 1.5 a -", "1: ", "2: ", "3: 0 - - z", "4: 0 - a -, 1 4.5 a v"];
    assert_eq!(read(&object, &columns, &Selection::All), all);
    assert_eq!(read(&object, &columns, &Selection::rows([0, 4])), [all[0], all[4]]);
    assert_eq!(read(&object, &["readings.#"], &Selection::RowGroups(1..2)), ["3: 0", "4: 0, 1"]);
}

#[test]
fn only_the_leaves_that_are_asked_for_are_read() {
    let long = StringArray::from_iter_values((0..3).map(|row| format!("{row}").repeat(100_000)));
    let numbers = Arc::new(Int32Array::from_iter_values(0..3));
    let (object, _file) =
        object(vec![("g", structure(vec![("long", Arc::new(long)), ("number", numbers)], None))], 3, Memory::default());
    let before = object.bytes_read();
    assert_eq!(read(&object, &["g.number"], &Selection::All), ["0: 0", "1: 1", "2: 2"]);
    assert!(object.bytes_read() - before < 2_000, "{}", object.bytes_read() - before);
}

#[test]
fn columns_of_two_lists_are_not_read_together() {
    let lists = |name| (name, list(Arc::new(Int32Array::from(vec![1, 2])), &[1, 1], None));
    let (object, _file) = object(vec![lists("a"), lists("b")], 3, Memory::default());
    assert!(matches!(object.read(vec![0, 2], 10, &Selection::All), Err(SourceError::Decode { .. })));
    assert_eq!(read(&object, &["b"], &Selection::All), ["0: 1", "1: 2"]);
}

#[test]
fn a_batch_of_long_lists_is_begun_again_with_fewer_rows_and_a_list_without_room_is_refused() {
    let of = |lengths: &[usize]| {
        let values = Int32Array::from_iter_values((0_i32..).take(lengths.iter().sum()));
        object(vec![("values", list(Arc::new(values), lengths, None))], 1_000, Memory::mebibytes(16))
    };
    // A sixteenth of the memory has room for 65,536 elements, a batch for half as many.
    let lengths: Vec<usize> = (0..400).map(|row| if (100..105).contains(&row) { 20_000 } else { 1 }).collect();
    let (skewed, _file) = of(&lengths);
    let (mut rows, mut next) = (0, 0);
    for batch in skewed.read(vec![0], 100_000, &Selection::All).unwrap() {
        let batch = batch.unwrap();
        assert!(batch.columns.num_rows() <= 32_768, "{} elements", batch.columns.num_rows());
        let values: Vec<i64> = batch.columns.column(0).as_primitive::<arrow::datatypes::Int64Type>().values().to_vec();
        assert!(values.iter().copied().eq((next..).take(values.len())));
        next += values.len() as i64;
        assert!((0..batch.len()).all(|row| batch.places(row).len() == lengths[rows + row]));
        rows += batch.len();
    }
    assert_eq!((rows, next), (400, 100_395));

    let (long, file) = of(&[1, 70_000, 1]);
    let error = long.read(vec![0], 10, &Selection::All).unwrap().find_map(Result::err).unwrap().to_string();
    let error = error.replace(&file.path().display().to_string(), "FILE");
    let expected = "`FILE` does not fit in memory: a list of column `values.list.element` in row group 0, of at least 70000 elements, has 1120000 bytes";
    assert!(error.starts_with(expected), "{error}");
}
