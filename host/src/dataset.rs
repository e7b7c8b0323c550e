//! Object key → the name of its dataset and the values of its partitions. Does no input or output.

use std::fmt;
use std::str::FromStr;

use percent_encoding::percent_decode_str;

/// The longest name, in characters.
const MAXIMUM_NAME_LENGTH: usize = 64;

/// The partition that names the dataset.
const PARTITION: &str = "dataset";

/// The name of a dataset: 1 to 64 lower-case ASCII letters, digits, `-` and `_`, so that it can stand in keys of the
/// registry, in file names and in metrics as it is. Upper-case letters are lowered when a name is read.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DatasetName(String);

impl DatasetName {
    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DatasetName {
    type Err = DatasetError;

    fn from_str(name: &str) -> Result<Self, DatasetError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if (1..=MAXIMUM_NAME_LENGTH).contains(&name.len()) && name.bytes().all(allowed) {
            Ok(Self(name.to_ascii_lowercase()))
        } else {
            let shown = name.chars().take(2 * MAXIMUM_NAME_LENGTH).flat_map(char::escape_debug).collect();
            Err(DatasetError::Name { name: shown })
        }
    }
}

impl fmt::Display for DatasetName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl AsRef<str> for DatasetName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// Why the dataset of an object is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DatasetError {
    /// What stands for a name cannot be one.
    #[error("`{name}` is no dataset's name; allowed are 1 to {MAXIMUM_NAME_LENGTH} ASCII letters, digits, `-` and `_`")]
    Name {
        /// What was found.
        name: String,
    },
    /// The key names no dataset.
    #[error(
        "the key names no dataset: `{key}`; known datasets: {}\nhint: put a `dataset=NAME/` segment into the key, or \
         `\"dataset\": \"NAME\"` into the event",
        list(known)
    )]
    Unnamed {
        /// The key.
        key: String,
        /// The datasets that have a converter.
        known: Vec<String>,
    },
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// The dataset of the object at `key`, a plain key.
///
/// A segment `dataset=NAME/` wins, known or not; the last one where there are several. Else it is the one of `known`
/// that the key contains, in any case: the one that ends last where it contains several, and the longest of those.
///
/// # Errors
/// [`DatasetError::Name`] where `NAME` cannot be a name; [`DatasetError::Unnamed`] where the key contains no known name.
pub fn name<S: AsRef<str>>(key: &str, known: &[S]) -> Result<DatasetName, DatasetError> {
    if let Some((_, name)) = partitions(key).into_iter().rev().find(|(name, _)| name == PARTITION) {
        return name.parse();
    }
    let lower = key.to_ascii_lowercase();
    let last = known
        .iter()
        .filter_map(|name| name.as_ref().parse::<DatasetName>().ok())
        .filter_map(|name| lower.rfind(name.as_str()).map(|start| (start + name.0.len(), name.0.len(), name)))
        .max();
    match last {
        Some((_, _, name)) => Ok(name),
        None => Err(DatasetError::Unnamed {
            key: key.to_owned(),
            known: known.iter().map(|name| name.as_ref().to_owned()).collect(),
        }),
    }
}

/// The `name=value` segments of `key`, in order, as Hive writes them: the last segment is the file's name and none of
/// them. Names and values are percent-decoded; what does not decode to UTF-8 stays as it is.
pub fn partitions(key: &str) -> Vec<(String, String)> {
    let directories = key.rsplit_once('/').map_or("", |(directories, _)| directories);
    directories
        .split('/')
        .filter_map(|segment| segment.split_once('='))
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8().map_or_else(|_| text.to_owned(), |decoded| decoded.into_owned())
}
