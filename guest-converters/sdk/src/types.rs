//! What converters receive and what they answer: the records of the contract, the same whichever version of it is exported.
//! `wit/0.2/converter.wit` documents each item.

use std::fmt;

/// The types in which columns cross the boundary.
///
/// ```
/// use converter_sdk::{ColumnType, PlanBuilder, testing::Table};
///
/// let table = Table::new("shifts").integers("begins", [28_800_000_000_000]).of_type(ColumnType::TimeOfDay);
/// let mut plan = PlanBuilder::new(table.input());
/// let begins = plan.required("begins", &[ColumnType::TimeOfDay]);
/// assert_eq!(begins.column_type(), ColumnType::TimeOfDay);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ColumnType {
    /// A bit a row.
    Boolean,
    /// Signed integers of any width, as 64 bits. In contract 0.2 also decimals without digits after the point, of up to 18
    /// digits.
    Integer,
    /// Unsigned integers of any width, as 64 bits.
    Unsigned,
    /// Floats of any width and other decimals, as 64-bit floats. A decimal is exact where the loader writes it as text or as
    /// an integer, or translates it.
    Float,
    /// Strings of every kind, dictionary-encoded; in contract 0.1 also UUIDs. Columns of nulls, too.
    Text,
    /// Nanoseconds since 1970-01-01T00:00:00Z.
    Timestamp,
    /// A time of day: nanoseconds since midnight, read as integers. In contract 0.1 an integer in the unit of the file.
    TimeOfDay,
    /// A length of time: nanoseconds, read as integers. In contract 0.1 an integer in the unit of the file.
    Duration,
    /// A UUID: its text in lower case, with hyphens. Usable where text is accepted.
    Uuid,
    /// Bytes of fixed length, BSON and geometries: text of two lower-case hexadecimal digits a byte. In contract 0.1 they
    /// cannot be used.
    Binary,
    /// A type that cannot cross. Such a column can be seen but not used.
    Other,
}

/// A column of the object, as `prepare` sees it.
///
/// ```
/// use converter_sdk::{ColumnType, testing::Table};
///
/// let table = Table::new("weather").floats("celsius", [4.5]).other("raw", "List(Int64)");
/// let usable = table.input().columns.iter().filter(|column| column.column_type != ColumnType::Other);
/// assert!(usable.map(|column| &*column.name).eq(["celsius"]));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnSchema {
    /// The column's name in the file.
    pub name: String,
    /// The type in which it crosses.
    pub column_type: ColumnType,
    /// The type as the file has it, for messages.
    pub source_type: String,
    /// Whether a row may lack a value.
    pub nullable: bool,
}

/// Where an object is from. Contract 0.1 does not carry it: there, all of it is empty.
///
/// ```
/// use converter_sdk::{Object, testing::Table};
///
/// let object = Object { file_name: "2024.parquet".into(), ..Object::default() };
/// let table = Table::new("weather").object(object);
/// assert_eq!(table.input().object.file_name, "2024.parquet");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Object {
    /// The bucket; none for a file.
    pub bucket: Option<String>,
    /// The key, decoded; the path of a file.
    pub key: String,
    /// What is after the last `/` of the key.
    pub file_name: String,
    /// When it was last modified, in nanoseconds since 1970-01-01T00:00:00Z.
    pub last_modified: Option<i64>,
    /// Metadata that its author has given it in S3, sorted by name.
    pub metadata: Vec<(String, String)>,
}

/// What `prepare` receives about an object.
///
/// ```
/// use converter_sdk::{Input, testing::Table};
///
/// let table = Table::new("weather").parameters(r#"{ "unit": "K" }"#).partition("region", "north");
/// let input: &Input = table.input();
/// assert_eq!((&*input.dataset, input.parameters.as_deref()), ("weather", Some(r#"{ "unit": "K" }"#)));
/// assert_eq!(input.partitions, [("region".to_owned(), "north".to_owned())]);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Input {
    /// The dataset's name.
    pub dataset: String,
    /// Where the object is from. Empty in contract 0.1.
    pub object: Object,
    /// The JSON document that was published beside the version of the converter. None in contract 0.1.
    pub parameters: Option<String>,
    /// The columns in the order of the file.
    pub columns: Vec<ColumnSchema>,
    /// The `name=value` segments of the object's key, in order, percent-decoded.
    pub partitions: Vec<(String, String)>,
    /// Whether every column that the dataset requires must be there.
    pub strict: bool,
}

