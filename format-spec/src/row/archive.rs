//! Archives that were loaded, what could not be read in them, and how far a load has come.

use crate::id::Id;
use crate::row::Extra;
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

/// An item that could not be read at all.
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

/// How far one range of an archive's items has come in one part of the hash space. It is committed together
/// with that part's rows, so a range has come as far as the lowest of the watermarks that cover the space.
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

/// Key of a watermark. It begins with the first hash of its part, so that it lives in the shard it speaks of.
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
