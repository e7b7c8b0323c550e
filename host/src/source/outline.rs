//! What a footer would become, looked at before it is parsed.
//!
//! The parser makes the tree of the schema by recursion, makes room for as many columns as a group claims, and gives each leaf
//! its whole path. A footer of some kilobytes could thereby take the stack, which ends the process, or gigabytes. Here the elements of
//! the schema, which the format has in a flat list, are only counted and added up.
//!
//! The parser goes by the numbers of fields and believes what kind they are, so that a footer whose fields are of other kinds than the
//! format's would be another one to it than here. None is let through.

use ::parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};

use super::footer::{DEPTH, I32, LIST, Reader, STOP, STRUCT};
use super::pool::{Memory, TooLarge};

/// How deep groups may lie within each other.
const MAX_DEPTH: usize = 64;

/// What an element of the schema takes in all that is made of it: the parser's, the decoder's and our own description. Measured with
/// 40,000 columns: 1.8 KB each.
const ELEMENT_BYTES: u64 = 2048;

/// How often the path of a leaf is kept.
const PATHS: u64 = 4;

const I64: u8 = 6;
const BINARY: u8 = 8;

/// Why a footer is not parsed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It is not what the format has, for this reason.
    Damaged(String),
    TooLarge(TooLarge),
}

/// Whether the parser may have a footer.
pub(super) fn check(footer: &[u8], memory: Memory) -> Result<(), Refused> {
    let damaged = |reason: &str| Refused::Damaged(reason.to_owned());
    let mut reader = Reader::new(footer);
    let mut last = 0;
    let count = schema(&mut reader, &mut last)
        .ok_or_else(|| damaged("its metadata does not begin with a version and a schema"))?;
    let mut outline = Outline { count, ..Outline::default() };
    for number in 0..count {
        let element = element(&mut reader);
        let element = element.ok_or_else(|| Refused::Damaged(format!("element {number} of its schema is damaged")))?;
        outline.add(number, &element)?;
        outline.fits(memory)?;
    }
    let groups =
        row_groups(&mut reader, &mut last).ok_or_else(|| damaged("its schema is not followed by its row groups"))?;
    let chunks = outline.leaves.saturating_mul(size_of::<ColumnChunkMetaData>() as u64);
    let group = chunks.saturating_add(size_of::<RowGroupMetaData>() as u64);
    outline.bytes = outline.bytes.saturating_add(groups.saturating_mul(group));
    outline.fits(memory)
}

/// What has been seen of a schema.
#[derive(Default)]
struct Outline {
    /// How many elements it has.
    count: u64,
    leaves: u64,
    /// What it takes when it is parsed.
    bytes: u64,
    /// The groups that the next element may lie in.
    groups: Vec<Group>,
}

struct Group {
    /// How many of its columns are still to come.
    left: u64,
    /// How long the path to it is, in bytes.
    path: u64,
}

impl Outline {
    fn add(&mut self, number: u64, element: &Element) -> Result<(), Refused> {
        while self.groups.pop_if(|group| group.left == 0).is_some() {}
        let mut path = element.name;
        if let Some(parent) = self.groups.last_mut() {
            parent.left -= 1;
            path += parent.path + 1;
        }
        self.bytes = self.bytes.saturating_add(ELEMENT_BYTES + PATHS * path);
        if element.children == 0 {
            self.leaves += 1;
            return Ok(());
        }
        if element.children >= self.count - number {
            let claim = format!("element {number} of its schema claims {} columns, more than follow", element.children);
            return Err(Refused::Damaged(claim));
        }
        if self.groups.len() > MAX_DEPTH {
            return Err(Refused::Damaged(format!("its columns lie more than {MAX_DEPTH} groups deep")));
        }
        self.groups.push(Group { left: element.children, path });
        Ok(())
    }

    fn fits(&self, memory: Memory) -> Result<(), Refused> {
        if self.bytes <= memory.parsed() as u64 {
            return Ok(());
        }
        let what = format!("its metadata, with a schema of {} columns and groups,", self.count);
        Err(Refused::TooLarge(TooLarge { what, bytes: self.bytes }))
    }
}

/// What counts of an element of the schema.
#[derive(Default)]
struct Element {
    /// How long its name is, in bytes.
    name: u64,
    /// How many columns it has, where it is a group.
    children: u64,
}

/// Reads to the first element of the schema, and returns how many there are.
fn schema(reader: &mut Reader<'_>, last: &mut i64) -> Option<u64> {
    loop {
        let field = reader.field(last)?;
        match (field.id, field.kind) {
            (1, I32) => _ = reader.number()?,
            (2, LIST) => break,
            _ => return None,
        }
    }
    let (kind, count) = reader.list()?;
    (kind == STRUCT && count <= reader.left()).then_some(count)
}

