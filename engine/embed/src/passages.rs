//! What of a mail is embedded: its subject and what its writer wrote, whole or in passages.
//!
//! What always holds: a passage is a part of the mail's text, in its order; a mail with any text has at least one; a mail
//! of any length has at most so many as its words make, and no more than a limit.

use std::ops::Range;

/// Words of a mail that is embedded whole.
const WHOLE: usize = 180;
/// Words of a passage of a longer one, and those that it has in common with the next.
const LENGTH: usize = 120;
const OVERLAP: usize = 20;
/// Passages of one mail: 100,000 words and more.
const MOST: usize = 1_000;
/// Bytes of a word: what has no blank for longer, as addresses and Chinese have none, counts as several, so that a passage
/// never has more pieces than a model looks at.
const LONGEST_WORD: usize = 16;
/// Bytes of the subject that go before each passage.
const LONGEST_SUBJECT: usize = 256;

/// A part of a mail that is embedded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// Where it is in the body.
    pub range: Range<usize>,
    /// What is embedded: the subject before it.
    pub text: String,
}

/// The passages of a mail: of its subject, and of its body without quotes, signatures and footers.
#[must_use]
pub fn passages(subject: &str, body: &str) -> Vec<Passage> {
    let subject = subject.trim();
    let subject = subject.get(..subject.floor_char_boundary(LONGEST_SUBJECT)).unwrap_or(subject).trim_end();
    let words = words(body);
    if words.is_empty() && subject.is_empty() {
        return Vec::new();
    }
    let passage = |range: Range<usize>| {
        let text = body.get(range.clone()).unwrap_or_default();
        let text = if subject.is_empty() { text.to_owned() } else { format!("{subject}\n{text}") };
        Passage { range, text }
    };
    let span = |words: &[Range<usize>]| match (words.first(), words.last()) {
        (Some(first), Some(last)) => first.start..last.end,
        _ => 0..0,
    };
    if words.len() <= WHOLE {
        return vec![passage(span(&words))];
    }
    let mut out = Vec::new();
    let mut from = 0;
    while let Some(rest) = words.get(from..).filter(|rest| !rest.is_empty()) {
        let part = rest.get(..LENGTH).unwrap_or(rest);
        out.push(passage(span(part)));
        if part.len() == rest.len() || out.len() >= MOST {
            break;
        }
        from += LENGTH - OVERLAP;
    }
    out
}

/// Where the words of a text are.
fn words(text: &str) -> Vec<Range<usize>> {
    let mut out: Vec<Range<usize>> = Vec::new();
    let mut begin = None;
    for (at, c) in text.char_indices() {
        match begin {
            Some(from) if c.is_whitespace() || at - from >= LONGEST_WORD => {
                out.push(from..at);
                begin = (!c.is_whitespace()).then_some(at);
            }
            None if !c.is_whitespace() => begin = Some(at),
            _ => {}
        }
        if out.len() >= MOST * LENGTH {
            return out;
        }
    }
    out.extend(begin.map(|from| from..text.len()));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn numbered(words: usize) -> String {
        (0..words).map(|n| format!("w{n}")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_short_mail_is_one_passage_with_its_subject() {
        assert_eq!(
            passages(" Re: store ", "\n it reopens\n"),
            [Passage { range: 2..12, text: "Re: store\nit reopens".into() }]
        );
        assert_eq!(passages("", "x"), [Passage { range: 0..1, text: "x".into() }]);
        assert_eq!(passages("only", " "), [Passage { range: 0..0, text: "only\n".into() }]);
        assert_eq!(passages(" ", "\u{a0}\n"), []);
        assert_eq!(passages("s", &numbered(180)).len(), 1);
    }

    #[test]
    fn a_long_mail_is_cut_with_some_words_in_common() {
        let body = numbered(260);
        let parts = passages("s", &body);
        let words = |passage: &Passage| {
            let text = &body[passage.range.clone()];
            (text.split(' ').next().unwrap().to_owned(), text.split(' ').next_back().unwrap().to_owned())
        };
        let spans: Vec<_> = parts.iter().map(words).collect();
        let span = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(spans, [span("w0", "w119"), span("w100", "w219"), span("w200", "w259")]);
        assert!(parts.iter().all(|part| part.text.starts_with("s\nw")));
        // Nothing is left behind that the passage before has not.
        assert_eq!(passages("s", &numbered(220)).len(), 2);
    }

    #[test]
    fn no_mail_has_passages_without_end() {
        let body = "a ".repeat(5_000_000);
        assert_eq!(passages("s", &body).len(), MOST);
        let body = "a".repeat(10_000_000);
        assert!(passages("", &body).iter().all(|part| part.text.len() <= LENGTH * LONGEST_WORD));
        // Nor is a long subject copied before each.
        let subject = "ä".repeat(1 << 20);
        assert!(
            passages(&subject, &"a ".repeat(1_000))
                .iter()
                .all(|part| part.text.len() <= LONGEST_SUBJECT + 1 + 2 * LENGTH)
        );
    }

    proptest! {
        #[test]
        fn passages_cover_every_word(body in "(\\PC{0,12}[ \\n]){0,400}", subject in "\\PC{0,10}") {
            let parts = passages(&subject, &body);
            let covered = |at: usize| parts.iter().any(|part| part.range.contains(&at));
            let all = body.char_indices().filter(|(_, c)| !c.is_whitespace()).all(|(at, _)| covered(at));
            prop_assert!(all);
            prop_assert!(parts.is_sorted_by_key(|part| part.range.start));
            prop_assert!(parts.iter().all(|part| body.get(part.range.clone()).is_some_and(|text| part.text.ends_with(text))));
        }
    }
}
