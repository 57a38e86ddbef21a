//! Attachments: described by their properties, their data streamed, messages inside them opened as items.

use super::error::PstError;
use super::ffi;
use super::item::Item;
use super::limits::{MAX_EMBEDDED_DEPTH, READ_CHUNK};
use super::prop::{NameMap, Note, PropReader, Props, kind};
use std::io::{self, Read};

/// `PidTagAttachData`, binary or object: what is streamed instead of being read as a property.
const ATTACH_DATA: u16 = 0x3701;
/// `PidTagAttachMethod`.
const ATTACH_METHOD: u16 = 0x3705;

/// What an attachment consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttachmentData {
    /// Nothing: there never was any data.
    None,
    /// Bytes, so many.
    Bytes(u64),
    /// An OLE object of so many bytes.
    Ole(u64),
    /// A message.
    Message,
    /// A reference to something outside the archive.
    Reference,
}

/// An attachment, opened. `'m` is the borrow of the item that holds it.
pub struct RawAttachment<'m> {
    raw: ffi::Item<'m>,
    names: &'m NameMap,
    codepage: u32,
    depth: usize,
}

impl<'m> RawAttachment<'m> {
    pub(super) fn new(raw: ffi::Item<'m>, names: &'m NameMap, codepage: u32, depth: usize) -> Self {
        Self { raw, names, codepage, depth }
    }

    /// Its properties but for the data, at most `budget` bytes of them, and notes of those that cannot be read.
    #[must_use]
    pub fn props(&self, budget: u64, stage: &str) -> (Props, Vec<Note>) {
        let mut reader = PropReader { names: self.names, left: budget, notes: Vec::new() };
        let sets = reader.item(&self.raw, &[ATTACH_DATA], stage);
        (Props(sets.into_iter().flat_map(|set| set.0).collect()), reader.notes)
    }

    /// What it consists of, by its method and by what is there; where they disagree, by what is there.
    ///
    /// # Errors
    /// `Corrupt` where it cannot be told.
    pub fn data(&self, props: &Props) -> Result<AttachmentData, PstError> {
        let method = props.int(ATTACH_METHOD);
        let held = match self.raw.record_set(0)?.find(ATTACH_DATA)? {
            Some(entry) => Some(entry.tag()?.1),
            None => None,
        };
        let object = held == Some(u32::from(kind::OBJECT));
        let reference = matches!(method, Some(2..=4 | 7));
        match (held, method) {
            (None, _) if reference => Ok(AttachmentData::Reference),
            (None, _) => Ok(AttachmentData::None),
            (Some(_), Some(5)) if object => Ok(AttachmentData::Message),
            (Some(_), Some(6)) => Ok(AttachmentData::Ole(self.size()?)),
            (Some(_), _) => match self.size()? {
                0 if reference => Ok(AttachmentData::Reference),
                size => Ok(AttachmentData::Bytes(size)),
            },
        }
    }

    fn size(&self) -> Result<u64, PstError> {
        Ok(self.raw.attachment_size()?.unwrap_or(0))
    }

    /// Streams its data from where reading has come to: from the start for an attachment just opened.
    #[must_use]
    pub fn reader(&self) -> AttachmentReader<'_> {
        AttachmentReader { raw: &self.raw }
    }

    /// Opens the message it holds.
    ///
    /// # Errors
    /// `Limit` below the deepest level that is read, `Missing` or `Corrupt` where it cannot be opened.
    pub fn message(&self) -> Result<Item<'_>, PstError> {
        let depth = self.depth.saturating_add(1);
        if depth > MAX_EMBEDDED_DEPTH {
            let limit = MAX_EMBEDDED_DEPTH as u64;
            return Err(PstError::Limit { what: "depth of embedded messages", have: depth as u64, limit });
        }
        let raw = self.raw.attached_item()?.ok_or(PstError::Missing { what: "embedded message" })?;
        Ok(Item::new(raw, self.names, self.codepage, depth))
    }
}

/// Streams the data of an attachment. An error of libpff is an [`io::Error`] around the [`PstError`].
pub struct AttachmentReader<'m> {
    raw: &'m ffi::Item<'m>,
}

impl AttachmentReader<'_> {
    /// Reads on; 0 is the end.
    ///
    /// # Errors
    /// `Corrupt` where libpff cannot read.
    pub fn next(&mut self, buffer: &mut [u8]) -> Result<usize, PstError> {
        let length = buffer.len().min(READ_CHUNK);
        match buffer.get_mut(..length) {
            Some(part) if !part.is_empty() => self.raw.read_attachment(part),
            _ => Ok(0),
        }
    }
}

impl Read for AttachmentReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.next(buffer).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }
}
