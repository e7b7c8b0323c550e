//! Footers that the format allows and the parquet crate does not read, made such as it reads.
//!
//! A footer is a struct of Thrift's compact protocol. Only its own fields and the elements of its schema are looked into:
//!
//! - a DECIMAL without a scale has the scale 0, as the format defines it;
//! - a converted type that nobody knows is none, as the format requires for annotations that a reader does not know;
//! - an empty list may leave open what it would be of: fastparquet writes the row groups of a table without rows so.

/// The field of the file's metadata that has the schema: a list of structs.
const SCHEMA: i64 = 2;
/// Fields of an element of the schema.
const CONVERTED_TYPE: i64 = 6;
const SCALE: i64 = 7;
const LOGICAL_TYPE: i64 = 10;
/// The field of a logical type, which is a union, that stands for decimals, and the field of these with the scale.
const LOGICAL_DECIMAL: i64 = 5;
const LOGICAL_SCALE: i64 = 1;
/// Values of a converted type.
const DECIMAL: i64 = 5;
const LAST_CONVERTED_TYPE: i64 = 21;

/// Types of the compact protocol.
pub(super) const STOP: u8 = 0;
pub(super) const I32: u8 = 5;
pub(super) const LIST: u8 = 9;
pub(super) const STRUCT: u8 = 12;

/// How deep structs may lie within each other: the format needs six.
pub(super) const DEPTH: usize = 16;

/// The footer with its schema made readable; `None` where it is not what the compact protocol has, or there is nothing to mend.
pub(super) fn mended(footer: &[u8]) -> Option<Vec<u8>> {
    let mut reader = Reader::new(footer);
    let mut last = 0;
    loop {
        let field = reader.field(&mut last)?;
        if (field.id, field.kind) == (SCHEMA, LIST) {
            break;
        }
        reader.skip(field.kind, DEPTH)?;
    }
    let (kind, count) = reader.list()?;
    if kind != STRUCT {
        return None;
    }
    let mut mended = footer[..reader.at].to_vec();
    let mut changed = false;
    for _ in 0..count {
        let start = reader.at;
        let element = reader.element()?;
        match element.mended() {
            Some(bytes) => {
                mended.extend_from_slice(&bytes);
                changed = true;
            }
            None => mended.extend_from_slice(&footer[start..reader.at]),
        }
    }
    changed |= copy_fields(&mut reader, last, &mut mended);
    mended.extend_from_slice(&footer[reader.at..]);
    changed.then_some(mended)
}

/// Copies the fields after the schema as far as they can be read. Those that are lists are lists of structs, empty ones too.
/// Returns whether there was something to mend.
fn copy_fields(reader: &mut Reader<'_>, mut last: i64, mended: &mut Vec<u8>) -> bool {
    let mut changed = false;
    loop {
        let start = reader.at;
        let field = reader.field(&mut last).filter(|field| field.kind != STOP);
        let value = reader.at;
        let Some(kind) = field.and_then(|field| reader.skip(field.kind, DEPTH).map(|()| field.kind)) else {
            reader.at = start;
            return changed;
        };
        mended.extend_from_slice(&reader.bytes[start..value]);
        match reader.bytes[value..reader.at] {
            [0] if kind == LIST => {
                mended.push(STRUCT);
                changed = true;
            }
            ref bytes => mended.extend_from_slice(bytes),
        }
    }
}

/// A field of a struct, before its value.
pub(super) struct Field {
    pub(super) id: i64,
    pub(super) kind: u8,
}

/// An element of the schema: its fields with their values as they are.
struct Element<'a> {
    fields: Vec<(Field, &'a [u8])>,
}

