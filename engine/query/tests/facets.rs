//! Facets beside counting by hand what a query's hits are, from rows and from indexes.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a test may panic, and its numbers are small"
)]

mod common;

use common::columns::{damage, damage_columns};
use common::{CLASSES, FOLDERS, Mail, PEOPLE, Random, TAGS, archive, load, mail, open, open_shards};
use futures_lite::future::block_on;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use postlode_format::column::attachment_type;
use postlode_format::id::{Id, to_hex};
use postlode_format::row::{
    ArchiveVersion, ArchivedArchiveVersion, Place, Row, RowKind, access, archive_key, place_key, to_bytes,
};
use postlode_format::segment::SectionKind;
use postlode_query::{Engine, Facet, FacetCounts, Mode, SearchAnswer, SearchRequest, Sort};
use postlode_store::{LoadBatch, NewEmail, Store};
use std::collections::{BTreeMap, BTreeSet, HashMap};

const CUSTODIANS: [&str; 3] = ["Ann", "Bob", "\u{c4}nne"];

/// A mail, and where it lies: archive, custodian, folder by the number of its node.
struct Kept {
    mail: Mail,
    places: BTreeMap<(u8, u64), (usize, usize)>,
}

fn ask(engine: &Engine, q: &str, cursor: Option<String>, facets: &[Facet]) -> SearchAnswer {
    let by_date = asked(engine, q, cursor, facets, Some(Sort::Date));
    // They are of all that is found, in whatever order it comes. Where only the best by words were looked for, they were
    // empty once.
    let by_relevance = asked(engine, q, None, facets, None);
    assert_eq!(by_relevance.facets, by_date.facets, "{q}");
    by_date
}

fn asked(
    engine: &Engine,
    q: &str,
    cursor: Option<String>,
    facets: &[Facet],
    sort: Option<Sort>,
) -> SearchAnswer {
    block_on(engine.search(SearchRequest {
        q: q.to_owned(),
        mode: Mode::Keyword,
        limit: 1000,
        cursor,
        sort,
        tz: Some("America/New_York".to_owned()),
        facets: facets.to_vec(),
        explain: true,
        ..SearchRequest::default()
    }))
    .unwrap()
}

/// Values of one mail, folded.
fn values(kept: &Kept, facet: Facet) -> BTreeSet<String> {
    let mail = &kept.mail;
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
        Facet::Folder => kept.places.values().map(|(_, folder)| lower(FOLDERS[*folder])).collect(),
        Facet::Custodian => kept.places.values().map(|(who, _)| lower(CUSTODIANS[*who])).collect(),
        // Of one archive the path is known.
        Facet::Archive => {
            let path =
                |(n, _): &(u8, u64)| if *n == 1 { "/mail/ann.pst".to_owned() } else { to_hex(&[*n; 16]) };
            kept.places.keys().map(path).collect()
        }
        Facet::Tag => mail.tags.iter().map(|n| lower(TAGS[*n])).collect(),
        Facet::Year => [date.map_or(String::new(), |d| format!("{:04}", d.year()))].into(),
        Facet::Month => [date.map_or(String::new(), |d| format!("{:04}-{:02}", d.year(), d.month()))].into(),
        Facet::Class => [lower(CLASSES[mail.class])].into(),
        Facet::Type => {
            mail.files.iter().map(|name| attachment_type(name, "application/pdf", false)).collect()
        }
        Facet::Language => [if mail.english { "eng".to_owned() } else { "deu".to_owned() }].into(),
    }
}

/// Gives how many hits there were, and whether columns were counted.
fn compare(engine: &Engine, mails: &[Kept], q: &str) -> (usize, bool) {
    let by_id: HashMap<String, &Kept> = mails.iter().map(|m| (to_hex(&m.mail.id), m)).collect();
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
    let laps = &first.explain.unwrap().micros;
    (hits.len(), laps.iter().any(|(stage, _)| stage == "facets: columns"))
}

const QUERIES: [&str; 12] = [
    "",
    "from:alice@example.com",
    "running",
    "folder:Inbox",
    "tag:red",
    "-running larger:1000",
    "-has:attachment",
    "has:attachment -from:bob@example.org",
    "domain:example.com",
    "after:1970-01-05 before:1970-01-25",
    "before:1970-01-01",
    "nothingatall",
];

