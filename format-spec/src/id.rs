//! Identities: emails, threads, archives, and where in the hash space they fall.
//!
//! An email's id is the first 128 bits of BLAKE3 over a canonical, length-prefixed list of *raw* source
//! properties (SPEC.md, "Identity"). What always holds: an id depends on nothing that Postlode itself computes
//! (no converted text, no folder, no time of loading), so that better normalising never changes an id.

use crate::custody::{Custody, Digests};

/// 128 bits of identity: an email, an archive, an archive's version or a thread.
pub type Id = [u8; 16];

/// The number of the rule by which [`IdBuilder`] makes ids. Stored with each email.
pub const ID_SCHEME: u8 = 1;

const MAIL_CONTEXT: &[u8] = b"postlode id 1 mail\0";
const ITEM_CONTEXT: &[u8] = b"postlode id 1 item\0";
const CHILD_CONTEXT: &[u8] = b"postlode id 1 child\0";
const PARTIAL_CONTEXT: &[u8] = b"postlode id 1 partial\0";
const THREAD_CONTEXT: &[u8] = b"postlode thread 1\0";
const ARCHIVE_CONTEXT: &[u8] = b"postlode archive 1\0";

/// Which property of the source a field of the canonical list is. The numbers are part of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u16)]
pub enum Field {
    /// Message class, as `IPM.Note`.
    Class = 1,
    /// Internet Message-ID.
    MessageId = 2,
    /// Sender's address type, as `SMTP`.
    SenderType = 3,
    /// Sender's address.
    SenderAddress = 4,
    /// Sender's display name.
    SenderName = 5,
    /// The time the client submitted it, raw (8 bytes of FILETIME, or the text of the Date header).
    SentTime = 6,
    /// Subject, raw.
    Subject = 7,
    /// A primary recipient: type, address and name, each length-prefixed, in the source's order.
    To = 8,
    /// A carbon copy recipient.
    Cc = 9,
    /// A blind copy recipient.
    Bcc = 10,
    /// A recipient of any other kind.
    OtherRecipient = 11,
    /// Bytes of the plain body.
    PlainBody = 12,
    /// Bytes of the HTML body.
    HtmlBody = 13,
    /// Bytes of the RTF body.
    RtfBody = 14,
    /// An attachment: name length-prefixed, then the SHA-256 of its bytes (an embedded message: its content id).
    Attachment = 15,
    /// Any property of an item that is not mail: tag and name, then the raw value.
    Property = 16,
}

/// Collects the canonical list of an item and hashes it.
///
/// Fields are hashed in the order given; callers give them in ascending [`Field`] order and, inside one field,
/// in the order of the source. Each is written as field (u16), source value type (u16), length (u64), bytes.
#[derive(Clone)]
pub struct IdBuilder {
    hasher: blake3::Hasher,
    /// Where the list is hashed for others too.
    digests: Option<Digests>,
}

impl IdBuilder {
    /// A list for mail: the fields 1 to 15.
    #[must_use]
    pub fn mail() -> Self {
        Self::with(MAIL_CONTEXT)
    }

    /// A list for any other item: class, attachments, and each property that the store did not make up.
    #[must_use]
    pub fn item() -> Self {
        Self::with(ITEM_CONTEXT)
    }

    fn with(context: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(context);
        Self { hasher, digests: None }
    }

    /// Also hashes the list, with its context, in the ways that others know. Must come before the first field.
    #[must_use]
    pub fn for_custody(mut self, mail: bool) -> Self {
        let mut digests = Digests::default();
        digests.update(if mail { MAIL_CONTEXT } else { ITEM_CONTEXT });
        self.digests = Some(digests);
        self
    }

    /// Adds one field. `value_type` is the source's type of it (MAPI property type; 0 where there is none), so
    /// that the same bytes with another meaning are another field.
    pub fn field(&mut self, field: Field, value_type: u16, bytes: &[u8]) -> &mut Self {
        self.parts(field, value_type, &[bytes])
    }

    /// Adds one field made of several parts, each length-prefixed inside it.
    pub fn parts(&mut self, field: Field, value_type: u16, parts: &[&[u8]]) -> &mut Self {
        let total: u64 =
            parts.iter().map(|p| (p.len() as u64).saturating_add(8)).fold(0, u64::saturating_add);
        self.update(&(field as u16).to_le_bytes());
        self.update(&value_type.to_le_bytes());
        self.update(&total.to_le_bytes());
        for part in parts {
            self.update(&(part.len() as u64).to_le_bytes());
            self.update(part);
        }
        self
    }

    fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        if let Some(digests) = &mut self.digests {
            digests.update(bytes);
        }
    }

    /// The hashes of the list for others; `None` without [`IdBuilder::for_custody`].
    #[must_use]
    pub fn custody(&self) -> Option<Custody> {
        self.digests.as_ref().map(Digests::finish)
    }

    /// The id of a whole item.
    #[must_use]
    pub fn finish(&self) -> Id {
        first_16(&self.hasher.finalize())
    }

    /// The id of an item that was read only in part: bound to the place it was read at, so that it is never
    /// taken for another, better read copy.
    #[must_use]
    pub fn finish_partial(&self, archive: &Id, node: u64) -> Id {
        let mut hasher = blake3::Hasher::new();
        hasher.update(PARTIAL_CONTEXT);
        hasher.update(&self.finish());
        hasher.update(archive);
        hasher.update(&node.to_le_bytes());
        first_16(&hasher.finalize())
    }
}

