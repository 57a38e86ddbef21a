//! Exceptions: what could not be read, be it an archive, an item, a part of one, or the text of an attachment.
//!
//! What always holds: each is a row of its own, so that what is mended takes back nothing else; all of one node of one
//! custodian's copy are together.

use crate::error::FormatError;
use crate::id::Id;
use rkyv::{Archive, Deserialize, Serialize};

/// What was lost by an exception. The numbers are part of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Grade {
    /// An archive that was refused, or something of it beside its items: nobody knows how much.
    Archive = 0,
    /// An item: nothing of it is stored.
    Item = 1,
    /// A part of an item: the rest is stored.
    Part = 2,
    /// Words for search: the attachment is stored whole, its text is not found.
    Text = 3,
}

impl Grade {
    /// Its name in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Archive => "archive",
            Self::Item => "item",
            Self::Part => "part",
            Self::Text => "text",
        }
    }

    fn of(number: u8) -> Option<Self> {
        [Self::Archive, Self::Item, Self::Part, Self::Text].into_iter().find(|grade| *grade as u8 == number)
    }
}

/// Something that could not be read.
#[derive(Archive, Serialize, Deserialize, Debug, Clone, Default, PartialEq, Eq)]
#[rkyv(derive(Debug))]
pub struct Exception {
    /// Path of the archive.
    pub path: String,
    /// Whose copy it is.
    pub custodian: String,
    /// Folder of the item, as far as known.
    pub folder: String,
    /// `refused corrupt encrypted timeout crashed memory unsupported io`.
    pub code: String,
    /// What was being done.
    pub stage: String,
    /// The reason as the reader gave it.
    pub reason: String,
    /// A later try could read it: it counts no more.
    pub resolved: bool,
}

/// What an exception is about: the key of its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExceptionKey {
    /// The archive; of one that could not be opened, an id made of its path.
    pub archive: Id,
    /// Its version.
    pub version: Id,
    /// Hash of the custodian, see [`ExceptionKey::custodian`].
    pub custodian: u64,
    /// Node of the item.
    pub node: u64,
    /// What was lost.
    pub grade: Grade,
    /// Its number among those of the same node and grade.
    pub number: u16,
}

impl ExceptionKey {
    /// Bytes of a key.
    pub const LEN: usize = 51;
    /// Bytes of a key that are the same for all of one custodian's copy of one version.
    pub const COPY: usize = 40;

    /// What stands for a custodian in keys: 0 for nobody, else eight bytes of BLAKE3 of the name.
    #[must_use]
    pub fn custodian(name: &str) -> u64 {
        if name.is_empty() {
            return 0;
        }
        let hash = blake3::hash(name.as_bytes());
        hash.as_bytes().first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes))
    }

    /// The key's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut key = Vec::with_capacity(Self::LEN);
        key.extend_from_slice(&self.archive);
        key.extend_from_slice(&self.version);
        key.extend_from_slice(&self.custodian.to_be_bytes());
        key.extend_from_slice(&self.node.to_be_bytes());
        key.push(self.grade as u8);
        key.extend_from_slice(&self.number.to_be_bytes());
        key
    }

    /// Reads a key.
    ///
    /// # Errors
    /// [`FormatError::Malformed`] for bytes that are none.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FormatError> {
        let malformed = || FormatError::Malformed { what: "key of an exception", why: "it is no such key" };
        let (archive, rest) = bytes.split_first_chunk::<16>().ok_or_else(malformed)?;
        let (version, rest) = rest.split_first_chunk::<16>().ok_or_else(malformed)?;
        let (custodian, rest) = rest.split_first_chunk::<8>().ok_or_else(malformed)?;
        let (node, rest) = rest.split_first_chunk::<8>().ok_or_else(malformed)?;
        let [grade, number @ ..] = <[u8; 3]>::try_from(rest).map_err(|_| malformed())?;
        Ok(Self {
            archive: *archive,
            version: *version,
            custodian: u64::from_be_bytes(*custodian),
            node: u64::from_be_bytes(*node),
            grade: Grade::of(grade).ok_or_else(malformed)?,
            number: u16::from_be_bytes(number),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back_and_others_are_refused() {
        let key = ExceptionKey {
            archive: [1; 16],
            version: [2; 16],
            custodian: ExceptionKey::custodian("Ann"),
            node: 2_097_188,
            grade: Grade::Text,
            number: 7,
        };
        let bytes = key.to_bytes();
        assert_eq!(bytes.len(), ExceptionKey::LEN);
        assert_eq!(ExceptionKey::from_bytes(&bytes), Ok(key));
        for cut in 0..bytes.len() {
            assert!(ExceptionKey::from_bytes(&bytes[..cut]).is_err());
        }
        let mut odd = bytes.clone();
        odd[48] = 9;
        assert!(ExceptionKey::from_bytes(&odd).is_err());
        assert!(ExceptionKey::from_bytes(&[&bytes[..], &[0]].concat()).is_err());
        assert_eq!(ExceptionKey::custodian(""), 0);
        assert_ne!(ExceptionKey::custodian("Ann"), ExceptionKey::custodian("Bob"));
    }
}
