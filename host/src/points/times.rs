//! Times as text.

use super::identity::Identity;
use super::line::{self, OpenLine, Piece};

/// A time as it ends a line: ` 1700000000000000000` and the newline. Lines that follow each other often have the same.
#[derive(Debug)]
pub(super) struct TimeText {
    time: Option<i64>,
    /// Up to the seconds, and from the nanoseconds on, which are zeros more often than not.
    parts: [Part; 2],
}

#[derive(Debug)]
struct Part {
    text: [u8; line::BLOCK],
    length: usize,
    identity: Identity,
}

impl Part {
    fn piece(&self) -> Piece<'_> {
        Piece::new(&self.text, self.length)
    }
}

/// Decimal digits of the nanoseconds of a second.
const NANOSECOND_DIGITS: usize = 9;
/// Nanoseconds of a second.
const SECOND: i64 = 1_000_000_000;

impl TimeText {
    /// The most that a time takes: a space, `-9223372036854775808`, the newline.
    pub(super) const LONGEST: usize = 22;

    /// With two places of its own.
    pub(super) fn new(seconds: Identity, nanoseconds: Identity) -> Self {
        let part = |identity| Part { text: [0; line::BLOCK], length: 0, identity };
        Self { time: None, parts: [part(seconds), part(nanoseconds)] }
    }

    /// Appends a time, in nanoseconds since the epoch, and the newline.
    #[inline(always)]
    pub(super) fn write(&mut self, time: i64, line: &mut OpenLine<'_>) {
        if self.time != Some(time) {
            self.format(time);
        }
        for part in &self.parts {
            line.token(part.piece(), part.identity);
        }
    }

    fn format(&mut self, time: i64) {
        let mut buffer = itoa::Buffer::new();
        let digits = buffer.format(time).as_bytes();
        let (whole, rest) = digits.split_at(digits.len().saturating_sub(NANOSECOND_DIGITS));
        let [seconds, nanoseconds] = &mut self.parts;
        seconds.text[0] = b' ';
        seconds.text[1..=whole.len()].copy_from_slice(whole);
        seconds.length = 1 + whole.len();
        nanoseconds.text[..rest.len()].copy_from_slice(rest);
        nanoseconds.text[rest.len()] = b'\n';
        nanoseconds.length = rest.len() + 1;
        #[expect(clippy::cast_possible_truncation, reason = "any bits tell texts apart")]
        {
            seconds.identity = seconds.identity.text((time / SECOND) as i32);
            nanoseconds.identity = nanoseconds.identity.text((time % SECOND) as i32);
        }
        self.time = Some(time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::points::identity::Token;
    use crate::points::text::Text;

    /// Times after each other, as tokens with the number of their identity.
    fn write(times: &[i64]) -> Vec<(String, u32)> {
        let (mut text, mut start) = (Text::marked(true), 0);
        let mut time_text = TimeText::new(Identity::of_place(0), Identity::of_place(1));
        for time in times {
            let mut line = text.line(TimeText::LONGEST);
            time_text.write(*time, &mut line);
            line.end();
        }
        let token = |token: &Token| {
            let part = start..token.end as usize;
            start = part.end;
            (String::from_utf8_lossy(&text.bytes()[part]).into_owned(), token.identity.number())
        };
        text.tokens().iter().map(token).collect()
    }

    #[test]
    fn a_time_is_parted_before_its_nanoseconds() {
        let parts = |time: i64| write(&[time]).into_iter().map(|(part, _)| part).collect::<Vec<_>>();
        assert_eq!(parts(1_700_000_000_000_000_000), [" 1700000000", "000000000\n"]);
        assert_eq!(parts(0), [" ", "0\n"]);
        assert_eq!(parts(-1), [" ", "-1\n"]);
        assert_eq!(parts(i64::MIN), [" -9223372036", "854775808\n"]);
        assert_eq!(parts(i64::MIN).concat().len(), TimeText::LONGEST);
    }

    #[test]
    fn the_same_time_has_the_same_identities_and_another_one_has_others() {
        let found = write(&[1, 1, 2].map(|second| second * 1_000_000_000));
        assert_eq!((&found[0], &found[1]), (&found[2], &found[3]));
        assert_ne!(found[0].1, found[4].1);
        assert_eq!(found[1].1, found[5].1);
    }
}
