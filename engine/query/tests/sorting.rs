//! Hits in the order of size and of sender, page by page, beside sorting by hand.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a test may panic, and its numbers are small"
)]

mod common;

use common::columns::{damage, damage_columns};
use common::{Mail, PEOPLE, Random, load, mail, open, open_shards};
use futures_lite::future::block_on;
use postlode_format::id::to_hex;
use postlode_format::segment::SectionKind;
use postlode_query::{Engine, Mode, QueryError, Relation, SearchAnswer, SearchRequest, Sort};
use std::cmp::Reverse;

fn ask(
    engine: &Engine,
    q: &str,
    sort: Sort,
    limit: usize,
    cursor: Option<String>,
) -> Result<SearchAnswer, QueryError> {
    let mode = Mode::Keyword;
    let sort = Some(sort);
    block_on(engine.search(SearchRequest {
        q: q.to_owned(),
        mode,
        limit,
        cursor,
        sort,
        ..Default::default()
    }))
}

/// Ids of all hits in their order, page by page; `between` happens before each page but the first.
fn pages(engine: &Engine, q: &str, sort: Sort, limit: usize, mut between: impl FnMut()) -> Vec<String> {
    let first = ask(engine, q, sort, limit, None).unwrap();
    let (total, mut next) = (first.total, first.next_cursor.clone());
    assert_eq!(first.partial, None);
    let mut ids: Vec<String> = first.hits.into_iter().map(|hit| hit.id).collect();
    while let Some(cursor) = next {
        between();
        let page = ask(engine, q, sort, limit, Some(cursor)).unwrap();
        assert!(!page.hits.is_empty() && page.hits.len() <= limit);
        assert_eq!((page.total, &page.partial), (total, &None));
        ids.extend(page.hits.into_iter().map(|hit| hit.id));
        next = page.next_cursor;
    }
    assert_eq!((total.value, total.relation), (ids.len() as u64, Relation::Eq), "{q}");
    ids
}

fn sender(mail: &Mail) -> String {
    PEOPLE[mail.from.1].to_lowercase()
}

fn naive<'a>(mails: impl Iterator<Item = &'a Mail>, sort: Sort) -> Vec<String> {
    let mut mails: Vec<&Mail> = mails.filter(|mail| !mail.deleted).collect();
    let newest = |mail: &&Mail| Reverse((mail.date, mail.id));
    match sort {
        Sort::Size => mails.sort_by_key(|mail| (Reverse(mail.size), newest(mail))),
        _ => mails.sort_by_key(|mail| {
            let sender = sender(mail);
            (sender.is_empty(), sender, newest(mail))
        }),
    }
    mails.iter().map(|mail| to_hex(&mail.id)).collect()
}

#[test]
fn hits_come_in_the_order_of_their_values() {
    let dir = tempfile::tempdir().unwrap();
    let (store, engine) = open(dir.path(), 48 << 10);
    let mut random = Random::new(5);
    let mut mails: Vec<Mail> = (0..700).map(|n| mail(&mut random, n)).collect();
    for mail in &mut mails {
        // Many of one size, and all kinds of widths of numbers.
        mail.size = [0, 7, 300, 300, 70_000, 1 << 33][random.below(6)];
    }
    load(&store, &mails);
    for n in (0..mails.len()).step_by(9) {
        mails[n].deleted = true;
        block_on(store.put(vec![mails[n].mark()])).unwrap();
    }
    let day = |n: i64| n * common::DAY;
    let all = |engine: &Engine, mails: &[Mail]| {
        for sort in [Sort::Size, Sort::Sender] {
            for (q, limit) in [("", 7), ("", 1000), ("from:alice@example.com", 3), ("after:1970-01-10", 40)] {
                let fits = |mail: &&Mail| match q {
                    "" => true,
                    "after:1970-01-10" => mail.date >= day(9),
                    _ => sender(mail) == "alice@example.com",
                };
                let wanted = naive(mails.iter().filter(fits), sort);
                assert!(wanted.len() > 20, "{q}");
                assert_eq!(pages(engine, q, sort, limit, || ()), wanted, "{q} {sort:?}");
            }
        }
        // Words are looked for, and do not rank.
        let hits = pages(engine, "running", Sort::Size, 10, || ());
        let by_size = naive(mails.iter(), Sort::Size);
        let wanted: Vec<String> = by_size.into_iter().filter(|id| hits.contains(id)).collect();
        assert!(wanted.len() > 5);
        assert_eq!(hits, wanted);
    };
    all(&engine, &mails);
    block_on(store.compact()).unwrap();
    all(&engine, &mails);
    block_on(store.close()).unwrap();
    let (store, engine) = open_shards(dir.path(), 3);
    all(&engine, &mails);
    block_on(store.close()).unwrap();
    // Where columns cannot be read, records say the same.
    assert!(damage_columns(dir.path()) > 0);
    let (store, engine) = open_shards(dir.path(), 3);
    all(&engine, &mails);
    block_on(store.close()).unwrap();
}

