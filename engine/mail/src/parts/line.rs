//! Lines of a mail's text, and words compared as mail programs write them.
//!
//! What always holds: lines follow one another without gap, each ends behind its `\n`, and looking at one is linear in
//! its length.

/// One line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'t> {
    /// Where it begins in the text.
    pub(super) start: usize,
    /// Where the next one begins.
    pub(super) end: usize,
    /// Its text without the line end.
    pub(super) text: &'t str,
}

impl<'t> Line<'t> {
    /// Its text without blanks around it.
    pub(super) fn trimmed(&self) -> &'t str {
        self.text.trim()
    }

    pub(super) fn is_blank(&self) -> bool {
        self.trimmed().is_empty()
    }
}

/// The lines from some place on. A copy looks ahead.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lines<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lines<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    /// The next line that is not blank, if at most `blanks` blank ones are before it.
    pub(super) fn next_filled(&mut self, blanks: usize) -> Option<Line<'t>> {
        self.take(blanks.saturating_add(1)).find(|line| !line.is_blank())
    }
}

impl<'t> Iterator for Lines<'t> {
    type Item = Line<'t>;

    fn next(&mut self) -> Option<Line<'t>> {
        let rest = self.text.get(self.at..).filter(|rest| !rest.is_empty())?;
        let end = memchr::memchr(b'\n', rest.as_bytes());
        let text = end.and_then(|end| rest.get(..end)).unwrap_or(rest);
        let length = end.map_or(rest.len(), |end| end.saturating_add(1));
        let start = self.at;
        self.at = start.saturating_add(length);
        Some(Line { start, end: self.at, text: text.strip_suffix('\r').unwrap_or(text) })
    }
}

/// The character that a mail gateway put where it had none for the real one.
fn is_lost(c: char) -> bool {
    matches!(c, '?' | char::REPLACEMENT_CHARACTER)
}

/// What follows `word` at the start of `text`. `word` is in lower case; letters beyond ASCII may have been lost.
pub(super) fn after_word<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    let mut chars = text.chars();
    for expected in word.chars() {
        let found = chars.next()?;
        let same = found == expected
            || found.is_ascii() && found.to_ascii_lowercase() == expected
            || !expected.is_ascii() && (is_lost(found) || found.to_lowercase().eq([expected]));
        if !same {
            return None;
        }
    }
    Some(chars.as_str())
}

/// Whether a text is one of some words.
pub(super) fn is_one_of(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| after_word(text, word).is_some_and(str::is_empty))
}

/// Whether a text begins with one of some words.
pub(super) fn begins_with_one_of(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| after_word(text, word).is_some())
}

/// The start of a text, at most `limit` bytes.
pub(super) fn head(text: &str, limit: usize) -> &str {
    let mut end = limit.min(text.len());
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or_default()
}

/// The mark at the start of a line that says that it is quoted: its length, or `None`.
pub(super) fn quote_mark(text: &str) -> Option<usize> {
    /// Longest name in front of the mark.
    const NAME: usize = 6;
    /// Prompts of programs that look like names.
    const PROMPTS: &[&str] = &["R", "SQL", "PS"];
    let rest = text.trim_start();
    if rest.starts_with('>') {
        return Some(text.len().saturating_sub(rest.len()).saturating_add(1));
    }
    // Some programs put initials before the mark.
    let length = rest.bytes().take(NAME).take_while(u8::is_ascii_alphanumeric).count();
    let (name, after) = rest.split_at_checked(length)?;
    let marked = name.starts_with(|c: char| c.is_ascii_uppercase()) && !PROMPTS.contains(&name);
    let after = after
        .strip_prefix('>')
        .filter(|after| marked && (after.is_empty() || after.starts_with([' ', '>'])))?;
    Some(text.len().saturating_sub(after.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_follow_one_another() {
        let lines: Vec<_> = Lines::new("a\r\n\nb").map(|l| (l.start, l.end, l.text)).collect();
        assert_eq!(lines, [(0, 3, "a"), (3, 4, ""), (4, 5, "b")]);
        assert_eq!(Lines::new("\n\n x").next_filled(2).unwrap().text, " x");
        assert!(Lines::new("\n\n x").next_filled(1).is_none());
    }

    #[test]
    fn words_are_found_whatever_happened_to_their_accents() {
        assert_eq!(after_word("Envoyé : x", "envoyé"), Some(" : x"));
        assert_eq!(after_word("ENVOY? x", "envoyé"), Some(" x"));
        assert!(is_one_of("Ämne", &["x", "ämne"]) && !is_one_of("Amne", &["ämne"]));
        assert_eq!(head("aé", 2), "a");
    }

    #[test]
    fn quote_marks_are_told_from_prompts() {
        for quoted in ["> a", ">a", "  >> a", "MM> a", "   Tom>> a", "AB>"] {
            assert!(quote_mark(quoted).is_some(), "{quoted}");
        }
        for not in ["a > b", "R> 1", "SQL> select", "html> x", "<b> x", "A>B", "Someone> x", "", "é> x"] {
            assert!(quote_mark(not).is_none(), "{not}");
        }
    }
}
