//! The columns of a sample → a mapping to begin with.

use arrow::array::{AsArray, Int64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type, Int64Type};

use crate::cli::converter::project::ProjectError;
use crate::dataset;
use crate::source::{ColumnSchema, ColumnType, Meaning};

/// What times are called, the most likely first.
const TIME_NAMES: [&str; 6] = ["timestamp", "time", "datetime", "date_time", "date", "ts"];

/// Keys that InfluxDB keeps for itself.
const RESERVED: [&str; 3] = ["time", "_field", "_measurement"];

/// Partitions that are the time of the rows of an object, which their own times give better; as tags they would begin new
/// series with every day or year.
const TIME_PARTITIONS: [&str; 8] = ["year", "month", "week", "day", "hour", "minute", "dt", "ds"];

/// A decimal of as many digits fits into an integer, whatever they are.
const INTEGER_DIGITS: u32 = 18;

/// What an integer time counts since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
}

impl Unit {
    /// By the largest of a sample's times: there is a factor of a thousand between the units, and times of files are of our
    /// days. Whatever is none of the others is taken as it stands.
    fn of(times: &Int64Array) -> Self {
        const OURS: [(Unit, std::ops::Range<u64>); 3] = [
            (Unit::Seconds, 100_000_000..10_000_000_000),
            (Unit::Milliseconds, 100_000_000_000..10_000_000_000_000),
            (Unit::Microseconds, 100_000_000_000_000..10_000_000_000_000_000),
        ];
        let largest = times.iter().flatten().map(i64::unsigned_abs).max().unwrap_or_default();
        OURS.into_iter().find(|(_, ours)| ours.contains(&largest)).map_or(Self::Nanoseconds, |(unit, _)| unit)
    }

    /// How many nanoseconds it has, as both languages write it.
    pub(super) fn nanoseconds(self) -> &'static str {
        match self {
            Self::Seconds => "1_000_000_000",
            Self::Milliseconds => "1_000_000",
            Self::Microseconds => "1_000",
            Self::Nanoseconds => "1",
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Milliseconds => "milliseconds",
            Self::Microseconds => "microseconds",
            Self::Nanoseconds => "nanoseconds",
        }
    }
}

/// What stands for the time where none was found: the author replaces it.
const NO_TIME: &str = "TODO";

/// The author's choices, which go before what is guessed.
#[derive(Debug, Default, clap::Args)]
pub(in crate::cli) struct Choices {
    /// The column that is the time, instead of the one that looks like it.
    #[arg(long, value_name = "COLUMN")]
    time: Option<String>,
    /// A column, or a partition of the sample's key, to make a tag. Repeatable; the others are guessed.
    #[arg(long = "tag", value_name = "COLUMN")]
    tags: Vec<String>,
    /// A column to make a field. Repeatable; the others are guessed.
    #[arg(long = "field", value_name = "COLUMN")]
    fields: Vec<String>,
    /// The measurement [default: the name, with `_` for `-`].
    #[arg(long, value_name = "NAME", value_parser = measurement)]
    pub(super) measurement: Option<String>,
}

impl Choices {
    /// Every name once, and each of them a column or, where it may be, a partition.
    fn check(&self, sample: &str, columns: &[ColumnSchema]) -> Result<(), ProjectError> {
        let partitions = dataset::partitions(sample);
        let mut said: Vec<&String> = Vec::new();
        let names = self.time.iter().chain(&self.fields).map(|name| (name, false));
        for (name, is_tag) in names.chain(self.tags.iter().map(|name| (name, true))) {
            if said.contains(&name) {
                return Err(ProjectError::ChosenTwice(name.clone()));
            }
            said.push(name);
            let is_partition = is_tag && partitions.iter().any(|(partition, _)| partition == name);
            let reason = match columns.iter().find(|column| column.name == *name) {
                Some(column) => unusable(column, columns),
                None if is_partition => RESERVED.contains(&&**name).then_some(KEPT),
                None => {
                    let (sample, columns) = (sample.to_owned(), list(columns));
                    return Err(ProjectError::NoColumn { name: name.clone(), sample, columns });
                }
            };
            let is_key = self.time.as_ref() != Some(name);
            if let Some(reason) = reason.filter(|reason| is_key || *reason != KEPT) {
                return Err(ProjectError::Unusable { name: name.clone(), reason });
            }
        }
        Ok(())
    }
}

