//! The first bytes of an archive, read before libpff sees it: what it is, how long it says it is, and where the tree
//! of its nodes begins.
//!
//! A file that is no archive, or one whose content is sealed, is refused here in plain words. Layout: [MS-PST]
//! 2.2.2.6 (HEADER) and 2.2.2.5 (ROOT).

use super::error::PstError;

/// Bytes of the header.
pub(super) const HEADER: usize = 564;

const MAGIC: &[u8] = b"!BDN";
/// `bCryptMethod` of archives sealed by Windows Information Protection.
const SEALED: u8 = 0x10;
/// What `dwCRCPartial` is over.
const PARTIAL: std::ops::Range<usize> = 8..479;
/// What `dwCRCFull` is over, in Unicode archives.
const FULL: std::ops::Range<usize> = 8..524;

/// The three layouts of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// 32-bit offsets.
    Ansi,
    /// 64-bit offsets, pages of 512 bytes.
    Unicode,
    /// 64-bit offsets, pages of 4 KiB.
    Unicode4k,
}

/// How the bytes of data are encoded. None of it hides anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Crypt {
    /// As they are.
    None,
    /// Each replaced by another.
    Permute,
    /// Each replaced by one that depends on its place.
    Cyclic,
}

/// Where a page is: its block id and its offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PageRef {
    pub(super) bid: u64,
    pub(super) offset: u64,
}

/// What the header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) layout: Layout,
    /// Bytes the archive says it has.
    pub(super) size: u64,
    /// Root of the tree of nodes.
    pub(super) nodes: PageRef,
    /// Root of the tree of blocks.
    pub(super) blocks: PageRef,
    bytes: [u8; HEADER],
}

impl Header {
    /// Reads a header from the first bytes of a file of `size` bytes.
    pub(super) fn read(bytes: &[u8], size: u64) -> Result<Self, PstError> {
        if size == 0 {
            return Err(PstError::NotPst("the file is empty"));
        }
        if !bytes.starts_with(MAGIC) {
            return Err(PstError::NotPst("it does not begin as one"));
        }
        let Some(bytes) = bytes.first_chunk::<HEADER>() else {
            return Err(PstError::NotPst("it ends inside its header"));
        };
        match at::<2>(bytes, 8) {
            [b'S', b'M' | b'O'] => {}
            [b'A', b'B'] => {
                return Err(PstError::Unsupported("a personal address book (PAB) holds no mail".to_owned()));
            }
            _ => return Err(PstError::NotPst("it begins as one, but does not say for which program")),
        }
        let layout = match u16::from_le_bytes(at(bytes, 10)) {
            14 | 15 => Layout::Ansi,
            21..=35 => Layout::Unicode,
            36..=40 => Layout::Unicode4k,
            other => return Err(PstError::Unsupported(format!("format version {other}"))),
        };
        let crypt = bytes.get(if layout == Layout::Ansi { 461 } else { 513 });
        if crypt == Some(&SEALED) {
            return Err(PstError::Encrypted("sealed by Windows Information Protection".to_owned()));
        }
        let page = |at: usize| match layout {
            Layout::Ansi => PageRef { bid: narrow(bytes, at), offset: narrow(bytes, at.saturating_add(4)) },
            _ => PageRef { bid: wide(bytes, at), offset: wide(bytes, at.saturating_add(8)) },
        };
        let (claimed, nodes, blocks) = match layout {
            Layout::Ansi => (narrow(bytes, 168), page(184), page(192)),
            _ => (wide(bytes, 184), page(216), page(232)),
        };
        if weak_crc(bytes.get(PARTIAL).unwrap_or_default()) != u32::from_le_bytes(at(bytes, 4)) {
            let why = "the checksum of its header does not match".to_owned();
            return Err(PstError::Damaged { why, expected: claimed, actual: size });
        }
        Ok(Self { layout, size: claimed, nodes, blocks, bytes: *bytes })
    }

    /// How data is encoded; `None` where the header tells no known way.
    pub(super) fn crypt(&self) -> Option<Crypt> {
        match self.bytes.get(if self.layout == Layout::Ansi { 461 } else { 513 }) {
            Some(0) => Some(Crypt::None),
            Some(1) => Some(Crypt::Permute),
            Some(2) => Some(Crypt::Cyclic),
            _ => None,
        }
    }

    /// The header's bytes.
    pub(super) fn bytes(&self) -> &[u8; HEADER] {
        &self.bytes
    }

