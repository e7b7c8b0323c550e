//! Columns as text: codes into a dictionary.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::buffer::ScalarBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int32Type, TimestampNanosecondType};
use arrow::error::ArrowError;

use crate::source::decimal_texts;

/// A column as `dictionary[codes[row]]`. A row without a value has the code after the dictionary's last.
#[derive(Clone, Debug)]
pub(super) struct Coded {
    pub(super) codes: ScalarBuffer<i32>,
    pub(super) dictionary: StringArray,
    pub(super) has_nulls: bool,
}

impl Coded {
    /// The text of a column in one of the types of `ColumnType::arrow`. Columns that are not text become text as the
    /// contract defines it: numbers in decimal, those of decimals with every digit, booleans as `true` and `false`,
    /// timestamps as RFC 3339; what is not finite has no text.
    pub(super) fn new(column: &ArrayRef) -> Result<Self, ArrowError> {
        let text = match (column.data_type(), decimal_texts(column)) {
            (DataType::Dictionary(..), _) => Arc::clone(column),
            (_, Some(text)) => text?,
            (_, None) => dictionary(&as_text(column)?)?,
        };
        let array = text.as_dictionary_opt::<Int32Type>().and_then(|array| {
            let values = array.values().as_string_opt::<i32>()?;
            Some((array, values.clone()))
        });
        let Some((array, dictionary)) = array else {
            return Err(ArrowError::CastError(format!("{} is not dictionary text", text.data_type())));
        };
        let keys = array.keys();
        let none = i32::try_from(dictionary.len()).map_err(|_| ArrowError::DictionaryKeyOverflowError)?;
        let codes = match keys.nulls().filter(|nulls| nulls.null_count() > 0) {
            None => keys.values().clone(),
            Some(nulls) => {
                let mut codes = keys.values().to_vec();
                for row in (!nulls.inner()).set_indices() {
                    codes[row] = none;
                }
                codes.into()
            }
        };
        Ok(Self { codes, has_nulls: keys.null_count() > 0, dictionary })
    }
}

fn dictionary(text: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    cast(text, &DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)))
}

fn as_text(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match column.data_type() {
        DataType::Float64 => {
            let finite = column
                .as_primitive::<Float64Type>()
                .unary_opt::<_, Float64Type>(|value| value.is_finite().then_some(value));
            cast(&finite, &DataType::Utf8)
        }
        DataType::Timestamp(..) => {
            let utc = column.as_primitive::<TimestampNanosecondType>().clone().with_timezone("+00:00");
            cast(&utc, &DataType::Utf8)
        }
        _ => cast(column, &DataType::Utf8),
    }
}

/// Whether two dictionaries are one and the same in memory. Both are alive, so that the same place means the same text.
pub(super) fn same(one: &StringArray, other: &StringArray) -> bool {
    one.len() == other.len()
        && one.value_data().as_ptr() == other.value_data().as_ptr()
        && one.value_offsets().as_ptr() == other.value_offsets().as_ptr()
        && match (one.nulls(), other.nulls()) {
            (None, None) => true,
            (Some(one), Some(other)) => {
                one.buffer().as_ptr() == other.buffer().as_ptr() && one.offset() == other.offset()
            }
            (None, Some(_)) | (Some(_), None) => false,
        }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use arrow::array::{
        BooleanArray, DictionaryArray, Float64Array, Int64Array, TimestampNanosecondArray, UInt64Array,
    };

    use super::*;

    fn texts(column: impl Array + 'static) -> Vec<Option<String>> {
        let coded = Coded::new(&(Arc::new(column) as ArrayRef)).unwrap();
        let text = |code: &i32| {
            let code = usize::try_from(*code).unwrap();
            (code < coded.dictionary.len()).then(|| coded.dictionary.value(code).to_owned())
        };
        coded.codes.iter().map(text).collect()
    }

    #[test]
    fn dictionary_text_is_taken_as_it_stands() {
        let column: DictionaryArray<Int32Type> = [Some("sul"), None, Some("norte"), Some("sul")].into_iter().collect();
        assert_eq!(texts(column), [Some("sul".into()), None, Some("norte".into()), Some("sul".into())]);
    }

    #[test]
    fn other_types_become_text_as_the_contract_says() {
        assert_eq!(texts(BooleanArray::from(vec![Some(true), None])), [Some("true".into()), None]);
        assert_eq!(texts(Int64Array::from(vec![i64::MIN])), [Some("-9223372036854775808".into())]);
        assert_eq!(texts(UInt64Array::from(vec![u64::MAX])), [Some("18446744073709551615".into())]);
        assert_eq!(texts(Float64Array::from(vec![1.5, f64::NAN, f64::INFINITY])), [Some("1.5".into()), None, None]);
        let time = TimestampNanosecondArray::from(vec![1_700_000_000_500_000_000]);
        assert_eq!(texts(time), [Some("2023-11-14T22:13:20.500Z".into())]);
    }

    #[test]
    fn the_same_text_at_another_place_is_not_the_same_dictionary() {
        let one = StringArray::from(vec!["a", "b"]);
        assert!(same(&one, &one.clone()));
        assert!(!same(&one, &one.slice(0, 1)));
        assert!(!same(&one, &StringArray::from(vec!["a", "b"])));
    }
}
