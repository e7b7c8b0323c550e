//! How tables are converted in tests.
#![allow(clippy::unwrap_used, reason = "a failure is a test's to report")]

use crate::testing::Table;
use crate::{
    ColumnRef, ColumnType, Constant, Converter, Description, FieldType, Input, Key, Mapping, Mask, PlanBuilder, Point,
    Problem, Rejection, Source,
};

/// A field of every type, and a rule of the contract in every row.
struct Everything;

impl Converter for Everything {
    fn describe() -> Description {
        let [name, version, dataset, summary] = ["everything", "1.0.0", "all", ""].map(str::to_owned);
        Description { name, version, dataset, summary }
    }

    fn prepare(input: &Input) -> Result<Mapping, Vec<Problem>> {
        let mut plan = PlanBuilder::new(input);
        let mut column = |name, column_type| -> ColumnRef { plan.required(name, &[column_type]) };
        let time = column("time", ColumnType::Timestamp);
        let [boolean, integer] = [column("boolean", ColumnType::Boolean), column("integer", ColumnType::Integer)];
        let [unsigned, text] = [column("unsigned", ColumnType::Unsigned), column("text", ColumnType::Text)];
        let key = plan.translate(text, |text| text.map(Into::into));
        let even = plan.mask([integer], |[integer]| {
            Ok(Mask::of(integer.integers()?.map(|row| row.is_none_or(|row| row % 2 == 0))))
        });
        plan.reject([integer], |[integer]| {
            let large = integer.integers()?.zip(0..).filter(|(integer, _)| *integer > Some(100));
            Ok(large.map(|(_, row)| Rejection { row, code: "large".into(), message: String::new() }).collect())
        });
        let mut point = Point::new("all", time);
        point.when(even);
        point.tag("time", time);
        point.tag("boolean", boolean);
        point.field("boolean", boolean);
        point.field("integer", integer).write_as(FieldType::Float);
        point.field("unsigned", unsigned);
        point.field(key, Constant::Float(0.5)).or_reject("no-text");
        point.field("unsigned", Constant::from("the first wins"));
        plan.finish([point])
    }
}

/// Keys that are joined of two columns.
struct Joined;

impl Converter for Joined {
    fn describe() -> Description {
        Everything::describe()
    }

    fn prepare(input: &Input) -> Result<Mapping, Vec<Problem>> {
        let mut plan = PlanBuilder::new(input);
        let time = plan.required("time", &[ColumnType::Timestamp]);
        let [table, name] = ["table", "name"].map(|name| plan.required(name, &[ColumnType::Text]));
        let table = plan.translate(table, |table| table.map(Into::into));
        let name = plan.translate(name, |name| name.map(Into::into));
        let mut point = Point::new(table, time);
        point.field(Key::joined([table.into(), ".".into(), name.into()]), Source::RowNumber);
        plan.finish([point])
    }
}

#[test]
fn keys_are_joined() {
    let table = Table::new("all").timestamps("time", [0, 1]).texts("table", ["cpu", "cpu"]);
    let table = table.texts("name", [Some("user"), None]);
    assert_eq!(table.convert::<Joined>().unwrap(), ["cpu cpu.user=0i 0", "rejected: no-fields"]);
}

#[test]
fn rows_become_what_the_contract_says() {
    let table = Table::new("all")
        .timestamps("time", [Some(0), Some(1), None, Some(3), Some(4), Some(5)])
        .booleans("boolean", [Some(true), None, None, None, None, None])
        .integers("integer", [Some(2), Some(1), None, Some(102), None, None])
        .unsigneds("unsigned", [Some(3), None, None, None, Some(7), None])
        .texts("text", [Some("a"), Some("b"), Some("c"), Some("d"), None, Some("unsigned")]);
    let expected = [
        "all,time=1970-01-01T00:00:00Z,boolean=true boolean=true,integer=2,unsigned=3u,a=0.5 0",
        "filtered",
        "rejected: invalid-timestamp",
        "rejected: large",
        "rejected: no-text",
        "all,time=1970-01-01T00:00:00.000000005Z unsigned=0.5 5",
    ];
    assert_eq!(table.convert::<Everything>().unwrap(), expected);
}
