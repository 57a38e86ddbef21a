//! Search by meaning in the program as users run it: no model to fetch, no service to start.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

use postlode_tests::{Scene, Server, number};
use rustix::process::Signal;
use serde_json::Value;
use std::fmt::Write as _;

fn ids(answer: &Value) -> Vec<String> {
    answer["hits"].as_array().unwrap().iter().map(|hit| hit["id"].as_str().unwrap().to_owned()).collect()
}

fn by_meaning(server: &Server, words: &str) -> Value {
    let q = words.replace(' ', "+");
    server.json(&format!("/v1/search?mode=semantic&limit=10&q={q}"))
}

/// Mails about four matters, and what is asked of each: no word of it is in the mails.
const MATTERS: [(&str, &[&str]); 4] = [
    (
        "car damage insurance",
        &[
            "My vehicle was hit on the motorway yesterday, the bumper and a door are broken.",
            "The garage says that it takes a week until the truck is repaired.",
        ],
    ),
    (
        "payment of a bill",
        &[
            "Please find the invoice attached, the amount is due within thirty days.",
            "We transferred the money to your account this morning.",
        ],
    ),
    (
        "laptop will not boot",
        &[
            "Since the last upgrade the computer does not start any more, the screen stays black.",
            "The hard disk is broken, I ordered a new one for the machine.",
        ],
    ),
    (
        "vacation plans",
        &[
            "We fly to Spain in July and stay two weeks in a hotel at the beach.",
            "Who wants to join the trip to the mountains this summer?",
        ],
    ),
];

