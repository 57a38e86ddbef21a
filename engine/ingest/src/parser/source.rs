//! An archive as a parser has it: what it is, the names of its items, one item at a time.
//!
//! What always holds: an item is read from the archive it was asked from and from nothing else; what the loader says
//! of an item (where it is, how long) is checked by the reader of the archive's kind.

use super::item::{Read, Sink};
use crate::plan::{Entry, Origin};
use crate::wire::{Format, Opened, Opening, Reply, Trouble, Unlisted, Way};
use postlode_format::id::{Id, archive_id};
use postlode_mail::pst::{Archive, ItemRef, Lost, PstError, Reader, Which};
use postlode_mail::rfc::{self, Mbox, RfcError};
use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

/// Items after which a PST is opened anew: libpff's memory grows while one is open.
const ITEMS_PER_HANDLE: usize = 16_384;
/// Folders, items or losses in one frame.
const LISTED: usize = 65_536;

pub(super) fn pst_trouble(stage: &str, error: &PstError) -> Trouble {
    Trouble { code: error.code().to_owned(), stage: stage.to_owned(), reason: error.to_string() }
}

fn rfc_trouble(stage: &str, error: &RfcError) -> Trouble {
    Trouble { code: error.code().to_owned(), stage: stage.to_owned(), reason: error.to_string() }
}

/// The archive that a parser was given.
pub(super) enum Source {
    Pst(Box<Pst>),
    Mail(Mail),
}

impl Source {
    /// Opens an archive as what it is taken for.
    pub(super) fn open(file: File, opening: Opening, busy: Busy) -> Result<(Self, Opened), Trouble> {
        match opening.format {
            Format::Pst => {
                let mut pst = Pst {
                    file,
                    version: opening.version,
                    reader: None,
                    read: 0,
                    recover: opening.recover,
                    busy,
                };
                let opened = pst.opened().map_err(|error| pst_trouble("archive", &error))?;
                Ok((Self::Pst(Box::new(pst)), opened))
            }
            Format::Eml | Format::Mbox => {
                let (mail, opened) =
                    Mail::open(file, opening).map_err(|error| rfc_trouble("archive", &error))?;
                Ok((Self::Mail(mail), opened))
            }
        }
    }

    /// Names all items. An inner `Err` is why it cannot.
    pub(super) fn list(
        &mut self,
        way: Way,
        say: impl FnMut(&Reply) -> io::Result<()>,
    ) -> io::Result<Result<(), Trouble>> {
        match self {
            Self::Pst(pst) => pst.list(way, say),
            Self::Mail(mail) => mail.list(say),
        }
    }

    /// Reads an item. A fault of our own costs the item it happens at. An error is the loader's end.
    pub(super) fn read(&mut self, entry: &Entry, to: &mut Sink<'_>) -> io::Result<Read> {
        let read = match self {
            Self::Pst(pst) => catch_unwind(AssertUnwindSafe(|| pst.read(entry, to))),
            Self::Mail(mail) => catch_unwind(AssertUnwindSafe(|| mail.read(entry, to))),
        };
        read.unwrap_or_else(|_| {
            if let Self::Pst(pst) = self {
                // What the fault left of the reader is not used again.
                pst.reader = None;
            }
            let reason = "a fault of ours ended the reading of this item".to_owned();
            Ok(Read::failed(Trouble { code: "crashed".to_owned(), stage: "item".to_owned(), reason }))
        })
    }
}

/// A PST or OST.
pub(super) struct Pst {
    file: File,
    version: [u8; 32],
    reader: Option<Reader>,
    /// Items read since the reader was opened.
    read: usize,
    /// Items that no folder shows are wanted too.
    recover: bool,
    busy: Busy,
}

/// Tells the loader that an item is still being read, where that takes long.
pub(super) type Busy = Rc<dyn Fn()>;

impl Pst {
    /// The reader, opened where there is none.
    fn reader(&mut self) -> Result<&Reader, PstError> {
        if self.read >= ITEMS_PER_HANDLE {
            (self.reader, self.read) = (None, 0);
        }
        let reader = match self.reader.take() {
            Some(reader) => reader,
            None => {
                let busy = Rc::clone(&self.busy);
                Reader::new(Archive::from_file(&self.file)?, &self.version).telling(move || busy())
            }
        };
        Ok(self.reader.insert(reader))
    }

    fn opened(&mut self) -> Result<Opened, PstError> {
        let reader = self.reader()?;
        let info = reader.archive().info();
        let notes = info.notes.iter().map(|note| Trouble {
            code: note.code.to_owned(),
            stage: note.stage.clone(),
            reason: note.reason.clone(),
        });
        Ok(Opened {
            kind: info.kind.to_owned(),
            archive: *reader.id(),
            claimed_size: info.claimed_size,
            password: info.password,
            notes: notes.collect(),
        })
    }

