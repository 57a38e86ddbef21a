//! Prepared statements: they answer as the query with the values in it, whatever was planned before, and whoever asks.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a test may panic, and its numbers are small"
)]

mod common;

use common::{Mail, PEOPLE, Random, load, mail, open};
use futures_lite::future::block_on;
use postlode_format::id::{from_hex, to_hex};
use postlode_query::{Engine, ExecuteRequest, Mode, QueryError, SearchAnswer, SearchRequest, Sort};
use postlode_runtime::CpuPool;
use serde_json::{Value, json};

/// All pages of a statement and of the query that it is.
fn compare(engine: &Engine, id: &str, values: &[Value], q: &str, sort: Option<Sort>) -> usize {
    let id = from_hex(id).unwrap();
    let (mut cursor, mut hits) = (None, 0);
    loop {
        let search = SearchRequest {
            q: q.to_owned(),
            mode: Mode::Keyword,
            limit: 7,
            sort,
            cursor,
            ..SearchRequest::default()
        };
        let without = SearchRequest { q: String::new(), ..search.clone() };
        let asked = ExecuteRequest { params: values.to_vec(), search: without };
        let executed = block_on(engine.execute(id, asked)).unwrap().unwrap();
        let SearchAnswer { hits: own, total, next_cursor, .. } = block_on(engine.search(search)).unwrap();
        assert_eq!((&executed.hits, executed.total), (&own, total), "{q}");
        hits += own.len();
        // A cursor of one goes on with the other.
        assert_eq!(executed.next_cursor, next_cursor, "{q}");
        match next_cursor {
            Some(next) => cursor = Some(next),
            None => return hits,
        }
    }
}

#[test]
fn a_statement_answers_as_its_query() {
    let dir = tempfile::tempdir().unwrap();
    let (store, engine) = open(dir.path(), 24 << 10);
    let mut random = Random::new(11);
    let mails: Vec<Mail> = (0..300).map(|n| mail(&mut random, n)).collect();
    let texts =
        ["from:$1 after:$2", "$1 -from:$2", "(to:$2 OR subject:$1) larger:$3", "subject:($1 NEAR/3 $2)"];
    let prepare = |engine: &Engine, text: &str| block_on(engine.prepare(text)).unwrap().id;
    let ids: Vec<String> = texts.iter().map(|text| prepare(&engine, text)).collect();
    let mut hits = 0;
    // Plans are kept while mail comes in, and a sender who had none has much.
    for part in mails.chunks(60) {
        load(&store, part);
        for person in &PEOPLE[..4] {
            for day in ["1970-01-05", "1970-01-25"] {
                let q = format!("from:{person} after:{day}");
                hits += compare(&engine, &ids[0], &[json!(person), json!(day)], &q, None);
            }
            for word in ["run", "te*", "zürich"] {
                let values = [json!(word), json!(person)];
                hits += compare(&engine, &ids[1], &values, &format!("{word} -from:{person}"), None);
                hits +=
                    compare(&engine, &ids[1], &values, &format!("{word} -from:{person}"), Some(Sort::Date));
                let q = format!("(to:{person} OR subject:{word}) larger:900");
                hits += compare(&engine, &ids[2], &[json!(word), json!(person), json!(900)], &q, None);
            }
        }
        hits +=
            compare(&engine, &ids[3], &[json!("run"), json!("tests")], "subject:(run NEAR/3 tests)", None);
    }
    assert!(hits > 1_000, "{hits}");
    // Another process over the store knows them.
    block_on(store.seal()).unwrap();
    let other = Engine::new(store.clone(), CpuPool::new(1).unwrap());
    let told = block_on(other.statement(from_hex(&ids[2]).unwrap())).unwrap().unwrap();
    assert_eq!((told.q.as_str(), told.params.len()), (texts[2], 3));
    compare(
        &other,
        &ids[0],
        &[json!("alice@example.com"), json!("1970")],
        "from:alice@example.com after:1970",
        None,
    );
    assert_eq!(prepare(&other, texts[0]), ids[0], "the id is that of the text");
    block_on(store.close()).unwrap();
}

#[test]
fn what_is_no_statement_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, engine) = open(dir.path(), 1 << 20);
    assert!(matches!(block_on(engine.prepare("from:$1 (")), Err(QueryError::Syntax(_))));
    assert!(matches!(block_on(engine.prepare("from:$2")), Err(QueryError::Parameter { .. })));
    let nobody = block_on(engine.execute([7; 16], ExecuteRequest::default())).unwrap();
    assert_eq!((nobody, block_on(engine.statement([7; 16])).unwrap()), (None, None));
    let id = block_on(engine.prepare("after:$1")).unwrap().id;
    assert_eq!(id.len(), to_hex(&[0; 16]).len());
    let asked = ExecuteRequest { params: vec![json!("someday")], ..ExecuteRequest::default() };
    let refused = block_on(engine.execute(from_hex(&id).unwrap(), asked)).unwrap_err();
    assert!(matches!(&refused, QueryError::Parameter { parameter: "params", .. }), "{refused}");
}