/// The id of an embedded message: its own content bound to its family, because duplicates are judged by whole
/// families. `parent` is the id of the message that holds it, `ordinal` the number of the attachment.
#[must_use]
pub fn child_id(parent: &Id, ordinal: u32, content: &Id) -> Id {
    let mut hasher = blake3::Hasher::new();
    hasher.update(CHILD_CONTEXT);
    hasher.update(parent);
    hasher.update(&ordinal.to_le_bytes());
    hasher.update(content);
    first_16(&hasher.finalize())
}

/// What a message's thread key is made from, best evidence first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThreadRoot<'a> {
    /// Message-ID of the first message: the first of References, else In-Reply-To, else its own.
    MessageId(&'a str),
    /// The 22 bytes that begin every conversation index of a thread.
    ConversationIndex(&'a [u8]),
    /// Class and subject without reply marks: the last resort.
    Topic(&'a str, &'a str),
}

/// The key shared by the messages of a thread. Message-IDs are compared without angle brackets and blanks.
#[must_use]
pub fn thread_key(root: ThreadRoot<'_>) -> Id {
    let mut hasher = blake3::Hasher::new();
    hasher.update(THREAD_CONTEXT);
    match root {
        ThreadRoot::MessageId(id) => {
            hasher.update(b"m");
            hasher.update(bare_message_id(id).as_bytes());
        }
        ThreadRoot::ConversationIndex(index) => {
            hasher.update(b"c");
            hasher.update(index.get(..22).unwrap_or(index));
        }
        ThreadRoot::Topic(class, topic) => {
            hasher.update(b"t");
            hasher.update(&(class.len() as u64).to_le_bytes());
            hasher.update(class.as_bytes());
            hasher.update(topic.as_bytes());
        }
    }
    first_16(&hasher.finalize())
}

/// A Message-ID without surrounding blanks and angle brackets: the form used in keys.
#[must_use]
pub fn bare_message_id(id: &str) -> &str {
    let id = id.trim();
    let id = id.strip_prefix('<').unwrap_or(id);
    id.strip_suffix('>').unwrap_or(id)
}

/// The id of an archive, from the record key inside it (kind distinguishes `pst`, `mbox`, …).
#[must_use]
pub fn archive_id(kind: &str, record_key: &[u8]) -> Id {
    let mut hasher = blake3::Hasher::new();
    hasher.update(ARCHIVE_CONTEXT);
    hasher.update(&(kind.len() as u64).to_le_bytes());
    hasher.update(kind.as_bytes());
    hasher.update(record_key);
    first_16(&hasher.finalize())
}

/// Where an id falls in the 64-bit hash space that shards divide among themselves.
#[must_use]
pub fn hash_of(id: &Id) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *id;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// 32 lower-case hex digits.
#[must_use]
pub fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |n: u8| char::from(DIGITS.get(usize::from(n & 15)).copied().unwrap_or(b'0'));
    bytes.iter().flat_map(|&b| [digit(b >> 4), digit(b)]).collect()
}

/// Reads an id from 32 hex digits of either case; anything else is `None`.
#[must_use]
pub fn from_hex(text: &str) -> Option<Id> {
    let digits = text.as_bytes();
    if digits.len() != 32 {
        return None;
    }
    let mut id = [0u8; 16];
    for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        let high = char::from(*high).to_digit(16)?;
        let low = char::from(*low).to_digit(16)?;
        *byte = u8::try_from((high << 4) | low).ok()?;
    }
    Some(id)
}

fn first_16(hash: &blake3::Hash) -> Id {
    let mut id = [0u8; 16];
    for (to, from) in id.iter_mut().zip(hash.as_bytes()) {
        *to = *from;
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_round_trips_and_refuses_the_rest() {
        let id: Id = core::array::from_fn(|i| i as u8 * 17);
        assert_eq!(from_hex(&to_hex(&id)), Some(id));
        assert_eq!(from_hex(&to_hex(&id).to_uppercase()), Some(id));
        assert_eq!(from_hex("12"), None);
        assert_eq!(from_hex(&"g".repeat(32)), None);
        assert_eq!(from_hex(&"é".repeat(16)), None);
    }

    #[test]
    fn a_field_boundary_is_part_of_the_id() {
        let mut a = IdBuilder::mail();
        a.field(Field::Subject, 0x1f, b"ab").field(Field::To, 0, b"c");
        let mut b = IdBuilder::mail();
        b.field(Field::Subject, 0x1f, b"a").field(Field::To, 0, b"bc");
        assert_ne!(a.finish(), b.finish());
        let mut c = IdBuilder::mail();
        c.parts(Field::To, 0, &[b"a", b"bc"]);
        let mut d = IdBuilder::mail();
        d.parts(Field::To, 0, &[b"ab", b"c"]);
        assert_ne!(c.finish(), d.finish());
    }

    #[test]
    fn a_partial_item_is_bound_to_its_place() {
        let mut a = IdBuilder::item();
        a.field(Field::Class, 0x1f, b"IPM.Contact");
        assert_ne!(a.finish(), a.finish_partial(&[1; 16], 4));
        assert_ne!(a.finish_partial(&[1; 16], 5), a.finish_partial(&[1; 16], 4));
    }

    #[test]
    fn message_ids_are_compared_bare() {
        assert_eq!(thread_key(ThreadRoot::MessageId(" <a@b> ")), thread_key(ThreadRoot::MessageId("a@b")));
        assert_ne!(thread_key(ThreadRoot::MessageId("a@b")), thread_key(ThreadRoot::Topic("a@b", "")));
    }
}
