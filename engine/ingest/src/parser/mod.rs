//! A parser: the side of the loader that meets archives. It takes one archive, by an open descriptor, and names and
//! reads its items. It runs in a process of its own, which gives up all else it could do (`sandbox.rs`), so that an
//! archive that breaks a C library breaks nothing but this process.
//!
//! What always holds: it answers each request in order, and says something of each item it was asked for, unless it
//! dies; it tells at least every few seconds that it gets on, so that one that hangs is noticed.

mod item;
mod sandbox;
mod source;
mod texts;

use crate::plan::Entry;
use crate::wire::{self, ArchivedRequest, Item, Opening, Reply, Request, Way, WholeBlob, receive, send};
use item::{Read, Sink};
use source::{Busy, Source};
use std::cell::Cell;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::{Duration, Instant};
use texts::Texts;

/// Bytes of rows after which a piece is handed over.
const PIECE_BYTES: usize = 1 << 20;
/// Time after which a piece is handed over.
const PIECE_TIME: Duration = Duration::from_millis(400);
/// Time after which the loader is told that a long item is still being read.
const BUSY_TIME: Duration = Duration::from_secs(2);

/// The main function of a parser's process: standard input is its socket. Confines itself, then serves until the
/// loader closes. Returns the exit code.
#[must_use]
pub fn main() -> u8 {
    // A reader's panic is caught, and said in the item's report; its words may be words of mail, and nobody reads them here.
    std::panic::set_hook(Box::new(|_| ()));
    let unconfined = sandbox::confine();
    let stream = match io::stdin().as_fd().try_clone_to_owned() {
        Ok(stream) => UnixStream::from(stream),
        Err(_) => return 2,
    };
    match serve(&stream, unconfined, |_| true) {
        Ok(()) => 0,
        // The loader is gone, or sent what no loader sends: there is nobody to tell.
        Err(_) => 2,
    }
}

/// Serves one loader until it closes, or something is asked that is not `taken`.
pub(crate) fn serve(
    stream: &UnixStream,
    unconfined: Vec<String>,
    taken: impl Fn(&Request) -> bool,
) -> io::Result<()> {
    send(stream, &Reply::Ready { unconfined })?;
    let mut parser = Parser { stream, source: None, texts: Texts::default() };
    while let Some(frame) = receive(stream, None)? {
        match rkyv::deserialize::<Request, rkyv::rancor::Error>(wire::open::<ArchivedRequest>(&frame)?) {
            Ok(request) if !taken(&request) => return Ok(()),
            Ok(Request::Open(opening)) => parser.open(opening)?,
            Ok(Request::List(way)) => parser.list(way)?,
            Ok(Request::Read { items, first, batch, each, texts }) => {
                parser.read(&items, [first, batch], each, texts)?;
            }
            Ok(Request::Answer { .. }) | Err(_) => return Err(unexpected()),
        }
    }
    Ok(())
}

/// What comes where no loader would send it.
pub(super) fn unexpected() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "an unexpected request")
}

struct Parser<'s> {
    stream: &'s UnixStream,
    source: Option<Source>,
    texts: Texts,
}

impl Parser<'_> {
    fn say(&self, reply: &Reply) -> io::Result<()> {
        send(self.stream, reply)
    }

    fn open(&mut self, opening: Opening) -> io::Result<()> {
        let file = File::from(wire::receive_descriptor(self.stream)?);
        // The old one goes first.
        self.source = None;
        match Source::open(file, opening, busy(self.stream)?) {
            Err(why) => self.say(&Reply::Refused(why)),
            Ok((source, opened)) => {
                self.source = Some(source);
                self.say(&Reply::Opened(opened))
            }
        }
    }

    fn list(&mut self, way: Way) -> io::Result<()> {
        let stream = self.stream;
        match self.source.as_mut().ok_or_else(unexpected)?.list(way, |reply| send(stream, reply))? {
            Ok(()) => self.say(&Reply::Listed),
            Err(why) => self.say(&Reply::Refused(why)),
        }
    }

    fn read(
        &mut self,
        entries: &[Entry],
        [first, batch]: [u32; 2],
        each: bool,
        texts: bool,
    ) -> io::Result<()> {
        let mut piece = Piece { items: Vec::new(), blobs: Vec::new(), bytes: 0, since: Instant::now() };
        let mut left = first;
        for entry in entries {
            let source = self.source.as_mut().ok_or_else(unexpected)?;
            let texts = texts.then_some(&mut self.texts);
            let Read { item, blobs } = source.read(entry, &mut Sink { stream: self.stream, texts })?;
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
}

/// Tells the loader, at most so often, that an item is still being read.
fn busy(stream: &UnixStream) -> io::Result<Busy> {
    let (stream, last) = (stream.try_clone()?, Cell::new(Instant::now()));
    Ok(Rc::new(move || {
        if last.get().elapsed() >= BUSY_TIME {
            last.set(Instant::now());
            // A loader that is gone is noticed at the next piece.
            drop(send(&stream, &Reply::Busy));
        }
    }))
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
