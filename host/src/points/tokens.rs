//! Text as it is written, made once a dictionary.

use arrow::array::StringArray;

use super::coded::same;
use super::line::{Piece, Pieces};
use super::rules::Unwritable;

/// The bytes to write for each entry of a dictionary.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    /// The dictionary that they were made from.
    source: Option<StringArray>,
    pieces: Pieces,
    /// Entries that cannot be written; few, in ascending order.
    unwritable: Vec<(usize, Unwritable)>,
}

impl Tokens {
    /// Makes the tokens of a dictionary, unless they exist already: `write` appends a value's token. A null has an
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
        self.pieces.clear();
        self.unwritable.clear();
        let mut token = Vec::new();
        for (index, value) in dictionary.iter().enumerate() {
            token.clear();
            match value.map(|value| write(value, &mut token)) {
                None | Some(Ok(())) => {}
                // An empty value is a missing one.
                Some(Err(Unwritable::Empty)) => token.clear(),
                Some(Err(reason)) => {
                    token.clear();
                    self.unwritable.push((index, reason));
                }
            }
            self.pieces.push(&token);
        }
        self.pieces.push(b"");
        self.source = Some(dictionary.clone());
        true
    }

    /// The token of a code; empty where there is no value, or none that can be written.
    #[inline]
    #[expect(clippy::cast_sign_loss, reason = "the codes of an Arrow dictionary are never negative")]
    pub(super) fn get(&self, code: i32) -> Piece<'_> {
        self.pieces.get(code as usize)
    }

    /// Something of each token, by its code.
    pub(super) fn map<T>(&self, of: impl Fn(&[u8]) -> T) -> Vec<T> {
        self.pieces.iter().map(|piece| of(piece.bytes())).collect()
    }

    /// The length of the longest token.
    pub(super) fn longest(&self) -> usize {
        self.pieces.longest()
    }

    /// Why the token of a code is empty, if it is not because there is no value.
    pub(super) fn unwritable(&self, code: i32) -> Option<Unwritable> {
        let index = usize::try_from(code).ok()?;
        let found = self.unwritable.binary_search_by_key(&index, |(entry, _)| *entry).ok()?;
        Some(self.unwritable[found].1)
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
        let write =
            |text: &str, line: &mut Vec<u8>| escape::element(Element::TagValue, text, Dialect::Any, line).map(drop);
        let dictionary = StringArray::from(vec![Some("sul"), None, Some(""), Some("two\nlines")]);
        let mut tokens = Tokens::default();
        assert!(tokens.update(&dictionary, write));
        assert!(!tokens.update(&dictionary, write));
        assert_eq!(tokens.get(0).bytes(), b"sul");
        for code in 1..=4 {
            assert_eq!(tokens.get(code).bytes(), b"");
        }
        assert_eq!(tokens.longest(), 3);
        assert_eq!(tokens.unwritable(2), None);
        assert_eq!(tokens.unwritable(3), Some(Unwritable::LineBreak));
        assert!(tokens.update(&StringArray::from(vec!["norte"]), write));
        assert_eq!((tokens.get(0).bytes(), tokens.longest()), (&b"norte"[..], 5));
    }
}
