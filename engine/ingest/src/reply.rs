//! What a parser says of items, checked and made into what is committed.
//!
//! What always holds: rows are valid records of their kind; a place is made here, not by the parser, so that it tells
//! the archive, folder and custodian that the item was asked from; no attachment's last chunk goes through unless all
//! of its chunks have its hash: another archive may hold an attachment of the same hash, and that must stay right.

use crate::child::{known_code, trouble};
use crate::output::{Chunk, Loss, Parsed, ParsedEmail};
use crate::plan::{Entry, Origin, place_key};
use crate::sums::Sums;
use crate::wire::{self, ArchivedItem, ArchivedReply, ArchivedWholeBlob, ArchivedWireMember};
use crate::worker::Job;
use bytes::Bytes;
use postlode_format::limits::BLOB_CHUNK;
use postlode_format::row::{
    ArchivedAttachmentKind, ArchivedBody, ArchivedEmail, Grade, Place, access, attachments_unread, to_bytes,
};
use postlode_mail::thread::join::{Edge, MAX_EDGES};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// Things that could not be read which are named of one item.
const NAMED: usize = 64;

/// Something that a parser said.
pub(crate) enum Said {
    /// It is still at its item.
    Busy,
    /// The store may need this attachment.
    Wanted { sha256: [u8; 32], last: u32 },
    /// A chunk of the attachment that was asked for.
    Chunk(Chunk),
    /// What became of the next items.
    Items { items: Vec<Parsed>, blobs: Vec<Chunk> },
}

/// An attachment on its way.
pub(crate) struct Streamed {
    sha256: [u8; 32],
    last: u32,
    next: u32,
    hasher: Sha256,
}

impl Streamed {
    /// One of which nothing has come yet.
    pub(crate) fn new(sha256: [u8; 32], last: u32) -> Self {
        Self { sha256, last, next: 0, hasher: Sha256::new() }
    }

    fn chunk(&mut self, bytes: Bytes) -> Option<Chunk> {
        let number = self.next;
        let at_end = number == self.last;
        if number > self.last || bytes.len() > BLOB_CHUNK || (!at_end && bytes.len() < BLOB_CHUNK) {
            return None;
        }
        self.hasher.update(&bytes);
        self.next = number.saturating_add(1);
        if at_end && <[u8; 32]>::from(self.hasher.clone().finalize()) != self.sha256 {
            return None;
        }
        Some(Chunk { sha256: self.sha256, number, bytes })
    }
}

/// What a frame says of `items`, the ones that come next. `None`: what no parser says.
pub(crate) fn take(
    job: &Job,
    frame: &Bytes,
    items: &[Entry],
    streamed: &mut Option<Streamed>,
) -> Option<Said> {
    match wire::open::<ArchivedReply>(frame).ok()? {
        ArchivedReply::Wanted { sha256, last } => {
            Some(Said::Wanted { sha256: *sha256, last: last.to_native() })
        }
        ArchivedReply::Busy => Some(Said::Busy),
        ArchivedReply::Chunk { bytes } => {
            streamed.as_mut()?.chunk(frame.slice_ref(bytes.as_slice())).map(Said::Chunk)
        }
        ArchivedReply::Piece { blobs, items: said } => {
            if said.is_empty() || said.len() > items.len() {
                return None;
            }
            let blobs = blobs.iter().map(|blob| whole(frame, blob)).collect::<Option<Vec<_>>>()?;
            let parsed = said.iter().zip(items).map(|(said, item)| self::item(job, frame, item, said));
            Some(Said::Items { items: parsed.collect::<Option<Vec<_>>>()?, blobs })
        }
        _ => None,
    }
}

fn whole(frame: &Bytes, blob: &ArchivedWholeBlob) -> Option<Chunk> {
    let bytes = frame.slice_ref(blob.bytes.as_slice());
    let right = bytes.len() <= BLOB_CHUNK && <[u8; 32]>::from(Sha256::digest(&bytes)) == blob.sha256;
    right.then_some(Chunk { sha256: blob.sha256, number: 0, bytes })
}

fn item(job: &Job, frame: &Bytes, item: &Entry, said: &ArchivedItem) -> Option<Parsed> {
    match said {
        ArchivedItem::Failed(why) => {
            let why = trouble(why);
            Some(Parsed::Failed(Loss {
                grade: Grade::Item,
                folder: job.folder(item).to_owned(),
                node: item.node,
                code: why.code,
                stage: why.stage,
                reason: why.reason,
            }))
        }
        ArchivedItem::Read { members, joins } => {
            let folder = job.folder(item);
            let recovered = item.origin != Origin::Folder;
            let emails = members
                .iter()
                .map(|m| member(job, frame, (folder, recovered), m))
                .collect::<Option<Vec<_>>>()?;
            // A mail proves so many and no more, whatever its parser says.
            if joins.len() > emails.len().saturating_mul(MAX_EDGES) {
                return None;
            }
            let joins = joins.iter().filter_map(|ends| Edge::between(ends.0, ends.1)).collect();
            let (holds, losses) = holdings(&emails, folder, item.node)?;
            (!emails.is_empty()).then_some(Parsed::Item { node: item.node, emails, holds, losses, joins })
        }
    }
}

