//! Metadata indexes: which there are, and how their keys are made from rows.
//!
//! ```text
//! key = part, 0x00, date, id        (date and attachment have no part; ids, size classes and bands no 0x00)
//! ```
//!
//! `part` is folded text without zero bytes, `date` is eight big-endian bytes with the sign bit flipped, `id` the
//! email's. So every index, inside one part, is in (date, id) order: streams from different indexes, segments and
//! shards merge and intersect without sorting, and a [`Position`] is a cursor for all of them. What always holds:
//! each key is made from one row alone.

use crate::error::FormatError;
use crate::id::{Id, bare_message_id, to_hex};
use crate::limits::MAX_KEY_PART;
use crate::near::{Kept, Signature, UNSIGNED};
use crate::row::{
    ArchivedAddress, ArchivedEmail, ArchivedMark, ArchivedPlace, RowKind, access, flag, key_id,
};
use std::collections::BTreeSet;

/// A metadata index. The numbers are part of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum IndexId {
    /// All emails by date.
    Date = 1,
    /// By sender's address.
    Sender = 2,
    /// By folder path.
    Folder = 3,
    /// By Message-ID.
    MessageId = 4,
    /// By any recipient's address (to, cc, bcc).
    Recipient = 5,
    /// By thread key.
    Thread = 6,
    /// Embedded messages by the message that holds them.
    Parent = 7,
    /// By custodian.
    Custodian = 8,
    /// By tag.
    Tag = 9,
    /// By the domain of the sender's address.
    Domain = 10,
    /// Those with an attachment that is not shown inside the body, by date.
    Attachment = 11,
    /// By the order of magnitude of their size, see [`size_class`].
    Size = 12,
    /// By archive and folder path.
    ArchiveFolder = 13,
    /// By each band of its text's [`Signature`].
    Near = 14,
}

impl IndexId {
    /// All of them, in the order of their numbers.
    pub const ALL: [IndexId; 14] = [
        IndexId::Date,
        IndexId::Sender,
        IndexId::Folder,
        IndexId::MessageId,
        IndexId::Recipient,
        IndexId::Thread,
        IndexId::Parent,
        IndexId::Custodian,
        IndexId::Tag,
        IndexId::Domain,
        IndexId::Attachment,
        IndexId::Size,
        IndexId::ArchiveFolder,
        IndexId::Near,
    ];

    /// The index of a number, if it is known here.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|i| *i as u16 == number)
    }

    /// Its name, for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Date => "date",
            Self::Sender => "sender",
            Self::Folder => "folder",
            Self::MessageId => "message-id",
            Self::Recipient => "recipient",
            Self::Thread => "thread",
            Self::Parent => "parent",
            Self::Custodian => "custodian",
            Self::Tag => "tag",
            Self::Domain => "domain",
            Self::Attachment => "attachment",
            Self::Size => "size",
            Self::ArchiveFolder => "archive-folder",
            Self::Near => "near",
        }
    }

    /// The version of segments that has it first.
    #[must_use]
    pub fn since(self) -> u32 {
        match self {
            Self::Domain | Self::Attachment | Self::Size | Self::ArchiveFolder => 3,
            Self::Near => 6,
            _ => 1,
        }
    }
}

/// A place in (date, id) order: what a keyset cursor holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Microseconds since 1970 UTC.
    pub date: i64,
    /// The email.
    pub id: Id,
}

/// Bytes of a position at the end of every index key.
pub const POSITION: usize = 24;

impl Position {
    /// Before all others.
    pub const MIN: Position = Position { date: i64::MIN, id: [0; 16] };
    /// After all others.
    pub const MAX: Position = Position { date: i64::MAX, id: [0xff; 16] };

    /// Its 24 bytes, whose order is its order.
    #[must_use]
    pub fn to_bytes(self) -> [u8; POSITION] {
        let mut out = [0u8; POSITION];
        let date = (self.date.cast_unsigned() ^ (1 << 63)).to_be_bytes();
        for (to, from) in out.iter_mut().zip(date.iter().chain(&self.id)) {
            *to = *from;
        }
        out
    }

