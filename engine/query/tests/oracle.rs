//! Random queries over random mail, answered by the engine and by reading every mail: the same emails, in the
//! same order, page by page, with the same totals.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a test may panic, and its numbers are small"
)]

mod common;

use common::{CLASSES, DAY, FOLDERS, Mail, NAMES, PEOPLE, Random, TAGS, WORDS, load, mail, open};
use futures_lite::future::block_on;
use postlode_format::id::to_hex;
use postlode_query::lang::{Field, Node, Term, print};
use postlode_query::{Engine, Mode, Relation, SearchRequest, Sort};
use postlode_text::language::Stemmer;
use postlode_text::words::words;

fn folded(text: &str) -> Vec<String> {
    words(text).into_iter().map(|w| w.text).collect()
}

/// Does a text hold these words side by side? One word outside quotes also by its stem.
fn holds(text: &str, wanted: &str, stems: bool, english: bool) -> bool {
    let (have, wanted) = (folded(text), folded(wanted));
    if have.windows(wanted.len()).any(|w| w == wanted) {
        return true;
    }
    let stemmer = Stemmer::default();
    let [one] = wanted.as_slice() else { return false };
    let stem = stemmer.stem(one);
    stems && have.iter().any(|h| *h == stem || (english && stemmer.stem(h) == stem))
}

fn naive(mail: &Mail, node: &Node) -> bool {
    match node {
        Node::And(parts) => parts.iter().all(|p| naive(mail, p)),
        Node::Or(parts) => parts.iter().any(|p| naive(mail, p)),
        Node::Not(inner) => !naive(mail, inner),
        Node::Term(term) => naive_term(mail, term),
    }
}

fn naive_term(mail: &Mail, Term { field, value, quoted, .. }: &Term) -> bool {
    let stems = !quoted;
    let stemmed = |text: &str| holds(text, value, stems, mail.english);
    let person = |(name, person): &(usize, usize)| {
        holds(NAMES[*name], value, false, false) || holds(PEOPLE[*person], value, false, false)
    };
    let is_address = PEOPLE[..4].iter().any(|p| p.to_lowercase() == value.to_lowercase());
    let who = |all: &[(usize, usize)]| {
        if is_address {
            all.iter().any(|(_, p)| PEOPLE[*p].to_lowercase() == value.to_lowercase())
        } else {
            all.iter().any(person)
        }
    };
    let any_of_names = |all: &[(usize, usize)]| all.iter().any(person);
    match field {
        Field::Any => {
            stemmed(&mail.subject)
                || stemmed(&mail.body)
                || any_of_names(&[mail.from])
                || any_of_names(&mail.to)
                || any_of_names(&mail.cc)
                || mail.files.iter().any(|f| holds(f, value, false, false))
        }
        Field::Subject => stemmed(&mail.subject),
        Field::Body => stemmed(&mail.body),
        Field::Filename => mail.files.iter().any(|f| holds(f, value, false, false)),
        Field::From => who(&[mail.from]),
        Field::To => who(&mail.to),
        Field::Cc => who(&mail.cc),
        Field::Folder => mail.folders.iter().any(|f| {
            let (folder, wanted) = (FOLDERS[*f].to_lowercase(), value.to_lowercase());
            let path = format!("/{}", wanted.trim_matches('/'));
            folder == path
                || folder.starts_with(&format!("{path}/"))
                || folder.split('/').any(|n| n == wanted)
        }),
        Field::After => mail.date >= day(value),
        Field::Before => mail.date != i64::MIN && mail.date < day(value),
        Field::Has => !mail.files.is_empty(),
        Field::Is => {
            if value == "partial" {
                mail.partial()
            } else {
                mail.recovered()
            }
        }
        Field::Id => to_hex(&mail.id) == *value,
        Field::Thread => to_hex(&mail.thread) == *value,
        Field::Parent => mail.parent.is_some_and(|p| to_hex(&p) == *value),
        Field::MessageId => mail.message_id() == *value,
        Field::Class => mail_class(mail, value),
        Field::Larger => mail.size > value.parse().unwrap(),
        Field::Smaller => mail.size < value.parse().unwrap(),
        Field::Tag => mail.tags.iter().any(|t| TAGS[*t].to_lowercase() == value.to_lowercase()),
        Field::Custodian => value.to_lowercase() == "ann",
        Field::Domain => {
            let (_, person) = mail.from;
            PEOPLE[person]
                .to_lowercase()
                .rsplit_once('@')
                .is_some_and(|(_, domain)| domain == value.to_lowercase().trim_start_matches('@'))
        }
        Field::Bcc => false,
    }
}

