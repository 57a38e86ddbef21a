//! Messages of our own making, through the reader of RFC 5322: rows, families, ids, and bytes of any kind.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]

use postlode_format::id::{Field, IdBuilder, to_hex};
use postlode_format::row::{AttachmentKind, ItemKind, Stamp, TextSource, flag, to_bytes};
use postlode_mail::family::{BlobContent, Family};
use postlode_mail::rfc::{Source, read};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

const ARCHIVE: [u8; 16] = [7; 16];

fn family(raw: &[u8]) -> Family {
    read(raw, &Source { archive: &ARCHIVE, node: 0, quoted: false }).unwrap()
}

fn quoted(raw: &[u8], node: u64) -> Family {
    read(raw, &Source { archive: &ARCHIVE, node, quoted: true }).unwrap()
}

/// What holds of every family.
fn check(family: &Family, raw: &[u8]) {
    assert_eq!(family.members[0].body.original.as_ref().unwrap().bytes, raw);
    let mut nodes: Vec<u64> = family.members.iter().map(|m| m.node).collect();
    nodes.sort_unstable();
    nodes.dedup();
    assert_eq!(nodes.len(), family.members.len());
    for (n, member) in family.members.iter().enumerate() {
        assert_eq!(member.email.parent.is_some(), n > 0);
        assert_ne!(member.email.flags & flag::ORIGINAL_EML, 0);
        to_bytes(&member.email).unwrap();
        to_bytes(&member.body).unwrap();
        for (n, attachment) in member.email.attachments.iter().enumerate() {
            assert_eq!(attachment.n as usize, n);
            match attachment.kind {
                AttachmentKind::Data => {
                    let blob = family.blobs.iter().find(|b| b.sha256 == attachment.sha256).unwrap();
                    assert_eq!(blob.size, attachment.size);
                }
                AttachmentKind::Message => {
                    let child = family.members.iter().find(|m| Some(m.email.id) == attachment.child);
                    assert_eq!(child.unwrap().email.parent, Some(member.email.id));
                }
                other => assert_eq!(other, AttachmentKind::Data),
            }
        }
    }
}

#[test]
fn a_family_tells_what_its_members_join() {
    let joins = |raw: &str| family(raw.as_bytes()).joins.len();
    assert_eq!(joins("Message-ID: <a@x>\r\n\r\nfirst\r\n"), 0);
    let answer = "Message-ID: <c@x>\r\nReferences: <a@x> <b@x>\r\nIn-Reply-To: <b@x>\r\n";
    assert_eq!(joins(&format!("{answer}\r\nanswer\r\n")), 2);
    let forward = |inner: &str| {
        format!(
            "{answer}Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\nContent-Type: message/rfc822\r\n\r\n{inner}\r\ninner\r\n--m--\r\n"
        )
    };
    assert_eq!(joins(&forward(answer)), 2, "the same ones once");
    assert_eq!(joins(&forward("Message-ID: <d@x>\r\nIn-Reply-To: <e@x>\r\n")), 3);
}

const RICH: &str = "Return-Path: <bounce@x.org>\r\n\
    Received: from a by b; Thu, 27 Feb 2014 10:00:05 +0100\r\n\
    Received: from c by a; Thu, 27 Feb 2014 09:00:00 +0000\r\n\
    From: =?utf-8?q?J=C3=B6rn?= <joern@x.org>\r\nSender: list@x.org\r\n\
    To: \"Doe, Jane\" <jane@x.org>, Friends: bob@x.org, al@x.org;\r\nCc: c@x.org\r\nBcc: d@x.org\r\n\
    Subject: =?iso-8859-1?q?Re:_Gr=FC=DFe?=\r\n =?iso-8859-1?q?_aus_Rom?=\r\n\
    Date: Thu, 27 Feb 2014 01:00:00 -0800\r\nMessage-ID: <one@x.org>\r\n\
    In-Reply-To: <zero@x.org>\r\nReferences: <root@x.org>\r\n\t<zero@x.org>\r\n\
    Importance: high\r\nSensitivity: Company-Confidential\r\nStatus: RO\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/mixed; boundary=\"=_m\"\r\n\r\nThis is MIME.\r\n\
    --=_m\r\nContent-Type: multipart/alternative; boundary=n\r\n\r\n\
    --n\r\nContent-Type: text/plain; charset=koi8-r\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=F0=D2=C9\r\n\
    --n\r\nContent-Type: multipart/related; boundary=r\r\n\r\n\
    --r\r\nContent-Type: text/html; charset=koi8-r\r\nContent-Transfer-Encoding: base64\r\n\r\nPHA+8DxpbWcgc3JjPSJjaWQ6cGljQHgiPg==\r\n\
    --r\r\nContent-Type: image/gif; name=p.gif\r\nContent-ID: <pic@x>\r\nContent-Transfer-Encoding: base64\r\n\r\nR0lG\r\n--r--\r\n\
    --n--\r\n\
    --=_m\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename*=utf-8''%C3%A4.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nUERG\r\n\
    --=_m\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename=n.txt\r\n\r\nnote\r\n\
    --=_m\r\nContent-Type: text/plain\r\n\r\nlist footer\r\n--=_m--\r\nepilogue\r\n";

