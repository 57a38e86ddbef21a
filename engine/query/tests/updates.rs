//! Tags, notes, holds, deletion and saved searches, as an engine's callers have them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod common;

use common::{Mail, PEOPLE, Random, load, mail, open};
use futures_lite::future::block_on;
use postlode_format::id::to_hex;
use postlode_format::row::{Attachment, AttachmentKind, to_bytes};
use postlode_query::{
    Engine, Facet, Mode, Names, QueryError, Relation, SearchAnswer, SearchRequest, Update, Updated,
};
use postlode_store::{LoadBatch, NewEmail};
use std::collections::BTreeSet;

fn names(add: &[&str], remove: &[&str]) -> Names {
    let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
    Names { add: owned(add), remove: owned(remove) }
}

fn tags(add: &[&str], remove: &[&str]) -> Update {
    Update { tags: names(add, remove), ..Update::default() }
}

fn ask(engine: &Engine, q: &str, facets: &[Facet]) -> SearchAnswer {
    let q = q.to_owned();
    let request = SearchRequest {
        q,
        mode: Mode::Keyword,
        limit: 1000,
        facets: facets.to_vec(),
        explain: true,
        ..SearchRequest::default()
    };
    block_on(engine.search(request)).unwrap()
}

fn ids(answer: &SearchAnswer) -> BTreeSet<String> {
    answer.hits.iter().map(|hit| hit.id.clone()).collect()
}

fn all(engine: &Engine, q: &str, update: &Update) -> Updated {
    block_on(async {
        let mut updating = engine.update_all(q, None, update).await.unwrap();
        let mut last = 0;
        while let Some(told) = updating.next().await.unwrap() {
            assert!(told.found >= last, "it only gets more");
            last = told.found;
        }
        assert!(updating.partial().is_empty());
        updating.told().clone()
    })
}

#[test]
fn all_that_a_query_finds_is_changed_and_found_by_it() {
    let dir = tempfile::tempdir().unwrap();
    let (store, engine) = open(dir.path(), 256 << 10);
    let mut random = Random::new(5);
    let mails: Vec<Mail> = (0..3_000).map(|n| mail(&mut random, n)).collect();
    load(&store, &mails);
    let from = |who: &str| -> BTreeSet<String> {
        let sent = |m: &&Mail| PEOPLE[m.from.1].eq_ignore_ascii_case(who);
        mails.iter().filter(sent).map(|m| to_hex(&m.id)).collect()
    };
    let (alice, bob) = (from("alice@example.com"), from("bob@example.org"));
    let every = all(&engine, "", &tags(&["All Mail"], &[]));
    assert_eq!((every.found, every.changed, every.failed), (3_000, 3_000, 0));
    let hot = all(&engine, "from:alice@example.com", &tags(&["hot"], &[]));
    assert_eq!((hot.found, hot.changed), (alice.len() as u64, alice.len() as u64));
    // What has it already, whatever its case, stays as it is.
    let again = all(&engine, "from:alice@example.com OR from:bob@example.org", &tags(&["HOT"], &[]));
    assert_eq!((again.changed, again.unchanged), (bob.len() as u64, alice.len() as u64));
    let found = ask(&engine, "tag:hot", &[Facet::Tag]);
    assert_eq!((found.total.value, found.total.relation), ((alice.len() + bob.len()) as u64, Relation::Eq));
    assert!(ids(&found).len() == 1000.min(found.hits.len()) && ids(&found).is_subset(&(&alice | &bob)));
    assert!(found.explain.unwrap().driver.starts_with("tag, about"));
    let facet = |answer: &SearchAnswer| -> Vec<(String, u64)> {
        let values = &answer.facets.as_ref().unwrap()[&Facet::Tag].values;
        values.iter().map(|v| (v.value.to_lowercase(), v.count)).collect()
    };
    let both = (alice.len() + bob.len()) as u64;
    let of_all = ask(&engine, "", &[Facet::Tag]);
    assert!(of_all.partial.is_none(), "{:?}", of_all.partial);
    assert_eq!(facet(&of_all), [("all mail".to_owned(), 3_000), ("hot".to_owned(), both)]);
    // A query that is about what is changed goes through all of it once.
    let none = all(&engine, "tag:hot", &tags(&[], &["Hot"]));
    assert_eq!((none.found, none.changed), (both, both));
    assert_eq!(ask(&engine, "tag:hot", &[]).total.value, 0);
    assert_eq!(facet(&ask(&engine, "", &[Facet::Tag])), [("all mail".to_owned(), 3_000)]);
    block_on(store.compact()).unwrap();
    assert_eq!(
        ask(&engine, "tag:\"all mail\" -from:alice@example.com", &[]).total.value,
        3_000 - alice.len() as u64
    );
    block_on(store.close()).unwrap();
}

