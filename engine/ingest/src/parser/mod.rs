//! A parser: the side of the loader that meets archives. It takes one archive, by an open descriptor, and names and
//! reads its items. It runs in a process of its own, which gives up all else it could do (`sandbox.rs`), so that an
//! archive that breaks a C library breaks nothing but this process.
//!
//! What always holds: it answers each request in order, and says something of each item it was asked for, unless it
//! dies; it tells at least twice a second how far it is, but for the item it is at, so that one that hangs is noticed.

mod item;
mod sandbox;

use crate::wire::{
    self, ArchivedRequest, Item, Opened, Reply, Request, Trouble, Unlisted, WholeBlob, receive, send,
};
use item::Read;
use postlode_mail::pst::{Archive, PstError, Reader};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// Bytes of rows after which a piece is handed over.
const PIECE_BYTES: usize = 4 << 20;
/// Time after which a piece is handed over.
const PIECE_TIME: Duration = Duration::from_millis(400);
/// Items after which the archive is opened anew: libpff's memory grows while one is open.
const ITEMS_PER_HANDLE: usize = 16_384;
/// Folders, items or losses in one frame.
const LISTED: usize = 65_536;

/// The main function of a parser's process: standard input is its socket. Confines itself, then serves until the
/// loader closes. Returns the exit code.
#[must_use]
pub fn main() -> u8 {
    let unconfined = sandbox::confine();
    let stream = match io::stdin().as_fd().try_clone_to_owned() {
        Ok(stream) => UnixStream::from(stream),
        Err(_) => return 2,
    };
    match serve(&stream, unconfined) {
        Ok(()) => 0,
        // The loader is gone, or sent what no loader sends: there is nobody to tell.
        Err(_) => 2,
    }
}

/// Serves one loader until it closes.
pub(crate) fn serve(stream: &UnixStream, unconfined: Vec<String>) -> io::Result<()> {
    send(stream, &Reply::Ready { unconfined })?;
    let mut parser = Parser { stream, source: None };
    while let Some(frame) = receive(stream)? {
        match rkyv::deserialize::<Request, rkyv::rancor::Error>(wire::open::<ArchivedRequest>(&frame)?) {
            Ok(Request::Open { version }) => parser.open(version)?,
            Ok(Request::List) => parser.list()?,
            Ok(Request::Read { items, first, batch, each }) => parser.read(&items, [first, batch], each)?,
            Ok(Request::Answer { .. }) | Err(_) => return Err(unexpected()),
        }
    }
    Ok(())
}

/// What comes where no loader would send it.
pub(super) fn unexpected() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "an unexpected request")
}

pub(super) fn trouble(stage: &str, error: &PstError) -> Trouble {
    Trouble { code: error.code().to_owned(), stage: stage.to_owned(), reason: error.to_string() }
}

/// The archive it was given.
struct Source {
    file: File,
    version: [u8; 32],
    reader: Option<Reader>,
    /// Items read since the reader was opened.
    read: usize,
}

impl Source {
    /// The reader, opened where there is none.
    fn reader(&mut self) -> Result<&Reader, PstError> {
        if self.read >= ITEMS_PER_HANDLE {
            (self.reader, self.read) = (None, 0);
        }
        let reader = match self.reader.take() {
            Some(reader) => reader,
            None => Reader::new(Archive::from_file(&self.file)?, &self.version),
        };
        Ok(self.reader.insert(reader))
    }
}

struct Parser<'s> {
    stream: &'s UnixStream,
    source: Option<Source>,
}

