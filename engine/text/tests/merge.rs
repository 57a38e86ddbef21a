//! Sections merged without their mails against sections made from the mails.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test may panic, and its numbers are small"
)]

mod common;

use common::{Mail, build, section, segment, sources};
use postlode_format::row::{PartKind, attachment_text, parts_extra};
use postlode_store::{MergedText, NOWHERE, TextBuilder};
use postlode_text::{Form, Match, Phrase, Scope, TextEngine, TextIndex, TextQuery, bundle};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Few words, so that many mails have the same; some of them have stems.
const WORDS: [&str; 12] = [
    "contract",
    "contracts",
    "meeting",
    "meetings",
    "running",
    "Ärger",
    "日本語",
    "x",
    "budget",
    "the",
    "42",
    "co-op",
];

fn text(most: usize) -> impl Strategy<Value = String> {
    proptest::collection::vec(prop::sample::select(&WORDS[..]), 0..most).prop_map(|words| words.join(" "))
}

fn any_mail() -> impl Strategy<Value = Mail> {
    let quoted = (0..40usize, any::<bool>());
    (text(4), text(40), quoted, text(6), prop::sample::select(&["eng", "deu"][..])).prop_map(
        |(subject, body, (at, has_quote), attached, language)| {
            let at = at.min(body.len());
            let split = has_quote && body.is_char_boundary(at);
            let mut extra = Vec::new();
            if split {
                extra
                    .extend(parts_extra([(at as u32, PartKind::New), (body.len() as u32, PartKind::Quoted)]));
            }
            if !attached.is_empty() {
                extra.push(attachment_text(0, &attached));
            }
            Mail {
                subject,
                body,
                extra,
                from: "ann@example.com".into(),
                to: "bob@example.org".into(),
                language: language.into(),
                ..Mail::default()
            }
        },
    )
}

/// Mails, for each the section that it lies in, and whether it is left out.
fn spread() -> impl Strategy<Value = Vec<(Mail, usize, bool)>> {
    let one = (any_mail(), 0..5usize, prop::bool::weighted(0.1));
    proptest::collection::vec(one, 1..120).prop_map(|mut mails| {
        for (n, (mail, ..)) in mails.iter_mut().enumerate() {
            mail.n = n as u32;
        }
        mails
    })
}

/// The sections of these mails, merged.
fn merged(mails: &[(Mail, usize, bool)]) -> Vec<u8> {
    let (mut own, mut to): (Vec<Vec<Mail>>, Vec<Vec<u32>>) = (vec![Vec::new(); 5], vec![Vec::new(); 5]);
    let mut next = 0;
    for (mail, place, out) in mails {
        own[*place].push(mail.clone());
        to[*place].push(if *out { NOWHERE } else { next });
        next += u32::from(!out);
    }
    let texts: Vec<MergedText> =
        own.iter().zip(to).map(|(mails, to)| MergedText { text: section(build(mails)), to }).collect();
    let mut out = Vec::new();
    TextIndex.merge(&texts, next, &mut out).unwrap();
    out
}

/// The files of two sections that differ.
fn differing(one: &[u8], other: &[u8]) -> Vec<String> {
    let files = |bytes: &[u8]| -> BTreeMap<String, Vec<u8>> {
        let read = |at: u64, len: usize| Ok(bytes[at as usize..at as usize + len].to_vec());
        let table = bundle::read_table(bytes.len() as u64, read).unwrap();
        let file = |(name, at, len): (&str, u64, u64)| {
            (name.to_owned(), bytes[at as usize..(at + len) as usize].to_vec())
        };
        table.files().map(file).collect()
    };
    let (one, other) = (files(one), files(other));
    assert_eq!(one.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>());
    one.iter().filter(|(name, bytes)| other[*name] != **bytes).map(|(name, _)| name.clone()).collect()
}

