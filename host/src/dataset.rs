//! Object key → the name of its dataset and the values of its partitions. Does no input or output.

use std::fmt;
use std::str::FromStr;

use percent_encoding::percent_decode_str;

/// The longest name, in characters.
const MAXIMUM_NAME_LENGTH: usize = 64;

/// The partition that names the dataset.
pub(crate) const PARTITION: &str = "dataset";

/// The name of a dataset: 1 to 64 lower-case ASCII letters, digits, `-` and `_`, so that it can stand in keys of the
/// registry, in file names and in metrics as it is. Upper-case letters are lowered when a name is read.
///
/// ```
/// use influxdb_loader::dataset::DatasetName;
///
/// assert_eq!("Consumption".parse::<DatasetName>().unwrap().as_str(), "consumption");
/// assert!("../consumption".parse::<DatasetName>().is_err());
/// ```
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
         name the dataset in the event or by `--dataset`",
        list(known)
    )]
    Unnamed {
        /// The key.
        key: String,
        /// The datasets that have a converter.
        known: Vec<String>,
    },
    /// The key may mean another dataset than the one that would be taken.
    #[error(
        "the key does not name its dataset clearly: `{key}`; `{name}` would be used, {doubt}\nhint: put a \
         `dataset=NAME/` segment into the key, name the dataset in the event, or set `DATASET_GUESS=last`"
    )]
    Doubtful {
        /// The key.
        key: String,
        /// The dataset that would be taken.
        name: DatasetName,
        /// What speaks against it.
        doubt: String,
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
/// ```
/// use influxdb_loader::dataset::name;
///
/// let known = ["consumption", "generation"];
/// assert_eq!(name("dataset=metrics/generation.parquet", &known).unwrap().as_str(), "metrics");
/// assert_eq!(name("energy/Generation-2024.parquet", &known).unwrap().as_str(), "generation");
/// assert!(name("energy/2024.parquet", &known).is_err());
/// ```
///
/// # Errors
/// [`DatasetError::Name`] where `NAME` cannot be a name; [`DatasetError::Unnamed`] where the key contains no known name.
pub fn name<S: AsRef<str>>(key: &str, known: &[S]) -> Result<DatasetName, DatasetError> {
    if let Some((_, name)) = partitions(key).into_iter().rev().find(|(name, _)| name == PARTITION) {
        return name.parse();
    }
    let unnamed = || DatasetError::Unnamed {
        key: key.to_owned(),
        known: known.iter().map(|name| name.as_ref().to_owned()).collect(),
    };
    guess(key, known).map(|guess| guess.name).ok_or_else(unnamed)
}

/// The dataset that the path of a key names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guess {
    /// The dataset: the name that ends last, and the longest of those.
    pub name: DatasetName,
    /// The names elsewhere in the key, in alphabetical order.
    pub others: Vec<DatasetName>,
    /// Whether no letter or digit stands right before or after the name.
    pub is_word: bool,
}

impl Guess {
    /// What speaks against it.
    pub fn doubt(&self) -> Option<String> {
        let others: Vec<String> = self.others.iter().map(|name| format!("`{name}`")).collect();
        match (others.is_empty(), self.is_word) {
            (true, true) => None,
            (false, true) => Some(format!("which also contains {}", others.join(", "))),
            (true, false) => Some("which stands there as a part of a word".to_owned()),
            (false, false) => Some(format!("which stands there as a part of a word, beside {}", others.join(", "))),
        }
    }
}

/// The names of `known` that the key contains, in any case.
pub fn contained<S: AsRef<str>>(key: &str, known: &[S]) -> Vec<DatasetName> {
    let lower = key.to_ascii_lowercase();
    let names = known.iter().filter_map(|name| name.as_ref().parse::<DatasetName>().ok());
    names.filter(|name| lower.contains(name.as_str())).collect()
}

