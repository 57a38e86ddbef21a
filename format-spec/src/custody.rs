//! Hashes by which others know an item: SHA-256 and MD5 of what it came as, and the hash that EDRM gives to Message-IDs.
//!
//! What always holds: mail that came as RFC 5322 text is hashed as it came, byte for byte, so that `sha256sum` of the file
//! agrees. An item of a PST has no bytes of its own there; what is hashed is its canonical list of raw properties, the
//! same list as its id is made of (SPEC.md, "Identity"), with its context string.

use crate::id::bare_message_id;
use crate::row::{ArchivedExtra, Extra, extra};
use md5::Md5;
use sha2::{Digest, Sha256};

/// SHA-256 and MD5 of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Custody {
    /// SHA-256.
    pub sha256: [u8; 32],
    /// MD5: what load files of the field still ask for. Nothing here trusts it.
    pub md5: [u8; 16],
    /// Of the bytes it came as; else of its canonical list of properties.
    pub original: bool,
}

impl Custody {
    /// Of the bytes that an item came as.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut digests = Digests::default();
        digests.update(bytes);
        Self { original: true, ..digests.finish() }
    }

    /// As it is kept with an email's row.
    #[must_use]
    pub fn extra(&self) -> Extra {
        Extra {
            number: extra::CUSTODY,
            bytes: [&self.sha256[..], &self.md5, &[u8::from(self.original)]].concat(),
        }
    }

    /// Out of an email's row.
    #[must_use]
    pub fn kept(extras: &[ArchivedExtra]) -> Option<Self> {
        let kept = extras.iter().find(|kept| kept.number == extra::CUSTODY)?;
        let (sha256, rest) = kept.bytes.split_first_chunk::<32>()?;
        let (md5, rest) = rest.split_first_chunk::<16>()?;
        Some(Self { sha256: *sha256, md5: *md5, original: rest == [1] })
    }
}

/// Both hashes of bytes that come one after the other.
#[derive(Debug, Clone, Default)]
pub struct Digests {
    sha256: Sha256,
    md5: Md5,
}

impl Digests {
    /// The next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.md5.update(bytes);
    }

    /// The hashes of all of them, as those of a list.
    #[must_use]
    pub fn finish(&self) -> Custody {
        let (sha256, md5) = (self.sha256.clone().finalize().into(), self.md5.clone().finalize().into());
        Custody { sha256, md5, original: false }
    }
}

/// The EDRM message identification hash: MD5 of the Message-ID without its angle brackets. `None` where there is no
/// Message-ID.
#[must_use]
pub fn message_id_hash(message_id: &str) -> Option<[u8; 16]> {
    let bare = bare_message_id(message_id);
    (!bare.is_empty()).then(|| Md5::digest(bare).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hashes_are_those_of_everybody() {
        // Of the three bytes `abc`, as in FIPS 180-4 and RFC 1321.
        let custody = Custody::of(b"abc");
        assert_eq!(custody.sha256[..4], [0xba, 0x78, 0x16, 0xbf]);
        assert_eq!(custody.md5[..4], [0x90, 0x01, 0x50, 0x98]);
        assert_eq!(message_id_hash(" <abc> "), Some(custody.md5));
        assert_eq!(message_id_hash("<>"), None);
    }
}
