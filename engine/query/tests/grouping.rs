//! Hits that are shown as one, beside grouping by hand what a query finds; and what dates and ranks make of a score.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod common;

use common::{Mail, Random, TAGS, load, mail, model, open_with_meaning};
use futures_lite::future::block_on;
use postlode_format::id::to_hex;
use postlode_format::near::Signature;
use postlode_format::row::{Email, RowKind, place_key, to_bytes};
use postlode_format::row::{Place, Row};
use postlode_query::{Engine, Fusion, Group, Hit, Mode, QueryError, SearchRequest, Sort};
use postlode_store::{LoadBatch, NewEmail, Store};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// All pages of a request.
fn pages(engine: &Engine, request: &SearchRequest) -> (Vec<Hit>, u64) {
    let mut request = request.clone();
    let (mut out, mut total) = (Vec::new(), None);
    loop {
        let answer = block_on(engine.search(request.clone())).unwrap();
        assert!(answer.hits.len() <= request.limit);
        assert_eq!(*total.get_or_insert(answer.total.value), answer.total.value);
        out.extend(answer.hits);
        match answer.next_cursor {
            Some(cursor) => request.cursor = Some(cursor),
            None => return (out, total.unwrap()),
        }
    }
}

/// A copy of a mail that somebody else kept: another id, the same Message-ID, a second later.
fn copy(mail: &Mail, n: usize) -> NewEmail {
    let id = common::id(500_000 + n);
    let date = if mail.date == i64::MIN { mail.date } else { mail.date + 1_000_000 };
    let email = Email { id, date, ..mail.email() };
    let place = Place {
        extra: vec![],
        archive: [1; 16],
        version: [2; 16],
        custodian: "Bob".into(),
        folder: "/Copies".into(),
        node: 7,
        recovered: false,
        date,
    };
    NewEmail {
        id,
        email: to_bytes(&email).unwrap(),
        body: to_bytes(&mail.body()).unwrap(),
        place: Row {
            kind: RowKind::Place,
            key: place_key(&id, &[1; 16], 7).into(),
            value: to_bytes(&place).unwrap(),
        },
    }
}

fn filled(store: &Store) -> Vec<Mail> {
    let mut random = Random::new(11);
    // Many threads of a few mails; those of random mails have hundreds.
    let of_thread = |mail: Mail, n: usize| Mail { thread: common::id(1_000_000 + n % 97), ..mail };
    let mut mails: Vec<Mail> = (0..400).map(|n| of_thread(mail(&mut random, n), n * n)).collect();
    // Most have a text that others have too, with a few other words; of these none is the same in two.
    for (n, mail) in mails.iter_mut().enumerate().filter(|(n, _)| n % 8 != 0) {
        let letter = n % 30;
        let mut words: Vec<String> = (0..120).map(|word| format!("l{letter}w{word}")).collect();
        for _ in 0..random.below(5) {
            words[random.below(120)] = format!("x{}", random.below(100_000));
        }
        mail.body = format!("{} {}", mail.body, words.join(" "));
    }
    load(store, &mails[..250]);
    block_on(store.seal()).unwrap();
    load(store, &mails[250..]);
    let copies = mails.iter().enumerate().step_by(3).map(|(n, mail)| copy(mail, n)).collect();
    block_on(store.load(LoadBatch { emails: copies, ..LoadBatch::default() })).unwrap();
    for mail in mails.iter_mut().step_by(5) {
        mail.deleted = random.chance(40);
        mail.tags = (0..TAGS.len()).filter(|_| random.chance(50)).collect();
        block_on(store.put(vec![mail.mark()])).unwrap();
    }
    mails
}

/// For each hit the first of those that are near to it, or to one that is near to one of them, and so on.
fn families(hits: &[Hit], signatures: &HashMap<String, Option<Signature>>) -> HashMap<String, String> {
    let signatures: Vec<_> = hits.iter().map(|hit| signatures[&hit.message_id]).collect();
    let mut first: Vec<usize> = (0..hits.len()).collect();
    for (one, own) in signatures.iter().enumerate() {
        for (other, theirs) in signatures.iter().enumerate().take(one) {
            if own.zip(*theirs).is_some_and(|(own, theirs)| own.is_near(&theirs)) {
                let (from, to) = (first[one].max(first[other]), first[one].min(first[other]));
                first.iter_mut().filter(|first| **first == from).for_each(|first| *first = to);
            }
        }
    }
    hits.iter().zip(first).map(|(hit, first)| (hit.id.clone(), hits[first].id.clone())).collect()
}

