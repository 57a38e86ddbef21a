//! Search over segments and memtables against a naive reading of the same mails.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a test may panic, and its numbers are small"
)]

mod common;

use common::{Mail, Section, build, memtable, ordinals, section, segment, sources};
use postlode_format::row::{PartKind, attachment_text, parts_extra};
use postlode_store::{Only, Ordinals, SegmentText};
use postlode_text::words::words;
use postlode_text::{Form, Known, Phrase, Scope, TextEngine, TextQuery, Wanted, bundle};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

fn mail(n: u32, subject: &str, body: &str) -> Mail {
    Mail {
        n,
        subject: subject.into(),
        body: body.into(),
        from: format!("user{}@example.com", n % 3),
        language: "eng".into(),
        ..Mail::default()
    }
}

fn phrase(scope: Scope, text: &str, exact: bool) -> TextQuery {
    TextQuery::Phrase(Phrase { scope, text: text.into(), exact, form: Form::Whole })
}

fn found(engine: &TextEngine, sources: &postlode_store::TextSources, query: &TextQuery) -> Vec<u32> {
    let view = engine.view(sources, &engine.known());
    let answer = view.search(query, true);
    assert_eq!(answer.missing, vec![]);
    let unscored = view.search(query, false);
    assert_eq!(
        answer.matches.iter().map(|m| m.position).collect::<Vec<_>>(),
        unscored.matches.iter().map(|m| m.position).collect::<Vec<_>>()
    );
    answer.matches.iter().map(|m| u32::from_be_bytes(m.position.id[..4].try_into().unwrap())).collect()
}

#[test]
fn the_document_number_is_the_ordinal_and_bytes_are_reproducible() {
    let mails: Vec<Mail> = (0..500).map(|n| mail(n, "same", &format!("word{n} common"))).collect();
    assert_eq!(build(&mails), build(&mails));
    let engine = TextEngine::new();
    let sources = sources(vec![segment(1, &mails)], vec![]);
    for n in [0, 1, 255, 499] {
        assert_eq!(found(&engine, &sources, &phrase(Scope::Body, &format!("word{n}"), false)), [n]);
    }
    assert_eq!(found(&engine, &sources, &phrase(Scope::Anywhere, "common", false)).len(), 500);
}

/// A search that nobody waits for ends, and what it had found so far is not taken for all there is.
#[test]
fn a_search_that_is_given_up_keeps_nothing_of_its_own() {
    let mails: Vec<Mail> = (0..9_000).map(|n| mail(n, "s", "common")).collect();
    let view = {
        let engine = TextEngine::keeping(1 << 20);
        let sources = sources(vec![segment(1, &mails)], vec![]);
        Arc::new(engine.view(&sources, &engine.known()))
    };
    let pool = postlode_runtime::CpuPool::new(1).unwrap();
    let (began, begun) = std::sync::mpsc::channel();
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let (told, answer) = std::sync::mpsc::channel();
    let of_job = Arc::clone(&view);
    let mut job = Box::pin(pool.run(move || {
        began.send(()).unwrap();
        gone.recv().unwrap();
        told.send(of_job.search(&phrase(Scope::Body, "common", false), true)).unwrap();
    }));
    futures_lite::future::block_on(async {
        assert!(futures_lite::future::poll_once(&mut job).await.is_none());
    });
    begun.recv().unwrap();
    drop(job);
    go.send(()).unwrap();
    let answer = answer.recv_timeout(std::time::Duration::from_secs(30)).unwrap();
    assert!(answer.matches.is_empty() && answer.missing[0].reason.contains("nobody waits"), "{answer:?}");
    let whole = view.search(&phrase(Scope::Body, "common", false), true);
    assert_eq!((whole.matches.len(), whole.missing), (9_000, vec![]));
}

