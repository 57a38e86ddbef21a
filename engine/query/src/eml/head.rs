//! The header of a reconstructed message.
//!
//! The transport headers are taken over as they are where the source kept them, without those that describe the
//! old body; else headers are written from the email's fields.

use super::encode::{clean, phrase, words};
use crate::dates::header;
use postlode_format::row::{ArchivedAddress, ArchivedEmail, ArchivedStamp};

/// Header lines up to the body's own, each ended by CRLF.
pub fn head(email: &ArchivedEmail, transport: &str) -> String {
    let kept = reused(transport);
    let mut out = if kept.is_empty() { written(email) } else { kept };
    out.push_str("MIME-Version: 1.0\r\n");
    out
}

/// The fields of transport headers that do not describe the body. Empty where there is no author and no date
/// among them: then they are no whole header.
fn reused(transport: &str) -> String {
    let mut out = String::with_capacity(transport.len());
    let (mut keep, mut author, mut date) = (false, false, false);
    for line in transport.lines() {
        if line.starts_with([' ', '\t']) {
            if keep && !line.trim().is_empty() {
                push_line(&mut out, line);
            }
            continue;
        }
        if line.trim().is_empty() {
            if out.is_empty() {
                continue;
            }
            break;
        }
        let name = line.split_once(':').map(|(name, _)| name.trim_end());
        let name = name.filter(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_graphic()));
        let Some(name) = name.map(str::to_ascii_lowercase) else {
            keep = false;
            continue;
        };
        author |= name == "from";
        date |= name == "date";
        keep = !name.starts_with("content-") && name != "mime-version";
        if keep {
            push_line(&mut out, line);
        }
    }
    if author && date { out } else { String::new() }
}

fn push_line(out: &mut String, line: &str) {
    out.extend(line.chars().filter(|c| *c == '\t' || !c.is_control()));
    out.push_str("\r\n");
}

fn written(email: &ArchivedEmail) -> String {
    let mut out = String::new();
    let stamp = email.sent.as_ref().or(email.received.as_ref());
    let date = stamp.and_then(|s: &ArchivedStamp| {
        header(s.unix_micros.to_native(), s.offset_minutes.as_ref().map(|m| m.to_native()))
    });
    addresses("From", email.from.as_ref().into_iter(), &mut out);
    addresses("Sender", email.sender.as_ref().into_iter(), &mut out);
    addresses("To", email.to.iter(), &mut out);
    addresses("Cc", email.cc.iter(), &mut out);
    addresses("Bcc", email.bcc.iter(), &mut out);
    field("Subject", &words(&email.subject), &mut out);
    field("Date", &date.unwrap_or_default(), &mut out);
    field("Message-ID", &id(&email.message_id), &mut out);
    let ids = |list: &[rkyv::string::ArchivedString]| {
        list.iter().map(|i| id(i)).filter(|i| !i.is_empty()).collect::<Vec<_>>().join("\r\n ")
    };
    field("In-Reply-To", &ids(&email.in_reply_to), &mut out);
    field("References", &ids(&email.references), &mut out);
    match email.importance {
        0 => field("Importance", "low", &mut out),
        2 => field("Importance", "high", &mut out),
        _ => {}
    }
    out
}

fn field(name: &str, value: &str, out: &mut String) {
    if !value.is_empty() {
        out.push_str(&format!("{name}: {value}\r\n"));
    }
}

/// A Message-ID in angle brackets.
fn id(id: &str) -> String {
    let id: String = clean(id).chars().filter(|c| c.is_ascii_graphic() && !matches!(c, '<' | '>')).collect();
    if id.is_empty() { id } else { format!("<{id}>") }
}

fn addresses<'a>(name: &str, list: impl Iterator<Item = &'a ArchivedAddress>, out: &mut String) {
    let list: Vec<String> = list.map(mailbox).filter(|a| !a.is_empty()).collect();
    field(name, &list.join(",\r\n "), out);
}

fn mailbox(address: &ArchivedAddress) -> String {
    let bare: String = clean(&address.address)
        .chars()
        .filter(|c| c.is_ascii_graphic() && !matches!(c, '<' | '>' | ',' | ';'))
        .collect();
    let name = phrase(&address.name);
    match (name.is_empty(), bare.is_empty()) {
        (true, true) => String::new(),
        (true, false) => format!("<{bare}>"),
        (false, true) => format!("{name} <>"),
        (false, false) => format!("{name} <{bare}>"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transport_headers_are_kept_without_the_old_body_and_without_tricks() {
        let transport = "Microsoft Mail Internet Headers Version 2.0\r\nReceived: from x\r\n\tby y\r\nFrom: a@b.c\r\n\
            Content-Type: multipart/mixed;\r\n boundary=x\r\nMIME-Version: 1.0\r\nDate: Tue, 28 Feb 2017 15:39:00 +0000\r\n\r\nX-Evil: 1\r\n";
        assert_eq!(
            reused(transport),
            "Received: from x\r\n\tby y\r\nFrom: a@b.c\r\nDate: Tue, 28 Feb 2017 15:39:00 +0000\r\n"
        );
        assert_eq!(reused("Received: from x\r\n"), "");
        assert_eq!(reused(""), "");
    }

    #[test]
    fn ids_are_bracketed() {
        assert_eq!(id(" <a@b> "), "<a@b>");
        assert_eq!(id("a\r\nX: y"), "<aX:y>");
        assert_eq!(id(" "), "");
    }
}
