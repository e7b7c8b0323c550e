#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use arrow::array::AsArray;
use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;

const ROWS: usize = 10;

fn plan(computed: &[ColumnType], masks: usize) -> Plan {
    Plan { points: Vec::new(), translations: Vec::new(), reads: Vec::new(), computed: computed.to_vec(), masks }
}

fn answer(computed: Vec<wit::ColumnResult>) -> wit::Converted {
    wit::Converted { computed, masks: Vec::new(), rejected: Vec::new() }
}

fn strings(of: &[&str]) -> wit::StringsResult {
    let ends = of.iter().scan(0, |end, string| {
        *end += u32::try_from(string.len()).unwrap();
        Some(*end)
    });
    wit::StringsResult {
        offsets: std::iter::once(0).chain(ends).collect(),
        data: of.concat().into_bytes(),
        validity: None,
    }
}

fn texts(codes: Vec<u32>, dictionary: wit::StringsResult) -> wit::ValuesResult {
    wit::ValuesResult::Texts(wit::TextResult { codes, dictionary })
}

/// What is wrong with a column of ten rows.
fn wrong(column_type: ColumnType, values: wit::ValuesResult, validity: Option<Vec<u8>>) -> String {
    let answer = answer(vec![wit::ColumnResult { values, validity }]);
    told(&converted(answer, &plan(&[column_type], 0), ROWS).unwrap_err())
}

fn told(invalid: &Invalid) -> String {
    format!("`{}` {}", invalid.item, invalid.reason)
}

#[test]
fn a_column_has_a_value_for_each_row() {
    use wit::ValuesResult::{Booleans, Floats, Integers, Timestamps, Unsigneds};
    assert_snapshot!(wrong(ColumnType::Integer, Integers(vec![0; 9]), None), @"`computed[0].values` has 9 values for a batch of 10 rows");
    assert_snapshot!(wrong(ColumnType::Unsigned, Unsigneds(vec![0; 11]), None), @"`computed[0].values` has 11 values for a batch of 10 rows");
    assert_snapshot!(wrong(ColumnType::Float, Floats(vec![]), None), @"`computed[0].values` has 0 values for a batch of 10 rows");
    assert_snapshot!(wrong(ColumnType::Timestamp, Timestamps(vec![0; 9]), None), @"`computed[0].values` has 9 values for a batch of 10 rows");
    assert_snapshot!(wrong(ColumnType::Boolean, Booleans(vec![0; 1]), None), @"`computed[0].values` has 1 bytes, a bitmap of 10 bits needs 2");
    assert_snapshot!(wrong(ColumnType::Text, texts(vec![0; 9], strings(&["a"])), None), @"`computed[0].values.codes` has 9 values for a batch of 10 rows");
}

#[test]
fn a_bitmap_has_a_bit_for_each_row() {
    let values = || wit::ValuesResult::Integers(vec![0; ROWS]);
    assert_snapshot!(wrong(ColumnType::Integer, values(), Some(vec![0xff])), @"`computed[0].validity` has 1 bytes, a bitmap of 10 bits needs 2");
    // More does no harm, and bits beyond the rows are not looked at.
    let answer = answer(vec![wit::ColumnResult { values: values(), validity: Some(vec![0xff, 0b1111_1101, 7]) }]);
    let column = converted(answer, &plan(&[ColumnType::Integer], 0), ROWS).unwrap().computed.remove(0);
    assert_eq!((column.null_count(), column.is_null(9)), (1, true));
}

#[test]
fn a_column_is_of_the_type_that_the_plan_says() {
    assert_snapshot!(wrong(ColumnType::Float, wit::ValuesResult::Integers(vec![0; ROWS]), None), @"`computed[0].values` are of type `integer`, the plan declares `float`");
}

#[test]
fn there_are_as_many_columns_and_masks_as_the_plan_says() {
    let column = || wit::ColumnResult { values: wit::ValuesResult::Integers(vec![0; ROWS]), validity: None };
    let plan = plan(&[ColumnType::Integer], 1);
    assert_snapshot!(told(&converted(answer(vec![]), &plan, ROWS).unwrap_err()), @"`computed` has 0 columns, the plan declares 1");
    assert_snapshot!(told(&converted(answer(vec![column(), column()]), &plan, ROWS).unwrap_err()), @"`computed` has 2 columns, the plan declares 1");
    assert_snapshot!(told(&converted(answer(vec![column()]), &plan, ROWS).unwrap_err()), @"`masks` has 0 masks, the plan declares 1");
}