/// Reads from the end of the schema to the first row group, and returns how many there are.
fn row_groups(reader: &mut Reader<'_>, last: &mut i64) -> Option<u64> {
    let field = reader.field(last)?;
    if (field.id, field.kind) != (3, I64) {
        return None;
    }
    reader.number()?;
    let field = reader.field(last)?;
    if (field.id, field.kind) != (4, LIST) {
        return None;
    }
    let (_, count) = reader.list()?;
    (count <= reader.left()).then_some(count)
}

fn element(reader: &mut Reader<'_>) -> Option<Element> {
    let (mut element, mut last) = (Element::default(), 0);
    loop {
        let field = reader.field(&mut last)?;
        if field.kind == STOP {
            return Some(element);
        }
        match (i16::try_from(field.id).ok()?, field.kind) {
            (4, BINARY) => {
                let length = reader.varint()?;
                reader.skip_bytes(length)?;
                element.name = element.name.max(length);
            }
            (5, I32) => element.children = element.children.max(u64::try_from(reader.number()?).ok()?),
            (1..=3 | 6..=9, I32) => _ = reader.number()?,
            (10, STRUCT) => fields(reader, LOGICAL_TYPE)?,
            (1..=10, _) => return None,
            (_, kind) => reader.skip(kind, DEPTH)?,
        }
    }
}

