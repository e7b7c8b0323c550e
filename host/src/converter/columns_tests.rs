#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array, TimestampNanosecondArray, UInt64Array,
};
use arrow::datatypes::Float64Type;
use proptest::prelude::*;

use super::super::bindings::v0_2::influxdb_loader::converter::types as wit;
use super::super::plan::Plan;
use super::super::validate;
use super::super::world::lower_v0_2 as lower;
use super::*;

/// What a guest answers that gives back each column that it was given.
fn echoed(column: &wit::ColumnParam<'_>) -> wit::ColumnResult {
    let values = match &column.values {
        wit::ValuesParam::Booleans(bits) => wit::ValuesResult::Booleans(bits.to_vec()),
        wit::ValuesParam::Integers(values) => wit::ValuesResult::Integers(values.to_vec()),
        wit::ValuesParam::Unsigneds(values) => wit::ValuesResult::Unsigneds(values.to_vec()),
        wit::ValuesParam::Floats(values) => wit::ValuesResult::Floats(values.to_vec()),
        wit::ValuesParam::Texts(text) => wit::ValuesResult::Texts(wit::TextResult {
            codes: text.codes.to_vec(),
            dictionary: echoed_strings(&text.dictionary),
        }),
        wit::ValuesParam::Timestamps(values) => wit::ValuesResult::Timestamps(values.to_vec()),
    };
    wit::ColumnResult { values, validity: column.validity.map(<[u8]>::to_vec) }
}

fn echoed_strings(strings: &wit::StringsParam<'_>) -> wit::StringsResult {
    let wit::StringsParam { offsets, data, validity } = strings;
    wit::StringsResult { offsets: offsets.to_vec(), data: data.to_vec(), validity: validity.map(<[u8]>::to_vec) }
}

/// The column there and back.
fn round_trip(array: &dyn Array, column_type: ColumnType) -> ArrayRef {
    let column = Column::new(array, column_type).unwrap();
    let answer =
        wit::Converted { computed: vec![echoed(&lower::column(&column))], masks: Vec::new(), rejected: Vec::new() };
    let plan = Plan { computed: vec![column_type], ..Plan::default() };
    validate::converted(answer, &plan, array.len()).unwrap().computed.remove(0)
}

fn texts(array: &dyn Array) -> Vec<Option<String>> {
    let array = array.as_dictionary::<Int32Type>();
    let values = array.downcast_dict::<StringArray>().unwrap();
    let nulls = array.logical_nulls();
    (0..array.len())
        .map(|row| {
            let null = nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
            (!null).then(|| values.values().value(array.keys().value(row).try_into().unwrap()).to_owned())
        })
        .collect()
}

/// A column of up to 100 rows, and which part of it is a batch.
fn rows<T: Clone + std::fmt::Debug>(
    value: impl Strategy<Value = T>,
) -> impl Strategy<Value = (Vec<Option<T>>, usize, usize)> {
    prop::collection::vec(prop::option::of(value), 0..100).prop_flat_map(|rows| {
        let length = rows.len();
        (Just(rows), 0..=length).prop_flat_map(move |(rows, start)| (Just(rows), Just(start), 0..=length - start))
    })
}