/// A measurement that means the same wherever it is written.
fn measurement(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ':');
    let is_one = !text.starts_with('_') && !text.is_empty() && text.len() <= 256 && text.chars().all(allowed);
    if is_one {
        Ok(text.to_owned())
    } else {
        Err("letters, digits, `_`, `-`, `.`, `/` and `:`, and no `_` first".to_owned())
    }
}

/// Why no guess uses such a name.
const KEPT: &str = "InfluxDB keeps this name for itself";

/// Why a column can be neither tag nor field.
fn unusable(column: &ColumnSchema, columns: &[ColumnSchema]) -> Option<&'static str> {
    match column.column_type {
        _ if columns.iter().filter(|other| other.name == column.name).count() > 1 => {
            Some("several columns have this name")
        }
        _ if column.name.is_empty() => Some("it has no name"),
        _ if RESERVED.contains(&&*column.name) => Some(KEPT),
        ColumnType::Other => Some("converters cannot read this type"),
        ColumnType::Boolean
        | ColumnType::Integer
        | ColumnType::Unsigned
        | ColumnType::Float
        | ColumnType::Text
        | ColumnType::Timestamp => None,
    }
}

fn list(columns: &[ColumnSchema]) -> String {
    let names = columns.iter().map(|column| format!("`{}` {}", column.name, column.source_type));
    names.collect::<Vec<_>>().join(", ")
}

/// Which column becomes what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Guess {
    /// A stand-in where none was found; see [`Guess::has_time`].
    pub(super) time: ColumnSchema,
    /// Whether the sample has a time.
    pub(super) has_time: bool,
    /// What the values of an integer time count.
    pub(super) unit: Unit,
    /// Partitions of the sample's key that no column has, by name.
    pub(super) partitions: Vec<String>,
    /// Text.
    pub(super) tags: Vec<ColumnSchema>,
    /// Numbers and booleans.
    pub(super) fields: Vec<ColumnSchema>,
    /// What is left, with the reason.
    pub(super) unused: Vec<(ColumnSchema, &'static str)>,
}

impl Guess {
    /// Guesses by the sample's path and schema, and by its first rows: all its columns, in the types of
    /// [`ColumnType::arrow`], but those that cannot be read, which `rows` has not.
    pub(super) fn new(
        sample: &str,
        columns: &[ColumnSchema],
        rows: &RecordBatch,
        choices: &Choices,
    ) -> Result<Self, ProjectError> {
        let columns: Vec<ColumnSchema> = columns.iter().cloned().map(asked_for).collect();
        let columns = columns.as_slice();
        choices.check(sample, columns)?;
        let is_free =
            |column: &ColumnSchema| !choices.tags.contains(&column.name) && !choices.fields.contains(&column.name);
        let free: Vec<ColumnSchema> = columns.iter().filter(|column| is_free(column)).cloned().collect();
        let found = match &choices.time {
            Some(name) => columns.iter().find(|column| column.name == *name),
            None => time(&free, rows),
        };
        let has_time = found.is_some();
        let stand_in = ColumnSchema {
            name: NO_TIME.to_owned(),
            column_type: ColumnType::Timestamp,
            meaning: Meaning::Plain,
            source_type: String::new(),
            nullable: true,
        };
        let time = found.unwrap_or(&stand_in);
        if matches!(time.column_type, ColumnType::Boolean | ColumnType::Float) {
            let reason = "a time is a timestamp, a text or an integer";
            return Err(ProjectError::Unusable { name: time.name.clone(), reason });
        }
        let values = rows.column_by_name(&time.name).and_then(|values| cast(values, &DataType::Int64).ok());
        let unit = match values.as_ref().and_then(|values| values.as_primitive_opt::<Int64Type>()) {
            Some(values) if matches!(time.column_type, ColumnType::Integer | ColumnType::Unsigned) => Unit::of(values),
            _ => Unit::Nanoseconds,
        };
        let mut time = time.clone();
        if time.column_type == ColumnType::Unsigned {
            time.column_type = ColumnType::Integer;
        }
        let mut guess = Self {
            time: time.clone(),
            has_time,
            unit,
            partitions: vec![],
            tags: vec![],
            fields: vec![],
            unused: vec![],
        };
        guess.add_partitions(sample, columns, choices);
        for column in columns.iter().filter(|column| !has_time || column.name != time.name) {
            if let Some(reason) = unusable(column, columns) {
                guess.unused.push((column.clone(), reason));
            } else if choices.tags.contains(&column.name) {
                guess.tags.push(column.clone());
            } else if choices.fields.contains(&column.name) {
                guess.fields.push(column.clone());
            } else {
                match column.column_type {
                    ColumnType::Text => guess.tags.push(column.clone()),
                    ColumnType::Timestamp | ColumnType::Other => {
                        guess.unused.push((column.clone(), "a point has one time"));
                    }
                    ColumnType::Boolean | ColumnType::Integer | ColumnType::Unsigned | ColumnType::Float => {
                        guess.fields.push(column.clone());
                    }
                }
            }
        }
        if guess.fields.is_empty() {
            return Err(ProjectError::NoField { sample: sample.to_owned(), columns: list(columns) });
        }
        Ok(guess)
    }

