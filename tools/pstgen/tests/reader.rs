//! Postlode's own reader finds in a made archive exactly what its truth says.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing test may panic")]

mod support;

use postlode_format::row::{Address, TextSource};
use postlode_mail::pst::{Archive, Family, Member, Reader};
use serde_json::Value;
use support::{Made, make, sha256};

#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    files: usize,
    messages: usize,
    deepest: usize,
    rtf_read: usize,
}

#[test]
fn everything_in_the_truth_is_read() {
    let made = make(|options| {
        options.messages = Some(1500);
        options.seed = 12;
        options.attachments = 0.5;
    });
    let seen = check_archive(&made);
    assert!(seen.files > 500 && seen.messages > 20 && seen.rtf_read > 60, "{seen:?}");
    assert_eq!(seen.deepest, 3, "{seen:?}");
}

#[test]
fn everything_in_the_truth_is_read_from_an_ansi_archive() {
    let made = make(|options| {
        options.messages = Some(1500);
        options.seed = 13;
        options.attachments = 0.5;
        options.ansi = true;
    });
    let seen = check_archive(&made);
    assert!(seen.files > 500 && seen.messages > 20 && seen.rtf_read > 60, "{seen:?}");
    assert!(made.truth.iter().any(|item| item["sender"] == "Jürgen Thomsen"));
    assert!(made.truth.iter().any(|item| item["sender"] == "?? ??"));
}

fn check_archive(made: &Made) -> Seen {
    let reader = Reader::new(Archive::open(&made.pst).unwrap(), b"");
    assert!(reader.archive().has_views());
    let listing = reader.list().unwrap();
    assert!(listing.failures.is_empty(), "{:?}", listing.failures);
    assert_eq!(listing.items.len(), made.truth.len());
    let mut seen = Seen::default();
    for truth in &made.truth {
        let nid = u32::try_from(truth["nid"].as_u64().unwrap()).unwrap();
        let item = listing.items.iter().find(|item| item.nid == nid).unwrap();
        assert_eq!(listing.path_of(item), truth["folder"].as_str().unwrap());
        let family = reader.read(nid).unwrap();
        check(&family, &family.members[0], truth, 0, &mut seen);
    }
    seen
}

fn check(family: &Family, member: &Member, truth: &Value, depth: usize, seen: &mut Seen) {
    let (email, body) = (&member.email, &member.body);
    let text = |key: &str| truth[key].as_str().unwrap_or("");
    assert!(email.partial.is_empty(), "{:?}", email.partial);
    assert_eq!(email.class, text("message_class"));
    assert_eq!(email.subject, text("subject"));
    assert_eq!(email.message_id, text("message_id"));
    assert_eq!(email.in_reply_to.first().map_or("", String::as_str), text("in_reply_to"));
    assert_eq!(email.from.as_ref().map_or("", |from| &from.name), text("sender"), "{truth}");
    assert_eq!(email.from.as_ref().map_or("", |from| &from.address), text("sender_address"), "{truth}");
    for (list, key) in [(&email.to, "to"), (&email.cc, "cc"), (&email.bcc, "bcc")] {
        assert_eq!(addresses(list), truth[key], "{key} of {truth}");
    }
    assert_eq!(["low", "normal", "high"][usize::from(email.importance)], text("importance"));

    // The text made from an 8-bit body has lines that end in LF alone.
    let list = email.class == "IPM.DistList";
    assert_eq!(list, list && body.text().contains('@'), "the members of a list are its text");
    let plain = if body.text_source == TextSource::Plain && !list {
        body.text().len() + body.text().matches('\n').count()
    } else {
        body.plain.as_ref().map_or(0, |plain| plain.bytes.len())
    };
    assert_eq!(plain, truth["text_len"], "{truth}");
    assert_eq!(body.html.as_ref().map_or(0, |html| html.original().len()), truth["html_len"]);
    let rtf = body.rtf.as_ref().map(|rtf| rtf.original());
    assert_eq!(rtf.as_ref().map_or(0, |rtf| rtf.len()), truth["rtf_len"]);
    assert_eq!(rtf.map(|rtf| sha256(&rtf)).as_deref(), truth["rtf_sha256"].as_str());
    if body.text_source == TextSource::Rtf {
        // The text of HTML is made without joiners.
        let words = |text: &str| {
            text.replace('\u{200d}', "").split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(words(body.text()), words(text("rtf_text")));
        seen.rtf_read += 1;
    }

    let files = truth["files"].as_array().unwrap();
    assert_eq!(files.len(), truth["attachments"]);
    assert_eq!(email.attachments.len(), files.len());
    for (attachment, file) in email.attachments.iter().zip(files) {
        assert_eq!(attachment.name, file["name"].as_str().unwrap());
        if file["message"].is_null() {
            assert_eq!(attachment.size, file["size"]);
            let hex: String = attachment.sha256.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex, file["sha256"].as_str().unwrap());
            seen.files += 1;
        } else {
            let child = family.members.iter().find(|member| Some(member.email.id) == attachment.child);
            check(family, child.unwrap(), &file["message"], depth + 1, seen);
            seen.messages += 1;
            seen.deepest = seen.deepest.max(depth + 1);
        }
    }
}

fn addresses(list: &[Address]) -> Value {
    list.iter().map(|one| Value::from(one.address.as_str())).collect()
}