#[test]
fn one_email_is_changed_if_it_is_as_the_caller_knows_it() {
    let dir = tempfile::tempdir().unwrap();
    let (store, engine) = open(dir.path(), 1 << 20);
    let mut random = Random::new(6);
    let mails: Vec<Mail> = (0..10).map(|n| mail(&mut random, n)).collect();
    load(&store, &mails);
    let id = mails[3].id;
    let update = |update: &Update, revision| block_on(engine.update(id, update, revision));
    let note = Update { note: Some("call\nher".to_owned()), ..Update::default() };
    let said = update(&note, Some(0)).unwrap().unwrap();
    assert_eq!((said.note.as_str(), said.revision), ("call\nher", 1));
    assert!(matches!(update(&tags(&["x"], &[]), Some(0)), Err(QueryError::Changed { revision: 1 })));
    let said = update(&tags(&[" x "], &[]), Some(1)).unwrap().unwrap();
    assert_eq!((said.tags, said.note.as_str()), (vec!["x".to_owned()], "call\nher"));
    let detail = block_on(engine.email(id)).unwrap().unwrap();
    assert_eq!(
        (detail.revision, detail.note, detail.hit.tags),
        (2, "call\nher".to_owned(), vec!["x".to_owned()])
    );
    assert!(block_on(engine.update([0xee; 16], &note, None)).unwrap().is_none());
    for bad in [Update::default(), tags(&["a\"b"], &[]), tags(&[""], &[])] {
        assert!(matches!(update(&bad, None), Err(QueryError::Parameter { .. })), "{bad:?}");
    }
    let many: Vec<String> = (0..256).map(|n| format!("t{n}")).collect();
    let many = Update { tags: Names { add: many, remove: vec![] }, ..Update::default() };
    assert!(update(&many, None).unwrap_err().to_string().contains("more tags than 256"));
    block_on(store.close()).unwrap();
}

#[test]
fn mail_under_a_hold_is_not_deleted_until_it_is_released() {
    let dir = tempfile::tempdir().unwrap();
    let (store, engine) = open(dir.path(), 1 << 20);
    let mut random = Random::new(8);
    let mails: Vec<Mail> = (0..1_500).map(|n| mail(&mut random, n)).collect();
    load(&store, &mails);
    let hold = |name: &str| Update { holds: names(&[name], &[]), ..Update::default() };
    let error = block_on(engine.update(mails[0].id, &hold("case 1"), None)).unwrap_err();
    assert!(error.to_string().contains("there is no hold \"case 1\""), "{error}");
    let made = block_on(engine.hold("case 1", "a letter of the court", "ann")).unwrap();
    block_on(engine.hold("case 2", "another one", "")).unwrap();
    assert!(block_on(engine.hold("case 3", " ", "")).is_err(), "it has to be said why");
    assert_eq!(all(&engine, "", &hold("case 1")).changed, 1_500);
    block_on(engine.update(mails[1].id, &hold("case 2"), None)).unwrap();
    let error = block_on(engine.delete(mails[1].id, None)).unwrap_err();
    assert!(matches!(&error, QueryError::Held { holds } if holds == &["case 1", "case 2"]), "{error}");
    let listed = block_on(engine.holds()).unwrap();
    let told: Vec<_> = listed.iter().map(|h| (h.name.as_str(), h.emails, h.by.as_str())).collect();
    assert_eq!(told, [("case 1", Some(1_500), "ann"), ("case 2", Some(1), "")]);
    // Another reason leaves who and when.
    let again = block_on(engine.hold("case 1", "a second letter", "bob")).unwrap();
    assert_eq!((again.by, again.since), (made.by, made.since));
    assert_eq!(block_on(engine.release("case 1")).unwrap(), Some(1_500));
    assert_eq!(block_on(engine.release("case 1")).unwrap(), None);
    assert!(block_on(engine.hold_of("case 1")).unwrap().is_none());
    assert!(matches!(block_on(engine.delete(mails[1].id, None)), Err(QueryError::Held { .. })));
    assert!(block_on(engine.delete(mails[0].id, None)).unwrap().is_some());
    assert!(block_on(engine.delete(mails[0].id, None)).unwrap().is_none(), "it is not there any more");
    assert!(block_on(engine.email(mails[0].id)).unwrap().is_none());
    assert_eq!(ask(&engine, "", &[]).total.value, 1_499);
    assert_eq!(all(&engine, "", &tags(&["left"], &[])).found, 1_499);
    block_on(store.close()).unwrap();
}

