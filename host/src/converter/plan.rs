//! What converters receive and what they answer, checked: the counterparts of the records in `wit/0.2/converter.wit`, where
//! each item is documented. A value of these types obeys every rule of the contract.

use arrow::array::{ArrayRef, BooleanArray};

use crate::dataset;
use crate::source::{ColumnSchema, ColumnType, Origin, ParquetObject};

/// What a converter is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Lower case, words joined by `-`.
    pub name: String,
    /// A semantic version.
    pub version: String,
    /// The dataset that it converts.
    pub dataset: String,
    /// One line for people.
    pub summary: String,
}

/// What `prepare` receives about an object.
#[derive(Clone, Debug)]
pub struct Input {
    /// The dataset's name.
    pub dataset: String,
    /// Where the object is from; for contract 0.2.
    pub origin: Origin,
    /// The columns of the file, in its order.
    pub columns: Vec<ColumnSchema>,
    /// The `name=value` segments of the object's key.
    pub partitions: Vec<(String, String)>,
    /// Whether every required column must be there.
    pub strict: bool,
}

impl Input {
    /// What `prepare` receives about an object, which is in the types of the converter's contract
    /// ([`ParquetObject::in_types_of`]).
    pub fn new(dataset: &str, object: &ParquetObject, strict: bool) -> Self {
        let origin = object.origin();
        Self {
            dataset: dataset.to_owned(),
            columns: object.columns().to_vec(),
            partitions: dataset::partitions(&origin.key),
            origin,
            strict,
        }
    }
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
    /// A float.
    Float(f64),
    /// Text.
    Text(String),
}

/// Where a value comes from. Every index is in range.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// An index into the object's columns.
    Column(usize),
    /// An index into [`Plan::translations`].
    Translated(usize),
    /// An index into [`Plan::computed`].
    Computed(usize),
    /// The same in every row.
    Constant(Constant),
    /// The number of the row in its object, from 0.
    RowNumber,
}

/// The key of a tag or a field, or a measurement.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// The same in every row; never empty.
    Name(String),
    /// An index into [`Plan::translations`].
    Translated(usize),
    /// Parts after each other, at least one of them translated; missing where one is.
    Joined(Vec<KeyPart>),
}

/// A part of a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyPart {
    /// The same in every row.
    Text(String),
    /// An index into [`Plan::translations`].
    Translated(usize),
}

impl Key {
    /// The key, where it is the same in every row.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name),
            Self::Translated(_) | Self::Joined(_) => None,
        }
    }
}

/// What becomes of a row whose value is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The row goes without this tag or field.
    Omit,
    /// The row is rejected under this code.
    Reject(String),
}

/// The types of a field in line protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// `true` or `false`.
    Boolean,
    /// `123i`.
    Integer,
    /// `123u`.
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
    /// An index below [`Plan::masks`].
    pub when: Option<usize>,
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
    /// The type to write, which the source's type can be written as.
    pub write_as: FieldType,
    /// An index below [`Plan::masks`].
    pub when: Option<usize>,
    /// What a missing value does.
    pub missing: Missing,
}

/// A point that every row, or every element of a list, gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Which measurement it is of.
    pub measurement: Key,
    /// A timestamp or an integer of nanoseconds.
    pub time: Source,
    /// In the converter's order.
    pub tags: Vec<Tag>,
    /// In the converter's order; at least one.
    pub fields: Vec<Field>,
    /// An index below [`Plan::masks`].
    pub when: Option<usize>,
}

/// How the rows of an object become points.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// A column of the list whose elements each give the points, as an index into the object's columns; none: rows give them.
    pub each: Option<usize>,
    /// At least one.
    pub points: Vec<Point>,
    /// The columns that are translated, as indexes into the object's columns.
    pub translations: Vec<usize>,
    /// The columns that `convert` is given, as indexes into the object's columns.
    pub reads: Vec<usize>,
    /// The types of the columns that `convert` returns.
    pub computed: Vec<ColumnType>,
    /// How many masks `convert` returns.
    pub masks: usize,
}

impl Plan {
    /// Whether batches have to go through [`super::Instance::convert`].
    pub fn converts(&self) -> bool {
        !self.reads.is_empty() || !self.computed.is_empty() || self.masks > 0
    }
}

/// A choice of rows of a batch.
#[derive(Clone, Debug)]
pub enum Mask {
    /// Every row.
    All,
    /// No row.
    None,
    /// One value a row, without nulls.
    Rows(BooleanArray),
}

/// A row that the converter rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The row in the batch.
    pub row: usize,
    /// What reports count by.
    pub code: String,
    /// For people.
    pub message: String,
}

/// What `convert` returned for a batch.
#[derive(Clone, Debug)]
pub struct Converted {
    /// One for each of [`Plan::computed`], in the type of [`ColumnType::arrow`], with a value a row.
    pub computed: Vec<ArrayRef>,
    /// [`Plan::masks`] of them.
    pub masks: Vec<Mask>,
    /// In ascending order of rows, each row at most once (the first rejection of it counts).
    pub rejected: Vec<Rejection>,
}
