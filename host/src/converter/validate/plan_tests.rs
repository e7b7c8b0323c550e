#![allow(clippy::unwrap_used, reason = "tests")]

use insta::{assert_debug_snapshot, assert_snapshot};

use super::*;
use crate::source::{ColumnSchema, Meaning, Origin};

/// A column of each type, in the order of the contract.
fn input() -> Input {
    let types = [
        ColumnType::Boolean,
        ColumnType::Integer,
        ColumnType::Unsigned,
        ColumnType::Float,
        ColumnType::Text,
        ColumnType::Timestamp,
        ColumnType::Other,
    ];
    let columns = types.into_iter().map(|column_type| ColumnSchema {
        name: type_name(column_type).to_owned(),
        column_type,
        meaning: Meaning::Plain,
        source_type: String::new(),
        nullable: true,
        list: None,
    });
    let (origin, columns) = (Origin::default(), columns.collect());
    Input { dataset: "test".into(), origin, columns, partitions: Vec::new(), strict: true }
}

const INTEGER: u32 = 1;
const FLOAT: u32 = 3;
const TEXT: u32 = 4;
const TIMESTAMP: u32 = 5;
const OTHER: u32 = 6;

fn field(source: wit::Source) -> wit::Field {
    wit::Field { key: wit::Key::Name("value".into()), source, write_as: None, when: None, missing: wit::Missing::Omit }
}

fn tag(source: wit::Source) -> wit::Tag {
    wit::Tag { key: wit::Key::Name("region".into()), source, when: None, missing: wit::Missing::Omit }
}

fn point() -> wit::Point {
    wit::Point {
        measurement: wit::Key::Name("load".into()),
        time: wit::Source::Column(TIMESTAMP),
        tags: vec![tag(wit::Source::Column(TEXT))],
        fields: vec![field(wit::Source::Column(FLOAT))],
        when: None,
    }
}

fn valid() -> wit::Plan {
    wit::Plan { each: None, points: vec![point()], translations: vec![TEXT], reads: vec![], computed: vec![], masks: 0 }
}

fn wrong(plan: wit::Plan) -> String {
    wrong_by(Contract::V0_2, plan)
}

fn wrong_by(contract: Contract, plan: wit::Plan) -> String {
    let Invalid { item, reason } = super::plan(plan, &input(), contract).unwrap_err();
    format!("`{item}` {reason}")
}

fn wrong_point(point: wit::Point) -> String {
    wrong(wit::Plan { points: vec![super::tests::point(), point], ..valid() })
}

fn wrong_field(field: wit::Field) -> String {
    wrong_point(wit::Point { fields: vec![field], ..point() })
}

