//! From an item in an archive to rows: reads its family, serialises its members, sends its attachments ahead.

use crate::output::{Chunk, ItemFailure, Output, Parsed, ParsedEmail};
use crate::plan::place_key;
use crate::worker::{Gone, Job};
use async_channel::Sender;
use bytes::Bytes;
use postlode_format::FormatError;
use postlode_format::limits::BLOB_CHUNK;
use postlode_format::row::{Place, to_bytes};
use postlode_mail::pst::{AttachmentReader, Blob, BlobContent, ItemRef, Member, PstError, Reader};
use sha2::{Digest, Sha256};

/// Reads items with one handle, for one worker.
pub(crate) struct Parser<'p> {
    pub(crate) reader: &'p Reader,
    pub(crate) job: &'p Job,
    pub(crate) to: &'p Sender<Output>,
}

/// An item and the small attachments of its family.
pub(crate) struct Read {
    pub(crate) parsed: Parsed,
    pub(crate) blobs: Vec<Chunk>,
}

/// Why an item was not read.
enum Stop {
    Gone,
    Failed(ItemFailure),
}

impl From<Gone> for Stop {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

impl Parser<'_> {
    /// Reads one item. Its large attachments are streamed to the committer meanwhile, where the store needs them.
    pub(crate) fn item(&self, item: &ItemRef) -> Result<Read, Gone> {
        match self.family(item) {
            Ok(read) => Ok(read),
            Err(Stop::Gone) => Err(Gone),
            Err(Stop::Failed(failure)) => Ok(Read { parsed: Parsed::Failed(failure), blobs: Vec::new() }),
        }
    }

    fn family(&self, item: &ItemRef) -> Result<Read, Stop> {
        let failed = |stage, error: PstError| {
            Stop::Failed(failure(self.job, item, error.code(), stage, error.to_string()))
        };
        let family = self.reader.read(item.nid).map_err(|error| failed("item", error))?;
        let attachments = family.members.first().map_or(0, |member| member.email.attachments.len() as u64);
        let partial = family.members.iter().any(|member| !member.email.partial.is_empty());
        let mut blobs = Vec::new();
        for Blob { sha256, size, content } in family.blobs {
            match content {
                BlobContent::Whole(bytes) => blobs.push(Chunk { sha256, number: 0, bytes: bytes.into() }),
                BlobContent::Stream(path) => self.stream(item, &sha256, size, &path)?,
            }
        }
        let mut emails = Vec::with_capacity(family.members.len());
        // Members come depth first, each before what it holds; rows the other way round.
        for member in family.members.into_iter().rev() {
            let email = self.rows(member, self.job.folder(item)).map_err(|error| {
                let code =
                    if matches!(error, FormatError::TooLarge { .. }) { "memory" } else { "unsupported" };
                Stop::Failed(failure(self.job, item, code, "row", error.to_string()))
            })?;
            emails.push(email);
        }
        Ok(Read { parsed: Parsed::Item { node: item.nid, emails, partial, attachments }, blobs })
    }

    fn rows(&self, member: Member, folder: &str) -> Result<ParsedEmail, FormatError> {
        let Member { node, email, body } = member;
        let Job { archive, version, custodian, .. } = self.job;
        let place = Place {
            extra: Vec::new(),
            archive: *archive,
            version: *version,
            custodian: custodian.clone(),
            folder: folder.to_owned(),
            node,
            recovered: false,
            date: email.date,
        };
        Ok(ParsedEmail {
            id: email.id,
            place_key: place_key(&email.id, archive, node, custodian).into(),
            place: to_bytes(&place)?,
            email: to_bytes(&email)?,
            body: to_bytes(&body)?,
        })
    }

    /// Streams a large attachment, if the store needs it.
    fn stream(&self, item: &ItemRef, sha256: &[u8; 32], size: u64, path: &[u32]) -> Result<(), Stop> {
        let failed =
            |code: &str, reason: String| Stop::Failed(failure(self.job, item, code, "attachment", reason));
        let last = size.saturating_sub(1) / BLOB_CHUNK as u64;
        let last = u32::try_from(last).map_err(|_| failed("memory", format!("it has {size} bytes")))?;
        let (answer, answered) = async_channel::bounded(1);
        let sha256 = *sha256;
        self.to.send_blocking(Output::Wanted { sha256, last, answer }).map_err(|_| Gone)?;
        if !answered.recv_blocking().map_err(|_| Gone)? {
            return Ok(());
        }
        let sent = self.reader.attachment(item.nid, path, |from| self.chunks(from, sha256, last));
        match sent.map_err(|error| failed(error.code(), error.to_string()))? {
            Ok(true) => Ok(()),
            Ok(false) => Err(failed("io", "its bytes changed between two readings".to_owned())),
            Err(Chunked::Gone) => Err(Stop::Gone),
            Err(Chunked::Failed(error)) => Err(failed(error.code(), error.to_string())),
        }
    }

    /// Sends chunk after chunk; the last one only if all of them together are what they should be: it is the last
    /// chunk by which an attachment is known to be there.
    fn chunks(&self, from: &mut AttachmentReader<'_>, sha256: [u8; 32], last: u32) -> Result<bool, Chunked> {
        let mut hasher = Sha256::new();
        for number in 0..=last {
            let bytes = chunk(from).map_err(Chunked::Failed)?;
            hasher.update(&bytes);
            let at_end = number == last;
            if at_end {
                let more = from.next(&mut [0]).map_err(Chunked::Failed)?;
                if more > 0 || <[u8; 32]>::from(hasher.clone().finalize()) != sha256 {
                    return Ok(false);
                }
            } else if bytes.len() < BLOB_CHUNK {
                return Ok(false);
            }
            let chunk = Chunk { sha256, number, bytes };
            self.to.send_blocking(Output::Chunk(chunk)).map_err(|_| Chunked::Gone)?;
        }
        Ok(true)
    }
}

/// Why streaming an attachment ended.
enum Chunked {
    Gone,
    Failed(PstError),
}

/// The next chunk: whole, but for the last one.
fn chunk(from: &mut AttachmentReader<'_>) -> Result<Bytes, PstError> {
    let mut bytes = vec![0; BLOB_CHUNK];
    let mut filled = 0usize;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match from.next(rest)? {
            0 => break,
            count => filled = filled.saturating_add(count),
        }
    }
    bytes.truncate(filled);
    Ok(bytes.into())
}

/// An item that could not be read.
pub(crate) fn failure(job: &Job, item: &ItemRef, code: &str, stage: &str, reason: String) -> ItemFailure {
    let (code, stage) = (code.to_owned(), stage.to_owned());
    ItemFailure { folder: job.folder(item).to_owned(), node: u64::from(item.nid), code, stage, reason }
}