fn mail_class(mail: &Mail, value: &str) -> bool {
    let class = CLASSES[mail.class].to_lowercase();
    class == value.to_lowercase() || class.starts_with(&format!("{}.", value.to_lowercase()))
}

fn day(value: &str) -> i64 {
    let day: i64 = value.rsplit('-').next().unwrap().parse().unwrap();
    (day - 1) * DAY
}

fn term(random: &mut Random, mails: &[Mail]) -> Node {
    let fields = [
        Field::Any,
        Field::Any,
        Field::Any,
        Field::Subject,
        Field::Body,
        Field::From,
        Field::To,
        Field::Cc,
        Field::Folder,
        Field::Before,
        Field::After,
        Field::Has,
        Field::Is,
        Field::Filename,
        Field::Id,
        Field::Thread,
        Field::Parent,
        Field::MessageId,
        Field::Class,
        Field::Larger,
        Field::Smaller,
        Field::Tag,
        Field::Custodian,
        Field::Domain,
    ];
    let field = fields[random.below(fields.len())];
    let mut quoted = random.chance(30);
    let value = match field {
        Field::Any | Field::Subject | Field::Body | Field::Filename if quoted => {
            format!("{} {}", random.pick(&WORDS), random.pick(&WORDS))
        }
        Field::Any | Field::Subject | Field::Body | Field::Filename => random.pick(&WORDS).to_owned(),
        Field::From | Field::To | Field::Cc => match random.below(4) {
            0 => random
                .pick(&["example.com", "@example.com", "bob", "alice", "mail.example", "running"])
                .to_owned(),
            _ => random.pick(&PEOPLE).to_owned(),
        },
        Field::Folder => {
            quoted = true;
            random
                .pick(&[
                    "/Top",
                    "inbox",
                    "/top/inbox",
                    "R",
                    "Sent Items",
                    "/Archive/2010",
                    "nowhere",
                    "Inbox/R",
                ])
                .to_owned()
        }
        Field::Before | Field::After => format!("1970-01-{:02}", 1 + random.below(30)),
        Field::Has => "attachment".to_owned(),
        Field::Is => random.pick(&["recovered", "partial"]).to_owned(),
        Field::Id => to_hex(&mails[random.below(mails.len())].id),
        Field::Thread => to_hex(&mails[random.below(mails.len())].thread),
        Field::Parent => to_hex(&common::id(random.below(10))),
        Field::MessageId => mails[random.below(mails.len())].message_id(),
        Field::Class => random.pick(&["IPM.Note", "ipm.contact", "IPM", "IPM.No"]).to_owned(),
        Field::Larger | Field::Smaller => match random.below(2) {
            0 => format!("{}", 500 * random.below(6)),
            // At the borders of a class of the index.
            _ => format!("{}", (512 << random.below(3)) - random.below(3)),
        },
        Field::Domain => {
            random.pick(&["example.com", "Mail.Example.COM", "@example.org", "nowhere"]).to_owned()
        }
        Field::Tag => {
            quoted = true;
            random.pick(&TAGS).to_owned()
        }
        _ => "ann".to_owned(),
    };
    Node::Term(Term { field, value, quoted, at: 0 })
}

fn query(random: &mut Random, mails: &[Mail], depth: usize) -> Node {
    match random.below(if depth == 0 { 1 } else { 4 }) {
        0 => term(random, mails),
        1 => Node::And((0..2 + random.below(2)).map(|_| query(random, mails, depth - 1)).collect()),
        2 => Node::Or((0..2 + random.below(2)).map(|_| query(random, mails, depth - 1)).collect()),
        _ => Node::Not(Box::new(query(random, mails, depth - 1))),
    }
}

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
        assert_eq!(ranked, whole, "{q}");
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
