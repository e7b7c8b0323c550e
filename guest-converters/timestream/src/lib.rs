//! The converter of tables that Timestream for LiveAnalytics has unloaded (`UNLOAD … WITH (format = 'PARQUET')`): one for every
//! table of every database.
//!
//! | LiveAnalytics | InfluxDB |
//! |---|---|
//! | table | measurement |
//! | dimension | tag |
//! | `measure_name` | tag |
//! | measure: `measure_value::TYPE`, or a column of a multi-measure record | field |
//! | `time` | time, to the nanosecond |
//!
//! That is the mapping of AWS's own guidance. The table's name is in the key: UNLOAD writes what it exports below
//! `TABLE/unload-…/results/`, or `TABLE/results/`. Files do not show which columns of text are dimensions and which are measures:
//! they are tags, unless the parameters name them as fields.

mod parameters;

use converter_sdk::{
    ColumnSchema, ColumnType, Constant, Converter, Description, Input, Key, Mapping, PlanBuilder, Point, Problem,
};
use parameters::{MeasureName, Parameters};

/// The column of the time.
const TIME: &str = "time";

/// The column that names the measure of a single-measure record, and the record of a multi-measure one.
const MEASURE_NAME: &str = "measure_name";

/// What the columns of single-measure records begin with.
const MEASURE_VALUE: &str = "measure_value::";

/// The directory that UNLOAD writes into.
const RESULTS: &str = "results";

/// What the directory of one UNLOAD begins with, where AWS's scripts made it.
const UNLOAD: &str = "unload";

/// Partitions that only date a row, as its time already does.
const TIME_PARTITIONS: [&str; 9] = ["year", "month", "week", "day", "hour", "minute", "date", "dt", "partition_date"];

/// The converter.
#[derive(Debug)]
pub struct Timestream;

impl Converter for Timestream {
    fn describe() -> Description {
        Description {
            name: "timestream".to_owned(),
            version: "1.0.0".to_owned(),
            dataset: "timestream".to_owned(),
            summary: "Tables unloaded from Timestream for LiveAnalytics".to_owned(),
        }
    }

    fn prepare(input: &Input) -> Result<Mapping, Vec<Problem>> {
        let parameters = Parameters::read(input.parameters.as_deref())?;
        let mut plan = PlanBuilder::new(input);
        let measurement = measurement(input, &parameters).unwrap_or_else(|problem| {
            plan.problem(problem);
            "unknown".to_owned()
        });
        let time = plan.required(TIME, &[ColumnType::Timestamp]);
        let mut point = Point::new(measurement, time);
        add_partitions(input, &parameters, &mut point);
        let has_names = input.columns.iter().any(|column| column.name == MEASURE_NAME);
        let by_name = parameters.measure_name == MeasureName::Key && has_names;
        let name = by_name.then(|| plan.required(MEASURE_NAME, &[ColumnType::Text]));
        let name = name.map(|column| Key::from(plan.translate(column, |name| name.map(Into::into))));
        for column in &input.columns {
            let ColumnSchema { name: title, column_type, .. } = column;
            if title == TIME || parameters.drop.contains(title) {
                continue;
            }
            let Some(source) = plan.optional(title, &SUPPORTED) else { continue };
            if title == MEASURE_NAME {
                if parameters.measure_name == MeasureName::Tag {
                    point.tag(MEASURE_NAME, source);
                }
            } else if title.starts_with(MEASURE_VALUE) {
                point.field(name.clone().unwrap_or_else(|| Key::from(title.as_str())), source);
            } else if *column_type == ColumnType::Text && !parameters.fields.contains(title) {
                point.tag(title.as_str(), source);
            } else {
                point.field(title.as_str(), source);
            }
        }
        plan.finish([point])
    }
}

converter_sdk::export!(Timestream);

/// The types that LiveAnalytics has for dimensions and measures.
const SUPPORTED: [ColumnType; 6] = [
    ColumnType::Text,
    ColumnType::Boolean,
    ColumnType::Integer,
    ColumnType::Unsigned,
    ColumnType::Float,
    ColumnType::Timestamp,
];

/// Columns that are only in the key. One that the file has as well is the file's.
fn add_partitions(input: &Input, parameters: &Parameters, point: &mut Point) {
    const NULL: &str = "__HIVE_DEFAULT_PARTITION__";
    for (name, value) in &input.partitions {
        let is_known = name == "dataset" || input.columns.iter().any(|column| column.name == *name);
        let says_when = TIME_PARTITIONS.iter().any(|known| name.eq_ignore_ascii_case(known));
        let is_dropped =
            parameters.drop.contains(name) || name == MEASURE_NAME && parameters.measure_name != MeasureName::Tag;
        if is_known || says_when || is_dropped || value == NULL {
            continue;
        }
        let value = Constant::Text(value.clone());
        if parameters.fields.contains(name) {
            point.field(name.as_str(), value);
        } else {
            point.tag(name.as_str(), value);
        }
    }
}

