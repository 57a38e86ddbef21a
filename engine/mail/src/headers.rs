//! Transport headers: the few facts in them that properties may lack, by mail-parser.
//!
//! The header block itself is kept elsewhere, byte for byte; what is read here is never part of an id.

use crate::time::header_time;
use mail_parser::{HeaderName, HeaderValue, MessageParser};
use postlode_format::row::{Address, Stamp};
use std::sync::LazyLock;

/// Most bytes of headers that are parsed.
const MAX_HEADERS: usize = 1 << 20;
/// Most addresses or ids that are taken from one message's headers.
const MAX_LIST: usize = 10_000;

/// What headers tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers {
    /// Message-ID, with angle brackets, or empty.
    pub message_id: String,
    /// In-Reply-To, each with angle brackets.
    pub in_reply_to: Vec<String>,
    /// References, oldest first, each with angle brackets.
    pub references: Vec<String>,
    /// Date.
    pub date: Option<Stamp>,
    /// The date of the topmost Received.
    pub received: Option<Stamp>,
    /// From.
    pub from: Vec<Address>,
    /// Sender.
    pub sender: Vec<Address>,
    /// To.
    pub to: Vec<Address>,
    /// Cc.
    pub cc: Vec<Address>,
    /// Bcc.
    pub bcc: Vec<Address>,
}

static PARSER: LazyLock<MessageParser> = LazyLock::new(|| {
    MessageParser::new()
        .with_address_headers()
        .with_date_headers()
        .with_message_ids()
        .header_received(HeaderName::Received)
        .default_header_ignore()
});

impl Headers {
    /// Reads a header block. What is malformed is left out.
    #[must_use]
    pub fn parse(block: &str) -> Self {
        let mut end = block.len().min(MAX_HEADERS);
        while !block.is_char_boundary(end) {
            end = end.saturating_sub(1);
        }
        let mut headers = Self::default();
        // Outlook may put a line of its own before the first header. The closing empty line may be missing.
        let block = block.get(..end).unwrap_or_default().trim_start();
        let block = match block.split_once('\n') {
            Some((first, rest)) if first.starts_with("Microsoft Mail Internet Headers") => rest,
            _ => block,
        };
        let bytes = [block.as_bytes(), b"\r\n\r\n"].concat();
        let Some(message) = PARSER.parse_headers(&bytes) else { return headers };
        for header in message.headers() {
            headers.take(&header.name, &header.value);
        }
        headers
    }

    fn take(&mut self, name: &HeaderName<'_>, value: &HeaderValue<'_>) {
        let date = |value: &HeaderValue<'_>| value.as_datetime().and_then(header_time);
        match name {
            HeaderName::MessageId if self.message_id.is_empty() => {
                self.message_id = ids(value).into_iter().next().unwrap_or_default();
            }
            HeaderName::InReplyTo => self.in_reply_to.extend(ids(value)),
            HeaderName::References => self.references.extend(ids(value)),
            HeaderName::Date if self.date.is_none() => self.date = date(value),
            HeaderName::Received if self.received.is_none() => {
                self.received = value.as_received().and_then(|r| r.date()).and_then(|d| header_time(&d));
            }
            HeaderName::From => addresses(value, &mut self.from),
            HeaderName::Sender => addresses(value, &mut self.sender),
            HeaderName::To => addresses(value, &mut self.to),
            HeaderName::Cc => addresses(value, &mut self.cc),
            HeaderName::Bcc => addresses(value, &mut self.bcc),
            _ => {}
        }
    }
}

/// The message ids of a property or a header's text, each with angle brackets, in order.
#[must_use]
pub fn message_ids(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('<') {
        let Some((id, after)) = after.split_once('>') else { break };
        if found.len() < MAX_LIST {
            found.extend(bracketed(id));
        }
        rest = after;
    }
    // Some programs leave the brackets out.
    let bare = text.trim();
    if found.is_empty() && bare.contains('@') && !bare.contains(char::is_whitespace) {
        found.extend(bracketed(bare));
    }
    found
}

/// An id in angle brackets, without what only folding or another program's brackets put into it.
fn bracketed(id: &str) -> Option<String> {
    let stray = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>');
    let id: String = id.chars().filter(|c| !stray(*c)).collect();
    (!id.is_empty()).then(|| format!("<{id}>"))
}

