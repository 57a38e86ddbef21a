//! Header blocks: where they end, their fields as raw bytes, and what they say about the body below them.
//!
//! Lines are cut here, and not by mail-parser, because ids are made from raw fields and must not change with the
//! version of a library. Values are understood by mail-parser.

use super::limits::{MAX_NAME, MAX_PART_HEADERS};
use crate::text::limited;
use crate::{codepage, mime};
use mail_parser::{ContentType, HeaderName, HeaderValue, MessageParser};
use std::sync::LazyLock;

/// How a body was made fit to travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Transfer {
    #[default]
    None,
    Base64,
    QuotedPrintable,
}

/// What the header of a part says about its body.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct About {
    /// Media type, lower case, without parameters; empty where none is declared.
    pub(super) kind: String,
    pub(super) charset: Option<String>,
    pub(super) boundary: Option<String>,
    pub(super) report_type: String,
    pub(super) transfer: Transfer,
    /// The disposition, lower case, or empty.
    pub(super) disposition: String,
    /// File name, decoded, or empty.
    pub(super) name: String,
    /// The field that names the file, raw: what ids are made from.
    pub(super) raw_name: Vec<u8>,
    /// Without angle brackets, or empty.
    pub(super) content_id: String,
}

static PARSER: LazyLock<MessageParser> = LazyLock::new(|| {
    MessageParser::new().with_mime_headers().header_text(HeaderName::Subject).default_header_ignore()
});

/// Cuts a message or part into its header block and its body. Bytes that do not begin with a field have no header.
pub(super) fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    let mut at = 0usize;
    let mut first = true;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let (line, length) = next_line(rest);
        if line.is_empty() {
            let (head, _) = bytes.split_at(at);
            return (head, rest.get(length..).unwrap_or_default());
        }
        if first && field_name(line).is_none() {
            return (&[], bytes);
        }
        first = false;
        at = at.saturating_add(length);
    }
}

/// The first line without its end, and its length with it.
pub(super) fn next_line(bytes: &[u8]) -> (&[u8], usize) {
    let end = memchr::memchr(b'\n', bytes);
    let line = end.and_then(|end| bytes.get(..end)).unwrap_or(bytes);
    let length = end.map_or(bytes.len(), |end| end.saturating_add(1));
    (line.strip_suffix(b"\r").unwrap_or(line), length)
}

/// The name of the field that a line begins.
pub(super) fn field_name(line: &[u8]) -> Option<&[u8]> {
    let colon = memchr::memchr(b':', line.get(..line.len().min(256))?)?;
    let name = line.get(..colon)?.trim_ascii_end();
    (!name.is_empty() && name.iter().all(u8::is_ascii_graphic)).then_some(name)
}

/// The fields of a header block in order: name and raw value, unfolded and without blanks around it.
pub(super) fn fields(block: &[u8]) -> Vec<(&[u8], Vec<u8>)> {
    let mut found: Vec<(&[u8], Vec<u8>)> = Vec::new();
    let mut at = 0usize;
    // Whether a continuation belongs to a field that is one.
    let mut open = false;
    while let Some(rest) = block.get(at..).filter(|rest| !rest.is_empty()) {
        let (line, length) = next_line(rest);
        at = at.saturating_add(length);
        if line.first().is_some_and(|b| matches!(b, b' ' | b'\t')) {
            if let Some((_, value)) = found.last_mut().filter(|_| open) {
                value.extend_from_slice(line);
            }
            continue;
        }
        let name = field_name(line);
        open = name.is_some();
        if let Some(name) = name {
            let colon = memchr::memchr(b':', line).unwrap_or(0);
            found.push((name, line.get(colon.saturating_add(1)..).unwrap_or_default().to_vec()));
        }
    }
    for (_, value) in &mut found {
        *value = value.trim_ascii().to_vec();
    }
    found
}

/// The raw value of the first field of a name.
pub(super) fn first<'f>(fields: &'f [(&[u8], Vec<u8>)], name: &str) -> Option<&'f [u8]> {
    let found = fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()));
    found.map(|(_, value)| value.as_slice())
}

/// The start of a block, in a form that mail-parser reads: UTF-8, with an empty line at its end.
pub(super) fn readable(block: &[u8], limit: usize, page: u32) -> String {
    let mut text = codepage::decode(page, block.get(..limit).unwrap_or(block));
    text.push_str("\r\n\r\n");
    text
}

/// The decoded subject of a header block.
pub(super) fn subject(block: &str) -> String {
    let Some(message) = PARSER.parse_headers(block.as_bytes()) else { return String::new() };
    message.subject().unwrap_or_default().to_owned()
}

