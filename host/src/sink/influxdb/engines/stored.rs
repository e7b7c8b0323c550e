//! What is asked of the points that a server has, and what it answers, in the same form for every engine.

use std::fmt::{self, Write};

use crate::sink::kind::Kind;

/// The most that is shown of a text, in characters.
const MOST_SHOWN: usize = 200;

/// A range of time, in nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Window {
    /// The first nanosecond.
    pub from: i64,
    /// The one after the last.
    pub to: i64,
}

/// A field that is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its key.
    pub name: String,
    /// The type that it is read as.
    pub kind: Kind,
    /// Texts or booleans of which it is asked how often each comes.
    pub values: Vec<Value>,
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number with a fraction.
    Float(f64),
    /// A whole number.
    Integer(i64),
    /// A whole number that is not negative.
    Unsigned(u64),
    /// `true` or `false`.
    Boolean(bool),
    /// A text.
    Text(String),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Integer(value) => write!(f, "{value}i"),
            Self::Unsigned(value) => write!(f, "{value}u"),
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Text(value) if value.chars().nth(MOST_SHOWN).is_some() => {
                let start: String = value.chars().take(MOST_SHOWN).collect();
                write!(f, "{start:?}… ({} bytes)", value.len())
            }
            Self::Text(value) => write!(f, "{value:?}"),
        }
    }
}

/// What a field has in a bucket of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// How many points have it.
    pub count: u64,
    /// The least value, of numbers.
    pub least: Option<Value>,
    /// The greatest value, of numbers.
    pub greatest: Option<Value>,
    /// The sum, of numbers: of integers without regard to overflow.
    pub sum: Option<Value>,
    /// Of how many series they are.
    pub series: Option<u64>,
    /// How often each of [`Column::values`] comes.
    pub values: Vec<u64>,
}

/// A value of a point.
#[derive(Debug)]
pub struct Point<'a> {
    /// Keys and values of its tags, in any order.
    pub tags: &'a [(&'a str, &'a str)],
    /// Points of an answer with the same number have the same tags.
    pub series: usize,
    /// In nanoseconds since 1970.
    pub time: i64,
    /// Which of the fields that were asked for.
    pub column: usize,
    /// Its value.
    pub value: Value,
}

/// A series by its tags, in the order of their keys, as `key=value,key=value`. No two series are the same text: what parts them is
/// escaped. A tag without a value is none.
pub fn series_name<'a>(tags: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut tags: Vec<(&str, &str)> = tags.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    tags.sort_unstable();
    let mut name = String::new();
    for (key, value) in tags {
        if !name.is_empty() {
            name.push(',');
        }
        escape(key, &mut name);
        name.push('=');
        escape(value, &mut name);
    }
    name
}

fn escape(text: &str, name: &mut String) {
    for character in text.chars() {
        if matches!(character, ',' | '=' | '\\') {
            name.push('\\');
        }
        if character.is_control() {
            // Writing to a string does not fail.
            _ = write!(name, "{}", character.escape_default());
        } else {
            name.push(character);
        }
    }
}
