//! Columns of a batch: read in `convert`, and written there.

use std::borrow::Cow;
use std::fmt;

use crate::strings::{Bitmap, View, is_set};
use crate::{Column, Mask, Problem, Strings, Text, Values};

/// Columns are written from one value a row, where `None` is a null.
impl Column {
    /// A column of booleans.
    ///
    /// ```
    /// use converter_sdk::{Column, Values};
    ///
    /// let column = Column::booleans([Some(true), None]);
    /// assert_eq!((column.values, column.validity), (Values::Booleans(vec![0b01]), Some(vec![0b01])));
    /// ```
    pub fn booleans(values: impl IntoIterator<Item = Option<bool>>) -> Self {
        let (mut bits, mut validity) = (Bitmap::default(), Bitmap::default());
        for value in values {
            bits.push(value.unwrap_or_default());
            validity.push(value.is_some());
        }
        Self { values: Values::Booleans(bits.into_bytes()), validity: validity.into_validity() }
    }

    /// A column of signed integers.
    ///
    /// ```
    /// use converter_sdk::{Column, Values};
    ///
    /// let column = Column::integers([Some(-1), None]);
    /// assert_eq!((column.values, column.validity), (Values::Integers(vec![-1, 0]), Some(vec![0b01])));
    /// ```
    pub fn integers(values: impl IntoIterator<Item = Option<i64>>) -> Self {
        flat(values, Values::Integers)
    }

    /// A column of unsigned integers.
    ///
    /// ```
    /// use converter_sdk::{Column, Values};
    ///
    /// let column = Column::unsigneds([Some(1), None]);
    /// assert_eq!((column.values, column.validity), (Values::Unsigneds(vec![1, 0]), Some(vec![0b01])));
    /// ```
    pub fn unsigneds(values: impl IntoIterator<Item = Option<u64>>) -> Self {
        flat(values, Values::Unsigneds)
    }

    /// A column of floats. NaN and infinities are missing values to the host, as nulls are.
    ///
    /// ```
    /// use converter_sdk::{Column, Values};
    ///
    /// let column = Column::floats([Some(1.5), None]);
    /// assert_eq!((column.values, column.validity), (Values::Floats(vec![1.5, 0.0]), Some(vec![0b01])));
    /// ```
    pub fn floats(values: impl IntoIterator<Item = Option<f64>>) -> Self {
        flat(values, Values::Floats)
    }

    /// A column of times, in nanoseconds since the epoch.
    ///
    /// ```
    /// use converter_sdk::{Column, Values};
    ///
    /// let column = Column::timestamps([Some(1), None]);
    /// assert_eq!((column.values, column.validity), (Values::Timestamps(vec![1, 0]), Some(vec![0b01])));
    /// ```
    pub fn timestamps(values: impl IntoIterator<Item = Option<i64>>) -> Self {
        flat(values, Values::Timestamps)
    }

    /// A column of text. For text that depends on one column only, [`crate::PlanBuilder::translate`] is cheaper.
    ///
    /// ```
    /// use converter_sdk::{Column, ColumnView};
    ///
    /// let column = Column::texts([Some("MW"), None]);
    /// assert!(ColumnView::new(&column, 2).texts()?.iter().eq([Some("MW"), None]));
    /// # Ok::<(), converter_sdk::Problem>(())
    /// ```
    pub fn texts<T: AsRef<str>>(values: impl IntoIterator<Item = Option<T>>) -> Self {
        let mut validity = Bitmap::default();
        let mut dictionary: Strings = values.into_iter().inspect(|value| validity.push(value.is_some())).collect();
        dictionary.validity = None; // Rows are null, their words are not.
        let codes = (0..).take(dictionary.len()).collect();
        Self { values: Values::Texts(Text { codes, dictionary }), validity: validity.into_validity() }
    }
}

fn flat<T: Default>(rows: impl IntoIterator<Item = Option<T>>, wrap: fn(Vec<T>) -> Values) -> Column {
    let rows = rows.into_iter();
    let mut values = Vec::with_capacity(rows.size_hint().0);
    let mut validity = Bitmap::default();
    for row in rows {
        validity.push(row.is_some());
        values.push(row.unwrap_or_default());
    }
    Column { values: wrap(values), validity: validity.into_validity() }
}

