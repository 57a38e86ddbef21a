//! Metadata of one item: what lists, filters and facets need, without bodies.

use rkyv::{Archive, Deserialize, Serialize};

/// A name and an address, either of which may be empty.
#[derive(Archive, Serialize, Deserialize, Debug, Clone, Default, PartialEq, Eq)]
#[rkyv(derive(Debug))]
pub struct Address {
    /// Display name as the source has it, decoded.
    pub name: String,
    /// Address: SMTP where known, else as the source has it (an Exchange distinguished name, say).
    pub address: String,
}

/// A fact that this version of the layout has no field for. Its number says what it is (SPEC.md, "Extras"); a
/// reader passes over numbers that it does not know.
#[derive(Archive, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[rkyv(derive(Debug))]
pub struct Extra {
    /// What it is.
    pub number: u16,
    /// Its value.
    pub bytes: Vec<u8>,
}

/// A moment with the offset it was written with.
#[derive(Archive, Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[rkyv(derive(Debug))]
pub struct Stamp {
    /// Microseconds since 1970-01-01T00:00:00Z.
    pub unix_micros: i64,
    /// Original offset from UTC in minutes, where the source tells one.
    pub offset_minutes: Option<i16>,
}

/// What an item is, from its message class.
#[derive(Archive, Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[rkyv(derive(Debug))]
#[repr(u8)]
pub enum ItemKind {
    /// `IPM.Note` and what derives from it.
    Mail,
    /// `IPM.Appointment`, `IPM.Schedule.*`.
    Appointment,
    /// `IPM.Contact`, `IPM.DistList`.
    Contact,
    /// `IPM.Task*`.
    Task,
    /// `IPM.StickyNote`.
    Note,
    /// `IPM.Activity`.
    Journal,
    /// `REPORT.*`: delivery reports, read receipts.
    Report,
    /// Any other class.
    Other,
}

/// How an attachment is kept in its message.
#[derive(Archive, Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[rkyv(derive(Debug))]
#[repr(u8)]
pub enum AttachmentKind {
    /// Its bytes are in the store, as blob chunks under `sha256`.
    Data,
    /// It is a message; see `child`.
    Message,
    /// The source holds only a reference (a path or link); there are no bytes.
    Reference,
    /// An OLE object; its bytes are kept like data.
    Ole,
    /// The source names it, but its bytes could not be read; the reason is among the email's `partial` notes.
    Unreadable,
}

/// One attachment of an email.
#[derive(Archive, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[rkyv(derive(Debug))]
pub struct Attachment {
    /// Position in the message, from 0, as the source numbers it.
    pub n: u32,
    /// File name as the source has it, decoded; not safe to use as a path.
    pub name: String,
    /// Declared or guessed MIME type.
    pub mime: String,
    /// Content-ID, without angle brackets, or empty.
    pub content_id: String,
    /// Shown inside the body rather than as an attachment.
    pub inline: bool,
    /// How it is kept.
    pub kind: AttachmentKind,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of its bytes; zero where there are none.
    pub sha256: [u8; 32],
    /// Id of the embedded message.
    pub child: Option<[u8; 16]>,
}

/// Something about an item that could not be read, while the rest could.
#[derive(Archive, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[rkyv(derive(Debug))]
pub struct PartialNote {
    /// Failure code, as in INTERFACE.md: `corrupt`, `encrypted`, `unsupported` …
    pub code: String,
    /// What was being read: `body`, `rtf`, `attachment 3`, `recipients` …
    pub stage: String,
    /// The reason as the reader gave it.
    pub reason: String,
}

/// Bits of [`Email::flags`].
pub mod flag {
    /// The source marks it read.
    pub const READ: u32 = 1;
    /// Never sent (a draft).
    pub const UNSENT: u32 = 1 << 1;
    /// Flagged for follow-up.
    pub const FLAGGED: u32 = 1 << 2;
    /// Has at least one attachment that is not inline.
    pub const HAS_ATTACHMENT: u32 = 1 << 3;
    /// Sent by the owner of the archive.
    pub const FROM_ME: u32 = 1 << 4;
    /// Came as an RFC 5322 message, whose original bytes are kept.
    pub const ORIGINAL_EML: u32 = 1 << 5;
}

/// Metadata of one item. Immutable: marks and places are rows of their own.
#[derive(Archive, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[rkyv(derive(Debug))]
pub struct Email {
    /// Its id (see [`crate::id`]).
    pub id: [u8; 16],
    /// The rule that made the id.
    pub id_scheme: u8,
    /// The message it is embedded in.
    pub parent: Option<[u8; 16]>,
    /// Thread key; thread edges ([`crate::row::RowKind::ThreadEdge`]) may lead on from it.
    pub thread: [u8; 16],
    /// What it is.
    pub kind: ItemKind,
    /// Message class, as `IPM.Note`.
    pub class: String,
    /// Internet Message-ID as the source has it, or empty.
    pub message_id: String,
    /// Message-IDs it answers.
    pub in_reply_to: Vec<String>,
    /// Message-IDs of its thread, oldest first.
    pub references: Vec<String>,
    /// Subject without the source's prefix marks, otherwise whole.
    pub subject: String,
    /// Subject without reply and forward marks.
    pub topic: String,
    /// Who it is from.
    pub from: Option<Address>,
    /// Who sent it, where that is somebody else.
    pub sender: Option<Address>,
    /// Primary recipients.
    pub to: Vec<Address>,
    /// Carbon copies.
    pub cc: Vec<Address>,
    /// Blind copies.
    pub bcc: Vec<Address>,
    /// When it was sent.
    pub sent: Option<Stamp>,
    /// When it was delivered.
    pub received: Option<Stamp>,
    /// `sent`, else `received`, else `i64::MIN`: microseconds since 1970 UTC. The order of every index.
    pub date: i64,
    /// Size in bytes as the source tells it, else the size of what was read.
    pub size: u64,
    /// 0 low, 1 normal, 2 high.
    pub importance: u8,
    /// 0 none, 1 personal, 2 private, 3 confidential.
    pub sensitivity: u8,
    /// Bits of [`flag`].
    pub flags: u32,
    /// Code page of its 8-bit strings, 0 where unknown.
    pub codepage: u32,
    /// Language of the new text as ISO 639-3, or empty.
    pub language: String,
    /// Attachments in the source's order.
    pub attachments: Vec<Attachment>,
    /// What could not be read. Empty: all of it was.
    pub partial: Vec<PartialNote>,
    /// Facts of later versions.
    pub extra: Vec<Extra>,
}
