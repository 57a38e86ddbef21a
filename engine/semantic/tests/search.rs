//! Meaning over segments and memtables: against comparing every passage, with damage, another model, and any bytes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

#[path = "../../text/tests/common/mod.rs"]
mod common;

use common::*;
use postlode_embed::{Embed, EmbedError, Model, StaticModel, Table};
use postlode_format::index::Position;
use postlode_format::segment::VectorPart;
use postlode_semantic::{Known, Near, Only, SemanticEngine, Texts, VectorIndex, inspect, texts};
use postlode_store::{
    AddonText, MergedVectors, NOWHERE, NewVectors, Ordinals, SegmentText, TextSources, VectorBuilder,
    VectorParts,
};
use postlode_vector::CodeKind;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

const WORDS: usize = 24;

/// A table of so many words, `w0` to `w23`, in directions that have nothing to do with each other.
fn model(version: u32) -> Arc<dyn Embed> {
    let mut random = 7u64;
    let mut value = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((random >> 33) as f32) / 4e9 - 0.5
    };
    let rows: Vec<f32> = (0..(WORDS + 1) * 16).map(|n| if n < 16 { 0.0 } else { value() }).collect();
    let words: Vec<String> = (0..WORDS).map(|n| format!("w{n}")).collect();
    let words = format!("[UNK]\n{}", words.join("\n"));
    Arc::new(StaticModel::parse(&Table::write("test", version, &words, 16, &rows)).unwrap())
}

fn parts(new: &NewVectors) -> VectorParts {
    new.parts.iter().map(|(part, (bytes, _))| (*part, section(bytes.clone()))).collect()
}

fn built(model: &Arc<dyn Embed>, mails: &[Mail]) -> NewVectors {
    let mut rest = mails.iter();
    VectorIndex::new(Arc::clone(model)).build(&mut || rest.next().map(Mail::doc)).unwrap()
}

/// A segment without words: those are not looked at here.
fn with_vectors(id: u64, mails: &[Mail], vectors: VectorParts) -> SegmentText {
    SegmentText {
        id,
        emails: mails.len() as u64,
        text: section(Vec::new()),
        ordinals: Ordinals::new(section(ordinals(mails)), mails.len() as u64),
        vectors,
        addons: Vec::new(),
    }
}

fn sealed(model: &Arc<dyn Embed>, id: u64, mails: &[Mail]) -> SegmentText {
    with_vectors(id, mails, parts(&built(model, mails)))
}

fn mail(n: u32, subject: &str, body: &str) -> Mail {
    Mail { n, subject: subject.into(), body: body.into(), ..Mail::default() }
}

fn query(model: &Arc<dyn Embed>, text: &str) -> Vec<f32> {
    model.embed(&[text.to_owned()]).unwrap().remove(0).unwrap()
}

fn engine(model: &Arc<dyn Embed>) -> SemanticEngine {
    SemanticEngine::new(Arc::clone(model), 1 << 30)
}

/// Every passage of every mail, one by one.
fn naive(model: &Arc<dyn Embed>, mails: &[Mail], query: &[f32], only: &Only) -> Vec<(Position, f32, u32)> {
    let mut out = Vec::new();
    for mail in mails.iter().filter(|mail| only.has(mail.position())) {
        let Texts::Some(texts) = texts(&mail.doc(), &**model) else { continue };
        let texts: Vec<String> = texts.into_iter().map(|text| text.embedded).collect();
        let vectors = model.embed(&texts).unwrap();
        let dot = |v: Vec<f32>| v.iter().zip(query).map(|(a, b)| a * b).sum::<f32>();
        let scores = (0u32..).zip(vectors.into_iter().flatten().map(dot));
        if let Some((passage, score)) = scores.max_by(|a, b| a.1.total_cmp(&b.1)) {
            out.push((mail.position(), score, passage));
        }
    }
    out.sort_by(|a, b| b.1.total_cmp(&a.1));
    out
}

