//! Where an email was found. The same email may have many places.

use crate::id::Id;
use crate::row::Extra;
use rkyv::{Archive, Deserialize, Serialize};

/// One place of one email.
#[derive(Archive, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[rkyv(derive(Debug))]
pub struct Place {
    /// The archive, by the record key inside it.
    pub archive: [u8; 16],
    /// The version of the archive it was first seen in.
    pub version: [u8; 16],
    /// Whose mail it is; empty where nobody said.
    pub custodian: String,
    /// Path of the folder below the archive's root, as `/Top of Outlook data file/Inbox`.
    pub folder: String,
    /// Node in the archive. Of a PST: the item's node id in the low 32 bits, above it 0, or for an embedded message
    /// its number (from 1, depth first) inside that item. Of mail in a file: the item's offset in the low 48 bits,
    /// above it the same.
    pub node: u64,
    /// Found among deleted or orphaned items.
    pub recovered: bool,
    /// The email's date, repeated here so that an index by folder needs no other row.
    pub date: i64,
    /// Facts of later versions.
    pub extra: Vec<Extra>,
}

/// Key of a place.
#[must_use]
pub fn place_key(id: &Id, archive: &Id, node: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(40);
    key.extend_from_slice(id);
    key.extend_from_slice(archive);
    key.extend_from_slice(&node.to_be_bytes());
    key
}

/// Leads from one thread key to another. One such row could not say that a thread is joined with two others; it was
/// never written, and [`RowKind::ThreadEdge`](super::RowKind::ThreadEdge) has taken its place.
#[derive(Archive, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[rkyv(derive(Debug))]
pub struct ThreadAlias {
    /// The thread key to use instead.
    pub to: [u8; 16],
}