/// The dataset of `known` that the path of the key names; none where it contains none.
pub fn guess<S: AsRef<str>>(key: &str, known: &[S]) -> Option<Guess> {
    let lower = key.to_ascii_lowercase();
    let names = contained(key, known);
    let last = |name: &DatasetName| lower.rfind(name.as_str()).map(|start| (start + name.0.len(), name.0.len()));
    let (end, length, name) =
        names.iter().filter_map(|name| last(name).map(|(end, length)| (end, length, name))).max()?;
    let start = end - length;
    let is_outside =
        |other: &DatasetName| lower.match_indices(other.as_str()).any(|(at, text)| at < start || at + text.len() > end);
    let mut others: Vec<DatasetName> =
        names.iter().filter(|other| *other != name && is_outside(other)).cloned().collect();
    others.sort();
    others.dedup();
    // Names are ASCII, so that the places are those of characters.
    let is_part = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = lower.as_bytes();
    let is_word = !is_part(start.checked_sub(1).and_then(|before| bytes.get(before))) && !is_part(bytes.get(end));
    Some(Guess { name: name.clone(), others, is_word })
}

/// The `name=value` segments of `key`, in order, as Hive writes them: the last segment is the file's name and none of
/// them. Names and values are percent-decoded; what does not decode to UTF-8 stays as it is.
///
/// ```
/// let found = influxdb_loader::dataset::partitions("region=S%C3%A3o%20Paulo/year=2024/a=b.parquet");
/// assert_eq!(found, [("region".into(), "São Paulo".into()), ("year".into(), "2024".into())]);
/// ```
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed test must panic")]

    use proptest::prelude::*;

    use super::{DatasetError, DatasetName, guess, name, partitions};

    const KNOWN: [&str; 4] = ["generation", "consumption", "transmission", "ons-load-raw"];

    /// The name that `key` gives, with the energy datasets known.
    fn named(key: &str) -> String {
        name(key, &KNOWN).unwrap().to_string()
    }

    #[test]
    fn a_dataset_segment_names_the_dataset_known_or_not() {
        assert_eq!(named("raw/dataset=generation/part-0.parquet"), "generation");
        assert_eq!(named("dataset=weather_2/part-0.parquet"), "weather_2");
    }

    #[test]
    fn a_dataset_segment_wins_over_names_in_the_path() {
        assert_eq!(named("consumption/dataset=generation/transmission/consumption.parquet"), "generation");
    }

    #[test]
    fn the_last_of_several_dataset_segments_wins() {
        assert_eq!(named("dataset=generation/copy/dataset=consumption/part-0.parquet"), "consumption");
    }

    #[test]
    fn a_dataset_segment_is_lowered_and_percent_decoded() {
        assert_eq!(named("dataset=Generation/part-0.parquet"), "generation");
        assert_eq!(named("dataset=ons%2Dload%2Draw/part-0.parquet"), "ons-load-raw");
    }

    #[test]
    fn a_dataset_segment_that_is_no_name_is_an_error_even_where_the_path_has_a_known_one() {
        insta::assert_snapshot!(
            name("generation/dataset=__HIVE DEFAULT__\n/part-0.parquet", &KNOWN).unwrap_err(),
            @r"`__HIVE DEFAULT__\n` is no dataset's name; allowed are 1 to 64 ASCII letters, digits, `-` and `_`"
        );
        assert!(matches!(name("generation/dataset=/x.parquet", &KNOWN), Err(DatasetError::Name { .. })));
    }

    #[test]
    fn a_file_name_is_no_dataset_segment() {
        assert_eq!(named("generation/dataset=consumption.parquet"), "consumption");
        assert_eq!(named("generation/dataset=weather.parquet"), "generation");
    }

    #[test]
    fn without_a_segment_the_known_name_in_the_key_is_taken_in_any_case() {
        assert_eq!(named("landing/GENERATION/2024-03-01.parquet"), "generation");
        assert_eq!(named("landing/2024/hourly-Consumption-v2.parquet"), "consumption");
    }

    #[test]
    fn the_last_known_name_in_the_path_wins() {
        assert_eq!(named("generation/transmission/2024.parquet"), "transmission");
        assert_eq!(named("generation/consumption/generation-2024.parquet"), "generation");
    }

    #[test]
    fn a_guess_tells_what_speaks_against_it() {
        let doubt = |key: &str| guess(key, &["load", "ons-load-raw", "generation", "raw"]).unwrap().doubt();
        assert_eq!(doubt("landing/generation-2024.parquet"), None);
        assert_eq!(doubt("ons-load-raw/2024.parquet"), None, "names within the name are no others");
        assert_eq!(doubt("raw/generation/2024.parquet").unwrap(), "which also contains `raw`");
        assert_eq!(doubt("downloads/2024.parquet").unwrap(), "which stands there as a part of a word");
        assert_eq!(
            doubt("generation/raw/unloaded.parquet").unwrap(),
            "which stands there as a part of a word, beside `generation`, `raw`"
        );
        assert_eq!(guess::<&str>("landing/2024.parquet", &[]), None);
    }

    #[test]
    fn a_known_name_within_another_one_does_not_win() {
        let known = ["load", "ons-load-raw", "raw"];
        assert_eq!(name("landing/ons-load-raw/2024.parquet", &known).unwrap().as_str(), "ons-load-raw");
        assert_eq!(name("ons-load-raw/load/2024.parquet", &known).unwrap().as_str(), "load");
    }

    #[test]
    fn a_key_without_a_name_is_an_error_with_the_known_names_and_a_hint() {
        insta::assert_snapshot!(name("landing/2024.parquet", &KNOWN).unwrap_err(), @r#"
        the key names no dataset: `landing/2024.parquet`; known datasets: `generation`, `consumption`, `transmission`, `ons-load-raw`
        hint: put a `dataset=NAME/` segment into the key, or name the dataset in the event or by `--dataset`
        "#);
        insta::assert_snapshot!(name::<&str>("landing/2024.parquet", &[]).unwrap_err(), @r#"
        the key names no dataset: `landing/2024.parquet`; known datasets: none
        hint: put a `dataset=NAME/` segment into the key, or name the dataset in the event or by `--dataset`
        "#);
    }

    #[test]
    fn a_name_has_1_to_64_characters() {
        assert!("".parse::<DatasetName>().is_err());
        assert!("d".repeat(64).parse::<DatasetName>().is_ok());
        assert!("d".repeat(65).parse::<DatasetName>().is_err());
    }

    #[test]
    fn partitions_are_the_directories_with_an_equals_sign_in_order_and_decoded() {
        let key = "raw/dataset=generation/region=S%C3%A3o%20Paulo/=none/note=a=b/empty=/year=2024/x=1.parquet";
        let expected =
            [("dataset", "generation"), ("region", "São Paulo"), ("note", "a=b"), ("empty", ""), ("year", "2024")];
        assert_eq!(partitions(key), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn a_partition_that_does_not_decode_stays_as_it_is() {
        let pairs = partitions("a=%FF/b=100%/c=%zz/x.parquet");
        assert_eq!(pairs, [("a", "%FF"), ("b", "100%"), ("c", "%zz")].map(|(a, b)| (a.to_owned(), b.to_owned())));
    }

    proptest! {
        #[test]
        fn any_key_gives_a_valid_name_or_an_error(key in "\\PC*") {
            if let Ok(name) = name(&key, &KNOWN) {
                prop_assert_eq!(name.as_str().parse::<DatasetName>(), Ok(name));
            }
        }

        #[test]
        fn partitions_come_back_as_they_were_encoded(pairs in prop::collection::vec(("\\PC{1,12}", "\\PC{0,12}"), 0..5)) {
            let encode = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
            let key: String = pairs.iter().map(|(name, value)| format!("{}={}/", encode(name), encode(value))).collect();
            prop_assert_eq!(partitions(&(key + "part-0.parquet")), pairs);
        }

        /// The oracle: try every place, from the end of the key, and the longest name first.
        #[test]
        fn the_name_is_the_longest_that_ends_last(key in "[abAB/]{0,12}", known in prop::collection::vec("[ab]{1,4}", 0..5)) {
            let lower = key.to_lowercase();
            let mut longest_first = known.clone();
            longest_first.sort_by_key(|name| std::cmp::Reverse(name.len()));
            let expected = (0..=lower.len())
                .rev()
                .find_map(|end| longest_first.iter().find(|name| lower[..end].ends_with(name.as_str())));
            prop_assert_eq!(name(&key, &known).ok().map(|name| name.to_string()), expected.cloned());
        }
    }
}
