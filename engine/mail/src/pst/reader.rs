//! Whole families, ready to be stored: an item, the messages inside it, and their attachments.
//!
//! What always holds: nothing big is held whole. Attachments are hashed as they stream by; small ones are handed out
//! with the family, a large one is read again, by [`Reader::attachment`], when somebody wants its bytes.

use super::archive::Archive;
use super::attachment::{AttachmentData, AttachmentReader, RawAttachment};
use super::error::PstError;
use super::folder::Listing;
use super::identity::{self, AttachmentIdentity};
use super::item::Item;
use super::limits::{MAX_EMBEDDED, MAX_FAMILY, MAX_INLINE_BLOB, MAX_INLINE_BLOBS, READ_CHUNK};
use super::lost::Which;
use super::prop::{Note, Props};
use super::{body, email, tag};
use crate::family::{Blob, BlobContent, Draft, Family};
use crate::{html, mime};
use postlode_format::id::{Id, archive_id};
use postlode_format::row::{Attachment, AttachmentKind, PartialNote};
use sha2::{Digest, Sha256};
use std::collections::HashSet;

/// Bytes of an attachment after which it is told that reading gets on.
const BUSY_BYTES: u64 = 8 << 20;

/// Reads an archive's items as families. Like [`Archive`], it stays on the thread that opened it.
pub struct Reader {
    archive: Archive,
    id: Id,
    busy: Box<dyn Fn()>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("archive", &self.archive).field("id", &self.id).finish()
    }
}

impl Reader {
    /// A reader of an archive. `version` (the SHA-256 of the file, say) names the archive where it has no record key.
    #[must_use]
    pub fn new(archive: Archive, version: &[u8]) -> Self {
        let info = archive.info();
        let kind = info.kind.split('-').next().unwrap_or("pst");
        let key = if info.record_key.is_empty() { version } else { &info.record_key };
        let id = archive_id(kind, key);
        Self { archive, id, busy: Box::new(|| ()) }
    }

    /// With somebody who is told, again and again while a large attachment is read, that reading gets on.
    #[must_use]
    pub fn telling(mut self, busy: impl Fn() + 'static) -> Self {
        self.busy = Box::new(busy);
        self
    }

    /// The archive's id.
    #[must_use]
    pub fn id(&self) -> &Id {
        &self.id
    }

    /// The archive itself.
    #[must_use]
    pub fn archive(&self) -> &Archive {
        &self.archive
    }

    /// Every folder and item, see [`Archive::list`].
    ///
    /// # Errors
    /// As [`Archive::list`].
    pub fn list(&self) -> Result<Listing, PstError> {
        self.archive.list()
    }

    /// Reads an item of a folder with everything in it. What cannot be read of it is in the `partial` notes of the
    /// member it belongs to.
    ///
    /// # Errors
    /// [`PstError`] where the item itself has nothing that can be read.
    pub fn read(&self, nid: u32) -> Result<Family, PstError> {
        self.read_any(Which::Node(nid))
    }

    /// Reads any item as [`Reader::read`] does, deleted ones too.
    ///
    /// # Errors
    /// As there.
    pub fn read_any(&self, which: Which) -> Result<Family, PstError> {
        let mut visit = Visit {
            archive: &self.id,
            node: which.node(),
            ordinal: 0,
            budget: MAX_FAMILY,
            whole: MAX_INLINE_BLOBS,
            path: Vec::new(),
            blobs: Vec::new(),
            buffer: vec![0; READ_CHUNK],
            busy: &*self.busy,
        };
        let draft = self.archive.with(which, |item| visit.item(item))??;
        Ok(draft.settle(visit.blobs))
    }