    fn list(
        &mut self,
        way: Way,
        mut say: impl FnMut(&Reply) -> io::Result<()>,
    ) -> io::Result<Result<(), Trouble>> {
        let recover = self.recover && way == Way::Whole;
        let listed = self.reader().and_then(|reader| {
            let listing = if way == Way::Nodes { reader.archive().list_by_nodes() } else { reader.list() };
            Ok((reader, listing?))
        });
        let (reader, listing) = match listed {
            Ok(listed) => listed,
            Err(error) => return Ok(Err(pst_trouble("folders", &error))),
        };
        for folders in listing.folders.chunks(LISTED) {
            say(&Reply::Folders(folders.iter().map(|folder| folder.path.clone()).collect()))?;
        }
        for items in listing.items.chunks(LISTED) {
            let entry = |item: &ItemRef| Entry::of_node(item.nid, item.folder);
            say(&Reply::Items(items.iter().map(entry).collect()))?;
        }
        for lost in listing.failures.chunks(LISTED) {
            let lost = lost.iter().map(|lost| Unlisted {
                folder: lost.folder,
                node: lost.node(&listing),
                item: lost.row.is_some(),
                trouble: pst_trouble(if lost.row.is_some() { "folder table" } else { "folder" }, &lost.error),
            });
            say(&Reply::Lost(lost.collect()))?;
        }
        if recover {
            let Lost { orphans, deleted, failures } = reader.archive().lost(&listing);
            let orphan =
                |item: &ItemRef| Entry { origin: Origin::Orphan, ..Entry::of_node(item.nid, item.folder) };
            for orphans in orphans.chunks(LISTED) {
                say(&Reply::Items(orphans.iter().map(orphan).collect()))?;
            }
            let deleted: Vec<Entry> = deleted
                .iter()
                .map(|number| Entry {
                    node: Which::Deleted(*number).node(),
                    origin: Origin::Deleted,
                    ..Entry::of_node(0, 0)
                })
                .collect();
            for deleted in deleted.chunks(LISTED) {
                say(&Reply::Items(deleted.to_vec()))?;
            }
            let lost = failures.iter().map(|(what, error)| Unlisted {
                folder: 0,
                node: 0,
                item: false,
                trouble: pst_trouble(what, error),
            });
            say(&Reply::Lost(lost.collect()))?;
        }
        Ok(Ok(()))
    }

    fn read(&mut self, entry: &Entry, to: &mut Sink<'_>) -> io::Result<Read> {
        self.read = self.read.saturating_add(1);
        let reader = match self.reader() {
            Ok(reader) => reader,
            Err(error) => return Ok(Read::failed(pst_trouble("archive", &error))),
        };
        let Some(which) = Which::of_node(entry.node) else {
            return Ok(Read::failed(pst_trouble("item", &PstError::Missing { what: "item" })));
        };
        match reader.read_any(which) {
            Ok(family) => to.family(family, Some((reader, which))),
            Err(error) => Ok(Read::failed(pst_trouble("item", &error))),
        }
    }
}

/// A message in a file of its own, or a mailbox of them one after the other.
pub(super) struct Mail {
    file: File,
    archive: Id,
    mailbox: bool,
    folder: String,
}

impl Mail {
    fn open(file: File, opening: Opening) -> Result<(Self, Opened), RfcError> {
        let Opening { version, format, folder, name, .. } = opening;
        let mailbox = format == Format::Mbox;
        let (kind, key) =
            if mailbox { (rfc::Kind::Mbox, Mbox::new(&file)?.record_key()?) } else { (rfc::Kind::Eml, None) };
        // Copies of a file in two folders are two archives: each is a place.
        let mut key = key.unwrap_or(version).to_vec();
        for part in [&folder, &name] {
            key.extend_from_slice(&(part.len() as u64).to_le_bytes());
            key.extend_from_slice(part.as_bytes());
        }
        let archive = archive_id(kind.name(), &key);
        let kind = kind.name().to_owned();
        let opened = Opened { kind, archive, claimed_size: 0, password: false, notes: Vec::new() };
        Ok((Self { file, archive, mailbox, folder }, opened))
    }

    fn list(&mut self, mut say: impl FnMut(&Reply) -> io::Result<()>) -> io::Result<Result<(), Trouble>> {
        say(&Reply::Folders(vec![self.folder.clone()]))?;
        if !self.mailbox {
            let bytes = self.file.metadata()?.len();
            say(&Reply::Items(vec![Entry { bytes, ..Entry::of_node(0, 0) }]))?;
            return Ok(Ok(()));
        }
        let entries = match Mbox::new(&self.file).and_then(|mbox| mbox.list()) {
            Ok(entries) => entries,
            Err(error) => return Ok(Err(rfc_trouble("messages", &error))),
        };
        for entries in entries.chunks(LISTED) {
            let entry =
                |entry: &rfc::Entry| Entry { node: entry.offset, bytes: entry.len, ..Entry::of_node(0, 0) };
            say(&Reply::Items(entries.iter().map(entry).collect()))?;
        }
        Ok(Ok(()))
    }

    fn read(&self, entry: &Entry, to: &mut Sink<'_>) -> io::Result<Read> {
        let family = if self.mailbox {
            let place = rfc::Entry { offset: entry.node, len: entry.bytes };
            Mbox::new(&self.file).and_then(|mbox| mbox.family(place, &self.archive))
        } else {
            let source = rfc::Source { archive: &self.archive, node: entry.node, quoted: false };
            rfc::whole(&self.file).and_then(|raw| rfc::read(&raw, &source))
        };
        match family {
            Ok(family) => to.family(family, None),
            Err(error) => Ok(Read::failed(rfc_trouble("item", &error))),
        }
    }
}