#[test]
fn a_rich_message_is_read_whole() {
    let family = family(RICH.as_bytes());
    check(&family, RICH.as_bytes());
    let (email, body) = (&family.members[0].email, &family.members[0].body);
    assert!(email.partial.is_empty(), "{:?}", email.partial);
    assert_eq!((email.subject.as_str(), email.topic.as_str()), ("Re: Grüße aus Rom", "Grüße aus Rom"));
    let from = email.from.as_ref().unwrap();
    assert_eq!((from.name.as_str(), from.address.as_str()), ("Jörn", "joern@x.org"));
    assert_eq!(email.sender.as_ref().unwrap().address, "list@x.org");
    let to: Vec<&str> = email.to.iter().map(|a| a.address.as_str()).collect();
    assert_eq!(to, ["jane@x.org", "bob@x.org", "al@x.org"]);
    assert_eq!((email.cc[0].address.as_str(), email.bcc[0].address.as_str()), ("c@x.org", "d@x.org"));
    let at = |unix_micros, offset| Some(Stamp { unix_micros, offset_minutes: Some(offset) });
    assert_eq!(email.sent, at(1_393_491_600_000_000, -480));
    assert_eq!(email.received, at(1_393_491_605_000_000, 60));
    assert_eq!(email.date, 1_393_491_600_000_000);
    assert_eq!((email.message_id.as_str(), email.in_reply_to[0].as_str()), ("<one@x.org>", "<zero@x.org>"));
    assert_eq!(email.references, ["<root@x.org>", "<zero@x.org>"]);
    assert_eq!((email.importance, email.sensitivity, email.codepage), (2, 3, 20866));
    assert_eq!(email.flags, flag::READ | flag::HAS_ATTACHMENT | flag::ORIGINAL_EML);
    assert_eq!(
        (email.class.as_str(), email.kind, email.size),
        ("IPM.Note", ItemKind::Mail, RICH.len() as u64)
    );
    assert_eq!(body.plain.as_ref().unwrap().bytes, b"\xf0\xd2\xc9");
    assert_eq!(body.html.as_ref().unwrap().bytes, b"<p>\xf0<img src=\"cid:pic@x\">");
    assert_eq!((body.text(), body.text_source), ("При\n\nlist footer", TextSource::Plain));
    assert!(RICH.as_bytes().starts_with(&body.headers.as_ref().unwrap().bytes));
    let seen: Vec<_> =
        email.attachments.iter().map(|a| (a.name.as_str(), a.mime.as_str(), a.size, a.inline)).collect();
    assert_eq!(
        seen,
        [
            ("p.gif", "image/gif", 3, true),
            ("ä.pdf", "application/pdf", 3, false),
            ("n.txt", "text/plain", 4, false),
            ("", "text/plain", 11, true)
        ]
    );
    assert_eq!(email.attachments[0].content_id, "pic@x");
    assert_eq!(family.blobs[1].content, BlobContent::Whole(b"PDF".to_vec()));
}

