//! Schemas of parameters, in JSON Type Definition (RFC 8927): what they refuse, and where.
//!
//! ```text
//! schema  { "properties": { "rename": { "values": { "type": "string" } } } }
//! parameters  { "rename": { "host_name": 7 } }
//! refusal     `/rename/host_name`: expected `string`, found 7 (schema: `/properties/rename/values/type`)
//! ```
//!
//! Both may be hostile. The bytes and the nesting of each are bounded before they are compared, and so is their product: no part
//! of a schema looks at a value twice. JSON Type Definition has no regular expressions and no references to other documents.

use std::borrow::Cow;
use std::fmt;

use jtd::{Schema, SerdeSchema, ValidateError, ValidateOptions, ValidationErrorIndicator};
use serde::Deserialize;
use serde_json::{Number, Value};

use super::error::RegistryError;

/// The largest schema, in bytes.
pub const MAX_SCHEMA_BYTES: usize = 64 * 1024;

/// How deep the JSON of a schema is nested at most; a form in another one takes one or two levels.
const MAX_NESTING: usize = 64;

/// How many references are followed within each other: as many as the nesting of a document takes.
const MAX_REFERENCES: usize = 130;

/// How often a part of a schema looks at a value at most, which takes seconds.
const MAX_STEPS: usize = 50_000_000;

/// How many refusals are reported.
const MAX_REFUSALS: usize = 20;

/// How many names are listed, and of how many characters a name or value is shown.
const MAX_NAMES: usize = 10;
const MAX_SHOWN: usize = 80;

/// How much of a place is shown, in characters.
const MAX_PLACE: usize = 200;

/// A schema that is valid.
#[derive(Debug)]
pub struct ParametersSchema {
    text: String,
    value: Value,
    schema: Schema,
    parts: usize,
}

/// What a schema refuses: places in the parameters, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusals {
    refusals: Vec<Refusal>,
    are_all: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Refusal {
    place: String,
    reason: String,
    /// None where no part of the schema was asked.
    part: Option<String>,
}

impl fmt::Display for Refusals {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Refusal { place, reason, part } in &self.refusals {
            write!(formatter, "  {place}: {reason}")?;
            match part {
                Some(part) => writeln!(formatter, " (schema: {part})")?,
                None => writeln!(formatter)?,
            }
        }
        if self.are_all { Ok(()) } else { writeln!(formatter, "  and more") }
    }
}

impl ParametersSchema {
    /// Reads a schema. `object` names it in errors.
    ///
    /// # Errors
    ///
    /// [`RegistryError::TooLarge`]; [`RegistryError::Schema`] where it is no valid JSON Type Definition, is nested too deeply, or has
    /// a definition that is only itself.
    pub fn read(object: &str, text: String) -> Result<Self, RegistryError> {
        if text.len() > MAX_SCHEMA_BYTES {
            return Err(RegistryError::TooLarge { object: object.to_owned(), limit: MAX_SCHEMA_BYTES as u64 });
        }
        let refused =
            |reason: String| RegistryError::Schema { object: object.to_owned(), reason: shown(&reason, MAX_PLACE) };
        let value: Value = serde_json::from_str(&text).map_err(|error| refused(error.to_string()))?;
        let parts = Count::of(&value);
        if parts.nesting > MAX_NESTING {
            return Err(refused(format!("it is nested more than {MAX_NESTING} levels deep")));
        }
        let read = SerdeSchema::deserialize(&value).map_err(|error| refused(error.to_string()))?;
        let schema = Schema::from_serde_schema(read).map_err(|error| refused(error.to_string()))?;
        schema.validate().map_err(|error| refused(error.to_string()))?;
        if let Some(name) = endless(&schema) {
            return Err(refused(format!("definition `{name}` refers to itself without end")));
        }
        Ok(Self { text, value, schema, parts: parts.values })
    }

