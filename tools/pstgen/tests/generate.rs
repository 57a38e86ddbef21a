//! What `generate` promises about its output, whatever reads it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing test may panic")]

mod support;

use std::collections::BTreeSet;

use pstgen::{Error, Options};
use support::{lines, make};

#[test]
fn the_same_options_give_the_same_bytes_and_others_another_archive() {
    let with = |seed, messages| {
        let made = make(|options| {
            options.seed = seed;
            options.messages = Some(messages);
        });
        (std::fs::read(&made.pst).unwrap(), made.truth)
    };
    let (one, truth) = with(5, 300);
    assert_eq!((one.clone(), truth), with(5, 300));
    for (seed, messages) in [(6, 300), (5, 301)] {
        assert_ne!(one[0x4600..], with(seed, messages).0[0x4600..]);
    }
}

#[test]
fn mail_is_varied_and_threads_hang_together() {
    let made = make(|options| {
        options.messages = Some(4000);
        options.attachments = 0.2;
    });
    let text = |item: &serde_json::Value, key: &str| item[key].as_str().unwrap_or("").to_owned();
    let ids: BTreeSet<String> = made.truth.iter().map(|item| text(item, "message_id")).collect();
    let is_mail = |item: &&serde_json::Value| item["message_class"] == "IPM.Note";
    let mail = made.truth.iter().filter(is_mail).count();
    assert!(made.truth.iter().filter(is_mail).all(|item| !text(item, "message_id").is_empty()));
    let with_id = made.truth.iter().filter(|item| !item["message_id"].is_null()).count();
    assert_eq!(ids.len(), with_id + 1, "no id comes twice, and some items have none");
    let answers: Vec<_> = made.truth.iter().filter(|item| !item["in_reply_to"].is_null()).collect();
    assert!(answers.len() > mail / 3);
    for answer in &answers {
        assert!(ids.contains(&text(answer, "in_reply_to")));
        assert!(text(answer, "references").ends_with(&text(answer, "in_reply_to")));
    }
    for class in [
        "IPM.Contact",
        "IPM.DistList",
        "IPM.Appointment",
        "IPM.Task",
        "IPM.StickyNote",
        "IPM.Schedule.Meeting.Request",
        "REPORT.IPM.Note.NDR",
        "REPORT.IPM.Note.IPNRN",
    ] {
        assert!(made.truth.iter().any(|item| item["message_class"] == class), "{class}");
    }
    let count =
        |what: &dyn Fn(&serde_json::Value) -> bool| made.truth.iter().filter(|item| what(item)).count();
    assert!(count(&|item| item["text_len"] != 0 && item["html_len"] != 0) > 500, "both bodies");
    assert!(count(&|item| item["text_len"] == 0 && item["html_len"] != 0) > 200, "HTML alone");
    assert!(count(&|item| item["bcc"].as_array().is_some_and(|bcc| !bcc.is_empty())) > 10);
    assert!(count(&|item| item["reply_to"].as_array().is_some_and(|list| !list.is_empty())) > 50);
    assert!(count(&|item| item["exchange"].as_object().is_some_and(|all| !all.is_empty())) > 500);
    assert!(count(&|item| item["importance"] == "high") > 50);
    assert!(count(&|item| !text(item, "subject").is_ascii()) > 200);
    let with_files = count(&|item| item["attachments"] != 0);
    assert!((600..1000).contains(&with_files), "{with_files} of 4,000 with attachments");
    let mut lens: Vec<u64> = made.truth.iter().map(|item| item["text_len"].as_u64().unwrap()).collect();
    lens.sort_unstable();
    assert!(lens[lens.len() - 1] > 20_000 && lens[lens.len() / 2] < 2_000);
}

#[test]
fn small_and_extreme_numbers_work() {
    for messages in [0, 1, 2] {
        let made = make(|options| {
            options.messages = Some(messages);
            options.attachments = 1.0;
        });
        assert_eq!(made.summary.items, messages);
        assert_eq!(made.summary.folders, 30);
    }
}

const MAIL: &str = r#"{"id":"<1@x>","irt":"","refs":[],"subject":"[R] Ünits","from_name":"Ada","from_addr":"ada@x.org","to":["r@x.org","s@x.org"],"date":"2014-08-01T06:47:13+02:00","list":"r-devel","body":"One\n日本\n"}

