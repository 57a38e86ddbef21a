//! A better model than the built-in one, served by another process: `embed`, and `serve` beside it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

#[path = "../../engine/embed/tests/common/mod.rs"]
mod endpoint;

use endpoint::{Answer, Asked, data};
use postlode_tests::{Scene, number};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// It knows what a bill is called in German, which the built-in model does not.
fn knows_german(_: usize, asked: &Asked) -> Answer {
    let known = |text: &String| match text.contains("anbei erhalten Sie die Rechnung") {
        true => "we pay the bill and the invoice by bank".to_owned(),
        false => text.clone(),
    };
    let texts: Vec<String> = asked.texts.iter().map(known).collect();
    Answer::json(json!({ "data": data(&texts) }))
}

fn mbox(scene: &Scene) -> String {
    let mails = [
        ("The beach", "We fly to Spain in July and stay two weeks in a hotel."),
        ("Disk", "Since the last upgrade the computer does not start any more."),
        (
            "Monat",
            "Sehr geehrte Damen und Herren, anbei erhalten Sie die Rechnung für den letzten Monat mit der Bitte um Überweisung.",
        ),
    ];
    let mut out = String::new();
    for (n, (subject, text)) in mails.iter().enumerate() {
        writeln!(
            out,
            "From x@x Thu Jan  1 00:00:00 2015\nFrom: a@b.c\nDate: Thu, 1 Jan 2015 00:00:0{n} +0000\nMessage-ID: <m{n}@x>\nSubject: {subject}\nContent-Type: text/plain; charset=utf-8\n\n{text}\n"
        )
        .unwrap();
    }
    let path = scene.path("mails.mbox");
    std::fs::write(&path, out).unwrap();
    path.to_str().unwrap().to_owned()
}

const ASKED: [&str; 4] = ["search", "payment of a bill", "--mode", "semantic"];

fn first(lines: &[Value]) -> &str {
    lines[0]["message_id"].as_str().unwrap()
}

