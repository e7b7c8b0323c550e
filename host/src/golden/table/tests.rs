//! Tables as people write them, and what is wrong with them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Int64Type, TimeUnit, TimestampMillisecondType};
use arrow::util::display::array_value_to_string;

use super::*;
use crate::source;

/// The cells of the only column, as Arrow shows them; nulls as `-`.
fn shown(rows: &RecordBatch) -> Vec<String> {
    let column = rows.column(0);
    let show = |row| {
        if column.is_null(row) { "-".to_owned() } else { array_value_to_string(column, row).unwrap() }
    };
    (0..rows.num_rows()).map(show).collect()
}

fn column(data_type: &str, cells: &[&str]) -> RecordBatch {
    let text = format!("column: {data_type}\n{}\n", cells.join("\n"));
    Table::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}")).rows
}

fn error(text: &str) -> String {
    Table::parse(text).unwrap_err().to_string()
}

#[test]
fn a_table_has_the_types_and_the_rows_that_it_says() {
    let table = Table::parse(
        "# What it is for: nothing.\n\ntime: timestamp(ms, UTC) | region: dictionary<int32, utf8> | \"a:b\": int64\n\
         2024-01-01T00:00:00Z | south east | 1\n# between rows\nnull | null | null\n",
    )
    .unwrap();
    assert_eq!(table.settings, Settings::default());
    let schema = table.rows.schema();
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["time", "region", "a:b"]);
    assert_eq!(schema.field(0).data_type(), &DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())));
    let times: Vec<_> = table.rows.column(0).as_primitive::<TimestampMillisecondType>().iter().collect();
    assert_eq!(times, [Some(1_704_067_200_000), None]);
    assert_eq!(table.rows.column(2).as_primitive::<Int64Type>().iter().collect::<Vec<_>>(), [Some(1), None]);
    assert_eq!(array_value_to_string(table.rows.column(1), 0).unwrap(), "south east");
}

#[test]
fn every_type_is_written_to_parquet_and_read_back() {
    for (data_type, cells, expected) in [
        ("bool", ["true", "null"], "true"),
        ("int8", ["-128", "null"], "-128"),
        ("int16", ["-32768", "null"], "-32768"),
        ("int32", ["7", "null"], "7"),
        ("int64", ["-9223372036854775808", "null"], "-9223372036854775808"),
        ("uint8", ["255", "null"], "255"),
        ("uint16", ["65535", "null"], "65535"),
        ("uint32", ["7", "null"], "7"),
        ("uint64", ["18446744073709551615", "null"], "18446744073709551615"),
        ("float16", ["0.5", "null"], "0.5"),
        ("float32", ["-1.5", "null"], "-1.5"),
        ("float64", ["NaN", "null"], "NaN"),
        ("float64", ["-inf", "null"], "-inf"),
        ("decimal32(5, 2)", ["123.45", "null"], "123.45"),
        ("decimal64(10, 3)", ["-0.125", "null"], "-0.125"),
        ("decimal128(10, 2)", ["1", "null"], "1.00"),
        ("decimal256(40, 1)", ["0.5", "null"], "0.5"),
        ("utf8", ["São Paulo", "null"], "São Paulo"),
        ("large_utf8", ["a", "null"], "a"),
        ("utf8_view", ["a", "null"], "a"),
        ("dictionary<int8, utf8>", ["a", "null"], "a"),
        ("dictionary<uint16, large_utf8>", ["a", "null"], "a"),
        ("binary", ["ab", "null"], "6162"),
        ("large_binary", ["ab", "null"], "6162"),
        ("date32", ["1970-01-02", "null"], "1970-01-02"),
        ("date64", ["1970-01-02", "null"], "1970-01-02T00:00:00"),
        ("timestamp(s)", ["1970-01-01T00:00:01Z", "null"], "1970-01-01T00:00:01"),
        ("timestamp(ms)", ["1969-12-31T23:59:59.999Z", "null"], "1969-12-31T23:59:59.999"),
        ("timestamp(us)", ["1", "null"], "1970-01-01T00:00:00.000001"),
        ("timestamp(ns)", ["1970-01-01T00:00:00.000000001Z", "null"], "1970-01-01T00:00:00.000000001"),
        ("timestamp(ms, -03:00)", ["1970-01-01T00:00:00Z", "null"], "1969-12-31T21:00:00-03:00"),
        ("list<int64>", ["[1, null]", "null"], "[1, ]"),
        ("list<list<utf8>>", ["[[\"a,b\"], []]", "null"], "[[a,b], []]"),
    ] {
        let rows = column(data_type, &cells);
        assert_eq!(shown(&rows), [expected, "-"], "{data_type}");
        assert_eq!(stored(&rows), rows, "{data_type}");
    }
    let nulls = column("null", &["null", "null"]);
    assert_eq!(stored(&nulls), nulls);
}

