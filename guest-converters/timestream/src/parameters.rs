//! Settings that override the converter's defaults: the JSON document that is published beside its version.

use std::collections::{BTreeMap, BTreeSet};

use converter_sdk::Problem;
use serde_json::Value;

/// What becomes of the column `measure_name`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum MeasureName {
    /// A tag of this name.
    #[default]
    Tag,
    /// The key of the field that a single-measure record has.
    Key,
    /// Nothing.
    Drop,
}

/// How tables are mapped, where that is not as AWS's guidance has it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Parameters {
    /// The measurement of each table that is not to have its own name.
    pub(crate) measurements: BTreeMap<String, String>,
    /// Columns of text that are fields, not tags.
    pub(crate) fields: BTreeSet<String>,
    /// Columns and partitions that are dropped.
    pub(crate) drop: BTreeSet<String>,
    pub(crate) measure_name: MeasureName,
}

impl Parameters {
    /// Reads `{"measurements": {"TABLE": "NAME"}, "fields": ["COLUMN"], "drop": ["COLUMN"], "measure_name": "tag"}`.
    pub(crate) fn read(text: Option<&str>) -> Result<Self, Vec<Problem>> {
        let Some(text) = text else { return Ok(Self::default()) };
        let wrong = |message: String| vec![Problem::new("invalid-parameters", message)];
        let value: Value = serde_json::from_str(text).map_err(|error| wrong(format!("they are no JSON: {error}")))?;
        let Value::Object(members) = value else { return Err(wrong("they are no JSON object".to_owned())) };
        let mut parameters = Self::default();
        for (name, value) in members {
            let expected = |what: &str| wrong(format!("`{name}` must be {what}: {value}"));
            match &*name {
                "measurements" => {
                    let named = value.as_object().ok_or_else(|| expected("an object of names by table"))?;
                    for (table, name) in named {
                        let name = name.as_str().ok_or_else(|| expected("an object of names by table"))?;
                        parameters.measurements.insert(table.clone(), name.to_owned());
                    }
                }
                "fields" => parameters.fields = names(&value).ok_or_else(|| expected("a list of columns"))?,
                "drop" => parameters.drop = names(&value).ok_or_else(|| expected("a list of columns"))?,
                "measure_name" => {
                    parameters.measure_name = match value.as_str() {
                        Some("tag") => MeasureName::Tag,
                        Some("key") => MeasureName::Key,
                        Some("drop") => MeasureName::Drop,
                        _ => return Err(expected("`tag`, `key` or `drop`")),
                    }
                }
                other => return Err(wrong(format!("there is no parameter `{other}`"))),
            }
        }
        Ok(parameters)
    }
}

fn names(value: &Value) -> Option<BTreeSet<String>> {
    value.as_array()?.iter().map(|name| name.as_str().map(str::to_owned)).collect()
}