#[test]
fn an_id_is_made_from_raw_properties_and_does_not_change() {
    let sha256 = |bytes: &[u8]| Sha256::digest(bytes).to_vec();
    let mut list = IdBuilder::mail();
    list.field(Field::MessageId, 0, b"<one@x.org>")
        .field(Field::SenderAddress, 0, b"list@x.org")
        .field(Field::SentTime, 0, b"Thu, 27 Feb 2014 01:00:00 -0800")
        .field(Field::Subject, 0, b"=?iso-8859-1?q?Re:_Gr=FC=DFe?= =?iso-8859-1?q?_aus_Rom?=")
        .field(Field::To, 0, b"\"Doe, Jane\" <jane@x.org>, Friends: bob@x.org, al@x.org;")
        .field(Field::Cc, 0, b"c@x.org")
        .field(Field::Bcc, 0, b"d@x.org")
        .field(Field::PlainBody, 0, b"\xf0\xd2\xc9")
        .field(Field::HtmlBody, 0, b"<p>\xf0<img src=\"cid:pic@x\">")
        .parts(Field::Attachment, 0, &[b"image/gif; name=p.gif", &sha256(b"GIF")])
        .parts(Field::Attachment, 0, &[b"attachment; filename*=utf-8''%C3%A4.pdf", &sha256(b"PDF")])
        .parts(Field::Attachment, 0, &[b"attachment; filename=n.txt", &sha256(b"note")])
        .parts(Field::Attachment, 0, &[b"text/plain", &sha256(b"list footer")]);
    let id = family(RICH.as_bytes()).members[0].email.id;
    assert_eq!(id, list.finish());
    assert_eq!(to_hex(&id), "3d6c11ad42fb647bce776dd8fcbbaf6b");
}

#[test]
fn messages_inside_messages_are_members() {
    let inner = "Subject: inner\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\n\r\nhello\r\n\
        --i\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nU3ViamVjdDogZGVlcA0KDQpib3R0b20NCg==\r\n--i--";
    let outer = format!(
        "Subject: outer\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n\r\nsee below\r\n\
         --o\r\nContent-Type: message/rfc822\r\nContent-Disposition: attachment; filename=a.eml\r\n\r\n{inner}\r\n\
         --o\r\nContent-Type: message/rfc822\r\n\r\n{inner}\r\n--o--\r\n"
    );
    let family = family(outer.as_bytes());
    check(&family, outer.as_bytes());
    let subjects: Vec<&str> = family.members.iter().map(|m| m.email.subject.as_str()).collect();
    assert_eq!(subjects, ["outer", "inner", "deep", "inner", "deep"]);
    let nodes: Vec<u64> = family.members.iter().map(|m| m.node >> 48).collect();
    assert_eq!(nodes, [0, 1, 2, 3, 4]);
    assert_eq!(family.members[1].body.original.as_ref().unwrap().bytes, inner.as_bytes());
    assert_eq!(family.members[2].body.original.as_ref().unwrap().bytes, b"Subject: deep\r\n\r\nbottom\r\n");
    let attachments = &family.members[0].email.attachments;
    assert_eq!((attachments[0].name.as_str(), attachments[1].name.as_str()), ("a.eml", "inner"));
    assert_ne!(family.members[1].email.id, family.members[3].email.id);
    assert!(family.blobs.is_empty());
}

#[test]
fn a_message_is_the_same_in_a_file_and_in_a_mailbox() {
    let eml = RICH.replace("list footer", "From here\r\n>From there");
    let lf = eml.replace("\r\n", "\n").replace("\nFrom here\n>From", "\n>From here\n>>From");
    let (one, other) = (family(eml.as_bytes()), quoted(lf.as_bytes(), 4711));
    check(&other, lf.as_bytes());
    assert_eq!(one.members[0].email.id, other.members[0].email.id);
    assert_eq!(one.members[0].body.text(), other.members[0].body.text());
    assert_eq!(other.members[0].node, 4711);
    let changed = family(eml.replace("R0lG", "R0lH").as_bytes());
    assert_ne!(one.members[0].email.id, changed.members[0].email.id);
    let moved = family(format!("Received: from z by y; Thu, 27 Feb 2014 10:00:09 +0100\r\n{eml}").as_bytes());
    assert_eq!(one.members[0].email.id, moved.members[0].email.id);
}