/// A column after it was stored as Parquet, in its own type, which Parquet need not have.
fn stored(rows: &RecordBatch) -> RecordBatch {
    let bytes = source::encode_sample(rows).unwrap();
    let decoded = source::decode_sample(bytes.into()).unwrap();
    let column = arrow::compute::cast(decoded.column(0), rows.column(0).data_type()).unwrap();
    RecordBatch::try_new(rows.schema(), vec![column]).unwrap()
}

#[test]
fn a_table_may_have_no_rows() {
    let rows = column("timestamp(s)", &[]);
    assert_eq!((rows.num_rows(), rows.num_columns()), (0, 1));
    assert_eq!(stored(&rows), rows);
}

#[test]
fn text_in_quotes_stands_for_itself() {
    let cells = ["a, b = c", "\" a\"", "\"\"", "\"null\"", "\"#\"", "\"a|b\"", r#""\"\\\n\r\t\u{e9}""#, "Null"];
    let expected = ["a, b = c", " a", "", "null", "#", "a|b", "\"\\\n\r\té", "Null"];
    assert_eq!(shown(&column("utf8", &cells)), expected);
}

#[test]
fn a_count_says_what_the_calendar_cannot() {
    let times = column("timestamp(s, UTC)", &["9223372036854775807"]);
    let bits = times.column(0).as_primitive::<::arrow::datatypes::TimestampSecondType>().value(0);
    assert_eq!(bits, i64::MAX);
    assert_eq!(shown(&column("date32", &["-1"])), ["1969-12-31"]);
}

#[test]
fn settings_stand_in_comments_before_the_header() {
    let text =
        "# strict: false\n#drop_invalid_records:false\n# partitions: year=2024/month=01\n# See: this.\na: int8\n";
    let partitions = vec!["year=2024".to_owned(), "month=01".to_owned()];
    assert_eq!(
        Table::parse(text).unwrap().settings,
        Settings { strict: false, drop_invalid_records: false, partitions }
    );
    assert_eq!(Table::parse("a: int8\n# strict: maybe\n").unwrap().settings, Settings::default());
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let errors = [
        "",
        "# only a comment\n",
        "a\n",
        "null: int8\n",
        "a: text\n",
        "a: dictionary<utf8, utf8>\n",
        "a: timestamp(ms, )\n",
        "a: decimal128(99, 2)\n1\n",
        "a: int8 | b: int8\n1\n",
        "a: int8 | b: int8\n1 | \n",
        "a: int8\n  128\n",
        "a: int8\n1.5\n",
        "a: int8\n\"1\"\n",
        "a: bool\nTrue\n",
        "a: utf8\nC:\\\n",
        "a: utf8\n\"open\n",
        "a: utf8\n\"a\" b\n",
        "a: utf8\n\"\\x\"\n",
        "a: utf8\n\"\\u{110000}\"\n",
        "a: utf8\n[a]\n",
        "a: list<int8>\n[1, \n",
        "a: list<int8>\n1\n",
        "a: decimal128(5, 2)\n1.234\n",
        "a: timestamp(s)\n1970-01-01T00:00:00.5Z\n",
        "a: date32\n2024-02-30\n",
        "a: null\n1\n",
        "# stict: false\na: int8\n",
        "# strict: no\na: int8\n",
        "# partitions: ../x=1\na: int8\n",
    ];
    let told: Vec<String> = errors.iter().map(|text| format!("{text:?}\n    {}", error(text))).collect();
    insta::assert_snapshot!(told.join("\n"), @r###"
    ""
        line 1, column 1: a table begins with a header, such as `timestamp: timestamp(ms, UTC) | value: float64`
    "# only a comment\n"
        line 1, column 1: a table begins with a header, such as `timestamp: timestamp(ms, UTC) | value: float64`
    "a\n"
        line 1, column 1: the column `a` needs a type: `a: utf8`
    "null: int8\n"
        line 1, column 1: a column needs a name; `null` and names with brackets are written in quotes
    "a: text\n"
        line 1, column 4: no such type: `text`
    "a: dictionary<utf8, utf8>\n"
        line 1, column 4: no such type: `dictionary<utf8, utf8>`
    "a: timestamp(ms, )\n"
        line 1, column 4: no such type: `timestamp(ms, )`
    "a: decimal128(99, 2)\n1\n"
        line 1, column 4: no column of the type Decimal128(99, 2) can be made: Invalid argument error: precision 99 is greater than max 38
    "a: int8 | b: int8\n1\n"
        line 2, column 1: the row has 1 cells, the header 2 columns
    "a: int8 | b: int8\n1 | \n"
        line 2, column 5: the cell is empty: write `null`, or `""` for an empty text
    "a: int8\n  128\n"
        line 2, column 3: no value of the type Int8: `128`
    "a: int8\n1.5\n"
        line 2, column 1: no value of the type Int8: `1.5`
    "a: int8\n\"1\"\n"
        line 2, column 1: no value of the type Int8: `"1"`
    "a: bool\nTrue\n"
        line 2, column 1: no value of the type Boolean: `True`
    "a: utf8\nC:\\\n"
        line 2, column 1: text with quotes, backslashes or brackets is written in quotes: `C:\`
    "a: utf8\n\"open\n"
        line 2, column 1: `"` is not closed on its line
    "a: utf8\n\"a\" b\n"
        line 2, column 5: unexpected `b` behind the cell
    "a: utf8\n\"\\x\"\n"
        line 2, column 3: no such escape; there are `\"`, `\\`, `\n`, `\r`, `\t` and `\u{…}`
    "a: utf8\n\"\\u{110000}\"\n"
        line 2, column 11: no such escape; there are `\"`, `\\`, `\n`, `\r`, `\t` and `\u{…}`
    "a: utf8\n[a]\n"
        line 2, column 1: no value of the type Utf8: `a list`
    "a: list<int8>\n[1, \n"
        line 2, column 5: the cell is empty: write `null`, or `""` for an empty text
    "a: list<int8>\n1\n"
        line 2, column 1: no value of the type List(Int8): `1`
    "a: decimal128(5, 2)\n1.234\n"
        line 2, column 1: no value of the type Decimal128(5, 2): `1.234`
    "a: timestamp(s)\n1970-01-01T00:00:00.5Z\n"
        line 2, column 1: no value of the type Timestamp(s): `1970-01-01T00:00:00.5Z`
    "a: date32\n2024-02-30\n"
        line 2, column 1: no value of the type Date32: `2024-02-30`
    "a: null\n1\n"
        line 2, column 1: no value of the type Null: `1`
    "# stict: false\na: int8\n"
        line 1, column 1: no such setting: `stict`; there are `strict`, `drop_invalid_records` and `partitions`
    "# strict: no\na: int8\n"
        line 1, column 1: `strict` must be `true` or `false`: `no`
    "# partitions: ../x=1\na: int8\n"
        line 1, column 1: `partitions` must be `name=value` segments with `/` in between: `../x=1`
    "###);
}

#[test]
fn lists_are_not_nested_without_end() {
    let deep = format!("a: {}int8{}\n", "list<".repeat(100_000), ">".repeat(100_000));
    assert!(Table::parse(&deep).is_err());
    assert!(Table::parse(&format!("a: utf8\n{}\n", "[".repeat(100_000))).is_err());
}

proptest::proptest! {
    #[test]
    fn no_text_does_harm(text in r#"([a-z"\\\[\]|:#,()<> 0-9-]|\n|a: int8\n|a: list<utf8>\n){0,40}|\PC*"#) {
        drop(Table::parse(&text));
    }

    #[test]
    fn every_text_can_be_quoted(text: String) {
        let escaped: String = text.chars().map(|character| match character {
            '"' => "\\\"".to_owned(),
            '\\' => "\\\\".to_owned(),
            '\n' => "\\n".to_owned(),
            '\r' => "\\r".to_owned(),
            other => other.to_string(),
        }).collect();
        let rows = Table::parse(&format!("a: utf8\n\"{escaped}\"\n")).unwrap().rows;
        proptest::prop_assert_eq!(rows.column(0).as_string::<i32>().value(0), text);
    }
}
