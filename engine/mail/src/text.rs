//! Plain text on its way to search: line ends and characters that no one wrote.

/// Whether nothing in it would be tidied away but line ends.
#[must_use]
pub fn is_clean(text: &str) -> bool {
    !text.contains(is_noise)
}

/// The text with `\n` line ends and blanks for noise, at most `limit` bytes. `true`: there was more.
#[must_use]
pub fn tidy(text: String, limit: usize) -> (String, bool) {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    limited(if is_clean(&text) { text } else { text.replace(is_noise, " ") }, limit)
}

/// At most `limit` bytes of a text. `true`: there was more.
#[must_use]
pub fn limited(mut text: String, limit: usize) -> (String, bool) {
    let cut = text.len() > limit;
    if cut {
        let mut end = limit;
        while !text.is_char_boundary(end) {
            end = end.saturating_sub(1);
        }
        text.truncate(end);
    }
    (text, cut)
}

/// Characters that no one wrote: some programs leave what was in their memory behind a body's closing zero.
fn is_noise(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{c}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_and_line_ends_are_tidied() {
        assert_eq!(tidy("a\r\nb\rc\0d".to_owned(), 100), ("a\nb\nc d".to_owned(), false));
        assert!(is_clean("a\r\n\tb") && !is_clean("a\u{1}"));
        assert_eq!(limited("aé".to_owned(), 2), ("a".to_owned(), true));
    }
}
