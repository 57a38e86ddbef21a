//! A model behind an endpoint, over real connections: one that does what it is asked, and one that misbehaves in every way.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use common::{Answer, Asked, Server, data};
use postlode_embed::{BuiltIn, Embed, EmbedError, Endpoint, EndpointOptions};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn options(server: &Server) -> EndpointOptions {
    EndpointOptions { url: server.url(), model: "m".into(), in_flight: 3, ..EndpointOptions::default() }
}

fn probe(server: &Server) -> Endpoint {
    Endpoint::probe(options(server)).unwrap()
}

/// What the first request, which asks for the dimension, gets, and what all others get.
fn after_probe(behave: impl Fn(usize, &Asked) -> Answer + Send + Sync + 'static) -> Server {
    Server::start(move |before, asked| match before {
        0 => Answer::vectors(&asked.texts),
        before => behave(before - 1, asked),
    })
}

fn texts(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("the invoice number {n} of the supplier")).collect()
}

/// The vectors of the built-in model, which the servers here serve.
fn agree(vectors: &[Option<Vec<f32>>], texts: &[String]) {
    let wanted = BuiltIn.embed(texts).unwrap();
    assert_eq!(vectors.len(), wanted.len());
    for (n, (have, want)) in vectors.iter().zip(&wanted).enumerate() {
        let (have, want) = (have.as_ref().unwrap(), want.as_ref().unwrap());
        assert!(have.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-5), "text {n}");
    }
}

#[test]
fn vectors_are_those_of_the_texts_in_few_requests_over_few_connections() {
    let server = Server::start(|_, asked| {
        std::thread::sleep(Duration::from_millis(40));
        Answer::vectors(&asked.texts)
    });
    let endpoint = probe(&server);
    assert_eq!(endpoint.model().key(), "m/1/256");
    let texts = texts(300);
    agree(&endpoint.embed(&texts).unwrap(), &texts);
    let asked = server.asked();
    assert_eq!(asked.len(), 1 + 300usize.div_ceil(32));
    assert!(
        asked.iter().all(|one| one.path == "/v1/embeddings" && one.model == "m" && one.texts.len() <= 32)
    );
    let most = asked.iter().map(|one| one.at_once).max().unwrap();
    assert!((2..=3).contains(&most), "{most} requests at once");
    let connections: BTreeSet<usize> = asked.iter().map(|one| one.connection).collect();
    assert!(connections.len() <= 4, "{connections:?}");
}

#[test]
fn a_text_is_sent_once() {
    let server = Server::good();
    let options =
        EndpointOptions { text_prefix: "text: ".into(), query_prefix: "query: ".into(), ..options(&server) };
    let endpoint = Endpoint::probe(options).unwrap();
    let twice = vec!["one mail".to_owned(), "another".to_owned(), "one mail".to_owned(), " ".to_owned()];
    let vectors = endpoint.embed(&twice).unwrap();
    assert!(vectors[0].is_some() && vectors[0] == vectors[2] && vectors[0] != vectors[1]);
    assert_eq!(server.asked()[1].texts, ["text: one mail", "text: another"]);
    assert_eq!(vectors[3], None);
    assert_eq!(endpoint.embed(&twice).unwrap(), vectors);
    assert_eq!(endpoint.embed_now(&twice).unwrap(), vectors);
    assert_eq!(server.asked().len(), 2, "all of it was known");
    // What is searched for is another text.
    assert!(endpoint.embed_query("one mail").unwrap().is_some());
    assert_eq!(server.asked()[2].texts, ["query: one mail"]);
    assert!(endpoint.says("Счёт") && !endpoint.says(" \n") && endpoint.knows("deu"));
}

#[test]
fn nothing_is_asked_of_nothing() {
    let server = Server::good();
    let endpoint = probe(&server);
    assert_eq!(endpoint.embed(&[]).unwrap(), Vec::<Option<Vec<f32>>>::new());
    assert_eq!(endpoint.embed(&[String::new(), " \t\n".to_owned()]).unwrap(), [None, None]);
    assert_eq!(server.asked().len(), 1);
    // A text of ten megabytes is cut to what a model may read.
    let long = "word ".repeat(2 << 20);
    assert!(endpoint.embed(&[long]).unwrap()[0].is_some());
    assert!(server.asked()[1].texts[0].len() <= 24_000);
}