    /// The schema as it was read.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Compares parameters with it. `object` names the schema in errors. Takes seconds at most, for the largest of both.
    ///
    /// # Errors
    ///
    /// [`RegistryError::ParametersRefused`].
    pub fn check(&self, object: &str, parameters: &str) -> Result<(), RegistryError> {
        let refused = |refusals| RegistryError::ParametersRefused { schema: object.to_owned(), refusals };
        let as_a_whole = |reason: String| {
            let refusal = Refusal { place: place(&[]), reason, part: None };
            refused(Refusals { refusals: vec![refusal], are_all: true })
        };
        let mut document: Value = serde_json::from_str(parameters)
            .map_err(|error| as_a_whole(format!("they are no JSON: {}", shown(&error.to_string(), MAX_PLACE))))?;
        let values = Count::of(&document).values;
        if values.saturating_mul(self.parts) > MAX_STEPS {
            let reason = format!(
                "{values} values and a schema of {} parts are too many to compare: their product is more than {MAX_STEPS}",
                self.parts
            );
            return Err(as_a_whole(reason));
        }
        widen(&mut document);
        let options = ValidateOptions::new().with_max_depth(MAX_REFERENCES).with_max_errors(MAX_REFUSALS + 1);
        let indicators =
            jtd::validate(&self.schema, &document, options).map_err(|ValidateError::MaxDepthExceeded| {
                as_a_whole(format!("more than {MAX_REFERENCES} definitions refer to each other"))
            })?;
        if indicators.is_empty() {
            return Ok(());
        }
        let are_all = indicators.len() <= MAX_REFUSALS;
        let refusal = |indicator: &ValidationErrorIndicator<'_>| Refusal {
            place: place(&indicator.instance_path),
            reason: self.reason(&document, &indicator.instance_path, &indicator.schema_path),
            part: Some(place(&indicator.schema_path)),
        };
        let refusals = indicators.iter().take(MAX_REFUSALS).map(refusal).collect();
        Err(refused(Refusals { refusals, are_all }))
    }

    /// Why a value is refused. RFC 8927 gives two places alone: a keyword stands for its own reason, and a form for a name that is
    /// missing, or one too many, or a value in which its values or elements should be.
    fn reason(&self, document: &Value, instance: &[Cow<'_, str>], path: &[Cow<'_, str>]) -> String {
        let part = at(&self.value, path).unwrap_or(&Value::Null);
        let found = at(document, instance).map(found).unwrap_or_default();
        // The last keyword on the way, whether a name has to follow it, and how many names and elements of the document it has passed.
        let (mut keyword, mut is_named, mut passed) = ("", false, 0);
        for token in path {
            if is_named {
                is_named = false;
                passed += usize::from(matches!(keyword, "properties" | "optionalProperties"));
            } else {
                keyword = token;
                is_named = matches!(&**token, "properties" | "optionalProperties" | "mapping" | "definitions");
                passed += usize::from(matches!(&**token, "elements" | "values"));
            }
        }
        match (keyword, is_named) {
            ("type", _) => return format!("expected `{}`, found {found}", part.as_str().unwrap_or_default()),
            ("enum", _) => {
                let allowed = part.as_array().into_iter().flatten().filter_map(Value::as_str);
                return format!("expected one of {}, found {found}", listed(allowed));
            }
            ("discriminator", _) => {
                let tag = shown(part.as_str().unwrap_or_default(), MAX_SHOWN);
                return format!("expected an object whose `{tag}` is a text");
            }
            ("mapping", true) => return format!("expected one of {}, found {found}", listed(names(part))),
            (_, true) => return format!("expected an object, found {found}"),
            _ => {}
        }
        let members = ["properties", "optionalProperties"].map(|keyword| part.get(keyword));
        let is_object = members.iter().any(Option::is_some);
        let last = instance.last().map_or("", |name| &**name);
        let is_known = members.iter().flatten().any(|members| members.get(last).is_some());
        // A path from a definition does not show where in the document it begins.
        let is_exact = path.first().is_none_or(|first| first != "definitions");
        let is_within = match keyword {
            _ if is_exact => instance.len() == passed + 1,
            "properties" | "optionalProperties" => {
                instance.len() >= 2 && instance.get(instance.len() - 2) == path.last()
            }
            "elements" | "values" => false,
            _ => true,
        };
        let is_unknown = is_object && !is_known;
        match keyword {
            _ if is_unknown && is_within => {
                let known = listed(members.into_iter().flatten().flat_map(names));
                if known.is_empty() {
                    "no such name is allowed".to_owned()
                } else {
                    format!("no such name is allowed; allowed are {known}")
                }
            }
            "properties" => {
                let name = path.last().map(|name| shown(name, MAX_SHOWN)).unwrap_or_default();
                format!("`{name}` is missing")
            }
            "elements" if is_exact || !is_unknown => format!("expected an array, found {found}"),
            "values" if is_exact || !is_unknown => format!("expected an object, found {found}"),
            _ => format!("the schema does not allow {found}"),
        }
    }
}

