//! Random queries over random mail, answered by the engine and by reading every mail: the same emails, in the
//! same order, page by page, with the same totals.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a test may panic, and its numbers are small"
)]

mod common;

use common::naive::{naive, query};
use common::{Mail, Random, TAGS, archive, load, mail, open};
use futures_lite::future::block_on;
use postlode_format::id::to_hex;
use postlode_query::lang::{Node, print};
use postlode_query::{Engine, Mode, Relation, SearchRequest, Sort};

/// All pages of a query; the totals of all pages are the same.
fn pages(engine: &Engine, q: &str, sort: Sort, limit: usize) -> (Vec<(String, Option<f32>)>, u64) {
    let mut request = SearchRequest {
        q: q.to_owned(),
        sort: Some(sort),
        mode: Mode::Keyword,
        limit,
        ..SearchRequest::default()
    };
    let (mut out, mut total) = (Vec::new(), None);
    loop {
        let answer = block_on(engine.search(request.clone())).unwrap();
        assert_eq!(answer.partial, None, "{q}");
        assert_eq!(answer.total.relation, Relation::Eq, "{q}");
        assert_eq!(*total.get_or_insert(answer.total.value), answer.total.value, "{q}");
        assert!(answer.hits.len() <= limit);
        out.extend(answer.hits.into_iter().map(|h| (h.id, h.score)));
        match answer.next_cursor {
            Some(cursor) => request.cursor = Some(cursor),
            None => return (out, total.unwrap()),
        }
    }
}

fn compare(engine: &Engine, mails: &[Mail], random: &mut Random, queries: usize) {
    let mut found = 0;
    for n in 0..queries {
        let tree = if n == 0 { Node::And(vec![]) } else { query(random, mails, 3) };
        let q = print(&tree);
        let mut expected: Vec<&Mail> = mails.iter().filter(|m| !m.deleted && naive(m, &tree)).collect();
        expected.sort_by_key(|m| std::cmp::Reverse((m.date, m.id)));
        let expected: Vec<String> = expected.iter().map(|m| to_hex(&m.id)).collect();
        found += expected.len();

        let (by_date, total) = pages(engine, &q, Sort::Date, 5 + random.below(60));
        assert_eq!(
            by_date.iter().map(|h| &h.0).collect::<Vec<_>>(),
            expected.iter().collect::<Vec<_>>(),
            "{q}"
        );
        assert_eq!(total, expected.len() as u64, "{q}");

        let (ranked, total) = pages(engine, &q, Sort::Relevance, 5 + random.below(60));
        let (whole, _) = pages(engine, &q, Sort::Relevance, 1000);
        let differ = ranked.iter().zip(&whole).position(|(a, b)| a != b);
        assert_eq!(
            differ.map(|n| (n, &ranked[n..(n + 3).min(ranked.len())], &whole[n..(n + 3).min(whole.len())])),
            None,
            "{q}"
        );
        assert_eq!(ranked.len(), whole.len(), "{q}");
        assert!(ranked.is_sorted_by(|a, b| a.1 >= b.1), "{q}");
        assert_eq!(total, expected.len() as u64, "{q}");
        let mut ids: Vec<&String> = ranked.iter().map(|h| &h.0).collect();
        ids.sort();
        let mut expected: Vec<&String> = expected.iter().collect();
        expected.sort();
        assert_eq!(ids, expected, "{q}");
    }
    assert!(found > queries, "the queries find next to nothing");
}

#[test]
fn the_engine_finds_what_reading_finds() {
    let number =
        |name: &str, default: u64| std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default);
    let queries = usize::try_from(number("POSTLODE_ORACLE_QUERIES", 40)).unwrap();
    for seed in 0..number("POSTLODE_ORACLE_STORES", 2) {
        let mut random = Random::new(seed + 1);
        let dir = tempfile::tempdir().unwrap();
        let (store, engine) = open(dir.path(), 24 << 10);
        block_on(store.put(vec![archive()])).unwrap();
        let mut mails: Vec<Mail> = (0..200).map(|n| mail(&mut random, n)).collect();
        for part in mails.chunks(37) {
            load(&store, part);
            // Between loads, so that batches of a memtable grow one after the other.
            block_on(engine.search(SearchRequest { q: "run".into(), ..SearchRequest::default() })).unwrap();
        }
        compare(&engine, &mails, &mut random, queries);
        for mail in &mut mails {
            mail.deleted = random.chance(15);
            if random.chance(30) {
                mail.tags = vec![random.below(TAGS.len())];
            }
        }
        let marked = mails.iter().filter(|m| m.deleted || !m.tags.is_empty()).map(Mail::mark).collect();
        block_on(store.put(marked)).unwrap();
        compare(&engine, &mails, &mut random, queries);
        block_on(store.seal()).unwrap();
        compare(&engine, &mails, &mut random, queries);
        block_on(store.compact()).unwrap();
        compare(&engine, &mails, &mut random, queries);
        block_on(store.close()).unwrap();
    }
}
