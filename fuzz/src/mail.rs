//! A message as it travels, in a file of its own and in a mailbox: read whole, with everything in it.

use crate::MAX_INPUT;
use postlode_format::FormatError;
use postlode_format::row::to_bytes;
use postlode_mail::family::BlobContent;
use postlode_mail::rfc::{Source, kind_of, read};

/// Reads it. What comes out can be stored, is the same again, and names every attachment.
///
/// # Panics
/// Where it breaks a promise.
pub fn target(bytes: &[u8]) {
    let bytes = bytes.get(..MAX_INPUT).unwrap_or(bytes);
    let _kind = kind_of(bytes, None);
    for quoted in [false, true] {
        let source = Source { archive: &[7; 16], node: 4096, quoted };
        let Ok(family) = read(bytes, &source) else { continue };
        assert!(!family.members.is_empty(), "a message is at least itself");
        for (place, member) in family.members.iter().enumerate() {
            assert_eq!(member.email.parent.is_some(), place > 0, "the first holds the others");
            for row in [to_bytes(&member.email), to_bytes(&member.body)] {
                assert!(matches!(row, Ok(_) | Err(FormatError::TooLarge { .. })), "a row that is no record");
            }
            for attachment in &member.email.attachments {
                let filed = family.blobs.iter().any(|blob| blob.sha256 == attachment.sha256);
                assert!(filed || attachment.child.is_some(), "an attachment without content");
            }
        }
        for blob in &family.blobs {
            let whole = matches!(&blob.content, BlobContent::Whole(bytes) if bytes.len() as u64 == blob.size);
            assert!(whole, "bytes that are elsewhere");
        }
        assert_eq!(read(bytes, &source).ok().as_ref(), Some(&family), "the same bytes, another family");
    }
}
