//! Words of a text, with their places in it: what the index holds, what queries look for, what snippets mark.
//!
//! A word is a run of letters, digits and the marks on them; an apostrophe inside it does not end it, and a
//! possessive `'s` is not part of it. Everything else parts words, so an address, a file name or a version number
//! is several words side by side. Scripts without blanks give each character and each pair of neighbours.
//! What always holds: words come in the order of their positions, and one text always gives the same words,
//! whether it is a mail or a query.

use crate::fold::{fold_char, is_unspaced};
use unicode_normalization::char::is_combining_mark;

/// Bytes of a word that are compared; the rest of longer ones is ignored.
pub const MAX_WORD: usize = 96;

/// What a word is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WordKind {
    /// A run of letters and digits.
    Spaced,
    /// One character of a script without blanks.
    Single,
    /// Two neighbours of such a script.
    Pair,
}

/// One word, folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Its folded text.
    pub text: String,
    /// Where it begins in the text, in bytes.
    pub from: usize,
    /// Where it ends.
    pub to: usize,
    /// Its number among the words of the text; a pair has that of its first character.
    pub position: usize,
    /// What it is.
    pub kind: WordKind,
}

/// Reads the words of a text without allocating for each.
pub struct Words<'t> {
    text: &'t str,
    at: usize,
    next_position: usize,
    pair: bool,
    word: Word,
}

impl<'t> Words<'t> {
    /// The words of `text`.
    #[must_use]
    pub fn new(text: &'t str) -> Self {
        let word = Word { text: String::new(), from: 0, to: 0, position: 0, kind: WordKind::Spaced };
        Self { text, at: 0, next_position: 0, pair: false, word }
    }

    /// Goes to the next word.
    pub fn advance(&mut self) -> Option<&Word> {
        if self.pair {
            self.pair = false;
            self.push_pair();
            return Some(&self.word);
        }
        loop {
            let rest = self.text.get(self.at..)?;
            let (skipped, first) = rest.char_indices().find(|(_, c)| c.is_alphanumeric())?;
            let from = self.at.saturating_add(skipped);
            self.word.text.clear();
            self.word.from = from;
            if is_unspaced(first) {
                fold_char(first, &mut self.word.text);
                self.at = from.saturating_add(first.len_utf8());
                self.pair = self.neighbour().is_some();
                self.word.kind = WordKind::Single;
            } else {
                self.take_run(from);
                self.word.kind = WordKind::Spaced;
            }
            self.word.to = self.at;
            if !self.word.text.is_empty() {
                self.word.position = self.next_position;
                self.next_position = self.next_position.saturating_add(1);
                return Some(&self.word);
            }
        }
    }

    /// The character right after the current one, if it makes a pair with it.
    fn neighbour(&self) -> Option<char> {
        let next = self.text.get(self.at..)?.chars().next()?;
        (is_unspaced(next) && next.is_alphanumeric()).then_some(next)
    }

    fn push_pair(&mut self) {
        if let Some(next) = self.neighbour() {
            fold_char(next, &mut self.word.text);
            self.word.to = self.at.saturating_add(next.len_utf8());
            self.word.kind = WordKind::Pair;
        }
    }

    fn take_run(&mut self, from: usize) {
        let rest = self.text.get(from..).unwrap_or("");
        let mut end = from;
        let mut possessive = None;
        let mut chars = rest.char_indices().peekable();
        while let Some((offset, c)) = chars.next() {
            let after = from.saturating_add(offset).saturating_add(c.len_utf8());
            if is_apostrophe(c) {
                let goes_on = chars.peek().is_some_and(|(_, n)| n.is_alphanumeric() && !is_unspaced(*n));
                if !goes_on {
                    break;
                }
                possessive = Some(self.word.text.len());
            } else if is_inside_word(c) && !is_unspaced(c) {
                if self.word.text.len() < MAX_WORD && !is_joiner(c) {
                    fold_char(c, &mut self.word.text);
                }
            } else {
                break;
            }
            end = after;
        }
        self.at = end;
        if let Some(len) = possessive.filter(|len| self.word.text.get(*len..) == Some("s")) {
            self.word.text.truncate(len);
        }
    }
}

fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '\u{2019}' | '\u{2bc}' | '\u{ff07}')
}

fn is_inside_word(c: char) -> bool {
    c.is_alphanumeric() || (!c.is_ascii() && (is_combining_mark(c) || is_joiner(c)))
}

/// Invisible inside words: the soft hyphen and the joiners.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200c}' | '\u{200d}')
}

/// All words of a short text.
#[must_use]
pub fn words(text: &str) -> Vec<Word> {
    let mut words = Words::new(text);
    let mut out = Vec::new();
    while let Some(word) = words.advance() {
        out.push(word.clone());
    }
    out
}

/// The words that a query for `text` looks for: in a script without blanks pairs where there are any, as they
/// say more than single characters.
#[must_use]
pub fn query_words(text: &str) -> Vec<Word> {
    let all = words(text);
    let mut out: Vec<Word> = Vec::with_capacity(all.len());
    let mut after_pair = None;
    for word in all {
        match word.kind {
            WordKind::Pair => {
                after_pair = Some(word.to);
                if out.last().is_some_and(|w| w.kind == WordKind::Single && w.position == word.position) {
                    out.pop();
                }
                out.push(word);
            }
            // The last character of a run is in the pair before it.
            WordKind::Single if after_pair == Some(word.to) => {}
            _ => out.push(word),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(text: &str) -> Vec<String> {
        words(text).into_iter().map(|w| w.text).collect()
    }

    proptest! {
        #[test]
        fn words_lie_in_the_text_in_order(text: String) {
            let mut last = 0;
            for word in words(&text) {
                prop_assert!(text.get(word.from..word.to).is_some());
                prop_assert!(!word.text.is_empty());
                prop_assert!(word.text.len() <= MAX_WORD + 72);
                prop_assert!(word.position >= last);
                last = word.position;
            }
        }
    }

    #[test]
    fn what_parts_words_and_what_does_not() {
        assert_eq!(texts("Don't panic, John's O’Brien!"), ["dont", "panic", "john", "obrien"]);
        assert_eq!(
            texts("alice.b@example.com report_2.pdf"),
            ["alice", "b", "example", "com", "report", "2", "pdf"]
        );
        assert_eq!(texts("naïve co\u{ad}operate e\u{301}t"), ["naive", "cooperate", "et"]);
        assert_eq!(texts("'' -- !"), Vec::<String>::new());
    }

    #[test]
    fn scripts_without_blanks_give_characters_and_pairs() {
        assert_eq!(texts("漢字かな x"), ["漢", "漢字", "字", "字か", "か", "かな", "な", "x"]);
        let query: Vec<_> = query_words("漢字か").into_iter().map(|w| (w.text, w.position)).collect();
        assert_eq!(query, [("漢字".to_owned(), 0), ("字か".to_owned(), 1)]);
        assert_eq!(query_words("字").len(), 1);
        assert_eq!(query_words("漢字 abc 字").len(), 3);
    }

    #[test]
    fn an_endless_word_is_cut() {
        assert!(texts(&"a".repeat(100_000))[0].len() <= MAX_WORD);
    }
}