#[test]
fn codes_are_in_the_dictionary_unless_their_row_is_null() {
    let text = |codes, validity, dictionary| {
        let values = texts(codes, dictionary);
        converted(answer(vec![wit::ColumnResult { values, validity }]), &plan(&[ColumnType::Text], 0), 3)
    };
    let error = text(vec![0, 1, 2], None, strings(&["a", "b"])).unwrap_err();
    assert_snapshot!(told(&error), @"`computed[0].values.codes[2]` is 2, beyond a dictionary of 2 entries");
    let error = text(vec![0, 0, 0], None, strings(&[])).unwrap_err();
    assert_snapshot!(told(&error), @"`computed[0].values.codes[0]` is 0, beyond a dictionary of 0 entries");

    let column = text(vec![1, 0, u32::MAX], Some(vec![0b011]), strings(&["a", "b"])).unwrap().computed.remove(0);
    let column = column.as_dictionary::<Int32Type>();
    assert_eq!(column.keys().values(), &[1, 0, 0]);
    assert_eq!((column.is_null(1), column.is_null(2)), (false, true));

    // No value at all needs no dictionary, and no offset either.
    let none = wit::StringsResult { offsets: vec![], data: vec![], validity: None };
    assert_eq!(text(vec![7; 3], Some(vec![0]), none).unwrap().computed[0].null_count(), 3);
}

#[test]
fn a_row_whose_code_points_at_a_null_is_null() {
    let dictionary = wit::StringsResult { validity: Some(vec![0b01]), ..strings(&["a", ""]) };
    let values = texts(vec![0, 1, 0], dictionary);
    let answer = answer(vec![wit::ColumnResult { values, validity: Some(vec![0b110]) }]);
    let column = converted(answer, &plan(&[ColumnType::Text], 0), 3).unwrap().computed.remove(0);
    let column = column.as_dictionary::<Int32Type>();
    assert_eq!((0..3).map(|row| column.is_null(row)).collect::<Vec<_>>(), [true, true, false]);
    assert_eq!(column.values().null_count(), 0);
}

#[test]
fn strings_have_offsets_that_fit_and_are_utf_8() {
    let wrong = |offsets: &[u32], data: &[u8], validity| {
        let strings = wit::StringsResult { offsets: offsets.to_vec(), data: data.to_vec(), validity };
        told(&translated(strings, 2).unwrap_err())
    };
    assert_snapshot!(wrong(&[0, 1], b"a", None), @"`translated.offsets` are those of 1 strings, expected 2");
    assert_snapshot!(wrong(&[], b"", None), @"`translated.offsets` are those of 0 strings, expected 2");
    assert_snapshot!(wrong(&[1, 1, 1], b"a", None), @"`translated.offsets` do not begin with 0");
    assert_snapshot!(wrong(&[0, 2, 1], b"ab", None), @"`translated.offsets[2]` is 1, less than 2 before it");
    assert_snapshot!(wrong(&[0, 1, 1], b"ab", None), @"`translated.offsets` end with 1, the data with 2");
    assert_snapshot!(wrong(&[0, 1, 3], b"ab", None), @"`translated.offsets` end with 3, the data with 2");
    assert_snapshot!(wrong(&[0, 1, u32::MAX], b"ab", None), @"`translated.offsets` end with 4294967295, the data with 2");
    assert_snapshot!(wrong(&[0, 1, 2], b"a\xff", None), @"`translated.data` is not UTF-8 in every string: Invalid argument error: Encountered non UTF-8 data: invalid utf-8 sequence of 1 bytes from index 1");
    // Together they are UTF-8, each of them is not.
    assert_snapshot!(wrong(&[0, 1, 2], "é".as_bytes(), None), @"`translated.data` is not UTF-8 in every string: Invalid argument error: Split UTF-8 codepoint at offset 1");
    assert_snapshot!(wrong(&[0, 1, 2], b"ab", Some(vec![])), @"`translated.validity` has 0 bytes, a bitmap of 2 bits needs 1");
}

#[test]
fn a_translation_may_have_nulls() {
    let answer = wit::StringsResult { validity: Some(vec![0b10]), ..strings(&["left over", "b"]) };
    assert_eq!(translated(answer, 2).unwrap(), StringArray::from(vec![None, Some("b")]));
}

