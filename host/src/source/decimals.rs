//! Decimals: exact as text, rounded once as floats.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, DictionaryArray, Float64Array, Int32Array, PrimitiveArray,
    StringArray,
};
use arrow::datatypes::{ArrowNativeType, DataType, Decimal128Type, Decimal256Type, Float64Type, Int32Type, i256};
use arrow::error::ArrowError;

/// The powers of ten that a 64-bit float holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];
/// Integers up to here are floats, each one.
const EXACT: u64 = 1 << f64::MANTISSA_DIGITS;
/// The digits of the largest decimal, its sign, its point, and a zero before it.
const LONGEST: usize = 80;

/// A column of [`super::ColumnType::Float`] as floats: each decimal is the nearest one, rounded once; `None` where the column
/// is no such column.
pub fn as_floats(column: &dyn Array) -> Option<Float64Array> {
    match column.data_type() {
        DataType::Float64 => column.as_primitive_opt::<Float64Type>().cloned(),
        DataType::Decimal128(_, scale) => {
            let decimals = column.as_primitive_opt::<Decimal128Type>()?;
            Some(decimals.unary(|value| float(&value, Some(value), *scale)))
        }
        DataType::Decimal256(_, scale) => {
            let decimals = column.as_primitive_opt::<Decimal256Type>()?;
            Some(decimals.unary(|value| float(&value, value.to_i128(), *scale)))
        }
        _ => None,
    }
}

fn float<T: ToString>(value: &T, small: Option<i128>, scale: i8) -> f64 {
    // Both are floats exactly, so that the division is all that rounds.
    if let Some(small) = small
        && small.unsigned_abs() <= u128::from(EXACT)
        && let Some(power) = usize::try_from(scale).ok().and_then(|scale| POWERS.get(scale))
    {
        #[expect(clippy::cast_precision_loss, reason = "it is at most 2^53")]
        return small as f64 / power;
    }
    let mut text = String::with_capacity(LONGEST);
    write_digits(&value.to_string(), scale, &mut text);
    // The standard library rounds to nearest, and reads whatever is a number.
    text.parse().unwrap_or(f64::NAN)
}

/// A decimal as text, with as many digits after the point as its type has; none where the column is no decimal, or the row
/// has no value.
pub fn decimal_text(column: &dyn Array, row: usize, text: &mut String) -> Option<()> {
    if column.is_null(row) {
        return None;
    }
    match column.data_type() {
        DataType::Decimal128(_, scale) => {
            write_digits(&column.as_primitive_opt::<Decimal128Type>()?.value(row).to_string(), *scale, text);
        }
        DataType::Decimal256(_, scale) => {
            write_digits(&column.as_primitive_opt::<Decimal256Type>()?.value(row).to_string(), *scale, text);
        }
        _ => return None,
    }
    Some(())
}

/// A column of decimals as text, each distinct one once; none where it is no such column.
///
/// # Errors
///
/// When there are more distinct values than a dictionary holds.
pub fn decimal_texts(column: &ArrayRef) -> Option<Result<ArrayRef, ArrowError>> {
    match column.data_type() {
        DataType::Decimal128(_, scale) => Some(coded(column.as_primitive_opt::<Decimal128Type>()?, *scale)),
        DataType::Decimal256(_, scale) => Some(coded(column.as_primitive_opt::<Decimal256Type>()?, *scale)),
        _ => None,
    }
}

fn coded<T: ArrowPrimitiveType>(values: &PrimitiveArray<T>, scale: i8) -> Result<ArrayRef, ArrowError>
where
    T::Native: Hash + Eq + ToString,
{
    let mut known: HashMap<T::Native, i32> = HashMap::new();
    let mut texts: Vec<String> = Vec::new();
    let mut codes = Vec::with_capacity(values.len());
    for value in values.values() {
        let next = i32::try_from(texts.len()).map_err(|_| ArrowError::DictionaryKeyOverflowError)?;
        codes.push(*known.entry(*value).or_insert_with(|| {
            let mut text = String::new();
            write_digits(&value.to_string(), scale, &mut text);
            texts.push(text);
            next
        }));
    }
    let codes = Int32Array::new(codes.into(), values.nulls().cloned());
    let dictionary = Arc::new(StringArray::from_iter_values(texts));
    Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(codes, dictionary)?))
}

/// Puts the point into the digits of an integer.
fn write_digits(digits: &str, scale: i8, text: &mut String) {
    let scale = usize::try_from(scale).unwrap_or(0);
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
    text.push_str(sign);
    if scale == 0 {
        text.push_str(digits);
        return;
    }
    let (whole, part) = digits.split_at(digits.len().saturating_sub(scale));
    text.push_str(if whole.is_empty() { "0" } else { whole });
    text.push('.');
    text.extend(std::iter::repeat_n('0', scale - part.len()));
    text.push_str(part);
}