/// How many values a document has, with its names, and how deep it is nested.
struct Count {
    values: usize,
    nesting: usize,
}

impl Count {
    /// The reader of JSON bounds the nesting, so that this recursion ends.
    fn of(value: &Value) -> Self {
        let sum = |sum: Self, inner: Self| Self {
            values: sum.values + inner.values,
            nesting: sum.nesting.max(inner.nesting + 1),
        };
        let one = Self { values: 1, nesting: 0 };
        match value {
            Value::Array(values) => values.iter().map(Self::of).fold(one, sum),
            Value::Object(members) => members.values().map(Self::of).fold(one, sum),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => one,
        }
    }
}

/// Makes integers floats that are larger than the signed ones: `jtd` takes no others as `float64`.
fn widen(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(widen),
        Value::Object(members) => members.values_mut().for_each(widen),
        Value::Number(number) if number.as_i64().is_none() => {
            if let Some(widened) = number.as_f64().and_then(Number::from_f64) {
                *number = widened;
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A definition that is a reference to itself, directly or by others.
fn endless(schema: &Schema) -> Option<&str> {
    let definitions = schema.definitions();
    let is_endless = |name: &String| {
        let mut at = definitions.get(name);
        for _ in 0..=definitions.len() {
            let Some(Schema::Ref { ref_, .. }) = at else { return false };
            at = definitions.get(ref_);
        }
        true
    };
    definitions.keys().find(|name| is_endless(name)).map(String::as_str)
}

fn at<'a>(value: &'a Value, path: &[Cow<'_, str>]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, token| match value {
        Value::Array(values) => values.get(token.parse::<usize>().ok()?),
        value => value.get(&**token),
    })
}

/// A place as a JSON pointer.
fn place(path: &[Cow<'_, str>]) -> String {
    if path.is_empty() {
        return "the whole".to_owned();
    }
    let pointer: String =
        path.iter().map(|token| format!("/{}", token.replace('~', "~0").replace('/', "~1"))).collect();
    format!("`{}`", shown(&pointer, MAX_PLACE))
}

fn found(value: &Value) -> String {
    match value {
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::String(text) => format!("the text `{}`", shown(text, MAX_SHOWN)),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

fn names(members: &Value) -> impl Iterator<Item = &str> {
    members.as_object().into_iter().flat_map(|members| members.keys().map(String::as_str))
}

fn listed<'a>(mut names: impl Iterator<Item = &'a str>) -> String {
    let shown: Vec<String> =
        names.by_ref().take(MAX_NAMES).map(|name| format!("`{}`", shown(name, MAX_SHOWN))).collect();
    let more = if names.next().is_some() { " and others" } else { "" };
    shown.join(", ") + more
}

/// The text on one line, with `…` for what is beyond.
fn shown(text: &str, max: usize) -> String {
    let mut characters = text.chars();
    let mut line = String::new();
    for character in characters.by_ref().take(max) {
        match character {
            '"' | '\'' | '\\' => line.push(character),
            _ => line.extend(character.escape_debug()),
        }
    }
    if characters.next().is_some() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::thread;

    use serde_json::json;

    use super::*;

    fn schema(value: &Value) -> ParametersSchema {
        ParametersSchema::read("schema.json", value.to_string()).unwrap()
    }

    /// The lines of what is refused.
    fn refused(schema: &ParametersSchema, parameters: &str) -> Vec<String> {
        match schema.check("schema.json", parameters) {
            Ok(()) => Vec::new(),
            Err(error) => {
                error.to_string().lines().filter_map(|line| line.strip_prefix("  ")).map(str::to_owned).collect()
            }
        }
    }

    fn unreadable(text: &str) -> String {
        ParametersSchema::read("schema.json", text.to_owned()).unwrap_err().to_string()
    }

    /// Threads that block have 2 MiB of stack: this one has half.
    fn on_a_small_stack(work: impl FnOnce() + Send + 'static) {
        thread::Builder::new().stack_size(1024 * 1024).spawn(work).unwrap().join().unwrap();
    }

    #[test]
    fn each_wrong_value_is_named_with_what_is_expected() {
        let schema = schema(&json!({
            "properties": {
                "rename": { "values": { "type": "string" } },
                "unit": { "enum": ["kW", "MW"] },
            },
            "optionalProperties": {
                "factor": { "type": "float64" },
                "zones": { "elements": { "properties": { "hours": { "type": "int8" } } } },
                "rule": { "discriminator": "kind", "mapping": { "drop": { "properties": {} } } },
            },
        }));
        let good =
            json!({ "rename": { "a": "b" }, "unit": "kW", "zones": [{ "hours": -3 }], "rule": { "kind": "drop" } });
        assert_eq!(refused(&schema, &good.to_string()), Vec::<String>::new());
        assert_eq!(
            refused(&schema, r#"{ "rename": {}, "unit": "kW", "factor": 18446744073709551615 }"#),
            Vec::<String>::new()
        );
        let bad = json!({
            "rename": { "host/name": 7 }, "unit": "GW", "factor": "1", "offset": 1, "rule": { "kind": "keep" },
            "zones": [{ "hours": 300 }, {}, { "hours": 1, "x": {} }, 5],
        });
        assert_eq!(
            refused(&schema, &bad.to_string()),
            [
                "`/rename/host~1name`: expected `string`, found 7 (schema: `/properties/rename/values/type`)",
                "`/unit`: expected one of `kW`, `MW`, found the text `GW` (schema: `/properties/unit/enum`)",
                "`/factor`: expected `float64`, found the text `1` (schema: `/optionalProperties/factor/type`)",
                "`/rule/kind`: expected one of `drop`, found the text `keep` (schema: `/optionalProperties/rule/mapping`)",
                "`/zones/0/hours`: expected `int8`, found 300 (schema: `/optionalProperties/zones/elements/properties/hours/type`)",
                "`/zones/1`: `hours` is missing (schema: `/optionalProperties/zones/elements/properties/hours`)",
                "`/zones/2/x`: no such name is allowed; allowed are `hours` (schema: `/optionalProperties/zones/elements`)",
                "`/zones/3`: expected an object, found 5 (schema: `/optionalProperties/zones/elements/properties`)",
                "`/offset`: no such name is allowed; allowed are `rename`, `unit`, `factor`, `rule`, `zones` (schema: the whole)",
            ]
        );
        assert_eq!(
            refused(&schema, r#"{ "rename": [], "zones": {}, "rule": {} }"#),
            [
                "`/rename`: expected an object, found an array (schema: `/properties/rename/values`)",
                "the whole: `unit` is missing (schema: `/properties/unit`)",
                "`/rule`: expected an object whose `kind` is a text (schema: `/optionalProperties/rule/discriminator`)",
                "`/zones`: expected an array, found an object (schema: `/optionalProperties/zones/elements`)",
            ]
        );
        assert_eq!(refused(&schema, "[]"), ["the whole: expected an object, found an array (schema: `/properties`)"]);
    }

    #[test]
    fn a_definition_is_named_as_exactly() {
        let schema = schema(&json!({
            "definitions": {
                "site": { "properties": { "at": { "properties": { "lat": { "type": "float64" } } }, "parts": { "elements": { "ref": "site" } } } },
            },
            "values": { "ref": "site" },
        }));
        let bad = json!({
            "north": { "parts": [] },
            "south": { "at": { "lat": 1, "long": 2 }, "parts": [{ "at": 1, "parts": {}, "more": 1 }] },
        });
        assert_eq!(
            refused(&schema, &bad.to_string()),
            [
                "`/north`: `at` is missing (schema: `/definitions/site/properties/at`)",
                "`/south/at/long`: no such name is allowed; allowed are `lat` (schema: `/definitions/site/properties/at`)",
                "`/south/parts/0/at`: expected an object, found 1 (schema: `/definitions/site/properties/at/properties`)",
                "`/south/parts/0/parts`: expected an array, found an object (schema: `/definitions/site/properties/parts/elements`)",
                "`/south/parts/0/more`: no such name is allowed; allowed are `at`, `parts` (schema: `/definitions/site`)",
            ]
        );
    }

    #[test]
    fn as_many_refusals_are_shown_as_can_be_read() {
        let schema = schema(&json!({ "elements": { "type": "string" } }));
        assert_eq!(refused(&schema, &json!(vec![1; 20]).to_string()).len(), 20);
        let many = refused(&schema, &json!(vec![1; 100_000]).to_string());
        assert_eq!((many.len(), many[20].as_str()), (21, "and more"));
        // Neither names nor values fill the screen, or end the line.
        let object = schema_of_nothing();
        let long = refused(&object, &json!({ "a\n\u{202e}".repeat(100_000): 1 }).to_string());
        assert!(long.len() == 1 && long[0].len() < 3_000 && !long[0].contains('\u{202e}'), "{long:?}");
    }

    fn schema_of_nothing() -> ParametersSchema {
        schema(&json!({ "properties": {} }))
    }

    #[test]
    fn what_is_no_schema_is_refused() {
        for (bad, words) in [
            ("", "EOF"),
            ("7", "invalid type"),
            (r#"{ "type": "text" }"#, "invalid type"),
            (r#"{ "pattern": "(a*)*" }"#, "unknown field `pattern`"),
            (r#"{ "$ref": "https://example.org/schema.json" }"#, "unknown field `$ref`"),
            (r#"{ "ref": "nobody" }"#, "no such definition"),
            (r#"{ "type": "string", "enum": ["a"] }"#, "invalid combination"),
            (
                r#"{ "ref": "a", "definitions": { "a": { "ref": "a" } } }"#,
                "definition `a` refers to itself without end",
            ),
            (r#"{ "definitions": { "a": { "ref": "b" }, "b": { "ref": "a" } } }"#, "refers to itself without end"),
        ] {
            let error = unreadable(bad);
            assert!(error.contains(words) && error.contains("\nhint: "), "{bad}: {error}");
        }
        let large = format!("{{}}{}", " ".repeat(MAX_SCHEMA_BYTES));
        assert!(unreadable(&large).contains("too large"));
    }

    #[test]
    fn hostile_nesting_is_an_error() {
        on_a_small_stack(|| {
            let nested =
                |begin: &str, levels: usize, end: &str| format!("{}{{}}{}", begin.repeat(levels), end.repeat(levels));
            let schemas = [
                nested(r#"{"elements":"#, MAX_NESTING - 1, "}"),
                nested(r#"{"properties":{"a":"#, MAX_NESTING / 2 - 1, "}}"),
                nested(r#"{"optionalProperties":{"a":"#, MAX_NESTING / 2 - 1, "}}"),
            ];
            for deepest in schemas {
                let deepest = ParametersSchema::read("schema.json", deepest).unwrap();
                refused(&deepest, &nested("[", 100, "]"));
                refused(&deepest, &nested(r#"{"a":"#, 100, "}"));
            }
            for levels in [MAX_NESTING + 1, 100] {
                assert!(unreadable(&nested(r#"{"elements":"#, levels, "}")).contains("nested more than 64 levels"));
            }
            assert!(unreadable(&nested(r#"{"elements":"#, 5_000, "}")).contains("recursion limit"));
            // As deep as a document can be, through a definition at each level.
            let endless = schema(&json!({
                "definitions": { "a": { "optionalProperties": { "a": { "ref": "a" } } } }, "ref": "a",
            }));
            assert_eq!(refused(&endless, &nested(r#"{"a":"#, 125, "}")), Vec::<String>::new());
            let too_deep = refused(&endless, &nested(r#"{"a":"#, 100_000, "}"));
            assert!(too_deep[0].contains("recursion limit"), "{too_deep:?}");
        });
    }

    #[test]
    fn a_long_chain_of_definitions_ends() {
        on_a_small_stack(|| {
            let mut definitions: serde_json::Map<String, Value> =
                (0..500).map(|n| (n.to_string(), json!({ "ref": (n + 1).to_string() }))).collect();
            definitions.insert("500".to_owned(), json!({}));
            let chain = schema(&json!({ "definitions": definitions, "ref": "0" }));
            assert_eq!(refused(&chain, "1"), ["the whole: more than 130 definitions refer to each other"]);
        });
    }

    #[test]
    fn what_would_take_long_to_compare_is_refused() {
        let names: serde_json::Map<String, Value> = (0..4_000).map(|n| (n.to_string(), json!({}))).collect();
        let wide = schema(&json!({ "elements": { "optionalProperties": names } }));
        let many = refused(&wide, &json!(vec![json!({}); 100_000]).to_string());
        assert!(many[0].contains("100001 values and a schema of 4003 parts are too many to compare"), "{many:?}");
        assert_eq!(refused(&wide, &json!(vec![json!({}); 1_000]).to_string()), Vec::<String>::new());
    }
}