#[test]
fn reports_are_reports() {
    let report = |kind: &str, action: &str| {
        let raw = format!(
            "Subject: r\nContent-Type: multipart/report; report-type={kind}; boundary=b\n\n--b\n\nSorry.\n\
             --b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\nAction: {action}\n\
             --b\nContent-Type: message/rfc822\n\nSubject: a\n\nb\n--b--\n"
        );
        let family = family(raw.as_bytes());
        check(&family, raw.as_bytes());
        assert_eq!(family.members[0].email.kind, ItemKind::Report);
        assert_eq!(family.members[0].body.text(), "Sorry.");
        family.members[0].email.class.clone()
    };
    assert_eq!(report("delivery-status", "failed"), "REPORT.IPM.Note.NDR");
    assert_eq!(report("delivery-status", "delivered"), "REPORT.IPM.Note.DR");
    assert_eq!(report("disposition-notification", ""), "REPORT.IPM.Note.IPNRN");
    assert_eq!(report("feedback-report", ""), "REPORT.IPM.Note");
}

#[test]
fn odd_messages_are_kept() {
    let empty = family(b"");
    check(&empty, b"");
    assert_eq!(
        (empty.members[0].email.partial[0].code.as_str(), empty.members[0].email.date),
        ("corrupt", i64::MIN)
    );
    let junk = family(b"just some words\n\nand more\n");
    assert_eq!(junk.members[0].body.text(), "just some words\n\nand more\n");
    assert_eq!(junk.members[0].email.partial[0].stage, "headers");
    let elsewhere = quoted(b"just some words\n\nand more\n", 9);
    assert_ne!(
        junk.members[0].email.id, elsewhere.members[0].email.id,
        "partial items are bound to their place"
    );
    let header = family(b"Subject: only\r\n");
    assert_eq!((header.members[0].email.subject.as_str(), header.members[0].body.text()), ("only", ""));
    assert!(header.members[0].email.partial.is_empty() && header.members[0].body.plain.is_none());
    assert_eq!(family(b"From a@b 10:30\nSubject: x\n\ny").members[0].email.subject, "x");
    let html = family(b"Subject: h\nContent-Type: text/html; charset=iso-2022-jp\n\n<p>\x1b$B$3\x1b(B</p>");
    assert_eq!((html.members[0].body.text(), html.members[0].body.text_source), ("こ", TextSource::Html));
    assert_eq!(html.members[0].body.html.as_ref().unwrap().bytes, "<p>こ</p>".as_bytes());
    let broken = family(
        b"Subject: b\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\ntext\n--x\nContent-Type: a/b\nContent-Transfer-Encoding: base64\n\naGVs*bG8",
    );
    let email = &broken.members[0].email;
    assert_eq!((email.partial[0].stage.as_str(), email.attachments[0].size), ("attachment 0", 5));
    assert_eq!(broken.members[0].body.text(), "text");
    let raw_latin = family(b"Subject: Gr\xfc\xdfe\nContent-Type: text/plain; charset=iso-8859-2\n\n\xb1\n");
    assert_eq!(
        (raw_latin.members[0].email.subject.as_str(), raw_latin.members[0].body.text()),
        ("Grüße", "ą\n")
    );
    let twice = family(b"Subject: x\nContent-Type: text/plain\n\nGr\xc3\xbc\xc3\x9fe\n");
    assert_eq!(twice.members[0].body.text_source, TextSource::PlainAsKept);
}

#[test]
fn texts_side_by_side_are_all_searched() {
    let raw = b"Subject: s\nContent-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: text/html\n\n<p>one</p>\n\
        --x\nContent-Type: image/png\n\nPNG\n--x\nContent-Type: text/html\n\n<p>two</p>\n--x\n\nthree\n--x--\n";
    let family = family(raw);
    check(&family, raw);
    let body = &family.members[0].body;
    assert_eq!((body.text(), body.text_source), ("three\n\none\n\ntwo", TextSource::Plain));
}