impl Mask {
    /// Chooses the rows that are `true`.
    ///
    /// ```
    /// use converter_sdk::Mask;
    ///
    /// assert_eq!(Mask::of([true, false, true]), Mask::Rows(vec![0b101]));
    /// assert_eq!(Mask::of([false, false]), Mask::None);
    /// ```
    pub fn of(rows: impl IntoIterator<Item = bool>) -> Self {
        let mut bits = Bitmap::default();
        rows.into_iter().for_each(|row| bits.push(row));
        match bits {
            bits if bits.is_all() => Self::All,
            bits if bits.is_none() => Self::None,
            bits => Self::Rows(bits.into_bytes()),
        }
    }
}

/// A column of a batch, to be read.
///
/// Each method gives one value a row, where `None` is a null, and fails when the column has another type than the plan
/// was made for. Numbers are read in any of their types, where that type holds all of them; a column of nulls is read in
/// every type but text.
///
/// ```
/// use converter_sdk::{Column, ColumnView, Problem};
///
/// /// A function for `PlanBuilder::compute`.
/// fn total([day, night]: [ColumnView<'_>; 2]) -> Result<Column, Problem> {
///     Ok(Column::floats(day.floats()?.zip(night.floats()?).map(|(day, night)| Some(day? + night?))))
/// }
///
/// let (day, night) = (Column::floats([Some(1.0), Some(2.0)]), Column::integers([Some(3), None]));
/// let views = [&day, &night].map(|column| ColumnView::new(column, 2));
/// assert_eq!(total(views)?, Column::floats([Some(4.0), None]));
/// # Ok::<(), Problem>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ColumnView<'a> {
    rows: usize,
    column: &'a Column,
}

impl<'a> ColumnView<'a> {
    /// A view of a column that is to have so many rows; what it lacks of them is null. The plan makes it for its functions, and
    /// tests of such functions do.
    ///
    /// ```
    /// use converter_sdk::{Column, ColumnView};
    ///
    /// let column = Column::integers([Some(1)]);
    /// assert!(ColumnView::new(&column, 2).integers()?.eq([Some(1), None]));
    /// # Ok::<(), converter_sdk::Problem>(())
    /// ```
    pub fn new(column: &'a Column, rows: usize) -> Self {
        Self { rows, column }
    }

    /// How many rows the batch has.
    ///
    /// ```
    /// use converter_sdk::{Column, ColumnView};
    ///
    /// assert_eq!(ColumnView::new(&Column::booleans([None; 3]), 3).rows(), 3);
    /// ```
    pub fn rows(self) -> usize {
        self.rows
    }

