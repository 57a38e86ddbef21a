//! A better model than the built-in one, run by the program itself: `embed`, and `serve` beside it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

#[path = "../../engine/transformer/tests/common/mod.rs"]
mod model;

use postlode_tests::{Scene, number};
use serde_json::Value;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// In the few words that the model knows.
const MAILS: [(&str, &str); 4] = [
    ("Mail server", "The mail server is down. Please restart it."),
    ("Lunch", "Lunch at noon, please."),
    ("Invoices", "The invoice for March is attached: please query it."),
    ("Обед", "Обед в полдень, столовая закрыта, встречаемся у входа в здание."),
];

fn mbox(scene: &Scene, mails: &[(&str, &str)], first: usize) -> String {
    let mut out = String::new();
    for (n, (subject, text)) in mails.iter().enumerate() {
        let n = first + n;
        writeln!(
            out,
            "From x@x Thu Jan  1 00:00:00 2015\nFrom: a@b.c\nDate: Thu, 1 Jan 2015 00:00:0{n} +0000\nMessage-ID: <m{n}@x>\nSubject: {subject}\nContent-Type: text/plain; charset=utf-8\n\n{text}\n"
        )
        .unwrap();
    }
    let path = scene.path(&format!("mails{first}.mbox"));
    std::fs::write(&path, out).unwrap();
    path.to_str().unwrap().to_owned()
}

fn found(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|hit| hit["message_id"].as_str().unwrap()).collect()
}

#[test]
fn all_mail_is_embedded_by_the_model_of_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let mut weights = model::weights();
    let (at, library) = (folder.path().to_str().unwrap(), model::library());
    let plain = Scene::new();
    drop(plain.run(&["load", &mbox(&plain, &MAILS, 0)]).code(0));
    let usage = plain.run(&["embed"]).code(2);
    assert!(usage.err.contains("--embed-folder"), "{}", usage.err);
    let two =
        plain.run(&["embed", "--embed-folder", at, "--embed-endpoint", "http://127.0.0.1:9/v1"]).code(2);
    assert!(two.err.contains("two models"), "{}", two.err);
    let no_model = plain.run(&["embed", "--embed-folder", at]).code(1);
    assert!(no_model.err.contains(at) && no_model.err.contains("config.json"), "{}", no_model.err);
    model::write(folder.path(), &weights);
    let no_library = plain.run(&["embed", "--embed-folder", at, "--onnxruntime", "/none/libonnxruntime.so"]);
    let no_library = no_library.code(1);
    assert!(no_library.err.contains("/none/libonnxruntime.so is no file"), "{}", no_library.err);
    assert!(no_model.err.lines().count() == 1 && no_library.err.lines().count() == 1);

    let scene = plain
        .with("POSTLODE_EMBED_FOLDER", at)
        .with("POSTLODE_EMBED_MODEL", "tiny")
        .with("ORT_DYLIB_PATH", library.to_str().unwrap());
    let done = scene.run(&["embed", "--json"]).code(0).json();
    assert_eq!((done["model"].as_str(), number(&done, "dimensions")), (Some("tiny"), model::HIDDEN as u64));
    assert_eq!((number(&done, "embedded"), number(&done, "pending")), (4, 0));
    let search = |text: &str| scene.run(&["search", text, "--mode", "semantic", "--json"]).code(0);
    let lunch = search("lunch lunch at noon please");
    assert_eq!(found(&lunch.lines())[0], "<m1@x>");
    assert_eq!(found(&search("mail server the mail server is down please restart it").lines())[0], "<m0@x>");
    // Of the mail whose words it does not know the answer says so.
    assert!(lunch.err.contains("1 email is in languages or words that the model tiny"), "{}", lunch.err);
    assert!(!found(&lunch.lines()).contains(&"<m3@x>"));

    // Another model of the same name is another model.
    weights.get_mut("embeddings.word_embeddings.weight").unwrap().1.reverse();
    model::write(folder.path(), &weights);
    let before = search("lunch lunch at noon please");
    assert!(before.err.contains("is not at hand: compared by static-en"), "{}", before.err);
    let again = scene.run(&["embed", "--json"]).code(0).json();
    assert_eq!(number(&again, "embedded"), 4);
    let after = search("lunch lunch at noon please");
    assert!(found(&after.lines())[0] == "<m1@x>" && !after.err.contains("at hand"), "{}", after.err);
    drop(scene.run(&["segment", "verify"]).code(0));
}

#[test]
fn a_server_runs_the_model_of_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    model::write(folder.path(), &model::weights());
    let scene = Scene::new();
    let (at, library) = (folder.path().to_str().unwrap(), model::library());
    let flags = ["--embed-folder", at, "--embed-model", "tiny", "--onnxruntime", library.to_str().unwrap()];
    let server = scene.serve_with(&flags);
    drop(scene.run(&["load", &mbox(&scene, &MAILS[..2], 0)]).code(0));
    drop(scene.run(&["load", &mbox(&scene, &MAILS[2..], 2)]).code(0));
    let since = Instant::now();
    // Also of mail that is in no segment yet. (Who is told first that the model answers, and asks then, is answered by it: the
    // other way round an answer of the built-in model was once taken for one of this, and mail had no vectors yet.)
    let answer = loop {
        let vectors = scene.run(&["stats", "--json"]).code(0).json();
        let answers = vectors["vectors"]["answers"].as_str().unwrap().to_owned();
        let answer = server.json(
            "/v1/search?mode=semantic&limit=4&q=invoice+the+invoice+for+march+is+attached+please+query+it",
        );
        let is_whole = !answer["partial"]["reasons"].to_string().contains("without vectors");
        if answers.starts_with("tiny/") && is_whole && answer["hits"].as_array().unwrap().len() == 3 {
            break answer;
        }
        assert!(since.elapsed() < Duration::from_secs(60), "{answer} {vectors}");
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(answer["hits"][0]["message_id"], "<m2@x>", "{answer}");
    assert!(answer["partial"]["reasons"].to_string().contains("1 email is in languages"), "{answer}");
    let similar = server.json(&format!("/v1/emails/{}/similar", answer["hits"][0]["id"].as_str().unwrap()));
    assert_eq!(similar["hits"].as_array().unwrap().len(), 2, "{similar}");
}
