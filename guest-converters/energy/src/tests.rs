//! The rules, each as the rows that a table of one becomes.
#![allow(clippy::unwrap_used, reason = "a failure is a test's to report")]

use converter_sdk::Converter;
use converter_sdk::testing::Table;

use super::*;

const POWER: Dataset = Dataset {
    name: "power",
    summary: "A dataset for these tests",
    measurement: "power_data",
    required_tags: &["region"],
    optional_tags: &["operator"],
};

struct Power;

impl Converter for Power {
    fn describe() -> Description {
        POWER.describe()
    }

    fn prepare(input: &Input) -> Result<Mapping, Vec<Problem>> {
        POWER.prepare(input)
    }
}

/// A table of which only the two columns that are always required are checked.
fn lenient() -> Table {
    Table::new("power").lenient()
}

fn rows(table: &Table) -> Vec<String> {
    table.convert::<Power>().unwrap()
}

/// Each problem's code, column and message.
fn problems(table: &Table) -> Vec<[String; 3]> {
    let problems = POWER.prepare(table.input()).unwrap_err();
    problems.into_iter().map(|problem| [problem.code, problem.column.unwrap_or_default(), problem.message]).collect()
}

/// Times for so many rows: the row's number.
fn times(rows: usize) -> Vec<i64> {
    (0..).take(rows).collect()
}

#[test]
fn clean_types_never_enter_the_sandbox() {
    let table = Table::new("power")
        .timestamps("timestamp", [0])
        .texts("region", ["SE"])
        .integers("value", [1])
        .texts("unit", ["MW"])
        .floats("efficiency", [0.5]);
    let mapping = POWER.prepare(table.input()).unwrap();
    let plan = mapping.plan();
    assert!(plan.reads.is_empty() && plan.computed.is_empty() && plan.masks == 0);
    // The region once; the unit as a key and as a field.
    assert_eq!(plan.translations, [1, 3, 3]);
}

#[test]
fn only_the_columns_that_are_text_instead_of_numbers_and_times_do() {
    let table = Table::new("power")
        .texts("timestamp", ["2024-01-01T00:00:00Z"])
        .texts("region", ["SE"])
        .floats("value", [1.0])
        .texts("unit", ["MW"])
        .texts("efficiency", ["0.5"]);
    assert_eq!(POWER.prepare(table.input()).unwrap().plan().reads, [0, 4]);
}

#[test]
fn the_unit_names_the_field_of_the_value() {
    let units = ["MW", "MWh", "kV", "A", "Hz", "%", "ratio", "GW", "mw"];
    let table = lenient().timestamps("timestamp", times(9)).floats("value", [1.5; 9]).texts("unit", units);
    let expected = [
        "power_data power_mw=1.5,unit=\"MW\" 0",
        "power_data energy_mwh=1.5,unit=\"MWh\" 1",
        "power_data voltage_kv=1.5,unit=\"kV\" 2",
        "power_data current_a=1.5,unit=\"A\" 3",
        "power_data frequency_hz=1.5,unit=\"Hz\" 4",
        "power_data percentage=1.5,unit=\"%\" 5",
        "power_data ratio=1.5,unit=\"ratio\" 6",
        "power_data value=1.5,unit=\"GW\" 7",
        "power_data value=1.5,unit=\"mw\" 8",
    ];
    assert_eq!(rows(&table), expected);
}

#[test]
fn a_unit_is_trimmed() {
    let table = lenient().timestamps("timestamp", [0]).floats("value", [1.5]).texts("unit", [" MW\n"]);
    assert_eq!(rows(&table), ["power_data power_mw=1.5,unit=\"MW\" 0"]);
}

#[test]
fn without_a_unit_the_field_is_value_and_there_is_no_field_unit() {
    let table = lenient().timestamps("timestamp", times(3)).floats("value", [1.5; 3]);
    let expected = ["power_data value=1.5 0", "power_data value=1.5 1", "power_data value=1.5 2"];
    assert_eq!(rows(&table), expected);
    assert_eq!(rows(&table.texts("unit", [None, Some(""), Some("  ")])), expected);
}

