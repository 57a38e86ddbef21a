//! The canonical list of a message's raw properties that its id is made from (SPEC.md, "Identity").
//!
//! Values are the bytes of the message: of a header field its unfolded value, of a body or attachment what is left when
//! the transfer encoding is undone; never what a charset or an encoded word means. All have value type 0. So that a
//! message is the same in a file of its own and in an mbox, line ends are taken as `\n` wherever a mailbox may change
//! them, which is in everything but base64, and line ends at the end of a body do not count. There is no class: it
//! would be one of ours.

use super::head::{Transfer, first};
use postlode_format::id::{Field, IdBuilder};
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// What an attachment adds to its message's id.
pub(super) struct AttachmentIdentity {
    /// The raw field that names it.
    pub(super) name: Vec<u8>,
    /// SHA-256 of its bytes, or the content id of the message it holds.
    pub(super) content: Vec<u8>,
}

/// The canonical list of a message.
pub(super) fn list(
    fields: &[(&[u8], Vec<u8>)],
    plain: Option<&[u8]>,
    html: Option<&[u8]>,
    attachments: &[AttachmentIdentity],
) -> IdBuilder {
    let mut list = IdBuilder::mail();
    let sender = first(fields, "sender").or(first(fields, "from"));
    let single = [
        (Field::MessageId, first(fields, "message-id")),
        (Field::SenderAddress, sender),
        (Field::SentTime, first(fields, "date")),
        (Field::Subject, first(fields, "subject")),
    ];
    for (field, value) in single {
        if let Some(value) = value {
            list.field(field, 0, value);
        }
    }
    for (field, name) in [(Field::To, "to"), (Field::Cc, "cc"), (Field::Bcc, "bcc")] {
        for (_, value) in fields.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes())) {
            list.field(field, 0, value);
        }
    }
    for (field, body) in [(Field::PlainBody, plain), (Field::HtmlBody, html)] {
        if let Some(body) = body {
            list.field(field, 0, lines(body).trim_ascii_end());
        }
    }
    for AttachmentIdentity { name, content } in attachments {
        list.parts(Field::Attachment, 0, &[name, content]);
    }
    list
}

/// What stands for an attachment's bytes in the list.
pub(super) fn content(transfer: Transfer, bytes: &[u8], sha256: &[u8; 32]) -> Vec<u8> {
    match (transfer, lines(bytes)) {
        (Transfer::None | Transfer::QuotedPrintable, Cow::Owned(lines)) => Sha256::digest(lines).to_vec(),
        _ => sha256.to_vec(),
    }
}

/// Bytes with `\n` line ends.
fn lines(bytes: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memmem::find(bytes, b"\r\n").is_none() {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len());
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        match line.strip_suffix(b"\r\n") {
            Some(line) => {
                out.extend_from_slice(line);
                out.push(b'\n');
            }
            None => out.extend_from_slice(line),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_do_not_count_and_everything_else_does() {
        let id = |subject: &[u8], body: &[u8]| {
            list(&[(b"Subject", subject.to_vec())], Some(body), None, &[]).finish()
        };
        assert_eq!(id(b"a", b"b\r\nc\r\n"), id(b"a", b"b\nc"));
        assert_ne!(id(b"a", b"b\nc"), id(b"a", b"b\n\nc"));
        assert_ne!(id(b"a", b"b"), id(b"A", b"b"));
        let hash = [1; 32];
        assert_eq!(content(Transfer::None, b"a\r\n", &hash), Sha256::digest(b"a\n").to_vec());
        assert_eq!(content(Transfer::None, b"a\n", &hash), hash);
        assert_eq!(content(Transfer::Base64, b"a\r\n", &hash), hash);
    }

    #[test]
    fn the_sender_is_the_one_who_sent() {
        let with = |name: &'static [u8]| {
            list(&[(b"From", b"a".to_vec()), (name, b"b".to_vec())], None, None, &[]).finish()
        };
        assert_eq!(with(b"SENDER"), list(&[(b"Sender", b"b".to_vec())], None, None, &[]).finish());
        assert_eq!(with(b"Received"), list(&[(b"from", b"a".to_vec())], None, None, &[]).finish());
    }
}
