//! Row kinds: everything that the log and the segments hold is a row of one of these kinds.
//!
//! A row is `kind, key, value`. The key says which thing it is about and, through [`shard_hash`], where it lives;
//! the value is an rkyv record. What always holds: the kind numbers and the layouts behind them never change
//! once landed; for one key the row with the highest sequence number is the truth.

mod archive;
mod attached;
mod body;
mod doc;
mod email;
mod envelope;
mod exception;
pub mod extra;
mod mark;
mod parts;
mod place;

pub use archive::*;
pub use attached::*;
pub use body::*;
pub use doc::*;
pub use email::*;
pub use envelope::*;
pub use exception::*;
pub use mark::*;
pub use parts::*;
pub use place::*;

use crate::error::FormatError;
use crate::id::{Id, hash_of};

/// What a row is. The numbers are part of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum RowKind {
    /// [`Email`]: metadata of one item. Key: id.
    Email = 1,
    /// [`Body`]: raw bodies, headers and properties of one item. Key: id.
    Body = 2,
    /// [`Place`]: where an email was found. Key: id, archive, node.
    Place = 3,
    /// [`Mark`]: tags, note, holds, deletion of one email. Key: id.
    Mark = 4,
    /// [`ThreadAlias`]: never written; [`RowKind::ThreadEdge`] has taken its place.
    ThreadAlias = 5,
    /// A piece of an attachment, raw bytes. Key: SHA-256, chunk number.
    BlobChunk = 6,
    /// [`ArchiveVersion`]: an archive as it was when loaded. Key: archive, version.
    Archive = 7,
    /// [`Failure`]: an item that could not be read. [`RowKind::Exception`] has taken its place.
    Failure = 8,
    /// [`Watermark`]: how far a load has come. [`RowKind::Watermark2`] has taken its place.
    Watermark = 9,
    /// [`Doc`]: anything else the server keeps (users, tasks, saved searches …). Key: space, name.
    Doc = 10,
    /// Two threads are one, without a value. Key: one thread key, the other; each edge has two rows.
    ThreadEdge = 11,
    /// [`Watermark2`]: how far a load has come. Key: lower hash, load, range.
    Watermark2 = 12,
    /// [`Exception`]: what could not be read. Key: [`ExceptionKey`].
    Exception = 13,
}

impl RowKind {
    /// Does its key begin with the id of an email that it says something about?
    #[must_use]
    pub fn is_about_email(self) -> bool {
        matches!(self, Self::Email | Self::Body | Self::Place | Self::Mark)
    }

    /// All kinds, in the order of their numbers.
    pub const ALL: [RowKind; 13] = [
        RowKind::Email,
        RowKind::Body,
        RowKind::Place,
        RowKind::Mark,
        RowKind::ThreadAlias,
        RowKind::BlobChunk,
        RowKind::Archive,
        RowKind::Failure,
        RowKind::Watermark,
        RowKind::Doc,
        RowKind::ThreadEdge,
        RowKind::Watermark2,
        RowKind::Exception,
    ];

    /// The kind of a number.
    ///
    /// # Errors
    /// [`FormatError::Newer`] for a number that is not known here.
    pub fn from_number(number: u8) -> Result<Self, FormatError> {
        Self::ALL.into_iter().find(|k| *k as u8 == number).ok_or(FormatError::Newer {
            what: "row kind",
            found: u32::from(number),
            known: Self::Exception as u32,
        })
    }
}

/// Where a row falls in the hash space. Rows about one email fall together.
#[must_use]
pub fn shard_hash(kind: RowKind, key: &[u8]) -> u64 {
    if kind == RowKind::Doc {
        let mut hasher = blake3::Hasher::new();
        hasher.update(key);
        return first_8(hasher.finalize().as_bytes());
    }
    first_8(key)
}

fn first_8(bytes: &[u8]) -> u64 {
    let mut head = [0u8; 8];
    for (to, from) in head.iter_mut().zip(bytes) {
        *to = *from;
    }
    u64::from_be_bytes(head)
}

/// Serialises a record.
///
/// # Errors
/// [`FormatError::TooLarge`] past [`crate::limits::MAX_VALUE`].
pub fn to_bytes<T>(record: &T) -> Result<bytes::Bytes, FormatError>
where
    T: for<'a> rkyv::Serialize<
            rkyv::api::high::HighSerializer<
                rkyv::util::AlignedVec,
                rkyv::ser::allocator::ArenaHandle<'a>,
                rkyv::rancor::Error,
            >,
        >,
{
    let bytes = rkyv::to_bytes::<rkyv::rancor::Error>(record)
        .map_err(|_| FormatError::Malformed { what: "record", why: "cannot be serialised" })?;
    if bytes.len() > crate::limits::MAX_VALUE {
        return Err(FormatError::TooLarge {
            what: "record",
            have: bytes.len(),
            limit: crate::limits::MAX_VALUE,
        });
    }
    Ok(bytes::Bytes::from_owner(bytes))
}

/// Checked zero-copy access to a record. The bytes must have passed a CRC before: bytecheck proves that access
/// is safe, not that the content is what was written.
///
/// # Errors
/// [`FormatError::Malformed`] where the bytes are not such a record.
pub fn access<T>(bytes: &[u8]) -> Result<&T, FormatError>
where
    T: rkyv::Portable
        + for<'a> rkyv::bytecheck::CheckBytes<rkyv::api::high::HighValidator<'a, rkyv::rancor::Error>>,
{
    rkyv::access::<T, rkyv::rancor::Error>(bytes).map_err(|_| FormatError::Malformed {
        what: "record",
        why: "its bytes are not a valid record of this kind",
    })
}

/// Splits an email's part off a key that begins with one.
#[must_use]
pub fn key_id(key: &[u8]) -> Option<Id> {
    key.first_chunk::<16>().copied()
}

/// The shard of a hash among `shards`: the space is divided evenly and in order.
#[must_use]
pub fn shard_of(hash: u64, shards: usize) -> usize {
    let scaled = u128::from(hash).saturating_mul(shards as u128) >> 64;
    usize::try_from(scaled).unwrap_or(0)
}

/// The first and last hash of a shard, both included.
#[must_use]
pub fn shard_range(shard: usize, shards: usize) -> (u64, u64) {
    let bound = |n: usize| -> u128 {
        (n as u128).checked_shl(64).unwrap_or(u128::MAX).div_ceil((shards as u128).max(1))
    };
    let low = u64::try_from(bound(shard)).unwrap_or(u64::MAX);
    let high = u64::try_from(bound(shard.saturating_add(1)).saturating_sub(1)).unwrap_or(u64::MAX);
    (low, high)
}

/// The id at the start of a key, as the hash space sees it.
#[must_use]
pub fn id_hash(id: &Id) -> u64 {
    hash_of(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_hash_is_in_the_range_of_its_shard(hash: u64, shards in 1usize..70) {
            let shard = shard_of(hash, shards);
            let (low, high) = shard_range(shard, shards);
            prop_assert!(shard < shards);
            prop_assert!(low <= hash && hash <= high);
        }
    }

    #[test]
    fn ranges_cover_the_space_without_gap_or_overlap() {
        for shards in 1..40 {
            let mut next = 0u64;
            for shard in 0..shards {
                let (low, high) = shard_range(shard, shards);
                assert_eq!(low, next);
                next = high.wrapping_add(1);
            }
            assert_eq!(next, 0);
        }
    }
}
