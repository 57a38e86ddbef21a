//! What answers hold: fields of hits, snippets, cursors, details, bodies, attachments, EML, exports, damage.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a test may panic, and its numbers are small"
)]

mod common;

use bytes::Bytes;
use common::{DAY, Mail, Random, archive, id, load, mail, open};
use futures_lite::future::block_on;
use postlode_format::id::to_hex;
use postlode_format::row::*;
use postlode_query::model::Hit;
use postlode_query::{Engine, Mode, QueryError, RawKind, SearchAnswer, SearchRequest, Sort};
use postlode_store::{LoadBatch, Store};
use std::collections::HashSet;

fn ask(engine: &Engine, q: &str) -> SearchAnswer {
    block_on(engine.search(SearchRequest { q: q.to_owned(), ..SearchRequest::default() })).unwrap()
}

fn plain(n: usize, subject: &str, body: &str) -> Mail {
    Mail {
        subject: subject.into(),
        body: body.into(),
        english: true,
        date: (n as i64) * DAY,
        deleted: false,
        files: vec![],
        folders: vec![0],
        parent: None,
        ..mail(&mut Random::new(7), n)
    }
}

/// The futures of the engine go to any thread.
#[test]
fn futures_are_send() {
    fn send<T: Send>(_: &T) {}
    let dir = tempfile::tempdir().unwrap();
    let (_, engine) = open(dir.path(), 1 << 20);
    send(&engine.search(SearchRequest::default()));
    send(&engine.email(id(1)));
    send(&engine.body(id(1)));
    send(&engine.raw(id(1)));
    send(&engine.attachment(id(1), 0));
    send(&async {
        let mut export = engine.export("", None, true).await.unwrap();
        drop(export.next().await);
        let mut eml = engine.raw(id(1)).await.unwrap().unwrap();
        drop(eml.next_chunk().await);
    });
}

#[test]
fn a_hit_tells_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let (store, engine) = open(dir.path(), 1 << 20);
    block_on(store.put(vec![archive()])).unwrap();
    load(&store, &[plain(3, "Hello <there>", "one two three\nfour & five"), plain(4, "other", "nothing")]);
    let answer = ask(&engine, "fours");
    assert_eq!(answer.total.value, 1);
    let hit = &answer.hits[0];
    assert_eq!(hit.date.as_deref(), Some("1970-01-04T00:00:00Z"));
    assert_eq!(
        (hit.archive.as_str(), hit.custodian.as_str(), hit.folder.as_str()),
        ("/mail/ann.pst", "Ann", "/Top/Inbox")
    );
    assert_eq!(hit.snippet, "one two three <mark>four</mark> &amp; five");
    assert_eq!(hit.matched_in.as_deref(), Some("body"));
    assert!(hit.score.unwrap() > 0.0);
    assert_eq!(answer.partial.unwrap().reasons, ["no vectors: ranked by keywords"]);
    let json = serde_json::to_value(ask(&engine, "subject:hello")).unwrap();
    assert_eq!(json["hits"][0]["matched_in"], "subject");
    assert_eq!(json["hits"][0]["places"], 1);
    assert_eq!(json["total"], serde_json::json!({"value": 1, "relation": "eq"}));
    assert!(json["next_cursor"].is_null() && json["facets"].is_null() && json.get("explain").is_none());
    let by_date = ask(&engine, "");
    assert_eq!((by_date.partial, by_date.hits[0].score), (None, None));
    assert_eq!(by_date.hits[0].subject, "other");
}

