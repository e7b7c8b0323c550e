//! What converters receive and what they answer: the records of the contract, the same whichever version of it is exported.
//! `wit/0.2/converter.wit` documents each item.

use std::fmt;

/// The types in which columns cross the boundary.
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnSchema {
    /// The column's name in the file; in contract 0.2, the path of a nested column, such as `station.position.lat`.
    pub name: String,
    /// The type in which it crosses.
    pub column_type: ColumnType,
    /// The type as the file has it, for messages.
    pub source_type: String,
    /// Whether a row, or an element of the list, may lack a value.
    pub nullable: bool,
    /// The path of the list that it is part of: see [`crate::PlanBuilder::each`]. None in contract 0.1.
    pub list: Option<String>,
}

/// Where an object is from. Contract 0.1 does not carry it: there, all of it is empty.
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// One a row. Undefined where the row is null.
    pub codes: Vec<u32>,
    /// The distinct values.
    pub dictionary: Strings,
}

/// The values of a column, one a row. Undefined where the row is null.
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
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// One a row.
    pub values: Values,
    /// A bitmap, least significant bit first: a 0 marks a null. None: no nulls.
    pub validity: Option<Vec<u8>>,
}

/// A choice of rows.
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPart {
    /// The same in every row.
    Text(String),
    /// The answer of a translation.
    Translated(u32),
}

/// What becomes of a row whose value is missing: null, NaN or infinite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The row goes without this tag or field.
    Omit,
    /// The row is rejected, under this code.
    Reject(String),
}

/// The types that a field can have in line protocol.
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
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// A column of the list whose elements give the points. Needs contract 0.2.
    pub each: Option<u32>,
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
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// How many; at least one.
    pub rows: u32,
    /// The columns that the plan reads, in its order.
    pub columns: Vec<Column>,
}

/// What `convert` returns.
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
