//! Where 1.x and 2.x find the end of a line.
//!
//! They part a request into lines by a function that does not know tags from fields: after the first space that is not
//! escaped it believes to be among the fields. It takes a backslash for the escape of whatever follows. So it counts the
//! space of a tag `a\\ b`, written as `a\\\\ b`, and then takes a quote in a later tag for the start of a text, or the text of a
//! field for none. Such a line hides its end: what follows it in a request is read as a part of it.
//!
//! Source: `scanLine` in `models/points.go`.

/// What is found when a line is looked through for its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineEnd {
    /// Its newline.
    Newline,
    /// Nothing: it is read right where nothing follows it in its request.
    Hidden,
    /// A newline that belongs to the text of a field.
    Early,
}

/// Looks for the end of a line, which has its newline.
#[cold]
pub(super) fn find(line: &[u8]) -> LineEnd {
    let (mut quoted, mut fields, mut equals, mut commas) = (false, false, 0_usize, 0_usize);
    let mut place = 0;
    while let Some(byte) = line.get(place) {
        match byte {
            b'\\' => place += 1,
            b' ' => fields = true,
            b'=' if fields && !quoted => equals += 1,
            b',' if fields && !quoted => commas += 1,
            b'"' if fields && equals > commas => quoted = !quoted,
            b'\n' if !quoted => return if place + 1 == line.len() { LineEnd::Newline } else { LineEnd::Early },
            _ => {}
        }
        place += 1;
    }
    LineEnd::Hidden
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_may_hide_where_their_line_ends() {
        for (line, end) in [
            ("m,t=a f=1 1\n", LineEnd::Newline),
            ("m,t=a f=\"two\nlines\" 1\n", LineEnd::Newline),
            ("m,t=a\\\\ b f=1 1\n", LineEnd::Newline),
            ("m,t=\\\\ \\\\=\" f=1 1\n", LineEnd::Hidden),
            ("m,a\\\\ b=\"c f=1 1\n", LineEnd::Hidden),
            ("m,t=\\\\ \\\\,b f=\"two\nlines\" 1\n", LineEnd::Early),
        ] {
            assert_eq!(find(line.as_bytes()), end, "{line}");
        }
    }
}