#[test]
fn what_is_loaded_between_pages_moves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (store, engine) = open(dir.path(), 48 << 10);
    let mut random = Random::new(6);
    let mails: Vec<Mail> = (0..200).map(|n| mail(&mut random, n)).collect();
    load(&store, &mails);
    for sort in [Sort::Size, Sort::Sender] {
        let before = pages(&engine, "", sort, 1000, || ());
        let mut next = before.len();
        let first = ask(&engine, "", sort, 20, None).unwrap();
        let (mut ids, mut cursor) = (first.hits, first.next_cursor);
        while let Some(at) = cursor {
            let more: Vec<Mail> = (next..next + 5).map(|n| mail(&mut random, n)).collect();
            next += 5;
            load(&store, &more);
            block_on(store.seal()).unwrap();
            let page = ask(&engine, "", sort, 20, Some(at)).unwrap();
            // It stays what it was when the first page was made.
            assert_eq!(page.total, first.total);
            ids.extend(page.hits);
            cursor = page.next_cursor;
        }
        let ids: Vec<String> = ids.into_iter().map(|hit| hit.id).collect();
        let known: Vec<String> = ids.iter().filter(|id| before.contains(id)).cloned().collect();
        assert_eq!(known, before, "{sort:?}");
        assert!(ids.len() > before.len(), "what came behind the cursor is there");
    }
    block_on(store.close()).unwrap();
}

/// What could not be read was made up for from what came behind it, and where that was the end of the order, the rest of it was
/// on no page.
#[test]
fn what_cannot_be_read_takes_nothing_else_from_the_pages() {
    let dir = tempfile::tempdir().unwrap();
    let (store, engine) = open(dir.path(), 16 << 10);
    let mut random = Random::new(8);
    let mails: Vec<Mail> = (0..60).map(|n| mail(&mut random, n)).collect();
    load(&store, &mails);
    block_on(store.close()).unwrap();
    drop(engine);
    assert!(damage(dir.path(), SectionKind::EmailFrames) > 0);
    let (store, engine) = open(dir.path(), 1 << 20);
    // Others that can be read, so that both are among each other.
    let more: Vec<Mail> = (60..240).map(|n| mail(&mut random, n)).collect();
    load(&store, &more);
    for limit in [3, 7, 20, 50, 130, 150, 170] {
        let (mut ids, mut cursor, mut partial) = (Vec::new(), None, false);
        loop {
            let page = ask(&engine, "", Sort::Size, limit, cursor).unwrap();
            partial |= page.partial.is_some();
            ids.extend(page.hits.into_iter().map(|hit| hit.id));
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert!(partial, "{limit}");
        assert_eq!(ids, naive(more.iter(), Sort::Size), "{limit}");
    }
    block_on(store.close()).unwrap();
}

#[test]
fn a_cursor_belongs_to_its_order() {
    let dir = tempfile::tempdir().unwrap();
    let (store, engine) = open(dir.path(), 1 << 20);
    let mut random = Random::new(7);
    load(&store, &(0..30).map(|n| mail(&mut random, n)).collect::<Vec<_>>());
    let cursor = ask(&engine, "", Sort::Size, 5, None).unwrap().next_cursor;
    for other in [Sort::Sender, Sort::Date] {
        let refused = ask(&engine, "", other, 5, cursor.clone());
        assert!(matches!(refused, Err(QueryError::BadCursor(_))), "{refused:?}");
    }
    let semantic = SearchRequest {
        q: "running".to_owned(),
        mode: Mode::Semantic,
        sort: Some(Sort::Size),
        ..SearchRequest::default()
    };
    let refused = block_on(engine.search(semantic));
    assert!(matches!(refused, Err(QueryError::Parameter { parameter: "sort", .. })), "{refused:?}");
    block_on(store.close()).unwrap();
}