    /// The rows of a boolean column.
    ///
    /// ```
    /// use converter_sdk::{Column, ColumnView};
    ///
    /// let column = Column::booleans([Some(true), None]);
    /// assert!(ColumnView::new(&column, 2).booleans()?.eq([Some(true), None]));
    /// # Ok::<(), converter_sdk::Problem>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the column has another type.
    pub fn booleans(self) -> Result<impl ExactSizeIterator<Item = Option<bool>> + 'a, Problem> {
        let bits = match &self.column.values {
            Values::Booleans(bits) => bits.as_slice(),
            _ if self.is_null() => &[],
            other => return Err(mismatch("boolean", other)),
        };
        Ok(self.by_row(move |row| Some(is_set(Some(bits), row))))
    }

    /// The rows of an integer column.
    ///
    /// ```
    /// use converter_sdk::{Column, ColumnView};
    ///
    /// let column = Column::integers([Some(7), None]);
    /// assert!(ColumnView::new(&column, 2).integers()?.eq([Some(7), None]));
    /// # Ok::<(), converter_sdk::Problem>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the column has another type, or has a number that is no such integer.
    pub fn integers(self) -> Result<impl ExactSizeIterator<Item = Option<i64>> + 'a, Problem> {
        let values = match &self.column.values {
            Values::Integers(values) => Cow::Borrowed(values.as_slice()),
            Values::Unsigneds(values) => self.exact("integer", values, |value| i64::try_from(value).ok())?,
            Values::Floats(values) => self.exact("integer", values, whole)?,
            _ if self.is_null() => Cow::default(),
            other => return Err(mismatch("integer", other)),
        };
        Ok(self.by_row(move |row| values.get(row).copied()))
    }

    /// The rows of an unsigned column.
    ///
    /// ```
    /// use converter_sdk::{Column, ColumnView};
    ///
    /// let column = Column::unsigneds([Some(7), None]);
    /// assert!(ColumnView::new(&column, 2).unsigneds()?.eq([Some(7), None]));
    /// # Ok::<(), converter_sdk::Problem>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the column has another type, or has a number that is no such integer.
    pub fn unsigneds(self) -> Result<impl ExactSizeIterator<Item = Option<u64>> + 'a, Problem> {
        let values = match &self.column.values {
            Values::Unsigneds(values) => Cow::Borrowed(values.as_slice()),
            Values::Integers(values) => self.exact("unsigned", values, |value| u64::try_from(value).ok())?,
            Values::Floats(values) => self.exact("unsigned", values, whole)?,
            _ if self.is_null() => Cow::default(),
            other => return Err(mismatch("unsigned", other)),
        };
        Ok(self.by_row(move |row| values.get(row).copied()))
    }

    /// The rows of a float column.
    ///
    /// ```
    /// use converter_sdk::{Column, ColumnView};
    ///
    /// let column = Column::floats([Some(0.5), None]);
    /// assert!(ColumnView::new(&column, 2).floats()?.eq([Some(0.5), None]));
    /// # Ok::<(), converter_sdk::Problem>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the column has another type, or has an integer that a float does not hold.
    pub fn floats(self) -> Result<impl ExactSizeIterator<Item = Option<f64>> + 'a, Problem> {
        let values = match &self.column.values {
            Values::Floats(values) => Cow::Borrowed(values.as_slice()),
            Values::Integers(values) => {
                self.exact("float", values, |value| is_float(value.unsigned_abs()).then_some(value as f64))?
            }
            Values::Unsigneds(values) => {
                self.exact("float", values, |value| is_float(value).then_some(value as f64))?
            }
            _ if self.is_null() => Cow::default(),
            other => return Err(mismatch("float", other)),
        };
        Ok(self.by_row(move |row| values.get(row).copied()))
    }

    /// The rows of a timestamp column, in nanoseconds since the epoch.
    ///
    /// ```
    /// use converter_sdk::{Column, ColumnView};
    ///
    /// let column = Column::timestamps([Some(7), None]);
    /// assert!(ColumnView::new(&column, 2).timestamps()?.eq([Some(7), None]));
    /// # Ok::<(), converter_sdk::Problem>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the column has another type.
    pub fn timestamps(self) -> Result<impl ExactSizeIterator<Item = Option<i64>> + 'a, Problem> {
        let values = match &self.column.values {
            Values::Timestamps(values) => values.as_slice(),
            _ if self.is_null() => &[],
            other => return Err(mismatch("timestamp", other)),
        };
        Ok(self.by_row(move |row| values.get(row).copied()))
    }

    /// The rows of a text column.
    ///
    /// ```
    /// use converter_sdk::{Column, ColumnView};
    ///
    /// let column = Column::integers([Some(7)]);
    /// let problem = ColumnView::new(&column, 1).texts().err().unwrap();
    /// assert_eq!(problem.message, "a text column was to be read, but it is integer");
    /// ```
    ///
    /// # Errors
    ///
    /// When the column has another type.
    pub fn texts(self) -> Result<Texts<'a>, Problem> {
        match &self.column.values {
            Values::Texts(text) => Ok(Texts { view: self, text, dictionary: View::new(&text.dictionary)? }),
            other => Err(mismatch("text", other)),
        }
    }

    /// Whether no row has a value.
    fn is_null(self) -> bool {
        self.column.validity.as_deref().is_some_and(|validity| (0..self.rows).all(|row| !is_set(Some(validity), row)))
    }

    /// The values in another type. What is not one of them in that type is a problem, unless its row is null.
    fn exact<S: Copy + fmt::Display, T: Clone + Default>(
        self,
        to: &str,
        values: &[S],
        convert: impl Fn(S) -> Option<T>,
    ) -> Result<Cow<'a, [T]>, Problem> {
        let convert = |(row, value): (usize, &S)| match convert(*value) {
            Some(value) => Ok(value),
            None if !is_set(self.column.validity.as_deref(), row) => Ok(T::default()),
            None => Err(Problem::new("inexact-value", format!("{value} cannot be read as {to} without changing it"))),
        };
        values.iter().enumerate().map(convert).collect::<Result<Vec<_>, _>>().map(Cow::Owned)
    }

    fn by_row<T, F: Fn(usize) -> Option<T> + 'a>(self, value: F) -> impl ExactSizeIterator<Item = Option<T>> + 'a {
        let validity = self.column.validity.as_deref();
        (0..self.rows).map(move |row| if is_set(validity, row) { value(row) } else { None })
    }
}