#[test]
fn all_mail_is_embedded_and_searched_by_the_better_model() {
    let server = endpoint::Server::start(knows_german);
    let plain = Scene::new();
    drop(plain.run(&["load", &mbox(&plain)]).code(0));
    let usage = plain.run(&["embed"]).code(2);
    assert!(usage.err.contains("--embed-endpoint") && usage.err.lines().count() == 1, "{}", usage.err);
    let half = plain.run(&["embed", "--embed-endpoint", &server.url()]).code(2);
    assert!(half.err.contains("--embed-model"), "{}", half.err);
    let dead =
        plain.run(&["embed", "--embed-endpoint", "http://127.0.0.1:9/v1", "--embed-model", "m"]).code(1);
    assert!(dead.err.contains("http://127.0.0.1:9") && dead.err.lines().count() == 1, "{}", dead.err);

    let scene = plain
        .with("POSTLODE_EMBED_ENDPOINT", &server.url())
        .with("POSTLODE_EMBED_MODEL", "polyglot")
        .with("POSTLODE_EMBED_KEY", "sk-not-to-be-told");
    // As long as the built-in model answers, the other is not asked.
    let before = scene.run(&[&ASKED[..], &["--json"]].concat()).code(0);
    assert!(before.err.contains("1 email is in languages") && server.asked().is_empty(), "{}", before.err);
    let done = scene.run(&["embed", "--json"]).code(0).json();
    assert_eq!(
        (
            done["model"].as_str(),
            number(&done, "emails"),
            number(&done, "pending"),
            number(&done, "embedded")
        ),
        (Some("polyglot"), 3, 0, 3)
    );
    let after = scene.run(&[&ASKED[..], &["--json"]].concat()).code(0);
    assert_eq!((first(&after.lines()), after.err.as_str()), ("<m2@x>", ""));
    assert!(
        server.asked().iter().all(|one| one.authorization.as_deref() == Some("Bearer sk-not-to-be-told"))
    );
    let again = scene.run(&["embed"]).code(0);
    assert!(
        again.out.contains("polyglot answers: 3 of 3") && again.out.contains(" 0 were embedded"),
        "{}",
        again.out
    );

    let stats = scene.run(&["stats", "--json"]).code(0).json();
    assert_eq!(
        stats["vectors"]["answers"], "static-en/1/256",
        "stats asks no endpoint, so the built-in model would"
    );
    let list = scene.run(&["segment", "list", "--json"]).code(0).json();
    let addons: Vec<&Value> =
        list["segments"].as_array().unwrap().iter().flat_map(|s| s["addons"].as_array().unwrap()).collect();
    assert!(!addons.is_empty() && addons.iter().all(|addon| addon["model"] == "polyglot/1/256"), "{list}");
    let id = addons[0]["id"].as_str().unwrap();
    assert!(scene.run(&["segment", "list"]).code(0).out.contains(id));
    let inside = scene.run(&["segment", "inspect", id]).code(0);
    assert!(inside.out.contains("polyglot"), "{}", inside.out);
    drop(scene.run(&["segment", "verify"]).code(0));
    drop(scene.run(&["segment", "compact"]).code(0));
    let merged = scene.run(&[&ASKED[..], &["--json"]].concat()).code(0);
    assert_eq!((first(&merged.lines()), merged.err.as_str()), ("<m2@x>", ""));

    // The endpoint is gone: the built-in model answers, and that is said.
    drop(server);
    let without = scene.run(&[&ASKED[..], &["--json"]].concat()).code(0);
    assert!(without.err.contains("polyglot/1/256 is not at hand: compared by static-en"), "{}", without.err);
    assert_ne!(first(&without.lines()), "<m2@x>");
    assert!(!without.err.contains("sk-not-to-be-told"), "{}", without.err);
    let back = scene.run(&["embed", "--built-in"]).code(0);
    assert!(back.out.contains("the built-in model answers"), "{}", back.out);
    let built_in = scene.run(&[&ASKED[..], &["--json"]].concat()).code(0);
    assert!(!built_in.err.contains("not at hand"), "{}", built_in.err);
    drop(scene.run(&["segment", "verify"]).code(0));
}