#[test]
fn stems_outside_quotes_and_only_in_english() {
    let mut mails =
        [mail(0, "Running tests", "he installed it"), mail(1, "x", "run"), mail(2, "x", "running")];
    mails[2].language = "deu".into();
    let engine = TextEngine::new();
    let sources = sources(vec![segment(1, &mails[..2])], vec![memtable(1, 0, &mails[2..])]);
    assert_eq!(found(&engine, &sources, &phrase(Scope::Anywhere, "run", false)), [0, 1]);
    assert_eq!(found(&engine, &sources, &phrase(Scope::Subject, "test", false)), [0]);
    assert_eq!(found(&engine, &sources, &phrase(Scope::Anywhere, "running", false)), [0, 1, 2]);
    assert_eq!(found(&engine, &sources, &phrase(Scope::Anywhere, "running", true)), [0, 2]);
    assert_eq!(found(&engine, &sources, &phrase(Scope::Subject, "tests running", true)), Vec::<u32>::new());
    assert_eq!(found(&engine, &sources, &phrase(Scope::Subject, "running-tests", false)), [0]);
    assert_eq!(found(&engine, &sources, &phrase(Scope::From, "user1@example.com", false)), [1]);
    assert_eq!(found(&engine, &sources, &phrase(Scope::From, "example.com", false)), [0, 1, 2]);
}

#[test]
fn a_score_does_not_depend_on_the_spread() {
    let text = ["alpha beta", "alpha", "beta gamma delta alpha", "gamma", "alpha alpha alpha"];
    let mails: Vec<Mail> = (0..60).map(|n| mail(n, "s", text[n as usize % text.len()])).collect();
    let query = TextQuery::Any(vec![
        phrase(Scope::Anywhere, "alpha", false),
        phrase(Scope::Anywhere, "gamma", false),
    ]);
    let scores = |sources: &postlode_store::TextSources| {
        let engine = TextEngine::new();
        let answer = engine.view(sources, &Known::default()).search(&query, true);
        answer.matches.iter().map(|m| (m.position, m.score.to_bits())).collect::<BTreeMap<_, _>>()
    };
    let one = scores(&sources(vec![segment(1, &mails)], vec![]));
    let many = scores(&sources(
        vec![segment(1, &mails[..13]), segment(2, &mails[13..40])],
        vec![memtable(5, 0, &mails[40..45]), memtable(6, 0, &mails[45..])],
    ));
    assert_eq!(one.len(), 60);
    assert_eq!(one, many);
}

#[test]
fn a_memtable_that_grows_is_indexed_bit_by_bit_and_forgotten_when_sealed() {
    let mails: Vec<Mail> = (0..300).map(|n| mail(n, "s", "word")).collect();
    let engine = TextEngine::new();
    let query = phrase(Scope::Body, "word", false);
    let mut seen = 0;
    for upto in [1, 2, 3, 10, 11, 12, 100, 101, 300] {
        let known = engine.known();
        assert_eq!(known.counts().get(&9).copied().unwrap_or(0), seen);
        let more = sources(vec![], vec![memtable(9, seen, &mails[seen..upto])]);
        assert_eq!(engine.view(&more, &known).search(&query, false).matches.len(), upto);
        seen = upto;
    }
    // A search that began earlier still sees all that it was given.
    let early = engine.known();
    let sealed = sources(vec![segment(1, &mails)], vec![]);
    assert_eq!(engine.view(&sealed, &engine.known()).search(&query, false).matches.len(), 300);
    assert!(engine.known().counts().is_empty());
    let late = sources(vec![], vec![memtable(9, 300, &[])]);
    assert_eq!(engine.view(&late, &early).search(&query, false).matches.len(), 300);
}

#[test]
fn damage_is_named_and_the_rest_is_searched() {
    let mails: Vec<Mail> = (0..200).map(|n| mail(n, "s", &format!("word common{n}"))).collect();
    let good = segment(1, &mails[..100]);
    let query = TextQuery::All(vec![phrase(Scope::Body, "word", false), phrase(Scope::Subject, "s", true)]);
    let bytes = build(&mails[100..]);
    let mut partial = 0;
    for block in 0..bytes.len().div_ceil(512) as u64 {
        let text = Arc::new(Section { bytes: bytes.clone().into(), damaged: block * 512..block * 512 + 512 });
        let bad = SegmentText {
            id: 7,
            emails: 100,
            text,
            ordinals: Ordinals::new(section(ordinals(&mails[100..])), 100),
            vectors: Default::default(),
            addons: Vec::new(),
        };
        let engine = TextEngine::new();
        let answer =
            engine.view(&sources(vec![good.clone(), bad], vec![]), &Known::default()).search(&query, true);
        if answer.missing.is_empty() {
            assert_eq!(answer.matches.len(), 200);
        } else {
            partial += 1;
            assert_eq!(answer.matches.len(), 100);
            assert_eq!(
                (answer.missing[0].segment, answer.missing[0].reason.as_str()),
                (Some(7), "checksum mismatch")
            );
        }
    }
    assert!(partial > 3);
}

