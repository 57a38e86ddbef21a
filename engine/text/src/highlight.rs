//! Snippets: the passage of a text that answers a query best, with the query's words marked.
//!
//! What always holds: a snippet is HTML-escaped text in which `<mark>` is the only element; words are found by the
//! rule of the index; text beyond [`MAX_TEXT`] is not looked at, so the cost is bounded.

use crate::form::Form;
use crate::language::Stemmer;
use crate::query::{Phrase, Scope, TextQuery};
use crate::words::{Word, WordKind, Words, query_words};
use std::ops::Range;

/// Bytes of a text that are looked at.
pub const MAX_TEXT: usize = 512 << 10;
/// Phrases of a query that are looked for.
pub const MAX_PHRASES: usize = 64;
/// Phrases begun at a time, and marks of one passage, that are looked at.
const MAX_BEGUN: usize = 256;
/// Bytes of text in a snippet, about.
const SNIPPET: usize = 220;
/// Bytes before the first mark, about.
const LEAD: usize = 60;

/// What to look for, prepared once for many texts.
pub struct Highlighter {
    phrases: Vec<Wanted>,
    stemmer: Stemmer,
}

struct Wanted {
    scope: Scope,
    /// Words with their distance from the first.
    words: Vec<(usize, String)>,
    stem: Option<String>,
    form: Form,
}

/// A marked passage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snippet {
    /// HTML-escaped, with `<mark>`.
    pub html: String,
    /// Phrases that were found in the text; 0: the snippet is the text's beginning.
    pub found: usize,
}

struct Mark {
    bytes: Range<usize>,
    phrase: usize,
}

impl Highlighter {
    /// For the phrases that a match of `query` should hold.
    #[must_use]
    pub fn new(query: &TextQuery) -> Self {
        let stemmer = Stemmer::default();
        let wanted = |phrase: &Phrase| {
            let words = query_words(&phrase.text);
            let first = words.first()?;
            let stemmed = !phrase.exact
                && phrase.form == Form::Whole
                && words.len() == 1
                && first.kind == WordKind::Spaced;
            let stem = stemmed.then(|| stemmer.stem(&first.text).into_owned());
            let start = first.position;
            let words = words.into_iter().map(|w| (w.position.saturating_sub(start), w.text)).collect();
            Some(Wanted { scope: phrase.scope, words, stem, form: phrase.form })
        };
        let mut phrases: Vec<&Phrase> = query.wanted();
        phrases.truncate(MAX_PHRASES);
        Self { phrases: phrases.into_iter().filter_map(wanted).collect(), stemmer }
    }

    /// There is nothing to look for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.phrases.is_empty()
    }

    /// Looks through the parts of an email (as of [`crate::text_parts`]): the part that holds most of the phrases,
    /// the first of equals, and the best passage of the body.
    #[must_use]
    pub fn look(
        &self,
        parts: &[(&'static str, Vec<&str>)],
        english: bool,
    ) -> (Option<&'static str>, Snippet) {
        let mut best = None;
        let mut snippet = Snippet { html: String::new(), found: 0 };
        for (name, texts) in parts {
            let scope = match *name {
                "subject" => Scope::Subject,
                "body" => Scope::Body,
                "from" => Scope::From,
                "to" => Scope::To,
                "attached" => Scope::Attached,
                _ => Scope::Files,
            };
            let mut found: Vec<usize> = Vec::new();
            for text in texts {
                let marks = self.marks(text, scope, english);
                found.extend(marks.iter().map(|m| m.phrase));
                if scope == Scope::Body {
                    snippet = best_passage(text, &marks);
                } else if scope == Scope::Attached && snippet.found == 0 && !marks.is_empty() {
                    // The words are in an attachment alone.
                    snippet = best_passage(text, &marks);
                }
            }
            let found = distinct(found);
            if found > 0 && best.is_none_or(|(_, most)| found > most) {
                best = Some((*name, found));
            }
        }
        // Names and texts of attachments are one thing to whoever asks.
        let told = |(name, _)| if name == "attached" { "attachments" } else { name };
        (best.map(told), snippet)
    }

    /// Are there words whose stems count? Then it matters whether a mail is English.
    #[must_use]
    pub fn stems(&self) -> bool {
        self.phrases.iter().any(|p| p.stem.is_some())
    }

    fn marks(&self, text: &str, scope: Scope, english: bool) -> Vec<Mark> {
        let text_of = matches!(scope, Scope::Subject | Scope::Body | Scope::Attached);
        let here = |w: &&Wanted| match w.scope {
            Scope::Anywhere => true,
            Scope::Texts => text_of,
            one => one == scope,
        };
        let wanted: Vec<(usize, &Wanted)> =
            self.phrases.iter().enumerate().filter(|(_, w)| here(w)).collect();
        if wanted.is_empty() {
            return Vec::new();
        }
        let has_stems = matches!(scope, Scope::Subject | Scope::Body | Scope::Attached);
        let stems = english && has_stems;
        let mut words = Words::new(text.get(..floor(text, MAX_TEXT)).unwrap_or(text));
        let mut marks = Vec::new();
        let mut begun: Vec<Begun> = Vec::new();
        while let Some(word) = words.advance() {
            begun.retain_mut(|b| b.goes_on(word, &mut marks));
            // A stem begins as its word does: most words need not be stemmed.
            let first = word.text.as_bytes().first();
            let near = |w: &Wanted| w.stem.as_ref().is_some_and(|s| s.as_bytes().first() == first);
            let stemmed = stems && word.kind == WordKind::Spaced && wanted.iter().any(|(_, w)| near(w));
            let stem = stemmed.then(|| self.stemmer.stem(&word.text));
            for (phrase, wanted) in &wanted {
                let by_stem = stem.is_some() && wanted.stem.as_deref() == stem.as_deref();
                let is_stem = has_stems && wanted.stem.as_ref() == Some(&word.text);
                let begins = wanted.words.first().is_some_and(|(_, text)| wanted.form.fits(text, &word.text));
                if by_stem || is_stem || (begins && wanted.words.len() == 1) {
                    marks.push(Mark { bytes: word.from..word.to, phrase: *phrase });
                } else if begins && begun.len() < MAX_BEGUN {
                    let (from, position) = (word.from, word.position);
                    begun.push(Begun { phrase: *phrase, words: &wanted.words, next: 1, from, position });
                }
            }
        }
        marks.sort_by_key(|m| (m.bytes.start, m.bytes.end));
        marks
    }
}

/// A phrase of which the first words have been met.
struct Begun<'w> {
    phrase: usize,
    words: &'w [(usize, String)],
    next: usize,
    from: usize,
    position: usize,
}

