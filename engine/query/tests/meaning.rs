//! Search by meaning and by both: the hits are those that reading every mail gives, in the order of their vectors.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a test may panic, and its numbers are small"
)]

mod common;

use common::naive::{naive, query};
use common::{Mail, Random, TAGS, archive, load, mail, model, open_with_meaning};
use futures_lite::future::block_on;
use postlode_format::id::{from_hex, to_hex};
use postlode_format::row::to_bytes;
use postlode_query::lang::{Field, Node, Term, print};
use postlode_query::{Engine, Facet, Hit, Mode, Partial, QueryError, Relation, SearchRequest, Sort};
use postlode_runtime::CpuPool;
use postlode_semantic::{Embed, SemanticEngine, Texts, Whitening, texts};
use postlode_store::TextDoc;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The query without the words that stand alone at its top, and whether there were any.
fn within(tree: &Node) -> (Node, bool) {
    let alone =
        |node: &Node| matches!(node, Node::Term(t) if t.field == Field::Any && !t.quoted && !has_sign(t));
    let parts = match tree {
        Node::And(parts) => parts.clone(),
        other => vec![other.clone()],
    };
    let rest: Vec<Node> = parts.iter().filter(|node| !alone(node)).cloned().collect();
    let any = rest.len() < parts.len();
    (Node::And(rest), any)
}

/// Does it stand for several words?
fn has_sign(term: &Term) -> bool {
    !term.quoted && term.value.contains(['*', '~'])
}

/// The words that hits should have: not under an odd number of NOTs, and no names and addresses.
fn meant(tree: &Node, wanted: bool, out: &mut Vec<String>) {
    match tree {
        Node::And(parts) | Node::Or(parts) => parts.iter().for_each(|part| meant(part, wanted, out)),
        Node::Not(inner) => meant(inner, !wanted, out),
        Node::Near(near) if wanted => out.extend(near.either.iter().map(|term| term.value.clone())),
        Node::Term(term) if wanted && !has_sign(term) => match term.field {
            Field::Any | Field::Subject | Field::Body => out.push(term.value.clone()),
            _ => {}
        },
        Node::Near(_) | Node::Term(_) => {}
    }
}

/// How near a mail is: its only passage, as these are short.
fn near(mail: &Mail, model: &dyn Embed, query: &[f32]) -> Option<f32> {
    let doc = TextDoc { email: to_bytes(&mail.email()).unwrap(), body: to_bytes(&mail.body()).unwrap() };
    let Texts::Some(texts) = texts(&doc, model) else { return None };
    let [text] = texts.as_slice() else { panic!("{texts:?}") };
    let vector = model.embed(std::slice::from_ref(&text.embedded)).unwrap().pop().flatten()?;
    Some(vector.iter().zip(query).map(|(a, b)| a * b).sum())
}

/// What the engine turns queries by.
fn whitening(engine: &Engine) -> Arc<Whitening> {
    let base = engine.models().unwrap().base();
    let known = base.known();
    let sources = block_on(engine.store().text_sources(known.counts())).unwrap();
    Arc::clone(base.view(&sources, &known).whitening().unwrap())
}

/// The vector of a text as the engine compares it: turned to what tells its mails apart.
fn turned(engine: &Engine, model: &dyn Embed, text: &str) -> Option<Vec<f32>> {
    let vector = model.embed(&[text.to_owned()]).unwrap().pop().flatten()?;
    let turned = whitening(engine).turn(&vector);
    assert_ne!(turned, vector);
    Some(turned)
}

/// All pages of a query, and what the first says of their completeness.
fn pages(engine: &Engine, q: &str, mode: Mode, limit: usize) -> (Vec<Hit>, Relation, Option<Partial>) {
    let mut request = SearchRequest { q: q.to_owned(), mode, limit, ..SearchRequest::default() };
    request.sort = Some(Sort::Relevance);
    let first = block_on(engine.search(request.clone())).unwrap();
    let (relation, partial) = (first.total.relation, first.partial.clone());
    let (mut out, mut answer) = (Vec::new(), first);
    let lacks = |partial: &Option<Partial>| partial.as_ref().is_some_and(|p| *p != Partial::default());
    loop {
        assert!(answer.hits.len() <= limit);
        // What the first page lacked, the others lack too.
        assert_eq!(lacks(&answer.partial), lacks(&partial), "{q}");
        out.extend(answer.hits);
        assert!(answer.total.relation == Relation::Gte || answer.total.value >= out.len() as u64);
        let Some(cursor) = answer.next_cursor else { return (out, relation, partial) };
        request.cursor = Some(cursor);
        answer = block_on(engine.search(request.clone())).unwrap();
    }
}

