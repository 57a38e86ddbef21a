//! Messages whose text is in code pages that nobody declares, or declares wrongly, through the reader of RFC 5322.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]

use encoding_rs::{Encoding, GBK, ISO_8859_2, KOI8_R, SHIFT_JIS, UTF_8, WINDOWS_1251, WINDOWS_1252};
use postlode_format::row::{Body, Email};
use postlode_mail::rfc::{Source, read};

const TEXTS: &[(&Encoding, &str, u32)] = &[
    // KOI8-U, which has the same Russian letters and more.
    (KOI8_R, "Здравствуйте, посылаю вам договор, который мы обсуждали.", 21866),
    (WINDOWS_1251, "Здравствуйте, посылаю вам договор, который мы обсуждали.", 1251),
    (SHIFT_JIS, "お世話になっております。会議の議事録をお送りします。", 932),
    (GBK, "您好，附件是我们昨天讨论的合同，请您查收。", 936),
    (ISO_8859_2, "Proszę też o świeże źródła, które wczoraj omawialiśmy, i o umowę.", 28592),
    (WINDOWS_1252, "Schöne Grüße aus München, und danke für die Verträge.", 1252),
    (UTF_8, "Schöne Grüße aus München, und danke für die Verträge.", 65001),
];

fn message(head: &str, encoding: &'static Encoding, text: &str) -> (Email, Body) {
    let head = format!("From: a@x.org\r\nSubject: {text}\r\n{head}\r\n{text}\r\n");
    let raw = encoding.encode(&head).0;
    let family = read(&raw, &Source { archive: &[7; 16], node: 0, quoted: false }).unwrap();
    let member = family.members.into_iter().next().unwrap();
    (member.email, member.body)
}

/// Mails from before MIME, and of programs that never learned it, were shown as `ðÒÉ×ÅÔ`.
#[test]
fn bodies_and_headers_of_no_declared_charset_are_read() {
    for (encoding, text, page) in TEXTS {
        for charset in
            ["", "; charset=unknown-8bit", "; charset=us-ascii", "; charset=\"utf-8\"", "; charset=x-none"]
        {
            let head = format!("Content-Type: text/plain{charset}\r\nContent-Transfer-Encoding: 8bit\r\n");
            let (email, body) = message(&head, encoding, text);
            let name = encoding.name();
            assert_eq!((email.subject.as_str(), body.text().trim_end()), (*text, *text), "{name}{charset}");
            assert_eq!(email.codepage, *page, "{name}{charset}");
        }
    }
}

#[test]
fn a_header_is_read_where_the_body_is_plain_or_says_what_it_is() {
    for (encoding, text, _) in TEXTS {
        for kind in ["text/plain", "text/plain; charset=us-ascii", "text/html"] {
            let raw = format!("From: a@x.org\r\nSubject: {text}\r\nContent-Type: {kind}\r\n\r\nplain\r\n");
            let family =
                read(&encoding.encode(&raw).0, &Source { archive: &[7; 16], node: 0, quoted: false })
                    .unwrap();
            assert_eq!(family.members[0].email.subject, *text, "{kind}");
        }
        let told = format!("Content-Type: text/plain; charset={}\r\n", encoding.name());
        let (email, body) = message(&told, encoding, text);
        assert_eq!((email.subject.as_str(), body.text().trim_end()), (*text, *text));
    }
}

#[test]
fn html_of_no_declared_charset_is_read_by_what_it_names_or_is() {
    for (encoding, text, page) in TEXTS {
        let (email, body) = message("Content-Type: text/html\r\n", encoding, text);
        assert_eq!((body.text(), email.codepage), (*text, *page));
        let head = "Content-Type: text/html; charset=us-ascii\r\n";
        let named = format!("<meta charset={}><p>{text}", encoding.name());
        let (_, body) = message(head, encoding, &named);
        assert_eq!(body.text(), *text);
    }
}

/// What a guess says changes with the library that makes it; what an email is must not.
#[test]
fn no_id_depends_on_a_guess() {
    let raw =
        KOI8_R.encode("From: a@x.org\r\nMessage-ID: <1@x.org>\r\nSubject: Привет\r\n\r\nЗдравствуйте\r\n").0;
    let id = |raw: &[u8]| {
        let family = read(raw, &Source { archive: &[7; 16], node: 0, quoted: false }).unwrap();
        family.members[0].email.id
    };
    let declared = KOI8_R.encode("From: a@x.org\r\nMessage-ID: <1@x.org>\r\nSubject: Привет\r\nContent-Type: text/plain; charset=koi8-r\r\n\r\nЗдравствуйте\r\n").0;
    assert_eq!(id(&raw), id(&declared));
}