#[test]
fn a_value_goes_before_an_optional_column_that_gives_the_same_field() {
    let table = lenient()
        .timestamps("timestamp", times(2))
        .floats("voltage_kv", [500.0, 500.0])
        .floats("value", [440.0, 1.5])
        .texts("unit", ["kV", "MW"]);
    let expected = ["power_data voltage_kv=440,unit=\"kV\" 0", "power_data power_mw=1.5,unit=\"MW\",voltage_kv=500 1"];
    assert_eq!(rows(&table), expected);
}

#[test]
fn a_time_may_be_a_timestamp_an_integer_or_text() {
    let value = |table: Table| rows(&table.floats("value", [1.5]));
    assert_eq!(value(lenient().timestamps("timestamp", [7])), ["power_data value=1.5 7"]);
    assert_eq!(value(lenient().integers("timestamp", [7])), ["power_data value=1.5 7"]);
    assert_eq!(value(lenient().unsigneds("timestamp", [7])), ["power_data value=1.5 7"]);
    let expected = ["power_data value=1.5 1709296200000000000"];
    for text in ["2024-03-01T12:30:00Z", "2024-03-01T09:30:00-03:00", "2024-03-01 12:30:00", " 2024-03-01T12:30:00 "] {
        assert_eq!(value(lenient().texts("timestamp", [text])), expected, "{text:?}");
    }
}

#[test]
fn a_null_or_unreadable_time_rejects_the_row() {
    let value = |table: Table, rows| table.floats("value", vec![1.5; rows]).convert::<Power>().unwrap();
    let rejected = "rejected: invalid-timestamp";
    assert_eq!(value(lenient().timestamps("timestamp", [None]), 1), [rejected]);
    assert_eq!(value(lenient().integers("timestamp", [None]), 1), [rejected]);
    assert_eq!(value(lenient().unsigneds("timestamp", [None, Some(u64::MAX)]), 2), [rejected; 2]);
    let texts = [None, Some(""), Some("today"), Some("2024-03-01"), Some("1709296200"), Some("2262-04-12T00:00:00Z")];
    assert_eq!(value(lenient().texts("timestamp", texts), 6), [rejected; 6]);
}

#[test]
fn a_value_may_be_any_number_or_text_that_reads_as_one() {
    let time = |rows: usize| lenient().timestamps("timestamp", times(rows));
    assert_eq!(rows(&time(1).integers("value", [-3])), ["power_data value=-3 0"]);
    assert_eq!(rows(&time(1).unsigneds("value", [3])), ["power_data value=3 0"]);
    let texts = ["12.5", " -1e3 ", ".5"];
    let expected = ["power_data value=12.5 0", "power_data value=-1000 1", "power_data value=0.5 2"];
    assert_eq!(rows(&time(3).texts("value", texts)), expected);
}

#[test]
fn a_null_infinite_or_unreadable_value_rejects_the_row() {
    let time = |rows: usize| lenient().timestamps("timestamp", times(rows));
    let rejected = "rejected: invalid-value";
    let floats = [None, Some(f64::NAN), Some(f64::INFINITY), Some(f64::NEG_INFINITY)];
    assert_eq!(rows(&time(4).floats("value", floats)), [rejected; 4]);
    assert_eq!(rows(&time(1).integers("value", [None])), [rejected]);
    let texts = [None, Some(""), Some("n/a"), Some("12,5"), Some("NaN"), Some("inf"), Some("1e999"), Some("12 MW")];
    assert_eq!(rows(&time(8).texts("value", texts)), [rejected; 8]);
}

