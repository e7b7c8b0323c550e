//! What an encoder makes of plans and batches.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::convert::Infallible;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampNanosecondArray, UInt64Array,
};
use arrow::datatypes::{Field as ArrowField, Int32Type, Schema};

use super::*;
use crate::converter::{
    Constant, Converted, Field, FieldType, Key, KeyPart, Mask, Missing, Plan, Point, Rejection, Source, Tag,
};
use crate::source::{Batch, RowNumbers};

/// A converter written as two functions. Counts what it is asked.
pub(super) struct Native {
    pub(super) translate: fn(usize, Option<&str>) -> Option<String>,
    pub(super) convert: fn(&RecordBatch) -> Converted,
    pub(super) asked: Vec<Option<String>>,
}

impl Mapping for Native {
    type Error = Infallible;

    fn translate(&mut self, translation: usize, values: &StringArray) -> Result<StringArray, Infallible> {
        self.asked.extend(values.iter().map(|value| value.map(str::to_owned)));
        Ok(values.iter().map(|value| (self.translate)(translation, value)).collect())
    }

    fn convert(&mut self, columns: &RecordBatch) -> Result<Converted, Infallible> {
        Ok((self.convert)(columns))
    }
}

pub(super) fn batch(columns: Vec<ArrayRef>) -> Batch {
    let fields: Vec<_> = columns
        .iter()
        .enumerate()
        .map(|(index, column)| ArrowField::new(format!("c{index}"), column.data_type().clone(), true))
        .collect();
    Batch {
        row_group: 0,
        rows: RowNumbers::starting_at(0),
        elements: None,
        invalid_texts: Vec::new(),
        columns: RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap(),
    }
}

pub(super) fn text(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(values.iter().copied().collect::<DictionaryArray<Int32Type>>())
}

pub(super) fn times(values: Vec<Option<i64>>) -> ArrayRef {
    Arc::new(TimestampNanosecondArray::from(values))
}

pub(super) fn name(name: &str) -> Key {
    Key::Name(name.to_owned())
}

pub(super) fn tag(key: &str, source: Source) -> Tag {
    Tag { key: Key::Name(key.to_owned()), source, when: None, missing: Missing::Omit }
}

pub(super) fn field(key: &str, source: Source, write_as: FieldType) -> Field {
    Field { key: Key::Name(key.to_owned()), source, write_as, when: None, missing: Missing::Omit }
}

/// A plan of one point whose time is the first column.
pub(super) fn plan(tags: Vec<Tag>, fields: Vec<Field>) -> Plan {
    let point = Point { measurement: name("m"), time: Source::Column(0), tags, fields, when: None };
    Plan { points: vec![point], ..Plan::default() }
}

pub(super) fn unused(_: &RecordBatch) -> Converted {
    unreachable!("the plan does not convert")
}

/// The lines of a batch, then its rejects as `row code: message`, then how many rows were filtered.
fn encode(plan: &Plan, batch: &Batch) -> String {
    encode_by(plan, batch, &mut Native { translate: |_, _| None, convert: unused, asked: Vec::new() })
}

fn encode_by<M: Mapping<Error = Infallible>>(plan: &Plan, batch: &Batch, mapping: &mut M) -> String {
    encode_in(Dialect::Any, plan, batch, mapping)
}

/// As [`encode`], in a dialect and by a converter.
pub(super) fn encode_in<M: Mapping<Error = Infallible>>(
    dialect: Dialect,
    plan: &Plan,
    batch: &Batch,
    mapping: &mut M,
) -> String {
    let mut encoder = Encoder::new(plan, dialect).unwrap();
    let mut chunks = Lanes::single(ChunkLimits { points: 1_000, bytes: 1_000_000 });
    let encoded = encoder.encode(batch, mapping, &mut chunks).unwrap();
    let mut shown =
        chunks.finish().next().map_or(String::new(), |full| String::from_utf8(full.chunk.body().to_vec()).unwrap());
    for RejectedRow { row, code, message, .. } in encoded.rejected {
        shown += &format!("row {row} rejected as {code}: {message}\n");
    }
    if encoded.filtered > 0 {
        shown += &format!("{} filtered\n", encoded.filtered);
    }
    shown
}