/// Stores may hold mail from before there were signatures, and mail that is too short for one.
#[test]
fn mail_without_a_signature_stands_by_itself_and_that_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let (store, engine) = open_with_meaning(dir.path(), 1 << 20, &model());
    let mut random = Random::new(5);
    let text = "nobody has told them that the two of us are to be in the same text again";
    let mails: Vec<Mail> = (0..6).map(|n| Mail { body: text.into(), ..mail(&mut random, n) }).collect();
    let old = |mail: &Mail| {
        let email = to_bytes(&Email { extra: vec![], ..mail.email() }).unwrap();
        NewEmail { email, ..mail.stored().swap_remove(0) }
    };
    let search = || {
        let request = SearchRequest { group: Group::Near, ..SearchRequest::default() };
        let answer = block_on(engine.search(request)).unwrap();
        let others: Vec<usize> =
            answer.hits.iter().map(|hit| hit.group.as_ref().map_or(0, |group| group.ids.len())).collect();
        (others.len(), others.iter().sum::<usize>(), answer.partial.is_some())
    };
    load(&store, &mails[..3]);
    let short: Vec<Mail> =
        (10..13).map(|n| Mail { body: "too short".into(), ..mail(&mut random, n) }).collect();
    load(&store, &short);
    assert_eq!(search(), (4, 2, false));
    let emails = mails[3..].iter().map(old).collect();
    block_on(store.load(LoadBatch { emails, ..LoadBatch::default() })).unwrap();
    assert_eq!(search(), (7, 2, true));
    block_on(store.close()).unwrap();
}

/// More than are looked at of one group: nobody waits for ever, most of them are shown as one, and that some may not be is told. Two
/// others, of which most words are those of all of these too, do not go under among them.
#[test]
fn of_very_many_near_duplicates_some_are_looked_at_and_that_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let (store, engine) = open_with_meaning(dir.path(), 16 << 20, &model());
    let mut random = Random::new(6);
    let template: Vec<String> = (0..60).map(|n| format!("t{n}")).collect();
    let text = |own: &str| {
        let own: Vec<String> = (0..20).map(|n| format!("{own}{n}")).collect();
        format!("{} {}", template.join(" "), own.join(" "))
    };
    // In an order by words, neighbours by date lie far apart: by how often one word is there, which is one pair more at most.
    let date = |n: usize| (n * 7_919 % 6_000) as i64 * 1_000;
    let mut mails: Vec<Mail> = (0..6_000).map(|n| mail(&mut random, n)).collect();
    for (n, mail) in mails.iter_mut().enumerate() {
        (mail.body, mail.date) = (text("same"), date(n));
        mail.body.push_str(&" t5".repeat(random.below(4_000)));
    }
    for n in [900, 1_700] {
        mails[n].body = text("other");
    }
    load(&store, &mails);
    for (sort, q) in [(Sort::Date, ""), (Sort::Date, "t5"), (Sort::Relevance, "t5")] {
        let request = SearchRequest {
            q: q.to_owned(),
            mode: Mode::Keyword,
            sort: Some(sort),
            group: Group::Near,
            limit: 50,
            snippets: false,
            ..SearchRequest::default()
        };
        let answer = block_on(engine.search(request.clone())).unwrap();
        assert!(answer.partial.is_some());
        let (hits, total) = pages(&engine, &request);
        assert_eq!(total, 6_000);
        let others: Vec<u64> =
            hits.iter().map(|hit| hit.group.as_ref().map_or(0, |group| group.others)).collect();
        assert!(hits.len() <= 3 && others.iter().any(|n| *n > 900), "{sort:?} {q}: {others:?}");
        let shown = |n: usize| hits.iter().any(|hit| hit.id == to_hex(&mails[n].id));
        assert!(shown(900) || shown(1_700), "one of those two is shown");
    }
    block_on(store.close()).unwrap();
}