impl Begun<'_> {
    /// Takes in a word; `false` when the phrase is whole or broken.
    fn goes_on(&mut self, word: &Word, marks: &mut Vec<Mark>) -> bool {
        let Some((offset, text)) = self.words.get(self.next) else { return false };
        let wanted = self.position.saturating_add(*offset);
        if word.position != wanted || word.text != *text {
            return word.position <= wanted;
        }
        self.next = self.next.saturating_add(1);
        if self.next == self.words.len() {
            marks.push(Mark { bytes: self.from..word.to, phrase: self.phrase });
            return false;
        }
        true
    }
}

fn distinct(mut phrases: Vec<usize>) -> usize {
    phrases.sort_unstable();
    phrases.dedup();
    phrases.len()
}

/// The passage with the most different phrases; the first of equals.
fn best_passage(text: &str, marks: &[Mark]) -> Snippet {
    let mut best: Option<(usize, usize)> = None;
    let mut last = 0usize;
    for (n, mark) in marks.iter().enumerate() {
        let end = mark.bytes.start.saturating_add(SNIPPET.saturating_sub(LEAD));
        while marks.get(last).is_some_and(|m| m.bytes.end <= end) {
            last = last.saturating_add(1);
        }
        let here = marks.get(n..last.max(n)).unwrap_or(&[]).iter().take(MAX_BEGUN);
        let found = distinct(here.map(|m| m.phrase).collect());
        if best.is_none_or(|(_, most)| found > most) {
            best = Some((n, found));
        }
    }
    let first = best.and_then(|(n, _)| marks.get(n));
    let start = first.map_or(0, |m| m.bytes.start.saturating_sub(LEAD));
    let ranges: Vec<Range<usize>> = marks.iter().map(|m| m.bytes.clone()).collect();
    Snippet { html: render(text, passage(text, start), &ranges), found: best.map_or(0, |(_, most)| most) }
}

/// The beginning of a text, as a snippet without marks.
#[must_use]
pub fn beginning(text: &str) -> String {
    render(text, passage(text, 0), &[])
}

/// The nearest character boundary at or before `at`.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at = at.saturating_sub(1);
    }
    at
}

/// About [`SNIPPET`] bytes from about `start` on, cut between words where they are not too long.
fn passage(text: &str, start: usize) -> Range<usize> {
    let start = floor(text, start);
    let cut = |at: usize, within: usize| {
        let near = text.get(at..floor(text, at.saturating_add(within)))?;
        near.char_indices().find(|(_, c)| c.is_whitespace()).map(|(n, _)| at.saturating_add(n))
    };
    let from = if start == 0 { 0 } else { cut(start, LEAD / 2).unwrap_or(start) };
    let end = floor(text, start.saturating_add(SNIPPET));
    let to = if end == text.len() { end } else { cut(end, LEAD / 2).unwrap_or(end) };
    from..to.max(from)
}

