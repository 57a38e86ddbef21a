//! What was read in a mail's attachments: text to be searched, and what could not be had.
//!
//! What always holds: what is not as it was written is passed over; a text names the attachment it came from.

use super::{ArchivedExtra, Extra, extra};

/// Something in an attachment that could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unread<'e> {
    /// Number of the attachment.
    pub n: u32,
    /// Failure code.
    pub code: &'e str,
    /// What it is: the attachment's name, and what is inside it.
    pub what: &'e str,
    /// The reason.
    pub reason: &'e str,
}

/// The text of an attachment as an extra of its mail's body.
#[must_use]
pub fn attachment_text(n: u32, text: &str) -> Extra {
    Extra { number: extra::ATTACHMENT_TEXT, bytes: [&n.to_le_bytes(), text.as_bytes()].concat() }
}

/// What could not be read of an attachment, as an extra of its mail's body.
#[must_use]
pub fn attachment_unread(unread: &Unread<'_>) -> Extra {
    let Unread { n, code, what, reason } = unread;
    // Names come out of archives: a zero byte in one would be taken for the end of it.
    let fields = [*code, *what, *reason].map(|field| field.replace('\0', " "));
    let bytes = [&n.to_le_bytes()[..], fields.join("\0").as_bytes()].concat();
    Extra { number: extra::ATTACHMENT_UNREAD, bytes }
}

/// The texts of a mail's attachments, each with its attachment's number.
pub fn attachment_texts(extras: &[ArchivedExtra]) -> impl Iterator<Item = (u32, &str)> {
    of_attachments(extras, extra::ATTACHMENT_TEXT)
}

/// What could not be read in a mail's attachments.
pub fn attachments_unread(extras: &[ArchivedExtra]) -> impl Iterator<Item = Unread<'_>> {
    of_attachments(extras, extra::ATTACHMENT_UNREAD).filter_map(|(n, text)| {
        let mut fields = text.splitn(3, '\0');
        let (code, what, reason) = (fields.next()?, fields.next()?, fields.next()?);
        Some(Unread { n, code, what, reason })
    })
}

fn of_attachments(extras: &[ArchivedExtra], number: u16) -> impl Iterator<Item = (u32, &str)> {
    extras.iter().filter(move |kept| kept.number == number).filter_map(|kept| {
        let (n, text) = kept.bytes.split_first_chunk::<4>()?;
        Some((u32::from_le_bytes(*n), core::str::from_utf8(text).ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_notes_come_back() {
        let unread = Unread { n: 2, code: "encrypted", what: "a.zip/b\0.pdf", reason: "a password" };
        let extras = vec![
            attachment_text(0, "first"),
            attachment_unread(&unread),
            attachment_text(7, "é"),
            Extra { number: extra::ATTACHMENT_TEXT, bytes: vec![1, 2] },
            Extra { number: extra::ATTACHMENT_TEXT, bytes: vec![1, 0, 0, 0, 0xff] },
            Extra { number: extra::ATTACHMENT_UNREAD, bytes: vec![1, 0, 0, 0, b'x'] },
        ];
        let bytes = rkyv::to_bytes::<rkyv::rancor::Error>(&extras).unwrap();
        let extras = rkyv::access::<rkyv::Archived<Vec<Extra>>, rkyv::rancor::Error>(&bytes).unwrap();
        assert_eq!(attachment_texts(extras).collect::<Vec<_>>(), [(0, "first"), (7, "é")]);
        let read: Vec<Unread<'_>> = attachments_unread(extras).collect();
        assert_eq!(read, [Unread { what: "a.zip/b .pdf", ..unread }]);
    }
}