/// Compares all queries; gives for each how many it finds, and of how many columns were counted.
fn compare_all(engine: &Engine, mails: &[Kept]) -> (Vec<usize>, usize) {
    let told: Vec<(usize, bool)> = QUERIES.iter().map(|q| compare(engine, mails, q)).collect();
    (told.iter().map(|(found, _)| *found).collect(), told.iter().filter(|(_, columns)| *columns).count())
}

fn kept(mail: Mail) -> Kept {
    let places = mail.folders.iter().enumerate().map(|(n, folder)| ((1, n as u64), (0, *folder))).collect();
    Kept { mail, places }
}

/// A mail as it is loaded again, from one more place. One that is known stays as it was.
fn again(kept: &mut Kept, archive: u8, node: u64, who: usize, folder: usize) -> NewEmail {
    kept.places.entry((archive, node)).or_insert((who, folder));
    let place = Place {
        extra: vec![],
        archive: [archive; 16],
        version: [2; 16],
        custodian: CUSTODIANS[who].into(),
        folder: FOLDERS[folder].into(),
        node,
        recovered: false,
        date: kept.mail.date,
    };
    let id: Id = kept.mail.id;
    let key = place_key(&id, &place.archive, node).into();
    let row = Row { kind: RowKind::Place, key, value: to_bytes(&place).unwrap() };
    NewEmail { place: row, ..kept.mail.stored().remove(0) }
}

fn load_again(store: &Store, emails: Vec<NewEmail>) {
    block_on(store.load(LoadBatch { emails, ..LoadBatch::default() })).unwrap();
}

#[test]
fn facets_are_what_counting_the_hits_gives() {
    let dir = tempfile::tempdir().unwrap();
    let (store, engine) = open(dir.path(), 64 << 10);
    let mut random = Random::new(11);
    let mails: Vec<Mail> = (0..2_600).map(|n| mail(&mut random, n)).collect();
    load(&store, &mails);
    // The path is that of the version that was loaded last, whichever is the last by its hash.
    let row = archive();
    let version = access::<ArchivedArchiveVersion>(&row.value).unwrap();
    let version: ArchiveVersion = rkyv::deserialize::<_, rkyv::rancor::Error>(version).unwrap();
    let older = ArchiveVersion { path: "/old/ann.pst".into(), loaded_at: version.loaded_at - 1, ..version };
    let key = archive_key(&[1; 16], &[0xff; 16]).into();
    let older = Row { kind: RowKind::Archive, key, value: to_bytes(&older).unwrap() };
    block_on(store.put(vec![row, older])).unwrap();
    let mut mails: Vec<Kept> = mails.into_iter().map(kept).collect();
    for n in (0..mails.len()).step_by(7) {
        let mail = &mut mails[n].mail;
        mail.tags = (0..TAGS.len()).filter(|_| random.chance(50)).collect();
        mail.deleted = random.chance(20);
        block_on(store.put(vec![mail.mark()])).unwrap();
        if n % 2 == 0 {
            // Taken away again: the index still has its key.
            mail.tags.clear();
            block_on(store.put(vec![Mail { tags: vec![], ..mail.clone() }.mark()])).unwrap();
        }
    }
    // Some in memory, some in segments, and some found by keys alone, some by reading rows.
    let (sizes, by_columns) = compare_all(&engine, &mails);
    assert!(
        sizes[0] > 2_000 && sizes.contains(&0) && sizes.iter().any(|n| (1..1_000).contains(n)),
        "{sizes:?}"
    );
    let many = sizes.iter().filter(|n| **n > 1_000).count();
    // All mail, or all between two dates, is counted so however few there are.
    assert!(many > 2 && by_columns >= many, "{by_columns} of {sizes:?}");

    // Places that come later: of another archive, of another custodian, in the same folder, known ones.
    let mut emails = Vec::new();
    for n in (0..mails.len()).step_by(3) {
        let folder = random.below(FOLDERS.len());
        let (archive, node, who) = match random.below(4) {
            0 => (1, 0, 0),
            1 => (1, 77, 1),
            2 => (5, 0, 2),
            _ => (1, 78, 0),
        };
        emails.push(again(&mut mails[n], archive, node, who, folder));
    }
    load_again(&store, emails);
    compare_all(&engine, &mails);
    block_on(store.seal()).unwrap();
    compare_all(&engine, &mails);
    // Again, so that places of one mail lie in three segments, and in memory.
    let emails = (0..mails.len()).step_by(5).map(|n| {
        let folder = random.below(FOLDERS.len());
        again(&mut mails[n], 1, 77, 1, folder)
    });
    let emails = emails.collect();
    load_again(&store, emails);
    compare_all(&engine, &mails);
    // As it is written, not as it is folded.
    let told = ask(&engine, "", None, &[Facet::Custodian, Facet::Folder]).facets.unwrap();
    let written: Vec<&str> = told[&Facet::Custodian].values.iter().map(|v| v.value.as_str()).collect();
    assert_eq!(written, CUSTODIANS);
    assert!(told[&Facet::Folder].values.iter().all(|v| FOLDERS.contains(&v.value.as_str())), "{told:?}");
    block_on(store.compact()).unwrap();
    compare_all(&engine, &mails);
    block_on(store.close()).unwrap();

    // Segments that span shards are given by each of them.
    let (store, engine) = open_shards(dir.path(), 3);
    let (_, by_columns) = compare_all(&engine, &mails);
    assert!(by_columns >= many);
    // Cut at the borders of shards, so that the next compaction has no other reason to touch them.
    block_on(store.compact()).unwrap();
    block_on(store.close()).unwrap();

    // Where columns cannot be read, indexes and rows say the same.
    assert!(damage_columns(dir.path()) > 0);
    let (store, engine) = open_shards(dir.path(), 3);
    let (_, by_columns) = compare_all(&engine, &mails);
    assert_eq!(by_columns, 0);
    // Compaction makes them anew of the rows.
    block_on(store.compact()).unwrap();
    let (_, by_columns) = compare_all(&engine, &mails);
    assert!(by_columns >= many);
    block_on(store.close()).unwrap();
}