#[test]
fn what_the_html_shows_is_inline() {
    let raw = b"Subject: s\nImportance: odd\nX-Priority: 5\nContent-Type: multipart/mixed; boundary=x\n\n\
        --x\nContent-Type: text/html\n\n<img src=\"cid:a@b\">\n\
        --x\nContent-Type: image/png\nContent-ID: <a@b>\n\nPNG\n--x\nContent-Type: image/png\nContent-ID: <c@b>\n\nPNG\n--x--\n";
    let family = family(raw);
    check(&family, raw);
    let email = &family.members[0].email;
    assert_eq!(email.attachments.iter().map(|a| a.inline).collect::<Vec<_>>(), [true, false]);
    assert_eq!((family.blobs.len(), email.importance), (1, 0));
}

#[test]
fn hostile_nesting_ends() {
    let deep = "Content-Type: message/rfc822\r\n\r\n".repeat(200_000);
    let found = family(deep.as_bytes());
    check(&found, deep.as_bytes());
    assert_eq!(found.members.len(), 17);
    assert_eq!(found.members[16].email.partial[0].code, "memory");
    assert_eq!(found.blobs.len(), 1);
    let mut both = String::new();
    for level in 0..17 {
        for depth in 0..30 {
            let boundary = format!("b{level}.{depth}.");
            both.push_str(&format!("Content-Type: multipart/mixed; boundary={boundary}\n\n--{boundary}\n"));
        }
        both.push_str("Content-Type: message/rfc822\n\n");
    }
    let found = family(both.as_bytes());
    check(&found, both.as_bytes());
    assert_eq!(found.members.len(), 17);
    let mut wide = String::from("Content-Type: multipart/mixed; boundary=a\r\n\r\n");
    for _ in 0..30_000 {
        wide.push_str("--a\r\nContent-Type: multipart/mixed; boundary=never\r\n\r\nx\r\n");
    }
    let found = family(wide.as_bytes());
    assert!(found.members[0].email.partial.iter().any(|note| note.stage == "parts"));
    assert!(found.members[0].body.text().starts_with("x\n\nx"));
    let many = format!(
        "Content-Type: multipart/digest; boundary=a\r\n\r\n{}",
        "--a\r\n\r\nSubject: x\r\n\r\ny\r\n".repeat(6_000)
    );
    let found = family(many.as_bytes());
    check(&found, many.as_bytes());
    assert_eq!(found.members.len(), 4_097);
}

#[test]
fn what_is_too_large_is_refused_or_kept_in_parts() {
    let mut raw = b"Subject: large\r\nContent-Type: text/plain\r\n\r\n".to_vec();
    raw.extend("large text, ".repeat(4 << 20).bytes());
    let family = family(&raw);
    let (email, body) = (&family.members[0].email, &family.members[0].body);
    assert!(body.original.is_none() && email.flags & flag::ORIGINAL_EML == 0);
    let stages: Vec<&str> = email.partial.iter().map(|note| note.stage.as_str()).collect();
    assert_eq!(stages, ["original", "text"]);
    assert_eq!((email.attachments.len(), body.text().len()), (1, 8 << 20));
    raw.resize((128 << 20) + 1, b'x');
    let source = Source { archive: &ARCHIVE, node: 0, quoted: false };
    assert_eq!(read(&raw, &source).unwrap_err().code(), "memory");
    assert_eq!(read(b"", &Source { node: 1 << 48, ..source }).unwrap_err().code(), "memory");
}

proptest! {
    #[test]
    fn any_bytes_are_a_family(raw: Vec<u8>) {
        check(&family(&raw), &raw);
        check(&quoted(&raw, 1), &raw);
    }

    #[test]
    fn anything_like_a_message_is_a_family(
        raw in "((Subject|From|To|Date|Content-Type|Content-Transfer-Encoding|Content-Disposition|X): ?\
            (multipart/(mixed|alternative|related|digest|report); boundary=[ab]|message/rfc822|text/(plain|html)(; charset=(koi8-r|utf-7|gbk))?|base64|quoted-printable|attachment; filename=a|=\\?utf-8\\?q\\?=C3=A4\\?=|[a-z<>@,;:\"=?]{0,8})\r?\n|\
            \r?\n|--[ab](--)?\r?\n|>?From a\n|[A-Za-z0-9=+/<> é]{0,12}\r?\n){0,25}",
    ) {
        check(&family(raw.as_bytes()), raw.as_bytes());
        check(&quoted(raw.as_bytes(), 1), raw.as_bytes());
    }
}