#[test]
fn requests_are_read_strictly() {
    let read = |json: &str| serde_json::from_str::<SearchRequest>(json);
    assert_eq!(read(r#"{"q":"x","mode":"keyword","sort":"date"}"#).unwrap().sort, Some(Sort::Date));
    assert_eq!(read("{}").unwrap(), SearchRequest::default());
    assert!(read(r#"{"qq":"x"}"#).is_err());
}

#[test]
fn what_cannot_be_asked_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (store, engine) = open(dir.path(), 1 << 20);
    let mails: Vec<Mail> = (0..50).map(|n| plain(n, "s", "word")).collect();
    load(&store, &mails);
    let fails = |request: SearchRequest| block_on(engine.search(request)).unwrap_err();
    assert!(matches!(
        fails(SearchRequest { q: "form:x".into(), ..SearchRequest::default() }),
        QueryError::Syntax(_)
    ));
    assert!(matches!(
        fails(SearchRequest { limit: 0, ..SearchRequest::default() }),
        QueryError::Parameter { parameter: "limit", .. }
    ));
    assert!(matches!(
        fails(SearchRequest { tz: Some("x/y".into()), ..SearchRequest::default() }),
        QueryError::Parameter { parameter: "tz", .. }
    ));
    let cursor = ask(&engine, "").next_cursor;
    assert!(cursor.is_some());
    let foreign = SearchRequest { q: "word".into(), cursor: cursor.clone(), ..SearchRequest::default() };
    assert!(matches!(fails(foreign), QueryError::BadCursor(_)));
    let forged =
        SearchRequest { cursor: cursor.map(|c| format!("B{}", &c[1..])), ..SearchRequest::default() };
    assert!(matches!(fails(forged), QueryError::BadCursor(_)));
    // Fifty mails of two conditions: the second is too much.
    engine.limit_lists(60 * size_of::<postlode_text::Match>() as u64);
    let one = SearchRequest { q: "word".into(), sort: Some(Sort::Date), ..SearchRequest::default() };
    assert_eq!(block_on(engine.search(one)).unwrap().total.value, 50);
    let two = "(word from:alice) OR (subject:s tag:x)".to_owned();
    let two = SearchRequest { q: two, sort: Some(Sort::Date), ..SearchRequest::default() };
    let error = fails(two);
    assert!(matches!(error, QueryError::TooMuch { .. }), "{error}");
}

#[test]
fn pages_go_on_while_mail_is_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let (store, engine) = open(dir.path(), 1 << 20);
    let mails: Vec<Mail> = (0..60).map(|n| plain(n, "s", &"word ".repeat(1 + n % 5))).collect();
    load(&store, &mails[..30]);
    for sort in [Sort::Date, Sort::Relevance] {
        let mut request = SearchRequest {
            q: "word".into(),
            sort: Some(sort),
            limit: 7,
            mode: Mode::Keyword,
            ..SearchRequest::default()
        };
        let all = block_on(engine.search(SearchRequest { limit: 1000, ..request.clone() })).unwrap();
        let all: Vec<String> = all.hits.into_iter().map(|h| h.id).collect();
        let mut seen = Vec::new();
        let mut more = mails[if sort == Sort::Date { 30 } else { 40 }..].iter();
        loop {
            let answer = block_on(engine.search(request.clone())).unwrap();
            seen.extend(answer.hits.into_iter().map(|h| h.id));
            let Some(cursor) = answer.next_cursor else { break };
            request.cursor = Some(cursor);
            load(&store, &[more.next().unwrap().clone()]);
        }
        assert_eq!(seen, all);
    }
    // A ranked list that is gone cannot be gone on with once the store has changed; unchanged, it is made again.
    let request = SearchRequest { q: "word".into(), limit: 7, ..SearchRequest::default() };
    let first = block_on(engine.search(request.clone())).unwrap();
    let other = Engine::new(store.clone(), postlode_runtime::CpuPool::new(1).unwrap());
    let next = SearchRequest { cursor: first.next_cursor, ..request };
    let second = block_on(engine.search(next.clone())).unwrap();
    assert_eq!(block_on(other.search(next.clone())).unwrap().hits, second.hits);
    let other = Engine::new(store.clone(), postlode_runtime::CpuPool::new(1).unwrap());
    load(&store, &[mails[59].clone(), plain(900, "x", "y")]);
    assert!(matches!(block_on(other.search(next)), Err(QueryError::StaleCursor)));
}

/// Scores are of all mail together, and mail that was deleted counts until it is swept away. A list from before was kept under
/// the generation of the store, which sweeping does not change: the pages of a later list were cut from it, and a mail whose
/// score had changed was on none of them.
#[test]
fn pages_are_of_the_list_that_the_first_one_was_of() {
    let dir = tempfile::tempdir().unwrap();
    let (store, engine) = open(dir.path(), 1 << 20);
    let text = |n: usize| format!("{} {}", "word ".repeat(1 + n % 5), "other ".repeat(n % 7));
    let mut mails: Vec<Mail> = (0..40).map(|n| plain(n, "x", &text(n))).collect();
    load(&store, &mails);
    block_on(store.seal()).unwrap();
    mails.iter_mut().step_by(3).for_each(|mail| mail.deleted = true);
    block_on(store.put(mails.iter().filter(|mail| mail.deleted).map(Mail::mark).collect())).unwrap();
    let request =
        SearchRequest { q: "word".into(), mode: Mode::Keyword, limit: 5, ..SearchRequest::default() };
    let before = block_on(engine.search(request.clone())).unwrap();
    block_on(store.compact()).unwrap();
    let whole = block_on(engine.search(SearchRequest { limit: 1000, ..request.clone() })).unwrap().hits;
    let mut next = request.clone();
    let mut seen = Vec::new();
    loop {
        let answer = block_on(engine.search(next.clone())).unwrap();
        seen.extend(answer.hits);
        let Some(cursor) = answer.next_cursor else { break };
        next.cursor = Some(cursor);
    }
    assert_eq!(seen, whole);
    // The list that was begun before goes on as it was.
    assert_ne!(before.hits[0].score, whole[0].score);
    let second = block_on(engine.search(SearchRequest { cursor: before.next_cursor, ..request })).unwrap();
    assert!(second.hits[0].score <= before.hits[4].score);
}

/// Of a list by words only the best are listed at first, and the rest when somebody goes on to it.
#[test]
fn a_list_is_gone_through_beyond_its_best() {
    let dir = tempfile::tempdir().unwrap();
    let (store, engine) = open(dir.path(), 64 << 20);
    let text = |n: usize| format!("{} {}", "word ".repeat(1 + n % 5), "other ".repeat(n % 7));
    let mut mails: Vec<Mail> = (0..2_500).map(|n| plain(n, "x", &text(n))).collect();
    load(&store, &mails[..1_500]);
    block_on(store.seal()).unwrap();
    load(&store, &mails[1_500..]);
    mails.iter_mut().step_by(10).for_each(|mail| mail.deleted = true);
    block_on(store.put(mails.iter().filter(|mail| mail.deleted).map(Mail::mark).collect())).unwrap();
    let request =
        SearchRequest { q: "word".into(), mode: Mode::Keyword, limit: 400, ..SearchRequest::default() };
    let pages = |q: &str, until: usize| {
        let (mut next, mut seen) = (SearchRequest { q: q.into(), ..request.clone() }, Vec::new());
        while seen.len() < until {
            let answer = block_on(engine.search(next.clone())).unwrap();
            assert_eq!(answer.total.value, 2_250);
            seen.extend(answer.hits);
            let Some(cursor) = answer.next_cursor else { break };
            next.cursor = Some(cursor);
        }
        (seen, next)
    };
    let (seen, _) = pages("word", usize::MAX);
    let ids: HashSet<&str> = seen.iter().map(|hit| hit.id.as_str()).collect();
    assert_eq!((seen.len(), ids.len()), (2_250, 2_250));
    let order = |hit: &Hit| (hit.score.unwrap(), hit.date.clone(), hit.id.clone());
    for (n, two) in seen.windows(2).enumerate() {
        assert!(order(&two[0]) > order(&two[1]), "{n}: {:?} {:?}", order(&two[0]), order(&two[1]));
    }
    // Who has gone on is given the whole list, as it was …
    let (_, second) = pages("word x", 800);
    // … and who has not, the best of it.
    let (_, first) = pages("x word", 400);
    block_on(store.put(vec![Mail { deleted: true, ..mails[1].clone() }.mark()])).unwrap();
    load(&store, &[plain(3_000, "x", "word")]);
    let answer = block_on(engine.search(SearchRequest { limit: 1_000, ..second.clone() })).unwrap();
    let rest = SearchRequest { limit: 1_000, cursor: answer.next_cursor, ..second };
    let last = block_on(engine.search(rest)).unwrap();
    assert_eq!((answer.hits.len() + last.hits.len(), last.next_cursor), (2_249 - 800, None));
    let answer = block_on(engine.search(first.clone())).unwrap();
    let gone = block_on(engine.search(SearchRequest { cursor: answer.next_cursor, ..first }));
    assert!(matches!(gone, Err(QueryError::StaleCursor)), "{} hits", gone.unwrap().hits.len());
}

/// A mail with a blob of `size` bytes, an unreadable attachment, and an embedded message.
fn family(store: &Store, size: usize) -> (Mail, Vec<u8>) {
    let (parent, child) =
        (plain(1, "Grüße an alle", "Höhe = 3\nzweite Zeile"), plain(2, "inner", "inner text"));
    let blob: Vec<u8> = (0..size).map(|n| (n * 31 % 251) as u8).collect();
    let sha256 = [5; 32];
    let chunks = blob.chunks(postlode_format::limits::BLOB_CHUNK).enumerate().map(|(n, bytes)| Row {
        kind: RowKind::BlobChunk,
        key: blob_key(&sha256, n as u32).into(),
        value: Bytes::copy_from_slice(bytes),
    });
    block_on(store.put(chunks.collect())).unwrap();
    let attachment = |n: u32, name: &str, kind: AttachmentKind| Attachment {
        n,
        name: name.into(),
        mime: "image/png".into(),
        content_id: String::new(),
        inline: false,
        kind,
        size: if kind == AttachmentKind::Data { blob.len() as u64 } else { 0 },
        sha256,
        child: (kind == AttachmentKind::Message).then_some(child.id),
    };
    let mut email = parent.email();
    email.attachments = vec![
        attachment(0, "bild \"ä\".png", AttachmentKind::Data),
        attachment(1, "gone.txt", AttachmentKind::Unreadable),
        attachment(2, "inner", AttachmentKind::Message),
    ];
    let mut stored = parent.stored().pop().unwrap();
    stored.email = to_bytes(&email).unwrap();
    let mut body = parent.body();
    body.html = Some(Raw::keep(0x102, "<p>Höhe</p>".as_bytes()));
    body.props = vec![Prop {
        id: 0x3ff1,
        name: None,
        value: Raw { encoding: RawEncoding::Verbatim, value_type: 3, bytes: vec![7, 4, 0, 0] },
    }];
    stored.body = to_bytes(&body).unwrap();
    let emails = vec![child.stored().pop().unwrap(), stored];
    block_on(store.load(LoadBatch { emails, ..LoadBatch::default() })).unwrap();
    (parent, blob)
}

#[test]
fn an_email_with_all_its_parts() {
    let dir = tempfile::tempdir().unwrap();
    let (store, engine) = open(dir.path(), 64 << 20);
    let (parent, blob) = family(&store, 2_500_000);

    let detail = block_on(engine.email(parent.id)).unwrap().unwrap();
    assert_eq!(detail.sent.as_deref(), Some("1970-01-02T01:00:00+01:00"));
    assert_eq!(detail.children, [to_hex(&id(2))]);
    assert_eq!(detail.properties[0].value, 1031);
    let json = serde_json::to_value(&detail).unwrap();
    assert_eq!(json["places"][0]["folder"], "/Top/Inbox");
    assert_eq!(json["attachments"][0]["type"], "image/png");
    assert_eq!(json["importance"], "normal");

    let body = block_on(engine.body(parent.id)).unwrap().unwrap();
    assert_eq!(body.html.as_deref(), Some("<p>Höhe</p>"));
    assert_eq!(body.text, "Höhe = 3\nzweite Zeile");

    block_on(async {
        let mut attachment = engine.attachment(parent.id, 0).await.unwrap().unwrap();
        assert_eq!(attachment.info().size, blob.len() as u64);
        let mut got = Vec::new();
        while let Some(chunk) = attachment.next_chunk().await.unwrap() {
            got.extend_from_slice(&chunk);
        }
        assert_eq!(got, blob);
        assert!(engine.attachment(parent.id, 1).await.unwrap().is_none());
        assert!(engine.attachment(parent.id, 9).await.unwrap().is_none());
        assert!(engine.email(id(77)).await.unwrap().is_none());
        assert!(engine.raw(id(77)).await.unwrap().is_none());
    });

    let eml = block_on(engine.raw(parent.id)).unwrap().unwrap();
    assert_eq!(eml.kind(), RawKind::Reconstructed);
    let bytes = block_on(eml.into_bytes(64 << 20)).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.lines().all(|l| l.len() <= 120), "lines are short");
    for part in [
        "Subject: =?UTF-8?B?R3LDvMOfZSBhbiBhbGxl?=\r\n",
        "Date: Fri, 02 Jan 1970 01:00:00 +0100\r\n",
        "Content-Type: text/plain; charset=utf-8\r\n",
        "H=C3=B6he =3D 3\r\nzweite Zeile\r\n",
        "<p>H=C3=B6he</p>",
        "filename*=UTF-8''bild%20%22%C3%A4%22.png",
        "This attachment could not be read from the archive.",
        "Content-Type: message/rfc822\r\n",
        "Subject: inner\r\n",
        "inner text",
    ] {
        assert!(text.contains(part), "{part:?}");
    }
    let base64: String = text
        .split("Content-Type: image/png")
        .nth(1)
        .and_then(|rest| rest.split_once("\r\n\r\n"))
        .and_then(|(_, rest)| rest.split("\r\n\r\n--").next())
        .unwrap()
        .replace("\r\n", "");
    use base64::Engine as _;
    assert!(base64::engine::general_purpose::STANDARD.decode(base64).unwrap() == blob);
    assert!(block_on(block_on(engine.raw(parent.id)).unwrap().unwrap().into_bytes(1000)).is_err());
}

#[test]
fn an_attachment_that_lacks_bytes_is_an_error_at_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let (store, engine) = open(dir.path(), 64 << 20);
    let (mut parent, _) = family(&store, 1000);
    parent = plain(5, &parent.subject, "x");
    let mut stored = parent.stored().pop().unwrap();
    let mut email = parent.email();
    email.attachments = vec![Attachment {
        n: 0,
        name: "half".into(),
        mime: String::new(),
        content_id: String::new(),
        inline: false,
        kind: AttachmentKind::Data,
        size: 2000,
        sha256: [5; 32],
        child: None,
    }];
    stored.email = to_bytes(&email).unwrap();
    block_on(store.load(LoadBatch { emails: vec![stored], ..LoadBatch::default() })).unwrap();
    block_on(async {
        let mut attachment = engine.attachment(parent.id, 0).await.unwrap().unwrap();
        assert_eq!(attachment.next_chunk().await.unwrap().unwrap().len(), 1000);
        assert!(attachment.next_chunk().await.is_err());
        assert!(engine.raw(parent.id).await.unwrap().unwrap().into_bytes(1 << 20).await.is_err());
    });
}