{"id":"<2@x>","irt":"<1@x>","refs":["<0@x>","<1@x>"],"subject":"Re: [R] Ünits","from_name":"","from_addr":"bob@x.org","to":[],"date":"2014-08-01T06:47:14Z","list":"r/help","body":""}
"#;

#[test]
fn given_mail_goes_into_the_folder_of_its_list() {
    let scratch = tempfile::tempdir().unwrap();
    for name in ["mail.jsonl", "mail.jsonl.zst"] {
        let from = scratch.path().join(name);
        match name.ends_with("zst") {
            false => std::fs::write(&from, MAIL).unwrap(),
            true => std::fs::write(&from, zstd::encode_all(MAIL.as_bytes(), 3).unwrap()).unwrap(),
        }
        let made = make(|options| {
            options.messages = None;
            options.from = Some(from);
        });
        let [one, two] = &made.truth[..] else { panic!("{:?}", made.truth) };
        assert_eq!(one["folder"], "/Top of Outlook data file/r-devel");
        assert_eq!(one["delivered"], "2014-08-01 04:47:13");
        assert_eq!((&one["text_len"], &one["html_len"]), (&11.into(), &0.into()));
        assert_eq!(one["to"].as_array().unwrap().len(), 2);
        assert_eq!(two["folder"], "/Top of Outlook data file/r/help");
        assert_eq!((&two["in_reply_to"], &two["references"]), (&"<1@x>".into(), &"<0@x> <1@x>".into()));
        assert_eq!(made.summary.folders, 5);
    }
}

#[test]
fn what_a_folder_of_an_ansi_archive_cannot_take_goes_into_the_next() {
    let scratch = tempfile::tempdir().unwrap();
    let from = scratch.path().join("mail.jsonl");
    let line = "{\"date\":\"2014-08-01T06:47:13Z\",\"list\":\"r/help\",\"body\":\"\u{65e5}\u{fc}\"}\n";
    std::fs::write(&from, line.repeat(65_540)).unwrap();
    let made = make(|options| {
        options.messages = None;
        options.from = Some(from);
        options.ansi = true;
    });
    let count = |folder: &str| made.truth.iter().filter(|item| item["folder"] == folder).count();
    assert_eq!(count("/Top of Outlook data file/r/help"), 65_536);
    assert_eq!(count("/Top of Outlook data file/r/help 2"), 4);
    // A question mark and an u with dots.
    assert!(made.truth.iter().all(|item| item["text_len"] == 3));
}

#[test]
fn a_bad_line_is_named_and_leaves_nothing_behind() {
    for (bad, reason) in [
        ("{\"date\":\"yesterday\"}", "\"yesterday\" is not an RFC 3339 date"),
        ("{\"id\":1}", "invalid type: integer"),
        ("[", "EOF while parsing"),
        ("{\"date\":\"2014-08-01T06:47:14Z\",\"list\":\"a\\u0000\"}", "must not hold a NUL"),
    ] {
        let scratch = tempfile::tempdir().unwrap();
        let from = scratch.path().join("mail.jsonl");
        std::fs::write(&from, format!("{}\n{bad}\n", MAIL.lines().next().unwrap())).unwrap();
        let mut options = Options::new(scratch.path().join("out.pst"), 10);
        options.from = Some(from);
        options.truth = Some(scratch.path().join("out.jsonl"));
        let error = pstgen::generate(&options).unwrap_err();
        assert!(matches!(error, Error::Line { line: 2, .. }), "{error}");
        assert!(error.to_string().contains(reason), "{error}");
        assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 1, "only the mail is left");
    }
}

#[test]
fn a_file_that_is_there_is_kept_unless_forced() {
    let scratch = tempfile::tempdir().unwrap();
    let mut options = Options::new(scratch.path().join("out.pst"), 10);
    options.truth = Some(scratch.path().join("out.jsonl"));
    std::fs::write(scratch.path().join("out.jsonl"), "precious").unwrap();
    let error = pstgen::generate(&options).unwrap_err();
    assert!(matches!(&error, Error::Exists(path) if path.ends_with("out.jsonl")), "{error}");
    assert_eq!(std::fs::read(scratch.path().join("out.jsonl")).unwrap(), b"precious");
    assert!(!options.out.exists());
    options.force = true;
    let same = Options { truth: Some(options.out.clone()), ..options.clone() };
    assert!(matches!(pstgen::generate(&same), Err(Error::SameFile(_))));
    pstgen::generate(&options).unwrap();
    assert_eq!(lines(&scratch.path().join("out.jsonl")).len(), 10);
}
