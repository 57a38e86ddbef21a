//! Threads: whatever message of a conversation is asked about, all of it is found, in whatever order it was loaded.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

use postlode_pst_writer::{Address, FileTime, Message, Options, PstWriter};
use postlode_tests::{Scene, corpus, number};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

fn message(number: i64, id: &str, in_reply_to: &str, references: &str) -> Message {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Message {
        subject: format!("number {number}"),
        sender: Some(Address::new("Ann", "ann@example.org")),
        message_id: some(id),
        in_reply_to: some(in_reply_to),
        references: some(references),
        delivered: Some(FileTime::from_unix(1_600_000_000 + number)),
        body_text: Some(format!("text of {number}")),
        ..Message::default()
    }
}

fn archive(path: &Path, messages: Vec<Message>) {
    let mut writer = PstWriter::new(File::create_new(path).unwrap(), Options::new([7; 16])).unwrap();
    let inbox = writer.add_folder_path("Inbox").unwrap();
    for message in messages {
        writer.add_message(inbox, message).unwrap();
    }
    writer.finish().unwrap();
}

fn subjects(scene: &Scene, thread: &str) -> BTreeSet<String> {
    let hits = scene.run(&["search", "--json", &format!("thread:{thread}")]).code(0).lines();
    hits.iter().map(|hit| hit["subject"].as_str().unwrap().to_owned()).collect()
}

/// The second mailer says only what it answers, the fourth cuts the references; each would be a thread of its own by
/// what it says itself. The message that connects them may come first, last, or in another archive.
#[test]
fn a_thread_is_whole_in_any_order_of_loading() {
    let conversation = |n: &i64| match n {
        0 => message(0, "<a@x>", "", ""),
        1 => message(1, "<b@x>", "<a@x>", ""),
        2 => message(2, "<c@x>", "<b@x>", ""),
        3 => message(3, "<e@x>", "<d@x>", "<c@x> <d@x>"),
        _ => message(4, "<z@x>", "", ""),
    };
    let orders = [vec![0, 1, 2, 3, 4], vec![3, 2, 4, 1, 0], vec![2, 0, 3, 4, 1]];
    for (n, order) in orders.iter().enumerate() {
        let scene = Scene::new();
        let (first, second) = order.split_at(n + 1);
        for (name, numbers) in [("a.pst", first), ("b.pst", second)] {
            let path = scene.path(name);
            archive(&path, numbers.iter().map(conversation).collect());
            drop(scene.run(&["load", path.to_str().unwrap()]).code(0));
        }
        let all = scene.run(&["search", "--json", ""]).code(0).lines();
        assert_eq!(all.len(), 5);
        let whole: BTreeSet<String> = (0..4).map(|n| format!("number {n}")).collect();
        for hit in &all {
            let found = subjects(&scene, hit["thread"].as_str().unwrap());
            match hit["subject"].as_str().unwrap() {
                "number 4" => assert_eq!(found, BTreeSet::from(["number 4".to_owned()])),
                _ => assert_eq!(found, whole, "order {order:?}, asked for by {}", hit["subject"]),
            }
        }
    }
}