fn ids(value: &HeaderValue<'_>) -> Vec<String> {
    let list = match value {
        HeaderValue::Text(id) => vec![id],
        HeaderValue::TextList(ids) => ids.iter().collect(),
        _ => Vec::new(),
    };
    list.into_iter().filter_map(|id| bracketed(id)).take(MAX_LIST).collect()
}

fn addresses(value: &HeaderValue<'_>, into: &mut Vec<Address>) {
    let Some(list) = value.as_address() else { return };
    for address in list.iter() {
        let name = address.name().unwrap_or_default().trim().to_owned();
        let address = address.address().unwrap_or_default().trim().to_owned();
        if into.len() < MAX_LIST && !(name.is_empty() && address.is_empty()) {
            into.push(Address { name, address });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BLOCK: &str = "Microsoft Mail Internet Headers Version 2.0\r\n\
        Received: from a.example ([10.0.0.1]) by b.example;\r\n\t Thu, 27 Feb 2014 10:00:05 +0100\r\n\
        Received: from c.example by a.example; Thu, 27 Feb 2014 09:00:00 +0000\r\n\
        From: =?utf-8?q?J=C3=B6rn?= <joern@example.org>\r\n\
        To: \"Doe, Jane\" <jane@example.org>,\r\n  bob@example.org\r\n\
        Date: Thu, 27 Feb 2014 01:00:00 -0800\r\n\
        Message-ID: <one@example.org>\r\n\
        In-Reply-To: <zero@example.org>\r\n\
        References: <root@example.org>\r\n <zero@example.org>\r\n";

    #[test]
    fn facts_are_read_unfolded_and_decoded() {
        let headers = Headers::parse(BLOCK);
        assert_eq!(headers.message_id, "<one@example.org>");
        assert_eq!(headers.in_reply_to, ["<zero@example.org>"]);
        assert_eq!(headers.references, ["<root@example.org>", "<zero@example.org>"]);
        assert_eq!(headers.from, [Address { name: "Jörn".into(), address: "joern@example.org".into() }]);
        assert_eq!(headers.to[0], Address { name: "Doe, Jane".into(), address: "jane@example.org".into() });
        assert_eq!(headers.to[1].address, "bob@example.org");
        let at = |unix_micros, offset| Some(Stamp { unix_micros, offset_minutes: Some(offset) });
        assert_eq!(headers.date, at(1_393_491_600_000_000, -480));
        assert_eq!(headers.received, at(1_393_491_605_000_000, 60));
    }

    #[test]
    fn ids_are_found_in_running_text() {
        assert_eq!(message_ids("<a@b> <c@\r\n d>\t<>"), ["<a@b>", "<c@d>"]);
        assert_eq!(message_ids("a@b"), ["<a@b>"]);
        // Two brackets made it another id, and its answer began a thread of its own.
        assert_eq!(message_ids("<<a@b> <<c@d>>"), ["<a@b>", "<c@d>"]);
        let headers = Headers::parse("Message-ID: <<a@b>>\r\nIn-Reply-To: <<c@d>\r\n");
        assert_eq!((headers.message_id.as_str(), headers.in_reply_to), ("<a@b>", vec!["<c@d>".to_owned()]));
        assert_eq!(message_ids("Your mail of Monday"), Vec::<String>::new());
        assert_eq!(message_ids("<a"), Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn any_block_is_read(block in "([A-Z][a-z-]{0,12}:?[ \t<>@,;:\"\\\\()=?a-zé\r\n]{0,30}\r?\n ?){0,12}") {
            let _ = Headers::parse(&block);
            let _ = message_ids(&block);
        }

        #[test]
        fn any_header_is_read(
            name in prop_oneof![Just("Date"), Just("From"), Just("To"), Just("Received"), Just("References"), Just("Message-ID")],
            value in "[\\x00-\\x7fäß<>()\\[\\]=?,;:@\"\\\\0-9+-]{0,80}",
        ) {
            let _ = Headers::parse(&format!("{name}: {value}"));
        }

        #[test]
        fn any_text_is_read(block: String) {
            let _ = Headers::parse(&block);
            let _ = message_ids(&block);
        }
    }
}
