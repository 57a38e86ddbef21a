//! Attachments, piece by piece.
//!
//! What always holds: one piece is in memory at a time; the pieces together are exactly as long as the email says,
//! or the last one is an error.

use crate::engine::Inner;
use crate::error::QueryError;
use crate::hits::attachment;
use crate::model::AttachmentInfo;
use bytes::Bytes;
use postlode_format::FormatError;
use postlode_format::id::Id;
use postlode_format::row::{
    ArchivedAttachment, ArchivedAttachmentKind, ArchivedEmail, RowKind, access, blob_key,
};
use std::sync::Arc;

/// The bytes of one attachment, in pieces of at most a megabyte.
pub struct Attachment {
    engine: Arc<Inner>,
    info: AttachmentInfo,
    sha256: [u8; 32],
    next: u32,
    left: u64,
}

impl Attachment {
    pub(crate) async fn open(engine: &Arc<Inner>, id: Id, n: u32) -> Result<Option<Self>, QueryError> {
        let Some(found) = engine.found(id).await? else { return Ok(None) };
        let email = access::<ArchivedEmail>(&found.email)?;
        let wanted = email.attachments.iter().find(|a| a.n.to_native() == n);
        Ok(wanted.and_then(|a| Self::of(engine, a)))
    }

    /// The bytes of an attachment; `None` where it has none of its own.
    pub(crate) fn of(engine: &Arc<Inner>, row: &ArchivedAttachment) -> Option<Self> {
        let has_bytes = matches!(row.kind, ArchivedAttachmentKind::Data | ArchivedAttachmentKind::Ole);
        has_bytes.then(|| Self {
            engine: Arc::clone(engine),
            info: attachment(row),
            sha256: row.sha256,
            next: 0,
            left: row.size.to_native(),
        })
    }

    /// What it is.
    #[must_use]
    pub fn info(&self) -> &AttachmentInfo {
        &self.info
    }

    /// The next piece; `None` after the last.
    ///
    /// # Errors
    /// Where its bytes cannot be read, or are fewer than the email says.
    pub async fn next_chunk(&mut self) -> Result<Option<Bytes>, QueryError> {
        if self.left == 0 {
            return Ok(None);
        }
        let chunk = self.engine.store.get(RowKind::BlobChunk, &blob_key(&self.sha256, self.next)).await?;
        let wrong = |why: &'static str| FormatError::Malformed { what: "attachment", why };
        let chunk = chunk.ok_or_else(|| wrong("some of its bytes are not in the store"))?;
        let left = self.left.checked_sub(chunk.len() as u64).filter(|_| !chunk.is_empty());
        self.left = left.ok_or_else(|| wrong("its bytes are not as many as its email says"))?;
        self.next = self.next.saturating_add(1);
        Ok(Some(chunk))
    }
}
