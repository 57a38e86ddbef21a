//! Beginnings of words, words that are similar, and words near one another, as the index finds them and as reading does.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test may panic, and its numbers are small"
)]

mod common;

use common::{Mail, memtable, segment, sources};
use postlode_format::row::attachment_text;
use postlode_text::words::words;
use postlode_text::{Form, Highlighter, Near, Phrase, Scope, TextEngine, TextQuery};
use proptest::prelude::*;

fn mails(texts: &[String]) -> Vec<Mail> {
    let mail = |(n, text): (usize, &String)| Mail {
        n: n as u32,
        body: text.clone(),
        language: "deu".into(),
        from: "nobody".into(),
        ..Mail::default()
    };
    texts.iter().enumerate().map(mail).collect()
}

/// Which of these bodies match, by a segment and a memtable.
fn found(texts: &[String], query: &TextQuery) -> Vec<usize> {
    let mails = mails(texts);
    let (sealed, fresh) = mails.split_at(mails.len() / 2);
    let engine = TextEngine::new();
    let view = engine.view(&sources(vec![segment(1, sealed)], vec![memtable(1, 0, fresh)]), &engine.known());
    let (plain, scored) = (view.search(query, false), view.search(query, true));
    assert!(plain.missing.is_empty() && scored.missing.is_empty(), "{:?}", plain.missing);
    let numbers = |matches: &[postlode_text::Match]| -> Vec<usize> {
        let number = |m: &postlode_text::Match| u32::from_be_bytes(m.position.id[..4].try_into().unwrap());
        matches.iter().map(|m| number(m) as usize).collect()
    };
    assert_eq!(numbers(&plain.matches), numbers(&scored.matches));
    assert!(scored.matches.iter().all(|m| m.score > 0.0), "{:?}", scored.matches);
    let mut numbers = numbers(&plain.matches);
    numbers.sort_unstable();
    numbers
}

fn phrase(text: &str, form: Form) -> Phrase {
    Phrase { scope: Scope::Body, text: text.to_owned(), exact: true, form }
}

/// Does a text hold two phrases that are near?
fn naive(text: &str, left: &[&str], right: &[&str], apart: usize) -> bool {
    let have: Vec<String> = words(text).into_iter().map(|word| word.text).collect();
    let starts = |wanted: &[&str]| -> Vec<usize> {
        let at =
            |from: &usize| have[*from..].iter().zip(wanted).filter(|(a, b)| a == b).count() == wanted.len();
        (0..have.len()).filter(at).collect()
    };
    let (lefts, rights) = (starts(left), starts(right));
    let behind =
        |from: usize, long: usize, other: usize| (1..=apart).contains(&(other.wrapping_sub(from + long - 1)));
    lefts.iter().any(|l| rights.iter().any(|r| behind(*l, left.len(), *r) || behind(*r, right.len(), *l)))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn words_that_begin_or_are_similar(
        texts in prop::collection::vec("([abé]{1,5} ){1,3}", 1..16),
        wanted in "[abé]{1,4}",
        edits in 0u8..=2,
    ) {
        for form in [Form::Beginning, Form::Similar(edits), Form::Whole] {
            let folded = words(&wanted)[0].text.clone();
            let fits = |text: &str| words(text).iter().any(|word| form.fits(&folded, &word.text));
            let expected: Vec<usize> = (0..texts.len()).filter(|n| fits(&texts[*n])).collect();
            let query = TextQuery::Phrase(phrase(&wanted, form));
            prop_assert_eq!(&found(&texts, &query), &expected, "{:?}", form);
            // What matches is what is marked.
            let highlighter = Highlighter::new(&query);
            for text in &texts {
                let (_, snippet) = highlighter.look(&[("body", vec![text.as_str()])], false);
                prop_assert_eq!(snippet.html.contains("<mark>"), fits(text), "{:?} {}", form, text);
            }
        }
    }

    #[test]
    fn words_near_one_another(
        texts in prop::collection::vec("([abc] ){1,9}", 1..16),
        left in prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 1..3),
        right in prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 1..3),
        apart in 1usize..5,
        not: bool,
    ) {
        let both = [phrase(&left.join(" "), Form::Whole), phrase(&right.join(" "), Form::Whole)];
        let near = TextQuery::Near(Box::new(Near { either: both, scope: Scope::Body, apart: apart as u32 }));
        let query = if not { TextQuery::Not(Box::new(near)) } else { near };
        let matches = |n: &usize| naive(&texts[*n], &left, &right, apart) != not;
        let expected: Vec<usize> = (0..texts.len()).filter(matches).collect();
        if not {
            let engine = TextEngine::new();
            let view = engine.view(&sources(vec![segment(1, &mails(&texts))], vec![]), &engine.known());
            prop_assert_eq!(view.search(&query, false).matches.len(), expected.len());
        } else {
            prop_assert_eq!(found(&texts, &query), expected);
        }
    }
}

#[test]
fn near_means_the_words_between() {
    let texts = ["tax of the annual report", "report tax", "tax", "annual tax report", "report report"]
        .map(String::from);
    let near = |left: &str, right: &str, apart| {
        let either = [phrase(left, Form::Whole), phrase(right, Form::Whole)];
        found(&texts, &TextQuery::Near(Box::new(Near { either, scope: Scope::Texts, apart })))
    };
    assert_eq!(near("tax", "report", 1), [1, 3]);
    assert_eq!(near("tax", "report", 4), [0, 1, 3]);
    assert_eq!(near("tax", "annual report", 2), Vec::<usize>::new());
    assert_eq!(near("tax", "annual report", 3), [0]);
    assert_eq!(near("annual report", "tax", 3), [0]);
    assert_eq!(near("report", "report", 1), [4], "one word is not near itself");
    assert_eq!(near("", "report", 9), Vec::<usize>::new());
}

/// Attachments are values of one field, the last word of one right before the first of the next.
#[test]
fn words_of_two_attachments_are_not_near() {
    let texts = ["x", "y"].map(String::from);
    let mut mails = mails(&texts);
    mails[0].extra.extend([attachment_text(0, "annual report"), attachment_text(1, "tax return")]);
    mails[1].extra.push(attachment_text(0, "annual report tax return"));
    let engine = TextEngine::new();
    let view = engine.view(&sources(vec![segment(1, &mails)], vec![]), &engine.known());
    let both = || [phrase("report", Form::Whole), phrase("tax", Form::Whole)];
    let near = |apart| TextQuery::Near(Box::new(Near { either: both(), scope: Scope::Texts, apart }));
    for apart in [1, 1000] {
        assert_eq!(view.search(&near(apart), false).matches.len(), 1);
    }
}

/// Two neighbours of a script without blanks are one word of the index in the place of the first, so words right behind
/// them were one further away than they are.
#[test]
fn scripts_without_blanks_are_as_long_as_they_look() {
    let texts = ["漢字かな tax", "漢字 x tax", "tax 漢字"].map(String::from);
    let near = |apart| {
        let either = [phrase("漢字", Form::Whole), phrase("tax", Form::Whole)];
        found(&texts, &TextQuery::Near(Box::new(Near { either, scope: Scope::Body, apart })))
    };
    assert_eq!((near(1), near(2), near(3)), (vec![2], vec![1, 2], vec![0, 1, 2]));
}