#[test]
fn a_tag_is_trimmed_and_the_words_for_nothing_are_no_tag() {
    let regions = [Some(" SE\t"), None, Some(""), Some("  "), Some("nan"), Some(" None "), Some("NULL"), Some("nanny")];
    let table = lenient().timestamps("timestamp", times(8)).texts("region", regions).floats("value", [1.5; 8]);
    let expected = [
        "power_data,region=SE value=1.5 0",
        "power_data value=1.5 1",
        "power_data value=1.5 2",
        "power_data value=1.5 3",
        "power_data value=1.5 4",
        "power_data value=1.5 5",
        "power_data value=1.5 6",
        "power_data,region=nanny value=1.5 7",
    ];
    assert_eq!(rows(&table), expected);
}

#[test]
fn numbers_and_booleans_in_a_tag_become_text() {
    let table = lenient()
        .timestamps("timestamp", times(2))
        .integers("region", [Some(7), None])
        .booleans("operator", [true, false])
        .floats("value", [1.5; 2]);
    let expected = ["power_data,region=7,operator=true value=1.5 0", "power_data,operator=false value=1.5 1"];
    assert_eq!(rows(&table), expected);
    let table = lenient().timestamps("timestamp", [0]).floats("region", [f64::NAN]).floats("value", [1.5]);
    assert_eq!(rows(&table), ["power_data value=1.5 0"]);
}

#[test]
fn an_optional_float_column_gives_a_field_where_it_has_a_number() {
    let table = lenient()
        .timestamps("timestamp", times(4))
        .floats("value", [1.5; 4])
        .floats("efficiency", [Some(0.5), None, Some(f64::NAN), Some(f64::INFINITY)])
        .texts("current_a", [Some("80"), Some("much"), None, Some("nan")])
        .integers("capacity_mw", [Some(700), None, None, None]);
    let expected = [
        "power_data value=1.5,capacity_mw=700,efficiency=0.5,current_a=80 0",
        "power_data value=1.5 1",
        "power_data value=1.5 2",
        "power_data value=1.5 3",
    ];
    assert_eq!(rows(&table), expected);
}

#[test]
fn other_columns_are_ignored() {
    let table =
        lenient().timestamps("timestamp", [0]).floats("value", [1.5]).texts("note", ["x"]).other("raw", "binary");
    assert_eq!(rows(&table), ["power_data value=1.5 0"]);
}

#[test]
fn every_missing_column_is_named_when_the_schema_is_checked() {
    let expected = ["timestamp", "region", "value", "unit"].map(|column| {
        let message = format!("the dataset `power` requires the column `{column}`");
        ["missing-column".to_owned(), column.to_owned(), message]
    });
    assert_eq!(problems(&Table::new("power")), expected);
}

#[test]
fn only_time_and_value_are_required_when_it_is_not() {
    let columns: Vec<_> = problems(&lenient()).into_iter().map(|[_, column, _]| column).collect();
    assert_eq!(columns, ["timestamp", "value"]);
}

#[test]
fn names_are_matched_exactly() {
    let table = lenient().timestamps("timestamp", [0]).floats("Value", [1.5]);
    let message = "the dataset `power` requires the column `value`, and names are matched exactly: `Value`";
    assert_eq!(problems(&table), [["missing-column", "value", message].map(str::to_owned)]);
}

#[test]
fn a_type_that_cannot_be_read_is_a_problem() {
    let table = lenient()
        .booleans("timestamp", [true])
        .other("region", "list<utf8>")
        .booleans("value", [true])
        .other("unit", "binary")
        .timestamps("efficiency", [0]);
    let number = "float, integer, unsigned or text";
    let text = "text, boolean, integer, unsigned, float or timestamp";
    let expected = [
        ("timestamp", "timestamp, integer, unsigned or text", "boolean"),
        ("region", text, "list<utf8>"),
        ("value", number, "boolean"),
        ("unit", text, "binary"),
        ("efficiency", number, "timestamp"),
    ];
    let expected = expected.map(|(column, accepted, found)| {
        let message = format!("the column `{column}` must be {accepted}: `{found}`");
        ["invalid-column-type".to_owned(), column.to_owned(), message]
    });
    assert_eq!(problems(&table), expected);
}