/// What a family holds, and what of it could not be read.
fn holdings(emails: &[ParsedEmail], folder: &str, node: u64) -> Option<(Sums, Vec<Loss>)> {
    let (mut holds, mut losses) = (Sums::default(), Vec::new());
    let mut more = 0usize;
    let mut lost = |grade, code: &str, stage: &str, reason: &str| {
        if losses.len() >= NAMED {
            more = more.saturating_add(1);
            return;
        }
        let cut = |text: &str| text.chars().take(1000).collect();
        let (folder, code) = (folder.to_owned(), known_code(code).to_owned());
        losses.push(Loss { grade, folder, node, code, stage: cut(stage), reason: cut(reason) });
    };
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    for (place, parsed) in emails.iter().rev().enumerate() {
        let email = access::<ArchivedEmail>(&parsed.email).ok()?;
        let body = access::<ArchivedBody>(&parsed.body).ok()?;
        let inside = if place == 0 { "" } else { "embedded message: " };
        for note in email.partial.iter() {
            lost(Grade::Part, &note.code, &format!("{inside}{}", note.stage), &note.reason);
        }
        holds.partial |= u64::from(!email.partial.is_empty());
        // The item itself is the last of its family; what its attachments hold is counted there.
        if place == 0 {
            holds.attachments = count(email.attachments.len());
            let unreadable =
                email.attachments.iter().filter(|a| matches!(a.kind, ArchivedAttachmentKind::Unreadable));
            holds.unreadable = count(unreadable.count());
            let kinds = [&email.to, &email.cc, &email.bcc];
            holds.recipients = kinds.iter().map(|list| count(list.len())).sum();
        }
        let mut unsearched = BTreeSet::new();
        for unread in attachments_unread(&body.extra) {
            unsearched.insert(unread.n);
            let stage = format!("{inside}text of attachment {}: {}", unread.n, unread.what);
            lost(Grade::Text, unread.code, &stage, unread.reason);
        }
        holds.unsearched = holds.unsearched.saturating_add(count(unsearched.len()));
    }
    if let Some(last) = losses.last_mut().filter(|_| more > 0) {
        last.reason = format!("{} (and {more} more things of this item)", last.reason);
    }
    Some((holds, losses))
}

fn member(
    job: &Job,
    frame: &Bytes,
    (folder, recovered): (&str, bool),
    member: &ArchivedWireMember,
) -> Option<ParsedEmail> {
    let email = access::<ArchivedEmail>(&member.email).ok()?;
    access::<ArchivedBody>(&member.body).ok()?;
    let (id, node) = (email.id, member.node.to_native());
    let place = Place {
        extra: Vec::new(),
        archive: job.archive,
        version: job.version,
        custodian: job.custodian.clone(),
        folder: folder.to_owned(),
        node,
        recovered,
        date: email.date.to_native(),
    };
    Some(ParsedEmail {
        id,
        place_key: place_key(&id, &job.archive, node, &job.custodian).into(),
        place: to_bytes(&place).ok()?,
        email: frame.slice_ref(&member.email),
        body: frame.slice_ref(&member.body),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attachment_goes_through_whole_and_right_or_not_at_all() {
        let bytes: Vec<u8> = (0..BLOB_CHUNK * 2 + 77).map(|n| (n % 251) as u8).collect();
        let sha256: [u8; 32] = Sha256::digest(&bytes).into();
        let chunks: Vec<Bytes> = bytes.chunks(BLOB_CHUNK).map(Bytes::copy_from_slice).collect();
        let mut right = Streamed::new(sha256, 2);
        let numbers: Vec<u32> = chunks.iter().map(|c| right.chunk(c.clone()).unwrap().number).collect();
        assert_eq!(numbers, [0, 1, 2]);
        assert!(right.chunk(Bytes::new()).is_none(), "more than there is");
        let mut wrong = Streamed::new(sha256, 2);
        assert!(wrong.chunk(chunks[1].clone()).is_some());
        assert!(wrong.chunk(chunks[0].clone()).is_some());
        assert!(wrong.chunk(chunks[2].clone()).is_none(), "the order is wrong, so the hash is");
        assert!(Streamed::new(sha256, 2).chunk(chunks[2].clone()).is_none(), "a short one in the middle");
    }
}