#[test]
fn a_valid_plan_is_kept_as_it_is() {
    let plan = wit::Plan {
        computed: vec![wit::ColumnType::Timestamp],
        reads: vec![TEXT, FLOAT],
        masks: 1,
        points: vec![wit::Point {
            time: wit::Source::Computed(0),
            tags: vec![wit::Tag { key: wit::Key::Translated(0), when: Some(0), ..tag(wit::Source::Translated(0)) }],
            fields: vec![wit::Field {
                write_as: Some(wit::FieldType::Float),
                missing: wit::Missing::Reject("invalid-value".into()),
                ..field(wit::Source::Column(INTEGER))
            }],
            when: Some(0),
            ..point()
        }],
        ..valid()
    };
    assert_debug_snapshot!(super::plan(plan, &input(), Contract::V0_2).unwrap(), @r#"
    Plan {
        each: None,
        points: [
            Point {
                measurement: Name(
                    "load",
                ),
                time: Computed(
                    0,
                ),
                tags: [
                    Tag {
                        key: Translated(
                            0,
                        ),
                        source: Translated(
                            0,
                        ),
                        when: Some(
                            0,
                        ),
                        missing: Omit,
                    },
                ],
                fields: [
                    Field {
                        key: Name(
                            "value",
                        ),
                        source: Column(
                            1,
                        ),
                        write_as: Float,
                        when: None,
                        missing: Reject(
                            "invalid-value",
                        ),
                    },
                ],
                when: Some(
                    0,
                ),
            },
        ],
        translations: [
            4,
        ],
        reads: [
            4,
            3,
        ],
        computed: [
            Timestamp,
        ],
        masks: 1,
    }
    "#);
}

#[test]
fn a_plan_has_a_point_and_a_point_has_a_field() {
    assert_snapshot!(wrong(wit::Plan { points: vec![], ..valid() }), @"`points` is empty: a plan has at least one point");
    assert_snapshot!(wrong_point(wit::Point { fields: vec![], ..point() }), @"`points[1].fields` is empty: a point has at least one field");
}

#[test]
fn a_row_gives_more_points_in_the_later_contract() {
    let plan = |points| wit::Plan { points: vec![point(); points], ..valid() };
    let refused = |points, contract| {
        let Invalid { item, reason } = super::plan(plan(points), &input(), contract).unwrap_err();
        format!("`{item}` {reason}")
    };
    assert!(super::plan(plan(64), &input(), Contract::V0_1).is_ok());
    assert_snapshot!(refused(65, Contract::V0_1), @"`points` has 65 items, at most 64 are allowed");
    assert!(super::plan(plan(1024), &input(), Contract::V0_2).is_ok());
    assert_snapshot!(refused(1025, Contract::V0_2), @"`points` has 1025 items, at most 1024 are allowed");
    let wide = wit::Point { fields: vec![field(wit::Source::RowNumber); 1024], ..point() };
    let Invalid { item, reason } =
        super::plan(wit::Plan { points: vec![wide; 128], ..valid() }, &input(), Contract::V0_2).unwrap_err();
    assert_snapshot!(format!("`{item}` {reason}"), @"`points` have 131200 tags and fields together, at most 131072 are allowed");
}

#[test]
fn a_measurement_is_a_name_or_a_translation_that_there_is() {
    let measured = |measurement| wit::Point { measurement, ..point() };
    let plan = wit::Plan { points: vec![measured(wit::Key::Translated(0))], ..valid() };
    let plan = super::plan(plan, &input(), Contract::V0_2).unwrap();
    assert_eq!(plan.points[0].measurement, Key::Translated(0));
    assert_snapshot!(wrong_point(measured(wit::Key::Translated(1))), @"`points[1].measurement` names translation 1, there are 1");
}

#[test]
fn a_joined_key_has_a_translation_among_two_to_eight_parts() {
    let (text, translated) = (|| wit::KeyPart::Text("a".into()), || wit::KeyPart::Translated(0));
    let wrong = |parts| wrong_point(wit::Point { measurement: wit::Key::Joined(parts), ..point() });
    assert_snapshot!(wrong(vec![translated()]), @"`points[1].measurement` is joined of 1 parts: there are 2 to 8, at least one of them a translation");
    assert_snapshot!(wrong(vec![text(), text()]), @"`points[1].measurement` is joined of 2 parts: there are 2 to 8, at least one of them a translation");
    let many = (0..9).map(|_| translated()).collect();
    assert_snapshot!(wrong(many), @"`points[1].measurement` is joined of 9 parts: there are 2 to 8, at least one of them a translation");
    assert_snapshot!(wrong(vec![translated(), wit::KeyPart::Translated(1)]), @"`points[1].measurement` names translation 1, there are 1");
    assert_snapshot!(wrong(vec![translated(), wit::KeyPart::Text(String::new())]), @"`points[1].measurement` is empty");
}

#[test]
fn names_are_not_empty_and_not_endless() {
    assert_snapshot!(wrong_point(wit::Point { measurement: wit::Key::Name(String::new()), ..point() }), @"`points[1].measurement` is empty");
    let key = |key: String| wit::Field { key: wit::Key::Name(key), ..field(wit::Source::Column(FLOAT)) };
    assert_snapshot!(wrong_field(key(String::new())), @"`points[1].fields[0].key` is empty");
    assert_snapshot!(wrong_field(key("k".repeat(5000))), @"`points[1].fields[0].key` has 5000 bytes, at most 4096 are allowed");
}

#[test]
fn every_index_is_of_something() {
    assert_snapshot!(wrong(wit::Plan { translations: vec![TEXT, 7], ..valid() }), @"`translations[1]` names column 7, there are 7");
    assert_snapshot!(wrong(wit::Plan { reads: vec![u32::MAX], ..valid() }), @"`reads[0]` names column 4294967295, there are 7");
    assert_snapshot!(wrong(wit::Plan { reads: vec![1, 2, 1], ..valid() }), @"`reads[2]` names column 1 a second time");
    assert_snapshot!(wrong_field(field(wit::Source::Column(7))), @"`points[1].fields[0].source` names column 7, there are 7");
    assert_snapshot!(wrong_field(field(wit::Source::Translated(1))), @"`points[1].fields[0].source` names translation 1, there are 1");
    assert_snapshot!(wrong_field(field(wit::Source::Computed(0))), @"`points[1].fields[0].source` names computed column 0, there are 0");
    let key = wit::Key::Translated(9);
    assert_snapshot!(wrong_field(wit::Field { key, ..field(wit::Source::Column(FLOAT)) }), @"`points[1].fields[0].key` names translation 9, there are 1");
    assert_snapshot!(wrong_field(wit::Field { when: Some(0), ..field(wit::Source::Column(FLOAT)) }), @"`points[1].fields[0].when` names mask 0, there are 0");
    assert_snapshot!(wrong_point(wit::Point { when: Some(0), ..point() }), @"`points[1].when` names mask 0, there are 0");
    let tags = vec![tag(wit::Source::Column(TEXT)), wit::Tag { when: Some(3), ..tag(wit::Source::Column(TEXT)) }];
    assert_snapshot!(wrong_point(wit::Point { tags, ..point() }), @"`points[1].tags[1].when` names mask 3, there are 0");
}

#[test]
fn columns_that_cannot_cross_cannot_be_used() {
    assert_snapshot!(wrong(wit::Plan { translations: vec![OTHER], ..valid() }), @"`translations[0]` names column 6 of type `other`, which cannot be used");
    assert_snapshot!(wrong(wit::Plan { reads: vec![OTHER], ..valid() }), @"`reads[0]` names column 6 of type `other`, which cannot be used");
    let computed = vec![wit::ColumnType::Float, wit::ColumnType::Other];
    assert_snapshot!(wrong(wit::Plan { computed, ..valid() }), @"`computed[1]` is of type `other`, which cannot be computed");
    assert_snapshot!(wrong_field(field(wit::Source::Column(OTHER))), @"`points[1].fields[0].source` names column 6 of type `other`, which cannot be used");
    assert_snapshot!(wrong_point(wit::Point { time: wit::Source::Column(OTHER), ..point() }), @"`points[1].time` names column 6 of type `other`, which cannot be used");
}

#[test]
fn a_time_is_a_timestamp_or_an_integer() {
    assert_snapshot!(wrong_point(wit::Point { time: wit::Source::Column(TEXT), ..point() }), @"`points[1].time` is of type `text`: a time is a timestamp or an integer");
    assert_snapshot!(wrong_point(wit::Point { time: wit::Source::Translated(0), ..point() }), @"`points[1].time` is of type `text`: a time is a timestamp or an integer");
    for time in
        [wit::Source::Column(TIMESTAMP), wit::Source::Column(INTEGER), wit::Source::Constant(wit::Constant::Integer(0))]
    {
        super::plan(wit::Plan { points: vec![wit::Point { time, ..point() }], ..valid() }, &input(), Contract::V0_2)
            .unwrap();
    }
}

#[test]
fn numbers_are_written_as_numbers_everything_as_text_and_nothing_else_as_another_type() {
    let asked = [
        wit::FieldType::Boolean,
        wit::FieldType::Integer,
        wit::FieldType::Unsigned,
        wit::FieldType::Float,
        wit::FieldType::Text,
    ];
    let columns = input().columns;
    let table: String = columns[..6]
        .iter()
        .map(|column| {
            let own = write_as(column.column_type, None).unwrap();
            let allowed: Vec<_> =
                asked.iter().filter_map(|&asked| write_as(column.column_type, Some(asked)).ok()).collect();
            format!("{}: {own:?}, of {allowed:?}\n", column.name)
        })
        .collect();
    assert_snapshot!(table, @"
    boolean: Boolean, of [Boolean, Text]
    integer: Integer, of [Integer, Unsigned, Float, Text]
    unsigned: Unsigned, of [Integer, Unsigned, Float, Text]
    float: Float, of [Integer, Unsigned, Float, Text]
    text: Text, of [Text]
    timestamp: Integer, of [Integer, Text]
    ");
    let write_as = Some(wit::FieldType::Boolean);
    assert_snapshot!(wrong_field(wit::Field { write_as, ..field(wit::Source::Column(FLOAT)) }), @"`points[1].fields[0].write-as` is `boolean`, as which a source of type `float` cannot be written");
}

#[test]
fn constants_are_finite() {
    let constant = |value| field(wit::Source::Constant(wit::Constant::Float(value)));
    assert_snapshot!(wrong_field(constant(f64::NAN)), @"`points[1].fields[0].source` is a constant that is not finite: NaN");
    assert_snapshot!(wrong_field(constant(f64::NEG_INFINITY)), @"`points[1].fields[0].source` is a constant that is not finite: -inf");
}

#[test]
fn codes_of_missing_values_can_be_counted() {
    let missing = wit::Missing::Reject("Invalid value".into());
    assert_snapshot!(wrong_field(wit::Field { missing, ..field(wit::Source::Column(FLOAT)) }), @"`points[1].fields[0].missing.code` must be words of lower case joined by `-`, at most 64 bytes: `Invalid value`");
}

#[test]
fn a_plan_is_bounded() {
    assert_snapshot!(wrong_by(Contract::V0_1, wit::Plan { points: vec![point(); 65], ..valid() }), @"`points` has 65 items, at most 64 are allowed");
    assert_snapshot!(wrong(wit::Plan { points: vec![point(); 1025], ..valid() }), @"`points` has 1025 items, at most 1024 are allowed");
    assert_snapshot!(wrong(wit::Plan { translations: vec![TEXT; 1025], ..valid() }), @"`translations` has 1025 items, at most 1024 are allowed");
    assert_snapshot!(wrong(wit::Plan { reads: vec![TEXT; 1025], ..valid() }), @"`reads` has 1025 items, at most 1024 are allowed");
    assert_snapshot!(wrong(wit::Plan { computed: vec![wit::ColumnType::Float; 1025], ..valid() }), @"`computed` has 1025 items, at most 1024 are allowed");
    assert_snapshot!(wrong(wit::Plan { masks: u32::MAX, ..valid() }), @"`masks` has 4294967295 items, at most 1024 are allowed");
    assert_snapshot!(wrong_point(wit::Point { tags: vec![tag(wit::Source::Column(TEXT)); 257], ..point() }), @"`points[1].tags` has 257 items, at most 256 are allowed");
    assert_snapshot!(wrong_point(wit::Point { fields: vec![field(wit::Source::Column(FLOAT)); 1025], ..point() }), @"`points[1].fields` has 1025 items, at most 1024 are allowed");
}

#[test]
fn a_key_may_stand_twice() {
    let fields = vec![field(wit::Source::Column(FLOAT)), field(wit::Source::Column(INTEGER))];
    let plan =
        super::plan(wit::Plan { points: vec![wit::Point { fields, ..point() }], ..valid() }, &input(), Contract::V0_2)
            .unwrap();
    assert_eq!(plan.points[0].fields.len(), 2);
}

#[test]
fn columns_of_a_list_are_used_where_its_elements_give_the_points() {
    let list = |name: &str, first_leaf| Some(crate::source::List { name: name.into(), first_leaf });
    let mut input = input();
    input.columns[FLOAT as usize].list = list("readings", 3);
    input.columns[INTEGER as usize].list = list("other", 1);
    input.columns[OTHER as usize].list = list("readings", 3);
    let check = |each, reads: &[u32]| {
        let plan = wit::Plan { each, reads: reads.to_vec(), ..valid() };
        super::plan(plan, &input, Contract::V0_2).map_err(|Invalid { item, reason }| format!("`{item}` {reason}"))
    };
    assert_eq!(check(Some(FLOAT), &[FLOAT, TEXT]).unwrap().each, Some(FLOAT as usize));
    assert_snapshot!(check(None, &[]).unwrap_err(), @"`points[0].fields[0].source` names `float` of the list `readings`, and `each` does not name a column of this list");
    assert_snapshot!(check(Some(FLOAT), &[INTEGER]).unwrap_err(), @"`reads[0]` names `integer` of the list `other`, but the points are of the elements of `readings`");
    assert_snapshot!(check(Some(TEXT), &[]).unwrap_err(), @"`each` names `text`, which is not of a list");
    assert_snapshot!(check(Some(OTHER), &[]).unwrap_err(), @"`each` names column 6 of type `other`, which cannot be used");
    assert_snapshot!(check(Some(7), &[]).unwrap_err(), @"`each` names column 7, there are 7");
}
