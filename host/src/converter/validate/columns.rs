//! The answers of `translate` and `convert`.

use std::sync::Arc;

use arrow::array::types::Int32Type;
use arrow::array::{
    Array, ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int64Array, PrimitiveArray, StringArray,
    TimestampNanosecondArray, UInt64Array,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::error::ArrowError;

use super::plan::type_name;
use super::{Invalid, MAX_MESSAGE_BYTES, code, wit};
use crate::converter::plan::{Converted, Mask, Plan, Rejection};
use crate::converter::text::one_line;
use crate::source::ColumnType;

/// Checks the answer of `translate` for so many values.
pub(in crate::converter) fn translated(strings: wit::StringsResult, values: usize) -> Result<StringArray, Invalid> {
    self::strings(strings, Some(values)).map_err(|invalid| invalid.within("translated"))
}

/// Checks the answer of `convert` for a batch of so many rows.
pub(in crate::converter) fn converted(
    converted: wit::Converted,
    plan: &Plan,
    rows: usize,
) -> Result<Converted, Invalid> {
    let wit::Converted { computed, masks, rejected } = converted;
    if computed.len() != plan.computed.len() {
        let reason = format!("has {} columns, the plan declares {}", computed.len(), plan.computed.len());
        return Err(Invalid::new("computed", reason));
    }
    if masks.len() != plan.masks {
        return Err(Invalid::new("masks", format!("has {} masks, the plan declares {}", masks.len(), plan.masks)));
    }
    let computed = computed.into_iter().zip(&plan.computed).enumerate();
    let masks = masks.into_iter().enumerate();
    let rejected = rejected.into_iter().enumerate();
    Ok(Converted {
        computed: computed
            .map(|(index, (column, &column_type))| {
                self::column(column, column_type, rows).map_err(|invalid| invalid.within(format!("computed[{index}]")))
            })
            .collect::<Result<_, _>>()?,
        masks: masks
            .map(|(index, mask)| self::mask(mask, rows).map_err(|invalid| invalid.within(format!("masks[{index}]"))))
            .collect::<Result<_, _>>()?,
        rejected: sorted(
            rejected
                .map(|(index, rejection)| {
                    self::rejection(rejection, rows).map_err(|invalid| invalid.within(format!("rejected[{index}]")))
                })
                .collect::<Result<_, _>>()?,
        ),
    })
}

fn column(column: wit::ColumnResult, column_type: ColumnType, rows: usize) -> Result<ArrayRef, Invalid> {
    let wit::ColumnResult { values, validity } = column;
    let nulls = self::nulls(validity, rows)?;
    let returned = match &values {
        wit::ValuesResult::Booleans(_) => ColumnType::Boolean,
        wit::ValuesResult::Integers(_) => ColumnType::Integer,
        wit::ValuesResult::Unsigneds(_) => ColumnType::Unsigned,
        wit::ValuesResult::Floats(_) => ColumnType::Float,
        wit::ValuesResult::Texts(_) => ColumnType::Text,
        wit::ValuesResult::Timestamps(_) => ColumnType::Timestamp,
    };
    if returned != column_type {
        let reason = format!("are of type `{}`, the plan declares `{}`", type_name(returned), type_name(column_type));
        return Err(Invalid::new("values", reason));
    }
    Ok(match values {
        wit::ValuesResult::Booleans(bytes) => {
            let values = bitmap("values", bytes, rows)?;
            // Of one length: `bitmap` and `nulls` were both given `rows`.
            Arc::new(BooleanArray::new(values, nulls))
        }
        wit::ValuesResult::Integers(values) => Arc::new(Int64Array::try_new(scalars(values, rows)?, nulls)?),
        wit::ValuesResult::Unsigneds(values) => Arc::new(UInt64Array::try_new(scalars(values, rows)?, nulls)?),
        wit::ValuesResult::Floats(values) => Arc::new(Float64Array::try_new(scalars(values, rows)?, nulls)?),
        wit::ValuesResult::Texts(values) => Arc::new(text(values, nulls, rows)?),
        wit::ValuesResult::Timestamps(values) => {
            Arc::new(TimestampNanosecondArray::try_new(scalars(values, rows)?, nulls)?)
        }
    })
}

/// A column of text whose dictionary has no nulls and whose codes are in range, or 0 in rows that are null.
fn text(text: wit::TextResult, nulls: Option<NullBuffer>, rows: usize) -> Result<DictionaryArray<Int32Type>, Invalid> {
    let wit::TextResult { mut codes, dictionary } = text;
    length("values.codes", codes.len(), rows)?;
    let dictionary = strings(dictionary, None).map_err(|invalid| invalid.within("values.dictionary"))?;
    let entries = u32::try_from(dictionary.len()).unwrap_or(u32::MAX);
    for (row, code) in codes.iter_mut().enumerate() {
        if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            *code = 0;
        } else if *code >= entries {
            let reason = format!("is {code}, beyond a dictionary of {entries} entries");
            return Err(Invalid::new(format!("values.codes[{row}]"), reason));
        }
    }
    // A row whose code points at a null is null itself, as everywhere in the loader.
    let nulls = match dictionary.nulls() {
        // Not empty: it has nulls.
        Some(entries) => {
            let valid = BooleanBuffer::collect_bool(rows, |row| entries.is_valid(codes[row] as usize));
            NullBuffer::union(nulls.as_ref(), Some(&NullBuffer::new(valid)))
        }
        None => nulls,
    };
    let (offsets, data, _) = dictionary.into_parts();
    let dictionary = StringArray::try_new(offsets, data, None)?;
    let codes: ScalarBuffer<i32> = codes.into_iter().map(u32::cast_signed).collect::<Vec<_>>().into();
    let codes = PrimitiveArray::<Int32Type>::try_new(codes, nulls)?;
    Ok(DictionaryArray::try_new(codes, Arc::new(dictionary))?)
}