    /// Streams an attachment of an item, or of a message inside it, to `f`.
    ///
    /// # Errors
    /// [`PstError`] where something on the way to it cannot be opened.
    pub fn attachment<R>(
        &self,
        which: Which,
        path: &[u32],
        f: impl FnOnce(&mut AttachmentReader<'_>) -> R,
    ) -> Result<R, PstError> {
        self.archive.with(which, |item| descend(item, path, f))?
    }
}

fn descend<R>(
    item: &Item<'_>,
    path: &[u32],
    f: impl FnOnce(&mut AttachmentReader<'_>) -> R,
) -> Result<R, PstError> {
    let (n, rest) = path.split_first().ok_or(PstError::Missing { what: "attachment" })?;
    let n = usize::try_from(*n).unwrap_or(usize::MAX);
    if n >= item.attachments()? {
        return Err(PstError::Missing { what: "attachment" });
    }
    let attachment = item.attachment(n)?;
    if rest.is_empty() {
        return Ok(f(&mut attachment.reader()));
    }
    // The depth is that of the path, which `message` bounds.
    descend(&attachment.message()?, rest, f)
}

/// One pass over a family.
struct Visit<'r> {
    archive: &'r Id,
    /// The item's node.
    node: u64,
    /// Messages inside the item so far.
    ordinal: u32,
    /// Bytes of properties that may still be read.
    budget: u64,
    /// Bytes of attachments that may still be handed out whole.
    whole: usize,
    path: Vec<u32>,
    blobs: Vec<Blob>,
    buffer: Vec<u8>,
    busy: &'r dyn Fn(),
}

/// An attachment, read.
struct Read {
    row: Attachment,
    props: Props,
    data: AttachmentData,
    content: Vec<u8>,
    child: Option<Draft>,
}

impl Visit<'_> {
    fn item(&mut self, item: &Item<'_>) -> Result<Draft, PstError> {
        let node = (u64::from(self.ordinal) << 32) | self.node;
        let mut contents = item.read(self.budget)?;
        self.budget = self.budget.saturating_sub(contents.size);
        let (codepage, headers) = email::read_headers(&contents.props, item.archive_codepage());
        let mut notes = core::mem::take(&mut contents.notes);
        let mut read = self.attachments(item, codepage, &mut notes);
        mark_inline(&mut read, &contents.props);

        // Only what could not be read of the source makes an id partial, not what could not be converted.
        let whole = notes.is_empty();
        let bytes = read.iter().fold(contents.size, |sum, a| sum.saturating_add(a.row.size));
        let rows = read.iter().map(|a| a.row.clone()).collect();
        let source = email::Source { contents: &contents, headers: &headers, codepage, size: bytes };
        let mut email = email::build(&source, rows);
        let identities: Vec<AttachmentIdentity<'_>> = read
            .iter()
            .map(|a| AttachmentIdentity { props: &a.props, data: a.data, content: &a.content })
            .collect();
        let list = identity::list(email.kind, &contents, &identities);
        let content_id = identity::finish(&list, whole, self.archive, node);
        email.extra.extend(list.custody().map(|custody| custody.extra()));

        let conversation_index = contents.props.bytes(tag::CONVERSATION_INDEX).unwrap_or_default().to_vec();
        let mut descriptions = Vec::with_capacity(read.len());
        let mut children = Vec::new();
        for (index, attachment) in read.into_iter().enumerate() {
            descriptions.push(attachment.props);
            children.extend(attachment.child.map(|child| (index, child)));
        }
        let body = body::build(contents, &descriptions, codepage, &mut notes);
        let note = |n: Note| PartialNote { code: n.code.to_owned(), stage: n.stage, reason: n.reason };
        email.partial = notes.into_iter().map(note).collect();
        Ok(Draft { node, email, body, conversation_index, content_id, children })
    }

    fn attachments(&mut self, item: &Item<'_>, codepage: u32, notes: &mut Vec<Note>) -> Vec<Read> {
        let count = match item.attachments() {
            Ok(count) => count,
            Err(error) => {
                notes.push(Note::new("attachments", &error));
                0
            }
        };
        let mut all = Vec::with_capacity(count.min(64));
        for index in 0..count {
            let n = u32::try_from(index).unwrap_or(u32::MAX);
            self.path.push(n);
            all.push(self.attachment(item, index, n, codepage, notes));
            self.path.pop();
        }
        all
    }

    fn attachment(
        &mut self,
        item: &Item<'_>,
        index: usize,
        n: u32,
        page: u32,
        notes: &mut Vec<Note>,
    ) -> Read {
        let stage = format!("attachment {n}");
        let attachment = match item.attachment(index) {
            Ok(attachment) => attachment,
            Err(error) => {
                notes.push(Note::new(stage, &error));
                return unreadable(n);
            }
        };
        let (props, more) = attachment.props(self.budget, &stage);
        notes.extend(more);
        let size = props.0.iter().fold(0u64, |sum, p| sum.saturating_add(p.value.len() as u64));
        self.budget = self.budget.saturating_sub(size);
        let mut read = Read { row: describe(n, &props, page), props, ..unreadable(n) };
        match attachment.data(&read.props).and_then(|data| self.content(&attachment, data, &mut read)) {
            Ok(()) => {}
            Err(error) => {
                read.row.kind = AttachmentKind::Unreadable;
                notes.push(Note::new(stage, &error));
            }
        }
        read
    }

    /// Reads what an attachment consists of.
    fn content(
        &mut self,
        from: &RawAttachment<'_>,
        data: AttachmentData,
        read: &mut Read,
    ) -> Result<(), PstError> {
        read.data = data;
        match data {
            AttachmentData::Reference => read.row.kind = AttachmentKind::Reference,
            AttachmentData::None => {
                // There never was any data: an empty attachment is one of no bytes.
                let sha256 = self.keep(&[], 0, Sha256::new());
                read.content = sha256.to_vec();
                (read.row.kind, read.row.sha256) = (AttachmentKind::Data, sha256);
            }
            AttachmentData::Bytes(claimed) | AttachmentData::Ole(claimed) => {
                let (sha256, size) = self.stream(from, claimed)?;
                let ole = matches!(data, AttachmentData::Ole(_));
                read.row.kind = if ole { AttachmentKind::Ole } else { AttachmentKind::Data };
                (read.row.sha256, read.row.size) = (sha256, size);
                read.content = sha256.to_vec();
            }
            AttachmentData::Message => {
                let limit = MAX_EMBEDDED as u64;
                let ordinal = self.ordinal.saturating_add(1);
                if u64::from(ordinal) > limit {
                    let what = "number of embedded messages";
                    return Err(PstError::Limit { what, have: u64::from(ordinal), limit });
                }
                self.ordinal = ordinal;
                let child = self.item(&from.message()?)?;
                read.row.kind = AttachmentKind::Message;
                read.row.mime = "message/rfc822".to_owned();
                read.row.size = child.email.size;
                if read.row.name.is_empty() {
                    read.row.name.clone_from(&child.email.subject);
                }
                read.content = child.content_id.to_vec();
                read.child = Some(child);
            }
        }
        Ok(())
    }