    /// What stands only in the key is part of a row as its columns are. A column of the same name has it for each row.
    fn add_partitions(&mut self, sample: &str, columns: &[ColumnSchema], choices: &Choices) {
        let is_column = |name: &str| columns.iter().any(|column| column.name == name);
        for (name, _) in dataset::partitions(sample) {
            let lower = name.to_ascii_lowercase();
            let is_chosen = choices.tags.contains(&name);
            let is_dataset = name == dataset::PARTITION && !is_chosen;
            let reason = if is_dataset || is_column(&name) || self.partitions.contains(&name) {
                continue;
            } else if is_chosen {
                self.partitions.push(name);
                continue;
            } else if RESERVED.contains(&&*name) {
                KEPT
            } else if TIME_NAMES.iter().chain(&TIME_PARTITIONS).any(|known| *known == lower) {
                "a partition of the key with the time of the rows, which their times have too"
            } else {
                self.partitions.push(name);
                continue;
            };
            let column_type = ColumnType::Text;
            self.unused.push((
                ColumnSchema {
                    name,
                    column_type,
                    meaning: Meaning::Plain,
                    source_type: "partition".into(),
                    nullable: false,
                },
                reason,
            ));
        }
    }
}

/// A column in the type that a converter asks for: identities and counts are stored as decimals without a fraction.
fn asked_for(mut column: ColumnSchema) -> ColumnSchema {
    let digits = column.source_type.strip_prefix("Decimal128(").and_then(|rest| rest.strip_suffix(", 0)"));
    let fits = digits.and_then(|digits| digits.parse::<u32>().ok()).is_some_and(|digits| digits <= INTEGER_DIGITS);
    if column.column_type == ColumnType::Float && fits {
        column.column_type = ColumnType::Integer;
    }
    column
}

/// The column that is most likely the time: a timestamp, else text that reads as one, else an integer with such a name;
/// among several, one that is called so, else the first.
fn time<'a>(columns: &'a [ColumnSchema], rows: &RecordBatch) -> Option<&'a ColumnSchema> {
    let rank = |column: &ColumnSchema| {
        let name = column.name.to_ascii_lowercase();
        let rank = TIME_NAMES.iter().position(|known| *known == name);
        let kind = match column.column_type {
            ColumnType::Timestamp => 0,
            ColumnType::Text if reads_as_times(column, rows) => 1,
            ColumnType::Integer | ColumnType::Unsigned if rank.is_some() => 2,
            ColumnType::Boolean
            | ColumnType::Integer
            | ColumnType::Unsigned
            | ColumnType::Float
            | ColumnType::Text
            | ColumnType::Other => return None,
        };
        Some((kind, rank.unwrap_or(TIME_NAMES.len())))
    };
    let ranked = columns.iter().filter_map(|column| Some((rank(column)?, column)));
    ranked.min_by_key(|(rank, _)| *rank).map(|(_, column)| column)
}

/// Whether the column has values and all of them look like `2024-03-01T12:30:00`.
fn reads_as_times(column: &ColumnSchema, rows: &RecordBatch) -> bool {
    let Some(texts) = rows.column_by_name(&column.name) else { return false };
    let Some(texts) = texts.as_dictionary_opt::<Int32Type>() else { return false };
    let Some(texts) = texts.downcast_dict::<StringArray>() else { return false };
    let mut values = texts.into_iter().flatten().peekable();
    values.peek().is_some() && values.all(is_time)
}

