//! How plans are made.
#![allow(clippy::unwrap_used, reason = "a failure is a test's to report")]

use crate::testing::Table;
use crate::{Batch, Column, ColumnType, Constant, Mask, PlanBuilder, Point, Rejection, Strings};

fn table() -> Table {
    Table::new("weather")
        .timestamps("at", [0])
        .texts("station", ["Oslo"])
        .floats("celsius", [1.0])
        .other("raw", "list<u8>")
}

fn point() -> Point {
    Point::new("weather", crate::Source::Column(0))
}

fn problems(plan: PlanBuilder<'_>) -> Vec<(String, String)> {
    plan.finish([point()]).unwrap_err().into_iter().map(|problem| (problem.code, problem.message)).collect()
}

#[test]
fn every_problem_is_named_at_once() {
    let table = table();
    let mut plan = PlanBuilder::new(table.input());
    plan.required("Station", &[ColumnType::Text]);
    plan.required("raw", &[ColumnType::Float, ColumnType::Integer]);
    plan.optional("celsius", &[ColumnType::Text]);
    plan.required_if_strict("wind", &[ColumnType::Text]);
    let expected = [
        (
            "missing-column",
            "the dataset `weather` requires the column `Station`, and names are matched exactly: `station`",
        ),
        ("invalid-column-type", "the column `raw` must be float or integer: `list<u8>`"),
        ("invalid-column-type", "the column `celsius` must be text: `float`"),
        ("missing-column", "the dataset `weather` requires the column `wind`"),
    ];
    assert_eq!(problems(plan), expected.map(|(code, message)| (code.to_owned(), message.to_owned())));
}

#[test]
fn a_uuid_is_usable_where_text_is_and_a_time_of_day_is_no_integer() {
    let table = table().texts("id", ["00112233-4455-6677-8899-aabbccddeeff"]).of_type(ColumnType::Uuid);
    let table = table.integers("daily", [1]).of_type(ColumnType::TimeOfDay);
    let mut plan = PlanBuilder::new(table.input());
    assert_eq!(plan.required("id", &[ColumnType::Text]).column_type(), ColumnType::Text);
    assert_eq!(plan.required("id", &[ColumnType::Uuid]).column_type(), ColumnType::Uuid);
    assert_eq!(plan.required("daily", &[ColumnType::TimeOfDay]).column_type(), ColumnType::TimeOfDay);
    plan.required("daily", &[ColumnType::Integer]);
    let message = "the column `daily` must be integer: `time-of-day`".to_owned();
    assert_eq!(problems(plan), [("invalid-column-type".to_owned(), message)]);
}

#[test]
fn an_optional_column_may_be_missing() {
    let table = table().lenient();
    let mut plan = PlanBuilder::new(table.input());
    assert_eq!(plan.optional("wind", &[ColumnType::Float]), None);
    assert_eq!(plan.required_if_strict("wind", &[ColumnType::Float]), None);
    assert!(plan.finish([point()]).is_ok());
}

#[test]
fn a_name_that_two_columns_have_is_a_problem() {
    let table = table().floats("station", [2.0]);
    let mut plan = PlanBuilder::new(table.input());
    plan.required("station", &[ColumnType::Text, ColumnType::Float]);
    let message = "several columns have the name `station`".to_owned();
    assert_eq!(problems(plan), [("ambiguous-column".to_owned(), message)]);
}

#[test]
fn a_partition_is_the_last_of_its_name_in_the_key_and_a_key_without_it_is_a_problem() {
    let key = [("host", "a"), ("host", "b"), ("rack", "__HIVE_DEFAULT_PARTITION__")];
    let table = key.iter().fold(table(), |table, (name, value)| table.partition(name, value));
    let mut plan = PlanBuilder::new(table.input());
    assert_eq!(plan.partition("host"), Constant::Text("b".into()));
    assert_eq!(plan.partition("rack"), Constant::Text(String::new()));
    plan.partition("room");
    let message = "the dataset `weather` requires the partition `room`: the object's key has no segment `room=VALUE/`";
    assert_eq!(problems(plan), [("missing-partition".to_owned(), message.to_owned())]);
}

#[test]
fn a_column_is_read_once_whoever_reads_it() {
    let table = table();
    let mut plan = PlanBuilder::new(table.input());
    let celsius = plan.required("celsius", &[ColumnType::Float]);
    let station = plan.required("station", &[ColumnType::Text]);
    let kelvin = plan.compute(ColumnType::Float, [celsius], |[celsius]| {
        Ok(Column::floats(celsius.floats()?.map(|value| Some(value? + 273.15))))
    });
    let both = plan.compute(ColumnType::Text, [station, celsius], |[station, celsius]| {
        let rows = station.texts()?.iter().zip(celsius.floats()?);
        Ok(Column::texts(rows.map(|(station, celsius)| Some(format!("{} {}", station?, celsius?)))))
    });
    let warm = plan.mask([celsius], |[celsius]| {
        Ok(Mask::of(celsius.floats()?.map(|value| value.is_some_and(|value| value > 0.0))))
    });
    plan.reject([station], |[station]| {
        let nameless = station.texts()?.iter().zip(0..).filter(|(station, _)| station.is_none());
        let rejection = |row| Rejection { row, code: "no-station".into(), message: "a station must be named".into() };
        Ok(nameless.map(|(_, row)| rejection(row)).collect())
    });
    let mut point = point();
    point.field("kelvin", kelvin).when(warm);
    point.tag("both", both);
    let mapping = plan.finish([point]).unwrap();
    assert_eq!(mapping.plan().reads, [2, 1]);
    assert_eq!(mapping.plan().computed, [ColumnType::Float, ColumnType::Text]);

    let columns = vec![Column::floats([Some(1.0), None]), Column::texts([Some("Oslo"), None])];
    let converted = mapping.convert(&Batch { rows: 2, columns }).unwrap();
    assert_eq!(converted.computed[0], Column::floats([Some(274.15), None]));
    assert_eq!(converted.computed[1], Column::texts([Some("Oslo 1"), None]));
    assert_eq!(converted.masks, [Mask::Rows(vec![0b01])]);
    assert_eq!(converted.rejected.len(), 1);
    assert_eq!(converted.rejected[0].row, 1);
}

#[test]
fn a_null_is_translated_too() {
    let table = table();
    let mut plan = PlanBuilder::new(table.input());
    let station = plan.required("station", &[ColumnType::Text]);
    plan.translate(station, |name| Some(name?.trim().into()));
    plan.translate(station, |name| Some(name.unwrap_or("unknown").into()));
    let mapping = plan.finish([point()]).unwrap();
    let values: Strings = [Some(" Oslo "), None].into_iter().collect();
    assert_eq!(mapping.translate(0, &values).unwrap(), [Some("Oslo"), None].into_iter().collect());
    assert_eq!(mapping.translate(1, &values).unwrap(), [Some(" Oslo "), Some("unknown")].into_iter().collect());
    assert_eq!(mapping.translate(2, &values).unwrap_err().code, "unknown-translation");
}

#[test]
fn a_batch_with_other_columns_than_the_plan_reads_is_a_problem() {
    let table = table();
    let mapping = PlanBuilder::new(table.input()).finish([point()]).unwrap();
    let batch = Batch { rows: 1, columns: vec![Column::floats([Some(1.0)])] };
    assert_eq!(mapping.convert(&batch).unwrap_err().message, "the plan reads 0 columns, but the batch has 1");
}
