//! Text as it is written, made once a dictionary.

use std::ops::Range;

use arrow::array::StringArray;

use super::coded::same;
use super::rules::Unwritable;

/// The bytes to write for each entry of a dictionary.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    /// The dictionary that they were made from.
    source: Option<StringArray>,
    bytes: Vec<u8>,
    /// One more than there are tokens.
    offsets: Vec<usize>,
    /// The length of the longest.
    longest: usize,
    /// Entries that cannot be written; few, in ascending order.
    unwritable: Vec<(usize, Unwritable)>,
}

impl Tokens {
    /// Makes the tokens of a dictionary, unless they are there already: `write` appends a value's token. A null has an
    /// empty token, and so has the entry after the last, which stands for rows without a value. Returns whether there was
    /// something to do.
    pub(super) fn update(
        &mut self,
        dictionary: &StringArray,
        write: impl Fn(&str, &mut Vec<u8>) -> Result<(), Unwritable>,
    ) -> bool {
        if self.source.as_ref().is_some_and(|source| same(source, dictionary)) {
            return false;
        }
        self.bytes.clear();
        self.offsets.clear();
        self.longest = 0;
        self.unwritable.clear();
        self.offsets.push(0);
        for (index, value) in dictionary.iter().enumerate() {
            let start = self.bytes.len();
            match value.map(|value| write(value, &mut self.bytes)) {
                None | Some(Ok(())) => {}
                // An empty value is a missing one.
                Some(Err(Unwritable::Empty)) => self.bytes.truncate(start),
                Some(Err(reason)) => {
                    self.bytes.truncate(start);
                    self.unwritable.push((index, reason));
                }
            }
            self.longest = self.longest.max(self.bytes.len() - start);
            self.offsets.push(self.bytes.len());
        }
        self.offsets.push(self.bytes.len());
        self.source = Some(dictionary.clone());
        true
    }

    /// The token of a code; empty where there is no value, or none that can be written.
    #[inline]
    pub(super) fn get(&self, code: i32) -> &[u8] {
        &self.bytes[self.range(code)]
    }

    /// The length of the longest token.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// Why the token of a code is empty, if it is not because there is no value.
    pub(super) fn unwritable(&self, code: i32) -> Option<Unwritable> {
        let index = usize::try_from(code).ok()?;
        let found = self.unwritable.binary_search_by_key(&index, |(entry, _)| *entry).ok()?;
        Some(self.unwritable[found].1)
    }

    #[inline]
    #[expect(clippy::cast_sign_loss, reason = "the codes of an Arrow dictionary are never negative")]
    fn range(&self, code: i32) -> Range<usize> {
        let code = code as usize;
        self.offsets[code]..self.offsets[code + 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::points::dialect::Dialect;
    use crate::points::escape;
    use crate::points::rules::Element;

    #[test]
    fn tokens_are_made_once_a_dictionary() {
        let write = |text: &str, line: &mut Vec<u8>| escape::element(Element::TagValue, text, Dialect::Any, line);
        let dictionary = StringArray::from(vec![Some("sul"), None, Some(""), Some("two\nlines")]);
        let mut tokens = Tokens::default();
        assert!(tokens.update(&dictionary, write));
        assert!(!tokens.update(&dictionary, write));
        assert_eq!(tokens.get(0), b"sul");
        for code in 1..=4 {
            assert_eq!(tokens.get(code), b"");
        }
        assert_eq!(tokens.longest(), 3);
        assert_eq!(tokens.unwritable(2), None);
        assert_eq!(tokens.unwritable(3), Some(Unwritable::LineBreak));
        assert!(tokens.update(&StringArray::from(vec!["norte"]), write));
        assert_eq!((tokens.get(0), tokens.longest()), (&b"norte"[..], 5));
    }
}
