//! Words of a query that stand for several: `word*` and `word~`.
//!
//! What always holds: a star or a tilde is read as one only behind a single word outside quotes; where one stands elsewhere
//! and would seem to mean something, the query is refused, as an answer to another question would be worse.

use crate::error::SyntaxError;
use crate::lang::{Node, Term};
use postlode_text::words::{Word, WordKind, query_words, words};
use postlode_text::{Form, MAX_EDITS, MAX_SIMILAR, Phrase, Scope};

/// Fewest letters before a star, and before a tilde.
const BEFORE_STAR: usize = 2;
const BEFORE_TILDE: usize = 3;
/// Words of fewer letters are similar by one letter only, where no number is written.
const LONG: usize = 6;

/// The words of a term, to be looked for in one place; `None` where there are none.
///
/// # Errors
/// A star or tilde that cannot be read as one.
pub fn phrase(term: &Term, scope: Scope, exact: bool) -> Result<Option<Phrase>, SyntaxError> {
    let value = term.value.as_str();
    let whole = |text: &str| {
        let phrase = Phrase { scope, text: text.to_owned(), exact, form: Form::Whole };
        Ok(phrase.has_words().then_some(phrase))
    };
    if term.quoted {
        return whole(value);
    }
    let (word, form) = match value.trim_end_matches('*') {
        bare if bare.len() < value.len() && ends_word(bare) => (bare, Form::Beginning),
        _ => match tilde(term)? {
            Some((word, edits)) => (word, Form::Similar(edits)),
            None => (value, Form::Whole),
        },
    };
    if has_star_inside(word) {
        return Err(refused(term, "a star can only end a word"));
    }
    if form == Form::Whole {
        return whole(word);
    }
    let (sign, least) = if form == Form::Beginning { ("star", BEFORE_STAR) } else { ("tilde", BEFORE_TILDE) };
    match query_words(word).as_slice() {
        // Scripts without blanks are found by any piece of a text, and have no words that a sign could stand behind.
        words if words.last().is_none_or(|last| last.kind != WordKind::Spaced) => whole(word),
        [Word { text, .. }] if text.chars().count() < least => {
            Err(refused(term, &format!("a {sign} stands behind {least} letters at least")))
        }
        [Word { text, .. }] if form != Form::Beginning && text.chars().count() > MAX_SIMILAR => {
            Err(refused(term, &format!("a tilde stands behind {MAX_SIMILAR} letters at most")))
        }
        [Word { text, .. }] => {
            let form = match form {
                Form::Similar(0) => Form::Similar(if text.chars().count() < LONG { 1 } else { MAX_EDITS }),
                other => other,
            };
            Ok(Some(Phrase { scope, text: word.to_owned(), exact: true, form }))
        }
        _ => Err(refused(term, &format!("a {sign} stands behind one word, and this is several"))),
    }
}

/// Is there a star or a tilde at the end of a value outside quotes, that would be read as one in words?
#[must_use]
pub fn has_sign(term: &Term) -> bool {
    let value = term.value.as_str();
    let bare = value.trim_end_matches('*');
    !term.quoted && ((bare.len() < value.len() && ends_word(bare)) || tilde(term) != Ok(None))
}

/// Most words of one query that stand for many, and for similar ones; most pairs that are to be near one another.
const MAX_BEGINNINGS: usize = 128;
const MAX_SIMILAR_WORDS: usize = 16;
const MAX_NEAR: usize = 64;

/// Refuses more of what takes long than an answer in time allows.
///
/// # Errors
/// What there is too much of.
pub fn bounded(node: &Node) -> Result<(), SyntaxError> {
    let (mut beginnings, mut similar, mut near) = (0, 0, 0);
    counted(node, &mut |term, is_near| {
        let (count, most, what) = if is_near {
            (&mut near, MAX_NEAR, "NEAR")
        } else if term.value.ends_with('*') {
            (&mut beginnings, MAX_BEGINNINGS, "words with a star")
        } else {
            (&mut similar, MAX_SIMILAR_WORDS, "words with a tilde")
        };
        *count += 1;
        if *count <= most {
            return Ok(());
        }
        let message = format!("the query has too many {what} (at most {most})");
        Err(SyntaxError { message, position: term.at.max(1), suggestion: None })
    })
}