fn ids(hits: &[Hit]) -> BTreeSet<String> {
    let ids: BTreeSet<String> = hits.iter().map(|hit| hit.id.clone()).collect();
    assert_eq!(ids.len(), hits.len(), "an email came twice");
    ids
}

fn compare(engine: &Engine, mails: &[Mail], model: &dyn Embed, random: &mut Random, queries: usize) -> usize {
    let mut by_meaning = 0;
    for _ in 0..queries {
        let tree = query(random, mails, 2);
        let q = print(&tree);
        let (rest, any_alone) = within(&tree);
        let mut words = Vec::new();
        meant(&tree, true, &mut words);
        let limit = 3 + random.below(40);
        let fits: Vec<&Mail> = mails.iter().filter(|mail| !mail.deleted && naive(mail, &rest)).collect();
        let matches: BTreeSet<String> =
            mails.iter().filter(|mail| !mail.deleted && naive(mail, &tree)).map(|m| to_hex(&m.id)).collect();
        let (semantic, relation, partial) = pages(engine, &q, Mode::Semantic, limit);
        let (hybrid, ..) = pages(engine, &q, Mode::Hybrid, limit);
        let vector = turned(engine, model, &words.join(" ")).filter(|_| !words.is_empty());
        let Some(vector) = vector else {
            // By words alone, and that is told where words were asked for.
            assert_eq!((ids(&semantic), ids(&hybrid)), (matches.clone(), matches), "{q}");
            assert_eq!(partial.is_some(), !words.is_empty(), "{q}: {partial:?}");
            continue;
        };
        by_meaning += 1;
        let wanted: BTreeMap<String, f32> =
            fits.iter().filter_map(|mail| Some((to_hex(&mail.id), near(mail, model, &vector)?))).collect();
        assert_eq!(ids(&semantic), wanted.keys().cloned().collect(), "{q}");
        assert!(semantic.is_sorted_by(|a, b| a.score >= b.score), "{q}");
        for hit in &semantic {
            let score = hit.score.unwrap();
            assert!(
                (wanted[&hit.id] - score).abs() < 3e-3,
                "{q}: {} is {}, not {score}",
                hit.id,
                wanted[&hit.id]
            );
        }
        assert_eq!(relation, Relation::Gte, "{q}");
        let foreign =
            fits.iter().filter(|mail| !mail.english && near(mail, model, &vector).is_none()).count();
        let told = partial.is_some_and(|partial| partial.reasons.iter().any(|why| why.contains("languages")));
        assert!(told || foreign == 0, "{q}: nothing is said of {foreign} mails in other languages");

        let found = ids(&hybrid);
        assert!(hybrid.is_sorted_by(|a, b| a.score >= b.score), "{q}");
        let all: BTreeSet<String> = fits.iter().map(|mail| to_hex(&mail.id)).collect();
        assert!(found.is_subset(&all), "{q}");
        // A word that stands alone is not in mails that are only near; without such a word all conditions are kept.
        let expected = if any_alone { matches.is_subset(&found) } else { found.is_subset(&matches) };
        assert!(expected && matches.is_subset(&found), "{q}");
        facets_count_what_they_should(engine, &q, matches.len(), fits.len());
        let mut nearest: Vec<(&String, &f32)> = wanted.iter().collect();
        nearest.sort_by(|a, b| b.1.total_cmp(a.1));
        assert!(nearest.iter().take(30).all(|(id, _)| found.contains(*id)), "{q}");
    }
    by_meaning
}

/// By both, facets count what matches by words; by meaning, all that fits. For words that stand alone they once counted the
/// whole store.
fn facets_count_what_they_should(engine: &Engine, q: &str, matches: usize, fits: usize) {
    for (mode, count) in [(Mode::Hybrid, matches), (Mode::Semantic, fits)] {
        let facets = vec![Facet::Custodian];
        let request = SearchRequest { q: q.to_owned(), mode, facets, ..SearchRequest::default() };
        let answer =
            block_on(engine.search(SearchRequest { sort: Some(Sort::Relevance), ..request })).unwrap();
        let counted: u64 =
            answer.facets.unwrap()[&Facet::Custodian].values.iter().map(|value| value.count).sum();
        assert_eq!(counted, count as u64, "{q}, {mode:?}");
    }
}