/// What a field of a logical type holds.
enum Form {
    Boolean,
    Kind(u8),
    Struct(&'static [(i16, Form)]),
}

const EMPTY: Form = Form::Struct(&[]);
const TIME: Form = Form::Struct(&[(1, Form::Boolean), (2, Form::Struct(&[(1, EMPTY), (2, EMPTY), (3, EMPTY)]))]);

/// The fields of `LogicalType`, a union, in the format's `parquet.thrift`.
const LOGICAL_TYPE: &[(i16, Form)] = &[
    (1, EMPTY),
    (2, EMPTY),
    (3, EMPTY),
    (4, EMPTY),
    (5, Form::Struct(&[(1, Form::Kind(I32)), (2, Form::Kind(I32))])),
    (6, EMPTY),
    (7, TIME),
    (8, TIME),
    (10, Form::Struct(&[(1, Form::Kind(3)), (2, Form::Boolean)])),
    (11, EMPTY),
    (12, EMPTY),
    (13, EMPTY),
    (14, EMPTY),
    (15, EMPTY),
    (16, Form::Struct(&[(1, Form::Kind(3))])),
    (17, Form::Struct(&[(1, Form::Kind(BINARY))])),
    (18, Form::Struct(&[(1, Form::Kind(BINARY)), (2, Form::Kind(I32))])),
    (19, EMPTY),
];

/// Passes over a struct whose known fields have their forms.
fn fields(reader: &mut Reader<'_>, known: &'static [(i16, Form)]) -> Option<()> {
    let mut last = 0;
    loop {
        let field = reader.field(&mut last)?;
        if field.kind == STOP {
            return Some(());
        }
        let id = i16::try_from(field.id).ok()?;
        match (known.iter().find(|(known, _)| *known == id).map(|(_, form)| form), field.kind) {
            (Some(Form::Boolean), 1 | 2) => {}
            (Some(Form::Struct(known)), STRUCT) => fields(reader, known)?,
            (Some(Form::Kind(form)), kind) if *form == kind => reader.skip(kind, DEPTH)?,
            (None, kind) => reader.skip(kind, DEPTH)?,
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use ::parquet::file::metadata::ParquetMetaDataReader;
    use ::parquet::schema::parser::parse_message_type;
    use bytes::Bytes;

    use super::*;
    use crate::source::footer::written;

    /// A group with so many columns, or a leaf.
    fn node(name: &str, columns: Option<u64>) -> Vec<u8> {
        let mut bytes = if columns.is_none() { vec![0x15, 0x02, 0x25, 0x00, 0x18] } else { vec![0x35, 0x00, 0x18] };
        bytes.extend(length(name.len() as u64));
        bytes.extend(name.as_bytes());
        if let Some(columns) = columns {
            bytes.push(0x15);
            bytes.extend(written(columns.cast_signed()));
        }
        bytes.push(STOP);
        bytes
    }

    fn length(mut rest: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while rest > 0x7f {
            bytes.push(u8::try_from(rest & 0x7f).unwrap() | 0x80);
            rest >>= 7;
        }
        bytes.push(u8::try_from(rest).unwrap());
        bytes
    }

    fn footer(elements: &[Vec<u8>], row_groups: u64) -> Vec<u8> {
        let mut footer = vec![0x15, 0x02, 0x19, 0xf0 | STRUCT];
        footer.extend(length(elements.len() as u64));
        footer.extend(elements.concat());
        footer.extend([0x16, 0x00, 0x19, 0xf0 | STRUCT]);
        footer.extend(length(row_groups));
        footer
    }

    fn nested(depth: usize) -> Vec<u8> {
        let mut elements = vec![node("a", Some(1)); depth + 1];
        elements.push(node("x", None));
        footer(&elements, 0)
    }

    fn refusal(footer: &[u8], mebibytes: usize) -> String {
        match check(footer, Memory::mebibytes(mebibytes)).unwrap_err() {
            Refused::Damaged(reason) => reason,
            Refused::TooLarge(TooLarge { what, bytes }) => format!("{what} has {bytes} bytes"),
        }
    }

    #[test]
    fn groups_lie_in_each_other_as_deep_as_the_stack_has_room() {
        assert_eq!(check(&nested(MAX_DEPTH), Memory::default()), Ok(()));
        let parsed = ParquetMetaDataReader::decode_metadata(&[nested(MAX_DEPTH), vec![STOP]].concat()).unwrap();
        assert_eq!(parsed.file_metadata().schema_descr().columns()[0].path().parts().len(), MAX_DEPTH + 1);
        for depth in [MAX_DEPTH + 1, 100_000] {
            assert_eq!(refusal(&nested(depth), 1024), "its columns lie more than 64 groups deep");
        }
    }

    #[test]
    fn a_group_has_no_more_columns_than_follow() {
        let claims = |columns| footer(&[node("schema", Some(1)), node("a", Some(columns)), node("x", None)], 0);
        assert_eq!(check(&claims(1), Memory::default()), Ok(()));
        assert_eq!(
            refusal(&claims(2_147_483_647), 128),
            "element 1 of its schema claims 2147483647 columns, more than follow"
        );
        assert_eq!(refusal(&claims(2), 128), "element 1 of its schema claims 2 columns, more than follow");
        assert_eq!(refusal(&claims(u64::MAX), 128), "element 1 of its schema is damaged");
    }

    #[test]
    fn the_paths_of_leaves_have_room_in_an_objects_memory() {
        let elements = |name: usize, leaves: usize| {
            let groups = [node("schema", Some(1)), node(&"n".repeat(name), Some(leaves as u64))];
            footer(&[&groups[..], &vec![node("x", None); leaves][..]].concat(), 0)
        };
        assert_eq!(check(&elements(1_000, 10_000), Memory::default()), Ok(()));
        assert!(
            refusal(&elements(300_000, 10_000), 128)
                .starts_with("its metadata, with a schema of 10002 columns and groups, has 6")
        );
        assert!(
            refusal(&elements(1, 10_000), 16)
                .starts_with("its metadata, with a schema of 10002 columns and groups, has 8")
        );
    }

    #[test]
    fn row_groups_have_room_in_an_objects_memory() {
        let elements = || [&[node("schema", Some(1_000))][..], &vec![node("x", None); 1_000][..]].concat();
        let with = |groups: u64| [footer(&elements(), groups), vec![0; 1_000]].concat();
        assert_eq!(check(&with(10), Memory::default()), Ok(()));
        assert!(refusal(&with(1_000), 128).starts_with("its metadata, with a schema of 1001 columns and groups, has "));
        assert_eq!(refusal(&with(1_000_000), 128), "its schema is not followed by its row groups");
    }

    #[test]
    fn a_field_of_another_kind_than_the_formats_is_refused() {
        let element = |fields: &[u8]| footer(&[node("schema", Some(1)), fields.to_vec()], 0);
        // A name, and a logical type that is a string; one that is a number; a name that is a number.
        assert_eq!(check(&element(&[0x48, 0x01, b'x', 0x6c, 0x1c, 0, 0, 0]), Memory::default()), Ok(()));
        for fields in
            [&[0x48, 0x01, b'x', 0x65, 0x02, 0][..], &[0x45, 0x02, 0], &[0x48, 0x01, b'x', 0x6c, 0x15, 0x02, 0, 0]]
        {
            assert_eq!(refusal(&element(fields), 128), "element 1 of its schema is damaged");
        }
        // A number that becomes that of another field where it is cut to 16 bits, as the parser does.
        assert_eq!(
            refusal(&[0x05, 0x84, 0x80, 0x08, 0x02], 128),
            "its metadata does not begin with a version and a schema"
        );
    }

    #[test]
    fn what_is_written_with_every_annotation_is_let_through() {
        let schema = "message schema { required group a (LIST) { repeated group list { optional binary element (STRING); } } \
             required group m (MAP) { repeated group key_value { required binary key (ENUM); optional int32 value (DATE); } } \
             optional int32 d (DECIMAL(9, 2)); optional int64 t (TIME(MICROS, true)); optional int64 s (TIMESTAMP(NANOS, false)); \
             optional int32 i (INTEGER(8, true)); optional binary j (JSON); optional binary b (BSON); \
             optional fixed_len_byte_array(16) u (UUID); optional fixed_len_byte_array(2) f (FLOAT16); optional int96 old; }";
        let schema = std::sync::Arc::new(parse_message_type(schema).unwrap());
        let writer = ::parquet::file::writer::SerializedFileWriter::new(Vec::new(), schema, std::sync::Arc::default());
        let file = Bytes::from(writer.unwrap().into_inner().unwrap());
        let (rest, end) = file.split_last_chunk::<8>().unwrap();
        let length = u32::from_le_bytes(*end.first_chunk().unwrap()) as usize;
        assert_eq!(check(&rest[rest.len() - length..], Memory::default()), Ok(()));
    }
}
