//! Text from guests, made fit for logs and reports.

/// The text in one line of at most `max` bytes: control characters, what else ends lines, and what changes the direction of
/// text become spaces; what is beyond becomes `…`.
pub(super) fn one_line(text: &str, max: usize) -> String {
    let text = text.trim();
    let end = text.floor_char_boundary(max);
    let mut line: String = text[..end].chars().map(|c| if is_shown(c) { c } else { ' ' }).collect();
    if end < text.len() {
        line.push('…');
    }
    line
}

/// Whether a character stands where it is written, on its line.
fn is_shown(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether the text is words of lower case and digits, joined by `-`.
pub(super) fn is_kebab_case(text: &str) -> bool {
    text.split('-').all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()))
}

/// Whether the text is a semantic version.
pub(super) fn is_semantic_version(text: &str) -> bool {
    let (rest, build) = text.split_once('+').map_or((text, None), |(rest, build)| (rest, Some(build)));
    let (core, pre) = rest.split_once('-').map_or((rest, None), |(core, pre)| (core, Some(pre)));
    let number = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()) && (part.len() == 1 || !part.starts_with('0'))
    };
    let identifiers = |part: &str| {
        part.split('.').all(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
    };
    core.split('.').count() == 3
        && core.split('.').all(number)
        && pre.is_none_or(|pre| {
            identifiers(pre) && pre.split('.').all(|id| !id.bytes().all(|b| b.is_ascii_digit()) || number(id))
        })
        && build.is_none_or(identifiers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_becomes_one_line_that_ends_at_a_character() {
        assert_eq!(one_line("  boom\n\tat x\u{1b}[31m ", 100), "boom  at x [31m");
        assert_eq!(one_line("a\u{2028}b\u{2029}c\u{202e}d\u{2066}e", 100), "a b c d e");
        assert_eq!(one_line("ação", 2), "a…");
        assert_eq!(one_line("ação", 3), "aç…");
    }

    #[test]
    fn codes_are_lower_case_words_joined_by_hyphens() {
        assert!(["invalid-value", "a", "http-2"].into_iter().all(is_kebab_case));
        assert!(!["", "-a", "a-", "a--b", "Invalid", "a b", "é"].into_iter().any(is_kebab_case));
    }

    #[test]
    fn versions_are_semantic() {
        assert!(["0.1.0", "1.4.0-rc.1", "1.0.0+linux.2", "1.0.0--1"].into_iter().all(is_semantic_version));
        let wrong = ["", "1", "1.0", "1.0.0.0", "01.0.0", "1.0.0-01", "1.0.0-", "1.0.0+", "v1.0.0", "1.0.0-a..b"];
        assert!(!wrong.into_iter().any(is_semantic_version));
    }
}
