//! Times as text.

use super::line::{self, OpenLine, Piece};

/// A time as it ends a line: ` 1700000000000000000` and the newline. Lines that follow each other often have the same.
#[derive(Debug, Default)]
pub(super) struct TimeText {
    time: Option<i64>,
    text: [u8; line::BLOCK],
    length: usize,
}

impl TimeText {
    /// The most that a time takes: a space, `-9223372036854775808`, the newline.
    pub(super) const LONGEST: usize = 22;

    /// Appends a time, in nanoseconds since the epoch, and the newline.
    #[inline(always)]
    pub(super) fn write(&mut self, time: i64, line: &mut OpenLine<'_>) {
        if self.time != Some(time) {
            self.format(time);
        }
        line.piece(Piece::new(&self.text, self.length));
    }

    fn format(&mut self, time: i64) {
        let mut buffer = itoa::Buffer::new();
        let digits = buffer.format(time).as_bytes();
        self.text[0] = b' ';
        self.text[1..=digits.len()].copy_from_slice(digits);
        self.text[digits.len() + 1] = b'\n';
        self.length = digits.len() + 2;
        self.time = Some(time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::points::text::Text;

    /// Times after each other, as they are written.
    fn write(times: &[i64]) -> String {
        let (mut text, mut time_text) = (Text::default(), TimeText::default());
        for time in times {
            let mut line = text.line(TimeText::LONGEST);
            time_text.write(*time, &mut line);
            line.end();
        }
        String::from_utf8_lossy(text.bytes()).into_owned()
    }

    #[test]
    fn a_time_ends_its_line() {
        assert_eq!(write(&[1_700_000_000_000_000_000]), " 1700000000000000000\n");
        assert_eq!(write(&[0, -1]), " 0\n -1\n");
        assert_eq!(write(&[i64::MIN]), " -9223372036854775808\n");
        assert_eq!(write(&[i64::MIN]).len(), TimeText::LONGEST);
    }

    #[test]
    fn the_same_time_is_written_again_and_another_one_replaces_it() {
        assert_eq!(write(&[7, 7, 1_234_567_890, 7]), " 7\n 7\n 1234567890\n 7\n");
    }
}