/// A message is whole with what is embedded in it: of mail under a hold that could be deleted once.
#[test]
fn what_is_embedded_is_under_the_hold_too() {
    let dir = tempfile::tempdir().unwrap();
    let (store, engine) = open(dir.path(), 1 << 20);
    let mut random = Random::new(9);
    let mails: Vec<Mail> = (0..4).map(|n| Mail { files: vec![], ..mail(&mut random, n) }).collect();
    // 0 holds 1, which holds 2.
    let stored: Vec<NewEmail> = (0..4)
        .map(|n: usize| {
            let mut email = mails[n].email();
            if n < 2 {
                email.attachments = vec![Attachment {
                    n: 0,
                    name: "message".into(),
                    mime: "message/rfc822".into(),
                    content_id: String::new(),
                    inline: false,
                    kind: AttachmentKind::Message,
                    size: 0,
                    sha256: [0; 32],
                    child: Some(mails[n + 1].id),
                }];
            }
            NewEmail { email: to_bytes(&email).unwrap(), ..mails[n].stored().remove(0) }
        })
        .collect();
    block_on(store.load(LoadBatch { emails: stored, ..LoadBatch::default() })).unwrap();
    block_on(engine.hold("case", "a letter", "")).unwrap();
    let hold = Update { holds: names(&["case"], &[]), ..Update::default() };
    let id = format!("id:{}", to_hex(&mails[0].id));
    let done = all(&engine, &id, &hold);
    assert_eq!((done.found, done.changed), (1, 1), "what was asked for is counted");
    for mail in &mails[..3] {
        assert!(matches!(block_on(engine.delete(mail.id, None)), Err(QueryError::Held { .. })));
    }
    assert!(block_on(engine.delete(mails[3].id, None)).unwrap().is_some());
    assert_eq!(block_on(engine.release("case")).unwrap(), Some(3));
    block_on(engine.hold("case", "a letter", "")).unwrap();
    block_on(engine.update(mails[1].id, &hold, None)).unwrap().unwrap();
    assert!(block_on(engine.delete(mails[0].id, None)).unwrap().is_some());
    assert!(matches!(block_on(engine.delete(mails[2].id, None)), Err(QueryError::Held { .. })));
    block_on(store.close()).unwrap();
}

#[test]
fn searches_are_kept_under_names() {
    let dir = tempfile::tempdir().unwrap();
    let (store, engine) = open(dir.path(), 1 << 20);
    let search = |q: &str| SearchRequest { q: q.to_owned(), limit: 5, ..SearchRequest::default() };
    let saved = block_on(engine.save_search(" Budget ", search("budget after:2020"))).unwrap();
    assert_eq!((saved.name.as_str(), saved.search.q.as_str()), ("Budget", "budget after:2020"));
    block_on(engine.save_search("a/b", search("from:ann"))).unwrap();
    block_on(engine.save_search("Budget", search("budget"))).unwrap();
    let listed = block_on(engine.saved_searches()).unwrap();
    let told: Vec<_> = listed.0.iter().map(|s| (s.name.as_str(), s.search.q.as_str())).collect();
    assert_eq!(told, [("Budget", "budget"), ("a/b", "from:ann")]);
    for bad in [search("("), search("after:someday"), SearchRequest { limit: 0, ..search("a") }] {
        assert!(block_on(engine.save_search("x", bad.clone())).is_err(), "{bad:?}");
    }
    let later = SearchRequest { cursor: Some("abc".into()), ..search("a") };
    assert!(block_on(engine.save_search("x", later)).is_err());
    assert!(block_on(engine.remove_search("Budget")).unwrap());
    assert!(!block_on(engine.remove_search("Budget")).unwrap());
    assert!(block_on(engine.saved_search("Budget")).unwrap().is_none());
    assert_eq!(block_on(engine.saved_searches()).unwrap().0.len(), 1);
    block_on(store.close()).unwrap();
}