/// Shows each term with a star or tilde, and the first of each two that are to be near one another.
fn counted(
    node: &Node,
    each: &mut dyn FnMut(&Term, bool) -> Result<(), SyntaxError>,
) -> Result<(), SyntaxError> {
    match node {
        Node::And(parts) | Node::Or(parts) => parts.iter().try_for_each(|part| counted(part, each)),
        Node::Not(inner) => counted(inner, each),
        Node::Near(near) => near.either.iter().take(1).try_for_each(|term| each(term, true)),
        Node::Term(term) if has_sign(term) => each(term, false),
        Node::Term(_) => Ok(()),
    }
}

/// Does a text end with a word, the marks on its last letter included?
fn ends_word(text: &str) -> bool {
    // `don'*` is the beginning of "don't".
    let text = text.trim_end_matches(['\'', '\u{2019}']);
    words(text).last().is_some_and(|word| word.to == text.len())
}

/// A star right before or behind a letter: `wo*rd`, `*word`, `wo*.pdf`.
fn has_star_inside(text: &str) -> bool {
    let mut parts = text.split('*');
    let mut before = parts.next().unwrap_or_default();
    let begins = |part: &str| part.chars().next().is_some_and(char::is_alphanumeric);
    for part in parts {
        if begins(part) || ends_word(before) {
            return true;
        }
        before = part;
    }
    false
}

/// The word before a tilde at the end, and how many letters it may differ by; 0 where that is not written.
fn tilde(term: &Term) -> Result<Option<(&str, u8)>, SyntaxError> {
    let Some((word, edits)) = term.value.rsplit_once('~') else { return Ok(None) };
    if !ends_word(word) || !edits.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(None);
    }
    match edits.parse::<u8>() {
        Err(_) if edits.is_empty() => Ok(Some((word, 0))),
        Ok(edits) if (1..=MAX_EDITS).contains(&edits) => Ok(Some((word, edits))),
        _ => Err(refused(term, &format!("similar words differ by 1 to {MAX_EDITS} letters"))),
    }
}

fn refused(term: &Term, message: &str) -> SyntaxError {
    let value: String = term.value.chars().take(40).collect();
    let suggestion = Some(format!("\"{value}\" in quotes"));
    SyntaxError { message: format!("{message}: {value}"), position: term.at.max(1), suggestion }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::Field;

    fn read(value: &str) -> Result<Option<(String, Form)>, String> {
        let term = Term { field: Field::Any, value: value.to_owned(), quoted: false, at: 1 };
        let phrase = phrase(&term, Scope::Anywhere, false).map_err(|error| error.message)?;
        Ok(phrase.map(|phrase| (phrase.text, phrase.form)))
    }

    #[test]
    fn stars_and_tildes() {
        let is = |value: &str, text: &str, form: Form| {
            assert_eq!(read(value), Ok(Some((text.to_owned(), form))), "{value}");
        };
        is("Budg*", "Budg", Form::Beginning);
        is("budg**", "budg", Form::Beginning);
        is("@Exam*", "@Exam", Form::Beginning);
        is("zür*", "zür", Form::Beginning);
        is("cafe\u{301}*", "cafe\u{301}", Form::Beginning);
        is("don'*", "don'", Form::Beginning);
        is("invoce~", "invoce", Form::Similar(2));
        is("tehm~", "tehm", Form::Similar(1));
        is("invoice~1", "invoice", Form::Similar(1));
        is("budget", "budget", Form::Whole);
        is("*@x.org", "*@x.org", Form::Whole);
        is("~user", "~user", Form::Whole);
        is("a~b", "a~b", Form::Whole);
        is("2 *", "2 *", Form::Whole);
        is("漢字*", "漢字", Form::Whole);
        for empty in ["*", "***", "~", "-*"] {
            assert_eq!(read(empty), Ok(None), "{empty}");
        }
        for wrong in [
            "a*",
            "*ing",
            "wo*rd",
            "**bold**",
            "alice@exam*",
            "report*.pdf",
            "a*/b",
            "ab~",
            "word~3",
            "word~0",
            "a.b~1",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert!(read(&format!("{}~", "x".repeat(MAX_SIMILAR + 1))).is_err());
        let quoted = Term { field: Field::Any, value: "wo*".to_owned(), quoted: true, at: 1 };
        assert_eq!(phrase(&quoted, Scope::Body, true).unwrap().unwrap().form, Form::Whole);
    }
}