/// The same emails where scores are not equal, the same scores everywhere, as far as halves have them.
fn agree(found: &[Near], wanted: &[(Position, f32, u32)], k: usize) {
    assert_eq!(found.len(), wanted.len().min(k));
    let scores: BTreeMap<Position, f32> = wanted.iter().map(|(at, score, _)| (*at, *score)).collect();
    for (near, (_, score, _)) in found.iter().zip(wanted) {
        assert!((near.score - score).abs() < 2e-3, "{near:?}, but {score}");
        assert!((scores[&near.position] - near.score).abs() < 2e-3, "{near:?} is not of that email");
    }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => prop::collection::vec(0..WORDS, 0..12),
        1 => prop::collection::vec(0..WORDS, 180..420),
    ]
    .prop_map(|words| words.into_iter().map(|n| format!("w{n} ")).collect())
}

fn mails() -> impl Strategy<Value = Vec<Mail>> {
    let one = (text(), text(), prop_oneof![4 => Just(""), 2 => Just("eng"), 1 => Just("deu")]);
    prop::collection::vec(one, 1..40).prop_map(|all| {
        let mail = |(n, (subject, body, language)): (u32, (String, String, &str))| Mail {
            language: language.to_owned(),
            ..mail(n, &subject, &body)
        };
        (0..).zip(all).map(mail).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn what_is_nearest_is_nearest(
        mails in mails(),
        asked in prop::collection::vec(0..WORDS, 1..5),
        cuts: [prop::sample::Index; 3],
        k in 1..30usize,
        some in prop::option::of(prop::collection::vec(any::<bool>(), 40)),
        between in (0..45i64, 0..45i64),
        budget in prop_oneof![Just(0usize), Just(1 << 30)],
        gone in prop::collection::vec(any::<bool>(), 40),
    ) {
        let model = model(1);
        let [a, b, c] = cuts.map(|cut| cut.index(mails.len() + 1));
        let (low, high) = (a.min(b), a.max(b));
        let middle = c.clamp(low, high);
        let engine = SemanticEngine::new(Arc::clone(&model), budget);
        let asked: String = asked.into_iter().map(|n| format!("w{n} ")).collect();
        let query = query(&model, &asked);
        let these = some.map(|some| {
            mails.iter().zip(&some).filter(|(_, is)| **is).map(|(mail, _)| mail.position()).collect::<Vec<_>>().into()
        });
        let at = |n: i64| Position { date: n * 1_000_000, id: [0xff; 16] };
        for only in [Only::default(), Only { between: (at(between.0 - 1), at(between.1)), these }] {
            let foreign =
                mails.iter().filter(|mail| mail.language == "deu" && only.has(mail.position())).count() as u64;
            // Two segments and a memtable that grew between two searches.
            let sealed = |id, mails: &[Mail]| sealed(&model, id, mails);
            let segments = vec![sealed(1, &mails[..low]), sealed(2, &mails[low..middle])];
            let mut wanted = naive(&model, &mails, &query, &only);
            for upto in [high, mails.len()] {
                let known = engine.known();
                let first = known.counts().get(&9).copied().unwrap_or(0).min(upto - middle);
                let memtable = memtable(9, first, &mails[middle + first..upto]);
                let sources = sources(segments.clone(), vec![memtable]);
                let answer = engine.view(&sources, &known).nearest(&query, k, &only);
                prop_assert_eq!(&answer.missing, &[]);
                if upto == mails.len() {
                    agree(&answer.near, &wanted, k);
                    prop_assert_eq!(answer.foreign, foreign);
                    prop_assert!(answer.more || answer.near.len() == wanted.len());
                }
            }
            // All in one segment, merged of those of before, some of it left out.
            let kept: Vec<Mail> =
                mails.iter().zip(&gone).filter(|(_, gone)| !**gone).map(|(mail, _)| mail.clone()).collect();
            let new = |mails: &[Mail]| -> Vec<u32> {
                let number = |mail: &Mail| kept.iter().position(|other| other.n == mail.n);
                mails.iter().map(|mail| number(mail).map_or(NOWHERE, |n| n as u32)).collect()
            };
            // By turns, as emails lie by their dates, in which segments overlap.
            let turn = |n: usize| mails.iter().skip(n).step_by(2).cloned().collect::<Vec<Mail>>();
            let merged: Vec<MergedVectors> = [turn(0), turn(1)]
                .map(|mails| MergedVectors { parts: parts(&built(&model, &mails)), to: new(&mails) })
                .into();
            let merged = VectorIndex::new(Arc::clone(&model)).merge(&merged).unwrap();
            let sources = sources(vec![with_vectors(3, &kept, parts(&merged))], vec![]);
            let answer = engine.view(&sources, &Known::default()).nearest(&query, k, &only);
            wanted.retain(|(at, _, _)| kept.iter().any(|mail| mail.position() == *at));
            agree(&answer.near, &wanted, k);
            let foreign =
                kept.iter().filter(|mail| mail.language == "deu" && only.has(mail.position())).count() as u64;
            prop_assert_eq!(answer.foreign, foreign);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    /// Vectors of a part of the mails, merged once to get there, and again with some mails left out.
    #[test]
    fn what_is_pending_stays_pending_and_the_rest_is_nearest(
        mails in mails(),
        has in prop::collection::vec(any::<bool>(), 40),
        gone in prop::collection::vec(any::<bool>(), 40),
        asked in prop::collection::vec(0..WORDS, 1..5),
        k in 1..30usize,
    ) {
        let model = model(3);
        let builder = VectorIndex::new(Arc::clone(&model));
        let of = |wanted: bool| -> Vec<(u32, Mail)> {
            let all = (0u32..).zip(mails.iter().cloned()).zip(&has);
            all.filter(|(_, has)| **has == wanted).map(|(one, _)| one).collect()
        };
        let (with, without) = (of(true), of(false));
        prop_assume!(!with.is_empty());
        let only: Vec<Mail> = with.iter().map(|(_, mail)| mail.clone()).collect();
        let source = |some: &[(u32, Mail)], parts| MergedVectors { parts, to: some.iter().map(|(n, _)| *n).collect() };
        let sources = [source(&with, parts(&built(&model, &only))), source(&without, VectorParts::new())];
        let (first, pending) = builder.merge_addons(&sources).unwrap();
        prop_assert_eq!(pending, without.len() as u64);
        let kept: Vec<(usize, Mail)> =
            mails.iter().cloned().enumerate().filter(|(n, _)| !gone[*n]).collect();
        let new = |n: usize| kept.iter().position(|(old, _)| *old == n).map_or(NOWHERE, |new| new as u32);
        let to = (0..mails.len()).map(new).collect();
        let (second, pending) = builder.merge_addons(&[MergedVectors { parts: parts(&first), to }]).unwrap();
        let left: Vec<Mail> = kept.iter().filter(|(n, _)| has[*n]).map(|(_, mail)| mail.clone()).collect();
        prop_assert_eq!(pending, (kept.len() - left.len()) as u64);
        let kept: Vec<Mail> = kept.into_iter().map(|(_, mail)| mail).collect();
        let addon = AddonText { id: 77, model: model.model().key(), pending, vectors: Ok(parts(&second)) };
        let segment = SegmentText { addons: vec![addon], ..with_vectors(1, &kept, VectorParts::new()) };
        let engine = SemanticEngine::of_addons(Arc::clone(&model), 1 << 30);
        let asked: String = asked.into_iter().map(|n| format!("w{n} ")).collect();
        let query = query(&model, &asked);
        let answer =
            engine.view(&common::sources(vec![segment], vec![]), &Known::default()).nearest(&query, k, &Only::default());
        prop_assert_eq!((&answer.missing, answer.without), (&vec![], pending));
        agree(&answer.near, &naive(&model, &left, &query, &Only::default()), k);
        prop_assert_eq!(answer.foreign, left.iter().filter(|mail| mail.language == "deu").count() as u64);
    }
}

/// Codes may be of any kind, segments of several kinds are searched together, and merged to one of any: exact values decide.
#[test]
fn codes_of_all_kinds_are_searched_together() {
    let model = model(1);
    let text = |n: u32| format!("w{} w{} w{}", n % 24, n * 7 % 23, n * n % 19);
    let all: Vec<Mail> = (0..90).map(|n| mail(n, &text(n), "")).collect();
    let kinds = [CodeKind::Sq8, CodeKind::B4, CodeKind::F16];
    let builder = |kind| VectorIndex::new(Arc::clone(&model)).with_codes(kind);
    let mut segments = Vec::new();
    for (n, kind) in (0u32..).zip(kinds) {
        let mails = &all[n as usize * 30..][..30];
        let mut rest = mails.iter();
        let made = builder(kind).build(&mut || rest.next().map(Mail::doc)).unwrap();
        let segment = with_vectors(n.into(), mails, parts(&made));
        assert_eq!(inspect(&segment).unwrap().unwrap().codes, kind.name());
        segments.push(segment);
    }
    let query = query(&model, "w3 w9 w11");
    let wanted = naive(&model, &all, &query, &Only::default());
    let look = |segments: Vec<SegmentText>| {
        let sources = sources(segments, vec![]);
        engine(&model).view(&sources, &Known::default()).nearest(&query, 8, &Only::default()).near
    };
    agree(&look(segments.clone()), &wanted, 8);
    for kind in kinds {
        let part = |(n, own): (u32, &SegmentText)| MergedVectors {
            parts: own.vectors.clone(),
            to: (n * 30..n * 30 + 30).collect(),
        };
        let merged: Vec<MergedVectors> = (0u32..).zip(&segments).map(part).collect();
        let whole = with_vectors(9, &all, parts(&builder(kind).merge(&merged).unwrap()));
        assert_eq!(inspect(&whole).unwrap().unwrap().codes, kind.name());
        agree(&look(vec![whole]), &wanted, 8);
    }
}

#[test]
fn a_hit_tells_its_nearest_passage() {
    let model = model(1);
    let long = format!("{} {}", "w1 ".repeat(150), "w2 ".repeat(100));
    let mails = [mail(0, "", "w3"), mail(1, "", &long)];
    let sources = sources(vec![sealed(&model, 1, &mails)], vec![]);
    let answer =
        engine(&model).view(&sources, &Known::default()).nearest(&query(&model, "w2"), 5, &Only::default());
    assert_eq!((answer.near.len(), answer.near[0].passage), (2, 2));
    let Texts::Some(all) = texts(&mails[1].doc(), &*model) else { panic!() };
    assert_eq!(all[2].own, "w2 ".repeat(50).trim());
}

#[test]
fn vectors_of_another_model_are_none() {
    let (old, new) = (model(1), model(2));
    let mails = [mail(0, "", "w1"), mail(1, "", "w2")];
    let segment = sealed(&old, 1, &mails);
    for budget in [0, 1 << 20] {
        let engine = SemanticEngine::new(Arc::clone(&new), budget);
        let sources = sources(vec![segment.clone(), with_vectors(2, &mails, VectorParts::new())], vec![]);
        let answer =
            engine.view(&sources, &Known::default()).nearest(&query(&new, "w1"), 5, &Only::default());
        assert_eq!((answer.near.len(), answer.without, answer.missing), (0, 4, vec![]));
    }
    // They cannot be merged either: then all is embedded anew.
    let sources = [MergedVectors { parts: segment.vectors, to: vec![0, 1] }];
    assert!(VectorIndex::new(new).merge(&sources).unwrap_err().contains("test 1"));
}

/// Every byte turned, every length cut: the checksums of blocks are passed by here.
#[test]
fn sections_may_hold_any_bytes() {
    let model = model(1);
    let mails: Vec<Mail> = (0..12).map(|n| mail(n, "", &format!("w{} w{}", n % 5, n % 3))).collect();
    let whole = built(&model, &mails);
    let query = query(&model, "w1 w2");
    let (mut refused, mut read) = (0, 0);
    for (part, (bytes, _)) in &whole.parts {
        let flips = (0..bytes.len()).flat_map(|at| [1u8, 0x80, 0xff].map(|bits| (at, bits)));
        let turned = flips.map(|(at, bits)| {
            let mut bytes = bytes.clone();
            bytes[at] ^= bits;
            bytes
        });
        let cut = (0..bytes.len()).map(|len| bytes[..len].to_vec());
        for bytes in turned.chain(cut) {
            let mut vectors = parts(&whole);
            vectors.insert(*part, section(bytes));
            let merged = MergedVectors { parts: vectors.clone(), to: (0..12).collect() };
            let sources: TextSources = sources(vec![with_vectors(1, &mails, vectors)], vec![]);
            let answer =
                engine(&model).view(&sources, &Known::default()).nearest(&query, 5, &Only::default());
            let merge = VectorIndex::new(Arc::clone(&model)).merge(&[merged]);
            if answer.missing.is_empty() && answer.without == 0 {
                assert!(answer.near.len() <= 5);
                read += 1;
            } else {
                assert!(answer.missing.iter().all(|m| !m.reason.contains("ended inside")), "{answer:?}");
                refused += 1;
            }
            assert!(merge.err().is_none_or(|why| !why.contains("broken off")));
        }
    }
    assert!(refused > 100 && read > 100, "{refused} refused, {read} read");
    let mut vectors = parts(&whole);
    vectors.remove(&VectorPart::Rows);
    let sources = sources(vec![with_vectors(1, &mails, vectors)], vec![]);
    let answer = engine(&model).view(&sources, &Known::default()).nearest(&query, 5, &Only::default());
    assert_eq!((answer.near.len(), answer.missing.len()), (0, 1));
}

/// Whoever wrote bytes with good checksums may still have been wrong.
#[test]
fn sections_that_contradict_each_other_are_refused() {
    let model = model(1);
    let mails: Vec<Mail> = (0..4).map(|n| mail(n, "", &format!("w{n}"))).collect();
    let whole = built(&model, &mails);
    let of = |part: VectorPart| whole.parts[&part].0.clone();
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    let head = |at: usize, value: u32| {
        let mut head = of(VectorPart::Head);
        head[at..at + 4].copy_from_slice(&value.to_le_bytes());
        head
    };
    type Changed = Vec<(VectorPart, Vec<u8>)>;
    let cases: [(&str, Changed); 5] = [
        ("emails in another order", vec![(VectorPart::Emails, words(&[1, 0, 2, 3]))]),
        ("an email that the segment has not", vec![(VectorPart::Emails, words(&[0, 1, 2, 4]))]),
        (
            "a vector more than there are",
            vec![(VectorPart::Emails, words(&[0, 1, 2, 3, 3])), (VectorPart::Head, head(12, 5))],
        ),
        ("an email in another language more", vec![(VectorPart::Head, head(16, 1))]),
        ("other dimensions", vec![(VectorPart::Head, head(8, 8))]),
    ];
    for (what, changed) in cases {
        let mut vectors = parts(&whole);
        vectors.extend(changed.into_iter().map(|(part, bytes)| (part, section(bytes))));
        let sources = sources(vec![with_vectors(1, &mails, vectors)], vec![]);
        let answer = engine(&model).view(&sources, &Known::default()).nearest(
            &query(&model, "w1"),
            4,
            &Only::default(),
        );
        assert!(
            answer.near.is_empty() && answer.missing.len() + answer.without as usize > 0,
            "{what}: {answer:?}"
        );
    }
}

#[test]
fn the_bytes_of_equal_mails_are_equal() {
    let model = model(1);
    let mails: Vec<Mail> = (0..50).map(|n| mail(n, "w3", &format!("w{} w{}", n % 7, n % 4))).collect();
    assert_eq!(built(&model, &mails), built(&model, &mails));
    assert_eq!(built(&model, &[]).parts.len(), 2, "a segment without text has a head, and rows of nothing");
}

/// A mail too short for its language to be told, of words that the model does not know, was found by no meaning and counted
/// nowhere.
#[test]
fn mails_of_unknown_words_are_counted() {
    let model = model(1);
    let german = Mail { language: "deu".to_owned(), ..mail(1, "", "w2") };
    let mails = [mail(0, "", "xx yy"), german, mail(2, "", "w1"), mail(3, "", ""), mail(4, "", "Счёт")];
    let merged = MergedVectors { parts: parts(&built(&model, &mails)), to: (0..5).collect() };
    let merged = VectorIndex::new(Arc::clone(&model)).merge(&[merged]).unwrap();
    for sources in [
        sources(vec![sealed(&model, 1, &mails)], vec![]),
        sources(vec![with_vectors(1, &mails, parts(&merged))], vec![]),
        sources(vec![], vec![memtable(3, 0, &mails)]),
    ] {
        let view = engine(&model).view(&sources, &Known::default());
        let answer = view.nearest(&query(&model, "w1"), 5, &Only::default());
        assert_eq!((answer.near.len(), answer.foreign), (1, 3));
    }
}

/// The same vectors for a model of which they are compared as they are.
struct Even(Arc<dyn Embed>);

impl Embed for Even {
    fn model(&self) -> Model {
        self.0.model()
    }

    fn knows(&self, language: &str) -> bool {
        self.0.knows(language)
    }

    fn embed(&self, texts: &[String]) -> Result<Vec<Option<Vec<f32>>>, EmbedError> {
        self.0.embed(texts)
    }
}

#[test]
fn what_queries_are_turned_by_is_learnt_of_what_is_searched() {
    let model = model(1);
    let segment = |id: u64, from: u32, mails: u32| {
        let text = |n: u32| format!("w{} w{}", n % 24, n * 5 % 23);
        sealed(&model, id, &(from..from + mails).map(|n| mail(n, "", &text(n))).collect::<Vec<_>>())
    };
    let sources =
        |segments: &[SegmentText]| TextSources { segments: segments.to_vec(), ..TextSources::default() };
    let (a, b, c) = (segment(1, 0, 100), segment(2, 100, 20), segment(3, 120, 10));
    let own = engine(&model);
    let view = |engine: &SemanticEngine, segments: &[SegmentText]| {
        let view = engine.view(&sources(segments), &Known::default());
        view.whitening().map(|whitening| whitening.identity())
    };
    assert!(view(&own, &[]).is_none());
    let first = view(&own, std::slice::from_ref(&a)).unwrap();
    // A fifth more is not enough to learn it anew, three tenths are.
    assert_eq!(view(&own, &[a.clone(), b.clone()]), Some(first));
    let second = view(&own, &[a.clone(), b.clone(), c.clone()]).unwrap();
    assert_ne!(second, first);
    assert_eq!(view(&engine(&model), &[a.clone(), b, c]), Some(second), "it depends on what is there alone");
    assert_eq!(view(&own, std::slice::from_ref(&a)), Some(first), "a quarter is gone");
    assert!(view(&own, &[]).is_none());
    // Not of a model whose vectors lie evenly, and not of what is opened for each search.
    assert!(
        view(&SemanticEngine::new(Arc::new(Even(Arc::clone(&model))), 1 << 30), std::slice::from_ref(&a))
            .is_none()
    );
    assert!(view(&SemanticEngine::new(Arc::clone(&model), 10), &[a]).is_none());
}
