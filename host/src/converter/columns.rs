//! Arrow → guest. Columns cross as the flat buffers that Arrow has already: the engine copies each buffer into the guest's
//! memory once, and nothing is done for a row. Bitmaps that do not begin at a byte are shifted, offsets of strings that do
//! not begin at 0 are moved, dictionaries that are larger than the batch are cut down to what the batch uses.

use arrow::array::types::{ArrowPrimitiveType, Int32Type, Int64Type, TimestampNanosecondType, UInt64Type};
use arrow::array::{Array, AsArray, DictionaryArray, StringArray};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, ScalarBuffer};

use crate::source::{ColumnType, as_floats};

/// A column as it crosses. Holds Arrow's buffers, which are shared, not copied.
#[derive(Debug)]
pub(super) struct Column {
    values: Values,
    validity: Option<Buffer>,
}

/// The values of a column as they cross.
#[derive(Debug)]
pub(super) enum Values {
    Booleans(Buffer),
    Integers(ScalarBuffer<i64>),
    Unsigneds(ScalarBuffer<u64>),
    Floats(ScalarBuffer<f64>),
    Texts { codes: ScalarBuffer<u32>, dictionary: Strings },
    Timestamps(ScalarBuffer<i64>),
}

impl Column {
    /// The column as it crosses; `None` if it is not in the type of [`ColumnType::arrow`].
    pub(super) fn new(array: &dyn Array, column_type: ColumnType) -> Option<Self> {
        if column_type == ColumnType::Float {
            let floats = as_floats(array)?;
            let validity = validity(floats.nulls());
            return Some(Self { values: Values::Floats(floats.values().clone()), validity });
        }
        if column_type.arrow().as_ref() != Some(array.data_type()) {
            return None;
        }
        let values = match column_type {
            ColumnType::Boolean => Values::Booleans(bits(array.as_boolean_opt()?.values())),
            ColumnType::Integer => Values::Integers(scalars::<Int64Type>(array)?),
            ColumnType::Unsigned => Values::Unsigneds(scalars::<UInt64Type>(array)?),
            ColumnType::Timestamp => Values::Timestamps(scalars::<TimestampNanosecondType>(array)?),
            ColumnType::Text => return Self::text(array.as_dictionary_opt::<Int32Type>()?),
            ColumnType::Float | ColumnType::Other => return None,
        };
        Some(Self { values, validity: validity(array.nulls()) })
    }

    fn text(array: &DictionaryArray<Int32Type>) -> Option<Self> {
        let dictionary = array.values().as_string_opt::<i32>()?;
        // A row whose code points at a null is null itself: the contract knows no other null.
        let nulls = if dictionary.null_count() > 0 { array.logical_nulls() } else { array.nulls().cloned() };
        let codes = array.keys().values();
        let values = if dictionary.len() > codes.len() {
            let (codes, dictionary) = used(codes, nulls.as_ref(), dictionary)?;
            Values::Texts { codes, dictionary }
        } else {
            let mut dictionary = Strings::new(dictionary);
            dictionary.validity = None;
            Values::Texts { codes: ScalarBuffer::from(codes.inner().clone()), dictionary }
        };
        Some(Self { values, validity: validity(nulls.as_ref()) })
    }

    pub(super) fn values(&self) -> &Values {
        &self.values
    }

    /// A bitmap of the rows that have a value; none: all have one.
    pub(super) fn validity(&self) -> Option<&[u8]> {
        self.validity.as_deref()
    }

    /// What crosses, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let values = match &self.values {
            Values::Booleans(bits) => bits.len(),
            Values::Integers(values) | Values::Timestamps(values) => values.inner().len(),
            Values::Unsigneds(values) => values.inner().len(),
            Values::Floats(values) => values.inner().len(),
            Values::Texts { codes, dictionary } => codes.inner().len() + dictionary.bytes(),
        };
        values + self.validity.as_ref().map_or(0, Buffer::len)
    }
}

/// Strings as they cross.
#[derive(Debug)]
pub(super) struct Strings {
    offsets: ScalarBuffer<u32>,
    data: Buffer,
    validity: Option<Buffer>,
}

impl Strings {
    pub(super) fn new(array: &StringArray) -> Self {
        let validity = validity(array.nulls());
        if array.is_empty() {
            return Self { offsets: ScalarBuffer::from(Vec::new()), data: Buffer::from(&[]), validity };
        }
        let offsets = array.offsets();
        // Offsets of Arrow are never negative.
        let (first, last) = (offsets.first().cast_unsigned(), offsets.last().cast_unsigned());
        let data = array.values().slice_with_length(first as usize, (last - first) as usize);
        let offsets = if first == 0 {
            ScalarBuffer::from(offsets.inner().inner().clone())
        } else {
            offsets.iter().map(|offset| offset.cast_unsigned() - first).collect()
        };
        Self { offsets, data, validity }
    }

    pub(super) fn offsets(&self) -> &[u32] {
        &self.offsets
    }

    pub(super) fn data(&self) -> &[u8] {
        &self.data
    }

    /// A bitmap of the strings that are present; none: all are.
    pub(super) fn validity(&self) -> Option<&[u8]> {
        self.validity.as_deref()
    }

    /// What crosses, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.offsets.inner().len() + self.data.len() + self.validity.as_ref().map_or(0, Buffer::len)
    }
}

/// The codes and strings of only those entries of a dictionary that rows use, so that a batch costs what its rows cost: a
/// row group has one dictionary for all its batches, and a column of texts that are all different (such as times) has one
/// as long as the row group.
///
/// `None` if a code is out of range, which Arrow rules out.
fn used(codes: &[i32], nulls: Option<&NullBuffer>, dictionary: &StringArray) -> Option<(ScalarBuffer<u32>, Strings)> {
    // For each entry, one more than its new code; 0 where it has none yet. Zeroed memory costs only where it is touched.
    let mut renumbered = vec![0_u32; dictionary.len()];
    let mut offsets = vec![0_u32];
    let mut data = Vec::new();
    let mut new_codes = Vec::with_capacity(codes.len());
    for (row, &code) in codes.iter().enumerate() {
        if nulls.is_some_and(|nulls| nulls.is_null(row)) {
            new_codes.push(0);
            continue;
        }
        let code = usize::try_from(code).ok()?;
        let new_code = renumbered.get_mut(code)?;
        if *new_code == 0 {
            // In range: `renumbered` is as long.
            data.extend_from_slice(dictionary.value(code).as_bytes());
            *new_code = u32::try_from(offsets.len()).ok()?;
            offsets.push(u32::try_from(data.len()).ok()?);
        }
        new_codes.push(*new_code - 1);
    }
    if offsets.len() == 1 {
        offsets.clear();
    }
    Some((new_codes.into(), Strings { offsets: offsets.into(), data: data.into(), validity: None }))
}

fn scalars<T: ArrowPrimitiveType>(array: &dyn Array) -> Option<ScalarBuffer<T::Native>> {
    Some(array.as_primitive_opt::<T>()?.values().clone())
}

/// The bitmap of the rows that have a value; `None` where all have one.
fn validity(nulls: Option<&NullBuffer>) -> Option<Buffer> {
    nulls.filter(|nulls| nulls.null_count() > 0).map(|nulls| bits(nulls.inner()))
}

/// The bits from the first bit of the first byte, in as many bytes as they need.
fn bits(bits: &BooleanBuffer) -> Buffer {
    bits.sliced()
}

#[cfg(test)]
#[path = "columns_tests.rs"]
mod tests;
