//! Columns as numbers of another type than their own, where that type holds them exactly.

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, Int64Array, PrimitiveArray, UInt64Array};
use arrow::buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use arrow::datatypes::{
    DataType, Decimal128Type, Decimal256Type, Float64Type, Int64Type, TimestampNanosecondType, UInt64Type,
};
use arrow::error::ArrowError;

use crate::source::as_floats;

/// Integers up to here are floats, each one.
const EXACT: u64 = 1 << f64::MANTISSA_DIGITS;

/// Values of a column in a type that was asked for, and the rows whose value that type does not hold; these are null among
/// the values, or NaN.
#[derive(Debug)]
pub(super) struct Exact<T> {
    pub(super) values: T,
    lost: Option<BooleanBuffer>,
}

impl<T> Exact<T> {
    fn all(values: T) -> Self {
        Self { values, lost: None }
    }

    /// Whether the row has a value that the type does not hold.
    #[cold]
    pub(super) fn is_lost(&self, row: usize) -> bool {
        self.lost.as_ref().is_some_and(|lost| lost.value(row))
    }
}

/// A column as signed integers.
pub(super) fn integers(column: &ArrayRef) -> Result<Exact<Int64Array>, ArrowError> {
    match column.data_type() {
        DataType::Int64 => Ok(Exact::all(column.as_primitive::<Int64Type>().clone())),
        DataType::Timestamp(..) => {
            Ok(Exact::all(column.as_primitive::<TimestampNanosecondType>().reinterpret_cast::<Int64Type>()))
        }
        _ => whole(column),
    }
}

/// A column as unsigned integers.
pub(super) fn unsigneds(column: &ArrayRef) -> Result<Exact<UInt64Array>, ArrowError> {
    match column.data_type() {
        DataType::UInt64 => Ok(Exact::all(column.as_primitive::<UInt64Type>().clone())),
        _ => whole(column),
    }
}

/// A column as floats, where what is missing is not a number. Decimals are rounded, to the nearest; integers are not.
pub(super) fn floats(column: &ArrayRef) -> Result<Exact<ScalarBuffer<f64>>, ArrowError> {
    if let Some(floats) = as_floats(column) {
        return Ok(Exact::all(match floats.nulls().filter(|nulls| nulls.null_count() > 0) {
            None => floats.values().clone(),
            Some(_) => floats.iter().map(|value| value.unwrap_or(f64::NAN)).collect(),
        }));
    }
    if is_without_values(column) {
        return Ok(Exact::all(vec![f64::NAN; column.len()].into()));
    }
    #[expect(clippy::cast_precision_loss, reason = "what is not exact is lost")]
    let floats = match column.data_type() {
        DataType::Int64 => {
            let float = |value: i64| is_float(value.unsigned_abs()).then_some(value as f64);
            exactly::<Int64Type, Float64Type>(column.as_primitive(), float)
        }
        DataType::UInt64 => {
            exactly::<UInt64Type, Float64Type>(column.as_primitive(), |value| is_float(value).then_some(value as f64))
        }
        other => return Err(ArrowError::CastError(format!("{other} is not written as floats"))),
    };
    let values = match floats.values.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => floats.values.values().clone(),
        Some(_) => floats.values.iter().map(|value| value.unwrap_or(f64::NAN)).collect(),
    };
    Ok(Exact { values, lost: floats.lost })
}

/// Whether a float holds the integer: its digits from the first one to the last one that is set are not too many.
fn is_float(value: u64) -> bool {
    value <= EXACT || value >> value.trailing_zeros() < EXACT
}

/// A column of numbers as integers.
fn whole<T: ArrowPrimitiveType>(column: &ArrayRef) -> Result<Exact<PrimitiveArray<T>>, ArrowError>
where
    T::Native: TryFrom<i128>,
{
    let fits = |value: i128| T::Native::try_from(value).ok();
    match column.data_type() {
        DataType::Int64 => Ok(exactly(column.as_primitive::<Int64Type>(), |value| fits(value.into()))),
        DataType::UInt64 => Ok(exactly(column.as_primitive::<UInt64Type>(), |value| fits(value.into()))),
        // NaN and infinities are missing, as everywhere.
        DataType::Float64 => Ok(exactly_if(
            column.as_primitive::<Float64Type>(),
            |value| value.is_finite(),
            |value| {
                #[expect(clippy::cast_possible_truncation, reason = "it is whole, and what is too large does not fit")]
                let whole = (value.fract() == 0.0).then_some(value as i128);
                whole.and_then(fits)
            },
        )),
        DataType::Decimal128(_, scale) => {
            let power = u32::try_from(*scale).ok().and_then(|scale| 10_i128.checked_pow(scale));
            let power = power.ok_or_else(|| ArrowError::CastError(format!("a scale of {scale}")))?;
            Ok(exactly(column.as_primitive::<Decimal128Type>(), |value| {
                (value % power == 0).then_some(value / power).and_then(fits)
            }))
        }
        DataType::Decimal256(_, scale) => {
            let text = |value: arrow::datatypes::i256| value.to_string();
            let zeros = usize::try_from(*scale).unwrap_or(0);
            Ok(exactly(column.as_primitive::<Decimal256Type>(), |value| {
                let digits = text(value);
                let (whole, part) = digits.split_at(digits.len().saturating_sub(zeros));
                let is_zero = digits == "0";
                let whole = if is_zero { "0" } else { whole };
                (is_zero || part.bytes().all(|digit| digit == b'0'))
                    .then(|| whole.parse().ok())
                    .flatten()
                    .and_then(fits)
            }))
        }
        _ if is_without_values(column) => Ok(Exact::all(PrimitiveArray::new_null(column.len()))),
        other => Err(ArrowError::CastError(format!("{other} is not written as integers"))),
    }
}

fn is_without_values(column: &ArrayRef) -> bool {
    column.null_count() == column.len()
}

fn exactly<S: ArrowPrimitiveType, T: ArrowPrimitiveType>(
    column: &PrimitiveArray<S>,
    convert: impl Fn(S::Native) -> Option<T::Native>,
) -> Exact<PrimitiveArray<T>> {
    exactly_if(column, |_| true, convert)
}

/// Converts the values for which `is_there` is true. Others become null, and do not count as lost.
fn exactly_if<S: ArrowPrimitiveType, T: ArrowPrimitiveType>(
    column: &PrimitiveArray<S>,
    is_there: impl Fn(S::Native) -> bool,
    convert: impl Fn(S::Native) -> Option<T::Native>,
) -> Exact<PrimitiveArray<T>> {
    let nulls = NullBuffer::new(BooleanBuffer::collect_bool(column.len(), |row| {
        column.is_valid(row) && is_there(column.value(row))
    }));
    let there = PrimitiveArray::<S>::new(column.values().clone(), Some(nulls.clone()));
    let values: PrimitiveArray<T> = there.unary_opt(convert);
    if values.null_count() == nulls.null_count() {
        return Exact::all(values);
    }
    let lost = BooleanBuffer::collect_bool(values.len(), |row| values.is_null(row) && nulls.is_valid(row));
    Exact { values, lost: Some(lost) }
}