/// Strings in Arrow's layout: string `i` is `data[offsets[i]..offsets[i + 1]]`.
///
/// ```
/// use converter_sdk::Strings;
///
/// let strings: Strings = [Some("MW"), None].into_iter().collect();
/// assert_eq!(strings, Strings { offsets: vec![0, 2, 2], data: b"MW".to_vec(), validity: Some(vec![0b01]) });
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Strings {
    /// One more than there are strings; empty for no strings.
    pub offsets: Vec<u32>,
    /// UTF-8.
    pub data: Vec<u8>,
    /// A bitmap, least significant bit first: a 0 marks a null. None: no nulls.
    pub validity: Option<Vec<u8>>,
}

/// A column of text: `dictionary[codes[row]]`.
///
/// ```
/// use converter_sdk::{Column, ColumnView, Text, Values};
///
/// let dictionary = [Some("Oslo"), Some("Bergen")].into_iter().collect();
/// let values = Values::Texts(Text { codes: vec![1, 0, 1], dictionary });
/// let column = Column { values, validity: None };
/// let texts = ColumnView::new(&column, 3).texts()?;
/// assert!(texts.iter().eq([Some("Bergen"), Some("Oslo"), Some("Bergen")]));
/// # Ok::<(), converter_sdk::Problem>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// One a row. Undefined where the row is null.
    pub codes: Vec<u32>,
    /// The distinct values.
    pub dictionary: Strings,
}

/// The values of a column, one a row. Undefined where the row is null.
///
/// ```
/// use converter_sdk::{Column, Values};
///
/// assert_eq!(Column::integers([Some(1), Some(2)]).values, Values::Integers(vec![1, 2]));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// A bitmap, least significant bit first.
    Booleans(Vec<u8>),
    /// Signed integers.
    Integers(Vec<i64>),
    /// Unsigned integers.
    Unsigneds(Vec<u64>),
    /// Floats.
    Floats(Vec<f64>),
    /// Text.
    Texts(Text),
    /// Nanoseconds since the epoch.
    Timestamps(Vec<i64>),
}

/// A column of a batch.
///
/// ```
/// use converter_sdk::{Column, Values};
///
/// let column = Column::floats([Some(1.5), None]);
/// assert_eq!(column, Column { values: Values::Floats(vec![1.5, 0.0]), validity: Some(vec![0b01]) });
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// One a row.
    pub values: Values,
    /// A bitmap, least significant bit first: a 0 marks a null. None: no nulls.
    pub validity: Option<Vec<u8>>,
}

/// A choice of rows.
///
/// ```
/// use converter_sdk::Mask;
///
/// assert_eq!(Mask::of([true, false, true]), Mask::Rows(vec![0b101]));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mask {
    /// Every row.
    All,
    /// No row.
    None,
    /// A bitmap, least significant bit first: a 1 chooses the row.
    Rows(Vec<u8>),
}

/// A value that is the same in every row.
///
/// ```
/// use converter_sdk::{Constant, Point, Source};
///
/// let mut point = Point::new("load", Source::Column(0));
/// point.tag("unit", Constant::from("MW"));
/// point.field("factor", Constant::Float(1000.0));
/// assert_eq!(point.tags[0].source, Source::Constant(Constant::Text("MW".into())));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Constant {
    /// A boolean.
    Boolean(bool),
    /// A signed integer.
    Integer(i64),
    /// An unsigned integer.
    Unsigned(u64),
    /// A float, which must be finite.
    Float(f64),
    /// Text.
    Text(String),
}

/// Where the value of a tag, a field or a time comes from. [`crate::PlanBuilder`] makes them.
///
/// ```
/// use converter_sdk::{Point, Source};
///
/// let mut point = Point::new("load", Source::Column(0));
/// point.field("row", Source::RowNumber);
/// assert_eq!(point.fields[0].source, Source::RowNumber);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A column of the object, as it stands.
    Column(u32),
    /// The answer of a translation.
    Translated(u32),
    /// A computed column.
    Computed(u32),
    /// The same in every row.
    Constant(Constant),
    /// The number of the row in its object, from 0, as an integer. Needs contract 0.2.
    RowNumber,
}

