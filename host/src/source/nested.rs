//! Nested columns: which leaves a file has, what they are called, and how a decoded batch is parted into them.
//!
//! ```text
//! station: struct { name: text, position: struct { lat: float } }  →  `station.name`, `station.position.lat`
//! readings: list<struct { at: timestamp, value: float }>           →  `readings.at`, `readings.value`, `readings.#`
//! ```
//!
//! Leaves of structs have a value a row. Leaves of a list have a value for each element of it: where they are read, a row of
//! the batch is an element, and the other columns are copied for it. `LIST.#` is the place of the element in its list, from 0.
//! A leaf below two lists cannot be used.

use std::collections::HashSet;
use std::sync::Arc;

use ::parquet::basic::{ConvertedType, LogicalType, Repetition};
use ::parquet::schema::types::{SchemaDescriptor, Type};
use arrow::array::{Array, ArrayRef, AsArray, Int64Array, UInt32Array, make_array};
use arrow::buffer::NullBuffer;
use arrow::error::ArrowError;

use super::columns::{ColumnSchema, ColumnType, Elements, List, Meaning};
use super::types::{self, Kind};

/// How many names a path has at most. A column that is nested more deeply is not flattened.
const MAX_NAMES: usize = 16;

/// The longest path, in bytes.
const MAX_PATH_BYTES: usize = 1024;

/// How many leaves nested columns of a file have at most, all together. Columns beyond that are not flattened.
const MAX_LEAVES: usize = 4096;

/// The type of the places of elements, for messages.
const POSITION: &str = "Position";

/// The columns of a file in one edition of the contract.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    pub(super) columns: Vec<ColumnSchema>,
    /// What each of them holds.
    pub(super) kinds: Vec<Kind>,
    /// The leaf of each that is decoded for it, by its number in the file.
    pub(super) leaves: Vec<usize>,
    /// How many leaves of nested columns are among them.
    nested: usize,
}

impl Table {
    pub(super) fn push(&mut self, column: ColumnSchema, kind: Kind, leaf: usize) {
        self.columns.push(column);
        self.kinds.push(kind);
        self.leaves.push(leaf);
    }
}

/// Adds the leaves of a nested column, the first of which has the number `first`. Returns whether it was: a column beyond the
/// bounds is not flattened.
pub(super) fn flatten(column: &Type, first: usize, names: &HashSet<&str>, table: &mut Table) -> bool {
    let mut leaves = Leaves { names, next: first, found: Vec::new() };
    let path = Path { names: vec![column.name()], lists: 0, list: None, nullable: false };
    if leaves.visit(column, &path).is_err() || table.nested + leaves.found.len() > MAX_LEAVES {
        return false;
    }
    table.nested += leaves.found.len();
    // The elements of a list end where its first usable leaf has them.
    let mut positions: Vec<List> = Vec::new();
    for (column, kind, leaf) in leaves.found {
        let list = column.list.clone().filter(|list| kind != Kind::Other && !positions.contains(list));
        table.push(column, kind, leaf);
        if let Some(list) = list {
            let column = ColumnSchema {
                name: format!("{}.#", list.name),
                column_type: ColumnType::Integer,
                meaning: Meaning::Plain,
                source_type: POSITION.to_owned(),
                nullable: false,
                list: Some(list.clone()),
            };
            table.push(column, Kind::Position, leaf);
            positions.push(list);
        }
    }
    true
}

/// Where a visit is.
#[derive(Clone)]
struct Path<'a> {
    names: Vec<&'a str>,
    /// How many lists there are above.
    lists: usize,
    list: Option<List>,
    /// Whether one may be null of what is between the row, or the element, and here.
    nullable: bool,
}

/// It is nested too deeply, or has too many leaves.
struct Beyond;

struct Leaves<'a> {
    /// The names of the file's own columns.
    names: &'a HashSet<&'a str>,
    /// The number of the next leaf.
    next: usize,
    found: Vec<(ColumnSchema, Kind, usize)>,
}

