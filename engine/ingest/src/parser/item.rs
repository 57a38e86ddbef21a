//! One item of an archive: its family read and serialised, its small attachments beside it, its large ones streamed
//! to the loader before it, where the store needs them.

use super::texts::Texts;
use super::unexpected;
use crate::wire::{self, ArchivedRequest, Item, Reply, Trouble, WholeBlob, WireMember, receive, send};
use postlode_format::FormatError;
use postlode_format::limits::BLOB_CHUNK;
use postlode_format::row::{extra, to_bytes};
use postlode_mail::family::{Blob, BlobContent, Family, Member};
use postlode_mail::pst::{AttachmentReader, PstError, Reader, Which};
use postlode_mail::thread::join::Edge;
use sha2::{Digest, Sha256};
use std::io;
use std::os::unix::net::UnixStream;

/// An item and the small attachments of its family.
pub(super) struct Read {
    pub(super) item: Item,
    pub(super) blobs: Vec<WholeBlob>,
}

impl Read {
    pub(super) fn failed(trouble: Trouble) -> Self {
        Self { item: Item::Failed(trouble), blobs: Vec::new() }
    }
}

/// Why an item was not read.
enum Stop {
    /// The loader is gone.
    Gone(io::Error),
    Failed(Trouble),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Gone(error)
    }
}

/// Where items go: to the loader, with the texts of their attachments.
pub(super) struct Sink<'s> {
    pub(super) stream: &'s UnixStream,
    /// `None`: attachments are not looked into.
    pub(super) texts: Option<&'s mut Texts>,
}

impl Sink<'_> {
    /// Makes rows of a family and sends its large attachments ahead. `from` is the PST and the item that it was read
    /// from. An error is the loader's end.
    pub(super) fn family(&mut self, mut family: Family, from: Option<(&Reader, Which)>) -> io::Result<Read> {
        match &mut self.texts {
            Some(texts) => texts.add(&mut family, from),
            None => {
                let reason = "its text is not searched: the parser ended when this item was read with it";
                Texts::leave(&mut family, "crashed", reason);
            }
        }
        // A mail is worth having without the words of its attachments.
        if family.members.iter().any(is_too_large_with_texts) {
            Texts::leave(&mut family, "memory", "its text is not searched: the item is too large with it");
        }
        match read(family, self.stream, from) {
            Ok(read) => Ok(read),
            Err(Stop::Gone(error)) => Err(error),
            Err(Stop::Failed(trouble)) => Ok(Read::failed(trouble)),
        }
    }
}

/// Whether a member has words of attachments, and no row can hold it. Only where there are many is it tried.
fn is_too_large_with_texts(member: &Member) -> bool {
    const MANY: usize = 64 << 10;
    let texts = member.body.extra.iter().filter(|kept| kept.number == extra::ATTACHMENT_TEXT);
    let bytes: usize = texts.map(|kept| kept.bytes.len()).sum();
    bytes > MANY && matches!(to_bytes(&member.body), Err(FormatError::TooLarge { .. }))
}

fn read(family: Family, stream: &UnixStream, from: Option<(&Reader, Which)>) -> Result<Read, Stop> {
    let mut blobs = Vec::new();
    for Blob { sha256, size, content } in family.blobs {
        let offer = Offer { stream, sha256, size };
        match (content, from) {
            (BlobContent::Whole(bytes), _) if bytes.len() <= BLOB_CHUNK => {
                blobs.push(WholeBlob { sha256, bytes });
            }
            (BlobContent::Whole(bytes), _) => offer.whole(&bytes)?,
            (BlobContent::Stream(path), Some((reader, which))) => {
                offer.attachment(reader, which, &path)?;
            }
            (BlobContent::Stream(_), None) => return Err(unexpected().into()),
        }
    }
    let joins = family.joins.iter().map(Edge::ends).collect();
    let mut members = Vec::with_capacity(family.members.len());
    // Members come depth first, each before what it holds; rows the other way round.
    for member in family.members.into_iter().rev() {
        members.push(rows(&member).map_err(|error| {
            let code = if matches!(error, FormatError::TooLarge { .. }) { "memory" } else { "unsupported" };
            failed(code, "row", error.to_string())
        })?);
    }
    Ok(Read { item: Item::Read { members, joins }, blobs })
}

