//! The columns of a sample → a mapping to begin with.

use arrow::array::{AsArray, Int64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type, Int64Type};

use crate::cli::converter::project::ProjectError;
use crate::dataset;
use crate::source::{ColumnSchema, ColumnType};

/// What times are called, the most likely first.
const TIME_NAMES: [&str; 6] = ["timestamp", "time", "datetime", "date_time", "date", "ts"];

/// Keys that InfluxDB keeps for itself.
const RESERVED: [&str; 3] = ["time", "_field", "_measurement"];

/// Partitions that say when the rows of an object are, which their times say better; as tags they would begin new series
/// with every day or year.
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

/// Which column becomes what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Guess {
    pub(super) time: ColumnSchema,
    /// What the values of an integer time count.
    pub(super) unit: Unit,
    /// Partitions of the sample's key that no column repeats, by name.
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
    pub(super) fn new(sample: &str, columns: &[ColumnSchema], rows: &RecordBatch) -> Result<Self, ProjectError> {
        let columns: Vec<ColumnSchema> = columns.iter().cloned().map(asked_for).collect();
        let columns = columns.as_slice();
        let names = || columns.iter().map(|column| format!("`{}` {}", column.name, column.source_type));
        let list = || names().collect::<Vec<_>>().join(", ");
        let time =
            time(columns, rows).ok_or_else(|| ProjectError::NoTime { sample: sample.to_owned(), columns: list() })?;
        let values = rows.column_by_name(&time.name).and_then(|values| cast(values, &DataType::Int64).ok());
        let unit = match values.as_ref().and_then(|values| values.as_primitive_opt::<Int64Type>()) {
            Some(values) if matches!(time.column_type, ColumnType::Integer | ColumnType::Unsigned) => Unit::of(values),
            _ => Unit::Nanoseconds,
        };
        let mut time = time.clone();
        if time.column_type == ColumnType::Unsigned {
            time.column_type = ColumnType::Integer;
        }
        let mut guess =
            Self { time: time.clone(), unit, partitions: vec![], tags: vec![], fields: vec![], unused: vec![] };
        guess.add_partitions(sample, columns);
        for column in columns.iter().filter(|column| column.name != time.name) {
            let is_ambiguous = columns.iter().filter(|other| other.name == column.name).count() > 1;
            let reason = match column.column_type {
                _ if is_ambiguous => "several columns have this name",
                _ if column.name.is_empty() => "it has no name",
                _ if RESERVED.contains(&&*column.name) => "InfluxDB keeps this name for itself",
                ColumnType::Text => {
                    guess.tags.push(column.clone());
                    continue;
                }
                ColumnType::Boolean | ColumnType::Integer | ColumnType::Unsigned | ColumnType::Float => {
                    guess.fields.push(column.clone());
                    continue;
                }
                ColumnType::Timestamp => "a point has one time",
                ColumnType::Other => "converters cannot read this type",
            };
            guess.unused.push((column.clone(), reason));
        }
        if guess.fields.is_empty() {
            return Err(ProjectError::NoField { sample: sample.to_owned(), columns: list() });
        }
        Ok(guess)
    }

    /// What stands only in the key is part of a row as its columns are. A column of the same name says it for each row.
    fn add_partitions(&mut self, sample: &str, columns: &[ColumnSchema]) {
        let is_column = |name: &str| columns.iter().any(|column| column.name == name);
        for (name, _) in dataset::partitions(sample) {
            let lower = name.to_ascii_lowercase();
            let reason = if name == dataset::PARTITION || is_column(&name) || self.partitions.contains(&name) {
                continue;
            } else if RESERVED.contains(&&*name) {
                "InfluxDB keeps this name for itself"
            } else if TIME_NAMES.iter().chain(&TIME_PARTITIONS).any(|known| *known == lower) {
                "a partition of the key that says when the rows are, as their times do"
            } else {
                self.partitions.push(name);
                continue;
            };
            let column_type = ColumnType::Text;
            self.unused
                .push((ColumnSchema { name, column_type, source_type: "partition".into(), nullable: false }, reason));
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
        ColumnSchema { name: name.into(), column_type, source_type: format!("{column_type:?}"), nullable: true }
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

    /// A guess for columns of one null row, but for text.
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
        Guess::new(sample, &columns, &rows)
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
        let error = guess(&columns[..1]).unwrap_err().to_string();
        assert!(error.starts_with("no column of `sample.parquet` is a time: `count` Integer"), "{error}");
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