fn mbox(scene: &Scene) -> String {
    let mut out = String::new();
    for (n, text) in MATTERS.iter().flat_map(|(_, mails)| *mails).enumerate() {
        let head = format!("From: a@b.c\nDate: Thu, 1 Jan 2015 00:00:{n:02} +0000\nMessage-ID: <m{n}@x>");
        writeln!(out, "From x@x Thu Jan  1 00:00:00 2015\n{head}\nSubject: Hello\n\n{text}\n").unwrap();
    }
    let german = "Sehr geehrte Damen und Herren, anbei erhalten Sie die Rechnung für den letzten Monat mit der Bitte um Überweisung.";
    writeln!(out, "From x@x Thu Jan  1 00:00:00 2015\nFrom: d@e.f\nMessage-ID: <g@x>\nSubject: Rechnung\nContent-Type: text/plain; charset=utf-8\n\n{german}\n").unwrap();
    let path = scene.path("matters.mbox");
    std::fs::write(&path, out).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn mails_are_found_that_have_none_of_the_words() {
    let scene = Scene::new();
    drop(scene.run(&["load", &mbox(&scene)]).code(0));
    for (matter, (asked, mails)) in MATTERS.iter().enumerate() {
        let hits = scene.run(&["search", asked, "--mode", "semantic", "--limit", "2", "--json"]).code(0);
        let found: Vec<String> =
            hits.lines().iter().map(|hit| hit["message_id"].as_str().unwrap().to_owned()).collect();
        let wanted: Vec<String> = (0..mails.len()).map(|n| format!("<m{}@x>", matter * 2 + n)).collect();
        assert!(found.iter().any(|id| wanted.contains(id)), "{asked}: {found:?}");
        assert!(
            hits.err.contains("1 email is in languages or words that the model static-en does not know"),
            "{}",
            hits.err
        );
    }
    // Words in quotes, a field or a condition are kept to.
    let hits = scene.run(&["search", "vacation subject:Rechnung", "--mode", "semantic", "--json"]).code(0);
    assert_eq!(hits.out, "", "the only mail of that subject has no vector");
    let hits = scene.run(&["search", "vacation \"hard disk\"", "--mode", "semantic", "--json"]).code(0);
    assert_eq!(hits.lines().len(), 1);
    // By both, as is the default: mails that match by words are always there.
    let both = scene.run(&["search", "Rechnung", "--json"]).code(0);
    assert_eq!(both.lines()[0]["message_id"], "<g@x>", "{}", both.out);
    for unknown in ["請求書", "Счёт"] {
        let none = scene.run(&["search", unknown, "--json"]).code(0);
        assert!(none.err.contains("the model knows none of these words"), "{}", none.err);
    }
    let refused = scene.run(&["search", "x", "--mode", "semantic", "--sort", "date"]);
    assert!(refused.code == Some(2) && refused.err.lines().count() == 1, "{refused:?}");
}

#[test]
fn answers_are_the_same_after_a_crash_and_a_compaction() {
    let scene = Scene::new();
    let (archive, _) = scene.archive("a.pst", 1_500, 71);
    drop(scene.run(&["load", archive.to_str().unwrap()]).code(0));
    let mut server = scene.serve();
    let (more, _) = scene.archive("b.pst", 400, 72);
    drop(scene.run(&["load", more.to_str().unwrap()]).code(0));
    let questions = ["the meeting about the budget", "please send the contract", "server is down again"];
    let ask = |server: &Server| questions.map(|question| ids(&by_meaning(server, question)));
    let before = ask(&server);
    assert!(before.iter().all(|hits| hits.len() == 10));
    server.running.signal(Signal::KILL);
    drop(server.running.wait());
    let server = scene.serve();
    assert_eq!(ask(&server), before, "after kill -9");

    let first = &before[0][0];
    let similar = server.json(&format!("/v1/emails/{first}/similar?limit=7"));
    let near = ids(&similar);
    assert!(near.len() == 7 && !near.contains(first), "{near:?}");
    let scores: Vec<f64> =
        similar["hits"].as_array().unwrap().iter().map(|hit| hit["score"].as_f64().unwrap()).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b) && scores.iter().all(|score| *score < 1.01), "{scores:?}");
    assert_eq!(server.json(&format!("/v1/emails/{first}/similar"))["total"]["relation"], "gte");
    for (target, status) in [
        (format!("/v1/emails/{}/similar", "0".repeat(32)), 404),
        (format!("/v1/emails/{first}/similar?limit=0"), 400),
        (format!("/v1/emails/{first}/similar?limit=many"), 400),
        (format!("/v1/emails/{first}/similar?k=1"), 400),
    ] {
        let (got, body) = server.get(&target);
        assert_eq!(got, status, "{target}: {}", String::from_utf8_lossy(&body));
    }
    // Pages go on where the last ended.
    let mut all = Vec::new();
    let mut cursor = String::new();
    for _ in 0..6 {
        let page = server.json(&format!("/v1/search?mode=semantic&limit=25&q=the+budget{cursor}"));
        all.extend(ids(&page));
        cursor = format!("&cursor={}", page["next_cursor"].as_str().unwrap());
    }
    let mut different = all.clone();
    different.sort();
    different.dedup();
    assert_eq!((all.len(), different.len()), (150, 150));

    drop(scene.run(&["segment", "compact"]).code(0));
    let after = ask(&server);
    let same = |n: usize| after[n].iter().filter(|id| before[n].contains(id)).count();
    assert!((0..3).all(|n| same(n) >= 9), "before {before:?}, after a compaction {after:?}");

    let listed = scene.run(&["segment", "list", "--json"]).code(0).json();
    let mail =
        listed["segments"].as_array().unwrap().iter().find(|segment| segment["kind"] == "mail").unwrap();
    let id = mail["id"].as_str().unwrap();
    let inside = scene.run(&["segment", "inspect", "--json", id]).code(0).json();
    let vectors = &inside["vectors"];
    assert_eq!((vectors["model"].as_str(), number(vectors, "dimensions")), (Some("static-en"), 256));
    assert!(number(vectors, "vectors") >= number(vectors, "emails") && number(vectors, "emails") > 500);
    let told = scene.run(&["segment", "inspect", id]).code(0).out;
    for words in ["vectors:codes", "vectors of static-en 1", "codes sq8"] {
        assert!(told.contains(words), "{words}: {told}");
    }
}