fn rows(member: &Member) -> Result<WireMember, FormatError> {
    let Member { node, email, body } = member;
    Ok(WireMember { node: *node, email: to_bytes(email)?.into(), body: to_bytes(body)?.into() })
}

fn failed(code: &str, stage: &str, reason: String) -> Stop {
    Stop::Failed(Trouble { code: code.to_owned(), stage: stage.to_owned(), reason })
}

/// Why streaming an attachment ended.
enum Chunked {
    Gone(io::Error),
    Failed(PstError),
}

/// A large attachment, offered to the loader.
struct Offer<'s> {
    stream: &'s UnixStream,
    sha256: [u8; 32],
    size: u64,
}

impl Offer<'_> {
    /// Asks whether the store needs it. If so: the number of its last chunk.
    fn wanted(&self) -> Result<Option<u32>, Stop> {
        let last = self.size.saturating_sub(1) / BLOB_CHUNK as u64;
        let last = u32::try_from(last)
            .map_err(|_| failed("memory", "attachment", format!("it has {} bytes", self.size)))?;
        send(self.stream, &Reply::Wanted { sha256: self.sha256, last })?;
        let frame = receive(self.stream, None)?.ok_or(io::Error::from(io::ErrorKind::UnexpectedEof))?;
        match wire::open::<ArchivedRequest>(&frame)? {
            ArchivedRequest::Answer { wanted } => Ok(wanted.then_some(last)),
            _ => Err(unexpected().into()),
        }
    }

    /// Sends one that is in memory.
    fn whole(&self, bytes: &[u8]) -> Result<(), Stop> {
        if self.wanted()?.is_some() {
            for bytes in bytes.chunks(BLOB_CHUNK) {
                send(self.stream, &Reply::Chunk { bytes: bytes.to_vec() })?;
            }
        }
        Ok(())
    }

    /// Streams one out of a PST.
    fn attachment(&self, reader: &Reader, which: Which, path: &[u32]) -> Result<(), Stop> {
        let Some(last) = self.wanted()? else { return Ok(()) };
        let failed = |code: &str, reason: String| failed(code, "attachment", reason);
        let sent = reader.attachment(which, path, |from| self.chunks(from, last));
        match sent.map_err(|error| failed(error.code(), error.to_string()))? {
            Ok(true) => Ok(()),
            Ok(false) => Err(failed("io", "its bytes changed between two readings".to_owned())),
            Err(Chunked::Gone(error)) => Err(Stop::Gone(error)),
            Err(Chunked::Failed(error)) => Err(failed(error.code(), error.to_string())),
        }
    }

    /// Sends chunk after chunk; the last one only if all of them together are what they should be: it is the last
    /// chunk by which an attachment is known to be there.
    fn chunks(&self, from: &mut AttachmentReader<'_>, last: u32) -> Result<bool, Chunked> {
        let mut hasher = Sha256::new();
        for number in 0..=last {
            let bytes = chunk(from).map_err(Chunked::Failed)?;
            hasher.update(&bytes);
            if number == last {
                let more = from.next(&mut [0]).map_err(Chunked::Failed)?;
                if more > 0 || <[u8; 32]>::from(hasher.clone().finalize()) != self.sha256 {
                    return Ok(false);
                }
            } else if bytes.len() < BLOB_CHUNK {
                return Ok(false);
            }
            send(self.stream, &Reply::Chunk { bytes }).map_err(Chunked::Gone)?;
        }
        Ok(true)
    }
}

/// The next chunk: whole, but for the last one.
fn chunk(from: &mut AttachmentReader<'_>) -> Result<Vec<u8>, PstError> {
    let mut bytes = vec![0; BLOB_CHUNK];
    let mut filled = 0usize;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match from.next(rest)? {
            0 => break,
            count => filled = filled.saturating_add(count),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}