/// Waits until `stats` says so.
fn wait(scene: &Scene, what: &str, until: impl Fn(&Value) -> bool) -> Value {
    let since = Instant::now();
    loop {
        let stats = scene.run(&["stats", "--json"]).code(0).json();
        if until(&stats["vectors"]) {
            return stats["vectors"].clone();
        }
        assert!(since.elapsed() < Duration::from_secs(60), "{what}: {stats}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_server_embeds_while_it_serves() {
    let mut endpoint = endpoint::Server::start(knows_german);
    let address = endpoint.address.to_string();
    let scene = Scene::new();
    let flags = ["--embed-endpoint", &endpoint.url(), "--embed-model", "polyglot"];
    let mut server = scene.serve_with(&flags);
    drop(scene.run(&["load", &mbox(&scene)]).code(0));
    let (archive, _) = scene.archive("a.pst", 600, 5);
    drop(scene.run(&["load", archive.to_str().unwrap()]).code(0));
    // Mails are searched by meaning at once, whoever answers: those in memory too, when they were embedded.
    let told = wait(&scene, "all", |vectors| {
        let embedding = &vectors["embedding"];
        embedding["answers"] == true && embedding["pending"] == 0 && embedding["error"].is_null()
    });
    assert_eq!(told["answers"], "polyglot/1/256");
    let target = "/v1/search?mode=semantic&limit=3&q=payment+of+a+bill";
    let since = Instant::now();
    let best = loop {
        let answer = server.json(target);
        if answer["partial"].is_null() {
            break answer;
        }
        assert!(since.elapsed() < Duration::from_secs(30), "{answer}");
        std::thread::sleep(Duration::from_millis(50));
    };
    let ids = |answer: &Value| -> Vec<String> {
        answer["hits"].as_array().unwrap().iter().map(|hit| hit["id"].as_str().unwrap().to_owned()).collect()
    };
    assert!(best["hits"].as_array().unwrap().iter().any(|hit| hit["message_id"] == "<m2@x>"), "{best}");
    let (_, metrics) = server.get("/metrics");
    let metrics = String::from_utf8(metrics).unwrap();
    for line in ["postlode_embedding_active 1", "postlode_embedding_pending 0", "postlode_embedding_stuck 0"]
    {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    let refused = scene.run(&["embed", "--embed-endpoint", &endpoint.url(), "--embed-model", "m"]).code(3);
    assert!(refused.err.contains("--embed-endpoint"), "{}", refused.err);
    let similar = server.json(&format!("/v1/emails/{}/similar?limit=3", ids(&best)[0]));
    assert_eq!(similar["hits"].as_array().unwrap().len(), 3);

    // The endpoint goes and comes: searches go on.
    drop(endpoint);
    let since = Instant::now();
    let without = server.json("/v1/search?limit=3&q=the+new+contract+of+the+supplier");
    assert!(since.elapsed() < Duration::from_secs(12));
    assert!(
        without["partial"]["reasons"].to_string().contains("compared by the built-in model"),
        "{without}"
    );
    let (more, _) = scene.archive("b.pst", 50, 6);
    drop(scene.run(&["load", more.to_str().unwrap()]).code(0));
    // A word that nobody asked before has to be embedded.
    endpoint = endpoint::Server::at(&address, knows_german);
    let since = Instant::now();
    let mut number_of = 0;
    loop {
        number_of += 1;
        let answer = server.json(&format!("/v1/search?limit=3&q=the+new+contract+number{number_of}"));
        if answer["partial"].is_null() {
            break;
        }
        assert!(since.elapsed() < Duration::from_secs(60), "{answer}");
        std::thread::sleep(Duration::from_millis(200));
    }
    let best = server.json(target);
    server.running.signal(Signal::KILL);
    drop(server.running.wait());
    let server = scene.serve_with(&flags);
    let since = Instant::now();
    loop {
        let answer = server.json(target);
        if answer["partial"].is_null() {
            assert_eq!(ids(&answer), ids(&best), "after kill -9");
            break;
        }
        assert!(since.elapsed() < Duration::from_secs(60), "{answer}");
        std::thread::sleep(Duration::from_millis(100));
    }
    drop(endpoint);
}

#[test]
fn an_interrupted_one_goes_on_where_it_was() {
    let texts = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&texts);
    let server = endpoint::Server::start(move |_, asked| {
        counted.fetch_add(asked.texts.len(), Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(60));
        Answer::vectors(&asked.texts)
    });
    let scene =
        Scene::new().with("POSTLODE_EMBED_ENDPOINT", &server.url()).with("POSTLODE_EMBED_MODEL", "slow");
    let (archive, _) = scene.archive("a.pst", 4_000, 9);
    drop(scene.run(&["load", archive.to_str().unwrap()]).code(0));
    let mut running = scene.start(&["embed"]);
    let since = Instant::now();
    // More than one part.
    while texts.load(Ordering::SeqCst) < 2_000 {
        assert!(since.elapsed() < Duration::from_secs(60) && !running.has_ended());
        std::thread::sleep(Duration::from_millis(10));
    }
    running.signal(Signal::INT);
    let stopped = running.wait().code(1);
    assert!(stopped.err.contains("the same command goes on from there"), "{}", stopped.err);
    let before = texts.swap(0, Ordering::SeqCst);
    let done = scene.run(&["embed", "--json"]).code(0).json();
    let (emails, embedded) = (number(&done, "emails"), number(&done, "embedded"));
    assert!(embedded < emails && embedded > 0, "{done}");
    assert_eq!(number(&done, "pending"), 0);
    let after = texts.load(Ordering::SeqCst);
    assert!(after > 0 && before > 2_000, "{before} and {after} texts");
    drop(scene.run(&["segment", "verify"]).code(0));
}