#[test]
fn an_empty_segment_is_searched() {
    let engine = TextEngine::new();
    assert_eq!(
        found(&engine, &sources(vec![segment(1, &[])], vec![]), &phrase(Scope::Body, "x", false)),
        Vec::<u32>::new()
    );
    assert_eq!(found(&engine, &sources(vec![], vec![]), &phrase(Scope::Body, "x", false)), Vec::<u32>::new());
}

fn naive(mail: &Mail, query: &TextQuery) -> bool {
    match query {
        TextQuery::All(parts) => parts.iter().all(|p| naive(mail, p)),
        TextQuery::Any(parts) => parts.iter().any(|p| naive(mail, p)),
        TextQuery::Not(inner) => !naive(mail, inner),
        TextQuery::Near(_) => panic!("what is near is in another file"),
        TextQuery::Phrase(p) => {
            let wanted: Vec<String> = words(&p.text).into_iter().map(|w| w.text).collect();
            let texts: &[&str] = match p.scope {
                Scope::Anywhere | Scope::Texts => &[&mail.subject, &mail.body, &mail.from, &mail.to],
                Scope::Subject => &[&mail.subject],
                Scope::Body => &[&mail.body],
                Scope::From => &[&mail.from],
                Scope::To => &[&mail.to],
                Scope::Files | Scope::Attached => &[],
            };
            texts.iter().any(|text| {
                let have: Vec<String> = words(text).into_iter().map(|w| w.text).collect();
                have.windows(wanted.len()).any(|w| w == wanted)
            })
        }
    }
}

fn vocabulary() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["ab", "cd", "ef", "zürich", "漢字", "x1"]).prop_map(str::to_owned)
}

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(vocabulary(), 0..6).prop_map(|w| w.join(" "))
}

fn mails() -> impl Strategy<Value = Vec<Mail>> {
    let one = (text(), text(), vocabulary(), vocabulary());
    prop::collection::vec(one, 0..30).prop_map(|all| {
        let to_mail = |(n, (subject, body, from, to)): (usize, (String, String, String, String))| Mail {
            n: u32::try_from(n).unwrap(),
            subject,
            body,
            from,
            to,
            language: "deu".into(),
            ..Mail::default()
        };
        all.into_iter().enumerate().map(to_mail).collect()
    })
}

