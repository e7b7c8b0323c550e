#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use arrow::array::{BooleanArray, Float32Array, Int32Array, NullArray};

use super::*;

fn normal(kind: Kind, column: impl Array + 'static) -> (ArrayRef, Vec<InvalidText>) {
    let mut invalid = Vec::new();
    let column: ArrayRef = Arc::new(column);
    let normal = Normalizer::default().normalize(0, kind, &column, &mut invalid).unwrap();
    (normal, invalid)
}

fn times(kind: Kind, column: impl Array + 'static) -> Vec<Option<i64>> {
    normal(kind, column).0.as_primitive::<TimestampNanosecondType>().iter().collect()
}

fn int96_of(days: i64, nanoseconds: i64) -> Vec<u8> {
    let day = u32::try_from(EPOCH + days).unwrap();
    [&nanoseconds.to_le_bytes()[..], &day.to_le_bytes()].concat()
}

fn int96s(values: &[(i64, i64)]) -> FixedSizeBinaryArray {
    FixedSizeBinaryArray::try_from_iter(values.iter().map(|(days, rest)| int96_of(*days, *rest))).unwrap()
}

fn coded(values: &[&[u8]], codes: Vec<Option<i32>>) -> DictionaryArray<Int32Type> {
    DictionaryArray::new(Int32Array::from(codes), Arc::new(BinaryArray::from(values.to_vec())))
}

#[test]
fn times_of_every_unit_become_nanoseconds_and_keep_their_instant() {
    let milliseconds = Kind::Timestamp(TimeUnit::Millisecond);
    assert_eq!(times(milliseconds, Int64Array::from(vec![Some(1_500), None])), [Some(1_500_000_000), None]);
    assert_eq!(times(Kind::Timestamp(TimeUnit::Nanosecond), Int64Array::from(vec![-7])), [Some(-7)]);
    assert_eq!(times(Kind::Date, Int32Array::from(vec![1, -1])), [Some(DAY), Some(-DAY)]);
}

#[test]
fn int96_keeps_its_nanoseconds() {
    assert_eq!(
        times(Kind::Int96, int96s(&[(0, 1), (19_675, 123_456_789)])),
        [Some(1), Some(19_675 * DAY + 123_456_789)]
    );
    // The first day that has an instant which fits begins before it.
    let first = int96s(&[(-106_752, 763_145_224_192), (-106_752, 763_145_224_191)]);
    assert_eq!(times(Kind::Int96, first), [Some(i64::MIN), None]);
}

#[test]
fn instants_that_nanoseconds_cannot_hold_become_null() {
    assert_eq!(times(Kind::Timestamp(TimeUnit::Microsecond), Int64Array::from(vec![i64::MAX])), [None]);
    assert_eq!(times(Kind::Date, Int32Array::from(vec![i32::MAX])), [None]);
    assert_eq!(times(Kind::Int96, int96s(&[(2_932_896, 0), (-354_285, 0)])), [None, None]);
}

#[test]
fn numbers_widen_without_changing_their_value() {
    let shown = |kind, column: ArrayRef| {
        let normal = Normalizer::default().normalize(0, kind, &column, &mut Vec::new()).unwrap();
        assert_eq!(Some(normal.data_type().clone()), kind.column_type().arrow());
        arrow::util::display::array_value_to_string(&normal, 0).unwrap()
    };
    assert_eq!(shown(Kind::Integer, Arc::new(Int32Array::from(vec![-7]))), "-7");
    assert_eq!(shown(Kind::Unsigned, Arc::new(Int32Array::from(vec![-1]))), "4294967295");
    assert_eq!(shown(Kind::Unsigned, Arc::new(Int64Array::from(vec![-1]))), "18446744073709551615");
    assert_eq!(shown(Kind::Float, Arc::new(Float32Array::from(vec![0.5]))), "0.5");
    let half = FixedSizeBinaryArray::try_from_iter([[0x00_u8, 0x3e]].into_iter()).unwrap();
    assert_eq!(shown(Kind::Half, Arc::new(half)), "1.5");
    assert_eq!(shown(Kind::Boolean, Arc::new(BooleanArray::from(vec![true]))), "true");
    assert_eq!(shown(Kind::Null, Arc::new(NullArray::new(1))), "");
}