    /// Streams data through the hash and keeps it where it is small.
    fn stream(&mut self, from: &RawAttachment<'_>, claimed: u64) -> Result<([u8; 32], u64), PstError> {
        let most = MAX_INLINE_BLOB.min(self.whole);
        let mut reader = from.reader();
        let mut hasher = Sha256::new();
        let mut kept = Vec::new();
        let (mut size, mut told) = (0u64, 0u64);
        let mut buffer = core::mem::take(&mut self.buffer);
        // A byte past what is claimed is enough to see that there is more: a stream must not run on for ever.
        let result = loop {
            let count = match reader.next(&mut buffer) {
                Ok(0) => break Ok(()),
                Ok(count) => count,
                Err(error) => break Err(error),
            };
            let Some(part) = buffer.get(..count) else { break Ok(()) };
            size = size.saturating_add(count as u64);
            if size.saturating_sub(told) >= BUSY_BYTES {
                told = size;
                (self.busy)();
            }
            if size > claimed {
                break Ok(());
            }
            hasher.update(part);
            if size <= most as u64 {
                kept.extend_from_slice(part);
            } else {
                kept = Vec::new();
            }
        };
        self.buffer = buffer;
        result?;
        if size != claimed {
            return Err(PstError::Length { what: "data of an attachment", have: size, claimed });
        }
        Ok((self.keep(&kept, size, hasher), size))
    }

    /// Files a content under its hash.
    fn keep(&mut self, kept: &[u8], size: u64, hasher: Sha256) -> [u8; 32] {
        let sha256: [u8; 32] = hasher.finalize().into();
        if !self.blobs.iter().any(|b| b.sha256 == sha256) {
            let content = if kept.len() as u64 == size {
                self.whole = self.whole.saturating_sub(kept.len());
                BlobContent::Whole(kept.to_vec())
            } else {
                BlobContent::Stream(self.path.clone())
            };
            self.blobs.push(Blob { sha256, size, content });
        }
        sha256
    }
}

/// An attachment of which nothing is known yet but its number.
fn unreadable(n: u32) -> Read {
    let row = Attachment {
        n,
        name: String::new(),
        mime: mime::UNKNOWN.to_owned(),
        content_id: String::new(),
        inline: false,
        kind: AttachmentKind::Unreadable,
        size: 0,
        sha256: [0; 32],
        child: None,
    };
    Read { row, props: Props::default(), data: AttachmentData::None, content: Vec::new(), child: None }
}

/// What an attachment's properties tell of it.
fn describe(n: u32, props: &Props, codepage: u32) -> Attachment {
    let text = |id| props.text(id, codepage).map(|t| t.trim().to_owned()).filter(|t| !t.is_empty());
    let name = text(tag::ATTACH_LONG_FILENAME).or_else(|| text(tag::ATTACH_FILENAME));
    let name = name.or_else(|| text(tag::DISPLAY_NAME)).unwrap_or_default();
    let mime = text(tag::ATTACH_MIME_TAG).and_then(|t| mime::declared(&t));
    let content_id = text(tag::ATTACH_CONTENT_ID).unwrap_or_default();
    let content_id = content_id.trim_matches(['<', '>']).to_owned();
    Attachment {
        mime: mime.unwrap_or_else(|| mime::of_name(&name).to_owned()),
        name,
        content_id,
        inline: props.flag(tag::ATTACHMENT_HIDDEN).unwrap_or(false),
        ..unreadable(n).row
    }
}

/// Marks the attachments that the HTML body shows inside itself.
fn mark_inline(read: &mut [Read], props: &Props) {
    /// `PidTagAttachFlags`: referred to by the HTML body.
    const IN_BODY: i32 = 4;
    let html = props.get(tag::HTML).map_or(&[] as &[u8], |p| p.value.as_slice());
    let named = read.iter().any(|a| !a.row.content_id.is_empty());
    let linked = if named { html::linked(html) } else { HashSet::new() };
    for attachment in read.iter_mut().filter(|a| !a.row.content_id.is_empty()) {
        let flagged = attachment.props.int(tag::ATTACH_FLAGS).unwrap_or(0) & IN_BODY != 0;
        attachment.row.inline |= flagged || linked.contains(attachment.row.content_id.as_bytes());
    }
}
