//! What a client chooses, made harmless for a log.

/// A text on one line: what ends a line, moves a cursor, or turns the direction of writing is
/// written as an escape. Everything else stays as it is, so that a name can be searched for.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_harmful(letter) {
            out.extend(letter.escape_default());
        } else {
            out.push(letter);
        }
    }
    out
}

/// Controls of C0 and C1, line and paragraph separators, and marks of writing direction.
fn is_harmful(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_make_a_line_of_its_own() {
        let name = "q\n[2026-01-01T00:00:00Z ERROR] all is lost\r\x1b[2K\u{202e}\u{85}";
        let line = escaped(name);
        assert_eq!(line.lines().count(), 1);
        assert!(line.starts_with("q\\n[2026") && line.ends_with("\\r\\u{1b}[2K\\u{202e}\\u{85}"));
    }

    #[test]
    fn what_people_write_stays() {
        let name = "it's \"ünï\" \\ 兎 🐇";
        assert_eq!(escaped(name), name);
    }
}
