//! Facets beside counting by hand what a query's hits are, from rows and from indexes.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a test may panic, and its numbers are small"
)]

mod common;

use common::{FOLDERS, Mail, PEOPLE, Random, TAGS, load, mail, open};
use futures_lite::future::block_on;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use postlode_format::id::to_hex;
use postlode_query::{Engine, Facet, FacetCounts, Mode, SearchAnswer, SearchRequest, Sort};
use std::collections::{BTreeMap, BTreeSet, HashMap};

fn ask(engine: &Engine, q: &str, cursor: Option<String>, facets: &[Facet]) -> SearchAnswer {
    block_on(engine.search(SearchRequest {
        q: q.to_owned(),
        mode: Mode::Keyword,
        limit: 1000,
        cursor,
        sort: Some(Sort::Date),
        tz: Some("America/New_York".to_owned()),
        facets: facets.to_vec(),
        ..SearchRequest::default()
    }))
    .unwrap()
}

/// Values of one mail, folded.
fn values(mail: &Mail, facet: Facet) -> BTreeSet<String> {
    let lower = |text: &str| text.to_lowercase();
    let person = |(_, person): &(usize, usize)| lower(PEOPLE[*person]);
    let date = (mail.date != i64::MIN).then(|| {
        let zone = TimeZone::get("America/New_York").unwrap();
        Timestamp::from_microsecond(mail.date).unwrap().to_zoned_datetime(zone).date()
    });
    match facet {
        Facet::Sender => [person(&mail.from)].into(),
        Facet::Domain => {
            person(&mail.from).split_once('@').map(|(_, domain)| domain.to_owned()).into_iter().collect()
        }
        Facet::Recipient => mail.to.iter().chain(&mail.cc).map(person).collect(),
        Facet::Folder => mail.folders.iter().map(|n| lower(FOLDERS[*n])).collect(),
        Facet::Custodian => ["ann".to_owned()].into(),
        Facet::Tag => mail.tags.iter().map(|n| lower(TAGS[*n])).collect(),
        Facet::Year => [date.map_or(String::new(), |d| format!("{:04}", d.year()))].into(),
        Facet::Month => [date.map_or(String::new(), |d| format!("{:04}-{:02}", d.year(), d.month()))].into(),
    }
}

fn compare(engine: &Engine, mails: &[Mail], q: &str) -> usize {
    let by_id: HashMap<String, &Mail> = mails.iter().map(|m| (to_hex(&m.id), m)).collect();
    let first = ask(engine, q, None, &Facet::ALL);
    assert_eq!(first.partial, None, "{q}");
    let facets = first.facets.clone().unwrap();
    let (mut hits, mut next) = (first.hits, first.next_cursor);
    while let Some(cursor) = next {
        // Of a later page they counted what was left of the hits.
        let again = ask(engine, q, Some(cursor.clone()), &Facet::ALL);
        assert_eq!(again.facets.as_ref(), Some(&facets), "{q}");
        let page = ask(engine, q, Some(cursor), &[]);
        assert_eq!(page.facets, None);
        hits.extend(page.hits);
        next = page.next_cursor;
    }
    for facet in Facet::ALL {
        let mut naive: BTreeMap<String, u64> = BTreeMap::new();
        for hit in &hits {
            for value in values(by_id[&hit.id], facet) {
                *naive.entry(value).or_default() += 1;
            }
        }
        let FacetCounts { values, distinct } = &facets[&facet];
        let told: BTreeMap<String, u64> = values.iter().map(|v| (v.value.to_lowercase(), v.count)).collect();
        assert_eq!((&told, *distinct), (&naive, naive.len() as u64), "{q}: {facet:?}");
        let ordered = match facet {
            Facet::Year | Facet::Month => values.is_sorted_by(|a, b| a.value < b.value),
            _ => values.is_sorted_by(|a, b| a.count >= b.count),
        };
        assert!(ordered, "{q}: {values:?}");
    }
    hits.len()
}

#[test]
fn facets_are_what_counting_the_hits_gives() {
    let dir = tempfile::tempdir().unwrap();
    let (store, engine) = open(dir.path(), 64 << 10);
    let mut random = Random::new(11);
    let mut mails: Vec<Mail> = (0..2_600).map(|n| mail(&mut random, n)).collect();
    load(&store, &mails);
    for n in (0..mails.len()).step_by(7) {
        mails[n].tags = (0..TAGS.len()).filter(|_| random.chance(50)).collect();
        mails[n].deleted = random.chance(20);
        block_on(store.put(vec![mails[n].mark()])).unwrap();
        if n % 2 == 0 {
            // Taken away again: the index still has its key.
            mails[n].tags.clear();
            block_on(store.put(vec![Mail { tags: vec![], ..mails[n].clone() }.mark()])).unwrap();
        }
    }
    // Some in memory, some in segments, and some found by keys alone, some by reading rows.
    let mut sizes = Vec::new();
    for q in [
        "",
        "from:alice@example.com",
        "running",
        "folder:Inbox",
        "tag:red",
        "-running larger:1000",
        "-has:attachment",
        "has:attachment -from:bob@example.org",
        "domain:example.com",
        "nothingatall",
    ] {
        sizes.push(compare(&engine, &mails, q));
    }
    assert!(
        sizes[0] > 2_000 && sizes.contains(&0) && sizes.iter().any(|n| (1..1_000).contains(n)),
        "{sizes:?}"
    );
    // As it is written, not as it is folded.
    let told = ask(&engine, "", None, &[Facet::Custodian, Facet::Folder]).facets.unwrap();
    assert_eq!(told[&Facet::Custodian].values[0].value, "Ann");
    assert!(told[&Facet::Folder].values.iter().all(|v| FOLDERS.contains(&v.value.as_str())), "{told:?}");
    block_on(store.close()).unwrap();
}

#[test]
fn an_unknown_facet_is_refused_with_a_list() {
    let error = Facet::from_name("colour").unwrap_err();
    assert!(error.contains("colour") && error.contains("custodian, tag"), "{error}");
    let error = serde_json::from_str::<SearchRequest>(r#"{"facets":["colour"]}"#).unwrap_err().to_string();
    assert!(error.contains("custodian"), "{error}");
}