/// The key of a tag or a field, or a measurement.
///
/// ```
/// use converter_sdk::{ColumnType, Key, PlanBuilder, testing::Table};
///
/// let table = Table::new("metrics").texts("name", ["cpu"]);
/// let mut plan = PlanBuilder::new(table.input());
/// let name = plan.required("name", &[ColumnType::Text]);
/// let name = plan.translate(name, |name| name.map(Into::into));
/// assert_eq!(Key::from(name), Key::Translated(0));
/// assert_eq!(Key::from("cpu"), Key::Name("cpu".into()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// The same in every row.
    Name(String),
    /// The answer of a translation. For a measurement, this needs contract 0.2.
    Translated(u32),
    /// Parts after each other, two to eight, at least one of them a translation. Missing where one of the translations gives
    /// nothing. Needs contract 0.2.
    Joined(Vec<KeyPart>),
}

/// A part of a key.
///
/// ```
/// use converter_sdk::{Key, KeyPart};
///
/// let key = Key::joined([KeyPart::Translated(0), KeyPart::from("."), KeyPart::Translated(1)]);
/// assert!(matches!(key, Key::Joined(parts) if parts[1] == KeyPart::Text(".".into())));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPart {
    /// The same in every row.
    Text(String),
    /// The answer of a translation.
    Translated(u32),
}

/// What becomes of a row whose value is missing: null, NaN or infinite.
///
/// ```
/// use converter_sdk::{Missing, Point, Source};
///
/// let mut point = Point::new("load", Source::Column(0));
/// assert_eq!(point.field("mw", Source::Column(1)).missing, Missing::Omit);
/// assert_eq!(point.field("mvar", Source::Column(2)).or_reject("off").missing, Missing::Reject("off".into()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The row goes without this tag or field.
    Omit,
    /// The row is rejected, under this code.
    Reject(String),
}

/// The types that a field can have in line protocol.
///
/// ```
/// use converter_sdk::{FieldType, Point, Source};
///
/// let mut point = Point::new("load", Source::Column(0));
/// // A measurement has a field in one type: integers of some files are written as the floats of the others.
/// point.field("mw", Source::Column(1)).write_as(FieldType::Float);
/// assert_eq!(point.fields[0].write_as, Some(FieldType::Float));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FieldType {
    /// `true` or `false`.
    Boolean,
    /// `1i`.
    Integer,
    /// `1u`.
    Unsigned,
    /// `1.5`.
    Float,
    /// `"text"`.
    Text,
}

/// A tag of a point.
///
/// ```
/// use converter_sdk::{Key, Point, Source, Tag};
///
/// let mut point = Point::new("load", Source::Column(0));
/// let tag: &mut Tag = point.tag("region", Source::Column(1));
/// assert_eq!((&tag.key, tag.when), (&Key::from("region"), None));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Tag {
    /// Its key.
    pub key: Key,
    /// Its value, written as text.
    pub source: Source,
    /// A mask; only its rows have this tag. None: all rows.
    pub when: Option<u32>,
    /// What a missing value does.
    pub missing: Missing,
}

/// A field of a point.
///
/// ```
/// use converter_sdk::{Field, Key, Point, Source};
///
/// let mut point = Point::new("load", Source::Column(0));
/// let field: &mut Field = point.field("mw", Source::Column(1));
/// assert_eq!((&field.key, field.write_as), (&Key::from("mw"), None));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its key.
    pub key: Key,
    /// Its value.
    pub source: Source,
    /// The type to write. None: the source's own, a timestamp as an integer.
    pub write_as: Option<FieldType>,
    /// A mask; only its rows have this field. None: all rows.
    pub when: Option<u32>,
    /// What a missing value does.
    pub missing: Missing,
}

