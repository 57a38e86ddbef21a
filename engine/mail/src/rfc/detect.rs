//! Whether a file is mail, from its first bytes and its name.
//!
//! What always holds: a file that has neither the name of mail nor the look of it is `None`; the look alone needs a
//! header that only mail has.

use super::head::{field_name, next_line, split};
use super::mbox::begins_message;

/// What kind of file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// One message.
    Eml,
    /// Messages one after the other.
    Mbox,
}

impl Kind {
    /// Its name in reports and in [`postlode_format::id::archive_id`].
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Eml => "eml",
            Self::Mbox => "mbox",
        }
    }
}

/// Fields that every mail has some of.
const COMMON: &[&str] = &[
    "from",
    "to",
    "cc",
    "subject",
    "date",
    "message-id",
    "received",
    "return-path",
    "delivered-to",
    "mime-version",
    "sender",
    "reply-to",
    "in-reply-to",
    "references",
    "content-type",
    "x-mailer",
];
/// Those of them that other files with header-like lines (patches, web archives, notes) hardly have.
const TELLING: &[&str] = &["message-id", "received", "return-path", "delivered-to"];

/// Tells mail by a file's first bytes (a few KiB are enough) and the ending of its name, without the dot, if it has
/// one.
#[must_use]
pub fn kind_of(first: &[u8], ending: Option<&str>) -> Option<Kind> {
    let ending = ending.unwrap_or_default().to_ascii_lowercase();
    let named_mbox = matches!(ending.as_str(), "mbox" | "mbx");
    let mut rest = first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(first);
    while let [b'\r' | b'\n', more @ ..] = rest {
        rest = more;
    }
    if rest.is_empty() {
        // A mailbox may be empty; a message that is empty is none.
        return named_mbox.then_some(Kind::Mbox);
    }
    let mailbox = begins_message(rest);
    let from_line = if mailbox { next_line(rest).1 } else { 0 };
    let (head, _) = split(rest.get(from_line..).unwrap_or_default());
    if head.contains(&0) {
        return None;
    }
    let seen = names(head);
    let common = seen.iter().filter(|name| COMMON.contains(&name.as_str())).count();
    let telling = seen.iter().any(|name| TELLING.contains(&name.as_str()));
    if mailbox {
        return (named_mbox || common >= 2).then_some(Kind::Mbox);
    }
    match ending.as_str() {
        "eml" => (common >= 1).then_some(Kind::Eml),
        "mbox" | "mbx" => (common >= 2).then_some(Kind::Mbox),
        // Without a name that says so, it takes three fields of mail, one of which is nothing else's.
        "" | "mail" | "msg" | "email" | "txt" => (common >= 3 && telling).then_some(Kind::Eml),
        // Maildir: `1700000000.M1P2.host:2,S`.
        _ if ending.contains(":2,") => (common >= 3 && telling).then_some(Kind::Eml),
        _ => None,
    }
}

/// The names of the first fields of a header, lower case, each once.
fn names(head: &[u8]) -> Vec<String> {
    let mut seen: Vec<String> = Vec::new();
    let mut at = 0usize;
    while let Some(lines) = head.get(at..).filter(|lines| !lines.is_empty() && seen.len() < 64) {
        let (line, length) = next_line(lines);
        at = at.saturating_add(length);
        let name = field_name(line).map(|name| String::from_utf8_lossy(name).to_ascii_lowercase());
        seen.extend(name.filter(|name| !seen.contains(name) && name.len() < 80));
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MAIL: &[u8] =
        b"Received: from a\r\n\tby b\r\nFrom: a@b\r\nDate: Thu, 1 Jan 1970 00:00:00 +0000\r\n\r\nx";

    #[test]
    fn mail_is_told_from_what_looks_like_it() {
        let cases: [(&[u8], Option<&str>, Option<Kind>); 16] = [
            (MAIL, Some("eml"), Some(Kind::Eml)),
            (MAIL, None, Some(Kind::Eml)),
            (MAIL, Some("host:2,S"), Some(Kind::Eml)),
            (MAIL, Some("rs"), None),
            (b"\xef\xbb\xbf\r\nSubject: a\r\n\r\n", Some("EML"), Some(Kind::Eml)),
            (b"hello, world", Some("eml"), None),
            (b"", Some("eml"), None),
            (b"", Some("mbox"), Some(Kind::Mbox)),
            (b"", None, None),
            (b"From a@b Thu Jan  1 00:00:00 1970\nFrom: a@b\nTo: c\n", None, Some(Kind::Mbox)),
            (b"From a@b Thu Jan  1 00:00:00 1970\nX-Odd: a@b\n", Some("mbox"), Some(Kind::Mbox)),
            (b"From 9:00 on\nNote: nobody\n", Some("md"), None),
            (b"From what I know: nothing.\n\n", Some("txt"), None),
            (b"From: me\nTo: you\nSubject: notes\nDate: today\n\n", Some("txt"), None),
            (b"!BDN\0\0\0\0", Some("pst"), None),
            (b"From: a\0b\nTo: c\n", Some("eml"), None),
        ];
        for (bytes, ending, kind) in cases {
            assert_eq!(kind_of(bytes, ending), kind, "{:?} {ending:?}", String::from_utf8_lossy(bytes));
        }
    }

    proptest! {
        #[test]
        fn bytes_without_a_name_are_no_mail(bytes: Vec<u8>, ending in "[a-z]{0,4}") {
            prop_assume!(!matches!(ending.as_str(), "mbox" | "mbx" | "eml"));
            prop_assert_eq!(kind_of(&bytes, Some(&ending)), None);
        }
    }
}