#[test]
fn whole_decimals_are_integers_whatever_they_are_stored_as() {
    let integers = |column: ArrayRef| -> Vec<Option<i64>> {
        let normal = Normalizer::default().normalize(0, Kind::Whole, &column, &mut Vec::new()).unwrap();
        normal.as_primitive::<Int64Type>().iter().collect()
    };
    assert_eq!(integers(Arc::new(Int32Array::from(vec![Some(-7), None]))), [Some(-7), None]);
    assert_eq!(integers(Arc::new(Int64Array::from(vec![571_313_174_160_000_019]))), [Some(571_313_174_160_000_019)]);
    assert_eq!(integers(Arc::new(BinaryArray::from(vec![&[0x01, 0x00][..], &[0xff]]))), [Some(256), Some(-1)]);
    let fixed = FixedSizeBinaryArray::try_from_iter([(-5_i128).to_be_bytes()].into_iter()).unwrap();
    assert_eq!(integers(Arc::new(fixed)), [Some(-5)]);
    // More digits than the type allows.
    let large: ArrayRef = Arc::new(BinaryArray::from(vec![&[0x7f; 9][..]]));
    assert!(Normalizer::default().normalize(0, Kind::Whole, &large, &mut Vec::new()).is_err());
}

#[test]
fn what_is_counted_becomes_nanoseconds_or_is_null() {
    let column: ArrayRef = Arc::new(Int64Array::from(vec![Some(-2), None, Some(i64::MAX)]));
    let kind = Kind::Counted(TimeUnit::Microsecond);
    let normal = Normalizer::default().normalize(0, kind, &column, &mut Vec::new()).unwrap();
    assert_eq!(normal.as_primitive::<Int64Type>().iter().collect::<Vec<_>>(), [Some(-2_000), None, None]);
}

#[test]
fn bytes_are_hexadecimal_digits_and_never_invalid_text() {
    let (text, invalid) = normal(Kind::Bytes, coded(&[b"\xff\x00", b""], vec![Some(1), Some(0), None]));
    let text = text.as_dictionary::<Int32Type>();
    let text: Vec<_> = text.downcast_dict::<StringArray>().unwrap().into_iter().collect();
    assert_eq!((text, invalid), (vec![Some(""), Some("ff00"), None], Vec::new()));
}

#[test]
fn a_uuid_is_its_text_with_hyphens() {
    let bytes: Vec<u8> = (0..16).map(|byte| byte * 17).collect();
    let values = FixedSizeBinaryArray::try_from_iter([bytes].into_iter()).unwrap();
    let column = DictionaryArray::<Int32Type>::new(Int32Array::from(vec![0]), Arc::new(values));
    let (text, _) = normal(Kind::Uuid, column);
    let shown = arrow::util::display::array_value_to_string(&text, 0).unwrap();
    assert_eq!(shown, "00112233-4455-6677-8899-aabbccddeeff");
}

#[test]
fn what_is_not_utf_8_is_null_and_named() {
    let column =
        coded(&[b"sul", b"S\xe3o Paulo", "São Paulo".as_bytes()], vec![Some(1), Some(0), None, Some(2), Some(1)]);
    let (text, invalid) = normal(Kind::Text, column);
    assert_eq!(invalid, [InvalidText { row: 0, column: 0 }, InvalidText { row: 4, column: 0 }]);
    let text = text.as_dictionary::<Int32Type>();
    let text: Vec<_> = text.downcast_dict::<StringArray>().unwrap().into_iter().collect();
    assert_eq!(text, [None, Some("sul"), None, Some("São Paulo"), None]);
}

#[test]
fn a_dictionary_is_made_text_once_for_all_of_its_batches() {
    let column: ArrayRef = Arc::new(coded(&[b"a", b"\xff"], vec![Some(0), Some(1), Some(0)]));
    let mut normalizer = Normalizer::default();
    let mut words = |column: &ArrayRef| {
        let text = normalizer.normalize(0, Kind::Text, column, &mut Vec::new()).unwrap();
        let words = text.as_dictionary::<Int32Type>().values().as_string::<i32>().clone();
        words.value_data().as_ptr()
    };
    assert_eq!(words(&column.slice(0, 1)), words(&column.slice(1, 2)));
    let other: ArrayRef = Arc::new(coded(&[b"b"], vec![Some(0)]));
    assert_ne!(words(&column), words(&other));
}
