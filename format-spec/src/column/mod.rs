//! Columns: one value, or a few, of each email of a segment, for counting and sorting without reading records.
//!
//! A column has *rows*. Those of emails are numbered as the emails are, by their ordinals; behind them come rows of the
//! emails of which the segment has places alone ([`STRANGERS`]), in (date, id) order. What always holds: a row's values
//! are made of that email's rows in this segment, each value once, in the order in which its record has them, places in the
//! order of their keys; values of texts are folded and cut as those of the keys of indexes ([`part_bytes`]).

mod numbers;
mod text;

pub use numbers::NumberColumn;
pub use text::{TextColumn, TextColumnBuilder, Values};

use crate::error::FormatError;
use crate::index::{domain_of, fold, part_bytes};
use crate::row::{ArchivedAttachment, ArchivedAttachmentKind, ArchivedEmail, ArchivedPlace, access};

/// The number of the section that has the positions of rows behind those of emails, 24 bytes each.
pub const STRANGERS: u16 = 0;

/// A column. The numbers are part of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum ColumnId {
    /// Addresses of From and Sender, that of From first.
    Sender = 1,
    /// The domains of these.
    Domain = 2,
    /// Addresses of To, Cc and Bcc.
    Recipient = 3,
    /// The message class.
    Class = 4,
    /// What its attachments are, see [`attachment_type`].
    AttachmentType = 5,
    /// The language of the new text.
    Language = 6,
    /// Folder paths, of places.
    Folder = 7,
    /// Whose mail it is, of places.
    Custodian = 8,
    /// Ids of archives, of places.
    Archive = 9,
    /// Its size in bytes, a [`NumberColumn`].
    Size = 10,
}

impl ColumnId {
    /// All of them, in the order of their numbers.
    pub const ALL: [ColumnId; 10] = [
        Self::Sender,
        Self::Domain,
        Self::Recipient,
        Self::Class,
        Self::AttachmentType,
        Self::Language,
        Self::Folder,
        Self::Custodian,
        Self::Archive,
        Self::Size,
    ];

    /// Its name, for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sender => "sender",
            Self::Domain => "domain",
            Self::Recipient => "recipient",
            Self::Class => "class",
            Self::AttachmentType => "type",
            Self::Language => "language",
            Self::Folder => "folder",
            Self::Custodian => "custodian",
            Self::Archive => "archive",
            Self::Size => "size",
        }
    }

    /// The column of a number, if it is known here.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|column| *column as u16 == number)
    }

    /// Is it made of places? The places of one email may lie in several segments.
    #[must_use]
    pub fn is_of_places(self) -> bool {
        matches!(self, Self::Folder | Self::Custodian | Self::Archive)
    }
}

/// Values of columns, each with the column it belongs to.
pub type ColumnValues = Vec<(ColumnId, Vec<u8>)>;

/// The values that an email's record brings, without its size.
///
/// # Errors
/// Where the bytes are not such a record.
pub fn of_email(record: &[u8]) -> Result<ColumnValues, FormatError> {
    let email = access::<ArchivedEmail>(record)?;
    let mut out = Vec::new();
    let mut add = |column, value: Vec<u8>| {
        if !value.is_empty() {
            out.push((column, value));
        }
    };
    for address in email.from.as_ref().into_iter().chain(email.sender.as_ref()) {
        add(ColumnId::Sender, part_bytes(&address.address));
        add(ColumnId::Domain, domain_of(&address.address).map(|d| part_bytes(&d)).unwrap_or_default());
    }
    for address in email.to.iter().chain(email.cc.iter()).chain(email.bcc.iter()) {
        add(ColumnId::Recipient, part_bytes(&address.address));
    }
    add(ColumnId::Class, part_bytes(&email.class));
    for attachment in email.attachments.iter().filter(|a| !a.inline) {
        add(ColumnId::AttachmentType, part_bytes(&type_of(attachment)));
    }
    add(ColumnId::Language, part_bytes(&email.language));
    Ok(out)
}

/// The size of an email.
///
/// # Errors
/// As [`of_email`].
pub fn size_of_email(record: &[u8]) -> Result<u64, FormatError> {
    Ok(access::<ArchivedEmail>(record)?.size.to_native())
}

/// The values that a place's record brings.
///
/// # Errors
/// Where the bytes are not such a record.
pub fn of_place(record: &[u8]) -> Result<ColumnValues, FormatError> {
    let place = access::<ArchivedPlace>(record)?;
    let mut out = vec![
        (ColumnId::Folder, part_bytes(&place.folder)),
        (ColumnId::Custodian, part_bytes(&place.custodian)),
        (ColumnId::Archive, place.archive.to_vec()),
    ];
    // A folder may be the root, which has no name; somebody without a name is nobody.
    out.retain(|(column, value)| *column != ColumnId::Custodian || !value.is_empty());
    Ok(out)
}

/// Most bytes of the type of an attachment.
const MAX_TYPE: usize = 16;

/// What an attachment is, in one word: what its name ends with, folded, where that is of at most 16 letters and digits;
/// else what follows the slash of its MIME type, likewise; nothing where neither tells. What is embedded is a `message`.
#[must_use]
pub fn attachment_type(name: &str, mime: &str, embedded: bool) -> String {
    if embedded {
        return "message".to_owned();
    }
    let word = |text: &str| {
        let fits = (1..=MAX_TYPE).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric());
        fits.then(|| fold(text))
    };
    let extension = name.trim().rsplit_once('.').and_then(|(_, end)| word(end));
    let subtype = mime.rsplit_once('/').and_then(|(_, end)| word(end.split(';').next().unwrap_or("").trim()));
    extension.or(subtype).unwrap_or_default()
}

/// The same of a row's.
#[must_use]
pub fn type_of(attachment: &ArchivedAttachment) -> String {
    let embedded = matches!(attachment.kind, ArchivedAttachmentKind::Message);
    attachment_type(&attachment.name, &attachment.mime, embedded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_one_word() {
        let of = |name, mime| attachment_type(name, mime, false);
        assert_eq!(of("Plan.final.DOCX ", "application/octet-stream"), "docx");
        assert_eq!(of("no ending", "application/PDF; name=x"), "pdf");
        assert_eq!(of("a.b c", "text/x-vcard"), "", "an ending with a blank, a subtype with a sign");
        assert_eq!((of("a.", "image/png"), of("", "")), ("png".into(), String::new()));
        assert_eq!(of("a.zip", "application/x-zip"), "zip");
        assert_eq!(attachment_type("a.pdf", "", true), "message");
    }
}