impl Element<'_> {
    /// The element as bytes, if there was something to mend.
    fn mended(mut self) -> Option<Vec<u8>> {
        let number = |element: &Self, id| {
            let (_, value) = element.fields.iter().find(|(field, _)| (field.id, field.kind) == (id, I32))?;
            Reader::new(value).number()
        };
        let converted = number(&self, CONVERTED_TYPE);
        let logical = self.fields.iter().find(|(field, _)| (field.id, field.kind) == (LOGICAL_TYPE, STRUCT));
        let logical_scale = logical.and_then(|(_, value)| logical_scale(value));
        let unknown = converted.is_some_and(|converted| !(0..=LAST_CONVERTED_TYPE).contains(&converted));
        let is_decimal = converted == Some(DECIMAL) || logical_scale.is_some();
        let scale = (is_decimal && number(&self, SCALE).is_none()).then(|| written(logical_scale.unwrap_or(0)));
        if !unknown && scale.is_none() {
            return None;
        }
        self.fields.retain(|(field, _)| !(unknown && field.id == CONVERTED_TYPE));
        if let Some(scale) = &scale {
            let place = self.fields.partition_point(|(field, _)| field.id < SCALE);
            let mut fields: Vec<(Field, &[u8])> = self.fields;
            fields.insert(place, (Field { id: SCALE, kind: I32 }, scale));
            return Some(Element { fields }.bytes());
        }
        Some(self.bytes())
    }

    fn bytes(&self) -> Vec<u8> {
        let (mut bytes, mut last) = (Vec::new(), 0);
        for (field, value) in &self.fields {
            match u8::try_from(field.id - last) {
                Ok(delta @ 1..=15) => bytes.push(delta << 4 | field.kind),
                _ => {
                    bytes.push(field.kind);
                    bytes.extend(written(field.id));
                }
            }
            bytes.extend_from_slice(value);
            last = field.id;
        }
        bytes.push(STOP);
        bytes
    }
}

/// The scale of a logical type that is a decimal.
fn logical_scale(union: &[u8]) -> Option<i64> {
    let mut reader = Reader::new(union);
    let (mut last, mut inner) = (0, 0);
    let field = reader.field(&mut last)?;
    if (field.id, field.kind) != (LOGICAL_DECIMAL, STRUCT) {
        return None;
    }
    let field = reader.field(&mut inner)?;
    if (field.id, field.kind) == (LOGICAL_SCALE, I32) { reader.number() } else { Some(0) }
}