fn answers(bytes: Vec<u8>, mails: &[Mail]) -> Vec<Vec<Match>> {
    let mut whole = segment(1, mails);
    whole.text = section(bytes);
    let engine = TextEngine::new();
    let view = engine.view(&sources(vec![whole], vec![]), &engine.known());
    let mut out = Vec::new();
    let pairs = WORDS.iter().zip(WORDS.iter().skip(1)).map(|(one, other)| format!("{one} {other}"));
    for text in WORDS.iter().map(|word| (*word).to_owned()).chain(pairs) {
        for scope in [Scope::Anywhere, Scope::Body, Scope::Subject] {
            for exact in [false, true] {
                let query = TextQuery::Phrase(Phrase { scope, text: text.clone(), exact, form: Form::Whole });
                let answer = view.search(&query, true);
                assert_eq!(answer.missing, vec![]);
                out.push(answer.matches);
            }
        }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn merged_sections_are_those_that_the_mails_would_give(mut mails in spread()) {
        for mail in &mut mails {
            mail.2 = false;
        }
        let all: Vec<Mail> = mails.iter().map(|(mail, ..)| mail.clone()).collect();
        let spread = merged(&mails);
        for mail in &mut mails {
            mail.1 = 0;
        }
        prop_assert_eq!(differing(&spread, &merged(&mails)), Vec::<String>::new());
        prop_assert_eq!(answers(spread, &all), answers(build(&all), &all));
    }

    #[test]
    fn what_is_left_out_is_not_found_and_all_else_is(mails in spread()) {
        let kept: Vec<Mail> = mails.iter().filter(|(.., out)| !out).map(|(mail, ..)| mail.clone()).collect();
        let bytes = merged(&mails);
        let found = answers(bytes, &kept);
        let expected = answers(build(&kept), &kept);
        for (found, expected) in found.iter().zip(&expected) {
            let positions = |matches: &[Match]| matches.iter().map(|m| m.position).collect::<Vec<_>>();
            prop_assert_eq!(positions(found), positions(expected));
            // The length of all mails together is an estimate where some are left out.
            for (one, other) in found.iter().zip(expected) {
                prop_assert!((one.score - other.score).abs() <= 0.05 * other.score.abs() + 1e-6);
            }
        }
    }
}

/// Nothing of a mail that is left out may stay, its words among them.
#[test]
fn a_word_that_only_left_out_mails_had_is_gone() {
    let mail = |n: u32, body: &str| Mail { n, body: body.into(), ..Mail::default() };
    let mails = [(mail(0, "common ordinary"), 0, false), (mail(1, "common topsecretword"), 1, true)];
    // All files are those of a section in which it never was.
    let without = merged(&mails[..1]);
    assert_eq!(differing(&merged(&mails), &without), [] as [String; 0]);
    let both = [mails[0].clone(), (mails[1].0.clone(), 1, false)];
    assert!(differing(&merged(&both), &without).contains(&"term".to_owned()));
}

#[test]
fn what_cannot_be_merged_is_told() {
    let mail = Mail { body: "some words".into(), ..Mail::default() };
    let one = |bytes: Vec<u8>, to: Vec<u32>| [MergedText { text: section(bytes), to }];
    let mut out = Vec::new();
    // More mails than the section holds, and a section cut short.
    assert!(TextIndex.merge(&one(build(std::slice::from_ref(&mail)), vec![0, 1]), 2, &mut out).is_err());
    let mut cut = build(std::slice::from_ref(&mail));
    cut.truncate(cut.len() / 2);
    assert!(TextIndex.merge(&one(cut, vec![0]), 1, &mut out).is_err());
    // Any byte of it changed: an error or a section, and never a panic.
    let whole = build(&[mail]);
    for at in (0..whole.len()).step_by(7) {
        let mut changed = whole.clone();
        changed[at] ^= 0x55;
        drop(TextIndex.merge(&one(changed, vec![0]), 1, &mut Vec::new()));
    }
    assert!(out.is_empty(), "something was written before it was known to be whole");
    TextIndex.merge(&[], 0, &mut out).unwrap();
}