#[test]
fn each_type_of_field_is_written_as_line_protocol_has_it() {
    let columns = batch(vec![
        times(vec![Some(1), Some(2)]),
        Arc::new(Float64Array::from(vec![0.1, 1e300])),
        Arc::new(Int64Array::from(vec![i64::MIN, 7])),
        Arc::new(UInt64Array::from(vec![i64::MAX.unsigned_abs(), 7])),
        Arc::new(BooleanArray::from(vec![true, false])),
        text(&[Some("say \"hi\""), Some("")]),
    ]);
    let fields = vec![
        field("f", Source::Column(1), FieldType::Float),
        field("i", Source::Column(2), FieldType::Integer),
        field("u", Source::Column(3), FieldType::Unsigned),
        field("b", Source::Column(4), FieldType::Boolean),
        field("t", Source::Column(5), FieldType::Text),
        field("as float", Source::Column(2), FieldType::Float),
        field("as text", Source::Column(4), FieldType::Text),
    ];
    insta::assert_snapshot!(encode(&plan(vec![], fields), &columns), @r#"
    m f=0.1,i=-9223372036854775808i,u=9223372036854775807i,b=true,t="say \"hi\"",as\ float=-9.223372036854776e+18,as\ text="true" 1
    m f=1e+300,i=7i,u=7i,b=false,t="",as\ float=7.0,as\ text="false" 2
    "#);
}

#[test]
fn tags_are_sorted_by_key_and_left_out_where_they_are_missing() {
    let columns = batch(vec![
        times(vec![Some(1), Some(2), Some(3)]),
        text(&[Some("são paulo"), None, Some("")]),
        Arc::new(Int64Array::from(vec![Some(7), Some(8), None])),
    ]);
    let tags = vec![
        tag("region", Source::Column(1)),
        tag("line", Source::Column(2)),
        tag("a", Source::Constant(Constant::Text("x=y".to_owned()))),
    ];
    let fields = vec![field("v", Source::Constant(Constant::Integer(1)), FieldType::Integer)];
    insta::assert_snapshot!(encode(&plan(tags, fields), &columns), @r"
    m,a=x\=y,line=7,region=são\ paulo v=1i 1
    m,a=x\=y,line=8 v=1i 2
    m,a=x\=y v=1i 3
    ");
}

#[test]
fn a_time_that_influxdb_does_not_keep_rejects_the_row() {
    let ends = [i64::MAX - 1, i64::MAX, i64::MIN + 2, i64::MIN + 1, i64::MIN];
    let columns = batch(vec![times(ends.map(Some).to_vec())]);
    let fields = vec![field("v", Source::Constant(Constant::Integer(1)), FieldType::Integer)];
    insta::assert_snapshot!(encode(&plan(vec![], fields), &columns), @r"
    m v=1i 9223372036854775806
    m v=1i -9223372036854775806
    row 1 rejected as invalid-timestamp: the row's time is outside of the range that InfluxDB keeps
    row 3 rejected as invalid-timestamp: the row's time is outside of the range that InfluxDB keeps
    row 4 rejected as invalid-timestamp: the row's time is outside of the range that InfluxDB keeps
    ");
}

#[test]
fn a_missing_value_rejects_the_row_where_the_plan_says_so() {
    let columns = batch(vec![
        times(vec![Some(1), Some(2), None, Some(4)]),
        Arc::new(Float64Array::from(vec![Some(f64::NAN), Some(2.0), Some(3.0), None])),
    ]);
    let mut value = field("v", Source::Column(1), FieldType::Float);
    value.missing = Missing::Reject("invalid-value".to_owned());
    insta::assert_snapshot!(encode(&plan(vec![], vec![value]), &columns), @r"
    m v=2.0 2
    row 0 rejected as invalid-value: the field `v` is missing or not finite
    row 2 rejected as invalid-timestamp: the row has no time that can be read
    row 3 rejected as invalid-value: the field `v` is missing or not finite
    ");
}

#[test]
fn a_row_without_a_field_or_with_an_unwritable_tag_is_rejected() {
    let columns = batch(vec![
        times(vec![Some(1), Some(2), Some(3)]),
        Arc::new(Float64Array::from(vec![None, Some(2.0), Some(3.0)])),
        text(&[Some("a"), Some("two\nlines"), Some("ends in \\")]),
    ]);
    let fields = vec![field("v", Source::Column(1), FieldType::Float)];
    insta::assert_snapshot!(encode(&plan(vec![tag("t", Source::Column(2))], fields), &columns), @r"
    row 0 rejected as no-fields: the row has no field
    row 1 rejected as unwritable: the value of the tag `t` cannot be written: it holds a line break
    row 2 rejected as unwritable: the value of the tag `t` cannot be written: it ends in a backslash
    ");
}

#[test]
fn a_key_can_be_translated_and_the_first_field_of_a_key_wins() {
    let columns = batch(vec![
        times(vec![Some(1), Some(2), Some(3), Some(4)]),
        text(&[Some("MW"), Some("kV"), None, Some("kV")]),
        Arc::new(Float64Array::from(vec![1.0, 2.0, 3.0, f64::NAN])),
        Arc::new(Float64Array::from(vec![10.0, 20.0, 30.0, 40.0])),
    ]);
    let mut value = field("", Source::Column(2), FieldType::Float);
    value.key = Key::Translated(0);
    let mut plan = plan(vec![], vec![value, field("voltage_kv", Source::Column(3), FieldType::Float)]);
    plan.translations = vec![1];
    let translate: fn(usize, Option<&str>) -> Option<String> = |_, unit| {
        Some(match unit {
            Some("MW") => "power_mw".to_owned(),
            Some("kV") => "voltage_kv".to_owned(),
            _ => "value".to_owned(),
        })
    };
    let mut mapping = Native { translate, convert: unused, asked: Vec::new() };
    insta::assert_snapshot!(encode_by(&plan, &columns, &mut mapping), @r"
    m power_mw=1.0,voltage_kv=10.0 1
    m voltage_kv=2.0 2
    m value=3.0,voltage_kv=30.0 3
    m voltage_kv=40.0 4
    ");
    assert_eq!(mapping.asked, [Some("MW".to_owned()), Some("kV".to_owned()), None], "once a distinct value");
}

#[test]
fn tags_with_translated_keys_are_sorted_too_and_the_first_of_a_key_wins() {
    let columns =
        batch(vec![times(vec![Some(1), Some(2), Some(3)]), text(&[Some("zone"), Some("area"), Some("time")])]);
    let mut dynamic = tag("", Source::Constant(Constant::Text("dynamic".to_owned())));
    dynamic.key = Key::Translated(0);
    let named = tag("area", Source::Constant(Constant::Text("named".to_owned())));
    let other = tag("area", Source::Constant(Constant::Text("second".to_owned())));
    let fields = vec![field("v", Source::Constant(Constant::Boolean(true)), FieldType::Boolean)];
    let mut plan = plan(vec![dynamic, named, other], fields);
    plan.translations = vec![1];
    let translate: fn(usize, Option<&str>) -> Option<String> = |_, key| key.map(str::to_owned);
    let mut mapping = Native { translate, convert: unused, asked: Vec::new() };
    insta::assert_snapshot!(encode_by(&plan, &columns, &mut mapping), @"
    m,area=named,zone=dynamic v=true 1
    m,area=named v=true 2
    row 2 rejected as unwritable: the key of the tag named by translation 0 cannot be written: the key is reserved in every InfluxDB
    ");
}

#[test]
fn computed_columns_masks_and_rejections_of_the_converter_are_followed() {
    let columns = batch(vec![Arc::new(Int64Array::from(vec![10, 20, 30, 40])) as ArrayRef]);
    let mut flagged = field("flag", Source::Constant(Constant::Boolean(true)), FieldType::Boolean);
    flagged.when = Some(1);
    let mut plan = plan(vec![], vec![field("v", Source::Computed(0), FieldType::Float), flagged]);
    plan.reads = vec![0];
    plan.computed = vec![crate::source::ColumnType::Float];
    plan.masks = 2;
    plan.points[0].when = Some(0);
    let convert: fn(&RecordBatch) -> Converted = |columns| Converted {
        computed: vec![Arc::new(Float64Array::from(vec![0.5; columns.num_rows()]))],
        masks: vec![
            Mask::Rows(BooleanArray::from(vec![true, true, false, true])),
            Mask::Rows(BooleanArray::from(vec![false, true, true, true])),
        ],
        rejected: vec![Rejection { row: 3, code: "odd".to_owned(), message: "it is odd".to_owned() }],
    };
    let mut mapping = Native { translate: |_, _| None, convert, asked: Vec::new() };
    insta::assert_snapshot!(encode_by(&plan, &columns, &mut mapping), @r"
    m v=0.5 10
    m v=0.5,flag=true 20
    row 3 rejected as odd: it is odd
    1 filtered
    ");
}

#[test]
fn a_row_with_one_bad_point_writes_none_of_its_points() {
    let columns =
        batch(vec![times(vec![Some(1), Some(2)]), Arc::new(Float64Array::from(vec![Some(1.0), None])) as ArrayRef]);
    let good = field("v", Source::Constant(Constant::Integer(1)), FieldType::Integer);
    let mut strict = field("w", Source::Column(1), FieldType::Float);
    strict.missing = Missing::Reject("invalid-value".to_owned());
    let mut plan = plan(vec![], vec![good]);
    let second = Point { measurement: name("n"), fields: vec![strict], ..plan.points[0].clone() };
    plan.points.push(second);
    insta::assert_snapshot!(encode(&plan, &columns), @r"
    m v=1i 1
    n w=1.0 1
    row 1 rejected as invalid-value: the field `w` is missing or not finite
    ");
}

#[test]
fn a_measurement_may_come_from_a_translation() {
    let columns = batch(vec![
        times(vec![Some(1), Some(2), Some(3), Some(4), Some(5)]),
        text(&[Some("cpu load"), Some("none"), None, Some("#comment"), Some("memory")]),
    ]);
    let mut plan = plan(vec![tag("t", Source::Column(1))], vec![field("n", Source::RowNumber, FieldType::Integer)]);
    plan.points[0].measurement = Key::Translated(0);
    plan.translations = vec![1];
    let translate: fn(usize, Option<&str>) -> Option<String> = |_, name| match name {
        Some("none") => Some(String::new()),
        name => name.map(str::to_owned),
    };
    let mut mapping = Native { translate, convert: unused, asked: Vec::new() };
    insta::assert_snapshot!(encode_by(&plan, &columns, &mut mapping), @r"
    cpu\ load,t=cpu\ load n=0i 1
    memory,t=memory n=4i 5
    row 1 rejected as invalid-measurement: the row has no measurement
    row 2 rejected as invalid-measurement: the row has no measurement
    row 3 rejected as unwritable: the measurement cannot be written: it begins with `#`
    ");
}

#[test]
fn keys_may_be_joined_of_two_columns() {
    let columns = batch(vec![
        times(vec![Some(1), Some(2), Some(3), Some(4), Some(5)]),
        text(&[Some("cpu"), Some("cpu"), Some("disk"), None, Some("cpu")]),
        text(&[Some("user"), Some("idle time"), Some("used"), Some("used"), Some("")]),
    ]);
    let joined = |between: &str| {
        Key::Joined(vec![KeyPart::Translated(0), KeyPart::Text(between.to_owned()), KeyPart::Translated(1)])
    };
    let mut field = field("", Source::RowNumber, FieldType::Integer);
    field.key = joined(".");
    field.missing = Missing::Reject("no-key".to_owned());
    let mut tag = tag("", Source::Column(2));
    tag.key = joined("/");
    let mut plan = plan(vec![tag], vec![field]);
    plan.translations = vec![1, 2];
    let translate: fn(usize, Option<&str>) -> Option<String> = |_, name| name.map(str::to_owned);
    let mut mapping = Native { translate, convert: unused, asked: Vec::new() };
    insta::assert_snapshot!(encode_by(&plan, &columns, &mut mapping), @r"
    m,cpu/user=user cpu.user=0i 1
    m,cpu/idle\ time=idle\ time cpu.idle\ time=1i 2
    m,disk/used=used disk.used=2i 3
    row 3 rejected as no-key: the field with a joined key is missing or not finite
    row 4 rejected as no-key: the field with a joined key is missing or not finite
    ");
    // As the measurement as well.
    plan.points[0].measurement = joined(" ");
    plan.points[0].tags.clear();
    plan.points[0].fields[0].key = name("n");
    insta::assert_snapshot!(encode_by(&plan, &columns, &mut mapping), @r"
    cpu\ user n=0i 1
    cpu\ idle\ time n=1i 2
    disk\ used n=2i 3
    row 3 rejected as invalid-measurement: the row has no measurement
    row 4 rejected as invalid-measurement: the row has no measurement
    ");
}

/// Whether the second row is seen to replace the first, for points of a time, whose measurement is translated.
fn replaces(names: [&str; 2], point_beside: Option<&str>) -> bool {
    let columns = batch(vec![times(vec![Some(1), Some(1)]), text(&names.map(Some))]);
    let mut plan = plan(vec![], vec![field("v", Source::RowNumber, FieldType::Integer)]);
    plan.points[0].measurement = Key::Translated(0);
    plan.translations = vec![1];
    if let Some(beside) = point_beside {
        plan.points.push(Point { measurement: name(beside), ..plan.points[0].clone() });
    }
    let translate: fn(usize, Option<&str>) -> Option<String> = |_, name| name.map(str::to_owned);
    let mut mapping = Native { translate, convert: unused, asked: Vec::new() };
    let mut encoder = Encoder::new(&plan, Dialect::Any).unwrap();
    let mut lanes = Lanes::single(ChunkLimits { points: 1_000, bytes: 1_000_000 });
    encoder.encode(&columns, &mut mapping, &mut lanes).unwrap();
    Recent::default().replaced_by(encoder.keys()) > 0
}

#[test]
fn rows_of_one_translated_measurement_replace_each_other_and_those_of_two_do_not() {
    assert!(replaces(["cpu", "cpu"], None));
    assert!(!replaces(["cpu", "memory"], None));
    // A point that has the same measurement by name.
    assert!(replaces(["cpu", "memory"], Some("cpu")));
}

#[test]
fn a_plan_that_names_what_cannot_be_written_is_refused() {
    let value = || vec![field("v", Source::Constant(Constant::Integer(1)), FieldType::Integer)];
    let mut comment = plan(vec![], value());
    comment.points[0].measurement = name("#m");
    for (plan, expected) in [
        (comment, "the measurement `#m` cannot be written"),
        (plan(vec![tag("time", Source::Column(1))], value()), "the tag key `time` cannot be written"),
        (
            plan(vec![], vec![field("a\\", Source::Column(1), FieldType::Float)]),
            "the field key `a\\` cannot be written",
        ),
        (
            plan(vec![], vec![field("v=1\n\u{1b}[31mlost", Source::Column(1), FieldType::Float)]),
            r"the field key `v=1\n\u{1b}[31mlost` cannot be written",
        ),
    ] {
        assert_eq!(Encoder::new(&plan, Dialect::Any).unwrap_err().to_string(), expected);
    }
}

/// A batch of three rows, of two, no and three elements: columns of times, texts and numbers, all of the list but the second.
fn elements() -> Batch {
    let columns = vec![
        times(vec![Some(1), Some(2), Some(3), Some(4), Some(4)]),
        text(&[Some("a"), Some("a"), Some("b"), Some("b"), Some("b")]),
        Arc::new(Int64Array::from(vec![Some(10), Some(20), Some(30), Some(40), None])) as ArrayRef,
    ];
    let rows = RowNumbers::starting_at(7);
    Batch { rows, elements: Some(crate::source::Elements::new(vec![0, 2, 2, 5])), ..batch(columns) }
}

fn encoded_elements(plan: &Plan, batch: &Batch, convert: fn(&RecordBatch) -> Converted) -> (String, Encoded, Vec<u32>) {
    let mut native = Native { translate: |_, _| None, convert, asked: Vec::new() };
    let mut encoder = Encoder::new(plan, Dialect::V2).unwrap();
    let mut lanes = Lanes::single(ChunkLimits { points: 1_000_000, bytes: usize::MAX });
    let encoded = encoder.encode(batch, &mut native, &mut lanes).unwrap();
    let rows = encoder.keys().iter().map(|key| key.row).collect();
    let body = lanes.finish().map(|full| String::from_utf8(full.chunk.body().to_vec()).unwrap()).collect();
    (body, encoded, rows)
}

#[test]
fn each_element_gives_the_points_and_rows_are_those_of_the_file() {
    let fields =
        vec![field("x", Source::Column(2), FieldType::Integer), field("row", Source::RowNumber, FieldType::Integer)];
    let plan = Plan { each: Some(0), ..plan(vec![tag("t", Source::Column(1))], fields) };
    let (lines, encoded, rows) = encoded_elements(&plan, &elements(), unused);
    let expected =
        "m,t=a x=10i,row=7i 1\nm,t=a x=20i,row=7i 2\nm,t=b x=30i,row=9i 3\nm,t=b x=40i,row=9i 4\nm,t=b row=9i 4\n";
    assert_eq!(lines, expected);
    // By the row in the batch, so that a row is counted once, however many of its elements are replaced.
    assert_eq!(rows, [0, 0, 2, 2, 2]);
    // The row without elements.
    assert_eq!(encoded, Encoded { filtered: 1, rejected: Vec::new() });
}

#[test]
fn an_element_that_is_rejected_rejects_its_row_and_is_named() {
    let required =
        Field { missing: Missing::Reject("no-x".into()), ..field("x", Source::Column(2), FieldType::Integer) };
    let plan = Plan { each: Some(0), ..plan(vec![tag("t", Source::Column(1))], vec![required]) };
    let (lines, encoded, _) = encoded_elements(&plan, &elements(), unused);
    assert_eq!(lines, "m,t=a x=10i 1\nm,t=a x=20i 2\n");
    let rejected: Vec<_> =
        encoded.rejected.iter().map(|row| format!("{} {} {}", row.row, row.code, row.message)).collect();
    assert_eq!(rejected, ["9 no-x element 2: the field `x` is missing or not finite"]);

    let by_converter = Plan { masks: 1, ..plan };
    let (lines, encoded, _) = encoded_elements(&by_converter, &elements(), |_| {
        let rejection = |row| Rejection { row, code: "odd".into(), message: "it is odd".into() };
        Converted {
            computed: Vec::new(),
            masks: vec![Mask::All],
            rejected: vec![rejection(1), rejection(3), rejection(4)],
        }
    });
    assert_eq!(lines, "");
    let rejected: Vec<_> =
        encoded.rejected.iter().map(|row| format!("{} {} {}", row.row, row.code, row.message)).collect();
    assert_eq!(rejected, ["7 odd element 1: it is odd", "9 odd element 1: it is odd"]);
}

/// More than the 64 points that contract 0.1 has, each of which chooses its elements.
#[test]
fn each_element_has_masks_of_its_own_for_more_than_64_points() {
    const POINTS: usize = 200;
    let mut plan = plan(Vec::new(), vec![field("x", Source::Column(0), FieldType::Integer)]);
    let of = |mask| Point { measurement: name(&format!("m{mask}")), when: Some(mask), ..plan.points[0].clone() };
    plan = Plan { each: Some(0), points: (0..POINTS).map(of).collect(), masks: POINTS, ..plan.clone() };
    let (lines, encoded, _) = encoded_elements(&plan, &elements(), |_| {
        // The element 3 has all of the odd points, the element 0 the last of them.
        let chosen = |mask: usize| {
            BooleanArray::from_iter((0..5).map(|element| {
                Some(match element {
                    3 => mask % 2 == 1,
                    0 => mask == POINTS - 1,
                    _ => false,
                })
            }))
        };
        Converted {
            computed: Vec::new(),
            masks: (0..POINTS).map(|mask| Mask::Rows(chosen(mask))).collect(),
            rejected: Vec::new(),
        }
    });
    let expected = (1..POINTS).step_by(2).map(|mask| format!("m{mask} x=4i 4\n")).collect::<String>();
    assert_eq!(lines, format!("m{} x=1i 1\n{expected}", POINTS - 1));
    assert_eq!(encoded.filtered, 1);
}

#[test]
fn a_row_whose_elements_would_give_too_many_points_is_rejected() {
    let plan = Plan { each: Some(0), ..plan(Vec::new(), vec![field("x", Source::Column(0), FieldType::Integer)]) };
    let batch = |count: u32| Batch {
        elements: Some(crate::source::Elements::new(vec![0, count, count + 1])),
        ..batch(vec![times((0..=i64::from(count)).map(Some).collect())])
    };
    assert_eq!(encoded_elements(&plan, &batch(65_536), unused).1.rejected, []);
    let (lines, encoded, _) = encoded_elements(&plan, &batch(65_537), unused);
    assert_eq!(lines, "m x=65537i 65537\n");
    insta::assert_snapshot!(encoded.rejected[0].message, @"the list has 65537 elements, which give 1 points each; a row gives 65536 at most");
}

#[test]
fn a_row_whose_elements_would_give_too_many_bytes_is_rejected_and_the_next_is_written() {
    let fields = vec![field("x", Source::Column(1), FieldType::Text)];
    let plan = Plan { each: Some(0), ..plan(Vec::new(), fields) };
    let long = "x".repeat(1 << 20);
    let texts: Vec<Option<&str>> = (0..41).map(|element| Some(if element < 40 { &*long } else { "short" })).collect();
    let batch = Batch {
        elements: Some(crate::source::Elements::new(vec![0, 40, 41])),
        ..batch(vec![times((0..41).map(Some).collect()), text(&texts)])
    };
    let (lines, encoded, _) = encoded_elements(&plan, &batch, unused);
    assert_eq!(lines, "m x=\"short\" 40\n");
    insta::assert_snapshot!(encoded.rejected[0].message, @"the points of the list's 40 elements have more than 16777216 bytes");
}
