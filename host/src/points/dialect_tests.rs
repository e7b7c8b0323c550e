//! What becomes of a row depends on the engine that it is for.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use arrow::array::{ArrayRef, UInt64Array};

use super::tests::{Native, batch, encode_in, field, name, plan, tag, text, times, unused};
use super::*;
use crate::converter::{Constant, Field, FieldType, Key, Plan, Source, Tag};

/// The lines and rejects of rows in a dialect, each cut to what a person wants to read; answers every translation with
/// the value itself.
fn encoded(dialect: Dialect, plan: &Plan, columns: Vec<ArrayRef>) -> String {
    let translate: fn(usize, Option<&str>) -> Option<String> = |_, value| value.map(str::to_owned);
    encode_in(dialect, plan, &batch(columns), &mut Native { translate, convert: unused, asked: Vec::new() })
}

fn one(key: &str) -> Field {
    field(key, Source::Constant(Constant::Integer(1)), FieldType::Integer)
}

fn translated_tag(translation: usize) -> Tag {
    let mut tag = tag("", Source::Constant(Constant::Text("v".to_owned())));
    tag.key = Key::Translated(translation);
    tag
}

fn translated_field(translation: usize) -> Field {
    let mut field = one("");
    field.key = Key::Translated(translation);
    field
}

#[test]
fn tags_are_in_the_order_of_the_plan_where_it_orders_the_table_and_in_that_of_their_keys_elsewhere() {
    let value = |text: &str| Source::Constant(Constant::Text(text.to_owned()));
    let plan = plan(vec![tag("region", value("n")), tag("area", value("a"))], vec![one("v")]);
    let lines = |dialect| encoded(dialect, &plan, vec![times(vec![Some(1)])]);
    insta::assert_snapshot!(lines(Dialect::V3), @"m,region=n,area=a v=1i 1");
    for dialect in [Dialect::V1, Dialect::V2, Dialect::Any] {
        assert_eq!(lines(dialect), "m,area=a,region=n v=1i 1\n", "{dialect:?}");
    }
}