#[test]
fn the_key_is_sent_and_never_told() {
    let server = Server::start(|_, asked| match asked.authorization.as_deref() {
        Some("Bearer sk-right") => Answer::vectors(&asked.texts),
        other => {
            Answer::Status(401, String::new(), format!("Incorrect API key provided: {other:?}\n\u{1b}[31m"))
        }
    });
    let with = |key: Option<&str>| {
        Endpoint::probe(EndpointOptions { key: key.map(str::to_owned), ..options(&server) }).map(drop)
    };
    with(Some("sk-right")).unwrap();
    let error = with(Some("sk-wrong")).unwrap_err();
    let (told, shown) = (error.to_string(), format!("{error:?}"));
    assert!(told.contains("401") && told.contains("does not take the key"), "{told}");
    assert!(!told.contains("sk-wrong") && !shown.contains("sk-wrong") && !told.contains('\u{1b}'), "{told}");
    assert_eq!(server.asked().len(), 2, "the same key again would be refused again");
    assert!(with(None).is_err());
    for key in ["", "a\r\nx: y", "a b"] {
        let error = with(Some(key)).unwrap_err().to_string();
        assert!(error.contains("the key is empty"), "{error}");
    }
}

#[test]
fn what_may_pass_is_tried_again() {
    let server = after_probe(|before, asked| match before {
        0 => Answer::status(503),
        1 => Answer::Status(429, "retry-after: 1\r\n".into(), String::new()),
        2 => Answer::status(408),
        3 => Answer::Close,
        _ => Answer::vectors(&asked.texts),
    });
    let endpoint = probe(&server);
    let since = Instant::now();
    let texts = texts(3);
    agree(&endpoint.embed(&texts).unwrap(), &texts);
    assert_eq!(server.asked().len(), 1 + 5);
    assert!(since.elapsed() >= Duration::from_secs(1), "it was asked to wait a second");
}

#[test]
fn answers_that_are_none_are_tried_again() {
    let server = after_probe(|before, asked| match before {
        0 => Answer::Half,
        1 => Answer::json(json!({ "data": data(&asked.texts[1..]) })),
        2 => Answer::Status(200, String::new(), "<html>".into()),
        3 => Answer::json(json!({ "data": [{"index": 0, "embedding": "AAAA"}] })),
        _ => Answer::vectors(&asked.texts),
    });
    let endpoint = probe(&server);
    let texts = texts(2);
    agree(&endpoint.embed(&texts).unwrap(), &texts);
    assert_eq!(server.asked().len(), 1 + 5);
}

#[test]
fn five_tries_are_enough() {
    let server = after_probe(|_, _| Answer::status(500));
    let endpoint = probe(&server);
    let error = endpoint.embed(&texts(1)).unwrap_err().to_string();
    assert!(error.contains("500") && error.contains(&server.address.to_string()), "{error}");
    // And a look whether it answers anything.
    assert_eq!(server.asked().len(), 1 + 5 + 2);
    // Where it says that it is not to be asked again, it is not.
    let server = after_probe(|_, _| Answer::status(404));
    let error = probe(&server).embed(&texts(1)).unwrap_err().to_string();
    assert!(error.contains("does not know this address or the model m"), "{error}");
    assert_eq!(server.asked().len(), 1 + 1);
}

#[test]
fn what_is_too_much_at_once_is_sent_in_parts() {
    let server = after_probe(|_, asked| {
        let long = asked.texts.iter().any(|text| text.len() > 900);
        if asked.texts.len() > 5 || long { Answer::status(413) } else { Answer::vectors(&asked.texts) }
    });
    let endpoint = probe(&server);
    let all = texts(40);
    agree(&endpoint.embed(&all).unwrap(), &all);
    // One that is too long by itself loses its end.
    let long = vec!["supplier and invoice ".repeat(300)];
    assert!(endpoint.embed(&long).unwrap()[0].is_some());
    assert!(server.asked().iter().all(|one| one.texts.len() <= 32));
}