/// Escapes a passage, marks what lies in it, and makes each run of blanks one.
fn render(text: &str, passage: Range<usize>, marks: &[Range<usize>]) -> String {
    let mut out = String::with_capacity(passage.len().saturating_mul(2));
    if text.get(..passage.start).is_some_and(|before| !before.trim().is_empty()) {
        out.push_str("… ");
    }
    let mut marks = marks.iter().filter(|m| m.start >= passage.start && m.end <= passage.end).peekable();
    let mut open_until: Option<usize> = None;
    let mut blank = true;
    for (offset, c) in text.get(passage.clone()).unwrap_or("").char_indices() {
        let at = passage.start.saturating_add(offset);
        if open_until.is_some_and(|end| at >= end) {
            out.push_str("</mark>");
            open_until = None;
        }
        while let Some(mark) = marks.next_if(|m| m.start <= at) {
            if mark.end > at {
                if open_until.is_none() {
                    out.push_str("<mark>");
                }
                open_until = Some(open_until.map_or(mark.end, |end| end.max(mark.end)));
            }
        }
        if c.is_whitespace() || c.is_control() {
            if !blank {
                out.push(' ');
            }
            blank = true;
            continue;
        }
        blank = false;
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    if open_until.is_some() {
        out.push_str("</mark>");
    }
    let kept = out.trim_end().len();
    out.truncate(kept);
    if text.get(passage.end..).is_some_and(|after| !after.trim().is_empty()) {
        out.push_str(" …");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn anywhere(text: &str, exact: bool) -> TextQuery {
        TextQuery::Phrase(Phrase { scope: Scope::Anywhere, text: text.to_owned(), exact, form: Form::Whole })
    }

    fn snippet(query: &TextQuery, text: &str) -> String {
        Highlighter::new(query).look(&[("body", vec![text])], true).1.html
    }

    proptest! {
        #[test]
        fn any_text_and_words_are_survived(text: String, word: String, exact: bool) {
            let html = snippet(&anywhere(&word, exact), &text);
            prop_assert_eq!(html.matches("<mark>").count(), html.matches("</mark>").count());
            prop_assert!(!html.replace("<mark>", "").replace("</mark>", "").contains('<'));
        }

        #[test]
        fn a_word_of_the_text_is_marked(text in "([a-zA-Zäßç<&' ]{0,9} ){0,80}") {
            for word in crate::words::words(&text).iter().take(3) {
                let html = snippet(&anywhere(&word.text, true), &text);
                prop_assert!(html.contains("<mark>"), "{} in {}", word.text, html);
            }
        }
    }

    #[test]
    fn the_passage_with_most_words_wins() {
        let text = format!("alpha {} alpha beta & <gamma> {}", "filler ".repeat(100), "filler ".repeat(100));
        let query =
            TextQuery::All(vec![anywhere("alpha", false), anywhere("beta", false), anywhere("gamma", false)]);
        let html = snippet(&query, &text);
        assert!(
            html.contains("<mark>alpha</mark> <mark>beta</mark> &amp; &lt;<mark>gamma</mark>&gt;"),
            "{html}"
        );
        assert!(html.starts_with("… ") && html.ends_with(" …"));
    }

    #[test]
    fn stems_outside_quotes_and_phrases_inside() {
        assert!(snippet(&anywhere("run", false), "He was running.").contains("<mark>running</mark>"));
        assert!(!snippet(&anywhere("run", true), "He was running.").contains("<mark>"));
        assert!(
            snippet(&anywhere("was running", true), "He was running.").contains("<mark>was running</mark>")
        );
        assert!(!snippet(&anywhere("running was", true), "He was running.").contains("<mark>"));
        assert!(snippet(&anywhere("漢字", false), "これは漢字です").contains("<mark>漢字</mark>"));
    }

    #[test]
    fn the_part_is_named() {
        let parts = vec![("subject", vec!["a b"]), ("body", vec!["a b c"]), ("from", vec!["c", "d"])];
        let query = TextQuery::All(vec![anywhere("b", false), anywhere("c", false)]);
        assert_eq!(Highlighter::new(&query).look(&parts, true).0, Some("body"));
        assert_eq!(Highlighter::new(&anywhere("b", false)).look(&parts, true).0, Some("subject"));
        assert_eq!(Highlighter::new(&anywhere("e", false)).look(&parts, true).0, None);
    }
}