#[test]
fn a_group_is_shown_by_its_first_whatever_the_pages() {
    let dir = tempfile::tempdir().unwrap();
    let (store, engine) = open_with_meaning(dir.path(), 1 << 20, &model());
    let mails = filled(&store);
    let threads: BTreeSet<String> = mails.iter().map(|mail| to_hex(&mail.thread)).collect();
    assert!(threads.len() > 30);
    // What others have copies of, have these copies too.
    let signatures: HashMap<String, Option<Signature>> =
        mails.iter().map(|mail| (mail.message_id(), mail.signature())).collect();
    let key = |group: Group, hit: &Hit, near: &HashMap<String, String>| match group {
        Group::Thread => hit.thread.clone(),
        Group::Near => near[&hit.id].clone(),
        _ => hit.message_id.clone(),
    };
    let (mut grouped_at_all, mut near_at_all, mut joined_at_all) = (0, 0, 0);
    for q in
        ["", "run", "test", "run OR test -zürich", "tag:red OR tag:green", "in:inbox run", "after:1970-01-10"]
    {
        for (mode, sort) in [
            (Mode::Keyword, Sort::Date),
            (Mode::Keyword, Sort::Relevance),
            (Mode::Hybrid, Sort::Relevance),
            (Mode::Semantic, Sort::Relevance),
        ] {
            let request = SearchRequest {
                q: q.to_owned(),
                mode,
                sort: Some(sort),
                limit: 1_000,
                snippets: false,
                ..SearchRequest::default()
            };
            let (all, total) = pages(&engine, &request);
            let near = families(&all, &signatures);
            for group in [Group::Thread, Group::Message, Group::Near] {
                let mut wanted: Vec<(String, BTreeSet<String>)> = Vec::new();
                let mut known: HashMap<String, usize> = HashMap::new();
                for hit in &all {
                    match known.get(&key(group, hit, &near)) {
                        Some(at) => drop(wanted[*at].1.insert(hit.id.clone())),
                        None => {
                            known.insert(key(group, hit, &near), wanted.len());
                            wanted.push((hit.id.clone(), BTreeSet::new()));
                        }
                    }
                }
                // Near-duplicates take longest.
                let limits: &[usize] = if group == Group::Near { &[1_000, 29] } else { &[1_000, 17, 3] };
                for limit in limits.iter().copied() {
                    let request = SearchRequest { group, limit, ..request.clone() };
                    let (hits, count) = pages(&engine, &request);
                    let told: Vec<(String, BTreeSet<String>)> = hits
                        .iter()
                        .map(|hit| {
                            let ids = hit.group.as_ref().map_or(vec![], |g| g.ids.clone());
                            assert_eq!(hit.group.as_ref().map_or(0, |g| g.others), ids.len() as u64);
                            (hit.id.clone(), ids.into_iter().collect())
                        })
                        .collect();
                    grouped_at_all += told.iter().filter(|(_, others)| !others.is_empty()).count();
                    if group == Group::Near {
                        near_at_all += told.iter().filter(|(_, others)| !others.is_empty()).count();
                        joined_at_all += told.iter().map(|(_, others)| others.len()).sum::<usize>();
                    }
                    if mode != Mode::Semantic {
                        assert_eq!(told, wanted, "{q} {mode:?} {sort:?} {group:?} {limit}");
                        assert_eq!(count, total, "{q} {mode:?} {sort:?} {group:?} {limit}");
                    } else {
                        // A list by meaning gets longer as it is gone through, so others come to light later.
                        let first = |list: &[(String, BTreeSet<String>)]| -> Vec<String> {
                            list.iter().map(|(id, _)| id.clone()).collect()
                        };
                        if group == Group::Near {
                            // So does what brings two of them together: none is missing.
                            let (firsts, wanted) = (first(&told), first(&wanted));
                            assert!(wanted.iter().all(|id| firsts.contains(id)), "{q} {limit}");
                            assert!(firsts.len() < wanted.len() + all.len() / 10, "{q} {limit}");
                            continue;
                        }
                        assert_eq!(first(&told), first(&wanted), "{q} {group:?} {limit}");
                    }
                }
            }
        }
    }
    println!("{grouped_at_all} groups, {near_at_all} of near-duplicates with {joined_at_all} others");
    assert!(grouped_at_all > 1_000 && near_at_all > 500 && joined_at_all > 3 * near_at_all);
    for sort in [Sort::Size, Sort::Sender] {
        let request = SearchRequest { sort: Some(sort), group: Group::Thread, ..SearchRequest::default() };
        assert!(matches!(
            block_on(engine.search(request)),
            Err(QueryError::Parameter { parameter: "group", .. })
        ));
    }
    block_on(store.close()).unwrap();
}

#[test]
fn scores_are_made_as_was_asked() {
    let dir = tempfile::tempdir().unwrap();
    let (store, engine) = open_with_meaning(dir.path(), 1 << 20, &model());
    filled(&store);
    let ask = |mode, fusion, recency| {
        let q = "run test".to_owned();
        pages(&engine, &SearchRequest { q, mode, fusion, recency, limit: 20, ..SearchRequest::default() }).0
    };
    let scores = |hits: &[Hit]| -> BTreeMap<String, f32> {
        hits.iter().map(|hit| (hit.id.clone(), hit.score.unwrap())).collect()
    };
    for mode in [Mode::Keyword, Mode::Semantic, Mode::Hybrid] {
        let (plain, mild) = (ask(mode, Fusion::Mix, 0.0), ask(mode, Fusion::Mix, 0.3));
        let (before, after) = (scores(&plain), scores(&mild));
        assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>(), "{mode:?}");
        assert!(mild.is_sorted_by(|a, b| a.score >= b.score), "{mode:?}");
        if mode != Mode::Semantic {
            let lost: Vec<f32> = before.iter().map(|(id, score)| 1.0 - after[id] / score).collect();
            assert!(lost.iter().all(|lost| (-1e-4..=0.3001).contains(lost)), "{lost:?}");
            assert!(lost.iter().any(|lost| *lost > 0.25) && lost.iter().any(|lost| lost.abs() < 1e-6));
        }
        assert_ne!(plain, mild, "{mode:?}");
    }
    let rrf = ask(Mode::Hybrid, Fusion::Rrf, 0.0);
    assert_eq!(
        scores(&rrf).into_keys().collect::<Vec<_>>(),
        scores(&ask(Mode::Hybrid, Fusion::Mix, 0.0)).into_keys().collect::<Vec<_>>()
    );
    assert!(rrf.iter().all(|hit| hit.score.unwrap() <= 2.0 / 61.0 + 1e-6));
    for bad in [-0.1, 1.1, f32::NAN] {
        let request = SearchRequest { recency: bad, ..SearchRequest::default() };
        assert!(matches!(
            block_on(engine.search(request)),
            Err(QueryError::Parameter { parameter: "recency", .. })
        ));
    }
    block_on(store.close()).unwrap();
}