/// A point that every row gives.
///
/// ```
/// use converter_sdk::{Constant, Point, Source};
///
/// let mut point = Point::new("load", Source::Column(0));
/// point.tag("unit", Constant::from("MW"));
/// point.field("value", Source::Column(1)).or_reject("no-value");
/// // Another measurement of the same rows.
/// let mut second = point.clone();
/// second.measurement = "load_by_unit".into();
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The measurement. One that comes from a translation needs contract 0.2.
    pub measurement: Key,
    /// A timestamp, or an integer of nanoseconds since the epoch.
    pub time: Source,
    /// Where two tags of a row have the same key, the first that has a value is written.
    pub tags: Vec<Tag>,
    /// Where two fields of a row have the same key, the first that has a value is written.
    pub fields: Vec<Field>,
    /// A mask; only its rows give this point. None: all rows.
    pub when: Option<u32>,
}

/// How the rows of an object become points.
///
/// ```
/// use converter_sdk::{ColumnType, Plan, PlanBuilder, Point, testing::Table};
///
/// let table = Table::new("weather").timestamps("at", [1]).floats("celsius", [4.5]);
/// let mut plan = PlanBuilder::new(table.input());
/// let mut point = Point::new("weather", plan.required("at", &[ColumnType::Timestamp]));
/// point.field("celsius", plan.required("celsius", &[ColumnType::Float]));
/// let mapping = plan.finish([point]).unwrap();
/// let plan: &Plan = mapping.plan();
/// assert!(plan.reads.is_empty(), "no row enters the sandbox");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The points that each row gives; at least one.
    pub points: Vec<Point>,
    /// The columns that are translated.
    pub translations: Vec<u32>,
    /// The columns that `convert` is given, in the order in which it is given them.
    pub reads: Vec<u32>,
    /// The types of the columns that `convert` returns.
    pub computed: Vec<ColumnType>,
    /// How many masks `convert` returns.
    pub masks: u32,
}

/// A row that cannot become points.
///
/// ```
/// use converter_sdk::Rejection;
///
/// let rejection = Rejection { row: 7, code: "no-value".into(), message: "the meter was off".into() };
/// assert_eq!(rejection.code, "no-value");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The row in the batch, from 0.
    pub row: u32,
    /// Lower case, words joined by `-`. Reports and metrics count by it.
    pub code: String,
    /// For the people who read the rejected rows.
    pub message: String,
}

/// The rows that `convert` is given.
///
/// ```
/// use converter_sdk::{Batch, Column, Input, PlanBuilder};
///
/// let mapping = PlanBuilder::new(&Input::default()).finish([]).unwrap();
/// let batch = Batch { rows: 1, columns: vec![Column::floats([Some(1.5)])] };
/// assert_eq!(mapping.convert(&batch).unwrap_err().message, "the plan reads 0 columns, but the batch has 1");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// How many; at least one.
    pub rows: u32,
    /// The columns that the plan reads, in its order.
    pub columns: Vec<Column>,
}

/// What `convert` returns.
///
/// ```
/// use converter_sdk::{Batch, Converted, Input, PlanBuilder};
///
/// let mapping = PlanBuilder::new(&Input::default()).finish([]).unwrap();
/// let converted: Converted = mapping.convert(&Batch { rows: 1, columns: vec![] }).unwrap();
/// assert!(converted.rejected.is_empty());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Converted {
    /// One for each computed column of the plan.
    pub computed: Vec<Column>,
    /// One for each mask of the plan.
    pub masks: Vec<Mask>,
    /// Rows to reject; none of their points is written.
    pub rejected: Vec<Rejection>,
}

/// Why an object, or a batch of it, cannot be converted. The object fails.
///
/// ```
/// use converter_sdk::Problem;
///
/// let problem = Problem::new("unknown-unit", "the unit must be MW: `kW`").with_column("unit");
/// assert_eq!(problem.to_string(), "the unit must be MW: `kW` (unknown-unit)");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Lower case, words joined by `-`, such as `missing-column`.
    pub code: String,
    /// For people: what was expected and what was found.
    pub message: String,
    /// The column that it is about.
    pub column: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for Problem {}

/// What a converter is.
///
/// ```
/// use converter_sdk::Description;
///
/// let [name, version, summary] = ["weather", "1.0.0", "Hourly observations"].map(String::from);
/// let description = Description { dataset: name.clone(), name, version, summary };
/// assert_eq!(description.dataset, "weather");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Lower case, words joined by `-`.
    pub name: String,
    /// A semantic version, such as `1.4.0`.
    pub version: String,
    /// The dataset that it converts.
    pub dataset: String,
    /// One line for people.
    pub summary: String,
}