impl Leaves<'_> {
    fn visit(&mut self, node: &Type, path: &Path<'_>) -> Result<(), Beyond> {
        let mut path = path.clone();
        match repetition(node) {
            Repetition::REPEATED => self.enter(&mut path),
            Repetition::OPTIONAL => path.nullable = true,
            Repetition::REQUIRED => {}
        }
        if path.names.len() > MAX_NAMES {
            return Err(Beyond);
        }
        let Type::GroupType { fields, .. } = node else { return self.leaf(node, &path) };
        let fields = match (form(node), fields.as_slice()) {
            (Form::Struct, fields) => fields,
            (form, [repeated]) => {
                self.enter(&mut path);
                match (form, repeated.as_ref()) {
                    // A list of what is in the group, which has no name that anybody has given.
                    (Form::List { wrapped: true }, Type::GroupType { fields, .. }) => {
                        return fields.iter().try_for_each(|element| self.visit(element, &path));
                    }
                    (_, Type::GroupType { fields, .. }) => fields.as_slice(),
                    (_, Type::PrimitiveType { .. }) => return self.leaf(repeated, &path),
                }
            }
            (_, fields) => fields,
        };
        for field in fields {
            let mut path = path.clone();
            path.names.push(field.name());
            self.visit(field, &path)?;
        }
        Ok(())
    }

    /// Begins a list.
    fn enter(&self, path: &mut Path<'_>) {
        path.lists += 1;
        path.nullable = false;
        path.list = (path.lists == 1).then(|| List { name: self.name(&path.names).into(), first_leaf: self.next });
    }

    fn leaf(&mut self, node: &Type, path: &Path<'_>) -> Result<(), Beyond> {
        let leaf = self.next;
        self.next += 1;
        let name = self.name(&path.names);
        if name.len() > MAX_PATH_BYTES || self.found.len() >= MAX_LEAVES {
            return Err(Beyond);
        }
        let (kind, meaning, source_type) = types::leaf(node);
        let (kind, source_type) = match path.lists {
            0 | 1 => (kind, source_type),
            _ => (Kind::Other, format!("{source_type} in a list of lists")),
        };
        let column = ColumnSchema {
            name,
            column_type: kind.column_type(),
            meaning: if kind == Kind::Other { Meaning::Plain } else { meaning },
            source_type,
            nullable: path.nullable,
            list: path.list.clone(),
        };
        self.found.push((column, kind, leaf));
        Ok(())
    }

    /// Names joined by dots. A name with a dot of its own is quoted, and all are where a column of the file has that name.
    fn name(&self, names: &[&str]) -> String {
        let joined = |is_quoted: fn(&str) -> bool| {
            let names = names.iter().map(|name| if is_quoted(name) { format!("`{name}`") } else { (*name).to_owned() });
            names.collect::<Vec<_>>().join(".")
        };
        let name = joined(|name| name.contains(['.', '`']));
        if names.len() > 1 && self.names.contains(name.as_str()) { joined(|_| true) } else { name }
    }
}

/// What a group is for.
#[derive(Clone, Copy)]
enum Form {
    Struct,
    /// Whether elements are in a group of their own, as most writers have it.
    List {
        wrapped: bool,
    },
    Map,
}

/// As the format has it, with its rules for files of older writers.
fn form(group: &Type) -> Form {
    let info = group.get_basic_info();
    let [repeated] = group.get_fields() else { return Form::Struct };
    if repetition(repeated) != Repetition::REPEATED || repetition(group) == Repetition::REPEATED {
        return Form::Struct;
    }
    match (info.logical_type_ref(), info.converted_type()) {
        (Some(LogicalType::List), _) | (None, ConvertedType::LIST) => {
            let wrapped = match repeated.as_ref() {
                Type::PrimitiveType { .. } => false,
                Type::GroupType { fields, .. } => match fields.as_slice() {
                    [only] => {
                        let is_element =
                            repeated.name() == "array" || repeated.name() == format!("{}_tuple", group.name());
                        !is_element && repetition(only) != Repetition::REPEATED
                    }
                    _ => false,
                },
            };
            Form::List { wrapped }
        }
        (Some(LogicalType::Map), _) | (None, ConvertedType::MAP | ConvertedType::MAP_KEY_VALUE) => Form::Map,
        _ => Form::Struct,
    }
}

fn repetition(node: &Type) -> Repetition {
    let info = node.get_basic_info();
    if info.has_repetition() { info.repetition() } else { Repetition::REQUIRED }
}

/// How many leaves a column has.
pub(super) fn leaf_count(column: &Type) -> usize {
    match column {
        Type::PrimitiveType { .. } => 1,
        Type::GroupType { fields, .. } => fields.iter().map(|field| leaf_count(field)).sum(),
    }
}

/// What of a file's schema is decoded, as the decoder returns it: groups are structs, and what has several values is a list of it.
#[derive(Debug)]
pub(super) struct Node {
    is_repeated: bool,
    content: Content,
}

#[derive(Debug)]
enum Content {
    /// The leaf of this number.
    Leaf(usize),
    Group(Vec<Node>),
}

impl Node {
    /// The columns of the file that have one of the leaves, which ascend.
    pub(super) fn roots(schema: &SchemaDescriptor, leaves: &[usize]) -> Vec<Self> {
        let mut next = 0;
        let fields = schema.root_schema().get_fields().iter();
        fields.filter_map(|field| Self::new(field, leaves, &mut next)).collect()
    }

    fn new(node: &Type, leaves: &[usize], next: &mut usize) -> Option<Self> {
        let content = match node {
            Type::PrimitiveType { .. } => {
                let leaf = *next;
                *next += 1;
                leaves.binary_search(&leaf).is_ok().then_some(Content::Leaf(leaf))?
            }
            Type::GroupType { fields, .. } => {
                let nodes: Vec<_> = fields.iter().filter_map(|field| Self::new(field, leaves, next)).collect();
                (!nodes.is_empty()).then_some(Content::Group(nodes))?
            }
        };
        Some(Self { is_repeated: repetition(node) == Repetition::REPEATED, content })
    }
}

