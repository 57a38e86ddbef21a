//! Archives that were loaded, what could not be read in them, and how far a load has come.

use crate::id::Id;
use crate::row::{ArchivedExtra, Extra, extra};
use rkyv::{Archive, Deserialize, Serialize};

/// Counts of one load of one archive; `found = stored + duplicate + failed` when it is complete.
#[derive(Archive, Serialize, Deserialize, Debug, Clone, Copy, Default, PartialEq, Eq)]
#[rkyv(derive(Debug))]
pub struct Counts {
    /// Items in folders.
    pub found: u64,
    /// Items stored by this load.
    pub stored: u64,
    /// Items that were there already.
    pub duplicate: u64,
    /// Items that could not be stored.
    pub failed: u64,
    /// Items stored without some part of them.
    pub partial: u64,
    /// Attachments, embedded messages among them.
    pub attachments: u64,
}

impl Counts {
    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            found: self.found.saturating_add(other.found),
            stored: self.stored.saturating_add(other.stored),
            duplicate: self.duplicate.saturating_add(other.duplicate),
            failed: self.failed.saturating_add(other.failed),
            partial: self.partial.saturating_add(other.partial),
            attachments: self.attachments.saturating_add(other.attachments),
        }
    }
}

impl From<&ArchivedCounts> for Counts {
    fn from(kept: &ArchivedCounts) -> Self {
        Self {
            found: kept.found.to_native(),
            stored: kept.stored.to_native(),
            duplicate: kept.duplicate.to_native(),
            failed: kept.failed.to_native(),
            partial: kept.partial.to_native(),
            attachments: kept.attachments.to_native(),
        }
    }
}

/// What a load counts beside items: what they hold, and what could not be read of that.
#[derive(Archive, Serialize, Deserialize, Debug, Clone, Copy, Default, PartialEq, Eq)]
#[rkyv(derive(Debug))]
pub struct Holdings {
    /// Recipients of items, of all kinds.
    pub recipients: u64,
    /// Of the attachments, those whose bytes could not be read.
    pub unreadable: u64,
    /// Attachments, those of embedded messages among them, of whose text something could not be had for search.
    pub unsearched: u64,
}

impl Holdings {
    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            recipients: self.recipients.saturating_add(other.recipients),
            unreadable: self.unreadable.saturating_add(other.unreadable),
            unsearched: self.unsearched.saturating_add(other.unsearched),
        }
    }

    /// As an extra of its archive's version.
    #[must_use]
    pub fn extra(&self) -> Extra {
        let numbers = [self.recipients, self.unreadable, self.unsearched];
        Extra { number: extra::HOLDINGS, bytes: numbers.iter().flat_map(|n| n.to_le_bytes()).collect() }
    }

    /// Those of an archive's version; nothing where none are kept.
    #[must_use]
    pub fn of(extras: &[ArchivedExtra]) -> Self {
        let kept = extras.iter().find(|kept| kept.number == extra::HOLDINGS);
        let numbers = kept.map(|kept| kept.bytes.as_chunks::<8>().0).unwrap_or_default();
        let number = |n: usize| numbers.get(n).map_or(0, |bytes| u64::from_le_bytes(*bytes));
        Self { recipients: number(0), unreadable: number(1), unsearched: number(2) }
    }
}

impl From<&ArchivedHoldings> for Holdings {
    fn from(kept: &ArchivedHoldings) -> Self {
        Self {
            recipients: kept.recipients.to_native(),
            unreadable: kept.unreadable.to_native(),
            unsearched: kept.unsearched.to_native(),
        }
    }
}

/// An archive with the content it had when it was loaded.
#[derive(Archive, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[rkyv(derive(Debug))]
pub struct ArchiveVersion {
    /// Path it was loaded from.
    pub path: String,
    /// `pst-unicode`, `pst-ansi`, `ost-unicode`, `mbox`, `eml` …
    pub kind: String,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
    /// Bytes of the file.
    pub bytes: u64,
    /// Folders in it.
    pub folders: u64,
    /// Whose it is.
    pub custodian: String,
    /// When the load began, microseconds since 1970 UTC.
    pub loaded_at: i64,
    /// The load reached the end.
    pub complete: bool,
    /// What it found; all of `stored` and `duplicate` are in the store.
    pub counts: Counts,
    /// It asks for a password (Outlook's password flag; libpff reads it all the same).
    pub password: bool,
    /// Facts of later versions.
    pub extra: Vec<Extra>,
}

/// Key of an archive's version.
#[must_use]
pub fn archive_key(archive: &Id, version: &Id) -> Vec<u8> {
    [archive.as_slice(), version.as_slice()].concat()
}

/// An item that could not be read at all. Not written any more: see [`Exception`](super::Exception).
#[derive(Archive, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[rkyv(derive(Debug))]
pub struct Failure {
    /// Folder of the item, as far as known.
    pub folder: String,
    /// Node of the item.
    pub node: u64,
    /// `refused corrupt encrypted timeout crashed memory unsupported io`.
    pub code: String,
    /// What was being done.
    pub stage: String,
    /// The reason as the reader gave it.
    pub reason: String,
    /// A later try could read it: it counts no more.
    pub resolved: bool,
}

/// Key of a failure: one an item.
#[must_use]
pub fn failure_key(archive: &Id, version: &Id, node: u64) -> Vec<u8> {
    let mut key = archive_key(archive, version);
    key.extend_from_slice(&node.to_be_bytes());
    key
}

/// How far one range of an archive's items has come. Not written any more: see [`Watermark2`].
#[derive(Archive, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[rkyv(derive(Debug))]
pub struct Watermark {
    /// Last hash of the part, included; the first is in the key.
    pub high: u64,
    /// Batches of the range that are durable here.
    pub batches: u32,
    /// What those batches counted in all parts together: only right in the watermark of the part that begins
    /// at hash 0.
    pub counts: Counts,
}

/// How far one range of an archive's items has come in one part of the hash space. It is committed together
/// with that part's rows, so a range has come as far as the lowest of the watermarks that cover the space.
#[derive(Archive, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[rkyv(derive(Debug))]
pub struct Watermark2 {
    /// Last hash of the part, included; the first is in the key.
    pub high: u64,
    /// Batches of the range that are durable here.
    pub batches: u32,
    /// What those batches counted in all parts together.
    pub counts: Counts,
    /// And what their items hold.
    pub holdings: Holdings,
}

/// Key of a watermark of either layout. It begins with the first hash of its part, so that it lives in the shard it speaks of.
#[must_use]
pub fn watermark_key(low: u64, load: &Id, range: u32) -> Vec<u8> {
    let mut key = Vec::with_capacity(28);
    key.extend_from_slice(&low.to_be_bytes());
    key.extend_from_slice(load);
    key.extend_from_slice(&range.to_be_bytes());
    key
}

/// Key of one chunk of an attachment.
#[must_use]
pub fn blob_key(sha256: &[u8; 32], chunk: u32) -> Vec<u8> {
    let mut key = Vec::with_capacity(36);
    key.extend_from_slice(sha256);
    key.extend_from_slice(&chunk.to_be_bytes());
    key
}