/// A block of records was damaged, and the archive loaded again, which stores such mail once more. Each of these emails counted
/// twice then, in the columns of the old segment and in what was new, and no answer said so.
#[test]
fn an_email_that_was_stored_again_counts_once() {
    let dir = tempfile::tempdir().unwrap();
    let (store, engine) = open(dir.path(), 1 << 20);
    let mut random = Random::new(12);
    let mails: Vec<Mail> = (0..1_300).map(|n| mail(&mut random, n)).collect();
    load(&store, &mails);
    block_on(store.put(vec![archive()])).unwrap();
    block_on(store.close()).unwrap();
    drop(engine);
    assert!(damage(dir.path(), SectionKind::EmailFrames) > 0);
    let (store, engine) = open(dir.path(), 1 << 20);
    load(&store, &mails);
    let mut mails: Vec<Kept> = mails.into_iter().map(kept).collect();
    for sealed in [false, true] {
        let (_, by_columns) = compare_all(&engine, &mails);
        assert!(by_columns > 2);
        let all = block_on(store.column_sources(false)).unwrap();
        let stored = all.segments.iter().map(|segment| segment.emails).sum::<u64>() + all.emails.len() as u64;
        assert!(stored > mails.len() as u64, "{stored} emails are stored, sealed: {sealed}");
        for sort in [Sort::Size, Sort::Sender] {
            let request = SearchRequest { limit: 1000, sort: Some(sort), ..SearchRequest::default() };
            let answer = block_on(engine.search(request)).unwrap();
            let ids: BTreeSet<&str> = answer.hits.iter().map(|hit| hit.id.as_str()).collect();
            assert_eq!((ids.len(), answer.total.value), (1000, mails.len() as u64), "{sort:?}");
        }
        let emails = (0..mails.len()).step_by(4).map(|n| again(&mut mails[n], 5, 0, 2, n % FOLDERS.len()));
        let emails = emails.collect();
        load_again(&store, emails);
        compare_all(&engine, &mails);
        block_on(store.seal()).unwrap();
    }
    compare_all(&engine, &mails);
    block_on(store.close()).unwrap();
}

#[test]
fn an_unknown_facet_is_refused_with_a_list() {
    let error = Facet::from_name("colour").unwrap_err();
    assert!(error.contains("colour") && error.contains("custodian, tag"), "{error}");
    let error = serde_json::from_str::<SearchRequest>(r#"{"facets":["colour"]}"#).unwrap_err().to_string();
    assert!(error.contains("custodian"), "{error}");
}