proptest! {
    #[test]
    fn booleans_cross_and_come_back((values, start, length) in rows(any::<bool>())) {
        let array = BooleanArray::from(values).slice(start, length);
        let back = round_trip(&array, ColumnType::Boolean);
        prop_assert_eq!(back.as_boolean(), &array);
    }

    #[test]
    fn integers_cross_and_come_back((values, start, length) in rows(any::<i64>())) {
        let array = Int64Array::from(values.clone()).slice(start, length);
        let back = round_trip(&array, ColumnType::Integer);
        prop_assert_eq!(back.as_primitive::<Int64Type>(), &array);
        let array = TimestampNanosecondArray::from(values).slice(start, length);
        let back = round_trip(&array, ColumnType::Timestamp);
        prop_assert_eq!(back.as_primitive::<TimestampNanosecondType>(), &array);
    }

    #[test]
    fn unsigneds_and_floats_cross_and_come_back((values, start, length) in rows(any::<u64>())) {
        let array = UInt64Array::from(values.clone()).slice(start, length);
        let back = round_trip(&array, ColumnType::Unsigned);
        prop_assert_eq!(back.as_primitive::<UInt64Type>(), &array);
        // To the bit, whatever they mean.
        let array: Float64Array = values.into_iter().map(|bits| bits.map(f64::from_bits)).collect();
        let array = array.slice(start, length);
        let back = round_trip(&array, ColumnType::Float);
        let bits = |array: &Float64Array| array.iter().map(|value| value.map(f64::to_bits)).collect::<Vec<_>>();
        prop_assert_eq!(bits(back.as_primitive::<Float64Type>()), bits(&array));
    }

    /// Dictionaries may be larger than the batch or smaller, be slices, hold nulls and hold a value twice.
    #[test]
    fn text_crosses_and_comes_back(
        dictionary in prop::collection::vec(prop::option::of("\\PC{0,5}"), 1..50),
        first in 0_usize..50,
        (codes, start, length) in rows(any::<prop::sample::Index>()),
    ) {
        let first = first % dictionary.len();
        let dictionary = StringArray::from(dictionary);
        let dictionary = dictionary.slice(first, dictionary.len() - first);
        let codes = codes.into_iter().map(|code| Some(i32::try_from(code?.index(dictionary.len())).unwrap()));
        let array = DictionaryArray::try_new(codes.collect::<Int32Array>(), Arc::new(dictionary)).unwrap();
        let array = array.slice(start, length);
        prop_assert_eq!(texts(&round_trip(&array, ColumnType::Text)), texts(&array));
    }

    #[test]
    fn strings_cross_and_come_back((values, start, length) in rows("\\PC{0,5}")) {
        let array = StringArray::from(values).slice(start, length);
        let back = validate::translated(echoed_strings(&lower::strings(&Strings::new(&array))), length).unwrap();
        prop_assert_eq!(back, array);
    }
}

#[test]
fn whole_columns_are_not_copied() {
    let array = Int64Array::from(vec![1, 2, 3]);
    let column = Column::new(&array, ColumnType::Integer).unwrap();
    let wit::ValuesParam::Integers(values) = lower::column(&column).values else { panic!("integers stay integers") };
    assert_eq!(values.as_ptr(), array.values().as_ptr());

    let array: DictionaryArray<Int32Type> = ["a", "b", "a"].into_iter().collect();
    let column = Column::new(&array, ColumnType::Text).unwrap();
    let wit::ValuesParam::Texts(text) = lower::column(&column).values else { panic!("text stays text") };
    assert_eq!(text.codes.as_ptr().cast(), array.keys().values().as_ptr());
    assert_eq!(text.dictionary.data.as_ptr(), array.values().as_string::<i32>().values().as_ptr());
}

#[test]
fn a_dictionary_that_is_larger_than_the_batch_is_cut_down() {
    let dictionary: StringArray = (0..1000).map(|entry| Some(format!("entry {entry}"))).collect();
    let codes = Int32Array::from(vec![Some(999), None, Some(7), Some(999)]);
    let array = DictionaryArray::try_new(codes, Arc::new(dictionary)).unwrap();
    let column = Column::new(&array, ColumnType::Text).unwrap();
    let wit::ValuesParam::Texts(text) = lower::column(&column).values else { panic!("text stays text") };
    assert_eq!(text.codes, [0, 0, 1, 0]);
    assert_eq!(text.dictionary.offsets, [0, 9, 16]);
    assert_eq!(text.dictionary.data, b"entry 999entry 7");
}

#[test]
fn no_strings_have_no_offsets() {
    let column = Column::text(
        &DictionaryArray::try_new(Int32Array::from(vec![None, None]), Arc::new(StringArray::from(vec!["unused"; 3])))
            .unwrap(),
    )
    .unwrap();
    let wit::ValuesParam::Texts(text) = lower::column(&column).values else { panic!("text stays text") };
    assert!(text.dictionary.offsets.is_empty());
    assert!(lower::strings(&Strings::new(&StringArray::from(Vec::<&str>::new()))).offsets.is_empty());
}

#[test]
fn a_column_of_another_type_does_not_cross() {
    let array = Int32Array::from(vec![1]);
    assert!(Column::new(&array, ColumnType::Integer).is_none());
    assert!(Column::new(&StringArray::from(vec!["a"]), ColumnType::Text).is_none());
    assert!(Column::new(&array, ColumnType::Other).is_none());
}