impl Parser<'_> {
    fn say(&self, reply: &Reply) -> io::Result<()> {
        send(self.stream, reply)
    }

    fn open(&mut self, version: [u8; 32]) -> io::Result<()> {
        let file = File::from(wire::receive_descriptor(self.stream)?);
        // The old one goes first.
        self.source = None;
        let mut source = Source { file, version, reader: None, read: 0 };
        let reply = match source.reader() {
            Err(error) => Reply::Refused(trouble("archive", &error)),
            Ok(reader) => {
                let info = reader.archive().info();
                let notes = info.notes.iter().map(|note| Trouble {
                    code: note.code.to_owned(),
                    stage: note.stage.clone(),
                    reason: note.reason.clone(),
                });
                Reply::Opened(Opened {
                    kind: info.kind.to_owned(),
                    archive: *reader.id(),
                    claimed_size: info.claimed_size,
                    password: info.password,
                    notes: notes.collect(),
                })
            }
        };
        self.source = Some(source);
        self.say(&reply)
    }

    fn list(&mut self) -> io::Result<()> {
        let listing = match self.source.as_mut().ok_or_else(unexpected)?.reader().and_then(Reader::list) {
            Ok(listing) => listing,
            Err(error) => return self.say(&Reply::Refused(trouble("folders", &error))),
        };
        for folders in listing.folders.chunks(LISTED) {
            self.say(&Reply::Folders(folders.iter().map(|folder| folder.path.clone()).collect()))?;
        }
        for items in listing.items.chunks(LISTED) {
            self.say(&Reply::Items(items.iter().map(|item| (item.nid, item.folder)).collect()))?;
        }
        for lost in listing.failures.chunks(LISTED) {
            let lost = lost.iter().map(|lost| Unlisted {
                folder: lost.folder,
                node: lost.node(&listing),
                item: lost.row.is_some(),
                trouble: trouble(if lost.row.is_some() { "folder table" } else { "folder" }, &lost.error),
            });
            self.say(&Reply::Lost(lost.collect()))?;
        }
        self.say(&Reply::Listed)
    }

    fn read(&mut self, nids: &[u32], [first, batch]: [u32; 2], each: bool) -> io::Result<()> {
        let mut piece = Piece { items: Vec::new(), blobs: Vec::new(), bytes: 0, since: Instant::now() };
        let mut left = first;
        for nid in nids {
            let Read { item, blobs } = self.item(*nid)?;
            piece.add(item, blobs);
            left = left.saturating_sub(1);
            if left == 0 || each || piece.bytes >= PIECE_BYTES || piece.since.elapsed() >= PIECE_TIME {
                self.say(&piece.take())?;
            }
            if left == 0 {
                left = batch.max(1);
            }
        }
        if piece.items.is_empty() { Ok(()) } else { self.say(&piece.take()) }
    }

    fn item(&mut self, nid: u32) -> io::Result<Read> {
        let source = self.source.as_mut().ok_or_else(unexpected)?;
        source.read = source.read.saturating_add(1);
        let reader = match source.reader() {
            Ok(reader) => reader,
            Err(error) => return Ok(Read::failed(trouble("archive", &error))),
        };
        // A fault of our own costs the item it happens at. What it left of the reader is not used again.
        match catch_unwind(AssertUnwindSafe(|| item::read(reader, nid, self.stream))) {
            Ok(read) => read,
            Err(_) => {
                source.reader = None;
                let reason = "a fault of ours ended the reading of this item".to_owned();
                Ok(Read::failed(Trouble { code: "crashed".to_owned(), stage: "item".to_owned(), reason }))
            }
        }
    }
}

/// What is to be handed over together.
struct Piece {
    items: Vec<Item>,
    blobs: Vec<WholeBlob>,
    bytes: usize,
    since: Instant,
}

impl Piece {
    fn add(&mut self, item: Item, blobs: Vec<WholeBlob>) {
        let rows: usize = match &item {
            Item::Read { members, .. } => {
                members.iter().map(|m| m.email.len().saturating_add(m.body.len())).sum()
            }
            Item::Failed(_) => 0,
        };
        let chunks: usize = blobs.iter().map(|blob| blob.bytes.len()).sum();
        self.bytes = self.bytes.saturating_add(rows).saturating_add(chunks).saturating_add(512);
        self.items.push(item);
        self.blobs.extend(blobs);
    }

    fn take(&mut self) -> Reply {
        (self.bytes, self.since) = (0, Instant::now());
        Reply::Piece { blobs: std::mem::take(&mut self.blobs), items: std::mem::take(&mut self.items) }
    }
}