/// Decoded leaves, by their number, ascending.
#[derive(Debug, Default)]
pub(super) struct Decoded(Vec<(usize, ArrayRef)>);

impl Decoded {
    /// The leaf of this number.
    pub(super) fn get(&self, leaf: usize) -> Result<&ArrayRef, ArrowError> {
        let place = self.0.binary_search_by_key(&leaf, |(leaf, _)| *leaf);
        let found = place.ok().map(|place| &self.0[place].1);
        found.ok_or_else(|| ArrowError::SchemaError(format!("the decoder did not return leaf {leaf}")))
    }
}

/// A decoded batch, parted into leaves.
#[derive(Debug, Default)]
pub(super) struct Parted {
    pub(super) leaves: Decoded,
    /// Where the elements of the rows' lists end, where there is a list.
    pub(super) elements: Option<Elements>,
}

impl Parted {
    /// Parts columns as `roots` has them.
    pub(super) fn of(roots: &[Node], columns: &[ArrayRef]) -> Result<Self, ArrowError> {
        let mut parted = Self::default();
        if roots.len() != columns.len() {
            return Err(ArrowError::SchemaError(format!("the decoder returned {} columns", columns.len())));
        }
        for (node, column) in roots.iter().zip(columns) {
            parted.add(node, column, None)?;
        }
        Ok(parted)
    }

    fn add(&mut self, node: &Node, column: &ArrayRef, nulls: Option<&NullBuffer>) -> Result<(), ArrowError> {
        if !node.is_repeated {
            return self.add_content(&node.content, column, nulls);
        }
        let unexpected = || ArrowError::SchemaError(format!("the decoder returned {}", column.data_type()));
        let list = column.as_list_opt::<i32>().ok_or_else(unexpected)?;
        let offsets = list.value_offsets();
        let (first, last) = (offsets.first().copied().unwrap_or(0), offsets.last().copied().unwrap_or(0));
        let place = |offset: i32| u32::try_from(offset - first).map_err(|_| unexpected());
        let elements = Elements::new(offsets.iter().copied().map(place).collect::<Result<_, _>>()?);
        if self.elements.is_some() {
            return Err(ArrowError::SchemaError("columns of several lists are read together".to_owned()));
        }
        self.elements = Some(elements);
        let (start, length) = (usize::try_from(first), usize::try_from(last - first));
        let (Ok(start), Ok(length)) = (start, length) else { return Err(unexpected()) };
        // Rows whose structs or lists are null have no elements.
        self.add_content(&node.content, &list.values().slice(start, length), None)
    }

    fn add_content(
        &mut self,
        content: &Content,
        column: &ArrayRef,
        nulls: Option<&NullBuffer>,
    ) -> Result<(), ArrowError> {
        match content {
            Content::Leaf(leaf) => self.leaves.0.push((*leaf, without(column, nulls)?)),
            Content::Group(nodes) => {
                let group = column.as_struct_opt().filter(|group| group.num_columns() == nodes.len());
                let group = group
                    .ok_or_else(|| ArrowError::SchemaError(format!("the decoder returned {}", column.data_type())))?;
                let nulls = NullBuffer::union(nulls, group.nulls());
                for (node, column) in nodes.iter().zip(group.columns()) {
                    self.add(node, column, nulls.as_ref())?;
                }
            }
        }
        Ok(())
    }
}

/// The column, null where what it is part of is null.
fn without(column: &ArrayRef, nulls: Option<&NullBuffer>) -> Result<ArrayRef, ArrowError> {
    let Some(nulls) = nulls.filter(|nulls| nulls.null_count() > 0) else { return Ok(Arc::clone(column)) };
    let all = NullBuffer::union(Some(nulls), column.nulls());
    if all.as_ref().map(NullBuffer::null_count) == column.nulls().map(NullBuffer::null_count) {
        return Ok(Arc::clone(column));
    }
    Ok(make_array(column.to_data().into_builder().nulls(all).build()?))
}

/// The places of elements in their lists.
pub(super) fn positions(elements: &Elements) -> ArrayRef {
    let lists = (0..elements.rows()).map(|row| elements.of(row).len());
    Arc::new(Int64Array::from_iter_values(lists.flat_map(|length| (0..).take(length))))
}

/// For each element, the row that it is of.
pub(super) fn rows(elements: &Elements) -> UInt32Array {
    let rows = (0..elements.rows()).zip(0_u32..);
    UInt32Array::from_iter_values(rows.flat_map(|(row, number)| std::iter::repeat_n(number, elements.of(row).len())))
}

#[cfg(test)]
#[path = "nested_tests.rs"]
mod tests;