#[test]
fn masks_choose_rows() {
    let masks = |masks, count| converted(wit::Converted { masks, ..answer(vec![]) }, &plan(&[], count), ROWS);
    let answer = masks(vec![wit::Mask::All, wit::Mask::None, wit::Mask::Rows(vec![0b1000_0001, 0b10])], 3).unwrap();
    let [Mask::All, Mask::None, Mask::Rows(rows)] = &answer.masks[..] else { panic!("in order") };
    assert_eq!((0..ROWS).filter(|&row| rows.value(row)).collect::<Vec<_>>(), [0, 7, 9]);
    assert_snapshot!(told(&masks(vec![wit::Mask::All, wit::Mask::Rows(vec![0xff])], 2).unwrap_err()), @"`masks[1].rows` has 1 bytes, a bitmap of 10 bits needs 2");
}

fn rejections(rejected: Vec<(u32, &str, &str)>) -> Result<Vec<Rejection>, Invalid> {
    let rejected = rejected.into_iter();
    let rejected =
        rejected.map(|(row, code, message)| wit::Rejection { row, code: code.into(), message: message.into() });
    let answer = wit::Converted { rejected: rejected.collect(), ..answer(vec![]) };
    converted(answer, &plan(&[], 0), ROWS).map(|converted| converted.rejected)
}

#[test]
fn rejections_are_sorted_and_the_first_of_a_row_counts() {
    let rejected = rejections(vec![(7, "b", "second row"), (2, "a", "first"), (7, "c", "late"), (2, "d", "late")]);
    let rejected: Vec<_> = rejected.unwrap().into_iter().map(|rejection| (rejection.row, rejection.code)).collect();
    assert_eq!(rejected, [(2, "a".to_owned()), (7, "b".to_owned())]);
}

#[test]
fn rejections_name_rows_of_the_batch_and_codes_that_can_be_counted() {
    assert_snapshot!(told(&rejections(vec![(10, "a", "")]).unwrap_err()), @"`rejected[0].row` is 10 in a batch of 10 rows");
    assert_snapshot!(told(&rejections(vec![(0, "a", ""), (0, "Not\nA Code", "")]).unwrap_err()), @"`rejected[1].code` must be words of lower case joined by `-`, at most 64 bytes: `Not A Code`");
    assert_snapshot!(told(&rejections(vec![(0, &"a".repeat(65), "")]).unwrap_err()), @"`rejected[0].code` must be words of lower case joined by `-`, at most 64 bytes: `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…`");
    let long = rejections(vec![(0, "a", &"x\n".repeat(10_000))]).unwrap();
    assert!(long[0].message.len() <= MAX_MESSAGE_BYTES + 3 && !long[0].message.contains('\n'));
}

fn bytes(length: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..length)
}

prop_compose! {
    fn any_strings()(
        offsets in prop::collection::vec(prop_oneof![0_u32..8, any::<u32>()], 0..6),
        data in prop_oneof![bytes(8), "\\PC{0,3}".prop_map(String::into_bytes)],
        validity in prop::option::of(bytes(2)),
    ) -> wit::StringsResult {
        wit::StringsResult { offsets, data, validity }
    }
}

proptest! {
    /// Whatever a guest answers is refused, or is what Arrow takes for sound.
    #[test]
    fn no_text_gets_past_that_arrow_would_refuse(
        codes in prop::collection::vec(prop_oneof![0_u32..4, any::<u32>()], 0..5),
        dictionary in any_strings(),
        validity in prop::option::of(bytes(2)),
        rows in 0_usize..5,
    ) {
        let values = wit::ValuesResult::Texts(wit::TextResult { codes, dictionary });
        let answer = answer(vec![wit::ColumnResult { values, validity }]);
        if let Ok(converted) = converted(answer, &plan(&[ColumnType::Text], 0), rows) {
            let column = &converted.computed[0];
            prop_assert_eq!(column.len(), rows);
            column.to_data().validate_full().unwrap();
        }
    }

    #[test]
    fn no_translation_gets_past_that_arrow_would_refuse(strings in any_strings(), values in 0_usize..5) {
        if let Ok(strings) = translated(strings, values) {
            prop_assert_eq!(strings.len(), values);
            strings.to_data().validate_full().unwrap();
        }
    }
}
