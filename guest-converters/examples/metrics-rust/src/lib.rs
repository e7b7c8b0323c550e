//! A family of tables in one converter: each row names its measurement in the column `measure_name`, the other columns of
//! text are tags, and all that are numbers or booleans are fields. A table that gains a column needs no new converter.
//!
//! The parameters set what has another name in InfluxDB, and which tag has the name of the file:
//!
//! ```json
//! { "rename": { "host_name": "host" }, "file_tag": "file" }
//! ```

use std::collections::BTreeMap;

use converter_sdk::{ColumnType, Constant, Converter, Description, Input, Mapping, PlanBuilder, Point, Problem};
use serde_json::Value;

const TAGS: [ColumnType; 3] = [ColumnType::Text, ColumnType::Uuid, ColumnType::Binary];

const FIELDS: [ColumnType; 6] = [
    ColumnType::Integer,
    ColumnType::Unsigned,
    ColumnType::Float,
    ColumnType::Boolean,
    ColumnType::TimeOfDay,
    ColumnType::Duration,
];

/// The converter.
#[derive(Debug)]
pub struct Metrics;

impl Converter for Metrics {
    fn describe() -> Description {
        Description {
            name: "metrics".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            dataset: "metrics".into(),
            summary: env!("CARGO_PKG_DESCRIPTION").into(),
        }
    }

    fn prepare(input: &Input) -> Result<Mapping, Vec<Problem>> {
        let Parameters { renames, file_tag } = Parameters::of(input).map_err(|problem| vec![problem])?;
        let mut plan = PlanBuilder::new(input);
        let time = plan.required("time", &[ColumnType::Timestamp]);
        let measurement = plan.required("measure_name", &[ColumnType::Text]);
        // Once for each distinct name. A row without one is rejected as `invalid-measurement`.
        let measurement = plan.translate(measurement, |name| Some(name?.trim().into()));
        let mut point = Point::new(measurement, time);
        if let Some(tag) = file_tag {
            point.tag(tag, Constant::from(input.object.file_name.as_str()));
        }
        // A list would take `each`: this family has none.
        let columns = input.columns.iter().filter(|column| column.list.is_none());
        for column in columns.filter(|column| !["time", "measure_name"].contains(&&*column.name)) {
            let key = renames.get(&column.name).unwrap_or(&column.name).as_str();
            if TAGS.contains(&column.column_type) {
                point.tag(key, plan.required(&column.name, &TAGS));
            } else if FIELDS.contains(&column.column_type) {
                point.field(key, plan.required(&column.name, &FIELDS));
            }
        }
        plan.finish([point])
    }
}

/// The parameters, as they are read from their document.
#[derive(Default)]
struct Parameters {
    renames: BTreeMap<String, String>,
    file_tag: Option<String>,
}

impl Parameters {
    fn of(input: &Input) -> Result<Self, Problem> {
        let invalid = |reason: String| Problem::new("invalid-parameters", reason);
        let Some(parameters) = &input.parameters else { return Ok(Self::default()) };
        let document: Value = serde_json::from_str(parameters).map_err(|error| invalid(error.to_string()))?;
        let name = |what: &str, value: &Value| match value.as_str() {
            Some(name) if !name.is_empty() => Ok(name.to_owned()),
            Some(_) | None => Err(invalid(format!("`{what}` must have a name"))),
        };
        let mut renames = BTreeMap::new();
        if let Some(rename) = document.get("rename") {
            let rename = rename.as_object().ok_or_else(|| invalid("`rename` must be an object".to_owned()))?;
            for (column, key) in rename {
                renames.insert(column.clone(), name(column, key)?);
            }
        }
        let file_tag = document.get("file_tag").map(|tag| name("file_tag", tag)).transpose()?;
        Ok(Self { renames, file_tag })
    }
}

converter_sdk::export!(Metrics);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failure is a test's to report")]

    use converter_sdk::Object;
    use converter_sdk::testing::Table;

    use super::*;

    fn table() -> Table {
        Table::new("metrics")
            .timestamps("time", [1, 2, 3])
            .texts("measure_name", [Some("cpu"), Some(" memory "), None])
            .texts("host_name", ["a", "b", "c"])
            .floats("value", [0.5, 2.0, 3.0])
            .other("raw", "List(Int64)")
    }

    #[test]
    fn each_row_names_its_measurement() {
        let expected = ["cpu,host_name=a value=0.5 1", "memory,host_name=b value=2 2", "rejected: invalid-measurement"];
        assert_eq!(table().convert::<Metrics>().unwrap(), expected);
    }

    #[test]
    fn parameters_rename_columns() {
        let renamed = table().parameters(r#"{ "rename": { "host_name": "host" } }"#);
        assert_eq!(renamed.convert::<Metrics>().unwrap()[0], "cpu,host=a value=0.5 1");
    }

    #[test]
    fn the_file_is_a_tag_where_the_parameters_name_one() {
        let object = Object { file_name: "a.parquet".into(), ..Object::default() };
        let tagged = table().object(object).parameters(r#"{ "file_tag": "file" }"#);
        assert_eq!(tagged.convert::<Metrics>().unwrap()[0], "cpu,file=a.parquet,host_name=a value=0.5 1");
    }

    #[test]
    fn parameters_that_say_something_else_fail_the_object() {
        for parameters in ["", r#"{ "rename": [] }"#, r#"{ "file_tag": "" }"#, r#"{ "rename": { "host_name": 7 } }"#] {
            let problems = table().parameters(parameters).convert::<Metrics>().unwrap_err();
            assert_eq!(problems[0].code, "invalid-parameters", "{parameters}");
        }
    }
}
