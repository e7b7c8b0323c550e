//! JSON that knows its path, so that an error shows where it is.
//!
//! The types of `aws_lambda_events` are not used to read events: they are too lax where it matters (a record without a
//! bucket or a key is accepted) and too strict where it does not (a missing `userIdentity` or a time in another format is
//! refused), and their errors name a line and a column of JSON that nobody sees, where `Records[2].s3.object.key` helps.

use serde_json::{Map, Value};

use super::{Broken, Problem};

/// A value of the payload, or the place where one is missing.
#[derive(Clone, Debug)]
pub(super) struct Node<'a> {
    value: Option<&'a Value>,
    path: String,
}

impl<'a> Node<'a> {
    /// The value at `path`; an empty path is the payload itself.
    pub(super) fn new(value: &'a Value, path: impl Into<String>) -> Self {
        Self { value: Some(value), path: path.into() }
    }

    /// The value; none where it is missing.
    pub(super) fn value(&self) -> Option<&'a Value> {
        self.value
    }

    /// Where it stands.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The member `name`. What is missing, null, or no object's member is found out when the value is asked for.
    pub(super) fn member(&self, name: &str) -> Self {
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        Self { value: self.value.and_then(|value| value.get(name)), path }
    }

    /// The elements of a list.
    pub(super) fn elements(&self) -> Result<impl Iterator<Item = Self> + use<'a>, Broken> {
        let elements = self.present()?.as_array().ok_or_else(|| self.unlike("a list"))?;
        let path = self.path.clone();
        Ok(elements.iter().enumerate().map(move |(index, value)| Self::new(value, format!("{path}[{index}]"))))
    }

    /// The node itself, where it is an object.
    pub(super) fn object(self) -> Result<Self, Broken> {
        match self.present()? {
            Value::Object(_) => Ok(self),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Err(self.unlike("an object"))
            }
        }
    }

    /// The text; may be empty.
    pub(super) fn text(&self) -> Result<&'a str, Broken> {
        self.present()?.as_str().ok_or_else(|| self.unlike("a text"))
    }

    /// The JSON that the text is. Its own node continues the path of this one.
    pub(super) fn json(&self) -> Result<Value, Broken> {
        serde_json::from_str(self.text()?).map_err(|error| self.broken(Problem::NotJson(error)))
    }

    /// The members, where it is an object; none where it is anything else.
    pub(super) fn members(&self) -> Option<&'a Map<String, Value>> {
        self.value.and_then(Value::as_object)
    }

    /// The text; none where it is missing, null or empty.
    pub(super) fn optional_text(&self) -> Result<Option<&'a str>, Broken> {
        if self.is_absent() { Ok(None) } else { self.text().map(|text| Some(text).filter(|text| !text.is_empty())) }
    }

    /// The whole number from 0; none where it is missing or null.
    pub(super) fn optional_unsigned(&self) -> Result<Option<u64>, Broken> {
        if self.is_absent() {
            return Ok(None);
        }
        self.unsigned().map(Some)
    }

    /// The whole number from 0.
    pub(super) fn unsigned(&self) -> Result<u64, Broken> {
        self.present()?.as_u64().ok_or_else(|| self.unlike("a whole number from 0"))
    }

    /// The boolean; none where it is missing or null.
    pub(super) fn optional_boolean(&self) -> Result<Option<bool>, Broken> {
        if self.is_absent() {
            return Ok(None);
        }
        self.present()?.as_bool().map(Some).ok_or_else(|| self.unlike("`true` or `false`"))
    }

    /// The error that `problem` is here.
    pub(super) fn broken(&self, problem: Problem) -> Broken {
        Broken { at: self.path.clone(), problem }
    }

    pub(super) fn is_absent(&self) -> bool {
        self.value.is_none_or(Value::is_null)
    }

    fn present(&self) -> Result<&'a Value, Broken> {
        self.value.filter(|value| !value.is_null()).ok_or_else(|| self.broken(Problem::Missing))
    }

    fn unlike(&self, expected: &'static str) -> Broken {
        let found = match self.value {
            None | Some(Value::Null) => "nothing",
            Some(Value::Bool(_)) => "a boolean",
            Some(Value::Number(_)) => "a number",
            Some(Value::String(_)) => "a text",
            Some(Value::Array(_)) => "a list",
            Some(Value::Object(_)) => "an object",
        };
        self.broken(Problem::Type { expected, found })
    }
}

/// Whether the member at the end of `path` is an object.
pub(super) fn holds_object(payload: &Map<String, Value>, path: [&str; 2]) -> bool {
    let [outer, inner] = path;
    payload.get(outer).and_then(|value| value.get(inner)).is_some_and(Value::is_object)
}