/// The measurement: the name of the table, or the one that the parameters give it.
fn measurement(input: &Input, parameters: &Parameters) -> Result<String, Problem> {
    let table = table(&input.object.key).ok_or_else(|| {
        let message = format!(
            "the key does not name its table: `{}`; expected `TABLE/results/…` or `TABLE/unload-…/results/…`",
            input.object.key
        );
        Problem::new("unknown-table", message)
    })?;
    Ok(parameters.measurements.get(table).map_or_else(|| table.to_owned(), Clone::clone))
}

/// The table that a key of UNLOAD is of.
fn table(key: &str) -> Option<&str> {
    let (directories, _) = key.rsplit_once('/')?;
    let directories: Vec<&str> = directories.split('/').collect();
    let results = directories.iter().rposition(|directory| *directory == RESULTS)?;
    directories[..results].iter().rev().find(|name| !name.is_empty() && !name.starts_with(UNLOAD)).copied()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failure is a test's to report")]

    use converter_sdk::Object;
    use converter_sdk::testing::Table;

    use super::*;

    const KEY: &str = "unload/sensors/weather/unload-2025-04-17/results/AEDQCANSCVPS_1.parquet";

    fn of(key: &str) -> Table {
        Table::new("timestream").object(Object { key: key.to_owned(), ..Object::default() })
    }

    fn rows(table: &Table) -> Vec<String> {
        table.convert::<Timestream>().unwrap()
    }

    fn single() -> Table {
        of(KEY)
            .texts("host", ["a", "b", "c", "d", "e"])
            .texts("measure_name", ["cpu", "ok", "count", "state", "since"])
            .timestamps("time", [1_744_908_174_702_394_001, 2, 3, 4, 5])
            .floats("measure_value::double", [Some(0.66), None, None, None, None])
            .booleans("measure_value::boolean", [None, Some(true), None, None, None])
            .integers("measure_value::bigint", [None, None, Some(7), None, None])
            .texts("measure_value::varchar", [None, None, None, Some("up"), None])
            .timestamps("measure_value::timestamp", [None, None, None, None, Some(9)])
    }

    #[test]
    fn a_single_measure_record_is_a_field_named_by_its_type() {
        assert_eq!(
            rows(&single()),
            [
                "weather,host=a,measure_name=cpu measure_value::double=0.66 1744908174702394001",
                "weather,host=b,measure_name=ok measure_value::boolean=true 2",
                "weather,host=c,measure_name=count measure_value::bigint=7i 3",
                "weather,host=d,measure_name=state measure_value::varchar=\"up\" 4",
                "weather,host=e,measure_name=since measure_value::timestamp=9i 5",
            ]
        );
    }

    #[test]
    fn a_measure_may_be_a_field_of_its_own_name() {
        assert_eq!(
            rows(&single().parameters(r#"{"measure_name": "key", "measurements": {"weather": "sky"}}"#)),
            [
                "sky,host=a cpu=0.66 1744908174702394001",
                "sky,host=b ok=true 2",
                "sky,host=c count=7i 3",
                "sky,host=d state=\"up\" 4",
                "sky,host=e since=9i 5",
            ]
        );
    }

    fn multi() -> Table {
        of("weather/results/region=eu-west-1/year=2025/part.parquet")
            .partition("region", "eu-west-1")
            .partition("year", "2025")
            .partition("rack", "__HIVE_DEFAULT_PARTITION__")
            .texts("host", ["a"])
            .texts("measure_name", ["metrics"])
            .timestamps("time", [1])
            .floats("cpu_usage", [0.5])
            .texts("note", ["fine"])
    }

    #[test]
    fn a_multi_measure_record_has_its_measures_as_fields_and_partitions_as_tags() {
        assert_eq!(rows(&multi()), ["weather,region=eu-west-1,host=a,measure_name=metrics,note=fine cpu_usage=0.5 1"]);
        let parameters = r#"{"fields": ["note", "region"], "drop": ["host"], "measure_name": "drop"}"#;
        assert_eq!(
            rows(&multi().parameters(parameters)),
            ["weather region=\"eu-west-1\",cpu_usage=0.5,note=\"fine\" 1"]
        );
    }

    #[test]
    fn the_table_is_found_in_the_key() {
        for (key, expected) in [
            (KEY, Some("weather")),
            ("weather/results/a", Some("weather")),
            ("db/results/results/x=1/a", Some("results")),
            ("db/weather/unload-1/unload-2/results/a", Some("weather")),
            ("results/a", None),
            ("weather/a.parquet", None),
        ] {
            assert_eq!(table(key), expected, "{key}");
        }
    }

    #[test]
    fn what_cannot_be_mapped_is_named() {
        let codes = |table: &Table| -> Vec<String> {
            let problems = Timestream::prepare(table.input()).unwrap_err();
            problems.into_iter().map(|problem| problem.code).collect()
        };
        assert_eq!(codes(&of("a.parquet").texts("time", ["x"])), ["unknown-table", "invalid-column-type"]);
        assert_eq!(codes(&of(KEY).floats("x", [1.0])), ["missing-column"]);
        for wrong in ["x", "[]", r#"{"more": 1}"#, r#"{"fields": [1]}"#, r#"{"measure_name": "field"}"#] {
            assert_eq!(codes(&single().parameters(wrong)), ["invalid-parameters"], "{wrong}");
        }
    }
}