fn is_time(text: &str) -> bool {
    const FORM: &[u8] = b"dddd-dd-ddTdd:dd:dd";
    let matches = |(byte, form): (&u8, &u8)| match form {
        b'd' => byte.is_ascii_digit(),
        b'T' => matches!(byte, b'T' | b't' | b' '),
        _ => byte == form,
    };
    text.len() >= FORM.len() && text.as_bytes().iter().zip(FORM).all(matches)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failure is a test's to report")]

    use std::sync::Arc;

    use arrow::array::{ArrayRef, DictionaryArray, new_null_array};

    use super::*;

    fn column(name: &str, column_type: ColumnType) -> ColumnSchema {
        ColumnSchema {
            name: name.into(),
            column_type,
            meaning: Meaning::Plain,
            source_type: format!("{column_type:?}"),
            nullable: true,
        }
    }

    #[test]
    fn the_unit_of_integer_times_is_that_of_our_days() {
        let unit = |times: Vec<Option<i64>>| Unit::of(&Int64Array::from(times));
        assert_eq!(unit(vec![Some(0), Some(1_700_000_000), None]), Unit::Seconds);
        assert_eq!(unit(vec![Some(1_700_000_000_000)]), Unit::Milliseconds);
        assert_eq!(unit(vec![Some(946_684_800_000_000)]), Unit::Microseconds);
        assert_eq!(unit(vec![Some(1_700_000_000_000_000_000)]), Unit::Nanoseconds);
        assert_eq!(unit(vec![]), Unit::Nanoseconds);
    }

    #[test]
    fn decimals_that_are_integers_are_asked_for_as_integers() {
        let asked = |source_type: &str| {
            let column = ColumnSchema { source_type: source_type.into(), ..column("meter", ColumnType::Float) };
            asked_for(column).column_type
        };
        assert_eq!(asked("Decimal128(18, 0)"), ColumnType::Integer);
        assert_eq!(asked("Decimal128(19, 0)"), ColumnType::Float);
        assert_eq!(asked("Decimal128(18, 10)"), ColumnType::Float);
        assert_eq!(asked("Float64"), ColumnType::Float);
    }

    /// A guess for columns of one null row, except for text.
    fn guess(columns: &[(&str, ColumnType, &str)]) -> Result<Guess, ProjectError> {
        guess_of("sample.parquet", columns)
    }

    fn guess_of(sample: &str, columns: &[(&str, ColumnType, &str)]) -> Result<Guess, ProjectError> {
        let readable = columns.iter().filter_map(|(name, column_type, text)| {
            let array: ArrayRef = match column_type {
                ColumnType::Text => Arc::new([*text].into_iter().collect::<DictionaryArray<Int32Type>>()),
                _ => new_null_array(&column_type.arrow()?, 1),
            };
            Some((*name, array, true))
        });
        let rows = RecordBatch::try_from_iter_with_nullable(readable).unwrap();
        let columns: Vec<_> = columns.iter().map(|(name, column_type, _)| column(name, *column_type)).collect();
        Guess::new(sample, &columns, &rows, &Choices::default())
    }

    /// As `guess_of`, for columns of which the rows do not matter.
    fn chosen(sample: &str, columns: &[(&str, ColumnType)], choices: &Choices) -> Result<Guess, ProjectError> {
        let rows = RecordBatch::new_empty(arrow::datatypes::Schema::empty().into());
        let columns: Vec<_> = columns.iter().map(|(name, column_type)| column(name, *column_type)).collect();
        Guess::new(sample, &columns, &rows, choices)
    }

    fn choices(time: Option<&str>, tags: &[&str], fields: &[&str]) -> Choices {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Choices { time: time.map(str::to_owned), tags: owned(tags), fields: owned(fields), measurement: None }
    }

    const COLUMNS: [(&str, ColumnType); 6] = [
        ("created", ColumnType::Timestamp),
        ("time", ColumnType::Integer),
        ("meter", ColumnType::Integer),
        ("note", ColumnType::Text),
        ("value", ColumnType::Float),
        ("raw", ColumnType::Other),
    ];

    #[test]
    fn what_the_author_says_goes_before_what_is_guessed() {
        let guess =
            chosen("year=2024/a.parquet", &COLUMNS, &choices(Some("time"), &["meter", "year"], &["note", "created"]));
        let guess = guess.unwrap();
        assert_eq!((guess.time.name.as_str(), guess.has_time), ("time", true));
        assert_eq!((names(&guess.tags), guess.partitions), (vec!["meter"], vec!["year".to_owned()]));
        assert_eq!(names(&guess.fields), ["created", "note", "value"]);
        let unused: Vec<_> = guess.unused.iter().map(|(column, _)| &*column.name).collect();
        assert_eq!(unused, ["raw"]);
        // What is a tag is not the time.
        let guess = chosen("a.parquet", &COLUMNS, &choices(None, &["created"], &[])).unwrap();
        assert_eq!((guess.time.name.as_str(), names(&guess.tags)), ("time", vec!["created", "note"]));
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_reason() {
        let refused = |choices: Choices| chosen("year=2024/a.parquet", &COLUMNS, &choices).unwrap_err().to_string();
        let unknown = refused(choices(Some("at"), &[], &[]));
        assert!(unknown.starts_with("`year=2024/a.parquet` has no column `at`: `created` Timestamp, "), "{unknown}");
        assert!(refused(choices(Some("value"), &[], &[])).contains("`value` cannot be that: a time is a timestamp"));
        assert!(
            refused(choices(None, &["raw"], &[])).contains("`raw` cannot be that: converters cannot read this type")
        );
        assert!(refused(choices(None, &["time"], &[])).contains("`time` cannot be that: InfluxDB keeps"));
        assert!(refused(choices(None, &["note"], &["note"])).contains("`note` is named twice"));
        assert!(refused(choices(None, &[], &["year"])).contains("has no column `year`"));
    }

    #[test]
    fn a_measurement_needs_no_escapes() {
        assert_eq!(measurement("grid.load/1"), Ok("grid.load/1".to_owned()));
        for bad in ["", "_internal", "a b", "a,b", "a\n", "a\"", &"a".repeat(257)] {
            assert!(measurement(bad).is_err(), "{bad}");
        }
    }

    fn names(columns: &[ColumnSchema]) -> Vec<&str> {
        columns.iter().map(|column| &*column.name).collect()
    }

    #[test]
    fn text_becomes_tags_and_numbers_become_fields() {
        let guess = guess(&[
            ("created", ColumnType::Timestamp, ""),
            ("timestamp", ColumnType::Timestamp, ""),
            ("region", ColumnType::Text, "SE"),
            ("value", ColumnType::Float, ""),
            ("valid", ColumnType::Boolean, ""),
            ("raw", ColumnType::Other, ""),
        ])
        .unwrap();
        assert_eq!(guess.time.name, "timestamp");
        assert_eq!(names(&guess.tags), ["region"]);
        assert_eq!(names(&guess.fields), ["value", "valid"]);
        let unused: Vec<_> = guess.unused.iter().map(|(column, reason)| (&*column.name, *reason)).collect();
        assert_eq!(unused, [("created", "a point has one time"), ("raw", "converters cannot read this type")]);
    }

    #[test]
    fn text_that_reads_as_times_is_the_time_where_no_timestamp_is() {
        let guess = guess(&[
            ("name", ColumnType::Text, "Oslo"),
            ("at", ColumnType::Text, "2018-01-01 00:00:00.000"),
            ("value", ColumnType::Integer, ""),
        ]);
        assert_eq!(guess.unwrap().time.name, "at");
    }

    #[test]
    fn an_integer_is_the_time_only_by_its_name() {
        let columns = [("count", ColumnType::Integer, ""), ("time", ColumnType::Integer, "")];
        assert_eq!(guess(&columns).unwrap().time.name, "time");
        let without = guess(&columns[..1]).unwrap();
        assert_eq!(
            (without.has_time, without.time.name.as_str(), names(&without.fields)),
            (false, "TODO", vec!["count"])
        );
    }

    #[test]
    fn a_point_without_a_field_cannot_be_guessed() {
        let error = guess(&[("time", ColumnType::Timestamp, ""), ("region", ColumnType::Text, "SE")]).unwrap_err();
        assert!(matches!(error, ProjectError::NoField { .. }));
    }

    #[test]
    fn names_that_cannot_be_keys_are_left_out() {
        let guess = guess(&[
            ("timestamp", ColumnType::Timestamp, ""),
            ("time", ColumnType::Text, "noon"),
            ("value", ColumnType::Float, ""),
        ]);
        assert_eq!(guess.unwrap().unused[0].1, "InfluxDB keeps this name for itself");
    }

    #[test]
    fn partitions_that_no_column_repeats_become_tags_but_for_those_that_say_when() {
        let key = "dataset=ts/region=SE/measure_name=cpu/Year=2024/time=noon/measure_name=cpu/sample.parquet";
        let columns =
            [("at", ColumnType::Timestamp, ""), ("region", ColumnType::Text, "SE"), ("value", ColumnType::Float, "")];
        let guess = guess_of(key, &columns).unwrap();
        assert_eq!((guess.partitions, names(&guess.tags)), (vec!["measure_name".to_owned()], vec!["region"]));
        let unused: Vec<_> = guess.unused.iter().map(|(column, _)| &*column.name).collect();
        assert_eq!(unused, ["Year", "time"]);
    }
}