#[test]
fn a_text_that_is_refused_costs_no_other_its_vector() {
    let server = after_probe(|_, asked| match asked.texts.iter().any(|text| text.contains("poison")) {
        true => Answer::status(400),
        false => Answer::vectors(&asked.texts),
    });
    let endpoint = probe(&server);
    let mut all = texts(20);
    all[7] = "poison".to_owned();
    let mut vectors = endpoint.embed(&all).unwrap();
    assert_eq!(vectors.remove(7), None);
    all.remove(7);
    agree(&vectors, &all);
}

/// A text on which the server breaks each time stopped everything; a server that refuses everything made all texts ones that
/// have no vector.
#[test]
fn who_breaks_on_a_text_is_told_from_who_refuses_everything() {
    let server = after_probe(|_, asked| match asked.texts.iter().any(|text| text.contains("poison")) {
        true => Answer::status(500),
        false => Answer::vectors(&asked.texts),
    });
    let mut all = texts(2);
    all.push("poison".to_owned());
    let vectors = probe(&server).embed(&all).unwrap();
    assert_eq!(vectors.iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, false]);

    let server = after_probe(|_, _| Answer::Status(400, String::new(), "the budget is used up".into()));
    let error = probe(&server).embed(&texts(3)).unwrap_err().to_string();
    assert!(error.contains("budget"), "{error}");
}

/// Who waited for an answer was kept for as long as the endpoint wanted.
#[test]
fn who_waits_does_not_wait_for_the_endpoint_to_have_time() {
    let server = after_probe(|_, _| Answer::Status(429, "retry-after: 30\r\n".into(), String::new()));
    let endpoint = probe(&server);
    let since = Instant::now();
    assert!(endpoint.embed_query("when").is_err());
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    // One that answers slowly in many parts has no longer either.
    let server = after_probe(|_, _| {
        std::thread::sleep(Duration::from_millis(1_500));
        Answer::status(413)
    });
    let endpoint = probe(&server);
    let since = Instant::now();
    assert!(endpoint.embed_now(&texts(32)).is_err());
    assert!(since.elapsed() < Duration::from_secs(9), "{:?}", since.elapsed());
}