    /// Reads 24 bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (date, id) = bytes.split_first_chunk::<8>()?;
        let id: Id = id.try_into().ok()?;
        Some(Self { date: (u64::from_be_bytes(*date) ^ (1 << 63)).cast_signed(), id })
    }

    /// The position at the end of an index key.
    #[must_use]
    pub fn of_key(key: &[u8]) -> Option<Self> {
        Self::from_bytes(key.get(key.len().checked_sub(POSITION)?..)?)
    }
}

/// The first bytes of all keys of one part: folded, cut to size, ended by a zero.
#[must_use]
pub fn part_prefix(part: &str) -> Vec<u8> {
    let mut out = part_bytes(part);
    out.push(0);
    out
}

/// The bytes of a part without the zero that ends it: what begins the keys of all parts that begin so.
#[must_use]
pub fn part_bytes(part: &str) -> Vec<u8> {
    let folded = fold(part);
    let mut out: Vec<u8> = folded.bytes().filter(|b| *b != 0).collect();
    if out.len() > MAX_KEY_PART {
        let rest = to_hex(blake3::hash(&out).as_bytes());
        out.truncate(MAX_KEY_PART);
        out.push(1);
        out.extend_from_slice(rest.as_bytes());
    }
    out
}

/// How parts are compared: without case and surrounding blanks.
#[must_use]
pub fn fold(text: &str) -> String {
    text.trim().to_lowercase()
}

/// The part inside a key of a text index.
#[must_use]
pub fn part_of_key(key: &[u8]) -> Option<&[u8]> {
    key.get(..key.len().checked_sub(POSITION)?)?.split_last().map(|(_, part)| part)
}

/// The order of magnitude of a size: the number of its binary digits. All sizes of a class are larger than all of the
/// classes below.
#[must_use]
pub fn size_class(size: u64) -> u8 {
    u8::try_from(u64::BITS.saturating_sub(size.leading_zeros())).unwrap_or(u8::MAX)
}

/// The domain of an address, folded: what follows the last at sign. `None` where nothing does.
#[must_use]
pub fn domain_of(address: &str) -> Option<String> {
    let folded = fold(address);
    let (_, domain) = folded.rsplit_once('@')?;
    // As a part of a key has it.
    let domain = domain.replace('\0', "");
    let domain = domain.trim();
    (!domain.is_empty()).then(|| domain.to_owned())
}

/// The first bytes of all keys of one archive in [`IndexId::ArchiveFolder`], and of one folder of it.
#[must_use]
pub fn archive_prefix(archive: &Id, folder: Option<&str>) -> Vec<u8> {
    let mut out = archive.to_vec();
    out.extend(folder.map(part_prefix).unwrap_or_default());
    out
}

/// The first bytes of all keys of one id in [`IndexId::Thread`] and [`IndexId::Parent`].
#[must_use]
pub fn id_prefix(id: &Id) -> Vec<u8> {
    id.to_vec()
}

fn with_position(mut prefix: Vec<u8>, at: Position) -> Vec<u8> {
    prefix.extend_from_slice(&at.to_bytes());
    prefix
}

/// The index entries that a row brings.
///
/// # Errors
/// Where the row's value is not a record of its kind.
pub fn entries(kind: RowKind, key: &[u8], value: &[u8]) -> Result<Vec<(IndexId, Vec<u8>)>, FormatError> {
    let mut out = Vec::new();
    match kind {
        RowKind::Email => email_entries(access::<ArchivedEmail>(value)?, &mut out),
        RowKind::Place => {
            let place = access::<ArchivedPlace>(value)?;
            let id =
                key_id(key).ok_or(FormatError::Malformed { what: "place key", why: "it is too short" })?;
            let at = Position { date: place.date.to_native(), id };
            out.push((IndexId::Folder, with_position(part_prefix(&place.folder), at)));
            let archive = archive_prefix(&place.archive, Some(&place.folder));
            out.push((IndexId::ArchiveFolder, with_position(archive, at)));
            if !place.custodian.is_empty() {
                out.push((IndexId::Custodian, with_position(part_prefix(&place.custodian), at)));
            }
        }
        RowKind::Mark => {
            let mark = access::<ArchivedMark>(value)?;
            let id =
                key_id(key).ok_or(FormatError::Malformed { what: "mark key", why: "it is too short" })?;
            let at = Position { date: mark.date.to_native(), id };
            for tag in mark.tags.iter() {
                out.push((IndexId::Tag, with_position(part_prefix(tag), at)));
            }
        }
        _ => {}
    }
    Ok(out)
}