    /// The header's bytes with another root of the tree of nodes, in a file of another size.
    pub(super) fn with_nodes(&self, nodes: PageRef, size: u64) -> [u8; HEADER] {
        let mut bytes = self.bytes;
        let mut put = |offset: usize, value: &[u8]| {
            for (to, from) in bytes.iter_mut().skip(offset).zip(value) {
                *to = *from;
            }
        };
        let [bid, offset, size] = [nodes.bid, nodes.offset, size].map(u64::to_le_bytes);
        match self.layout {
            Layout::Ansi => {
                put(168, size.get(..4).unwrap_or_default());
                put(184, bid.get(..4).unwrap_or_default());
                put(188, offset.get(..4).unwrap_or_default());
            }
            _ => {
                put(184, &size);
                put(216, &bid);
                put(224, &offset);
            }
        }
        let crc = |bytes: &[u8; HEADER], range| weak_crc(bytes.get(range).unwrap_or_default()).to_le_bytes();
        let partial = crc(&bytes, PARTIAL);
        bytes.iter_mut().skip(4).zip(partial).for_each(|(to, from)| *to = from);
        if self.layout != Layout::Ansi {
            let full = crc(&bytes, FULL);
            bytes.iter_mut().skip(524).zip(full).for_each(|(to, from)| *to = from);
        }
        bytes
    }
}

/// The CRC of [MS-PST] 5.3: the usual polynomial, begun at zero and not inverted.
pub(super) fn weak_crc(bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(u32::MAX);
    hasher.update(bytes);
    !hasher.finalize()
}

/// Bytes at an offset; zeros where there are none.
pub(super) fn at<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    bytes.get(offset..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
}

/// A 64-bit number at an offset.
pub(super) fn wide(bytes: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(at(bytes, offset))
}

/// A 32-bit number at an offset.
pub(super) fn narrow(bytes: &[u8], offset: usize) -> u64 {
    u64::from(u32::from_le_bytes(at(bytes, offset)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
        let crc = weak_crc(&bytes[PARTIAL]).to_le_bytes();
        bytes[4..8].copy_from_slice(&crc);
        bytes
    }

    fn unicode() -> Vec<u8> {
        let mut bytes = vec![0u8; HEADER];
        bytes[..4].copy_from_slice(MAGIC);
        bytes[8..10].copy_from_slice(b"SM");
        bytes[10] = 23;
        bytes[184..192].copy_from_slice(&271_360u64.to_le_bytes());
        bytes[216..224].copy_from_slice(&77u64.to_le_bytes());
        bytes[224..232].copy_from_slice(&1024u64.to_le_bytes());
        sealed(bytes)
    }

    #[test]
    fn a_unicode_header_is_read_and_rewritten() {
        let header = Header::read(&unicode(), 9).unwrap();
        assert_eq!((header.layout, header.size), (Layout::Unicode, 271_360));
        assert_eq!(header.nodes, PageRef { bid: 77, offset: 1024 });
        let nodes = PageRef { bid: 5, offset: 1 << 40 };
        let again = Header::read(&header.with_nodes(nodes, 1 << 41), 9).unwrap();
        assert_eq!((again.nodes, again.size), (nodes, 1 << 41));
    }

    #[test]
    fn what_is_no_archive_is_named() {
        let code = |bytes: &[u8], size| Header::read(bytes, size).unwrap_err();
        assert!(matches!(code(b"", 0), PstError::NotPst("the file is empty")));
        assert!(matches!(code(b"From nobody", 11), PstError::NotPst(_)));
        assert!(matches!(code(b"!BDN", 4), PstError::NotPst(_)));
        let with = |at: usize, value: u8| {
            let mut bytes = unicode();
            bytes[at] = value;
            bytes
        };
        assert_eq!(code(&with(513, SEALED), 564).code(), "encrypted");
        assert_eq!(code(&[&with(8, b'A')[..9], b"B", &unicode()[10..]].concat(), 564).code(), "unsupported");
        assert_eq!(code(&with(10, 99), 564).code(), "unsupported");
        assert!(matches!(code(&with(100, 1), 564), PstError::Damaged { .. }));
    }

    proptest! {
        #[test]
        fn any_header_is_read_or_refused(mut bytes in proptest::collection::vec(any::<u8>(), 0..600), magic: bool) {
            if magic && bytes.len() > 12 {
                bytes[..12].copy_from_slice(&unicode()[..12]);
            }
            let _ = Header::read(&bytes, bytes.len() as u64);
        }
    }
}