impl About {
    /// Reads a header block. The first of several fields of a name counts.
    pub(super) fn parse(block: &[u8]) -> Self {
        let mut about = Self::default();
        if block.is_empty() {
            return about;
        }
        let text = readable(block, MAX_PART_HEADERS, 0);
        let Some(message) = PARSER.parse_headers(text.as_bytes()) else { return about };
        let find = |name| message.headers().iter().find(|h| h.name == name).map(|h| &h.value);
        if let Some(kind) = find(HeaderName::ContentType).and_then(HeaderValue::as_content_type) {
            let declared = format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or_default());
            about.kind = mime::declared(&declared).unwrap_or_else(|| mime::UNKNOWN.to_owned());
            about.charset = short(kind, "charset");
            about.boundary = short(kind, "boundary");
            about.report_type = short(kind, "report-type").unwrap_or_default().to_ascii_lowercase();
            about.name = short(kind, "name").unwrap_or_default();
        }
        if let Some(disposition) = find(HeaderName::ContentDisposition).and_then(HeaderValue::as_content_type)
        {
            about.disposition = disposition.ctype().to_ascii_lowercase();
            about.name = short(disposition, "filename").unwrap_or(about.name);
        }
        about.transfer = match find(HeaderName::ContentTransferEncoding).and_then(HeaderValue::as_text) {
            Some(text) if text.eq_ignore_ascii_case("base64") => Transfer::Base64,
            Some(text) if text.eq_ignore_ascii_case("quoted-printable") => Transfer::QuotedPrintable,
            _ => Transfer::None,
        };
        let id = find(HeaderName::ContentId).and_then(HeaderValue::as_text).unwrap_or_default();
        about.content_id = limited(id.trim().trim_matches(['<', '>']).to_owned(), MAX_NAME).0;
        let fields = fields(block.get(..MAX_PART_HEADERS).unwrap_or(block));
        let raw = first(&fields, "content-disposition").filter(|value| value.contains(&b'='));
        about.raw_name = raw.or(first(&fields, "content-type")).unwrap_or_default().to_vec();
        about
    }
}

/// A parameter of a sane length.
fn short(kind: &ContentType<'_>, name: &str) -> Option<String> {
    let value = kind.attribute(name)?.trim();
    (!value.is_empty()).then(|| limited(value.to_owned(), MAX_NAME).0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_header_ends_at_the_first_empty_line() {
        assert_eq!(split(b"A: b\r\n c\r\n\r\nbody"), (&b"A: b\r\n c\r\n"[..], &b"body"[..]));
        assert_eq!(split(b"A: b\nC: d\n\nbody\n\n"), (&b"A: b\nC: d\n"[..], &b"body\n\n"[..]));
        assert_eq!(split(b"A: b"), (&b"A: b"[..], &b""[..]));
        assert_eq!(split(b"no header\n\nbody"), (&b""[..], &b"no header\n\nbody"[..]));
        assert_eq!(split(b"\r\nbody"), (&b""[..], &b"body"[..]));
    }

    #[test]
    fn fields_are_unfolded_and_junk_is_passed_over() {
        let found = fields(b"Subject: a\r\n  b \r\njunk\r\n more junk\r\nX-Y : c\r\nTo:\r\n");
        let found: Vec<(&str, &str)> = found
            .iter()
            .map(|(n, v)| (core::str::from_utf8(n).unwrap(), core::str::from_utf8(v).unwrap()))
            .collect();
        assert_eq!(found, [("Subject", "a  b"), ("X-Y", "c"), ("To", "")]);
    }

    #[test]
    fn parameters_are_decoded() {
        let about = About::parse(
            b"Content-Type: Image/PNG; name=\"other\"\r\nContent-Transfer-Encoding: BASE64\r\n\
              Content-ID: <a@b>\r\nContent-Disposition: Attachment; filename*=utf-8''%C3%A4.png\r\n",
        );
        assert_eq!((about.kind.as_str(), about.name.as_str()), ("image/png", "ä.png"));
        assert_eq!((about.transfer, about.disposition.as_str()), (Transfer::Base64, "attachment"));
        assert_eq!(about.content_id, "a@b");
        assert_eq!(about.raw_name, b"Attachment; filename*=utf-8''%C3%A4.png");
        let word = About::parse(b"Content-Disposition: attachment; filename=\"=?utf-8?q?=C3=A4.txt?=\"\r\n");
        assert_eq!(word.name, "ä.txt");
    }

    proptest! {
        #[test]
        fn nothing_is_lost_between_header_and_body(bytes in "([A-Z]{1,3}:? ?[a-z]{0,3}\r?\n){0,4}\r?\n?[a-z\n]{0,9}") {
            let (head, body) = split(bytes.as_bytes());
            prop_assert!(bytes.as_bytes().starts_with(head) && bytes.as_bytes().ends_with(body));
            prop_assert!(bytes.len() - head.len() - body.len() <= 2);
        }

        #[test]
        fn any_block_is_read(bytes: Vec<u8>) {
            let _ = (split(&bytes), fields(&bytes), About::parse(&bytes), subject(&readable(&bytes, 50, 932)));
        }
    }
}