#[test]
fn hits_by_meaning_are_those_of_reading_all() {
    let model = model();
    let mut by_meaning = 0;
    for seed in 0..2 {
        let mut random = Random::new(seed + 11);
        let dir = tempfile::tempdir().unwrap();
        let (store, engine) = open_with_meaning(dir.path(), 24 << 10, &model);
        let mut mails: Vec<Mail> = (0..200).map(|n| mail(&mut random, n)).collect();
        block_on(store.put(vec![archive()])).unwrap();
        for part in mails.chunks(41) {
            load(&store, part);
            // Between loads, so that batches of a memtable grow one after the other.
            pages(&engine, "run", Mode::Semantic, 1000);
        }
        by_meaning += compare(&engine, &mails, &*model, &mut random, 30);
        for mail in &mut mails {
            mail.deleted = random.chance(15);
            if random.chance(30) {
                mail.tags = vec![random.below(TAGS.len())];
            }
        }
        let marked = mails.iter().filter(|m| m.deleted || !m.tags.is_empty()).map(Mail::mark).collect();
        block_on(store.put(marked)).unwrap();
        by_meaning += compare(&engine, &mails, &*model, &mut random, 30);
        block_on(store.seal()).unwrap();
        by_meaning += compare(&engine, &mails, &*model, &mut random, 30);
        block_on(store.compact()).unwrap();
        by_meaning += compare(&engine, &mails, &*model, &mut random, 30);
        similar_ones(&engine, &mails, &*model);
        block_on(store.close()).unwrap();
    }
    assert!(by_meaning > 60, "{by_meaning} of the queries mean something");
}

fn similar_ones(engine: &Engine, mails: &[Mail], model: &dyn Embed) {
    let (mut compared, mut unknown) = (0, 0);
    for mail in mails.iter().take(60) {
        let id = from_hex(&to_hex(&mail.id)).unwrap();
        let answer = block_on(engine.similar(id, 12)).unwrap();
        if mail.deleted {
            assert!(answer.is_none());
            continue;
        }
        let answer = answer.unwrap();
        let doc = TextDoc { email: to_bytes(&mail.email()).unwrap(), body: to_bytes(&mail.body()).unwrap() };
        let vector = match texts(&doc, model) {
            Texts::Some(texts) => model.embed(&[texts[0].embedded.clone()]).unwrap().pop().flatten(),
            _ => None,
        };
        let Some(vector) = vector else {
            assert!(answer.hits.is_empty() && !answer.partial.unwrap().reasons.is_empty());
            unknown += 1;
            continue;
        };
        let mut wanted: Vec<f32> = mails
            .iter()
            .filter(|other| !other.deleted && other.id != mail.id)
            .filter_map(|other| near(other, model, &vector))
            .collect();
        wanted.sort_by(|a, b| b.total_cmp(a));
        assert_eq!(answer.hits.len(), 12);
        for (hit, wanted) in answer.hits.iter().zip(wanted) {
            assert!((hit.score.unwrap() - wanted).abs() < 3e-3 && hit.id != to_hex(&mail.id));
        }
        compared += 1;
    }
    assert!(compared > 10 && unknown > 5, "{compared} were compared, {unknown} could not be");
}