/// Decimals from the bytes of big-endian integers of any length.
pub(super) fn from_bytes<'a, T: ArrowPrimitiveType>(
    values: impl ExactSizeIterator<Item = Option<&'a [u8]>>,
    data_type: DataType,
    read: impl Fn(&[u8]) -> Option<T::Native>,
) -> Result<ArrayRef, ArrowError>
where
    T::Native: ArrowNativeType,
{
    let decimal = |value: Option<&[u8]>| {
        let beyond = || ArrowError::CastError(format!("a decimal does not fit into {data_type}"));
        value.map(|bytes| read(bytes).ok_or_else(beyond)).transpose()
    };
    let decimals = values.map(decimal).collect::<Result<PrimitiveArray<T>, _>>()?;
    Ok(Arc::new(decimals.with_data_type(data_type)))
}

/// A big-endian integer in 128 bits, if it fits.
pub(super) fn small(bytes: &[u8]) -> Option<i128> {
    Some(i128::from_be_bytes(extended(bytes)?))
}

/// A big-endian integer in 256 bits, if it fits.
pub(super) fn large(bytes: &[u8]) -> Option<i256> {
    Some(i256::from_be_bytes(extended(bytes)?))
}

/// The integer in so many bytes; none where it needs more.
fn extended<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    let negative = bytes.first().is_some_and(|byte| *byte > i8::MAX.unsigned_abs());
    let fill = if negative { u8::MAX } else { 0 };
    let mut extended = [fill; N];
    let (beyond, kept) = bytes.split_at(bytes.len().saturating_sub(N));
    extended[N - kept.len()..].copy_from_slice(kept);
    let same_sign = (extended[0] > i8::MAX.unsigned_abs()) == negative;
    (same_sign && beyond.iter().all(|byte| *byte == fill)).then_some(extended)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use arrow::array::{Decimal128Array, Decimal256Array};
    use proptest::prelude::*;

    use super::*;

    fn decimals(values: Vec<i128>, scale: i8) -> ArrayRef {
        Arc::new(Decimal128Array::from(values).with_data_type(DataType::Decimal128(38, scale)))
    }

    fn text(value: i128, scale: i8) -> String {
        let mut text = String::new();
        decimal_text(&decimals(vec![value], scale), 0, &mut text).unwrap();
        text
    }

    #[test]
    fn the_text_of_a_decimal_has_every_digit() {
        assert_eq!(text(571_313_174_160_000_019, 0), "571313174160000019");
        assert_eq!(text(-5, 3), "-0.005");
        assert_eq!(text(100, 2), "1.00");
        assert_eq!(text(i128::MIN, 38), "-1.70141183460469231731687303715884105728");
        let wide = Decimal256Array::from(vec![i256::MIN]).with_data_type(DataType::Decimal256(76, 76));
        let mut long = String::new();
        decimal_text(&wide, 0, &mut long).unwrap();
        assert_eq!(long, "-5.7896044618658097711785492504343953926634992332820282019728792003956564819968");
        assert!(long.len() <= LONGEST);
    }

    #[test]
    fn equal_decimals_share_a_text() {
        let texts = decimal_texts(&decimals(vec![150, 25, 150], 2)).unwrap().unwrap();
        let texts = texts.as_dictionary::<Int32Type>().clone();
        assert_eq!(texts.keys().values(), &[0, 1, 0]);
        assert_eq!(texts.values().as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["1.50", "0.25"]);
    }

    #[test]
    fn bytes_of_any_length_are_integers_where_they_fit() {
        assert_eq!(small(&[]), Some(0));
        assert_eq!(small(&[0xff]), Some(-1));
        assert_eq!(small(&[0x80, 0]), Some(-32_768));
        assert_eq!(small(&[vec![0; 10], vec![0x7f; 16]].concat()), Some(i128::from_be_bytes([0x7f; 16])));
        assert_eq!(small(&[vec![0; 1], vec![0xff; 16]].concat()), None);
        assert_eq!(small(&[vec![1], vec![0; 16]].concat()), None);
        assert_eq!(large(&[vec![1], vec![0; 16]].concat()).map(|value| value.to_string()).unwrap().len(), 39);
    }

    proptest! {
        #[test]
        fn a_float_is_the_nearest_to_its_decimal(value: i128, shift in 0..128_u32, scale in 0_i8..=38) {
            let value = value >> shift;
            let floats = as_floats(&decimals(vec![value], scale)).unwrap();
            prop_assert_eq!(floats.value(0), text(value, scale).parse::<f64>().unwrap());
        }

        #[test]
        fn bytes_are_read_as_they_were_written(value: i128, shift in 0..128_u32) {
            let value = value >> shift;
            prop_assert_eq!(small(&value.to_be_bytes()), Some(value));
            prop_assert_eq!(large(&value.to_be_bytes()), Some(i256::from_i128(value)));
        }
    }
}