fn queries() -> impl Strategy<Value = TextQuery> {
    let scopes =
        prop::sample::select(vec![Scope::Anywhere, Scope::Subject, Scope::Body, Scope::From, Scope::To]);
    let leaf = (scopes, prop::collection::vec(vocabulary(), 1..3), any::<bool>())
        .prop_map(|(scope, words, exact)| phrase(scope, &words.join(" "), exact));
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(TextQuery::All),
            prop::collection::vec(inner.clone(), 0..3).prop_map(TextQuery::Any),
            inner.prop_map(|q| TextQuery::Not(Box::new(q))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_index_finds_what_reading_finds(mails in mails(), queries in prop::collection::vec(queries(), 6), cuts: [prop::sample::Index; 2]) {
        let mut cuts = cuts.map(|c| c.index(mails.len() + 1));
        cuts.sort_unstable();
        let engine = TextEngine::new();
        let sources = sources(
            vec![segment(1, &mails[..cuts[0]])],
            vec![memtable(1, 0, &mails[cuts[0]..cuts[1]]), memtable(2, 0, &mails[cuts[1]..])],
        );
        for query in queries {
            let expected: Vec<u32> = mails.iter().filter(|m| naive(m, &query)).map(|m| m.n).collect();
            prop_assert_eq!(found(&engine, &sources, &query), expected, "{:?}", query);
        }
    }
}

#[test]
fn what_is_quoted_weighs_less_and_attachments_are_found() {
    let text = "what is new here\n> a quoted zebra\n";
    let mut mails = [mail(0, "s", text), mail(1, "s", "a zebra of my own\n"), mail(2, "s", "see attached\n")];
    mails[0].extra.extend(parts_extra([(17, PartKind::New), (34, PartKind::Quoted)]));
    mails[2].extra.push(attachment_text(0, "the zebras of the annex"));
    let engine = TextEngine::new();
    for sources in [
        sources(vec![segment(1, &mails)], vec![]),
        sources(vec![segment(1, &mails[..1])], vec![memtable(1, 0, &mails[1..])]),
    ] {
        assert_eq!(found(&engine, &sources, &phrase(Scope::Body, "zebra", false)), [0, 1]);
        assert_eq!(found(&engine, &sources, &phrase(Scope::Anywhere, "zebra", false)), [0, 1, 2]);
        assert_eq!(found(&engine, &sources, &phrase(Scope::Files, "zebra", false)), Vec::<u32>::new());
        assert_eq!(found(&engine, &sources, &phrase(Scope::Anywhere, "the annex", true)), [2]);
        let answer = engine.view(&sources, &Known::default());
        let answer = answer.search(&phrase(Scope::Anywhere, "zebra", false), true);
        let score =
            |n: u32| answer.matches.iter().find(|m| m.position == mails[n as usize].position()).unwrap();
        assert!(score(1).score > score(0).score, "quoted above new");
        assert!(score(1).score > score(2).score, "attached above new");
    }
}

/// Bundles of version 1 have seven fields. The query library gives up on a field that an index does not know, so that
/// mail sealed by an older program would not have been found by any word.
#[test]
fn bundles_of_version_1_are_searched() {
    let mails = [mail(0, "first", "a zebra"), mail(1, "second", "none")];
    let mut segment = segment(1, &mails);
    let bytes = build(&mails);
    let mut files = BTreeMap::new();
    let table = bundle::read_table(bytes.len() as u64, |at, len| {
        let at = usize::try_from(at).unwrap();
        Ok(bytes[at..at + len].to_vec())
    })
    .unwrap();
    for (name, at, len) in table.files() {
        let (at, len) = (usize::try_from(at).unwrap(), usize::try_from(len).unwrap());
        files.insert(name.to_owned(), bytes[at..at + len].to_vec());
    }
    let mut meta: serde_json::Value = serde_json::from_slice(&files["meta.json"]).unwrap();
    meta["schema"].as_array_mut().unwrap().truncate(7);
    files.insert("meta.json".into(), serde_json::to_vec(&meta).unwrap());
    let mut old = bundle::write(&files).unwrap();
    let version = old.len() - 10;
    assert_eq!(old[version..version + 2], [2, 0]);
    old[version] = 1;
    segment.text = section(old);
    let engine = TextEngine::new();
    let sources = sources(vec![segment], vec![memtable(1, 0, &[mail(2, "third", "zebra")])]);
    assert_eq!(found(&engine, &sources, &phrase(Scope::Anywhere, "zebra", false)), [0, 2]);
    assert_eq!(found(&engine, &sources, &phrase(Scope::Body, "zebra", true)), [0, 2]);
    assert_eq!(found(&engine, &sources, &phrase(Scope::Subject, "second", false)), [1]);
}

/// A tree of words, of which some stand in most mails and some in few.
fn tree() -> impl Strategy<Value = TextQuery> {
    let word = prop::sample::select(vec!["common", "often", "some", "rare", "nowhere", "common often"]);
    let leaf = (word, any::<bool>()).prop_map(|(word, exact)| phrase(Scope::Anywhere, word, exact));
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(TextQuery::All),
            prop::collection::vec(inner.clone(), 0..4).prop_map(TextQuery::Any),
            inner.prop_map(|inner| TextQuery::Not(Box::new(inner))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_best_are_the_first_of_all(
        trees in prop::collection::vec(tree(), 1..8),
        most in 1usize..40,
        low in 0i64..200,
        gone in 1u8..9,
    ) {
        let text = |n: u32| {
            let mut text = "common ".repeat(1 + n as usize % 3);
            for (every, word) in [(2, "often "), (5, "some "), (61, "rare ")] {
                if n.is_multiple_of(every) {
                    text.push_str(&word.repeat(1 + n as usize % 4));
                }
            }
            text
        };
        let mails: Vec<Mail> = (0..400).map(|n| mail(n, "s", &text(n))).collect();
        // Some mails are in two segments, some in a segment and a memtable.
        let sources = sources(
            vec![segment(1, &mails[..200]), segment(2, &mails[180..350])],
            vec![memtable(5, 0, &mails[340..])],
        );
        let engine = TextEngine::new();
        let view = engine.view(&sources, &engine.known());
        let between = (
            postlode_format::index::Position { date: low, id: [0; 16] },
            postlode_format::index::Position::MAX,
        );
        let is_gone = |position: &postlode_format::index::Position| position.id[3].is_multiple_of(gone);
        let only = Only { between, these: None };
            let wanted = Wanted { only: &only, gone: Some(&is_gone), most };
        for query in &trees {
            // What was kept for the trees before gives the same as a view that has kept nothing.
            let all = engine.view(&sources, &engine.known()).search(query, true).matches;
            prop_assert_eq!(&view.search(query, true).matches, &all);
            let mut all: Vec<_> =
                all.into_iter().filter(|m| m.position >= between.0 && !is_gone(&m.position)).collect();
            let total = all.len() as u64;
            all.sort_by(|a, b| b.score.total_cmp(&a.score).then(b.position.cmp(&a.position)));
            all.truncate(most);
            let best = view.best(query, &wanted);
            prop_assert_eq!((best.total, best.best), (total, all));
        }
    }
}

/// Lists of many blocks, of which few mails are looked up, and long lists that are left out.
#[test]
fn long_lists_are_joined_as_sets_are() {
    let words = [(1u32, "common"), (2, "often"), (7, "some"), (900, "rare")];
    let text = |n: u32| {
        let of = |(every, word): &(u32, &'static str)| n.is_multiple_of(*every).then_some(*word);
        words.iter().filter_map(of).collect::<Vec<_>>().join(" ")
    };
    let mails: Vec<Mail> = (0..9_000).map(|n| mail(n, "s", &text(n))).collect();
    let sources = sources(vec![segment(1, &mails)], vec![]);
    let word = |text: &str| phrase(Scope::Body, text, true);
    let not = |query: TextQuery| TextQuery::Not(Box::new(query));
    let (all, any) = (TextQuery::All, TextQuery::Any);
    type Naive = fn(u32) -> bool;
    let cases: [(TextQuery, Naive); 9] = [
        (all(vec![word("common"), word("rare")]), |n| n % 900 == 0),
        (all(vec![word("often"), word("rare"), word("some")]), |n| n % 6_300 == 0),
        (all(vec![word("rare"), not(word("often"))]), |n| n % 900 == 0 && n % 2 == 1),
        (all(vec![word("rare"), not(word("some"))]), |n| n % 900 == 0 && n % 7 != 0),
        (all(vec![word("common often some")]), |n| n % 14 == 0),
        (all(vec![word("rare"), word("common often some rare")]), |n| n % 6_300 == 0),
        (any(vec![word("rare"), word("some"), word("rare")]), |n| n % 900 == 0 || n % 7 == 0),
        (all(vec![word("nowhere"), word("common")]), |_| false),
        (all(vec![word("often"), any(vec![word("rare"), not(word("common"))])]), |n| n % 900 == 0),
    ];
    for (query, naive) in cases {
        for engine in [TextEngine::new(), TextEngine::keeping(0)] {
            let expected: Vec<u32> = (0..9_000).filter(|n| naive(*n)).collect();
            assert_eq!(found(&engine, &sources, &query), expected, "{query:?}");
        }
    }
    // What is asked for twice counts twice.
    let engine = TextEngine::new();
    let view = engine.view(&sources, &engine.known());
    let score = |query: &TextQuery| view.search(query, true).matches[0].score;
    let (once, twice) = (word("rare"), [word("rare"), word("rare")]);
    for query in [all(twice.to_vec()), any(twice.to_vec())] {
        assert_eq!(score(&query), 2.0 * score(&once));
    }
}