#[test]
fn unsigned_integers_are_integers_where_1_has_to_read_them() {
    let columns = || -> Vec<ArrayRef> {
        let numbers = vec![7, i64::MAX.unsigned_abs(), i64::MAX.unsigned_abs() + 1, u64::MAX];
        vec![times(vec![Some(1), Some(2), Some(3), Some(4)]), Arc::new(UInt64Array::from(numbers))]
    };
    let numbers = plan(vec![], vec![field("n", Source::Column(1), FieldType::Unsigned)]);
    insta::assert_snapshot!(encoded(Dialect::V1, &numbers, columns()), @"
    m n=7i 1
    m n=9223372036854775807i 2
    row 2 rejected as unwritable: the value of the field `n` cannot be written: InfluxDB 1.x has no integers above 9223372036854775807
    row 3 rejected as unwritable: the value of the field `n` cannot be written: InfluxDB 1.x has no integers above 9223372036854775807
    ");
    insta::assert_snapshot!(encoded(Dialect::V2, &numbers, columns()), @"
    m n=7u 1
    m n=9223372036854775807u 2
    m n=9223372036854775808u 3
    m n=18446744073709551615u 4
    ");
    assert_eq!(encoded(Dialect::V3, &numbers, columns()), encoded(Dialect::V2, &numbers, columns()));
    assert_eq!(encoded(Dialect::Any, &numbers, columns()), encoded(Dialect::V1, &numbers, columns()));
    let constant = |value| field("n", Source::Constant(Constant::Unsigned(value)), FieldType::Unsigned);
    let constants = plan(vec![], vec![constant(7)]);
    insta::assert_snapshot!(encoded(Dialect::V1, &constants, vec![times(vec![Some(1)])]), @"m n=7i 1");
    let constants = plan(vec![], vec![constant(u64::MAX)]);
    insta::assert_snapshot!(encoded(Dialect::V1, &constants, vec![times(vec![Some(1)])]), @"row 0 rejected as unwritable: the value of the field `n` cannot be written: InfluxDB 1.x has no integers above 9223372036854775807");
}

#[test]
fn a_text_that_is_too_long_rejects_its_row() {
    let long = "x".repeat(65_537);
    let columns = || vec![times(vec![Some(1), Some(2)]), text(&[Some(&long), Some("short")])];
    let texts = plan(vec![], vec![field("t", Source::Column(1), FieldType::Text)]);
    insta::assert_snapshot!(encoded(Dialect::V3, &texts, columns()), @r#"
    m t="short" 2
    row 0 rejected as unwritable: the value of the field `t` cannot be written: it is longer than 65536 bytes, the limit of InfluxDB 3
    "#);
    assert_eq!(encoded(Dialect::V2, &texts, columns()).lines().count(), 2);
    assert!(!encoded(Dialect::V2, &texts, columns()).contains("rejected"));
    let constants = plan(vec![], vec![field("t", Source::Constant(Constant::Text(long.clone())), FieldType::Text)]);
    insta::assert_snapshot!(encoded(Dialect::V3, &constants, vec![times(vec![Some(1)])]), @"row 0 rejected as unwritable: the value of the field `t` cannot be written: it is longer than 65536 bytes, the limit of InfluxDB 3");
}

/// The longest value of a tag with which a point can be written.
fn longest_tag(dialect: Dialect, plan: &Plan) -> usize {
    let is_written = |length: usize| {
        let value = "x".repeat(length);
        !encoded(dialect, plan, vec![times(vec![Some(1)]), text(&[Some(&value)]), text(&[Some("f g")])])
            .contains("rejected")
    };
    (65_000..65_600).rfind(|length| is_written(*length)).unwrap()
}

#[test]
fn a_series_key_and_a_field_key_are_as_long_together_as_1_and_2_take_them() {
    // `m,a\\ b=` and `#!~#`, and the longer of `v` and `f\\ g`.
    let tag = || tag("a b", Source::Column(1));
    let rest = r"m,a\ b=".len() + "#!~#".len();
    for dialect in [Dialect::V1, Dialect::V2, Dialect::Any] {
        assert_eq!(longest_tag(dialect, &plan(vec![tag()], vec![one("v")])), 65_535 - rest - 1);
        assert_eq!(longest_tag(dialect, &plan(vec![tag()], vec![one("v"), one("f g")])), 65_535 - rest - 4);
        let mut translated = plan(vec![tag()], vec![one("v"), translated_field(0)]);
        translated.translations = vec![2];
        assert_eq!(longest_tag(dialect, &translated), 65_535 - rest - 4);
    }
    assert_eq!(longest_tag(Dialect::V3, &plan(vec![tag()], vec![one("v")])), 65_536);
}

#[test]
fn only_the_fields_that_a_row_has_count_for_the_length_of_its_keys() {
    let value = "x".repeat(65_500);
    let absent = field("a field with a long name that no row has", Source::Column(2), FieldType::Text);
    let plan = plan(vec![tag("t", Source::Column(1))], vec![one("v"), absent]);
    let columns = |absent| vec![times(vec![Some(1)]), text(&[Some(&value)]), text(&[absent])];
    assert!(encoded(Dialect::V1, &plan, columns(None)).ends_with(" v=1i 1\n"));
    insta::assert_snapshot!(encoded(Dialect::V1, &plan, columns(Some(""))), @"row 0 rejected as unwritable: the field `a field with a long name that no row has` cannot be written: its key and the key of its series are longer than 65531 bytes, the limit of InfluxDB 1.x and 2.x");
}

#[test]
fn a_tag_and_a_field_of_the_same_name_are_refused_by_3() {
    let both = plan(vec![tag("a", Source::Column(1))], vec![one("a")]);
    let columns = || vec![times(vec![Some(1)]), text(&[Some("v")])];
    insta::assert_snapshot!(encoded(Dialect::V1, &both, columns()), @"m,a=v a=1i 1");
    assert_eq!(encoded(Dialect::V2, &both, columns()), encoded(Dialect::V1, &both, columns()));
    for dialect in [Dialect::V3, Dialect::Any] {
        let error = Encoder::new(&both, dialect).unwrap_err();
        insta::allow_duplicates! {
            insta::assert_snapshot!(format!("{error}: {}", error.reason), @"the field key `a` cannot be written: InfluxDB 3 cannot hold a tag and a field of the same name");
        }
    }
    // In two points of one measurement as well, but not in two measurements.
    let mut apart = plan(vec![tag("a", Source::Column(1))], vec![one("b")]);
    let mut second = apart.points[0].clone();
    (second.tags, second.fields) = (vec![], vec![one("a")]);
    apart.points.push(second);
    assert!(Encoder::new(&apart, Dialect::V3).is_err());
    apart.points[1].measurement = name("n");
    assert!(Encoder::new(&apart, Dialect::V3).is_ok());
}

#[test]
fn a_row_whose_translated_key_is_that_of_a_tag_and_of_a_field_is_refused_by_3() {
    let columns = || {
        let keys = |keys: [&str; 3]| text(&keys.map(Some));
        vec![times(vec![Some(1), Some(2), Some(3)]), keys(["a", "b", "c"]), keys(["a", "c", "d"])]
    };
    let mut field_named_as_a_tag =
        plan(vec![tag("a", Source::Constant(Constant::Boolean(true)))], vec![translated_field(0)]);
    field_named_as_a_tag.translations = vec![1];
    insta::assert_snapshot!(encoded(Dialect::V3, &field_named_as_a_tag, columns()), @"
    m,a=true b=1i 2
    m,a=true c=1i 3
    row 0 rejected as unwritable: the field named by translation 0 cannot be written: InfluxDB 3 cannot hold a tag and a field of the same name
    ");
    let mut tag_named_as_a_field = plan(vec![translated_tag(0)], vec![one("a")]);
    tag_named_as_a_field.translations = vec![1];
    insta::assert_snapshot!(encoded(Dialect::Any, &tag_named_as_a_field, columns()), @"
    m,b=v a=1i 2
    m,c=v a=1i 3
    row 0 rejected as unwritable: the key of the tag named by translation 0 cannot be written: InfluxDB 3 cannot hold a tag and a field of the same name
    ");
    let mut both = plan(vec![translated_tag(0)], vec![translated_field(1)]);
    both.translations = vec![1, 2];
    insta::assert_snapshot!(encoded(Dialect::V3, &both, columns()), @"
    m,b=v c=1i 2
    m,c=v d=1i 3
    row 0 rejected as unwritable: the field `a` cannot be written: InfluxDB 3 cannot hold a tag and a field of the same name
    ");
    assert!(!encoded(Dialect::V2, &both, columns()).contains("rejected"));
}

#[test]
fn a_plan_of_more_columns_than_a_table_of_3_is_refused() {
    let wide = |columns: usize| {
        let fields = (0..columns).map(|index| one(&format!("f{index}"))).collect();
        plan(vec![tag("t", Source::Column(1))], fields)
    };
    assert!(Encoder::new(&wide(498), Dialect::V3).is_ok());
    let error = Encoder::new(&wide(499), Dialect::V3).unwrap_err();
    insta::assert_snapshot!(format!("{error}: {}", error.reason), @"the measurement `m` cannot be written: it has 501 columns with the time, more than 500, the limit of InfluxDB 3");
    assert!(Encoder::new(&wide(499), Dialect::Any).is_err());
    assert!(Encoder::new(&wide(499), Dialect::V2).is_ok());
}