/// The rows of a text column, over its distinct values.
///
/// ```
/// use converter_sdk::{Column, ColumnView, Texts};
///
/// let column = Column::texts([Some("4.5"), None]);
/// let texts: Texts<'_> = ColumnView::new(&column, 2).texts()?;
/// assert!(texts.map_distinct(converter_sdk::parse::float).eq([Some(4.5), None]));
/// # Ok::<(), converter_sdk::Problem>(())
/// ```
#[derive(Clone, Copy)]
pub struct Texts<'a> {
    view: ColumnView<'a>,
    text: &'a Text,
    dictionary: View<'a>,
}

impl<'a> Texts<'a> {
    /// The text of each row.
    ///
    /// ```
    /// use converter_sdk::{Column, ColumnView};
    ///
    /// let column = Column::texts([Some("MW"), None]);
    /// let lengths = ColumnView::new(&column, 2).texts()?.iter().map(|text| text.map(str::len));
    /// assert!(lengths.eq([Some(2), None]));
    /// # Ok::<(), converter_sdk::Problem>(())
    /// ```
    pub fn iter(self) -> impl ExactSizeIterator<Item = Option<&'a str>> + 'a {
        self.view.by_row(move |row| self.dictionary.get(*self.text.codes.get(row)? as usize))
    }