/// What queries are turned by is learnt of the mails that are there, and learnt anew when there is a quarter more. A list that
/// is gone must not be made again by another turn: its pages would not fit together.
#[test]
fn a_cursor_of_a_query_that_was_turned_otherwise_is_stale() {
    let model = model();
    let dir = tempfile::tempdir().unwrap();
    let (store, engine) = open_with_meaning(dir.path(), 1 << 20, &model);
    let mut random = Random::new(5);
    let mails: Vec<Mail> = (0..110).map(|n| mail(&mut random, n)).collect();
    load(&store, &mails[..100]);
    let of = |engine: &Engine| whitening(engine).identity();
    let request = |cursor| SearchRequest {
        q: "run".to_owned(),
        mode: Mode::Semantic,
        limit: 3,
        cursor,
        ..SearchRequest::default()
    };
    drop(block_on(engine.search(request(None))).unwrap());
    let learnt = of(&engine);
    load(&store, &mails[100..]);
    let first = block_on(engine.search(request(None))).unwrap();
    assert_eq!(of(&engine), learnt, "a tenth more");
    let second = block_on(engine.search(request(first.next_cursor.clone()))).unwrap();
    assert_eq!(second.hits.len(), 3);
    // Another engine learns it of all, and has no list.
    let semantic = SemanticEngine::new(Arc::clone(&model), 1 << 20);
    let other = Engine::with_meaning(store.clone(), CpuPool::new(1).unwrap(), semantic, 1 << 20);
    let stale = block_on(other.search(request(first.next_cursor))).unwrap_err();
    assert!(matches!(stale, QueryError::StaleCursor), "{stale}");
    assert_ne!(of(&other), learnt);
    // A list that is there goes on as it began, although queries are turned otherwise by now, and more mail has come.
    let more: Vec<Mail> = (110..700).map(|n| mail(&mut random, n)).collect();
    load(&store, &more[..290]);
    let mut answer = block_on(other.search(request(None))).unwrap();
    let learnt = of(&other);
    load(&store, &more[290..]);
    let (mut hits, mut seen) = (Vec::new(), BTreeSet::new());
    loop {
        seen.extend(answer.hits.iter().map(|hit| hit.id.clone()));
        hits.append(&mut answer.hits);
        let Some(next) = answer.next_cursor else { break };
        answer = block_on(other.search(request(Some(next)))).unwrap();
        drop(block_on(other.search(request(None))).unwrap());
    }
    assert_ne!(of(&other), learnt);
    assert!(hits.len() > 64 && seen.len() == hits.len(), "{} hits, {} mails", hits.len(), seen.len());
    assert!(hits.is_sorted_by(|a, b| a.score >= b.score));
    let scores: BTreeSet<u32> = hits.iter().map(|hit| hit.score.unwrap().to_bits()).collect();
    assert!(scores.len() * 3 > hits.len(), "{} scores of {} hits", scores.len(), hits.len());
    block_on(store.close()).unwrap();
}

/// Of what matches by words the best are picked, and whoever goes on behind them gets the whole list: it begins with the same
/// hits, has every email once, and as many as the first page told.
#[test]
fn a_long_list_by_both_goes_on_behind_its_best() {
    let model = model();
    let dir = tempfile::tempdir().unwrap();
    let (store, engine) = open_with_meaning(dir.path(), 8 << 20, &model);
    let mut random = Random::new(8);
    let mut mails: Vec<Mail> = (0..1_700).map(|n| mail(&mut random, n)).collect();
    for (n, mail) in mails.iter_mut().enumerate() {
        // Most match, some of them with the same score; some have one of the words.
        match n % 8 {
            0 => mail.body.clear(),
            1 => mail.body = "tests".to_owned(),
            _ if n % 3 == 0 => mail.body = "run tests".to_owned(),
            _ => mail.body.push_str(" run tests"),
        }
    }
    block_on(store.put(vec![archive()])).unwrap();
    mails[..1_500].chunks(300).for_each(|part| load(&store, part));
    block_on(store.seal()).unwrap();
    load(&store, &mails[1_500..]);
    mails.iter_mut().step_by(50).for_each(|mail| mail.deleted = true);
    block_on(store.put(mails.iter().filter(|m| m.deleted).map(Mail::mark).collect())).unwrap();
    let from = format!("from:{}", common::PEOPLE[0]);
    for (q, long) in [("run tests".to_owned(), true), (format!("run tests {from}"), false)] {
        let tree = postlode_query::lang::parse(&q).unwrap();
        let matches: BTreeSet<String> =
            mails.iter().filter(|mail| !mail.deleted && naive(mail, &tree)).map(|m| to_hex(&m.id)).collect();
        assert_eq!(matches.len() > 1_100, long, "{q}: {}", matches.len());
        let request = SearchRequest { q: q.clone(), limit: 60, snippets: false, ..SearchRequest::default() };
        let first = block_on(engine.search(request.clone())).unwrap();
        let (hits, ..) = pages(&engine, &q, Mode::Hybrid, 60);
        assert!(matches.is_subset(&ids(&hits)), "{q}");
        assert!(hits.is_sorted_by(|a, b| a.score >= b.score), "{q}");
        assert_eq!(first.total.value, hits.len() as u64, "{q}");
        // The same in one page, for which the best may not be enough.
        let all = block_on(engine.search(SearchRequest { limit: 1_000, ..request.clone() })).unwrap();
        let of = |hits: &[Hit]| -> Vec<(String, u32)> {
            hits.iter().map(|hit| (hit.id.clone(), hit.score.unwrap().to_bits())).collect()
        };
        assert_eq!(of(&all.hits), of(&hits[..all.hits.len()]), "{q}");
        // Where newer ones are preferred the whole list is made at once; so little is lost in rounding.
        let mut of_all = SearchRequest { limit: 1_000, recency: 1e-9, ..request.clone() };
        let mut at_once = Vec::new();
        loop {
            let page = block_on(engine.search(of_all.clone())).unwrap();
            assert_eq!(page.total, first.total, "{q}");
            at_once.extend(of(&page.hits));
            of_all.cursor = page.next_cursor;
            if of_all.cursor.is_none() {
                break;
            }
        }
        assert_eq!(at_once, of(&hits), "{q}");
        // Another engine has no list to go on with, and makes the same one.
        let semantic = SemanticEngine::new(Arc::clone(&model), 1 << 20);
        let other = Engine::with_meaning(store.clone(), CpuPool::new(1).unwrap(), semantic, 1 << 20);
        let request = SearchRequest { cursor: first.next_cursor, ..request };
        let second = block_on(other.search(request)).unwrap();
        assert_eq!(of(&second.hits), of(&hits[60..120]), "{q}");
        // Facets count what matches by words, whatever was looked at for the page.
        let (rest, _) = within(&tree);
        let fits = mails.iter().filter(|mail| !mail.deleted && naive(mail, &rest)).count();
        facets_count_what_they_should(&engine, &q, matches.len(), fits);
    }
    block_on(store.close()).unwrap();
}