/// Real list mail: fields are those of the truth, and threads are those that the headers of all mails together tell.
#[test]
fn list_mail_comes_back_with_its_fields_and_threads() {
    let Some(corpus) = corpus() else { return };
    let scene = Scene::new();
    let (path, truth) = (scene.path("lists.pst"), scene.path("lists.jsonl"));
    let made = pstgen::generate(&pstgen::Options {
        from: Some(corpus.join("mail/lists-30k.jsonl.zst")),
        truth: Some(truth.clone()),
        ..pstgen::Options::new(&path, 30_000)
    })
    .unwrap();
    let report = scene.run(&["load", "--json", path.to_str().unwrap()]).code(0).json();
    assert_eq!((number(&report, "found"), number(&report, "failed")), (made.items, 0));
    assert_eq!(number(&report, "stored") + number(&report, "duplicate"), made.items);
    let exported = scene.run(&["export", "--format", "jsonl", "--out", "-"]).code(0).lines();
    let by_node: HashMap<u64, &Value> = exported
        .iter()
        .flat_map(|email| email["places"].as_array().unwrap().iter().map(move |p| (number(p, "node"), email)))
        .collect();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut threads = Threads::default();
    let truth: Vec<Value> = std::fs::read_to_string(truth)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(truth.len() as u64, made.items);
    let recipients: u64 =
        truth.iter().map(|item| list(item, "to") + list(item, "cc") + list(item, "bcc")).sum();
    assert_eq!(number(&report["archives"][0], "recipients"), recipients);
    let sources = File::open(corpus.join("mail/lists-30k.jsonl.zst")).unwrap();
    let sources = BufReader::new(zstd::stream::read::Decoder::new(sources).unwrap()).lines();
    let sources = sources.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    for (item, source) in truth.iter().zip(sources) {
        let email = by_node[&number(item, "nid")];
        for (field, wanted) in
            [("subject", "subject"), ("class", "message_class"), ("message_id", "message_id")]
        {
            assert_eq!(text(&email[field]), text(&item[wanted]), "{item}");
        }
        assert_eq!(text(&email["from"]["address"]), text(&item["sender_address"]), "{item}");
        let addresses: Vec<String> =
            email["to"].as_array().unwrap().iter().map(|a| text(&a["address"])).collect();
        let wanted: Vec<String> = item["to"].as_array().unwrap().iter().map(text).collect();
        assert_eq!(addresses, wanted, "{item}");
        assert_eq!(list(email, "attachments"), number(item, "attachments"));
        assert_eq!((list(email, "cc"), list(email, "bcc")), (0, 0), "{item}");
        let place =
            email["places"].as_array().unwrap().iter().find(|p| number(p, "node") == number(item, "nid"));
        assert_eq!(place.unwrap()["folder"], item["folder"], "{item}");
        // `2017-02-28 15:39:00.000000` in the truth.
        let sent = text(&item["submitted"]);
        assert_eq!(text(&email["date"]), format!("{}T{}Z", &sent[..10], &sent[11..19]), "{item}");
        assert_eq!(words(&text(&email["body"])), words(&text(&source["body"])), "{item}");
        let ids = [text(&item["message_id"]), text(&item["in_reply_to"])];
        let references = text(&item["references"]);
        threads.one(ids.iter().map(String::as_str).chain(references.split_whitespace()));
    }
    // Messages by the thread that all headers together put them in.
    let mut wanted: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    let mut asked: BTreeMap<usize, String> = BTreeMap::new();
    for item in &truth {
        let email = by_node[&number(item, "nid")];
        let thread = threads.of(&text(&item["message_id"]));
        wanted.entry(thread).or_default().insert(text(&email["id"]));
        asked.insert(thread, text(&email["thread"]));
    }
    let server = scene.serve();
    // The largest, and some of all sizes.
    let mut chosen: Vec<_> = wanted.iter().collect();
    chosen.sort_by_key(|(thread, ids)| (std::cmp::Reverse(ids.len()), **thread));
    for (thread, ids) in chosen.iter().take(20).chain(chosen.iter().skip(20).step_by(chosen.len() / 200)) {
        let mut found = BTreeSet::new();
        let mut cursor = String::new();
        loop {
            let target = format!("/v1/search?q=thread:{}&limit=100{cursor}", asked[thread]);
            let answer = server.json(&target);
            found.extend(answer["hits"].as_array().unwrap().iter().map(|hit| text(&hit["id"])));
            match answer["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(&found, *ids);
    }
}

fn list(value: &Value, name: &str) -> u64 {
    value[name].as_array().map_or(0, Vec::len) as u64
}

/// A text without what converting may change: kinds of white space, and characters that cannot be seen.
fn words(text: &str) -> String {
    let seen = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
    seen.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Union-find over Message-IDs.
#[derive(Default)]
struct Threads {
    numbers: HashMap<String, usize>,
    parents: Vec<usize>,
}

impl Threads {
    fn root(&mut self, mut n: usize) -> usize {
        while self.parents[n] != n {
            self.parents[n] = self.parents[self.parents[n]];
            n = self.parents[n];
        }
        n
    }

    fn of(&mut self, id: &str) -> usize {
        let id = id.trim_matches(['<', '>']).to_owned();
        let next = self.parents.len();
        let number = *self.numbers.entry(id).or_insert(next);
        if number == next {
            self.parents.push(next);
        }
        self.root(number)
    }

    /// All these are of one thread.
    fn one<'i>(&mut self, ids: impl Iterator<Item = &'i str>) {
        let mut first = None;
        for id in ids.filter(|id| !id.is_empty()) {
            let root = self.of(id);
            match first {
                None => first = Some(root),
                Some(first) => {
                    let first = self.root(first);
                    self.parents[root] = first;
                }
            }
        }
    }
}

/// The same letter to three customers, one of them out of a file of mail, an answer that quotes it, and two short ones.
#[test]
fn letters_that_are_nearly_the_same_are_shown_as_one_on_request() {
    let letter = |name: &str, day: &str| {
        format!(
            "Dear {name},\n\nplease find attached our new price list, which is valid from the first of {day}. As you know the \
             cost of raw materials has gone up by more than a tenth since last summer, and we have held our prices as long as we \
             could. Orders that reach us within this month are still filled at the old prices. Do call us if there is anything that \
             you would like to talk about; we hope to go on working with you for many years.\n"
        )
    };
    let quoted: String = letter("Bob", "May").lines().map(|line| format!("> {line}\n")).collect();
    let answer = format!(
        "Thank you, we shall order before the end of the month.\n\nOn 1 May 2020, Ann wrote:\n{quoted}"
    );
    let scene = Scene::new();
    let with =
        |n: i64, text: String| Message { body_text: Some(text), ..message(n, &format!("<{n}@x>"), "", "") };
    let mails = vec![
        with(1, letter("Bob", "May")),
        with(2, letter("Cleo Smith", "June")),
        with(3, answer),
        with(4, "Thanks!".into()),
        with(5, "Thanks!".into()),
    ];
    archive(&scene.path("a.pst"), mails);
    let eml = format!(
        "From: ann@example.org\r\nSubject: number 6\r\nDate: Sun, 13 Sep 2020 12:26:46 +0000\r\n\r\n{}",
        letter("Dan", "May")
    );
    std::fs::write(scene.path("b.eml"), eml).unwrap();
    let paths = [scene.path("a.pst"), scene.path("b.eml")];
    drop(scene.run(&["load", paths[0].to_str().unwrap(), paths[1].to_str().unwrap()]).code(0));
    for query in ["", "prices OR thanks OR order"] {
        let all = scene.run(&["search", "--json", "--mode", "keyword", query]).code(0).lines();
        assert_eq!(all.len(), 6, "{query}");
        let sort = ["search", "--json", "--mode", "keyword", "--group", "near", "--sort", "date", query];
        let shown = scene.run(&sort).code(0).lines();
        let told: Vec<(&str, u64)> = shown
            .iter()
            .map(|hit| (hit["subject"].as_str().unwrap(), hit["group"]["others"].as_u64().unwrap_or(0)))
            .collect();
        assert_eq!(told, [("number 6", 2), ("number 5", 0), ("number 4", 0), ("number 3", 0)], "{query}");
    }
}