fn email_entries(email: &ArchivedEmail, out: &mut Vec<(IndexId, Vec<u8>)>) {
    let at = Position { date: email.date.to_native(), id: email.id };
    out.push((IndexId::Date, at.to_bytes().to_vec()));
    out.push((IndexId::Thread, with_position(id_prefix(&email.thread), at)));
    if let Some(parent) = email.parent.as_ref() {
        out.push((IndexId::Parent, with_position(id_prefix(parent), at)));
    }
    if !email.message_id.is_empty() {
        out.push((IndexId::MessageId, with_position(part_prefix(bare_message_id(&email.message_id)), at)));
    }
    let senders: BTreeSet<Vec<u8>> =
        address_parts(email.from.as_ref().into_iter().chain(email.sender.as_ref()));
    out.extend(senders.into_iter().map(|part| (IndexId::Sender, with_position(part, at))));
    let from = email.from.as_ref().into_iter().chain(email.sender.as_ref());
    let domains: BTreeSet<String> = from.filter_map(|a| domain_of(&a.address)).collect();
    let domains = domains.into_iter().map(|domain| with_position(part_prefix(&domain), at));
    out.extend(domains.map(|key| (IndexId::Domain, key)));
    if email.flags.to_native() & flag::HAS_ATTACHMENT != 0 {
        out.push((IndexId::Attachment, at.to_bytes().to_vec()));
    }
    out.push((IndexId::Size, with_position(vec![size_class(email.size.to_native())], at)));
    let recipients = address_parts(email.to.iter().chain(email.cc.iter()).chain(email.bcc.iter()));
    out.extend(recipients.into_iter().map(|part| (IndexId::Recipient, with_position(part, at))));
    let bands: BTreeSet<[u8; 4]> = match Signature::kept(&email.extra) {
        Kept::Signed(signature) => signature.bands().collect(),
        Kept::Short => BTreeSet::new(),
        Kept::Unknown => BTreeSet::from([UNSIGNED]),
    };
    out.extend(bands.into_iter().map(|band| (IndexId::Near, with_position(band.to_vec(), at))));
}

fn address_parts<'a>(addresses: impl Iterator<Item = &'a ArchivedAddress>) -> BTreeSet<Vec<u8>> {
    addresses.filter(|a| !a.address.is_empty()).map(|a| part_prefix(&a.address)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn byte_order_is_position_order(a: (i64, [u8; 16]), b: (i64, [u8; 16])) {
            let (a, b) = (Position { date: a.0, id: a.1 }, Position { date: b.0, id: b.1 });
            prop_assert_eq!(a.cmp(&b), a.to_bytes().cmp(&b.to_bytes()));
            prop_assert_eq!(Position::from_bytes(&a.to_bytes()), Some(a));
        }

        #[test]
        fn parts_are_bounded_and_come_back(part in ".{0,400}", date: i64, id: [u8; 16]) {
            let prefix = part_prefix(&part);
            prop_assert!(prefix.len() <= MAX_KEY_PART + 70);
            let key = with_position(prefix.clone(), Position { date, id });
            prop_assert_eq!(part_of_key(&key).unwrap(), &prefix[..prefix.len() - 1]);
            prop_assert_eq!(Position::of_key(&key), Some(Position { date, id }));
        }
    }

    #[test]
    fn classes_of_size_are_in_the_order_of_sizes() {
        assert_eq!([0, 1, 2, 3, 4, 1023, 1024, u64::MAX].map(size_class), [0, 1, 2, 2, 3, 10, 11, 64]);
    }

    #[test]
    fn a_domain_is_what_follows_the_last_at_sign() {
        let domains = ["Ann@Example.org ", "\"a@b\"@c.d", "ann", "ann@", "/o=X/cn=Ann"].map(domain_of);
        let none = || None::<String>;
        assert_eq!(domains, [Some("example.org".into()), Some("c.d".into()), none(), none(), none()]);
        assert_eq!(domain_of("ann@ example.org\0"), Some("example.org".into()), "the same as its key");
    }

    #[test]
    fn long_parts_that_differ_at_the_end_stay_apart() {
        let long = "x".repeat(500);
        assert_ne!(part_prefix(&format!("{long}a")), part_prefix(&format!("{long}b")));
    }
}