#[test]
fn an_export_is_everything_once_oldest_first() {
    let dir = tempfile::tempdir().unwrap();
    let (store, engine) = open(dir.path(), 24 << 10);
    let mut random = Random::new(5);
    let mut mails: Vec<Mail> = (0..300).map(|n| mail(&mut random, n)).collect();
    mails[7].deleted = true;
    load(&store, &mails);
    block_on(store.put(vec![mails[7].mark()])).unwrap();
    let items = block_on(async {
        let mut export = engine.export("", None, true).await.unwrap();
        let mut out = Vec::new();
        while let Some(item) = export.next().await.unwrap() {
            out.push(item);
        }
        assert!(export.partial().is_empty());
        out
    });
    mails.retain(|m| !m.deleted);
    mails.sort_by_key(|m| (m.date, m.id));
    assert_eq!(items.len(), mails.len());
    for (item, mail) in items.iter().zip(&mails) {
        assert_eq!((&item.hit.id, &item.body), (&to_hex(&mail.id), &mail.body));
        let json = serde_json::to_value(item).unwrap();
        assert_eq!(json["places"].as_array().unwrap().len(), mail.folders.len());
    }
}

#[test]
fn damage_is_named_and_the_rest_is_answered() {
    let dir = tempfile::tempdir().unwrap();
    let mails: Vec<Mail> = (0..120).map(|n| plain(n, &format!("subject{n}"), "word")).collect();
    {
        let (store, _) = open(dir.path(), 1 << 20);
        load(&store, &mails[..60]);
        block_on(store.seal()).unwrap();
        load(&store, &mails[60..]);
        block_on(store.close()).unwrap();
    }
    let mut segments: Vec<_> =
        walk(dir.path()).into_iter().filter(|p| std::fs::metadata(p).unwrap().len() > 8192).collect();
    segments.retain(|p| p.parent().is_some_and(|folder| folder.ends_with("segments")));
    assert!(segments.len() >= 2, "{segments:?}");
    let (mut partial, mut whole) = (0, 0);
    let pages = std::fs::metadata(&segments[0]).unwrap().len() / 4096;
    for page in 1..pages {
        let path = &segments[0];
        let good = std::fs::read(path).unwrap();
        let mut bad = good.clone();
        bad[usize::try_from(page * 4096 + 100).unwrap()] ^= 0x40;
        std::fs::write(path, &bad).unwrap();
        let (store, engine) = open(dir.path(), 1 << 20);
        for q in ["word", "from:alice OR word", "", "subject3 word"] {
            let request =
                SearchRequest { q: q.into(), mode: Mode::Keyword, limit: 1000, ..SearchRequest::default() };
            let answer = block_on(engine.search(request)).unwrap();
            match answer.partial {
                None => whole += 1,
                Some(missing) => {
                    partial += 1;
                    assert!(
                        !missing.missing.is_empty() && missing.missing.iter().all(|m| m.segment.is_some()),
                        "{missing:?}"
                    );
                }
            }
            if answer.hits.len() < 120 && q == "word" {
                assert!(answer.hits.len() >= 30, "other segments are searched");
            }
        }
        block_on(store.close()).unwrap();
        std::fs::write(path, &good).unwrap();
    }
    assert!(partial > 0, "{partial} {whole}");
}

fn walk(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() { out.extend(walk(&entry.path())) } else { out.push(entry.path()) }
    }
    out.sort();
    out
}