#[test]
fn vectors_that_are_none_are_refused() {
    // Not a number, by way of one beyond what a float can hold: it is refused for that text alone.
    let server = after_probe(|_, asked| {
        let mut data = data(&asked.texts);
        for (one, text) in data.iter_mut().rev().zip(&asked.texts) {
            if text.contains("poison") {
                one["embedding"][3] = json!(1e300);
            }
        }
        Answer::json(json!({ "data": data }))
    });
    let mut all = texts(4);
    all[2] = "poison in the supplier".to_owned();
    let vectors = probe(&server).embed(&all).unwrap();
    assert_eq!(vectors.iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, false, true]);

    // Of another length than before.
    let server = after_probe(|_, asked| {
        let short: Vec<Value> =
            (0..asked.texts.len()).map(|index| json!({ "index": index, "embedding": [1.0, 2.0] })).collect();
        Answer::json(json!({ "data": short }))
    });
    let error = probe(&server).embed(&texts(2)).unwrap_err().to_string();
    assert!(error.contains("2 values, where it gave 256 before"), "{error}");

    // Of a length that no index has.
    for (length, part) in [(0, "0 values"), (5_000, "5000 values")] {
        let vector = vec![1.0f32; length];
        let server = Server::start(move |_, _| Answer::json(json!({ "data": [{ "embedding": vector }] })));
        let error = Endpoint::probe(options(&server)).map(drop).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn mail_is_not_sent_on_to_where_a_redirect_leads() {
    let other = Server::good();
    let to = other.url();
    for status in [301, 302, 307, 308] {
        let header = format!("location: {to}/embeddings\r\n");
        let server = Server::start(move |_, _| Answer::Status(status, header.clone(), String::new()));
        let error = Endpoint::probe(options(&server)).map(drop).unwrap_err().to_string();
        assert!(error.contains(&status.to_string()), "{error}");
    }
    assert_eq!(other.asked().len(), 0);
}

#[test]
fn an_answer_that_does_not_end_is_cut_off() {
    let server = Server::start(|_, _| Answer::Endless);
    let error = Endpoint::probe(options(&server)).map(drop).unwrap_err().to_string();
    assert!(error.contains("longer than 16 MiB"), "{error}");
}

#[test]
fn a_question_is_not_left_waiting() {
    let server = after_probe(|before, asked| match before {
        1 => Answer::Stall(Duration::from_secs(30)),
        _ => Answer::vectors(&asked.texts),
    });
    let endpoint = probe(&server);
    assert!(endpoint.embed_query("known").unwrap().is_some());
    let since = Instant::now();
    let error = endpoint.embed_query("when is the invoice due").unwrap_err().to_string();
    let took = since.elapsed();
    assert!(took > Duration::from_secs(3) && took < Duration::from_secs(20), "{took:?}: {error}");
    // Nobody else has to find that out for himself; what is known is known.
    let since = Instant::now();
    let error = endpoint.embed_query("and the other one").unwrap_err().to_string();
    assert!(error.contains("a moment ago") && since.elapsed() < Duration::from_secs(1), "{error}");
    assert!(endpoint.embed_query("known").unwrap().is_some());
    std::thread::sleep(Duration::from_secs(5));
    // The fourth looked whether it is awake again, for nobody who waits.
    assert_eq!(server.asked().len(), 4);
    assert!(endpoint.embed_query("and now").unwrap().is_some());
}

/// The other side closes connections that nothing comes by; the first question after that must not fail.
#[test]
fn a_connection_that_was_closed_meanwhile_is_no_reason_to_give_up() {
    let server = after_probe(|before, asked| match before % 2 {
        0 => Answer::Close,
        _ => Answer::vectors(&asked.texts),
    });
    let endpoint = probe(&server);
    assert!(endpoint.embed_query("one").unwrap().is_some());
    assert!(endpoint.embed_query("two").unwrap().is_some());
}

#[test]
fn who_stops_is_not_kept() {
    let server = after_probe(|_, _| Answer::Status(503, "retry-after: 60\r\n".into(), String::new()));
    let stop = Arc::new(AtomicBool::new(false));
    let options = EndpointOptions { stop: Arc::clone(&stop), ..options(&server) };
    let endpoint = Endpoint::probe(options).unwrap();
    let since = Instant::now();
    let waits = std::thread::spawn(move || endpoint.embed(&texts(100)));
    std::thread::sleep(Duration::from_millis(300));
    stop.store(true, Ordering::Relaxed);
    let done = waits.join().unwrap();
    assert_eq!(done, Err(EmbedError::Stopped));
    assert!(since.elapsed() < Duration::from_secs(10));
}

#[test]
fn an_address_that_is_none_is_told() {
    let server = Server::good();
    let port = server.address.port();
    drop(server);
    for (url, part) in [
        ("", "without http://"),
        ("localhost:11434/v1", "without http://"),
        ("ftp://localhost/v1", "want http:// or https://"),
        ("http:///v1", "no address"),
        ("http://user:secret@127.0.0.1:1/v1", "does not answer"),
        (&format!("http://127.0.0.1:{port}/v1"), "does not answer"),
        ("http://no-such-host.invalid/v1/embeddings", "does not answer"),
    ] {
        let options =
            EndpointOptions { url: url.to_owned(), model: "m".into(), ..EndpointOptions::default() };
        let error = Endpoint::probe(options).map(drop).unwrap_err().to_string();
        assert!(error.contains(part) && !error.contains("secret") && !error.contains('\n'), "{url}: {error}");
    }
}