    /// What `read` makes of each row's text, where it runs once for each distinct value that the rows use.
    ///
    /// ```
    /// use converter_sdk::{Column, ColumnView};
    ///
    /// let column = Column::texts([Some("1"), Some("x"), None]);
    /// let numbers = ColumnView::new(&column, 3).texts()?.map_distinct(|text| text.parse::<u8>().ok());
    /// assert!(numbers.eq([Some(1), None, None]));
    /// # Ok::<(), converter_sdk::Problem>(())
    /// ```
    pub fn map_distinct<T: Copy>(
        self,
        mut read: impl FnMut(&'a str) -> Option<T>,
    ) -> impl ExactSizeIterator<Item = Option<T>> {
        let mut known: Vec<Option<Option<T>>> = vec![None; self.text.dictionary.len()];
        let validity = self.view.column.validity.as_deref();
        (0..self.view.rows).map(move |row| {
            let code = *self.text.codes.get(row).filter(|_| is_set(validity, row))? as usize;
            let known = known.get_mut(code)?;
            *known.get_or_insert_with(|| read(self.dictionary.get(code)?))
        })
    }
}

/// A float that is an integer.
#[expect(clippy::cast_possible_truncation, reason = "it is whole, and what is too large is no integer of 64 bits")]
fn whole<T: TryFrom<i128>>(value: f64) -> Option<T> {
    // Beyond 128 bits it becomes the largest, which no integer of 64 bits is.
    (value.fract() == 0.0).then_some(value as i128).and_then(|whole| whole.try_into().ok())
}

/// Whether a float holds the integer: it has not too many digits from the first to the last that is set.
fn is_float(value: u64) -> bool {
    value == 0 || value >> value.trailing_zeros() < 1 << f64::MANTISSA_DIGITS
}

fn mismatch(expected: &str, found: &Values) -> Problem {
    let found = match found {
        Values::Booleans(_) => "boolean",
        Values::Integers(_) => "integer",
        Values::Unsigneds(_) => "unsigned",
        Values::Floats(_) => "float",
        Values::Texts(_) => "text",
        Values::Timestamps(_) => "timestamp",
    };
    Problem::new("unexpected-type", format!("a {expected} column was to be read, but it is {found}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failure is a test's to report")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn columns_are_laid_out_as_the_contract_says() {
        let booleans = Column::booleans([Some(true), None, Some(false), Some(true)]);
        assert_eq!(booleans, Column { values: Values::Booleans(vec![0b1001]), validity: Some(vec![0b1101]) });

        let floats = Column::floats([Some(1.5), None]);
        assert_eq!(floats, Column { values: Values::Floats(vec![1.5, 0.0]), validity: Some(vec![0b01]) });

        let times = Column::timestamps((0..9).map(Some));
        assert_eq!(times, Column { values: Values::Timestamps((0..9).collect()), validity: None });

        let texts = Column::texts([Some("a"), None]);
        let dictionary = Strings { offsets: vec![0, 1, 1], data: b"a".to_vec(), validity: None };
        let values = Values::Texts(Text { codes: vec![0, 1], dictionary });
        assert_eq!(texts, Column { values, validity: Some(vec![0b01]) });
    }

    #[test]
    fn a_mask_says_all_or_none_without_a_bitmap() {
        assert_eq!(Mask::of([true; 9]), Mask::All);
        assert_eq!(Mask::of([false; 9]), Mask::None);
        assert_eq!(Mask::of([true, false, false, false, false, false, false, false, true]), Mask::Rows(vec![1, 1]));
    }

    #[test]
    fn a_distinct_value_is_read_once_and_only_where_a_row_has_it() {
        let dictionary = ["1", "2", "x", "unused"].into_iter().map(Some).collect();
        let text = Text { codes: vec![0, 1, 0, 2, 2, 99], dictionary };
        let column = Column { values: Values::Texts(text), validity: Some(vec![0b01_1111]) };
        let mut read = Vec::new();
        let texts = ColumnView::new(&column, 6).texts().unwrap();
        let numbers: Vec<Option<u8>> = texts
            .map_distinct(|text| {
                read.push(text);
                text.parse().ok()
            })
            .collect();
        assert_eq!(numbers, [Some(1), Some(2), Some(1), None, None, None]);
        assert_eq!(read, ["1", "2", "x"]);
    }

    #[test]
    fn a_column_of_another_type_is_a_problem() {
        let column = Column::integers([Some(1)]);
        let problem = ColumnView::new(&column, 1).booleans().err().unwrap();
        assert_eq!(problem.message, "a boolean column was to be read, but it is integer");
    }

    #[test]
    fn numbers_are_read_in_every_type_that_holds_them() {
        let read = |column: Column| {
            let view = ColumnView::new(&column, 2);
            let integers = view.integers().map(Iterator::collect::<Vec<_>>);
            let unsigneds = view.unsigneds().map(Iterator::collect::<Vec<_>>);
            let floats = view.floats().map(Iterator::collect::<Vec<_>>);
            (integers.ok(), unsigneds.ok(), floats.ok())
        };
        let three = (Some(vec![Some(3), None]), Some(vec![Some(3), None]), Some(vec![Some(3.0), None]));
        assert_eq!(read(Column::integers([Some(3), None])), three);
        assert_eq!(read(Column::unsigneds([Some(3), None])), three);
        assert_eq!(read(Column::floats([Some(3.0), None])), three);
        let nothing = (Some(vec![None; 2]), Some(vec![None; 2]), Some(vec![None; 2]));
        assert_eq!(read(Column::texts([None::<&str>; 2])), nothing);

        let most = i64::MAX;
        assert_eq!(read(Column::integers([Some(most), Some(-1)])), (Some(vec![Some(most), Some(-1)]), None, None));
        assert_eq!(read(Column::floats([Some(0.5), Some(1e30)])), (None, None, Some(vec![Some(0.5), Some(1e30)])));
        let column = Column::unsigneds([Some(u64::MAX)]);
        let problem = ColumnView::new(&column, 1).integers().err().unwrap();
        assert_eq!(problem.message, "18446744073709551615 cannot be read as integer without changing it");
    }

    #[test]
    fn a_column_that_is_too_short_ends_in_nulls() {
        let column = Column::integers([Some(1)]);
        assert_eq!(ColumnView::new(&column, 3).integers().unwrap().collect::<Vec<_>>(), [Some(1), None, None]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            rows in prop::collection::vec(
                (any::<Option<bool>>(), any::<Option<i64>>(), any::<Option<u64>>(), any::<Option<String>>()), 0..40,
            ),
        ) {
            let view = |column: Column, read: &dyn Fn(ColumnView<'_>)| read(ColumnView::new(&column, rows.len()));
            view(Column::booleans(rows.iter().map(|row| row.0)), &|column| {
                assert!(column.booleans().unwrap().eq(rows.iter().map(|row| row.0)));
            });
            view(Column::integers(rows.iter().map(|row| row.1)), &|column| {
                assert!(column.integers().unwrap().eq(rows.iter().map(|row| row.1)));
            });
            view(Column::unsigneds(rows.iter().map(|row| row.2)), &|column| {
                assert!(column.unsigneds().unwrap().eq(rows.iter().map(|row| row.2)));
            });
            view(Column::texts(rows.iter().map(|row| row.3.as_deref())), &|column| {
                assert!(column.texts().unwrap().iter().eq(rows.iter().map(|row| row.3.as_deref())));
            });
        }
    }
}
