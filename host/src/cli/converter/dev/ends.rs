//! Long texts, of which the beginning and the end are shown: compilers and commands write their error last.

use std::io::{self, Read, Seek, SeekFrom};

/// What is kept of a text, in bytes: of its beginning, and of its end.
const HEAD: usize = 16 * 1024;
const TAIL: usize = 48 * 1024;

/// The longest text with the line in its middle, in bytes.
const MOST: usize = HEAD + TAIL + 128;

/// What a file holds, with a line instead of its middle where it is long. Memory does not depend on its size.
pub(super) fn of_file(mut file: impl Read + Seek) -> io::Result<String> {
    let size = file.seek(SeekFrom::End(0))?;
    let (head, tail) = (HEAD as u64, TAIL as u64);
    let mut read = |from: u64, limit: u64| -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(from))?;
        (&mut file).take(limit).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    if size <= head + tail {
        return Ok(String::from_utf8_lossy(&read(0, head + tail)?).into_owned());
    }
    let (head, tail) = (read(0, head)?, read(size - tail, tail)?);
    let (head, tail) = (whole_at_its_end(&head), whole_at_its_beginning(&tail));
    let omitted = size - (head.len() + tail.len()) as u64;
    Ok(joined(&String::from_utf8_lossy(head), omitted, &String::from_utf8_lossy(tail)))
}

/// Replaces the middle of a text that is long.
pub(super) fn shorten(text: &mut String) {
    if text.len() <= MOST {
        return;
    }
    let head = &text[..text.floor_char_boundary(HEAD)];
    let tail = &text[text.ceil_char_boundary(text.len() - TAIL)..];
    *text = joined(head, (text.len() - head.len() - tail.len()) as u64, tail);
}

fn joined(head: &str, omitted: u64, tail: &str) -> String {
    format!("{head}\n… {omitted} bytes are not shown …\n{tail}")
}

/// Without the character that is cut off at the end.
fn whole_at_its_end(bytes: &[u8]) -> &[u8] {
    let last = bytes.utf8_chunks().last().map_or(0, |chunk| chunk.invalid().len());
    // What is no text at all stays: only the bytes of one character can be missing.
    match std::str::from_utf8(&bytes[bytes.len() - last..]) {
        Err(error) if error.error_len().is_none() => &bytes[..bytes.len() - last],
        _ => bytes,
    }
}

/// Without the rest of the character that was cut off at the beginning.
fn whole_at_its_beginning(bytes: &[u8]) -> &[u8] {
    let continues = |byte: &&u8| **byte & 0b1100_0000 == 0b1000_0000;
    &bytes[bytes.iter().take(3).take_while(continues).count()..]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::io::Cursor;

    use super::*;

    fn kept(text: &str) -> String {
        let mut kept = text.to_owned();
        shorten(&mut kept);
        kept
    }

    #[test]
    fn a_text_that_is_not_long_stays() {
        let text = "é".repeat((HEAD + TAIL) / 2);
        assert_eq!(of_file(Cursor::new(&text)).unwrap(), text);
        assert_eq!(kept(&text), text);
        assert_eq!(of_file(Cursor::new("")).unwrap(), "");
    }

    #[test]
    fn a_long_text_keeps_its_end_with_the_error() {
        let text = format!("begun\n{}error: it does not compile\n", "warning\n".repeat(1 << 16));
        let read = of_file(Cursor::new(&text)).unwrap();
        let omitted = text.len() - HEAD - TAIL;
        let middle = format!("\n… {omitted} bytes are not shown …\n");
        assert_eq!(read, text[..HEAD].to_owned() + &middle + &text[text.len() - TAIL..]);
        assert!(read.starts_with("begun\n") && read.ends_with("\nerror: it does not compile\n"));
        assert_eq!(kept(&text), read);
        // On the way to the page it is shortened once.
        assert_eq!(kept(&read), read);
    }

    #[test]
    fn no_character_is_cut() {
        for shift in 0..4 {
            let text = "x".repeat(shift) + &"😀".repeat(1 << 16);
            let read = of_file(Cursor::new(&text)).unwrap();
            assert!(!read.contains(char::REPLACEMENT_CHARACTER), "{shift}");
            assert_eq!(kept(&text), read);
            let shown = read.matches('😀').count();
            assert!(read.contains(&format!("… {} bytes", text.len() - shift - 4 * shown)), "{shift}");
        }
        // Bytes that are no text are shown as such.
        let read = of_file(Cursor::new(vec![0xff; 1 << 18])).unwrap();
        assert!(read.starts_with(char::REPLACEMENT_CHARACTER) && read.ends_with(char::REPLACEMENT_CHARACTER));
    }
}