/// Strings, as many as there must be if that is known.
fn strings(strings: wit::StringsResult, count: Option<usize>) -> Result<StringArray, Invalid> {
    let wit::StringsResult { offsets, data, validity } = strings;
    let found = offsets.len().saturating_sub(1);
    if let Some(count) = count
        && found != count
    {
        return Err(Invalid::new("offsets", format!("are those of {found} strings, expected {count}")));
    }
    let end = i32::try_from(data.len())
        .map_err(|_| Invalid::new("data", format!("has {} bytes, at most {} are allowed", data.len(), i32::MAX)))?;
    let offsets = if offsets.is_empty() { vec![0] } else { offsets };
    if offsets.first() != Some(&0) {
        return Err(Invalid::new("offsets", "do not begin with 0"));
    }
    if let Some(index) = offsets.windows(2).position(|pair| pair[0] > pair[1]) {
        let reason = format!("is {}, less than {} before it", offsets[index + 1], offsets[index]);
        return Err(Invalid::new(format!("offsets[{}]", index + 1), reason));
    }
    if offsets.last() != Some(&end.cast_unsigned()) {
        let last = offsets.last().copied().unwrap_or_default();
        return Err(Invalid::new("offsets", format!("end with {last}, the data with {end}")));
    }
    let nulls = nulls(validity, found)?;
    // In range: none is larger than `end`.
    let offsets: ScalarBuffer<i32> = offsets.into_iter().map(u32::cast_signed).collect::<Vec<_>>().into();
    // From 0 and never decreasing, as was checked: this cannot panic.
    let offsets = OffsetBuffer::new(offsets);
    StringArray::try_new(offsets, Buffer::from_vec(data), nulls).map_err(|error| Invalid::new("data", not_utf8(&error)))
}

fn not_utf8(error: &ArrowError) -> String {
    format!("is not UTF-8 in every string: {}", one_line(&error.to_string(), MAX_MESSAGE_BYTES))
}

fn mask(mask: wit::Mask, rows: usize) -> Result<Mask, Invalid> {
    Ok(match mask {
        wit::Mask::All => Mask::All,
        wit::Mask::None => Mask::None,
        wit::Mask::Rows(bytes) => Mask::Rows(BooleanArray::new(bitmap("rows", bytes, rows)?, None)),
    })
}

fn rejection(rejection: wit::Rejection, rows: usize) -> Result<Rejection, Invalid> {
    let wit::Rejection { row, code, message } = rejection;
    let row = row as usize;
    if row >= rows {
        return Err(Invalid::new("row", format!("is {row} in a batch of {rows} rows")));
    }
    Ok(Rejection { row, code: self::code(code)?, message: one_line(&message, MAX_MESSAGE_BYTES) })
}

/// In ascending order of rows, of each row only the first.
fn sorted(mut rejected: Vec<Rejection>) -> Vec<Rejection> {
    rejected.sort_by_key(|rejection| rejection.row);
    rejected.dedup_by_key(|rejection| rejection.row);
    rejected
}

fn nulls(validity: Option<Vec<u8>>, length: usize) -> Result<Option<NullBuffer>, Invalid> {
    let Some(validity) = validity else { return Ok(None) };
    let nulls = NullBuffer::new(bitmap("validity", validity, length)?);
    Ok((nulls.null_count() > 0).then_some(nulls))
}

/// The first `length` bits. Bytes beyond them do no harm.
fn bitmap(item: &str, bytes: Vec<u8>, length: usize) -> Result<BooleanBuffer, Invalid> {
    let needed = length.div_ceil(8);
    if bytes.len() < needed {
        let reason = format!("has {} bytes, a bitmap of {length} bits needs {needed}", bytes.len());
        return Err(Invalid::new(item, reason));
    }
    Ok(BooleanBuffer::new(Buffer::from_vec(bytes), 0, length))
}

fn scalars<T: arrow::datatypes::ArrowNativeType>(values: Vec<T>, rows: usize) -> Result<ScalarBuffer<T>, Invalid> {
    length("values", values.len(), rows)?;
    Ok(values.into())
}

fn length(item: &str, found: usize, rows: usize) -> Result<(), Invalid> {
    if found != rows {
        return Err(Invalid::new(item, format!("has {found} values for a batch of {rows} rows")));
    }
    Ok(())
}

/// What Arrow still finds wrong, after every check of ours.
impl From<ArrowError> for Invalid {
    fn from(error: ArrowError) -> Self {
        Self::new("values", one_line(&error.to_string(), MAX_MESSAGE_BYTES))
    }
}

#[cfg(test)]
#[path = "columns_tests.rs"]
mod tests;
