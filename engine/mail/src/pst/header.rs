//! The first bytes of an archive, read before libpff sees it: what it is, and how long it says it is.
//!
//! A file that is no archive, or one whose content is sealed, is refused here in plain words. Layout: [MS-PST]
//! 2.2.2.6 (HEADER) and 2.2.2.5 (ROOT).

use super::error::PstError;

/// Bytes of the header that are looked at.
pub(super) const HEADER: usize = 564;

const MAGIC: &[u8] = b"!BDN";
/// `bCryptMethod` of archives sealed by Windows Information Protection.
const SEALED: u8 = 0x10;

/// What the header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Bytes the archive says it has.
    pub(super) size: u64,
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
        if bytes.len() < HEADER {
            return Err(PstError::NotPst("it ends inside its header"));
        }
        match at::<2>(bytes, 8) {
            Some([b'S', b'M' | b'O']) => {}
            Some([b'A', b'B']) => {
                return Err(PstError::Unsupported("a personal address book (PAB) holds no mail".to_owned()));
            }
            _ => return Err(PstError::NotPst("it begins as one, but does not say for which program")),
        }
        let version = u16::from_le_bytes(at(bytes, 10).unwrap_or_default());
        let (claimed, crypt) = match version {
            14 | 15 => {
                (u64::from(u32::from_le_bytes(at(bytes, 168).unwrap_or_default())), bytes.get(461).copied())
            }
            21..=40 => (u64::from_le_bytes(at(bytes, 184).unwrap_or_default()), bytes.get(513).copied()),
            other => return Err(PstError::Unsupported(format!("format version {other}"))),
        };
        if crypt == Some(SEALED) {
            return Err(PstError::Encrypted("sealed by Windows Information Protection".to_owned()));
        }
        Ok(Self { size: claimed })
    }
}

fn at<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk::<N>().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unicode() -> Vec<u8> {
        let mut bytes = vec![0u8; HEADER];
        bytes[..4].copy_from_slice(MAGIC);
        bytes[8..10].copy_from_slice(b"SM");
        bytes[10] = 23;
        bytes[184..192].copy_from_slice(&271_360u64.to_le_bytes());
        bytes
    }

    #[test]
    fn a_unicode_header_is_read() {
        assert_eq!(Header::read(&unicode(), 9).unwrap(), Header { size: 271_360 });
    }

    #[test]
    fn what_is_no_archive_is_named() {
        let code = |bytes: &[u8], size| Header::read(bytes, size).unwrap_err();
        assert!(matches!(code(b"", 0), PstError::NotPst("the file is empty")));
        assert!(matches!(code(b"From nobody", 11), PstError::NotPst(_)));
        assert!(matches!(code(b"!BDN", 4), PstError::NotPst(_)));
        let mut bytes = unicode();
        bytes[513] = SEALED;
        assert_eq!(code(&bytes, 564).code(), "encrypted");
        bytes = unicode();
        bytes[8..10].copy_from_slice(b"AB");
        assert_eq!(code(&bytes, 564).code(), "unsupported");
        bytes = unicode();
        bytes[10] = 99;
        assert_eq!(code(&bytes, 564).code(), "unsupported");
    }
}
