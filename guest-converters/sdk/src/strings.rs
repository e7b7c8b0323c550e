//! Strings in Arrow's layout.

use crate::{Problem, Strings};

impl Strings {
    /// How many strings there are.
    ///
    /// ```
    /// use converter_sdk::Strings;
    ///
    /// let strings: Strings = [Some("MW"), None].into_iter().collect();
    /// assert_eq!(strings.len(), 2);
    /// ```
    pub fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Whether there is no string.
    ///
    /// ```
    /// use converter_sdk::Strings;
    ///
    /// assert!(Strings::default().is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Goes through the strings; a null is `None`.
    ///
    /// ```
    /// use converter_sdk::Strings;
    ///
    /// let strings: Strings = [Some("MW"), None].into_iter().collect();
    /// assert!(strings.iter()?.eq([Some("MW"), None]));
    /// # Ok::<(), converter_sdk::Problem>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the offsets or the bytes break the contract, which the host never does.
    pub fn iter(&self) -> Result<impl ExactSizeIterator<Item = Option<&str>>, Problem> {
        let view = View::new(self)?;
        Ok((0..self.len()).map(move |index| view.get(index)))
    }
}

impl<T: AsRef<str>> FromIterator<Option<T>> for Strings {
    fn from_iter<I: IntoIterator<Item = Option<T>>>(strings: I) -> Self {
        let mut offsets = vec![0];
        let mut data = Vec::new();
        let mut validity = Bitmap::default();
        for string in strings {
            data.extend_from_slice(string.as_ref().map_or(&[], |string| string.as_ref().as_bytes()));
            offsets.push(length(data.len()));
            validity.push(string.is_some());
        }
        if offsets.len() == 1 {
            offsets.clear(); // No strings have no offsets.
        }
        Self { offsets, data, validity: validity.into_validity() }
    }
}

/// A length, as the contract has it.
#[expect(clippy::expect_used, reason = "a component addresses its memory with 32 bits: every length in it is a `u32`")]
pub(crate) fn length(length: usize) -> u32 {
    // Outside of a component this runs in tests and benchmarks alone, which end here beyond 4 GiB.
    u32::try_from(length).expect("no list or text of a component is longer than 2^32")
}

/// Strings whose bytes are known to be UTF-8, to be picked by index.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    data: &'a str,
    offsets: &'a [u32],
    validity: Option<&'a [u8]>,
}

impl<'a> View<'a> {
    /// Checks the bytes once for all strings.
    pub(crate) fn new(strings: &'a Strings) -> Result<Self, Problem> {
        let data = std::str::from_utf8(&strings.data)
            .map_err(|error| Problem::new("invalid-strings", format!("strings must be UTF-8: {error}")))?;
        Ok(Self { data, offsets: &strings.offsets, validity: strings.validity.as_deref() })
    }

    /// The string at `index`; `None` when it is null or not there.
    pub(crate) fn get(self, index: usize) -> Option<&'a str> {
        let [start, end] = *self.offsets.get(index..)?.first_chunk::<2>()?;
        let string = self.data.get(start as usize..end as usize);
        string.filter(|_| is_set(self.validity, index))
    }
}

/// Whether bit `index` of a bitmap is set, least significant bit first; without a bitmap, all are.
pub(crate) fn is_set(bitmap: Option<&[u8]>, index: usize) -> bool {
    bitmap.is_none_or(|bytes| bytes.get(index / 8).is_some_and(|byte| byte >> (index % 8) & 1 == 1))
}

/// A bitmap being written, least significant bit first.
#[derive(Default)]
pub(crate) struct Bitmap {
    bytes: Vec<u8>,
    length: usize,
    set: usize,
}

impl Bitmap {
    pub(crate) fn push(&mut self, bit: bool) {
        if self.length % 8 == 0 {
            self.bytes.push(0);
        }
        if let Some(last) = self.bytes.last_mut() {
            *last |= u8::from(bit) << (self.length % 8);
        }
        self.length += 1;
        self.set += usize::from(bit);
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub(crate) fn is_all(&self) -> bool {
        self.set == self.length
    }

    pub(crate) fn is_none(&self) -> bool {
        self.set == 0
    }

    /// As the contract has it: no bitmap where there is no null.
    pub(crate) fn into_validity(self) -> Option<Vec<u8>> {
        (!self.is_all()).then_some(self.bytes)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failure is a test's to report")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn strings_are_laid_out_as_the_contract_says() {
        let strings: Strings = [Some("MW"), None, Some(""), Some("é")].into_iter().collect();
        let expected =
            Strings { offsets: vec![0, 2, 2, 2, 4], data: "MWé".as_bytes().to_vec(), validity: Some(vec![0b1101]) };
        assert_eq!(strings, expected);
    }

    #[test]
    fn without_a_null_there_is_no_bitmap() {
        let strings: Strings = [Some("a"), Some("b")].into_iter().collect();
        assert_eq!(strings.validity, None);
    }

    #[test]
    fn no_strings_have_no_offsets() {
        let strings: Strings = [None::<&str>; 0].into_iter().collect();
        assert_eq!(strings, Strings { offsets: vec![], data: vec![], validity: None });
        assert!(strings.is_empty());
        assert_eq!(strings.iter().unwrap().count(), 0);
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_a_problem() {
        let strings = Strings { offsets: vec![0, 1], data: vec![0xff], validity: None };
        assert_eq!(strings.iter().err().unwrap().code, "invalid-strings");
    }

    #[test]
    fn offsets_that_lie_give_no_string() {
        let strings = Strings { offsets: vec![0, 9, 1, 2], data: b"ab".to_vec(), validity: None };
        assert_eq!(strings.iter().unwrap().collect::<Vec<_>>(), [None, None, Some("b")]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(strings: Vec<Option<String>>) {
            let written: Strings = strings.iter().map(Option::as_deref).collect();
            let read: Vec<_> = written.iter().unwrap().map(|string| string.map(str::to_owned)).collect();
            prop_assert_eq!(read, strings);
        }
    }
}