#[test]
fn a_hit_by_meaning_shows_its_nearest_passage() {
    let model = model();
    let dir = tempfile::tempdir().unwrap();
    let (store, engine) = open_with_meaning(dir.path(), 1 << 20, &model);
    let mut random = Random::new(1);
    let mut long = mail(&mut random, 1);
    long.files.clear();
    (long.from, long.to, long.cc) = ((0, 0), vec![], vec![]);
    (long.subject, long.english) = ("x1".into(), true);
    long.body = format!("{}tests {}", "the ".repeat(150), "run ".repeat(110));
    load(&store, std::slice::from_ref(&long));
    let ask = |q: &str, mode| {
        let request = SearchRequest { q: q.to_owned(), mode, ..SearchRequest::default() };
        block_on(engine.search(request))
    };
    let hit = ask("running", Mode::Semantic).unwrap().hits.remove(0);
    // Words are marked where they are …
    assert!(hit.snippet.contains("<mark>run</mark>"), "{}", hit.snippet);
    // … and where they are not, the passage is shown that the score is of.
    let doc = TextDoc { email: to_bytes(&long.email()).unwrap(), body: to_bytes(&long.body()).unwrap() };
    let Texts::Some(texts) = texts(&doc, &*model) else { panic!() };
    let mut later = 0;
    for word in ["zurich", "don", "tested"] {
        let all: Vec<String> = texts.iter().map(|t| t.embedded.clone()).chain([word.to_owned()]).collect();
        let mut vectors: Vec<Vec<f32>> = model.embed(&all).unwrap().into_iter().flatten().collect();
        vectors.pop();
        let query = turned(&engine, &*model, word).unwrap();
        let dot = |v: &Vec<f32>| v.iter().zip(&query).map(|(a, b)| a * b).sum::<f32>();
        let nearest =
            (0..vectors.len()).max_by(|a, b| dot(&vectors[*a]).total_cmp(&dot(&vectors[*b]))).unwrap();
        later += usize::from(nearest > 0);
        // In quotes, as words may be found by their stems otherwise.
        let hits = ask(&format!("{word} -\"{word}\""), Mode::Semantic).unwrap().hits;
        let hit = &hits[0];
        if hit.matched_in.is_none() {
            assert_eq!(hit.snippet, postlode_text::beginning(&texts[nearest].own), "{word}");
        }
    }
    assert!(later > 0, "the first passage is the beginning of the mail anyway");
    let refused = SearchRequest { sort: Some(Sort::Date), ..SearchRequest::default() };
    let refused = SearchRequest { q: "run".into(), mode: Mode::Semantic, ..refused };
    let error = block_on(engine.search(refused)).unwrap_err();
    assert!(matches!(error, QueryError::Parameter { parameter: "sort", .. }), "{error}");
    block_on(store.close()).unwrap();
}