/// An integer as it is written: zigzag, seven bits a byte.
pub(super) fn written(value: i64) -> Vec<u8> {
    let mut rest = (value << 1 ^ value >> 63).cast_unsigned();
    let mut bytes = Vec::new();
    loop {
        let [low, ..] = rest.to_le_bytes();
        rest >>= 7;
        if rest == 0 {
            bytes.push(low & 0x7f);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// What reads the compact protocol. Everything is `None` where the bytes end, or are not of it.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bytes are left.
    pub(super) fn left(&self) -> u64 {
        (self.bytes.len() - self.at) as u64
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    pub(super) fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    pub(super) fn number(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    /// The next field of a struct whose last field had the number `last`; at the end of the struct one of the kind [`STOP`].
    pub(super) fn field(&mut self, last: &mut i64) -> Option<Field> {
        let head = self.byte()?;
        let kind = head & 0x0f;
        if kind != STOP {
            *last = if head >> 4 == 0 { self.number()? } else { *last + i64::from(head >> 4) };
        }
        Some(Field { id: *last, kind })
    }

    /// The kind and the number of a list's items.
    pub(super) fn list(&mut self) -> Option<(u8, u64)> {
        let head = self.byte()?;
        let count = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
        Some((head & 0x0f, count))
    }

    fn element(&mut self) -> Option<Element<'a>> {
        let (mut fields, mut last) = (Vec::new(), 0);
        loop {
            let field = self.field(&mut last)?;
            if field.kind == STOP {
                return Some(Element { fields });
            }
            let start = self.at;
            self.skip(field.kind, DEPTH)?;
            fields.push((field, &self.bytes[start..self.at]));
        }
    }

    pub(super) fn skip_bytes(&mut self, count: u64) -> Option<()> {
        let end = self.at.checked_add(usize::try_from(count).ok()?)?;
        self.bytes.get(self.at..end)?;
        self.at = end;
        Some(())
    }

    /// Passes over a value. A boolean field is in its head.
    pub(super) fn skip(&mut self, kind: u8, depth: usize) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        match kind {
            1 | 2 => Some(()),
            3 => self.skip_bytes(1),
            4..=6 => self.varint().map(drop),
            7 => self.skip_bytes(8),
            8 => {
                let length = self.varint()?;
                self.skip_bytes(length)
            }
            LIST | 10 => {
                let (kind, count) = self.list()?;
                // Footers have no list of booleans, in which these have a byte of their own: readers differ there.
                if kind <= 2 && count > 0 {
                    return None;
                }
                // Each takes a byte at least, so that this ends where the bytes do.
                (0..count).try_for_each(|_| self.skip(kind, depth))
            }
            STRUCT => {
                let mut last = 0;
                loop {
                    match self.field(&mut last)?.kind {
                        STOP => return Some(()),
                        kind => self.skip(kind, depth)?,
                    }
                }
            }
            13 => self.skip_bytes(16),
            // Maps, which footers do not have, and what is not known.
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    /// The footer of a file with a version, a schema of these elements, and a number of rows.
    fn footer(elements: &[&[(i64, u8, &[u8])]]) -> Vec<u8> {
        let mut footer = vec![0x15, 0x02, 0x19, u8::try_from(elements.len()).unwrap() << 4 | STRUCT];
        for element in elements {
            let fields = element.iter().map(|(id, kind, value)| (Field { id: *id, kind: *kind }, *value)).collect();
            footer.extend(Element { fields }.bytes());
        }
        footer.extend([0x16, 0x0a, STOP]);
        footer
    }

    const NAME: (i64, u8, &[u8]) = (4, 8, b"\x01x");

    #[test]
    fn a_decimal_without_a_scale_gets_the_scale_0() {
        let precision: (i64, u8, &[u8]) = (8, I32, &[18]);
        let without = footer(&[&[NAME], &[(1, I32, &[4]), NAME, (6, I32, &[10]), precision]]);
        let with = footer(&[&[NAME], &[(1, I32, &[4]), NAME, (6, I32, &[10]), (7, I32, &[0]), precision]]);
        assert_eq!(mended(&without), Some(with.clone()));
        assert_eq!(mended(&with), None);
    }

    #[test]
    fn a_decimal_has_the_scale_of_its_logical_type() {
        let logical: (i64, u8, &[u8]) = (10, STRUCT, &[0x5c, 0x15, 0x04, 0x15, 0x12, 0, 0]);
        let without = footer(&[&[NAME, logical]]);
        assert_eq!(mended(&without), Some(footer(&[&[NAME, (7, I32, &[4]), logical]])));
    }

    #[test]
    fn a_converted_type_that_nobody_knows_is_none() {
        let unknown = footer(&[&[NAME, (6, I32, &[44]), (9, I32, &[2])], &[NAME]]);
        assert_eq!(mended(&unknown), Some(footer(&[&[NAME, (9, I32, &[2])], &[NAME]])));
    }

    #[test]
    fn an_empty_list_that_leaves_open_what_it_is_of_is_one_of_structs() {
        let footer = |row_groups: u8| {
            let mut footer = footer(&[&[NAME]]);
            footer.pop();
            footer.extend([0x19, row_groups, 0x18, 1, b'x', STOP]);
            footer
        };
        assert_eq!(mended(&footer(0)), Some(footer(STRUCT)));
        assert_eq!(mended(&footer(STRUCT)), None);
    }

    #[test]
    fn what_ends_too_early_is_not_mended() {
        let whole = footer(&[&[NAME, (6, I32, &[44])]]);
        for length in 0..whole.len() - 3 {
            assert_eq!(mended(&whole[..length]), None, "{length}");
        }
    }
}
